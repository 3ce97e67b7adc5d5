/* The answers to "digests" and "ids".  Nothing of them is believed: keys that do not grow would
 * lead the walk back, and round and round. */
#include "replicator/range_answer.h"

#include "base/alloc.h"
#include "base/error.h"

#include <string.h>

/* A server's own limits are far below. */
enum { MOST_CHUNKS = 100000, MOST_ITEMS = 150000 };

void replica__range_answer_free(struct replica__range_answer *answer)
{
    for (size_t i = 0; answer->chunks && i < answer->n; i++)
        replica__free(answer->chunks[i].to);
    for (size_t i = 0; answer->items && i < answer->n; i++)
        replica__free(answer->items[i].id);
    replica__free(answer->chunks);
    replica__free(answer->items);
    replica__free(answer->head);
    replica__free(answer->to);
    *answer = (struct replica__range_answer){ 0 };
}
#define ANSWER __attribute__((cleanup(replica__range_answer_free))) struct replica__range_answer

static int wrong(replica_error *err, const char *what)
{
    return replica__error_set(err, REPLICA_EHTTP, 200, "an answer about ranges %s", what);
}

/* A key: a string without U+0000 that is not empty. */
static int read_key(struct replica__json_value v, char **ret, replica_error *err)
{
    REPLICA_BUF text = REPLICA_BUF_INIT;

    if (v.type != REPLICA_JSON_STRING)
        return wrong(err, "with a key that is none");
    replica__json_unescape((struct replica__slice){ v.text.data + 1, v.text.len - 2 }, &text);
    if (text.r < 0)
        return replica__enomem(err);
    if (text.len == 0 || strlen(text.data) != text.len)
        return wrong(err, "with a key that is none");
    *ret = replica__strndup(text.data, text.len);
    return *ret ? 0 : replica__enomem(err);
}

static int read_head(struct replica__json_value whole, struct replica__range_answer *a,
                     replica_error *err)
{
    struct replica__json_value head;

    if (whole.type != REPLICA_JSON_OBJECT)
        return wrong(err, "that is no object");
    head = replica__json_member(whole, "head", 4);
    if (head.type != REPLICA_JSON_OBJECT)
        return wrong(err, "without a head");
    a->head = replica__strndup(head.text.data, head.text.len);
    return a->head ? 0 : replica__enomem(err);
}

/* The next element of an array of arrays: its first parts. */
static bool read_parts(struct replica__json_value v, struct replica__json_value *parts, int n)
{
    struct replica__json_iter it = replica__json_iter(v);
    int i = 0;

    while (v.type == REPLICA_JSON_ARRAY && i < n && replica__json_next(&it))
        parts[i++] = it.value;
    return i == n;
}

static int count_elements(struct replica__json_value list, size_t most, size_t *ret,
                          replica_error *err)
{
    struct replica__json_iter it = replica__json_iter(list);

    *ret = 0;
    if (list.type != REPLICA_JSON_ARRAY)
        return wrong(err, "without its list");
    while (replica__json_next(&it)) {
        if (++*ret > most)
            return replica__error_set(err, REPLICA_ELIMIT, 0, "an answer of more than %zu ranges",
                                      most);
    }
    return 0;
}

/* What both answers have: a head, and a list of some length. */
static int read_list(struct replica__json_value whole, const char *name, size_t most,
                     struct replica__range_answer *a, struct replica__json_value *ret,
                     size_t *ret_n, replica_error *err)
{
    int r = read_head(whole, a, err);

    *ret = replica__json_member(whole, name, strlen(name));
    return r < 0 ? r : count_elements(*ret, most, ret_n, err);
}

static int read_chunk(struct replica__json_value v, const char *after, struct replica__chunk *ret,
                      replica_error *err)
{
    struct replica__json_value parts[3];

    if (!read_parts(v, parts, 3) || !replica__json_int(parts[1], &ret->count) || ret->count < 0 ||
        parts[2].type != REPLICA_JSON_STRING || parts[2].text.len != sizeof ret->hex + 1)
        return wrong(err, "with a chunk that is none");
    memcpy(ret->hex, parts[2].text.data + 1, sizeof ret->hex - 1);
    if (parts[0].type != REPLICA_JSON_NULL) {
        int r = read_key(parts[0], &ret->to, err);

        if (r < 0)
            return r;
        if (after && strcmp(ret->to, after) <= 0)
            return wrong(err, "whose keys do not grow");
    }
    return 0;
}

int replica__range_read_digests(const char *json, size_t len, const char *after,
                                struct replica__range_answer *ret, replica_error *err)
{
    struct replica__json_value whole = replica__json_value(json, len), list;
    struct replica__json_iter it;
    ANSWER a = { 0 };
    size_t n = 0;
    int r = read_list(whole, "chunks", MOST_CHUNKS, &a, &list, &n, err);

    if (r >= 0 && n == 0)
        r = wrong(err, "that gets nowhere");
    if (r < 0)
        return r;
    a.chunks = replica__alloc_zero(n, sizeof *a.chunks);
    if (!a.chunks)
        return replica__enomem(err);
    it = replica__json_iter(list);
    while (r >= 0 && replica__json_next(&it)) {
        struct replica__chunk *chunk = &a.chunks[a.n++];

        r = read_chunk(it.value, after, chunk, err);
        after = chunk->to;
        if (r >= 0 && !after && a.n < n)
            r = wrong(err, "that goes on behind its end");
    }
    if (r < 0)
        return r;
    *ret = a;
    a = (struct replica__range_answer){ 0 };
    return 0;
}

/* How far the list goes: no further than was asked. */
static int read_to(struct replica__json_value to, const char *after, const char *upto, char **ret,
                   replica_error *err)
{
    int r;

    if (to.type != REPLICA_JSON_STRING) { /* all that was asked for */
        *ret = replica__strdup(upto);
        return upto && !*ret ? replica__enomem(err) : 0;
    }
    r = read_key(to, ret, err);
    if (r < 0)
        return r;
    if ((after && strcmp(*ret, after) <= 0) || (upto && strcmp(*ret, upto) > 0))
        return wrong(err, "whose keys do not grow");
    return 0;
}

static int read_item(struct replica__json_value v, const char *after, const char *to,
                     struct replica__item *ret, replica_error *err)
{
    struct replica__json_value parts[2];
    int r;

    if (!read_parts(v, parts, 2))
        return wrong(err, "with a document that is none");
    if (parts[1].type == REPLICA_JSON_STRING && parts[1].text.len == sizeof ret->hex + 1)
        memcpy(ret->hex, parts[1].text.data + 1, sizeof ret->hex - 1);
    else if (!replica__json_int(parts[1], &ret->sequence) || ret->sequence < 1)
        return wrong(err, "with a document that is none");
    r = read_key(parts[0], &ret->id, err);
    if (r < 0)
        return r;
    if ((after && strcmp(ret->id, after) <= 0) || (to && strcmp(ret->id, to) > 0))
        return wrong(err, "whose keys do not grow");
    return 0;
}

int replica__range_read_ids(const char *json, size_t len, const char *after, const char *upto,
                            struct replica__range_answer *ret, replica_error *err)
{
    struct replica__json_value whole = replica__json_value(json, len), list;
    struct replica__json_iter it;
    ANSWER a = { 0 };
    size_t n = 0;
    int r = read_list(whole, "ids", MOST_ITEMS, &a, &list, &n, err);

    if (r >= 0)
        r = read_to(replica__json_member(whole, "to", 2), after, upto, &a.to, err);
    if (r < 0)
        return r;
    a.items = replica__alloc_zero(n, sizeof *a.items);
    if (!a.items)
        return replica__enomem(err);
    it = replica__json_iter(list);
    while (r >= 0 && replica__json_next(&it)) {
        r = read_item(it.value, after, a.to, &a.items[a.n++], err);
        after = a.items[a.n - 1].id;
    }
    if (r < 0)
        return r;
    *ret = a;
    a = (struct replica__range_answer){ 0 };
    return 0;
}
