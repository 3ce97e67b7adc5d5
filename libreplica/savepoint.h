/* A part of a transaction that may be taken back alone. */
#ifndef LIBREPLICA_SAVEPOINT_H
#define LIBREPLICA_SAVEPOINT_H

#include "libreplica/libreplica.h"

/* Within a transaction; they do not nest.  After a failure of any of these the transaction is to be
 * rolled back. */
int replica__savepoint_set(replica_db *db, replica_error *err);
/* What was written since stays. */
int replica__savepoint_release(replica_db *db, replica_error *err);
/* What was written since is taken back, and the database is known as it was. */
int replica__savepoint_undo(replica_db *db, replica_error *err);

#endif
