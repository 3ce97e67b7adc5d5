/* Arrays. */
#include "schema/run.h"

#include "base/alloc.h"

#include <string.h>

/* Up to that many elements are compared each with each; more go into a table. */
enum { FEW_ELEMENTS = 12 };

struct array_run {
    struct run *run;
    const struct schema_node *node;
    const struct schema_array_rules *rules;
    const struct replica__json_value *v;
    const struct place *place;
    struct marks *marks;
    size_t n;
};

/* ---- uniqueness ------------------------------------------------------------------- */

static int same(struct run *run, const struct replica__json_value *a,
                const struct replica__json_value *b)
{
    int r;

    if (a->type != b->type)
        return 0;
    if (replica__run_step(run, (int64_t)(a->text.len / 16) + 1) < 0)
        return REPLICA_ELIMIT;
    r = replica__json_equal(a->text.data, a->text.len, b->text.data, b->text.len, 0);
    return r < 0 ? replica__run_enomem(run) : r;
}

/* 1: they are; 0: the element in *twice is there before. */
static int few_are_unique(struct run *run, const struct replica__json_value *v,
                          struct replica__json_value *twice)
{
    struct replica__json_value before[FEW_ELEMENTS];
    struct replica__json_iter it = replica__json_iter(*v);
    size_t n = 0;

    while (replica__json_next(&it)) {
        for (size_t i = 0; i < n; i++) {
            int r = same(run, &before[i], &it.value);

            if (r == 0)
                continue;
            *twice = it.value;
            return r < 0 ? r : 0;
        }
        before[n++] = it.value;
    }
    return 1;
}

struct unique_slot {
    uint64_t digest;
    struct replica__json_value value;
};

static int many_are_unique(struct run *run, const struct replica__json_value *v, size_t count,
                           struct replica__json_value *twice)
{
    struct replica__json_iter it = replica__json_iter(*v);
    REPLICA_FREE struct unique_slot *slots = NULL;
    size_t room = 32;

    while (room < count * 2)
        room *= 2;
    slots = replica__alloc_zero(room, sizeof(*slots));
    if (!slots)
        return replica__run_enomem(run);
    while (replica__json_next(&it)) {
        uint64_t digest = replica__json_digest_whole(it.value);
        size_t i = (size_t)digest & (room - 1);

        for (; slots[i].value.type != REPLICA_JSON_NONE; i = (i + 1) & (room - 1)) {
            int r = slots[i].digest == digest ? same(run, &slots[i].value, &it.value)
                                              : replica__run_step(run, 1);

            if (r == 0)
                continue;
            *twice = it.value;
            return r < 0 ? r : 0;
        }
        slots[i] = (struct unique_slot){ digest, it.value };
    }
    return 1;
}

static int check_unique(struct array_run *a)
{
    struct replica__json_value twice = *a->v;
    int r = a->n <= FEW_ELEMENTS ? few_are_unique(a->run, a->v, &twice)
                                 : many_are_unique(a->run, a->v, a->n, &twice);

    if (r != 0)
        return r;
    return replica__run_find(a->run, a->node, "uniqueItems", a->v, a->place,
                             "%.*s is there twice",
                             (int)(twice.text.len < 100 ? twice.text.len : 100), twice.text.data);
}

/* ---- elements --------------------------------------------------------------------- */

static int check_element(struct array_run *a, size_t i, const struct replica__json_value *v,
                         const struct place *place)
{
    const struct schema_array_rules *rules = a->rules;

    if (i < rules->prefix.n)
        return replica__run_node(a->run, rules->prefix.at[i], v, place, NULL);
    if (rules->rest)
        return replica__run_rest(a->run, a->node, rules->rest_keyword, rules->rest, v, place);
    return 1;
}

static int check_elements(struct array_run *a)
{
    struct replica__json_iter it = replica__json_iter(*a->v);
    const struct schema_array_rules *rules = a->rules;
    struct run *run = a->run;
    int valid = 1;

    while (replica__json_next(&it)) {
        const struct place place = { a->place, { NULL, 0 }, a->n };

        if (a->marks && (a->n < rules->prefix.n || rules->rest) &&
            replica__marks_set(a->marks, a->n) < 0)
            return replica__run_enomem(run);
        RUN(valid, check_element(a, a->n++, &it.value, &place));
    }
    return valid;
}

static int check_contains(struct array_run *a)
{
    const struct schema_array_rules *rules = a->rules;
    struct replica__json_iter it = replica__json_iter(*a->v);
    size_t min = rules->contained.has_min ? rules->contained.min : 1;
    struct run *run = a->run;
    size_t found = 0;
    int valid = 1;

    for (size_t i = 0; replica__json_next(&it); i++) {
        const struct place place = { a->place, { NULL, 0 }, i };
        int r = replica__run_quietly(run, rules->contains, &it.value, &place, NULL);

        if (r < 0)
            return r;
        found += (size_t)r;
        if (r && a->marks && rules->contains_evaluates && replica__marks_set(a->marks, i) < 0)
            return replica__run_enomem(run);
    }
    if (found < min)
        RUN(valid, replica__run_find(run, a->node,
                                     rules->contained.has_min ? "minContains" : "contains", a->v,
                                     a->place, "has %zu matching elements, fewer than %zu", found,
                                     min));
    if (rules->contained.has_max && found > rules->contained.max)
        RUN(valid, replica__run_find(run, a->node, "maxContains", a->v, a->place,
                                     "has %zu matching elements, more than %zu", found,
                                     rules->contained.max));
    return valid;
}

static int check_count(struct array_run *a)
{
    const struct schema_limits *limits = &a->rules->items;
    struct run *run = a->run;
    int valid = 1;

    if (limits->has_min && a->n < limits->min)
        RUN(valid, replica__run_find(run, a->node, "minItems", a->v, a->place,
                                     "has %zu elements, fewer than %zu", a->n, limits->min));
    if (limits->has_max && a->n > limits->max)
        RUN(valid, replica__run_find(run, a->node, "maxItems", a->v, a->place,
                                     "has %zu elements, more than %zu", a->n, limits->max));
    return valid;
}

int replica__run_array(struct run *run, const struct schema_node *node,
                       const struct replica__json_value *v, const struct place *place,
                       struct marks *marks)
{
    struct array_run a = { run, node, node->array, v, place, marks, 0 };
    int valid = 1;

    RUN(valid, check_elements(&a));
    RUN(valid, check_count(&a));
    if (a.rules->unique && a.n > 1)
        RUN(valid, check_unique(&a));
    if (a.rules->contains)
        RUN(valid, check_contains(&a));
    return valid;
}
