#include "libreplica/query/reader.h"

#include "libreplica/query/shelf.h"

#include "libreplica/query/functions.h"

#include <assert.h>
#include <string.h>

#define KEPT 2 /* open connections that nobody uses */
#define MOST 64

/* Only what an answer needs: each column of each row costs. */
#define DOC_COLUMNS \
    "d.number, d.id, d.seq, d.height, d.opening, d.stamp, d.writer, d.wseq, d.version, d.body"
#define TAKE "ifnull(replica_known(d.number, d.seq), replica_take(" DOC_COLUMNS "))"
#define TAKE_WITH_KEY \
    "ifnull(replica_known(d.number, d.seq, e.key), replica_take(" DOC_COLUMNS ", e.key))"
/* The function must not see a tombstone, in whatever order SQLite asks. */
#define TAKE_LIVE "CASE WHEN d.flags & 1 = 0 THEN " TAKE " END"

static const char *const texts[] = {
    [REPLICA__FIND_ENTRIES] =
        "SELECT 1 FROM entry e CROSS JOIN doc d ON d.number = e.doc"
        " WHERE e.idx = ?1 AND e.key >= ?2 AND e.key < ?3 AND " TAKE " ORDER BY e.key",
    [REPLICA__FIND_ENTRIES_DOWN] =
        "SELECT 1 FROM entry e CROSS JOIN doc d ON d.number = e.doc"
        " WHERE e.idx = ?1 AND e.key >= ?2 AND e.key < ?3 AND " TAKE_WITH_KEY
        " ORDER BY e.key DESC",
    [REPLICA__FIND_ENTRY_DOCS] = "SELECT doc FROM entry WHERE idx = ?1 AND key >= ?2 AND key < ?3",
    [REPLICA__FIND_ENTRY_COUNT] =
        "SELECT count(*) FROM entry WHERE idx = ?1 AND key >= ?2 AND key < ?3",
    [REPLICA__FIND_IDS] = "SELECT 1 FROM doc d WHERE d.coll = ?1 AND d.id >= ?2 AND d.id < ?3"
                          " AND " TAKE_LIVE " ORDER BY d.id",
    [REPLICA__FIND_IDS_DOWN] = "SELECT 1 FROM doc d WHERE d.coll = ?1 AND d.id >= ?2 AND d.id < ?3"
                               " AND " TAKE_LIVE " ORDER BY d.id DESC",
    [REPLICA__FIND_ID] = "SELECT 1 FROM doc d WHERE d.coll = ?1 AND d.id = ?2 AND " TAKE_LIVE,
    /* Along the feed: the documents lie in the file about as they were written. */
    [REPLICA__FIND_ALL] = "SELECT 1 FROM doc d INDEXED BY doc_feed"
                          " WHERE d.coll = ?1 AND d.seq > 0 AND " TAKE_LIVE,
    [REPLICA__FIND_NUMBER] = "SELECT 1 FROM doc d WHERE d.number = ?1 AND " TAKE_LIVE,
    [REPLICA__FIND_KEYS] = "SELECT 1 FROM doc d INDEXED BY doc_id WHERE d.coll = ?1 AND d.id >= ?2"
                           " AND CASE replica_id(d.id) WHEN 0 THEN 0 WHEN 1 THEN " TAKE_LIVE
                           " ELSE 1 END ORDER BY d.id",
    [REPLICA__FIND_KEYS_BARE] =
        "SELECT 1 FROM doc d INDEXED BY doc_id WHERE d.coll = ?1 AND d.id >= ?2"
        " AND CASE replica_id(d.id) WHEN 0 THEN 0 WHEN 1 THEN"
        " CASE WHEN d.flags & 1 = 0 THEN replica_bare(d.number, d.id, d.seq, d.version) END"
        " ELSE 1 END ORDER BY d.id",
    [REPLICA__FIND_HEAD] = "SELECT ifnull(max(seq), 0) FROM doc WHERE coll = ?1",
    [REPLICA__FIND_INDEX] = "SELECT flags, built FROM idx WHERE id = ?1 AND coll = ?2",
    [REPLICA__FIND_BEGIN] = "BEGIN",
    [REPLICA__FIND_END] = "COMMIT",
};
_Static_assert(sizeof texts / sizeof texts[0] == REPLICA__FIND_COUNT, "a statement has no text");

static struct replica__slice key_of(sqlite3_value *value)
{
    const char *data = sqlite3_value_blob(value);

    return (struct replica__slice){ data, (size_t)sqlite3_value_bytes(value) };
}

/* NULL: it is not at hand, and must be read. */
static void take_known(sqlite3_context *sql, int argc, sqlite3_value **argv)
{
    struct replica__reader *reader = sqlite3_user_data(sql);
    int64_t number = sqlite3_value_int64(argv[0]), seq = sqlite3_value_int64(argv[1]);
    replica_doc *doc = replica__shelf_find(reader->db, number, seq, reader->version);
    struct replica__slice key = { NULL, 0 };
    struct replica__row row = { .number = number, .seq = seq, .doc = doc };

    if (!doc)
        return;
    row.version = reader->version;
    row.id = replica_doc_id(doc);
    row.id_len = strlen(row.id);
    row.body = replica_doc_json(doc, &row.len);
    if (argc == 3)
        key = key_of(argv[2]);
    reader->r = reader->fn(reader->ctx, &row, &key, reader->err);
    sqlite3_result_int(sql, reader->r != 0);
}

static void take(sqlite3_context *sql, int argc, sqlite3_value **argv)
{
    struct replica__reader *reader = sqlite3_user_data(sql);
    const struct replica__row row = {
        .number = sqlite3_value_int64(argv[0]),
        .id = (const char *)sqlite3_value_text(argv[1]),
        .id_len = (size_t)sqlite3_value_bytes(argv[1]),
        .seq = sqlite3_value_int64(argv[2]),
        .height = sqlite3_value_int64(argv[3]),
        .opening = sqlite3_value_int64(argv[4]),
        .stamp = sqlite3_value_int64(argv[5]),
        .writer = sqlite3_value_int64(argv[6]),
        .wseq = sqlite3_value_int64(argv[7]),
        .version = sqlite3_value_int64(argv[8]),
        .body = (const char *)sqlite3_value_text(argv[9]),
        .len = (size_t)sqlite3_value_bytes(argv[9]),
    };
    struct replica__slice key = { NULL, 0 };

    if (argc == 11)
        key = key_of(argv[10]);
    if (!row.id || !row.body) /* both are NOT NULL */
        reader->r = replica__enomem(reader->err);
    else
        reader->r = reader->fn(reader->ctx, &row, &key, reader->err);
    sqlite3_result_int(sql, reader->r != 0);
}

static void take_id(sqlite3_context *sql, int argc, sqlite3_value **argv)
{
    struct replica__reader *reader = sqlite3_user_data(sql);
    const char *id = (const char *)sqlite3_value_text(argv[0]);
    int r = id ? reader->id_fn(reader->id_ctx, id, (size_t)sqlite3_value_bytes(argv[0]))
               : replica__enomem(reader->err);

    if (r != 0 && r != 1)
        reader->r = r;
    sqlite3_result_int(sql, r);
}

static void take_bare(sqlite3_context *sql, int argc, sqlite3_value **argv)
{
    struct replica__reader *reader = sqlite3_user_data(sql);
    const struct replica__row row = {
        .number = sqlite3_value_int64(argv[0]),
        .id = (const char *)sqlite3_value_text(argv[1]),
        .id_len = (size_t)sqlite3_value_bytes(argv[1]),
        .seq = sqlite3_value_int64(argv[2]),
        .version = sqlite3_value_int64(argv[3]),
    };
    struct replica__slice key = { NULL, 0 };

    reader->r = row.id ? reader->fn(reader->ctx, &row, &key, reader->err)
                       : replica__enomem(reader->err);
    sqlite3_result_int(sql, reader->r != 0);
}

static int add_functions(struct replica__reader *reader)
{
    static const struct {
        const char *name;
        void (*fn)(sqlite3_context *, int, sqlite3_value **);
    } functions[] = {
        { "replica_take", take },
        { "replica_known", take_known },
        { "replica_id", take_id },
        { "replica_bare", take_bare },
    };
    int rc = SQLITE_OK;

    for (size_t i = 0; rc == SQLITE_OK && i < sizeof functions / sizeof functions[0]; i++)
        rc = sqlite3_create_function_v2(reader->sqlite, functions[i].name, -1,
                                        SQLITE_UTF8 | SQLITE_DIRECTONLY, reader, functions[i].fn,
                                        NULL, NULL, NULL);
    return rc;
}

static void reader_free(struct replica__reader *reader)
{
    if (!reader)
        return;
    for (int i = 0; i < REPLICA__FIND_COUNT; i++)
        sqlite3_finalize(reader->statements[i]);
    if (reader->own)
        sqlite3_close(reader->sqlite);
    replica__free(reader);
}

static void reader_free_ptr(struct replica__reader **reader)
{
    reader_free(*reader);
}
#define READER __attribute__((cleanup(reader_free_ptr))) struct replica__reader *

int replica__reader_main(replica_db *db, struct replica__reader **ret, replica_error *err)
{
    if (!db->reader) {
        READER reader = replica__alloc_zero(1, sizeof *reader);
        int rc;

        if (!reader)
            return replica__enomem(err);
        reader->db = db;
        reader->sqlite = db->sqlite;
        rc = add_functions(reader);
        if (rc != SQLITE_OK)
            return replica__sql_error(db, rc, err);
        db->reader = reader;
        reader = NULL;
    }
    *ret = db->reader;
    return 0;
}

/* The handle's connection stays open longer, so that a close here never is the last one, which
 * would copy the WAL while others commit. */
static int connect(replica_db *db, struct replica__reader **ret, replica_error *err)
{
    int flags = db->flags & REPLICA_DB_READ_ONLY ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE;
    READER reader = replica__alloc_zero(1, sizeof *reader);
    int rc;

    if (!reader)
        return replica__enomem(err);
    reader->db = db;
    reader->own = true;
    rc = sqlite3_open_v2(db->path, &reader->sqlite, flags | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc == SQLITE_OK) {
        sqlite3_extended_result_codes(reader->sqlite, 1);
        sqlite3_busy_timeout(reader->sqlite, db->busy_ms);
        rc = sqlite3_db_config(reader->sqlite, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    }
    if (rc == SQLITE_OK)
        rc = replica__functions_add(reader->sqlite); /* the views of full text use them */
    if (rc == SQLITE_OK)
        rc = add_functions(reader);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(reader->sqlite, "PRAGMA query_only = 1", NULL, NULL, NULL);
    if (rc != SQLITE_OK)
        return reader->sqlite ? replica__sql_error_of(reader->sqlite, rc, err)
                              : replica__enomem(err);
    *ret = reader;
    reader = NULL;
    return 0;
}

static int run(struct replica__reader *reader, enum replica__find which, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    int r = replica__reader_get(reader, which, &stmt, err);

    return r < 0 ? r : replica__reader_step(reader, stmt, SQLITE_OK, err);
}

/* A transaction sees what there is at its first read. */
static int begin(struct replica__reader *reader, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    int rc = SQLITE_OK;
    int r = run(reader, REPLICA__FIND_BEGIN, err);

    if (r >= 0)
        r = replica__reader_get(reader, REPLICA__FIND_INDEX, &stmt, err);
    if (r < 0)
        return r;
    replica__bind_int(stmt, 1, 0, &rc);
    replica__bind_int(stmt, 2, 0, &rc);
    return replica__reader_step(reader, stmt, rc, err);
}

int replica__reader_open(replica_db *db, struct replica__reader **ret, replica_error *err)
{
    READER reader = db->idle_readers;
    int r = 0;

    assert(!db->memory);
    if (reader) {
        db->idle_readers = reader->next;
        db->idle_count--;
    } else {
        if (db->reader_count >= MOST)
            return replica__error_set(err, REPLICA_ELIMIT, 0, "%d cursors are open", MOST);
        r = connect(db, &reader, err);
        if (r < 0)
            return r;
        db->reader_count++;
    }
    r = begin(reader, err);
    if (r < 0) {
        db->reader_count--;
        return r;
    }
    *ret = reader;
    reader = NULL;
    return 0;
}

void replica__reader_close(struct replica__reader *reader)
{
    replica_db *db = reader ? reader->db : NULL;

    if (!reader || !reader->own)
        return;
    for (int i = 0; i < REPLICA__FIND_COUNT; i++)
        sqlite3_reset(reader->statements[i]);
    if (db->idle_count < KEPT && run(reader, REPLICA__FIND_END, NULL) >= 0) {
        reader->next = db->idle_readers;
        db->idle_readers = reader;
        db->idle_count++;
        return;
    }
    db->reader_count--;
    reader_free(reader);
}

int replica__reader_get(struct replica__reader *reader, enum replica__find which,
                        sqlite3_stmt **ret_stmt, replica_error *err)
{
    sqlite3_stmt **slot = &reader->statements[which];

    assert(!*ret_stmt);
    if (!*slot) {
        int rc = sqlite3_prepare_v3(reader->sqlite, texts[which], -1, SQLITE_PREPARE_PERSISTENT,
                                    slot, NULL);

        if (rc != SQLITE_OK)
            return replica__sql_error_of(reader->sqlite, rc, err);
    }
    assert(!sqlite3_stmt_busy(*slot));
    *ret_stmt = *slot;
    return 0;
}

int replica__reader_step(struct replica__reader *reader, sqlite3_stmt *stmt, int rc,
                         replica_error *err)
{
    return replica__sql_step_of(reader->sqlite, stmt, rc, err);
}

int replica__reader_run(struct replica__reader *reader, sqlite3_stmt *stmt, int rc,
                        replica__row_fn fn, void *ctx, replica_error *err)
{
    int r;

    reader->fn = fn;
    reader->ctx = ctx;
    reader->err = err;
    reader->r = 0;
    r = replica__reader_step(reader, stmt, rc, err);
    reader->fn = NULL;
    return r > 0 ? reader->r : r;
}

void replica__readers_end(replica_db *db)
{
    struct replica__reader *next;

    for (struct replica__reader *reader = db->idle_readers; reader; reader = next) {
        next = reader->next;
        reader_free(reader);
    }
    db->idle_readers = NULL;
    db->idle_count = db->reader_count = 0;
    reader_free(db->reader);
    db->reader = NULL;
}
