/* One request and its answer, on libmicrohttpd's side. */
#ifndef SERVER_EXCHANGE_H
#define SERVER_EXCHANGE_H

#include "base/os.h"
#include "tools/server/deadline.h"
#include "tools/server/http.h"
#include "tools/server/squeeze.h"
#include "tools/server/stream.h"

#include <microhttpd.h>

struct replica__exchange {
    struct replica__http *http;
    struct MHD_Connection *conn;
    char *path;              /* for the log */
    const char *method;      /* libmicrohttpd's; lives as long as the request */
    char peer[64];
    bool loopback;           /* the peer is on this machine */
    int64_t start_us;
    int64_t bytes;           /* of the answer's body */
    struct replica__buf body;
    size_t taken;            /* bytes of the body, as they came */
    size_t swallowed;        /* of a body that nobody wants */
    bool last;               /* nothing more is read of this connection */
    size_t held;             /* of http->held */
    struct replica__param *params;
    size_t param_count, param_room;
    bool answered;           /* reply is there */
    bool delayed;            /* it has waited, or waits */
    bool suspended;
    bool watched, gone;      /* of a stream: whether its peer closes, and that it has */
    const struct replica__who *who; /* NULL: anybody */
    struct replica__reply reply;
    struct replica__squeeze *squeeze;
    struct replica__buf part; /* of an answer that is not held whole */
    size_t part_sent;
    bool part_last;
    int64_t due_ms;          /* a delayed answer's time */
    struct replica__exchange *next_delayed;
};

struct replica__http {
    struct replica__service *service;
    struct replica__storage *storage;
    struct replica__http_options options;
    struct MHD_Daemon *daemon;
    struct replica__poller *poller; /* for stop */
    int epoll_fd;
    int gone_fd;                    /* readable: peers of streams have closed; -1 */
    int listen_fd;                  /* ours again once the daemon is quiesced */
    bool resumed;                   /* libmicrohttpd has work that no descriptor tells of */
    size_t active;                  /* exchanges */
    size_t buffered;                /* bytes of bodies under way */
    size_t held;                    /* bytes of answers that are not sent yet */
    struct replica__deadlines deadlines;
    struct replica__exchange *delayed;
    int stopping;                   /* by replica__http_stop(), atomically */
};

/* libmicrohttpd's callbacks. */
enum MHD_Result replica__exchange_request(void *cls, struct MHD_Connection *conn, const char *url,
                                          const char *method, const char *version,
                                          const char *upload, size_t *upload_size,
                                          void **con_cls);
void replica__exchange_completed(void *cls, struct MHD_Connection *conn, void **con_cls,
                                 enum MHD_RequestTerminationCode toe);

/* Let the answers go whose time has come; all: every one.  Ms until the next; -1: none. */
int64_t replica__exchange_tick(struct replica__http *http, bool all);

const char *replica__header(const struct replica__exchange *ex, const char *name);
/* Make a response of the reply, and hand it to libmicrohttpd. */
enum MHD_Result replica__exchange_queue(struct replica__exchange *ex);
void replica__exchange_suspend(struct replica__exchange *ex);
void replica__exchange_wake(void *ctx); /* of an exchange, which may be awake */

#endif
