#include "libreplica/locks/row.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define KEPT_MS (INT64_C(30) * 24 * 3600 * 1000)
#define TRIM_MS (3600 * 1000)

static void copy_text(char *to, size_t room, sqlite3_stmt *stmt, int column)
{
    const char *text = (const char *)sqlite3_column_text(stmt, column);

    snprintf(to, room, "%s", text ? text : "");
}

void replica__lock_read(sqlite3_stmt *stmt, struct replica__lock_row *ret)
{
    *ret = (struct replica__lock_row){
        .coll = sqlite3_column_int64(stmt, 0),
        .key = (const char *)sqlite3_column_text(stmt, 1),
        .key_len = (size_t)sqlite3_column_bytes(stmt, 1),
        .fence = sqlite3_column_int64(stmt, 4),
        .ttl = sqlite3_column_int64(stmt, 5),
        .until = sqlite3_column_int64(stmt, 6),
        .replication = sqlite3_column_int64(stmt, 7),
        .server_fence = sqlite3_column_int64(stmt, 8),
        .server_until = sqlite3_column_int64(stmt, 9),
        .state = (enum replica__lock_state)sqlite3_column_int(stmt, 10),
    };
    copy_text(ret->holder, sizeof ret->holder, stmt, 2);
    copy_text(ret->name, sizeof ret->name, stmt, 3);
}

int replica__lock_get(replica_db *db, int64_t coll, const char *key, size_t len,
                      struct replica__lock_row *ret, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    int rc = SQLITE_OK;
    int r = replica__sql_get(db, REPLICA__SQL_LOCK_GET, &stmt, err);

    if (r < 0)
        return r;
    replica__bind_int(stmt, 1, coll, &rc);
    replica__bind_text(stmt, 2, key, len, &rc);
    r = replica__sql_step(db, stmt, rc, err);
    if (r <= 0)
        return r;
    replica__lock_read(stmt, ret);
    ret->key = key;
    ret->key_len = len;
    return 1;
}

int replica__lock_put(replica_db *db, const struct replica__lock_row *row, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    int rc = SQLITE_OK;
    int r = replica__sql_get(db, REPLICA__SQL_LOCK_PUT, &stmt, err);

    assert(db->in_txn);
    if (r < 0)
        return r;
    replica__bind_int(stmt, 1, row->coll, &rc);
    replica__bind_text(stmt, 2, row->key, row->key_len, &rc);
    replica__bind_text(stmt, 3, row->holder[0] ? row->holder : NULL, REPLICA_NUL, &rc);
    replica__bind_text(stmt, 4, row->name[0] ? row->name : NULL, REPLICA_NUL, &rc);
    replica__bind_int(stmt, 5, row->fence, &rc);
    replica__bind_int(stmt, 6, row->ttl, &rc);
    replica__bind_int(stmt, 7, row->until, &rc);
    replica__bind_int_or_null(stmt, 8, row->replication, &rc);
    replica__bind_int_or_null(stmt, 9, row->server_fence, &rc);
    replica__bind_int_or_null(stmt, 10, row->server_until, &rc);
    replica__bind_int(stmt, 11, (int64_t)row->state, &rc);
    r = replica__sql_step(db, stmt, rc, err);
    if (r >= 0 && row->holder[0])
        db->locked = true;
    return r;
}

/* A server's lock ends at the server, too.  A clock that was set back by more than the time to live
 * must not keep a lock for ever; fencing numbers keep who had it from harm. */
bool replica__lock_is_taken(const struct replica__lock_row *row, int64_t now)
{
    int64_t most = row->state == REPLICA__LOCK_WANTED ? REPLICA__LOCK_WANT_MS : row->ttl;

    if (row->state == REPLICA__LOCK_HELD && row->server_until && row->server_until <= now)
        return false;
    switch (row->state) {
    case REPLICA__LOCK_HELD:
    case REPLICA__LOCK_PROVISIONAL:
    case REPLICA__LOCK_WANTED:
    case REPLICA__LOCK_RELEASING:
        return row->holder[0] && row->until > now && row->until - now <= most;
    default:
        return false;
    }
}

int replica__lock_floor(replica_db *db, int64_t *ret_fence, replica_error *err)
{
    return replica__sql_int(db, REPLICA__SQL_LOCK_FLOOR, ret_fence, err);
}

int replica__lock_next_fence(replica_db *db, const struct replica__lock_row *row,
                             int64_t *ret_fence, replica_error *err)
{
    int64_t floor = 0;
    int r = replica__lock_floor(db, &floor, err);

    if (r < 0)
        return r;
    *ret_fence = (row && row->fence > floor ? row->fence : floor) + 1;
    return 0;
}

int replica__lock_take(replica_db *db, struct replica__lock_row *row, bool known,
                       const char *holder, const char *name, int64_t ttl, int64_t now,
                       replica_error *err)
{
    int64_t fence = 0;
    int r = replica__lock_trim(db, now, err);

    if (r >= 0)
        r = replica__lock_next_fence(db, known ? row : NULL, &fence, err);
    if (r < 0)
        return r;
    snprintf(row->holder, sizeof row->holder, "%s", holder);
    snprintf(row->name, sizeof row->name, "%s", name);
    row->fence = fence;
    row->ttl = ttl;
    row->until = now + ttl;
    row->replication = row->server_fence = row->server_until = 0;
    row->state = REPLICA__LOCK_HELD;
    return replica__lock_put(db, row, err);
}

int replica__lock_free(replica_db *db, struct replica__lock_row *row, int64_t now,
                       replica_error *err)
{
    row->holder[0] = row->name[0] = '\0';
    row->until = now;
    row->replication = row->server_fence = row->server_until = 0;
    row->state = REPLICA__LOCK_FREE;
    return replica__lock_put(db, row, err);
}

/* A row that goes leaves its number, below which nobody is let in again. */
int replica__lock_trim(replica_db *db, int64_t now, replica_error *err)
{
    int64_t at = db->world->monotonic_ms(db->world->ctx);
    int r;

    if (db->locks_trimmed && at - db->locks_trimmed < TRIM_MS)
        return 0;
    r = replica__sql_run(db, REPLICA__SQL_LOCK_RAISE, err, now - KEPT_MS);
    if (r >= 0)
        r = replica__sql_run(db, REPLICA__SQL_LOCK_TRIM, err, now - KEPT_MS);
    if (r >= 0)
        db->locks_trimmed = at ? at : 1;
    return r;
}

int replica__lock_refused(const struct replica__lock_row *row, const char *what,
                          replica_error *err)
{
    int r = replica__error_set(err, REPLICA_ELOCKED, 0, "'%.*s' is locked by %s%s%s",
                               (int)(row->key_len < 200 ? row->key_len : 200), row->key,
                               row->name, what ? ": " : "", what ? what : "");

    replica__error_where(err, "%s", row->name);
    return r;
}
