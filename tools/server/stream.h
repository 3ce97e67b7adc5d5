/* Event streams: each has its position in the feed and reads on from there whenever the head has
 * moved, so that a slow reader costs no memory, and meets no gap.
 *
 * An event is encoded once for all streams that stand at the same place of the same collections. */
#ifndef SERVER_STREAM_H
#define SERVER_STREAM_H

#include "tools/server/service.h"

struct replica__stream;

/* wake(ctx) is called, from inside the service, when a stream that had nothing to read has
 * something again, or has ended. */
void replica__stream_on_wake(struct replica__stream *stream, void (*wake)(void *ctx), void *ctx);

/* Copy up to `room` bytes.  0: nothing now, and it will wake; -1: it has ended. */
long replica__stream_read(struct replica__stream *stream, char *to, size_t room);

#endif
