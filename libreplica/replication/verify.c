/* One document, as the server has just told it, against what is stored and known of it here: what
 * differs although this side takes it for in step, and how that is mended.
 *
 * What waits to be sent or settled is allowed to differ, and so is what the server has written
 * behind the feed's checkpoint.  All else cannot come of replicating: somebody wrote to the file,
 * or the server, behind their back. */
#include "libreplica/feed.h"
#include "libreplica/migrate/migrate.h"
#include "libreplica/replication/conflict_log.h"
#include "libreplica/replication/elsewhere.h"
#include "libreplica/replication/erase.h"
#include "libreplica/replication/pull.h"
#include "libreplica/txn.h"

#include <string.h>

#define RULE "verify"

struct verifying {
    struct replica__pulling p;
    struct replica__pulled *doc;
    struct replica__accepted *a;
    int64_t mark;
    struct replica__row row;
    struct replica__state s;
    bool here;  /* there is a row, */
    bool live;  /* and it is of a live document */
    bool there; /* the server's is */
    bool clean; /* and it is in step, it says */
};

/* ---- judging ----------------------------------------------------------------------- */

/* It waits for something, and that is known. */
static int is_pending(const struct verifying *v, replica_error *err)
{
    replica_db *db = v->p.repl->db;
    REPLICA_STMT stmt = NULL;
    int rc = SQLITE_OK, r;

    if (v->here && (v->s.sent_seq || v->s.unsettled || v->s.todo || v->s.aside_seq == v->row.seq ||
                    replica__state_under_way(db, &v->s, &v->row) ||
                    (!v->clean && v->row.seq > v->mark)))
        return 1;
    r = replica__sql_get(db, REPLICA__SQL_ASIDE_OF, &stmt, err);
    if (r < 0)
        return r;
    replica__bind_int(stmt, 1, v->doc->coll->number, &rc);
    replica__bind_text(stmt, 2, v->a->id, v->a->id_len, &rc);
    replica__bind_int(stmt, 3, v->p.repl->number, &rc);
    replica__bind_int(stmt, 4, REPLICA_ASIDE_UNAPPLIED, &rc);
    return replica__sql_step(db, stmt, rc, err);
}

/* Where the server's text is of a lower version, it is the base of what has risen here. */
static int is_same_text(const struct verifying *v, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    struct replica__kept k;
    int r;

    if (v->a->len == v->row.len && memcmp(v->a->json, v->row.body, v->a->len) == 0)
        return 1;
    if (!v->clean || !v->s.base || !v->doc->older)
        return 0;
    r = replica__kept_get(v->p.repl->db, v->s.base, &stmt, &k, err);
    return r < 0 ? r : v->a->len == k.len && memcmp(v->a->json, k.body, k.len) == 0;
}

static int judge(const struct verifying *v, int64_t position, replica_error *err)
{
    int r = is_pending(v, err);

    if (r != 0)
        return r < 0 ? r : REPLICA__VERIFY_PENDING;
    if (v->doc->sequence > position)
        return REPLICA__VERIFY_LATER;
    if (v->live && v->clean && v->doc->gone == REPLICA__GONE_FILTER) { /* it stays for others */
        r = replica__elsewhere_wanted(v->p.repl->db, v->row.number, v->p.repl->number, err);
        if (r != 0)
            return r < 0 ? r : REPLICA__VERIFY_SAME;
    }
    if (v->live && !v->clean && !v->there && v->doc->gone != REPLICA__GONE_VIEW) {
        /* an edit that left the keys before it was sent: it stays, and is not to be there */
        r = replica__state_is_about(v->p.repl->db, v->row.number, v->p.repl->number, err);
        if (r <= 0)
            return r < 0 ? r : REPLICA__VERIFY_SAME;
    }
    if (!v->there)
        return v->live ? REPLICA_VERIFY_MISSING_THERE : REPLICA__VERIFY_SAME;
    if (!v->live)
        return REPLICA_VERIFY_MISSING_HERE;
    r = is_same_text(v, err);
    if (r <= 0)
        return r < 0 ? r : REPLICA_VERIFY_DIFFERENT;
    return v->clean && v->s.server_seq == v->doc->sequence && (!v->s.base || v->doc->older) &&
                   v->s.version == replica__endpoint_version(v->p.repl, v->doc->coll)
               ? REPLICA__VERIFY_SAME
               : REPLICA_VERIFY_STATE;
}

/* ---- mending ----------------------------------------------------------------------- */

/* result NULL: the server's. */
static int log_it(struct verifying *v, const struct replica__kept *result, replica_error *err)
{
    replica_db *db = v->p.repl->db;
    int64_t real = 0;
    int r = replica__keep_pulled(&v->p, v->doc, v->a, &real, err);

    if (r >= 0)
        r = replica__conflict_log_add(db,
                                      &(struct replica__logged){
                                          .replication = v->p.repl->number,
                                          .row = &v->row,
                                          .rule = RULE,
                                          .real = real,
                                          .result = result,
                                      },
                                      err);
    return r < 0 ? r : replica__kept_unref(db, real, err);
}

static int is_clean_now(struct verifying *v, int64_t number, int64_t seq, replica_error *err)
{
    v->s.doc = number;
    v->s.replication = v->p.repl->number;
    return replica__state_clean(&v->p, &v->s, v->doc->coll, seq, v->doc->sequence, err);
}

/* The server's state, whatever is here. */
static int write_theirs(struct verifying *v, replica_error *err)
{
    struct replica__written written;
    int r = v->live ? log_it(v, NULL, err) : 0;

    if (r >= 0)
        r = replica__pulled_write(&v->p, v->doc, v->a, v->here ? &v->row : NULL, &written, err);
    return r < 0 ? r : is_clean_now(v, written.number, written.seq, err);
}

/* What is here as a new revision, or as its deletion. */
static int write_ours(struct verifying *v, bool deleted, struct replica__written *ret,
                      replica_error *err)
{
    const struct replica__write w = {
        .coll = v->doc->coll,
        .id = v->row.id,
        .id_len = v->row.id_len,
        .json = v->row.body,
        .len = v->row.len,
        .deleted = deleted,
        .pulled = true, /* a replication wrote it, for observers */
        .replication = v->p.repl->number,
        .versioned = true,
        .version = v->row.version,
    };

    return replica__write(v->p.repl->db, &w, &v->row, ret, err);
}

/* Not there: a deletion here.  What only may not be seen or is not wanted any more is taken away as
 * ever. */
static int delete_ours(struct verifying *v, replica_error *err)
{
    struct replica__written written;
    int r;

    if (v->doc->gone) {
        v->doc->sequence = 0; /* whatever is said to be known here */
        return replica__erase(&v->p, v->doc, &v->row, err);
    }
    v->doc->deleted = true;
    r = log_it(v, NULL, err);
    if (r >= 0)
        r = write_ours(v, true, &written, err);
    return r < 0 ? r : is_clean_now(v, written.number, written.seq, err);
}

/* What is here goes to the server, over the state that was told: as a new revision, for this one
 * may have been taken there before. */
static int send_ours(struct verifying *v, replica_error *err)
{
    const struct replica__kept local = { .version = v->row.version, .stamp = v->row.stamp,
                                         .body = v->row.body, .len = v->row.len };
    struct replica__written written;
    int64_t base = 0;
    int r = v->there ? log_it(v, &local, err) : 0;

    if (r >= 0 && v->there)
        r = replica__keep_pulled(&v->p, v->doc, v->a, &base, err);
    if (r >= 0)
        r = write_ours(v, false, &written, err);
    if (r < 0)
        return r;
    v->s.doc = v->row.number;
    v->s.replication = v->p.repl->number;
    v->s.base = base;
    v->s.clean_seq = v->s.rounds = v->s.aside_seq = v->s.lost_seq = 0;
    v->s.server_seq = v->there ? v->doc->sequence : 0;
    v->s.incarnation = v->s.server_seq ? v->p.incarnation : 0;
    v->s.version = replica__endpoint_version(v->p.repl, v->doc->coll);
    v->s.todo = REPLICA__TODO_NOW;
    return replica__state_put(v->p.repl->db, &v->s, err);
}

static int mend(struct verifying *v, int kind, int repair, replica_error *err)
{
    bool ours = repair == REPLICA_REPAIR_SERVER && v->live;
    int r;

    if (v->doc->gone) /* the state tells what there was */
        return delete_ours(v, err);
    r = replica__state_drop_texts(v->p.repl->db, &v->s, err);
    if (r < 0)
        return r;
    switch (kind) {
    case REPLICA_VERIFY_STATE: return is_clean_now(v, v->row.number, v->row.seq, err);
    case REPLICA_VERIFY_MISSING_THERE: return ours ? send_ours(v, err) : delete_ours(v, err);
    default: return ours ? send_ours(v, err) : write_theirs(v, err);
    }
}

/* ---- one document ------------------------------------------------------------------ */

static int look(struct verifying *v, sqlite3_stmt **stmt, replica_error *err)
{
    int r = replica__row_find(v->doc->coll, v->a->id, v->a->id_len, stmt, &v->row, err);

    v->here = r > 0;
    if (r > 0)
        r = replica__state_get(v->p.repl->db, v->row.number, v->p.repl->number, &v->s, err);
    v->live = v->here && !(v->row.flags & REPLICA__FLAG_DELETED);
    v->clean = v->here && v->s.clean_seq == v->row.seq;
    v->there = !v->doc->gone && !v->doc->deleted && !v->a->deleted;
    return r;
}

static bool is_difference(int kind)
{
    return kind >= REPLICA_VERIFY_DIFFERENT && kind <= REPLICA_VERIFY_STATE;
}

static int verify(struct replica__replication *repl, struct replica__feed *feed,
                  struct verifying *v, const struct replica__verify_how *how, int *ret_kind,
                  replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    REPLICA_TXN txn = NULL;
    int64_t before;
    int r = replica__lease_begin(repl, &txn, err);

    if (r >= 0)
        r = replica__pulling_begin(&v->p, repl, how->incarnation, err);
    before = repl->db->head;
    if (r >= 0)
        r = look(v, &stmt, err);
    if (r >= 0)
        r = judge(v, how->position, err);
    if (r < 0)
        return r;
    *ret_kind = r;
    if (!how->repair || !is_difference(r))
        return 0;
    r = mend(v, *ret_kind, how->repair, err);
    if (feed->mark >= before) /* what was written here just now is clean */
        feed->mark = repl->db->head;
    if (r >= 0 && v->p.erased && repl->db->indexed)
        r = replica__sql_run(repl->db, REPLICA__SQL_WORDS_LEFT, err);
    if (r >= 0)
        r = replica__feed_put(repl, feed, err);
    replica__sql_reset(&stmt);
    return r < 0 ? r : replica__txn_commit(&txn, err);
}

int replica__verify(struct replica__replication *repl, size_t feed, struct replica__pulled *doc,
                    const struct replica__verify_how *how, int *ret_kind, replica_error *err)
{
    struct replica__feed moved = repl->feeds[feed];
    REPLICA_ACCEPTED a = { 0 };
    struct verifying v = { .doc = doc, .a = &a, .mark = moved.mark };
    replica_error why = { .offset = -1 };
    int r = doc->problem ? doc->problem
                         : replica__accept_scanned(doc->coll, &doc->doc, &a, &why);

    if (r == REPLICA_ENOMEM)
        return replica__enomem(err);
    if (r < 0) { /* it cannot be a document here: that is a pull's business */
        *ret_kind = REPLICA__VERIFY_PENDING;
        return 0;
    }
    r = verify(repl, &moved, &v, how, ret_kind, err);
    if (r >= 0)
        repl->feeds[feed].mark = moved.mark;
    return r;
}

/* ---- states without a document ------------------------------------------------------ */

static int drop_state(replica_db *db, int64_t doc, int64_t replication, replica_error *err)
{
    struct replica__state s;
    int r = replica__state_get(db, doc, replication, &s, err);

    if (r > 0)
        r = replica__state_drop_texts(db, &s, err);
    return r < 0 ? r : replica__sql_run(db, REPLICA__SQL_STATE_DROP, err, doc, replication);
}

int replica__verify_tidy(struct replica__replication *repl, replica_error *err)
{
    enum { MOST = 100 };
    int64_t found[MOST][2];
    REPLICA_TXN txn = NULL;
    REPLICA_STMT stmt = NULL;
    size_t n = 0;
    int r = replica__lease_begin(repl, &txn, err);

    if (r >= 0)
        r = replica__sql_get(repl->db, REPLICA__SQL_STATE_ORPHANS, &stmt, err);
    while (r >= 0 && n < MOST && (r = replica__sql_step(repl->db, stmt, SQLITE_OK, err)) > 0) {
        found[n][0] = sqlite3_column_int64(stmt, 0);
        found[n++][1] = sqlite3_column_int64(stmt, 1);
    }
    replica__sql_reset(&stmt);
    for (size_t i = 0; r >= 0 && i < n; i++)
        r = drop_state(repl->db, found[i][0], found[i][1], err);
    if (r >= 0 && n > 0)
        r = replica__txn_commit(&txn, err);
    return r < 0 ? r : n == MOST;
}

/* ---- what no digest shows ---------------------------------------------------------- */

int replica__verify_odd(struct replica__replication *repl, size_t feed, replica_collection *coll,
                        const char *after, char **ret_ids, size_t n, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    size_t count = 0;
    int rc = SQLITE_OK;
    int r = replica__sql_get(repl->db, REPLICA__SQL_VERIFY_ODD, &stmt, err);

    if (r < 0)
        return r;
    replica__bind_int(stmt, 1, repl->number, &rc);
    replica__bind_int(stmt, 2, coll->number, &rc);
    replica__bind_text(stmt, 3, after ? after : "", REPLICA_NUL, &rc);
    replica__bind_int(stmt, 4, repl->feeds[feed].mark, &rc);
    replica__bind_int(stmt, 5, (int64_t)n, &rc);
    while (r >= 0 && (r = replica__sql_step(repl->db, stmt, rc, err)) > 0) {
        ret_ids[count] = replica__strdup((const char *)sqlite3_column_text(stmt, 0));
        r = ret_ids[count] ? 0 : replica__enomem(err);
        count += r >= 0;
    }
    for (size_t i = 0; r < 0 && i < count; i++)
        replica__free(ret_ids[i]);
    return r < 0 ? r : (int)count;
}
