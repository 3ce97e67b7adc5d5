#include "tests/merge/merge_help.h"
#include "tests/support/fault.h"

/* ---- one side at a time ------------------------------------------------------------ */

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

TEST(a_side_that_changed_nothing_loses_to_the_other_whatever_the_rule)
{
    static const char *const rules[] = {
        "server-wins", "client-wins", "last-write-wins", "max", "min", "sum", "set-union",
        "{\"\":{\"list-by-key\":\"id\"}}", "text", "merge", "{\"\":{\"merge\":\"max\"}}",
        "{\"/a\":\"sum\"}", "{\"\":\"client-wins\",\"/a/b\":\"max\"}",
    };
    static const char *const values[] = {
        "1", "2", "\"a\"", "\"b\"", "[1]", "[2,1]", "[{\"id\":1}]", "{\"a\":1}",
        "{\"a\":{\"b\":2}}", "{}", "null", "true",
    };
    size_t n = sizeof(values) / sizeof(values[0]);

    for (size_t r = 0; r < sizeof(rules) / sizeof(rules[0]); r++) {
        for (size_t i = 0; i < n * n; i++) {
            const char *base = values[i / n];
            const char *next = values[i % n];
            bool same = i / n == i % n;

            CHECK_LATER(rules[r], base, base, next, -1, "theirs");
            CHECK_LATER(rules[r], base, next, base, 1, same ? "theirs" : "ours");
        }
    }
}

TEST(two_that_made_the_same_change_agree)
{
    CHECK_MERGE("client-wins", "{\"a\":1}", "{\"a\":2,\"b\":1.0}", "{\"b\":1,\"a\":2}", "theirs");
    CHECK_MERGE("merge", "{\"a\":1}", "{\"a\":2}", "{\"a\":2}", "theirs");
    CHECK_MERGE("max", "1", "2.0", "2", "theirs");
    CHECK_MERGE("text", "\"a\"", "\"b\"", "\"\\u0062\"", "theirs");
}

/* ---- whole values ------------------------------------------------------------------ */

TEST(the_server_and_the_client_win_with_all_that_they_have)
{
    CHECK_MERGE("server-wins", "{\"a\":1,\"b\":1}", "{\"a\":2,\"b\":1}", "{\"a\":1,\"b\":2}",
                "theirs");
    CHECK_MERGE("client-wins", "{\"a\":1,\"b\":1}", "{\"a\":2,\"b\":1}", "{\"a\":1,\"b\":2}",
                "ours");
}

TEST(the_later_write_wins_by_the_clock)
{
    CHECK_LATER("last-write-wins", "1", "2", "3", -1, "ours");
    CHECK_LATER("last-write-wins", "1", "2", "3", 1, "theirs");
    CHECK_LATER("last-write-wins", "1", "3", "2", -1, "ours");
    CHECK_LATER("last-write-wins", "1", "3", "2", 1, "theirs");
}

TEST(equal_clocks_are_told_apart_by_the_writer_and_then_by_the_content)
{
    RULES *rules = rules_of("last-write-wins");
    struct replica__side b = side_of("1");
    struct replica__side o = side_of("2");
    struct replica__side t = side_of("3");
    REPLICA_BUF out = REPLICA_BUF_INIT;

    CHECK_INT(replica__merge3(rules, &b, &o, &t, &out, &test_err), REPLICA_MERGED_THEIRS);
    CHECK_INT(replica__merge3(rules, &b, &t, &o, &out, &test_err), REPLICA_MERGED_OURS);
    o.writer = "aaa";
    CHECK_INT(replica__merge3(rules, &b, &o, &t, &out, &test_err), REPLICA_MERGED_OURS);
    t.writer = "aab";
    CHECK_INT(replica__merge3(rules, &b, &o, &t, &out, &test_err), REPLICA_MERGED_THEIRS);
    o.stamp = 1;
    CHECK_INT(replica__merge3(rules, &b, &o, &t, &out, &test_err), REPLICA_MERGED_OURS);
}

static void check_times(const char *ours, const char *theirs, const char *want)
{
    REPLICA_BUF o = REPLICA_BUF_INIT;
    REPLICA_BUF t = REPLICA_BUF_INIT;

    replica__buf_printf(&o, "{\"v\":1,\"at\":%s}", ours);
    replica__buf_printf(&t, "{\"v\":2,\"at\":%s}", theirs);
    CHECK_LATER("{\"\":{\"last-write-wins\":\"at\"}}", "{\"v\":0}", o.data, t.data, 0, want);
}

TEST(the_later_write_wins_by_a_field)
{
    check_times("1700000000001", "1700000000000", "ours");
    check_times("1700000000000", "1700000000001", "theirs");
    check_times("\"2026-01-02T03:04:05Z\"", "\"2026-01-02T03:04:04Z\"", "ours");
    check_times("\"2026-01-02T03:04:05Z\"", "\"2026-01-02T03:04:05.000000000000000000001Z\"",
                "theirs");
    check_times("\"2026-01-02T03:04:05+01:00\"", "\"2026-01-02T02:30:00Z\"", "theirs");
    check_times("\"2026-01-02T01:04:05-05:30\"", "\"2026-01-02T03:04:05Z\"", "ours");
    check_times("\"1970-01-01T00:00:01.5Z\"", "1499", "ours");
    check_times("\"1970-01-01T00:00:01.5Z\"", "1501", "theirs");
    check_times("\"2024-02-29T00:00:00Z\"", "1709164800001", "theirs");
    check_times("\"2024-02-29T00:00:00Z\"", "1709164799999", "ours");
    check_times("\"1969-12-31T23:59:59Z\"", "-999", "theirs");
    check_times("\"1969-12-31T23:59:59Z\"", "-1001", "ours");
    check_times("1", "\"yesterday\"", "ours");
    check_times("\"2026-13-02T03:04:05Z\"", "1", "theirs");
    check_times("1", "null", "ours");
}

TEST(the_field_may_lie_deeper)
{
    CHECK_MERGE("{\"\":{\"last-write-wins\":\"/meta/at~1by\"}}", "{}",
                "{\"meta\":{\"at/by\":2}}", "{\"meta\":{\"at/by\":1}}", "ours");
    CHECK_MERGE("{\"\":{\"last-write-wins\":\"/meta/at\"}}", "{}",
                "{\"meta\":7,\"at\":2}", "{\"meta\":{\"at\":1}}", "theirs");
}

TEST(the_largest_and_the_smallest_number_or_text_is_kept)
{
    CHECK_MERGE("max", "1", "3", "2", "ours");
    CHECK_MERGE("max", "1", "2", "3", "theirs");
    CHECK_MERGE("max", "1", "9007199254740993", "9007199254740992", "ours");
    CHECK_MERGE("max", "1", "-1", "-2", "ours");
    CHECK_MERGE("max", "1", "1e400", "1e399", "ours");
    CHECK_MERGE("min", "1", "3", "2", "theirs");
    CHECK_MERGE("min", "1", "-2", "-1", "ours");
    CHECK_MERGE("max", "\"a\"", "\"\\u0063\"", "\"b\"", "ours");
    CHECK_MERGE("min", "\"a\"", "\"c\"", "\"b\"", "theirs");
    CHECK_MERGE("max", NULL, "3", "2", "ours");
    CHECK_MERGE("max", "1", "3", "\"2\"", "theirs");
    CHECK_MERGE("max", "1", "true", "null", "theirs");
    CHECK_MERGE("{\"/a\":\"max\"}", "{\"a\":1}", "{\"a\":3}", "{}", "ours");
    CHECK_MERGE("{\"/a\":\"min\"}", "{\"a\":1}", "{}", "{\"a\":3}", "theirs");
}

/* ---- counters ---------------------------------------------------------------------- */

TEST(a_counter_is_the_base_and_what_both_added)
{
    CHECK_MERGE("sum", "10", "13", "11", "14");
    CHECK_MERGE("sum", "10", "7", "11", "8");
    CHECK_MERGE("sum", "10", "0", "0", "-10");
    CHECK_MERGE("sum", "10", "5", "15", "10");
    CHECK_MERGE("sum", NULL, "13", "11", "24");
    CHECK_MERGE("sum", "1", "2", "2", "3");
    CHECK_MERGE("sum", NULL, "1", "1", "2");
    CHECK_MERGE("sum", "-1", "1", "-3", "-1");
    CHECK_MERGE("sum", "1", "2", "0", "1");
}

TEST(a_counter_is_exact_beyond_what_a_double_holds)
{
    CHECK_MERGE("sum", "9007199254740993", "9007199254740994", "9007199254740996",
                "9007199254740997");
    CHECK_MERGE("sum", "0", "123456789012345678901234567890", "1",
                "1.23456789012345678901234567891e+29");
    CHECK_MERGE("sum", "0.1", "0.3", "0.2", "0.4");
    CHECK_MERGE("sum", "0", "0.1", "0.2", "0.3");
    CHECK_MERGE("sum", "0", "99999999999999999999", "1", "100000000000000000000");
    CHECK_MERGE("sum", "0", "999999999999999999999", "1", "1e+21");
    CHECK_MERGE("sum", "0", "1e300", "1e300", "2e+300");
    CHECK_MERGE("sum", "0", "1e-7", "2e-7", "3e-7");
    CHECK_MERGE("sum", "0", "1e-6", "2e-6", "0.000003");
    CHECK_MERGE("sum", "0", "0.5", "0.5", "1");
    CHECK_MERGE("sum", "0", "-0.5", "0.25", "-0.25");
    CHECK_MERGE("sum", "1E+2", "1.5e2", "2.00e2", "250");
    CHECK_MERGE("sum", "0", "12345.678", "0.002", "12345.68");
    CHECK_MERGE("sum", "0.0", "0e5", "-0", "theirs");
}

TEST(what_cannot_be_added_up_falls_to_the_server)
{
    CHECK_MERGE("sum", "1", "\"2\"", "3", "theirs");
    CHECK_MERGE("sum", "\"1\"", "2", "3", "theirs");
    CHECK_MERGE("sum", "0", "1e999999999", "1", "theirs");
    CHECK_MERGE("sum", "0", "1", "1e-99999999999999999999", "theirs");
    CHECK_MERGE("sum", "{}", "{\"a\":1}", "{\"a\":2}", "theirs");
}

TEST(a_null_in_the_ancestor_is_as_good_as_nothing_to_what_is_added)
{
    static const char *const rules =
        "{\"/n\":\"sum\",\"/s\":\"set-union\",\"/l\":{\"list-by-key\":\"id\"}}";

    CHECK_MERGE(rules, "{\"n\":null}", "{\"n\":3}", "{\"n\":4}", "{\"n\":7}");
    CHECK_MERGE(rules, "{\"n\":null}", "{\"n\":3}", "{}", "ours");
    CHECK_MERGE(rules, "{\"n\":null}", "{\"n\":3}", "{\"n\":\"4\"}", "theirs");
    CHECK_MERGE(rules, "{\"s\":null}", "{\"s\":[1]}", "{\"s\":[2]}", "{\"s\":[1,2]}");
    CHECK_MERGE(rules, "{\"s\":{}}", "{\"s\":[2]}", "{\"s\":[1]}", "theirs");
    CHECK_MERGE(rules, "{\"l\":null}", "{\"l\":[{\"id\":1}]}", "{\"l\":[{\"id\":2}]}",
                "{\"l\":[{\"id\":1},{\"id\":2}]}");
    CHECK_MERGE(rules, "{\"s\":null}", "{\"s\":[1]}", "{\"s\":8}", "theirs");
    CHECK_MERGE(rules, "{\"l\":null}", "{\"l\":[]}", "{\"l\":8}", "theirs");
    CHECK_MERGE(rules, "{\"s\":null,\"l\":null}", "{}", "{\"s\":[],\"l\":[]}", "theirs");
    CHECK_MERGE(rules, "{\"s\":null,\"l\":null}", "{\"s\":[],\"l\":[]}", "{}", "ours");
}

TEST(a_counter_that_was_removed_is_0)
{
    CHECK_MERGE("{\"/n\":\"sum\"}", "{\"n\":5}", "{}", "{\"n\":7}", "{\"n\":2}");
    CHECK_MERGE("{\"/n\":\"sum\"}", "{\"n\":5}", "{\"n\":7}", "{}", "{\"n\":2}");
    CHECK_MERGE("{\"/n\":\"sum\"}", "{\"n\":5}", "{\"n\":5}", "{}", "theirs");
}

TEST(equal_changes_of_a_counter_both_count_wherever_it_is)
{
    CHECK_MERGE("{\"\":\"merge\",\"/a/n\":\"sum\"}", "{\"a\":{\"n\":1}}", "{\"a\":{\"n\":2}}",
                "{\"a\":{\"n\":2}}", "{\"a\":{\"n\":3}}");
    CHECK_MERGE("{\"\":{\"merge\":\"sum\"}}", "{\"n\":1,\"s\":1}", "{\"n\":2,\"s\":\"x\"}",
                "{\"n\":2,\"s\":\"x\"}", "{\"n\":3,\"s\":\"x\"}");
    CHECK_MERGE("{\"\":{\"list-by-key\":\"id\"},\"/*/n\":\"sum\"}", "[{\"id\":1,\"n\":1}]",
                "[{\"id\":1,\"n\":2}]", "[{\"id\":1,\"n\":2}]", "[{\"id\":1,\"n\":3}]");
    CHECK_MERGE("{\"\":\"client-wins\",\"/n\":\"sum\"}", "{\"n\":1}", "{\"n\":2}", "{\"n\":2}",
                "{\"n\":3}");
}

/* ---- member by member -------------------------------------------------------------- */

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

TEST(leaves_that_both_changed_fall_to_the_argument_of_merge_or_to_the_server)
{
    const char *b = "{\"a\":1,\"b\":1}";
    const char *o = "{\"a\":2,\"b\":2}";
    const char *t = "{\"a\":3,\"b\":1}";

    CHECK_MERGE("merge", b, o, t, "{\"a\":3,\"b\":2}");
    CHECK_MERGE("{\"\":{\"merge\":\"server-wins\"}}", b, o, t, "{\"a\":3,\"b\":2}");
    CHECK_MERGE("{\"\":{\"merge\":\"client-wins\"}}", b, o, t, "ours");
    CHECK_MERGE("{\"\":{\"merge\":\"min\"}}", b, o, t, "ours");
    CHECK_MERGE("{\"\":{\"merge\":\"max\"}}", b, o, t, "{\"a\":3,\"b\":2}");
    CHECK_MERGE("{\"\":{\"merge\":\"sum\"}}", b, o, t, "{\"a\":4,\"b\":2}");
    CHECK_LATER("{\"\":{\"merge\":\"last-write-wins\"}}", b, o, t, -1, "ours");
    CHECK_LATER("{\"\":{\"merge\":\"last-write-wins\"}}", b, o, t, 1, "{\"a\":3,\"b\":2}");
    CHECK_MERGE("{\"\":{\"merge\":{\"last-write-wins\":\"b\"}}}", b, o, t, "ours");
    CHECK_MERGE("{\"\":{\"merge\":\"set-union\"}}", "{\"a\":[1]}", "{\"a\":[1,2]}",
                "{\"a\":[1,3]}", "{\"a\":[1,2,3]}");
    CHECK_MERGE("{\"\":{\"merge\":\"text\"}}", "{\"a\":\"x y z\",\"b\":1}",
                "{\"a\":\"X y z\",\"b\":2}", "{\"a\":\"x y Z\",\"b\":3}",
                "{\"a\":\"X y Z\",\"b\":3}");
    CHECK_MERGE("{\"\":{\"merge\":{\"list-by-key\":\"id\"}}}", "{\"a\":[{\"id\":1}]}",
                "{\"a\":[{\"id\":1},{\"id\":2}]}", "{\"a\":[{\"id\":1,\"x\":1}]}",
                "{\"a\":[{\"id\":1,\"x\":1},{\"id\":2}]}");
}

TEST(a_member_removed_here_and_changed_there_is_a_leaf_that_both_changed)
{
    CHECK_MERGE("merge", "{\"a\":1}", "{}", "{\"a\":2}", "theirs");
    CHECK_MERGE("merge", "{\"a\":1}", "{\"a\":2}", "{}", "theirs");
    CHECK_MERGE("{\"\":{\"merge\":\"client-wins\"}}", "{\"a\":1}", "{}", "{\"a\":2}", "ours");
    CHECK_MERGE("{\"\":{\"merge\":\"client-wins\"}}", "{\"a\":1}", "{\"a\":2}", "{}", "ours");
    CHECK_MERGE("{\"\":{\"merge\":\"max\"}}", "{\"a\":1}", "{\"a\":2}", "{}", "ours");
    CHECK_MERGE("{\"\":{\"merge\":\"text\"}}", "{\"a\":\"1\"}", "{}", "{\"a\":\"2\"}", "theirs");
    CHECK_MERGE("merge", "{\"a\":{\"b\":1}}", "{\"a\":{\"b\":2}}", "{\"a\":7}", "theirs");
}

TEST(without_an_ancestor_it_is_an_empty_object)
{
    CHECK_MERGE("merge", NULL, "{\"a\":1,\"b\":1,\"c\":{\"x\":1}}",
                "{\"a\":1,\"b\":2,\"c\":{\"y\":2}}", "{\"a\":1,\"b\":2,\"c\":{\"y\":2,\"x\":1}}");
    CHECK_MERGE("merge", "!{\"a\":1}", "{\"a\":1}", "{\"b\":1}", "{\"b\":1,\"a\":1}");
    CHECK_MERGE("{\"\":\"merge\",\"/n\":\"sum\"}", "!{\"n\":5}", "{\"n\":1}", "{\"n\":2}",
                "{\"n\":3}");
}

TEST(what_neither_side_changed_keeps_its_bytes)
{
    CHECK_MERGE("merge",
                "{ \"n\" : 9007199254740993 ,\n\"s\":\"\\u0000\\/\", \"o\" : { \"x\": 1.00 } }",
                "{\"o\":{\"x\":1.00,\"y\":2},\"s\":\"\\u0000/\",\"n\":9007199254740993}",
                "{ \"n\" : 9007199254740993 ,\n\"s\":\"\\u0000\\/\", \"o\" : { \"x\": 1.00 },"
                "\"z\":1e1 }",
                "{ \"n\" : 9007199254740993 ,\n\"s\":\"\\u0000\\/\", \"o\" : { "
                "\"x\": 1.00,\"y\":2 },\"z\":1e1 }");
    CHECK_MERGE("merge", "{ \"a\" : 1 , \"b\" : 2 }", "{ \"b\" : 3 }",
                "{ \"a\" : 1 , \"b\" : 2,\"c\":4 }", "{  \"b\" : 3,\"c\":4 }");
}

TEST(names_meet_by_what_they_mean_in_any_order)
{
    CHECK_MERGE("merge", "{\"\\u0061\":1,\"b\":1}", "{\"b\":2,\"a\":1}", "{\"a\":3,\"\\u0062\":1}",
                "{\"a\":3,\"\\u0062\":2}");
}

/* ---- paths ------------------------------------------------------------------------- */

TEST(the_longest_path_decides_and_of_two_that_with_fewer_stars)
{
    const char *rules = "{\"/*\":\"min\",\"/a\":\"max\",\"/*/x\":\"sum\",\"/b/*\":\"max\"}";

    CHECK_MERGE(rules, "{\"a\":1,\"b\":1}", "{\"a\":2,\"b\":2}", "{\"a\":3,\"b\":3}",
                "{\"a\":3,\"b\":2}");
    CHECK_MERGE(rules, "{\"c\":{\"x\":1}}", "{\"c\":{\"x\":2}}", "{\"c\":{\"x\":3}}",
                "{\"c\":{\"x\":4}}");
    CHECK_MERGE(rules, "{\"b\":{\"x\":1}}", "{\"b\":{\"x\":5}}", "{\"b\":{\"x\":3}}", "ours");
}

TEST(what_has_no_rule_of_its_own_goes_with_the_nearest_above)
{
    const char *rules = "{\"\":\"client-wins\",\"/a\":\"merge\",\"/a/b/n\":\"sum\"}";

    CHECK_MERGE(rules, "{\"a\":{\"b\":{\"n\":1,\"m\":1}},\"z\":1}",
                "{\"a\":{\"b\":{\"n\":2,\"m\":2}},\"z\":2}",
                "{\"a\":{\"b\":{\"n\":3,\"m\":1}},\"z\":3}",
                "{\"a\":{\"b\":{\"n\":4,\"m\":2}},\"z\":2}");
}

TEST(a_rule_for_the_whole_is_about_what_has_none_of_its_own)
{
    const char *rules = "{\"/n\":\"sum\",\"/deep/n\":\"sum\"}";

    /* the server changed nothing but the counter */
    CHECK_MERGE(rules, "{\"n\":1,\"s\":1}", "{\"n\":2,\"s\":2}", "{\"n\":2,\"s\":1}",
                "{\"n\":3,\"s\":2}");
    CHECK_MERGE(rules, "{\"n\":1,\"s\":1,\"r\":1}", "{\"n\":2,\"s\":2,\"r\":1}",
                "{\"n\":2,\"s\":1,\"r\":2}", "{\"n\":3,\"s\":1,\"r\":2}");
    CHECK_MERGE(rules, "{\"deep\":{\"n\":1},\"s\":1}", "{\"deep\":{\"n\":2},\"s\":2}",
                "{\"deep\":{\"n\":2},\"s\":1}", "{\"deep\":{\"n\":3},\"s\":2}");
    CHECK_MERGE(rules, "{\"deep\":{\"n\":1,\"m\":1},\"s\":1}",
                "{\"deep\":{\"n\":2,\"m\":1},\"s\":2}",
                "{\"deep\":{\"n\":2,\"m\":2},\"s\":1}", "{\"deep\":{\"n\":3,\"m\":2},\"s\":1}");
    CHECK_MERGE("{\"\":\"client-wins\",\"/n\":\"sum\"}", "{\"n\":1,\"s\":1,\"r\":1}",
                "{\"n\":2,\"s\":2,\"q\":1}", "{\"n\":2,\"s\":3,\"r\":2}",
                "{\"n\":3,\"s\":2,\"q\":1}");
    CHECK_LATER("{\"\":\"last-write-wins\",\"/n\":\"sum\"}", "{\"n\":1,\"s\":1}",
                "{\"n\":2,\"s\":2}", "{\"n\":2,\"s\":3}", -1, "{\"n\":3,\"s\":2}");
    CHECK_LATER("{\"\":\"last-write-wins\",\"/n\":\"sum\"}", "{\"n\":1,\"s\":1}",
                "{\"n\":2,\"s\":2}", "{\"n\":2,\"s\":3}", 1, "{\"n\":3,\"s\":3}");
}

TEST(names_in_paths_may_have_slashes_and_tildes)
{
    CHECK_MERGE("{\"/a~1b\":\"client-wins\",\"/c~0d\":\"client-wins\"}",
                "{\"a/b\":1,\"c~d\":1,\"e\":1}", "{\"a/b\":2,\"c~d\":2,\"e\":2}",
                "{\"a/b\":3,\"c~d\":3,\"e\":3}", "{\"a/b\":2,\"c~d\":2,\"e\":3}");
}

TEST(an_object_with_more_members_than_patience_is_merged_all_the_same)
{
    REPLICA_BUF b = REPLICA_BUF_INIT;
    REPLICA_BUF o = REPLICA_BUF_INIT;
    REPLICA_BUF t = REPLICA_BUF_INIT;
    REPLICA_BUF out = REPLICA_BUF_INIT;

    for (int i = 0; i < 20000; i++) {
        replica__buf_printf(&b, "%s\"m%d\":1", i ? "," : "{", i);
        replica__buf_printf(&o, "%s\"m%d\":%d", i ? "," : "{", 19999 - i, 1 + i % 2);
        replica__buf_printf(&t, "%s\"m%d\":1", i ? "," : "{", i * 7 % 20000);
    }
    replica__buf_str(&b, "}");
    replica__buf_str(&o, ",\"new\":1}");
    replica__buf_str(&t, ",\"other\":1}");
    CHECK_INT(merge_at("merge", b.data, o.data, t.data, 0, &out), REPLICA_MERGED_TEXT);
    CHECK_INT(replica__json_count(replica__json_value(out.data, out.len)), 20002);
}

/* ---- an edit and a deletion --------------------------------------------------------- */

TEST(an_edit_and_a_deletion_go_by_their_own_policy)
{
    static const struct {
        const char *rules, *ours_deleted, *theirs_deleted;
    } table[] = {
        { "{}", "theirs", "theirs" },
        { "{\"\":\"server-wins\"}", "theirs", "theirs" },
        { "{\"\":\"client-wins\"}", "ours", "ours" },
        { "{\"\":\"merge\"}", "theirs", "ours" },
        { "{\"\":\"max\"}", "theirs", "ours" },
        { "{\"\":\"client-wins\",\"delete\":\"edit-wins\"}", "theirs", "ours" },
        { "{\"\":\"client-wins\",\"delete\":\"delete-wins\"}", "ours", "theirs" },
        { "{\"\":\"merge\",\"delete\":\"delete-wins\"}", "ours", "theirs" },
        { "{\"delete\":\"keep-copy\"}", "copy", "copy" },
        { "{\"delete\":\"ask\"}", "ask", "ask" },
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        CHECK_MERGE(table[i].rules, "{\"a\":1}", "!{\"a\":1}", "{\"a\":2}", table[i].ours_deleted);
        CHECK_MERGE(table[i].rules, "{\"a\":1}", "{\"a\":2}", "!{\"a\":1}",
                    table[i].theirs_deleted);
        CHECK_MERGE(table[i].rules, NULL, "!{\"a\":1}", "{\"a\":2}", table[i].ours_deleted);
        CHECK_MERGE(table[i].rules, "!{\"a\":1}", "{\"a\":2}", "!{\"a\":1}",
                    table[i].theirs_deleted);
        /* nobody edited */
        CHECK_MERGE(table[i].rules, "{\"a\":1}", "!{\"a\":1}", "{\"a\":1.0}", "ours");
        CHECK_MERGE(table[i].rules, "{\"a\":1}", "{\"a\":1}", "!{\"a\":1}", "theirs");
        /* nobody is left, or nobody ever was */
        CHECK_MERGE(table[i].rules, "{\"a\":1}", "!{\"a\":2}", "!{\"a\":3}", "theirs");
        CHECK_MERGE(table[i].rules, NULL, NULL, "{\"a\":1}", "theirs");
        CHECK_MERGE(table[i].rules, NULL, "{\"a\":1}", NULL, "ours");
    }
}

TEST(by_last_write_wins_the_deletion_has_a_time_as_well)
{
    CHECK_LATER("last-write-wins", "1", "2", "!1", -1, "ours");
    CHECK_LATER("last-write-wins", "1", "2", "!1", 1, "theirs");
    CHECK_LATER("last-write-wins", "1", "!", "2", -1, "ours");
    CHECK_LATER("{\"\":{\"last-write-wins\":\"at\"}}", "{}", "{\"at\":2}", "!{\"at\":3}", 0,
                "theirs");
    CHECK_LATER("{\"\":{\"last-write-wins\":\"at\"}}", "{}", "{\"at\":2}", "!", 0, "ours");
}

/* ---- failures ----------------------------------------------------------------------- */

TEST(a_failed_allocation_fails_the_merge_and_writes_nothing)
{
    static const char *const cases[][4] = {
        { "merge", "{\"a\":{\"b\":1}}", "{\"a\":{\"b\":2,\"c\":1}}", "{\"a\":{\"b\":1},\"d\":1}" },
        { "{\"/a\":\"set-union\"}", "{\"a\":[1]}", "{\"a\":[1,2]}", "{\"a\":[1,3]}" },
        { "{\"/a\":{\"list-by-key\":\"i\"}}", "{\"a\":[{\"i\":1}]}", "{\"a\":[{\"i\":1,\"x\":1}]}",
          "{\"a\":[{\"i\":1,\"y\":1},{\"i\":2}]}" },
        { "{\"/a\":\"text\"}", "{\"a\":\"x y z\"}", "{\"a\":\"X y z\"}", "{\"a\":\"x y Z\"}" },
        { "{\"\":{\"merge\":{\"last-write-wins\":\"at\"}}}", "{\"at\":1,\"x\":0,\"y\":0}",
          "{\"at\":\"2026-01-01T00:00:00Z\",\"x\":1,\"y\":1}",
          "{\"x\":2,\"y\":0,\"at\":\"2025-01-01T00:00:00Z\",\"z\":1}" },
        { "{\"/b\":\"sum\"}", "{\"a\":{\"x\":1,\"y\":2},\"b\":1}",
          "{\"a\":{\"y\":3,\"x\":1},\"b\":2}", "{\"a\":{\"y\":2,\"x\":1.0},\"b\":2}" },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        RULES *rules = rules_of(cases[i][0]);
        struct replica__side b = side_of(cases[i][1]);
        struct replica__side o = side_of(cases[i][2]);
        struct replica__side t = side_of(cases[i][3]);

        for (int nth = 0, failed = 1; failed; nth++) {
            REPLICA_BUF out = REPLICA_BUF_INIT;
            int r;

            fault_alloc(nth);
            r = replica__merge3(rules, &b, &o, &t, &out, &test_err);
            failed = fault_stop();
            CHECK_INT(r, failed ? REPLICA_ENOMEM : REPLICA_MERGED_TEXT);
            CHECK(!failed || out.len == 0);
        }
    }
}

TEST(a_text_that_is_too_large_is_refused_and_nothing_is_left_of_it)
{
    RULES *rules = rules_of("merge");
    struct replica__side b = side_of("{}");
    struct replica__side o = side_of("{\"a\":\"0123456789\"}");
    struct replica__side t = side_of("{\"b\":\"0123456789\"}");
    REPLICA_BUF out = { .max = 20 };

    CHECK_RC(replica__merge3(rules, &b, &o, &t, &out, &test_err), REPLICA_ELIMIT);
}
