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
    uint64_t seed = 1;

    CHECK_INT(replica__retry_delay(1, 0, (int64_t)24 * 3600 * 1000), REPLICA__RETRY_CAP_MS);
    CHECK_INT(replica__retry_delay(1, 0, INT64_MAX), REPLICA__RETRY_CAP_MS);
    CHECK_INT(replica__retry_delay(1, 500, INT64_MAX), REPLICA__RETRY_CAP_MS + 500);
    for (int i = 0; i < 500; i++)
        CHECK(replica__retry_delay(30, dice_roll(&seed), INT64_MAX) <=
              REPLICA__RETRY_CAP_MS + REPLICA__RETRY_CAP_MS / 4);
}

TEST(clients_that_were_told_the_same_time_come_spread_over_a_quarter_of_it)
{
    uint64_t seed = 11;
    int quarter[4] = { 0 };

    for (int i = 0; i < 4000; i++) {
        int64_t delay = replica__retry_delay(1, dice_roll(&seed), 120000) - 120000;

        CHECK(delay >= 0 && delay <= 30000);
        quarter[delay * 4 / 30001]++;
    }
    for (int i = 0; i < 4; i++)
        CHECK(quarter[i] > 850 && quarter[i] < 1150);
}

/* ---- a thousand clients of a server that was away ----------------------------------- */

enum { CLIENTS = 1000, SECONDS = 400 };

/* All of them lose the server in the same moment; how many come in each second after it is there
 * again?  after_ms: what it answers while it is away; 0: nothing. */
static void come_back(int64_t outage_ms, int64_t after_ms, int came[SECONDS])
{
    uint64_t seed = 17;

    for (int i = 0; i < CLIENTS; i++) {
        int64_t at = 0;

        for (int attempt = 1; at <= outage_ms; attempt++)
            at += replica__retry_delay(attempt, dice_roll(&seed), after_ms);
        CHECK((at - outage_ms) / 1000 < SECONDS);
        came[(at - outage_ms) / 1000]++;
    }
}

/* A few stragglers make no mean: the seconds in which nine tenths come count. */
static int seconds_of_most(const int came[SECONDS])
{
    int so_far = 0, seconds = 0;

    while (so_far < CLIENTS * 9 / 10)
        so_far += came[seconds++];
    return seconds;
}

TEST(a_thousand_clients_come_back_spread_out)
{
    static const struct {
        int64_t outage_ms, after_ms;
    } cases[] = { { 10000, 0 },      { 60000, 0 },     { 600000, 0 },
                  { 3600000, 0 },    { 20000, 30000 }, { 600000, 60000 },
                  { 3600000, 600000 } };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int came[SECONDS] = { 0 };
        int mean;

        come_back(cases[i].outage_ms, cases[i].after_ms, came);
        mean = CLIENTS * 9 / 10 / seconds_of_most(came);
        for (int k = 0; k < SECONDS; k++)
            CHECK(came[k] <= 4 * (mean + 1));
    }
}

TEST(nonsense_counts_as_nothing)
{
    CHECK_INT(replica__retry_delay(0, 0, 0), 0);
    CHECK_INT(replica__retry_delay(-5, 1000, 0), 1000);
    CHECK_INT(replica__retry_delay(1, 300, -50), 300);
}
