/* Bodies of both dialects: what a decoder hands out lies inside the body, what it refuses it
 * refuses at a byte of it, and a push that was read is read the same after it was written again.
 * The first byte picks the decoder. */
#include "replicator/wire.h"

#include <stdlib.h>
#include <string.h>

enum { ROWS = 40, COLLECTIONS = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static const char *body;
static size_t body_len;

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void check_inside(const char *p, size_t len)
{
    must(len == 0 || (p >= body && len <= body_len && p - body <= (ptrdiff_t)(body_len - len)));
}

static void check_refusal(int r, int code, const replica_error *err)
{
    must(r == code || r == REPLICA_ELIMIT);
    must(err->code == r && err->message[0] != '\0');
    must(err->offset >= 0 && err->offset <= (int64_t)body_len);
}

static void name_collections(replica_remote_collection colls[COLLECTIONS])
{
    for (int i = 0; i < COLLECTIONS; i++)
        colls[i] = (replica_remote_collection){ "c", "id", i };
}

static void check_path(enum replica__dialect dialect, const replica_pull_request *request)
{
    REPLICA_BUF path = REPLICA_BUF_INIT;

    replica__wire_pull_path(dialect, request, false, &path);
    must(path.r == 0 && path.data[0] == '/');
    for (size_t i = 0; i < path.len; i++)
        must(path.data[i] > ' ' && path.data[i] < 0x7F && path.data[i] != '#');
}

static void try_page(enum replica__dialect dialect)
{
    replica_remote_collection colls[COLLECTIONS];
    replica_pull_request request = { colls, 2, NULL, 10, 100 };
    struct replica__wire_page page;
    replica_error err = { 0 };
    int r;

    name_collections(colls);
    r = replica__wire_read_page(dialect, &request, body, body_len, &page, &err);
    if (r < 0) {
        check_refusal(r, REPLICA_EHTTP, &err);
        return;
    }
    for (size_t i = 0; i < page.page.count; i++) {
        check_inside(page.page.docs[i].json, page.page.docs[i].len);
        must(page.page.docs[i].len > 0 && page.page.docs[i].collection != NULL);
        must(!page.page.docs[i].writer || strlen(page.page.docs[i].writer) < body_len);
    }
    must(!page.page.at_head || dialect == REPLICA__DIALECT_RXDB || page.page.head >= 0);
    request.checkpoint = page.page.checkpoint;
    check_path(dialect, &request);
    replica__wire_page_free(&page);
}

static void try_verdicts(enum replica__dialect dialect)
{
    replica_remote_collection colls[COLLECTIONS];
    replica_remote_row rows[3] = { { .id = "a" }, { .id = "b" }, { .id = "\xc3\xa9" } };
    replica_push_request request = { colls, 1, NULL, rows, 3 };
    struct replica__wire_verdicts v;
    replica_error err = { 0 };
    int r;

    name_collections(colls);
    r = replica__wire_read_verdicts(dialect, &request, body, body_len, &v, &err);
    if (r < 0) {
        check_refusal(r, REPLICA_EHTTP, &err);
        return;
    }
    must(v.answer.count == 3);
    for (size_t i = 0; i < 3; i++) {
        const replica_remote_verdict *is = &v.answer.verdicts[i];

        check_inside(is->real.json, is->real.len);
        must(is->verdict != REPLICA_VERDICT_CONFLICT || is->real.len > 0);
        must(is->verdict != REPLICA_VERDICT_REFUSED || is->code >= 100);
    }
    replica__wire_verdicts_free(&v);
}

static const char *text_of(struct replica__slice s, struct replica__buf *texts)
{
    size_t start = texts->len;

    if (s.len == 0)
        return NULL;
    replica__buf_add(texts, s.data, s.len);
    replica__buf_char(texts, '\0');
    return texts->data + start;
}

static bool same(struct replica__slice a, struct replica__slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

/* Write what was read as our client would. */
static void write_again(const struct replica__wire_push *push, struct replica__buf *texts,
                        struct replica__buf *out)
{
    replica_remote_collection colls[COLLECTIONS];
    replica_remote_row rows[ROWS];
    replica_push_request request = { colls, COLLECTIONS, NULL, rows, push->n };
    REPLICA_BUF checkpoint = REPLICA_BUF_INIT;

    name_collections(colls);
    replica__buf_reserve(texts, body_len + ROWS * 4 + 1);
    for (size_t i = 0; i < push->n; i++) {
        const struct replica__wire_row *row = &push->rows[i];

        rows[i] = (replica_remote_row){
            .collection = row->collection, .json = row->document.data, .len = row->document.len,
            .id = "", .deleted = row->deleted, .operation = text_of(row->operation, texts),
            .stamp = row->stamp, .bundle = text_of(row->bundle, texts),
            .assumed = row->assumed.len ? row->assumed.data : NULL,
            .assumed_len = row->assumed.len, .assumed_deleted = row->assumed_deleted,
            .assumed_sequence = row->assumed_sequence,
        };
        if (row->assumed_incarnation.data) /* an empty one is one too */
            rows[i].assumed_incarnation = row->assumed_incarnation.len
                ? text_of(row->assumed_incarnation, texts) : "";
    }
    replica__buf_str(&checkpoint, "{\"id\":\"");
    replica__buf_add(&checkpoint, push->checkpoint_id.data, push->checkpoint_id.len);
    replica__buf_printf(&checkpoint, "\",\"lwt\":%lld}", (long long)push->checkpoint_lwt);
    request.checkpoint = checkpoint.data;
    replica__wire_push_body(REPLICA__DIALECT_REPLICA, &request, out);
    must(out->r == 0 && texts->r == 0);
}

static void check_same(const struct replica__wire_push *a, const struct replica__wire_push *b)
{
    must(a->n == b->n && a->checkpoint_lwt == b->checkpoint_lwt
         && same(a->checkpoint_id, b->checkpoint_id));
    for (size_t i = 0; i < a->n; i++) {
        const struct replica__wire_row *x = &a->rows[i], *y = &b->rows[i];
        bool by_number = x->assumed_sequence > 0; /* then the text stays at home */

        must(x->collection == y->collection && x->deleted == y->deleted && x->stamp == y->stamp);
        must(x->assumed_deleted == y->assumed_deleted && same(x->document, y->document));
        must(same(x->operation, y->operation) && same(x->bundle, y->bundle));
        must(x->assumed_sequence == y->assumed_sequence
             && same(x->assumed_incarnation, y->assumed_incarnation));
        must(by_number ? y->assumed.len == 0 : same(x->assumed, y->assumed));
    }
}

static void try_push(enum replica__dialect dialect)
{
    const struct replica__json_limits limits = { 1000, 0 };
    REPLICA_BUF texts = REPLICA_BUF_INIT;
    REPLICA_BUF again = REPLICA_BUF_INIT;
    struct replica__wire_push push, second;
    replica_error err = { 0 };
    int r = replica__wire_read_push(dialect, body, body_len, ROWS, &limits, &push, &err);

    if (r < 0) {
        check_refusal(r, REPLICA_EJSON, &err);
        return;
    }
    must(push.n <= ROWS && push.collection_count <= COLLECTIONS);
    for (size_t i = 0; i < push.n; i++) {
        check_inside(push.rows[i].document.data, push.rows[i].document.len);
        check_inside(push.rows[i].assumed.data, push.rows[i].assumed.len);
        must(push.rows[i].document.len <= 1000 && push.rows[i].document.data[0] == '{');
    }
    if (dialect == REPLICA__DIALECT_REPLICA) {
        write_again(&push, &texts, &again);
        must(replica__wire_read_push(dialect, again.data, again.len, ROWS, NULL, &second, &err)
             == 0);
        check_same(&push, &second);
        replica__wire_push_free(&second);
    }
    replica__wire_push_free(&push);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    enum replica__dialect dialect;

    if (len == 0)
        return 0;
    dialect = data[0] & 1 ? REPLICA__DIALECT_REPLICA : REPLICA__DIALECT_RXDB;
    body = (const char *)data + 1;
    body_len = len - 1;
    if ((data[0] >> 1) % 3 == 0)
        try_page(dialect);
    else if ((data[0] >> 1) % 3 == 1)
        try_verdicts(dialect);
    else
        try_push(dialect);
    return 0;
}
