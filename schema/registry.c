/* The schemas that others may refer to: texts under URIs, copied, never fetched.
 *
 * Which of the names in a text are identifiers depends on its draft, and that on who refers to it.
 * So the registry only notes where an identifier may be ("$id" or "id" with a string); the
 * compilation that needs one reads that document properly, and decides. */
#include "base/alloc.h"
#include "base/error.h"
#include "schema/meta.h"
#include "schema/source.h"
#include "schema/uri.h"

#include <string.h>

#define MAX_SCHEMA (16u << 20) /* bytes of one schema */

struct entry {
    struct entry *next; /* with the same hash */
    struct replica__slice uri;
    struct replica__slice doc_uri;
    struct replica__slice text;
};

struct replica_registry {
    struct replica__arena *arena;
    struct replica__map by_uri;
};

int replica_registry_new(replica_registry **ret_registry, replica_error *err)
{
    replica_registry *registry;

    if (!ret_registry)
        return replica__error_set(err, REPLICA_EINVAL, 0, "no place for the registry");
    registry = replica__alloc_zero(1, sizeof(*registry));
    if (registry)
        registry->arena = replica__arena_new(16384);
    if (!registry || !registry->arena) {
        replica__free(registry);
        return replica__enomem(err);
    }
    *ret_registry = registry;
    return 0;
}

void replica_registry_free(replica_registry *registry)
{
    if (!registry)
        return;
    replica__map_free(&registry->by_uri);
    replica__arena_free(registry->arena);
    replica__free(registry);
}

/* The newest entry of a URI comes first. */
static int enter(replica_registry *registry, struct replica__slice uri, const struct entry *doc)
{
    struct entry *e = replica__arena_zero(registry->arena, 1, sizeof(*e));
    uint64_t hash = replica__uri_hash(uri);

    if (!e)
        return REPLICA_ENOMEM;
    *e = *doc;
    e->uri = uri;
    e->next = replica__map_get(&registry->by_uri, hash);
    return replica__map_set(&registry->by_uri, hash, e);
}

static struct replica__slice keep(struct replica__arena *arena, const struct replica__buf *text)
{
    char *copy = text->r < 0 ? NULL : replica__arena_copy(arena, text->data, text->len);

    return (struct replica__slice){ copy, copy ? text->len : 0 };
}

/* The URI that an object's identifier gives it, or base; data NULL: no memory. */
static struct replica__slice identify(replica_registry *registry, struct replica__json_value object,
                                      struct replica__slice base)
{
    struct replica__json_value id = replica__json_member(object, "$id", REPLICA_NUL);
    REPLICA_BUF text = REPLICA_BUF_INIT;
    REPLICA_BUF uri = REPLICA_BUF_INIT;
    struct replica__slice before;
    struct replica__slice fragment;

    if (id.type == REPLICA_JSON_NONE)
        id = replica__json_member(object, "id", REPLICA_NUL);
    if (id.type != REPLICA_JSON_STRING)
        return base;
    replica__json_unescape((struct replica__slice){ id.text.data + 1, id.text.len - 2 }, &text);
    if (text.r == 0 && text.len == 0)
        return base;
    if (text.r < 0)
        return (struct replica__slice){ NULL, 0 };
    replica__uri_split((struct replica__slice){ text.data, text.len }, &before, &fragment);
    if (before.len == 0)
        return base;
    replica__uri_resolve(base, before, &uri);
    return keep(registry->arena, &uri);
}

/* Recursive: the gate bounds the depth. */
static int note_identifiers(replica_registry *registry, struct replica__json_value v,
                            struct replica__slice base, const struct entry *doc)
{
    struct replica__json_iter it = replica__json_iter(v);
    int r = 0;

    if (v.type == REPLICA_JSON_OBJECT) {
        struct replica__slice own = identify(registry, v, base);

        if (!own.data)
            return REPLICA_ENOMEM;
        if (!replica__uri_equal(own, base))
            r = enter(registry, own, doc);
        base = own;
    }
    while (r == 0 && replica__json_next(&it)) {
        if (it.value.type == REPLICA_JSON_OBJECT || it.value.type == REPLICA_JSON_ARRAY)
            r = note_identifiers(registry, it.value, base, doc);
    }
    return r;
}

int replica_registry_add(replica_registry *registry, const char *uri, const char *json, size_t len,
                         replica_error *err)
{
    const struct replica__json_limits limits = { .max_bytes = MAX_SCHEMA };
    struct replica__slice given;
    struct replica__slice fragment;
    struct entry doc = { 0 };
    int r;

    if (!registry || !uri || !json)
        return replica__error_set(err, REPLICA_EINVAL, 0, "no registry, no URI or no schema");
    if (len == REPLICA_NUL)
        len = strlen(json);
    r = replica__json_check(json, len, &limits, err);
    if (r < 0) {
        replica__error_where(err, "%s", uri);
        return r;
    }
    replica__uri_split((struct replica__slice){ uri, strlen(uri) }, &given, &fragment);
    doc.doc_uri.data = replica__arena_copy(registry->arena, given.data, given.len);
    doc.doc_uri.len = given.len;
    doc.text.data = replica__arena_copy(registry->arena, json, len);
    doc.text.len = len;
    if (!doc.doc_uri.data || !doc.text.data || enter(registry, doc.doc_uri, &doc) < 0 ||
        note_identifiers(registry, replica__json_value(doc.text.data, len), doc.doc_uri, &doc) < 0)
        return replica__enomem(err);
    return 0;
}

static bool find_meta(struct replica__slice uri, struct replica__slice *ret_text,
                      struct replica__slice *ret_uri)
{
    static const struct replica__meta *const lists[] = { replica__meta_2020, replica__meta_7,
                                                         replica__meta_4 };

    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        for (const struct replica__meta *meta = lists[i]; meta->uri; meta++) {
            if (uri.len != strlen(meta->uri) || memcmp(uri.data, meta->uri, uri.len) != 0)
                continue;
            *ret_text = (struct replica__slice){ meta->json, strlen(meta->json) };
            *ret_uri = (struct replica__slice){ meta->uri, uri.len };
            return true;
        }
    }
    return false;
}

bool replica__registry_find(const replica_registry *registry, struct replica__slice uri,
                            struct replica__slice *ret_text, struct replica__slice *ret_uri)
{
    const struct entry *e =
        registry ? replica__map_get(&registry->by_uri, replica__uri_hash(uri)) : NULL;

    while (e && !replica__uri_equal(e->uri, uri))
        e = e->next;
    if (!e)
        return find_meta(uri, ret_text, ret_uri);
    *ret_text = e->text;
    *ret_uri = e->doc_uri;
    return true;
}
