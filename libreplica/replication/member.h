/* Which documents a bundle has written, and what hangs together by that.
 *
 * A row is of use as long as the bundle is some document's newest write (who shows one member shows
 * the others), or a replication has a member that is not in step from that write on (it goes out
 * with the others).  After that it is swept, some bundles at a time, when others are written. */
#ifndef LIBREPLICA_MEMBER_H
#define LIBREPLICA_MEMBER_H

#include "libreplica/write.h"

/* In the transaction of the write. */
int replica__member_add(replica_db *db, const struct replica__write *w,
                        const struct replica__written *written, replica_error *err);

#endif
