/* Patterns over 100,000 keys against raw SQLite with its index of keys; and what 1,000 observers of
 * patterns cost a commit. */
#include "libreplica/keys.h"
#include "tests/bench/bare.h"
#include "tests/bench/bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DOCS 100000
#define FOUND 1000
#define READS 300
#define OBSERVERS 1000
#define COMMITS 2000

struct sides {
    replica_collection *coll;
    struct bare_table table;
    sqlite3_stmt *find;
    const uint32_t *order;
    bool apart; /* one key of each client; else all of a room */
    int next;
    uint64_t seen;
};

/* The n-th of 100 rooms with 10 clients with 100 keys each. */
static int key_of(char *room, size_t size, int n)
{
    return snprintf(room, size, "/room/%02d/client/%d/key%02d", n / 1000, n / 100 % 10, n % 100);
}

static size_t text_of(char *room, size_t size, const struct bench_doc *doc, int n)
{
    const char *rest = strchr(doc->text, ',');
    char key[64];

    key_of(key, sizeof key, n);
    return (size_t)snprintf(room, size, "{\"id\":\"%s\"%.*s", key,
                            (int)(doc->len - (size_t)(rest - doc->text)), rest);
}

static void fill(struct sides *s)
{
    const struct bench_doc *docs = bench_cities(DOCS);
    char text[8192], key[64];
    replica_bundle *bundle = NULL;
    replica_error err = { 0 };

    for (int i = 0; i < DOCS; i++) {
        int n = (int)s->order[i];
        size_t len = text_of(text, sizeof text, &docs[i], n);

        if (i % BENCH_PAGE == 0) {
            bench_ok(replica_bundle_begin(replica_collection_db(s->coll), &bundle, &err), &err,
                     "bundle");
            bare_begin(&s->table);
        }
        bench_ok(replica_bundle_put(bundle, s->coll, text, len, NULL, &err), &err, "put");
        bare_put(&s->table, key, (size_t)key_of(key, sizeof key, n), text, len);
        if (i % BENCH_PAGE == BENCH_PAGE - 1) {
            bench_ok(replica_bundle_commit(bundle, NULL, &err), &err, "commit");
            bare_commit(&s->table);
        }
    }
}

/* ---- reading --------------------------------------------------------------------- */

static void pattern_of(struct sides *s, char *room, size_t size)
{
    unsigned n = s->order[s->next++ % DOCS];

    if (s->apart)
        snprintf(room, size, "/room/*/client/*/key%02u", n % 100);
    else
        snprintf(room, size, "/room/%02u/**", n / 1000);
}

static double find_ours(void *ctx, int round)
{
    struct sides *s = ctx;
    int64_t started = bench_now_us();
    replica_error err = { 0 };

    for (int i = 0; i < READS; i++) {
        replica_cursor *cursor = NULL;
        replica_doc *doc;
        char pattern[64];
        int n = 0;

        pattern_of(s, pattern, sizeof pattern);
        bench_ok(replica_keys_find(s->coll, pattern, &cursor, &err), &err, "find");
        while (bench_ok(replica_cursor_next(cursor, &doc, &err), &err, "next") > 0) {
            size_t len;

            s->seen += (unsigned char)replica_doc_json(doc, &len)[len - 1];
            n++;
        }
        if (n != FOUND)
            bench_fail("%s: %d documents", pattern, n);
        replica_cursor_close(cursor);
    }
    return READS * (double)FOUND * 1e6 / (double)(bench_now_us() - started);
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

static double find_bare(void *ctx, int round)
{
    struct sides *s = ctx;
    int reads = s->apart ? READS / 10 : READS; /* it looks at all of them each time */
    int64_t started = bench_now_us();

    for (int i = 0; i < reads; i++) {
        char pattern[64];
        int n = 0;

        pattern_of(s, pattern, sizeof pattern);
        if (!s->apart)
            pattern[strlen(pattern) - 2] = '\0';
        sqlite3_reset(s->find);
        sqlite3_bind_text(s->find, 1, pattern, -1, SQLITE_TRANSIENT);
        if (!s->apart) {
            pattern[strlen(pattern) - 1]++;
            sqlite3_bind_text(s->find, 2, pattern, -1, SQLITE_TRANSIENT);
        }
        while (sqlite3_step(s->find) == SQLITE_ROW) {
            s->seen += take_copy(s->find);
            n++;
        }
        if (n != FOUND)
            bench_fail("bare %s: %d documents", pattern, n);
    }
    return reads * (double)FOUND * 1e6 / (double)(bench_now_us() - started);
}

static void prepare(struct sides *s, const char *sql)
{
    sqlite3_finalize(s->find);
    s->find = NULL;
    if (sqlite3_prepare_v2(s->table.db, sql, -1, &s->find, NULL) != SQLITE_OK)
        bench_fail("bare: %s: %s", sql, sqlite3_errmsg(s->table.db));
}

/* ---- observing ------------------------------------------------------------------- */

static void on_change(void *ctx, const replica_change *change)
{
    *(uint64_t *)ctx += (uint64_t)change->sequence;
}

static void dispatch(replica_db *db)
{
    replica_error err = { 0 };

    while (bench_ok(replica_db_dispatch(db, 1000, &err), &err, "dispatch") > 0)
        ;
}

/* Microseconds of the dispatch behind a commit, the median. */
static double observed(struct sides *s)
{
    static double us[COMMITS];
    replica_db *db = replica_collection_db(s->coll);
    replica_error err = { 0 };

    for (int i = 0; i < COMMITS; i++) {
        char json[128], key[64];
        int64_t started;

        key_of(key, sizeof key, (int)s->order[i]);
        snprintf(json, sizeof json, "{\"id\":\"%s\",\"n\":%d}", key, i);
        bench_ok(replica_upsert(s->coll, json, REPLICA_NUL, NULL, &err), &err, "put");
        started = bench_now_us();
        dispatch(db);
        us[i] = (double)(bench_now_us() - started);
    }
    return bench_percentile(us, COMMITS, 0.5);
}

static void observe(struct sides *s)
{
    replica_observer *observers[OBSERVERS];
    double few[BENCH_ROUNDS], many[BENCH_ROUNDS];
    replica_error err = { 0 };

    for (int round = 0; round < BENCH_ROUNDS; round++) {
        for (int i = 0; i < OBSERVERS; i++) {
            char pattern[64];

            snprintf(pattern, sizeof pattern,
                     i % 2 ? "/room/%02d/client/%d/*" : "/room/%02d/*/%d/**", i / 10, i % 10);
            bench_ok(replica_keys_observe(s->coll, pattern, on_change, &s->seen, NULL,
                                          &observers[i], &err), &err, "observe");
            if (i == 0) {
                dispatch(replica_collection_db(s->coll));
                few[round] = observed(s);
            }
        }
        dispatch(replica_collection_db(s->coll));
        many[round] = observed(s);
        for (int i = 0; i < OBSERVERS; i++)
            replica_observer_cancel(observers[i]);
    }
    bench_row("a commit with 1,000 observers of patterns (bare: with one)", "us", many, few,
              BENCH_ROUNDS);
}

int main(void)
{
    static struct sides s;

    s.order = bench_shuffled(DOCS);
    bench_start("patterns over keys and raw SQLite");
    s.coll = bench_open(bench_new_file("ours.db"), NULL, NULL);
    bare_open(&s.table, bench_new_file("bare.db"), false);
    fill(&s);
    prepare(&s, "SELECT id, body FROM doc WHERE id >= ?1 AND id < ?2 ORDER BY id");
    bench_compare("1,000 of 100,000 by a pattern: one room", "documents/s", find_ours, find_bare,
                  &s);
    s.apart = true;
    prepare(&s, "SELECT id, body FROM doc WHERE id >= '/room/' AND id < '/room0'"
                " AND id GLOB ?1 ORDER BY id");
    bench_compare("1,000 of 100,000 by a pattern: one key of each client", "documents/s",
                  find_ours, find_bare, &s);
    observe(&s);
    sqlite3_finalize(s.find);
    bare_close(&s.table);
    bench_close(s.coll);
    return 0;
}
