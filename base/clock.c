/* The world as it is: the operating system's clocks and dice. */
#include "base/clock.h"

#include "base/os.h"

static int64_t now_ms(void *ctx)
{
    (void)ctx;
    return replica__os_now_ms();
}

static int64_t monotonic_ms(void *ctx)
{
    (void)ctx;
    return replica__os_monotonic_us() / 1000;
}

/* Dice have no way to fail.  Without a source of random bytes the clocks must do: that is good
 * enough to spread retries, and nobody makes a token of it (they ask replica__os_random). */
static uint64_t random64(void *ctx)
{
    uint64_t x;

    (void)ctx;
    if (replica__os_random(&x, sizeof(x)) == 0)
        return x;
    x = (uint64_t)replica__os_monotonic_us() ^ (uint64_t)replica__os_now_ms() << 32;
    x = (x ^ x >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    x = (x ^ x >> 27) * UINT64_C(0x94D049BB133111EB);
    return x ^ x >> 31;
}

const struct replica__world replica__real_world = { now_ms, monotonic_ms, random64, NULL };
