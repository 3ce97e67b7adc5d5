/* The feeds of a replication: their rows, and which there are, one for all collections or one for
 * each. */
#include "libreplica/replication/replication.h"

#include "libreplica/migrate/migrate.h"
#include "libreplica/txn.h"

void replica__feed_forget_out(struct replica__feed *feed)
{
    while (feed->out) {
        struct replica__out *next = feed->out->next;

        replica__free(feed->out);
        feed->out = next;
    }
}

void replica__feeds_free(struct replica__replication *repl)
{
    for (size_t i = 0; i < repl->feed_count; i++) {
        replica__feed_forget_out(&repl->feeds[i]);
        replica__free(repl->feeds[i].checkpoint);
        replica__free(repl->feeds[i].reconcile);
    }
    replica__free(repl->feeds);
    repl->feeds = NULL;
    repl->feed_count = 0;
}

static int read_feed(struct replica__replication *repl, struct replica__feed *feed,
                     replica_error *err)
{
    replica_db *db = repl->db;
    REPLICA_STMT stmt = NULL;
    const char *checkpoint, *reconcile;
    int r = replica__sql_row(db, REPLICA__SQL_FEED_GET, &stmt, err, repl->number, feed->coll);

    if (r <= 0)
        return r;
    checkpoint = (const char *)sqlite3_column_text(stmt, 0);
    feed->mark = sqlite3_column_int64(stmt, 1);
    feed->sent_from = sqlite3_column_int64(stmt, 2);
    feed->sent_to = sqlite3_column_int64(stmt, 3);
    feed->common = sqlite3_column_int64(stmt, 4);
    reconcile = (const char *)sqlite3_column_text(stmt, 5);
    feed->fresh = sqlite3_column_int64(stmt, 6);
    feed->checkpoint = replica__strdup(checkpoint);
    feed->reconcile = replica__strdup(reconcile);
    if ((checkpoint && !feed->checkpoint) || (reconcile && !feed->reconcile))
        return replica__enomem(err);
    return 1;
}

/* The checkpoint as this handle has it: the file has it too, or another handle took it away. */
static bool had_checkpoint(const struct replica__replication *repl, int64_t coll)
{
    for (size_t i = 0; i < repl->feed_count; i++) {
        if (repl->feeds[i].coll == coll)
            return repl->feeds[i].checkpoint != NULL;
    }
    return false;
}

int replica__feed_put(struct replica__replication *repl, const struct replica__feed *feed,
                      replica_error *err)
{
    replica_db *db = repl->db;
    REPLICA_STMT stmt = NULL;
    int rc = SQLITE_OK;
    int r = replica__sql_get(db, REPLICA__SQL_FEED_PUT, &stmt, err);

    if (r < 0)
        return r;
    replica__bind_int(stmt, 1, repl->number, &rc);
    replica__bind_int(stmt, 2, feed->coll, &rc);
    replica__bind_text(stmt, 3, feed->checkpoint, REPLICA_NUL, &rc);
    replica__bind_int(stmt, 4, feed->mark, &rc);
    replica__bind_int(stmt, 5, feed->sent_from, &rc);
    replica__bind_int(stmt, 6, feed->sent_to, &rc);
    replica__bind_int(stmt, 7, feed->common, &rc);
    replica__bind_int(stmt, 8, had_checkpoint(repl, feed->coll), &rc);
    replica__bind_int_or_null(stmt, 9, feed->fresh, &rc);
    r = replica__sql_step(db, stmt, rc, err);
    if (r >= 0)
        replica__txn_forget(db); /* the ranges that writes look at */
    return r;
}

/* The rows of the feeds, made where they are missing.  What was under way when the program died is
 * looked at again from where it began. */
static int load_feeds(struct replica__replication *repl, replica_error *err)
{
    for (size_t i = 0; i < repl->feed_count; i++) {
        struct replica__feed *feed = &repl->feeds[i];
        int r = read_feed(repl, feed, err);

        if (r == 0)
            r = replica__feed_put(repl, feed, err);
        if (r < 0)
            return r;
        feed->again_to = feed->sent_to;
        if (feed->sent_from < feed->sent_to && feed->mark > feed->sent_from)
            feed->mark = feed->sent_from;
    }
    return 0;
}

static int make_feeds(struct replica__replication *repl, bool one_feed, replica_error *err)
{
    size_t n = one_feed ? 1 : repl->n;

    replica__feeds_free(repl);
    repl->feeds = replica__alloc_zero(n, sizeof *repl->feeds);
    if (!repl->feeds)
        return replica__enomem(err);
    repl->feed_count = n;
    for (size_t i = 0; i < n; i++) {
        repl->feeds[i].todo_after = -1;
        repl->feeds[i].coll = one_feed ? 0 : repl->colls[i]->number;
        repl->feeds[i].colls = one_feed ? repl->colls : &repl->colls[i];
        repl->feeds[i].n = one_feed ? repl->n : 1;
    }
    return 0;
}

/* What the feeds of the other mode have under way, these have too: too much, rather than too
 * little. */
static int inherit_range(struct replica__replication *repl, replica_error *err)
{
    replica_db *db = repl->db;
    REPLICA_STMT stmt = NULL;
    int64_t from, to;
    int r = replica__sql_row(db, REPLICA__SQL_FEED_RANGE, &stmt, err, repl->number);

    if (r < 0)
        return r;
    from = sqlite3_column_int64(stmt, 0);
    to = sqlite3_column_int64(stmt, 1);
    replica__sql_reset(&stmt);
    for (size_t i = 0; i < repl->feed_count; i++) {
        repl->feeds[i].sent_from = from;
        repl->feeds[i].sent_to = to;
    }
    return replica__sql_run(db, REPLICA__SQL_REPL_DROP_FEEDS, err, repl->number);
}

int replica__replication_feeds(struct replica__replication *repl, bool one_feed,
                               replica_error *err)
{
    REPLICA_TXN txn = NULL;
    int r = make_feeds(repl, one_feed, err);

    if (r >= 0)
        r = replica__lease_begin(repl, &txn, err);
    /* Other feeds than before: their checkpoints and marks mean nothing to these.  The new ones
     * begin at the beginning, where everything that is clean is passed over. */
    if (r >= 0 && repl->one_feed >= 0 && repl->one_feed != one_feed)
        r = inherit_range(repl, err);
    if (r >= 0)
        r = replica__sql_run(repl->db, REPLICA__SQL_REPL_MODE, err, repl->number, one_feed);
    if (r >= 0)
        r = load_feeds(repl, err);
    if (r >= 0)
        r = replica__txn_commit(&txn, err);
    if (r < 0)
        return r;
    repl->one_feed = one_feed;
    return (int)repl->feed_count;
}

int replica__replication_mode(struct replica__replication *repl, bool *ret_one_feed)
{
    if (repl->one_feed < 0)
        return 0;
    *ret_one_feed = repl->one_feed != 0;
    return 1;
}

size_t replica__feed_collections(struct replica__replication *repl, size_t feed,
                                 replica_collection *const **ret_colls)
{
    *ret_colls = repl->feeds[feed].colls;
    return repl->feeds[feed].n;
}

const char *replica__feed_checkpoint(struct replica__replication *repl, size_t feed)
{
    return replica__endpoint_is_new(repl, feed) ? NULL : repl->feeds[feed].checkpoint;
}

int replica__feed_is_reset(struct replica__replication *repl, size_t feed, replica_error *err)
{
    struct replica__feed stored = { .coll = repl->feeds[feed].coll };
    int r;

    if (!repl->feeds[feed].checkpoint)
        return 0;
    r = read_feed(repl, &stored, err);
    r = r < 0 ? r : r > 0 && !stored.checkpoint;
    replica__free(stored.checkpoint);
    replica__free(stored.reconcile);
    return r;
}

int replica__feed_reset(struct replica__replication *repl, size_t feed, replica_error *err)
{
    struct replica__feed *f = &repl->feeds[feed];
    REPLICA_FREE char *old = f->checkpoint;
    REPLICA_TXN txn = NULL;
    int r = replica__lease_begin(repl, &txn, err);

    f->checkpoint = NULL;
    if (r >= 0)
        r = replica__feed_put(repl, f, err);
    if (r >= 0)
        r = replica__sql_run(repl->db, REPLICA__SQL_NOTE_UNSYNCED, err, repl->number);
    if (r >= 0)
        r = replica__txn_commit(&txn, err);
    if (r < 0) {
        f->checkpoint = old;
        old = NULL;
    }
    return r;
}
