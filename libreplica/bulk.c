/* Many writes in few transactions, each judged by itself.
 *
 * A row that is refused writes nothing, so the rows of one transaction need no savepoints.  A
 * transaction ends after ROWS, or after BYTES of text, which keeps it under 20 ms; other writers
 * then have their turn. */
#include "libreplica/accept.h"
#include "libreplica/document.h"
#include "libreplica/revision.h"
#include "libreplica/txn.h"
#include "libreplica/write.h"

#include <string.h>

#define ROWS 1000
#define BYTES (1024 * 1024)

static int write_row(replica_collection *coll, replica_bulk_row *row,
                     const struct replica__accepted *a, replica_error *err)
{
    struct replica__written written = { 0 };
    struct replica__write w = { .coll = coll };
    int r;

    if (row->json) {
        w.id = a->id;
        w.id_len = a->id_len;
        w.json = a->json;
        w.len = a->len;
    } else {
        w.id = row->id;
        w.id_len = strlen(row->id);
        w.deleted = true;
    }
    r = replica__write_checked(coll->db, &w, row->base_rev, &written, NULL, err);
    if (r > 0 && row->rev)
        replica__revision_write(row->rev, written.height, coll->db->token, written.seq);
    return r;
}

static int do_row(replica_collection *coll, replica_bulk_row *row, replica_error *err)
{
    REPLICA_ACCEPTED a = { 0 };
    int r = 0;

    if (row->json)
        r = replica__accept_write(coll, NULL, row->json, row->len, row->base_rev, &a, err);
    else if (!row->id || !row->base_rev)
        r = replica__error_set(err, REPLICA_EINVAL, 0, "a row without text, id or revision");
    return r < 0 ? r : write_row(coll, row, &a, err);
}

/* Of the row itself, or of the database, after which the transaction is of no use? */
static bool is_of_the_row(int r)
{
    return r == REPLICA_EJSON || r == REPLICA_ELIMIT || r == REPLICA_ESCHEMA ||
           r == REPLICA_ECONFLICT || r == REPLICA_ELOCKED || r == REPLICA_EINVAL;
}

/* One transaction.  Returns how many rows it took, or < 0 and none of them is stored. */
static int do_some(replica_collection *coll, replica_bulk_row *rows, size_t n, int *failed,
                   replica_error *err)
{
    REPLICA_TXN txn = NULL;
    size_t i, bytes = 0;
    int r = replica__txn_begin(coll->db, &txn, err);

    if (r < 0)
        return r;
    for (i = 0; i < n && i < ROWS && bytes < BYTES; i++) {
        replica_error mine = { .offset = -1 };

        r = do_row(coll, &rows[i], &mine);
        rows[i].code = r < 0 ? r : 0;
        rows[i].offset = mine.offset;
        if (r < 0 && err && (*failed == 0 || !is_of_the_row(r)))
            *err = mine;
        if (r < 0 && !is_of_the_row(r))
            return r;
        *failed += r < 0;
        if (rows[i].json)
            bytes += rows[i].len == REPLICA_NUL ? strlen(rows[i].json) : rows[i].len;
    }
    r = replica__txn_commit(&txn, err);
    return r < 0 ? r : (int)i;
}

/* Its transaction failed with another row. */
static void take_back(replica_bulk_row *row)
{
    if (row->code == 0)
        row->code = REPLICA_ECANCELLED;
    if (row->rev)
        row->rev[0] = '\0';
}

int replica_bulk(replica_collection *coll, replica_bulk_row *rows, size_t n, replica_error *err)
{
    size_t done = 0;
    int failed = 0;

    if (!coll || (n > 0 && !rows))
        return replica__error_set(err, REPLICA_EINVAL, 0, "no collection, or no rows");
    for (size_t i = 0; i < n; i++) {
        rows[i].code = REPLICA_ECANCELLED;
        rows[i].offset = -1;
        if (rows[i].rev)
            rows[i].rev[0] = '\0';
    }
    while (done < n) {
        int r = do_some(coll, rows + done, n - done, &failed, err);

        if (r < 0) {
            for (size_t i = done; i < n && i < done + ROWS; i++)
                take_back(&rows[i]);
            return r;
        }
        done += (size_t)r;
    }
    return failed;
}
