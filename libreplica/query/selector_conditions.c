/* What an index can tell of a selector: for each path, where the keys of every match lie.
 *
 * A test gives ranges of keys, or nothing.  Where a path may meet arrays, different elements may
 * fulfil different tests, so only one test's ranges count: the most telling one's.  Where it meets
 * none, all of them do: their intersection.  Ranges never say too little; where they say exactly
 * what the test asks, it is marked so. */
#include "libreplica/query/key_internal.h"
#include "libreplica/query/selector.h"

#include <stdlib.h>
#include <string.h>

/* Paths that get conditions: more than an index has fields. */
enum { PATHS = 32 };

struct set {
    struct replica__range_of_keys *ranges; /* ascending, apart */
    size_t n;
    bool point;
    bool exact;
    enum { NOTHING, LOOSE, BOUND, PREFIX, POINTS } worth; /* the higher, the more telling */
};

struct finder {
    struct replica__selector *s;
    struct replica__condition *found;
    size_t worth[PATHS]; /* of found[i].ranges */
    size_t n;
    bool only; /* every test so far is exact */
    int r;
};

static const struct replica__range_of_keys everything = { "", "\xFF", 0, 1 };

/* ---- ranges ---------------------------------------------------------------------- */

static int compare_ranges(const void *a, const void *b)
{
    const struct replica__range_of_keys *x = a;
    const struct replica__range_of_keys *y = b;

    return replica__key_order(x->low, x->low_len, y->low, y->low_len);
}

static const char *keep(struct finder *f, const struct replica__buf *b)
{
    const char *kept = b->r < 0 ? NULL : replica__arena_copy(f->s->arena, b->data, b->len);

    if (!kept)
        f->r = REPLICA_ENOMEM;
    return kept;
}

static struct replica__range_of_keys *ranges_of(struct finder *f, size_t n)
{
    struct replica__range_of_keys *ranges =
        replica__arena_zero(f->s->arena, n ? n : 1, sizeof(*ranges));

    if (!ranges)
        f->r = REPLICA_ENOMEM;
    return ranges;
}

static void add_range(struct finder *f, struct set *set, const struct replica__buf *low,
                      const struct replica__buf *high)
{
    struct replica__range_of_keys range = { keep(f, low), keep(f, high), low->len, high->len };

    if (f->r == 0 && replica__key_order(range.low, range.low_len, range.high, range.high_len) < 0)
        set->ranges[set->n++] = range;
}

/* The one key of v: its last byte is an end, and what comes after it is free. */
static void add_point(struct finder *f, struct set *set, struct replica__json_value v)
{
    REPLICA_BUF low = REPLICA_BUF_INIT;
    REPLICA_BUF high = REPLICA_BUF_INIT;

    replica__key_add(&low, v);
    if (low.r == 0) {
        replica__buf_add(&high, low.data, low.len - 1);
        replica__buf_char(&high, (char)(low.data[low.len - 1] + 1));
    }
    add_range(f, set, &low, &high);
}

static void add_missing(struct finder *f, struct set *set)
{
    add_point(f, set, (struct replica__json_value){ .type = REPLICA_JSON_NONE });
}

static void sort(struct set *set)
{
    size_t kept = 0;

    if (set->n > 1)
        qsort(set->ranges, set->n, sizeof(*set->ranges), compare_ranges);
    for (size_t i = 0; i < set->n; i++) {
        if (kept == 0 || compare_ranges(&set->ranges[i], &set->ranges[kept - 1]) != 0)
            set->ranges[kept++] = set->ranges[i];
    }
    set->n = kept;
}

static struct set intersection(struct finder *f, const struct set *a, const struct set *b)
{
    struct set both = { .ranges = ranges_of(f, a->n + b->n), .point = a->point || b->point,
                        .exact = a->exact && b->exact };
    size_t i = 0;
    size_t k = 0;

    while (f->r == 0 && i < a->n && k < b->n) {
        struct replica__range_of_keys x = a->ranges[i];
        const struct replica__range_of_keys *y = &b->ranges[k];

        if (replica__key_order(x.high, x.high_len, y->high, y->high_len) <= 0) {
            i++;
        } else {
            x.high = y->high;
            x.high_len = y->high_len;
            k++;
        }
        if (replica__key_order(x.low, x.low_len, y->low, y->low_len) < 0) {
            x.low = y->low;
            x.low_len = y->low_len;
        }
        if (replica__key_order(x.low, x.low_len, x.high, x.high_len) < 0)
            both.ranges[both.n++] = x;
    }
    return both;
}

/* ---- of a test ------------------------------------------------------------------- */

/* The elements of arrays stand in a key in their order, but are equal in none other. */
static bool has_array(struct replica__json_value v)
{
    return v.text.len > 0 && memchr(v.text.data, '[', v.text.len);
}

static struct set points(struct finder *f, size_t n)
{
    return (struct set){ .ranges = ranges_of(f, n), .point = true, .exact = true, .worth = POINTS };
}

static struct set of_eq(struct finder *f, const struct replica__test *t)
{
    struct set set = points(f, 2);

    if (f->r < 0)
        return set;
    if (t->value.type == REPLICA_JSON_NULL)
        add_missing(f, &set);
    add_point(f, &set, t->value);
    set.exact = t->value.type == REPLICA_JSON_STRING || !has_array(t->value);
    return set;
}

static struct set of_in(struct finder *f, const struct replica__test *t)
{
    static const struct replica__json_value null = { REPLICA_JSON_NULL, { "null", 4 } };
    struct set set = points(f, t->value_count + t->other_count + 2);

    if (f->r == 0 && t->has_null) {
        add_missing(f, &set);
        add_point(f, &set, null);
    }
    for (size_t i = 0; i < t->value_count && f->r == 0; i++)
        add_point(f, &set, t->values[i]);
    for (size_t i = 0; i < t->other_count && f->r == 0; i++) {
        add_point(f, &set, t->others[i]);
        set.exact = set.exact && !has_array(t->others[i]);
    }
    sort(&set);
    return set;
}

/* Values of the argument's kind, on one side of it. */
static struct set of_order(struct finder *f, const struct replica__test *t)
{
    struct set set = { .ranges = ranges_of(f, 1), .exact = true, .worth = BOUND };
    bool boolean = t->value.type == REPLICA_JSON_FALSE || t->value.type == REPLICA_JSON_TRUE;
    unsigned char class = boolean ? KEY_FALSE : replica__key_class(t->value.type);
    REPLICA_BUF low = REPLICA_BUF_INIT;
    REPLICA_BUF high = REPLICA_BUF_INIT;
    bool above = t->op == TEST_GT || t->op == TEST_GTE;

    if (f->r < 0 || t->value.type == REPLICA_JSON_ARRAY)
        return (struct set){ .worth = NOTHING };
    replica__buf_char(&low, (char)class);
    replica__buf_char(&high, (char)((boolean ? KEY_TRUE : class) + 1));
    replica__buf_clear(above ? &low : &high);
    replica__key_add_inner(above ? &low : &high, t->value);
    if (t->op == TEST_GT)
        replica__buf_char(&low, (char)0xFF); /* behind the value, and arrays that start with it */
    if (t->op == TEST_LTE)
        replica__buf_char(&high, 1); /* behind the value itself */
    add_range(f, &set, &low, &high);
    return set;
}

/* The plain text that a pattern starts with: every match does. */
static size_t literal_prefix(const struct replica__test *t, struct replica__buf *out)
{
    static const char special[] = ".*+?()[]{}^$|\\";
    const char *at = t->source.data;
    const char *end = at + t->source.len;

    if (t->flags & (REPLICA__PATTERN_IGNORE_CASE | REPLICA__PATTERN_MULTILINE))
        return 0;
    if (at == end || *at++ != '^' || memchr(at, '|', (size_t)(end - at)))
        return 0;
    while (at < end) {
        bool escaped = at[0] == '\\' && end - at > 1 && strchr(special, at[1]) && at[1];
        char c = escaped ? at[1] : at[0];
        const char *next = at + 1 + escaped;

        if ((unsigned char)c < 0x20 || (unsigned char)c > 0x7E || (!escaped && strchr(special, c)))
            break;
        if (next < end && memchr("*?{", *next, 3))
            break;
        replica__buf_char(out, c);
        at = next;
    }
    return out->len;
}

static struct set of_regex(struct finder *f, const struct replica__test *t)
{
    struct set set = { .ranges = ranges_of(f, 1), .worth = PREFIX };
    REPLICA_BUF prefix = REPLICA_BUF_INIT;
    REPLICA_BUF low = REPLICA_BUF_INIT;
    REPLICA_BUF high = REPLICA_BUF_INIT;

    if (f->r < 0)
        return set;
    if (literal_prefix(t, &prefix) == 0) {
        replica__buf_char(&low, (char)KEY_STRING);
        replica__buf_char(&high, (char)(KEY_STRING + 1));
        set.worth = BOUND;
    } else {
        replica__key_prefix(&low, prefix.data, prefix.len);
        replica__key_prefix(&high, prefix.data, prefix.len);
        if (high.r == 0)
            high.data[high.len - 1]++;
    }
    if (prefix.r < 0)
        f->r = prefix.r;
    add_range(f, &set, &low, &high);
    return set;
}

/* There, or not there.  Where arrays are on the way, nothing is said of what is not there. */
static struct set of_exists(struct finder *f, const struct replica__test *t)
{
    static const struct replica__range_of_keys there = { "\x11", "\xFF", 1, 1 };
    struct set set = { .ranges = ranges_of(f, 1), .exact = true, .worth = LOOSE };

    if (f->r < 0)
        return set;
    if (t->wanted) {
        set.ranges[set.n++] = there;
    } else {
        set.point = true;
        add_missing(f, &set);
    }
    return set;
}

static struct set most_telling(struct finder *f, const struct replica__test *tests, size_t n);

static struct set of_all(struct finder *f, const struct replica__test *t)
{
    struct set set;

    if (t->value_count == 0)
        return most_telling(f, t->tests, t->test_count);
    set = points(f, 1);
    if (f->r == 0)
        add_point(f, &set, t->values[0]);
    set.exact = false;
    return set;
}

static struct set of_test(struct finder *f, const struct replica__test *t)
{
    struct set set = { .worth = NOTHING };

    switch (t->op) {
    case TEST_EQ:
        return of_eq(f, t);
    case TEST_IN:
        return of_in(f, t);
    case TEST_GT:
    case TEST_GTE:
    case TEST_LT:
    case TEST_LTE:
        return of_order(f, t);
    case TEST_REGEX:
        return of_regex(f, t);
    case TEST_EXISTS:
        return of_exists(f, t);
    case TEST_ALL:
        return of_all(f, t);
    case TEST_ELEM:
        set = most_telling(f, t->tests, t->test_count);
        set.exact = false;
        return set;
    default:
        return set;
    }
}

/* Of tests of elements. */
static struct set most_telling(struct finder *f, const struct replica__test *tests, size_t n)
{
    struct set best = { .worth = NOTHING };

    for (size_t i = 0; i < n && f->r == 0; i++) {
        struct set set = of_test(f, &tests[i]);

        if (set.worth > best.worth && tests[i].op != TEST_EXISTS)
            best = set;
    }
    return best;
}

/* ---- of a path ------------------------------------------------------------------- */

/* NULL: there are enough. */
static struct replica__condition *condition_for(struct finder *f, const char *path, size_t *ret_i)
{
    size_t i = 0;

    while (i < f->n && strcmp(f->found[i].path, path) != 0)
        i++;
    *ret_i = i;
    if (i == PATHS)
        return NULL;
    if (i == f->n) {
        f->found[i] = (struct replica__condition){ .path = path, .exact = true, .n = 1,
                                                   .ranges = &everything, .narrow = &everything,
                                                   .narrow_n = 1 };
        f->worth[i] = NOTHING;
        f->n++;
    }
    return &f->found[i];
}

/* exists: false of a path of several names does not say that nothing is seen: [] may be. */
static bool holds_in_arrays(const struct replica__test *t, const struct replica__path *path)
{
    return t->op != TEST_EXISTS || t->wanted || path->n == 1;
}

static void add_test(struct finder *f, const struct replica__term *term,
                     const struct replica__test *t)
{
    size_t i;
    struct replica__condition *c = condition_for(f, term->path->text, &i);
    struct set set = { .worth = NOTHING };
    struct set narrow;
    struct set both;

    if (c)
        set = of_test(f, t);
    f->only = f->only && set.exact;
    if (c && set.worth == NOTHING)
        c->exact = false;
    if (f->r < 0 || set.worth == NOTHING)
        return;
    if (set.worth > f->worth[i] && holds_in_arrays(t, term->path)) {
        c->ranges = set.ranges;
        c->n = set.n;
        f->worth[i] = set.worth;
    }
    narrow = (struct set){ .n = c->narrow_n, .point = c->point, .exact = c->exact };
    narrow.ranges = ranges_of(f, narrow.n);
    if (f->r < 0)
        return;
    memcpy(narrow.ranges, c->narrow, narrow.n * sizeof(*narrow.ranges));
    both = intersection(f, &narrow, &set);
    c->narrow = both.ranges;
    c->narrow_n = both.n;
    c->point = both.point;
    c->exact = both.exact;
}

/* Only "and" adds conditions; whatever else there is says that they are not all. */
static void add_group(struct finder *f, const struct replica__group *g)
{
    for (size_t i = 0; i < g->n && f->r == 0; i++) {
        const struct replica__term *t = &g->terms[i];

        for (size_t k = 0; t->kind == TERM_AND && k < t->group_count; k++)
            add_group(f, &t->groups[k]);
        for (size_t k = 0; t->kind == TERM_PATH && k < t->test_count && f->r == 0; k++)
            add_test(f, t, &t->tests[k]);
        if (t->kind != TERM_AND && t->kind != TERM_PATH)
            f->only = false;
    }
}

/* ---- all of it ------------------------------------------------------------------- */

/* Those that say nothing. */
static void drop_empty(struct finder *f)
{
    size_t kept = 0;

    for (size_t i = 0; i < f->n; i++) {
        if (f->found[i].narrow != &everything)
            f->found[kept++] = f->found[i];
    }
    f->n = kept;
}

int replica__selector_find_conditions(struct replica__selector *s)
{
    struct finder f = { .s = s, .only = true };

    f.found = replica__arena_zero(s->arena, PATHS, sizeof(*f.found));
    if (!f.found)
        return REPLICA_ENOMEM;
    add_group(&f, &s->root);
    if (f.r < 0)
        return f.r;
    drop_empty(&f);
    s->conditions = f.found;
    s->condition_count = f.n;
    s->only_conditions = f.only;
    return 0;
}

size_t replica__selector_conditions(const struct replica__selector *s,
                                    const struct replica__condition **ret)
{
    if (!s)
        return 0;
    *ret = s->conditions;
    return s->condition_count;
}

bool replica__selector_only_conditions(const struct replica__selector *s)
{
    return !s || s->only_conditions;
}
