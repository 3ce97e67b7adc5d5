/* A comparison that is under way, shared by its files: reconcile_side.c asks, reconcile_compare.c
 * compares what was answered with what is known here. */
#ifndef REPLICATOR_RECONCILE_WALK_H
#define REPLICATOR_RECONCILE_WALK_H

#include "replicator/reconcile_answer.h"
#include "replicator/session_state.h"

#include <string.h>

struct walk {
    size_t feed;
    struct replica__reconcile at; /* compared so far; the file may be a little behind */
    bool noted;                   /* it is not */
    struct replica__range_answer digests, ids;
    size_t chunk, item;           /* the next ones */
    bool listed;                  /* ids is of the chunk */
    char **asked;                 /* documents, */
    size_t asked_count, asked_from;
    char *to;                     /* with them all up to this key is compared; NULL: to the end */
    struct arrived page;          /* about them */
    bool has_page;
};

/* The second pass of a walk after other rules: a document may be shown with other fields under the
 * number that it had. */
#define REPLICA__WALK_TEXTS "texts"
static inline bool replica__walk_of_texts(const struct walk *w)
{
    return strcmp(w->at.why, REPLICA__WALK_TEXTS) == 0;
}

/* The listed keys against those known here, as many as are asked for at once: they are in `asked`,
 * or there are none and the walk has moved on. */
int replica__reconcile_compare(struct replica__session *s, replica_collection *coll,
                               replica_error *err);
/* All of the chunk that stands next is compared; or all up to this key, which may be the end of
 * what was listed, or of the chunk. */
int replica__reconcile_end_chunk(struct walk *w, replica_error *err);
int replica__reconcile_end_part(struct walk *w, const char *to, replica_error *err);
void replica__reconcile_forget_asked(struct walk *w);

#endif
