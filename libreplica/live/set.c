#include "libreplica/live/set.h"

#include "base/alloc.h"
#include "libreplica/query/key.h"

#include <string.h>

/* ---- documents in their places --------------------------------------------------- */

struct replica__placed *replica__placed_new(replica_doc *doc, const void *key, size_t len)
{
    struct replica__placed *p = replica__alloc(sizeof *p + len);

    if (!p)
        return NULL;
    p->doc = replica_doc_ref(doc);
    p->len = len;
    memcpy(p->key, key, len);
    return p;
}

void replica__placed_free(struct replica__placed *p)
{
    if (!p)
        return;
    replica_doc_unref(p->doc);
    replica__free(p);
}

int replica__place_compare(const struct replica__placed *p, const void *key, size_t len)
{
    return replica__key_order(p->key, p->len, key, len);
}

/* ---- by id ----------------------------------------------------------------------- */

static size_t hash(const char *id)
{
    uint64_t h = UINT64_C(14695981039346656037);

    for (; *id; id++)
        h = (h ^ (unsigned char)*id) * UINT64_C(1099511628211);
    return (size_t)(h ^ h >> 29);
}

/* Where the document of this id is, or would be. */
static size_t slot_of(const struct replica__live_set *set, const char *id)
{
    size_t at = hash(id) & (set->slot_count - 1);

    while (set->slots[at] && strcmp(replica_doc_id(set->slots[at]->doc), id) != 0)
        at = (at + 1) & (set->slot_count - 1);
    return at;
}

struct replica__placed *replica__live_set_find(const struct replica__live_set *set, const char *id)
{
    return set->slot_count ? set->slots[slot_of(set, id)] : NULL;
}

/* Empty a slot, and move those behind it that were pushed on by it. */
static void clear_slot(struct replica__live_set *set, size_t empty)
{
    size_t mask = set->slot_count - 1;

    set->slots[empty] = NULL;
    for (size_t at = (empty + 1) & mask; set->slots[at]; at = (at + 1) & mask) {
        size_t home = hash(replica_doc_id(set->slots[at]->doc)) & mask;

        if (((at - home) & mask) < ((at - empty) & mask))
            continue; /* it begins its search behind the gap */
        set->slots[empty] = set->slots[at];
        set->slots[at] = NULL;
        empty = at;
    }
}

static int grow_slots(struct replica__live_set *set)
{
    struct replica__placed **slots;
    size_t count = set->slot_count ? set->slot_count * 2 : 16;

    slots = replica__alloc_zero(count, sizeof(struct replica__placed *));
    if (!slots)
        return REPLICA_ENOMEM;
    replica__free(set->slots);
    set->slots = slots;
    set->slot_count = count;
    for (size_t i = 0; i < set->n; i++)
        slots[slot_of(set, replica_doc_id(set->at[i]->doc))] = set->at[i];
    return 0;
}

/* ---- by place -------------------------------------------------------------------- */

void replica__live_set_free(struct replica__live_set *set)
{
    for (size_t i = 0; i < set->n; i++)
        replica__placed_free(set->at[i]);
    replica__free(set->at);
    replica__free(set->slots);
    *set = (struct replica__live_set){ 0 };
}

int replica__live_set_reserve(struct replica__live_set *set)
{
    if (set->n == set->room) {
        size_t room = set->room ? set->room * 2 : 16;
        struct replica__placed **at = replica__realloc(set->at, room,
                                                       sizeof(struct replica__placed *));

        if (!at)
            return REPLICA_ENOMEM;
        set->at = at;
        set->room = room;
    }
    return (set->n + 1) * 2 > set->slot_count ? grow_slots(set) : 0;
}

size_t replica__live_set_before(const struct replica__live_set *set, const void *key, size_t len)
{
    size_t low = 0, high = set->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (replica__place_compare(set->at[middle], key, len) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void replica__live_set_put(struct replica__live_set *set, size_t at, struct replica__placed *p)
{
    memmove(&set->at[at + 1], &set->at[at], (set->n - at) * sizeof(struct replica__placed *));
    set->at[at] = p;
    set->n++;
    set->slots[slot_of(set, replica_doc_id(p->doc))] = p;
}

struct replica__placed *replica__live_set_take(struct replica__live_set *set, size_t at)
{
    struct replica__placed *p = set->at[at];

    clear_slot(set, slot_of(set, replica_doc_id(p->doc)));
    set->n--;
    memmove(&set->at[at], &set->at[at + 1], (set->n - at) * sizeof(struct replica__placed *));
    return p;
}

void replica__live_set_replace(struct replica__live_set *set, size_t at, struct replica__placed *p)
{
    struct replica__placed *old = set->at[at];

    set->slots[slot_of(set, replica_doc_id(old->doc))] = p;
    set->at[at] = p;
    replica__placed_free(old);
}
