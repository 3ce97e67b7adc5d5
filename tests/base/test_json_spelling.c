#include "tests/base/json_help.h"
#include "tests/support/fault.h"

static void check_kept(const char *stored, const char *next, const char *want)
{
    REPLICA_BUF b = REPLICA_BUF_INIT;

    replica__json_keep_spelling(stored, strlen(stored), next, strlen(next), &b);
    CHECK_INT(b.r, 0);
    CHECK_STR(b.data, want);
    CHECK_INT(replica__json_equal(next, strlen(next), b.data, b.len, REPLICA_JSON_AS_JAVASCRIPT),
              1);
}

TEST(what_was_only_printed_again_comes_back_as_it_was)
{
    static const char stored[] = "{ \"n\" : 9007199254740993, \"s\":\"\\u0041\\/\", \"d\":1.00 }";

    check_kept(stored, "{\"n\":9007199254740992,\"s\":\"A/\",\"d\":1}", stored);
    check_kept(stored, "{\"d\":1,\"s\":\"A/\",\"n\":9007199254740992}", stored);
}

TEST(a_member_that_was_not_changed_keeps_its_spelling_beside_one_that_was)
{
    check_kept("{\"n\":9007199254740993,\"d\":1.00}", "{\"n\":9007199254740992,\"d\":2}",
               "{\"n\":9007199254740993,\"d\":2}");
    check_kept("{\"a\":1.0,\"n\":9007199254740993}", "{\"n\":9007199254740992,\"x\":0,\"a\":1}",
               "{\"n\":9007199254740993,\"x\":0,\"a\":1.0}");
    check_kept("{\"o\":{\"a\":1.0,\"b\":2.0}}", "{\"o\": {\"a\":1,\"b\":3} }",
               "{\"o\": {\"a\":1.0,\"b\":3} }");
    check_kept("{\"\\u0061\":1.0,\"b\":1}", "{\"a\":1,\"b\":2}", "{\"a\":1.0,\"b\":2}");
}

TEST(elements_that_were_not_changed_keep_their_spelling)
{
    check_kept("{\"l\":[1.0,2.0,3.0]}", "{\"l\":[1,5,3]}", "{\"l\":[1.0,5,3.0]}");
    check_kept("{\"l\":[1.0,2.0,3.0]}", "{\"l\":[1,2,3,4]}", "{\"l\":[1.0,2.0,3.0,4]}");
    check_kept("{\"l\":[1.0,2.0,3.0]}", "{\"l\":[0,1,2,3]}", "{\"l\":[0,1.0,2.0,3.0]}");
    check_kept("{\"l\":[1.0,2.0,3.0]}", "{\"l\":[2,3]}", "{\"l\":[2.0,3.0]}");
    check_kept("{\"l\":[1.0,2.0,3.0]}", "{\"l\":[1,3]}", "{\"l\":[1.0,3.0]}");
    check_kept("{\"l\":[1.0,2.0,3.0]}", "{\"l\":[]}", "{\"l\":[]}");
    check_kept("{\"l\":[{\"a\":1.0,\"b\":1}]}", "{\"l\":[{\"a\":1,\"b\":2}]}",
               "{\"l\":[{\"a\":1.0,\"b\":2}]}");
}

TEST(a_change_of_type_is_a_change)
{
    check_kept("{\"a\":1.0}", "{\"a\":\"1\"}", "{\"a\":\"1\"}");
    check_kept("{\"a\":{\"b\":1.0}}", "{\"a\":[1]}", "{\"a\":[1]}");
    check_kept("{\"a\":[1.0]}", "{\"b\":[1]}", "{\"b\":[1]}");
}

/* Quadratic work would take minutes here. */
TEST(large_objects_in_opposite_orders_are_met_in_time)
{
    REPLICA_BUF stored = REPLICA_BUF_INIT;
    REPLICA_BUF next = REPLICA_BUF_INIT;
    REPLICA_BUF out = REPLICA_BUF_INIT;
    const int n = 100000;

    for (int i = 0; i < n; i++) {
        replica__buf_printf(&stored, "%s\"k%d\":1.0", i ? "," : "{", i);
        replica__buf_printf(&next, "%s\"k%d\":1", i ? "," : "{", n - i);
    }
    replica__buf_char(&stored, '}');
    replica__buf_char(&next, '}');
    replica__json_keep_spelling(stored.data, stored.len, next.data, next.len, &out);
    CHECK_INT(out.r, 0);
    CHECK_INT(out.len, next.len + 2 * (size_t)(n - 1)); /* all but k100000 */
}

TEST(a_failed_allocation_is_remembered_by_the_buffer)
{
    const char *stored = "{\"a\":{\"c\":1,\"b\":1.0},\"d\":[1.0,{\"x\":1.0,\"y\":2}]}";
    const char *next = "{\"d\":[1,{\"y\":3,\"x\":1}],\"a\":{\"b\":1,\"c\":2}}";

    for (int nth = 0, failed = 1; failed; nth++) {
        REPLICA_BUF b = REPLICA_BUF_INIT;

        fault_alloc(nth);
        replica__json_keep_spelling(stored, strlen(stored), next, strlen(next), &b);
        failed = fault_stop();
        CHECK_INT(b.r, failed ? REPLICA_ENOMEM : 0);
        if (!failed)
            CHECK_STR(b.data, "{\"d\":[1.0,{\"y\":3,\"x\":1.0}],\"a\":{\"b\":1.0,\"c\":2}}");
    }
}
