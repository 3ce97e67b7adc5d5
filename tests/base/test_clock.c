#include "base/clock.h"
#include "base/os.h"
#include "tests/support/test.h"

static const struct replica__world *const world = &replica__real_world;

TEST(the_real_world_has_the_clocks_of_the_system)
{
    int64_t before = replica__os_now_ms();
    int64_t now = world->now_ms(world->ctx);

    CHECK(now > INT64_C(1600000000000));
    CHECK(now - before >= -60000 && now - before <= 60000);
}

TEST(the_monotonic_clock_does_not_go_back)
{
    int64_t last = world->monotonic_ms(world->ctx);

    for (int i = 0; i < 1000; i++) {
        int64_t now = world->monotonic_ms(world->ctx);

        CHECK(now >= last);
        last = now;
    }
}

TEST(the_dice_fall_differently_and_use_every_bit)
{
    uint64_t ones = 0;
    uint64_t zeros = 0;
    uint64_t last = world->random(world->ctx);

    for (int i = 0; i < 200; i++) {
        uint64_t x = world->random(world->ctx);

        CHECK(x != last);
        ones |= x;
        zeros |= ~x;
        last = x;
    }
    CHECK(ones == UINT64_MAX && zeros == UINT64_MAX);
}
