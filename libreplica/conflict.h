/* A conflict that was put to the program: it belongs to the program until an answer succeeds. */
#ifndef LIBREPLICA_CONFLICT_H
#define LIBREPLICA_CONFLICT_H

#include "libreplica/store.h"

/* How it was answered; texts live for the call. */
struct replica__answer {
    int how; /* REPLICA__SETTLE_... */
    const char *json;
    size_t len;
    int code;
    const char *reason;
};

struct replica__conflict_parts {
    const struct replica__unsettled *of; /* its documents are referenced */
    const char *key;                     /* of the collection */
    replica_schema *schema;              /* of the collection, or NULL; referenced */
    struct replica__json_limits limits;
    /* Takes the answer: 0, REPLICA_ENOMEM or REPLICA_ECLOSED.  Any thread. */
    int (*answer)(void *ctx, int64_t ticket, const struct replica__answer *answer);
    void (*unref)(void *ctx); /* of ctx, when the conflict is gone */
    void *ctx;
    int64_t ticket;
};
/* NULL without memory; then unref was not called. */
REPLICA_INTERNAL replica_conflict *replica__conflict_new(const struct replica__conflict_parts *p);
/* The program never saw it. */
REPLICA_INTERNAL void replica__conflict_free(replica_conflict *c);

#endif
