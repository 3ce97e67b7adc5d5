/* The master's side of replication: incarnations, and reading the feed. */
#include "libreplica/master.h"

#include "libreplica/db.h"
#include "libreplica/row.h"
#include "libreplica/txn.h"

#include <stdlib.h>
#include <string.h>

/* The beginning of this opening must be on the disk before anybody is told its name: a power cut
 * could otherwise take both the commits and the knowledge that they are gone. */
static int record_beginning(replica_db *db, replica_error *err)
{
    REPLICA_TXN txn = NULL;
    int64_t opening = 0;
    int r = replica__txn_begin(db, &txn, err);

    if (r >= 0)
        r = replica__txn_opening(db, &opening, err);
    if (r >= 0)
        r = replica__sql_run(db, REPLICA__SQL_TOKEN_BEGIN, err, 2, opening, db->head);
    return r < 0 ? r : replica__txn_commit(&txn, err);
}

int replica__master_incarnation(replica_db *db, const char **ret_incarnation, replica_error *err)
{
    if (!db->serving) {
        int r = replica__sql_script(db, "PRAGMA synchronous = FULL", err);
        int undo;

        if (r >= 0)
            r = record_beginning(db, err);
        undo = db->flags & REPLICA_DB_FULL_SYNC
                   ? 0
                   : replica__sql_script(db, "PRAGMA synchronous = NORMAL", r < 0 ? NULL : err);
        if (r < 0 || undo < 0)
            return r < 0 ? r : undo;
        db->serving = true;
    }
    *ret_incarnation = db->token;
    return 0;
}

int replica__master_checkpoint(replica_db *db, const char *incarnation, int64_t sequence,
                               int64_t *ret_common, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    int64_t end;
    int rc = SQLITE_OK;
    int r;

    if (!*incarnation && sequence == 0)
        return 1; /* the beginning is on every timeline */
    r = replica__txn_know(db, err);
    if (r >= 0)
        r = replica__sql_get(db, REPLICA__SQL_TOKEN_END, &stmt, err);
    if (r < 0)
        return r;
    replica__bind_text(stmt, 1, incarnation, REPLICA_NUL, &rc);
    r = replica__sql_step(db, stmt, rc, err);
    if (r < 0)
        return r;
    if (r == 0) {
        *ret_common = 0;
        return 0;
    }
    end = sqlite3_column_type(stmt, 1) == SQLITE_NULL ? db->head : sqlite3_column_int64(stmt, 1);
    if (sequence <= end)
        return 1;
    *ret_common = end;
    return 0;
}

/* ---- reading the feed ------------------------------------------------------------ */

/* Who asks for this version can read it.  A deletion says no more than that. */
static bool is_readable(const replica_collection *coll, const struct replica__row *row)
{
    return row->version >= coll->version || row->flags & REPLICA__FLAG_DELETED;
}

static int emit_row(replica_db *db, size_t collection, const struct replica__row *row,
                    replica__feed_emit emit, void *ctx, replica_error *err)
{
    char writer[REPLICA__OPERATION_SIZE];
    int r = replica__row_operation(db, row, writer, err);

    if (r < 0)
        return r;
    return emit(ctx, &(struct replica__feed_doc){
                         .collection = collection,
                         .id = row->id,
                         .json = row->body,
                         .len = row->len,
                         .deleted = (row->flags & REPLICA__FLAG_DELETED) != 0,
                         .sequence = row->seq,
                         .stamp = row->stamp,
                         .writer = writer,
                         .bundle = row->bundle,
                     });
}

/* Where a read of the feed is. */
struct reading {
    const struct replica__feed_options *o;
    replica__feed_emit emit;
    void *ctx;
    int64_t last;
};

static bool is_behind(const struct reading *reading, int64_t seq)
{
    return reading->o->until && seq > reading->o->until;
}

/* One collection: its index is the feed. */
static int read_one(replica_db *db, replica_collection *coll, struct reading *reading,
                    replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    int rc = SQLITE_OK;
    size_t n = 0;
    int r = replica__sql_get(db, REPLICA__SQL_DOC_FEED, &stmt, err);

    if (r < 0)
        return r;
    replica__bind_int(stmt, 1, coll->number, &rc);
    replica__bind_int(stmt, 2, reading->o->since, &rc);
    replica__bind_int(stmt, 3, (int64_t)reading->o->rows + 1, &rc);
    while ((r = replica__sql_step(db, stmt, rc, err)) > 0) {
        struct replica__row row;

        if (n++ == reading->o->rows)
            return 0;
        r = replica__row_read(db, stmt, &row, err);
        if (r >= 0 && is_behind(reading, row.seq))
            return 1;
        if (r >= 0 && is_readable(coll, &row))
            r = emit_row(db, 0, &row, reading->emit, reading->ctx, err);
        if (r < 0)
            return r;
        reading->last = row.seq;
        if (r > 0)
            return 0;
    }
    return r < 0 ? r : 1;
}

struct key {
    int64_t seq, number;
    size_t collection;
};

static int compare_keys(const void *a, const void *b)
{
    const struct key *x = a, *y = b;

    return (x->seq > y->seq) - (x->seq < y->seq);
}

/* Several: at most `rows` keys of each, from the index alone, then in order. */
static int read_keys(replica_db *db, replica_collection *const *colls, size_t n, int64_t since,
                     size_t rows, struct key **ret_keys, size_t *ret_count, replica_error *err)
{
    struct key *keys = NULL;
    size_t count = 0, room = 0;

    for (size_t i = 0; i < n; i++) {
        REPLICA_STMT stmt = NULL;
        int rc = SQLITE_OK;
        int r = replica__sql_get(db, REPLICA__SQL_DOC_FEED_KEYS, &stmt, err);

        if (r >= 0) {
            replica__bind_int(stmt, 1, colls[i]->number, &rc);
            replica__bind_int(stmt, 2, since, &rc);
            replica__bind_int(stmt, 3, (int64_t)rows + 1, &rc);
        }
        while (r >= 0 && (r = replica__sql_step(db, stmt, rc, err)) > 0) {
            if (count == room) {
                struct key *grown = replica__realloc(keys, room ? room * 2 : 256, sizeof *grown);

                if (!grown) {
                    r = replica__enomem(err);
                    break;
                }
                keys = grown;
                room = room ? room * 2 : 256;
            }
            keys[count++] = (struct key){ .seq = sqlite3_column_int64(stmt, 0),
                                          .number = sqlite3_column_int64(stmt, 1),
                                          .collection = i };
        }
        if (r < 0) {
            replica__free(keys);
            return r;
        }
    }
    if (count > 0)
        qsort(keys, count, sizeof *keys, compare_keys);
    *ret_keys = keys;
    *ret_count = count;
    return 0;
}

static int read_many(replica_db *db, replica_collection *const *colls, size_t n,
                     struct reading *reading, replica_error *err)
{
    REPLICA_FREE struct key *keys = NULL;
    size_t count = 0;
    int r = read_keys(db, colls, n, reading->o->since, reading->o->rows, &keys, &count, err);

    for (size_t i = 0; r >= 0 && i < count; i++) {
        REPLICA_STMT stmt = NULL;
        struct replica__row row;

        if (i == reading->o->rows)
            return 0;
        if (is_behind(reading, keys[i].seq))
            return 1;
        r = replica__row_by_number(db, keys[i].number, &stmt, &row, err);
        if (r > 0)
            r = is_readable(colls[keys[i].collection], &row);
        if (r > 0)
            r = emit_row(db, keys[i].collection, &row, reading->emit, reading->ctx, err);
        if (r < 0)
            return r;
        reading->last = keys[i].seq;
        if (r > 0)
            return 0;
    }
    return r < 0 ? r : 1;
}

int replica__master_read(replica_db *db, replica_collection *const *colls, size_t n,
                         const struct replica__feed_options *options, replica__feed_emit emit,
                         void *ctx, int64_t *ret_last, replica_error *err)
{
    struct reading reading = { options, emit, ctx, options->since };
    REPLICA_READ read = NULL;
    int64_t end;
    int r = replica__read_begin(db, &read, err);

    if (r >= 0)
        r = replica__txn_know(db, err);
    if (r < 0)
        return r;
    if (options->rows == 0)
        r = 0;
    else if (n == 1)
        r = read_one(db, colls[0], &reading, err);
    else
        r = read_many(db, colls, n, &reading, err);
    if (r < 0)
        return r;
    end = options->until ? options->until : db->head;
    *ret_last = r > 0 && end > reading.last ? end : reading.last;
    return r;
}

int replica__master_head(replica_db *db, int64_t *ret_head, replica_error *err)
{
    return replica_db_sequence(db, ret_head, err);
}

int replica__master_remaining(replica_db *db, replica_collection *const *colls, size_t n,
                              const struct replica__feed_options *options,
                              int64_t *ret_remaining, replica_error *err)
{
    int64_t total = 0;

    for (size_t i = 0; i < n; i++) {
        bool older = colls[i]->unmigrated >= 0; /* the index alone does not tell them apart */
        REPLICA_STMT stmt = NULL;
        int rc = SQLITE_OK;
        int r = replica__sql_get(db, older ? REPLICA__SQL_DOC_FEED_RISEN
                                           : REPLICA__SQL_DOC_FEED_COUNT, &stmt, err);

        if (r < 0)
            return r;
        if (older)
            replica__bind_int(stmt, 3, colls[i]->version, &rc);
        replica__bind_int(stmt, 1, colls[i]->number, &rc);
        replica__bind_int(stmt, 2, options->since, &rc);
        r = replica__sql_step(db, stmt, rc, err);
        if (r < 0)
            return r;
        total += sqlite3_column_int64(stmt, 0);
    }
    *ret_remaining = total;
    return 0;
}
