/* One row of a push.
 *
 * The order of the questions matters: a row that was taken before is `already` taken, whatever has
 * become of the document since; who may not see the document learns no more than that; then the
 * assumed state is compared with the real one, and only what would be written is judged. */
#include "libreplica/replication/master_judge.h"

#include "libreplica/accept.h"
#include "libreplica/db.h"
#include "libreplica/locks/check.h"
#include "libreplica/replication/conflict_log.h"
#include "libreplica/replication/master_guard.h"
#include "libreplica/replication/master_whole.h"
#include "libreplica/shape.h"
#include "libreplica/stamp.h"
#include "libreplica/txn.h"
#include "libreplica/write.h"

#include <string.h>

/* Who is locked out comes again after so long at the latest: a lock ends without a sign. */
#define LOCKED_MS 5000

struct operation {
    int64_t token; /* 0: none, or nothing of it was taken here yet */
    int64_t number;
};

/* The token of an opening is stored with the first row of it that is written, and not for one that
 * is refused: strangers could fill the disk with them. */
static int read_operation(replica_db *db, struct replica__master_row *row, struct operation *ret,
                          replica_error *err)
{
    size_t len;
    int r;

    *ret = (struct operation){ 0 };
    if (!row->operation)
        return 1;
    if (!replica__operation_read(row->operation, strlen(row->operation), &len, &ret->number))
        return replica__master_refuse(row, 422, "not an operation id");
    r = replica__token_number(db, row->operation, len, false, &ret->token, err);
    return r < 0 ? r : 1;
}

/* Before the row is written. */
static int sign(replica_db *db, const struct replica__master_row *row, struct replica__write *w,
                replica_error *err)
{
    const char *dot = row->operation ? strchr(row->operation, '.') : NULL;
    int r = 0;

    if (dot && !w->writer)
        r = replica__token_number(db, row->operation, (size_t)(dot - row->operation), true,
                                  &w->writer, err);
    return r < 0 ? r : 0;
}

/* The highest number taken of this opening for this document: in its own row if the opening wrote
 * it last, else beside it. */
static int already_taken(replica_db *db, const struct operation *op, const struct replica__row *old,
                         struct replica__master_row *row, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
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
    r = replica__sql_row(db, REPLICA__SQL_TAKEN_FIND, &stmt, err, old->number, op->token);
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
        return replica__master_refuse(row, 422, why.message);
    return r < 0 ? replica__enomem(err) : 1;
}

/* What a unique index says; whose values they are is not for everybody. */
static int refuse_taken(replica_db *db, struct replica__master_row *row,
                        const struct replica__pusher *by, int r, const replica_error *why,
                        replica_error *err)
{
    if (r == REPLICA_ECONFLICT && db->taken)
        return replica__master_refuse(row, 422, by->guard ? "a unique index is in the way"
                                                          : why->message);
    if (err)
        *err = *why;
    return r;
}

static int take(replica_db *db, struct replica__master_row *row, struct replica__write *w,
                const struct replica__row *old, const struct replica__pusher *by,
                replica_error *err)
{
    struct replica__written written;
    replica_error why = { .offset = -1 };
    int r = fits(row, w, err);

    if (r <= 0)
        return r;
    r = sign(db, row, w, err);
    if (r < 0)
        return r;
    r = replica__write(db, w, old, &written, &why);
    if (r < 0)
        return refuse_taken(db, row, by, r, &why, err);
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
        return replica__master_refuse(row, 409, judged.reason);
    row->verdict = judged.verdict;
    row->retry_ms = judged.left_ms < LOCKED_MS ? judged.left_ms : LOCKED_MS;
    sqlite3_snprintf(sizeof row->reason, row->reason, "%s", judged.name);
    return 0;
}

static int write_new(replica_db *db, const struct replica__master_row *row,
                     struct replica__write *w, struct replica__written *ret, replica_error *err)
{
    int r = sign(db, row, w, err);

    return r < 0 ? r : replica__write_new(db, w, ret, err);
}

/* One without an assumed state mostly is new, so try before looking: 1.  One that breaks the
 * schema, or is locked, may have been taken before that was so. */
static int take_new(replica_db *db, struct replica__master_row *row,
                    struct replica__write *w, const struct replica__pusher *by,
                    replica_error *err)
{
    struct replica__written written;
    int r = is_free(db, row, w, by, err);

    if (r > 0)
        r = fits(row, w, err);
    if (r > 0)
        r = write_new(db, row, w, &written, err);
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
                     struct replica__write *w, const struct replica__row *old,
                     const struct replica__pusher *by, replica_error *err)
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
    return r < 0 ? r : take(db, row, w, old, by, err);
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
    r = replica__guard_allow(row, w, old, by, &room, err);
    if (r <= 0)
        return r;
    return over ? take_over(db, row, w, old, by, err) : take(db, row, w, old, by, err);
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
    r = replica__guard_see(row, old, by, &seen, &room, err);
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
    if (!by->undated || row->assumed != REPLICA__ASSUMED_NONE || !op->token)
        return 0;
    return replica__sql_run(db, REPLICA__SQL_PURGED_OPERATION, err, op->token, op->number);
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
    r = replica__guard_allow(row, w, NULL, by, &room, err);
    if (r > 0)
        r = is_free(db, row, w, by, err);
    return r > 0 ? take(db, row, w, NULL, by, err) : r;
}

int replica__master_judge(replica_db *db, struct replica__master_row *row,
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
        return replica__master_refuse(row, r == REPLICA_ELIMIT ? 413 : 422, why.message);
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
