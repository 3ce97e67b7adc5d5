#include "libreplica/row.h"

#include "libreplica/document.h"
#include "libreplica/revision.h"

#include <string.h>

int replica__row_read(replica_db *db, sqlite3_stmt *stmt, struct replica__row *ret,
                      replica_error *err)
{
    const struct replica__row row = {
        .number = sqlite3_column_int64(stmt, 0),
        .coll = sqlite3_column_int64(stmt, 1),
        .id = (const char *)sqlite3_column_text(stmt, 2),
        .id_len = (size_t)sqlite3_column_bytes(stmt, 2),
        .seq = sqlite3_column_int64(stmt, 3),
        .height = sqlite3_column_int64(stmt, 4),
        .opening = sqlite3_column_int64(stmt, 5),
        .flags = sqlite3_column_int64(stmt, 6),
        .stamp = sqlite3_column_int64(stmt, 7),
        .writer = sqlite3_column_int64(stmt, 8),
        .wseq = sqlite3_column_int64(stmt, 9),
        .bundle = (const char *)sqlite3_column_text(stmt, 10),
        .version = sqlite3_column_int64(stmt, 11),
        .body = (const char *)sqlite3_column_text(stmt, 12),
        .len = (size_t)sqlite3_column_bytes(stmt, 12),
    };

    if (!row.id || !row.body) { /* both are NOT NULL: there was no memory, or the page is damaged */
        int rc = sqlite3_errcode(db->sqlite);

        if (rc != SQLITE_OK && rc != SQLITE_ROW && rc != SQLITE_DONE)
            return replica__sql_error(db, rc, err);
        return replica__error_set(err, REPLICA_ECORRUPT, 0, "document %lld has no text",
                                  (long long)row.number);
    }
    *ret = row;
    return 0;
}

int replica__row_find(replica_collection *coll, const char *id, size_t id_len, sqlite3_stmt **stmt,
                      struct replica__row *ret, replica_error *err)
{
    return replica__row_find_in(coll->db, coll->number, id, id_len, stmt, ret, err);
}

int replica__row_find_in(replica_db *db, int64_t coll, const char *id, size_t id_len,
                         sqlite3_stmt **stmt, struct replica__row *ret, replica_error *err)
{
    int rc = SQLITE_OK;
    int r = replica__sql_get(db, REPLICA__SQL_DOC_GET, stmt, err);

    if (r < 0)
        return r;
    replica__bind_int(*stmt, 1, coll, &rc);
    replica__bind_text(*stmt, 2, id, id_len, &rc);
    r = replica__sql_step(db, *stmt, rc, err);
    if (r <= 0)
        return r;
    r = replica__row_read(db, *stmt, ret, err);
    return r < 0 ? r : 1;
}

int replica__row_by_number(replica_db *db, int64_t number, sqlite3_stmt **stmt,
                           struct replica__row *ret, replica_error *err)
{
    int r = replica__sql_row(db, REPLICA__SQL_DOC_BY_NUMBER, stmt, err, number);

    if (r <= 0)
        return r;
    r = replica__row_read(db, *stmt, ret, err);
    return r < 0 ? r : 1;
}

/* Texts of the tokens of a row.  The opening's is borrowed from the cache, which may have both in
 * one slot: so the writer's, which most rows have none of, is copied first. */
static int tokens(replica_db *db, const struct replica__row *row, const char **ret_opening,
                  char *ret_writer, replica_error *err)
{
    const char *text = NULL;
    int r;

    if (row->writer) {
        r = replica__token_text(db, row->writer, &text, err);
        if (r < 0)
            return r;
        memcpy(ret_writer, text, strlen(text) + 1);
    }
    return replica__token_text(db, row->opening, ret_opening, err);
}

int replica__row_doc(replica_db *db, const char *collection, const struct replica__row *row,
                     replica_doc **ret_doc, replica_error *err)
{
    char writer[REPLICA__TOKEN_MAX + 1];
    const char *opening = NULL;
    int r = tokens(db, row, &opening, writer, err);
    const struct replica__doc_parts parts = {
        .collection = collection,
        .id = row->id,
        .id_len = row->id_len,
        .json = row->body,
        .len = row->len,
        .deleted = (row->flags & REPLICA__FLAG_DELETED) != 0,
        .sequence = row->seq,
        .height = row->height,
        .opening = opening,
        .writer = row->writer ? writer : NULL,
        .writer_seq = row->wseq,
        .bundle = row->bundle,
        .stamp = row->stamp,
        .version = row->version,
    };
    replica_doc *doc;

    if (r < 0)
        return r;
    doc = replica__doc_make(&parts);
    if (!doc)
        return replica__enomem(err);
    *ret_doc = doc;
    return 0;
}

int replica__row_rev(replica_db *db, const struct replica__row *row, char *ret_rev,
                     replica_error *err)
{
    const char *opening = NULL;
    int r = replica__token_text(db, row->opening, &opening, err);

    if (r < 0)
        return r;
    replica__revision_write(ret_rev, row->height, opening, row->seq);
    return 0;
}

int replica__row_operation(replica_db *db, const struct replica__row *row, char *ret,
                           replica_error *err)
{
    const char *token = NULL;
    int r = replica__token_text(db, row->writer ? row->writer : row->opening, &token, err);

    if (r < 0)
        return r;
    replica__operation_write(ret, token, row->writer ? row->wseq : row->seq);
    return 0;
}

void replica__row_key_text(const char *key, const struct replica__row *row,
                           struct replica__buf *out)
{
    replica__buf_char(out, '{');
    replica__buf_json_string(out, key, strlen(key));
    replica__buf_char(out, ':');
    replica__buf_json_string(out, row->id, row->id_len);
    replica__buf_char(out, '}');
}
