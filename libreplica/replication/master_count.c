/* How much of the master's feed is left for a reader.
 *
 * Without a pattern and without an eye the index tells.  Else texts must be looked at: what is more
 * than some is not counted. */
#include "libreplica/db.h"
#include "libreplica/master.h"
#include "libreplica/replication/master_sight.h"
#include "libreplica/txn.h"

struct looks { /* that are left */
    int64_t rows, bytes;
};
static const struct looks most_looks = { 4000, 16 << 20 };

static int count_all(replica_db *db, const replica_collection *coll,
                     const struct replica__feed_options *o, int64_t *ret_count,
                     replica_error *err)
{
    bool older = coll->unmigrated >= 0; /* the index alone does not tell them apart */
    REPLICA_STMT stmt = NULL;
    int rc = SQLITE_OK;
    int r = replica__sql_get(db, older ? REPLICA__SQL_DOC_FEED_RISEN : REPLICA__SQL_DOC_FEED_COUNT,
                             &stmt, err);

    if (r < 0)
        return r;
    if (older)
        replica__bind_int(stmt, 4, coll->version, &rc);
    replica__bind_int(stmt, 1, coll->number, &rc);
    replica__bind_int(stmt, 2, o->since, &rc);
    replica__bind_int(stmt, 3, o->fresh, &rc);
    r = replica__sql_step(db, stmt, rc, err);
    *ret_count = r > 0 ? sqlite3_column_int64(stmt, 0) : 0;
    return r < 0 ? r : 0;
}

/* Are there more rows than may be looked at?  The index tells, before a text is read in vain. */
static int are_too_many(const struct replica__sight *sight, size_t collection,
                        const struct looks *left, replica_error *err)
{
    return replica__sql_run(sight->db, REPLICA__SQL_DOC_FEED_BEYOND, err,
                            sight->colls[collection]->number, sight->o->since, left->rows);
}

/* 1; 0: there are more than may be looked at. */
static int count_seen(const struct replica__sight *sight, size_t collection, struct looks *left,
                      int64_t *ret_count, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    int rc = SQLITE_OK;
    int gone, r = replica__sql_get(sight->db, REPLICA__SQL_DOC_FEED, &stmt, err);

    *ret_count = 0;
    if (r < 0)
        return r;
    replica__bind_int(stmt, 1, sight->colls[collection]->number, &rc);
    replica__bind_int(stmt, 2, sight->o->since, &rc);
    replica__bind_int(stmt, 3, left->rows + 1, &rc);
    while ((r = replica__sql_step(sight->db, stmt, rc, err)) > 0) {
        struct replica__row row;

        if (--left->rows < 0 || left->bytes < 0 || replica__eye_late(sight->o->eye))
            return 0;
        r = replica__row_read(sight->db, stmt, &row, err);
        if (r >= 0) {
            left->bytes -= (int64_t)row.len;
            r = replica__sight_of(sight, collection, &row, &gone, err);
        }
        if (r < 0)
            return r;
        *ret_count += r;
    }
    return r < 0 ? r : 1;
}

int replica__master_remaining(replica_db *db, replica_collection *const *colls, size_t n,
                              const struct replica__feed_options *options,
                              int64_t *ret_remaining, replica_error *err)
{
    bool look = options->keys || options->eye;
    struct looks left = most_looks;
    int64_t total = 0;
    struct replica__sight sight;
    REPLICA_READ read = NULL;
    int r = replica__sight_open(&sight, db, colls, options, err);

    if (r >= 0)
        r = replica__read_begin(db, &read, err);
    for (size_t i = 0; r >= 0 && i < n; i++) {
        int64_t count = 0;

        r = look ? are_too_many(&sight, i, &left, err) : 0;
        if (r == 0)
            r = look ? count_seen(&sight, i, &left, &count, err)
                     : count_all(db, colls[i], options, &count, err);
        else if (r > 0)
            r = 0;
        if (look && r == 0) {
            *ret_remaining = -1;
            return 0;
        }
        total += count;
    }
    if (r < 0)
        return r;
    *ret_remaining = total;
    return 0;
}
