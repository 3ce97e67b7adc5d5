/* What the files of the streams share. */
#ifndef SERVER_STREAM_STATE_H
#define SERVER_STREAM_STATE_H

#include "tools/server/event.h"
#include "tools/server/stream.h"
#include "tools/server/view.h"

struct replica__event {
    int refs;
    char *key;                     /* collections, dialect and view */
    int64_t since;
    struct replica__place follows; /* our dialect: part of the text */
    int64_t head;                  /* when it was made */
    int64_t last;
    bool at_head;
    struct replica__buf text;      /* empty: there was nothing for these collections */
};

struct replica__stream {
    struct replica__stream *prev, *next;
    struct replica__service *service;
    bool rxdb;
    char *key;
    char *client; /* who reads it; NULL: not told */
    struct replica__view view;
    struct replica__target *targets;
    size_t n;
    int64_t since;
    struct replica__place follows;
    struct replica__ears *ears;   /* NULL: documents alone */
    bool heard;                   /* the last event was for those: documents go first */
    struct replica__event *event; /* under way */
    size_t sent;                  /* of it */
    int64_t last_ms;              /* when it was last heard */
    int64_t expires_ms;           /* as its reader's token does; 0: never */
    bool waiting;
    bool behind;                  /* there is more to look at, when it is its turn again */
    bool beat;                    /* a heartbeat is due */
    bool ended;
    void (*wake)(void *ctx);
    void *wake_ctx;
};

static inline int64_t replica__stream_clock(const struct replica__service *service)
{
    return service->world->monotonic_ms(service->world->ctx);
}

/* ---- stream_event.c -------------------------------------------------------------- */

void replica__event_unref(struct replica__event *event); /* NULL is fine */
/* Read on from where the stream stands; documents and what was emitted take turns.  1: there is an
 * event; 0: nothing, or it is behind; < 0 failed. */
int replica__stream_next(struct replica__stream *s);

#endif
