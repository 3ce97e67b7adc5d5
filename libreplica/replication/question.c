/* Questions: the documents whose newest real master state could not be applied, as they are put to
 * rules and handlers. */
#include "libreplica/document.h"
#include "libreplica/migrate/migrate.h"
#include "libreplica/replication/pull.h"
#include "libreplica/replication/settle.h"
#include "libreplica/txn.h"

#include <string.h>

/* ---- the group of a document ------------------------------------------------------ */

int replica__settle_member(struct replica__replication *repl, int64_t doc, sqlite3_stmt **stmt,
                           struct replica__row *ret, struct replica__state *ret_state,
                           replica_error *err)
{
    int r = replica__sql_row(repl->db, REPLICA__SQL_DOC_KEY, stmt, err, doc);

    if (r <= 0)
        return r;
    *ret = (struct replica__row){ .number = doc,
                                  .seq = sqlite3_column_int64(*stmt, 0),
                                  .coll = sqlite3_column_int64(*stmt, 1),
                                  .id = (const char *)sqlite3_column_text(*stmt, 2) };
    if (!ret->id)
        return replica__enomem(err);
    r = replica__state_get(repl->db, doc, repl->number, ret_state, err);
    return r < 0 ? r : 1;
}

int replica__settle_group(struct replica__replication *repl, const struct replica__row *row,
                          struct replica__group *ret, replica_error *err)
{
    int64_t coll = repl->feed_count > 0 && !repl->feeds[0].coll ? 0 : row->coll;

    return replica__group_find(repl->db, repl->number, coll, row->number, false, ret, err);
}

/* ---- reading the questions ------------------------------------------------------- */

/* The server lost the local state.  Is what it has now from before that, or an older state that
 * somebody else brought back?  Of one document each state is stamped above the one before. */
static int compare_lost(struct replica__replication *repl, const struct replica__state *s,
                        const struct replica__row *row, struct replica__unsettled *u,
                        replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    struct replica__kept real;
    int64_t common = 0;
    int r = replica__kept_get(repl->db, s->unsettled, &stmt, &real, err);

    if (r < 0) {
        replica__unsettled_free(u, 1);
        return r;
    }
    for (size_t i = 0; i < repl->feed_count; i++) {
        if (!repl->feeds[i].coll || repl->feeds[i].coll == row->coll)
            common = repl->feeds[i].common;
    }
    u->lost_is_next = real.server_seq <= common;
    u->lost_is_newer = u->lost_is_next || real.stamp < row->stamp;
    return 1;
}

/* A bundle's others are pulled first, so that no member is seen without them. */
static int is_half(replica_db *db, int64_t unsettled, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    struct replica__kept k;
    int r = replica__kept_get(db, unsettled, &stmt, &k, err);

    return r < 0 ? r : (k.flags & REPLICA__FLAG_HALF) != 0;
}

int replica__feed_whole(struct replica__replication *repl, size_t feed, replica_error *err)
{
    REPLICA_TXN txn = NULL;
    int r = replica__lease_begin(repl, &txn, err);

    if (r >= 0)
        r = replica__sql_run(repl->db, REPLICA__SQL_KEPT_WHOLE, err, repl->number,
                             repl->feeds[feed].coll);
    return r < 0 ? r : replica__txn_commit(&txn, err);
}

/* Is it part of a group that a conflict refuses?  1, 0; FIRM_WAITS: it is, and one of the others is
 * under way, whose verdict comes first. */
enum { FIRM_WAITS = 2 };
static int is_firm(struct replica__replication *repl, const struct replica__row *row,
                   replica_error *err)
{
    REPLICA_GROUP g = { 0 };
    int r = repl->db->bundled ? replica__settle_group(repl, row, &g, err) : 0;

    if (r < 0 || !g.firm)
        return r < 0 ? r : 0;
    for (size_t i = 0; i < g.n; i++) {
        REPLICA_STMT stmt = NULL;
        struct replica__state s;
        struct replica__row member;

        r = replica__settle_member(repl, g.docs[i], &stmt, &member, &s, err);
        if (r < 0)
            return r;
        if (r > 0 && replica__state_under_way(repl->db, &s, &member))
            return FIRM_WAITS;
    }
    return 1;
}

static int read_question(struct replica__replication *repl, int64_t number,
                         struct replica__unsettled *ret, replica_error *err)
{
    replica_db *db = repl->db;
    REPLICA_DOC assumed = NULL;
    REPLICA_DOC real = NULL;
    REPLICA_DOC local = NULL;
    REPLICA_STMT stmt = NULL;
    struct replica__state s;
    struct replica__row row;
    replica_collection *coll;
    int64_t endpoint;
    int firm;
    int r = replica__row_by_number(db, number, &stmt, &row, err);

    if (r <= 0)
        return r;
    coll = replica__replication_collection(repl, row.coll);
    r = replica__state_get(db, number, repl->number, &s, err);
    if (r < 0)
        return r;
    if (!coll || !s.unsettled || replica__state_under_way(db, &s, &row))
        return 0;
    if (row.version < coll->version && !(row.flags & REPLICA__FLAG_DELETED))
        return 0; /* it rises first */
    r = is_half(db, s.unsettled, err);
    if (r != 0)
        return r < 0 ? r : 0;
    firm = s.clean_seq == row.seq ? 0 : is_firm(repl, &row, err);
    if (firm < 0 || firm == FIRM_WAITS)
        return firm < 0 ? firm : 0;
    r = replica__row_doc(db, coll->name, &row, &local, err);
    if (r >= 0)
        r = replica__kept_doc(db, coll->name, row.id, s.base, &assumed, err);
    if (r >= 0)
        r = replica__kept_doc(db, coll->name, row.id, s.unsettled, &real, err);
    if (r < 0)
        return r;
    *ret = (struct replica__unsettled){
        .coll = coll,
        .doc = number,
        .local_sequence = row.seq,
        .unsettled = s.unsettled,
        .assumed = replica_doc_ref(assumed),
        .real = replica_doc_ref(real),
        .local = replica_doc_ref(local),
        .rounds = (int)s.rounds,
        .clean = s.clean_seq == row.seq,
        .lost = s.lost_seq == row.seq,
        .firm = firm > 0,
    };
    endpoint = replica__endpoint_version(repl, coll);
    ret->real_older = replica__doc_version(real) < endpoint;
    /* In step with an older version's endpoint, and brought to this one's: it has it after all. */
    if (ret->lost && s.version != endpoint) {
        ret->lost = false;
        ret->clean = true;
    }
    return ret->lost ? compare_lost(repl, &s, &row, ret, err) : 1;
}

#define BATCH 64

static int find(struct replica__replication *repl, int64_t after, int64_t *numbers, size_t *ret_n,
                replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    int rc = SQLITE_OK;
    int r = replica__sql_get(repl->db, REPLICA__SQL_STATE_UNSETTLED, &stmt, err);

    *ret_n = 0;
    if (r < 0)
        return r;
    replica__bind_int(stmt, 1, repl->number, &rc);
    replica__bind_int(stmt, 2, after, &rc);
    replica__bind_int(stmt, 3, BATCH, &rc);
    while ((r = replica__sql_step(repl->db, stmt, rc, err)) > 0)
        numbers[(*ret_n)++] = sqlite3_column_int64(stmt, 0);
    return r;
}

int replica__unsettled_next(struct replica__replication *repl, int64_t after,
                            struct replica__unsettled *ret, size_t n, replica_error *err)
{
    int64_t numbers[BATCH];
    REPLICA_READ read = NULL;
    size_t found, count = 0;
    int r = replica__read_begin(repl->db, &read, err);

    if (r >= 0)
        r = replica__txn_know(repl->db, err); /* the ranges that are under way */
    do {
        if (r >= 0)
            r = find(repl, after, numbers, &found, err);
        for (size_t i = 0; r >= 0 && i < found && count < n; i++) {
            after = numbers[i];
            r = read_question(repl, after, &ret[count], err);
            count += r > 0;
        }
    } while (r >= 0 && found == BATCH && count < n);
    if (r < 0) {
        replica__unsettled_free(ret, count);
        return r;
    }
    return (int)count;
}

/* ---- questions between versions --------------------------------------------------- */

static bool is_older(const struct replica__unsettled *u, const replica_doc *doc)
{
    return doc && replica__doc_version(doc) < u->coll->version;
}

bool replica__unsettled_is_older(const struct replica__unsettled *u)
{
    return is_older(u, u->real) || is_older(u, u->assumed);
}

/* tombstone: that is what a state becomes that the steps drop; else none. */
static int rise(const struct replica__unsettled *u, replica_doc **doc, bool tombstone,
                replica_error *err)
{
    replica_doc *risen = NULL;
    const char *json;
    size_t len;
    int r = is_older(u, *doc) ? replica__migrate_state(u->coll, *doc, &risen, err) : 0;

    if (r < 0 || !is_older(u, *doc))
        return r;
    if (r == REPLICA__MIGRATED_DROP && tombstone) {
        json = replica_doc_json(*doc, &len);
        r = replica__doc_new(u->coll, replica_doc_id(*doc), json, len, true, &risen, err);
        if (r < 0)
            return r;
    }
    replica_doc_unref(*doc);
    *doc = risen;
    return 0;
}

int replica__unsettled_rise(struct replica__unsettled *u, replica_error *err)
{
    int r = rise(u, &u->real, true, err);

    return r < 0 ? r : rise(u, &u->assumed, false, err);
}

int replica__unsettled_put(struct replica__replication *repl, const struct replica__unsettled *u,
                           replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    REPLICA_TXN txn = NULL;
    struct replica__state s;
    struct replica__kept k;
    int64_t kept = 0;
    int r = replica__lease_begin(repl, &txn, err);

    if (r >= 0)
        r = replica__state_get(repl->db, u->doc, repl->number, &s, err);
    if (r <= 0 || s.unsettled != u->unsettled)
        return r < 0 ? r : 0;
    r = replica__kept_get(repl->db, s.unsettled, &stmt, &k, err);
    if (r < 0)
        return r;
    k.version = u->coll->version;
    k.flags = REPLICA__FLAG_OLDER | (replica_doc_deleted(u->real) ? REPLICA__FLAG_DELETED : 0);
    k.body = replica_doc_json(u->real, &k.len);
    r = replica__kept_add(repl->db, &k, 1, &kept, err);
    replica__sql_reset(&stmt);
    if (r >= 0)
        r = replica__state_drop_unsettled(repl->db, &s, err);
    s.unsettled = kept;
    if (r >= 0)
        r = replica__state_put(repl->db, &s, err);
    return r < 0 ? r : replica__txn_commit(&txn, err);
}

void replica__unsettled_free(struct replica__unsettled *u, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        u[i].assumed = replica_doc_unref(u[i].assumed);
        u[i].real = replica_doc_unref(u[i].real);
        u[i].local = replica_doc_unref(u[i].local);
    }
}
