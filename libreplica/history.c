#include "libreplica/history.h"

#include "libreplica/document.h"
#include "libreplica/replication/state.h"
#include "libreplica/txn.h"

#include <string.h>

/* ---- how many are kept ----------------------------------------------------------- */

static int read_stored(replica_collection *coll, int64_t *ret, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    int r = replica__sql_row(coll->db, REPLICA__SQL_HISTORY_GET, &stmt, err, coll->number);

    if (r < 0)
        return r;
    *ret = r > 0 ? sqlite3_column_int64(stmt, 0) : 0;
    return 0;
}

static int store(replica_collection *coll, int64_t n, replica_error *err)
{
    REPLICA_TXN txn = NULL;
    int r = replica__txn_begin(coll->db, &txn, err);

    if (r >= 0)
        r = replica__sql_run(coll->db, REPLICA__SQL_HISTORY_SET, err, coll->number, n);
    return r < 0 ? r : replica__txn_commit(&txn, err);
}

int replica__history_open(replica_collection *coll, int asked, replica_error *err)
{
    int64_t stored = 0, n;
    int r = read_stored(coll, &stored, err);

    n = !asked ? stored : asked > 0 ? asked : 0;
    if (r >= 0 && n != stored && !(coll->db->flags & REPLICA_DB_READ_ONLY))
        r = store(coll, n, err);
    if (r < 0)
        return r;
    coll->history = (int)n;
    return 0;
}

/* ---- keeping them ---------------------------------------------------------------- */

int replica__history_trim(replica_db *db, int64_t doc, int64_t n, replica_error *err)
{
    for (;;) {
        REPLICA_STMT stmt = NULL;
        int64_t seq, kept;
        int r = replica__sql_row(db, REPLICA__SQL_HISTORY_BEYOND, &stmt, err, doc, n);

        if (r <= 0)
            return r;
        seq = sqlite3_column_int64(stmt, 0);
        kept = sqlite3_column_int64(stmt, 1);
        replica__sql_reset(&stmt);
        r = replica__sql_run(db, REPLICA__SQL_HISTORY_DROP, err, doc, seq);
        if (r >= 0)
            r = replica__kept_unref(db, kept, err);
        if (r < 0)
            return r;
    }
}

int replica__history_keep(replica_db *db, const replica_collection *coll,
                          const struct replica__row *old, int64_t kept, replica_error *err)
{
    int r;

    if (!coll->history)
        return 0;
    r = kept ? replica__kept_ref(db, kept, err) : replica__kept_add_row(db, old, 1, &kept, err);
    if (r >= 0)
        r = replica__sql_run(db, REPLICA__SQL_HISTORY_ADD, err, old->number, old->seq, old->height,
                             kept);
    return r < 0 ? r : replica__history_trim(db, old->number, coll->history, err);
}

/* ---- reading --------------------------------------------------------------------- */

struct earlier {
    int64_t seq, height, kept;
};

/* The newest state before the number `before`: 1; 0: there is none. */
static int find(replica_db *db, int64_t doc, int64_t before, struct earlier *ret,
                replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    int r = replica__sql_row(db, REPLICA__SQL_HISTORY_LIST, &stmt, err, doc, before);

    if (r <= 0)
        return r;
    *ret = (struct earlier){ .seq = sqlite3_column_int64(stmt, 0),
                             .height = sqlite3_column_int64(stmt, 1),
                             .kept = sqlite3_column_int64(stmt, 2) };
    return 1;
}

/* With the revision that it had. */
static int make_doc(replica_collection *coll, const char *id, const struct earlier *e,
                    replica_doc **ret_doc, replica_error *err)
{
    char opening[REPLICA__TOKEN_MAX + 1], writer[REPLICA__TOKEN_MAX + 1];
    REPLICA_STMT stmt = NULL;
    struct replica__kept k;
    const char *text = NULL;
    replica_doc *doc;
    int r = replica__kept_get(coll->db, e->kept, &stmt, &k, err);

    if (r >= 0)
        r = replica__token_text(coll->db, k.opening, &text, err);
    if (r >= 0) {
        memcpy(opening, text, strlen(text) + 1);
        r = k.writer ? replica__token_text(coll->db, k.writer, &text, err) : 0;
    }
    if (r < 0)
        return r;
    memcpy(writer, text, strlen(text) + 1);
    doc = replica__doc_make(&(struct replica__doc_parts){
        .collection = coll->name,
        .id = id,
        .id_len = strlen(id),
        .json = k.body,
        .len = k.len,
        .deleted = (k.flags & REPLICA__FLAG_DELETED) != 0,
        .sequence = e->seq,
        .height = e->height,
        .opening = opening,
        .writer = k.writer ? writer : NULL,
        .writer_seq = k.wseq,
        .stamp = k.stamp,
        .version = k.version,
    });
    if (!doc)
        return replica__enomem(err);
    *ret_doc = doc;
    return 0;
}

int replica_history(replica_collection *coll, const char *id,
                    int (*fn)(void *ctx, replica_doc *doc), void *ctx, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    struct earlier e = { .seq = INT64_MAX };
    struct replica__row row;
    int64_t number;
    int r;

    if (!coll || !id || !fn)
        return replica__error_set(err, REPLICA_EINVAL, 0, "no collection, id or function");
    r = replica__row_find(coll, id, strlen(id), &stmt, &row, err);
    number = r > 0 ? row.number : 0;
    replica__sql_reset(&stmt); /* fn may use the database */
    if (r <= 0)
        return r;
    while ((r = find(coll->db, number, e.seq, &e, err)) > 0) {
        REPLICA_DOC doc = NULL;

        r = make_doc(coll, id, &e, &doc, err);
        if (r >= 0)
            r = fn(ctx, doc);
        if (r != 0)
            return r;
    }
    return r;
}
