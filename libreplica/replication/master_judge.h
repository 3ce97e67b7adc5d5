/* One row of a push, by itself. */
#ifndef LIBREPLICA_MASTER_JUDGE_H
#define LIBREPLICA_MASTER_JUDGE_H

#include "libreplica/master.h"

/* Within a transaction: its verdict, and the write if it is taken. */
int replica__master_judge(replica_db *db, struct replica__master_row *row,
                          const struct replica__pusher *by, replica_error *err);

#endif
