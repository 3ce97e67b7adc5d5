#include "replicator/session.h"

#include "replicator/session_state.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

#define TO(state) (1u << (state))
static const struct {
    const char *name;
    unsigned next; /* the states that may follow */
    int shown;
} states[SESSION_STATES] = {
    /* Shown as standing by once it is known that another one replicates. */
    [STANDBY] = { "standby", TO(HELLO) | TO(IDLE) | TO(PAUSED) | TO(DONE), REPLICA_SYNC_STARTING },
    [HELLO] = { "hello", TO(IDLE) | TO(WAITING) | TO(PAUSED) | TO(STANDBY), REPLICA_SYNC_STARTING },
    [IDLE] = { "idle", TO(PULLING) | TO(PUSHING) | TO(WAITING) | TO(PAUSED) | TO(DONE) | TO(HELLO) |
                       TO(STANDBY), REPLICA_SYNC_IDLE },
    [PULLING] = { "pulling", TO(IDLE) | TO(WAITING) | TO(PAUSED) | TO(STANDBY),
                  REPLICA_SYNC_PULLING },
    [PUSHING] = { "pushing", TO(IDLE) | TO(WAITING) | TO(PAUSED) | TO(STANDBY),
                  REPLICA_SYNC_PUSHING },
    [WAITING] = { "waiting", TO(IDLE) | TO(HELLO) | TO(PAUSED) | TO(STANDBY),
                  REPLICA_SYNC_WAITING },
    [PAUSED] = { "paused", TO(STANDBY), REPLICA_SYNC_PAUSED },
    [DONE] = { "done", 0, REPLICA_SYNC_STOPPED },
};

/* Work that nobody does is looked for after so long. */
#define UNAPPLIED_MS 10000 /* between two looks at what could not be applied */
#define STUCK_MS 30000
/* Between two times that words of what was erased are merged away: it is much work. */
#define WORDS_MS 30000
/* Without a stream the server is asked so often. */
#define POLL_MS 30000

int64_t replica__session_clock(const struct replica__session *s)
{
    const struct replica__world *world = replica__db_world(s->db);

    return world->monotonic_ms(world->ctx);
}

void replica__session_log(const struct replica__session *s, int level, const char *format, ...)
{
    char line[400];
    va_list args;

    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    replica__db_log(s->db, level, s->o.identifier, "%s", line);
    if (s->hooks->trace && level <= REPLICA_LOG_INFO)
        s->hooks->trace(s->hooks->ctx, &(replica_sync_trace_entry){ .text = line });
}

void replica__session_touch(struct replica__session *s)
{
    s->status_changed = true;
}

void replica__session_move(struct replica__session *s, enum session_state to)
{
    if (s->state == to)
        return;
    assert(states[s->state].next & TO(to));
    replica__session_log(s, REPLICA_LOG_DEBUG, "%s -> %s", states[s->state].name, states[to].name);
    s->state = to;
    s->status.state = states[to].shown;
    s->status.retry_ms = to == WAITING ? s->wait_until : 0;
    s->look_at_locks = true; /* what was pushed was perhaps waited for */
    if (to == PAUSED || to == DONE) { /* others may go on */
        replica__note_side_flush(s);
        replica__lease_release(s->repl);
    }
    replica__session_touch(s);
}

void replica__session_tell(struct replica__session *s, const replica_sync_event *event)
{
    if (s->hooks->event)
        s->hooks->event(s->hooks->ctx, event);
}

void replica__session_count(struct replica__session *s, int64_t pulled, int64_t pushed)
{
    replica_sync_status *status = &s->status;

    if (s->count_anew)
        status->pull_done = status->push_done = 0;
    s->count_anew = false;
    status->pull_done += pulled;
    status->push_done += pushed;
    status->push_remaining -= pushed < status->push_remaining ? pushed : status->push_remaining;
}

/* ---- deciding -------------------------------------------------------------------- */

static void greet(struct replica__session *s)
{
    if (!s->hello.open)
        replica__session_begin_call(s, &s->hello, CALL_HELLO, 0);
}

static bool all_at_head(const struct replica__session *s)
{
    if (!s->o.pull)
        return true;
    for (size_t i = 0; i < s->feed_count; i++) {
        if (!s->feeds[i].at_head || s->feeds[i].wanted || s->feeds[i].news_at)
            return false;
    }
    return true;
}

/* There is work, nothing is awaited, and nothing moves: somebody forgot to say so.  Look again. */
static void watch_stuck(struct replica__session *s, bool pending)
{
    if (!pending || s->later_at || replica__asking_count(s->asking) > 0) {
        s->stuck_at = 0;
    } else if (!s->stuck_at) {
        s->stuck_at = replica__session_clock(s) + STUCK_MS;
    } else if (replica__session_clock(s) >= s->stuck_at) {
        replica__session_log(s, REPLICA_LOG_WARNING,
                             "watchdog: there is work, and nothing moves: again");
        s->stuck_at = 0;
        s->dirty = s->unsettled = true;
    }
}

/* In sync is said only when it was looked at, in the file.  What is held for a document that is set
 * aside is not on the server, and not in the list, either. */
static void judge_sync(struct replica__session *s)
{
    replica_error error = { .offset = -1 };
    int pending = 1, held = 0;

    if (all_at_head(s) && !s->unsettled && !s->rounding) {
        pending = s->o.push ? replica__replication_pending(s->repl, &error)
                            : replica__asking_count(s->asking) > 0;
        if (pending == 0)
            pending = replica__reconcile_side_due(s, &error);
        if (pending == 0 && s->o.push)
            held = replica__replication_held(s->repl, &error);
        if (pending < 0 || held < 0) {
            replica__session_failed(s, &error, 0);
            return;
        }
    }
    watch_stuck(s, pending);
    s->held = held > 0;
    pending |= held;
    if (!pending)
        replica__lease_side_answer(s);
    if (s->state != IDLE)
        return;
    if (!pending) {
        replica__note_side_synced(s);
        s->count_anew = true;
        s->status.push_remaining = 0;
    }
    if (s->status.in_sync != !pending) {
        s->status.in_sync = !pending;
        replica__session_touch(s);
    }
}

/* Which feed has something to be pulled, or -1. */
static int wanted_feed(const struct replica__session *s)
{
    for (size_t i = 0; s->o.pull && i < s->feed_count; i++) {
        if (s->feeds[i].wanted)
            return (int)i;
    }
    return -1;
}

static bool poll_is_due(struct replica__session *s)
{
    return s->o.live && s->o.pull && !s->status.streaming && s->poll_at &&
           replica__session_clock(s) >= s->poll_at;
}

void replica__session_want_all(struct replica__session *s)
{
    for (size_t i = 0; i < s->feed_count; i++)
        s->feeds[i].wanted = true;
}

/* What came and could not be applied is wanted again once the cause is gone: at a start, and now
 * and then where something has changed.  false: it has failed. */
static bool look_at_unapplied(struct replica__session *s)
{
    replica_error error = { .offset = -1 };
    int r;

    if (!s->look_at_unapplied || replica__session_clock(s) < s->unapplied_at)
        return true;
    s->look_at_unapplied = false;
    s->unapplied_at = replica__session_clock(s) + UNAPPLIED_MS;
    r = replica__replication_mend(s->repl, &error);
    s->look_at_feeds |= r > 0;
    if (r < 0)
        replica__session_failed(s, &error, 0);
    return r >= 0;
}

/* What was set aside and is wanted again is fetched from the beginning.  false: it has failed. */
static bool heed_resets(struct replica__session *s)
{
    replica_error error = { .offset = -1 };

    if (!look_at_unapplied(s))
        return false;
    if (!s->look_at_feeds)
        return true;
    for (size_t i = 0; s->o.pull && i < s->feed_count; i++) {
        int r = replica__feed_is_reset(s->repl, i, &error);

        if (r < 0) {
            replica__session_failed(s, &error, 0);
            return false;
        }
        if (r > 0) {
            s->feeds[i].wanted = s->feeds[i].from_start = true;
            s->feeds[i].at_head = false;
        }
    }
    s->look_at_feeds = false;
    return true;
}

/* All that is left are conflicts that somebody is to decide, and there is nobody. */
static bool only_unheard(const struct replica__session *s)
{
    size_t unheard = replica__asking_unheard(s->asking);

    return unheard > 0 && unheard == replica__asking_count(s->asking) && all_at_head(s) &&
           !s->dirty && !s->unsettled && !s->rounding && !s->later_at;
}

/* Large full-text indexes have words of what was erased: when nothing else is to be done, and now
 * and then.  true: a slice of them went. */
static bool merge_words(struct replica__session *s)
{
    replica_error error = { .offset = -1 };
    int64_t now = replica__session_clock(s);
    int r;

    if (!s->look_at_words || now < s->words_at)
        return false;
    r = replica__words_step(s->repl, &s->words_begun, &error);
    if (r < 0) /* an index is no reason not to replicate */
        replica__session_log(s, REPLICA_LOG_WARNING, "words of what was erased: %s", error.message);
    if (r <= 0) {
        s->look_at_words = r < 0;
        s->words_at = now + WORDS_MS;
    }
    return r > 0;
}

/* What is next?  true: something was done at once. */
static bool decide(struct replica__session *s)
{
    int feed;

    if (replica__settle_side_step(s))
        return true;
    if (s->state != IDLE || !heed_resets(s)) /* or settling failed */
        return false;
    if (replica__filter_side_step(s))
        return true;
    if (poll_is_due(s)) {
        s->poll_at = 0;
        replica__session_want_all(s);
    }
    feed = wanted_feed(s);
    if (feed >= 0) {
        replica__pull_side_begin(s, (size_t)feed);
        return true;
    }
    if (s->o.push && !replica__lock_side_holds(s) &&
        (s->dirty || (s->later_at && replica__session_clock(s) >= s->later_at))) {
        s->dirty = false;
        replica__push_side_begin(s);
        return true;
    }
    judge_sync(s);
    if (s->state != IDLE || wanted_feed(s) >= 0 || replica__verify_side_begin(s))
        return true;
    if (merge_words(s))
        return true;
    if (!s->o.live && !s->lock.open && (s->status.in_sync || s->held || only_unheard(s))) {
        replica__session_move(s, DONE);
        return false;
    }
    if (!s->poll_at && s->o.live && s->o.pull)
        s->poll_at = replica__session_clock(s) + POLL_MS;
    return false;
}

static bool step_state(struct replica__session *s)
{
    enum session_state before;

    if (s->state == STANDBY)
        replica__lease_side_step(s);
    before = s->state;
    switch (s->state) {
    case HELLO:
        greet(s);
        break;
    case IDLE:
        return decide(s);
    case PULLING:
        replica__pull_side_step(s);
        break;
    case PUSHING:
        replica__push_side_step(s);
        break;
    case WAITING:
        if (replica__session_clock(s) >= s->wait_until)
            replica__session_move(s, s->greeted ? IDLE : HELLO);
        break;
    case PAUSED:
        if (s->wait_until && replica__session_clock(s) >= s->wait_until)
            replica__session_pause(s, false);
        break;
    case STANDBY:
    case DONE:
    case SESSION_STATES:
        break;
    }
    return s->state != before;
}

static void tell_status(struct replica__session *s)
{
    if (!s->status_changed)
        return;
    s->status_changed = false;
    replica__note_side_show(s);
    if (s->hooks->status)
        s->hooks->status(s->hooks->ctx, &s->status);
}

bool replica__session_step(struct replica__session *s)
{
    bool again;

    s->busy++;
    replica__session_watch_call(s, &s->hello, "hello");
    replica__session_watch_call(s, &s->pull, "a pull");
    replica__session_watch_call(s, &s->push, "a push");
    replica__lease_side_keep(s);
    if (s->hooks->ready && !s->hooks->ready(s->hooks->ctx)) {
        tell_status(s); /* the program does not keep up with its events: wait for it */
        s->stalled = true;
        s->busy--;
        return false;
    }
    s->stalled = false;
    replica__lock_side_step(s); /* before anything is pushed */
    replica__stream_side_step(s); /* first: what it finds wanting is pulled in this step */
    again = step_state(s);
    replica__event_side_step(s);
    replica__note_side_step(s);
    tell_status(s);
    s->busy--;
    return again || s->has_page || replica__push_side_has_work(s) ||
           replica__reconcile_side_has_work(s) || replica__verify_side_has_work(s);
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a <= 0 ? b : b <= 0 ? a : a < b ? a : b;
}

int64_t replica__session_lease_at(const struct replica__session *s)
{
    return replica__lease_held(s->repl) ? replica__lease_next(s->repl) : -1;
}

/* When the session wants to do something by itself. */
static int64_t next_deed(const struct replica__session *s)
{
    int64_t next = earlier(replica__stream_side_next(s), replica__event_side_next(s));

    next = earlier(next, replica__lock_side_next(s));
    next = earlier(next, replica__note_side_next(s));

    if (s->has_page || replica__reconcile_side_has_work(s) ||
        replica__verify_side_has_work(s)) /* an answer came after the step */
        next = 1;
    if (s->state == STANDBY)
        next = earlier(next, s->look_at > 0 ? s->look_at : 1); /* at once */
    if (s->state == WAITING || s->state == PAUSED)
        next = earlier(next, s->wait_until);
    if (s->state == IDLE && s->look_at_unapplied)
        next = earlier(next, s->unapplied_at > 0 ? s->unapplied_at : 1);
    if (s->state == IDLE && s->look_at_words)
        next = earlier(next, s->words_at > 0 ? s->words_at : 1);
    if (s->state == IDLE && s->o.push)
        next = earlier(next, s->later_at);
    if (s->state == IDLE && s->o.live && !s->status.streaming)
        next = earlier(next, s->poll_at);
    if (s->state == IDLE)
        next = earlier(next, s->stuck_at);
    return next;
}

int64_t replica__session_next(const struct replica__session *s)
{
    int64_t next = s->stalled ? -1 : next_deed(s);

    if (s->hello.open)
        next = earlier(next, s->hello.deadline);
    if (s->pull.open)
        next = earlier(next, s->pull.deadline);
    if (s->push.open)
        next = earlier(next, s->push.deadline);
    if (s->range.open)
        next = earlier(next, s->range.deadline);
    return next > 0 ? next : -1;
}
