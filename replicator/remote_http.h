/* The remote that speaks HTTP: both dialects, over one curl multi handle.
 *
 * Belongs to one thread, the runner's, like every remote.  It is asked once what the server is
 * (hello), and speaks RxDB's dialect until it knows better.  No call is answered before its start
 * has returned: answers are given by `work`.
 *
 * curl_global_init(): called once for the process, by the first remote, with CURL_GLOBAL_DEFAULT,
 * and never undone.  With a libcurl older than 7.84, where that call is not safe beside other
 * threads that use curl, a program that uses curl itself calls it before its first replication.
 * Environment variables: the proxies' that curl reads, no others.  After a fork the child must not
 * use a remote. */
#ifndef REPLICATOR_REMOTE_HTTP_H
#define REPLICATOR_REMOTE_HTTP_H

#include "replicator/replicator.h"

#include <stdbool.h>

#define REPLICA__TOKEN_ROOM 8192 /* bytes of a token, with its NUL */
#define REPLICA__TOKEN_LATER 2   /* the answer comes by replica__remote_http_token() */

struct replica__http_options {
    const char *url;            /* {base}/{collection}/{version}, of the first collection */
    const char *collection;     /* what the program calls that one; NULL: as the URL does */
    const char *const *headers; /* "Name: value", NULL at the end; or NULL */
    bool rxdb_only;             /* do not ask hello */
    bool compress_loopback;     /* compress where it costs more than it saves, too */
    int request_timeout_ms;     /* without any progress; 0: 30000 */
    size_t max_answer;          /* bytes of a body, and of an event; 0: 64 MiB */
    /* As replica_token_fn, asked before the first request and after a 401 (refused), once for all
     * that wait; or REPLICA__TOKEN_LATER.  NULL: no token. */
    int (*token)(void *ctx, bool refused, char *out, size_t room);
    /* A request has ended, or a stream has begun; without number and time.  NULL: nobody listens.
     */
    void (*trace)(void *ctx, const replica_sync_trace_entry *entry);
    void *ctx; /* of both */
};

/* Everything is copied.  REPLICA_EINVAL: a URL or a header that is none. */
int replica__remote_http_new(const struct replica__http_options *o, replica_remote *ret,
                             replica_error *err);

/* After REPLICA__TOKEN_LATER: the token; "": go without one; NULL: there will be none, and what
 * waits fails with REPLICA_EAUTH (by `work`).  On the remote's thread. */
void replica__remote_http_token(const replica_remote *remote, const char *token);

/* Bytes of bodies, as they went over the wire, since the start. */
void replica__remote_http_bytes(const replica_remote *remote, int64_t *ret_down, int64_t *ret_up);

#endif
