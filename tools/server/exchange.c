/* From libmicrohttpd's callbacks to the service and back.
 *
 * A request that is refused by its headers alone has its body swallowed up to a bound, so that the
 * client reads the answer instead of a broken connection.  The callbacks are called again and
 * again; the exchange remembers how far it is. */
#include "tools/server/exchange.h"

#include "base/alloc.h"
#include "tools/server/gone.h"
#include "tools/server/listener.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

enum {
    SWALLOW_MAX = 16 << 20,
    BUFFERED_MAX = 512 << 20, /* of all bodies under way */
    FIRST_ROOM = 1 << 20,     /* taken on a client's word that it sends so much */
    PARAMS_MAX = 128
};

const char *replica__header(const struct replica__exchange *ex, const char *name)
{
    return MHD_lookup_connection_value(ex->conn, MHD_HEADER_KIND, name);
}

/* ---- beginning ------------------------------------------------------------------- */

static void find_peer(struct replica__exchange *ex)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(ex->conn, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    const struct sockaddr *address = info ? info->client_addr : NULL;

    snprintf(ex->peer, sizeof(ex->peer), "-");
    if (!address)
        return;
    ex->loopback = replica__is_loopback(address);
    if (address->sa_family == AF_INET) {
        struct sockaddr_in in;

        memcpy(&in, address, sizeof(in));
        inet_ntop(AF_INET, &in.sin_addr, ex->peer, sizeof(ex->peer));
    } else if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 in;

        memcpy(&in, address, sizeof(in));
        inet_ntop(AF_INET6, &in.sin6_addr, ex->peer, sizeof(ex->peer));
    }
}

static struct replica__exchange *open_exchange(struct replica__http *http,
                                               struct MHD_Connection *conn, const char *url,
                                               const char *method)
{
    struct replica__exchange *ex = replica__alloc_zero(1, sizeof(*ex));

    if (!ex)
        return NULL;
    ex->http = http;
    ex->conn = conn;
    ex->method = method;
    ex->start_us = replica__os_monotonic_us();
    ex->path = replica__strndup(url, strlen(url) < 300 ? strlen(url) : 300);
    if (!ex->path) {
        replica__free(ex);
        return NULL;
    }
    find_peer(ex);
    http->active++;
    return ex;
}

static void refuse(struct replica__exchange *ex, int status, const char *word,
                   const char *message)
{
    replica__reply_error(&ex->reply, status, word, "%s", message);
    ex->answered = true;
    ex->http->buffered -= ex->body.len;
    replica__buf_free(&ex->body);
}

static void refuse_size(struct replica__exchange *ex)
{
    refuse(ex, 413, "size", "");
    replica__reply_too_large(&ex->reply, (int64_t)ex->http->options.max_body,
                             "the body is too large");
}

/* The length that the request announces; -1: a body of unknown length, 0: none. */
static int64_t announced(struct replica__exchange *ex)
{
    const char *length = replica__header(ex, "Content-Length");

    if (replica__header(ex, "Transfer-Encoding"))
        return -1;
    return length ? strtoll(length, NULL, 10) : 0;
}

static void check_body(struct replica__exchange *ex, int64_t length)
{
    const char *coding = replica__header(ex, "Content-Encoding");

    if (length > 0 && (uint64_t)length > ex->http->options.max_body)
        refuse_size(ex);
    else if (coding && strcasecmp(coding, "identity") != 0 &&
             replica__coding_named(coding) == REPLICA__CODING_NONE)
        refuse(ex, 400, "request", "Content-Encoding is not supported");
    else if (length > 0 && ex->http->buffered + (size_t)length > BUFFERED_MAX) {
        refuse(ex, 503, "busy", "too much is under way");
        ex->reply.retry_after = 1;
    }
    if (!ex->answered && length > 0)
        replica__buf_reserve(&ex->body, length < FIRST_ROOM ? (size_t)length : FIRST_ROOM);
}

/* false: answered. */
static bool let_in(struct replica__exchange *ex)
{
    struct replica__auth *auth = ex->http->options.auth;
    const char *why = NULL;
    int r;

    if (!auth)
        return true;
    r = replica__auth_ask(auth, replica__header(ex, "Authorization"), &ex->who, &why);
    if (r < 0) {
        refuse(ex, 503, "busy", "no memory");
        ex->reply.retry_after = 1;
    } else if (r == 0) {
        refuse(ex, 401, "token", why);
    }
    return r > 0;
}

struct lengths {
    int lengths, codings;
};

static enum MHD_Result count_length(void *cls, enum MHD_ValueKind kind, const char *key,
                                    const char *value)
{
    struct lengths *n = cls;

    (void)kind;
    (void)value;
    n->lengths += strcasecmp(key, "Content-Length") == 0;
    n->codings += strcasecmp(key, "Transfer-Encoding") == 0;
    return MHD_YES;
}

/* Where does the body end?  A proxy and we must not answer that in two ways, or one request could
 * hide in another one. */
static bool is_ambiguous(struct replica__exchange *ex)
{
    const char *coding = replica__header(ex, "Transfer-Encoding");
    struct lengths n = { 0, 0 };

    MHD_get_connection_values(ex->conn, MHD_HEADER_KIND, count_length, &n);
    return n.lengths + n.codings > 1 || (coding && strcasecmp(coding, "chunked") != 0);
}

/* What can be said from the headers alone. */
static void look_at_headers(struct replica__exchange *ex, const char *url, int64_t length)
{
    struct replica__request request = {
        .method = ex->method, .path = url, .uses = replica__header(ex, "Replica-Uses")
    };

    if (is_ambiguous(ex)) {
        refuse(ex, 400, "request", "the length of the body is told twice, or in no known way");
        ex->last = true;
    } else if (strcmp(ex->method, "OPTIONS") == 0) { /* a browser asks without credentials */
        ex->reply.status = 200;
        ex->answered = true;
    } else if (let_in(ex)) {
        request.who = ex->who;
        ex->answered = replica__service_refuses(ex->http->service, &request, &ex->reply);
        if (!ex->answered)
            check_body(ex, length);
    }
}

/* ---- the body -------------------------------------------------------------------- */

static enum MHD_Result take_body(struct replica__exchange *ex, const char *data, size_t len)
{
    ex->taken += len;
    replica__deadline_sends(ex->conn, ex->taken);
    if (ex->answered) {
        ex->swallowed += len;
        return ex->swallowed > SWALLOW_MAX ? MHD_NO : MHD_YES;
    }
    if (ex->http->buffered + len > BUFFERED_MAX) {
        refuse(ex, 503, "busy", "too much is under way");
        ex->reply.retry_after = 1;
        return MHD_YES;
    }
    ex->body.max = ex->http->options.max_body;
    replica__buf_add(&ex->body, data, len);
    if (ex->body.r == REPLICA_ELIMIT)
        refuse_size(ex);
    else if (ex->body.r < 0)
        refuse(ex, 503, "busy", "no memory");
    else
        ex->http->buffered += len;
    return MHD_YES;
}

/* A body that came compressed is replaced by what it says. */
static void unsqueeze_body(struct replica__exchange *ex)
{
    const char *named = replica__header(ex, "Content-Encoding");
    enum replica__coding coding = named ? replica__coding_named(named) : REPLICA__CODING_NONE;
    struct replica__buf plain = REPLICA_BUF_INIT;
    size_t max = ex->http->options.max_body;
    int r;

    if (coding == REPLICA__CODING_NONE)
        return;
    plain.max = max + 64 * 1024; /* it is filled in steps */
    r = replica__unsqueeze(coding, ex->body.data ? ex->body.data : "", ex->body.len, &plain);
    if (r == REPLICA_ELIMIT || (r == 0 && plain.len > max)) {
        refuse_size(ex);
    } else if (r < 0) {
        refuse(ex, r == REPLICA_ENOMEM ? 503 : 400, r == REPLICA_ENOMEM ? "busy" : "request",
               "the body is not of its Content-Encoding");
    } else {
        ex->http->buffered += plain.len - ex->body.len;
        replica__buf_free(&ex->body);
        ex->body = plain;
        return;
    }
    replica__buf_free(&plain);
}

/* ---- answering ------------------------------------------------------------------- */

static enum MHD_Result add_param(void *cls, enum MHD_ValueKind kind, const char *key,
                                 const char *value)
{
    struct replica__exchange *ex = cls;

    (void)kind;
    if (ex->param_count == PARAMS_MAX)
        return MHD_NO;
    if (ex->param_count == ex->param_room) {
        size_t room = ex->param_room ? ex->param_room * 2 : 8;
        struct replica__param *more = replica__realloc(ex->params, room, sizeof(*more));

        if (!more)
            return MHD_NO;
        ex->params = more;
        ex->param_room = room;
    }
    ex->params[ex->param_count++] = (struct replica__param){ key, value };
    return MHD_YES;
}

static void answer(struct replica__exchange *ex, const char *url)
{
    struct replica__request request = { .who = ex->who,
                                        .method = ex->method,
                                        .path = url,
                                        .uses = replica__header(ex, "Replica-Uses"),
                                        .last_event_id = replica__header(ex, "Last-Event-ID"),
                                        .if_match = replica__header(ex, "If-Match"),
                                        .if_none_match = replica__header(ex, "If-None-Match"),
                                        .client = replica__header(ex, "Replica-Client"),
                                        .fence = replica__header(ex, "Replica-Fence"),
                                        .peer = ex->peer };
    int given;

    unsqueeze_body(ex);
    if (ex->answered)
        return;
    given = MHD_get_connection_values(ex->conn, MHD_GET_ARGUMENT_KIND, NULL, NULL);
    MHD_get_connection_values(ex->conn, MHD_GET_ARGUMENT_KIND, add_param, ex);
    if (given > 0 && ex->param_count < (size_t)given) { /* none may be overlooked */
        refuse(ex, given > PARAMS_MAX ? 400 : 503, given > PARAMS_MAX ? "request" : "busy",
               "too many parameters");
        return;
    }
    request.params = ex->params;
    request.param_count = ex->param_count;
    request.body = ex->body.data ? ex->body.data : "";
    request.body_len = ex->body.len;
    replica__service_answer(ex->http->service, &request, &ex->reply);
    ex->answered = true;
    ex->http->buffered -= ex->body.len;
    replica__buf_free(&ex->body);
    replica__free(ex->params);
    ex->params = NULL;
    if (ex->reply.failure[0])
        fprintf(stderr, "replica serve: %s %s: %s\n", ex->method, ex->path, ex->reply.failure);
}

void replica__exchange_wake(void *ctx)
{
    struct replica__exchange *ex = ctx;

    if (!ex->suspended)
        return;
    ex->suspended = false;
    ex->http->resumed = true;
    MHD_resume_connection(ex->conn);
}

void replica__exchange_suspend(struct replica__exchange *ex)
{
    ex->suspended = true;
    MHD_suspend_connection(ex->conn);
}

/* ---- answers that wait ----------------------------------------------------------- */

static void delay(struct replica__exchange *ex)
{
    ex->delayed = true;
    replica__deadline_none(ex->conn);
    ex->due_ms = replica__os_monotonic_us() / 1000 + ex->reply.delay_ms;
    ex->next_delayed = ex->http->delayed;
    ex->http->delayed = ex;
    replica__exchange_suspend(ex);
}

int64_t replica__exchange_tick(struct replica__http *http, bool all)
{
    struct replica__exchange **at = &http->delayed;
    int64_t now = http->delayed ? replica__os_monotonic_us() / 1000 : 0;
    int64_t next = -1;

    while (*at) {
        struct replica__exchange *ex = *at;

        if (all || ex->due_ms <= now) {
            *at = ex->next_delayed;
            replica__exchange_wake(ex);
            continue;
        }
        if (next < 0 || ex->due_ms - now < next)
            next = ex->due_ms - now;
        at = &ex->next_delayed;
    }
    return next;
}

/* ---- libmicrohttpd's callbacks --------------------------------------------------- */

/* The first call, with the headers only. */
static enum MHD_Result begin(struct replica__http *http, struct MHD_Connection *conn,
                             const char *url, const char *method, void **con_cls)
{
    struct replica__exchange *ex = open_exchange(http, conn, url, method);
    int64_t length;

    if (!ex)
        return MHD_NO;
    *con_cls = ex;
    length = announced(ex);
    replica__deadline_sends(conn, 0);
    look_at_headers(ex, url, length);
    /* Nobody wants the body: not sent, or too much to swallow; the connection ends with it. */
    if (ex->answered && (ex->last || (length != 0 && (length > SWALLOW_MAX ||
                                                      replica__header(ex, "Expect")))))
        return replica__exchange_queue(ex);
    return MHD_YES;
}

enum MHD_Result replica__exchange_request(void *cls, struct MHD_Connection *conn, const char *url,
                                          const char *method, const char *version,
                                          const char *upload, size_t *upload_size, void **con_cls)
{
    struct replica__exchange *ex = *con_cls;
    enum MHD_Result result;

    (void)version;
    if (!ex)
        return begin(cls, conn, url, method, con_cls);
    if (*upload_size > 0) {
        result = take_body(ex, upload, *upload_size);
        *upload_size = 0;
        return result;
    }
    if (!ex->answered)
        answer(ex, url);
    if (ex->reply.delay_ms > 0 && !ex->delayed) {
        delay(ex);
        return MHD_YES;
    }
    return replica__exchange_queue(ex);
}

static void log_request(const struct replica__exchange *ex)
{
    int64_t us = replica__os_monotonic_us() - ex->start_us;
    time_t now = time(NULL);
    struct tm tm;
    char when[32] = "";

    for (char *c = ex->path; *c; c++)
        if (!isprint((unsigned char)*c) || *c == ' ')
            *c = '?'; /* it was unescaped, and must not look like another line */
    if (gmtime_r(&now, &tm))
        strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
    fprintf(stderr, "%s %s %s %s %d %lld %lld.%lld\n", when, ex->peer, ex->method, ex->path,
            ex->reply.status, (long long)ex->bytes, (long long)(us / 1000),
            (long long)(us % 1000 / 100));
}

void replica__exchange_completed(void *cls, struct MHD_Connection *conn, void **con_cls,
                                 enum MHD_RequestTerminationCode toe)
{
    struct replica__http *http = cls;
    struct replica__exchange *ex = *con_cls;

    (void)conn;
    (void)toe;
    if (!ex)
        return;
    if (http->options.log)
        log_request(ex);
    for (struct replica__exchange **at = &http->delayed; *at; at = &(*at)->next_delayed) {
        if (*at == ex) {
            *at = ex->next_delayed;
            break;
        }
    }
    replica__gone_forget(ex);
    replica__deadline_head(conn);
    http->active--;
    http->buffered -= ex->body.len;
    http->held -= ex->held;
    replica__buf_free(&ex->body);
    replica__buf_free(&ex->part);
    replica__reply_free(&ex->reply);
    replica__auth_leave(ex->who);
    replica__squeeze_close(ex->squeeze);
    replica__free(ex->params);
    replica__free(ex->path);
    replica__free(ex);
    *con_cls = NULL;
}
