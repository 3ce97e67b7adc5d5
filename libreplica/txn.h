/* Transactions: one writer at a time, the program before the replicator, and checkpoints of the WAL
 * that never run beside a commit.
 *
 *     REPLICA_TXN txn = NULL;                 rolled back at the end of the scope, unless
 *     r = replica__txn_begin(db, &txn, err);
 *     ...
 *     return replica__txn_commit(&txn, err);  committed */
#ifndef LIBREPLICA_TXN_H
#define LIBREPLICA_TXN_H

#include "libreplica/libreplica.h"

/* Begin to write: wait for the gate and SQLite's lock, and know the head. REPLICA_EBUSY,
 * REPLICA_EREADONLY; REPLICA_EINVAL within another transaction of this handle. */
int replica__txn_begin(replica_db *db, replica_db **ret_txn, replica_error *err);
int replica__txn_commit(replica_db **txn, replica_error *err);
void replica__txn_rollback(replica_db **txn);
#define REPLICA_TXN __attribute__((cleanup(replica__txn_rollback))) replica_db *

/* One moment for several reads. */
int replica__read_begin(replica_db *db, replica_db **ret_read, replica_error *err);
void replica__read_end(replica_db **read);
#define REPLICA_READ __attribute__((cleanup(replica__read_end))) replica_db *

/* Know head and ranges, outside a transaction or in one. */
int replica__txn_know(replica_db *db, replica_error *err);
/* Within a transaction: what it frees in the file is overwritten, and soon after its commit the WAL
 * begins anew. */
int replica__txn_secure(replica_db *db, replica_error *err);
/* Within a transaction: the replications' rows were changed; read them again when next asked. */
void replica__txn_forget(replica_db *db);

/* The number of this opening's token, storing it with the first write. */
int replica__txn_opening(replica_db *db, int64_t *ret_opening, replica_error *err);

#endif
