/* The documents that match a pattern as of one moment, which stays while they are handed out: a
 * connection of its own holds it, or, in a database in memory, which has one connection, all are
 * read at once. */
#ifndef LIBREPLICA_KEYS_SNAPSHOT_H
#define LIBREPLICA_KEYS_SNAPSHOT_H

#include "libreplica/keys/scan.h"

struct replica__key_snapshot {
    struct replica__key_scan scan;
    struct replica__reader *own; /* NULL in memory */
    int64_t head;                /* changes of the collection beyond it come after the moment */
    replica_doc **docs;
    size_t n, at, room, bytes;
};

/* The moment is now.  REPLICA_ELIMIT: too many cursors are open; and as a query. */
int replica__key_snapshot_begin(struct replica__key_snapshot *ret, replica_collection *coll,
                                const char *pattern, replica_error *err);
/* 1 and the next document, in key order, yours; 0: that was all. */
int replica__key_snapshot_next(struct replica__key_snapshot *s, replica_doc **ret_doc,
                               replica_error *err);
void replica__key_snapshot_end(struct replica__key_snapshot *s); /* of zeros is fine */

#endif
