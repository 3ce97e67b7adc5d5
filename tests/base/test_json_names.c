#include "base/alloc.h"
#include "base/json_internal.h"
#include "tests/base/json_help.h"
#include "tests/support/clock.h"

static uint64_t signature(const char *spelled)
{
    return replica__json_name(slice_of(spelled)).signature;
}

TEST(a_name_has_one_signature_however_it_is_spelled)
{
    static const char *const pairs[][2] = {
        { "a", "\\u0061" },
        { "abc", "a\\u0062c" },
        { "abcd", "\\u0061bcd" },
        { "abcdefg", "abcdef\\u0067" },
        { "abcdefgh", "\\u0061bcdefgh" },
        { "abcdefghi", "abcd\\u0065fghi" },
        { "a name of more than sixteen bytes", "a name of more than sixteen byte\\u0073" },
        { "\xC3\xA9", "\\u00e9" },
        { "12345\xF0\x9F\x98\x80", "12345\\ud83d\\ude00" },
    };

    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
        CHECK(signature(pairs[i][0]) == signature(pairs[i][1]));
}

TEST(short_names_differ_in_their_signatures)
{
    static const char *const names[] = { "", "\\u0000", "a", "a\\u0000", "aa", "ab", "ba", "aaa",
                                         "aba", "aaaa", "aaba", "aaaaa", "aabaa", "aaaaaaa",
                                         "aaaaaaaa", "aaaaaaaaa", "id", "di" };
    const size_t n = sizeof(names) / sizeof(names[0]);

    for (size_t i = 0; i < n; i++) {
        for (size_t k = i + 1; k < n; k++)
            CHECK(signature(names[i]) != signature(names[k]));
    }
}

TEST(sorted_names_are_in_order_and_all_found)
{
    uint64_t dice = 1;

    for (int n = 0; n < 200; n = n * 2 + 1) {
        REPLICA_BUF b = REPLICA_BUF_INIT;
        REPLICA_FREE struct json_name *names = NULL;
        size_t found = 0;

        replica__buf_char(&b, '{');
        for (int i = 0; i < n; i++)
            replica__buf_printf(&b, "%s\"%d-%u\":0", i ? "," : "", i,
                                (unsigned)dice_roll(&dice));
        replica__buf_char(&b, '}');
        names = replica__json_names(replica__json_iter(replica__json_value(b.data, b.len)), false,
                                    &found);
        CHECK_INT(found, n);
        for (size_t i = 0; i < found; i++) {
            CHECK(i == 0 || replica__json_name_compare(&names[i - 1], &names[i]) < 0);
            CHECK(replica__json_names_find(names, found, &names[i]) == &names[i]);
        }
    }
}

TEST(a_name_that_is_not_there_is_not_found)
{
    struct json_name name = replica__json_name(slice_of("x"));
    struct json_name other = replica__json_name(slice_of("y"));

    CHECK(replica__json_names_find(NULL, 0, &name) == NULL);
    CHECK(replica__json_names_find(&other, 1, &name) == NULL);
}

TEST(reserved_names_can_be_left_out)
{
    struct replica__json_value v = value_of("{\"_a\":1,\"b\":2,\"\\u005fc\":3}");
    REPLICA_FREE struct json_name *names = NULL;
    size_t n = 0;

    names = replica__json_names(replica__json_iter(v), true, &n);
    CHECK_INT(n, 1);
    CHECK_SLICE(names[0].spelled, "b");
}

TEST(a_name_is_reserved_if_it_starts_with_an_underscore_in_any_spelling)
{
    CHECK(json_name_reserved(slice_of("_")));
    CHECK(json_name_reserved(slice_of("_x")));
    CHECK(json_name_reserved(slice_of("\\u005f")));
    CHECK(json_name_reserved(slice_of("\\u005Fx")));
    CHECK(!json_name_reserved(slice_of("")));
    CHECK(!json_name_reserved(slice_of("x_")));
    CHECK(!json_name_reserved(slice_of("\\u0050")));
    CHECK(!json_name_reserved(slice_of("\\u005e")));
    CHECK(!json_name_reserved(slice_of("\\n_")));
    CHECK(!json_name_reserved(slice_of("\\\\u005f")));
}
