/* Questions to the remote: how they begin, how long they may take, and that they end.  What is
 * answered comes to call.c. */
#include "replicator/session_state.h"

#include <assert.h>

/* A question that is not answered for so long is asked again: the remote has deadlines of its own,
 * this is for one that has not. */
#define WATCHDOG_MS (5 * 60 * 1000)

size_t replica__session_feed_request(struct replica__session *s, size_t feed,
                                     const replica_remote_collection **ret)
{
    replica_collection *const *colls;
    size_t n = replica__feed_collections(s->repl, feed, &colls);

    /* Feeds have their collections in the session's order: one each, or all. */
    for (size_t i = 0; i < s->o.count; i++)
        s->named[i].version = (int)replica__endpoint_at(s->repl, s->colls[i]);
    *ret = n == s->o.count ? s->named : &s->named[feed];
    return n;
}

static int start_call(struct replica__session *s, replica_call *call)
{
    replica_remote *remote = &s->remote;
    replica_pull_request request = {
        .checkpoint = NULL,
        .rows = (int)s->pull_rows,
        .bytes = s->o.bytes,
    };

    if (call->kind == CALL_HELLO)
        return remote->hello(remote->ctx, call);
    request.checkpoint = call->kind == CALL_PULL ? s->asked_from
                                                 : replica__feed_checkpoint(s->repl, call->feed);
    request.count = replica__session_feed_request(s, call->feed, &request.collections);
    request.client = replica__replication_client(s->repl);
    if (s->features & REPLICA_REMOTE_KEYS)
        request.keys = s->keys;
    if (s->features & REPLICA_REMOTE_FILTER)
        request.filter = s->filter;
    if (call->kind == CALL_PULL && s->features & REPLICA_REMOTE_RANGES)
        request.fresh = s->feeds[call->feed].fresh ? -1 : replica__feed_fresh(s->repl, call->feed);
    if (call->kind == CALL_PULL && s->walk)
        replica__reconcile_side_request(s, &request);
    else if (call->kind == CALL_PULL && replica__verify_side_runs(s))
        replica__verify_side_request(s, &request);
    if (call->kind == CALL_STREAM && call->feed == 0)
        request.listen = replica__event_side_listen(s);
    return call->kind == CALL_PULL ? remote->pull(remote->ctx, call, &request)
                                   : remote->stream(remote->ctx, call, &request);
}

bool replica__session_begin_call(struct replica__session *s, replica_call *call,
                                 enum call_kind kind, size_t feed)
{
    replica_error error = { .offset = -1 };
    int r;

    assert(!call->open);
    *call = (replica_call){ .session = s,
                            .kind = kind,
                            .feed = feed,
                            .open = true,
                            .deadline = replica__session_clock(s) + WATCHDOG_MS };
    r = start_call(s, call);
    if (r >= 0)
        return true;
    call->open = false;
    replica__error_set(&error, r, 0, "the remote could not start a request");
    if (kind == CALL_STREAM)
        replica__stream_side_failed(s, feed, &error, 0);
    else
        replica__session_failed(s, &error, 0);
    return false;
}

int replica__session_ask(struct replica__session *s, replica_call *call, const struct asker *asker,
                         const char *json, size_t len)
{
    int r;

    assert(!call->open);
    if (!s->remote.ask)
        return REPLICA_ENOTSUP;
    *call = (replica_call){ .session = s,
                            .kind = CALL_ASK,
                            .open = true,
                            .deadline = replica__session_clock(s) + WATCHDOG_MS,
                            .asker = asker };
    r = s->remote.ask(s->remote.ctx, call, asker->what, json, len);
    if (r < 0)
        call->open = false;
    return r < 0 ? r : 0;
}

void replica__session_watch_ask(struct replica__session *s, replica_call *call)
{
    replica_error error = { .offset = -1 };

    if (!call->open || replica__session_clock(s) < call->deadline)
        return;
    replica__session_cancel_call(s, call);
    replica__error_set(&error, REPLICA_ETIMEOUT, 0, "watchdog: '%s' had no answer for %d s",
                       call->asker->what, WATCHDOG_MS / 1000);
    call->asker->failed(s, &error, 0);
}

void replica__session_cancel_call(struct replica__session *s, replica_call *call)
{
    if (!call->open)
        return;
    call->open = false;
    if (s->remote.cancel)
        s->remote.cancel(s->remote.ctx, call);
}

void replica__session_watch_call(struct replica__session *s, replica_call *call, const char *what)
{
    replica_error error = { .offset = -1 };

    if (!call->open || replica__session_clock(s) < call->deadline)
        return;
    replica__session_cancel_call(s, call);
    replica__error_set(&error, REPLICA_ETIMEOUT, 0,
                       "watchdog: %s had no answer for %d s, and is asked again", what,
                       WATCHDOG_MS / 1000);
    replica__session_failed(s, &error, 0);
}
