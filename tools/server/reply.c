/* Replies: those that are errors, and bodies that are read to their end. */
#include "base/error.h"
#include "tools/server/page.h"
#include "tools/server/state.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void replica__message_add(const char *message, struct replica__buf *out)
{
    char plain[640];
    size_t len = 0;

    for (; message[len] && len < sizeof(plain); len++)
        plain[len] = message[len] >= ' ' && message[len] <= '~' ? message[len] : '?';
    replica__buf_json_string(out, plain, len);
}

void replica__reply_begin(struct replica__reply *reply, int status, const char *word,
                          const char *message)
{
    replica__reply_free(reply);
    memset(reply, 0, sizeof(*reply));
    reply->status = status;
    replica__buf_str(&reply->body, "{\"error\":");
    replica__buf_json_string(&reply->body, word, strlen(word));
    replica__buf_str(&reply->body, ",\"message\":");
    replica__message_add(message, &reply->body);
}

void replica__reply_error(struct replica__reply *reply, int status, const char *word,
                          const char *format, ...)
{
    char message[600];
    va_list args;

    va_start(args, format);
    vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    replica__reply_begin(reply, status, word, message);
    replica__buf_char(&reply->body, '}');
}

void replica__reply_too_large(struct replica__reply *reply, int64_t limit, const char *what)
{
    replica__reply_begin(reply, 413, "size", what);
    replica__buf_str(&reply->body, ",\"limit\":");
    replica__buf_int(&reply->body, limit);
    replica__buf_char(&reply->body, '}');
}

void replica__reply_timeline(struct replica__reply *reply, const struct replica__place *common)
{
    replica__reply_begin(reply, 409, "timeline", "the checkpoint is from a lost timeline");
    replica__buf_str(&reply->body, ",\"common\":");
    replica__place_add(common, &reply->body);
    replica__buf_char(&reply->body, '}');
}

void replica__reply_reconcile(struct replica__reply *reply, const char *why)
{
    replica__reply_begin(reply, 409, "reconcile", "what lies behind the checkpoint is not known");
    replica__buf_str(&reply->body, ",\"why\":");
    replica__buf_json_string(&reply->body, why, strlen(why));
    replica__buf_char(&reply->body, '}');
}

void replica__reply_failure(struct replica__reply *reply, const replica_error *err)
{
    bool passes = err->code == REPLICA_EBUSY || err->code == REPLICA_ENOMEM;

    if (passes)
        replica__reply_error(reply, 503, "busy", "the server is busy");
    else
        replica__reply_error(reply, 500, "server", "the server failed (%s)",
                             replica_error_name(err->code));
    reply->retry_after = passes ? 1 : 0;
    snprintf(reply->failure, sizeof(reply->failure), "%s", err->message);
}

void replica__reply_free(struct replica__reply *reply)
{
    replica__buf_free(&reply->body);
    replica__pages_close(reply->cursor);
    reply->cursor = NULL;
    replica__stream_close(reply->stream);
    reply->stream = NULL;
}

int replica__reply_more(struct replica__reply *reply, struct replica__buf *out,
                        replica_error *err)
{
    return reply->cursor ? replica__pages_more(reply->cursor, out, err) : 0;
}

int replica__reply_whole(struct replica__reply *reply, replica_error *err)
{
    int r = 1;

    while (r > 0)
        r = replica__reply_more(reply, &reply->body, err);
    return r;
}
