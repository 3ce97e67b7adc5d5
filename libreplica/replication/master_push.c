/* A push at the master: each row is judged by itself, those of a bundle together; all are written
 * in one transaction. */
#include "libreplica/db.h"
#include "libreplica/replication/master_guard.h"
#include "libreplica/replication/master_judge.h"
#include "libreplica/savepoint.h"
#include "libreplica/txn.h"

#include <string.h>

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
            replica__master_refuse(row, 409, "the document has changed");
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
            replica__master_refuse(row, why->code, "with its bundle: ");
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
            replica__master_refuse(&g->rows[i], 422, "twice in one bundle");
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
        r = replica__master_judge(db, &g->rows[i], by, err);
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
    r = replica__master_judge(db, g->rows, by, err);
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
