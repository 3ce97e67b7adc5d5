/* The network: a remote whose requests are encoded and whose answers are decoded by the HTTP
 * remote's own parts, with everything between that a network does to them.
 *
 * An exchange lives until nobody refers to it: the call that waits, the server that writes a
 * stream, or an event that is planned. */
#include "base/error.h"
#include "tests/sim/sim.h"
#include "tools/server/stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BASE "http://sim"
#define TIMEOUT_MS 30000
#define MAX_EVENT (64 * 1024 * 1024)

struct chunk { /* of a stream, on its way; len 0: the end */
    struct chunk *next;
    size_t len;
    char data[];
};

struct exchange {
    struct exchange *prev, *next;
    struct sim *sim;
    struct client *client;
    replica_call *call; /* NULL: nobody waits */
    struct replica__http_request rq;
    int refs;           /* events that are planned */
    bool less;          /* it was asked with a token that sees less */

    int status;         /* of the answer on its way; 0: the connection broke */
    bool ours;
    int64_t retry_ms;
    struct replica__buf body;

    struct replica__reply reply; /* a stream that the server writes */
    bool serving;
    struct replica__http_stream *stream; /* as the client reads it */
    struct chunk *first, **last;
    int64_t last_at;
    bool silent;        /* what is written from now on goes nowhere, and nobody notices */
};

static const struct replica__http_url url = { .base = (char *)(uintptr_t)BASE,
                                              .name = (char *)(uintptr_t) "none" };

static void drop_if_unused(struct exchange *ex)
{
    struct chunk *next;

    if (ex->call || ex->serving || ex->refs > 0)
        return;
    for (struct chunk *c = ex->first; c; c = next) {
        next = c->next;
        free(c);
    }
    *(ex->prev ? &ex->prev->next : &ex->sim->exchanges) = ex->next;
    if (ex->next)
        ex->next->prev = ex->prev;
    replica__http_stream_free(ex->stream);
    replica__http_request_free(&ex->rq);
    replica__buf_free(&ex->body);
    free(ex);
}

static void plan(struct exchange *ex, int64_t ms, event_fn fn)
{
    ex->refs++;
    sim_after(ex->sim, ms, fn, ex);
}

/* In an event: it has come. */
static void came(struct exchange *ex)
{
    ex->refs--;
    drop_if_unused(ex);
}

static int64_t latency(struct sim *sim)
{
    if (sim_chance(sim, sim->plan.slow))
        return (int64_t)sim_roll(sim, 20 * SECOND);
    return 1 + (int64_t)sim_roll(sim, 30);
}

/* The call is answered now: it may be used again before the answer returns. */
static replica_call *take_call(struct exchange *ex)
{
    replica_call *call = ex->call;

    ex->call = NULL;
    return call;
}

static void stop_serving(struct exchange *ex)
{
    if (!ex->serving)
        return;
    ex->serving = false;
    replica__reply_free(&ex->reply);
}

static void fail_call(struct exchange *ex, int code, const char *message)
{
    replica_error err = { .offset = -1 };
    struct client *c = ex->client;

    if (!ex->call)
        return;
    sim_trace(ex->sim, "client %d: %s", c->number, message);
    replica__error_set(&err, code, 0, "%s", message);
    replica_call_fail(take_call(ex), &err, 0);
    client_turn_soon(c, 0);
}

/* A program that is stopped sees it when it goes on. */
static bool comes_later(struct exchange *ex, event_fn fn)
{
    if (!client_frozen(ex->client))
        return false;
    sim_after(ex->sim, ex->client->frozen_until - ex->sim->now, fn, ex);
    return true;
}

static void refused(struct sim *sim, void *arg)
{
    struct exchange *ex = arg;

    (void)sim;
    if (comes_later(ex, refused))
        return;
    fail_call(ex, REPLICA_ENET, "the connection broke");
    came(ex);
}

static void timed_out(struct sim *sim, void *arg)
{
    struct exchange *ex = arg;

    (void)sim;
    if (comes_later(ex, timed_out))
        return;
    if (!ex->stream)
        fail_call(ex, REPLICA_ETIMEOUT, "no answer in time");
    came(ex);
}

/* ---- answers --------------------------------------------------------------------- */

static void give(struct exchange *ex)
{
    struct replica__http_answer a = { .where = ex->rq.url.data,
                                      .status = ex->status,
                                      .type = ex->ours ? REPLICA__WIRE_TYPE : "application/json",
                                      .body = ex->body.data ? ex->body.data : "",
                                      .len = ex->body.len,
                                      .retry_ms = ex->retry_ms };
    struct replica__http_hello hello;
    replica_error err = { .offset = -1 };
    replica_call *call = take_call(ex);

    if (ex->rq.kind == REPLICA__HTTP_STREAM) {
        replica__http_give_status(call, &ex->rq, &a);
    } else if (ex->rq.kind != REPLICA__HTTP_HELLO) {
        replica__http_give(call, &ex->rq, &a);
    } else if (replica__http_read_hello(&a, &hello, &err) < 0) {
        replica_call_fail(call, &err, a.retry_ms);
    } else {
        ex->client->dialect = hello.dialect;
        replica__http_give_rules(call, &a);
        replica_call_hello(call, hello.features);
    }
}

static void answer_comes(struct sim *sim, void *arg)
{
    struct exchange *ex = arg;

    if (comes_later(ex, answer_comes))
        return;
    if (ex->call) {
        sim_trace(sim, "client %d: %d for %s: %.*s", ex->client->number, ex->status,
                  ex->rq.url.data + strlen(BASE), (int)(ex->body.len < 300 ? ex->body.len : 300),
                  ex->body.data ? ex->body.data : "");
        give(ex);
        client_turn_soon(ex->client, 0);
    }
    came(ex);
}

static void chunk_comes(struct sim *sim, void *arg)
{
    struct exchange *ex = arg;
    struct chunk *c = ex->first;
    int r = 0;

    if (comes_later(ex, chunk_comes))
        return;
    ex->first = c->next;
    if (!ex->first)
        ex->last = &ex->first;
    if (ex->call && !ex->stream)
        r = replica__http_stream_new(&ex->rq, MAX_EVENT, &ex->call, &ex->stream);
    if (r == 0 && ex->call && c->len > 0) {
        sim_trace(sim, "client %d: streamed %.*s", ex->client->number, (int)c->len, c->data);
        r = replica__http_stream_feed(ex->stream, c->data, c->len);
    }
    if (r < 0)
        sim_fail(sim, "a stream gave %s", replica_error_name(r));
    if (c->len == 0)
        fail_call(ex, REPLICA_ENET, "the stream ended");
    free(c);
    client_turn_soon(ex->client, 0);
    came(ex);
}

/* Chunks keep their order. */
static void send_chunk(struct exchange *ex, const char *data, size_t len)
{
    struct chunk *c = malloc(sizeof *c + len + 1);
    int64_t at = ex->sim->now + latency(ex->sim);

    if (!c)
        abort();
    c->next = NULL;
    c->len = len;
    memcpy(c->data, data, len);
    *ex->last = c;
    ex->last = &c->next;
    ex->last_at = at > ex->last_at ? at : ex->last_at;
    plan(ex, ex->last_at - ex->sim->now, chunk_comes);
}

/* ---- streams at the server ------------------------------------------------------- */

static void hang_up(struct sim *sim, void *arg) /* the client's end of it has reached the server */
{
    (void)sim;
    stop_serving(arg);
    came(arg);
}

static void flush_stream(struct sim *sim, void *arg)
{
    struct exchange *ex = arg;
    char room[4096];
    long n = 1;

    while (ex->serving && n > 0) {
        size_t take = sim_chance(sim, 100) ? 1 + sim_roll(sim, 40) : sizeof room;

        n = replica__stream_read(ex->reply.stream, room, take);
        if (n > 0 && sim_chance(sim, sim->plan.cut)) {
            if (sim_chance(sim, 300))
                ex->silent = true;
            else
                n = -1 - (long)sim_roll(sim, (uint64_t)n);
        }
        if (n > 0 && !ex->silent)
            send_chunk(ex, room, (size_t)n);
        if (n < -1 && !ex->silent)
            send_chunk(ex, room, (size_t)(-1 - n));
        if (n < 0) {
            stop_serving(ex);
            if (!ex->silent)
                send_chunk(ex, "", 0);
        }
    }
    came(ex);
}

static void stream_wakes(void *ctx)
{
    plan(ctx, 0, flush_stream);
}

static void serve_stream(struct exchange *ex)
{
    ex->serving = true;
    replica__stream_on_wake(ex->reply.stream, stream_wakes, ex);
    send_chunk(ex, "\n", 1); /* the head of the answer */
    plan(ex, 0, flush_stream);
}

/* ---- requests -------------------------------------------------------------------- */

static const char *method_of(const struct exchange *ex)
{
    return ex->rq.body.data ? "POST" : "GET";
}

static void set_error(struct exchange *ex, int status, int64_t retry_ms)
{
    ex->status = status;
    ex->retry_ms = retry_ms;
    ex->ours = false;
    replica__buf_clear(&ex->body);
    replica__buf_str(&ex->body, "{\"error\":\"simulated\"}");
}

/* A proxy, or rules of the server, that answer instead of it. */
static bool answered_before(struct exchange *ex)
{
    struct sim *sim = ex->sim;
    bool ours = strstr(ex->rq.url.data, "/_replica/") != NULL;

    if (ours && sim->plan.rxdb)
        set_error(ex, 404, 0);
    else if (sim_chance(sim, sim->plan.lose / 4))
        set_error(ex, (int[]){ 503, 500, 429, 408 }[sim_roll(sim, 4)],
                  (int64_t)sim_roll(sim, 3) * SECOND);
    else if (!ours && ex->rq.body.data && strstr(ex->rq.body.data, "\"poison\"") && !sim->healed)
        set_error(ex, 422, 0);
    else
        return false;
    return true;
}

static void take_reply(struct exchange *ex)
{
    ex->status = ex->reply.status;
    ex->ours = ex->reply.type == REPLICA__REPLY_REPLICA;
    ex->retry_ms = ex->reply.retry_after * SECOND;
    replica__buf_add(&ex->body, ex->reply.body.data, ex->reply.body.len);
    if (!ex->reply.stream)
        replica__reply_free(&ex->reply);
}

static void ask_server(struct exchange *ex)
{
    char peer[20];

    snprintf(peer, sizeof peer, "client %d", ex->client->number);
    server_answer(ex->sim, method_of(ex), ex->rq.url.data + strlen(BASE), ex->rq.body.data,
                  ex->rq.body.len, peer, ex->less, &ex->reply);
    if (ex->reply.status)
        take_reply(ex);
}

static void request_arrives(struct sim *sim, void *arg)
{
    struct exchange *ex = arg;

    if (answered_before(ex)) {
        plan(ex, latency(sim), answer_comes);
    } else if (!sim->server.db) {
        plan(ex, latency(sim), refused);
    } else {
        int64_t delay;

        ask_server(ex);
        delay = ex->reply.delay_ms + latency(sim);
        if (ex->status && ex->reply.stream)
            serve_stream(ex);
        else if (!ex->status || sim_chance(sim, sim->plan.lose / 2))
            plan(ex, latency(sim), refused);
        else if (!sim_chance(sim, sim->plan.lose / 2))
            plan(ex, delay, answer_comes);
        if (ex->status == 200 && !ex->reply.stream && sim_chance(sim, sim->plan.lose / 8))
            set_error(ex, 504, 0); /* it was done, and the proxy did not wait */
    }
    came(ex);
}

static struct exchange *new_exchange(struct client *c, replica_call *call)
{
    struct exchange *ex = calloc(1, sizeof *ex);

    if (!ex)
        abort();
    ex->sim = c->sim;
    ex->client = c;
    ex->call = call;
    ex->less = c->sim->plan.access && c->filtered;
    ex->last = &ex->first;
    ex->next = c->sim->exchanges;
    if (ex->next)
        ex->next->prev = ex;
    c->sim->exchanges = ex;
    return ex;
}

/* The same bytes come again, at any time; nobody waits for that answer. */
static void repeat(const struct exchange *ex)
{
    struct exchange *again = new_exchange(ex->client, NULL);

    again->rq.kind = ex->rq.kind;
    again->less = ex->less;
    replica__buf_add(&again->rq.url, ex->rq.url.data, ex->rq.url.len);
    replica__buf_add(&again->rq.body, ex->rq.body.data, ex->rq.body.len);
    plan(again, (int64_t)sim_roll(ex->sim, sim_roll(ex->sim, 2) ? SECOND : 2 * MINUTE),
         request_arrives);
}

static int begin(struct exchange *ex, int r)
{
    struct sim *sim = ex->sim;

    if (r < 0)
        sim_fail(sim, "a request could not be made: %s", replica_error_name(r));
    sim->requests++;
    sim_trace(sim, "client %d: %s %s %.*s", ex->client->number, method_of(ex),
              ex->rq.url.data + strlen(BASE), (int)(ex->rq.body.len < 600 ? ex->rq.body.len : 600),
              ex->rq.body.data ? ex->rq.body.data : "");
    plan(ex, TIMEOUT_MS, timed_out);
    if (ex->rq.kind == REPLICA__HTTP_PUSH && sim_chance(sim, sim->plan.repeat))
        repeat(ex);
    if (sim_chance(sim, sim->plan.lose / 4))
        plan(ex, latency(sim), refused);
    else if (!sim_chance(sim, sim->plan.lose / 4))
        plan(ex, latency(sim), request_arrives);
    return 0;
}

static int start_hello(void *ctx, replica_call *call)
{
    struct exchange *ex = new_exchange(ctx, call);

    return begin(ex, replica__http_request_hello(&ex->rq, &url));
}

static int start_pull(void *ctx, replica_call *call, const replica_pull_request *request)
{
    struct client *c = ctx;
    struct exchange *ex = new_exchange(c, call);

    return begin(ex, replica__http_request_pull(&ex->rq, c->dialect, &url, NULL, request, false));
}

static int start_stream(void *ctx, replica_call *call, const replica_pull_request *request)
{
    struct client *c = ctx;
    struct exchange *ex = new_exchange(c, call);

    return begin(ex, replica__http_request_pull(&ex->rq, c->dialect, &url, NULL, request, true));
}

static int start_push(void *ctx, replica_call *call, const replica_push_request *request)
{
    struct client *c = ctx;
    struct exchange *ex = new_exchange(c, call);

    return begin(ex, replica__http_request_push(&ex->rq, c->dialect, &url, NULL, request));
}

static int start_ask(void *ctx, replica_call *call, const char *what, const char *json, size_t len)
{
    struct exchange *ex = new_exchange(ctx, call);

    return begin(ex, replica__http_request_ask(&ex->rq, &url, NULL, what, json, len));
}

static void cancel(void *ctx, replica_call *call)
{
    struct client *c = ctx;

    for (struct exchange *ex = c->sim->exchanges; ex; ex = ex->next) {
        if (ex->call != call)
            continue;
        ex->call = NULL;
        plan(ex, latency(c->sim), hang_up);
        return;
    }
}

void remote_sim(struct client *c, replica_remote *ret)
{
    *ret = (replica_remote){ .size = sizeof *ret,
                             .ctx = c,
                             .hello = start_hello,
                             .pull = start_pull,
                             .push = start_push,
                             .stream = start_stream,
                             .cancel = cancel,
                             .ask = start_ask };
}

void network_server_died(struct sim *sim)
{
    for (struct exchange *ex = sim->exchanges; ex; ex = ex->next) {
        if (!ex->serving)
            continue;
        stop_serving(ex);
        if (!ex->silent && !sim_chance(sim, 200))
            send_chunk(ex, "", 0);
    }
}

void network_close(struct sim *sim)
{
    while (sim->exchanges) {
        struct exchange *ex = sim->exchanges;

        stop_serving(ex);
        ex->call = NULL;
        ex->refs = 0;
        drop_if_unused(ex);
    }
}
