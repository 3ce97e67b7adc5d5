/* The keywords about objects.  Every name that one of them mentions becomes a property with a
 * number, and a table finds it by the name's hash. */
#include "schema/compile.h"

#include <string.h>

static size_t count(const struct replica__json_value *v)
{
    struct replica__json_iter it;
    size_t n = 0;

    if (!v)
        return 0;
    it = replica__json_iter(*v);
    while (replica__json_next(&it))
        n += 1 + (it.value.type == REPLICA_JSON_ARRAY ? count(&it.value) : 0);
    return n;
}

static int make_table(struct building *b, struct schema_object_rules *rules, size_t names)
{
    unsigned bits = 1;

    while (((size_t)1 << bits) < names * 2)
        bits++;
    rules->properties = replica__compile_zero(b->c, names, sizeof(*rules->properties));
    rules->slots = replica__compile_zero(b->c, (size_t)1 << bits, sizeof(*rules->slots));
    if (!rules->properties || !rules->slots)
        return replica__compile_enomem(b->c);
    rules->shift = 64 - bits;
    rules->slot_mask = ((size_t)1 << bits) - 1;
    return 0;
}

/* The property's number; it is new if nobody mentioned it yet. */
static uint32_t number_of(struct schema_object_rules *rules, struct replica__slice name)
{
    uint64_t hash = schema_name_hash(name);
    size_t i = (size_t)(hash >> rules->shift);

    for (; rules->slots[i]; i = (i + 1) & rules->slot_mask) {
        struct schema_property *p = &rules->properties[rules->slots[i] - 1];

        if (p->hash == hash && p->name.len == name.len &&
            memcmp(p->name.data, name.data, name.len) == 0)
            return rules->slots[i] - 1;
    }
    rules->properties[rules->property_count] =
        (struct schema_property){ .hash = hash, .name = name };
    rules->slots[i] = (uint32_t)++rules->property_count;
    return rules->slots[i] - 1;
}

/* A member's name: its quotes are around it. */
static struct replica__json_value name_value(struct replica__slice name)
{
    return (struct replica__json_value){ REPLICA_JSON_STRING, { name.data - 1, name.len + 2 } };
}

static int read_properties(struct building *b, struct schema_object_rules *rules)
{
    struct replica__json_value *v = building_value(b, KEYWORD_PROPERTIES);
    struct replica__json_iter it;
    int r = 0;

    b->keyword = "properties";
    if (!v)
        return 0;
    if (v->type != REPLICA_JSON_OBJECT)
        return replica__compile_complain(b, "must be an object");
    it = replica__json_iter(*v);
    while (r == 0 && replica__json_next(&it)) {
        struct replica__slice name;

        r = replica__compile_text(b, name_value(it.name), &name);
        if (r == 0)
            r = replica__compile_child(b, it.value,
                                       &rules->properties[number_of(rules, name)].node);
    }
    return r;
}

/* An array of names, as the numbers of their properties. */
static int read_names(struct building *b, struct replica__json_value list,
                      struct schema_object_rules *rules, uint32_t **ret, size_t *ret_count)
{
    struct replica__json_iter it = replica__json_iter(list);
    uint32_t *numbers;
    size_t n = 0;
    int r = 0;

    if (list.type != REPLICA_JSON_ARRAY)
        return replica__compile_complain(b, "must be a list of names");
    numbers = replica__compile_zero(b->c, count(&list), sizeof(*numbers));
    if (!numbers)
        return replica__compile_enomem(b->c);
    while (r == 0 && replica__json_next(&it)) {
        struct replica__slice name;

        r = replica__compile_text(b, it.value, &name);
        if (r == 0)
            numbers[n++] = number_of(rules, name);
    }
    *ret = numbers;
    *ret_count = n;
    return r;
}

static int read_required(struct building *b, struct schema_object_rules *rules)
{
    struct replica__json_value *v = building_value(b, KEYWORD_REQUIRED);
    int r;

    b->keyword = "required";
    rules->required_in_mask = true;
    if (!v)
        return 0;
    r = read_names(b, *v, rules, &rules->required, &rules->required_count);
    for (size_t i = 0; r == 0 && i < rules->required_count; i++) {
        if (rules->required[i] < 64)
            rules->required_mask |= UINT64_C(1) << rules->required[i];
        else
            rules->required_in_mask = false;
    }
    return r;
}

static int read_patterns(struct building *b, struct schema_object_rules *rules)
{
    struct replica__json_value *v = building_value(b, KEYWORD_PATTERN_PROPERTIES);
    struct replica__json_iter it;
    int r = 0;

    b->keyword = "patternProperties";
    if (!v)
        return 0;
    if (v->type != REPLICA_JSON_OBJECT)
        return replica__compile_complain(b, "must be an object");
    rules->patterns = replica__compile_zero(b->c, count(v), sizeof(*rules->patterns));
    if (!rules->patterns)
        return replica__compile_enomem(b->c);
    it = replica__json_iter(*v);
    while (r == 0 && replica__json_next(&it)) {
        struct schema_pattern_property *p = &rules->patterns[rules->pattern_count++];
        struct replica__slice text;

        r = replica__compile_text(b, name_value(it.name), &text);
        if (r == 0)
            r = replica__compile_pattern(b, text, &p->pattern);
        if (r == 0)
            r = replica__compile_child(b, it.value, &p->node);
    }
    return r;
}

static int read_dependencies(struct building *b, enum keyword_id id, const char *keyword,
                             struct schema_object_rules *rules)
{
    struct replica__json_value *v = building_value(b, id);
    struct replica__json_iter it;
    int r = 0;

    b->keyword = keyword;
    if (!v)
        return 0;
    if (v->type != REPLICA_JSON_OBJECT)
        return replica__compile_complain(b, "must be an object");
    it = replica__json_iter(*v);
    while (r == 0 && replica__json_next(&it)) {
        struct schema_dependency *d = &rules->dependencies[rules->dependency_count++];
        bool names = id == KEYWORD_DEPENDENT_REQUIRED ||
                     (id == KEYWORD_DEPENDENCIES && it.value.type == REPLICA_JSON_ARRAY);
        struct replica__slice name;

        d->keyword = keyword;
        r = replica__compile_text(b, name_value(it.name), &name);
        if (r < 0)
            return r;
        d->property = number_of(rules, name);
        r = names ? read_names(b, it.value, rules, &d->required, &d->required_count)
                  : replica__compile_child(b, it.value, &d->node);
    }
    return r;
}

static int read_all_dependencies(struct building *b, struct schema_object_rules *rules)
{
    size_t n = count(building_value(b, KEYWORD_DEPENDENCIES)) +
               count(building_value(b, KEYWORD_DEPENDENT_REQUIRED)) +
               count(building_value(b, KEYWORD_DEPENDENT_SCHEMAS));
    int r;

    rules->dependencies = replica__compile_zero(b->c, n, sizeof(*rules->dependencies));
    if (!rules->dependencies)
        return replica__compile_enomem(b->c);
    r = read_dependencies(b, KEYWORD_DEPENDENCIES, "dependencies", rules);
    if (r == 0)
        r = read_dependencies(b, KEYWORD_DEPENDENT_REQUIRED, "dependentRequired", rules);
    if (r == 0)
        r = read_dependencies(b, KEYWORD_DEPENDENT_SCHEMAS, "dependentSchemas", rules);
    return r;
}

static int read_one(struct building *b, enum keyword_id id, const char *keyword,
                    const struct schema_node **ret)
{
    struct replica__json_value *v = building_value(b, id);

    b->keyword = keyword;
    return v ? replica__compile_child(b, *v, ret) : 0;
}

int replica__compile_objects(struct building *b)
{
    static const enum keyword_id ids[] = {
        KEYWORD_PROPERTIES,         KEYWORD_REQUIRED,           KEYWORD_PATTERN_PROPERTIES,
        KEYWORD_DEPENDENCIES,       KEYWORD_DEPENDENT_REQUIRED, KEYWORD_DEPENDENT_SCHEMAS,
        KEYWORD_ADDITIONAL_PROPERTIES, KEYWORD_PROPERTY_NAMES,  KEYWORD_MIN_PROPERTIES,
        KEYWORD_MAX_PROPERTIES,
    };
    struct schema_object_rules *rules;
    size_t names = 0;
    bool any = false;
    int r;

    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        any |= building_value(b, ids[i]) != NULL;
        if (ids[i] != KEYWORD_PATTERN_PROPERTIES && ids[i] != KEYWORD_ADDITIONAL_PROPERTIES)
            names += count(building_value(b, ids[i]));
    }
    if (!any)
        return 0;
    rules = b->object = replica__compile_zero(b->c, 1, sizeof(*rules));
    if (!rules)
        return replica__compile_enomem(b->c);
    r = make_table(b, rules, names);
    if (r == 0)
        r = read_properties(b, rules);
    if (r == 0)
        r = read_required(b, rules);
    if (r == 0)
        r = read_patterns(b, rules);
    if (r == 0)
        r = read_all_dependencies(b, rules);
    if (r == 0)
        r = read_one(b, KEYWORD_ADDITIONAL_PROPERTIES, "additionalProperties", &rules->additional);
    if (r == 0)
        r = read_one(b, KEYWORD_PROPERTY_NAMES, "propertyNames", &rules->names);
    if (r == 0)
        r = replica__compile_limits(b, KEYWORD_MIN_PROPERTIES, KEYWORD_MAX_PROPERTIES,
                                    &rules->properties_count);
    return r;
}
