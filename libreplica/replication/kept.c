/* States that are kept besides the stored one: bases, what was sent, unsettled real states, and
 * what the conflict log holds.  Each is stored once and counted. */
#include "libreplica/document.h"
#include "libreplica/replication/state.h"

#include <string.h>

int replica__kept_add(replica_db *db, const struct replica__kept *k, int64_t refs, int64_t *ret_id,
                      replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    int rc = SQLITE_OK;
    int r = replica__sql_get(db, REPLICA__SQL_KEPT_ADD, &stmt, err);

    if (r < 0)
        return r;
    replica__bind_int(stmt, 1, refs, &rc);
    replica__bind_int(stmt, 2, k->flags, &rc);
    replica__bind_int(stmt, 3, k->version, &rc);
    replica__bind_int_or_null(stmt, 4, k->incarnation, &rc);
    replica__bind_int_or_null(stmt, 5, k->server_seq, &rc);
    replica__bind_int_or_null(stmt, 6, k->stamp, &rc);
    replica__bind_int_or_null(stmt, 7, k->writer, &rc);
    replica__bind_int_or_null(stmt, 8, k->wseq, &rc);
    replica__bind_text(stmt, 9, k->bundle, REPLICA_NUL, &rc);
    replica__bind_text(stmt, 10, k->body, k->len, &rc);
    replica__bind_int_or_null(stmt, 11, k->opening, &rc);
    r = replica__sql_step(db, stmt, rc, err);
    if (r < 0)
        return r;
    *ret_id = sqlite3_last_insert_rowid(db->sqlite);
    return 0;
}

int replica__kept_add_row(replica_db *db, const struct replica__row *row, int64_t refs,
                          int64_t *ret_id, replica_error *err)
{
    const struct replica__kept k = {
        .flags = row->flags & REPLICA__FLAG_DELETED,
        .version = row->version,
        .stamp = row->stamp,
        .opening = row->opening,
        .writer = row->writer,
        .wseq = row->writer ? row->wseq : row->seq,
        .bundle = row->bundle,
        .body = row->body,
        .len = row->len,
    };

    return replica__kept_add(db, &k, refs, ret_id, err);
}

int replica__kept_ref(replica_db *db, int64_t id, replica_error *err)
{
    return replica__sql_run(db, REPLICA__SQL_KEPT_REF, err, id);
}

int replica__kept_unref(replica_db *db, int64_t id, replica_error *err)
{
    int r;

    if (!id)
        return 0;
    r = replica__sql_run(db, REPLICA__SQL_KEPT_UNREF, err, id);
    return r < 0 ? r : replica__sql_run(db, REPLICA__SQL_KEPT_DROP, err, id);
}

int replica__kept_get(replica_db *db, int64_t id, sqlite3_stmt **stmt, struct replica__kept *ret,
                      replica_error *err)
{
    int r = replica__sql_row(db, REPLICA__SQL_KEPT_GET, stmt, err, id);

    if (r < 0)
        return r;
    if (r == 0 || !sqlite3_column_text(*stmt, 8))
        return replica__error_set(err, REPLICA_ECORRUPT, 0, "kept state %lld is missing",
                                  (long long)id);
    *ret = (struct replica__kept){
        .flags = sqlite3_column_int64(*stmt, 0),
        .version = sqlite3_column_int64(*stmt, 1),
        .incarnation = sqlite3_column_int64(*stmt, 2),
        .server_seq = sqlite3_column_int64(*stmt, 3),
        .stamp = sqlite3_column_int64(*stmt, 4),
        .writer = sqlite3_column_int64(*stmt, 5),
        .wseq = sqlite3_column_int64(*stmt, 6),
        .bundle = (const char *)sqlite3_column_text(*stmt, 7),
        .body = (const char *)sqlite3_column_text(*stmt, 8),
        .len = (size_t)sqlite3_column_bytes(*stmt, 8),
        .opening = sqlite3_column_int64(*stmt, 9),
    };
    return 0;
}

int replica__kept_doc(replica_db *db, const char *collection, const char *doc_id, int64_t id,
                      replica_doc **ret_doc, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    struct replica__kept k;
    const char *writer = NULL;
    replica_doc *doc;
    int r;

    if (!id) {
        *ret_doc = NULL;
        return 0;
    }
    r = replica__kept_get(db, id, &stmt, &k, err);
    if (r >= 0 && (k.writer || k.opening))
        r = replica__token_text(db, k.writer ? k.writer : k.opening, &writer, err);
    if (r < 0)
        return r;
    doc = replica__doc_make(&(struct replica__doc_parts){
        .collection = collection,
        .id = doc_id,
        .id_len = strlen(doc_id),
        .json = k.body,
        .len = k.len,
        .deleted = (k.flags & REPLICA__FLAG_DELETED) != 0,
        .writer = writer,
        .writer_seq = k.wseq,
        .stamp = k.stamp,
        .version = k.version,
    });
    if (!doc)
        return replica__enomem(err);
    *ret_doc = doc;
    return 0;
}
