/* The storage of a server, behind one small interface.
 *
 * The service asks for nothing else, so that a storage of another kind can take the store's place;
 * storage_store.c is the first one, on libreplica/master.h.  A storage belongs to one thread.  Its
 * sequence numbers are visible in order: who has read up to a number never meets a lower one. */
#ifndef SERVER_STORAGE_H
#define SERVER_STORAGE_H

#include "base/buf.h"
#include "base/json.h"
#include "libreplica/feed.h"
#include "libreplica/locker.h"
#include "libreplica/libreplica.h"

#include <stdbool.h>

struct replica__storage_coll; /* a collection of a storage */

/* A state that a storage hands out.  Borrowed: for the call of emit, or until release. */
struct replica__storage_doc {
    size_t collection;  /* index into the collections that were asked for */
    const char *id;     /* its key; NULL where it is not told, in a push */
    const char *json;
    size_t len;
    bool deleted;
    int64_t sequence;
    int64_t stamp;
    const char *writer; /* token of the revision at its writer */
    const char *bundle; /* or NULL */
    bool whole;         /* it completes a bundle, whatever the page's limits are ... */
    bool again;         /* ... and comes again in its place */
    int gone;           /* REPLICA__GONE_...: the text is only the key; 0: it is not */
    int version;        /* of its text, where it is lower than the collection's; -1: it is not */
};

/* 0: go on; > 0: stop behind this document (one that completes a bundle: only if it must); < 0:
 * fail. */
typedef int (*replica__storage_emit)(void *ctx, const struct replica__storage_doc *doc);

/* One row of a push. */
struct replica__storage_row {
    struct replica__storage_coll *coll;
    struct replica__json_doc doc; /* as scanned; key found.  Reserved members are cut */
    bool deleted;
    const char *operation;        /* NULL: none (a stock client) */
    int64_t stamp;                /* 0: now */
    const char *bundle;           /* or NULL; the rows of one stand together */
    bool firm;                    /* a conflict refuses the whole bundle */
    int64_t fence;                /* of the lock that it was written under; 0: none */
    const char *assumed;          /* text of the assumed state; NULL: none */
    size_t assumed_len;
    bool assumed_deleted;
    const char *assumed_incarnation; /* NULL: none; else with the sequence number it is the state */
    int64_t assumed_sequence;

    /* out */
    int verdict;       /* REPLICA_VERDICT_... of replicator/remote.h */
    int64_t sequence;  /* TAKEN: its number; ALREADY: the same, or 0 if it was overwritten since */
    struct replica__storage_doc real; /* CONFLICT */
    void *hold;        /* the storage's: keeps real alive until release */
    int code;          /* REFUSED */
    int64_t retry_ms;  /* LOCKED, LATER */
    char reason[120];  /* REFUSED; LOCKED: the holder */
};

/* A stored state with its revision. */
struct replica__storage_state {
    char *json; /* borrowed by who is asked about it; what a call returns is yours to free */
    size_t len;
    char rev[REPLICA_REV_SIZE];
    bool older; /* the text is of a lower version than the collection's */
};
/* What becomes of a document (now NULL: there is none): REPLICA_MODIFY_KEEP, _PUT with the text in
 * out, or _DELETE. */
typedef int (*replica__storage_modify)(void *ctx, const struct replica__storage_state *now,
                                       struct replica__buf *out);

/* An event.  Borrowed for the call. */
struct replica__storage_event {
    const char *address;
    const char *payload; /* JSON, with a NUL behind it */
    size_t len;
    const char *client;  /* who emitted it; "": a program on the server's file */
};

struct replica__storage;

struct replica__storage_ops {
    void (*close)(struct replica__storage *s);

    /* This opening's name on the timeline, of lower case letters and digits.  Borrowed. */
    int (*incarnation)(struct replica__storage *s, const char **ret_incarnation,
                       replica_error *err);
    /* Is the checkpoint on this timeline?  1; 0: no, and ret_common is the last number of that
     * incarnation that is common. */
    int (*checkpoint)(struct replica__storage *s, const char *incarnation, int64_t sequence,
                      int64_t *ret_common, replica_error *err);

    /* 1: the collection, whatever its version; 0: there is none. */
    int (*find)(struct replica__storage *s, const char *name,
                struct replica__storage_coll **ret_coll, replica_error *err);
    /* Create it.  REPLICA_EINVAL: no name for a collection; REPLICA_ELIMIT: there are too many. */
    int (*create)(struct replica__storage *s, const char *name, int version,
                  struct replica__storage_coll **ret_coll, replica_error *err);
    /* Append "name":rules for each collection that has rules for conflicts, and first "*":rules if
     * there are some for all others. */
    int (*rules)(struct replica__storage *s, struct replica__buf *out, replica_error *err);
    /* fn for the name of each; stops when it returns other than 0, and returns that. */
    int (*names)(struct replica__storage *s, int (*fn)(void *ctx, const char *name), void *ctx,
                 replica_error *err);
    /* From now on what these fields (a JSON array of names) were is kept when a write changes one
     * of them, and read through an eye.  Once for each collection. */
    int (*reads)(struct replica__storage *s, struct replica__storage_coll *coll,
                 const char *fields, replica_error *err);
    const char *(*key)(const struct replica__storage_coll *coll);
    int (*version)(const struct replica__storage_coll *coll);
    void (*limits)(struct replica__storage *s, struct replica__json_limits *ret,
                   size_t *ret_max_key);

    /* The changed documents of colls in the order of sequence numbers; with one that a bundle wrote
     * the others of that bundle, as in libreplica/master.h.  *ret_last: the number up to which was
     * read.  1: the end was reached; 0: not yet. */
    int (*read)(struct replica__storage *s, struct replica__storage_coll *const *colls, size_t n,
                const struct replica__feed_options *options, replica__storage_emit emit, void *ctx,
                int64_t *ret_last, replica_error *err);
    int (*head)(struct replica__storage *s, int64_t *ret_head, replica_error *err);
    /* The number of documents of colls after `since`; -1: there are too many to look at. */
    int (*remaining)(struct replica__storage *s, struct replica__storage_coll *const *colls,
                     size_t n, const struct replica__feed_options *options,
                     int64_t *ret_remaining, replica_error *err);
    /* Documents by their keys, and how far the walk goes: as in libreplica/master.h. */
    int (*walk)(struct replica__storage *s, struct replica__storage_coll *coll,
                const struct replica__walk *walk, replica__storage_emit emit, void *ctx,
                struct replica__buf *ret_to, int64_t *ret_head, replica_error *err);
    int (*documents)(struct replica__storage *s, struct replica__storage_coll *coll,
                     const char *const *ids, size_t n, replica__storage_emit emit, void *ctx,
                     int64_t *ret_head, replica_error *err);
    /* Who has read up to a number below the horizon of a collection (NULL: of any) has missed
     * deletions that were purged.  0: none was. */
    int (*horizon)(struct replica__storage *s, struct replica__storage_coll *coll,
                   int64_t *ret_horizon, replica_error *err);
    /* Purge what was deleted so long ago, for some milliseconds.  1: there is more; 0: done. */
    int (*purge)(struct replica__storage *s, int64_t older_ms, struct replica__purge *at,
                 replica_error *err);
    /* The live document with this key: 1 and its text, which is yours; 0: there is none. */
    int (*get)(struct replica__storage *s, struct replica__storage_coll *coll, const char *id,
               char **ret_json, size_t *ret_len, replica_error *err);

    /* Let fn say what becomes of the document with this key, and do that, again if another one was
     * faster.  client: whose locks it may be written under, or NULL; fence: and only while it holds
     * the document's under this number (0: no matter).  1: written; ret_stored is what is stored
     * now (json NULL: it was deleted).  0: fn left it.  REPLICA_EJSON, REPLICA_ESCHEMA,
     * REPLICA_ELIMIT: the text is refused; REPLICA_ECONFLICT: a unique index refuses it, or others
     * were faster all the time; REPLICA_ELOCKED. */
    int (*modify)(struct replica__storage *s, struct replica__storage_coll *coll, const char *id,
                  const char *client, int64_t fence, replica__storage_modify fn, void *ctx,
                  struct replica__storage_state *ret_stored, replica_error *err);

    /* Judge the rows one by one, those of a bundle as one, and write those that are taken, all in
     * one transaction.
     * ret_before, ret_after: the head before the first and after the last write. */
    int (*push)(struct replica__storage *s, struct replica__storage_row *rows, size_t n,
                const struct replica__pusher *by, int64_t *ret_before, int64_t *ret_after,
                replica_error *err);
    void (*release)(struct replica__storage *s, struct replica__storage_row *rows, size_t n);

    /* Events.  emit keeps them for a while: REPLICA_EINVAL, REPLICA_EJSON, REPLICA_ELIMIT: one is
     * refused, and none was taken.  events hands out those after the number *after, which moves
     * behind each that fn takes (true); last_event is the highest number.  Those of one call to
     * emit are of one client, and at most 1,000. */
    int (*emit)(struct replica__storage *s, const struct replica__storage_event *events, size_t n,
                replica_error *err);
    int (*events)(struct replica__storage *s, int64_t *after,
                  bool (*fn)(void *ctx, const struct replica__storage_event *event), void *ctx,
                  replica_error *err);
    int (*last_event)(struct replica__storage *s, int64_t *ret_number, replica_error *err);

    /* Locks: as libreplica/locker.h; coll NULL: a key of the clients' own. */
    int (*lock)(struct replica__storage *s, struct replica__storage_coll *coll,
                struct replica__locking *l, replica_error *err);
    int (*unlock)(struct replica__storage *s, struct replica__storage_coll *coll,
                  struct replica__locking *l, replica_error *err);
    int (*locks)(struct replica__storage *s,
                 int (*fn)(void *ctx, const replica_lock_entry *entry), void *ctx,
                 replica_error *err);
    int (*leave)(struct replica__storage *s, const char *client, int64_t grace_ms,
                 replica_error *err);
    int (*back)(struct replica__storage *s, const char *client, int64_t grace_ms,
                replica_error *err);

    /* Commits of others: poll fd (-1: none) for reading, for at most timeout ms (-1: forever),
     * then work; the head may have moved. */
    int (*fd)(struct replica__storage *s);
    int (*timeout)(struct replica__storage *s);
    int (*work)(struct replica__storage *s, replica_error *err);
};

struct replica__storage {
    const struct replica__storage_ops *ops;
};

/* ---- on a libreplica database ---------------------------------------------------- */

/* Name and primary key of a collection that may have to be created. */
struct replica__storage_key {
    const char *name;
    const char *field;
};

/* db is borrowed and outlives the storage.  path is its file, where other processes may write;
 * NULL: nobody else does.  keys are copied.  REPLICA_EINVAL: a collection exists with another
 * key. */
int replica__storage_store_open(replica_db *db, const char *path,
                                const struct replica__storage_key *keys, size_t n,
                                struct replica__storage **ret_storage, replica_error *err);
/* The collection has this schema from now on, and is created if it is absent: rows that break it
 * are refused; and these rules, which clients without any of their own are told.  Each may be NULL.
 * Before anybody asks for it, and once.  As replica_db_collection(). */
int replica__storage_store_prepare(struct replica__storage *storage, const char *name,
                                   const char *schema_json, const char *rules,
                                   replica_error *err);
/* These rules are told of every collection that has none of its own.  REPLICA_EJSON,
 * REPLICA_EINVAL: they are none. */
int replica__storage_store_rules(struct replica__storage *storage, const char *rules,
                                 replica_error *err);

#endif
