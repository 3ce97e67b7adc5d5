/* Reading a chunk's documents, and putting its keys in. */
#include "libreplica/index/chunk.h"

#include "libreplica/collection.h"
#include "libreplica/txn.h"

#include <stdlib.h>
#include <string.h>

#define CHUNK_KEYS 150000 /* sorted within a slice */
#define CHUNK_BYTES (16 * 1024 * 1024)
#define WINDOW 20000 /* documents of other collections that one step may pass */

static int64_t now_ms(replica_db *db)
{
    return db->world->monotonic_ms(db->world->ctx);
}

void replica__chunk_drop(struct replica__chunk *c)
{
    replica__indexes_free(c->index);
    c->index = NULL;
    replica__index_keys_free(&c->one);
    replica__buf_free(&c->bytes);
    replica__buf_clear(&c->bytes); /* and forgets what failed */
    replica__free(c->keys);
    replica__free(c->changed);
    c->keys = NULL;
    c->changed = NULL;
    c->n = c->room = c->next = c->changed_count = c->changed_room = 0;
    c->read = c->end = false;
}

/* In this order: what is read later is not older than the mark. */
int replica__chunk_begin(struct replica__chunk *c, int64_t index, replica_error *err)
{
    int r = replica__txn_know(c->db, err);

    if (r < 0)
        return r;
    c->since = c->db->head;
    r = replica__index_read(c->db, index, &c->index, &c->coll, err);
    if (r <= 0)
        return r;
    c->upto = c->index->built;
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

static int take_keys(struct replica__chunk *c, int64_t doc, replica_error *err)
{
    const struct replica__index_keys *one = &c->one;

    for (size_t i = 0; i < one->n; i++) {
        const char *key = replica__index_key_at(one, i);
        size_t len = one->keys[i].len;

        if (c->n == c->room) {
            size_t room = c->room ? c->room * 2 : 1024;
            struct replica__chunk_key *grown = replica__realloc(c->keys, room, sizeof *grown);

            if (!grown)
                return replica__enomem(err);
            c->keys = grown;
            c->room = room;
        }
        c->keys[c->n++] = (struct replica__chunk_key){
            .head = head_of(key, len),
            .at = c->bytes.len,
            .len = (uint32_t)len,
            .fields_len = one->whole ? (uint32_t)(len - one->id_len) : 0,
            .doc = doc,
        };
        replica__buf_add(&c->bytes, key, len);
    }
    if (one->multikey)
        c->index->flags |= REPLICA__INDEX_MULTIKEY;
    if (one->wide)
        c->index->flags |= REPLICA__INDEX_WIDE;
    return c->bytes.r < 0 ? replica__enomem(err) : 0;
}

static int take_row(struct replica__chunk *c, sqlite3_stmt *stmt, replica_error *err)
{
    const char *id, *body;
    int r;

    c->upto = sqlite3_column_int64(stmt, 0);
    if (sqlite3_column_int64(stmt, 1) & REPLICA__FLAG_DELETED)
        return 0;
    id = (const char *)sqlite3_column_text(stmt, 2);
    body = (const char *)sqlite3_column_text(stmt, 3);
    if (!id || !body)
        return replica__enomem(err);
    r = replica__index_keys(c->index, body, (size_t)sqlite3_column_bytes(stmt, 3), id,
                            (size_t)sqlite3_column_bytes(stmt, 2), &c->one, err);
    return r > 0 ? take_keys(c, c->upto, err) : r;
}

static bool is_full(const struct replica__chunk *c)
{
    return c->n >= CHUNK_KEYS || c->bytes.len >= CHUNK_BYTES;
}

/* Up to WINDOW document numbers.  1: all of them. */
static int read_window(struct replica__chunk *c, int64_t until_ms, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    int64_t to = (c->upto > 0 ? c->upto : 0) + WINDOW;
    int r = replica__sql_with(c->db, REPLICA__SQL_INDEX_DOCS, &stmt, err, c->upto, to, c->coll);

    if (r < 0)
        return r;
    for (int i = 1; (r = replica__sql_step(c->db, stmt, SQLITE_OK, err)) > 0; i++) {
        r = take_row(c, stmt, err);
        if (r < 0)
            return r;
        if (is_full(c) || (i % 64 == 0 && now_ms(c->db) >= until_ms))
            return 0;
    }
    if (r == 0)
        c->upto = to;
    return r < 0 ? r : 1;
}

static int by_key(const void *a, const void *b)
{
    const struct replica__chunk_key *x = a, *y = b;

    if (x->head != y->head)
        return x->head < y->head ? -1 : 1;
    return replica__key_order(x->bytes, x->len, y->bytes, y->len);
}

static int read_some(struct replica__chunk *c, int64_t until_ms, replica_error *err)
{
    int64_t last = 0;
    int r = replica__sql_int(c->db, REPLICA__SQL_DOC_HIGHEST, &last, err);

    while (r >= 0 && !c->end && !is_full(c)) {
        if (c->upto >= last) {
            c->end = true;
        } else {
            r = read_window(c, until_ms, err);
            if (r == 0 && !is_full(c)) /* time is up */
                return 0;
        }
    }
    if (r < 0)
        return r;
    c->read = true;
    for (size_t i = 0; i < c->n; i++)
        c->keys[i].bytes = c->bytes.data + c->keys[i].at;
    if (c->n > 1)
        qsort(c->keys, c->n, sizeof *c->keys, by_key);
    return 0;
}

/* ---- putting in ------------------------------------------------------------------ */

static int by_number(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static int read_changed(struct replica__chunk *c, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    int rc = SQLITE_OK;
    int r = replica__sql_get(c->db, REPLICA__SQL_INDEX_CHANGED, &stmt, err);

    if (r < 0)
        return r;
    c->changed_count = 0;
    replica__bind_int(stmt, 1, c->coll, &rc);
    replica__bind_int(stmt, 2, c->since, &rc);
    while ((r = replica__sql_step(c->db, stmt, rc, err)) > 0) {
        if (c->changed_count == c->changed_room) {
            size_t room = c->changed_room ? c->changed_room * 2 : 64;
            int64_t *grown = replica__realloc(c->changed, room, sizeof *grown);

            if (!grown)
                return replica__enomem(err);
            c->changed = grown;
            c->changed_room = room;
        }
        c->changed[c->changed_count++] = sqlite3_column_int64(stmt, 0);
    }
    if (r == 0 && c->changed_count > 1)
        qsort(c->changed, c->changed_count, sizeof *c->changed, by_number);
    return r;
}

bool replica__chunk_is_changed(const struct replica__chunk *c, int64_t doc)
{
    return c->changed_count > 0 &&
           bsearch(&doc, c->changed, c->changed_count, sizeof *c->changed, by_number);
}

static int word_conflict(struct replica__chunk *c, int64_t doc, int64_t other, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    struct replica__row row;
    char name[65] = "";
    replica_error where = { .offset = -1 };
    int r = replica__collection_name(c->db, c->coll, name, err);

    if (r >= 0)
        r = replica__row_by_number(c->db, doc, &stmt, &row, err);
    if (r < 0)
        return r;
    replica__error_where(&where, "%s/%s", name, r ? row.id : "");
    replica__sql_reset(&stmt);
    r = replica__row_by_number(c->db, other, &stmt, &row, err);
    if (r < 0)
        return r;
    r = replica__error_set(err, REPLICA_ECONFLICT, 409,
                           "unique index '%s' cannot be built: document '%s' has the same values",
                           c->index->name, r ? row.id : "");
    replica__error_where(err, "%s", where.where);
    return r;
}

static int check_unique(struct replica__chunk *c, const struct replica__chunk_key *key,
                        replica_error *err)
{
    const char *bytes = key->bytes;
    REPLICA_BUF behind = REPLICA_BUF_INIT;
    REPLICA_STMT stmt = NULL;
    int64_t other = 0;
    int rc = SQLITE_OK;
    int r = replica__sql_get(c->db, REPLICA__SQL_ENTRY_DOCS, &stmt, err);

    replica__key_behind(bytes, key->fields_len, &behind);
    if (r < 0 || behind.r < 0)
        return r < 0 ? r : replica__enomem(err);
    replica__bind_int(stmt, 1, c->index->number, &rc);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_blob64(stmt, 2, bytes, key->fields_len, SQLITE_STATIC);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_blob64(stmt, 3, behind.data, behind.len, SQLITE_STATIC);
    while ((r = replica__sql_step(c->db, stmt, rc, err)) > 0) {
        other = sqlite3_column_int64(stmt, 0);
        if (other != key->doc)
            return word_conflict(c, key->doc, other, err);
    }
    return r;
}

static int put_key(struct replica__chunk *c, sqlite3_stmt *add,
                   const struct replica__chunk_key *key, replica_error *err)
{
    int rc = SQLITE_OK;
    int r = 0;

    if (key->fields_len)
        r = check_unique(c, key, err);
    if (r < 0)
        return r;
    sqlite3_reset(add);
    replica__bind_int(add, 1, c->index->number, &rc);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_blob64(add, 2, key->bytes, key->len, SQLITE_STATIC);
    replica__bind_int(add, 3, key->doc, &rc);
    return replica__sql_step(c->db, add, rc, err);
}

static int put_keys(struct replica__chunk *c, int64_t until_ms, replica_error *err)
{
    REPLICA_STMT add = NULL;
    int r;

    c->until_ms = until_ms;
    if (!(c->index->flags & REPLICA_INDEX_UNIQUE))
        return replica__chunk_put_all(c, err);
    r = replica__sql_get(c->db, REPLICA__SQL_ENTRY_ADD, &add, err);
    for (int i = 1; r >= 0 && c->next < c->n; i++) {
        const struct replica__chunk_key *key = &c->keys[c->next];

        if (!replica__chunk_is_changed(c, key->doc))
            r = put_key(c, add, key, err);
        if (r >= 0)
            c->next++;
        if (i % 128 == 0 && now_ms(c->db) >= until_ms)
            break;
    }
    return r;
}

/* 1: it is as it was when the chunk was begun; 0: somebody else was faster, or it was dropped. */
static int is_current(struct replica__chunk *c, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    int r = replica__sql_row(c->db, REPLICA__SQL_INDEX_GET, &stmt, err, c->index->number);

    if (r <= 0)
        return r;
    return sqlite3_column_type(stmt, 5) != SQLITE_NULL &&
           sqlite3_column_int64(stmt, 5) == c->index->built;
}

/* The marks are set before the first entry is there: a document in it may have several. */
static int mark(struct replica__chunk *c, replica_error *err)
{
    int64_t marks = c->index->flags & (REPLICA__INDEX_MULTIKEY | REPLICA__INDEX_WIDE);

    if (c->next > 0 || marks == 0)
        return 0;
    replica__indexes_forget(c->db);
    return replica__sql_run(c->db, REPLICA__SQL_INDEX_MARK, err, c->index->number, marks);
}

static int finish_chunk(struct replica__chunk *c, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    int rc = SQLITE_OK;
    int r = replica__sql_get(c->db, REPLICA__SQL_INDEX_BUILT, &stmt, err);

    if (r < 0)
        return r;
    replica__bind_int(stmt, 1, c->index->number, &rc);
    if (!c->end)
        replica__bind_int(stmt, 2, c->upto, &rc);
    else if (rc == SQLITE_OK)
        rc = sqlite3_bind_null(stmt, 2);
    replica__indexes_forget(c->db);
    return replica__sql_step(c->db, stmt, rc, err);
}

static int put_some(struct replica__chunk *c, int64_t until_ms, replica_error *err)
{
    REPLICA_TXN txn = NULL;
    size_t before = c->next;
    bool done = false;
    int r = replica__txn_begin(c->db, &txn, err);

    if (r >= 0)
        r = is_current(c, err);
    if (r == 0)
        replica__chunk_drop(c);
    if (r <= 0)
        return r;
    r = read_changed(c, err);
    if (r >= 0)
        r = mark(c, err);
    if (r >= 0)
        r = put_keys(c, until_ms, err);
    if (r >= 0 && c->next == c->n) {
        done = true;
        r = finish_chunk(c, err);
    }
    if (r >= 0)
        r = replica__txn_commit(&txn, err);
    if (r < 0)
        c->next = before;
    else if (done)
        replica__chunk_drop(c);
    return r < 0 ? r : 0;
}

int replica__chunk_go_on(struct replica__chunk *c, int64_t until_ms, replica_error *err)
{
    return c->read ? put_some(c, until_ms, err) : read_some(c, until_ms, err);
}
