/* The master's side of replication: incarnations, and what lies on their timeline. */
#include "libreplica/master.h"

#include "libreplica/db.h"
#include "libreplica/replication/lease.h"
#include "libreplica/txn.h"

#include <errno.h>
#include <string.h>

/* Several processes may serve one file.  They stand on one timeline, and so have one incarnation:
 * that of the first one, for as long as one of them lives, which a lock on a byte of FILE-lease
 * says.  The bytes lie behind those of all leases. */
#define PLACE (INT64_C(1) << 61)
#define PLACES 64

static int lock_failed(replica_error *err)
{
    return replica__error_set(err, REPLICA_EIO, errno, "the lock of who serves failed: error %d",
                              errno);
}

/* Within a transaction, so that two that begin at once do so one after the other.  1: others serve
 * the file; 0: this one is the first. */
static int take_place(replica_db *db, replica_error *err)
{
    int64_t at;
    int r = replica__lease_file(db, &db->serving_locks, err);

    if (r < 0 || db->serving_locks < 0)
        return r;
    for (int64_t i = 0; i < PLACES; i++) {
        r = replica__os_lock(db->serving_locks, PLACE + i);
        if (r != 0)
            break;
    }
    if (r == 0)
        return replica__error_set(err, REPLICA_ELIMIT, 0, "%d processes serve the file already",
                                  PLACES);
    if (r > 0)
        r = replica__os_locked(db->serving_locks, PLACE, PLACES, &at);
    return r < 0 ? lock_failed(err) : r;
}

/* What the others are called. */
static int join(replica_db *db, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    int r = replica__sql_get(db, REPLICA__SQL_TOKEN_SERVING, &stmt, err);

    if (r >= 0)
        r = replica__sql_step(db, stmt, SQLITE_OK, err);
    if (r > 0)
        sqlite3_snprintf(sizeof db->serving_as, db->serving_as, "%s",
                         sqlite3_column_text(stmt, 0));
    return r;
}

/* The beginning of this opening must be on the disk before anybody is told its name: a power cut
 * could otherwise take both the commits and the knowledge that they are gone. */
static int record_beginning(replica_db *db, replica_error *err)
{
    REPLICA_TXN txn = NULL;
    int64_t opening = 0;
    int r = replica__txn_begin(db, &txn, err);

    if (r >= 0)
        r = take_place(db, err);
    if (r > 0)
        r = join(db, err);
    if (r != 0)
        return r < 0 ? r : replica__txn_commit(&txn, err);
    r = replica__txn_opening(db, &opening, err);
    if (r >= 0)
        r = replica__sql_run(db, REPLICA__SQL_TOKEN_BEGIN, err, opening, db->head);
    if (r >= 0)
        memcpy(db->serving_as, db->token, sizeof db->serving_as);
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
        if (r < 0 || undo < 0) {
            replica__os_locks_close(db->serving_locks);
            db->serving_locks = -1;
            return r < 0 ? r : undo;
        }
        db->serving = true;
    }
    *ret_incarnation = db->serving_as;
    return 0;
}

int replica__master_checkpoint(replica_db *db, const char *incarnation, int64_t sequence,
                               int64_t *ret_common, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    int64_t end;
    int r;

    if (!*incarnation && sequence == 0)
        return 1; /* the beginning is on every timeline */
    r = replica__txn_know(db, err);
    if (r >= 0)
        r = replica__sql_row_text(db, REPLICA__SQL_TOKEN_END, &stmt, err, incarnation, REPLICA_NUL);
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

int replica__master_head(replica_db *db, int64_t *ret_head, replica_error *err)
{
    return replica_db_sequence(db, ret_head, err);
}
