/* The stream: events in order and out of it, gaps, RESYNC, silence, and calling again. */
#include "tests/replicator/talk_support.h"

/* In sync at CP(4), with an open stream. */
static struct talk *streaming(const struct talk_options *o)
{
    struct talk *t = talk_begin(o);

    talk_run(t);
    if (o->features & REPLICA_REMOTE_ORDER) {
        talk_page(t, &(struct said){ "a=1@4", CP("4"), .at_head = 1 });
    } else {
        talk_page(t, &(struct said){ "a=1", CP("4") });
        talk_page(t, &(struct said){ "", CP("4") });
    }
    talk_open_stream(t);
    if (t->pull) /* without an order, what happened before it was open */
        talk_page(t, &(struct said){ "", CP("4") });
    CHECK(t->status.in_sync);
    CHECK(t->status.streaming);
    talk_forget_events(t);
    return t;
}

static const char *stored(struct talk *t)
{
    replica__session_now(t->session);
    talk_run(t);
    CHECK(t->pull);
    return t->from;
}

TEST(the_stream_begins_where_the_iteration_ended)
{
    TALK t = talk_begin(&(struct talk_options){ .features = OURS });

    talk_run(t);
    CHECK_INT(t->streams, 0);
    talk_page(t, &(struct said){ "a=1@4", CP("4") });
    CHECK_INT(t->streams, 0);
    talk_page(t, &(struct said){ "b=1@5", CP("5"), .at_head = 1 });
    CHECK_INT(t->streams, 1);
    CHECK_STR(t->stream_from, CP("5"));
    CHECK(!t->status.streaming);
    talk_open_stream(t);
    CHECK(t->status.streaming);
}

TEST(an_event_that_follows_without_a_gap_moves_the_checkpoint)
{
    TALK t = streaming(&(struct talk_options){ .features = OURS });

    talk_event(t, &(struct said){ "b=1@5", CP("5"), CP("4"), .head = 5 });
    CHECK_STR(talk_have(t, "b"), "b=1");
    CHECK(t->status.in_sync);
    CHECK_INT(t->status.head, 5);
    CHECK_INT(t->pulls, 1);
    CHECK_STR(t->events, "received b; ");
    talk_event(t, &(struct said){ "c=1@6", CP("6"), CP("5"), .head = 6 });
    CHECK_STR(stored(t), CP("6"));
}

TEST(an_event_after_a_gap_is_applied_and_the_gap_is_pulled)
{
    TALK t = streaming(&(struct talk_options){ .features = OURS });

    talk_event(t, &(struct said){ "c=1@9", CP("9"), CP("7"), .head = 9 });
    CHECK_STR(talk_have(t, "c"), "c=1");
    CHECK_INT(t->pulls, 2);
    CHECK_STR(t->from, CP("4"));
    CHECK(!t->status.in_sync);
    talk_page(t, &(struct said){ "b=1@6 c=1@9", CP("9"), .at_head = 1 });
    CHECK_STR(talk_have(t, "b"), "b=1");
    CHECK(t->status.in_sync);
}

TEST(an_event_that_is_covered_already_changes_nothing)
{
    TALK t = streaming(&(struct talk_options){ .features = OURS });

    talk_event(t, &(struct said){ "a=0@3", CP("3"), CP("2") });
    CHECK_STR(talk_have(t, "a"), "a=1");
    CHECK_INT(t->pulls, 1);
    CHECK(t->status.in_sync);
    CHECK_STR(stored(t), CP("4"));
}

TEST(the_echo_of_our_own_push_is_no_news)
{
    TALK t = streaming(&(struct talk_options){ .features = OURS });

    talk_put(t, "b=1");
    talk_run(t);
    talk_verdicts(t, "taken@5");
    talk_event(t, &(struct said){ "b=1@5", CP("5"), CP("4"), .head = 5 });
    CHECK_STR(t->events, "sent b; ");
    CHECK(t->status.in_sync);
    CHECK_INT(t->pulls, 1);
    CHECK_INT(t->pushes, 1);
}

TEST(the_echo_of_our_own_push_is_no_news_without_numbers_either)
{
    TALK t = streaming(&(struct talk_options){ .features = RXDB });

    talk_put(t, "b=1");
    talk_run(t);
    talk_taken(t);
    talk_event(t, &(struct said){ "b=1", CP("5") });
    CHECK_STR(talk_have(t, "b"), "b=1");
    CHECK_STR(t->events, "sent b; ");
    CHECK_INT(t->pushes, 1);
}

TEST(an_event_during_a_pull_does_not_move_the_checkpoint_past_what_is_still_to_come)
{
    TALK t = streaming(&(struct talk_options){ .features = OURS });

    replica_call_resync(t->stream[0]);
    talk_run(t);
    CHECK_STR(t->from, CP("4"));
    talk_page(t, &(struct said){ "b=1@5", CP("5") });
    talk_event(t, &(struct said){ "d=1@8", CP("8"), CP("7"), .head = 8 });
    talk_fail(t, &t->pull, REPLICA_ENET, 7, 0);
    talk_next(t);
    CHECK_STR(t->from, CP("5"));
}

/* ---- RESYNC ---------------------------------------------------------------------- */

TEST(resync_asks_again)
{
    TALK t = streaming(&(struct talk_options){ .features = RXDB });
    int pulls = t->pulls;

    replica_call_resync(t->stream[0]);
    talk_run(t);
    CHECK_INT(t->pulls, pulls + 1);
    CHECK_STR(t->from, CP("4"));
    CHECK(!t->status.in_sync);
    talk_page(t, &(struct said){ "b=1", CP("5") });
    talk_page(t, &(struct said){ "", CP("5") });
    CHECK(t->status.in_sync);
    CHECK_INT(t->streams, 1);
}

/* ---- without an order ------------------------------------------------------------- */

TEST(a_server_that_tells_of_news_all_the_time_and_has_none_is_asked_ever_more_seldom)
{
    TALK t = talk_begin(&(struct talk_options){ .features = OURS });
    int before;

    talk_settle_down(t, "", CP("1"));
    talk_open_stream(t);
    before = t->pulls;
    for (int i = 0; i < 6000; i++) { /* ten minutes */
        replica_call_resync(t->stream[0]);
        talk_run(t);
        CHECK(!t->status.in_sync || !t->pull);
        if (t->pull)
            talk_page(t, &(struct said){ "", CP("1"), .at_head = 1 });
        talk_pass(t, 100);
    }
    CHECK(t->pulls - before >= 16 + 10);
    CHECK(t->pulls - before <= 80);
    CHECK(!t->status.in_sync); /* it says that there is something */
    talk_pass(t, 40000);
    talk_page(t, &(struct said){ "a=1@2", CP("2"), .at_head = 1 });
    CHECK(t->status.in_sync);
    replica_call_resync(t->stream[0]); /* it had something: from now on it is believed again */
    talk_run(t);
    CHECK(t->pull);
}

TEST(events_without_an_order_are_applied_and_never_move_the_checkpoint)
{
    TALK t = streaming(&(struct talk_options){ .features = RXDB });

    talk_event(t, &(struct said){ "b=1", CP("5"), CP("4") });
    CHECK_STR(talk_have(t, "b"), "b=1");
    CHECK_STR(stored(t), CP("4"));
    talk_page(t, &(struct said){ "b=1", CP("5") });
    talk_page(t, &(struct said){ "", CP("5") });
    CHECK(t->status.in_sync);
    CHECK_STR(t->events, "received b; ");
}

TEST(what_happened_before_a_stream_without_an_order_was_open_is_pulled)
{
    TALK t = talk_begin(&(struct talk_options){ .features = RXDB });

    talk_run(t);
    talk_page(t, &(struct said){ "", NULL });
    CHECK_INT(t->pulls, 1);
    talk_open_stream(t);
    CHECK_INT(t->pulls, 2);
}

TEST(an_event_without_an_order_while_a_push_is_out_waits_for_the_next_iteration)
{
    TALK t = streaming(&(struct talk_options){ .features = RXDB });

    talk_put(t, "a=2");
    talk_run(t);
    CHECK_STR(t->pushed, "a=2<1");
    talk_event(t, &(struct said){ "a=1", CP("4") }); /* older than our push, or newer: who knows */
    CHECK_STR(talk_have(t, "a"), "a=2");
    talk_taken(t);
    CHECK(t->pull);
    talk_page(t, &(struct said){ "a=2", CP("6") });
    talk_page(t, &(struct said){ "", CP("6") });
    CHECK_STR(talk_have(t, "a"), "a=2");
    CHECK(t->status.in_sync);
}

TEST(an_older_state_in_an_event_without_an_order_is_mended_by_the_next_iteration)
{
    TALK t = streaming(&(struct talk_options){ .features = RXDB });

    talk_put(t, "a=2");
    talk_run(t);
    talk_taken(t);
    talk_event(t, &(struct said){ "a=1", CP("4") }); /* late: from before our push */
    talk_pass(t, 30000);
    CHECK(t->pull);
    talk_page(t, &(struct said){ "a=2", CP("6") });
    talk_page(t, &(struct said){ "", CP("6") });
    CHECK_STR(talk_have(t, "a"), "a=2");
    CHECK_INT(talk_state(t, "a"), REPLICA_DOC_IN_SYNC);
    CHECK(t->status.in_sync);
}

/* ---- silence --------------------------------------------------------------------- */

TEST(a_silent_stream_with_heartbeats_is_called_anew_and_iterated)
{
    TALK t = streaming(&(struct talk_options){ .features = OURS });

    talk_pass(t, 29999);
    CHECK_INT(t->streams, 1);
    CHECK_INT(t->pulls, 1);
    talk_pass(t, 1);
    CHECK_INT(t->cancels, 1);
    CHECK_INT(t->pulls, 2);
    talk_page(t, &(struct said){ "", CP("4"), .at_head = 1 });
    CHECK_INT(t->streams, 2);
    CHECK_STR(t->stream_from, CP("4"));
}

TEST(after_a_sleep_of_the_machine_the_stream_is_called_anew_at_once)
{
    TALK t = streaming(&(struct talk_options){ .features = OURS });

    t->clock.monotonic_ms += 8 * 3600 * 1000; /* it woke up, and nobody has looked yet */
    talk_run(t);
    CHECK_INT(t->cancels, 1);
    CHECK_INT(t->pulls, 2);
    talk_page(t, &(struct said){ "a=2@5", CP("5"), .at_head = 1 });
    CHECK_INT(t->streams, 2);
    CHECK_STR(talk_have(t, "a"), "a=2");
    CHECK(t->status.in_sync);
}

TEST(an_answer_that_is_no_stream_is_told_and_the_end_of_a_connection_is_not)
{
    TALK t = streaming(&(struct talk_options){ .features = OURS });

    talk_fail(t, &t->stream[0], REPLICA_ENET, 0, 0);
    CHECK_INT(t->errors, 0);
    talk_page(t, &(struct said){ "", CP("4"), .at_head = 1 });
    talk_next(t);
    CHECK_INT(t->streams, 2);
    talk_fail(t, &t->stream[0], REPLICA_EHTTP, 502, 0);
    CHECK_INT(t->errors, 1);
    CHECK_INT(t->error.detail, 502);
    CHECK(t->status.state != REPLICA_SYNC_WAITING); /* the pull tells whether there is a server */
}

TEST(a_heartbeat_keeps_the_stream)
{
    TALK t = streaming(&(struct talk_options){ .features = OURS });

    for (int i = 0; i < 20; i++) {
        talk_pass(t, 15000);
        replica_call_alive(t->stream[0]);
    }
    CHECK_INT(t->streams, 1);
    CHECK_INT(t->pulls, 1);
    CHECK(t->status.in_sync);
}

TEST(without_heartbeats_silence_leads_to_a_question_and_the_stream_stays)
{
    TALK t = streaming(&(struct talk_options){ .features = RXDB });
    int pulls = t->pulls;

    talk_pass(t, 30000);
    CHECK_INT(t->pulls, pulls + 1);
    talk_page(t, &(struct said){ "", CP("4") });
    CHECK_INT(t->streams, 1);
    CHECK(t->status.streaming);
    talk_pass(t, 30000);
    CHECK_INT(t->pulls, pulls + 2);
}

TEST(a_stream_that_never_opens_is_called_anew)
{
    TALK t = talk_begin(&(struct talk_options){ .features = OURS });

    talk_settle_down(t, "", CP("1"));
    CHECK_INT(t->streams, 1);
    for (int i = 0; i < 10 && t->streams == 1; i++) {
        talk_pass(t, 10000);
        if (t->pull)
            talk_page(t, &(struct said){ "", CP("1"), .at_head = 1 });
    }
    CHECK_INT(t->streams, 2);
}

/* ---- the end of a stream ----------------------------------------------------------- */

TEST(a_stream_that_ends_is_called_again_after_a_pause_and_what_came_meanwhile_is_pulled)
{
    TALK t = streaming(&(struct talk_options){ .features = OURS });

    talk_fail(t, &t->stream[0], REPLICA_ENET, 56, 0);
    CHECK(!t->status.streaming);
    CHECK_INT(t->pulls, 2);
    CHECK_STR(t->from, CP("4"));
    talk_page(t, &(struct said){ "b=1@5", CP("5"), .at_head = 1 });
    for (int i = 0; i < 3 && t->streams == 1; i++)
        talk_pass(t, 1000);
    CHECK_INT(t->streams, 2);
    CHECK_STR(t->stream_from, CP("5"));
    talk_open_stream(t);
    CHECK(t->status.in_sync);
    CHECK(t->status.streaming);
}

TEST(a_stream_that_fails_again_and_again_is_called_ever_more_seldom)
{
    TALK t = streaming(&(struct talk_options){ .features = OURS });
    int64_t until = t->clock.monotonic_ms + 3600 * 1000;

    while (t->clock.monotonic_ms < until) {
        if (t->stream[0])
            talk_fail(t, &t->stream[0], REPLICA_ENET, 7, 0);
        if (t->pull)
            talk_page(t, &(struct said){ "", CP("4"), .at_head = 1 });
        talk_pass(t, 1000);
    }
    CHECK(t->streams > 10);
    CHECK(t->streams < 100);
    CHECK(t->pulls < 400);
}

TEST(while_there_is_no_stream_the_server_is_asked_every_30_s)
{
    TALK t =
        talk_begin(&(struct talk_options){ .features = OURS & ~(unsigned)REPLICA_REMOTE_STREAM });

    talk_settle_down(t, "", CP("1"));
    CHECK_INT(t->streams, 0);
    talk_pass(t, 29999);
    CHECK_INT(t->pulls, 1);
    talk_pass(t, 1);
    CHECK_INT(t->pulls, 2);
    talk_page(t, &(struct said){ "b=1@2", CP("2"), .at_head = 1 });
    CHECK_STR(talk_have(t, "b"), "b=1");
    CHECK(t->status.in_sync);
    talk_pass(t, 30000);
    CHECK_INT(t->pulls, 3);
}

TEST(a_stream_whose_checkpoint_is_lost_leads_to_a_pull)
{
    TALK t = streaming(&(struct talk_options){ .features = OURS });
    replica_call *call = t->stream[0];

    t->stream[0] = NULL;
    replica_call_lost(call, "", 0);
    talk_run(t);
    CHECK_INT(t->pulls, 2);
    CHECK(!t->status.streaming);
}

TEST(an_event_that_cannot_be_used_is_pulled_instead)
{
    TALK t = streaming(&(struct talk_options){ .features = OURS });

    talk_event(t, &(struct said){ "lists/b=1@5", CP("5"), CP("4") });
    CHECK_INT(t->error.code, REPLICA_EHTTP);
    talk_next(t);
    CHECK(t->pull);
    CHECK_STR(t->from, CP("4"));
}

TEST(events_go_on_while_the_session_waits_after_an_error)
{
    TALK t = streaming(&(struct talk_options){ .features = OURS });

    talk_put(t, "b=1");
    talk_run(t);
    talk_fail(t, &t->push, REPLICA_ENET, 7, 100000);
    talk_event(t, &(struct said){ "c=1@5", CP("5"), CP("4"), .head = 5 });
    CHECK_STR(talk_have(t, "c"), "c=1");
}

TEST(events_do_nothing_while_paused)
{
    TALK t = streaming(&(struct talk_options){ .features = OURS });

    replica__session_pause(t->session, true);
    talk_run(t);
    CHECK(!t->stream[0]);
    CHECK(!t->status.streaming);
    CHECK_INT(t->status.state, REPLICA_SYNC_PAUSED);
}
