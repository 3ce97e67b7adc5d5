#include "libreplica/replication/replication.h"

#include "libreplica/migrate/migrate.h"
#include "libreplica/replication/reconcile.h"
#include "libreplica/txn.h"

#include <string.h>

#define SEEN_MS (3600 * 1000)

void replica__replication_close(struct replica__replication *repl)
{
    if (!repl)
        return;
    replica__lease_close(repl);
    replica__met_clear(&repl->met);
    replica__feeds_free(repl);
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
    int r = replica__sql_row_text(db, REPLICA__SQL_REPL_FIND, &stmt, err, name, REPLICA_NUL);

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

void replica__replication_bundles(struct replica__replication *repl, bool bundles)
{
    repl->bundles = bundles;
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
