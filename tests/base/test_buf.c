#include "base/alloc.h"
#include "base/buf.h"
#include "base/json.h"
#include "tests/support/fault.h"
#include "tests/support/test.h"

TEST(text_grows_and_always_ends_with_a_nul)
{
    REPLICA_BUF b = REPLICA_BUF_INIT;

    for (size_t i = 1; i <= 1000; i++) {
        replica__buf_char(&b, 'x');
        CHECK_INT(b.len, i);
        CHECK_INT(strlen(b.data), i);
    }
    CHECK_INT(b.r, 0);
}

TEST(numbers_are_decimal_to_both_ends)
{
    REPLICA_BUF b = REPLICA_BUF_INIT;

    replica__buf_int(&b, INT64_MIN);
    replica__buf_char(&b, ' ');
    replica__buf_int(&b, 0);
    replica__buf_char(&b, ' ');
    replica__buf_int(&b, INT64_MAX);
    CHECK_STR(b.data, "-9223372036854775808 0 9223372036854775807");
}

TEST(formatted_text_finds_its_room)
{
    REPLICA_BUF b = REPLICA_BUF_INIT;

    replica__buf_str(&b, "n=");
    replica__buf_printf(&b, "%0*d", 200, 7);
    CHECK_INT(b.len, 202);
    CHECK(b.data[201] == '7' && b.data[202] == '\0');
}

TEST(the_ceiling_can_be_reached_and_not_passed)
{
    REPLICA_BUF b = REPLICA_BUF_INIT;

    b.max = 4;
    replica__buf_str(&b, "abcd");
    CHECK_INT(b.r, 0);
    replica__buf_char(&b, 'e');
    CHECK_INT(b.r, REPLICA_ELIMIT);
    CHECK_STR(b.data, "abcd");
}

TEST(after_a_failure_nothing_is_appended)
{
    REPLICA_BUF b = REPLICA_BUF_INIT;

    b.max = 4;
    replica__buf_str(&b, "abcde");
    replica__buf_str(&b, "a");
    replica__buf_int(&b, 1);
    replica__buf_printf(&b, "%d", 1);
    replica__buf_json_string(&b, "a", 1);
    CHECK(replica__buf_reserve(&b, 1) == NULL);
    CHECK_INT(b.len, 0);
    CHECK_INT(b.r, REPLICA_ELIMIT);
    CHECK(replica__buf_take(&b, NULL) == NULL);
    CHECK_INT(b.r, REPLICA_ELIMIT);

    replica__buf_clear(&b);
    replica__buf_str(&b, "ok");
    CHECK_STR(b.data, "ok");
}

TEST(an_empty_text_can_be_taken)
{
    REPLICA_BUF b = REPLICA_BUF_INIT;
    size_t len = 7;
    REPLICA_FREE char *text = replica__buf_take(&b, &len);

    CHECK_STR(text, "");
    CHECK_INT(len, 0);
}

TEST(what_was_taken_is_gone_from_the_buffer)
{
    REPLICA_BUF b = REPLICA_BUF_INIT;
    REPLICA_FREE char *text = NULL;
    size_t len = 0;

    replica__buf_str(&b, "mine");
    text = replica__buf_take(&b, &len);
    replica__buf_str(&b, "other");
    CHECK_STR(text, "mine");
    CHECK_INT(len, 4);
    CHECK_STR(b.data, "other");
}

TEST(reserved_room_is_there_to_be_written)
{
    REPLICA_BUF b = REPLICA_BUF_INIT;
    char *to = replica__buf_reserve(&b, 3);

    CHECK(to != NULL);
    memcpy(to, "abc", 3);
    b.len += 3;
    replica__buf_char(&b, 'd');
    CHECK_STR(b.data, "abcd");
}

TEST(a_json_string_escapes_what_must_be_and_nothing_else)
{
    REPLICA_BUF b = REPLICA_BUF_INIT;
    static const char text[] = "a\"\\/\b\f\n\r\t\x01\x1f\x7f\0\xC3\xA9";

    replica__buf_json_string(&b, text, sizeof(text) - 1);
    CHECK_STR(b.data, "\"a\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\\u0000\xC3\xA9\"");
}

TEST(a_lone_surrogate_becomes_an_escape_again)
{
    REPLICA_BUF meaning = REPLICA_BUF_INIT;
    REPLICA_BUF b = REPLICA_BUF_INIT;
    static const char spelled[] = "x\\ud800y\\udfffz\xED\x9F\xBF";

    replica__json_unescape((struct replica__slice){ spelled, sizeof(spelled) - 1 }, &meaning);
    replica__buf_json_string(&b, meaning.data, meaning.len);
    CHECK_STR(b.data, "\"x\\ud800y\\udfffz\xED\x9F\xBF\"");
}

TEST(a_failed_allocation_is_remembered_and_the_text_stays)
{
    for (int nth = 0, failed = 1; failed; nth++) {
        REPLICA_BUF b = REPLICA_BUF_INIT;

        fault_alloc(nth);
        for (int i = 0; i < 100; i++)
            replica__buf_str(&b, "0123456789");
        failed = fault_stop();
        CHECK_INT(b.r, failed ? REPLICA_ENOMEM : 0);
        CHECK(failed ? b.len < 1000 : b.len == 1000);
        CHECK(b.len == 0 || strlen(b.data) == b.len);
    }
}
