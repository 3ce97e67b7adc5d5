/* Documents set aside: listed, retried, discarded. */
#include "base/alloc.h"
#include "libreplica/feed.h"
#include "tests/support/store.h"
#include "tests/support/test.h"

#define A1 "{\"id\":\"a\",\"n\":1}"
#define A2 "{\"id\":\"a\",\"n\":2}"
#define A3 "{\"id\":\"a\",\"n\":3}"

static struct store refused(void)
{
    struct store s = store_empty();
    PAGE page = { 0 };

    store_replicate(&s, "r1");
    store_clean(&s, A1, 5);
    store_put(&s, A2);
    CHECK_INT(store_push(&s, &page), 1);
    CHECK_RC(store_judge(&s, &page, REPLICA_VERDICT_REFUSED, 0, NULL), 0);
    return s;
}

static int first_number(void *ctx, const replica_rejected_entry *e)
{
    *(int64_t *)ctx = e->number;
    return 1;
}

static int64_t entry(struct store *s)
{
    int64_t number = 0;

    CHECK_RC(replica_rejected(s->db, s->coll, first_number, &number, &test_err), 1);
    return number;
}

static int check_entry(void *ctx, const replica_rejected_entry *e)
{
    CHECK_STR(e->collection, "notes");
    CHECK_STR(e->id, "a");
    CHECK_STR(e->replication, "r1");
    CHECK_INT(e->kind, REPLICA_ASIDE_REFUSED);
    CHECK_INT(e->code, 422);
    CHECK_STR(e->reason, "no");
    CHECK_STR(replica_doc_json(e->local, NULL), A2);
    CHECK_STR(e->text, NULL);
    CHECK(e->time_ms > 1600000000000);
    ++*(int *)ctx;
    return 0;
}

TEST(an_entry_tells_what_was_set_aside_and_why)
{
    STORE s = refused();
    replica_collection *other = NULL;
    int n = 0;

    CHECK_RC(replica_rejected(s.db, NULL, check_entry, &n, &test_err), 0);
    CHECK_INT(n, 1);
    CHECK_RC(replica_db_collection(s.db, "other", NULL, &other, &test_err), 0);
    CHECK_RC(replica_rejected(s.db, other, check_entry, &n, &test_err), 0);
    CHECK_INT(n, 1);
    store_reopen(&s);
    CHECK_RC(replica_rejected(s.db, s.coll, check_entry, &n, &test_err), 0);
    CHECK_INT(n, 2);
    CHECK_RC(replica_rejected(s.db, NULL, NULL, NULL, &test_err), REPLICA_EINVAL);
}

TEST(a_retried_document_goes_out_as_it_is)
{
    STORE s = refused();
    PAGE page = { 0 };

    CHECK_RC(replica_rejected_retry(s.db, entry(&s), &test_err), 1);
    CHECK_INT(store_state(&s, "a"), REPLICA_DOC_DIRTY);
    CHECK_INT(store_push_again(&s, &page), 1);
    CHECK_STR(page.rows[0].json, A2);
    CHECK_STR(page.rows[0].assumed, A1);
    CHECK_RC(store_judge(&s, &page, REPLICA_VERDICT_TAKEN, 6, NULL), 0);
    CHECK_INT(store_state(&s, "a"), REPLICA_DOC_IN_SYNC);
    store_sound(&s);
}

TEST(retry_and_discard_of_no_entry_are_0)
{
    STORE s = refused();

    CHECK_RC(replica_rejected_retry(s.db, 999, &test_err), 0);
    CHECK_RC(replica_rejected_discard(s.db, 999, &test_err), 0);
    CHECK_RC(replica_rejected_retry(NULL, 1, &test_err), REPLICA_EINVAL);
    CHECK_RC(replica_rejected_discard(NULL, 1, &test_err), REPLICA_EINVAL);
    store_put(&s, A3); /* and the database can be written */
}

static int local_of(void *ctx, const replica_conflict_entry *e)
{
    strcpy(ctx, replica_doc_json(e->local, NULL));
    CHECK_STR(e->rule, "discarded");
    return 0;
}

TEST(a_discarded_document_goes_back_to_the_servers_state_and_is_logged)
{
    STORE s = refused();
    char logged[60] = "";

    CHECK_RC(replica_rejected_discard(s.db, entry(&s), &test_err), 1);
    CHECK_STR(store_json(&s, "a"), A1);
    CHECK_INT(store_state(&s, "a"), REPLICA_DOC_IN_SYNC);
    CHECK_RC(replica_conflict_log(s.db, NULL, 0, local_of, logged, &test_err), 0);
    CHECK_STR(logged, A2);
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM aside"), 0);
    CHECK_INT(store_pull_one(&s, A3, 6), REPLICA__PULLED_WRITTEN);
    store_sound(&s);
}

TEST(discarding_goes_to_the_newest_state_of_the_server)
{
    STORE s = refused();

    CHECK_INT(store_pull_one(&s, A3, 9), REPLICA__PULLED_UNSETTLED);
    CHECK_RC(replica_rejected_discard(s.db, entry(&s), &test_err), 1);
    CHECK_STR(store_json(&s, "a"), A3);
    CHECK_INT(store_state(&s, "a"), REPLICA_DOC_IN_SYNC);
    CHECK_INT(store_pull_one(&s, A1, 9), REPLICA__PULLED_SAME);
    store_sound(&s);
}

TEST(discarding_what_the_server_never_had_deletes_it)
{
    STORE s = store_with(A2);
    PAGE page = { 0 };

    store_replicate(&s, "r1");
    CHECK_INT(store_push(&s, &page), 1);
    CHECK_RC(store_judge(&s, &page, REPLICA_VERDICT_REFUSED, 0, NULL), 0);
    CHECK_RC(replica_rejected_discard(s.db, entry(&s), &test_err), 1);
    CHECK(!store_json(&s, "a"));
    CHECK_RC(replica__replication_pending(s.repl, &test_err), 0);
    CHECK_INT(store_push_again(&s, &page), 0);
    CHECK_RC(replica_conflict_restore(s.db, 1, NULL, &test_err), 1);
    CHECK_STR(store_json(&s, "a"), A2);
    store_sound(&s);
}

TEST(an_entry_without_a_local_state_cannot_be_discarded)
{
    STORE s = store_empty();
    struct come bad = { .json = "{\"noid\":1}", .sequence = 5 };

    store_replicate(&s, "r1");
    CHECK_RC(store_pull(&s, "c", &bad, 1), 0);
    CHECK_RC(replica_rejected_discard(s.db, entry(&s), &test_err), REPLICA_ENOTSUP);
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM aside"), 1);
    store_put(&s, A1);
}

TEST(an_entry_that_was_edited_since_cannot_be_discarded)
{
    STORE s = refused();

    store_put(&s, A3);
    CHECK_RC(replica_rejected_discard(s.db, entry(&s), &test_err), REPLICA_ENOTSUP);
    CHECK_STR(store_json(&s, "a"), A3);
}

TEST(retrying_what_could_not_be_applied_pulls_from_the_beginning)
{
    STORE s = store_empty();
    struct come bad = { .json = "{\"noid\":1}", .sequence = 5 };

    store_replicate(&s, "r1");
    CHECK_RC(store_pull(&s, "5.inc", &bad, 1), 0);
    CHECK_RC(replica_rejected_retry(s.db, entry(&s), &test_err), 1);
    store_reopen(&s);
    CHECK_STR(replica__feed_checkpoint(s.repl, 0), NULL);
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM aside"), 0);
}

TEST(a_function_may_retry_while_it_lists)
{
    STORE s = refused();
    int64_t number = entry(&s);

    CHECK_RC(replica_rejected_retry(s.db, number, &test_err), 1);
    CHECK_RC(replica_rejected(s.db, NULL, first_number, &number, &test_err), 0);
}

TEST(retry_meets_a_failed_conflict_again)
{
    STORE s = store_with(A1);

    store_replicate(&s, "r1");
    CHECK_INT(store_pull_one(&s, A2, 9), REPLICA__PULLED_UNSETTLED);
    QUESTION u = store_question(&s);
    CHECK(store_settle(&s, &u, REPLICA__SETTLE_ASIDE, NULL, NULL));
    CHECK_RC(replica_rejected_retry(s.db, entry(&s), &test_err), 1);
    QUESTION again = store_question(&s);
    CHECK_STR(replica_doc_json(again.real, NULL), A2);
    CHECK_INT(store_state(&s, "a"), REPLICA_DOC_UNSETTLED);
    CHECK(store_settle(&s, &again, REPLICA__SETTLE_REAL, NULL, "server-wins"));
    CHECK_STR(store_json(&s, "a"), A2);
    store_sound(&s);
}

TEST(the_same_document_may_be_set_aside_by_two_replications)
{
    STORE s = refused();
    PAGE page = { 0 };

    store_replicate(&s, "r2");
    CHECK_INT(store_push(&s, &page), 1);
    CHECK_RC(store_judge(&s, &page, REPLICA_VERDICT_REFUSED, 0, NULL), 0);
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM aside"), 2);
    CHECK_RC(replica_rejected_discard(s.db, entry(&s), &test_err), 1);
    CHECK_INT(store_state(&s, "a"), REPLICA_DOC_IN_SYNC); /* r1's */
    CHECK_INT(store_push_again(&s, &page), 1);             /* to r2 it is a new state */
    CHECK_STR(page.rows[0].json, A1);
    store_sound(&s);
}

/* ---- a state of the server that cannot be applied, and a local one that is set aside -------- */

/* A newer state of the server comes, and cannot be applied here. */
static void unappliable(struct store *s, int64_t sequence)
{
    struct replica__pulled doc;

    store_scan(s, &(struct come){ .json = A3, .sequence = sequence }, &doc);
    doc.problem = REPLICA_ELIMIT;
    doc.reason = "too large";
    CHECK_RC(replica__pull_apply(s->repl, 0, &doc, 1, "inc", "5.inc", &test_err), 0);
    CHECK_INT(doc.outcome, REPLICA__PULLED_ASIDE);
    replica__free(doc.id);
}

static void one_entry(struct store *s, int kind)
{
    CHECK_INT(store_sql_int(s, "SELECT count(*) FROM aside"), 1);
    CHECK_INT(store_sql_int(s, "SELECT kind FROM aside"), kind);
    store_sound(s);
}

TEST(what_cannot_be_applied_does_not_take_the_place_of_a_refused_edit)
{
    STORE s = refused();

    unappliable(&s, 9);
    one_entry(&s, REPLICA_ASIDE_REFUSED);
    CHECK_INT(store_sql_int(&s, "SELECT code FROM aside"), 422);
    CHECK_INT(store_sql_int(&s, "SELECT text IS NOT NULL FROM aside"), 1);
    CHECK_INT(store_state(&s, "a"), REPLICA_DOC_REJECTED);
}

TEST(a_refused_edit_stays_listed_when_what_could_not_be_applied_left_the_filter)
{
    STORE s = refused();

    unappliable(&s, 9);
    store_pull_gone(&s, "a", 10, REPLICA__GONE_FILTER);
    one_entry(&s, REPLICA_ASIDE_REFUSED);
    CHECK_INT(store_sql_int(&s, "SELECT text IS NULL FROM aside"), 1);
    CHECK_STR(store_json(&s, "a"), A2);
}

TEST(a_refused_edit_stays_listed_when_what_could_not_be_applied_can_be)
{
    STORE s = refused();

    unappliable(&s, 9);
    CHECK_INT(store_pull_one(&s, A3, 10), REPLICA__PULLED_UNSETTLED);
    one_entry(&s, REPLICA_ASIDE_REFUSED);
    CHECK_RC(replica_rejected_discard(s.db, entry(&s), &test_err), 1);
    CHECK_STR(store_json(&s, "a"), A3);
    store_sound(&s);
}

TEST(a_refused_edit_whose_document_is_taken_away_is_an_entry_of_its_own)
{
    STORE s = refused();

    unappliable(&s, 9);
    CHECK_INT(store_pull_gone(&s, "a", 10, REPLICA__GONE_VIEW), REPLICA__PULLED_ASIDE);
    one_entry(&s, REPLICA_ASIDE_REVOKED);
}

/* A handler's failure is about the local state, too. */
TEST(what_cannot_be_applied_does_not_take_the_place_of_a_handler_that_failed)
{
    STORE s = store_with(A1);

    store_replicate(&s, "r1");
    CHECK_INT(store_pull_one(&s, A2, 6), REPLICA__PULLED_UNSETTLED);
    QUESTION u = store_question(&s);
    CHECK(store_settle(&s, &u, REPLICA__SETTLE_ASIDE, NULL, NULL));
    unappliable(&s, 9);
    one_entry(&s, REPLICA_ASIDE_HANDLER);
    store_pull_gone(&s, "a", 10, REPLICA__GONE_FILTER);
    one_entry(&s, REPLICA_ASIDE_HANDLER);
}

TEST(an_edit_that_waited_for_what_left_the_filter_goes_out_again)
{
    STORE s = refused();
    PAGE page = { 0 };

    /* as a conflict whose real state is no document */
    store_sql(&s, "UPDATE aside SET kind = 2");
    store_pull_gone(&s, "a", 10, REPLICA__GONE_FILTER);
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM aside"), 0);
    store_sound(&s);
    CHECK_INT(store_state(&s, "a"), REPLICA_DOC_DIRTY);
    CHECK_INT(store_push_again(&s, &page), 1);
    CHECK_STR(page.rows[0].json, A2);
}

TEST(a_refusal_keeps_what_could_not_be_applied)
{
    STORE s = store_replicated();
    PAGE page = { 0 };

    store_clean(&s, A1, 5);
    store_put(&s, A2);
    unappliable(&s, 9);
    one_entry(&s, REPLICA_ASIDE_UNAPPLIED);
    CHECK_INT(store_push(&s, &page), 1);
    CHECK_RC(store_judge(&s, &page, REPLICA_VERDICT_REFUSED, 0, NULL), 0);
    one_entry(&s, REPLICA_ASIDE_REFUSED);
    CHECK_INT(store_sql_int(&s, "SELECT text IS NOT NULL FROM aside"), 1);
}

static void fetches_again(int (*what)(replica_db *db, int64_t number, replica_error *err),
                          int state)
{
    STORE s = refused();

    unappliable(&s, 9);
    CHECK_RC(replica__feed_is_reset(s.repl, 0, &test_err), 0);
    CHECK_RC(what(s.db, entry(&s), &test_err), 1);
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM aside"), 0);
    CHECK_RC(replica__feed_is_reset(s.repl, 0, &test_err), 1);
    CHECK_INT(store_state(&s, "a"), state);
    store_sound(&s);
}

TEST(a_retry_of_a_refused_edit_fetches_what_could_not_be_applied_again)
{
    fetches_again(replica_rejected_retry, REPLICA_DOC_DIRTY);
}

TEST(a_discard_of_a_refused_edit_fetches_what_could_not_be_applied_again)
{
    fetches_again(replica_rejected_discard, REPLICA_DOC_IN_SYNC);
}

static void count_finding(void *ctx, const char *where, const char *what)
{
    CHECK_STR(where, "notes/a");
    CHECK_STR(what, "it is set aside, and no entry tells so");
}

TEST(a_state_that_is_set_aside_and_in_no_list_is_found)
{
    STORE s = refused();

    store_sound(&s);
    store_sql(&s, "DELETE FROM aside");
    CHECK_RC(replica_check(s.db, count_finding, NULL, &test_err), 1);
}

/* Access ended: the document is gone, and the edit is in the entry. */
static struct store revoked(void)
{
    STORE s = store_empty();
    struct store ret;

    store_replicate(&s, "r1");
    store_clean(&s, A1, 5);
    CHECK_INT(store_pull(&s, NULL, &(struct come){ .json = A1, .sequence = 6, .deleted = true }, 1),
              0);
    store_sql(&s, "INSERT INTO aside(replication, coll, doc, kind, code, reason, time, text)"
                  " SELECT r.id, c.id, 'a', 5, 403, 'access has ended', 1700000000000,"
                  " '" A2 "' FROM replication r, collection c");
    ret = s;
    s = (struct store){ .db = NULL };
    return ret;
}

TEST(an_edit_that_access_ended_to_is_put_again_by_a_retry)
{
    STORE s = revoked();
    PAGE page = { 0 };

    CHECK_STR(store_json(&s, "a"), NULL);
    CHECK_RC(replica_rejected_retry(s.db, entry(&s), &test_err), 1);
    CHECK_STR(store_json(&s, "a"), A2);
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM aside"), 0);
    CHECK_INT(store_push(&s, &page), 1);
    CHECK_STR(page.rows[0].json, A2);
    store_sound(&s);
}

TEST(an_edit_that_access_ended_to_is_forgotten_by_a_discard)
{
    STORE s = revoked();

    CHECK_RC(replica_rejected_discard(s.db, entry(&s), &test_err), 1);
    CHECK_STR(store_json(&s, "a"), NULL);
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM aside"), 0);
    store_sound(&s);
}

static int check_states(void *ctx, const replica_rejected_entry *e)
{
    CHECK_STR(replica_doc_json(e->local, NULL), A2);
    CHECK_STR(replica_doc_json(e->server, NULL), ctx);
    return 0;
}

TEST(an_entry_has_the_newest_state_of_the_server)
{
    STORE s = refused();
    char first[] = A1, newer[] = A3;

    CHECK_RC(replica_rejected(s.db, NULL, check_states, first, &test_err), 0);
    CHECK_INT(store_pull_one(&s, A3, 9), REPLICA__PULLED_UNSETTLED);
    CHECK_RC(replica_rejected(s.db, NULL, check_states, newer, &test_err), 0);
}
