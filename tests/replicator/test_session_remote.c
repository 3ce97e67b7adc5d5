/* Remotes that never answer, answer too early or too late, and servers that are others than they
 * were. */
#include "tests/replicator/talk_support.h"

#include <stdio.h>

#define NO_STREAM (OURS & ~(unsigned)REPLICA_REMOTE_STREAM)

/* ---- answers --------------------------------------------------------------------- */

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
