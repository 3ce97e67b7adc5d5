/* The stream: changes of the server as they happen.
 *
 * A server that tells the order of its pages has a stream that begins at a checkpoint; its events
 * follow one another, and may move the checkpoint.  Elsewhere events are hints: they are applied,
 * and the next iteration moves the checkpoint.  Such an event may come late, behind a page that has
 * a newer state of its documents: then the checkpoint goes back to where it was when the stream was
 * asked for, so that the next iteration meets the newer state again.  Silence is noticed: such a
 * server is asked again, and one with heartbeats is called anew. */
#include "replicator/retry.h"
#include "replicator/session_state.h"

#define HEARTBEAT_MS 15000
#define SILENCE_MS (2 * HEARTBEAT_MS)
#define IDLE_PULLS 16
#define FIRST_PAUSE_MS 100

static bool has_order(const struct replica__session *s)
{
    return s->features & REPLICA_REMOTE_ORDER;
}

static bool wants_stream(const struct replica__session *s)
{
    return s->o.live && s->o.pull && s->remote.stream && (s->features & REPLICA_REMOTE_STREAM) &&
           s->greeted && s->state != PAUSED && s->state != DONE && s->state != HELLO &&
           s->state != STANDBY;
}

static void count_streams(struct replica__session *s)
{
    bool all = s->feed_count > 0;

    for (size_t i = 0; i < s->feed_count; i++)
        all = all && s->feeds[i].streaming;
    if (s->status.streaming != all) {
        s->status.streaming = all;
        replica__session_touch(s);
    }
}

static void close_stream(struct replica__session *s, size_t feed)
{
    replica__session_cancel_call(s, &s->feeds[feed].stream);
    s->feeds[feed].streaming = false;
    count_streams(s);
}

void replica__stream_side_again(struct replica__session *s, size_t feed)
{
    close_stream(s, feed);
    s->feeds[feed].stream_at = replica__session_clock(s);
}

/* Nothing was heard for too long. */
static void silent(struct replica__session *s, size_t i)
{
    struct feed *feed = &s->feeds[i];

    feed->wanted = true;
    feed->heard = replica__session_clock(s);
    if (!has_order(s) && !feed->went_back) /* a new stream has not so far to go back */
        return;
    replica__session_log(s, REPLICA_LOG_WARNING, "watchdog: the stream is silent, calling anew");
    close_stream(s, i);
    feed->stream_at = replica__session_clock(s);
}

static void open_stream(struct replica__session *s, size_t i)
{
    struct feed *feed = &s->feeds[i];
    const char *checkpoint = replica__feed_checkpoint(s->repl, i);
    replica_error error = { .offset = -1 };

    replica__free(feed->opened_at);
    feed->opened_at = replica__strdup(checkpoint);
    feed->went_back = false;
    if (checkpoint && !feed->opened_at) {
        replica__enomem(&error);
        replica__stream_side_failed(s, i, &error, 0);
        return;
    }
    feed->heard = replica__session_clock(s); /* the answer has the same time as a heartbeat */
    replica__session_begin_call(s, &feed->stream, CALL_STREAM, i);
}

void replica__stream_side_step(struct replica__session *s)
{
    if (!wants_stream(s))
        return;
    for (size_t i = 0; i < s->feed_count; i++) {
        struct feed *feed = &s->feeds[i];
        int64_t now = replica__session_clock(s);

        if (feed->news_at && now >= feed->news_at) {
            feed->news_at = 0;
            feed->wanted = true;
        }
        if (feed->stream.open) {
            if (now - feed->heard >= SILENCE_MS)
                silent(s, i);
        } else if (feed->at_head && now >= feed->stream_at) {
            open_stream(s, i);
        }
    }
}

int64_t replica__stream_side_next(const struct replica__session *s)
{
    int64_t next = -1;

    if (!wants_stream(s))
        return -1;
    for (size_t i = 0; i < s->feed_count; i++) {
        const struct feed *feed = &s->feeds[i];
        int64_t at = -1;

        if (feed->stream.open)
            at = feed->heard + SILENCE_MS;
        else if (feed->at_head)
            at = feed->stream_at ? feed->stream_at : 1; /* at once */
        if (feed->news_at && (at < 0 || feed->news_at < at))
            at = feed->news_at;
        if (at > 0 && (next < 0 || at < next))
            next = at;
    }
    return next;
}

void replica__stream_side_opened(struct replica__session *s, size_t i)
{
    s->feeds[i].streaming = true;
    s->feeds[i].stream_failures = 0;
    replica__stream_side_heard(s, i);
    if (!has_order(s))
        s->feeds[i].wanted = true; /* what happened before it was open */
    count_streams(s);
}

void replica__stream_side_heard(struct replica__session *s, size_t i)
{
    s->feeds[i].heard = replica__session_clock(s);
}

/* A server that tells of news all the time, and has none, is asked ever more seldom. */
static int64_t news_pause(const struct feed *feed)
{
    int64_t ms = FIRST_PAUSE_MS;

    if (feed->idle_pulls < IDLE_PULLS)
        return 0;
    for (int i = IDLE_PULLS; i < feed->idle_pulls && ms < SILENCE_MS; i++)
        ms *= 2;
    return ms < SILENCE_MS ? ms : SILENCE_MS;
}

/* The server has something that we do not: it is known that we are not in sync. */
void replica__stream_side_news(struct replica__session *s, size_t i)
{
    struct feed *feed = &s->feeds[i];
    int64_t now = replica__session_clock(s);
    int64_t at = feed->pulled_at + news_pause(feed);

    if (at <= now)
        feed->wanted = true;
    else if (!feed->wanted)
        feed->news_at = at;
    if (s->status.in_sync) {
        s->status.in_sync = 0;
        replica__session_touch(s);
    }
}

/* Without an order: the event may be older than what was pulled since the stream was asked for. */
static int apply_unordered(struct replica__session *s, size_t i, struct arrived *page,
                           replica_error *err)
{
    struct feed *feed = &s->feeds[i];
    const char *stored = replica__feed_checkpoint(s->repl, i);
    bool moved = stored && (!feed->opened_at || strcmp(stored, feed->opened_at) != 0);
    int r = 0;

    if (moved && !feed->opened_at)
        r = replica__feed_reset(s->repl, i, err);
    for (size_t k = 0; k < page->n; k++)
        page->docs[k].hint = true;
    if (r >= 0)
        r = replica__arrived_apply(s, i, page, moved ? feed->opened_at : NULL, err);
    for (size_t k = 0; k < page->n; k++)
        feed->wanted |= page->docs[k].outcome == REPLICA__PULLED_PASSED;
    feed->went_back |= moved;
    return r;
}

/* The documents are applied whatever the order; the checkpoint moves only without a gap.  Where
 * there are bundles an event is whole only for who has all that it follows: the others pull. */
static int apply_event(struct replica__session *s, size_t i, struct arrived *page,
                       replica_error *err)
{
    const char *stored = replica__feed_checkpoint(s->repl, i);
    bool extends, covered;
    int r;

    if (!has_order(s))
        return apply_unordered(s, i, page, err);
    extends =
        s->feeds[i].at_head && replica__checkpoint_extends(stored, page->follows, page->checkpoint);
    covered = extends || replica__checkpoint_covers(stored, page->checkpoint);
    if (!covered && s->features & REPLICA_REMOTE_BUNDLES) {
        replica__stream_side_news(s, i);
        return 0;
    }
    r = replica__arrived_apply(s, i, page, extends ? page->checkpoint : NULL, err);
    if (r >= 0 && page->head && extends)
        s->status.head = page->head;
    if (!covered)
        replica__stream_side_news(s, i);
    return r;
}

void replica__stream_side_event(struct replica__session *s, size_t i,
                                const replica_remote_page *from)
{
    replica_error error = { .offset = -1 };
    struct arrived page;
    int r;

    replica__stream_side_heard(s, i);
    /* Without an order, what comes while a push is out may be older than what was pushed, and a
     * page that is on its way may be older than what comes now. */
    if (!has_order(s) && s->state != IDLE) {
        s->feeds[i].wanted = true;
        return;
    }
    if (replica__identity_is_new(s, from->incarnation)) {
        s->feeds[i].wanted = true; /* the pull finds out what that means */
        return;
    }
    if (!replica__lease_held(s->repl))
        return;
    s->busy++;
    r = replica__arrived_copy(s, i, from, &page, &error);
    if (r >= 0) {
        r = apply_event(s, i, &page, &error);
        replica__arrived_free(&page);
    }
    s->busy--;
    if (r < 0) {
        s->feeds[i].wanted = true;
        if (s->state == IDLE)
            replica__session_failed(s, &error, 0);
    }
}

void replica__stream_side_failed(struct replica__session *s, size_t i, const replica_error *error,
                   int64_t retry_ms)
{
    const struct replica__world *world = replica__db_world(s->db);
    struct feed *feed = &s->feeds[i];

    replica__session_log(s, REPLICA_LOG_INFO, "stream: %s (%s)", error->message, error->where);
    if (s->hooks->error && error->code != REPLICA_ENET && error->code != REPLICA_ETIMEOUT)
        s->hooks->error(s->hooks->ctx, error); /* no end of a connection, but an answer */
    feed->streaming = false;
    feed->stream_failures++;
    feed->stream_at = replica__session_clock(s) + replica__retry_delay(feed->stream_failures,
                                                            world->random(world->ctx), retry_ms);
    feed->wanted = true; /* if the server is gone, the pull finds out */
    count_streams(s);
}

void replica__stream_side_stop(struct replica__session *s)
{
    for (size_t i = 0; i < s->feed_count; i++)
        close_stream(s, i);
}
