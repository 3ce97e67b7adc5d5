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
    const char *text; /* what came and could not be applied; NULL: as it was */
    size_t text_len;
};
int replica__aside_put(replica_db *db, const struct replica__aside *a, replica_error *err);
/* The stored state takes no part in the replication from here on: its entry, and its row of state.
 */
int replica__aside_set(replica_db *db, const struct replica__aside *a, struct replica__state *s,
                       int64_t seq, replica_error *err);
/* A state of the server that cannot be applied: an entry of its own, or, where the local state is
 * set aside, beside that: what waits for the program is never replaced by what came. */
int replica__aside_came(replica_db *db, const struct replica__aside *a, replica_error *err);
/* And when it is a question no more.  *ret_gone: it had an entry of its own. */
int replica__aside_came_right(replica_db *db, int64_t replication, int64_t coll, const char *id,
                              bool *ret_gone, replica_error *err);
/* The stored state takes part again, if it was set aside: it is pushed, or its conflict is met. */
int replica__aside_let_in(replica_db *db, int64_t replication, const struct replica__row *row,
                          replica_error *err);
/* Drop the entry of a document; a state of the server that it tells of is fetched again, from the
 * beginning: the feed has passed it. */
int replica__aside_give_up(replica_db *db, int64_t replication, int64_t coll, const char *id,
                           replica_error *err);
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
