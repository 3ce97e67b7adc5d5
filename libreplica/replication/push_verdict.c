/* Verdicts: what became of the rows that were sent. */
#include "libreplica/replication/aside.h"
#include "libreplica/migrate/migrate.h"
#include "libreplica/replication/outside.h"
#include "libreplica/replication/pull.h"
#include "libreplica/shape.h"
#include "libreplica/txn.h"

#include <string.h>

struct judged {
    const struct replica__push_row *row;
    const struct replica__verdict *verdict;
    struct replica__state state;
    int64_t seq;   /* of the document as it is stored now */
    bool moved_on; /* it was written since the row was taken, */
    bool risen;    /* but only by a migration, which is no edit and keeps the time */
    int64_t number; /* the server's, of what was taken; 0: not known */
};

/* An unsettled state that is not newer than what the server has just taken is settled by that. */
static int drop_older_unsettled(struct replica__pulling *p, struct judged *j, replica_error *err)
{
    replica_db *db = p->repl->db;
    REPLICA_STMT stmt = NULL;
    struct replica__kept k;
    bool older;
    int r;

    if (!j->state.unsettled)
        return 0;
    r = replica__kept_get(db, j->state.unsettled, &stmt, &k, err);
    if (r < 0)
        return r;
    if (j->verdict->sequence)
        older = k.server_seq <= j->verdict->sequence;
    else if (j->verdict->verdict == REPLICA_VERDICT_TAKEN)
        older = true; /* no page is asked for while a push is out: it was there before */
    else
        older = j->row->deleted == ((k.flags & REPLICA__FLAG_DELETED) != 0) &&
                replica__json_equal(k.body, k.len, j->row->json, j->row->len,
                                    REPLICA_JSON_AS_JAVASCRIPT) > 0;
    if (older && !j->number)
        j->number = k.server_seq; /* it is the very state */
    replica__sql_reset(&stmt);
    return older ? replica__state_drop_unsettled(db, &j->state, err) : 0;
}

/* The server may have another text of it than what is stored here. */
static bool is_lowered(const struct judged *j)
{
    return j->row->endpoint < j->row->coll->version;
}

/* The state that was sent becomes the base. */
static int sent_is_base(struct replica__pulling *p, struct judged *j, replica_error *err)
{
    replica_db *db = p->repl->db;
    struct replica__state *s = &j->state;
    int64_t base = s->sent;
    int r;

    s->sent = 0;
    s->sent_seq = 0;
    r = replica__state_drop_base(db, s, err);
    if (r >= 0 && base && is_lowered(j)) { /* not what the server has, to the byte */
        r = replica__kept_unref(db, base, err);
        base = 0;
    }
    if (r >= 0 && !base)
        r = replica__kept_add(db,
                              &(struct replica__kept){
                                  .flags = j->row->deleted ? REPLICA__FLAG_DELETED : 0,
                                  .version = j->row->version,
                                  .stamp = j->row->stamp,
                                  .body = j->row->json,
                                  .len = j->row->len,
                              },
                              1, &base, err);
    if (r >= 0)
        s->base = base;
    return r;
}

/* The program wrote while the row was away: what was taken is the base of that write. */
static int taken_but_moved_on(struct replica__pulling *p, struct judged *j, replica_error *err)
{
    struct replica__state *s = &j->state;
    int r = sent_is_base(p, j, err);

    if (r < 0)
        return r;
    s->clean_seq = j->row->sequence; /* bundles up to there were taken */
    s->incarnation = j->number ? p->incarnation : 0;
    s->server_seq = j->number;
    s->rounds = s->aside_seq = 0;
    s->todo = REPLICA__TODO_NOW;
    if (j->verdict->verdict == REPLICA_VERDICT_TAKEN)
        s->version = replica__endpoint_version(p->repl, j->row->coll);
    return replica__state_put(p->repl->db, s, err);
}

/* The document is in step.  What the server has of it, if that is another text, is its base. */
static int taken_as_stored(struct replica__pulling *p, struct judged *j, replica_error *err)
{
    int r = replica__state_clean(p, &j->state, j->row->coll, j->seq, j->number, err);

    if (r < 0 || !is_lowered(j))
        return r;
    r = sent_is_base(p, j, err);
    return r < 0 ? r : replica__state_put(p->repl->db, &j->state, err);
}

/* What is stored is what was sent, in a newer version.  The server has that one too, if it has
 * taken it now; else it is brought there, unless the server has another state by now
 * (migrate.h). */
static int taken_and_risen(struct replica__pulling *p, struct judged *j, replica_error *err)
{
    const replica_collection *coll = j->row->coll;
    struct replica__state *s = &j->state;
    int r = taken_as_stored(p, j, err);

    if (r < 0 || j->verdict->verdict == REPLICA_VERDICT_TAKEN || is_lowered(j))
        return r;
    replica__state_bring(s, replica__endpoint_version(p->repl, coll), j->seq);
    return replica__state_put(p->repl->db, s, err);
}

/* It was taken before, and has been overwritten since.  If the program had met a state of the
 * server and kept its own all the same, then perhaps over the very state that overwrote it: so it
 * is when this file is an old copy.  What was kept was the past; the server's is written. */
static int yield_to_base(struct replica__pulling *p, struct judged *j, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    struct replica__state *s = &j->state;
    struct replica__kept k;
    int r;

    if (j->verdict->verdict != REPLICA_VERDICT_ALREADY || j->number || j->moved_on ||
        s->unsettled || !s->base)
        return 0;
    r = replica__kept_get(p->repl->db, s->base, &stmt, &k, err);
    if (r >= 0 && k.server_seq) {
        s->unsettled = s->base;
        s->base = 0;
    }
    return r;
}

static int taken(struct replica__pulling *p, struct judged *j, replica_error *err)
{
    int r = drop_older_unsettled(p, j, err);

    if (r >= 0)
        r = yield_to_base(p, j, err);
    if (r >= 0)
        r = replica__aside_drop(p->repl->db, p->repl->number, j->row->coll->number, j->row->id, 0,
                                err);
    if (r < 0)
        return r;
    if (j->risen)
        return taken_and_risen(p, j, err);
    if (j->moved_on)
        return taken_but_moved_on(p, j, err);
    r = taken_as_stored(p, j, err);
    return r < 0 ? r : replica__outside_leave(p, j->row->coll, j->row->doc, err);
}

static int refused(struct replica__pulling *p, struct judged *j, int kind, int code,
                   const char *reason, replica_error *err)
{
    struct replica__state *s = &j->state;
    int r = replica__state_drop_sent(p->repl->db, s, err);

    if (r < 0)
        return r;
    if (j->moved_on) { /* another state than the refused one may be welcome */
        s->todo = REPLICA__TODO_NOW;
        s->aside_seq = 0;
        return replica__state_put(p->repl->db, s, err);
    }
    return replica__aside_set(p->repl->db,
                              &(struct replica__aside){
                                  .replication = p->repl->number,
                                  .coll = j->row->coll->number,
                                  .id = j->row->id,
                                  .kind = kind,
                                  .code = code,
                                  .reason = reason,
                              },
                              s, j->seq, err);
}

/* The conflict cannot be met here: the document waits for the program. */
static int unmet(struct replica__pulling *p, struct judged *j, int code, const char *reason,
                 replica_error *err)
{
    return refused(p, j, REPLICA_ASIDE_UNAPPLIED, code, reason, err);
}

/* The real state of the verdict, unless a newer one has come by another way while the answer was on
 * its own. */
static int keep_newest(struct replica__pulling *p, struct judged *j,
                       const struct replica__accepted *a, replica_error *err)
{
    replica_db *db = p->repl->db;
    REPLICA_STMT stmt = NULL;
    struct replica__kept k = { 0 };
    int64_t kept;
    int r = 0;

    if (j->state.unsettled)
        r = replica__kept_get(db, j->state.unsettled, &stmt, &k, err);
    if (r < 0 || (k.server_seq && j->verdict->real.sequence &&
                  k.server_seq >= j->verdict->real.sequence))
        return r < 0 ? r : 0;
    replica__sql_reset(&stmt);
    r = replica__keep_pulled(p, &j->verdict->real, a, &kept, err);
    if (r >= 0)
        r = replica__state_drop_unsettled(db, &j->state, err);
    if (r >= 0)
        j->state.unsettled = kept;
    return r;
}

static int conflict(struct replica__pulling *p, struct judged *j, replica_error *err)
{
    replica_db *db = p->repl->db;
    struct replica__state *s = &j->state;
    REPLICA_ACCEPTED a = { 0 };
    replica_error why = { .offset = -1 };
    int r;

    if (j->verdict->real.problem)
        return unmet(p, j, j->verdict->real.problem, j->verdict->real.reason, err);
    r = replica__accept_scanned(j->row->coll, &j->verdict->real.doc, &a, &why);
    if (r >= 0 && !j->verdict->real.deleted && !a.deleted && !j->verdict->real.older)
        r = replica__shape_check(j->row->coll, a.id, a.json, a.len, &why);
    if (r == REPLICA_EJSON || r == REPLICA_ELIMIT || r == REPLICA_ESCHEMA)
        return unmet(p, j, r, why.message, err);
    if (r < 0)
        return replica__enomem(err);
    if (strcmp(a.id, j->row->id) != 0)
        return unmet(p, j, REPLICA_EJSON, "the real state is one of another document", err);
    /* What this side knows already, it knows with its bundle. */
    p->half = j->verdict->half && j->verdict->real.sequence > s->server_seq;
    r = keep_newest(p, j, &a, err);
    p->half = false;
    /* It may have been taken, and then deleted: it must not come back as if it were new. */
    if (r >= 0 && j->verdict->perhaps_taken && !s->base && (j->verdict->real.deleted || a.deleted))
        r = sent_is_base(p, j, err);
    if (r >= 0)
        r = replica__state_drop_sent(db, s, err);
    if (r < 0)
        return r;
    s->rounds++;
    s->todo = 0;
    return replica__state_put(db, s, err);
}

static int judge(struct replica__pulling *p, struct judged *j, replica_error *err)
{
    replica_db *db = p->repl->db;
    const struct replica__verdict *v = j->verdict;
    int r;

    switch (v->verdict) {
    case REPLICA_VERDICT_TAKEN:
    case REPLICA_VERDICT_ALREADY:
        return taken(p, j, err);
    case REPLICA_VERDICT_CONFLICT:
        return conflict(p, j, err);
    case REPLICA_VERDICT_REFUSED:
        return refused(p, j, v->aside ? v->aside : REPLICA_ASIDE_REFUSED, v->code,
                       v->reason ? v->reason : "refused", err);
    case REPLICA__VERDICT_BACK:
        r = replica__state_drop_sent(db, &j->state, err);
        j->state.todo = REPLICA__TODO_NOW;
        return r < 0 ? r : replica__state_put(db, &j->state, err);
    case REPLICA_VERDICT_LOCKED:
    case REPLICA_VERDICT_LATER:
        r = replica__state_drop_sent(db, &j->state, err);
        j->state.todo = REPLICA__TODO_LATER;
        if (r >= 0)
            r = replica__state_put(db, &j->state, err);
        if (r >= 0 && v->verdict == REPLICA_VERDICT_LOCKED)
            r = replica__state_waits(db, &j->state, v->reason ? v->reason : "", err);
        return r;
    default: /* no verdict: it is asked about by itself from now on */
        if (!j->state.sent_seq)
            j->state.sent_seq = j->row->sequence;
        j->state.todo = REPLICA__TODO_LATER;
        return replica__state_put(db, &j->state, err);
    }
}

static int apply(struct replica__pulling *p, const struct replica__push_row *row,
                 const struct replica__verdict *verdict, replica_error *err)
{
    replica_db *db = p->repl->db;
    struct judged j = { .row = row, .verdict = verdict, .number = verdict->sequence };
    REPLICA_STMT stmt = NULL;
    bool risen;
    int r = replica__sql_row(db, REPLICA__SQL_DOC_SEQ, &stmt, err, row->doc);

    if (r <= 0)
        return r;
    j.seq = sqlite3_column_int64(stmt, 0);
    risen = sqlite3_column_int64(stmt, 4) == row->stamp &&
            (sqlite3_column_int(stmt, 3) & REPLICA__FLAG_DELETED) == row->deleted;
    replica__sql_reset(&stmt);
    j.moved_on = j.seq != row->sequence;
    j.risen = j.moved_on && risen;
    r = replica__state_get(db, row->doc, p->repl->number, &j.state, err);
    if (r < 0 || (j.state.sent_seq && j.state.sent_seq != row->sequence))
        return r < 0 ? r : 0; /* a verdict on this row has come before, and another state is out */
    if (j.moved_on && !j.risen && !j.state.sent_seq && j.state.clean_seq == j.seq)
        return 0; /* it was taken away meanwhile, and nothing of it is to be sent */
    return judge(p, &j, err);
}

/* ---- rows as one ------------------------------------------------------------------- */

/* What the server says of one row of a unit, and means for all. */
static const struct replica__verdict *spokesman(const struct replica__verdict *verdicts, size_t n)
{
    const struct replica__verdict *found = NULL;

    for (size_t i = 0; i < n; i++) {
        const struct replica__verdict *v = &verdicts[i];

        if (v->verdict == REPLICA_VERDICT_REFUSED)
            found = v;
        else if ((v->verdict == REPLICA_VERDICT_CONFLICT && !found) ||
                 ((v->verdict == REPLICA_VERDICT_LOCKED || v->verdict == REPLICA_VERDICT_LATER) &&
                  (!found || found->verdict == REPLICA_VERDICT_CONFLICT)))
            found = v;
    }
    return found;
}

static void judge_unit(struct replica__verdict *verdicts, size_t n)
{
    const struct replica__verdict *of = spokesman(verdicts, n);
    struct replica__verdict said;

    if (!of)
        return;
    said = *of;
    for (size_t i = 0; i < n; i++) {
        if (verdicts[i].verdict == REPLICA_VERDICT_TAKEN ||
            verdicts[i].verdict == REPLICA_VERDICT_ALREADY)
            continue; /* it was taken before, with others */
        if (said.verdict == REPLICA_VERDICT_REFUSED && verdicts[i].verdict != said.verdict)
            verdicts[i] = said;
        else if (verdicts[i].verdict == REPLICA_VERDICT_NONE)
            verdicts[i].verdict = said.verdict == REPLICA_VERDICT_CONFLICT ? REPLICA__VERDICT_BACK
                                                                           : REPLICA_VERDICT_LATER;
    }
}

void replica__verdicts_as_one(const struct replica__push_page *page,
                              struct replica__verdict *verdicts)
{
    for (size_t i = 0, n; i < page->n; i += n) {
        for (n = 1; i + n < page->n && page->rows[i + n].unit == page->rows[i].unit;)
            n++;
        if (n > 1)
            judge_unit(&verdicts[i], n);
    }
}

static bool comes_later(const struct replica__verdict *v)
{
    return v->verdict == REPLICA_VERDICT_LOCKED || v->verdict == REPLICA_VERDICT_LATER ||
           v->verdict == REPLICA_VERDICT_NONE;
}

/* Those that go as one come in another order than that of their numbers, and are known to have
 * been met. */
static bool goes_alone(const struct replica__push_page *page, size_t i)
{
    size_t unit = page->rows[i].unit;

    return (i == 0 || page->rows[i - 1].unit != unit) &&
           (i + 1 == page->n || page->rows[i + 1].unit != unit);
}

static void forget_page(struct replica__feed *feed, const struct replica__push_page *page)
{
    struct replica__out **at = &feed->out;

    while (*at && (*at)->page != page->arena)
        at = &(*at)->next;
    if (*at) {
        struct replica__out *out = *at;

        *at = out->next;
        replica__free(out);
    }
}

int replica__push_apply(struct replica__replication *repl, size_t feed,
                        const struct replica__push_page *page,
                        const struct replica__verdict *verdicts, const char *incarnation,
                        const char *checkpoint, replica_error *err)
{
    struct replica__feed moved = repl->feeds[feed];
    REPLICA_FREE char *copy = NULL;
    REPLICA_TXN txn = NULL;
    struct replica__pulling p;
    int r;

    if (checkpoint && !(copy = replica__strdup(checkpoint)))
        return replica__enomem(err);
    r = replica__lease_begin(repl, &txn, err);
    if (r >= 0)
        r = replica__pulling_begin(&p, repl, incarnation, err);
    for (size_t i = 0; r >= 0 && i < page->n; i++) {
        r = apply(&p, &page->rows[i], &verdicts[i], err);
        if (comes_later(&verdicts[i]) && goes_alone(page, i) &&
            moved.todo_after < page->rows[i].doc)
            moved.todo_after = page->rows[i].doc; /* not again in this pass */
    }
    if (moved.sent_from < page->to)
        moved.sent_from = page->to;
    if (moved.sent_from >= moved.sent_to)
        moved.sent_from = moved.sent_to = 0;
    if (copy)
        moved.checkpoint = copy;
    if (r >= 0)
        r = replica__feed_put(repl, &moved, err);
    if (r >= 0)
        r = replica__txn_commit(&txn, err);
    if (r < 0)
        return r;
    if (copy)
        copy = repl->feeds[feed].checkpoint; /* freed by the scope */
    repl->feeds[feed] = moved;
    forget_page(&repl->feeds[feed], page);
    return 0;
}
