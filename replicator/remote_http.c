/* The HTTP remote: which requests wait, go, go again or end.
 *
 * What is sent and what an answer means is said elsewhere (http_request, http_answer,
 * http_stream); the bytes travel by http_link.  Here are the rules that span requests: one
 * dialect, one token that is asked for once for all (http_token), redirects within the same origin
 * only.
 *
 * Invariant: calls are answered from `work` alone, with the task still in the list; a task whose
 * call is gone (answered or cancelled) is freed at the end of that work, or at once outside of
 * it. */
#include "replicator/remote_http.h"

#include "base/alloc.h"
#include "base/error.h"
#include "replicator/http_task.h"

#include <string.h>

enum { REQUEST_TIMEOUT_MS = 30000, MAX_REDIRECTS = 5 };
/* A bundle of 64 MiB, in a page behind others. */
static const size_t MAX_ANSWER = (size_t)96 * 1024 * 1024;

/* ---- answers ---------------------------------------------------------------------- */

/* A redirect is followed where what was meant for this server stays with it, and where the method
 * does not change on the way. */
static bool follow(struct replica__http_task *t)
{
    long status = t->x.status;
    bool keeps = status == 307 || status == 308
        || (!t->x.body && (status == 301 || status == 302 || status == 303));

    if (!keeps || t->redirects == MAX_REDIRECTS
        || !replica__http_url_same_origin(t->rq.url.data, t->x.redirect))
        return false;
    t->redirects++;
    replica__buf_clear(&t->rq.url);
    replica__buf_str(&t->rq.url, t->x.redirect);
    replica__exchange_stop(&t->x);
    if (t->rq.url.r < 0)
        replica__http_task_fail(t, REPLICA_ENOMEM, 0, "out of memory");
    else
        replica__http_task_send_later(t);
    return true;
}

static void give_hello(struct replica__http_task *t, const struct replica__http_answer *a)
{
    struct replica__http *h = t->http;
    replica_error err = { 0 };

    if (replica__http_read_hello(a, &h->server, &err) < 0) {
        replica_call_fail(replica__http_task_answer(t), &err, a->retry_ms);
        return;
    }
    if (h->server.dialect == REPLICA__DIALECT_REPLICA)
        replica__http_give_rules(t->call, a);
    replica_call_hello(replica__http_task_answer(t), h->server.features);
}

static struct replica__http_answer answer_of(struct replica__http_task *t,
                                             struct replica__buf *where)
{
    replica__http_url_show(t->rq.url.data, where);
    return (struct replica__http_answer){
        .where = where->data ? where->data : "",
        .status = t->x.status, .type = t->x.type, .retry_ms = t->x.retry_ms,
        .body = t->x.answer.data ? t->x.answer.data : "", .len = t->x.answer.len,
        .lines = t->lines, .url = t->rq.url.data,
    };
}

/* After a 401: is there hope that another token is better? */
static bool renew(struct replica__http_task *t)
{
    REPLICA_BUF where = REPLICA_BUF_INIT;
    struct replica__http_answer a = answer_of(t, &where);
    replica_error refusal = { 0 };

    replica__http_word_status(&a, &refusal);
    return replica__http_token_renew(t, &refusal);
}

static void give(struct replica__http_task *t)
{
    REPLICA_BUF where = REPLICA_BUF_INIT;
    struct replica__http_answer a = answer_of(t, &where);

    if (t->rq.kind == REPLICA__HTTP_HELLO)
        give_hello(t, &a);
    else if (t->rq.kind == REPLICA__HTTP_STREAM) /* what is no stream */
        replica__http_give_status(replica__http_task_answer(t), &t->rq, &a);
    else
        replica__http_give(replica__http_task_answer(t), &t->rq, &a);
}

/* An answer that said no counts, even if the connection broke on it: a server may refuse a body
 * without reading it to its end. */
static void end(struct replica__http_task *t)
{
    long status = t->x.status;

    replica__http_trace(t, NULL);
    if (t->x.code < 0 && status < 400)
        replica__http_task_fail(t, t->x.code, t->x.detail, t->x.message);
    else if (t->rq.kind == REPLICA__HTTP_STREAM && t->x.head && status == 200
             && replica__http_type_is(t->x.type, "text/event-stream"))
        replica__http_task_fail(t, REPLICA_ENET, 0, "the stream ended");
    else if (status == 401 && renew(t))
        return;
    else if (status >= 300 && status < 400 && follow(t))
        return;
    else
        give(t);
}

/* What has come of a stream; the call may be gone afterwards. */
static void move_stream(struct replica__http_task *t)
{
    struct replica__exchange *x = &t->x;
    int r = 0;

    if (!x->head || x->status != 200)
        return;
    if (!replica__http_type_is(x->type, "text/event-stream")) {
        x->stream = false;                         /* it must come to an end in time, */
        x->done = x->done || x->answer.len >= 200; /* and this is enough to show */
        return;
    }
    if (!t->stream)
        replica__http_trace(t, NULL);
    if (!t->stream)
        r = replica__http_stream_new(&t->rq, t->http->max_answer, &t->call, &t->stream);
    if (r == 0 && t->call && x->answer.len > 0) {
        r = replica__http_stream_feed(t->stream, x->answer.data, x->answer.len);
        x->answer.len = 0;
    }
    if (r < 0 && t->call)
        replica__http_task_fail(t, r, 0, r == REPLICA_ELIMIT ? "an event is too large"
                                                             : "out of memory");
}

static void move(struct replica__http_task *t)
{
    if (t->told) {
        replica_call_hello(replica__http_task_answer(t), t->http->server.features);
        return;
    }
    if (t->waiting)
        return;
    if (t->rq.kind == REPLICA__HTTP_STREAM)
        move_stream(t);
    if (t->call && t->x.done)
        end(t);
}

/* ---- the remote's face ------------------------------------------------------------- */

static void enlist(struct replica__http *h, struct replica__http_task *t)
{
    t->next = h->tasks;
    h->tasks = t;
}

/* Give the task to the list, or free it. */
static int begin(struct replica__http_task *t, int r)
{
    struct replica__http *h = t->http;

    if (r == 0)
        r = replica__http_token_submit(t);
    if (r < 0) {
        replica__http_task_free(t);
        return r;
    }
    enlist(h, t);
    return 0;
}

static int start_hello(void *ctx, replica_call *call)
{
    struct replica__http *h = ctx;
    struct replica__http_task *t = replica__http_task_new(h, call);

    if (!t)
        return REPLICA_ENOMEM;
    if (h->rxdb_only) {
        t->told = true;
        enlist(h, t);
        return 0;
    }
    return begin(t, replica__http_request_hello(&t->rq, &h->url));
}

static int start_pull(void *ctx, replica_call *call, const replica_pull_request *request)
{
    struct replica__http *h = ctx;
    struct replica__http_task *t = replica__http_task_new(h, call);

    if (!t)
        return REPLICA_ENOMEM;
    return begin(t, replica__http_request_pull(&t->rq, h->server.dialect, &h->url, h->alias,
                                               request, false));
}

static int start_stream(void *ctx, replica_call *call, const replica_pull_request *request)
{
    struct replica__http *h = ctx;
    struct replica__http_task *t = replica__http_task_new(h, call);

    if (!t)
        return REPLICA_ENOMEM;
    return begin(t, replica__http_request_pull(&t->rq, h->server.dialect, &h->url, h->alias,
                                               request, true));
}

static int start_push(void *ctx, replica_call *call, const replica_push_request *request)
{
    struct replica__http *h = ctx;
    struct replica__http_task *t = replica__http_task_new(h, call);
    int r;

    if (!t)
        return REPLICA_ENOMEM;
    r = replica__http_request_push(&t->rq, h->server.dialect, &h->url, h->alias, request);
    return begin(t, r < 0 ? r : replica__http_task_pack(t));
}

static int start_ask(void *ctx, replica_call *call, const char *what, const char *json, size_t len)
{
    struct replica__http *h = ctx;
    struct replica__http_task *t = replica__http_task_new(h, call);

    if (!t)
        return REPLICA_ENOMEM;
    return begin(t, replica__http_request_ask(&t->rq, &h->url, h->alias, what, json, len));
}

static void cancel(void *ctx, replica_call *call)
{
    struct replica__http *h = ctx;

    for (struct replica__http_task *t = h->tasks; t; t = t->next) {
        if (t->call == call) {
            if (!t->x.done && !t->stream)
                replica__http_trace(t, "cancelled");
            t->call = NULL;
            break;
        }
    }
    if (!h->working)
        replica__http_task_sweep(h);
}

static int get_fd(void *ctx)
{
    return replica__link_fd(((struct replica__http *)ctx)->link);
}

static int get_timeout(void *ctx)
{
    struct replica__http *h = ctx;

    for (struct replica__http_task *t = h->tasks; t; t = t->next) {
        if (t->told || (t->waiting && h->token_state != TOKEN_ASKED))
            return 0;
    }
    return replica__link_timeout(h->link);
}

/* Tasks that are started on the way stand before the ones that are walked over. */
static void work(void *ctx)
{
    struct replica__http *h = ctx;

    h->working = true;
    replica__link_work(h->link);
    for (struct replica__http_task *t = h->tasks; t; t = t->next) {
        if (t->call)
            move(t);
    }
    replica__http_token_settle(h);
    h->working = false;
    replica__http_task_sweep(h);
}

static void free_http(struct replica__http *h)
{
    struct replica__http_task *t;

    while ((t = h->tasks)) {
        h->tasks = t->next;
        replica__http_task_free(t);
    }
    replica__link_close(h->link);
    replica__http_url_free(&h->url);
    replica__free(h->alias);
    for (size_t i = 0; h->headers && h->headers[i]; i++)
        replica__free(h->headers[i]);
    replica__free(h->headers);
    replica__free(h->token);
    replica__free(h);
}

static void destroy(void *ctx)
{
    free_http(ctx);
}

/* ---- making one -------------------------------------------------------------------- */

static bool is_header(const char *line)
{
    size_t name = strspn(line, "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
                               "ABCDEFGHIJKLMNOPQRSTUVWXYZ");

    return name > 0 && line[name] == ':' && replica__http_line_is_plain(line);
}

static int copy_headers(struct replica__http *h, const char *const *headers, replica_error *err)
{
    size_t n = 0;

    while (headers && headers[n])
        n++;
    if (n > REPLICA__HTTP_MAX_HEADERS)
        return replica__error_set(err, REPLICA_EINVAL, 0, "more than %d headers",
                                  REPLICA__HTTP_MAX_HEADERS);
    h->headers = replica__alloc_zero(n + 1, sizeof(*h->headers));
    if (!h->headers)
        return replica__enomem(err);
    for (size_t i = 0; i < n; i++) {
        if (!is_header(headers[i]))
            return replica__error_set(err, REPLICA_EINVAL, 0, "header %zu is not 'Name: value'", i);
        h->headers[i] = replica__strdup(headers[i]);
        if (!h->headers[i])
            return replica__enomem(err);
    }
    return 0;
}

static int fill(struct replica__http *h, const struct replica__http_options *o, replica_error *err)
{
    int r = replica__http_url_parse(o->url ? o->url : "", &h->url, err);

    if (r == 0)
        r = copy_headers(h, o->headers, err);
    if (r < 0)
        return r;
    h->alias = replica__strdup(o->collection);
    if (o->collection && !h->alias)
        return replica__enomem(err);
    h->rxdb_only = o->rxdb_only;
    h->compress = !h->url.loopback || o->compress_loopback;
    h->idle_ms = o->request_timeout_ms > 0 ? o->request_timeout_ms : REQUEST_TIMEOUT_MS;
    h->max_answer = o->max_answer ? o->max_answer : MAX_ANSWER;
    h->server.dialect = REPLICA__DIALECT_RXDB;
    h->server.features = REPLICA_REMOTE_STREAM;
    h->ask_token = o->token;
    h->ask_ctx = o->ctx;
    h->trace = o->trace;
    h->token_state = o->token ? TOKEN_UNKNOWN : TOKEN_NONE;
    return replica__link_open(&h->link, err);
}

int replica__remote_http_new(const struct replica__http_options *o, replica_remote *ret,
                             replica_error *err)
{
    struct replica__http *h = replica__alloc_zero(1, sizeof(*h));
    int r;

    if (!h)
        return replica__enomem(err);
    r = fill(h, o, err);
    if (r < 0) {
        free_http(h);
        return r;
    }
    *ret = (replica_remote){
        .size = sizeof(*ret), .ctx = h, .hello = start_hello, .pull = start_pull,
        .push = start_push, .stream = start_stream, .cancel = cancel, .fd = get_fd,
        .timeout = get_timeout, .work = work, .destroy = destroy, .ask = start_ask,
    };
    return 0;
}

void replica__remote_http_token(const replica_remote *remote, const char *token)
{
    struct replica__http *h = remote->ctx;

    if (h->token_state == TOKEN_ASKED)
        replica__http_token_set(h, token);
}

void replica__remote_http_bytes(const replica_remote *remote, int64_t *ret_down, int64_t *ret_up)
{
    struct replica__http *h = remote->ctx;

    replica__link_bytes(h->link, ret_down, ret_up);
}
