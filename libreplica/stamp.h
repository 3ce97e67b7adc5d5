/* Stamps: the hybrid logical clock of a file.  Upper 48 bits: ms since 1970; lower 16: a count.
 *
 * No order depends on them but that of "last-write-wins".  They never go below what this file has
 * seen, to a second across restarts and handles, whatever our clock does; clocks of others are
 * followed, but not further than DRIFT ahead.  Where a server has told its clock, that one takes
 * the place of ours as soon as the two differ by more than DRIFT. */
#ifndef LIBREPLICA_STAMP_H
#define LIBREPLICA_STAMP_H

#include "libreplica/libreplica.h"

#define REPLICA__STAMP_DRIFT (INT64_C(60000) << 16)

/* For a write now: above everything that was stamped or seen here, and above `after`. */
int64_t replica__stamp_next(replica_db *db, int64_t after);
/* A stamp of somebody else, or one that our clock gave before a server told a better one, brought
 * down to where drift ends; by as much as our clock is ahead of the server's, where that explains
 * it.  0 if it is none. */
int64_t replica__stamp_bound(const replica_db *db, int64_t stamp);
/* A state that was stamped so is stored. */
void replica__stamp_follow(replica_db *db, int64_t stamp);

/* Read what the file has seen, when another connection may have written; within a transaction that
 * has changed something: store it, when it has moved by a second. */
int replica__stamp_read(replica_db *db, replica_error *err);
int replica__stamp_store(replica_db *db, replica_error *err);

#endif
