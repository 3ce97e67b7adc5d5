/* JSON as text: a gate that every document passes, and ways to look into what passed it.
 *
 * Nothing here builds a tree.  The scanner validates (RFC 8259, UTF-8, duplicate keys compared
 * after unescaping, depth, size) and finds in the same pass what the hot path needs of a document:
 * where it ends, its primary key, `_deleted`, and its reserved members.  Everything that takes a
 * "value" takes text that has passed the gate, and asserts instead of checking again.
 *
 * Lone surrogate escapes ("\ud800") are text and are kept.  Numbers are never refused for their
 * size.  Byte offsets count from the start of the text that was given. */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include "base/buf.h"
#include "libreplica/libreplica.h"

#include <stdbool.h>

struct replica__slice {
    const char *data; /* not NUL-terminated */
    size_t len;
};

struct replica__json_limits {
    size_t max_bytes; /* of one document; 0: no limit */
    int max_depth;    /* 0: 100; more than 1000 is 1000.  The outermost container is depth 1 */
};

/* ---- the gate -------------------------------------------------------------------- */

/* Is the whole text one JSON value?  0, REPLICA_EJSON or REPLICA_ELIMIT (err->offset set, the
 * message names what was expected there), REPLICA_ENOMEM. */
REPLICA_INTERNAL int replica__json_check(const char *text, size_t len,
                                         const struct replica__json_limits *limits,
                                         replica_error *err);

/* What one pass over a document finds. */
struct replica__json_doc {
    struct replica__slice text; /* from its '{' to its '}' */
    struct replica__slice key;  /* the primary key's text between its quotes, as spelled;
                                 * data NULL: there is none at top level, or it is no string */
    bool key_escaped;           /* it contains a '\': unescape before use */
    bool deleted;               /* top level "_deleted": true */
    bool reserved;              /* has top-level names with a leading underscore */
};

/* Scan the document that starts at text[*pos] (white space before it is skipped) and move *pos
 * behind it.  key: the name of the primary key field, or NULL to look for none.  A "_deleted" that
 * is neither true nor false is REPLICA_EJSON.  A missing key is not an error here: the caller
 * words it.  Outputs are untouched on failure. */
REPLICA_INTERNAL int replica__json_scan(const char *text, size_t len, size_t *pos, const char *key,
                                        const struct replica__json_limits *limits,
                                        struct replica__json_doc *ret_doc, replica_error *err);

/* The document's text without its reserved members and their commas; every other byte is kept.
 * What replica__json_add_member() put there goes without a trace. */
REPLICA_INTERNAL void replica__json_cut_reserved(const struct replica__json_doc *doc,
                                                 struct replica__buf *out);

/* ---- looking into a value that has passed the gate ------------------------------- */

enum replica__json_type {
    REPLICA_JSON_NONE = 0,
    REPLICA_JSON_NULL,
    REPLICA_JSON_FALSE,
    REPLICA_JSON_TRUE,
    REPLICA_JSON_NUMBER,
    REPLICA_JSON_STRING,
    REPLICA_JSON_ARRAY,
    REPLICA_JSON_OBJECT
};

struct replica__json_value {
    enum replica__json_type type;
    struct replica__slice text; /* the whole value: a string with its quotes */
};

/* The value that text is; white space around it is dropped. */
REPLICA_INTERNAL struct replica__json_value replica__json_value(const char *text, size_t len);

/* Walk the members of an object or the elements of an array.
 *     struct replica__json_iter it = replica__json_iter(v);
 *     while (replica__json_next(&it)) use(it.name, it.value); */
struct replica__json_iter {
    const char *at;
    const char *end;
    struct replica__slice name; /* of a member, as spelled, between its quotes */
    struct replica__json_value value;
};
REPLICA_INTERNAL struct replica__json_iter replica__json_iter(struct replica__json_value v);
REPLICA_INTERNAL bool replica__json_next(struct replica__json_iter *it);
/* How many there are: of anything else, none. */
REPLICA_INTERNAL size_t replica__json_count(struct replica__json_value v);

/* The member called name (unescaped UTF-8, len may be REPLICA_NUL); type NONE if there is none. */
REPLICA_INTERNAL struct replica__json_value replica__json_member(struct replica__json_value v,
                                                                 const char *name, size_t len);

/* Does the string as spelled between its quotes mean this text? */
REPLICA_INTERNAL bool replica__json_string_is(struct replica__slice spelled, const char *text,
                                              size_t len);
/* Append what a string means (spelled: between its quotes).  U+0000 becomes a NUL byte; a lone
 * surrogate becomes its three bytes (WTF-8), so that different strings stay different. */
REPLICA_INTERNAL void replica__json_unescape(struct replica__slice spelled,
                                             struct replica__buf *out);
/* true and the value if it is an integer that fits, however it is spelled (1e3 does). */
REPLICA_INTERNAL bool replica__json_int(struct replica__json_value v, int64_t *ret);
REPLICA_INTERNAL double replica__json_double(struct replica__json_value v); /* of a NUMBER */

/* Order of two NUMBERs by their exact decimal value, -0 being 0: < 0, 0, > 0. */
REPLICA_INTERNAL int replica__json_number_compare(struct replica__slice a,
                                                  struct replica__slice b);

/* ---- comparing ------------------------------------------------------------------- */

#define REPLICA_JSON_AS_JAVASCRIPT (1u << 0)  /* numbers as doubles, -0 as 0; else exact decimals */
#define REPLICA_JSON_SKIP_RESERVED (1u << 1) /* top-level names with an underscore do not count */

/* Same content: members in any order, strings by what they mean.  1, 0, or REPLICA_ENOMEM. */
REPLICA_INTERNAL int replica__json_equal(const char *a, size_t a_len, const char *b, size_t b_len,
                                         unsigned flags);

/* ---- changing -------------------------------------------------------------------- */

/* RFC 7396: what patch does not name keeps its bytes and its place; new members go behind the
 * last one.  Both have passed the gate.  An object target and an object patch at top level.
 * out->r tells of a failure, as with all that append. */
REPLICA_INTERNAL void replica__json_merge_patch(const char *target, size_t target_len,
                                                const char *patch, size_t patch_len,
                                                struct replica__buf *out);

/* The document's text with `"name":value` behind its last member, unless value is NULL. */
REPLICA_INTERNAL void replica__json_add_member(const char *text, size_t len, const char *name,
                                               const char *value, struct replica__buf *out);

/* The text without the members at top level that have these names; every other byte is kept. */
REPLICA_INTERNAL void replica__json_cut_members(const char *text, size_t len,
                                                const char *const *names, size_t n,
                                                struct replica__buf *out);

/* The text of `next`, in which each value that is the same in `stored`, as JavaScript reads it, has
 * the bytes it has there: what a peer printed again without changing it keeps its spelling. */
REPLICA_INTERNAL void replica__json_keep_spelling(const char *stored, size_t stored_len,
                                                  const char *next, size_t next_len,
                                                  struct replica__buf *out);

/* 64 bits of a document's content: equal content in the sense of REPLICA_JSON_SKIP_RESERVED gives
 * equal digests, whatever the order of members and the spelling of strings and numbers.  The same
 * on every machine, and part of the protocol. */
REPLICA_INTERNAL uint64_t replica__json_digest(const char *text, size_t len);

#endif
