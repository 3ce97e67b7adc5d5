/* A push: the rows are judged by the storage in one transaction, and answered in the dialect they
 * came in. */
#include "tools/server/push.h"

#include "base/alloc.h"
#include "base/error.h"
#include "tools/server/page.h"
#include "tools/server/range.h"
#include "tools/server/push_rows.h"

#include <string.h>

/* ---- RxDB's dialect -------------------------------------------------------------- */

/* 1; 0: the client may not see it. */
static int add_seen_rxdb(const struct replica__push *p, const char *json, size_t len,
                         struct replica__buf *out, replica_error *err)
{
    const struct replica__target *target = &p->targets[0];
    REPLICA_BUF cut = REPLICA_BUF_INIT;
    int r = replica__view_look(&p->view, target, json, len, false);

    if (r > 0)
        return 0;
    if (r == REPLICA__SIGHT_SHOWN)
        r = replica__view_cut(&p->view, target, json, len, &cut);
    if (r < 0)
        return replica__enomem(err);
    replica__page_add_state(r > 0 ? cut.data : json, r > 0 ? cut.len : len, false, out);
    return 1;
}

/* What answers a refused row: our state of the document, or the client's own as a tombstone. */
static int add_refused_rxdb(struct replica__push *p, size_t i, const struct replica__json_doc *doc,
                            struct replica__buf *out, replica_error *err)
{
    struct replica__storage *s = p->service->storage;
    struct replica__slice text = p->wire.rows[i].document;
    REPLICA_BUF id = REPLICA_BUF_INIT;
    REPLICA_BUF plain = REPLICA_BUF_INIT;
    REPLICA_FREE char *json = NULL;
    size_t len = 0;
    int r = 0;

    if (p->targets[0].coll && doc && doc->key.data) {
        replica__json_unescape(doc->key, &id);
        if (id.r == 0 && id.len > 0 && !memchr(id.data, '\0', id.len))
            r = s->ops->get(s, p->targets[0].coll, id.data, &json, &len, err);
        if (r > 0)
            r = add_seen_rxdb(p, json, len, out, err);
        if (r != 0)
            return r < 0 ? r : 0;
    }
    if (doc) {
        replica__json_cut_reserved(doc, &plain);
        if (plain.r < 0)
            return replica__enomem(err);
        text = (struct replica__slice){ plain.data, plain.len };
    }
    replica__page_add_state(text.data, text.len, true, out);
    return 0;
}

/* How long a row that was refused keeps its client waiting. */
static int64_t refused_delay(struct replica__push *p, size_t i, const struct replica__json_doc *doc)
{
    const char *peer = p->request->peer ? p->request->peer : "";
    struct replica__slice what = doc && doc->key.data ? doc->key : p->wire.rows[i].document;
    const struct replica__world *world = p->service->world;

    return replica__delay_refused(&p->service->delays,
                                  replica__delay_key(peer, p->targets[0].name, what.data,
                                                     what.len),
                                  world->monotonic_ms(world->ctx));
}

static int answer_rxdb(struct replica__push *p, struct replica__reply *reply, replica_error *err)
{
    struct replica__buf *out = &reply->body;
    struct replica__json_doc room;
    int r = 0;

    replica__buf_char(out, '[');
    for (size_t i = 0; i < p->wire.n && r == 0; i++) {
        const struct replica__storage_row *row = p->place[i] >= 0 ? &p->rows[p->place[i]] : NULL;
        const struct replica__json_doc *doc = row ? &row->doc : NULL;
        int64_t delay;

        if (row && (row->verdict == REPLICA_VERDICT_TAKEN ||
                    row->verdict == REPLICA_VERDICT_ALREADY))
            continue;
        if (out->len > 1)
            replica__buf_char(out, ',');
        if (row && row->verdict == REPLICA_VERDICT_CONFLICT) {
            replica__page_add_state(row->real.json, row->real.len, row->real.deleted, out);
            continue;
        }
        if (!row)
            doc = replica__push_scan_again(p, i, &room);
        delay = refused_delay(p, i, doc);
        if (delay > reply->delay_ms)
            reply->delay_ms = delay;
        r = add_refused_rxdb(p, i, doc, out, err);
    }
    replica__buf_char(out, ']');
    return r < 0 ? r : out->r < 0 ? replica__enomem(err) : 0;
}

void replica__push_rxdb(struct replica__service *service, const struct replica__request *request,
                        struct replica__target *target, struct replica__reply *reply)
{
    __attribute__((cleanup(replica__push_free))) struct replica__push p = { .service = service,
                                                          .request = request,
                                                          .stock = true };
    replica_error err = { 0 };

    if (!replica__push_read(&p, reply) ||
        !replica__view_make(service, &p.view, NULL, NULL, 0, request->who, reply) ||
        replica__version_refused(service, target, replica__push_creates(&p, target->name), reply))
        return;
    p.targets[0] = *target;
    if (p.wire.n > 0 && !replica__push_judge(&p, reply))
        return;
    reply->type = REPLICA__REPLY_JSON;
    if (answer_rxdb(&p, reply, &err) < 0)
        replica__reply_failure(reply, &err);
}

/* ---- our dialect ----------------------------------------------------------------- */

static void add_conflict(const struct replica__storage_doc *real, struct replica__buf *out)
{
    replica__buf_str(out, "{\"conflict\":[");
    replica__buf_int(out, real->sequence);
    replica__buf_char(out, ',');
    replica__buf_int(out, real->stamp);
    replica__buf_str(out, real->deleted ? ",1," : ",0,");
    replica__buf_json_string(out, real->writer, strlen(real->writer));
    replica__buf_char(out, ',');
    if (real->bundle)
        replica__buf_json_string(out, real->bundle, strlen(real->bundle));
    else
        replica__buf_str(out, "null");
    if (real->version >= 0) {
        replica__buf_char(out, ',');
        replica__buf_int(out, real->version);
    }
    replica__buf_str(out, "],\"document\":");
    replica__buf_add(out, real->json, real->len);
    replica__buf_char(out, '}');
}

static void add_refusal(int code, const char *reason, struct replica__buf *out)
{
    replica__buf_str(out, "{\"refused\":");
    replica__buf_int(out, code);
    replica__buf_str(out, ",\"reason\":");
    replica__message_add(reason, out);
    replica__buf_char(out, '}');
}

static void add_verdict(const struct replica__storage_row *row, struct replica__buf *out)
{
    switch (row->verdict) {
    case REPLICA_VERDICT_TAKEN:
        replica__buf_int(out, row->sequence);
        break;
    case REPLICA_VERDICT_ALREADY:
        replica__buf_str(out, "{\"already\":");
        replica__buf_int(out, row->sequence);
        replica__buf_char(out, '}');
        break;
    case REPLICA_VERDICT_CONFLICT:
        add_conflict(&row->real, out);
        break;
    case REPLICA_VERDICT_REFUSED:
        add_refusal(row->code, row->reason, out);
        break;
    case REPLICA_VERDICT_LOCKED:
        replica__buf_str(out, "{\"locked\":");
        replica__buf_json_string(out, row->reason, strlen(row->reason));
        replica__buf_printf(out, ",\"retry\":%lld}", (long long)row->retry_ms);
        break;
    case REPLICA_VERDICT_LATER:
        replica__buf_printf(out, "{\"later\":%lld}", (long long)row->retry_ms);
        break;
    default:
        replica__buf_str(out, "null");
    }
}

static int answer_replica(struct replica__push *p, const struct replica__place *follows,
                          struct replica__reply *reply, replica_error *err)
{
    struct replica__buf *out = &reply->body;
    struct replica__place after = { .lwt = p->after };

    reply->type = REPLICA__REPLY_REPLICA;
    replica__buf_str(out, "{\"verdicts\":[");
    for (size_t i = 0; i < p->wire.n; i++) {
        if (i > 0)
            replica__buf_char(out, ',');
        if (p->place[i] >= 0) {
            add_verdict(&p->rows[p->place[i]], out);
        } else {
            const struct replica__refusal *refusal = &p->refusals[~p->place[i]];

            add_refusal(refusal->code, refusal->reason, out);
        }
    }
    replica__buf_str(out, "],\"incarnation\":\"");
    replica__buf_str(out, p->service->incarnation);
    replica__buf_char(out, '"');
    if (follows) {
        memcpy(after.id, p->service->incarnation, sizeof(after.id));
        memcpy(after.view, p->view.place, sizeof(after.view));
        replica__buf_str(out, ",\"follows\":");
        replica__place_add(follows, out);
        replica__buf_str(out, ",\"checkpoint\":");
        replica__place_add(&after, out);
    }
    replica__buf_char(out, '}');
    return out->r < 0 ? replica__enomem(err) : 0;
}

/* The client's checkpoint, as it stands in the body.  false: answered. */
static bool read_place(struct replica__push *p, struct replica__place *place,
                       struct replica__reply *reply)
{
    struct replica__place common;
    replica_error err = { 0 };
    int r;

    if (!replica__place_parse(p->wire.checkpoint_id.data, p->wire.checkpoint_id.len, place) ||
        p->wire.checkpoint_lwt < 0) {
        replica__reply_error(reply, 400, "request", "checkpoint is none of ours");
        return false;
    }
    place->lwt = p->wire.checkpoint_lwt;
    r = replica__place_known(p->service, place, &common, &err);
    if (r < 0)
        replica__reply_failure(reply, &err);
    else if (r == 0)
        replica__reply_timeline(reply, &common);
    return r > 0;
}

static bool find_targets(struct replica__push *p, struct replica__reply *reply)
{
    for (size_t i = 0; i < p->wire.collection_count; i++) {
        struct replica__slice name = p->wire.collections[i];

        if (!replica__target_parse(name.data, name.len, &p->targets[i])) {
            replica__reply_error(reply, 400, "request", "collections: '%.*s' is no collection",
                                 (int)(name.len < 100 ? name.len : 100), name.data);
            return false;
        }
        if (replica__version_refused(p->service, &p->targets[i],
                                     replica__push_creates(p, p->targets[i].name), reply))
            return false;
    }
    return true;
}

static int stop(void *ctx, const struct replica__storage_doc *doc)
{
    (void)ctx;
    (void)doc;
    return 1;
}

/* Is there anything behind the place?  1, 0, < 0.  It is not counted: that could be a million. */
static int anything_behind(struct replica__storage *s, struct replica__storage_coll **colls,
                           size_t n, int64_t place, replica_error *err)
{
    __attribute__((cleanup(replica__feed_bundles_free))) struct replica__feed_bundles bundles = {
        REPLICA_BUF_INIT, REPLICA_BUF_INIT
    };
    const struct replica__feed_options next = { .since = place, .rows = 1, .bundles = &bundles };
    int64_t last = 0;
    int r = s->ops->read(s, colls, n, &next, stop, NULL, &last, err);

    return r < 0 ? r : r == 0; /* the end was not reached */
}

/* Did nothing of others happen behind the place, as of *ret_head?  1, 0, < 0. */
static int nothing_behind(struct replica__push *p, const struct replica__place *place,
                          int64_t *ret_head, replica_error *err)
{
    struct replica__storage *s = p->service->storage;
    struct replica__storage_coll *colls[REPLICA__TARGETS_MAX];
    int behind = 0;
    size_t n = 0;
    int r;

    for (size_t i = 0; i < p->wire.collection_count; i++)
        if (p->targets[i].coll)
            colls[n++] = p->targets[i].coll;
    r = s->ops->head(s, ret_head, err);
    if (r == 0 && n > 0 && *ret_head > place->lwt)
        r = behind = anything_behind(s, colls, n, place->lwt, err);
    if (r == 0) /* there may have been what is purged by now */
        r = behind = replica__range_missed(p->service, p->targets, p->wire.collection_count,
                                           place->lwt, err);
    return r < 0 ? r : !behind;
}

void replica__push_replica(struct replica__service *service,
                           const struct replica__request *request, struct replica__reply *reply)
{
    __attribute__((cleanup(replica__push_free))) struct replica__push p = { .service = service,
                                                          .request = request };
    struct replica__place place = { .lwt = 0 };
    replica_error err = { 0 };
    int64_t head = 0;
    int nothing;

    if (!replica__push_read(&p, reply) || !read_place(&p, &place, reply) ||
        !replica__view_make(service, &p.view, NULL, NULL, 0, request->who, reply) ||
        !find_targets(&p, reply) ||
        !replica__view_place(&p.view, p.targets, p.wire.collection_count, &place, reply))
        return;
    nothing = nothing_behind(&p, &place, &head, &err);
    if (nothing < 0) {
        replica__reply_failure(reply, &err);
        return;
    }
    p.before = p.after = head;
    if (p.wire.n > 0 && !replica__push_judge(&p, reply))
        return;
    /* Another process may have committed between the count and this push's transaction.  What its
     * pusher may not see it must be told of by the feed. */
    nothing = nothing && p.before == head && !p.unseen;
    if (answer_replica(&p, nothing ? &place : NULL, reply, &err) < 0)
        replica__reply_failure(reply, &err);
}
