/* A world in which time passes when the test says so, and the dice have a seed.
 *
 *     struct clock clock;
 *     clock_start(&clock, 1700000000000, 7);
 *     ...hand &clock.world to the code under test...
 *     clock_pass(&clock, 250);
 */
#ifndef TESTS_SUPPORT_CLOCK_H
#define TESTS_SUPPORT_CLOCK_H

#include "base/clock.h"

struct clock {
    struct replica__world world; /* its ctx is this struct: do not copy it */
    int64_t now_ms;              /* set it to let the wall clock jump */
    int64_t monotonic_ms;
    uint64_t state; /* of the dice */
};

void clock_start(struct clock *c, int64_t now_ms, uint64_t seed);
void clock_pass(struct clock *c, int64_t ms); /* both clocks */

/* The next of a sequence that the seed decides (SplitMix64); for tests that throw dice. */
uint64_t dice_roll(uint64_t *state);

#endif
