/* The conflict log: what was superseded, kept with the states it was seen with until it is too old
 * or the log is too large, and brought back as a new write. */
#include "libreplica/replication/conflict_log.h"

#include "libreplica/collection.h"
#include "libreplica/document.h"
#include "libreplica/migrate/migrate.h"
#include "libreplica/shape.h"
#include "libreplica/txn.h"
#include "libreplica/write.h"

#include <string.h>

#define DROPS 16         /* with an entry that is added: more than one, so that it catches up */
#define OPEN_DROPS 1000  /* when the file is opened, */
#define OPEN_MS 10       /* and not longer than this */

/* ---- its size -------------------------------------------------------------------- */

/* Bytes of the states of an entry. */
static int weigh(replica_db *db, const int64_t kept[4], int64_t *ret_bytes, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    int r = replica__sql_row(db, REPLICA__SQL_LOG_WEIGHT, &stmt, err, kept[0], kept[1], kept[2],
                             kept[3]);

    if (r < 0)
        return r;
    *ret_bytes = r > 0 ? sqlite3_column_int64(stmt, 0) : 0;
    return 0;
}

/* The log, as it is by now, has become larger (or smaller) by so many bytes. */
static int grow(replica_db *db, int64_t bytes, int64_t *ret_size, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    int r = replica__sql_row(db, REPLICA__SQL_LOG_GROW, &stmt, err, bytes);

    if (r < 0)
        return r;
    if (r == 0)
        return replica__error_set(err, REPLICA_ECORRUPT, 0, "the conflict log has no size");
    *ret_size = sqlite3_column_int64(stmt, 0);
    return 0;
}

struct first {
    int64_t id, time;
    int64_t kept[4];
};

static int read_entry(replica_db *db, sqlite3_stmt *stmt, int rc, struct first *ret,
                      replica_error *err)
{
    int r = replica__sql_step(db, stmt, rc, err);

    if (r <= 0)
        return r;
    ret->id = sqlite3_column_int64(stmt, 0);
    ret->time = sqlite3_column_int64(stmt, 1);
    for (int i = 0; i < 4; i++)
        ret->kept[i] = sqlite3_column_int64(stmt, 2 + i);
    return 1;
}

/* The first entry before `before`: 1; 0: there is none. */
static int read_first(replica_db *db, int64_t before, struct first *ret, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    int rc = SQLITE_OK;
    int r = replica__sql_get(db, REPLICA__SQL_LOG_FIRST, &stmt, err);

    if (r < 0)
        return r;
    replica__bind_int(stmt, 1, before, &rc);
    return read_entry(db, stmt, rc, ret, err);
}

/* The first entry about a document: 1; 0: there is none. */
static int read_first_of(replica_db *db, int64_t coll, const char *id, struct first *ret,
                         replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    int rc = SQLITE_OK;
    int r = replica__sql_get(db, REPLICA__SQL_LOG_FIRST_OF, &stmt, err);

    if (r < 0)
        return r;
    replica__bind_int(stmt, 1, coll, &rc);
    replica__bind_text(stmt, 2, id, REPLICA_NUL, &rc);
    return read_entry(db, stmt, rc, ret, err);
}

static int drop(replica_db *db, const struct first *e, int64_t *size, replica_error *err)
{
    int64_t bytes = 0;
    int r = weigh(db, e->kept, &bytes, err);

    if (r >= 0)
        r = replica__sql_run(db, REPLICA__SQL_LOG_DROP, err, e->id);
    for (int i = 0; r >= 0 && i < 4; i++)
        r = replica__kept_unref(db, e->kept[i], err);
    return r < 0 ? r : grow(db, -bytes, size, err);
}

int replica__conflict_log_forget(replica_db *db, int64_t coll, const char *id, replica_error *err)
{
    struct first e;
    int64_t size;
    int r;

    while ((r = read_first_of(db, coll, id, &e, err)) > 0) {
        r = drop(db, &e, &size, err);
        if (r < 0)
            return r;
    }
    return r;
}

/* Let the first entries before `before` go, as far as they are too old or the log is too large; at
 * most so many, until that time.  Their age is asked of the first one, and remembered. */
static int trim(replica_db *db, int64_t before, int64_t size, int most, int64_t until_ms,
                replica_error *err)
{
    const struct replica__world *world = db->world;
    int64_t old = world->now_ms(world->ctx) - db->log_ms;
    int r = 1;

    for (int i = 0; r > 0 && i < most && world->monotonic_ms(world->ctx) < until_ms; i++) {
        struct first e;

        if (size <= db->log_bytes && db->log_first_ms >= old && db->log_first_ms)
            return 0;
        r = read_first(db, before, &e, err);
        if (r <= 0)
            return r;
        db->log_first_ms = e.time;
        if (size <= db->log_bytes && e.time >= old)
            return 0;
        r = drop(db, &e, &size, err);
        r = r < 0 ? r : 1;
    }
    return r < 0 ? r : 0;
}

/* Is there something to let go? */
static int is_due(replica_db *db, bool *ret_due, replica_error *err)
{
    struct first e;
    int64_t size = 0;
    int r = read_first(db, INT64_MAX, &e, err);

    if (r > 0)
        *ret_due = e.time < db->world->now_ms(db->world->ctx) - db->log_ms;
    if (r > 0 && !*ret_due)
        r = replica__sql_int(db, REPLICA__SQL_LOG_SIZE, &size, err);
    *ret_due = r >= 0 && (*ret_due || size > db->log_bytes);
    return r;
}

static int trim_now(replica_db *db, replica_error *err)
{
    REPLICA_TXN txn = NULL;
    const struct replica__world *world = db->world;
    int64_t size = 0, last = 0;
    int r = replica__txn_begin(db, &txn, err);

    if (r >= 0)
        r = grow(db, 0, &size, err);
    if (r >= 0)
        r = replica__sql_int(db, REPLICA__SQL_LOG_LAST, &last, err);
    if (r >= 0)
        r = trim(db, last, size, OPEN_DROPS, world->monotonic_ms(world->ctx) + OPEN_MS, err);
    return r < 0 ? r : replica__txn_commit(&txn, err);
}

void replica__conflict_log_open(replica_db *db)
{
    int busy_ms = db->busy_ms;
    bool due = false;

    if (db->flags & REPLICA_DB_READ_ONLY || is_due(db, &due, NULL) < 0 || !due)
        return;
    db->busy_ms = 0;
    if (trim_now(db, NULL) < 0)
        db->log_first_ms = 0;
    db->busy_ms = busy_ms;
}

/* ---- adding ---------------------------------------------------------------------- */

static int insert(replica_db *db, const struct replica__logged *e, const int64_t kept[4],
                  int64_t *ret_id, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    int rc = SQLITE_OK;
    int r = replica__sql_get(db, REPLICA__SQL_LOG_ADD, &stmt, err);

    if (r < 0)
        return r;
    replica__bind_int(stmt, 1, e->replication, &rc);
    replica__bind_int(stmt, 2, e->row->coll, &rc);
    replica__bind_text(stmt, 3, e->row->id, e->row->id_len, &rc);
    replica__bind_int(stmt, 4, db->world->now_ms(db->world->ctx), &rc);
    replica__bind_text(stmt, 5, e->rule, REPLICA_NUL, &rc);
    replica__bind_int_or_null(stmt, 6, kept[0], &rc);
    replica__bind_int(stmt, 7, kept[1], &rc);
    replica__bind_int(stmt, 8, kept[2], &rc);
    replica__bind_int_or_null(stmt, 9, kept[3], &rc);
    r = replica__sql_step(db, stmt, rc, err);
    if (r < 0)
        return r;
    *ret_id = sqlite3_last_insert_rowid(db->sqlite);
    return 0;
}

int replica__conflict_log_add(replica_db *db, const struct replica__logged *e, replica_error *err)
{
    int64_t kept[4] = { e->assumed, e->real, 0, 0 };
    int64_t id = 0, bytes = 0, size = 0;
    int r = replica__kept_add_row(db, e->row, 1, &kept[2], err);

    if (r >= 0 && e->result)
        r = replica__kept_add(db, e->result, 1, &kept[3], err);
    for (int i = 0; r >= 0 && i < 2; i++)
        r = kept[i] ? replica__kept_ref(db, kept[i], err) : 0;
    if (r >= 0)
        r = weigh(db, kept, &bytes, err);
    if (r >= 0)
        r = insert(db, e, kept, &id, err);
    if (r >= 0)
        r = grow(db, bytes, &size, err);
    return r < 0 ? r : trim(db, id, size, DROPS, INT64_MAX, err);
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
    int r;

    if (!db)
        return replica__error_set(err, REPLICA_EINVAL, 0, "no database");
    r = replica__sql_row(db, REPLICA__SQL_LOG_GET, &stmt, err, number);
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
