/* A document that one replication takes away, and the others of its collection: each has a server
 * of its own, which may show it on, and edits that were sent to one are not sent to all. */
#include "libreplica/replication/elsewhere.h"

#include "libreplica/txn.h"

static int ask_about(replica_db *db, int sql, int64_t doc, int64_t replication, int64_t after,
                     sqlite3_stmt **stmt, replica_error *err)
{
    int rc = SQLITE_OK;
    int r = replica__sql_get(db, sql, stmt, err);

    if (r < 0)
        return r;
    replica__bind_int(*stmt, 1, doc, &rc);
    replica__bind_int(*stmt, 2, replication, &rc);
    if (after >= 0)
        replica__bind_int(*stmt, 3, after, &rc);
    return replica__sql_step(db, *stmt, rc, err);
}

int replica__elsewhere_wanted(replica_db *db, int64_t doc, int64_t replication,
                              replica_error *err)
{
    REPLICA_STMT stmt = NULL;

    return ask_about(db, REPLICA__SQL_ELSEWHERE_WANTED, doc, replication, -1, &stmt, err);
}

int replica__elsewhere_ask(replica_db *db, int64_t doc, int64_t replication, replica_error *err)
{
    int r = replica__sql_run(db, REPLICA__SQL_ELSEWHERE_UNSYNCED, err, doc, replication);

    return r < 0 ? r : replica__sql_run(db, REPLICA__SQL_ELSEWHERE_ASK, err, doc, replication);
}

int replica__elsewhere_reject(replica_db *db, const struct replica__row *row,
                              const struct replica__aside *entry, replica_error *err)
{
    int64_t after = 0;
    int r = 1;

    if (row->flags & REPLICA__FLAG_PULLED) /* no edit of ours: it may not be seen any more */
        return 0;
    while (r > 0) {
        struct replica__aside other = *entry;
        REPLICA_STMT stmt = NULL;

        r = ask_about(db, REPLICA__SQL_ELSEWHERE_UNSENT, row->number, entry->replication, after,
                      &stmt, err);
        if (r <= 0)
            break;
        other.replication = after = sqlite3_column_int64(stmt, 0);
        replica__sql_reset(&stmt);
        r = replica__aside_put(db, &other, err);
        r = r < 0 ? r : 1;
    }
    return r;
}
