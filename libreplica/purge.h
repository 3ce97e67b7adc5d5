/* What purging, expiry and commands ask of a document: does anybody still need it? */
#ifndef LIBREPLICA_PURGE_H
#define LIBREPLICA_PURGE_H

#include "libreplica/row.h"

/* 1: the stored state is in step in every replication of its collection that was seen after `since`
 * (ms), and it is not set aside; 0: it waits for something. */
int replica__doc_passed(replica_db *db, const struct replica__row *row, int64_t since,
                        replica_error *err);

#endif
