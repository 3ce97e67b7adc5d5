/* One order of all values, that does not know where they came from; sorting by it; and arrays as
 * text. */
#include "merge/value.h"

#include "base/json_internal.h"

static int order_contents(struct merge *m, const struct replica__json_value *a,
                          const struct replica__json_value *b)
{
    uint64_t x = replica__json_digest_whole(*a);
    uint64_t y = replica__json_digest_whole(*b);
    size_t len = a->text.len < b->text.len ? a->text.len : b->text.len;
    int order;

    if (x != y)
        return x < y ? -1 : 1;
    if (replica__merge_same(m, a, b))
        return 0;
    order = memcmp(a->text.data, b->text.data, len);
    return order ? order : (a->text.len > b->text.len) - (a->text.len < b->text.len);
}

int replica__merge_order(struct merge *m, const struct replica__json_value *a,
                         const struct replica__json_value *b)
{
    if (a->type != b->type)
        return a->type < b->type ? -1 : 1;
    switch (a->type) {
    case REPLICA_JSON_NUMBER:
        return replica__json_number_compare(a->text, b->text);
    case REPLICA_JSON_STRING:
        return replica__json_string_compare(merge_inside(*a), merge_inside(*b));
    case REPLICA_JSON_ARRAY:
    case REPLICA_JSON_OBJECT:
        return order_contents(m, a, b);
    default:
        return 0;
    }
}

static void sift_down(struct merge *m, void **items, size_t root, size_t n,
                      int (*order)(struct merge *m, const void *a, const void *b))
{
    void *moved = items[root];

    for (size_t child = 2 * root + 1; child < n; child = 2 * root + 1) {
        if (child + 1 < n && order(m, items[child], items[child + 1]) < 0)
            child++;
        if (order(m, moved, items[child]) >= 0)
            break;
        items[root] = items[child];
        root = child;
    }
    items[root] = moved;
}

void replica__merge_sort(struct merge *m, void **items, size_t n,
                         int (*order)(struct merge *m, const void *a, const void *b))
{
    for (size_t i = n / 2; i > 0; i--)
        sift_down(m, items, i - 1, n, order);
    for (size_t i = n; i > 1; i--) {
        void *largest = items[0];

        items[0] = items[i - 1];
        items[i - 1] = largest;
        sift_down(m, items, 0, i - 1, order);
    }
}

/* ---- arrays as text ---------------------------------------------------------------- */

static struct replica__slice between(const char *from, const char *to)
{
    return (struct replica__slice){ from, (size_t)(to - from) };
}

struct array replica__merge_array(const struct three *v, struct slot *slot)
{
    struct replica__json_iter it = replica__json_iter(v->theirs);
    struct replica__json_value model = replica__json_next(&it) ? v->theirs : v->ours;
    struct array a = { .out = slot_open(slot),
                       .head = { "[", 1 }, .between = { "", 0 }, .tail = { "]", 1 },
                       .comma = true };
    struct replica__json_value first;
    const char *end;

    it = replica__json_iter(model);
    if (!replica__json_next(&it)) /* it may be absent as well */
        return a;
    end = model.text.data + model.text.len;
    first = it.value;
    a.head = between(model.text.data, first.text.data);
    a.between = between(a.head.data + 1, first.text.data);
    if (replica__json_next(&it)) {
        a.between = between(first.text.data + first.text.len, it.value.text.data);
        a.comma = false;
    }
    for (a.tail = between(end - 1, end); json_is_blank(a.tail.data[-1]); a.tail.len++)
        a.tail.data--;
    return a;
}

static void add(struct replica__buf *out, struct replica__slice s)
{
    replica__buf_add(out, s.data, s.len);
}

struct replica__buf *replica__merge_array_next(struct array *a)
{
    if (a->n > 0 && a->comma)
        replica__buf_char(a->out, ',');
    add(a->out, a->n > 0 ? a->between : a->head);
    a->n++;
    return a->out;
}

void replica__merge_array_end(struct array *a)
{
    if (a->n > 0)
        add(a->out, a->tail);
    else
        replica__buf_str(a->out, "[]");
}
