/* What the files of the JSON floor share: strings as they are spelled, names, and the way through
 * text that has passed the gate.
 *
 * A spelled string is what stands between its quotes.  All of this trusts the text: only
 * json_scan.c reads text that nobody has read before. */
#ifndef BASE_JSON_INTERNAL_H
#define BASE_JSON_INTERNAL_H

#include "base/json.h"

#include <string.h>

/* Nothing deeper passes the gate, whatever the limits say, so that all others may recurse. */
enum { JSON_DEPTH_CEILING = 1000, JSON_DEPTH_DEFAULT = 100 };

/* ---- bytes ----------------------------------------------------------------------- */

#define JSON_EACH(byte) (UINT64_C(0x0101010101010101) * (byte))

/* Eight bytes with the first one lowest, on every machine. */
static inline uint64_t json_load(const char *at)
{
    uint64_t x;

    memcpy(&x, at, sizeof(x));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    x = __builtin_bswap64(x);
#endif
    return x;
}

static inline uint64_t json_load4(const char *at)
{
    uint32_t x;

    memcpy(&x, at, sizeof(x));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    x = __builtin_bswap32(x);
#endif
    return x;
}

static inline bool json_is_blank(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static inline const char *json_skip_blank(const char *at, const char *end)
{
    while (at < end && (unsigned char)*at <= ' ' && json_is_blank(*at))
        at++;
    return at;
}

/* ---- json_string.c: strings ------------------------------------------------------ */

/* Bytes of the UTF-8 character at at, which is no ASCII; 0: it is none.  No text is trusted. */
size_t replica__utf8_width(const char *at, const char *end);

/* Behind the closing quote of the string whose first byte behind the opening quote is at. */
const char *replica__json_skip_string(const char *at, const char *end);

/* Decode what stands at *at, a plain byte or an escape, into 1 to 4 bytes; returns how many. */
size_t replica__json_decode(const char **at, const char *end, char to[4]);

/* Order of what two spelled strings mean: by their bytes. */
int replica__json_string_compare(struct replica__slice a, struct replica__slice b);

/* ---- json_names.c: the names of one object --------------------------------------- */

/* 64 bits of a name: equal names have equal signatures.  Cheap, and no protection against somebody
 * who looks for names with the same one: whoever uses it compares the names as well. */
struct json_name {
    uint64_t signature;
    struct replica__slice spelled;
};

uint64_t replica__json_signature_escaped(struct replica__slice spelled);
struct json_name replica__json_name(struct replica__slice spelled);

static inline uint64_t json_signature_mix(uint64_t first, uint64_t last, size_t len)
{
    uint64_t x = first ^ (last << 29 | last >> 35);

    return (x + len) * UINT64_C(0x9E3779B97F4A7C15);
}

/* Fewer than 8 bytes with zeros behind them: loads that overlap, and agree where they do. */
static inline uint64_t json_load_short(const char *at, size_t len)
{
    const unsigned char *u = (const unsigned char *)at;

    if (len >= 4)
        return json_load4(at) | json_load4(at + len - 4) << (8 * (len - 4));
    if (len == 0)
        return 0;
    return u[0] | (uint64_t)u[len / 2] << (8 * (len / 2)) | (uint64_t)u[len - 1] << (8 * (len - 1));
}

static inline uint64_t json_signature(struct replica__slice spelled, bool escaped)
{
    const char *at = spelled.data;
    size_t len = spelled.len;

    if (escaped)
        return replica__json_signature_escaped(spelled);
    if (len < 8)
        return json_signature_mix(json_load_short(at, len), 0, len);
    return json_signature_mix(json_load(at), json_load(at + len - 8), len);
}

int replica__json_name_compare(const struct json_name *a, const struct json_name *b);

/* Sort in place without memory of its own, n log n at worst. */
void replica__json_names_sort(struct json_name *names, size_t n);
/* Among sorted names; NULL if it is not there. */
struct json_name *replica__json_names_find(struct json_name *names, size_t n,
                                           const struct json_name *name);

/* All names of the object, or of what is left of it to walk, sorted; NULL: no memory.  The array
 * is yours to replica__free(). */
struct json_name *replica__json_names(struct replica__json_iter it, bool skip_reserved,
                                      size_t *ret_n);

bool replica__json_escaped_underscore(struct replica__slice spelled);

/* It starts with an underscore. */
static inline bool json_name_reserved(struct replica__slice spelled)
{
    if (spelled.len == 0 || (spelled.data[0] != '_' && spelled.data[0] != '\\'))
        return false;
    return spelled.data[0] == '_' || replica__json_escaped_underscore(spelled);
}

/* ---- hashing --------------------------------------------------------------------- */

/* Digests go from one machine to another: these steps are part of the protocol, and the same
 * whatever the machine's byte order and however a text was cut into pieces. */
struct json_hash {
    uint64_t state;
    uint64_t word; /* up to 7 bytes that wait for company */
    uint64_t len;
};
#define JSON_HASH_INIT { UINT64_C(0x243F6A8885A308D3), 0, 0 }

static inline uint64_t json_hash_mix(uint64_t state, uint64_t word)
{
    word *= UINT64_C(0x9E3779B97F4A7C15);
    word ^= word >> 32;
    state = (state ^ word) * UINT64_C(0xD6E8FEB86659FD93);
    return state ^ state >> 32;
}

static inline void json_hash_byte(struct json_hash *h, unsigned char byte)
{
    h->word |= (uint64_t)byte << (8 * (h->len & 7));
    if ((++h->len & 7) == 0) {
        h->state = json_hash_mix(h->state, h->word);
        h->word = 0;
    }
}

static inline uint64_t json_hash_end(const struct json_hash *h)
{
    return json_hash_mix(json_hash_mix(h->state, h->word), h->len);
}

/* ---- json_digest.c --------------------------------------------------------------- */

/* The digest of any value, its reserved members too. */
uint64_t replica__json_digest_whole(struct replica__json_value v);

/* ---- json_value.c: through gated text -------------------------------------------- */

/* Behind the value that starts at at. */
const char *replica__json_skip_value(const char *at, const char *end);
/* The value of the member whose spelled name this is; end is where its object ends. */
struct replica__json_value replica__json_value_of(struct replica__slice name, const char *end);

/* ---- json_number.c: decimals ----------------------------------------------------- */

/* 64 bits of a number's exact value. */
uint64_t replica__json_number_digest(struct replica__slice number);

/* ---- json_edit.c: changing an object in place ------------------------------------- */

/* One pass over an object's members that copies what stays and drops or replaces the rest.  A
 * member that goes takes its comma along and leaves the white space behind it. */
struct json_edit {
    struct replica__buf *out;
    struct replica__json_iter it; /* it.name and it.value are the member at hand */
    const char *start;            /* the object's '{' */
    const char *from;             /* the text from here on was neither copied nor dropped yet */
    const char *last;             /* behind the last member that stays, or behind '{' */
    size_t kept;                  /* members that are in out, or will be */
};

struct json_edit replica__json_edit(struct replica__json_value object, struct replica__buf *out);
bool replica__json_edit_next(struct json_edit *e);
void replica__json_edit_keep(struct json_edit *e);
void replica__json_edit_cut(struct json_edit *e);
/* Keep the member's name; the caller then appends the new value to out. */
void replica__json_edit_replace(struct json_edit *e);
/* Behind the last one: the caller then appends name, ':' and value. */
void replica__json_edit_append(struct json_edit *e);
void replica__json_edit_finish(struct json_edit *e);

#endif
