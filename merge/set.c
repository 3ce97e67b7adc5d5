/* Arrays as sets: what either side added, less what either removed.
 *
 * What the ancestor had keeps its order; what was added comes behind it, in the order of the side
 * that added, or, if both did, in an order that does not know the sides. */
#include "merge/value.h"

#include "base/alloc.h"
#include "base/json_internal.h"

#include <string.h>

enum { BASE, OURS, THEIRS };

struct element {
    struct replica__json_value v;
    size_t at; /* in its array */
    int side;
    uint64_t digest; /* of an array or object */
    unsigned in;     /* of the first of equal ones: the sides that have it, as bits */
};

struct set {
    struct element *elements; /* of all three */
    struct element **sorted;
    size_t n;
};

static void set_free(struct set *s)
{
    replica__free(s->elements);
    replica__free(s->sorted);
}

static bool is_list(struct replica__json_value v)
{
    return v.type == REPLICA_JSON_ARRAY || v.type == REPLICA_JSON_NONE;
}

static void read_side(struct set *s, struct replica__json_value v, int side)
{
    struct replica__json_iter it = replica__json_iter(v);

    for (size_t at = 0; replica__json_next(&it); at++) {
        struct element e = { .v = it.value, .at = at, .side = side };

        if (e.v.type == REPLICA_JSON_ARRAY || e.v.type == REPLICA_JSON_OBJECT)
            e.digest = replica__json_digest_whole(e.v);
        s->elements[s->n] = e;
        s->sorted[s->n] = &s->elements[s->n];
        s->n++;
    }
}

static int order(struct merge *m, const struct element *a, const struct element *b)
{
    if (a->v.type == b->v.type && a->digest != b->digest)
        return a->digest < b->digest ? -1 : 1;
    return replica__merge_order(m, &a->v, &b->v);
}

/* Equal ones lie together: the ancestor's first, then by spelling, so that the one that stays does
 * not depend on the side. */
static int by_content(struct merge *m, const void *left, const void *right)
{
    const struct element *a = left;
    const struct element *b = right;
    int r = order(m, a, b);

    if (r)
        return r;
    if ((a->side == BASE) != (b->side == BASE))
        return a->side == BASE ? -1 : 1;
    if (a->side == BASE)
        return a->at < b->at ? -1 : a->at > b->at;
    if (a->v.text.len != b->v.text.len)
        return a->v.text.len < b->v.text.len ? -1 : 1;
    r = memcmp(a->v.text.data, b->v.text.data, a->v.text.len);
    if (r)
        return r;
    return a->at < b->at ? -1 : a->at > b->at;
}

static int by_place(struct merge *m, const void *left, const void *right)
{
    const struct element *a = left;
    const struct element *b = right;

    return a->at < b->at ? -1 : a->at > b->at;
}

static bool stays(unsigned in)
{
    const unsigned both = 1u << OURS | 1u << THEIRS;

    return (in & 1u << BASE) ? (in & both) == both : in != 0;
}

/* Keep the first of equal ones, and only those that stay: the ancestor's to the front, and then the
 * added ones, both sorted by content.  Returns how many are the ancestor's. */
static size_t pick(struct merge *m, struct set *s, unsigned *ret_added_by)
{
    size_t n = 0;
    size_t old = 0;

    *ret_added_by = 0;
    for (size_t i = 0; i < s->n;) {
        struct element *first = s->sorted[i];

        for (; i < s->n && order(m, first, s->sorted[i]) == 0; i++)
            first->in |= 1u << s->sorted[i]->side;
        if (!stays(first->in))
            continue;
        s->sorted[n++] = first;
    }
    for (size_t i = 0; i < n; i++)
        old += s->sorted[i]->side == BASE;
    s->n = n;
    for (size_t i = 0; i < n; i++)
        *ret_added_by |= s->sorted[i]->side == BASE ? 0 : s->sorted[i]->in;
    return old;
}

/* The ancestor's to the front; all others keep their order. */
static bool part(struct set *s)
{
    REPLICA_FREE struct element **parted =
        replica__realloc(NULL, s->n + 1, sizeof(struct element *));
    size_t n = 0;

    if (!parted)
        return false;
    for (size_t i = 0; i < s->n; i++)
        if (s->sorted[i]->side == BASE)
            parted[n++] = s->sorted[i];
    for (size_t i = 0; i < s->n; i++)
        if (s->sorted[i]->side != BASE)
            parted[n++] = s->sorted[i];
    memcpy(s->sorted, parted, n * sizeof(struct element *));
    return true;
}

static bool read_all(struct set *s, const struct three *v)
{
    size_t n = replica__json_count(v->base) + replica__json_count(v->ours) +
               replica__json_count(v->theirs);

    s->elements = replica__realloc(NULL, n + 1, sizeof(*s->elements));
    s->sorted = replica__realloc(NULL, n + 1, sizeof(struct element *));
    if (!s->elements || !s->sorted)
        return false;
    read_side(s, v->base, BASE);
    read_side(s, v->ours, OURS);
    read_side(s, v->theirs, THEIRS);
    return true;
}

enum take replica__merge_set(struct merge *m, const struct three *given, struct slot *slot)
{
    const struct three adding = merge_from_nothing(given, REPLICA_JSON_ARRAY), *v = &adding;
    __attribute__((cleanup(set_free))) struct set s = { NULL, NULL, 0 };
    unsigned added_by;
    struct array a;
    size_t old;

    if (!is_list(v->base) || !is_list(v->ours) || !is_list(v->theirs))
        return TAKE_THEIRS;
    if (!read_all(&s, v)) {
        m->r = REPLICA_ENOMEM;
        return TAKE_THEIRS;
    }
    replica__merge_sort(m, (void **)s.sorted, s.n, by_content);
    old = pick(m, &s, &added_by);
    if (!part(&s)) {
        m->r = REPLICA_ENOMEM;
        return TAKE_THEIRS;
    }
    replica__merge_sort(m, (void **)s.sorted, old, by_place);
    if (added_by == 1u << OURS || added_by == 1u << THEIRS)
        replica__merge_sort(m, (void **)(s.sorted + old), s.n - old, by_place);
    a = replica__merge_array(v, slot);
    for (size_t i = 0; i < s.n; i++)
        replica__buf_add(replica__merge_array_next(&a), s.sorted[i]->v.text.data,
                         s.sorted[i]->v.text.len);
    replica__merge_array_end(&a);
    return TAKE_WRITTEN;
}
