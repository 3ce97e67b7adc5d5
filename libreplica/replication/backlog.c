/* What a replication has left to do, and where one document stands. */
#include "libreplica/migrate/migrate.h"
#include "libreplica/replication/replication.h"
#include "libreplica/txn.h"

#include <string.h>

struct counted_feed {
    int64_t coll, mark, sent_from, sent_to;
};

static int count_feed(replica_db *db, int64_t replication, const struct counted_feed *feed,
                      struct replica__backlog *b, replica_error *err)
{
    bool out = feed->sent_from < feed->sent_to;
    int64_t from = out && feed->sent_from < feed->mark ? feed->sent_from : feed->mark;
    REPLICA_STMT stmt = NULL;
    int r = replica__sql_row(db, REPLICA__SQL_FEED_DIRTY_COUNT, &stmt, err, replication, feed->coll,
                             from, out ? feed->sent_from : 0, out ? feed->sent_to : 0);

    if (r < 0)
        return r;
    b->dirty += sqlite3_column_int64(stmt, 0);
    b->sent += sqlite3_column_int64(stmt, 1);
    return 0;
}

static int count_rows(replica_db *db, int64_t replication, struct replica__backlog *b,
                      replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    int r = replica__sql_row(db, REPLICA__SQL_BACKLOG, &stmt, err, replication);

    if (r < 0)
        return r;
    b->dirty += sqlite3_column_int64(stmt, 0);
    b->unsettled = sqlite3_column_int64(stmt, 1);
    b->aside = sqlite3_column_int64(stmt, 2);
    return 0;
}

/* What has not risen yet, and is not counted behind a mark. */
static int count_low(replica_db *db, int64_t replication, struct replica__backlog *b,
                     replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    int r = replica__sql_row(db, REPLICA__SQL_MIGRATE_DIRTY, &stmt, err, replication);

    if (r > 0)
        b->dirty += sqlite3_column_int64(stmt, 0);
    return r;
}

static int count(replica_db *db, int64_t replication, struct replica__backlog *ret,
                 replica_error *err)
{
    struct replica__backlog b = { 0 };
    REPLICA_STMT stmt = NULL;
    int r = replica__sql_with(db, REPLICA__SQL_FEED_COLLS, &stmt, err, replication);

    if (r < 0)
        return r;
    while ((r = replica__sql_step(db, stmt, SQLITE_OK, err)) > 0) {
        const struct counted_feed feed = { .coll = sqlite3_column_int64(stmt, 0),
                                           .mark = sqlite3_column_int64(stmt, 1),
                                           .sent_from = sqlite3_column_int64(stmt, 2),
                                           .sent_to = sqlite3_column_int64(stmt, 3) };

        r = count_feed(db, replication, &feed, &b, err);
        if (r < 0)
            return r;
    }
    if (r >= 0)
        r = count_low(db, replication, &b, err);
    if (r >= 0)
        r = count_rows(db, replication, &b, err);
    if (r < 0)
        return r;
    *ret = b;
    return 0;
}

int replica__replication_backlog(struct replica__replication *repl, struct replica__backlog *ret,
                                 replica_error *err)
{
    return count(repl->db, repl->number, ret, err);
}

/* Does a statement of (replication, after, limit) find anything? */
static int finds(struct replica__replication *repl, enum replica__sql which, replica_error *err)
{
    return replica__sql_run(repl->db, which, err, repl->number, -1, 1);
}

static int feed_pending(struct replica__replication *repl, const struct replica__feed *feed,
                        replica_error *err)
{
    bool out = feed->sent_from < feed->sent_to && feed->sent_from < feed->mark;
    int64_t from = out ? feed->sent_from : feed->mark;

    for (size_t i = 0; i < feed->n; i++) {
        int r = replica__sql_run(repl->db, REPLICA__SQL_FEED_DIRTY, err, repl->number,
                                 feed->colls[i]->number, from, 1);

        if (r != 0)
            return r;
    }
    return 0;
}

int replica__replication_pending(struct replica__replication *repl, replica_error *err)
{
    int r = replica__txn_know(repl->db, err);

    if (r == 0)
        r = replica__endpoint_is_pending(repl);
    if (r == 0)
        r = finds(repl, REPLICA__SQL_STATE_PENDING, err);
    if (r == 0)
        r = finds(repl, REPLICA__SQL_STATE_UNSETTLED, err);
    for (size_t i = 0; r == 0 && i < repl->feed_count; i++)
        r = feed_pending(repl, &repl->feeds[i], err);
    return r;
}

int replica__replication_held(struct replica__replication *repl, replica_error *err)
{
    return finds(repl, REPLICA__SQL_STATE_HELD, err);
}

/* A feed of one collection, as the file has it.  What is under way is dirty, too. */
static int finds_dirty(replica_db *db, int64_t replication, const struct counted_feed *feed,
                       replica_error *err)
{
    bool out = feed->sent_from < feed->sent_to && feed->sent_from < feed->mark;

    return replica__sql_run(db, REPLICA__SQL_FEED_DIRTY, err, replication, feed->coll,
                            out ? feed->sent_from : feed->mark, 1);
}

int replica__pending_in_file(struct replica__replication *repl, replica_error *err)
{
    replica_db *db = repl->db;
    REPLICA_STMT stmt = NULL;
    int rc = SQLITE_OK;
    int r = replica__endpoint_is_pending(repl);

    if (r == 0)
        r = finds(repl, REPLICA__SQL_STATE_PENDING, err);
    if (r == 0)
        r = finds(repl, REPLICA__SQL_STATE_UNSETTLED, err);
    if (r == 0)
        r = replica__replication_held(repl, err);
    if (r == 0)
        r = replica__sql_get(db, REPLICA__SQL_FEED_COLLS, &stmt, err);
    if (r != 0)
        return r;
    replica__bind_int(stmt, 1, repl->number, &rc);
    while ((r = replica__sql_step(db, stmt, rc, err)) > 0) {
        const struct counted_feed feed = { .coll = sqlite3_column_int64(stmt, 0),
                                           .mark = sqlite3_column_int64(stmt, 1),
                                           .sent_from = sqlite3_column_int64(stmt, 2),
                                           .sent_to = sqlite3_column_int64(stmt, 3) };

        r = finds_dirty(db, repl->number, &feed, err);
        if (r != 0)
            return r;
    }
    return r;
}

int replica__backlog_of(replica_db *db, const char *name, struct replica__backlog *ret,
                        replica_error *err)
{
    REPLICA_READ read = NULL;
    int64_t number = 0;
    int one_feed;
    int r = replica__read_begin(db, &read, err);

    if (r >= 0)
        r = replica__replication_find(db, name, &number, &one_feed, err);
    if (r == 0)
        *ret = (struct replica__backlog){ 0 };
    return r <= 0 ? r : count(db, number, ret, err);
}

static int takes_part(replica_collection *coll, int64_t replication, bool *ret_confirmed,
                      int64_t *ret_version, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    int r = replica__sql_row(coll->db, REPLICA__SQL_REPL_COLL_FIND, &stmt, err, replication,
                             coll->number);

    if (r > 0) {
        *ret_confirmed = sqlite3_column_int(stmt, 0) != 0;
        *ret_version = sqlite3_column_int64(stmt, 1);
    }
    return r;
}

/* A newer state of the server could not be applied. */
static int is_behind(replica_db *db, const struct replica__row *row, int64_t replication,
                     replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    int rc = SQLITE_OK;
    int r = db->set_aside ? replica__sql_get(db, REPLICA__SQL_ASIDE_OF, &stmt, err) : 0;

    if (r < 0 || !stmt)
        return r;
    replica__bind_int(stmt, 1, row->coll, &rc);
    replica__bind_text(stmt, 2, row->id, row->id_len, &rc);
    replica__bind_int(stmt, 3, replication, &rc);
    replica__bind_int(stmt, 4, REPLICA_ASIDE_UNAPPLIED, &rc);
    return replica__sql_step(db, stmt, rc, err);
}

/* A migration that failed keeps the document back, and so does a state that cannot be applied. */
static int is_held_back(const replica_collection *coll, const struct replica__row *row,
                        int64_t replication, replica_error *err)
{
    int r = is_behind(coll->db, row, replication, err);

    if (r != 0)
        return r;
    if (row->version >= coll->version || row->flags & REPLICA__FLAG_DELETED)
        return 0;
    return replica__migrate_failed(coll, row->id, row->id_len, err);
}

int replica__doc_state(replica_collection *coll, const char *id, const char *replication,
                       int *ret_state, replica_error *err)
{
    replica_db *db = coll->db;
    REPLICA_READ read = NULL;
    REPLICA_STMT stmt = NULL;
    struct replica__row row;
    struct replica__state s;
    int64_t number = 0, version = -1;
    bool confirmed = false;
    int one_feed;
    int state, held, r;

    r = replica__read_begin(db, &read, err);
    if (r >= 0)
        r = replica__txn_know(db, err);
    if (r >= 0)
        r = replica__replication_find(db, replication, &number, &one_feed, err);
    if (r > 0)
        r = takes_part(coll, number, &confirmed, &version, err);
    if (r > 0)
        r = replica__row_find(coll, id, strlen(id), &stmt, &row, err);
    if (r > 0)
        r = replica__state_is_about(db, row.number, number, err);
    if (r < 0)
        return r;
    if (r == 0) {
        *ret_state = REPLICA_DOC_ABSENT;
        return 0;
    }
    r = replica__state_get(db, row.number, number, &s, err);
    held = r < 0 ? r : is_held_back(coll, &row, number, err);
    if (held < 0)
        return held;
    if (held || s.aside_seq == row.seq)
        state = REPLICA_DOC_REJECTED;
    else if (s.sent_seq != row.seq && s.sent_seq)
        state = REPLICA_DOC_DIRTY; /* an older state is under way */
    else if (replica__state_under_way(db, &s, &row))
        state = REPLICA_DOC_SENT;
    else if (s.unsettled)
        state = REPLICA_DOC_UNSETTLED;
    else if (s.clean_seq == row.seq && (confirmed || s.version == version))
        state = REPLICA_DOC_IN_SYNC;
    else
        state = REPLICA_DOC_DIRTY;
    *ret_state = state;
    return 0;
}
