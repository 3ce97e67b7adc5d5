/* What becomes of requests, told to who wants to know.  Of the URL only what is no secret; nothing
 * of heads and bodies. */
#include "base/os.h"
#include "replicator/http_task.h"

void replica__http_trace(const struct replica__http_task *t, const char *error)
{
    const struct replica__exchange *x = &t->x;
    REPLICA_BUF url = REPLICA_BUF_INIT;

    if (!t->http->trace || !t->rq.url.data)
        return;
    replica__http_url_show(t->rq.url.data, &url);
    if (!error && x->code < 0)
        error = x->message;
    t->http->trace(t->http->ask_ctx,
                   &(replica_sync_trace_entry){
                       .method = x->body ? "POST" : "GET",
                       .text = url.data ? url.data : "",
                       .status = (int)x->status,
                       .bytes_up = (int64_t)x->len,
                       .bytes_down = (int64_t)x->answer.len,
                       .ms = (replica__os_monotonic_us() - t->sent_us) / 1000,
                       .error = error,
                   });
}
