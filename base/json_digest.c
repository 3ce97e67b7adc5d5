/* 64 bits of a document's content, equal where replica__json_equal() says equal.
 *
 * Members are added up, so that their order does not matter; strings count as what they mean and
 * numbers as their exact value.  No secret is in it: whoever wants two documents with one digest
 * will find them, and gains that a reconciliation misses the difference. */
#include "base/json_internal.h"

static uint64_t digest_string(struct replica__slice spelled)
{
    struct json_hash h = JSON_HASH_INIT;
    const char *at = spelled.data;
    const char *end = at + spelled.len;

    while (at < end) {
        char bytes[4];
        size_t n;

        while ((h.len & 7) == 0 && end - at >= 8 && !memchr(at, '\\', 8)) {
            h.state = json_hash_mix(h.state, json_load(at));
            h.len += 8;
            at += 8;
        }
        if (at == end)
            break;
        n = replica__json_decode(&at, end, bytes);
        for (size_t i = 0; i < n; i++)
            json_hash_byte(&h, (unsigned char)bytes[i]);
    }
    return json_hash_end(&h);
}

static uint64_t digest_value(struct replica__json_value v, bool skip_reserved)
{
    struct replica__json_iter it = replica__json_iter(v);
    uint64_t digest = (uint64_t)v.type;

    switch (v.type) {
    case REPLICA_JSON_NUMBER:
        return json_hash_mix(digest, replica__json_number_digest(v.text));
    case REPLICA_JSON_STRING:
        return json_hash_mix(digest, digest_string((struct replica__slice){ v.text.data + 1,
                                                                           v.text.len - 2 }));
    case REPLICA_JSON_ARRAY:
        while (replica__json_next(&it))
            digest = json_hash_mix(digest, digest_value(it.value, false));
        break;
    case REPLICA_JSON_OBJECT:
        while (replica__json_next(&it)) {
            if (!skip_reserved || !json_name_reserved(it.name))
                digest += json_hash_mix(digest_string(it.name), digest_value(it.value, false));
        }
        break;
    default:
        break;
    }
    return json_hash_mix(digest, (uint64_t)v.type);
}

uint64_t replica__json_digest(const char *text, size_t len)
{
    return digest_value(replica__json_value(text, len), true);
}

uint64_t replica__json_digest_whole(struct replica__json_value v)
{
    return digest_value(v, false);
}
