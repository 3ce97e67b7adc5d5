/* Streams wait in one list, in the order in which they were last heard, and read pages of the feed
 * when the head has moved.
 *
 * What a slow reader holds is one event: it reads the next from the feed when it has taken that.
 * An event is shared by all streams of the same collections that stand at the same place. */
#include "tools/server/stream.h"

#include "base/alloc.h"
#include "base/error.h"
#include "tools/server/event.h"
#include "tools/server/lock.h"
#include "tools/server/page.h"

#include <string.h>

enum { EVENT_ROWS = 1000, EVENT_BYTES = 64 * 1024, STREAMS_PER_MS = 10, GATHER_MS = 200 };
enum { READ_MS = 20, TELL_MS = 100 }; /* one stream, and all of them, at a time: others wait, too */
#define HEARTBEAT ":\n\n"

struct replica__event {
    int refs;
    char *key;                     /* collections, dialect and view */
    int64_t since;
    struct replica__place follows; /* our dialect: part of the text */
    int64_t head;                  /* when it was made */
    int64_t last;
    bool at_head;
    struct replica__buf text;      /* empty: there was nothing for these collections */
};

struct replica__stream {
    struct replica__stream *prev, *next;
    struct replica__service *service;
    bool rxdb;
    char *key;
    char *client; /* who reads it; NULL: not told */
    struct replica__view view;
    struct replica__target *targets;
    size_t n;
    int64_t since;
    struct replica__place follows;
    struct replica__ears *ears;   /* NULL: documents alone */
    bool heard;                   /* the last event was for those: documents go first */
    struct replica__event *event; /* under way */
    size_t sent;                  /* of it */
    int64_t last_ms;              /* when it was last heard */
    int64_t expires_ms;           /* as its reader's token does; 0: never */
    bool waiting;
    bool behind;                  /* there is more to look at, when it is its turn again */
    bool beat;                    /* a heartbeat is due */
    bool ended;
    void (*wake)(void *ctx);
    void *wake_ctx;
};

/* ---- events ---------------------------------------------------------------------- */

static void event_unref(struct replica__event *event)
{
    if (!event || --event->refs > 0)
        return;
    replica__buf_free(&event->text);
    replica__free(event->key);
    replica__free(event);
}

static void event_unref_ptr(struct replica__event **event)
{
    event_unref(*event);
}

void replica__hub_clear(struct replica__hub *hub)
{
    for (size_t i = 0; i < REPLICA__EVENTS; i++) {
        event_unref(hub->events[i]);
        hub->events[i] = NULL;
    }
}

static struct replica__event *find_event(const struct replica__stream *s)
{
    struct replica__hub *hub = &s->service->hub;

    for (size_t i = 0; i < REPLICA__EVENTS; i++) {
        struct replica__event *e = hub->events[i];

        if (e && e->since == s->since && e->head == hub->head &&
            e->follows.lwt == s->follows.lwt && strcmp(e->follows.id, s->follows.id) == 0 &&
            strcmp(e->follows.view, s->follows.view) == 0 &&
            strcmp(e->key, s->key) == 0)
            return e;
    }
    return NULL;
}

/* A body as an event's data: where a document has line breaks, it goes on in a data line of its
 * own, and the reader puts them back. */
static void add_data(const char *body, size_t len, struct replica__buf *out)
{
    const char *end = body + len;

    while (body <= end) {
        const char *line = memchr(body, '\n', (size_t)(end - body));
        const char *stop = line ? line : end;

        replica__buf_str(out, "data: ");
        replica__buf_add(out, body, (size_t)(stop - body));
        replica__buf_char(out, '\n');
        body = stop + 1;
    }
    replica__buf_char(out, '\n');
}

/* JSON has carriage returns as white space only, but a stream turns them into line feeds: towards
 * RxDB that is the same; our dialect keeps bytes, and asks the client to pull instead. */
static void add_event(const struct replica__stream *s, const struct replica__page *page,
                      struct replica__buf *body, struct replica__buf *out)
{
    bool returns = body->len > 0 && memchr(body->data, '\r', body->len);

    if (!s->rxdb) {
        replica__buf_str(out, "id: ");
        replica__buf_str(out, s->service->incarnation);
        if (s->view.place[0])
            replica__buf_printf(out, "-%s", s->view.place);
        replica__buf_char(out, '.');
        replica__buf_int(out, page->last);
        replica__buf_char(out, '\n');
    }
    for (size_t i = 0; returns && s->rxdb && i < body->len; i++)
        if (body->data[i] == '\r')
            body->data[i] = ' ';
    if (returns && !s->rxdb)
        replica__buf_str(out, "event: resync\ndata: {}\n\n");
    else
        add_data(body->data, body->len, out);
}

static int make_event(struct replica__stream *s, struct replica__event **ret_event,
                      replica_error *err)
{
    __attribute__((cleanup(event_unref_ptr))) struct replica__event *e =
        replica__alloc_zero(1, sizeof(*e));
    REPLICA_BUF body = REPLICA_BUF_INIT;
    struct replica__hub *hub = &s->service->hub;
    struct replica__page page = { .targets = s->targets,
                                  .n = s->n,
                                  .view = &s->view,
                                  .since = s->since,
                                  .follows = s->follows,
                                  .rows = EVENT_ROWS,
                                  .bytes = EVENT_BYTES };
    int r;

    if (!e)
        return replica__enomem(err);
    e->refs = 1;
    e->key = replica__strdup(s->key);
    if (!e->key)
        return replica__enomem(err);
    r = s->rxdb ? replica__page_rxdb(s->service, &page, &body, err)
                : replica__page_replica(s->service, &page, &body, err);
    if (r != 0)
        return r < 0 ? r : replica__error_set(err, REPLICA_EVERSION, r, "another version");
    if (page.documents > 0)
        add_event(s, &page, &body, &e->text);
    if (e->text.r < 0)
        return replica__enomem(err);
    e->since = s->since;
    e->follows = s->follows;
    e->head = hub->head;
    e->last = page.last;
    e->at_head = page.at_head;

    event_unref(hub->events[hub->next_event]);
    hub->events[hub->next_event] = e;
    hub->next_event = (hub->next_event + 1) % REPLICA__EVENTS;
    *ret_event = e;
    e = NULL; /* is the hub's now */
    return 0;
}

/* What others have emitted: an event of its own, for each listens to something else. */
static int next_heard(struct replica__stream *s)
{
    __attribute__((cleanup(event_unref_ptr))) struct replica__event *e =
        replica__alloc_zero(1, sizeof(*e));
    int r;

    if (!e)
        return REPLICA_ENOMEM;
    e->refs = 1;
    r = replica__ears_hear(s->service, s->ears, s->view.rights, &e->text, NULL);
    if (r > 0) {
        s->event = e;
        s->sent = 0;
        e = NULL;
    }
    return r;
}

static int64_t monotonic(const struct replica__service *service)
{
    return service->world->monotonic_ms(service->world->ctx);
}

/* Read on from where the stream stands.  1: there is an event; 0: nothing, or it is behind; < 0
 * failed. */
static int next_page(struct replica__stream *s)
{
    int64_t begin = monotonic(s->service);
    struct replica__event *e;
    int r;

    do {
        if (s->since >= s->service->hub.head) {
            s->behind = false;
            return 0;
        }
        if (s->behind && monotonic(s->service) - begin >= READ_MS) {
            s->service->hub.behind = true;
            return 0;
        }
        e = find_event(s);
        if (!e) {
            r = make_event(s, &e, NULL);
            if (r < 0)
                return r;
        }
        s->since = e->last;
        s->behind = e->text.len == 0; /* a part of the feed in which there was nothing for it */
    } while (s->behind);
    if (!s->rxdb) {
        memcpy(s->follows.id, s->service->incarnation, sizeof(s->follows.id));
        memcpy(s->follows.view, s->view.place, sizeof(s->follows.view));
        s->follows.lwt = e->last;
    }
    e->refs++;
    s->event = e;
    s->sent = 0;
    return 1;
}

/* Documents and what was emitted take turns. */
static int next_event(struct replica__stream *s)
{
    int r = s->ears && !s->heard ? next_heard(s) : 0;

    s->heard = r > 0;
    if (r == 0)
        r = next_page(s);
    if (r == 0 && s->ears)
        r = next_heard(s);
    return r;
}

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
        r = next_event(s);
        s->ended = r < 0;
        s->waiting = r == 0;
        if (r <= 0)
            return r < 0 ? -1 : 0;
    }
    n = take(s, to, room, s->event->text.data + s->sent, s->event->text.len - s->sent);
    s->sent += (size_t)n;
    if (s->sent == s->event->text.len) {
        event_unref(s->event);
        s->event = NULL;
    }
    return n;
}

/* The stream reads on, and is woken if there is something for it. */
static void read_on(struct replica__stream *s)
{
    int r = next_event(s);

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
    int64_t end = monotonic(service) + TELL_MS;

    hub->behind = false;
    hub->turn = NULL;
    for (size_t i = 0; i < hub->count; i++, s = s->next ? s->next : hub->first) {
        if (!s->waiting || s->ended || !(news || s->behind))
            continue;
        if (!hub->turn && monotonic(service) < end) {
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
    event_unref(s->event);
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
