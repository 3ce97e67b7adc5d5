/* History: the states of a document before the stored one, as far as its collection keeps them. */
#ifndef LIBREPLICA_HISTORY_H
#define LIBREPLICA_HISTORY_H

#include "libreplica/row.h"

/* How many a collection that is being opened keeps: as asked, which is stored, or as stored. */
int replica__history_open(replica_collection *coll, int asked, replica_error *err);
/* A write is about to replace `old`: keep it, and no more than the collection's number of earlier
 * ones.  kept: the same state, if somebody has kept it already; or 0. */
int replica__history_keep(replica_db *db, const replica_collection *coll,
                          const struct replica__row *old, int64_t kept, replica_error *err);
/* Forget all but the newest n of a document. */
int replica__history_trim(replica_db *db, int64_t doc, int64_t n, replica_error *err);

#endif
