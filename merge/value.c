/* What becomes of one value: is there anything to decide, and which rule decides it. */
#include "merge/value.h"

#include "base/json_internal.h"

bool replica__merge_same(struct merge *m, const struct replica__json_value *a,
                         const struct replica__json_value *b)
{
    int r;

    if (merge_same_bytes(a, b))
        return true;
    if (a->type != b->type)
        return false;
    r = replica__json_equal(a->text.data, a->text.len, b->text.data, b->text.len, 0);
    if (r < 0)
        m->r = r;
    return r == 1;
}

/* The larger one, or the smaller.  Of a value that one side removed, the one that is left. */
static enum take extreme(const struct three *v, int sign)
{
    int order = 0;

    if (v->ours.type == REPLICA_JSON_NONE)
        return TAKE_THEIRS;
    if (v->theirs.type == REPLICA_JSON_NONE)
        return TAKE_OURS;
    if (v->ours.type != v->theirs.type)
        return TAKE_THEIRS;
    if (v->ours.type == REPLICA_JSON_NUMBER)
        order = replica__json_number_compare(v->ours.text, v->theirs.text);
    if (v->ours.type == REPLICA_JSON_STRING)
        order = replica__json_string_compare(merge_inside(v->ours), merge_inside(v->theirs));
    return order * sign > 0 ? TAKE_OURS : TAKE_THEIRS;
}

enum take replica__merge_changed(struct merge *m, const struct rule *rule, const struct three *v,
                                 struct slot *slot)
{
    if (rule && rule->kind == REPLICA__RULE_MERGE)
        rule = rule->other;
    switch (rule ? rule->kind : REPLICA__RULE_SERVER_WINS) {
    case REPLICA__RULE_CLIENT_WINS:
        return TAKE_OURS;
    case REPLICA__RULE_LAST_WRITE_WINS:
        return replica__merge_later(m, rule);
    case REPLICA__RULE_MAX:
        return extreme(v, 1);
    case REPLICA__RULE_MIN:
        return extreme(v, -1);
    case REPLICA__RULE_SUM:
        return replica__merge_sum(m, v, slot);
    case REPLICA__RULE_SET_UNION:
        return replica__merge_set(m, v, slot);
    case REPLICA__RULE_TEXT:
        return replica__merge_text(m, rule, v, slot);
    default:
        return TAKE_THEIRS;
    }
}

/* The rule of a leaf that is left to its own: of merge, what merge falls to. */
static enum replica__rule_kind leaf_kind(const struct rule *rule)
{
    if (rule->kind == REPLICA__RULE_MERGE)
        return rule->other ? rule->other->kind : REPLICA__RULE_SERVER_WINS;
    return rule->kind;
}

static enum take merge_leaf(struct merge *m, const struct rule *rule, const struct three *v,
                            struct slot *slot)
{
    if (replica__merge_same(m, &v->theirs, &v->base))
        return TAKE_OURS;
    if (replica__merge_same(m, &v->ours, &v->base))
        return TAKE_THEIRS;
    if (leaf_kind(rule) != REPLICA__RULE_SUM && replica__merge_same(m, &v->ours, &v->theirs))
        return TAKE_THEIRS;
    return replica__merge_changed(m, rule, v, slot);
}

/* An object with a rule that takes one side of it whole, but for the parts with rules of their
 * own: these are merged, and all the rest is one value. */
static struct inherited decide_rest(struct merge *m, struct place place, const struct rule *rule,
                                    const struct three *v)
{
    struct inherited in = { .decided = TAKE_THEIRS, .by = rule };

    if (replica__merge_rest_same(m, place, &v->theirs, &v->base))
        in.decided = TAKE_OURS;
    else if (replica__merge_rest_same(m, place, &v->ours, &v->base))
        in.decided = TAKE_THEIRS;
    else if (rule->kind == REPLICA__RULE_CLIENT_WINS)
        in.decided = TAKE_OURS;
    else if (rule->kind == REPLICA__RULE_LAST_WRITE_WINS)
        in.decided = replica__merge_later(m, rule);
    return in;
}

static bool is_list(const struct replica__json_value *v)
{
    return v->type == REPLICA_JSON_ARRAY || v->type == REPLICA_JSON_NONE;
}

/* The list-by-key that decides here; NULL: none, or this is no list. */
static const struct rule *list_rule(const struct merge *m, struct place place,
                                    const struct rule *rule, const struct three *v)
{
    const struct rule *list;

    if (!is_list(&v->base) || !is_list(&v->ours) || !is_list(&v->theirs))
        return NULL;
    list = replica__merge_list_rule(m, place);
    if (!list && rule && rule->kind == REPLICA__RULE_MERGE && rule->other &&
        rule->other->kind == REPLICA__RULE_LIST_BY_KEY)
        return rule->other;
    return list;
}

static bool takes_a_side(const struct rule *rule)
{
    return rule && (rule->kind == REPLICA__RULE_CLIENT_WINS ||
                    rule->kind == REPLICA__RULE_LAST_WRITE_WINS);
}

/* What decides the leaves of a list's elements: that of the merge around them, or the rule that
 * took a side above. */
static const struct rule *leaf_rule(const struct rule *own, struct inherited in)
{
    if (own && own->kind == REPLICA__RULE_MERGE)
        return own->other;
    if (own && own->kind != REPLICA__RULE_LIST_BY_KEY)
        return takes_a_side(own) ? own : NULL;
    if (in.merge)
        return in.merge->other;
    return takes_a_side(in.by) ? in.by : NULL;
}

/* An element's path may be that of the rule that makes a list of its array. */
static const struct rule *own_rule(const struct merge *m, struct place place, struct inherited in)
{
    const struct rule *own = replica__merge_rule(m, place);

    return own && in.element && own->kind == REPLICA__RULE_LIST_BY_KEY ? NULL : own;
}

enum take replica__merge_value(struct merge *m, struct place place, struct inherited in,
                               const struct three *v, struct slot *slot)
{
    const struct rule *own = own_rule(m, place, in);
    const struct rule *rule = own ? own : in.merge;
    const struct three adding = merge_from_nothing(v, REPLICA_JSON_ARRAY);
    const struct rule *list = list_rule(m, place, rule, &adding);
    bool objects = v->ours.type == REPLICA_JSON_OBJECT && v->theirs.type == REPLICA_JSON_OBJECT;

    if (!rule && !list) {
        if (objects && replica__merge_below(m, place))
            return replica__merge_object(m, place, in, v, slot);
        return in.decided;
    }
    if (merge_same_bytes(&v->ours, &v->base) ||
        (!m->additive && merge_same_bytes(&v->ours, &v->theirs)))
        return TAKE_THEIRS;
    if (objects && rule && rule->kind == REPLICA__RULE_MERGE)
        return replica__merge_object(m, place, (struct inherited){ .merge = rule }, v, slot);
    if (merge_same_bytes(&v->theirs, &v->base))
        return TAKE_OURS;
    if (list)
        return replica__merge_list(m, place, leaf_rule(own, in), list, &adding, slot);
    if (!objects)
        return merge_leaf(m, rule, v, slot);
    if (replica__merge_below(m, place))
        return replica__merge_object(m, place, decide_rest(m, place, rule, v), v, slot);
    return merge_leaf(m, rule, v, slot);
}
