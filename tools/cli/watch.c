/* replica watch: changes as they come, whichever process made them; or what they do to the answer
 * of a query. */
#include "tools/cli/cli.h"
#include "tools/cli/keys.h"

#include "libreplica/query.h"

struct watching {
    bool docs;
    int64_t left; /* to print before the end */
    int64_t last; /* the highest sequence number printed, or passed over */
};

static void on_change(void *ctx, const replica_change *change)
{
    struct watching *w = ctx;

    if (w->left <= 0 || change->sequence <= w->last)
        return;
    w->last = change->sequence;
    w->left--;
    cli_print_change(change->doc, w->docs);
}

/* Of a pattern: first what is there, whose sequence numbers come in any order. */
static void on_keys(void *ctx, const replica_change *change)
{
    struct watching *w = ctx;

    if (!change->doc || w->left <= 0)
        return;
    w->left--;
    cli_print_change(change->doc, w->docs);
}

/* What is there already, behind `since`. */
static int print_past(replica_collection *coll, int64_t since, struct watching *w,
                      replica_error *err)
{
    CLI_CURSOR cursor = NULL;
    replica_doc *doc = NULL;
    int r;

    r = replica_changes(coll, since, &cursor, err);
    while (r >= 0 && w->left > 0 && (r = replica_cursor_next(cursor, &doc, err)) > 0) {
        w->last = replica_doc_sequence(doc);
        w->left--;
        cli_print_change(doc, w->docs);
    }
    return r;
}

/* ---- a query --------------------------------------------------------------------- */

static void print_difference(const replica_live_change *c)
{
    static const char *const names[] = {
        [REPLICA_LIVE_ADDED] = "added",
        [REPLICA_LIVE_CHANGED] = "changed",
        [REPLICA_LIVE_MOVED] = "moved",
        [REPLICA_LIVE_REMOVED] = "removed",
    };

    printf("{\"change\":\"%s\"", names[c->what]);
    if (c->what != REPLICA_LIVE_ADDED)
        cli_print_number("from", (int64_t)c->from);
    if (c->what != REPLICA_LIVE_REMOVED)
        cli_print_number("to", (int64_t)c->to);
    cli_print_member("id", replica_doc_id(c->doc));
    if (c->what != REPLICA_LIVE_REMOVED)
        cli_print_doc("doc", c->doc);
    printf("}\n");
}

static void on_differences(void *ctx, replica_live *live, const replica_live_change *changes,
                           size_t n, const replica_error *err)
{
    struct watching *w = ctx;

    if (err)
        cli_complain("%s", err->message); /* it is tried again with the next change */
    for (size_t i = 0; i < n && w->left > 0; i++, w->left--)
        print_difference(&changes[i]);
}

/* ---- watching -------------------------------------------------------------------- */

static int watch(struct cli_store *store, int64_t since, const char *query, const char *keys,
                 struct watching *w, replica_error *err)
{
    int r;

    /* Observing comes first, so that nothing falls between the past and the future. */
    if (query)
        r = replica_live_start(store->coll, query, REPLICA_NUL, on_differences, w, NULL, NULL, err);
    else if (keys)
        r = replica_keys_observe(store->coll, keys, on_keys, w, NULL, NULL, err);
    else
        r = replica_observe(store->coll, on_change, w, NULL, NULL, err);
    if (r >= 0 && since >= 0)
        r = print_past(store->coll, since, w, err);
    while (r >= 0 && w->left > 0 && !cli_interrupted()) {
        if (fflush(stdout) != 0)
            break;
        r = cli_wait(store->db, -1, err);
    }
    return r;
}

int cmd_watch(int argc, char **argv)
{
    const char *db = NULL, *collection = NULL, *query = NULL, *keys = NULL;
    int64_t since = -1;
    struct watching w = { .left = INT64_MAX };
    const struct cli_option options[] = {
        CLI_OPTION_DB(&db),
        CLI_OPTION_COLLECTION(&collection),
        { "since", CLI_NUMBER, false, &since, "N", "first what is behind this sequence number" },
        { "count", CLI_NUMBER, false, &w.left, "N", "end after so many" },
        { "docs", CLI_FLAG, false, &w.docs, NULL, "with the documents' texts" },
        { "query", CLI_TEXT, false, &query, "QUERY", "its answer, and then what changes in it" },
        CLI_OPTION_KEYS(&keys),
        { 0 },
    };
    const struct cli_command command = {
        NULL,
        "Print each change as it comes, in the form of replica changes, whichever process\n"
        "made it, until SIGINT or SIGTERM.  With --query, print the documents that match, and\n"
        "then what is added, changed, moved and removed, with places from 0 on.  With --keys,\n"
        "print the documents whose keys match, in the same form, and then what changes.",
        0, 0, options,
    };
    CLI_STORE store = CLI_STORE_INIT;
    replica_error err = { 0 };
    int r;

    if (cli_parse(&command, argc, argv, &r) < 0)
        return r;
    if (query && (since >= 0 || w.docs))
        return cli_usage("--query comes without --since and --docs");
    if (keys && (since >= 0 || query))
        return cli_usage("--keys comes without --since and --query");
    r = keys ? cli_check_keys(keys) : 0;
    if (r)
        return r;
    r = cli_open_collection(&store, db, REPLICA_DB_READ_ONLY, collection);
    if (r)
        return r;
    cli_catch_signals();
    r = watch(&store, since, query, keys, &w, &err);
    if (r == REPLICA_EINVAL) {
        cli_complain("%s", err.message);
        return cli_finish(CLI_USAGE);
    }
    return cli_finish(r < 0 ? cli_failed(&err) : CLI_OK);
}
