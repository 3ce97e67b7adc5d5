#include "replicator/ranges.h"

#include "base/alloc.h"
#include "base/error.h"

#include <string.h>

/* Documents known here that are looked at in one step. */
#define BATCH 1000

/* ---- its memory -------------------------------------------------------------------- */

static void forget_ids(struct replica__ranges *r)
{
    replica__range_answer_free(&r->ids);
    r->item = 0;
    r->listed = false;
}

static void forget_digests(struct replica__ranges *r)
{
    replica__range_answer_free(&r->digests);
    r->chunk = 0;
}

static void free_list(char ***list, size_t *n)
{
    for (size_t i = 0; i < *n; i++)
        replica__free((*list)[i]);
    replica__free(*list);
    *list = NULL;
    *n = 0;
}

void replica__ranges_forget_left(struct replica__ranges *r)
{
    free_list(&r->left, &r->left_count);
}

static void forget_found(struct replica__ranges *r)
{
    free_list(&r->asked, &r->asked_count);
    replica__ranges_forget_left(r);
    r->asked_from = 0;
    replica__free(r->to);
    r->to = NULL;
}

void replica__ranges_free(struct replica__ranges *r)
{
    forget_found(r);
    forget_ids(r);
    forget_digests(r);
}

int replica__ranges_room(struct replica__ranges *r, size_t n, replica_error *err)
{
    forget_found(r);
    r->asked = replica__alloc_zero(n, sizeof *r->asked);
    return r->asked ? 0 : replica__enomem(err);
}

/* ---- going on ---------------------------------------------------------------------- */

void replica__ranges_take_digests(struct replica__ranges *r, struct replica__range_answer *answer)
{
    forget_digests(r);
    forget_ids(r);
    r->digests = *answer;
}

void replica__ranges_take_ids(struct replica__ranges *r, struct replica__range_answer *answer)
{
    forget_ids(r);
    r->ids = *answer;
    r->listed = true;
}

static bool is_end(const char *key, const char *to)
{
    return !key || (to && strcmp(key, to) == 0);
}

int64_t replica__ranges_pass(struct replica__ranges *r, const char *key)
{
    int64_t ended = 0;

    forget_found(r);
    if (is_end(key, r->ids.to)) /* the rest is to be listed, if there is any */
        forget_ids(r);
    if (r->chunk < r->digests.n && is_end(key, r->digests.chunks[r->chunk].to)) {
        forget_ids(r);
        ended = r->digests.chunks[r->chunk++].count;
    }
    if (!key)
        forget_digests(r);
    return ended;
}

/* ---- comparing --------------------------------------------------------------------- */

/* A part of the chunk, as it is known here. */
struct part {
    struct replica__known known[BATCH];
    size_t n, next;
    const char *to;  /* it goes so far; NULL: to the end */
    const char *key; /* the last one that was compared */
};

static void part_free(struct part **p)
{
    for (size_t i = 0; *p && i < (*p)->n; i++)
        replica__free((*p)->known[i].id);
    replica__free(*p);
}
#define PART __attribute__((cleanup(part_free))) struct part *

static bool is_within(const char *key, const char *to)
{
    return !to || strcmp(key, to) <= 0;
}

static bool is_same(const struct replica__item *item, const struct replica__known *known,
                    const struct replica__ranges_known *here)
{
    if (here->range.texts)
        return strcmp(item->hex, known->hex) == 0;
    return here->later ? item->sequence <= known->sequence : item->sequence == known->sequence;
}

static int add(char **list, size_t *n, const char *id, replica_error *err)
{
    list[*n] = replica__strdup(id);
    if (!list[*n])
        return replica__enomem(err);
    ++*n;
    return 1;
}

/* The next key of either side.  1; 0: there is none in this part. */
static int compare_next(struct replica__ranges *r, const struct replica__ranges_known *here,
                        struct part *p, replica_error *err)
{
    const struct replica__item *item = r->item < r->ids.n ? &r->ids.items[r->item] : NULL;
    const struct replica__known *known = p->next < p->n ? &p->known[p->next] : NULL;
    int order;

    if (item && !is_within(item->id, p->to))
        item = NULL;
    if (!item && !known)
        return 0;
    order = !known ? -1 : !item ? 1 : strcmp(item->id, known->id);
    p->key = order <= 0 ? item->id : known->id;
    r->item += order <= 0;
    p->next += order >= 0;
    if (order == 0 && is_same(item, known, here))
        return 1;
    if (order > 0 && here->drop && known->outside)
        return add(r->left, &r->left_count, p->key, err);
    return add(r->asked, &r->asked_count, p->key, err);
}

static int read_part(struct replica__ranges *r, const struct replica__ranges_known *here,
                     struct part *p, replica_error *err)
{
    struct replica__key_range range = here->range;
    int n;

    range.to = r->ids.to;
    n = replica__known_list(here->repl, &range, p->known, BATCH, err);
    if (n < 0)
        return n;
    p->n = (size_t)n;
    p->to = n == BATCH ? p->known[n - 1].id : r->ids.to;
    return 0;
}

static int set_to(struct replica__ranges *r, const char *to, replica_error *err)
{
    replica__free(r->to);
    r->to = replica__strdup(to);
    return to && !r->to ? replica__enomem(err) : 0;
}

static int compare_part(struct replica__ranges *r, const struct replica__ranges_known *here,
                        replica_error *err)
{
    PART p = replica__alloc_zero(1, sizeof *p);
    int rc = replica__ranges_room(r, here->most, err);

    r->left = replica__alloc_zero(BATCH, sizeof *r->left);
    if (!p || !r->left)
        return replica__enomem(err);
    if (rc >= 0)
        rc = read_part(r, here, p, err);
    while (rc >= 0 && r->asked_count < here->most && (rc = compare_next(r, here, p, err)) > 0)
        continue;
    if (rc >= 0)
        rc = set_to(r, r->asked_count == here->most ? p->key : p->to, err);
    if (rc < 0)
        return rc;
    return r->asked_count ? REPLICA__RANGES_ASK_DOCUMENTS : REPLICA__RANGES_COMPARED;
}

static int compare_chunk(struct replica__ranges *r, const struct replica__ranges_known *here,
                         replica_error *err)
{
    const struct replica__chunk *chunk = &r->digests.chunks[r->chunk];
    struct replica__key_range range = here->range;
    int rc;

    range.to = chunk->to;
    rc = replica__known_differs(here->repl, &range, chunk->count, chunk->hex, strlen(chunk->hex),
                                err);
    if (rc != 0)
        return rc < 0 ? rc : REPLICA__RANGES_ASK_IDS;
    rc = set_to(r, chunk->to, err);
    return rc < 0 ? rc : REPLICA__RANGES_COMPARED;
}

int replica__ranges_next(struct replica__ranges *r, const struct replica__ranges_known *known,
                         replica_error *err)
{
    if (r->asked_count > r->asked_from)
        return REPLICA__RANGES_ASK_DOCUMENTS;
    if (r->listed)
        return compare_part(r, known, err);
    if (r->chunk < r->digests.n)
        return compare_chunk(r, known, err);
    return REPLICA__RANGES_ASK_DIGESTS;
}
