/* The result of a live query: documents in order, found by place and by id.
 *
 * A sorted array of pointers: finding is a binary search over bytes, and putting one in moves
 * pointers, 0.4 MB of them in the middle of 100,000 results, which takes less time than reading the
 * document did. */
#ifndef LIBREPLICA_LIVE_SET_H
#define LIBREPLICA_LIVE_SET_H

#include "libreplica/libreplica.h"

/* A document in its place. */
struct replica__placed {
    replica_doc *doc; /* owned */
    size_t len;
    unsigned char key[]; /* replica__query_place() */
};
/* NULL: no memory.  Takes its own reference of doc. */
struct replica__placed *replica__placed_new(replica_doc *doc, const void *key, size_t len);
void replica__placed_free(struct replica__placed *p); /* NULL is fine */
/* The order of places. */
int replica__place_compare(const struct replica__placed *p, const void *key, size_t len);

struct replica__live_set {
    struct replica__placed **at;    /* in order */
    size_t n, room;
    struct replica__placed **slots; /* by id; a power of two, at most half full */
    size_t slot_count;
};

void replica__live_set_free(struct replica__live_set *set); /* it is empty then */
/* Room for one more, so that the next put cannot fail.  REPLICA_ENOMEM. */
int replica__live_set_reserve(struct replica__live_set *set);
struct replica__placed *replica__live_set_find(const struct replica__live_set *set,
                                               const char *id);
/* How many come before this place. */
size_t replica__live_set_before(const struct replica__live_set *set, const void *key, size_t len);
/* Put p, whose id is not in the set, at `at`, where it belongs. */
void replica__live_set_put(struct replica__live_set *set, size_t at, struct replica__placed *p);
/* Take out the one at `at`: it is the caller's. */
struct replica__placed *replica__live_set_take(struct replica__live_set *set, size_t at);
/* Put p in the place of the one at `at`, which has the same id and is freed. */
void replica__live_set_replace(struct replica__live_set *set, size_t at, struct replica__placed *p);

#endif
