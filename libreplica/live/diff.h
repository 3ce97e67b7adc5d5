/* Differences between two results, in the form in which a live query tells them. */
#ifndef LIBREPLICA_LIVE_DIFF_H
#define LIBREPLICA_LIVE_DIFF_H

#include "libreplica/query.h"

/* Each difference owns its document. */
struct replica__live_diff {
    replica_live_change *list;
    size_t n, room;
};
void replica__live_diff_free(struct replica__live_diff *diff); /* it is empty then */
/* Room for n more, so that adding them cannot fail.  REPLICA_ENOMEM. */
int replica__live_diff_reserve(struct replica__live_diff *diff, size_t n);
void replica__live_diff_add(struct replica__live_diff *diff, int what, replica_doc *doc,
                            size_t from, size_t to);

/* Append what makes `now` of `was`: removals from the end on, then moves, additions in order, and
 * last what changed in its place.  Documents that are in both in the same state must be in the same
 * order.  Nothing is appended on REPLICA_ENOMEM. */
int replica__live_diff_between(struct replica__live_diff *diff, replica_doc *const *was,
                               size_t was_n, replica_doc *const *now, size_t now_n);

#endif
