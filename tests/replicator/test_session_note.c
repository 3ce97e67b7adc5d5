/* What a session writes down for other processes, and when it does not. */
#include "tests/replicator/talk_support.h"
#include "tests/support/tmp.h"

#include <string.h>

struct noted {
    int in_sync;
    int64_t synced_ms, head, error_ms;
    replica_error error;
    char checkpoint[100];
};

static int take(void *ctx, const replica_replication_entry *e)
{
    struct noted *n = ctx;

    CHECK_STR(e->identifier, "r1");
    *n = (struct noted){ e->in_sync, e->synced_ms, e->synced_head, e->error_ms,
                         { .offset = -1 }, "" };
    if (e->error)
        n->error = *e->error;
    strcpy(n->checkpoint, e->checkpoint ? e->checkpoint : "");
    return 0;
}

static struct noted noted(struct talk *t)
{
    struct noted n = { 0 };

    CHECK_RC(replica_replications(t->db, take, &n, &test_err), 0);
    return n;
}

static int why(void *ctx, const replica_pending_entry *e)
{
    return e->why;
}

static int pending(struct talk *t)
{
    return replica_pending(t->db, NULL, why, NULL, &test_err);
}

/* Has anybody written to the file since the last call? */
static bool was_written(replica_db *watcher)
{
    return replica__db_changed(watcher, &test_err) > 0;
}

static replica_db *watcher_of(void)
{
    replica_db *db = NULL;

    CHECK_RC(replica_db_open(tmp_path("test.db"), NULL, &db, &test_err), 0);
    was_written(db);
    return db;
}

TEST(in_sync_is_noted_with_the_servers_number_and_its_time)
{
    TALK t = talk_begin(&(struct talk_options){ .features = OURS });
    struct noted n;

    talk_run(t);
    CHECK_INT(noted(t).in_sync, 0);
    CHECK_INT(noted(t).synced_ms, 0);
    talk_page(t, &(struct said){ "a=1@7", CP("7"), .at_head = 1, .head = 7 });
    CHECK(t->status.in_sync);
    n = noted(t);
    CHECK_INT(n.in_sync, 1);
    CHECK_INT(n.synced_ms, t->clock.now_ms);
    CHECK_INT(n.head, 7);
    CHECK_STR(n.checkpoint, CP("7"));
    talk_put(t, "a=2");
    CHECK_INT(noted(t).in_sync, 0); /* by what the file has, whoever looks */
    CHECK_INT(pending(t), REPLICA_PENDING_TO_SEND);
}

TEST(a_live_replication_with_nothing_to_do_writes_nothing)
{
    TALK t = talk_begin(&(struct talk_options){ .features = OURS });
    replica_db *watcher;

    talk_settle_down(t, "a=1@7", CP("7"));
    talk_open_stream(t);
    watcher = watcher_of();
    for (int i = 0; i < 100; i++) {
        replica_call_alive(t->stream[0]); /* as its heartbeats are */
        talk_pass(t, 5000);
        CHECK(!t->pull);
    }
    CHECK(t->status.in_sync);
    CHECK(!was_written(watcher));
    replica_db_close(watcher);
}

TEST(when_it_is_in_sync_ever_again_that_is_noted_once_in_a_while)
{
    TALK t = talk_begin(&(struct talk_options){ .features = OURS });
    int64_t first;
    int changed = 0;
    int64_t last;

    talk_settle_down(t, "a=1@1", CP("1"));
    last = first = noted(t).synced_ms;
    for (int i = 0; i < 100; i++) { /* 20 s */
        talk_put(t, "b=1");
        talk_run(t);
        talk_taken(t);
        talk_pass(t, 200);
        changed += noted(t).synced_ms != last;
        last = noted(t).synced_ms;
    }
    CHECK(changed >= 2);
    CHECK(changed <= 6);
    talk_pass(t, 10000);
    CHECK(noted(t).synced_ms >= first + 19000);
}

TEST(an_error_is_noted_at_once_and_gone_with_the_next_success)
{
    TALK t = talk_begin(&(struct talk_options){ .features = OURS });
    replica_db *watcher;
    struct noted n;

    talk_settle_down(t, "a=1@1", CP("1"));
    talk_put(t, "a=2");
    talk_run(t);
    talk_fail(t, &t->push, REPLICA_ENET, 7, 0);
    n = noted(t);
    CHECK_INT(n.error.code, REPLICA_ENET);
    CHECK_INT(n.error.detail, 7);
    CHECK_STR(n.error.message, t->error.message);
    CHECK_INT(n.error_ms, t->clock.now_ms);
    CHECK_INT(n.in_sync, 0);
    CHECK_INT(t->status.error_ms, t->clock.now_ms);
    watcher = watcher_of();
    talk_next(t);
    talk_fail(t, &t->push, REPLICA_ENET, 7, 0); /* the same again: nothing to say */
    CHECK_INT(noted(t).error_ms, n.error_ms);
    replica_db_close(watcher);
    talk_next(t);
    talk_taken(t);
    n = noted(t);
    CHECK_INT(n.error.code, 0);
    CHECK_INT(n.error_ms, 0);
    CHECK_INT(n.in_sync, 1);
}

TEST(what_stopped_the_replication_is_noted_before_others_may_go_on)
{
    TALK t = talk_begin(&(struct talk_options){ .features = OURS });

    talk_settle_down(t, "a=1@1", CP("1"));
    talk_put(t, "a=2");
    talk_run(t);
    talk_fail(t, &t->push, REPLICA_EAUTH, 401, 0);
    CHECK_INT(t->status.state, REPLICA_SYNC_PAUSED);
    CHECK_INT(noted(t).error.code, REPLICA_EAUTH);
    talk_stop(t);
    CHECK_INT(noted(t).error.detail, 401);
    CHECK_RC(talk_start(t), 0);
    talk_run(t);
    talk_page(t, &(struct said){ "", CP("1"), .at_head = 1 });
    CHECK_INT(noted(t).error.code, 0); /* an error of the last life is over, too */
}

TEST(a_resync_is_not_in_sync_before_its_end_also_if_it_is_killed)
{
    TALK t = talk_begin(&(struct talk_options){ .features = OURS });

    talk_settle_down(t, "a=1@1", CP("1"));
    CHECK_INT(noted(t).in_sync, 1);
    replica__session_resync(t->session);
    talk_run(t);
    CHECK_INT(noted(t).in_sync, 0);
    talk_restart(t);
    talk_run(t);
    CHECK_INT(noted(t).in_sync, 0);
    talk_page(t, &(struct said){ "a=1@1", CP("1"), .at_head = 1 });
    CHECK_INT(noted(t).in_sync, 1);
}

TEST(a_conflict_that_nobody_can_settle_is_a_persons_and_his_answer_is_heeded)
{
    TALK t = talk_begin(&(struct talk_options){ .features = OURS,
                                                .rules = "{\"delete\":\"ask\"}" });
    replica_db *watcher;

    talk_settle_down(t, "a=1@1", CP("1"));
    talk_put(t, "a=2");
    talk_run(t);
    talk_verdicts(t, "-a@2");
    CHECK_INT(pending(t), REPLICA_PENDING_PERSON);
    CHECK_INT(noted(t).in_sync, 0);
    watcher = watcher_of();
    replica__session_changed(t->session);
    talk_run(t);
    CHECK(!was_written(watcher)); /* it is written down once */
    replica_db_close(watcher);
    CHECK_RC(replica_conflict_answer(t->colls[0], "a", NULL, REPLICA_ANSWER_LOCAL, &test_err), 1);
    replica__session_changed(t->session);
    talk_run(t);
    CHECK_STR(t->pushed, "a=2<-");
    talk_verdicts(t, "taken@3");
    CHECK(t->status.in_sync);
    CHECK_INT(pending(t), 0);
}

TEST(what_is_done_and_what_remains_is_the_whole)
{
    TALK t = talk_begin(&(struct talk_options){ .features = OURS, .rows = 2 });

    talk_run(t);
    talk_page(t, &(struct said){ "a=1@1 b=1@2", CP("2"), .head = 5, .remaining = 3 });
    CHECK_INT(t->status.pull_done, 2);
    CHECK_INT(t->status.pull_remaining, 3);
    talk_page(t, &(struct said){ "c=1@3 d=1@4", CP("4"), .head = 5, .remaining = 1 });
    talk_page(t, &(struct said){ "e=1@5", CP("5"), .at_head = 1, .head = 5 });
    CHECK_INT(t->status.pull_done, 5);
    CHECK_INT(t->status.pull_remaining, 0);
    talk_put(t, "f=1 g=1 h=1 i=1 j=1");
    talk_run(t);
    CHECK_INT(t->status.push_done + t->status.push_remaining, 5);
    CHECK_INT(t->status.pull_done, 5);
    talk_taken(t);
    CHECK_INT(t->status.push_done, 2);
    CHECK_INT(t->status.push_remaining, 3);
    CHECK_INT(t->status.pull_done, 0); /* it was in sync between */
    talk_taken(t);
    talk_taken(t);
    CHECK_INT(t->status.push_done, 5);
    CHECK_INT(t->status.push_remaining, 0);
}
