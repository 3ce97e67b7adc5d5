/* What a push asks its guard (libreplica/feed.h), and what comes of it. */
#ifndef LIBREPLICA_MASTER_GUARD_H
#define LIBREPLICA_MASTER_GUARD_H

#include "libreplica/master.h"
#include "libreplica/write.h"

/* The row's verdict.  0. */
int replica__master_refuse(struct replica__master_row *row, int code, const char *why);
/* The stored state as the pusher sees it, its text in room where it is not all: 1; 0: it may not,
 * and the row is told so.  Of a deletion that it may not see it learns no more than that the key is
 * taken. */
int replica__guard_see(struct replica__master_row *row, const struct replica__row *old,
                       const struct replica__pusher *by, struct replica__row *ret,
                       struct replica__buf *room, replica_error *err);
/* May it be written?  1, and w is what the guard made of it; 0: the row is refused.  What a client
 * says in a tombstone nobody has judged: the stored state stays in it. */
int replica__guard_allow(struct replica__master_row *row, struct replica__write *w,
                         const struct replica__row *old, const struct replica__pusher *by,
                         struct replica__buf *room, replica_error *err);

#endif
