/* What a server asks its store for, and on whose behalf. */
#ifndef LIBREPLICA_FEED_H
#define LIBREPLICA_FEED_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A part of the feed. */
struct replica__feed_options {
    int64_t since;    /* from after this number */
    int64_t until;    /* up to this one; 0: the head */
    size_t rows;      /* at most; counting minds neither this nor until */
    const char *keys; /* only documents whose key matches this pattern; NULL: all */
    /* Of a page that is read in parts: names of the bundles in it, each with a NUL, to which each
     * part adds its own.  What the page lacks of them comes with a last part of no rows. */
    struct replica__buf *bundles;
};

/* Who pushes. */
struct replica__pusher {
    bool stock;         /* a client of RxDB's: it is told conflicts only */
    const char *client; /* its name, as a holder of locks; NULL: nobody's */
};

#endif
