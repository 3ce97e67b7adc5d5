/* Counters: the sum of three numbers, exact however long they are.
 *
 * Digits are added place by place, without carrying, into small integers; then carried once.
 * Numbers whose places lie too far apart (1e999999999 and 1) are not added up: the sum would be all
 * zeros. */
#include "merge/merge.h"
#include "merge/value.h"

#include <string.h>

enum { MAX_PLACES = 4096, MAX_EXPONENT = 1000000000, PLAIN_ZEROS = 21, PLAIN_FRACTION = 6 };

/* digits (with a '.' among them, perhaps) times ten to the power of low, the place of the last
 * one. */
struct decimal {
    int sign; /* 0: it is zero */
    const char *digits, *end;
    int64_t low, high; /* the places that it has: low ... high - 1 */
};

static int64_t read_exponent(const char *at, const char *end)
{
    bool negative = *at == '-';
    int64_t n = 0;

    if (*at == '-' || *at == '+')
        at++;
    for (; at < end; at++)
        if (n <= MAX_EXPONENT)
            n = n * 10 + (*at - '0');
    return negative ? -n : n;
}

static struct decimal take_apart(struct replica__json_value v)
{
    const char *at = v.text.data;
    const char *end = at + v.text.len;
    struct decimal d = { .sign = 1 };
    int64_t count = 0;
    int64_t fraction = 0;
    bool zero = true;
    bool dot = false;

    if (*at == '-') {
        d.sign = -1;
        at++;
    }
    d.digits = at;
    for (; at < end && *at != 'e' && *at != 'E'; at++) {
        dot = dot || *at == '.';
        zero = zero && (*at == '0' || *at == '.');
        count += *at != '.';
        fraction += dot && *at != '.';
    }
    d.end = at;
    d.low = (at < end ? read_exponent(at + 1, end) : 0) - fraction;
    d.high = d.low + count;
    if (zero)
        d.sign = 0;
    return d;
}

struct sum {
    int places[MAX_PLACES + 4];
    int64_t low;
    int n;
    bool negative;
};

static void add(struct sum *s, const struct decimal *d, int sign)
{
    int64_t place = d->low - s->low;

    if (d->sign == 0)
        return;
    for (const char *at = d->end; at > d->digits;) {
        if (*--at != '.')
            s->places[place++] += d->sign * sign * (*at - '0');
    }
}

/* Make digits of the places; > 0: what is left over at the upper end. */
static int carry(struct sum *s)
{
    int over = 0;

    for (int i = 0; i < s->n; i++) {
        int place = s->places[i] + over;

        over = place / 10 - (place % 10 < 0);
        s->places[i] = place - over * 10;
    }
    return over;
}

static void settle(struct sum *s)
{
    if (carry(s) < 0) { /* it is the complement of a negative sum */
        s->negative = true;
        for (int i = 0; i < s->n; i++)
            s->places[i] = -s->places[i];
        carry(s);
    }
    while (s->n > 0 && s->places[s->n - 1] == 0)
        s->n--;
}

static void write_digits(const struct sum *s, int from, int to, struct replica__buf *out)
{
    for (int i = from; i > to; i--)
        replica__buf_char(out, (char)('0' + s->places[i - 1]));
}

static void write(const struct sum *s, struct replica__buf *out)
{
    int last = 0; /* places below it are zeros */
    int64_t point; /* digits before it */

    while (last < s->n && s->places[last] == 0)
        last++;
    if (s->negative)
        replica__buf_char(out, '-');
    point = s->n + s->low;
    if (s->n == 0) {
        replica__buf_char(out, '0');
    } else if (point > 0 && s->low + last >= 0 && point <= PLAIN_ZEROS) {
        write_digits(s, s->n, last, out);
        for (int64_t i = s->low + last; i > 0; i--)
            replica__buf_char(out, '0');
    } else if (point > 0 && s->low + last < 0) {
        write_digits(s, s->n, s->n - (int)point, out);
        replica__buf_char(out, '.');
        write_digits(s, s->n - (int)point, last, out);
    } else if (point <= 0 && point > -PLAIN_FRACTION) {
        replica__buf_str(out, "0.");
        for (int64_t i = point; i < 0; i++)
            replica__buf_char(out, '0');
        write_digits(s, s->n, last, out);
    } else {
        write_digits(s, s->n, s->n - 1, out);
        if (s->n - 1 > last) {
            replica__buf_char(out, '.');
            write_digits(s, s->n - 1, last, out);
        }
        replica__buf_printf(out, "e%s%lld", point > 0 ? "+" : "", (long long)(point - 1));
    }
}

static bool is_number(struct replica__json_value v)
{
    return v.type == REPLICA_JSON_NUMBER || v.type == REPLICA_JSON_NONE;
}

/* One that is absent is 0. */
static struct decimal decimal(struct replica__json_value v)
{
    return v.type == REPLICA_JSON_NUMBER ? take_apart(v) : (struct decimal){ .sign = 0 };
}

/* The places that all of them need; false: too many. */
static bool span(const struct decimal *d, size_t n, struct sum *s)
{
    int64_t low = INT64_MAX;
    int64_t high = INT64_MIN;

    for (size_t i = 0; i < n; i++) {
        if (d[i].sign == 0)
            continue;
        low = d[i].low < low ? d[i].low : low;
        high = d[i].high > high ? d[i].high : high;
    }
    if (low > high) { /* nothing but zeros */
        low = 0;
        high = 0;
    }
    if (high - low > MAX_PLACES || low < -MAX_EXPONENT || high > MAX_EXPONENT)
        return false;
    s->low = low;
    s->n = (int)(high - low) + 2;
    memset(s->places, 0, (size_t)s->n * sizeof(s->places[0]));
    s->negative = false;
    return true;
}

static bool sum_up(struct sum *s, struct replica__json_value a, struct replica__json_value b,
                   struct replica__json_value less)
{
    const struct decimal d[] = { decimal(a), decimal(b), decimal(less) };

    if (!span(d, 3, s))
        return false;
    add(s, &d[0], 1);
    add(s, &d[1], 1);
    add(s, &d[2], -1);
    settle(s);
    return true;
}

bool replica__number_sum(struct replica__json_value a, struct replica__json_value b,
                         struct replica__json_value less, struct replica__buf *out)
{
    struct sum s;

    if (!sum_up(&s, a, b, less))
        return false;
    write(&s, out);
    return true;
}

enum take replica__merge_sum(struct merge *m, const struct three *v, struct slot *slot)
{
    const struct three adding = merge_from_nothing(v, REPLICA_JSON_NUMBER);
    struct sum s;

    if (!is_number(adding.base) || !is_number(v->ours) || !is_number(v->theirs) ||
        !sum_up(&s, v->theirs, v->ours, adding.base))
        return TAKE_THEIRS;
    write(&s, slot_open(slot));
    return TAKE_WRITTEN;
}
