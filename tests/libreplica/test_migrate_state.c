/* What replications know of documents that rise: nothing unsynced is lost, nothing is said to be in
 * sync that is not. */
#include "libreplica/db.h"
#include "tests/support/rise.h"
#include "tests/support/test.h"
#include "tests/support/tmp.h"

static struct store at_0(void)
{
    struct store s = rise_open(tmp_path("test.db"), 0, 0);

    store_replicate(&s, "r1");
    return s;
}

static void raise_all(struct store *s)
{
    rise_to(s, 1);
    rise_finish(s);
}

static void reach_head(struct store *s)
{
    CHECK(replica__feed_confirm(s->repl, 0, &test_err) >= 0);
}

static int pending(struct store *s)
{
    return replica__replication_pending(s->repl, &test_err);
}

/* ---- clean ------------------------------------------------------------------------ */

TEST(a_clean_document_rises_and_has_nothing_to_send)
{
    STORE s = at_0();
    PAGE page = { 0 };

    store_clean(&s, "{\"id\":\"a\"}", 5);
    raise_all(&s);
    CHECK_STR(store_json(&s, "a"), "{\"id\":\"a\",\"v1\":0}");
    CHECK_INT(store_push_again(&s, &page), 0);
    CHECK_INT(store_sql_int(&s, "SELECT base IS NULL AND server_seq = 5 FROM state"), 1);
    store_sound(&s);
}

TEST(nothing_is_in_sync_until_the_new_endpoint_has_shown_it)
{
    STORE s = at_0();

    store_clean(&s, "{\"id\":\"a\"}", 5);
    store_clean(&s, "{\"id\":\"b\"}", 6);
    CHECK_INT(store_state(&s, "a"), REPLICA_DOC_IN_SYNC);
    CHECK_INT(pending(&s), 0);
    raise_all(&s);
    CHECK_INT(store_state(&s, "a"), REPLICA_DOC_DIRTY);
    CHECK_INT(pending(&s), 1);
    CHECK_INT(store_pull_one(&s, "{\"id\":\"a\",\"v1\":0}", 5), REPLICA__PULLED_SAME);
    CHECK_INT(store_state(&s, "a"), REPLICA_DOC_IN_SYNC);
    CHECK_INT(store_state(&s, "b"), REPLICA_DOC_DIRTY);
    CHECK_INT(store_pull_one(&s, "{\"id\":\"b\",\"v1\":0}", 0), REPLICA__PULLED_SAME);
    reach_head(&s);
    CHECK_INT(store_state(&s, "b"), REPLICA_DOC_IN_SYNC);
    CHECK_INT(pending(&s), 0);
}

TEST(nothing_is_in_sync_while_documents_are_left_to_rise)
{
    STORE s = at_0();

    store_clean(&s, "{\"id\":\"a\"}", 5);
    rise_to(&s, 1);
    reach_head(&s);
    CHECK_INT(pending(&s), 1);
}

TEST(what_the_new_endpoint_shows_otherwise_takes_the_place_of_a_clean_document)
{
    STORE s = at_0();

    store_clean(&s, "{\"id\":\"a\"}", 5);
    raise_all(&s);
    CHECK_INT(store_pull_one(&s, "{\"id\":\"a\",\"v1\":7}", 5), REPLICA__PULLED_WRITTEN);
    CHECK_STR(store_json(&s, "a"), "{\"id\":\"a\",\"v1\":7}");
    CHECK_INT(store_state(&s, "a"), REPLICA_DOC_IN_SYNC);
}

TEST(a_state_that_is_pulled_spares_the_step)
{
    STORE s = at_0();

    rise_steps = 0;
    store_clean(&s, "{\"id\":\"a\"}", 5);
    rise_to(&s, 1);
    CHECK_INT(store_pull_one(&s, "{\"id\":\"a\",\"v1\":7}", 9), REPLICA__PULLED_WRITTEN);
    rise_finish(&s);
    CHECK_INT(rise_steps, 0);
    CHECK_STR(store_json(&s, "a"), "{\"id\":\"a\",\"v1\":7}");
    CHECK_INT(store_state(&s, "a"), REPLICA_DOC_IN_SYNC);
}

TEST(a_state_that_is_pulled_spares_the_step_also_where_it_looks_like_the_one_before)
{
    STORE s = at_0();

    store_clean(&s, "{\"id\":\"a\"}", 5);
    rise_to(&s, 1);
    CHECK_INT(store_pull_one(&s, "{\"id\":\"a\"}", 9), REPLICA__PULLED_WRITTEN);
    rise_finish(&s);
    CHECK_STR(store_json(&s, "a"), "{\"id\":\"a\"}");
    CHECK_INT(store_state(&s, "a"), REPLICA_DOC_IN_SYNC);
    CHECK_INT(rise_count(&s, 1), 1);
}

TEST(what_the_new_endpoint_did_not_show_is_brought_there)
{
    STORE s = at_0();
    PAGE page = { 0 };

    store_clean(&s, "{\"id\":\"a\"}", 5);
    raise_all(&s);
    reach_head(&s);
    CHECK_INT(store_state(&s, "a"), REPLICA_DOC_DIRTY);
    CHECK_INT(store_push_again(&s, &page), 1);
    CHECK_STR(page.rows[0].json, "{\"id\":\"a\",\"v1\":0}");
    CHECK_STR(page.rows[0].assumed, NULL); /* new, where there are no numbers */
    CHECK_INT(page.rows[0].assumed_sequence, 5);
    CHECK_STR(page.rows[0].assumed_incarnation, "inc");
    CHECK_RC(store_judge(&s, &page, REPLICA_VERDICT_TAKEN, 8, NULL), 0);
    CHECK_INT(store_state(&s, "a"), REPLICA_DOC_IN_SYNC);
    CHECK_INT(pending(&s), 0);
    store_sound(&s);
}

TEST(what_was_to_be_brought_and_is_there_after_all_asks_no_handler)
{
    STORE s = at_0();
    PAGE page = { 0 };
    QUESTION u = { 0 };

    store_clean(&s, "{\"id\":\"a\"}", 5);
    raise_all(&s);
    reach_head(&s);
    CHECK_INT(store_push_again(&s, &page), 1);
    CHECK_RC(store_judge(&s, &page, REPLICA_VERDICT_CONFLICT, 8, "{\"id\":\"a\",\"v1\":7}"), 0);
    u = store_question(&s);
    CHECK(u.clean && !u.lost);
    CHECK(store_settle(&s, &u, REPLICA__SETTLE_REAL, NULL, NULL));
    CHECK_STR(store_json(&s, "a"), "{\"id\":\"a\",\"v1\":7}");
    CHECK_INT(store_state(&s, "a"), REPLICA_DOC_IN_SYNC);
}

TEST(a_tombstone_that_the_new_endpoint_did_not_show_is_not_brought)
{
    STORE s = at_0();
    PAGE page = { 0 };

    store_clean(&s, "{\"id\":\"a\"}", 5);
    CHECK_RC(store_pull(&s, NULL, &(struct come){ .json = "{\"id\":\"a\"}", .sequence = 6,
                                                  .deleted = true }, 1), 0);
    raise_all(&s);
    reach_head(&s);
    CHECK_INT(store_push_again(&s, &page), 0);
    CHECK_INT(store_state(&s, "a"), REPLICA_DOC_IN_SYNC);
    CHECK_INT(pending(&s), 0);
}

TEST(an_edit_of_a_document_that_is_not_confirmed_is_pushed_with_its_base)
{
    STORE s = at_0();
    PAGE page = { 0 };

    store_clean(&s, "{\"id\":\"a\"}", 5);
    raise_all(&s);
    store_put(&s, "{\"id\":\"a\",\"v1\":1}");
    CHECK_INT(store_push_again(&s, &page), 1);
    CHECK_STR(page.rows[0].assumed, "{\"id\":\"a\",\"v1\":0}");
    CHECK_INT(page.rows[0].assumed_sequence, 5);
}

TEST(the_feed_starts_from_the_beginning_at_another_version)
{
    STORE s = at_0();

    CHECK_RC(store_pull(&s, "{\"lwt\":5}", NULL, 0), 0);
    rise_to(&s, 1);
    CHECK_STR(replica__feed_checkpoint(s.repl, 0), NULL);
    CHECK_RC(store_pull(&s, "{\"lwt\":9}", NULL, 0), 0);
    rise_to(&s, 1);
    CHECK_STR(replica__feed_checkpoint(s.repl, 0), "{\"lwt\":9}");
}

TEST(a_new_replication_has_nothing_to_confirm)
{
    STORE s = rise_open(tmp_path("test.db"), 0, 1);

    store_replicate(&s, "r1");
    CHECK_INT(pending(&s), 0);
    store_clean(&s, "{\"id\":\"a\"}", 5);
    CHECK_INT(store_state(&s, "a"), REPLICA_DOC_IN_SYNC);
}

/* ---- dirty ------------------------------------------------------------------------ */

TEST(an_edit_from_before_rises_and_its_base_stays_what_the_server_had)
{
    STORE s = at_0();
    PAGE page = { 0 };

    store_clean(&s, "{\"id\":\"a\"}", 5);
    store_put(&s, "{\"id\":\"a\",\"n\":1}");
    rise_to(&s, 1);
    CHECK_INT(store_push_again(&s, &page), 0); /* it waits */
    rise_finish(&s);
    CHECK_INT(store_push_again(&s, &page), 1);
    CHECK_STR(page.rows[0].json, "{\"id\":\"a\",\"n\":1,\"v1\":0}");
    CHECK_STR(page.rows[0].assumed, "{\"id\":\"a\"}");
    CHECK_INT(page.rows[0].assumed_sequence, 5);
    CHECK_INT(store_sql_int(&s, "SELECT version FROM kept"), 0);
    store_sound(&s);
}

TEST(edits_that_have_not_risen_are_counted_as_waiting)
{
    STORE s = at_0();
    PAGE page = { 0 };
    struct replica__backlog b = { 0 };

    store_clean(&s, "{\"id\":\"a\"}", 5);
    store_put(&s, "{\"id\":\"a\",\"n\":1}");
    store_put(&s, "{\"id\":\"b\"}");
    rise_to(&s, 1);
    CHECK_RC(replica__replication_backlog(s.repl, &b, &test_err), 0);
    CHECK_INT(b.dirty, 2);
    CHECK_INT(store_push_again(&s, &page), 0); /* the mark passes them */
    CHECK_RC(replica__replication_backlog(s.repl, &b, &test_err), 0);
    CHECK_INT(b.dirty, 2);
    rise_finish(&s);
    CHECK_RC(replica__replication_backlog(s.repl, &b, &test_err), 0);
    CHECK_INT(b.dirty, 2);
}

TEST(an_edit_that_needs_no_new_text_is_still_sent)
{
    STORE s = at_0();
    PAGE page = { 0 };

    store_put(&s, "{\"id\":\"a\",\"keep\":1}");
    rise_to(&s, 1);
    CHECK_INT(store_push_again(&s, &page), 0); /* the mark passes it */
    rise_finish(&s);
    CHECK_INT(store_push(&s, &page), 1);
    CHECK_STR(page.rows[0].json, "{\"id\":\"a\",\"keep\":1}");
}

TEST(a_deletion_from_before_is_sent_with_a_text_that_has_risen)
{
    STORE s = at_0();
    PAGE page = { 0 };

    store_clean(&s, "{\"id\":\"a\"}", 5);
    store_delete(&s, "a");
    raise_all(&s);
    CHECK_INT(store_push_again(&s, &page), 1);
    CHECK(page.rows[0].deleted);
    CHECK_STR(page.rows[0].json, "{\"id\":\"a\",\"v1\":0}");
}

TEST(a_deletion_whose_text_cannot_rise_is_sent_all_the_same)
{
    STORE s = at_0();
    PAGE page = { 0 };

    store_clean(&s, "{\"id\":\"a\",\"fail\":1}", 5);
    store_delete(&s, "a");
    raise_all(&s);
    CHECK_INT(store_push_again(&s, &page), 1);
    CHECK(page.rows[0].deleted);
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM aside"), 0);
}

/* ---- under way --------------------------------------------------------------------- */

TEST(what_was_under_way_is_asked_about_first_under_its_operation)
{
    STORE s = at_0();
    PAGE page = { 0 };
    char operation[REPLICA__OPERATION_SIZE];

    store_put(&s, "{\"id\":\"a\"}");
    CHECK_INT(store_push(&s, &page), 1); /* and the program dies */
    strcpy(operation, page.rows[0].operation);
    raise_all(&s);
    CHECK_INT(store_push_again(&s, &page), 1);
    CHECK(page.rows[0].again);
    CHECK_STR(page.rows[0].operation, operation);
    CHECK_STR(page.rows[0].json, "{\"id\":\"a\",\"v1\":0}");
    CHECK_RC(store_judge(&s, &page, REPLICA_VERDICT_ALREADY, 4, NULL), 0);
    CHECK_INT(store_push_again(&s, &page), 1); /* the risen state over it */
    CHECK_INT(page.rows[0].assumed_sequence, 4);
    CHECK_RC(store_judge(&s, &page, REPLICA_VERDICT_TAKEN, 5, NULL), 0);
    CHECK_INT(store_state(&s, "a"), REPLICA_DOC_IN_SYNC);
    store_sound(&s);
}

TEST(what_was_sent_and_only_rose_since_is_no_edit)
{
    STORE s = at_0();
    PAGE page = { 0 };
    QUESTION u = { 0 };

    store_put(&s, "{\"id\":\"a\"}");
    CHECK_INT(store_push(&s, &page), 1); /* taken, and overwritten by others; the answer is lost */
    raise_all(&s);
    CHECK_INT(store_push_again(&s, &page), 1);
    CHECK_RC(store_judge(&s, &page, REPLICA_VERDICT_ALREADY, 0, NULL), 0);
    CHECK_INT(store_push_again(&s, &page), 1);
    CHECK_RC(store_judge(&s, &page, REPLICA_VERDICT_CONFLICT, 9, "{\"id\":\"a\",\"v1\":7}"), 0);
    u = store_question(&s);
    CHECK(u.clean); /* no handler is asked */
    store_sound(&s);
}

TEST(what_is_taken_as_it_rose_is_in_step)
{
    STORE s = at_0();
    PAGE page = { 0 };

    store_put(&s, "{\"id\":\"a\"}");
    CHECK_INT(store_push(&s, &page), 1); /* it never came there */
    raise_all(&s);
    CHECK_INT(store_push_again(&s, &page), 1);
    CHECK_RC(store_judge(&s, &page, REPLICA_VERDICT_TAKEN, 4, NULL), 0);
    CHECK_INT(store_state(&s, "a"), REPLICA_DOC_IN_SYNC);
    CHECK_INT(store_push_again(&s, &page), 0);
    store_sound(&s);
}

TEST(a_conflict_with_a_state_that_rose_only_here_ends_with_that_on_the_server)
{
    STORE s = at_0();
    PAGE page = { 0 };
    QUESTION u = { 0 };

    store_clean(&s, "{\"id\":\"a\"}", 5);
    store_put(&s, "{\"id\":\"a\",\"n\":1}");
    CHECK_INT(store_pull_one(&s, "{\"id\":\"a\",\"n\":2}", 9), REPLICA__PULLED_UNSETTLED);
    raise_all(&s);
    u = store_question(&s);
    CHECK_RC(replica__unsettled_rise(&u, &test_err), 0);
    CHECK_RC(replica__unsettled_put(s.repl, &u, &test_err), 0);
    store_question_free(&u);
    u = store_question(&s);
    CHECK(store_settle(&s, &u, REPLICA__SETTLE_REAL, NULL, "server-wins"));
    CHECK_INT(store_state(&s, "a"), REPLICA_DOC_DIRTY);
    CHECK_INT(store_push_again(&s, &page), 1);
    CHECK_STR(page.rows[0].json, "{\"id\":\"a\",\"n\":2,\"v1\":0}");
    CHECK_INT(page.rows[0].assumed_sequence, 9);
}

TEST(it_is_so_when_the_replication_begins_before_the_document_rises)
{
    STORE s = at_0();
    PAGE page = { 0 };
    char operation[REPLICA__OPERATION_SIZE];

    store_put(&s, "{\"id\":\"a\"}");
    CHECK_INT(store_push(&s, &page), 1);
    strcpy(operation, page.rows[0].operation);
    rise_to(&s, 1);
    CHECK_INT(store_push_again(&s, &page), 0);
    rise_finish(&s);
    CHECK_INT(store_push_again(&s, &page), 1);
    CHECK_STR(page.rows[0].operation, operation);
}

TEST(a_sent_state_that_was_written_over_rises_with_the_document)
{
    STORE s = at_0();
    PAGE page = { 0 };

    store_put(&s, "{\"id\":\"a\",\"n\":1}");
    CHECK_INT(store_push(&s, &page), 1);
    store_put(&s, "{\"id\":\"a\",\"n\":2}");
    raise_all(&s);
    CHECK_INT(store_push_again(&s, &page), 1);
    CHECK_STR(page.rows[0].json, "{\"id\":\"a\",\"n\":1,\"v1\":0}");
    CHECK_RC(store_judge(&s, &page, REPLICA_VERDICT_TAKEN, 4, NULL), 0);
    CHECK_INT(store_push_again(&s, &page), 1);
    CHECK_STR(page.rows[0].json, "{\"id\":\"a\",\"n\":2,\"v1\":0}");
    CHECK_STR(page.rows[0].assumed, "{\"id\":\"a\",\"n\":1,\"v1\":0}");
    store_sound(&s);
}

/* ---- unsettled --------------------------------------------------------------------- */

TEST(a_conflict_across_versions_is_seen_in_the_new_one)
{
    STORE s = at_0();
    QUESTION u = { 0 };

    store_clean(&s, "{\"id\":\"a\"}", 5);
    store_put(&s, "{\"id\":\"a\",\"n\":1}");
    rise_to(&s, 1);
    CHECK_INT(store_pull_one(&s, "{\"id\":\"a\",\"n\":2,\"v1\":0}", 9), REPLICA__PULLED_UNSETTLED);
    CHECK_RC(replica__unsettled_next(s.repl, -1, &u, 1, &test_err), 0); /* not before it rises */
    rise_finish(&s);
    u = store_question(&s);
    CHECK(replica__unsettled_is_older(&u));
    CHECK_RC(replica__unsettled_rise(&u, &test_err), 0);
    CHECK_STR(replica_doc_json(u.assumed, NULL), "{\"id\":\"a\",\"v1\":0}");
    CHECK_STR(replica_doc_json(u.real, NULL), "{\"id\":\"a\",\"n\":2,\"v1\":0}");
    CHECK_STR(replica_doc_json(u.local, NULL), "{\"id\":\"a\",\"n\":1,\"v1\":0}");
    CHECK(store_settle(&s, &u, REPLICA__SETTLE_JSON, "{\"id\":\"a\",\"n\":3,\"v1\":0}", "handler"));
    CHECK_STR(store_json(&s, "a"), "{\"id\":\"a\",\"n\":3,\"v1\":0}");
    store_sound(&s);
}

TEST(a_real_state_from_before_rises_and_is_met_again)
{
    STORE s = at_0();
    QUESTION u = { 0 };

    store_clean(&s, "{\"id\":\"a\"}", 5);
    store_put(&s, "{\"id\":\"a\",\"n\":1}");
    CHECK_INT(store_pull_one(&s, "{\"id\":\"a\",\"n\":2}", 9), REPLICA__PULLED_UNSETTLED);
    raise_all(&s);
    u = store_question(&s);
    CHECK(u.real_older);
    CHECK_RC(replica__unsettled_rise(&u, &test_err), 0);
    CHECK_RC(replica__unsettled_put(s.repl, &u, &test_err), 0);
    store_question_free(&u);
    u = store_question(&s);
    CHECK(!u.real_older);
    CHECK_STR(replica_doc_json(u.real, NULL), "{\"id\":\"a\",\"n\":2,\"v1\":0}");
    CHECK(store_settle(&s, &u, REPLICA__SETTLE_REAL, NULL, "server-wins"));
    CHECK_STR(store_json(&s, "a"), "{\"id\":\"a\",\"n\":2,\"v1\":0}");
    CHECK_INT(store_sql_int(&s, "SELECT server_seq FROM state"), 9);
    store_sound(&s);
}

/* ---- dropped, failed, restored ------------------------------------------------------ */

static int look_at_log(void *ctx, const replica_conflict_entry *e)
{
    CHECK_STR(e->rule, "migration");
    CHECK_STR(e->id, "a");
    *(int64_t *)ctx = e->number;
    return 0;
}

TEST(a_clean_document_that_is_dropped_tells_no_server)
{
    STORE s = at_0();
    PAGE page = { 0 };
    int64_t number = 0;

    store_clean(&s, "{\"id\":\"a\",\"drop\":1}", 5);
    raise_all(&s);
    CHECK_STR(store_json(&s, "a"), NULL);
    CHECK_INT(store_push_again(&s, &page), 0);
    CHECK_RC(replica_conflict_log(s.db, s.coll, 0, look_at_log, &number, &test_err), 0);
    CHECK_INT(number, 0);
    reach_head(&s);
    CHECK_INT(store_push_again(&s, &page), 0);
    CHECK_INT(store_pull_one(&s, "{\"id\":\"a\",\"n\":7}", 6), REPLICA__PULLED_WRITTEN);
    store_sound(&s);
}

TEST(an_edit_that_is_dropped_goes_to_the_conflict_log)
{
    STORE s = at_0();
    PAGE page = { 0 };
    int64_t number = 0;

    store_clean(&s, "{\"id\":\"a\"}", 5);
    store_put(&s, "{\"id\":\"a\",\"drop\":1}");
    raise_all(&s);
    CHECK_STR(store_json(&s, "a"), NULL);
    CHECK_INT(store_push_again(&s, &page), 0);
    CHECK_RC(replica_conflict_log(s.db, s.coll, 0, look_at_log, &number, &test_err), 0);
    CHECK(number > 0);
    CHECK_RC(replica_conflict_restore(s.db, number, NULL, &test_err), REPLICA_EUSER);
    store_sound(&s);
}

TEST(a_document_whose_step_fails_is_not_sent_and_others_are)
{
    STORE s = at_0();
    PAGE page = { 0 };

    store_put(&s, "{\"id\":\"a\",\"fail\":1}");
    store_put(&s, "{\"id\":\"b\"}");
    raise_all(&s);
    CHECK_INT(store_state(&s, "a"), REPLICA_DOC_REJECTED);
    CHECK_INT(store_push_again(&s, &page), 1);
    CHECK_STR(page.rows[0].id, "b");
    CHECK_RC(store_judge(&s, &page, REPLICA_VERDICT_TAKEN, 4, NULL), 0);
    reach_head(&s);
    CHECK_INT(pending(&s), 0); /* it is set aside */
    store_put(&s, "{\"id\":\"a\",\"n\":1}");
    CHECK_INT(store_push_again(&s, &page), 1);
    CHECK_STR(page.rows[0].json, "{\"id\":\"a\",\"n\":1}");
}

TEST(a_conflict_of_a_document_that_cannot_rise_holds_nothing_up)
{
    STORE s = at_0();
    QUESTION u = { 0 };

    store_clean(&s, "{\"id\":\"a\"}", 5);
    store_put(&s, "{\"id\":\"a\",\"fail\":1}");
    CHECK_INT(store_pull_one(&s, "{\"id\":\"a\",\"n\":2}", 9), REPLICA__PULLED_UNSETTLED);
    raise_all(&s);
    reach_head(&s);
    CHECK_INT(pending(&s), 0);
    CHECK_RC(replica__unsettled_next(s.repl, -1, &u, 1, &test_err), 0);
    store_put(&s, "{\"id\":\"a\",\"n\":3}"); /* a state that is of the version */
    CHECK_INT(pending(&s), 1);
    u = store_question(&s);
}

TEST(what_is_gone_back_to_rises_and_is_brought)
{
    STORE s = at_0();
    PAGE page = { 0 };
    QUESTION u = { 0 };

    store_clean(&s, "{\"id\":\"a\"}", 5);
    store_put(&s, "{\"id\":\"a\",\"n\":1}");
    CHECK_INT(store_pull_one(&s, "{\"id\":\"a\",\"n\":2}", 9), REPLICA__PULLED_UNSETTLED);
    u = store_question(&s);
    CHECK(store_settle(&s, &u, REPLICA__SETTLE_ASIDE, NULL, NULL));
    rise_to(&s, 1);
    CHECK_RC(replica_rejected_discard(s.db, 1, &test_err), 1);
    rise_finish(&s);
    reach_head(&s);
    CHECK_STR(store_json(&s, "a"), "{\"id\":\"a\",\"n\":2,\"v1\":0}");
    CHECK_INT(store_state(&s, "a"), REPLICA_DOC_DIRTY);
    CHECK_INT(store_push_again(&s, &page), 1);
    CHECK_INT(page.rows[0].assumed_sequence, 9);
    store_sound(&s);
}

TEST(what_is_restored_from_the_log_rises)
{
    STORE s = at_0();
    QUESTION u = { 0 };

    store_clean(&s, "{\"id\":\"a\"}", 5);
    store_put(&s, "{\"id\":\"a\",\"n\":1}");
    CHECK_INT(store_pull_one(&s, "{\"id\":\"a\",\"n\":2}", 9), REPLICA__PULLED_UNSETTLED);
    u = store_question(&s);
    CHECK(store_settle(&s, &u, REPLICA__SETTLE_REAL, NULL, "server-wins"));
    raise_all(&s);
    CHECK_RC(replica_conflict_restore(s.db, 1, NULL, &test_err), 1);
    CHECK_STR(store_json(&s, "a"), "{\"id\":\"a\",\"n\":1,\"v1\":0}");
    CHECK_INT(rise_count(&s, 1), 1);
}

TEST(an_older_program_that_still_runs_sends_nothing_that_has_risen)
{
    STORE s = at_0();
    PAGE page = { 0 };
    struct store newer;

    store_put(&s, "{\"id\":\"a\"}");
    newer = rise_open(s.path, 0, 1);
    rise_finish(&newer);
    CHECK_RC(store_push_again(&s, &page), REPLICA_EVERSION);
    store_close(&newer);
}

TEST(an_older_program_that_takes_over_leaves_the_feed_to_the_newer_one)
{
    STORE s = at_0();
    struct replica__replication *repl = NULL;
    struct store newer;
    bool same;

    CHECK_RC(store_pull(&s, "at 5", NULL, 0), 0);
    replica__replication_close(s.repl);
    s.repl = NULL;
    CHECK_RC(replica__replication_open(s.db, "r1", &s.coll, 1, &repl, &test_err), 0);
    store_put(&s, "{\"id\":\"a\"}");
    newer = rise_open(s.path, 0, 1);
    store_replicate(&newer, "r1");
    CHECK_RC(store_pull(&newer, "at 6", NULL, 0), 0);
    store_close(&newer);
    CHECK_RC(replica__lease_take(repl, &same, &test_err), REPLICA_EVERSION);
    replica__replication_close(repl);
    repl = NULL;
    CHECK_RC(replica__replication_open(s.db, "r1", &s.coll, 1, &repl, &test_err),
             REPLICA_EVERSION);
    CHECK_INT(store_sql_int(&s, "SELECT version FROM replication_collection"), 1);
    CHECK_INT(store_sql_int(&s, "SELECT checkpoint = 'at 6' FROM feed"), 1);
}

TEST(a_replication_waits_for_the_program_that_has_the_steps)
{
    STORE s = at_0();
    struct replica__replication *repl = NULL;
    struct store tool;

    store_put(&s, "{\"id\":\"a\"}");
    rise_to(&s, 1);
    tool = store_open(s.path, NULL);
    CHECK_RC(replica__replication_open(tool.db, "r2", &tool.coll, 1, &repl, &test_err),
             REPLICA_EVERSION);
    rise_finish(&s);
    CHECK_RC(replica__replication_open(tool.db, "r2", &tool.coll, 1, &repl, &test_err), 0);
    replica__replication_close(repl);
    store_close(&tool);
}
