/* replica history: the earlier states of a document. */
#include "tools/cli/cli.h"

struct shown {
    bool json;
    int64_t count;
};

static int print(void *ctx, replica_doc *doc)
{
    struct shown *shown = ctx;
    char time[CLI_TIME];
    size_t len = 0;
    const char *json = replica_doc_json(doc, &len);

    shown->count++;
    cli_time(replica_doc_time(doc), time);
    if (shown->json) {
        printf("{\"seq\":%lld", (long long)replica_doc_sequence(doc));
        cli_print_member("rev", replica_doc_rev(doc));
        cli_print_member("time", time);
        cli_print_member("writer", replica_doc_writer(doc));
        printf(",\"deleted\":%s", replica_doc_deleted(doc) ? "true" : "false");
        cli_print_doc("doc", doc);
        printf("}\n");
        return 0;
    }
    printf("%s %s ", replica_doc_rev(doc), time);
    if (replica_doc_deleted(doc))
        puts("deleted");
    else
        cli_print_line(json, len);
    return 0;
}

/* From now on so many are kept of each document. */
static int keep(const char *db, const char *collection, int64_t n)
{
    replica_collection_options opts = REPLICA_COLLECTION_OPTIONS_INIT;
    CLI_STORE store = CLI_STORE_INIT;
    replica_collection *coll = NULL;
    replica_error err = { 0 };
    int r = cli_open(&store, db, REPLICA_DB_MUST_EXIST);

    if (r)
        return r;
    r = cli_has_collection(store.db, collection, &err);
    if (r == 0) {
        cli_complain("there is no collection '%s'", collection);
        return CLI_NO;
    }
    opts.history = n ? (int)n : REPLICA_HISTORY_NONE;
    if (r > 0)
        r = replica_db_collection(store.db, collection, &opts, &coll, &err);
    return r < 0 ? cli_failed(&err) : CLI_OK;
}

static int list(const char *db, const char *collection, const char *id, bool json)
{
    CLI_STORE store = CLI_STORE_INIT;
    struct shown shown = { .json = json };
    replica_error err = { 0 };
    int r = cli_open_collection(&store, db, REPLICA_DB_READ_ONLY, collection);

    if (r)
        return r;
    r = replica_history(store.coll, id, print, &shown, &err);
    if (r < 0)
        return cli_failed(&err);
    if (shown.count == 0) {
        cli_complain("no earlier state of '%s' is kept", id);
        return CLI_NO;
    }
    return CLI_OK;
}

int cmd_history(int argc, char **argv)
{
    const char *db = NULL, *collection = NULL;
    int64_t n = -1;
    bool json = false;
    const struct cli_option options[] = {
        CLI_OPTION_DB(&db),
        CLI_OPTION_COLLECTION(&collection),
        CLI_OPTION_JSON(&json),
        { "keep", CLI_NUMBER, false, &n, "N", "keep so many of each document from now on" },
        { 0 },
    };
    const struct cli_command command = {
        "[ID]",
        "Print the earlier states of a document, newest first, as far as its collection keeps\n"
        "them: revision, time and text.  --keep says how many that are; 0: none.",
        0, 1, options,
    };
    int r, count;

    count = cli_parse(&command, argc, argv, &r);
    if (count < 0)
        return r;
    if ((n >= 0) == (count > 0))
        return cli_usage("either an ID or --keep");
    if (n > 1000000)
        return cli_usage("--keep %lld is too many", (long long)n);
    return cli_finish(n >= 0 ? keep(db, collection, n) : list(db, collection, argv[1], json));
}
