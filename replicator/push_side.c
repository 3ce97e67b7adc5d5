/* Pushing: pages of rows, and what becomes of them.
 *
 * A pass begins with what went out before and has no verdict, and goes through the feeds one by
 * one. While a page is out the next one is made; it leaves before the verdicts of the first are
 * written.
 *
 * A server without verdicts by row can only refuse a page: it is halved until the row is found.
 * When three rows in succession are refused alone and none was taken, the refusal is meant for
 * everything: pushing pauses, and nothing is rejected. */
#include "replicator/retry.h"
#include "replicator/session_state.h"

#include <stdio.h>

/* Whatever a server says, a row has its turn again after so long. */
#define MAX_LATER_MS (24 * 3600 * 1000)

static void free_answer(struct answered *a)
{
    replica__free(a->verdicts);
    replica__arena_free(a->arena);
    *a = (struct answered){ 0 };
}

static void drop_suspects(struct replica__session *s)
{
    for (size_t i = 0; i < s->suspect_count; i++)
        replica__push_page_free(&s->suspects[i].page);
    s->suspect_count = 0;
}

static void drop_pages(struct replica__session *s)
{
    replica__session_cancel_call(s, &s->push);
    replica__push_page_free(&s->judged);
    replica__push_page_free(&s->sent);
    replica__push_page_free(&s->ready);
    s->has_ready = false;
    replica__lowering_cancel(s->lowering);
    s->lowering = NULL;
    free_answer(&s->verdicts);
    s->has_verdicts = false;
}

void replica__push_side_stop(struct replica__session *s)
{
    if (s->state == PUSHING)
        s->dirty = true;
    drop_pages(s);
    drop_suspects(s);
}

static void fail(struct replica__session *s, const replica_error *error)
{
    s->dirty = true;
    replica__session_failed(s, error, 0);
}

/* ---- sending --------------------------------------------------------------------- */

static void fill_row(const struct replica__push_row *from, bool bundles, replica_remote_row *to)
{
    *to = (replica_remote_row){
        .collection = from->coll_index,
        .id = from->id,
        .json = from->json,
        .len = from->len,
        .deleted = from->deleted,
        .operation = from->operation,
        .stamp = from->stamp,
        .bundle = bundles ? from->bundle : NULL,
        .firm = bundles && from->firm,
        .assumed = from->assumed,
        .assumed_len = from->assumed_len,
        .assumed_deleted = from->assumed_deleted,
        .assumed_incarnation = from->assumed_incarnation,
        .assumed_sequence = from->assumed_sequence,
        .fence = from->fence,
    };
}

/* Where the verdicts that came, and are not applied yet, will move the checkpoint; NULL: they do
 * not. */
static const char *moved_checkpoint(const struct replica__session *s)
{
    const struct answered *a = &s->verdicts;

    if (!s->has_verdicts || !s->o.pull || !(s->features & REPLICA_REMOTE_ORDER) ||
        !s->feeds[s->feed].at_head || replica__identity_is_new(s, a->incarnation) ||
        !replica__checkpoint_extends(replica__feed_checkpoint(s->repl, s->feed), a->follows,
                                     a->checkpoint))
        return NULL;
    return a->checkpoint;
}

/* The checkpoint of a push: a page that leaves before the verdicts of the last one are applied
 * names theirs, so that the server does not take that page's documents for somebody else's. */
static const char *push_checkpoint(const struct replica__session *s)
{
    const char *moved = moved_checkpoint(s);

    return moved ? moved : replica__feed_checkpoint(s->repl, s->feed);
}

/* Send the page that is in s->sent. */
static bool send_page(struct replica__session *s)
{
    REPLICA_FREE replica_remote_row *rows = replica__alloc_zero(s->sent.n, sizeof *rows);
    replica_push_request request = { .checkpoint = push_checkpoint(s) };
    replica_error error = { .offset = -1 };
    int r = rows ? 0 : replica__enomem(&error);

    if (r >= 0 && s->features & REPLICA_REMOTE_LOCKS)
        r = replica__lock_fences(s->repl, &s->sent, &error);
    if (r < 0) {
        fail(s, &error);
        return false;
    }
    for (size_t i = 0; i < s->sent.n; i++)
        fill_row(&s->sent.rows[i], s->features & REPLICA_REMOTE_BUNDLES, &rows[i]);
    request.count = replica__session_feed_request(s, s->feed, &request.collections);
    request.rows = rows;
    request.row_count = s->sent.n;
    request.client = replica__replication_client(s->repl);
    s->push = (replica_call){ .session = s,
                              .kind = CALL_PUSH,
                              .feed = s->feed,
                              .open = true,
                              .deadline = replica__session_clock(s) + 5 * 60 * 1000 };
    r = s->remote.push(s->remote.ctx, &s->push, &request);
    if (r >= 0)
        return true;
    s->push.open = false;
    replica__error_set(&error, r, 0, "the remote could not start a push");
    fail(s, &error);
    return false;
}

/* Take the next page: 1, 0: nothing is left in this feed, < 0: the session has failed. */
static int take_page(struct replica__session *s, struct replica__push_page *ret)
{
    replica_error error = { .offset = -1 };
    int r = replica__push_next(s->repl, s->feed, s->push_rows, (size_t)s->o.bytes, ret, &error);

    if (r < 0)
        fail(s, &error);
    return r;
}

/* The page that was made ready goes out. */
static void send_ready(struct replica__session *s)
{
    s->sent = s->ready;
    s->ready = (struct replica__push_page){ 0 };
    s->has_ready = false;
    send_page(s);
}

static void begin_feed(struct replica__session *s, size_t feed)
{
    s->feed = feed;
    replica__push_again(s->repl, feed, s->with_later);
}

/* Where nobody pulls, nothing has answered yet. */
static bool adopt_unasked(struct replica__session *s)
{
    replica_error error = { .offset = -1 };

    for (size_t i = 0; !s->o.pull && i < s->feed_count; i++) {
        if (!replica__endpoint_is_new(s->repl, i))
            continue;
        if (replica__endpoint_adopt(s->repl, i, &error) < 0) {
            fail(s, &error);
            return false;
        }
        if (!replica__pull_side_confirm(s, i))
            return false;
    }
    return true;
}

void replica__push_side_begin(struct replica__session *s)
{
    s->with_later = replica__session_clock(s) >= s->later_at;
    s->delayed = s->told_apart = s->searching = false;
    if (s->with_later)
        s->later_at = 0;
    replica__session_move(s, PUSHING);
    if (adopt_unasked(s))
        begin_feed(s, 0);
}

/* Also what is out goes again, in smaller pages. */
static void begin_anew(struct replica__session *s)
{
    drop_pages(s);
    replica__push_again(s->repl, s->feed, false);
}

/* ---- refusals of whole pages ------------------------------------------------------ */

static void tell_rejected(struct replica__session *s, const struct replica__push_row *row,
                          int code, const char *reason)
{
    replica__session_tell(s, &(replica_sync_event){ .kind = REPLICA_EVENT_REJECTED,
                                                    .collection =
                                                        replica_collection_name(row->coll),
                                                    .id = row->id,
                                                    .code = code,
                                                    .reason = reason });
}

/* Give the row of a page of its own a verdict, or the rows that go as one. */
static int judge_alone(struct replica__session *s, const struct replica__push_page *page,
                       size_t feed, int verdict, int code, const char *reason)
{
    REPLICA_FREE struct replica__verdict *v = replica__alloc_zero(page->n, sizeof *v);
    replica_error error = { .offset = -1 };
    int r = v ? 0 : replica__enomem(&error);

    for (size_t i = 0; v && i < page->n; i++)
        v[i] = (struct replica__verdict){ .verdict = verdict, .code = code, .reason = reason };
    if (r >= 0)
        r = replica__push_apply(s->repl, feed, page, v, NULL, NULL, &error);
    if (r < 0) {
        fail(s, &error);
        return r;
    }
    for (size_t i = 0; verdict == REPLICA_VERDICT_REFUSED && i < page->n; i++)
        tell_rejected(s, &page->rows[i], code, reason);
    return 0;
}

/* It is known that others are taken: the suspects were refused for what they are. */
static int reject_suspects(struct replica__session *s)
{
    int r = 0;

    for (size_t i = 0; r >= 0 && i < s->suspect_count; i++) {
        struct suspect *suspect = &s->suspects[i];

        r = judge_alone(s, &suspect->page, suspect->feed, REPLICA_VERDICT_REFUSED, suspect->code,
                        suspect->reason);
    }
    drop_suspects(s);
    return r;
}

/* A single row was refused, and no other was taken yet. */
static void suspect_row(struct replica__session *s, const replica_error *error)
{
    struct suspect *suspect = &s->suspects[s->suspect_count];

    if (++s->refusals == SUSPECTS) {
        s->refusals = 0;
        replica__session_log(s, REPLICA_LOG_WARNING,
                             "the server refuses every document: pushing pauses");
        s->dirty = true;
        replica__session_halt(s, error);
        return;
    }
    if (judge_alone(s, &s->sent, s->feed, REPLICA_VERDICT_LATER, 0, NULL) < 0)
        return;
    *suspect = (struct suspect){ .page = s->sent, .feed = s->feed, .code = error->detail };
    snprintf(suspect->reason, sizeof suspect->reason, "%.*s", (int)sizeof suspect->reason - 1,
             error->message);
    s->sent = (struct replica__push_page){ 0 };
    s->suspect_count++;
}

static void refused_alone(struct replica__session *s, const replica_error *error)
{
    s->searching = false;
    if (!s->told_apart && error->code != REPLICA_ELIMIT) {
        suspect_row(s, error);
        return;
    }
    if (error->code == REPLICA_ELIMIT)
        s->push_most = s->o.rows; /* it was this row, and not the page */
    s->push_rows = s->push_most;
    if (judge_alone(s, &s->sent, s->feed, REPLICA_VERDICT_REFUSED, error->detail,
                    error->message) >= 0)
        replica__push_page_free(&s->sent);
}

void replica__push_side_failed(struct replica__session *s, const replica_error *error,
                               int64_t retry_ms)
{
    bool refusal = error->code == REPLICA_EHTTP && (error->detail == 403 || error->detail == 422);
    bool too_large = error->code == REPLICA_ELIMIT;

    if (!refusal && !too_large) {
        s->dirty = true;
        replica__session_failed(s, error, retry_ms);
        return;
    }
    s->busy = true;
    if (s->sent.units > 1) {
        s->push_rows = s->sent.n / 2;
        if (too_large)
            s->push_most = s->push_rows; /* what was too large once is too large again */
        else
            s->searching = true;
        begin_anew(s);
    } else {
        refused_alone(s, error);
        if (s->state == PUSHING && s->has_ready)
            send_ready(s);
    }
    s->busy = false;
}

/* ---- verdicts -------------------------------------------------------------------- */

static int copy_verdict(struct replica__session *s, const replica_remote_verdict *from,
                        struct replica__arena *arena, struct replica__verdict *to,
                        replica_error *err)
{
    *to = (struct replica__verdict){ .verdict = from->verdict,
                                     .sequence = from->sequence,
                                     .code = from->code };
    to->reason = replica__arena_text(arena, from->reason);
    if (from->verdict != REPLICA_VERDICT_CONFLICT)
        return 0;
    to->half = s->o.pull && from->real.bundle && s->features & REPLICA_REMOTE_BUNDLES;
    return replica__arrived_doc(s, s->feed, &from->real, arena, &to->real, err);
}

/* What is put off has its turn when its time has come: the soonest of all, so that none holds up
 * another. */
static void note_delays(struct replica__session *s, const struct replica__verdict *verdicts,
                        const replica_remote_verdict *from, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int64_t wait = from[i].retry_ms < MAX_LATER_MS ? from[i].retry_ms : MAX_LATER_MS;

        if (verdicts[i].verdict != REPLICA_VERDICT_LOCKED &&
            verdicts[i].verdict != REPLICA_VERDICT_LATER &&
            verdicts[i].verdict != REPLICA_VERDICT_NONE)
            continue;
        s->delayed = true;
        if (!s->later_at || s->later_at > replica__session_clock(s) + wait)
            s->later_at = replica__session_clock(s) + wait;
    }
}

static int copy_answer(struct replica__session *s, const replica_remote_verdicts *from,
                       struct answered *ret, replica_error *err)
{
    struct answered a = { .arena = replica__arena_new(16 * 1024) };
    int r = 0;

    if (from->count != s->sent.n)
        r = replica__error_set(err, REPLICA_EHTTP, 200, "%zu verdicts for %zu rows", from->count,
                               s->sent.n);
    a.verdicts = r < 0 ? NULL : replica__alloc_zero(from->count, sizeof *a.verdicts);
    if (r >= 0 && (!a.arena || !a.verdicts))
        r = replica__enomem(err);
    for (size_t i = 0; r >= 0 && i < from->count; i++) {
        replica_remote_verdict v = from->verdicts[i];

        if (!v.real.collection && v.verdict == REPLICA_VERDICT_CONFLICT)
            v.real.collection = replica_collection_name(s->sent.rows[i].coll);
        r = copy_verdict(s, &v, a.arena, &a.verdicts[i], err);
    }
    if (r >= 0) {
        replica__verdicts_as_one(&s->sent, a.verdicts);
        note_delays(s, a.verdicts, from->verdicts, from->count);
    }
    if (r >= 0) {
        a.incarnation = replica__arena_text(a.arena, from->incarnation);
        a.follows = replica__arena_text(a.arena, from->follows);
        a.checkpoint = replica__arena_text(a.arena, from->checkpoint);
        if (a.arena->failed)
            r = replica__enomem(err);
    }
    if (r < 0) {
        free_answer(&a);
        return r;
    }
    *ret = a;
    return 0;
}

/* Of a version before ours. */
static bool same_text(const struct replica__push_row *row, const struct replica__pulled *real)
{
    replica_doc *doc = NULL;
    const char *json;
    size_t len;
    bool same;

    if (replica__doc_of_pulled(real, row->id, &doc, NULL) < 0)
        return false;
    json = replica_doc_json(doc, &len);
    same = row->deleted == (replica_doc_deleted(doc) != 0) &&
           replica__json_equal(row->json, row->len, json, len, REPLICA_JSON_AS_JAVASCRIPT) > 0;
    replica_doc_unref(doc);
    return same;
}

/* Without operation ids, a row that went out before and now conflicts with exactly what it says was
 * taken the first time. */
static void recognise_own(struct replica__session *s)
{
    if (s->features & REPLICA_REMOTE_OPERATIONS)
        return;
    for (size_t i = 0; i < s->judged.n; i++) {
        const struct replica__push_row *row = &s->judged.rows[i];
        struct replica__verdict *v = &s->verdicts.verdicts[i];
        replica_doc *sent = NULL, *real = NULL;

        if (v->verdict != REPLICA_VERDICT_CONFLICT || !row->again || v->real.problem)
            continue;
        v->perhaps_taken = true;
        if (row->endpoint < replica_collection_version(row->coll)) { /* no handler knows these */
            v->verdict = same_text(row, &v->real) ? REPLICA_VERDICT_TAKEN : v->verdict;
            v->sequence = v->verdict == REPLICA_VERDICT_TAKEN ? v->real.sequence : v->sequence;
            continue;
        }
        if (replica__doc_new(row->coll, row->id, row->json, row->len, row->deleted, &sent, NULL) >=
                0 &&
            replica__doc_of_pulled(&v->real, row->id, &real, NULL) >= 0 &&
            replica__states_equal(row->coll, sent, real)) {
            v->verdict = REPLICA_VERDICT_TAKEN;
            v->sequence = v->real.sequence;
        }
        replica_doc_unref(sent);
        replica_doc_unref(real);
    }
}

/* The server knows no bundles, and this row is of one: those with more than one row are counted.
 * What is no more among the last ones is met anew. */
static void note_parted(struct replica__session *s, const struct replica__push_row *row)
{
    uint64_t name = UINT64_C(0xcbf29ce484222325); /* FNV-1a */
    size_t i = 0;

    if (!row->bundle || s->features & REPLICA_REMOTE_BUNDLES)
        return;
    for (const char *c = row->bundle; *c; c++)
        name = (name ^ (unsigned char)*c) * UINT64_C(0x100000001b3);
    while (i < PARTED && s->parted[i].name != name)
        i++;
    if (i == PARTED) {
        i = s->parted_at;
        s->parted_at = (s->parted_at + 1) % PARTED;
        s->parted[i].name = name;
        s->parted[i].rows = 0;
    }
    s->status.unbundled += ++s->parted[i].rows == 2;
}

static void tell_judged(struct replica__session *s)
{
    for (size_t i = 0; i < s->judged.n; i++) {
        const struct replica__push_row *row = &s->judged.rows[i];
        const struct replica__verdict *v = &s->verdicts.verdicts[i];
        replica_sync_event event = { .collection = replica_collection_name(row->coll),
                                     .id = row->id,
                                     .code = v->code,
                                     .reason = v->reason };

        s->dirty |= row->again; /* what was written since has its turn in the next pass */
        switch (v->verdict) {
        case REPLICA_VERDICT_TAKEN:
        case REPLICA_VERDICT_ALREADY:
            s->status.pushed++;
            note_parted(s, row);
            /* What came meanwhile; or a bundle that waits for what was under way. */
            s->unsettled |= v->verdict == REPLICA_VERDICT_ALREADY ||
                            (row->again && s->features & REPLICA_REMOTE_BUNDLES);
            s->refusals = 0;
            s->told_apart = true;
            event.kind = REPLICA_EVENT_SENT;
            break;
        case REPLICA_VERDICT_CONFLICT:
            s->told_apart = true;
            s->unsettled = true;
            s->feeds[s->feed].half |= v->half;
            s->feeds[s->feed].wanted |= v->half;
            continue;
        case REPLICA_VERDICT_REFUSED:
            event.kind = REPLICA_EVENT_REJECTED;
            break;
        case REPLICA_VERDICT_LOCKED:
            event.kind = REPLICA_EVENT_LOCKED;
            break;
        default:
            continue;
        }
        replica__session_tell(s, &event);
    }
    replica__session_touch(s);
}

static void apply_verdicts(struct replica__session *s)
{
    replica_error error = { .offset = -1 };
    int r;

    recognise_own(s);
    r = replica__push_apply(s->repl, s->feed, &s->judged, s->verdicts.verdicts,
                            s->verdicts.incarnation, moved_checkpoint(s), &error);
    if (r < 0) {
        fail(s, &error);
        return;
    }
    tell_judged(s);
    replica__push_page_free(&s->judged);
    free_answer(&s->verdicts);
    s->has_verdicts = false;
    if (s->told_apart && reject_suspects(s) < 0)
        return;
    if (!s->searching)
        s->push_rows = s->push_most;
}

void replica__push_side_answer(struct replica__session *s, const replica_remote_verdicts *answer)
{
    replica_error error = { .offset = -1 };

    if (s->has_verdicts) /* two answers in one turn: the first page's come first */
        apply_verdicts(s);
    if (s->state != PUSHING)
        return;
    if (copy_answer(s, answer, &s->verdicts, &error) < 0) {
        fail(s, &error);
        return;
    }
    replica__session_succeeded(s);
    s->has_verdicts = true;
    s->judged = s->sent;
    s->sent = (struct replica__push_page){ 0 };
    if (s->has_ready)
        send_ready(s); /* the server has work while we write what it said */
}

/* ---- for a server of an older version --------------------------------------------- */

static size_t unit_at(const struct replica__push_page *page, size_t first)
{
    size_t n = 1;

    while (first + n < page->n && page->rows[first + n].unit == page->rows[first].unit)
        n++;
    return n;
}

/* Where one row of several that go as one is held, so are the others. */
static void hold_units(struct replica__push_page *page)
{
    for (size_t first = 0, n; first < page->n; first += n) {
        const struct replica__push_row *held = NULL;

        n = unit_at(page, first);
        for (size_t i = first; i < first + n; i++)
            held = page->rows[i].held ? &page->rows[i] : held;
        page->units -= held != NULL;
        for (size_t i = first; held && i < first + n; i++) {
            page->rows[i].held = held->held;
            page->rows[i].why = held->why;
        }
    }
}

/* Rows that cannot be taken down wait for a server that has our version; the others close up. */
static int set_held_aside(struct replica__session *s, struct replica__push_page *page)
{
    size_t n = 0;

    hold_units(page);
    for (size_t i = 0; i < page->n; i++) {
        struct replica__push_row *row = &page->rows[i];
        struct replica__verdict v = { .verdict = REPLICA_VERDICT_REFUSED,
                                      .code = row->held,
                                      .reason = row->why,
                                      .aside = REPLICA_ASIDE_MIGRATION };
        struct replica__push_page alone = { .rows = row, .n = 1 };
        replica_error error = { .offset = -1 };

        if (!row->held) {
            page->rows[n++] = *row;
            continue;
        }
        if (replica__push_apply(s->repl, s->feed, &alone, &v, NULL, NULL, &error) < 0) {
            fail(s, &error);
            return -1;
        }
        tell_rejected(s, row, row->held, row->why);
    }
    page->n = n;
    return 0;
}

/* Nothing of the page is left to be sent. */
static void end_page(struct replica__session *s)
{
    replica_error error = { .offset = -1 };
    int r = replica__push_apply(s->repl, s->feed, &s->sent, NULL, NULL, NULL, &error);

    replica__push_page_free(&s->sent);
    if (r < 0)
        fail(s, &error);
}

/* Send the page, or have it taken down first. */
static void send_low(struct replica__session *s)
{
    replica_error error = { .offset = -1 };

    if (!replica__push_page_is_high(&s->sent)) {
        send_page(s);
        return;
    }
    s->lowering = replica__lowering_begin(s->hooks, &s->sent);
    if (!s->lowering) {
        replica__enomem(&error);
        fail(s, &error);
    }
}

static void take_lowered(struct replica__session *s)
{
    replica_error error = { .offset = -1 };
    int r = replica__lowering_take(&s->lowering, &s->sent, &error);

    if (r == 0)
        return;
    s->sent.more = false; /* no page is made ready: it would have to go the same way */
    if (r < 0)
        fail(s, &error);
    else if (set_held_aside(s, &s->sent) == 0)
        s->sent.n > 0 ? (void)send_page(s) : end_page(s);
}

/* ---- stepping -------------------------------------------------------------------- */

/* The pass is over; what comes later has its turn after a while. */
static void end_pass(struct replica__session *s)
{
    const struct replica__world *world = replica__db_world(s->db);

    if (reject_suspects(s) < 0)
        return;
    s->dirty |= replica__push_waited(s->repl);
    if (s->delayed) {
        int64_t soonest = replica__session_clock(s) +
                          replica__retry_delay(++s->delays, world->random(world->ctx), 100);

        if (s->later_at < soonest)
            s->later_at = soonest;
    } else if (s->with_later) {
        s->delays = 0;
    }
    replica__session_move(s, IDLE);
}

static void next_page(struct replica__session *s)
{
    int r = take_page(s, &s->sent);

    if (r > 0) {
        send_low(s);
    } else if (r == 0 && s->feed + 1 < s->feed_count) {
        begin_feed(s, s->feed + 1);
    } else if (r == 0) {
        end_pass(s);
    }
}

static bool can_prepare(const struct replica__session *s)
{
    return !s->has_ready && s->push_rows == s->push_most && s->sent.more && s->sent.n > 0 &&
           s->sent.rows[0].endpoint == replica_collection_version(s->sent.rows[0].coll);
}

bool replica__push_side_has_work(const struct replica__session *s)
{
    if (s->lowering)
        return s->state == PUSHING && replica__lowering_is_done(s->lowering);
    return s->state == PUSHING && (s->has_verdicts || !s->push.open || can_prepare(s));
}

void replica__push_side_step(struct replica__session *s)
{
    if (s->has_verdicts) {
        apply_verdicts(s);
    } else if (s->lowering) {
        take_lowered(s);
    } else if (s->push.open) {
        if (can_prepare(s)) {
            int r = take_page(s, &s->ready);

            s->has_ready = r > 0;
            s->sent.more = r > 0 && s->ready.more; /* ask once */
        }
    } else if (s->suspect_count == 0 &&
               (replica__settle_side_is_due(s) || (s->o.pull && s->feeds[s->feed].wanted))) {
        s->dirty = true; /* settle or pull between two pages; another pass goes on after that */
        end_pass(s);
    } else {
        next_page(s);
    }
}
