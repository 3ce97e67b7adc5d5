/* Stamps: what they follow, and that they never go back. */
#include "libreplica/stamp.h"
#include "tests/support/clock.h"
#include "tests/support/store.h"
#include "tests/support/test.h"

#define NOW INT64_C(1700000000000)
#define HOUR (INT64_C(3600) * 1000)
#define DAY (24 * HOUR)
#define FAR "fedcba9876543210"

/* When the document was written, by its stamp. */
static int64_t written_at(struct store *s, const char *id)
{
    CHECK(store_json(s, id));
    return replica_doc_time(s->shown);
}

static struct store at(struct clock *clock)
{
    struct store s = store_empty();

    clock_start(clock, NOW, 1);
    replica__db_set_world(s.db, &clock->world);
    return s;
}

static void pull_stamped(struct store *s, const char *json, int64_t sequence, int64_t ms)
{
    struct come doc = { .json = json, .sequence = sequence, .stamp = ms << 16,
                        .writer = FAR ".1" };

    CHECK_RC(store_pull(s, NULL, &doc, 1), 0);
    CHECK_INT(doc.outcome, REPLICA__PULLED_WRITTEN);
}

TEST(what_the_file_has_seen_outlives_a_restart_though_the_clock_went_back)
{
    struct clock clock;
    STORE s = at(&clock);

    store_put(&s, "{\"id\":\"a\"}");
    CHECK_INT(written_at(&s, "a"), NOW);
    clock.now_ms = NOW - HOUR;
    STORE again = store_open(s.path, NULL);
    replica__db_set_world(again.db, &clock.world);
    store_put(&again, "{\"id\":\"b\"}");
    CHECK_INT(written_at(&again, "b"), NOW);
    CHECK(store_sql_int(&s, "SELECT max(stamp) = (SELECT stamp FROM doc WHERE id = 'b') FROM doc"));
}

TEST(another_handle_follows_to_a_second)
{
    struct clock clock;
    STORE s = at(&clock);

    STORE other = store_open(s.path, NULL);
    replica__db_set_world(other.db, &clock.world);
    store_put(&other, "{\"id\":\"a\"}");
    clock.now_ms = NOW + HOUR;
    store_put(&s, "{\"id\":\"b\"}");
    clock.now_ms = NOW + HOUR + 999; /* not worth a note */
    store_put(&s, "{\"id\":\"c\"}");
    clock.now_ms = NOW;
    store_put(&other, "{\"id\":\"d\"}");
    CHECK_INT(written_at(&other, "d"), NOW + HOUR);
}

TEST(a_commit_that_moves_the_clock_by_less_than_a_second_writes_no_note)
{
    struct clock clock;
    STORE s = at(&clock);
    int64_t noted;

    store_put(&s, "{\"id\":\"a\"}");
    noted = store_sql_int(&s, "SELECT value FROM number WHERE name = 'stamp'");
    CHECK_INT(noted >> 16, NOW);
    clock.now_ms += 999;
    store_put(&s, "{\"id\":\"b\"}");
    CHECK_INT(store_sql_int(&s, "SELECT value FROM number WHERE name = 'stamp'"), noted);
    clock.now_ms += 1;
    store_put(&s, "{\"id\":\"c\"}");
    CHECK_INT(store_sql_int(&s, "SELECT value FROM number WHERE name = 'stamp'") >> 16, NOW + 1000);
}

TEST(what_is_pulled_is_followed_up_to_a_minute_ahead)
{
    struct clock clock;
    STORE s = at(&clock);

    store_replicate(&s, "r1");
    pull_stamped(&s, "{\"id\":\"a\"}", 5, NOW + 60 * 1000);
    store_put(&s, "{\"id\":\"b\"}");
    CHECK_INT(written_at(&s, "b"), NOW + 60 * 1000);
}

TEST(a_peer_a_day_ahead_has_its_way_with_its_document_and_not_with_the_others)
{
    struct clock clock;
    STORE s = at(&clock);

    store_replicate(&s, "r1");
    pull_stamped(&s, "{\"id\":\"a\"}", 5, NOW + DAY);
    CHECK_INT(written_at(&s, "a"), NOW + DAY);
    store_put(&s, "{\"id\":\"a\",\"n\":1}");
    CHECK_INT(written_at(&s, "a"), NOW + DAY);
    CHECK_INT(store_sql_int(&s, "SELECT stamp & 65535 FROM doc WHERE id = 'a'"), 1);
    store_put(&s, "{\"id\":\"b\"}");
    CHECK_INT(written_at(&s, "b"), NOW);
}

TEST(a_clock_that_lags_or_runs_ahead_gives_way_to_the_servers)
{
    struct clock clock;
    STORE s = at(&clock);

    replica__db_server_time(s.db, NOW + HOUR);
    clock_pass(&clock, 5000);
    store_put(&s, "{\"id\":\"a\"}");
    CHECK_INT(written_at(&s, "a"), NOW + HOUR + 5000);
    clock_pass(&clock, 5000);
    replica__db_server_time(s.db, NOW + HOUR + 9000);
    store_replicate(&s, "r1");
    pull_stamped(&s, "{\"id\":\"c\"}", 5, NOW + HOUR + 30 * 1000);
    store_put(&s, "{\"id\":\"d\"}");
    CHECK_INT(written_at(&s, "d"), NOW + HOUR + 30 * 1000);
    clock.now_ms = NOW + DAY;
    replica__db_server_time(s.db, NOW + 2 * HOUR);
    store_put(&s, "{\"id\":\"e\"}");
    CHECK_INT(written_at(&s, "e"), NOW + 2 * HOUR);
}

TEST(a_clock_within_a_minute_of_the_servers_is_its_own_master)
{
    struct clock clock;
    STORE s = at(&clock);

    replica__db_server_time(s.db, NOW + 60 * 1000);
    store_put(&s, "{\"id\":\"a\"}");
    CHECK_INT(written_at(&s, "a"), NOW);
}

TEST(the_programs_handle_knows_what_the_runners_was_told)
{
    struct clock clock;
    STORE s = at(&clock);
    replica_db *runner = NULL;

    CHECK_RC(replica__db_open_sibling(s.db, &runner, &test_err), 0);
    replica__db_server_time(runner, NOW - DAY);
    store_put(&s, "{\"id\":\"a\"}");
    CHECK_INT(written_at(&s, "a"), NOW - DAY);
    replica_db_close(runner);
}

TEST(what_was_stamped_a_day_ahead_is_forgotten_when_a_server_tells_the_time)
{
    struct clock clock;
    STORE s = at(&clock);

    clock.now_ms = NOW + DAY;
    store_put(&s, "{\"id\":\"a\"}");
    CHECK_INT(written_at(&s, "a"), NOW + DAY);
    replica__db_server_time(s.db, NOW);
    store_put(&s, "{\"id\":\"b\"}");
    CHECK_INT(written_at(&s, "b"), NOW);
    STORE again = store_open(s.path, NULL);
    clock.now_ms = NOW;
    replica__db_set_world(again.db, &clock.world);
    store_put(&again, "{\"id\":\"c\"}");
    CHECK_INT(written_at(&again, "c"), NOW);
}

TEST(after_a_step_of_our_clock_or_a_sleep_it_is_trusted_again)
{
    struct clock clock;
    STORE s = at(&clock);

    replica__db_server_time(s.db, NOW - DAY);
    clock.now_ms = NOW + HOUR; /* and the monotonic one has not moved */
    store_put(&s, "{\"id\":\"a\"}");
    CHECK_INT(written_at(&s, "a"), NOW + HOUR);
    CHECK_INT(replica__stamp_bound(s.db, (NOW + DAY) << 16) >> 16, NOW + HOUR + 60 * 1000);
}

TEST(what_a_clock_a_day_ahead_wrote_yesterday_is_not_the_newest_today)
{
    struct clock clock;
    STORE s = at(&clock);

    store_put(&s, "{\"id\":\"a\"}"); /* at NOW; by the server's clock, a day before */
    clock_pass(&clock, HOUR);
    replica__db_server_time(s.db, NOW - DAY + HOUR);
    CHECK_INT(replica__stamp_bound(s.db, NOW << 16) >> 16, NOW - DAY);
    /* Not explained by our clock as it is: no later than now. */
    CHECK_INT(replica__stamp_bound(s.db, (NOW + DAY) << 16) >> 16, NOW - DAY + HOUR + 60 * 1000);
    /* A clock that is behind explains nothing. */
    replica__db_server_time(s.db, NOW + DAY);
    CHECK_INT(replica__stamp_bound(s.db, NOW << 16) >> 16, NOW);
}

TEST(a_server_that_tells_no_possible_time_is_not_believed)
{
    struct clock clock;
    STORE s = at(&clock);

    replica__db_server_time(s.db, -5);
    replica__db_server_time(s.db, 0);
    replica__db_server_time(s.db, INT64_MAX);
    store_put(&s, "{\"id\":\"a\"}");
    CHECK_INT(written_at(&s, "a"), NOW);
}

TEST(a_write_that_fails_forgets_what_it_would_have_noted)
{
    struct clock clock;
    STORE s = at(&clock);
    replica_bundle *bundle = NULL;

    store_put(&s, "{\"id\":\"a\"}");
    clock.now_ms = NOW + HOUR;
    CHECK_RC(replica_bundle_begin(s.db, &bundle, &test_err), 0);
    CHECK_RC(replica_bundle_put(bundle, s.coll, "{\"id\":\"b\"}", REPLICA_NUL, NULL, &test_err), 0);
    CHECK_RC(replica_bundle_put(bundle, s.coll, "{\"id\":\"a\"}", REPLICA_NUL, NULL, &test_err), 0);
    CHECK_RC(replica_bundle_commit(bundle, NULL, &test_err), REPLICA_ECONFLICT);
    CHECK_INT(store_sql_int(&s, "SELECT value FROM number WHERE name = 'stamp'") >> 16, NOW);
    store_put(&s, "{\"id\":\"c\"}");
    CHECK_INT(store_sql_int(&s, "SELECT value FROM number WHERE name = 'stamp'") >> 16, NOW + HOUR);
}
