/* Documents that are set aside are tried again, with all that bundles join them to.  What gives
 * them up is in discard.c. */
#include "libreplica/accept.h"
#include "libreplica/collection.h"
#include "libreplica/migrate/migrate.h"
#include "libreplica/replication/aside.h"
#include "libreplica/replication/group.h"
#include "libreplica/txn.h"
#include "libreplica/write.h"

/* The others of its group.  What was not set aside itself goes when they do. */
static int let_in_group(replica_db *db, const struct replica__aside_target *t, int64_t doc,
                        replica_error *err)
{
    REPLICA_GROUP g = { 0 };
    int r = db->bundled ? replica__group_find(db, t->replication, 0, doc, false, &g, err) : 0;

    for (size_t i = 0; r >= 0 && i < g.n; i++) {
        REPLICA_STMT stmt = NULL;
        struct replica__row row;

        r = replica__row_by_number(db, g.docs[i], &stmt, &row, err);
        if (r > 0)
            r = replica__aside_let_in(db, t->replication, &row, err);
        if (r >= 0 && row.number != doc)
            r = replica__aside_give_up(db, t->replication, row.coll, row.id, err);
    }
    return r;
}

static int let_all_in(replica_db *db, const struct replica__aside_target *t, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    struct replica__row row;
    int64_t doc;
    int r = replica__row_find_in(db, t->coll, t->id, REPLICA_NUL, &stmt, &row, err);

    if (r <= 0)
        return r;
    doc = row.number;
    r = replica__aside_let_in(db, t->replication, &row, err);
    replica__sql_reset(&stmt);
    return r < 0 ? r : let_in_group(db, t, doc, err);
}

/* A migration that failed: the document is looked at again. */
static int migrate_again(replica_db *db, const struct replica__aside_target *t, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    struct replica__row row;
    int r = replica__row_find_in(db, t->coll, t->id, REPLICA_NUL, &stmt, &row, err);

    replica__sql_reset(&stmt);
    return r <= 0 ? r : replica__migrate_again(db, t->coll, row.number, err);
}

/* Is there a document that the edit would replace?  1: there is, in step; 0; REPLICA_EBUSY. */
static int finds_another(replica_db *db, int64_t replication, const struct replica__write *w,
                         replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    struct replica__state s;
    struct replica__row row;
    int r = replica__row_find(w->coll, w->id, w->id_len, &stmt, &row, err);

    if (r <= 0 || row.flags & REPLICA__FLAG_DELETED)
        return r < 0 ? r : 0;
    r = replica__state_get(db, row.number, replication, &s, err);
    if (r < 0 || (r > 0 && s.clean_seq == row.seq))
        return r;
    return replica__error_set(err, REPLICA_EBUSY, 0, "a newer edit of '%s' is not sent yet",
                              row.id);
}

/* The state that it had with the server is not what the edit was made from. */
static int forget_base(replica_db *db, int64_t number, int64_t replication, replica_error *err)
{
    struct replica__state s;
    int r = replica__state_get(db, number, replication, &s, err);

    if (r <= 0)
        return r;
    s.clean_seq = s.server_seq = s.incarnation = 0;
    r = replica__state_drop_base(db, &s, err);
    return r < 0 ? r : replica__state_put(db, &s, err);
}

/* What the edit was made from went with the access.  If there is a document again, the two are in
 * conflict: it may have been seen, and replaced, since. */
static int put_again(replica_collection *coll, int64_t replication, const char *text, size_t len,
                     replica_error *err)
{
    replica_db *db = coll->db;
    REPLICA_ACCEPTED a = { 0 };
    REPLICA_TXN txn = NULL;
    struct replica__written written;
    struct replica__write w;
    int another;
    int r = replica__accept_write(coll, NULL, text, len, REPLICA_ANY_REV, &a, err);

    if (r < 0)
        return r;
    w = (struct replica__write){
        .coll = coll, .id = a.id, .id_len = a.id_len, .json = a.json, .len = a.len
    };
    r = replica__txn_begin(db, &txn, err);
    if (r < 0)
        return r;
    another = finds_another(db, replication, &w, err);
    if (another < 0)
        return another;
    r = replica__write_checked(db, &w, REPLICA_ANY_REV, &written, NULL, err);
    if (r >= 0 && another)
        r = forget_base(db, written.number, replication, err);
    return r < 0 ? r : replica__txn_commit(&txn, err);
}

/* The edit of a document that access ended to is a write of the program again, or its deletion: the
 * server says what it thinks of it.  What is written goes out by itself, and its verdict would drop
 * the entry, too. */
static int write_again(replica_db *db, int64_t number, const struct replica__aside_target *t,
                       replica_error *err)
{
    REPLICA_BORROWED coll = NULL;
    REPLICA_FREE char *text = NULL;
    REPLICA_STMT stmt = NULL;
    char name[65];
    size_t len = 0;
    int r = replica__sql_row(db, REPLICA__SQL_ASIDE_TEXT, &stmt, err, number);

    if (r > 0 && sqlite3_column_type(stmt, 0) != SQLITE_NULL) {
        len = (size_t)sqlite3_column_bytes(stmt, 0);
        text = replica__strndup((const char *)sqlite3_column_text(stmt, 0), len);
        r = text ? r : replica__enomem(err);
    }
    replica__sql_reset(&stmt);
    if (r > 0)
        r = replica__collection_name(db, t->coll, name, err);
    if (r >= 0)
        r = replica__collection_borrow(db, name, &coll, err);
    if (r < 0)
        return r;
    if (text)
        return put_again(coll, t->replication, text, len, err);
    r = replica_delete(coll, t->id, REPLICA_ANY_REV, NULL, err);
    return r != 0 ? r
                  : replica__error_set(err, REPLICA_ENOTSUP, 0,
                                       "'%s' is not here, and cannot be deleted", t->id);
}

static int let_go(replica_db *db, int64_t number, const struct replica__aside_target *t,
                  replica_error *err)
{
    int r = t->kind == REPLICA_ASIDE_MIGRATION && !t->replication ? migrate_again(db, t, err)
                                                                  : let_all_in(db, t, err);

    if (r >= 0 && t->kind != REPLICA_ASIDE_REVOKED)
        r = replica__aside_give_up(db, t->replication, t->coll, t->id, err);
    if (r >= 0)
        r = replica__sql_run(db, REPLICA__SQL_ASIDE_DELETE, err, number);
    return r;
}

int replica_rejected_retry(replica_db *db, int64_t number, replica_error *err)
{
    struct replica__aside_target t = { 0 };
    REPLICA_TXN txn = NULL;
    int r;

    if (!db)
        return replica__error_set(err, REPLICA_EINVAL, 0, "no database");
    r = replica__aside_find(db, number, &t, err);
    if (r <= 0)
        return r;
    if (t.kind == REPLICA_ASIDE_REVOKED)
        r = write_again(db, number, &t, err);
    replica__free(t.id);
    t.id = NULL;
    if (r >= 0)
        r = replica__txn_begin(db, &txn, err);
    if (r >= 0)
        r = replica__aside_find(db, number, &t, err);
    if (r <= 0)
        return r;
    r = let_go(db, number, &t, err);
    replica__free(t.id);
    replica__txn_forget(db);
    if (r >= 0)
        r = replica__txn_commit(&txn, err);
    return r < 0 ? r : 1;
}
