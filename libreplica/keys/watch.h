/* Observers of patterns: what is there, and then what changes.
 *
 * Of each collection they form a group that follows the change feed together.  A new one waits for
 * its snapshot, which is of one moment and is told in slices; the group stands still in the feed
 * until no snapshot is left, so that each observer goes on exactly behind its own.  A tree of the
 * patterns says whom a change concerns. */
#ifndef LIBREPLICA_KEYS_WATCH_H
#define LIBREPLICA_KEYS_WATCH_H

#include "libreplica/watch.h"

struct replica__key_listener {
    replica_change_fn fn;
    /* Or, for listeners of ours: < 0, it is told all anew, from a snapshot on. */
    int (*take)(void *ctx, const replica_change *change);
    /* After it was told something, when that was all for now: what was committed together was told
     * to the end.  The same with its result. */
    int (*caught_up)(void *ctx);
    void *ctx;
    replica_destroy_fn destroy;
};
/* As replica_keys_observe(). */
int replica__key_watch(replica_collection *coll, const char *pattern,
                       const struct replica__key_listener *listener,
                       replica_observer **ret_observer, replica_error *err);

/* As their fellows in watch.h, for one collection. */
int replica__key_watch_round(replica_collection *coll, int64_t until_ms, replica_error *err);
void replica__key_watch_end(replica_collection *coll);

#endif
