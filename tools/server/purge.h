/* Deletions that are old enough go while the server runs: in slices, beside requests. */
#ifndef SERVER_PURGE_H
#define SERVER_PURGE_H

#include "tools/server/service.h"

/* A slice, if it is time.  ms until it wants to be called again; -1: never.  REPLICA_EBUSY is
 * tried again; with another failure err says why (else its code is 0), and the next try is as far
 * away as after a success. */
int64_t replica__purge_tick(struct replica__service *service, replica_error *err);

#endif
