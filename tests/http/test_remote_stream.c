/* Event streams, and compressed bodies, through the HTTP remote. */
#include "replicator/remote_http.h"

#include "tests/http/recorder.h"
#include "tests/http/scripted_server.h"
#include "tests/support/test.h"

#include <stdlib.h>

#ifdef REPLICA_HAVE_ZSTD
#include <zstd.h>
#endif

#define WIRE "application/vnd.libreplica+json"
#define HEAD "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n\r\n"
#define EVENT "data: {\"documents\":[{\"id\":\"a\"}],\"checkpoint\":{\"lwt\":1}}\n\n"
#define EVENT_LOG "event [cities 0 {\"id\":\"a\"}] checkpoint {\"lwt\":1} follows -\n"

static const replica_remote_collection cities = { "cities", "id", 0 };
static const replica_pull_request from_start = { &cities, 1, NULL, 2, 4096 };

static void remote_destroy(replica_remote *remote)
{
    remote->destroy(remote->ctx);
}
#define REMOTE __attribute__((cleanup(remote_destroy))) replica_remote

static replica_remote remote_with(struct replica__http_options o, struct scripted *s)
{
    replica_remote remote = REPLICA_REMOTE_INIT;

    o.url = scripted_url(s, "/cities/0");
    CHECK_RC(replica__remote_http_new(&o, &remote, &test_err), 0);
    return remote;
}

static replica_remote remote_to(struct scripted *s)
{
    return remote_with((struct replica__http_options){ 0 }, s);
}

/* Open a stream that stays open. */
static void open_stream(replica_remote *remote, struct scripted *s, replica_call *call)
{
    scripted_raw(s, "GET /cities/0/pullStream HTTP/1.1\r\n", HEAD, REPLICA_NUL, SCRIPTED_HOLD);
    CHECK_RC(remote->stream(remote->ctx, call, &from_start), 0);
    recorder_wait_text(remote, call, "open\n");
}

TEST(events_arrive_one_by_one)
{
    SCRIPTED s = scripted_start();
    REMOTE remote = remote_to(s);
    CALL call = { 0 };

    open_stream(&remote, s, &call);
    CHECK(strstr(scripted_request(s, 0), "\r\nAccept: text/event-stream\r\n"));
    scripted_push(s, EVENT);
    recorder_wait_text(&remote, &call, EVENT_LOG);
    scripted_push(s, "data: {\"documents\":[],\"check");
    scripted_push(s, "point\":{\"lwt\":2}}\r\n\r\n" EVENT);
    recorder_wait_text(&remote, &call, "{\"lwt\":2} follows - at head\n" EVENT_LOG);
    CHECK_INT(call.events, 3);
    CHECK(!call.ended);
}

TEST(a_stream_of_our_server_starts_at_the_checkpoint)
{
    SCRIPTED s = scripted_start();
    REMOTE remote = remote_to(s);
    replica_pull_request request = { &cities, 1, "{\"id\":\"ab\",\"lwt\":4}", 2, 4096 };
    CALL hello = { 0 }, call = { 0 };

    scripted_answer(s, "GET /_replica/1/hello ", 200, WIRE, "{\"replica\":1}");
    CHECK_RC(remote.hello(remote.ctx, &hello), 0);
    recorder_wait(&remote, &hello);
    scripted_raw(s, "GET /_replica/1/stream?c=cities/0&lwt=4&id=ab ", HEAD
                 "id: ab.5\n"
                 "data: {\"meta\":[[0,5,9,0,\"w.1\",null]],\"documents\":[{\"id\":\"a\"}],\n"
                 "data: \"follows\":{\"id\":\"ab\",\"lwt\":4},\n"
                 "data: \"checkpoint\":{\"id\":\"ab\",\"lwt\":5}}\n\n", REPLICA_NUL, SCRIPTED_HOLD);
    CHECK_RC(remote.stream(remote.ctx, &call, &request), 0);
    recorder_wait_text(&remote, &call, "event [cities 5 {\"id\":\"a\"}] checkpoint "
                       "{\"id\":\"ab\",\"lwt\":5} follows {\"id\":\"ab\",\"lwt\":4}\n");
}

TEST(a_heartbeat_shows_that_the_stream_lives)
{
    SCRIPTED s = scripted_start();
    REMOTE remote = remote_to(s);
    CALL call = { 0 };
    int before;

    open_stream(&remote, s, &call);
    before = call.comments;
    scripted_push(s, ":\n\n");
    scripted_push(s, EVENT);
    recorder_wait_text(&remote, &call, EVENT_LOG);
    CHECK(call.comments > before);
}

TEST(what_a_stream_tells_besides_pages_is_given_with_its_name)
{
    SCRIPTED s = scripted_start();
    REMOTE remote = remote_to(s);
    CALL call = { 0 };

    open_stream(&remote, s, &call);
    scripted_push(s, "event: command\ndata: {}\n\nevent: event\ndata: {\"events\":[]}\n\n");
    scripted_push(s, "event: odd\ndata: no JSON\n\n" EVENT);
    recorder_wait_text(&remote, &call,
                       "open\ntold command {}\ntold event {\"events\":[]}\n" EVENT_LOG);
}

TEST(resync_is_told_in_all_its_forms)
{
    SCRIPTED s = scripted_start();
    REMOTE remote = remote_to(s);
    CALL call = { 0 };

    open_stream(&remote, s, &call);
    scripted_push(s, "event: resync\ndata: {}\n\n");
    recorder_wait_text(&remote, &call, "resync\n");
    scripted_push(s, "data: RESYNC\n\ndata: \"RESYNC\"\n\n");
    recorder_wait_text(&remote, &call, "resync\nresync\nresync\n");
}

TEST(an_event_that_cannot_be_read_asks_for_a_pull)
{
    SCRIPTED s = scripted_start();
    REMOTE remote = remote_to(s);
    CALL call = { 0 };

    open_stream(&remote, s, &call);
    scripted_push(s, "data: {\"documents\":\n\n" EVENT);
    recorder_wait_text(&remote, &call, "resync\n" EVENT_LOG);
}

TEST(the_end_of_a_stream_is_a_network_error)
{
    SCRIPTED s = scripted_start();
    REMOTE remote = remote_to(s);
    CALL cut = { 0 }, ended = { 0 };

    open_stream(&remote, s, &cut);
    scripted_push(s, EVENT);
    scripted_cut(s);
    recorder_wait(&remote, &cut);
    CHECK_STR(recorder_log(&cut), "open\n" EVENT_LOG "fail REPLICA_ENET 0\n");
    scripted_raw(s, "GET", "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                 "Transfer-Encoding: chunked\r\n\r\n2\r\n:\n\r\n0\r\n\r\n", REPLICA_NUL, 0);
    CHECK_RC(remote.stream(remote.ctx, &ended, &from_start), 0);
    recorder_wait(&remote, &ended);
    CHECK_STR(recorder_log(&ended), "open\nfail REPLICA_ENET 0\n");
}

static void check_no_stream(int status, const char *type, const char *log)
{
    SCRIPTED s = scripted_start();
    REMOTE remote = remote_to(s);
    CALL call = { 0 };

    scripted_answer(s, "GET", status, type, "{\"error\":true}");
    CHECK_RC(remote.stream(remote.ctx, &call, &from_start), 0);
    recorder_wait(&remote, &call);
    CHECK_STR(recorder_log(&call), log);
    CHECK(strstr(call.error.message, "{\"error\":true}"));
}

TEST(what_is_no_stream_is_an_error)
{
    check_no_stream(200, "text/html", "fail REPLICA_EHTTP 200\n");
    check_no_stream(401, "application/json", "fail REPLICA_EAUTH 401\n");
    check_no_stream(404, "text/html", "fail REPLICA_EHTTP 404\n");
    check_no_stream(503, "text/event-stream", "fail REPLICA_EHTTP 503\n");
}

TEST(an_answer_that_is_no_stream_and_has_no_end_is_given_up)
{
    SCRIPTED s = scripted_start();
    REMOTE remote = remote_with((struct replica__http_options){ .request_timeout_ms = 100 }, s);
    CALL call = { 0 }, busy = { 0 };

    scripted_raw(s, "GET", "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html>", REPLICA_NUL,
                 SCRIPTED_HOLD);
    CHECK_RC(remote.stream(remote.ctx, &call, &from_start), 0);
    recorder_wait(&remote, &call);
    CHECK_STR(recorder_log(&call), "fail REPLICA_ETIMEOUT 28\n");
    scripted_raw(s, "GET", "HTTP/1.1 503 Busy\r\nContent-Type: text/html\r\n\r\n<html>",
                 REPLICA_NUL, SCRIPTED_HOLD);
    CHECK_RC(remote.stream(remote.ctx, &busy, &from_start), 0);
    recorder_wait(&remote, &busy);
    CHECK_STR(recorder_log(&busy), "fail REPLICA_EHTTP 503\n");
}

TEST(an_open_stream_may_be_silent)
{
    SCRIPTED s = scripted_start();
    REMOTE remote = remote_with((struct replica__http_options){ .request_timeout_ms = 50 }, s);
    CALL stream = { 0 }, pull = { 0 };

    open_stream(&remote, s, &stream);
    scripted_raw(s, "GET /cities/0/pull?", "", 0, SCRIPTED_SILENT);
    CHECK_RC(remote.pull(remote.ctx, &pull, &from_start), 0);
    recorder_wait(&remote, &pull); /* 50 ms without a byte on either */
    CHECK_STR(recorder_log(&pull), "fail REPLICA_ETIMEOUT 28\n");
    CHECK(!stream.ended);
}

TEST(an_event_that_is_too_large_ends_the_stream)
{
    SCRIPTED s = scripted_start();
    REMOTE remote = remote_with((struct replica__http_options){ .max_answer = 300 }, s);
    CALL call = { 0 };
    char line[256];

    open_stream(&remote, s, &call);
    memset(line, 'x', sizeof(line) - 1);
    line[sizeof(line) - 1] = '\0';
    scripted_push(s, "data: ");
    scripted_push(s, line);
    recorder_settle(&remote);
    scripted_push(s, line);
    recorder_wait(&remote, &call);
    CHECK_INT(call.error.code, REPLICA_ELIMIT);
}

static void cancel_itself(replica_call *call)
{
    replica_remote *remote = call->ctx;

    if (call->events == 1)
        remote->cancel(remote->ctx, call);
}

TEST(a_stream_may_be_cancelled_inside_its_event)
{
    SCRIPTED s = scripted_start();
    REMOTE remote = remote_to(s);
    CALL call = { .then = cancel_itself, .ctx = &remote };

    scripted_raw(s, "GET", HEAD EVENT EVENT EVENT, REPLICA_NUL, SCRIPTED_HOLD);
    CHECK_RC(remote.stream(remote.ctx, &call, &from_start), 0);
    recorder_wait_text(&remote, &call, EVENT_LOG);
    recorder_settle(&remote);
    CHECK_STR(recorder_log(&call), "open\n" EVENT_LOG);
    CHECK_INT(remote.timeout(remote.ctx), -1);
}

TEST(a_stream_and_requests_go_side_by_side)
{
    SCRIPTED s = scripted_start();
    REMOTE remote = remote_to(s);
    CALL stream = { 0 }, pull = { 0 };

    open_stream(&remote, s, &stream);
    scripted_answer(s, "GET /cities/0/pull?", 200, "application/json", "{\"documents\":[]}");
    CHECK_RC(remote.pull(remote.ctx, &pull, &from_start), 0);
    recorder_wait(&remote, &pull);
    scripted_push(s, EVENT);
    recorder_wait_text(&remote, &stream, EVENT_LOG);
    CHECK_INT(scripted_connections(s), 2);
}

/* ---- compression -------------------------------------------------------------------- */

TEST(on_the_loopback_nothing_is_compressed)
{
    SCRIPTED s = scripted_start();
    REMOTE remote = remote_to(s);
    CALL call = { 0 };

    scripted_answer(s, "GET", 200, "application/json", "{\"documents\":[]}");
    CHECK_RC(remote.pull(remote.ctx, &call, &from_start), 0);
    recorder_wait(&remote, &call);
    CHECK(!strstr(scripted_request(s, 0), "Accept-Encoding"));
}

#ifdef REPLICA_HAVE_ZSTD

TEST(an_answer_that_is_much_larger_than_what_came_is_refused_at_its_ceiling)
{
    const size_t plain = 64 << 20;
    struct replica__http_options o = { .compress_loopback = true, .max_answer = 1 << 20 };
    SCRIPTED s = scripted_start();
    REMOTE remote = remote_with(o, s);
    REPLICA_BUF answer = REPLICA_BUF_INIT;
    CALL call = { 0 };
    char *blanks = calloc(1, plain);
    size_t room = ZSTD_compressBound(plain), n;
    char *small = malloc(room);

    CHECK(blanks && small);
    memset(blanks, ' ', plain);
    n = ZSTD_compress(small, room, blanks, plain, 1);
    CHECK(!ZSTD_isError(n));
    replica__buf_printf(&answer, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                                 "Content-Encoding: zstd\r\nContent-Length: %zu\r\n\r\n", n);
    replica__buf_add(&answer, small, n);
    scripted_raw(s, "GET", answer.data, answer.len, SCRIPTED_CLOSE);
    CHECK_RC(remote.pull(remote.ctx, &call, &from_start), 0);
    recorder_wait(&remote, &call);
    CHECK_INT(call.error.code, REPLICA_ELIMIT);
    free(blanks);
    free(small);
}

/* A push of one document of n bytes, after a hello with these uses; gives its request's number. */
static void push_sized(struct scripted *s, const char *hello, size_t n, struct replica__buf *json)
{
    REMOTE remote = remote_with((struct replica__http_options){ .compress_loopback = true }, s);
    replica_remote_row row = { .id = "a" };
    replica_push_request request = { &cities, 1, NULL, &row, 1 };
    CALL first = { 0 }, call = { 0 };

    replica__buf_str(json, "{\"id\":\"a\",\"x\":\"");
    memset(replica__buf_reserve(json, n), 'x', n);
    json->len += n;
    replica__buf_str(json, "\"}");
    row.json = json->data;
    row.len = json->len;
    scripted_answer(s, "GET /_replica/1/hello ", 200, WIRE, hello);
    CHECK_RC(remote.hello(remote.ctx, &first), 0);
    recorder_wait(&remote, &first);
    scripted_answer(s, "POST", 200, WIRE, "{\"verdicts\":[1]}");
    CHECK_RC(remote.push(remote.ctx, &call, &request), 0);
    recorder_wait(&remote, &call);
    CHECK_STR(recorder_log(&call), "verdicts 1\n");
    CHECK(strstr(scripted_request(s, 0), "\r\nAccept-Encoding: "));
}

TEST(a_large_push_is_compressed_where_the_server_knows_how)
{
    SCRIPTED s = scripted_start();
    REPLICA_BUF json = REPLICA_BUF_INIT;
    char plain[8192];
    const char *body;
    size_t len;

    push_sized(s, "{\"replica\":1,\"uses\":[\"zstd\"]}", 4000, &json);
    CHECK(strstr(scripted_request(s, 1), "\r\nContent-Encoding: zstd\r\n"));
    len = scripted_body(s, 1, &body);
    len = ZSTD_decompress(plain, sizeof(plain) - 1, body, len);
    CHECK(!ZSTD_isError(len));
    plain[len] = '\0';
    CHECK(strstr(plain, json.data));
}

TEST(a_push_is_sent_plain_if_it_is_small_or_the_server_does_not_say_zstd)
{
    SCRIPTED small = scripted_start();
    SCRIPTED plain = scripted_start();
    REPLICA_BUF a = REPLICA_BUF_INIT;
    REPLICA_BUF b = REPLICA_BUF_INIT;

    push_sized(small, "{\"replica\":1,\"uses\":[\"zstd\"]}", 100, &a);
    CHECK(strstr(scripted_request(small, 1), a.data));
    push_sized(plain, "{\"replica\":1,\"uses\":[\"gzip\"]}", 4000, &b);
    CHECK(strstr(scripted_request(plain, 1), b.data));
    CHECK(!strstr(scripted_request(plain, 1), "Content-Encoding"));
}

#endif
