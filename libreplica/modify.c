/* Writes that read first, and try again when somebody was faster. */
#include "libreplica/document.h"
#include "libreplica/text.h"

#include <string.h>

void replica_text_add(replica_text *out, const char *json, size_t len)
{
    if (out && json)
        replica__buf_add(&out->buf, json, len == REPLICA_NUL ? strlen(json) : len);
}

void replica__back_off(replica_db *db, int round)
{
    int64_t most_us = 100LL << (round < 8 ? round : 8);

    replica__os_sleep_us((int64_t)(db->world->random(db->world->ctx) % (uint64_t)most_us));
}

static int modify_once(replica_collection *coll, const char *id, replica_modify_fn fn, void *ctx,
                       replica_doc **ret_doc, replica_error *err)
{
    REPLICA_DOC current = NULL;
    replica_text out = { .buf = { .max = coll->db->limits.max_bytes } };
    const char *rev;
    int r = replica_get(coll, id, &current, err);

    if (r < 0)
        return r;
    rev = current ? replica_doc_rev(current) : NULL;
    switch (fn(ctx, current, &out)) {
    case REPLICA_MODIFY_KEEP:
        r = 0;
        break;
    case REPLICA_MODIFY_DELETE:
        r = current ? replica_delete(coll, id, rev, NULL, err) : 0;
        break;
    case REPLICA_MODIFY_PUT:
        if (out.buf.r < 0)
            r = replica__error_set(err, out.buf.r, 0, "the new text of '%s'", id);
        else
            r = replica__put_as(coll, id, out.buf.data ? out.buf.data : "", out.buf.len, rev,
                                ret_doc, NULL, err);
        r = r < 0 ? r : 1;
        break;
    default:
        r = replica__error_set(err, REPLICA_EUSER, 0, "the modify function refused '%s'", id);
        break;
    }
    replica__buf_free(&out.buf);
    return r;
}

int replica_modify(replica_collection *coll, const char *id, replica_modify_fn fn, void *ctx,
                   replica_doc **ret_doc, replica_error *err)
{
    int r = REPLICA_ECONFLICT;

    if (!coll || !id || !fn)
        return replica__error_set(err, REPLICA_EINVAL, 0, "no collection, id or function");
    for (int round = 0; r == REPLICA_ECONFLICT && round < REPLICA__ROUNDS; round++) {
        if (coll->db->taken && round > 0) /* a unique index stands in the way: that lasts */
            return r;
        if (round > 0)
            replica__back_off(coll->db, round);
        r = modify_once(coll, id, fn, ctx, ret_doc, err);
    }
    return r;
}
