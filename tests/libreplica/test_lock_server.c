/* The rows of a server's locks, as the session sees them: what is asked, and what answers do. */
#include "libreplica/db.h"
#include "libreplica/lock.h"
#include "tests/support/clock.h"
#include "tests/support/fault.h"
#include "tests/support/store.h"
#include "tests/support/test.h"

#include <stdio.h>

#define T0 INT64_C(1700000000000)

static struct clock now;

static struct store replicated(struct store s)
{
    clock_start(&now, T0, 1);
    replica__db_set_world(s.db, &now.world);
    store_replicate(&s, "r1");
    return s;
}

/* A row on n1: state, until and server_until as ms from now; server_until < 0: the server did not
 * give it. */
static void row(struct store *s, int state, int until, int server_until)
{
    char sql[400], server[60] = "NULL, NULL";

    if (server_until >= 0)
        snprintf(server, sizeof server, "7, %lld", (long long)(now.now_ms + server_until));
    snprintf(sql, sizeof sql,
             "INSERT OR REPLACE INTO lock(coll, key, holder, name, fence, ttl, until, replication,"
             " server_fence, server_until, state) VALUES((SELECT id FROM collection WHERE name ="
             " 'notes'), 'n1', 'h', 'alice', 3, 30000, %lld, (SELECT id FROM replication), %s, %d)",
             (long long)(now.now_ms + until), server, state);
    store_sql(s, sql);
}

static int state(struct store *s)
{
    return (int)store_sql_int(s, "SELECT state FROM lock WHERE key = 'n1'");
}

/* The next question: "lock", "renew", "unlock", or "" and when to look again. */
static const char *next(struct store *s, bool online, struct replica__lock_job *job, int64_t *wait)
{
    static const char *const names[] = { "lock", "renew", "unlock" };
    int r = 0;

    replica__lock_job_free(job);
    *wait = 0;
    for (int i = 0; i < 10 && r == 0 && *wait == 0; i++)
        r = replica__lock_next(s->repl, online, job, wait, &test_err);
    CHECK(r >= 0);
    return r > 0 ? names[job->deed] : "";
}

static void answer(struct store *s, const struct replica__lock_job *job,
                   struct replica__lock_told told)
{
    CHECK_RC(replica__lock_answered(s->repl, job, &told, &test_err), 0);
}

#define JOB __attribute__((cleanup(replica__lock_job_free))) struct replica__lock_job

TEST(what_is_wanted_is_asked_for_and_what_comes_is_written_down)
{
    STORE s = replicated(store_empty());
    JOB job = { .key = NULL };
    int64_t wait;

    row(&s, 4, 15000, -1);
    CHECK_STR(next(&s, true, &job, &wait), "lock");
    CHECK_STR(job.key, "n1");
    CHECK_STR(job.name, "alice");
    CHECK(job.coll == s.coll && job.ttl == 30000);
    answer(&s, &job, (struct replica__lock_told){ REPLICA__LOCK_GOT, 9, T0 + 30000, "" });
    CHECK_INT(state(&s), 1);
    CHECK_INT(store_sql_int(&s, "SELECT server_fence FROM lock"), 9);
    CHECK_INT(store_sql_int(&s, "SELECT until FROM lock"), T0 + 30000);
}

TEST(who_wants_it_is_told_why_not)
{
    static const struct {
        int what, state;
    } ways[] = { { REPLICA__LOCK_REFUSED, 6 }, { REPLICA__LOCK_NO_ANSWER, 7 },
                 { REPLICA__LOCK_HAS_NONE, 8 } };

    for (int i = 0; i < 3; i++) {
        STORE s = replicated(store_empty());
        JOB job = { .key = NULL };
        struct replica__lock_told told = { .until = T0 + 500, .name = "bob" };
        int64_t wait;

        told.what = ways[i].what;
        row(&s, 4, 15000, -1);
        CHECK_STR(next(&s, true, &job, &wait), "lock");
        answer(&s, &job, told);
        CHECK_INT(state(&s), ways[i].state);
        CHECK_STR(next(&s, true, &job, &wait), "");
    }
}

TEST(without_network_who_wants_it_is_told_and_what_is_provisional_stays)
{
    STORE s = replicated(store_empty());
    JOB job = { .key = NULL };
    int64_t wait;

    row(&s, 4, 15000, -1);
    CHECK_STR(next(&s, false, &job, &wait), "");
    CHECK_INT(state(&s), 7);
    row(&s, 2, 30000, -1);
    CHECK_STR(next(&s, false, &job, &wait), "");
    CHECK_INT(state(&s), 2);
    CHECK_STR(next(&s, true, &job, &wait), "lock");
    CHECK(job.provisional);
    answer(&s, &job, (struct replica__lock_told){ REPLICA__LOCK_REFUSED, 0, T0 + 9, "bob" });
    CHECK_INT(state(&s), 3);
}

TEST(a_lock_is_renewed_when_a_third_of_its_time_is_over)
{
    STORE s = replicated(store_empty());
    JOB job = { .key = NULL };
    int64_t wait;

    row(&s, 1, 30000, 30000);
    CHECK_STR(next(&s, true, &job, &wait), "");
    CHECK_INT(wait, 10000);
    clock_pass(&now, 10000);
    CHECK_STR(next(&s, true, &job, &wait), "renew");
    CHECK_INT(job.server_fence, 7);
    answer(&s, &job, (struct replica__lock_told){ REPLICA__LOCK_GOT, 7, T0 + 40000, "" });
    CHECK_INT(store_sql_int(&s, "SELECT server_until FROM lock"), T0 + 40000);
    clock_pass(&now, 11000);
    CHECK_STR(next(&s, true, &job, &wait), "renew");
    answer(&s, &job, (struct replica__lock_told){ REPLICA__LOCK_REFUSED, 0, 0, "" });
    CHECK_INT(state(&s), 3);
}

TEST(a_lock_ends_here_before_it_ends_at_the_server)
{
    STORE s = replicated(store_empty());
    JOB job = { .key = NULL };
    int64_t wait;

    row(&s, 1, 30000, 100);
    clock_pass(&now, 100);
    CHECK_STR(next(&s, false, &job, &wait), "");
    CHECK_INT(state(&s), 3);
}

TEST(what_a_handle_that_died_held_is_given_back)
{
    STORE s = replicated(store_empty());
    JOB job = { .key = NULL };
    int64_t wait;

    row(&s, 1, 50, 20000);
    clock_pass(&now, 60);
    CHECK_STR(next(&s, true, &job, &wait), "unlock"); /* n1 was never written */
    CHECK_INT(state(&s), 5);
    answer(&s, &job, (struct replica__lock_told){ .what = REPLICA__LOCK_NO_ANSWER });
    CHECK_INT(state(&s), 5);
    CHECK_STR(next(&s, true, &job, &wait), "unlock");
    answer(&s, &job, (struct replica__lock_told){ .what = REPLICA__LOCK_REFUSED });
    CHECK_INT(state(&s), 0);
    CHECK_INT(store_sql_int(&s, "SELECT fence FROM lock"), 3); /* the number stays */
}

TEST(a_lock_stays_at_the_server_until_what_was_written_has_arrived)
{
    STORE s = replicated(store_empty());
    JOB job = { .key = NULL };
    PAGE page = { 0 };
    int64_t wait;

    store_put(&s, "{\"id\":\"n1\"}");
    row(&s, 5, 30000, 20000);
    CHECK_STR(next(&s, true, &job, &wait), "renew"); /* it is dirty, and a third is over */
    replica__lock_job_free(&job);
    CHECK_INT(store_push(&s, &page), 1);
    CHECK_RC(replica__lock_fences(s.repl, &page, &test_err), 0);
    CHECK_INT(page.rows[0].fence, 7);
    CHECK_RC(store_judge(&s, &page, REPLICA_VERDICT_TAKEN, 1, NULL), 0);
    CHECK_STR(next(&s, true, &job, &wait), "unlock");
}

TEST(the_number_of_a_lost_lock_goes_with_what_was_written_under_it)
{
    STORE s = replicated(store_empty());
    JOB job = { .key = NULL };
    PAGE page = { 0 };
    int64_t wait;

    store_put(&s, "{\"id\":\"n1\"}");
    row(&s, 5, 10, 10);
    clock_pass(&now, 20);
    CHECK_STR(next(&s, true, &job, &wait), "");
    CHECK_INT(state(&s), 3);
    CHECK_INT(store_push(&s, &page), 1);
    CHECK_RC(replica__lock_fences(s.repl, &page, &test_err), 0);
    CHECK_INT(page.rows[0].fence, 7);
    CHECK_RC(store_judge(&s, &page, REPLICA_VERDICT_REFUSED, 0, NULL), 0);
    CHECK_STR(next(&s, true, &job, &wait), "");
    CHECK_INT(state(&s), 0); /* set aside: what comes next is written anew */
}

TEST(what_was_given_back_while_it_was_asked_for_goes_back_to_the_server)
{
    STORE s = replicated(store_empty());
    JOB job = { .key = NULL };
    int64_t wait;

    row(&s, 4, 15000, -1);
    CHECK_STR(next(&s, true, &job, &wait), "lock");
    store_sql(&s, "UPDATE lock SET state = 0, holder = NULL, replication = NULL");
    answer(&s, &job, (struct replica__lock_told){ REPLICA__LOCK_GOT, 9, T0 + 30000, "" });
    replica__lock_job_free(&job);
    CHECK_STR(next(&s, true, &job, &wait), "unlock");
    CHECK_INT(job.server_fence, 9);
}

TEST(removing_a_replication_lets_go_of_its_locks)
{
    STORE s = replicated(store_empty());

    row(&s, 1, 30000, 30000);
    replica__replication_close(s.repl);
    s.repl = NULL;
    CHECK_RC(replica__replication_remove(s.db, "r1", &test_err), 1);
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM lock WHERE replication IS NOT NULL"), 0);
}

LONG_TEST(without_memory_nothing_is_half_answered)
{
    for (int nth = 0, failed = 1; failed; nth++) {
        STORE s = replicated(store_empty());
        struct replica__lock_job job = { .key = NULL };
        int64_t wait = 0;
        int r, was;

        row(&s, 4, 15000, -1);
        fault_alloc(nth);
        r = replica__lock_next(s.repl, true, &job, &wait, &test_err);
        if (r > 0)
            r = replica__lock_answered(s.repl, &job,
                                       &(struct replica__lock_told){ REPLICA__LOCK_GOT, 9,
                                                                     T0 + 30000, "" },
                                       &test_err);
        failed = fault_stop();
        CHECK(r == 0 || (failed && r == REPLICA_ENOMEM));
        was = state(&s);
        CHECK(r == 0 ? was == 1 : was == 4);
        replica__lock_job_free(&job);
        store_sound(&s);
    }
}
