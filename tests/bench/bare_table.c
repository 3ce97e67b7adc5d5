/* Raw SQLite: the table that MEASURED best for this work (rowid, UNIQUE id, index on the sequence
 * number), with the pragmas of the store. */
#include "tests/bench/bare.h"

#include "base/json.h"
#include "tests/bench/bench.h"

#include <string.h>

static const char *const texts[BARE_STATEMENTS] = {
    [BARE_BEGIN] = "BEGIN IMMEDIATE",
    [BARE_COMMIT] = "COMMIT",
    [BARE_PUT] = ("INSERT INTO doc(id, seq, body) VALUES(?1, ?2, ?3)"
                  " ON CONFLICT(id) DO UPDATE SET seq = ?2, body = ?3"),
    [BARE_GET] = "SELECT body FROM doc WHERE id = ?1",
    [BARE_UPDATE] = "UPDATE doc SET seq = ?2, body = ?3 WHERE id = ?1",
    [BARE_PAGE] = "SELECT seq, body FROM doc WHERE seq > ?1 ORDER BY seq LIMIT ?2",
};

static void run(struct bare_table *t, const char *sql)
{
    if (sqlite3_exec(t->db, sql, NULL, NULL, NULL) != SQLITE_OK)
        bench_fail("bare: %s: %s", sql, sqlite3_errmsg(t->db));
}

static void done(struct bare_table *t, sqlite3_stmt *stmt)
{
    if (sqlite3_step(stmt) != SQLITE_DONE)
        bench_fail("bare: %s", sqlite3_errmsg(t->db));
    sqlite3_reset(stmt);
}

void bare_open(struct bare_table *t, const char *path, bool full_sync)
{
    memset(t, 0, sizeof *t);
    if (sqlite3_open_v2(path, &t->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE
                        | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
        bench_fail("bare: cannot open %s", path);
    run(t, "PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 4000;"
           "PRAGMA cache_size = -16000");
    run(t, full_sync ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL");
    run(t, "CREATE TABLE IF NOT EXISTS doc(number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE,"
           " seq INTEGER NOT NULL, body TEXT NOT NULL);"
           "CREATE UNIQUE INDEX IF NOT EXISTS doc_seq ON doc(seq)");
    for (int i = 0; i < BARE_STATEMENTS; i++)
        if (sqlite3_prepare_v3(t->db, texts[i], -1, SQLITE_PREPARE_PERSISTENT, &t->stmts[i], NULL)
            != SQLITE_OK)
            bench_fail("bare: %s: %s", texts[i], sqlite3_errmsg(t->db));
}

void bare_close(struct bare_table *t)
{
    for (int i = 0; i < BARE_STATEMENTS; i++)
        sqlite3_finalize(t->stmts[i]);
    sqlite3_close(t->db);
}

void bare_begin(struct bare_table *t)
{
    done(t, t->stmts[BARE_BEGIN]);
}

void bare_commit(struct bare_table *t)
{
    done(t, t->stmts[BARE_COMMIT]);
}

static void write_doc(struct bare_table *t, sqlite3_stmt *stmt, const char *id, size_t id_len,
                      const char *text, size_t len)
{
    sqlite3_bind_text(stmt, 1, id, (int)id_len, SQLITE_STATIC);
    sqlite3_bind_int64(stmt, 2, ++t->seq);
    sqlite3_bind_text(stmt, 3, text, (int)len, SQLITE_STATIC);
    done(t, stmt);
}

void bare_put(struct bare_table *t, const char *id, size_t id_len, const char *text, size_t len)
{
    write_doc(t, t->stmts[BARE_PUT], id, id_len, text, len);
}

void bare_update(struct bare_table *t, const char *id, size_t id_len, const char *text, size_t len)
{
    write_doc(t, t->stmts[BARE_UPDATE], id, id_len, text, len);
}

bool bare_get(struct bare_table *t, const char *id, size_t id_len, const char **ret_text,
              size_t *ret_len)
{
    sqlite3_stmt *stmt = t->stmts[BARE_GET];

    sqlite3_reset(stmt);
    sqlite3_bind_text(stmt, 1, id, (int)id_len, SQLITE_STATIC);
    if (sqlite3_step(stmt) != SQLITE_ROW)
        return false;
    *ret_text = (const char *)sqlite3_column_text(stmt, 0);
    *ret_len = (size_t)sqlite3_column_bytes(stmt, 0);
    return true;
}

int64_t bare_page(struct bare_table *t, int64_t after, int limit, struct replica__buf *out,
                  int *ret_count)
{
    sqlite3_stmt *stmt = t->stmts[BARE_PAGE];
    int count = 0;

    sqlite3_bind_int64(stmt, 1, after);
    sqlite3_bind_int(stmt, 2, limit);
    replica__buf_char(out, '[');
    for (; sqlite3_step(stmt) == SQLITE_ROW; count++) {
        const char *body = (const char *)sqlite3_column_text(stmt, 1);

        if (count)
            replica__buf_char(out, ',');
        replica__buf_add(out, body, (size_t)sqlite3_column_bytes(stmt, 1));
        after = sqlite3_column_int64(stmt, 0);
    }
    sqlite3_reset(stmt);
    replica__buf_char(out, ']');
    *ret_count = count;
    return after;
}

int bare_take_page(struct bare_table *t, const char *text, size_t len)
{
    const struct replica__json_limits limits = { 0 };
    struct replica__json_doc doc;
    replica_error err = { 0 };
    size_t pos = 1;
    int count = 0;

    if (len < 2 || text[0] != '[')
        bench_fail("bare: a page that is no array");
    bare_begin(t);
    while (pos < len && text[pos] != ']') {
        bench_ok(replica__json_scan(text, len, &pos, "id", &limits, &doc, &err), &err, "bare page");
        bare_put(t, doc.key.data, doc.key.len, doc.text.data, doc.text.len);
        count++;
        if (pos < len && text[pos] == ',')
            pos++;
    }
    bare_commit(t);
    return count;
}
