/* Locks of a server, as the session that replicates sees them: what to ask next, and what becomes
 * of the answers.
 *
 * The row is where all that takes part meet, and whoever comes later goes on from it.  Its `until`
 * is the holder's here: a handle that shows no life for so long has gone, and its lock is given
 * back.  `server_until` is the server's, as of when it was asked, so that we stop before it does.
 * The row of a lock that was given back, or lost, stays until all that was written under it has
 * arrived: its number goes with those rows. */
#include "libreplica/locks/row.h"
#include "libreplica/replication/replication.h"
#include "libreplica/txn.h"

#include <stdio.h>
#include <string.h>

/* What nobody came back for. */
#define STALE_MS 60000

static int64_t wall_ms(const struct replica__replication *repl)
{
    return repl->db->world->now_ms(repl->db->world->ctx);
}

void replica__lock_job_free(struct replica__lock_job *job)
{
    replica__free(job->key);
    *job = (struct replica__lock_job){ .key = NULL };
}

/* ---- what a row asks for ---------------------------------------------------------- */

enum deed { NOTHING, ASK, RENEW, UNLOCK, FREE, LOSE, GIVE_BACK, CANNOT };

struct view {
    struct replica__lock_row row;
    char *key;
    replica_collection *coll; /* NULL: a key of the program's own */
};

/* Has what was written under it arrived, or been set aside?  1, 0. */
static int has_arrived(struct replica__replication *repl, const struct view *v, replica_error *err)
{
    int state = REPLICA_DOC_ABSENT;
    int r;

    if (!v->coll) {
        r = replica__replication_pending(repl, err);
        return r < 0 ? r : r == 0;
    }
    r = replica__doc_state(v->coll, v->key, repl->name, &state, err);
    return r < 0 ? r
                 : state == REPLICA_DOC_IN_SYNC || state == REPLICA_DOC_REJECTED ||
                       state == REPLICA_DOC_ABSENT;
}

static void sooner(int64_t *at, int64_t candidate)
{
    if (*at < 0 || candidate < *at)
        *at = candidate;
}

/* The server's part of a lock that is held: renewed when a third of its time is over. */
static enum deed keep(const struct replica__lock_row *row, int64_t now, int64_t *at)
{
    int64_t due = row->server_until - row->ttl + row->ttl / 3;

    if (row->server_until <= now || row->server_until - now > row->ttl)
        return LOSE;
    if (due <= now)
        return RENEW;
    sooner(at, due);
    return NOTHING;
}

/* *at: when to look again. */
static int judge(struct replica__replication *repl, const struct view *v, bool online, int64_t now,
                 enum deed *ret, int64_t *at, replica_error *err)
{
    const struct replica__lock_row *row = &v->row;
    int r = 0;

    *ret = NOTHING;
    switch (row->state) {
    case REPLICA__LOCK_WANTED:
    case REPLICA__LOCK_PROVISIONAL:
        if (!replica__lock_is_taken(row, now))
            *ret = FREE;
        else if (online)
            *ret = ASK;
        else if (row->state == REPLICA__LOCK_WANTED)
            *ret = CANNOT;
        if (*ret == NOTHING)
            sooner(at, row->until);
        return 0;
    case REPLICA__LOCK_HELD:
        *ret = keep(row, now, at);
        if (*ret != LOSE && !replica__lock_is_taken(row, now))
            *ret = GIVE_BACK;
        sooner(at, row->until);
        return 0;
    case REPLICA__LOCK_RELEASING:
        r = has_arrived(repl, v, err);
        *ret = r > 0 ? UNLOCK : row->until <= now ? LOSE : keep(row, now, at);
        sooner(at, row->until);
        return r < 0 ? r : 0;
    case REPLICA__LOCK_LOST:
        r = row->holder[0] && row->until > now ? 0 : has_arrived(repl, v, err);
        *ret = r > 0 ? FREE : NOTHING;
        if (row->holder[0] && row->until > now)
            sooner(at, row->until);
        return r < 0 ? r : 0;
    default: /* an answer that the holder has not read yet */
        *ret = row->until + STALE_MS <= now ? FREE : NOTHING;
        return 0;
    }
}

/* ---- changing a row --------------------------------------------------------------- */

static bool is_same(const struct replica__lock_row *a, const struct replica__lock_row *b)
{
    return a->fence == b->fence && a->state == b->state && strcmp(a->holder, b->holder) == 0;
}

static int change(struct replica__replication *repl, const struct replica__lock_row *was,
                  enum deed deed, replica_error *err)
{
    struct replica__lock_row row;
    int64_t now = wall_ms(repl);
    REPLICA_TXN txn = NULL;
    int r = replica__lease_begin(repl, &txn, err);

    if (r >= 0)
        r = replica__lock_get(repl->db, was->coll, was->key, was->key_len, &row, err);
    if (r <= 0 || !is_same(&row, was))
        return r < 0 ? r : 0;
    switch (deed) {
    case LOSE:
        if (row.state == REPLICA__LOCK_RELEASING)
            row.holder[0] = '\0';
        row.state = REPLICA__LOCK_LOST;
        break;
    case GIVE_BACK:
        row.state = REPLICA__LOCK_RELEASING;
        row.until = now + row.ttl;
        break;
    case CANNOT:
        row.state = REPLICA__LOCK_UNREACHED;
        break;
    default:
        break;
    }
    r = deed == FREE ? replica__lock_free(repl->db, &row, now, err)
                     : replica__lock_put(repl->db, &row, err);
    return r < 0 ? r : replica__txn_commit(&txn, err);
}

/* ---- the next question ------------------------------------------------------------ */

static void view_free(struct view *v)
{
    replica__free(v->key);
    v->key = NULL;
}

/* The row behind that one: 1, 0. */
static int read_next(struct replica__replication *repl, struct view *v, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    int rc = SQLITE_OK;
    int r = replica__sql_get(repl->db, REPLICA__SQL_LOCK_OF_REPL, &stmt, err);

    if (r < 0)
        return r;
    replica__bind_int(stmt, 1, repl->number, &rc);
    replica__bind_int(stmt, 2, v->key ? v->row.coll : -1, &rc);
    replica__bind_text(stmt, 3, v->key ? v->key : "", REPLICA_NUL, &rc);
    r = replica__sql_step(repl->db, stmt, rc, err);
    if (r <= 0)
        return r;
    replica__lock_read(stmt, &v->row);
    view_free(v);
    v->key = replica__strndup(v->row.key ? v->row.key : "", v->row.key_len);
    if (!v->key)
        return replica__enomem(err);
    v->row.key = v->key;
    v->coll = v->row.coll ? replica__replication_collection(repl, v->row.coll) : NULL;
    return 1;
}

static void make_job(struct view *v, enum deed deed, struct replica__lock_job *ret)
{
    *ret = (struct replica__lock_job){
        .deed = deed == ASK     ? REPLICA__LOCK_DO_ASK
                : deed == RENEW ? REPLICA__LOCK_DO_RENEW
                                : REPLICA__LOCK_DO_UNLOCK,
        .provisional = v->row.state == REPLICA__LOCK_PROVISIONAL,
        .coll = v->coll,
        .key = v->key,
        .ttl = v->row.ttl,
        .fence = v->row.fence,
        .server_fence = v->row.server_fence,
    };
    snprintf(ret->name, sizeof ret->name, "%s", v->row.name);
    v->key = NULL;
}

int replica__lock_next(struct replica__replication *repl, bool online,
                       struct replica__lock_job *ret_job, int64_t *ret_wait, replica_error *err)
{
    __attribute__((cleanup(view_free))) struct view v = { .key = NULL };
    int64_t now = wall_ms(repl);
    int64_t at = -1;
    int r;

    while ((r = read_next(repl, &v, err)) > 0) {
        enum deed deed = NOTHING;

        if (v.row.coll && !v.coll) /* it has left this replication */
            deed = FREE;
        else
            r = judge(repl, &v, online, now, &deed, &at, err);
        if (r < 0)
            return r;
        if (deed == ASK || ((deed == RENEW || deed == UNLOCK) && online)) {
            make_job(&v, deed, ret_job);
            return 1;
        }
        if (deed != NOTHING && deed != RENEW && deed != UNLOCK) {
            r = change(repl, &v.row, deed, err);
            if (r < 0)
                return r;
            sooner(&at, now); /* for what it has become */
        }
    }
    *ret_wait = at < 0 ? -1 : at > now ? at - now : 0;
    return r;
}

/* ---- answers --------------------------------------------------------------------- */

/* It was given back here while we asked: the server's is to go, too. */
static int orphan(struct replica__replication *repl, const struct replica__lock_job *job,
                  const struct replica__lock_told *told, struct replica__lock_row *row,
                  replica_error *err)
{
    if (told->what != REPLICA__LOCK_GOT || replica__lock_is_taken(row, wall_ms(repl)))
        return 0;
    row->holder[0] = '\0';
    row->state = REPLICA__LOCK_RELEASING;
    row->replication = repl->number;
    row->server_fence = told->fence;
    row->server_until = told->until;
    row->ttl = job->ttl;
    return replica__lock_put(repl->db, row, err);
}

static void take_answer(struct replica__lock_row *row, const struct replica__lock_told *told,
                        int64_t now)
{
    bool wanted = row->state == REPLICA__LOCK_WANTED;

    switch (told->what) {
    case REPLICA__LOCK_GOT:
        row->server_fence = told->fence;
        row->server_until = told->until;
        if (wanted)
            row->until = now + row->ttl;
        if (wanted || row->state == REPLICA__LOCK_PROVISIONAL)
            row->state = REPLICA__LOCK_HELD;
        break;
    case REPLICA__LOCK_REFUSED:
        if (wanted) {
            snprintf(row->name, sizeof row->name, "%.*s", REPLICA__LOCK_NAME_MAX, told->name);
            row->until = told->until;
        } else if (row->state == REPLICA__LOCK_RELEASING) {
            row->holder[0] = '\0';
        }
        row->state = wanted ? REPLICA__LOCK_DENIED : REPLICA__LOCK_LOST;
        break;
    case REPLICA__LOCK_HAS_NONE:
        row->state = wanted ? REPLICA__LOCK_UNKNOWN : REPLICA__LOCK_LOST;
        break;
    case REPLICA__LOCK_NO_ANSWER:
        row->state = wanted ? REPLICA__LOCK_UNREACHED : row->state;
        break;
    }
}

int replica__lock_answered(struct replica__replication *repl, const struct replica__lock_job *job,
                           const struct replica__lock_told *told, replica_error *err)
{
    int64_t coll = job->coll ? job->coll->number : 0;
    struct replica__lock_row row;
    REPLICA_TXN txn = NULL;
    int r = replica__lease_begin(repl, &txn, err);

    if (r >= 0)
        r = replica__lock_get(repl->db, coll, job->key, strlen(job->key), &row, err);
    if (r <= 0)
        return r;
    if (row.fence != job->fence || row.replication != repl->number) {
        r = orphan(repl, job, told, &row, err);
    } else if (job->deed == REPLICA__LOCK_DO_UNLOCK) {
        if (told->what == REPLICA__LOCK_NO_ANSWER || row.state != REPLICA__LOCK_RELEASING)
            return 0;
        r = replica__lock_free(repl->db, &row, wall_ms(repl), err);
    } else {
        take_answer(&row, told, wall_ms(repl));
        r = replica__lock_put(repl->db, &row, err);
    }
    return r < 0 ? r : replica__txn_commit(&txn, err);
}

/* ---- the numbers of what is pushed ------------------------------------------------- */

int replica__lock_fences(struct replica__replication *repl, struct replica__push_page *page,
                         replica_error *err)
{
    int64_t any = 0;
    REPLICA_STMT stmt = NULL;
    int r = replica__sql_row(repl->db, REPLICA__SQL_LOCK_ANY_FENCE, &stmt, err, repl->number);

    if (r > 0)
        any = sqlite3_column_int64(stmt, 0);
    for (size_t i = 0; r >= 0 && any && i < page->n; i++) {
        struct replica__push_row *p = &page->rows[i];
        struct replica__lock_row row;

        r = replica__lock_get(repl->db, p->coll->number, p->id, strlen(p->id), &row, err);
        p->fence = r > 0 && row.replication == repl->number ? row.server_fence : 0;
    }
    return r < 0 ? r : 0;
}
