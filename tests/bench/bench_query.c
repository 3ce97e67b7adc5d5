/* Queries and indexes against raw SQLite with the same index.
 *
 * Raw SQLite has the documents as text, too, and its indexes on json_extract(); where a line says
 * "columns", the indexed fields are columns of their own besides, which a store of documents cannot
 * have: it shows what the extraction costs. */
#define _GNU_SOURCE /* memmem */

#include "libreplica/query.h"
#include "tests/bench/bare.h"
#include "tests/bench/bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DOCS 100000
#define QUERIES 4000
#define COUNTS 400

static const char query[] =
    "{\"selector\":{\"country\":\"DE\"},\"sort\":[{\"name\":\"asc\"}],\"limit\":100}";
static const char query_down[] =
    "{\"selector\":{\"country\":\"DE\"},\"sort\":[{\"name\":\"desc\"}],\"limit\":100}";
static const char count[] = "{\"selector\":{\"country\":\"DE\"}}";

#define COUNTRY "json_extract(body, '$.country')"
#define NAME "json_extract(body, '$.name')"

struct sides {
    const struct bench_doc *docs;
    const uint32_t *order;
    replica_collection *coll;
    struct bare_table table;
    bool columns;
    const char *query;
    sqlite3_stmt *find;
    uint64_t seen;
};

static double per_second(int64_t started, int n)
{
    return n * 1e6 / (double)(bench_now_us() - started);
}

static void index_ours(struct sides *s, const char *first, const char *second)
{
    const char *fields[] = { first, second };
    replica_index_options o = REPLICA_INDEX_OPTIONS_INIT;
    replica_error err = { 0 };

    o.fields = fields;
    o.n = second ? 2 : 1;
    bench_ok(replica_index_create(s->coll, &o, &err), &err, "create");
    bench_ok(replica_index_wait(s->coll, &err), &err, "wait");
}

static void run(struct sides *s, const char *sql)
{
    if (sqlite3_exec(s->table.db, sql, NULL, NULL, NULL) != SQLITE_OK)
        bench_fail("bare: %s: %s", sql, sqlite3_errmsg(s->table.db));
}

static void index_bare(struct sides *s)
{
    run(s, s->columns ? "CREATE INDEX by_name ON doc(country, name)"
                      : "CREATE INDEX by_name ON doc(" COUNTRY ", " NAME ")");
}

static void fill_bare(struct sides *s)
{
    for (int from = 0; from < DOCS; from += BENCH_PAGE) {
        bare_begin(&s->table);
        for (int i = from; i < from + BENCH_PAGE; i++)
            bare_put(&s->table, s->docs[i].id, 7, s->docs[i].text, s->docs[i].len);
        bare_commit(&s->table);
    }
}

/* ---- inserts with two indexes ---------------------------------------------------- */

static double insert_ours(void *ctx, int round)
{
    struct sides *s = ctx;
    int64_t started;
    double speed;

    s->coll = bench_open(bench_new_file("ours.db"), NULL, NULL);
    index_ours(s, "country", "name");
    index_ours(s, "path", NULL);
    started = bench_now_us();
    bench_fill(s->coll, s->docs, NULL, DOCS);
    speed = per_second(started, DOCS);
    bench_close(s->coll);
    return speed;
}

static double insert_bare(void *ctx, int round)
{
    struct sides *s = ctx;
    int64_t started;
    double speed;

    bare_open(&s->table, bench_new_file("bare.db"), false);
    s->columns = false;
    index_bare(s);
    run(s, "CREATE INDEX by_path ON doc(json_extract(body, '$.path'))");
    started = bench_now_us();
    fill_bare(s);
    speed = per_second(started, DOCS);
    bare_close(&s->table);
    return speed;
}

/* ---- building -------------------------------------------------------------------- */

static double build_ours(void *ctx, int round)
{
    struct sides *s = ctx;
    replica_error err = { 0 };
    int64_t started;
    double speed;

    bench_ok(replica_index_drop(s->coll, "country,name", &err), &err, "drop");
    while (replica_db_timeout(replica_collection_db(s->coll)) == 0)
        bench_ok(replica_db_dispatch(replica_collection_db(s->coll), 0, &err), &err, "dispatch");
    started = bench_now_us();
    index_ours(s, "country", "name");
    speed = per_second(started, DOCS);
    return speed;
}

static double build_bare(void *ctx, int round)
{
    struct sides *s = ctx;
    int64_t started;

    sqlite3_reset(s->find);
    run(s, "DROP INDEX IF EXISTS by_name");
    started = bench_now_us();
    index_bare(s);
    return per_second(started, DOCS);
}

/* ---- queries --------------------------------------------------------------------- */

static double find_ours(void *ctx, int round)
{
    struct sides *s = ctx;
    int64_t started = bench_now_us();
    replica_error err = { 0 };

    for (int i = 0; i < QUERIES; i++) {
        replica_cursor *cursor = NULL;
        replica_doc *doc;
        int n = 0;

        bench_ok(replica_find(s->coll, s->query, REPLICA_NUL, &cursor, &err), &err, "find");
        while (bench_ok(replica_cursor_next(cursor, &doc, &err), &err, "next") > 0) {
            size_t len;

            s->seen += (unsigned char)replica_doc_json(doc, &len)[len - 1];
            n++;
        }
        if (n != 100)
            bench_fail("find: %d documents", n);
        replica_cursor_close(cursor);
    }
    return per_second(started, QUERIES);
}

/* A document outlives the statement that read it, so the bare one copies too. */
static unsigned char take_copy(sqlite3_stmt *stmt)
{
    size_t id_len = (size_t)sqlite3_column_bytes(stmt, 0);
    size_t len = (size_t)sqlite3_column_bytes(stmt, 1);
    char *copy = malloc(id_len + len + 2);
    unsigned char last;

    memcpy(copy, sqlite3_column_text(stmt, 0), id_len + 1);
    memcpy(copy + id_len + 1, sqlite3_column_text(stmt, 1), len + 1);
    last = (unsigned char)copy[id_len + len];
    free(copy);
    return last;
}

/* Of the document's text; there are no escapes in it. */
static const char *path_of(const struct bench_doc *doc)
{
    static char path[100];
    const char *at = memmem(doc->text, doc->len, "\"path\":\"", 8);
    size_t len = at ? strcspn(at + 8, "\"") : 0;

    if (!at || len >= sizeof path)
        bench_fail("%s has no path", doc->id);
    memcpy(path, at + 8, len);
    path[len] = '\0';
    return path;
}

static double find_bare(void *ctx, int round)
{
    struct sides *s = ctx;
    int64_t started = bench_now_us();

    for (int i = 0; i < QUERIES; i++) {
        int n = 0;

        sqlite3_reset(s->find);
        while (sqlite3_step(s->find) == SQLITE_ROW) {
            s->seen += take_copy(s->find);
            n++;
        }
        if (n != 100)
            bench_fail("bare find: %d documents", n);
    }
    return per_second(started, QUERIES);
}

/* Up to 100 from another city on each time: nothing is at hand from the query before. */
static double elsewhere_ours(void *ctx, int round)
{
    struct sides *s = ctx;
    int64_t started = bench_now_us();
    replica_error err = { 0 };

    for (int i = 0; i < QUERIES; i++) {
        const struct bench_doc *doc = &s->docs[s->order[i]];
        char text[300];
        replica_cursor *cursor = NULL;
        replica_doc *found;

        snprintf(text, sizeof text,
                 "{\"selector\":{\"path\":{\"$gte\":\"%s\"}},\"sort\":[{\"path\":\"asc\"}],"
                 "\"limit\":100}",
                 path_of(doc));
        bench_ok(replica_find(s->coll, text, REPLICA_NUL, &cursor, &err), &err, "find");
        while (bench_ok(replica_cursor_next(cursor, &found, &err), &err, "next") > 0)
            s->seen += (unsigned char)replica_doc_id(found)[1];
        replica_cursor_close(cursor);
    }
    return per_second(started, QUERIES);
}

static double elsewhere_bare(void *ctx, int round)
{
    struct sides *s = ctx;
    int64_t started = bench_now_us();

    for (int i = 0; i < QUERIES; i++) {
        sqlite3_reset(s->find);
        sqlite3_bind_text(s->find, 1, path_of(&s->docs[s->order[i]]), -1, SQLITE_TRANSIENT);
        while (sqlite3_step(s->find) == SQLITE_ROW)
            s->seen += take_copy(s->find);
    }
    return per_second(started, QUERIES);
}

static double count_ours(void *ctx, int round)
{
    struct sides *s = ctx;
    int64_t started = bench_now_us(), n = 0;
    replica_error err = { 0 };

    for (int i = 0; i < COUNTS; i++) {
        bench_ok(replica_count(s->coll, count, REPLICA_NUL, &n, &err), &err, "count");
        s->seen += (uint64_t)n;
    }
    return per_second(started, COUNTS);
}

static double count_bare(void *ctx, int round)
{
    struct sides *s = ctx;
    int64_t started = bench_now_us();

    for (int i = 0; i < COUNTS; i++) {
        sqlite3_reset(s->find);
        sqlite3_step(s->find);
        s->seen += (uint64_t)sqlite3_column_int64(s->find, 0);
    }
    return per_second(started, COUNTS);
}

/* ---- the lines of the table ------------------------------------------------------ */

static void prepare(struct sides *s, const char *sql)
{
    sqlite3_finalize(s->find);
    s->find = NULL;
    if (sqlite3_prepare_v2(s->table.db, sql, -1, &s->find, NULL) != SQLITE_OK)
        bench_fail("bare: %s: %s", sql, sqlite3_errmsg(s->table.db));
}

static void compare(struct sides *s, bool columns)
{
    s->columns = columns;
    bench_compare(columns ? "build an index; columns" : "build an index", "documents/s", build_ours,
                  build_bare, s);
    s->query = query;
    prepare(s, columns ? "SELECT id, body FROM doc WHERE country = 'DE' ORDER BY name LIMIT 100"
                       : "SELECT id, body FROM doc WHERE " COUNTRY " = 'DE' ORDER BY " NAME
                         " LIMIT 100");
    bench_compare(columns ? "find 100, sorted; columns" : "find 100, sorted", "queries/s",
                  find_ours, find_bare, s);
    s->query = query_down;
    prepare(s, columns
                   ? "SELECT id, body FROM doc WHERE country = 'DE' ORDER BY name DESC LIMIT 100"
                   : "SELECT id, body FROM doc WHERE " COUNTRY " = 'DE' ORDER BY " NAME
                     " DESC LIMIT 100");
    bench_compare(columns ? "the same, downwards; columns" : "the same, downwards", "queries/s",
                  find_ours, find_bare, s);
    prepare(s, columns ? "SELECT count(*) FROM doc WHERE country = 'DE'"
                       : "SELECT count(*) FROM doc WHERE " COUNTRY " = 'DE'");
    bench_compare(columns ? "count; columns" : "count", "counts/s", count_ours, count_bare, s);
}

int main(void)
{
    static struct sides s;

    s.docs = bench_cities(DOCS);
    s.order = bench_shuffled(DOCS);
    bench_start("queries, indexes and raw SQLite");
    bench_compare("bulk insert, two indexes", "documents/s", insert_ours, insert_bare, &s);

    s.coll = bench_open(bench_new_file("ours.db"), NULL, NULL);
    bare_open(&s.table, bench_new_file("bare.db"), false);
    bench_fill(s.coll, s.docs, NULL, DOCS);
    fill_bare(&s);
    index_ours(&s, "country", "name");
    compare(&s, false);
    index_ours(&s, "path", NULL);
    run(&s, "CREATE INDEX by_path ON doc(json_extract(body, '$.path'))");
    prepare(&s, "SELECT id, body FROM doc WHERE json_extract(body, '$.path') >= ?1"
                " ORDER BY json_extract(body, '$.path') LIMIT 100");
    bench_compare("find 100 from anywhere, sorted", "queries/s", elsewhere_ours, elsewhere_bare,
                  &s);
    run(&s, "ALTER TABLE doc ADD COLUMN country TEXT; ALTER TABLE doc ADD COLUMN name TEXT;"
            "UPDATE doc SET country = " COUNTRY ", name = " NAME ";");
    compare(&s, true);
    sqlite3_finalize(s.find);
    bench_close(s.coll);
    bare_close(&s.table);
    return s.seen == 0;
}
