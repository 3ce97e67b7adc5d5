/* Numbers by their exact value.
 *
 * A number is taken apart into its significant digits D and a power of ten, 0.DDD * 10^p
 * (decimal.h), without making a number of it: digits are compared as text, so length does not
 * matter, and exponents of any length are only ever subtracted from each other.  Nothing is
 * rounded, and work is linear in the text, also for 1e999999999. */
#include "base/decimal.h"
#include "base/json_internal.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* Exponents beyond this are "huge": no text is long enough to bring their number back. */
#define HUGE_POWER (INT64_C(1) << 60)

enum {
    /* A double's rounding is decided by at most 767 digits and whether anything follows them. */
    DIGITS_OF_A_DOUBLE = 770,
    POWER_OF_A_DOUBLE = 400 /* beyond it lie infinity and zero */
};

static inline bool is_zero(const struct replica__decimal *d)
{
    return d->digits == d->digits_end;
}

static int exponent_digit(const struct replica__decimal *d, size_t from_end)
{
    int digit;

    if (from_end >= d->exponent_len)
        return 0;
    digit = d->exponent[d->exponent_len - 1 - from_end] - '0';
    return d->exponent_negative ? -digit : digit;
}

/* a's exponent less b's, kept within HUGE_POWER.  Once the digits read so far differ by 2 or more,
 * those to come can no longer turn the sign, and only make it larger. */
static int64_t exponent_difference(const struct replica__decimal *a,
                                   const struct replica__decimal *b)
{
    size_t n = a->exponent_len > b->exponent_len ? a->exponent_len : b->exponent_len;
    int64_t difference = 0;

    while (n-- > 0) {
        difference = difference * 10 + exponent_digit(a, n) - exponent_digit(b, n);
        if (difference > HUGE_POWER / 20 || difference < -HUGE_POWER / 20)
            return difference > 0 ? HUGE_POWER : -HUGE_POWER;
    }
    return difference;
}

/* p of 0.DDD * 10^p, kept within 2 * HUGE_POWER. */
static int64_t power(const struct replica__decimal *d)
{
    static const struct replica__decimal zero;

    return exponent_difference(d, &zero) + d->point;
}

/* The next significant digit, or -1. */
static inline int next_digit(const char **at, const char *end)
{
    if (*at < end && **at == '.')
        (*at)++;
    return *at < end ? *(*at)++ - '0' : -1;
}

static int compare_digits(const struct replica__decimal *a, const struct replica__decimal *b)
{
    const char *at_a = a->digits;
    const char *at_b = b->digits;
    int x;
    int y;

    do {
        x = next_digit(&at_a, a->digits_end);
        y = next_digit(&at_b, b->digits_end);
    } while (x == y && x >= 0);
    return x - y;
}

int replica__json_number_compare(struct replica__slice number_a, struct replica__slice number_b)
{
    struct replica__decimal a = replica__decimal_of(number_a);
    struct replica__decimal b = replica__decimal_of(number_b);
    int sign_a = is_zero(&a) ? 0 : a.negative ? -1 : 1;
    int sign_b = is_zero(&b) ? 0 : b.negative ? -1 : 1;
    int64_t larger;
    int order;

    if (sign_a != sign_b || sign_a == 0)
        return sign_a - sign_b;
    larger = exponent_difference(&a, &b) + a.point - b.point;
    order = larger ? (larger > 0) - (larger < 0) : compare_digits(&a, &b);
    return a.negative ? -order : order;
}

bool replica__json_int(struct replica__json_value v, int64_t *ret)
{
    struct replica__decimal d;
    const char *at;
    int64_t places;
    uint64_t n = 0;

    if (v.type != REPLICA_JSON_NUMBER)
        return false;
    d = replica__decimal_of(v.text);
    places = is_zero(&d) ? 0 : power(&d);
    if (places > 19)
        return false;
    for (at = d.digits; places > 0; places--) {
        int digit = next_digit(&at, d.digits_end);

        if (__builtin_mul_overflow(n, 10, &n) ||
            __builtin_add_overflow(n, digit > 0 ? (unsigned)digit : 0, &n))
            return false;
    }
    if (at < d.digits_end || n > (uint64_t)INT64_MAX + d.negative)
        return false; /* a fraction is left, or it is too large */
    *ret = d.negative ? (int64_t)(0 - n) : (int64_t)n;
    return true;
}

/* strtod() is exact, but reads the locale's decimal point: it is given a text without one. */
double replica__json_double(struct replica__json_value v)
{
    char text[DIGITS_OF_A_DOUBLE + 32];
    struct replica__decimal d;
    int64_t p;
    size_t n = 0;
    int saved = errno;
    int digit;
    double x;

    assert(v.type == REPLICA_JSON_NUMBER);
    d = replica__decimal_of(v.text);
    if (is_zero(&d))
        return v.text.data[0] == '-' ? -0.0 : 0.0;
    p = power(&d);
    if (p > POWER_OF_A_DOUBLE)
        return d.negative ? -HUGE_VAL : HUGE_VAL;
    if (p < -POWER_OF_A_DOUBLE)
        return d.negative ? -0.0 : 0.0;
    for (const char *at = d.digits; n < DIGITS_OF_A_DOUBLE; n++) {
        digit = next_digit(&at, d.digits_end);
        if (digit < 0)
            break;
        text[n] = (char)('0' + digit);
        if (n == DIGITS_OF_A_DOUBLE - 1 && at < d.digits_end)
            text[n] = text[n] > '0' ? text[n] : '1'; /* something follows, never mind what */
    }
    snprintf(text + n, sizeof(text) - n, "e%d", (int)(p - (int64_t)n));
    x = strtod(text, NULL);
    errno = saved;
    return d.negative ? -x : x;
}

uint64_t replica__json_number_digest(struct replica__slice number)
{
    struct replica__decimal d = replica__decimal_of(number);
    struct json_hash h = JSON_HASH_INIT;
    int64_t p = is_zero(&d) ? 0 : power(&d);
    int digit;

    /* Sums that may have been cut off are all alike; others are exact. */
    if (p > HUGE_POWER / 40 || p < -HUGE_POWER / 40)
        p = p > 0 ? HUGE_POWER : -HUGE_POWER;
    for (const char *at = d.digits; (digit = next_digit(&at, d.digits_end)) >= 0;)
        json_hash_byte(&h, (unsigned char)digit);
    return json_hash_mix(json_hash_end(&h) ^ d.negative, (uint64_t)p);
}
