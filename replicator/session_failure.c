/* What becomes of a session when something fails: it waits, pauses, or tries another version. */
#include "replicator/retry.h"
#include "replicator/session_state.h"

/* Everything that is under way with the server ends; what was sent is asked about again. */
void replica__session_stop_work(struct replica__session *s)
{
    replica__session_cancel_call(s, &s->hello);
    replica__pull_side_stop(s);
    replica__push_side_stop(s);
    replica__lock_side_stop(s);
}

void replica__session_note_error(struct replica__session *s, const replica_error *error)
{
    s->status.error = *error;
    s->status.error_ms = replica__db_world(s->db)->now_ms(replica__db_world(s->db)->ctx);
    replica__note_side_error(s, error);
    replica__session_log(s, REPLICA_LOG_WARNING, "%s: %s (%s)", replica_error_name(error->code),
                         error->message, error->where);
    if (s->hooks->error)
        s->hooks->error(s->hooks->ctx, error);
    replica__session_touch(s);
}

void replica__session_halt(struct replica__session *s, const replica_error *error)
{
    replica__session_note_error(s, error);
    replica__session_log(s, REPLICA_LOG_WARNING, "paused, until the program has mended this");
    replica__session_stop_work(s);
    s->wait_until = 0;
    replica__session_move(s, PAUSED);
}

void replica__session_halt_refused(struct replica__session *s, const replica_error *error)
{
    replica__session_halt(s, error);
    if (s->o.live && s->state == PAUSED)
        s->wait_until = replica__session_clock(s) + REPLICA__RETRY_CAP_MS;
}

static bool is_about_version(const replica_error *error)
{
    return error->code == REPLICA_EVERSION ||
           (error->code == REPLICA_EHTTP && error->detail == 404);
}

/* Steps that lead down to the server's version let us serve it; one that was raised since is served
 * at its new one. */
static bool try_another_version(struct replica__session *s, const replica_error *error)
{
    if ((s->state != PULLING && s->state != PUSHING) ||
        !replica__endpoint_next(s->repl, s->feed, error->code, error->detail))
        return false;
    replica__session_log(s, REPLICA_LOG_INFO, "another version is tried: %s", error->message);
    replica__session_stop_work(s);
    replica__stream_side_stop(s);
    replica__session_want_all(s);
    s->feeds[s->feed].at_head = false;
    s->dirty = true;
    replica__session_move(s, IDLE);
    return true;
}

void replica__session_failed(struct replica__session *s, const replica_error *error,
                             int64_t retry_ms)
{
    const struct replica__world *world = replica__db_world(s->db);
    int64_t delay;

    if (!replica__lease_held(s->repl)) { /* a transaction found that out, and wrote nothing */
        replica__lease_side_lost(s);
        return;
    }
    if (is_about_version(error) && try_another_version(s, error))
        return;
    /* A server that has not our version yet (404) may have it soon; one that is further has no use
     * for this program any more. */
    if (error->code == REPLICA_EAUTH ||
        (error->code == REPLICA_EVERSION && error->detail != 404)) {
        replica__session_halt(s, error);
        return;
    }
    replica__session_note_error(s, error);
    replica__session_stop_work(s);
    delay = replica__retry_delay(++s->failures, world->random(world->ctx), retry_ms);
    s->wait_until = replica__session_clock(s) + delay;
    replica__session_log(s, REPLICA_LOG_INFO, "attempt %d failed, the next one in %lld ms",
                         s->failures, (long long)delay);
    replica__session_move(s, WAITING);
}

void replica__session_succeeded(struct replica__session *s)
{
    replica__note_side_fine(s);
    if (s->failures == 0 && s->status.error.code == 0)
        return;
    s->failures = 0;
    s->status.error = (replica_error){ .offset = -1 };
    s->status.error_ms = 0;
    replica__session_touch(s);
}
