/* From a write in one process to the observer in another, through `replica serve`: one change at a
 * time, both clients live.  The bare loop does the same writes and requests one after the other in
 * one process that knows when to ask.
 *
 * Started with arguments it is the client that watches: it prints the time at which each change was
 * seen. */
#include "tests/bench/bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WARM_UP 100
#define CHANGES 1000
#define ROUNDS 3

/* ---- the client that watches ----------------------------------------------------- */

static void on_change(void *ctx, const replica_change *change)
{
    printf("%lld\n", (long long)bench_now_us());
}

static _Noreturn void watch(char **argv)
{
    replica_collection *coll = bench_open(argv[2], NULL, NULL);
    replica_error err = { 0 };

    setvbuf(stdout, NULL, _IOLBF, 0);
    bench_ok(replica_observe(coll, on_change, NULL, NULL, NULL, &err), &err, "observe");
    bench_sync(coll, argv[1], 0);
    for (;;)
        bench_ok(replica_db_wait(replica_collection_db(coll), -1, &err), &err, "wait");
}

/* ---- the client that writes ------------------------------------------------------ */

static double change(replica_collection *coll, const struct bench_doc *doc,
                     struct bench_child *watcher)
{
    replica_error err = { 0 };
    char line[64];
    int64_t started = bench_now_us();

    bench_ok(replica_put(coll, doc->text, doc->len, NULL, NULL, NULL, &err), &err, "put");
    bench_line(watcher, line, sizeof line);
    return (double)(strtoll(line, NULL, 10) - started) / 1000;
}

static void measure_ours(double *ms)
{
    const struct bench_doc *docs = bench_cities(WARM_UP + CHANGES);
    replica_collection *coll = bench_open(bench_new_file("writer.db"), NULL, NULL);
    struct bench_child server, watcher;
    char url[128];

    server = bench_serve(false, bench_new_file("server.db"), url, sizeof url);
    const char *argv[] = { "/proc/self/exe", url, bench_new_file("watcher.db"), NULL };
    watcher = bench_spawn(argv);
    bench_sync(coll, url, 0);
    for (int i = 0; i < WARM_UP; i++)
        change(coll, &docs[i], &watcher);
    for (int i = 0; i < CHANGES; i++)
        ms[i] = change(coll, &docs[WARM_UP + i], &watcher);
    bench_close(coll);
    bench_end(&watcher);
    bench_end(&server);
}

static void measure_bare(double *ms)
{
    struct bench_child server, client;
    char url[128], line[64], n[16];

    server = bench_serve(true, bench_new_file("bare-server.db"), url, sizeof url);
    snprintf(n, sizeof n, "%d", WARM_UP + CHANGES);
    const char *argv[] = { getenv("BENCH_BARE"), "live", url, bench_new_file("bare-a.db"),
                           bench_new_file("bare-b.db"), n, NULL };
    client = bench_spawn(argv);
    for (int i = 0; i < WARM_UP + CHANGES; i++) {
        bench_line(&client, line, sizeof line);
        if (i >= WARM_UP)
            ms[i - WARM_UP] = (double)strtoll(line, NULL, 10) / 1000;
    }
    bench_wait_end(&client);
    bench_end(&server);
}

int main(int argc, char **argv)
{
    static double ms[CHANGES];
    double p50[2][ROUNDS], p99[2][ROUNDS];

    if (argc == 3)
        watch(argv);
    bench_start("live, from one client to another");
    for (int round = 0; round < ROUNDS; round++) {
        measure_ours(ms);
        p50[0][round] = bench_percentile(ms, CHANGES, 0.5);
        p99[0][round] = bench_percentile(ms, CHANGES, 0.99);
        measure_bare(ms);
        p50[1][round] = bench_percentile(ms, CHANGES, 0.5);
        p99[1][round] = bench_percentile(ms, CHANGES, 0.99);
    }
    bench_row("a change, half of them within", "ms", p50[0], p50[1], ROUNDS);
    bench_row("a change, 99 of 100 within", "ms", p99[0], p99[1], ROUNDS);
    return 0;
}
