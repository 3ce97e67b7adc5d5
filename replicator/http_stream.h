/* The event stream of an answer, given to its call page by page. */
#ifndef REPLICATOR_HTTP_STREAM_H
#define REPLICATOR_HTTP_STREAM_H

#include "replicator/http_request.h"

struct replica__http_stream;

/* A stream that has just been opened: says so to the call.  call and rq live longer than the
 * stream; *call becomes NULL when the call is cancelled, and nothing is given out from then on. */
int replica__http_stream_new(const struct replica__http_request *rq, size_t max,
                             replica_call *const *call, struct replica__http_stream **ret_stream);
void replica__http_stream_free(struct replica__http_stream *stream); /* NULL is fine */

/* 0; REPLICA_ELIMIT: an event above max bytes; REPLICA_ENOMEM. */
int replica__http_stream_feed(struct replica__http_stream *stream, const char *bytes, size_t len);

#endif
