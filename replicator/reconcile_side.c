/* Reconciliation: what the server has and what is here are compared by ranges of keys, where the
 * feed alone cannot tell: deletions were purged, or other documents may be seen or wanted now.
 *
 * The walk goes through the feed's collections in the order of keys.  Digests of the server's
 * ranges are compared with those of what is known here; where they differ the server lists its keys
 * and numbers, and is asked for each document that is there and not known here as it is, or known
 * here and not there.  What it answers is applied as a pulled page is, together with the progress;
 * so the walk goes on where it was, whatever happens.  The server's head was noted before: what
 * changes meanwhile comes with the feed, which goes on from there.
 *
 * Nothing else of the session is pulled, pushed or streamed until it is over. */
#include "replicator/session_state.h"

#include <stdio.h>

/* After a walk that led to the next one: not before. */
#define AGAIN_MS 2000
#define AGAIN_MOST 7
/* Documents that are asked for at once. */
#define ASKED_MOST 1000

struct walk {
    size_t feed;
    struct replica__reconcile at; /* compared so far; the file may be a little behind */
    bool noted;                   /* it is not */
    struct replica__ranges ranges;
    struct arrived page;          /* documents that were asked for */
    bool has_page;
};

/* The second pass of a walk after other rules: a document may be shown with other fields under the
 * number that it had. */
#define TEXTS "texts"

static bool is_of_texts(const struct walk *w)
{
    return strcmp(w->at.why, TEXTS) == 0;
}

/* ---- its memory -------------------------------------------------------------------- */

void replica__reconcile_side_stop(struct replica__session *s)
{
    struct walk *w = s->walk;

    if (!w)
        return;
    replica__session_cancel_call(s, &s->range);
    replica__reconcile_free(&w->at);
    replica__ranges_free(&w->ranges);
    replica__arrived_free(&w->page);
    replica__free(w);
    s->walk = NULL;
}

static void fail(struct replica__session *s, const replica_error *error, int64_t retry_ms)
{
    s->feeds[s->feed].wanted = true;
    if (error->code == REPLICA_ELIMIT && s->pull_rows > 1) {
        s->pull_rows /= 2;
        replica__pull_side_stop(s);
        replica__session_move(s, IDLE);
        return;
    }
    replica__session_failed(s, error, retry_ms);
}

/* NULL: all are compared. */
static replica_collection *collection_of(struct replica__session *s)
{
    const struct walk *w = s->walk;
    replica_collection *const *colls;
    size_t n = replica__feed_collections(s->repl, w->feed, &colls);

    return w->at.collection < n ? colls[w->at.collection] : NULL;
}

/* ---- asking ------------------------------------------------------------------------ */

/* The server has started anew.  What was noted may be of what it has lost, and what is absent may
 * be that: the walk begins again when it is known. */
static int begin_anew(struct replica__session *s, const char *incarnation, replica_error *err)
{
    struct replica__reconcile anew = { .why = "" };
    int r;

    memcpy(anew.why, s->walk->at.why, sizeof anew.why);
    replica__reconcile_anew(&anew);
    r = replica__reconcile_put(s->repl, s->walk->feed, &anew, err);
    if (r >= 0)
        replica__identity_begin(s, incarnation, false);
    return r;
}

/* What each answer names. */
static int take_head(struct replica__session *s, const char *head, replica_error *err)
{
    struct walk *w = s->walk;
    char incarnation[65];

    replica__checkpoint_incarnation(head, incarnation, sizeof incarnation);
    if (replica__identity_is_new(s, incarnation))
        return begin_anew(s, incarnation, err);
    if (incarnation[0])
        snprintf(s->incarnation, sizeof s->incarnation, "%s", incarnation);
    if (!w->at.head && !(w->at.head = replica__strdup(head)))
        return replica__enomem(err);
    replica__session_succeeded(s);
    return 0;
}

static void failed(struct replica__session *s, const replica_error *error, int64_t retry_ms)
{
    fail(s, error, retry_ms);
}

static void digests_came(struct replica__session *s, const char *json, size_t len)
{
    struct walk *w = s->walk;
    replica_error error = { .offset = -1 };
    struct replica__range_answer answer;
    int r = replica__range_read_digests(json, len, w->at.after, &answer, &error);

    if (r >= 0) {
        replica__ranges_take_digests(&w->ranges, &answer);
        r = replica__endpoint_adopt(s->repl, w->feed, &error);
    }
    if (r >= 0)
        r = take_head(s, w->ranges.digests.head, &error);
    if (r < 0)
        fail(s, &error, 0);
}

static void ids_came(struct replica__session *s, const char *json, size_t len)
{
    struct walk *w = s->walk;
    replica_error error = { .offset = -1 };
    struct replica__range_answer answer;
    int r = replica__range_read_ids(json, len, w->at.after,
                                    w->ranges.digests.chunks[w->ranges.chunk].to, &answer, &error);

    if (r >= 0) {
        replica__ranges_take_ids(&w->ranges, &answer);
        r = take_head(s, w->ranges.ids.head, &error);
    }
    if (r < 0)
        fail(s, &error, 0);
}

static int ask(struct replica__session *s, int what, replica_error *err)
{
    static const struct asker digests = { "digests", digests_came, failed };
    static const struct asker ids = { "ids", ids_came, failed };
    const struct walk *w = s->walk;
    const struct replica__range_question question = { .feed = w->feed,
                                                      .collection = w->at.collection,
                                                      .texts = is_of_texts(w),
                                                      .heads = true,
                                                      .after = w->at.after };

    if (what == REPLICA__RANGES_ASK_IDS)
        return replica__range_ask(s, &ids, &question, &w->ranges, err);
    return replica__range_ask(s, &digests, &question, NULL, err);
}

void replica__reconcile_side_request(struct replica__session *s, replica_pull_request *request)
{
    replica__range_request(s, s->walk->feed, s->walk->at.collection, &s->walk->ranges, request);
}

/* ---- going on ---------------------------------------------------------------------- */

static int note(struct replica__session *s, replica_error *err)
{
    struct walk *w = s->walk;
    int r = w->noted ? 0 : replica__reconcile_put(s->repl, w->feed, &w->at, err);

    w->noted = r >= 0;
    return r;
}

/* All up to this key is compared (NULL: to the end of the collection). */
static int pass(struct walk *w, const char *key, replica_error *err)
{
    char *copy = replica__strdup(key);

    if (key && !copy)
        return replica__enomem(err);
    replica__free(w->at.after);
    w->at.after = copy;
    w->at.collection += !key;
    w->noted = false;
    replica__ranges_pass(&w->ranges, copy);
    return 0;
}

/* What is no longer replicated goes without a question. */
static int leave(struct replica__session *s, replica_collection *coll, replica_error *err)
{
    struct walk *w = s->walk;
    const replica_remote_doc outside = { .gone = REPLICA_GONE_FILTER };
    const replica_remote_page page = REPLICA_REMOTE_PAGE_INIT;
    struct arrived arrived;
    int r;

    if (w->ranges.left_count == 0)
        return 0;
    r = replica__range_all(s, &(struct replica__range_keys){ w->feed, coll, w->ranges.left,
                                                             w->ranges.left_count },
                           &outside, &page, &arrived, err);
    if (r < 0)
        return r;
    r = replica__reconcile_apply(s->repl, w->feed, arrived.docs, arrived.n, NULL, &w->at, err);
    if (r >= 0) {
        replica__arrived_tell(s, &arrived);
        replica__ranges_forget_left(&w->ranges);
    }
    replica__arrived_free(&arrived);
    return r;
}

/* ---- the documents ----------------------------------------------------------------- */

void replica__reconcile_side_page(struct replica__session *s, const replica_remote_page *page)
{
    struct walk *w = s->walk;
    replica_error error = { .offset = -1 };
    int r;

    if (replica__identity_is_new(s, page->incarnation)) {
        if (begin_anew(s, page->incarnation, &error) < 0)
            fail(s, &error, 0);
        return;
    }
    r = replica__range_page(s, w->feed, collection_of(s), &w->ranges, page, &w->page, &error);
    if (r >= 0)
        w->has_page = true;
    else
        fail(s, &error, 0);
}

static int apply_page(struct replica__session *s, replica_error *err)
{
    struct walk *w = s->walk;
    struct replica__ranges *ranges = &w->ranges;
    struct replica__reconcile next = w->at;
    bool whole = ranges->asked_from + w->page.n == ranges->asked_count;
    int r;

    if (!whole || ranges->to) /* else it moves with the collection */
        next.after = whole ? ranges->to : ranges->asked[ranges->asked_from + w->page.n - 1];
    r = replica__reconcile_apply(s->repl, w->feed, w->page.docs, w->page.n, w->page.incarnation,
                                 &next, err);
    if (r >= 0)
        replica__arrived_tell(s, &w->page);
    w->has_page = false;
    ranges->asked_from += w->page.n;
    replica__arrived_free(&w->page);
    return r >= 0 && whole ? pass(w, ranges->to, err) : r;
}

/* ---- its beginning and end --------------------------------------------------------- */

/* Under other rules a document may have other fields, and the number that it had. */
static int begin_texts(struct replica__session *s, replica_error *err)
{
    struct walk *w = s->walk;

    snprintf(w->at.why, sizeof w->at.why, TEXTS);
    w->at.collection = 0;
    w->noted = false;
    return note(s, err);
}

static int finish(struct replica__session *s, replica_error *err)
{
    struct walk *w = s->walk;
    struct feed *feed = &s->feeds[w->feed];
    int r;

    if (strcmp(w->at.why, "view") == 0)
        return begin_texts(s, err);
    r = note(s, err);
    if (r >= 0)
        r = replica__reconcile_end(s->repl, w->feed, true, err);
    if (r >= 0 && !replica__reconcile_is_of_returned(&w->at))
        r = replica__lost_any(s->repl, err);
    if (r > 0)
        r = replica__reconcile_side_after(s, w->feed, err);
    if (r < 0)
        return r;
    replica__session_log(s, REPLICA_LOG_INFO, "compared with the server: %s", w->at.why);
    replica__reconcile_side_stop(s);
    feed->walks += feed->walks < AGAIN_MOST;
    feed->wanted = true; /* on from the noted head */
    s->dirty = s->unsettled = true;
    replica__session_move(s, IDLE);
    return 0;
}

static int compare(struct replica__session *s, replica_collection *coll, replica_error *err)
{
    struct walk *w = s->walk;
    const struct replica__ranges_known known = {
        .repl = s->repl,
        .range = { .coll = coll, .after = w->at.after, .texts = is_of_texts(w) },
        .most = s->pull_rows < ASKED_MOST ? s->pull_rows : ASKED_MOST,
        .later = true, /* a push was answered meanwhile */
        .drop = true,
    };
    int what = replica__ranges_next(&w->ranges, &known, err);
    int r = what < 0 ? what : leave(s, coll, err);

    if (r < 0)
        return r;
    switch (what) {
    case REPLICA__RANGES_COMPARED:
        return pass(w, w->ranges.to, err);
    case REPLICA__RANGES_ASK_DOCUMENTS:
        replica__session_begin_call(s, &s->pull, CALL_PULL, w->feed);
        return 0;
    case REPLICA__RANGES_ASK_DIGESTS:
        r = note(s, err);
        return r < 0 ? r : ask(s, what, err);
    default:
        return ask(s, what, err);
    }
}

static int step(struct replica__session *s, replica_error *err)
{
    replica_collection *coll = collection_of(s);

    if (s->walk->has_page)
        return apply_page(s, err);
    return coll ? compare(s, coll, err) : finish(s, err);
}

bool replica__reconcile_side_has_work(const struct replica__session *s)
{
    return s->walk && s->state == PULLING && !s->range.open && !s->pull.open;
}

void replica__reconcile_side_step(struct replica__session *s)
{
    replica_error error = { .offset = -1 };

    replica__session_watch_ask(s, &s->range);
    if (replica__reconcile_side_has_work(s) && step(s, &error) < 0)
        fail(s, &error, 0);
}

bool replica__reconcile_side_begin(struct replica__session *s, size_t feed)
{
    struct replica__reconcile at = { .why = "" };
    replica_error error = { .offset = -1 };
    int r = replica__reconcile_find(s, feed, &at, &error);

    if (r == 0)
        return false;
    if (r > 0) {
        s->walk = replica__alloc_zero(1, sizeof *s->walk);
        r = s->walk ? 0 : replica__enomem(&error);
        if (r >= 0 && !at.head) /* a beginning: what could not be applied comes again */
            r = replica__reconcile_put(s->repl, feed, &at, &error);
    }
    if (r < 0) {
        replica__reconcile_free(&at);
        fail(s, &error, 0);
        return true;
    }
    s->walk->feed = feed;
    s->walk->at = at;
    s->feeds[feed].at_head = false;
    s->feeds[feed].remaining = -1;
    s->status.pull_remaining = -1;
    s->status.in_sync = 0;
    replica__session_touch(s);
    replica__stream_side_again(s, feed);
    replica__session_log(s, REPLICA_LOG_INFO, "comparing with the server: %s", at.why);
    return true;
}

/* Walks that lead from one to the next are no use: they are given time. */
void replica__reconcile_begin(struct replica__session *s, size_t feed, const char *why)
{
    struct replica__reconcile at = { .why = "" };
    replica_error error = { .offset = -1 };
    int r;

    snprintf(at.why, sizeof at.why, "%.*s", (int)sizeof at.why - 1, why);
    r = replica__reconcile_put(s->repl, feed, &at, &error);
    if (r >= 0 && s->feeds[feed].walks > 0)
        r = replica__error_set(&error, REPLICA_EHTTP, 409,
                               "the server asks to reconcile again: %s", why);
    if (r < 0) {
        fail(s, &error, s->feeds[feed].walks ? AGAIN_MS << s->feeds[feed].walks : 0);
        return;
    }
    replica__pull_side_stop(s);
    s->feeds[feed].wanted = true;
    replica__session_move(s, IDLE);
}
