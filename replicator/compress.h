/* Bodies of requests, made smaller.  Answers are unpacked by curl. */
#ifndef REPLICATOR_COMPRESS_H
#define REPLICATOR_COMPRESS_H

#include "base/buf.h"

#include <stdbool.h>

/* Was this library built with zstd? */
bool replica__compress_has_zstd(void);

/* Append the bytes as one zstd frame.  0, REPLICA_ENOMEM or REPLICA_ELIMIT; REPLICA_ENOTSUP without
 * zstd. */
int replica__compress_zstd(const char *bytes, size_t len, struct replica__buf *out);

#endif
