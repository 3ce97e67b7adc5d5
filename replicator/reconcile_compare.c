/* Comparing what a server listed with what is known here: one key after the other, as far as both
 * are told, a part at a time. */
#include "replicator/reconcile_walk.h"

/* Documents known here that are looked at in one step, and asked for at once. */
#define BATCH 1000

/* ---- going on ---------------------------------------------------------------------- */

void replica__reconcile_forget_asked(struct walk *w)
{
    for (size_t i = 0; i < w->asked_count; i++)
        replica__free(w->asked[i]);
    replica__free(w->asked);
    replica__free(w->to);
    w->asked = NULL;
    w->asked_count = w->asked_from = 0;
    w->to = NULL;
}

/* All up to this key is compared (NULL: to the end of the collection). */
static int move_to(struct walk *w, const char *key, replica_error *err)
{
    char *copy = replica__strdup(key);

    if (key && !copy)
        return replica__enomem(err);
    replica__free(w->at.after);
    w->at.after = copy;
    if (!key)
        w->at.collection++;
    w->noted = false;
    return 0;
}

/* Its end is that of the collection, if it ends nowhere. */
int replica__reconcile_end_chunk(struct walk *w, replica_error *err)
{
    int r = move_to(w, w->digests.chunks[w->chunk].to, err);

    w->chunk++;
    w->listed = false;
    replica__range_answer_free(&w->ids);
    if (r >= 0 && !w->at.after)
        replica__range_answer_free(&w->digests);
    return r;
}

int replica__reconcile_end_part(struct walk *w, const char *to, replica_error *err)
{
    const char *end = w->digests.chunks[w->chunk].to;

    if (to ? end && strcmp(to, end) == 0 : true)
        return replica__reconcile_end_chunk(w, err);
    if (move_to(w, to, err) < 0)
        return REPLICA_ENOMEM;
    if (w->ids.to && strcmp(w->at.after, w->ids.to) == 0) { /* the rest is to be listed */
        w->listed = false;
        replica__range_answer_free(&w->ids);
    }
    return 0;
}

/* ---- comparing --------------------------------------------------------------------- */

/* A part of the chunk, as it is known here. */
struct part {
    struct replica__known known[BATCH];
    size_t n, next;
    const char *to; /* it goes so far; NULL: to the end */
    char *left[BATCH];
    size_t left_count;
    const char *key; /* the last one that was compared */
};

static void part_free(struct part **p)
{
    if (!*p)
        return;
    for (size_t i = 0; i < (*p)->n; i++)
        replica__free((*p)->known[i].id);
    replica__free(*p);
}
#define PART __attribute__((cleanup(part_free))) struct part *

static bool is_within(const char *key, const char *to)
{
    return !to || strcmp(key, to) <= 0;
}

static int add_asked(struct walk *w, const char *id, replica_error *err)
{
    char *copy = replica__strdup(id);

    if (!copy)
        return replica__enomem(err);
    w->asked[w->asked_count++] = copy;
    return 0;
}

/* The next key of either side.  1; 0: there is none in this part. */
static int compare_next(struct walk *w, struct part *p, replica_error *err)
{
    const struct replica__item *item = w->item < w->ids.n ? &w->ids.items[w->item] : NULL;
    const struct replica__known *known = p->next < p->n ? &p->known[p->next] : NULL;
    int order, r;

    if (item && !is_within(item->id, p->to))
        item = NULL;
    if (!item && !known)
        return 0;
    order = !known ? -1 : !item ? 1 : strcmp(item->id, known->id);
    p->key = order <= 0 ? item->id : known->id;
    w->item += order <= 0;
    p->next += order >= 0;
    if (order == 0 && (replica__walk_of_texts(w) ? strcmp(item->hex, known->hex) == 0
                                                 : item->sequence <= known->sequence))
        return 1;
    if (order > 0 && known->outside) {
        p->left[p->left_count++] = known->id;
        return 1;
    }
    r = add_asked(w, p->key, err);
    return r < 0 ? r : 1;
}

static int read_part(struct replica__session *s, replica_collection *coll, struct part *p,
                     replica_error *err)
{
    struct walk *w = s->walk;
    const struct replica__key_range range = { .coll = coll, .after = w->at.after,
                                              .to = w->ids.to,
                                              .texts = replica__walk_of_texts(w) };
    int n = replica__known_list(s->repl, &range, p->known, BATCH, err);

    if (n < 0)
        return n;
    p->n = (size_t)n;
    p->to = n == BATCH ? p->known[n - 1].id : w->ids.to;
    return 0;
}

/* What is no longer replicated goes without a question. */
static int leave(struct replica__session *s, replica_collection *coll, const struct part *p,
                 replica_error *err)
{
    replica_remote_page page = REPLICA_REMOTE_PAGE_INIT;
    const char *key = replica_collection_key(coll);
    REPLICA_FREE replica_remote_doc *docs = NULL;
    REPLICA_BUF text = REPLICA_BUF_INIT;
    struct arrived arrived;
    size_t at = 0;
    int r;

    if (p->left_count == 0)
        return 0;
    docs = replica__alloc_zero(p->left_count, sizeof *docs);
    for (size_t i = 0; i < p->left_count; i++) {
        replica__buf_char(&text, '{');
        replica__buf_json_string(&text, key, strlen(key));
        replica__buf_char(&text, ':');
        replica__buf_json_string(&text, p->left[i], strlen(p->left[i]));
        replica__buf_char(&text, '}');
        if (docs)
            docs[i].len = text.len - at;
        at = text.len;
    }
    if (!docs || text.r < 0)
        return replica__enomem(err);
    at = 0;
    for (size_t i = 0; i < p->left_count; i++) {
        docs[i].collection = replica_collection_name(coll);
        docs[i].json = text.data + at;
        docs[i].gone = REPLICA_GONE_FILTER;
        at += docs[i].len;
    }
    page.docs = docs;
    page.count = p->left_count;
    r = replica__arrived_copy(s, s->walk->feed, &page, &arrived, err);
    if (r < 0)
        return r;
    r = replica__reconcile_apply(s->repl, s->walk->feed, arrived.docs, arrived.n, NULL,
                                 &s->walk->at, err);
    if (r >= 0)
        replica__arrived_tell(s, &arrived);
    replica__arrived_free(&arrived);
    return r;
}

int replica__reconcile_compare(struct replica__session *s, replica_collection *coll,
                               replica_error *err)
{
    size_t most = s->pull_rows < BATCH ? s->pull_rows : BATCH;
    struct walk *w = s->walk;
    PART p = replica__alloc_zero(1, sizeof *p);
    const char *to;
    int r;

    replica__reconcile_forget_asked(w);
    w->asked = replica__alloc_zero(most, sizeof *w->asked);
    if (!p || !w->asked)
        return replica__enomem(err);
    r = read_part(s, coll, p, err);
    while (r >= 0 && w->asked_count < most && (r = compare_next(w, p, err)) > 0)
        continue;
    if (r < 0)
        return r;
    to = w->asked_count == most ? p->key : p->to;
    r = leave(s, coll, p, err);
    if (r >= 0 && w->asked_count == 0)
        return replica__reconcile_end_part(w, to, err);
    if (r >= 0 && to && !(w->to = replica__strdup(to)))
        r = replica__enomem(err);
    return r;
}
