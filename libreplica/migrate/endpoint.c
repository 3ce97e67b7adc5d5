/* The version of a server's endpoint: what was in step with one version's is confirmed by the next
 * one's, or brought there. */
#include "libreplica/replication/aside.h"
#include "libreplica/document.h"
#include "libreplica/migrate/migrate.h"
#include "libreplica/replication/replication.h"
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
    int r = replica__sql_with(repl->db, REPLICA__SQL_REPL_COLL_LIST, &stmt, err, repl->number);

    if (r < 0)
        return r;
    while ((r = replica__sql_step(repl->db, stmt, SQLITE_OK, err)) > 0) {
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
    return replica__sql_run(repl->db, REPLICA__SQL_REPL_COLL_PUT, err, repl->number, s->coll,
                            s->version, s->confirmed);
}

/* Another version: what was under way there is asked about document by document, migrated; and the
 * feed starts from the beginning. */
static int change_version(struct replica__replication *repl, struct stored *s, int64_t version,
                          replica_error *err)
{
    int r = replica__sql_run(repl->db, REPLICA__SQL_MIGRATE_RANGE, err, repl->number, s->coll);

    if (r >= 0)
        r = replica__sql_run(repl->db, REPLICA__SQL_FEED_RESTART, err, repl->number, s->coll);
    /* What had no place at the one may have it at the other. */
    if (r >= 0)
        r = replica__sql_run(repl->db, REPLICA__SQL_ENDPOINT_LET_IN, err, repl->number, s->coll,
                             REPLICA_ASIDE_MIGRATION);
    if (r >= 0)
        r = replica__sql_run(repl->db, REPLICA__SQL_ENDPOINT_FORGET, err, repl->number, s->coll,
                             REPLICA_ASIDE_MIGRATION);
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
    } else if (s->version > coll->version || !replica__migrate_leads_down(coll, s->version)) {
        r = change_version(repl, s, coll->version, err);
    } /* else it goes on there, until the server says that it is further */
    repl->endpoints[i] = (struct replica__endpoint){ .version = s->version,
                                                     .at = s->version,
                                                     .confirmed = s->confirmed };
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
            r = replica__sql_run(repl->db, REPLICA__SQL_REPL_COLL_DROP, err, repl->number,
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

static const struct replica__endpoint *endpoint_of(const struct replica__replication *repl,
                                                   const replica_collection *coll)
{
    for (size_t i = 0; i < repl->n; i++) {
        if (repl->colls[i]->number == coll->number)
            return &repl->endpoints[i];
    }
    return NULL;
}

static bool is_unconfirmed(const struct replica__endpoint *e)
{
    return e->confirmed != e->version;
}

int64_t replica__endpoint_version(const struct replica__replication *repl,
                                  const replica_collection *coll)
{
    const struct replica__endpoint *e = endpoint_of(repl, coll);

    return e ? e->version : coll->version;
}

int64_t replica__endpoint_at(const struct replica__replication *repl,
                             const replica_collection *coll)
{
    const struct replica__endpoint *e = endpoint_of(repl, coll);

    return e ? e->at : coll->version;
}

bool replica__endpoint_has(const struct replica__replication *repl, const replica_collection *coll,
                           const struct replica__state *s)
{
    const struct replica__endpoint *e = endpoint_of(repl, coll);

    return e && (!is_unconfirmed(e) || s->version == e->version);
}

bool replica__endpoint_is_pending(const struct replica__replication *repl)
{
    for (size_t i = 0; i < repl->n; i++) {
        if (is_unconfirmed(&repl->endpoints[i]) || repl->colls[i]->unmigrated >= 0)
            return true;
    }
    return false;
}

/* ---- which version the server has -------------------------------------------------- */

static bool is_of_feed(const struct replica__feed *f, const replica_collection *coll)
{
    return !f->coll || f->coll == coll->number;
}

bool replica__endpoint_is_new(const struct replica__replication *repl, size_t feed)
{
    for (size_t i = 0; i < repl->n; i++) {
        if (repl->endpoints[i].at != repl->endpoints[i].version &&
            is_of_feed(&repl->feeds[feed], repl->colls[i]))
            return true;
    }
    return false;
}

/* All collections of the feed at their own versions; false: they were. */
static bool go_up(struct replica__replication *repl, const struct replica__feed *f)
{
    bool moved = false;

    for (size_t i = 0; i < repl->n; i++) {
        if (!is_of_feed(f, repl->colls[i]))
            continue;
        moved |= repl->endpoints[i].at != repl->colls[i]->version;
        repl->endpoints[i].at = repl->colls[i]->version;
    }
    return moved;
}

/* The next lower ones; false: all were tried, and they are at their own versions again.  A server
 * does not say which of several collections it has not: they are counted down like digits. */
static bool go_down(struct replica__replication *repl, const struct replica__feed *f)
{
    for (size_t i = 0; i < repl->n; i++) {
        struct replica__endpoint *e = &repl->endpoints[i];

        if (!is_of_feed(f, repl->colls[i]))
            continue;
        if (e->at > 0 && replica__migrate_leads_down(repl->colls[i], e->at - 1)) {
            e->at--;
            return true;
        }
        e->at = repl->colls[i]->version;
    }
    return false;
}

static bool is_at_top(const struct replica__replication *repl, const struct replica__feed *f)
{
    for (size_t i = 0; i < repl->n; i++) {
        if (is_of_feed(f, repl->colls[i]) && repl->endpoints[i].at != repl->colls[i]->version)
            return false;
    }
    return true;
}

bool replica__endpoint_next(struct replica__replication *repl, size_t feed, int code, int detail)
{
    const struct replica__feed *f = &repl->feeds[feed];
    bool behind = detail == 404, top = is_at_top(repl, f);

    /* At our own version only a server that says so is behind us. */
    if (top && (code != REPLICA_EVERSION || !behind)) {
        repl->searching = false;
        return false;
    }
    if (!top && !repl->searching)
        repl->searching = go_up(repl, f);
    else
        repl->searching = go_down(repl, f);
    return repl->searching;
}

/* In a transaction: what answered is what the feed is of from now on. */
static int adopt(struct replica__replication *repl, size_t feed, replica_error *err)
{
    int r = 0;

    for (size_t i = 0; r >= 0 && i < repl->n; i++) {
        const struct replica__endpoint *e = &repl->endpoints[i];
        struct stored s = { repl->colls[i]->number, e->version, e->confirmed };

        if (e->at != e->version && is_of_feed(&repl->feeds[feed], repl->colls[i]))
            r = change_version(repl, &s, e->at, err);
    }
    return r;
}

int replica__endpoint_adopt(struct replica__replication *repl, size_t feed, replica_error *err)
{
    struct replica__feed *f = &repl->feeds[feed];
    REPLICA_TXN txn = NULL;
    int r;

    repl->searching = false;
    if (!replica__endpoint_is_new(repl, feed))
        return 0;
    r = replica__lease_begin(repl, &txn, err);
    if (r >= 0)
        r = adopt(repl, feed, err);
    if (r >= 0)
        r = replica__txn_commit(&txn, err);
    if (r < 0)
        return r;
    replica__free(f->checkpoint);
    f->checkpoint = NULL;
    for (size_t i = 0; i < repl->n; i++) {
        struct replica__endpoint *e = &repl->endpoints[i];

        if (e->at == e->version || !is_of_feed(f, repl->colls[i]))
            continue;
        replica__db_log(repl->db, REPLICA_LOG_INFO, "migration",
                        "'%s' of version %d is replicated with the server's version %lld",
                        repl->colls[i]->name, repl->colls[i]->version, (long long)e->at);
        e->version = e->at;
    }
    return 1;
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
    replica__bind_int(stmt, 4, replica__endpoint_version(repl, coll), &rc);
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

    if (r > 0)
        r = replica__state_drop_base(repl->db, &s, err);
    if (r < 0 || !s.clean_seq)
        return r;
    if (deleted) /* what is not there needs no deletion */
        s.version = replica__endpoint_version(repl, coll);
    else
        replica__state_bring(&s, replica__endpoint_version(repl, coll), s.clean_seq);
    return replica__state_put(repl->db, &s, err);
}

/* 1: there may be more. */
static int bring_some(struct replica__replication *repl, const replica_collection *coll,
                      int64_t *after, replica_error *err)
{
    int64_t version = replica__endpoint_version(repl, coll);
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
        r = put_stored(repl, &(struct stored){ coll->number, version, version }, err);
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

        if (!is_unconfirmed(&repl->endpoints[i]) || !is_of_feed(f, repl->colls[i]))
            continue;
        do
            r = bring_some(repl, repl->colls[i], &after, err);
        while (r > 0);
        if (r < 0)
            return r;
        repl->endpoints[i].confirmed = repl->endpoints[i].version;
        done = 1;
        replica__db_log(repl->db, REPLICA_LOG_INFO, "migration",
                        "'%s' is confirmed at the server's version %lld", repl->colls[i]->name,
                        (long long)repl->endpoints[i].version);
    }
    return done;
}
