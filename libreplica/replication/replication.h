/* An opened replication: its row, its collections, its feeds.
 *
 * A feed has a checkpoint, and a mark: what lies after it in the change feed has not been looked at
 * for pushing.  What is under way is the range (sent_from, sent_to]: every dirty document in it
 * that is not set aside, unsettled or a row of its own is taken for sent.  The range may say too
 * much, never too little: asking about a row that never left is what pushing it is. */
#ifndef LIBREPLICA_REPLICATION_H
#define LIBREPLICA_REPLICATION_H

#include "libreplica/filter.h"
#include "libreplica/keys/pattern.h"
#include "libreplica/replication/group.h"
#include "libreplica/replication/lease.h"
#include "libreplica/replication/state.h"

/* A page that waits for its verdicts. */
struct replica__out {
    const void *page; /* its arena */
    struct replica__out *next;
    size_t n;
    int64_t docs[]; /* sorted */
};

struct replica__feed {
    int64_t coll; /* 0: all */
    char *checkpoint;
    int64_t mark, sent_from, sent_to;
    int64_t common; /* where the server's timeline and the one it lost part; 0: it lost none */
    int64_t again_to;   /* what is up to here went out before, without a verdict */
    int64_t todo_after; /* documents with todo were taken up to this number in this pass */
    bool with_later;    /* this pass takes what was told to come later */
    struct replica__out *out;
    char *reconcile; /* where a comparison is: reconcile.h; NULL: none is under way */
    int64_t fresh;   /* tombstones up to this number are not wanted; 0: all are */
    replica_collection **colls;
    size_t n;
};

/* Which version's endpoint a collection is replicated with. */
struct replica__endpoint {
    int64_t version;   /* the feed's checkpoint, and what is said to be in step, are of this one */
    int64_t at;        /* this one is asked; another than version until it has answered */
    int64_t confirmed; /* this one has shown all that it has */
};

struct replica__replication {
    replica_db *db;
    char *name;
    int64_t number;
    struct replica__lease lease;
    int one_feed; /* -1: never set */
    int64_t seen; /* ms: when that was last written down */
    char *keys;   /* NULL: all */
    struct replica__pattern pattern; /* that it is */
    char *filter; /* NULL: all */
    struct replica__selector *wanted; /* that it is */
    char client[REPLICA__TOKEN_SIZE]; /* "": the lease was never held */
    replica_collection **colls;
    struct replica__endpoint *endpoints; /* of each */
    bool searching; /* for a version that the server has */
    bool bundles;   /* the server takes them as one */
    struct replica__met met; /* members of bundles that had their turn in this pass */
    bool waited;    /* some of them for what was under way */
    size_t n;
    struct replica__feed *feeds;
    size_t feed_count;
};

/* 1 and the numbers of this name (one_feed: -1 if it was never set), 0: there is none. */
int replica__replication_find(replica_db *db, const char *name, int64_t *ret_number,
                              int *ret_one_feed, replica_error *err);
/* Store the feed as it is; in a transaction. */
int replica__feed_put(struct replica__replication *repl, const struct replica__feed *feed,
                      replica_error *err);
/* It is at work: written down once an hour, in a transaction, so that purging waits for it. */
int replica__replication_seen(struct replica__replication *repl, replica_error *err);
/* Within the transaction that takes the lease from another one: what that one changed is read, and
 * the collections are those of this one. */
int replica__replication_taken(struct replica__replication *repl, replica_error *err);
/* Is there anything to push, under way or unsettled, as the file has it?  1, 0. */
int replica__pending_in_file(struct replica__replication *repl, replica_error *err);
/* The column of a replication's error, as replica__note_put() writes it. */
int replica__note_read_error(const char *json, replica_error *ret, int64_t *ret_ms,
                             replica_error *err);
/* No page is out any more. */
void replica__feed_forget_out(struct replica__feed *feed);
void replica__feeds_free(struct replica__replication *repl);
/* Is it about this key? */
static inline bool replica__replication_has_key(const struct replica__replication *repl,
                                                const char *key, size_t len)
{
    return !repl->keys || replica__pattern_matches(&repl->pattern, key, len);
}
/* Does it want a text of this kind?  1, 0, REPLICA_ENOMEM. */
static inline int replica__replication_wants(const struct replica__replication *repl,
                                             const char *json, size_t len)
{
    int r = replica__selector_match_within(repl->wanted, json, len);

    return r == REPLICA_ELIMIT ? 0 : r; /* a regular expression that takes too long */
}
replica_collection *replica__replication_collection(const struct replica__replication *repl,
                                                    int64_t number);

#endif
