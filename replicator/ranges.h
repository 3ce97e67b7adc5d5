/* A collection compared with the server's, by ranges of its keys: which question is next, and which
 * documents the answers tell apart from what is known here.  Reconciliation (reconcile_side.c) and
 * verification (verify_walk.c) go through their collections with it. */
#ifndef REPLICATOR_RANGES_H
#define REPLICATOR_RANGES_H

#include "replicator/range_answer.h"

struct replica__ranges {
    struct replica__range_answer digests, ids;
    size_t chunk, item; /* the next ones */
    bool listed;        /* ids is of the chunk */
    char **asked;       /* documents, */
    size_t asked_count, asked_from;
    char **left;        /* known here and to go, without a question */
    size_t left_count;
    char *to;           /* with them all up to this key is compared; NULL: to the end */
};
void replica__ranges_free(struct replica__ranges *r);

/* What is compared with them. */
struct replica__ranges_known {
    struct replica__replication *repl;
    struct replica__key_range range; /* behind what is compared; its end is not looked at */
    size_t most;     /* documents that are asked for at once */
    bool later;      /* a later number than the server's is no difference */
    bool drop;       /* what is no longer replicated goes to `left` */
};

enum {
    REPLICA__RANGES_COMPARED = 0, /* all up to `to`, without a question */
    REPLICA__RANGES_ASK_DIGESTS,
    REPLICA__RANGES_ASK_IDS,
    REPLICA__RANGES_ASK_DOCUMENTS /* asked, from asked_from on; then all up to `to` is compared */
};
/* < 0: it failed. */
int replica__ranges_next(struct replica__ranges *r, const struct replica__ranges_known *known,
                         replica_error *err);
/* They are gone. */
void replica__ranges_forget_left(struct replica__ranges *r);
/* Make room for n documents to ask for. */
int replica__ranges_room(struct replica__ranges *r, size_t n, replica_error *err);

/* The answers, which are moved from. */
void replica__ranges_take_digests(struct replica__ranges *r, struct replica__range_answer *answer);
void replica__ranges_take_ids(struct replica__ranges *r, struct replica__range_answer *answer);

/* It goes on behind this key (a copy; NULL: the collection has ended).  Gives the number of the
 * server's documents in the chunk that has ended with it, if one has. */
int64_t replica__ranges_pass(struct replica__ranges *r, const char *key);

#endif
