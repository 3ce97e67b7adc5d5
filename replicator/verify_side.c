/* Verification: all that is here and all that the server has, compared by texts and then by
 * numbers.
 *
 * It runs like a reconciliation (reconcile_side.c), when nothing is to be pulled or pushed, and
 * nothing else is meanwhile.  What the digests tell apart is asked for document by document, and
 * judged by the store (replica__verify()).  After a failure it goes on where it was. */
#include "replicator/session_state.h"
#include "replicator/verify_found.h"
#include "replicator/verify_walk.h"

#include <stdio.h>

struct verify {
    struct replica__verify_ask ask;
    bool pulled, runs;
    struct replica__verify_walk walk;
    struct arrived page;
    bool has_page;
    struct replica__found found; /* the documents that were told */
    replica_verify_result result;
};

/* ---- its life ----------------------------------------------------------------------- */

void replica__verify_side_stop(struct replica__session *s)
{
    struct verify *v = s->verify;

    if (!v || !v->runs)
        return;
    replica__session_cancel_call(s, &s->range);
    replica__verify_walk_stop(&v->walk);
    replica__arrived_free(&v->page);
    v->has_page = false;
    v->runs = false;
}

static void end(struct replica__session *s, const replica_error *error)
{
    struct verify *v = s->verify;

    replica__verify_side_stop(s);
    s->verify = NULL;
    v->result.compared = v->walk.compared;
    v->ask.ended(v->ask.ctx, &v->result, error);
    replica__verify_walk_free(&v->walk);
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
    r = replica__found_add(&v->found, v->walk.feed * 64 + v->walk.coll, id, err);
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
    struct replica__verify_walk *w = &s->verify->walk;
    replica_collection *const *colls;
    size_t n = replica__feed_collections(s->repl, w->feed, &colls);

    return w->coll < n ? colls[w->coll] : NULL;
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
    struct replica__verify_walk *w = &s->verify->walk;
    replica_error error = { .offset = -1 };
    struct replica__range_answer answer;

    if (replica__range_read_digests(json, len, w->after, &answer, &error) < 0) {
        fail(s, &error, 0);
        return;
    }
    replica__ranges_take_digests(&w->ranges, &answer);
    if (!is_another(s, w->ranges.digests.head))
        replica__session_succeeded(s);
}

static void ids_came(struct replica__session *s, const char *json, size_t len)
{
    struct replica__verify_walk *w = &s->verify->walk;
    replica_error error = { .offset = -1 };
    struct replica__range_answer answer;

    if (replica__range_read_ids(json, len, w->after, w->ranges.digests.chunks[w->ranges.chunk].to,
                                &answer, &error) < 0) {
        fail(s, &error, 0);
        return;
    }
    replica__ranges_take_ids(&w->ranges, &answer);
    is_another(s, w->ranges.ids.head);
}

static int ask(struct replica__session *s, int what, replica_error *err)
{
    static const struct asker digests = { "digests", digests_came, fail };
    static const struct asker ids = { "ids", ids_came, fail };
    const struct replica__verify_walk *w = &s->verify->walk;
    const struct replica__range_question question = { .feed = w->feed,
                                                      .collection = w->coll,
                                                      .texts = w->pass == REPLICA__PASS_TEXTS,
                                                      .after = w->after };

    if (what == REPLICA__RANGES_ASK_IDS)
        return replica__range_ask(s, &ids, &question, &w->ranges, err);
    return replica__range_ask(s, &digests, &question, NULL, err);
}

void replica__verify_side_request(struct replica__session *s, replica_pull_request *request)
{
    const struct replica__verify_walk *w = &s->verify->walk;

    replica__range_request(s, w->feed, w->coll, &w->ranges, request);
}

/* ---- the documents ----------------------------------------------------------------- */

void replica__verify_side_page(struct replica__session *s, const replica_remote_page *page)
{
    struct verify *v = s->verify;
    struct replica__verify_walk *w = &v->walk;
    replica_error error = { .offset = -1 };
    int r;

    if (replica__identity_is_new(s, page->incarnation)) {
        s->feeds[s->feed].wanted = true;
        replica__pull_side_stop(s);
        replica__session_move(s, IDLE);
        return;
    }
    r = replica__range_page(s, w->feed, collection_of(s), &w->ranges, page, &v->page, &error);
    v->has_page = r >= 0;
    if (r < 0)
        fail(s, &error, 0);
}

static int judge_page(struct replica__session *s, replica_error *err)
{
    struct verify *v = s->verify;
    struct replica__verify_walk *w = &v->walk;
    const struct replica__verify_how how = {
        .incarnation = v->page.incarnation,
        .position = replica__checkpoint_number(replica__feed_checkpoint(s->repl, w->feed)),
        .repair = v->ask.repair,
    };
    int r = 0;

    for (size_t i = 0; r >= 0 && i < v->page.n; i++) {
        int kind = REPLICA__VERIFY_SAME;

        r = replica__verify(s->repl, w->feed, &v->page.docs[i], &how, &kind, err);
        if (r >= 0)
            r = tell(v, &v->page.docs[i], w->ranges.asked[w->ranges.asked_from + i], kind, err);
    }
    w->ranges.asked_from += v->page.n;
    v->has_page = false;
    replica__arrived_free(&v->page);
    if (r < 0 || w->ranges.asked_from < w->ranges.asked_count)
        return r;
    return replica__verify_walk_judged(w, err);
}

/* ---- its beginning and end --------------------------------------------------------- */

static void leave(struct replica__session *s, const replica_error *error)
{
    end(s, error);
    replica__session_want_all(s); /* what came meanwhile */
    s->dirty = s->unsettled = s->look_at_words = true;
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
                         (long long)v->walk.compared, (long long)v->result.different,
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
    struct replica__verify_walk *w = &v->walk;
    replica_collection *coll = collection_of(s);
    int r;

    if (v->has_page)
        return judge_page(s, err);
    if (!coll && w->feed + 1 == s->feed_count)
        return finish(s, err);
    if (!coll) {
        s->feed = ++w->feed;
        w->coll = 0;
        return 0;
    }
    if (!is_wanted(v, coll)) {
        w->coll++;
        return 0;
    }
    r = replica__verify_walk_next(w, s->repl, coll, err);
    if (r == REPLICA__RANGES_ASK_DIGESTS || r == REPLICA__RANGES_ASK_IDS)
        return ask(s, r, err);
    if (r == REPLICA__RANGES_ASK_DOCUMENTS)
        replica__session_begin_call(s, &s->pull, CALL_PULL, w->feed);
    return r;
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
    if (v->walk.feed >= s->feed_count) /* of another mode: from the beginning */
        v->walk.feed = v->walk.coll = 0;
    v->runs = true;
    s->feed = v->walk.feed;
    s->status.in_sync = 0;
    for (size_t i = 0; i < s->feed_count; i++) { /* nothing comes between question and answer */
        s->feeds[i].at_head = false;
        replica__stream_side_again(s, i);
    }
    replica__session_touch(s);
    replica__session_move(s, PULLING);
    return true;
}
