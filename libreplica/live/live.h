/* Live queries: listeners to the change feed, as observers are, who are told what a commit has done
 * to the answer of their query. */
#ifndef LIBREPLICA_LIVE_H
#define LIBREPLICA_LIVE_H

#include "libreplica/db.h"

/* Bring all of them up to date, and tell them, until the monotonic time until_ms.  1: there may be
 * more. */
int replica__live_round(replica_db *db, int64_t until_ms, replica_error *err);
/* End all of a collection: destroy is called, handles are empty from now on. */
void replica__live_end(replica_collection *coll);

#endif
