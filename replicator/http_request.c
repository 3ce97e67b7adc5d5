/* Requests are copied as far as their answers need it, because the protocol's own live only until
 * the start returns. */
#include "replicator/http_request.h"

#include "base/alloc.h"

#include <string.h>

static const char *copy(struct replica__http_request *rq, const char *s)
{
    size_t start = rq->texts.len;

    replica__buf_add(&rq->texts, s, strlen(s) + 1);
    return rq->texts.r < 0 ? NULL : rq->texts.data + start;
}

/* All texts at once, so that none of them moves. */
static void reserve(struct replica__http_request *rq, const replica_remote_collection *collections,
                    size_t count, const replica_remote_row *rows, size_t row_count)
{
    size_t bytes = 1;

    for (size_t i = 0; i < count; i++)
        bytes += strlen(collections[i].name) + strlen(collections[i].key) + 2;
    for (size_t i = 0; i < row_count; i++)
        bytes += strlen(rows[i].id) + 1;
    replica__buf_reserve(&rq->texts, bytes);
}

static int copy_collections(struct replica__http_request *rq,
                            const replica_remote_collection *collections, size_t count)
{
    rq->collections = replica__alloc_zero(count, sizeof(*rq->collections));
    if (!rq->collections)
        return REPLICA_ENOMEM;
    for (size_t i = 0; i < count; i++) {
        rq->collections[i].name = copy(rq, collections[i].name);
        rq->collections[i].key = copy(rq, collections[i].key);
        rq->collections[i].version = collections[i].version;
    }
    rq->count = count;
    return rq->texts.r;
}

static int copy_rows(struct replica__http_request *rq, const replica_remote_row *rows, size_t count)
{
    rq->rows = replica__alloc_zero(count, sizeof(*rq->rows));
    if (!rq->rows)
        return REPLICA_ENOMEM;
    for (size_t i = 0; i < count; i++) {
        rq->rows[i].collection = rows[i].collection;
        rq->rows[i].id = copy(rq, rows[i].id);
    }
    rq->row_count = count;
    return rq->texts.r;
}

/* The collections as the server calls them; only the URL's own may have another name there. */
static replica_remote_collection *rename_collections(const struct replica__http_url *url,
                                                     const char *alias,
                                                     const replica_remote_collection *collections,
                                                     size_t count)
{
    replica_remote_collection *renamed = replica__alloc_zero(count, sizeof(*renamed));

    if (!renamed)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        renamed[i] = collections[i];
        if (strcmp(collections[i].name, alias ? alias : url->name) == 0) {
            renamed[i].name = url->name;
            if (collections[i].version == 0) /* of a collection without versions */
                renamed[i].version = url->version;
        }
    }
    return renamed;
}

int replica__http_request_hello(struct replica__http_request *rq,
                                const struct replica__http_url *url)
{
    rq->kind = REPLICA__HTTP_HELLO;
    rq->dialect = REPLICA__DIALECT_REPLICA;
    replica__buf_str(&rq->url, url->base);
    replica__buf_str(&rq->url, "/_replica/1/hello");
    return rq->url.r;
}

/* Documents by their keys: a question with a body. */
static void add_pull(struct replica__http_request *rq, enum replica__dialect dialect,
                     const replica_pull_request *asked, bool stream)
{
    if (asked->ids && !stream) {
        rq->id_count = asked->id_count;
        replica__buf_str(&rq->url, "/_replica/1/documents");
        replica__wire_documents_body(asked, &rq->body);
    } else {
        replica__wire_pull_path(dialect, asked, stream, &rq->url);
    }
}

int replica__http_request_pull(struct replica__http_request *rq, enum replica__dialect dialect,
                               const struct replica__http_url *url, const char *alias,
                               const replica_pull_request *pull, bool stream)
{
    REPLICA_FREE replica_remote_collection *renamed =
        rename_collections(url, alias, pull->collections, pull->count);
    replica_pull_request asked = *pull;
    int r;

    if (!renamed)
        return REPLICA_ENOMEM;
    asked.collections = renamed;
    rq->kind = stream ? REPLICA__HTTP_STREAM : REPLICA__HTTP_PULL;
    rq->dialect = dialect;
    rq->expected = pull->bytes;
    replica__buf_str(&rq->url, url->base);
    add_pull(rq, dialect, &asked, stream);
    reserve(rq, pull->collections, pull->count, NULL, 0);
    r = copy_collections(rq, pull->collections, pull->count);
    if (r < 0)
        return r;
    return rq->url.r < 0 ? rq->url.r : rq->body.r;
}

int replica__http_request_push(struct replica__http_request *rq, enum replica__dialect dialect,
                               const struct replica__http_url *url, const char *alias,
                               const replica_push_request *push)
{
    REPLICA_FREE replica_remote_collection *renamed =
        rename_collections(url, alias, push->collections, push->count);
    replica_push_request asked = *push;
    int r;

    if (!renamed)
        return REPLICA_ENOMEM;
    asked.collections = renamed;
    rq->kind = REPLICA__HTTP_PUSH;
    rq->dialect = dialect;
    replica__buf_str(&rq->url, url->base);
    replica__wire_push_path(dialect, &asked, &rq->url);
    replica__wire_push_body(dialect, &asked, &rq->body);
    rq->expected = (int64_t)rq->body.len;
    for (size_t i = 0; i < push->row_count; i++)
        rq->bundles = rq->bundles || push->rows[i].bundle;
    reserve(rq, push->collections, push->count, push->rows, push->row_count);
    r = copy_collections(rq, push->collections, push->count);
    if (r == 0)
        r = copy_rows(rq, push->rows, push->row_count);
    if (r < 0)
        return r;
    return rq->url.r < 0 ? rq->url.r : rq->body.r;
}

/* The value of a question, as the server calls it: "name/version" with the URL's own name and
 * version is what another one has here. */
static void add_named(const struct replica__http_url *url, const char *name,
                      struct replica__json_value v, struct replica__buf *out)
{
    size_t name_len = strlen(name), rest = 1 + name_len; /* from the slash to the quote */

    if (v.type != REPLICA_JSON_STRING || v.text.len < name_len + 4 || v.text.data[rest] != '/'
        || memcmp(v.text.data + 1, name, name_len) != 0) {
        replica__buf_add(out, v.text.data, v.text.len);
        return;
    }
    replica__buf_char(out, '"');
    replica__buf_str(out, url->name);
    if (v.text.len - rest == 3 && v.text.data[rest + 1] == '0')
        replica__buf_printf(out, "/%d\"", url->version);
    else
        replica__buf_add(out, v.text.data + rest, v.text.len - rest);
}

static void add_list(const struct replica__http_url *url, const char *name,
                     struct replica__json_value list, struct replica__buf *out)
{
    struct replica__json_iter it = replica__json_iter(list);
    const char *between = "[";

    while (replica__json_next(&it)) {
        replica__buf_str(out, between);
        add_named(url, name, it.value, out);
        between = ",";
    }
    replica__buf_str(out, *between == '[' ? "[]" : "]");
}

/* Its "collection" and "collections" are as the server calls them, too. */
static void add_question(const struct replica__http_url *url, const char *alias, const char *json,
                         size_t len, struct replica__buf *out)
{
    struct replica__json_value v = replica__json_value(json, len);
    const char *name = alias ? alias : url->name, *at = json;
    struct replica__json_iter it;

    if (v.type == REPLICA_JSON_OBJECT) {
        it = replica__json_iter(v);
        while (replica__json_next(&it)) {
            bool one = replica__json_string_is(it.name, "collection", 10);
            bool all = replica__json_string_is(it.name, "collections", 11)
                && it.value.type == REPLICA_JSON_ARRAY;

            if (!one && !all)
                continue;
            replica__buf_add(out, at, (size_t)(it.value.text.data - at));
            if (one)
                add_named(url, name, it.value, out);
            else
                add_list(url, name, it.value, out);
            at = it.value.text.data + it.value.text.len;
        }
    }
    replica__buf_add(out, at, (size_t)(json + len - at));
}

int replica__http_request_ask(struct replica__http_request *rq, const struct replica__http_url *url,
                              const char *alias, const char *what, const char *json, size_t len)
{
    rq->kind = REPLICA__HTTP_ASK;
    rq->dialect = REPLICA__DIALECT_REPLICA;
    replica__buf_str(&rq->url, url->base);
    replica__buf_str(&rq->url, "/_replica/1/");
    replica__buf_str(&rq->url, what);
    add_question(url, alias, json, len, &rq->body);
    return rq->url.r < 0 ? rq->url.r : rq->body.r;
}

void replica__http_request_free(struct replica__http_request *rq)
{
    replica__free(rq->collections);
    replica__free(rq->rows);
    replica__buf_free(&rq->url);
    replica__buf_free(&rq->body);
    replica__buf_free(&rq->texts);
    memset(rq, 0, sizeof(*rq));
}

replica_pull_request replica__http_request_as_pull(const struct replica__http_request *rq)
{
    return (replica_pull_request){ .collections = rq->collections, .count = rq->count,
                                   .id_count = rq->id_count };
}

replica_push_request replica__http_request_as_push(const struct replica__http_request *rq)
{
    return (replica_push_request){ rq->collections, rq->count, NULL, rq->rows, rq->row_count };
}
