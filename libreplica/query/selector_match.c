/* Does a document match?
 *
 * The document's text is walked, never built into a tree.  Its members at top level are met once,
 * as far as the answer needs them; what was met is remembered for the terms that come later.  An
 * error (no memory, a pattern that took too long) ends the match. */
#include "libreplica/query/key_internal.h"
#include "libreplica/query/path.h"
#include "libreplica/query/selector.h"
#include "schema/number.h"

#include <math.h>
#include <string.h>

struct match {
    const struct replica__selector *selector;
    struct replica__json_iter members; /* of the document: what was not met yet */
    bool all_met;
    uint32_t met; /* bits of slots */
    struct replica__json_value values[SELECTOR_SLOTS];
    int r;
};
_Static_assert(SELECTOR_SLOTS <= 32, "a bit for each slot");

/* What tests look at. */
struct seen {
    struct replica__json_value value;  /* NONE: missing */
    const struct replica__path *path;  /* NULL: an element by itself */
    struct replica__json_value root;   /* where the path starts */
};

static bool match_group(struct match *m, const struct replica__group *g,
                        struct replica__json_value root, bool slots);
static bool match_tests(struct match *m, const struct replica__test *tests, size_t n,
                        const struct seen *seen);

static bool fail(struct match *m, int r)
{
    if (m->r == 0)
        m->r = r;
    return false;
}

static bool equal(struct match *m, struct replica__json_value a, struct replica__json_value b)
{
    int r = replica__value_equal(a, b);

    return r < 0 ? fail(m, r) : r > 0;
}

/* ---- eq, in ---------------------------------------------------------------------- */

static bool has_equal(struct match *m, struct replica__json_value array,
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
static bool has_equal_below(struct match *m, struct replica__json_value array, size_t depth,
                            struct replica__json_value b)
{
    struct replica__json_iter it = replica__json_iter(array);

    while (m->r == 0 && replica__json_next(&it)) {
        if (it.value.type == REPLICA_JSON_ARRAY && depth > 0) {
            if (has_equal_below(m, it.value, depth - 1, b))
                return true;
        } else if (equal(m, it.value, b)) {
            return true;
        }
    }
    return false;
}

static bool is_eq(struct match *m, const struct seen *seen, struct replica__json_value b)
{
    struct replica__json_value a = seen->value;
    size_t depth = seen->path ? seen->path->n - 1 : 0;

    if (a.type == REPLICA_JSON_NONE)
        return b.type == REPLICA_JSON_NULL;
    if (equal(m, a, b))
        return true;
    if (a.type != REPLICA_JSON_ARRAY)
        return false;
    return has_equal(m, a, b) || (depth > 0 && has_equal_below(m, a, depth, b));
}

static bool is_listed(struct match *m, const struct replica__test *t, struct replica__json_value v)
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

static bool is_in(struct match *m, const struct replica__test *t, struct replica__json_value a)
{
    struct replica__json_iter it = replica__json_iter(a);

    if (a.type == REPLICA_JSON_NONE)
        return t->has_null;
    if (a.type != REPLICA_JSON_ARRAY)
        return is_listed(m, t, a);
    while (m->r == 0 && replica__json_next(&it)) {
        if (is_listed(m, t, it.value))
            return true;
    }
    return false;
}

/* ---- gt, lt ---------------------------------------------------------------------- */

static bool compares(struct match *m, const struct replica__test *t, struct replica__json_value a)
{
    int order = 0;

    if (!replica__value_same_kind(a, t->value))
        return false;
    if (a.type == REPLICA_JSON_ARRAY || a.type == REPLICA_JSON_OBJECT) {
        int r = replica__container_order(a, t->value, &order);

        if (r < 0)
            return fail(m, r);
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

static bool is_mod(const struct replica__test *t, struct replica__json_value a)
{
    int64_t divisor;
    int64_t wanted;
    int64_t rest;

    if (a.type != REPLICA_JSON_NUMBER)
        return false;
    if (replica__json_int(t->values[0], &divisor) && replica__json_int(t->values[1], &wanted) &&
        replica__number_rest(a.text, divisor, &rest))
        return rest == wanted;
    return fmod(replica__json_double(a), replica__json_double(t->values[0])) ==
           replica__json_double(t->values[1]);
}

/* ---- regex ----------------------------------------------------------------------- */

static bool is_matched(struct match *m, const struct replica__test *t, struct replica__json_value a)
{
    REPLICA_BUF meant = REPLICA_BUF_INIT;
    struct replica__slice text;
    int r;

    if (a.type != REPLICA_JSON_STRING)
        return false;
    text = (struct replica__slice){ a.text.data + 1, a.text.len - 2 };
    if (memchr(text.data, '\\', text.len)) {
        replica__json_unescape(text, &meant);
        if (meant.r < 0)
            return fail(m, meant.r);
        text = (struct replica__slice){ meant.data, meant.len };
    }
    r = replica__pattern_match(t->pattern, text.data, text.len);
    return r < 0 ? fail(m, r) : r > 0;
}

/* ---- exists, type, size ---------------------------------------------------------- */

static bool exists(const struct seen *seen)
{
    const struct replica__path *path = seen->path;

    if (!path || path->n == 1 || replica__path_is_number(path->parts[path->n - 1]))
        return seen->value.type != REPLICA_JSON_NONE;
    return replica__path_exists(path, 0, seen->root);
}

static bool has_type(unsigned types, struct replica__json_value v)
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

static bool has_size(struct replica__json_value v, int64_t size)
{
    struct replica__json_iter it = replica__json_iter(v);

    if (v.type != REPLICA_JSON_ARRAY || size < 0)
        return false;
    while (size >= 0 && replica__json_next(&it))
        size--;
    return size == 0;
}

/* ---- elemMatch, all -------------------------------------------------------------- */

static bool element_matches(struct match *m, const struct replica__test *t,
                            struct replica__json_value element)
{
    const struct seen seen = { .value = element };

    if (t->group)
        return match_group(m, t->group, element, false);
    if (t->test_count == 0)
        return element.type == REPLICA_JSON_OBJECT;
    return match_tests(m, t->tests, t->test_count, &seen);
}

static bool has_element(struct match *m, const struct replica__test *t,
                        struct replica__json_value a)
{
    struct replica__json_iter it = replica__json_iter(a);

    if (a.type != REPLICA_JSON_ARRAY)
        return false;
    while (m->r == 0 && replica__json_next(&it)) {
        if (element_matches(m, t, it.value))
            return true;
    }
    return false;
}

static bool has_all(struct match *m, const struct replica__test *t, struct replica__json_value a)
{
    if (a.type != REPLICA_JSON_ARRAY || t->value_count + t->test_count == 0)
        return false;
    for (size_t i = 0; i < t->value_count; i++) {
        if (!has_equal(m, a, t->values[i]))
            return false;
    }
    for (size_t i = 0; i < t->test_count; i++) {
        if (!has_element(m, &t->tests[i], a))
            return false;
    }
    return true;
}

/* ---- tests ----------------------------------------------------------------------- */

/* Of one value: what operators ask of each element of an array. */
static bool match_one(struct match *m, const struct replica__test *t, struct replica__json_value v)
{
    switch (t->op) {
    case TEST_MOD:
        return is_mod(t, v);
    case TEST_REGEX:
        return is_matched(m, t, v);
    default:
        return compares(m, t, v);
    }
}

static bool match_any(struct match *m, const struct replica__test *t, struct replica__json_value v)
{
    struct replica__json_iter it = replica__json_iter(v);

    if (v.type != REPLICA_JSON_ARRAY)
        return match_one(m, t, v);
    while (m->r == 0 && replica__json_next(&it)) {
        if (match_one(m, t, it.value))
            return true;
        if (t->op == TEST_REGEX && it.value.type == REPLICA_JSON_ARRAY) {
            struct replica__json_iter inner = replica__json_iter(it.value);

            while (m->r == 0 && replica__json_next(&inner)) {
                if (match_one(m, t, inner.value))
                    return true;
            }
        }
    }
    return false;
}

static bool match_test(struct match *m, const struct replica__test *t, const struct seen *seen)
{
    switch (t->op) {
    case TEST_EQ:
        return is_eq(m, seen, t->value);
    case TEST_NE:
        return !is_eq(m, seen, t->value);
    case TEST_IN:
        return is_in(m, t, seen->value);
    case TEST_NIN:
        return !is_in(m, t, seen->value);
    case TEST_EXISTS:
        return exists(seen) == t->wanted;
    case TEST_TYPE:
        return has_type(t->types, seen->value);
    case TEST_SIZE:
        return has_size(seen->value, t->size);
    case TEST_ELEM:
        return has_element(m, t, seen->value);
    case TEST_ALL:
        return has_all(m, t, seen->value);
    case TEST_NOT:
        return !match_tests(m, t->tests, t->test_count, seen);
    default:
        return match_any(m, t, seen->value);
    }
}

static bool match_tests(struct match *m, const struct replica__test *tests, size_t n,
                        const struct seen *seen)
{
    for (size_t i = 0; i < n && m->r == 0; i++) {
        if (!match_test(m, &tests[i], seen))
            return false;
    }
    return m->r == 0;
}

/* ---- terms ----------------------------------------------------------------------- */

static size_t slot_of(const struct replica__selector *s, struct replica__slice spelled)
{
    for (size_t i = 0; i < s->slot_count; i++) {
        const struct replica__slice *name = &s->slots[i];

        if (spelled.len == name->len ? memcmp(spelled.data, name->data, name->len) == 0
                                     : spelled.len > name->len &&
                                           replica__json_string_is(spelled, name->data, name->len))
            return i;
    }
    return NO_SLOT;
}

/* The document's member of that slot: the walk goes on until it is met. */
static struct replica__json_value member(struct match *m, size_t slot)
{
    while (!(m->met & UINT32_C(1) << slot) && !m->all_met) {
        size_t met;

        if (!replica__json_next(&m->members)) {
            m->all_met = true;
            break;
        }
        met = slot_of(m->selector, m->members.name);
        if (met == NO_SLOT)
            continue;
        m->met |= UINT32_C(1) << met;
        m->values[met] = m->members.value;
    }
    return m->values[slot];
}

static bool match_path(struct match *m, const struct replica__term *t,
                       struct replica__json_value root, bool slots)
{
    REPLICA_BUF room = REPLICA_BUF_INIT;
    struct seen seen = { .path = t->path, .root = root };

    if (root.type != REPLICA_JSON_OBJECT && root.type != REPLICA_JSON_ARRAY)
        seen.value = root; /* an element of an array that is asked as a document */
    else if (slots && t->slot != NO_SLOT)
        seen.value = replica__path_resolve(t->path, 1, member(m, t->slot), &room);
    else
        seen.value = replica__path_resolve(t->path, 0, root, &room);
    if (room.r < 0)
        return fail(m, room.r);
    return match_tests(m, t->tests, t->test_count, &seen);
}

static bool match_any_group(struct match *m, const struct replica__term *t,
                            struct replica__json_value root, bool slots)
{
    for (size_t i = 0; i < t->group_count && m->r == 0; i++) {
        if (match_group(m, &t->groups[i], root, slots))
            return true;
    }
    return false;
}

static bool match_all_groups(struct match *m, const struct replica__term *t,
                             struct replica__json_value root, bool slots)
{
    for (size_t i = 0; i < t->group_count && m->r == 0; i++) {
        if (!match_group(m, &t->groups[i], root, slots))
            return false;
    }
    return true;
}

static bool match_term(struct match *m, const struct replica__term *t,
                       struct replica__json_value root, bool slots)
{
    switch (t->kind) {
    case TERM_AND:
        return match_all_groups(m, t, root, slots);
    case TERM_OR:
        return match_any_group(m, t, root, slots);
    case TERM_NOR:
        return !match_any_group(m, t, root, slots);
    default:
        return match_path(m, t, root, slots);
    }
}

/* slots: root is the document. */
static bool match_group(struct match *m, const struct replica__group *g,
                        struct replica__json_value root, bool slots)
{
    for (size_t i = 0; i < g->n; i++) {
        if (!match_term(m, &g->terms[i], root, slots))
            return false;
    }
    return true;
}

int replica__selector_match(const struct replica__selector *s, const char *json, size_t len)
{
    struct match m;
    struct replica__json_value root;
    bool matches;

    if (!s)
        return 1;
    root = replica__json_value(json, len);
    m.selector = s;
    m.members = replica__json_iter(root);
    m.all_met = root.type != REPLICA_JSON_OBJECT;
    m.met = 0;
    m.r = 0;
    memset(m.values, 0, s->slot_count * sizeof(m.values[0]));
    matches = match_group(&m, &s->root, root, m.all_met == false);
    return m.r < 0 ? m.r : matches;
}
