/* Numbers as keys: sign, power of ten, digits, such that the order of the bytes is the order of the
 * values, for any number of digits and any size of the exponent.
 *
 * A number is 0.DDD * 10^p, D its significant digits.  Zero is one byte, 0x80; a positive number
 * has p (in one byte mostly), then two digits to a byte, the last of which is even; a negative one
 * has the same with every bit turned. */
#include "base/decimal.h"
#include "libreplica/query/key_internal.h"

enum {
    ZERO = 0x80,
    /* p from SMALLEST to LARGEST is one byte, from POWER on */
    SMALLEST = -32,
    LARGEST = 64,
    POWER = 0x90,
    /* beyond: 2 bytes, 8 bytes, as many digits as it takes; below SMALLEST the same, bits turned */
    MORE_2 = 0xF1,
    MORE_8 = 0xF2,
    MORE_ANY = 0xF3,
    LESS_2 = 0x8F,
    LESS_8 = 0x8E,
    LESS_ANY = 0x8D,
    DIGITS_OF_INT = 18 /* so many always fit into an int64_t */
};

/* ---- the power ------------------------------------------------------------------- */

static void add_big_endian(struct replica__buf *out, uint64_t x, int bytes)
{
    while (bytes-- > 0)
        replica__buf_char(out, (char)(x >> (8 * bytes)));
}

/* |p| by its decimal digits: how many there are, then they. */
static void add_long_power(struct replica__buf *out, bool negative, const char *digits, size_t n)
{
    size_t from;

    replica__buf_char(out, (char)(negative ? LESS_ANY : MORE_ANY));
    from = out->len;
    add_big_endian(out, n, 8);
    replica__buf_add(out, digits, n);
    if (negative)
        replica__key_invert(out, from);
}

static void add_power(struct replica__buf *out, int64_t p)
{
    uint64_t beyond;

    if (p >= SMALLEST && p <= LARGEST) {
        replica__buf_char(out, (char)(POWER + (p - SMALLEST)));
    } else if (p > LARGEST) {
        beyond = (uint64_t)(p - LARGEST - 1);
        replica__buf_char(out, (char)(beyond <= UINT16_MAX ? MORE_2 : MORE_8));
        add_big_endian(out, beyond, beyond <= UINT16_MAX ? 2 : 8);
    } else {
        beyond = (uint64_t)(SMALLEST - 1 - p);
        replica__buf_char(out, (char)(beyond <= UINT16_MAX ? LESS_2 : LESS_8));
        add_big_endian(out, ~beyond, beyond <= UINT16_MAX ? 2 : 8);
    }
}

static int64_t int_of(const char *digits, size_t n)
{
    int64_t x = 0;

    for (size_t i = 0; i < n; i++)
        x = x * 10 + (digits[i] - '0');
    return x;
}

/* An exponent of any length: point is added digit by digit.  It has more digits than point, so that
 * the sign stays. */
static void add_huge_power(struct replica__buf *out, const struct replica__decimal *d)
{
    int64_t carry = d->exponent_negative ? -d->point : d->point;
    REPLICA_BUF sum = REPLICA_BUF_INIT;
    size_t from = 0;

    replica__buf_char(&sum, '0'); /* for the carry */
    replica__buf_add(&sum, d->exponent, d->exponent_len);
    if (sum.r < 0) {
        if (out->r == 0)
            out->r = sum.r;
        return;
    }
    for (size_t i = sum.len; i-- > 0 && carry != 0;) {
        int64_t x = sum.data[i] - '0' + carry;
        int64_t digit = ((x % 10) + 10) % 10;

        sum.data[i] = (char)('0' + digit);
        carry = (x - digit) / 10;
    }
    while (from < sum.len && sum.data[from] == '0')
        from++;
    if (sum.len - from > DIGITS_OF_INT) {
        add_long_power(out, d->exponent_negative, sum.data + from, sum.len - from);
    } else {
        int64_t p = int_of(sum.data + from, sum.len - from);

        add_power(out, d->exponent_negative ? -p : p);
    }
}

/* Exponents of at most this many digits need no care: the sum stays below 10^DIGITS_OF_INT. */
static void add_power_of(struct replica__buf *out, const struct replica__decimal *d)
{
    int64_t exponent;

    if (d->exponent_len >= DIGITS_OF_INT) {
        add_huge_power(out, d);
        return;
    }
    exponent = int_of(d->exponent, d->exponent_len);
    add_power(out, d->point + (d->exponent_negative ? -exponent : exponent));
}

/* ---- the digits ------------------------------------------------------------------ */

static inline int next_digit(const char **at, const char *end)
{
    if (*at < end && **at == '.')
        (*at)++;
    return *at < end ? *(*at)++ - '0' : 0;
}

static void add_digits(struct replica__buf *out, const char *at, const char *end)
{
    char *start = replica__buf_reserve(out, (size_t)(end - at) / 2 + 1);
    char *to = start;

    if (!to)
        return;
    while (at < end) {
        int tens = next_digit(&at, end);
        int ones = next_digit(&at, end);

        *to++ = (char)((tens * 10 + ones) * 2 + (at < end));
    }
    *to = '\0';
    out->len += (size_t)(to - start);
}

void replica__key_add_number(struct replica__buf *out, struct replica__slice number)
{
    size_t from = out->len;
    struct replica__decimal d = replica__decimal_of(number);

    if (d.digits == d.digits_end) {
        replica__buf_char(out, (char)ZERO);
        return;
    }
    add_power_of(out, &d);
    add_digits(out, d.digits, d.digits_end);
    if (d.negative)
        replica__key_invert(out, from);
}

/* ---- the rest of a division ------------------------------------------------------ */

/* x * 10^n, less all multiples of divisor. */
static uint64_t times_power_of_ten(uint64_t x, int64_t n, uint64_t divisor)
{
    unsigned __int128 power = 10 % divisor;

    for (; n > 0; n >>= 1) {
        if (n & 1)
            x = (uint64_t)(x * power % divisor);
        power = power * power % divisor;
    }
    return x;
}

bool replica__number_rest(struct replica__slice number, int64_t divisor, int64_t *ret)
{
    uint64_t by = divisor < 0 ? 0 - (uint64_t)divisor : (uint64_t)divisor;
    uint64_t rest = 0;
    struct replica__decimal d = replica__decimal_of(number);
    int64_t zeros;

    if (divisor == 0 || d.exponent_len >= DIGITS_OF_INT)
        return false;
    zeros = int_of(d.exponent, d.exponent_len);
    zeros = d.point + (d.exponent_negative ? -zeros : zeros);
    for (const char *at = d.digits; at < d.digits_end; zeros--)
        rest = (uint64_t)(((unsigned __int128)rest * 10 +
                           (unsigned)next_digit(&at, d.digits_end)) % by);
    if (zeros < 0 && d.digits < d.digits_end)
        return false;
    rest = times_power_of_ten(rest, zeros, by);
    *ret = d.negative ? -(int64_t)rest : (int64_t)rest;
    return true;
}
