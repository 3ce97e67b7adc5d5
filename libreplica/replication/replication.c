#include "libreplica/replication/replication.h"

#include "libreplica/collection.h"
#include "libreplica/migrate/migrate.h"
#include "libreplica/replication/reconcile.h"
#include "libreplica/txn.h"

#include <string.h>

#define SEEN_MS (3600 * 1000)

void replica__feed_forget_out(struct replica__feed *feed)
{
    while (feed->out) {
        struct replica__out *next = feed->out->next;

        replica__free(feed->out);
        feed->out = next;
    }
}

static void free_feeds(struct replica__replication *repl)
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

void replica__replication_close(struct replica__replication *repl)
{
    if (!repl)
        return;
    replica__lease_close(repl);
    replica__met_clear(&repl->met);
    free_feeds(repl);
    replica__free(repl->colls);
    replica__free(repl->endpoints);
    replica__free(repl->keys);
    replica__free(repl->filter);
    replica__selector_free(repl->wanted);
    replica__free(repl->name);
    replica__free(repl);
}

static void close_ptr(struct replica__replication **repl)
{
    replica__replication_close(*repl);
}

int replica__replication_find(replica_db *db, const char *name, int64_t *ret_number,
                              int *ret_one_feed, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    int rc = SQLITE_OK;
    int r = replica__sql_get(db, REPLICA__SQL_REPL_FIND, &stmt, err);

    if (r < 0)
        return r;
    replica__bind_text(stmt, 1, name, REPLICA_NUL, &rc);
    r = replica__sql_step(db, stmt, rc, err);
    if (r <= 0)
        return r;
    *ret_number = sqlite3_column_int64(stmt, 0);
    *ret_one_feed = sqlite3_column_type(stmt, 1) == SQLITE_NULL ? -1 : sqlite3_column_int(stmt, 1);
    return 1;
}

static int create(replica_db *db, const char *name, int64_t *ret_number, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    int rc = SQLITE_OK;
    int r = replica__sql_get(db, REPLICA__SQL_REPL_ADD, &stmt, err);

    if (r < 0)
        return r;
    replica__bind_text(stmt, 1, name, REPLICA_NUL, &rc);
    replica__bind_int(stmt, 2, db->world->now_ms(db->world->ctx), &rc);
    r = replica__sql_step(db, stmt, rc, err);
    *ret_number = sqlite3_last_insert_rowid(db->sqlite);
    return r;
}

/* With one that it had not the last time, a common feed begins at the beginning: its mark and
 * checkpoint have passed what is in there. */
static int put_collections(replica_db *db, struct replica__replication *repl, replica_error *err)
{
    bool joined = false;
    int r = replica__endpoint_collections(repl, &joined, err);

    if (r >= 0 && joined)
        r = replica__sql_run(db, REPLICA__SQL_FEED_BEGIN, err, repl->number);
    if (r >= 0)
        replica__txn_forget(db);
    return r;
}

int replica__replication_seen(struct replica__replication *repl, replica_error *err)
{
    int64_t now = repl->db->world->now_ms(repl->db->world->ctx);

    if (repl->seen && now - repl->seen < SEEN_MS && now >= repl->seen)
        return 0;
    repl->seen = now;
    return replica__sql_run(repl->db, REPLICA__SQL_REPL_SEEN, err, repl->number, now);
}

static bool is_same(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : !a && !b;
}

/* What is stored beside pattern and filter belongs to them: with others the feeds begin at the
 * beginning, where what is in step is passed over. */
static int put_about(struct replica__replication *repl, replica_error *err)
{
    replica_db *db = repl->db;
    REPLICA_STMT stmt = NULL;
    bool same;
    int rc = SQLITE_OK;
    int r = replica__sql_row(db, REPLICA__SQL_REPL_ABOUT, &stmt, err, repl->number);

    if (r < 0)
        return r;
    same = is_same((const char *)sqlite3_column_text(stmt, 0), repl->keys) &&
           is_same((const char *)sqlite3_column_text(stmt, 1), repl->filter);
    replica__sql_reset(&stmt);
    if (same)
        return 0;
    r = replica__sql_get(db, REPLICA__SQL_REPL_SET_ABOUT, &stmt, err);
    if (r < 0)
        return r;
    replica__bind_int(stmt, 1, repl->number, &rc);
    replica__bind_text(stmt, 2, repl->keys, REPLICA_NUL, &rc);
    replica__bind_text(stmt, 3, repl->filter, REPLICA_NUL, &rc);
    r = replica__sql_step(db, stmt, rc, err);
    if (r >= 0)
        r = replica__sql_run(db, REPLICA__SQL_FEED_BEGIN_ALL, err, repl->number);
    if (r >= 0) /* a server that knows ranges is compared with, for what leaves */
        r = replica__reconcile_want(repl, "filter", err);
    if (r >= 0)
        r = replica__sql_run(db, REPLICA__SQL_NOTE_UNSYNCED, err, repl->number);
    if (r >= 0)
        replica__txn_forget(db);
    return r;
}

int replica__replication_taken(struct replica__replication *repl, replica_error *err)
{
    int64_t number = 0;
    int r = replica__replication_find(repl->db, repl->name, &number, &repl->one_feed, err);

    if (r >= 0 && number != repl->number)
        r = replica__error_set(err, REPLICA_ECLOSED, 0, "the replication '%s' was removed",
                               repl->name);
    if (r >= 0)
        r = put_collections(repl->db, repl, err);
    return r < 0 ? r : put_about(repl, err);
}

/* What another process replicates stays as that one has it, until the lease is taken. */
static int put_if_free(struct replica__replication *repl, replica_error *err)
{
    int64_t term = 0;
    int r = replica__lease_open(repl, err);

    if (r >= 0)
        r = replica__lease_is_others(repl, &term, err);
    if (r != 0)
        return r < 0 ? r : 0;
    r = put_collections(repl->db, repl, err);
    if (r >= 0)
        repl->lease.opened_term = term;
    return r;
}

int replica__replication_open(replica_db *db, const char *name, replica_collection *const *colls,
                              size_t n, struct replica__replication **ret_repl,
                              replica_error *err)
{
    __attribute__((cleanup(close_ptr))) struct replica__replication *repl = NULL;
    REPLICA_TXN txn = NULL;
    int r;

    repl = replica__alloc_zero(1, sizeof *repl);
    if (!repl)
        return replica__enomem(err);
    repl->lease.locks = -1;
    repl->name = replica__strdup(name);
    repl->colls = replica__alloc_zero(n, sizeof *repl->colls);
    repl->endpoints = replica__alloc_zero(n, sizeof *repl->endpoints);
    if (!repl->name || !repl->colls || !repl->endpoints)
        return replica__enomem(err);
    repl->db = db;
    repl->n = n;
    repl->one_feed = -1;
    memcpy(repl->colls, colls, n * sizeof *colls);
    r = replica__txn_begin(db, &txn, err);
    if (r >= 0)
        r = replica__endpoint_check(colls, n, err);
    if (r >= 0)
        r = replica__replication_find(db, name, &repl->number, &repl->one_feed, err);
    if (r == 0)
        r = create(db, name, &repl->number, err);
    if (r >= 0)
        r = replica__replication_seen(repl, err);
    if (r >= 0)
        r = put_if_free(repl, err);
    if (r >= 0)
        r = replica__txn_commit(&txn, err);
    if (r < 0)
        return r;
    *ret_repl = repl;
    repl = NULL;
    return 0;
}

static int take_keys(struct replica__replication *repl, const char *keys, replica_error *err)
{
    REPLICA_FREE char *copy = replica__strdup(keys);
    struct replica__pattern pattern = { .text = NULL };
    int r = keys && !copy ? replica__enomem(err) : 0;

    if (r >= 0 && copy)
        r = replica__pattern_parse(&pattern, copy, err);
    if (r < 0)
        return r;
    replica__free(repl->keys);
    repl->keys = copy;
    repl->pattern = pattern;
    copy = NULL;
    return 0;
}

static int take_filter(struct replica__replication *repl, const char *filter, replica_error *err)
{
    struct replica__selector *wanted = NULL;
    char *copy = replica__strdup(filter);
    int r = filter && !copy ? replica__enomem(err) : 0;

    if (r >= 0 && copy)
        r = replica__selector_parse(copy, REPLICA_NUL, &wanted, err);
    if (r < 0) {
        replica__free(copy);
        return r;
    }
    replica__free(repl->filter);
    replica__selector_free(repl->wanted);
    repl->filter = copy;
    repl->wanted = wanted;
    return 0;
}

int replica__replication_about(struct replica__replication *repl, const char *keys,
                               const char *filter, replica_error *err)
{
    REPLICA_TXN txn = NULL;
    int64_t term = 0;
    int r = take_keys(repl, keys, err);

    if (r >= 0)
        r = take_filter(repl, filter, err);
    if (r >= 0)
        r = replica__txn_begin(repl->db, &txn, err);
    if (r >= 0)
        r = replica__lease_is_others(repl, &term, err);
    if (r != 0)
        return r < 0 ? r : 0; /* when the lease is taken */
    r = put_about(repl, err);
    return r < 0 ? r : replica__txn_commit(&txn, err);
}

/* ---- feeds ----------------------------------------------------------------------- */

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

    free_feeds(repl);
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

replica_collection *replica__replication_collection(const struct replica__replication *repl,
                                                    int64_t number)
{
    for (size_t i = 0; i < repl->n; i++) {
        if (repl->colls[i]->number == number)
            return repl->colls[i];
    }
    return NULL;
}

/* ---- removing -------------------------------------------------------------------- */

/* Let go of the kept states, some rows at a time. */
static int drop_kept(replica_db *db, int64_t number, replica_error *err)
{
    REPLICA_FREE int64_t *ids = NULL;
    size_t n = 0, room = 0;
    REPLICA_STMT stmt = NULL;
    int r = replica__sql_with(db, REPLICA__SQL_STATE_REFS, &stmt, err, number);

    if (r < 0)
        return r;
    while ((r = replica__sql_step(db, stmt, SQLITE_OK, err)) > 0) {
        if (n + 3 > room) {
            int64_t *grown = replica__realloc(ids, room * 2 + 48, sizeof *grown);

            if (!grown)
                return replica__enomem(err);
            ids = grown;
            room = room * 2 + 48;
        }
        for (int i = 0; i < 3; i++)
            ids[n++] = sqlite3_column_int64(stmt, i);
    }
    replica__sql_reset(&stmt);
    for (size_t i = 0; r >= 0 && i < n; i++)
        r = replica__kept_unref(db, ids[i], err);
    return r;
}

static int replicates_elsewhere(replica_db *db, int64_t number, replica_error *err)
{
    struct replica__replication repl = { .db = db, .number = number };
    int64_t term;
    int r = replica__lease_open(&repl, err);

    if (r >= 0)
        r = replica__lease_is_others(&repl, &term, err);
    replica__lease_close(&repl);
    return r;
}

int replica__replication_remove(replica_db *db, const char *name, replica_error *err)
{
    static const enum replica__sql drops[] = {
        REPLICA__SQL_REPL_DROP_STATE, REPLICA__SQL_REPL_DROP_FEEDS, REPLICA__SQL_REPL_DROP_COLLS,
        REPLICA__SQL_REPL_DROP_ASIDE, REPLICA__SQL_REPL_DROP, REPLICA__SQL_LEASE_DROP,
        REPLICA__SQL_LOCK_FORGET,
    };
    REPLICA_TXN txn = NULL;
    int64_t number;
    int one_feed;
    int r = replica__txn_begin(db, &txn, err);

    if (r >= 0)
        r = replica__replication_find(db, name, &number, &one_feed, err);
    if (r <= 0)
        return r;
    r = replicates_elsewhere(db, number, err);
    if (r > 0)
        r = replica__error_set(err, REPLICA_EBUSY, 0, "'%s' runs in another process", name);
    if (r >= 0)
        r = drop_kept(db, number, err);
    for (size_t i = 0; r >= 0 && i < sizeof drops / sizeof drops[0]; i++)
        r = replica__sql_run(db, drops[i], err, number);
    if (r < 0)
        return r;
    replica__txn_forget(db);
    r = replica__txn_commit(&txn, err);
    return r < 0 ? r : 1;
}

void replica__replication_bundles(struct replica__replication *repl, bool bundles)
{
    repl->bundles = bundles;
}
