/* The HTTP remote and our own server, over a real connection, in both dialects. */
#include "replicator/remote_http.h"

#include "tests/http/recorder.h"
#include "tests/http/served.h"
#include "tests/support/test.h"

#include <stdio.h>
#include <stdlib.h>

static const replica_remote_collection cities = { "cities", "id", 0 };
static const replica_pull_request from_start = { &cities, 1, NULL, 100, 100000 };

static void remote_destroy(replica_remote *remote)
{
    remote->destroy(remote->ctx);
}
#define REMOTE __attribute__((cleanup(remote_destroy))) replica_remote

/* A remote that has said hello. */
static replica_remote remote_to(struct served *s, bool rxdb, bool compress)
{
    struct replica__http_options o = { .url = served_url(s, "/cities/0"), .rxdb_only = rxdb,
                                       .compress_loopback = compress };
    replica_remote remote = REPLICA_REMOTE_INIT;
    unsigned long features;
    CALL call = { 0 };

    CHECK_RC(replica__remote_http_new(&o, &remote, &test_err), 0);
    CHECK_RC(remote.hello(remote.ctx, &call), 0);
    recorder_wait(&remote, &call);
    CHECK(strncmp(recorder_log(&call), "hello ", 6) == 0);
    features = strtoul(recorder_log(&call) + 6, NULL, 16);
    CHECK(rxdb ? features == REPLICA_REMOTE_STREAM : (features & 0x1f) == 0x1f);
    if (!rxdb)
        CHECK(features & REPLICA_REMOTE_LOCKS);
    return remote;
}

#define ROW(id_, json_, operation_) \
    { .id = id_, .json = json_, .len = sizeof(json_) - 1, .operation = operation_ }

static void check_push(replica_remote *remote, const replica_remote_row *rows, size_t n,
                       const char *want)
{
    const replica_push_request request = { &cities, 1, NULL, rows, n };
    CALL call = { 0 };

    CHECK_RC(remote->push(remote->ctx, &call, &request), 0);
    recorder_wait(remote, &call);
    if (!strstr(recorder_log(&call), want))
        CHECK_STR(recorder_log(&call), want);
}

static void check_pull(replica_remote *remote, const char *want)
{
    CALL call = { 0 };

    CHECK_RC(remote->pull(remote->ctx, &call, &from_start), 0);
    recorder_wait(remote, &call);
    if (!strstr(recorder_log(&call), want))
        CHECK_STR(recorder_log(&call), want);
}

TEST(what_is_pushed_is_pulled)
{
    SERVED s = served_start();
    REMOTE remote = remote_to(s, false, false);
    replica_remote_row rows[] = { ROW("a", "{ \"id\": \"a\", \"n\": 9007199254740993 }", "op.1"),
                                  ROW("\xc3\xa9", "{\"id\":\"\\u00e9\"}", "op.2") };

    rows[1].deleted = 1;
    check_push(&remote, rows, 2, "verdicts 1 1\n");
    check_pull(&remote, "{ \"id\": \"a\", \"n\": 9007199254740993 }] [cities ");
    check_pull(&remote, " deleted {\"id\":\"\\u00e9\"}] checkpoint ");
    check_pull(&remote, " at head\n");
}

TEST(a_row_that_is_sent_again_was_taken_already)
{
    SERVED s = served_start();
    REMOTE remote = remote_to(s, false, false);
    replica_remote_row row = ROW("a", "{\"id\":\"a\"}", "op.1");

    check_push(&remote, &row, 1, "verdicts 1\n");
    check_push(&remote, &row, 1, "verdicts 2\n");
}

TEST(a_row_that_names_an_old_state_is_in_conflict)
{
    SERVED s = served_start();
    REMOTE remote = remote_to(s, false, false);
    replica_remote_row first = ROW("a", "{\"id\":\"a\",\"n\":1}", "op.1");
    replica_remote_row other = ROW("a", "{\"id\":\"a\",\"n\":2}", "po.1");

    check_push(&remote, &first, 1, "verdicts 1\n");
    check_push(&remote, &other, 1, "verdicts 3 [cities ");
    other.assumed = first.json;
    other.assumed_len = first.len;
    check_push(&remote, &other, 1, "verdicts 1\n");
}

TEST(a_stock_clients_dialect_is_spoken_too)
{
    SERVED s = served_start();
    REMOTE remote = remote_to(s, true, false);
    replica_remote_row row = ROW("a", "{\"id\":\"a\",\"n\":1}", NULL);
    replica_remote_row other = ROW("a", "{\"id\":\"a\",\"n\":2}", NULL);

    check_push(&remote, &row, 1, "verdicts 1\n");
    check_push(&remote, &other, 1,
               "verdicts 3 [cities 0 {\"id\":\"a\",\"n\":1,\"_deleted\":false}]");
    other.assumed = row.json;
    other.assumed_len = row.len;
    other.deleted = 1;
    check_push(&remote, &other, 1, "verdicts 1\n");
    check_pull(&remote, "page [cities 0 {\"id\":\"a\",\"n\":2,\"_deleted\":true}] checkpoint ");
}

static void check_stream(bool rxdb, const char *want)
{
    SERVED s = served_start();
    REMOTE remote = remote_to(s, rxdb, false);
    replica_remote_row row = ROW("a", "{\"id\":\"a\"}", "op.1");
    CALL stream = { 0 };

    CHECK_RC(remote.stream(remote.ctx, &stream, &from_start), 0);
    recorder_wait_text(&remote, &stream, "open\n");
    check_push(&remote, &row, 1, "verdicts 1\n");
    recorder_wait_text(&remote, &stream, want);
    CHECK(!stream.ended);
}

TEST(a_push_shows_up_on_our_stream)
{
    check_stream(false, "{\"id\":\"a\"}] checkpoint ");
}

TEST(a_push_shows_up_on_a_stock_clients_stream)
{
    check_stream(true, "{\"id\":\"a\",\"_deleted\":false}] checkpoint ");
}

TEST(a_stream_ends_with_the_server_and_comes_back_with_it)
{
    SERVED s = served_start();
    REMOTE remote = remote_to(s, false, false);
    CALL stream = { 0 }, again = { 0 };

    CHECK_RC(remote.stream(remote.ctx, &stream, &from_start), 0);
    recorder_wait_text(&remote, &stream, "open\n");
    served_restart(s);
    recorder_wait(&remote, &stream);
    CHECK_INT(stream.error.code, REPLICA_ENET);
    CHECK_RC(remote.stream(remote.ctx, &again, &from_start), 0);
    recorder_wait_text(&remote, &again, "open\n");
}

TEST(a_compressed_push_is_understood)
{
    enum { ROWS = 200 };
    SERVED s = served_start();
    REMOTE remote = remote_to(s, false, true);
    replica_remote_row rows[ROWS];
    char ids[ROWS][16], docs[ROWS][64], operations[ROWS][16];
    int64_t down, up;

    for (int i = 0; i < ROWS; i++) {
        snprintf(ids[i], sizeof(ids[i]), "c%06d", i);
        snprintf(docs[i], sizeof(docs[i]), "{\"id\":\"c%06d\",\"name\":\"El Tarter\"}", i);
        snprintf(operations[i], sizeof(operations[i]), "op.%d", i + 1);
        rows[i] = (replica_remote_row){ .id = ids[i], .json = docs[i], .len = strlen(docs[i]),
                                        .operation = operations[i] };
    }
    check_push(&remote, rows, ROWS, "verdicts 1 1 1");
    check_pull(&remote, "{\"id\":\"c000099\",\"name\":\"El Tarter\"}] checkpoint ");
    replica__remote_http_bytes(&remote, &down, &up);
    CHECK(up > 0 && up < 6000); /* 12,000 plain */
    CHECK(down > 0);
}

TEST(a_lost_timeline_is_named)
{
    SERVED s = served_start();
    REMOTE remote = remote_to(s, false, false);
    replica_pull_request request = from_start;
    CALL call = { 0 };

    request.checkpoint = "{\"id\":\"nobodysincarnation\",\"lwt\":5}";
    CHECK_RC(remote.pull(remote.ctx, &call, &request), 0);
    recorder_wait(&remote, &call);
    CHECK_STR(recorder_log(&call), "lost '' 0\n");
}
