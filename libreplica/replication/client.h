/* Who this replication is for its server: a token that locks are held under, and that tells its own
 * events from those of others.
 *
 * Each holder of the lease draws one, so that a copy of the file is somebody else; but while locks
 * of the server's are held it stays, so that a program that starts again still has them. */
#ifndef LIBREPLICA_CLIENT_H
#define LIBREPLICA_CLIENT_H

#include "libreplica/libreplica.h"

struct replica__replication;

/* In the transaction that takes the lease. */
int replica__client_begin(struct replica__replication *repl, replica_error *err);

#endif
