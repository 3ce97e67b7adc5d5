/* The keys that a document has in an index.
 *
 * Mostly it is one: the keys of the fields joined, then the primary key's.  Where arrays stand on
 * the way to a field there is one for each value that a query may compare, and for several such
 * fields one for each combination.  Beyond MAX of those only the first such field varies, and the
 * index is marked `wide`: what is behind its first field then says nothing. */
#ifndef LIBREPLICA_INDEX_KEYS_H
#define LIBREPLICA_INDEX_KEYS_H

#include "base/buf.h"

#include <stdbool.h>

struct replica__index;

struct replica__index_key {
    size_t at, len;    /* in bytes */
    const char *bytes; /* while they are sorted */
};
struct replica__index_keys {
    struct replica__buf bytes;
    struct replica__index_key *keys; /* ascending, each once */
    size_t n, room;
    size_t id_len; /* of the primary key's part, at the end of each */
    bool multikey, wide;
    bool whole; /* no field is missing: a unique index counts it */

    struct replica__buf values; /* for arrays: the keys of each field's values */
    struct replica__index_key *value;
    size_t value_count, value_room;
};

/* 1 and the keys; 0: a partial index does not want it; REPLICA_ENOMEM.  What ret has is used
 * again. */
int replica__index_keys(const struct replica__index *index, const char *json, size_t len,
                        const char *id, size_t id_len, struct replica__index_keys *ret,
                        replica_error *err);
void replica__index_keys_free(struct replica__index_keys *keys);

static inline const char *replica__index_key_at(const struct replica__index_keys *keys, size_t i)
{
    return keys->bytes.data + keys->keys[i].at;
}
/* What is just behind all keys that begin with these bytes, into out (cleared first).  No bytes, or
 * nothing but 0xff: out stays empty, which is the end of all. */
void replica__key_behind(const char *key, size_t len, struct replica__buf *out);

#endif
