#include "libreplica/replication/aside.h"

#include "libreplica/collection.h"
#include "libreplica/replication/conflict_log.h"
#include "libreplica/document.h"
#include "libreplica/migrate/migrate.h"
#include "libreplica/txn.h"
#include "libreplica/write.h"

#include <string.h>

int replica__aside_put(replica_db *db, const struct replica__aside *a, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    int rc = SQLITE_OK;
    int r = replica__sql_get(db, REPLICA__SQL_ASIDE_PUT, &stmt, err);

    if (r < 0)
        return r;
    replica__bind_int(stmt, 1, a->replication, &rc);
    replica__bind_int(stmt, 2, a->coll, &rc);
    replica__bind_text(stmt, 3, a->id, REPLICA_NUL, &rc);
    replica__bind_int(stmt, 4, a->kind, &rc);
    replica__bind_int(stmt, 5, a->code, &rc);
    replica__bind_text(stmt, 6, a->reason ? a->reason : "", REPLICA_NUL, &rc);
    replica__bind_int(stmt, 7, db->world->now_ms(db->world->ctx), &rc);
    replica__bind_text(stmt, 8, a->text, a->text ? a->text_len : 0, &rc);
    db->set_aside = true;
    return replica__sql_step(db, stmt, rc, err);
}

int replica__aside_set(replica_db *db, const struct replica__aside *a, struct replica__state *s,
                       int64_t seq, replica_error *err)
{
    int r = replica__aside_put(db, a, err);

    if (r < 0)
        return r;
    s->aside_seq = seq;
    s->todo = 0;
    return replica__state_put(db, s, err);
}

/* Run one of the statements that begin with coll, doc, replication. */
static int run_for(replica_db *db, int sql, int64_t replication, int64_t coll, const char *id,
                   const char *text, size_t len, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    int rc = SQLITE_OK;
    int r = replica__sql_get(db, sql, &stmt, err);

    if (r < 0)
        return r;
    replica__bind_int(stmt, 1, coll, &rc);
    replica__bind_text(stmt, 2, id, REPLICA_NUL, &rc);
    replica__bind_int(stmt, 3, replication, &rc);
    if (text)
        replica__bind_text(stmt, 4, text, len, &rc);
    return replica__sql_step(db, stmt, rc, err);
}

int replica__aside_came(replica_db *db, const struct replica__aside *a, replica_error *err)
{
    int r = 0;

    if (db->set_aside) {
        r = run_for(db, REPLICA__SQL_ASIDE_BESIDE, a->replication, a->coll, a->id,
                    a->text ? a->text : "", a->text ? a->text_len : 0, err);
        if (r < 0 || sqlite3_changes(db->sqlite) > 0)
            return r;
    }
    return replica__aside_put(db, a, err);
}

int replica__aside_came_right(replica_db *db, int64_t replication, int64_t coll, const char *id,
                              bool *ret_gone, replica_error *err)
{
    int r;

    *ret_gone = false;
    if (!db->set_aside)
        return 0;
    r = run_for(db, REPLICA__SQL_ASIDE_BESIDE_DROP, replication, coll, id, NULL, 0, err);
    if (r >= 0)
        r = replica__aside_drop(db, replication, coll, id, REPLICA_ASIDE_UNAPPLIED, err);
    *ret_gone = r >= 0 && sqlite3_changes(db->sqlite) > 0;
    return r;
}

int replica__aside_let_in(replica_db *db, int64_t replication, const struct replica__row *row,
                          replica_error *err)
{
    struct replica__state s;
    int r = replica__state_get(db, row->number, replication, &s, err);

    if (r <= 0 || s.aside_seq != row->seq)
        return r;
    s.aside_seq = s.rounds = 0;
    s.todo = REPLICA__TODO_NOW;
    return replica__state_put(db, &s, err);
}

int replica__aside_give_up(replica_db *db, int64_t replication, int64_t coll, const char *id,
                           replica_error *err)
{
    int r;

    if (!db->set_aside)
        return 0;
    r = run_for(db, REPLICA__SQL_ASIDE_BEHIND, replication, coll, id, NULL, 0, err);
    if (r > 0) {
        r = replica__sql_run(db, REPLICA__SQL_FEED_RESET, err, replication);
        if (r >= 0)
            r = replica__sql_run(db, REPLICA__SQL_NOTE_UNSYNCED, err, replication);
    }
    return r < 0 ? r : replica__aside_drop(db, replication, coll, id, 0, err);
}

int replica__aside_drop(replica_db *db, int64_t replication, int64_t coll, const char *id, int kind,
                        replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    int rc = SQLITE_OK;
    int r;

    if (!db->set_aside) /* almost always: spare the look */
        return 0;
    r = replica__sql_get(db, REPLICA__SQL_ASIDE_DROP, &stmt, err);
    if (r < 0)
        return r;
    replica__bind_int(stmt, 1, coll, &rc);
    replica__bind_text(stmt, 2, id, REPLICA_NUL, &rc);
    replica__bind_int(stmt, 3, replication, &rc);
    replica__bind_int_or_null(stmt, 4, kind, &rc);
    return replica__sql_step(db, stmt, rc, err);
}

int replica__aside_find(replica_db *db, int64_t number, struct replica__aside_target *t,
                        replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    int r = replica__sql_row(db, REPLICA__SQL_ASIDE_GET, &stmt, err, number);

    if (r <= 0)
        return r;
    t->replication = sqlite3_column_int64(stmt, 0);
    t->coll = sqlite3_column_int64(stmt, 1);
    t->kind = sqlite3_column_int(stmt, 3);
    t->id = replica__strdup((const char *)sqlite3_column_text(stmt, 2));
    return t->id ? 1 : replica__enomem(err);
}

/* ---- reading --------------------------------------------------------------------- */

struct entry {
    replica_rejected_entry shown;
    char collection[65];
    char *id, *replication, *reason, *text;
};

static void entry_free(struct entry *e)
{
    replica_doc_unref(e->shown.local);
    replica_doc_unref(e->shown.server);
    replica__free(e->id);
    replica__free(e->replication);
    replica__free(e->reason);
    replica__free(e->text);
}

/* Its states: what is stored here, and what the server is known to have. */
static int read_states(replica_db *db, int64_t coll, int64_t replication, struct entry *e,
                       replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    struct replica__state s;
    struct replica__row row;
    int r = replica__row_find_in(db, coll, e->id, REPLICA_NUL, &stmt, &row, err);

    if (r <= 0)
        return r;
    r = replica__row_doc(db, e->collection, &row, &e->shown.local, err);
    if (r >= 0)
        r = replica__state_get(db, row.number, replication, &s, err);
    if (r <= 0)
        return r;
    return replica__kept_doc(db, e->collection, e->id, s.unsettled ? s.unsettled : s.base,
                             &e->shown.server, err);
}

static int read_entry(replica_db *db, replica_collection *coll, int64_t after, struct entry *e,
                      replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    int64_t coll_number, replication;
    int rc = SQLITE_OK;
    int r = replica__sql_get(db, REPLICA__SQL_ASIDE_LIST, &stmt, err);

    if (r < 0)
        return r;
    replica__bind_int(stmt, 1, after, &rc);
    replica__bind_int_or_null(stmt, 2, coll ? coll->number : 0, &rc);
    r = replica__sql_step(db, stmt, rc, err);
    if (r <= 0)
        return r;
    replication = sqlite3_column_int64(stmt, 1);
    coll_number = sqlite3_column_int64(stmt, 2);
    e->shown.number = sqlite3_column_int64(stmt, 0);
    e->shown.kind = sqlite3_column_int(stmt, 4);
    e->shown.code = sqlite3_column_int(stmt, 5);
    e->shown.time_ms = sqlite3_column_int64(stmt, 7);
    e->id = replica__strdup((const char *)sqlite3_column_text(stmt, 3));
    e->reason = replica__strdup((const char *)sqlite3_column_text(stmt, 6));
    if (sqlite3_column_type(stmt, 8) != SQLITE_NULL) {
        e->shown.text_len = (size_t)sqlite3_column_bytes(stmt, 8);
        e->text = replica__strndup((const char *)sqlite3_column_text(stmt, 8), e->shown.text_len);
    }
    if (!e->id || !e->reason || (sqlite3_column_type(stmt, 8) != SQLITE_NULL && !e->text))
        return replica__enomem(err);
    r = replica__collection_name(db, coll_number, e->collection, err);
    if (r >= 0)
        r = replica__replication_name(db, replication, &e->replication, err);
    if (r >= 0)
        r = read_states(db, coll_number, replication, e, err);
    if (r < 0)
        return r;
    e->shown.collection = e->collection;
    e->shown.id = e->id;
    e->shown.replication = e->replication;
    e->shown.reason = e->reason;
    e->shown.text = e->text;
    return 1;
}

int replica_rejected(replica_db *db, replica_collection *coll,
                     int (*fn)(void *ctx, const replica_rejected_entry *entry), void *ctx,
                     replica_error *err)
{
    int64_t after = 0;
    int r = 1;

    if (!db || !fn)
        return replica__error_set(err, REPLICA_EINVAL, 0, "no database, or no function");
    while (r > 0) {
        struct entry e = { 0 };

        r = read_entry(db, coll, after, &e, err);
        after = e.shown.number;
        if (r > 0) {
            int answer = fn(ctx, &e.shown);

            if (answer != 0) {
                entry_free(&e);
                return answer;
            }
        }
        entry_free(&e);
    }
    return r;
}
