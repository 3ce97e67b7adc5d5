#include "tests/base/json_help.h"
#include "tests/support/fault.h"

static int equal(const char *a, const char *b, unsigned flags)
{
    int r = replica__json_equal(a, strlen(a), b, strlen(b), flags);

    CHECK_INT(replica__json_equal(b, strlen(b), a, strlen(a), flags), r);
    return r;
}

TEST(spelling_order_and_white_space_do_not_count)
{
    static const char *const same[][2] = {
        { "{}", "{ }" },
        { "[1,2]", "[ 1.0 ,\n2e0 ]" },
        { "{\"a\":1,\"b\":[true,null]}", "{ \"b\" : [true,null], \"\\u0061\" : 10e-1 }" },
        { "{\"a\":1,\"b\":2,\"c\":3}", "{\"a\":1,\"c\":3,\"b\":2}" },
        { "\"\\u00e9\\/\"", "\"\xC3\xA9/\"" },
        { "{\"x\":{\"a\":1,\"b\":{\"c\":[],\"d\":{}}}}",
          "{\"x\":{\"b\":{\"d\":{},\"c\":[]},\"a\":1}}" },
        { "-0", "0" },
    };

    for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
        CHECK_INT(equal(same[i][0], same[i][1], 0), 1);
        CHECK_INT(equal(same[i][0], same[i][0], 0), 1);
        CHECK_INT(equal(same[i][0], same[i][1], REPLICA_JSON_AS_JAVASCRIPT), 1);
    }
}

TEST(any_difference_of_content_counts)
{
    static const char *const differ[][2] = {
        { "{}", "[]" },
        { "1", "\"1\"" },
        { "true", "false" },
        { "null", "0" },
        { "[1,2]", "[2,1]" },
        { "[1]", "[1,1]" },
        { "[]", "[null]" },
        { "{\"a\":1}", "{\"a\":2}" },
        { "{\"a\":1}", "{\"b\":1}" },
        { "{\"a\":1}", "{\"a\":1,\"b\":1}" },
        { "{\"a\":null}", "{}" },
        { "{\"a\":1,\"b\":2}", "{\"b\":1,\"a\":2}" },
        { "{\"a\":1,\"b\":2,\"c\":3}", "{\"b\":2,\"a\":1,\"d\":3}" },
        { "{\"A\":1}", "{\"a\":1}" },
        { "\"a\\u0000b\"", "\"a\"" },
        { "\"\\ud800\"", "\"\\ud801\"" },
        { "{\"_a\":1}", "{}" },
        { "{\"x\":{\"_a\":1}}", "{\"x\":{}}" },
    };

    for (size_t i = 0; i < sizeof(differ) / sizeof(differ[0]); i++)
        CHECK_INT(equal(differ[i][0], differ[i][1], 0), 0);
}

TEST(numbers_beyond_doubles_differ_only_in_the_exact_strength)
{
    static const char *const pairs[][2] = {
        { "9007199254740993", "9007199254740992" },
        { "0.1", "0.1000000000000000055511151231257827" },
        { "1e400", "1e401" },
        { "1e-400", "0" },
        { "{\"n\":[12345678901234567890]}", "{\"n\":[12345678901234567891]}" },
    };

    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        CHECK_INT(equal(pairs[i][0], pairs[i][1], 0), 0);
        CHECK_INT(equal(pairs[i][0], pairs[i][1], REPLICA_JSON_AS_JAVASCRIPT), 1);
    }
    CHECK_INT(equal("1e400", "-1e400", REPLICA_JSON_AS_JAVASCRIPT), 0);
    CHECK_INT(equal("1.5", "1.6", REPLICA_JSON_AS_JAVASCRIPT), 0);
}

TEST(reserved_names_at_top_level_can_be_left_out_of_the_question)
{
    const unsigned skip = REPLICA_JSON_SKIP_RESERVED;

    CHECK_INT(equal("{\"a\":1,\"_deleted\":true}", "{\"\\u005frev\":2,\"a\":1}", skip), 1);
    CHECK_INT(equal("{\"_x\":0}", "{}", skip), 1);
    CHECK_INT(equal("{\"b\":2,\"_x\":1,\"a\":1}", "{\"a\":1,\"b\":2,\"_y\":1,\"_z\":1}", skip), 1);
    CHECK_INT(equal("{\"a\":1,\"_x\":0}", "{\"a\":1,\"b\":2}", skip), 0);
    CHECK_INT(equal("{\"x\":{\"_a\":1}}", "{\"x\":{}}", skip), 0);
    CHECK_INT(equal("{\"x\":{\"_a\":1,\"b\":2}}", "{\"x\":{\"b\":2}}", skip), 0);
    CHECK_INT(equal("[{\"_a\":1}]", "[{}]", skip), 0);
}

/* n members, in order or backwards. */
static void add_object(struct replica__buf *b, int n, int first, int step)
{
    replica__buf_char(b, '{');
    for (int i = 0; i < n; i++, first += step)
        replica__buf_printf(b, "%s\"name-%d\":%d", i ? "," : "", first, first);
    replica__buf_char(b, '}');
}

/* Quadratic work would take minutes here. */
TEST(large_objects_in_opposite_orders_are_equal_in_time)
{
    REPLICA_BUF a = REPLICA_BUF_INIT;
    REPLICA_BUF b = REPLICA_BUF_INIT;

    add_object(&a, 100000, 0, 1);
    add_object(&b, 100000, 99999, -1);
    CHECK_INT(replica__json_equal(a.data, a.len, b.data, b.len, 0), 1);
}

TEST(a_failed_allocation_is_no_verdict)
{
    const char *a = "{\"a\":1,\"b\":{\"c\":1,\"d\":2}}";
    const char *b = "{\"b\":{\"d\":2,\"c\":1},\"a\":1}";

    for (int nth = 0, failed = 1; failed; nth++) {
        int r;

        fault_alloc(nth);
        r = replica__json_equal(a, strlen(a), b, strlen(b), 0);
        failed = fault_stop();
        CHECK_RC(r, failed ? REPLICA_ENOMEM : 1);
    }
}

TEST(members_in_the_same_order_need_no_memory)
{
    fault_alloc(0);
    CHECK_INT(equal("{\"a\":1,\"b\":{\"c\":1}}", "{\"a\":1.0,\"b\":{ \"c\":1}}", 0), 1);
    CHECK(!fault_stop());
}
