/* The master's side of replication: incarnations, and what lies on their timeline. */
#include "libreplica/master.h"

#include "libreplica/db.h"
#include "libreplica/txn.h"

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

int replica__master_head(replica_db *db, int64_t *ret_head, replica_error *err)
{
    return replica_db_sequence(db, ret_head, err);
}
