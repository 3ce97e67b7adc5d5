/* replica_sync_verify(): the program's side of it.  What the session finds is queued, and told on
 * the thread that waits. */
#include "base/options.h"
#include "replicator/sync_state.h"

#include <string.h>

#define QUEUE_MOST (256 * 1024) /* bytes; then the session waits */

struct replica__verifying {
    int refs; /* the call's and the session's; with the mutex */
    pthread_mutex_t mutex;
    replica_sync *sync;
    char *collection; /* NULL: all */
    int repair;
    bool given_up;    /* nobody listens any more */
    bool ended;
    struct replica__buf found; /* kind, collection, NUL, id, NUL ... */
    replica_verify_result result;
    replica_error error; /* code 0: all was compared */
};

static void unref(struct replica__verifying *v)
{
    bool last;

    pthread_mutex_lock(&v->mutex);
    last = --v->refs == 0;
    pthread_mutex_unlock(&v->mutex);
    if (!last)
        return;
    pthread_mutex_destroy(&v->mutex);
    replica__buf_free(&v->found);
    replica__free(v->collection);
    replica__sync_unref(v->sync);
    replica__free(v);
}

/* ---- the session's thread ----------------------------------------------------------- */

static int room(void *ctx)
{
    struct replica__verifying *v = ctx;
    int r;

    pthread_mutex_lock(&v->mutex);
    r = v->given_up ? -1 : v->found.len < QUEUE_MOST;
    pthread_mutex_unlock(&v->mutex);
    return r;
}

static void found(void *ctx, int kind, const char *collection, const char *id)
{
    struct replica__verifying *v = ctx;

    pthread_mutex_lock(&v->mutex);
    replica__buf_char(&v->found, (char)kind);
    replica__buf_add(&v->found, collection, strlen(collection) + 1);
    replica__buf_add(&v->found, id, strlen(id) + 1);
    pthread_mutex_unlock(&v->mutex);
}

static void ended(void *ctx, const replica_verify_result *result, const replica_error *error)
{
    struct replica__verifying *v = ctx;

    pthread_mutex_lock(&v->mutex);
    v->ended = true;
    v->result = *result;
    if (error)
        v->error = *error;
    pthread_mutex_unlock(&v->mutex);
    if (v->sync->db)
        replica__poller_wake(replica__db_poller(v->sync->db));
    unref(v);
}

void replica__verifying_begin(struct replica__verifying *v, struct replica__session *session)
{
    replica__session_verify(session, &(struct replica__verify_ask){
                                         .collection = v->collection,
                                         .repair = v->repair,
                                         .room = room,
                                         .found = found,
                                         .ended = ended,
                                         .ctx = v,
                                     });
}

/* ---- the program's thread ----------------------------------------------------------- */

static struct replica__verifying *make(replica_sync *sync, const replica_verify_options *o)
{
    struct replica__verifying *v = replica__alloc_zero(1, sizeof *v);
    const char *name = o->collection ? replica_collection_name(o->collection) : NULL;

    if (!v)
        return NULL;
    v->collection = replica__strdup(name);
    if (name && !v->collection) {
        replica__free(v);
        return NULL;
    }
    v->refs = 2;
    v->sync = sync;
    v->repair = o->repair;
    v->error = (replica_error){ .offset = -1 };
    pthread_mutex_init(&v->mutex, NULL);
    replica__sync_ref(sync);
    return v;
}

/* Tell what is queued.  1: it has ended. */
static int tell(struct replica__verifying *v, const replica_verify_options *o, replica_error *err)
{
    REPLICA_BUF queue = REPLICA_BUF_INIT;
    bool over, was_full;

    pthread_mutex_lock(&v->mutex);
    over = v->ended;
    queue = v->found;
    v->found = (struct replica__buf)REPLICA_BUF_INIT;
    pthread_mutex_unlock(&v->mutex);
    was_full = queue.len >= QUEUE_MOST;
    if (was_full && !over && v->sync->db)
        replica__runner_wake(v->sync);
    for (size_t at = 0; queue.r == 0 && o->on_difference && at < queue.len;) {
        replica_verify_difference d = { .kind = queue.data[at],
                                        .collection = queue.data + at + 1 };

        d.id = d.collection + strlen(d.collection) + 1;
        o->on_difference(o->ctx, &d);
        at = (size_t)(d.id - queue.data) + strlen(d.id) + 1;
    }
    return queue.r < 0 ? replica__enomem(err) : over;
}

/* It was not handed over, or nobody listens any more. */
static void give_up(struct replica__verifying *v)
{
    bool mine;

    pthread_mutex_lock(&v->sync->mutex);
    mine = v->sync->verifying == v;
    if (mine)
        v->sync->verifying = NULL;
    pthread_mutex_unlock(&v->sync->mutex);
    pthread_mutex_lock(&v->mutex);
    v->given_up = true;
    v->refs -= mine;
    pthread_mutex_unlock(&v->mutex);
    if (v->sync->db)
        replica__runner_wake(v->sync);
}

/* 0 to go on. */
static int is_hopeless(replica_sync *sync, replica_error *err)
{
    replica_sync_status status;

    replica__sync_read_status(sync, &status);
    if (status.state == REPLICA_SYNC_STANDBY)
        return replica__error_set(err, REPLICA_EBUSY, 0, "another process replicates");
    return replica__sync_halted(&status, err);
}

static int wait_for(struct replica__verifying *v, const replica_verify_options *o,
                    replica_error *err)
{
    struct replica__sync_wait w = replica__sync_wait_for(v->sync, o->timeout_ms);
    int r;

    for (;;) {
        r = tell(v, o, err);
        if (r != 0)
            return r;
        r = v->sync->db ? is_hopeless(v->sync, err)
                        : replica__error_set(err, REPLICA_ECLOSED, 0, "the replication has ended");
        if (r >= 0)
            r = replica__sync_wait_some(&w, err);
        if (r <= 0)
            return r;
    }
}

static int hand_over(replica_sync *sync, struct replica__verifying *v, replica_error *err)
{
    bool busy;

    pthread_mutex_lock(&sync->mutex);
    busy = sync->verifying != NULL;
    if (!busy)
        sync->verifying = v;
    pthread_mutex_unlock(&sync->mutex);
    if (busy)
        return replica__error_set(err, REPLICA_EBUSY, 0, "it is being verified already");
    replica__runner_command(sync, COMMAND_VERIFY);
    return 0;
}

static int verify(replica_sync *sync, const replica_verify_options *o,
                  replica_verify_result *ret_result, replica_error *err)
{
    struct replica__verifying *v = make(sync, o);
    size_t size = ret_result->size;
    int r;

    if (!v)
        return replica__enomem(err);
    r = hand_over(sync, v, err);
    if (r < 0) {
        v->refs--;
        unref(v);
        return r;
    }
    r = wait_for(v, o, err);
    if (r > 0 && v->error.code) {
        r = v->error.code;
        if (err)
            *err = v->error;
    } else if (r > 0) {
        memcpy(ret_result, &v->result, size < sizeof v->result ? size : sizeof v->result);
        ret_result->size = size;
    }
    give_up(v);
    unref(v);
    return r;
}

int replica_sync_verify(replica_sync *sync, const replica_verify_options *opts,
                        replica_verify_result *ret_result, replica_error *err)
{
    replica_verify_options o = { 0 };
    int r;

    if (!sync || !opts || !ret_result || ret_result->size < sizeof(size_t))
        return replica__error_set(err, REPLICA_EINVAL, 0, "no replication, options or place");
    r = replica__options(opts, opts->size, &o, sizeof o, err);
    if (r < 0)
        return r;
    if (o.repair < REPLICA_REPAIR_NONE || o.repair > REPLICA_REPAIR_SERVER)
        return replica__error_set(err, REPLICA_EINVAL, 0, "no such repair: %d", o.repair);
    if (!sync->db)
        return replica__error_set(err, REPLICA_ECLOSED, 0, "the replication has ended");
    return verify(sync, &o, ret_result, err);
}
