/* Revisions: `<height>-<token>`.  The height counts the writes of a document; the token, the
 * opening's followed by the write's sequence number, is unlike any other. */
#ifndef LIBREPLICA_REVISION_H
#define LIBREPLICA_REVISION_H

#include "libreplica/token.h"

/* Into room of REPLICA_REV_SIZE; returns its length. */
size_t replica__revision_write(char *to, int64_t height, const char *opening, int64_t sequence);

#endif
