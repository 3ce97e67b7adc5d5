/* Building indexes in the background, and taking away what was dropped.
 *
 * A chunk of documents is read first, without any lock, in slices; its keys are sorted; then they
 * are put in, in order and in slices, each a transaction.  What was written since the reading began
 * is the writers', who keep the entries of what they write: such documents are skipped.  When all
 * of a chunk is in, `built` rises.  Killed at any point, the next builder starts from there, and
 * finds some entries in already.  Two that build at once put in the same; the later one finds
 * `built` changed, and reads on from there. */
#include "libreplica/index/chunk.h"
#include "libreplica/index/text.h"
#include "libreplica/txn.h"

#include <string.h>

#define SLICE_MS 8 /* of work; its commit comes on top */
#define CUT 3000   /* entries that are taken away in one transaction */
#define STUCK 16
#define AGAIN_MS 10000 /* until an index that could not be built is tried again */
#define BUSY_MS 50

struct replica__builder {
    replica_db *db;
    struct replica__guest guest;
    bool due;
    int64_t at_ms; /* not before */
    int64_t stuck[STUCK];
    size_t stuck_count;
    int64_t stuck_head;
    struct replica__chunk chunk;
};

static int64_t now_ms(replica_db *db)
{
    return db->world->monotonic_ms(db->world->ctx);
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

/* ---- taking away ----------------------------------------------------------------- */

static int cut(replica_db *db, int64_t index, const void *key, size_t len, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    int rc;
    int r = replica__sql_with(db, REPLICA__SQL_ENTRY_CUT, &stmt, err, index);

    if (r < 0)
        return r;
    rc = sqlite3_bind_blob64(stmt, 2, key, len, SQLITE_TRANSIENT);
    return replica__sql_step(db, stmt, rc, err);
}

static int take_away(replica_db *db, int64_t index, replica_error *err)
{
    static const unsigned char behind_all[] = { 0xff };
    REPLICA_STMT stmt = NULL;
    REPLICA_TXN txn = NULL;
    int r = replica__txn_begin(db, &txn, err);

    if (r >= 0)
        r = replica__sql_row(db, REPLICA__SQL_ENTRY_NTH, &stmt, err, index, CUT);
    if (r > 0)
        r = cut(db, index, sqlite3_column_blob(stmt, 0), (size_t)sqlite3_column_bytes(stmt, 0),
                err);
    else if (r == 0) {
        r = cut(db, index, behind_all, sizeof behind_all, err);
        if (r >= 0)
            r = replica__sql_run(db, REPLICA__SQL_INDEX_GONE, err, index);
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
        b->db = b->chunk.db = db;
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
    int64_t number = b->chunk.index->number;
    int r = replica__chunk_go_on(&b->chunk, until_ms, err);

    if (r >= 0)
        return 1;
    if (r != REPLICA_EBUSY)
        replica__chunk_drop(&b->chunk);
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
    if (b->chunk.index && coll && b->chunk.coll != coll->number)
        replica__chunk_drop(&b->chunk);
    if (b->chunk.index)
        return go_on(b, until_ms, err);
    r = find_work(b, coll, &number, &of, err);
    if (r <= 0)
        return r;
    if (of == 0) {
        r = take_away(db, number, err);
        return r < 0 ? r : 1;
    }
    r = replica__chunk_begin(&b->chunk, number, err);
    if (r > 0 && !replica__index_is_ordered(b->chunk.index)) {
        r = replica__index_text_build(db, b->chunk.coll, number, until_ms, err);
        replica__chunk_drop(&b->chunk);
    }
    if (r < 0)
        replica__chunk_drop(&b->chunk);
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
    if (b->stuck_count > 0 && b->at_ms && !b->chunk.index && db->head != b->stuck_head)
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
    replica__chunk_drop(&db->builder->chunk);
    replica__db_remove_guest(db, &db->builder->guest);
    replica__free(db->builder);
    db->builder = NULL;
}
