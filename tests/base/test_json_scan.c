#include "base/alloc.h"
#include "tests/base/json_help.h"
#include "tests/support/fault.h"

#include <stdio.h>
#include <stdlib.h>

static int scan(const char *text, struct replica__json_doc *ret_doc)
{
    size_t pos = 0;

    return replica__json_scan(text, strlen(text), &pos, "id", NULL, ret_doc, &test_err);
}

TEST(what_rfc_8259_calls_json_is_json)
{
    static const char *const texts[] = {
        "{}", "[]", "null", " true ", "\tfalse\r\n", "0", "-0", "-0.0e-0", "1E+2", "\"\"",
        "[1,[2,[]],{}]", "{\"\":{\"a\":[]}}", "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u12aF\"", "\"\x7f\"",
        "\"\xC2\x80\xDF\xBF\xE0\xA0\x80\xED\x9F\xBF\xEE\x80\x80\xF0\x90\x80\x80\xF4\x8F\xBF\xBF\"",
        "\"\\ud800\"", "1e999999999999999999999", "[\"a\" , 1 , {\"b\" : 2 }\n]",
    };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        CHECK_RC(check_text(texts[i]), 0);
}

TEST(what_is_no_json_is_refused_with_its_place)
{
    static const struct {
        const char *text;
        int offset;
        const char *message;
    } bad[] = {
        { "", 0, "expected a value, but the text ends here" },
        { "{\"a\":1", 6, "expected ',' or '}', but the text ends here" },
        { "{\"a\":1,}", 7, "expected a name in quotes" },
        { "{\"a\" 1}", 5, "expected ':'" },
        { "{a:1}", 1, "expected a name in quotes" },
        { "[1 2]", 3, "expected ',' or ']'" },
        { "[1,]", 3, "expected a value" },
        { "[,1]", 1, "expected a value" },
        { "{", 1, "expected a name or '}', but the text ends here" },
        { "[", 1, "expected a value or ']', but the text ends here" },
        { "01", 1, "expected the end of the text" },
        { "[01]", 2, "expected ',' or ']'" },
        { "1.", 2, "expected a digit, but the text ends here" },
        { ".5", 0, "expected a value" },
        { "-", 1, "expected a digit, but the text ends here" },
        { "1e", 2, "expected a digit, but the text ends here" },
        { "1ex", 2, "expected a digit" },
        { "tru", 3, "expected true, but the text ends here" },
        { "nul!", 0, "expected null" },
        { "{} x", 3, "expected the end of the text" },
        { "[1}", 2, "expected ',' or ']'" },
        { "\"abc", 4, "expected '\"', but the text ends here" },
        { "\"a\tb\"", 2, "expected an escape instead of a control character" },
        { "\"0123456789\x01\"", 11, "expected an escape instead of a control character" },
        { "\"\\x\"", 1, "expected an escape of JSON" },
        { "\"\\", 2, "expected an escape, but the text ends here" },
        { "\"\\u12g4\"", 5, "expected four hexadecimal digits" },
        { "\"\\u12", 5, "expected four hexadecimal digits, but the text ends here" },
        { "\xEF\xBB\xBF{}", 0, "expected a value" },
        { "{\"a\":1,\"b\":2,\"a\":3}", 13, "the name \"a\" comes twice in one object" },
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        CHECK_RC(check_text(bad[i].text), REPLICA_EJSON);
        CHECK_STR(test_err.message, bad[i].message);
        CHECK_INT(test_err.offset, bad[i].offset);
    }
}

TEST(invalid_utf8_is_refused_wherever_it_stands)
{
    static const char *const bytes[] = {
        "\x80", "\xBF", "\xC0\x80", "\xC1\xBF", "\xC3", "\xC3(", "\xE0\x9F\xBF", "\xE2\x82",
        "\xE2(\xA1", "\xED\xA0\x80", "\xED\xBF\xBF", "\xF0\x8F\xBF\xBF", "\xF0\x9F\x98",
        "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF", "\xFE",
    };

    for (size_t i = 0; i < sizeof(bytes) / sizeof(bytes[0]); i++) {
        for (int before = 0; before < 20; before++) {
            char text[64];

            snprintf(text, sizeof(text), "\"%.*s%s\"", before, "01234567890123456789", bytes[i]);
            CHECK_RC(check_text(text), REPLICA_EJSON);
            CHECK_INT(test_err.offset, 1 + before);
            CHECK_STR(test_err.message, "expected UTF-8");
        }
    }
}

/* In memory of its own size, so that a sanitizer sees a byte too many. */
TEST(every_beginning_of_a_text_is_refused_without_reading_behind_it)
{
    static const char text[] = "{\"id\":\"\xC3\xA9\xF0\x9F\x98\x80 \\ud83d\\ude00\","
                               "\"n\":[1.5e+3,-0,true,false,null,{}],"
                               "\"long name\":\"0123456789abcdef\"}";

    for (size_t len = 0; len < sizeof(text) - 1; len++) {
        char *part = malloc(len + !len);
        int r;

        memcpy(part, text, len);
        r = replica__json_check(part, len, NULL, &test_err);
        free(part);
        CHECK_RC(r, REPLICA_EJSON);
        CHECK(test_err.offset >= 0 && (size_t)test_err.offset <= len);
    }
    CHECK_RC(check_text(text), 0);
}

TEST(a_nul_byte_is_no_white_space_and_no_end)
{
    CHECK_RC(replica__json_check("{}\0", 3, NULL, &test_err), REPLICA_EJSON);
    CHECK_RC(replica__json_check("\"a\0b\"", 5, NULL, &test_err), REPLICA_EJSON);
}

TEST(names_are_compared_by_what_they_mean)
{
    static const char *const twice[] = {
        "{\"id\":1,\"\\u0069d\":2}",
        "{\"\\u0069d\":1,\"i\\u0064\":2}",
        "{\"\xF0\x9F\x98\x80\":1,\"\\ud83d\\ude00\":2}",
        "{\"a/b\":1,\"a\\/b\":2}",
        "{\"\\n\":1,\"\\u000a\":2}",
        "{\"a long name of many bytes\":1,\"\\u0061 long name of many bytes\":2}",
        "[{\"x\":{\"\":1,\"\":2}}]",
        "{\"\\u0000\":1,\"\\u0000\":2}",
        "{\"\\uD800\":1,\"\\ud800\":2}",
    };

    for (size_t i = 0; i < sizeof(twice) / sizeof(twice[0]); i++) {
        CHECK_RC(check_text(twice[i]), REPLICA_EJSON);
        CHECK(strstr(test_err.message, "comes twice") != NULL);
    }
}

TEST(names_that_only_look_alike_are_two)
{
    CHECK_RC(check_text("{\"a\":1,\"A\":2,\"\":3,\"a \":4,\"\\u0000\":5,\"a\\u0000\":6}"), 0);
    CHECK_RC(check_text("{\"\\ud800\":1,\"\\ud801\":2,\"\xEF\xBF\xBD\":3}"), 0);
    CHECK_RC(check_text("{\"a\":{\"a\":{\"a\":1}},\"b\":{\"a\":1}}"), 0);
    /* the same first and last 8 bytes and the same length: one signature */
    CHECK_RC(check_text("{\"01234567A89abcdef\":1,\"01234567B89abcdef\":2}"), 0);
    CHECK_RC(check_text("{\"01234567A89abcdef\":1,\"01234567A89abcdef\":2}"), REPLICA_EJSON);
}

/* An object of n members; the name of the last one is that of member twin. */
static char *object_with_twins(int n, int twin, const char *format)
{
    struct replica__buf b = REPLICA_BUF_INIT;

    for (int i = 0; i < n; i++) {
        replica__buf_str(&b, i ? ",\"" : "{\"");
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        replica__buf_printf(&b, format, i == n - 1 ? twin : i);
#pragma GCC diagnostic pop
        replica__buf_str(&b, "\":0");
    }
    replica__buf_char(&b, '}');
    return replica__buf_take(&b, NULL);
}

TEST(a_duplicate_is_found_in_objects_of_any_size)
{
    for (int n = 2; n < 300; n += n < 80 ? 1 : 37) {
        for (int twin = 0; twin < n; twin += 1 + n / 9) {
            REPLICA_FREE char *text = object_with_twins(n, twin, "01234567-%d-89abcdef");

            CHECK_RC(check_text(text), twin < n - 1 ? REPLICA_EJSON : 0);
            if (twin < n - 1)
                CHECK_INT(test_err.offset, strrchr(text, ',') + 1 - text);
        }
    }
}

/* Quadratic work would take minutes here, and the test has less. */
TEST(a_hundred_thousand_names_are_no_trouble)
{
    REPLICA_FREE char *fine = object_with_twins(100000, 99999, "%d");
    REPLICA_FREE char *twins = object_with_twins(100000, 7, "01234567-%06d-89abcdef");

    CHECK_RC(check_text(fine), 0);
    CHECK_RC(check_text(twins), REPLICA_EJSON);
    CHECK(strstr(test_err.message, "01234567-000007-89abcdef") != NULL);
}

static char *nested(int depth, const char *open, const char *close)
{
    struct replica__buf b = REPLICA_BUF_INIT;

    for (int i = 0; i < depth; i++)
        replica__buf_str(&b, open);
    replica__buf_str(&b, "1");
    for (int i = 0; i < depth; i++)
        replica__buf_str(&b, close);
    return replica__buf_take(&b, NULL);
}

TEST(depth_is_limited_to_100_to_what_was_asked_and_to_1000)
{
    static const struct {
        int asked;
        int limit;
    } limits[] = { { 0, 100 }, { 3, 3 }, { 1000, 1000 }, { 100000, 1000 } };

    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        struct replica__json_limits asked = { .max_depth = limits[i].asked };
        REPLICA_FREE char *fine = nested(limits[i].limit, "{\"a\":", "}");
        REPLICA_FREE char *deep = nested(limits[i].limit + 1, "[", "]");

        CHECK_RC(replica__json_check(fine, strlen(fine), &asked, &test_err), 0);
        CHECK_RC(replica__json_check(deep, strlen(deep), &asked, &test_err), REPLICA_ELIMIT);
        CHECK_INT(test_err.offset, limits[i].limit);
    }
}

TEST(a_document_may_be_as_large_as_the_limit_and_no_larger)
{
    const char *text = " {\"id\":\"\xC3\xA9\"} "; /* 11 bytes without the blanks */
    size_t len = strlen(text);

    for (size_t max = 1; max < 20; max++) {
        struct replica__json_limits limits = { .max_bytes = max };
        struct replica__json_doc doc = { .deleted = true };
        int want = max >= 11 ? 0 : REPLICA_ELIMIT;
        size_t pos = 0;

        CHECK_RC(replica__json_check(text, len, &limits, &test_err), want);
        CHECK_RC(replica__json_scan(text, len, &pos, "id", &limits, &doc, &test_err), want);
        CHECK_INT(pos, max >= 11 ? 12 : 0);
        CHECK_INT(doc.deleted, max < 11); /* untouched on failure */
        if (want < 0)
            CHECK_INT(test_err.offset, 1 + (int64_t)max);
    }
}

TEST(a_scan_finds_the_key_the_deletion_and_the_reserved_names)
{
    struct replica__json_doc doc;

    CHECK_RC(scan(" { \"x\":{\"id\":\"no\",\"_y\":1},\"id\" : \"a1\" }  tail", &doc), 0);
    CHECK_SLICE(doc.text, "{ \"x\":{\"id\":\"no\",\"_y\":1},\"id\" : \"a1\" }");
    CHECK_SLICE(doc.key, "a1");
    CHECK(!doc.key_escaped && !doc.deleted && !doc.reserved);

    CHECK_RC(scan("{\"_deleted\":true,\"\\u0069d\":\"a\\u0031\"}", &doc), 0);
    CHECK_SLICE(doc.key, "a\\u0031");
    CHECK(doc.key_escaped && doc.deleted && doc.reserved);

    CHECK_RC(scan("{\"id\":\"a\",\"\\u005fdeleted\":false}", &doc), 0);
    CHECK(!doc.key_escaped && !doc.deleted && doc.reserved);

    CHECK_RC(scan("{\"\\u005Fx\":0,\"n\":\"\\n\"}", &doc), 0);
    CHECK(doc.key.data == NULL && !doc.key_escaped && doc.reserved);
}

TEST(a_key_that_is_no_string_is_no_key)
{
    static const char *const texts[] = { "{}", "{\"id\":1}", "{\"id\":null}", "{\"id\":[\"a\"]}",
                                         "{\"id\":{\"id\":\"a\"}}", "{\"ID\":\"a\"}",
                                         "{\"id \":\"a\"}" };
    struct replica__json_doc doc;

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        CHECK_RC(scan(texts[i], &doc), 0);
        CHECK(doc.key.data == NULL);
    }
    CHECK_RC(scan("{\"id\":\"\"}", &doc), 0);
    CHECK(doc.key.data != NULL && doc.key.len == 0);
}

TEST(deleted_is_true_or_false)
{
    static const char *const values[] = { "1", "\"true\"", "null", "[]", "{}" };
    struct replica__json_doc doc;

    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        char text[64];

        snprintf(text, sizeof(text), "{\"_deleted\":%s}", values[i]);
        CHECK_RC(scan(text, &doc), REPLICA_EJSON);
        CHECK_INT(test_err.offset, 12);
        snprintf(text, sizeof(text), "{\"a\":{\"_deleted\":%s}}", values[i]);
        CHECK_RC(scan(text, &doc), 0);
    }
}

TEST(documents_are_scanned_one_after_the_other)
{
    static const char text[] = "[{\"id\":\"a\"} ,{\"id\":\"b\"}]";
    struct replica__json_doc doc;
    size_t pos = 1;

    CHECK_RC(replica__json_scan(text, strlen(text), &pos, "id", NULL, &doc, &test_err), 0);
    CHECK_SLICE(doc.key, "a");
    CHECK_INT(pos, 11);
    pos = 13;
    CHECK_RC(replica__json_scan(text, strlen(text), &pos, NULL, NULL, &doc, &test_err), 0);
    CHECK(doc.key.data == NULL);
    CHECK_SLICE(doc.text, "{\"id\":\"b\"}");
}

TEST(only_an_object_is_a_document)
{
    struct replica__json_doc doc;

    CHECK_RC(scan("[]", &doc), REPLICA_EJSON);
    CHECK_STR(test_err.message, "expected '{'");
    CHECK_RC(scan("  ", &doc), REPLICA_EJSON);
    CHECK_INT(test_err.offset, 2);
}

TEST(offsets_count_from_the_start_of_the_text_that_was_given)
{
    static const char text[] = "{} {\"a\":x}";
    struct replica__json_doc doc;
    size_t pos = 2;

    CHECK_RC(replica__json_scan(text, strlen(text), &pos, NULL, NULL, &doc, &test_err),
             REPLICA_EJSON);
    CHECK_INT(test_err.offset, 8);
    CHECK_INT(pos, 2);
}

TEST(a_failed_allocation_refuses_a_large_object_and_nothing_else)
{
    REPLICA_FREE char *text = object_with_twins(1000, 999, "%d");

    for (int nth = 0, failed = 1; failed; nth++) {
        int r;

        fault_alloc(nth);
        r = check_text(text);
        failed = fault_stop();
        CHECK_RC(r, failed ? REPLICA_ENOMEM : 0);
    }
}

TEST(a_small_document_needs_no_memory)
{
    struct replica__json_doc doc;

    fault_alloc(0);
    CHECK_RC(scan("{\"id\":\"a\",\"b\":[{\"c\":1},{\"c\":2}]}", &doc), 0);
    CHECK(!fault_stop());
}
