/* Compression of answers, in parts of any size, and of request bodies that come compressed. */
#ifndef SERVER_SQUEEZE_H
#define SERVER_SQUEEZE_H

#include "base/buf.h"

#include <stdbool.h>

enum replica__coding { REPLICA__CODING_NONE, REPLICA__CODING_GZIP, REPLICA__CODING_ZSTD };

/* The best that an Accept-Encoding header (or NULL) allows and we can. */
enum replica__coding replica__coding_choose(const char *accept_encoding);
/* What a Content-Encoding header names, and we can; else none. */
enum replica__coding replica__coding_named(const char *content_encoding);
const char *replica__coding_name(enum replica__coding coding); /* NULL for none */

struct replica__squeeze;
enum replica__coding replica__squeeze_coding(const struct replica__squeeze *squeeze);
int replica__squeeze_open(enum replica__coding coding, struct replica__squeeze **ret_squeeze);
enum replica__squeeze_end {
    REPLICA__SQUEEZE_MORE,  /* what comes may be kept back, */
    REPLICA__SQUEEZE_FLUSH, /* or not, */
    REPLICA__SQUEEZE_LAST   /* or nothing comes any more */
};
/* Compress the next part, appended to out. */
int replica__squeeze_add(struct replica__squeeze *squeeze, const char *data, size_t len,
                         enum replica__squeeze_end end, struct replica__buf *out);
void replica__squeeze_close(struct replica__squeeze *squeeze); /* NULL is fine */

/* A whole body.  out->max bounds it: REPLICA_ELIMIT.  REPLICA_EINVAL: it is not of this coding. */
int replica__unsqueeze(enum replica__coding coding, const char *data, size_t len,
                       struct replica__buf *out);

#endif
