#include "tests/base/json_help.h"

TEST(a_value_has_its_type_and_no_white_space)
{
    static const struct {
        const char *text;
        enum replica__json_type type;
    } cases[] = {
        { " null ", REPLICA_JSON_NULL },   { "true", REPLICA_JSON_TRUE },
        { "false\n", REPLICA_JSON_FALSE }, { " -1", REPLICA_JSON_NUMBER },
        { "0", REPLICA_JSON_NUMBER },      { "9", REPLICA_JSON_NUMBER },
        { "\"\"", REPLICA_JSON_STRING },   { "[ ]", REPLICA_JSON_ARRAY },
        { "{ }", REPLICA_JSON_OBJECT },    { " ", REPLICA_JSON_NONE },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        CHECK_INT(value_of(cases[i].text).type, cases[i].type);
    CHECK_SLICE(value_of("\t{ } \r\n").text, "{ }");
}

TEST(members_come_one_by_one_with_name_and_value)
{
    struct replica__json_iter it = replica__json_iter(
        value_of("{ \"a\" : 1.5 , \"b}\":\"]\\\"\",\"c\":[1,{\"x\":\"}\"}] ,\"\":null}"));

    CHECK(replica__json_next(&it));
    CHECK_SLICE(it.name, "a");
    CHECK_SLICE(it.value.text, "1.5");
    CHECK(replica__json_next(&it));
    CHECK_SLICE(it.name, "b}");
    CHECK_SLICE(it.value.text, "\"]\\\"\"");
    CHECK(replica__json_next(&it));
    CHECK_SLICE(it.name, "c");
    CHECK_SLICE(it.value.text, "[1,{\"x\":\"}\"}]");
    CHECK(replica__json_next(&it));
    CHECK_SLICE(it.name, "");
    CHECK_SLICE(it.value.text, "null");
    CHECK(!replica__json_next(&it));
    CHECK(!replica__json_next(&it));
}

TEST(elements_come_one_by_one_without_a_name)
{
    struct replica__json_iter it =
        replica__json_iter(value_of("[ \"a\" , [ ] ,{},\n true,-0 ]"));
    static const char *const elements[] = { "\"a\"", "[ ]", "{}", "true", "-0" };

    for (size_t i = 0; i < sizeof(elements) / sizeof(elements[0]); i++) {
        CHECK(replica__json_next(&it));
        CHECK(it.name.data == NULL);
        CHECK_SLICE(it.value.text, elements[i]);
    }
    CHECK(!replica__json_next(&it));
}

TEST(what_is_empty_or_no_container_has_nothing_to_walk)
{
    static const char *const texts[] = { "{}", "{ }", "[]", "[ \n]", "1", "\"[1]\"", "null", "" };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct replica__json_iter it = replica__json_iter(value_of(texts[i]));

        CHECK(!replica__json_next(&it));
    }
}

TEST(a_member_is_found_by_what_its_name_means)
{
    struct replica__json_value v = value_of("{\"a\":1,\"\\u0062\":{\"a\":2},\"c\\u0000\":3}");

    CHECK_SLICE(replica__json_member(v, "a", REPLICA_NUL).text, "1");
    CHECK_SLICE(replica__json_member(v, "bcd", 1).text, "{\"a\":2}");
    CHECK_SLICE(replica__json_member(v, "c\0", 2).text, "3");
    CHECK_INT(replica__json_member(v, "c", REPLICA_NUL).type, REPLICA_JSON_NONE);
    CHECK_INT(replica__json_member(v, "A", REPLICA_NUL).type, REPLICA_JSON_NONE);
    CHECK_INT(replica__json_member(value_of("[\"a\"]"), "a", REPLICA_NUL).type, REPLICA_JSON_NONE);
    CHECK_INT(replica__json_member(replica__json_member(v, "x", 1), "a", 1).type,
              REPLICA_JSON_NONE);
}
