#include "libreplica/locks/check.h"

#include "libreplica/locks/hold.h"

#include <stdio.h>
#include <string.h>

static int64_t wall_ms(replica_db *db)
{
    return db->world->now_ms(db->world->ctx);
}

/* Not at each write: the time it has left may shrink by an eighth first. */
static int renew(replica_db *db, struct replica__lock_row *row, int64_t now, replica_error *err)
{
    if (row->until >= now + row->ttl - row->ttl / 8)
        return 0;
    row->until = now + row->ttl;
    return replica__lock_put(db, row, err);
}

/* What the replicator brings, and what is no edit, asks no lock. */
static bool is_the_programs(const struct replica__write *w)
{
    return !w->pulled && !w->replication && !w->writer && w->kind == REPLICA__WRITE_EDIT;
}

static int lost(const struct replica__write *w, const char *name, replica_error *err)
{
    int r = replica__error_set(err, REPLICA_ELOCKED, 0, "the lock on '%.*s' was lost",
                               (int)(w->id_len < 200 ? w->id_len : 200), w->id);

    replica__error_where(err, "%s", name);
    return r;
}

/* Does who writes say that it holds the lock (it once did), and does it no longer? */
static bool is_lost(replica_db *db, const struct replica__write *w,
                    const struct replica__lock_row *row, bool held)
{
    const struct replica_lock *mine;

    if (db->acting)
        return db->acting_fence > 0 && !(held && strcmp(row->holder, db->acting) == 0 &&
                                         row->fence == db->acting_fence);
    mine = replica__hold_find(db, w->coll->number, w->id, w->id_len);
    return mine && !(held && replica__hold_is(mine, row));
}

int replica__lock_check(replica_db *db, const struct replica__write *w, replica_error *err)
{
    struct replica__lock_row row = { .name = "" };
    int64_t now;
    bool held;
    int r;

    if ((!db->locked && !db->locks && !db->acting_fence) || !is_the_programs(w))
        return 0;
    r = replica__lock_get(db, w->coll->number, w->id, w->id_len, &row, err);
    if (r < 0)
        return r;
    now = wall_ms(db);
    held = r > 0 && replica__lock_is_taken(&row, now);
    if (is_lost(db, w, &row, held))
        return lost(w, held ? row.name : "", err);
    if (!held || row.state == REPLICA__LOCK_RELEASING)
        return 0;
    if (strcmp(row.holder, db->acting ? db->acting : db->token) != 0)
        return replica__lock_refused(&row, NULL, err);
    return row.state == REPLICA__LOCK_WANTED ? 0 : renew(db, &row, now, err);
}

/* ---- for a server ---------------------------------------------------------------- */

/* Who wrote under a number that has been given out again since is too late. */
static int judge_fence(replica_db *db, const struct replica__lock_row *row, int64_t fence,
                       replica_error *err)
{
    int64_t floor = 0;
    int r;

    if (row)
        return fence < row->fence;
    r = replica__lock_floor(db, &floor, err);
    return r < 0 ? r : fence <= floor;
}

int replica__lock_judge(replica_db *db, int64_t coll, const char *key, size_t len,
                        const char *client, int64_t fence, struct replica__lock_judged *ret,
                        replica_error *err)
{
    struct replica__lock_row row;
    int64_t now;
    int found, r = 0;

    if (!db->locked && fence == 0)
        return 0;
    found = replica__lock_get(db, coll, key, len, &row, err);
    if (found >= 0 && fence > 0)
        r = judge_fence(db, found ? &row : NULL, fence, err);
    if (found < 0 || r < 0)
        return found < 0 ? found : r;
    if (r > 0) {
        ret->verdict = REPLICA_VERDICT_REFUSED;
        ret->reason = "the lock it was written under was lost";
        return 1;
    }
    now = wall_ms(db);
    if (!found || !replica__lock_is_taken(&row, now))
        return 0;
    if (client && strcmp(row.holder, client) == 0)
        return renew(db, &row, now, err);
    ret->verdict = REPLICA_VERDICT_LOCKED;
    snprintf(ret->name, sizeof ret->name, "%s", row.name);
    ret->left_ms = row.until - now;
    return 1;
}
