/* The lease: of several processes that run one replication, one replicates.
 *
 * The others wait (STANDBY): they look every second whether they may take over, and are in sync
 * when the one that replicates has answered their question, and nothing of theirs is left to be
 * sent.  Conflict handlers run in the process that replicates. */
#include "replicator/retry.h"
#include "replicator/session_state.h"

void replica__lease_side_forget(struct replica__session *s)
{
    s->greeted = false;
    s->incarnation[0] = '\0';
    s->rounding = false;
    s->later_at = s->poll_at = s->stuck_at = 0;
    s->refusals = 0;
    s->asked = s->answered = s->ticket = 0;
}

void replica__lease_side_lost(struct replica__session *s)
{
    replica__session_log(s, REPLICA_LOG_INFO, "another process replicates now");
    replica__session_stop_work(s);
    replica__stream_side_stop(s);
    replica__lease_side_forget(s);
    s->status.in_sync = 0;
    s->look_at = replica__session_clock(s);
    if (s->state != PAUSED && s->state != DONE)
        replica__session_move(s, STANDBY);
}

/* Somebody asks: look at the server once more, and then answer. */
static void heed(struct replica__session *s, const struct replica__lease_asked *a)
{
    s->answered = a->answered;
    if (a->asked <= a->answered || a->asked == s->asked)
        return;
    s->asked = a->asked;
    replica__session_want_all(s);
}

void replica__lease_side_keep(struct replica__session *s)
{
    struct replica__lease_asked asked;
    replica_error error = { .offset = -1 };
    int r;

    if (!replica__lease_held(s->repl) ||
        (!s->look_at_lease && replica__session_clock(s) < replica__lease_next(s->repl)))
        return;
    s->look_at_lease = false;
    r = replica__lease_keep(s->repl, &asked, &error);
    if (r == 0)
        replica__lease_side_lost(s);
    else if (r > 0)
        heed(s, &asked);
    else if (s->state != WAITING)
        replica__session_failed(s, &error, 0);
}

void replica__lease_side_answer(struct replica__session *s)
{
    replica_error error = { .offset = -1 };

    if (s->asked <= s->answered)
        return;
    if (replica__lease_answer(s->repl, s->asked, s->status.head, &error) < 0)
        replica__session_failed(s, &error, 0);
    else
        s->answered = s->asked;
}

/* ---- waiting --------------------------------------------------------------------- */

/* It is ours. same: and was ours before. */
static void begin(struct replica__session *s, bool same)
{
    if (!same) {
        replica__stream_side_stop(s);
        replica__lease_side_forget(s);
    }
    s->failures = 0;
    replica__note_side_begin(s);
    s->status.in_sync = 0;
    s->dirty = s->unsettled = s->look_at_lease = true;
    replica__session_want_all(s);
    replica__session_move(s, s->greeted ? IDLE : HELLO);
}

static void show_in_sync(struct replica__session *s, bool in_sync, int64_t head)
{
    if (s->status.in_sync != in_sync || s->status.state != REPLICA_SYNC_STANDBY ||
        (in_sync && s->status.head != head))
        replica__session_touch(s);
    s->status.state = REPLICA_SYNC_STANDBY;
    s->status.in_sync = in_sync;
    if (in_sync)
        s->status.head = head;
}

/* Another process replicates.  Has it brought us in sync? */
static int wait_on(struct replica__session *s, replica_error *err)
{
    int64_t head = 0;
    int r = s->ticket ? 0 : replica__lease_ask(s->repl, &s->ticket, err);

    if (r >= 0)
        r = replica__lease_answered(s->repl, s->ticket, s->o.push, &head, err);
    if (r < 0)
        return r;
    show_in_sync(s, r > 0, head);
    if (r > 0 && !s->o.live)
        replica__session_move(s, DONE);
    return 0;
}

void replica__lease_side_step(struct replica__session *s)
{
    replica_error error = { .offset = -1 };
    bool same = false;
    int r;

    if (replica__session_clock(s) < s->look_at)
        return;
    r = replica__lease_look(s->repl, &error);
    if (r > 0)
        r = replica__lease_take(s->repl, &same, &error);
    if (r > 0) {
        begin(s, same);
        return;
    }
    s->look_at = replica__lease_next(s->repl);
    if (r == 0)
        r = wait_on(s, &error);
    if (r < 0 && s->status.in_sync) { /* who could not look does not know */
        s->status.in_sync = 0;
        replica__session_touch(s);
    }
    if (r >= 0) {
        replica__session_succeeded(s);
    } else if (error.code == REPLICA_EVERSION) { /* what is there is for a newer program */
        replica__session_halt(s, &error);
    } else if (error.code != REPLICA_EBUSY) { /* else: in the next look */
        const struct replica__world *world = replica__db_world(s->db);

        s->look_at = replica__session_clock(s) +
                     replica__retry_delay(++s->failures, world->random(world->ctx), 0);
        replica__session_note_error(s, &error);
    }
}
