/* The public calls: taking a lock, and looking at those that are held.
 *
 * A lock of the file is taken in one transaction.  One of a server is wanted in one, and the
 * session that replicates writes into the row what became of it; meanwhile we dispatch.  Whoever
 * waits for another holder looks again when the file changes, and when that one's time is over. */
#include "libreplica/lock.h"

#include "base/options.h"
#include "libreplica/locks/hold.h"
#include "libreplica/txn.h"

#include <string.h>

#define TTL_MS 30000
/* A session that has not answered for so long does not run, or hangs. */
#define ANSWER_MS 5000
/* Another client's lock ends without a sign; so it is asked for again. */
#define ASK_AGAIN_MS 500
#define SLICE_MS 1000

struct attempt {
    replica_db *db;
    struct replica__lock_waiter waiter;
    int64_t coll;
    const char *key;
    size_t key_len;
    const char *name;
    int64_t ttl;
    unsigned flags;
    int64_t replication; /* 0: of the file only */
    int64_t fence;       /* of the row that is ours, wanted or more; 0: none */
    int64_t answer_by;   /* monotonic ms */
    bool again;          /* DENIED was told, and we wait */
    int64_t pause_ms;    /* what to wait for at most before looking again */
};

static int64_t wall_ms(const replica_db *db)
{
    return db->world->now_ms(db->world->ctx);
}

/* For waiting: a simulated clock does not move meanwhile. */
static int64_t real_ms(void)
{
    return replica__real_world.monotonic_ms(replica__real_world.ctx);
}

/* ---- one attempt ------------------------------------------------------------------ */

static int want(struct attempt *a, struct replica__lock_row *row, replica_error *err)
{
    row->state = REPLICA__LOCK_WANTED;
    row->replication = a->replication;
    row->until = wall_ms(a->db) + REPLICA__LOCK_WANT_MS;
    a->answer_by = real_ms() + ANSWER_MS;
    a->fence = row->fence;
    a->pause_ms = SLICE_MS;
    a->again = false;
    return replica__lock_put(a->db, row, err);
}

/* It is free here. */
static int take(struct attempt *a, struct replica__lock_row *row, bool known, replica_error *err)
{
    int r = replica__lock_take(a->db, row, known, a->db->token, a->name, a->ttl, wall_ms(a->db),
                               err);

    if (r < 0)
        return r;
    a->fence = row->fence;
    return a->replication ? want(a, row, err) : 1;
}

static int without_server(struct attempt *a, struct replica__lock_row *row, replica_error *err)
{
    int r;

    if (!(a->flags & REPLICA_LOCK_OFFLINE)) {
        r = replica__lock_free(a->db, row, wall_ms(a->db), err);

        a->fence = 0;
        return r < 0 ? r : replica__error_set(err, REPLICA_ENET, 0,
                                              "the server was not reached for the lock on '%.200s'",
                                              a->key);
    }
    row->state = REPLICA__LOCK_PROVISIONAL;
    row->until = wall_ms(a->db) + row->ttl;
    r = replica__lock_put(a->db, row, err);
    return r < 0 ? r : 1;
}

/* The row is ours: what has the session made of it? */
static int look_at_own(struct attempt *a, struct replica__lock_row *row, replica_error *err)
{
    int64_t now = wall_ms(a->db);
    int r;

    switch (row->state) {
    case REPLICA__LOCK_HELD:
    case REPLICA__LOCK_PROVISIONAL:
        return 1;
    case REPLICA__LOCK_DENIED:
        if (a->again)
            return want(a, row, err);
        a->pause_ms = row->until - now < ASK_AGAIN_MS ? row->until - now : ASK_AGAIN_MS;
        return replica__lock_refused(row, NULL, err);
    case REPLICA__LOCK_UNKNOWN:
        a->fence = 0;
        r = replica__lock_free(a->db, row, now, err);
        return r < 0 ? r
                     : replica__error_set(err, REPLICA_ENOTSUP, 0,
                                          "the server has no locks, or does not allow this one");
    case REPLICA__LOCK_WANTED:
        if (real_ms() < a->answer_by)
            return 0;
        return without_server(a, row, err);
    default:
        return without_server(a, row, err);
    }
}

static int judge(struct attempt *a, struct replica__lock_row *row, bool known, replica_error *err)
{
    int64_t now = wall_ms(a->db);
    bool ours = known && row->holder[0] && strcmp(row->holder, a->db->token) == 0;

    if (ours && a->fence == row->fence)
        return look_at_own(a, row, err);
    if (!known || !replica__lock_is_taken(row, now))
        return take(a, row, known, err);
    if (ours && row->state != REPLICA__LOCK_RELEASING)
        return replica__error_set(err, REPLICA_EINVAL, 0, "this handle holds the lock on '%.200s'",
                                  a->key);
    a->pause_ms = row->until - now;
    return replica__lock_refused(row, NULL, err);
}

static bool is_an_answer(int r)
{
    return r == REPLICA_ELOCKED || r == REPLICA_ENET || r == REPLICA_ENOTSUP;
}

/* 1: it is ours; 0: wait for the session; REPLICA_ELOCKED: another one has it.  What was found out
 * is stored, whichever it is. */
static int attempt(struct attempt *a, struct replica__lock_row *row, replica_error *err)
{
    REPLICA_TXN txn = NULL;
    int known, committed;
    int r = replica__txn_begin(a->db, &txn, err);

    if (r < 0)
        return r;
    known = replica__lock_get(a->db, a->coll, a->key, a->key_len, row, err);
    if (known < 0)
        return known;
    if (!known)
        *row = (struct replica__lock_row){ .coll = a->coll, .key = a->key, .key_len = a->key_len };
    r = judge(a, row, known > 0, err);
    if (r < 0 && !is_an_answer(r))
        return r;
    committed = replica__txn_commit(&txn, r < 0 ? NULL : err);
    return r >= 0 && committed < 0 ? committed : r;
}

/* We go without it: what we wanted is not wanted any more. */
static void give_up(struct attempt *a)
{
    struct replica__lock_row row;
    REPLICA_TXN txn = NULL;

    if (!a->fence || a->waiter.closed || replica__txn_begin(a->db, &txn, NULL) < 0)
        return;
    if (replica__lock_get(a->db, a->coll, a->key, a->key_len, &row, NULL) > 0 &&
        row.fence == a->fence && strcmp(row.holder, a->db->token) == 0) {
        if (row.server_fence)
            row.state = REPLICA__LOCK_RELEASING;
        if (row.server_fence ? replica__lock_put(a->db, &row, NULL) >= 0
                             : replica__lock_free(a->db, &row, wall_ms(a->db), NULL) >= 0)
            replica__txn_commit(&txn, NULL);
    }
}

/* ---- waiting --------------------------------------------------------------------- */

static void begin_waiting(struct attempt *a)
{
    a->waiter.next = a->db->locks->waiters;
    a->db->locks->waiters = &a->waiter;
}

static void end_waiting(struct attempt *a)
{
    struct replica__lock_waiter **at;

    if (a->waiter.closed)
        return;
    for (at = &a->db->locks->waiters; *at != &a->waiter; at = &(*at)->next)
        ;
    *at = a->waiter.next;
}

/* Dispatch, for as long as nothing can have changed.  1: look again; 0: the time is over. */
static int wait_some(struct attempt *a, int64_t until, replica_error *err)
{
    int64_t left = until < 0 ? SLICE_MS : until - real_ms();
    int r;

    if (left <= 0)
        return 0;
    left = left < a->pause_ms ? left : a->pause_ms;
    left = left < 1 ? 1 : left < SLICE_MS ? left : SLICE_MS;
    r = replica_db_wait(a->db, (int)left, err);
    if (a->waiter.closed || a->db->pump.close_wanted) /* that, if we are in a callback */
        return replica__error_set(err, REPLICA_ECLOSED, 0, "the database has closed");
    return r < 0 ? r : 1;
}

/* wait_ms is for other holders; an answer of the session has its own time. */
static int acquire(struct attempt *a, int wait_ms, struct replica__lock_row *row,
                   replica_error *err)
{
    int64_t until = wait_ms < 0 ? -1 : real_ms() + wait_ms;
    int r;

    for (;;) {
        int waited;

        r = attempt(a, row, err);
        if (r > 0 || (r < 0 && r != REPLICA_ELOCKED))
            break;
        a->again = r < 0;
        waited = wait_some(a, r == 0 ? -1 : until, err);
        if (waited < 0)
            r = waited;
        if (waited <= 0)
            break;
    }
    if (r <= 0)
        give_up(a);
    return r;
}

/* ---- the call -------------------------------------------------------------------- */

/* It is shown to others in JSON. */
static int check_text(const char *text, size_t max, const char *what, replica_error *err)
{
    REPLICA_BUF string = REPLICA_BUF_INIT;
    int r = *text && strlen(text) <= max ? 0 : REPLICA_EINVAL;

    if (r >= 0) {
        replica__buf_json_string(&string, text, strlen(text));
        r = string.r < 0 ? string.r : replica__json_check(string.data, string.len, NULL, err);
    }
    if (r == REPLICA_ENOMEM)
        return replica__enomem(err);
    if (r < 0)
        return replica__error_set(err, REPLICA_EINVAL, 0, "a %s that is empty, longer than %zu"
                                  " bytes or no UTF-8", what, max);
    return 0;
}

static int check(replica_db *db, const replica_collection *coll, const char *key,
                 const replica_lock_options *o, replica_error *err)
{
    int r;

    if (!db || !key || (coll && coll->db != db))
        return replica__error_set(err, REPLICA_EINVAL, 0,
                                  "no database, no key, or a collection of another database");
    r = check_text(key, db->max_key, "key", err);
    if (r >= 0 && o->name)
        r = check_text(o->name, REPLICA__LOCK_NAME_MAX, "name", err);
    if (r < 0)
        return r;
    if (o->flags & ~(REPLICA_LOCK_SERVER | REPLICA_LOCK_OFFLINE) || o->wait_ms < -1 ||
        (o->ttl_ms != 0 && (o->ttl_ms < REPLICA__LOCK_MIN_MS || o->ttl_ms > REPLICA__LOCK_MAX_MS)))
        return replica__error_set(err, REPLICA_EINVAL, 0,
                                  "unknown flags, or times out of their bounds");
    return 0;
}

/* The replication that is asked: one that runs in this handle, if there are several. */
static int find_replication(struct attempt *a, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    bool ours = false;
    int r = replica__sql_with(a->db, REPLICA__SQL_LOCK_REPLS, &stmt, err, a->coll);

    if (r < 0)
        return r;
    while (!ours && (r = replica__sql_step(a->db, stmt, SQLITE_OK, err)) > 0) {
        const char *name = (const char *)sqlite3_column_text(stmt, 1);

        ours = name && replica__db_has_guest(a->db, name);
        if (ours || !a->replication)
            a->replication = sqlite3_column_int64(stmt, 0);
    }
    if (r < 0)
        return r;
    if (!a->replication)
        return replica__error_set(err, REPLICA_ENOTSUP, 0, "no replication has '%.200s'", a->key);
    return 0;
}

static replica_lock *new_lock(const struct attempt *a)
{
    replica_lock *lock = replica__alloc_zero(1, sizeof *lock);

    if (!lock)
        return NULL;
    lock->key = replica__strdup(a->key);
    if (!lock->key) {
        replica__free(lock);
        return NULL;
    }
    lock->key_len = a->key_len;
    lock->db = a->db;
    lock->coll = a->coll;
    lock->ttl = a->ttl;
    return lock;
}

static int try_all(struct attempt *a, const replica_lock_options *o, replica_lock **ret_lock,
                   replica_error *err)
{
    struct replica__lock_row row;
    replica_lock *lock;
    int r = replica__hold_begin(a->db, err);

    if (r >= 0 && o->flags & REPLICA_LOCK_SERVER)
        r = find_replication(a, err);
    if (r < 0)
        return r;
    lock = new_lock(a);
    if (!lock)
        return replica__enomem(err);
    begin_waiting(a);
    r = acquire(a, o->wait_ms, &row, err);
    end_waiting(a);
    if (r <= 0) {
        replica__hold_free(lock);
        return r;
    }
    lock->fence = row.fence;
    lock->server_fence = row.server_fence;
    lock->state = row.state == REPLICA__LOCK_PROVISIONAL ? REPLICA_LOCK_PROVISIONAL
                                                         : REPLICA_LOCK_HELD;
    lock->on_state = o->on_state;
    lock->ctx = o->ctx;
    lock->destroy = o->destroy;
    replica__hold_add(a->db, lock);
    *ret_lock = lock;
    return 1;
}

int replica_lock_acquire(replica_db *db, replica_collection *coll, const char *key,
                         const replica_lock_options *opts, replica_lock **ret_lock,
                         replica_error *err)
{
    replica_lock_options o;
    int r = replica__options(opts, opts ? opts->size : 0, &o, sizeof o, err);

    if (r >= 0)
        r = check(db, coll, key, &o, err);
    if (r >= 0 && !ret_lock)
        r = replica__error_set(err, REPLICA_EINVAL, 0, "no place for the lock");
    if (r >= 0) {
        struct attempt a = { .db = db,
                             .coll = coll ? coll->number : 0,
                             .key = key,
                             .key_len = strlen(key),
                             .name = o.name ? o.name : db->token,
                             .ttl = o.ttl_ms ? o.ttl_ms : TTL_MS,
                             .flags = o.flags };

        r = try_all(&a, &o, ret_lock, err);
    }
    if (r < 0 && o.destroy)
        o.destroy(o.ctx);
    return r;
}

int replica_lock_renew(replica_lock *lock, replica_error *err)
{
    if (!lock)
        return replica__error_set(err, REPLICA_EINVAL, 0, "no lock");
    if (!lock->db)
        return replica__error_set(err, REPLICA_ECLOSED, 0, "the database has closed");
    return replica__hold_refresh(lock, true, err);
}

int replica_lock_state(const replica_lock *lock)
{
    return lock ? lock->state : REPLICA_LOCK_LOST;
}

int64_t replica_lock_fence(const replica_lock *lock)
{
    return !lock ? 0 : lock->server_fence ? lock->server_fence : lock->fence;
}

/* ---- those that are held ---------------------------------------------------------- */

/* Read in groups, with no statement open while fn runs. */
#define GROUP 32
struct listed {
    char *collection, *key;
    struct replica__lock_row row;
};

static void free_group(struct listed *group, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        replica__free(group[i].collection);
        replica__free(group[i].key);
    }
}

/* Those behind the place; how many. */
static int read_group(replica_db *db, const char *collection, const char *key,
                      struct listed *group, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    int rc = SQLITE_OK;
    int n = 0;
    int r = replica__sql_get(db, REPLICA__SQL_LOCK_LIST, &stmt, err);

    if (r < 0)
        return r;
    replica__bind_text(stmt, 1, collection, REPLICA_NUL, &rc);
    replica__bind_text(stmt, 2, key, REPLICA_NUL, &rc);
    replica__bind_int(stmt, 3, GROUP, &rc);
    while (n < GROUP && (r = replica__sql_step(db, stmt, rc, err)) > 0) {
        struct listed *l = &group[n++];

        replica__lock_read(stmt, &l->row);
        l->key = replica__strdup(l->row.key ? l->row.key : "");
        l->collection = replica__strdup((const char *)sqlite3_column_text(stmt, 11));
        if (!l->key || !l->collection)
            r = replica__enomem(err);
        if (r < 0)
            break;
    }
    if (r < 0)
        free_group(group, (size_t)n);
    return r < 0 ? r : n;
}

static int tell(replica_db *db, const struct listed *l,
                int (*fn)(void *ctx, const replica_lock_entry *entry), void *ctx)
{
    int64_t now = wall_ms(db);
    const replica_lock_entry entry = {
        .collection = l->collection,
        .key = l->key,
        .name = l->row.name,
        .holder = l->row.holder,
        .fence = l->row.server_fence ? l->row.server_fence : l->row.fence,
        .left_ms = l->row.until - now,
        .ours = strcmp(l->row.holder, db->token) == 0,
    };

    if (!replica__lock_is_taken(&l->row, now) || l->row.state == REPLICA__LOCK_WANTED)
        return 0;
    return fn(ctx, &entry);
}

int replica_locks(replica_db *db, int (*fn)(void *ctx, const replica_lock_entry *entry), void *ctx,
                  replica_error *err)
{
    struct listed last = { .collection = NULL };
    int n, r = 0;

    if (!db || !fn)
        return replica__error_set(err, REPLICA_EINVAL, 0, "no database, or no function");
    do {
        struct listed group[GROUP];

        memset(group, 0, sizeof group);
        n = read_group(db, last.collection ? last.collection : "", last.key ? last.key : "", group,
                       err);
        for (int i = 0; i < n && r == 0; i++)
            r = tell(db, &group[i], fn, ctx);
        free_group(&last, 1);
        last = (struct listed){ .collection = NULL };
        if (n > 0) {
            last = group[n - 1];
            free_group(group, (size_t)n - 1);
        }
    } while (n == GROUP && r == 0);
    free_group(&last, 1);
    return n < 0 ? n : r;
}
