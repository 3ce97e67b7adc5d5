#include "base/decimal.h"

static void take_apart_exponent(const char *at, const char *end, struct replica__decimal *d)
{
    if (*at == '+' || *at == '-')
        d->exponent_negative = *at++ == '-';
    while (at < end && *at == '0')
        at++;
    d->exponent = at;
    d->exponent_len = (size_t)(end - at);
}

struct replica__decimal replica__decimal_of(struct replica__slice number)
{
    struct replica__decimal d = { .negative = number.data[0] == '-' };
    const char *at = number.data + d.negative;
    const char *end = number.data + number.len;
    const char *dot = NULL;
    const char *last;

    while (at < end && (*at == '0' || *at == '.')) {
        if (*at == '.')
            dot = at;
        at++;
    }
    d.digits = at;
    while (at < end && (*at | 0x20) != 'e') {
        if (*at == '.')
            dot = at;
        at++;
    }
    last = at;
    if (at < end)
        take_apart_exponent(at + 1, end, &d);
    if (!dot)
        dot = last;
    while (last > d.digits && (last[-1] == '0' || last[-1] == '.'))
        last--;
    d.digits_end = last;
    d.point = dot >= d.digits ? dot - d.digits : -(d.digits - dot - 1);
    if (d.digits == d.digits_end)
        return (struct replica__decimal){ .negative = false }; /* all zeros are one */
    return d;
}
