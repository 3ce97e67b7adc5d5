#include "replicator/verify_found.h"

#include "base/alloc.h"
#include "base/error.h"

static uint64_t hash_of(size_t coll, const char *id)
{
    uint64_t hash = 0xcbf29ce484222325u ^ coll;

    for (; *id; id++)
        hash = (hash ^ (unsigned char)*id) * 0x100000001b3u;
    hash ^= hash >> 29;
    return hash ? hash : 1;
}

static size_t slot_of(const uint64_t *hashes, size_t room, uint64_t hash)
{
    size_t slot = hash % room;

    while (hashes[slot] && hashes[slot] != hash)
        slot = (slot + 1) % room;
    return slot;
}

/* At most half of it is taken. */
static int grow(struct replica__found *found, replica_error *err)
{
    size_t room = found->room ? found->room * 2 : 256;
    uint64_t *more;

    if (found->n * 2 < found->room)
        return 0;
    if (found->n > REPLICA__FOUND_MOST)
        return replica__error_set(err, REPLICA_ELIMIT, 0, "more than %d documents differ",
                                  REPLICA__FOUND_MOST);
    more = replica__alloc_zero(room, sizeof *more);
    if (!more)
        return replica__enomem(err);
    for (size_t i = 0; i < found->room; i++) {
        if (found->hashes[i])
            more[slot_of(more, room, found->hashes[i])] = found->hashes[i];
    }
    replica__free(found->hashes);
    found->hashes = more;
    found->room = room;
    return 0;
}

int replica__found_add(struct replica__found *found, size_t coll, const char *id,
                       replica_error *err)
{
    uint64_t hash = hash_of(coll, id);
    int r = grow(found, err);
    size_t slot;

    if (r < 0)
        return r;
    slot = slot_of(found->hashes, found->room, hash);
    if (found->hashes[slot])
        return 0;
    found->hashes[slot] = hash;
    found->n++;
    return 1;
}

void replica__found_free(struct replica__found *found)
{
    replica__free(found->hashes);
    *found = (struct replica__found){ 0 };
}
