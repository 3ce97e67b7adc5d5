/* The HTTP remote and our own server, over a real connection, in both dialects. */
#include "replicator/remote_http.h"

#include "tests/http/recorder.h"
#include "tests/http/served.h"
#include "tests/support/test.h"
#include "tests/support/tmp.h"

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

/* ---- comparing ------------------------------------------------------------------- */

static void check_ask(replica_remote *remote, const char *what, const char *json,
                      const char *want)
{
    CALL call = { 0 };

    CHECK_RC(remote->ask(remote->ctx, &call, what, json, strlen(json)), 0);
    recorder_wait(remote, &call);
    if (!strstr(recorder_log(&call), want))
        CHECK_STR(recorder_log(&call), want);
}

/* Where the server is: "incarnation". */
static void read_incarnation(replica_remote *remote, char *ret, size_t room)
{
    static const char asked[] = "{\"collection\":\"cities/0\"}";
    CALL call = { 0 };
    const char *id;

    CHECK_RC(remote->ask(remote->ctx, &call, "ids", asked, strlen(asked)), 0);
    recorder_wait(remote, &call);
    id = strstr(recorder_log(&call), "\"id\":\"");
    CHECK(id && strcspn(id + 6, "\"") < room);
    snprintf(ret, room, "%.*s", (int)strcspn(id + 6, "\""), id + 6);
}

TEST(digests_keys_and_documents_come_from_our_server)
{
    static const char *const ids[] = { "x", "b" };
    SERVED s = served_start();
    REMOTE remote = remote_to(s, false, true);
    const replica_remote_row rows[] = { ROW("a", "{\"id\":\"a\"}", "op.1"),
                                        ROW("b", "{\"id\":\"b\"}", "op.2") };
    replica_pull_request request = from_start;
    CALL call = { 0 };

    check_push(&remote, rows, 2, "verdicts 1 1");
    check_ask(&remote, "digests", "{\"collection\":\"cities/0\",\"rows\":1}",
              "\"chunks\":[[\"a\",1,\"01bc3b6e3327822dd36392f0cfadb142\"],[\"b\",1,");
    check_ask(&remote, "ids", "{\"collection\":\"cities/0\"}",
              "\"ids\":[[\"a\",1],[\"b\",2]],\"to\":null}");
    request.ids = ids;
    request.id_count = 2;
    CHECK_RC(remote.pull(remote.ctx, &call, &request), 0);
    recorder_wait(&remote, &call);
    CHECK_STR(recorder_log(&call), "page [cities 0 deleted {\"id\":\"x\"}]"
                                   " [cities 2 {\"id\":\"b\"}] checkpoint - follows -\n");
}

static int purge_file(void *ctx)
{
    replica_db *db = NULL;
    int64_t *count = ctx;

    CHECK_RC(replica_db_open(tmp_path("server.db"), NULL, &db, &test_err), 0);
    CHECK_RC(replica_purge(db, NULL, 0, 0, count, &test_err), 0);
    replica_db_close(db);
    return 0;
}

TEST(a_checkpoint_from_before_a_purge_is_to_be_reconciled)
{
    SERVED s = served_start();
    REMOTE remote = remote_to(s, false, false);
    replica_remote_row rows[] = { ROW("a", "{\"id\":\"a\"}", "op.1"),
                                  ROW("b", "{\"id\":\"b\"}", "op.2"),
                                  ROW("a", "{\"id\":\"a\"}", "op.3") };
    char incarnation[70], checkpoint[120];
    replica_pull_request request = from_start;
    CALL pull = { 0 }, stream = { 0 };
    int64_t count = 0;

    check_push(&remote, rows, 1, "verdicts 1");
    rows[2].deleted = 1;
    rows[2].assumed = "{\"id\":\"a\"}";
    rows[2].assumed_len = 10;
    check_push(&remote, &rows[2], 1, "verdicts 1");
    check_push(&remote, &rows[1], 1, "verdicts 1");
    read_incarnation(&remote, incarnation, sizeof(incarnation));
    served_change(s, purge_file, &count);
    CHECK_INT(count, 1);

    snprintf(checkpoint, sizeof(checkpoint), "{\"id\":\"%s\",\"lwt\":1}", incarnation);
    request.checkpoint = checkpoint;
    CHECK_RC(remote.pull(remote.ctx, &pull, &request), 0);
    recorder_wait(&remote, &pull);
    CHECK_STR(recorder_log(&pull), "reconcile horizon\n");
    CHECK_RC(remote.stream(remote.ctx, &stream, &request), 0);
    recorder_wait(&remote, &stream);
    CHECK_STR(recorder_log(&stream), "reconcile horizon\n");
    check_pull(&remote, "page [cities 3 {\"id\":\"b\"}] checkpoint ");
}
