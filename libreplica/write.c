#include "libreplica/write.h"

#include "libreplica/replication/aside.h"
#include "libreplica/document.h"
#include "libreplica/history.h"
#include "libreplica/index/index.h"
#include "libreplica/locks/check.h"
#include "libreplica/migrate/migrate.h"
#include "libreplica/replication/master_was.h"
#include "libreplica/replication/member.h"
#include "libreplica/revision.h"
#include "libreplica/shape.h"
#include "libreplica/stamp.h"
#include "libreplica/replication/state.h"
#include "libreplica/txn.h"

#include <assert.h>
#include <string.h>

static int64_t flags_of(const struct replica__write *w)
{
    return (w->deleted ? REPLICA__FLAG_DELETED : 0) | (w->pulled ? REPLICA__FLAG_PULLED : 0);
}

static int64_t version_of(const struct replica__write *w)
{
    return w->versioned ? w->version : w->coll->version;
}

/* What a replication brings, or migrates, keeps its stamp.  What is pushed here was made from the
 * state that it replaces, and is stamped above it, whatever the clock of its writer says. */
static int64_t stamp_of(replica_db *db, const struct replica__write *w,
                        const struct replica__row *old)
{
    bool edit = !w->pulled && w->kind == REPLICA__WRITE_EDIT;

    if (!w->stamp || (edit && old && w->stamp <= old->stamp))
        return replica__stamp_next(db, old ? old->stamp : 0);
    replica__stamp_follow(db, w->stamp);
    return w->stamp;
}

/* What the next write is called: taken, with its sequence number, when it has succeeded. */
static int next_write(replica_db *db, const struct replica__write *w,
                      const struct replica__row *old, struct replica__written *ret,
                      replica_error *err)
{
    int64_t opening = 0;
    int r = replica__txn_opening(db, &opening, err);

    if (r < 0)
        return r;
    *ret = (struct replica__written){
        .number = old ? old->number : 0,
        .seq = db->head + 1,
        .height = old ? old->height + 1 : 1,
        .opening = opening,
        .stamp = stamp_of(db, w, old),
    };
    return 0;
}

/* The columns that each write sets, in their order, from parameter `at` on. */
static void bind_state(sqlite3_stmt *stmt, int at, const struct replica__write *w,
                       const struct replica__written *next, int *rc)
{
    replica__bind_int(stmt, at, next->seq, rc);
    replica__bind_int(stmt, at + 1, next->height, rc);
    replica__bind_int(stmt, at + 2, next->opening, rc);
    replica__bind_int(stmt, at + 3, flags_of(w), rc);
    replica__bind_int(stmt, at + 4, next->stamp, rc);
    replica__bind_int_or_null(stmt, at + 5, w->writer, rc);
    replica__bind_int_or_null(stmt, at + 6, w->wseq, rc);
    replica__bind_text(stmt, at + 7, w->bundle, REPLICA_NUL, rc);
    replica__bind_int(stmt, at + 8, version_of(w), rc);
    replica__bind_text(stmt, at + 9, w->json, w->len, rc);
}

/* Another document has its place in a unique index. */
static bool is_taken(const replica_db *db, int r)
{
    return r == REPLICA_ECONFLICT && db->taken;
}

/* Before the first change: what is refused here has written nothing. */
static int check_unique(replica_db *db, const struct replica__write *w, replica_error *err)
{
    if (!db->indexed || w->deleted)
        return 0;
    return replica__index_fits(w->coll, w->id, w->id_len, w->json, w->len, err);
}

/* The row is written: what follows it. */
static int finish(replica_db *db, const struct replica__write *w, const struct replica__row *old,
                  const struct replica__written *next, struct replica__written *ret,
                  replica_error *err)
{
    int r = 0;

    if (db->indexed)
        r = replica__index_write(w->coll, next->number, w->id, w->id_len, old,
                                 w->deleted ? NULL : w->json, w->len, err);
    if (r >= 0 && w->bundle && w->kind == REPLICA__WRITE_EDIT)
        r = replica__member_add(db, w, next, err);
    if (r < 0)
        return r;
    db->head = next->seq;
    *ret = *next;
    return 0;
}

/* 1; 0: there is a row of that key. */
static int insert(replica_db *db, const struct replica__write *w, struct replica__written *ret,
                  replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    struct replica__written next;
    int rc = SQLITE_OK;
    int r;

    assert(db->in_txn);
    r = replica__migrate_may_write(w->coll, err);
    if (r >= 0)
        r = replica__lock_check(db, w, err);
    if (r >= 0)
        r = check_unique(db, w, err);
    if (r >= 0)
        r = next_write(db, w, NULL, &next, err);
    if (r >= 0)
        r = replica__sql_get(db, REPLICA__SQL_DOC_INSERT, &stmt, err);
    if (r < 0)
        return r;
    replica__bind_int(stmt, 1, w->coll->number, &rc);
    replica__bind_text(stmt, 2, w->id, w->id_len, &rc);
    bind_state(stmt, 3, w, &next, &rc);
    r = replica__sql_step(db, stmt, rc, err);
    if (r < 0)
        return r;
    if (sqlite3_changes(db->sqlite) == 0)
        return 0;
    next.number = sqlite3_last_insert_rowid(db->sqlite);
    r = finish(db, w, NULL, &next, ret, err);
    return r < 0 ? r : 1;
}

/* What is known already is no new document that is refused. */
int replica__write_new(replica_db *db, const struct replica__write *w, struct replica__written *ret,
                       replica_error *err)
{
    int r = insert(db, w, ret, err);

    if (is_taken(db, r)) {
        REPLICA_STMT stmt = NULL;
        struct replica__row row;
        int known = replica__row_find(w->coll, w->id, w->id_len, &stmt, &row, err);

        db->taken = known == 0;
        if (known != 0)
            return known < 0 ? known : 0;
    }
    return r;
}

static int replace(replica_db *db, const struct replica__write *w, const struct replica__row *old,
                   struct replica__written *ret, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    struct replica__written next;
    int rc = SQLITE_OK;
    int r = next_write(db, w, old, &next, err);

    if (r >= 0)
        r = replica__sql_get(db, REPLICA__SQL_DOC_UPDATE, &stmt, err);
    if (r < 0)
        return r;
    replica__bind_int(stmt, 1, old->number, &rc);
    bind_state(stmt, 2, w, &next, &rc);
    r = replica__sql_step(db, stmt, rc, err);
    return r < 0 ? r : finish(db, w, old, &next, ret, err);
}

/* What replications and the history need of the state that is replaced.  A new state ends a failed
 * migration. */
static int keep_old(replica_db *db, const struct replica__write *w, const struct replica__row *old,
                    replica_error *err)
{
    int64_t kept = 0;
    int r = 0;

    if (old->version < w->coll->version && db->set_aside)
        r = replica__aside_drop(db, 0, old->coll, old->id, REPLICA_ASIDE_MIGRATION, err);
    if (r < 0)
        return r;
    if (w->kind == REPLICA__WRITE_MIGRATED)
        return replica__state_follow(db, old, w, db->head + 1, err);
    if (w->kind == REPLICA__WRITE_DROPPED || w->kind == REPLICA__WRITE_ERASED)
        return replica__state_drop(db, old, db->head + 1, w->kind == REPLICA__WRITE_DROPPED, err);
    r = replica__state_capture(db, old, w->replication, &kept, err);
    return r < 0 ? r : replica__history_keep(db, w->coll, old, kept, err);
}

int replica__write(replica_db *db, const struct replica__write *w, const struct replica__row *old,
                   struct replica__written *ret, replica_error *err)
{
    int r;

    assert(db->in_txn);
    if (!old) {
        r = insert(db, w, ret, err);
        return r < 0 ? r : 0;
    }
    r = replica__migrate_may_write(w->coll, err);
    if (r >= 0)
        r = replica__lock_check(db, w, err);
    if (r >= 0)
        r = check_unique(db, w, err);
    if (r >= 0)
        r = keep_old(db, w, old, err);
    if (r >= 0 && w->coll->reads)
        r = replica__was_keep(db, w->coll, old, w->json, w->len, db->head + 1, err);
    /* A server remembers what it took of each opening, also when another writer comes. */
    if (r >= 0 && old->writer && !(old->flags & REPLICA__FLAG_PULLED) && old->writer != w->writer)
        r = replica__sql_run(db, REPLICA__SQL_TAKEN_PUT, err, old->number, old->writer, old->wseq);
    return r < 0 ? r : replace(db, w, old, ret, err);
}

int replica__write_base_is_current(replica_db *db, const struct replica__row *old,
                                   const char *base_rev, replica_error *err)
{
    char rev[REPLICA_REV_SIZE];
    int r;

    if (!base_rev)
        return !old || (old->flags & REPLICA__FLAG_DELETED);
    if (strcmp(base_rev, REPLICA_ANY_REV) == 0)
        return 1;
    if (!old)
        return 0;
    r = replica__row_rev(db, old, rev, err);
    return r < 0 ? r : strcmp(rev, base_rev) == 0;
}

int replica__write_conflict(replica_collection *coll, const char *id,
                            const struct replica__row *old, const char *base_rev,
                            replica_doc **ret_stored, replica_error *err)
{
    char rev[REPLICA_REV_SIZE] = "(none)";
    int r;

    if (old) {
        r = replica__row_rev(coll->db, old, rev, err);
        if (r >= 0 && ret_stored)
            r = replica__row_doc(coll->db, coll->name, old, ret_stored, err);
        if (r < 0)
            return r;
    } else if (ret_stored) {
        *ret_stored = NULL;
    }
    r = replica__error_set(err, REPLICA_ECONFLICT, 409, "'%s' is at %s, not at %s", id, rev,
                           base_rev ? base_rev : "(none)");
    replica__error_where(err, "%s/%s", coll->name, id);
    return r;
}

int replica__write_checked(replica_db *db, const struct replica__write *w, const char *base_rev,
                           struct replica__written *ret, replica_doc **ret_stored,
                           replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    struct replica__row old;
    int found, r;

    if (!base_rev && !w->deleted) { /* what is new mostly is, so try before looking */
        r = replica__write_new(db, w, ret, err);
        if (r != 0) {
            if (is_taken(db, r) && ret_stored)
                *ret_stored = NULL;
            return r;
        }
    }
    found = replica__row_find(w->coll, w->id, w->id_len, &stmt, &old, err);
    if (found < 0)
        return found;
    if (w->deleted && (!found || (old.flags & REPLICA__FLAG_DELETED)))
        return 0;
    r = replica__write_base_is_current(db, found ? &old : NULL, base_rev, err);
    if (r < 0)
        return r;
    if (r == 0)
        return replica__write_conflict(w->coll, w->id, found ? &old : NULL, base_rev, ret_stored,
                                       err);
    if (w->deleted) { /* a tombstone keeps the text, so that it can be brought back */
        struct replica__write tombstone = *w;

        tombstone.json = old.body;
        tombstone.len = old.len;
        tombstone.versioned = true;
        tombstone.version = old.version;
        r = replica__write(db, &tombstone, &old, ret, err);
    } else {
        r = found ? replica__shape_check_final(w->coll, &old, w->json, w->len, err) : 0;
        if (r >= 0)
            r = replica__write(db, w, found ? &old : NULL, ret, err);
        if (is_taken(db, r) && ret_stored) /* what is stored is what base_rev says */
            *ret_stored = NULL;
    }
    return r < 0 ? r : 1;
}

int replica__written_doc(replica_db *db, const struct replica__write *w,
                         const struct replica__written *written, replica_doc **ret_doc,
                         replica_error *err)
{
    replica_doc *doc = replica__doc_make(&(struct replica__doc_parts){
        .collection = w->coll->name,
        .id = w->id,
        .id_len = w->id_len,
        .json = w->json,
        .len = w->len,
        .deleted = w->deleted,
        .sequence = written->seq,
        .height = written->height,
        .opening = db->token,
        .stamp = written->stamp,
        .version = version_of(w),
    });

    if (!doc)
        return replica__enomem(err);
    *ret_doc = doc;
    return 0;
}
