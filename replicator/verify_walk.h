/* The way of a verification through the keys of a collection: which question is next, and which
 * documents the answers tell apart from what is known here. */
#ifndef REPLICATOR_VERIFY_WALK_H
#define REPLICATOR_VERIFY_WALK_H

#include "replicator/reconcile_answer.h"

enum { REPLICA__VERIFY_BATCH = 500 };

/* Of each collection: what no digest shows, the texts, the numbers. */
enum replica__verify_pass {
    REPLICA__PASS_ODD,
    REPLICA__PASS_TEXTS,
    REPLICA__PASS_NUMBERS,
    REPLICA__PASSES
};

struct replica__verify_walk {
    size_t feed, coll; /* of the feed: those before it are compared */
    enum replica__verify_pass pass;
    char *after;       /* compared so far in this pass; NULL: nothing */
    struct replica__range_answer digests, ids;
    size_t chunk, item;
    bool listed;       /* ids is of the chunk */
    char *to;          /* with what is asked, all up to this key is compared; NULL: to the end */
    char *asked[REPLICA__VERIFY_BATCH];
    size_t asked_count, asked_from;
    int64_t compared;  /* documents of the server's */
};

/* What is to be done: compare again at once, or ask. */
enum {
    REPLICA__VERIFY_GO_ON = 0,
    REPLICA__VERIFY_ASK_DIGESTS,
    REPLICA__VERIFY_ASK_IDS,
    REPLICA__VERIFY_ASK_DOCUMENTS /* asked, from asked_from on */
};
/* < 0: it failed, and is as it was. */
int replica__verify_walk_next(struct replica__verify_walk *w, struct replica__replication *repl,
                              replica_collection *coll, replica_error *err);
/* All that was asked has been judged. */
int replica__verify_walk_judged(struct replica__verify_walk *w, replica_error *err);
/* The answers are of no more use: they are asked for again, from where it is. */
void replica__verify_walk_stop(struct replica__verify_walk *w);
void replica__verify_walk_free(struct replica__verify_walk *w);

#endif
