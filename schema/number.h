/* Numbers as decimals: exact, whatever their size. */
#ifndef SCHEMA_NUMBER_H
#define SCHEMA_NUMBER_H

#include "base/json.h"

/* More digits than that in a multipleOf are refused. */
enum { SCHEMA_DIVISOR_DIGITS = 180, SCHEMA_DIVISOR_LIMBS = 20 };

/* A multipleOf: digits * 10^exponent, without zeros at either end of its digits. */
struct schema_divisor {
    struct replica__slice text; /* data NULL: there is none */
    uint64_t small;             /* its digits, if they are at most 18; else 0 */
    uint32_t *limbs;            /* its digits in base 10^9, the lowest first; in place of small */
    size_t limb_count;
    int64_t exponent;
};

/* limbs: room for SCHEMA_DIVISOR_LIMBS.  REPLICA_ESCHEMA: not above 0; REPLICA_ELIMIT: too many
 * digits. */
int replica__divisor(struct replica__slice number, uint32_t *limbs, struct schema_divisor *ret);
bool replica__number_is_multiple(struct replica__slice number, const struct schema_divisor *by);
/* Is its value an integer? */
bool replica__number_is_integer(struct replica__slice number);
/* true and the value if it is spelled as an integer of at most 18 digits: the common case. */
static inline bool replica__number_small(struct replica__slice number, int64_t *ret)
{
    size_t i = number.data[0] == '-';
    int64_t n = 0;

    if (number.len - i > 18)
        return false;
    for (; i < number.len; i++) {
        unsigned digit = (unsigned)(unsigned char)number.data[i] - '0';

        if (digit > 9)
            return false;
        n = n * 10 + digit;
    }
    *ret = number.data[0] == '-' ? -n : n;
    return true;
}

#endif
