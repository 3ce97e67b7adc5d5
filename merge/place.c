/* Which rule decides a value: the nodes of the rules' tree that its path leads to. */
#include "merge/value.h"

struct place replica__merge_enter(struct merge *m, struct place place, struct replica__slice name)
{
    struct place below = { m->top, 0 };

    for (size_t i = 0; i < place.n; i++) {
        const struct rule_node *node = m->nodes[place.from + i];
        const struct rule_node *at = node->literals;

        while (at && !replica__json_string_is(name, at->name.data, at->name.len))
            at = at->next;
        if (at)
            m->nodes[m->top++] = at;
        if (node->star)
            m->nodes[m->top++] = node->star;
    }
    below.n = m->top - below.from;
    return below;
}

/* Of the paths that end here: the one with the fewest *, of these the one whose first name comes
 * first, which is how the nodes are sorted. */
const struct rule *replica__merge_rule(const struct merge *m, struct place place)
{
    const struct rule_node *best = NULL;

    for (size_t i = 0; i < place.n; i++) {
        const struct rule_node *node = m->nodes[place.from + i];

        if (node->rule && (!best || node->stars < best->stars))
            best = node;
    }
    return best ? best->rule : NULL;
}

const struct rule *replica__merge_list_rule(const struct merge *m, struct place place)
{
    const struct rule *own = replica__merge_rule(m, place);
    const struct rule_node *best = NULL;

    for (size_t i = 0; i < place.n; i++) {
        const struct rule_node *star = m->nodes[place.from + i]->star;

        if (star && star->rule && star->rule->kind == REPLICA__RULE_LIST_BY_KEY &&
            (!best || star->stars < best->stars))
            best = star;
    }
    if (own && own->kind == REPLICA__RULE_LIST_BY_KEY)
        return own;
    return best ? best->rule : NULL;
}

bool replica__merge_below(const struct merge *m, struct place place)
{
    for (size_t i = 0; i < place.n; i++) {
        const struct rule_node *node = m->nodes[place.from + i];

        if (node->literals || node->star)
            return true;
    }
    return false;
}
