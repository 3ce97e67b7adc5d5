/* "Your value was overwritten": observers of the conflict log.  Its numbers grow and are never used
 * twice, so that what is new is what lies behind the last one told, whoever logged it. */
#include "libreplica/replication/conflict_log.h"
#include "libreplica/watch.h"

#include <string.h>

struct log_watcher {
    replica_observer observer; /* first: the program's handle */
    replica_db *db;            /* NULL: ended, the handle waits for its cancel */
    replica_conflict_filter filter;
    char *texts[4];            /* what the filter's texts point to */
    void (*fn)(void *ctx, const replica_conflict_entry *entry);
    void *ctx;
    replica_destroy_fn destroy;
    bool cancelled, owned;
    struct log_watcher *next;
};

struct replica__log_watchers {
    struct log_watcher *first;
    int64_t told; /* number of the entry up to which was told */
    int in_round;
};

static void watcher_free(struct log_watcher *w)
{
    for (int i = 0; w && i < 4; i++)
        replica__free(w->texts[i]);
    replica__free(w);
}

static void end_watcher(struct log_watcher *w)
{
    if (w->destroy)
        w->destroy(w->ctx);
    w->destroy = NULL;
}

/* Outside a round: let go of those that were cancelled.  A destroy may cancel others, so each
 * search starts anew. */
static void sweep(struct replica__log_watchers *all)
{
    struct log_watcher **at = &all->first;

    all->in_round++;
    while (*at) {
        struct log_watcher *w = *at;

        if (!w->cancelled) {
            at = &w->next;
            continue;
        }
        *at = w->next;
        end_watcher(w);
        watcher_free(w);
        at = &all->first;
    }
    all->in_round--;
}

static void cancel(replica_observer *observer)
{
    struct log_watcher *w = (struct log_watcher *)observer; /* its first member */

    if (w->cancelled)
        return;
    if (!w->db) { /* it has closed */
        watcher_free(w);
        return;
    }
    w->cancelled = true;
    w->db->pump.observers--;
    if (!w->db->log_watchers->in_round)
        sweep(w->db->log_watchers);
}

static int copy_filter(struct log_watcher *w, const replica_conflict_filter *f,
                       replica_error *err)
{
    const char **texts[] = { &w->filter.id, &w->filter.keys, &w->filter.rule,
                             &w->filter.replication };

    w->filter = *f;
    for (int i = 0; i < 4; i++) {
        w->texts[i] = *texts[i] ? replica__strdup(*texts[i]) : NULL;
        if (*texts[i] && !w->texts[i])
            return replica__enomem(err);
        *texts[i] = w->texts[i];
    }
    return 0;
}

static int add_watcher(replica_db *db, const replica_conflict_filter *f, struct log_watcher **ret,
                       replica_error *err)
{
    struct log_watcher *w;
    int64_t last = 0;
    int r = replica__sql_int(db, REPLICA__SQL_LOG_LAST, &last, err);

    if (r >= 0 && !db->log_watchers) {
        db->log_watchers = replica__alloc_zero(1, sizeof *db->log_watchers);
        r = db->log_watchers ? 0 : replica__enomem(err);
    }
    w = r < 0 ? NULL : replica__alloc_zero(1, sizeof *w);
    if (!w)
        return r < 0 ? r : replica__enomem(err);
    r = copy_filter(w, f, err);
    if (r < 0) {
        watcher_free(w);
        return r;
    }
    if (!db->log_watchers->first)
        db->log_watchers->told = last;
    w->filter.after = f->after > last ? f->after : last;
    w->observer.cancel = cancel;
    w->db = db;
    w->next = db->log_watchers->first;
    db->log_watchers->first = w;
    db->pump.observers++;
    replica__pump_watch(db);
    *ret = w;
    return 0;
}

int replica_conflict_observe(replica_db *db, const replica_conflict_filter *filter,
                             void (*fn)(void *ctx, const replica_conflict_entry *entry), void *ctx,
                             replica_destroy_fn destroy, replica_observer **ret_observer,
                             replica_error *err)
{
    replica_conflict_filter f;
    struct log_watcher *w = NULL;
    int r = 0;

    if (!db || !fn)
        r = replica__error_set(err, REPLICA_EINVAL, 0, "no database, or no function");
    if (r >= 0)
        r = replica__log_filter(db, filter, &f, err);
    if (r >= 0)
        r = add_watcher(db, &f, &w, err);
    if (r < 0) {
        if (destroy)
            destroy(ctx);
        return r;
    }
    w->fn = fn;
    w->ctx = ctx;
    w->destroy = destroy;
    w->owned = ret_observer != NULL;
    if (ret_observer)
        *ret_observer = &w->observer;
    return 0;
}

/* ---- telling --------------------------------------------------------------------- */

/* An observer that dispatches tells what follows; what it told is not told again. */
static void tell(struct replica__log_watchers *all, const struct replica__log_entry *e)
{
    for (struct log_watcher *w = all->first; w; w = w->next) {
        if (!w->cancelled && replica__log_matches(&w->filter, e))
            w->fn(w->ctx, &e->shown);
    }
}

static bool is_wanted(const struct replica__log_watchers *all, const struct replica__log_entry *e)
{
    const struct log_watcher *w = all->first;

    while (w && (w->cancelled || !replica__log_matches(&w->filter, e)))
        w = w->next;
    return w != NULL;
}

/* The next entry: 1; 0: there is none. */
static int tell_next(replica_db *db, replica_error *err)
{
    struct replica__log_watchers *all = db->log_watchers;
    REPLICA_LOG_ENTRY e = { .kept = { 0 } };
    bool wanted;
    int r = replica__log_next(db, all->told, 0, NULL, &e, err);

    if (r <= 0)
        return r;
    wanted = is_wanted(all, &e);
    r = wanted ? replica__log_states(db, &e, err) : 0;
    if (r < 0)
        return r;
    all->told = e.shown.number;
    if (!wanted)
        return 1;
    all->in_round++;
    tell(all, &e);
    if (--all->in_round == 0)
        sweep(all);
    return 1;
}

int replica__log_round(replica_db *db, int64_t until_ms, replica_error *err)
{
    const struct replica__world *world = db->world;
    int r = 1;

    while (r > 0 && db->log_watchers && db->log_watchers->first && !db->pump.close_wanted) {
        r = tell_next(db, err);
        if (r > 0 && world->monotonic_ms(world->ctx) >= until_ms)
            return 1;
    }
    return r < 0 ? r : 0;
}

void replica__log_watch_end(replica_db *db)
{
    struct log_watcher *next;

    if (!db->log_watchers)
        return;
    db->log_watchers->in_round++; /* a destroy that cancels others only marks them */
    for (struct log_watcher *w = db->log_watchers->first; w; w = next) {
        next = w->next;
        end_watcher(w);
        if (w->cancelled || !w->owned)
            watcher_free(w);
        else
            w->db = NULL;
    }
    replica__free(db->log_watchers);
    db->log_watchers = NULL;
}
