/* The version of a server's endpoint: what was in step with one version's is confirmed by the next
 * one's, or brought there. */
#include "libreplica/document.h"
#include "libreplica/migrate.h"
#include "libreplica/replication.h"
#include "libreplica/txn.h"

#include <string.h>

#define BATCH 500

/* ---- when a replication is opened ------------------------------------------------- */

struct stored {
    int64_t coll, version, confirmed;
};

static int read_stored(struct replica__replication *repl, struct stored **ret, size_t *ret_n,
                       replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    struct stored *all = NULL;
    size_t n = 0;
    int rc = SQLITE_OK;
    int r = replica__sql_get(repl->db, REPLICA__SQL_REPL_COLL_LIST, &stmt, err);

    if (r < 0)
        return r;
    replica__bind_int(stmt, 1, repl->number, &rc);
    while ((r = replica__sql_step(repl->db, stmt, rc, err)) > 0) {
        struct stored *grown = replica__realloc(all, n + 1, sizeof *grown);

        if (!grown) {
            r = replica__enomem(err);
            break;
        }
        all = grown;
        all[n++] = (struct stored){ .coll = sqlite3_column_int64(stmt, 0),
                                    .version = sqlite3_column_int64(stmt, 1),
                                    .confirmed = sqlite3_column_int64(stmt, 2) };
    }
    if (r < 0) {
        replica__free(all);
        return r;
    }
    *ret = all;
    *ret_n = n;
    return 0;
}

static int put_stored(struct replica__replication *repl, const struct stored *s,
                      replica_error *err)
{
    return replica__sql_run(repl->db, REPLICA__SQL_REPL_COLL_PUT, err, 4, repl->number, s->coll,
                            s->version, s->confirmed);
}

/* Another version: what was under way there is asked about document by document, migrated; and the
 * feed starts from the beginning. */
static int change_version(struct replica__replication *repl, struct stored *s, int64_t version,
                          replica_error *err)
{
    int r = replica__sql_run(repl->db, REPLICA__SQL_MIGRATE_RANGE, err, 2, repl->number, s->coll);

    if (r >= 0)
        r = replica__sql_run(repl->db, REPLICA__SQL_FEED_RESTART, err, 2, repl->number, s->coll);
    s->version = version;
    return r < 0 ? r : put_stored(repl, s, err);
}

/* The one that stands for coll, or NULL. */
static struct stored *find(struct stored *all, size_t n, int64_t coll)
{
    for (size_t i = 0; i < n; i++) {
        if (all[i].coll == coll)
            return &all[i];
    }
    return NULL;
}

static int put_one(struct replica__replication *repl, size_t i, struct stored *all, size_t n,
                   bool *ret_joined, replica_error *err)
{
    const replica_collection *coll = repl->colls[i];
    struct stored *s = find(all, n, coll->number);
    /* In a new replication nothing was ever in step. */
    struct stored joined = { coll->number, coll->version, n == 0 ? coll->version : -1 };
    int r = 0;

    if (!s) {
        s = &joined;
        *ret_joined = true;
        r = put_stored(repl, s, err);
    } else if (s->version != coll->version) {
        r = change_version(repl, s, coll->version, err);
    }
    repl->unconfirmed[i] = s->confirmed != coll->version;
    return r;
}

int replica__endpoint_collections(struct replica__replication *repl, bool *ret_joined,
                                  replica_error *err)
{
    REPLICA_FREE struct stored *all = NULL;
    size_t n = 0;
    int r = read_stored(repl, &all, &n, err);

    for (size_t i = 0; r >= 0 && i < repl->n; i++) /* of a higher version it is another's */
        r = replica__migrate_may_write(repl->colls[i], err);
    for (size_t i = 0; r >= 0 && i < n; i++) {
        if (!replica__replication_collection(repl, all[i].coll))
            r = replica__sql_run(repl->db, REPLICA__SQL_REPL_COLL_DROP, err, 2, repl->number,
                                 all[i].coll);
    }
    for (size_t i = 0; r >= 0 && i < repl->n; i++)
        r = put_one(repl, i, all, n, ret_joined, err);
    return r;
}

int replica__endpoint_check(replica_collection *const *colls, size_t n, replica_error *err)
{
    for (size_t i = 0; i < n; i++) {
        const replica_collection *coll = colls[i];

        if (coll->unmigrated < 0 || coll->steps)
            continue;
        replica__error_set(err, REPLICA_EVERSION, coll->version,
                           "the documents of '%s' are on their way to version %d, which only the"
                           " program with its migrations can bring to an end", coll->name,
                           coll->version);
        replica__error_where(err, "%s", coll->name);
        return REPLICA_EVERSION;
    }
    return 0;
}

/* ---- what counts as in step ------------------------------------------------------- */

bool replica__endpoint_has(const struct replica__replication *repl, const replica_collection *coll,
                           const struct replica__state *s)
{
    for (size_t i = 0; i < repl->n; i++) {
        if (repl->colls[i]->number == coll->number)
            return !repl->unconfirmed[i] || s->version == coll->version;
    }
    return false;
}

bool replica__endpoint_is_pending(const struct replica__replication *repl)
{
    for (size_t i = 0; i < repl->n; i++) {
        if (repl->unconfirmed[i] || repl->colls[i]->unmigrated >= 0)
            return true;
    }
    return false;
}

/* ---- at the feed's head ----------------------------------------------------------- */

struct unseen {
    int64_t docs[BATCH];
    bool deleted[BATCH];
    size_t n;
};

static int find_unseen(struct replica__replication *repl, const replica_collection *coll,
                       int64_t after, struct unseen *u, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    int rc = SQLITE_OK;
    int r = replica__sql_get(repl->db, REPLICA__SQL_MIGRATE_UNSEEN, &stmt, err);

    u->n = 0;
    if (r < 0)
        return r;
    replica__bind_int(stmt, 1, repl->number, &rc);
    replica__bind_int(stmt, 2, after, &rc);
    replica__bind_int(stmt, 3, coll->number, &rc);
    replica__bind_int(stmt, 4, coll->version, &rc);
    replica__bind_int(stmt, 5, BATCH, &rc);
    while ((r = replica__sql_step(repl->db, stmt, rc, err)) > 0) {
        u->deleted[u->n] = sqlite3_column_int(stmt, 1) != 0;
        u->docs[u->n++] = sqlite3_column_int64(stmt, 0);
    }
    return r;
}

/* The numbers stay: our own server knows by them what state of its own this one replaces. */
static int bring(struct replica__replication *repl, const replica_collection *coll, int64_t doc,
                 bool deleted, replica_error *err)
{
    struct replica__state s;
    int r = replica__state_get(repl->db, doc, repl->number, &s, err);

    if (r <= 0)
        return r;
    if (deleted) { /* what is not there needs no deletion */
        s.version = coll->version;
    } else {
        replica__state_bring(&s, coll, s.clean_seq);
    }
    return replica__state_put(repl->db, &s, err);
}

/* 1: there may be more. */
static int bring_some(struct replica__replication *repl, const replica_collection *coll,
                      int64_t *after, replica_error *err)
{
    struct unseen u;
    REPLICA_TXN txn = NULL;
    int r = replica__lease_begin(repl, &txn, err);

    if (r >= 0)
        r = find_unseen(repl, coll, *after, &u, err);
    for (size_t i = 0; r >= 0 && i < u.n; i++) {
        *after = u.docs[i];
        r = bring(repl, coll, u.docs[i], u.deleted[i], err);
    }
    if (r >= 0 && u.n < BATCH)
        r = put_stored(repl, &(struct stored){ coll->number, coll->version, coll->version }, err);
    if (r >= 0)
        r = replica__txn_commit(&txn, err);
    return r < 0 ? r : u.n == BATCH;
}

int replica__feed_confirm(struct replica__replication *repl, size_t feed, replica_error *err)
{
    const struct replica__feed *f = &repl->feeds[feed];
    int done = 0;

    for (size_t i = 0; i < repl->n; i++) {
        int64_t after = -1;
        int r;

        if (!repl->unconfirmed[i] || (f->coll && f->coll != repl->colls[i]->number))
            continue;
        do
            r = bring_some(repl, repl->colls[i], &after, err);
        while (r > 0);
        if (r < 0)
            return r;
        repl->unconfirmed[i] = false;
        done = 1;
        replica__db_log(repl->db, REPLICA_LOG_INFO, "migration",
                        "'%s' is confirmed at the server's version %d", repl->colls[i]->name,
                        repl->colls[i]->version);
    }
    return done;
}
