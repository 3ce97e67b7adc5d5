/* Locks: a lease on a document, or on a key of the program's own, that one holder has for a time.
 *
 * While a lock on a document is held, writes of others to it fail with REPLICA_ELOCKED: of other
 * handles on the file, and, where the lock is a server's, of every other client.  A lock has a time
 * to live; it is renewed by each write of its holder to the document, by replica_lock_renew(), and
 * by itself, in dispatch, as long as the handle is open.  Its fencing number is higher than that of
 * every lock on the same thing before it: who was away past the time, and writes with an old
 * number, is refused.
 *
 * Without a replication the lock is one of the file: between all handles and processes on it.  With
 * one that covers the collection (REPLICA_LOCK_SERVER, or a key with it) it is the server's as
 * well, and the calls dispatch while they wait for its answer.  docs/locks.md has the states.  The
 * contract of libreplica.h holds. */
#ifndef LIBREPLICA_LOCK_H
#define LIBREPLICA_LOCK_H

#include <libreplica/libreplica.h>

REPLICA_BEGIN

typedef struct replica_lock replica_lock;

enum {
    REPLICA_LOCK_HELD = 1,
    REPLICA_LOCK_PROVISIONAL = 2, /* held in this file; the server was not reached yet */
    REPLICA_LOCK_LOST = 3         /* it ran out, or the server refused a provisional one */
};

typedef struct replica_lock_options {
    size_t size;
    unsigned flags;   /* REPLICA_LOCK_... below */
    int64_t ttl_ms;   /* 0: 30,000; at least 100, at most a day */
    int wait_ms;      /* how long to wait for another holder; 0: not at all, -1: for ever */
    const char *name; /* who holds it, for people, at most 100 bytes; NULL: this handle's token */
    void (*on_state)(void *ctx, replica_lock *lock, int state); /* in dispatch; or NULL */
    void *ctx;
    replica_destroy_fn destroy;
} replica_lock_options;
#define REPLICA_LOCK_OPTIONS_INIT { sizeof(replica_lock_options), 0, 0, 0, NULL, NULL, NULL, NULL }
#define REPLICA_LOCK_SERVER  (1u << 0) /* the server's, too; needs a replication that runs */
#define REPLICA_LOCK_OFFLINE (1u << 1) /* where the server is not reached: provisionally, to be
                                        * confirmed or refused at the next sync */

/* Take it.  coll NULL: key is a name of the program's own, in a space of names for the whole file
 * (and server).  1 and the lock.  REPLICA_ELOCKED: another one has it (where: its name), and
 * wait_ms is over.  REPLICA_ENET: no server was reached.  REPLICA_ENOTSUP: it has no locks, does
 * not allow it, or no replication covers coll.  ret_lock is yours until replica_lock_release(). */
REPLICA_API int replica_lock_acquire(replica_db *db, replica_collection *coll, const char *key,
                                     const replica_lock_options *opts, replica_lock **ret_lock,
                                     replica_error *err);
REPLICA_API int replica_lock_renew(replica_lock *lock, replica_error *err); /* REPLICA_ELOCKED:
                                                                             * lost */
/* Give it back, and free the handle; NULL is fine.  A server's lock goes when what was written
 * under it has arrived. */
REPLICA_API void replica_lock_release(replica_lock *lock);
REPLICA_API int replica_lock_state(const replica_lock *lock); /* REPLICA_LOCK_... */
REPLICA_API int64_t replica_lock_fence(const replica_lock *lock);

/* A lock that is held; texts live for the call. */
typedef struct replica_lock_entry {
    const char *collection; /* "": a key of its own */
    const char *key;
    const char *name;       /* of its holder */
    const char *holder;     /* a token */
    int64_t fence;
    int64_t left_ms;        /* until it runs out, unless it is renewed */
    int ours;               /* held by this handle */
} replica_lock_entry;
/* fn for each held lock of the file, in the order of collections and keys; stops when fn returns
 * other than 0, and returns that. */
REPLICA_API int replica_locks(replica_db *db,
                              int (*fn)(void *ctx, const replica_lock_entry *entry), void *ctx,
                              replica_error *err);

REPLICA_END

#endif
