/* A world that a test winds by hand; see clock.h. */
#include "tests/support/clock.h"

uint64_t dice_roll(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static int64_t now_ms(void *ctx)
{
    return ((struct clock *)ctx)->now_ms;
}

static int64_t monotonic_ms(void *ctx)
{
    return ((struct clock *)ctx)->monotonic_ms;
}

static uint64_t random_bits(void *ctx)
{
    return dice_roll(&((struct clock *)ctx)->state);
}

void clock_start(struct clock *c, int64_t now, uint64_t seed)
{
    *c = (struct clock){
        .world = { now_ms, monotonic_ms, random_bits, c },
        .now_ms = now,
        .monotonic_ms = 1000,
        .state = seed,
    };
}

void clock_pass(struct clock *c, int64_t ms)
{
    c->now_ms += ms;
    c->monotonic_ms += ms;
}
