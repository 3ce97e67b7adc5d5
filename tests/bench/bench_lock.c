/* A lock at a server, and its way back, over loopback: the library's own calls, from the acquire to
 * the moment that the next one may have it. */
#include "tests/bench/bench.h"

#include "libreplica/lock.h"

#define PAIRS 500

static double measure(void)
{
    replica_lock_options o = REPLICA_LOCK_OPTIONS_INIT;
    struct bench_child server;
    replica_collection *coll;
    replica_error err = { 0 };
    replica_sync *sync;
    int64_t started;
    char url[128];

    server = bench_serve(false, bench_new_file("server.db"), url, sizeof url);
    coll = bench_open(bench_new_file("client.db"), NULL, NULL);
    sync = bench_sync(coll, url, 0);
    bench_ok(replica_sync_wait_in_sync(sync, 10000, &err), &err, "wait");
    o.flags = REPLICA_LOCK_SERVER;
    o.wait_ms = -1;
    started = bench_now_us();
    for (int i = 0; i < PAIRS; i++) { /* the same key: it comes when the server has it back */
        replica_lock *lock = NULL;

        bench_ok(replica_lock_acquire(replica_collection_db(coll), coll, "n1", &o, &lock, &err),
                 &err, "acquire");
        replica_lock_release(lock);
    }
    started = bench_now_us() - started;
    replica_sync_cancel(sync);
    bench_close(coll);
    bench_end(&server);
    return (double)started / PAIRS;
}

int main(void)
{
    double us[BENCH_ROUNDS];

    bench_start("locks over HTTP on loopback");
    for (int round = 0; round < BENCH_ROUNDS; round++)
        us[round] = measure();
    bench_row("lock and unlock at a server", "us", us, NULL, BENCH_ROUNDS);
    return 0;
}
