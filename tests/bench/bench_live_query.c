/* Live queries: from a dispatch behind one changed document to the callback that is told of it,
 * with results of several sizes.  The document changes its place in the order.  Bare is the query
 * run again in raw SQLite, with an index in the order of the result: what a program does without
 * live queries. */
#include "libreplica/query.h"
#include "tests/bench/bare.h"
#include "tests/bench/bench.h"

#include <stdio.h>
#include <stdlib.h>

#define CHANGES 500

struct sides {
    const struct bench_doc *docs;
    const uint32_t *order;
    replica_collection *coll;
    replica_live *live;
    struct bare_table table;
    sqlite3_stmt *find;
    int n;
    int64_t told_us;
    size_t told;
};

static void on_change(void *ctx, replica_live *live, const replica_live_change *changes, size_t n,
                      const replica_error *err)
{
    struct sides *s = ctx;

    s->told_us = bench_now_us();
    s->told += n;
    if (err)
        bench_fail("live: %s", err->message);
}

static void dispatch(struct sides *s)
{
    replica_error err = { 0 };

    while (bench_ok(replica_db_dispatch(replica_collection_db(s->coll), 1000, &err), &err,
                    "dispatch") > 0)
        continue;
}

static void start(struct sides *s)
{
    static const char query[] = "{\"sort\":[{\"visits\":\"desc\"}]}";
    replica_error err = { 0 };

    s->coll = bench_open(bench_new_file("ours.db"), NULL, NULL);
    bench_fill(s->coll, s->docs, NULL, s->n);
    bench_ok(replica_live_start(s->coll, query, REPLICA_NUL, on_change, s, NULL, &s->live, &err),
             &err, "live");
    dispatch(s);
    if (replica_live_count(s->live) != (size_t)s->n)
        bench_fail("live: %zu documents", replica_live_count(s->live));
}

/* Microseconds for one change. */
static double follow_ours(struct sides *s, int round)
{
    replica_error err = { 0 };
    double sum = 0;
    char text[4096];

    for (int i = 0; i < CHANGES; i++) {
        const struct bench_doc *doc = &s->docs[s->order[i] % (uint32_t)s->n];
        size_t len = bench_add_visits(doc->text, doc->len, (round * CHANGES + i) * 37 % 5000 + 1,
                                      text);
        size_t before = s->told;
        int64_t started;

        bench_ok(replica_upsert(s->coll, text, len, NULL, &err), &err, "put");
        started = bench_now_us();
        dispatch(s);
        if (s->told != before + 1)
            bench_fail("live: %zu differences", s->told - before);
        sum += (double)(s->told_us - started);
    }
    return sum / CHANGES;
}

static void start_bare(struct sides *s)
{
    bare_open(&s->table, bench_new_file("bare.db"), false);
    bare_begin(&s->table);
    for (int i = 0; i < s->n; i++)
        bare_put(&s->table, s->docs[i].id, 7, s->docs[i].text, s->docs[i].len);
    bare_commit(&s->table);
    if (sqlite3_exec(s->table.db,
                     "CREATE INDEX visits ON doc(json_extract(body, '$.visits') DESC, id)", NULL,
                     NULL, NULL) != SQLITE_OK ||
        sqlite3_prepare_v2(s->table.db,
                           "SELECT id, body FROM doc ORDER BY json_extract(body, '$.visits') DESC,"
                           " id", -1, &s->find, NULL) != SQLITE_OK)
        bench_fail("bare: %s", sqlite3_errmsg(s->table.db));
}

static double run_again(struct sides *s)
{
    int times = s->n > 10000 ? 3 : 100;
    int64_t started = bench_now_us();

    for (int i = 0; i < times; i++) {
        int n = 0;

        while (sqlite3_step(s->find) == SQLITE_ROW && sqlite3_column_text(s->find, 1))
            n++;
        sqlite3_reset(s->find);
        if (n != s->n)
            bench_fail("bare: %d documents", n);
    }
    return (double)(bench_now_us() - started) / times;
}

static void measure(int n)
{
    struct sides s = { .docs = bench_cities((size_t)n),
                       .order = bench_shuffled((size_t)n + CHANGES),
                       .n = n };
    double ours[BENCH_ROUNDS], bare[BENCH_ROUNDS];
    char name[60];

    start(&s);
    start_bare(&s);
    for (int round = 0; round < BENCH_ROUNDS; round++) {
        ours[round] = follow_ours(&s, round);
        bare[round] = run_again(&s);
    }
    snprintf(name, sizeof name, "one change, %d results", n);
    bench_row(name, "us", ours, bare, BENCH_ROUNDS);
    sqlite3_finalize(s.find);
    bare_close(&s.table);
    replica_live_cancel(s.live);
    bench_close(s.coll);
}

int main(void)
{
    bench_start("live queries");
    measure(10);
    measure(1000);
    measure(100000);
    return 0;
}
