#include "libreplica/index/keys.h"

#include "base/alloc.h"
#include "base/error.h"
#include "libreplica/index/index.h"
#include "libreplica/query/path.h"

#include <stdlib.h>
#include <string.h>

/* Combinations of a document's values in one index, of more than one field. */
#define MAX 1000

static bool grow(struct replica__index_key **keys, size_t n, size_t *room)
{
    size_t wanted = *room ? *room * 2 : 16;
    struct replica__index_key *grown;

    if (n < *room)
        return true;
    grown = replica__realloc(*keys, wanted, sizeof *grown);
    if (!grown)
        return false;
    *keys = grown;
    *room = wanted;
    return true;
}

/* ---- one value for each field ---------------------------------------------------- */

/* 1: done; 0: there is an array, so start over. */
static int add_plain(const struct replica__index *index, const char *json, size_t len,
                     struct replica__index_keys *ret)
{
    for (size_t i = 0; i < index->n; i++) {
        bool array = false;
        struct replica__json_value v = replica__path_value(&index->fields[i], json, len, &array);

        if (array)
            return 0;
        if (v.type == REPLICA_JSON_NONE)
            ret->whole = false;
        replica__key_add(&ret->bytes, v);
    }
    return 1;
}

/* ---- arrays ---------------------------------------------------------------------- */

static int add_value(void *ctx, struct replica__json_value v)
{
    struct replica__index_keys *ret = ctx;
    size_t at = ret->values.len;

    if (!grow(&ret->value, ret->value_count, &ret->value_room))
        return REPLICA_ENOMEM;
    replica__key_add(&ret->values, v);
    ret->value[ret->value_count++] =
        (struct replica__index_key){ .at = at, .len = ret->values.len - at };
    return ret->values.r;
}

static int by_bytes(const void *a, const void *b)
{
    const struct replica__index_key *x = a, *y = b;

    return replica__key_order(x->bytes, x->len, y->bytes, y->len);
}

static size_t sort_once(struct replica__index_key *keys, size_t n, const char *data)
{
    size_t kept = 0;

    for (size_t i = 0; i < n; i++)
        keys[i].bytes = data + keys[i].at;
    if (n > 1)
        qsort(keys, n, sizeof *keys, by_bytes);
    for (size_t i = 0; i < n; i++) {
        if (i == 0 || by_bytes(&keys[i], &keys[kept - 1]) != 0)
            keys[kept++] = keys[i];
    }
    return kept;
}

#define MAX_FIELDS REPLICA__INDEX_FIELDS

struct part {
    size_t first, n, now; /* values */
};

/* Is anything at the path?  With arrays on the way, the values may be one that the way made. */
static bool is_there(const struct replica__path *path, const char *json, size_t len,
                     const struct part *part, const struct replica__index_keys *ret)
{
    const struct replica__index_key *v = &ret->value[part->first];

    if (part->n == 1 && (unsigned char)ret->values.data[v->at] ==
                            replica__key_class(REPLICA_JSON_NONE))
        return false;
    return path->n == 1 || replica__path_is_number(path->parts[path->n - 1]) ||
           replica__path_exists(path, 0, replica__json_value(json, len));
}

static int collect(const struct replica__index *index, const char *json, size_t len,
                   struct part *parts, struct replica__index_keys *ret)
{
    ret->value_count = 0;
    replica__buf_clear(&ret->values);
    for (size_t i = 0; i < index->n; i++) {
        struct replica__json_value none = { .type = REPLICA_JSON_NONE };
        bool array = false;
        struct replica__json_value v = replica__path_value(&index->fields[i], json, len, &array);
        int r;

        parts[i] = (struct part){ .first = ret->value_count };
        r = array ? replica__path_each(&index->fields[i], json, len, add_value, ret)
                  : add_value(ret, v);
        /* The field itself sorts, and is found, as it is: also where a query compares nothing. */
        if (r >= 0 && ret->value_count == parts[i].first)
            r = add_value(ret, none);
        if (r < 0)
            return r;
        parts[i].n = sort_once(ret->value + parts[i].first, ret->value_count - parts[i].first,
                               ret->values.data);
        ret->value_count = parts[i].first + parts[i].n;
        if (!is_there(&index->fields[i], json, len, &parts[i], ret))
            ret->whole = false;
    }
    return 0;
}

/* So many that the index would be larger than the documents: only the first field varies. */
static void bound(struct part *parts, size_t n, struct replica__index_keys *ret)
{
    size_t total = 1;

    for (size_t i = 0; i < n && total <= MAX; i++)
        total *= parts[i].n < MAX ? parts[i].n : MAX + 1;
    if (n == 1 || total <= MAX)
        return;
    ret->wide = true;
    for (size_t i = 1; i < n; i++)
        parts[i].n = 1;
}

static int add_key(struct replica__index_keys *ret, size_t at)
{
    if (ret->bytes.r < 0)
        return ret->bytes.r;
    if (!grow(&ret->keys, ret->n, &ret->room))
        return REPLICA_ENOMEM;
    ret->keys[ret->n++] = (struct replica__index_key){ .at = at, .len = ret->bytes.len - at };
    return 0;
}

static int combine(struct part *parts, size_t n, const struct replica__buf *id,
                   struct replica__index_keys *ret)
{
    size_t turn = 0;
    int r = 0;

    while (r >= 0 && turn < n) {
        size_t at = ret->bytes.len;

        for (size_t i = 0; i < n; i++) {
            const struct replica__index_key *v = &ret->value[parts[i].first + parts[i].now];

            replica__buf_add(&ret->bytes, ret->values.data + v->at, v->len);
        }
        replica__buf_add(&ret->bytes, id->data, id->len);
        r = add_key(ret, at);
        for (turn = 0; turn < n && ++parts[turn].now == parts[turn].n; turn++)
            parts[turn].now = 0;
    }
    return r;
}

static int add_arrays(const struct replica__index *index, const char *json, size_t len,
                      const char *id, size_t id_len, struct replica__index_keys *ret)
{
    REPLICA_BUF id_key = REPLICA_BUF_INIT;
    struct part parts[MAX_FIELDS];
    int r = collect(index, json, len, parts, ret);

    if (r < 0)
        return r;
    replica__key_add_text(&id_key, id, id_len);
    if (id_key.r < 0)
        return id_key.r;
    ret->id_len = id_key.len;
    ret->multikey = true;
    bound(parts, index->n, ret);
    r = combine(parts, index->n, &id_key, ret);
    if (r >= 0)
        ret->n = sort_once(ret->keys, ret->n, ret->bytes.data);
    return r;
}

/* ---- all of it ------------------------------------------------------------------- */

int replica__index_keys(const struct replica__index *index, const char *json, size_t len,
                        const char *id, size_t id_len, struct replica__index_keys *ret,
                        replica_error *err)
{
    int r = index->partial ? replica__selector_match(index->partial, json, len) : 1;

    if (r == REPLICA_ELIMIT) /* a query would not find it either */
        return 0;
    if (r <= 0)
        return r < 0 ? replica__enomem(err) : 0;
    replica__buf_clear(&ret->bytes);
    ret->n = 0;
    ret->multikey = ret->wide = false;
    ret->whole = true;
    if (add_plain(index, json, len, ret)) {
        size_t at = ret->bytes.len;

        replica__key_add_text(&ret->bytes, id, id_len);
        ret->id_len = ret->bytes.len - at;
        r = add_key(ret, 0);
    } else {
        replica__buf_clear(&ret->bytes);
        ret->whole = true;
        r = add_arrays(index, json, len, id, id_len, ret);
    }
    return r < 0 ? replica__enomem(err) : 1;
}

void replica__index_keys_free(struct replica__index_keys *keys)
{
    replica__buf_free(&keys->bytes);
    replica__buf_free(&keys->values);
    replica__free(keys->keys);
    replica__free(keys->value);
    memset(keys, 0, sizeof *keys);
}

void replica__key_behind(const char *key, size_t len, struct replica__buf *out)
{
    replica__buf_clear(out);
    while (len > 0 && (unsigned char)key[len - 1] == 0xff)
        len--;
    if (len == 0)
        return;
    replica__buf_add(out, key, len);
    if (out->r >= 0)
        out->data[len - 1]++;
}
