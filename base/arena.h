/* Many small texts, and other things, that live and die together. */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "libreplica/export.h"

#include <stdbool.h>

struct replica__arena {
    struct replica__arena_chunk *chunks;
    size_t chunk_size;
    bool failed; /* an allocation failed: what it was for is NULL */
};
REPLICA_INTERNAL struct replica__arena *replica__arena_new(size_t chunk_size);
REPLICA_INTERNAL char *replica__arena_copy(struct replica__arena *a, const char *text, size_t len);
/* NULL gives NULL. */
REPLICA_INTERNAL char *replica__arena_text(struct replica__arena *a, const char *text);
/* Zeros, for any type; NULL: no memory. */
REPLICA_INTERNAL void *replica__arena_zero(struct replica__arena *a, size_t n, size_t size);
REPLICA_INTERNAL void replica__arena_free(struct replica__arena *a); /* NULL is fine */

#endif
