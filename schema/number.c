/* Is a decimal an integer, or a multiple of another?  With both as digits and a power of ten, it is
 * long division, and only the remainder counts. */
#include "schema/number.h"

#include <string.h>

#define LIMB UINT32_C(1000000000)
/* Exponents beyond this are all alike: no text is long enough to bring their number back. */
#define HUGE_EXPONENT (INT64_C(1) << 60)

/* value = digits * 10^exponent; no zeros at either end; n 0: the value is 0. */
struct decimal {
    const char *at; /* with perhaps a '.' within */
    const char *end;
    size_t n;
    int64_t exponent;
};

static int64_t read_exponent(const char *at, const char *end)
{
    bool negative = *at == '-';
    int64_t n = 0;

    if (*at == '-' || *at == '+')
        at++;
    for (; at < end && n < HUGE_EXPONENT / 10; at++)
        n = n * 10 + (*at - '0');
    return negative ? -n : n;
}

static struct decimal take_apart(struct replica__slice number)
{
    struct decimal d = { 0 };
    const char *at = number.data + (number.data[0] == '-');
    const char *end = number.data + number.len;
    const char *last;
    bool fraction = false;

    while (at < end && (*at == '0' || *at == '.'))
        fraction |= *at++ == '.';
    d.at = at;
    d.exponent = 0;
    if (fraction) /* zeros behind the point that come before the first digit */
        d.exponent = -(int64_t)(at - (const char *)memchr(number.data, '.', number.len) - 1);
    for (; at < end && (*at | 0x20) != 'e'; at++) {
        if (*at == '.') {
            fraction = true;
            continue;
        }
        d.n++;
        d.exponent -= fraction;
    }
    last = at;
    if (at < end)
        d.exponent += read_exponent(at + 1, end);
    while (last > d.at && (last[-1] == '0' || last[-1] == '.')) {
        if (*--last == '0') {
            d.n--;
            d.exponent++;
        }
    }
    d.end = last;
    return d;
}

bool replica__number_is_integer(struct replica__slice number)
{
    struct decimal d;

    if (!memchr(number.data, '.', number.len) && !memchr(number.data, 'e', number.len) &&
        !memchr(number.data, 'E', number.len))
        return true;
    d = take_apart(number);
    return d.n == 0 || d.exponent >= 0;
}

/* limbs = limbs * 10 + digit. */
static void push_digit(uint32_t *limbs, size_t *n, unsigned digit)
{
    uint64_t carry = digit;

    for (size_t i = 0; i < *n; i++) {
        carry += (uint64_t)limbs[i] * 10;
        limbs[i] = (uint32_t)(carry % LIMB);
        carry /= LIMB;
    }
    if (carry)
        limbs[(*n)++] = (uint32_t)carry;
}

int replica__divisor(struct replica__slice number, uint32_t *limbs, struct schema_divisor *ret)
{
    struct schema_divisor by = { .text = number, .limbs = limbs };
    struct decimal d = take_apart(number);

    if (d.n == 0 || number.data[0] == '-')
        return REPLICA_ESCHEMA;
    if (d.n > SCHEMA_DIVISOR_DIGITS)
        return REPLICA_ELIMIT;
    by.exponent = d.exponent;
    for (const char *at = d.at; at < d.end; at++) {
        if (*at == '.')
            continue;
        push_digit(limbs, &by.limb_count, (unsigned)(*at - '0'));
        by.small = by.small * 10 + (unsigned)(*at - '0');
    }
    if (d.n > 18)
        by.small = 0;
    *ret = by;
    return 0;
}

/* ---- remainders ------------------------------------------------------------------- */

struct remainder {
    const struct schema_divisor *by;
    uint64_t small;
    uint32_t limbs[SCHEMA_DIVISOR_LIMBS + 1];
    size_t n;
};

static bool at_least(const struct remainder *r)
{
    if (r->n != r->by->limb_count)
        return r->n > r->by->limb_count;
    for (size_t i = r->n; i-- > 0;) {
        if (r->limbs[i] != r->by->limbs[i])
            return r->limbs[i] > r->by->limbs[i];
    }
    return true;
}

static void subtract(struct remainder *r)
{
    uint32_t borrow = 0;

    for (size_t i = 0; i < r->n; i++) {
        uint32_t take = borrow + (i < r->by->limb_count ? r->by->limbs[i] : 0);

        borrow = r->limbs[i] < take;
        r->limbs[i] += borrow ? LIMB - take : -take;
    }
    while (r->n > 0 && r->limbs[r->n - 1] == 0)
        r->n--;
}

static void feed(struct remainder *r, unsigned digit)
{
    if (r->by->small) {
        r->small = (r->small * 10 + digit) % r->by->small;
        return;
    }
    push_digit(r->limbs, &r->n, digit);
    while (at_least(r)) /* at most nine times */
        subtract(r);
}

static bool is_zero(const struct remainder *r)
{
    return r->by->small ? r->small == 0 : r->n == 0;
}

bool replica__number_is_multiple(struct replica__slice number, const struct schema_divisor *by)
{
    struct remainder r = { .by = by };
    struct decimal d = take_apart(number);
    int64_t zeros = d.exponent - by->exponent;

    if (d.n == 0)
        return true;
    if (zeros < 0) /* its last digit lies below the divisor's */
        return false;
    for (const char *at = d.at; at < d.end; at++) {
        if (*at != '.')
            feed(&r, (unsigned)(*at - '0'));
    }
    /* Zeros bring twos and fives; the divisor has fewer than 4 of either for each of its digits,
     * so that more zeros than that change nothing. */
    if (zeros > 4 * SCHEMA_DIVISOR_DIGITS)
        zeros = 4 * SCHEMA_DIVISOR_DIGITS;
    while (zeros-- > 0 && !is_zero(&r))
        feed(&r, 0);
    return is_zero(&r);
}
