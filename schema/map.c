#include "schema/map.h"

#include "base/alloc.h"
#include "libreplica/libreplica.h"

static struct replica__map_slot *slot_of(const struct replica__map *map, uint64_t key)
{
    size_t i = (size_t)((key * UINT64_C(0x9E3779B97F4A7C15)) >> 32) & (map->room - 1);

    while (map->slots[i].key && map->slots[i].key != key)
        i = (i + 1) & (map->room - 1);
    return &map->slots[i];
}

void *replica__map_get(const struct replica__map *map, uint64_t key)
{
    return map->room ? slot_of(map, key)->value : NULL;
}

static int grow(struct replica__map *map)
{
    struct replica__map larger = { .n = map->n, .room = map->room ? map->room * 2 : 32 };

    larger.slots = replica__alloc_zero(larger.room, sizeof(*larger.slots));
    if (!larger.slots)
        return REPLICA_ENOMEM;
    for (size_t i = 0; i < map->room; i++) {
        if (map->slots[i].key)
            *slot_of(&larger, map->slots[i].key) = map->slots[i];
    }
    replica__free(map->slots);
    *map = larger;
    return 0;
}

int replica__map_set(struct replica__map *map, uint64_t key, void *value)
{
    struct replica__map_slot *slot;

    if (map->n * 2 >= map->room && grow(map) < 0)
        return REPLICA_ENOMEM;
    slot = slot_of(map, key);
    map->n += !slot->key;
    *slot = (struct replica__map_slot){ key, value };
    return 0;
}

void replica__map_free(struct replica__map *map)
{
    replica__free(map->slots);
    *map = (struct replica__map){ NULL, 0, 0 };
}
