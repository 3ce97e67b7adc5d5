/* Credentials: asked for once for all that wait, sent along, and shown nowhere. */
#include "replicator/remote_http.h"

#include "tests/http/recorder.h"
#include "tests/http/scripted_server.h"
#include "tests/support/test.h"

#include <stdio.h>

#define JSON "application/json"
#define PAGE "{\"documents\":[]}"
#define AT_HEAD "page checkpoint - follows - at head\n"

static const replica_remote_collection cities = { "cities", "id", 0 };
static const replica_pull_request first_pull = { &cities, 1, NULL, 2, 4096 };

static void remote_destroy(replica_remote *remote)
{
    remote->destroy(remote->ctx);
}
#define REMOTE __attribute__((cleanup(remote_destroy))) replica_remote

/* A program that is asked for its token. */
struct program {
    int result;        /* of the callback */
    const char *token;
    int asked, refused;
};

static int give_token(void *ctx, bool refused, char *out, size_t room)
{
    struct program *p = ctx;

    p->asked++;
    p->refused += refused;
    if (p->result == 1)
        snprintf(out, room, "%s", p->token);
    return p->result;
}

static replica_remote remote_of(struct program *p, struct scripted *s)
{
    struct replica__http_options o = { .url = scripted_url(s, "/cities/0"), .token = give_token,
                                       .ctx = p };
    replica_remote remote = REPLICA_REMOTE_INIT;

    CHECK_RC(replica__remote_http_new(&o, &remote, &test_err), 0);
    return remote;
}

static void start(replica_remote *remote, replica_call *call)
{
    CHECK_RC(remote->pull(remote->ctx, call, &first_pull), 0);
}

static bool sent_token(struct scripted *s, int n, const char *token)
{
    char line[200];

    snprintf(line, sizeof(line), "\r\nAuthorization: Bearer %s\r\n", token);
    return strstr(scripted_request(s, n), line) != NULL;
}

TEST(a_token_goes_along_with_each_request_and_is_asked_for_once)
{
    SCRIPTED s = scripted_start();
    struct program p = { 1, "t0ken", 0, 0 };
    REMOTE remote = remote_of(&p, s);
    CALL a = { 0 }, b = { 0 };

    scripted_answer(s, "GET", 200, JSON, PAGE);
    scripted_answer(s, "GET", 200, JSON, PAGE);
    start(&remote, &a);
    recorder_wait(&remote, &a);
    start(&remote, &b);
    recorder_wait(&remote, &b);
    CHECK(sent_token(s, 0, "t0ken") && sent_token(s, 1, "t0ken"));
    CHECK_INT(p.asked, 1);
    CHECK_INT(p.refused, 0);
}

TEST(a_program_without_a_token_sends_none)
{
    SCRIPTED s = scripted_start();
    struct program p = { 0, NULL, 0, 0 };
    REMOTE remote = remote_of(&p, s);
    CALL call = { 0 };

    scripted_answer(s, "GET", 200, JSON, PAGE);
    start(&remote, &call);
    recorder_wait(&remote, &call);
    CHECK(!strstr(scripted_request(s, 0), "Authorization"));
}

TEST(requests_wait_for_a_token_that_comes_later)
{
    SCRIPTED s = scripted_start();
    struct program p = { REPLICA__TOKEN_LATER, NULL, 0, 0 };
    REMOTE remote = remote_of(&p, s);
    CALL a = { 0 }, b = { 0 };

    scripted_answer(s, "GET", 200, JSON, PAGE);
    scripted_answer(s, "GET", 200, JSON, PAGE);
    start(&remote, &a);
    start(&remote, &b);
    recorder_settle(&remote);
    CHECK_INT(remote.timeout(remote.ctx), -1); /* nothing to do but to wait */
    CHECK_INT(scripted_requests(s), 0);
    CHECK_INT(p.asked, 1);
    replica__remote_http_token(&remote, "late");
    CHECK_INT(remote.timeout(remote.ctx), 0);
    recorder_wait(&remote, &a);
    recorder_wait(&remote, &b);
    CHECK_STR(recorder_log(&a), AT_HEAD);
    CHECK(sent_token(s, 0, "late") && sent_token(s, 1, "late"));
}

TEST(without_credentials_nothing_is_sent)
{
    SCRIPTED s = scripted_start();
    struct program p = { -1, NULL, 0, 0 };
    REMOTE remote = remote_of(&p, s);
    CALL at_once = { 0 }, later = { 0 };

    start(&remote, &at_once);
    CHECK(!at_once.ended);
    recorder_wait(&remote, &at_once);
    CHECK_STR(recorder_log(&at_once), "fail REPLICA_EAUTH 401\n");
    p.result = REPLICA__TOKEN_LATER; /* and asked anew for the next one */
    start(&remote, &later);
    replica__remote_http_token(&remote, NULL);
    recorder_wait(&remote, &later);
    CHECK_STR(recorder_log(&later), "fail REPLICA_EAUTH 401\n");
    CHECK_INT(p.asked, 2);
    CHECK_INT(scripted_requests(s), 0);
}

/* That passes: the replication tries again, and is not paused. */
TEST(who_cannot_be_asked_for_want_of_memory_is_asked_again)
{
    SCRIPTED s = scripted_start();
    struct program p = { REPLICA_ENOMEM, NULL, 0, 0 };
    REMOTE remote = remote_of(&p, s);
    CALL first = { 0 }, second = { 0 };

    start(&remote, &first);
    recorder_wait(&remote, &first);
    CHECK_STR(recorder_log(&first), "fail REPLICA_ENOMEM 0\n");
    scripted_answer(s, "GET", 200, JSON, PAGE);
    p.result = 0;
    start(&remote, &second);
    recorder_wait(&remote, &second);
    CHECK_STR(recorder_log(&second), AT_HEAD);
    CHECK_INT(p.asked, 2);
}

TEST(after_a_401_another_token_is_asked_for_and_tried)
{
    SCRIPTED s = scripted_start();
    struct program p = { 1, "old", 0, 0 };
    REMOTE remote = remote_of(&p, s);
    CALL call = { 0 };

    scripted_answer(s, "GET", 401, JSON, "{}");
    scripted_answer(s, "GET", 200, JSON, PAGE);
    start(&remote, &call);
    p.token = "new";
    recorder_wait(&remote, &call);
    CHECK_STR(recorder_log(&call), AT_HEAD);
    CHECK(sent_token(s, 0, "old") && sent_token(s, 1, "new"));
    CHECK_INT(p.asked, 2);
    CHECK_INT(p.refused, 1);
}

TEST(a_second_401_is_the_answer)
{
    SCRIPTED s = scripted_start();
    struct program p = { 1, "old", 0, 0 };
    REMOTE remote = remote_of(&p, s);
    CALL call = { 0 };

    scripted_answer(s, "GET", 401, JSON, "{}");
    scripted_answer(s, "GET", 401, JSON, "{}");
    start(&remote, &call);
    recorder_wait(&remote, &call);
    CHECK_STR(recorder_log(&call), "fail REPLICA_EAUTH 401\n");
    CHECK_INT(scripted_requests(s), 2);
}

TEST(all_requests_in_flight_ask_once)
{
    SCRIPTED s = scripted_start();
    struct program p = { 1, "old", 0, 0 };
    REMOTE remote = remote_of(&p, s);
    replica_call calls[3] = { { 0 } };

    for (int i = 0; i < 3; i++)
        scripted_answer(s, "GET", 401, JSON, "{}");
    for (int i = 0; i < 3; i++)
        scripted_answer(s, "GET", 200, JSON, PAGE);
    for (int i = 0; i < 3; i++)
        start(&remote, &calls[i]);
    p.result = REPLICA__TOKEN_LATER;
    while (scripted_requests(s) < 3 || remote.timeout(remote.ctx) != -1)
        remote.work(remote.ctx);
    CHECK_INT(p.asked, 2);
    replica__remote_http_token(&remote, "new");
    for (int i = 0; i < 3; i++) {
        recorder_wait(&remote, &calls[i]);
        CHECK_STR(recorder_log(&calls[i]), AT_HEAD);
        CHECK(sent_token(s, 3 + i, "new"));
        recorder_free(&calls[i]);
    }
    CHECK_INT(p.asked, 2);
}

TEST(a_cancelled_call_is_not_sent_when_the_token_comes)
{
    SCRIPTED s = scripted_start();
    struct program p = { REPLICA__TOKEN_LATER, NULL, 0, 0 };
    REMOTE remote = remote_of(&p, s);
    CALL gone = { 0 };

    start(&remote, &gone);
    remote.cancel(remote.ctx, &gone);
    replica__remote_http_token(&remote, "late");
    recorder_settle(&remote);
    CHECK_INT(gone.answers, 0);
    CHECK_INT(scripted_connections(s), 0);
}

TEST(a_token_that_would_break_its_line_is_none)
{
    SCRIPTED s = scripted_start();
    struct program p = { 1, "x\r\nEvil: 1", 0, 0 };
    REMOTE remote = remote_of(&p, s);
    CALL call = { 0 };

    start(&remote, &call);
    recorder_wait(&remote, &call);
    CHECK_STR(recorder_log(&call), "fail REPLICA_EAUTH 401\n");
    CHECK_INT(scripted_requests(s), 0);
}

TEST(an_error_does_not_show_the_token)
{
    SCRIPTED s = scripted_start();
    struct program p = { 1, "t0ken", 0, 0 };
    REMOTE remote = remote_of(&p, s);
    CALL call = { 0 };

    scripted_answer(s, "GET", 500, "text/plain", "you sent 't0ken', and t0kent0ken");
    start(&remote, &call);
    recorder_wait(&remote, &call);
    CHECK_STR(call.error.message, "500: not what was expected: you sent '*', and **");
}

/* A proxy that shows what it got. */
TEST(an_error_shows_neither_headers_of_the_program_nor_the_password_of_the_url)
{
    static const char *const headers[] = { "X-Api-Key: k3y-of-mine", NULL };
    SCRIPTED s = scripted_start();
    REMOTE remote = REPLICA_REMOTE_INIT;
    CALL call = { 0 };
    char url[200];

    snprintf(url, sizeof(url), "http://anna:s3cret@%s",
             scripted_url(s, "/cities/0") + strlen("http://"));
    struct replica__http_options o = { .url = url, .headers = headers };
    CHECK_RC(replica__remote_http_new(&o, &remote, &test_err), 0);
    scripted_answer(s, "GET", 500, "text/plain", "X-Api-Key: k3y-of-mine; s3cret; "
                                                 "Basic YW5uYTpzM2NyZXQ=");
    start(&remote, &call);
    recorder_wait(&remote, &call);
    CHECK(strstr(scripted_request(s, 0), "Basic YW5uYTpzM2NyZXQ="));
    CHECK_STR(call.error.message, "500: not what was expected: X-Api-Key: *; *; Basic *=");
    CHECK(!strstr(call.error.where, "anna"));
}

TEST(a_token_does_not_follow_a_redirect_to_another_server)
{
    SCRIPTED s = scripted_start();
    SCRIPTED other = scripted_start();
    struct program p = { 1, "t0ken", 0, 0 };
    REMOTE remote = remote_of(&p, s);
    CALL call = { 0 };
    char type[300];

    snprintf(type, sizeof(type), "text/plain\r\nLocation: %s",
             scripted_url(other, "/cities/0/pull"));
    scripted_answer(s, "GET", 307, type, "");
    start(&remote, &call);
    recorder_wait(&remote, &call);
    CHECK_STR(recorder_log(&call), "fail REPLICA_EHTTP 307\n");
    CHECK_INT(scripted_connections(other), 0);
}

/* ---- all kinds at once ----------------------------------------------------------- */

static const replica_remote_row row = { .collection = 0, .id = "a", .json = "{\"id\":\"a\"}",
                                      .len = 10 };
static const replica_push_request push = { .collections = &cities, .count = 1, .rows = &row,
                                           .row_count = 1 };

/* Whatever it is that waits for the new token. */
TEST(pulls_pushes_questions_and_streams_go_again_with_one_new_token)
{
    static const char *const requests[] = { "GET /cities/0/pull?", "POST /cities/0/push",
                                            "POST /_replica/1/locks",
                                            "GET /cities/0/pullStream" };
    static const char *const answers[] = { PAGE, "[]", "{\"locks\":[]}" };
    SCRIPTED s = scripted_start();
    struct program p = { 1, "old", 0, 0 };
    REMOTE remote = remote_of(&p, s);
    replica_call calls[4] = { { 0 } };

    for (int i = 0; i < 4; i++)
        scripted_answer(s, requests[i], 401, JSON, "{}");
    for (int i = 0; i < 3; i++)
        scripted_answer(s, requests[i], 200, JSON, answers[i]);
    scripted_raw(s, requests[3],
                 "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
                 "data: {\"documents\":[],\"checkpoint\":{\"id\":\"x\",\"lwt\":1}}\n\n",
                 REPLICA_NUL, SCRIPTED_HOLD);
    CHECK_RC(remote.pull(remote.ctx, &calls[0], &first_pull), 0);
    CHECK_RC(remote.push(remote.ctx, &calls[1], &push), 0);
    CHECK_RC(remote.ask(remote.ctx, &calls[2], "locks", "{}", 2), 0);
    CHECK_RC(remote.stream(remote.ctx, &calls[3], &first_pull), 0);
    p.result = REPLICA__TOKEN_LATER;
    while (scripted_requests(s) < 4 || remote.timeout(remote.ctx) != -1)
        remote.work(remote.ctx);
    CHECK_INT(p.asked, 2);
    for (int i = 0; i < 4; i++)
        CHECK_STR(recorder_log(&calls[i]), "");
    replica__remote_http_token(&remote, "new");
    for (int i = 0; i < 3; i++)
        recorder_wait(&remote, &calls[i]);
    recorder_wait_text(&remote, &calls[3], "event");
    CHECK_INT(scripted_requests(s), 8);
    for (int i = 0; i < 8; i++)
        CHECK(sent_token(s, i, i < 4 ? "old" : "new"));
    for (int i = 0; i < 4; i++)
        CHECK(!strstr(recorder_log(&calls[i]), "fail"));
    CHECK_INT(p.asked, 2);
    CHECK_INT(p.refused, 1);
    for (int i = 0; i < 4; i++) {
        remote.cancel(remote.ctx, &calls[i]);
        recorder_free(&calls[i]);
    }
}

TEST(a_stream_that_ends_because_its_token_expired_is_opened_with_the_next_one)
{
    static const char head[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n:\n\n";
    SCRIPTED s = scripted_start();
    struct program p = { 1, "old", 0, 0 };
    REMOTE remote = remote_of(&p, s);
    CALL first = { 0 }, second = { 0 };

    scripted_raw(s, "GET", head, REPLICA_NUL, SCRIPTED_CLOSE);
    scripted_answer(s, "GET", 401, JSON, "{\"message\":\"the token has expired\"}");
    scripted_raw(s, "GET", head, REPLICA_NUL, SCRIPTED_HOLD);
    CHECK_RC(remote.stream(remote.ctx, &first, &first_pull), 0);
    recorder_wait(&remote, &first);
    CHECK(strstr(recorder_log(&first), "fail REPLICA_ENET"));
    p.token = "new";
    CHECK_RC(remote.stream(remote.ctx, &second, &first_pull), 0);
    recorder_wait_text(&remote, &second, "open");
    CHECK(!strstr(recorder_log(&second), "fail"));
    CHECK(sent_token(s, 1, "old") && sent_token(s, 2, "new"));
    CHECK_INT(p.asked, 2);
    remote.cancel(remote.ctx, &second);
}

/* No request goes out with a token that is known to be refused. */
TEST(after_two_refusals_the_next_request_asks_first)
{
    SCRIPTED s = scripted_start();
    struct program p = { 1, "old", 0, 0 };
    REMOTE remote = remote_of(&p, s);
    CALL refused = { 0 }, none = { 0 }, fine = { 0 };

    scripted_answer(s, "GET", 401, JSON, "{}");
    scripted_answer(s, "GET", 401, JSON, "{\"message\":\"it has expired\"}");
    scripted_answer(s, "GET", 200, JSON, PAGE);
    start(&remote, &refused);
    recorder_wait(&remote, &refused);
    CHECK_STR(recorder_log(&refused), "fail REPLICA_EAUTH 401\n");
    CHECK_INT(p.asked, 2);
    p.result = -1;
    start(&remote, &none);
    recorder_wait(&remote, &none);
    CHECK_STR(recorder_log(&none), "fail REPLICA_EAUTH 401\n");
    CHECK(strstr(none.error.message, "it has expired")); /* the reason is not forgotten */
    CHECK_INT(scripted_requests(s), 2);
    p.result = 1;
    p.token = "new";
    start(&remote, &fine);
    recorder_wait(&remote, &fine);
    CHECK_STR(recorder_log(&fine), AT_HEAD);
    CHECK(sent_token(s, 2, "new"));
    CHECK_INT(p.asked, 4);
    CHECK_INT(p.refused, 3);
}
