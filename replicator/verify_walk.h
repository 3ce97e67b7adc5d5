/* The way of a verification through the collections of a feed: each is looked through for what no
 * digest shows, and compared by texts and by numbers. */
#ifndef REPLICATOR_VERIFY_WALK_H
#define REPLICATOR_VERIFY_WALK_H

#include "replicator/ranges.h"

/* Of each collection. */
enum replica__verify_pass {
    REPLICA__PASS_ODD, /* what no digest shows */
    REPLICA__PASS_TEXTS,
    REPLICA__PASS_NUMBERS,
    REPLICA__PASSES
};

struct replica__verify_walk {
    size_t feed, coll; /* of the feed: those before it are compared */
    enum replica__verify_pass pass;
    char *after;       /* compared so far in this pass; NULL: nothing */
    struct replica__ranges ranges;
    int64_t compared;  /* documents of the server's */
};

/* What is to be done: REPLICA__RANGES_; REPLICA__RANGES_COMPARED: call it again.  < 0: it failed,
 * and is where it was. */
int replica__verify_walk_next(struct replica__verify_walk *w, struct replica__replication *repl,
                              replica_collection *coll, replica_error *err);
/* All that was asked has been judged. */
int replica__verify_walk_judged(struct replica__verify_walk *w, replica_error *err);
/* The answers are of no more use: they are asked for again, from where it is. */
void replica__verify_walk_stop(struct replica__verify_walk *w);
void replica__verify_walk_free(struct replica__verify_walk *w);

#endif
