#include "libreplica/index/text.h"

#include "libreplica/query/functions.h"
#include "libreplica/txn.h"

#include <assert.h>
#include <string.h>

struct replica__index_statements {
    sqlite3_stmt *add, *cut;
};

void replica__index_text_free(struct replica__index_statements *statements)
{
    if (!statements)
        return;
    sqlite3_finalize(statements->add);
    sqlite3_finalize(statements->cut);
    replica__free(statements);
}

static void free_text(char **text)
{
    sqlite3_free(*text);
}
#define SQL_TEXT __attribute__((cleanup(free_text))) char *

/* Our own texts: that SQLite finds an error in one means that it has no FTS5. */
static int failed(replica_db *db, int rc, replica_error *err)
{
    if ((rc & 0xff) == SQLITE_ERROR && !sqlite3_compileoption_used("ENABLE_FTS5"))
        return replica__error_set(err, REPLICA_ENOTSUP, rc, "this SQLite has no full-text search");
    return replica__sql_error(db, rc, err);
}

static int run(replica_db *db, const char *sql, replica_error *err)
{
    int rc = sql ? sqlite3_exec(db->sqlite, sql, NULL, NULL, NULL) : SQLITE_NOMEM;

    return rc == SQLITE_OK ? 0 : failed(db, rc, err);
}

static int prepare(replica_db *db, const char *sql, sqlite3_stmt **ret, replica_error *err)
{
    int rc = sql ? sqlite3_prepare_v2(db->sqlite, sql, -1, ret, NULL) : SQLITE_NOMEM;

    return rc == SQLITE_OK ? 0 : failed(db, rc, err);
}

/* ---- creating and dropping ------------------------------------------------------- */

/* before c0, before c1, ...: with %d for the number. */
static void add_columns(sqlite3_str *out, const char *format, size_t n)
{
    for (size_t i = 0; i < n; i++)
        sqlite3_str_appendf(out, format, (int)i);
}

static char *view_sql(int64_t coll, const struct replica__index *index)
{
    sqlite3_str *out = sqlite3_str_new(NULL);

    sqlite3_str_appendf(out, "CREATE VIEW text_%lld_doc AS SELECT number",
                        (long long)index->number);
    for (size_t i = 0; i < index->n; i++)
        sqlite3_str_appendf(out, ", replica_words(body, %Q) AS c%d", index->fields[i].text,
                            (int)i);
    sqlite3_str_appendf(out, " FROM doc WHERE coll = %lld AND flags & %d = 0", (long long)coll,
                        REPLICA__FLAG_DELETED);
    if (index->where)
        sqlite3_str_appendf(out, " AND replica_match(%Q, body)", index->where);
    return sqlite3_str_finish(out);
}

static char *table_sql(const struct replica__index *index)
{
    sqlite3_str *out = sqlite3_str_new(NULL);

    sqlite3_str_appendf(out, "CREATE VIRTUAL TABLE text_%lld USING fts5(",
                        (long long)index->number);
    add_columns(out, "c%d, ", index->n);
    sqlite3_str_appendf(out,
                        "content = 'text_%lld_doc', content_rowid = 'number',"
                        " tokenize = 'unicode61', prefix = '2 3')",
                        (long long)index->number);
    return sqlite3_str_finish(out);
}

int replica__index_text_create(replica_db *db, int64_t coll, const struct replica__index *index,
                               replica_error *err)
{
    SQL_TEXT view = view_sql(coll, index);
    SQL_TEXT table = table_sql(index);
    int r;

    assert(db->in_txn);
    r = run(db, view, err);
    return r < 0 ? r : run(db, table, err);
}

int replica__index_text_drop(replica_db *db, int64_t number, replica_error *err)
{
    SQL_TEXT sql = sqlite3_mprintf("DROP TABLE text_%lld; DROP VIEW text_%lld_doc",
                                      (long long)number, (long long)number);

    assert(db->in_txn);
    return run(db, sql, err);
}

/* ---- words in and out ------------------------------------------------------------ */

static char *write_sql(const struct replica__index *index, bool cut)
{
    sqlite3_str *out = sqlite3_str_new(NULL);
    long long number = index->number;

    sqlite3_str_appendf(out, "INSERT INTO text_%lld(", number);
    if (cut)
        sqlite3_str_appendf(out, "text_%lld, ", number);
    sqlite3_str_appendf(out, "rowid");
    add_columns(out, ", c%d", index->n);
    sqlite3_str_appendf(out, cut ? ") VALUES('delete', ?1" : ") VALUES(?1");
    for (size_t i = 0; i < index->n; i++)
        sqlite3_str_appendf(out, ", ?%d", (int)i + 2);
    sqlite3_str_appendf(out, ")");
    return sqlite3_str_finish(out);
}

static int statement(replica_db *db, struct replica__index *index, bool cut, sqlite3_stmt **ret,
                     replica_error *err)
{
    sqlite3_stmt **slot;
    int r = 0;

    if (!index->statements)
        index->statements = replica__alloc_zero(1, sizeof *index->statements);
    if (!index->statements)
        return replica__enomem(err);
    slot = cut ? &index->statements->cut : &index->statements->add;
    if (!*slot) {
        SQL_TEXT sql = write_sql(index, cut);

        r = prepare(db, sql, slot, err);
    }
    if (r >= 0)
        *ret = *slot;
    return r;
}

/* What a document says in each field, one behind the other. */
struct words {
    struct replica__buf text;
    size_t end[REPLICA__INDEX_FIELDS];
};

static void words_free(struct words *w)
{
    replica__buf_free(&w->text);
}
#define WORDS __attribute__((cleanup(words_free))) struct words

/* 1: the index wants the document, and these are its words. */
static int words_of(const struct replica__index *index, const char *json, size_t len,
                    struct words *ret, replica_error *err)
{
    REPLICA_BUF field = REPLICA_BUF_INIT;
    int r = index->partial ? replica__selector_match(index->partial, json, len) : 1;

    if (r == REPLICA_ELIMIT) /* a query would not find it either */
        return 0;
    if (r < 0)
        return replica__enomem(err);
    replica__buf_str(&ret->text, "");
    for (size_t i = 0; r > 0 && i < index->n; i++) {
        replica__buf_clear(&field);
        replica__words_add(&index->fields[i], json, len, &field);
        if (field.len > 0)
            replica__buf_add(&ret->text, field.data, field.len);
        ret->end[i] = ret->text.len;
        if (field.r < 0)
            return replica__enomem(err);
    }
    return ret->text.r < 0 ? replica__enomem(err) : r;
}

static int put_words(replica_db *db, struct replica__index *index, int64_t doc,
                     const struct words *w, bool cut, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    int rc = SQLITE_OK;
    size_t begin = 0;
    int r = statement(db, index, cut, &stmt, err);

    if (r < 0)
        return r;
    replica__bind_int(stmt, 1, doc, &rc);
    for (size_t i = 0; i < index->n; i++) {
        replica__bind_text(stmt, (int)i + 2, w->text.data + begin, w->end[i] - begin, &rc);
        begin = w->end[i];
    }
    if (rc == SQLITE_OK)
        rc = sqlite3_step(stmt);
    db->text_failed |= rc != SQLITE_DONE;
    return rc == SQLITE_DONE ? 0 : failed(db, rc, err);
}

static bool same_words(const struct replica__index *index, const struct words *a,
                       const struct words *b)
{
    return a->text.len == b->text.len && memcmp(a->text.data, b->text.data, a->text.len) == 0 &&
           memcmp(a->end, b->end, index->n * sizeof a->end[0]) == 0;
}

int replica__index_text_write(replica_db *db, struct replica__index *index, int64_t doc,
                              const struct replica__row *old, const char *json, size_t len,
                              replica_error *err)
{
    WORDS before = { .text = REPLICA_BUF_INIT };
    WORDS after = { .text = REPLICA_BUF_INIT };
    int had = 0, has = 0, r = 0;

    assert(db->in_txn);
    if (doc > index->built) /* the builder comes to it */
        return 0;
    if (old && !(old->flags & REPLICA__FLAG_DELETED))
        had = words_of(index, old->body, old->len, &before, err);
    if (had >= 0 && json)
        has = words_of(index, json, len, &after, err);
    if (had < 0 || has < 0)
        return had < 0 ? had : has;
    if (had && has && same_words(index, &before, &after))
        return 0;
    if (had)
        r = put_words(db, index, doc, &before, true, err);
    if (r >= 0 && has)
        r = put_words(db, index, doc, &after, false, err);
    return r;
}

/* ---- building -------------------------------------------------------------------- */

static int put_row(replica_db *db, struct replica__index *index, sqlite3_stmt *docs,
                   replica_error *err)
{
    WORDS words = { .text = REPLICA_BUF_INIT };
    const char *body = (const char *)sqlite3_column_text(docs, 3);
    int r;

    if (sqlite3_column_int64(docs, 1) & REPLICA__FLAG_DELETED)
        return 0;
    if (!body)
        return replica__enomem(err);
    r = words_of(index, body, (size_t)sqlite3_column_bytes(docs, 3), &words, err);
    return r <= 0 ? r : put_words(db, index, sqlite3_column_int64(docs, 0), &words, false, err);
}

/* Documents that are looked at before the clock is; numbers, of other collections too, that one
 * transaction passes. */
#define BATCH 16
#define WINDOW 20000

/* Put in what comes behind `built`.  1: there may be more; 0: that was all. */
static int put_rows(replica_db *db, int64_t coll, struct replica__index *index, int64_t until_ms,
                    replica_error *err)
{
    REPLICA_STMT docs = NULL;
    int64_t last = 0, to = index->built + WINDOW;
    int n = 0;
    int r = replica__sql_int(db, REPLICA__SQL_DOC_HIGHEST, &last, err);

    if (r >= 0)
        r = replica__sql_with(db, REPLICA__SQL_INDEX_DOCS, &docs, err, index->built, to, coll);
    if (r < 0)
        return r;
    while ((r = replica__sql_step(db, docs, SQLITE_OK, err)) > 0) {
        r = put_row(db, index, docs, err);
        if (r < 0)
            return r;
        index->built = sqlite3_column_int64(docs, 0);
        if (++n % BATCH == 0 && db->world->monotonic_ms(db->world->ctx) >= until_ms)
            return 1;
    }
    if (r < 0)
        return r;
    index->built = to;
    return to < last;
}

static int set_built(replica_db *db, const struct replica__index *index, bool ready,
                     replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    int rc = SQLITE_OK;
    int r = replica__sql_get(db, REPLICA__SQL_INDEX_BUILT, &stmt, err);

    if (r < 0)
        return r;
    replica__bind_int(stmt, 1, index->number, &rc);
    if (!ready)
        replica__bind_int(stmt, 2, index->built, &rc);
    else if (rc == SQLITE_OK)
        rc = sqlite3_bind_null(stmt, 2);
    replica__indexes_forget(db);
    return replica__sql_step(db, stmt, rc, err);
}

static void free_index(struct replica__index **index)
{
    replica__indexes_free(*index);
}

int replica__index_text_build(replica_db *db, int64_t coll, int64_t number, int64_t until_ms,
                              replica_error *err)
{
    __attribute__((cleanup(free_index))) struct replica__index *index = NULL;
    REPLICA_TXN txn = NULL;
    int64_t of = 0;
    int more = 0;
    int r = replica__txn_begin(db, &txn, err);

    if (r >= 0) /* in the transaction: nobody else has built meanwhile */
        r = replica__index_read(db, number, &index, &of, err);
    if (r <= 0 || of != coll || index->built == INT64_MAX)
        return r < 0 ? r : 0;
    more = put_rows(db, coll, index, until_ms, err);
    r = more < 0 ? more : set_built(db, index, more == 0, err);
    if (r >= 0)
        r = replica__txn_commit(&txn, err);
    return r < 0 ? r : more;
}

/* ---- checking -------------------------------------------------------------------- */

static int check_on(sqlite3 *sqlite, const struct replica__index *index, replica_error *err)
{
    /* With a rank other than 0 the index is compared with the documents, too. */
    SQL_TEXT sql = sqlite3_mprintf("INSERT INTO text_%lld(text_%lld, rank)"
                                   " VALUES('integrity-check', %d)",
                                   (long long)index->number, (long long)index->number,
                                   index->built == INT64_MAX);
    int rc = sql ? sqlite3_exec(sqlite, sql, NULL, NULL, NULL) : SQLITE_NOMEM;

    if ((rc & 0xff) == SQLITE_CORRUPT)
        return 1;
    return rc == SQLITE_OK ? 0 : replica__sql_error_of(sqlite, rc, err);
}

static void disconnect(sqlite3 **sqlite)
{
    sqlite3_close(*sqlite);
}

/* FTS5 is asked by what looks like a write, and changes nothing: a handle that only reads, or is
 * reading and may not write since others have, has a connection that may write do it.  A file that
 * cannot be written to is not looked at. */
static int check_beside(replica_db *db, const struct replica__index *index, replica_error *err)
{
    __attribute__((cleanup(disconnect))) sqlite3 *sqlite = NULL;
    int rc = sqlite3_open_v2(db->path, &sqlite, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);

    if (rc == SQLITE_OK)
        rc = replica__functions_add(sqlite);
    if (rc == SQLITE_OK)
        rc = sqlite3_db_config(sqlite, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_wal_autocheckpoint(sqlite, 0);
    if (rc != SQLITE_OK)
        return rc == SQLITE_CANTOPEN ? 0 : replica__sql_error_of(sqlite, rc, err);
    sqlite3_busy_timeout(sqlite, db->busy_ms);
    return sqlite3_db_readonly(sqlite, "main") ? 0 : check_on(sqlite, index, err);
}

int replica__index_text_check(replica_db *db, const struct replica__index *index,
                              replica_error *err)
{
    return db->memory ? check_on(db->sqlite, index, err) : check_beside(db, index, err);
}
