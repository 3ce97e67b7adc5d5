/* Tests of single values: of a document's member, or an element of an array.
 *
 * What is looked at is counted, in bytes: conditions and elements multiply, and so a small selector
 * could keep a server busy with a large document. */
#include "libreplica/query/selector_value.h"

#include "schema/number.h"

#include <math.h>
#include <string.h>

enum {
    PASSES = 8,              /* over all of a document, where work is bounded, */
    FREE_BYTES = 8 << 20,    /* and so much more */
    LOOK = 4,                /* a value costs that besides its bytes */
    PATTERN = 512,           /* and a regular expression this; it has */
    PATTERN_STEPS = 4096,    /* then so many steps and */
    PATTERN_BYTE_STEPS = 16, /* these for each byte of the text, */
    SLOW_SHARE = 8,          /* or, for this part of all that is free, */
    SLOW_STEPS = 10 * 1000 * 1000
};

bool replica__look_fail(struct replica__looking *m, int r)
{
    if (m->r == 0)
        m->r = r;
    return false;
}

bool replica__look(struct replica__looking *m, size_t bytes)
{
    if (!m->bounded)
        return true;
    m->left -= (int64_t)bytes + LOOK;
    return m->left >= 0 || replica__look_fail(m, REPLICA_ELIMIT);
}

static bool equal(struct replica__looking *m, struct replica__json_value a,
                  struct replica__json_value b)
{
    int r = replica__look(m, a.text.len) ? replica__value_equal(a, b) : 0;

    return r < 0 ? replica__look_fail(m, r) : r > 0;
}

struct replica__looking replica__look_begin(size_t len, bool bounded)
{
    return (struct replica__looking){ .bounded = bounded,
                                      .left = (int64_t)len * PASSES + FREE_BYTES };
}

/* ---- eq, in ---------------------------------------------------------------------- */

bool replica__has_equal(struct replica__looking *m, struct replica__json_value array,
                        struct replica__json_value b)
{
    struct replica__json_iter it = replica__json_iter(array);

    while (m->r == 0 && replica__json_next(&it)) {
        if (equal(m, it.value, b))
            return true;
    }
    return false;
}

/* The same with the elements of arrays in it, down to depth; those arrays themselves do not
 * count. */
static bool has_equal_below(struct replica__looking *m, struct replica__json_value array,
                            size_t depth, struct replica__json_value b)
{
    struct replica__json_iter it = replica__json_iter(array);

    while (m->r == 0 && replica__json_next(&it)) {
        if (it.value.type == REPLICA_JSON_ARRAY && depth > 0) {
            if (!replica__look(m, 0))
                return false;
            if (has_equal_below(m, it.value, depth - 1, b))
                return true;
        } else if (equal(m, it.value, b)) {
            return true;
        }
    }
    return false;
}

bool replica__is_eq(struct replica__looking *m, const struct replica__seen *seen,
                    struct replica__json_value b)
{
    struct replica__json_value a = seen->value;
    size_t depth = seen->path ? seen->path->n - 1 : 0;

    if (a.type == REPLICA_JSON_NONE)
        return b.type == REPLICA_JSON_NULL;
    if (equal(m, a, b))
        return true;
    if (a.type != REPLICA_JSON_ARRAY)
        return false;
    return replica__has_equal(m, a, b) || (depth > 0 && has_equal_below(m, a, depth, b));
}

static bool is_listed(struct replica__looking *m, const struct replica__test *t,
                      struct replica__json_value v)
{
    size_t low = 0;
    size_t high = t->value_count;

    if (v.type == REPLICA_JSON_NULL)
        return t->has_null;
    if (v.type == REPLICA_JSON_ARRAY || v.type == REPLICA_JSON_OBJECT) {
        for (size_t i = 0; i < t->other_count; i++) {
            if (equal(m, v, t->others[i]))
                return true;
        }
        return false;
    }
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = replica__value_same_kind(v, t->values[middle])
                        ? replica__scalar_order(v, t->values[middle])
                        : (int)v.type - (int)t->values[middle].type;

        if (order == 0)
            return true;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return false;
}

bool replica__is_in(struct replica__looking *m, const struct replica__test *t,
                    struct replica__json_value a)
{
    struct replica__json_iter it = replica__json_iter(a);

    if (a.type == REPLICA_JSON_NONE)
        return t->has_null;
    if (a.type != REPLICA_JSON_ARRAY)
        return is_listed(m, t, a);
    while (m->r == 0 && replica__json_next(&it)) {
        if (replica__look(m, it.value.text.len) && is_listed(m, t, it.value))
            return true;
    }
    return false;
}

/* ---- gt, lt ---------------------------------------------------------------------- */

static bool compares(struct replica__looking *m, const struct replica__test *t,
                     struct replica__json_value a)
{
    int order = 0;

    if (!replica__look(m, a.text.len) || !replica__value_same_kind(a, t->value))
        return false;
    if (a.type == REPLICA_JSON_ARRAY || a.type == REPLICA_JSON_OBJECT) {
        int r = replica__container_order(a, t->value, &order);

        if (r < 0)
            return replica__look_fail(m, r);
    } else {
        order = replica__scalar_order(a, t->value);
    }
    switch (t->op) {
    case TEST_GT:
        return order > 0;
    case TEST_GTE:
        return order >= 0;
    case TEST_LT:
        return order < 0;
    default:
        return order <= 0;
    }
}

/* ---- mod ------------------------------------------------------------------------- */

static bool is_mod(struct replica__looking *m, const struct replica__test *t,
                   struct replica__json_value a)
{
    int64_t divisor;
    int64_t wanted;
    int64_t rest;

    if (!replica__look(m, a.text.len) || a.type != REPLICA_JSON_NUMBER)
        return false;
    if (replica__json_int(t->values[0], &divisor) && replica__json_int(t->values[1], &wanted) &&
        replica__number_rest(a.text, divisor, &rest))
        return rest == wanted;
    return fmod(replica__json_double(a), replica__json_double(t->values[0])) ==
           replica__json_double(t->values[1]);
}

/* ---- regex ----------------------------------------------------------------------- */

/* Most matches are short; the few that are not cost so much that they stay few. */
static int match_pattern(struct replica__looking *m, const struct replica__pattern *pattern,
                         struct replica__slice text)
{
    int r;

    if (!m->bounded)
        return replica__pattern_match(pattern, text.data, text.len);
    if (!replica__look(m, PATTERN))
        return 0;
    r = replica__pattern_match_within(pattern, text.data, text.len,
                                      PATTERN_STEPS + PATTERN_BYTE_STEPS * text.len);
    if (r != REPLICA_ELIMIT || !replica__look(m, FREE_BYTES / SLOW_SHARE))
        return r;
    return replica__pattern_match_within(pattern, text.data, text.len, SLOW_STEPS);
}

static bool is_matched(struct replica__looking *m, const struct replica__test *t,
                       struct replica__json_value a)
{
    REPLICA_BUF meant = REPLICA_BUF_INIT;
    struct replica__slice text;
    int r;

    if (!replica__look(m, a.text.len) || a.type != REPLICA_JSON_STRING)
        return false;
    text = (struct replica__slice){ a.text.data + 1, a.text.len - 2 };
    if (memchr(text.data, '\\', text.len)) {
        replica__json_unescape(text, &meant);
        if (meant.r < 0)
            return replica__look_fail(m, meant.r);
        text = (struct replica__slice){ meant.data, meant.len };
    }
    r = match_pattern(m, t->pattern, text);
    return r < 0 ? replica__look_fail(m, r) : r > 0;
}

/* ---- exists, type, size ---------------------------------------------------------- */

bool replica__is_there(struct replica__looking *m, const struct replica__seen *seen)
{
    const struct replica__path *path = seen->path;

    if (!path || path->n == 1 || replica__path_is_number(path->parts[path->n - 1]))
        return seen->value.type != REPLICA_JSON_NONE;
    return replica__look(m, seen->root.text.len) && replica__path_exists(path, 0, seen->root);
}

bool replica__has_type(unsigned types, struct replica__json_value v)
{
    switch (v.type) {
    case REPLICA_JSON_NONE:
        return types & TYPE_UNDEFINED;
    case REPLICA_JSON_NULL:
        return types & (TYPE_UNDEFINED | TYPE_NULL);
    case REPLICA_JSON_FALSE:
    case REPLICA_JSON_TRUE:
        return types & TYPE_BOOLEAN;
    case REPLICA_JSON_NUMBER:
        return (types & TYPE_NUMBER) ||
               ((types & TYPE_INTEGER) && replica__number_is_integer(v.text));
    case REPLICA_JSON_STRING:
        return types & TYPE_STRING;
    case REPLICA_JSON_ARRAY:
        return types & TYPE_ARRAY;
    case REPLICA_JSON_OBJECT:
        return types & TYPE_OBJECT;
    }
    return false;
}

bool replica__has_size(struct replica__looking *m, struct replica__json_value v, int64_t size)
{
    struct replica__json_iter it = replica__json_iter(v);

    if (!replica__look(m, v.text.len) || v.type != REPLICA_JSON_ARRAY || size < 0)
        return false;
    while (size >= 0 && replica__json_next(&it))
        size--;
    return size == 0;
}

/* ---- of one value --------------------------------------------------------------- */

bool replica__is_one(struct replica__looking *m, const struct replica__test *t,
                     struct replica__json_value v)
{
    switch (t->op) {
    case TEST_MOD:
        return is_mod(m, t, v);
    case TEST_REGEX:
        return is_matched(m, t, v);
    default:
        return compares(m, t, v);
    }
}
