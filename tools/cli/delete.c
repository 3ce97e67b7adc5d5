/* replica delete: one document becomes a tombstone, or all of a pattern. */
#include "tools/cli/cli.h"
#include "tools/cli/keys.h"

static int delete_keys(replica_collection *coll, const char *keys)
{
    replica_error err = { 0 };
    int64_t count = 0;
    int r = replica_keys_delete(coll, keys, &count, &err);

    printf("%lld\n", (long long)count);
    if (r < 0)
        return cli_finish(cli_failed(&err));
    return cli_finish(count > 0 ? CLI_OK : CLI_NO);
}

int cmd_delete(int argc, char **argv)
{
    const char *db = NULL, *collection = NULL, *rev = NULL, *keys = NULL;
    const struct cli_option options[] = {
        CLI_OPTION_DB(&db),
        CLI_OPTION_COLLECTION(&collection),
        { "rev", CLI_TEXT, false, &rev, "REV", "only if this revision is stored" },
        CLI_OPTION_KEYS(&keys),
        { 0 },
    };
    const struct cli_command command = {
        "[ID]",
        "Delete a document.  Exit 1 if it was not there.  With --keys instead of an ID, delete\n"
        "all that match, and print how many.",
        0, 1, options,
    };
    CLI_STORE store = CLI_STORE_INIT;
    CLI_DOC stored = NULL;
    replica_error err = { 0 };
    int n, r;

    n = cli_parse(&command, argc, argv, &r);
    if (n < 0)
        return r;
    if ((n == 0) == !keys || (keys && rev))
        return cli_usage("either an ID, perhaps with --rev, or --keys");
    r = keys ? cli_check_keys(keys) : 0;
    if (r == 0)
        r = cli_open_collection(&store, db, REPLICA_DB_MUST_EXIST, collection);
    if (r)
        return r;
    if (keys)
        return delete_keys(store.coll, keys);
    r = replica_delete(store.coll, argv[1], rev ? rev : REPLICA_ANY_REV, &stored, &err);
    if (r < 0)
        return cli_failed(&err);
    if (r == 0) {
        cli_complain("there is no '%s' in '%s'", argv[1], collection);
        return CLI_NO;
    }
    return CLI_OK;
}
