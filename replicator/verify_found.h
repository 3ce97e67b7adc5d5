/* Documents that were told of: which pass of a verification finds them, they are told once. */
#ifndef REPLICATOR_VERIFY_FOUND_H
#define REPLICATOR_VERIFY_FOUND_H

#include <libreplica/libreplica.h>

/* Beyond that there is no use in telling them one by one. */
#define REPLICA__FOUND_MOST 1000000

/* By their hashes, which are eight bytes for each. */
struct replica__found {
    uint64_t *hashes; /* 0: none */
    size_t room, n;
};

/* 1: it is new; 0: it was told.  REPLICA_ELIMIT: n is above what there is place for. */
int replica__found_add(struct replica__found *found, size_t coll, const char *id,
                       replica_error *err);
void replica__found_free(struct replica__found *found);

#endif
