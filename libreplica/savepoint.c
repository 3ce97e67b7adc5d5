#include "libreplica/savepoint.h"

#include "libreplica/db.h"
#include "libreplica/txn.h"

#include <assert.h>
#include <string.h>

static int run(replica_db *db, enum replica__sql which, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    int r;

    assert(db->in_txn);
    r = replica__sql_get(db, which, &stmt, err);
    if (r >= 0)
        r = replica__sql_step(db, stmt, SQLITE_OK, err);
    return r < 0 ? r : 0;
}

int replica__savepoint_set(replica_db *db, replica_error *err)
{
    return run(db, REPLICA__SQL_SAVEPOINT, err);
}

int replica__savepoint_release(replica_db *db, replica_error *err)
{
    return run(db, REPLICA__SQL_SAVEPOINT_RELEASE, err);
}

int replica__savepoint_undo(replica_db *db, replica_error *err)
{
    int r = run(db, REPLICA__SQL_SAVEPOINT_UNDO, err);

    if (r >= 0)
        r = run(db, REPLICA__SQL_SAVEPOINT_RELEASE, err);
    if (r < 0)
        return r;
    /* Tokens that were stored since have no numbers any more. */
    db->opening = 0;
    memset(&db->tokens, 0, sizeof db->tokens);
    replica__txn_forget(db);
    return replica__txn_know(db, err);
}
