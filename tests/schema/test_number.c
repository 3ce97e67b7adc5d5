#include "schema/number.h"
#include "tests/support/test.h"

static struct replica__slice slice(const char *text)
{
    return (struct replica__slice){ text, strlen(text) };
}

static bool multiple(const char *number, const char *of)
{
    uint32_t limbs[SCHEMA_DIVISOR_LIMBS] = { 0 };
    struct schema_divisor by;

    CHECK_RC(replica__divisor(slice(of), limbs, &by), 0);
    return replica__number_is_multiple(slice(number), &by);
}

TEST(integers_are_told_by_their_value_not_by_their_spelling)
{
    static const char *const yes[] = { "0", "-0", "0.0", "1.0", "1e3", "1.5e1", "12.30e1", "0e-5",
                                       "100e-2", "1e999999999999999999999", "0.00e-99999999999" };
    static const char *const no[] = { "0.1", "1.5", "1e-1", "1.23e1", "1e-999999999999999999999",
                                      "-0.5", "100.001" };

    for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++)
        CHECK(replica__number_is_integer(slice(yes[i])));
    for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++)
        CHECK(!replica__number_is_integer(slice(no[i])));
}

TEST(multiples_are_exact_where_doubles_are_not)
{
    CHECK(multiple("0.3", "0.1"));
    CHECK(multiple("19.99", "0.01"));
    CHECK(multiple("1.1", "0.1"));
    CHECK(multiple("4.35", "0.01"));
    CHECK(!multiple("0.30000000000000004", "0.1"));
    CHECK(multiple("9007199254740993", "3"));
    CHECK(!multiple("9007199254740992", "3"));
}

TEST(multiples_of_many_digits_and_of_huge_exponents_are_exact)
{
    CHECK(multiple("1e308", "0.5"));
    CHECK(!multiple("1e308", "0.123456789"));
    CHECK(multiple("12391239123", "1e-8"));
    CHECK(multiple("1e999999999999", "1024"));
    CHECK(!multiple("1e999999999999", "3"));
    CHECK(multiple("3e999999999999", "3"));
    CHECK(!multiple("1e-999999999999", "1"));
    /* 123456789012345678901 * 7 */
    CHECK(multiple("864197523086419752307", "123456789012345678901"));
    CHECK(!multiple("864197523086419752308", "123456789012345678901"));
    CHECK(multiple("864197523086419752307e30", "123456789012345678901e-5"));
    /* 2^80: zeros make tens, and tens make twos. */
    CHECK(multiple("1e80", "1208925819614629174706176"));
    CHECK(!multiple("1e79", "1208925819614629174706176"));
    CHECK(multiple("123456789012345678901", "123456789012345678901"));
}

TEST(zero_is_a_multiple_of_everything_and_a_sign_does_not_matter)
{
    CHECK(multiple("0", "7"));
    CHECK(multiple("-0.000", "123456789012345678901"));
    CHECK(multiple("-4.5", "1.5"));
    CHECK(!multiple("-35", "1.5"));
}

TEST(a_divisor_is_above_zero_and_has_an_end)
{
    uint32_t limbs[SCHEMA_DIVISOR_LIMBS] = { 0 };
    struct schema_divisor by;
    char digits[200];

    CHECK_INT(replica__divisor(slice("0"), limbs, &by), REPLICA_ESCHEMA);
    CHECK_INT(replica__divisor(slice("-2"), limbs, &by), REPLICA_ESCHEMA);
    memset(digits, '7', sizeof(digits));
    CHECK_INT(replica__divisor((struct replica__slice){ digits, 181 }, limbs, &by),
              REPLICA_ELIMIT);
    memset(limbs, 0, sizeof(limbs));
    CHECK_INT(replica__divisor((struct replica__slice){ digits, 180 }, limbs, &by), 0);
    CHECK(replica__number_is_multiple((struct replica__slice){ digits, 180 }, &by));
    CHECK(!replica__number_is_multiple((struct replica__slice){ digits, 181 }, &by));
}

TEST(small_numbers_are_read_and_others_are_not)
{
    int64_t n = 0;

    CHECK(replica__number_small(slice("-999999999999999999"), &n) && n == -999999999999999999);
    CHECK(replica__number_small(slice("0"), &n) && n == 0);
    n = 5;
    CHECK(!replica__number_small(slice("1000000000000000000"), &n));
    CHECK(!replica__number_small(slice("1.0"), &n));
    CHECK(!replica__number_small(slice("1e2"), &n));
    CHECK_INT(n, 5);
}
