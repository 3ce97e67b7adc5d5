#include "libreplica/keys/watch.h"

#include "libreplica/keys.h"
#include "libreplica/keys/snapshot.h"
#include "libreplica/keys/tree.h"
#include "libreplica/migrate/migrate.h"

#include <assert.h>
#include <string.h>

struct key_watcher {
    replica_observer observer; /* first: the program's handle */
    struct replica__tree_leaf leaf;
    replica_collection *coll; /* NULL: ended, the handle waits for its cancel */
    struct replica__key_listener listener;
    char *pattern;
    int64_t since;   /* tell only what is newer */
    bool waiting;    /* for its snapshot, or for the rest of it */
    bool cancelled;  /* in a round: freed behind it */
    bool owned;      /* somebody has the handle */
    bool touched;    /* it was told something, and is to hear when that was all */
    struct key_watcher *next, *next_touched;
};

struct replica__key_watchers {
    struct key_watcher *first;
    struct replica__tree tree;
    struct key_watcher **matched; /* room for all; NULL while a change is being told */
    size_t count, room;
    size_t waiting;
    bool any_cancelled;
    struct key_watcher *touched;
    struct replica__key_snapshot snapshot;
    struct key_watcher *shown; /* whose snapshot it is */
    int64_t told;              /* sequence number up to which the feed was told */
    int in_round;
};

/* ---- coming and going ------------------------------------------------------------ */

static void leave_tree(struct replica__key_watchers *all, struct key_watcher *o)
{
    struct replica__pattern p;
    int r = replica__pattern_parse(&p, o->pattern, NULL);

    assert(r >= 0); /* it was parsed before */
    (void)r;
    replica__tree_remove(&all->tree, &p, &o->leaf);
}

static void end_watcher(struct key_watcher *o)
{
    if (o->listener.destroy)
        o->listener.destroy(o->listener.ctx);
    o->listener.destroy = NULL;
}

static void free_watcher(struct key_watcher *o)
{
    replica__free(o->pattern);
    replica__free(o);
}

static void untouch(struct replica__key_watchers *all, const struct key_watcher *o)
{
    struct key_watcher **at = &all->touched;

    while (*at && *at != o)
        at = &(*at)->next_touched;
    if (*at)
        *at = o->next_touched;
}

/* Outside a round: let go of those that were cancelled.  A destroy may cancel others, so each
 * search starts anew. */
static void sweep(struct replica__key_watchers *all)
{
    struct key_watcher **at = &all->first;

    if (!all->any_cancelled)
        return;
    all->in_round++;
    while (*at) {
        struct key_watcher *o = *at;

        if (!o->cancelled) {
            at = &o->next;
            continue;
        }
        *at = o->next;
        end_watcher(o);
        free_watcher(o);
        at = &all->first;
    }
    all->any_cancelled = false;
    all->in_round--;
}

static void cancel(replica_observer *observer)
{
    struct key_watcher *o = (struct key_watcher *)observer; /* its first member */
    struct replica__key_watchers *all;

    if (o->cancelled)
        return;
    if (!o->coll) { /* its database has closed */
        free_watcher(o);
        return;
    }
    all = o->coll->key_watchers;
    o->cancelled = true;
    all->any_cancelled = true;
    all->waiting -= o->waiting;
    all->count--;
    leave_tree(all, o);
    if (o->touched)
        untouch(all, o);
    if (all->shown == o) {
        replica__key_snapshot_end(&all->snapshot);
        all->shown = NULL;
    }
    o->coll->db->pump.observers--;
    if (!all->in_round)
        sweep(all);
}

static int reserve(struct replica__key_watchers *all)
{
    size_t room = all->room ? all->room : 16;
    struct key_watcher **grown;

    while (room <= all->count)
        room *= 2;
    if (all->matched && room == all->room)
        return 0;
    grown = replica__realloc(all->matched, room, sizeof(*grown));
    if (!grown)
        return REPLICA_ENOMEM;
    all->matched = grown;
    all->room = room;
    return 0;
}

/* The group, and what it has told if nobody was in it. */
static int group_of(replica_collection *coll, struct replica__key_watchers **ret,
                    replica_error *err)
{
    struct replica__key_watchers *all = coll->key_watchers;
    int64_t head = 0;
    int r = replica_db_sequence(coll->db, &head, err);

    if (r < 0)
        return r;
    if (!all) {
        all = coll->key_watchers = replica__alloc_zero(1, sizeof *all);
        if (!all)
            return replica__enomem(err);
    }
    if (all->count == 0)
        all->told = head;
    if (reserve(all) < 0)
        return replica__enomem(err);
    *ret = all;
    return 0;
}

static int add(replica_collection *coll, const char *pattern, struct key_watcher *o,
               replica_error *err)
{
    struct replica__key_watchers *all = NULL;
    struct replica__pattern p;
    int r = replica__pattern_parse(&p, pattern, err);

    if (r >= 0)
        r = replica__migrate_before_query(coll, err);
    if (r >= 0)
        r = group_of(coll, &all, err);
    if (r >= 0) {
        o->pattern = replica__strdup(pattern);
        r = o->pattern ? replica__tree_add(&all->tree, &p, &o->leaf) : REPLICA_ENOMEM;
        if (r < 0)
            replica__enomem(err);
    }
    if (r < 0)
        return r;
    o->next = all->first;
    all->first = o;
    all->count++;
    all->waiting++;
    return 0;
}

int replica__key_watch(replica_collection *coll, const char *pattern,
                       const struct replica__key_listener *listener,
                       replica_observer **ret_observer, replica_error *err)
{
    struct key_watcher *o = NULL;
    int r;

    if (!coll || !pattern || (!listener->fn && !listener->take)) {
        r = replica__error_set(err, REPLICA_EINVAL, 0, "no collection, pattern or function");
    } else {
        o = replica__alloc_zero(1, sizeof *o);
        r = o ? 0 : replica__enomem(err);
    }
    if (r >= 0) {
        *o = (struct key_watcher){ .observer = { cancel },
                                   .coll = coll,
                                   .listener = *listener,
                                   .since = INT64_MAX,
                                   .waiting = true,
                                   .owned = ret_observer != NULL };
        r = add(coll, pattern, o, err);
    }
    if (r < 0) {
        if (o)
            free_watcher(o);
        if (listener->destroy)
            listener->destroy(listener->ctx);
        return r;
    }
    coll->db->pump.observers++;
    replica__pump_watch(coll->db);
    replica__pump_look(coll->db);
    if (ret_observer)
        *ret_observer = &o->observer;
    return 0;
}

int replica_keys_observe(replica_collection *coll, const char *pattern, replica_change_fn fn,
                         void *ctx, replica_destroy_fn destroy, replica_observer **ret_observer,
                         replica_error *err)
{
    return replica__key_watch(
        coll, pattern,
        &(struct replica__key_listener){ .fn = fn, .ctx = ctx, .destroy = destroy }, ret_observer,
        err);
}

/* ---- telling --------------------------------------------------------------------- */

/* It failed: it gets a snapshot again. */
static void begin_anew(struct replica__key_watchers *all, struct key_watcher *o)
{
    if (all->shown == o) {
        replica__key_snapshot_end(&all->snapshot);
        all->shown = NULL;
    }
    all->waiting += !o->waiting;
    o->waiting = true;
    o->since = INT64_MAX;
}

static void tell(struct replica__key_watchers *all, struct key_watcher *o,
                 const replica_change *change)
{
    if (o->listener.caught_up && !o->touched) {
        o->touched = true;
        o->next_touched = all->touched;
        all->touched = o;
    }
    if (o->listener.fn)
        o->listener.fn(o->listener.ctx, change);
    else if (o->listener.take(o->listener.ctx, change) < 0)
        begin_anew(all, o);
}

/* What comes next of the snapshots: 1, there was something; 0: there are none. */
static int snapshot_step(replica_collection *coll, struct replica__key_watchers *all,
                         replica_error *err)
{
    struct key_watcher *o = all->shown;
    replica_change change = { 0 };
    int r;

    if (!o) {
        for (o = all->first; o && (o->cancelled || !o->waiting);)
            o = o->next;
        if (!o)
            return 0;
        r = replica__key_snapshot_begin(&all->snapshot, coll, o->pattern, err);
        if (r < 0)
            return r;
        all->shown = o;
    }
    r = replica__key_snapshot_next(&all->snapshot, &change.doc, err);
    if (r < 0)
        return r;
    if (r > 0) {
        replica_doc *doc = change.doc;

        change.sequence = replica_doc_sequence(doc);
        tell(all, o, &change);
        replica_doc_unref(doc);
        return 1;
    }
    o->since = change.sequence = all->snapshot.head;
    o->waiting = false;
    all->waiting--;
    all->shown = NULL;
    replica__key_snapshot_end(&all->snapshot);
    tell(all, o, &change);
    return 1;
}

struct matching {
    struct key_watcher **matched;
    size_t n;
};

static void match_one(void *ctx, struct replica__tree_leaf *leaf)
{
    struct matching *m = ctx;

    m->matched[m->n++] =
        (struct key_watcher *)((char *)leaf - offsetof(struct key_watcher, leaf));
}

/* A listener may add others, and dispatch; so the list is this call's while it is read. */
static int tell_change(struct replica__key_watchers *all, const replica_change *change,
                       replica_error *err)
{
    const char *id = replica_doc_id(change->doc);
    struct matching m = { .n = 0 };

    if (reserve(all) < 0)
        return replica__enomem(err);
    m.matched = all->matched;
    all->matched = NULL;
    all->told = change->sequence;
    replica__tree_match(&all->tree, id, strlen(id), match_one, &m);
    for (size_t i = 0; i < m.n; i++) {
        if (!m.matched[i]->cancelled && change->sequence > m.matched[i]->since)
            tell(all, m.matched[i], change);
    }
    if (all->matched)
        replica__free(m.matched);
    else
        all->matched = m.matched;
    return 0;
}

/* 1: there is more in the feed. */
static int tell_batch(replica_collection *coll, struct replica__key_watchers *all,
                      replica_error *err)
{
    struct replica__watch_batch batch = { .n = 0 };
    int r = replica__watch_read(coll, all->told, &batch, err);

    for (size_t i = 0; i < batch.n; i++) {
        /* A listener that dispatches has told the rest. */
        if (r >= 0 && batch.changes[i].sequence > all->told)
            r = tell_change(all, &batch.changes[i], err);
        replica_doc_unref(batch.changes[i].doc);
    }
    return r < 0 ? r : batch.n == REPLICA__WATCH_BATCH;
}

static void tell_caught_up(struct replica__key_watchers *all)
{
    while (all->touched) {
        struct key_watcher *o = all->touched;

        all->touched = o->next_touched;
        o->touched = false;
        if (o->listener.caught_up(o->listener.ctx) < 0 && !o->cancelled)
            begin_anew(all, o);
    }
}

static int tell_all(replica_collection *coll, struct replica__key_watchers *all, int64_t until_ms,
                    replica_error *err)
{
    const struct replica__world *world = coll->db->world;
    int more = 1;

    while (more > 0 && !coll->db->pump.close_wanted) {
        more = all->waiting > 0 ? snapshot_step(coll, all, err) : 0;
        if (more == 0)
            more = tell_batch(coll, all, err);
        if (more == 0 && all->waiting == 0)
            tell_caught_up(all);
        if (more > 0 && world->monotonic_ms(world->ctx) >= until_ms)
            return 1;
    }
    return more < 0 ? more : all->waiting > 0;
}

int replica__key_watch_round(replica_collection *coll, int64_t until_ms, replica_error *err)
{
    struct replica__key_watchers *all = coll->key_watchers;
    int r;

    if (!all || all->count == 0)
        return 0;
    all->in_round++;
    r = tell_all(coll, all, until_ms, err);
    if (--all->in_round == 0)
        sweep(all);
    return r;
}

void replica__key_watch_end(replica_collection *coll)
{
    struct replica__key_watchers *all = coll->key_watchers;
    struct key_watcher *next;

    if (!all)
        return;
    all->in_round++; /* a destroy that cancels others only marks them */
    replica__key_snapshot_end(&all->snapshot);
    all->shown = NULL;
    for (struct key_watcher *o = all->first; o; o = next) {
        next = o->next;
        end_watcher(o);
        if (o->cancelled || !o->owned)
            free_watcher(o);
        else
            o->coll = NULL;
    }
    replica__tree_free(&all->tree);
    replica__free(all->matched);
    replica__free(all);
    coll->key_watchers = NULL;
}
