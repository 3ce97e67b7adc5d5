/* Pushing: what goes out, and what becomes of verdicts. */
#include "tests/replicator/talk_support.h"

#include <stdio.h>

TEST(what_the_program_wrote_is_sent_and_a_verdict_makes_it_clean)
{
    TALK t = talk_begin(&(struct talk_options){ .features = OURS });

    talk_put(t, "a=1");
    talk_settle_down(t, "", NULL);
    CHECK_STR(t->pushed, "a=1");
    CHECK_INT(talk_state(t, "a"), REPLICA_DOC_SENT);
    CHECK_INT(t->status.state, REPLICA_SYNC_PUSHING);
    CHECK(!t->status.in_sync);
    talk_verdicts(t, "taken@1");
    CHECK_INT(talk_state(t, "a"), REPLICA_DOC_IN_SYNC);
    CHECK(t->status.in_sync);
    CHECK_INT(t->status.pushed, 1);
    CHECK_INT(t->pushes, 1);
    CHECK_STR(t->events, "sent a; ");
}

TEST(the_assumed_state_is_the_one_that_the_first_write_over_a_clean_document_replaced)
{
    TALK t = talk_begin(&(struct talk_options){ .features = RXDB });

    talk_run(t);
    talk_page(t, &(struct said){ "a=1 b=1", CP("1") });
    talk_page(t, &(struct said){ "", CP("1") });
    talk_put(t, "a=2 a=3 -b c=1");
    talk_run(t);
    CHECK_STR(t->pushed, "a=3<1 -b<1 c=1");
    talk_taken(t);
    CHECK_STR(t->events, "received a; received b; sent a; sent b; sent c; ");
    CHECK(t->status.in_sync);
}

TEST(a_verdict_taken_makes_the_sent_state_the_base_of_what_was_written_meanwhile)
{
    TALK t = talk_begin(&(struct talk_options){ .features = RXDB });

    talk_put(t, "a=1");
    talk_settle_down(t, "", NULL);
    CHECK_STR(t->pushed, "a=1");
    talk_put(t, "a=2");
    talk_taken(t);
    CHECK_STR(t->pushed, "a=2<1");
    CHECK_INT(t->pushes, 2);
    CHECK(!t->status.in_sync);
    talk_taken(t);
    CHECK(t->status.in_sync);
    CHECK_INT(talk_state(t, "a"), REPLICA_DOC_IN_SYNC);
    CHECK_INT(t->pushes, 2);
}

TEST(already_taken_counts_as_taken)
{
    TALK t = talk_begin(&(struct talk_options){ .features = OURS });

    talk_put(t, "a=1");
    talk_settle_down(t, "", NULL);
    talk_verdicts(t, "already@9");
    CHECK_INT(talk_state(t, "a"), REPLICA_DOC_IN_SYNC);
    CHECK(t->status.in_sync);
}

TEST(a_push_whose_answer_was_lost_is_sent_again_with_the_same_operation_before_anything_newer)
{
    TALK t = talk_begin(&(struct talk_options){ .features = OURS });
    char operation[2000];

    talk_put(t, "a=1");
    talk_settle_down(t, "", NULL);
    snprintf(operation, sizeof operation, "%s", t->operations);
    talk_put(t, "a=2 b=1");
    talk_fail(t, &t->push, REPLICA_ENET, 52, 0);
    CHECK_INT(t->status.state, REPLICA_SYNC_WAITING);
    talk_next(t);
    if (t->pull)
        talk_page(t, &(struct said){ "", NULL, .at_head = 1 });
    CHECK_STR(t->pushed, "a=1 b=1");
    CHECK(strncmp(t->operations, operation, strlen(operation)) == 0);
    talk_verdicts(t, "already@1 taken@2");
    CHECK_STR(t->pushed, "a=2<1");
    talk_taken(t);
    CHECK(t->status.in_sync);
    CHECK_STR(talk_have(t, "a"), "a=2");
}

TEST(after_a_restart_what_was_under_way_is_asked_about_first)
{
    TALK t = talk_begin(&(struct talk_options){ .features = OURS });
    char operation[2000];

    talk_put(t, "a=1");
    talk_settle_down(t, "", NULL);
    snprintf(operation, sizeof operation, "%s", t->operations);
    talk_put(t, "a=2");
    talk_restart(t);
    talk_settle_down(t, "a=1@1", CP("1"));
    CHECK_STR(t->pushed, "a=1");
    CHECK_STR(t->operations, operation);
    talk_verdicts(t, "already@1");
    CHECK_STR(t->pushed, "a=2<1");
    talk_verdicts(t, "taken@2");
    CHECK(t->status.in_sync);
    CHECK_STR(talk_have(t, "a"), "a=2");
    CHECK_INT(t->conflicts, 0);
}

TEST(a_page_holds_no_more_rows_than_it_may_and_the_next_one_goes_on)
{
    TALK t = talk_begin(&(struct talk_options){ .features = OURS, .rows = 2 });

    talk_put(t, "a=1 b=1 c=1 d=1 e=1");
    talk_settle_down(t, "", NULL);
    CHECK_STR(t->pushed, "a=1 b=1");
    talk_taken(t);
    CHECK_STR(t->pushed, "c=1 d=1");
    talk_taken(t);
    CHECK_STR(t->pushed, "e=1");
    talk_taken(t);
    CHECK(t->status.in_sync);
    CHECK_INT(t->pushes, 3);
    CHECK_INT(t->status.pushed, 5);
}

TEST(the_next_page_leaves_before_the_verdicts_of_the_first_are_written)
{
    TALK t = talk_begin(&(struct talk_options){ .features = OURS, .rows = 1 });

    talk_put(t, "a=1 b=1");
    talk_settle_down(t, "", NULL);
    CHECK_STR(t->pushed, "a=1");
    talk_say_verdicts(t, "taken", NULL, NULL);
    CHECK_STR(t->pushed, "b=1");
    CHECK_INT(talk_state(t, "a"), REPLICA_DOC_SENT);
    talk_run(t);
    CHECK_INT(talk_state(t, "a"), REPLICA_DOC_IN_SYNC);
}

TEST(verdicts_of_two_pages_in_one_turn_each_go_to_their_page)
{
    TALK t = talk_begin(&(struct talk_options){ .features = OURS, .rows = 1 });

    talk_put(t, "a=1 b=1");
    talk_settle_down(t, "", NULL);
    talk_say_verdicts(t, "taken@1", NULL, NULL);
    CHECK_STR(t->pushed, "b=1");
    talk_say_verdicts(t, "refused", NULL, NULL);
    talk_run(t);
    CHECK_INT(talk_state(t, "a"), REPLICA_DOC_IN_SYNC);
    CHECK_INT(talk_state(t, "b"), REPLICA_DOC_REJECTED);
    CHECK_STR(talk_rejected(t), "b 422; ");
}

TEST(only_a_verdict_marks_a_row_as_pushed)
{
    TALK t = talk_begin(&(struct talk_options){ .features = OURS });

    talk_put(t, "a=1 b=1");
    talk_settle_down(t, "", NULL);
    talk_verdicts(t, "taken none");
    CHECK_INT(talk_state(t, "a"), REPLICA_DOC_IN_SYNC);
    CHECK_INT(talk_state(t, "b"), REPLICA_DOC_SENT);
    CHECK(!t->status.in_sync);
    CHECK_INT(t->pushes, 1);
    talk_next(t);
    CHECK_STR(t->pushed, "b=1");
    talk_taken(t);
    CHECK(t->status.in_sync);
}

TEST(an_answer_with_another_number_of_verdicts_is_none_at_all)
{
    TALK t = talk_begin(&(struct talk_options){ .features = OURS });

    talk_put(t, "a=1 b=1");
    talk_settle_down(t, "", NULL);
    talk_verdicts(t, "taken");
    CHECK_INT(t->error.code, REPLICA_EHTTP);
    CHECK_INT(t->status.state, REPLICA_SYNC_WAITING);
    talk_next(t);
    if (t->pull)
        talk_page(t, &(struct said){ "", NULL, .at_head = 1 });
    CHECK_STR(t->pushed, "a=1 b=1");
    talk_taken(t);
    CHECK(t->status.in_sync);
}

TEST(locked_and_later_rows_come_again_in_their_time_and_hold_nothing_up)
{
    TALK t = talk_begin(&(struct talk_options){ .features = OURS });
    int64_t began;

    talk_put(t, "a=1 b=1 c=1");
    talk_settle_down(t, "", NULL);
    began = t->clock.monotonic_ms;
    talk_verdicts(t, "locked:5000 taken later:5000");
    CHECK_INT(t->status.state, REPLICA_SYNC_IDLE);
    CHECK(!t->status.in_sync);
    talk_put(t, "d=1");
    talk_run(t);
    CHECK_STR(t->pushed, "d=1");
    talk_taken(t);
    CHECK_INT(t->pushes, 2);
    for (int i = 0; i < 20 && t->pushes == 2; i++)
        talk_next(t);
    CHECK_STR(t->pushed, "a=1 c=1");
    CHECK(t->clock.monotonic_ms >= began + 5000);
    CHECK(t->clock.monotonic_ms < began + 30000);
    talk_taken(t);
    CHECK(t->status.in_sync);
}

TEST(a_row_that_comes_later_goes_out_as_it_is_stored_then)
{
    TALK t = talk_begin(&(struct talk_options){ .features = OURS });

    talk_put(t, "a=1");
    talk_settle_down(t, "", NULL);
    talk_verdicts(t, "later:1000");
    talk_put(t, "a=2");
    talk_run(t);
    for (int i = 0; i < 20 && t->pushes == 1; i++)
        talk_next(t);
    CHECK_STR(t->pushed, "a=2");
    talk_taken(t);
    CHECK(t->status.in_sync);
    CHECK_INT(t->pushes, 2);
}

TEST(a_row_that_is_locked_for_long_does_not_hold_up_one_that_comes_soon)
{
    TALK t = talk_begin(&(struct talk_options){ .features = OURS, .push_only = true });

    talk_put(t, "a=1 b=1 c=1");
    talk_run(t);
    talk_verdicts(t, "locked:3600000 later:1000 locked:3600000");
    for (int i = 0; i < 5 && t->pushes == 1; i++)
        talk_next(t);
    CHECK(strstr(t->pushed, "b=1"));
    CHECK(t->clock.monotonic_ms < 20000);
}

TEST(a_row_that_shall_come_never_comes_after_a_day)
{
    TALK t = talk_begin(&(struct talk_options){ .features = OURS & ~(unsigned)REPLICA_REMOTE_STREAM,
                                                .push_only = true });

    talk_put(t, "a=1");
    talk_run(t);
    talk_verdicts(t, "later:9223372036854775807");
    CHECK_INT(talk_wait_ms(t), 24 * 3600 * 1000);
    talk_next(t);
    CHECK_STR(t->pushed, "a=1");
    CHECK_INT(t->pushes, 2);
}

TEST(a_row_that_always_comes_later_is_asked_ever_more_seldom)
{
    TALK t = talk_begin(&(struct talk_options){ .features = OURS });

    talk_put(t, "a=1");
    talk_settle_down(t, "", NULL);
    for (int minute = 0; minute < 60; minute++) {
        for (int64_t until = t->clock.monotonic_ms + 60000; t->clock.monotonic_ms < until;) {
            if (t->push)
                talk_verdicts(t, "later");
            if (t->pull)
                talk_page(t, &(struct said){ "", NULL, .at_head = 1 });
            talk_pass(t, 1000);
        }
    }
    CHECK(t->pushes > 5);
    CHECK(t->pushes < 60);
}

TEST(a_refused_row_waits_in_the_list_with_its_reason_and_the_others_are_taken)
{
    TALK t = talk_begin(&(struct talk_options){ .features = OURS });

    talk_put(t, "a=1 b=1 c=1");
    talk_settle_down(t, "", NULL);
    talk_verdicts(t, "taken refused:403 taken");
    CHECK_STR(talk_rejected(t), "b 403; ");
    CHECK_INT(talk_state(t, "b"), REPLICA_DOC_REJECTED);
    CHECK_STR(talk_have(t, "b"), "b=1");
    CHECK_STR(t->events, "sent a; rejected b 403; sent c; ");
    CHECK(t->status.in_sync);
    talk_pass(t, 100000);
    CHECK_INT(t->pushes, 1);
}

TEST(a_new_state_of_a_rejected_document_goes_out_by_itself)
{
    TALK t = talk_begin(&(struct talk_options){ .features = OURS });

    talk_put(t, "b=1");
    talk_settle_down(t, "", NULL);
    talk_verdicts(t, "refused");
    talk_put(t, "b=2");
    talk_run(t);
    CHECK_STR(t->pushed, "b=2");
    talk_taken(t);
    CHECK_STR(talk_rejected(t), "");
    CHECK_INT(talk_state(t, "b"), REPLICA_DOC_IN_SYNC);
}

static int first_number(void *ctx, const replica_rejected_entry *entry)
{
    *(int64_t *)ctx = entry->number;
    return 1;
}

TEST(a_rejected_document_that_the_program_retries_is_sent_as_it_is)
{
    TALK t = talk_begin(&(struct talk_options){ .features = OURS });
    int64_t number = 0;

    talk_put(t, "b=1");
    talk_settle_down(t, "", NULL);
    talk_verdicts(t, "refused");
    CHECK_RC(replica_rejected(t->db, NULL, first_number, &number, &test_err), 1);
    CHECK_RC(replica_rejected_retry(t->db, number, &test_err), 1);
    replica__session_changed(t->session);
    talk_run(t);
    CHECK_STR(t->pushed, "b=1");
    talk_taken(t);
    CHECK(t->status.in_sync);
}

TEST(a_refused_row_that_was_written_meanwhile_goes_out_in_its_new_state)
{
    TALK t = talk_begin(&(struct talk_options){ .features = OURS });

    talk_put(t, "b=1");
    talk_settle_down(t, "", NULL);
    talk_put(t, "b=2");
    talk_verdicts(t, "refused");
    CHECK_STR(t->pushed, "b=2");
    CHECK_STR(talk_rejected(t), "");
    talk_taken(t);
    CHECK(t->status.in_sync);
}

TEST(a_pulled_state_of_a_row_that_is_under_way_waits_for_its_verdict)
{
    TALK t = talk_begin(&(struct talk_options){ .features = OURS, .resolve = talk_add });

    talk_settle_down(t, "a=1@1", CP("1"));
    talk_open_stream(t);
    talk_put(t, "a=3");
    talk_run(t);
    CHECK_STR(t->pushed, "a=3<1");
    talk_event(t, &(struct said){ "a=5@2", CP("2"), CP("1"), .head = 2 });
    CHECK_INT(t->conflicts, 0);
    CHECK_STR(talk_have(t, "a"), "a=3");
    CHECK_INT(talk_state(t, "a"), REPLICA_DOC_SENT);
    talk_verdicts(t, "a=5@2");
    CHECK_INT(t->conflicts, 1);
    CHECK_STR(talk_have(t, "a"), "a=7");
    CHECK_STR(t->pushed, "a=7<5");
    talk_verdicts(t, "taken@3");
    CHECK(t->status.in_sync);
}

TEST(a_pulled_state_older_than_what_was_just_taken_is_settled_by_that)
{
    TALK t = talk_begin(&(struct talk_options){ .features = OURS, .resolve = talk_add });

    talk_settle_down(t, "a=1@1", CP("1"));
    talk_open_stream(t);
    talk_put(t, "a=3");
    talk_run(t);
    talk_event(t, &(struct said){ "a=3@2", CP("2"), CP("1"), .head = 2 }); /* our own */
    talk_verdicts(t, "taken@2");
    CHECK_INT(t->conflicts, 0);
    CHECK_STR(talk_have(t, "a"), "a=3");
    CHECK(t->status.in_sync);
}

TEST(the_push_carries_the_pull_checkpoint)
{
    TALK t = talk_begin(&(struct talk_options){ .features = OURS });

    talk_settle_down(t, "a=1@4", CP("4"));
    talk_put(t, "b=1");
    talk_run(t);
    CHECK_STR(t->push_checkpoint, CP("4"));
}

TEST(a_verdict_moves_the_checkpoint_only_where_nothing_lies_between)
{
    TALK t = talk_begin(&(struct talk_options){ .features = OURS });

    talk_settle_down(t, "a=1@4", CP("4"));
    talk_put(t, "b=1");
    talk_run(t);
    talk_say_verdicts(t, "taken@5", CP("4"), CP("5"));
    talk_run(t);
    replica__session_now(t->session);
    talk_run(t);
    CHECK_STR(t->from, CP("5"));
    talk_page(t, &(struct said){ "", CP("5"), .at_head = 1 });
    talk_put(t, "c=1");
    talk_run(t);
    talk_say_verdicts(t, "taken@8", CP("7"), CP("8")); /* 6 and 7 are of others */
    talk_run(t);
    replica__session_now(t->session);
    talk_run(t);
    CHECK_STR(t->from, CP("5"));
}

TEST(the_verdicts_of_a_server_without_an_order_never_move_the_checkpoint)
{
    TALK t = talk_begin(&(struct talk_options){ .features = RXDB });

    talk_run(t);
    talk_page(t, &(struct said){ "a=1", CP("4") });
    talk_page(t, &(struct said){ "", CP("4") });
    talk_put(t, "b=1");
    talk_run(t);
    talk_say_verdicts(t, "taken", CP("4"), CP("5"));
    talk_run(t);
    replica__session_now(t->session);
    talk_run(t);
    CHECK_STR(t->from, CP("4"));
}
