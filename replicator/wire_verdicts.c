/* Reading the answer to a push.
 *
 * Our dialect has a verdict for each row.  In RxDB's an array lists the states of the rows that are
 * in conflict, and its arrival says that all others were taken. */
#include "replicator/wire.h"

#include "base/alloc.h"
#include "base/error.h"
#include "replicator/wire_skip.h"

#include <string.h>

/* ---- RxDB's dialect -------------------------------------------------------------- */

/* The primary key of a document that nobody has checked, as spelled. */
static int find_key(const struct replica__wire_in *whole, struct replica__slice text,
                    const char *key, struct replica__slice *ret_id)
{
    struct replica__wire_in in = replica__wire_part(whole, text);
    struct replica__slice name, skipped;
    bool first = true;
    int r;

    if (!replica__wire_take(&in, '{'))
        return replica__wire_fail(&in, text.data, "a state in conflict must be an object");
    while ((r = replica__wire_member(&in, &first, &name)) > 0) {
        if (replica__wire_name_is(name, key))
            return replica__wire_string(&in, ret_id);
        r = replica__wire_value(&in, &skipped);
        if (r < 0)
            return r;
    }
    return r < 0 ? r : replica__wire_fail(&in, text.data, "a state in conflict without its key");
}

/* The row of this id.  States mostly come in the order of the rows, so the search starts behind the
 * last one that was found. */
static replica_remote_verdict *find_row(struct replica__wire_verdicts *v,
                                        const replica_push_request *request,
                                        struct replica__slice id, size_t *hint)
{
    for (size_t n = 0; n < request->row_count; n++) {
        size_t i = (*hint + n) % request->row_count;

        if (replica__wire_name_is(id, request->rows[i].id)) {
            *hint = i + 1;
            return &v->verdicts[i];
        }
    }
    return NULL;
}

static int read_conflicts(struct replica__wire_in *in, const replica_push_request *request,
                          struct replica__wire_verdicts *v)
{
    const replica_remote_collection *coll = &request->collections[0];
    bool first = true;
    size_t hint = 0;
    int r;

    if (!replica__wire_take(in, '['))
        return replica__wire_fail(in, NULL, "the answer to a push must be an array");
    for (size_t i = 0; i < request->row_count; i++)
        v->verdicts[i].verdict = REPLICA_VERDICT_TAKEN;
    while ((r = replica__wire_element(in, &first)) > 0) {
        struct replica__slice text, id;
        replica_remote_verdict *verdict;

        r = replica__wire_value(in, &text);
        if (r == 0)
            r = find_key(in, text, coll->key, &id);
        if (r < 0)
            return r;
        verdict = find_row(v, request, id, &hint);
        if (!verdict)
            return replica__wire_fail(in, text.data, "a conflict for a row that was not sent");
        verdict->verdict = REPLICA_VERDICT_CONFLICT;
        verdict->real.collection = coll->name;
        verdict->real.json = text.data;
        verdict->real.len = text.len;
    }
    return r < 0 ? r : replica__wire_end(in);
}

/* ---- our dialect ----------------------------------------------------------------- */

/* [seq,stamp,flags,"writer","bundle"|null], and the version where it is an older one. */
static int read_real(struct replica__wire_in *in, const replica_remote_collection *coll,
                     struct replica__buf *texts, replica_remote_doc *real)
{
    struct replica__slice skipped;
    int64_t flags = 0, version = coll->version;
    bool first = true;
    int r;

    if (!replica__wire_take(in, '['))
        return replica__wire_fail(in, NULL, "conflict must be an array");
    for (int i = 0; (r = replica__wire_element(in, &first)) > 0; i++) {
        switch (i) {
        case 0: r = replica__wire_int(in, &real->sequence); break;
        case 1: r = replica__wire_int(in, &real->stamp); break;
        case 2: r = replica__wire_int(in, &flags); break;
        case 3: r = replica__wire_text(in, texts, &real->writer); break;
        case 4: r = replica__wire_text(in, texts, &real->bundle); break;
        case 5: r = replica__wire_int(in, &version); break;
        default: r = replica__wire_value(in, &skipped); break;
        }
        if (r < 0)
            return r;
    }
    real->deleted = (flags & 1) != 0;
    if (version >= 0 && version < coll->version)
        real->older = (intptr_t)(coll->version - version);
    return r;
}

static int read_code(struct replica__wire_in *in, int *ret_code)
{
    int64_t code;
    int r = replica__wire_int(in, &code);

    if (r < 0)
        return r;
    if (code < 100 || code > 999)
        return replica__wire_fail(in, NULL, "refused with what is no status");
    *ret_code = (int)code;
    return 0;
}

/* One member of a verdict that is an object; what it does not know it leaves, so that a verdict of
 * a later time is "not judged". */
static int read_detail(struct replica__wire_in *in, const replica_remote_collection *coll,
                       struct replica__slice name, struct replica__buf *texts,
                       replica_remote_verdict *v)
{
    struct replica__slice text;
    int r;

    if (replica__wire_name_is(name, "already")) {
        v->verdict = REPLICA_VERDICT_ALREADY;
        return replica__wire_int(in, &v->sequence);
    }
    if (replica__wire_name_is(name, "conflict")) {
        v->verdict = REPLICA_VERDICT_CONFLICT;
        return read_real(in, coll, texts, &v->real);
    }
    if (replica__wire_name_is(name, "document")) {
        r = replica__wire_value(in, &text);
        v->real.json = text.data;
        v->real.len = text.len;
        return r;
    }
    if (replica__wire_name_is(name, "refused")) {
        v->verdict = REPLICA_VERDICT_REFUSED;
        return read_code(in, &v->code);
    }
    if (replica__wire_name_is(name, "reason"))
        return replica__wire_text(in, texts, &v->reason);
    if (replica__wire_name_is(name, "locked")) {
        v->verdict = REPLICA_VERDICT_LOCKED;
        return replica__wire_text(in, texts, &v->reason);
    }
    if (replica__wire_name_is(name, "retry"))
        return replica__wire_int(in, &v->retry_ms);
    if (replica__wire_name_is(name, "later")) {
        v->verdict = REPLICA_VERDICT_LATER;
        return replica__wire_int(in, &v->retry_ms);
    }
    return replica__wire_value(in, &text);
}

static int read_verdict(struct replica__wire_in *in, const replica_remote_collection *coll,
                        struct replica__buf *texts, replica_remote_verdict *v)
{
    struct replica__slice name;
    const char *start;
    bool first = true;
    int r;

    if (replica__wire_null(in))
        return 0;
    if (!replica__wire_take(in, '{')) {
        r = replica__wire_int(in, &v->sequence);
        v->verdict = v->sequence > 0 ? REPLICA_VERDICT_TAKEN : REPLICA_VERDICT_NONE;
        return r;
    }
    start = in->at - 1;
    while ((r = replica__wire_member(in, &first, &name)) > 0) {
        r = read_detail(in, coll, name, texts, v);
        if (r < 0)
            return r;
    }
    if (r == 0 && v->verdict == REPLICA_VERDICT_CONFLICT && !v->real.json)
        return replica__wire_fail(in, start, "a conflict without a document");
    v->real.collection = coll->name;
    return r;
}

static int read_verdicts(struct replica__wire_in *in, const replica_push_request *request,
                         struct replica__wire_verdicts *v)
{
    bool first = true;
    size_t i = 0;
    int r;

    if (!replica__wire_take(in, '['))
        return replica__wire_fail(in, NULL, "verdicts must be an array");
    while ((r = replica__wire_element(in, &first)) > 0) {
        if (i == request->row_count)
            return replica__wire_fail(in, NULL, "more verdicts than rows");
        r = read_verdict(in, &request->collections[request->rows[i].collection], &v->texts,
                         &v->verdicts[i]);
        if (r < 0)
            return r;
        i++;
    }
    return r;
}

static const char *copy(struct replica__buf *texts, struct replica__slice text)
{
    size_t start = texts->len;

    replica__buf_add(texts, text.data, text.len);
    replica__buf_char(texts, '\0');
    return texts->r < 0 ? NULL : texts->data + start;
}

static int read_place(struct replica__wire_in *in, struct replica__buf *texts, const char **ret)
{
    struct replica__slice text, id;
    int64_t lwt;
    int r;

    if (replica__wire_null(in))
        return 0;
    r = replica__wire_checkpoint(in, &text, &id, &lwt);
    if (r < 0)
        return r;
    *ret = copy(texts, text);
    return 0;
}

static int read_answer(struct replica__wire_in *in, const replica_push_request *request,
                       struct replica__wire_verdicts *v)
{
    struct replica__slice name, skipped;
    bool first = true, seen = false;
    int r;

    if (!replica__wire_take(in, '{'))
        return replica__wire_fail(in, NULL, "the answer to a push must be an object");
    while ((r = replica__wire_member(in, &first, &name)) > 0) {
        if (!seen && replica__wire_name_is(name, "verdicts")) {
            r = read_verdicts(in, request, v);
            seen = true;
        } else if (replica__wire_name_is(name, "incarnation")) {
            r = replica__wire_text(in, &v->texts, &v->answer.incarnation);
        } else if (replica__wire_name_is(name, "follows")) {
            r = read_place(in, &v->texts, &v->answer.follows);
        } else if (replica__wire_name_is(name, "checkpoint")) {
            r = read_place(in, &v->texts, &v->answer.checkpoint);
        } else {
            r = replica__wire_value(in, &skipped);
        }
        if (r < 0)
            return r;
    }
    if (r < 0)
        return r;
    if (!seen)
        return replica__wire_fail(in, in->start, "an answer without verdicts");
    return replica__wire_end(in);
}

/* ---- both ------------------------------------------------------------------------ */

int replica__wire_read_verdicts(enum replica__dialect dialect, const replica_push_request *request,
                                const char *body, size_t len, struct replica__wire_verdicts *ret,
                                replica_error *err)
{
    __attribute__((cleanup(replica__wire_verdicts_free))) struct replica__wire_verdicts v = {
        .answer = REPLICA_REMOTE_VERDICTS_INIT, .texts = REPLICA_BUF_INIT,
    };
    struct replica__wire_in in = { body, body, body + len, REPLICA_EHTTP, err };
    int r;

    v.verdicts = replica__alloc_zero(request->row_count, sizeof(*v.verdicts));
    if (!v.verdicts)
        return replica__enomem(err);
    if (dialect == REPLICA__DIALECT_RXDB) {
        r = read_conflicts(&in, request, &v);
    } else {
        /* Documents in conflict are most of a long answer and need no room here, but their end is
         * not known yet; memory that is not touched costs nothing. */
        replica__buf_reserve(&v.texts, len + 8);
        r = read_answer(&in, request, &v);
    }
    if (r < 0)
        return r;
    if (v.texts.r < 0)
        return replica__enomem(err);
    v.answer.verdicts = v.verdicts;
    v.answer.count = request->row_count;
    *ret = v;
    memset(&v, 0, sizeof(v)); /* is the caller's now */
    return 0;
}

void replica__wire_verdicts_free(struct replica__wire_verdicts *v)
{
    replica__free(v->verdicts);
    replica__buf_free(&v->texts);
    v->verdicts = NULL;
}
