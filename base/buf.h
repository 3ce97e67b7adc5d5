/* A growing text with a ceiling and a sticky error: append as often as you like, ask once.
 *
 * After the first failure (out of memory, or over the ceiling) every further append does nothing;
 * `r` says what it was.  The text always has a NUL behind it. */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "libreplica/libreplica.h"

struct replica__buf {
    char *data; /* NULL while empty */
    size_t len;
    size_t room;
    size_t max; /* ceiling in bytes; 0: SIZE_MAX / 4 */
    int r;      /* 0, REPLICA_ENOMEM or REPLICA_ELIMIT */
};
#define REPLICA_BUF_INIT { NULL, 0, 0, 0, 0 }

REPLICA_INTERNAL void replica__buf_add(struct replica__buf *b, const void *data, size_t len);
REPLICA_INTERNAL void replica__buf_str(struct replica__buf *b, const char *s);
REPLICA_INTERNAL void replica__buf_char(struct replica__buf *b, char c);
REPLICA_INTERNAL void replica__buf_int(struct replica__buf *b, int64_t n); /* decimal */
REPLICA_INTERNAL void replica__buf_printf(struct replica__buf *b, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* A JSON string with its quotes; escapes what RFC 8259 asks for and nothing else, but lone
 * surrogates (three bytes each, see replica__json_unescape), which are no UTF-8. */
REPLICA_INTERNAL void replica__buf_json_string(struct replica__buf *b, const char *s, size_t len);
/* Make room for n more bytes and return where they go; the caller then adds to len.  NULL on
 * failure. */
REPLICA_INTERNAL char *replica__buf_reserve(struct replica__buf *b, size_t n);
REPLICA_INTERNAL void replica__buf_clear(struct replica__buf *b); /* keeps the room, forgets r */
REPLICA_INTERNAL void replica__buf_free(struct replica__buf *b);
/* The text, which is then yours to replica__free(), or NULL after a failure, which r names.  b is
 * empty again. */
REPLICA_INTERNAL char *replica__buf_take(struct replica__buf *b, size_t *ret_len);

#define REPLICA_BUF __attribute__((cleanup(replica__buf_free))) struct replica__buf

#endif
