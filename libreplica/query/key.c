/* Values as keys: docs/format.md has the bytes.
 *
 * A key is the value's inner form and one byte behind it: 0 if it is the value's own, 1 behind the
 * sorted elements of an array, so that an array stands right behind its smallest element.  Inside
 * of others an array has a class of its own instead.  No inner form is the beginning of another
 * one. */
#include "libreplica/query/key_internal.h"

#include "base/alloc.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static const unsigned char tags[] = {
    [REPLICA_JSON_NONE] = KEY_MISSING,  [REPLICA_JSON_NULL] = KEY_NULL,
    [REPLICA_JSON_FALSE] = KEY_FALSE,   [REPLICA_JSON_TRUE] = KEY_TRUE,
    [REPLICA_JSON_NUMBER] = KEY_NUMBER, [REPLICA_JSON_STRING] = KEY_STRING,
    [REPLICA_JSON_ARRAY] = KEY_ARRAY,   [REPLICA_JSON_OBJECT] = KEY_OBJECT,
};

unsigned char replica__key_class(enum replica__json_type type)
{
    return tags[type];
}

void replica__key_invert(struct replica__buf *out, size_t from)
{
    for (size_t i = from; i < out->len; i++)
        out->data[i] = (char)~out->data[i];
}

/* ---- strings --------------------------------------------------------------------- */

/* Four bytes of UTF-8 as the six of its two surrogates: their order is that of UTF-16. */
static size_t split(const char *at, char to[6])
{
    const unsigned char *u = (const unsigned char *)at;
    uint32_t c = (u[0] & 0x07u) << 18 | (u[1] & 0x3Fu) << 12 | (u[2] & 0x3Fu) << 6 | (u[3] & 0x3Fu);
    uint32_t high = 0xD800 + ((c - 0x10000) >> 10);
    uint32_t low = 0xDC00 + (c & 0x3FF);

    to[0] = (char)0xED;
    to[1] = (char)(0x80 | (high >> 6 & 0x3F));
    to[2] = (char)(0x80 | (high & 0x3F));
    to[3] = (char)0xED;
    to[4] = (char)(0x80 | (low >> 6 & 0x3F));
    to[5] = (char)(0x80 | (low & 0x3F));
    return 6;
}

/* Of one character, decoded: what stands for it. */
static size_t spell(const char *at, char to[6])
{
    if ((unsigned char)*at >= 0xF0)
        return split(at, to);
    to[0] = *at;
    to[1] = (char)0xFF;
    return *at == '\0' ? 2 : 1;
}

/* Text, JSON's escapes meant if escaped, without an end. */
static void add_characters(struct replica__buf *out, const char *at, size_t len, bool escaped)
{
    const char *end = at + len;
    char *start = replica__buf_reserve(out, len * 2 + 6); /* a NUL has two, others at most half
                                                           * as much again */
    char *to = start;

    if (!to)
        return;
    while (at < end) {
        unsigned char c = (unsigned char)*at;

        if (c == '\\' && escaped) {
            char bytes[4];
            size_t n = replica__json_decode(&at, end, bytes);

            if (n == 1 || n == 4) {
                to += spell(bytes, to);
            } else {
                memcpy(to, bytes, n);
                to += n;
            }
        } else if (c >= 0xF0 && end - at >= 4) {
            to += split(at, to);
            at += 4;
        } else if (c == '\0') {
            to += spell(at++, to);
        } else {
            *to++ = *at++;
        }
    }
    *to = '\0';
    out->len += (size_t)(to - start);
}

void replica__key_prefix(struct replica__buf *out, const char *text, size_t len)
{
    replica__buf_char(out, (char)KEY_STRING);
    add_characters(out, text, len, false);
}

void replica__key_add_text(struct replica__buf *out, const char *text, size_t len)
{
    replica__key_prefix(out, text, len);
    replica__buf_add(out, "\0\0", 2); /* the string's end, the key's end */
}

static void add_string(struct replica__buf *out, const char *spelled, size_t len)
{
    replica__buf_char(out, (char)KEY_STRING);
    add_characters(out, spelled, len, true);
    replica__buf_char(out, 0);
}

/* ---- arrays and objects ---------------------------------------------------------- */

struct piece {
    const char *bytes; /* NULL until all are there: the room they are in moves */
    size_t from;
    size_t len;
    struct replica__json_value value; /* of a member */
};

static int compare_pieces(const void *a, const void *b)
{
    const struct piece *x = a;
    const struct piece *y = b;
    return replica__key_order(x->bytes, x->len, y->bytes, y->len);
}

/* The inner forms of an array's elements, or the names of an object's members, in order. */
static struct piece *sorted_pieces(struct replica__json_value v, struct replica__buf *room,
                                   size_t *ret_n)
{
    struct replica__json_iter it = replica__json_iter(v);
    size_t n = replica__json_count(v);
    struct piece *pieces = replica__realloc(NULL, n, sizeof(*pieces));

    if (!pieces)
        return NULL;
    for (size_t i = 0; replica__json_next(&it); i++) {
        pieces[i].from = room->len;
        pieces[i].value = it.value;
        if (v.type == REPLICA_JSON_OBJECT)
            add_string(room, it.name.data, it.name.len);
        else
            replica__key_add_inner(room, it.value);
        pieces[i].len = room->len - pieces[i].from;
    }
    for (size_t i = 0; i < n && room->r == 0; i++)
        pieces[i].bytes = room->data + pieces[i].from;
    if (n > 1 && room->r == 0)
        qsort(pieces, n, sizeof(*pieces), compare_pieces);
    *ret_n = n;
    return pieces;
}

static void fail(struct replica__buf *out, int r)
{
    if (out->r == 0)
        out->r = r;
}

/* Elements or names, and an end.  The values of members may still be read: NULL without memory. */
static struct piece *add_pieces(struct replica__buf *out, struct replica__json_value v,
                                size_t *ret_n)
{
    REPLICA_BUF room = REPLICA_BUF_INIT;
    struct piece *pieces = sorted_pieces(v, &room, ret_n);

    if (!pieces || room.r < 0) {
        fail(out, room.r < 0 ? room.r : REPLICA_ENOMEM);
        replica__free(pieces);
        return NULL;
    }
    for (size_t i = 0; i < *ret_n; i++)
        replica__buf_add(out, pieces[i].bytes, pieces[i].len);
    replica__buf_char(out, 1);
    return pieces;
}

static void add_elements(struct replica__buf *out, struct replica__json_value v)
{
    size_t n = 0;

    replica__free(add_pieces(out, v, &n));
}

/* The names, an end, the values: there are as many. */
static void add_object(struct replica__buf *out, struct replica__json_value v)
{
    size_t n = 0;
    REPLICA_FREE struct piece *pieces = add_pieces(out, v, &n);

    for (size_t i = 0; pieces && i < n; i++)
        replica__key_add_inner(out, pieces[i].value);
}

/* ---- values ---------------------------------------------------------------------- */

void replica__key_add_inner(struct replica__buf *out, struct replica__json_value v)
{
    switch (v.type) {
    case REPLICA_JSON_STRING:
        add_string(out, v.text.data + 1, v.text.len - 2);
        return;
    case REPLICA_JSON_NUMBER:
        replica__buf_char(out, (char)KEY_NUMBER);
        replica__key_add_number(out, v.text);
        return;
    case REPLICA_JSON_ARRAY:
        replica__buf_char(out, (char)KEY_ARRAY);
        add_elements(out, v);
        return;
    case REPLICA_JSON_OBJECT:
        replica__buf_char(out, (char)KEY_OBJECT);
        add_object(out, v);
        return;
    default:
        replica__buf_char(out, (char)tags[v.type]);
        return;
    }
}

void replica__key_add(struct replica__buf *out, struct replica__json_value v)
{
    struct replica__json_iter it;

    if (v.type != REPLICA_JSON_ARRAY) {
        replica__key_add_inner(out, v);
        replica__buf_char(out, 0);
        return;
    }
    it = replica__json_iter(v);
    if (!replica__json_next(&it))
        replica__buf_char(out, (char)KEY_EMPTY);
    add_elements(out, v);
}
