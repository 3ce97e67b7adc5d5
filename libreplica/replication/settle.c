/* Settling: what becomes of documents whose newest real master state could not be applied.
 *
 * The question was read out (question.c), and answered outside any transaction; the answer is
 * written only if neither side has moved on since, else the question is met again. */
#include "libreplica/accept.h"
#include "libreplica/replication/aside.h"
#include "libreplica/replication/conflict_log.h"
#include "libreplica/document.h"
#include "libreplica/migrate/migrate.h"
#include "libreplica/index/index.h"
#include "libreplica/replication/outside.h"
#include "libreplica/replication/pull.h"
#include "libreplica/replication/settle.h"
#include "libreplica/txn.h"
#include "libreplica/write.h"

#include <string.h>

struct settling {
    struct replica__pulling *p;
    struct replica__settled *answer;
    struct replica__state s;
    const struct replica__row *row;
    int64_t real_seq; /* the server's */
    bool bring;       /* what the server has is older than its endpoint: it is to have this one */
    bool lower;       /* what it has is of its endpoint's version, and that one is not ours */
};

static bool same_content(replica_doc *a, replica_doc *b)
{
    size_t a_len, b_len;
    const char *a_json = replica_doc_json(a, &a_len), *b_json = replica_doc_json(b, &b_len);

    return replica_doc_deleted(a) == replica_doc_deleted(b) &&
           replica__json_equal(a_json, a_len, b_json, b_len, 0) > 0;
}

static int log_it(struct settling *t, const char *rule, const struct replica__kept *result,
                  replica_error *err)
{
    return replica__conflict_log_add(t->p->repl->db,
                                     &(struct replica__logged){
                                         .replication = t->p->repl->number,
                                         .row = t->row,
                                         .rule = rule,
                                         .assumed = t->s.base,
                                         .real = t->s.unsettled,
                                         .result = result,
                                     },
                                     err);
}

/* The real state is written as a replication brings it, with its own writer and stamp. */
static int write_real(struct settling *t, struct replica__written *ret, replica_error *err)
{
    replica_db *db = t->p->repl->db;
    REPLICA_STMT stmt = NULL;
    struct replica__kept k;
    int r = replica__kept_get(db, t->s.unsettled, &stmt, &k, err);

    if (r < 0)
        return r;
    r = replica__write(db,
                       &(struct replica__write){
                           .coll = t->answer->of->coll,
                           .id = t->row->id,
                           .id_len = t->row->id_len,
                           .json = k.body,
                           .len = k.len,
                           .deleted = (k.flags & REPLICA__FLAG_DELETED) != 0,
                           .bundle = k.bundle,
                           .pulled = true,
                           .replication = t->p->repl->number,
                           .stamp = k.stamp,
                           .writer = k.writer,
                           .wseq = k.wseq,
                           .versioned = true,
                           .version = k.version,
                       },
                       t->row, ret, err);
    if (r >= 0 && t->lower)
        r = replica__migrate_again(db, t->row->coll, t->row->number, err);
    return r;
}

static int clean(struct settling *t, int64_t seq, replica_error *err)
{
    const replica_collection *coll = t->answer->of->coll;
    replica_db *db = t->p->repl->db;
    int64_t base = t->lower && seq == t->row->seq ? t->s.unsettled : 0;
    int r = 0;

    if (base) /* what is stored here is not what the server has, to the byte */
        t->s.unsettled = 0;
    else
        r = replica__state_drop_unsettled(db, &t->s, err);

    if (r >= 0)
        r = replica__aside_give_up(db, t->p->repl->number, t->row->coll, t->row->id, err);
    if (r >= 0)
        r = replica__state_clean(t->p, &t->s, coll, seq, t->real_seq, err);
    t->answer->push |= db->bundled; /* others may wait for it */
    if (r < 0 || !(t->bring || base))
        return r;
    t->s.base = base;
    if (!t->bring)
        return replica__state_put(db, &t->s, err);
    replica__state_bring(&t->s, replica__endpoint_version(t->p->repl, coll), seq);
    t->answer->push = true;
    return replica__state_put(db, &t->s, err);
}

static int use_real(struct settling *t, const char *rule, replica_error *err)
{
    struct replica__written written;
    int r = rule ? log_it(t, rule, NULL, err) : 0;

    if (r >= 0)
        r = write_real(t, &written, err);
    return r < 0 ? r : clean(t, written.seq, err);
}

/* The real state becomes the base of what is stored here. */
static int rebase(struct settling *t, replica_error *err)
{
    replica_db *db = t->p->repl->db;
    int r = replica__state_drop_base(db, &t->s, err);

    if (r >= 0)
        r = replica__aside_give_up(db, t->p->repl->number, t->row->coll, t->row->id, err);
    if (r < 0)
        return r;
    t->s.base = t->s.unsettled;
    t->s.unsettled = 0;
    if (t->s.clean_seq >= t->row->seq) /* in step no more; what was taken of bundles before, was */
        t->s.clean_seq = t->row->seq - 1;
    t->s.aside_seq = t->s.lost_seq = 0;
    t->s.incarnation = t->real_seq ? t->p->incarnation : 0;
    t->s.server_seq = t->real_seq;
    t->s.version = replica__endpoint_version(t->p->repl, t->answer->of->coll) - t->bring;
    t->s.todo = REPLICA__TODO_NOW;
    return replica__state_put(db, &t->s, err);
}

static int use_local(struct settling *t, replica_error *err)
{
    const struct replica__kept local = {
        .flags = t->row->flags & REPLICA__FLAG_DELETED,
        .version = t->row->version,
        .stamp = t->row->stamp,
        .body = t->row->body,
        .len = t->row->len,
    };
    int r = t->answer->rule ? log_it(t, t->answer->rule, &local, err) : 0;

    return r < 0 ? r : rebase(t, err);
}

static int use_text(struct settling *t, const char *json, size_t len, bool deleted,
                    replica_error *err)
{
    replica_db *db = t->p->repl->db;
    struct replica__written written;
    const struct replica__kept result = {
        .flags = deleted ? REPLICA__FLAG_DELETED : 0,
        .version = t->row->version,
        .body = json,
        .len = len,
    };
    int r = t->answer->rule ? log_it(t, t->answer->rule, &result, err) : 0;

    if (r >= 0)
        r = replica__write(db,
                           &(struct replica__write){
                               .coll = t->answer->of->coll,
                               .id = t->row->id,
                               .id_len = t->row->id_len,
                               .json = json,
                               .len = len,
                               .deleted = deleted,
                               .pulled = true, /* a replication wrote it, for observers */
                               .replication = t->p->repl->number,
                           },
                           t->row, &written, err);
    return r < 0 ? r : rebase(t, err);
}

static int use_json(struct settling *t, replica_error *err)
{
    const struct replica__settled *a = t->answer;
    size_t real_len;
    const char *real = replica_doc_json(a->of->real, &real_len);

    if (!replica_doc_deleted(a->of->real) &&
        replica__json_equal(real, real_len, a->json, a->len, 0) > 0)
        return use_real(t, a->rule, err);
    return use_text(t, a->json, a->len, false, err);
}

static int use_delete(struct settling *t, replica_error *err)
{
    if (replica_doc_deleted(t->answer->of->real))
        return use_real(t, t->answer->rule, err);
    return use_text(t, t->row->body, t->row->len, true, err);
}

/* A copy is a document of its own.  Where it is there already, another replica has made it. */
static int add_copy(struct settling *t, replica_error *err)
{
    const struct replica__settled *answer = t->answer;
    struct replica__written written;
    REPLICA_ACCEPTED a = { 0 };
    int r = replica__accept_write(answer->of->coll, NULL, answer->json, answer->len, "", &a, err);

    if (r >= 0)
        r = replica__write_new(t->p->repl->db,
                               &(struct replica__write){
                                   .coll = answer->of->coll,
                                   .id = a.id,
                                   .id_len = a.id_len,
                                   .json = a.json,
                                   .len = a.len,
                                   .pulled = true, /* a replication wrote it, for observers */
                               },
                               &written, err);
    t->answer->push |= r > 0;
    return r < 0 ? r : 0;
}

static int use_copy(struct settling *t, replica_error *err)
{
    int r = replica_doc_deleted(t->answer->of->real) ? use_real(t, t->answer->rule, err)
                                                     : use_local(t, err);

    return r < 0 ? r : add_copy(t, err);
}

static int give_up(struct settling *t, int kind, replica_error *err)
{
    return replica__aside_set(t->p->repl->db,
                              &(struct replica__aside){
                                  .replication = t->p->repl->number,
                                  .coll = t->row->coll,
                                  .id = t->row->id,
                                  .kind = kind,
                                  .code = t->answer->code,
                                  .reason = t->answer->reason,
                              },
                              &t->s, t->row->seq, err);
}

static int refuse_one(struct settling *t, int64_t doc, replica_error *err)
{
    struct replica__replication *repl = t->p->repl;
    REPLICA_STMT stmt = NULL;
    struct replica__state s;
    struct replica__row row;
    int r = replica__settle_member(repl, doc, &stmt, &row, &s, err);

    if (r <= 0)
        return r;
    return replica__aside_set(repl->db,
                              &(struct replica__aside){
                                  .replication = repl->number,
                                  .coll = row.coll,
                                  .id = row.id,
                                  .kind = REPLICA_ASIDE_REFUSED,
                                  .code = t->answer->code,
                                  .reason = t->answer->reason,
                              },
                              &s, row.seq, err);
}

/* As the server would refuse it: nothing of it may go out without the rest. */
static int refuse_group(struct settling *t, replica_error *err)
{
    REPLICA_GROUP g = { 0 };
    int r = replica__settle_group(t->p->repl, t->row, &g, err);

    for (size_t i = 0; r >= 0 && i < g.n; i++)
        r = refuse_one(t, g.docs[i], err);
    return r < 0 ? r : 0;
}

static int do_answer(struct settling *t, replica_error *err)
{
    const struct replica__settled *a = t->answer;

    switch (a->how) {
    case REPLICA__SETTLE_REAL: return use_real(t, a->rule, err);
    case REPLICA__SETTLE_LOCAL: return use_local(t, err);
    case REPLICA__SETTLE_JSON: return use_json(t, err);
    case REPLICA__SETTLE_DELETE: return use_delete(t, err);
    case REPLICA__SETTLE_COPY: return use_copy(t, err);
    case REPLICA__SETTLE_REFUSED: return refuse_group(t, err);
    case REPLICA__SETTLE_CLEAN:
        return same_content(a->of->real, a->of->local) ? clean(t, t->row->seq, err)
                                                       : use_real(t, "equal", err);
    default: return give_up(t, REPLICA_ASIDE_HANDLER, err);
    }
}

/* The text that the answer would write, if it writes a live one. */
static int next_text(struct settling *t, sqlite3_stmt **stmt, struct replica__slice *ret,
                     replica_error *err)
{
    const struct replica__settled *a = t->answer;
    struct replica__kept k;
    int r;

    *ret = (struct replica__slice){ a->json, a->len };
    if (a->how == REPLICA__SETTLE_JSON || a->how == REPLICA__SETTLE_COPY)
        return 1;
    if (a->how != REPLICA__SETTLE_REAL && a->how != REPLICA__SETTLE_CLEAN)
        return 0;
    r = replica__kept_get(t->p->repl->db, t->s.unsettled, stmt, &k, err);
    if (r < 0)
        return r;
    *ret = (struct replica__slice){ k.body, k.len };
    return !(k.flags & REPLICA__FLAG_DELETED);
}

/* Before anything is written: an answer for which a unique index has no place is as good as none,
 * and the document waits for the program, or for a state of the server that has one. */
static int answer_it(struct settling *t, replica_error *err)
{
    replica_db *db = t->p->repl->db;
    struct replica__settled *given = t->answer;
    struct replica__settled refused = *given;
    replica_error why = { .offset = -1 };
    struct replica__slice text;
    REPLICA_STMT stmt = NULL;
    int r = db->indexed ? next_text(t, &stmt, &text, err) : 0;

    if (r > 0)
        r = replica__index_fits(refused.of->coll, t->row->id, t->row->id_len, text.data, text.len,
                                &why);
    replica__sql_reset(&stmt);
    if (r == REPLICA_ECONFLICT) {
        refused.code = r;
        refused.reason = why.message;
        t->answer = &refused;
        r = give_up(t, REPLICA_ASIDE_UNAPPLIED, err);
        t->answer = given;
        given->how = REPLICA__SETTLE_ASIDE;
        given->code = REPLICA_ECONFLICT;
        given->reason = "a unique index has no place for the answer";
        given->rule = NULL;
        given->json = NULL;
        return r;
    }
    if (r < 0 && why.code && err)
        *err = why;
    return r < 0 ? r : do_answer(t, err);
}

static int settle_one(struct replica__pulling *p, struct replica__settled *answer,
                      replica_error *err)
{
    replica_db *db = p->repl->db;
    struct settling t = { .p = p, .answer = answer };
    REPLICA_STMT stmt = NULL;
    REPLICA_STMT kept_stmt = NULL;
    struct replica__row row;
    struct replica__kept kept;
    int r = replica__row_by_number(db, answer->of->doc, &stmt, &row, err);

    answer->done = answer->push = false;
    if (r <= 0)
        return r;
    r = replica__state_get(db, answer->of->doc, p->repl->number, &t.s, err);
    if (r < 0)
        return r;
    if (row.seq != answer->of->local_sequence || t.s.unsettled != answer->of->unsettled ||
        replica__state_under_way(db, &t.s, &row))
        return 0;
    r = replica__kept_get(db, t.s.unsettled, &kept_stmt, &kept, err);
    if (r < 0)
        return r;
    p->incarnation = kept.incarnation;
    t.real_seq = kept.server_seq;
    t.bring = (kept.flags & (REPLICA__FLAG_OLDER | REPLICA__FLAG_DELETED)) == REPLICA__FLAG_OLDER;
    t.lower = !t.bring && !(kept.flags & REPLICA__FLAG_DELETED) &&
              kept.version < answer->of->coll->version;
    replica__sql_reset(&kept_stmt);
    t.row = &row;
    r = answer_it(&t, err);
    replica__sql_reset(&stmt);
    if (r >= 0)
        r = replica__outside_leave(p, answer->of->coll, answer->of->doc, err);
    answer->done = r >= 0;
    return r;
}

int replica__settle(struct replica__replication *repl, struct replica__settled *answers, size_t n,
                    replica_error *err)
{
    REPLICA_TXN txn = NULL;
    struct replica__pulling p;
    int r = replica__lease_begin(repl, &txn, err);

    if (r >= 0)
        r = replica__pulling_begin(&p, repl, NULL, err);
    for (size_t i = 0; r >= 0 && i < n; i++)
        r = settle_one(&p, &answers[i], err);
    if (r >= 0)
        r = replica__txn_commit(&txn, err);
    if (r < 0)
        replica__txn_forget(repl->db);
    for (size_t i = 0; r < 0 && i < n; i++)
        answers[i].done = false;
    return r;
}
