/* Pushing: pages of rows, and what becomes of them.
 *
 * A pass begins with what went out before and has no verdict, and goes through the feeds one by
 * one. While a page is out the next one is made; it leaves before the verdicts of the first are
 * written.  What the server answers is in push_verdicts.c, and what it refuses as a whole in
 * push_refusal.c. */
#include "replicator/push_side.h"
#include "replicator/retry.h"

static void drop_pages(struct replica__session *s)
{
    replica__session_cancel_call(s, &s->push);
    replica__push_page_free(&s->judged);
    replica__push_page_free(&s->sent);
    replica__push_page_free(&s->ready);
    s->has_ready = false;
    replica__lowering_cancel(s->lowering);
    s->lowering = NULL;
    replica__push_free_answer(&s->verdicts);
    s->has_verdicts = false;
}

void replica__push_side_stop(struct replica__session *s)
{
    if (s->state == PUSHING)
        s->dirty = true;
    s->goes_on = false;
    drop_pages(s);
    replica__push_drop_suspects(s);
}

void replica__push_fail(struct replica__session *s, const replica_error *error)
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
const char *replica__push_moved_checkpoint(const struct replica__session *s)
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
    const char *moved = replica__push_moved_checkpoint(s);

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
        replica__push_fail(s, &error);
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
    replica__push_fail(s, &error);
    return false;
}

/* Take the next page: 1, 0: nothing is left in this feed, < 0: the session has failed. */
static int take_page(struct replica__session *s, struct replica__push_page *ret)
{
    replica_error error = { .offset = -1 };
    int r = replica__push_next(s->repl, s->feed, s->push_rows, (size_t)s->o.bytes, ret, &error);

    if (r < 0)
        replica__push_fail(s, &error);
    return r;
}

/* How much there is in this pass, where that is more than a page. */
static void count_pass(struct replica__session *s)
{
    struct replica__backlog backlog = { 0 };

    s->status.push_remaining = (int64_t)s->sent.n;
    if (s->sent.more && replica__replication_backlog(s->repl, &backlog, NULL) >= 0)
        s->status.push_remaining = backlog.dirty;
    s->counted = true;
    replica__session_touch(s);
}

/* The page that was made ready goes out. */
void replica__push_send_ready(struct replica__session *s)
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
            replica__push_fail(s, &error);
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
    s->delayed = s->counted = false;
    if (!s->goes_on) {
        s->told_apart = s->searching = false;
        s->halved = 0;
    }
    s->goes_on = false;
    if (s->with_later)
        s->later_at = 0;
    replica__session_move(s, PUSHING);
    if (adopt_unasked(s))
        begin_feed(s, 0);
}

/* Also what is out goes again, in smaller pages. */
void replica__push_begin_anew(struct replica__session *s)
{
    drop_pages(s);
    replica__push_again(s->repl, s->feed, false);
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
            replica__push_fail(s, &error);
            return -1;
        }
        replica__push_tell_rejected(s, row, row->held, row->why);
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
        replica__push_fail(s, &error);
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
        replica__push_fail(s, &error);
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
        replica__push_fail(s, &error);
    else if (set_held_aside(s, &s->sent) == 0)
        s->sent.n > 0 ? (void)send_page(s) : end_page(s);
}

/* ---- stepping -------------------------------------------------------------------- */

/* The pass is over; what comes later has its turn after a while. */
static void end_pass(struct replica__session *s)
{
    const struct replica__world *world = replica__db_world(s->db);

    if (replica__push_reject_suspects(s) < 0)
        return;
    s->dirty |= replica__push_waited(s->repl);
    if (s->delayed) {
        int64_t soonest = replica__session_clock(s) + 100 +
                          replica__retry_delay(++s->delays, world->random(world->ctx), 0);

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
        if (!s->counted)
            count_pass(s);
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
        replica__push_apply_verdicts(s);
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
        s->dirty = s->goes_on = true; /* settle or pull between two pages */
        end_pass(s);
    } else {
        next_page(s);
    }
}
