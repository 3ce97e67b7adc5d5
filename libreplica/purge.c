/* Purging: tombstones that nobody needs any more go altogether.
 *
 * A tombstone goes when it is old, every replication of its collection has it in step and has read
 * the server's feed beyond it, and no entry of a document set aside names it.  What could still
 * bring the document back is a state from before its deletion that is late on its way:
 *
 *   with the server's numbers, `feed.purged` is the highest number of what went, and a document
 *   that is absent here with that number or a lower one is old (the feed's checkpoint lies behind
 *   it, so that no page tells of it as news);
 *   without them, an event about a document that is absent here is only a sign to ask, once
 *   `collection.purged` says that there was a purge (up to which of our own numbers: live queries
 *   that have not read so far yet ask anew);
 *   where the file serves clients, `collection.purged` is the horizon: who has read up to a number
 *   below it compares all that it has before it goes on, and what comes from before it is no news
 *   (master_push.c).
 *
 * There a slice stops before the first write that is younger than the age: what stands behind it
 * came later, whatever its stamp says.
 *
 * The newest write of the file stays, for the head is read from it, and so does the highest number
 * of a document, which SQLite would give to another one. */
#include "libreplica/purge.h"

#include "libreplica/collection.h"
#include "libreplica/history.h"
#include "libreplica/index/index.h"
#include "libreplica/master.h"
#include "libreplica/replication/master_was.h"
#include "libreplica/replication/state.h"
#include "libreplica/txn.h"

#include <string.h>

#define IDLE_MS (INT64_C(90) * 24 * 3600 * 1000)
#define BATCH 200 /* in one transaction: 200 take about 2 ms */
#define WINDOW 50000 /* of the feed is looked through at a time, which takes as long */
#define WAS_DOCS 500

struct purging {
    replica_db *db;
    replica_collection *coll;
    int64_t before;  /* stamp: older ones go */
    int64_t since;   /* replications that were seen after this count */
    int64_t highest; /* number of a document, in this transaction */
    int64_t last;    /* sequence number of what went */
    struct replica__purge *at;
    bool serves;     /* the age of what came late counts from when it came */
    replica_error *err;
};

static int end_of_window(struct purging *p, int64_t *ret_end)
{
    REPLICA_STMT stmt = NULL;
    int r = replica__sql_row(p->db, REPLICA__SQL_PURGE_WINDOW, &stmt, p->err, p->coll->number,
                             p->at->after, WINDOW);

    *ret_end = r > 0 ? sqlite3_column_int64(stmt, 0) : 0;
    return r < 0 ? r : *ret_end > 0;
}

/* What stands behind a write that is young came later than that, whatever its stamp says: who was
 * offline for long brings deletions of long ago, of which the others have not heard. */
static int find_young(struct purging *p, int64_t end)
{
    REPLICA_STMT stmt = NULL;
    int r;

    if (!p->serves || p->at->young)
        return 0;
    r = replica__sql_row(p->db, REPLICA__SQL_PURGE_YOUNG, &stmt, p->err, p->coll->number,
                         p->at->after, end, p->before);
    if (r > 0)
        p->at->young = sqlite3_column_int64(stmt, 0);
    return r < 0 ? r : 0;
}

/* Tombstones that come next and look as if they could go.  1: there is more behind them; 0: there
 * is not. */
static int find(struct purging *p, int64_t *numbers, size_t *ret_n)
{
    REPLICA_STMT stmt = NULL;
    size_t n = 0;
    int64_t end;
    int r = end_of_window(p, &end);

    *ret_n = 0;
    if (r <= 0)
        return r;
    r = find_young(p, end);
    if (r < 0)
        return r;
    if (p->at->young && end >= p->at->young)
        end = p->at->young - 1;
    if (end <= p->at->after)
        return 0;
    r = replica__sql_with(p->db, REPLICA__SQL_PURGE_NEXT, &stmt, p->err, p->coll->number,
                          p->at->after, p->before, p->since, BATCH, end);
    if (r < 0)
        return r;
    while (n < BATCH && (r = replica__sql_step(p->db, stmt, SQLITE_OK, p->err)) > 0) {
        numbers[n++] = sqlite3_column_int64(stmt, 0);
        p->at->after = sqlite3_column_int64(stmt, 1);
    }
    if (r < 0)
        return r;
    if (n < BATCH)
        p->at->after = end;
    *ret_n = n;
    return 1;
}

int replica__doc_passed(replica_db *db, const struct replica__row *row, int64_t since,
                        replica_error *err)
{
    return replica__sql_run(db, REPLICA__SQL_DOC_PASSED, err, row->number, row->seq, since);
}

/* The number that a checkpoint names; -1: it names none. */
static int64_t place_of(const char *checkpoint, size_t len)
{
    struct replica__json_value v;
    int64_t number;

    if (replica__json_check(checkpoint, len, NULL, NULL) < 0)
        return -1;
    v = replica__json_value(checkpoint, len);
    if (v.type != REPLICA_JSON_OBJECT ||
        !replica__json_int(replica__json_member(v, "lwt", REPLICA_NUL), &number))
        return -1;
    return number;
}

/* Has each feed's checkpoint passed the server's number of it?  One that never pulled (its
 * checkpoint is NULL) meets no state of the server. */
static int feeds_passed(struct purging *p, const struct replica__row *row)
{
    REPLICA_STMT stmt = NULL;
    int r = replica__sql_with(p->db, REPLICA__SQL_PURGE_FEEDS, &stmt, p->err, row->number,
                              row->coll, p->since);

    if (r < 0)
        return r;
    while ((r = replica__sql_step(p->db, stmt, SQLITE_OK, p->err)) > 0) {
        const char *checkpoint = (const char *)sqlite3_column_text(stmt, 0);

        if (!checkpoint)
            return replica__enomem(p->err);
        if (place_of(checkpoint, strlen(checkpoint)) < sqlite3_column_int64(stmt, 1))
            return 0;
    }
    return r < 0 ? r : 1;
}

/* What its rows of state keep. */
static int drop_kept(struct purging *p, int64_t doc)
{
    struct replica__state s = { 0 };
    int64_t after = -1;
    int r;

    do {
        REPLICA_STMT stmt = NULL;

        r = replica__sql_row(p->db, REPLICA__SQL_STATE_OF_DOC, &stmt, p->err, doc, after);
        if (r <= 0)
            return r;
        replica__state_read(stmt, &s);
        after = s.replication;
        replica__sql_reset(&stmt);
        r = replica__state_drop_texts(p->db, &s, p->err);
    } while (r >= 0);
    return r;
}

static int drop(struct purging *p, int64_t number)
{
    static const enum replica__sql rows[] = {
        REPLICA__SQL_PURGE_STATES,
        REPLICA__SQL_PURGE_TAKEN,
        REPLICA__SQL_PURGE_MEMBER,
        REPLICA__SQL_PURGE_DOC,
    };
    int r = replica__sql_run(p->db, REPLICA__SQL_PURGE_FLOOR, p->err, number, p->coll->number,
                             p->since);

    if (r >= 0)
        r = replica__sql_run(p->db, REPLICA__SQL_PURGE_OPERATIONS, p->err, number);
    if (r >= 0)
        r = drop_kept(p, number);
    if (r >= 0)
        r = replica__was_drop(p->db, number, p->err);
    if (r >= 0)
        r = replica__history_trim(p->db, number, 0, p->err);
    for (size_t i = 0; r >= 0 && i < sizeof rows / sizeof rows[0]; i++)
        r = replica__sql_run(p->db, rows[i], p->err, number);
    return r;
}

/* One of those that were found, in the transaction that may take it. */
static int purge_one(struct purging *p, int64_t number)
{
    REPLICA_STMT stmt = NULL;
    struct replica__row row;
    int r = replica__row_by_number(p->db, number, &stmt, &row, p->err);

    if (r <= 0)
        return r;
    if (!(row.flags & REPLICA__FLAG_DELETED) || row.stamp >= p->before ||
        row.seq >= p->db->head || number >= p->highest)
        return 0;
    r = replica__doc_passed(p->db, &row, p->since, p->err);
    if (r > 0)
        r = feeds_passed(p, &row);
    if (r > 0) {
        r = replica__index_purge(p->db, p->coll, &row, p->err);
        r = r < 0 ? r : 1;
    }
    if (r <= 0)
        return r;
    p->last = row.seq > p->last ? row.seq : p->last;
    replica__sql_reset(&stmt); /* its row goes */
    r = drop(p, number);
    return r < 0 ? r : 1;
}

static int purge_some(struct purging *p, const int64_t *numbers, size_t n)
{
    REPLICA_TXN txn = NULL;
    int64_t count = 0;
    int r = replica__txn_begin(p->db, &txn, p->err);

    if (r >= 0)
        r = replica__sql_int(p->db, REPLICA__SQL_DOC_HIGHEST, &p->highest, p->err);
    p->last = 0;
    for (size_t i = 0; r >= 0 && i < n; i++) {
        r = purge_one(p, numbers[i]);
        count += r > 0;
    }
    if (r >= 0 && count > 0)
        r = replica__sql_run(p->db, REPLICA__SQL_COLL_PURGED, p->err, p->coll->number, p->last);
    if (r >= 0)
        r = replica__txn_commit(&txn, p->err);
    if (r >= 0)
        p->at->count += count;
    return r;
}

/* ---- what access rules read ------------------------------------------------------ */

/* Of documents that come next, the highest number up to which what they were is old: it becomes
 * the horizon. */
static int raise_horizon(struct purging *p, int64_t *ret_horizon)
{
    REPLICA_STMT stmt = NULL;
    int64_t old;
    int r = replica__sql_row(p->db, REPLICA__SQL_PURGE_WAS, &stmt, p->err, p->coll->number,
                             p->at->after, p->before, WAS_DOCS,
                             p->at->young ? p->at->young : INT64_MAX);

    if (r < 0)
        return r;
    old = r > 0 ? sqlite3_column_int64(stmt, 1) : 0;
    replica__sql_reset(&stmt);
    if (old > 0)
        r = replica__sql_run(p->db, REPLICA__SQL_COLL_PURGED, p->err, p->coll->number, old);
    return r < 0 ? r : replica__master_horizon(p->db, p->coll, ret_horizon, p->err);
}

static int trim_some(struct purging *p)
{
    REPLICA_TXN txn = NULL;
    int64_t horizon = 0;
    int more;
    int r = p->coll->reads ? replica__txn_begin(p->db, &txn, p->err) : 0;

    if (r < 0 || !txn)
        return r;
    r = raise_horizon(p, &horizon);
    if (r >= 0)
        r = more = replica__was_trim(p->db, p->coll->number, horizon, &p->at->after, p->err);
    if (r >= 0)
        r = replica__txn_commit(&txn, p->err);
    return r < 0 ? r : more;
}

/* ---- in slices ------------------------------------------------------------------- */

/* Some of a collection.  1: there is more of it. */
static int purge_slice(struct purging *p)
{
    int64_t numbers[BATCH];
    size_t n = 0;
    int more, r;

    if (p->at->was)
        return trim_some(p);
    r = more = find(p, numbers, &n);
    if (r >= 0 && n > 0)
        r = purge_some(p, numbers, n);
    if (r < 0)
        return r;
    if (!more) { /* now what the rules read */
        p->at->was = true;
        p->at->after = 0;
    }
    return 1;
}

/* The collection that is at turn, in the order of their numbers: 1; 0: there is none. */
static int collection_at(replica_db *db, int64_t number, int64_t *ret_number, char **ret_name,
                         replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    int r = replica__sql_row(db, REPLICA__SQL_PURGE_COLL, &stmt, err, number - 1);

    if (r <= 0)
        return r;
    *ret_number = sqlite3_column_int64(stmt, 0);
    *ret_name = replica__strdup((const char *)sqlite3_column_text(stmt, 1));
    return *ret_name ? 1 : replica__enomem(err);
}

static int purge_next(struct purging *p)
{
    REPLICA_BORROWED coll = NULL;
    REPLICA_FREE char *name = NULL;
    int64_t number = 0;
    int r = collection_at(p->db, p->at->coll, &number, &name, p->err);

    if (r > 0 && number != p->at->coll)
        *p->at = (struct replica__purge){ .coll = number, .count = p->at->count };
    if (r > 0)
        r = replica__collection_borrow(p->db, name, &coll, p->err);
    if (r < 0 || !name)
        return r;
    p->coll = coll;
    r = purge_slice(p);
    if (r == 0)
        *p->at = (struct replica__purge){ .coll = number + 1, .count = p->at->count };
    return r < 0 ? r : 1;
}

static int begin(struct purging *p, int64_t older_ms, int64_t idle_ms)
{
    int64_t now;

    if (older_ms < 0 || idle_ms < 0)
        return replica__error_set(p->err, REPLICA_EINVAL, 0, "a time below zero");
    if (p->db->flags & REPLICA_DB_READ_ONLY)
        return replica__error_set(p->err, REPLICA_EREADONLY, 0, "the database is open read-only");
    now = p->db->world->now_ms(p->db->world->ctx);
    p->before = older_ms < now ? (now - older_ms) << 16 : 0;
    p->since = now - (idle_ms ? idle_ms : IDLE_MS);
    return 0;
}

int replica__master_purge(replica_db *db, int64_t older_ms, struct replica__purge *at,
                          replica_error *err)
{
    struct replica__purge next = *at;
    struct purging p = { .db = db, .at = &next, .serves = true, .err = err };
    int r = begin(&p, older_ms, 0);

    if (r >= 0)
        r = purge_next(&p);
    if (r >= 0) /* else it is tried again from here */
        *at = next;
    return r;
}

int replica__master_horizon(replica_db *db, replica_collection *coll, int64_t *ret_horizon,
                            replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    int rc = SQLITE_OK;
    int r = replica__sql_get(db, coll ? REPLICA__SQL_COLL_PURGED_TO : REPLICA__SQL_PURGED_TO,
                             &stmt, err);

    if (r < 0)
        return r;
    if (coll)
        replica__bind_int(stmt, 1, coll->number, &rc);
    r = replica__sql_step(db, stmt, rc, err);
    if (r < 0)
        return r;
    *ret_horizon = r > 0 ? sqlite3_column_int64(stmt, 0) : 0;
    return 0;
}

int replica_purge(replica_db *db, replica_collection *coll, int64_t older_ms, int64_t idle_ms,
                  int64_t *ret_count, replica_error *err)
{
    struct replica__purge at = { 0 };
    struct purging p = { .db = db, .coll = coll, .at = &at, .err = err };
    int r;

    if (!db || (coll && coll->db != db))
        return replica__error_set(err, REPLICA_EINVAL, 0,
                                  "no database, or another one's collection");
    r = begin(&p, older_ms, idle_ms);
    if (r < 0)
        return r;
    do
        r = coll ? purge_slice(&p) : purge_next(&p);
    while (r > 0);
    if (r < 0)
        return r;
    if (ret_count)
        *ret_count = at.count;
    return 0;
}
