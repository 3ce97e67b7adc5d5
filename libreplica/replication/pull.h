/* What pulling, verdicts and settling share: writing a state of the server. */
#ifndef LIBREPLICA_PULL_H
#define LIBREPLICA_PULL_H

#include "libreplica/accept.h"
#include "libreplica/replication/replication.h"

/* Within one transaction. */
struct replica__pulling {
    struct replica__replication *repl;
    int64_t incarnation; /* of the sequence numbers; 0: none */
    bool came_right;     /* this document was set aside, and can be applied */
    bool new_ones;       /* the last document was not here yet */
    int64_t floor;       /* the server's number up to which absent documents are purged ones */
    bool purged;         /* something was purged in this file */
    bool half;           /* what is kept is of a bundle whose others are yet to come */
};

/* Where a state was written. */
struct replica__origin {
    int64_t writer, wseq;
};

int replica__pulling_begin(struct replica__pulling *p, struct replica__replication *repl,
                           const char *incarnation, replica_error *err);
/* Keep a state of the server, with one reference. */
int replica__keep_pulled(struct replica__pulling *p, const struct replica__pulled *doc,
                         const struct replica__accepted *a, int64_t *ret_kept,
                         replica_error *err);
/* The document is in step as it is stored under seq; an unsettled state stays. */
int replica__state_clean(struct replica__pulling *p, struct replica__state *s,
                         const replica_collection *coll, int64_t seq, int64_t server_seq,
                         replica_error *err);

#endif
