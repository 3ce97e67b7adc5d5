#include "libreplica/query/plan.h"

#include "base/alloc.h"
#include "base/error.h"

#include <string.h>

struct planning {
    replica_collection *coll;
    const struct replica__query *query;
    const char *json; /* of the selector */
    size_t len;
    const struct replica__condition *conditions;
    size_t count;
};

void replica__plan_free(struct replica__plan *plan)
{
    replica__buf_free(&plan->bytes);
    replica__free(plan->ranges);
    memset(plan, 0, sizeof *plan);
}

/* ---- ranges ---------------------------------------------------------------------- */

static int add_range(struct replica__plan *plan, const char *low, size_t low_len, const char *high,
                     size_t high_len)
{
    struct replica__plan_range *grown = replica__realloc(plan->ranges, plan->n + 1, sizeof *grown);
    size_t at = plan->bytes.len;

    if (!grown)
        return REPLICA_ENOMEM;
    plan->ranges = grown;
    replica__buf_add(&plan->bytes, low, low_len);
    replica__buf_add(&plan->bytes, high, high_len);
    grown[plan->n++] = (struct replica__plan_range){
        .low = at, .low_len = low_len, .high = at + low_len, .high_len = high_len
    };
    return plan->bytes.r;
}

/* Behind each range so far, which is a single value, comes each of these. */
static int join_ranges(struct replica__plan *plan, const struct replica__range_of_keys *ranges,
                       size_t n)
{
    struct replica__plan next = { 0 };
    int r = 0;

    for (size_t i = 0; r >= 0 && i < plan->n; i++) {
        for (size_t k = 0; r >= 0 && k < n; k++) {
            REPLICA_BUF low = REPLICA_BUF_INIT;
            REPLICA_BUF high = REPLICA_BUF_INIT;
            const struct replica__plan_range *p = &plan->ranges[i];

            replica__buf_add(&low, plan->bytes.data + p->low, p->low_len);
            replica__buf_add(&low, ranges[k].low, ranges[k].low_len);
            replica__buf_add(&high, plan->bytes.data + p->low, p->low_len);
            replica__buf_add(&high, ranges[k].high, ranges[k].high_len);
            r = low.r < 0 ? low.r : high.r;
            if (r >= 0)
                r = add_range(&next, low.data, low.len, high.data, high.len);
        }
    }
    replica__buf_free(&plan->bytes);
    replica__free(plan->ranges);
    plan->bytes = next.bytes;
    plan->ranges = next.ranges;
    plan->n = next.n;
    return r;
}

/* ---- an index -------------------------------------------------------------------- */

static const struct replica__condition *condition_on(const struct planning *p, const char *path)
{
    for (size_t i = 0; i < p->count; i++) {
        if (strcmp(p->conditions[i].path, path) == 0)
            return &p->conditions[i];
    }
    return NULL;
}

static bool same_ranges(const struct replica__condition *c)
{
    if (c->n != c->narrow_n)
        return false;
    for (size_t i = 0; i < c->n; i++) {
        const struct replica__range_of_keys *a = &c->ranges[i], *b = &c->narrow[i];

        if (a->low_len != b->low_len || a->high_len != b->high_len ||
            memcmp(a->low, b->low, a->low_len) != 0 || memcmp(a->high, b->high, a->high_len) != 0)
            return false;
    }
    return true;
}

/* What ranges that are no single values are worth: an end that is a class's own is none, and those
 * that reach to the end of all keys only tell what is there from what is not. */
static int worth(const struct replica__range_of_keys *r, size_t n)
{
    int least = 60;

    for (size_t i = 0; i < n; i++) {
        if (r[i].high_len == 1 && (unsigned char)r[i].high[0] == 0xff)
            return r[i].low_len <= 1 ? 1 : 30;
        if (r[i].low_len <= 1 || r[i].high_len <= 1)
            least = 30;
    }
    return least;
}

static bool is_everything(const struct replica__range_of_keys *r, size_t n)
{
    return n == 1 && r[0].low_len == 0 && r[0].high_len == 1 && (unsigned char)r[0].high[0] == 0xff;
}

struct bound {
    size_t points; /* first fields that are bound to single values */
    size_t used;   /* those, and a range behind them */
    bool exact;
};

/* Bind as many first fields of the index as the conditions tell. */
static int bind(const struct planning *p, const struct replica__index *index,
                struct replica__plan *plan, struct bound *b)
{
    bool multikey = index->flags & REPLICA__INDEX_MULTIKEY;
    size_t most = index->flags & REPLICA__INDEX_WIDE ? 1 : index->n;
    int r = add_range(plan, "", 0, "\xff", 1);

    *b = (struct bound){ .exact = !multikey };
    while (r >= 0 && b->used < most) {
        const struct replica__condition *c = condition_on(p, index->field_names[b->used]);
        const struct replica__range_of_keys *ranges = c ? multikey ? c->ranges : c->narrow : NULL;
        size_t n = c ? multikey ? c->n : c->narrow_n : 0;
        bool point = c && c->point && (!multikey || same_ranges(c));

        if (!c || (multikey && n == 0) || is_everything(ranges, n) ||
            (n > 0 && plan->n > REPLICA__PLAN_RANGES / n))
            break;
        r = join_ranges(plan, ranges, n);
        b->exact = b->exact && c->exact;
        b->used++;
        if (!point) {
            plan->score += worth(ranges, n);
            break;
        }
        plan->score += n > 1 ? 90 : 100;
        b->points++;
    }
    return r;
}

static bool is_point_field(const struct planning *p, const struct replica__index *index, size_t i,
                           const struct bound *b)
{
    const struct replica__condition *c = condition_on(p, index->field_names[i]);

    return i < b->points && c && c->narrow_n <= 1;
}

/* Does the index, with these fields bound, give the order of the sort?  The primary key is behind
 * the last field, and decides ties upwards: so what is not sorted by must be one value. */
static enum replica__scan_order order_of(const struct planning *p,
                                         const struct replica__index *index, const struct bound *b)
{
    const struct replica__query *q = p->query;
    size_t n = q->sort_count, at = 0;
    bool down = n > 0 && q->sort[0].descending, by_id = false;

    if (index->flags & REPLICA__INDEX_MULTIKEY)
        return REPLICA__ORDER_NONE;
    for (size_t i = 0; i < index->n; i++) {
        if (at < n && strcmp(q->sort[at].path.text, index->field_names[i]) == 0) {
            if (q->sort[at].descending != down)
                return REPLICA__ORDER_NONE;
            at++;
        } else if (!is_point_field(p, index, i, b)) {
            return REPLICA__ORDER_NONE;
        }
    }
    if (at < n && strcmp(q->sort[at].path.text, p->coll->key) == 0) {
        by_id = true; /* what is sorted by behind it decides nothing */
        if (q->sort[at].descending)
            return REPLICA__ORDER_NONE;
        at = n;
    }
    if (at < n || (by_id && down))
        return REPLICA__ORDER_NONE;
    return down ? REPLICA__ORDER_DOWN : REPLICA__ORDER_UP;
}

static int try_index(const struct planning *p, const struct replica__index *index,
                     struct replica__plan *plan)
{
    struct bound b;
    int r;

    plan->kind = REPLICA__SCAN_ENTRIES;
    plan->index = index->number;
    plan->flags = index->flags;
    strncpy(plan->name, index->name, sizeof plan->name - 1);
    r = bind(p, index, plan, &b);
    if (r < 0)
        return r;
    plan->all = b.used == 0;
    plan->dedupes = (index->flags & REPLICA__INDEX_MULTIKEY) != 0;
    plan->matches = p->query->selector && !(b.exact && b.used == p->count &&
                                            replica__selector_only_conditions(p->query->selector));
    plan->order = order_of(p, index, &b);
    if (plan->order != REPLICA__ORDER_NONE)
        plan->score += p->query->limit >= 0 ? 40 : 20;
    return 0;
}

/* ---- the primary key ------------------------------------------------------------- */

/* The id in a key of a string: 1; 0: no id has this key. */
static int read_id(const char *key, size_t len, struct replica__buf *out)
{
    const unsigned char *at = (const unsigned char *)key, *end = at + len;

    replica__buf_clear(out);
    if (len < 4 || *at++ != replica__key_class(REPLICA_JSON_STRING))
        return 0;
    while (at < end && *at) {
        if (end - at >= 6 && at[0] == 0xED && at[1] >= 0xA0 && at[1] < 0xB0 && at[3] == 0xED &&
            at[4] >= 0xB0) {
            uint32_t high = (at[1] & 0x0Fu) << 6 | (at[2] & 0x3Fu);
            uint32_t low = (at[4] & 0x0Fu) << 6 | (at[5] & 0x3Fu);
            uint32_t c = 0x10000 + (high << 10 | low);
            const unsigned char utf8[4] = { (unsigned char)(0xF0 | c >> 18),
                                            (unsigned char)(0x80 | (c >> 12 & 0x3F)),
                                            (unsigned char)(0x80 | (c >> 6 & 0x3F)),
                                            (unsigned char)(0x80 | (c & 0x3F)) };

            replica__buf_add(out, utf8, 4);
            at += 6;
        } else {
            replica__buf_char(out, (char)*at++);
        }
    }
    return at + 2 == end && at[1] == 0 && out->len > 0;
}

/* What ids begin with as far as their order in the file (by characters) is that of their keys (by
 * UTF-16): before the first character that one of them has otherwise. */
static void read_start(const char *key, size_t len, bool high, struct replica__buf *out)
{
    unsigned char class = replica__key_class(REPLICA_JSON_STRING);
    size_t n = 1;

    replica__buf_clear(out);
    if (len == 0 || (unsigned char)key[0] != class) { /* before all ids, or behind them */
        if (len > 0 && (unsigned char)key[0] > class)
            replica__buf_char(out, '\xff');
        return;
    }
    while (n < len && key[n] && (unsigned char)key[n] < 0xED)
        n++;
    replica__buf_add(out, key + 1, n - 1);
    if (high && n < len) /* the whole text counts; and what only differs behind here */
        replica__buf_char(out, key[n] ? '\xff' : '\0');
}

static int take_ids(const struct replica__condition *c, struct replica__plan *plan)
{
    REPLICA_BUF id = REPLICA_BUF_INIT;
    int r = 0;

    for (size_t i = 0; r >= 0 && i < c->narrow_n; i++) {
        if (read_id(c->narrow[i].low, c->narrow[i].low_len, &id))
            r = add_range(plan, id.data, id.len, "", 0);
        if (id.r < 0)
            r = id.r;
    }
    plan->kind = REPLICA__SCAN_ID;
    plan->score = 1000;
    plan->all = false;
    return r;
}

/* Ranges that are loose at their ends may meet: then they are one. */
static int take_id_ranges(const struct replica__condition *c, struct replica__plan *plan)
{
    REPLICA_BUF low = REPLICA_BUF_INIT;
    REPLICA_BUF high = REPLICA_BUF_INIT;
    size_t last = c->narrow_n - 1;

    read_start(c->narrow[0].low, c->narrow[0].low_len, false, &low);
    read_start(c->narrow[last].high, c->narrow[last].high_len, true, &high);
    if (low.r < 0 || high.r < 0)
        return REPLICA_ENOMEM;
    plan->score = worth(c->narrow, c->narrow_n);
    plan->all = false;
    return add_range(plan, low.data ? low.data : "", low.len, high.data ? high.data : "", high.len);
}

static int try_primary(const struct planning *p, struct replica__plan *plan)
{
    const struct replica__query *q = p->query;
    const struct replica__condition *c = condition_on(p, p->coll->key);
    bool by_id = q->sort_count == 0 || strcmp(q->sort[0].path.text, p->coll->key) == 0;
    int r;

    plan->kind = REPLICA__SCAN_IDS;
    plan->matches = q->selector != NULL;
    plan->all = true;
    if (c && c->point)
        return take_ids(c, plan);
    if (c && c->narrow_n > 0)
        r = take_id_ranges(c, plan);
    else
        r = add_range(plan, "", 0, "\xff", 1);
    if (by_id) {
        plan->order =
            q->sort_count && q->sort[0].descending ? REPLICA__ORDER_DOWN : REPLICA__ORDER_UP;
        plan->score += q->limit >= 0 ? 40 : 20;
    }
    return r;
}

int replica__plan_sorted(const struct replica__query *query, struct replica__plan *ret,
                         replica_error *err)
{
    struct replica__plan plan = { .kind = REPLICA__SCAN_ALL,
                                  .matches = query->selector != NULL,
                                  .all = true };

    if (add_range(&plan, "", 0, "", 0) < 0) {
        replica__plan_free(&plan);
        return replica__enomem(err);
    }
    *ret = plan;
    return 0;
}

/* ---- the choice ------------------------------------------------------------------ */

static bool may_answer(const struct planning *p, const struct replica__index *index)
{
    if (!replica__index_is_ordered(index) || index->built != INT64_MAX)
        return false;
    return !index->where ||
           replica__selector_implies(p->json, p->len, index->where, strlen(index->where));
}

static bool is_better(const struct replica__plan *a, const struct replica__plan *b)
{
    return a->score != b->score ? a->score > b->score : !a->matches && b->matches;
}

static void take(struct replica__plan *best, struct replica__plan *plan)
{
    if (is_better(plan, best)) {
        replica__plan_free(best);
        *best = *plan;
        memset(plan, 0, sizeof *plan);
    }
    replica__plan_free(plan);
}

static bool is_hinted(const struct planning *p, const struct replica__index *index)
{
    const struct replica__query *q = p->query;
    size_t n = q->hint_count;

    if (n == 1 && strcmp(q->hint[0], index->name) == 0)
        return true;
    if (n == index->n + 1 && strcmp(q->hint[n - 1], p->coll->key) == 0)
        n--;
    if (n != index->n)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (strcmp(q->hint[i], index->field_names[i]) != 0)
            return false;
    }
    return true;
}

static int follow_hint(const struct planning *p, const struct replica__index *index,
                       struct replica__plan *ret, replica_error *err)
{
    const struct replica__query *q = p->query;

    for (; index; index = index->next) {
        if (!is_hinted(p, index) || !replica__index_is_ordered(index))
            continue;
        if (index->built != INT64_MAX)
            return replica__error_set(err, REPLICA_EBUSY, 0, "index '%s' is not built yet",
                                      index->name);
        if (!may_answer(p, index))
            return replica__error_set(err, REPLICA_EINVAL, 0,
                                      "index '%s' has only the documents that match %s, and the"
                                      " query does not ask for that",
                                      index->name, index->where);
        return try_index(p, index, ret) < 0 ? replica__enomem(err) : 0;
    }
    if (q->hint_count == 1 && strcmp(q->hint[0], p->coll->key) == 0)
        return try_primary(p, ret) < 0 ? replica__enomem(err) : 0;
    return replica__error_set(err, REPLICA_EINVAL, 0, "the query's \"index\" names none: '%s'%s",
                              q->hint[0], q->hint_count > 1 ? " and others" : "");
}

static int choose(const struct planning *p, const struct replica__index *index,
                  struct replica__plan *ret)
{
    int r = try_primary(p, ret);

    for (; r >= 0 && index && ret->score < 1000; index = index->next) {
        struct replica__plan plan = { 0 };

        if (!may_answer(p, index))
            continue;
        r = try_index(p, index, &plan);
        if (r < 0)
            replica__plan_free(&plan);
        else
            take(ret, &plan);
    }
    /* By ids without an order is a walk all over the file. */
    if (r >= 0 && ret->kind == REPLICA__SCAN_IDS && ret->order == REPLICA__ORDER_NONE && ret->all)
        ret->kind = REPLICA__SCAN_ALL;
    return r;
}

int replica__plan_make(replica_collection *coll, const struct replica__query *query,
                       const char *json, size_t len, struct replica__plan *ret, replica_error *err)
{
    struct planning p = {
        .coll = coll, .query = query, .json = json ? json : "{}", .len = json ? len : 2
    };
    struct replica__plan plan = { 0 };
    struct replica__index *index = NULL;
    int r = replica__indexes_of(coll, &index, err);

    if (r < 0)
        return r;
    if (query->selector)
        p.count = replica__selector_conditions(query->selector, &p.conditions);
    if (query->hint_count)
        r = follow_hint(&p, index, &plan, err);
    else if (choose(&p, index, &plan) < 0)
        r = replica__enomem(err);
    if (r < 0) {
        replica__plan_free(&plan);
        return r;
    }
    *ret = plan;
    return 0;
}
