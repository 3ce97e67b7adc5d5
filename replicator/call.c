/* The answers of a remote, as they come: each goes to the side that asked.
 *
 * A remote may answer a call that was cancelled meanwhile; such an answer is dropped.  What is
 * committed on the way is the session's own, within a step or not. */
#include "base/json.h"
#include "replicator/retry.h"
#include "replicator/session_state.h"

static bool take(replica_call *call)
{
    bool open = call->open;

    call->open = false;
    return open;
}

void replica_call_page(replica_call *call, const replica_remote_page *page)
{
    struct replica__session *s = call->session;

    if (!take(call))
        return;
    s->busy++;
    replica__pull_side_answer(s, page);
    s->busy--;
}

void replica_call_verdicts(replica_call *call, const replica_remote_verdicts *answer)
{
    struct replica__session *s = call->session;

    if (!take(call))
        return;
    s->busy++;
    replica__push_side_answer(s, answer);
    s->busy--;
}

void replica_call_open(replica_call *call)
{
    if (call->open)
        replica__stream_side_opened(call->session, call->feed);
}

void replica_call_event(replica_call *call, const replica_remote_page *page)
{
    if (call->open)
        replica__stream_side_event(call->session, call->feed, page);
}

void replica_call_resync(replica_call *call)
{
    if (!call->open)
        return;
    replica__stream_side_heard(call->session, call->feed);
    replica__stream_side_news(call->session, call->feed);
}

void replica_call_alive(replica_call *call)
{
    if (call->open)
        replica__stream_side_heard(call->session, call->feed);
}

void replica_call_answer(replica_call *call, const char *json, size_t len)
{
    struct replica__session *s = call->session;
    replica_error error = { .offset = -1 };

    if (!take(call))
        return;
    s->busy++;
    if (replica__json_check(json, len, NULL, &error) < 0)
        call->asker->failed(s, &error, 0);
    else
        call->asker->answered(s, json, len);
    s->busy--;
}

/* Names that are not known here are of a later time. */
void replica_call_told(replica_call *call, const char *what, const char *json, size_t len)
{
    if (!call->open)
        return;
    replica__stream_side_heard(call->session, call->feed);
    if (strcmp(what, "event") == 0 && replica__json_check(json, len, NULL, NULL) == 0)
        replica__event_side_told(call->session, json, len);
}

void replica_call_fail(replica_call *call, const replica_error *error, int64_t retry_ms)
{
    struct replica__session *s = call->session;

    if (!take(call))
        return;
    if (retry_ms > REPLICA__RETRY_CAP_MS) /* no server makes us wait for days */
        retry_ms = REPLICA__RETRY_CAP_MS;
    s->busy++;
    switch (call->kind) {
    case CALL_HELLO: replica__session_failed(s, error, retry_ms); break;
    case CALL_PULL: replica__pull_side_failed(s, error, retry_ms); break;
    case CALL_PUSH: replica__push_side_failed(s, error, retry_ms); break;
    case CALL_STREAM: replica__stream_side_failed(s, call->feed, error, retry_ms); break;
    case CALL_ASK: call->asker->failed(s, error, retry_ms); break;
    }
    s->busy--;
}

/* The checkpoint is of no use: the markers must tell what is common.  A push leaves that to a
 * pull. */
static void lost(struct replica__session *s, const replica_call *call)
{
    if (call->kind == CALL_PULL) {
        replica__reconcile_side_stop(s); /* it compared with a timeline that is gone */
        replica__identity_begin(s, NULL, true);
        return;
    }
    replica__push_side_stop(s);
    replica__session_move(s, IDLE);
    s->feeds[call->feed].wanted = true;
}

/* A question of another kind has no checkpoint that could be lost. */
static void ask_refused(struct replica__session *s, const replica_call *call)
{
    replica_error error = { .offset = -1 };

    replica__error_set(&error, REPLICA_EHTTP, 409, "'%s' is refused for a checkpoint",
                       call->asker->what);
    call->asker->failed(s, &error, 0);
}

void replica_call_lost(replica_call *call, const char *incarnation, int64_t common)
{
    struct replica__session *s = call->session;
    replica_error error = { .offset = -1 };

    if (!take(call))
        return;
    s->busy++;
    if (call->kind == CALL_STREAM) {
        replica__error_set(&error, REPLICA_EHTTP, 409, "the stream's checkpoint is not known");
        replica__stream_side_failed(s, call->feed, &error, 0);
        s->feeds[call->feed].wanted = true; /* the pull finds out what is lost */
    } else if (call->kind == CALL_ASK) {
        ask_refused(s, call);
    } else {
        if (s->probe.active)
            replica__identity_lost(s, incarnation, common);
        else
            lost(s, call);
    }
    s->busy--;
}

/* A push, or a stream, leaves it to a pull, as above. */
void replica_call_reconcile(replica_call *call, const char *why)
{
    struct replica__session *s = call->session;
    replica_error error = { .offset = -1 };

    if (!take(call))
        return;
    s->busy++;
    if (call->kind == CALL_ASK) {
        ask_refused(s, call);
    } else if (call->kind == CALL_PULL && s->probe.active) {
        replica__identity_page(s); /* its incarnation is known there: that was the question */
    } else if (call->kind == CALL_PULL) {
        replica__reconcile_begin(s, call->feed, why);
    } else if (call->kind == CALL_STREAM) {
        replica__error_set(&error, REPLICA_EHTTP, 409, "the stream's checkpoint is too old");
        replica__stream_side_failed(s, call->feed, &error, 0);
        s->feeds[call->feed].wanted = true;
    } else if (s->o.pull) {
        lost(s, call);
    } else if (replica__feed_reset(s->repl, call->feed, &error) < 0) { /* nobody pulls: it is */
        replica__push_side_failed(s, &error, 0);                       /* of no use here */
    } else {
        lost(s, call);
        s->dirty = true;
    }
    s->busy--;
}
