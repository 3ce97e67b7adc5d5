/* Building indexes in the background, and taking away what was dropped.
 *
 * A chunk of documents is read first, without any lock, in slices; its keys are sorted; then they
 * are put in, in order and in slices, each a transaction.  What was written since the reading began
 * is the writers', who keep the entries of what they write: such documents are skipped.  When all
 * of a chunk is in, `built` rises.  Killed at any point, the next builder starts from there, and
 * finds some entries in already.  Two that build at once put in the same; the later one finds
 * `built` changed, and reads on from there. */
#include "libreplica/index.h"

#include "libreplica/collection.h"
#include "libreplica/index_text.h"
#include "libreplica/txn.h"

#include <stdlib.h>
#include <string.h>

#define SLICE_MS 8          /* of work; its commit comes on top */
#define CHUNK_KEYS 150000   /* sorted within a slice */
#define CHUNK_BYTES (16 * 1024 * 1024)
#define WINDOW 20000        /* documents of other collections that one step may pass */
#define CUT 3000            /* entries that are taken away in one transaction */
#define STUCK 16
#define AGAIN_MS 10000      /* until an index that could not be built is tried again */
#define BUSY_MS 50

struct key {
    uint64_t head; /* the first bytes, for quick comparisons */
    size_t at;
    const char *bytes; /* when all are there */
    uint32_t len, fields_len; /* fields_len 0: does not count for a unique index */
    int64_t doc;
};

struct replica__builder {
    replica_db *db;
    struct replica__guest guest;
    bool due;
    int64_t at_ms; /* not before */
    int64_t stuck[STUCK];
    size_t stuck_count;
    int64_t stuck_head;

    struct replica__index *index; /* of the chunk; NULL: there is none */
    int64_t coll;
    int64_t since;  /* sequence number: what is above is the writers' */
    int64_t upto;   /* document number: read up to here */
    bool read, end; /* the chunk is read; it is the last one */
    struct replica__index_keys one;
    struct replica__buf bytes;
    struct key *keys;
    size_t n, room, next;
    int64_t *changed;
    size_t changed_count, changed_room;
};

static int64_t now_ms(replica_db *db)
{
    return db->world->monotonic_ms(db->world->ctx);
}

static void drop_chunk(struct replica__builder *b)
{
    replica__indexes_free(b->index);
    b->index = NULL;
    replica__index_keys_free(&b->one);
    replica__buf_free(&b->bytes);
    replica__free(b->keys);
    replica__free(b->changed);
    b->keys = NULL;
    b->changed = NULL;
    b->n = b->room = b->next = b->changed_count = b->changed_room = 0;
    b->read = b->end = false;
}

/* ---- what to do ------------------------------------------------------------------ */

static bool is_stuck(const struct replica__builder *b, int64_t number)
{
    for (size_t i = 0; i < b->stuck_count; i++) {
        if (b->stuck[i] == number)
            return true;
    }
    return false;
}

/* 1: there is work; *ret_coll 0: to take away. */
static int find_work(struct replica__builder *b, replica_collection *coll, int64_t *ret_number,
                     int64_t *ret_coll, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    int rc = SQLITE_OK;
    int r = replica__sql_get(b->db, REPLICA__SQL_INDEX_NEXT, &stmt, err);

    if (r < 0)
        return r;
    replica__bind_int_or_null(stmt, 1, coll ? coll->number : 0, &rc);
    while ((r = replica__sql_step(b->db, stmt, rc, err)) > 0) {
        *ret_number = sqlite3_column_int64(stmt, 0);
        *ret_coll = sqlite3_column_int64(stmt, 1);
        if (!is_stuck(b, *ret_number))
            return 1;
    }
    return r;
}

/* In this order: what is read later is not older than the mark. */
static int begin_chunk(struct replica__builder *b, int64_t number, replica_error *err)
{
    int r = replica__txn_know(b->db, err);

    if (r < 0)
        return r;
    b->since = b->db->head;
    r = replica__index_read(b->db, number, &b->index, &b->coll, err);
    if (r <= 0)
        return r;
    b->upto = b->index->built;
    return 1;
}

/* ---- reading --------------------------------------------------------------------- */

static uint64_t head_of(const char *key, size_t len)
{
    uint64_t head = 0;

    for (size_t i = 0; i < 8; i++)
        head = head << 8 | (i < len ? (unsigned char)key[i] : 0);
    return head;
}

static int take_keys(struct replica__builder *b, int64_t doc, replica_error *err)
{
    const struct replica__index_keys *one = &b->one;

    for (size_t i = 0; i < one->n; i++) {
        const char *key = replica__index_key_at(one, i);
        size_t len = one->keys[i].len;

        if (b->n == b->room) {
            size_t room = b->room ? b->room * 2 : 1024;
            struct key *grown = replica__realloc(b->keys, room, sizeof *grown);

            if (!grown)
                return replica__enomem(err);
            b->keys = grown;
            b->room = room;
        }
        b->keys[b->n++] = (struct key){
            .head = head_of(key, len),
            .at = b->bytes.len,
            .len = (uint32_t)len,
            .fields_len = one->whole ? (uint32_t)(len - one->id_len) : 0,
            .doc = doc,
        };
        replica__buf_add(&b->bytes, key, len);
    }
    if (one->multikey)
        b->index->flags |= REPLICA__INDEX_MULTIKEY;
    if (one->wide)
        b->index->flags |= REPLICA__INDEX_WIDE;
    return b->bytes.r < 0 ? replica__enomem(err) : 0;
}

static int take_row(struct replica__builder *b, sqlite3_stmt *stmt, replica_error *err)
{
    const char *id, *body;
    int r;

    b->upto = sqlite3_column_int64(stmt, 0);
    if (sqlite3_column_int64(stmt, 1) & REPLICA__FLAG_DELETED)
        return 0;
    id = (const char *)sqlite3_column_text(stmt, 2);
    body = (const char *)sqlite3_column_text(stmt, 3);
    if (!id || !body)
        return replica__enomem(err);
    r = replica__index_keys(b->index, body, (size_t)sqlite3_column_bytes(stmt, 3), id,
                            (size_t)sqlite3_column_bytes(stmt, 2), &b->one, err);
    return r > 0 ? take_keys(b, b->upto, err) : r;
}

static int last_document(replica_db *db, int64_t *ret, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    int r = replica__sql_get(db, REPLICA__SQL_INDEX_LAST_DOC, &stmt, err);

    if (r >= 0)
        r = replica__sql_step(db, stmt, SQLITE_OK, err);
    if (r > 0)
        *ret = sqlite3_column_int64(stmt, 0);
    return r;
}

static bool is_full(const struct replica__builder *b)
{
    return b->n >= CHUNK_KEYS || b->bytes.len >= CHUNK_BYTES;
}

/* Up to WINDOW document numbers.  1: all of them. */
static int read_window(struct replica__builder *b, int64_t until_ms, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    int64_t to = (b->upto > 0 ? b->upto : 0) + WINDOW;
    int rc = SQLITE_OK;
    int r = replica__sql_get(b->db, REPLICA__SQL_INDEX_DOCS, &stmt, err);

    if (r < 0)
        return r;
    replica__bind_int(stmt, 1, b->upto, &rc);
    replica__bind_int(stmt, 2, to, &rc);
    replica__bind_int(stmt, 3, b->coll, &rc);
    for (int i = 1; (r = replica__sql_step(b->db, stmt, rc, err)) > 0; i++) {
        r = take_row(b, stmt, err);
        if (r < 0)
            return r;
        if (is_full(b) || (i % 64 == 0 && now_ms(b->db) >= until_ms))
            return 0;
    }
    if (r == 0)
        b->upto = to;
    return r < 0 ? r : 1;
}

static int compare(const char *a, size_t a_len, const char *b, size_t b_len)
{
    int order = memcmp(a, b, a_len < b_len ? a_len : b_len);

    return order ? order : (a_len > b_len) - (a_len < b_len);
}

static int by_key(const void *a, const void *b)
{
    const struct key *x = a, *y = b;

    if (x->head != y->head)
        return x->head < y->head ? -1 : 1;
    return compare(x->bytes, x->len, y->bytes, y->len);
}

static int read_some(struct replica__builder *b, int64_t until_ms, replica_error *err)
{
    int64_t last = 0;
    int r = last_document(b->db, &last, err);

    while (r >= 0 && !b->end && !is_full(b)) {
        if (b->upto >= last) {
            b->end = true;
        } else {
            r = read_window(b, until_ms, err);
            if (r == 0 && !is_full(b)) /* time is up */
                return 0;
        }
    }
    if (r < 0)
        return r;
    b->read = true;
    for (size_t i = 0; i < b->n; i++)
        b->keys[i].bytes = b->bytes.data + b->keys[i].at;
    if (b->n > 1)
        qsort(b->keys, b->n, sizeof *b->keys, by_key);
    return 0;
}

/* ---- putting in ------------------------------------------------------------------ */

static int by_number(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static int read_changed(struct replica__builder *b, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    int rc = SQLITE_OK;
    int r = replica__sql_get(b->db, REPLICA__SQL_INDEX_CHANGED, &stmt, err);

    if (r < 0)
        return r;
    b->changed_count = 0;
    replica__bind_int(stmt, 1, b->coll, &rc);
    replica__bind_int(stmt, 2, b->since, &rc);
    while ((r = replica__sql_step(b->db, stmt, rc, err)) > 0) {
        if (b->changed_count == b->changed_room) {
            size_t room = b->changed_room ? b->changed_room * 2 : 64;
            int64_t *grown = replica__realloc(b->changed, room, sizeof *grown);

            if (!grown)
                return replica__enomem(err);
            b->changed = grown;
            b->changed_room = room;
        }
        b->changed[b->changed_count++] = sqlite3_column_int64(stmt, 0);
    }
    if (r == 0 && b->changed_count > 1)
        qsort(b->changed, b->changed_count, sizeof *b->changed, by_number);
    return r;
}

static bool is_changed(const struct replica__builder *b, int64_t doc)
{
    return b->changed_count > 0 &&
           bsearch(&doc, b->changed, b->changed_count, sizeof *b->changed, by_number);
}

static int word_conflict(struct replica__builder *b, int64_t doc, int64_t other,
                         replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    struct replica__row row;
    char name[65] = "";
    replica_error where = { .offset = -1 };
    int r = replica__collection_name(b->db, b->coll, name, err);

    if (r >= 0)
        r = replica__row_by_number(b->db, doc, &stmt, &row, err);
    if (r < 0)
        return r;
    replica__error_where(&where, "%s/%s", name, r ? row.id : "");
    replica__sql_reset(&stmt);
    r = replica__row_by_number(b->db, other, &stmt, &row, err);
    if (r < 0)
        return r;
    r = replica__error_set(err, REPLICA_ECONFLICT, 409,
                           "unique index '%s' cannot be built: document '%s' has the same values",
                           b->index->name, r ? row.id : "");
    replica__error_where(err, "%s", where.where);
    return r;
}

static int check_unique(struct replica__builder *b, const struct key *key, replica_error *err)
{
    const char *bytes = key->bytes;
    REPLICA_BUF behind = REPLICA_BUF_INIT;
    REPLICA_STMT stmt = NULL;
    int64_t other = 0;
    int rc = SQLITE_OK;
    int r = replica__sql_get(b->db, REPLICA__SQL_ENTRY_DOCS, &stmt, err);

    replica__key_behind(bytes, key->fields_len, &behind);
    if (r < 0 || behind.r < 0)
        return r < 0 ? r : replica__enomem(err);
    replica__bind_int(stmt, 1, b->index->number, &rc);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_blob64(stmt, 2, bytes, key->fields_len, SQLITE_STATIC);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_blob64(stmt, 3, behind.data, behind.len, SQLITE_STATIC);
    while ((r = replica__sql_step(b->db, stmt, rc, err)) > 0) {
        other = sqlite3_column_int64(stmt, 0);
        if (other != key->doc)
            return word_conflict(b, key->doc, other, err);
    }
    return r;
}

static int put_key(struct replica__builder *b, sqlite3_stmt *add, const struct key *key,
                   replica_error *err)
{
    int rc = SQLITE_OK;
    int r = 0;

    if (b->index->flags & REPLICA_INDEX_UNIQUE && key->fields_len)
        r = check_unique(b, key, err);
    if (r < 0)
        return r;
    sqlite3_reset(add);
    replica__bind_int(add, 1, b->index->number, &rc);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_blob64(add, 2, key->bytes, key->len, SQLITE_STATIC);
    replica__bind_int(add, 3, key->doc, &rc);
    return replica__sql_step(b->db, add, rc, err);
}

static int put_keys(struct replica__builder *b, int64_t until_ms, replica_error *err)
{
    REPLICA_STMT add = NULL;
    int r = replica__sql_get(b->db, REPLICA__SQL_ENTRY_ADD, &add, err);

    for (int i = 1; r >= 0 && b->next < b->n; i++) {
        const struct key *key = &b->keys[b->next];

        if (!is_changed(b, key->doc))
            r = put_key(b, add, key, err);
        if (r >= 0)
            b->next++;
        if (i % 128 == 0 && now_ms(b->db) >= until_ms)
            break;
    }
    return r;
}

/* 1: it is as it was when the chunk was begun; 0: somebody else was faster, or it was dropped. */
static int is_current(struct replica__builder *b, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    int rc = SQLITE_OK;
    int r = replica__sql_get(b->db, REPLICA__SQL_INDEX_GET, &stmt, err);

    if (r < 0)
        return r;
    replica__bind_int(stmt, 1, b->index->number, &rc);
    r = replica__sql_step(b->db, stmt, rc, err);
    if (r <= 0)
        return r;
    return sqlite3_column_type(stmt, 5) != SQLITE_NULL &&
           sqlite3_column_int64(stmt, 5) == b->index->built;
}

/* The marks are set before the first entry is there: a document in it may have several. */
static int mark(struct replica__builder *b, replica_error *err)
{
    int64_t marks = b->index->flags & (REPLICA__INDEX_MULTIKEY | REPLICA__INDEX_WIDE);

    if (b->next > 0 || marks == 0)
        return 0;
    replica__indexes_forget(b->db);
    return replica__sql_run(b->db, REPLICA__SQL_INDEX_MARK, err, 2, b->index->number, marks);
}

static int finish_chunk(struct replica__builder *b, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    int rc = SQLITE_OK;
    int r = replica__sql_get(b->db, REPLICA__SQL_INDEX_BUILT, &stmt, err);

    if (r < 0)
        return r;
    replica__bind_int(stmt, 1, b->index->number, &rc);
    if (!b->end)
        replica__bind_int(stmt, 2, b->upto, &rc);
    else if (rc == SQLITE_OK)
        rc = sqlite3_bind_null(stmt, 2);
    replica__indexes_forget(b->db);
    return replica__sql_step(b->db, stmt, rc, err);
}

static int put_some(struct replica__builder *b, int64_t until_ms, replica_error *err)
{
    REPLICA_TXN txn = NULL;
    size_t before = b->next;
    bool done = false;
    int r = replica__txn_begin(b->db, &txn, err);

    if (r >= 0)
        r = is_current(b, err);
    if (r == 0)
        drop_chunk(b);
    if (r <= 0)
        return r;
    r = read_changed(b, err);
    if (r >= 0)
        r = mark(b, err);
    if (r >= 0)
        r = put_keys(b, until_ms, err);
    if (r >= 0 && b->next == b->n) {
        done = true;
        r = finish_chunk(b, err);
    }
    if (r >= 0)
        r = replica__txn_commit(&txn, err);
    if (r < 0)
        b->next = before;
    else if (done)
        drop_chunk(b);
    return r < 0 ? r : 0;
}

/* ---- taking away ----------------------------------------------------------------- */

static int cut(replica_db *db, int64_t index, const void *key, size_t len, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    int rc = SQLITE_OK;
    int r = replica__sql_get(db, REPLICA__SQL_ENTRY_CUT, &stmt, err);

    if (r < 0)
        return r;
    replica__bind_int(stmt, 1, index, &rc);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_blob64(stmt, 2, key, len, SQLITE_TRANSIENT);
    return replica__sql_step(db, stmt, rc, err);
}

static int take_away(replica_db *db, int64_t index, replica_error *err)
{
    static const unsigned char behind_all[] = { 0xff };
    REPLICA_STMT stmt = NULL;
    REPLICA_TXN txn = NULL;
    int rc = SQLITE_OK;
    int r = replica__txn_begin(db, &txn, err);

    if (r >= 0)
        r = replica__sql_get(db, REPLICA__SQL_ENTRY_NTH, &stmt, err);
    if (r < 0)
        return r;
    replica__bind_int(stmt, 1, index, &rc);
    replica__bind_int(stmt, 2, CUT, &rc);
    r = replica__sql_step(db, stmt, rc, err);
    if (r > 0)
        r = cut(db, index, sqlite3_column_blob(stmt, 0), (size_t)sqlite3_column_bytes(stmt, 0),
                err);
    else if (r == 0) {
        r = cut(db, index, behind_all, sizeof behind_all, err);
        if (r >= 0)
            r = replica__sql_run(db, REPLICA__SQL_INDEX_GONE, err, 1, index);
        replica__indexes_forget(db);
    }
    replica__sql_reset(&stmt);
    return r < 0 ? r : replica__txn_commit(&txn, err);
}

/* ---- a slice --------------------------------------------------------------------- */

static int64_t next_ms(void *ctx)
{
    struct replica__builder *b = ctx;

    return b->due ? b->at_ms : -1;
}

static void committed(void *ctx)
{
    (void)ctx; /* what it wakes for is in the file */
}

static void work(void *ctx);

static int builder_of(replica_db *db, struct replica__builder **ret, replica_error *err)
{
    struct replica__builder *b = db->builder;

    if (!b) {
        b = replica__alloc_zero(1, sizeof *b);
        if (!b)
            return replica__enomem(err);
        b->db = db;
        b->guest = (struct replica__guest){
            .name = "indexes", .committed = committed, .next_ms = next_ms, .work = work, .ctx = b
        };
        db->builder = b;
        replica__db_add_guest(db, &b->guest);
    }
    *ret = b;
    return 0;
}

static void give_up(struct replica__builder *b, int64_t number)
{
    if (b->stuck_count < STUCK)
        b->stuck[b->stuck_count++] = number;
    b->stuck_head = b->db->head;
}

static int go_on(struct replica__builder *b, int64_t until_ms, replica_error *err)
{
    int64_t number = b->index->number;
    int r = b->read ? put_some(b, until_ms, err) : read_some(b, until_ms, err);

    if (r >= 0)
        return 1;
    if (r != REPLICA_EBUSY)
        drop_chunk(b);
    if (r == REPLICA_ECONFLICT)
        give_up(b, number);
    return r;
}

int replica__index_build(replica_db *db, replica_collection *coll, bool again, replica_error *err)
{
    int64_t until_ms = now_ms(db) + SLICE_MS;
    int64_t number, of = 0;
    struct replica__builder *b = NULL;
    int r = builder_of(db, &b, err);

    if (r < 0)
        return r;
    if (again)
        b->stuck_count = 0;
    if (b->index && coll && b->coll != coll->number)
        drop_chunk(b);
    if (b->index)
        return go_on(b, until_ms, err);
    r = find_work(b, coll, &number, &of, err);
    if (r <= 0)
        return r;
    if (of == 0) {
        r = take_away(db, number, err);
        return r < 0 ? r : 1;
    }
    r = begin_chunk(b, number, err);
    if (r > 0 && !replica__index_is_ordered(b->index)) {
        r = replica__index_text_build(db, b->coll, number, until_ms, err);
        drop_chunk(b);
    }
    if (r < 0)
        drop_chunk(b);
    return r < 0 ? r : 1;
}

/* ---- in dispatch ----------------------------------------------------------------- */

static void work(void *ctx)
{
    struct replica__builder *b = ctx;
    replica_db *db = b->db;
    replica_error err = { .offset = -1 };
    int64_t now = now_ms(db);
    int r;

    if (!b->due || now < b->at_ms)
        return;
    if (b->stuck_count > 0 && b->at_ms && !b->index && db->head != b->stuck_head)
        b->stuck_count = 0; /* what was in the way may be gone */
    r = replica__index_build(db, NULL, false, &err);
    b->at_ms = 0;
    if (r == 0 && b->stuck_count == 0)
        b->due = false;
    else if (r == 0)
        b->at_ms = now + AGAIN_MS;
    else if (r == REPLICA_EBUSY)
        b->at_ms = now + BUSY_MS;
    else if (r < 0) {
        replica__db_log(db, REPLICA_LOG_WARNING, "index", "%s: %s", err.where, err.message);
        b->at_ms = r == REPLICA_ECONFLICT && b->stuck_count < STUCK ? 0 : now + AGAIN_MS;
    }
}

void replica__index_build_later(replica_db *db)
{
    struct replica__builder *b = NULL;

    if (db->sibling || db->flags & REPLICA_DB_READ_ONLY || builder_of(db, &b, NULL) < 0)
        return;
    b->due = true;
}

void replica__index_build_end(replica_db *db)
{
    if (!db->builder)
        return;
    drop_chunk(db->builder);
    replica__db_remove_guest(db, &db->builder->guest);
    replica__free(db->builder);
    db->builder = NULL;
}
