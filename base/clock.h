/* The world that a test can replace: what time is it, and the dice. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include "libreplica/export.h"

#include <stdint.h>

struct replica__world {
    int64_t (*now_ms)(void *ctx);       /* wall clock, since 1970 */
    int64_t (*monotonic_ms)(void *ctx); /* grows */
    uint64_t (*random)(void *ctx);      /* 64 unpredictable bits */
    void *ctx;
};

extern REPLICA_INTERNAL const struct replica__world replica__real_world;

#endif
