/* From 64 bits to a pointer: places in a text to what was made of them, hashes to lists. */
#ifndef SCHEMA_MAP_H
#define SCHEMA_MAP_H

#include <stddef.h>
#include <stdint.h>

struct replica__map {
    struct replica__map_slot {
        uint64_t key; /* 0: free */
        void *value;
    } *slots;
    size_t n;
    size_t room; /* a power of two, or 0 */
};

/* NULL: it is not there.  key: not 0. */
void *replica__map_get(const struct replica__map *map, uint64_t key);
/* Set or replace; 0 or REPLICA_ENOMEM. */
int replica__map_set(struct replica__map *map, uint64_t key, void *value);
void replica__map_free(struct replica__map *map);

static inline uint64_t replica__map_place(const void *at)
{
    return (uint64_t)(uintptr_t)at;
}

#endif
