/* A value against a schema: what holds for all types, and what starts and ends a validation.
 *
 * Nothing is allocated while all is well, but for strings with escapes, large arrays that must be
 * unique, and unevaluated members beyond the 64th. */
#include "schema/run.h"

#include "base/alloc.h"
#include "base/error.h"
#include "schema/validate.h"

#include <string.h>

/* Schemas within each other at one time.  A document has at most 1000 values within each other, and
 * few schemas look at the same one; those that refer to themselves without end stop here. */
enum { MAX_DEPTH = 2500 };
/* Schemas that are applied to all of a value: so many, and more for a larger text. */
#define STEPS 10000000
#define STEPS_FOR_A_BYTE 64

int replica__run_enomem(struct run *run)
{
    return replica__enomem(run->err);
}

int replica__run_limit(struct run *run, const char *what)
{
    return replica__error_set(run->err, REPLICA_ELIMIT, 0, "%s", what);
}

/* ---- references ------------------------------------------------------------------- */

/* The outermost resource in scope that has a dynamic anchor of this name decides. */
static const struct schema_node *dynamic_target(const struct run *run,
                                                const struct schema_logic *logic)
{
    const struct schema_node *target = logic->dynamic_ref;

    if (!logic->dynamic_name.data)
        return target;
    for (const struct scope *s = run->scope; s; s = s->up) {
        for (const struct schema_anchor *a = s->resource->anchors; a; a = a->next) {
            if (a->dynamic && a->name.len == logic->dynamic_name.len &&
                memcmp(a->name.data, logic->dynamic_name.data, a->name.len) == 0)
                target = a->node;
        }
    }
    return target;
}

/* ---- values ----------------------------------------------------------------------- */

static int is_same(const struct replica__json_value *a, const struct replica__json_value *b)
{
    if (a->type != b->type)
        return 0;
    return replica__json_equal(a->text.data, a->text.len, b->text.data, b->text.len, 0);
}

/* Among values that are sorted by digest: the first whose digest is not below. */
static size_t first_of(const struct schema_logic *logic, uint64_t digest)
{
    size_t low = 0;
    size_t n = logic->value_count;

    while (low < n) {
        size_t middle = low + (n - low) / 2;

        if (logic->digests[middle] < digest)
            low = middle + 1;
        else
            n = middle;
    }
    return low;
}

static int is_one_of(const struct schema_logic *logic, const struct replica__json_value *v)
{
    uint64_t digest = logic->digests ? replica__json_digest_whole(*v) : 0;
    int r = 0;

    for (size_t i = logic->digests ? first_of(logic, digest) : 0;
         r == 0 && i < logic->value_count && (!logic->digests || logic->digests[i] == digest); i++)
        r = is_same(&logic->values[i], v);
    return r;
}

static int check_values(struct run *run, const struct schema_node *node,
                        const struct replica__json_value *v, const struct place *place)
{
    const struct schema_logic *logic = node->logic;
    int valid = 1;
    int r;

    if (logic->values) {
        r = is_one_of(logic, v);
        if (r < 0)
            return replica__run_enomem(run);
        if (r == 0)
            RUN(valid, replica__run_find(run, node, "enum", v, place, "is none of the %zu values",
                                         logic->value_count));
    }
    if (logic->constant.type != REPLICA_JSON_NONE) {
        r = is_same(&logic->constant, v);
        if (r < 0)
            return replica__run_enomem(run);
        if (r == 0)
            RUN(valid, replica__run_find(run, node, "const", v, place, "is not that value"));
    }
    return valid;
}

/* ---- schemas for the same value --------------------------------------------------- */

int replica__run_quietly(struct run *run, const struct schema_node *node,
                         const struct replica__json_value *v, const struct place *place,
                         struct marks *marks)
{
    bool quiet = run->quiet;
    bool on = run->on;
    int r;

    run->quiet = true;
    run->on = false;
    r = replica__run_node(run, node, v, place, marks);
    run->quiet = quiet;
    run->on = on;
    return r;
}

/* What a branch evaluates counts only if it is valid. */
static int try_branch(struct run *run, const struct schema_node *node,
                      const struct replica__json_value *v, const struct place *place,
                      struct marks *marks)
{
    MARKS own = { NULL };
    int r;

    if (!marks)
        return replica__run_quietly(run, node, v, place, NULL);
    r = replica__run_quietly(run, node, v, place, &own);
    if (r == 1 && replica__marks_merge(marks, &own) < 0)
        return replica__run_enomem(run);
    return r;
}

static int check_any(struct run *run, const struct schema_node *node,
                     const struct replica__json_value *v, const struct place *place,
                     struct marks *marks)
{
    const struct schema_nodes *any = &node->logic->any;
    bool found = false;

    for (size_t i = 0; i < any->n && (!found || marks); i++) {
        int r = try_branch(run, any->at[i], v, place, marks);

        if (r < 0)
            return r;
        found |= r;
    }
    if (found)
        return 1;
    return replica__run_find(run, node, "anyOf", v, place, "is valid for none of the %zu schemas",
                             any->n);
}

static int check_one(struct run *run, const struct schema_node *node,
                     const struct replica__json_value *v, const struct place *place,
                     struct marks *marks)
{
    const struct schema_nodes *one = &node->logic->one;
    size_t found = 0;

    for (size_t i = 0; i < one->n && found < 2; i++) {
        int r = try_branch(run, one->at[i], v, place, marks);

        if (r < 0)
            return r;
        found += (size_t)r;
    }
    if (found == 1)
        return 1;
    return replica__run_find(run, node, "oneOf", v, place,
                             found ? "is valid for more than one of the %zu schemas"
                                   : "is valid for none of the %zu schemas",
                             one->n);
}

static int check_if(struct run *run, const struct schema_logic *logic,
                    const struct replica__json_value *v, const struct place *place,
                    struct marks *marks)
{
    const struct schema_node *next;
    int r;

    if (!logic->then_node && !logic->else_node && !marks)
        return 1;
    r = try_branch(run, logic->if_node, v, place, marks);
    if (r < 0)
        return r;
    next = r ? logic->then_node : logic->else_node;
    return next ? replica__run_node(run, next, v, place, marks) : 1;
}

static int check_logic(struct run *run, const struct schema_node *node,
                       const struct replica__json_value *v, const struct place *place,
                       struct marks *marks)
{
    const struct schema_logic *logic = node->logic;
    int valid = 1;

    if (logic->ref)
        RUN(valid, replica__run_node(run, logic->ref, v, place, marks));
    if (logic->dynamic_ref)
        RUN(valid, replica__run_node(run, dynamic_target(run, logic), v, place, marks));
    for (size_t i = 0; i < logic->all.n; i++)
        RUN(valid, replica__run_node(run, logic->all.at[i], v, place, marks));
    if (logic->any.n)
        RUN(valid, check_any(run, node, v, place, marks));
    if (logic->one.n)
        RUN(valid, check_one(run, node, v, place, marks));
    if (logic->not_node) {
        int r = replica__run_quietly(run, logic->not_node, v, place, NULL);

        if (r < 0)
            return r;
        if (r)
            RUN(valid, replica__run_find(run, node, "not", v, place,
                                         "is valid for the schema that it must not match"));
    }
    if (logic->if_node)
        RUN(valid, check_if(run, logic, v, place, marks));
    return valid;
}

/* ---- what is left over ------------------------------------------------------------ */

int replica__run_rest(struct run *run, const struct schema_node *node, const char *keyword,
                     const struct schema_node *schema, const struct replica__json_value *v,
                     const struct place *place)
{
    if (schema->kind == NODE_FALSE)
        return replica__run_find(run, node, keyword, v, place, "is not expected here");
    return replica__run_node(run, schema, v, place, NULL);
}

static int check_unevaluated(struct run *run, const struct schema_node *node,
                             const struct replica__json_value *v, const struct place *place,
                             struct marks *marks)
{
    bool object = v->type == REPLICA_JSON_OBJECT;
    const struct schema_node *schema = object ? node->logic->unevaluated_properties
                                              : node->logic->unevaluated_items;
    struct replica__json_iter it = replica__json_iter(*v);
    int valid = 1;

    for (size_t i = 0; !marks->all && replica__json_next(&it); i++) {
        const struct place inner = { place, { object ? it.name.data : NULL, it.name.len }, i };

        if (!replica__marks_has(marks, i))
            RUN(valid, replica__run_rest(run, node,
                                         object ? "unevaluatedProperties" : "unevaluatedItems",
                                         schema, &it.value, &inner));
    }
    marks->all = true;
    return valid;
}

static bool asks_for_rest(const struct schema_logic *logic, enum replica__json_type type)
{
    if (!logic)
        return false;
    return (type == REPLICA_JSON_OBJECT && logic->unevaluated_properties) ||
           (type == REPLICA_JSON_ARRAY && logic->unevaluated_items);
}

/* ---- a node ----------------------------------------------------------------------- */

static int check_type(struct run *run, const struct schema_node *node,
                      const struct replica__json_value *v, const struct place *place)
{
    static const char *const names[] = { "nothing", "null",   "a boolean", "a boolean",
                                         "a number", "a text", "an array",  "an object" };

    if (!(node->types >> v->type & 1))
        return replica__run_find(run, node, "type", v, place, "is %s, which is not allowed",
                                 names[v->type]);
    if (node->integer && v->type == REPLICA_JSON_NUMBER) {
        bool integer = node->draft_4 ? !memchr(v->text.data, '.', v->text.len) &&
                                           !memchr(v->text.data, 'e', v->text.len) &&
                                           !memchr(v->text.data, 'E', v->text.len)
                                     : replica__number_is_integer(v->text);

        if (!integer)
            return replica__run_find(run, node, "type", v, place, "is no integer");
    }
    return 1;
}

static int check_rules(struct run *run, const struct schema_node *node,
                       const struct replica__json_value *v, const struct place *place,
                       struct marks *marks)
{
    int valid = 1;

    RUN(valid, check_type(run, node, v, place));
    if (node->logic && (node->logic->values || node->logic->constant.type != REPLICA_JSON_NONE))
        RUN(valid, check_values(run, node, v, place));
    switch (v->type) {
    case REPLICA_JSON_NUMBER:
        if (node->number)
            RUN(valid, replica__run_number(run, node, v, place));
        break;
    case REPLICA_JSON_STRING:
        if (node->string)
            RUN(valid, replica__run_string(run, node, v, place));
        break;
    case REPLICA_JSON_ARRAY:
        if (node->array)
            RUN(valid, replica__run_array(run, node, v, place, marks));
        break;
    case REPLICA_JSON_OBJECT:
        if (node->object)
            RUN(valid, replica__run_object(run, node, v, place, marks));
        break;
    default:
        break;
    }
    if (node->logic)
        RUN(valid, check_logic(run, node, v, place, marks));
    return valid;
}

static int check_with_rest(struct run *run, const struct schema_node *node,
                           const struct replica__json_value *v, const struct place *place,
                           struct marks *marks)
{
    MARKS own = { NULL };
    int valid = 1;

    RUN(valid, check_rules(run, node, v, place, &own));
    RUN(valid, check_unevaluated(run, node, v, place, &own));
    if (marks && replica__marks_merge(marks, &own) < 0)
        return replica__run_enomem(run);
    return valid;
}

int replica__run_node(struct run *run, const struct schema_node *node,
                      const struct replica__json_value *v, const struct place *place,
                      struct marks *marks)
{
    struct scope scope = { run->scope, NULL };
    int r;

    for (; node->kind == NODE_REF && !node->scope; node = node->logic->ref)
        run->steps--;
    scope.resource = node->scope;
    if (node->kind == NODE_TRUE)
        return 1;
    if (node->kind == NODE_FALSE)
        return replica__run_find(run, node, "", v, place, "no value is allowed here");
    if (run->depth == MAX_DEPTH)
        return replica__run_limit(run, "schemas within schemas without end");
    if (replica__run_step(run, 1) < 0)
        return REPLICA_ELIMIT;
    run->depth++;
    if (node->scope && (!scope.up || scope.up->resource != node->scope))
        run->scope = &scope;
    if (node->kind == NODE_REF)
        r = replica__run_node(run, node->logic->ref, v, place, marks);
    else if (asks_for_rest(node->logic, v->type))
        r = check_with_rest(run, node, v, place, marks);
    else
        r = check_rules(run, node, v, place, marks);
    run->scope = scope.up;
    run->depth--;
    return r;
}

/* ---- the call --------------------------------------------------------------------- */

int replica__schema_validate_value(const replica_schema *schema, struct replica__json_value value,
                                   int (*fn)(void *ctx, const replica_schema_finding *finding),
                                   void *ctx, replica_error *err)
{
    struct run run = { .root = value, .fn = fn, .ctx = ctx, .err = err, .on = fn != NULL };
    int r;

    run.steps = STEPS + (int64_t)value.text.len * STEPS_FOR_A_BYTE;
    r = replica__run_node(&run, schema->root, &run.root, NULL, NULL);
    replica__buf_free(&run.text);
    if (r < 0)
        return r;
    return r == 1 ? 0 : REPLICA_ESCHEMA;
}

int replica_schema_validate(const replica_schema *schema, const char *json, size_t len,
                            int (*fn)(void *ctx, const replica_schema_finding *finding), void *ctx,
                            replica_error *err)
{
    /* The outermost ceilings: what a program stores has its own, which are lower. */
    const struct replica__json_limits limits = { .max_depth = 1000 };
    int r;

    if (!schema || !json)
        return replica__error_set(err, REPLICA_EINVAL, 0, "no schema or no text");
    if (len == REPLICA_NUL)
        len = strlen(json);
    r = replica__json_check(json, len, &limits, err);
    if (r < 0)
        return r;
    return replica__schema_validate_value(schema, replica__json_value(json, len), fn, ctx, err);
}
