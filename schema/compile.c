/* From a schema's text to its nodes: the queue, references, and what holds all of it together. */
#include "schema/compile.h"

#include "base/alloc.h"
#include "base/error.h"
#include "schema/uri.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { MAX_NODES = 1000000 };

int replica__compile_enomem(struct compile *c)
{
    return replica__enomem(c->err);
}

void *replica__compile_zero(struct compile *c, size_t n, size_t size)
{
    return replica__arena_zero(c->schema->arena, n, size);
}

int replica__compile_complain(struct building *b, const char *format, ...)
{
    REPLICA_BUF line = REPLICA_BUF_INIT;
    char text[300];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    replica__source_line(text, &line);
    if (line.r < 0)
        return replica__compile_enomem(b->c);
    replica__error_set(b->c->err, REPLICA_ESCHEMA, 0, "%s: %s", b->keyword, line.data);
    return replica__source_where(b->node->doc, b->node->value.text.data, REPLICA_ESCHEMA,
                                 b->c->err);
}

/* ---- nodes ------------------------------------------------------------------------ */

static int enqueue(struct compile *c, struct schema_node *node)
{
    if (c->queue_len == MAX_NODES)
        return replica__error_set(c->err, REPLICA_ELIMIT, 0, "more than %d schemas", MAX_NODES);
    if (c->queue_len == c->queue_room) {
        size_t room = c->queue_room ? c->queue_room * 2 : 64;
        struct schema_node **queue = replica__realloc(c->queue, room, sizeof(*queue));

        if (!queue)
            return replica__compile_enomem(c);
        c->queue = queue;
        c->queue_room = room;
    }
    c->queue[c->queue_len++] = node;
    return 0;
}

int replica__compile_node(struct compile *c, struct replica__json_value value,
                          const struct schema_resource *outer, const struct schema_node **ret)
{
    uint64_t place = replica__map_place(value.text.data);
    struct schema_node *node = replica__map_get(&c->nodes, place);
    const struct schema_resource *own;
    int r = 0;

    if (!node) {
        node = replica__compile_zero(c, 1, sizeof(*node));
        if (!node || replica__map_set(&c->nodes, place, node) < 0)
            return replica__compile_enomem(c);
        own = replica__map_get(&c->sources.by_place, place);
        node->resource = own ? own : outer;
        node->doc = node->resource->doc;
        node->value = value;
        r = enqueue(c, node);
    }
    if (r == 0)
        *ret = node;
    return r;
}

int replica__compile_child(struct building *b, struct replica__json_value value,
                           const struct schema_node **ret)
{
    if (value.type != REPLICA_JSON_OBJECT && value.type != REPLICA_JSON_TRUE &&
        value.type != REPLICA_JSON_FALSE)
        return replica__compile_complain(b, "must be a schema");
    if (b->node->draft_4 && value.type != REPLICA_JSON_OBJECT &&
        strncmp(b->keyword, "additional", 10) != 0)
        return replica__compile_complain(b, "must be an object in draft 4");
    return replica__compile_node(b->c, value, b->node->resource, ret);
}

int replica__compile_children(struct building *b, struct replica__json_value list,
                              struct schema_nodes *ret)
{
    struct replica__json_iter it = replica__json_iter(list);
    struct schema_nodes nodes = { NULL, 0 };
    int r = 0;

    if (list.type != REPLICA_JSON_ARRAY)
        return replica__compile_complain(b, "must be a list of schemas");
    while (replica__json_next(&it))
        nodes.n++;
    nodes.at = replica__compile_zero(b->c, nodes.n, sizeof(*nodes.at));
    if (!nodes.at)
        return replica__compile_enomem(b->c);
    it = replica__json_iter(list);
    for (size_t i = 0; r == 0 && replica__json_next(&it); i++)
        r = replica__compile_child(b, it.value, &nodes.at[i]);
    *ret = nodes;
    return r;
}

int replica__compile_text(struct building *b, struct replica__json_value string,
                          struct replica__slice *ret)
{
    REPLICA_BUF text = REPLICA_BUF_INIT;
    char *copy;

    if (string.type != REPLICA_JSON_STRING)
        return replica__compile_complain(b, "must be a text");
    replica__json_unescape((struct replica__slice){ string.text.data + 1, string.text.len - 2 },
                           &text);
    copy = text.r < 0 ? NULL : replica__arena_copy(b->c->schema->arena, text.data, text.len);
    if (!copy)
        return replica__compile_enomem(b->c);
    *ret = (struct replica__slice){ copy, text.len };
    return 0;
}

int replica__compile_pattern(struct building *b, struct replica__slice text,
                             const struct replica__pattern **ret)
{
    struct schema_pattern_entry *entry = replica__compile_zero(b->c, 1, sizeof(*entry));
    replica_error inner = { 0 };
    int r;

    if (!entry)
        return replica__compile_enomem(b->c);
    r = replica__pattern_compile(text.data, text.len, 0, &entry->pattern, &inner);
    if (r == REPLICA_EINVAL)
        return replica__compile_complain(b, "'%.*s' is no pattern: %s",
                                         (int)(text.len < 100 ? text.len : 100), text.data,
                                         inner.message);
    if (r < 0) {
        if (b->c->err)
            *b->c->err = inner;
        return replica__source_where(b->node->doc, b->node->value.text.data, r, b->c->err);
    }
    entry->next = b->c->schema->patterns;
    b->c->schema->patterns = entry;
    *ret = entry->pattern;
    return 0;
}

/* ---- one schema ------------------------------------------------------------------- */

/* Drafts 4 and 7: beside a $ref, nothing counts. */
static bool only_ref(const struct schema_node *node)
{
    return node->resource->draft <= DRAFT_7 &&
           replica__json_member(node->value, "$ref", REPLICA_NUL).type == REPLICA_JSON_STRING;
}

/* Definitions of the program's own schema must be right even where nothing refers to them. */
static int compile_unused(struct building *b, const struct replica__keyword *keyword,
                          struct replica__json_value v)
{
    struct replica__json_iter it = replica__json_iter(v);
    const struct schema_node *node;
    int r = 0;

    if (keyword->shape == SHAPE_SCHEMA)
        return replica__compile_child(b, v, &node);
    while (r == 0 && replica__json_next(&it))
        r = replica__compile_child(b, it.value, &node);
    return r;
}

static int read_keywords(struct building *b)
{
    struct replica__json_iter it = replica__json_iter(b->node->value);
    const struct schema_resource *resource = b->node->resource;
    bool alone = only_ref(b->node);
    int r = 0;

    while (replica__json_next(&it)) {
        const struct replica__keyword *keyword =
            replica__keyword_find(it.name, resource->draft, resource->vocabularies);

        if (!keyword || (alone && keyword->id != KEYWORD_REF))
            continue;
        b->keyword = keyword->name;
        if (keyword->id == KEYWORD_TEXT && it.value.type != REPLICA_JSON_STRING)
            return replica__compile_complain(b, "must be a text");
        if (keyword->id == KEYWORD_SCHEMAS && it.value.type != REPLICA_JSON_OBJECT &&
            keyword->shape == SHAPE_MAP)
            return replica__compile_complain(b, "must be an object");
        b->values[keyword->id] = it.value;
        if (keyword->id == KEYWORD_SCHEMAS && b->node->doc->uri[0] == '\0')
            r = compile_unused(b, keyword, it.value);
        if (r < 0)
            return r;
    }
    return 0;
}

static bool is_plain_ref(const struct schema_node *node)
{
    struct schema_logic bare;

    if (node->types != SCHEMA_ANY_TYPE || node->integer || node->number || node->string ||
        node->array || node->object || !node->logic || !node->logic->ref)
        return false;
    memset(&bare, 0, sizeof(bare));
    bare.ref = node->logic->ref;
    return memcmp(node->logic, &bare, sizeof(bare)) == 0;
}

static int compile_object(struct compile *c, struct schema_node *node)
{
    struct building b = { .c = c, .node = node };
    int r;

    node->types = SCHEMA_ANY_TYPE;
    node->draft_4 = node->resource->draft == DRAFT_4;
    r = read_keywords(&b);
    if (r == 0)
        r = replica__compile_logic(&b);
    if (r == 0)
        r = replica__compile_numbers(&b);
    if (r == 0)
        r = replica__compile_strings(&b);
    if (r == 0)
        r = replica__compile_arrays(&b);
    if (r == 0)
        r = replica__compile_objects(&b);
    node->number = b.number;
    node->string = b.string;
    node->array = b.array;
    node->object = b.object;
    node->logic = b.logic;
    if (r == 0 && is_plain_ref(node))
        node->kind = NODE_REF;
    else if (r == 0 && node->types == SCHEMA_ANY_TYPE && !node->integer && !b.number &&
             !b.string && !b.array && !b.object && !b.logic)
        node->kind = NODE_TRUE;
    return r;
}

static int compile_queue(struct compile *c)
{
    while (c->done < c->queue_len) {
        struct schema_node *node = c->queue[c->done++];
        int r = 0;

        if (node->value.type == REPLICA_JSON_OBJECT)
            r = compile_object(c, node);
        else
            node->kind = node->value.type == REPLICA_JSON_TRUE ? NODE_TRUE : NODE_FALSE;
        if (r < 0)
            return r;
    }
    return 0;
}

/* ---- the whole -------------------------------------------------------------------- */

/* A dynamic reference may lead to any dynamic anchor of its name that is in scope, so all that are
 * known are compiled; which may bring new documents, with new ones. */
static int compile_dynamic_anchors(struct compile *c)
{
    const struct schema_resource *seen = NULL;
    int r = 0;

    while (r == 0 && c->dynamic && c->sources.resources != seen) {
        const struct schema_resource *until = seen;

        seen = c->sources.resources;
        for (const struct schema_resource *res = seen; r == 0 && res != until; res = res->next) {
            for (struct schema_anchor *a = res->anchors; r == 0 && a; a = a->next) {
                if (a->dynamic)
                    r = replica__compile_node(c, a->value, res, &a->node);
            }
        }
        if (r == 0)
            r = compile_queue(c);
    }
    for (size_t i = 0; r == 0 && c->dynamic && i < c->queue_len; i++)
        c->queue[i]->scope = c->queue[i]->resource->dynamic ? c->queue[i]->resource : NULL;
    return r;
}

/* References that lead to each other and nowhere else never end. */
static int check_circles(struct compile *c)
{
    for (size_t i = 0; i < c->queue_len; i++) {
        struct schema_node *node = c->queue[i];

        while (node->kind == NODE_REF && node->walk == 0) {
            const char *place = node->logic->ref->value.text.data;

            node->walk = (uint32_t)i + 1;
            node = replica__map_get(&c->nodes, replica__map_place(place));
        }
        if (node->kind == NODE_REF && node->walk == i + 1) {
            replica__error_set(c->err, REPLICA_ESCHEMA, 0,
                               "$ref: leads back to itself and to nothing else");
            return replica__source_where(node->doc, node->value.text.data, REPLICA_ESCHEMA, c->err);
        }
    }
    return 0;
}

static int compile_all(struct compile *c, struct replica__slice text, struct replica__slice uri)
{
    struct schema_resource *root;
    int r = replica__sources_load(&c->sources, text, uri, NULL, &root, c->err);

    if (r < 0)
        return r;
    if (root->root.type != REPLICA_JSON_OBJECT && root->root.type != REPLICA_JSON_TRUE &&
        root->root.type != REPLICA_JSON_FALSE)
        return replica__error_set(c->err, REPLICA_ESCHEMA, 0, "a schema is an object or a boolean");
    r = replica__compile_node(c, root->root, root, &c->schema->root);
    if (r == 0)
        r = compile_queue(c);
    if (r == 0)
        r = compile_dynamic_anchors(c);
    return r < 0 ? r : check_circles(c);
}

int replica__schema_build(replica_schema *schema, struct replica__slice text,
                          const struct replica_schema_options *opts, replica_error *err)
{
    struct compile c = { .schema = schema, .flags = opts->flags, .err = err };
    struct replica__slice uri = { "", 0 };
    struct replica__slice fragment;
    int r;

    c.sources.arena = schema->arena;
    c.sources.registry = opts->registry;
    if (opts->uri)
        replica__uri_split((struct replica__slice){ opts->uri, strlen(opts->uri) }, &uri,
                           &fragment);
    r = compile_all(&c, text, uri);
    replica__sources_free(&c.sources);
    replica__map_free(&c.nodes);
    replica__free(c.queue);
    return r;
}
