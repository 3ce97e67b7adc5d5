/* Documents that go out as one.
 *
 * What a bundle has written, and its replication has not had accepted yet, is open there.  Dirty
 * documents that share an open bundle, directly or by way of others, are one group: so a later
 * write to a member joins it, and bundles that share a document become one. */
#ifndef LIBREPLICA_GROUP_H
#define LIBREPLICA_GROUP_H

#include "libreplica/libreplica.h"

#include <stdbool.h>

/* Documents that were met: their numbers. */
struct replica__met {
    int64_t *slots; /* 0: empty */
    size_t room, n;
};
bool replica__met_has(const struct replica__met *met, int64_t number);
int replica__met_add(struct replica__met *met, int64_t number, replica_error *err);
void replica__met_clear(struct replica__met *met);

struct replica__group {
    int64_t *docs; /* in the order of their writes, the one that was asked about among them */
    size_t n;
    char *bundle;  /* the name under which they go; NULL: there is only one, of no bundle */
    bool firm;
};
/* coll: only documents of this collection; 0: of all the replication's.  sent: only those that are
 * under way with it, as they were when they left. */
int replica__group_find(replica_db *db, int64_t replication, int64_t coll, int64_t doc, bool sent,
                        struct replica__group *ret, replica_error *err);
void replica__group_free(struct replica__group *group);
#define REPLICA_GROUP __attribute__((cleanup(replica__group_free))) struct replica__group

#endif
