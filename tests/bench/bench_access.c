/* What access rules cost: 10,000 documents pulled and pushed over HTTP on loopback, in step from an
 * empty side to a full one, with a rule that looks for the owner of each, against the same server
 * without rules. */
#include "tests/bench/bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DOCS 10000
/* All documents have this owner: the last member, so that the whole text is walked. */
#define OWNER "{\"updatedBy\":\"seed\"}"
#define RULES "{\"collections\":{\"" BENCH_COLLECTION "\":" \
              "{\"read\":" OWNER ",\"write\":" OWNER "}}}"

struct run {
    const char *full;  /* the server's file with all documents */
    const char *rules; /* a file with rules */
};

static struct bench_child serve(const char *db, const char *rules, char *url, size_t room)
{
    const char *argv[] = { getenv("REPLICA"), "serve", "--db", db, "--listen", "127.0.0.1:0",
                           rules ? "--rules-file" : NULL, rules, NULL };
    struct bench_child child;
    char line[128];

    if (!argv[0])
        bench_fail("REPLICA does not name the program");
    child = bench_spawn(argv);
    bench_line(&child, line, sizeof line);
    if (strncmp(line, "listening ", 10) != 0)
        bench_fail("the server says: %s", line);
    snprintf(url, room, "%s", line + 10);
    return child;
}

static void fill(const char *path)
{
    replica_collection *coll = bench_open(path, NULL, NULL);

    bench_fill(coll, bench_cities(DOCS), NULL, DOCS);
    bench_close(coll);
}

/* Documents per second; both have all of them then. */
static double sync_all(const char *client, const char *server, const char *rules, unsigned flags)
{
    char url[128];
    struct bench_child child = serve(server, rules, url, sizeof url);
    replica_collection *coll = bench_open(client, NULL, NULL);
    int64_t started = bench_now_us();
    replica_error err = { 0 };
    int64_t count = 0;

    bench_sync_once(coll, url, flags);
    started = bench_now_us() - started;
    bench_ok(replica_collection_count(coll, &count, &err), &err, "count");
    bench_close(coll);
    bench_end(&child);
    if (count != DOCS)
        bench_fail("the client has %lld documents", (long long)count);
    return DOCS * 1e6 / (double)started;
}

static double pull(const struct run *run, bool rules)
{
    return sync_all(bench_new_file("client.db"), run->full, rules ? run->rules : NULL,
                    REPLICA_SYNC_PULL_ONLY);
}

static double push(const struct run *run, bool rules)
{
    const char *client = bench_new_file("client.db");

    fill(client);
    return sync_all(client, bench_new_file("server.db"), rules ? run->rules : NULL,
                    REPLICA_SYNC_PUSH_ONLY);
}

static double pull_ruled(void *ctx, int round)
{
    (void)round;
    return pull(ctx, true);
}

static double pull_bare(void *ctx, int round)
{
    (void)round;
    return pull(ctx, false);
}

static double push_ruled(void *ctx, int round)
{
    (void)round;
    return push(ctx, true);
}

static double push_bare(void *ctx, int round)
{
    (void)round;
    return push(ctx, false);
}

int main(void)
{
    struct run run = { bench_new_file("full.db"), bench_new_file("rules.json") };
    FILE *file = fopen(run.rules, "w");

    if (!file || fputs(RULES, file) < 0 || fclose(file) != 0)
        bench_fail("%s cannot be written", run.rules);
    fill(run.full);
    bench_start("access rules, against none");
    bench_compare("pull 10,000 documents", "documents/s", pull_ruled, pull_bare, &run);
    bench_compare("push 10,000 documents", "documents/s", push_ruled, push_bare, &run);
    return 0;
}
