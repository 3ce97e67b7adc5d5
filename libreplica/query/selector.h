/* A selector as it was understood: groups of terms, a term being a path and what is asked there.
 *
 *     {"country": "DE", "visits": {"$gt": 100, "$not": {"$mod": [2, 0]}}, "$or": [{...}, {...}]}
 *     group: term country: test eq "DE"
 *            term visits:  test gt 100, test not: test mod
 *            term (or):    groups
 *
 * All of it lives in one arena, with a copy of the text, which values are slices of; patterns and
 * paths have owners of their own.  Immutable once parsed. */
#ifndef LIBREPLICA_SELECTOR_H
#define LIBREPLICA_SELECTOR_H

#include "libreplica/query/mango.h"

#include "base/arena.h"
#include "schema/pattern.h"

enum replica__test_op {
    TEST_EQ = 1,
    TEST_NE,
    TEST_GT,
    TEST_GTE,
    TEST_LT,
    TEST_LTE,
    TEST_IN,
    TEST_NIN,
    TEST_EXISTS,
    TEST_TYPE,
    TEST_MOD,
    TEST_REGEX,
    TEST_SIZE,
    TEST_ELEM,
    TEST_ALL,
    TEST_NOT
};

/* Bits of $type. */
enum {
    TYPE_ARRAY = 1 << 0,
    TYPE_BOOLEAN = 1 << 1,
    TYPE_NUMBER = 1 << 2,
    TYPE_INTEGER = 1 << 3,
    TYPE_NULL = 1 << 4,
    TYPE_OBJECT = 1 << 5,
    TYPE_STRING = 1 << 6,
    TYPE_UNDEFINED = 1 << 7 /* missing, or null */
};

struct replica__test {
    enum replica__test_op op;
    struct replica__json_value value;   /* the argument */
    struct replica__json_value *values; /* in, nin: the list's scalars but null, sorted; all: what
                                         * must be there; mod: divisor, remainder */
    size_t value_count;
    struct replica__json_value *others; /* in, nin: the list's arrays and objects */
    size_t other_count;
    bool has_null;                      /* in, nin: null is in the list */
    bool wanted;                        /* exists */
    unsigned types;
    int64_t size;                       /* -1: no array has it */
    struct replica__pattern *pattern;
    unsigned flags;                     /* of it */
    struct replica__slice source;       /* its text, unescaped */
    struct replica__test *tests;        /* not, elem: what the value is asked; all: of elements */
    size_t test_count;
    struct replica__group *group;       /* elem: what an element is asked as a document */
};

enum replica__term_kind { TERM_PATH = 1, TERM_AND, TERM_OR, TERM_NOR };

/* Names at top level of a document that a selector asks for; more are looked up one by one. */
enum { SELECTOR_SLOTS = 24, NO_SLOT = SELECTOR_SLOTS };

struct replica__term {
    enum replica__term_kind kind;
    struct replica__path *path;
    size_t slot;                   /* of the path's first name */
    struct replica__test *tests;   /* joined by and */
    size_t test_count;
    struct replica__group *groups; /* and, or, nor */
    size_t group_count;
};

struct replica__group {
    struct replica__term *terms; /* joined by and */
    size_t n;
};

struct replica__selector {
    struct replica__arena *arena;
    struct replica__group root;
    struct replica__slice slots[SELECTOR_SLOTS];
    size_t slot_count;
    struct replica__condition *conditions;
    size_t condition_count;
    bool only_conditions;
    struct owned {
        struct owned *next;
        struct replica__pattern *pattern;
        struct replica__path path;
    } *owned;
};

/* What a query's text may be: no longer than a document. */
extern const struct replica__json_limits replica__query_limits;
/* Parse v, a part of text, from which offsets count. */
int replica__selector_parse_part(const char *text, struct replica__json_value v,
                                 struct replica__selector **ret, replica_error *err);
/* Is the name that of an operator, known or not? */
bool replica__selector_is_operator(struct replica__slice name);
/* selector_conditions.c: 0 or REPLICA_ENOMEM. */
int replica__selector_find_conditions(struct replica__selector *s);

/* ---- order.c: values among each other, as mingo has it --------------------------- */

/* The same: members in any order, elements in theirs, numbers by value.  1, 0, REPLICA_ENOMEM. */
int replica__value_equal(struct replica__json_value a, struct replica__json_value b);
/* Of one kind, which is what $gt and the like ask for: numbers with numbers. */
bool replica__value_same_kind(struct replica__json_value a, struct replica__json_value b);
/* Two scalars of one kind: < 0, 0, > 0. */
int replica__scalar_order(struct replica__json_value a, struct replica__json_value b);
/* Two arrays or two objects: by their keys.  0 or REPLICA_ENOMEM. */
int replica__container_order(struct replica__json_value a, struct replica__json_value b,
                             int *ret_order);

#endif
