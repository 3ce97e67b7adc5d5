/* The conflict log: what was superseded, and by what. */
#ifndef LIBREPLICA_CONFLICT_LOG_H
#define LIBREPLICA_CONFLICT_LOG_H

#include "libreplica/replication/state.h"

struct replica__logged {
    int64_t replication;
    const struct replica__row *row; /* the local state */
    const char *rule;
    int64_t assumed, real;          /* kept; the log takes references of its own */
    const struct replica__kept *result; /* NULL: the real one */
};
int replica__conflict_log_add(replica_db *db, const struct replica__logged *entry,
                              replica_error *err);

/* The identifier of a replication, yours to free; "" once it was removed. */
int replica__replication_name(replica_db *db, int64_t number, char **ret_name, replica_error *err);

#endif
