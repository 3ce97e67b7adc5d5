/* Objects, member by member: the text of theirs, in which members are replaced, cut, and added
 * behind the last one.  What is the same on both sides is not even looked into. */
#include "merge/value.h"

#include "base/alloc.h"
#include "base/json_internal.h"

/* ---- finding members --------------------------------------------------------------- */

enum { PATIENCE = 4 }; /* searches from the start before the names are sorted */

/* An object whose members are asked for in about the order that they have. */
struct members {
    struct replica__json_value object;
    struct replica__json_iter next;
    struct json_name *sorted;
    size_t n;
    int searches;
};

static struct members members_of(struct replica__json_value v)
{
    return (struct members){ .object = v,
                             .next = replica__json_iter(v.type == REPLICA_JSON_OBJECT
                                                            ? v : merge_none()) };
}

static void members_free(struct members *members)
{
    replica__free(members->sorted);
}
#define MEMBERS __attribute__((cleanup(members_free))) struct members

static bool same_name(struct replica__slice a, struct replica__slice b)
{
    if (a.len == b.len && memcmp(a.data, b.data, a.len) == 0)
        return true;
    return replica__json_string_compare(a, b) == 0;
}

static struct replica__json_value find_sorted(struct members *members,
                                              struct replica__slice spelled)
{
    struct json_name name = replica__json_name(spelled);
    struct json_name *found = replica__json_names_find(members->sorted, members->n, &name);

    if (!found)
        return merge_none();
    return replica__json_value_of(found->spelled,
                                  members->object.text.data + members->object.text.len);
}

static struct replica__json_value find(struct merge *m, struct members *members,
                                       struct replica__slice name)
{
    struct replica__json_iter it = members->next;

    if (members->object.type != REPLICA_JSON_OBJECT)
        return merge_none();
    if (replica__json_next(&it) && same_name(it.name, name)) {
        members->next = it;
        return it.value;
    }
    if (members->sorted)
        return find_sorted(members, name);
    it = replica__json_iter(members->object);
    if (members->searches++ < PATIENCE) {
        while (replica__json_next(&it)) {
            if (same_name(it.name, name)) {
                members->next = it;
                return it.value;
            }
        }
        return merge_none();
    }
    members->sorted = replica__json_names(it, false, &members->n);
    if (members->sorted)
        return find_sorted(members, name);
    m->r = REPLICA_ENOMEM;
    return merge_none();
}

/* ---- writing ----------------------------------------------------------------------- */

static void open_replaced(struct slot *slot)
{
    replica__json_edit_replace(slot->ctx);
}

static void open_added(struct slot *slot)
{
    replica__json_edit_append(slot->ctx);
    replica__buf_add(slot->out, slot->name.data - 1, slot->name.len + 2);
    replica__buf_char(slot->out, ':');
}

/* What was only printed anew keeps the bytes of theirs. */
static void apply(struct merge *m, struct json_edit *e, enum take take, const struct three *v,
                  struct slot *slot)
{
    if (take == TAKE_WRITTEN)
        return;
    if (take == TAKE_THEIRS || replica__merge_same(m, &v->ours, &v->theirs))
        replica__json_edit_keep(e);
    else if (v->ours.type == REPLICA_JSON_NONE)
        replica__json_edit_cut(e);
    else
        slot_write(slot, v->ours);
}

struct work {
    struct merge *m;
    struct place place;
    struct inherited in;
    struct members base, ours, theirs;
};

static void free_work(struct work *w)
{
    members_free(&w->base);
    members_free(&w->ours);
    members_free(&w->theirs);
}

/* Were all members of ours met, in their order? */
static bool all_met(struct work *w)
{
    struct replica__json_iter it = w->ours.next;

    return w->ours.searches == 0 && !replica__json_next(&it);
}

static enum take merge_member(struct work *w, const struct three *v, struct slot *slot)
{
    struct place place = replica__merge_enter(w->m, w->place, slot->name);
    enum take take = replica__merge_value(w->m, place, w->in, v, slot);

    replica__merge_leave(w->m, place);
    return take;
}

static void add_ours(struct work *w, struct json_edit *e, struct replica__json_value object)
{
    struct replica__json_iter it = replica__json_iter(object);

    while (w->m->r == 0 && replica__json_next(&it)) {
        struct slot slot = { e->out, open_added, e, it.name };
        struct three v = { .ours = it.value, .theirs = find(w->m, &w->theirs, it.name) };

        if (v.theirs.type != REPLICA_JSON_NONE)
            continue;
        v.base = find(w->m, &w->base, it.name);
        if (merge_member(w, &v, &slot) == TAKE_OURS && w->m->r == 0)
            slot_write(&slot, v.ours);
    }
}

enum take replica__merge_object(struct merge *m, struct place place, struct inherited in,
                                const struct three *v, struct slot *slot)
{
    __attribute__((cleanup(free_work))) struct work w = {
        m, place, in, members_of(v->base), members_of(v->ours), members_of(v->theirs)
    };
    struct json_edit e = replica__json_edit(v->theirs, slot_open(slot));

    while (m->r == 0 && replica__json_edit_next(&e)) {
        struct slot below = { e.out, open_replaced, &e, e.it.name };
        struct three member = { .theirs = e.it.value, .ours = find(m, &w.ours, e.it.name) };

        if (!m->additive && merge_same_bytes(&member.ours, &member.theirs)) {
            replica__json_edit_keep(&e);
            continue;
        }
        member.base = find(m, &w.base, e.it.name);
        apply(m, &e, merge_member(&w, &member, &below), &member, &below);
    }
    if (!all_met(&w))
        add_ours(&w, &e, v->ours);
    replica__json_edit_finish(&e);
    if (e.out->r < 0)
        m->r = e.out->r;
    return TAKE_WRITTEN;
}

/* ---- comparing --------------------------------------------------------------------- */

static bool rest_of_members_same(struct merge *m, struct place place, struct replica__json_value a,
                                 struct replica__json_value b, bool only_missing)
{
    MEMBERS others = members_of(b);
    struct replica__json_iter it = replica__json_iter(a);
    bool same = true;

    while (same && m->r == 0 && replica__json_next(&it)) {
        struct replica__json_value other = find(m, &others, it.name);
        struct place below;

        if (only_missing && other.type != REPLICA_JSON_NONE)
            continue;
        below = replica__merge_enter(m, place, it.name);
        same = replica__merge_rule(m, below) ||
               replica__merge_rest_same(m, below, &it.value, &other);
        replica__merge_leave(m, below);
    }
    return same;
}

bool replica__merge_rest_same(struct merge *m, struct place place,
                              const struct replica__json_value *a,
                              const struct replica__json_value *b)
{
    if (merge_same_bytes(a, b))
        return true;
    if (!replica__merge_below(m, place))
        return replica__merge_same(m, a, b);
    if (a->type == REPLICA_JSON_OBJECT && b->type == REPLICA_JSON_OBJECT)
        return rest_of_members_same(m, place, *a, *b, false) &&
               rest_of_members_same(m, place, *b, *a, true);
    if ((a->type == REPLICA_JSON_ARRAY || b->type == REPLICA_JSON_ARRAY) &&
        replica__merge_list_rule(m, place))
        return true;
    return replica__merge_same(m, a, b);
}
