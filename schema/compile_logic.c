/* The keywords about values of any type: type, enum and const, references, and schemas that are
 * applied to the same value. */
#include "schema/compile.h"

#include <stdlib.h>
#include <string.h>

/* From that many values on, enum looks them up by digest. */
enum { MANY_VALUES = 16 };

/* ---- type ------------------------------------------------------------------------- */

static int add_type(struct building *b, struct replica__json_value v, unsigned *types,
                    bool *integer)
{
    static const struct {
        const char *name;
        unsigned types;
    } names[] = {
        { "null", SCHEMA_TYPE(REPLICA_JSON_NULL) },
        { "boolean", SCHEMA_TYPE(REPLICA_JSON_FALSE) | SCHEMA_TYPE(REPLICA_JSON_TRUE) },
        { "number", SCHEMA_TYPE(REPLICA_JSON_NUMBER) },
        { "string", SCHEMA_TYPE(REPLICA_JSON_STRING) },
        { "array", SCHEMA_TYPE(REPLICA_JSON_ARRAY) },
        { "object", SCHEMA_TYPE(REPLICA_JSON_OBJECT) },
    };
    struct replica__slice name = { v.text.data + 1, v.text.len - 2 };

    if (v.type == REPLICA_JSON_STRING && replica__json_string_is(name, "integer", REPLICA_NUL)) {
        *integer = true;
        return 0;
    }
    for (size_t i = 0; v.type == REPLICA_JSON_STRING && i < sizeof(names) / sizeof(names[0]); i++) {
        if (replica__json_string_is(name, names[i].name, REPLICA_NUL)) {
            *types |= names[i].types;
            return 0;
        }
    }
    return replica__compile_complain(b, "%.*s is no type",
                                     (int)(v.text.len < 100 ? v.text.len : 100), v.text.data);
}

static int read_type(struct building *b, struct replica__json_value v)
{
    struct replica__json_iter it = replica__json_iter(v);
    unsigned types = 0;
    bool integer = false;
    int r = 0;

    b->keyword = "type";
    if (v.type != REPLICA_JSON_ARRAY)
        r = add_type(b, v, &types, &integer);
    while (r == 0 && v.type == REPLICA_JSON_ARRAY && replica__json_next(&it))
        r = add_type(b, it.value, &types, &integer);
    if (r == 0 && types == 0 && !integer)
        r = replica__compile_complain(b, "names no type");
    b->node->integer = integer && !(types & SCHEMA_TYPE(REPLICA_JSON_NUMBER));
    b->node->types = (uint8_t)(types | (integer ? SCHEMA_TYPE(REPLICA_JSON_NUMBER) : 0));
    return r;
}

/* ---- enum ------------------------------------------------------------------------- */

struct digested {
    uint64_t digest;
    struct replica__json_value value;
};

static int by_digest(const void *a, const void *b)
{
    uint64_t x = ((const struct digested *)a)->digest;
    uint64_t y = ((const struct digested *)b)->digest;

    return (x > y) - (x < y);
}

/* Sort the values by their digests, which are kept beside them. */
static int digest_values(struct building *b, struct schema_logic *logic)
{
    size_t n = logic->value_count;
    struct digested *sorted = replica__compile_zero(b->c, n, sizeof(*sorted));

    logic->digests = replica__compile_zero(b->c, n, sizeof(*logic->digests));
    if (!sorted || !logic->digests)
        return replica__compile_enomem(b->c);
    for (size_t i = 0; i < n; i++) {
        struct replica__json_value v = logic->values[i];

        sorted[i] = (struct digested){ replica__json_digest_whole(v), v };
    }
    qsort(sorted, n, sizeof(*sorted), by_digest);
    for (size_t i = 0; i < n; i++) {
        logic->digests[i] = sorted[i].digest;
        logic->values[i] = sorted[i].value;
    }
    return 0;
}

static int read_enum(struct building *b, struct replica__json_value v, struct schema_logic *logic)
{
    struct replica__json_iter it = replica__json_iter(v);

    b->keyword = "enum";
    if (v.type != REPLICA_JSON_ARRAY)
        return replica__compile_complain(b, "must be a list of values");
    while (replica__json_next(&it))
        logic->value_count++;
    logic->values = replica__compile_zero(b->c, logic->value_count, sizeof(*logic->values));
    if (!logic->values)
        return replica__compile_enomem(b->c);
    it = replica__json_iter(v);
    for (size_t i = 0; replica__json_next(&it); i++)
        logic->values[i] = it.value;
    return logic->value_count >= MANY_VALUES ? digest_values(b, logic) : 0;
}

/* ---- references ------------------------------------------------------------------- */

static int read_ref(struct building *b, enum keyword_id id, struct schema_logic *logic)
{
    struct replica__json_value *v = building_value(b, id);
    struct schema_target target;
    struct replica__slice ref;
    int r;

    if (!v)
        return 0;
    b->keyword = id == KEYWORD_REF ? "$ref" : "$dynamicRef";
    r = replica__compile_text(b, *v, &ref);
    if (r == 0)
        r = replica__sources_find(&b->c->sources, b->node->resource, ref, v->text.data, &target,
                                  b->c->err);
    if (r < 0)
        return r;
    if (target.value.type != REPLICA_JSON_OBJECT && target.value.type != REPLICA_JSON_TRUE &&
        target.value.type != REPLICA_JSON_FALSE)
        return replica__compile_complain(b, "'%.*s' is no schema",
                                         (int)(ref.len < 200 ? ref.len : 200), ref.data);
    if (id == KEYWORD_DYNAMIC_REF && target.anchor && target.anchor->dynamic) {
        logic->dynamic_name = target.anchor->name;
        b->c->dynamic = true;
    }
    return replica__compile_node(b->c, target.value, target.resource,
                                 id == KEYWORD_REF ? &logic->ref : &logic->dynamic_ref);
}

/* ---- schemas for the same value --------------------------------------------------- */

static int read_one(struct building *b, enum keyword_id id, const char *keyword,
                    const struct schema_node **ret)
{
    struct replica__json_value *v = building_value(b, id);

    b->keyword = keyword;
    return v ? replica__compile_child(b, *v, ret) : 0;
}

static int read_list(struct building *b, enum keyword_id id, const char *keyword,
                     struct schema_nodes *ret)
{
    struct replica__json_value *v = building_value(b, id);
    int r = 0;

    b->keyword = keyword;
    if (v)
        r = replica__compile_children(b, *v, ret);
    if (r == 0 && v && ret->n == 0)
        r = replica__compile_complain(b, "must not be empty");
    return r;
}

static int read_conditions(struct building *b, struct schema_logic *logic)
{
    int r = read_one(b, KEYWORD_NOT, "not", &logic->not_node);

    if (r == 0)
        r = read_one(b, KEYWORD_IF, "if", &logic->if_node);
    if (r == 0)
        r = read_one(b, KEYWORD_THEN, "then", &logic->then_node);
    if (r == 0)
        r = read_one(b, KEYWORD_ELSE, "else", &logic->else_node);
    if (!logic->if_node) { /* they mean nothing then */
        logic->then_node = NULL;
        logic->else_node = NULL;
    }
    return r;
}

static int read_all(struct building *b, struct schema_logic *logic)
{
    struct replica__json_value *values = building_value(b, KEYWORD_ENUM);
    int r = values ? read_enum(b, *values, logic) : 0;

    if (building_value(b, KEYWORD_CONST))
        logic->constant = b->values[KEYWORD_CONST];
    if (r == 0)
        r = read_ref(b, KEYWORD_REF, logic);
    if (r == 0)
        r = read_ref(b, KEYWORD_DYNAMIC_REF, logic);
    if (r == 0)
        r = read_list(b, KEYWORD_ALL_OF, "allOf", &logic->all);
    if (r == 0)
        r = read_list(b, KEYWORD_ANY_OF, "anyOf", &logic->any);
    if (r == 0)
        r = read_list(b, KEYWORD_ONE_OF, "oneOf", &logic->one);
    if (r == 0)
        r = read_conditions(b, logic);
    if (r == 0)
        r = read_one(b, KEYWORD_UNEVALUATED_ITEMS, "unevaluatedItems", &logic->unevaluated_items);
    if (r == 0)
        r = read_one(b, KEYWORD_UNEVALUATED_PROPERTIES, "unevaluatedProperties",
                     &logic->unevaluated_properties);
    return r;
}

int replica__compile_logic(struct building *b)
{
    struct replica__json_value *type = building_value(b, KEYWORD_TYPE);
    static const struct schema_logic none;
    struct schema_logic logic;
    int r = type ? read_type(b, *type) : 0;

    memset(&logic, 0, sizeof(logic)); /* with what is between the fields, to be compared */
    if (r == 0)
        r = read_all(b, &logic);
    if (r < 0 || memcmp(&logic, &none, sizeof(logic)) == 0)
        return r;
    b->logic = replica__compile_zero(b->c, 1, sizeof(logic));
    if (!b->logic)
        return replica__compile_enomem(b->c);
    memcpy(b->logic, &logic, sizeof(logic));
    return 0;
}
