/* One merge at work: what the files of this floor share.  Private to merge/.
 *
 * A value is merged from three, each of which may be absent (type NONE).  The result is one of the
 * two sides as it is, or a text that was written where the value goes: a slot.  Whoever writes
 * opens the slot first, and only when it is certain that there will be a text, so that what neither
 * side changed is never touched. */
#ifndef MERGE_VALUE_H
#define MERGE_VALUE_H

#include "merge/merge.h"
#include "merge/rule.h"

struct three {
    struct replica__json_value base, ours, theirs;
};

/* For a rule that adds: to a null nothing was added yet, if one of that type came of it. */
static inline struct three merge_from_nothing(const struct three *v, enum replica__json_type type)
{
    struct three from = *v;

    if (v->base.type == REPLICA_JSON_NULL &&
        (v->ours.type == type || v->theirs.type == type))
        from.base = (struct replica__json_value){ .type = REPLICA_JSON_NONE };
    return from;
}

/* TAKE_OURS of an absent one means that there is none. */
enum take { TAKE_THEIRS, TAKE_OURS, TAKE_WRITTEN };

/* The nodes of the rules that a value's path leads to: n of them in merge->nodes, from there. */
struct place {
    size_t from, n;
};

/* What decides a value that has no rule of its own. */
struct inherited {
    const struct rule *merge; /* the merge that it is a part of; NULL: it was decided above */
    enum take decided;        /* for that side */
    const struct rule *by;    /* by this rule; NULL: server-wins */
    bool element;             /* of a list-by-key, whose own rule that is not */
};

struct merge {
    const struct replica__rules *rules;
    const struct replica__side *base, *ours, *theirs;
    const struct rule_node **nodes;
    size_t top; /* of nodes in use */
    bool additive;
    int r; /* 0, or what went wrong: sticky, and nothing that is returned means anything then */
};

struct slot {
    struct replica__buf *out;
    void (*open)(struct slot *slot); /* write what comes before the value; NULL: nothing does */
    void *ctx;
    struct replica__slice name;
};

/* Where the value is to be written. */
static inline struct replica__buf *slot_open(struct slot *slot)
{
    if (slot->open)
        slot->open(slot);
    return slot->out;
}

static inline void slot_write(struct slot *slot, struct replica__json_value v)
{
    replica__buf_add(slot_open(slot), v.text.data, v.text.len);
}

/* ---- value.c --------------------------------------------------------------------- */

enum take replica__merge_value(struct merge *m, struct place place, struct inherited in,
                               const struct three *v, struct slot *slot);
/* Equal content; two that are absent are equal. */
bool replica__merge_same(struct merge *m, const struct replica__json_value *a,
                         const struct replica__json_value *b);
/* For a rule that has nothing below it: both sides changed the value. */
enum take replica__merge_changed(struct merge *m, const struct rule *rule, const struct three *v,
                                 struct slot *slot);

/* ---- place.c: which rule ----------------------------------------------------------- */

/* The place of a member, or of an element by its key; ended in the opposite order. */
struct place replica__merge_enter(struct merge *m, struct place place, struct replica__slice name);
static inline void replica__merge_leave(struct merge *m, struct place place)
{
    m->top = place.from;
}
/* The rule of the place itself; NULL: none. */
const struct rule *replica__merge_rule(const struct merge *m, struct place place);
/* The list-by-key of the array at this place, also where it is told for its elements. */
const struct rule *replica__merge_list_rule(const struct merge *m, struct place place);
/* Is there a rule anywhere below? */
bool replica__merge_below(const struct merge *m, struct place place);

/* ---- object.c, list.c, set.c, number.c, text.c, later.c ------------------------------ */

/* Of two objects, onto the layout of theirs; base may be anything. */
enum take replica__merge_object(struct merge *m, struct place place, struct inherited in,
                                const struct three *v, struct slot *slot);
/* Are two values the same, but for the parts that have rules of their own? */
bool replica__merge_rest_same(struct merge *m, struct place place,
                              const struct replica__json_value *a,
                              const struct replica__json_value *b);
/* Of arrays, or absent ones: list says what tells elements apart, leaf what decides the leaves of
 * elements; NULL: server-wins. */
enum take replica__merge_list(struct merge *m, struct place place, const struct rule *leaf,
                              const struct rule *list, const struct three *v, struct slot *slot);
enum take replica__merge_set(struct merge *m, const struct three *v, struct slot *slot);
enum take replica__merge_sum(struct merge *m, const struct three *v, struct slot *slot);
enum take replica__merge_text(struct merge *m, const struct rule *rule, const struct three *v,
                              struct slot *slot);
/* The side that was written later. */
enum take replica__merge_later(struct merge *m, const struct rule *rule);

/* ---- order.c: one order of all values, and arrays as text ---------------------------- */

/* < 0, 0, > 0: by type, numbers by value, texts by their bytes, others by content. */
int replica__merge_order(struct merge *m, const struct replica__json_value *a,
                         const struct replica__json_value *b);
/* Sort n pointers in place without memory of its own, n log n at worst. */
void replica__merge_sort(struct merge *m, void **items, size_t n,
                         int (*order)(struct merge *m, const void *a, const void *b));

/* An array that looks like the model: its white space goes between the elements. */
struct array {
    struct replica__buf *out;
    struct replica__slice head, between, tail;
    bool comma; /* between is no whole separator: a comma goes before it */
    size_t n;
};
struct array replica__merge_array(const struct three *v, struct slot *slot);
struct replica__buf *replica__merge_array_next(struct array *a); /* where the element goes */
void replica__merge_array_end(struct array *a);

static inline struct replica__json_value merge_none(void)
{
    return (struct replica__json_value){ REPLICA_JSON_NONE, { NULL, 0 } };
}

static inline bool merge_same_bytes(const struct replica__json_value *a,
                                    const struct replica__json_value *b)
{
    return a->type == b->type && a->text.len == b->text.len &&
           (a->text.len == 0 || __builtin_memcmp(a->text.data, b->text.data, a->text.len) == 0);
}

static inline bool merge_all(const struct three *v, enum replica__json_type type)
{
    return v->ours.type == type && v->theirs.type == type &&
           (v->base.type == type || v->base.type == REPLICA_JSON_NONE);
}

/* What stands between a string's quotes. */
static inline struct replica__slice merge_inside(struct replica__json_value string)
{
    return (struct replica__slice){ string.text.data + 1, string.text.len - 2 };
}

#endif
