/* What the runner tells the program: status, events, errors; and asks it: a token.  Everything
 * travels as a post, and is dropped when the replication has ended meanwhile. */
#include "replicator/remote_http.h"
#include "replicator/sync_state.h"

#include <stdio.h>
#include <string.h>

/* More events than this on their way to the program: the session waits for it. */
#define MAX_EVENTS 4096

static int post(void *ctx, replica__post_fn fn, void *arg)
{
    replica_sync *sync = ctx;

    return replica__db_post(sync->db, fn, arg);
}

static void wake(void *ctx)
{
    replica__runner_wake(ctx);
}

/* ---- status ---------------------------------------------------------------------- */

static void run_status(void *arg, bool closing)
{
    replica_sync *sync = arg;
    replica_sync_status status;

    pthread_mutex_lock(&sync->mutex);
    status = sync->status;
    sync->status_posted = false;
    pthread_mutex_unlock(&sync->mutex);
    if (!sync->ended && !closing)
        sync->o.on_status(sync->o.ctx, &status);
    replica__sync_unref(sync);
}

int64_t replica__sync_retry_ms(const replica_sync *sync)
{
    const struct replica__world *world = &replica__real_world;
    int64_t left = sync->retry_at - world->monotonic_ms(world->ctx);

    return sync->retry_at == 0 ? 0 : left > 0 ? left : 1;
}

static void tell_status(void *ctx, const replica_sync_status *status)
{
    replica_sync *sync = ctx;
    bool send;

    pthread_mutex_lock(&sync->mutex);
    sync->status = *status;
    sync->retry_at = status->retry_ms;
    sync->status.retry_ms = replica__sync_retry_ms(sync);
    if (sync->http)
        replica__remote_http_bytes(&sync->remote, &sync->status.bytes_down, &sync->status.bytes_up);
    if (sync->seen != sync->changes)
        sync->status.in_sync =
            0; /* the program has written, and the session does not know it yet */
    send = sync->o.on_status && !sync->status_posted;
    sync->status_posted |= send;
    pthread_mutex_unlock(&sync->mutex);
    if (send) {
        replica__sync_ref(sync);
        if (post(sync, run_status, sync) < 0) {
            pthread_mutex_lock(&sync->mutex);
            sync->status_posted = false; /* the next one tells it */
            pthread_mutex_unlock(&sync->mutex);
            replica__sync_unref(sync);
        }
    }
    replica__poller_wake(replica__db_poller(sync->db)); /* somebody may wait for it */
}

/* ---- events ---------------------------------------------------------------------- */

struct event {
    replica_sync *sync;
    replica_sync_event event;
    char texts[];
};

static bool ready(void *ctx)
{
    replica_sync *sync = ctx;
    bool has_room;

    pthread_mutex_lock(&sync->mutex);
    has_room = sync->events < MAX_EVENTS;
    pthread_mutex_unlock(&sync->mutex);
    return has_room;
}

static void run_event(void *arg, bool closing)
{
    struct event *e = arg;
    replica_sync *sync = e->sync;
    bool had_no_room;

    if (!sync->ended && !closing)
        sync->o.on_event(sync->o.ctx, &e->event);
    replica_doc_unref(e->event.assumed);
    replica_doc_unref(e->event.real);
    replica_doc_unref(e->event.local);
    replica_doc_unref(e->event.result);
    replica__free(e);
    pthread_mutex_lock(&sync->mutex);
    had_no_room = sync->events-- == MAX_EVENTS;
    pthread_mutex_unlock(&sync->mutex);
    if (had_no_room && !sync->ended && !closing)
        replica__runner_wake(sync);
    replica__sync_unref(sync);
}

static char *put_text(char *at, const char **text)
{
    size_t size;

    if (!*text)
        return at;
    size = strlen(*text) + 1;
    memcpy(at, *text, size);
    *text = at;
    return at + size;
}

static size_t size_of(const char *text)
{
    return text ? strlen(text) + 1 : 0;
}

/* Without memory an event is not told: it is news, what it is about is in the database. */
static void tell_event(void *ctx, const replica_sync_event *event)
{
    replica_sync *sync = ctx;
    struct event *e = replica__alloc(sizeof *e + size_of(event->collection) + size_of(event->id) +
                                     size_of(event->rule) + size_of(event->reason));
    char *at;

    if (!e)
        return;
    e->sync = sync;
    e->event = *event;
    at = put_text(e->texts, &e->event.collection);
    at = put_text(at, &e->event.id);
    at = put_text(at, &e->event.rule);
    put_text(at, &e->event.reason);
    replica_doc_ref(event->assumed);
    replica_doc_ref(event->real);
    replica_doc_ref(event->local);
    replica_doc_ref(event->result);
    pthread_mutex_lock(&sync->mutex);
    sync->events++;
    pthread_mutex_unlock(&sync->mutex);
    replica__sync_ref(sync);
    if (post(sync, run_event, e) < 0)
        run_event(e, true);
}

/* ---- errors ---------------------------------------------------------------------- */

struct failure {
    replica_sync *sync;
    replica_error error;
};

static void run_error(void *arg, bool closing)
{
    struct failure *f = arg;

    if (!f->sync->ended && !closing)
        f->sync->o.on_error(f->sync->o.ctx, &f->error);
    replica__sync_unref(f->sync);
    replica__free(f);
}

static void tell_error(void *ctx, const replica_error *error)
{
    replica_sync *sync = ctx;
    struct failure *f = replica__alloc(sizeof *f);

    if (!f)
        return;
    f->sync = sync;
    f->error = *error;
    replica__sync_ref(sync);
    if (post(sync, run_error, f) < 0)
        run_error(f, true);
}

/* ---- the token ------------------------------------------------------------------- */

struct asked_token {
    replica_sync *sync;
    char *token; /* room for the answer */
};

static void run_token(void *arg, bool closing)
{
    struct asked_token *asked = arg;
    replica_sync *sync = asked->sync;
    char *token = asked->token;
    int r = -1;

    replica__free(asked);
    if (!sync->ended && !closing)
        r = sync->o.token(sync->o.ctx, token, REPLICA__TOKEN_ROOM);
    if (r == 0)
        token[0] = '\0';
    pthread_mutex_lock(&sync->mutex);
    replica__free(sync->token);
    sync->token = r >= 0 ? token : NULL;
    pthread_mutex_unlock(&sync->mutex);
    if (r < 0)
        replica__free(token);
    if (!sync->ended && !closing)
        replica__runner_command(sync, COMMAND_TOKEN);
    replica__sync_unref(sync);
}

int replica__tell_token(void *ctx, bool refused, char *out, size_t room)
{
    replica_sync *sync = ctx;
    struct asked_token *asked;
    char *token_room;

    if (!sync->o.token)
        return refused ? REPLICA_EAUTH : 0;
    asked = replica__alloc_zero(1, sizeof *asked);
    token_room = replica__alloc_zero(1, REPLICA__TOKEN_ROOM);
    if (asked && token_room) {
        *asked = (struct asked_token){ sync, token_room };
        replica__sync_ref(sync);
        if (post(sync, run_token, asked) == 0)
            return REPLICA__TOKEN_LATER;
        replica__sync_unref(sync);
    }
    replica__free(token_room);
    replica__free(asked);
    return REPLICA_ENOMEM;
}

static void tell_bytes(void *ctx, int64_t *ret_down, int64_t *ret_up)
{
    replica_sync *sync = ctx;

    if (sync->http)
        replica__remote_http_bytes(&sync->remote, ret_down, ret_up);
}

void replica__tell_trace(void *ctx, const replica_sync_trace_entry *entry)
{
    replica__trace_add(((replica_sync *)ctx)->trace, entry);
}

void replica__tell_set_hooks(replica_sync *sync)
{
    sync->hooks = (struct replica__session_hooks){
        .post = post,
        .wake = wake,
        .status = tell_status,
        .event = sync->o.on_event ? tell_event : NULL,
        .error = sync->o.on_error ? tell_error : NULL,
        .bytes = tell_bytes,
        .trace = replica__tell_trace,
        .ready = sync->o.on_event ? ready : NULL,
        .ctx = sync,
    };
}
