/* A push at the master: each row is judged by itself, those of a bundle together; all are written
 * in one transaction.
 *
 * The order of the questions matters: a row that was taken before is `already` taken, whatever has
 * become of the document since; then the assumed state is compared with the real one. */
#include "libreplica/accept.h"
#include "libreplica/replication/conflict_log.h"
#include "libreplica/db.h"
#include "libreplica/locks/check.h"
#include "libreplica/master.h"
#include "libreplica/replication/master_whole.h"
#include "libreplica/savepoint.h"
#include "libreplica/shape.h"
#include "libreplica/stamp.h"
#include "libreplica/txn.h"
#include "libreplica/write.h"

#include <string.h>

/* Who is locked out comes again after so long at the latest: a lock ends without a sign. */
#define LOCKED_MS 5000

struct operation {
    int64_t token; /* 0: none */
    int64_t number;
};

static int refuse(struct replica__master_row *row, int code, const char *why)
{
    row->verdict = REPLICA_VERDICT_REFUSED;
    row->code = code;
    sqlite3_snprintf(sizeof row->reason, row->reason, "%s", why);
    return 0;
}

/* The tokens of openings are stored with the first row that comes from them. */
static int read_operation(replica_db *db, struct replica__master_row *row, struct operation *ret,
                          replica_error *err)
{
    size_t len;
    int r;

    *ret = (struct operation){ 0 };
    if (!row->operation)
        return 1;
    if (!replica__operation_read(row->operation, strlen(row->operation), &len, &ret->number))
        return refuse(row, 422, "not an operation id");
    r = replica__token_number(db, row->operation, len, true, &ret->token, err);
    return r < 0 ? r : 1;
}

/* The highest number taken of this opening for this document: in its own row if the opening wrote
 * it last, else beside it. */
static int already_taken(replica_db *db, const struct operation *op, const struct replica__row *old,
                         struct replica__master_row *row, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    int rc = SQLITE_OK;
    int r;

    if (!op->token)
        return 0;
    if (old->writer == op->token && !(old->flags & REPLICA__FLAG_PULLED) &&
        op->number <= old->wseq) {
        row->sequence = op->number == old->wseq ? old->seq : 0;
        return 1;
    }
    if (old->writer == op->token)
        return 0;
    r = replica__sql_get(db, REPLICA__SQL_TAKEN_FIND, &stmt, err);
    if (r < 0)
        return r;
    replica__bind_int(stmt, 1, old->number, &rc);
    replica__bind_int(stmt, 2, op->token, &rc);
    r = replica__sql_step(db, stmt, rc, err);
    if (r <= 0 || op->number > sqlite3_column_int64(stmt, 0))
        return r < 0 ? r : 0;
    row->sequence = 0;
    return 1;
}

/* 1: the row was made from the state that is stored. */
static int assumed_is_real(replica_db *db, const struct replica__master_row *row,
                           const struct replica__row *old, replica_error *err)
{
    int64_t common;
    int r;

    switch (row->assumed) {
    case REPLICA__ASSUMED_NONE:
        return 0;
    case REPLICA__ASSUMED_NUMBER:
        if (row->assumed_sequence != old->seq)
            return 0;
        return replica__master_checkpoint(db, row->assumed_incarnation, row->assumed_sequence,
                                          &common, err);
    case REPLICA__ASSUMED_TEXT:
        break;
    }
    if (row->assumed_deleted != ((old->flags & REPLICA__FLAG_DELETED) != 0))
        return 0;
    r = replica__json_equal(row->assumed_json, row->assumed_len, old->body, old->len,
                            REPLICA_JSON_AS_JAVASCRIPT | REPLICA_JSON_SKIP_RESERVED);
    return r < 0 ? replica__enomem(err) : r;
}

static bool is_same_state(const struct replica__write *w, const struct replica__row *old)
{
    return w->deleted == ((old->flags & REPLICA__FLAG_DELETED) != 0) &&
           replica__json_equal(w->json, w->len, old->body, old->len,
                               REPLICA_JSON_AS_JAVASCRIPT | REPLICA_JSON_SKIP_RESERVED) > 0;
}

/* A live document that nobody has brought up to the collection's version yet. */
static bool is_older(const replica_collection *coll, const struct replica__row *old)
{
    return old->version < coll->version && !(old->flags & REPLICA__FLAG_DELETED);
}

/* The real state names the newest bundle that has written the document, also one before it: who
 * shows it must have the bundle's others. */
static int conflict(replica_db *db, struct replica__master_row *row, const struct replica__row *old,
                    replica_error *err)
{
    REPLICA_BUF bundle = REPLICA_BUF_INIT;
    struct replica__row real = *old;
    int r = 0;

    row->verdict = REPLICA_VERDICT_CONFLICT;
    row->sequence = old->seq;
    row->real_version = is_older(row->coll, old) ? (int)old->version : -1;
    if (!real.bundle && db->bundled)
        r = replica__master_bundles_of(db, old->number, 1, &bundle, err);
    if (r >= 0 && bundle.len > 0)
        real.bundle = bundle.data;
    return r < 0 ? r : replica__row_doc(db, row->coll->name, &real, &row->real, err);
}

/* What is written must keep to the schema: 1, or 0 and the row is refused. */
static int fits(struct replica__master_row *row, const struct replica__write *w,
                replica_error *err)
{
    replica_error why = { .offset = -1 };
    int r = w->deleted ? 0 : replica__shape_check(w->coll, w->id, w->json, w->len, &why);

    if (r == REPLICA_ESCHEMA || r == REPLICA_ELIMIT)
        return refuse(row, 422, why.message);
    return r < 0 ? replica__enomem(err) : 1;
}

/* What a unique index says. */
static int refuse_taken(replica_db *db, struct replica__master_row *row, int r,
                        const replica_error *why, replica_error *err)
{
    if (r == REPLICA_ECONFLICT && db->taken)
        return refuse(row, 422, why->message);
    if (err)
        *err = *why;
    return r;
}

static int take(replica_db *db, struct replica__master_row *row, const struct replica__write *w,
                const struct replica__row *old, replica_error *err)
{
    struct replica__written written;
    replica_error why = { .offset = -1 };
    int r = fits(row, w, err);

    if (r <= 0)
        return r;
    r = replica__write(db, w, old, &written, &why);
    if (r < 0)
        return refuse_taken(db, row, r, &why, err);
    row->verdict = REPLICA_VERDICT_TAKEN;
    row->sequence = written.seq;
    return 0;
}

/* Does a lock stand in the way?  1: no; 0: it does, and the row is told so. */
static int is_free(replica_db *db, struct replica__master_row *row, const struct replica__write *w,
                   const struct replica__pusher *by, replica_error *err)
{
    struct replica__lock_judged judged;
    int r = replica__lock_judge(db, w->coll->number, w->id, w->id_len, by->client, row->fence,
                                &judged, err);

    if (r <= 0)
        return r < 0 ? r : 1;
    if (judged.verdict == REPLICA_VERDICT_REFUSED)
        return refuse(row, 409, judged.reason);
    row->verdict = judged.verdict;
    row->retry_ms = judged.left_ms < LOCKED_MS ? judged.left_ms : LOCKED_MS;
    sqlite3_snprintf(sizeof row->reason, row->reason, "%s", judged.name);
    return 0;
}

/* One without an assumed state mostly is new, so try before looking: 1.  One that breaks the
 * schema, or is locked, may have been taken before that was so. */
static int take_new(replica_db *db, struct replica__master_row *row,
                    const struct replica__write *w, const struct replica__pusher *by,
                    replica_error *err)
{
    struct replica__written written;
    int r = is_free(db, row, w, by, err);

    if (r > 0)
        r = fits(row, w, err);
    if (r > 0)
        r = replica__write_new(db, w, &written, err);
    if (r == REPLICA_ECONFLICT && db->taken)
        r = 0; /* it is asked again behind the other questions */
    row->verdict = r > 0 ? REPLICA_VERDICT_TAKEN : REPLICA_VERDICT_NONE;
    if (r > 0)
        row->sequence = written.seq;
    return r;
}

/* A stock client does not say from which state of an older version its own was made, and could not
 * read that one.  Its state is taken; the older one can be found in the conflict log. */
static int take_over(replica_db *db, struct replica__master_row *row,
                     const struct replica__write *w, const struct replica__row *old,
                     replica_error *err)
{
    const struct replica__kept result = { .flags = w->deleted ? REPLICA__FLAG_DELETED : 0,
                                          .version = row->coll->version,
                                          .body = w->json,
                                          .len = w->len };
    int r = fits(row, w, err);

    if (r <= 0)
        return r;
    r = replica__conflict_log_add(db,
                                  &(struct replica__logged){ .row = old,
                                                             .rule = "migration",
                                                             .result = &result },
                                  err);
    return r < 0 ? r : take(db, row, w, old, err);
}

/* ---- guards ---------------------------------------------------------------------- */

/* The stored state as the pusher sees it: 1; 0: it may not, and the row is told so.  Of a deletion
 * that it may not see it learns no more than that the key is taken. */
static int see(struct replica__master_row *row, const struct replica__row *old,
               const struct replica__pusher *by, struct replica__row *ret,
               struct replica__buf *room, replica_error *err)
{
    int r = 1;

    *ret = *old;
    if (by->guard)
        r = by->guard->shows(by->guard->ctx, row->place, old->body, old->len, room);
    if (r == 0 && !(old->flags & REPLICA__FLAG_DELETED))
        return refuse(row, 403, "not allowed");
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

/* May it be written?  1, and w is what the guard made of it; 0: the row is refused.  What a client
 * says in a tombstone nobody has judged: the stored state stays in it. */
static int allow(struct replica__master_row *row, struct replica__write *w,
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
        return refuse(row, code, reason);
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

/* ---- rows ------------------------------------------------------------------------ */

/* Over the state that it was made from. */
static int judge_next(replica_db *db, struct replica__master_row *row, struct replica__write *w,
                      const struct replica__row *old, const struct replica__row *seen,
                      const struct replica__pusher *by, replica_error *err)
{
    REPLICA_BUF spelled = REPLICA_BUF_INIT;
    REPLICA_BUF room = REPLICA_BUF_INIT;
    bool over = by->stock && is_older(row->coll, old);
    int r;

    if (by->stock && !w->deleted && !over) {
        replica__json_keep_spelling(seen->body, seen->len, w->json, w->len, &spelled);
        if (spelled.r < 0)
            return replica__error_set(err, spelled.r, 0, "keeping the spelling");
        w->json = spelled.data;
        w->len = spelled.len;
    }
    r = allow(row, w, old, by, &room, err);
    if (r <= 0)
        return r;
    return over ? take_over(db, row, w, old, err) : take(db, row, w, old, err);
}

static int judge_known(replica_db *db, struct replica__master_row *row, struct replica__write *w,
                       const struct replica__row *old, const struct operation *op,
                       const struct replica__pusher *by, replica_error *err)
{
    REPLICA_BUF room = REPLICA_BUF_INIT;
    struct replica__row seen;
    int r = already_taken(db, op, old, row, err);

    if (r < 0)
        return r;
    if (r > 0) {
        row->verdict = REPLICA_VERDICT_ALREADY;
        return 0;
    }
    r = see(row, old, by, &seen, &room, err);
    if (r > 0)
        r = is_free(db, row, w, by, err);
    if (r <= 0)
        return r;
    if (by->stock && is_older(row->coll, old))
        return judge_next(db, row, w, old, &seen, by, err);
    if (by->stock && is_same_state(w, &seen)) {
        row->verdict = REPLICA_VERDICT_TAKEN;
        row->sequence = old->seq;
        return 0;
    }
    r = assumed_is_real(db, row, &seen, err);
    if (r < 0)
        return r;
    return r > 0 ? judge_next(db, row, w, old, &seen, by, err) : conflict(db, row, &seen, err);
}

/* A push that may be of long ago: was what this row wrote deleted since, and is its tombstone gone?
 * Operations of one opening that came later are taken for such, too: 1. */
static int is_purged_operation(replica_db *db, const struct replica__master_row *row,
                               const struct operation *op, const struct replica__pusher *by,
                               replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    int rc = SQLITE_OK;
    int r;

    if (!by->undated || row->assumed != REPLICA__ASSUMED_NONE || !op->token)
        return 0;
    r = replica__sql_get(db, REPLICA__SQL_PURGED_OPERATION, &stmt, err);
    if (r < 0)
        return r;
    replica__bind_int(stmt, 1, op->token, &rc);
    replica__bind_int(stmt, 2, op->number, &rc);
    return replica__sql_step(db, stmt, rc, err);
}

/* What is not here, and was made from a live state: since a purge it counts as deleted, unless that
 * state came behind it.  1, and the row is told so. */
static int is_gone(replica_db *db, struct replica__master_row *row, const struct replica__write *w,
                   bool purged, replica_error *err)
{
    REPLICA_BUF text = REPLICA_BUF_INIT;
    struct replica__row gone = { .id = w->id, .id_len = w->id_len, .height = 1,
                                 .flags = REPLICA__FLAG_DELETED, .version = row->coll->version };
    int r = replica__master_horizon(db, row->coll, &gone.seq, err);

    if (r < 0 || gone.seq == 0)
        return r;
    if (row->assumed == REPLICA__ASSUMED_NONE ? !purged : row->assumed_deleted)
        return 0;
    if (row->assumed == REPLICA__ASSUMED_NUMBER && row->assumed_sequence > gone.seq)
        return 0;
    r = replica__txn_opening(db, &gone.opening, err);
    if (r < 0)
        return r;
    replica__row_key_text(row->coll->key, &gone, &text);
    if (text.r < 0)
        return replica__enomem(err);
    gone.body = text.data;
    gone.len = text.len;
    r = conflict(db, row, &gone, err);
    return r < 0 ? r : 1;
}

/* With an assumed state for what is not here, and was not purged: it was lost here, and comes
 * back. */
static int judge_absent(replica_db *db, struct replica__master_row *row, struct replica__write *w,
                        bool purged, const struct replica__pusher *by, replica_error *err)
{
    REPLICA_BUF room = REPLICA_BUF_INIT;
    int r = is_gone(db, row, w, purged, err);

    if (r != 0)
        return r < 0 ? r : 0;
    r = allow(row, w, NULL, by, &room, err);
    if (r > 0)
        r = is_free(db, row, w, by, err);
    return r > 0 ? take(db, row, w, NULL, err) : r;
}

static int judge_row(replica_db *db, struct replica__master_row *row,
                     const struct replica__pusher *by, replica_error *err)
{
    REPLICA_ACCEPTED a = { 0 };
    REPLICA_STMT stmt = NULL;
    struct replica__row old;
    struct operation op;
    replica_error why = { .offset = -1 };
    int purged;
    int r = replica__accept_scanned(row->coll, &row->doc, &a, &why);

    if (r == REPLICA_EJSON || r == REPLICA_ELIMIT)
        return refuse(row, r == REPLICA_ELIMIT ? 413 : 422, why.message);
    if (r < 0)
        return replica__error_set(err, r, why.detail, "%s", why.message);
    r = read_operation(db, row, &op, err);
    if (r <= 0)
        return r;
    struct replica__write w = {
        .coll = row->coll,
        .id = a.id,
        .id_len = a.id_len,
        .json = a.json,
        .len = a.len,
        .deleted = row->deleted || a.deleted,
        .bundle = row->bundle,
        .firm = row->firm,
        .stamp = replica__stamp_bound(db, row->stamp),
        .writer = op.token,
        .wseq = op.number,
    };
    r = purged = is_purged_operation(db, row, &op, by, err);
    if (r == 0 && row->assumed == REPLICA__ASSUMED_NONE && !by->guard) {
        r = take_new(db, row, &w, by, err);
        if (r > 0)
            return 0;
    }
    if (r < 0)
        return r;
    r = replica__row_find(row->coll, a.id, a.id_len, &stmt, &old, err);
    if (r < 0)
        return r;
    return r > 0 ? judge_known(db, row, &w, &old, &op, by, err)
                 : judge_absent(db, row, &w, purged, by, err);
}

/* ---- bundles --------------------------------------------------------------------- */

/* Rows that stand together under one name. */
struct group {
    struct replica__master_row *rows;
    size_t n;
};

static struct group next_group(struct replica__master_row *rows, size_t n)
{
    struct group g = { rows, 1 };

    while (rows->bundle && g.n < n && rows[g.n].bundle &&
           strcmp(rows[g.n].bundle, rows->bundle) == 0)
        g.n++;
    return g;
}

static void drop_real(struct replica__master_row *row)
{
    row->real = replica_doc_unref(row->real);
}

static bool is_taken(const struct replica__master_row *row)
{
    return row->verdict == REPLICA_VERDICT_TAKEN || row->verdict == REPLICA_VERDICT_ALREADY;
}

/* The row that refuses all, or NULL. */
static const struct replica__master_row *refusal_of(const struct group *g)
{
    for (size_t i = 0; i < g->n; i++)
        if (g->rows[i].verdict == REPLICA_VERDICT_REFUSED)
            return &g->rows[i];
    return NULL;
}

/* What is in the way of a firm bundle refuses it. */
static void refuse_firm(struct group *g)
{
    for (size_t i = 0; i < g->n; i++) {
        struct replica__master_row *row = &g->rows[i];

        if (row->firm && row->verdict == REPLICA_VERDICT_CONFLICT) {
            drop_real(row);
            refuse(row, 409, "the document has changed");
            return;
        }
    }
}

/* None was taken: what that means for each. */
static void tell_group(struct group *g)
{
    const struct replica__master_row *why;

    refuse_firm(g);
    why = refusal_of(g);
    for (size_t i = 0; i < g->n; i++) {
        struct replica__master_row *row = &g->rows[i];

        if (why && row != why && row->verdict != REPLICA_VERDICT_ALREADY &&
            row->verdict != REPLICA_VERDICT_REFUSED) {
            drop_real(row);
            refuse(row, why->code, "with its bundle: ");
            sqlite3_snprintf((int)(sizeof row->reason - strlen(row->reason)),
                             row->reason + strlen(row->reason), "%s", why->reason);
        } else if (row->verdict == REPLICA_VERDICT_TAKEN) {
            row->verdict = REPLICA_VERDICT_NONE;
        }
    }
}

/* What a bundle wrote itself is no state that it could be in conflict with. */
static void refuse_twice(struct group *g, int64_t head)
{
    for (size_t i = 0; i < g->n; i++)
        if (g->rows[i].verdict == REPLICA_VERDICT_CONFLICT && g->rows[i].sequence > head) {
            drop_real(&g->rows[i]);
            refuse(&g->rows[i], 422, "twice in one bundle");
        }
}

/* A bundle is judged to its end, so that all that is in the way is told at once. */
static int judge_bundle(replica_db *db, struct group *g, const struct replica__pusher *by,
                        replica_error *err)
{
    int64_t head = db->head;
    bool taken = true;
    int r = replica__savepoint_set(db, err);

    for (size_t i = 0; r >= 0 && i < g->n; i++) {
        r = judge_row(db, &g->rows[i], by, err);
        taken = taken && is_taken(&g->rows[i]);
    }
    if (r < 0)
        return r;
    if (taken)
        return replica__savepoint_release(db, err);
    refuse_twice(g, head);
    tell_group(g);
    return replica__savepoint_undo(db, err);
}

/* A bundle of one row needs no more than that it is firm. */
static int judge_group(replica_db *db, struct group *g, const struct replica__pusher *by,
                       replica_error *err)
{
    int r;

    if (g->n > 1)
        return judge_bundle(db, g, by, err);
    r = judge_row(db, g->rows, by, err);
    refuse_firm(g);
    return r;
}

int replica__master_push(replica_db *db, struct replica__master_row *rows, size_t n,
                         const struct replica__pusher *by, int64_t *ret_before, int64_t *ret_after,
                         replica_error *err)
{
    REPLICA_TXN txn = NULL;
    int64_t before, after;
    int r = replica__txn_begin(db, &txn, err);

    if (r < 0)
        return r;
    before = db->head;
    for (size_t i = 0; i < n; i++) {
        rows[i].place = i;
        rows[i].real = NULL;
        rows[i].verdict = REPLICA_VERDICT_NONE;
    }
    for (size_t i = 0; r >= 0 && i < n;) {
        struct group g = next_group(rows + i, n - i);

        r = judge_group(db, &g, by, err);
        i += g.n;
    }
    after = db->head;
    if (r >= 0)
        r = replica__txn_commit(&txn, err);
    if (r < 0) {
        for (size_t i = 0; i < n; i++)
            drop_real(&rows[i]);
        return r;
    }
    *ret_before = before;
    *ret_after = after;
    return 0;
}
