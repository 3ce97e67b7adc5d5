/* 10,000 documents that two clients changed, and a handler, or rules, that add what both did: from
 * the moment that the second client gets its network back, until all sides are equal. */
#include "tests/bench/bench.h"

#include <stdio.h>
#include <string.h>

#define DOCS 10000
#define VISITS_A 2
#define VISITS_B 3

static void merge(void *ctx, replica_conflict *c)
{
    int *asked = ctx;
    size_t assumed_len = 0, real_len = 0, local_len = 0;
    const char *assumed = replica_doc_json(replica_conflict_assumed(c), &assumed_len);
    const char *real = replica_doc_json(replica_conflict_real(c), &real_len);
    const char *local = replica_doc_json(replica_conflict_local(c), &local_len);
    replica_error err = { 0 };
    char text[1024];
    size_t len;

    if (real_len + BENCH_MORE > sizeof text)
        bench_fail("%s is too long", replica_conflict_id(c));
    len = bench_add_visits(real, real_len, bench_visits(local, local_len)
                           - bench_visits(assumed, assumed_len), text);
    bench_ok(replica_conflict_use_json(c, text, len, &err), &err, "answer");
    (*asked)++;
}

static void check_all(replica_collection *coll, const struct bench_doc *docs)
{
    replica_error err = { 0 };

    for (int i = 0; i < DOCS; i++) {
        replica_doc *doc = NULL;
        size_t len = 0;
        const char *json;

        if (bench_ok(replica_get(coll, docs[i].id, &doc, &err), &err, "get") != 1)
            bench_fail("%s is gone", docs[i].id);
        json = replica_doc_json(doc, &len);
        if (bench_visits(json, len) != VISITS_A + VISITS_B)
            bench_fail("%s has %lld visits, not %d", docs[i].id, bench_visits(json, len),
                       VISITS_A + VISITS_B);
        replica_doc_unref(doc);
    }
}

struct times {
    double settled; /* documents/s until the client that met the conflicts is in sync */
    double equal;   /* the same until the other has the results too */
};

static replica_collection *open_client(const char *name, const replica_conflict_handler *handler,
                                       const char *rules)
{
    replica_collection_options opts = REPLICA_COLLECTION_OPTIONS_INIT;
    replica_collection *coll = NULL;
    replica_error err = { 0 };
    replica_db *db = NULL;

    if (!rules)
        return bench_open(bench_new_file(name), NULL, handler);
    opts.rules = rules;
    bench_ok(replica_db_open(bench_new_file(name), NULL, &db, &err), &err, "open");
    bench_ok(replica_db_collection(db, BENCH_COLLECTION, &opts, &coll, &err), &err, "collection");
    return coll;
}

static struct times measure(const char *rules)
{
    const struct bench_doc *docs = bench_cities(DOCS);
    replica_conflict_handler handler = REPLICA_CONFLICT_HANDLER_INIT;
    struct bench_child server;
    replica_collection *a, *b;
    struct times times;
    int64_t started;
    int asked = 0;
    char url[128];

    handler.resolve = merge;
    handler.ctx = &asked;
    handler.flags = REPLICA_HANDLER_ADDITIVE;
    server = bench_serve(false, bench_new_file("server.db"), url, sizeof url);
    a = open_client("a.db", &handler, rules);
    b = open_client("b.db", &handler, rules);
    bench_fill(a, docs, NULL, DOCS);
    bench_sync_once(a, url, 0);
    bench_sync_once(b, url, 0);
    bench_visit_all(a, docs, DOCS, VISITS_A);
    bench_visit_all(b, docs, DOCS, VISITS_B);
    bench_sync_once(a, url, 0);

    started = bench_now_us();
    bench_sync_once(b, url, 0);
    times.settled = DOCS * 1e6 / (double)(bench_now_us() - started);
    bench_sync_once(a, url, 0);
    times.equal = DOCS * 1e6 / (double)(bench_now_us() - started);

    if (asked != (rules ? 0 : DOCS))
        bench_fail("the handler was asked %d times", asked);
    check_all(a, docs);
    check_all(b, docs);
    bench_close(a);
    bench_close(b);
    bench_end(&server);
    return times;
}

static void measure_all(const char *rules, const char *what)
{
    double settled[BENCH_ROUNDS], equal[BENCH_ROUNDS];

    for (int round = 0; round < BENCH_ROUNDS; round++) {
        struct times times = measure(rules);

        settled[round] = times.settled;
        equal[round] = times.equal;
    }
    bench_row(what, "documents/s", settled, NULL, BENCH_ROUNDS);
    bench_row("  until the other client has them too", "documents/s", equal, NULL, BENCH_ROUNDS);
}

int main(void)
{
    bench_start("conflicts, settled by a handler and by rules");
    measure_all(NULL, "10,000 conflicts, until settled and pushed");
    measure_all("{\"\":\"merge\",\"/visits\":\"sum\"}", "  by rules");
    return 0;
}
