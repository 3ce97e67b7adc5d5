/* The lease: of all handles on a file, in whatever process, one replicates under an identifier.
 *
 * The row has the term, which grows with each holder, and decides: every transaction of a
 * replication looks at it, so that one that lost the lease (stopped, suspended, or just slow)
 * writes nothing more.  Whether the holder lives is not in the row, but in a lock of the operating
 * system on a byte of a file beside the database: the system gives it back when the process ends,
 * and the holder moves it on to the next byte every few seconds, so that others see one that has
 * stopped.  So a replication that has nothing to do writes nothing to the disk, and no clocks are
 * compared: who waits counts on its own how long the lock has not moved. */
#ifndef LIBREPLICA_LEASE_H
#define LIBREPLICA_LEASE_H

#include "libreplica/libreplica.h"

#include <stdbool.h>
#include <stdint.h>

struct replica__replication;

struct replica__lease {
    int locks;            /* the file beside the database; -1: in memory, there are no others */
    int64_t term;         /* held; 0: not */
    int64_t last_term;    /* as it was last held */
    int64_t beat;         /* the byte that is locked, of the term's */
    int64_t move_at;      /* monotonic ms: when it moves on */
    int64_t opened_term;  /* of the row, when the replication wrote its collections; -1: not yet */
    /* Another holder, as it was last seen. */
    int64_t seen_term, seen_at;
    int64_t looked, silent_ms; /* when; and for how long it has not moved */
};

/* The file whose bytes are locked, beside the database; -1: in memory, there is none.  Closed with
 * replica__os_locks_close(). */
int replica__lease_file(replica_db *db, int *ret_locks, replica_error *err);
int replica__lease_open(struct replica__replication *repl, replica_error *err);
void replica__lease_close(struct replica__replication *repl);
/* In a transaction: does another handle hold it, and live?  1, 0; *ret_term as the row has it, 0:
 * none. */
int replica__lease_is_others(struct replica__replication *repl, int64_t *ret_term,
                             replica_error *err);
/* Does some handle, of whatever process, hold the lease of the replication with this number?  1, 0;
 * 0 too where that cannot be found out.  *ret: what it shows, if it shows anything. */
#define REPLICA__SHOWN 1024
int replica__lease_runs(replica_db *db, int64_t number, char ret[REPLICA__SHOWN],
                        replica_error *err);
/* In a transaction: it must be ours, else REPLICA_ECANCELLED, and it is not held any more. */
int replica__lease_check(struct replica__replication *repl, replica_error *err);
/* Begin a transaction of a replication that holds its lease. */
int replica__lease_begin(struct replica__replication *repl, replica_db **ret_txn,
                         replica_error *err);

#endif
