/* A server that was restored, or wiped: what it no longer has is brought back. */
#include "libreplica/migrate/migrate.h"
#include "libreplica/replication/replication.h"
#include "libreplica/txn.h"

#define BATCH 500

static int find(struct replica__replication *repl, int64_t after, int64_t common, int64_t *numbers,
                size_t *ret_n, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    int rc = SQLITE_OK;
    int r = replica__sql_get(repl->db, REPLICA__SQL_STATE_LOST, &stmt, err);

    *ret_n = 0;
    if (r < 0)
        return r;
    replica__bind_int(stmt, 1, repl->number, &rc);
    replica__bind_int(stmt, 2, after, &rc);
    replica__bind_int(stmt, 3, common, &rc);
    replica__bind_int(stmt, 4, BATCH, &rc);
    while ((r = replica__sql_step(repl->db, stmt, rc, err)) > 0)
        numbers[(*ret_n)++] = sqlite3_column_int64(stmt, 0);
    return r;
}

/* An unsettled state that is lost is no question any more: who wrote it brings it back. */
static int forget_unsettled(replica_db *db, struct replica__state *s, int64_t seq, int64_t common,
                            replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    struct replica__kept k = { 0 };
    int r = s->unsettled ? replica__kept_get(db, s->unsettled, &stmt, &k, err) : 0;

    if (r < 0 || k.server_seq <= common)
        return r < 0 ? r : 0;
    replica__sql_reset(&stmt);
    if (s->clean_seq != seq && s->aside_seq != seq)
        s->todo = REPLICA__TODO_NOW;
    return replica__state_drop_unsettled(db, s, err);
}

static int read_seq(replica_db *db, int64_t number, int64_t *ret, int64_t *ret_coll,
                    replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    int r = replica__sql_row(db, REPLICA__SQL_DOC_SEQ, &stmt, err, number);

    if (r > 0) {
        *ret = sqlite3_column_int64(stmt, 0);
        *ret_coll = sqlite3_column_int64(stmt, 1);
    }
    return r;
}

/* The server knows nothing of this state: no number of it counts any more, and it goes out as
 * new. */
static int forget(struct replica__replication *repl, int64_t number, int64_t common,
                  replica_error *err)
{
    replica_db *db = repl->db;
    struct replica__state s;
    const replica_collection *coll;
    int64_t seq = 0, coll_number = 0;
    int r = read_seq(db, number, &seq, &coll_number, err);

    if (r >= 0)
        r = replica__state_get(db, number, repl->number, &s, err);
    if (r >= 0)
        r = forget_unsettled(db, &s, seq, common, err);
    if (r < 0)
        return r;
    if (s.server_seq > common) {
        if (s.clean_seq)
            s.lost_seq = s.clean_seq; /* of an edited one the base stays, as text */
        coll = replica__replication_collection(repl, coll_number);
        if (coll) /* lost, and not only unseen: migrate.h */
            s.version = replica__endpoint_version(repl, coll);
        s.clean_seq = s.incarnation = s.server_seq = 0;
        if (s.aside_seq != seq) /* else it waits for the program, as before */
            s.todo = REPLICA__TODO_NOW;
    }
    return replica__state_put(db, &s, err);
}

/* One batch in a transaction: they are many after a wipe, and other writers must have their
 * turn. */
static int forget_some(struct replica__replication *repl, int64_t *after, int64_t common,
                       replica_error *err)
{
    int64_t numbers[BATCH];
    REPLICA_TXN txn = NULL;
    size_t n = 0;
    int r = replica__lease_begin(repl, &txn, err);

    if (r >= 0)
        r = find(repl, *after, common, numbers, &n, err);
    for (size_t i = 0; r >= 0 && i < n; i++) {
        *after = numbers[i];
        r = forget(repl, numbers[i], common, err);
    }
    if (r >= 0)
        r = replica__txn_commit(&txn, err);
    return r < 0 ? r : n == BATCH;
}

int replica__replication_markers(struct replica__replication *repl, const char *except,
                                 struct replica__marker *ret, size_t n, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    size_t count = 0;
    int rc = SQLITE_OK;
    int r = replica__sql_get(repl->db, REPLICA__SQL_STATE_MARKERS, &stmt, err);

    if (r < 0)
        return r;
    replica__bind_int(stmt, 1, repl->number, &rc);
    replica__bind_text(stmt, 2, except, REPLICA_NUL, &rc);
    replica__bind_int(stmt, 3, (int64_t)n, &rc);
    while (count < n && (r = replica__sql_step(repl->db, stmt, rc, err)) > 0) {
        sqlite3_snprintf(sizeof ret->incarnation, ret[count].incarnation, "%s",
                         sqlite3_column_text(stmt, 0));
        ret[count++].sequence = sqlite3_column_int64(stmt, 1);
    }
    return r < 0 ? r : (int)count;
}

int replica__lost_any(struct replica__replication *repl, replica_error *err)
{
    return replica__sql_run(repl->db, REPLICA__SQL_STATE_LOST_ANY, err, repl->number);
}

int replica__feed_lost(struct replica__replication *repl, size_t feed, const char *incarnation,
                       int64_t common, const char *checkpoint, replica_error *err)
{
    struct replica__feed *f = &repl->feeds[feed];
    REPLICA_TXN txn = NULL;
    char *copy = NULL;
    int64_t after = -1;
    int r;

    do
        r = forget_some(repl, &after, common, err);
    while (r > 0);
    if (r >= 0 && checkpoint && !(copy = replica__strdup(checkpoint)))
        r = replica__enomem(err);
    if (r >= 0)
        r = replica__lease_begin(repl, &txn, err);
    if (r >= 0) { /* only now: until all are marked, the old checkpoint leads back here */
        struct replica__feed moved = *f;
        char *old = f->checkpoint;

        moved.checkpoint = copy;
        moved.common = f->common = common;
        moved.fresh = f->fresh = 0; /* numbers may be given out again */
        r = replica__feed_put(repl, &moved, err);
        if (r >= 0)
            r = replica__txn_commit(&txn, err);
        f->checkpoint = r < 0 ? old : copy;
        replica__free(r < 0 ? copy : old);
    } else {
        replica__free(copy);
    }
    replica__db_log(repl->db, REPLICA_LOG_WARNING, "identity",
                    "the server does not know %s above %lld; what it lost is brought back",
                    incarnation && *incarnation ? incarnation : "this timeline", (long long)common);
    return r < 0 ? r : 0;
}
