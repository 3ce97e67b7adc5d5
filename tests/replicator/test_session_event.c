/* Events through a session: what goes to the server and how often, and what comes from it. */
#include "base/alloc.h"
#include "tests/replicator/talk_support.h"
#include "tests/support/fault.h"

#include <stdio.h>

#define EVENTS (OURS | REPLICA_REMOTE_EVENTS)

/* In sync, with an open stream. */
static struct talk *streaming(unsigned features)
{
    struct talk *t = talk_begin(&(struct talk_options){ .features = features });

    talk_run(t);
    talk_page(t, &(struct said){ "a=1@4", CP("4"), .at_head = 1 });
    talk_open_stream(t);
    CHECK(t->status.in_sync);
    return t;
}

static void emit(struct talk *t, const char *address, const char *payload)
{
    CHECK_RC(replica_emit(t->db, address, payload, REPLICA_NUL, &test_err), 0);
    replica__session_changed(t->session);
}

/* What was asked, without the client's token. */
static const char *asked(struct talk *t)
{
    static char text[4000];
    const char *from = strstr(t->asked, ",\"events\":");

    CHECK(strncmp(t->asked, "emit {\"client\":\"", 16) == 0 && from);
    snprintf(text, sizeof text, "%s", from);
    return text;
}

static void tell(struct talk *t, const char *json)
{
    replica_call_told(t->stream[0], "event", json, strlen(json));
    talk_run(t);
}

struct heard {
    char text[2000];
};

static void hear(void *ctx, const replica_event_entry *event)
{
    struct heard *h = ctx;
    size_t len = strlen(h->text);

    snprintf(h->text + len, sizeof h->text - len, "%s=%s/%d ", event->address, event->payload,
             event->origin);
}

TEST(what_is_emitted_goes_out_in_batches_one_after_the_other)
{
    TALK t = streaming(EVENTS);

    emit(t, "x", "1");
    emit(t, "/y", "{\"n\": 2.0}");
    CHECK_INT(t->asks, 0);
    talk_run(t);
    CHECK_STR(asked(t), ",\"events\":[[\"x\",1],[\"/y\",{\"n\": 2.0}]]}");
    for (int i = 0; i < 150; i++)
        emit(t, "z", "3");
    talk_run(t);
    CHECK_INT(t->asks, 1); /* one at a time */
    talk_answer(t, "{\"taken\":2}");
    CHECK_INT(t->asks, 2);
    CHECK_INT(strlen(asked(t)), strlen(",\"events\":[]}") + 100 * strlen("[\"z\",3],") - 1);
    talk_answer(t, "{\"taken\":100}");
    CHECK_INT(t->asks, 3);
    talk_answer(t, "{\"taken\":50}");
    CHECK_INT(t->asks, 3);
    CHECK(t->status.in_sync);
}

TEST(what_was_emitted_before_the_session_began_stays_here)
{
    TALK t = talk_begin(&(struct talk_options){ .features = EVENTS, .silent = true });

    talk_stop(t);
    CHECK_RC(replica_emit(t->db, "before", "1", 1, &test_err), 0);
    CHECK_RC(talk_start(t), 0);
    talk_run(t);
    emit(t, "x", "2");
    talk_run(t);
    CHECK_INT(t->asks, 0); /* it is not known yet what the server can do */
    {
        replica_call *hello = t->hello;

        t->hello = NULL;
        replica_call_hello(hello, EVENTS);
        talk_run(t);
    }
    CHECK_STR(asked(t), ",\"events\":[[\"x\",2]]}");
}

TEST(a_batch_without_an_answer_is_not_sent_again)
{
    TALK t = streaming(EVENTS);

    emit(t, "x", "1");
    talk_run(t);
    CHECK_INT(t->asks, 1);
    emit(t, "x", "2");
    talk_fail(t, &t->ask, REPLICA_ENET, 0, 0);
    CHECK_INT(t->asks, 1); /* not at once */
    talk_pass(t, 1000);
    CHECK_STR(asked(t), ",\"events\":[[\"x\",2]]}");
    talk_fail(t, &t->ask, REPLICA_EHTTP, 503, 4000);
    emit(t, "x", "3");
    talk_pass(t, 3999);
    CHECK_INT(t->asks, 2);
    talk_pass(t, 1);
    CHECK_STR(asked(t), ",\"events\":[[\"x\",3]]}");
    CHECK(t->status.state != REPLICA_SYNC_WAITING); /* documents go on */
}

TEST(what_is_no_news_any_more_is_left_out)
{
    TALK t = streaming(EVENTS);

    emit(t, "x", "1");
    talk_run(t);
    emit(t, "old", "2");
    talk_fail(t, &t->ask, REPLICA_EHTTP, 503, 10001);
    talk_pass(t, 10001);
    CHECK_INT(t->asks, 1);
    emit(t, "new", "3");
    talk_run(t);
    CHECK_STR(asked(t), ",\"events\":[[\"new\",3]]}");
}

TEST(without_a_connection_the_last_ones_wait_for_it)
{
    TALK t = streaming(EVENTS);

    talk_put(t, "b=1");
    talk_run(t);
    talk_fail(t, &t->push, REPLICA_ENET, 0, 12000);
    CHECK_INT(t->status.state, REPLICA_SYNC_WAITING);
    emit(t, "early", "1");
    talk_pass(t, 5000);
    emit(t, "late", "2");
    talk_pass(t, 6999);
    CHECK_INT(t->asks, 0);
    for (int i = 0; i < 5 && t->asks == 0; i++)
        talk_next(t);
    CHECK_STR(asked(t), ",\"events\":[[\"late\",2]]}");
}

TEST(a_server_without_events_is_not_asked_about_them)
{
    TALK t = streaming(OURS);
    struct heard h = { "" };

    emit(t, "x", "1");
    talk_run(t);
    CHECK_INT(t->asks, 0);
    CHECK_STR(t->listen, "");
    CHECK_RC(replica_listen(t->db, "**", hear, &h, NULL, NULL, &test_err), 0);
    tell(t, "{\"events\":[[\"x\",1,\"b\"]]}"); /* and not listened to */
    CHECK(replica_db_dispatch(t->db, 100, &test_err) >= 0);
    CHECK_STR(h.text, "");
}

TEST(a_session_that_is_paused_sends_nothing_of_that_time)
{
    TALK t = streaming(EVENTS);

    replica__session_pause(t->session, true);
    talk_run(t);
    emit(t, "x", "1");
    talk_run(t);
    replica__session_pause(t->session, false);
    talk_run(t);
    CHECK_INT(t->asks, 0);
}

TEST(what_the_server_tells_is_heard_and_never_goes_back)
{
    TALK t = streaming(EVENTS);
    struct heard h = { "" };

    CHECK_RC(replica_listen(t->db, "/lamp/*", hear, &h, NULL, NULL, &test_err), 0);
    tell(t, "{\"events\":[[\"/lamp/1\",{\"on\": 1.0},\"b\"],[\"/door\",1,\"b\"],"
            "[\"/lamp/\\u00e9\",\"\\u0000\"]]}");
    replica__session_changed(t->session);
    talk_run(t);
    CHECK(replica_db_dispatch(t->db, 100, &test_err) >= 0);
    CHECK_STR(h.text, "/lamp/1={\"on\": 1.0}/2 /lamp/\xc3\xa9=\"\\u0000\"/2 ");
    CHECK_INT(t->asks, 0);
}

TEST(what_is_no_event_is_left_out_and_the_rest_heard)
{
    TALK t = streaming(EVENTS);
    struct heard h = { "" };

    CHECK_RC(replica_listen(t->db, "**", hear, &h, NULL, NULL, &test_err), 0);
    tell(t, "{\"events\":[1,[],[\"x\"],[2,1],[\"*\",1],[\"\",1],[\"a\\u0000b\",1],{\"x\":1},"
            "[\"good\",1]]}");
    tell(t, "{\"events\":{}}");
    tell(t, "[]");
    tell(t, "{\"events\":[");
    CHECK(replica_db_dispatch(t->db, 100, &test_err) >= 0);
    CHECK_STR(h.text, "good=1/2 ");
}

TEST(the_stream_is_opened_anew_for_a_pattern_that_it_does_not_bring)
{
    TALK t = streaming(EVENTS);
    replica_listener *listener = NULL;
    struct heard h = { "" };

    CHECK_STR(t->listen, "");
    CHECK_RC(replica_listen(t->db, "/lamp/*", hear, &h, NULL, &listener, &test_err), 0);
    CHECK(replica_db_dispatch(t->db, 100, &test_err) >= 0); /* it is noted there */
    replica__session_changed(t->session);
    talk_run(t);
    CHECK_INT(t->streams, 2);
    CHECK_STR(t->listen, "/lamp/* ");
    talk_open_stream(t);
    CHECK_RC(replica_listen(t->db, "/lamp/*", hear, &h, NULL, NULL, &test_err), 0);
    replica_listener_cancel(listener);
    CHECK(replica_db_dispatch(t->db, 100, &test_err) >= 0);
    replica__session_changed(t->session);
    talk_run(t);
    CHECK_INT(t->streams, 2); /* it brings that one already */
    for (int i = 0; i < 20; i++) {
        char pattern[40];

        snprintf(pattern, sizeof pattern, "p%d", i);
        CHECK_RC(replica_listen(t->db, pattern, hear, &h, NULL, NULL, &test_err), 0);
    }
    CHECK(replica_db_dispatch(t->db, 100, &test_err) >= 0);
    talk_pass(t, 5 * 60 * 1000);
    CHECK(replica_db_dispatch(t->db, 100, &test_err) >= 0);
    replica__session_changed(t->session);
    talk_run(t);
    CHECK_STR(t->listen, "** "); /* too many for a URL */
}

LONG_TEST(without_memory_events_are_told_late_or_left_out_and_nothing_else_happens)
{
    for (int nth = 0, failed = 1; failed; nth++) {
        TALK t = streaming(EVENTS);
        static const char json[] = "{\"events\":[[\"x\",{\"n\":1},\"b\"]]}";

        emit(t, "out", "1");
        fault_alloc(nth);
        replica_call_told(t->stream[0], "event", json, sizeof json - 1);
        replica__session_step(t->session);
        failed = fault_stop();
        for (int i = 0; i < 5 && t->asks == 0; i++)
            talk_pass(t, 1000);
        CHECK(t->asks == 1 || failed);
        if (t->ask)
            talk_answer(t, "{\"taken\":1}");
        emit(t, "later", "1");
        talk_run(t);
        for (int i = 0; i < 5 && !t->ask; i++)
            talk_pass(t, 1000);
        CHECK_STR(asked(t), ",\"events\":[[\"later\",1]]}");
    }
}
