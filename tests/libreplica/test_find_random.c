/* Random documents, random indexes, random queries: whatever the plan is, the answer is that of
 * looking at every document and sorting, order included; and the indexes are sound. */
#include "libreplica/query/find.h"
#include "libreplica/txn.h"
#include "tests/libreplica/random_json.h"
#include "tests/support/store.h"
#include "tests/support/test.h"

#include <stdio.h>
#include <stdlib.h>

#define ROUNDS 60
#define QUERIES 120
#define DOCS 90
#define MAX_ANSWER (64 * 1024)

static const char *const paths[] = { "a", "b", "c", "a.b", "a.0", "d", "id", "a.b.c" };

static const char *path(uint64_t *dice)
{
    return paths[random_below(dice, sizeof paths / sizeof paths[0])];
}

/* ---- what is asked --------------------------------------------------------------- */

static void add_test(uint64_t *dice, struct replica__buf *out)
{
    static const char *const orders[] = { "$gt", "$gte", "$lt", "$lte" };

    switch (random_below(dice, 9)) {
    case 0:
    case 1:
        random_value(dice, 1, out);
        return;
    case 2:
        replica__buf_str(out, "{\"$in\":[");
        for (size_t i = 0, n = random_below(dice, 4); i < n; i++) {
            replica__buf_str(out, i ? "," : "");
            random_value(dice, 1, out);
        }
        replica__buf_str(out, "]}");
        return;
    case 3:
        replica__buf_printf(out, "{\"$exists\":%s}", random_below(dice, 2) ? "true" : "false");
        return;
    case 4:
        replica__buf_str(out, "{\"$regex\":\"^a\"}");
        return;
    case 5:
        replica__buf_str(out, "{\"$ne\":");
        random_scalar(dice, out);
        replica__buf_char(out, '}');
        return;
    case 6:
        replica__buf_printf(out, "{\"%s\":", orders[random_below(dice, 2)]);
        random_scalar(dice, out);
        replica__buf_printf(out, ",\"%s\":", orders[2 + random_below(dice, 2)]);
        random_scalar(dice, out);
        replica__buf_char(out, '}');
        return;
    default:
        replica__buf_printf(out, "{\"%s\":", orders[random_below(dice, 4)]);
        random_scalar(dice, out);
        replica__buf_char(out, '}');
        return;
    }
}

static void add_selector(uint64_t *dice, struct replica__buf *out)
{
    const char *seen[3] = { "", "", "" };
    size_t n = random_below(dice, 4);

    replica__buf_char(out, '{');
    for (size_t i = 0, at = 0; i < n; i++) {
        const char *p = path(dice);

        if (p == seen[0] || p == seen[1] || p == seen[2])
            continue;
        seen[i] = p;
        replica__buf_printf(out, "%s\"%s\":", at++ ? "," : "", p);
        if (strcmp(p, "id") == 0 && random_below(dice, 2))
            replica__buf_printf(out, "{\"%s\":\"k%d\"}", random_below(dice, 2) ? "$gt" : "$lte",
                                (int)random_below(dice, 99));
        else
            add_test(dice, out);
    }
    replica__buf_char(out, '}');
}

static void add_query(uint64_t *dice, struct replica__buf *out)
{
    const char *seen[2] = { "", "" };

    replica__buf_clear(out);
    replica__buf_str(out, "{\"selector\":");
    add_selector(dice, out);
    replica__buf_str(out, ",\"sort\":[");
    for (size_t i = 0, n = random_below(dice, 3), down = random_below(dice, 3); i < n; i++) {
        const char *p = path(dice);

        if (p == seen[0] || p == seen[1])
            continue;
        seen[i] = p;
        replica__buf_printf(out, "%s{\"%s\":\"%s\"}", out->data[out->len - 1] == '[' ? "" : ",", p,
                            down == 0 || (down == 2 && i) ? "desc" : "asc");
    }
    replica__buf_char(out, ']');
    if (random_below(dice, 3) == 0)
        replica__buf_printf(out, ",\"skip\":%d", (int)random_below(dice, 9));
    if (random_below(dice, 3) == 0)
        replica__buf_printf(out, ",\"limit\":%d", (int)random_below(dice, 20));
    replica__buf_char(out, '}');
}

/* ---- the plain answer ------------------------------------------------------------ */

struct match {
    char *place;
    size_t len;
    char *id;
};

static int by_place(const void *a, const void *b)
{
    const struct match *x = a, *y = b;
    int order = memcmp(x->place, y->place, x->len < y->len ? x->len : y->len);

    return order ? order : (x->len > y->len) - (x->len < y->len);
}

static int64_t answer_plainly(struct store *s, const char *query, struct replica__buf *out)
{
    struct match found[2 * DOCS];
    struct replica__query *q = NULL;
    replica_cursor *all = NULL;
    replica_doc *doc;
    int64_t given = 0;
    size_t n = 0;

    CHECK_RC(replica__query_parse(query, strlen(query), &q, &test_err), 0);
    CHECK_RC(replica_all(s->coll, NULL, &all, &test_err), 0);
    while (replica_cursor_next(all, &doc, &test_err) > 0) {
        struct replica__buf place = REPLICA_BUF_INIT;
        size_t len;
        const char *json = replica_doc_json(doc, &len);

        if (replica__selector_match(q->selector, json, len) != 1)
            continue;
        CHECK(n < 2 * DOCS);
        replica__query_place(q, json, len, replica_doc_id(doc), strlen(replica_doc_id(doc)),
                             &place);
        found[n].len = place.len;
        found[n].place = place.data;
        found[n++].id = replica__strdup(replica_doc_id(doc));
    }
    replica_cursor_close(all);
    qsort(found, n, sizeof found[0], by_place);
    for (size_t i = 0; i < n; i++) {
        if ((int64_t)i >= q->skip && (q->limit < 0 || given < q->limit)) {
            replica__buf_printf(out, "%s ", found[i].id);
            given++;
        }
        replica__free(found[i].place);
        replica__free(found[i].id);
    }
    replica__query_free(q);
    return given;
}

static void answer(struct store *s, const char *query, struct replica__buf *out)
{
    replica_cursor *cursor = NULL;
    replica_doc *doc;
    int r;

    CHECK_RC(replica_find(s->coll, query, REPLICA_NUL, &cursor, &test_err), 0);
    while ((r = replica_cursor_next(cursor, &doc, &test_err)) > 0)
        replica__buf_printf(out, "%s ", replica_doc_id(doc));
    CHECK_RC(r, 0);
    replica_cursor_close(cursor);
}

static void compare(struct store *s, const char *query, unsigned *ret_used)
{
    REPLICA_BUF plain = REPLICA_BUF_INIT;
    REPLICA_BUF planned = REPLICA_BUF_INIT;
    replica_plan plan;
    int64_t given = answer_plainly(s, query, &plain), count;

    answer(s, query, &planned);
    CHECK_RC(replica_explain(s->coll, query, REPLICA_NUL, &plan, &test_err), 0);
    if (plain.len != planned.len ||
        (plain.len && memcmp(plain.data, planned.data, plain.len) != 0))
        test_fail(__FILE__, __LINE__, "%s\n  by %s\n  is   %s\n  not  %s", query, plan.text,
                  planned.data ? planned.data : "", plain.data ? plain.data : "");
    CHECK_RC(replica_count(s->coll, query, REPLICA_NUL, &count, &test_err), 0);
    if (count != given)
        test_fail(__FILE__, __LINE__, "%s\n  by %s\n  counts %d, not %d", query, plan.text,
                  (int)count, (int)given);
    *ret_used += plan.index[0] != '\0';
}

/* ---- what is there --------------------------------------------------------------- */

static void put_random(struct store *s, uint64_t *dice, bool arrays)
{
    static const char *const ids[] = { "k\xEF\xBF\xBD", "k\xF0\x9F\x98\x80", "\xC3\xA9",
                                       "k1\\u0001" };
    REPLICA_BUF text = REPLICA_BUF_INIT;
    static const char *const names[] = { "a", "b", "c", "d" };

    if (random_below(dice, 30) == 0)
        replica__buf_printf(&text, "{\"id\":\"%s\"", ids[random_below(dice, 4)]);
    else
        replica__buf_printf(&text, "{\"id\":\"k%d\"", (int)random_below(dice, DOCS));
    for (size_t i = 0; i < 4; i++) {
        if (random_below(dice, 4) == 0)
            continue;
        replica__buf_printf(&text, ",\"%s\":", names[i]);
        if (arrays)
            random_value(dice, 2, &text);
        else
            random_scalar(dice, &text);
    }
    replica__buf_char(&text, '}');
    CHECK_RC(text.r, 0);
    store_put(s, text.data);
}

static void create_random(struct store *s, uint64_t *dice, int number)
{
    const char *fields[3];
    char name[20];
    replica_index_options o = REPLICA_INDEX_OPTIONS_INIT;

    snprintf(name, sizeof name, "i%d", number);
    o.name = name;
    o.fields = fields;
    for (size_t n = 1 + random_below(dice, 3); o.n < n;) {
        bool twice = false;

        fields[o.n] = path(dice);
        for (size_t i = 0; i < o.n; i++)
            twice = twice || fields[i] == fields[o.n];
        o.n += !twice;
    }
    if (random_below(dice, 4) == 0)
        o.where = random_below(dice, 2) ? "{\"b\":{\"$exists\":true}}" : "{\"c\":{\"$gt\":0}}";
    CHECK_RC(replica_index_create(s->coll, &o, &test_err), 1);
    CHECK_RC(replica_index_wait(s->coll, &test_err), 0);
}

static void play(uint64_t seed, unsigned *ret_used)
{
    STORE s = store_memory();
    uint64_t dice = seed;
    bool arrays = seed % 2;
    REPLICA_BUF query = REPLICA_BUF_INIT;

    for (int i = 0; i < DOCS; i++)
        put_random(&s, &dice, arrays);
    for (int i = 0; i < 5; i++)
        create_random(&s, &dice, i);
    for (int i = 0; i < DOCS; i++) { /* changes, and deletions, that the indexes follow */
        char id[10];

        put_random(&s, &dice, arrays);
        snprintf(id, sizeof id, "k%d", (int)random_below(&dice, DOCS));
        if (random_below(&dice, 4) == 0)
            CHECK(replica_delete(s.coll, id, REPLICA_ANY_REV, NULL, &test_err) >= 0);
    }
    store_sound(&s);
    for (int i = 0; i < QUERIES; i++) {
        add_query(&dice, &query);
        compare(&s, query.data, ret_used);
    }
}

LONG_TEST(the_answer_is_the_same_whatever_the_plan_is)
{
    unsigned used = 0;

    for (uint64_t seed = 1; seed <= ROUNDS; seed++)
        play(seed, &used);
    CHECK(used > ROUNDS * QUERIES / 5); /* indexes were worth it */
}
