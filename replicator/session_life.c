/* A session's life: its beginning, the greeting, what the program tells it, its end. */
#include "replicator/session.h"

#include "replicator/session_state.h"

#include <stdio.h>

/* ---- what others tell ------------------------------------------------------------- */

void replica__session_changed(struct replica__session *s)
{
    if (s->busy || s->state == DONE)
        return; /* our own commit, in the program's loop; or what nobody asks this one about */
    s->dirty = true;
    s->unsettled = true; /* a document that was set aside may have been let in again */
    s->look_at_lease = s->look_at_feeds = s->look_at_events = s->look_at_locks = true;
    s->look_at_unapplied = true;
    s->look_at = s->state == STANDBY ? replica__session_clock(s) : s->look_at;
    if (s->status.in_sync) {
        s->status.in_sync = 0;
        replica__session_touch(s);
    }
}

void replica__session_pause(struct replica__session *s, bool paused)
{
    if (s->state == DONE)
        return;
    if (paused && s->state != PAUSED) {
        replica__session_stop_work(s);
        replica__event_side_stop(s);
        replica__stream_side_stop(s);
        replica__session_move(s, PAUSED);
    } else if (paused) {
        s->wait_until = 0; /* from now on by the program */
    } else if (!paused && s->state == PAUSED) {
        s->wait_until = 0;
        replica__session_succeeded(s);
        replica__session_want_all(s);
        s->look_at = replica__session_clock(s);
        replica__session_move(s, STANDBY);
    } else if (!paused) {
        replica__session_now(s);
    }
}

void replica__session_now(struct replica__session *s)
{
    if (s->state == WAITING)
        s->wait_until = replica__session_clock(s);
    if (s->state == DONE)
        return;
    if (s->state == STANDBY) { /* it is the other one that is to look at the server */
        s->ticket = 0;
        s->look_at = replica__session_clock(s);
    }
    s->status.in_sync = 0; /* who asks wants to hear of what is there now */
    replica__session_touch(s);
    for (size_t i = 0; i < s->feed_count; i++) {
        s->feeds[i].wanted = true;
        if (!s->feeds[i].stream.open)
            s->feeds[i].stream_at = replica__session_clock(s);
    }
    s->later_at = s->later_at ? replica__session_clock(s) : 0;
    s->dirty = true;
}

/* An interface that comes and goes must not make a storm of attempts. */
#define NETWORK_GAP_MS 10000

/* A server that answered is not helped by an address of ours; one that was not reached may be. */
void replica__session_network(struct replica__session *s)
{
    int code = s->status.error.code;
    bool unreached = code == REPLICA_ENET || code == REPLICA_ETIMEOUT;
    int64_t now = replica__session_clock(s);
    int64_t at = now > s->network_at ? now : s->network_at;
    bool sooner = false;

    if (s->state == WAITING && unreached && s->wait_until > at) {
        s->wait_until = s->status.retry_ms = at;
        sooner = true;
        replica__session_touch(s);
    }
    for (size_t i = 0; i < s->feed_count; i++) {
        if (s->feeds[i].stream.open || s->feeds[i].stream_at <= at)
            continue;
        s->feeds[i].stream_at = at;
        sooner = true;
    }
    if (!sooner)
        return;
    s->network_at = at + NETWORK_GAP_MS;
    replica__session_log(s, REPLICA_LOG_INFO, "the network has changed, an attempt in %lld ms",
                         (long long)(at - now));
}

void replica__session_resync(struct replica__session *s)
{
    for (size_t i = 0; i < s->feed_count; i++) {
        s->feeds[i].wanted = s->feeds[i].from_start = true;
        s->feeds[i].at_head = false;
    }
    s->resync = !s->greeted || s->state == PAUSED;
    s->ticket = 0;
    s->status.in_sync = 0;
    replica__session_touch(s);
}

bool replica__session_busy(const struct replica__session *s)
{
    return s->busy;
}

void replica__session_status(const struct replica__session *s, replica_sync_status *ret)
{
    *ret = s->status;
}

/* ---- hello ----------------------------------------------------------------------- */

static void free_feeds(struct replica__session *s)
{
    for (size_t i = 0; i < s->feed_count; i++)
        replica__free(s->feeds[i].opened_at);
    replica__free(s->feeds);
    s->feeds = NULL;
    s->feed_count = 0;
}

/* The server's incarnation as it was last known: that of the checkpoint or, before there is one,
 * that of what was pushed. */
static int recall_incarnation(struct replica__session *s, replica_error *err)
{
    struct replica__marker newest;
    int n;

    replica__checkpoint_incarnation(replica__feed_checkpoint(s->repl, 0), s->incarnation,
                                    sizeof s->incarnation);
    if (s->incarnation[0])
        return 0;
    n = replica__replication_markers(s->repl, "", &newest, 1, err);
    if (n > 0)
        snprintf(s->incarnation, sizeof s->incarnation, "%s", newest.incarnation);
    return n < 0 ? n : 0;
}

static int make_feeds(struct replica__session *s, replica_error *err)
{
    bool one_feed = s->features & REPLICA_REMOTE_ONE_FEED;
    bool before;
    int n;

    if (replica__replication_mode(s->repl, &before) && before && !one_feed && !s->o.may_downgrade)
        return replica__error_set(err, REPLICA_ENOTSUP, 0,
                                  "the server spoke the replica dialect before, and does not now");
    n = replica__replication_feeds(s->repl, one_feed, err);
    if (n < 0)
        return n;
    free_feeds(s);
    s->feeds = replica__alloc_zero((size_t)n, sizeof *s->feeds);
    if (!s->feeds)
        return replica__enomem(err);
    s->feed_count = (size_t)n;
    for (size_t i = 0; i < s->feed_count; i++) {
        s->feeds[i].from_start = s->resync;
        s->feeds[i].half = s->features & REPLICA_REMOTE_BUNDLES;
        s->feeds[i].swept_to = -1;
    }
    s->resync = false;
    return s->features & REPLICA_REMOTE_ORDER ? recall_incarnation(s, err) : 0;
}

/* Rules that the server has told.  What they cannot be held to is said, and the server wins. */
static void take_rules(struct replica__session *s, replica_collection *coll, const char *json,
                       size_t len)
{
    replica_error error = { .offset = -1 };
    int r = replica__collection_tell_rules(coll, json, len, &error);

    if (r < 0)
        replica__session_log(s, REPLICA_LOG_WARNING, "the server's rules for '%s' are no use: %s",
                             replica_collection_name(coll), error.message);
    else if (r > 0)
        replica__session_log(s, REPLICA_LOG_WARNING,
                             "'%s' settles its conflicts by other rules than the server tells",
                             replica_collection_name(coll));
}

void replica_call_rules(replica_call *call, const char *collection, const char *json, size_t len)
{
    struct replica__session *s = call->session;

    for (size_t i = 0; call->open && collection && json && i < s->o.count; i++) {
        if (strcmp(collection, "*") == 0 ||
            strcmp(replica_collection_name(s->colls[i]), collection) == 0)
            take_rules(s, s->colls[i], json, len == REPLICA_NUL ? strlen(json) : len);
    }
}

static void greeted(struct replica__session *s, unsigned features)
{
    replica_error error = { .offset = -1 };

    s->features = features;
    replica__replication_bundles(s->repl, features & REPLICA_REMOTE_BUNDLES);
    if (make_feeds(s, &error) < 0) {
        replica__session_failed(s, &error, 0);
        return;
    }
    for (size_t i = 0; !s->o.pull && i < s->feed_count; i++) { /* nobody asks what is there */
        if (!replica__pull_side_confirm(s, i))
            return;
    }
    s->greeted = s->look_at_unapplied = s->look_at_words = true;
    replica__session_succeeded(s);
    replica__session_want_all(s);
    s->dirty = s->unsettled = true;
    s->later_at = replica__session_clock(s); /* what an earlier session put off */
    replica__session_move(s, IDLE);
}

void replica_call_hello(replica_call *call, unsigned features)
{
    if (!call->open)
        return;
    call->open = false;
    call->session->busy++;
    greeted(call->session, features);
    call->session->busy--;
}

/* ---- the beginning and the end ---------------------------------------------------- */

static int name_collections(struct replica__session *s, replica_error *err)
{
    s->named = replica__alloc_zero(s->o.count, sizeof *s->named);
    s->colls = replica__alloc_zero(s->o.count, sizeof(replica_collection *));
    if (!s->named || !s->colls)
        return replica__enomem(err);
    for (size_t i = 0; i < s->o.count; i++) {
        replica_collection *coll = s->o.collections[i];

        s->colls[i] = coll;
        s->named[i] = (replica_remote_collection){ .name = replica_collection_name(coll),
                                                   .key = replica_collection_key(coll),
                                                   .version = replica_collection_version(coll) };
    }
    return 0;
}

int replica__session_new(replica_db *db, const struct replica__session_options *o,
                         const replica_remote *remote, const struct replica__session_hooks *hooks,
                         struct replica__session **ret_session, replica_error *err)
{
    struct replica__session *s = replica__alloc_zero(1, sizeof *s);
    int r;

    if (!s)
        return replica__enomem(err);
    s->db = db;
    s->o = *o;
    s->hooks = hooks;
    s->state = o->paused ? PAUSED : STANDBY;
    s->status = (replica_sync_status){ .size = sizeof s->status,
                                       .state = o->paused ? REPLICA_SYNC_PAUSED
                                                          : REPLICA_SYNC_STARTING,
                                       .pull_remaining = -1,
                                       .error = { .offset = -1 } };
    s->pull_rows = s->push_rows = s->push_most = o->rows;
    s->keys = replica__strdup(o->keys);
    s->filter = replica__strdup(o->filter);
    r = (o->keys && !s->keys) || (o->filter && !s->filter) ? replica__enomem(err)
                                                           : name_collections(s, err);
    if (r >= 0)
        r = replica__replication_open(db, o->identifier, s->colls, o->count, &s->repl, err);
    if (r >= 0)
        r = replica__replication_about(s->repl, s->keys, s->filter, err);
    if (r >= 0) {
        s->asking = replica__asking_new(hooks);
        r = s->asking ? 0 : replica__enomem(err);
    }
    if (r < 0) {
        replica__session_free(s);
        return r;
    }
    s->remote = *remote; /* from here on it is ours to destroy */
    *ret_session = s;
    return 0;
}

void replica__session_free(struct replica__session *s)
{
    if (!s)
        return;
    replica__verify_side_end(s);
    replica__session_stop_work(s);
    replica__event_side_stop(s);
    replica__stream_side_stop(s);
    replica__asking_close(s->asking);
    if (s->remote.destroy)
        s->remote.destroy(s->remote.ctx);
    replica__replication_close(s->repl);
    free_feeds(s);
    replica__free(s->listened);
    replica__free(s->met);
    replica__free(s->keys);
    replica__free(s->filter);
    replica__free(s->named);
    replica__free(s->colls);
    replica__free(s);
}
