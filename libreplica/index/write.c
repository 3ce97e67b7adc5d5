/* What a write does to the indexes of its collection: only what is different is touched. */
#include "libreplica/index/index.h"

#include "libreplica/index/text.h"
#include "libreplica/txn.h"

#include <assert.h>
#include <string.h>

static int entry(replica_db *db, enum replica__sql which, int64_t index, const char *key,
                 size_t len, int64_t doc, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    int rc = SQLITE_OK;
    int r = replica__sql_get(db, which, &stmt, err);

    if (r < 0)
        return r;
    replica__bind_int(stmt, 1, index, &rc);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_blob64(stmt, 2, key, len, SQLITE_STATIC);
    replica__bind_int(stmt, 3, doc, &rc);
    return replica__sql_step(db, stmt, rc, err);
}

/* Mark it, if the keys say so, in the file and here. */
static int mark(replica_db *db, struct replica__index *index,
                const struct replica__index_keys *keys, replica_error *err)
{
    unsigned marks =
        (keys->multikey ? REPLICA__INDEX_MULTIKEY : 0) | (keys->wide ? REPLICA__INDEX_WIDE : 0);
    int r;

    if ((index->flags & marks) == marks)
        return 0;
    r = replica__sql_run(db, REPLICA__SQL_INDEX_MARK, err, index->number, marks);
    if (r >= 0)
        index->flags |= marks; /* a rollback reads it again */
    return r;
}

static int compare(const struct replica__index_keys *a, size_t i,
                   const struct replica__index_keys *b, size_t k)
{
    return replica__key_order(replica__index_key_at(a, i), a->keys[i].len,
                              replica__index_key_at(b, k), b->keys[k].len);
}

/* Both are sorted: walk along them.  While the index is built, what stays may not be in it yet, and
 * the builder passes what was written since it read. */
static int exchange(replica_db *db, const struct replica__index *index, int64_t doc,
                    const struct replica__index_keys *old, size_t old_n,
                    const struct replica__index_keys *new, size_t new_n, replica_error *err)
{
    size_t i = 0, k = 0;
    int r = 0;

    while (r >= 0 && (i < old_n || k < new_n)) {
        int order = i == old_n ? 1 : k == new_n ? -1 : compare(old, i, new, k);

        if (order < 0)
            r = entry(db, REPLICA__SQL_ENTRY_DROP, index->number, replica__index_key_at(old, i),
                      old->keys[i].len, doc, err);
        else if (order > 0 || index->built != INT64_MAX)
            r = entry(db, REPLICA__SQL_ENTRY_ADD, index->number, replica__index_key_at(new, k),
                      new->keys[k].len, doc, err);
        i += order <= 0;
        k += order >= 0;
    }
    return r;
}

static int write_one(replica_db *db, struct replica__index *index, int64_t doc, const char *id,
                     size_t id_len, const struct replica__row *old, const char *json, size_t len,
                     replica_error *err)
{
    int had = 0, has = 0;

    if (old && !(old->flags & REPLICA__FLAG_DELETED))
        had = replica__index_keys(index, old->body, old->len, id, id_len, &db->keys[0], err);
    if (had >= 0 && json)
        has = replica__index_keys(index, json, len, id, id_len, &db->keys[1], err);
    if (had < 0 || has < 0)
        return had < 0 ? had : has;
    if (has) {
        int r = mark(db, index, &db->keys[1], err);

        if (r < 0)
            return r;
    }
    return exchange(db, index, doc, &db->keys[0], had ? db->keys[0].n : 0, &db->keys[1],
                    has ? db->keys[1].n : 0, err);
}

int replica__index_write(replica_collection *coll, int64_t doc, const char *id, size_t id_len,
                         const struct replica__row *old, const char *json, size_t len,
                         replica_error *err)
{
    struct replica__index *index;
    int r = replica__indexes_of(coll, &index, err);

    assert(coll->db->in_txn);
    for (; r >= 0 && index; index = index->next) {
        r = replica__index_is_ordered(index)
                ? write_one(coll->db, index, doc, id, id_len, old, json, len, err)
                : replica__index_text_write(coll->db, index, doc, old, json, len, err);
    }
    return r;
}

int replica__index_purge(replica_db *db, replica_collection *coll, const struct replica__row *old,
                         replica_error *err)
{
    int r;

    if (!db->indexed)
        return 0;
    r = replica__index_write(coll, old->number, old->id, old->id_len, old, NULL, 0, err);
    if (r < 0 || !db->unbuilt)
        return r;
    /* A builder that has read the document looks what became of it by its sequence number, and now
     * there is none.  It begins anew when `built` is another than it knows. */
    db->known = false;
    return replica__sql_run(db, REPLICA__SQL_INDEX_UNBUILD, err, coll->number);
}

/* ---- unique ---------------------------------------------------------------------- */

static int refuse(replica_collection *coll, const struct replica__index *index, const char *id,
                  const char *other, replica_error *err)
{
    coll->db->taken = true;
    replica__error_set(err, REPLICA_ECONFLICT, 409,
                       "unique index '%s': document '%s' has these values", index->name, other);
    replica__error_where(err, "%s/%s", coll->name, id);
    return REPLICA_ECONFLICT;
}

/* Who has an entry between these keys?  The document itself may. */
static int look(replica_collection *coll, const struct replica__index *index, const char *id,
                size_t id_len, const char *key, size_t key_len, replica_error *err)
{
    replica_db *db = coll->db;
    REPLICA_BUF behind = REPLICA_BUF_INIT;
    REPLICA_STMT stmt = NULL;
    int rc = SQLITE_OK;
    int r = replica__sql_get(db, REPLICA__SQL_ENTRY_IDS, &stmt, err);

    replica__key_behind(key, key_len, &behind);
    if (r < 0 || behind.r < 0)
        return r < 0 ? r : replica__enomem(err);
    replica__bind_int(stmt, 1, index->number, &rc);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_blob64(stmt, 2, key, key_len, SQLITE_STATIC);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_blob64(stmt, 3, behind.data, behind.len, SQLITE_STATIC);
    while ((r = replica__sql_step(db, stmt, rc, err)) > 0) {
        const char *other = (const char *)sqlite3_column_text(stmt, 0);
        size_t len = (size_t)sqlite3_column_bytes(stmt, 0);

        if (!other)
            return replica__enomem(err);
        if (len != id_len || memcmp(other, id, id_len) != 0)
            return refuse(coll, index, id, other, err);
    }
    return r;
}

int replica__index_fits(replica_collection *coll, const char *id, size_t id_len, const char *json,
                        size_t len, replica_error *err)
{
    replica_db *db = coll->db;
    struct replica__index_keys *keys = &db->keys[1];
    struct replica__index *index;
    int r = replica__indexes_of(coll, &index, err);

    db->taken = false;
    for (; r >= 0 && index; index = index->next) {
        if (!(index->flags & REPLICA_INDEX_UNIQUE))
            continue;
        r = replica__index_keys(index, json, len, id, id_len, keys, err);
        if (r <= 0 || !keys->whole)
            continue;
        for (size_t i = 0; r >= 0 && i < keys->n; i++)
            r = look(coll, index, id, id_len, replica__index_key_at(keys, i),
                     keys->keys[i].len - keys->id_len, err);
    }
    return r < 0 ? r : 0;
}
