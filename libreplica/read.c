/* Reads by key. */
#include "libreplica/document.h"
#include "libreplica/migrate/migrate.h"
#include "libreplica/row.h"
#include "libreplica/txn.h"

#include <string.h>

static int get(replica_collection *coll, const char *id, replica_doc **ret_doc, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    struct replica__row row;
    int r = replica__row_find(coll, id, strlen(id), &stmt, &row, err);

    if (r > 0 && (row.flags & REPLICA__FLAG_DELETED))
        r = 0;
    if (r > 0 && replica__migrate_is_due(coll, &row)) {
        replica__sql_reset(&stmt);
        return replica__migrate_get(coll, id, strlen(id), ret_doc, err);
    }
    if (r > 0) {
        r = replica__row_doc(coll->db, coll->name, &row, ret_doc, err);
        return r < 0 ? r : 1;
    }
    return r;
}

int replica_get(replica_collection *coll, const char *id, replica_doc **ret_doc,
                replica_error *err)
{
    replica_doc *doc = NULL;
    int r;

    if (!coll || !id || !ret_doc)
        return replica__error_set(err, REPLICA_EINVAL, 0, "no collection, id or place for it");
    r = get(coll, id, &doc, err);
    if (r >= 0)
        *ret_doc = doc;
    return r;
}

/* No step runs within a read. */
static int migrate_first(replica_collection *coll, const char *const *ids, size_t n,
                         replica_error *err)
{
    int r = coll->steps ? replica__txn_know(coll->db, err) : 0;

    if (r < 0 || !replica__migrate_is_left(coll) || coll->db->flags & REPLICA_DB_READ_ONLY)
        return r < 0 ? r : 0;
    for (size_t i = 0; r >= 0 && i < n; i++) {
        REPLICA_DOC doc = NULL;

        r = get(coll, ids[i], &doc, err);
    }
    return r;
}

int replica_get_many(replica_collection *coll, const char *const *ids, size_t n,
                     replica_doc **ret_docs, replica_error *err)
{
    REPLICA_READ read = NULL;
    replica_doc **docs;
    int found = 0;
    int r;

    if (!coll || (n > 0 && (!ids || !ret_docs)))
        return replica__error_set(err, REPLICA_EINVAL, 0, "no collection, ids or place for them");
    for (size_t i = 0; i < n; i++) {
        if (!ids[i])
            return replica__error_set(err, REPLICA_EINVAL, 0, "id %zu is NULL", i);
    }
    r = migrate_first(coll, ids, n, err);
    if (r < 0)
        return r;
    docs = replica__alloc_zero(n, sizeof *docs);
    if (!docs)
        return replica__enomem(err);
    r = replica__read_begin(coll->db, &read, err);
    for (size_t i = 0; r >= 0 && i < n; i++) {
        r = get(coll, ids[i], &docs[i], err);
        found += r > 0;
    }
    for (size_t i = 0; i < n; i++) {
        if (r >= 0)
            ret_docs[i] = docs[i];
        else
            replica_doc_unref(docs[i]);
    }
    replica__free(docs);
    return r < 0 ? r : found;
}

int replica_collection_count(replica_collection *coll, int64_t *ret_count, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    int r;

    if (!coll || !ret_count)
        return replica__error_set(err, REPLICA_EINVAL, 0, "no collection, or no place");
    r = replica__sql_row(coll->db, REPLICA__SQL_COLL_COUNT, &stmt, err, coll->number);
    if (r < 0)
        return r;
    *ret_count = sqlite3_column_int64(stmt, 0);
    return 0;
}

int replica_db_sequence(replica_db *db, int64_t *ret_sequence, replica_error *err)
{
    int r;

    if (!db || !ret_sequence)
        return replica__error_set(err, REPLICA_EINVAL, 0, "no database, or no place");
    r = replica__txn_know(db, err);
    if (r < 0)
        return r;
    *ret_sequence = db->head;
    return 0;
}
