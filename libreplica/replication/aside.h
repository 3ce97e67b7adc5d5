/* Documents that are set aside: refused by the server, not applicable here, or given up by their
 * handler. */
#ifndef LIBREPLICA_ASIDE_H
#define LIBREPLICA_ASIDE_H

#include "libreplica/replication/state.h"

struct replica__aside {
    int64_t replication, coll;
    const char *id;
    int kind, code;
    const char *reason;
    const char *text; /* UNAPPLIED: what came */
    size_t text_len;
};
int replica__aside_put(replica_db *db, const struct replica__aside *a, replica_error *err);
/* The stored state takes no part in the replication from here on: its entry, and its row of state.
 */
int replica__aside_set(replica_db *db, const struct replica__aside *a, struct replica__state *s,
                       int64_t seq, replica_error *err);
/* Drop the entry of a document, if it is of this kind (0: of any). */
int replica__aside_drop(replica_db *db, int64_t replication, int64_t coll, const char *id, int kind,
                        replica_error *err);

/* Whom the entry with this number is about: 1, and the caller frees id; 0: there is none. */
struct replica__aside_target {
    int64_t replication, coll;
    char *id;
    int kind;
};
int replica__aside_find(replica_db *db, int64_t number, struct replica__aside_target *ret,
                        replica_error *err);

#endif
