#include "base/error.h"
#include "tests/support/test.h"

TEST(every_code_has_a_name_of_its_own)
{
    for (int code = REPLICA_EUSER; code < 0; code++) {
        CHECK(strncmp(replica_error_name(code), "REPLICA_E", 9) == 0);
        for (int other = code + 1; other < 0; other++)
            CHECK(strcmp(replica_error_name(code), replica_error_name(other)) != 0);
    }
    CHECK_STR(replica_error_name(REPLICA_ECONFLICT), "REPLICA_ECONFLICT");
    CHECK_STR(replica_error_name(REPLICA_EUSER), "REPLICA_EUSER");
}

TEST(what_is_no_error_of_ours_has_a_name_too)
{
    CHECK_STR(replica_error_name(0), "REPLICA_OK");
    CHECK_STR(replica_error_name(1), "REPLICA_OK");
    CHECK_STR(replica_error_name(REPLICA_ELOCKED - 1), "REPLICA_EUNKNOWN");
}

TEST(setting_an_error_returns_its_code_and_forgets_the_last_one)
{
    replica_error err;

    CHECK_INT(replica__error_at(&err, REPLICA_EJSON, 7, "expected %s", "':'"), REPLICA_EJSON);
    replica__error_where(&err, "%s/%s", "notes", "n1");
    CHECK_INT(err.offset, 7);
    CHECK_STR(err.message, "expected ':'");
    CHECK_STR(err.where, "notes/n1");

    CHECK_INT(replica__error_set(&err, REPLICA_EHTTP, 502, "bad gateway"), REPLICA_EHTTP);
    CHECK_INT(err.detail, 502);
    CHECK_INT(err.offset, -1);
    CHECK_STR(err.where, "");
}

TEST(the_lowest_floor_names_the_place)
{
    replica_error err;

    replica__error_set(&err, REPLICA_EIO, 0, "no");
    replica__error_where(&err, "low");
    replica__error_where(&err, "high");
    CHECK_STR(err.where, "low");
}

TEST(nobody_has_to_ask_for_the_words)
{
    CHECK_INT(replica__error_set(NULL, REPLICA_EIO, 0, "x"), REPLICA_EIO);
    CHECK_INT(replica__error_at(NULL, REPLICA_EJSON, 0, "x"), REPLICA_EJSON);
    replica__error_where(NULL, "x");
    CHECK_INT(replica__enomem(NULL), REPLICA_ENOMEM);
}

/* Characters of 1 to 4 bytes, shifted so that the end of the field meets each byte of them. */
TEST(a_text_that_is_too_long_ends_on_the_edge_of_a_character)
{
    static const char *const characters[] = { "a", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80" };

    for (size_t width = 1; width <= 4; width++) {
        for (size_t shift = 0; shift < 4; shift++) {
            char text[1024] = "xxx";
            replica_error err;
            size_t len;

            text[shift] = '\0';
            while (strlen(text) < 600)
                strcat(text, characters[width - 1]);
            replica__error_set(&err, REPLICA_EIO, 0, "%s", text);
            len = strlen(err.message);
            CHECK(len < sizeof(err.message) && len + width >= sizeof(err.message));
            CHECK_INT((len - shift) % width, 0);
            CHECK_MEM(err.message, len, text, len);
        }
    }
}

TEST(a_cut_text_that_is_no_utf8_is_only_shorter)
{
    replica_error err;
    char text[600];

    memset(text, 0x80, sizeof(text));
    text[sizeof(text) - 1] = '\0';
    replica__error_set(&err, REPLICA_EIO, 0, "%s", text);
    CHECK_INT(strlen(err.message), sizeof(err.message) - 1);
}
