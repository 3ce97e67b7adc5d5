#include "base/json_internal.h"
#include "tests/base/json_help.h"
#include "tests/support/clock.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static int order_of(const char *a, const char *b)
{
    int order = replica__json_number_compare(slice_of(a), slice_of(b));

    return (order > 0) - (order < 0);
}

TEST(numbers_are_ordered_by_their_exact_value)
{
    static const char *const ordered[] = {
        "-1e1000000000000000000000", "-9e400", "-1e400", "-10", "-9.99", "-1", "-0.5", "-1e-400",
        "-1e-1000000000000000000000", "0", "1e-1000000000000000000000", "1e-999999999",
        "5e-324", "0.1", "0.10000000000000000000000000000000000000001", "1",
        "1.0000000000000000000000000000000000001", "9", "10", "9007199254740992",
        "9007199254740993", "18446744073709551616", "1e400", "1e401", "1e999999999",
        "1e1000000000000000000000", "2e1000000000000000000000", "1e1000000000000000000001",
    };
    const int n = (int)(sizeof(ordered) / sizeof(ordered[0]));

    for (int i = 0; i < n; i++) {
        for (int k = 0; k < n; k++)
            CHECK_INT(order_of(ordered[i], ordered[k]), (i > k) - (i < k));
    }
}

TEST(spellings_of_one_value_are_equal_and_have_one_digest)
{
    static const char *const same[][4] = {
        { "0", "-0", "0.000e999", "-0e-5" },
        { "1", "1.0", "10e-1", "0.1E+1" },
        { "1e400", "10e399", "0.01e402", "1.000e0400" },
        { "123.45", "12345e-2", "0.0012345e5", "123.4500" },
        { "-100", "-1e2", "-1000e-1", "-0.1e3" },
        { "1e100000000000000000000", "10e99999999999999999999", "0.1e100000000000000000001",
          "100e99999999999999999998" },
        { "1e-100000000000000000000", "0.1e-99999999999999999999", "10e-100000000000000000001",
          "0.01e-99999999999999999998" },
        { "1e57646075230342349", "10e57646075230342348", "0.1e57646075230342350",
          "100e57646075230342347" },
        { "1e28823037615171174", "10e28823037615171173", "0.1e28823037615171175",
          "100e28823037615171172" },
    };

    for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
        for (int a = 0; a < 4; a++) {
            for (int b = 0; b < 4; b++) {
                CHECK_INT(order_of(same[i][a], same[i][b]), 0);
                CHECK(replica__json_number_digest(slice_of(same[i][a])) ==
                      replica__json_number_digest(slice_of(same[i][b])));
            }
        }
    }
}

TEST(long_numbers_are_compared_to_their_last_digit)
{
    REPLICA_BUF a = REPLICA_BUF_INIT;
    REPLICA_BUF b = REPLICA_BUF_INIT;

    for (int i = 0; i < 100000; i++)
        replica__buf_char(&a, (char)('1' + i % 9));
    replica__buf_add(&b, a.data, a.len);
    replica__buf_str(&a, "1");
    replica__buf_str(&b, "2");
    CHECK_INT(order_of(a.data, b.data), -1);
    CHECK_INT(order_of(b.data, a.data), 1);
    replica__buf_str(&a, "e-50000");
    CHECK_INT(order_of(a.data, b.data), -1);
    replica__buf_clear(&b);
    replica__buf_add(&b, a.data, 50001);
    replica__buf_char(&b, '.');
    replica__buf_add(&b, a.data + 50001, 50000);
    CHECK_INT(order_of(a.data, b.data), 0);
}

TEST(an_integer_is_found_in_any_spelling)
{
    static const struct {
        const char *text;
        int64_t n;
    } cases[] = {
        { "0", 0 },
        { "-0", 0 },
        { "0e999999999999", 0 },
        { "1e3", 1000 },
        { "1.5e1", 15 },
        { "10.00", 10 },
        { "1000e-3", 1 },
        { "0.0012e4", 12 },
        { "9223372036854775807", INT64_MAX },
        { "-9223372036854775808", INT64_MIN },
        { "92233720368547758.07e2", INT64_MAX },
        { "1e18", INT64_C(1000000000000000000) },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t n = 77;

        CHECK(replica__json_int(value_of(cases[i].text), &n));
        CHECK_INT(n, cases[i].n);
    }
}

TEST(what_is_no_integer_of_64_bits_is_refused)
{
    static const char *const texts[] = {
        "0.5", "1.5", "-0.1", "1e-1", "0.05", "9223372036854775808", "-9223372036854775809",
        "18446744073709551616", "1e19", "1e999999999999999999999", "1e-999999999999999999999",
        "99999999999999999999", "\"1\"", "null", "9223372036854775807.5",
    };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        int64_t n = 77;

        CHECK(!replica__json_int(value_of(texts[i]), &n));
        CHECK_INT(n, 77);
    }
}

/* The library's own reading in the C locale is the reference. */
TEST(a_double_is_the_one_nearest_to_the_text)
{
    uint64_t dice = 5;

    for (int i = 0; i < 20000; i++) {
        uint64_t bits = dice_roll(&dice);
        char text[64];
        double x;

        memcpy(&x, &bits, sizeof(x));
        if (!isfinite(x))
            continue;
        snprintf(text, sizeof(text), i % 2 ? "%.17g" : "%.25e", x);
        CHECK(replica__json_double(value_of(text)) == x);
    }
}

TEST(the_edges_of_doubles_are_met)
{
    CHECK(replica__json_double(value_of("1e400")) == HUGE_VAL);
    CHECK(replica__json_double(value_of("-1e309")) == -HUGE_VAL);
    CHECK(replica__json_double(value_of("1e-400")) == 0);
    CHECK(signbit(replica__json_double(value_of("-1e-400"))));
    CHECK(signbit(replica__json_double(value_of("-0"))));
    CHECK(replica__json_double(value_of("4.9406564584124654e-324")) > 0);
    CHECK(replica__json_double(value_of("2.4703282292062327e-324")) == 0);
    CHECK(replica__json_double(value_of("1.7976931348623157e308")) < HUGE_VAL);
    CHECK(replica__json_double(value_of("0.1e309")) == 1e308);
}

/* Half way between two doubles, and a digit beyond it behind more digits than any double needs. */
TEST(no_digit_is_too_far_behind_to_decide_the_rounding)
{
    REPLICA_BUF b = REPLICA_BUF_INIT;

    replica__buf_str(&b, "9007199254740993.");
    for (int i = 0; i < 2000; i++)
        replica__buf_char(&b, '0');
    CHECK(replica__json_double(replica__json_value(b.data, b.len)) == 9007199254740992.0);
    replica__buf_char(&b, '1');
    CHECK(replica__json_double(replica__json_value(b.data, b.len)) == 9007199254740994.0);
}

TEST(the_locale_has_no_say_in_numbers)
{
    static const char *const locales[] = { "de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8",
                                           "fr_FR.utf8", "de_DE", "ps_AF.UTF-8" };
    size_t i = 0;

    while (i < sizeof(locales) / sizeof(locales[0]) && !setlocale(LC_ALL, locales[i]))
        i++;
    if (i == sizeof(locales) / sizeof(locales[0]))
        test_skip("no locale with a decimal comma is installed");
    CHECK(replica__json_double(value_of("1.5")) == 1.5);
    setlocale(LC_ALL, "C");
}
