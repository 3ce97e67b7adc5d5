/* Objects.  One pass over the members: each is looked up by its name's hash, and what is there
 * is kept as bits, so that required is one comparison of words where all names fit into one. */
#include "schema/run.h"

#include <string.h>

struct object_run {
    struct run *run;
    const struct schema_node *node;
    const struct schema_object_rules *rules;
    const struct replica__json_value *v;
    const struct place *place;
    struct marks *marks;
    struct marks seen; /* properties, by their number */
};

/* The number of the property with that name, if the schema mentions it. */
static bool find(const struct schema_object_rules *rules, struct replica__slice name,
                 size_t *ret_number)
{
    uint64_t hash = schema_name_hash(name);
    size_t i = (size_t)(hash >> rules->shift);

    for (; rules->slots[i]; i = (i + 1) & rules->slot_mask) {
        const struct schema_property *p = &rules->properties[rules->slots[i] - 1];

        if (p->hash == hash && p->name.len == name.len &&
            memcmp(p->name.data, name.data, name.len) == 0) {
            *ret_number = rules->slots[i] - 1;
            return true;
        }
    }
    return false;
}

/* The name as a value: its quotes are around it. */
static int check_name(struct object_run *o, struct replica__slice name, const struct place *place)
{
    const struct replica__json_value text = { REPLICA_JSON_STRING,
                                              { name.data - 1, name.len + 2 } };

    return replica__run_node(o->run, o->rules->names, &text, place, NULL);
}

static int check_patterns(struct object_run *o, const struct replica__json_iter *it,
                          const struct place *place, bool *matched)
{
    struct run *run = o->run;
    int valid = 1;

    for (size_t i = 0; i < o->rules->pattern_count; i++) {
        const struct schema_pattern_property *p = &o->rules->patterns[i];
        int r = replica__run_pattern(run, p->pattern, it->name);

        if (r < 0)
            return r;
        if (!r)
            continue;
        *matched = true;
        RUN(valid, replica__run_node(run, p->node, &it->value, place, NULL));
    }
    return valid;
}

static int check_known(struct object_run *o, const struct replica__json_iter *it,
                       const struct place *place, bool *matched)
{
    struct replica__slice name = replica__run_text(o->run, it->name);
    const struct schema_node *node;
    size_t number;

    if (!name.data)
        return replica__run_enomem(o->run);
    if (!find(o->rules, name, &number))
        return 1;
    if (replica__marks_set(&o->seen, number) < 0)
        return replica__run_enomem(o->run);
    node = o->rules->properties[number].node;
    if (!node)
        return 1;
    *matched = true;
    return replica__run_node(o->run, node, &it->value, place, NULL);
}

static int check_member(struct object_run *o, const struct replica__json_iter *it,
                        const struct place *place)
{
    const struct schema_object_rules *rules = o->rules;
    struct run *run = o->run;
    bool matched = false;
    int valid = 1;

    if (rules->property_count)
        RUN(valid, check_known(o, it, place, &matched));
    if (rules->names)
        RUN(valid, check_name(o, it->name, place));
    if (rules->pattern_count)
        RUN(valid, check_patterns(o, it, place, &matched));
    if (!matched && rules->additional) {
        matched = true;
        RUN(valid, replica__run_rest(run, o->node, "additionalProperties", rules->additional,
                                     &it->value, place));
    }
    if (matched && o->marks && replica__marks_set(o->marks, place->index) < 0)
        return replica__run_enomem(run);
    return valid;
}

static int missing(struct object_run *o, const char *keyword, uint32_t number)
{
    const struct replica__slice name = o->rules->properties[number].name;

    return replica__run_find(o->run, o->node, keyword, o->v, o->place, "'%.*s' is missing",
                             (int)(name.len < 200 ? name.len : 200), name.data);
}

static int check_required(struct object_run *o)
{
    const struct schema_object_rules *rules = o->rules;
    struct run *run = o->run;
    int valid = 1;

    if (rules->required_in_mask && (rules->required_mask & ~o->seen.few) == 0)
        return 1;
    for (size_t i = 0; i < rules->required_count; i++) {
        if (!replica__marks_has(&o->seen, rules->required[i]))
            RUN(valid, missing(o, "required", rules->required[i]));
    }
    return valid;
}

static int check_dependency(struct object_run *o, const struct schema_dependency *d)
{
    struct run *run = o->run;
    int valid = 1;

    for (size_t i = 0; i < d->required_count; i++) {
        if (!replica__marks_has(&o->seen, d->required[i]))
            RUN(valid, missing(o, d->keyword, d->required[i]));
    }
    if (d->node)
        RUN(valid, replica__run_node(run, d->node, o->v, o->place, o->marks));
    return valid;
}

static int check_count(struct object_run *o, size_t n)
{
    const struct schema_limits *limits = &o->rules->properties_count;
    struct run *run = o->run;
    int valid = 1;

    if (limits->has_min && n < limits->min)
        RUN(valid, replica__run_find(run, o->node, "minProperties", o->v, o->place,
                                     "has %zu properties, fewer than %zu", n, limits->min));
    if (limits->has_max && n > limits->max)
        RUN(valid, replica__run_find(run, o->node, "maxProperties", o->v, o->place,
                                     "has %zu properties, more than %zu", n, limits->max));
    return valid;
}

static int check_object(struct object_run *o)
{
    struct replica__json_iter it = replica__json_iter(*o->v);
    struct run *run = o->run;
    int valid = 1;
    size_t n = 0;

    while (replica__json_next(&it)) {
        const struct place place = { o->place, it.name, n++ };

        RUN(valid, check_member(o, &it, &place));
    }
    RUN(valid, check_required(o));
    RUN(valid, check_count(o, n));
    for (size_t i = 0; i < o->rules->dependency_count; i++) {
        const struct schema_dependency *d = &o->rules->dependencies[i];

        if (replica__marks_has(&o->seen, d->property))
            RUN(valid, check_dependency(o, d));
    }
    return valid;
}

int replica__run_object(struct run *run, const struct schema_node *node,
                        const struct replica__json_value *v, const struct place *place,
                        struct marks *marks)
{
    struct object_run o = { run, node, node->object, v, place, marks, { NULL } };
    int r = check_object(&o);

    replica__marks_free(&o.seen);
    return r;
}
