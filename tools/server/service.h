/* What the server answers, without HTTP: a parsed request in; status, headers and body out.
 *
 * Both dialects of docs/protocol.md.  No sockets, no threads, no clock but the world's: http.c
 * drives it over libmicrohttpd, the simulation in process. */
#ifndef SERVER_SERVICE_H
#define SERVER_SERVICE_H

#include "base/buf.h"
#include "base/clock.h"
#include "tools/server/storage.h"

#include <stdbool.h>

struct replica__service;
struct replica__stream; /* stream.h */
struct replica__cursor; /* the rest of a page that is not held whole */

struct replica__access; /* access.h */

struct replica__service_options {
    size_t rows;       /* of a page of our dialect, and of its pushes; 0: 1,000 */
    size_t bytes;      /* of such a page, about; 0: 4 MiB */
    size_t stock_rows; /* of a page, and of a push, of RxDB's dialect; 0: 10,000 */
    size_t streams;    /* open at a time; 0: 10,000 */
    const struct replica__world *world; /* NULL: the real one */
    struct replica__access *access;     /* borrowed; NULL: whoever is let in may do all */
    bool purges;       /* what was deleted ... */
    int64_t purge_ms;  /* ... so long ago goes: purge.h */
};

struct replica__param {
    const char *name;
    const char *value; /* unescaped; NULL is "" */
};

/* Who asks.  It lives as long as the reply to its request, and what that streams. */
struct replica__who {
    const char *claims;  /* what its token says of it: a JSON object; "{}": nothing */
    size_t claims_len;
    int64_t expires_ms;  /* since 1970: streams end then; 0: never */
};

struct replica__request {
    const struct replica__who *who; /* NULL: anybody, of whom nothing is known */
    const char *method;          /* "GET" */
    const char *path;            /* unescaped, without the query: "/cities/0/pull" */
    const struct replica__param *params;
    size_t param_count;
    const char *uses;            /* Replica-Uses, or NULL */
    const char *last_event_id;   /* Last-Event-ID, or NULL */
    const char *if_match;        /* If-Match and If-None-Match, or NULL */
    const char *if_none_match;
    const char *client;          /* Replica-Client, whose locks hold; and Replica-Fence; or NULL */
    const char *fence;
    const char *peer;            /* who asks, for what is delayed by client; or NULL */
    const char *body;
    size_t body_len;
};

enum replica__reply_type { REPLICA__REPLY_JSON, REPLICA__REPLY_REPLICA, REPLICA__REPLY_EVENTS };

struct replica__reply {
    int status;
    enum replica__reply_type type;
    bool no_store;                  /* Cache-Control: no-store */
    int retry_after;                /* in s; 0: none */
    const char *allow;              /* with 405 */
    char etag[REPLICA_REV_SIZE + 2]; /* of a document, with its quotes; "" else */
    int64_t delay_ms;               /* answer only then */
    struct replica__buf body;
    struct replica__cursor *cursor; /* there is more: see replica__reply_more() */
    struct replica__stream *stream; /* an event stream: the body comes from it */
    char failure[512];              /* for the log: why it is a 500 */
};

/* storage is borrowed. */
int replica__service_open(struct replica__storage *storage,
                          const struct replica__service_options *options,
                          struct replica__service **ret_service, replica_error *err);
/* All replies must have been freed. */
void replica__service_close(struct replica__service *service); /* NULL is fine */

/* Can the request be refused before its body is read?  true: reply says how. */
bool replica__service_refuses(struct replica__service *service,
                              const struct replica__request *request,
                              struct replica__reply *reply);
/* Answer.  reply need not be initialised, and is always filled. */
void replica__service_answer(struct replica__service *service,
                             const struct replica__request *request,
                             struct replica__reply *reply);
/* An answer of this status: {"error":word,"message":...}. */
void replica__reply_error(struct replica__reply *reply, int status, const char *word,
                          const char *format, ...) __attribute__((format(printf, 4, 5)));
/* With a member of its own: a limit, or what is common. */
void replica__reply_too_large(struct replica__reply *reply, int64_t limit, const char *what);

/* Append the next part of the body, about 256 KB, to out: 1 there is more, 2 there is, and it took
 * so long that others must have their turn; 0 that was all.  < 0: it broke off, and the connection
 * must say so. */
int replica__reply_more(struct replica__reply *reply, struct replica__buf *out,
                        replica_error *err);
/* The whole body in reply->body, for those who have the memory. */
int replica__reply_whole(struct replica__reply *reply, replica_error *err);
void replica__reply_free(struct replica__reply *reply);

/* The head as far as the service has seen it, and the streams that wait for it: call after
 * storage->work, and after each answer.  Wakes streams.  Returns ms until it wants to be called
 * again (a heartbeat is due), -1: not by itself. */
int64_t replica__service_tick(struct replica__service *service);
/* End all streams, and open no more. */
void replica__service_stop(struct replica__service *service);

#endif
