/* A task is one call from its start to its end: its question, its exchange, and the lines of its
 * head, which are made anew each time it is sent, because the token may be another one. */
#include "replicator/http_task.h"

#include "base/alloc.h"
#include "base/error.h"
#include "base/os.h"
#include "replicator/compress.h"

#include <stdio.h>
#include <string.h>

enum {
    CONNECT_TIMEOUT_MS = 10000,
    SLOWEST_LINK = 8, /* bytes per ms: a page that comes slower is given up in the end */
    WORTH_COMPRESSING = 1024,
};

static void free_lines(struct replica__http_task *t)
{
    for (size_t i = 0; t->lines[i]; i++) {
        replica__free(t->lines[i]);
        t->lines[i] = NULL;
    }
}

void replica__http_task_free(struct replica__http_task *t)
{
    replica__exchange_stop(&t->x);
    replica__http_request_free(&t->rq);
    replica__http_stream_free(t->stream);
    replica__buf_free(&t->packed);
    free_lines(t);
    replica__free(t);
}

struct replica__http_task *replica__http_task_new(struct replica__http *h, replica_call *call)
{
    struct replica__http_task *t = replica__alloc_zero(1, sizeof(*t));

    if (!t)
        return NULL;
    t->http = h;
    t->call = call;
    return t;
}

void replica__http_task_sweep(struct replica__http *h)
{
    struct replica__http_task **at = &h->tasks;

    while (*at) {
        struct replica__http_task *t = *at;

        if (t->call) {
            at = &t->next;
        } else {
            *at = t->next;
            replica__http_task_free(t);
        }
    }
}

replica_call *replica__http_task_answer(struct replica__http_task *t)
{
    replica_call *call = t->call;

    t->call = NULL;
    return call;
}

void replica__http_task_fail(struct replica__http_task *t, int code, int detail,
                             const char *message)
{
    REPLICA_BUF where = REPLICA_BUF_INIT;
    replica_error err = { 0 };

    replica__http_url_show(t->rq.url.data, &where);
    replica__error_set(&err, code, detail, "%s", message);
    replica__error_where(&err, "%s", where.data ? where.data : "");
    replica_call_fail(replica__http_task_answer(t), &err, 0);
}

/* ---- sending --------------------------------------------------------------------- */

static int add_line(struct replica__http_task *t, size_t *n, const char *line)
{
    t->lines[*n] = replica__strdup(line);
    return t->lines[(*n)++] ? 0 : REPLICA_ENOMEM;
}

static int add_token(struct replica__http_task *t, size_t *n)
{
    REPLICA_BUF line = REPLICA_BUF_INIT;

    if (t->http->token_state != TOKEN_HERE || t->http->token[0] == '\0')
        return 0;
    replica__buf_str(&line, "Authorization: Bearer ");
    replica__buf_str(&line, t->http->token);
    return line.r < 0 ? line.r : add_line(t, n, line.data);
}

bool replica__http_line_is_plain(const char *token)
{
    for (const char *c = token; *c; c++) {
        if ((unsigned char)*c < ' ' || *c == 0x7F)
            return false;
    }
    return true;
}

static bool has_body(const struct replica__http_task *t)
{
    return t->rq.kind == REPLICA__HTTP_PUSH || t->rq.kind == REPLICA__HTTP_ASK
        || t->rq.id_count > 0;
}

/* Ours, and then the program's own. */
static int add_lines(struct replica__http_task *t)
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
    if (r == 0 && has_body(t)) {
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
        r = add_line(t, &n, t->rq.bundles ? "Replica-Uses: operations, numbers, bundles"
                                          : "Replica-Uses: operations, numbers");
    if (r == 0)
        r = add_token(t, &n);
    for (size_t i = 0; r == 0 && t->http->headers[i]; i++)
        r = add_line(t, &n, t->http->headers[i]);
    return r;
}

int replica__http_task_pack(struct replica__http_task *t)
{
    struct replica__http *h = t->http;

    if (!h->server.zstd || !h->compress || t->rq.body.len <= WORTH_COMPRESSING
        || !replica__compress_has_zstd())
        return 0;
    return replica__compress_zstd(t->rq.body.data, t->rq.body.len, &t->packed);
}

int replica__http_task_send(struct replica__http_task *t)
{
    struct replica__http *h = t->http;
    struct replica__exchange *x = &t->x;
    int r = add_lines(t);

    if (r < 0)
        return r;
    x->url = t->rq.url.data;
    x->headers = (const char *const *)t->lines;
    if (has_body(t)) {
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
    t->sent_us = replica__os_monotonic_us();
    return replica__exchange_start(h->link, x);
}

void replica__http_task_send_later(struct replica__http_task *t)
{
    int r;

    t->waiting = false;
    r = replica__http_task_send(t);
    if (r < 0)
        replica__http_task_fail(t, r, 0, r == REPLICA_ENOMEM ? "out of memory"
                                                             : "too many requests at once");
}
