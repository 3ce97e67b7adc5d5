#include "tests/merge/merge_help.h"

#define BY_ID "{\"\":{\"list-by-key\":\"id\"}}"

TEST(a_set_is_what_either_added_less_what_either_removed)
{
    CHECK_MERGE("set-union", "[1,2,3]", "[1,2,3,4]", "[2,3]", "[2,3,4]");
    CHECK_MERGE("set-union", "[1,2,3]", "[3,2]", "[1,3]", "[3]");
    CHECK_MERGE("set-union", "[\"a\"]", "[]", "[\"b\"]", "theirs");
    CHECK_MERGE("set-union", "[\"a\"]", "[\"a\",\"c\"]", "[\"a\",\"b\"]", "[\"a\",\"b\",\"c\"]");
    CHECK_MERGE("set-union", "[\"a\"]", "[\"a\",\"b\",\"c\"]", "[\"a\",\"b\"]", "ours");
    CHECK_MERGE("set-union", "[1,2]", "[2]", "[1]", "[]");
    CHECK_MERGE("set-union", "[]", "[{\"a\":1,\"b\":2}]", "[{\"b\":2,\"a\":1.0}]", "theirs");
    CHECK_MERGE("set-union", "[]", "[{\"a\":1,\"b\":2},1]", "[{\"b\":2,\"a\":1.0},2]",
                "[1,2,{\"a\":1,\"b\":2}]");
}

TEST(a_set_without_an_ancestor_is_the_union)
{
    CHECK_MERGE("set-union", NULL, "[2,1]", "[3,1]", "[1,2,3]");
    CHECK_MERGE("{\"/t\":\"set-union\"}", "{}", "{\"t\":[2,1]}", "{\"t\":[3,1]}",
                "{\"t\":[1,2,3]}");
}

TEST(a_set_that_was_removed_is_empty)
{
    CHECK_MERGE("{\"/t\":\"set-union\"}", "{\"t\":[1,2]}", "{}", "{\"t\":[1,2,3]}",
                "{\"t\":[3]}");
    CHECK_MERGE("{\"/t\":\"set-union\"}", "{\"t\":[1,2]}", "{\"t\":[1,2,3]}", "{}",
                "{\"t\":[3]}");
}

TEST(a_set_keeps_the_order_and_the_bytes_of_what_stays_and_no_element_twice)
{
    CHECK_MERGE("set-union", "[3,1.0,2]", "[1,2,3,5,4]", "[2,3,1]", "[3,1.0,2,5,4]");
    CHECK_MERGE("set-union", "[3,3,1]", "[3,3,1,7]", "[3,3,1,8]", "[3,1,7,8]");
    CHECK_MERGE("set-union", "[\n  1,\n  2\n]", "[\n  1,\n  2,\n  3\n]", "[\n  1\n]",
                "[\n  1,\n  3\n]");
    CHECK_MERGE("set-union", "[ 1, 2 ]", "[ 1, 2, 3 ]", "[ 0, 1, 2 ]", "[ 1, 2, 0, 3 ]");
}

TEST(what_is_no_array_is_no_set)
{
    CHECK_MERGE("set-union", "[1]", "[2]", "{\"a\":1}", "theirs");
    CHECK_MERGE("set-union", "[1]", "\"x\"", "[3]", "theirs");
    CHECK_MERGE("set-union", "7", "[2]", "[3]", "theirs");
}

TEST(elements_meet_by_their_key)
{
    CHECK_MERGE(BY_ID, "[{\"id\":1,\"x\":1,\"y\":1}]", "[{\"id\":1,\"x\":2,\"y\":1}]",
                "[{\"id\":1,\"x\":1,\"y\":2}]", "[{\"id\":1,\"x\":2,\"y\":2}]");
    CHECK_MERGE(BY_ID, "[{\"id\":1,\"x\":1}]", "[{\"id\":1,\"x\":2}]", "[{\"id\":1.0,\"x\":3}]",
                "theirs");
    CHECK_MERGE(BY_ID, "[{\"id\":\"a\"},{\"id\":\"b\"}]", "[{\"id\":\"b\"}]",
                "[{\"id\":\"a\"},{\"id\":\"b\"},{\"id\":\"c\"}]",
                "[{\"id\":\"b\"},{\"id\":\"c\"}]");
    CHECK_MERGE(BY_ID, "[]", "[{\"id\":1,\"x\":1}]", "[{\"id\":1,\"y\":1}]",
                "[{\"id\":1,\"y\":1,\"x\":1}]");
    CHECK_MERGE(BY_ID, NULL, "[{\"id\":1}]", "[{\"id\":2}]", "[{\"id\":1},{\"id\":2}]");
}

TEST(an_edited_element_survives_its_removal)
{
    CHECK_MERGE(BY_ID, "[{\"id\":1,\"x\":1}]", "[]", "[{\"id\":1,\"x\":2}]", "theirs");
    CHECK_MERGE(BY_ID, "[{\"id\":1,\"x\":1}]", "[{\"id\":1,\"x\":2}]", "[]", "ours");
    CHECK_MERGE(BY_ID, "[{\"id\":1,\"x\":1},{\"id\":2}]", "[{\"id\":2}]",
                "[{\"id\":1,\"x\":1.0},{\"id\":2},{\"id\":3}]", "[{\"id\":2},{\"id\":3}]");
    CHECK_MERGE("{\"\":{\"list-by-key\":\"id\"},\"/*\":\"server-wins\"}", "[{\"id\":1,\"x\":1}]",
                "[{\"id\":1,\"x\":2},{\"id\":2}]", "[]", "[{\"id\":2}]");
    CHECK_MERGE("{\"\":{\"list-by-key\":\"id\"},\"/*\":\"client-wins\"}", "[{\"id\":1,\"x\":1}]",
                "[{\"id\":1,\"x\":2},{\"id\":2}]", "[]", "ours");
    CHECK_LATER("{\"\":{\"list-by-key\":\"id\"},\"/*\":\"last-write-wins\"}",
                "[{\"id\":1,\"x\":1}]", "[{\"id\":1,\"x\":2},{\"id\":2}]", "[]", 1,
                "[{\"id\":2}]");
}

TEST(elements_have_paths_by_star_or_by_their_key)
{
    const char *rules = "{\"\":\"merge\",\"/items\":{\"list-by-key\":\"id\"},"
                        "\"/items/*/count\":\"sum\",\"/items/b/count\":\"max\"}";

    CHECK_MERGE(rules,
                "{\"items\":[{\"id\":\"a\",\"count\":1},{\"id\":\"b\",\"count\":1}]}",
                "{\"items\":[{\"id\":\"a\",\"count\":2},{\"id\":\"b\",\"count\":2}]}",
                "{\"items\":[{\"id\":\"a\",\"count\":3},{\"id\":\"b\",\"count\":3}]}",
                "{\"items\":[{\"id\":\"a\",\"count\":4},{\"id\":\"b\",\"count\":3}]}");
    CHECK_MERGE("{\"\":\"merge\",\"/items\":{\"list-by-key\":\"id\"},\"/items/7/n\":\"sum\"}",
                "{\"items\":[{\"id\":7,\"n\":1}]}", "{\"items\":[{\"id\":7,\"n\":2}]}",
                "{\"items\":[{\"id\":7,\"n\":2}]}", "{\"items\":[{\"id\":7,\"n\":3}]}");
}

TEST(a_list_may_be_told_for_its_elements)
{
    const char *rules = "{\"\":\"merge\",\"/items/*\":{\"list-by-key\":\"id\"},"
                        "\"/items/*/count\":\"sum\",\"/items/*/*/n\":\"sum\"}";

    CHECK_MERGE(rules, "{\"items\":[{\"id\":1,\"count\":1}]}",
                "{\"items\":[{\"id\":1,\"count\":2},{\"id\":2}]}",
                "{\"items\":[{\"id\":1,\"count\":3},{\"id\":3}]}",
                "{\"items\":[{\"id\":1,\"count\":4},{\"id\":2},{\"id\":3}]}");
    CHECK_MERGE(rules, "{\"items\":{\"food\":[{\"id\":1,\"n\":1}]}}",
                "{\"items\":{\"food\":[{\"id\":1,\"n\":2}]}}",
                "{\"items\":{\"food\":[{\"id\":1,\"n\":2}]}}",
                "{\"items\":{\"food\":[{\"id\":1,\"n\":3}]}}");
}

TEST(elements_are_merged_with_the_leaves_of_the_merge_around_them)
{
    CHECK_MERGE("{\"\":{\"merge\":\"client-wins\"},\"/items\":{\"list-by-key\":\"id\"}}",
                "{\"items\":[{\"id\":1,\"x\":1,\"y\":1}]}",
                "{\"items\":[{\"id\":1,\"x\":2,\"y\":1}]}",
                "{\"items\":[{\"id\":1,\"x\":3,\"y\":3}]}",
                "{\"items\":[{\"id\":1,\"x\":2,\"y\":3}]}");
}

TEST(the_order_is_that_of_the_side_that_changed_it)
{
    const char *abc = "[{\"id\":\"a\"},{\"id\":\"b\"},{\"id\":\"c\"}]";

    CHECK_MERGE(BY_ID, abc, "[{\"id\":\"c\"},{\"id\":\"a\"},{\"id\":\"b\"}]",
                "[{\"id\":\"a\"},{\"id\":\"b\",\"x\":1},{\"id\":\"c\"}]",
                "[{\"id\":\"c\"},{\"id\":\"a\"},{\"id\":\"b\",\"x\":1}]");
    CHECK_MERGE(BY_ID, abc, "[{\"id\":\"a\"},{\"id\":\"b\",\"x\":1},{\"id\":\"c\"}]",
                "[{\"id\":\"c\"},{\"id\":\"a\"},{\"id\":\"b\"}]",
                "[{\"id\":\"c\"},{\"id\":\"a\"},{\"id\":\"b\",\"x\":1}]");
    /* both: the smaller key first */
    CHECK_MERGE(BY_ID, abc, "[{\"id\":\"c\"},{\"id\":\"a\"},{\"id\":\"b\"}]",
                "[{\"id\":\"b\"},{\"id\":\"a\"},{\"id\":\"c\"}]", "theirs");
    CHECK_MERGE(BY_ID, abc, "[{\"id\":\"b\"},{\"id\":\"a\"},{\"id\":\"c\"}]",
                "[{\"id\":\"c\"},{\"id\":\"a\"},{\"id\":\"b\"}]", "ours");
}

TEST(what_was_added_stays_behind_what_it_was_put_behind)
{
    CHECK_MERGE(BY_ID, "[{\"id\":1},{\"id\":2}]", "[{\"id\":9},{\"id\":1},{\"id\":2}]",
                "[{\"id\":1},{\"id\":8},{\"id\":2},{\"id\":7}]",
                "[{\"id\":9},{\"id\":1},{\"id\":8},{\"id\":2},{\"id\":7}]");
    CHECK_MERGE(BY_ID, "[{\"id\":1}]", "[{\"id\":1},{\"id\":5},{\"id\":3}]",
                "[{\"id\":1},{\"id\":4},{\"id\":9}]",
                "[{\"id\":1},{\"id\":4},{\"id\":9},{\"id\":5},{\"id\":3}]");
    CHECK_MERGE(BY_ID, "[{\"id\":1},{\"id\":2}]", "[{\"id\":1},{\"id\":2},{\"id\":3}]",
                "[{\"id\":2}]", "[{\"id\":2},{\"id\":3}]");
}

TEST(elements_without_a_key_or_two_with_the_same_are_no_list)
{
    CHECK_MERGE(BY_ID, "[]", "[{\"id\":1},{\"id\":1}]", "[{\"id\":2}]", "theirs");
    CHECK_MERGE(BY_ID, "[]", "[{\"id\":1}]", "[{\"id\":2},{\"id\":2.0}]", "theirs");
    CHECK_MERGE(BY_ID, "[]", "[{\"id\":1}]", "[{\"x\":2}]", "theirs");
    CHECK_MERGE(BY_ID, "[]", "[{\"id\":1},7]", "[{\"id\":2}]", "theirs");
    CHECK_MERGE(BY_ID, "[]", "[{\"id\":null}]", "[{\"id\":2}]", "theirs");
    CHECK_MERGE(BY_ID, "[]", "{\"a\":[{\"id\":1}]}", "[{\"id\":2}]", "theirs");
    CHECK_MERGE(BY_ID, "[7]", "[{\"id\":1}]", "[7.0]", "ours");
}

TEST(a_list_looks_like_that_of_the_server)
{
    CHECK_MERGE(BY_ID, "[{\"id\":1}]", "[{\"id\":1},{\"id\":2}]",
                "[\n  {\"id\":1},\n  {\"id\":3}\n]",
                "[\n  {\"id\":1},\n  {\"id\":2},\n  {\"id\":3}\n]");
}
