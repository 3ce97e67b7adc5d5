/* What other replications of its collection have to do with a document that one takes away. */
#ifndef LIBREPLICA_ELSEWHERE_H
#define LIBREPLICA_ELSEWHERE_H

#include "libreplica/replication/aside.h"

/* Does another one want it, whose server is known to have it?  1, 0. */
int replica__elsewhere_wanted(replica_db *db, int64_t doc, int64_t replication,
                              replica_error *err);
/* Before it is erased.  The others whose servers have it ask for all they have again, for their
 * servers may go on showing it. */
int replica__elsewhere_ask(replica_db *db, int64_t doc, int64_t replication, replica_error *err);
/* What was written here, and another one has not sent yet, gets this entry in its rejected list.
 * The entry's replication is the one that takes the document away. */
int replica__elsewhere_reject(replica_db *db, const struct replica__row *row,
                              const struct replica__aside *entry, replica_error *err);

#endif
