/* The HTTP remote: which requests wait, go, go again or end.
 *
 * What is sent and what an answer means is said elsewhere (http_request, http_answer, http_stream);
 * the bytes travel by http_link.  Here are the rules that span requests: one dialect, one token that is
 * asked for once for all, redirects within the same origin only.
 *
 * Invariant: calls are answered from `work` alone, with the task still in the list; a task whose call
 * is gone (answered or cancelled) is freed at the end of that work, or at once outside of it. */
#include "replicator/remote_http.h"

#include "base/alloc.h"
#include "base/error.h"
#include "replicator/compress.h"
#include "replicator/http_answer.h"
#include "replicator/http_link.h"
#include "replicator/http_stream.h"

#include <stdio.h>
#include <string.h>

enum {
    REQUEST_TIMEOUT_MS = 30000,
    CONNECT_TIMEOUT_MS = 10000,
    SLOWEST_LINK = 8,       /* bytes per ms: a page that comes slower is given up in the end */
    WORTH_COMPRESSING = 1024,
    MAX_REDIRECTS = 5,
    MAX_HEADERS = 64,       /* of the program's own */
};
static const size_t MAX_ANSWER = (size_t)64 * 1024 * 1024;

enum token_state {
    TOKEN_NONE,    /* the program has none to give */
    TOKEN_UNKNOWN, /* not asked for yet, or refused to us the last time */
    TOKEN_ASKED,   /* the program thinks about it */
    TOKEN_HERE,
    TOKEN_FAILED   /* those that wait must be told */
};

struct http {
    struct replica__link *link;
    struct replica__http_url url;
    char *alias;
    char **headers; /* NULL at the end */
    bool rxdb_only;
    bool compress;
    int idle_ms;
    size_t max_answer;
    struct replica__http_hello server; /* what hello found */
    int (*ask_token)(void *ctx, bool refused, char *out, size_t room);
    void *ask_ctx;
    enum token_state token_state;
    char *token;         /* HERE: may be "" */
    unsigned generation; /* of the token; grows with each */
    bool token_refused;  /* the last one was */
    struct task *tasks;
    bool working;
};

struct task {
    struct task *next;
    struct http *http;
    replica_call *call; /* NULL: nobody waits for this any more */
    struct replica__http_request rq;
    struct replica__exchange x;
    struct replica__buf packed;
    char *lines[MAX_HEADERS + 8];
    bool waiting;       /* for the token */
    bool told;          /* rxdb_only: the answer is known without asking */
    bool asked_again;   /* after a 401 */
    unsigned generation;
    int redirects;
    struct replica__http_stream *stream;
};

/* ---- tasks ----------------------------------------------------------------------- */

static void free_lines(struct task *t)
{
    for (size_t i = 0; t->lines[i]; i++) {
        replica__free(t->lines[i]);
        t->lines[i] = NULL;
    }
}

static void free_task(struct task *t)
{
    replica__exchange_stop(&t->x);
    replica__http_request_free(&t->rq);
    replica__http_stream_free(t->stream);
    replica__buf_free(&t->packed);
    free_lines(t);
    replica__free(t);
}

static struct task *new_task(struct http *h, replica_call *call)
{
    struct task *t = replica__alloc_zero(1, sizeof(*t));

    if (!t)
        return NULL;
    t->http = h;
    t->call = call;
    return t;
}

/* Free what nobody waits for; not while the list is being walked. */
static void sweep(struct http *h)
{
    struct task **at = &h->tasks;

    while (*at) {
        struct task *t = *at;

        if (t->call) {
            at = &t->next;
        } else {
            *at = t->next;
            free_task(t);
        }
    }
}

/* The call of a task that is about to be answered: from now on a cancel finds nothing. */
static replica_call *take_call(struct task *t)
{
    replica_call *call = t->call;

    t->call = NULL;
    return call;
}

static void fail(struct task *t, int code, int detail, const char *message)
{
    REPLICA_BUF where = REPLICA_BUF_INIT;
    replica_error err = { 0 };

    replica__http_url_show(t->rq.url.data, &where);
    replica__error_set(&err, code, detail, "%s", message);
    replica__error_where(&err, "%s", where.data ? where.data : "");
    replica_call_fail(take_call(t), &err, 0);
}

/* ---- sending --------------------------------------------------------------------- */

static int add_line(struct task *t, size_t *n, const char *line)
{
    t->lines[*n] = replica__strdup(line);
    return t->lines[(*n)++] ? 0 : REPLICA_ENOMEM;
}

static int add_token(struct task *t, size_t *n)
{
    REPLICA_BUF line = REPLICA_BUF_INIT;

    if (t->http->token_state != TOKEN_HERE || t->http->token[0] == '\0')
        return 0;
    replica__buf_str(&line, "Authorization: Bearer ");
    replica__buf_str(&line, t->http->token);
    return line.r < 0 ? line.r : add_line(t, n, line.data);
}

/* Ours, and then the program's own. */
static int add_lines(struct task *t)
{
    bool ours = t->rq.dialect == REPLICA__DIALECT_REPLICA;
    const char *type = ours ? REPLICA__WIRE_TYPE : "application/json";
    char line[128];
    size_t n = 0;
    int r;

    free_lines(t);
    snprintf(line, sizeof(line), "Accept: %s",
             t->rq.kind == REPLICA__HTTP_STREAM ? "text/event-stream" : type);
    r = add_line(t, &n, line);
    if (r == 0 && t->rq.kind == REPLICA__HTTP_PUSH) {
        snprintf(line, sizeof(line), "Content-Type: %s", type);
        r = add_line(t, &n, line);
        if (r == 0)
            r = add_line(t, &n, "Expect:"); /* no round trip before the body */
    } else if (r == 0) {
        r = add_line(t, &n, "Cache-Control: no-cache");
    }
    if (r == 0 && t->packed.len > 0)
        r = add_line(t, &n, "Content-Encoding: zstd");
    if (r == 0 && ours && t->rq.kind != REPLICA__HTTP_HELLO)
        r = add_line(t, &n, "Replica-Uses: operations, numbers");
    if (r == 0)
        r = add_token(t, &n);
    for (size_t i = 0; r == 0 && t->http->headers[i]; i++)
        r = add_line(t, &n, t->http->headers[i]);
    return r;
}

static int send_task(struct task *t)
{
    struct http *h = t->http;
    struct replica__exchange *x = &t->x;
    int r = add_lines(t);

    if (r < 0)
        return r;
    x->url = t->rq.url.data;
    x->headers = (const char *const *)t->lines;
    if (t->rq.kind == REPLICA__HTTP_PUSH) {
        x->body = t->packed.len > 0 ? t->packed.data : t->rq.body.data;
        x->len = t->packed.len > 0 ? t->packed.len : t->rq.body.len;
    }
    x->stream = t->rq.kind == REPLICA__HTTP_STREAM;
    x->compressed_answer = h->compress && !x->stream;
    x->idle_ms = h->idle_ms;
    x->connect_ms = h->idle_ms < CONNECT_TIMEOUT_MS ? h->idle_ms : CONNECT_TIMEOUT_MS;
    x->total_ms = x->stream ? 0 : 4 * (int64_t)h->idle_ms + t->rq.expected / SLOWEST_LINK;
    x->answer.max = h->max_answer;
    t->generation = h->generation;
    return replica__exchange_start(h->link, x);
}

/* The same, where it is too late for a result. */
static void send_later(struct task *t)
{
    t->waiting = false;
    if (send_task(t) < 0)
        fail(t, REPLICA_ENOMEM, 0, "out of memory");
}

/* ---- the token -------------------------------------------------------------------- */

/* A token becomes a part of a line: what could end that line is no token. */
static bool token_is_plain(const char *token)
{
    for (const char *c = token; *c; c++) {
        if ((unsigned char)*c < ' ' || *c == 0x7F)
            return false;
    }
    return true;
}

static void set_token(struct http *h, const char *token)
{
    replica__free(h->token);
    h->token = token && token_is_plain(token) ? replica__strdup(token) : NULL;
    h->token_state = h->token ? TOKEN_HERE : TOKEN_FAILED;
    h->generation++;
}

static void ask_token(struct http *h, bool refused)
{
    char token[REPLICA__TOKEN_ROOM] = "";
    int r;

    h->token_state = TOKEN_ASKED;
    r = h->ask_token(h->ask_ctx, refused, token, sizeof(token));
    token[sizeof(token) - 1] = '\0';
    if (r != REPLICA__TOKEN_LATER)
        set_token(h, r < 0 ? NULL : r == 0 ? "" : token);
}

/* Those that waited go, or are told that there is no token. */
static void settle_token(struct http *h)
{
    bool failed = h->token_state == TOKEN_FAILED;

    if (h->token_state != TOKEN_HERE && !failed)
        return;
    if (failed)
        h->token_state = TOKEN_UNKNOWN;
    for (struct task *t = h->tasks; t; t = t->next) {
        if (!t->waiting || !t->call)
            continue;
        if (failed)
            fail(t, REPLICA_EAUTH, 401, "there are no credentials");
        else
            send_later(t);
    }
}

/* Send a new task now, or when the token is here. */
static int submit(struct task *t)
{
    struct http *h = t->http;

    if (h->token_state == TOKEN_UNKNOWN)
        ask_token(h, h->token_refused);
    t->waiting = h->token_state == TOKEN_ASKED || h->token_state == TOKEN_FAILED;
    return t->waiting ? 0 : send_task(t);
}

/* After a 401: false if there is no hope. */
static bool try_other_token(struct task *t)
{
    struct http *h = t->http;

    if (!h->ask_token || t->asked_again)
        return false;
    t->asked_again = true;
    t->waiting = true;
    replica__exchange_stop(&t->x);
    if (h->token_state == TOKEN_HERE && h->generation == t->generation)
        h->token_state = TOKEN_UNKNOWN; /* else somebody has asked for another one since */
    h->token_refused = true;
    if (h->token_state == TOKEN_UNKNOWN)
        ask_token(h, true);
    return true;
}

/* ---- answers ---------------------------------------------------------------------- */

/* A redirect is followed where what was meant for this server stays with it, and where the method
 * does not change on the way. */
static bool follow(struct task *t)
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
        fail(t, REPLICA_ENOMEM, 0, "out of memory");
    else
        send_later(t);
    return true;
}

static void give_hello(struct task *t, const struct replica__http_answer *a)
{
    struct http *h = t->http;
    replica_error err = { 0 };

    if (replica__http_read_hello(a, &h->server, &err) < 0)
        replica_call_fail(take_call(t), &err, a->retry_ms);
    else
        replica_call_hello(take_call(t), h->server.features);
}

static void give(struct task *t)
{
    REPLICA_BUF where = REPLICA_BUF_INIT;
    struct replica__http_answer a = {
        .status = t->x.status, .type = t->x.type, .retry_ms = t->x.retry_ms,
        .body = t->x.answer.data ? t->x.answer.data : "", .len = t->x.answer.len,
        .secret = t->http->token,
    };

    replica__http_url_show(t->rq.url.data, &where);
    a.where = where.data ? where.data : "";
    if (t->rq.kind == REPLICA__HTTP_HELLO)
        give_hello(t, &a);
    else if (t->rq.kind == REPLICA__HTTP_STREAM) /* what is no stream */
        replica__http_give_status(take_call(t), &t->rq, &a);
    else
        replica__http_give(take_call(t), &t->rq, &a);
}

/* An answer that said no counts, even if the connection broke on it: a server may refuse a body
 * without reading it to its end. */
static void end(struct task *t)
{
    long status = t->x.status;

    if (t->x.code < 0 && status < 400)
        fail(t, t->x.code, t->x.detail, t->x.message);
    else if (t->rq.kind == REPLICA__HTTP_STREAM && t->x.head && status == 200
             && replica__http_type_is(t->x.type, "text/event-stream"))
        fail(t, REPLICA_ENET, 0, "the stream ended");
    else if (status == 401 && try_other_token(t))
        return;
    else if (status >= 300 && status < 400 && follow(t))
        return;
    else
        give(t);
}

/* What has come of a stream; the call may be gone afterwards. */
static void move_stream(struct task *t)
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
        r = replica__http_stream_new(&t->rq, t->http->max_answer, &t->call, &t->stream);
    if (r == 0 && t->call && x->answer.len > 0) {
        r = replica__http_stream_feed(t->stream, x->answer.data, x->answer.len);
        x->answer.len = 0;
    }
    if (r < 0 && t->call)
        fail(t, r, 0, r == REPLICA_ELIMIT ? "an event is too large" : "out of memory");
}

static void move(struct task *t)
{
    if (t->told) {
        replica_call_hello(take_call(t), t->http->server.features);
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

static void enlist(struct http *h, struct task *t)
{
    t->next = h->tasks;
    h->tasks = t;
}

/* Give the task to the list, or free it. */
static int begin(struct task *t, int r)
{
    struct http *h = t->http;

    if (r == 0)
        r = submit(t);
    if (r < 0) {
        free_task(t);
        return r;
    }
    enlist(h, t);
    return 0;
}

static int start_hello(void *ctx, replica_call *call)
{
    struct http *h = ctx;
    struct task *t = new_task(h, call);

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
    struct http *h = ctx;
    struct task *t = new_task(h, call);

    if (!t)
        return REPLICA_ENOMEM;
    return begin(t, replica__http_request_pull(&t->rq, h->server.dialect, &h->url, h->alias, request,
                                               false));
}

static int start_stream(void *ctx, replica_call *call, const replica_pull_request *request)
{
    struct http *h = ctx;
    struct task *t = new_task(h, call);

    if (!t)
        return REPLICA_ENOMEM;
    return begin(t, replica__http_request_pull(&t->rq, h->server.dialect, &h->url, h->alias, request,
                                               true));
}

static int pack(struct task *t)
{
    struct http *h = t->http;

    if (!h->server.zstd || !h->compress || t->rq.body.len <= WORTH_COMPRESSING
        || !replica__compress_has_zstd())
        return 0;
    return replica__compress_zstd(t->rq.body.data, t->rq.body.len, &t->packed);
}

static int start_push(void *ctx, replica_call *call, const replica_push_request *request)
{
    struct http *h = ctx;
    struct task *t = new_task(h, call);
    int r;

    if (!t)
        return REPLICA_ENOMEM;
    r = replica__http_request_push(&t->rq, h->server.dialect, &h->url, h->alias, request);
    return begin(t, r < 0 ? r : pack(t));
}

static void cancel(void *ctx, replica_call *call)
{
    struct http *h = ctx;

    for (struct task *t = h->tasks; t; t = t->next) {
        if (t->call == call) {
            t->call = NULL;
            break;
        }
    }
    if (!h->working)
        sweep(h);
}

static int get_fd(void *ctx)
{
    return replica__link_fd(((struct http *)ctx)->link);
}

static int get_timeout(void *ctx)
{
    struct http *h = ctx;

    for (struct task *t = h->tasks; t; t = t->next) {
        if (t->told || (t->waiting && h->token_state != TOKEN_ASKED))
            return 0;
    }
    return replica__link_timeout(h->link);
}

/* Tasks that are started on the way stand before the ones that are walked over. */
static void work(void *ctx)
{
    struct http *h = ctx;

    h->working = true;
    replica__link_work(h->link);
    for (struct task *t = h->tasks; t; t = t->next) {
        if (t->call)
            move(t);
    }
    settle_token(h);
    h->working = false;
    sweep(h);
}

static void free_http(struct http *h)
{
    struct task *t;

    while ((t = h->tasks)) {
        h->tasks = t->next;
        free_task(t);
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

    return name > 0 && line[name] == ':' && token_is_plain(line);
}

static int copy_headers(struct http *h, const char *const *headers, replica_error *err)
{
    size_t n = 0;

    while (headers && headers[n])
        n++;
    if (n > MAX_HEADERS)
        return replica__error_set(err, REPLICA_EINVAL, 0, "more than %d headers", MAX_HEADERS);
    h->headers = replica__alloc_zero(n + 1, sizeof(*h->headers));
    if (!h->headers)
        return replica__enomem(err);
    for (size_t i = 0; i < n; i++) {
        if (!is_header(headers[i]))
            return replica__error_set(err, REPLICA_EINVAL, 0, "header %zu is not \"Name: value\"", i);
        h->headers[i] = replica__strdup(headers[i]);
        if (!h->headers[i])
            return replica__enomem(err);
    }
    return 0;
}

static int fill(struct http *h, const struct replica__http_options *o, replica_error *err)
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
    h->token_state = o->token ? TOKEN_UNKNOWN : TOKEN_NONE;
    return replica__link_open(&h->link, err);
}

int replica__remote_http_new(const struct replica__http_options *o, replica_remote *ret,
                             replica_error *err)
{
    struct http *h = replica__alloc_zero(1, sizeof(*h));
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
        .timeout = get_timeout, .work = work, .destroy = destroy,
    };
    return 0;
}

void replica__remote_http_token(const replica_remote *remote, const char *token)
{
    struct http *h = remote->ctx;

    if (h->token_state == TOKEN_ASKED)
        set_token(h, token);
}

void replica__remote_http_bytes(const replica_remote *remote, int64_t *ret_down, int64_t *ret_up)
{
    struct http *h = remote->ctx;

    replica__link_bytes(h->link, ret_down, ret_up);
}
