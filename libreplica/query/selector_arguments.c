/* The arguments of operators that take more than any value. */
#include "libreplica/query/selector_parser.h"

#include <stdlib.h>

/* ---- lists ----------------------------------------------------------------------- */

static int compare_listed(const void *a, const void *b)
{
    const struct replica__json_value *x = a;
    const struct replica__json_value *y = b;

    if (replica__value_same_kind(*x, *y))
        return replica__scalar_order(*x, *y);
    return (int)x->type - (int)y->type;
}

static int parse_list(struct replica__parser *p, struct replica__test *t)
{
    struct replica__json_iter it = replica__json_iter(t->value);
    size_t n = replica__json_count(t->value);

    if (t->value.type != REPLICA_JSON_ARRAY)
        return replica__parser_refuse(p, t->value.text, "$in and $nin take an array");
    t->values = replica__arena_zero(p->s->arena, n, sizeof(*t->values));
    t->others = replica__arena_zero(p->s->arena, n, sizeof(*t->others));
    if (!t->values || !t->others)
        return replica__parser_no_memory(p);
    while (replica__json_next(&it)) {
        if (it.value.type == REPLICA_JSON_NULL)
            t->has_null = true;
        else if (it.value.type == REPLICA_JSON_ARRAY || it.value.type == REPLICA_JSON_OBJECT)
            t->others[t->other_count++] = it.value;
        else
            t->values[t->value_count++] = it.value;
    }
    if (t->value_count > 1)
        qsort(t->values, t->value_count, sizeof(*t->values), compare_listed);
    return 0;
}

/* ---- what a value is ------------------------------------------------------------- */

/* Any value, as JavaScript takes it for true or false. */
static bool truth(struct replica__json_value v)
{
    switch (v.type) {
    case REPLICA_JSON_NULL:
    case REPLICA_JSON_FALSE:
        return false;
    case REPLICA_JSON_NUMBER:
        return replica__json_double(v) != 0;
    case REPLICA_JSON_STRING:
        return v.text.len > 2;
    default:
        return true;
    }
}

static const struct {
    const char *name;
    int number;
    unsigned bits;
} types[] = {
    { "double", 1, TYPE_NUMBER },
    { "string", 2, TYPE_STRING },
    { "object", 3, TYPE_OBJECT },
    { "array", 4, TYPE_ARRAY },
    { "binData", 5, 0 },
    { "undefined", 6, TYPE_UNDEFINED },
    { "objectId", 7, 0 },
    { "bool", 8, TYPE_BOOLEAN },
    { "boolean", 8, TYPE_BOOLEAN },
    { "date", 9, 0 },
    { "null", 10, TYPE_NULL },
    { "regex", 11, 0 },
    { "regexp", 11, 0 },
    { "int", 16, TYPE_INTEGER },
    { "timestamp", 17, 0 },
    { "long", 18, TYPE_INTEGER },
    { "decimal", 19, TYPE_NUMBER },
    { "number", 0, TYPE_NUMBER },
};

static int add_type(struct replica__parser *p, struct replica__json_value v, unsigned *bits)
{
    int64_t number = 0;
    bool numbered = replica__json_int(v, &number);

    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (numbered ? number != 0 && number == types[i].number
                     : v.type == REPLICA_JSON_STRING &&
                           replica__json_string_is(
                               (struct replica__slice){ v.text.data + 1, v.text.len - 2 },
                               types[i].name, REPLICA_NUL)) {
            *bits |= types[i].bits;
            return 0;
        }
    }
    return replica__parser_refuse(p, v.text, "$type has no type '%.*s'",
                                  v.text.len < 40 ? (int)v.text.len : 40, v.text.data);
}

static int parse_type(struct replica__parser *p, struct replica__test *t)
{
    struct replica__json_iter it = replica__json_iter(t->value);

    if (t->value.type != REPLICA_JSON_ARRAY)
        return add_type(p, t->value, &t->types);
    while (replica__json_next(&it)) {
        int r = add_type(p, it.value, &t->types);

        if (r < 0)
            return r;
    }
    return 0;
}

static int parse_mod(struct replica__parser *p, struct replica__test *t)
{
    struct replica__json_iter it = replica__json_iter(t->value);

    t->values = replica__arena_zero(p->s->arena, 2, sizeof(*t->values));
    if (!t->values)
        return replica__parser_no_memory(p);
    while (t->value.type == REPLICA_JSON_ARRAY && replica__json_next(&it)) {
        if (it.value.type != REPLICA_JSON_NUMBER || t->value_count == 2)
            return replica__parser_refuse(p, it.value.text, "$mod takes two numbers");
        t->values[t->value_count++] = it.value;
    }
    return t->value_count == 2 ? 0
                               : replica__parser_refuse(p, t->value.text, "$mod takes two numbers");
}

static int parse_size(struct replica__parser *p, struct replica__test *t)
{
    if (t->value.type != REPLICA_JSON_NUMBER)
        return replica__parser_refuse(p, t->value.text, "$size takes a number");
    if (!replica__json_int(t->value, &t->size) || t->size < 0)
        t->size = -1;
    return 0;
}

/* ---- regular expressions --------------------------------------------------------- */

static int parse_flags(struct replica__parser *p, struct replica__json_value options, unsigned *ret)
{
    struct replica__slice letters;
    replica_error inner = { 0 };
    int r;

    if (options.type == REPLICA_JSON_NONE)
        return 0;
    if (options.type != REPLICA_JSON_STRING)
        return replica__parser_refuse(p, options.text, "$options takes a string");
    r = replica__parser_meaning_of(p, options, &letters);
    if (r < 0)
        return r;
    r = replica__pattern_flags(letters.data, letters.len, ret, &inner);
    return r < 0 ? replica__parser_refuse(p, options.text, "%s", inner.message) : 0;
}

/* siblings: the object that $regex stands in. */
static int parse_regex(struct replica__parser *p, struct replica__test *t,
                       struct replica__json_value siblings)
{
    replica_error inner = { 0 };
    struct owned *o;
    int r;

    if (t->value.type != REPLICA_JSON_STRING)
        return replica__parser_refuse(p, t->value.text, "$regex takes a string");
    r = parse_flags(p, replica__json_member(siblings, "$options", REPLICA_NUL), &t->flags);
    if (r == 0)
        r = replica__parser_meaning_of(p, t->value, &t->source);
    if (r < 0)
        return r;
    o = replica__parser_own(p);
    if (!o)
        return replica__parser_no_memory(p);
    r = replica__pattern_compile(t->source.data, t->source.len, t->flags, &o->pattern, &inner);
    if (r == REPLICA_ENOMEM)
        return replica__parser_no_memory(p);
    t->pattern = o->pattern;
    return r < 0 ? replica__parser_refuse_as(p, r, t->value.text, inner.message) : 0;
}

/* ---- all of them ----------------------------------------------------------------- */

int replica__parser_argument(struct replica__parser *p, struct replica__test *t,
                             struct replica__json_value siblings)
{
    switch (t->op) {
    case TEST_IN:
    case TEST_NIN:
        return parse_list(p, t);
    case TEST_EXISTS:
        t->wanted = truth(t->value);
        return 0;
    case TEST_TYPE:
        return parse_type(p, t);
    case TEST_MOD:
        return parse_mod(p, t);
    case TEST_SIZE:
        return parse_size(p, t);
    case TEST_REGEX:
        return parse_regex(p, t, siblings);
    default:
        return 0;
    }
}
