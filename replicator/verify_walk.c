#include "replicator/verify_walk.h"

#include "base/alloc.h"
#include "base/error.h"

#include <string.h>

/* ---- its memory -------------------------------------------------------------------- */

static void forget_asked(struct replica__verify_walk *w)
{
    for (size_t i = 0; i < w->asked_count; i++)
        replica__free(w->asked[i]);
    w->asked_count = w->asked_from = 0;
    replica__free(w->to);
    w->to = NULL;
}

static void forget_chunks(struct replica__verify_walk *w)
{
    replica__range_answer_free(&w->digests);
    replica__range_answer_free(&w->ids);
    w->chunk = w->item = 0;
    w->listed = false;
}

void replica__verify_walk_stop(struct replica__verify_walk *w)
{
    forget_chunks(w);
    forget_asked(w);
}

void replica__verify_walk_free(struct replica__verify_walk *w)
{
    replica__verify_walk_stop(w);
    replica__free(w->after);
    w->after = NULL;
}

/* ---- going on ---------------------------------------------------------------------- */

static void next_pass(struct replica__verify_walk *w)
{
    forget_chunks(w);
    if (++w->pass < REPLICA__PASSES)
        return;
    w->pass = REPLICA__PASS_ODD;
    w->coll++;
}

/* All up to this key is compared in this pass (NULL: to the end). */
static int move_to(struct replica__verify_walk *w, const char *key, replica_error *err)
{
    char *copy = replica__strdup(key);

    if (key && !copy)
        return replica__enomem(err);
    replica__free(w->after);
    w->after = copy;
    if (!key)
        next_pass(w);
    return 0;
}

static int end_chunk(struct replica__verify_walk *w, replica_error *err)
{
    const char *to = w->digests.chunks[w->chunk].to;

    w->listed = false;
    replica__range_answer_free(&w->ids);
    if (w->pass == REPLICA__PASS_TEXTS)
        w->compared += w->digests.chunks[w->chunk].count;
    w->chunk++;
    return move_to(w, to, err);
}

static int end_part(struct replica__verify_walk *w, const char *to, replica_error *err)
{
    const char *end_of_chunk;
    int r;

    if (w->pass == REPLICA__PASS_ODD)
        return move_to(w, to, err);
    end_of_chunk = w->digests.chunks[w->chunk].to;
    if (!to || (end_of_chunk && strcmp(to, end_of_chunk) == 0))
        return end_chunk(w, err);
    r = move_to(w, to, err);
    if (r >= 0 && w->ids.to && strcmp(w->after, w->ids.to) == 0) { /* the rest is to be listed */
        w->listed = false;
        replica__range_answer_free(&w->ids);
    }
    return r;
}

/* ---- comparing --------------------------------------------------------------------- */

struct part {
    struct replica__known known[REPLICA__VERIFY_BATCH];
    size_t n, next;
    const char *to;
    const char *key;
};

static void part_free(struct part **p)
{
    if (!*p)
        return;
    for (size_t i = 0; i < (*p)->n; i++)
        replica__free((*p)->known[i].id);
    replica__free(*p);
}

static bool is_within(const char *key, const char *to)
{
    return !to || strcmp(key, to) <= 0;
}

static int add_asked(struct replica__verify_walk *w, const char *id, replica_error *err)
{
    w->asked[w->asked_count] = replica__strdup(id);
    if (!w->asked[w->asked_count])
        return replica__enomem(err);
    w->asked_count++;
    return 1;
}

static bool is_equal(const struct replica__verify_walk *w, const struct replica__item *item,
                     const struct replica__known *known)
{
    return w->pass == REPLICA__PASS_TEXTS ? strcmp(item->hex, known->hex) == 0
                            : item->sequence == known->sequence;
}

/* The next key of either side.  1; 0: there is none in this part. */
static int compare_next(struct replica__verify_walk *w, struct part *p, replica_error *err)
{
    const struct replica__item *item = w->item < w->ids.n ? &w->ids.items[w->item] : NULL;
    const struct replica__known *known = p->next < p->n ? &p->known[p->next] : NULL;
    int order;

    if (item && !is_within(item->id, p->to))
        item = NULL;
    if (!item && !known)
        return 0;
    order = !known ? -1 : !item ? 1 : strcmp(item->id, known->id);
    p->key = order <= 0 ? item->id : known->id;
    w->item += order <= 0;
    p->next += order >= 0;
    if (order == 0 && is_equal(w, item, known))
        return 1;
    return add_asked(w, p->key, err);
}

static int set_to(struct replica__verify_walk *w, const char *to, replica_error *err)
{
    w->to = replica__strdup(to);
    return to && !w->to ? replica__enomem(err) : 0;
}

static int compare_part(struct replica__verify_walk *w, struct replica__replication *repl,
                        replica_collection *coll, replica_error *err)
{
    const struct replica__key_range range = { .coll = coll, .after = w->after, .to = w->ids.to,
                                              .texts = w->pass == REPLICA__PASS_TEXTS };
    __attribute__((cleanup(part_free))) struct part *p = replica__alloc_zero(1, sizeof *p);
    const char *to;
    int r;

    if (!p)
        return replica__enomem(err);
    r = replica__known_list(repl, &range, p->known, REPLICA__VERIFY_BATCH, err);
    if (r < 0)
        return r;
    p->n = (size_t)r;
    p->to = p->n == REPLICA__VERIFY_BATCH ? p->known[REPLICA__VERIFY_BATCH - 1].id : w->ids.to;
    while (w->asked_count < REPLICA__VERIFY_BATCH && (r = compare_next(w, p, err)) > 0)
        continue;
    if (r < 0)
        return r;
    to = w->asked_count == REPLICA__VERIFY_BATCH ? p->key : p->to;
    return w->asked_count == 0 ? end_part(w, to, err) : set_to(w, to, err);
}

static int compare_chunk(struct replica__verify_walk *w, struct replica__replication *repl,
                         replica_collection *coll, replica_error *err)
{
    const struct replica__chunk *chunk = &w->digests.chunks[w->chunk];
    const struct replica__key_range range = { .coll = coll, .after = w->after, .to = chunk->to,
                                              .texts = w->pass == REPLICA__PASS_TEXTS };
    int r = replica__known_differs(repl, &range, chunk->count, chunk->hex, strlen(chunk->hex),
                                   err);

    if (r < 0)
        return r;
    return r > 0 ? REPLICA__VERIFY_ASK_IDS : end_chunk(w, err);
}

static int find_odd(struct replica__verify_walk *w, struct replica__replication *repl,
                    replica_collection *coll, replica_error *err)
{
    int r = replica__verify_odd(repl, w->feed, coll, w->after, w->asked, REPLICA__VERIFY_BATCH,
                                err);

    if (r < 0)
        return r;
    w->asked_count = (size_t)r;
    if (r == 0)
        return end_part(w, NULL, err);
    return set_to(w, r == REPLICA__VERIFY_BATCH ? w->asked[REPLICA__VERIFY_BATCH - 1] : NULL, err);
}

int replica__verify_walk_next(struct replica__verify_walk *w, struct replica__replication *repl,
                              replica_collection *coll, replica_error *err)
{
    if (w->asked_count > w->asked_from)
        return REPLICA__VERIFY_ASK_DOCUMENTS;
    if (w->pass == REPLICA__PASS_ODD)
        return find_odd(w, repl, coll, err);
    if (w->listed)
        return compare_part(w, repl, coll, err);
    return w->chunk < w->digests.n ? compare_chunk(w, repl, coll, err)
                                   : REPLICA__VERIFY_ASK_DIGESTS;
}

int replica__verify_walk_judged(struct replica__verify_walk *w, replica_error *err)
{
    int r = end_part(w, w->to, err);

    forget_asked(w);
    return r;
}
