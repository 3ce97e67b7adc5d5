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
    /* After fn was called, when there is nothing more to tell for now: all that was committed
     * together was told.  NULL is fine. */
    void (*caught_up)(void *ctx);
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
