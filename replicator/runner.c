/* Running a session: on a thread of its own, or in the program's dispatch. */
#include "replicator/remote_http.h"
#include "replicator/sync_state.h"

#include <signal.h>
#include <string.h>

/* The runner must see a stop within a second, so it does not wait longer than this for a lock. */
#define BUSY_MS 500
/* Where the system does not tell of other processes' commits, look so often. */
#define LOOK_MS 250
/* Steps in one turn of the program's loop. */
#define TURN_MS 10

void replica__runner_wake(replica_sync *sync)
{
    replica__poller_wake(replica__db_poller(sync->run_db));
}

void replica__runner_command(replica_sync *sync, unsigned command)
{
    pthread_mutex_lock(&sync->mutex);
    sync->commands |= command;
    pthread_mutex_unlock(&sync->mutex);
    replica__runner_wake(sync);
}

void replica__runner_look(replica_sync *sync, unsigned command)
{
    pthread_mutex_lock(&sync->mutex);
    if (sync->status.state != REPLICA_SYNC_STOPPED) {
        sync->status.in_sync = 0;
        sync->changes++;
    }
    sync->commands |= command; /* in one: who has seen the change has the command, too */
    pthread_mutex_unlock(&sync->mutex);
    replica__runner_wake(sync);
}

static void give_token(replica_sync *sync)
{
    char *token;

    pthread_mutex_lock(&sync->mutex);
    token = sync->token;
    sync->token = NULL;
    pthread_mutex_unlock(&sync->mutex);
    replica__remote_http_token(&sync->remote, token);
    if (token)
        memset(token, 0, strlen(token));
    replica__free(token);
}

/* Do what the program told; false: stop. */
static bool obey(replica_sync *sync)
{
    struct replica__verifying *verifying;
    unsigned commands;

    pthread_mutex_lock(&sync->mutex);
    commands = sync->commands;
    sync->commands = 0;
    sync->seen = sync->changes;
    verifying = sync->verifying;
    sync->verifying = NULL;
    pthread_mutex_unlock(&sync->mutex);
    if (verifying)
        replica__verifying_begin(verifying, sync->session);
    if (commands & COMMAND_STOP)
        return false;
    if (commands & COMMAND_CHANGED)
        replica__session_changed(sync->session);
    if (commands & COMMAND_PAUSE)
        replica__session_pause(sync->session, true);
    if (commands & COMMAND_RESUME)
        replica__session_pause(sync->session, false);
    if (commands & COMMAND_NOW)
        replica__session_now(sync->session);
    if (commands & COMMAND_RESYNC)
        replica__session_resync(sync->session);
    if (commands & COMMAND_TOKEN)
        give_token(sync);
    return true;
}

/* Let the remote work until it has nothing to do at once: a request that an answer has led to goes
 * out before the answer is applied. */
static void drive(replica_sync *sync)
{
    if (!sync->remote.work)
        return;
    for (int i = 0; i < 4; i++) {
        sync->remote.work(sync->remote.ctx);
        if (!sync->remote.timeout || sync->remote.timeout(sync->remote.ctx) != 0)
            return;
    }
}

static bool turn(replica_sync *sync)
{
    bool again;

    drive(sync);
    again = replica__session_step(sync->session);
    drive(sync);
    return again;
}

/* Milliseconds until something is to be done; -1: until something happens. */
static int next_timeout(replica_sync *sync)
{
    const struct replica__world *world = replica__db_world(sync->run_db);
    int64_t next = replica__session_next(sync->session);
    int64_t lease = replica__session_lease_at(sync->session);
    int timeout = -1;
    int remote = sync->remote.timeout ? sync->remote.timeout(sync->remote.ctx) : -1;

    if (lease >= 0 && (next < 0 || lease < next))
        next = lease;
    if (next >= 0) {
        int64_t left = next - world->monotonic_ms(world->ctx);

        timeout = left < 0 ? 0 : left > 60000 ? 60000 : (int)left;
    }
    return remote >= 0 && (timeout < 0 || remote < timeout) ? remote : timeout;
}

/* ---- the network ----------------------------------------------------------------- */

static void watch_network(replica_sync *sync)
{
    struct replica__poller *poller = replica__db_poller(sync->run_db);

    sync->network = sync->http ? replica__os_network_open() : -1;
    if (sync->network >= 0 &&
        replica__poller_watch_fd(poller, sync->network, REPLICA_POLL_IN) < 0) {
        replica__os_network_close(sync->network);
        sync->network = -1;
    }
}

static void look_at_network(replica_sync *sync)
{
    if (sync->network >= 0 && replica__os_network_is_back(sync->network))
        replica__session_network(sync->session);
}

static void forget_network(replica_sync *sync)
{
    if (sync->network < 0)
        return;
    replica__poller_watch_fd(replica__db_poller(sync->run_db), sync->network, 0);
    replica__os_network_close(sync->network);
    sync->network = -1;
}

/* ---- the thread ------------------------------------------------------------------ */

/* When to look whether others have committed. A commit shows a moment after the write to the WAL
 * that wakes us, so one look is not enough: they go on in ever longer steps. */
struct looking {
    bool watched;
    int delay_ms; /* 0: until the file changes */
};

static int look_timeout(const struct looking *l, int timeout)
{
    return l->delay_ms && (timeout < 0 || timeout > l->delay_ms) ? l->delay_ms : timeout;
}

static void look(replica_sync *sync, struct looking *l, bool file_changed)
{
    if (file_changed)
        l->delay_ms = 1;
    else if (l->delay_ms && l->delay_ms < LOOK_MS)
        l->delay_ms *= 2;
    if (l->watched && l->delay_ms >= LOOK_MS)
        l->delay_ms = 0;
    if (replica__db_changed(sync->run_db, NULL) > 0)
        replica__session_changed(sync->session);
}

static void *run(void *arg)
{
    replica_sync *sync = arg;
    struct looking looking = { .watched = replica__db_watch(sync->run_db), .delay_ms = LOOK_MS };
    struct replica__poller *poller = replica__db_poller(sync->run_db);
    unsigned happened;

    watch_network(sync);
    if (sync->remote.fd && sync->remote.fd(sync->remote.ctx) >= 0)
        replica__poller_watch_fd(poller, sync->remote.fd(sync->remote.ctx), REPLICA_POLL_IN);
    while (obey(sync)) {
        int timeout = turn(sync) ? 0 : look_timeout(&looking, next_timeout(sync));

        happened = replica__poller_wait(poller, timeout);
        look(sync, &looking, happened & REPLICA_FILE_CHANGED);
        if (happened & REPLICA_FD_READY)
            look_at_network(sync);
    }
    forget_network(sync);
    if (sync->remote.fd && sync->remote.fd(sync->remote.ctx) >= 0)
        replica__poller_watch_fd(poller, sync->remote.fd(sync->remote.ctx), 0);
    replica__session_free(sync->session);
    sync->session = NULL;
    return NULL;
}

/* Signals are the program's. */
static int start_thread(replica_sync *sync, replica_error *err)
{
    sigset_t all, old;
    int failed;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    failed = pthread_create(&sync->thread, NULL, run, sync);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (failed)
        return replica__error_set(err, REPLICA_ENOMEM, failed, "no thread to be had");
    sync->has_thread = true;
    return 0;
}

/* ---- the program's loop ----------------------------------------------------------- */

static int64_t loop_next(void *ctx)
{
    replica_sync *sync = ctx;
    const struct replica__world *world = replica__db_world(sync->run_db);
    int timeout;
    bool told;

    pthread_mutex_lock(&sync->mutex);
    told = sync->commands != 0;
    pthread_mutex_unlock(&sync->mutex);
    timeout = told ? 0 : next_timeout(sync);
    return timeout < 0 ? -1 : world->monotonic_ms(world->ctx) + timeout;
}

static void loop_work(void *ctx)
{
    replica_sync *sync = ctx;
    const struct replica__world *world = replica__db_world(sync->run_db);
    int64_t until = world->monotonic_ms(world->ctx) + TURN_MS;
    bool again;

    if (replica__db_changed(sync->run_db, NULL) > 0)
        replica__runner_command(sync, COMMAND_CHANGED);
    look_at_network(sync);
    if (!obey(sync))
        return;
    do
        again = turn(sync);
    while (again && world->monotonic_ms(world->ctx) < until);
    if (again)
        replica__runner_wake(sync);
}

/* ---- starting and stopping -------------------------------------------------------- */

static void committed(void *ctx)
{
    replica__runner_look(ctx, COMMAND_CHANGED);
}

/* In the program's loop the session's own commits come here, too; they are no news to it. */
static void committed_in_loop(void *ctx)
{
    replica_sync *sync = ctx;

    if (!replica__session_busy(sync->session))
        committed(ctx);
}

static int make_session(replica_sync *sync, const struct replica__session_options *given,
                        replica_error *err)
{
    struct replica__session_options o = *given;
    REPLICA_FREE replica_collection **colls = replica__alloc_zero(o.count, sizeof(*colls));

    if (!colls)
        return replica__enomem(err);
    for (size_t i = 0; i < o.count; i++) {
        int r = replica_db_collection(sync->run_db, replica_collection_name(o.collections[i]), NULL,
                                      &colls[i], err);
        if (r < 0)
            return r;
    }
    o.collections = colls;
    o.identifier = sync->identifier;
    return replica__session_new(sync->run_db, &o, &sync->remote, &sync->hooks, &sync->session, err);
}

int replica__runner_start(replica_sync *sync, const struct replica__session_options *o,
                          replica_error *err)
{
    bool in_loop = sync->o.flags & REPLICA_SYNC_IN_LOOP;
    int r = 0;

    sync->run_db = sync->db;
    sync->network = -1;
    if (!in_loop) {
        r = replica__db_open_sibling(sync->db, &sync->run_db, err);
        if (r < 0)
            return r;
        replica__db_set_busy(sync->run_db, BUSY_MS);
    }
    r = make_session(sync, o, err);
    sync->guest = (struct replica__guest){ .name = sync->identifier,
                                           .committed = in_loop ? committed_in_loop : committed,
                                           .next_ms = in_loop ? loop_next : NULL,
                                           .work = in_loop ? loop_work : NULL,
                                           .closing = sync->guest.closing,
                                           .ctx = sync };
    if (r >= 0 && !in_loop)
        r = start_thread(sync, err);
    if (r < 0)
        return r;
    if (in_loop) {
        if (sync->remote.fd && sync->remote.fd(sync->remote.ctx) >= 0)
            replica__poller_watch_fd(replica__db_poller(sync->db),
                                     sync->remote.fd(sync->remote.ctx), REPLICA_POLL_IN);
        watch_network(sync);
        replica__db_watch(sync->db);
        replica__runner_wake(sync);
    }
    replica__db_add_guest(sync->db, &sync->guest);
    return 0;
}

void replica__runner_stop(replica_sync *sync)
{
    if (sync->has_thread) {
        replica__runner_command(sync, COMMAND_STOP);
        pthread_join(sync->thread, NULL);
        sync->has_thread = false;
    } else if (sync->session) {
        forget_network(sync);
        if (sync->remote.fd && sync->remote.fd(sync->remote.ctx) >= 0)
            replica__poller_watch_fd(replica__db_poller(sync->db),
                                     sync->remote.fd(sync->remote.ctx), 0);
        replica__session_free(sync->session);
        sync->session = NULL;
    }
    if (sync->run_db && sync->run_db != sync->db)
        replica_db_close(sync->run_db);
    sync->run_db = NULL;
}
