#include "libreplica/replication/conflict_log.h"

#include "libreplica/collection.h"
#include "libreplica/document.h"
#include "libreplica/migrate/migrate.h"
#include "libreplica/shape.h"
#include "libreplica/txn.h"
#include "libreplica/write.h"

#include <string.h>

int replica__conflict_log_add(replica_db *db, const struct replica__logged *e, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    int64_t local = 0, result = 0;
    int rc = SQLITE_OK;
    int r = replica__kept_add_row(db, e->row, 1, &local, err);

    if (r >= 0 && e->result)
        r = replica__kept_add(db, e->result, 1, &result, err);
    if (r >= 0 && e->assumed)
        r = replica__kept_ref(db, e->assumed, err);
    if (r >= 0)
        r = e->real ? replica__kept_ref(db, e->real, err) : 0;
    if (r >= 0)
        r = replica__sql_get(db, REPLICA__SQL_LOG_ADD, &stmt, err);
    if (r < 0)
        return r;
    replica__bind_int(stmt, 1, e->replication, &rc);
    replica__bind_int(stmt, 2, e->row->coll, &rc);
    replica__bind_text(stmt, 3, e->row->id, e->row->id_len, &rc);
    replica__bind_int(stmt, 4, db->world->now_ms(db->world->ctx), &rc);
    replica__bind_text(stmt, 5, e->rule, REPLICA_NUL, &rc);
    replica__bind_int_or_null(stmt, 6, e->assumed, &rc);
    replica__bind_int(stmt, 7, e->real, &rc);
    replica__bind_int(stmt, 8, local, &rc);
    replica__bind_int_or_null(stmt, 9, result, &rc);
    return replica__sql_step(db, stmt, rc, err);
}

/* ---- reading --------------------------------------------------------------------- */

struct entry {
    replica_conflict_entry shown;
    char collection[65];
    char *id, *replication, *rule;
};

static void entry_free(struct entry *e)
{
    replica_doc_unref(e->shown.assumed);
    replica_doc_unref(e->shown.real);
    replica_doc_unref(e->shown.local);
    replica_doc_unref(e->shown.result);
    replica__free(e->id);
    replica__free(e->replication);
    replica__free(e->rule);
}

int replica__replication_name(replica_db *db, int64_t number, char **ret_name, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    int rc = SQLITE_OK;
    int r = replica__sql_get(db, REPLICA__SQL_REPL_NAME, &stmt, err);

    if (r < 0)
        return r;
    replica__bind_int(stmt, 1, number, &rc);
    r = replica__sql_step(db, stmt, rc, err);
    if (r < 0)
        return r;
    *ret_name = replica__strdup(r > 0 ? (const char *)sqlite3_column_text(stmt, 0) : "");
    return *ret_name ? 0 : replica__enomem(err);
}

/* 1: the next entry; 0: the end. */
static int read_entry(replica_db *db, replica_collection *coll, int64_t after, struct entry *e,
                      replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    int64_t kept[4];
    replica_doc **docs[] = { &e->shown.assumed, &e->shown.real, &e->shown.local, &e->shown.result };
    int rc = SQLITE_OK;
    int r = replica__sql_get(db, REPLICA__SQL_LOG_LIST, &stmt, err);

    if (r < 0)
        return r;
    replica__bind_int(stmt, 1, after, &rc);
    replica__bind_int_or_null(stmt, 2, coll ? coll->number : 0, &rc);
    r = replica__sql_step(db, stmt, rc, err);
    if (r <= 0)
        return r;
    e->shown.number = sqlite3_column_int64(stmt, 0);
    e->shown.time_ms = sqlite3_column_int64(stmt, 4);
    e->id = replica__strdup((const char *)sqlite3_column_text(stmt, 3));
    e->rule = replica__strdup((const char *)sqlite3_column_text(stmt, 5));
    if (!e->id || !e->rule)
        return replica__enomem(err);
    for (int i = 0; i < 4; i++)
        kept[i] = sqlite3_column_int64(stmt, 6 + i);
    r = replica__collection_name(db, sqlite3_column_int64(stmt, 2), e->collection, err);
    if (r >= 0)
        r = replica__replication_name(db, sqlite3_column_int64(stmt, 1), &e->replication, err);
    for (int i = 0; r >= 0 && i < 4; i++)
        r = replica__kept_doc(db, e->collection, e->id, kept[i], docs[i], err);
    if (r < 0)
        return r;
    e->shown.collection = e->collection;
    e->shown.id = e->id;
    e->shown.rule = e->rule;
    e->shown.replication = e->replication;
    return 1;
}

int replica_conflict_log(replica_db *db, replica_collection *coll, int64_t after,
                         int (*fn)(void *ctx, const replica_conflict_entry *entry), void *ctx,
                         replica_error *err)
{
    int r = 0;

    if (!db || !fn)
        return replica__error_set(err, REPLICA_EINVAL, 0, "no database, or no function");
    while (r == 0) {
        struct entry e = { 0 };

        r = read_entry(db, coll, after, &e, err);
        if (r > 0) {
            after = e.shown.number;
            r = fn(ctx, &e.shown);
        } else if (r == 0) {
            entry_free(&e);
            return 0;
        }
        entry_free(&e);
    }
    return r;
}

/* ---- restoring ------------------------------------------------------------------- */

/* The local state of an entry, brought up to the collection's version where its steps are given. */
static int read_lost(replica_collection *coll, const char *id, int64_t local,
                     replica_doc **ret_doc, replica_error *err)
{
    REPLICA_DOC doc = NULL;
    int r = replica__kept_doc(coll->db, coll->name, id, local, &doc, err);

    if (r >= 0 && coll->steps && !replica_doc_deleted(doc)) {
        replica_doc *raised = NULL;

        r = replica__migrate_state(coll, doc, &raised, err);
        if (r == REPLICA__MIGRATED_DROP)
            return replica__error_set(err, REPLICA_EUSER, 0,
                                      "the migration to version %d drops '%s'; put a text of that"
                                      " version", coll->version, id);
        if (r >= 0) {
            replica_doc_unref(doc);
            doc = raised;
        }
    }
    if (r < 0)
        return r;
    *ret_doc = replica_doc_ref(doc);
    return 0;
}

static int restore(replica_collection *coll, const char *id, replica_doc *lost,
                   replica_doc **ret_doc, replica_error *err)
{
    replica_db *db = coll->db;
    REPLICA_STMT stmt = NULL;
    struct replica__row old;
    struct replica__written written;
    struct replica__write w = {
        .coll = coll,
        .id = id,
        .id_len = strlen(id),
        .deleted = replica_doc_deleted(lost),
        .versioned = true,
        .version = replica__doc_version(lost),
    };
    int found = replica__row_find(coll, id, strlen(id), &stmt, &old, err);
    int r = found;

    w.json = replica_doc_json(lost, &w.len);
    if (r >= 0 && !w.deleted && w.version == coll->version)
        r = replica__shape_check(coll, id, w.json, w.len, err);
    if (r >= 0)
        r = replica__write(db, &w, found ? &old : NULL, &written, err);
    if (r >= 0 && !w.deleted && w.version < coll->version) /* the steps are somebody else's */
        r = replica__migrate_again(db, coll->number, written.number, err);
    return r < 0 || !ret_doc ? r : replica__written_doc(db, &w, &written, ret_doc, err);
}

int replica_conflict_restore(replica_db *db, int64_t number, replica_doc **ret_doc,
                             replica_error *err)
{
    REPLICA_FREE char *id = NULL;
    REPLICA_DOC lost = NULL;
    REPLICA_DOC doc = NULL;
    REPLICA_STMT stmt = NULL;
    REPLICA_TXN txn = NULL;
    char name[65];
    REPLICA_BORROWED coll = NULL;
    int64_t coll_number, local;
    int rc = SQLITE_OK;
    int r;

    if (!db)
        return replica__error_set(err, REPLICA_EINVAL, 0, "no database");
    r = replica__sql_get(db, REPLICA__SQL_LOG_GET, &stmt, err);
    if (r < 0)
        return r;
    replica__bind_int(stmt, 1, number, &rc);
    r = replica__sql_step(db, stmt, rc, err);
    if (r <= 0)
        return r;
    coll_number = sqlite3_column_int64(stmt, 0);
    id = replica__strdup((const char *)sqlite3_column_text(stmt, 1));
    local = sqlite3_column_int64(stmt, 2);
    replica__sql_reset(&stmt);
    r = id ? replica__collection_name(db, coll_number, name, err) : replica__enomem(err);
    if (r >= 0)
        r = replica__collection_borrow(db, name, &coll, err);
    if (r >= 0)
        r = read_lost(coll, id, local, &lost, err);
    if (r >= 0)
        r = replica__txn_begin(db, &txn, err);
    if (r >= 0)
        r = restore(coll, id, lost, &doc, err);
    if (r >= 0)
        r = replica__txn_commit(&txn, err);
    if (r < 0)
        return r;
    if (ret_doc)
        *ret_doc = replica_doc_ref(doc);
    return 1;
}
