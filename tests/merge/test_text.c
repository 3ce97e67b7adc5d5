#include "tests/merge/merge_help.h"

TEST(words_that_different_sides_changed_are_all_taken)
{
    CHECK_MERGE("text", "\"the quick fox\"", "\"the slow fox\"", "\"the quick dog\"",
                "\"the slow dog\"");
    CHECK_MERGE("text", "\"a b c\"", "\"a b c d\"", "\"z a b c\"", "\"z a b c d\"");
    CHECK_MERGE("text", "\"a b c\"", "\"b c\"", "\"a b\"", "\"b\"");
    CHECK_MERGE("text", "\"one\\ntwo\\nthree\\n\"", "\"one\\ntwo\\n3\\n\"",
                "\"1\\ntwo\\nthree\\n\"", "\"1\\ntwo\\n3\\n\"");
    CHECK_MERGE("text", "\"one\\ntwo\\nthree\\n\"", "\"one\\nmore\\ntwo\\nthree\\n\"",
                "\"one\\ntwo\\nthree\\nfour\\n\"", "\"one\\nmore\\ntwo\\nthree\\nfour\\n\"");
}

TEST(escapes_mean_what_they_mean)
{
    CHECK_MERGE("text", "\"\\u00e4 b\\tc\"", "\"\\u00e4 b\\td\"", "\"\xc3\xb6 b\\tc\"",
                "\"\xc3\xb6 b\\td\"");
    CHECK_MERGE("text", "\"a \\ud800 b\"", "\"x \\ud800 b\"", "\"a \\ud800 y\"",
                "\"x \\ud800 y\"");
    CHECK_MERGE("text", "\"a \\u0000 b\"", "\"x \\u0000 b\"", "\"a \\u0000 y\"",
                "\"x \\u0000 y\"");
}

TEST(ideographs_are_words)
{
    CHECK_MERGE("text", "\"\xe6\xb0\xb4\xe7\x81\xab\xe5\x9c\x9f\"",
                "\"\xe9\x87\x91\xe7\x81\xab\xe5\x9c\x9f\"",
                "\"\xe6\xb0\xb4\xe7\x81\xab\xe6\x9c\xa8\"",
                "\"\xe9\x87\x91\xe7\x81\xab\xe6\x9c\xa8\"");
}

TEST(the_same_edit_of_both_is_made_once)
{
    CHECK_MERGE("text", "\"a b c\"", "\"a X c d\"", "\"z a X c\"", "\"z a X c d\"");
}

TEST(edits_that_touch_keep_both_lines_marked)
{
    CHECK_MERGE("text", "\"a b c\"", "\"a X c\"", "\"a Y c\"",
                "\"<<<<<<< server\\na Y c\\n=======\\na X c\\n>>>>>>> client\"");
    CHECK_MERGE("text", "\"one\\na b c\\ntwo\\n\"", "\"1\\na X c\\ntwo\\n\"",
                "\"one\\na Y c\\n2\\n\"",
                "\"1\\n<<<<<<< server\\na Y c\\n=======\\na X c\\n>>>>>>> client\\n2\\n\"");
    CHECK_MERGE("text", "\"list:\\n\"", "\"list:\\neggs\\n\"", "\"list:\\nbread\\n\"",
                "\"list:\\n<<<<<<< server\\nbread\\n=======\\neggs\\n>>>>>>> client\\n\"");
    CHECK_MERGE("text", "\"a b c\\nd\\n\"", "\"d\\n\"", "\"a b X\\nd\\n\"",
                "\"<<<<<<< server\\na b X\\n=======\\n>>>>>>> client\\nd\\n\"");
    CHECK_MERGE("text", NULL, "\"eggs\"", "\"bread\"",
                "\"<<<<<<< server\\nbread\\n=======\\neggs\\n>>>>>>> client\"");
}

TEST(other_edits_on_a_marked_line_are_within_the_marks)
{
    CHECK_MERGE("text", "\"a b c d e f g\\n\"", "\"A b c X e f g\\n\"", "\"a b c Y e f G\\n\"",
                "\"<<<<<<< server\\na b c Y e f G\\n=======\\nA b c X e f g\\n>>>>>>> client\\n\"");
    CHECK_MERGE("text", "\"l1\\na b c d\\nl3 x\\n\"", "\"l1 A\\nA b X\\nl3 y\\n\"",
                "\"l1\\na b Y d\\nl3 x\\nl4\\n\"",
                "\"l1 A\\n<<<<<<< server\\na b Y d\\n=======\\nA b X\\n>>>>>>> client\\n"
                "l3 y\\nl4\\n\"");
}

TEST(overlapping_edits_may_fall_to_a_rule)
{
    const char *b = "\"x\\na b c\\ny\\n\"";
    const char *o = "\"X\\na O c\\ny\\n\"";
    const char *t = "\"x\\na T c\\nY\\n\"";

    CHECK_MERGE("{\"\":{\"text\":\"server-wins\"}}", b, o, t, "\"X\\na T c\\nY\\n\"");
    CHECK_MERGE("{\"\":{\"text\":\"client-wins\"}}", b, o, t, "\"X\\na O c\\nY\\n\"");
    CHECK_LATER("{\"\":{\"text\":\"last-write-wins\"}}", b, o, t, -1, "\"X\\na O c\\nY\\n\"");
    CHECK_LATER("{\"\":{\"text\":\"last-write-wins\"}}", b, o, t, 1, "\"X\\na T c\\nY\\n\"");
}

TEST(a_sentence_written_anew_is_one_edit)
{
    CHECK_MERGE("{\"\":{\"text\":\"server-wins\"}}", "\"it was a dark, stormy night\"",
                "\"there came a bright, sunny morning\"", "\"it was a dark, stormy evening\"",
                "\"there came a dark, stormy evening\"");
}

TEST(what_is_no_text_falls_to_the_server_and_an_edit_survives_a_removal)
{
    CHECK_MERGE("text", "\"a\"", "7", "\"b\"", "theirs");
    CHECK_MERGE("text", "7", "\"a\"", "\"b\"", "theirs");
    CHECK_MERGE("{\"/t\":\"text\"}", "{\"t\":\"a\"}", "{\"t\":\"b\"}", "{}", "ours");
    CHECK_MERGE("{\"/t\":\"text\"}", "{\"t\":\"a\"}", "{}", "{\"t\":\"b\"}", "theirs");
}

/* Lines that are numbers; every step-th one is changed by one side. */
static void write_lines(struct replica__buf *out, int lines, int step, int at)
{
    replica__buf_char(out, '"');
    for (int i = 0; i < lines; i++)
        replica__buf_printf(out, "%d%s\\n", i * 7919, step && i % step == at ? " changed" : "");
    replica__buf_char(out, '"');
}

TEST(a_long_text_with_many_edits_is_merged)
{
    REPLICA_BUF b = REPLICA_BUF_INIT;
    REPLICA_BUF o = REPLICA_BUF_INIT;
    REPLICA_BUF t = REPLICA_BUF_INIT;
    REPLICA_BUF out = REPLICA_BUF_INIT;
    int changed = 0;

    write_lines(&b, 20000, 0, 0);
    write_lines(&o, 20000, 100, 0);
    write_lines(&t, 20000, 100, 50);
    CHECK_INT(merge_at("text", b.data, o.data, t.data, 0, &out), REPLICA_MERGED_TEXT);
    CHECK(!strstr(out.data, "<<<<"));
    for (const char *at = out.data; (at = strstr(at, "changed")) != NULL; at++)
        changed++;
    CHECK_INT(changed, 400);
}

LONG_TEST(texts_with_more_differences_than_the_bound_are_one_difference)
{
    REPLICA_BUF b = REPLICA_BUF_INIT;
    REPLICA_BUF o = REPLICA_BUF_INIT;
    REPLICA_BUF t = REPLICA_BUF_INIT;
    REPLICA_BUF out = REPLICA_BUF_INIT;
    char *at;

    write_lines(&b, 200000, 0, 0);
    write_lines(&o, 200000, 2, 0);
    write_lines(&t, 200000, 2, 1);
    CHECK_INT(merge_at("text", b.data, o.data, t.data, 0, &out), REPLICA_MERGED_TEXT);
    at = strstr(out.data, "<<<<");
    CHECK(at && !strstr(at + 8, "<<<<"));
}
