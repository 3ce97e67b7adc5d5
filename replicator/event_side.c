/* Events, between this file and its server.
 *
 * What is emitted on the file while the session runs goes to the server, a batch after the other;
 * what others emit comes on the stream, as far as somebody on this file listens to it, and is put
 * into the file's table under their name, which says that it is not to be sent again.  Events are
 * kept for nobody: one that could not be sent within some seconds, or in whose batch the connection
 * broke, is gone, and none is ever sent twice. */
#include "base/json.h"
#include "replicator/session_state.h"

/* After a time without network the events of so long before are still news. */
#define NEWS_MS 10000
/* The largest batch: what it has when it is full goes at once. */
#define BATCH_EVENTS 100
#define BATCH_BYTES (256 * 1024)
/* After a failure. */
#define AGAIN_MS 1000
/* Patterns that are longer together are asked for as everything. */
#define LISTEN_BYTES 1500
/* What a server may tell at once. */
#define TOLD_MOST 1000
#define ARENA_BYTES 16384

static bool relays(const struct replica__session *s)
{
    return s->greeted && (s->features & REPLICA_REMOTE_EVENTS) && s->state != HELLO;
}

static bool runs(const struct replica__session *s)
{
    return s->state != STANDBY && s->state != PAUSED && s->state != DONE;
}

/* ---- from here to the server ------------------------------------------------------ */

struct batch {
    struct replica__session *s;
    struct replica__buf text;
    int64_t since; /* when it was emitted, at the earliest */
    size_t n;
};

static bool add_event(void *ctx, const struct replica__emitted *event)
{
    struct batch *b = ctx;

    if (b->n == BATCH_EVENTS || b->text.len >= BATCH_BYTES)
        return false;
    if (*event->origin == REPLICA__EVENT_REMOTE || event->time_ms < b->since)
        return true;
    replica__buf_str(&b->text, b->n++ > 0 ? ",[" : "[");
    replica__buf_json_string(&b->text, event->address, strlen(event->address));
    replica__buf_char(&b->text, ',');
    replica__buf_add(&b->text, event->payload, event->len);
    replica__buf_char(&b->text, ']');
    return true;
}

static void answered(struct replica__session *s, const char *json, size_t len)
{
    (void)json;
    (void)len;
    s->look_at_events = true; /* there may be more */
}

static void failed(struct replica__session *s, const replica_error *error, int64_t retry_ms)
{
    replica__session_log(s, REPLICA_LOG_INFO, "events: %s (%s)", error->message, error->where);
    s->emit_at = replica__session_clock(s) + (retry_ms > AGAIN_MS ? retry_ms : AGAIN_MS);
    s->look_at_events = true;
}

static const struct asker emitter = { "emit", answered, failed };

/* 1: a batch went out, or could not; 0: there was nothing. */
static int send_batch(struct replica__session *s, replica_error *err)
{
    const struct replica__world *world = replica__db_world(s->db);
    const char *client = replica__replication_client(s->repl);
    struct batch b = { .s = s, .since = world->now_ms(world->ctx) - NEWS_MS };
    REPLICA_BUF text = REPLICA_BUF_INIT;
    int r;

    replica__buf_str(&b.text, "{\"client\":");
    replica__buf_json_string(&b.text, client, strlen(client));
    replica__buf_str(&b.text, ",\"events\":[");
    r = replica__events_read(s->db, &s->emitted, add_event, &b, err);
    replica__buf_str(&b.text, "]}");
    text = b.text;
    if (r < 0 || b.n == 0)
        return r < 0 ? r : 0;
    if (text.r < 0)
        return replica__enomem(err);
    r = replica__session_ask(s, &s->emit, &emitter, text.data, text.len);
    return r < 0 ? replica__error_set(err, r, 0, "the remote could not start a request") : 1;
}

/* After a failure of the session they wait with all the rest: what would be sent would be lost. */
static bool may_send(const struct replica__session *s)
{
    return s->look_at_events && s->state != WAITING;
}

static void send_events(struct replica__session *s)
{
    replica_error error = { .offset = -1 };

    if (s->emit.open || !may_send(s) || replica__session_clock(s) < s->emit_at)
        return;
    s->look_at_events = false;
    if (send_batch(s, &error) < 0)
        failed(s, &error, 0);
}

/* ---- from the server to here ------------------------------------------------------ */

/* ["address", payload, "origin"]; the last one may be missing. */
struct told {
    struct replica__emitted events[TOLD_MOST];
    size_t n;
    struct replica__arena *arena;
};

static const char *copy_string(struct told *t, struct replica__json_value v, const char *before)
{
    REPLICA_BUF text = REPLICA_BUF_INIT;

    replica__buf_str(&text, before);
    if (v.type == REPLICA_JSON_STRING)
        replica__json_unescape((struct replica__slice){ v.text.data + 1, v.text.len - 2 }, &text);
    if (text.data && strlen(text.data) != text.len)
        replica__buf_clear(&text); /* no address, and no name */
    return text.r < 0 ? NULL : replica__arena_copy(t->arena, text.data ? text.data : "", text.len);
}

/* What is no event is left out; < 0: no memory. */
static int read_event(const struct replica__session *s, struct told *t,
                      struct replica__json_value v)
{
    struct replica__json_value parts[3] = { { REPLICA_JSON_NONE, { NULL, 0 } } };
    struct replica__emitted event = { .number = 0 };
    struct replica__json_iter it = replica__json_iter(v);
    char remote[2] = { REPLICA__EVENT_REMOTE, '\0' };

    for (int i = 0; i < 3 && v.type == REPLICA_JSON_ARRAY && replica__json_next(&it); i++)
        parts[i] = it.value;
    if (parts[0].type != REPLICA_JSON_STRING || parts[1].type == REPLICA_JSON_NONE)
        return 0;
    event.address = copy_string(t, parts[0], "");
    event.payload = replica__arena_copy(t->arena, parts[1].text.data, parts[1].text.len);
    event.len = parts[1].text.len;
    event.origin = copy_string(t, parts[2], remote);
    if (!event.address || !event.payload || !event.origin)
        return REPLICA_ENOMEM;
    if (replica__event_check(s->db, &event, NULL) == 0)
        t->events[t->n++] = event;
    return 0;
}

static int take_events(struct replica__session *s, struct told *t, const char *json, size_t len,
                       replica_error *err)
{
    struct replica__json_value list =
        replica__json_member(replica__json_value(json, len), "events", REPLICA_NUL);
    struct replica__json_iter it = replica__json_iter(list);

    while (list.type == REPLICA_JSON_ARRAY && t->n < TOLD_MOST && replica__json_next(&it)) {
        if (read_event(s, t, it.value) < 0)
            return replica__enomem(err);
    }
    return t->n > 0 ? replica__events_add(s->db, t->events, t->n, err) : 0;
}

void replica__event_side_told(struct replica__session *s, const char *json, size_t len)
{
    replica_error error = { .offset = -1 };
    struct told *t;

    if (!relays(s) || !replica__lease_held(s->repl))
        return;
    t = replica__alloc_zero(1, sizeof *t);
    if (t)
        t->arena = replica__arena_new(ARENA_BYTES);
    s->busy++;
    if (!t || !t->arena)
        replica__enomem(&error);
    else
        take_events(s, t, json, len, &error);
    s->busy--;
    if (error.code)
        replica__session_log(s, REPLICA_LOG_WARNING, "events: %s", error.message);
    if (t)
        replica__arena_free(t->arena);
    replica__free(t);
}

/* ---- what is listened to ---------------------------------------------------------- */

static bool contains(const char *patterns, const char *pattern)
{
    for (const char *p = patterns; p && *p; p += strlen(p) + 1) {
        if (strcmp(p, pattern) == 0 || strcmp(p, "**") == 0)
            return true;
    }
    return false;
}

/* Has the stream been opened without something that is wanted now?  Then it is opened anew. */
static void look_at_listeners(struct replica__session *s)
{
    REPLICA_FREE char *wanted = NULL;
    bool missing = false;

    if (replica__events_wanted(s->db, &wanted, NULL) < 0)
        return;
    for (const char *p = wanted; p && *p; p += strlen(p) + 1)
        missing |= !contains(s->listened, p);
    if (missing && s->feed_count > 0 && s->feeds[0].stream.open)
        replica__stream_side_again(s, 0);
}

const char *const *replica__event_side_listen(struct replica__session *s)
{
    char *wanted = NULL;
    size_t n = 0, len = 0;

    if (!relays(s) || replica__events_wanted(s->db, &wanted, NULL) < 0)
        return NULL;
    replica__free(s->listened);
    s->listened = wanted;
    for (const char *p = wanted; p && *p; p += strlen(p) + 1) {
        if (n < REPLICA__LISTEN_MOST)
            s->patterns[n] = p;
        n++;
        len += strlen(p);
    }
    if (n > REPLICA__LISTEN_MOST || len > LISTEN_BYTES) {
        s->patterns[0] = "**";
        n = 1;
    }
    s->patterns[n] = NULL;
    return n > 0 ? s->patterns : NULL;
}

/* ---- the session's steps ---------------------------------------------------------- */

void replica__event_side_step(struct replica__session *s)
{
    bool look = s->look_at_events;

    replica__session_watch_ask(s, &s->emit);
    if (!runs(s)) {
        s->emits = false;
        return;
    }
    if (!s->emits) { /* from now on */
        s->emits = replica__events_head(s->db, &s->emitted, NULL) >= 0;
        s->look_at_events = true;
    }
    if (!relays(s))
        return;
    if (s->emits)
        send_events(s);
    if (look && s->o.live)
        look_at_listeners(s);
}

int64_t replica__event_side_next(const struct replica__session *s)
{
    if (s->emit.open)
        return s->emit.deadline;
    return runs(s) && relays(s) && may_send(s) ? (s->emit_at > 0 ? s->emit_at : 1) : -1;
}

void replica__event_side_stop(struct replica__session *s)
{
    replica__session_cancel_call(s, &s->emit);
}
