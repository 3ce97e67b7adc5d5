/* A table by id, and a heap over it whose members know where they are, so that any of them can be
 * taken out.  The sum is kept as text, exact; numbers that are too long for that are left out. */
#include "libreplica/keys/values.h"

#include "base/alloc.h"
#include "libreplica/keys.h"
#include "merge/merge.h"

#include <assert.h>
#include <string.h>

struct replica__value {
    struct replica__value *next; /* in its slot */
    size_t place;                /* in the heap */
    int64_t written, sequence;
    char *json;
    size_t len;
    char id[];
};

static const struct replica__json_value nothing;

static bool is_ordered(const struct replica__values *values)
{
    return values->what == REPLICA_DERIVE_MIN || values->what == REPLICA_DERIVE_MAX ||
           values->what == REPLICA_DERIVE_LATEST;
}

static struct replica__slice text_of(const struct replica__value *v)
{
    return (struct replica__slice){ v->json, v->len };
}

static struct replica__json_value number_of(const char *text, size_t len)
{
    return (struct replica__json_value){ REPLICA_JSON_NUMBER, { text, len } };
}

/* ---- the heap -------------------------------------------------------------------- */

static bool comes_before(const struct replica__values *values, const struct replica__value *a,
                         const struct replica__value *b)
{
    if (!is_ordered(values))
        return false;
    if (values->what == REPLICA_DERIVE_LATEST)
        return a->written != b->written ? a->written > b->written : a->sequence > b->sequence;
    if (values->what == REPLICA_DERIVE_MIN)
        return replica__json_number_compare(text_of(a), text_of(b)) < 0;
    return replica__json_number_compare(text_of(a), text_of(b)) > 0;
}

static void place(struct replica__values *values, struct replica__value *v, size_t at)
{
    values->heap[at] = v;
    v->place = at;
}

static void rise(struct replica__values *values, struct replica__value *v)
{
    size_t at = v->place;

    while (at > 0 && comes_before(values, v, values->heap[(at - 1) / 2])) {
        place(values, values->heap[(at - 1) / 2], at);
        at = (at - 1) / 2;
    }
    place(values, v, at);
}

static void sink(struct replica__values *values, struct replica__value *v, size_t n)
{
    size_t at = v->place;

    for (;;) {
        size_t child = at * 2 + 1;

        if (child + 1 < n && comes_before(values, values->heap[child + 1], values->heap[child]))
            child++;
        if (child >= n || !comes_before(values, values->heap[child], v))
            break;
        place(values, values->heap[child], at);
        at = child;
    }
    place(values, v, at);
}

/* n: how many are left. */
static void leave_heap(struct replica__values *values, const struct replica__value *v, size_t n)
{
    struct replica__value *last = values->heap[n];

    if (last == v)
        return;
    place(values, last, v->place);
    rise(values, last);
    sink(values, last, n);
}

/* ---- the sum --------------------------------------------------------------------- */

/* Numbers with so many characters and such exponents have no more than 4,000 places among them,
 * which can be added up. */
#define MOST_CHARACTERS 1000
#define MOST_EXPONENT 1000

static bool can_be_added(struct replica__slice number)
{
    const char *end = number.data + number.len, *at = number.data;
    int exponent = 0;

    while (at < end && *at != 'e' && *at != 'E')
        at++;
    for (; at < end && exponent <= MOST_EXPONENT; at++) {
        if (*at >= '0' && *at <= '9')
            exponent = exponent * 10 + (*at - '0');
    }
    return number.len <= MOST_CHARACTERS && exponent <= MOST_EXPONENT;
}

static int add(struct replica__values *values, struct replica__json_value v,
               struct replica__json_value less)
{
    struct replica__buf sum = REPLICA_BUF_INIT;
    struct replica__json_value before =
        values->sum.len ? number_of(values->sum.data, values->sum.len) : nothing;
    bool added = replica__number_sum(before, v, less, &sum);

    assert(added);
    (void)added;
    replica__buf_free(&values->sum);
    values->sum = sum;
    return sum.r < 0 ? REPLICA_ENOMEM : 0;
}

/* ---- the table ------------------------------------------------------------------- */

static size_t slot_of(const struct replica__values *values, const char *id)
{
    uint64_t h = UINT64_C(14695981039346656037);

    for (; *id; id++)
        h = (h ^ (unsigned char)*id) * UINT64_C(1099511628211);
    return (size_t)(h ^ h >> 29) & (values->slot_count - 1);
}

static struct replica__value *find(const struct replica__values *values, const char *id)
{
    struct replica__value *v = values->slot_count ? values->slots[slot_of(values, id)] : NULL;

    while (v && strcmp(v->id, id) != 0)
        v = v->next;
    return v;
}

static void put_in_slot(struct replica__values *values, struct replica__value *v)
{
    size_t slot = slot_of(values, v->id);

    v->next = values->slots[slot];
    values->slots[slot] = v;
}

static int reserve(struct replica__values *values)
{
    size_t count = values->slot_count ? values->slot_count * 2 : 64;
    struct replica__value **old = values->slots, **slots, **heap;
    size_t old_count = values->slot_count;

    if (values->n < old_count)
        return 0;
    heap = replica__realloc(values->heap, count, sizeof(*heap));
    if (heap)
        values->heap = heap;
    slots = heap ? replica__alloc_zero(count, sizeof(*slots)) : NULL;
    if (!slots)
        return REPLICA_ENOMEM;
    values->slots = slots;
    values->slot_count = count;
    for (size_t i = 0; i < old_count; i++) {
        struct replica__value *next;

        for (struct replica__value *v = old[i]; v; v = next) {
            next = v->next;
            put_in_slot(values, v);
        }
    }
    replica__free(old);
    return 0;
}

static struct replica__value *insert(struct replica__values *values, const char *id)
{
    size_t len = strlen(id) + 1;
    struct replica__value *v = reserve(values) < 0
                                   ? NULL
                                   : replica__alloc_zero(1, sizeof *v + len);

    if (!v)
        return NULL;
    memcpy(v->id, id, len);
    put_in_slot(values, v);
    return v;
}

static void value_free(struct replica__value *v)
{
    replica__free(v->json);
    replica__free(v);
}

/* ---- changes --------------------------------------------------------------------- */

static int replace(struct replica__values *values, struct replica__value *v, char *json, size_t len)
{
    int r = 0;

    if (values->what == REPLICA_DERIVE_SUM)
        r = add(values, number_of(json, len), v->json ? number_of(v->json, v->len) : nothing);
    replica__free(v->json);
    v->json = json;
    v->len = len;
    return r;
}

int replica__values_set(struct replica__values *values, const char *id,
                        struct replica__json_value json, int64_t written, int64_t sequence)
{
    struct replica__value *v = find(values, id);
    char *text;
    int r = 0;

    if (json.type == REPLICA_JSON_NONE ||
        (values->what == REPLICA_DERIVE_SUM && !can_be_added(json.text)))
        return replica__values_remove(values, id);
    text = replica__strndup(json.text.data, json.text.len);
    if (!text)
        return REPLICA_ENOMEM;
    if (!v) {
        v = insert(values, id);
        if (!v) {
            replica__free(text);
            return REPLICA_ENOMEM;
        }
        place(values, v, values->n++);
    }
    v->written = written;
    v->sequence = sequence;
    r = replace(values, v, text, json.text.len);
    rise(values, v);
    sink(values, v, values->n);
    return r;
}

int replica__values_remove(struct replica__values *values, const char *id)
{
    struct replica__value *v = find(values, id);
    struct replica__value **at;
    int r = 0;

    if (!v)
        return 0;
    for (at = &values->slots[slot_of(values, id)]; *at != v;)
        at = &(*at)->next;
    *at = v->next;
    values->n--;
    leave_heap(values, v, values->n);
    if (values->what == REPLICA_DERIVE_SUM)
        r = add(values, nothing, number_of(v->json, v->len));
    value_free(v);
    return r;
}

int replica__values_write(const struct replica__values *values, struct replica__buf *out)
{
    if (values->what == REPLICA_DERIVE_COUNT)
        replica__buf_int(out, (int64_t)values->n);
    else if (values->what == REPLICA_DERIVE_SUM && values->sum.len)
        replica__buf_add(out, values->sum.data, values->sum.len);
    else if (values->what == REPLICA_DERIVE_SUM)
        replica__buf_char(out, '0');
    else if (values->n == 0)
        return 0;
    else
        replica__buf_add(out, values->heap[0]->json, values->heap[0]->len);
    return out->r < 0 ? REPLICA_ENOMEM : 1;
}

void replica__values_clear(struct replica__values *values)
{
    for (size_t i = 0; i < values->slot_count; i++) {
        struct replica__value *next;

        for (struct replica__value *v = values->slots[i]; v; v = next) {
            next = v->next;
            value_free(v);
        }
    }
    replica__free(values->slots);
    replica__free(values->heap);
    replica__buf_free(&values->sum);
    *values = (struct replica__values){ .what = values->what };
}
