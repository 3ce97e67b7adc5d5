/* Documents that rise: read, brought up by the program's steps outside any transaction, and written
 * in one if they still are what was read. */
#include "libreplica/migrate/migrate.h"

#include "libreplica/replication/aside.h"
#include "libreplica/collection.h"
#include "libreplica/document.h"
#include "libreplica/master.h"
#include "libreplica/migrate/job.h"
#include "libreplica/replication/master_was.h"
#include "libreplica/shape.h"
#include "libreplica/text.h"
#include "libreplica/txn.h"
#include "libreplica/write.h"

#include <string.h>

/* ---- versions -------------------------------------------------------------------- */

void replica__db_keep_texts(replica_db *db)
{
    db->keeps_texts = true;
}

static int may(const char *what, const replica_collection *coll, replica_error *err)
{
    if (coll->stored_version <= coll->version)
        return 0;
    replica__error_set(err, REPLICA_EVERSION, coll->stored_version,
                       "another program has raised '%s' to version %d; this one %s version %d",
                       coll->name, coll->stored_version, what, coll->version);
    replica__error_where(err, "%s", coll->name);
    return REPLICA_EVERSION;
}

int replica__migrate_may_write(const replica_collection *coll, replica_error *err)
{
    return may("writes", coll, err);
}

int replica__migrate_may_read(const replica_collection *coll, replica_error *err)
{
    return may("reads", coll, err);
}

int replica__migrate_know(replica_db *db, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    int r;

    if (!db->collections)
        return 0;
    r = replica__sql_get(db, REPLICA__SQL_COLL_VERSIONS, &stmt, err);
    while (r >= 0 && (r = replica__sql_step(db, stmt, SQLITE_OK, err)) > 0) {
        replica_collection *coll =
            replica__collection_by_number(db, sqlite3_column_int64(stmt, 0));

        if (!coll)
            continue;
        coll->stored_version = sqlite3_column_int(stmt, 1);
        coll->unmigrated =
            coll->stored_version < coll->version ? 0 : sqlite3_column_int64(stmt, 2);
        r = replica__was_know(coll, (const char *)sqlite3_column_text(stmt, 3), err);
        if (r < 0)
            return r;
    }
    return r;
}

static int has_documents(replica_db *db, int64_t coll, replica_error *err)
{
    return replica__sql_run(db, REPLICA__SQL_DOC_FEED_KEYS, err, coll, 0, 1);
}

static int read_stored(replica_db *db, int64_t coll, struct replica__stored_version *ret,
                       replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    int r = replica__sql_get(db, REPLICA__SQL_COLL_VERSIONS, &stmt, err);

    while (r >= 0 && (r = replica__sql_step(db, stmt, SQLITE_OK, err)) > 0) {
        if (sqlite3_column_int64(stmt, 0) != coll)
            continue;
        ret->version = sqlite3_column_int(stmt, 1);
        ret->unmigrated = sqlite3_column_int64(stmt, 2);
        return 1;
    }
    return r;
}

/* Another program may be raising it, too: look again under the lock. */
static int raise_stored(replica_db *db, int version, const char *schema_json,
                        struct replica__stored_version *stored, replica_error *err)
{
    REPLICA_TXN txn = NULL;
    int r = replica__txn_begin(db, &txn, err);

    if (r >= 0)
        r = read_stored(db, stored->number, stored, err);
    if (r >= 0 && stored->version < version) {
        r = replica__sql_run(db, REPLICA__SQL_COLL_RAISE, err, stored->number, version);
        if (r >= 0 && schema_json) /* no document is of that version yet: none is looked at */
            r = replica__shape_store(db, stored->number, schema_json, err);
    }
    if (r >= 0)
        r = read_stored(db, stored->number, stored, err);
    return r < 0 ? r : replica__txn_commit(&txn, err);
}

/* What could not be migrated is tried again by each opening: its steps may be better ones. */
static int retry_failed(replica_db *db, struct replica__stored_version *stored,
                        replica_error *err)
{
    REPLICA_TXN txn = NULL;
    int r = replica__txn_begin(db, &txn, err);

    if (r >= 0)
        r = replica__sql_run(db, REPLICA__SQL_MIGRATE_RETRY, err, stored->number,
                             REPLICA_ASIDE_MIGRATION);
    if (r >= 0)
        r = read_stored(db, stored->number, stored, err);
    return r < 0 ? r : replica__txn_commit(&txn, err);
}

int replica__migrate_raise(replica_db *db, const char *name, int version, const char *schema_json,
                           const struct replica__steps *steps,
                           struct replica__stored_version *stored, replica_error *err)
{
    bool left = stored->unmigrated >= 0;
    int r = 0;

    if (version > stored->version)
        r = has_documents(db, stored->number, err);
    if (r >= 0 && (r > 0 || left) && !db->keeps_texts)
        r = replica__steps_check(steps, name, stored->oldest, version, err);
    if (r >= 0 && version > stored->version && !(db->flags & REPLICA_DB_READ_ONLY)) {
        r = raise_stored(db, version, schema_json, stored, err);
        if (r >= 0)
            replica__db_log(db, REPLICA_LOG_INFO, "migration", "'%s' is raised to version %d",
                            name, version);
    }
    if (r >= 0 && db->set_aside && steps && stored->version == version &&
        !(db->flags & REPLICA_DB_READ_ONLY))
        r = retry_failed(db, stored, err);
    if (r >= 0 && stored->version > version)
        r = replica__error_set(err, REPLICA_EVERSION, stored->version,
                               "'%s' is stored with schema version %d, higher than %d", name,
                               stored->version, version);
    return r < 0 ? r : 0;
}

/* ---- jobs: one document each ------------------------------------------------------ */

void replica__job_free(struct replica__job *job)
{
    for (size_t i = 0; i < job->sent_count; i++)
        replica_doc_unref(job->sent[i].doc);
    replica__free(job->sent);
    replica_doc_unref(job->old);
    replica_doc_unref(job->fresh);
    *job = (struct replica__job){ 0 };
}

/* States of older texts that were sent, and that the document has moved on from. */
static int read_sent(replica_collection *coll, struct replica__job *job, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    int r = replica__sql_with(coll->db, REPLICA__SQL_MIGRATE_SENT, &stmt, err, job->number,
                              coll->version);

    if (r < 0)
        return r;
    while ((r = replica__sql_step(coll->db, stmt, SQLITE_OK, err)) > 0) {
        struct replica__sent_text *grown =
            replica__realloc(job->sent, job->sent_count + 1, sizeof *grown);
        struct replica__sent_text *sent;

        if (!grown)
            return replica__enomem(err);
        job->sent = grown;
        sent = &grown[job->sent_count];
        *sent = (struct replica__sent_text){ .replication = sqlite3_column_int64(stmt, 0),
                                             .kept = sqlite3_column_int64(stmt, 1) };
        r = replica__kept_doc(coll->db, coll->name, replica_doc_id(job->old), sent->kept,
                              &sent->doc, err);
        if (r < 0)
            return r;
        job->sent_count++;
    }
    return r;
}

/* 1: there is something to do.  A tombstone's text rises only if it waits to be sent. */
static int read_row(replica_collection *coll, const struct replica__row *row,
                    struct replica__job *job, replica_error *err)
{
    int r = row->version < coll->version;

    if (r > 0 && (row->flags & REPLICA__FLAG_DELETED))
        r = replica__state_needed(coll->db, row, err);
    if (r <= 0)
        return r;
    *job = (struct replica__job){ .number = row->number,
                                  .seq = row->seq,
                                  .deleted = (row->flags & REPLICA__FLAG_DELETED) != 0 };
    r = replica__row_doc(coll->db, coll->name, row, &job->old, err);
    return r < 0 ? r : 1;
}

int replica__job_read(replica_collection *coll, int64_t number, struct replica__job *job,
                      replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    struct replica__row row;
    int r = replica__row_by_number(coll->db, number, &stmt, &row, err);

    if (r > 0)
        r = read_row(coll, &row, job, err);
    replica__sql_reset(&stmt);
    if (r > 0 && coll->db->replicated) {
        r = read_sent(coll, job, err);
        if (r < 0)
            replica__job_free(job);
        return r < 0 ? r : 1;
    }
    return r;
}

/* The steps, for the document and for what of it was sent.  < 0: nothing can be said, not even that
 * it failed. */
static int run_steps(const replica_collection *coll, struct replica__job *job, replica_error *err)
{
    job->made = replica__migrate_state(coll, job->old, &job->fresh, &job->why);
    for (size_t i = 0; i < job->sent_count && job->made != REPLICA_ENOMEM; i++) {
        replica_doc *doc = NULL;
        int r = replica__migrate_state(coll, job->sent[i].doc, &doc, NULL);

        replica_doc_unref(job->sent[i].doc);
        job->sent[i].doc = doc;
        if (r == REPLICA_ENOMEM)
            job->made = r;
    }
    return job->made == REPLICA_ENOMEM ? replica__enomem(err) : 0;
}

static int set_aside(replica_collection *coll, const struct replica__job *job, replica_error *err)
{
    if (job->deleted) /* it stays what it is: deleted */
        return 0;
    replica__db_log(coll->db, REPLICA_LOG_WARNING, "migration", "%s", job->why.message);
    return replica__aside_put(coll->db,
                              &(struct replica__aside){
                                  .coll = coll->number,
                                  .id = replica_doc_id(job->old),
                                  .kind = REPLICA_ASIDE_MIGRATION,
                                  .code = job->why.code,
                                  .reason = job->why.message,
                              },
                              err);
}

/* The write keeps what a program or a server said of the state: it is no edit. */
static int write_job(replica_collection *coll, const struct replica__row *row,
                     struct replica__job *job, replica_error *err)
{
    bool drop = job->made == REPLICA__MIGRATED_DROP;
    struct replica__write w = {
        .coll = coll,
        .id = row->id,
        .id_len = row->id_len,
        .json = row->body,
        .len = row->len,
        .deleted = job->deleted || drop,
        .bundle = row->bundle,
        .pulled = (row->flags & REPLICA__FLAG_PULLED) != 0,
        .stamp = row->stamp,
        .writer = row->writer,
        .wseq = row->wseq,
        .versioned = drop,
        .version = row->version,
        .kind = drop ? REPLICA__WRITE_DROPPED : REPLICA__WRITE_MIGRATED,
    };
    struct replica__written written;

    if (!drop)
        w.json = replica_doc_json(job->fresh, &w.len);
    return replica__write(coll->db, &w, row, &written, err);
}

/* A text that is good as it is needs no write, where nobody waits for it to be sent. */
static int mark_job(replica_collection *coll, const struct replica__row *row, replica_error *err)
{
    int r = 0;

    if (coll->db->set_aside)
        r = replica__aside_drop(coll->db, 0, row->coll, row->id, REPLICA_ASIDE_MIGRATION, err);
    return r < 0 ? r
                 : replica__sql_run(coll->db, REPLICA__SQL_MIGRATE_MARK, err, row->number,
                                    coll->version);
}

static int store_made(replica_collection *coll, const struct replica__row *row,
                      struct replica__job *job, replica_error *err)
{
    int r = 1;

    if (job->made < 0 || (job->deleted && job->made == REPLICA__MIGRATED_DROP))
        return set_aside(coll, job, err);
    if (job->made == REPLICA__MIGRATED_SAME)
        r = replica__state_needed(coll->db, row, err);
    if (r < 0)
        return r;
    if (r == 0)
        return mark_job(coll, row, err);
    r = write_job(coll, row, job, &job->why);
    if (r == REPLICA_ECONFLICT) { /* a unique index has its place */
        job->made = r;
        return set_aside(coll, job, err);
    }
    if (r < 0 && err)
        *err = job->why;
    return r;
}

static int store_job(replica_collection *coll, struct replica__job *job, bool wanted,
                     replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    struct replica__row row;
    int r = replica__row_by_number(coll->db, job->number, &stmt, &row, err);

    if (r < 0)
        return r;
    job->done = r == 0 || row.seq == job->seq;
    if (r == 0 || !job->done)
        return 0;
    r = store_made(coll, &row, job, err);
    if (r >= 0 && job->made >= 0)
        r = replica__state_follow_sent(coll->db, job->number, coll->version, job->sent,
                                       job->sent_count, err);
    replica__sql_reset(&stmt);
    job->fresh = replica_doc_unref(job->fresh);
    if (r < 0 || !wanted || job->made < 0 || job->made == REPLICA__MIGRATED_DROP || job->deleted)
        return r;
    r = replica__row_by_number(coll->db, job->number, &stmt, &row, err);
    return r <= 0 ? r : replica__row_doc(coll->db, coll->name, &row, &job->fresh, err);
}

int replica__jobs_run(replica_collection *coll, struct replica__job *jobs, size_t n,
                      replica_error *err)
{
    int r = 0;

    for (size_t i = 0; r >= 0 && i < n; i++)
        r = run_steps(coll, &jobs[i], err);
    return r;
}

int replica__jobs_store(replica_collection *coll, struct replica__job *jobs, size_t n, bool wanted,
                        replica_error *err)
{
    int r = replica__migrate_may_write(coll, err);

    for (size_t i = 0; r >= 0 && i < n; i++)
        r = store_job(coll, &jobs[i], wanted, err);
    return r < 0 ? r : 0;
}
