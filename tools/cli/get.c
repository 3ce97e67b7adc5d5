/* replica get: one document, as it was put. */
#include "tools/cli/cli.h"

int cmd_get(int argc, char **argv)
{
    const char *db = NULL, *collection = NULL;
    bool rev = false;
    const struct cli_option options[] = {
        CLI_OPTION_DB(&db),
        CLI_OPTION_COLLECTION(&collection),
        { "rev", CLI_FLAG, false, &rev, NULL, "print the revision instead" },
        { 0 },
    };
    const struct cli_command command = {
        "ID", "Print a document's text byte by byte, and a line feed.", 1, 1, options,
    };
    CLI_STORE store = CLI_STORE_INIT;
    CLI_DOC doc = NULL;
    replica_error err = { 0 };
    size_t len = 0;
    int r;

    if (cli_parse(&command, argc, argv, &r) < 0)
        return r;
    r = cli_open_collection(&store, db, REPLICA_DB_READ_ONLY, collection);
    if (r)
        return r;
    r = replica_get(store.coll, argv[1], &doc, &err);
    if (r < 0)
        return cli_failed(&err);
    if (r == 0) {
        cli_complain("there is no '%s' in '%s'", argv[1], collection);
        return CLI_NO;
    }
    if (rev) {
        puts(replica_doc_rev(doc));
    } else {
        const char *json = replica_doc_json(doc, &len);

        fwrite(json, 1, len, stdout);
        putchar('\n');
    }
    return cli_finish(CLI_OK);
}
