/* Pulling: what becomes of the documents of a page, and when an iteration ends. */
#include "tests/replicator/talk_support.h"

#include <stdio.h>

/* ---- document by document --------------------------------------------------------- */

TEST(a_document_that_is_absent_here_is_written_and_clean)
{
    TALK t = talk_begin(&(struct talk_options){ .features = OURS });

    talk_settle_down(t, "a=1@1 -b@2", CP("2"));
    CHECK_STR(talk_have(t, "a"), "a=1");
    CHECK_STR(talk_have(t, "b"), "-");
    CHECK_INT(talk_state(t, "a"), REPLICA_DOC_IN_SYNC);
    CHECK_INT(talk_state(t, "b"), REPLICA_DOC_IN_SYNC);
    CHECK_INT(t->pushes, 0);
    CHECK(t->status.in_sync);
    CHECK_INT(t->status.pulled, 2);
    CHECK_STR(t->events, "received a; received b; ");
}

TEST(a_clean_document_takes_the_newer_state)
{
    TALK t = talk_begin(&(struct talk_options){ .features = OURS });

    talk_settle_down(t, "a=1@1", CP("1"));
    replica__session_now(t->session);
    talk_run(t);
    CHECK_STR(t->from, CP("1"));
    talk_page(t, &(struct said){ "a=2@5", CP("5"), .at_head = 1 });
    CHECK_STR(talk_have(t, "a"), "a=2");
    CHECK_INT(talk_state(t, "a"), REPLICA_DOC_IN_SYNC);
    CHECK_INT(talk_logged(t), 0);
    CHECK_INT(t->pushes, 0);
}

TEST(a_state_with_a_lower_number_than_the_known_one_is_old_and_ignored)
{
    TALK t = talk_begin(&(struct talk_options){ .features = OURS });

    talk_settle_down(t, "a=5@5", CP("5"));
    replica__session_now(t->session);
    talk_run(t);
    talk_page(t, &(struct said){ "a=3@3", CP("6"), .at_head = 1 });
    CHECK_STR(talk_have(t, "a"), "a=5");
    CHECK_STR(t->events, "received a; ");
}

TEST(a_dirty_document_that_equals_the_servers_becomes_clean_and_is_not_sent)
{
    TALK t = talk_begin(&(struct talk_options){ .features = OURS });

    talk_put(t, "a=1");
    talk_settle_down(t, "a=1@4", CP("4"));
    CHECK_INT(talk_state(t, "a"), REPLICA_DOC_IN_SYNC);
    CHECK_INT(t->pushes, 0);
    CHECK_INT(talk_logged(t), 0);
    CHECK(t->status.in_sync);
}

static int same_parity(void *ctx, replica_doc *a, replica_doc *b)
{
    const char *x = replica_doc_json(a, NULL), *y = replica_doc_json(b, NULL);

    return (x[strlen(x) - 2] - y[strlen(y) - 2]) % 2 == 0;
}

TEST(where_the_handler_finds_different_texts_equal_the_servers_is_written_and_ours_is_logged)
{
    TALK t = talk_begin(&(struct talk_options){ .features = OURS, .is_equal = same_parity });

    talk_put(t, "a=1");
    talk_settle_down(t, "a=3@4", CP("4"));
    CHECK_STR(talk_have(t, "a"), "a=3");
    CHECK_INT(talk_state(t, "a"), REPLICA_DOC_IN_SYNC);
    CHECK_INT(talk_logged(t), 1);
    CHECK_INT(t->pushes, 0);
}

TEST(a_dirty_document_that_differs_is_settled_once_for_a_pair_of_states)
{
    TALK t = talk_begin(&(struct talk_options){ .features = OURS, .resolve = talk_keep });

    talk_put(t, "a=1");
    talk_settle_down(t, "a=2@4", CP("4"));
    CHECK_INT(t->conflicts, 1);
    CHECK_INT(talk_state(t, "a"), REPLICA_DOC_UNSETTLED);
    CHECK_STR(talk_have(t, "a"), "a=1");
    CHECK_INT(t->status.unsettled, 1);
    CHECK(!t->status.in_sync);
    replica__session_now(t->session);
    talk_run(t);
    talk_page(t, &(struct said){ "a=2@4", CP("4"), .at_head = 1 });
    CHECK_INT(t->conflicts, 1);
    CHECK_INT(t->pushes, 0);
}

/* ---- pages ----------------------------------------------------------------------- */

TEST(a_short_page_proves_nothing_and_the_next_one_is_asked_for)
{
    TALK t = talk_begin(&(struct talk_options){ .features = RXDB });

    talk_run(t);
    CHECK_STR(t->from, "");
    CHECK_INT(t->rows, 100);
    talk_page(t, &(struct said){ "a=1", CP("1") });
    CHECK_INT(t->pulls, 2);
    CHECK_STR(t->from, CP("1"));
    CHECK(!t->status.in_sync);
    CHECK_STR(talk_have(t, "a"), "a=1");
    talk_page(t, &(struct said){ "b=1", CP("2") });
    CHECK_STR(t->from, CP("2"));
    talk_page(t, &(struct said){ "", CP("2") });
    CHECK_INT(t->pulls, 3);
    CHECK(t->status.in_sync);
    CHECK_INT(t->status.state, REPLICA_SYNC_IDLE);
}

TEST(an_empty_page_that_moves_the_checkpoint_is_not_the_end)
{
    TALK t = talk_begin(&(struct talk_options){ .features = RXDB });

    talk_run(t);
    talk_page(t, &(struct said){ "", CP("7") });
    CHECK_STR(t->from, CP("7"));
    CHECK_INT(t->pulls, 2);
    talk_page(t, &(struct said){ "", NULL });
    CHECK(t->status.in_sync);
    CHECK_INT(t->pulls, 2);
}

/* A page with a checkpoint of its own; false: none is asked for now. */
static bool say_barren_page(struct talk *t, int n, const char *docs)
{
    char checkpoint[80];

    if (!t->pull)
        return false;
    snprintf(checkpoint, sizeof(checkpoint), "{\"id\":\"inc\",\"lwt\":%d}", n);
    talk_page(t, &(struct said){ docs, checkpoint });
    return true;
}

TEST(pages_that_move_on_for_ever_and_bring_nothing_make_no_busy_loop)
{
    TALK t = talk_begin(&(struct talk_options){ .features = OURS });
    int64_t begin;
    int n = 1;

    talk_run(t);
    begin = t->clock.monotonic_ms;
    while (t->clock.monotonic_ms - begin < 3600 * 1000) { /* an hour */
        if (!say_barren_page(t, n, ""))
            talk_next(t);
        else
            CHECK(n++ < 4000);
    }
    CHECK_INT(t->error.code, REPLICA_EHTTP);
    CHECK(n > 100);
    while (!t->pull)
        talk_next(t);
    talk_page(t, &(struct said){ "a=1@5000", CP("5000"), .at_head = 1 });
    CHECK_STR(talk_have(t, "a"), "a=1");
    CHECK_INT(t->status.error.code, 0);
    CHECK(t->status.in_sync);
}

TEST(a_long_part_of_the_feed_in_which_there_is_nothing_is_passed_over)
{
    TALK t = talk_begin(&(struct talk_options){ .features = OURS });

    talk_run(t);
    for (int n = 1; n <= 60; n++)
        CHECK(say_barren_page(t, n, ""));
    talk_page(t, &(struct said){ "a=1@70", CP("70"), .at_head = 1 });
    CHECK_INT(t->errors, 0);
    CHECK(t->status.in_sync);
}

TEST(an_empty_server_is_in_sync_after_one_page)
{
    TALK t = talk_begin(&(struct talk_options){ .features = RXDB });

    talk_run(t);
    talk_page(t, &(struct said){ "", NULL });
    CHECK(t->status.in_sync);
}

TEST(a_page_whose_checkpoint_does_not_move_is_an_error_and_not_a_loop)
{
    TALK t = talk_begin(&(struct talk_options){ .features = RXDB });

    talk_run(t);
    talk_page(t, &(struct said){ "a=1", CP("1") });
    talk_page(t, &(struct said){ "a=1", CP("1") });
    CHECK_INT(t->pulls, 2);
    CHECK_INT(t->error.code, REPLICA_EHTTP);
    CHECK_INT(t->status.state, REPLICA_SYNC_WAITING);
    CHECK(!t->status.in_sync);
    CHECK(t->status.retry_ms > 0);
}

TEST(pages_that_go_round_in_a_circle_are_an_error_and_not_a_loop)
{
    static const char *const round[] = { CP("5"), CP("7"), CP("6") };
    TALK t = talk_begin(&(struct talk_options){ .features = RXDB });
    int pages = 0;

    talk_run(t);
    for (; t->pull && pages < 100; pages++) {
        char doc[20];

        snprintf(doc, sizeof doc, "a=%d", pages);
        talk_page(t, &(struct said){ doc, round[pages % 3] });
    }
    CHECK(pages < 10);
    CHECK_INT(t->status.state, REPLICA_SYNC_WAITING);
    CHECK_INT(t->status.error.code, REPLICA_EHTTP);
}

TEST(of_a_document_twice_in_a_page_the_later_state_stays)
{
    TALK t = talk_begin(&(struct talk_options){ .features = OURS });

    talk_settle_down(t, "a=1@1 b=1@2 a=2@3", CP("3"));
    CHECK_STR(talk_have(t, "a"), "a=2");
    CHECK_INT(talk_state(t, "a"), REPLICA_DOC_IN_SYNC);
    CHECK(t->status.in_sync);
}

TEST(of_a_document_twice_in_a_page_without_numbers_the_later_state_stays)
{
    TALK t = talk_begin(&(struct talk_options){ .features = RXDB });

    talk_run(t);
    talk_page(t, &(struct said){ "a=1 -a a=3", CP("3") });
    talk_page(t, &(struct said){ "", CP("3") });
    CHECK_STR(talk_have(t, "a"), "a=3");
    CHECK_INT(talk_state(t, "a"), REPLICA_DOC_IN_SYNC);
}

TEST(a_document_that_is_none_is_set_aside_and_the_others_go_on)
{
    TALK t = talk_begin(&(struct talk_options){ .features = OURS });

    talk_settle_down(t, "a=1@1 b=}@2 c=1@3", CP("3"));
    CHECK_STR(talk_have(t, "a"), "a=1");
    CHECK_STR(talk_have(t, "b"), "-");
    CHECK_STR(talk_have(t, "c"), "c=1");
    CHECK(strstr(t->events, "rejected"));
    CHECK(strlen(talk_rejected(t)) > 0);
}

TEST(a_document_of_a_collection_that_was_not_asked_for_fails_the_page)
{
    TALK t = talk_begin(&(struct talk_options){ .features = OURS });

    talk_run(t);
    talk_page(t, &(struct said){ "a=1@1 lists/b=1@2", CP("2"), .at_head = 1 });
    CHECK_INT(t->error.code, REPLICA_EHTTP);
    CHECK_STR(talk_have(t, "a"), "-");
    CHECK(!t->status.in_sync);
}

TEST(progress_tells_what_the_server_still_has)
{
    TALK t = talk_begin(&(struct talk_options){ .features = OURS });

    talk_run(t);
    CHECK_INT(t->status.pull_remaining, -1);
    talk_page(t, &(struct said){ "a=1@1", CP("1"), .head = 3, .remaining = 2 });
    CHECK_INT(t->status.pull_remaining, 2);
    CHECK_INT(t->status.head, 0); /* not all up to there is known */
    CHECK_INT(t->status.state, REPLICA_SYNC_PULLING);
    talk_page(t, &(struct said){ "b=1@2 c=1@3", CP("3"), .head = 3, .at_head = 1 });
    CHECK_INT(t->status.pull_remaining, 0);
    CHECK_INT(t->status.head, 3);
    CHECK_INT(t->status.pulled, 3);
    CHECK(t->status.in_sync);
}

/* ---- prefetch -------------------------------------------------------------------- */

TEST(the_next_page_is_asked_for_before_one_is_applied)
{
    TALK t = talk_begin(&(struct talk_options){ .features = RXDB });

    talk_run(t);
    talk_say_page(t, &t->pull, &(struct said){ "a=1", CP("1") });
    CHECK(t->pull);
    CHECK_STR(t->from, CP("1"));
    CHECK_STR(talk_have(t, "a"), "-");
    talk_run(t);
    CHECK_STR(talk_have(t, "a"), "a=1");
    CHECK_INT(t->pulls, 2);
}

TEST(two_pages_that_come_in_one_turn_are_applied_in_their_order)
{
    TALK t = talk_begin(&(struct talk_options){ .features = RXDB });

    talk_run(t);
    talk_say_page(t, &t->pull, &(struct said){ "a=1 b=1", CP("1") });
    talk_say_page(t, &t->pull, &(struct said){ "a=2", CP("2") });
    CHECK_STR(talk_have(t, "a"), "a=1"); /* the first made room for the second */
    CHECK_INT(t->pulls, 3);
    talk_say_page(t, &t->pull, &(struct said){ "", CP("2") });
    talk_run(t);
    CHECK_STR(talk_have(t, "a"), "a=2");
    CHECK_STR(talk_have(t, "b"), "b=1");
    CHECK(t->status.in_sync);
    CHECK_INT(t->pulls, 3);
}

TEST(what_came_before_a_failure_is_kept_and_asked_on_from_there)
{
    TALK t = talk_begin(&(struct talk_options){ .features = RXDB });

    talk_run(t);
    talk_page(t, &(struct said){ "a=1", CP("1") });
    talk_fail(t, &t->pull, REPLICA_ENET, 7, 0);
    CHECK_STR(talk_have(t, "a"), "a=1");
    CHECK_INT(t->status.state, REPLICA_SYNC_WAITING);
    talk_next(t);
    CHECK_STR(t->from, CP("1"));
}

TEST(a_page_that_is_not_applied_yet_when_the_next_fails_is_asked_for_again_and_not_lost)
{
    TALK t = talk_begin(&(struct talk_options){ .features = RXDB });

    talk_run(t);
    talk_say_page(t, &t->pull, &(struct said){ "a=1", CP("1") });
    talk_fail(t, &t->pull, REPLICA_ENET, 7, 0);
    talk_next(t);
    if (t->from[0] == '\0')
        talk_page(t, &(struct said){ "a=1", CP("1") });
    talk_page(t, &(struct said){ "", CP("1") });
    CHECK_STR(talk_have(t, "a"), "a=1");
    CHECK(t->status.in_sync);
}

TEST(a_page_that_is_too_large_is_asked_for_in_halves_and_grows_again)
{
    TALK t = talk_begin(&(struct talk_options){ .features = RXDB });

    talk_run(t);
    CHECK_INT(t->rows, 100);
    talk_fail(t, &t->pull, REPLICA_ELIMIT, 413, 0);
    CHECK_INT(t->rows, 50);
    talk_fail(t, &t->pull, REPLICA_ELIMIT, 413, 0);
    CHECK_INT(t->rows, 25);
    CHECK_INT(t->errors, 0);
    talk_page(t, &(struct said){ "a=1", CP("1") });
    talk_page(t, &(struct said){ "b=1", CP("2") });
    CHECK(t->rows > 25);
    talk_page(t, &(struct said){ "", CP("2") });
    CHECK(t->status.in_sync);
}

TEST(a_page_of_one_row_that_is_too_large_is_an_error_with_a_wait)
{
    TALK t = talk_begin(&(struct talk_options){ .features = RXDB });

    talk_run(t);
    for (int i = 0; i < 7 && t->pull; i++)
        talk_fail(t, &t->pull, REPLICA_ELIMIT, 413, 0);
    CHECK(!t->pull);
    CHECK_INT(t->rows, 1);
    CHECK_INT(t->errors, 1);
    CHECK_INT(t->status.state, REPLICA_SYNC_WAITING);
}
