/* Reading documents: which schemas in them have names, and finding schemas by name.
 *
 * The walk goes where the draft says that schemas are, and nowhere else: an $id in an enum is no
 * identifier.  JSON pointers may lead elsewhere all the same. */
#include "schema/source.h"

#include "base/error.h"
#include "schema/keyword.h"
#include "schema/uri.h"

#include <string.h>

/* A URI of a resource; it may have two. */
struct uri_entry {
    struct uri_entry *next; /* with the same hash */
    struct replica__slice uri;
    struct schema_resource *resource;
};

void replica__sources_free(struct schema_sources *s)
{
    replica__map_free(&s->by_uri);
    replica__map_free(&s->by_place);
}

static struct schema_resource *find_resource(const struct schema_sources *s,
                                             struct replica__slice uri)
{
    struct uri_entry *e = replica__map_get(&s->by_uri, replica__uri_hash(uri));

    while (e && !replica__uri_equal(e->uri, uri))
        e = e->next;
    return e ? e->resource : NULL;
}

/* What was there first keeps its name. */
static int enter(struct schema_sources *s, struct replica__slice uri,
                 struct schema_resource *resource)
{
    uint64_t hash = replica__uri_hash(uri);
    struct uri_entry *e;

    if (find_resource(s, uri))
        return 0;
    e = replica__arena_zero(s->arena, 1, sizeof(*e));
    if (!e)
        return REPLICA_ENOMEM;
    *e = (struct uri_entry){ replica__map_get(&s->by_uri, hash), uri, resource };
    return replica__map_set(&s->by_uri, hash, e);
}

static struct replica__slice keep(struct schema_sources *s, const struct replica__buf *text)
{
    char *copy = text->r < 0 ? NULL : replica__arena_copy(s->arena, text->data, text->len);

    return (struct replica__slice){ copy, copy ? text->len : 0 };
}

/* What a string means, in the arena; data NULL: no memory. */
static struct replica__slice meaning(struct schema_sources *s, struct replica__json_value string)
{
    REPLICA_BUF text = REPLICA_BUF_INIT;

    replica__json_unescape((struct replica__slice){ string.text.data + 1, string.text.len - 2 },
                           &text);
    return keep(s, &text);
}

static int complain(const struct schema_document *doc, const char *place, replica_error *err,
                    const char *keyword, const char *what)
{
    replica__error_set(err, REPLICA_ESCHEMA, 0, "%s: %s", keyword, what);
    return replica__source_where(doc, place, REPLICA_ESCHEMA, err);
}

/* ---- anchors ---------------------------------------------------------------------- */

struct walk {
    struct schema_sources *s;
    const struct schema_document *doc;
    replica_error *err;
};

static struct schema_anchor *find_anchor(const struct schema_resource *resource,
                                         struct replica__slice name)
{
    struct schema_anchor *a = resource->anchors;

    while (a && !replica__uri_equal(a->name, name))
        a = a->next;
    return a;
}

static int add_anchor(struct walk *w, struct schema_resource *resource, struct replica__slice name,
                      struct replica__json_value value, bool dynamic)
{
    struct schema_anchor *a = find_anchor(resource, name);

    if (a && a->value.text.data == value.text.data) {
        a->dynamic |= dynamic;
        resource->dynamic |= dynamic;
        return 0;
    }
    if (a)
        return complain(w->doc, value.text.data, w->err, dynamic ? "$dynamicAnchor" : "$anchor",
                        "the name is taken in this schema");
    a = replica__arena_zero(w->s->arena, 1, sizeof(*a));
    if (!a)
        return replica__enomem(w->err);
    a->next = resource->anchors;
    a->name = name;
    a->value = value;
    a->dynamic = dynamic;
    resource->anchors = a;
    resource->dynamic |= dynamic;
    return 0;
}

static int read_anchor(struct walk *w, struct schema_resource *resource,
                       struct replica__json_value schema, const char *keyword)
{
    struct replica__json_value v = replica__json_member(schema, keyword, REPLICA_NUL);
    struct replica__slice name;

    if (v.type == REPLICA_JSON_NONE)
        return 0;
    if (v.type != REPLICA_JSON_STRING)
        return complain(w->doc, schema.text.data, w->err, keyword, "must be a text");
    name = meaning(w->s, v);
    if (!name.data)
        return replica__enomem(w->err);
    return add_anchor(w, resource, name, schema, strcmp(keyword, "$dynamicAnchor") == 0);
}

/* ---- resources -------------------------------------------------------------------- */

/* The schema's own draft, if it names one; else what its surroundings have stays. */
static int read_dialect(struct walk *w, struct replica__json_value schema, int *draft,
                        unsigned *vocabularies)
{
    struct replica__json_value v = replica__json_member(schema, "$schema", REPLICA_NUL);
    struct replica__slice uri;
    int r;

    if (v.type == REPLICA_JSON_NONE)
        return 0;
    if (v.type != REPLICA_JSON_STRING)
        return complain(w->doc, schema.text.data, w->err, "$schema", "must be a text");
    uri = meaning(w->s, v);
    if (!uri.data)
        return replica__enomem(w->err);
    r = replica__dialect(w->s->registry, uri, draft, vocabularies, w->err);
    return r < 0 ? replica__source_where(w->doc, schema.text.data, r, w->err) : 0;
}

static int add_resource(struct walk *w, struct replica__slice uri, struct replica__json_value root,
                        int draft, unsigned vocabularies, struct schema_resource **ret)
{
    struct schema_resource *resource = find_resource(w->s, uri);

    if (resource && uri.len > 0 && resource->doc == w->doc)
        return complain(w->doc, root.text.data, w->err, draft == DRAFT_4 ? "id" : "$id",
                        "another schema has it");
    resource = replica__arena_zero(w->s->arena, 1, sizeof(*resource));
    if (!resource)
        return replica__enomem(w->err);
    resource->next = w->s->resources;
    resource->uri = uri;
    resource->doc = w->doc;
    resource->root = root;
    resource->draft = draft;
    resource->vocabularies = vocabularies;
    if (enter(w->s, uri, resource) < 0 ||
        replica__map_set(&w->s->by_place, replica__map_place(root.text.data), resource) < 0)
        return replica__enomem(w->err);
    w->s->resources = resource;
    *ret = resource;
    return 0;
}

static bool has_ref(struct replica__json_value schema)
{
    return replica__json_member(schema, "$ref", REPLICA_NUL).type == REPLICA_JSON_STRING;
}

/* The schema's identifier: a resource of its own (then *resource changes), an anchor, or both. */
static int read_id(struct walk *w, struct replica__json_value schema, int draft,
                   unsigned vocabularies, struct schema_resource **resource)
{
    const char *keyword = draft == DRAFT_4 ? "id" : "$id";
    struct replica__json_value v = replica__json_member(schema, keyword, REPLICA_NUL);
    REPLICA_BUF uri = REPLICA_BUF_INIT;
    struct replica__slice base;
    struct replica__slice fragment;
    struct replica__slice own;
    int r = 0;

    if (v.type == REPLICA_JSON_NONE || (draft <= DRAFT_7 && has_ref(schema)))
        return 0;
    if (v.type != REPLICA_JSON_STRING)
        return complain(w->doc, schema.text.data, w->err, keyword, "must be a text");
    own = meaning(w->s, v);
    if (!own.data)
        return replica__enomem(w->err);
    replica__uri_split(own, &base, &fragment);
    if (draft == DRAFT_2020 && fragment.len > 0)
        return complain(w->doc, schema.text.data, w->err, keyword, "must have no fragment");
    replica__uri_resolve((*resource)->uri, base, &uri);
    own = keep(w->s, &uri);
    if (!own.data)
        return replica__enomem(w->err);
    if (base.len > 0 && (*resource)->root.text.data == schema.text.data) {
        (*resource)->uri = own; /* a root: it keeps the URI from which it came as a second one */
        r = enter(w->s, own, *resource) == 0 ? 0 : replica__enomem(w->err);
    } else if (base.len > 0) {
        r = add_resource(w, own, schema, draft, vocabularies, resource);
    }
    if (r == 0 && fragment.len > 0)
        r = add_anchor(w, *resource, fragment, schema, false);
    return r;
}

/* ---- the walk --------------------------------------------------------------------- */

static int walk_schema(struct walk *w, struct replica__json_value schema,
                       struct schema_resource *resource);

static int walk_each(struct walk *w, struct replica__json_value v, struct schema_resource *resource)
{
    struct replica__json_iter it = replica__json_iter(v);
    int r = 0;

    while (r == 0 && replica__json_next(&it))
        r = walk_schema(w, it.value, resource);
    return r;
}

static int walk_member(struct walk *w, const struct replica__keyword *keyword,
                       struct replica__json_value v, struct schema_resource *resource)
{
    switch (keyword->shape) {
    case SHAPE_SCHEMA:
        return walk_schema(w, v, resource);
    case SHAPE_LIST:
        return v.type == REPLICA_JSON_ARRAY ? walk_each(w, v, resource) : 0;
    case SHAPE_SCHEMA_OR_LIST:
        return v.type == REPLICA_JSON_ARRAY ? walk_each(w, v, resource)
                                            : walk_schema(w, v, resource);
    case SHAPE_MAP:
    case SHAPE_MAP_OR_NAMES:
        return v.type == REPLICA_JSON_OBJECT ? walk_each(w, v, resource) : 0;
    default:
        return 0;
    }
}

/* Recursive: the gate bounds the depth. */
static int walk_schema(struct walk *w, struct replica__json_value schema,
                       struct schema_resource *resource)
{
    struct replica__json_iter it = replica__json_iter(schema);
    int draft = resource->draft;
    unsigned vocabularies = resource->vocabularies;
    int r;

    if (schema.type != REPLICA_JSON_OBJECT)
        return 0;
    if (resource->root.text.data != schema.text.data) {
        r = read_dialect(w, schema, &draft, &vocabularies);
        if (r < 0)
            return r;
    }
    r = read_id(w, schema, draft, vocabularies, &resource);
    if (r == 0 && resource->draft == DRAFT_2020)
        r = read_anchor(w, resource, schema, "$anchor");
    if (r == 0 && resource->draft == DRAFT_2020)
        r = read_anchor(w, resource, schema, "$dynamicAnchor");
    while (r == 0 && replica__json_next(&it)) {
        const struct replica__keyword *keyword =
            replica__keyword_find(it.name, resource->draft, resource->vocabularies);

        if (keyword)
            r = walk_member(w, keyword, it.value, resource);
    }
    return r;
}

int replica__sources_load(struct schema_sources *s, struct replica__slice text,
                          struct replica__slice uri, const struct schema_resource *outer,
                          struct schema_resource **ret_root, replica_error *err)
{
    struct walk w = { .s = s, .err = err };
    int draft = outer ? outer->draft : DRAFT_2020;
    unsigned vocabularies = outer ? outer->vocabularies : VOCAB_STANDARD;
    struct schema_document *doc = replica__arena_zero(s->arena, 1, sizeof(*doc));
    char *copy = replica__arena_copy(s->arena, text.data, text.len);
    char *name = replica__arena_copy(s->arena, uri.data, uri.len);
    struct schema_resource *root;
    int r;

    if (!doc || !copy || !name)
        return replica__enomem(err);
    doc->root = replica__json_value(copy, text.len);
    doc->uri = outer ? name : "";
    w.doc = doc;
    r = read_dialect(&w, doc->root, &draft, &vocabularies);
    if (r == 0)
        r = add_resource(&w, (struct replica__slice){ name, uri.len }, doc->root, draft,
                         vocabularies, &root);
    if (r == 0)
        r = walk_schema(&w, doc->root, root);
    if (r < 0)
        return r;
    *ret_root = root;
    return 0;
}

/* ---- finding ---------------------------------------------------------------------- */

/* The member or element that a token of a JSON pointer names; type NONE: there is none. */
static struct replica__json_value step(struct replica__json_value v, const char *token, size_t len)
{
    struct replica__json_iter it = replica__json_iter(v);
    size_t index = 0;

    if (v.type == REPLICA_JSON_OBJECT)
        return replica__json_member(v, token, len);
    if (v.type == REPLICA_JSON_ARRAY && len > 0 && (len == 1 || token[0] != '0')) {
        for (size_t i = 0; i < len; i++) {
            if (token[i] < '0' || token[i] > '9' || index > SIZE_MAX / 20)
                return (struct replica__json_value){ REPLICA_JSON_NONE, { NULL, 0 } };
            index = index * 10 + (size_t)(token[i] - '0');
        }
        while (replica__json_next(&it)) {
            if (index-- == 0)
                return it.value;
        }
    }
    return (struct replica__json_value){ REPLICA_JSON_NONE, { NULL, 0 } };
}

/* Follow a JSON pointer; the resource changes where it passes the root of another one. */
static int follow(struct schema_sources *s, struct replica__slice pointer, struct schema_target *t)
{
    REPLICA_BUF token = REPLICA_BUF_INIT;
    const char *at = pointer.data;
    const char *end = at + pointer.len;

    t->value = t->resource->root;
    while (at < end && t->value.type != REPLICA_JSON_NONE) {
        struct schema_resource *inner;

        replica__buf_clear(&token);
        for (at++; at < end && *at != '/'; at++) {
            if (*at == '~' && end - at > 1 && (at[1] == '0' || at[1] == '1'))
                replica__buf_char(&token, *++at == '0' ? '~' : '/');
            else
                replica__buf_char(&token, *at);
        }
        if (token.r < 0)
            return token.r;
        t->value = step(t->value, token.len ? token.data : "", token.len);
        inner = t->value.type == REPLICA_JSON_NONE
                    ? NULL
                    : replica__map_get(&s->by_place, replica__map_place(t->value.text.data));
        if (inner)
            t->resource = inner;
    }
    return t->value.type != REPLICA_JSON_NONE;
}

static int find_fragment(struct schema_sources *s, struct replica__slice fragment,
                         struct schema_target *t)
{
    REPLICA_BUF text = REPLICA_BUF_INIT;

    t->value = t->resource->root;
    if (fragment.len == 0)
        return 1;
    replica__uri_decode(fragment, &text);
    if (text.r < 0)
        return text.r;
    if (text.data[0] == '/')
        return follow(s, (struct replica__slice){ text.data, text.len }, t);
    t->anchor = find_anchor(t->resource, (struct replica__slice){ text.data, text.len });
    if (t->anchor)
        t->value = t->anchor->value;
    return t->anchor != NULL;
}

/* The resource with this URI, which may be in a document that nobody read yet.  1, 0, < 0. */
static int find_or_load(struct schema_sources *s, struct replica__slice uri,
                        const struct schema_resource *from, struct schema_resource **ret,
                        replica_error *err)
{
    struct replica__slice text;
    struct replica__slice doc_uri;
    struct schema_resource *root;
    int r;

    *ret = find_resource(s, uri);
    if (*ret)
        return 1;
    if (!replica__registry_find(s->registry, uri, &text, &doc_uri) || find_resource(s, doc_uri))
        return 0;
    r = replica__sources_load(s, text, doc_uri, from, &root, err);
    if (r < 0)
        return r;
    *ret = find_resource(s, uri);
    return *ret != NULL;
}

int replica__sources_find(struct schema_sources *s, const struct schema_resource *from,
                          struct replica__slice ref, const char *at,
                          struct schema_target *ret_target, replica_error *err)
{
    struct schema_target t = { .anchor = NULL };
    REPLICA_BUF uri = REPLICA_BUF_INIT;
    struct replica__slice base;
    struct replica__slice fragment;
    int r;

    replica__uri_split(ref, &base, &fragment);
    replica__uri_resolve(from->uri, base, &uri);
    if (uri.r < 0)
        return replica__enomem(err);
    r = find_or_load(s, (struct replica__slice){ uri.len ? uri.data : "", uri.len }, from,
                     &t.resource, err);
    if (r < 0)
        return r;
    if (r > 0)
        r = find_fragment(s, fragment, &t);
    if (r < 0)
        return replica__enomem(err);
    if (r == 0) {
        replica__buf_clear(&uri);
        replica__source_line(ref.data, &uri);
        if (uri.r < 0)
            return replica__enomem(err);
        replica__error_set(err, REPLICA_ESCHEMA, 0, "'%.300s' leads nowhere: %s",
                           uri.len ? uri.data : "",
                           t.resource ? "there is nothing in that schema"
                                      : "no such schema is in the registry");
        return replica__source_where(from->doc, at, REPLICA_ESCHEMA, err);
    }
    *ret_target = t;
    return 0;
}
