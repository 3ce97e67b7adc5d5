/* Server-sent events: it makes no difference where the pieces are cut, and nothing passes the
 * ceiling.  The first byte says how long the pieces are. */
#include "replicator/sse.h"

#include <stdlib.h>
#include <string.h>

enum { CEILING = 200 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* What was called back, up to the failure. */
static void on_event(void *ctx, const struct replica__sse_event *e)
{
    struct replica__buf *log = ctx;

    if (e->len > CEILING || strlen(e->type) > CEILING || strlen(e->last_id) > CEILING)
        abort();
    replica__buf_printf(log, "[%s|%s|%zu|", e->type, e->last_id, e->len);
    replica__buf_add(log, e->data, e->len + 1); /* with its NUL */
}

static void on_comment(void *ctx)
{
    replica__buf_char(ctx, '#');
}

static int feed(const char *bytes, size_t len, size_t piece, struct replica__buf *log,
                int64_t *ret_retry)
{
    const struct replica__sse_handlers handlers = { on_event, on_comment, log };
    struct replica__sse s;
    int r = 0;

    replica__sse_init(&s, CEILING);
    for (size_t at = 0; at < len && r == 0; at += piece) {
        size_t n = len - at < piece ? len - at : piece;
        char *exact = malloc(n); /* so that reading one byte too far is seen */

        if (!exact)
            abort();
        memcpy(exact, bytes + at, n);
        r = replica__sse_feed(&s, exact, n, &handlers);
        free(exact);
    }
    *ret_retry = s.retry_ms;
    replica__sse_free(&s);
    return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    REPLICA_BUF whole = REPLICA_BUF_INIT;
    REPLICA_BUF pieces = REPLICA_BUF_INIT;
    int64_t a, b;
    int r;

    if (len < 2)
        return 0;
    r = feed((const char *)data + 1, len - 1, len, &whole, &a);
    if (r != 0 && r != REPLICA_ELIMIT)
        abort();
    if (feed((const char *)data + 1, len - 1, 1 + data[0] % 16, &pieces, &b) != r || a != b)
        abort();
    if (whole.len != pieces.len || (whole.len && memcmp(whole.data, pieces.data, whole.len) != 0))
        abort();
    return 0;
}
