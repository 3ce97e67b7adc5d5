/* The filter on this side: what comes is looked at whatever the server knows of filters, and what
 * has come into step and does not match is taken away.
 *
 * A text of a lower version than the collection's is what the server takes it for: it rises here,
 * and may match then, or not any more. */
#include "libreplica/replication/outside.h"

#include "libreplica/feed.h"
#include "libreplica/replication/erase.h"
#include "libreplica/txn.h"

int replica__outside_came(const struct replica__pulling *p, const struct replica__pulled *doc,
                          const struct replica__accepted *a, replica_error *err)
{
    int r;

    if (!p->repl->wanted || doc->older)
        return 0;
    if (doc->deleted || a->deleted) /* of what is not here, nobody needs to know that */
        return 1;
    r = replica__replication_wants(p->repl, a->json, a->len);
    return r < 0 ? replica__enomem(err) : r == 0;
}

int replica__outside_leave(struct replica__pulling *p, replica_collection *coll, int64_t number,
                           replica_error *err)
{
    struct replica__pulled gone = { .coll = coll, .gone = REPLICA__GONE_FILTER };
    REPLICA_STMT stmt = NULL;
    struct replica__row row;
    struct replica__state s;
    int r;

    if (!p->repl->wanted)
        return 0;
    r = replica__row_by_number(p->repl->db, number, &stmt, &row, err);
    if (r <= 0 || row.flags & REPLICA__FLAG_DELETED || row.version < coll->version)
        return r < 0 ? r : 0;
    r = replica__state_get(p->repl->db, number, p->repl->number, &s, err);
    if (r < 0)
        return r;
    r = s.left_seq > s.server_seq ? 0 : replica__replication_wants(p->repl, row.body, row.len);
    if (r != 0)
        return r < 0 ? replica__enomem(err) : 0;
    return replica__erase(p, &gone, &row, err);
}

/* ---- another filter --------------------------------------------------------------- */

enum { LOOKS = 500, LEAVERS = 100 }; /* of a slice */

struct leaver {
    int64_t number, coll;
};

/* 1: there is more behind *after. */
static int find_leavers(struct replica__replication *repl, int64_t feed_coll, int64_t *after,
                        struct leaver *ret, size_t *ret_n, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    int rc = SQLITE_OK, looked = 0;
    int r = replica__sql_get(repl->db, REPLICA__SQL_REPL_IN_STEP, &stmt, err);

    *ret_n = 0;
    if (r < 0)
        return r;
    replica__bind_int(stmt, 1, repl->number, &rc);
    replica__bind_int(stmt, 2, *after, &rc);
    replica__bind_int(stmt, 3, LOOKS, &rc);
    replica__bind_int(stmt, 4, feed_coll, &rc);
    while (*ret_n < LEAVERS && (r = replica__sql_step(repl->db, stmt, rc, err)) > 0) {
        looked++;
        *after = sqlite3_column_int64(stmt, 0);
        if (!sqlite3_column_int(stmt, 2))
            ret[(*ret_n)++] = (struct leaver){ *after, sqlite3_column_int64(stmt, 1) };
    }
    return r < 0 ? r : *ret_n == LEAVERS || looked == LOOKS;
}

static int let_leave(struct replica__pulling *p, const struct leaver *l, replica_error *err)
{
    struct replica__pulled gone = {
        .coll = replica__replication_collection(p->repl, l->coll),
        .gone = REPLICA__GONE_FILTER,
    };
    REPLICA_STMT stmt = NULL;
    struct replica__row row;
    int r;

    if (!gone.coll)
        return 0;
    r = replica__row_by_number(p->repl->db, l->number, &stmt, &row, err);
    return r <= 0 ? r : replica__erase(p, &gone, &row, err);
}

int replica__outside_sweep(struct replica__replication *repl, size_t feed, int64_t *after,
                           replica_error *err)
{
    struct replica__feed moved = repl->feeds[feed];
    struct leaver leavers[LEAVERS];
    struct replica__pulling p;
    REPLICA_TXN txn = NULL;
    int64_t place = *after, before;
    size_t n = 0;
    int more, r = replica__lease_begin(repl, &txn, err);

    if (r >= 0)
        r = replica__pulling_begin(&p, repl, NULL, err);
    if (r < 0)
        return r;
    before = repl->db->head;
    more = find_leavers(repl, moved.coll, &place, leavers, &n, err);
    for (size_t i = 0; more >= 0 && r >= 0 && i < n; i++)
        r = let_leave(&p, &leavers[i], err);
    if (more < 0 || r < 0)
        return more < 0 ? more : r;
    if (moved.mark >= before) /* what was written here just now is clean */
        moved.mark = repl->db->head;
    if (moved.mark != repl->feeds[feed].mark)
        r = replica__feed_put(repl, &moved, err);
    if (r >= 0)
        r = replica__txn_commit(&txn, err);
    if (r < 0)
        return r;
    repl->feeds[feed].mark = moved.mark;
    *after = place;
    return more;
}
