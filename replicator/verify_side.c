/* Verification: all that is here and all that the server has, compared by texts and then by
 * numbers.
 *
 * It runs like a reconciliation (reconcile_side.c), when nothing is to be pulled or pushed, and
 * nothing else is meanwhile.  What the digests tell apart is asked for document by document, and
 * judged by the store (replica__verify()).  After a failure it goes on where it was. */
#include "replicator/reconcile_answer.h"
#include "replicator/session_state.h"
#include "replicator/verify_found.h"

#include <stdio.h>

#define BATCH 500

/* Of each collection: what no digest shows, the texts, the numbers. */
enum pass { ODD, TEXTS, NUMBERS, PASSES };

struct verify {
    struct replica__verify_ask ask;
    bool pulled, runs;
    size_t feed, coll;
    enum pass pass;
    char *after; /* compared so far in this pass */
    struct replica__range_answer digests, ids;
    size_t chunk, item;
    bool listed;
    char *to;    /* with what is asked, all up to this key is compared; NULL: to the end */
    char *asked[BATCH];
    size_t asked_count, asked_from;
    struct arrived page;
    bool has_page;
    struct replica__found found; /* the documents that were told */
    replica_verify_result result;
};

/* ---- its memory -------------------------------------------------------------------- */

static void forget_asked(struct verify *v)
{
    for (size_t i = 0; i < v->asked_count; i++)
        replica__free(v->asked[i]);
    v->asked_count = v->asked_from = 0;
    replica__free(v->to);
    v->to = NULL;
}

static void forget_chunks(struct verify *v)
{
    replica__range_answer_free(&v->digests);
    replica__range_answer_free(&v->ids);
    v->chunk = v->item = 0;
    v->listed = false;
}

void replica__verify_side_stop(struct replica__session *s)
{
    struct verify *v = s->verify;

    if (!v || !v->runs)
        return;
    replica__session_cancel_call(s, &s->range);
    forget_chunks(v);
    forget_asked(v);
    replica__arrived_free(&v->page);
    v->has_page = false;
    v->runs = false;
}

static void end(struct replica__session *s, const replica_error *error)
{
    struct verify *v = s->verify;

    replica__verify_side_stop(s);
    s->verify = NULL;
    v->ask.ended(v->ask.ctx, &v->result, error);
    replica__free(v->after);
    replica__found_free(&v->found);
    replica__free(v);
}

void replica__verify_side_end(struct replica__session *s)
{
    replica_error error = { .offset = -1 };

    if (!s->verify)
        return;
    replica__error_set(&error, REPLICA_ECLOSED, 0, "the replication has ended");
    end(s, &error);
}

void replica__session_verify(struct replica__session *s, const struct replica__verify_ask *ask)
{
    struct verify *v = s->verify ? NULL : replica__alloc_zero(1, sizeof *v);
    replica_error error = { .offset = -1 };

    if (v) {
        v->ask = *ask;
        s->verify = v;
        return;
    }
    if (s->verify)
        replica__error_set(&error, REPLICA_EBUSY, 0, "it is being verified already");
    else
        replica__enomem(&error);
    ask->ended(ask->ctx, &(replica_verify_result){ .size = sizeof(replica_verify_result) }, &error);
}

static void fail(struct replica__session *s, const replica_error *error, int64_t retry_ms)
{
    replica__pull_side_failed(s, error, retry_ms);
}

/* ---- what was found ---------------------------------------------------------------- */

static int tell(struct verify *v, const struct replica__pulled *doc, const char *id, int kind,
                replica_error *err)
{
    int64_t *counts[] = { &v->result.different, &v->result.missing_here, &v->result.missing_there,
                          &v->result.state };
    int r;

    if (kind == REPLICA__VERIFY_SAME || kind == REPLICA__VERIFY_LATER)
        return 0;
    r = replica__found_add(&v->found, v->feed * 64 + v->coll, id, err);
    if (r <= 0)
        return r;
    if (kind == REPLICA__VERIFY_PENDING) {
        v->result.pending++;
        return 0;
    }
    ++*counts[kind - REPLICA_VERIFY_DIFFERENT];
    v->result.repaired += v->ask.repair != REPLICA_REPAIR_NONE;
    v->ask.found(v->ask.ctx, kind, replica_collection_name(doc->coll), id);
    return 0;
}

/* ---- asking ------------------------------------------------------------------------ */

static replica_collection *collection_of(struct replica__session *s)
{
    struct verify *v = s->verify;
    replica_collection *const *colls;
    size_t n = replica__feed_collections(s->repl, v->feed, &colls);

    return v->coll < n ? colls[v->coll] : NULL;
}

static const replica_remote_collection *named(struct replica__session *s)
{
    const replica_remote_collection *list;

    replica__session_feed_request(s, s->verify->feed, &list);
    return &list[s->verify->coll];
}

static void add_text(const char *text, struct replica__buf *out)
{
    if (text)
        replica__buf_json_string(out, text, strlen(text));
    else
        replica__buf_str(out, "null");
}

static void ask(struct replica__session *s, const struct asker *asker, bool upto)
{
    const struct verify *v = s->verify;
    const replica_remote_collection *coll = named(s);
    REPLICA_BUF text = REPLICA_BUF_INIT;
    replica_error error = { .offset = -1 };
    int r;

    replica__buf_printf(&text, "{\"collection\":\"%s/%d\",\"of\":\"%s\",\"after\":", coll->name,
                        coll->version, v->pass == TEXTS ? "texts" : "numbers");
    add_text(v->after, &text);
    if (upto) {
        replica__buf_str(&text, ",\"to\":");
        add_text(v->digests.chunks[v->chunk].to, &text);
    }
    if (s->keys && s->features & REPLICA_REMOTE_KEYS) {
        replica__buf_str(&text, ",\"keys\":");
        add_text(s->keys, &text);
    }
    if (s->filter && s->features & REPLICA_REMOTE_FILTER) {
        replica__buf_str(&text, ",\"filter\":");
        replica__buf_str(&text, s->filter);
    }
    replica__buf_char(&text, '}');
    r = text.r < 0 ? replica__enomem(&error) : 0;
    if (r >= 0) {
        r = replica__session_ask(s, &s->range, asker, text.data, text.len);
        if (r < 0)
            replica__error_set(&error, r, 0, "the remote could not start a request");
    }
    if (r < 0)
        fail(s, &error, 0);
}

/* A server that has started anew is another one: that is found out first. */
static bool is_another(struct replica__session *s, const char *head)
{
    char incarnation[65];

    replica__checkpoint_incarnation(head, incarnation, sizeof incarnation);
    if (!replica__identity_is_new(s, incarnation))
        return false;
    s->feeds[s->feed].wanted = true;
    replica__pull_side_stop(s);
    replica__session_move(s, IDLE);
    return true;
}

static void digests_came(struct replica__session *s, const char *json, size_t len)
{
    struct verify *v = s->verify;
    replica_error error = { .offset = -1 };
    struct replica__range_answer answer;
    int r = replica__range_read_digests(json, len, v->after, &answer, &error);

    if (r < 0) {
        fail(s, &error, 0);
        return;
    }
    forget_chunks(v);
    v->digests = answer;
    if (!is_another(s, answer.head))
        replica__session_succeeded(s);
}

static void ids_came(struct replica__session *s, const char *json, size_t len)
{
    struct verify *v = s->verify;
    replica_error error = { .offset = -1 };
    struct replica__range_answer answer;
    int r = replica__range_read_ids(json, len, v->after, v->digests.chunks[v->chunk].to, &answer,
                                    &error);

    if (r < 0) {
        fail(s, &error, 0);
        return;
    }
    replica__range_answer_free(&v->ids);
    v->ids = answer;
    v->item = 0;
    v->listed = true;
    is_another(s, answer.head);
}

static const struct asker digests = { "digests", digests_came, fail };
static const struct asker ids = { "ids", ids_came, fail };

void replica__verify_side_request(struct replica__session *s, replica_pull_request *request)
{
    const struct verify *v = s->verify;

    request->collections = named(s);
    request->count = 1;
    request->checkpoint = NULL;
    request->ids = (const char *const *)&v->asked[v->asked_from];
    request->id_count = v->asked_count - v->asked_from;
    request->fresh = 0;
}

/* ---- going on ---------------------------------------------------------------------- */

static void next_pass(struct verify *v)
{
    forget_chunks(v);
    if (++v->pass < PASSES)
        return;
    v->pass = ODD;
    v->coll++;
}

/* All up to this key is compared in this pass (NULL: to the end). */
static int move_to(struct verify *v, const char *key, replica_error *err)
{
    char *copy = replica__strdup(key);

    if (key && !copy)
        return replica__enomem(err);
    replica__free(v->after);
    v->after = copy;
    if (!key)
        next_pass(v);
    return 0;
}

static int end_chunk(struct verify *v, replica_error *err)
{
    const char *to = v->digests.chunks[v->chunk].to;

    v->listed = false;
    replica__range_answer_free(&v->ids);
    if (v->pass == TEXTS)
        v->result.compared += v->digests.chunks[v->chunk].count;
    v->chunk++;
    return move_to(v, to, err);
}

static int end_part(struct verify *v, const char *to, replica_error *err)
{
    const char *end_of_chunk;
    int r;

    if (v->pass == ODD)
        return move_to(v, to, err);
    end_of_chunk = v->digests.chunks[v->chunk].to;
    if (!to || (end_of_chunk && strcmp(to, end_of_chunk) == 0))
        return end_chunk(v, err);
    r = move_to(v, to, err);
    if (r >= 0 && v->ids.to && strcmp(v->after, v->ids.to) == 0) { /* the rest is to be listed */
        v->listed = false;
        replica__range_answer_free(&v->ids);
    }
    return r;
}

/* ---- comparing --------------------------------------------------------------------- */

struct part {
    struct replica__known known[BATCH];
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

static int add_asked(struct verify *v, const char *id, replica_error *err)
{
    v->asked[v->asked_count] = replica__strdup(id);
    if (!v->asked[v->asked_count])
        return replica__enomem(err);
    v->asked_count++;
    return 1;
}

static bool is_equal(const struct verify *v, const struct replica__item *item,
                     const struct replica__known *known)
{
    return v->pass == TEXTS ? strcmp(item->hex, known->hex) == 0
                            : item->sequence == known->sequence;
}

/* The next key of either side.  1; 0: there is none in this part. */
static int compare_next(struct verify *v, struct part *p, replica_error *err)
{
    const struct replica__item *item = v->item < v->ids.n ? &v->ids.items[v->item] : NULL;
    const struct replica__known *known = p->next < p->n ? &p->known[p->next] : NULL;
    int order;

    if (item && !is_within(item->id, p->to))
        item = NULL;
    if (!item && !known)
        return 0;
    order = !known ? -1 : !item ? 1 : strcmp(item->id, known->id);
    p->key = order <= 0 ? item->id : known->id;
    v->item += order <= 0;
    p->next += order >= 0;
    if (order == 0 && is_equal(v, item, known))
        return 1;
    return add_asked(v, p->key, err);
}

static int set_to(struct verify *v, const char *to, replica_error *err)
{
    v->to = replica__strdup(to);
    return to && !v->to ? replica__enomem(err) : 0;
}

static int compare_part(struct replica__session *s, replica_collection *coll, replica_error *err)
{
    struct verify *v = s->verify;
    const struct replica__key_range range = { .coll = coll, .after = v->after, .to = v->ids.to,
                                              .texts = v->pass == TEXTS };
    __attribute__((cleanup(part_free))) struct part *p = replica__alloc_zero(1, sizeof *p);
    const char *to;
    int r;

    if (!p)
        return replica__enomem(err);
    r = replica__known_list(s->repl, &range, p->known, BATCH, err);
    if (r < 0)
        return r;
    p->n = (size_t)r;
    p->to = p->n == BATCH ? p->known[BATCH - 1].id : v->ids.to;
    while (v->asked_count < BATCH && (r = compare_next(v, p, err)) > 0)
        continue;
    if (r < 0)
        return r;
    to = v->asked_count == BATCH ? p->key : p->to;
    return v->asked_count == 0 ? end_part(v, to, err) : set_to(v, to, err);
}

static int compare_chunk(struct replica__session *s, replica_collection *coll, replica_error *err)
{
    struct verify *v = s->verify;
    const struct replica__chunk *chunk = &v->digests.chunks[v->chunk];
    const struct replica__key_range range = { .coll = coll, .after = v->after, .to = chunk->to,
                                              .texts = v->pass == TEXTS };
    int r = replica__known_differs(s->repl, &range, chunk->count, chunk->hex, strlen(chunk->hex),
                                   err);

    if (r == 0)
        return end_chunk(v, err);
    if (r > 0)
        ask(s, &ids, true);
    return r < 0 ? r : 0;
}

static int find_odd(struct replica__session *s, replica_collection *coll, replica_error *err)
{
    struct verify *v = s->verify;
    int r = replica__verify_odd(s->repl, v->feed, coll, v->after, v->asked, BATCH, err);

    if (r < 0)
        return r;
    v->asked_count = (size_t)r;
    if (r == 0)
        return end_part(v, NULL, err);
    return set_to(v, r == BATCH ? v->asked[BATCH - 1] : NULL, err);
}

/* ---- the documents ----------------------------------------------------------------- */

void replica__verify_side_page(struct replica__session *s, const replica_remote_page *page)
{
    struct verify *v = s->verify;
    replica_error error = { .offset = -1 };
    int r;

    if (replica__identity_is_new(s, page->incarnation)) {
        s->feeds[s->feed].wanted = true;
        replica__pull_side_stop(s);
        replica__session_move(s, IDLE);
        return;
    }
    r = replica__arrived_copy(s, v->feed, page, &v->page, &error);
    if (r >= 0 && (v->page.n == 0 || v->page.n > v->asked_count - v->asked_from))
        r = replica__error_set(&error, REPLICA_EHTTP, 200,
                               "%zu documents for %zu that were asked for", v->page.n,
                               v->asked_count - v->asked_from);
    if (r < 0) {
        fail(s, &error, 0);
        return;
    }
    v->has_page = true;
}

static int judge_page(struct replica__session *s, replica_error *err)
{
    struct verify *v = s->verify;
    const struct replica__verify_how how = {
        .incarnation = v->page.incarnation,
        .position = replica__checkpoint_number(replica__feed_checkpoint(s->repl, v->feed)),
        .repair = v->ask.repair,
    };
    int r = 0;

    for (size_t i = 0; r >= 0 && i < v->page.n; i++) {
        int kind = REPLICA__VERIFY_SAME;

        r = replica__verify(s->repl, v->feed, &v->page.docs[i], &how, &kind, err);
        if (r >= 0)
            r = tell(v, &v->page.docs[i], v->asked[v->asked_from + i], kind, err);
    }
    v->asked_from += v->page.n;
    v->has_page = false;
    replica__arrived_free(&v->page);
    if (r < 0 || v->asked_from < v->asked_count)
        return r;
    r = end_part(v, v->to, err);
    forget_asked(v);
    return r;
}

/* ---- its beginning and end --------------------------------------------------------- */

static void leave(struct replica__session *s, const replica_error *error)
{
    end(s, error);
    replica__session_want_all(s); /* what came meanwhile */
    s->dirty = s->unsettled = true;
    replica__session_move(s, IDLE);
}

static int finish(struct replica__session *s, replica_error *err)
{
    const struct verify *v = s->verify;
    int r = v->ask.repair ? replica__verify_tidy(s->repl, err) : 0;

    if (r != 0) /* there is more of it */
        return r < 0 ? r : 0;
    replica__session_log(s, REPLICA_LOG_INFO,
                         "verified %lld documents: %lld different, %lld missing here, %lld missing "
                         "there, %lld with a wrong state",
                         (long long)v->result.compared, (long long)v->result.different,
                         (long long)v->result.missing_here, (long long)v->result.missing_there,
                         (long long)v->result.state);
    leave(s, NULL);
    return 0;
}

static bool is_wanted(const struct verify *v, replica_collection *coll)
{
    return !v->ask.collection || strcmp(v->ask.collection, replica_collection_name(coll)) == 0;
}

static int step(struct replica__session *s, replica_error *err)
{
    struct verify *v = s->verify;
    replica_collection *coll = collection_of(s);

    if (v->has_page)
        return judge_page(s, err);
    if (v->asked_count > v->asked_from) {
        replica__session_begin_call(s, &s->pull, CALL_PULL, v->feed);
        return 0;
    }
    if (!coll && v->feed + 1 == s->feed_count)
        return finish(s, err);
    if (!coll) {
        s->feed = ++v->feed;
        v->coll = 0;
        return 0;
    }
    if (!is_wanted(v, coll)) {
        v->coll++;
        return 0;
    }
    if (v->pass == ODD)
        return find_odd(s, coll, err);
    if (v->listed)
        return compare_part(s, coll, err);
    if (v->chunk < v->digests.n)
        return compare_chunk(s, coll, err);
    ask(s, &digests, false);
    return 0;
}

bool replica__verify_side_runs(const struct replica__session *s)
{
    return s->verify && s->verify->runs;
}

bool replica__verify_side_has_work(const struct replica__session *s)
{
    return replica__verify_side_runs(s) && s->state == PULLING && !s->range.open &&
           !s->pull.open && s->verify->ask.room(s->verify->ask.ctx) != 0;
}

void replica__verify_side_step(struct replica__session *s)
{
    replica_error error = { .offset = -1 };

    replica__session_watch_ask(s, &s->range);
    if (!replica__verify_side_has_work(s))
        return;
    if (s->verify->ask.room(s->verify->ask.ctx) < 0) {
        replica__error_set(&error, REPLICA_ECANCELLED, 0, "nobody waits for it");
        leave(s, &error);
        return;
    }
    if (step(s, &error) >= 0)
        return;
    if (s->verify && s->verify->found.n > REPLICA__FOUND_MOST)
        leave(s, &error);
    else
        fail(s, &error, 0);
}

bool replica__verify_side_begin(struct replica__session *s)
{
    struct verify *v = s->verify;
    replica_error error = { .offset = -1 };

    if (!v || s->state != IDLE)
        return false;
    if (!(s->features & REPLICA_REMOTE_RANGES) || !s->remote.ask) {
        replica__error_set(&error, REPLICA_ENOTSUP, 0, "the server cannot compare ranges");
        end(s, &error);
        return true;
    }
    if (!v->pulled) { /* the checkpoint is to be that of all that is known */
        v->pulled = true;
        replica__session_want_all(s);
        return true;
    }
    if (v->feed >= s->feed_count) /* of another mode: from the beginning */
        v->feed = v->coll = 0;
    v->runs = true;
    s->feed = v->feed;
    s->status.in_sync = 0;
    for (size_t i = 0; i < s->feed_count; i++) { /* nothing is applied between question and answer */
        s->feeds[i].at_head = false;
        replica__stream_side_again(s, i);
    }
    replica__session_touch(s);
    replica__session_move(s, PULLING);
    return true;
}
