#include "tests/base/json_help.h"
#include "tests/support/fault.h"

static void check_patch(const char *target, const char *patch, const char *want)
{
    REPLICA_BUF b = REPLICA_BUF_INIT;

    replica__json_merge_patch(target, strlen(target), patch, strlen(patch), &b);
    CHECK_INT(b.r, 0);
    CHECK_STR(b.data, want);
    CHECK_RC(check_text(b.data), 0);
}

/* Appendix A of RFC 7396, as far as both are objects. */
TEST(the_examples_of_rfc_7396_come_out)
{
    check_patch("{\"a\":\"b\"}", "{\"a\":\"c\"}", "{\"a\":\"c\"}");
    check_patch("{\"a\":\"b\"}", "{\"b\":\"c\"}", "{\"a\":\"b\",\"b\":\"c\"}");
    check_patch("{\"a\":\"b\"}", "{\"a\":null}", "{}");
    check_patch("{\"a\":\"b\",\"b\":\"c\"}", "{\"a\":null}", "{\"b\":\"c\"}");
    check_patch("{\"a\":[\"b\"]}", "{\"a\":\"c\"}", "{\"a\":\"c\"}");
    check_patch("{\"a\":\"c\"}", "{\"a\":[\"b\"]}", "{\"a\":[\"b\"]}");
    check_patch("{\"a\":{\"b\":\"c\"}}", "{\"a\":{\"b\":\"d\",\"c\":null}}",
                "{\"a\":{\"b\":\"d\"}}");
    check_patch("{\"a\":[{\"b\":\"c\"}]}", "{\"a\":[1]}", "{\"a\":[1]}");
    check_patch("{\"e\":null}", "{\"a\":1}", "{\"e\":null,\"a\":1}");
    check_patch("{}", "{\"a\":{\"bb\":{\"ccc\":null}}}", "{\"a\":{\"bb\":{}}}");
}

TEST(what_the_patch_does_not_name_keeps_its_bytes)
{
    check_patch("{ \"n\" : 9007199254740993 ,\n\"s\":\"\\u0000\\/\", \"o\" : { \"x\": 1.00 } }",
                "{\"o\":{\"y\":2}}",
                "{ \"n\" : 9007199254740993 ,\n\"s\":\"\\u0000\\/\", \"o\" : { \"x\": 1.00,\"y\":2 "
                "} }");
    check_patch("{ \"a\" : 1 }", "{}", "{ \"a\" : 1 }");
    check_patch("{ \"a\" : 1 , \"b\" : 2 }", "{\"a\":3}", "{ \"a\" : 3 , \"b\" : 2 }");
}

TEST(names_meet_by_what_they_mean)
{
    check_patch("{\"\\u0061\":1}", "{\"a\":2}", "{\"\\u0061\":2}");
    check_patch("{\"a\":1,\"b\":2}", "{\"\\u0061\":null}", "{\"b\":2}");
    check_patch("{\"a\":1}", "{\"A\":2}", "{\"a\":1,\"A\":2}");
}

TEST(new_members_come_behind_the_last_one_in_the_order_of_the_patch)
{
    check_patch("{\"a\":1}", "{\"z\":1,\"a\":2,\"y\":2,\"x\":null,\"b\":3}",
                "{\"a\":2,\"z\":1,\"y\":2,\"b\":3}");
    check_patch("{\"a\":1,\"b\":2}", "{\"b\":null,\"c\":3}", "{\"a\":1,\"c\":3}");
    check_patch("{\"a\":1,\"b\":2}", "{\"a\":null,\"b\":null,\"c\":3}", "{\"c\":3}");
    check_patch("{ }", "{\"c\":3}", "{\"c\":3 }");
}

TEST(null_is_left_out_of_new_objects_and_kept_in_arrays)
{
    check_patch("{}", "{\"a\":{\"b\":null,\"c\":[null,{\"d\":null}],\"e\":{\"f\":null,\"g\":1}}}",
                "{\"a\":{\"c\":[null,{\"d\":null}],\"e\":{\"g\":1}}}");
    check_patch("{\"a\":1}", "{\"a\":{\"b\":null}}", "{\"a\":{}}");
}

TEST(large_patches_meet_large_targets_in_time)
{
    REPLICA_BUF target = REPLICA_BUF_INIT;
    REPLICA_BUF patch = REPLICA_BUF_INIT;
    REPLICA_BUF out = REPLICA_BUF_INIT;
    struct replica__json_iter it;
    int n = 0;

    for (int i = 0; i < 50000; i++) {
        replica__buf_printf(&target, "%s\"t%d\":1", i ? "," : "{", i);
        replica__buf_printf(&patch, "%s\"t%d\":%s", i ? "," : "{", i * 2, i % 2 ? "null" : "2");
    }
    replica__buf_char(&target, '}');
    replica__buf_char(&patch, '}');
    replica__json_merge_patch(target.data, target.len, patch.data, patch.len, &out);
    CHECK_RC(check_text(out.data), 0);
    it = replica__json_iter(replica__json_value(out.data, out.len));
    while (replica__json_next(&it))
        n++;
    CHECK_INT(n, 50000 - 12500 + 12500);
}

TEST(a_failed_allocation_is_remembered_by_the_buffer)
{
    const char *target = "{\"a\":{\"b\":1},\"c\":2}";
    const char *patch = "{\"a\":{\"b\":null,\"d\":{\"e\":1}},\"f\":{\"g\":null}}";

    for (int nth = 0, failed = 1; failed; nth++) {
        REPLICA_BUF b = REPLICA_BUF_INIT;

        fault_alloc(nth);
        replica__json_merge_patch(target, strlen(target), patch, strlen(patch), &b);
        failed = fault_stop();
        CHECK_INT(b.r, failed ? REPLICA_ENOMEM : 0);
        if (!failed)
            CHECK_STR(b.data, "{\"a\":{\"d\":{\"e\":1}},\"c\":2,\"f\":{}}");
    }
}
