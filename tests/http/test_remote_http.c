/* The HTTP remote against a server that says what the test wrote down. */
#include "replicator/remote_http.h"

#include "tests/http/recorder.h"
#include "tests/http/scripted_server.h"
#include "tests/support/fault.h"
#include "tests/support/test.h"

#include <stdio.h>

#define WIRE "application/vnd.libreplica+json"
#define JSON "application/json; charset=utf-8"
#define HELLO "GET /_replica/1/hello "
#define HELLO_BODY "{\"replica\":1,\"uses\":[\"operations\",\"numbers\"],\"incarnation\":\"ab\"}"

static const replica_remote_collection cities = { "cities", "id", 0 };

static void remote_destroy(replica_remote *remote)
{
    if (remote->destroy)
        remote->destroy(remote->ctx);
}
#define REMOTE __attribute__((cleanup(remote_destroy))) replica_remote

static replica_remote remote_with(struct replica__http_options o, struct scripted *s)
{
    replica_remote remote = REPLICA_REMOTE_INIT;

    if (!o.url)
        o.url = scripted_url(s, "/cities/0");
    CHECK_RC(replica__remote_http_new(&o, &remote, &test_err), 0);
    return remote;
}

static replica_remote remote_to(struct scripted *s)
{
    return remote_with((struct replica__http_options){ 0 }, s);
}

static const replica_pull_request first_pull = { &cities, 1, NULL, 2, 4096 };
static replica_remote_row row_a = { .id = "a", .json = "{\"id\":\"a\"}", .len = 10 };
static const replica_push_request push_a = { &cities, 1, NULL, &row_a, 1 };

static void say_hello(replica_remote *remote)
{
    CALL call = { 0 };

    CHECK_RC(remote->hello(remote->ctx, &call), 0);
    recorder_wait(remote, &call);
}

/* A remote that found our dialect. */
static replica_remote our_remote(struct replica__http_options o, struct scripted *s,
                                 const char *hello)
{
    replica_remote remote = remote_with(o, s);

    scripted_answer(s, HELLO, 200, WIRE, hello);
    say_hello(&remote);
    return remote;
}

static void pull(replica_remote *remote, replica_call *call)
{
    CHECK_RC(remote->pull(remote->ctx, call, &first_pull), 0);
    recorder_wait(remote, call);
}

static void push(replica_remote *remote, replica_call *call)
{
    CHECK_RC(remote->push(remote->ctx, call, &push_a), 0);
    recorder_wait(remote, call);
}

struct failure {
    replica_error error;
    int64_t retry_ms;
};

/* Ask once with pull, and look at the failure. */
static struct failure failed_pull(int status, const char *type, const char *body, const char *log)
{
    SCRIPTED s = scripted_start();
    REMOTE remote = remote_to(s);
    CALL call = { 0 };

    scripted_answer(s, "GET /cities/0/pull", status, type, body);
    pull(&remote, &call);
    CHECK_STR(recorder_log(&call), log);
    CHECK_INT(call.answers, 1);
    return (struct failure){ call.error, call.retry_ms };
}

/* ---- hello ----------------------------------------------------------------------- */

static void check_hello(int status, const char *type, const char *body, const char *log)
{
    SCRIPTED s = scripted_start();
    REMOTE remote = remote_to(s);
    CALL call = { 0 };

    scripted_answer(s, HELLO, status, type, body);
    CHECK_RC(remote.hello(remote.ctx, &call), 0);
    CHECK(!call.ended); /* answers come from work alone */
    recorder_wait(&remote, &call);
    CHECK_STR(recorder_log(&call), log);
}

TEST(our_own_server_can_do_everything)
{
    check_hello(200, WIRE, HELLO_BODY, "hello 1f\n");
    check_hello(200, WIRE "; charset=utf-8", "{\"future\":{},\"replica\":1}", "hello 1f\n");
}

TEST(rules_that_hello_tells_come_before_its_answer)
{
    check_hello(200, WIRE,
                "{\"replica\":1,\"uses\":[],\"rules\":{\"*\":\"merge\","
                "\"no\\u0074es\":{\"/n\": \"sum\"},\"\":1}}",
                "rules * \"merge\"\nrules notes {\"/n\": \"sum\"}\nhello 1f\n");
    check_hello(200, WIRE, "{\"replica\":1,\"rules\":[\"merge\"]}", "hello 1f\n");
}

TEST(a_server_that_does_not_know_hello_speaks_rxdb)
{
    check_hello(404, "text/html", "<html>Cannot GET", "hello 10\n");
    check_hello(404, JSON, "{\"error\":\"path\"}", "hello 10\n");
    check_hello(405, "text/plain", "", "hello 10\n");
    check_hello(501, "text/plain", "", "hello 10\n");
}

TEST(anything_else_is_no_server_of_ours)
{
    check_hello(200, "text/html", "<html>Log in to the airport", "fail REPLICA_EHTTP 200\n");
    check_hello(200, JSON, HELLO_BODY, "fail REPLICA_EHTTP 200\n");
    check_hello(200, WIRE, "{\"replica\":2}", "fail REPLICA_EHTTP 200\n");
    check_hello(200, WIRE, "[1", "fail REPLICA_EHTTP 200\n");
    check_hello(401, JSON, "{}", "fail REPLICA_EAUTH 401\n");
    check_hello(403, JSON, "{}", "fail REPLICA_EHTTP 403\n");
    check_hello(426, JSON, "{}", "fail REPLICA_EVERSION 426\n");
    check_hello(503, JSON, HELLO_BODY, "fail REPLICA_EHTTP 503\n");
}

TEST(a_captive_portal_is_shown_in_the_error)
{
    SCRIPTED s = scripted_start();
    REMOTE remote = remote_to(s);
    CALL call = { 0 };

    scripted_answer(s, HELLO, 200, "text/html", "<html>\n  <b>Welcome\x01 to caf\xc3\xa9");
    CHECK_RC(remote.hello(remote.ctx, &call), 0);
    recorder_wait(&remote, &call);
    CHECK_STR(call.error.message,
              "200: an answer that is not of this protocol: <html> <b>Welcome to caf??");
    CHECK_STR(call.error.where, scripted_url(s, "/_replica/1/hello"));
}

TEST(a_remote_that_is_told_the_dialect_does_not_ask)
{
    SCRIPTED s = scripted_start();
    REMOTE remote = remote_with((struct replica__http_options){ .rxdb_only = true }, s);
    CALL call = { 0 };

    CHECK_RC(remote.hello(remote.ctx, &call), 0);
    CHECK(!call.ended);
    recorder_settle(&remote);
    CHECK_STR(recorder_log(&call), "hello 10\n");
    CHECK_INT(scripted_requests(s), 0);
}

/* ---- pull and push ---------------------------------------------------------------- */

TEST(a_page_of_a_stock_server_arrives)
{
    SCRIPTED s = scripted_start();
    REMOTE remote = remote_to(s);
    CALL call = { 0 };

    scripted_answer(s, "GET /cities/0/pull?lwt=0&id=&limit=2 HTTP/1.1\r\n", 200, JSON,
                    "{\"documents\":[{\"id\":\"a\"}],\"checkpoint\":{\"id\":\"a\",\"lwt\":1.04}}");
    pull(&remote, &call);
    CHECK_STR(recorder_log(&call),
              "page [cities 0 {\"id\":\"a\"}] checkpoint {\"id\":\"a\",\"lwt\":1.04} follows -\n");
    CHECK(strstr(scripted_request(s, 0), "\r\nAccept: application/json\r\n"));
    CHECK(!strstr(scripted_request(s, 0), "Replica-Uses"));
    CHECK(!strstr(scripted_request(s, 0), "Authorization"));
}

TEST(a_push_to_a_stock_server_is_judged)
{
    SCRIPTED s = scripted_start();
    REMOTE remote = remote_to(s);
    CALL taken = { 0 }, conflict = { 0 };
    const char *body;
    size_t len;

    scripted_answer(s, "POST /cities/0/push ", 200, JSON, "[]");
    scripted_answer(s, "POST /cities/0/push ", 200, JSON, "[{\"id\":\"a\",\"n\":1}]");
    push(&remote, &taken);
    CHECK_STR(recorder_log(&taken), "verdicts 1\n");
    push(&remote, &conflict);
    CHECK_STR(recorder_log(&conflict), "verdicts 3 [cities 0 {\"id\":\"a\",\"n\":1}]\n");
    len = scripted_body(s, 0, &body);
    CHECK_MEM(body, len, "[{\"newDocumentState\":{\"id\":\"a\",\"_deleted\":false}}]", 50);
    CHECK(strstr(scripted_request(s, 0), "\r\nContent-Type: application/json\r\n"));
    CHECK(!strstr(scripted_request(s, 0), "Expect"));
    CHECK_INT(scripted_connections(s), 1); /* which is kept */
}

TEST(our_dialect_names_what_it_uses)
{
    SCRIPTED s = scripted_start();
    REMOTE remote = our_remote((struct replica__http_options){ 0 }, s, HELLO_BODY);
    CALL page = { 0 }, verdicts = { 0 };

    scripted_answer(s, "GET /_replica/1/pull?c=cities/0&lwt=0&id=&rows=2&bytes=4096 ", 200, WIRE,
                    "{\"documents\":[],\"meta\":[],\"checkpoint\":{\"id\":\"ab\",\"lwt\":0},"
                    "\"head\":{\"id\":\"ab\",\"lwt\":0}}");
    scripted_answer(s, "POST /_replica/1/push ", 200, WIRE, "{\"verdicts\":[5]}");
    pull(&remote, &page);
    CHECK_STR(recorder_log(&page),
              "page checkpoint {\"id\":\"ab\",\"lwt\":0} follows - at head\n");
    push(&remote, &verdicts);
    CHECK_STR(recorder_log(&verdicts), "verdicts 1\n");
    CHECK(strstr(scripted_request(s, 1), "\r\nReplica-Uses: operations, numbers\r\n"));
    CHECK(strstr(scripted_request(s, 2), "\r\nContent-Type: " WIRE "\r\n"));
    CHECK(!strstr(scripted_request(s, 0), "Replica-Uses"));
}

TEST(a_push_with_a_bundle_asks_for_a_server_that_knows_bundles)
{
    SCRIPTED s = scripted_start();
    REMOTE remote = our_remote((struct replica__http_options){ 0 }, s, HELLO_BODY);
    replica_remote_row row = push_a.rows[0];
    replica_push_request request = push_a;
    CALL call = { 0 };

    row.bundle = "abc.1";
    request.rows = &row;
    scripted_answer(s, "POST /_replica/1/push ", 501, JSON, "{\"error\":\"extension\"}");
    CHECK_RC(remote.push(remote.ctx, &call, &request), 0);
    recorder_wait(&remote, &call);
    CHECK_STR(recorder_log(&call), "fail REPLICA_EHTTP 501\n");
    CHECK(strstr(scripted_request(s, 1), "\r\nReplica-Uses: operations, numbers, bundles\r\n"));
}

TEST(a_question_of_another_kind_is_posted_below_its_name)
{
    SCRIPTED s = scripted_start();
    REMOTE remote = our_remote((struct replica__http_options){ 0 }, s, HELLO_BODY);
    CALL lock = { 0 }, refused = { 0 }, broken = { 0 };
    const char *body;
    size_t len;

    scripted_answer(s, "POST /_replica/1/lock ", 200, WIRE, "{\"fence\":7}");
    CHECK_RC(remote.ask(remote.ctx, &lock, "lock", "{\"key\":\"n1\"}", 12), 0);
    recorder_wait(&remote, &lock);
    CHECK_STR(recorder_log(&lock), "answer {\"fence\":7}\n");
    len = scripted_body(s, 1, &body);
    CHECK_MEM(body, len, "{\"key\":\"n1\"}", 12);
    CHECK(strstr(scripted_request(s, 1), "\r\nContent-Type: " WIRE "\r\n"));

    scripted_answer(s, "POST /_replica/1/lock ", 404, WIRE, "{\"error\":\"path\"}");
    CHECK_RC(remote.ask(remote.ctx, &refused, "lock", "{}", 2), 0);
    recorder_wait(&remote, &refused);
    CHECK_STR(recorder_log(&refused), "fail REPLICA_EHTTP 404\n");
    scripted_answer(s, "POST /_replica/1/lock ", 200, WIRE, "{\"fence\":");
    CHECK_RC(remote.ask(remote.ctx, &broken, "lock", "{}", 2), 0);
    recorder_wait(&remote, &broken);
    CHECK_STR(recorder_log(&broken), "fail REPLICA_EJSON 200\n");
}

TEST(a_question_names_collections_as_the_server_does)
{
    SCRIPTED s = scripted_start();
    REMOTE remote = our_remote((struct replica__http_options){ .collection = "towns" }, s,
                               HELLO_BODY);
    static const char asked[] =
        "{\"collection\":\"towns/0\",\"n\":{\"collection\":\"towns/0\"},"
        "\"collections\":[\"towns/0\",\"notes/2\",\"towns/12\",\"towns\"]}";
    static const char sent[] =
        "{\"collection\":\"cities/0\",\"n\":{\"collection\":\"towns/0\"},"
        "\"collections\":[\"cities/0\",\"notes/2\",\"cities/12\",\"towns\"]}";
    CALL digests = { 0 };
    const char *body;
    size_t len;

    scripted_answer(s, "POST /_replica/1/digests ", 200, WIRE, "{}");
    CHECK_RC(remote.ask(remote.ctx, &digests, "digests", asked, strlen(asked)), 0);
    recorder_wait(&remote, &digests);
    len = scripted_body(s, 1, &body);
    CHECK_MEM(body, len, sent, strlen(sent));
}

TEST(documents_by_their_keys_are_posted_for_and_read)
{
    static const char *const ids[] = { "a", "b" };
    SCRIPTED s = scripted_start();
    REMOTE remote = our_remote((struct replica__http_options){ 0 }, s, HELLO_BODY);
    const replica_pull_request request = { &cities, 1, NULL, 2, 4096, .ids = ids, .id_count = 2 };
    CALL call = { 0 };
    const char *body;
    size_t len;

    scripted_answer(s, "POST /_replica/1/documents ", 200, WIRE,
                    "{\"meta\":[[0,0,0,1,null,null],[0,7,0,2,null,null]],"
                    "\"documents\":[{\"id\":\"a\"},{\"id\":\"b\"}],"
                    "\"head\":{\"id\":\"inc\",\"lwt\":9}}");
    CHECK_RC(remote.pull(remote.ctx, &call, &request), 0);
    recorder_wait(&remote, &call);
    CHECK_STR(recorder_log(&call), "page [cities 0 deleted {\"id\":\"a\"}]"
                                   " [cities 7 revoked {\"id\":\"b\"}] checkpoint - follows -\n");
    len = scripted_body(s, 1, &body);
    CHECK_MEM(body, len, "{\"collection\":\"cities/0\",\"ids\":[\"a\",\"b\"]}", 41);
}

TEST(hello_tells_what_a_server_has_besides)
{
    SCRIPTED s = scripted_start();
    REMOTE remote = remote_with((struct replica__http_options){ 0 }, s);
    CALL call = { 0 };

    scripted_answer(s, HELLO, 200, WIRE,
                    "{\"replica\":1,\"uses\":[\"locks\",\"keys\",\"events\",\"bundles\"]}");
    CHECK_RC(remote.hello(remote.ctx, &call), 0);
    recorder_wait(&remote, &call);
    CHECK_STR(recorder_log(&call), "hello 1ff\n");
}

TEST(the_endpoint_may_be_called_otherwise_by_the_program)
{
    SCRIPTED s = scripted_start();
    char url[512];

    snprintf(url, sizeof(url), "%s", scripted_url(s, "/api/v2/towns/3/"));
    {
        REMOTE remote = remote_with((struct replica__http_options){ .url = url,
                                                                    .collection = "cities" }, s);
        CALL call = { 0 };

        scripted_answer(s, "GET /api/v2/towns/3/pull?", 200, JSON,
                        "{\"documents\":[{\"id\":\"a\"}],\"checkpoint\":{}}");
        pull(&remote, &call);
        CHECK_STR(recorder_log(&call),
                  "page [cities 0 {\"id\":\"a\"}] checkpoint {} follows -\n");
    }
}

TEST(an_answer_in_small_pieces_is_one_answer)
{
    SCRIPTED s = scripted_start();
    REMOTE remote = remote_to(s);
    CALL slow = { 0 }, chunked = { 0 };

    scripted_raw(s, "GET", "HTTP/1.1 200 OK\r\nContent-Length: 34\r\n\r\n"
                 "{\"documents\":[],\"checkpoint\":null}", REPLICA_NUL, SCRIPTED_SLOW);
    scripted_raw(s, "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                 "5\r\n{\"doc\r\n1d\r\numents\":[],\"checkpoint\":null}\r\n0\r\n\r\n",
                 REPLICA_NUL, 0);
    pull(&remote, &slow);
    CHECK_STR(recorder_log(&slow), "page checkpoint - follows - at head\n");
    pull(&remote, &chunked);
    CHECK_STR(recorder_log(&chunked), "page checkpoint - follows - at head\n");
}

/* ---- answers that are errors ------------------------------------------------------- */

TEST(the_status_counts_before_the_body)
{
    struct failure call = failed_pull(503, JSON, "{\"documents\":[],\"checkpoint\":null}",
                                      "fail REPLICA_EHTTP 503\n");

    CHECK_STR(call.error.message,
              "503: the server is busy: {\"documents\":[],\"checkpoint\":null}");
}

TEST(each_status_has_its_code)
{
    failed_pull(400, JSON, "{}", "fail REPLICA_EHTTP 400\n");
    failed_pull(401, JSON, "{}", "fail REPLICA_EAUTH 401\n");
    failed_pull(403, JSON, "{}", "fail REPLICA_EHTTP 403\n");
    failed_pull(404, JSON, "{}", "fail REPLICA_EHTTP 404\n");
    failed_pull(408, JSON, "{}", "fail REPLICA_EHTTP 408\n");
    failed_pull(409, JSON, "{\"common\":{\"id\":\"a\",\"lwt\":1}}", "fail REPLICA_EHTTP 409\n");
    failed_pull(413, "text/html", "<html>", "fail REPLICA_ELIMIT 413\n");
    failed_pull(422, JSON, "{}", "fail REPLICA_EHTTP 422\n");
    failed_pull(426, JSON, "{}", "fail REPLICA_EVERSION 426\n");
    failed_pull(429, JSON, "{}", "fail REPLICA_EHTTP 429\n");
    failed_pull(500, JSON, "{}", "fail REPLICA_EHTTP 500\n");
    failed_pull(201, JSON, "{\"documents\":[]}", "fail REPLICA_EHTTP 201\n");
    failed_pull(304, JSON, "", "fail REPLICA_EHTTP 304\n");
}

TEST(a_body_that_is_no_page_is_an_error_that_shows_it)
{
    struct failure call = failed_pull(200, "text/html", "<html>\r\nplease pay",
                                      "fail REPLICA_EHTTP 200\n");

    CHECK_STR(call.error.message,
              "200, but a page must be an object at byte 0: <html> please pay");
    CHECK_INT(call.error.offset, 0);
}

TEST(retry_after_is_seconds_or_a_date)
{
    CHECK_INT(failed_pull(503, JSON "\r\nRetry-After: 7", "{}",
                          "fail REPLICA_EHTTP 503\n").retry_ms, 7000);
    CHECK_INT(failed_pull(429, JSON "\r\nRetry-After: Fri, 01 Jan 2100 00:00:00 GMT", "{}",
                          "fail REPLICA_EHTTP 429\n").retry_ms, 24 * 3600 * 1000);
    CHECK_INT(failed_pull(503, JSON "\r\nRetry-After: soon", "{}",
                          "fail REPLICA_EHTTP 503\n").retry_ms, 0);
    CHECK_INT(failed_pull(503, JSON, "{}", "fail REPLICA_EHTTP 503\n").retry_ms, 0);
}

TEST(a_checkpoint_that_is_not_enough_asks_to_reconcile)
{
    SCRIPTED s = scripted_start();
    REMOTE remote = our_remote((struct replica__http_options){ 0 }, s, HELLO_BODY);
    CALL view = { 0 }, other = { 0 };

    scripted_answer(s, "GET", 409, WIRE, "{\"error\":\"reconcile\",\"why\":\"view\"}");
    pull(&remote, &view);
    CHECK_STR(recorder_log(&view), "reconcile view\n");
    scripted_answer(s, "GET", 409, WIRE, "{\"error\":\"reconcile it\",\"why\":\"view\"}");
    pull(&remote, &other);
    CHECK_STR(recorder_log(&other), "fail REPLICA_EHTTP 409\n");
}

TEST(hello_tells_of_ranges_filters_and_purges)
{
    check_hello(200, WIRE, "{\"replica\":1,\"uses\":[\"ranges\"],\"purged\":true}", "hello c1f\n");
    check_hello(200, WIRE, "{\"replica\":1,\"uses\":[\"filter\"],\"purged\":1}", "hello 21f\n");
}

TEST(a_lost_timeline_is_told_in_our_dialect)
{
    SCRIPTED s = scripted_start();
    REMOTE remote = our_remote((struct replica__http_options){ 0 }, s, HELLO_BODY);
    CALL lost = { 0 }, other = { 0 };

    scripted_answer(s, "GET", 409, WIRE,
                    "{\"error\":\"timeline\",\"common\":{\"id\":\"ab\",\"lwt\":77}}");
    scripted_answer(s, "POST", 409, WIRE, "{\"error\":\"timeline\"}");
    pull(&remote, &lost);
    CHECK_STR(recorder_log(&lost), "lost 'ab' 77\n");
    push(&remote, &other);
    CHECK_STR(recorder_log(&other), "fail REPLICA_EHTTP 409\n");
}

TEST(a_body_that_is_refused_unread_is_a_status_and_no_broken_connection)
{
    enum { BIG = 8 * 1024 * 1024 };
    SCRIPTED s = scripted_start();
    REMOTE remote = remote_to(s);
    CALL call = { 0 };
    REPLICA_BUF json = REPLICA_BUF_INIT;
    replica_remote_row row = { .id = "a" };
    replica_push_request request = { &cities, 1, NULL, &row, 1 };

    replica__buf_str(&json, "{\"id\":\"a\",\"x\":\"");
    memset(replica__buf_reserve(&json, BIG), 'x', BIG);
    json.len += BIG;
    replica__buf_str(&json, "\"}");
    row.json = json.data;
    row.len = json.len;
    scripted_raw(s, "POST", "HTTP/1.1 413 Too Large\r\nConnection: close\r\n"
                 "Content-Length: 0\r\n\r\n", REPLICA_NUL, SCRIPTED_EARLY);
    CHECK_RC(remote.push(remote.ctx, &call, &request), 0);
    recorder_wait(&remote, &call);
    /* The reset may overtake the status: then nothing was heard but it. */
    CHECK(call.error.code == REPLICA_ELIMIT || call.error.code == REPLICA_ENET);
    CHECK(call.error.code != REPLICA_ELIMIT || call.error.detail == 413);
}

/* ---- the network -------------------------------------------------------------------- */

TEST(a_server_that_is_not_there_is_a_network_error)
{
    SCRIPTED s = scripted_start();
    REMOTE remote = remote_to(s);
    CALL call = { 0 };

    scripted_stop(s);
    s = NULL;
    pull(&remote, &call);
    CHECK_STR(recorder_log(&call), "fail REPLICA_ENET 7\n");
}

TEST(an_answer_that_breaks_off_is_a_network_error)
{
    SCRIPTED s = scripted_start();
    REMOTE remote = remote_to(s);
    CALL cut = { 0 }, nothing = { 0 }, chunk = { 0 };

    scripted_raw(s, "GET", "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{\"documents\":[]",
                 REPLICA_NUL, SCRIPTED_CLOSE);
    scripted_raw(s, "GET", "", 0, SCRIPTED_CLOSE);
    scripted_raw(s, "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n22\r\n"
                 "{\"documents\":[],\"checkpoint\":null}", REPLICA_NUL, SCRIPTED_CLOSE);
    pull(&remote, &cut);
    CHECK_STR(recorder_log(&cut), "fail REPLICA_ENET 18\n");
    pull(&remote, &nothing);
    CHECK_STR(recorder_log(&nothing), "fail REPLICA_ENET 52\n");
    pull(&remote, &chunk);
    CHECK_INT(chunk.error.code, REPLICA_ENET);
}

TEST(a_server_that_says_nothing_is_given_up)
{
    SCRIPTED s = scripted_start();
    REMOTE remote = remote_with((struct replica__http_options){ .request_timeout_ms = 100 }, s);
    CALL head = { 0 }, body = { 0 }, stream = { 0 };

    scripted_raw(s, "GET /cities/0/pull?", "", 0, SCRIPTED_SILENT);
    pull(&remote, &head);
    CHECK_STR(recorder_log(&head), "fail REPLICA_ETIMEOUT 28\n");
    CHECK_STR(head.error.message, "nothing moved for 100 ms");
    scripted_raw(s, "GET /cities/0/pull?", "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{",
                 REPLICA_NUL, SCRIPTED_HOLD);
    pull(&remote, &body);
    CHECK_STR(recorder_log(&body), "fail REPLICA_ETIMEOUT 28\n");
    scripted_raw(s, "GET /cities/0/pullStream", "", 0, SCRIPTED_SILENT);
    CHECK_RC(remote.stream(remote.ctx, &stream, &first_pull), 0);
    recorder_wait(&remote, &stream);
    CHECK_STR(recorder_log(&stream), "fail REPLICA_ETIMEOUT 28\n");
}

TEST(an_answer_that_is_too_large_is_refused)
{
    SCRIPTED s = scripted_start();
    REMOTE remote = remote_with((struct replica__http_options){ .max_answer = 40 }, s);
    CALL large = { 0 }, fits = { 0 };

    scripted_answer(s, "GET", 200, JSON, "{\"documents\":[{}     ],\"checkpoint\":{}  }");
    scripted_answer(s, "GET", 200, JSON, "{\"documents\":[{}    ],\"checkpoint\":{}  }");
    pull(&remote, &large);
    CHECK_STR(recorder_log(&large), "fail REPLICA_ELIMIT 23\n");
    CHECK_STR(large.error.message, "an answer of more than 40 bytes");
    pull(&remote, &fits);
    CHECK_STR(recorder_log(&fits), "page [cities 0 {}] checkpoint {} follows -\n");
}

/* ---- heads -------------------------------------------------------------------------- */

static void check_head_without_end(const char *first, const char *line)
{
    SCRIPTED s = scripted_start();
    REMOTE remote = remote_to(s);
    REPLICA_BUF head = REPLICA_BUF_INIT;
    CALL call = { 0 };

    replica__buf_str(&head, first);
    for (int i = 0; i < 40000; i++)
        replica__buf_str(&head, line);
    scripted_raw(s, "GET", head.data, head.len, SCRIPTED_CLOSE);
    pull(&remote, &call);
    CHECK_INT(call.error.code, REPLICA_ENET);
    CHECK_STR(call.error.message, "the head of the answer does not end");
}

TEST(a_head_that_does_not_end_is_given_up)
{
    check_head_without_end("HTTP/1.1 200 OK\r\n", "X-More: and more\r\n");
}

TEST(answers_before_the_answer_that_do_not_end_are_given_up)
{
    check_head_without_end("", "HTTP/1.1 103 Early Hints\r\n\r\n");
}

/* ---- redirects ---------------------------------------------------------------------- */

TEST(a_redirect_on_the_same_server_is_followed)
{
    SCRIPTED s = scripted_start();
    REMOTE remote = remote_to(s);
    CALL got = { 0 }, sent = { 0 };
    const char *body;
    size_t len;

    scripted_answer(s, "GET /cities/0/pull?", 302, "text/plain\r\nLocation: /v2/pull?x=1", "moved");
    scripted_answer(s, "GET /v2/pull?x=1 ", 200, JSON, "{\"documents\":[]}");
    pull(&remote, &got);
    CHECK_STR(recorder_log(&got), "page checkpoint - follows - at head\n");
    scripted_answer(s, "POST /cities/0/push", 307, "text/plain\r\nLocation: /v2/push", "moved");
    scripted_answer(s, "POST /v2/push ", 200, JSON, "[]");
    push(&remote, &sent);
    CHECK_STR(recorder_log(&sent), "verdicts 1\n");
    len = scripted_body(s, 3, &body);
    CHECK_MEM(body, len, "[{\"newDocumentState\":{\"id\":\"a\",\"_deleted\":false}}]", 50);
}

TEST(a_redirect_to_another_server_is_an_error)
{
    SCRIPTED s = scripted_start();
    SCRIPTED other = scripted_start();
    REMOTE remote = remote_to(s);
    CALL call = { 0 };
    char type[300];

    snprintf(type, sizeof(type), "text/plain\r\nLocation: %s",
             scripted_url(other, "/cities/0/pull"));
    scripted_answer(s, "GET", 302, type, "");
    pull(&remote, &call);
    CHECK_STR(recorder_log(&call), "fail REPLICA_EHTTP 302\n");
    CHECK_INT(scripted_connections(other), 0);
}

TEST(a_post_never_becomes_a_get)
{
    SCRIPTED s = scripted_start();
    REMOTE remote = remote_to(s);
    CALL call = { 0 };

    scripted_answer(s, "POST", 302, "text/plain\r\nLocation: /login", "");
    push(&remote, &call);
    CHECK_STR(recorder_log(&call), "fail REPLICA_EHTTP 302\n");
    CHECK_INT(scripted_requests(s), 1);
}

TEST(redirects_in_a_circle_end)
{
    SCRIPTED s = scripted_start();
    REMOTE remote = remote_to(s);
    CALL call = { 0 };

    for (int i = 0; i < 9; i++)
        scripted_answer(s, "GET", 301, "text/plain\r\nLocation: /cities/0/pull", "");
    pull(&remote, &call);
    CHECK_STR(recorder_log(&call), "fail REPLICA_EHTTP 301\n");
    CHECK_INT(scripted_requests(s), 6);
}

/* ---- cancelling --------------------------------------------------------------------- */

TEST(a_cancelled_call_is_never_answered)
{
    SCRIPTED s = scripted_start();
    REMOTE remote = remote_to(s);
    CALL gone = { 0 }, call = { 0 };

    scripted_answer(s, "POST", 200, JSON, "[]");
    scripted_answer(s, "GET", 200, JSON, "{\"documents\":[]}");
    CHECK_RC(remote.push(remote.ctx, &gone, &push_a), 0);
    remote.work(remote.ctx); /* it is on its way */
    remote.cancel(remote.ctx, &gone);
    remote.cancel(remote.ctx, &gone); /* no longer known, and no harm */
    pull(&remote, &call);
    CHECK_STR(recorder_log(&call), "page checkpoint - follows - at head\n");
    CHECK_INT(gone.answers, 0);
}

static void cancel_other(replica_call *call)
{
    replica_remote *remote = ((void **)call->ctx)[0];

    remote->cancel(remote->ctx, ((void **)call->ctx)[1]);
}

TEST(an_answer_may_cancel_another_call)
{
    SCRIPTED s = scripted_start();
    REMOTE remote = remote_to(s);
    CALL first = { 0 }, second = { 0 };
    void *ctx[2] = { &remote, &second };

    scripted_answer(s, "POST", 200, JSON, "[]");
    scripted_raw(s, "GET", "", 0, SCRIPTED_SILENT);
    first.then = cancel_other;
    first.ctx = ctx;
    CHECK_RC(remote.pull(remote.ctx, &second, &first_pull), 0);
    push(&remote, &first);
    CHECK_INT(second.answers, 0);
    recorder_settle(&remote);
    CHECK_INT(second.answers, 0);
}

static void ask_more(replica_call *call)
{
    replica_remote *remote = ((void **)call->ctx)[0];

    CHECK_RC(remote->pull(remote->ctx, ((void **)call->ctx)[1], &first_pull), 0);
}

TEST(an_answer_may_start_the_next_call)
{
    SCRIPTED s = scripted_start();
    REMOTE remote = remote_to(s);
    CALL first = { 0 }, second = { 0 };
    void *ctx[2] = { &remote, &second };

    scripted_answer(s, "GET", 200, JSON, "{\"documents\":[]}");
    scripted_answer(s, "GET", 200, JSON, "{\"documents\":[]}");
    first.then = ask_more;
    first.ctx = ctx;
    pull(&remote, &first);
    CHECK(!second.ended);
    recorder_wait(&remote, &second);
    CHECK_INT(scripted_connections(s), 1);
}

/* ---- options ------------------------------------------------------------------------ */

static void check_refused_url(const char *url)
{
    struct replica__http_options o = { .url = url };
    replica_remote remote = REPLICA_REMOTE_INIT;

    CHECK_RC(replica__remote_http_new(&o, &remote, &test_err), REPLICA_EINVAL);
    CHECK(remote.ctx == NULL);
    CHECK(!strstr(test_err.message, "secret"));
}

TEST(what_is_no_endpoint_is_refused)
{
    check_refused_url(NULL);
    check_refused_url("");
    check_refused_url("ftp://host/cities/0");
    check_refused_url("http://host");
    check_refused_url("http://host/0");
    check_refused_url("http://host/cities");
    check_refused_url("http://host/cities/x");
    check_refused_url("http://host/cities/0?key=secret");
    check_refused_url("http://user:secret@/cities/0");
    check_refused_url("http://host:99x/cities/0");
    check_refused_url("http://host/cit ies/0");
    check_refused_url("http://host/cities/0\r\nX: secret");
}

TEST(the_programs_headers_go_along)
{
    static const char *const headers[] = { "X-Client: 7", "Cookie: a=b", NULL };
    static const char *const bad[] = { "X-Client: 7\r\nEvil: 1", NULL };
    static const char *const none[] = { "nothing", NULL };
    SCRIPTED s = scripted_start();
    REMOTE remote = remote_with((struct replica__http_options){ .headers = headers }, s);
    struct replica__http_options o = { .url = scripted_url(s, "/cities/0"), .headers = bad };
    replica_remote other = REPLICA_REMOTE_INIT;
    CALL call = { 0 };

    CHECK_RC(replica__remote_http_new(&o, &other, &test_err), REPLICA_EINVAL);
    o.headers = none;
    CHECK_RC(replica__remote_http_new(&o, &other, &test_err), REPLICA_EINVAL);
    scripted_answer(s, "GET", 200, JSON, "{\"documents\":[]}");
    pull(&remote, &call);
    CHECK(strstr(scripted_request(s, 0), "\r\nX-Client: 7\r\n"));
    CHECK(strstr(scripted_request(s, 0), "\r\nCookie: a=b\r\n"));
}

TEST(a_password_in_the_url_is_used_and_never_shown)
{
    SCRIPTED s = scripted_start();
    char url[600];
    CALL call = { 0 };

    snprintf(url, sizeof(url), "http://ann:s3cret@%s", scripted_url(s, "/cities/0") + 7);
    {
        REMOTE remote = remote_with((struct replica__http_options){ .url = url }, s);

        scripted_answer(s, "GET", 500, JSON, "{}");
        pull(&remote, &call);
    }
    CHECK(strstr(scripted_request(s, 0), "\r\nAuthorization: Basic YW5uOnMzY3JldA==\r\n"));
    CHECK_STR(call.error.where, scripted_url(s, "/cities/0/pull"));
    CHECK(!strstr(call.error.message, "s3cret"));
}

TEST(bytes_are_counted_both_ways)
{
    SCRIPTED s = scripted_start();
    REMOTE remote = remote_to(s);
    CALL call = { 0 };
    int64_t down = -1, up = -1;

    replica__remote_http_bytes(&remote, &down, &up);
    CHECK(down == 0 && up == 0);
    scripted_answer(s, "POST", 200, JSON, "[     ]");
    push(&remote, &call);
    replica__remote_http_bytes(&remote, &down, &up);
    CHECK_INT(down, 7);
    CHECK_INT(up, 50);
}

/* ---- memory --------------------------------------------------------------------------- */

/* Hello, a pull and a push; every failure must be told, as a result or as an answer. */
static int whole_session(struct scripted *s, int nth)
{
    REMOTE remote = remote_to(s);
    replica_call calls[3] = { { 0 } };
    int r = 0;

    for (int i = 0; i < 3; i++)
        replica__buf_reserve(&calls[i].log, 4096); /* the recorder's own does not count */
    fault_alloc(nth);
    for (int i = 0; i < 3 && r == 0; i++) {
        r = i == 0 ? remote.hello(remote.ctx, &calls[i])
            : i == 1 ? remote.pull(remote.ctx, &calls[i], &first_pull)
                     : remote.push(remote.ctx, &calls[i], &push_a);
        if (r < 0)
            break;
        recorder_wait(&remote, &calls[i]);
        r = calls[i].error.code;
    }
    for (int i = 0; i < 3; i++)
        replica__buf_free(&calls[i].log);
    return r;
}

LONG_TEST(a_failed_allocation_is_told_and_the_remote_goes_on)
{
    for (int nth = 0, failed = 1; failed; nth++) {
        SCRIPTED s = scripted_start();
        int r;

        scripted_answer(s, HELLO, 404, "text/html", "");
        scripted_answer(s, "GET /cities/0/pull", 200, JSON,
                        "{\"documents\":[{\"id\":\"\\u00e9\"}],\"checkpoint\":{\"lwt\":1}}");
        scripted_answer(s, "POST", 200, JSON, "[{\"id\":\"\\u0061\"}]");
        r = whole_session(s, nth);
        failed = fault_stop();
        CHECK(r == 0 || (failed && r == REPLICA_ENOMEM));
        CHECK(nth < 1000);
    }
}
