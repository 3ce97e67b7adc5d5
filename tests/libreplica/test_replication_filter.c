/* Replications that are about what a filter matches. */
#include "base/buf.h"
#include "libreplica/feed.h"
#include "tests/support/fault.h"
#include "tests/support/store.h"
#include "tests/support/test.h"

#include <stdio.h>

#define OPEN_ONES "{\"open\":true}"

/* As a program that starts again, with this filter. */
static void replicate(struct store *s, const char *filter)
{
    bool same;

    replica__replication_close(s->repl);
    s->repl = NULL;
    CHECK_RC(replica__replication_open(s->db, "r1", &s->coll, 1, &s->repl, &test_err), 0);
    CHECK_RC(replica__replication_about(s->repl, NULL, filter, &test_err), 0);
    CHECK_RC(replica__lease_take(s->repl, &same, &test_err), 1);
    CHECK_RC(replica__replication_feeds(s->repl, true, &test_err), 1);
}

static void put(struct store *s, const char *id, bool open)
{
    char json[64];

    snprintf(json, sizeof json, "{\"id\":\"%s\",\"open\":%s}", id, open ? "true" : "false");
    store_put(s, json);
}

static int64_t dirty(struct store *s)
{
    struct replica__backlog backlog;

    CHECK_RC(replica__replication_backlog(s->repl, &backlog, &test_err), 0);
    return backlog.dirty;
}

/* ---- pushing --------------------------------------------------------------------- */

TEST(what_was_never_at_the_server_goes_only_if_it_matches)
{
    STORE s = store_empty();
    PAGE page = { 0 };

    replicate(&s, OPEN_ONES);
    put(&s, "a", true);
    put(&s, "b", false);
    CHECK_INT(dirty(&s), 1);
    CHECK_INT(store_push(&s, &page), 1);
    CHECK_STR(page.rows[0].id, "a");
    CHECK(store_judge(&s, &page, REPLICA_VERDICT_TAKEN, 1, NULL) >= 0);
    CHECK_RC(replica__replication_pending(s.repl, &test_err), 0);
    CHECK_INT(store_state(&s, "a"), REPLICA_DOC_IN_SYNC);
    CHECK_INT(store_state(&s, "b"), REPLICA_DOC_ABSENT);
    CHECK_INT(replica_pending(s.db, NULL, NULL, NULL, NULL), REPLICA_EINVAL);
    store_sound(&s);
}

TEST(what_comes_to_match_goes)
{
    STORE s = store_empty();
    PAGE page = { 0 };

    replicate(&s, OPEN_ONES);
    put(&s, "a", false);
    store_push_all(&s, 1);
    put(&s, "a", true);
    CHECK_INT(store_push(&s, &page), 1);
    CHECK_STR(page.rows[0].json, "{\"id\":\"a\",\"open\":true}");
    CHECK(store_judge(&s, &page, REPLICA_VERDICT_TAKEN, 1, NULL) >= 0);
}

TEST(what_the_server_has_is_sent_when_it_matches_no_more)
{
    STORE s = store_empty();
    PAGE page = { 0 };

    replicate(&s, OPEN_ONES);
    CHECK_INT(store_pull_one(&s, "{\"id\":\"a\",\"open\":true}", 5), REPLICA__PULLED_WRITTEN);
    put(&s, "a", false);
    CHECK_INT(store_state(&s, "a"), REPLICA_DOC_DIRTY);
    CHECK_INT(dirty(&s), 1);
    CHECK_INT(store_push(&s, &page), 1);
    CHECK_STR(page.rows[0].json, "{\"id\":\"a\",\"open\":false}");
    CHECK_INT(page.rows[0].assumed_sequence, 5);
    CHECK(store_judge(&s, &page, REPLICA_VERDICT_TAKEN, 6, NULL) >= 0);
    CHECK_RC(replica__replication_pending(s.repl, &test_err), 0);
}

TEST(a_deletion_of_what_the_server_never_had_waits_for_nobody)
{
    STORE s = store_empty();

    replicate(&s, OPEN_ONES);
    put(&s, "a", false);
    store_delete(&s, "a");
    CHECK_INT(dirty(&s), 0);
    CHECK_RC(replica__replication_pending(s.repl, &test_err), 0);
    CHECK_INT(store_pull_one(&s, "{\"id\":\"b\",\"open\":true}", 5), REPLICA__PULLED_WRITTEN);
    store_delete(&s, "b");
    CHECK_INT(dirty(&s), 1);
}

/* The range that left covers it all the same. */
TEST(what_was_passed_over_is_not_taken_for_sent_when_it_is_edited)
{
    STORE s = store_empty();
    PAGE page = { 0 };
    PAGE again = { 0 };

    replicate(&s, OPEN_ONES);
    put(&s, "a", true);
    put(&s, "b", false);
    put(&s, "c", true);
    CHECK_INT(store_push(&s, &page), 2);
    put(&s, "b", false);
    CHECK_INT(store_push_again(&s, &again), 2);
    CHECK_STR(again.rows[0].id, "a");
    CHECK_STR(again.rows[1].id, "c");
}

TEST(what_left_before_it_stopped_matching_is_asked_about)
{
    STORE s = store_empty();
    PAGE page = { 0 };
    PAGE again = { 0 };

    replicate(&s, OPEN_ONES);
    put(&s, "a", true);
    CHECK_INT(store_push(&s, &page), 1);
    put(&s, "a", false);
    CHECK_INT(store_push_again(&s, &again), 1);
    CHECK_STR(again.rows[0].json, "{\"id\":\"a\",\"open\":true}");
    CHECK(store_judge(&s, &again, REPLICA_VERDICT_TAKEN, 1, NULL) >= 0);
    replica__push_page_free(&again);
    CHECK_INT(store_push_again(&s, &again), 1);
    CHECK_STR(again.rows[0].json, "{\"id\":\"a\",\"open\":false}");
}

TEST(of_a_bundle_goes_what_the_filter_matches)
{
    STORE s = store_empty();
    PAGE page = { 0 };
    replica_bundle *bundle = NULL;

    replicate(&s, OPEN_ONES);
    CHECK_RC(replica_bundle_begin(s.db, &bundle, &test_err), 0);
    for (int i = 0; i < 4; i++) {
        char json[64];

        snprintf(json, sizeof json, "{\"id\":\"%d\",\"open\":%s}", i, i % 2 ? "true" : "false");
        CHECK_RC(replica_bundle_put(bundle, s.coll, json, REPLICA_NUL, NULL, &test_err), 0);
    }
    CHECK_RC(replica_bundle_commit(bundle, NULL, &test_err), 0);
    CHECK_INT(store_push(&s, &page), 2);
    CHECK_STR(page.rows[0].id, "1");
    CHECK_STR(page.rows[1].id, "3");
}

/* ---- pulling --------------------------------------------------------------------- */

/* From a server that knows no filters. */
TEST(what_comes_and_does_not_match_is_not_written)
{
    STORE s = store_empty();
    struct come come[] = { { .json = "{\"id\":\"a\",\"open\":true}", .sequence = 1 },
                           { .json = "{\"id\":\"b\",\"open\":false}", .sequence = 2 },
                           { .json = "{\"id\":\"c\"}", .sequence = 3, .deleted = true },
                           { .json = "{\"id\":\"d\",\"open\":true}", .sequence = 4 } };

    replicate(&s, OPEN_ONES);
    CHECK_RC(store_pull(&s, "c4", come, 4), 0);
    CHECK_INT(come[0].outcome, REPLICA__PULLED_WRITTEN);
    CHECK_INT(come[1].outcome, REPLICA__PULLED_SAME);
    CHECK_INT(come[2].outcome, REPLICA__PULLED_SAME);
    CHECK_INT(come[3].outcome, REPLICA__PULLED_WRITTEN);
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM doc"), 2);
    CHECK_STR(replica__feed_checkpoint(s.repl, 0), "c4");
    store_sound(&s);
}

TEST(what_does_not_match_any_more_is_taken_away_and_comes_back)
{
    STORE s = store_empty();

    replicate(&s, OPEN_ONES);
    store_pull_one(&s, "{\"id\":\"a\",\"open\":true,\"n\":1}", 5);
    store_pull_one(&s, "{\"id\":\"a\",\"open\":false,\"n\":2}", 6);
    CHECK_STR(store_json(&s, "a"), NULL);
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM doc WHERE body LIKE '%n%:%'"), 0);
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM kept"), 0);
    CHECK_INT(dirty(&s), 0);
    CHECK_RC(replica__replication_pending(s.repl, &test_err), 0);
    store_pull_one(&s, "{\"id\":\"a\",\"open\":false,\"n\":3}", 7);
    CHECK_STR(store_json(&s, "a"), NULL);
    store_pull_one(&s, "{\"id\":\"a\",\"open\":true,\"n\":4}", 8);
    CHECK_STR(store_json(&s, "a"), "{\"id\":\"a\",\"open\":true,\"n\":4}");
    store_sound(&s);
}

TEST(what_was_edited_here_does_not_go_with_the_filter)
{
    STORE s = store_empty();

    replicate(&s, OPEN_ONES);
    store_pull_one(&s, "{\"id\":\"a\",\"open\":true}", 5);
    store_put(&s, "{\"id\":\"a\",\"open\":true,\"mine\":1}");
    CHECK_INT(store_pull_one(&s, "{\"id\":\"a\",\"open\":false}", 6),
              REPLICA__PULLED_UNSETTLED);
    CHECK_STR(store_json(&s, "a"), "{\"id\":\"a\",\"open\":true,\"mine\":1}");
}

TEST(what_settles_outside_is_taken_away)
{
    STORE s = store_empty();
    QUESTION q;

    replicate(&s, OPEN_ONES);
    store_pull_one(&s, "{\"id\":\"a\",\"open\":true}", 5);
    store_put(&s, "{\"id\":\"a\",\"open\":true,\"mine\":1}");
    store_pull_one(&s, "{\"id\":\"a\",\"open\":false}", 6);
    q = store_question(&s);
    CHECK(store_settle(&s, &q, REPLICA__SETTLE_REAL, NULL, "server"));
    CHECK_STR(store_json(&s, "a"), NULL);
    CHECK_RC(replica__replication_pending(s.repl, &test_err), 0);
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM conflict_log"), 1);
}

TEST(what_the_server_took_and_does_not_match_is_taken_away)
{
    STORE s = store_empty();
    PAGE page = { 0 };

    replicate(&s, OPEN_ONES);
    store_pull_one(&s, "{\"id\":\"a\",\"open\":true}", 5);
    put(&s, "a", false);
    CHECK_INT(store_push(&s, &page), 1);
    CHECK(store_judge(&s, &page, REPLICA_VERDICT_TAKEN, 6, NULL) >= 0);
    CHECK_STR(store_json(&s, "a"), NULL);
    CHECK_INT(dirty(&s), 0);
    put(&s, "a", false); /* a new document, which was never there */
    CHECK_INT(dirty(&s), 0);
    put(&s, "a", true);
    CHECK_INT(dirty(&s), 1);
}

TEST(what_left_while_it_was_in_conflict_goes_when_an_older_state_settles_it)
{
    STORE s = store_empty();
    QUESTION q;

    replicate(&s, OPEN_ONES);
    store_pull_one(&s, "{\"id\":\"a\",\"open\":true}", 5);
    store_put(&s, "{\"id\":\"a\",\"open\":true,\"mine\":1}");
    store_pull_one(&s, "{\"id\":\"a\",\"open\":true,\"yours\":1}", 6);
    CHECK_INT(store_pull_gone(&s, "a", 7, REPLICA__GONE_FILTER), REPLICA__PULLED_SAME);
    CHECK_STR(store_json(&s, "a"), "{\"id\":\"a\",\"open\":true,\"mine\":1}");
    q = store_question(&s);
    CHECK(store_settle(&s, &q, REPLICA__SETTLE_REAL, NULL, "server"));
    CHECK_STR(store_json(&s, "a"), NULL);
    CHECK_RC(replica__replication_pending(s.repl, &test_err), 0);
    CHECK_INT(store_pull_one(&s, "{\"id\":\"a\",\"open\":true}", 8), REPLICA__PULLED_WRITTEN);
    store_sound(&s);
}

static int number_of(void *ctx, const replica_rejected_entry *e)
{
    *(int64_t *)ctx = e->number;
    return 0;
}

TEST(a_discard_goes_back_to_nothing_that_lies_outside)
{
    STORE s = store_empty();
    PAGE page = { 0 };
    int64_t entry = 0;

    replicate(&s, OPEN_ONES);
    store_pull_one(&s, "{\"id\":\"a\",\"open\":true}", 5);
    put(&s, "a", false);
    CHECK_INT(store_push(&s, &page), 1);
    CHECK(store_judge(&s, &page, REPLICA_VERDICT_REFUSED, 0, NULL) >= 0);
    store_pull_one(&s, "{\"id\":\"a\",\"open\":false,\"yours\":1}", 6);
    CHECK_RC(replica_rejected(s.db, NULL, number_of, &entry, &test_err), 0);
    CHECK_RC(replica_rejected_discard(s.db, entry, &test_err), 1);
    CHECK_STR(store_json(&s, "a"), NULL);
    CHECK_INT(dirty(&s), 0);
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM conflict_log"), 1);
    store_sound(&s);
}

/* The other one would never hear of it. */
TEST(what_another_replication_has_to_send_stays)
{
    STORE s = store_empty();
    struct replica__replication *other = NULL;

    CHECK_RC(replica__replication_open(s.db, "r2", &s.coll, 1, &other, &test_err), 0);
    replicate(&s, OPEN_ONES);
    store_pull_one(&s, "{\"id\":\"a\",\"open\":true}", 5);
    store_pull_one(&s, "{\"id\":\"a\",\"open\":false}", 6);
    CHECK_STR(store_json(&s, "a"), "{\"id\":\"a\",\"open\":false}");
    replica__replication_close(other);
}

TEST(another_filter_takes_away_what_lies_outside_and_is_in_step)
{
    STORE s = store_empty();
    int64_t after = -1;
    int more = 1, steps = 0;

    replicate(&s, NULL);
    for (int i = 0; i < 250; i++) {
        char json[64];

        snprintf(json, sizeof json, "{\"id\":\"%d\",\"open\":%s}", i, i % 2 ? "true" : "false");
        store_pull_one(&s, json, i + 1);
    }
    put(&s, "0", false);                 /* not in step */
    store_put(&s, "{\"id\":\"mine\"}"); /* never at the server */
    replicate(&s, OPEN_ONES);
    while (more > 0) {
        more = replica__outside_sweep(s.repl, 0, &after, &test_err);
        CHECK(more >= 0 && ++steps < 10);
    }
    CHECK(steps > 1);
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM doc WHERE flags & 1 = 0"), 127);
    CHECK_STR(store_json(&s, "0"), "{\"id\":\"0\",\"open\":false}");
    CHECK_STR(store_json(&s, "2"), NULL);
    CHECK_STR(store_json(&s, "mine"), "{\"id\":\"mine\"}");
    CHECK_INT(dirty(&s), 1);
    store_sound(&s);
}

LONG_TEST(a_failed_allocation_takes_away_nothing_or_all_of_a_slice)
{
    for (int nth = 0, failed = 1; failed; nth++) {
        STORE s = store_empty();
        int64_t after = -1;
        int r;

        replicate(&s, NULL);
        store_pull_one(&s, "{\"id\":\"a\",\"open\":false}", 1);
        store_pull_one(&s, "{\"id\":\"b\",\"open\":false}", 2);
        replicate(&s, OPEN_ONES);
        fault_alloc(nth);
        r = replica__outside_sweep(s.repl, 0, &after, &test_err);
        failed = fault_stop();
        CHECK(r == 0 || (failed && r == REPLICA_ENOMEM));
        CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM doc WHERE flags & 1 = 0"),
                  r == 0 ? 0 : 2);
    }
}

/* ---- filters --------------------------------------------------------------------- */

TEST(what_is_no_selector_is_refused_and_the_old_filter_stays)
{
    STORE s = store_empty();

    replicate(&s, OPEN_ONES);
    put(&s, "b", false);
    CHECK_RC(replica__replication_about(s.repl, NULL, "{\"a\":{\"$x\":1}}", &test_err),
             REPLICA_EINVAL);
    CHECK_RC(replica__replication_about(s.repl, NULL, "{", &test_err), REPLICA_EJSON);
    CHECK_INT(dirty(&s), 0);
    replicate(&s, OPEN_ONES);
    CHECK_INT(dirty(&s), 0);
}

TEST(what_another_filter_lets_in_is_pushed)
{
    STORE s = store_empty();

    replicate(&s, OPEN_ONES);
    put(&s, "b", false);
    store_push_all(&s, 1);
    CHECK_INT(dirty(&s), 0);
    replicate(&s, NULL);
    CHECK_INT(dirty(&s), 1);
}

/* What is under way begins behind it. */
TEST(what_another_filter_lets_in_is_pushed_though_something_newer_is_under_way)
{
    STORE s = store_empty();
    PAGE page = { 0 };
    PAGE again = { 0 };
    PAGE next = { 0 };

    replicate(&s, OPEN_ONES);
    put(&s, "a", false);
    put(&s, "b", true);
    store_push_all(&s, 1);
    put(&s, "c", true);
    CHECK_INT(store_push(&s, &page), 1);
    replicate(&s, NULL);
    CHECK_INT(store_push_again(&s, &again), 2);
    CHECK_STR(again.rows[0].id, "a");
    CHECK_STR(again.rows[1].id, "c");
    replicate(&s, NULL); /* as if it had died: both are under way */
    CHECK_INT(store_push_again(&s, &next), 2);
    CHECK(store_judge(&s, &next, REPLICA_VERDICT_TAKEN, 5, NULL) >= 0);
    CHECK_RC(replica__replication_pending(s.repl, &test_err), 0);
}

LONG_TEST(a_failed_allocation_leaves_the_filter_or_sets_it)
{
    for (int nth = 0, failed = 1; failed; nth++) {
        STORE s = store_empty();
        int64_t kept;
        int r;

        replicate(&s, OPEN_ONES);
        put(&s, "a", true);
        put(&s, "b", false);
        fault_alloc(nth);
        r = replica__replication_about(s.repl, NULL, "{\"open\":false}", &test_err);
        failed = fault_stop();
        kept = store_sql_int(&s, "SELECT filter = '{\"open\":true}' FROM replication");
        CHECK_INT(kept, r < 0);
        CHECK_INT(r, failed ? REPLICA_ENOMEM : 0);
        replicate(&s, "{}");
        CHECK_INT(dirty(&s), 2);
    }
}

/* ---- selectors by themselves ----------------------------------------------------- */

TEST(a_selector_can_be_checked)
{
    CHECK_RC(replica_selector_check(OPEN_ONES, REPLICA_NUL, &test_err), 0);
    CHECK_RC(replica_selector_check("{}x", 2, &test_err), 0);
    CHECK_RC(replica_selector_check("{\"a\":{\"$x\":1}}", REPLICA_NUL, &test_err), REPLICA_EINVAL);
    CHECK_STR(test_err.where, "a");
    CHECK_RC(replica_selector_check("{", REPLICA_NUL, &test_err), REPLICA_EJSON);
    CHECK_RC(replica_selector_check(NULL, 0, &test_err), REPLICA_EINVAL);
}
