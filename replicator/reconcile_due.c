/* Which comparison with the server (reconcile_side.c) is to come: one that the file says is under
 * way or to begin, one that an absent checkpoint makes necessary, or one that waits until all was
 * pushed. */
#include "replicator/session_state.h"

#include <stdio.h>

/* The walk behind the return of what a server had lost: among that may be what is not for us any
 * more, which it could not say before. */
#define RETURNED "returned"

bool replica__reconcile_is_of_returned(const struct replica__reconcile *at)
{
    return strcmp(at->why, RETURNED) == 0;
}

/* 1: one is to come when all was pushed, but that is not so yet; or nothing was taken. */
static int must_wait(const struct replica__session *s, size_t feed,
                     const struct replica__reconcile *at, replica_error *err)
{
    struct replica__marker marker;
    int r;

    if (at->head || !replica__reconcile_is_of_returned(at) || !s->o.push)
        return 0;
    r = replica__replication_pending(s->repl, err);
    if (r != 0)
        return r;
    r = replica__replication_markers(s->repl, "", &marker, 1, err);
    if (r != 0)
        return r < 0 ? r : 0;
    r = replica__reconcile_end(s->repl, feed, false, err);
    return r < 0 ? r : 1;
}

int replica__reconcile_find(struct replica__session *s, size_t feed, struct replica__reconcile *ret,
                            replica_error *err)
{
    bool able = s->features & REPLICA_REMOTE_RANGES && s->remote.ask;
    bool lacking = s->features & (REPLICA_REMOTE_PURGED | REPLICA_REMOTE_VIEWS) || s->filter;
    int r = replica__reconcile_get(s->repl, feed, ret, err);
    int known;

    if (r > 0 && (known = must_wait(s, feed, ret, err)) != 0) {
        replica__reconcile_free(ret);
        return known < 0 ? known : 0;
    }
    if (r < 0 || (r == 0 && (!able || !lacking || replica__feed_checkpoint(s->repl, feed))))
        return r;
    known = able ? replica__known_any(s->repl, feed, err) : 0;
    if (known < 0)
        return known;
    /* All that is there comes as new; but not by pages that the server knows to be not enough. */
    if (known == 0 && r > 0 && !(able && (ret->head || strcmp(ret->why, "horizon") == 0))) {
        replica__reconcile_free(ret);
        r = replica__feed_checkpoint(s->repl, feed) ? replica__feed_reset(s->repl, feed, err) : 0;
        return r < 0 ? r : replica__reconcile_end(s->repl, feed, false, err);
    }
    if (r == 0 && known > 0)
        snprintf(ret->why, sizeof ret->why, "resync");
    return r > 0 || known > 0;
}

int replica__reconcile_side_note(struct replica__session *s, size_t feed, const char *why,
                                 replica_error *err)
{
    struct replica__reconcile at = { .why = "" };
    int r = replica__reconcile_get(s->repl, feed, &at, err);

    replica__reconcile_free(&at);
    if (r != 0)
        return r < 0 ? r : 0;
    at = (struct replica__reconcile){ .why = "" };
    snprintf(at.why, sizeof at.why, "%s", why);
    r = replica__reconcile_put(s->repl, feed, &at, err);
    return r < 0 ? r : 1;
}

int replica__reconcile_side_after(struct replica__session *s, size_t feed, replica_error *err)
{
    const char *checkpoint = replica__feed_checkpoint(s->repl, feed);

    if (!checkpoint || !strchr(checkpoint, '-')) /* "<incarnation>-<view>" has what is for us */
        return 0;
    return replica__reconcile_side_note(s, feed, RETURNED, err);
}

int replica__reconcile_side_due(struct replica__session *s, replica_error *err)
{
    int found = 0;

    for (size_t i = 0; s->o.pull && i < s->feed_count; i++) {
        struct replica__reconcile at = { .why = "" };
        int r = replica__reconcile_get(s->repl, i, &at, err);

        if (r > 0 && replica__reconcile_is_of_returned(&at)) {
            s->feeds[i].wanted = true;
            found = 1;
        }
        replica__reconcile_free(&at);
        if (r < 0)
            return r;
    }
    return found;
}
