/* What a query makes of a document that matches: its place in the result, and the part of its text
 * that was asked for. */
#include "libreplica/query/query_parse.h"

#include <string.h>

void replica__query_place(const struct replica__query *q, const char *json, size_t len,
                          const char *id, size_t id_len, struct replica__buf *out)
{
    for (size_t i = 0; i < q->sort_count; i++) {
        size_t from = out->len;

        replica__key_add(out, replica__path_value(&q->sort[i].path, json, len, NULL));
        if (q->sort[i].descending)
            replica__key_invert(out, from);
    }
    replica__key_add_text(out, id, id_len);
}

/* ---- fields ---------------------------------------------------------------------- */

struct projection {
    const struct replica__query *q;
    struct replica__buf *out;
};

static void project(const struct projection *p, struct replica__json_value v, size_t level,
                    uint64_t paths);

/* The paths among these that go on with this name.  *ret_whole: one of them ends with it. */
static uint64_t following(const struct projection *p, struct replica__slice name, size_t level,
                          uint64_t paths, bool *ret_whole)
{
    uint64_t follow = 0;

    *ret_whole = false;
    for (size_t i = 0; i < p->q->field_count; i++) {
        const struct replica__path *path = &p->q->fields[i];

        if (!(paths & UINT64_C(1) << i) ||
            !replica__json_string_is(name, path->parts[level].data, path->parts[level].len))
            continue;
        follow |= UINT64_C(1) << i;
        *ret_whole = *ret_whole || path->n == level + 1;
    }
    return follow;
}

static bool is_container(struct replica__json_value v)
{
    return v.type == REPLICA_JSON_OBJECT || v.type == REPLICA_JSON_ARRAY;
}

static void add_name(struct replica__buf *out, struct replica__slice name)
{
    if (out->r == 0 && out->data[out->len - 1] != '{')
        replica__buf_char(out, ',');
    replica__buf_char(out, '"');
    replica__buf_add(out, name.data, name.len);
    replica__buf_add(out, "\":", 2);
}

/* key: a name that is always asked for; or NULL. */
static void project_object(const struct projection *p, struct replica__json_value v, size_t level,
                           uint64_t paths, const char *key)
{
    struct replica__json_iter it = replica__json_iter(v);

    replica__buf_char(p->out, '{');
    while (p->out->r == 0 && replica__json_next(&it)) {
        bool whole;
        uint64_t follow = following(p, it.name, level, paths, &whole);

        if (key && replica__json_string_is(it.name, key, REPLICA_NUL))
            whole = true;
        if (!whole && (!follow || !is_container(it.value)))
            continue;
        add_name(p->out, it.name);
        if (whole)
            replica__buf_add(p->out, it.value.text.data, it.value.text.len);
        else
            project(p, it.value, level + 1, follow);
    }
    replica__buf_char(p->out, '}');
}

/* Objects and arrays: of an array, what is asked of each of its elements. */
static void project(const struct projection *p, struct replica__json_value v, size_t level,
                    uint64_t paths)
{
    struct replica__json_iter it = replica__json_iter(v);
    bool first = true;

    if (v.type == REPLICA_JSON_OBJECT) {
        project_object(p, v, level, paths, NULL);
        return;
    }
    replica__buf_char(p->out, '[');
    while (p->out->r == 0 && replica__json_next(&it)) {
        if (!is_container(it.value))
            continue;
        if (!first)
            replica__buf_char(p->out, ',');
        first = false;
        project(p, it.value, level, paths);
    }
    replica__buf_char(p->out, ']');
}

void replica__query_project(const struct replica__query *q, const char *key, const char *json,
                            size_t len, struct replica__buf *out)
{
    const struct projection p = { q, out };

    if (q->field_count == 0)
        replica__buf_add(out, json, len);
    else
        project_object(&p, replica__json_value(json, len), 0, ~UINT64_C(0), key);
}
