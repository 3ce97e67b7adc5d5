#include "libreplica/locks/hold.h"

#include "libreplica/txn.h"

#include <string.h>

/* How long dispatch waits for another writer before it looks again later. */
#define BUSY_MS 20

static int64_t monotonic(const replica_db *db)
{
    return db->world->monotonic_ms(db->world->ctx);
}

static int64_t wall_ms(const replica_db *db)
{
    return db->world->now_ms(db->world->ctx);
}

const replica_lock *replica__hold_find(const replica_db *db, int64_t coll, const char *key,
                                       size_t len)
{
    for (const replica_lock *l = db->locks ? db->locks->first : NULL; l; l = l->next) {
        if (!l->released && l->coll == coll && l->key_len == len && memcmp(l->key, key, len) == 0)
            return l;
    }
    return NULL;
}

bool replica__hold_is(const replica_lock *lock, const struct replica__lock_row *row)
{
    return row->fence == lock->fence && strcmp(row->holder, lock->db->token) == 0;
}

void replica__hold_free(replica_lock *lock)
{
    if (!lock)
        return;
    if (lock->destroy)
        lock->destroy(lock->ctx);
    replica__free(lock->key);
    replica__free(lock);
}

/* ---- keeping it ------------------------------------------------------------------ */

static int begin_soon(replica_db *db, replica_db **txn, replica_error *err)
{
    int busy_ms = db->busy_ms;
    int r;

    db->busy_ms = BUSY_MS < busy_ms ? BUSY_MS : busy_ms;
    r = replica__txn_begin(db, txn, err);
    db->busy_ms = busy_ms;
    return r;
}

static int read_row(const replica_lock *lock, struct replica__lock_row *row, replica_error *err)
{
    return replica__lock_get(lock->db, lock->coll, lock->key, lock->key_len, row, err);
}

static int state_of(const replica_lock *lock, int found, const struct replica__lock_row *row)
{
    if (!found || !replica__hold_is(lock, row) || !replica__lock_is_taken(row, wall_ms(lock->db)))
        return REPLICA_LOCK_LOST;
    return row->state == REPLICA__LOCK_PROVISIONAL ? REPLICA_LOCK_PROVISIONAL : REPLICA_LOCK_HELD;
}

static int renew(replica_lock *lock, bool now, replica_error *err)
{
    replica_db *db = lock->db;
    struct replica__lock_row row;
    REPLICA_TXN txn = NULL;
    int r = now ? replica__txn_begin(db, &txn, err) : begin_soon(db, &txn, err);

    if (r >= 0)
        r = read_row(lock, &row, err);
    if (r < 0)
        return r;
    lock->state = state_of(lock, r, &row);
    if (lock->state == REPLICA_LOCK_LOST)
        return 0;
    row.until = wall_ms(db) + row.ttl;
    r = replica__lock_put(db, &row, err);
    if (r >= 0)
        r = replica__txn_commit(&txn, err);
    if (r >= 0)
        lock->renew_at = monotonic(db) + lock->ttl / 3;
    return r;
}

int replica__hold_refresh(replica_lock *lock, bool now, replica_error *err)
{
    struct replica__lock_row row = { .name = "" };
    int r = 0;

    if (lock->state != REPLICA_LOCK_LOST) {
        r = read_row(lock, &row, err);
        if (r < 0)
            return r;
        lock->state = state_of(lock, r, &row);
        if (lock->state != REPLICA_LOCK_LOST)
            lock->server_fence = row.server_fence;
        r = 0;
    }
    if (lock->state != REPLICA_LOCK_LOST && (now || monotonic(lock->db) >= lock->renew_at))
        r = renew(lock, now, err);
    if (r < 0 || lock->state != REPLICA_LOCK_LOST)
        return r;
    r = replica__error_set(err, REPLICA_ELOCKED, 0, "the lock on '%.200s' was lost", lock->key);
    replica__error_where(err, "%s", row.name);
    return r;
}

int replica__hold_give_back(replica_db *db, const replica_lock *lock, replica_error *err)
{
    struct replica__lock_row row;
    int r = read_row(lock, &row, err);

    if (r <= 0 || !replica__hold_is(lock, &row))
        return r < 0 ? r : 0;
    if (!row.server_fence)
        return replica__lock_free(db, &row, wall_ms(db), err);
    if (row.state == REPLICA__LOCK_LOST) { /* the number stays with what was written under it */
        row.holder[0] = '\0';
    } else {
        row.state = REPLICA__LOCK_RELEASING;
        row.until = wall_ms(db) + row.ttl;
    }
    return replica__lock_put(db, &row, err);
}

/* ---- the guest -------------------------------------------------------------------- */

static void sweep(struct replica__locks *locks)
{
    replica_lock **at = &locks->first;

    locks->in_round++;
    while (*at) {
        replica_lock *lock = *at;

        if (!lock->released) {
            at = &lock->next;
            continue;
        }
        *at = lock->next;
        replica__hold_free(lock);
        at = &locks->first; /* a destroy may release others */
    }
    locks->in_round--;
}

static void look(replica_lock *lock)
{
    replica_error error = { .offset = -1 };
    int r = replica__hold_refresh(lock, false, &error);

    if (r < 0 && r != REPLICA_ELOCKED) { /* nothing was learned: again in a while */
        lock->renew_at = monotonic(lock->db) + 1 + lock->ttl / 30;
        replica__db_log(lock->db, REPLICA_LOG_WARNING, "lock", "%.200s: %s", lock->key,
                        error.message);
    }
    if (lock->state == lock->told)
        return;
    lock->told = lock->state;
    if (lock->on_state)
        lock->on_state(lock->ctx, lock, lock->state);
}

static void work(void *ctx)
{
    struct replica__locks *locks = ctx;

    locks->in_round++;
    for (replica_lock *l = locks->first; l && !locks->db->pump.close_wanted; l = l->next) {
        if (!l->released && l->told != REPLICA_LOCK_LOST)
            look(l);
    }
    locks->in_round--;
    if (!locks->in_round)
        sweep(locks);
}

static int64_t next_ms(void *ctx)
{
    const struct replica__locks *locks = ctx;
    int64_t next = -1;

    for (const replica_lock *l = locks->first; l; l = l->next) {
        if (!l->released && l->state != l->told)
            return 0; /* a call has found out what is to be told */
        if (!l->released && l->state != REPLICA_LOCK_LOST && (next < 0 || l->renew_at < next))
            next = l->renew_at;
    }
    return next;
}

static void committed(void *ctx)
{
    (void)ctx; /* what concerns us is seen in the next round */
}

/* What is held is given back; the handles live on, and answer that it is lost. */
static void closing(void *ctx)
{
    struct replica__locks *locks = ctx;
    replica_db *db = locks->db;
    REPLICA_TXN txn = NULL;
    replica_lock *next;
    int r = locks->first ? replica__txn_begin(db, &txn, NULL) : 0;

    for (replica_lock *l = locks->first; l && r >= 0; l = l->next)
        r = l->released ? 0 : replica__hold_give_back(db, l, NULL);
    if (txn && r >= 0)
        replica__txn_commit(&txn, NULL);
    replica__txn_rollback(&txn);
    for (struct replica__lock_waiter *w = locks->waiters; w; w = w->next)
        w->closed = true;
    db->locks = NULL;
    for (replica_lock *l = locks->first; l; l = next) {
        next = l->next;
        l->db = NULL;
        l->state = REPLICA_LOCK_LOST;
        if (l->released)
            replica__hold_free(l);
    }
    replica__free(locks);
}

int replica__hold_begin(replica_db *db, replica_error *err)
{
    struct replica__locks *locks;

    if (db->locks)
        return 0;
    locks = replica__alloc_zero(1, sizeof *locks);
    if (!locks)
        return replica__enomem(err);
    locks->db = db;
    locks->guest = (struct replica__guest){ .name = "\1lock",
                                            .committed = committed,
                                            .next_ms = next_ms,
                                            .work = work,
                                            .closing = closing,
                                            .ctx = locks };
    db->locks = locks;
    replica__db_add_guest(db, &locks->guest);
    replica__pump_watch(db);
    return 0;
}

void replica__hold_add(replica_db *db, replica_lock *lock)
{
    lock->told = lock->state;
    lock->renew_at = monotonic(db) + lock->ttl / 3;
    lock->next = db->locks->first;
    db->locks->first = lock;
}

/* ---- the end of one --------------------------------------------------------------- */

void replica_lock_release(replica_lock *lock)
{
    replica_db *db;
    REPLICA_TXN txn = NULL;

    if (!lock || lock->released)
        return;
    db = lock->db;
    if (!db) {
        replica__hold_free(lock);
        return;
    }
    lock->released = true;
    if (!db->in_txn && replica__txn_begin(db, &txn, NULL) >= 0 &&
        replica__hold_give_back(db, lock, NULL) >= 0)
        replica__txn_commit(&txn, NULL);
    replica__txn_rollback(&txn);
    if (!db->locks->in_round)
        sweep(db->locks);
}
