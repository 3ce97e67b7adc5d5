/* How long to wait after a failure. */
#include "replicator/retry.h"
#include "tests/support/clock.h"
#include "tests/support/test.h"

TEST(the_delay_is_drawn_from_zero_to_a_limit_that_doubles)
{
    for (int attempt = 1; attempt <= 9; attempt++) {
        int64_t limit = (int64_t)REPLICA__RETRY_BASE_MS << (attempt - 1);

        limit = limit < REPLICA__RETRY_CAP_MS ? limit : REPLICA__RETRY_CAP_MS;
        CHECK_INT(replica__retry_delay(attempt, 0, 0), 0);
        CHECK_INT(replica__retry_delay(attempt, (uint64_t)limit, 0), limit);
        CHECK_INT(replica__retry_delay(attempt, (uint64_t)limit + 1, 0), 0);
    }
}

TEST(the_limit_never_passes_the_cap_however_often_it_failed)
{
    uint64_t seed = 3;

    for (int attempt = 1; attempt < 2000; attempt++) {
        int64_t delay = replica__retry_delay(attempt, dice_roll(&seed), 0);

        CHECK(delay >= 0);
        CHECK(delay <= REPLICA__RETRY_CAP_MS);
    }
    CHECK(replica__retry_delay(2147483647, UINT64_MAX, 0) <= REPLICA__RETRY_CAP_MS);
}

TEST(the_delays_are_spread_evenly)
{
    uint64_t seed = 5;
    int quarter[4] = { 0 };

    for (int i = 0; i < 4000; i++)
        quarter[replica__retry_delay(30, dice_roll(&seed), 0) * 4 / (REPLICA__RETRY_CAP_MS + 1)]++;
    for (int i = 0; i < 4; i++) {
        CHECK(quarter[i] > 850);
        CHECK(quarter[i] < 1150);
    }
}

TEST(what_the_server_asked_for_comes_before_the_jitter)
{
    CHECK_INT(replica__retry_delay(1, 0, 7000), 7000);
    CHECK_INT(replica__retry_delay(1, 400, 7000), 7400);
}

TEST(what_the_server_asked_for_is_obeyed_up_to_the_cap)
{
    CHECK_INT(replica__retry_delay(1, 0, (int64_t)24 * 3600 * 1000), REPLICA__RETRY_CAP_MS);
    CHECK_INT(replica__retry_delay(1, 500, INT64_MAX / 2), REPLICA__RETRY_CAP_MS);
    CHECK_INT(replica__retry_delay(1, 0, INT64_MAX), REPLICA__RETRY_CAP_MS);
    CHECK_INT(replica__retry_delay(1, 500, INT64_MAX), REPLICA__RETRY_CAP_MS);
}

TEST(nonsense_counts_as_nothing)
{
    CHECK_INT(replica__retry_delay(0, 0, 0), 0);
    CHECK_INT(replica__retry_delay(-5, 1000, 0), 1000);
    CHECK_INT(replica__retry_delay(1, 300, -50), 300);
}
