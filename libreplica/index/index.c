/* The indexes of a collection, as the file has them, kept parsed. */
#include "libreplica/index/index.h"

#include "libreplica/index/text.h"

#include "libreplica/txn.h"

#include <string.h>

void replica__indexes_free(struct replica__index *first)
{
    struct replica__index *next;

    for (struct replica__index *index = first; index; index = next) {
        next = index->next;
        for (size_t i = 0; i < index->n; i++)
            replica__path_free(&index->fields[i]);
        replica__selector_free(index->partial);
        replica__index_text_free(index->statements);
        replica__free(index->fields);
        replica__free(index->field_names);
        replica__free(index->name);
        replica__free(index->where);
        replica__free(index);
    }
}

static void free_one(struct replica__index **index)
{
    replica__indexes_free(*index);
}

void replica__indexes_forget(replica_db *db)
{
    db->known = false;
}

/* ---- reading a row --------------------------------------------------------------- */

static int damaged(int64_t number, const char *what, replica_error *err)
{
    return replica__error_set(err, REPLICA_ECORRUPT, 0, "index %lld has no %s", (long long)number,
                              what);
}

/* The text is ours: replica_index_create() wrote it. */
static int read_fields(struct replica__index *index, const char *json, size_t len,
                       replica_error *err)
{
    struct replica__json_value list = { .type = REPLICA_JSON_NONE };
    struct replica__json_iter it;
    REPLICA_BUF text = REPLICA_BUF_INIT;
    int r = replica__json_check(json, len, NULL, NULL);

    if (r == 0)
        list = replica__json_value(json, len);
    if (list.type != REPLICA_JSON_ARRAY)
        return r == REPLICA_ENOMEM ? replica__enomem(err) : damaged(index->number, "fields", err);
    index->fields = replica__alloc_zero(REPLICA__INDEX_FIELDS, sizeof *index->fields);
    index->field_names = replica__alloc_zero(REPLICA__INDEX_FIELDS, sizeof *index->field_names);
    if (!index->fields || !index->field_names)
        return replica__enomem(err);
    it = replica__json_iter(list);
    while (replica__json_next(&it)) {
        if (it.value.type != REPLICA_JSON_STRING || index->n == REPLICA__INDEX_FIELDS)
            return damaged(index->number, "fields that are known here", err);
        replica__buf_clear(&text);
        replica__json_unescape(
            (struct replica__slice){ it.value.text.data + 1, it.value.text.len - 2 }, &text);
        if (text.r < 0)
            return replica__enomem(err);
        r = replica__path_parse(text.data ? text.data : "", text.len, &index->fields[index->n],
                                err);
        if (r < 0)
            return r;
        index->field_names[index->n] = index->fields[index->n].text;
        index->n++;
    }
    return index->n ? 0 : damaged(index->number, "fields", err);
}

static int read_row(replica_db *db, sqlite3_stmt *stmt, struct replica__index **ret,
                    replica_error *err)
{
    __attribute__((cleanup(free_one))) struct replica__index *index =
        replica__alloc_zero(1, sizeof *index);
    const char *name = (const char *)sqlite3_column_text(stmt, 1);
    const char *fields = (const char *)sqlite3_column_text(stmt, 2);
    const char *where = (const char *)sqlite3_column_text(stmt, 4);
    int r = 0;

    if (!index || !name || !fields || (!where && sqlite3_column_type(stmt, 4) != SQLITE_NULL))
        return replica__enomem(err);
    index->number = sqlite3_column_int64(stmt, 0);
    index->flags = (unsigned)sqlite3_column_int64(stmt, 3);
    index->built =
        sqlite3_column_type(stmt, 5) == SQLITE_NULL ? INT64_MAX : sqlite3_column_int64(stmt, 5);
    index->name = replica__strdup(name);
    index->where = replica__strdup(where);
    if (!index->name || (where && !index->where))
        return replica__enomem(err);
    r = read_fields(index, fields, (size_t)sqlite3_column_bytes(stmt, 2), err);
    if (r >= 0 && where)
        r = replica__selector_parse(where, strlen(where), &index->partial, err);
    if (r < 0)
        return r;
    *ret = index;
    index = NULL;
    return 0;
}

int replica__index_read(replica_db *db, int64_t number, struct replica__index **ret_index,
                        int64_t *ret_coll, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    int r = replica__sql_row(db, REPLICA__SQL_INDEX_GET, &stmt, err, number);

    if (r <= 0)
        return r;
    *ret_coll = sqlite3_column_int64(stmt, 6);
    r = read_row(db, stmt, ret_index, err);
    return r < 0 ? r : 1;
}

/* ---- those of a collection ------------------------------------------------------- */

/* An index never changes but for its flags and how far it is built: what is parsed stays. */
static struct replica__index *take_known(struct replica__index **known, sqlite3_stmt *stmt)
{
    int64_t number = sqlite3_column_int64(stmt, 0);
    struct replica__index *found;

    while (*known && (*known)->number != number)
        known = &(*known)->next;
    found = *known;
    if (!found)
        return NULL;
    *known = found->next;
    found->next = NULL;
    found->flags = (unsigned)sqlite3_column_int64(stmt, 3);
    found->built =
        sqlite3_column_type(stmt, 5) == SQLITE_NULL ? INT64_MAX : sqlite3_column_int64(stmt, 5);
    return found;
}

static int read_all(replica_collection *coll, struct replica__index **known,
                    struct replica__index **last, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    int r = replica__sql_with(coll->db, REPLICA__SQL_INDEX_LIST, &stmt, err, coll->number);

    if (r < 0)
        return r;
    while ((r = replica__sql_step(coll->db, stmt, SQLITE_OK, err)) > 0) {
        *last = take_known(known, stmt);
        r = *last ? 0 : read_row(coll->db, stmt, last, err);
        if (r < 0)
            return r;
        last = &(*last)->next;
    }
    return r;
}

int replica__indexes_of(replica_collection *coll, struct replica__index **ret_first,
                        replica_error *err)
{
    replica_db *db = coll->db;
    struct replica__index *known = coll->indexes;
    int r = 0;

    if (coll->indexes_at != db->known_at) {
        coll->indexes = NULL;
        if (db->indexed)
            r = read_all(coll, &known, &coll->indexes, err);
        replica__indexes_free(known);
        if (r < 0) {
            coll->indexes_at = 0; /* read again */
            return r;
        }
        coll->indexes_at = db->known_at;
    }
    *ret_first = coll->indexes;
    return 0;
}
