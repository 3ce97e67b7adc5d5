/* Tokens, and the texts made of them. */
#include "libreplica/token.h"
#include "tests/support/test.h"

TEST(a_token_has_16_characters_and_is_drawn_anew_each_time)
{
    char a[REPLICA__TOKEN_SIZE], b[REPLICA__TOKEN_SIZE];

    CHECK_RC(replica__token_draw(a), 0);
    CHECK_RC(replica__token_draw(b), 0);
    CHECK_INT(strlen(a), 16);
    CHECK_INT(strspn(a, "0123456789abcdefghjkmnpqrstvwxyz"), 16);
    CHECK(strcmp(a, b) != 0);
}

TEST(an_operation_is_written_and_read_back)
{
    static const int64_t numbers[] = { 1, 9, 10, 118, 999999999999, INT64_MAX / 10 };
    char text[REPLICA__OPERATION_SIZE];

    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        size_t token_len = 0, len = replica__operation_write(text, "abc0", numbers[i]);
        int64_t number = 0;

        CHECK_INT(len, strlen(text));
        CHECK(replica__operation_read(text, len, &token_len, &number));
        CHECK_INT(token_len, 4);
        CHECK_INT(number, numbers[i]);
    }
}

TEST(what_is_no_operation_is_not_read)
{
    static const char *const texts[] = { "", ".", "a", "a.", ".1", "a.x", "a.1x", "a.-1", "a.0",
                                         "a b.1", "A.1", "a.1.2", "\xC3\xA4.1",
                                         "a.99999999999999999999" };
    char long_token[80];

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        size_t len = 77;
        int64_t number = 77;

        CHECK(!replica__operation_read(texts[i], strlen(texts[i]), &len, &number));
        CHECK(i == 8 || (len == 77 && number == 77));
    }
    memset(long_token, 'a', 65);
    strcpy(long_token + 65, ".1");
    CHECK(!replica__operation_read(long_token, strlen(long_token), &(size_t){ 0 },
                                   &(int64_t){ 0 }));
    CHECK(replica__operation_read(long_token + 1, strlen(long_token + 1), &(size_t){ 0 },
                                  &(int64_t){ 0 }));
}
