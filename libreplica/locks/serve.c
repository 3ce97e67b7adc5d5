#include "libreplica/locker.h"

#include "libreplica/locks/row.h"
#include "libreplica/txn.h"

#include <stdio.h>
#include <string.h>

_Static_assert(REPLICA__CLIENT_MAX <= REPLICA__TOKEN_MAX, "a client is a row's holder");
_Static_assert(REPLICA__LOCK_NAME_MAX < sizeof ((struct replica__locking *)NULL)->holder,
               "a name fits");

#define NO_NAME "another client" /* who did not say one */

static int64_t wall_ms(const replica_db *db)
{
    return db->world->now_ms(db->world->ctx);
}

static bool is_plain(const char *text, size_t max)
{
    size_t len = strlen(text);

    for (size_t i = 0; i < len; i++) {
        if (text[i] <= ' ' || text[i] > '~')
            return false;
    }
    return len > 0 && len <= max;
}

static int check(const replica_db *db, const struct replica__locking *l, replica_error *err)
{
    if (!is_plain(l->client, REPLICA__CLIENT_MAX))
        return replica__error_set(err, REPLICA_EINVAL, 0, "'client' is no token");
    if (!l->key[0] || strlen(l->key) > db->max_key)
        return replica__error_set(err, REPLICA_EINVAL, 0, "'key' is empty, or longer than %zu",
                                  db->max_key);
    return 0;
}

static int check_taking(const struct replica__locking *l, replica_error *err)
{
    if (l->name && (!l->name[0] || strlen(l->name) > REPLICA__LOCK_NAME_MAX))
        return replica__error_set(err, REPLICA_EINVAL, 0, "'name' is empty, or longer than %d",
                                  REPLICA__LOCK_NAME_MAX);
    if (l->ttl_ms < REPLICA__LOCK_MIN_MS || l->ttl_ms > REPLICA__LOCK_MAX_MS)
        return replica__error_set(err, REPLICA_EINVAL, 0, "'ttl' is not between %d and %d",
                                  REPLICA__LOCK_MIN_MS, REPLICA__LOCK_MAX_MS);
    return 0;
}

/* 1, 0: nobody ever held it; row is set in any case. */
static int find(replica_db *db, const struct replica__locking *l, struct replica__lock_row *row,
                replica_error *err)
{
    size_t len = strlen(l->key);
    int64_t coll = l->coll ? l->coll->number : 0;
    int r = replica__lock_get(db, coll, l->key, len, row, err);

    if (r == 0)
        *row = (struct replica__lock_row){ .coll = coll, .key = l->key, .key_len = len };
    return r;
}

void replica__locker_act(replica_db *db, const char *client, int64_t fence)
{
    db->acting = client;
    db->acting_fence = client ? fence : 0;
}

/* The client has it: the same lock goes on, for an answer may have been lost. */
static int renew(replica_db *db, const struct replica__locking *l, struct replica__lock_row *row,
                 int64_t now, replica_error *err)
{
    if (l->name)
        snprintf(row->name, sizeof row->name, "%s", l->name);
    row->ttl = l->ttl_ms;
    row->until = now + l->ttl_ms;
    return replica__lock_put(db, row, err);
}

/* 1, 0; what is asked for the first time after its time was over is another lock, and has another
 * number. */
static int take(replica_db *db, struct replica__locking *l, struct replica__lock_row *row,
                bool known, replica_error *err)
{
    int64_t now = wall_ms(db);
    bool taken = known && replica__lock_is_taken(row, now);
    bool ours = taken && strcmp(row->holder, l->client) == 0;
    int r;

    l->lost = l->fence > 0 && !(ours && row->fence == l->fence);
    if (l->lost || (taken && !ours)) {
        l->left_ms = taken && !ours ? row->until - now : 0;
        snprintf(l->holder, sizeof l->holder, "%s", taken && !ours ? row->name : "");
        return 0;
    }
    r = ours ? renew(db, l, row, now, err)
             : replica__lock_take(db, row, known, l->client, l->name ? l->name : NO_NAME,
                                  l->ttl_ms, now, err);
    if (r < 0)
        return r;
    l->got = row->fence;
    l->left_ms = row->until - now;
    l->holder[0] = '\0';
    return 1;
}

int replica__locker_take(replica_db *db, struct replica__locking *l, replica_error *err)
{
    struct replica__lock_row row;
    REPLICA_TXN txn = NULL;
    int got;
    int r = check(db, l, err);

    if (r >= 0)
        r = check_taking(l, err);
    if (r >= 0)
        r = replica__txn_begin(db, &txn, err);
    if (r >= 0)
        r = find(db, l, &row, err);
    got = r < 0 ? r : take(db, l, &row, r > 0, err);
    if (got <= 0)
        return got;
    r = replica__txn_commit(&txn, err);
    return r < 0 ? r : 1;
}

int replica__locker_release(replica_db *db, const struct replica__locking *l, replica_error *err)
{
    struct replica__lock_row row;
    REPLICA_TXN txn = NULL;
    int64_t now = wall_ms(db);
    int r = check(db, l, err);

    if (r >= 0)
        r = replica__txn_begin(db, &txn, err);
    if (r >= 0)
        r = find(db, l, &row, err);
    if (r <= 0)
        return r;
    if (strcmp(row.holder, l->client) != 0 || !replica__lock_is_taken(&row, now) ||
        (l->fence > 0 && row.fence != l->fence))
        return 0;
    r = replica__lock_free(db, &row, now, err);
    if (r >= 0)
        r = replica__txn_commit(&txn, err);
    return r < 0 ? r : 1;
}

/* One statement on the client's locks: as of when, and how long it may be away. */
static int change_all(replica_db *db, enum replica__sql sql, const char *client, int64_t grace_ms,
                      replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    REPLICA_TXN txn = NULL;
    int rc = SQLITE_OK;
    int r = replica__txn_know(db, err);

    if (r < 0 || !db->locked)
        return r;
    r = replica__txn_begin(db, &txn, err);
    if (r >= 0)
        r = replica__sql_get(db, sql, &stmt, err);
    if (r < 0)
        return r;
    replica__bind_text(stmt, 1, client, REPLICA_NUL, &rc);
    replica__bind_int(stmt, 2, wall_ms(db), &rc);
    replica__bind_int(stmt, 3, grace_ms, &rc);
    r = replica__sql_step(db, stmt, rc, err);
    return r < 0 ? r : replica__txn_commit(&txn, err);
}

int replica__locker_leave(replica_db *db, const char *client, int64_t grace_ms, replica_error *err)
{
    return change_all(db, REPLICA__SQL_LOCK_LEAVE, client, grace_ms, err);
}

int replica__locker_back(replica_db *db, const char *client, int64_t grace_ms, replica_error *err)
{
    return change_all(db, REPLICA__SQL_LOCK_BACK, client, grace_ms, err);
}
