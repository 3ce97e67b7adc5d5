/* What goes out: rows for the next push, from the change feed after the mark, and first of all
 * those that went out before without a verdict.
 *
 * Before a page leaves, the range that it covers is made durable.  A row that must be asked about
 * again, or that the mark has passed, has `todo` in its state. */
#include "libreplica/replication/push_page.h"
#include "libreplica/txn.h"

#include <stdlib.h>
#include <string.h>

/* Numbers of documents that a statement finds, read before any of them is looked at. */
#define BATCH 256
struct found {
    int64_t seq[BATCH], number[BATCH];
    size_t n;
};

static int find_todo(struct replica__page *p, int64_t after, struct found *f, replica_error *err)
{
    replica_db *db = p->repl->db;
    REPLICA_STMT stmt = NULL;
    int rc = SQLITE_OK;
    int r = replica__sql_get(db, REPLICA__SQL_STATE_TODO, &stmt, err);

    f->n = 0;
    if (r < 0)
        return r;
    replica__bind_int(stmt, 1, p->repl->number, &rc);
    replica__bind_int(stmt, 2, after, &rc);
    replica__bind_int(stmt, 3, BATCH, &rc);
    while ((r = replica__sql_step(db, stmt, rc, err)) > 0)
        f->number[f->n++] = sqlite3_column_int64(stmt, 0);
    return r;
}

static int compare_numbers(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

static int add_todo(struct replica__page *p, int64_t *after, replica_error *err)
{
    struct found f;
    int r;

    do {
        r = find_todo(p, *after, &f, err);
        for (size_t i = 0; r >= 0 && i < f.n; i++) {
            if (replica__page_is_full(p)) {
                p->out.more = true;
                return 0;
            }
            r = replica__page_pick(p, f.number[i], false, false, err);
            if (r >= 0 && p->ended) {
                p->out.more = true;
                return 0;
            }
            *after = f.number[i];
        }
    } while (r >= 0 && f.n == BATCH);
    return r < 0 ? r : 0;
}

/* The next dirty documents of the feed's collections, in order.  *ret_end: the number up to which
 * all were found. */
static int find_dirty(struct replica__page *p, int64_t after, size_t want, int64_t (**ret)[2],
                      size_t *ret_n, int64_t *ret_end, replica_error *err)
{
    replica_db *db = p->repl->db;
    int64_t(*found)[2] = replica__alloc_zero(want * p->feed->n, sizeof *found);
    int64_t end = db->head;
    size_t n = 0;
    int r = 0;

    if (!found)
        return replica__enomem(err);
    for (size_t i = 0; r >= 0 && i < p->feed->n; i++) {
        REPLICA_STMT stmt = NULL;
        int rc = SQLITE_OK;
        size_t first = n;

        r = replica__sql_get(db, REPLICA__SQL_FEED_DIRTY, &stmt, err);
        if (r < 0)
            break;
        replica__bind_int(stmt, 1, p->repl->number, &rc);
        replica__bind_int(stmt, 2, p->feed->colls[i]->number, &rc);
        replica__bind_int(stmt, 3, after, &rc);
        replica__bind_int(stmt, 4, (int64_t)want, &rc);
        while ((r = replica__sql_step(db, stmt, rc, err)) > 0) {
            found[n][0] = sqlite3_column_int64(stmt, 0);
            found[n++][1] = sqlite3_column_int64(stmt, 1);
        }
        /* There may be more of this collection: nothing is known beyond its last one. */
        if (n - first == want && found[n - 1][0] < end)
            end = found[n - 1][0];
    }
    if (r < 0) {
        replica__free(found);
        return r;
    }
    qsort(found, n, sizeof *found, compare_numbers);
    *ret = found;
    *ret_n = n;
    *ret_end = end;
    return 0;
}

/* Rows from the feed.  again: only those up to again_to, which went out before. */
static int add_feed(struct replica__page *p, bool again, int64_t *mark, replica_error *err)
{
    REPLICA_FREE int64_t(*found)[2] = NULL;
    int64_t limit = again ? p->feed->again_to : INT64_MAX;
    int64_t end = 0;
    size_t n = 0;
    int r = find_dirty(p, *mark, p->max_rows - p->out.n, &found, &n, &end, err);

    if (r < 0)
        return r;
    for (size_t i = 0; i < n && found[i][0] <= end && found[i][0] <= limit; i++) {
        if (replica__page_is_full(p)) {
            p->out.more = true;
            return 0;
        }
        r = replica__page_pick(p, found[i][1], true, again && found[i][0] > p->feed->sent_from,
                               err);
        p->out.more |= p->ended;
        if (r < 0 || p->ended)
            return r < 0 ? r : 0;
        *mark = found[i][0];
    }
    if (end < p->repl->db->head)
        p->out.more = true;
    *mark = again && limit < end ? limit : end;
    return 0;
}

static int fill(struct replica__page *p, struct replica__feed *feed, replica_error *err)
{
    int r = 0;

    if (feed->mark < feed->again_to)
        r = add_feed(p, true, &feed->mark, err);
    if (r >= 0 && !replica__page_is_full(p))
        r = add_todo(p, &feed->todo_after, err);
    if (r >= 0 && !replica__page_is_full(p))
        r = add_feed(p, false, &feed->mark, err);
    else
        p->out.more = true;
    return r;
}

/* What the page covers is under way; where nothing is, there is no range. */
static void move_range(struct replica__feed *feed, int64_t from, size_t rows)
{
    if (rows > 0 && feed->mark > from) {
        if (feed->sent_from >= feed->sent_to || from < feed->sent_from)
            feed->sent_from = from;
        if (feed->mark > feed->sent_to)
            feed->sent_to = feed->mark;
    } else if (rows == 0 && !feed->out && feed->mark >= feed->sent_to) {
        feed->sent_from = feed->sent_to = 0;
    }
}

static bool has_moved(const struct replica__feed *a, const struct replica__feed *b)
{
    return a->mark != b->mark || a->sent_from != b->sent_from || a->sent_to != b->sent_to;
}

/* Nothing was written since the mark, and nothing waits: 1.  Then there is no need for the write
 * lock, which others may hold. */
static int has_nothing(struct replica__replication *repl, const struct replica__feed *feed,
                       replica_error *err)
{
    struct replica__page p = { .repl = repl, .feed = feed };
    struct found f;
    REPLICA_READ read = NULL;
    int r;

    if (feed->mark < feed->again_to || feed->sent_to || feed->out)
        return 0;
    r = replica__read_begin(repl->db, &read, err);
    if (r >= 0)
        r = replica__txn_know(repl->db, err);
    if (r < 0 || repl->db->head > feed->mark)
        return r < 0 ? r : 0;
    r = find_todo(&p, feed->todo_after, &f, err);
    return r < 0 ? r : f.n == 0;
}

int replica__push_next(struct replica__replication *repl, size_t feed, size_t rows, size_t bytes,
                       struct replica__push_page *ret_page, replica_error *err)
{
    struct replica__feed moved = repl->feeds[feed];
    struct replica__page p = { .repl = repl, .feed = &moved, .max_rows = rows, .max_bytes = bytes };
    REPLICA_FREE struct replica__out *out = NULL;
    int64_t from = moved.mark;
    REPLICA_TXN txn = NULL;
    int r = has_nothing(repl, &moved, err);

    if (r != 0)
        return r < 0 ? r : 0;
    p.arena = p.out.arena = replica__arena_new(64 * 1024);
    if (!p.arena)
        return replica__enomem(err);
    r = replica__lease_begin(repl, &txn, err);
    if (r >= 0)
        r = fill(&p, &moved, err);
    if (r >= 0 && p.out.n > 0 && !(out = replica__page_waiting(&p)))
        r = replica__enomem(err);
    move_range(&moved, from, p.out.n);
    if (r >= 0 && has_moved(&moved, &repl->feeds[feed]))
        r = replica__feed_put(repl, &moved, err);
    if (r >= 0)
        r = replica__txn_commit(&txn, err);
    if (r >= 0)
        repl->feeds[feed] = moved;
    if (r < 0 || p.out.n == 0) {
        replica__push_page_free(&p.out);
        return r < 0 ? r : 0;
    }
    p.out.from = from;
    p.out.to = moved.mark;
    out->next = moved.out;
    repl->feeds[feed].out = out;
    out = NULL;
    *ret_page = p.out;
    return 1;
}

void replica__push_again(struct replica__replication *repl, size_t feed, bool with_later)
{
    struct replica__feed *f = &repl->feeds[feed];

    replica__feed_forget_out(f);
    replica__met_clear(&repl->met);
    repl->waited = false;
    f->todo_after = -1;
    f->with_later = with_later;
    if (f->sent_from < f->sent_to) {
        if (f->mark > f->sent_from) /* the file has it, too: opening it does the same */
            f->mark = f->sent_from;
        f->again_to = f->sent_to;
    }
}

bool replica__push_waited(const struct replica__replication *repl)
{
    return repl->waited;
}

void replica__push_page_free(struct replica__push_page *page)
{
    replica__arena_free(page->arena);
    replica__free(page->rows);
    *page = (struct replica__push_page){ 0 };
}
