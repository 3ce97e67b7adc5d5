/* Conflicts that wait, shown to a person and answered by one: from any process, whether or not a
 * replication runs.  One that runs meets the answer as a commit of somebody else. */
#include "libreplica/collection.h"
#include "libreplica/document.h"
#include "libreplica/replication/aside.h"
#include "libreplica/replication/conflict_log.h"
#include "libreplica/replication/discard.h"
#include "libreplica/txn.h"

#include <string.h>

/* ---- listing --------------------------------------------------------------------- */

struct waiting {
    int64_t replication, doc; /* where the list stands */
    struct replica__state s;
    replica_conflict_entry shown;
    char collection[65];
    char *id, *name;
    bool asked;
};

static void waiting_clear(struct waiting *w)
{
    replica_doc_unref(w->shown.assumed);
    replica_doc_unref(w->shown.real);
    replica_doc_unref(w->shown.local);
    w->shown = (replica_conflict_entry){ .number = 0 };
    replica__free(w->id);
    replica__free(w->name);
    w->id = w->name = NULL;
}

/* The next one, as far as its row of state goes: 1, 0. */
static int find_next(replica_db *db, int64_t coll, struct waiting *w, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    int rc = SQLITE_OK;
    int r = replica__sql_get(db, REPLICA__SQL_STATE_WAITING, &stmt, err);

    if (r < 0)
        return r;
    replica__bind_int(stmt, 1, w->replication, &rc);
    replica__bind_int(stmt, 2, w->doc, &rc);
    replica__bind_int_or_null(stmt, 3, coll, &rc);
    r = replica__sql_step(db, stmt, rc, err);
    if (r <= 0)
        return r;
    w->replication = sqlite3_column_int64(stmt, 0);
    w->doc = sqlite3_column_int64(stmt, 1);
    w->asked = sqlite3_column_int(stmt, 2) != 0;
    r = replica__state_get(db, w->doc, w->replication, &w->s, err);
    return r < 0 ? r : 1;
}

static int read_states(replica_db *db, struct waiting *w, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    struct replica__row row;
    int r = replica__row_by_number(db, w->doc, &stmt, &row, err);

    if (r <= 0)
        return r;
    w->id = replica__strdup(row.id);
    if (!w->id)
        return replica__enomem(err);
    r = replica__collection_name(db, row.coll, w->collection, err);
    if (r >= 0)
        r = replica__replication_name(db, w->replication, &w->name, err);
    if (r >= 0)
        r = replica__row_doc(db, w->collection, &row, &w->shown.local, err);
    replica__sql_reset(&stmt);
    if (r >= 0)
        r = replica__kept_doc(db, w->collection, w->id, w->s.base, &w->shown.assumed, err);
    if (r >= 0)
        r = replica__kept_doc(db, w->collection, w->id, w->s.unsettled, &w->shown.real, err);
    if (r < 0)
        return r;
    w->shown.collection = w->collection;
    w->shown.id = w->id;
    w->shown.replication = w->name;
    w->shown.rule = w->asked ? "ask" : "";
    w->shown.time_ms = replica_doc_time(w->shown.real);
    return 1;
}

int replica_conflict_waiting(replica_db *db, replica_collection *coll,
                             int (*fn)(void *ctx, const replica_conflict_entry *entry), void *ctx,
                             replica_error *err)
{
    struct waiting w = { .replication = 0 };
    int r = 1;

    if (!db || !fn)
        return replica__error_set(err, REPLICA_EINVAL, 0, "no database, or no function");
    while (r > 0) {
        REPLICA_READ read = NULL;
        int answer = 0;

        r = replica__read_begin(db, &read, err);
        if (r >= 0)
            r = find_next(db, coll ? coll->number : 0, &w, err);
        if (r > 0)
            r = read_states(db, &w, err);
        replica__read_end(&read);
        if (r > 0)
            answer = fn(ctx, &w.shown);
        waiting_clear(&w);
        if (answer != 0)
            return answer;
    }
    return r;
}

/* ---- answering ------------------------------------------------------------------- */

/* The real state becomes the base of the local one, which is to be pushed. */
static int keep_local(replica_collection *coll, const struct replica__row *row,
                      struct replica__state *s, const struct replica__kept *real,
                      replica_error *err)
{
    const struct replica__kept local = { .flags = row->flags & REPLICA__FLAG_DELETED,
                                         .version = row->version,
                                         .stamp = row->stamp,
                                         .body = row->body,
                                         .len = row->len };
    int64_t endpoint;
    int r = replica__endpoint_of(coll->db, s->replication, coll, &endpoint, err);

    if (r >= 0)
        r = replica__conflict_log_add(coll->db,
                                      &(struct replica__logged){ .replication = s->replication,
                                                                 .row = row,
                                                                 .rule = "person",
                                                                 .assumed = s->base,
                                                                 .real = s->unsettled,
                                                                 .result = &local },
                                      err);
    if (r >= 0)
        r = replica__state_drop_base(coll->db, s, err);
    if (r < 0)
        return r;
    s->base = s->unsettled;
    s->unsettled = 0;
    if (s->clean_seq >= row->seq)
        s->clean_seq = row->seq - 1;
    s->incarnation = real->incarnation;
    s->server_seq = real->server_seq;
    s->version = endpoint - (real->version < endpoint && !(real->flags & REPLICA__FLAG_DELETED));
    s->rounds = s->aside_seq = s->lost_seq = 0;
    s->todo = REPLICA__TODO_NOW;
    return replica__state_put(coll->db, s, err);
}

static int answer_one(replica_collection *coll, const struct replica__row *row,
                      struct replica__state *s, int answer, replica_error *err)
{
    replica_db *db = coll->db;
    REPLICA_STMT stmt = NULL;
    struct replica__kept real;
    int r = replica__kept_get(db, s->unsettled, &stmt, &real, err);

    if (r < 0)
        return r;
    if (replica__state_under_way(db, s, row) || real.flags & REPLICA__FLAG_HALF)
        return replica__error_set(err, REPLICA_EBUSY, 0, "'%s', or its bundle, is on its way",
                                  row->id);
    if (answer == REPLICA_ANSWER_LOCAL)
        return keep_local(coll, row, s, &real, err);
    replica__sql_reset(&stmt);
    return replica__go_back(db, row, s, coll, "person", err);
}

/* In the replications behind *after that are in conflict about it, one: 1, 0. */
static int answer_next(replica_collection *coll, const char *id, const char *replication,
                       int answer, int64_t *after, replica_error *err)
{
    replica_db *db = coll->db;
    REPLICA_STMT stmt = NULL;
    REPLICA_STMT next = NULL;
    struct replica__row row;
    struct replica__state s;
    int rc = SQLITE_OK;
    int r = replica__row_find(coll, id, strlen(id), &stmt, &row, err);

    if (r > 0)
        r = replica__sql_get(db, REPLICA__SQL_STATE_IN_CONFLICT, &next, err);
    if (r < 0 || !next)
        return r;
    replica__bind_int(next, 1, row.number, &rc);
    replica__bind_int(next, 2, *after, &rc);
    replica__bind_text(next, 3, replication, REPLICA_NUL, &rc);
    r = replica__sql_step(db, next, rc, err);
    if (r <= 0)
        return r;
    *after = sqlite3_column_int64(next, 0);
    replica__sql_reset(&next);
    r = replica__state_get(db, row.number, *after, &s, err);
    if (r >= 0)
        r = answer_one(coll, &row, &s, answer, err);
    if (r >= 0)
        r = replica__aside_give_up(db, *after, coll->number, id, err);
    return r < 0 ? r : 1;
}

int replica_conflict_answer(replica_collection *coll, const char *id, const char *replication,
                            int answer, replica_error *err)
{
    REPLICA_TXN txn = NULL;
    int64_t after = 0;
    int found = 0;
    int r;

    if (!coll || !id || (answer != REPLICA_ANSWER_LOCAL && answer != REPLICA_ANSWER_REAL))
        return replica__error_set(err, REPLICA_EINVAL, 0, "no collection, id, or no such answer");
    r = replica__txn_begin(coll->db, &txn, err);
    if (r < 0)
        return r;
    while ((r = answer_next(coll, id, replication, answer, &after, err)) > 0)
        found = 1;
    if (r < 0 || !found)
        return r;
    r = replica__txn_commit(&txn, err);
    return r < 0 ? r : 1;
}
