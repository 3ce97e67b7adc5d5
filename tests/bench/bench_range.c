/* Comparing a replica with a server of 1,000,000 documents: digests of all of them, and how long a
 * single answer keeps the server's loop; pages without 200,000 tombstones, and their purge. */
#include "tests/bench/bench.h"

#include "tools/server/service.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DOCS 1000000
#define GONE 200000
#define PART 1000

struct run {
    const char *path;
    replica_db *db;
    struct replica__storage *storage;
    struct replica__service *service;
    double longest[BENCH_ROUNDS]; /* answer, in ms */
};

/* Keys in no order, as those of clients are. */
static void fill(const char *path)
{
    replica_collection *coll = bench_open(path, NULL, NULL);
    const uint32_t *order = bench_shuffled(DOCS);
    replica_error err = { 0 };

    for (int i = 0; i < DOCS; i += PART) {
        static char texts[PART][120];
        replica_bulk_row rows[PART];

        for (int k = 0; k < PART; k++) {
            int n = snprintf(texts[k], sizeof texts[k],
                             "{\"id\":\"%08u\",\"name\":\"El Tarter\",\"population\":%d,"
                             "\"updatedBy\":\"seed\"}", (unsigned)order[i + k] * 37, i + k);

            rows[k] = (replica_bulk_row){ .json = texts[k], .len = (size_t)n };
        }
        bench_ok(replica_bulk(coll, rows, PART, &err), &err, "fill");
    }
    bench_close(coll);
}

static void open_server(struct run *run)
{
    replica_error err = { 0 };

    bench_ok(replica_db_open(run->path, NULL, &run->db, &err), &err, "open");
    bench_ok(replica__storage_store_open(run->db, NULL, NULL, 0, &run->storage, &err), &err,
             "storage");
    bench_ok(replica__service_open(run->storage, NULL, &run->service, &err), &err, "service");
}

static void close_server(struct run *run)
{
    replica__service_close(run->service);
    run->storage->ops->close(run->storage);
    replica_db_close(run->db);
}

/* The chunks of one answer: documents in them; the last key into after ("": it was the end). */
static int64_t read_chunks(const struct replica__buf *body, char *after, size_t room)
{
    struct replica__json_value v = replica__json_value(body->data, body->len);
    struct replica__json_iter it =
        replica__json_iter(replica__json_member(v, "chunks", REPLICA_NUL));
    int64_t total = 0;

    while (replica__json_next(&it)) {
        struct replica__json_iter chunk = replica__json_iter(it.value);
        int64_t count = 0;

        replica__json_next(&chunk);
        snprintf(after, room, "%.*s",
                 chunk.value.type == REPLICA_JSON_NULL ? 0 : (int)chunk.value.text.len - 2,
                 chunk.value.text.data + 1);
        replica__json_next(&chunk);
        if (!replica__json_int(chunk.value, &count))
            bench_fail("a chunk without a count");
        total += count;
    }
    return total;
}

/* Documents per second. */
static double digests(struct run *run, const char *of, int round)
{
    int64_t begun = bench_now_us(), total = 0;
    char after[64] = "", body[200];

    run->longest[round] = 0;
    do {
        int64_t us = bench_now_us();
        struct replica__reply reply;
        int n = snprintf(body, sizeof body,
                         "{\"collection\":\"" BENCH_COLLECTION "/0\",\"of\":\"%s\","
                         "\"after\":\"%s\"}",
                         of, after);

        replica__service_answer(run->service,
                                &(struct replica__request){ .method = "POST",
                                                            .path = "/_replica/1/digests",
                                                            .body = body,
                                                            .body_len = (size_t)n },
                                &reply);
        us = bench_now_us() - us;
        if (reply.status != 200)
            bench_fail("digests: %s", reply.body.data);
        if ((double)us / 1000 > run->longest[round])
            run->longest[round] = (double)us / 1000;
        total += read_chunks(&reply.body, after, sizeof after);
        replica__reply_free(&reply);
    } while (after[0]);
    if (total != DOCS)
        bench_fail("%lld documents were counted", (long long)total);
    return DOCS * 1e6 / (double)(bench_now_us() - begun);
}

static double numbers(void *ctx, int round)
{
    return digests(ctx, "numbers", round);
}

static double texts(void *ctx, int round)
{
    return digests(ctx, "texts", round);
}

/* The same documents by SQLite alone. */
static double bare(const struct run *run, const char *sql)
{
    int64_t begun = bench_now_us(), n = 0, bytes = 0;
    sqlite3_stmt *stmt = NULL;
    sqlite3 *db = NULL;

    if (sqlite3_open_v2(run->path, &db, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK ||
        sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK)
        bench_fail("bare: %s", sqlite3_errmsg(db));
    for (; sqlite3_step(stmt) == SQLITE_ROW; n++)
        bytes += sqlite3_column_bytes(stmt, 0) + sqlite3_column_bytes(stmt, 1);
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    if (n != DOCS || bytes == 0)
        bench_fail("bare: %lld documents", (long long)n);
    return DOCS * 1e6 / (double)(bench_now_us() - begun);
}

static double bare_numbers(void *ctx, int round)
{
    (void)round;
    return bare(ctx, "SELECT id, seq FROM doc WHERE coll = 1 AND flags & 1 = 0 ORDER BY id");
}

static double bare_texts(void *ctx, int round)
{
    (void)round;
    return bare(ctx, "SELECT id, body FROM doc WHERE coll = 1 AND flags & 1 = 0 ORDER BY id");
}

static void delete_some(const char *path)
{
    sqlite3 *db = NULL;

    if (sqlite3_open(path, &db) != SQLITE_OK ||
        sqlite3_exec(db, "UPDATE doc SET flags = 1 WHERE seq <= 200000", NULL, NULL, NULL) !=
            SQLITE_OK)
        bench_fail("deleting: %s", sqlite3_errmsg(db));
    sqlite3_close(db);
}

/* The first page of a new client, in ms. */
static double first_page(const struct run *run)
{
    const struct replica__param params[] = { { "c", BENCH_COLLECTION "/0" }, { "fresh", "0" } };
    struct replica__reply reply;
    int64_t us = bench_now_us();

    replica__service_answer(run->service,
                            &(struct replica__request){ .method = "GET",
                                                        .path = "/_replica/1/pull",
                                                        .params = params,
                                                        .param_count = 2 },
                            &reply);
    us = bench_now_us() - us;
    if (reply.status != 200 || !strstr(reply.body.data, "\"updatedBy\""))
        bench_fail("page: %.200s", reply.body.data);
    replica__reply_free(&reply);
    return (double)us / 1000;
}

static void purge(const struct run *run)
{
    int64_t begun = bench_now_us();
    struct replica__purge at = { 0 };
    double longest = 0, seconds, per_second;
    replica_error err = { 0 };
    int r;

    do {
        int64_t us = bench_now_us();

        r = bench_ok(run->storage->ops->purge(run->storage, 0, &at, &err), &err, "purge");
        us = bench_now_us() - us;
        if ((double)us / 1000 > longest)
            longest = (double)us / 1000;
    } while (r > 0);
    if (at.count != GONE)
        bench_fail("%lld tombstones went", (long long)at.count);
    seconds = (double)(bench_now_us() - begun) / 1e6;
    per_second = GONE / seconds;
    bench_row("purge of 200,000 tombstones", "documents/s", &per_second, NULL, 1);
    bench_row("  its longest slice", "ms", &longest, NULL, 1);
}

int main(void)
{
    struct run run = { .path = bench_new_file("range.db") };
    double ms[BENCH_ROUNDS];

    fill(run.path);
    open_server(&run);
    bench_start("comparing 1,000,000 documents");
    bench_compare("digests of numbers", "documents/s", numbers, bare_numbers, &run);
    bench_row("  the longest answer", "ms", run.longest, NULL, BENCH_ROUNDS);
    bench_compare("digests of texts", "documents/s", texts, bare_texts, &run);
    bench_row("  the longest answer", "ms", run.longest, NULL, BENCH_ROUNDS);
    close_server(&run);

    delete_some(run.path);
    open_server(&run);
    for (int i = 0; i < BENCH_ROUNDS; i++)
        ms[i] = first_page(&run);
    bench_row("page without 200,000 tombstones", "ms", ms, NULL, BENCH_ROUNDS);
    purge(&run);
    close_server(&run);
    return 0;
}
