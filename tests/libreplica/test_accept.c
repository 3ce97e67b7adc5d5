/* What is refused, with which code, at which byte, and that nothing was written. */
#include "base/buf.h"
#include "tests/support/store.h"
#include "tests/support/test.h"

#include <stdlib.h>

static void refused(struct store *s, const char *json, size_t len, int code, int64_t offset)
{
    int64_t before = 0, after = 0;

    test_err = (replica_error){ .offset = -1 };
    CHECK_RC(replica_db_sequence(s->db, &before, &test_err), 0);
    CHECK_RC(replica_put(s->coll, json, len, REPLICA_ANY_REV, NULL, NULL, &test_err), code);
    CHECK_INT(test_err.offset, offset);
    CHECK_STR(test_err.where, "notes");
    CHECK_RC(replica_db_sequence(s->db, &after, &test_err), 0);
    CHECK_INT(after, before);
}

TEST(text_that_is_no_object_is_refused)
{
    STORE s = store_empty();

    refused(&s, "", 0, REPLICA_EJSON, 0);
    refused(&s, "[1]", 3, REPLICA_EJSON, 0);
    refused(&s, "  1", 3, REPLICA_EJSON, 2);
    refused(&s, "{\"id\":\"a\"", 9, REPLICA_EJSON, 9);
    refused(&s, "{\"id\":\"a\"} x", 12, REPLICA_EJSON, 11);
    refused(&s, "{\"id\":\"a\"}\0", 11, REPLICA_EJSON, 10);
    refused(&s, "{\"id\":\"a\",\"n\":.5}", REPLICA_NUL, REPLICA_EJSON, 14);
}

TEST(invalid_utf_8_is_refused_at_its_byte)
{
    STORE s = store_empty();

    refused(&s, "{\"id\":\"a\",\"t\":\"\xff\"}", REPLICA_NUL, REPLICA_EJSON, 15);
    refused(&s, "{\"id\":\"a\",\"t\":\"\xed\xa0\x80\"}", REPLICA_NUL, REPLICA_EJSON, 15);
}

TEST(a_key_that_stands_twice_is_refused)
{
    STORE s = store_empty();

    CHECK_RC(replica_put(s.coll, "{\"id\":\"a\",\"n\":1,\"n\":2}", REPLICA_NUL, "*", NULL, NULL,
                         &test_err), REPLICA_EJSON);
    CHECK(test_err.offset > 0);
    CHECK_RC(replica_put(s.coll, "{\"id\":\"a\",\"x\":{\"n\":1,\"\\u006e\":2}}", REPLICA_NUL, "*",
                         NULL, NULL, &test_err), REPLICA_EJSON);
    CHECK(!store_json(&s, "a"));
}

TEST(names_with_a_leading_underscore_are_refused_at_top_level_only)
{
    STORE s = store_empty();

    refused(&s, "{\"id\":\"a\",\"_x\":1}", REPLICA_NUL, REPLICA_EJSON, 11);
    refused(&s, "  {\"id\":\"a\",\"_x\":1}", REPLICA_NUL, REPLICA_EJSON, 13);
    refused(&s, "{\"id\":\"a\",\"\\u005fx\":1}", REPLICA_NUL, REPLICA_EJSON, 11);
    refused(&s, "{\"id\":\"a\",\"_deleted\":true}", REPLICA_NUL, REPLICA_EJSON, 11);
    refused(&s, "{\"id\":\"a\",\"_deleted\":false}", REPLICA_NUL, REPLICA_EJSON, 11);
    store_put(&s, "{\"id\":\"a\",\"x\":{\"_y\":1}}");
}

TEST(a_document_needs_its_key_as_a_string)
{
    STORE s = store_empty();

    refused(&s, "{\"x\":1}", REPLICA_NUL, REPLICA_EJSON, 0);
    refused(&s, "{\"id\":1}", REPLICA_NUL, REPLICA_EJSON, 0);
    refused(&s, "{\"ID\":\"a\"}", REPLICA_NUL, REPLICA_EJSON, 0);
    refused(&s, "{\"x\":{\"id\":\"a\"}}", REPLICA_NUL, REPLICA_EJSON, 0);
    refused(&s, "{\"id\":\"\"}", REPLICA_NUL, REPLICA_EJSON, 7);
}

TEST(u_0000_in_a_key_is_refused)
{
    STORE s = store_empty();

    refused(&s, "{\"id\":\"a\\u0000b\"}", REPLICA_NUL, REPLICA_EJSON, 7);
    refused(&s, "   {\"id\":\"a\\u0000b\"}", REPLICA_NUL, REPLICA_EJSON, 10);
}

TEST(a_key_may_have_1024_bytes_and_no_more)
{
    STORE s = store_empty();
    REPLICA_BUF text = REPLICA_BUF_INIT;
    char key[1026] = "";

    memset(key, 'k', 1024);
    replica__buf_printf(&text, "{\"id\":\"%s\"}", key);
    CHECK_RC(replica_put(s.coll, text.data, text.len, NULL, NULL, NULL, &test_err), 0);
    CHECK_STR(store_json(&s, key), text.data);
    key[1024] = 'k';
    replica__buf_clear(&text);
    replica__buf_printf(&text, " {\"id\":\"%s\"}", key);
    refused(&s, text.data, text.len, REPLICA_ELIMIT, 8);
}

LONG_TEST(a_document_may_have_16_mib_and_no_more)
{
    STORE s = store_empty();
    size_t max = 16 << 20;
    char *text = malloc(max + 2);

    memset(text, 'x', max + 1);
    memcpy(text, "{\"id\":\"a\",\"t\":\"", 15);
    memcpy(text + max - 2, "\"}", 2);
    CHECK_RC(replica_put(s.coll, text, max, "*", NULL, NULL, &test_err), 0);
    memcpy(text + max - 2, "xx", 2);
    memcpy(text + max - 1, "\"}", 2);
    CHECK_RC(replica_put(s.coll, text, max + 1, "*", NULL, NULL, &test_err), REPLICA_ELIMIT);
    CHECK_INT(strlen(store_json(&s, "a")), max);
    free(text);
}

TEST(nesting_may_be_100_deep_and_no_more)
{
    STORE s = store_empty();
    REPLICA_BUF text = REPLICA_BUF_INIT;

    for (int depth = 100; depth <= 101; depth++) {
        replica__buf_clear(&text);
        replica__buf_str(&text, "{\"id\":\"a\",\"x\":");
        for (int i = 1; i < depth; i++)
            replica__buf_char(&text, '[');
        for (int i = 1; i < depth; i++)
            replica__buf_char(&text, ']');
        replica__buf_char(&text, '}');
        CHECK_RC(replica_put(s.coll, text.data, text.len, "*", NULL, NULL, &test_err),
                 depth == 100 ? 0 : REPLICA_ELIMIT);
    }
    CHECK(test_err.offset > 100);
}

TEST(limits_are_options)
{
    replica_db_options opts = REPLICA_DB_OPTIONS_INIT;

    opts.max_document = 20;
    opts.max_key = 3;
    opts.max_depth = 2;
    STORE s = store_open(":memory:", &opts);
    refused(&s, "{\"id\":\"abcd\"}", REPLICA_NUL, REPLICA_ELIMIT, 7);
    CHECK_RC(replica_put(s.coll, "{\"id\":\"a\",\"n\":[[]]}", REPLICA_NUL, NULL, NULL, NULL,
                         &test_err), REPLICA_ELIMIT);
    CHECK_RC(replica_put(s.coll, "{\"id\":\"a\",\"n\":11111111}", REPLICA_NUL, NULL, NULL, NULL,
                         &test_err), REPLICA_ELIMIT);
    CHECK_RC(replica_put(s.coll, "{\"id\":\"abc\"}", REPLICA_NUL, NULL, NULL, NULL, &test_err), 0);
}

TEST(keys_that_differ_only_in_a_lone_surrogate_are_different)
{
    STORE s = store_empty();
    int64_t n = 0;

    store_put(&s, "{\"id\":\"\\ud800\"}");
    store_put(&s, "{\"id\":\"\\ud801\"}");
    CHECK_RC(replica_collection_count(s.coll, &n, &test_err), 0);
    CHECK_INT(n, 2);
    store_sound(&s);
}
