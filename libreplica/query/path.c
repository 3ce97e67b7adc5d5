/* Paths, and what a query sees at one.
 *
 * Mingo collects on the way: where a name meets an array, the values behind each element make a new
 * array, and that is what operators get.  Arrays in arrays are not entered twice, and arrays of one
 * array that only the way made are taken off again.  A path without arrays, which is nearly every
 * one, is followed in place; only otherwise is such an array written down, as JSON text. */
#include "libreplica/query/path.h"

#include "base/alloc.h"
#include "base/error.h"

#include <string.h>

static const struct replica__json_value nothing;

/* ---- parsing --------------------------------------------------------------------- */

bool replica__path_is_number(struct replica__slice part)
{
    for (size_t i = 0; i < part.len; i++) {
        if (part.data[i] < '0' || part.data[i] > '9')
            return false;
    }
    return true;
}

static int fill(struct replica__path *path, replica_error *err)
{
    const char *at = path->text;

    for (size_t i = 0; i < path->n; i++) {
        size_t len = strcspn(at, ".");

        if (len == 0)
            return replica__error_set(err, REPLICA_EINVAL, 0, "'%s' is no path", path->text);
        path->parts[i].data = at;
        path->parts[i].len = len;
        at += len + 1;
    }
    return 0;
}

int replica__path_parse(const char *text, size_t len, struct replica__path *ret,
                        replica_error *err)
{
    struct replica__path path = { .n = 1 };
    int r;

    if (len == REPLICA_NUL)
        len = strlen(text);
    if (memchr(text, '\0', len))
        return replica__error_set(err, REPLICA_EINVAL, 0, "a path has no U+0000");
    path.text = replica__strndup(text, len);
    for (size_t i = 0; i < len; i++)
        path.n += text[i] == '.';
    path.parts = replica__realloc(NULL, path.n, sizeof(*path.parts));
    r = path.text && path.parts ? fill(&path, err) : replica__enomem(err);
    if (r < 0) {
        replica__path_free(&path);
        return r;
    }
    *ret = path;
    return 0;
}

void replica__path_free(struct replica__path *path)
{
    replica__free(path->text);
    replica__free(path->parts);
    memset(path, 0, sizeof(*path));
}

/* ---- going ----------------------------------------------------------------------- */

static struct replica__json_value element(struct replica__json_value array,
                                          struct replica__slice part)
{
    struct replica__json_iter it = replica__json_iter(array);
    size_t left = 0;

    for (size_t i = 0; i < part.len; i++) {
        if (left > array.text.len)
            return nothing;
        left = left * 10 + (size_t)(part.data[i] - '0');
    }
    if (left > array.text.len)
        return nothing;
    while (replica__json_next(&it)) {
        if (left-- == 0)
            return it.value;
    }
    return nothing;
}

/* One step, as far as it can be done in place: not from an array by a name. */
static inline struct replica__json_value step(struct replica__json_value v,
                                              struct replica__slice part)
{
    if (v.type == REPLICA_JSON_OBJECT)
        return replica__json_member(v, part.data, part.len);
    if (v.type == REPLICA_JSON_ARRAY && replica__path_is_number(part))
        return element(v, part);
    return nothing;
}

struct replica__json_value replica__path_value(const struct replica__path *path, const char *json,
                                               size_t len, bool *ret_array)
{
    struct replica__json_value v = replica__json_value(json, len);
    bool array = v.type == REPLICA_JSON_ARRAY;

    for (size_t i = 0; i < path->n && v.type != REPLICA_JSON_NONE; i++) {
        v = step(v, path->parts[i]);
        array = array || v.type == REPLICA_JSON_ARRAY;
    }
    if (ret_array)
        *ret_array = array;
    return v;
}

/* ---- collecting ------------------------------------------------------------------ */

struct collection {
    const struct replica__path *path;
    struct replica__buf *out;
    size_t depth; /* arrays that were entered */
};

static void collect_array(struct collection *c, struct replica__json_value array, size_t from);

/* What is behind one element; false: nothing.  Recursive: each level uses up a part, or ends. */
static bool collect(struct collection *c, struct replica__json_value v, size_t from)
{
    for (size_t i = from; i < c->path->n; i++) {
        if (v.type == REPLICA_JSON_ARRAY && !replica__path_is_number(c->path->parts[i])) {
            if (i == from)
                break; /* an array in an array is not entered */
            collect_array(c, v, i);
            return true;
        }
        v = step(v, c->path->parts[i]);
        if (v.type == REPLICA_JSON_NONE)
            return false;
    }
    replica__buf_add(c->out, v.text.data, v.text.len);
    return true;
}

static void collect_array(struct collection *c, struct replica__json_value array, size_t from)
{
    struct replica__json_iter it = replica__json_iter(array);
    bool first = true;

    c->depth++;
    replica__buf_char(c->out, '[');
    while (c->out->r == 0 && replica__json_next(&it)) {
        size_t before = c->out->len;

        if (!first)
            replica__buf_char(c->out, ',');
        if (collect(c, it.value, from))
            first = false;
        else
            c->out->len = before;
    }
    replica__buf_char(c->out, ']');
}

/* Take off what only the way put around. */
static struct replica__json_value unwrap(struct replica__json_value v, size_t depth)
{
    while (depth-- > 0) {
        struct replica__json_iter it = replica__json_iter(v);
        struct replica__json_value inner;

        if (!replica__json_next(&it) || it.value.type != REPLICA_JSON_ARRAY)
            break;
        inner = it.value;
        if (replica__json_next(&it))
            break;
        v = inner;
    }
    return v;
}

struct replica__json_value replica__path_resolve(const struct replica__path *path, size_t from,
                                                 struct replica__json_value v,
                                                 struct replica__buf *room)
{
    for (size_t i = from; i < path->n; i++) {
        if (v.type == REPLICA_JSON_ARRAY && !replica__path_is_number(path->parts[i])) {
            struct collection c = { .path = path, .out = room };

            collect_array(&c, v, i);
            if (room->r < 0)
                return nothing;
            return unwrap(replica__json_value(room->data, room->len), c.depth);
        }
        v = step(v, path->parts[i]);
        if (v.type == REPLICA_JSON_NONE)
            break;
    }
    return v;
}

/* ---- what may be compared -------------------------------------------------------- */

/* Recursive: the gate bounds the depth. */
static int each(struct replica__json_value v,
                int (*fn)(void *ctx, struct replica__json_value v), void *ctx)
{
    struct replica__json_iter it = replica__json_iter(v);
    int r = fn(ctx, v);

    if (v.type != REPLICA_JSON_ARRAY)
        return r;
    while (r == 0 && replica__json_next(&it))
        r = each(it.value, fn, ctx);
    return r;
}

int replica__path_each(const struct replica__path *path, const char *json, size_t len,
                       int (*fn)(void *ctx, struct replica__json_value v), void *ctx)
{
    REPLICA_BUF room = REPLICA_BUF_INIT;
    struct replica__json_value v = replica__path_resolve(path, 0, replica__json_value(json, len),
                                                         &room);

    return room.r < 0 ? room.r : each(v, fn, ctx);
}

/* ---- is there one? --------------------------------------------------------------- */

/* Has v, an element or an object, the last name?  An array counts as something. */
static bool has_last(const struct replica__path *path, struct replica__json_value v)
{
    return v.type == REPLICA_JSON_ARRAY ||
           step(v, path->parts[path->n - 1]).type != REPLICA_JSON_NONE;
}

/* Follow all parts but the last, in an element of an array. */
static bool exists_in(const struct replica__path *path, struct replica__json_value v, size_t from)
{
    for (size_t i = from; i < path->n - 1; i++) {
        if (v.type == REPLICA_JSON_ARRAY && !replica__path_is_number(path->parts[i]))
            return true;
        v = step(v, path->parts[i]);
        if (v.type == REPLICA_JSON_NONE)
            return false;
    }
    return has_last(path, v);
}

bool replica__path_exists(const struct replica__path *path, size_t from,
                          struct replica__json_value v)
{
    size_t last = path->n - 1;
    struct replica__json_iter it;

    while (from < last) {
        if (v.type == REPLICA_JSON_ARRAY && !replica__path_is_number(path->parts[from]))
            break;
        v = step(v, path->parts[from++]);
        if (v.type == REPLICA_JSON_NONE)
            return false;
    }
    if (v.type != REPLICA_JSON_ARRAY)
        return step(v, path->parts[from]).type != REPLICA_JSON_NONE;
    it = replica__json_iter(v);
    while (replica__json_next(&it)) {
        if (from < last ? exists_in(path, it.value, from) : has_last(path, it.value))
            return true;
    }
    return false;
}
