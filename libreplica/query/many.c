/* Deleting and patching all that match.
 *
 * What matches is found in one moment; then it is written, some documents to a transaction.  A
 * document that was changed in between is asked again, and left alone if it no longer matches. */
#include "libreplica/accept.h"
#include "libreplica/query/find.h"
#include "libreplica/text.h"
#include "libreplica/txn.h"
#include "libreplica/write.h"

#include <string.h>

/* A transaction ends after so many documents, or so much work: with its commit, below 20 ms. */
#define DOCS 500
#define MS 8

struct many {
    struct replica__asked asked;
    struct replica__finds finds;
    bool matches; /* documents must be asked */
    size_t at, end;
    const char *patch; /* NULL: delete */
    size_t patch_len;
    int64_t count;
};

static void many_free(struct many *m)
{
    replica__asked_free(&m->asked);
    replica__finds_free(&m->finds);
}
#define MANY __attribute__((cleanup(many_free))) struct many

/* ---- finding --------------------------------------------------------------------- */

static int take(void *ctx, const struct replica__row *row, replica_error *err)
{
    struct many *m = ctx;
    int r = replica__asked_match(&m->asked, m->matches, row, err);

    return r > 0 ? replica__finds_add(&m->finds, m->asked.query, row, err) : r;
}

static int collect(struct many *m, struct replica__reader *reader, const struct replica__plan *plan,
                   replica_error *err)
{
    struct replica__scan scan;
    int r;

    m->matches = plan->matches;
    replica__scan_begin(&scan, reader, m->asked.coll, plan);
    r = replica__scan_run(&scan, take, m, err);
    replica__scan_end(&scan);
    return r;
}

static int find(struct many *m, replica_error *err)
{
    const struct replica__query *q = m->asked.query;
    struct replica__reader *reader = NULL;
    struct replica__plan plan = { 0 };
    REPLICA_READ read = NULL;
    int r = replica__asked_plan(&m->asked, &reader, &read, &plan, err);

    if (r >= 0)
        r = collect(m, reader, &plan, err);
    replica__plan_free(&plan);
    if (r >= 0)
        r = replica__finds_sort(&m->finds, err);
    if (r < 0)
        return r;
    m->at = q->skip < (int64_t)m->finds.n ? (size_t)q->skip : m->finds.n;
    m->end = m->finds.n;
    if (q->limit >= 0 && q->limit < (int64_t)(m->end - m->at))
        m->end = m->at + (size_t)q->limit;
    return 0;
}

/* ---- writing --------------------------------------------------------------------- */

static int patch_row(struct many *m, const struct replica__row *row, replica_error *err)
{
    replica_collection *coll = m->asked.coll;
    REPLICA_BUF text = { .max = coll->db->limits.max_bytes + m->patch_len };
    REPLICA_ACCEPTED a = { 0 };
    struct replica__written written;
    char rev[REPLICA_REV_SIZE];
    int r = replica__row_rev(coll->db, row, rev, err);

    if (r < 0)
        return r;
    replica__json_merge_patch(row->body, row->len, m->patch, m->patch_len, &text);
    if (text.r < 0)
        return replica__error_set(err, text.r, 0, "patching '%s'", row->id);
    r = replica__accept_write(coll, row->id, text.data, text.len, rev, &a, err);
    if (r < 0)
        return r;
    return replica__write_checked(
        coll->db,
        &(struct replica__write){
            .coll = coll, .id = a.id, .id_len = a.id_len, .json = a.json, .len = a.len },
        rev, &written, NULL, err);
}

static int delete_row(struct many *m, const struct replica__row *row, replica_error *err)
{
    struct replica__written written;

    return replica__write_checked(
        m->asked.coll->db,
        &(struct replica__write){
            .coll = m->asked.coll, .id = row->id, .id_len = row->id_len, .deleted = true },
        REPLICA_ANY_REV, &written, NULL, err);
}

/* 1: written; 0: it is gone, or no longer meant. */
static int write_one(struct many *m, const struct replica__found *found, replica_error *err)
{
    replica_collection *coll = m->asked.coll;
    REPLICA_STMT stmt = NULL;
    struct replica__row row;
    int r = replica__row_by_number(coll->db, found->number, &stmt, &row, err);

    if (r <= 0 || row.coll != coll->number || row.flags & REPLICA__FLAG_DELETED)
        return r < 0 ? r : 0;
    if (row.seq != found->seq) {
        r = replica__asked_match(&m->asked, true, &row, err);
        if (r <= 0)
            return r;
    }
    return m->patch ? patch_row(m, &row, err) : delete_row(m, &row, err);
}

static bool is_of_the_document(int r)
{
    return r == REPLICA_EJSON || r == REPLICA_ELIMIT || r == REPLICA_ESCHEMA ||
           r == REPLICA_ECONFLICT;
}

/* What comes before a document that is refused is kept; so the error is remembered over the
 * commit. */
static int write_some(struct many *m, replica_error *err)
{
    replica_db *db = m->asked.coll->db;
    int64_t until_ms = db->world->monotonic_ms(db->world->ctx) + MS, count = 0;
    replica_error why = { .offset = -1 };
    REPLICA_TXN txn = NULL;
    int refused = 0;
    int r = replica__txn_begin(db, &txn, err);

    for (int i = 1; r >= 0 && !refused && m->at < m->end && i <= DOCS; i++) {
        r = write_one(m, &m->finds.found[m->at++], &why);
        if (is_of_the_document(r)) {
            refused = r;
            r = 0;
        } else if (r < 0 && err) {
            *err = why;
        }
        count += r > 0;
        if (i % 16 == 0 && db->world->monotonic_ms(db->world->ctx) >= until_ms)
            break;
    }
    if (r >= 0)
        r = replica__txn_commit(&txn, err);
    if (r < 0)
        return r;
    m->count += count;
    if (refused && err)
        *err = why;
    return refused;
}

static int run(struct many *m, int64_t *ret_count, replica_error *err)
{
    int r = find(m, err);

    while (r >= 0 && m->at < m->end)
        r = write_some(m, err);
    *ret_count = m->count;
    return r;
}

int replica_delete_many(replica_collection *coll, const char *query, size_t len, int64_t *ret_count,
                        replica_error *err)
{
    MANY m = { .at = 0 };
    int64_t count = 0;
    int r = replica__ask(coll, query, len, &m.asked, err);

    if (r >= 0)
        r = run(&m, &count, err);
    if (ret_count)
        *ret_count = count;
    return r < 0 ? r : 0;
}

int replica_update_many(replica_collection *coll, const char *query, size_t len, const char *patch,
                        size_t patch_len, int64_t *ret_count, replica_error *err)
{
    MANY m = { .patch = patch, .patch_len = patch_len };
    int64_t count = 0;
    int r;

    if (ret_count)
        *ret_count = 0;
    if (!patch)
        return replica__error_set(err, REPLICA_EINVAL, 0, "no patch");
    if (patch_len == REPLICA_NUL)
        m.patch_len = strlen(patch);
    r = replica__ask(coll, query, len, &m.asked, err);
    if (r >= 0) {
        r = replica__accept_patch(coll, patch, m.patch_len, err);
        if (r < 0)
            replica__error_where(err, "%s", coll->name);
    }
    if (r >= 0)
        r = run(&m, &count, err);
    if (ret_count)
        *ret_count = count;
    return r < 0 ? r : 0;
}
