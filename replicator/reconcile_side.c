/* Reconciliation: what the server has and what is here are compared by ranges of keys, where the
 * feed alone cannot tell: deletions were purged, or other documents may be seen now. */
#include "replicator/session_state.h"

void replica__reconcile_begin(struct replica__session *s, size_t feed, const char *why)
{
    replica_error error = { .offset = -1 };

    s->feeds[feed].wanted = true;
    replica__error_set(&error, REPLICA_EHTTP, 409, "the server asks to reconcile: %s", why);
    replica__session_failed(s, &error, 0);
}
