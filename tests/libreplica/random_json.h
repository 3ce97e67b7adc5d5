/* Random JSON values, small enough to meet each other, in any spelling. */
#ifndef TESTS_LIBREPLICA_RANDOM_JSON_H
#define TESTS_LIBREPLICA_RANDOM_JSON_H

#include "base/buf.h"
#include "tests/support/clock.h"

static inline size_t random_below(uint64_t *dice, size_t n)
{
    return (size_t)(dice_roll(dice) % n);
}

static inline void random_scalar(uint64_t *dice, struct replica__buf *out)
{
    static const char *const scalars[] = {
        "null", "true", "false", "0", "-0", "1", "1.0", "10e-1", "2", "-1", "1.5", "10", "12345",
        "-12345.678", "1e400", "-1e400", "9007199254740993", "9007199254740992", "1e-30",
        "1e99999999999999999999", "-1e99999999999999999999", "1e-99999999999999999999",
        "\"\"", "\"a\"", "\"\\u0061\"", "\"b\"", "\"ab\"", "\"a\\u0000\"", "\"a\\u0000b\"",
        "\"\\u0000\"", "\"\xC3\xA9\"", "\"\xEE\x80\x80\"", "\"\xF0\x9F\x98\x80\"",
        "\"\\ud83d\\ude00\"", "\"\\ud83d\"", "\"\\ud83d \"", "\"\\ude00\"", "\"\\n\"",
    };

    replica__buf_str(out, scalars[random_below(dice, sizeof(scalars) / sizeof(scalars[0]))]);
}

static inline void random_value(uint64_t *dice, int depth, struct replica__buf *out)
{
    static const char *const names[] = { "a", "b", "c", "\\u0064", "0" };
    size_t what = random_below(dice, 6);
    size_t first = random_below(dice, 5);
    size_t n = random_below(dice, 4);

    if (depth == 0 || what > 2) {
        random_scalar(dice, out);
        return;
    }
    replica__buf_char(out, what == 0 ? '{' : '[');
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            replica__buf_char(out, ',');
        if (what == 0)
            replica__buf_printf(out, "\"%s\":", names[(first + i) % 5]);
        random_value(dice, depth - 1, out);
    }
    replica__buf_char(out, what == 0 ? '}' : ']');
}

#endif
