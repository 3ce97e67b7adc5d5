/* A compiled schema from outside: made, counted, and asked for what a collection needs of it. */
#include "base/alloc.h"
#include "base/error.h"
#include "base/options.h"
#include "schema/collection.h"
#include "schema/compile.h"

#include <string.h>

/* Schemas nest twice as deep as the documents they describe, and more. */
static const struct replica__json_limits schema_limits = { .max_bytes = 16u << 20,
                                                           .max_depth = 250 };

static void free_schema(replica_schema *schema)
{
    struct schema_pattern_entry *p = schema->patterns;

    for (; p; p = p->next)
        replica__pattern_free(p->pattern);
    replica__collection_schema_free(schema->collection);
    replica__arena_free(schema->arena);
    replica__free(schema);
}

replica_schema *replica_schema_ref(replica_schema *schema)
{
    __atomic_add_fetch(&schema->refs, 1, __ATOMIC_RELAXED);
    return schema;
}

replica_schema *replica_schema_unref(replica_schema *schema)
{
    if (schema && __atomic_sub_fetch(&schema->refs, 1, __ATOMIC_ACQ_REL) == 0)
        free_schema(schema);
    return NULL;
}

static void drop(replica_schema **schema)
{
    replica_schema_unref(*schema);
}

/* RxDB closes a collection's documents at top level: names that the schema does not know are
 * refused unless it says what becomes of them. */
static void close_top_level(const char *json, size_t len, struct replica__buf *out)
{
    struct replica__json_value v = replica__json_value(json, len);

    if (v.type == REPLICA_JSON_OBJECT &&
        !replica__json_member(v, "additionalProperties", REPLICA_NUL).type &&
        !replica__json_member(v, "unevaluatedProperties", REPLICA_NUL).type)
        replica__json_add_member(v.text.data, v.text.len, "additionalProperties", "false", out);
}

static int is_of_a_member(void *ctx, const replica_schema_finding *finding)
{
    replica_error *err = ctx;

    if (!*finding->instance) /* the default alone is no whole document */
        return 0;
    replica__error_set(err, REPLICA_ESCHEMA, 0, "default: %s", finding->message);
    return 1;
}

/* A default that breaks its own property's schema would refuse every document that needs it. */
static int check_defaults(const replica_schema *schema, replica_error *err)
{
    for (size_t i = 0; i < schema->collection->default_count; i++) {
        const struct replica__default *d = &schema->collection->defaults[i];
        REPLICA_BUF text = REPLICA_BUF_INIT;
        replica_error wrong = { 0 };
        int r;

        replica__buf_char(&text, '{');
        replica__buf_json_string(&text, d->name, strlen(d->name));
        replica__buf_printf(&text, ":%s}", d->json);
        if (text.r < 0)
            return replica__enomem(err);
        r = replica_schema_validate(schema, text.data, text.len, is_of_a_member, &wrong, err);
        if (r == REPLICA_ESCHEMA && wrong.code) {
            replica__error_set(err, r, 0, "%s", wrong.message);
            replica__error_where(err, "/properties/%s", d->name);
            return r;
        }
        if (r < 0 && r != REPLICA_ESCHEMA)
            return r;
    }
    return 0;
}

int replica_schema_compile(const char *json, size_t len, const replica_schema_options *opts,
                           replica_schema **ret_schema, replica_error *err)
{
    __attribute__((cleanup(drop))) replica_schema *schema = NULL;
    REPLICA_BUF closed = REPLICA_BUF_INIT;
    replica_schema_options known;
    struct replica__slice text;
    int r = replica__options(opts, opts ? opts->size : 0, &known, sizeof(known), err);

    if (r < 0)
        return r;
    if (!json || !ret_schema)
        return replica__error_set(err, REPLICA_EINVAL, 0, "no schema, or no place for it");
    if (known.flags & ~(REPLICA_SCHEMA_FORMATS | REPLICA_SCHEMA_COLLECTION))
        return replica__error_set(err, REPLICA_EINVAL, 0, "unknown flags");
    if (len == REPLICA_NUL)
        len = strlen(json);
    r = replica__json_check(json, len, &schema_limits, err);
    if (r < 0)
        return r;
    schema = replica__alloc_zero(1, sizeof(*schema));
    if (!schema)
        return replica__enomem(err);
    text = (struct replica__slice){ json, len };
    schema->refs = 1;
    schema->arena = replica__arena_new(2048);
    if (!schema->arena)
        return replica__enomem(err);
    if (known.flags & REPLICA_SCHEMA_COLLECTION) {
        close_top_level(json, len, &closed);
        if (closed.r < 0)
            return replica__enomem(err);
        if (closed.len)
            text = (struct replica__slice){ closed.data, closed.len };
    }
    r = replica__schema_build(schema, text, &known, err);
    if (r == 0 && (known.flags & REPLICA_SCHEMA_COLLECTION))
        r = replica__collection_schema_parse(json, len, &schema->collection, err);
    if (r == 0 && schema->collection)
        r = check_defaults(schema, err);
    if (r < 0)
        return r;
    *ret_schema = schema;
    schema = NULL;
    return 0;
}

const struct replica__collection_schema *replica__schema_collection(const replica_schema *schema)
{
    return schema->collection;
}

struct replica__rules *replica__schema_rules(const replica_schema *schema)
{
    return schema && schema->collection ? schema->collection->rules : NULL;
}

int replica_schema_version(const replica_schema *schema)
{
    return schema && schema->collection ? schema->collection->version : 0;
}

const char *replica_schema_key(const replica_schema *schema)
{
    return schema && schema->collection ? schema->collection->key : NULL;
}
