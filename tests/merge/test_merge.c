#include "tests/merge/merge_help.h"

TEST(without_rules_the_server_wins)
{
    struct replica__side b = side_of("{\"a\":1}");
    struct replica__side o = side_of("{\"a\":2}");
    struct replica__side t = side_of("{\"a\":3}");
    REPLICA_BUF out = REPLICA_BUF_INIT;

    CHECK_INT(replica__merge3(NULL, &b, &o, &t, &out, &test_err), REPLICA_MERGED_THEIRS);
    CHECK_MERGE("{}", "{\"a\":1}", "{\"a\":2}", "{\"a\":3}", "theirs");
}

TEST(a_rule_by_its_bare_name_is_that_of_the_whole_document)
{
    CHECK_MERGE("client-wins", "1", "2", "3", "ours");
    CHECK_MERGE("\"client-wins\"", "1", "2", "3", "ours");
    CHECK_MERGE("sum", "1", "2", "3", "4");
}

TEST(members_that_one_side_changed_are_taken_from_it)
{
    CHECK_MERGE("merge", "{\"a\":1,\"b\":1}", "{\"a\":2,\"b\":1}", "{\"a\":1,\"b\":3}",
                "{\"a\":2,\"b\":3}");
    CHECK_MERGE("merge", "{\"a\":1,\"b\":1}", "{\"a\":1}", "{\"a\":1,\"b\":1,\"c\":3}",
                "{\"a\":1,\"c\":3}");
    CHECK_MERGE("merge", "{\"a\":{\"x\":1,\"y\":1}}", "{\"a\":{\"x\":2,\"y\":1}}",
                "{\"a\":{\"x\":1,\"y\":3}}", "{\"a\":{\"x\":2,\"y\":3}}");
    CHECK_MERGE("merge", "{\"a\":1}", "{\"a\":1,\"z\":[1]}", "{\"a\":1,\"y\":{}}",
                "{\"a\":1,\"y\":{},\"z\":[1]}");
}
