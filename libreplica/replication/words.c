/* Words of erased documents that stand in large indexes: they are merged away behind the pages that
 * erased them, a slice at a time.  `number.words` counts such pages until that is done, so that a
 * program that is killed does it after its next start. */
#include "libreplica/index/index.h"
#include "libreplica/replication/replication.h"
#include "libreplica/store.h"
#include "libreplica/txn.h"

/* 1: there is more. */
static int merge(struct replica__replication *repl, bool begin, replica_error *err)
{
    replica_db *db = repl->db;
    int more = 0;

    for (size_t i = 0; more >= 0 && i < repl->n; i++) {
        int r = replica__index_merge_words(repl->colls[i], begin, err);

        more = r < 0 ? r : more | r;
    }
    return more < 0 ? more : db->indexed && more;
}

int replica__words_step(struct replica__replication *repl, int64_t *begun, replica_error *err)
{
    replica_db *db = repl->db;
    REPLICA_TXN txn = NULL;
    int64_t left = 0;
    bool again = false;
    int more, r = replica__sql_int(db, REPLICA__SQL_WORDS_GET, &left, err);

    if (r < 0 || left == 0)
        return r;
    r = replica__lease_begin(repl, &txn, err);
    if (r >= 0)
        r = replica__txn_secure(db, err);
    if (r >= 0)
        r = replica__sql_int(db, REPLICA__SQL_WORDS_GET, &left, err);
    if (r < 0)
        return r;
    more = merge(repl, *begun == 0, err);
    if (more < 0)
        return more;
    if (more == 0 && *begun && *begun != left)
        again = true; /* others were erased meanwhile */
    else if (more == 0)
        r = replica__sql_run(db, REPLICA__SQL_WORDS_DONE, err);
    else if (*begun == 0)
        *begun = left;
    if (r >= 0)
        r = replica__txn_commit(&txn, err);
    if (r < 0)
        return r;
    if (more == 0)
        *begun = 0;
    return more || again;
}
