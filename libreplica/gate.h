/* The gate: who writes next, among the handles of one process that share a file.
 *
 * SQLite's own lock serialises writers; the gate adds an order: the program goes before the
 * replicator.  It also covers checkpoints of the WAL, which must never run beside a commit (the
 * WAL-reset bug of SQLite 3.7.0 to 3.51.2); across processes SQLite's write lock does that, see
 * txn.c. */
#ifndef LIBREPLICA_GATE_H
#define LIBREPLICA_GATE_H

#include <stdbool.h>
#include <stdint.h>

struct replica__gate;

struct replica__gate *replica__gate_new(void); /* NULL: out of memory */
struct replica__gate *replica__gate_ref(struct replica__gate *gate);
void replica__gate_unref(struct replica__gate *gate); /* NULL is fine */

/* Wait up to timeout_ms for the gate; a background caller also lets everyone else pass who waits.
 * 0, or REPLICA_EBUSY. */
int replica__gate_enter(struct replica__gate *gate, bool background, int timeout_ms);
void replica__gate_leave(struct replica__gate *gate);
int replica__gate_waiting(struct replica__gate *gate); /* how many writers of the program */

/* What a server has told one of the handles of its clock, in ms: see stamp.c. */
struct replica__told_time {
    int64_t server;          /* since 1970; 0: it never was told */
    int64_t wall, monotonic; /* when, by our clocks */
};
void replica__gate_tell_time(struct replica__gate *gate, const struct replica__told_time *time);
struct replica__told_time replica__gate_time(struct replica__gate *gate);

#endif
