/* A session as a whole: its modes, its states, and remotes that behave badly. */
#include "tests/replicator/talk_support.h"

#include <stdio.h>

#define NO_STREAM (OURS & ~(unsigned)REPLICA_REMOTE_STREAM)

/* ---- once ------------------------------------------------------------------------ */

TEST(once_ends_when_in_sync)
{
    TALK t = talk_begin(&(struct talk_options){ .features = OURS, .once = true });

    talk_put(t, "b=1");
    talk_run(t);
    talk_page(t, &(struct said){ "a=1@1", CP("1") });
    CHECK_INT(t->status.state, REPLICA_SYNC_PULLING);
    talk_page(t, &(struct said){ "", CP("1"), .at_head = 1 });
    CHECK_INT(t->status.state, REPLICA_SYNC_PUSHING);
    talk_taken(t);
    CHECK_INT(t->status.state, REPLICA_SYNC_STOPPED);
    CHECK(t->status.in_sync);
    CHECK_INT(t->streams, 0);
    CHECK_INT(talk_wait_ms(t), -1);
    talk_put(t, "c=1");
    talk_pass(t, 1000000);
    CHECK_INT(t->pushes, 1);
}

TEST(once_does_not_end_while_a_row_comes_later)
{
    TALK t = talk_begin(&(struct talk_options){ .features = OURS, .once = true });

    talk_put(t, "b=1");
    talk_settle_down(t, "", CP("1"));
    talk_verdicts(t, "locked:5000");
    CHECK_INT(t->status.state, REPLICA_SYNC_IDLE);
    CHECK(!t->status.in_sync);
    for (int i = 0; i < 5 && !t->push; i++)
        talk_next(t);
    talk_taken(t);
    CHECK_INT(t->status.state, REPLICA_SYNC_STOPPED);
}

TEST(once_does_not_end_while_a_handler_thinks)
{
    TALK t = talk_begin(&(struct talk_options){ .features = OURS, .once = true,
                                                .resolve = talk_keep });

    talk_put(t, "a=1");
    talk_settle_down(t, "a=2@1", CP("1"));
    CHECK(t->conflict);
    CHECK_INT(t->status.state, REPLICA_SYNC_IDLE);
    CHECK(!t->status.in_sync);
    CHECK_RC(replica_conflict_use(t->conflict, replica_conflict_real(t->conflict), &test_err), 0);
    t->conflict = NULL;
    talk_run(t);
    CHECK_INT(t->status.state, REPLICA_SYNC_STOPPED);
    CHECK(t->status.in_sync);
}

TEST(once_goes_on_after_an_error)
{
    TALK t = talk_begin(&(struct talk_options){ .features = OURS, .once = true });

    talk_run(t);
    talk_fail(t, &t->pull, REPLICA_ENET, 7, 0);
    talk_next(t);
    talk_page(t, &(struct said){ "a=1@1", CP("1"), .at_head = 1 });
    CHECK_INT(t->status.state, REPLICA_SYNC_STOPPED);
    CHECK(t->status.in_sync);
}

TEST(a_write_during_a_single_run_is_sent_before_it_ends)
{
    TALK t = talk_begin(&(struct talk_options){ .features = OURS, .once = true });

    talk_put(t, "a=1");
    talk_settle_down(t, "", CP("1"));
    CHECK_STR(t->pushed, "a=1");
    talk_put(t, "b=1");
    talk_taken(t);
    CHECK_STR(t->pushed, "b=1");
    CHECK_INT(t->status.state, REPLICA_SYNC_PUSHING);
    talk_taken(t);
    CHECK_INT(t->status.state, REPLICA_SYNC_STOPPED);
}

/* ---- one direction --------------------------------------------------------------- */

TEST(push_only_never_pulls)
{
    TALK t = talk_begin(&(struct talk_options){ .features = OURS, .push_only = true });

    talk_put(t, "a=1");
    talk_run(t);
    CHECK_STR(t->pushed, "a=1");
    talk_taken(t);
    CHECK(t->status.in_sync);
    replica__session_now(t->session);
    talk_pass(t, 1000000);
    CHECK_INT(t->pulls, 0);
    CHECK_INT(t->streams, 0);
    talk_put(t, "a=2 b=1");
    talk_run(t);
    talk_taken(t);
    CHECK(t->status.in_sync);
}

TEST(push_only_once_ends)
{
    TALK t =
        talk_begin(&(struct talk_options){ .features = RXDB, .push_only = true, .once = true });

    talk_put(t, "a=1");
    talk_run(t);
    talk_taken(t);
    CHECK_INT(t->status.state, REPLICA_SYNC_STOPPED);
    CHECK_INT(t->pulls, 0);
}

TEST(push_only_meets_conflicts)
{
    TALK t = talk_begin(&(struct talk_options){ .features = OURS, .push_only = true,
                                                .resolve = talk_add });

    talk_put(t, "a=1");
    talk_run(t);
    talk_verdicts(t, "a=5@3");
    CHECK_STR(t->pushed, "a=6<5");
    talk_taken(t);
    CHECK(t->status.in_sync);
}

TEST(pull_only_never_pushes)
{
    TALK t = talk_begin(&(struct talk_options){ .features = NO_STREAM, .pull_only = true });

    talk_put(t, "a=1");
    talk_settle_down(t, "b=1@1", CP("1"));
    CHECK_STR(talk_have(t, "b"), "b=1");
    CHECK(t->status.in_sync);
    replica__session_now(t->session);
    talk_run(t);
    CHECK_INT(t->pushes, 0);
    CHECK(t->pull);
}

TEST(pull_only_once_ends_with_a_dirty_document_here)
{
    TALK t =
        talk_begin(&(struct talk_options){ .features = OURS, .pull_only = true, .once = true });

    talk_put(t, "a=1");
    talk_settle_down(t, "b=1@1", CP("1"));
    CHECK_INT(t->status.state, REPLICA_SYNC_STOPPED);
    CHECK_INT(talk_state(t, "a"), REPLICA_DOC_DIRTY);
}

TEST(pull_only_asks_the_handler_once_about_a_dirty_document)
{
    TALK t = talk_begin(&(struct talk_options){ .features = NO_STREAM, .pull_only = true,
                                                .resolve = talk_use_local });

    talk_put(t, "a=1");
    talk_settle_down(t, "a=2@1", CP("1"));
    CHECK_INT(t->conflicts, 1);
    CHECK_STR(talk_have(t, "a"), "a=1");
    CHECK_INT(t->pushes, 0);
}

/* ---- resync, pause, resume ---------------------------------------------------------- */

TEST(resync_pulls_everything_again_and_what_is_unchanged_stays)
{
    TALK t = talk_begin(&(struct talk_options){ .features = NO_STREAM });

    talk_settle_down(t, "a=1@1 b=1@2", CP("2"));
    talk_put(t, "b=7");
    talk_run(t);
    talk_verdicts(t, "taken@3");
    talk_forget_events(t);
    replica__session_resync(t->session);
    talk_run(t);
    CHECK(!t->status.in_sync);
    CHECK_STR(t->from, "");
    talk_page(t, &(struct said){ "a=1@1 b=7@3", CP("3"), .at_head = 1 });
    CHECK_STR(t->events, "");
    CHECK(t->status.in_sync);
    CHECK_INT(t->pushes, 1);
}

TEST(resync_in_the_middle_of_an_iteration_begins_anew)
{
    TALK t = talk_begin(&(struct talk_options){ .features = NO_STREAM });

    talk_run(t);
    talk_page(t, &(struct said){ "a=1@1", CP("1") });
    replica__session_resync(t->session);
    talk_run(t);
    talk_page(t, &(struct said){ "b=1@2", CP("2"), .at_head = 1 });
    CHECK(!t->status.in_sync);
    CHECK_STR(t->from, "");
    talk_page(t, &(struct said){ "a=1@1 b=1@2", CP("2"), .at_head = 1 });
    CHECK(t->status.in_sync);
}

TEST(pause_ends_what_is_under_way_and_resume_goes_on)
{
    TALK t = talk_begin(&(struct talk_options){ .features = OURS });

    talk_run(t);
    replica__session_pause(t->session, true);
    talk_run(t);
    CHECK(!t->pull);
    CHECK_INT(t->cancels, 1);
    CHECK_INT(t->status.state, REPLICA_SYNC_PAUSED);
    talk_put(t, "a=1");
    talk_pass(t, 1000000);
    CHECK_INT(t->pulls, 1);
    replica__session_pause(t->session, false);
    talk_settle_down(t, "b=1@1", CP("1"));
    CHECK_STR(t->pushed, "a=1");
    replica__session_pause(t->session, true);
    talk_run(t);
    CHECK(!t->push);
    CHECK_INT(talk_state(t, "a"), REPLICA_DOC_SENT);
    replica__session_pause(t->session, false);
    talk_settle_down(t, "", CP("1"));
    CHECK_STR(t->pushed, "a=1");
    talk_taken(t);
    CHECK(t->status.in_sync);
    CHECK_INT(t->hellos, 1);
}

TEST(paused_at_the_start_says_nothing_to_the_server)
{
    TALK t = talk_begin(&(struct talk_options){ .features = OURS, .paused = true });
    replica_sync_status status;

    talk_put(t, "a=1");
    talk_pass(t, 100000);
    replica__session_status(t->session, &status);
    CHECK_INT(status.state, REPLICA_SYNC_PAUSED);
    CHECK_INT(t->hellos, 0);
    replica__session_pause(t->session, false);
    talk_settle_down(t, "", NULL);
    CHECK_STR(t->pushed, "a=1");
}

TEST(pause_while_waiting_ends_the_wait_when_it_resumes)
{
    TALK t = talk_begin(&(struct talk_options){ .features = NO_STREAM });

    talk_run(t);
    talk_fail(t, &t->pull, REPLICA_ENET, 7, 100000);
    replica__session_pause(t->session, true);
    talk_run(t);
    CHECK_INT(t->status.state, REPLICA_SYNC_PAUSED);
    CHECK_INT(t->status.retry_ms, 0);
    replica__session_pause(t->session, false);
    talk_run(t);
    CHECK(t->pull);
}

TEST(pause_during_hello_asks_anew)
{
    TALK t = talk_begin(&(struct talk_options){ .features = NO_STREAM, .silent = true });

    talk_run(t);
    CHECK(t->hello);
    replica__session_pause(t->session, true);
    CHECK(!t->hello);
    t->o.silent = false;
    replica__session_pause(t->session, false);
    talk_run(t);
    CHECK_INT(t->hellos, 2);
    CHECK(t->pull);
}

TEST(in_sync_is_not_said_while_a_write_waits)
{
    TALK t = talk_begin(&(struct talk_options){ .features = NO_STREAM });

    talk_settle_down(t, "", CP("1"));
    CHECK(t->status.in_sync);
    talk_put(t, "a=1");
    replica__session_step(t->session);
    CHECK(!t->status.in_sync);
    talk_run(t);
    CHECK(!t->status.in_sync);
    talk_taken(t);
    CHECK(t->status.in_sync);
}

/* ---- several feeds --------------------------------------------------------------- */

TEST(a_server_with_one_feed_gets_all_collections_in_one_pull_and_one_push)
{
    TALK t = talk_begin(&(struct talk_options){ .features = NO_STREAM, .collections = 3 });

    talk_put(t, "a=1 tasks/b=1 lists/c=1 a2=1");
    talk_run(t);
    CHECK_STR(t->feed, "notes tasks lists");
    talk_page(t, &(struct said){ "x=1@1 tasks/x=2@2", CP("2"), .at_head = 1 });
    CHECK_STR(talk_have(t, "x"), "x=1");
    CHECK_STR(talk_have(t, "tasks/x"), "x=2");
    CHECK_STR(t->pushed, "a=1 tasks/b=1 lists/c=1 a2=1");
    CHECK_INT(t->pushes, 1);
    talk_taken(t);
    CHECK(t->status.in_sync);
}

TEST(without_one_feed_each_collection_has_its_own_checkpoint_and_pushes)
{
    TALK t = talk_begin(&(struct talk_options){ .features = 0, .collections = 3 });

    talk_put(t, "a=1 tasks/b=1 lists/c=1");
    talk_run(t);
    CHECK_STR(t->feed, "notes");
    talk_page(t, &(struct said){ "x=1", CP("1") });
    talk_page(t, &(struct said){ "", CP("1") });
    CHECK_STR(t->feed, "tasks");
    CHECK_STR(t->from, "");
    talk_page(t, &(struct said){ "x=2", CP("7") });
    talk_page(t, &(struct said){ "", CP("7") });
    CHECK_STR(t->feed, "lists");
    talk_page(t, &(struct said){ "", NULL });
    CHECK_STR(talk_have(t, "tasks/x"), "x=2");
    CHECK_STR(t->feed, "notes");
    CHECK_STR(t->pushed, "a=1");
    talk_taken(t);
    CHECK_STR(t->feed, "tasks");
    CHECK_STR(t->pushed, "b=1");
    CHECK(!t->status.in_sync);
    talk_taken(t);
    CHECK_STR(t->pushed, "c=1");
    talk_taken(t);
    CHECK(t->status.in_sync);
    CHECK_INT(t->pushes, 3);
    replica__session_now(t->session);
    talk_run(t);
    CHECK_STR(t->from, CP("1"));
    talk_page(t, &(struct said){ "", CP("1") });
    CHECK_STR(t->from, CP("7"));
}

TEST(streaming_is_said_when_all_feeds_stream)
{
    TALK t = talk_begin(&(struct talk_options){ .features = RXDB, .collections = 2 });

    talk_run(t);
    for (int i = 0; i < 2; i++)
        talk_page(t, &(struct said){ "", NULL });
    CHECK_INT(t->streams, 2);
    replica_call_open(t->stream[0]);
    talk_run(t);
    CHECK(!t->status.streaming);
    replica_call_open(t->stream[1]);
    talk_run(t);
    CHECK(t->status.streaming);
}

TEST(an_error_in_one_feed_is_retried_and_the_others_follow)
{
    TALK t = talk_begin(&(struct talk_options){ .features = 0, .collections = 2 });

    talk_run(t);
    talk_fail(t, &t->pull, REPLICA_EHTTP, 500, 0);
    talk_next(t);
    CHECK_STR(t->feed, "notes");
    talk_page(t, &(struct said){ "", NULL });
    talk_page(t, &(struct said){ "", NULL });
    CHECK(t->status.in_sync);
}

/* ---- remotes --------------------------------------------------------------------- */

TEST(a_pull_that_is_never_answered_is_noticed_and_asked_again)
{
    TALK t = talk_begin(&(struct talk_options){ .features = NO_STREAM });

    talk_run(t);
    for (int i = 0; i < 100 && t->cancels == 0; i++)
        talk_next(t);
    CHECK_INT(t->error.code, REPLICA_ETIMEOUT);
    CHECK(strstr(t->error.message, "watchdog"));
    CHECK_INT(t->cancels, 1);
    for (int i = 0; i < 5 && !t->pull; i++)
        talk_next(t);
    talk_page(t, &(struct said){ "", NULL, .at_head = 1 });
    CHECK(t->status.in_sync);
}

TEST(a_push_that_is_never_answered_is_noticed_and_sent_again)
{
    TALK t = talk_begin(&(struct talk_options){ .features = NO_STREAM });

    talk_put(t, "a=1");
    talk_settle_down(t, "", NULL);
    CHECK(t->push);
    for (int i = 0; i < 100 && t->cancels == 0; i++)
        talk_next(t);
    CHECK_INT(t->error.code, REPLICA_ETIMEOUT);
    for (int i = 0; i < 5 && !t->push; i++) {
        talk_next(t);
        if (t->pull)
            talk_page(t, &(struct said){ "", NULL, .at_head = 1 });
    }
    CHECK_STR(t->pushed, "a=1");
    talk_verdicts(t, "already");
    CHECK(t->status.in_sync);
}

TEST(a_hello_that_is_never_answered_is_noticed_and_asked_again)
{
    TALK t = talk_begin(&(struct talk_options){ .features = NO_STREAM, .silent = true });

    talk_run(t);
    for (int i = 0; i < 100 && t->cancels == 0; i++)
        talk_next(t);
    CHECK_INT(t->error.code, REPLICA_ETIMEOUT);
    for (int i = 0; i < 5 && !t->hello; i++)
        talk_next(t);
    CHECK_INT(t->hellos, 2);
}

/* Pages 1 to 3, and then the end; every push is taken. */
static void answer_inside(struct talk *t, replica_call *call)
{
    char at[60], docs[60];

    if (call == t->pull) {
        snprintf(at, sizeof at, "{\"id\":\"inc\",\"lwt\":%d}", t->pulls < 4 ? t->pulls : 4);
        snprintf(docs, sizeof docs, "p%d=1@%d", t->pulls, t->pulls);
        talk_say_page(t, &t->pull, &(struct said){ t->pulls < 4 ? docs : "", at,
                                                   .at_head = t->pulls >= 4 });
    } else if (call == t->push) {
        talk_say_verdicts(t, t->pushed_rows == 1 ? "taken" : "taken taken", NULL, NULL);
    }
}

TEST(a_remote_may_answer_from_inside_its_start)
{
    TALK t = talk_begin(&(struct talk_options){ .features = NO_STREAM, .rows = 2 });

    t->inside = answer_inside;
    talk_put(t, "a=1 b=1 c=1 d=1 e=1");
    talk_run(t);
    CHECK_STR(talk_have(t, "p1"), "p1=1");
    CHECK_STR(talk_have(t, "p2"), "p2=1");
    CHECK_STR(talk_have(t, "p3"), "p3=1");
    CHECK_INT(t->status.pushed, 5);
    CHECK(t->status.in_sync);
    CHECK_INT(t->pushes, 3);
    CHECK_INT(t->pulls, 4);
}

static void fail_inside(struct talk *t, replica_call *call)
{
    replica_call **place = call == t->pull ? &t->pull : call == t->push ? &t->push : NULL;
    replica_error e = { .code = REPLICA_ENET, .offset = -1 };

    if (place) {
        *place = NULL;
        replica_call_fail(call, &e, 0);
    }
}

TEST(a_remote_may_fail_from_inside_its_start)
{
    TALK t = talk_begin(&(struct talk_options){ .features = NO_STREAM });

    t->inside = fail_inside;
    talk_put(t, "a=1");
    talk_run(t);
    CHECK_INT(t->pulls, 1);
    CHECK_INT(t->status.state, REPLICA_SYNC_WAITING);
    t->inside = NULL;
    talk_next(t);
    t->inside = fail_inside;
    talk_page(t, &(struct said){ "", NULL, .at_head = 1 });
    CHECK_INT(t->pushes, 1);
    CHECK_INT(t->status.state, REPLICA_SYNC_WAITING);
    t->inside = NULL;
    talk_next(t);
    if (t->pull)
        talk_page(t, &(struct said){ "", NULL, .at_head = 1 });
    talk_taken(t);
    CHECK(t->status.in_sync);
}

static void refuse_inside(struct talk *t, replica_call *call)
{
    replica_error e = { .code = REPLICA_EHTTP, .detail = 422, .offset = -1 };

    if (call != t->push)
        return;
    if (!strstr(t->pushed, "x=")) {
        talk_say_verdicts(t, &"taken taken taken taken taken"[6 * (5 - t->pushed_rows)], NULL,
                          NULL);
        return;
    }
    t->push = NULL;
    replica_call_fail(call, &e, 0);
}

TEST(a_remote_may_refuse_from_inside_its_start)
{
    TALK t = talk_begin(&(struct talk_options){ .features = NO_STREAM });

    talk_put(t, "a=1 b=1 x=1 c=1 d=1");
    t->inside = refuse_inside;
    talk_settle_down(t, "", NULL);
    CHECK_STR(talk_rejected(t), "x 422; ");
    CHECK_INT(t->status.pushed, 4);
    CHECK(t->status.in_sync);
}

TEST(an_answer_after_cancel_is_dropped)
{
    TALK t = talk_begin(&(struct talk_options){ .features = NO_STREAM });
    replica_call *late;

    talk_run(t);
    late = t->pull;
    replica__session_pause(t->session, true);
    CHECK(t->cancelled == late);
    t->pull = late;
    talk_say_page(t, &t->pull, &(struct said){ "a=1@1", CP("1"), .at_head = 1 });
    talk_run(t);
    CHECK_STR(talk_have(t, "a"), "-");
    CHECK_INT(t->status.state, REPLICA_SYNC_PAUSED);
}

TEST(a_server_that_spoke_our_dialect_before_is_not_spoken_to_in_another)
{
    TALK t = talk_begin(&(struct talk_options){ .features = NO_STREAM });

    talk_settle_down(t, "a=1@1", CP("1"));
    t->o.features = RXDB;
    talk_restart(t);
    talk_run(t);
    CHECK_INT(t->error.code, REPLICA_ENOTSUP);
    CHECK_INT(t->pulls, 1);
    t->o.features = NO_STREAM;
    talk_next(t);
    CHECK_STR(t->from, CP("1"));
}

TEST(a_server_that_learns_our_dialect_is_pulled_from_the_beginning)
{
    TALK t = talk_begin(&(struct talk_options){ .features = 0 });

    talk_run(t);
    talk_page(t, &(struct said){ "a=1", CP("1") });
    talk_page(t, &(struct said){ "", CP("1") });
    t->o.features = NO_STREAM;
    talk_restart(t);
    talk_run(t);
    CHECK_STR(t->from, "");
    talk_page(t, &(struct said){ "a=1@1", CP("1"), .at_head = 1 });
    CHECK(t->status.in_sync);
    CHECK_INT(t->pushes, 0);
}

/* ---- backpressure ---------------------------------------------------------------- */

TEST(the_session_waits_while_the_program_does_not_keep_up_with_its_events)
{
    TALK t = talk_begin(&(struct talk_options){ .features = NO_STREAM });

    talk_run(t);
    t->full = true;
    talk_say_page(t, &t->pull, &(struct said){ "a=1@1", CP("1"), .at_head = 1 });
    for (int i = 0; i < 10; i++)
        CHECK(!replica__session_step(t->session));
    CHECK_STR(talk_have(t, "a"), "-");
    t->full = false;
    talk_run(t);
    CHECK_STR(talk_have(t, "a"), "a=1");
    CHECK_STR(t->events, "received a; ");
}

/* ---- lost timelines -------------------------------------------------------------- */

/* "a=1 b=1" pulled and "c=1" pushed, and a pull is out. */
static struct talk *known(void)
{
    struct talk *t = talk_begin(&(struct talk_options){ .features = NO_STREAM });

    talk_run(t);
    talk_page(t, &(struct said){ "a=1@1 b=1@2", CP("2"), .at_head = 1 });
    talk_put(t, "c=1");
    talk_run(t);
    talk_verdicts(t, "taken@3");
    CHECK(t->status.in_sync);
    replica__session_now(t->session);
    talk_run(t);
    return t;
}

static void lose(struct talk *t, int64_t common)
{
    replica_call *call = t->pull;

    CHECK(call);
    t->pull = NULL;
    replica_call_lost(call, common ? "inc" : "", common);
    talk_run(t);
}

TEST(a_server_that_was_restored_gets_back_what_it_lost_and_nothing_else)
{
    TALK t = known();

    lose(t, 1); /* the checkpoint is of no use; asked about the newest marker then */
    CHECK_STR(t->from, CP("3"));
    lose(t, 1);
    CHECK_STR(t->from, CP("1"));
    talk_page(t, &(struct said){ "", CP("1"), .at_head = 1 });
    CHECK(strstr(t->pushed, "b=1"));
    CHECK(strstr(t->pushed, "c=1"));
    CHECK_INT(t->pushed_rows, 2);
    talk_verdicts(t, "taken@7 taken@8");
    CHECK(t->status.in_sync);
    CHECK_STR(talk_have(t, "a"), "a=1");
}

TEST(a_server_that_was_wiped_gets_everything_back)
{
    TALK t = known();

    for (int i = 0; i < 5 && t->pull && t->pushes == 1; i++) {
        if (t->from[0])
            lose(t, 0);
        else
            talk_page(t, &(struct said){ "", NULL, .at_head = 1 });
    }
    CHECK_INT(t->pushed_rows, 3);
    talk_verdicts(t, "taken@1 taken@2 taken@3");
    CHECK(t->status.in_sync);
    CHECK_INT(t->conflicts, 0);
}

TEST(a_push_whose_checkpoint_is_lost_leads_to_a_pull_and_is_sent_again)
{
    TALK t = talk_begin(&(struct talk_options){ .features = NO_STREAM });
    replica_call *call;

    talk_settle_down(t, "a=1@1", CP("1"));
    talk_put(t, "c=1");
    talk_run(t);
    call = t->push;
    t->push = NULL;
    replica_call_lost(call, "", 0);
    talk_run(t);
    CHECK(t->pull);
    talk_page(t, &(struct said){ "", CP("1"), .at_head = 1 });
    CHECK_STR(t->pushed, "c=1");
    talk_taken(t);
    CHECK(t->status.in_sync);
}
