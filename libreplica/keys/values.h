/* One value of many: of each document that takes part there is what it contributes, so that the
 * count, the sum, the least, the greatest or the latest follows each change without looking at the
 * others. */
#ifndef LIBREPLICA_KEYS_VALUES_H
#define LIBREPLICA_KEYS_VALUES_H

#include "base/buf.h"
#include "base/json.h"

struct replica__value; /* of one document */

struct replica__values {
    int what;                      /* REPLICA_DERIVE_... */
    struct replica__value **slots; /* by id, chained; a power of two */
    size_t slot_count, n;
    struct replica__value **heap;  /* the first one is the least, greatest or latest */
    size_t room;
    struct replica__buf sum;
};

/* What the document contributes from now on: v; of type NONE: it has no value.  written: which one
 * is the latest; of two, the one with the higher sequence number.  REPLICA_ENOMEM: all is to be
 * cleared and set anew. */
int replica__values_set(struct replica__values *values, const char *id,
                        struct replica__json_value v, int64_t written, int64_t sequence);
/* It takes part no longer, if it did. */
int replica__values_remove(struct replica__values *values, const char *id);
/* Append the value.  1; 0: there is none; REPLICA_ENOMEM. */
int replica__values_write(const struct replica__values *values, struct replica__buf *out);
void replica__values_clear(struct replica__values *values);

#endif
