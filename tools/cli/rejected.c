/* replica rejected: documents that do not take part in replication for now, and the ways on. */
#include "tools/cli/cli.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_NUMBERS = 1000 };

struct rejected {
    replica_db *db;
    const char *action, *collection, *state;
    bool json, all;
    int64_t numbers[MOST_NUMBERS]; /* as they were given */
    size_t count;
    int64_t *found; /* what is to be worked on */
    size_t found_count;
    bool failed;    /* there was no memory */
};

static const char *kind_name(int kind)
{
    switch (kind) {
    case REPLICA_ASIDE_REFUSED:
        return "refused";
    case REPLICA_ASIDE_UNAPPLIED:
        return "unapplied";
    case REPLICA_ASIDE_HANDLER:
        return "handler";
    case REPLICA_ASIDE_MIGRATION:
        return "migration";
    case REPLICA_ASIDE_REVOKED:
        return "revoked";
    default:
        return "?";
    }
}

/* Is the entry among those that were asked for? */
static bool is_asked(const struct rejected *r, const replica_rejected_entry *e)
{
    if (r->collection && strcmp(e->collection, r->collection) != 0)
        return false;
    for (size_t i = 0; i < r->count; i++) {
        if (r->numbers[i] == e->number)
            return true;
    }
    return r->count == 0;
}

/* ---- list and export --------------------------------------------------------------- */

/* What the server sent may be anything: it is printed as text. */
static void print_sent(const replica_rejected_entry *e)
{
    REPLICA_BUF out = REPLICA_BUF_INIT;

    if (!e->text)
        return;
    replica__buf_json_string(&out, e->text, e->text_len);
    printf(",\"text\":%s", out.data && !out.r ? out.data : "null");
}

static void print_json(const replica_rejected_entry *e, bool with_server)
{
    char time[CLI_TIME];

    printf("{\"number\":%lld", (long long)e->number);
    cli_print_member("time", cli_time(e->time_ms, time));
    cli_print_member("collection", e->collection);
    cli_print_member("id", e->id);
    cli_print_member("replication", e->replication);
    cli_print_member("kind", kind_name(e->kind));
    cli_print_number("code", e->code);
    cli_print_member("reason", e->reason);
    printf(",\"deleted\":%s", e->local && replica_doc_deleted(e->local) ? "true" : "false");
    cli_print_doc("local", e->local);
    if (with_server)
        cli_print_doc("server", e->server);
    print_sent(e);
    printf("}\n");
}

static int print_entry(void *ctx, const replica_rejected_entry *e)
{
    const struct rejected *r = ctx;
    char time[CLI_TIME];

    if (!is_asked(r, e))
        return 0;
    if (r->json) {
        print_json(e, false);
        return 0;
    }
    printf("%lld %s %s/", (long long)e->number, cli_time(e->time_ms, time), e->collection);
    cli_print_plain(e->id, strlen(e->id));
    printf(" %s %d ", kind_name(e->kind), e->code);
    cli_print_plain(e->reason, strlen(e->reason));
    putchar('\n');
    return 0;
}

/* The text that an entry is about, as a line; a deletion has none. */
static void export_text(const struct rejected *r, const replica_rejected_entry *e)
{
    replica_doc *doc = strcmp(r->state, "server") == 0 ? e->server : e->local;
    size_t len = e->text_len;
    const char *json = e->text;

    if (strcmp(r->state, "came") != 0 && !(e->kind == REPLICA_ASIDE_REVOKED &&
                                           strcmp(r->state, "local") == 0))
        json = doc && !replica_doc_deleted(doc) ? replica_doc_json(doc, &len) : NULL;
    if (json)
        cli_print_line(json, len);
    else
        cli_complain("entry %lld has no such text", (long long)e->number);
}

static int export_entry(void *ctx, const replica_rejected_entry *e)
{
    const struct rejected *r = ctx;

    if (!is_asked(r, e))
        return 0;
    if (r->json)
        print_json(e, true);
    else
        export_text(r, e);
    return 0;
}

/* ---- retry and discard ------------------------------------------------------------- */

static int note(void *ctx, const replica_rejected_entry *e)
{
    struct rejected *r = ctx;
    int64_t *grown;

    if (!is_asked(r, e))
        return 0;
    grown = realloc(r->found, (r->found_count + 1) * sizeof(*grown));
    if (!grown) {
        r->failed = true;
        return 1;
    }
    r->found = grown;
    r->found[r->found_count++] = e->number;
    return 0;
}

/* Each is done by itself, with its bundles; one that went with another one's is gone already. */
static int work_on(struct rejected *r)
{
    int (*act)(replica_db *, int64_t, replica_error *) =
        strcmp(r->action, "retry") == 0 ? replica_rejected_retry : replica_rejected_discard;
    int exit = CLI_OK;

    for (size_t i = 0; i < r->found_count; i++) {
        replica_error err = { 0 };

        if (act(r->db, r->found[i], &err) < 0) {
            cli_complain("entry %lld:", (long long)r->found[i]);
            exit = cli_failed(&err);
        }
    }
    return exit;
}

static bool was_found(const struct rejected *r, int64_t number)
{
    for (size_t i = 0; i < r->found_count; i++) {
        if (r->found[i] == number)
            return true;
    }
    return false;
}

static int check_found(const struct rejected *r)
{
    for (size_t i = 0; i < r->count; i++) {
        if (!was_found(r, r->numbers[i])) {
            cli_complain("there is no entry %lld", (long long)r->numbers[i]);
            return CLI_NO;
        }
    }
    return CLI_OK;
}

static int run(struct rejected *r)
{
    bool list = strcmp(r->action, "list") == 0, export = strcmp(r->action, "export") == 0;
    replica_error err = { 0 };
    int exit;

    if (replica_rejected(r->db, NULL, note, r, &err) < 0)
        return cli_failed(&err);
    if (r->failed) {
        cli_complain("out of memory");
        return CLI_STORAGE;
    }
    exit = check_found(r);
    if (exit)
        return exit;
    if (!list && !export)
        return work_on(r);
    if (replica_rejected(r->db, NULL, list ? print_entry : export_entry, r, &err) < 0)
        return cli_failed(&err);
    return CLI_OK;
}

static int check(struct rejected *r)
{
    bool acts = strcmp(r->action, "retry") == 0 || strcmp(r->action, "discard") == 0;

    if (!acts && strcmp(r->action, "list") != 0 && strcmp(r->action, "export") != 0)
        return cli_usage("list, retry, discard or export, not '%s'", r->action);
    if (r->all && (r->count > 0 || r->collection))
        return cli_usage("--all and numbers or --collection exclude each other");
    if (acts && r->count == 0 && !r->all && !r->collection)
        return cli_usage("%s takes the numbers of entries, --all or --collection", r->action);
    if (strcmp(r->state, "local") != 0 && strcmp(r->state, "server") != 0 &&
        strcmp(r->state, "came") != 0)
        return cli_usage("--state is local, server or came, not '%s'", r->state);
    return 0;
}

int cmd_rejected(int argc, char **argv)
{
    const char *db = NULL;
    struct rejected r = { .action = "list", .state = "local" };
    const struct cli_option options[] = {
        CLI_OPTION_DB(&db),
        { "all", CLI_FLAG, false, &r.all, NULL, "all entries" },
        { "collection", CLI_TEXT, false, &r.collection, "NAME", "those of this collection" },
        { "state", CLI_TEXT, false, &r.state, "WHICH", "export: local (default), server or came" },
        CLI_OPTION_JSON(&r.json),
        { 0 },
    };
    const struct cli_command command = {
        "[list | retry | discard | export] [N...]",
        "The documents that replication set aside: number, time, document, kind (refused by\n"
        "the server, unapplied here, left by the conflict handler, or revoked), code and reason.\n"
        "retry lets them go out again as they are, discard goes back to the server's state and\n"
        "leaves the local one in the conflict log; both with all that bundles join to them.\n"
        "export prints their texts as lines that replica import takes, and with --json all that\n"
        "is known of them.  To edit one, put a new state: that goes out by itself.",
        0, MOST_NUMBERS + 1, options,
    };
    CLI_STORE store = CLI_STORE_INIT;
    int exit, n;

    n = cli_parse(&command, argc, argv, &exit);
    if (n < 0)
        return exit;
    exit = cli_numbers(n, argv, &r.action, r.numbers, &r.count);
    if (exit == 0)
        exit = check(&r);
    if (exit == 0)
        exit = cli_open(&store, db, strcmp(r.action, "list") && strcmp(r.action, "export")
                                        ? REPLICA_DB_MUST_EXIST
                                        : REPLICA_DB_READ_ONLY);
    if (exit)
        return exit;
    r.db = store.db;
    exit = run(&r);
    free(r.found);
    return cli_finish(exit);
}
