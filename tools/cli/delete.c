/* replica delete: one document becomes a tombstone. */
#include "tools/cli/cli.h"

int cmd_delete(int argc, char **argv)
{
    const char *db = NULL, *collection = NULL, *rev = REPLICA_ANY_REV;
    const struct cli_option options[] = {
        CLI_OPTION_DB(&db),
        CLI_OPTION_COLLECTION(&collection),
        { "rev", CLI_TEXT, false, &rev, "REV", "only if this revision is stored" },
        { 0 },
    };
    const struct cli_command command = {
        "ID", "Delete a document.  Exit 1 if it was not there.", 1, 1, options,
    };
    CLI_STORE store = CLI_STORE_INIT;
    CLI_DOC stored = NULL;
    replica_error err = { 0 };
    int r;

    if (cli_parse(&command, argc, argv, &r) < 0)
        return r;
    r = cli_open_collection(&store, db, REPLICA_DB_MUST_EXIST, collection);
    if (r)
        return r;
    r = replica_delete(store.coll, argv[1], rev, &stored, &err);
    if (r < 0)
        return cli_failed(&err);
    if (r == 0) {
        cli_complain("there is no '%s' in '%s'", argv[1], collection);
        return CLI_NO;
    }
    return CLI_OK;
}
