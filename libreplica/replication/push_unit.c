/* What goes out together: a document alone, or with all that bundles join it to.
 *
 * A group goes out whole, or waits whole: for what is under way, for a conflict that is not
 * settled, for a migration, for later.  If one of its documents is set aside, the others are held
 * until the program has dealt with that; but what the server has refused goes along, for the group
 * is another one now.  Each document of a group that left has a row of its own that says so, so
 * that the very same rows stand together when they must be asked about again. */
#include "libreplica/replication/aside.h"
#include "libreplica/replication/push_page.h"

/* What a request has room for: docs/protocol.md. */
enum { MOST_ROWS = 100000, MOST_BYTES = 64 << 20 };

/* A document and where it stands in this replication. */
struct candidate {
    struct replica__state s;
    int64_t number, seq, coll;
    bool risen;
};

static bool is_of_feed(const struct replica__page *p, int64_t coll)
{
    for (size_t i = 0; i < p->feed->n; i++) {
        if (p->feed->colls[i]->number == coll)
            return true;
    }
    return false;
}

/* What has not risen yet waits for that; a deletion has no need to. */
static bool has_risen(const struct replica__page *p, int64_t coll, sqlite3_stmt *doc)
{
    return sqlite3_column_int(doc, 3) & REPLICA__FLAG_DELETED ||
           sqlite3_column_int(doc, 2) >= replica__replication_collection(p->repl, coll)->version;
}

/* 1; 0: it is none of this feed. */
static int look(struct replica__page *p, int64_t number, struct candidate *ret, replica_error *err)
{
    replica_db *db = p->repl->db;
    REPLICA_STMT stmt = NULL;
    struct candidate c = { .number = number };
    int r = replica__sql_row(db, REPLICA__SQL_DOC_SEQ, &stmt, err, number);

    if (r <= 0)
        return r;
    c.seq = sqlite3_column_int64(stmt, 0);
    c.coll = sqlite3_column_int64(stmt, 1);
    if (!is_of_feed(p, c.coll))
        return 0;
    c.risen = has_risen(p, c.coll, stmt);
    r = replica__state_get(db, number, p->repl->number, &c.s, err);
    if (r < 0)
        return r;
    *ret = c;
    return 1;
}

static bool is_later(const struct replica__page *p, const struct candidate *c)
{
    return c->s.todo == REPLICA__TODO_LATER && !p->feed->with_later;
}

/* May this document go out now?  Its unsettled state comes first. */
static bool is_due(const struct replica__page *p, const struct candidate *c)
{
    if (!c->risen || is_later(p, c))
        return false;
    if (c->s.sent_seq)
        return !replica__page_is_out(p->feed, c->number);
    return c->s.clean_seq != c->seq && !c->s.unsettled && c->s.aside_seq != c->seq;
}

static bool is_under_way(const struct replica__page *p, const struct candidate *c)
{
    return replica__state_under_way(p->repl->db, &c->s,
                                    &(struct replica__row){ .seq = c->seq, .coll = c->coll });
}

/* ---- groups that wait -------------------------------------------------------------- */

enum { GO, WAIT, HOLD };

/* Why it is set aside (by replication 0: its step failed); 0: it is not. */
static int kind_of(struct replica__page *p, const struct candidate *c, int64_t replication,
                   replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    int r = replica__sql_row(p->repl->db, REPLICA__SQL_ASIDE_KIND, &stmt, err, c->number,
                             replication);

    return r > 0 ? sqlite3_column_int(stmt, 0) : r;
}

static int judge(struct replica__page *p, const struct candidate *c, replica_error *err)
{
    int kind;

    if (is_under_way(p, c)) {
        p->repl->waited |= c->risen && !is_later(p, c);
        return WAIT;
    }
    if (c->s.aside_seq == c->seq) { /* what the server refused goes with what was written since */
        kind = kind_of(p, c, p->repl->number, err);
        return kind < 0 ? kind : kind == 0 || kind == REPLICA_ASIDE_REFUSED ? GO : HOLD;
    }
    if (!c->risen) {
        kind = kind_of(p, c, 0, err);
        return kind < 0 ? kind : kind ? HOLD : WAIT;
    }
    return c->s.unsettled || is_later(p, c) ? WAIT : GO;
}

/* The mark passes what waits: a row of its own brings it back. */
static int put_off(struct replica__page *p, const struct replica__group *g, int todo,
                   replica_error *err)
{
    for (size_t i = 0; i < g->n; i++) {
        struct candidate c;
        int r = look(p, g->docs[i], &c, err);

        if (r < 0)
            return r;
        if (r == 0 || is_under_way(p, &c)) /* what left before is asked about in its turn */
            continue;
        r = replica__met_add(&p->repl->met, g->docs[i], err);
        if (r >= 0 && !c.s.unsettled && c.s.aside_seq != c.seq && c.s.todo != todo &&
            c.s.todo != REPLICA__TODO_LATER) {
            c.s.todo = todo;
            r = replica__state_put(p->repl->db, &c.s, err);
        }
        if (r < 0)
            return r;
    }
    return 0;
}

/* 1; 0: the group waits. */
static int may_go(struct replica__page *p, const struct replica__group *g, replica_error *err)
{
    int worst = GO;
    int r;

    for (size_t i = 0; i < g->n; i++) {
        struct candidate c;

        r = look(p, g->docs[i], &c, err);
        if (r > 0)
            r = judge(p, &c, err);
        if (r < 0)
            return r;
        worst = r > worst ? r : worst;
    }
    if (worst == GO)
        return 1;
    r = put_off(p, g, worst == HOLD ? REPLICA__TODO_HELD : REPLICA__TODO_NOW, err);
    return r < 0 ? r : 0;
}

/* May what left together be asked about?  It rises with its documents, and all of it is asked about
 * in one version.  1, 0. */
static int may_ask(struct replica__page *p, const struct replica__group *g, replica_error *err)
{
    bool risen = true;
    int r = 0;

    for (size_t i = 0; r >= 0 && risen && i < g->n; i++) {
        struct candidate c;

        r = look(p, g->docs[i], &c, err);
        risen = r <= 0 || c.risen;
    }
    for (size_t i = 0; r >= 0 && !risen && i < g->n; i++)
        r = replica__met_add(&p->repl->met, g->docs[i], err);
    return r < 0 ? r : risen;
}

/* ---- groups that go ---------------------------------------------------------------- */

/* Is under way from now on, by a row of its own. */
static int send(struct replica__page *p, const struct replica__push_row *row, replica_error *err)
{
    replica_db *db = p->repl->db;
    struct replica__state s;
    int r = replica__state_get(db, row->doc, p->repl->number, &s, err);

    if (r >= 0 && s.aside_seq == row->sequence)
        r = replica__aside_drop(db, p->repl->number, row->coll->number, row->id, 0, err);
    if (r >= 0)
        r = replica__met_add(&p->repl->met, row->doc, err);
    if (r < 0 || s.sent_seq)
        return r;
    if (s.aside_seq)
        s.aside_seq = s.rounds = 0;
    s.sent_seq = row->sequence;
    s.todo = REPLICA__TODO_NOW;
    return replica__state_put(db, &s, err);
}

static bool has_place(const struct replica__page *p, const struct replica__group *g)
{
    return p->out.n == 0 || p->out.n + g->n <= p->max_rows;
}

static int refuse_one(struct replica__page *p, int64_t number, replica_error *err)
{
    replica_db *db = p->repl->db;
    REPLICA_STMT stmt = NULL;
    struct replica__state s;
    struct replica__row row;
    int r = replica__row_by_number(db, number, &stmt, &row, err);

    if (r <= 0)
        return r;
    r = replica__state_get(db, number, p->repl->number, &s, err);
    if (r < 0)
        return r;
    return replica__aside_set(db,
                              &(struct replica__aside){
                                  .replication = p->repl->number,
                                  .coll = row.coll,
                                  .id = row.id,
                                  .kind = REPLICA_ASIDE_REFUSED,
                                  .code = 413,
                                  .reason = "what bundles join is too large for one request",
                              },
                              &s, row.seq, err);
}

/* No server would take it, and it is more than there is memory for, perhaps. */
static int refuse_group(struct replica__page *p, const struct replica__group *g,
                        replica_error *err)
{
    int r = 0;

    for (size_t i = 0; r >= 0 && i < g->n; i++)
        r = refuse_one(p, g->docs[i], err);
    return r < 0 ? r : 0;
}

/* sent: it was not too large when it left. */
static int add_group(struct replica__page *p, const struct replica__group *g, bool sent,
                     replica_error *err)
{
    size_t first = p->out.n, bytes = p->bytes;
    size_t most = first > 0 ? p->max_bytes : sent ? SIZE_MAX : MOST_BYTES;
    int r = 0;

    if (g->n > MOST_ROWS && !sent)
        return refuse_group(p, g, err);
    p->ended = !has_place(p, g);
    if (p->ended)
        return 0;
    for (size_t i = 0; r >= 0 && i < g->n && p->bytes <= most; i++)
        r = replica__page_add(p, g->docs[i], false, g, err);
    if (r >= 0 && p->bytes > most) {
        p->out.n = first;
        p->bytes = bytes;
        p->ended = first > 0; /* it begins the next page */
        return first > 0 ? 0 : refuse_group(p, g, err);
    }
    p->out.units++;
    for (size_t i = first; r >= 0 && i < p->out.n; i++)
        r = send(p, &p->out.rows[i], err);
    return r < 0 ? r : 1;
}

static int add_alone(struct replica__page *p, struct candidate *c, bool again,
                     const struct replica__group *g, replica_error *err)
{
    int r = replica__page_add(p, c->number, again, g, err);

    if (r <= 0)
        return r;
    p->out.units++;
    if (!c->s.todo || c->s.sent_seq)
        return 1;
    c->s.sent_seq = c->seq; /* no range covers it */
    r = replica__state_put(p->repl->db, &c->s, err);
    return r < 0 ? r : 1;
}

static int pick_member(struct replica__page *p, struct candidate *c, replica_error *err)
{
    bool sent = c->s.sent_seq != 0;
    REPLICA_GROUP g = { 0 };
    int r;

    /* In this pass; but what was written since its verdict is on its own again. */
    if ((sent || c->s.todo) && replica__met_has(&p->repl->met, c->number))
        return 0;
    r = replica__group_find(p->repl->db, p->repl->number, p->feed->coll, c->number, sent, &g, err);
    if (r >= 0 && g.n > 1)
        r = sent ? may_ask(p, &g, err) : may_go(p, &g, err);
    else if (r >= 0)
        r = 1;
    if (r <= 0)
        return r;
    return g.n > 1 ? add_group(p, &g, sent, err) : add_alone(p, c, false, &g, err);
}

/* Has a bundle written it, as far as that is still known?  1, 0. */
static int is_member(replica_db *db, int64_t number, replica_error *err)
{
    return replica__sql_run(db, REPLICA__SQL_MEMBER_BUNDLES, err, number, 1);
}

int replica__page_pick(struct replica__page *p, int64_t number, bool due, bool again,
                       replica_error *err)
{
    bool bundles = p->repl->bundles && p->repl->db->bundled;
    struct candidate c = { .number = number };
    int r = due && bundles ? is_member(p->repl->db, number, err) : 0;

    if (r < 0)
        return r;
    if (due && r == 0) /* mostly */
        return add_alone(p, &c, again, NULL, err);
    r = look(p, number, &c, err);
    if (r <= 0)
        return r;
    again = again && !c.s.sent_seq && is_under_way(p, &c); /* by its range: it was alone */
    if (!again && !is_due(p, &c))
        return 0;
    if (again || !bundles)
        return add_alone(p, &c, again, NULL, err);
    return pick_member(p, &c, err);
}
