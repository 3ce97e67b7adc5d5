/* Pulling: iteration until the head as of the request.
 *
 * When a page comes, the next one is asked for before this one is applied, so that both sides work;
 * two pages are in memory at most. */
#include "replicator/session_state.h"

#include <stdio.h>

#define MIN_ROWS 1
/* Pages in a row that move on and bring nothing: a filter may leave out a long part of a feed, and
 * a server that lies may go on like that for ever.  Empty ones count more.  Beyond it there is a
 * pause, and each further one is longer until a document comes. */
#define BARREN_MOST 2048
#define BARREN_EMPTY 32

/* ---- copying a page --------------------------------------------------------------- */

static replica_collection *collection_of(struct replica__session *s, size_t feed, const char *name)
{
    replica_collection *const *colls;
    size_t n = replica__feed_collections(s->repl, feed, &colls);

    for (size_t i = 0; i < n; i++) {
        if (name ? strcmp(replica_collection_name(colls[i]), name) == 0 : n == 1)
            return colls[i];
    }
    return NULL;
}

/* Scan the copy: what is no document is noted as a problem of this document alone. */
static void scan(struct replica__session *s, struct replica__pulled *doc, const char *json,
                 size_t len, struct replica__arena *arena)
{
    struct replica__json_limits limits;
    replica_error why = { .offset = -1 };
    size_t max_key, pos = 0;

    replica__db_limits(s->db, &limits, &max_key);
    doc->problem = replica__json_scan(json, len, &pos, replica_collection_key(doc->coll), &limits,
                                      &doc->doc, &why);
    if (doc->problem < 0) {
        doc->doc.text = (struct replica__slice){ json, len };
        doc->reason = replica__arena_text(arena, why.message);
    }
}

int replica__arrived_doc(struct replica__session *s, size_t feed, const replica_remote_doc *from,
             struct replica__arena *arena, struct replica__pulled *ret, replica_error *err)
{
    struct replica__pulled doc = {
        .coll = collection_of(s, feed, from->collection),
        .deleted = from->deleted != 0,
        .sequence = from->sequence,
        .stamp = from->stamp,
        .writer = replica__arena_text(arena, from->writer),
        .bundle = replica__arena_text(arena, from->bundle),
        .gone = (int)from->gone,
    };
    const char *json = replica__arena_copy(arena, from->json, from->len);

    if (!doc.coll)
        return replica__error_set(err, REPLICA_EHTTP, 0,
                                  "a document of collection '%.60s', which was not asked for",
                                  from->collection ? from->collection : "");
    if (!json)
        return replica__enomem(err);
    doc.older = (int)from->older + replica_collection_version(doc.coll) -
                (int)replica__endpoint_at(s->repl, doc.coll);
    scan(s, &doc, json, from->len, arena);
    *ret = doc;
    return 0;
}

int replica__arrived_copy(struct replica__session *s, size_t feed, const replica_remote_page *from,
              struct arrived *ret, replica_error *err)
{
    struct arrived page = { .n = from->count,
                            .head = from->head,
                            .remaining = from->remaining,
                            .at_head = from->at_head != 0 };
    int r = 0;

    page.arena = replica__arena_new(64 * 1024);
    page.docs = replica__alloc_zero(from->count, sizeof *page.docs);
    if (!page.arena || !page.docs)
        r = replica__enomem(err);
    for (size_t i = 0; r >= 0 && i < from->count; i++)
        r = replica__arrived_doc(s, feed, &from->docs[i], page.arena, &page.docs[i], err);
    if (r >= 0) {
        page.checkpoint = replica__arena_text(page.arena, from->checkpoint);
        page.follows = replica__arena_text(page.arena, from->follows);
        page.incarnation = replica__arena_text(page.arena, from->incarnation);
        if (page.arena->failed)
            r = replica__enomem(err);
    }
    if (r < 0) {
        replica__arrived_free(&page);
        return r;
    }
    replica__db_server_time(s->db, from->now_ms);
    *ret = page;
    return 0;
}

void replica__arrived_free(struct arrived *page)
{
    for (size_t i = 0; page->docs && i < page->n; i++)
        replica__free(page->docs[i].id);
    replica__free(page->docs);
    replica__arena_free(page->arena);
    *page = (struct arrived){ 0 };
}

/* ---- applying --------------------------------------------------------------------- */

void replica__arrived_tell(struct replica__session *s, const struct arrived *page)
{
    for (size_t i = 0; i < page->n; i++) {
        const struct replica__pulled *doc = &page->docs[i];
        replica_sync_event event = { .collection = replica_collection_name(doc->coll),
                                     .id = doc->id ? doc->id : "" };

        s->look_at_words |= doc->gone != 0;
        if (doc->outcome == REPLICA__PULLED_WRITTEN) {
            s->status.pulled++;
            event.kind = REPLICA_EVENT_RECEIVED;
        } else if (doc->outcome == REPLICA__PULLED_ASIDE) {
            event.kind = REPLICA_EVENT_REJECTED;
            event.code = doc->problem;
            event.reason = doc->reason;
        } else {
            if (doc->outcome == REPLICA__PULLED_UNSETTLED) {
                s->unsettled = true;
                s->status.in_sync = 0; /* it may have been held, and come free by this */
            }
            continue;
        }
        replica__session_tell(s, &event);
    }
    replica__session_touch(s);
}

int replica__arrived_apply(struct replica__session *s, size_t feed, struct arrived *page,
               const char *checkpoint, replica_error *err)
{
    int r = replica__pull_apply(s->repl, feed, page->docs, page->n, page->incarnation, checkpoint,
                                err);

    if (r < 0)
        return r;
    replica__session_count(s, (int64_t)page->n, 0);
    replica__arrived_tell(s, page);
    return r;
}

/* ---- iterating -------------------------------------------------------------------- */

static bool ask(struct replica__session *s, const char *checkpoint)
{
    char *copy = replica__strdup(checkpoint);
    replica_error error = { .offset = -1 };

    if (checkpoint && !copy) {
        replica__enomem(&error);
        replica__session_failed(s, &error, 0);
        return false;
    }
    replica__free(s->asked_from);
    s->asked_from = copy;
    return replica__session_begin_call(s, &s->pull, CALL_PULL, s->feed);
}

/* Who has nothing has no use for what is deleted.  false: the session has failed. */
static bool look_fresh(struct replica__session *s)
{
    struct feed *feed = &s->feeds[s->feed];
    replica_error error = { .offset = -1 };
    int r = 0;

    if (s->features & REPLICA_REMOTE_RANGES && !replica__feed_checkpoint(s->repl, s->feed))
        r = replica__feed_is_empty(s->repl, s->feed, &error);
    feed->fresh = r > 0;
    if (r < 0) {
        feed->wanted = true;
        replica__session_failed(s, &error, 0);
    }
    return r >= 0;
}

/* Up to the head as of its first page; behind that there is nothing that is not wanted. */
static void note_fresh(struct replica__session *s, const replica_remote_page *page)
{
    struct feed *feed = &s->feeds[s->feed];

    if (feed->fresh && page->head > 0)
        replica__feed_set_fresh(s->repl, s->feed, page->head);
    feed->fresh = false;
}

void replica__pull_side_begin(struct replica__session *s, size_t feed)
{
    replica_error error = { .offset = -1 };

    s->feed = feed;
    s->feeds[feed].wanted = false;
    s->last_page = false;
    s->pages = 0;
    replica__free(s->met);
    s->met = NULL;
    replica__session_move(s, PULLING);
    if (s->feeds[feed].from_start) {
        if (replica__feed_reset(s->repl, feed, &error) < 0) {
            s->feeds[feed].wanted = true;
            replica__session_failed(s, &error, 0);
            return;
        }
        s->feeds[feed].from_start = false;
        replica__note_side_unsynced(s);
    }
    if (!replica__reconcile_side_begin(s, feed) && look_fresh(s))
        ask(s, replica__feed_checkpoint(s->repl, feed));
}

/* Pages grow again after they had to shrink. */
static void grow(struct replica__session *s)
{
    if (s->pull_rows < s->o.rows)
        s->pull_rows = s->pull_rows * 2 < s->o.rows ? s->pull_rows * 2 : s->o.rows;
}

bool replica__pull_side_confirm(struct replica__session *s, size_t feed)
{
    replica_error error = { .offset = -1 };
    int r = replica__feed_confirm(s->repl, feed, &error);

    s->dirty |= r > 0;
    if (r >= 0 && s->feeds[feed].half) {
        r = replica__feed_whole(s->repl, feed, &error);
        s->unsettled = true;
        s->feeds[feed].half = r < 0;
    }
    if (r >= 0)
        return true;
    s->feeds[feed].wanted = true;
    replica__session_failed(s, &error, 0);
    return false;
}

static void reached_head(struct replica__session *s)
{
    struct feed *feed = &s->feeds[s->feed];

    if (!replica__pull_side_confirm(s, s->feed))
        return;
    feed->at_head = true;
    feed->remaining = 0;
    feed->news_at = 0;
    feed->idle_pulls += feed->idle_pulls < 1000;
    feed->pulled_at = replica__session_clock(s);
    s->poll_at = 0;
    replica__session_move(s, IDLE);
}

static void count_remaining(struct replica__session *s)
{
    int64_t total = 0;

    for (size_t i = 0; i < s->feed_count; i++)
        total = s->feeds[i].remaining < 0 || total < 0 ? -1 : total + s->feeds[i].remaining;
    s->status.pull_remaining = total;
    replica__session_touch(s);
}

/* The page was applied: did it bring anything?  REPLICA_EHTTP: none has for too long. */
static int judge_barren(struct replica__session *s, const struct arrived *page, replica_error *err)
{
    bool news = false;

    for (size_t i = 0; i < page->n && !news; i++)
        news = page->docs[i].outcome != REPLICA__PULLED_SAME;
    if (news)
        s->feeds[s->feed].idle_pulls = 0;
    s->barren = news || s->last_page ? 0 : s->barren + (page->n > 0 ? 1 : BARREN_EMPTY);
    if (s->barren <= BARREN_MOST)
        return 0;
    s->barren = BARREN_MOST / 2; /* until one brings something this is no success */
    return replica__error_set(err, REPLICA_EHTTP, 200,
                              "pages that bring nothing, and no end of them");
}

/* Apply the page that came.  false: the session has failed. */
static bool apply_arrived(struct replica__session *s)
{
    replica_error error = { .offset = -1 };
    struct arrived page = s->page;
    int r;

    s->page = (struct arrived){ 0 };
    s->has_page = false;
    if (s->last_page)
        replica__feed_set_fresh(s->repl, s->feed, 0);
    r = replica__arrived_apply(s, s->feed, &page, page.checkpoint, &error);
    if (r >= 0) {
        s->feeds[s->feed].remaining = s->last_page ? 0 : page.remaining;
        if (page.head && s->last_page) /* before that, not all up to there is known */
            s->status.head = page.head;
        r = judge_barren(s, &page, &error);
    }
    replica__arrived_free(&page);
    if (r < 0) {
        s->feeds[s->feed].wanted = true;
        replica__session_failed(s, &error, 0);
        return false;
    }
    grow(s);
    count_remaining(s);
    return true;
}

static bool same_text(const char *a, const char *b)
{
    return (!a && !b) || (a && b && strcmp(a, b) == 0);
}

/* A server may have any number of pages, but not the same ones again and again: each checkpoint is
 * compared with one that is kept, which moves on at each power of two. */
static int watch_circle(struct replica__session *s, const struct arrived *page,
                        replica_error *err)
{
    if (same_text(s->met, page->checkpoint))
        return replica__error_set(err, REPLICA_EHTTP, 200,
                                  "pages whose checkpoints go round in a circle");
    s->pages++;
    if (s->pages & (s->pages - 1))
        return 0;
    replica__free(s->met);
    s->met = replica__strdup(page->checkpoint);
    return s->met ? 0 : replica__enomem(err);
}

/* Does the page end the iteration?  A short page proves nothing; one that is empty and stays where
 * it was does.  A page with documents that does not move would come for ever. */
static int judge_page(struct replica__session *s, const struct arrived *page, replica_error *err)
{
    bool moved = page->checkpoint && !same_text(page->checkpoint, s->asked_from);

    if (page->at_head)
        return 1;
    if (page->n == 0 && !moved)
        return 1;
    if (!moved)
        return replica__error_set(err, REPLICA_EHTTP, 200,
                                  "a page of %zu documents whose checkpoint does not move",
                                  page->n);
    return watch_circle(s, page, err);
}

void replica__pull_side_answer(struct replica__session *s, const replica_remote_page *page)
{
    replica_error error = { .offset = -1 };
    int r;

    if (replica__endpoint_adopt(s->repl, s->feed, &error) < 0) {
        replica__pull_side_failed(s, &error, 0);
        return;
    }
    if (s->probe.active) {
        replica__identity_page(s);
        return;
    }
    if (s->walk) {
        replica__reconcile_side_page(s, page);
        return;
    }
    if (replica__verify_side_runs(s)) {
        replica__verify_side_page(s, page);
        return;
    }
    if (replica__identity_is_new(s, page->incarnation)) {
        replica__identity_begin(s, page->incarnation, false);
        return;
    }
    if (s->has_page && !apply_arrived(s)) /* two answers in one turn: the first page comes first */
        return;
    r = replica__arrived_copy(s, s->feed, page, &s->page, &error);
    if (r >= 0) {
        s->has_page = true;
        r = judge_page(s, &s->page, &error);
    }
    if (r < 0) {
        replica__pull_side_failed(s, &error, 0);
        return;
    }
    if (r > 0 || s->barren == 0)
        replica__session_succeeded(s);
    note_fresh(s, page);
    s->feeds[s->feed].walks = 0;
    if (s->page.incarnation)
        snprintf(s->incarnation, sizeof s->incarnation, "%s", s->page.incarnation);
    s->last_page = r > 0;
    if (!s->last_page)
        ask(s, s->page.checkpoint);
}

void replica__pull_side_step(struct replica__session *s)
{
    if (s->walk) {
        replica__reconcile_side_step(s);
        return;
    }
    if (replica__verify_side_runs(s)) {
        replica__verify_side_step(s);
        return;
    }
    if (s->has_page && apply_arrived(s) && !s->pull.open)
        reached_head(s);
}

void replica__pull_side_failed(struct replica__session *s, const replica_error *error,
                               int64_t retry_ms)
{
    s->feeds[s->feed].wanted = true;
    s->feeds[s->feed].at_head = false;
    if (error->code == REPLICA_ELIMIT && s->pull_rows > MIN_ROWS) {
        s->pull_rows /= 2; /* the server, or our own ceiling, found the page too large */
        replica__session_log(s, REPLICA_LOG_INFO, "a page was too large: halved to %zu rows",
                             s->pull_rows);
        replica__pull_side_stop(s);
        replica__session_move(s, IDLE);
        return;
    }
    replica__session_failed(s, error, retry_ms);
}

void replica__pull_side_stop(struct replica__session *s)
{
    replica__session_cancel_call(s, &s->pull);
    replica__reconcile_side_stop(s);
    replica__verify_side_stop(s);
    replica__identity_stop(s);
    replica__arrived_free(&s->page);
    s->has_page = false;
    if (s->state == PULLING)
        s->feeds[s->feed].wanted = true;
    replica__free(s->asked_from);
    s->asked_from = NULL;
}
