/* replica purge: forget old tombstones. */
#include "tools/cli/cli.h"

#define DAY_MS (INT64_C(24) * 3600 * 1000)
#define MAX_DAYS 100000

int cmd_purge(int argc, char **argv)
{
    const char *db = NULL, *collection = NULL;
    int64_t older = -1, idle = 0, count = 0;
    const struct cli_option options[] = {
        CLI_OPTION_DB(&db),
        { "collection", CLI_TEXT, false, &collection, "NAME", "of this collection only" },
        { "older", CLI_NUMBER, false, &older, "DAYS", "that were written so long ago (90)" },
        { "idle", CLI_NUMBER, false, &idle, "DAYS",
          "do not wait for replications that were not seen for so long (90)" },
        { 0 },
    };
    const struct cli_command command = {
        NULL,
        "Forget the tombstones of deleted documents that every replication has passed, and print\n"
        "how many those were.",
        0, 0, options,
    };
    CLI_STORE store = CLI_STORE_INIT;
    replica_error err = { 0 };
    int r;

    if (cli_parse(&command, argc, argv, &r) < 0)
        return r;
    if (older > MAX_DAYS || idle > MAX_DAYS)
        return cli_usage("--older and --idle are at most %d days", MAX_DAYS);
    r = collection ? cli_open_collection(&store, db, REPLICA_DB_MUST_EXIST, collection)
                   : cli_open(&store, db, REPLICA_DB_MUST_EXIST);
    if (r)
        return r;
    if (replica_purge(store.db, store.coll, (older < 0 ? 90 : older) * DAY_MS, idle * DAY_MS,
                      &count, &err) < 0)
        return cli_failed(&err);
    printf("%lld\n", (long long)count);
    return cli_finish(CLI_OK);
}
