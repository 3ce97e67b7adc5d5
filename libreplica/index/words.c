/* Words of documents that were erased: FTS5 marks them as deleted, and has them until it merges
 * what has them.
 *
 * A small index is merged at once.  A large one takes as long as it is large, which is too long for
 * the transaction that erases: that is done in slices, behind it. */
#include "libreplica/index/text.h"

#include "libreplica/txn.h"

/* Pages of FTS5, of about 4 KB each. */
enum { SMALL = 250, SLICE = 250 };

static void free_text(char **text)
{
    sqlite3_free(*text);
}
#define SQL_TEXT __attribute__((cleanup(free_text))) char *

static int run(replica_db *db, const char *sql, replica_error *err)
{
    int rc = sql ? sqlite3_exec(db->sqlite, sql, NULL, NULL, NULL) : SQLITE_NOMEM;

    db->text_failed |= rc != SQLITE_OK;
    return rc == SQLITE_OK ? 0 : replica__sql_error(db, rc, err);
}

/* 1, 0.  It counts no further than to the limit. */
static int is_small(replica_db *db, const struct replica__index *index, replica_error *err)
{
    SQL_TEXT sql = sqlite3_mprintf("SELECT count(*) FROM (SELECT 1 FROM text_%lld_data LIMIT %d)",
                                   (long long)index->number, SMALL);
    sqlite3_stmt *stmt = NULL;
    int rc = sql ? sqlite3_prepare_v2(db->sqlite, sql, -1, &stmt, NULL) : SQLITE_NOMEM;
    int small = 0;

    if (rc == SQLITE_OK)
        rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW)
        small = sqlite3_column_int(stmt, 0) < SMALL;
    sqlite3_finalize(stmt);
    return rc == SQLITE_ROW ? small : replica__sql_error(db, rc, err);
}

static int merge_all(replica_db *db, const struct replica__index *index, replica_error *err)
{
    SQL_TEXT sql = sqlite3_mprintf("INSERT INTO text_%lld(text_%lld) VALUES('optimize')",
                                   (long long)index->number, (long long)index->number);

    return run(db, sql, err);
}

int replica__index_forget_words(replica_collection *coll, replica_error *err)
{
    struct replica__index *index;
    int large = 0;
    int r = replica__indexes_of(coll, &index, err);

    for (; r >= 0 && index; index = index->next) {
        if (replica__index_is_ordered(index))
            continue;
        r = is_small(coll->db, index, err);
        large |= r == 0;
        if (r > 0)
            r = merge_all(coll->db, index, err);
    }
    return r < 0 ? r : large;
}

/* FTS5 tells that it moves by what it changes.  A negative number begins a merge of all. */
int replica__index_merge_words(replica_collection *coll, bool begin, replica_error *err)
{
    struct replica__index *index;
    int more = 0;
    int r = replica__indexes_of(coll, &index, err);

    for (; r >= 0 && index; index = index->next) {
        SQL_TEXT sql = sqlite3_mprintf("INSERT INTO text_%lld(text_%lld, rank)"
                                       " VALUES('merge', %d)", (long long)index->number,
                                       (long long)index->number, begin ? -SLICE : SLICE);
        int before = sqlite3_total_changes(coll->db->sqlite);

        if (replica__index_is_ordered(index))
            continue;
        r = run(coll->db, sql, err);
        more |= sqlite3_total_changes(coll->db->sqlite) - before >= 2;
    }
    return r < 0 ? r : more;
}
