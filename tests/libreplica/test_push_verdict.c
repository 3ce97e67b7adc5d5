/* Every verdict, on a document that stayed and on one that moved on. */
#include "tests/support/store.h"
#include "tests/support/test.h"

#include <stdio.h>

#define A1 "{\"id\":\"a\",\"n\":1}"
#define A2 "{\"id\":\"a\",\"n\":2}"
#define A3 "{\"id\":\"a\",\"n\":3}"

/* A1 is the base, A2 is under way. */
static struct store sent(struct replica__push_page *page)
{
    struct store s = store_empty();

    store_replicate(&s, "r1");
    store_clean(&s, A1, 5);
    store_put(&s, A2);
    CHECK_INT(store_push(&s, page), 1);
    CHECK_INT(store_state(&s, "a"), REPLICA_DOC_SENT);
    return s;
}

static int count_entries(void *ctx, const replica_rejected_entry *e)
{
    ++*(int *)ctx;
    return 0;
}

static int rejected(struct store *s)
{
    int n = 0;

    CHECK_RC(replica_rejected(s->db, NULL, count_entries, &n, &test_err), 0);
    return n;
}

TEST(what_was_taken_is_clean)
{
    PAGE page = { 0 };
    STORE s = sent(&page);

    CHECK_RC(store_judge(&s, &page, REPLICA_VERDICT_TAKEN, 6, NULL), 0);
    CHECK_INT(store_state(&s, "a"), REPLICA_DOC_IN_SYNC);
    CHECK_INT(store_pull_one(&s, A1, 6), REPLICA__PULLED_SAME); /* the number is known */
    CHECK_INT(store_push_again(&s, &page), 0);
    store_sound(&s);
}

TEST(what_was_taken_before_is_clean_too)
{
    PAGE page = { 0 };
    STORE s = sent(&page);

    CHECK_RC(store_judge(&s, &page, REPLICA_VERDICT_ALREADY, 6, NULL), 0);
    CHECK_INT(store_state(&s, "a"), REPLICA_DOC_IN_SYNC);
}

TEST(what_was_taken_before_and_overwritten_since_is_replaced_by_the_pull)
{
    PAGE page = { 0 };
    STORE s = sent(&page);

    CHECK_INT(store_pull_one(&s, A3, 9), REPLICA__PULLED_UNSETTLED);
    CHECK_RC(store_judge(&s, &page, REPLICA_VERDICT_ALREADY, 0, NULL), 0);
    QUESTION u = store_question(&s);
    CHECK(u.clean);
    CHECK(store_settle(&s, &u, REPLICA__SETTLE_REAL, NULL, NULL));
    CHECK_STR(store_json(&s, "a"), A3);
    CHECK_INT(store_state(&s, "a"), REPLICA_DOC_IN_SYNC);
    store_sound(&s);
}

TEST(if_the_program_wrote_meanwhile_what_was_taken_becomes_the_base)
{
    PAGE page = { 0 };
    STORE s = sent(&page);

    store_put(&s, A3);
    CHECK_RC(store_judge(&s, &page, REPLICA_VERDICT_TAKEN, 6, NULL), 0);
    CHECK_INT(store_state(&s, "a"), REPLICA_DOC_DIRTY);
    CHECK_INT(store_push_again(&s, &page), 1);
    CHECK_STR(page.rows[0].json, A3);
    CHECK_STR(page.rows[0].assumed, A2);
    CHECK_INT(page.rows[0].assumed_sequence, 6);
    CHECK(!page.rows[0].again);
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM kept"), 1);
    store_sound(&s);
}

TEST(a_conflict_is_unsettled_and_not_sent_again)
{
    PAGE page = { 0 };
    STORE s = sent(&page);

    CHECK_RC(store_judge(&s, &page, REPLICA_VERDICT_CONFLICT, 8, A3), 0);
    CHECK_INT(store_state(&s, "a"), REPLICA_DOC_UNSETTLED);
    CHECK_INT(store_push_again(&s, &page), 0);
    QUESTION u = store_question(&s);
    CHECK_STR(replica_doc_json(u.assumed, NULL), A1);
    CHECK_STR(replica_doc_json(u.real, NULL), A3);
    CHECK_STR(replica_doc_json(u.local, NULL), A2);
    CHECK_INT(u.rounds, 1);
    store_sound(&s);
}

TEST(a_conflict_of_a_document_that_moved_on_asks_about_the_newest_state)
{
    PAGE page = { 0 };
    STORE s = sent(&page);

    store_put(&s, "{\"id\":\"a\",\"n\":4}");
    CHECK_RC(store_judge(&s, &page, REPLICA_VERDICT_CONFLICT, 8, A3), 0);
    QUESTION u = store_question(&s);
    CHECK_STR(replica_doc_json(u.assumed, NULL), A1);
    CHECK_STR(replica_doc_json(u.local, NULL), "{\"id\":\"a\",\"n\":4}");
    store_sound(&s);
}

TEST(a_conflict_with_a_state_that_is_no_document_here_waits_for_the_program)
{
    static const char *const reals[] = { "{\"n\":1}", "{\"id\":\"b\"}", "{\"id\":\"\\u0000\"}" };

    for (int i = 0; i < 3; i++) {
        PAGE page = { 0 };
        STORE s = sent(&page);

        CHECK_RC(store_judge(&s, &page, REPLICA_VERDICT_CONFLICT, 8, reals[i]), 0);
        CHECK_INT(store_state(&s, "a"), REPLICA_DOC_REJECTED);
        CHECK_INT(rejected(&s), 1);
        CHECK_STR(store_json(&s, "a"), A2);
        store_sound(&s);
        store_close(&s);
        remove(s.path);
    }
}

TEST(a_refused_row_is_set_aside_and_not_sent_again)
{
    PAGE page = { 0 };
    STORE s = sent(&page);

    CHECK_RC(store_judge(&s, &page, REPLICA_VERDICT_REFUSED, 0, NULL), 0);
    CHECK_INT(store_state(&s, "a"), REPLICA_DOC_REJECTED);
    CHECK_INT(store_push_again(&s, &page), 0);
    CHECK_INT(rejected(&s), 1);
    CHECK_RC(replica__replication_pending(s.repl, &test_err), 0);
}

TEST(editing_a_refused_document_sends_it_by_itself)
{
    PAGE page = { 0 };
    STORE s = sent(&page);

    CHECK_RC(store_judge(&s, &page, REPLICA_VERDICT_REFUSED, 0, NULL), 0);
    store_put(&s, A3);
    CHECK_INT(store_state(&s, "a"), REPLICA_DOC_DIRTY);
    CHECK_INT(store_push_again(&s, &page), 1);
    CHECK_STR(page.rows[0].json, A3);
    CHECK_STR(page.rows[0].assumed, A1);
    CHECK_RC(store_judge(&s, &page, REPLICA_VERDICT_TAKEN, 6, NULL), 0);
    CHECK_INT(rejected(&s), 0);
    store_sound(&s);
}

TEST(a_refused_state_is_not_set_aside_if_the_program_wrote_another_meanwhile)
{
    PAGE page = { 0 };
    STORE s = sent(&page);

    store_put(&s, A3);
    CHECK_RC(store_judge(&s, &page, REPLICA_VERDICT_REFUSED, 0, NULL), 0);
    CHECK_INT(rejected(&s), 0);
    CHECK_INT(store_push_again(&s, &page), 1);
    CHECK_STR(page.rows[0].json, A3);
}

TEST(locked_and_later_rows_stay_dirty_and_go_in_a_later_pass)
{
    static const int verdicts[] = { REPLICA_VERDICT_LOCKED, REPLICA_VERDICT_LATER };

    for (int i = 0; i < 2; i++) {
        PAGE page = { 0 };
        STORE s = sent(&page);

        CHECK_RC(store_judge(&s, &page, verdicts[i], 0, NULL), 0);
        CHECK_INT(store_state(&s, "a"), REPLICA_DOC_DIRTY);
        CHECK_INT(store_push(&s, &page), 0); /* not in this pass */
        replica__push_again(s.repl, 0, false);
        CHECK_INT(store_push(&s, &page), 0);
        CHECK_INT(store_push_again(&s, &page), 1);
        CHECK(!page.rows[0].again);
        CHECK_STR(page.rows[0].assumed, A1);
        CHECK_RC(store_judge(&s, &page, REPLICA_VERDICT_TAKEN, 6, NULL), 0);
        CHECK_INT(store_state(&s, "a"), REPLICA_DOC_IN_SYNC);
        store_sound(&s);
        store_close(&s);
        remove(s.path);
    }
}

TEST(a_row_without_a_verdict_stays_under_way_and_is_asked_about_again)
{
    PAGE page = { 0 };
    STORE s = sent(&page);

    CHECK_RC(store_judge(&s, &page, REPLICA_VERDICT_NONE, 0, NULL), 0);
    CHECK_INT(store_state(&s, "a"), REPLICA_DOC_SENT);
    store_put(&s, A3);
    store_reopen(&s);
    CHECK_INT(store_push_again(&s, &page), 1);
    CHECK(page.rows[0].again);
    CHECK_STR(page.rows[0].json, A2);
    CHECK_RC(store_judge(&s, &page, REPLICA_VERDICT_TAKEN, 6, NULL), 0);
    CHECK_INT(store_push_again(&s, &page), 1);
    CHECK_STR(page.rows[0].json, A3);
    CHECK_STR(page.rows[0].assumed, A2);
    store_sound(&s);
}

TEST(pulled_states_of_a_document_under_way_wait)
{
    PAGE page = { 0 };
    STORE s = sent(&page);
    struct replica__unsettled u;

    CHECK_INT(store_pull_one(&s, A3, 9), REPLICA__PULLED_UNSETTLED);
    CHECK_RC(replica__unsettled_next(s.repl, -1, &u, 1, &test_err), 0);
    CHECK_RC(store_judge(&s, &page, REPLICA_VERDICT_CONFLICT, 9, A3), 0);
    CHECK_RC(replica__unsettled_next(s.repl, -1, &u, 1, &test_err), 1);
    replica__unsettled_free(&u, 1);
    store_sound(&s);
}

TEST(a_verdict_that_comes_twice_changes_nothing_the_second_time)
{
    PAGE page = { 0 };
    PAGE next = { 0 };
    STORE s = sent(&page);

    store_put(&s, A3);
    CHECK_RC(store_judge(&s, &page, REPLICA_VERDICT_TAKEN, 6, NULL), 0);
    CHECK_INT(store_push_again(&s, &next), 1);
    store_put(&s, "{\"id\":\"a\",\"n\":4}");
    CHECK_RC(store_judge(&s, &page, REPLICA_VERDICT_TAKEN, 6, NULL), 0); /* the old page */
    CHECK_RC(store_judge(&s, &next, REPLICA_VERDICT_TAKEN, 7, NULL), 0);
    CHECK_INT(store_push_again(&s, &next), 1);
    CHECK_STR(next.rows[0].assumed, A3);
    CHECK_INT(next.rows[0].assumed_sequence, 7);
    store_sound(&s);
}

TEST(verdicts_and_checkpoint_commit_together)
{
    PAGE page = { 0 };
    STORE s = sent(&page);
    struct replica__verdict v = { .verdict = REPLICA_VERDICT_TAKEN, .sequence = 6 };

    CHECK_RC(replica__push_apply(s.repl, 0, &page, &v, "inc", "6.inc", &test_err), 0);
    CHECK_STR(replica__feed_checkpoint(s.repl, 0), "6.inc");
    store_reopen(&s);
    CHECK_STR(replica__feed_checkpoint(s.repl, 0), "6.inc");
}

TEST(a_document_that_was_new_here_becomes_clean)
{
    STORE s = store_with(A1);
    PAGE page = { 0 };

    store_replicate(&s, "r1");
    CHECK_INT(store_push(&s, &page), 1);
    CHECK_RC(store_judge(&s, &page, REPLICA_VERDICT_TAKEN, 6, NULL), 0);
    CHECK_INT(store_state(&s, "a"), REPLICA_DOC_IN_SYNC);
    store_put(&s, A2);
    CHECK_INT(store_push_again(&s, &page), 1);
    CHECK_STR(page.rows[0].assumed, A1);
    CHECK_INT(page.rows[0].assumed_sequence, 6);
}

/* ---- servers without numbers, and old copies -------------------------------------- */

/* The program met A2 of the server, and kept its own A1 all the same; that is under way. */
static struct store kept_its_own(struct replica__push_page *page)
{
    struct store s = store_with(A1);
    QUESTION u = { 0 };

    store_replicate(&s, "r1");
    CHECK_INT(store_pull_one(&s, A2, 5), REPLICA__PULLED_UNSETTLED);
    u = store_question(&s);
    CHECK(store_settle(&s, &u, REPLICA__SETTLE_LOCAL, NULL, "handler"));
    CHECK_INT(store_push(&s, page), 1);
    CHECK_STR(page->rows[0].json, A1);
    return s;
}

TEST(what_was_taken_before_it_met_the_state_that_overwrote_it_gives_way_to_that)
{
    PAGE page = { 0 };
    STORE s = kept_its_own(&page);
    QUESTION u = { 0 };

    CHECK_RC(store_judge(&s, &page, REPLICA_VERDICT_ALREADY, 0, NULL), 0);
    u = store_question(&s);
    CHECK(u.clean); /* no handler is asked */
    CHECK_STR(replica_doc_json(u.real, NULL), A2);
    CHECK(store_settle(&s, &u, REPLICA__SETTLE_REAL, NULL, NULL));
    CHECK_STR(store_json(&s, "a"), A2);
    CHECK_INT(store_state(&s, "a"), REPLICA_DOC_IN_SYNC);
    CHECK_INT(store_push_again(&s, &page), 0);
    store_sound(&s);
}

TEST(what_is_taken_now_stays_over_the_state_that_it_met)
{
    PAGE page = { 0 };
    STORE s = kept_its_own(&page);

    CHECK_RC(store_judge(&s, &page, REPLICA_VERDICT_TAKEN, 0, NULL), 0);
    CHECK_INT(store_state(&s, "a"), REPLICA_DOC_IN_SYNC);
    CHECK_STR(store_json(&s, "a"), A1);
}

TEST(what_was_taken_before_and_is_the_servers_newest_stays)
{
    PAGE page = { 0 };
    STORE s = kept_its_own(&page);

    CHECK_RC(store_judge(&s, &page, REPLICA_VERDICT_ALREADY, 6, NULL), 0); /* it tells the number */
    CHECK_INT(store_state(&s, "a"), REPLICA_DOC_IN_SYNC);
    CHECK_STR(store_json(&s, "a"), A1);
}

TEST(what_was_taken_before_and_written_over_since_goes_out_again)
{
    PAGE page = { 0 };
    STORE s = kept_its_own(&page);

    store_put(&s, A3);
    CHECK_RC(store_judge(&s, &page, REPLICA_VERDICT_ALREADY, 0, NULL), 0);
    CHECK_INT(store_push_again(&s, &page), 1);
    CHECK_STR(page.rows[0].json, A3);
    CHECK_STR(page.rows[0].assumed, A1);
}

/* The only verdict is a conflict with a tombstone. */
static void judge_deleted(struct store *s, const struct replica__push_page *page, bool perhaps)
{
    struct replica__verdict v = { .verdict = REPLICA_VERDICT_CONFLICT, .perhaps_taken = perhaps };

    store_scan(s, &(struct come){ .json = A1, .deleted = true }, &v.real);
    CHECK_RC(replica__push_apply(s->repl, 0, page, &v, NULL, NULL, &test_err), 0);
}

TEST(a_new_document_that_may_have_been_taken_and_then_deleted_has_itself_as_base)
{
    STORE s = store_with(A1);
    PAGE page = { 0 };
    QUESTION u = { 0 };

    store_replicate(&s, "r1");
    CHECK_INT(store_push(&s, &page), 1);
    judge_deleted(&s, &page, true);
    u = store_question(&s);
    CHECK_STR(u.assumed ? replica_doc_json(u.assumed, NULL) : NULL, A1);
    CHECK(replica_doc_deleted(u.real));
    store_sound(&s);
}

TEST(a_new_document_that_meets_a_tombstone_at_its_first_push_has_no_base)
{
    STORE s = store_with(A1);
    PAGE page = { 0 };
    QUESTION u = { 0 };

    store_replicate(&s, "r1");
    CHECK_INT(store_push(&s, &page), 1);
    judge_deleted(&s, &page, false);
    u = store_question(&s);
    CHECK(!u.assumed);
}

TEST(one_that_was_written_over_meanwhile_has_what_was_sent_as_base)
{
    STORE s = store_with(A1);
    PAGE page = { 0 };
    QUESTION u = { 0 };

    store_replicate(&s, "r1");
    CHECK_INT(store_push(&s, &page), 1);
    store_put(&s, A2);
    judge_deleted(&s, &page, true);
    u = store_question(&s);
    CHECK_STR(u.assumed ? replica_doc_json(u.assumed, NULL) : NULL, A1);
    CHECK_STR(replica_doc_json(u.local, NULL), A2);
    store_sound(&s);
}
