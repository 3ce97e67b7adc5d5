/* The parts of a query besides its selector. */
#include "libreplica/query/query_parse.h"

#include "base/alloc.h"
#include "base/error.h"
#include "libreplica/query/selector.h"

#include <string.h>

struct parser {
    struct replica__query *q;
    const char *text;
    replica_error *err;
};

static int refuse(struct parser *p, const char *part, struct replica__slice at, const char *message)
{
    replica__error_at(p->err, REPLICA_EINVAL, at.data - p->text, "%s", message);
    replica__error_where(p->err, "%s", part);
    return REPLICA_EINVAL;
}

/* spelled: between its quotes. */
static int parse_path(struct parser *p, const char *part, struct replica__slice spelled,
                      struct replica__path *ret)
{
    REPLICA_BUF meant = REPLICA_BUF_INIT;
    replica_error inner = { 0 };
    int r;

    replica__json_unescape(spelled, &meant);
    if (meant.r < 0)
        return replica__enomem(p->err);
    r = replica__path_parse(meant.data ? meant.data : "", meant.len, ret, &inner);
    if (r == REPLICA_ENOMEM)
        return replica__enomem(p->err);
    return r < 0 ? refuse(p, part, spelled, inner.message) : 0;
}

static struct replica__slice between_quotes(struct replica__json_value v)
{
    return (struct replica__slice){ v.text.data + 1, v.text.len - 2 };
}

/* ---- sort ------------------------------------------------------------------------ */

static int parse_direction(struct parser *p, struct replica__json_value v, bool *ret_descending)
{
    int64_t n = 0;

    if (v.type == REPLICA_JSON_STRING) {
        *ret_descending = replica__json_string_is(between_quotes(v), "desc", REPLICA_NUL);
        if (*ret_descending || replica__json_string_is(between_quotes(v), "asc", REPLICA_NUL))
            return 0;
    } else if (replica__json_int(v, &n) && (n == 1 || n == -1)) {
        *ret_descending = n < 0;
        return 0;
    }
    return refuse(p, "sort", v.text, "a direction is \"asc\" or \"desc\", 1 or -1");
}

static int parse_sort(struct parser *p, struct replica__json_value v)
{
    struct replica__json_iter it = replica__json_iter(v);

    if (v.type != REPLICA_JSON_ARRAY)
        return refuse(p, "sort", v.text, "sort is an array: [{\"name\": \"asc\"}]");
    p->q->sort = replica__alloc_zero(replica__json_count(v), sizeof(*p->q->sort));
    if (!p->q->sort)
        return replica__enomem(p->err);
    while (replica__json_next(&it)) {
        struct replica__sort *sort = &p->q->sort[p->q->sort_count];
        struct replica__json_iter field = replica__json_iter(it.value);
        int r;

        if (it.value.type != REPLICA_JSON_OBJECT || replica__json_count(it.value) != 1)
            return refuse(p, "sort", it.value.text, "sort has one field in each object");
        replica__json_next(&field);
        r = parse_path(p, "sort", field.name, &sort->path);
        if (r < 0)
            return r;
        p->q->sort_count++;
        r = parse_direction(p, field.value, &sort->descending);
        if (r < 0)
            return r;
    }
    return 0;
}

/* ---- skip, limit, fields, index -------------------------------------------------- */

static int parse_number(struct parser *p, const char *part, struct replica__json_value v,
                        int64_t *ret)
{
    int64_t n;

    if (!replica__json_int(v, &n) || n < 0)
        return refuse(p, part, v.text, "skip and limit are integers from 0 on");
    *ret = n;
    return 0;
}

static int parse_fields(struct parser *p, struct replica__json_value v)
{
    struct replica__json_iter it = replica__json_iter(v);
    struct replica__query *q = p->q;

    if (v.type != REPLICA_JSON_ARRAY)
        return refuse(p, "fields", v.text, "fields is an array of paths");
    if (replica__json_count(v) > REPLICA__FIELDS_MAX)
        return refuse(p, "fields", v.text, "too many fields");
    q->fields = replica__alloc_zero(replica__json_count(v), sizeof(*q->fields));
    if (!q->fields)
        return replica__enomem(p->err);
    while (replica__json_next(&it)) {
        int r;

        if (it.value.type != REPLICA_JSON_STRING)
            return refuse(p, "fields", it.value.text, "fields is an array of paths");
        r = parse_path(p, "fields", between_quotes(it.value), &q->fields[q->field_count]);
        if (r < 0)
            return r;
        q->field_count++;
    }
    return 0;
}

static int add_hint(struct parser *p, struct replica__json_value v)
{
    REPLICA_BUF meant = REPLICA_BUF_INIT;
    char *text;

    if (v.type != REPLICA_JSON_STRING)
        return refuse(p, "index", v.text, "index is a name or an array of fields");
    replica__json_unescape(between_quotes(v), &meant);
    text = replica__buf_take(&meant, NULL);
    if (!text)
        return replica__enomem(p->err);
    p->q->hint[p->q->hint_count++] = text;
    return 0;
}

static int parse_index(struct parser *p, struct replica__json_value v)
{
    struct replica__json_iter it = replica__json_iter(v);
    int r = 0;

    p->q->hint = replica__alloc_zero(replica__json_count(v) + 1, sizeof(*p->q->hint));
    if (!p->q->hint)
        return replica__enomem(p->err);
    if (v.type != REPLICA_JSON_ARRAY)
        return add_hint(p, v);
    while (r == 0 && replica__json_next(&it))
        r = add_hint(p, it.value);
    return r;
}

/* ---- all of it ------------------------------------------------------------------- */

static bool is(struct replica__slice spelled, const char *name)
{
    return replica__json_string_is(spelled, name, REPLICA_NUL);
}

static int parse_part(struct parser *p, struct replica__slice name, struct replica__json_value v)
{
    int r;

    if (is(name, "selector")) {
        r = replica__selector_parse_part(p->text, v, &p->q->selector, p->err);
        if (r < 0)
            replica__error_where(p->err, "selector");
        return r;
    }
    if (is(name, "sort"))
        return parse_sort(p, v);
    if (is(name, "skip"))
        return parse_number(p, "skip", v, &p->q->skip);
    if (is(name, "limit"))
        return parse_number(p, "limit", v, &p->q->limit);
    if (is(name, "fields"))
        return parse_fields(p, v);
    if (is(name, "index"))
        return parse_index(p, v);
    replica__error_at(p->err, REPLICA_EINVAL, name.data - p->text,
                      "a query has no part '%.*s'", name.len < 100 ? (int)name.len : 100,
                      name.data);
    replica__error_where(p->err, "%.*s", name.len < 100 ? (int)name.len : 100, name.data);
    return REPLICA_EINVAL;
}

void replica__query_free(struct replica__query *q)
{
    if (!q)
        return;
    replica__selector_free(q->selector);
    for (size_t i = 0; i < q->sort_count; i++)
        replica__path_free(&q->sort[i].path);
    for (size_t i = 0; i < q->field_count; i++)
        replica__path_free(&q->fields[i]);
    for (size_t i = 0; i < q->hint_count; i++)
        replica__free(q->hint[i]);
    replica__free(q->sort);
    replica__free(q->fields);
    replica__free(q->hint);
    replica__free(q);
}

static void free_query(struct replica__query **q)
{
    replica__query_free(*q);
}

int replica__query_parse(const char *json, size_t len, struct replica__query **ret,
                         replica_error *err)
{
    __attribute__((cleanup(free_query))) struct replica__query *q = NULL;
    struct parser p = { .text = json, .err = err };
    struct replica__json_value v;
    struct replica__json_iter it;
    int r;

    if (len == REPLICA_NUL)
        len = strlen(json);
    r = replica__json_check(json, len, &replica__query_limits, err);
    if (r < 0)
        return r;
    v = replica__json_value(json, len);
    if (v.type != REPLICA_JSON_OBJECT)
        return replica__error_at(err, REPLICA_EINVAL, v.text.data - json, "a query is an object");
    p.q = q = replica__alloc_zero(1, sizeof(*q));
    if (!q)
        return replica__enomem(err);
    q->limit = -1;
    it = replica__json_iter(v);
    while (r == 0 && replica__json_next(&it))
        r = parse_part(&p, it.name, it.value);
    if (r < 0)
        return r;
    *ret = q;
    q = NULL;
    return 0;
}
