/* Whether a lock stands in the way of a write. */
#ifndef LIBREPLICA_LOCKS_CHECK_H
#define LIBREPLICA_LOCKS_CHECK_H

#include "libreplica/locks/row.h"
#include "libreplica/write.h"

/* Of the program, in its transaction, before anything is changed: 0, and if this handle holds it,
 * the lock is renewed; REPLICA_ELOCKED.  Costs nothing while there are no locks in the file. */
int replica__lock_check(replica_db *db, const struct replica__write *w, replica_error *err);

/* Of a client of this server. */
struct replica__lock_judged {
    int verdict;         /* REPLICA_VERDICT_LOCKED or _REFUSED */
    const char *reason;  /* REFUSED */
    char name[REPLICA__LOCK_NAME_MAX + 1];  /* LOCKED: of the holder */
    int64_t left_ms;     /* LOCKED: until it runs out, unless it is renewed */
};
/* client NULL: nobody.  fence: of the lock that the client wrote under, 0: none.  In the push's
 * transaction.  1 and a verdict; 0: nothing stands in the way, and if the client holds the lock, it
 * is renewed. */
int replica__lock_judge(replica_db *db, int64_t coll, const char *key, size_t len,
                        const char *client, int64_t fence, struct replica__lock_judged *ret,
                        replica_error *err);

#endif
