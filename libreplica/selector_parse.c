/* Selectors as RxDB users write them, read into terms and tests.
 *
 * Whatever is not known is an error that says where: nothing is ever ignored.  An object whose
 * names are operators asks; any other one is a value to be equal to. */
#include "libreplica/selector.h"

#include "base/alloc.h"
#include "base/error.h"
#include "base/json_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK 2000 /* of the arena: enough for most selectors */

struct parser {
    struct replica__selector *s;
    const char *copy;          /* the selector's own text */
    int64_t offset;            /* where it stands in the text that was given */
    struct replica__slice path; /* which is being asked, for errors */
    replica_error *err;
};

static int parse_group(struct parser *p, struct replica__json_value v, struct replica__group *ret);
static int parse_tests(struct parser *p, struct replica__json_value v, struct replica__test **ret,
                       size_t *ret_n);

/* ---- help ------------------------------------------------------------------------ */

/* at: the piece of the copy that is wrong. */
static int refuse_as(struct parser *p, int code, struct replica__slice at, const char *message)
{
    replica__error_at(p->err, code, p->offset + (at.data - p->copy), "%s", message);
    if (p->path.data)
        replica__error_where(p->err, "%.*s", p->path.len < 1000 ? (int)p->path.len : 1000,
                             p->path.data);
    return code;
}

__attribute__((format(printf, 3, 4))) static int refuse(struct parser *p, struct replica__slice at,
                                                        const char *format, ...)
{
    char message[200];
    va_list args;

    va_start(args, format);
    vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    return refuse_as(p, REPLICA_EINVAL, at, message);
}

static int no_memory(struct parser *p)
{
    return replica__enomem(p->err);
}

/* What a spelled string means, kept as long as the selector. */
static int meaning(struct parser *p, struct replica__slice spelled, struct replica__slice *ret)
{
    REPLICA_BUF meant = REPLICA_BUF_INIT;

    *ret = spelled;
    if (spelled.len == 0 || !memchr(spelled.data, '\\', spelled.len))
        return 0;
    replica__json_unescape(spelled, &meant);
    ret->data = meant.r < 0 ? NULL : replica__arena_copy(p->s->arena, meant.data, meant.len);
    ret->len = meant.len;
    return ret->data ? 0 : no_memory(p);
}

static int meaning_of(struct parser *p, struct replica__json_value v, struct replica__slice *ret)
{
    return meaning(p, (struct replica__slice){ v.text.data + 1, v.text.len - 2 }, ret);
}

static size_t count(struct replica__json_value v)
{
    struct replica__json_iter it = replica__json_iter(v);
    size_t n = 0;

    while (replica__json_next(&it))
        n++;
    return n;
}

static bool is_operator(struct replica__slice name)
{
    if (name.len < 2 || name.data[0] != '$')
        return false;
    for (size_t i = 1; i < name.len; i++) {
        char c = name.data[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '_'))
            return false;
    }
    return true;
}

static bool is(struct replica__slice name, const char *text)
{
    return name.len == strlen(text) && memcmp(name.data, text, name.len) == 0;
}

static bool is_logical(struct replica__slice name)
{
    return is(name, "$and") || is(name, "$or") || is(name, "$nor");
}

/* 1: one of the names is an operator; 0: none. */
static int asks(struct parser *p, struct replica__json_value v)
{
    struct replica__json_iter it = replica__json_iter(v);
    struct replica__slice name;

    while (v.type == REPLICA_JSON_OBJECT && replica__json_next(&it)) {
        int r = meaning(p, it.name, &name);

        if (r < 0)
            return r;
        if (is_operator(name))
            return 1;
    }
    return 0;
}

static struct owned *own(struct parser *p)
{
    struct owned *o = replica__arena_zero(p->s->arena, 1, sizeof(*o));

    if (o) {
        o->next = p->s->owned;
        p->s->owned = o;
    }
    return o;
}

/* ---- arguments ------------------------------------------------------------------- */

static int compare_listed(const void *a, const void *b)
{
    const struct replica__json_value *x = a;
    const struct replica__json_value *y = b;

    if (replica__value_same_kind(*x, *y))
        return replica__scalar_order(*x, *y);
    return (int)x->type - (int)y->type;
}

static int parse_list(struct parser *p, struct replica__test *t)
{
    struct replica__json_iter it = replica__json_iter(t->value);
    size_t n = count(t->value);

    if (t->value.type != REPLICA_JSON_ARRAY)
        return refuse(p, t->value.text, "$in and $nin take an array");
    t->values = replica__arena_zero(p->s->arena, n, sizeof(*t->values));
    t->others = replica__arena_zero(p->s->arena, n, sizeof(*t->others));
    if (!t->values || !t->others)
        return no_memory(p);
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

static int add_type(struct parser *p, struct replica__json_value v, unsigned *bits)
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
    return refuse(p, v.text, "$type has no type '%.*s'", v.text.len < 40 ? (int)v.text.len : 40,
                  v.text.data);
}

static int parse_type(struct parser *p, struct replica__test *t)
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

static int parse_mod(struct parser *p, struct replica__test *t)
{
    struct replica__json_iter it = replica__json_iter(t->value);

    t->values = replica__arena_zero(p->s->arena, 2, sizeof(*t->values));
    if (!t->values)
        return no_memory(p);
    while (t->value.type == REPLICA_JSON_ARRAY && replica__json_next(&it)) {
        if (it.value.type != REPLICA_JSON_NUMBER || t->value_count == 2)
            return refuse(p, it.value.text, "$mod takes two numbers");
        t->values[t->value_count++] = it.value;
    }
    return t->value_count == 2 ? 0 : refuse(p, t->value.text, "$mod takes two numbers");
}

static int parse_size(struct parser *p, struct replica__test *t)
{
    if (t->value.type != REPLICA_JSON_NUMBER)
        return refuse(p, t->value.text, "$size takes a number");
    if (!replica__json_int(t->value, &t->size) || t->size < 0)
        t->size = -1;
    return 0;
}

static int parse_flags(struct parser *p, struct replica__json_value options, unsigned *ret)
{
    struct replica__slice letters;
    replica_error inner = { 0 };
    int r;

    if (options.type == REPLICA_JSON_NONE)
        return 0;
    if (options.type != REPLICA_JSON_STRING)
        return refuse(p, options.text, "$options takes a string");
    r = meaning_of(p, options, &letters);
    if (r < 0)
        return r;
    r = replica__pattern_flags(letters.data, letters.len, ret, &inner);
    return r < 0 ? refuse(p, options.text, "%s", inner.message) : 0;
}

/* siblings: the object that $regex stands in. */
static int parse_regex(struct parser *p, struct replica__test *t,
                       struct replica__json_value siblings)
{
    replica_error inner = { 0 };
    struct owned *o;
    int r;

    if (t->value.type != REPLICA_JSON_STRING)
        return refuse(p, t->value.text, "$regex takes a string");
    r = parse_flags(p, replica__json_member(siblings, "$options", REPLICA_NUL), &t->flags);
    if (r == 0)
        r = meaning_of(p, t->value, &t->source);
    if (r < 0)
        return r;
    o = own(p);
    if (!o)
        return no_memory(p);
    r = replica__pattern_compile(t->source.data, t->source.len, t->flags, &o->pattern, &inner);
    if (r == REPLICA_ENOMEM)
        return no_memory(p);
    t->pattern = o->pattern;
    return r < 0 ? refuse_as(p, r, t->value.text, inner.message) : 0;
}

/* ---- elements -------------------------------------------------------------------- */

/* Only operators that ask the element itself: then it need not be a document. */
static int asks_itself(struct parser *p, struct replica__json_value v)
{
    struct replica__json_iter it = replica__json_iter(v);
    struct replica__slice name;

    while (replica__json_next(&it)) {
        int r = meaning(p, it.name, &name);

        if (r < 0)
            return r;
        if (!is_operator(name) || is_logical(name))
            return 0;
    }
    return 1;
}

static int parse_elem(struct parser *p, struct replica__json_value v, struct replica__test *t)
{
    int r;

    t->op = TEST_ELEM;
    if (v.type != REPLICA_JSON_OBJECT)
        return refuse(p, v.text, "$elemMatch takes an object");
    if (count(v) == 0)
        return 0;
    r = asks_itself(p, v);
    if (r < 0)
        return r;
    if (r > 0)
        return parse_tests(p, v, &t->tests, &t->test_count);
    t->group = replica__arena_zero(p->s->arena, 1, sizeof(*t->group));
    return t->group ? parse_group(p, v, t->group) : no_memory(p);
}

static int parse_all(struct parser *p, struct replica__test *t)
{
    struct replica__json_iter it = replica__json_iter(t->value);
    size_t n = count(t->value);
    int r = 0;

    if (t->value.type != REPLICA_JSON_ARRAY)
        return refuse(p, t->value.text, "$all takes an array");
    t->values = replica__arena_zero(p->s->arena, n, sizeof(*t->values));
    t->tests = replica__arena_zero(p->s->arena, n, sizeof(*t->tests));
    if (!t->values || !t->tests)
        return no_memory(p);
    while (r == 0 && replica__json_next(&it)) {
        struct replica__json_iter first = replica__json_iter(it.value);

        if (it.value.type == REPLICA_JSON_OBJECT && replica__json_next(&first) &&
            replica__json_string_is(first.name, "$elemMatch", REPLICA_NUL))
            r = parse_elem(p, first.value, &t->tests[t->test_count++]);
        else
            t->values[t->value_count++] = it.value;
    }
    return r;
}

/* ---- tests ----------------------------------------------------------------------- */

static const struct {
    const char *name;
    enum replica__test_op op;
} operators[] = {
    { "$eq", TEST_EQ },   { "$ne", TEST_NE },       { "$gt", TEST_GT },
    { "$gte", TEST_GTE }, { "$lt", TEST_LT },       { "$lte", TEST_LTE },
    { "$in", TEST_IN },   { "$nin", TEST_NIN },     { "$exists", TEST_EXISTS },
    { "$type", TEST_TYPE }, { "$mod", TEST_MOD },   { "$regex", TEST_REGEX },
    { "$size", TEST_SIZE }, { "$elemMatch", TEST_ELEM }, { "$all", TEST_ALL },
    { "$not", TEST_NOT },
};

static enum replica__test_op operator_of(struct replica__slice name)
{
    for (size_t i = 0; i < sizeof(operators) / sizeof(operators[0]); i++) {
        if (is(name, operators[i].name))
            return operators[i].op;
    }
    return 0;
}

static int parse_argument(struct parser *p, struct replica__test *t,
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
    case TEST_REGEX:
        return parse_regex(p, t, siblings);
    case TEST_SIZE:
        return parse_size(p, t);
    case TEST_ELEM:
        return parse_elem(p, t->value, t);
    case TEST_ALL:
        return parse_all(p, t);
    case TEST_NOT:
        return parse_tests(p, t->value, &t->tests, &t->test_count);
    default:
        return 0;
    }
}

static int parse_operators(struct parser *p, struct replica__json_value v,
                           struct replica__test *tests, size_t *ret_n)
{
    struct replica__json_iter it = replica__json_iter(v);
    struct replica__slice name;
    size_t n = 0;

    while (replica__json_next(&it)) {
        int r = meaning(p, it.name, &name);

        if (r < 0)
            return r;
        if (is(name, "$options") &&
            replica__json_member(v, "$regex", REPLICA_NUL).type != REPLICA_JSON_NONE)
            continue;
        tests[n].op = operator_of(name);
        tests[n].value = it.value;
        if (!tests[n].op)
            return refuse(p, it.name, "unknown operator '%.*s'",
                          name.len < 100 ? (int)name.len : 100, name.data);
        r = parse_argument(p, &tests[n], v);
        if (r < 0)
            return r;
        n++;
    }
    *ret_n = n;
    return 0;
}

/* What a path is asked: operators, or a value to be equal to. */
static int parse_tests(struct parser *p, struct replica__json_value v, struct replica__test **ret,
                       size_t *ret_n)
{
    int r = asks(p, v);

    if (r < 0)
        return r;
    *ret = replica__arena_zero(p->s->arena, r > 0 ? count(v) : 1, sizeof(**ret));
    if (!*ret)
        return no_memory(p);
    if (r > 0)
        return parse_operators(p, v, *ret, ret_n);
    (*ret)->op = TEST_EQ;
    (*ret)->value = v;
    *ret_n = 1;
    return 0;
}

/* ---- terms ----------------------------------------------------------------------- */

static size_t slot_for(struct replica__selector *s, struct replica__slice name)
{
    for (size_t i = 0; i < s->slot_count; i++) {
        if (s->slots[i].len == name.len && memcmp(s->slots[i].data, name.data, name.len) == 0)
            return i;
    }
    if (s->slot_count == SELECTOR_SLOTS)
        return NO_SLOT;
    s->slots[s->slot_count] = name;
    return s->slot_count++;
}

static int parse_path(struct parser *p, struct replica__slice name, struct replica__json_value v,
                      struct replica__term *t)
{
    struct replica__slice outer = p->path;
    replica_error inner = { 0 };
    struct owned *o = own(p);
    int r;

    if (!o)
        return no_memory(p);
    r = replica__path_parse(name.data, name.len, &o->path, &inner);
    if (r == REPLICA_ENOMEM)
        return no_memory(p);
    p->path = name;
    if (r < 0)
        return refuse(p, v.text, "%s", inner.message);
    t->kind = TERM_PATH;
    t->path = &o->path;
    t->slot = slot_for(p->s, o->path.parts[0]);
    r = parse_tests(p, v, &t->tests, &t->test_count);
    p->path = outer;
    return r;
}

static int parse_logical(struct parser *p, struct replica__slice name, struct replica__json_value v,
                         struct replica__term *t)
{
    struct replica__json_iter it = replica__json_iter(v);
    int r = 0;

    if (v.type != REPLICA_JSON_ARRAY)
        return refuse(p, v.text, "%.*s takes an array of selectors", (int)name.len, name.data);
    t->kind = is(name, "$and") ? TERM_AND : is(name, "$or") ? TERM_OR : TERM_NOR;
    t->groups = replica__arena_zero(p->s->arena, count(v), sizeof(*t->groups));
    if (!t->groups)
        return no_memory(p);
    while (r == 0 && replica__json_next(&it))
        r = parse_group(p, it.value, &t->groups[t->group_count++]);
    return r;
}

static int parse_term(struct parser *p, struct replica__slice spelled,
                      struct replica__json_value v, struct replica__term *t)
{
    struct replica__slice name;
    int r = meaning(p, spelled, &name);

    if (r < 0)
        return r;
    if (is_logical(name))
        return parse_logical(p, name, v, t);
    if (!is_operator(name))
        return parse_path(p, name, v, t);
    if (!p->path.data)
        p->path = name;
    return refuse(p, spelled, "'%.*s' is no operator that stands for a field",
                  name.len < 100 ? (int)name.len : 100, name.data);
}

static int parse_group(struct parser *p, struct replica__json_value v, struct replica__group *ret)
{
    struct replica__json_iter it = replica__json_iter(v);
    int r = 0;

    if (v.type != REPLICA_JSON_OBJECT)
        return refuse(p, v.text, "a selector is an object");
    ret->terms = replica__arena_zero(p->s->arena, count(v), sizeof(*ret->terms));
    if (!ret->terms)
        return no_memory(p);
    while (r == 0 && replica__json_next(&it))
        r = parse_term(p, it.name, it.value, &ret->terms[ret->n++]);
    return r;
}

/* ---- all of it ------------------------------------------------------------------- */

void replica__selector_free(struct replica__selector *s)
{
    if (!s)
        return;
    for (struct owned *o = s->owned; o; o = o->next) {
        replica__pattern_free(o->pattern);
        replica__path_free(&o->path);
    }
    replica__arena_free(s->arena);
    replica__free(s);
}

static void free_selector(struct replica__selector **s)
{
    replica__selector_free(*s);
}

int replica__selector_parse_part(const char *text, struct replica__json_value v,
                                 struct replica__selector **ret, replica_error *err)
{
    __attribute__((cleanup(free_selector))) struct replica__selector *s =
        replica__alloc_zero(1, sizeof(*s));
    struct parser p = { .s = s, .offset = v.text.data - text, .err = err };
    int r;

    if (!s)
        return replica__enomem(err);
    s->arena = replica__arena_new(CHUNK);
    p.copy = s->arena ? replica__arena_copy(s->arena, v.text.data, v.text.len) : NULL;
    if (!p.copy)
        return replica__enomem(err);
    r = parse_group(&p, replica__json_value(p.copy, v.text.len), &s->root);
    if (r == 0 && replica__selector_find_conditions(s) < 0)
        r = replica__enomem(err);
    if (r < 0)
        return r;
    *ret = s;
    s = NULL;
    return 0;
}

int replica__selector_parse(const char *json, size_t len, struct replica__selector **ret,
                            replica_error *err)
{
    int r;

    if (len == REPLICA_NUL)
        len = strlen(json);
    r = replica__json_check(json, len, NULL, err);
    if (r < 0)
        return r;
    return replica__selector_parse_part(json, replica__json_value(json, len), ret, err);
}
