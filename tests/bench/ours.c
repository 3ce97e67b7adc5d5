/* Our store, as the benchmarks use it. */
#include "tests/bench/bench.h"

replica_collection *bench_open(const char *path, const replica_db_options *opts,
                               const replica_conflict_handler *handler)
{
    replica_collection_options coll_opts = REPLICA_COLLECTION_OPTIONS_INIT;
    replica_collection *coll = NULL;
    replica_error err = { 0 };
    replica_db *db = NULL;

    coll_opts.handler = handler;
    bench_ok(replica_db_open(path, opts, &db, &err), &err, "open");
    bench_ok(replica_db_collection(db, BENCH_COLLECTION, &coll_opts, &coll, &err), &err,
             "collection");
    return coll;
}

void bench_close(replica_collection *coll)
{
    replica_db_close(replica_collection_db(coll));
}

void bench_fill(replica_collection *coll, const struct bench_doc *docs, const uint32_t *order,
                int n)
{
    static replica_bulk_row rows[BENCH_PAGE];
    replica_error err = { 0 };

    for (int from = 0; from < n; from += BENCH_PAGE) {
        int count = n - from < BENCH_PAGE ? n - from : BENCH_PAGE;

        for (int i = 0; i < count; i++) {
            const struct bench_doc *doc = &docs[order ? order[from + i] : (uint32_t)(from + i)];

            rows[i] = (replica_bulk_row){ .json = doc->text, .len = doc->len };
        }
        if (bench_ok(replica_bulk(coll, rows, (size_t)count, &err), &err, "bulk") > 0)
            bench_fail("bulk: %s", err.message);
    }
}

void bench_visit_all(replica_collection *coll, const struct bench_doc *docs, int n, int more)
{
    static replica_bulk_row rows[BENCH_PAGE];
    static char texts[BENCH_PAGE][1024];
    replica_error err = { 0 };

    for (int from = 0; from < n; from += BENCH_PAGE) {
        int count = n - from < BENCH_PAGE ? n - from : BENCH_PAGE;

        for (int i = 0; i < count; i++) {
            const struct bench_doc *doc = &docs[from + i];

            if (doc->len + BENCH_MORE > sizeof texts[0])
                bench_fail("%s is too long", doc->id);
            rows[i] = (replica_bulk_row){ .json = texts[i], .base_rev = REPLICA_ANY_REV,
                                          .len = bench_add_visits(doc->text, doc->len, more,
                                                                  texts[i]) };
        }
        if (bench_ok(replica_bulk(coll, rows, (size_t)count, &err), &err, "bulk") > 0)
            bench_fail("bulk: %s", err.message);
    }
}
