/* Strings as they are spelled in JSON, and what they mean.
 *
 * Two spellings mean the same if they decode to the same bytes: UTF-8, with three bytes for a lone
 * surrogate, and a NUL for U+0000. */
#include "base/json_internal.h"

#include <assert.h>

const char *replica__json_skip_string(const char *at, const char *end)
{
    while (end - at >= 8) {
        uint64_t x = json_load(at);
        uint64_t quote = x ^ JSON_EACH('"');
        uint64_t slash = x ^ JSON_EACH('\\');
        uint64_t stop = ((quote - JSON_EACH(1)) & ~quote) | ((slash - JSON_EACH(1)) & ~slash);

        stop &= JSON_EACH(0x80);
        if (!stop) {
            at += 8;
            continue;
        }
        at += __builtin_ctzll(stop) / 8;
        if (*at == '"')
            return at + 1;
        at += 2;
    }
    while (at < end && *at != '"')
        at += *at == '\\' ? 2 : 1;
    assert(at < end);
    return at < end ? at + 1 : end;
}

static inline bool is_tail(const char *at)
{
    return ((unsigned char)*at & 0xC0) == 0x80;
}

size_t replica__utf8_width(const char *at, const char *end)
{
    const unsigned char *u = (const unsigned char *)at;
    size_t left = (size_t)(end - at);

    if (u[0] < 0xC2 || u[0] > 0xF4)
        return 0;
    if (u[0] < 0xE0)
        return left >= 2 && is_tail(at + 1) ? 2 : 0;
    if (u[0] < 0xF0) {
        if (left < 3 || !is_tail(at + 1) || !is_tail(at + 2))
            return 0;
        if ((u[0] == 0xE0 && u[1] < 0xA0) || (u[0] == 0xED && u[1] > 0x9F))
            return 0; /* too long a form, or a surrogate */
        return 3;
    }
    if (left < 4 || !is_tail(at + 1) || !is_tail(at + 2) || !is_tail(at + 3))
        return 0;
    if ((u[0] == 0xF0 && u[1] < 0x90) || (u[0] == 0xF4 && u[1] > 0x8F))
        return 0; /* too long a form, or beyond U+10FFFF */
    return 4;
}

static uint32_t hex4(const char *at)
{
    uint32_t x = 0;

    for (int i = 0; i < 4; i++)
        x = x << 4 | (((unsigned char)at[i] & 0xFu) + ((unsigned char)at[i] >> 6) * 9u);
    return x;
}

static size_t encode(uint32_t c, char to[4])
{
    if (c < 0x80) {
        to[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        to[0] = (char)(0xC0 | c >> 6);
        to[1] = (char)(0x80 | (c & 0x3F));
        return 2;
    }
    if (c < 0x10000) {
        to[0] = (char)(0xE0 | c >> 12);
        to[1] = (char)(0x80 | (c >> 6 & 0x3F));
        to[2] = (char)(0x80 | (c & 0x3F));
        return 3;
    }
    to[0] = (char)(0xF0 | c >> 18);
    to[1] = (char)(0x80 | (c >> 12 & 0x3F));
    to[2] = (char)(0x80 | (c >> 6 & 0x3F));
    to[3] = (char)(0x80 | (c & 0x3F));
    return 4;
}

/* \uXXXX, or a pair of them. */
static size_t decode_unicode(const char **at, const char *end, char to[4])
{
    uint32_t c = hex4(*at + 2);

    *at += 6;
    if (c >= 0xD800 && c < 0xDC00 && end - *at >= 6 && (*at)[0] == '\\' && (*at)[1] == 'u') {
        uint32_t low = hex4(*at + 2);

        if (low >= 0xDC00 && low < 0xE000) {
            *at += 6;
            c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
        }
    }
    return encode(c, to);
}

size_t replica__json_decode(const char **at, const char *end, char to[4])
{
    static const char meanings[] = "b\bf\fn\nr\rt\t";

    if (**at != '\\') {
        to[0] = *(*at)++;
        return 1;
    }
    assert(end - *at >= 2);
    if ((*at)[1] == 'u') {
        assert(end - *at >= 6);
        return decode_unicode(at, end, to);
    }
    to[0] = (*at)[1];
    for (size_t i = 0; i < sizeof(meanings) - 1; i += 2) {
        if (meanings[i] == to[0]) {
            to[0] = meanings[i + 1];
            break;
        }
    }
    *at += 2;
    return 1;
}

/* ---- comparing ------------------------------------------------------------------- */

/* Hands out the bytes that a spelled string means, one by one. */
struct reader {
    const char *at;
    const char *end;
    char bytes[4];
    size_t n;
    size_t used;
};

static int next_byte(struct reader *r)
{
    if (r->used == r->n) {
        if (r->at == r->end)
            return -1;
        r->n = replica__json_decode(&r->at, r->end, r->bytes);
        r->used = 0;
    }
    return (unsigned char)r->bytes[r->used++];
}

static bool has_escape(struct replica__slice s)
{
    return s.len > 0 && memchr(s.data, '\\', s.len) != NULL;
}

int replica__json_string_compare(struct replica__slice a, struct replica__slice b)
{
    struct reader ra = { .at = a.data, .end = a.data + a.len };
    struct reader rb = { .at = b.data, .end = b.data + b.len };
    int x;
    int y;

    if (!has_escape(a) && !has_escape(b)) {
        size_t len = a.len < b.len ? a.len : b.len;
        int order = len > 0 ? memcmp(a.data, b.data, len) : 0;

        return order ? order : (a.len > b.len) - (a.len < b.len);
    }
    do {
        x = next_byte(&ra);
        y = next_byte(&rb);
    } while (x == y && x >= 0);
    return x - y;
}

bool replica__json_string_is(struct replica__slice spelled, const char *text, size_t len)
{
    struct reader r = { .at = spelled.data, .end = spelled.data + spelled.len };

    if (len == REPLICA_NUL)
        len = strlen(text);
    if (spelled.len < len) /* no escape is shorter than what it means */
        return false;
    if (!has_escape(spelled))
        return spelled.len == len && (len == 0 || memcmp(spelled.data, text, len) == 0);
    for (size_t i = 0; i < len; i++) {
        if (next_byte(&r) != (unsigned char)text[i])
            return false;
    }
    return next_byte(&r) < 0;
}

void replica__json_unescape(struct replica__slice spelled, struct replica__buf *out)
{
    const char *at = spelled.data;
    const char *end = at + spelled.len;

    while (at < end && out->r == 0) {
        const char *escape = memchr(at, '\\', (size_t)(end - at));
        char bytes[4];

        replica__buf_add(out, at, (size_t)((escape ? escape : end) - at));
        if (!escape)
            break;
        at = escape;
        replica__buf_add(out, bytes, replica__json_decode(&at, end, bytes));
    }
}
