/* The keywords of a collection's schema, one by one: JSON Schema's, RxDB's, and no others.
 *
 * A validator ignores what it does not know.  Somebody who writes a schema for a database means
 * something by each word of it, so here an unknown one is an error. */
#include "schema/collection_words.h"

#include "base/error.h"
#include "schema/keyword.h"

#include <stdio.h>
#include <string.h>

enum level { ROOT, PROPERTY, BELOW }; /* the schema, its own properties, and all others */

/* The way from the root to a schema, for errors. */
struct path {
    const struct path *up;
    struct replica__slice name; /* data NULL: the root */
    int index;                  /* in an array; -1: name is a member's */
};

/* They assert nothing, or are read elsewhere. */
static const char *const silent[] = {
    "$schema", "$id", "id", "$anchor", "$dynamicAnchor", "$vocabulary", "$comment", "title",
    "description", "examples", "example", "readOnly", "writeOnly", "deprecated",
};

/* RxDB's, at the root.  What is accepted concerns how JavaScript stores the documents. */
static const char *const accepted[] = {
    "version", "primaryKey", "indexes", "encrypted", "keyCompression", "sharding",
    "internalIndexes",
};

static const char *const refused[] = { "attachments", "crdt" };

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static bool is_one_of(struct replica__slice name, const char *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (replica__json_string_is(name, list[i], strlen(list[i])))
            return true;
    return false;
}

static bool is(struct replica__slice name, const char *word)
{
    return replica__json_string_is(name, word, strlen(word));
}

/* As spelled, which is readable; a name with a slash is not taken apart. */
static size_t print_path(const struct path *p, char *to, size_t room)
{
    size_t n;

    if (!p->up)
        return 0;
    n = print_path(p->up, to, room);
    if (n >= room)
        return n;
    if (p->index >= 0)
        return n + (size_t)snprintf(to + n, room - n, "/%d", p->index);
    return n + (size_t)snprintf(to + n, room - n, "/%.*s",
                                (int)(p->name.len < 200 ? p->name.len : 200), p->name.data);
}

static int complain(const struct path *schema, struct replica__slice name, int code,
                    const char *what, replica_error *err)
{
    struct path p = { schema, name, -1 };
    char path[256] = "";

    print_path(&p, path, sizeof(path));
    replica__error_set(err, code, 0, "the keyword '%.*s' %s",
                       (int)(name.len < 100 ? name.len : 100), name.data, what);
    replica__error_where(err, "%s", path);
    return code;
}

/* What JavaScript takes for true. */
static bool is_something(struct replica__json_value v)
{
    if (v.type == REPLICA_JSON_NUMBER)
        return replica__json_double(v) != 0;
    return v.type != REPLICA_JSON_NULL && v.type != REPLICA_JSON_FALSE &&
           !(v.type == REPLICA_JSON_STRING && v.text.len == 2);
}

/* 1: one of RxDB's, and fine.  0: none of them. */
static int check_rxdb_word(const struct path *p, enum level level, struct replica__slice name,
                           struct replica__json_value v, replica_error *err)
{
    if (is(name, "ref"))
        return v.type == REPLICA_JSON_STRING ? 1
             : complain(p, name, REPLICA_ESCHEMA, "is the name of a collection", err);
    if (is(name, "final")) {
        if (v.type != REPLICA_JSON_TRUE && v.type != REPLICA_JSON_FALSE)
            return complain(p, name, REPLICA_ESCHEMA, "is true or false", err);
        if (level != PROPERTY && v.type == REPLICA_JSON_TRUE)
            return complain(p, name, REPLICA_ENOTSUP, "works for top-level properties only", err);
        return 1;
    }
    if (is(name, "default")) {
        if (level != PROPERTY && is_something(v))
            return complain(p, name, REPLICA_ESCHEMA, "works for top-level properties only", err);
        return 1;
    }
    if (level != ROOT)
        return 0;
    if (is_one_of(name, refused, COUNT(refused)))
        return complain(p, name, REPLICA_ENOTSUP, "is not supported", err);
    if (is(name, "encrypted") && v.type == REPLICA_JSON_ARRAY) {
        struct replica__json_iter it = replica__json_iter(v);

        return replica__json_next(&it)
             ? complain(p, name, REPLICA_ENOTSUP, "is not supported: fields are stored as they are",
                        err) : 1;
    }
    if ((is(name, "encrypted") || is(name, "internalIndexes")) && v.type != REPLICA_JSON_ARRAY)
        return complain(p, name, REPLICA_ESCHEMA, "is an array", err);
    if (is(name, "keyCompression") && v.type != REPLICA_JSON_TRUE && v.type != REPLICA_JSON_FALSE)
        return complain(p, name, REPLICA_ESCHEMA, "is true or false", err);
    return is_one_of(name, accepted, COUNT(accepted));
}

static int check_schema(const struct path *p, enum level level, int draft,
                        struct replica__json_value schema, replica_error *err);

/* The schemas that are members or elements of v. */
static int check_each(const struct path *p, enum level level, int draft,
                      struct replica__json_value v, replica_error *err)
{
    struct replica__json_iter it = replica__json_iter(v);
    int index = 0;

    while (replica__json_next(&it)) {
        struct path below = { p, it.name, v.type == REPLICA_JSON_ARRAY ? index++ : -1 };
        int r = check_schema(&below, level, draft, it.value, err);

        if (r < 0)
            return r;
    }
    return 0;
}

static int check_word(const struct path *p, enum level level, int draft,
                      struct replica__slice name, struct replica__json_value v, replica_error *err)
{
    const struct replica__keyword *k = replica__keyword_find(name, draft, VOCAB_STANDARD);
    struct path below = { p, name, -1 };
    int r;

    if (k && k->shape == SHAPE_VALUE)
        return 0;
    if (k && (k->shape == SHAPE_SCHEMA ||
              (k->shape == SHAPE_SCHEMA_OR_LIST && v.type == REPLICA_JSON_OBJECT)))
        return check_schema(&below, BELOW, draft, v, err);
    if (k && (v.type == REPLICA_JSON_OBJECT || v.type == REPLICA_JSON_ARRAY))
        return check_each(&below, level == ROOT && k->id == KEYWORD_PROPERTIES ? PROPERTY : BELOW,
                          draft, v, err);
    if (k)
        return 0; /* of the wrong type: the compiler says so */
    r = check_rxdb_word(p, level, name, v, err);
    if (r != 0)
        return r < 0 ? r : 0;
    if (is(name, "x-conflict") && level != ROOT)
        return complain(p, name, REPLICA_ESCHEMA,
                        "belongs to the collection: the paths in it name its parts", err);
    if (is_one_of(name, silent, COUNT(silent)) || (name.len > 2 && memcmp(name.data, "x-", 2) == 0))
        return 0;
    return complain(p, name, REPLICA_ENOTSUP,
                    draft == DRAFT_2020 ? "is not supported (in draft 2020-12)"
                                        : "is not supported (in this draft)", err);
}

/* Anything but an object has no keywords. */
static int check_schema(const struct path *p, enum level level, int draft,
                        struct replica__json_value schema, replica_error *err)
{
    struct replica__json_iter it;

    if (schema.type != REPLICA_JSON_OBJECT)
        return 0;
    it = replica__json_iter(schema);
    while (replica__json_next(&it)) {
        int r = check_word(p, level, draft, it.name, it.value, err);

        if (r < 0)
            return r;
    }
    return 0;
}

static bool is_either(struct replica__json_value text, const char *uri, const char *uri_too)
{
    struct replica__slice spelled = { text.text.data + 1, text.text.len - 2 };

    return is(spelled, uri) || is(spelled, uri_too);
}

static int draft_of(struct replica__json_value schema)
{
    struct replica__json_value v = { .type = REPLICA_JSON_NONE };

    if (schema.type == REPLICA_JSON_OBJECT)
        v = replica__json_member(schema, "$schema", REPLICA_NUL);
    if (v.type == REPLICA_JSON_STRING && is_either(v, "http://json-schema.org/draft-04/schema#",
                                                   "http://json-schema.org/draft-04/schema"))
        return DRAFT_4;
    if (v.type == REPLICA_JSON_STRING && is_either(v, "http://json-schema.org/draft-07/schema#",
                                                   "http://json-schema.org/draft-07/schema"))
        return DRAFT_7;
    return DRAFT_2020;
}

int replica__collection_words_check(struct replica__json_value schema, replica_error *err)
{
    struct path root = { NULL, { NULL, 0 }, -1 };

    return check_schema(&root, ROOT, draft_of(schema), schema, err);
}
