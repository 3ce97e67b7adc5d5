/* replica conflicts: the log of what conflicts superseded, and the way back; and the conflicts that
 * wait for a person, with his answer. */
#include "tools/cli/conflict_show.h"

#include "base/clock.h"

#include <string.h>

struct conflict_list {
    bool json;
    bool full;    /* with the states */
    int64_t only; /* this entry; 0: all */
    int64_t shown;
};

static void print_plain(const struct conflict_list *list, const replica_conflict_entry *e)
{
    char time[CLI_TIME];

    if (e->number)
        printf("%lld ", (long long)e->number);
    printf("%s %s/", cli_time(e->time_ms, time), e->collection);
    cli_print_plain(e->id, strlen(e->id));
    printf(" %s\n", e->number ? e->rule : e->rule[0] ? "waits for a person" : "to be settled");
    if (list->full)
        cli_show_conflict(e);
}

/* A state as a member; a deleted one is null, and its name is in "deleted". */
static void print_json(const replica_conflict_entry *e)
{
    replica_doc *result = e->result || !e->number ? e->result : e->real;
    char time[CLI_TIME];
    const struct {
        const char *name;
        replica_doc *doc;
    } states[] = { { "assumed", e->assumed }, { "real", e->real }, { "local", e->local },
                   { "result", result } };
    bool comma = false;

    printf("{\"number\":%lld", (long long)e->number);
    cli_print_member("time", cli_time(e->time_ms, time));
    cli_print_member("collection", e->collection);
    cli_print_member("id", e->id);
    cli_print_member("replication", e->replication);
    cli_print_member("rule", e->rule);
    cli_print_member("writer", e->real ? replica_doc_writer(e->real) : "");
    for (size_t i = 0; i < 4; i++)
        cli_print_doc(states[i].name, states[i].doc);
    printf(",\"deleted\":[");
    for (size_t i = 0; i < 4; i++) {
        if (!states[i].doc || !replica_doc_deleted(states[i].doc))
            continue;
        printf("%s\"%s\"", comma ? "," : "", states[i].name);
        comma = true;
    }
    printf("]}\n");
}

static int print_entry(void *ctx, const replica_conflict_entry *e)
{
    struct conflict_list *list = ctx;

    if (list->only && e->number != list->only)
        return 1; /* numbers grow: it is not there */
    list->shown++;
    if (list->json)
        print_json(e);
    else
        print_plain(list, e);
    return list->only != 0;
}

/* ---- what waits ------------------------------------------------------------------- */

static bool is_answer(const char *action)
{
    return strcmp(action, "ours") == 0 || strcmp(action, "theirs") == 0;
}

static int list_waiting(struct cli_store *store, struct conflict_list *list)
{
    replica_error err = { 0 };

    list->full = true;
    if (replica_conflict_waiting(store->db, store->coll, print_entry, list, &err) < 0)
        return cli_failed(&err);
    return CLI_OK;
}

static int answer(struct cli_store *store, const char *which, const char *id,
                  const char *replication)
{
    replica_error err = { 0 };
    int r = replica_conflict_answer(store->coll, id, replication,
                                    strcmp(which, "ours") == 0 ? REPLICA_ANSWER_LOCAL
                                                               : REPLICA_ANSWER_REAL, &err);

    if (r < 0)
        return cli_failed(&err);
    if (r == 0) {
        cli_complain("'%s' is in no conflict", id);
        return CLI_NO;
    }
    return CLI_OK;
}

/* ---- the log ---------------------------------------------------------------------- */

static int restore(replica_db *db, int64_t number, replica_error *err)
{
    CLI_DOC doc = NULL;
    int r;

    r = replica_conflict_restore(db, number, &doc, err);
    if (r > 0 && doc)
        puts(replica_doc_rev(doc));
    return r;
}

struct filters {
    replica_conflict_filter filter;
    const char *collection;
    int64_t days;
};

/* 0, or an exit code. */
static int open_store(struct cli_store *store, const char *db, unsigned flags, struct filters *f)
{
    const struct replica__world *world = &replica__real_world;
    int r = f->collection ? cli_open_collection(store, db, flags, f->collection)
                          : cli_open(store, db, flags);

    f->filter.coll = store->coll;
    if (f->days >= 0) {
        int64_t now = world->now_ms(world->ctx);

        f->filter.from_ms = f->days < now / 86400000 ? now - f->days * 86400000 : 0;
    }
    return r;
}

static int run(struct cli_store *store, const char *action, struct conflict_list *list,
               const struct filters *f)
{
    replica_conflict_filter filter = f->filter;
    replica_error err = { 0 };
    int r;

    if (strcmp(action, "restore") == 0) {
        r = restore(store->db, list->only, &err);
    } else {
        filter.after = list->only ? list->only - 1 : filter.after;
        r = replica_conflict_find(store->db, &filter, print_entry, list, &err);
        if (r >= 0)
            r = list->shown > 0 || !list->only;
    }
    if (r < 0)
        return cli_failed(&err);
    if (r == 0) {
        cli_complain("there is no entry %lld", (long long)list->only);
        return CLI_NO;
    }
    return CLI_OK;
}

static int run_waiting(int count, char **argv, const char *db, struct conflict_list *list,
                       struct filters *f)
{
    CLI_STORE store = CLI_STORE_INIT;
    bool answers = is_answer(argv[1]);
    int r;

    if (answers && (count < 2 || !f->collection))
        return cli_usage("%s takes --collection and the key of a document", argv[1]);
    if (!answers && count > 1)
        return cli_usage("waiting takes no key");
    r = open_store(&store, db, answers ? REPLICA_DB_MUST_EXIST : REPLICA_DB_READ_ONLY, f);
    if (r)
        return r;
    return cli_finish(answers ? answer(&store, argv[1], argv[2], f->filter.replication)
                              : list_waiting(&store, list));
}

int cmd_conflicts(int argc, char **argv)
{
    const char *db = NULL;
    struct conflict_list list = { 0 };
    struct filters f = { .filter = REPLICA_CONFLICT_FILTER_INIT, .days = -1 };
    const struct cli_option options[] = {
        CLI_OPTION_DB(&db),
        { "collection", CLI_TEXT, false, &f.collection, "NAME", "list those of this collection" },
        { "id", CLI_TEXT, false, &f.filter.id, "ID", "of this document" },
        { "keys", CLI_TEXT, false, &f.filter.keys, "PATTERN", "of documents with such keys" },
        { "rule", CLI_TEXT, false, &f.filter.rule, "RULE", "that this rule decided" },
        { "replication", CLI_TEXT, false, &f.filter.replication, "NAME", "of this replication" },
        { "after", CLI_NUMBER, false, &f.filter.after, "N", "behind this entry" },
        { "days", CLI_NUMBER, false, &f.days, "N", "of the last days" },
        CLI_OPTION_JSON(&list.json),
        { 0 },
    };
    const struct cli_command command = {
        "[list | show N | restore N | waiting | ours ID | theirs ID]",
        "The conflict log: each state that lost in a conflict, with what superseded it.\n"
        "show prints where the states of an entry differ, restore writes its local state again as\n"
        "a new revision and prints that.  JSON Lines always have the states.\n"
        "waiting lists the conflicts that are not settled yet; ours keeps the local state of one\n"
        "(--collection, ID) and sends it, theirs takes the server's.",
        0, 2, options,
    };
    CLI_STORE store = CLI_STORE_INIT;
    const char *action = "list";
    int r, n;

    n = cli_parse(&command, argc, argv, &r);
    if (n < 0)
        return r;
    if (n > 0 && (strcmp(argv[1], "waiting") == 0 || is_answer(argv[1])))
        return run_waiting(n, argv, db, &list, &f);
    r = cli_entry(n, argv, "list", &action, &list.only);
    if (r)
        return r;
    if (strcmp(action, "list") != 0 && strcmp(action, "show") != 0 &&
        strcmp(action, "restore") != 0)
        return cli_usage("list, show or restore, waiting, ours or theirs, not '%s'", action);
    list.full = strcmp(action, "show") == 0;
    r = open_store(&store, db,
                   strcmp(action, "restore") ? REPLICA_DB_READ_ONLY : REPLICA_DB_MUST_EXIST, &f);
    return r ? r : cli_finish(run(&store, action, &list, &f));
}
