#include "libreplica/cursor.h"

#include "libreplica/row.h"

#include <string.h>

/* A batch ends after so many documents, or bytes of text. */
#define BATCH 64
#define BATCH_BYTES (256 * 1024)

struct replica_cursor {
    replica_db *db; /* NULL: closed */
    replica_collection *coll;
    bool feed;      /* by sequence number, else by key */
    int64_t since;  /* feed: the last one read */
    char *after;    /* else: the last key read */
    replica_doc *batch[BATCH];
    size_t n, next;
    bool end;       /* the batch is the last one */
    replica_cursor *later;
};

static int open_cursor(replica_collection *coll, bool feed, int64_t since, const char *after,
                       replica_cursor **ret_cursor, replica_error *err)
{
    replica_cursor *cursor;

    if (!coll || !ret_cursor || since < 0)
        return replica__error_set(err, REPLICA_EINVAL, 0, "no collection, or no such place");
    cursor = replica__alloc_zero(1, sizeof *cursor);
    if (!cursor)
        return replica__enomem(err);
    cursor->after = replica__strdup(after ? after : "");
    if (!cursor->after) {
        replica__free(cursor);
        return replica__enomem(err);
    }
    cursor->db = coll->db;
    cursor->coll = coll;
    cursor->feed = feed;
    cursor->since = since;
    cursor->later = coll->db->cursors;
    coll->db->cursors = cursor;
    *ret_cursor = cursor;
    return 0;
}

int replica_all(replica_collection *coll, const char *after, replica_cursor **ret_cursor,
                replica_error *err)
{
    return open_cursor(coll, false, 0, after, ret_cursor, err);
}

int replica_changes(replica_collection *coll, int64_t since, replica_cursor **ret_cursor,
                    replica_error *err)
{
    return open_cursor(coll, true, since, NULL, ret_cursor, err);
}

static void drop_batch(replica_cursor *cursor)
{
    for (size_t i = 0; i < cursor->n; i++)
        replica_doc_unref(cursor->batch[i]);
    cursor->n = cursor->next = 0;
}

/* Where the next batch begins. */
static int remember_place(replica_cursor *cursor, replica_error *err)
{
    replica_doc *last = cursor->batch[cursor->n - 1];
    char *after;

    if (cursor->feed) {
        cursor->since = replica_doc_sequence(last);
        return 0;
    }
    after = replica__strdup(replica_doc_id(last));
    if (!after)
        return replica__enomem(err);
    replica__free(cursor->after);
    cursor->after = after;
    return 0;
}

static int fill(replica_cursor *cursor, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    size_t bytes = 0;
    int rc = SQLITE_OK;
    int r;

    r = replica__sql_get(cursor->db,
                         cursor->feed ? REPLICA__SQL_DOC_FEED : REPLICA__SQL_DOC_ALL, &stmt, err);
    if (r < 0)
        return r;
    replica__bind_int(stmt, 1, cursor->coll->number, &rc);
    if (cursor->feed)
        replica__bind_int(stmt, 2, cursor->since, &rc);
    else
        replica__bind_text(stmt, 2, cursor->after, REPLICA_NUL, &rc);
    replica__bind_int(stmt, 3, BATCH, &rc);
    while (cursor->n < BATCH && bytes < BATCH_BYTES) {
        struct replica__row row;

        r = replica__sql_step(cursor->db, stmt, rc, err);
        if (r > 0)
            r = replica__row_read(cursor->db, stmt, &row, err);
        else if (r == 0)
            cursor->end = true;
        if (r < 0 || cursor->end)
            break;
        r = replica__row_doc(cursor->db, cursor->coll->name, &row, &cursor->batch[cursor->n], err);
        if (r < 0)
            break;
        cursor->n++;
        bytes += row.len;
    }
    if (r < 0 || cursor->n == 0)
        return r;
    return remember_place(cursor, err);
}

int replica_cursor_next(replica_cursor *cursor, replica_doc **ret_doc, replica_error *err)
{
    int r;

    if (!cursor || !ret_doc)
        return replica__error_set(err, REPLICA_EINVAL, 0, "no cursor, or no place");
    if (!cursor->db)
        return replica__error_set(err, REPLICA_ECLOSED, 0, "the cursor's database is closed");
    if (cursor->next == cursor->n) {
        drop_batch(cursor);
        if (cursor->end)
            return 0;
        r = fill(cursor, err);
        if (r < 0) {
            drop_batch(cursor);
            return r;
        }
        if (cursor->n == 0)
            return 0;
    }
    *ret_doc = cursor->batch[cursor->next++];
    return 1;
}

void replica_cursor_close(replica_cursor *cursor)
{
    if (!cursor)
        return;
    if (cursor->db) {
        replica_cursor **at = &cursor->db->cursors;

        while (*at != cursor)
            at = &(*at)->later;
        *at = cursor->later;
    }
    drop_batch(cursor);
    replica__free(cursor->after);
    replica__free(cursor);
}

void replica__cursors_orphan(replica_db *db)
{
    for (replica_cursor *c = db->cursors; c; c = c->later)
        c->db = NULL;
    db->cursors = NULL;
}
