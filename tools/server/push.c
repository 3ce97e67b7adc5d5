/* A push: rows are scanned here, judged by the storage in one transaction, and answered in the
 * dialect they came in.
 *
 * A row that cannot be a document of its collection is refused alone, or with its bundle; the others
 * never notice.
 * Nothing is copied but the small texts that the storage wants with a NUL. */
#include "tools/server/push.h"

#include "base/alloc.h"
#include "base/error.h"
#include "replicator/wire.h"
#include "tools/server/page.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A row that never reached the storage. */
struct refusal {
    int code;
    char reason[160];
};

struct push {
    struct replica__service *service;
    const struct replica__request *request;
    bool stock;
    struct replica__wire_push wire;
    struct replica__target targets[REPLICA__TARGETS_MAX];
    struct replica__storage_row *rows; /* those that go to the storage */
    size_t n;
    struct refusal *refusals;
    size_t refused;
    size_t refusals_room;
    int32_t *place;                    /* of each row: in rows, or ~ in refusals */
    struct replica__buf texts;         /* with NULs; its room is reserved at the start */
    int64_t before, after;
};

static void push_free(struct push *p)
{
    if (p->rows)
        p->service->storage->ops->release(p->service->storage, p->rows, p->n);
    replica__free(p->rows);
    replica__free(p->refusals);
    replica__free(p->place);
    replica__buf_free(&p->texts);
    replica__wire_push_free(&p->wire);
}

/* ---- reading --------------------------------------------------------------------- */

/* The answer to a body that cannot be read. */
static void bad_body(struct replica__reply *reply, int64_t max_rows, const replica_error *err)
{
    if (err->code == REPLICA_ELIMIT)
        replica__reply_too_large(reply, max_rows, err->message);
    else if (err->code == REPLICA_EJSON)
        replica__reply_error(reply, 400, "request", "byte %lld of the body: %s",
                             (long long)err->offset, err->message);
    else
        replica__reply_failure(reply, err);
}

/* The row behind the last of the bundle, or of the single row, that begins here. */
static size_t group_end(const struct push *p, size_t i)
{
    const struct replica__wire_row *rows = p->wire.rows;
    size_t end = i + 1;

    while (rows[i].bundle.len > 0 && end < p->wire.n &&
           rows[end].bundle.len == rows[i].bundle.len &&
           memcmp(rows[end].bundle.data, rows[i].bundle.data, rows[i].bundle.len) == 0)
        end++;
    return end;
}

static int compare_slices(const void *a, const void *b)
{
    const struct replica__slice *x = a, *y = b;
    int c = memcmp(x->data, y->data, x->len < y->len ? x->len : y->len);

    return c ? c : (x->len > y->len) - (x->len < y->len);
}

/* A bundle that came in pieces could be taken by half.  1: none does. */
static int in_one_piece(const struct push *p, replica_error *err)
{
    REPLICA_FREE struct replica__slice *names = replica__alloc_zero(p->wire.n, sizeof(*names));
    size_t n = 0;

    if (!names)
        return replica__enomem(err);
    for (size_t i = 0; i < p->wire.n; i = group_end(p, i))
        if (p->wire.rows[i].bundle.len > 0)
            names[n++] = p->wire.rows[i].bundle;
    if (n > 1)
        qsort(names, n, sizeof(*names), compare_slices);
    for (size_t i = 1; i < n; i++)
        if (compare_slices(&names[i - 1], &names[i]) == 0)
            return replica__error_at(err, REPLICA_EJSON, names[i].data - p->request->body,
                                     "the rows of a bundle stand together");
    return 1;
}

/* What the rows must be as a whole. */
static bool rows_good(struct push *p, struct replica__reply *reply)
{
    size_t max_rows = p->service->options.rows;
    replica_error err = { 0 };

    if (p->stock || p->wire.n == 0)
        return true;
    if (p->wire.n > max_rows && group_end(p, 0) < p->wire.n) {
        replica__error_set(&err, REPLICA_ELIMIT, 0, "more than %zu rows that are not one bundle",
                           max_rows);
        bad_body(reply, (int64_t)max_rows, &err);
        return false;
    }
    if (in_one_piece(p, &err) < 0) {
        bad_body(reply, 0, &err);
        return false;
    }
    return true;
}

static bool read_body(struct push *p, struct replica__reply *reply)
{
    size_t max_rows = p->stock ? p->service->options.stock_rows : REPLICA__BUNDLE_ROWS;
    size_t texts = 0;
    replica_error err = { 0 };

    if (replica__wire_read_push(p->stock ? REPLICA__DIALECT_RXDB : REPLICA__DIALECT_REPLICA,
                                p->request->body, p->request->body_len, max_rows, NULL, &p->wire,
                                &err) < 0) {
        bad_body(reply, (int64_t)max_rows, &err);
        return false;
    }
    if (!rows_good(p, reply))
        return false;
    for (size_t i = 0; i < p->wire.n; i++) {
        const struct replica__wire_row *row = &p->wire.rows[i];

        texts += row->operation.len + row->bundle.len + row->assumed_incarnation.len + 3;
    }
    p->rows = replica__alloc_zero(p->wire.n, sizeof(*p->rows));
    p->place = replica__alloc_zero(p->wire.n, sizeof(*p->place));
    if (!p->rows || !p->place || !replica__buf_reserve(&p->texts, texts + 1)) {
        replica__enomem(&err);
        replica__reply_failure(reply, &err);
        return false;
    }
    return true;
}

/* ---- judging rows before the storage does ---------------------------------------- */

static int refuse(struct push *p, size_t i, int code, const char *reason, replica_error *err)
{
    if (p->refused == p->refusals_room) {
        size_t room = p->refusals_room ? p->refusals_room * 2 : 16;
        struct refusal *more = replica__realloc(p->refusals, room, sizeof(*more));

        if (!more)
            return replica__enomem(err);
        p->refusals = more;
        p->refusals_room = room;
    }
    p->refusals[p->refused].code = code;
    snprintf(p->refusals[p->refused].reason, sizeof(p->refusals[0].reason), "%s", reason);
    p->place[i] = ~(int32_t)p->refused++;
    return 0;
}

/* With a NUL; NULL if it is empty.  The room was reserved, so that what was kept stays put. */
static const char *keep(struct push *p, struct replica__slice text)
{
    const char *kept;

    if (text.len == 0)
        return NULL;
    kept = p->texts.data + p->texts.len;
    replica__buf_add(&p->texts, text.data, text.len);
    replica__buf_add(&p->texts, "", 1);
    return kept;
}

/* Of printable ASCII: names that travel on in headers, events and bodies. */
static bool token_good(struct replica__slice text, size_t max)
{
    if (text.len > max)
        return false;
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] <= ' ' || text.data[i] > '~')
            return false;
    return true;
}

static int scan(struct replica__slice text, const char *key,
                const struct replica__json_limits *limits, struct replica__json_doc *ret,
                replica_error *err)
{
    size_t pos = 0;
    int r = replica__json_scan(text.data, text.len, &pos, key, limits, ret, err);

    if (r == 0 && pos != text.len)
        r = replica__error_at(err, REPLICA_EJSON, (int64_t)pos, "the document ends here");
    return r;
}

/* What a stock client sends it parsed before, and its answer must be JSON too: a text over the
 * limits is a row to be refused, but one that is no JSON breaks the body. */
static const struct replica__json_limits loose = { .max_depth = 1000 };

/* A text that does not pass: the row is refused, or, < 0, the whole body is. */
static int refuse_text(struct push *p, size_t i, struct replica__slice text, const char *what,
                       replica_error *err)
{
    struct replica__json_doc doc;
    char reason[160];

    if (p->stock && err->code == REPLICA_ELIMIT)
        scan(text, NULL, &loose, &doc, err);
    if (err->code == REPLICA_ENOMEM)
        return REPLICA_ENOMEM;
    if (p->stock && err->code == REPLICA_EJSON) {
        err->offset += text.data - p->request->body;
        return REPLICA_EJSON;
    }
    snprintf(reason, sizeof(reason), "%s, byte %lld: %.100s", what, (long long)err->offset,
             err->message);
    return refuse(p, i, err->code == REPLICA_ELIMIT ? 413 : 422, reason, err);
}

static int take_row(struct push *p, size_t i, replica_error *err)
{
    const struct replica__wire_row *in = &p->wire.rows[i];
    struct replica__storage_coll *coll = p->targets[in->collection].coll;
    const char *key = p->service->storage->ops->key(coll);
    struct replica__storage_row *row = &p->rows[p->n];
    struct replica__json_doc assumed = { { NULL, 0 } };
    char reason[160];

    if (scan(in->document, key, &p->service->limits, &row->doc, err) < 0)
        return refuse_text(p, i, in->document, "document", err);
    if (in->assumed.len > 0 &&
        scan(in->assumed, NULL, &p->service->limits, &assumed, err) < 0)
        return refuse_text(p, i, in->assumed, "assumed state", err);
    if (!row->doc.key.data) {
        snprintf(reason, sizeof(reason), "the primary key '%s' is no string", key);
        return refuse(p, i, 422, reason, err);
    }
    if (!token_good(in->operation, 128) || !token_good(in->bundle, 128))
        return refuse(p, i, 422, "an operation or bundle that is no token", err);

    row->coll = coll;
    row->deleted = in->deleted || (p->stock && row->doc.deleted);
    row->operation = keep(p, in->operation);
    row->stamp = in->stamp;
    row->bundle = keep(p, in->bundle);
    row->firm = in->firm;
    row->assumed_incarnation = keep(p, in->assumed_incarnation);
    row->assumed_sequence = in->assumed_sequence;
    row->assumed = in->assumed.len > 0 ? in->assumed.data : NULL;
    row->assumed_len = in->assumed.len;
    row->assumed_deleted = in->assumed_deleted || (p->stock && assumed.deleted);
    p->place[i] = (int32_t)p->n++;
    return 0;
}

/* A bundle of which a row is refused is refused. */
static int refuse_group(struct push *p, size_t from, size_t to, replica_error *err)
{
    char reason[160];
    int code = 0;
    int r = 0;

    for (size_t i = from; i < to && code == 0; i++)
        if (p->place[i] < 0) {
            code = p->refusals[~p->place[i]].code;
            snprintf(reason, sizeof(reason), "with its bundle: %.140s",
                     p->refusals[~p->place[i]].reason);
        }
    for (size_t i = from; i < to && r == 0; i++)
        if (p->place[i] >= 0)
            r = refuse(p, i, code, reason, err);
    return r;
}

static int take_group(struct push *p, size_t from, size_t to, replica_error *err)
{
    size_t n = p->n, refused = p->refused;
    int r = 0;

    for (size_t i = from; i < to && r == 0; i++)
        r = take_row(p, i, err);
    if (r < 0 || p->refused == refused)
        return r;
    p->n = n;
    return refuse_group(p, from, to, err);
}

static bool judge(struct push *p, struct replica__reply *reply)
{
    struct replica__storage *s = p->service->storage;
    const struct replica__pusher by = { .stock = p->stock };
    replica_error err = { 0 };
    int r = 0;

    for (size_t i = 0, end; i < p->wire.n && r == 0; i = end) {
        end = group_end(p, i);
        r = take_group(p, i, end, &err);
    }
    if (r == REPLICA_EJSON) {
        bad_body(reply, 0, &err);
        return false;
    }
    if (r == 0)
        r = s->ops->push(s, p->rows, p->n, &by, &p->before, &p->after, &err);
    if (r < 0)
        replica__reply_failure(reply, &err);
    return r >= 0;
}

/* ---- RxDB's dialect -------------------------------------------------------------- */

/* What answers a refused row: our state of the document, or the client's own as a tombstone. */
static int add_refused_rxdb(struct push *p, size_t i, const struct replica__json_doc *doc,
                            struct replica__buf *out, replica_error *err)
{
    struct replica__storage *s = p->service->storage;
    struct replica__slice text = p->wire.rows[i].document;
    REPLICA_BUF id = REPLICA_BUF_INIT;
    REPLICA_BUF plain = REPLICA_BUF_INIT;
    REPLICA_FREE char *json = NULL;
    size_t len = 0;
    int r = 0;

    if (doc && doc->key.data) {
        replica__json_unescape(doc->key, &id);
        if (id.r == 0 && id.len > 0 && !memchr(id.data, '\0', id.len))
            r = s->ops->get(s, p->targets[0].coll, id.data, &json, &len, err);
        if (r < 0)
            return r;
    }
    if (r > 0) {
        replica__page_add_state(json, len, false, out);
        return 0;
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
static int64_t refused_delay(struct push *p, size_t i, const struct replica__json_doc *doc)
{
    const char *peer = p->request->peer ? p->request->peer : "";
    struct replica__slice what = doc && doc->key.data ? doc->key : p->wire.rows[i].document;
    const struct replica__world *world = p->service->world;

    return replica__delay_refused(&p->service->delays,
                                  replica__delay_key(peer, p->targets[0].name, what.data,
                                                     what.len),
                                  world->monotonic_ms(world->ctx));
}

/* The scan of a row that the storage never saw, for what it still can tell; NULL: nothing. */
static const struct replica__json_doc *scan_again(struct push *p, size_t i,
                                                  struct replica__json_doc *room)
{
    const char *key = p->service->storage->ops->key(p->targets[0].coll);

    return scan(p->wire.rows[i].document, key, &loose, room, NULL) == 0 ? room : NULL;
}

static int answer_rxdb(struct push *p, struct replica__reply *reply, replica_error *err)
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
            doc = scan_again(p, i, &room);
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
    __attribute__((cleanup(push_free))) struct push p = { .service = service,
                                                          .request = request,
                                                          .stock = true };
    replica_error err = { 0 };

    if (!read_body(&p, reply) ||
        replica__version_refused(service, target, p.wire.n > 0, reply))
        return;
    p.targets[0] = *target;
    if (p.wire.n > 0 && !judge(&p, reply))
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
        replica__message_add(row->reason, out);
        replica__buf_printf(out, ",\"retry\":%lld}", (long long)row->retry_ms);
        break;
    case REPLICA_VERDICT_LATER:
        replica__buf_printf(out, "{\"later\":%lld}", (long long)row->retry_ms);
        break;
    default:
        replica__buf_str(out, "null");
    }
}

static int answer_replica(struct push *p, const struct replica__place *follows,
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
            const struct refusal *refusal = &p->refusals[~p->place[i]];

            add_refusal(refusal->code, refusal->reason, out);
        }
    }
    replica__buf_str(out, "],\"incarnation\":\"");
    replica__buf_str(out, p->service->incarnation);
    replica__buf_char(out, '"');
    if (follows) {
        memcpy(after.id, p->service->incarnation, sizeof(after.id));
        replica__buf_str(out, ",\"follows\":");
        replica__place_add(follows, out);
        replica__buf_str(out, ",\"checkpoint\":");
        replica__place_add(&after, out);
    }
    replica__buf_char(out, '}');
    return out->r < 0 ? replica__enomem(err) : 0;
}

/* The client's checkpoint, as it stands in the body.  false: answered. */
static bool read_place(struct push *p, struct replica__place *place, struct replica__reply *reply)
{
    struct replica__place common;
    replica_error err = { 0 };
    int r;

    if (p->wire.checkpoint_id.len > REPLICA__NAME_MAX || p->wire.checkpoint_lwt < 0) {
        replica__reply_error(reply, 400, "request", "checkpoint is none of ours");
        return false;
    }
    memcpy(place->id, p->wire.checkpoint_id.data, p->wire.checkpoint_id.len);
    place->lwt = p->wire.checkpoint_lwt;
    r = replica__place_known(p->service, place, &common, &err);
    if (r < 0)
        replica__reply_failure(reply, &err);
    else if (r == 0)
        replica__reply_timeline(reply, &common);
    return r > 0;
}

static bool find_targets(struct push *p, struct replica__reply *reply)
{
    for (size_t i = 0; i < p->wire.collection_count; i++) {
        struct replica__slice name = p->wire.collections[i];

        if (!replica__target_parse(name.data, name.len, &p->targets[i])) {
            replica__reply_error(reply, 400, "request", "collections: '%.*s' is no collection",
                                 (int)(name.len < 100 ? name.len : 100), name.data);
            return false;
        }
        if (replica__version_refused(p->service, &p->targets[i], p->wire.n > 0, reply))
            return false;
    }
    return true;
}

/* Did nothing of others happen behind the place, as of *ret_head?  1, 0, < 0. */
static int nothing_behind(struct push *p, const struct replica__place *place, int64_t *ret_head,
                          replica_error *err)
{
    struct replica__storage *s = p->service->storage;
    struct replica__storage_coll *colls[REPLICA__TARGETS_MAX];
    const struct replica__feed_options behind = { .since = place->lwt };
    int64_t remaining = 0;
    size_t n = 0;
    int r;

    for (size_t i = 0; i < p->wire.collection_count; i++)
        if (p->targets[i].coll)
            colls[n++] = p->targets[i].coll;
    r = s->ops->head(s, ret_head, err);
    if (r == 0 && n > 0 && *ret_head > place->lwt)
        r = s->ops->remaining(s, colls, n, &behind, &remaining, err);
    return r < 0 ? r : remaining == 0;
}

void replica__push_replica(struct replica__service *service,
                           const struct replica__request *request, struct replica__reply *reply)
{
    __attribute__((cleanup(push_free))) struct push p = { .service = service,
                                                          .request = request };
    struct replica__place place = { .lwt = 0 };
    replica_error err = { 0 };
    int64_t head = 0;
    int nothing;

    if (!read_body(&p, reply) || !read_place(&p, &place, reply) || !find_targets(&p, reply))
        return;
    nothing = nothing_behind(&p, &place, &head, &err);
    if (nothing < 0) {
        replica__reply_failure(reply, &err);
        return;
    }
    p.before = p.after = head;
    if (p.wire.n > 0 && !judge(&p, reply))
        return;
    /* Another process may have committed between the count and this push's transaction. */
    if (answer_replica(&p, nothing && p.before == head ? &place : NULL, reply, &err) < 0)
        replica__reply_failure(reply, &err);
}
