/* Reading the master's documents by their keys: a collection in the order of keys, and documents
 * that are asked for one by one.  Each call is one moment of the file, and looks at a bounded
 * number of documents. */
#include "libreplica/master.h"

#include "libreplica/db.h"
#include "libreplica/keys/pattern.h"
#include "libreplica/row.h"
#include "libreplica/txn.h"

#include <string.h>

/* So many keys, or so many bytes of text, are looked at in one call. */
enum { LOOKS = 20000, LOOK_BYTES = 8 << 20 };

struct walking {
    replica_db *db;
    replica_collection *coll;
    const struct replica__walk *w;
    struct replica__pattern keys; /* where w->keys is one */
    replica__feed_emit emit;
    void *ctx;
    struct replica__buf from;     /* the next key is this one, or behind it */
    struct replica__buf next;     /* and this is where that will be: from is bound */
    struct replica__buf *last;    /* the last one that was looked at */
    size_t looks, bytes;
    replica_error *err;
};

static void walking_free(struct walking *walk)
{
    replica__buf_free(&walk->from);
    replica__buf_free(&walk->next);
}

static int older_by(const replica_collection *coll, const struct replica__row *row)
{
    return row->version < coll->version ? (int)(coll->version - row->version) : 0;
}

/* A row of the statement: all of it, or what stands before the text. */
static int read_row(const struct walking *walk, sqlite3_stmt *stmt, struct replica__row *ret)
{
    if (walk->w->texts || walk->w->eye)
        return replica__row_read(walk->db, stmt, ret, walk->err);
    *ret = (struct replica__row){ .id = (const char *)sqlite3_column_text(stmt, 0),
                                  .id_len = (size_t)sqlite3_column_bytes(stmt, 0),
                                  .seq = sqlite3_column_int64(stmt, 1),
                                  .flags = sqlite3_column_int64(stmt, 2),
                                  .version = sqlite3_column_int64(stmt, 3) };
    return ret->id ? 0 : replica__enomem(walk->err);
}

/* 0, or > 0: the reader stops behind it. */
static int look_at(const struct walking *walk, const struct replica__row *row)
{
    const struct replica__eye *eye = walk->w->eye;
    int sight = REPLICA__SIGHT_SHOWN;

    if (row->flags & REPLICA__FLAG_DELETED || older_by(walk->coll, row) > 0)
        return 0;
    if (eye)
        sight = eye->look(eye->ctx, 0, row->body, row->len, false);
    if (sight < 0)
        return replica__error_set(walk->err, sight, 0, "it cannot be told who may see '%s'",
                                  row->id);
    if (sight != REPLICA__SIGHT_SHOWN)
        return 0;
    return walk->emit(walk->ctx, &(struct replica__feed_doc){ .id = row->id,
                                                              .json = row->body,
                                                              .len = row->len,
                                                              .sequence = row->seq });
}

static bool is_behind_end(const struct walking *walk, const char *id)
{
    return walk->w->to && strcmp(id, walk->w->to) > 0; /* bytes without a sign, as SQLite's */
}

enum step { STOP, END, JUMP, NEXT };

/* Over what cannot match. */
static int skip(struct walking *walk, const struct replica__row *row)
{
    switch (replica__pattern_seek(&walk->keys, row->id, row->id_len, &walk->next)) {
    case REPLICA__SEEK_END:
        return END;
    case REPLICA__SEEK_NEXT:
        return NEXT;
    case REPLICA__SEEK_TO:
        break;
    }
    return walk->next.r < 0 ? replica__enomem(walk->err) : JUMP;
}

static int walk_over(struct walking *walk, const struct replica__row *row)
{
    int r;

    walk->looks++;
    walk->bytes += row->len;
    replica__buf_clear(walk->last);
    replica__buf_add(walk->last, row->id, row->id_len);
    if (walk->last->r < 0)
        return replica__enomem(walk->err);
    if (walk->w->keys && !replica__pattern_matches(&walk->keys, row->id, row->id_len))
        return skip(walk, row);
    r = look_at(walk, row);
    return r < 0 ? r : r > 0 ? STOP : NEXT;
}

/* Enough for one call? */
static bool is_full(const struct walking *walk)
{
    return walk->looks >= LOOKS || walk->bytes >= LOOK_BYTES ||
           (walk->looks > 0 && replica__eye_late(walk->w->eye));
}

/* The keys behind one another, from walk->from on: STOP, END, or JUMP to walk->next. */
static int walk_on(struct walking *walk)
{
    REPLICA_STMT stmt = NULL;
    int rc = SQLITE_OK;
    int r = replica__sql_get(walk->db, walk->w->texts || walk->w->eye ? REPLICA__SQL_RANGE_TEXTS
                                                                      : REPLICA__SQL_RANGE_KEYS,
                             &stmt, walk->err);

    if (r < 0)
        return r;
    replica__bind_int(stmt, 1, walk->coll->number, &rc);
    replica__bind_text(stmt, 2, walk->from.data, walk->from.len, &rc);
    while ((r = replica__sql_step(walk->db, stmt, rc, walk->err)) > 0) {
        struct replica__row row;

        r = read_row(walk, stmt, &row);
        if (r < 0 || is_behind_end(walk, row.id))
            return r < 0 ? r : END;
        if (is_full(walk))
            return STOP;
        r = walk_over(walk, &row);
        if (r != NEXT)
            return r;
    }
    return r < 0 ? r : END;
}

/* Behind `after`. */
static int begin(struct walking *walk)
{
    const char *after = walk->w->after ? walk->w->after : "";
    size_t len = strlen(after);
    int r = walk->w->keys ? replica__pattern_parse(&walk->keys, walk->w->keys, walk->err) : 0;

    if (r < 0)
        return r;
    replica__buf_add(&walk->from, after, len + 1); /* no key has a NUL: the first that may come */
    return walk->from.r < 0 ? replica__enomem(walk->err) : 0;
}

int replica__master_walk(replica_db *db, replica_collection *coll, const struct replica__walk *w,
                         replica__feed_emit emit, void *ctx, struct replica__buf *ret_to,
                         int64_t *ret_head, replica_error *err)
{
    __attribute__((cleanup(walking_free))) struct walking walk = {
        .db = db, .coll = coll, .w = w, .emit = emit, .ctx = ctx, .from = REPLICA_BUF_INIT,
        .next = REPLICA_BUF_INIT, .last = ret_to, .err = err,
    };
    REPLICA_READ read = NULL;
    int r = begin(&walk);

    if (r >= 0)
        r = replica__read_begin(db, &read, err);
    if (r >= 0)
        r = replica__txn_know(db, err);
    if (r < 0)
        return r;
    while ((r = walk_on(&walk)) == JUMP) {
        struct replica__buf from = walk.from;

        walk.from = walk.next;
        walk.next = from;
    }
    if (r < 0)
        return r;
    *ret_head = db->head;
    return r == END;
}

/* ---- by their keys --------------------------------------------------------------- */

static int emit_document(replica_collection *coll, const char *id, replica__feed_emit emit,
                         void *ctx, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    char writer[REPLICA__OPERATION_SIZE] = "";
    struct replica__row row = { 0 };
    int r = replica__row_find(coll, id, strlen(id), &stmt, &row, err);

    if (r == 0)
        return emit(ctx, &(struct replica__feed_doc){ .id = id, .writer = "", .deleted = true });
    if (r > 0)
        r = replica__row_operation(coll->db, &row, writer, err);
    if (r < 0)
        return r;
    return emit(ctx, &(struct replica__feed_doc){
                         .id = id,
                         .json = row.body,
                         .len = row.len,
                         .deleted = (row.flags & REPLICA__FLAG_DELETED) != 0,
                         .sequence = row.seq,
                         .stamp = row.stamp,
                         .writer = writer,
                         .bundle = row.bundle,
                         .older = row.flags & REPLICA__FLAG_DELETED ? 0 : older_by(coll, &row),
                     });
}

int replica__master_documents(replica_db *db, replica_collection *coll, const char *const *ids,
                              size_t n, replica__feed_emit emit, void *ctx, int64_t *ret_head,
                              replica_error *err)
{
    REPLICA_READ read = NULL;
    int r = replica__read_begin(db, &read, err);

    if (r >= 0)
        r = replica__txn_know(db, err);
    for (size_t i = 0; r == 0 && i < n; i++)
        r = emit_document(coll, ids[i], emit, ctx, err);
    if (r < 0)
        return r;
    *ret_head = db->head;
    return 0;
}
