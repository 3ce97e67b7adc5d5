/* From libmicrohttpd's callbacks to the service and back.
 *
 * A request that is refused by its headers alone has its body swallowed up to a bound, so that the
 * client reads the answer instead of a broken connection.  The callbacks are called again and
 * again; the exchange remembers how far it is. */
#include "tools/server/exchange.h"

#include "base/alloc.h"
#include "replicator/wire.h"
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
    WHOLE_MAX = 512 * 1024,   /* an answer up to here is sent with its length */
    SQUEEZE_MIN = 1024,
    PARAMS_MAX = 128,
    BLOCK = 4096
};

static const char *header(struct MHD_Connection *conn, const char *name)
{
    return MHD_lookup_connection_value(conn, MHD_HEADER_KIND, name);
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
    const char *length = header(ex->conn, "Content-Length");

    if (header(ex->conn, "Transfer-Encoding"))
        return -1;
    return length ? strtoll(length, NULL, 10) : 0;
}

static void check_body(struct replica__exchange *ex, int64_t length)
{
    const char *coding = header(ex->conn, "Content-Encoding");

    if (length > 0 && (uint64_t)length > ex->http->options.max_body)
        refuse_size(ex);
    else if (coding && strcasecmp(coding, "identity") != 0 &&
             replica__coding_choose("zstd") == REPLICA__CODING_NONE)
        refuse(ex, 400, "request", "Content-Encoding is not supported");
    else if (coding && strcasecmp(coding, "identity") != 0 && strcasecmp(coding, "zstd") != 0)
        refuse(ex, 400, "request", "Content-Encoding is none but zstd");
    else if (length > 0 && ex->http->buffered + (size_t)length > BUFFERED_MAX) {
        refuse(ex, 503, "busy", "too much is under way");
        ex->reply.retry_after = 1;
    }
    if (!ex->answered && length > 0)
        replica__buf_reserve(&ex->body, length < FIRST_ROOM ? (size_t)length : FIRST_ROOM);
}

/* What can be said from the headers alone. */
static void look_at_headers(struct replica__exchange *ex, const char *url, int64_t length)
{
    const struct replica__request request = {
        .method = ex->method, .path = url, .uses = header(ex->conn, "Replica-Uses")
    };

    if (strcmp(ex->method, "OPTIONS") == 0) { /* a browser asks without credentials */
        ex->reply.status = 200;
        ex->answered = true;
    } else if (ex->http->options.auth &&
               !replica__auth_allows(ex->http->options.auth, header(ex->conn, "Authorization"))) {
        refuse(ex, 401, "token", "there is no token that is known here");
    } else {
        ex->answered = replica__service_refuses(ex->http->service, &request, &ex->reply);
        if (!ex->answered)
            check_body(ex, length);
    }
}

/* ---- the body -------------------------------------------------------------------- */

static enum MHD_Result take_body(struct replica__exchange *ex, const char *data, size_t len)
{
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
    const char *coding = header(ex->conn, "Content-Encoding");
    struct replica__buf plain = REPLICA_BUF_INIT;
    size_t max = ex->http->options.max_body;
    int r;

    if (!coding || strcasecmp(coding, "zstd") != 0)
        return;
    plain.max = max + 64 * 1024; /* it is filled in steps */
    r = replica__unsqueeze(ex->body.data ? ex->body.data : "", ex->body.len, &plain);
    if (r == REPLICA_ELIMIT || (r == 0 && plain.len > max)) {
        refuse_size(ex);
    } else if (r < 0) {
        refuse(ex, r == REPLICA_ENOMEM ? 503 : 400, r == REPLICA_ENOMEM ? "busy" : "request",
               "the body is no zstd");
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
    if (ex->param_count == ex->param_room) {
        size_t room = ex->param_room ? ex->param_room * 2 : 8;
        struct replica__param *more = replica__realloc(ex->params, room, sizeof(*more));

        if (!more || room > PARAMS_MAX) {
            ex->params = more ? more : ex->params;
            return MHD_NO;
        }
        ex->params = more;
        ex->param_room = room;
    }
    ex->params[ex->param_count++] = (struct replica__param){ key, value };
    return MHD_YES;
}

static void answer(struct replica__exchange *ex, const char *url)
{
    struct replica__request request = { .method = ex->method,
                                        .path = url,
                                        .uses = header(ex->conn, "Replica-Uses"),
                                        .last_event_id = header(ex->conn, "Last-Event-ID"),
                                        .peer = ex->peer };

    unsqueeze_body(ex);
    if (ex->answered)
        return;
    MHD_get_connection_values(ex->conn, MHD_GET_ARGUMENT_KIND, add_param, ex);
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

static void wake(void *ctx)
{
    struct replica__exchange *ex = ctx;

    if (!ex->suspended)
        return;
    ex->suspended = false;
    MHD_resume_connection(ex->conn);
}

static void suspend(struct replica__exchange *ex)
{
    ex->suspended = true;
    MHD_suspend_connection(ex->conn);
}

static ssize_t stream_body(void *cls, uint64_t pos, char *to, size_t room)
{
    struct replica__exchange *ex = cls;
    long n = replica__stream_read(ex->reply.stream, to, room);

    (void)pos;
    if (n < 0)
        return MHD_CONTENT_READER_END_OF_STREAM;
    if (n == 0)
        suspend(ex);
    ex->bytes += n;
    return n;
}

/* The next part of a body that is not held whole, compressed if it shall be.  < 0: it broke off. */
static int next_part(struct replica__exchange *ex)
{
    struct replica__buf *plain = &ex->reply.body;
    replica_error err = { 0 };
    int r;

    replica__buf_clear(&ex->part);
    ex->part_sent = 0;
    r = replica__reply_more(&ex->reply, plain, &err);
    if (r < 0) {
        fprintf(stderr, "replica serve: %s %s: %s\n", ex->method, ex->path, err.message);
        return r;
    }
    ex->part_last = r == 0;
    if (ex->squeeze)
        r = replica__squeeze_add(ex->squeeze, plain->data, plain->len, ex->part_last, &ex->part);
    else
        replica__buf_add(&ex->part, plain->data, plain->len);
    replica__buf_clear(plain);
    return r < 0 ? r : ex->part.r;
}

static ssize_t part_body(void *cls, uint64_t pos, char *to, size_t room)
{
    struct replica__exchange *ex = cls;
    size_t n;

    (void)pos;
    while (ex->part_sent == ex->part.len) {
        if (ex->part_last)
            return MHD_CONTENT_READER_END_OF_STREAM;
        if (next_part(ex) < 0)
            return MHD_CONTENT_READER_END_WITH_ERROR;
    }
    n = ex->part.len - ex->part_sent < room ? ex->part.len - ex->part_sent : room;
    memcpy(to, ex->part.data + ex->part_sent, n);
    ex->part_sent += n;
    ex->bytes += (int64_t)n;
    return (ssize_t)n;
}

/* A body that is not held whole: its first part is in the reply. */
static struct MHD_Response *part_response(struct replica__exchange *ex)
{
    struct replica__buf *plain = &ex->reply.body;
    int r = 0;

    if (ex->squeeze)
        r = replica__squeeze_add(ex->squeeze, plain->data, plain->len, false, &ex->part);
    else
        replica__buf_add(&ex->part, plain->data, plain->len);
    replica__buf_clear(plain);
    if (r < 0 || ex->part.r < 0)
        return NULL;
    return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK, part_body, ex, NULL);
}

static struct MHD_Response *whole_response(struct replica__exchange *ex)
{
    struct replica__buf *body = &ex->reply.body;
    struct MHD_Response *response;
    char *data;
    size_t len = 0;

    if (ex->squeeze) {
        if (replica__squeeze_add(ex->squeeze, body->data, body->len, true, &ex->part) < 0)
            return NULL;
        replica__buf_free(body);
        body = &ex->part;
    }
    data = replica__buf_take(body, &len);
    if (!data)
        return NULL;
    ex->bytes = (int64_t)len;
    response = MHD_create_response_from_buffer_with_free_callback(len, data, replica__free);
    if (!response)
        replica__free(data);
    return response;
}

/* Read as much of the answer as is sent at once.  1: there is more; 0; < 0. */
static int read_ahead(struct replica__exchange *ex)
{
    replica_error err = { 0 };
    int r = ex->reply.cursor != NULL;

    while (r > 0 && ex->reply.body.len < WHOLE_MAX)
        r = replica__reply_more(&ex->reply, &ex->reply.body, &err);
    if (r < 0) {
        fprintf(stderr, "replica serve: %s %s: %s\n", ex->method, ex->path, err.message);
        replica__reply_error(&ex->reply, 500, "server", "the server failed (%s)",
                             replica_error_name(r));
        r = 0;
    }
    return r;
}

static void choose_coding(struct replica__exchange *ex, bool more)
{
    enum replica__coding coding =
        replica__coding_choose(header(ex->conn, MHD_HTTP_HEADER_ACCEPT_ENCODING));

    if (ex->loopback || coding == REPLICA__CODING_NONE ||
        (!more && ex->reply.body.len < SQUEEZE_MIN))
        return;
    if (replica__squeeze_open(coding, &ex->squeeze) < 0)
        ex->squeeze = NULL; /* as it is, then */
}

/* ---- headers --------------------------------------------------------------------- */

static void add_cors(struct replica__exchange *ex, struct MHD_Response *response)
{
    const char *asked = header(ex->conn, "Access-Control-Request-Headers");

    if (strcmp(ex->method, "OPTIONS") == 0) {
        MHD_add_response_header(response, "Access-Control-Allow-Origin", "*");
        MHD_add_response_header(response, "Access-Control-Allow-Methods",
                                "GET,HEAD,PUT,PATCH,POST,DELETE");
        MHD_add_response_header(response, "Vary", "Access-Control-Request-Headers");
        if (asked)
            MHD_add_response_header(response, "Access-Control-Allow-Headers", asked);
    } else if (header(ex->conn, "Origin")) {
        MHD_add_response_header(response, "Access-Control-Allow-Origin", "*");
    }
}

static void add_headers(struct replica__exchange *ex, struct MHD_Response *response)
{
    static const char *const types[] = { "application/json; charset=utf-8", REPLICA__WIRE_TYPE,
                                         "text/event-stream; charset=utf-8" };
    const struct replica__reply *reply = &ex->reply;
    char number[16];

    add_cors(ex, response);
    if (strcmp(ex->method, "OPTIONS") != 0)
        MHD_add_response_header(response, "Content-Type", types[reply->type]);
    if (reply->type == REPLICA__REPLY_EVENTS) {
        MHD_add_response_header(response, "Cache-Control", "no-cache");
        MHD_add_response_header(response, "X-Accel-Buffering", "no");
    }
    if (reply->no_store)
        MHD_add_response_header(response, "Cache-Control", "no-store");
    if (reply->allow)
        MHD_add_response_header(response, "Allow", reply->allow);
    if (reply->status == 401)
        MHD_add_response_header(response, "WWW-Authenticate", "Bearer");
    if (reply->retry_after > 0) {
        snprintf(number, sizeof(number), "%d", reply->retry_after);
        MHD_add_response_header(response, "Retry-After", number);
    }
    if (ex->squeeze) {
        MHD_add_response_header(response, "Content-Encoding",
                                replica__coding_name(replica__squeeze_coding(ex->squeeze)));
        MHD_add_response_header(response, "Vary", "Accept-Encoding");
    }
}

static enum MHD_Result queue(struct replica__exchange *ex)
{
    struct MHD_Response *response = NULL;
    enum MHD_Result result;

    if (ex->reply.stream) {
        replica__stream_on_wake(ex->reply.stream, wake, ex);
        response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK, stream_body, ex,
                                                     NULL);
    } else {
        bool more = read_ahead(ex) > 0;

        choose_coding(ex, more);
        response = more ? part_response(ex) : whole_response(ex);
    }
    if (!response)
        return MHD_NO;
    add_headers(ex, response);
    result = MHD_queue_response(ex->conn, (unsigned)ex->reply.status, response);
    MHD_destroy_response(response);
    return result;
}

/* ---- answers that wait ----------------------------------------------------------- */

static void delay(struct replica__exchange *ex)
{
    ex->delayed = true;
    ex->due_ms = replica__os_monotonic_us() / 1000 + ex->reply.delay_ms;
    ex->next_delayed = ex->http->delayed;
    ex->http->delayed = ex;
    suspend(ex);
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
            wake(ex);
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
    look_at_headers(ex, url, length);
    /* Nobody wants the body: not sent, or too much to swallow; the connection ends with it. */
    if (ex->answered && length != 0 && (length > SWALLOW_MAX || header(conn, "Expect")))
        return queue(ex);
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
    return queue(ex);
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
    http->active--;
    http->buffered -= ex->body.len;
    replica__buf_free(&ex->body);
    replica__buf_free(&ex->part);
    replica__reply_free(&ex->reply);
    replica__squeeze_close(ex->squeeze);
    replica__free(ex->params);
    replica__free(ex->path);
    replica__free(ex);
    *con_cls = NULL;
}
