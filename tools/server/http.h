/* The service over HTTP, by libmicrohttpd: one thread, that of replica__http_run().
 *
 * libmicrohttpd is driven from our own loop, so that storage, streams and connections all live on
 * one thread and nothing needs a lock. */
#ifndef SERVER_HTTP_H
#define SERVER_HTTP_H

#include "tools/server/auth.h"
#include "tools/server/service.h"

struct replica__http;

struct replica__http_options {
    struct replica__auth *auth;       /* NULL: everybody may ask */
    size_t max_body;                  /* bytes of a request, also when decompressed; 0: 64 MiB */
    size_t max_streams;               /* as the service has it; connections are some more */
    /* For a request to arrive, and an answer to be taken; what moves has a second more for each
     * 1,000 bytes.  0: a minute. */
    int64_t patience_ms;
    bool log;                         /* a line per request on stderr */
};

/* listen_fd is taken over, also on failure. */
int replica__http_open(struct replica__service *service, struct replica__storage *storage,
                       int listen_fd, const struct replica__http_options *options,
                       struct replica__http **ret_http, replica_error *err);
/* Serve until somebody says stop; then end the streams, finish what is under way, and return. */
int replica__http_run(struct replica__http *http, replica_error *err);
/* Any thread, or a signal handler. */
void replica__http_stop(struct replica__http *http);
void replica__http_close(struct replica__http *http); /* NULL is fine */

#endif
