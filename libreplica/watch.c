#include "libreplica/watch.h"

#include "libreplica/keys/watch.h"
#include "libreplica/row.h"
#include "libreplica/txn.h"

#include <string.h>

struct watcher {
    replica_observer observer; /* first: the program's handle */
    replica_collection *coll; /* NULL: ended, the handle waits for its cancel */
    replica_change_fn fn;
    void *ctx;
    replica_destroy_fn destroy;
    int64_t since;   /* tell only what is newer */
    bool cancelled;  /* in a round: freed behind it */
    bool owned;      /* somebody has the handle */
    struct watcher *next;
};

struct replica__observers {
    struct watcher *first;
    int64_t told;    /* sequence number up to which the feed was told */
    int in_round;
};

static void end_watcher(struct watcher *o)
{
    if (o->destroy)
        o->destroy(o->ctx);
    o->destroy = NULL;
}

/* Outside a round: let go of those that were cancelled.  A destroy may cancel others, so each
 * search starts anew. */
static void sweep(struct replica__observers *all)
{
    struct watcher **at = &all->first;

    all->in_round++;
    while (*at) {
        struct watcher *o = *at;

        if (!o->cancelled) {
            at = &o->next;
            continue;
        }
        *at = o->next;
        end_watcher(o);
        replica__free(o);
        at = &all->first;
    }
    all->in_round--;
}

static void cancel(replica_observer *observer)
{
    struct watcher *o = (struct watcher *)observer; /* its first member */

    if (o->cancelled)
        return;
    if (!o->coll) { /* its database has closed */
        replica__free(o);
        return;
    }
    o->cancelled = true;
    o->coll->db->pump.observers--;
    if (!o->coll->observers->in_round)
        sweep(o->coll->observers);
}

void replica_observer_cancel(replica_observer *observer)
{
    if (observer)
        observer->cancel(observer);
}

int replica_observe(replica_collection *coll, replica_change_fn fn, void *ctx,
                    replica_destroy_fn destroy, replica_observer **ret_observer,
                    replica_error *err)
{
    struct watcher *o = NULL;
    int64_t head = 0;
    int r = 0;

    if (!coll || !fn)
        r = replica__error_set(err, REPLICA_EINVAL, 0, "no collection, or no function");
    if (r >= 0)
        r = replica_db_sequence(coll->db, &head, err);
    if (r >= 0 && !coll->observers) {
        coll->observers = replica__alloc_zero(1, sizeof *coll->observers);
        if (coll->observers)
            coll->observers->told = head;
    } else if (r >= 0 && !coll->observers->first) {
        coll->observers->told = head;
    }
    if (r >= 0)
        o = coll->observers ? replica__alloc_zero(1, sizeof *o) : NULL;
    if (!o) {
        if (destroy)
            destroy(ctx);
        return r < 0 ? r : replica__enomem(err);
    }
    *o = (struct watcher){ .observer = { cancel },
                           .coll = coll,
                           .fn = fn,
                           .ctx = ctx,
                           .destroy = destroy,
                           .since = head,
                           .owned = ret_observer != NULL,
                           .next = coll->observers->first };
    coll->observers->first = o;
    coll->db->pump.observers++;
    replica__pump_watch(coll->db);
    if (ret_observer)
        *ret_observer = &o->observer;
    return 0;
}

static int origin_of(replica_db *db, const struct replica__row *row, int *ret, replica_error *err)
{
    const char *opening = NULL;
    int r = replica__token_text(db, row->opening, &opening, err);

    if (r < 0)
        return r;
    if (strcmp(opening, db->token) != 0)
        *ret = REPLICA_OTHER_PROCESS;
    else
        *ret = row->flags & REPLICA__FLAG_PULLED ? REPLICA_REPLICATION : REPLICA_LOCAL;
    return 0;
}

int replica__watch_read(replica_collection *coll, int64_t since, struct replica__watch_batch *batch,
                        replica_error *err)
{
    replica_db *db = coll->db;
    REPLICA_STMT stmt = NULL;
    int r = replica__sql_with(db, REPLICA__SQL_DOC_FEED, &stmt, err, coll->number, since,
                              REPLICA__WATCH_BATCH);

    if (r < 0)
        return r;
    while (batch->n < REPLICA__WATCH_BATCH &&
           (r = replica__sql_step(db, stmt, SQLITE_OK, err)) > 0) {
        replica_change *change = &batch->changes[batch->n];
        struct replica__row row;

        r = replica__row_read(db, stmt, &row, err);
        if (r >= 0)
            r = origin_of(db, &row, &change->origin, err);
        if (r >= 0)
            r = replica__row_doc(db, coll->name, &row, &change->doc, err);
        if (r < 0)
            return r;
        change->sequence = row.seq;
        batch->n++;
    }
    return r;
}

static void tell(struct replica__observers *all, const replica_change *change)
{
    for (struct watcher *o = all->first; o; o = o->next) {
        if (!o->cancelled && change->sequence > o->since)
            o->fn(o->ctx, change);
    }
}

static int tell_collection(replica_collection *coll, int64_t until_ms, replica_error *err)
{
    struct replica__observers *all = coll->observers;
    const struct replica__world *world = coll->db->world;
    bool full;
    int r;

    do {
        struct replica__watch_batch batch = { .n = 0 };

        r = replica__watch_read(coll, all->told, &batch, err);
        full = batch.n == REPLICA__WATCH_BATCH;
        all->in_round++;
        for (size_t i = 0; i < batch.n; i++) {
            /* An observer that dispatches has told the rest. */
            if (r >= 0 && batch.changes[i].sequence > all->told) {
                all->told = batch.changes[i].sequence;
                tell(all, &batch.changes[i]);
            }
            replica_doc_unref(batch.changes[i].doc);
        }
        if (--all->in_round == 0)
            sweep(all);
        if (r < 0)
            return r;
    } while (full && !coll->db->pump.close_wanted && world->monotonic_ms(world->ctx) < until_ms);
    return full;
}

int replica__watch_round(replica_db *db, int64_t until_ms, replica_error *err)
{
    int more = 0;

    for (replica_collection *coll = db->collections; coll; coll = coll->next) {
        int r = 0;

        if (coll->observers && coll->observers->first && !db->pump.close_wanted)
            r = tell_collection(coll, until_ms, err);
        if (r < 0)
            return r;
        more |= r;
        if (coll->key_watchers && !db->pump.close_wanted)
            r = replica__key_watch_round(coll, until_ms, err);
        if (r < 0)
            return r;
        more |= r;
    }
    return more;
}

void replica__watch_end(replica_collection *coll)
{
    struct watcher *next;

    replica__key_watch_end(coll);
    if (!coll->observers)
        return;
    coll->observers->in_round++; /* a destroy that cancels others only marks them */
    for (struct watcher *o = coll->observers->first; o; o = next) {
        next = o->next;
        end_watcher(o);
        if (o->cancelled || !o->owned)
            replica__free(o);
        else
            o->coll = NULL;
    }
    replica__free(coll->observers);
    coll->observers = NULL;
}
