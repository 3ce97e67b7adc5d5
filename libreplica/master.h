/* What a server needs of the store: the master's side of replication.
 *
 * A checkpoint names an incarnation and a sequence number.  Each opening that serves draws an
 * incarnation and records, durably, the sequence number where it begins; that is where the one
 * before it ended.  Every push is one transaction; its sequence numbers become visible with its
 * commit, so that no reader ever sees a number and later a lower one. */
#ifndef LIBREPLICA_MASTER_H
#define LIBREPLICA_MASTER_H

#include "base/json.h"
#include "libreplica/feed.h"
#include "libreplica/libreplica.h"

#include <stdbool.h>

/* Collections of this handle are raised without migrations: what is stored stays as it is, and the
 * clients bring the new texts of their documents. */
REPLICA_INTERNAL void replica__db_keep_texts(replica_db *db);

/* This opening's incarnation, recorded on the disk (fsync) at the first call; where other processes
 * serve the file already, theirs: all stand on one timeline.  Borrowed.  REPLICA_ELIMIT: 64 do. */
REPLICA_INTERNAL int replica__master_incarnation(replica_db *db, const char **ret_incarnation,
                                                 replica_error *err);

/* Is the checkpoint on this timeline?  1; 0: no, and ret_common is the last number of that
 * incarnation that is common, or 0 with an unknown incarnation. */
REPLICA_INTERNAL int replica__master_checkpoint(replica_db *db, const char *incarnation,
                                                int64_t sequence, int64_t *ret_common,
                                                replica_error *err);

/* Access rules read these fields (a JSON array of top-level names) of the collection's documents:
 * from now on what they were is kept when a write changes one of them, see
 * replication/master_was.h.  Fields that were named before stay. */
REPLICA_INTERNAL int replica__master_reads(replica_collection *coll, const char *fields,
                                           replica_error *err);

/* ---- reading the feed ------------------------------------------------------------ */

struct replica__feed_doc { /* borrowed for the call of emit */
    size_t collection;     /* index into colls */
    const char *id;
    const char *json;
    size_t len;
    bool deleted;
    int64_t sequence;
    int64_t stamp;
    const char *writer;    /* token of the revision at its writer */
    const char *bundle;    /* or NULL */
    bool whole;            /* it completes a bundle, whatever the page's limits are ... */
    bool again;            /* ... and comes again in its place */
    int gone;              /* REPLICA__GONE_...: the text is only the key; 0: it is not */
    int older;             /* by so many versions than the collection's is the text; 0: it is not */
};
/* It returns 0 to go on, > 0 to stop behind this document (one that completes a bundle: only if it
 * must), < 0 to fail. */
typedef int (*replica__feed_emit)(void *ctx, const struct replica__feed_doc *doc);
/* emit each changed document of colls in the order of sequence numbers, but for live ones of lower
 * versions: clients of this version could not read them, and bring them up.  With a document that a
 * bundle wrote come the others of that bundle: see replication/master_whole.h.
 * *ret_last: the number up to which the feed was read (its end, if that was reached).
 * 1: the end was reached; 0: there may be more. */
REPLICA_INTERNAL int replica__master_read(replica_db *db, replica_collection *const *colls,
                                          size_t n, const struct replica__feed_options *options,
                                          replica__feed_emit emit, void *ctx, int64_t *ret_last,
                                          replica_error *err);
/* The head of the database, and the number of documents of colls after `since`.  -1: under a
 * pattern or an eye there are too many to look at. */
REPLICA_INTERNAL int replica__master_head(replica_db *db, int64_t *ret_head, replica_error *err);
REPLICA_INTERNAL int replica__master_remaining(replica_db *db, replica_collection *const *colls,
                                               size_t n,
                                               const struct replica__feed_options *options,
                                               int64_t *ret_remaining, replica_error *err);

/* ---- reading by keys ------------------------------------------------------------- */

/* emit the live documents of coll that the feed shows, in the order of keys (bytes): key and
 * sequence number, and the text where it was asked for.  A call looks at a bounded number.
 * 1: the end was reached.  0: it goes on behind the key in ret_to, which holds the last one that
 * was looked at.  *ret_head: the feed's end as of this read. */
REPLICA_INTERNAL int replica__master_walk(replica_db *db, replica_collection *coll,
                                          const struct replica__walk *walk,
                                          replica__feed_emit emit, void *ctx,
                                          struct replica__buf *ret_to, int64_t *ret_head,
                                          replica_error *err);
/* emit the documents with these keys, in this order; one that is not there as deleted, without a
 * text, and with the number 0. */
REPLICA_INTERNAL int replica__master_documents(replica_db *db, replica_collection *coll,
                                               const char *const *ids, size_t n,
                                               replica__feed_emit emit, void *ctx,
                                               int64_t *ret_head, replica_error *err);

/* ---- purging --------------------------------------------------------------------- */

/* The highest number of a tombstone of coll (NULL: of any collection) that is not here any more:
 * who has read the feed up to there only has missed deletions.  0: none was purged. */
REPLICA_INTERNAL int replica__master_horizon(replica_db *db, replica_collection *coll,
                                             int64_t *ret_horizon, replica_error *err);

/* As replica_purge() of all collections, for some milliseconds.  1: there is more; 0: done. */
REPLICA_INTERNAL int replica__master_purge(replica_db *db, int64_t older_ms,
                                           struct replica__purge *at, replica_error *err);

/* ---- a push ---------------------------------------------------------------------- */

struct replica__master_row {
    replica_collection *coll;
    struct replica__json_doc doc; /* as scanned; key found.  Reserved members are cut */
    bool deleted;
    const char *operation;  /* NULL: none (a stock client) */
    int64_t stamp;          /* 0: now */
    const char *bundle;     /* or NULL; the rows of one stand together */
    bool firm;              /* a conflict refuses the whole bundle */
    int64_t fence;          /* of the lock that it was written under; 0: none */
    enum { REPLICA__ASSUMED_NONE, REPLICA__ASSUMED_TEXT, REPLICA__ASSUMED_NUMBER } assumed;
    const char *assumed_json; /* TEXT: compared as JavaScript reads it, without reserved members */
    size_t assumed_len;
    bool assumed_deleted;
    const char *assumed_incarnation; /* NUMBER */
    int64_t assumed_sequence;

    size_t place;           /* among the rows; set by the push */

    /* out */
    int verdict;            /* REPLICA_VERDICT_... of remote.h */
    int64_t sequence;       /* TAKEN: its number; ALREADY: the same, or 0 if overwritten since */
    replica_doc *real;      /* CONFLICT: the real master state; unref it */
    int real_version;       /* its text's, if that is lower than the collection's; else -1 */
    int code;               /* REFUSED */
    int64_t retry_ms;       /* LOCKED, LATER */
    char reason[120];       /* REFUSED; LOCKED: the holder */
};
/* Judge the rows one by one and write those that are taken, all in one transaction.  A bundle is
 * taken as one: all of its rows are TAKEN or ALREADY; or some are in CONFLICT, LOCKED or to come
 * LATER, and those that would have been taken have no verdict; or all that were not taken before
 * are REFUSED.
 * ret_before, ret_after: the head before the first and after the last write.
 * From a stock client a row whose new state equals the real one is taken without a write, and
 * values that it did not change keep the spelling that is stored here. */
REPLICA_INTERNAL int replica__master_push(replica_db *db, struct replica__master_row *rows,
                                          size_t n, const struct replica__pusher *by,
                                          int64_t *ret_before, int64_t *ret_after,
                                          replica_error *err);

#endif
