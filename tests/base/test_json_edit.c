#include "tests/base/json_help.h"

static void check_cut(const char *text, const char *want)
{
    REPLICA_BUF b = REPLICA_BUF_INIT;
    struct replica__json_doc doc;
    size_t pos = 0;

    CHECK_RC(replica__json_scan(text, strlen(text), &pos, NULL, NULL, &doc, &test_err), 0);
    replica__json_cut_reserved(&doc, &b);
    CHECK_STR(b.data, want);
    CHECK_RC(check_text(b.data), 0);
}

TEST(reserved_members_are_cut_and_every_other_byte_is_kept)
{
    check_cut("{}", "{}");
    check_cut(" { \"a\" : 1 } ", "{ \"a\" : 1 }");
    check_cut("{\"_a\":1}", "{}");
    check_cut("{\"_a\":1,\"_b\":{\"c\":2}}", "{}");
    check_cut("{\"_a\":1,\"b\":2}", "{\"b\":2}");
    check_cut("{\"b\":2,\"_a\":1}", "{\"b\":2}");
    check_cut("{\"b\":2,\"_a\":\",\",\"c\":3}", "{\"b\":2,\"c\":3}");
    check_cut("{\"_a\":1,\"b\":2,\"_c\":3,\"_d\":4,\"e\":5,\"_f\":6}", "{\"b\":2,\"e\":5}");
    check_cut("{ \"b\" : 2 , \"_a\" : 1 }", "{ \"b\" : 2  }");
    check_cut("{\n  \"b\": 2,\n  \"_a\": 1\n}", "{\n  \"b\": 2\n}");
    check_cut("{\"\\u005fa\":1,\"\\u0062\":{\"_x\":1.0}}", "{\"\\u0062\":{\"_x\":1.0}}");
}

static void check_add(const char *text, const char *value, const char *want)
{
    REPLICA_BUF b = REPLICA_BUF_INIT;

    replica__json_add_member(text, strlen(text), "_deleted", value, &b);
    CHECK_STR(b.data, want);
    CHECK_RC(check_text(b.data), 0);
}

TEST(a_member_is_added_behind_the_last_one)
{
    check_add("{}", "true", "{\"_deleted\":true}");
    check_add("{ }", "true", "{\"_deleted\":true }");
    check_add("{\"a\":1}", "false", "{\"a\":1,\"_deleted\":false}");
    check_add("{\"a\":{} }\n", "false", "{\"a\":{},\"_deleted\":false }\n");
    check_add("{\"a\":\"{\"}", "false", "{\"a\":\"{\",\"_deleted\":false}");
    check_add("{\"a\":1}", NULL, "{\"a\":1}");
}

TEST(a_name_that_is_added_is_escaped)
{
    REPLICA_BUF b = REPLICA_BUF_INIT;

    replica__json_add_member("{}", 2, "a\"b\n", "1", &b);
    CHECK_STR(b.data, "{\"a\\\"b\\n\":1}");
}

TEST(what_was_added_on_the_wire_is_cut_without_a_trace)
{
    static const char *const texts[] = { "{}", "{ }", "{\"a\":1}", "{ \"a\" : [ 1 , 2 ] }",
                                         "{\n\t\"a\": 1.00,\n\t\"b\": \"\\u0000\"\n}" };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        REPLICA_BUF b = REPLICA_BUF_INIT;

        replica__json_add_member(texts[i], strlen(texts[i]), "_deleted", "false", &b);
        check_cut(b.data, texts[i]);
    }
}
