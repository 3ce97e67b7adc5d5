/* What streams are told: pages of the feed from where each stands, and what others have emitted.
 *
 * What a slow reader holds is one event: it reads the next from the feed when it has taken that.
 * An event is shared by all streams of the same collections that stand at the same place. */
#include "base/alloc.h"
#include "base/error.h"
#include "tools/server/page.h"
#include "tools/server/stream_state.h"

#include <string.h>

enum { EVENT_ROWS = 1000, EVENT_BYTES = 64 * 1024 };
enum { READ_MS = 20 }; /* one stream at a time: others wait, too */

void replica__event_unref(struct replica__event *event)
{
    if (!event || --event->refs > 0)
        return;
    replica__buf_free(&event->text);
    replica__free(event->key);
    replica__free(event);
}

static void event_unref_ptr(struct replica__event **event)
{
    replica__event_unref(*event);
}

void replica__hub_clear(struct replica__hub *hub)
{
    for (size_t i = 0; i < REPLICA__EVENTS; i++) {
        replica__event_unref(hub->events[i]);
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

    replica__event_unref(hub->events[hub->next_event]);
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

/* Read on from where the stream stands.  1: there is an event; 0: nothing, or it is behind; < 0
 * failed. */
static int next_page(struct replica__stream *s)
{
    int64_t begin = replica__stream_clock(s->service);
    struct replica__event *e;
    int r;

    do {
        if (s->since >= s->service->hub.head) {
            s->behind = false;
            return 0;
        }
        if (s->behind && replica__stream_clock(s->service) - begin >= READ_MS) {
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

int replica__stream_next(struct replica__stream *s)
{
    int r = s->ears && !s->heard ? next_heard(s) : 0;

    s->heard = r > 0;
    if (r == 0)
        r = next_page(s);
    if (r == 0 && s->ears)
        r = next_heard(s);
    return r;
}
