/* Three states into one: is there anything to merge at all, and what becomes of an edit that meets
 * a deletion. */
#include "merge/value.h"

#include "base/alloc.h"
#include "base/error.h"
#include "libreplica/merge.h"

static bool is_live(const struct replica__side *side)
{
    return side && side->json && !side->deleted;
}

static struct replica__json_value value_of(const struct replica__side *side)
{
    return is_live(side) ? replica__json_value(side->json, side->len) : merge_none();
}

static int failed(const struct merge *m, replica_error *err)
{
    if (m->r == REPLICA_ELIMIT)
        return replica__error_set(err, m->r, 0, "the merged text is too large");
    return replica__enomem(err);
}

/* ---- an edit and a deletion ---------------------------------------------------------- */

static int outcome_of(enum take take)
{
    return take == TAKE_OURS ? REPLICA_MERGED_OURS : REPLICA_MERGED_THEIRS;
}

/* As the rule of the whole document says. */
static int delete_by_rule(struct merge *m, int edited)
{
    const struct rule *rule = replica__rules_root(m->rules)->rule;

    switch (rule->kind) {
    case REPLICA__RULE_SERVER_WINS:
        return REPLICA_MERGED_THEIRS;
    case REPLICA__RULE_CLIENT_WINS:
        return REPLICA_MERGED_OURS;
    case REPLICA__RULE_LAST_WRITE_WINS:
        return outcome_of(replica__merge_later(m, rule));
    default:
        return edited;
    }
}

/* One of the two sides is live, the other is not. */
static int merge_deletion(struct merge *m, replica_error *err)
{
    bool ours_live = is_live(m->ours);
    const struct replica__side *gone = ours_live ? m->theirs : m->ours;
    struct replica__json_value live = value_of(ours_live ? m->ours : m->theirs);
    struct replica__json_value base = value_of(m->base);
    int edited = ours_live ? REPLICA_MERGED_OURS : REPLICA_MERGED_THEIRS;
    int deleted = ours_live ? REPLICA_MERGED_THEIRS : REPLICA_MERGED_OURS;
    bool unchanged = replica__merge_same(m, &live, &base);
    int r = edited;

    if (m->r < 0)
        return failed(m, err);
    if (unchanged)
        return deleted;
    if (!gone->deleted && base.type == REPLICA_JSON_NONE)
        return edited; /* there never was one on that side */
    switch (replica__rules_delete(m->rules)) {
    case REPLICA__DELETE_EDIT_WINS:
        break;
    case REPLICA__DELETE_DELETE_WINS:
        r = deleted;
        break;
    case REPLICA__DELETE_KEEP_COPY:
        r = REPLICA_MERGED_COPY;
        break;
    case REPLICA__DELETE_ASK:
        r = REPLICA_MERGED_ASK;
        break;
    case REPLICA__DELETE_BY_RULE:
        r = delete_by_rule(m, edited);
        break;
    }
    return m->r < 0 ? failed(m, err) : r;
}

/* ---- two edits ----------------------------------------------------------------------- */

/* What was written may be what one of the sides has. */
static int outcome_of_text(struct merge *m, const struct three *v, struct replica__buf *out,
                           size_t start, replica_error *err)
{
    struct replica__json_value text = { v->theirs.type, { NULL, 0 } };
    int r = REPLICA_MERGED_TEXT;

    if (m->r == 0 && out->r < 0)
        m->r = out->r;
    if (m->r == 0) {
        text = replica__json_value(out->data + start, out->len - start);
        if (replica__merge_same(m, &text, &v->theirs))
            r = REPLICA_MERGED_THEIRS;
        else if (replica__merge_same(m, &text, &v->ours))
            r = REPLICA_MERGED_OURS;
    }
    if ((m->r < 0 || r != REPLICA_MERGED_TEXT) && out->r == 0 && out->data) {
        out->len = start;
        out->data[start] = '\0';
    }
    return m->r < 0 ? failed(m, err) : r;
}

static int merge_edits(struct merge *m, struct replica__buf *out, replica_error *err)
{
    struct three v = { value_of(m->base), value_of(m->ours), value_of(m->theirs) };
    struct slot slot = { .out = out };
    struct inherited in = { .decided = TAKE_THEIRS };
    size_t start = out->len;
    enum take take;

    if (!m->additive && replica__merge_same(m, &v.ours, &v.theirs))
        return REPLICA_MERGED_THEIRS;
    m->nodes[0] = replica__rules_root(m->rules);
    m->top = 1;
    take = replica__merge_value(m, (struct place){ 0, 1 }, in, &v, &slot);
    if (take == TAKE_WRITTEN || m->r < 0)
        return outcome_of_text(m, &v, out, start, err);
    if (take == TAKE_OURS && replica__merge_same(m, &v.ours, &v.theirs))
        take = TAKE_THEIRS;
    return m->r < 0 ? failed(m, err) : outcome_of(take);
}

int replica__merge3(const struct replica__rules *rules, const struct replica__side *base,
                    const struct replica__side *ours, const struct replica__side *theirs,
                    struct replica__buf *out, replica_error *err)
{
    enum { FEW = 32 };
    const struct rule_node *few[FEW];
    REPLICA_FREE const struct rule_node **many = NULL;
    struct merge m = { .base = base, .ours = ours, .theirs = theirs, .nodes = few };

    m.rules = rules ? rules : replica__rules_none();
    m.additive = replica__rules_additive(m.rules);
    if (!is_live(ours) && !is_live(theirs))
        return REPLICA_MERGED_THEIRS;
    if (!is_live(ours) || !is_live(theirs))
        return merge_deletion(&m, err);
    if (replica__rules_nodes(m.rules) > FEW) {
        many = replica__realloc(NULL, replica__rules_nodes(m.rules), sizeof(*many));
        if (!many)
            return replica__enomem(err);
        m.nodes = many;
    }
    return merge_edits(&m, out, err);
}
