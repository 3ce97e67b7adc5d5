/* The client's side of a reconciliation: store.h has what the replicator calls.
 *
 * Its progress is the text feed.reconcile:
 *
 *     {"why":"horizon","head":{"id":"...","lwt":7},"collection":1,"after":"key",
 *      "of":[3,5]}
 *
 * Collections are counted, and `of` has the numbers of the feed's when they were. */
#ifndef LIBREPLICA_RECONCILE_H
#define LIBREPLICA_RECONCILE_H

#include "libreplica/replication/replication.h"

/* Within a transaction, before the feeds are read: all feeds of the replication are to be compared
 * with a server that can do that. */
int replica__reconcile_want(struct replica__replication *repl, const char *why,
                            replica_error *err);

#endif
