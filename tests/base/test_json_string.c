#include "base/json_internal.h"
#include "tests/base/json_help.h"
#include "tests/support/fault.h"

TEST(escapes_become_what_they_mean)
{
    REPLICA_BUF b = REPLICA_BUF_INIT;
    static const char meaning[] = "a\"\\/\b\f\n\r\tA\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\0z";

    replica__json_unescape(slice_of("a\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\\u00e9\\u20AC"
                                    "\\uD83D\\uDE00\\u0000z"),
                           &b);
    CHECK_MEM(b.data, b.len, meaning, sizeof(meaning) - 1);
}

TEST(a_lone_surrogate_becomes_three_bytes_of_its_own)
{
    static const struct {
        const char *spelled;
        const char *meaning;
    } cases[] = {
        { "\\ud800", "\xED\xA0\x80" },
        { "\\udfff", "\xED\xBF\xBF" },
        { "\\ud83dx", "\xED\xA0\xBDx" },
        { "\\ud83d\\n", "\xED\xA0\xBD\n" },
        { "\\ud83d\\u0041", "\xED\xA0\xBD\x41" },
        { "\\ud83d\\ud83d\\ude00", "\xED\xA0\xBD\xF0\x9F\x98\x80" },
        { "\\ude00\\ud83d", "\xED\xB8\x80\xED\xA0\xBD" },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        REPLICA_BUF b = REPLICA_BUF_INIT;

        replica__json_unescape(slice_of(cases[i].spelled), &b);
        CHECK_STR(b.data, cases[i].meaning);
    }
}

TEST(text_without_escapes_is_itself)
{
    REPLICA_BUF b = REPLICA_BUF_INIT;

    replica__json_unescape(slice_of(""), &b);
    CHECK_INT(b.len, 0);
    replica__json_unescape(slice_of("plain \xC3\xA9"), &b);
    CHECK_STR(b.data, "plain \xC3\xA9");
}

TEST(a_string_is_the_text_that_it_means)
{
    CHECK(replica__json_string_is(slice_of("id"), "id", REPLICA_NUL));
    CHECK(replica__json_string_is(slice_of("\\u0069d"), "id", REPLICA_NUL));
    CHECK(replica__json_string_is(slice_of(""), "", 0));
    CHECK(replica__json_string_is(slice_of("a\\u0000b"), "a\0b", 3));
    CHECK(!replica__json_string_is(slice_of("a\\u0000b"), "a", 1));
    CHECK(!replica__json_string_is(slice_of("id"), "ID", 2));
    CHECK(!replica__json_string_is(slice_of("id"), "idx", 3));
    CHECK(!replica__json_string_is(slice_of("idx"), "id", 2));
    CHECK(!replica__json_string_is(slice_of("\\u0069dx"), "id", 2));
    CHECK(!replica__json_string_is(slice_of("\\u0069d"), "idx", 3));
}

TEST(strings_are_ordered_by_the_bytes_that_they_mean)
{
    static const char *const ordered[] = { "", "\\u0000", "\\n", "A", "Aa", "a", "a\\u0000", "ab",
                                           "b", "\xC3\xA9", "\\ud800", "\xEF\xBF\xBF",
                                           "\xF0\x9F\x98\x80", "\\uD83D\\uDE01" };
    const size_t n = sizeof(ordered) / sizeof(ordered[0]);

    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < n; k++) {
            int order = replica__json_string_compare(slice_of(ordered[i]), slice_of(ordered[k]));

            CHECK_INT((order > 0) - (order < 0), (i > k) - (i < k));
        }
    }
    CHECK_INT(replica__json_string_compare(slice_of("\\u00e9"), slice_of("\xC3\xA9")), 0);
}

/* Strings of each length before the quote meet the quick way and the slow one. */
TEST(the_closing_quote_is_found_behind_any_escapes)
{
    static const char *const strings[] = { "\\\"", "\\\\", "\\\\\\\"", "\\u0022", "\xC3\xA2", "" };

    for (size_t i = 0; i < sizeof(strings) / sizeof(strings[0]); i++) {
        for (int before = 0; before < 20; before++) {
            REPLICA_BUF b = REPLICA_BUF_INIT;
            size_t closing;

            replica__buf_printf(&b, "%.*s%s", before, "01234567890123456789", strings[i]);
            closing = b.len;
            replica__buf_str(&b, "\",\"0123456789\"");
            CHECK_INT(replica__json_skip_string(b.data, b.data + b.len) - b.data, closing + 1);
        }
    }
}

TEST(a_failed_allocation_is_remembered_by_the_buffer)
{
    REPLICA_BUF b = REPLICA_BUF_INIT;

    fault_alloc(0);
    replica__json_unescape(slice_of("a\\nb"), &b);
    CHECK(fault_stop());
    CHECK_INT(b.r, REPLICA_ENOMEM);
}
