/* Migrating what is about to be read or written over. */
#include "libreplica/document.h"
#include "libreplica/migrate/job.h"
#include "libreplica/text.h"
#include "libreplica/txn.h"

#include <string.h>

#define CHUNK 64

int replica__migrate_failed(const replica_collection *coll, const char *id, size_t id_len,
                            replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    int rc = SQLITE_OK;
    int r;

    if (!coll->db->set_aside)
        return 0;
    r = replica__sql_get(coll->db, REPLICA__SQL_MIGRATE_WHY, &stmt, err);
    if (r < 0)
        return r;
    replica__bind_int(stmt, 1, coll->number, &rc);
    replica__bind_text(stmt, 2, id, id_len, &rc);
    replica__bind_int(stmt, 3, REPLICA_ASIDE_MIGRATION, &rc);
    r = replica__sql_step(coll->db, stmt, rc, err);
    if (r <= 0)
        return r;
    replica__error_set(err, REPLICA_EUSER, 0, "%s", sqlite3_column_text(stmt, 0));
    replica__error_where(err, "%s/%s", coll->name, id);
    return 1;
}

static int higher(const replica_collection *coll, const char *id, int64_t version,
                  replica_error *err)
{
    replica__error_set(err, REPLICA_EVERSION, (int)version,
                       "'%s' is of version %lld, and this program reads version %d", id,
                       (long long)version, coll->version);
    replica__error_where(err, "%s/%s", coll->name, id);
    return REPLICA_EVERSION;
}

int replica__migrate_shows(const replica_collection *coll, const struct replica__row *row,
                           replica_error *err)
{
    if (!replica__migrate_is_due(coll, row))
        return 1;
    return row->version > coll->version ? higher(coll, row->id, row->version, err) : 0;
}

/* What is stored: 1; 0: absent or deleted.  *ret_number: it is to be migrated. */
static int look(replica_collection *coll, const char *id, size_t id_len, replica_doc **ret_doc,
                int64_t *ret_number, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    struct replica__row row;
    int r = replica__row_find(coll, id, id_len, &stmt, &row, err);

    *ret_number = 0;
    if (r <= 0 || (row.flags & REPLICA__FLAG_DELETED))
        return r < 0 ? r : 0;
    if (replica__migrate_is_due(coll, &row)) {
        if (row.version > coll->version)
            return higher(coll, row.id, row.version, err);
        *ret_number = row.number;
    }
    r = replica__row_doc(coll->db, coll->name, &row, ret_doc, err);
    return r < 0 ? r : 1;
}

/* 1: it is as it should be in *doc, or gone (NULL); 0: somebody was faster. */
static int raise_one(replica_collection *coll, int64_t number, replica_doc **ret_doc,
                     replica_error *err)
{
    struct replica__job job = { 0 };
    REPLICA_TXN txn = NULL;
    int r = replica__job_read(coll, number, &job, err);

    if (r <= 0)
        return r;
    r = replica__jobs_run(coll, &job, 1, err);
    if (r >= 0)
        r = replica__txn_begin(coll->db, &txn, err);
    if (r >= 0)
        r = replica__jobs_store(coll, &job, 1, true, err);
    if (r >= 0)
        r = replica__txn_commit(&txn, err);
    if (r >= 0 && job.done && job.made < 0) {
        r = replica__error_set(err, REPLICA_EUSER, job.made, "%s", job.why.message);
        replica__error_where(err, "%s/%s", coll->name, replica_doc_id(job.old));
    } else if (r >= 0) {
        *ret_doc = replica_doc_ref(job.fresh);
        r = job.done;
    }
    replica__job_free(&job);
    return r;
}

/* A reader's document is brought up in memory alone; its revision is the stored one. */
static int raise_in_memory(replica_collection *coll, replica_doc *doc, replica_doc **ret_doc,
                           replica_error *err)
{
    replica_error why = { .offset = -1 };
    replica_doc *raised = NULL;
    int r = replica__migrate_state(coll, doc, &raised, &why);

    if (r < 0 && err) {
        *err = why;
        err->code = r == REPLICA_ENOMEM ? r : REPLICA_EUSER;
    }
    if (r < 0)
        return r == REPLICA_ENOMEM ? r : REPLICA_EUSER;
    *ret_doc = raised;
    return 1;
}

int replica__migrate_get(replica_collection *coll, const char *id, size_t id_len,
                         replica_doc **ret_doc, replica_error *err)
{
    replica_doc *raised = NULL;
    int r = 0;

    for (int round = 0; r == 0 && round < REPLICA__ROUNDS; round++) {
        REPLICA_DOC doc = NULL;
        int64_t number;

        if (round > 0)
            replica__back_off(coll->db, round);
        r = look(coll, id, id_len, &doc, &number, err);
        if (r <= 0)
            return r;
        if (!number) {
            raised = replica_doc_ref(doc);
            break;
        }
        r = replica__migrate_failed(coll, id, id_len, err);
        if (r > 0)
            r = REPLICA_EUSER;
        if (r >= 0 && coll->db->flags & REPLICA_DB_READ_ONLY)
            r = raise_in_memory(coll, doc, &raised, err);
        else if (r >= 0)
            r = raise_one(coll, number, &raised, err);
    }
    if (r == 0)
        return replica__error_set(err, REPLICA_EBUSY, 0, "'%.*s' is written again and again",
                                  (int)id_len, id);
    if (r < 0)
        return r;
    r = raised != NULL;
    if (ret_doc)
        *ret_doc = raised;
    else
        replica_doc_unref(raised);
    return r;
}

/* ---- many ------------------------------------------------------------------------ */

/* Word nothing: a document that cannot be migrated is left out. */
static int replace_doc(replica_collection *coll, replica_doc **doc, replica_error *err)
{
    const char *id = replica_doc_id(*doc);
    replica_error why = { .offset = -1 };
    replica_doc *raised = NULL;
    int r = replica__migrate_get(coll, id, strlen(id), &raised, &why);

    if (r < 0 && r != REPLICA_EUSER) {
        if (err)
            *err = why;
        return r;
    }
    replica_doc_unref(*doc);
    *doc = raised;
    return 0;
}

static int number_of(replica_collection *coll, replica_doc *doc, int64_t *ret, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    struct replica__row row;
    int r = replica__row_find(coll, replica_doc_id(doc), REPLICA_NUL, &stmt, &row, err);

    *ret = r > 0 ? row.number : 0;
    return r;
}

/* Raise those that can be in one transaction; what is in the way of one is met when it is looked at
 * alone. */
static int raise_chunk(replica_collection *coll, replica_doc **docs, size_t n, replica_error *err)
{
    struct replica__job jobs[CHUNK];
    REPLICA_TXN txn = NULL;
    size_t count = 0;
    int r = 0;

    for (size_t i = 0; r >= 0 && i < n; i++) {
        int64_t number = 0;

        r = replica__migrate_failed(coll, replica_doc_id(docs[i]), REPLICA_NUL, NULL);
        if (r == 0)
            r = number_of(coll, docs[i], &number, err);
        if (number)
            r = replica__job_read(coll, number, &jobs[count], err);
        count += number && r > 0;
    }
    if (r >= 0)
        r = replica__jobs_run(coll, jobs, count, err);
    if (r >= 0)
        r = replica__txn_begin(coll->db, &txn, err);
    if (r >= 0)
        r = replica__jobs_store(coll, jobs, count, false, err);
    if (r >= 0)
        r = replica__txn_commit(&txn, err);
    for (size_t i = 0; i < count; i++)
        replica__job_free(&jobs[i]);
    return r;
}

int replica__migrate_docs(replica_collection *coll, replica_doc **docs, size_t n,
                          replica_error *err)
{
    replica_doc *low[CHUNK];
    size_t count = 0;
    int r = 0;

    for (size_t i = 0; i < n; i++) {
        int64_t version = replica_doc_deleted(docs[i]) ? coll->version
                                                       : replica__doc_version(docs[i]);

        if (version > coll->version)
            return higher(coll, replica_doc_id(docs[i]), version, err);
        if (version < coll->version && count < CHUNK)
            low[count++] = docs[i];
    }
    if (count == 0 || !coll->steps)
        return 0;
    if (!(coll->db->flags & REPLICA_DB_READ_ONLY))
        r = raise_chunk(coll, low, count, err);
    for (size_t i = 0; r >= 0 && i < n; i++) {
        if (replica__doc_version(docs[i]) < coll->version && !replica_doc_deleted(docs[i]))
            r = replace_doc(coll, &docs[i], err);
    }
    return r;
}

/* ---- behind a conflict ------------------------------------------------------------ */

void replica__migrate_stored(replica_collection *coll, replica_doc **stored)
{
    if (stored && *stored && coll->steps)
        replica__migrate_docs(coll, stored, 1, NULL);
}
