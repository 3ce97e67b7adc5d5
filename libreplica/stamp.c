#include "libreplica/stamp.h"

#include "libreplica/db.h"

/* What is stored may be so far behind. */
#define GRAIN (INT64_C(1000) << 16)
#define MS_END (INT64_C(1) << 46) /* no time behind it is believed */

static int64_t own_now(const replica_db *db)
{
    return db->world->now_ms(db->world->ctx) << 16;
}

/* The server's clock, as it has gone on since it was told; 0: it never was. */
static int64_t server_now(const replica_db *db)
{
    int64_t since = db->world->monotonic_ms(db->world->ctx) - db->server_at;

    return db->server_ms ? (db->server_ms + since) << 16 : 0;
}

int64_t replica__stamp_bound(const replica_db *db, int64_t stamp)
{
    int64_t now = db->server_ms ? server_now(db) : own_now(db);

    if (stamp < 0)
        return 0;
    return stamp - now > REPLICA__STAMP_DRIFT ? now + REPLICA__STAMP_DRIFT : stamp;
}

void replica__stamp_follow(replica_db *db, int64_t stamp)
{
    int64_t own = own_now(db), server = server_now(db);
    int64_t now = own > server ? own : server;

    if (stamp > db->last_stamp && stamp - now <= REPLICA__STAMP_DRIFT)
        db->last_stamp = stamp;
}

int64_t replica__stamp_next(replica_db *db, int64_t after)
{
    int64_t now = own_now(db);
    int64_t stamp = now > db->last_stamp ? now : db->last_stamp + 1;

    if (stamp > after)
        return db->last_stamp = stamp;
    /* A clock that is far ahead of ours has its way with this document, but not with the others. */
    replica__stamp_follow(db, after + 1);
    return after + 1;
}

/* What is written here from now on is not older than what the server has said. */
void replica__db_server_time(replica_db *db, int64_t now_ms)
{
    if (now_ms <= 0 || now_ms >= MS_END)
        return;
    db->server_ms = now_ms;
    db->server_at = db->world->monotonic_ms(db->world->ctx);
    if ((now_ms << 16) - own_now(db) > GRAIN && now_ms << 16 > db->last_stamp)
        db->last_stamp = now_ms << 16;
}

int replica__stamp_read(replica_db *db, replica_error *err)
{
    int64_t stamp = 0;
    int r = replica__sql_int(db, REPLICA__SQL_STAMP_READ, &stamp, err);

    if (r < 0)
        return r;
    db->stored_stamp = stamp;
    if (stamp > db->last_stamp)
        db->last_stamp = stamp;
    return 0;
}

int replica__stamp_store(replica_db *db, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    int rc = SQLITE_OK;
    int r;

    if (db->last_stamp - db->stored_stamp < GRAIN)
        return 0;
    r = replica__sql_get(db, REPLICA__SQL_STAMP_STORE, &stmt, err);
    if (r < 0)
        return r;
    replica__bind_int(stmt, 1, db->last_stamp, &rc);
    r = replica__sql_step(db, stmt, rc, err);
    if (r >= 0)
        db->stored_stamp = db->last_stamp; /* a rollback forgets it, see replica__txn_know() */
    return r < 0 ? r : 0;
}
