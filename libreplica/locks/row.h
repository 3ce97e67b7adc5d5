/* The rows of locks: who holds what, and under which number.
 *
 * A lock on a document or key is one row, for as long as the file remembers it: a row that nobody
 * holds any more keeps the fencing number, so that the next one is higher; after 30 days the row
 * goes, and the number stays in the file for all.  Whether a row is held is a question of the wall
 * clock: `until` is when its holder, who has shown no life since, is taken for gone.  All calls are
 * made in a transaction of the caller, but for the ones that only read.
 *
 * Towards a server the row is also where the program and the session meet: the program writes
 * WANTED, and the session writes what became of it.  There, `server_fence` is the number the server
 * gave, and stays with the row until what was written under the lock has arrived. */
#ifndef LIBREPLICA_LOCKS_ROW_H
#define LIBREPLICA_LOCKS_ROW_H

#include "libreplica/db.h"

#define REPLICA__LOCK_NAME_MAX 100
#define REPLICA__LOCK_MIN_MS 100
#define REPLICA__LOCK_MAX_MS (24 * 3600 * 1000)
#define REPLICA__LOCK_WANT_MS 15000 /* who wants it, and shows no life for so long, is gone */

enum replica__lock_state {
    REPLICA__LOCK_FREE = 0,
    REPLICA__LOCK_HELD = 1,
    REPLICA__LOCK_PROVISIONAL = 2, /* here, and the server is to be asked */
    REPLICA__LOCK_LOST = 3,        /* its holder does not know yet, or is not done with it */
    REPLICA__LOCK_WANTED = 4,      /* the server is to be asked, and nothing is held here */
    REPLICA__LOCK_RELEASING = 5,   /* given back here; the server's goes when all has arrived */
    REPLICA__LOCK_DENIED = 6,      /* the server's answer to who wants it: `name` holds it */
    REPLICA__LOCK_UNREACHED = 7,   /* it could not be asked */
    REPLICA__LOCK_UNKNOWN = 8      /* it has no locks */
};

struct replica__lock_row {
    int64_t coll;        /* 0: a key of the program's own */
    const char *key;
    size_t key_len;
    char holder[REPLICA__TOKEN_MAX + 1]; /* a handle's token, at a server a client's; "": nobody */
    char name[REPLICA__LOCK_NAME_MAX + 1];
    int64_t fence;
    int64_t ttl;
    int64_t until;       /* ms since 1970 */
    int64_t replication; /* whose server's it is, too; 0: nobody's */
    int64_t server_fence, server_until; /* 0: the server did not give it */
    enum replica__lock_state state;
};

/* 1 and the row, 0: there is none.  The key is the caller's. */
int replica__lock_get(replica_db *db, int64_t coll, const char *key, size_t len,
                      struct replica__lock_row *ret, replica_error *err);
int replica__lock_put(replica_db *db, const struct replica__lock_row *row, replica_error *err);
/* Read the row that a statement with a lock's columns stands on; the key is the statement's. */
void replica__lock_read(sqlite3_stmt *stmt, struct replica__lock_row *ret);

/* Does somebody keep others from it, as of now? */
bool replica__lock_is_taken(const struct replica__lock_row *row, int64_t now);
/* A number above all that this was ever held under; row NULL: there is none. */
int replica__lock_next_fence(replica_db *db, const struct replica__lock_row *row,
                             int64_t *ret_fence, replica_error *err);
/* The number that rows which are gone had at most. */
int replica__lock_floor(replica_db *db, int64_t *ret_fence, replica_error *err);
/* Take what is free, for holder, from now on.  row: as it is, `coll` and `key` set; changed. */
int replica__lock_take(replica_db *db, struct replica__lock_row *row, bool known,
                       const char *holder, const char *name, int64_t ttl, int64_t now,
                       replica_error *err);
/* Nobody holds it any more; the row stays for its number. */
int replica__lock_free(replica_db *db, struct replica__lock_row *row, int64_t now,
                       replica_error *err);
/* Now and then: rows that nobody has held for 30 days go. */
int replica__lock_trim(replica_db *db, int64_t now, replica_error *err);

/* It is another one's: word that, with the holder's name as where. */
int replica__lock_refused(const struct replica__lock_row *row, const char *what,
                          replica_error *err);

#endif
