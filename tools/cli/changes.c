/* replica changes: the change feed as far as it goes now. */
#include "tools/cli/cli.h"

int cmd_changes(int argc, char **argv)
{
    const char *db = NULL, *collection = NULL;
    int64_t since = 0, limit = INT64_MAX;
    bool docs = false;
    const struct cli_option options[] = {
        CLI_OPTION_DB(&db),
        CLI_OPTION_COLLECTION(&collection),
        { "since", CLI_NUMBER, false, &since, "N", "only what is behind this sequence number" },
        { "limit", CLI_NUMBER, false, &limit, "N", "at most so many" },
        { "docs", CLI_FLAG, false, &docs, NULL, "with the documents' texts" },
        { 0 },
    };
    const struct cli_command command = {
        NULL,
        "Print the change feed: each document once, deleted ones too, in the order of its last\n"
        "write, as {\"seq\":1,\"id\":\"a\",\"rev\":\"1-...\",\"deleted\":false}.",
        0, 0, options,
    };
    CLI_STORE store = CLI_STORE_INIT;
    CLI_CURSOR cursor = NULL;
    replica_doc *doc = NULL;
    replica_error err = { 0 };
    int r;

    if (cli_parse(&command, argc, argv, &r) < 0)
        return r;
    r = cli_open_collection(&store, db, REPLICA_DB_READ_ONLY, collection);
    if (r)
        return r;
    r = replica_changes(store.coll, since, &cursor, &err);
    while (r >= 0 && limit-- > 0 && !ferror(stdout) &&
           (r = replica_cursor_next(cursor, &doc, &err)) > 0)
        cli_print_change(doc, docs);
    return cli_finish(r < 0 ? cli_failed(&err) : CLI_OK);
}
