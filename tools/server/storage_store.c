/* A libreplica database as the storage of a server. */
#include "tools/server/storage_store.h"

#include "base/alloc.h"
#include "base/error.h"
#include "base/os.h"
#include "libreplica/master.h"
#include "libreplica/store.h"
#include "replicator/remote.h"

#include <stdio.h>
#include <string.h>

enum { READ_MAX = 64 };

static void store_close(struct replica__storage *s)
{
    struct store *store = store_of(s);

    while (store->first) {
        struct replica__storage_coll *coll = store->first;

        store->first = coll->next;
        replica__free(coll);
    }
    replica__poller_close(store->poller);
    replica__free(store->wal);
    replica__free(store->keys);
    replica__free(store->rules);
    replica__free(store);
}

/* ---- the timeline ---------------------------------------------------------------- */

static int store_incarnation(struct replica__storage *s, const char **ret, replica_error *err)
{
    return replica__master_incarnation(store_of(s)->db, ret, err);
}

static int store_checkpoint(struct replica__storage *s, const char *incarnation,
                            int64_t sequence, int64_t *ret_common, replica_error *err)
{
    return replica__master_checkpoint(store_of(s)->db, incarnation, sequence, ret_common, err);
}

static int store_head(struct replica__storage *s, int64_t *ret_head, replica_error *err)
{
    return replica__master_head(store_of(s)->db, ret_head, err);
}

static void store_limits(struct replica__storage *s, struct replica__json_limits *ret,
                         size_t *ret_max_key)
{
    replica__db_limits(store_of(s)->db, ret, ret_max_key);
}

/* ---- reading --------------------------------------------------------------------- */

static int collect(struct replica__storage_coll *const *colls, size_t n,
                   replica_collection **ret_colls, replica_error *err)
{
    if (n > READ_MAX)
        return replica__error_set(err, REPLICA_ELIMIT, 0, "more than %d collections", READ_MAX);
    for (size_t i = 0; i < n; i++)
        ret_colls[i] = colls[i]->coll;
    return 0;
}

static int store_read(struct replica__storage *s, struct replica__storage_coll *const *colls,
                      size_t n, const struct replica__feed_options *options,
                      replica__storage_emit emit, void *ctx, int64_t *ret_last, replica_error *err)
{
    replica_collection *of[READ_MAX];
    struct replica__emitting e = { emit, ctx, 0 };
    int r = collect(colls, n, of, err);

    if (r < 0)
        return r;
    return replica__master_read(store_of(s)->db, of, n, options, replica__storage_emit_doc,
                                &e, ret_last, err);
}

static int store_remaining(struct replica__storage *s, struct replica__storage_coll *const *colls,
                           size_t n, const struct replica__feed_options *options,
                           int64_t *ret_remaining, replica_error *err)
{
    replica_collection *of[READ_MAX];
    int r = collect(colls, n, of, err);

    if (r < 0)
        return r;
    return replica__master_remaining(store_of(s)->db, of, n, options, ret_remaining, err);
}

static int store_get(struct replica__storage *s, struct replica__storage_coll *coll,
                     const char *id, char **ret_json, size_t *ret_len, replica_error *err)
{
    replica_doc *doc = NULL;
    const char *json;
    char *copy;
    int r;

    r = replica_get(coll->coll, id, &doc, err);
    if (r <= 0)
        return r;
    json = replica_doc_json(doc, ret_len);
    copy = replica__strndup(json, *ret_len);
    replica_doc_unref(doc);
    if (!copy)
        return replica__enomem(err);
    *ret_json = copy;
    return 1;
}

/* ---- one document ---------------------------------------------------------------- */

struct modifying {
    replica_collection *coll;
    replica__storage_modify fn;
    void *ctx;
    bool deleted;
};

static void give_state(struct modifying *m, replica_doc *doc, struct replica__storage_state *ret)
{
    snprintf(ret->rev, sizeof(ret->rev), "%s", replica_doc_rev(doc));
    ret->older = replica__doc_version(doc) < replica_collection_version(m->coll);
}

static int modify(void *ctx, replica_doc *current, replica_text *out)
{
    struct modifying *m = ctx;
    struct replica__storage_state now = { 0 };
    REPLICA_BUF text = REPLICA_BUF_INIT;
    int r;

    if (current) {
        give_state(m, current, &now);
        now.json = (char *)(uintptr_t)replica_doc_json(current, &now.len); /* only read */
    }
    r = m->fn(m->ctx, current ? &now : NULL, &text);
    m->deleted = r == REPLICA_MODIFY_DELETE;
    if (r == REPLICA_MODIFY_PUT)
        replica_text_add(out, text.data ? text.data : "", text.len);
    return r;
}

static int store_modify(struct replica__storage *s, struct replica__storage_coll *coll,
                        const char *id, const char *client, int64_t fence,
                        replica__storage_modify fn, void *ctx,
                        struct replica__storage_state *ret_stored, replica_error *err)
{
    struct modifying m = { .coll = coll->coll, .fn = fn, .ctx = ctx };
    replica_doc *doc = NULL;
    const char *json;
    int r;

    replica__locker_act(store_of(s)->db, client, fence);
    r = replica_modify(coll->coll, id, modify, &m, &doc, err);
    replica__locker_act(store_of(s)->db, NULL, 0);
    if (r <= 0 || m.deleted)
        return r;
    give_state(&m, doc, ret_stored);
    json = replica_doc_json(doc, &ret_stored->len);
    ret_stored->json = replica__strndup(json, ret_stored->len);
    replica_doc_unref(doc);
    return ret_stored->json ? r : replica__enomem(err);
}

/* ---- pushing --------------------------------------------------------------------- */

static void give_row(const struct replica__storage_row *in, struct replica__master_row *out)
{
    out->coll = in->coll->coll;
    out->doc = in->doc;
    out->deleted = in->deleted;
    out->operation = in->operation;
    out->stamp = in->stamp;
    out->bundle = in->bundle;
    out->firm = in->firm;
    out->fence = in->fence;
    if (in->assumed_incarnation && in->assumed_sequence > 0) {
        out->assumed = REPLICA__ASSUMED_NUMBER;
        out->assumed_incarnation = in->assumed_incarnation;
        out->assumed_sequence = in->assumed_sequence;
    } else if (in->assumed) {
        out->assumed = REPLICA__ASSUMED_TEXT;
    }
    out->assumed_json = in->assumed;
    out->assumed_len = in->assumed_len;
    out->assumed_deleted = in->assumed_deleted;
}

static void take_verdict(const struct replica__master_row *in, struct replica__storage_row *out)
{
    out->verdict = in->verdict;
    out->sequence = in->sequence;
    out->code = in->code;
    out->retry_ms = in->retry_ms;
    memcpy(out->reason, in->reason, sizeof(out->reason));
    out->hold = in->real;
    if (!in->real)
        return;
    out->real.json = replica_doc_json(in->real, &out->real.len);
    out->real.deleted = replica_doc_deleted(in->real) != 0;
    out->real.sequence = replica_doc_sequence(in->real);
    out->real.stamp = replica__doc_stamp(in->real);
    out->real.writer = replica_doc_writer(in->real);
    out->real.bundle = replica__doc_bundle(in->real);
    out->real.version = in->real_version;
}

static int store_push(struct replica__storage *s, struct replica__storage_row *rows, size_t n,
                      const struct replica__pusher *by, int64_t *ret_before, int64_t *ret_after,
                      replica_error *err)
{
    REPLICA_FREE struct replica__master_row *given = replica__alloc_zero(n, sizeof(*given));
    int r;

    if (!given)
        return replica__enomem(err);
    for (size_t i = 0; i < n; i++)
        give_row(&rows[i], &given[i]);
    r = replica__master_push(store_of(s)->db, given, n, by, ret_before, ret_after, err);
    for (size_t i = 0; i < n; i++)
        take_verdict(&given[i], &rows[i]);
    return r;
}

static void store_release(struct replica__storage *s, struct replica__storage_row *rows, size_t n)
{
    (void)s;
    for (size_t i = 0; i < n; i++)
        rows[i].hold = replica_doc_unref(rows[i].hold);
}

/* ---- locks ----------------------------------------------------------------------- */

static int store_lock(struct replica__storage *s, struct replica__storage_coll *coll,
                      struct replica__locking *l, replica_error *err)
{
    l->coll = coll ? coll->coll : NULL;
    return replica__locker_take(store_of(s)->db, l, err);
}

static int store_unlock(struct replica__storage *s, struct replica__storage_coll *coll,
                        struct replica__locking *l, replica_error *err)
{
    l->coll = coll ? coll->coll : NULL;
    return replica__locker_release(store_of(s)->db, l, err);
}

static int store_locks(struct replica__storage *s,
                       int (*fn)(void *ctx, const replica_lock_entry *entry), void *ctx,
                       replica_error *err)
{
    return replica_locks(store_of(s)->db, fn, ctx, err);
}

static int store_leave(struct replica__storage *s, const char *client, int64_t grace_ms,
                       replica_error *err)
{
    return replica__locker_leave(store_of(s)->db, client, grace_ms, err);
}

static int store_back(struct replica__storage *s, const char *client, int64_t grace_ms,
                      replica_error *err)
{
    return replica__locker_back(store_of(s)->db, client, grace_ms, err);
}

/* ---- events ---------------------------------------------------------------------- */

enum { CLIENT_MAX = 64 };

static int store_emit(struct replica__storage *s, const struct replica__storage_event *events,
                      size_t n, replica_error *err)
{
    REPLICA_FREE struct replica__emitted *rows = replica__alloc_zero(n ? n : 1, sizeof *rows);
    char origin[CLIENT_MAX + 2];

    if (!rows)
        return replica__enomem(err);
    snprintf(origin, sizeof(origin), "%c%s", REPLICA__EVENT_REMOTE, n > 0 ? events[0].client : "");
    for (size_t i = 0; i < n; i++) {
        int r;

        rows[i] = (struct replica__emitted){ .address = events[i].address,
                                             .payload = events[i].payload,
                                             .len = events[i].len,
                                             .origin = origin };
        r = replica__event_check(store_of(s)->db, &rows[i], err);
        if (r < 0)
            return r;
    }
    return n > 0 ? replica__events_add(store_of(s)->db, rows, n, err) : 0;
}

struct handing {
    bool (*fn)(void *ctx, const struct replica__storage_event *event);
    void *ctx;
};

static bool hand_out(void *ctx, const struct replica__emitted *event)
{
    const struct handing *h = ctx;
    const struct replica__storage_event shown = {
        .address = event->address,
        .payload = event->payload,
        .len = event->len,
        .client = *event->origin == REPLICA__EVENT_REMOTE ? event->origin + 1 : "",
    };

    return h->fn(h->ctx, &shown);
}

static int store_events(struct replica__storage *s, int64_t *after,
                        bool (*fn)(void *ctx, const struct replica__storage_event *event),
                        void *ctx, replica_error *err)
{
    struct handing h = { fn, ctx };

    return replica__events_read(store_of(s)->db, after, hand_out, &h, err);
}

static int store_last_event(struct replica__storage *s, int64_t *ret_number, replica_error *err)
{
    return replica__events_head(store_of(s)->db, ret_number, err);
}

/* ---- opening --------------------------------------------------------------------- */

static const struct replica__storage_ops store_ops = {
    .close = store_close,
    .incarnation = store_incarnation,
    .checkpoint = store_checkpoint,
    .find = replica__storage_find,
    .create = replica__storage_create,
    .names = replica__storage_names,
    .reads = replica__storage_reads,
    .key = replica__storage_key_field,
    .version = replica__storage_version,
    .limits = store_limits,
    .read = store_read,
    .head = store_head,
    .remaining = store_remaining,
    .rules = replica__storage_rules,
    .walk = replica__storage_walk,
    .documents = replica__storage_documents,
    .horizon = replica__storage_horizon,
    .purge = replica__storage_purge,
    .get = store_get,
    .modify = store_modify,
    .push = store_push,
    .release = store_release,
    .emit = store_emit,
    .events = store_events,
    .last_event = store_last_event,
    .lock = store_lock,
    .unlock = store_unlock,
    .locks = store_locks,
    .leave = store_leave,
    .back = store_back,
    .fd = replica__storage_fd,
    .timeout = replica__storage_timeout,
    .work = replica__storage_work,
};

int replica__storage_store_open(replica_db *db, const char *path,
                                const struct replica__storage_key *keys, size_t n,
                                struct replica__storage **ret_storage, replica_error *err)
{
    struct store *store = replica__alloc_zero(1, sizeof(*store));
    int r;

    if (!store)
        return replica__enomem(err);
    store->storage.ops = &store_ops;
    store->db = db;
    replica__db_keep_texts(db); /* clients bring the texts of a new version */
    r = replica__storage_watch_open(store, path, err);
    if (r == 0)
        r = replica__storage_take_keys(store, keys, n, err);
    if (r == 0)
        r = replica__storage_check_keys(store, keys, n, err);
    if (r < 0) {
        store_close(&store->storage);
        return r;
    }
    replica__storage_watch(store);
    *ret_storage = &store->storage;
    return 0;
}
