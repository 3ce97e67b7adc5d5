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

/* What a reader is to see of a document, by its text. */
enum {
    REPLICA__SIGHT_SHOWN = 0,
    REPLICA__SIGHT_LEFT = 1,   /* it may, and does not want to: outside its filter */
    REPLICA__SIGHT_HIDDEN = 2  /* it may not */
};
/* was: the text has only those fields that access rules read, as they were; nothing is wanted of
 * it.  < 0: failed. */
struct replica__eye {
    int (*look)(void *ctx, size_t collection, const char *json, size_t len, bool was);
    void *ctx;
    bool (*late)(void *ctx); /* has it looked for long enough, for now?  NULL: never */
};

/* Asked behind the first document, so that whoever comes again gets on. */
static inline bool replica__eye_late(const struct replica__eye *eye)
{
    return eye && eye->late && eye->late(eye->ctx);
}

/* Why a document is not there any more for its reader, who had it; its text is only its key. */
enum { REPLICA__GONE_VIEW = 1, REPLICA__GONE_FILTER = 2 };

/* A part of the feed. */
struct replica__feed_options {
    int64_t since;    /* from after this number */
    int64_t until;    /* up to this one; 0: the head */
    size_t rows;      /* at most; counting minds neither this nor until */
    const char *keys; /* only documents whose key matches this pattern; NULL: all */
    const struct replica__eye *eye; /* who reads; NULL: sees all */
    int64_t fresh;    /* tombstones up to this number are left out; 0: none */
    /* Of a page that is read in parts: the bundles in it, to which each part adds its own.  What
     * the page lacks of them comes with a last part of no rows. */
    struct replica__feed_bundles *bundles;
};

/* A part of a collection in the order of keys. */
struct replica__walk {
    const char *after; /* keys behind this one; NULL: all ... */
    const char *to;    /* ... up to this one; NULL: to the last */
    const char *keys;  /* only those that match this pattern; NULL: all */
    const struct replica__eye *eye; /* who reads: what it does not see shown is passed over */
    bool texts;        /* they are emitted, too */
};

/* Where a purge in slices is; zero: at its beginning. */
struct replica__purge {
    int64_t coll, after; /* the collection, and what was looked at in it */
    bool was;            /* what access rules read of it is at turn, and no tombstones */
    int64_t count;       /* documents that went */
    int64_t young;       /* what has this number or a higher one came lately; 0: not known yet */
};

/* A write of a client's, as the store is about to make it. */
struct replica__guarded {
    size_t row;      /* of the push */
    const char *old; /* the stored live state; NULL: there is none, or it is deleted */
    size_t old_len;
    const char *json; /* the new one */
    size_t len;
    bool deleted;     /* it is: then json is what its tombstone would say, were there no old one */
};
/* Who says whether it may be made, inside the push's transaction. */
struct replica__guard {
    /* 1: it may; a text in out is what is written instead.  0: it may not, with an HTTP status
     * and a reason that tells nothing of the old state.  < 0: failed. */
    int (*judge)(void *ctx, const struct replica__guarded *write, struct replica__buf *out,
                 int *ret_code, const char **ret_reason);
    /* May the pusher see this stored state?  1, with a text in out if that is all that it may see;
     * 0, < 0. */
    int (*shows)(void *ctx, size_t row, const char *json, size_t len, struct replica__buf *out);
    void *ctx;
};

/* Who pushes. */
struct replica__pusher {
    bool stock;         /* a client of RxDB's: it is told conflicts only */
    const char *client; /* its name, as a holder of locks; NULL: nobody's */
    const struct replica__guard *guard; /* NULL: all may be written */
    bool undated;       /* its checkpoint is the beginning: it may be a push of long ago, again */
};

#endif
