/* A plan in words, with advice. */
#include "libreplica/query/plan.h"

#include <string.h>

static bool sorts(const struct replica__plan *plan)
{
    return plan->order == REPLICA__ORDER_NONE && plan->kind != REPLICA__SCAN_ID;
}

static void show_way(const struct replica__plan *plan, const replica_collection *coll,
                     struct replica__buf *out)
{
    if (plan->kind == REPLICA__SCAN_ENTRIES)
        replica__buf_printf(out, "index %s: ", plan->name);
    else
        replica__buf_printf(out, "primary key %s: ", coll->key);
    if (plan->n == 0)
        replica__buf_str(out, "nothing can match");
    else if (plan->all)
        replica__buf_str(out, "every document");
    else if (plan->kind == REPLICA__SCAN_ID)
        replica__buf_printf(out, "%zu id%s", plan->n, plan->n == 1 ? "" : "s");
    else
        replica__buf_printf(out, "%zu range%s", plan->n, plan->n == 1 ? "" : "s");
    if (plan->order == REPLICA__ORDER_UP)
        replica__buf_str(out, ", in the order asked for");
    if (plan->order == REPLICA__ORDER_DOWN)
        replica__buf_str(out, ", downwards, in the order asked for");
    if (plan->matches)
        replica__buf_str(out, "; each document is asked");
    if (sorts(plan))
        replica__buf_str(out, "; what matches is sorted");
}

/* The fields that an index should have: what is bound, then what is sorted by. */
static void show_wish(const replica_collection *coll, const struct replica__query *q,
                      struct replica__buf *out)
{
    const struct replica__condition *conditions = NULL;
    size_t n = q->selector ? replica__selector_conditions(q->selector, &conditions) : 0;
    size_t wished = 0;

    replica__buf_str(out, " An index on (");
    for (size_t i = 0; i < n; i++) {
        if (conditions[i].point && strcmp(conditions[i].path, coll->key) != 0)
            replica__buf_printf(out, "%s%s", wished++ ? ", " : "", conditions[i].path);
    }
    for (size_t i = 0; i < q->sort_count; i++) {
        if (strcmp(q->sort[i].path.text, coll->key) != 0)
            replica__buf_printf(out, "%s%s", wished++ ? ", " : "", q->sort[i].path.text);
    }
    for (size_t i = 0; i < n && !q->sort_count; i++) {
        if (!conditions[i].point && strcmp(conditions[i].path, coll->key) != 0) {
            replica__buf_printf(out, "%s%s", wished++ ? ", " : "", conditions[i].path);
            break;
        }
    }
    if (wished)
        replica__buf_str(out, ") would help.");
    else { /* no condition that an index could tell */
        out->len -= strlen(" An index on (");
        out->data[out->len] = '\0';
        replica__buf_str(out, " No index can help with these conditions.");
    }
}

/* It gives the order, and nothing that is asked is bound to single values: more is not to be had.
 */
static bool is_best(const struct replica__plan *plan, const struct replica__query *q)
{
    const struct replica__condition *conditions = NULL;
    size_t n = q->selector ? replica__selector_conditions(q->selector, &conditions) : 0;

    for (size_t i = 0; i < n; i++) {
        if (conditions[i].point)
            return false;
    }
    return q->sort_count > 0 && plan->order != REPLICA__ORDER_NONE;
}

void replica__plan_show(const struct replica__plan *plan, const replica_collection *coll,
                        const struct replica__query *query, replica_plan *ret)
{
    REPLICA_BUF text = { .max = sizeof ret->text - 1 };

    memset(ret, 0, sizeof *ret);
    memcpy(ret->index, plan->name, sizeof ret->index);
    ret->full_scan = plan->all && query->selector && plan->matches;
    ret->sorts = sorts(plan);
    ret->exact = !plan->matches;
    show_way(plan, coll, &text);
    if (ret->full_scan)
        replica__buf_str(&text, ". FULL SCAN.");
    else
        replica__buf_char(&text, '.');
    if ((ret->full_scan || (ret->sorts && query->sort_count)) && text.r == 0 &&
        !is_best(plan, query))
        show_wish(coll, query, &text);
    if (text.data)
        memcpy(ret->text, text.data, text.len + 1);
}
