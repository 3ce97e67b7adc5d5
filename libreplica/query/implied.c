/* Does a query's selector say all that a partial index asks?  Both are looked at as texts: what is
 * written in other words counts as something else, and the index is not used. */
#include "libreplica/query/plan.h"
#include "libreplica/query/selector.h"

#include <string.h>

#define MAX_DEPTH 8

static bool is_operators(struct replica__json_value v)
{
    struct replica__json_iter it;

    if (v.type != REPLICA_JSON_OBJECT)
        return false;
    it = replica__json_iter(v);
    return replica__json_next(&it) && replica__selector_is_operator(it.name);
}

static bool same(struct replica__json_value a, struct replica__json_value b)
{
    return replica__json_equal(a.text.data, a.text.len, b.text.data, b.text.len, 0) > 0;
}

static bool names(struct replica__slice spelled, struct replica__slice other)
{
    return spelled.len == other.len && memcmp(spelled.data, other.data, spelled.len) == 0;
}

static bool has(struct replica__json_value query, struct replica__slice name,
                struct replica__slice operator, struct replica__json_value value, int depth);

/* Does the condition on the same name say it: {"$gt": 5} in {"$gt": 5, "$lt": 9}, 5 as
 * {"$eq": 5}? */
static bool says(struct replica__json_value asked, struct replica__slice operator,
                 struct replica__json_value value)
{
    struct replica__json_iter it;

    if (!is_operators(asked))
        return operator.len == 3 && memcmp(operator.data, "$eq", 3) == 0 && same(asked, value);
    it = replica__json_iter(asked);
    while (replica__json_next(&it)) {
        if (names(it.name, operator) && same(it.value, value))
            return true;
    }
    return false;
}

static bool has_in_and(struct replica__json_value list, struct replica__slice name,
                       struct replica__slice operator, struct replica__json_value value, int depth)
{
    struct replica__json_iter it;

    if (list.type != REPLICA_JSON_ARRAY || depth == 0)
        return false;
    it = replica__json_iter(list);
    while (replica__json_next(&it)) {
        if (it.value.type == REPLICA_JSON_OBJECT && has(it.value, name, operator, value, depth - 1))
            return true;
    }
    return false;
}

static bool has(struct replica__json_value query, struct replica__slice name,
                struct replica__slice operator, struct replica__json_value value, int depth)
{
    struct replica__json_iter it = replica__json_iter(query);

    while (replica__json_next(&it)) {
        if (it.name.len == 4 && memcmp(it.name.data, "$and", 4) == 0) {
            if (has_in_and(it.value, name, operator, value, depth))
                return true;
        } else if (names(it.name, name) &&
                   (operator.len ? says(it.value, operator, value) : same(it.value, value))) {
            return true;
        }
    }
    return false;
}

/* Options belong to their $regex: such a condition counts as a whole. */
static bool is_whole(struct replica__json_value condition)
{
    return replica__json_member(condition, "$options", REPLICA_NUL).type != REPLICA_JSON_NONE ||
           replica__json_member(condition, "$regex", REPLICA_NUL).type != REPLICA_JSON_NONE;
}

static bool has_condition(struct replica__json_value query, struct replica__slice name,
                          struct replica__json_value condition)
{
    static const struct replica__slice eq = { "$eq", 3 }, none = { "", 0 };
    struct replica__json_iter it;

    if (replica__selector_is_operator(name)) /* $or, $nor: as it stands */
        return has(query, name, none, condition, MAX_DEPTH);
    if (!is_operators(condition))
        return has(query, name, eq, condition, MAX_DEPTH);
    if (is_whole(condition))
        return has(query, name, none, condition, MAX_DEPTH);
    it = replica__json_iter(condition);
    while (replica__json_next(&it)) {
        if (!has(query, name, it.name, it.value, MAX_DEPTH))
            return false;
    }
    return true;
}

static bool implies(struct replica__json_value query, struct replica__json_value where, int depth)
{
    struct replica__json_iter it = replica__json_iter(where);

    while (replica__json_next(&it)) {
        if (it.name.len == 4 && memcmp(it.name.data, "$and", 4) == 0) {
            struct replica__json_iter parts = replica__json_iter(it.value);

            while (replica__json_next(&parts)) {
                if (depth == 0 || !implies(query, parts.value, depth - 1))
                    return false;
            }
        } else if (!has_condition(query, it.name, it.value)) {
            return false;
        }
    }
    return true;
}

bool replica__selector_implies(const char *query, size_t query_len, const char *where,
                               size_t where_len)
{
    struct replica__json_value q = replica__json_value(query, query_len);
    struct replica__json_value w = replica__json_value(where, where_len);

    return q.type == REPLICA_JSON_OBJECT && w.type == REPLICA_JSON_OBJECT &&
           implies(q, w, MAX_DEPTH);
}
