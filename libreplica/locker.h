/* What a server needs of the store to hand out locks to its clients.
 *
 * They are the locks of the file, so that a program which works on the server's file itself keeps
 * to them, and is kept to.  A client is known by a token that is its secret: who knows it is the
 * holder. */
#ifndef LIBREPLICA_LOCKER_H
#define LIBREPLICA_LOCKER_H

#include "libreplica/lock.h"

#include <stdbool.h>

#define REPLICA__CLIENT_MAX 64 /* bytes of a client's token */

struct replica__locking {
    const char *client;
    const char *name;          /* who that is, for people; NULL: as it is */
    replica_collection *coll;  /* NULL: a key of the clients' own */
    const char *key;
    int64_t ttl_ms;
    int64_t fence;             /* renew the lock of this number, and take no other; 0: take it */

    /* out */
    int64_t got;               /* the fencing number */
    int64_t left_ms;
    bool lost;                 /* it was to be renewed, and is not the client's any more */
    char holder[128];          /* the name of who has it; "": nobody */
};
/* 1: the client has it, until left_ms is over; it may have had it before.  0: it has not.
 * REPLICA_EINVAL: a name, key or time that cannot be one. */
REPLICA_INTERNAL int replica__locker_take(replica_db *db, struct replica__locking *l,
                                          replica_error *err);
/* What is written from now on is written for the client (borrowed; NULL: for this handle again),
 * and so may be written under its locks.  fence: only while it holds the document's lock under this
 * number; 0: as long as no other one holds it. */
REPLICA_INTERNAL void replica__locker_act(replica_db *db, const char *client, int64_t fence);
/* 1; 0: the client does not hold it (under this number; 0: whatever it is). */
REPLICA_INTERNAL int replica__locker_release(replica_db *db, const struct replica__locking *l,
                                             replica_error *err);
/* The client has gone: its locks end after so many ms, if it does not come back. */
REPLICA_INTERNAL int replica__locker_leave(replica_db *db, const char *client, int64_t grace_ms,
                                           replica_error *err);
/* It is there again.  Locks that were to end so soon last for their whole time from now on: it does
 * not know that they were. */
REPLICA_INTERNAL int replica__locker_back(replica_db *db, const char *client, int64_t grace_ms,
                                          replica_error *err);

#endif
