/* replica watch: changes as they come, whichever process made them. */
#include "tools/cli/cli.h"

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

static int watch(struct cli_store *store, int64_t since, struct watching *w, replica_error *err)
{
    int r;

    /* Observing comes first, so that nothing falls between the past and the future. */
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
    const char *db = NULL, *collection = NULL;
    int64_t since = -1;
    struct watching w = { .left = INT64_MAX };
    const struct cli_option options[] = {
        CLI_OPTION_DB(&db),
        CLI_OPTION_COLLECTION(&collection),
        { "since", CLI_NUMBER, false, &since, "N", "first what is behind this sequence number" },
        { "count", CLI_NUMBER, false, &w.left, "N", "end after so many" },
        { "docs", CLI_FLAG, false, &w.docs, NULL, "with the documents' texts" },
        { 0 },
    };
    const struct cli_command command = {
        NULL,
        "Print each change as it comes, in the form of replica changes, whichever process\n"
        "made it, until SIGINT or SIGTERM.",
        0, 0, options,
    };
    CLI_STORE store = CLI_STORE_INIT;
    replica_error err = { 0 };
    int r;

    if (cli_parse(&command, argc, argv, &r) < 0)
        return r;
    r = cli_open_collection(&store, db, REPLICA_DB_READ_ONLY, collection);
    if (r)
        return r;
    cli_catch_signals();
    r = watch(&store, since, &w, &err);
    return cli_finish(r < 0 ? cli_failed(&err) : CLI_OK);
}
