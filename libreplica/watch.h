/* Observers: told of each changed document after a commit, from the change feed, so that commits of
 * this handle, of a replication and of other processes come the same way. */
#ifndef LIBREPLICA_WATCH_H
#define LIBREPLICA_WATCH_H

#include "libreplica/db.h"

/* What an observer of any kind begins with: its cancel is what replica_observer_cancel() calls. */
struct replica_observer {
    void (*cancel)(replica_observer *observer);
};

/* The next changes of one collection, as documents: the statement is closed while they are told,
 * for an observer may write. */
#define REPLICA__WATCH_BATCH 32
struct replica__watch_batch {
    replica_change changes[REPLICA__WATCH_BATCH];
    size_t n;
};
/* From after the number `since`; n is 0 before.  The documents that are in it are the caller's to
 * unref, also after a failure. */
int replica__watch_read(replica_collection *coll, int64_t since, struct replica__watch_batch *batch,
                        replica_error *err);

/* Tell everybody what is new in the feed, until the monotonic time until_ms.  1: there may be
 * more. */
int replica__watch_round(replica_db *db, int64_t until_ms, replica_error *err);
/* End all observers of a collection: destroy is called, handles answer nothing from now on. */
void replica__watch_end(replica_collection *coll);

#endif
