/* Which plan a query gets: a table of queries, and what is said about each. */
#include "libreplica/query/plan.h"
#include "tests/support/store.h"
#include "tests/support/test.h"

static void index_on(struct store *s, const char *name, const char *first, const char *second,
                     const char *where)
{
    const char *fields[] = { first, second };
    replica_index_options o = REPLICA_INDEX_OPTIONS_INIT;

    o.name = name;
    o.fields = fields;
    o.n = second ? 2 : 1;
    o.where = where;
    CHECK_RC(replica_index_create(s->coll, &o, &test_err), 1);
    CHECK_RC(replica_index_wait(s->coll, &test_err), 0);
}

static void with_indexes(struct store *s)
{
    index_on(s, "country,name", "country", "name", NULL);
    index_on(s, "name", "name", NULL, NULL);
    index_on(s, "visits", "visits", NULL, NULL);
    index_on(s, "tags", "tags", NULL, NULL);
    index_on(s, "open", "due", NULL, "{\"open\":true,\"level\":{\"$gt\":3}}");
    store_put(s, "{\"id\":\"a\",\"tags\":[\"x\",\"y\"]}");
}

TEST(each_query_gets_the_plan_of_the_table)
{
    static const struct {
        const char *query, *index;
        int full_scan, sorts, exact;
    } table[] = {
        { "{}", "", 0, 0, 1 },
        { "{\"sort\":[{\"id\":\"desc\"}]}", "", 0, 0, 1 },
        { "{\"selector\":{\"id\":\"a\"}}", "", 0, 0, 0 },
        { "{\"selector\":{\"id\":{\"$gt\":\"a\"}}}", "", 0, 0, 0 },
        { "{\"selector\":{\"none\":1}}", "", 1, 0, 0 },
        { "{\"selector\":{\"none\":1},\"sort\":[{\"other\":\"asc\"}]}", "", 1, 1, 0 },
        /* what the index gives in order */
        { "{\"selector\":{\"country\":\"DE\"},\"sort\":[{\"name\":\"asc\"}],\"limit\":9}",
          "country,name", 0, 0, 1 },
        { "{\"selector\":{\"country\":\"DE\"},\"sort\":[{\"name\":\"desc\"}]}", "country,name", 0,
          0, 1 },
        { "{\"selector\":{\"country\":\"DE\"},\"sort\":[{\"country\":\"asc\"},{\"name\":\"asc\"}]}",
          "country,name", 0, 0, 1 },
        { "{\"sort\":[{\"country\":\"asc\"},{\"name\":\"asc\"},{\"id\":\"asc\"}]}", "country,name",
          0, 0, 1 },
        { "{\"sort\":[{\"name\":\"asc\"}]}", "name", 0, 0, 1 },
        { "{\"selector\":{\"country\":\"DE\",\"name\":\"x\"}}", "country,name", 0, 0, 1 },
        /* what it does not */
        { "{\"selector\":{\"country\":\"DE\"}}", "country,name", 0, 1, 1 },
        { "{\"selector\":{\"country\":\"DE\"},\"sort\":[{\"visits\":\"asc\"}]}", "country,name", 0,
          1, 1 },
        { "{\"selector\":{\"country\":{\"$in\":[\"DE\",\"AT\"]}},\"sort\":[{\"name\":\"asc\"}]}",
          "country,name", 0, 1, 1 },
        { "{\"sort\":[{\"country\":\"asc\"},{\"name\":\"desc\"}]}", "", 0, 1, 1 },
        { "{\"sort\":[{\"name\":\"desc\"},{\"id\":\"desc\"}]}", "", 0, 1, 1 },
        /* documents must be asked for what the index cannot tell */
        { "{\"selector\":{\"country\":\"DE\",\"name\":{\"$regex\":\"x\"}}}", "country,name", 0, 1,
          0 },
        { "{\"selector\":{\"country\":\"DE\",\"visits\":{\"$ne\":3}}}", "country,name", 0, 1, 0 },
        { "{\"selector\":{\"tags\":\"x\"}}", "tags", 0, 1, 0 },
        /* ranges: both sides before an order, an order with a limit before one side */
        { "{\"selector\":{\"visits\":{\"$gt\":1}}}", "visits", 0, 1, 1 },
        { "{\"selector\":{\"visits\":{\"$gt\":1,\"$lt\":9}},\"sort\":[{\"name\":\"asc\"}],"
          "\"limit\":5}",
          "visits", 0, 1, 1 },
        { "{\"selector\":{\"visits\":{\"$gt\":1}},\"sort\":[{\"name\":\"asc\"}],\"limit\":5}",
          "name", 1, 0, 0 },
        { "{\"selector\":{\"visits\":{\"$gt\":1}},\"sort\":[{\"visits\":\"desc\"}]}", "visits", 0,
          0, 1 },
        { "{\"selector\":{\"visits\":{\"$gt\":9,\"$lt\":1}}}", "visits", 0, 1, 1 },
        { "{\"selector\":{\"$or\":[{\"visits\":1},{\"visits\":2}]}}", "", 1, 0, 0 },
        { "{\"selector\":{\"$and\":[{\"visits\":1},{\"country\":\"DE\"},{\"name\":\"x\"}]}}",
          "country,name", 0, 0, 0 },
        /* partial */
        { "{\"selector\":{\"due\":1,\"open\":true,\"level\":{\"$gt\":3,\"$lt\":9}}}", "open", 0, 0,
          0 },
        { "{\"selector\":{\"due\":1,\"open\":{\"$eq\":true},\"$and\":[{\"level\":{\"$gt\":3}}]}}",
          "open", 0, 0, 0 },
        { "{\"selector\":{\"due\":1,\"open\":true,\"level\":{\"$gt\":4}}}", "", 1, 0, 0 },
        { "{\"selector\":{\"due\":1,\"open\":true}}", "", 1, 0, 0 },
        /* hints */
        { "{\"selector\":{\"country\":\"DE\"},\"index\":\"name\"}", "name", 1, 1, 0 },
        { "{\"selector\":{\"country\":\"DE\"},\"index\":[\"country\",\"name\",\"id\"]}",
          "country,name", 0, 1, 1 },
        { "{\"selector\":{\"country\":\"DE\"},\"index\":[\"id\"]}", "", 1, 0, 0 },
    };
    STORE s = store_empty();

    with_indexes(&s);
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        replica_plan plan;

        CHECK_RC(replica_explain(s.coll, table[i].query, REPLICA_NUL, &plan, &test_err), 0);
        if (strcmp(plan.index, table[i].index) != 0 || plan.full_scan != table[i].full_scan ||
            plan.sorts != table[i].sorts || plan.exact != table[i].exact)
            test_fail(__FILE__, __LINE__, "%s\n  %s\n  scan %d sorts %d exact %d", table[i].query,
                      plan.text, plan.full_scan, plan.sorts, plan.exact);
    }
}

TEST(a_hint_that_names_no_usable_index_is_refused)
{
    STORE s = store_empty();
    replica_plan plan;

    with_indexes(&s);
    CHECK_RC(replica_explain(s.coll, "{\"index\":\"none\"}", REPLICA_NUL, &plan, &test_err),
             REPLICA_EINVAL);
    CHECK_RC(replica_explain(s.coll, "{\"index\":[\"name\",\"country\"]}", REPLICA_NUL, &plan,
                             &test_err),
             REPLICA_EINVAL);
    CHECK_RC(replica_explain(s.coll, "{\"index\":\"open\"}", REPLICA_NUL, &plan, &test_err),
             REPLICA_EINVAL);
    CHECK(strstr(test_err.message, "open"));
}

static const char *show(struct store *s, const char *query)
{
    static replica_plan plan;

    CHECK_RC(replica_explain(s->coll, query, REPLICA_NUL, &plan, &test_err), 0);
    return plan.text;
}

TEST(explain_says_what_would_help)
{
    STORE s = store_empty();

    CHECK_STR(show(&s, "{}"), "primary key id: every document, in the order asked for.");
    CHECK_STR(show(&s, "{\"selector\":{\"country\":\"DE\"},\"sort\":[{\"name\":\"asc\"}]}"),
              "primary key id: every document; each document is asked; what matches is sorted. FULL"
              " SCAN. An index on (country, name) would help.");
    CHECK_STR(show(&s, "{\"selector\":{\"$nor\":[{\"a\":1}]}}"),
              "primary key id: every document, in the order asked for; each document is asked. FULL"
              " SCAN. No index can help with these conditions.");
    CHECK_STR(show(&s, "{\"selector\":{\"n\":{\"$gt\":1}}}"),
              "primary key id: every document, in the order asked for; each document is asked. FULL"
              " SCAN. An index on (n) would help.");
    index_on(&s, "x", "country", "name", NULL);
    CHECK_STR(show(&s, "{\"selector\":{\"country\":\"DE\"},\"sort\":[{\"name\":\"desc\"}]}"),
              "index x: 1 range, downwards, in the order asked for.");
    CHECK_STR(show(&s, "{\"selector\":{\"id\":{\"$in\":[\"a\",\"b\"]}}}"),
              "primary key id: 2 ids; each document is asked.");
    CHECK_STR(
        show(&s, "{\"selector\":{\"country\":\"DE\"},\"sort\":[{\"visits\":\"asc\"}]}"),
        "index x: 1 range; what matches is sorted. An index on (country, visits) would help.");
}

TEST(a_selector_implies_what_it_says_in_the_same_words)
{
    static const struct {
        const char *query, *where;
        bool implied;
    } table[] = {
        { "{\"a\":1}", "{}", true },
        { "{\"a\":1,\"b\":2}", "{\"b\":2.0}", true },
        { "{\"a\":1}", "{\"a\":{\"$eq\":1}}", true },
        { "{\"a\":{\"$eq\":1}}", "{\"a\":1}", true },
        { "{\"a\":{\"$gt\":1,\"$lt\":4}}", "{\"a\":{\"$lt\":4}}", true },
        { "{\"a\":{\"$gt\":1}}", "{\"a\":{\"$gt\":1,\"$lt\":4}}", false },
        { "{\"a\":{\"$gt\":2}}", "{\"a\":{\"$gt\":1}}", false },
        { "{\"$and\":[{\"a\":1},{\"b\":2}]}", "{\"b\":2,\"a\":1}", true },
        { "{\"b\":2,\"a\":1}", "{\"$and\":[{\"a\":1},{\"b\":2}]}", true },
        { "{\"$or\":[{\"a\":1},{\"b\":2}]}", "{\"a\":1}", false },
        { "{\"$or\":[{\"a\":1},{\"b\":2}],\"c\":1}", "{\"$or\":[{\"a\":1},{\"b\":2}]}", true },
        { "{\"a\":{\"$regex\":\"x\"}}", "{\"a\":{\"$regex\":\"x\",\"$options\":\"i\"}}", false },
        { "{\"a\":{\"$regex\":\"x\",\"$options\":\"i\"}}", "{\"a\":{\"$regex\":\"x\"}}", false },
        { "{\"a\":{\"b\":1}}", "{\"a\":{\"b\":1}}", true },
        { "{}", "{\"a\":1}", false },
    };

    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (replica__selector_implies(table[i].query, strlen(table[i].query), table[i].where,
                                      strlen(table[i].where)) != table[i].implied)
            test_fail(__FILE__, __LINE__, "%s implies %s", table[i].query, table[i].where);
    }
}
