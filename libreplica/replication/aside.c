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

/* ---- reading --------------------------------------------------------------------- */

struct entry {
    replica_rejected_entry shown;
    char collection[65];
    char *id, *replication, *reason, *text;
};

static void entry_free(struct entry *e)
{
    replica_doc_unref(e->shown.local);
    replica__free(e->id);
    replica__free(e->replication);
    replica__free(e->reason);
    replica__free(e->text);
}

static int read_local(replica_db *db, int64_t coll, struct entry *e, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    struct replica__row row;
    int r = replica__row_find_in(db, coll, e->id, REPLICA_NUL, &stmt, &row, err);

    return r <= 0 ? r : replica__row_doc(db, e->collection, &row, &e->shown.local, err);
}

static int read_entry(replica_db *db, replica_collection *coll, int64_t after, struct entry *e,
                      replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    int64_t coll_number;
    int rc = SQLITE_OK;
    int r = replica__sql_get(db, REPLICA__SQL_ASIDE_LIST, &stmt, err);

    if (r < 0)
        return r;
    replica__bind_int(stmt, 1, after, &rc);
    replica__bind_int_or_null(stmt, 2, coll ? coll->number : 0, &rc);
    r = replica__sql_step(db, stmt, rc, err);
    if (r <= 0)
        return r;
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
        r = replica__replication_name(db, sqlite3_column_int64(stmt, 1), &e->replication, err);
    if (r >= 0)
        r = read_local(db, coll_number, e, err);
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

/* ---- retrying and discarding ------------------------------------------------------ */

struct target {
    int64_t replication, coll;
    char *id;
    int kind;
};

static int find(replica_db *db, int64_t number, struct target *t, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    int rc = SQLITE_OK;
    int r = replica__sql_get(db, REPLICA__SQL_ASIDE_GET, &stmt, err);

    if (r < 0)
        return r;
    replica__bind_int(stmt, 1, number, &rc);
    r = replica__sql_step(db, stmt, rc, err);
    if (r <= 0)
        return r;
    t->replication = sqlite3_column_int64(stmt, 0);
    t->coll = sqlite3_column_int64(stmt, 1);
    t->kind = sqlite3_column_int(stmt, 3);
    t->id = replica__strdup((const char *)sqlite3_column_text(stmt, 2));
    return t->id ? 1 : replica__enomem(err);
}

/* The document takes part again: it is pushed, or its conflict is met again. */
static int let_in(replica_db *db, const struct target *t, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    struct replica__state s;
    struct replica__row row;
    int r = replica__row_find_in(db, t->coll, t->id, REPLICA_NUL, &stmt, &row, err);

    if (r <= 0)
        return r;
    r = replica__state_get(db, row.number, t->replication, &s, err);
    if (r <= 0 || s.aside_seq != row.seq)
        return r;
    s.aside_seq = s.rounds = 0;
    s.todo = REPLICA__TODO_NOW;
    return replica__state_put(db, &s, err);
}

/* A migration that failed: the document is looked at again. */
static int migrate_again(replica_db *db, const struct target *t, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    struct replica__row row;
    int r = replica__row_find_in(db, t->coll, t->id, REPLICA_NUL, &stmt, &row, err);

    replica__sql_reset(&stmt);
    return r <= 0 ? r : replica__migrate_again(db, t->coll, row.number, err);
}

int replica_rejected_retry(replica_db *db, int64_t number, replica_error *err)
{
    REPLICA_TXN txn = NULL;
    struct target t = { 0 };
    int r;

    if (!db)
        return replica__error_set(err, REPLICA_EINVAL, 0, "no database");
    r = replica__txn_begin(db, &txn, err);
    if (r >= 0)
        r = find(db, number, &t, err);
    if (r <= 0)
        return r;
    r = t.kind == REPLICA_ASIDE_MIGRATION && !t.replication ? migrate_again(db, &t, err)
                                                            : let_in(db, &t, err);
    /* What could not be applied is fetched again, from the beginning: the feed has passed it. */
    if (r >= 0 && t.kind == REPLICA_ASIDE_UNAPPLIED)
        r = replica__sql_run(db, REPLICA__SQL_FEED_RESET, err, 1, t.replication);
    if (r >= 0)
        r = replica__sql_run(db, REPLICA__SQL_ASIDE_DELETE, err, 1, number);
    replica__free(t.id);
    replica__txn_forget(db);
    if (r >= 0)
        r = replica__txn_commit(&txn, err);
    return r < 0 ? r : 1;
}

/* The version that its replication has with the server. */
static int endpoint_of(replica_db *db, const struct target *t, const replica_collection *coll,
                       int64_t *ret, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    int rc = SQLITE_OK;
    int r = replica__sql_get(db, REPLICA__SQL_REPL_COLL_FIND, &stmt, err);

    if (r < 0)
        return r;
    replica__bind_int(stmt, 1, t->replication, &rc);
    replica__bind_int(stmt, 2, t->coll, &rc);
    r = replica__sql_step(db, stmt, rc, err);
    if (r >= 0)
        *ret = r > 0 ? sqlite3_column_int64(stmt, 1) : coll->version;
    return r;
}

/* Back to the server's state: the newest that is known, or none. */
static int go_back(replica_db *db, const struct target *t, const struct replica__row *row,
                   struct replica__state *s, replica_collection *coll, replica_error *err)
{
    int64_t to = s->unsettled ? s->unsettled : s->base;
    REPLICA_STMT stmt = NULL;
    struct replica__kept k = { .flags = REPLICA__FLAG_DELETED,
                               .version = row->version,
                               .body = row->body,
                               .len = row->len };
    struct replica__written written = { 0 };
    int64_t endpoint;
    bool bring;
    int r = 0;

    if (to)
        r = replica__kept_get(db, to, &stmt, &k, err);
    if (r >= 0)
        r = replica__conflict_log_add(db,
                                      &(struct replica__logged){
                                          .replication = t->replication,
                                          .row = row,
                                          .rule = "discarded",
                                          .assumed = s->base,
                                          .real = to,
                                          .result = to ? NULL : &k,
                                      },
                                      err);
    if (r >= 0)
        r = replica__write(db,
                           &(struct replica__write){
                               .coll = coll,
                               .id = row->id,
                               .id_len = row->id_len,
                               .json = k.body,
                               .len = k.len,
                               .deleted = (k.flags & REPLICA__FLAG_DELETED) != 0,
                               .pulled = true,
                               .replication = t->replication,
                               .stamp = k.stamp,
                               .writer = k.writer ? k.writer : k.opening,
                               .wseq = k.wseq,
                               .versioned = true,
                               .version = k.version,
                           },
                           row, &written, err);
    /* A text of an older version rises, and the server is to have it in this one. */
    if (r >= 0 && k.version < coll->version && !(k.flags & REPLICA__FLAG_DELETED))
        r = replica__migrate_again(db, coll->number, row->number, err);
    if (r < 0)
        return r;
    r = endpoint_of(db, t, coll, &endpoint, err);
    if (r < 0)
        return r;
    bring = to && !(k.flags & REPLICA__FLAG_DELETED) &&
            (k.version < endpoint || k.flags & REPLICA__FLAG_OLDER || s->version != endpoint);
    s->clean_seq = written.seq;
    if (s->unsettled) {
        s->incarnation = k.incarnation;
        s->server_seq = k.server_seq;
    }
    s->rounds = s->todo = s->aside_seq = 0;
    if (bring)
        replica__state_bring(s, endpoint, written.seq);
    replica__sql_reset(&stmt);
    r = replica__state_drop_unsettled(db, s, err);
    if (r >= 0)
        r = replica__state_drop_base(db, s, err);
    return r < 0 ? r : replica__state_put(db, s, err);
}

static int discard(replica_db *db, const struct target *t, replica_collection *coll,
                   replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    struct replica__state s = { 0 };
    struct replica__row row;
    int r = replica__row_find_in(db, t->coll, t->id, REPLICA_NUL, &stmt, &row, err);

    if (r > 0)
        r = replica__state_get(db, row.number, t->replication, &s, err);
    if (r < 0)
        return r;
    if (s.aside_seq == 0 || s.aside_seq != row.seq)
        return replica__error_set(err, REPLICA_ENOTSUP, 0, "'%s' has no local state to discard",
                                  t->id);
    return go_back(db, t, &row, &s, coll, err);
}

int replica_rejected_discard(replica_db *db, int64_t number, replica_error *err)
{
    REPLICA_TXN txn = NULL;
    struct target t = { 0 };
    REPLICA_BORROWED coll = NULL;
    char name[65];
    int r;

    if (!db)
        return replica__error_set(err, REPLICA_EINVAL, 0, "no database");
    r = find(db, number, &t, err);
    if (r <= 0)
        return r;
    r = replica__collection_name(db, t.coll, name, err);
    if (r >= 0)
        r = replica__collection_borrow(db, name, &coll, err);
    if (r >= 0)
        r = replica__txn_begin(db, &txn, err);
    if (r >= 0)
        r = discard(db, &t, coll, err);
    if (r >= 0)
        r = replica__sql_run(db, REPLICA__SQL_ASIDE_DELETE, err, 1, number);
    replica__free(t.id);
    if (r >= 0)
        r = replica__txn_commit(&txn, err);
    return r < 0 ? r : 1;
}
