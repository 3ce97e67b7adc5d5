/* Our replicator, as the benchmarks use it. */
#include "tests/bench/bench.h"

#include <stdio.h>

#define IN_TIME_MS 300000

replica_sync *bench_sync(replica_collection *coll, const char *base, unsigned flags)
{
    replica_sync_options opts = REPLICA_SYNC_OPTIONS_INIT;
    replica_sync *sync = NULL;
    replica_error err = { 0 };
    char url[512];

    snprintf(url, sizeof url, "%s/" BENCH_COLLECTION "/0", base);
    opts.flags = flags;
    opts.collections = &coll;
    opts.collection_count = 1;
    opts.url = url;
    bench_ok(replica_sync_start(replica_collection_db(coll), &opts, &sync, &err), &err, "sync");
    return sync;
}

void bench_sync_once(replica_collection *coll, const char *base, unsigned flags)
{
    replica_error err = { 0 };
    replica_sync *sync = bench_sync(coll, base, flags | REPLICA_SYNC_ONCE);

    if (bench_ok(replica_sync_wait_in_sync(sync, IN_TIME_MS, &err), &err, "wait") != 1)
        bench_fail("not in sync within %d s", IN_TIME_MS / 1000);
    replica_sync_cancel(sync);
}
