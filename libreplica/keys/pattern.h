/* A pattern over keys that are paths: which keys match it, and, for who reads keys in order, where
 * the next one that may match can be at the earliest.
 *
 * Segments lie between slashes; "*" stands for one of any name, "**" for any number of them.  It is
 * a value of some 600 bytes that borrows its text, so that nothing is to be freed. */
#ifndef LIBREPLICA_PATTERN_H
#define LIBREPLICA_PATTERN_H

#include "base/buf.h"
#include "libreplica/libreplica.h"

#include <stdbool.h>

#define REPLICA__PATTERN_SEGMENTS 64

enum replica__segment_kind { REPLICA__SEGMENT_NAME, REPLICA__SEGMENT_ANY, REPLICA__SEGMENT_MANY };

struct replica__pattern {
    const char *text; /* borrowed */
    unsigned n;       /* segments */
    unsigned fixed;   /* so many come before the first "**" */
    uint64_t stars;   /* bit i: segment i is "*" or "**" */
    struct {
        uint32_t at, len; /* in the text */
    } segments[REPLICA__PATTERN_SEGMENTS];
};

/* text must live as long as the pattern is used.  REPLICA_EINVAL, with the offset: it is none. */
REPLICA_INTERNAL int replica__pattern_parse(struct replica__pattern *ret, const char *text,
                                            replica_error *err);
REPLICA_INTERNAL bool replica__pattern_matches(const struct replica__pattern *p, const char *key,
                                               size_t len);
enum replica__segment_kind replica__pattern_kind(const struct replica__pattern *p, unsigned i);
/* No star in it: it matches the key that is its text, and no other. */
static inline bool replica__pattern_is_key(const struct replica__pattern *p)
{
    return p->stars == 0;
}

enum replica__seek {
    REPLICA__SEEK_END,  /* no key behind this one matches */
    REPLICA__SEEK_NEXT, /* the very next key may match */
    REPLICA__SEEK_TO    /* none matches before the key that was written */
};
/* Where to go on behind a key, in the order of keys (bytewise).  ret_from is the caller's buffer; a
 * failure to grow it is in it.  With key "" and len 0 it tells where to begin. */
enum replica__seek replica__pattern_seek(const struct replica__pattern *p, const char *key,
                                         size_t len, struct replica__buf *ret_from);

#endif
