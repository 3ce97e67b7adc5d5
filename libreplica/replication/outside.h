/* Documents that a replication's filter does not match. */
#ifndef LIBREPLICA_OUTSIDE_H
#define LIBREPLICA_OUTSIDE_H

#include "libreplica/replication/pull.h"

/* A state that came and that the replication does not want: where nothing is here of it, nothing
 * is written.  1, 0. */
int replica__outside_came(const struct replica__pulling *p, const struct replica__pulled *doc,
                          const struct replica__accepted *a, replica_error *err);
/* The document has come into step, perhaps: if it does not match, it is taken away. */
int replica__outside_leave(struct replica__pulling *p, replica_collection *coll, int64_t number,
                           replica_error *err);

#endif
