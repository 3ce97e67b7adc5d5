/* RxDB's part of a collection's schema, read from the schema's text.  All of it lives in one
 * arena. */
#include "schema/collection.h"

#include "base/arena.h"
#include "base/error.h"
#include "schema/collection_rules.h"
#include "schema/collection_words.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

enum { MAX_FIELDS = 64 }; /* of an index, or a composite key */

struct owned {
    struct replica__collection_schema schema;
    struct replica__arena *arena;
};

struct reader {
    struct replica__collection_schema *s;
    struct replica__arena *arena;
    struct replica__json_value root;
    struct replica__json_value properties;
    replica_error *err;
};

static int complain(struct reader *r, int code, const char *where, const char *what)
{
    replica__error_set(r->err, code, 0, "%s", what);
    replica__error_where(r->err, "%s", where);
    return code;
}

static struct replica__slice inside(struct replica__json_value text)
{
    return (struct replica__slice){ text.text.data + 1, text.text.len - 2 };
}

/* What a string means; no NULs. */
static int read_text(struct reader *r, struct replica__json_value v, const char *where,
                     char **ret)
{
    REPLICA_BUF text = REPLICA_BUF_INIT;

    if (v.type != REPLICA_JSON_STRING)
        return complain(r, REPLICA_ESCHEMA, where, "not a text");
    replica__json_unescape(inside(v), &text);
    if (text.r == 0 && text.len > 0 && memchr(text.data, '\0', text.len))
        return complain(r, REPLICA_ESCHEMA, where, "a text with U+0000");
    *ret = text.r == 0 ? replica__arena_copy(r->arena, text.data ? text.data : "", text.len) : NULL;
    return *ret ? 0 : replica__enomem(r->err);
}

/* ---- properties ------------------------------------------------------------------ */

/* The schema of "a.b"; type NONE: there is none. */
static struct replica__json_value property(const struct reader *r, const char *path)
{
    struct replica__json_value properties = r->properties;

    for (;;) {
        size_t n = strcspn(path, ".");
        struct replica__json_value v = { .type = REPLICA_JSON_NONE };

        if (properties.type == REPLICA_JSON_OBJECT)
            v = replica__json_member(properties, path, n);
        if (path[n] == '\0' || v.type != REPLICA_JSON_OBJECT)
            return path[n] == '\0' ? v : (struct replica__json_value){ .type = REPLICA_JSON_NONE };
        properties = replica__json_member(v, "properties", REPLICA_NUL);
        path += n + 1;
    }
}

static bool has_type(struct replica__json_value schema, const char *name)
{
    struct replica__json_value type = { .type = REPLICA_JSON_NONE };

    if (schema.type == REPLICA_JSON_OBJECT)
        type = replica__json_member(schema, "type", REPLICA_NUL);
    return type.type == REPLICA_JSON_STRING &&
           replica__json_string_is(inside(type), name, strlen(name));
}

static bool is_true(struct replica__json_value schema, const char *keyword)
{
    return replica__json_member(schema, keyword, REPLICA_NUL).type == REPLICA_JSON_TRUE;
}

static int read_default(struct reader *r, const char *name, struct replica__json_value v)
{
    struct replica__default *d = &r->s->defaults[r->s->default_count];

    d->name = replica__arena_text(r->arena, name);
    d->json = replica__arena_copy(r->arena, v.text.data, v.text.len);
    if (!d->name || !d->json)
        return replica__enomem(r->err);
    r->s->default_count++;
    return 0;
}

/* Finals and defaults, in the order of the properties. */
static int read_properties(struct reader *r)
{
    struct replica__json_iter it;
    size_t n;

    if (r->properties.type != REPLICA_JSON_OBJECT)
        return complain(r, REPLICA_ESCHEMA, "/properties", "a collection's schema has properties");
    n = replica__json_count(r->properties);
    r->s->final = replica__arena_zero(r->arena, n + 1, sizeof(*r->s->final));
    r->s->defaults = replica__arena_zero(r->arena, n + 1, sizeof(*r->s->defaults));
    if (!r->s->final || !r->s->defaults)
        return replica__enomem(r->err);
    it = replica__json_iter(r->properties);
    while (replica__json_next(&it)) {
        struct replica__json_value v;
        char *name;
        int rc = read_text(r, (struct replica__json_value){ REPLICA_JSON_STRING,
                               { it.name.data - 1, it.name.len + 2 } }, "/properties", &name);

        if (rc < 0)
            return rc;
        if (name[0] == '_' && strcmp(name, "_deleted") != 0)
            return complain(r, REPLICA_ENOTSUP, "/properties",
                            "names with a leading underscore are reserved at top level");
        if (it.value.type != REPLICA_JSON_OBJECT)
            continue;
        if (is_true(it.value, "final") && strcmp(name, r->s->key) != 0)
            r->s->final[r->s->final_count++] = name;
        v = replica__json_member(it.value, "default", REPLICA_NUL);
        if (v.type != REPLICA_JSON_NONE && (rc = read_default(r, name, v)) < 0)
            return rc;
    }
    return 0;
}

/* ---- version and key ------------------------------------------------------------- */

static int read_version(struct reader *r)
{
    struct replica__json_value v = replica__json_member(r->root, "version", REPLICA_NUL);
    int64_t version;

    if (v.type == REPLICA_JSON_NONE)
        return complain(r, REPLICA_ESCHEMA, "/version", "a collection's schema has a version");
    if (!replica__json_int(v, &version) || version < 0 || version > INT32_MAX)
        return complain(r, REPLICA_ESCHEMA, "/version", "a version is 0, 1, ...");
    r->s->version = (int)version;
    return 0;
}

/* A list of texts into the arena. */
static int read_fields(struct reader *r, struct replica__json_value v, const char *where,
                       char ***ret_fields, size_t *ret_n)
{
    struct replica__json_iter it;
    size_t n = 0;

    if (v.type != REPLICA_JSON_ARRAY || replica__json_count(v) == 0 ||
        replica__json_count(v) > MAX_FIELDS)
        return complain(r, REPLICA_ESCHEMA, where, "not a list of fields");
    *ret_fields = replica__arena_zero(r->arena, replica__json_count(v), sizeof(**ret_fields));
    if (!*ret_fields)
        return replica__enomem(r->err);
    it = replica__json_iter(v);
    while (replica__json_next(&it)) {
        int rc = read_text(r, it.value, where, &(*ret_fields)[n++]);

        if (rc < 0)
            return rc;
    }
    *ret_n = n;
    return 0;
}

static int read_composite(struct reader *r, struct replica__json_value v)
{
    static const char where[] = "/primaryKey/fields";
    struct replica__collection_schema *s = r->s;
    int rc = read_text(r, replica__json_member(v, "key", REPLICA_NUL), "/primaryKey/key", &s->key);

    if (rc == 0)
        rc = read_text(r, replica__json_member(v, "separator", REPLICA_NUL),
                       "/primaryKey/separator", &s->separator);
    if (rc == 0)
        rc = read_fields(r, replica__json_member(v, "fields", REPLICA_NUL), where, &s->key_fields,
                         &s->key_field_count);
    for (size_t i = 0; rc == 0 && i < s->key_field_count; i++) {
        struct replica__json_value p = property(r, s->key_fields[i]);

        if (strcmp(s->key_fields[i], s->key) == 0)
            return complain(r, REPLICA_ESCHEMA, where, "the key is none of its own fields");
        if (p.type == REPLICA_JSON_NONE)
            return complain(r, REPLICA_ESCHEMA, where, "a field that is not among the properties");
        if (!has_type(p, "string") && !has_type(p, "number") && !has_type(p, "integer") &&
            !has_type(p, "boolean"))
            return complain(r, REPLICA_ESCHEMA, where,
                            "a field of the key is of type string, number, integer or boolean");
    }
    return rc;
}

static int read_key(struct reader *r)
{
    struct replica__json_value v = replica__json_member(r->root, "primaryKey", REPLICA_NUL);
    int rc;

    if (v.type == REPLICA_JSON_NONE)
        return complain(r, REPLICA_ESCHEMA, "/primaryKey",
                        "a collection's schema has a primaryKey");
    rc = v.type == REPLICA_JSON_OBJECT ? read_composite(r, v)
                                       : read_text(r, v, "/primaryKey", &r->s->key);
    if (rc < 0)
        return rc;
    if (r->s->key[0] == '\0' || r->properties.type != REPLICA_JSON_OBJECT ||
        replica__json_member(r->properties, r->s->key, REPLICA_NUL).type == REPLICA_JSON_NONE)
        return complain(r, REPLICA_ESCHEMA, "/primaryKey",
                        "the primary key is not among the properties");
    if (!has_type(replica__json_member(r->properties, r->s->key, REPLICA_NUL), "string"))
        return complain(r, REPLICA_ESCHEMA, "/primaryKey", "the primary key is of type string");
    return 0;
}

/* ---- indexes --------------------------------------------------------------------- */

/* "a" or ["a", "b.c"] */
static int read_index(struct reader *r, struct replica__json_value v,
                      struct replica__index_spec *index)
{
    static const char where[] = "/indexes";
    int rc = 0;

    if (v.type == REPLICA_JSON_STRING) {
        index->fields = replica__arena_zero(r->arena, 1, sizeof(*index->fields));
        if (!index->fields)
            return replica__enomem(r->err);
        rc = read_text(r, v, where, &index->fields[0]);
        index->n = 1;
    } else {
        rc = read_fields(r, v, where, &index->fields, &index->n);
    }
    for (size_t i = 0; rc == 0 && i < index->n; i++)
        if (property(r, index->fields[i]).type == REPLICA_JSON_NONE) {
            replica__error_set(r->err, REPLICA_ESCHEMA, 0,
                               "an index on '%.200s', which is not among the properties",
                               index->fields[i]);
            replica__error_where(r->err, "%s", where);
            return REPLICA_ESCHEMA;
        }
    return rc;
}

static int read_indexes(struct reader *r)
{
    struct replica__json_value v = replica__json_member(r->root, "indexes", REPLICA_NUL);
    struct replica__json_iter it;

    if (v.type == REPLICA_JSON_NONE)
        return 0;
    if (v.type != REPLICA_JSON_ARRAY)
        return complain(r, REPLICA_ESCHEMA, "/indexes", "not a list of indexes");
    r->s->indexes =
        replica__arena_zero(r->arena, replica__json_count(v) + 1, sizeof(*r->s->indexes));
    if (!r->s->indexes)
        return replica__enomem(r->err);
    it = replica__json_iter(v);
    while (replica__json_next(&it)) {
        int rc = read_index(r, it.value, &r->s->indexes[r->s->index_count]);

        if (rc < 0)
            return rc;
        r->s->index_count++;
    }
    return 0;
}

/* ---- all of it ------------------------------------------------------------------- */

static int read_all(struct reader *r)
{
    int rc;

    if (r->root.type != REPLICA_JSON_OBJECT)
        return complain(r, REPLICA_ESCHEMA, "", "a collection's schema is an object");
    if (!has_type(r->root, "object"))
        return complain(r, REPLICA_ESCHEMA, "/type", "a collection's schema is of type object");
    r->properties = replica__json_member(r->root, "properties", REPLICA_NUL);
    rc = replica__collection_words_check(r->root, r->err);
    if (rc == 0)
        rc = read_version(r);
    if (rc == 0)
        rc = read_key(r);
    if (rc == 0)
        rc = read_properties(r);
    if (rc == 0)
        rc = read_indexes(r);
    return rc == 0 ? replica__collection_rules_read(r->root, &r->s->rules, r->err) : rc;
}

int replica__collection_schema_parse(const char *json, size_t len,
                                     struct replica__collection_schema **ret, replica_error *err)
{
    struct reader r = { .root = replica__json_value(json, len), .err = err };
    struct owned *owned;
    int rc;

    r.arena = replica__arena_new(1024);
    owned = r.arena ? replica__arena_zero(r.arena, 1, sizeof(*owned)) : NULL;
    if (!owned) {
        replica__arena_free(r.arena);
        return replica__enomem(err);
    }
    owned->arena = r.arena;
    r.s = &owned->schema;
    rc = read_all(&r);
    if (rc < 0)
        replica__arena_free(r.arena);
    else
        *ret = r.s;
    return rc;
}

void replica__collection_schema_free(struct replica__collection_schema *s)
{
    _Static_assert(offsetof(struct owned, schema) == 0, "one is the other");

    if (!s)
        return;
    replica__rules_unref(s->rules);
    replica__arena_free(((struct owned *)s)->arena);
}
