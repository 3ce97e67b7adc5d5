/* A number of JSON by its significant digits and a power of ten, 0.DDD * 10^p, as they stand in its
 * text: for who compares numbers, or makes keys of them, without making one of it. */
#ifndef BASE_DECIMAL_H
#define BASE_DECIMAL_H

#include "base/json.h"

struct replica__decimal {
    bool negative;
    const char *digits;     /* from the first that is not 0 */
    const char *digits_end; /* behind the last that is not 0; perhaps with a '.' within */
    int64_t point;          /* p, without the exponent */
    bool exponent_negative;
    const char *exponent;   /* its digits, without zeros in front */
    size_t exponent_len;
};

/* Borrowed from the number.  Zeros are all one: they have no digits, no sign, and no exponent. */
struct replica__decimal replica__decimal_of(struct replica__slice number);

#endif
