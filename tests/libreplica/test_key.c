#include "libreplica/query/key_internal.h"
#include "tests/libreplica/random_json.h"
#include "tests/support/fault.h"
#include "tests/support/test.h"

#include <stdlib.h>

static struct replica__json_value value_of(const char *text)
{
    return replica__json_value(text, strlen(text));
}

static void add(struct replica__buf *out, const char *text)
{
    struct replica__json_value missing = { .type = REPLICA_JSON_NONE };

    replica__buf_clear(out);
    replica__key_add(out, text[0] ? value_of(text) : missing);
    CHECK_INT(out->r, 0);
}

static int sign(long x)
{
    return (x > 0) - (x < 0);
}

static int order_of(const struct replica__buf *a, const struct replica__buf *b)
{
    size_t len = a->len < b->len ? a->len : b->len;
    int order = memcmp(a->data, b->data, len);

    if (order == 0 && a->len != b->len)
        test_fail(__FILE__, __LINE__, "a key is the beginning of another one");
    return sign(order);
}

/* ---- the order, by hand ---------------------------------------------------------- */

TEST(keys_are_in_the_order_of_their_values)
{
    static const char *const ordered[] = {
        "", "[]", "null", "[null]", "[1,null]", "-1e1000000000000000000001",
        "-1e1000000000000000000000", "-1e300", "-12345", "-100", "-99.5", "-99", "-1.5", "-1",
        "-0.001", "-1e-1000000000000000000000", "0", "[0,5]", "1e-1000000000000000000000",
        "1e-70000", "1e-330", "1e-40", "0.001", "0.01", "0.99", "1", "[1]", "[1,2]", "[3,1,2]",
        "[2,[3],1]", "1.000000000000000000000000000001", "1.01", "1.5", "2", "9", "9.99", "10",
        "11", "99", "100", "101", "12345", "123456", "9007199254740992", "9007199254740993",
        "1e70", "1e300", "1e70000", "1e100000", "9e99999999999999999", "1e999999999999999999",
        "1e1000000000000000000", "1e1000000000000000000000", "2e1000000000000000000000",
        "1e1000000000000000000001", "\"\"", "\"\\u0000\"", "\"\\u0000a\"", "\"\\u0001\"", "\"a\"",
        "[\"a\"]", "\"a\\u0000\"", "\"a\\u0000b\"", "\"aa\"", "\"b\"", "\"\xC3\xA9\"",
        "\"\xED\x9F\xBF\"", "\"\\ud83d\"", "\"\\ud83da\"", "\"\xF0\x9F\x98\x80\"",
        "\"\\ud83d\\ue000\"", "\"\\ude00\"", "\"\xEE\x80\x80\"", "\"\xEF\xBF\xBD\"", "{}",
        "{\"a\":[]}", "{\"a\":[1,5]}", "{\"a\":[2]}", "{\"b\":0,\"a\":0}", "{\"b\":1,\"a\":0}",
        "{\"a\":1,\"b\":0}", "{\"b\":0}", "[{\"b\":0}]", "[[]]", "[[],[]]", "[[1]]", "[[2,1,1]]",
        "[[1,2]]", "false", "[false]", "[false,true]", "true", "[true]",
    };
    const int n = (int)(sizeof(ordered) / sizeof(ordered[0]));
    REPLICA_BUF a = REPLICA_BUF_INIT;
    REPLICA_BUF b = REPLICA_BUF_INIT;

    for (int i = 0; i < n; i++) {
        add(&a, ordered[i]);
        for (int k = 0; k < n; k++) {
            add(&b, ordered[k]);
            if (order_of(&a, &b) != sign(i - k))
                test_fail(__FILE__, __LINE__, "%s and %s", ordered[i], ordered[k]);
        }
    }
}

TEST(values_that_are_equal_have_one_key)
{
    static const char *const same[][3] = {
        { "0", "-0", "0.00e5" },
        { "100", "1e2", "100.000" },
        { "-0.5", "-5e-1", "-0.50" },
        { "1e999999999999999995", "1e+00999999999999999995", "0.00001e1000000000000000000" },
        { "1e-1000000000000000000", "0.1e-999999999999999999", "10e-1000000000000000001" },
        { "\"a\xC3\xA9\"", "\"\\u0061\\u00e9\"", "\"a\\u00E9\"" },
        { "\"\xF0\x9F\x98\x80\"", "\"\\ud83d\\ude00\"", "\"\\uD83D\\uDE00\"" },
        { "[1,2,3]", "[3,2.0,1]", " [ 2 , 1,3 ] " },
        { "{\"a\":1,\"b\":[2,3]}", "{\"b\":[3,2],\"a\":1}", "{ \"\\u0061\" : 1e0, \"b\" : [2,3]}" },
    };
    REPLICA_BUF a = REPLICA_BUF_INIT;
    REPLICA_BUF b = REPLICA_BUF_INIT;

    for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
        add(&a, same[i][0]);
        for (int k = 1; k < 3; k++) {
            add(&b, same[i][k]);
            CHECK_MEM(a.data, a.len, b.data, b.len);
        }
    }
}

/* What is in files stays: docs/format.md. */
TEST(the_bytes_of_keys_are_those_of_the_file_format)
{
    static const struct {
        const char *text, *bytes;
        size_t len;
    } cases[] = {
        { "", "\x10\0", 2 },
        { "[]", "\x14\1", 2 },
        { "null", "\x18\0", 2 },
        { "0", "\x20\x80\0", 3 },
        { "5", "\x20\xB1\x64\0", 4 },
        { "1234", "\x20\xB4\x19\x44\0", 5 },
        { "123", "\x20\xB3\x19\x3C\0", 5 },
        { "-1234", "\x20\x4B\xE6\xBB\0", 5 },
        { "1e64", "\x20\xF1\0\0\x14\0", 6 },
        { "1e-40", "\x20\x8F\xFF\xF9\x14\0", 6 },
        { "1e100000", "\x20\xF2\0\0\0\0\0\1\x86\x60\x14\0", 12 },
        { "\"a\\u0000\"",
          "\x30"
          "a\0\xFF\0\0",
          6 },
        { "\"\xF0\x9F\x98\x80\"", "\x30\xED\xA0\xBD\xED\xB8\x80\0\0", 9 },
        { "{\"b\":1,\"a\":null}",
          "\x40\x30"
          "a\0\x30"
          "b\0\1\x18\x20\xB1\x14\0",
          13 },
        { "[[1],1]", "\x20\xB1\x14\x50\x20\xB1\x14\1\1", 9 },
        { "false", "\x60\0", 2 },
        { "true", "\x61\0", 2 },
    };
    REPLICA_BUF key = REPLICA_BUF_INIT;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        add(&key, cases[i].text);
        CHECK_MEM(key.data, key.len, cases[i].bytes, cases[i].len);
    }
}

TEST(a_key_starts_with_its_class)
{
    static const char *const values[] = { "null", "false", "true", "-5", "\"x\"", "{\"a\":1}" };
    REPLICA_BUF key = REPLICA_BUF_INIT;

    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        add(&key, values[i]);
        CHECK_INT((unsigned char)key.data[0], replica__key_class(value_of(values[i]).type));
    }
}

TEST(a_text_has_the_key_of_the_string_that_means_it)
{
    REPLICA_BUF a = REPLICA_BUF_INIT;
    REPLICA_BUF b = REPLICA_BUF_INIT;

    add(&a, "\"\\u0061\\u0000\\\\\\ud83d\\ude00\"");
    replica__key_add_text(&b, "a\0\\\xF0\x9F\x98\x80", 7);
    CHECK_MEM(a.data, a.len, b.data, b.len);
}

TEST(the_keys_of_strings_with_a_prefix_start_with_its_bytes)
{
    REPLICA_BUF prefix = REPLICA_BUF_INIT;
    REPLICA_BUF key = REPLICA_BUF_INIT;

    replica__key_prefix(&prefix, "ab", 2);
    add(&key, "\"abc\"");
    CHECK(key.len > prefix.len && memcmp(key.data, prefix.data, prefix.len) == 0);
    add(&key, "\"ab\"");
    CHECK(key.len > prefix.len && memcmp(key.data, prefix.data, prefix.len) == 0);
}

/* ---- the order, by a reference --------------------------------------------------- */

static int rank(enum replica__json_type type)
{
    static const int ranks[] = {
        [REPLICA_JSON_NULL] = 2,   [REPLICA_JSON_NUMBER] = 3, [REPLICA_JSON_STRING] = 4,
        [REPLICA_JSON_OBJECT] = 5, [REPLICA_JSON_ARRAY] = 6,  [REPLICA_JSON_FALSE] = 7,
        [REPLICA_JSON_TRUE] = 8
    };

    return ranks[type];
}

static int inner_order(struct replica__json_value a, struct replica__json_value b);

/* A string's UTF-16 code units. */
static size_t units_of(struct replica__json_value v, uint16_t *units)
{
    const char *at = v.text.data + 1;
    const char *end = v.text.data + v.text.len - 1;
    size_t n = 0;

    while (at < end) {
        unsigned char u[4] = { 0 };
        size_t len = 1;
        uint32_t c;

        if (*at == '\\') {
            len = replica__json_decode(&at, end, (char *)u);
        } else {
            len = (unsigned char)*at < 0x80   ? 1
                  : (unsigned char)*at < 0xE0 ? 2
                  : (unsigned char)*at < 0xF0 ? 3
                                              : 4;
            memcpy(u, at, len);
            at += len;
        }
        c = len == 1   ? u[0]
            : len == 2 ? (u[0] & 31u) << 6 | (u[1] & 63u)
            : len == 3 ? (u[0] & 15u) << 12 | (u[1] & 63u) << 6 | (u[2] & 63u)
                       : (u[0] & 7u) << 18 | (u[1] & 63u) << 12 | (u[2] & 63u) << 6 | (u[3] & 63u);
        if (c < 0x10000) {
            units[n++] = (uint16_t)c;
        } else {
            units[n++] = (uint16_t)(0xD800 + ((c - 0x10000) >> 10));
            units[n++] = (uint16_t)(0xDC00 + (c & 0x3FF));
        }
    }
    return n;
}

static int string_order(struct replica__json_value a, struct replica__json_value b)
{
    uint16_t x[64];
    uint16_t y[64];
    size_t n = units_of(a, x);
    size_t m = units_of(b, y);

    for (size_t i = 0; i < n && i < m; i++) {
        if (x[i] != y[i])
            return sign((long)x[i] - y[i]);
    }
    return sign((long)n - (long)m);
}

struct parts {
    struct replica__json_value values[8];
    struct replica__json_value names[8];
    size_t n;
};

static int by_value(const void *a, const void *b)
{
    return inner_order(*(const struct replica__json_value *)a,
                       *(const struct replica__json_value *)b);
}

static struct parts parts_of(struct replica__json_value v)
{
    struct replica__json_iter it = replica__json_iter(v);
    struct parts p = { .n = 0 };

    for (; replica__json_next(&it); p.n++) {
        p.values[p.n] = it.value;
        if (v.type == REPLICA_JSON_OBJECT)
            p.names[p.n] = replica__json_value(it.name.data - 1, it.name.len + 2);
    }
    if (v.type == REPLICA_JSON_ARRAY)
        qsort(p.values, p.n, sizeof(p.values[0]), by_value);
    for (size_t i = 1; v.type == REPLICA_JSON_OBJECT && i < p.n; i++) {
        for (size_t k = i; k > 0 && string_order(p.names[k - 1], p.names[k]) > 0; k--) {
            struct replica__json_value name = p.names[k];
            struct replica__json_value value = p.values[k];

            p.names[k] = p.names[k - 1];
            p.values[k] = p.values[k - 1];
            p.names[k - 1] = name;
            p.values[k - 1] = value;
        }
    }
    return p;
}

static int list_order(const struct replica__json_value *a, size_t n,
                      const struct replica__json_value *b, size_t m)
{
    for (size_t i = 0; i < n && i < m; i++) {
        int order = inner_order(a[i], b[i]);

        if (order)
            return order;
    }
    return sign((long)n - (long)m);
}

static int inner_order(struct replica__json_value a, struct replica__json_value b)
{
    struct parts x;
    struct parts y;
    int order;

    if (a.type != b.type)
        return sign(rank(a.type) - rank(b.type));
    if (a.type == REPLICA_JSON_NUMBER)
        return sign(replica__json_number_compare(a.text, b.text));
    if (a.type == REPLICA_JSON_STRING)
        return string_order(a, b);
    if (a.type != REPLICA_JSON_ARRAY && a.type != REPLICA_JSON_OBJECT)
        return 0;
    x = parts_of(a);
    y = parts_of(b);
    order = a.type == REPLICA_JSON_OBJECT ? list_order(x.names, x.n, y.names, y.n) : 0;
    return order ? order : list_order(x.values, x.n, y.values, y.n);
}

/* An array is met by its smallest element, and comes behind it. */
static int outer_order(struct replica__json_value a, struct replica__json_value b)
{
    struct parts x;
    int order;

    if (b.type == REPLICA_JSON_ARRAY && a.type != REPLICA_JSON_ARRAY)
        return -outer_order(b, a);
    if (a.type != REPLICA_JSON_ARRAY || b.type == REPLICA_JSON_ARRAY)
        return inner_order(a, b);
    x = parts_of(a);
    order = x.n == 0 ? -1 : inner_order(x.values[0], b);
    return order ? order : 1;
}

TEST(the_order_of_random_keys_is_that_of_their_values)
{
    struct replica__buf texts[2] = { REPLICA_BUF_INIT, REPLICA_BUF_INIT };
    struct replica__buf keys[2] = { REPLICA_BUF_INIT, REPLICA_BUF_INIT };
    uint64_t dice = 1;

    for (int round = 0; round < 100000; round++) {
        for (int i = 0; i < 2; i++) {
            replica__buf_clear(&texts[i]);
            random_value(&dice, 3, &texts[i]);
            add(&keys[i], texts[i].data);
        }
        if (order_of(&keys[0], &keys[1]) !=
            outer_order(value_of(texts[0].data), value_of(texts[1].data)))
            test_fail(__FILE__, __LINE__, "round %d: %s and %s", round, texts[0].data,
                      texts[1].data);
    }
    for (int i = 0; i < 2; i++) {
        replica__buf_free(&texts[i]);
        replica__buf_free(&keys[i]);
    }
}

static void random_number(uint64_t *dice, struct replica__buf *out)
{
    static const char *const exponents[] = { "",
                                             "e5",
                                             "e-5",
                                             "E+31",
                                             "e-33",
                                             "e64",
                                             "e70000",
                                             "e-70000",
                                             "e999999999999999998",
                                             "e99999999999999998",
                                             "e-1000000000000000001",
                                             "e1000000000000000000" };
    size_t digits = 1 + random_below(dice, 5);
    size_t dot = random_below(dice, 6);

    replica__buf_str(out, random_below(dice, 2) ? "-" : "");
    replica__buf_str(out, dot == 0 ? "0." : "");
    for (size_t i = 0; i < digits; i++) {
        replica__buf_char(out, (char)('0' + (i == 0 && dot > 0 ? 1 : 0) + random_below(dice, 3)));
        if (i + 1 == dot && i + 1 < digits)
            replica__buf_char(out, '.');
    }
    replica__buf_str(out, exponents[random_below(dice, sizeof(exponents) / sizeof(exponents[0]))]);
}

TEST(the_order_of_random_numbers_is_that_of_their_exact_values)
{
    REPLICA_BUF a = REPLICA_BUF_INIT;
    REPLICA_BUF b = REPLICA_BUF_INIT;
    REPLICA_BUF key_a = REPLICA_BUF_INIT;
    REPLICA_BUF key_b = REPLICA_BUF_INIT;
    uint64_t dice = 2;

    for (int round = 0; round < 200000; round++) {
        replica__buf_clear(&a);
        replica__buf_clear(&b);
        random_number(&dice, &a);
        random_number(&dice, &b);
        add(&key_a, a.data);
        add(&key_b, b.data);
        if (order_of(&key_a, &key_b) !=
            sign(replica__json_number_compare((struct replica__slice){ a.data, a.len },
                                              (struct replica__slice){ b.data, b.len })))
            test_fail(__FILE__, __LINE__, "%s and %s", a.data, b.data);
    }
}

/* ---- the rest -------------------------------------------------------------------- */

TEST(turned_around_keys_are_in_the_other_order)
{
    static const char *const ordered[] = {
        "", "[]", "null", "-1", "1", "[1]", "\"\"", "\"a\"", "\"a\\u0000\"", "\"ab\"", "{}", "false"
    };
    const int n = (int)(sizeof(ordered) / sizeof(ordered[0]));
    REPLICA_BUF a = REPLICA_BUF_INIT;
    REPLICA_BUF b = REPLICA_BUF_INIT;

    for (int i = 0; i < n; i++) {
        for (int k = 0; k < n; k++) {
            add(&a, ordered[i]);
            add(&b, ordered[k]);
            replica__key_invert(&a, 0);
            replica__key_invert(&b, 0);
            CHECK_INT(order_of(&a, &b), sign(k - i));
        }
    }
}

TEST(the_rest_of_a_division_is_exact)
{
    static const struct {
        const char *number;
        int64_t divisor, rest;
    } cases[] = {
        { "7", 2, 1 },
        { "-7", 2, -1 },
        { "7", -2, 1 },
        { "0", 5, 0 },
        { "0e9999999999999999999", 5, 0 },
        { "12.50e1", 100, 25 },
        { "9007199254740993", 2, 1 },
        { "123456789012345678901234567890", 97, 52 },
        { "1e1000", 7, 4 },
        { "-9223372036854775808", 9223372036854775807, -1 },
        { "5", INT64_MIN, 5 },
    };
    int64_t rest;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct replica__slice number = { cases[i].number, strlen(cases[i].number) };

        CHECK(replica__number_rest(number, cases[i].divisor, &rest));
        CHECK_INT(rest, cases[i].rest);
    }
    CHECK(!replica__number_rest((struct replica__slice){ "1.5", 3 }, 2, &rest));
    CHECK(!replica__number_rest((struct replica__slice){ "4", 1 }, 0, &rest));
}

TEST(a_failed_allocation_fails_the_key)
{
    for (int nth = 0, failed = 1; failed; nth++) {
        REPLICA_BUF key = REPLICA_BUF_INIT;

        fault_alloc(nth);
        replica__key_add(&key, value_of("[{\"a\":[1,2],\"b\":\"x\"},1e99999999999999999999]"));
        failed = fault_stop();
        CHECK_INT(key.r, failed ? REPLICA_ENOMEM : 0);
    }
}
