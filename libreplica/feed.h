/* What a server asks its store for, and on whose behalf. */
#ifndef LIBREPLICA_FEED_H
#define LIBREPLICA_FEED_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bundles that have written documents of a page: their names, each with a NUL. */
struct replica__feed_bundles {
    struct replica__buf shown; /* the states that it shows */
    struct replica__buf all;   /* and states before those */
};
static inline void replica__feed_bundles_free(struct replica__feed_bundles *bundles)
{
    replica__buf_free(&bundles->shown);
    replica__buf_free(&bundles->all);
}

/* A part of the feed. */
struct replica__feed_options {
    int64_t since;    /* from after this number */
    int64_t until;    /* up to this one; 0: the head */
    size_t rows;      /* at most; counting minds neither this nor until */
    const char *keys; /* only documents whose key matches this pattern; NULL: all */
    /* Of a page that is read in parts: the bundles in it, to which each part adds its own.  What
     * the page lacks of them comes with a last part of no rows. */
    struct replica__feed_bundles *bundles;
};

/* Who pushes. */
struct replica__pusher {
    bool stock;         /* a client of RxDB's: it is told conflicts only */
    const char *client; /* its name, as a holder of locks; NULL: nobody's */
};

#endif
