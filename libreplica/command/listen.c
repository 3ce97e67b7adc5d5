/* Emitting, and listening: each listener follows the table of events from where it was when it
 * came, in dispatch.
 *
 * Who replicates asks the server for the events that somebody on this file listens to.  So that it
 * knows, whatever process that is, the patterns are noted in the file for some minutes, and again
 * while the listener lives; a process that dies is forgotten by itself. */
#include "libreplica/command/event.h"
#include "libreplica/keys/pattern.h"
#include "libreplica/txn.h"

#include <string.h>

#define TURN_MS 10
/* A note is good for so long, and renewed at half of it; after a failure sooner. */
#define NOTE_MS (10 * 60 * 1000)
#define NOTE_AGAIN_MS 1000

struct replica_listener {
    replica_db *db; /* NULL: ended, the handle waits for its cancel */
    struct replica__pattern pattern;
    char *text;     /* of the pattern */
    void (*fn)(void *ctx, const replica_event_entry *event);
    void *ctx;
    replica_destroy_fn destroy;
    int64_t since;  /* tell only what is newer */
    bool noted;
    bool cancelled; /* in a round: freed behind it */
    bool owned;     /* somebody has the handle */
    replica_listener *next;
};

struct replica__events {
    replica_db *db;
    struct replica__guest guest;
    bool is_guest;
    replica_listener *first;
    int64_t told;     /* number up to which the table was told */
    int in_round;
    int64_t note_at;  /* monotonic: when the patterns are noted anew; 0: nobody replicates */
    /* The rate: events that may leave now, in thousandths, as of then. */
    int rate;
    int64_t budget, budget_at;
};

static int64_t monotonic(const replica_db *db)
{
    return db->world->monotonic_ms(db->world->ctx);
}

static struct replica__events *events_of(replica_db *db)
{
    if (!db->events) {
        db->events = replica__alloc_zero(1, sizeof *db->events);
        if (db->events)
            db->events->db = db;
    }
    return db->events;
}

/* ---- emitting -------------------------------------------------------------------- */

int replica_emit_rate(replica_db *db, int per_second, replica_error *err)
{
    struct replica__events *e;

    if (!db || per_second < 0)
        return replica__error_set(err, REPLICA_EINVAL, 0, "no database, or a rate below zero");
    e = events_of(db);
    if (!e)
        return replica__enomem(err);
    e->rate = per_second;
    e->budget = (int64_t)per_second * 1000;
    e->budget_at = monotonic(db);
    return 0;
}

/* A second's worth may leave at once; from then on they leave at the rate. */
static int keep_rate(replica_db *db, replica_error *err)
{
    struct replica__events *e = db->events;
    int64_t now = monotonic(db), most, passed;

    if (!e || !e->rate)
        return 0;
    most = (int64_t)e->rate * 1000;
    passed = now - e->budget_at < 1000 ? now - e->budget_at : 1000;
    e->budget = e->budget + passed * e->rate < most ? e->budget + passed * e->rate : most;
    e->budget_at = now;
    if (e->budget < 1000)
        return replica__error_set(err, REPLICA_ELIMIT, 0, "more than %d events a second", e->rate);
    e->budget -= 1000;
    return 0;
}

int replica__event_check(const replica_db *db, const struct replica__emitted *event,
                         replica_error *err)
{
    const char *payload = event->payload;
    size_t len = event->len;
    int r = replica__address_check(event->address, err);

    return r < 0 ? r : replica__payload_check(db, &payload, &len, REPLICA__EVENT_MAX, err);
}

int replica_emit(replica_db *db, const char *address, const char *payload, size_t len,
                 replica_error *err)
{
    struct replica__emitted event = { .address = address, .payload = payload, .len = len };
    int r;

    if (!db)
        return replica__error_set(err, REPLICA_EINVAL, 0, "no database");
    event.origin = db->token;
    r = replica__address_check(address, err);
    if (r >= 0)
        r = replica__payload_check(db, &event.payload, &event.len, REPLICA__EVENT_MAX, err);
    if (r >= 0)
        r = keep_rate(db, err);
    if (r >= 0)
        r = replica__events_add(db, &event, 1, err);
    if (r < 0)
        replica__error_where(err, "%s", address ? address : "");
    return r;
}

/* ---- what is listened to --------------------------------------------------------- */

static int note(replica_db *db, const char *pattern, int64_t until, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    int rc = SQLITE_OK;
    int r = replica__sql_get(db, REPLICA__SQL_LISTEN_PUT, &stmt, err);

    if (r < 0)
        return r;
    replica__bind_text(stmt, 1, pattern, REPLICA_NUL, &rc);
    replica__bind_int(stmt, 2, until, &rc);
    return replica__sql_step(db, stmt, rc, err);
}

static int note_all(struct replica__events *e, replica_error *err)
{
    REPLICA_TXN txn = NULL;
    int64_t now = e->db->world->now_ms(e->db->world->ctx);
    int r = replica__txn_begin(e->db, &txn, err);

    if (r >= 0)
        r = replica__sql_run(e->db, REPLICA__SQL_LISTEN_SWEEP, err, now, now + NOTE_MS);
    for (replica_listener *l = e->first; r >= 0 && l; l = l->next) {
        if (!l->cancelled)
            r = note(e->db, l->text, now + NOTE_MS, err);
    }
    return r < 0 ? r : replica__txn_commit(&txn, err);
}

/* Where somebody replicates, and there is something new to note or the time has come. */
static void note_when_due(struct replica__events *e)
{
    replica_db *db = e->db;
    replica_error err = { .offset = -1 };
    bool due = e->note_at && monotonic(db) >= e->note_at;

    if (replica__txn_know(db, NULL) < 0)
        return; /* it is looked at again with the next commit */
    if (!db->replicated || db->flags & REPLICA_DB_READ_ONLY) {
        e->note_at = 0;
        return;
    }
    for (replica_listener *l = e->first; l; l = l->next)
        due |= !l->noted && !l->cancelled && (!e->note_at || monotonic(db) >= e->note_at);
    if (!due)
        return;
    if (note_all(e, &err) < 0) {
        replica__db_log(db, REPLICA_LOG_WARNING, "events", "%s", err.message);
        e->note_at = monotonic(db) + NOTE_AGAIN_MS;
        return;
    }
    e->note_at = monotonic(db) + NOTE_MS / 2;
    for (replica_listener *l = e->first; l; l = l->next)
        l->noted = true;
}

int replica__events_wanted(replica_db *db, char **ret_patterns, replica_error *err)
{
    int64_t now = db->world->now_ms(db->world->ctx);
    REPLICA_BUF text = REPLICA_BUF_INIT;
    REPLICA_STMT stmt = NULL;
    int r = replica__sql_with(db, REPLICA__SQL_LISTEN_LIST, &stmt, err, now, now + NOTE_MS);

    if (r < 0)
        return r;
    while ((r = replica__sql_step(db, stmt, SQLITE_OK, err)) > 0) {
        replica__buf_str(&text, (const char *)sqlite3_column_text(stmt, 0));
        replica__buf_char(&text, '\0');
    }
    if (text.len > 0)
        replica__buf_char(&text, '\0');
    if (r < 0 || text.r < 0)
        return r < 0 ? r : replica__enomem(err);
    *ret_patterns = text.len > 0 ? replica__buf_take(&text, NULL) : NULL;
    return 0;
}

/* ---- telling --------------------------------------------------------------------- */

static int origin_of(const replica_db *db, const char *origin)
{
    if (*origin == REPLICA__EVENT_REMOTE)
        return REPLICA_REPLICATION;
    return strcmp(origin, db->token) == 0 ? REPLICA_LOCAL : REPLICA_OTHER_PROCESS;
}

static void tell(struct replica__events *e, const struct replica__emitted *event)
{
    const replica_event_entry entry = {
        .address = event->address,
        .payload = event->payload,
        .len = event->len,
        .origin = origin_of(e->db, event->origin),
        .time_ms = event->time_ms,
    };
    size_t len = strlen(event->address);

    for (replica_listener *l = e->first; l; l = l->next) {
        if (!l->cancelled && event->number > l->since &&
            replica__pattern_matches(&l->pattern, event->address, len))
            l->fn(l->ctx, &entry);
    }
}

static void end(replica_listener *l)
{
    if (l->destroy)
        l->destroy(l->ctx);
    l->destroy = NULL;
    replica__free(l->text);
    l->text = NULL;
}

/* Outside a round: let go of those that were cancelled.  A destroy may cancel others, so each
 * search starts anew. */
static void sweep(struct replica__events *e)
{
    replica_listener **at = &e->first;

    e->in_round++;
    while (*at) {
        replica_listener *l = *at;

        if (!l->cancelled) {
            at = &l->next;
            continue;
        }
        *at = l->next;
        end(l);
        replica__free(l);
        at = &e->first;
    }
    e->in_round--;
}

/* 1: there may be more. */
static int round_of(struct replica__events *e, int64_t until_ms, replica_error *err)
{
    REPLICA_EVENT_BATCH batch = { .n = 0 };
    int r;

    do {
        r = replica__event_batch_read(e->db, e->told, &batch, err);
        if (r < 0)
            return r;
        e->in_round++;
        for (size_t i = 0; i < batch.n && !e->db->pump.close_wanted; i++) {
            if (batch.events[i].number <= e->told)
                continue; /* a listener that dispatches has told it */
            e->told = batch.events[i].number;
            tell(e, &batch.events[i]);
        }
        if (--e->in_round == 0)
            sweep(e);
    } while (batch.n > 0 && !e->db->pump.close_wanted && monotonic(e->db) < until_ms);
    return batch.n > 0;
}

/* ---- the guest ------------------------------------------------------------------- */

static void committed(void *ctx)
{
    (void)ctx; /* the pump looks by itself */
}

static int64_t next_ms(void *ctx)
{
    const struct replica__events *e = ctx;

    return e->first && e->note_at ? e->note_at : -1;
}

static void work(void *ctx)
{
    struct replica__events *e = ctx;
    replica_db *db = e->db;
    replica_error err = { .offset = -1 };
    int r;

    if (!e->first)
        return;
    r = round_of(e, monotonic(db) + TURN_MS, &err);
    if (r < 0)
        replica__db_log(db, REPLICA_LOG_WARNING, "events", "%s", err.message);
    else if (r > 0)
        replica__pump_look(db);
    if (e->first && !db->pump.close_wanted)
        note_when_due(e);
}

static void closing(void *ctx)
{
    struct replica__events *e = ctx;
    replica_listener *next;

    e->in_round++; /* a destroy that cancels others only marks them */
    for (replica_listener *l = e->first; l; l = l->next)
        end(l);
    for (replica_listener *l = e->first; l; l = next) {
        next = l->next;
        if (l->cancelled || !l->owned)
            replica__free(l);
        else
            l->db = NULL;
    }
    e->first = NULL;
    e->is_guest = false;
}

void replica__events_end(replica_db *db)
{
    replica__free(db->events);
    db->events = NULL;
}

/* ---- listening ------------------------------------------------------------------- */

static int listener_new(replica_db *db, const char *pattern, replica_listener **ret,
                        replica_error *err)
{
    replica_listener *l = replica__alloc_zero(1, sizeof *l);
    int r = 0;

    if (l)
        l->text = replica__strdup(pattern);
    if (!l || !l->text)
        r = replica__enomem(err);
    if (r >= 0)
        r = replica__pattern_parse(&l->pattern, l->text, err);
    if (r >= 0)
        r = replica__events_head(db, &l->since, err);
    if (r < 0) {
        if (l)
            replica__free(l->text);
        replica__free(l);
        return r;
    }
    *ret = l;
    return 0;
}

static void enter(struct replica__events *e)
{
    if (e->is_guest)
        return;
    e->guest = (struct replica__guest){ .name = "(events)",
                                        .committed = committed,
                                        .next_ms = next_ms,
                                        .work = work,
                                        .closing = closing,
                                        .ctx = e };
    replica__db_add_guest(e->db, &e->guest);
    e->is_guest = true;
}

int replica_listen(replica_db *db, const char *pattern,
                   void (*fn)(void *ctx, const replica_event_entry *event), void *ctx,
                   replica_destroy_fn destroy, replica_listener **ret_listener,
                   replica_error *err)
{
    replica_listener *l = NULL;
    struct replica__events *e = NULL;
    int r = 0;

    if (!db || !pattern || !fn)
        r = replica__error_set(err, REPLICA_EINVAL, 0, "no database, pattern or function");
    if (r >= 0) {
        e = events_of(db);
        r = e ? listener_new(db, pattern, &l, err) : replica__enomem(err);
    }
    if (r < 0) {
        if (destroy)
            destroy(ctx);
        return r;
    }
    l->db = db;
    l->fn = fn;
    l->ctx = ctx;
    l->destroy = destroy;
    l->owned = ret_listener != NULL;
    if (!e->first)
        e->told = l->since;
    l->next = e->first;
    e->first = l;
    enter(e);
    replica__pump_watch(db);
    replica__pump_look(db); /* to note it */
    if (ret_listener)
        *ret_listener = l;
    return 0;
}

void replica_listener_cancel(replica_listener *l)
{
    struct replica__events *e;

    if (!l || l->cancelled)
        return;
    if (!l->db) { /* its database has closed */
        replica__free(l);
        return;
    }
    l->cancelled = true;
    e = l->db->events;
    if (!e->in_round)
        sweep(e);
}
