/* Values as keys: bytes whose order (memcmp) is the order of the values.
 *
 *     missing < [] < null < numbers < strings < objects < arrays inside arrays < false < true
 *
 * which is MongoDB's order as mingo has it.  Numbers by their exact decimal value, whatever their
 * spelling and size; strings by UTF-16 code units, as JavaScript compares; an array by its elements
 * in ascending order, and so before everything greater than its smallest one; an object by its
 * sorted names, then its values.  Two values have the same key if and only if they are
 * equal in this order.  No key is the beginning of another one, so that keys can be joined.
 *
 * Indexes are made of these bytes, so they are part of the file format: docs/format.md. */
#ifndef LIBREPLICA_KEY_H
#define LIBREPLICA_KEY_H

#include "base/buf.h"
#include "base/json.h"

#include <stdbool.h>
#include <string.h>

/* Append the key of v (type NONE: missing). */
void replica__key_add(struct replica__buf *out, struct replica__json_value v);
/* Append the key of a string that is not JSON (unescaped UTF-8): the primary key's. */
void replica__key_add_text(struct replica__buf *out, const char *text, size_t len);
/* First byte of each class of keys: a class is [tag, tag + 1), with the arrays whose smallest
 * element is of it.  TRUE follows FALSE at once.  ARRAY: arrays inside of arrays. */
unsigned char replica__key_class(enum replica__json_type type);
/* Turn the order of out's bytes from `from` on around: for descending sorts. */
void replica__key_invert(struct replica__buf *out, size_t from);

/* The order of keys, or of whatever is made of them: < 0, 0, > 0. */
static inline int replica__key_order(const void *a, size_t a_len, const void *b, size_t b_len)
{
    size_t len = a_len < b_len ? a_len : b_len;
    int order = len ? memcmp(a, b, len) : 0;

    return order ? order : (a_len > b_len) - (a_len < b_len);
}

/* ---- paths ----------------------------------------------------------------------- */

/* "a.b.0": the way to a value, as mingo goes it.  A name in an object, a number in an array
 * too. */
struct replica__path {
    char *text;
    struct replica__slice *parts; /* into text */
    size_t n;
};
/* REPLICA_EINVAL: empty, or with an empty part. */
int replica__path_parse(const char *text, size_t len, struct replica__path *ret,
                        replica_error *err);
void replica__path_free(struct replica__path *path);

/* The one value at the path, arrays not entered but by number; type NONE: missing.
 * *ret_array (may be NULL): an array stands on the way (or at its end), so that a query may see
 * more than this value. */
struct replica__json_value replica__path_value(const struct replica__path *path, const char *json,
                                               size_t len, bool *ret_array);
/* Every value that a query may compare at this path: what mingo sees there (arrays on the way give
 * an array of what is behind their elements; type NONE: missing), and if that is an array, its
 * elements, and theirs.  A value may come twice.  fn gets each, for the call; it stops at a result
 * other than 0, which is returned.  REPLICA_ENOMEM. */
int replica__path_each(const struct replica__path *path, const char *json, size_t len,
                       int (*fn)(void *ctx, struct replica__json_value v), void *ctx);

#endif
