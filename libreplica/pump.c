#include "libreplica/pump.h"

#include "libreplica/db.h"
#include "libreplica/live/live.h"
#include "libreplica/replication/conflict_log.h"
#include "libreplica/txn.h"
#include "libreplica/watch.h"

#include <string.h>

/* Where the system cannot tell that the file was written to, look four times a second. */
#define LOOK_MS 250

static int64_t now_ms(replica_db *db)
{
    return db->world->monotonic_ms(db->world->ctx);
}

int replica__pump_open(replica_db *db, replica_error *err)
{
    struct replica__pump *p = &db->pump;
    int r = replica__poller_open(&p->poller, err);

    if (r < 0)
        return r;
    pthread_mutex_init(&p->mutex, NULL);
    p->last = &p->first;
    atomic_init(&p->committed, false);
    return 0;
}

void replica__pump_free(replica_db *db)
{
    if (!db->pump.poller)
        return;
    replica__poller_close(db->pump.poller);
    pthread_mutex_destroy(&db->pump.mutex);
}

/* A commit is seen a moment after its last write to the WAL file, for which the file's change wakes
 * us: look at once, and then in ever longer steps. */
static void look_soon(replica_db *db)
{
    db->pump.look_delay_ms = 1;
    db->pump.next_look_ms = now_ms(db) + 1;
}

static void look_later(replica_db *db)
{
    struct replica__pump *p = &db->pump;

    p->look_delay_ms = p->look_delay_ms < LOOK_MS / 2 ? p->look_delay_ms * 2 : LOOK_MS;
    if (p->watching && p->look_delay_ms == LOOK_MS)
        p->next_look_ms = 0; /* until the file changes again */
    else
        p->next_look_ms = now_ms(db) + p->look_delay_ms;
}

/* The first observer: from now on the commits of others matter. */
void replica__pump_watch(replica_db *db)
{
    struct replica__pump *p = &db->pump;
    char *wal;

    if (p->watching || db->memory)
        return;
    wal = sqlite3_mprintf("%s-wal", db->path);
    p->watching = wal && replica__poller_watch_file(p->poller, wal) >= 0;
    sqlite3_free(wal);
    p->seen_version = db->data_version;
    look_soon(db);
}

void replica__pump_committed(replica_db *db)
{
    struct replica__pump *program = db->pump.program ? db->pump.program : &db->pump;

    /* The program's own commits wake nobody who does not listen; a round costs nothing then. */
    if (!atomic_exchange(&program->committed, true))
        replica__poller_wake(program->poller);
    for (struct replica__guest *g = db->pump.guests; g; g = g->next)
        g->committed(g->ctx);
}

void replica__pump_look(replica_db *db)
{
    if (!atomic_exchange(&db->pump.committed, true))
        replica__poller_wake(db->pump.poller);
}

/* ---- posts ----------------------------------------------------------------------- */

int replica__db_post(replica_db *db, replica__post_fn fn, void *ctx)
{
    struct replica__pump *p = &db->pump;
    struct replica__post *post = replica__alloc(sizeof *post);

    if (!post)
        return REPLICA_ENOMEM;
    *post = (struct replica__post){ .fn = fn, .ctx = ctx };
    pthread_mutex_lock(&p->mutex);
    *p->last = post;
    p->last = &post->next;
    pthread_mutex_unlock(&p->mutex);
    replica__poller_wake(p->poller);
    return 0;
}

static struct replica__post *take_post(struct replica__pump *p)
{
    struct replica__post *post;

    pthread_mutex_lock(&p->mutex);
    post = p->first;
    if (post) {
        p->first = post->next;
        if (!p->first)
            p->last = &p->first;
    }
    pthread_mutex_unlock(&p->mutex);
    return post;
}

static bool has_posts(struct replica__pump *p)
{
    bool has;

    pthread_mutex_lock(&p->mutex);
    has = p->first != NULL;
    pthread_mutex_unlock(&p->mutex);
    return has;
}

/* 1: posts are left. */
static int run_posts(replica_db *db, int64_t until_ms)
{
    struct replica__pump *p = &db->pump;
    struct replica__post *post;

    while (!p->close_wanted && (post = take_post(p))) {
        replica__post_fn fn = post->fn;
        void *ctx = post->ctx;

        replica__free(post);
        fn(ctx, false);
        if (now_ms(db) >= until_ms)
            return has_posts(p);
    }
    return 0;
}

/* ---- guests ---------------------------------------------------------------------- */

void replica__db_add_guest(replica_db *db, struct replica__guest *guest)
{
    guest->next = db->pump.guests;
    db->pump.guests = guest;
}

void replica__db_remove_guest(replica_db *db, struct replica__guest *guest)
{
    struct replica__guest **at = &db->pump.guests;

    while (*at && *at != guest)
        at = &(*at)->next;
    if (*at)
        *at = guest->next;
}

/* A guest may remove itself or others while it works, so each round starts from the list. */
static void work_guests(replica_db *db, bool all)
{
    struct replica__pump *p = &db->pump;
    struct replica__guest *seen[32];
    size_t n = 0;

    for (struct replica__guest *g = p->guests; g && n < 32; g = g->next)
        seen[n++] = g;
    for (size_t i = 0; i < n && !p->close_wanted; i++) {
        struct replica__guest *g = p->guests;
        int64_t at;

        while (g && g != seen[i])
            g = g->next;
        if (!g || !g->work)
            continue;
        at = g->next_ms ? g->next_ms(g->ctx) : -1;
        if (all || (at >= 0 && at <= now_ms(db)))
            g->work(g->ctx);
    }
}

struct replica__poller *replica__db_poller(replica_db *db)
{
    return db->pump.poller;
}

bool replica__db_dispatching(const replica_db *db)
{
    return db->pump.dispatching > 0;
}

bool replica__db_close_wanted(const replica_db *db)
{
    return db->pump.close_wanted;
}

bool replica__db_has_guest(const replica_db *db, const char *name)
{
    for (const struct replica__guest *g = db->pump.guests; g; g = g->next) {
        if (strcmp(g->name, name) == 0)
            return true;
    }
    return false;
}

bool replica__db_watch(replica_db *db)
{
    replica__pump_watch(db);
    return db->pump.watching;
}

int replica__db_changed(replica_db *db, replica_error *err)
{
    int64_t before = db->looked_version;
    int r = db->memory ? 0 : replica__txn_know(db, err);

    if (r < 0)
        return r;
    db->looked_version = db->data_version;
    return db->looked_version != before;
}

void replica__db_set_busy(replica_db *db, int busy_ms)
{
    db->busy_ms = busy_ms;
}

/* ---- the program's loop ---------------------------------------------------------- */

/* Is there anybody whom commits of other processes concern: observers, or work in this loop? */
static bool is_listened_to(const struct replica__pump *p)
{
    const struct replica__guest *g = p->guests;

    while (g && !g->work)
        g = g->next;
    return p->observers > 0 || g;
}

/* Has anybody committed since the observers were told?  A change of data_version is another
 * connection's commit. */
static int look_for_commits(replica_db *db, bool file_changed, bool *ret_look, replica_error *err)
{
    struct replica__pump *p = &db->pump;
    bool look = atomic_exchange(&p->committed, false);

    if (file_changed)
        look_soon(db);
    if (is_listened_to(p) && !db->memory && !look &&
        (file_changed || (p->next_look_ms && now_ms(db) >= p->next_look_ms))) {
        int r = replica__txn_know(db, err);

        if (r < 0)
            return r;
        look = db->data_version != p->seen_version;
        p->seen_version = db->data_version;
        look_later(db);
    }
    *ret_look = look;
    return 0;
}

/* 1: there may be more to tell. */
static int tell_listeners(replica_db *db, int64_t until_ms, replica_error *err)
{
    int (*const rounds[])(replica_db *, int64_t, replica_error *) = {
        replica__watch_round,
        replica__live_round,
        replica__log_round,
    };
    int more = 0;

    for (size_t i = 0; i < sizeof rounds / sizeof rounds[0] && !db->pump.close_wanted; i++) {
        int r = rounds[i](db, until_ms, err);

        if (r < 0)
            return r;
        more |= r;
    }
    return more;
}

static int dispatch(replica_db *db, int64_t until_ms, unsigned ready, replica_error *err)
{
    bool look = false;
    int more, r;

    more = run_posts(db, until_ms);
    r = look_for_commits(db, ready & REPLICA_FILE_CHANGED, &look, err);
    if (r >= 0 && look && !db->pump.close_wanted) {
        r = tell_listeners(db, until_ms, err);
        if (r != 0)
            atomic_store(&db->pump.committed, true); /* the rest in the next dispatch */
    }
    if (r < 0)
        return r;
    more |= r;
    if (!db->pump.close_wanted)
        work_guests(db, look || (ready & (REPLICA_FD_READY | REPLICA_WOKEN)) != 0);
    return more || has_posts(&db->pump);
}

int replica_db_dispatch(replica_db *db, int budget_ms, replica_error *err)
{
    unsigned ready;
    int r;

    if (!db || budget_ms < 0)
        return replica__error_set(err, REPLICA_EINVAL, 0, "no database, or no budget");
    ready = replica__poller_wait(db->pump.poller, 0);
    db->pump.dispatching++;
    r = dispatch(db, now_ms(db) + (budget_ms ? budget_ms : 10), ready, err);
    db->pump.dispatching--;
    if (db->pump.close_wanted && !db->pump.dispatching) {
        replica_db_close(db);
        return 0;
    }
    return r;
}

int replica_db_fd(replica_db *db)
{
    return db ? replica__poller_fd(db->pump.poller)
              : replica__error_set(NULL, REPLICA_EINVAL, 0, "no database");
}

int replica_db_timeout(replica_db *db)
{
    int64_t now, next = -1;

    if (!db)
        return replica__error_set(NULL, REPLICA_EINVAL, 0, "no database");
    if (has_posts(&db->pump) || atomic_load(&db->pump.committed))
        return 0;
    now = now_ms(db);
    if (is_listened_to(&db->pump) && db->pump.next_look_ms && !db->memory)
        next = db->pump.next_look_ms;
    for (struct replica__guest *g = db->pump.guests; g; g = g->next) {
        int64_t at = g->next_ms ? g->next_ms(g->ctx) : -1;

        if (at >= 0 && (next < 0 || at < next))
            next = at;
    }
    if (next < 0)
        return -1;
    return next <= now ? 0 : next - now > 60000 ? 60000 : (int)(next - now);
}

int replica_db_wait(replica_db *db, int timeout_ms, replica_error *err)
{
    int timeout;
    unsigned ready;
    int r;

    if (!db)
        return replica__error_set(err, REPLICA_EINVAL, 0, "no database");
    timeout = replica_db_timeout(db);
    if (timeout < 0 || (timeout_ms >= 0 && timeout_ms < timeout))
        timeout = timeout_ms;
    ready = replica__poller_wait(db->pump.poller, timeout);
    if (!ready && timeout == timeout_ms && timeout_ms >= 0 && replica_db_timeout(db) != 0)
        return 0;
    db->pump.dispatching++;
    r = dispatch(db, now_ms(db) + 10, ready, err);
    db->pump.dispatching--;
    if (db->pump.close_wanted && !db->pump.dispatching) {
        replica_db_close(db);
        return 0;
    }
    return r < 0 ? r : 1;
}

/* ---- the end --------------------------------------------------------------------- */

void replica__pump_close(replica_db *db)
{
    struct replica__pump *p = &db->pump;
    struct replica__post *post;

    p->closing = true;
    p->dispatching++; /* a close from the callbacks below is this one */
    while (p->guests) {
        struct replica__guest *g = p->guests;

        p->guests = g->next;
        if (g->closing)
            g->closing(g->ctx);
    }
    while ((post = take_post(p))) {
        replica__post_fn fn = post->fn;
        void *ctx = post->ctx;

        replica__free(post);
        fn(ctx, true);
    }
    for (replica_collection *coll = db->collections; coll; coll = coll->next) {
        replica__watch_end(coll);
        replica__live_end(coll);
    }
    replica__log_watch_end(db);
    p->dispatching--;
}
