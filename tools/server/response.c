/* From an answer of the service to a response of libmicrohttpd: body, coding, headers.
 *
 * What fits is sent whole, with its length; the rest in chunks, from the cursor or the stream. */
#include "tools/server/exchange.h"

#include "base/alloc.h"
#include "replicator/wire.h"
#include "tools/server/gone.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

enum {
    WHOLE_MAX = 512 * 1024, /* an answer up to here is sent with its length */
    SQUEEZE_MIN = 1024,
    SILENT_MS = 60000,      /* a peer that acknowledges nothing is gone */
    STREAM_BUFFER = 128 * 1024, /* the kernel's, for a stream: a slow reader is to be slow here */
    PART_ROOM = WHOLE_MAX,  /* of the rest, as it is read */
    HELD_MAX = 256 << 20,   /* bytes of all answers that are not sent yet */
    BLOCK = 512             /* of the response, which makes its chunks in the pool */
};

/* ---- bodies ---------------------------------------------------------------------- */

/* A stream mostly sends, so that only the kernel can notice that nobody acknowledges it. */
static void watch_peer(struct replica__exchange *ex)
{
#ifdef TCP_USER_TIMEOUT
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(ex->conn, MHD_CONNECTION_INFO_CONNECTION_FD);
    unsigned ms = SILENT_MS;
    int bytes = STREAM_BUFFER;

    if (!info)
        return;
    setsockopt(info->connect_fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof(ms));
    setsockopt(info->connect_fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
#else
    (void)ex;
#endif
}

static ssize_t stream_body(void *cls, uint64_t pos, char *to, size_t room)
{
    struct replica__exchange *ex = cls;
    long n = ex->gone ? -1 : replica__stream_read(ex->reply.stream, to, room);

    (void)pos;
    if (n < 0)
        return MHD_CONTENT_READER_END_OF_STREAM;
    if (n == 0)
        replica__exchange_suspend(ex);
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
        r = replica__squeeze_add(ex->squeeze, plain->data, plain->len,
                                 r == 0  ? REPLICA__SQUEEZE_LAST
                                 : r > 1 ? REPLICA__SQUEEZE_FLUSH
                                         : REPLICA__SQUEEZE_MORE,
                                 &ex->part);
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
    replica__deadline_moved(ex->conn, (size_t)ex->bytes);
    return (ssize_t)n;
}

/* A body that is not held whole: its first part is in the reply. */
static struct MHD_Response *part_response(struct replica__exchange *ex)
{
    struct replica__buf *plain = &ex->reply.body;
    int r = 0;

    if (ex->squeeze)
        r = replica__squeeze_add(ex->squeeze, plain->data, plain->len, REPLICA__SQUEEZE_MORE,
                                 &ex->part);
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
        if (replica__squeeze_add(ex->squeeze, body->data, body->len, REPLICA__SQUEEZE_LAST,
                                 &ex->part) < 0)
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

    while (r == 1 && ex->reply.body.len < WHOLE_MAX)
        r = replica__reply_more(&ex->reply, &ex->reply.body, &err);
    if (r < 0) {
        fprintf(stderr, "replica serve: %s %s: %s\n", ex->method, ex->path, err.message);
        replica__reply_error(&ex->reply, 500, "server", "the server failed (%s)",
                             replica_error_name(r));
        r = 0;
    }
    return r;
}

/* Who asks for much and takes it slowly must not take all memory.  Is there still more to come? */
static bool hold(struct replica__exchange *ex, bool more)
{
    size_t held = ex->reply.body.len + (more ? PART_ROOM : 0);

    if (ex->http->held + held > HELD_MAX && ex->reply.status < 400) {
        replica__reply_error(&ex->reply, 503, "busy", "too many answers are under way");
        ex->reply.retry_after = 1;
        held = ex->reply.body.len;
        more = false;
    }
    ex->held = held;
    ex->http->held += held;
    replica__deadline_none(ex->conn); /* that of the request */
    /* What is held whole is out of our sight: it has the time of all its bytes. */
    replica__deadline_moved(ex->conn, more ? 0 : held);
    return more;
}

static void choose_coding(struct replica__exchange *ex, bool more)
{
    enum replica__coding coding =
        replica__coding_choose(replica__header(ex, MHD_HTTP_HEADER_ACCEPT_ENCODING));

    if (ex->loopback || coding == REPLICA__CODING_NONE ||
        (!more && ex->reply.body.len < SQUEEZE_MIN))
        return;
    if (replica__squeeze_open(coding, &ex->squeeze) < 0)
        ex->squeeze = NULL; /* as it is, then */
}

/* ---- headers --------------------------------------------------------------------- */

static void add_cors(struct replica__exchange *ex, struct MHD_Response *response)
{
    const char *asked = replica__header(ex, "Access-Control-Request-Headers");

    if (strcmp(ex->method, "OPTIONS") == 0) {
        MHD_add_response_header(response, "Access-Control-Allow-Origin", "*");
        MHD_add_response_header(response, "Access-Control-Allow-Methods",
                                "GET,HEAD,PUT,PATCH,POST,DELETE");
        MHD_add_response_header(response, "Vary", "Access-Control-Request-Headers");
        if (asked)
            MHD_add_response_header(response, "Access-Control-Allow-Headers", asked);
    } else if (replica__header(ex, "Origin")) {
        MHD_add_response_header(response, "Access-Control-Allow-Origin", "*");
        if (ex->reply.etag[0])
            MHD_add_response_header(response, "Access-Control-Expose-Headers", "ETag");
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
    if (reply->etag[0])
        MHD_add_response_header(response, "ETag", reply->etag);
    if (reply->allow)
        MHD_add_response_header(response, "Allow", reply->allow);
    if (ex->last)
        MHD_add_response_header(response, "Connection", "close");
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

enum MHD_Result replica__exchange_queue(struct replica__exchange *ex)
{
    struct MHD_Response *response = NULL;
    enum MHD_Result result;

    if (ex->reply.stream) {
        replica__deadline_none(ex->conn);
        watch_peer(ex);
        replica__gone_watch(ex);
        replica__stream_on_wake(ex->reply.stream, replica__exchange_wake, ex);
        response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK, stream_body, ex,
                                                     NULL);
    } else {
        bool more = hold(ex, read_ahead(ex) > 0);

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
