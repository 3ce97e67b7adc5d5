/* What a server answers about ranges of keys. */
#ifndef REPLICATOR_RANGE_ANSWER_H
#define REPLICATOR_RANGE_ANSWER_H

#include "libreplica/store.h"

/* after < key <= to, behind the chunk before. */
struct replica__chunk {
    char *to; /* NULL: to the end */
    int64_t count;
    char hex[33];
};
struct replica__item {
    char *id;
    int64_t sequence; /* of "numbers" */
    char hex[33];     /* of "texts"; else "" */
};
struct replica__range_answer {
    char *head; /* a checkpoint */
    struct replica__chunk *chunks; /* digests */
    struct replica__item *items;   /* ids */
    size_t n;
    char *to; /* ids: how far they go; NULL: to the end */
};
void replica__range_answer_free(struct replica__range_answer *answer);

/* json: valid.  after: the key behind which was asked (NULL: the beginning).  The keys grow; only
 * the last chunk ends nowhere.  REPLICA_EHTTP, REPLICA_ELIMIT. */
int replica__range_read_digests(const char *json, size_t len, const char *after,
                                struct replica__range_answer *ret, replica_error *err);
/* upto: the key up to which was asked (NULL: the end). */
int replica__range_read_ids(const char *json, size_t len, const char *after, const char *upto,
                            struct replica__range_answer *ret, replica_error *err);

#endif
