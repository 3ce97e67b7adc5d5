/* The way back to the server's state, from whatever process. */
#ifndef LIBREPLICA_DISCARD_H
#define LIBREPLICA_DISCARD_H

#include "libreplica/replication/state.h"

/* In a transaction: the newest state of the server that is known, or none, is written over the
 * document, and what is stored goes to the conflict log under this rule. */
int replica__go_back(replica_db *db, const struct replica__row *row, struct replica__state *s,
                     replica_collection *coll, const char *rule, replica_error *err);
/* The version of a collection that a replication has with its server. */
int replica__endpoint_of(replica_db *db, int64_t replication, const replica_collection *coll,
                         int64_t *ret, replica_error *err);

#endif
