#include "libreplica/replication/master_guard.h"

int replica__master_refuse(struct replica__master_row *row, int code, const char *why)
{
    row->verdict = REPLICA_VERDICT_REFUSED;
    row->code = code;
    sqlite3_snprintf(sizeof row->reason, row->reason, "%s", why);
    return 0;
}

int replica__guard_see(struct replica__master_row *row, const struct replica__row *old,
                       const struct replica__pusher *by, struct replica__row *ret,
                       struct replica__buf *room, replica_error *err)
{
    int r = 1;

    *ret = *old;
    if (by->guard)
        r = by->guard->shows(by->guard->ctx, row->place, old->body, old->len, room);
    if (r == 0 && !(old->flags & REPLICA__FLAG_DELETED))
        return replica__master_refuse(row, 403, "not allowed");
    if (r == 0)
        replica__row_key_text(row->coll->key, old, room);
    if (r < 0 || room->r < 0)
        return replica__error_set(err, r < 0 ? r : room->r, 0, "seeing '%s'", old->id);
    if (room->len > 0) {
        ret->body = room->data;
        ret->len = room->len;
    }
    return 1;
}

int replica__guard_allow(struct replica__master_row *row, struct replica__write *w,
                         const struct replica__row *old, const struct replica__pusher *by,
                         struct replica__buf *room, replica_error *err)
{
    bool is_live = old && !(old->flags & REPLICA__FLAG_DELETED);
    const struct replica__guarded guarded = { .row = row->place,
                                              .old = is_live ? old->body : NULL,
                                              .old_len = is_live ? old->len : 0,
                                              .json = w->json,
                                              .len = w->len,
                                              .deleted = w->deleted };
    const char *reason = "";
    int code = 403;
    int r = by->guard ? by->guard->judge(by->guard->ctx, &guarded, room, &code, &reason) : 1;

    if (r == 0)
        return replica__master_refuse(row, code, reason);
    if (r < 0 || room->r < 0)
        return replica__error_set(err, r < 0 ? r : room->r, 0, "judging '%s'", w->id);
    if (room->len > 0) {
        w->json = room->data;
        w->len = room->len;
    } else if (by->guard && is_live && w->deleted) {
        w->json = old->body;
        w->len = old->len;
        w->versioned = true;
        w->version = old->version;
    }
    return 1;
}
