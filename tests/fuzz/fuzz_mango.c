/* Queries against arbitrary bytes: a query and a document with a 0x1E byte between them.
 *
 * Whatever is understood must match without harm, and what conditions promise must hold; whatever
 * is not must be refused with a place inside the text. */
#include "libreplica/query/mango.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define MUST(condition)   \
    do {                  \
        if (!(condition)) \
            abort();      \
    } while (0)

static bool lies_in(const struct replica__buf *key, const struct replica__range_of_keys *r,
                    size_t n)
{
    for (size_t i = 0; i < n; i++) {
        size_t low = r[i].low_len < key->len ? r[i].low_len : key->len;
        size_t high = r[i].high_len < key->len ? r[i].high_len : key->len;
        int above = memcmp(key->data, r[i].low, low);
        int below = memcmp(key->data, r[i].high, high);

        if ((above > 0 || (above == 0 && key->len >= r[i].low_len)) &&
            (below < 0 || (below == 0 && key->len < r[i].high_len)))
            return true;
    }
    return false;
}

struct look {
    const struct replica__condition *condition;
    bool within;
};

static int look_at(void *ctx, struct replica__json_value v)
{
    struct look *look = ctx;
    REPLICA_BUF key = REPLICA_BUF_INIT;

    replica__key_add(&key, v);
    MUST(key.r == 0 && key.len >= 2);
    look->within = look->within || lies_in(&key, look->condition->ranges, look->condition->n);
    return 0;
}

static void check_match(const struct replica__selector *s, const char *doc, size_t len)
{
    const struct replica__condition *conditions = NULL;
    size_t n = replica__selector_conditions(s, &conditions);

    for (size_t i = 0; i < n; i++) {
        struct look look = { .condition = &conditions[i] };
        REPLICA_BUF key = REPLICA_BUF_INIT;
        struct replica__path path;
        bool array;

        MUST(replica__path_parse(conditions[i].path, REPLICA_NUL, &path, NULL) == 0);
        MUST(replica__path_each(&path, doc, len, look_at, &look) == 0);
        MUST(look.within);
        replica__key_add(&key, replica__path_value(&path, doc, len, &array));
        MUST(array || lies_in(&key, conditions[i].narrow, conditions[i].narrow_n));
        replica__path_free(&path);
    }
}

static void ask(const struct replica__query *q, const char *doc, size_t len)
{
    int r = replica__selector_match(q->selector, doc, len);
    REPLICA_BUF place = REPLICA_BUF_INIT;
    REPLICA_BUF shown = REPLICA_BUF_INIT;

    MUST(r == 0 || r == 1 || r == REPLICA_ELIMIT);
    if (r == 1)
        check_match(q->selector, doc, len);
    replica__query_place(q, doc, len, "id", 2, &place);
    MUST(place.r == 0);
    replica__query_project(q, "id", doc, len, &shown);
    MUST(shown.r == 0 && replica__json_check(shown.data, shown.len, NULL, NULL) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    const char *text = (const char *)data;
    const char *cut = len ? memchr(text, 0x1E, len) : NULL;
    size_t query_len = cut ? (size_t)(cut - text) : len;
    const char *doc = cut ? cut + 1 : "{\"id\":\"x\"}";
    size_t doc_len = cut ? len - query_len - 1 : strlen(doc);
    struct replica__query *q = NULL;
    replica_error err = { 0 };
    int r = replica__query_parse(text, query_len, &q, &err);

    MUST(r == 0 || r == REPLICA_EINVAL || r == REPLICA_EJSON || r == REPLICA_ELIMIT ||
         r == REPLICA_ENOTSUP);
    MUST((r == 0) == (q != NULL));
    MUST(r == 0 || (err.code == r && err.message[0] && err.offset >= 0));
    MUST(r == 0 || (size_t)err.offset <= query_len);
    if (r == 0 && replica__json_check(doc, doc_len, NULL, NULL) == 0 &&
        replica__json_value(doc, doc_len).type == REPLICA_JSON_OBJECT)
        ask(q, doc, doc_len);
    replica__query_free(q);
    return 0;
}
