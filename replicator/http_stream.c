/* From server-sent events to pages, and to what else a server tells.
 *
 * An event that cannot be read is not lost: the call is told that something changed, and the pull
 * that follows meets it again, with an error that names the URL. */
#include "replicator/http_stream.h"

#include "base/alloc.h"
#include "replicator/sse.h"

#include <string.h>

struct replica__http_stream {
    const struct replica__http_request *rq;
    replica_call *const *call;
    struct replica__sse sse;
    int r;
};

static bool is_resync(const struct replica__sse_event *e)
{
    return strcmp(e->type, "resync") == 0 || strcmp(e->data, "RESYNC") == 0
        || strcmp(e->data, "\"RESYNC\"") == 0;
}

static void on_event(void *ctx, const struct replica__sse_event *e)
{
    struct replica__http_stream *s = ctx;
    replica_pull_request pull = replica__http_request_as_pull(s->rq);
    struct replica__wire_page page;
    replica_error err;
    int r;

    if (is_resync(e)) {
        replica_call_resync(*s->call);
    } else if (strcmp(e->type, "message") == 0) {
        r = replica__wire_read_page(s->rq->dialect, &pull, e->data, e->len, &page, &err);
        if (r == 0) {
            replica_call_event(*s->call, &page.page);
            replica__wire_page_free(&page);
        } else if (r == REPLICA_ENOMEM) {
            s->r = r;
        } else {
            replica_call_resync(*s->call);
        }
    } else if (replica__json_check(e->data, e->len, NULL, NULL) == 0) {
        replica_call_told(*s->call, e->type, e->data, e->len);
    }
    if (!*s->call || s->r < 0)
        replica__sse_stop(&s->sse);
}

int replica__http_stream_new(const struct replica__http_request *rq, size_t max,
                             replica_call *const *call, struct replica__http_stream **ret_stream)
{
    struct replica__http_stream *s = replica__alloc_zero(1, sizeof(*s));

    if (!s)
        return REPLICA_ENOMEM;
    s->rq = rq;
    s->call = call;
    replica__sse_init(&s->sse, max);
    *ret_stream = s;
    replica_call_open(*call);
    return 0;
}

void replica__http_stream_free(struct replica__http_stream *stream)
{
    if (!stream)
        return;
    replica__sse_free(&stream->sse);
    replica__free(stream);
}

int replica__http_stream_feed(struct replica__http_stream *s, const char *bytes, size_t len)
{
    const struct replica__sse_handlers handlers = { .event = on_event, .ctx = s };
    int r;

    replica_call_alive(*s->call);
    if (!*s->call)
        return 0;
    r = replica__sse_feed(&s->sse, bytes, len, &handlers);
    return s->r < 0 ? s->r : r;
}
