/* The digests of reconciliation: XXH3 with 128 bits.
 *
 * Not against forgers (a server could as well lie in the documents), but fast, and so wide that two
 * states which differ have the same one as good as never. */
#define XXH_STATIC_LINKING_ONLY /* its state on the stack */
#include <xxhash.h>

#include "libreplica/replication/range.h"

#include <string.h>

static struct replica__digest digest_of(const char *id, size_t id_len, const void *what, size_t len)
{
    XXH3_state_t state;
    XXH128_hash_t hash;

    XXH3_INITSTATE(&state);
    XXH3_128bits_reset(&state);
    XXH3_128bits_update(&state, id, id_len);
    XXH3_128bits_update(&state, "", 1); /* its NUL */
    XXH3_128bits_update(&state, what, len);
    hash = XXH3_128bits_digest(&state);
    return (struct replica__digest){ hash.high64, hash.low64 };
}

struct replica__digest replica__digest_number(const char *id, size_t id_len, int64_t sequence)
{
    unsigned char bytes[8];

    for (int i = 0; i < 8; i++)
        bytes[i] = (unsigned char)((uint64_t)sequence >> (8 * i));
    return digest_of(id, id_len, bytes, sizeof bytes);
}

struct replica__digest replica__digest_text(const char *id, size_t id_len, const char *json,
                                            size_t len)
{
    return digest_of(id, id_len, json, len);
}

void replica__digest_hex(struct replica__digest digest, char ret_hex[REPLICA__DIGEST_HEX + 1])
{
    static const char digits[] = "0123456789abcdef";

    for (int i = 0; i < 16; i++) {
        ret_hex[i] = digits[digest.high >> (60 - 4 * i) & 15];
        ret_hex[16 + i] = digits[digest.low >> (60 - 4 * i) & 15];
    }
    ret_hex[REPLICA__DIGEST_HEX] = '\0';
}

static bool parse_half(const char *hex, uint64_t *ret)
{
    uint64_t n = 0;

    for (int i = 0; i < 16; i++) {
        if (hex[i] >= '0' && hex[i] <= '9')
            n = n << 4 | (uint64_t)(hex[i] - '0');
        else if (hex[i] >= 'a' && hex[i] <= 'f')
            n = n << 4 | (uint64_t)(hex[i] - 'a' + 10);
        else
            return false;
    }
    *ret = n;
    return true;
}

bool replica__digest_parse(const char *hex, size_t len, struct replica__digest *ret_digest)
{
    struct replica__digest digest;

    if (len != REPLICA__DIGEST_HEX || !parse_half(hex, &digest.high) ||
        !parse_half(hex + 16, &digest.low))
        return false;
    *ret_digest = digest;
    return true;
}
