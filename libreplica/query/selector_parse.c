/* Selectors as RxDB users write them, read into terms and tests.
 *
 * Whatever is not known is an error that says where: nothing is ever ignored.  An object whose
 * names are operators asks; any other one is a value to be equal to. */
#include "libreplica/query/selector_parser.h"

#include "base/alloc.h"
#include "base/error.h"

#include <string.h>

#define CHUNK 2000 /* of the arena: enough for most selectors */

static int parse_group(struct replica__parser *p, struct replica__json_value v,
                       struct replica__group *ret);
static int parse_tests(struct replica__parser *p, struct replica__json_value v,
                       struct replica__test **ret, size_t *ret_n);

/* ---- names ----------------------------------------------------------------------- */

bool replica__selector_is_operator(struct replica__slice name)
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
static int asks(struct replica__parser *p, struct replica__json_value v)
{
    struct replica__json_iter it = replica__json_iter(v);
    struct replica__slice name;

    while (v.type == REPLICA_JSON_OBJECT && replica__json_next(&it)) {
        int r = replica__parser_meaning(p, it.name, &name);

        if (r < 0)
            return r;
        if (replica__selector_is_operator(name))
            return 1;
    }
    return 0;
}

/* ---- elements -------------------------------------------------------------------- */

/* Only operators that ask the element itself: then it need not be a document. */
static int asks_itself(struct replica__parser *p, struct replica__json_value v)
{
    struct replica__json_iter it = replica__json_iter(v);
    struct replica__slice name;

    while (replica__json_next(&it)) {
        int r = replica__parser_meaning(p, it.name, &name);

        if (r < 0)
            return r;
        if (!replica__selector_is_operator(name) || is_logical(name))
            return 0;
    }
    return 1;
}

static int parse_elem(struct replica__parser *p, struct replica__json_value v,
                      struct replica__test *t)
{
    int r;

    t->op = TEST_ELEM;
    if (v.type != REPLICA_JSON_OBJECT)
        return replica__parser_refuse(p, v.text, "$elemMatch takes an object");
    if (replica__json_count(v) == 0)
        return 0;
    r = asks_itself(p, v);
    if (r < 0)
        return r;
    if (r > 0)
        return parse_tests(p, v, &t->tests, &t->test_count);
    t->group = replica__arena_zero(p->s->arena, 1, sizeof(*t->group));
    return t->group ? parse_group(p, v, t->group) : replica__parser_no_memory(p);
}

static int parse_all(struct replica__parser *p, struct replica__test *t)
{
    struct replica__json_iter it = replica__json_iter(t->value);
    size_t n = replica__json_count(t->value);
    int r = 0;

    if (t->value.type != REPLICA_JSON_ARRAY)
        return replica__parser_refuse(p, t->value.text, "$all takes an array");
    t->values = replica__arena_zero(p->s->arena, n, sizeof(*t->values));
    t->tests = replica__arena_zero(p->s->arena, n, sizeof(*t->tests));
    if (!t->values || !t->tests)
        return replica__parser_no_memory(p);
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
    { "$eq", TEST_EQ },     { "$ne", TEST_NE },          { "$gt", TEST_GT },
    { "$gte", TEST_GTE },   { "$lt", TEST_LT },          { "$lte", TEST_LTE },
    { "$in", TEST_IN },     { "$nin", TEST_NIN },        { "$exists", TEST_EXISTS },
    { "$type", TEST_TYPE }, { "$mod", TEST_MOD },        { "$regex", TEST_REGEX },
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

static int parse_test(struct replica__parser *p, struct replica__test *t,
                      struct replica__json_value siblings)
{
    switch (t->op) {
    case TEST_ELEM:
        return parse_elem(p, t->value, t);
    case TEST_ALL:
        return parse_all(p, t);
    case TEST_NOT:
        return parse_tests(p, t->value, &t->tests, &t->test_count);
    default:
        return replica__parser_argument(p, t, siblings);
    }
}

static int parse_operators(struct replica__parser *p, struct replica__json_value v,
                           struct replica__test *tests, size_t *ret_n)
{
    struct replica__json_iter it = replica__json_iter(v);
    struct replica__slice name;
    size_t n = 0;

    while (replica__json_next(&it)) {
        int r = replica__parser_meaning(p, it.name, &name);

        if (r < 0)
            return r;
        if (is(name, "$options") &&
            replica__json_member(v, "$regex", REPLICA_NUL).type != REPLICA_JSON_NONE)
            continue;
        tests[n].op = operator_of(name);
        tests[n].value = it.value;
        if (!tests[n].op)
            return replica__parser_refuse(p, it.name, "unknown operator '%.*s'",
                                          name.len < 100 ? (int)name.len : 100, name.data);
        r = parse_test(p, &tests[n], v);
        if (r < 0)
            return r;
        n++;
    }
    *ret_n = n;
    return 0;
}

/* What a path is asked: operators, or a value to be equal to. */
static int parse_tests(struct replica__parser *p, struct replica__json_value v,
                       struct replica__test **ret, size_t *ret_n)
{
    int r = asks(p, v);

    if (r < 0)
        return r;
    *ret = replica__arena_zero(p->s->arena, r > 0 ? replica__json_count(v) : 1, sizeof(**ret));
    if (!*ret)
        return replica__parser_no_memory(p);
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

static int parse_path(struct replica__parser *p, struct replica__slice name,
                      struct replica__json_value v, struct replica__term *t)
{
    struct replica__slice outer = p->path;
    replica_error inner = { 0 };
    struct owned *o = replica__parser_own(p);
    int r;

    if (!o)
        return replica__parser_no_memory(p);
    r = replica__path_parse(name.data, name.len, &o->path, &inner);
    if (r == REPLICA_ENOMEM)
        return replica__parser_no_memory(p);
    p->path = name;
    if (r < 0)
        return replica__parser_refuse(p, v.text, "%s", inner.message);
    t->kind = TERM_PATH;
    t->path = &o->path;
    t->slot = slot_for(p->s, o->path.parts[0]);
    r = parse_tests(p, v, &t->tests, &t->test_count);
    p->path = outer;
    return r;
}

static int parse_logical(struct replica__parser *p, struct replica__slice name,
                         struct replica__json_value v, struct replica__term *t)
{
    struct replica__json_iter it = replica__json_iter(v);
    int r = 0;

    if (v.type != REPLICA_JSON_ARRAY)
        return replica__parser_refuse(p, v.text, "%.*s takes an array of selectors", (int)name.len,
                                      name.data);
    t->kind = is(name, "$and") ? TERM_AND : is(name, "$or") ? TERM_OR : TERM_NOR;
    t->groups = replica__arena_zero(p->s->arena, replica__json_count(v), sizeof(*t->groups));
    if (!t->groups)
        return replica__parser_no_memory(p);
    while (r == 0 && replica__json_next(&it))
        r = parse_group(p, it.value, &t->groups[t->group_count++]);
    return r;
}

static int parse_term(struct replica__parser *p, struct replica__slice spelled,
                      struct replica__json_value v, struct replica__term *t)
{
    struct replica__slice name;
    int r = replica__parser_meaning(p, spelled, &name);

    if (r < 0)
        return r;
    if (is_logical(name))
        return parse_logical(p, name, v, t);
    if (!replica__selector_is_operator(name))
        return parse_path(p, name, v, t);
    if (!p->path.data)
        p->path = name;
    return replica__parser_refuse(p, spelled, "'%.*s' is no operator that stands for a field",
                                  name.len < 100 ? (int)name.len : 100, name.data);
}

static int parse_group(struct replica__parser *p, struct replica__json_value v,
                       struct replica__group *ret)
{
    struct replica__json_iter it = replica__json_iter(v);
    int r = 0;

    if (v.type != REPLICA_JSON_OBJECT)
        return replica__parser_refuse(p, v.text, "a selector is an object");
    ret->terms = replica__arena_zero(p->s->arena, replica__json_count(v), sizeof(*ret->terms));
    if (!ret->terms)
        return replica__parser_no_memory(p);
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
    struct replica__parser p = { .s = s, .offset = v.text.data - text, .err = err };
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

const struct replica__json_limits replica__query_limits = { .max_bytes = 16 * 1024 * 1024 };

int replica_selector_check(const char *selector, size_t len, replica_error *err)
{
    struct replica__selector *parsed = NULL;
    int r = selector ? replica__selector_parse(selector, len, &parsed, err)
                     : replica__error_set(err, REPLICA_EINVAL, 0, "no selector");

    replica__selector_free(parsed);
    return r;
}

int replica__selector_parse(const char *json, size_t len, struct replica__selector **ret,
                            replica_error *err)
{
    int r;

    if (len == REPLICA_NUL)
        len = strlen(json);
    r = replica__json_check(json, len, &replica__query_limits, err);
    if (r < 0)
        return r;
    return replica__selector_parse_part(json, replica__json_value(json, len), ret, err);
}
