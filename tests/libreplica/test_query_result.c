/* The place of a document in a result, and what is shown of it. */
#include "libreplica/query/mango.h"
#include "tests/support/fault.h"
#include "tests/support/test.h"

#include <stdio.h>

static struct replica__query *parse(const char *text)
{
    struct replica__query *q = NULL;

    CHECK_RC(replica__query_parse(text, REPLICA_NUL, &q, &test_err), 0);
    return q;
}

/* ---- places ---------------------------------------------------------------------- */

static void check_order(const char *query, const char *const *docs, int n)
{
    struct replica__query *q = parse(query);
    REPLICA_BUF before = REPLICA_BUF_INIT;

    for (int i = 0; i < n; i++) {
        REPLICA_BUF place = REPLICA_BUF_INIT;
        char id[12];

        snprintf(id, sizeof(id), "%d", i);
        replica__query_place(q, docs[i], strlen(docs[i]), id, strlen(id), &place);
        CHECK_INT(place.r, 0);
        if (i > 0 &&
            memcmp(before.data, place.data, before.len < place.len ? before.len : place.len) >= 0)
            test_fail(__FILE__, __LINE__, "%s does not come before %s", docs[i - 1], docs[i]);
        replica__buf_clear(&before);
        replica__buf_add(&before, place.data, place.len);
    }
    replica__query_free(q);
}
#define CHECK_ORDER(query, docs) check_order(query, docs, (int)(sizeof(docs) / sizeof((docs)[0])))

TEST(without_a_sort_the_key_is_the_order)
{
    static const char *const docs[] = { "{\"a\":3}", "{\"a\":1}", "{\"a\":2}" };

    CHECK_ORDER("{}", docs);
}

TEST(places_are_in_the_order_of_the_sort_then_of_the_key)
{
    static const char *const up[] = {
        "{}",
        "{\"a\":{}}",
        "{\"a\":{\"b\":[]}}",
        "{\"a\":{\"b\":null}}",
        "{\"a\":{\"b\":1}}",
        "{\"a\":{\"b\":1.0}}",
        "{\"a\":{\"b\":[5,1]}}",
        "{\"a\":{\"b\":2}}",
        "{\"a\":{\"b\":\"1\"}}",
        "{\"a\":{\"b\":{}}}",
        "{\"a\":{\"b\":false}}",
    };
    static const char *const down[] = {
        "{\"a\":true}", "{\"a\":\"b\"}", "{\"a\":\"ab\"}", "{\"a\":\"a\"}", "{\"a\":\"\"}",
        "{\"a\":2}",    "{\"a\":2}",     "{\"a\":-1}",     "{\"a\":null}",  "{}"
    };
    static const char *const both[] = { "{\"a\":1,\"b\":2}", "{\"a\":1,\"b\":2}",
                                        "{\"a\":1,\"b\":1}", "{\"a\":2,\"b\":5}" };

    CHECK_ORDER("{\"sort\":[{\"a.b\":\"asc\"}]}", up);
    CHECK_ORDER("{\"sort\":[{\"a\":\"desc\"}]}", down);
    CHECK_ORDER("{\"sort\":[{\"a\":\"asc\"},{\"b\":\"desc\"}]}", both);
}

/* As RxDB reads the value to sort by: arrays on the way are not entered by a name. */
TEST(a_sort_enters_arrays_by_numbers_only)
{
    static const char *const docs[] = { "{\"a\":[{\"b\":1}]}", "{\"a\":{\"b\":0}}" };
    static const char *const numbered[] = { "{\"a\":[1,9]}", "{\"a\":[2,0]}" };

    CHECK_ORDER("{\"sort\":[{\"a.b\":\"asc\"}]}", docs);
    CHECK_ORDER("{\"sort\":[{\"a.0\":\"asc\"}]}", numbered);
}

TEST(a_failed_allocation_fails_the_place)
{
    struct replica__query *q = parse("{\"sort\":[{\"a\":\"asc\"}]}");
    const char *doc = "{\"a\":[{\"b\":1},2]}";

    for (int nth = 0, failed = 1; failed; nth++) {
        REPLICA_BUF place = REPLICA_BUF_INIT;

        fault_alloc(nth);
        replica__query_place(q, doc, strlen(doc), "x", 1, &place);
        failed = fault_stop();
        CHECK_INT(place.r, failed ? REPLICA_ENOMEM : 0);
    }
    replica__query_free(q);
}

/* ---- fields ---------------------------------------------------------------------- */

static const char doc[] =
    "{ \"id\" : \"x\", \"n\":1e2 , \"o\":{\"a\":[1, 2],\"b\":{\"c\":null}},"
    "\"l\":[{\"a\":1,\"b\":2},3,{\"c\":4},[{\"a\":5}]], \"\\u0070\":\"\\u0041\"}";

TEST(only_the_fields_that_were_asked_for_are_shown_byte_for_byte)
{
    static const char *const cases[][2] = {
        { "[]", doc },
        { "[\"n\"]", "{\"id\":\"x\",\"n\":1e2}" },
        { "[\"nothing\"]", "{\"id\":\"x\"}" },
        { "[\"p\",\"id\"]", "{\"id\":\"x\",\"\\u0070\":\"\\u0041\"}" },
        { "[\"o.a\"]", "{\"id\":\"x\",\"o\":{\"a\":[1, 2]}}" },
        { "[\"o.b.c\",\"o.a\"]", "{\"id\":\"x\",\"o\":{\"a\":[1, 2],\"b\":{\"c\":null}}}" },
        { "[\"o.b\",\"o.b.c\"]", "{\"id\":\"x\",\"o\":{\"b\":{\"c\":null}}}" },
        { "[\"o.x\"]", "{\"id\":\"x\",\"o\":{}}" },
        { "[\"n.x\"]", "{\"id\":\"x\"}" },
        { "[\"l.a\"]", "{\"id\":\"x\",\"l\":[{\"a\":1},{},[{\"a\":5}]]}" },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        REPLICA_BUF text = REPLICA_BUF_INIT;
        REPLICA_BUF shown = REPLICA_BUF_INIT;
        struct replica__query *q;

        replica__buf_printf(&text, "{\"fields\":%s}", cases[i][0]);
        q = parse(text.data);
        replica__query_project(q, "id", doc, strlen(doc), &shown);
        CHECK_STR(shown.data, cases[i][1]);
        replica__query_free(q);
    }
}

TEST(a_failed_allocation_fails_what_is_shown)
{
    struct replica__query *q = parse("{\"fields\":[\"o\",\"l.a\"]}");

    for (int nth = 0, failed = 1; failed; nth++) {
        REPLICA_BUF shown = REPLICA_BUF_INIT;

        fault_alloc(nth);
        replica__query_project(q, "id", doc, strlen(doc), &shown);
        failed = fault_stop();
        CHECK_INT(shown.r, failed ? REPLICA_ENOMEM : 0);
    }
    replica__query_free(q);
}
