/* Replications that are about what a filter matches. */
#include "base/buf.h"
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

TEST(a_failed_allocation_leaves_the_filter_or_sets_it)
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
