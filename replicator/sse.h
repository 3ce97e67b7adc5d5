/* Server-sent events, read as they come: https://html.spec.whatwg.org/multipage/server-sent-events
 *
 * Feed it bytes in pieces of any size; it calls back for each event, and for each comment, which is
 * how a server shows that it lives. */
#ifndef REPLICATOR_SSE_H
#define REPLICATOR_SSE_H

#include "base/buf.h"

#include <stdbool.h>

/* data and its fellows have a NUL and live for the call. */
struct replica__sse_event {
    const char *type;      /* "message" if the server named none */
    const char *data;
    size_t len;            /* of data, in which a NUL may stand */
    const char *last_id;   /* the last id that was given, with or before this event; "" */
};

struct replica__sse_handlers {
    void (*event)(void *ctx, const struct replica__sse_event *event);
    void (*comment)(void *ctx); /* or NULL */
    void *ctx;
};

struct replica__sse {
    struct replica__buf line; /* what came of the current line */
    struct replica__buf data;
    struct replica__buf type;
    struct replica__buf id;   /* given since the last event */
    struct replica__buf last_id;
    size_t max;               /* ceiling of a line, and of an event's data */
    int64_t retry_ms;         /* as the server asked for; -1: it did not */
    bool has_data;            /* an empty data line is data too */
    bool after_cr;            /* a LF now belongs to the CR before */
    unsigned bom;             /* bytes of a byte order mark seen; 3: none is looked for any more */
    bool stopped;
};

void replica__sse_init(struct replica__sse *s, size_t max);
void replica__sse_free(struct replica__sse *s);

/* 0; REPLICA_ELIMIT: a line or event is longer than max, REPLICA_ENOMEM; s is of no more use then.
 * What was complete before has been called back for.  A handler may call replica__sse_stop(). */
int replica__sse_feed(struct replica__sse *s, const char *bytes, size_t len,
                      const struct replica__sse_handlers *handlers);
/* No more callbacks, also from the feed that is under way. */
void replica__sse_stop(struct replica__sse *s);

#endif
