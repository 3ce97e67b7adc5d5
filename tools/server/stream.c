/* Streams wait in one list, in the order in which they were last heard, and read on when the head
 * has moved. */
#include "tools/server/stream.h"

#include "base/alloc.h"
#include "base/error.h"
#include "tools/server/lock.h"
#include "tools/server/stream_state.h"

#include <string.h>

enum { STREAMS_PER_MS = 10, GATHER_MS = 200 };
enum { TELL_MS = 100 }; /* all of them at a time: others wait, too */
#define HEARTBEAT ":\n\n"

/* ---- the list -------------------------------------------------------------------- */

static void unlink_stream(struct replica__stream *s)
{
    struct replica__hub *hub = &s->service->hub;

    if (hub->turn == s)
        hub->turn = s->next;
    *(s->prev ? &s->prev->next : &hub->first) = s->next;
    *(s->next ? &s->next->prev : &hub->last) = s->prev;
    s->prev = s->next = NULL;
}

static void link_stream(struct replica__stream *s)
{
    struct replica__hub *hub = &s->service->hub;

    s->prev = hub->last;
    *(hub->last ? &hub->last->next : &hub->first) = s;
    hub->last = s;
}

/* It was heard now. */
static void touch(struct replica__stream *s)
{
    s->last_ms = s->service->world->monotonic_ms(s->service->world->ctx);
    if (s->next) {
        unlink_stream(s);
        link_stream(s);
    }
}

static void wake(struct replica__stream *s)
{
    s->waiting = false;
    if (s->wake)
        s->wake(s->wake_ctx);
}

/* ---- tokens that expire ---------------------------------------------------------- */

static bool is_over(const struct replica__stream *s)
{
    const struct replica__world *world = s->service->world;

    return s->expires_ms && world->now_ms(world->ctx) >= s->expires_ms;
}

/* Sooner than all others? */
static void note_expiry(struct replica__hub *hub, int64_t expires_ms)
{
    if (expires_ms && (!hub->expires_ms || expires_ms < hub->expires_ms))
        hub->expires_ms = expires_ms;
}

/* End the streams whose time is over.  Ms until that of the next is; -1: that never happens.  They
 * are looked at only when the first of them is due. */
static int64_t end_expired(struct replica__service *service)
{
    struct replica__hub *hub = &service->hub;
    int64_t now = hub->expires_ms ? service->world->now_ms(service->world->ctx) : 0;

    if (hub->expires_ms && now >= hub->expires_ms) {
        hub->expires_ms = 0;
        for (struct replica__stream *s = hub->first; s; s = s->next) {
            if (s->ended || !is_over(s)) {
                note_expiry(hub, s->ended ? 0 : s->expires_ms);
                continue;
            }
            s->ended = true;
            if (s->waiting)
                wake(s);
        }
    }
    return hub->expires_ms ? hub->expires_ms - now : -1;
}

/* ---- reading --------------------------------------------------------------------- */

void replica__stream_on_wake(struct replica__stream *stream, void (*fn)(void *ctx), void *ctx)
{
    stream->wake = fn;
    stream->wake_ctx = ctx;
}

static long take(struct replica__stream *s, char *to, size_t room, const char *from, size_t len)
{
    size_t n = len < room ? len : room;

    memcpy(to, from, n);
    touch(s);
    return (long)n;
}

long replica__stream_read(struct replica__stream *s, char *to, size_t room)
{
    long n;
    int r;

    if (s->ended || s->service->hub.stopped || is_over(s))
        return -1;
    if (!s->event && s->beat && room >= strlen(HEARTBEAT)) {
        s->beat = false;
        return take(s, to, room, HEARTBEAT, strlen(HEARTBEAT));
    }
    if (!s->event) {
        r = replica__stream_next(s);
        s->ended = r < 0;
        s->waiting = r == 0;
        if (r <= 0)
            return r < 0 ? -1 : 0;
    }
    n = take(s, to, room, s->event->text.data + s->sent, s->event->text.len - s->sent);
    s->sent += (size_t)n;
    if (s->sent == s->event->text.len) {
        replica__event_unref(s->event);
        s->event = NULL;
    }
    return n;
}

/* The stream reads on, and is woken if there is something for it. */
static void read_on(struct replica__stream *s)
{
    int r = replica__stream_next(s);

    s->ended = r < 0;
    if (r != 0)
        wake(s);
}

/* Those that wait read on: all of them for news, else those that are behind.  When others have
 * waited for long, the rest becomes behind, and the first of it is the first to go on. */
static void wake_readers(struct replica__service *service, bool news)
{
    struct replica__hub *hub = &service->hub;
    struct replica__stream *s = hub->turn ? hub->turn : hub->first;
    int64_t end = replica__stream_clock(service) + TELL_MS;

    hub->behind = false;
    hub->turn = NULL;
    for (size_t i = 0; i < hub->count; i++, s = s->next ? s->next : hub->first) {
        if (!s->waiting || s->ended || !(news || s->behind))
            continue;
        if (!hub->turn && replica__stream_clock(service) < end) {
            read_on(s);
            continue;
        }
        hub->turn = hub->turn ? hub->turn : s;
        hub->behind = s->behind = true;
    }
}

/* Each change that is told to a thousand streams costs a thousand writes to sockets: where there
 * are many, changes are gathered for a moment. */
static int64_t gathering_ms(const struct replica__hub *hub)
{
    size_t ms = hub->count / STREAMS_PER_MS;

    return ms < GATHER_MS ? (int64_t)ms : GATHER_MS;
}

/* Has the head moved?  Tell it, or say how long to wait with that; -1: there is nothing to tell. */
static int64_t tell_news(struct replica__service *service, int64_t now)
{
    struct replica__hub *hub = &service->hub;
    int64_t head = hub->head, emitted = hub->events_head;
    int64_t since = now - hub->told_ms;

    if (hub->ears > 0)
        service->storage->ops->last_event(service->storage, &emitted, NULL);
    if (service->storage->ops->head(service->storage, &head, NULL) < 0)
        head = hub->head;
    if (head == hub->head && emitted == hub->events_head)
        return -1;
    if (hub->told_ms && since < gathering_ms(hub))
        return gathering_ms(hub) - since;
    hub->head = head;
    hub->events_head = emitted;
    hub->told_ms = now;
    wake_readers(service, true);
    return -1;
}

static int64_t sooner(int64_t a, int64_t b)
{
    return a < 0 || (b >= 0 && b < a) ? b : a;
}

int64_t replica__service_tick(struct replica__service *service)
{
    struct replica__hub *hub = &service->hub;
    int64_t now = service->world->monotonic_ms(service->world->ctx);
    int64_t expiry_ms, news_ms;

    if (!hub->first)
        return -1;
    expiry_ms = end_expired(service);
    if (hub->behind)
        wake_readers(service, false);
    news_ms = tell_news(service, now);
    if (hub->behind)
        news_ms = 0;
    while (hub->first->last_ms + REPLICA__HEARTBEAT_MS <= now) {
        struct replica__stream *s = hub->first;

        touch(s);
        if (!s->waiting)
            continue; /* it has bytes under way */
        s->beat = true;
        wake(s);
    }
    return sooner(hub->first->last_ms + REPLICA__HEARTBEAT_MS - now, sooner(expiry_ms, news_ms));
}

void replica__service_stop(struct replica__service *service)
{
    service->hub.stopped = true;
    for (struct replica__stream *s = service->hub.first; s; s = s->next)
        if (s->waiting)
            wake(s);
}

/* ---- beginning and end ----------------------------------------------------------- */

/* Was it the last one of its client?  Those that a server ends as it stops are no sign. */
static void leave(const struct replica__stream *s)
{
    if (!s->client || s->service->hub.stopped)
        return;
    for (const struct replica__stream *o = s->service->hub.first; o; o = o->next)
        if (o->client && strcmp(o->client, s->client) == 0)
            return;
    replica__lock_leave(s->service, s->client);
}

void replica__stream_close(struct replica__stream *s)
{
    if (!s)
        return;
    unlink_stream(s);
    s->service->hub.count--;
    s->service->hub.ears -= s->ears != NULL;
    replica__ears_close(s->ears);
    leave(s);
    replica__event_unref(s->event);
    replica__free(s->targets);
    replica__free(s->key);
    replica__view_free(&s->view);
    replica__free(s->client);
    replica__free(s);
}

/* What streams must have in common to share events. */
static char *make_key(bool rxdb, const struct replica__target *targets, size_t n,
                      const struct replica__view *view)
{
    REPLICA_BUF key = REPLICA_BUF_INIT;

    replica__buf_char(&key, rxdb ? 'x' : 'r');
    for (size_t i = 0; i < n; i++)
        replica__buf_printf(&key, " %s/%d", targets[i].name, targets[i].version);
    replica__view_add_name(view, targets, n, &key);
    return replica__buf_take(&key, NULL);
}

static int open_stream(struct replica__service *service, bool rxdb,
                       const struct replica__target *targets, size_t n,
                       struct replica__view *view, const struct replica__place *place,
                       struct replica__stream **ret_stream, replica_error *err)
{
    struct replica__stream *s = replica__alloc_zero(1, sizeof(*s));

    if (!s)
        return replica__enomem(err);
    s->service = service;
    s->key = make_key(rxdb, targets, n, view);
    s->targets = replica__alloc_zero(n, sizeof(*targets));
    if (!s->key || !s->targets) {
        replica__free(s->key);
        replica__free(s->targets);
        replica__free(s);
        return replica__enomem(err);
    }
    memcpy(s->targets, targets, n * sizeof(*targets));
    s->view = *view; /* is the stream's now */
    *view = (struct replica__view){ 0 };
    s->n = n;
    s->rxdb = rxdb;
    s->since = place->lwt;
    if (!rxdb)
        s->follows = *place;
    s->beat = !rxdb; /* a first sign of life */
    s->last_ms = service->world->monotonic_ms(service->world->ctx);
    link_stream(s);
    service->hub.count++;
    *ret_stream = s;
    return 0;
}

static int listen_too(struct replica__stream *s, const struct replica__request *request,
                      replica_error *err)
{
    int r = replica__ears_open(s->service, request, &s->ears, err);

    s->service->hub.ears += s->ears != NULL;
    return r;
}

/* While it reads, its client is there. */
static int name_reader(struct replica__stream *s, const struct replica__request *request,
                       replica_error *err)
{
    const char *client = replica__param(request, "client");

    if (!client || !*client || strlen(client) > REPLICA__CLIENT_MAX)
        return 0;
    s->client = replica__strdup(client);
    if (!s->client)
        return replica__enomem(err);
    replica__lock_back(s->service, client);
    return 0;
}

void replica__stream_answer(struct replica__service *service,
                            const struct replica__request *request,
                            const struct replica__target *target, struct replica__reply *reply)
{
    struct replica__target targets[REPLICA__TARGETS_MAX];
    struct replica__hub *hub = &service->hub;
    struct replica__place place = { .lwt = 0 };
    REPLICA_VIEW view = { 0 };
    replica_error err = { 0 };
    size_t n = 1;
    int r = 0;

    if (hub->stopped || hub->count >= service->options.streams) {
        replica__reply_error(reply, 503, "busy", "there are %zu streams already", hub->count);
        reply->retry_after = 5;
        return;
    }
    if (target)
        targets[0] = *target;
    else if (!replica__asked_feed(service, request, targets, &n, &place, reply) ||
             !replica__view_asked(service, request, &view, reply) ||
             !replica__ears_asked(request, reply))
        return;
    if (target && !replica__view_make(service, &view, NULL, NULL, 0, request->who, reply))
        return;
    if (!replica__view_place(&view, targets, n, target ? NULL : &place, reply))
        return;
    if (target) /* from now on; the others' head moves with the next tick, which wakes them */
        r = service->storage->ops->head(service->storage, &place.lwt, &err);
    if (r == 0)
        r = open_stream(service, target != NULL, targets, n, &view, &place, &reply->stream,
                        &err);
    if (r == 0 && !target)
        r = listen_too(reply->stream, request, &err);
    if (r == 0 && !target)
        r = name_reader(reply->stream, request, &err);
    if (r < 0) {
        replica__reply_failure(reply, &err);
        return;
    }
    reply->stream->expires_ms = request->who ? request->who->expires_ms : 0;
    note_expiry(hub, reply->stream->expires_ms);
    reply->type = REPLICA__REPLY_EVENTS;
}
