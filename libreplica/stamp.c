#include "libreplica/stamp.h"

#include "libreplica/db.h"

/* What is stored may be so far behind. */
#define GRAIN (INT64_C(1000) << 16)
#define MS_END (INT64_C(1) << 46) /* no time behind it is believed */

static int64_t wall_ms(const replica_db *db)
{
    return db->world->now_ms(db->world->ctx);
}

static int64_t distance(int64_t a, int64_t b)
{
    return a > b ? a - b : b - a;
}

/* The server's clock, as it has gone on since; 0: it is not known.  When our two clocks do not
 * agree on how long that was, one was stepped, or the machine slept: then nobody knows. */
static int64_t server_now(const replica_db *db)
{
    struct replica__told_time told = replica__gate_time(db->gate);
    int64_t wall = wall_ms(db) - told.wall;
    int64_t monotonic = db->world->monotonic_ms(db->world->ctx) - told.monotonic;

    if (!told.server || distance(wall, monotonic) > REPLICA__STAMP_DRIFT >> 16)
        return 0;
    return (told.server + wall) << 16;
}

static int64_t now_of(const replica_db *db, int64_t server)
{
    int64_t own = wall_ms(db) << 16;

    return server && distance(own, server) > REPLICA__STAMP_DRIFT ? server : own;
}

int64_t replica__stamp_bound(const replica_db *db, int64_t stamp)
{
    int64_t server = server_now(db);
    int64_t own = wall_ms(db) << 16;
    int64_t end = (server ? server : own) + REPLICA__STAMP_DRIFT;

    if (stamp <= end)
        return stamp < 0 ? 0 : stamp;
    /* Of a clock that is ahead, and was when it said so, the distance is known: what it wrote
     * yesterday is not the newest today. */
    if (server && own > end && stamp - (own - server) < end)
        return stamp - (own - server);
    return end;
}

void replica__stamp_follow(replica_db *db, int64_t stamp)
{
    if (stamp > db->last_stamp && stamp - now_of(db, server_now(db)) <= REPLICA__STAMP_DRIFT)
        db->last_stamp = stamp;
}

int64_t replica__stamp_next(replica_db *db, int64_t after)
{
    int64_t server = server_now(db);
    int64_t now = now_of(db, server);
    int64_t stamp;

    /* What our clock has said before the server told better is of no day that was. */
    if (server && db->last_stamp - server > REPLICA__STAMP_DRIFT)
        db->last_stamp = server;
    stamp = now > db->last_stamp ? now : db->last_stamp + 1;
    if (stamp > after)
        return db->last_stamp = stamp;
    /* A clock that is far ahead of ours has its way with this document, but not with the others. */
    replica__stamp_follow(db, after + 1);
    return after + 1;
}

void replica__db_server_time(replica_db *db, int64_t now_ms)
{
    if (now_ms > 0 && now_ms < MS_END)
        replica__gate_tell_time(db->gate, &(struct replica__told_time){
                                              .server = now_ms,
                                              .wall = wall_ms(db),
                                              .monotonic =
                                                  db->world->monotonic_ms(db->world->ctx),
                                          });
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
    int r;

    if (db->last_stamp - db->stored_stamp < GRAIN &&
        db->stored_stamp - db->last_stamp <= REPLICA__STAMP_DRIFT)
        return 0;
    r = replica__sql_run(db, REPLICA__SQL_STAMP_STORE, err, db->last_stamp);
    if (r >= 0)
        db->stored_stamp = db->last_stamp; /* a rollback forgets it, see replica__txn_know() */
    return r < 0 ? r : 0;
}
