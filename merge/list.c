/* Arrays of objects that a member tells apart.
 *
 * Elements that both sides have are merged by the rules for their path; of the others it is asked
 * who added and who removed.  The order of the elements that both sides have is that of the side
 * that changed it; whatever only one side has stays behind the element that it stood behind there.
 * None of that depends on which side is which. */
#include "merge/value.h"

#include "base/alloc.h"

#include <string.h>

enum { BASE, OURS, THEIRS, SIDES };

/* All elements with one key. */
struct element {
    struct replica__json_value key;
    struct replica__json_value v[SIDES];
    size_t at[SIDES];
    bool keep; /* it is in the result */
};

/* An element of one side. */
struct item {
    struct replica__json_value v, key;
    size_t at;
    int side;
};

struct list {
    struct element *elements;
    size_t n;
    struct element **sides[SIDES]; /* the elements of each, in its order */
    size_t counts[SIDES];
    struct element **common; /* what both sides have, in the order of the result */
    size_t common_n;
};

static void list_free(struct list *l)
{
    replica__free(l->elements);
    for (int i = 0; i < SIDES; i++)
        replica__free(l->sides[i]);
    replica__free(l->common);
}

struct items {
    struct item *all;
    struct item **sorted;
    size_t n, room;
};

static void items_free(struct items *items)
{
    replica__free(items->all);
    replica__free(items->sorted);
}

/* ---- reading --------------------------------------------------------------------- */

static struct item *add_item(struct items *items)
{
    size_t room = items->room ? items->room * 2 : 64;
    struct item *all;

    if (items->n < items->room)
        return &items->all[items->n++];
    all = replica__realloc(items->all, room, sizeof(*all));
    if (!all)
        return NULL;
    items->all = all;
    items->room = room;
    return &items->all[items->n++];
}

/* 1, 0: an element that is no object, or has no key; or REPLICA_ENOMEM. */
static int read_side(struct items *items, struct replica__json_value v, int side,
                     const char *name, size_t *ret_count)
{
    struct replica__json_iter it = replica__json_iter(v);
    size_t at = 0;

    for (; replica__json_next(&it); at++) {
        struct item item = { it.value, replica__json_member(it.value, name, REPLICA_NUL), at,
                             side };
        struct item *to;

        if (item.key.type != REPLICA_JSON_STRING && item.key.type != REPLICA_JSON_NUMBER)
            return 0;
        to = add_item(items);
        if (!to)
            return REPLICA_ENOMEM;
        *to = item;
    }
    *ret_count = at;
    return 1;
}

static int by_key(struct merge *m, const void *left, const void *right)
{
    const struct item *a = left;
    const struct item *b = right;
    int order = replica__merge_order(m, &a->key, &b->key);

    return order ? order : a->side - b->side;
}

/* false: two elements of one side have the same key. */
static bool group(struct merge *m, const struct items *items, struct list *l)
{
    for (size_t i = 0; i < items->n;) {
        struct element *e = &l->elements[l->n++];

        *e = (struct element){ .key = items->sorted[i]->key };
        for (; i < items->n && replica__merge_order(m, &e->key, &items->sorted[i]->key) == 0; i++) {
            const struct item *item = items->sorted[i];

            if (e->v[item->side].type != REPLICA_JSON_NONE)
                return false;
            e->v[item->side] = item->v;
            e->at[item->side] = item->at;
            l->sides[item->side][item->at] = e;
        }
    }
    return true;
}

static bool make_room(struct items *items, struct list *l)
{
    items->sorted = replica__realloc(NULL, items->n + 1, sizeof(struct item *));
    l->elements = replica__realloc(NULL, items->n + 1, sizeof(*l->elements));
    l->common = replica__realloc(NULL, items->n + 1, sizeof(struct element *));
    for (int i = 0; i < SIDES; i++) {
        l->sides[i] = replica__realloc(NULL, l->counts[i] + 1, sizeof(struct element *));
        if (!l->sides[i])
            return false;
    }
    for (size_t i = 0; items->sorted && i < items->n; i++)
        items->sorted[i] = &items->all[i];
    return items->sorted && l->elements && l->common;
}

/* 1, or 0: these are no lists that this rule can serve; or REPLICA_ENOMEM. */
static int read_list(struct merge *m, const struct three *v, const char *name, struct list *l)
{
    const struct replica__json_value *const sides[] = { &v->base, &v->ours, &v->theirs };
    __attribute__((cleanup(items_free))) struct items items = { .n = 0 };

    for (int i = 0; i < SIDES; i++) {
        int r = read_side(&items, *sides[i], i, name, &l->counts[i]);

        if (r <= 0)
            return r;
    }
    if (!make_room(&items, l))
        return REPLICA_ENOMEM;
    replica__merge_sort(m, (void **)items.sorted, items.n, by_key);
    return group(m, &items, l);
}

/* ---- who stays ------------------------------------------------------------------- */

static bool has(const struct element *e, int side)
{
    return e->v[side].type != REPLICA_JSON_NONE;
}

static bool in_both(const struct element *e)
{
    return has(e, OURS) && has(e, THEIRS);
}

/* An element's segment of the path. */
static struct place enter(struct merge *m, struct place list, const struct element *e)
{
    return replica__merge_enter(m, list, e->key.type == REPLICA_JSON_STRING ? merge_inside(e->key)
                                                                            : e->key.text);
}

/* One side edited it, the other removed it: as documents, by the element's own rule, or the edit
 * wins. */
static bool edit_stays(struct merge *m, struct place list, const struct element *e)
{
    struct place place = enter(m, list, e);
    const struct rule *rule = replica__merge_rule(m, place);
    enum take take = has(e, OURS) ? TAKE_OURS : TAKE_THEIRS;
    bool stays = true;

    replica__merge_leave(m, place);
    if (rule && rule->kind == REPLICA__RULE_SERVER_WINS)
        stays = take == TAKE_THEIRS;
    else if (rule && rule->kind == REPLICA__RULE_CLIENT_WINS)
        stays = take == TAKE_OURS;
    else if (rule && rule->kind == REPLICA__RULE_LAST_WRITE_WINS)
        stays = take == replica__merge_later(m, rule);
    return stays;
}

static bool stays(struct merge *m, struct place list, const struct element *e)
{
    if (in_both(e) || !has(e, BASE))
        return true;
    if (!has(e, OURS) && !has(e, THEIRS))
        return false;
    if (replica__merge_same(m, has(e, OURS) ? &e->v[OURS] : &e->v[THEIRS], &e->v[BASE]))
        return false;
    return edit_stays(m, list, e);
}

/* ---- the order of what both have ------------------------------------------------- */

/* Does this side have the ancestor's elements in the ancestor's order? */
static bool kept_order(const struct list *l, int side)
{
    size_t last = 0;
    bool first = true;

    for (size_t i = 0; i < l->counts[side]; i++) {
        const struct element *e = l->sides[side][i];

        if (!in_both(e) || !has(e, BASE))
            continue;
        if (!first && e->at[BASE] < last)
            return false;
        last = e->at[BASE];
        first = false;
    }
    return true;
}

/* The side whose order counts.  If both changed it, or added the same elements in another order,
 * the one whose first different key is the smaller. */
static int order_side(struct merge *m, const struct list *l)
{
    bool ours_kept = kept_order(l, OURS);
    bool theirs_kept = kept_order(l, THEIRS);
    size_t i = 0;
    size_t j = 0;

    if (ours_kept != theirs_kept)
        return ours_kept ? THEIRS : OURS;
    for (;; i++, j++) {
        while (i < l->counts[OURS] && !in_both(l->sides[OURS][i]))
            i++;
        while (j < l->counts[THEIRS] && !in_both(l->sides[THEIRS][j]))
            j++;
        if (i == l->counts[OURS] || j == l->counts[THEIRS])
            return THEIRS;
        if (l->sides[OURS][i] != l->sides[THEIRS][j])
            return replica__merge_order(m, &l->sides[OURS][i]->key, &l->sides[THEIRS][j]->key) < 0
                       ? OURS : THEIRS;
    }
}

/* ---- writing --------------------------------------------------------------------- */

struct writer {
    struct merge *m;
    struct place place;
    struct inherited in;
    const struct list *l;
    struct array array;
};

static void open_element(struct slot *slot)
{
    replica__merge_array_next(slot->ctx);
}

static void write_common(struct writer *w, const struct element *e)
{
    const struct three v = { e->v[BASE], e->v[OURS], e->v[THEIRS] };
    struct slot slot = { w->array.out, open_element, &w->array, { NULL, 0 } };
    struct place place = enter(w->m, w->place, e);
    enum take take = replica__merge_value(w->m, place, w->in, &v, &slot);

    replica__merge_leave(w->m, place);
    if (take != TAKE_WRITTEN)
        slot_write(&slot, take == TAKE_OURS ? v.ours : v.theirs);
}

/* What stands on this side from there on, up to the next element that both have. */
static size_t chain_start(const struct list *l, int side, size_t at)
{
    while (at < l->counts[side] && !in_both(l->sides[side][at]) && !l->sides[side][at]->keep)
        at++;
    return at;
}

static void write_chain(struct writer *w, int side, size_t at)
{
    const struct list *l = w->l;

    for (; at < l->counts[side] && !in_both(l->sides[side][at]); at++) {
        const struct element *e = l->sides[side][at];

        if (e->keep)
            replica__buf_add(replica__merge_array_next(&w->array), e->v[side].text.data,
                             e->v[side].text.len);
    }
}

/* What only one side has, behind these places of the two; the chain with the smaller first key
 * first. */
static void write_chains(struct writer *w, size_t ours, size_t theirs)
{
    const struct list *l = w->l;
    bool ours_first = true;

    ours = chain_start(l, OURS, ours);
    theirs = chain_start(l, THEIRS, theirs);
    if (ours < l->counts[OURS] && theirs < l->counts[THEIRS])
        ours_first = replica__merge_order(w->m, &l->sides[OURS][ours]->key,
                                          &l->sides[THEIRS][theirs]->key) < 0;
    if (ours_first)
        write_chain(w, OURS, ours);
    write_chain(w, THEIRS, theirs);
    if (!ours_first)
        write_chain(w, OURS, ours);
}

static void write_list(struct writer *w)
{
    write_chains(w, 0, 0);
    for (size_t i = 0; i < w->l->common_n && w->m->r == 0; i++) {
        const struct element *e = w->l->common[i];

        write_common(w, e);
        write_chains(w, e->at[OURS] + 1, e->at[THEIRS] + 1);
    }
    replica__merge_array_end(&w->array);
}

enum take replica__merge_list(struct merge *m, struct place place, const struct rule *leaf,
                              const struct rule *list, const struct three *v, struct slot *slot)
{
    const struct rule by_member = { .kind = REPLICA__RULE_MERGE, .other = leaf };
    __attribute__((cleanup(list_free))) struct list l = { NULL };
    struct writer w = { .m = m, .place = place, .l = &l };
    int side;
    int r = read_list(m, v, list->field, &l);

    if (r < 0)
        m->r = r;
    if (r <= 0)
        return replica__merge_same(m, &v->theirs, &v->base) ? TAKE_OURS : TAKE_THEIRS;
    for (size_t i = 0; i < l.n; i++)
        l.elements[i].keep = stays(m, place, &l.elements[i]);
    side = order_side(m, &l);
    for (size_t i = 0; i < l.counts[side]; i++)
        if (in_both(l.sides[side][i]))
            l.common[l.common_n++] = l.sides[side][i];
    w.in = (struct inherited){ .merge = &by_member, .element = true };
    w.array = replica__merge_array(v, slot);
    write_list(&w);
    return TAKE_WRITTEN;
}
