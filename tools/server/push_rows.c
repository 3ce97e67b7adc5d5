/* A row that cannot be a document of its collection is refused alone, or with its bundle; the
 * others never notice.  Nothing is copied but the small texts that the storage wants with a NUL. */
#include "tools/server/push_rows.h"

#include "base/alloc.h"
#include "base/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void replica__push_free(struct replica__push *p)
{
    if (p->rows)
        p->service->storage->ops->release(p->service->storage, p->rows, p->n);
    replica__free(p->rows);
    replica__free(p->refusals);
    replica__free(p->place);
    replica__buf_free(&p->texts);
    replica__view_free(&p->view);
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
static size_t group_end(const struct replica__push *p, size_t i)
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
static int in_one_piece(const struct replica__push *p, replica_error *err)
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
static bool rows_good(struct replica__push *p, struct replica__reply *reply)
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

bool replica__push_read(struct replica__push *p, struct replica__reply *reply)
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
    if (!p->rows || !p->place || !replica__buf_reserve(&p->texts, texts + p->wire.client.len + 2)) {
        replica__enomem(&err);
        replica__reply_failure(reply, &err);
        return false;
    }
    return true;
}

/* ---- judging rows before the storage does ---------------------------------------- */

static int refuse(struct replica__push *p, size_t i, int code, const char *reason,
                  replica_error *err)
{
    if (p->refused == p->refusals_room) {
        size_t room = p->refusals_room ? p->refusals_room * 2 : 16;
        struct replica__refusal *more = replica__realloc(p->refusals, room, sizeof(*more));

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
static const char *keep(struct replica__push *p, struct replica__slice text)
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
static int refuse_text(struct replica__push *p, size_t i, struct replica__slice text,
                       const char *what, replica_error *err)
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

static int take_row(struct replica__push *p, size_t i, replica_error *err)
{
    const struct replica__wire_row *in = &p->wire.rows[i];
    struct replica__storage_coll *coll = p->targets[in->collection].coll;
    const char *key = coll ? p->service->storage->ops->key(coll) : NULL;
    struct replica__storage_row *row = &p->rows[p->n];
    struct replica__json_doc assumed = { { NULL, 0 } };
    char reason[160];

    if (scan(in->document, key, &p->service->limits, &row->doc, err) < 0)
        return refuse_text(p, i, in->document, "document", err);
    if (in->assumed.len > 0 &&
        scan(in->assumed, NULL, &p->service->limits, &assumed, err) < 0)
        return refuse_text(p, i, in->assumed, "assumed state", err);
    if (!coll) /* who may not create documents creates no collection for them */
        return refuse(p, i, 403, "not allowed", err);
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
    row->fence = in->fence;
    row->assumed_incarnation = keep(p, in->assumed_incarnation);
    row->assumed_sequence = in->assumed_sequence;
    row->assumed = in->assumed.len > 0 ? in->assumed.data : NULL;
    row->assumed_len = in->assumed.len;
    row->assumed_deleted = in->assumed_deleted || (p->stock && assumed.deleted);
    p->place[i] = (int32_t)p->n++;
    return 0;
}

/* A bundle of which a row is refused is refused. */
static int refuse_group(struct replica__push *p, size_t from, size_t to, replica_error *err)
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

static int take_group(struct replica__push *p, size_t from, size_t to, replica_error *err)
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

/* ---- access ---------------------------------------------------------------------- */

static const struct replica__target *target_of(const struct replica__push *p, size_t row)
{
    const struct replica__target *target = p->targets;

    while (target->coll != p->rows[row].coll)
        target++;
    return target;
}

static int judge(void *ctx, const struct replica__guarded *write, struct replica__buf *out,
                 int *ret_code, const char **ret_reason)
{
    struct replica__push *p = ctx;
    const struct replica__target *target = target_of(p, write->row);
    const struct replica__grants *grants;
    bool seen = false;
    int r = replica__view_grants(&p->view, target->name, &grants);

    if (r < 0)
        return r;
    r = replica__grants_judge(grants, p->service->storage->ops->key(target->coll), write->old,
                              write->old_len, write->json, write->len, write->deleted, out, &seen,
                              ret_reason);
    *ret_code = 403;
    p->unseen = p->unseen || (r > 0 && !seen);
    return r;
}

static int shows(void *ctx, size_t row, const char *json, size_t len, struct replica__buf *out)
{
    struct replica__push *p = ctx;
    const struct replica__target *target = target_of(p, row);
    int r = replica__view_look(&p->view, target, json, len, false);

    if (r != REPLICA__SIGHT_SHOWN)
        return r < 0 ? r : 0;
    r = replica__view_cut(&p->view, target, json, len, out);
    return r < 0 ? r : 1;
}

bool replica__push_creates(struct replica__push *p, const char *collection)
{
    const struct replica__grants *grants;

    return p->wire.n > 0 && replica__view_grants(&p->view, collection, &grants) == 0 &&
           (!grants || replica__grants_any(grants, REPLICA__DEED_CREATE));
}

bool replica__push_judge(struct replica__push *p, struct replica__reply *reply)
{
    struct replica__storage *s = p->service->storage;
    const struct replica__guard guard = { judge, shows, p };
    const struct replica__pusher by = { .stock = p->stock,
                                        .client = keep(p, p->wire.client),
                                        .guard = p->view.rights ? &guard : NULL,
                                        .undated = !p->stock && p->wire.checkpoint_lwt == 0 };
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

const struct replica__json_doc *replica__push_scan_again(const struct replica__push *p, size_t i,
                                                         struct replica__json_doc *room)
{
    struct replica__storage_coll *coll = p->targets[0].coll;
    const char *key = coll ? p->service->storage->ops->key(coll) : NULL;

    return scan(p->wire.rows[i].document, key, &loose, room, NULL) == 0 ? room : NULL;
}
