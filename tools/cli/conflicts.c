/* replica conflicts: the log of what conflicts superseded, and the way back. */
#include "tools/cli/cli.h"

#include <string.h>

struct conflict_list {
    bool json;
    bool full;    /* with the states */
    int64_t only; /* this entry; 0: all */
    int64_t shown;
};

static void print_state(const char *name, replica_doc *doc)
{
    size_t len = 0;
    const char *json = doc ? replica_doc_json(doc, &len) : NULL;

    printf("  %-8s ", name);
    if (!doc)
        puts("-");
    else if (replica_doc_deleted(doc))
        puts("deleted");
    else
        cli_print_line(json, len);
}

static void print_plain(const struct conflict_list *list, const replica_conflict_entry *e)
{
    char time[CLI_TIME];

    printf("%lld %s %s/%s %s\n", (long long)e->number, cli_time(e->time_ms, time), e->collection,
           e->id, e->rule);
    if (!list->full)
        return;
    print_state("assumed", e->assumed);
    print_state("real", e->real);
    print_state("local", e->local);
    print_state("result", e->result ? e->result : e->real);
}

/* A state as a member; a deleted one is null, and its name is in "deleted". */
static void print_json(const replica_conflict_entry *e)
{
    replica_doc *result = e->result ? e->result : e->real;
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

static int restore(replica_db *db, int64_t number, replica_error *err)
{
    CLI_DOC doc = NULL;
    int r;

    r = replica_conflict_restore(db, number, &doc, err);
    if (r > 0 && doc)
        puts(replica_doc_rev(doc));
    return r;
}

static int run(struct cli_store *store, const char *action, struct conflict_list *list)
{
    replica_error err = { 0 };
    int r;

    if (strcmp(action, "restore") == 0) {
        r = restore(store->db, list->only, &err);
    } else {
        r = replica_conflict_log(store->db, NULL, list->only ? list->only - 1 : 0, print_entry,
                                 list, &err);
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

int cmd_conflicts(int argc, char **argv)
{
    const char *db = NULL;
    struct conflict_list list = { 0 };
    const struct cli_option options[] = {
        CLI_OPTION_DB(&db),
        CLI_OPTION_JSON(&list.json),
        { 0 },
    };
    const struct cli_command command = {
        "[list | show N | restore N]",
        "The conflict log: each state that lost in a conflict, with what superseded it.\n"
        "show prints the states of an entry, restore writes its local state again as a new\n"
        "revision and prints that.  JSON Lines always have the states.",
        0, 2, options,
    };
    CLI_STORE store = CLI_STORE_INIT;
    const char *action = "list";
    int r, n;

    n = cli_parse(&command, argc, argv, &r);
    if (n < 0)
        return r;
    r = cli_entry(n, argv, "list", &action, &list.only);
    if (r)
        return r;
    if (strcmp(action, "list") != 0 && strcmp(action, "show") != 0 &&
        strcmp(action, "restore") != 0)
        return cli_usage("list, show or restore, not '%s'", action);
    list.full = strcmp(action, "show") == 0;
    r = cli_open(&store, db,
                 strcmp(action, "restore") ? REPLICA_DB_READ_ONLY : REPLICA_DB_MUST_EXIST);
    return r ? r : cli_finish(run(&store, action, &list));
}
