/* Several sessions of one replication on one file, as in several processes: one replicates, the
 * others wait, and take over when it ends or stops.  A session that is not stepped is a process
 * that was stopped. */
#include "tests/replicator/talk_support.h"

#include "tests/support/tmp.h"

/* Two sessions that see the same time; the first replicates, and is in sync. */
struct pair {
    struct talk *one, *two;
};

static void begin(struct pair *p, bool once)
{
    const char *path = tmp_path("shared.db");

    p->one = talk_begin(&(struct talk_options){ .features = OURS, .path = path });
    talk_settle_down(p->one, "a=1@1", CP("1"));
    CHECK(p->one->status.in_sync);
    p->two = talk_begin(&(struct talk_options){ .features = OURS, .path = path, .once = once });
    talk_run(p->two);
}

/* Others asked the one that replicates: it looks at the server once more. */
static void serve(struct talk *t)
{
    replica__session_changed(t->session);
    talk_run(t);
    talk_page(t, &(struct said){ "", CP("1"), .at_head = 1 });
}

static void end(struct pair *p)
{
    talk_end(&p->two);
    talk_end(&p->one);
}
#define PAIR(p)                                                \
    __attribute__((cleanup(end))) struct pair p = { 0 };       \
    begin(&p, false)

/* One heard of a commit of the other. */
static void hear(struct talk *t)
{
    replica__session_changed(t->session);
    talk_run(t);
}

/* Both live for so many seconds. */
static void live(struct pair *p, int seconds)
{
    for (int i = 0; i < seconds; i++) {
        talk_pass(p->one, 1000);
        talk_pass(p->two, 1000);
    }
}

/* The first is stopped, until the second has taken over. */
static void take_over(struct pair *p)
{
    for (int i = 0; i < 15 && p->two->hellos == 0; i++) {
        clock_pass(&p->one->clock, 1000);
        talk_pass(p->two, 1000);
    }
    CHECK_INT(p->two->hellos, 1);
}

TEST(the_second_stands_by_and_says_so_without_a_word_to_the_server)
{
    PAIR(p);

    CHECK_INT(p.two->status.state, REPLICA_SYNC_STANDBY);
    live(&p, 100);
    CHECK_INT(p.two->status.state, REPLICA_SYNC_STANDBY);
    CHECK_INT(p.two->hellos + p.two->pulls + p.two->pushes + p.two->streams, 0);
    CHECK_INT(p.two->errors, 0);
}

TEST(the_second_takes_over_when_the_first_ends)
{
    PAIR(p);

    talk_stop(p.one);
    talk_pass(p.two, 1000);
    CHECK_INT(p.two->hellos, 1);
    CHECK_INT(p.two->status.state, REPLICA_SYNC_PULLING);
    CHECK_STR(p.two->from, CP("1")); /* goes on where the first was */
    CHECK(!p.two->status.in_sync);
}

TEST(the_second_takes_over_when_the_first_stops)
{
    PAIR(p);

    for (int i = 0; i < 9; i++)
        talk_pass(p.two, 1000);
    CHECK_INT(p.two->hellos, 0);
    talk_pass(p.two, 1000);
    CHECK_INT(p.two->hellos, 1);
}

TEST(the_first_goes_on_and_notices_before_it_does_anything)
{
    int pulls, pushes;
    PAIR(p);

    take_over(&p);
    talk_settle_down(p.two, "", CP("1"));
    pulls = p.one->pulls;
    pushes = p.one->pushes;
    talk_put(p.one, "b=1");
    talk_run(p.one);
    CHECK_INT(p.one->status.state, REPLICA_SYNC_STANDBY);
    CHECK_INT(p.one->pulls + p.one->pushes, pulls + pushes);
    CHECK(!p.one->status.streaming);
    serve(p.two);
    CHECK_STR(p.two->pushed, "b=1");
}

TEST(a_verdict_that_waited_for_the_first_is_not_applied)
{
    PAIR(p);

    serve(p.one);
    talk_put(p.one, "b=1");
    talk_run(p.one);
    CHECK_STR(p.one->pushed, "b=1");
    take_over(&p);
    talk_say_verdicts(p.one, "refused", NULL, NULL); /* the answer is the first thing it sees */
    talk_run(p.one);
    CHECK_INT(p.one->status.state, REPLICA_SYNC_STANDBY);
    CHECK_STR(talk_rejected(p.two), "");
    CHECK_INT(talk_state(p.two, "b"), REPLICA_DOC_SENT);
    talk_settle_down(p.two, "", CP("1"));
    CHECK_STR(p.two->pushed, "b=1"); /* asks about it */
    talk_verdicts(p.two, "already@2");
    CHECK_INT(talk_state(p.two, "b"), REPLICA_DOC_IN_SYNC);
}

TEST(a_page_that_waited_for_the_first_is_not_applied)
{
    PAIR(p);

    replica__session_now(p.one->session);
    talk_run(p.one);
    CHECK(p.one->pull);
    take_over(&p);
    talk_page(p.one, &(struct said){ "a=2@2", CP("2"), .at_head = 1 });
    CHECK_INT(p.one->status.state, REPLICA_SYNC_STANDBY);
    CHECK_STR(talk_have(p.one, "a"), "a=1");
    CHECK_STR(p.two->from, CP("1"));
}

TEST(an_event_that_waited_for_the_first_is_not_applied)
{
    PAIR(p);

    talk_open_stream(p.one);
    take_over(&p);
    talk_event(p.one, &(struct said){ "a=2@2", CP("2"), .follows = CP("1") });
    CHECK_STR(talk_have(p.one, "a"), "a=1");
    CHECK_INT(p.one->status.state, REPLICA_SYNC_STANDBY);
    CHECK(!p.one->status.streaming);
}

TEST(an_answer_of_the_program_that_waited_for_the_first_is_not_written)
{
    const char *path = tmp_path("shared.db");
    struct talk_options o = { .features = OURS, .path = path, .resolve = talk_keep };
    __attribute__((cleanup(end))) struct pair p = { 0 };

    p.one = talk_begin(&o);
    talk_put(p.one, "a=1");
    talk_settle_down(p.one, "a=2@1", CP("1"));
    CHECK(p.one->conflict);
    p.two = talk_begin(&o);
    talk_run(p.two);
    take_over(&p);
    CHECK_RC(replica_conflict_use(p.one->conflict, replica_conflict_real(p.one->conflict),
                                  &test_err), 0);
    p.one->conflict = NULL;
    talk_run(p.one);
    CHECK_STR(talk_have(p.two, "a"), "a=1");
    talk_page(p.two, &(struct said){ "", CP("1"), .at_head = 1 });
    CHECK(p.two->conflict); /* its program is asked */
    CHECK_RC(replica_conflict_use_json(p.two->conflict, "{\"id\":\"a\",\"v\":3}", REPLICA_NUL,
                                       &test_err), 0);
    p.two->conflict = NULL;
    talk_run(p.two);
    CHECK_STR(p.two->pushed, "a=3<2");
}

TEST(they_take_turns_as_often_as_they_stop)
{
    PAIR(p);

    for (int turn = 0; turn < 4; turn++) {
        struct talk *t = turn % 2 ? p.one : p.two;
        int hellos = t->hellos;

        for (int i = 0; i < 15 && t->hellos == hellos; i++)
            talk_pass(t, 1000);
        CHECK_INT(t->hellos, hellos + 1);
        talk_settle_down(t, "", CP("1"));
        hear(turn % 2 ? p.two : p.one); /* goes on, and asks */
        serve(t);
        talk_put(t, turn % 2 ? "b=2" : "b=1");
        talk_run(t);
        CHECK_STR(t->pushed, turn == 0 ? "b=1" : turn % 2 ? "b=2<1" : "b=1<2");
        talk_verdicts(t, "taken@5");
        CHECK(t->status.in_sync);
    }
}

TEST(what_the_waiting_one_writes_is_sent_by_the_one_that_replicates)
{
    PAIR(p);

    serve(p.one);
    talk_put(p.two, "b=1");
    talk_run(p.two);
    CHECK_INT(p.two->pushes, 0);
    hear(p.one);
    CHECK_STR(p.one->pushed, "b=1");
    talk_taken(p.one);
    CHECK_INT(talk_state(p.two, "b"), REPLICA_DOC_IN_SYNC);
}

TEST(the_waiting_one_is_in_sync_when_the_other_has_looked_since)
{
    int pulls;
    PAIR(p);

    CHECK(!p.two->status.in_sync);
    pulls = p.one->pulls;
    hear(p.one); /* it was asked */
    CHECK_INT(p.one->pulls, pulls + 1);
    hear(p.two);
    CHECK(!p.two->status.in_sync);
    talk_page(p.one, &(struct said){ "c=1@2", CP("2"), .at_head = 1, .head = 2 });
    hear(p.two);
    CHECK(p.two->status.in_sync);
    CHECK_INT(p.two->status.head, 2);
    CHECK_STR(talk_have(p.two, "c"), "c=1");
    pulls = p.one->pulls;
    hear(p.one); /* it is asked once */
    live(&p, 20);
    CHECK_INT(p.one->pulls, pulls);

    talk_put(p.two, "b=1");
    talk_run(p.two);
    CHECK(!p.two->status.in_sync);
    hear(p.one);
    hear(p.two);
    CHECK(!p.two->status.in_sync);
    talk_taken(p.one);
    hear(p.two);
    CHECK(p.two->status.in_sync);
}

TEST(the_waiting_one_asks_again_when_its_program_wants_that)
{
    int pulls;
    PAIR(p);

    hear(p.one);
    talk_page(p.one, &(struct said){ "", CP("1"), .at_head = 1 });
    hear(p.two);
    CHECK(p.two->status.in_sync);
    replica__session_now(p.two->session);
    talk_run(p.two);
    CHECK(!p.two->status.in_sync);
    pulls = p.one->pulls;
    hear(p.one);
    CHECK_INT(p.one->pulls, pulls + 1);
    talk_page(p.one, &(struct said){ "", CP("1"), .at_head = 1 });
    hear(p.two);
    CHECK(p.two->status.in_sync);
}

TEST(a_question_that_nobody_answered_is_answered_by_who_takes_over)
{
    struct talk *three;
    PAIR(p);

    three = talk_begin(&(struct talk_options){ .features = OURS, .path = p.one->o.path,
                                               .once = true });
    talk_run(three);
    talk_stop(p.one);
    talk_pass(p.two, 1000);
    CHECK_INT(p.two->hellos, 1);
    talk_page(p.two, &(struct said){ "", CP("1"), .at_head = 1 });
    hear(three);
    CHECK(three->status.in_sync);
    CHECK_INT(three->status.state, REPLICA_SYNC_STOPPED);
    talk_end(&three);
}

TEST(once_ends_when_the_one_that_replicates_has_brought_it_in_sync)
{
    __attribute__((cleanup(end))) struct pair p = { 0 };

    begin(&p, true);
    talk_put(p.two, "b=1");
    talk_run(p.two);
    hear(p.one);
    talk_page(p.one, &(struct said){ "", CP("1"), .at_head = 1 });
    talk_run(p.one);
    CHECK_STR(p.one->pushed, "b=1");
    hear(p.two);
    CHECK_INT(p.two->status.state, REPLICA_SYNC_STANDBY);
    talk_taken(p.one);
    hear(p.two);
    CHECK_INT(p.two->status.state, REPLICA_SYNC_STOPPED);
    CHECK(p.two->status.in_sync);
    CHECK_INT(p.two->hellos, 0);
}

TEST(once_does_it_itself_when_the_one_that_replicates_stops)
{
    __attribute__((cleanup(end))) struct pair p = { 0 };

    begin(&p, true);
    take_over(&p);
    talk_page(p.two, &(struct said){ "", CP("1"), .at_head = 1 });
    CHECK_INT(p.two->status.state, REPLICA_SYNC_STOPPED);
    talk_run(p.one); /* goes on, and may replicate again */
    talk_pass(p.one, 1000);
    CHECK_INT(p.one->hellos, 2);
}

TEST(one_that_pauses_lets_the_others_replicate)
{
    PAIR(p);

    replica__session_pause(p.one->session, true);
    talk_run(p.one);
    talk_pass(p.two, 1000);
    CHECK_INT(p.two->hellos, 1);
    talk_settle_down(p.two, "", CP("1"));
    replica__session_pause(p.one->session, false);
    talk_run(p.one);
    CHECK_INT(p.one->status.state, REPLICA_SYNC_STANDBY);
    CHECK_INT(p.one->hellos, 1);
}

TEST(one_that_must_be_mended_lets_the_others_replicate)
{
    PAIR(p);

    replica__session_now(p.one->session);
    talk_run(p.one);
    talk_fail(p.one, &p.one->pull, REPLICA_EAUTH, 401, 0);
    CHECK_INT(p.one->status.state, REPLICA_SYNC_PAUSED);
    talk_pass(p.two, 1000);
    CHECK_INT(p.two->hellos, 1);
}

TEST(one_that_waits_for_the_server_keeps_the_lease)
{
    PAIR(p);

    replica__session_now(p.one->session);
    talk_run(p.one);
    talk_fail(p.one, &p.one->pull, REPLICA_ENET, 7, 60000);
    CHECK_INT(p.one->status.state, REPLICA_SYNC_WAITING);
    live(&p, 30);
    CHECK_INT(p.two->hellos, 0);
}

TEST(a_resync_while_waiting_is_done_when_it_takes_over)
{
    PAIR(p);

    replica__session_resync(p.two->session);
    talk_stop(p.one);
    talk_pass(p.two, 1000);
    CHECK_STR(p.two->from, "");
}

TEST(a_program_that_does_not_keep_up_with_its_events_keeps_the_lease)
{
    PAIR(p);

    p.one->full = true;
    live(&p, 30);
    CHECK_INT(p.two->hellos, 0);
}
