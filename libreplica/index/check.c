/* Is each entry there that must be, and no other one? */
#include "libreplica/index/index.h"

#include "libreplica/collection.h"
#include "libreplica/index/text.h"
#include "libreplica/txn.h"

#include <string.h>

struct checking {
    replica_db *db;
    void (*fn)(void *ctx, const char *where, const char *what);
    void *ctx;
    struct replica__index *index;
    char where[400];
    int64_t present; /* of those that must be there */
    struct replica__index_keys keys;
};

static int number_of(replica_db *db, const char *sql, int64_t first, const void *key, size_t len,
                     int64_t third, int64_t *ret, replica_error *err)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(db->sqlite, sql, -1, &stmt, NULL);
    int r;

    replica__bind_int(stmt, 1, first, &rc);
    if (key && rc == SQLITE_OK)
        rc = sqlite3_bind_blob64(stmt, 2, key, len, SQLITE_STATIC);
    if (key)
        replica__bind_int(stmt, 3, third, &rc);
    r = replica__sql_step(db, stmt, rc, err);
    if (r > 0)
        *ret = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    return r;
}

static void report(struct checking *c, const char *id, const char *what)
{
    char line[500];

    sqlite3_snprintf(sizeof line, line, "%s%s", what, id);
    c->fn(c->ctx, c->where, line);
}

static int check_document(struct checking *c, int64_t number, const char *id, size_t id_len,
                          const char *body, size_t len, replica_error *err)
{
    bool whole = true;
    int r = replica__index_keys(c->index, body, len, id, id_len, &c->keys, err);

    for (size_t i = 0; r > 0 && i < c->keys.n; i++) {
        int64_t found = 0;

        r = number_of(c->db, "SELECT count(*) FROM entry WHERE idx = ?1 AND key = ?2 AND doc = ?3",
                      c->index->number, replica__index_key_at(&c->keys, i), c->keys.keys[i].len,
                      number, &found, err);
        c->present += found;
        whole = whole && found;
    }
    if (r <= 0)
        return r;
    if (!whole && c->index->built == INT64_MAX)
        report(c, id, "it does not have all entries of document ");
    if (c->keys.multikey && !(c->index->flags & REPLICA__INDEX_MULTIKEY) && whole)
        report(c, id, "it is not marked for several entries of document ");
    return 0;
}

static int check_documents(struct checking *c, int64_t coll, replica_error *err)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(c->db->sqlite,
                                "SELECT number, id, body FROM doc WHERE coll = ?1"
                                " AND flags & 1 = 0",
                                -1, &stmt, NULL);
    int r;

    replica__bind_int(stmt, 1, coll, &rc);
    while ((r = replica__sql_step(c->db, stmt, rc, err)) > 0) {
        const char *id = (const char *)sqlite3_column_text(stmt, 1);
        const char *body = (const char *)sqlite3_column_text(stmt, 2);

        r = id && body ? check_document(c, sqlite3_column_int64(stmt, 0), id,
                                        (size_t)sqlite3_column_bytes(stmt, 1), body,
                                        (size_t)sqlite3_column_bytes(stmt, 2), err)
                       : replica__enomem(err);
        if (r < 0)
            break;
    }
    sqlite3_finalize(stmt);
    return r;
}

static int check_ordered(struct checking *c, int64_t coll, replica_error *err)
{
    int64_t all = 0;
    int r = check_documents(c, coll, err);

    if (r >= 0)
        r = number_of(c->db, "SELECT count(*) FROM entry WHERE idx = ?1", c->index->number, NULL, 0,
                      0, &all, err);
    if (r >= 0 && all != c->present)
        report(c, "", "it has entries that belong to no document as it is stored");
    return r;
}

static int check_index(struct checking *c, int64_t number, replica_error *err)
{
    char name[65] = "";
    int64_t coll = 0;
    int r = replica__index_read(c->db, number, &c->index, &coll, err);

    if (r > 0)
        r = replica__collection_name(c->db, coll, name, err) < 0 ? 0 : 1;
    if (r <= 0)
        return r; /* of a collection that is missing: said elsewhere */
    sqlite3_snprintf(sizeof c->where, c->where, "%s, index %s", name, c->index->name);
    c->present = 0;
    if (replica__index_is_ordered(c->index))
        return check_ordered(c, coll, err);
    r = replica__index_text_check(c->db, c->index, err);
    if (r > 0)
        report(c, "", "its words are not those of the documents");
    return r;
}

static int next_index(replica_db *db, int64_t after, int64_t *ret, replica_error *err)
{
    *ret = 0;
    return number_of(db, "SELECT ifnull(min(id), 0) FROM idx WHERE coll <> 0 AND id > ?1", after,
                     NULL, 0, 0, ret, err);
}

int replica__index_check(replica_db *db, void (*fn)(void *ctx, const char *where, const char *what),
                         void *ctx, replica_error *err)
{
    struct checking c = { .db = db, .fn = fn, .ctx = ctx };
    REPLICA_READ read = NULL;
    int64_t number = 0;
    int r = replica__read_begin(db, &read, err);

    if (r >= 0)
        r = next_index(db, 0, &number, err);
    while (r >= 0 && number > 0) {
        r = check_index(&c, number, err);
        replica__indexes_free(c.index);
        c.index = NULL;
        if (r >= 0)
            r = next_index(db, number, &number, err);
    }
    replica__index_keys_free(&c.keys);
    return r < 0 ? r : 0;
}
