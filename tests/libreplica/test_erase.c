/* Documents that are taken away: access to them ended, or they left the filter. */
#include "base/buf.h"
#include "libreplica/feed.h"
#include "libreplica/replication/replication.h"
#include "tests/support/fault.h"
#include "tests/support/store.h"
#include "tests/support/test.h"

#include <stdio.h>

#define A1 "{\"id\":\"a\",\"n\":\"SECRET1\"}"
#define A2 "{\"id\":\"a\",\"n\":\"SECRET2\"}"
#define A3 "{\"id\":\"a\",\"n\":\"MINE\"}"
#define B1 "{\"id\":\"b\",\"n\":\"OTHER\"}"

static int revoked(struct store *s, int64_t sequence)
{
    return store_pull_gone(s, "a", sequence, REPLICA__GONE_VIEW);
}

struct listed {
    int n, kind, code;
    int64_t number;
    char text[200], reason[100];
};

static int note(void *ctx, const replica_rejected_entry *e)
{
    struct listed *l = ctx;

    l->n++;
    l->kind = e->kind;
    l->code = e->code;
    l->number = e->number;
    snprintf(l->text, sizeof l->text, "%.*s", (int)e->text_len, e->text ? e->text : "");
    snprintf(l->reason, sizeof l->reason, "%s", e->reason);
    return 0;
}

static struct listed rejected(struct store *s)
{
    struct listed l = { 0 };

    CHECK_RC(replica_rejected(s->db, NULL, note, &l, &test_err), 0);
    return l;
}

TEST(a_clean_document_that_access_ended_to_is_a_tombstone_with_nothing_but_its_key)
{
    STORE s = store_replicated();

    store_clean(&s, A1, 5);
    CHECK_INT(revoked(&s, 5), REPLICA__PULLED_WRITTEN);
    CHECK(!store_json(&s, "a"));
    CHECK_INT(store_sql_int(&s, "SELECT body = '{\"id\":\"a\"}' AND flags = 3 FROM doc"), 1);
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM kept"), 0);
    CHECK_INT(store_sql_int(&s, "SELECT server_seq IS NULL FROM state"), 1);
    CHECK_INT(store_state(&s, "a"), REPLICA_DOC_IN_SYNC);
    CHECK_RC(replica__replication_pending(s.repl, &test_err), 0);
    CHECK_INT(rejected(&s).n, 0);
    store_sound(&s);
}

TEST(what_is_erased_already_is_not_written_again)
{
    STORE s = store_replicated();

    store_clean(&s, A1, 5);
    CHECK_INT(revoked(&s, 5), REPLICA__PULLED_WRITTEN);
    CHECK_INT(revoked(&s, 5), REPLICA__PULLED_SAME);
    CHECK_INT(store_pull_gone(&s, "never", 7, REPLICA__GONE_VIEW), REPLICA__PULLED_SAME);
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM doc"), 1);
}

TEST(an_erased_document_comes_back_under_whatever_number)
{
    STORE s = store_replicated();

    store_clean(&s, A1, 5);
    revoked(&s, 9);
    CHECK_INT(store_pull_one(&s, A1, 5), REPLICA__PULLED_WRITTEN);
    CHECK_STR(store_json(&s, "a"), A1);
    store_sound(&s);
}

TEST(of_an_edit_that_was_not_sent_only_the_edit_stays_in_the_rejected_list)
{
    STORE s = store_replicated();
    struct listed l;

    store_clean(&s, A1, 5);
    store_put(&s, A3);
    CHECK_INT(revoked(&s, 6), REPLICA__PULLED_ASIDE);
    CHECK(!store_json(&s, "a"));
    l = rejected(&s);
    CHECK_INT(l.n, 1);
    CHECK_INT(l.kind, REPLICA_ASIDE_REVOKED);
    CHECK_INT(l.code, 403);
    CHECK_STR(l.text, A3);
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM kept"), 0);
    CHECK_RC(replica__replication_pending(s.repl, &test_err), 0);
    store_sound(&s);
}

TEST(an_edit_is_listed_once_for_each_time_that_access_ended)
{
    STORE s = store_replicated();
    struct listed l;

    store_clean(&s, A1, 5);
    store_put(&s, A3);
    revoked(&s, 6);
    store_clean(&s, A2, 7);
    store_put(&s, A1);
    revoked(&s, 7);
    l = rejected(&s);
    CHECK_INT(l.n, 2);
    CHECK_STR(l.text, A1);
}

TEST(an_edit_that_was_taken_away_is_written_anew_when_it_is_tried_again)
{
    STORE s = store_replicated();
    PAGE page = { 0 };

    store_clean(&s, A1, 5);
    store_put(&s, A3);
    revoked(&s, 6);
    CHECK_RC(replica_rejected_retry(s.db, rejected(&s).number, &test_err), 1);
    CHECK_INT(rejected(&s).n, 0);
    CHECK_STR(store_json(&s, "a"), A3);
    CHECK_INT(store_push(&s, &page), 1);
    CHECK_STR(page.rows[0].json, A3);
    CHECK(page.rows[0].assumed_deleted);
}

TEST(an_edit_that_was_taken_away_does_not_take_the_place_of_what_has_come_since)
{
    STORE s = store_replicated();
    PAGE page = { 0 };

    store_clean(&s, A1, 5);
    store_put(&s, A3);
    revoked(&s, 6);
    store_clean(&s, A2, 7);
    CHECK_RC(replica_rejected_retry(s.db, rejected(&s).number, &test_err), 1);
    CHECK_STR(store_json(&s, "a"), A3);
    CHECK_INT(store_push(&s, &page), 1);
    CHECK_STR(page.rows[0].json, A3);
    CHECK(!page.rows[0].assumed && !page.rows[0].assumed_deleted);
    CHECK_INT(page.rows[0].assumed_sequence, 0);
    store_sound(&s);
}

TEST(an_edit_that_was_taken_away_does_not_take_the_place_of_a_newer_one)
{
    STORE s = store_replicated();

    store_clean(&s, A1, 5);
    store_put(&s, A3);
    revoked(&s, 6);
    store_put(&s, A2);
    CHECK_RC(replica_rejected_retry(s.db, rejected(&s).number, &test_err), REPLICA_EBUSY);
    CHECK_INT(rejected(&s).n, 1);
    CHECK_STR(store_json(&s, "a"), A2);
}

TEST(a_verdict_on_what_was_taken_away_meanwhile_sends_nothing_more)
{
    static const int verdicts[] = { REPLICA_VERDICT_TAKEN, REPLICA_VERDICT_ALREADY,
                                    REPLICA_VERDICT_REFUSED, REPLICA_VERDICT_LOCKED,
                                    REPLICA_VERDICT_LATER, REPLICA_VERDICT_NONE };

    for (size_t i = 0; i < sizeof verdicts / sizeof verdicts[0]; i++) {
        STORE s = store_replicated();
        PAGE page = { 0 };

        store_clean(&s, A1, 5);
        store_put(&s, A3);
        CHECK_INT(store_push(&s, &page), 1);
        revoked(&s, 7);
        CHECK_RC(store_judge(&s, &page, verdicts[i], 6, NULL), 0);
        CHECK_RC(replica__replication_pending(s.repl, &test_err), 0);
        CHECK_INT(store_state(&s, "a"), REPLICA_DOC_IN_SYNC);
        CHECK_INT(rejected(&s).n, 1);
        CHECK_INT(rejected(&s).kind, REPLICA_ASIDE_REVOKED);
        CHECK(!store_json(&s, "a"));
        store_sound(&s);
        CHECK_RC(replica_rejected_discard(s.db, rejected(&s).number, &test_err), 1);
    }
}

TEST(an_edit_that_was_taken_away_can_be_given_up)
{
    STORE s = store_replicated();

    store_clean(&s, A1, 5);
    store_put(&s, A3);
    revoked(&s, 6);
    CHECK_RC(replica_rejected_discard(s.db, rejected(&s).number, &test_err), 1);
    CHECK_INT(rejected(&s).n, 0);
    CHECK(!store_json(&s, "a"));
}

TEST(a_deletion_that_was_not_sent_is_listed_without_a_text)
{
    STORE s = store_replicated();
    struct listed l;

    store_clean(&s, A1, 5);
    store_delete(&s, "a");
    CHECK_INT(revoked(&s, 5), REPLICA__PULLED_ASIDE);
    l = rejected(&s);
    CHECK_STR(l.text, "");
    CHECK_STR(l.reason, "access ended before its deletion was sent");
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM doc WHERE body LIKE '%SECRET%'"), 0);
}

TEST(a_deletion_that_was_not_sent_is_done_again_when_the_document_has_come_back)
{
    STORE s = store_replicated();
    PAGE page = { 0 };
    int64_t number;

    store_clean(&s, A1, 5);
    store_delete(&s, "a");
    revoked(&s, 5);
    number = rejected(&s).number;
    CHECK_RC(replica_rejected_retry(s.db, number, &test_err), REPLICA_ENOTSUP);
    CHECK_INT(rejected(&s).n, 1);
    store_clean(&s, A2, 7);
    CHECK_RC(replica_rejected_retry(s.db, number, &test_err), 1);
    CHECK_INT(rejected(&s).n, 0);
    CHECK(!store_json(&s, "a"));
    CHECK_INT(store_push(&s, &page), 1);
    CHECK(page.rows[0].deleted);
    CHECK_INT(page.rows[0].assumed_sequence, 7);
}

TEST(a_document_of_our_own_that_was_never_at_the_server_is_not_taken_away)
{
    STORE s = store_replicated();

    store_put(&s, A3);
    CHECK_INT(revoked(&s, 6), REPLICA__PULLED_SAME);
    CHECK_STR(store_json(&s, "a"), A3);
    CHECK_INT(store_state(&s, "a"), REPLICA_DOC_DIRTY);
}

TEST(a_clean_document_that_left_the_filter_goes_and_an_edited_one_stays_until_it_is_sent)
{
    STORE s = store_replicated();

    store_clean(&s, A1, 5);
    store_clean(&s, B1, 6);
    store_put(&s, A3);
    CHECK_INT(store_pull_gone(&s, "a", 5, REPLICA__GONE_FILTER), REPLICA__PULLED_SAME);
    CHECK_INT(store_pull_gone(&s, "b", 6, REPLICA__GONE_FILTER), REPLICA__PULLED_WRITTEN);
    CHECK_STR(store_json(&s, "a"), A3);
    CHECK(!store_json(&s, "b"));
    store_push_all(&s, 7);
    CHECK_INT(store_pull_gone(&s, "a", 7, REPLICA__GONE_FILTER), REPLICA__PULLED_WRITTEN);
    CHECK(!store_json(&s, "a"));
    CHECK_INT(rejected(&s).n, 0);
    store_sound(&s);
}

TEST(news_of_before_what_is_known_takes_nothing_away)
{
    STORE s = store_replicated();

    store_clean(&s, A1, 5);
    CHECK_INT(revoked(&s, 4), REPLICA__PULLED_SAME);
    CHECK_STR(store_json(&s, "a"), A1);
}

TEST(a_local_insert_over_an_erased_document_is_a_new_one)
{
    STORE s = store_replicated();
    PAGE page = { 0 };

    store_clean(&s, A1, 5);
    revoked(&s, 5);
    CHECK_RC(replica_put(s.coll, A3, REPLICA_NUL, NULL, NULL, NULL, &test_err), 0);
    CHECK_INT(store_push(&s, &page), 1);
    CHECK(page.rows[0].assumed_deleted);
    CHECK_STR(page.rows[0].assumed, "{\"id\":\"a\"}");
    CHECK_INT(page.rows[0].assumed_sequence, 0);
}

TEST(nothing_of_what_was_seen_is_left_in_the_file)
{
    STORE s = store_replicated();
    QUESTION u = { 0 };

    store_clean(&s, A1, 5);
    store_put(&s, A3);
    CHECK_INT(store_pull_one(&s, A2, 6), REPLICA__PULLED_UNSETTLED);
    u = store_question(&s);
    CHECK(store_settle(&s, &u, REPLICA__SETTLE_LOCAL, NULL, "client-wins"));
    CHECK(store_words("SECRET2") > 0);
    revoked(&s, 7);
    CHECK_INT(store_words("SECRET1"), 0);
    CHECK_INT(store_words("SECRET2"), 0);
    CHECK(store_words("MINE") > 0);
    CHECK_RC(replica_rejected_discard(s.db, rejected(&s).number, &test_err), 1);
    store_sound(&s);
}

TEST(the_conflict_log_forgets_what_may_not_be_seen_and_keeps_what_only_left_the_filter)
{
    for (int why = REPLICA__GONE_VIEW; why <= REPLICA__GONE_FILTER; why++) {
        STORE s = store_replicated();
        QUESTION u = { 0 };

        store_clean(&s, A1, 5);
        store_put(&s, A3);
        CHECK_INT(store_pull_one(&s, A2, 6), REPLICA__PULLED_UNSETTLED);
        u = store_question(&s);
        CHECK(store_settle(&s, &u, REPLICA__SETTLE_REAL, NULL, "server-wins"));
        CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM conflict_log"), 1);
        CHECK_INT(store_pull_gone(&s, "a", 7, why), REPLICA__PULLED_WRITTEN);
        CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM conflict_log"),
                  why == REPLICA__GONE_FILTER);
        store_sound(&s);
    }
}

TEST(an_edit_that_is_under_way_is_taken_for_one_that_was_not_sent)
{
    STORE s = store_replicated();
    PAGE page = { 0 };

    store_clean(&s, A1, 5);
    store_put(&s, A3);
    CHECK_INT(store_push(&s, &page), 1);
    CHECK_INT(revoked(&s, 6), REPLICA__PULLED_ASIDE);
    CHECK_STR(rejected(&s).text, A3);
    CHECK_RC(store_judge(&s, &page, REPLICA_VERDICT_TAKEN, 7, NULL), 0);
    CHECK(!store_json(&s, "a"));
    store_sound(&s);
}

LONG_TEST(without_memory_nothing_is_taken_away_or_all_of_it)
{
    for (int nth = 0, failed = 1; failed; nth++) {
        STORE s = store_memory();
        struct replica__pulled doc;
        int r;

        store_replicate(&s, "r1");
        store_clean(&s, A1, 5);
        store_put(&s, A3);
        store_scan(&s, &(struct come){ .json = "{\"id\":\"a\"}", .sequence = 6 }, &doc);
        doc.gone = REPLICA__GONE_VIEW;
        fault_alloc(nth);
        r = replica__pull_apply(s.repl, 0, &doc, 1, "inc", NULL, &test_err);
        failed = fault_stop();
        CHECK(r == 0 || (failed && r == REPLICA_ENOMEM));
        replica__free(doc.id);
        CHECK_INT(rejected(&s).n, r == 0);
        CHECK((store_json(&s, "a") == NULL) == (r == 0));
        store_sound(&s);
    }
}
