/* Values among each other: what is equal, and what comes first.
 *
 * The same order as that of keys, without making any where that can be helped. */
#include "libreplica/query/key_internal.h"
#include "libreplica/query/selector.h"
#include "schema/number.h"

#include <assert.h>
#include <string.h>

bool replica__value_same_kind(struct replica__json_value a, struct replica__json_value b)
{
    bool a_boolean = a.type == REPLICA_JSON_FALSE || a.type == REPLICA_JSON_TRUE;
    bool b_boolean = b.type == REPLICA_JSON_FALSE || b.type == REPLICA_JSON_TRUE;

    return a.type == b.type || (a_boolean && b_boolean);
}

int replica__value_equal(struct replica__json_value a, struct replica__json_value b)
{
    if (a.type != b.type)
        return 0;
    if (a.text.len == b.text.len && memcmp(a.text.data, b.text.data, a.text.len) == 0)
        return 1;
    if (a.type == REPLICA_JSON_OBJECT || a.type == REPLICA_JSON_ARRAY)
        return replica__json_equal(a.text.data, a.text.len, b.text.data, b.text.len, 0);
    return a.type != REPLICA_JSON_NONE && replica__scalar_order(a, b) == 0;
}

/* ---- strings --------------------------------------------------------------------- */

/* Hands out the UTF-16 code units that a spelled string means. */
struct units {
    const char *at;
    const char *end;
    int low; /* the second half of a pair, or -1 */
};

static int32_t code_point(const char *bytes, size_t n)
{
    const unsigned char *u = (const unsigned char *)bytes;

    switch (n) {
    case 1:
        return u[0];
    case 2:
        return (u[0] & 0x1F) << 6 | (u[1] & 0x3F);
    case 3:
        return (u[0] & 0x0F) << 12 | (u[1] & 0x3F) << 6 | (u[2] & 0x3F);
    default:
        return (u[0] & 0x07) << 18 | (u[1] & 0x3F) << 12 | (u[2] & 0x3F) << 6 | (u[3] & 0x3F);
    }
}

static size_t width(unsigned char lead)
{
    return lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
}

static int next_unit(struct units *s)
{
    char bytes[4];
    int32_t c = s->low;
    size_t n;

    s->low = -1;
    if (c >= 0)
        return c;
    if (s->at == s->end)
        return -1;
    if (*s->at == '\\') {
        n = replica__json_decode(&s->at, s->end, bytes);
        c = code_point(bytes, n);
    } else {
        n = width((unsigned char)*s->at);
        c = code_point(s->at, n);
        s->at += n;
    }
    if (c < 0x10000)
        return c;
    s->low = 0xDC00 + (c & 0x3FF);
    return 0xD800 + ((c - 0x10000) >> 10);
}

/* Where the bytes of UTF-8 are not in the order of UTF-16: four of them mean surrogates, which come
 * before U+E000. */
static inline int rank(unsigned char byte)
{
    return byte < 0xEE ? byte : byte < 0xF0 ? byte + 0x10 : byte;
}

static int string_order(struct replica__slice a, struct replica__slice b)
{
    struct units at_a = { a.data, a.data + a.len, -1 };
    struct units at_b = { b.data, b.data + b.len, -1 };
    size_t len = a.len < b.len ? a.len : b.len;
    int x;
    int y;

    if (!memchr(a.data, '\\', a.len) && !memchr(b.data, '\\', b.len)) {
        for (size_t i = 0; i < len; i++) {
            if (a.data[i] != b.data[i])
                return rank((unsigned char)a.data[i]) - rank((unsigned char)b.data[i]);
        }
        return (a.len > b.len) - (a.len < b.len);
    }
    do {
        x = next_unit(&at_a);
        y = next_unit(&at_b);
    } while (x == y && x >= 0);
    return x - y;
}

/* ---- numbers --------------------------------------------------------------------- */

static int number_order(struct replica__slice a, struct replica__slice b)
{
    int64_t x;
    int64_t y;

    if (replica__number_small(a, &x) && replica__number_small(b, &y))
        return (x > y) - (x < y);
    return replica__json_number_compare(a, b);
}

/* ---- both ------------------------------------------------------------------------ */

static struct replica__slice between_quotes(struct replica__json_value v)
{
    return (struct replica__slice){ v.text.data + 1, v.text.len - 2 };
}

int replica__scalar_order(struct replica__json_value a, struct replica__json_value b)
{
    assert(replica__value_same_kind(a, b));
    if (a.type == REPLICA_JSON_NUMBER)
        return number_order(a.text, b.text);
    if (a.type == REPLICA_JSON_STRING)
        return string_order(between_quotes(a), between_quotes(b));
    return (int)a.type - (int)b.type; /* false, true */
}

int replica__container_order(struct replica__json_value a, struct replica__json_value b,
                             int *ret_order)
{
    REPLICA_BUF key_a = REPLICA_BUF_INIT;
    REPLICA_BUF key_b = REPLICA_BUF_INIT;

    replica__key_add_inner(&key_a, a);
    replica__key_add_inner(&key_b, b);
    if (key_a.r < 0 || key_b.r < 0)
        return REPLICA_ENOMEM;
    *ret_order = memcmp(key_a.data, key_b.data, key_a.len < key_b.len ? key_a.len : key_b.len);
    return 0;
}
