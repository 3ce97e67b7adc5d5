/* A query as it was understood: selector, sort, window, fields.
 *
 * Parsed once from the text, immutable, asked often.  The matcher walks the document's text; it
 * builds no tree and allocates only where regular expressions or escapes ask for it. */
#ifndef LIBREPLICA_MANGO_H
#define LIBREPLICA_MANGO_H

#include "libreplica/filter.h"
#include "libreplica/query/key.h"

/* replica__selector_parse(), _match() and _free() are in libreplica/filter.h. */

/* What every match must fulfil at one path, as far as an index can tell: the values that
 * replica__path_each() gives, as keys; one of them at least lies in one of these ranges. */
struct replica__range_of_keys {
    const char *low, *high;         /* low <= key < high, as bytes */
    size_t low_len, high_len;
};
struct replica__condition {
    const char *path;               /* as it is written */
    const struct replica__range_of_keys *ranges; /* ascending, apart from each other */
    size_t n;
    /* The same where the path meets no array: there the one value must fulfil all that is asked of
     * it at once ({"$gt": 1, "$lt": 5}; in an array two elements may do that).  It lies in one of
     * these, which lie in the ranges above; they may be none at all. */
    const struct replica__range_of_keys *narrow;
    size_t narrow_n;
    bool point;                     /* each range of narrow is one value: an index may be used
                                     * behind it */
    bool exact;                     /* where the path meets no array, narrow says it all */
};
/* The conditions that are joined by "and", one for each path that has any.  Borrowed from s. */
size_t replica__selector_conditions(const struct replica__selector *s,
                                    const struct replica__condition **ret);
/* Nothing else is asked than these conditions (each exact). */
bool replica__selector_only_conditions(const struct replica__selector *s);

/* ---- the whole query ------------------------------------------------------------- */

struct replica__sort {
    struct replica__path path;
    bool descending;
};
struct replica__query {
    struct replica__selector *selector; /* NULL: all */
    struct replica__sort *sort;         /* the primary key comes behind it by itself */
    size_t sort_count;
    int64_t skip;
    int64_t limit;                      /* -1: none */
    struct replica__path *fields;
    size_t field_count;                 /* 0: the whole document */
    char **hint;                        /* "index": fields or a name */
    size_t hint_count;
};
int replica__query_parse(const char *json, size_t len, struct replica__query **ret,
                         replica_error *err);
void replica__query_free(struct replica__query *q); /* NULL is fine */
/* Where the document belongs in the result: bytes in the order of the sort, then of its id. */
void replica__query_place(const struct replica__query *q, const char *json, size_t len,
                          const char *id, size_t id_len, struct replica__buf *out);
/* The document's text with the asked fields and `key` only, values byte for byte. */
void replica__query_project(const struct replica__query *q, const char *key, const char *json,
                            size_t len, struct replica__buf *out);

#endif
