/* What pulling, verdicts and settling share: writing a state of the server. */
#ifndef LIBREPLICA_PULL_H
#define LIBREPLICA_PULL_H

#include "libreplica/accept.h"
#include "libreplica/replication/replication.h"
#include "libreplica/store.h"
#include "libreplica/write.h"

/* Within one transaction. */
struct replica__pulling {
    struct replica__replication *repl;
    int64_t incarnation; /* of the sequence numbers; 0: none */
    bool came_right;     /* this document was set aside, and can be applied */
    bool new_ones;       /* the last document was not here yet */
    int64_t floor;       /* the server's number up to which absent documents are purged ones */
    bool purged;         /* something was purged in this file */
    bool outside;        /* this document does not match the filter */
    bool erased;         /* something was: its words are to go, too */
    bool reconciles;     /* single documents, which were asked for, and not a page */
    bool half;           /* what is kept is of a bundle whose others are yet to come */
};

/* Where a state was written. */
struct replica__origin {
    int64_t writer, wseq;
};

int replica__pulling_begin(struct replica__pulling *p, struct replica__replication *repl,
                           const char *incarnation, replica_error *err);
/* A page, and where the feed is behind it. */
struct replica__pull_page {
    struct replica__pulled *docs;
    size_t n;
    const char *incarnation; /* of the sequence numbers, or NULL */
    const char *checkpoint;  /* NULL: it stays */
    bool reconciles;         /* it is of a reconciliation, which is then here; */
    const char *reconcile;   /* NULL: it is over */
    bool begins;             /* it has compared nothing yet */
};
/* In one transaction; replica__pull_apply() for most. */
int replica__pull_page(struct replica__replication *repl, size_t feed,
                       const struct replica__pull_page *page, replica_error *err);
/* Write it; old NULL: 1, or 0 where one of its key is stored. */
int replica__pulled_write(struct replica__pulling *p, const struct replica__pulled *doc,
                          const struct replica__accepted *a, const struct replica__row *old,
                          struct replica__written *ret, replica_error *err);
/* It can be applied: what was set aside of it is of the past. */
int replica__pulled_come_right(struct replica__pulling *p, const struct replica__pulled *doc,
                               const struct replica__accepted *a, replica_error *err);
/* Is it a state that is known, or one before it?  1, 0.  The known one is news where it confirms
 * what was in step with an older version's endpoint. */
int replica__pulled_is_old(struct replica__pulling *p, struct replica__pulled *doc,
                           const struct replica__row *row, const struct replica__state *s,
                           replica_error *err);
/* The document is here. */
int replica__pulled_known(struct replica__pulling *p, struct replica__pulled *doc,
                          const struct replica__accepted *a, const struct replica__row *row,
                          replica_error *err);
/* The server's number of the newest state of it that is known here. */
int replica__known_sequence(replica_db *db, const struct replica__state *s, int64_t *ret,
                            replica_error *err);
/* Keep a state of the server, with one reference. */
int replica__keep_pulled(struct replica__pulling *p, const struct replica__pulled *doc,
                         const struct replica__accepted *a, int64_t *ret_kept,
                         replica_error *err);
/* The document is in step as it is stored under seq; an unsettled state stays. */
int replica__state_clean(struct replica__pulling *p, struct replica__state *s,
                         const replica_collection *coll, int64_t seq, int64_t server_seq,
                         replica_error *err);

#endif
