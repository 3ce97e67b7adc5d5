/* The conflict rules in the schema of a collection: "x-conflict".
 *
 * A rule that can never serve what the schema has at its path is a mistake, and told at once.  What
 * the schema leaves open, or says by way of references and conditions, may be anything. */
#include "schema/collection_rules.h"

#include "base/error.h"
#include "schema/collection.h"

#include <string.h>

enum {
    NULLS = 1 << REPLICA_JSON_NULL,
    BOOLEANS = 1 << REPLICA_JSON_TRUE,
    NUMBERS = 1 << REPLICA_JSON_NUMBER,
    TEXTS = 1 << REPLICA_JSON_STRING,
    ARRAYS = 1 << REPLICA_JSON_ARRAY,
    OBJECTS = 1 << REPLICA_JSON_OBJECT,
    ANYTHING = NULLS | BOOLEANS | NUMBERS | TEXTS | ARRAYS | OBJECTS
};

static bool is(struct replica__json_value text, const char *word)
{
    struct replica__slice spelled = { text.text.data + 1, text.text.len - 2 };

    return text.type == REPLICA_JSON_STRING && replica__json_string_is(spelled, word, REPLICA_NUL);
}

static unsigned type_called(struct replica__json_value name)
{
    static const struct {
        const char *name;
        unsigned type;
    } types[] = {
        { "null", NULLS },    { "boolean", BOOLEANS }, { "number", NUMBERS },
        { "integer", NUMBERS }, { "string", TEXTS },   { "array", ARRAYS },
        { "object", OBJECTS },
    };

    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        if (is(name, types[i].name))
            return types[i].type;
    return 0;
}

static unsigned type_of(struct replica__json_value v)
{
    return v.type == REPLICA_JSON_FALSE ? BOOLEANS : 1u << v.type;
}

/* The types that the schema allows, as far as its own "type", "const" and "enum" say. */
static unsigned types_of(struct replica__json_value schema)
{
    struct replica__json_value type = replica__json_member(schema, "type", REPLICA_NUL);
    struct replica__json_value constant = replica__json_member(schema, "const", REPLICA_NUL);
    struct replica__json_value list = replica__json_member(schema, "enum", REPLICA_NUL);
    unsigned types = type.type == REPLICA_JSON_NONE ? ANYTHING : type_called(type);
    unsigned listed = 0;
    struct replica__json_iter it = replica__json_iter(type);

    while (type.type == REPLICA_JSON_ARRAY && replica__json_next(&it))
        types |= type_called(it.value);
    if (constant.type != REPLICA_JSON_NONE)
        types &= type_of(constant);
    it = replica__json_iter(list);
    while (list.type == REPLICA_JSON_ARRAY && replica__json_next(&it))
        listed |= type_of(it.value);
    return listed ? types & listed : types;
}

struct rule {
    enum replica__rule_kind kind;
    const char *argument;
};

/* Elements are objects, and have the member that tells them apart. */
static bool serves_elements(struct replica__json_value list, const char *key)
{
    struct replica__json_value items = replica__json_member(list, "items", REPLICA_NUL);
    struct replica__json_value properties =
        replica__json_member(items, "properties", REPLICA_NUL);
    struct replica__json_value member = replica__json_member(properties, key, REPLICA_NUL);

    if (!(types_of(items) & OBJECTS))
        return false;
    return member.type == REPLICA_JSON_NONE || types_of(member) & (NUMBERS | TEXTS);
}

static bool serves(struct replica__json_value schema, const struct rule *rule)
{
    if (!(types_of(schema) & replica__rule_types(rule->kind)))
        return false;
    return rule->kind != REPLICA__RULE_LIST_BY_KEY || serves_elements(schema, rule->argument);
}

/* Does one of the keywords say more about what is below than "properties" does? */
static bool is_open(struct replica__json_value schema)
{
    static const char *const words[] = {
        "$ref", "$dynamicRef", "allOf", "anyOf", "oneOf", "if", "dependentSchemas", "dependencies",
        "patternProperties", "unevaluatedProperties", "prefixItems", "additionalItems",
    };

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (replica__json_member(schema, words[i], REPLICA_NUL).type != REPLICA_JSON_NONE)
            return true;
    return false;
}

static int fits(struct replica__json_value schema, const char *path, bool top,
                const struct rule *rule);

/* Of all properties at least one: the path goes on with "*". */
static int one_fits(struct replica__json_value properties, const char *path,
                    const struct rule *rule)
{
    struct replica__json_iter it = replica__json_iter(properties);
    int r = 0;

    while (r == 0 && replica__json_next(&it))
        r = fits(it.value, path, false, rule);
    return r;
}

static int property_fits(struct replica__json_value schema, struct replica__slice name,
                         const char *path, bool top, const struct rule *rule)
{
    struct replica__json_value properties =
        replica__json_member(schema, "properties", REPLICA_NUL);
    struct replica__json_value others =
        replica__json_member(schema, "additionalProperties", REPLICA_NUL);
    struct replica__json_value v = { .type = REPLICA_JSON_NONE };
    bool star = name.len == 1 && name.data[0] == '*';
    int r;

    if (star && (r = one_fits(properties, path, rule)) != 0)
        return r;
    if (!star && properties.type == REPLICA_JSON_OBJECT)
        v = replica__json_member(properties, name.data, name.len);
    if (v.type != REPLICA_JSON_NONE)
        return fits(v, path, false, rule);
    if (others.type == REPLICA_JSON_OBJECT)
        return fits(others, path, false, rule);
    return others.type == REPLICA_JSON_NONE ? !top : others.type == REPLICA_JSON_TRUE;
}

/* The first segment of path, unescaped; returns what is behind it. */
static const char *next_segment(const char *path, struct replica__buf *out)
{
    for (path++; *path && *path != '/'; path++) {
        if (*path == '~' && (path[1] == '0' || path[1] == '1'))
            replica__buf_char(out, *++path == '0' ? '~' : '/');
        else
            replica__buf_char(out, *path);
    }
    return path;
}

/* Can the rule serve anything at this path from here?  1, 0, REPLICA_ENOMEM. */
static int fits(struct replica__json_value schema, const char *path, bool top,
                const struct rule *rule)
{
    REPLICA_BUF segment = REPLICA_BUF_INIT;
    unsigned types;
    int r = 0;

    if (schema.type != REPLICA_JSON_OBJECT)
        return schema.type != REPLICA_JSON_FALSE;
    if (!*path)
        return serves(schema, rule);
    if (is_open(schema))
        return 1;
    types = types_of(schema);
    path = next_segment(path, &segment);
    if (segment.r < 0)
        return segment.r;
    if (types & ARRAYS && !*path && rule->kind == REPLICA__RULE_LIST_BY_KEY)
        r = serves_elements(schema, rule->argument); /* the rule of its elements makes it a list */
    if (r == 0 && types & ARRAYS)
        r = fits(replica__json_member(schema, "items", REPLICA_NUL), path, false, rule);
    if (r == 0 && types & OBJECTS)
        r = property_fits(schema, (struct replica__slice){ segment.data ? segment.data : "",
                                                           segment.len }, path, top, rule);
    return r;
}

struct check {
    struct replica__json_value schema;
    replica_error *err;
};

static int complain(replica_error *err, const char *path, const char *what)
{
    replica__error_set(err, REPLICA_ESCHEMA, 0, "the rule for '%.200s': %s", path, what);
    replica__error_where(err, "/x-conflict");
    return REPLICA_ESCHEMA;
}

/* The field that last-write-wins goes by is a property of the document. */
static int check_field(const struct check *check, const char *field)
{
    const struct rule time = { REPLICA__RULE_MAX, NULL }; /* a number or a text, too */
    REPLICA_BUF path = REPLICA_BUF_INIT;

    if (field[0] == '/')
        return fits(check->schema, field, true, &time);
    replica__buf_char(&path, '/');
    for (; *field; field++) {
        if (*field == '~' || *field == '/')
            replica__buf_str(&path, *field == '~' ? "~0" : "~1");
        else
            replica__buf_char(&path, *field);
    }
    return path.r < 0 ? path.r : fits(check->schema, path.data, true, &time);
}

static int check_rule(void *ctx, const char *path, enum replica__rule_kind kind,
                      const char *argument)
{
    struct check *check = ctx;
    const struct rule rule = { kind, argument };
    int r = fits(check->schema, path, true, &rule);

    if (r == 0) {
        replica__error_set(check->err, REPLICA_ESCHEMA, 0,
                           "the rule for '%.200s': %s can never serve what the schema has there",
                           path, replica__rule_name(kind));
        replica__error_where(check->err, "/x-conflict");
        return REPLICA_ESCHEMA;
    }
    return r < 0 ? replica__enomem(check->err) : 0;
}

static int check_time(void *ctx, const char *path, const char *field)
{
    struct check *check = ctx;
    int r = check_field(check, field);

    if (r == 0)
        return complain(check->err, path, "the schema has no such field, or no time in it");
    return r < 0 ? replica__enomem(check->err) : 0;
}

/* A document of several fields has its key from them: there is no other one for a copy. */
static int check_delete(const struct check *check, const struct replica__rules *rules)
{
    struct replica__json_value key =
        replica__json_member(check->schema, "primaryKey", REPLICA_NUL);

    if (key.type != REPLICA_JSON_OBJECT ||
        replica__rules_delete(rules) != REPLICA__DELETE_KEEP_COPY)
        return 0;
    return complain(check->err, "delete",
                    "with a composite key no copy can be kept under another one");
}

static int check_all(struct check *check, const struct replica__rules *rules)
{
    int r = replica__rules_each(rules, check_rule, check);

    if (r == 0)
        r = replica__rules_each_field(rules, check_time, check);
    return r < 0 ? r : check_delete(check, rules);
}

static int compile(struct replica__json_value v, struct replica__rules **ret, replica_error *err)
{
    replica_error said = { 0 };
    int r = replica__rules_compile(v.text.data, v.text.len, ret, &said);

    if (r == REPLICA_ENOMEM)
        return replica__enomem(err);
    return r < 0 ? complain(err, said.where, said.message) : 0;
}

int replica__collection_schema_check_rules(const char *json, size_t len,
                                           const struct replica__rules *rules, replica_error *err)
{
    struct check check = { replica__json_value(json, len), err };

    return check_all(&check, rules);
}

int replica__collection_rules_read(struct replica__json_value schema, struct replica__rules **ret,
                                   replica_error *err)
{
    struct replica__json_value v = replica__json_member(schema, "x-conflict", REPLICA_NUL);
    struct check check = { schema, err };
    struct replica__rules *rules;
    int r;

    *ret = NULL;
    if (v.type == REPLICA_JSON_NONE)
        return 0;
    r = compile(v, &rules, err);
    if (r < 0)
        return r;
    r = check_all(&check, rules);
    if (r < 0)
        replica__rules_unref(rules);
    else
        *ret = rules;
    return r;
}
