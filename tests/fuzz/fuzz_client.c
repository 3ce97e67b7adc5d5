/* A client whose server answers anything: whatever comes, the session neither breaks nor runs in a
 * circle, and the file stays in order.
 *
 * The input is a list of answers with "\n---\n" between them.  The first line of each says what it
 * is: a status and a type ("200 o" our dialect's, "j" JSON, "h" HTML) for the oldest question that
 * is open; "s" for bytes of the stream; "x" for a connection that broke; "t" lets a minute pass.
 * The rest is its body. */
#define _GNU_SOURCE
#include "libreplica/store.h"
#include "replicator/http_answer.h"
#include "replicator/http_stream.h"
#include "replicator/session.h"
#include "tests/support/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_STEPS = 400, MAX_ANSWERS = 60, MAX_STREAM = 1 << 16, CALLS = 16 };
static const char separator[] = "\n---\n";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* A question that is open. */
struct asked {
    replica_call *call;
    struct replica__http_request rq;
    struct replica__http_stream *stream;
};

struct client {
    replica_db *db;
    replica_collection *coll;
    struct clock clock;
    struct replica__session *session;
    struct replica__session_hooks hooks;
    struct replica__http_url url;
    struct replica__http_hello server;
    struct asked asked[CALLS];
};

static void must(bool holds)
{
    if (!holds)
        abort();
}

/* ---- the remote ------------------------------------------------------------------ */

static void forget(struct asked *a)
{
    replica__http_stream_free(a->stream);
    replica__http_request_free(&a->rq);
    memset(a, 0, sizeof(*a));
}

static struct asked *room(struct client *c, replica_call *call)
{
    for (int i = 0; i < CALLS; i++) {
        if (c->asked[i].call)
            continue;
        c->asked[i].call = call;
        return &c->asked[i];
    }
    abort(); /* a session has a few questions at a time */
}

static int hello(void *ctx, replica_call *call)
{
    struct client *c = ctx;

    return replica__http_request_hello(&room(c, call)->rq, &c->url);
}

static int pull(void *ctx, replica_call *call, const replica_pull_request *request)
{
    struct client *c = ctx;

    return replica__http_request_pull(&room(c, call)->rq, c->server.dialect, &c->url, NULL, request,
                                      false);
}

static int stream(void *ctx, replica_call *call, const replica_pull_request *request)
{
    struct client *c = ctx;

    return replica__http_request_pull(&room(c, call)->rq, c->server.dialect, &c->url, NULL, request,
                                      true);
}

static int push(void *ctx, replica_call *call, const replica_push_request *request)
{
    struct client *c = ctx;

    return replica__http_request_push(&room(c, call)->rq, c->server.dialect, &c->url, NULL,
                                      request);
}

static int ask(void *ctx, replica_call *call, const char *what, const char *json, size_t len)
{
    struct client *c = ctx;

    return replica__http_request_ask(&room(c, call)->rq, &c->url, NULL, what, json, len);
}

static void cancel(void *ctx, replica_call *call)
{
    struct client *c = ctx;

    for (int i = 0; i < CALLS; i++)
        if (c->asked[i].call == call)
            forget(&c->asked[i]);
}

/* ---- the program ----------------------------------------------------------------- */

static int post(void *ctx, replica__post_fn fn, void *arg)
{
    (void)ctx;
    fn(arg, false);
    return 0;
}

static void wake(void *ctx)
{
    (void)ctx;
}

static void told(void *ctx, const replica_error *error)
{
    (void)ctx;
    must(error->code < 0 && error->message[0]);
}

static void finding(void *ctx, const char *where, const char *what)
{
    (void)ctx;
    fprintf(stderr, "%s: %s\n", where, what);
    abort();
}

static void put(struct client *c, const char *json)
{
    must(replica_put(c->coll, json, REPLICA_NUL, NULL, NULL, NULL, NULL) == 0);
}

static void open_client(struct client *c)
{
    struct replica__session_options o = { .identifier = "r", .count = 1, .push = true, .pull = true,
                                          .live = true, .rows = 4, .bytes = 1 << 16 };
    replica_remote remote = { .size = sizeof(remote), .ctx = c, .hello = hello, .pull = pull,
                              .push = push, .stream = stream, .cancel = cancel, .ask = ask };

    memset(c, 0, sizeof(*c));
    clock_start(&c->clock, 1700000000000, 7);
    must(replica__http_url_parse("http://127.0.0.1:1/c/0", &c->url, NULL) == 0);
    must(replica_db_open(":memory:", NULL, &c->db, NULL) == 0);
    replica__db_set_world(c->db, &c->clock.world);
    must(replica_db_collection(c->db, "c", NULL, &c->coll, NULL) == 0);
    put(c, "{\"id\":\"a\",\"n\":1}");
    put(c, "{\"id\":\"b\",\"n\":2}");
    o.collections = &c->coll;
    c->hooks = (struct replica__session_hooks){ post, wake, NULL, NULL, told, NULL, c };
    must(replica__session_new(c->db, &o, &remote, &c->hooks, &c->session, NULL) == 0);
}

static void close_client(struct client *c)
{
    replica__session_free(c->session);
    for (int i = 0; i < CALLS; i++)
        must(!c->asked[i].call);
    must(replica_check(c->db, finding, NULL, NULL) >= 0);
    replica_db_close(c->db);
    replica__http_url_free(&c->url);
}

/* What nobody answers comes to rest. */
static void run(struct client *c)
{
    int steps = 0;

    while (replica__session_step(c->session))
        must(++steps < MAX_STEPS);
}

/* ---- answers --------------------------------------------------------------------- */

static void answer(struct client *c, struct asked *a, const struct replica__http_answer *how)
{
    struct asked taken = *a;
    replica_error err = { 0 };

    memset(a, 0, sizeof(*a)); /* from now on a cancel finds nothing */
    if (taken.rq.kind != REPLICA__HTTP_HELLO) {
        replica__http_give(taken.call, &taken.rq, how);
    } else if (replica__http_read_hello(how, &c->server, &err) < 0) {
        replica_call_fail(taken.call, &err, how->retry_ms);
    } else {
        replica__http_give_rules(taken.call, how);
        replica_call_hello(taken.call, c->server.features);
    }
    forget(&taken);
}

static struct asked *oldest(struct client *c, bool is_stream)
{
    for (int i = 0; i < CALLS; i++)
        if (c->asked[i].call && (c->asked[i].rq.kind == REPLICA__HTTP_STREAM) == is_stream)
            return &c->asked[i];
    return NULL;
}

static void feed(struct client *c, const char *bytes, size_t len)
{
    struct asked *a = oldest(c, true);
    int r = 0;

    if (!a)
        return;
    if (!a->stream)
        r = replica__http_stream_new(&a->rq, MAX_STREAM, &a->call, &a->stream);
    if (r == 0 && a->call)
        r = replica__http_stream_feed(a->stream, bytes, len);
    if (r < 0 && a->call)
        replica_call_fail(a->call, &(replica_error){ .code = r, .message = "the stream" }, 0);
    if (r < 0)
        forget(a);
}

static void take(struct client *c, const char *text, size_t len)
{
    const char *line = memchr(text, '\n', len);
    size_t head = line ? (size_t)(line - text) : len;
    struct replica__http_answer how = { .where = "there", .url = "http://127.0.0.1:1/c/0",
                                        .body = line ? line + 1 : "",
                                        .len = line ? len - head - 1 : 0 };
    struct asked *a = oldest(c, false);
    char kind = head > 4 ? text[4] : 'j';

    if (head > 0 && text[0] == 't') {
        clock_pass(&c->clock, 60000);
    } else if (head > 0 && text[0] == 's') {
        feed(c, how.body, how.len);
    } else if (a && (head < 3 || text[0] == 'x')) {
        replica_call *call = a->call;

        forget(a);
        replica_call_fail(call, &(replica_error){ .code = REPLICA_ENET, .message = "cut" }, 0);
    } else if (a) {
        how.status = strtol((char[]){ text[0], text[1], text[2], '\0' }, NULL, 10);
        how.type = kind == 'o' ? REPLICA__WIRE_TYPE
                   : kind == 'h' ? "text/html" : "application/json";
        answer(c, a, &how);
    }
    run(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    const char *at = (const char *)data, *end = at + len;
    struct client c;

    open_client(&c);
    run(&c);
    for (int i = 0; i < MAX_ANSWERS && at < end; i++) {
        const char *next = memmem(at, (size_t)(end - at), separator, sizeof(separator) - 1);

        take(&c, at, (size_t)((next ? next : end) - at));
        at = next ? next + sizeof(separator) - 1 : end;
    }
    close_client(&c);
    return 0;
}
