/* Migrating what nobody asked for yet: in dispatch, in short batches, in the order of numbers. */
#include "libreplica/document.h"
#include "libreplica/migrate/job.h"
#include "libreplica/txn.h"

#include <string.h>

#define BATCH 64
#define BATCH_BYTES ((size_t)256 * 1024)
#define SPAN 5000     /* numbers that one look goes over */
#define WORK_MS 10    /* in one dispatch */
#define RETRY_MS 1000 /* after a failure */

struct replica__migrator {
    struct replica__guest guest;
    int64_t again_ms; /* monotonic: not before */
};

struct batch {
    struct replica__job jobs[BATCH];
    size_t n;
    int64_t from, last; /* of the documents' numbers */
    bool end;
};

static void batch_free(struct batch *b)
{
    for (size_t i = 0; i < b->n; i++)
        replica__job_free(&b->jobs[i]);
}

static int find(replica_collection *coll, struct batch *b, int64_t *numbers, size_t *ret_n,
                replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    int rc = SQLITE_OK;
    int r = replica__sql_get(coll->db, REPLICA__SQL_MIGRATE_NEXT, &stmt, err);

    *ret_n = 0;
    if (r < 0)
        return r;
    replica__bind_int(stmt, 1, coll->number, &rc);
    replica__bind_int(stmt, 2, b->from, &rc);
    replica__bind_int(stmt, 3, b->last, &rc);
    replica__bind_int(stmt, 4, coll->version, &rc);
    replica__bind_int(stmt, 5, BATCH, &rc);
    while ((r = replica__sql_step(coll->db, stmt, rc, err)) > 0)
        numbers[(*ret_n)++] = sqlite3_column_int64(stmt, 0);
    return r;
}

/* The next documents, as far as they were looked at. */
static int read_batch(replica_collection *coll, struct batch *b, replica_error *err)
{
    int64_t numbers[BATCH], top = 0;
    size_t n, bytes = 0, len, i;
    int r = replica__sql_int(coll->db, REPLICA__SQL_DOC_HIGHEST, &top, err);

    b->from = coll->unmigrated;
    b->last = top < b->from + SPAN ? top : b->from + SPAN;
    if (r >= 0)
        r = find(coll, b, numbers, &n, err);
    for (i = 0; r >= 0 && i < n && bytes < BATCH_BYTES; i++) {
        r = replica__job_read(coll, numbers[i], &b->jobs[b->n], err);
        if (r > 0) {
            replica_doc_json(b->jobs[b->n++].old, &len);
            bytes += len;
        }
    }
    if (r < 0)
        return r;
    if (i < n || n == BATCH)
        b->last = numbers[i - 1];
    b->end = b->last >= top;
    return 0;
}

static int store_batch(replica_collection *coll, struct batch *b, replica_error *err)
{
    REPLICA_TXN txn = NULL;
    int r = replica__txn_begin(coll->db, &txn, err);

    if (r >= 0)
        r = replica__jobs_store(coll, b->jobs, b->n, false, err);
    if (r >= 0)
        r = replica__sql_run(coll->db, REPLICA__SQL_MIGRATE_TO, err, coll->number, b->from,
                             b->last);
    if (r >= 0 && b->end)
        r = replica__sql_run(coll->db, REPLICA__SQL_MIGRATE_DONE, err, coll->number, b->last);
    if (r >= 0)
        r = replica__migrate_know(coll->db, err);
    if (r >= 0)
        r = replica__txn_commit(&txn, err);
    if (r < 0)
        replica__txn_forget(coll->db); /* how far it is, is read again */
    return r;
}

static bool is_left(const replica_collection *coll)
{
    return coll->steps && coll->unmigrated >= 0 && coll->stored_version == coll->version;
}

/* 1: more is left. */
static int work_some(replica_collection *coll, replica_error *err)
{
    struct batch *b;
    int r = replica__txn_know(coll->db, err);

    if (r < 0 || !is_left(coll))
        return r < 0 ? r : 0;
    b = replica__alloc_zero(1, sizeof *b);
    if (!b)
        return replica__enomem(err);
    r = read_batch(coll, b, err);
    if (r >= 0)
        r = replica__jobs_run(coll, b->jobs, b->n, err);
    if (r >= 0)
        r = store_batch(coll, b, err);
    batch_free(b);
    replica__free(b);
    if (r >= 0 && coll->unmigrated < 0)
        replica__db_log(coll->db, REPLICA_LOG_INFO, "migration",
                        "the documents of '%s' are migrated to version %d", coll->name,
                        coll->version);
    return r < 0 ? r : is_left(coll);
}

/* ---- in dispatch ----------------------------------------------------------------- */

static int64_t now_ms(const replica_db *db)
{
    return db->world->monotonic_ms(db->world->ctx);
}

static void committed(void *ctx)
{
}

static int64_t next_ms(void *ctx)
{
    const replica_db *db = ctx;

    for (const replica_collection *coll = db->collections; coll; coll = coll->next) {
        if (is_left(coll))
            return db->migrator->again_ms;
    }
    return -1;
}

static void work(void *ctx)
{
    replica_db *db = ctx;
    int64_t until = now_ms(db) + WORK_MS;
    replica_error why = { .offset = -1 };
    int r = 0;

    if (now_ms(db) < db->migrator->again_ms || db->in_txn)
        return;
    for (replica_collection *coll = db->collections; r >= 0 && coll; coll = coll->next) {
        while ((r = is_left(coll) ? work_some(coll, &why) : 0) > 0 && now_ms(db) < until)
            ;
    }
    db->migrator->again_ms = r < 0 ? now_ms(db) + RETRY_MS : 0;
    if (r < 0)
        replica__db_log(db, REPLICA_LOG_WARNING, "migration", "%s: %s", replica_error_name(r),
                        why.message);
}

int replica__migrate_begin(replica_db *db, const struct replica__steps *steps, replica_error *err)
{
    if (!steps || db->migrator || db->sibling || db->flags & REPLICA_DB_READ_ONLY)
        return 0;
    db->migrator = replica__alloc_zero(1, sizeof *db->migrator);
    if (!db->migrator)
        return replica__enomem(err);
    db->migrator->guest = (struct replica__guest){
        .name = "migration", .committed = committed, .next_ms = next_ms, .work = work, .ctx = db
    };
    replica__db_add_guest(db, &db->migrator->guest);
    return 0;
}

void replica__migrate_end(replica_db *db)
{
    replica__free(db->migrator);
    db->migrator = NULL;
}

/* ---- public calls ---------------------------------------------------------------- */

static int count(replica_collection *coll, enum replica__sql which, int64_t a, int64_t b,
                 int64_t *ret, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    int rc = SQLITE_OK;
    int r = replica__sql_get(coll->db, which, &stmt, err);

    if (r < 0)
        return r;
    replica__bind_int(stmt, 1, coll->number, &rc);
    replica__bind_int(stmt, 2, a, &rc);
    if (which == REPLICA__SQL_MIGRATE_LEFT)
        replica__bind_int(stmt, 3, b, &rc);
    r = replica__sql_step(coll->db, stmt, rc, err);
    if (r > 0)
        *ret = sqlite3_column_int64(stmt, 0);
    return r;
}

int replica_migration_state(replica_collection *coll, replica_migration_progress *ret_progress,
                            replica_error *err)
{
    replica_migration_progress p = { 0 };
    int r;

    if (!coll || !ret_progress)
        return replica__error_set(err, REPLICA_EINVAL, 0, "no collection, or no place");
    r = replica__txn_know(coll->db, err);
    p.version = coll->version;
    if (r >= 0 && coll->unmigrated >= 0)
        r = count(coll, REPLICA__SQL_MIGRATE_LEFT, coll->unmigrated, coll->version, &p.left, err);
    if (r >= 0)
        r = count(coll, REPLICA__SQL_MIGRATE_FAILED, REPLICA_ASIDE_MIGRATION, 0, &p.failed, err);
    if (r < 0)
        return r;
    *ret_progress = p;
    return 0;
}

static int no_steps(replica_collection *coll, replica_error *err)
{
    replica__error_set(err, REPLICA_EINVAL, 0,
                       "'%s' was opened without the migrations to version %d", coll->name,
                       coll->version);
    replica__error_where(err, "%s", coll->name);
    return REPLICA_EINVAL;
}

int replica_migration_finish(replica_collection *coll, replica_error *err)
{
    int r;

    if (!coll)
        return replica__error_set(err, REPLICA_EINVAL, 0, "no collection");
    r = replica__txn_know(coll->db, err);
    if (r < 0 || coll->unmigrated < 0)
        return r < 0 ? r : 0;
    r = replica__migrate_may_write(coll, err);
    if (r >= 0 && coll->db->flags & REPLICA_DB_READ_ONLY)
        r = replica__error_set(err, REPLICA_EREADONLY, 0,
                               "'%s' is not migrated to version %d yet, and the database is open"
                               " read-only", coll->name, coll->version);
    if (r >= 0 && !coll->steps)
        r = no_steps(coll, err);
    while (r >= 0 && (r = work_some(coll, err)) > 0)
        ;
    return r;
}

int replica__migrate_before_query(replica_collection *coll, replica_error *err)
{
    int r = replica__txn_know(coll->db, err);

    if (r >= 0)
        r = replica__migrate_may_read(coll, err);
    if (r < 0 || !coll->steps || coll->unmigrated < 0 || coll->db->sibling)
        return r < 0 ? r : 0;
    return replica_migration_finish(coll, err);
}

int replica__migrate_again(replica_db *db, int64_t coll, int64_t doc, replica_error *err)
{
    int r = replica__sql_run(db, REPLICA__SQL_MIGRATE_AGAIN, err, coll, doc);

    return r < 0 ? r : replica__migrate_know(db, err);
}
