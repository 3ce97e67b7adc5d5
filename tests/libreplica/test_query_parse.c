#include "libreplica/query/mango.h"
#include "tests/support/fault.h"
#include "tests/support/test.h"

static struct replica__query *parse(const char *text)
{
    struct replica__query *q = NULL;

    CHECK_RC(replica__query_parse(text, REPLICA_NUL, &q, &test_err), 0);
    return q;
}

TEST(a_query_without_parts_asks_for_all)
{
    struct replica__query *q = parse(" {} ");

    CHECK(q->selector == NULL);
    CHECK_INT(q->sort_count, 0);
    CHECK_INT(q->skip, 0);
    CHECK_INT(q->limit, -1);
    CHECK_INT(q->field_count, 0);
    CHECK_INT(q->hint_count, 0);
    replica__query_free(q);
}

static const char all_parts[] =
    "{\"selector\":{\"a\":1},\"sort\":[{\"a\":\"asc\"},{\"b.c\":\"desc\"},{\"\\u0064\":1},{\"e\":-"
    "1}],"
    "\"skip\":2,\"limit\":1e1,\"fields\":[\"a\",\"b.c\"],\"index\":[\"a\",\"b\"]}";

TEST(each_part_is_read)
{
    struct replica__query *q = parse(all_parts);

    CHECK_INT(replica__selector_match(q->selector, "{\"a\":1}", 7), 1);
    CHECK_INT(replica__selector_match(q->selector, "{\"a\":2}", 7), 0);
    CHECK_INT(q->sort_count, 4);
    CHECK_STR(q->sort[0].path.text, "a");
    CHECK_STR(q->sort[1].path.text, "b.c");
    CHECK_STR(q->sort[2].path.text, "d");
    CHECK(!q->sort[0].descending && q->sort[1].descending);
    CHECK(!q->sort[2].descending && q->sort[3].descending);
    CHECK_INT(q->skip, 2);
    CHECK_INT(q->limit, 10);
    CHECK_INT(q->field_count, 2);
    CHECK_STR(q->fields[1].text, "b.c");
    CHECK_INT(q->hint_count, 2);
    CHECK_STR(q->hint[1], "b");
    replica__query_free(q);
}

TEST(an_index_may_be_named_by_itself)
{
    struct replica__query *q = parse("{\"index\":\"a,b\"}");

    CHECK_INT(q->hint_count, 1);
    CHECK_STR(q->hint[0], "a,b");
    replica__query_free(q);
}

TEST(what_is_not_understood_is_refused_with_its_place)
{
    static const struct {
        const char *query, *where, *message;
        int offset;
    } cases[] = {
        { "[]", "", "a query is an object", 0 },
        { "{\"selectors\":{}}", "selectors", "a query has no part 'selectors'", 2 },
        { "{\"selector\":1}", "selector", "a selector is an object", 12 },
        { "{\"selector\":{\"a\":{\"$x\":1}}}", "a", "unknown operator '$x'", 19 },
        { "{\"sort\":{\"a\":1}}", "sort", "sort is an array: [{\"name\": \"asc\"}]", 8 },
        { "{\"sort\":[\"a\"]}", "sort", "sort has one field in each object", 9 },
        { "{\"sort\":[{}]}", "sort", "sort has one field in each object", 9 },
        { "{\"sort\":[{\"a\":1,\"b\":1}]}", "sort", "sort has one field in each object", 9 },
        { "{\"sort\":[{\"a\":\"up\"}]}", "sort", "a direction is \"asc\" or \"desc\", 1 or -1",
          14 },
        { "{\"sort\":[{\"a\":2}]}", "sort", "a direction is \"asc\" or \"desc\", 1 or -1", 14 },
        { "{\"sort\":[{\"a..b\":1}]}", "sort", "'a..b' is no path", 11 },
        { "{\"skip\":-1}", "skip", "skip and limit are integers from 0 on", 8 },
        { "{\"limit\":1.5}", "limit", "skip and limit are integers from 0 on", 9 },
        { "{\"limit\":null}", "limit", "skip and limit are integers from 0 on", 9 },
        { "{\"limit\":99999999999999999999}", "limit", "skip and limit are integers from 0 on", 9 },
        { "{\"fields\":\"a\"}", "fields", "fields is an array of paths", 10 },
        { "{\"fields\":[1]}", "fields", "fields is an array of paths", 11 },
        { "{\"fields\":[\"\"]}", "fields", "'' is no path", 12 },
        { "{\"index\":1}", "index", "index is a name or an array of fields", 9 },
        { "{\"index\":[[]]}", "index", "index is a name or an array of fields", 10 },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct replica__query *q = (struct replica__query *)(uintptr_t)16;
        replica_error err = { 0 };

        CHECK_RC(replica__query_parse(cases[i].query, REPLICA_NUL, &q, &err), REPLICA_EINVAL);
        CHECK_STR(err.message, cases[i].message);
        CHECK_STR(err.where, cases[i].where);
        CHECK_INT(err.offset, cases[i].offset);
        CHECK(q == (struct replica__query *)(uintptr_t)16);
    }
}

TEST(more_fields_than_fit_are_refused)
{
    REPLICA_BUF text = REPLICA_BUF_INIT;
    struct replica__query *q = NULL;

    replica__buf_str(&text, "{\"fields\":[\"a\"");
    for (int i = 1; i < 63; i++)
        replica__buf_str(&text, ",\"a\"");
    replica__buf_str(&text, "]}");
    CHECK_RC(replica__query_parse(text.data, text.len, &q, &test_err), 0);
    replica__query_free(q);
    text.len -= 2;
    replica__buf_str(&text, ",\"a\"]}");
    CHECK_RC(replica__query_parse(text.data, text.len, &q, &test_err), REPLICA_EINVAL);
}

TEST(text_that_is_no_json_is_refused_as_such)
{
    struct replica__query *q = NULL;

    CHECK_RC(replica__query_parse("{", REPLICA_NUL, &q, &test_err), REPLICA_EJSON);
    CHECK_INT(test_err.offset, 1);
}

TEST(a_failed_allocation_fails_the_parsing_and_nothing_leaks)
{
    for (int nth = 0, failed = 1; failed; nth++) {
        struct replica__query *q = NULL;
        int r;

        fault_alloc(nth);
        r = replica__query_parse(all_parts, REPLICA_NUL, &q, &test_err);
        failed = fault_stop();
        CHECK(r == 0 || (failed && r == REPLICA_ENOMEM)); /* some memory is only for speed */
        CHECK((q == NULL) == (r < 0));
        replica__query_free(q);
    }
}
