/* Another filter, or another pattern of keys, than the last time: what lies outside and is in step
 * is taken away before anything is pulled.  What lies inside then comes from the beginning, or by
 * a comparison (reconcile_side.c) where the server can do that. */
#include "replicator/session_state.h"

/* 1: a slice was swept, and there may be more; 0: there is nothing to sweep. */
static int sweep(struct replica__session *s, size_t feed, replica_error *err)
{
    struct replica__reconcile progress = { .why = "" };
    int r = replica__reconcile_get(s->repl, feed, &progress, err);
    bool wanted = r > 0 && strcmp(progress.why, "filter") == 0;

    replica__reconcile_free(&progress);
    if (r < 0 || !wanted)
        return r < 0 ? r : 0;
    r = replica__outside_sweep(s->repl, feed, &s->feeds[feed].swept_to, err);
    if (r != 0 || s->features & REPLICA_REMOTE_RANGES)
        return r;
    return replica__reconcile_end(s->repl, feed, false, err);
}

bool replica__filter_side_step(struct replica__session *s)
{
    replica_error error = { .offset = -1 };

    for (size_t i = 0; i < s->feed_count; i++) {
        int r = s->feeds[i].swept ? 0 : sweep(s, i, &error);

        if (r < 0) {
            replica__session_failed(s, &error, 0);
            return true;
        }
        if (r > 0)
            return true;
        s->feeds[i].swept = true;
    }
    return false;
}
