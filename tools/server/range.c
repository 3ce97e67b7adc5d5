/* What a client needs to compare all that it has with all that it may see here.
 *
 * Every answer is one moment of the store, and bounded; where it ends before what was asked for,
 * it says so.  What the reader may not see is neither counted nor listed, and texts are digested as
 * it sees them. */
#include "tools/server/range.h"

#include "libreplica/replication/range.h"
#include "tools/server/question.h"

#include <string.h>

enum {
    ROWS_MAX = 20000,     /* of a chunk */
    LIST_BYTES = 1 << 20, /* a list of keys ends behind the one that makes it so long */
    BUSY_MS = 15,         /* so long the server may look, */
    LOOK_EVERY = 64       /* after so many documents to see how late it is */
};

int replica__range_missed(const struct replica__service *service,
                          const struct replica__target *targets, size_t n, int64_t since,
                          replica_error *err)
{
    for (size_t i = 0; since > 0 && i < n; i++) {
        int64_t horizon = 0;
        int r = targets[i].coll ? service->storage->ops->horizon(service->storage,
                                                                 targets[i].coll, &horizon, err)
                                : 0;

        if (r < 0 || since < horizon)
            return r < 0 ? r : 1;
    }
    return 0;
}

/* ---- the question ---------------------------------------------------------------- */

struct range {
    struct replica__question q;
    struct replica__buf after, to;
    bool texts;       /* it is about texts, and not numbers */
    size_t rows;      /* of a chunk */
    int64_t since_ms; /* monotonic: when the answer began */
    size_t looks;
    struct replica__buf list;      /* of the answer */
    struct replica__digest digest; /* of the chunk that is open, */
    size_t count;                  /* so many documents are in it */
    struct replica__buf closed;    /* the last key of the one before */
};

static void range_free(struct range *range)
{
    replica__buf_free(&range->after);
    replica__buf_free(&range->to);
    replica__buf_free(&range->list);
    replica__buf_free(&range->closed);
    replica__question_free(&range->q);
}
#define RANGE __attribute__((cleanup(range_free))) struct range

/* Numbers, or texts? */
static bool read_of(struct range *range)
{
    struct replica__json_value v = replica__question_member(&range->q, "of");
    REPLICA_BUF of = REPLICA_BUF_INIT;

    if (v.type == REPLICA_JSON_NONE)
        return true;
    if (!replica__question_string(&range->q, v, "of", 16, &of))
        return false;
    range->texts = strcmp(of.data, "texts") == 0;
    return range->texts || strcmp(of.data, "numbers") == 0 ||
           replica__question_bad(&range->q, "'of' is numbers or texts");
}

static bool read_rows(struct range *range)
{
    struct replica__json_value v = replica__question_member(&range->q, "rows");
    int64_t rows = REPLICA__RANGE_ROWS;

    if (v.type != REPLICA_JSON_NONE && (!replica__json_int(v, &rows) || rows < 1))
        return replica__question_bad(&range->q, "'rows' is no whole number above 0");
    range->rows = rows < ROWS_MAX ? (size_t)rows : ROWS_MAX;
    return true;
}

/* false: answered. */
static bool read_range(struct range *range, const struct replica__request *request)
{
    const struct replica__world *world = range->q.service->world;

    range->since_ms = world->monotonic_ms(world->ctx);
    return replica__question_read(&range->q, request) && read_of(range) && read_rows(range) &&
           replica__question_key(&range->q, "after", &range->after) &&
           replica__question_key(&range->q, "to", &range->to);
}

/* ---- the walk -------------------------------------------------------------------- */

/* Has it looked long enough for one answer? */
static bool is_late(struct range *range)
{
    const struct replica__world *world = range->q.service->world;

    return ++range->looks % LOOK_EVERY == 0 &&
           world->monotonic_ms(world->ctx) - range->since_ms >= BUSY_MS;
}

/* 1: it went to the end; 0: only up to the key in ret_last; < 0 failed. */
static int walk(struct range *range, replica__storage_emit emit, struct replica__buf *ret_last,
                int64_t *ret_head, replica_error *err)
{
    const struct replica__question *q = &range->q;
    struct replica__storage *s = q->service->storage;
    struct replica__view_eye room;
    const struct replica__walk options = {
        .after = replica__question_text(&range->after),
        .to = replica__question_text(&range->to),
        .keys = q->view.keys,
        .eye = replica__view_eye(&room, &q->view, &q->target, NULL),
        .texts = range->texts,
    };
    int r;

    if (q->target.coll)
        return s->ops->walk(s, q->target.coll, &options, emit, range, ret_last, ret_head, err);
    r = s->ops->head(s, ret_head, err);
    return r < 0 ? r : 1; /* there is no such collection, and nothing in it */
}

/* Of what was asked for.  false: there is no memory. */
static bool digest_of(const struct range *range, const struct replica__storage_doc *doc,
                      struct replica__digest *ret)
{
    REPLICA_BUF cut = REPLICA_BUF_INIT;
    size_t id_len = strlen(doc->id);
    int r;

    if (!range->texts) {
        *ret = replica__digest_number(doc->id, id_len, doc->sequence);
        return true;
    }
    r = replica__view_cut(&range->q.view, &range->q.target, doc->json, doc->len, &cut);
    if (r < 0)
        return false;
    *ret = r > 0 ? replica__digest_text(doc->id, id_len, cut.data, cut.len)
                 : replica__digest_text(doc->id, id_len, doc->json, doc->len);
    return true;
}

static void add_hex(struct replica__buf *out, struct replica__digest digest)
{
    char hex[REPLICA__DIGEST_HEX + 1];

    replica__digest_hex(digest, hex);
    replica__buf_char(out, '"');
    replica__buf_str(out, hex);
    replica__buf_char(out, '"');
}

/* ---- digests --------------------------------------------------------------------- */

static void close_chunk(struct range *range, const char *to, size_t len)
{
    struct replica__buf *out = &range->list;

    replica__buf_str(out, out->len > 0 ? ",[" : "[");
    replica__question_add_key(out, to, len);
    replica__buf_char(out, ',');
    replica__buf_int(out, (int64_t)range->count);
    replica__buf_char(out, ',');
    add_hex(out, range->digest);
    replica__buf_char(out, ']');
    range->digest = (struct replica__digest){ 0, 0 };
    range->count = 0;
}

static int digest_doc(void *ctx, const struct replica__storage_doc *doc)
{
    struct range *range = ctx;
    struct replica__digest digest;

    if (!digest_of(range, doc, &digest))
        return REPLICA_ENOMEM;
    replica__digest_add(&range->digest, digest);
    if (++range->count < range->rows)
        return is_late(range);
    close_chunk(range, doc->id, strlen(doc->id));
    replica__buf_clear(&range->closed);
    replica__buf_str(&range->closed, doc->id);
    if (range->list.r < 0)
        return range->list.r;
    return range->list.len >= LIST_BYTES || is_late(range);
}

/* Did the last chunk that was closed end with this key? */
static bool is_closed(const struct range *range, const struct replica__buf *last)
{
    return range->count == 0 && range->closed.len == last->len &&
           (last->len == 0 || memcmp(range->closed.data, last->data, last->len) == 0);
}

static void write_range(struct range *range, const char *name, int64_t head,
                        struct replica__reply *reply)
{
    struct replica__buf *out = &reply->body;

    reply->type = REPLICA__REPLY_REPLICA;
    reply->no_store = true;
    replica__buf_reserve(out, range->list.len + 256);
    replica__buf_char(out, '{');
    replica__question_add_head(&range->q, head, out);
    replica__buf_printf(out, ",\"%s\":[", name);
    replica__buf_add(out, range->list.data, range->list.len);
    replica__buf_char(out, ']');
}

void replica__digests_answer(struct replica__service *service,
                             const struct replica__request *request, struct replica__reply *reply)
{
    RANGE range = { .q = { .service = service, .reply = reply } };
    REPLICA_BUF last = REPLICA_BUF_INIT;
    replica_error err = { 0 };
    int64_t head = 0;
    int r;

    if (!read_range(&range, request))
        return;
    r = walk(&range, digest_doc, &last, &head, &err);
    if (r > 0)
        close_chunk(&range, range.to.data, range.to.len > 0 ? range.to.len - 1 : 0);
    else if (r == 0 && !is_closed(&range, &last))
        close_chunk(&range, last.data, last.len);
    if (r < 0 || range.list.r < 0 || range.closed.r < 0) {
        replica__question_failed(&range.q, r < 0 ? r : REPLICA_ENOMEM, &err);
        return;
    }
    write_range(&range, "chunks", head, reply);
    replica__buf_char(&reply->body, '}');
}

/* ---- ids ------------------------------------------------------------------------- */

static int list_id(void *ctx, const struct replica__storage_doc *doc)
{
    struct range *range = ctx;
    struct replica__buf *out = &range->list;
    struct replica__digest digest;

    replica__buf_str(out, out->len > 0 ? ",[" : "[");
    replica__buf_json_string(out, doc->id, strlen(doc->id));
    replica__buf_char(out, ',');
    if (!range->texts)
        replica__buf_int(out, doc->sequence);
    else if (digest_of(range, doc, &digest))
        add_hex(out, digest);
    else
        return REPLICA_ENOMEM;
    replica__buf_char(out, ']');
    return out->r < 0 ? out->r : out->len >= LIST_BYTES || is_late(range);
}

void replica__ids_answer(struct replica__service *service, const struct replica__request *request,
                         struct replica__reply *reply)
{
    RANGE range = { .q = { .service = service, .reply = reply } };
    REPLICA_BUF last = REPLICA_BUF_INIT;
    replica_error err = { 0 };
    int64_t head = 0;
    int r;

    if (!read_range(&range, request))
        return;
    r = walk(&range, list_id, &last, &head, &err);
    if (r < 0 || range.list.r < 0) {
        replica__question_failed(&range.q, r < 0 ? r : REPLICA_ENOMEM, &err);
        return;
    }
    write_range(&range, "ids", head, reply);
    replica__buf_str(&reply->body, ",\"to\":");
    if (r > 0)
        replica__question_add_key(&reply->body, range.to.data,
                                  range.to.len > 0 ? range.to.len - 1 : 0);
    else
        replica__question_add_key(&reply->body, last.data, last.len);
    replica__buf_char(&reply->body, '}');
}
