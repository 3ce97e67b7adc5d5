/* A session as a whole: its modes, its states, its feeds. */
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
