/* Settling: what the questions and their answers share. */
#ifndef LIBREPLICA_SETTLE_H
#define LIBREPLICA_SETTLE_H

#include "libreplica/replication/group.h"
#include "libreplica/replication/replication.h"
#include "libreplica/replication/state.h"

/* The documents with which this one would go out. */
int replica__settle_group(struct replica__replication *repl, const struct replica__row *row,
                          struct replica__group *ret, replica_error *err);
/* One of them: 1; its place is in the statement, which is open. */
int replica__settle_member(struct replica__replication *repl, int64_t doc, sqlite3_stmt **stmt,
                           struct replica__row *ret, struct replica__state *ret_state,
                           replica_error *err);

#endif
