/* The locks that this handle holds: kept alive and watched in dispatch. */
#ifndef LIBREPLICA_LOCKS_HOLD_H
#define LIBREPLICA_LOCKS_HOLD_H

#include "libreplica/lock.h"
#include "libreplica/locks/row.h"

struct replica_lock {
    replica_db *db;        /* NULL: it has closed */
    int64_t coll;
    char *key;
    size_t key_len;
    int64_t fence;         /* of the row: who has another one is another holder */
    int64_t server_fence;
    int64_t ttl;
    int state;             /* REPLICA_LOCK_..., as it was last seen */
    int told;              /* the state that on_state knows */
    int64_t renew_at;      /* monotonic ms */
    void (*on_state)(void *ctx, replica_lock *lock, int state);
    void *ctx;
    replica_destroy_fn destroy;
    bool released;         /* in a round: freed behind it */
    replica_lock *next;
};

/* Who waits in replica_lock_acquire() while this handle closes. */
struct replica__lock_waiter {
    bool closed;
    struct replica__lock_waiter *next;
};

struct replica__locks {
    replica_db *db;
    struct replica__guest guest;
    replica_lock *first;
    struct replica__lock_waiter *waiters;
    int in_round;
};

/* The guest of this handle that keeps its locks; made at the first. */
int replica__hold_begin(replica_db *db, replica_error *err);
void replica__hold_add(replica_db *db, replica_lock *lock);
/* This handle's lock on that; NULL: it has none. */
const replica_lock *replica__hold_find(const replica_db *db, int64_t coll, const char *key,
                                       size_t len);
/* Is it that row's holder? */
bool replica__hold_is(const replica_lock *lock, const struct replica__lock_row *row);
void replica__hold_free(replica_lock *lock);
/* Look at the row, and renew it if that is due (or `now`): 0; REPLICA_ELOCKED: it is lost. */
int replica__hold_refresh(replica_lock *lock, bool now, replica_error *err);
/* Take the lock out of the row, in a transaction. */
int replica__hold_give_back(replica_db *db, const replica_lock *lock, replica_error *err);

#endif
