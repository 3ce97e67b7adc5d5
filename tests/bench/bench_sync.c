/* 100,000 documents over HTTP on loopback, from an empty side to a full one: our client and
 * `replica serve` in processes of their own, against the bare client and the bare server.
 *
 * Started with arguments it is such a client, and prints what the bare client prints. */
#include "tests/bench/bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DOCS 100000

/* ---- a client -------------------------------------------------------------------- */

static int client(char **argv)
{
    replica_collection *coll = bench_open(argv[3], NULL, NULL);
    unsigned flags = strcmp(argv[1], "pull") == 0 ? REPLICA_SYNC_PULL_ONLY : REPLICA_SYNC_PUSH_ONLY;
    int64_t started = bench_now_us();
    replica_error err = { 0 };
    int64_t count = 0;
    double mb;

    if (strcmp(argv[4], "rxdb") == 0)
        flags |= REPLICA_SYNC_RXDB;
    bench_sync_once(coll, argv[2], flags);
    started = bench_now_us() - started;
    mb = bench_peak_mb(0); /* counting fills the program's own cache */
    bench_ok(replica_collection_count(coll, &count, &err), &err, "count");
    printf("%lld %lld %.1f\n", (long long)started, (long long)count, mb);
    bench_close(coll);
    return 0;
}

/* ---- both sides ------------------------------------------------------------------ */

struct run {
    const char *self;
    const char *what; /* "pull" or "push" */
    const char *dialect;
    const char *server_file; /* pull: what the server has */
    const char *bare_server_file;
    const char *bare_client_file; /* push: what the client has */
    double us[2][BENCH_ROUNDS]; /* processor time of both sides for a document */
    double client_mb[2][BENCH_ROUNDS];
    double server_mb[2][BENCH_ROUNDS];
};

static double run_client(struct run *run, const char *const *argv, struct bench_child *server,
                         bool bare, int round)
{
    struct bench_child child = bench_spawn(argv);
    char line[128];
    long long us = 0, count = 0;
    double mb = 0;

    bench_line(&child, line, sizeof line);
    if (sscanf(line, "%lld %lld %lf", &us, &count, &mb) != 3 || count != DOCS || us <= 0)
        bench_fail("%s ended with: %s", run->what, line);
    run->client_mb[bare][round] = mb;
    run->server_mb[bare][round] = bench_peak_mb(server->pid);
    run->us[bare][round] = (bench_wait_end(&child) + bench_end(server)) / DOCS;
    return DOCS * 1e6 / (double)us;
}

static void fill(const char *path)
{
    replica_collection *coll = bench_open(path, NULL, NULL);

    bench_fill(coll, bench_cities(DOCS), NULL, DOCS);
    bench_close(coll);
}

static double ours(void *ctx, int round)
{
    struct run *run = ctx;
    bool pull = strcmp(run->what, "pull") == 0;
    const char *file = bench_new_file("client.db");
    char url[128];
    struct bench_child server = bench_serve(false, pull ? run->server_file
                                                        : bench_new_file("server.db"),
                                            url, sizeof url);
    const char *argv[] = { run->self, run->what, url, file, run->dialect, NULL };

    if (!pull)
        fill(file);
    return run_client(run, argv, &server, false, round);
}

static double bare(void *ctx, int round)
{
    struct run *run = ctx;
    bool pull = strcmp(run->what, "pull") == 0;
    char url[128];
    struct bench_child server = bench_serve(true, pull ? run->bare_server_file
                                                       : bench_new_file("bare-server.db"),
                                            url, sizeof url);
    const char *argv[] = { getenv("BENCH_BARE"), run->what, url,
                           pull ? bench_new_file("bare-client.db") : run->bare_client_file, NULL };

    return run_client(run, argv, &server, true, round);
}

static void compare_both(struct run *run, const char *what)
{
    char name[64];

    run->what = what;
    run->dialect = "ours";
    snprintf(name, sizeof name, "%s 100,000 documents", what);
    bench_compare(name, "documents/s", ours, bare, run);
    bench_row("  processor time of both sides", "us/document", run->us[0], run->us[1],
              BENCH_ROUNDS);
    bench_row("  peak memory of the client", "MB", run->client_mb[0], run->client_mb[1],
              BENCH_ROUNDS);
    bench_row("  peak memory of the server", "MB", run->server_mb[0], run->server_mb[1],
              BENCH_ROUNDS);
    run->dialect = "rxdb";
    bench_compare("  the same in RxDB's dialect", "documents/s", ours, bare, run);
    bench_row("  processor time of both sides", "us/document", run->us[0], run->us[1],
              BENCH_ROUNDS);
}

static const char *bare_file(void)
{
    const char *path = bench_new_file("bare.db");
    const char *argv[] = { getenv("BENCH_BARE"), "fill", path, "100000", NULL };
    struct bench_child child;

    if (!argv[0])
        bench_fail("BENCH_BARE does not name the bare program");
    child = bench_spawn(argv);
    bench_wait_end(&child);
    return path;
}

int main(int argc, char **argv)
{
    static struct run run;

    if (argc == 5)
        return client(argv);
    run.self = "/proc/self/exe";
    run.server_file = bench_new_file("full.db");
    fill(run.server_file);
    run.bare_server_file = run.bare_client_file = bare_file();
    bench_start("replication over HTTP, and a bare loop");

    compare_both(&run, "pull");
    compare_both(&run, "push");
    return 0;
}
