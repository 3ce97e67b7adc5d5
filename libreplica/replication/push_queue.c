/* What goes out: rows for the next push, from the change feed after the mark, and first of all
 * those that went out before without a verdict.
 *
 * Before a page leaves, the range that it covers is made durable.  A row that must be asked about
 * again, or that the mark has passed, has `todo` in its state. */
#include "base/arena.h"
#include "libreplica/migrate/migrate.h"
#include "libreplica/replication/replication.h"
#include "libreplica/txn.h"

#include <stdlib.h>
#include <string.h>

struct page {
    struct replica__replication *repl;
    const struct replica__feed *feed;
    struct replica__push_page out;
    struct replica__arena *arena;
    size_t room, bytes, max_rows, max_bytes;
};

static bool is_full(const struct page *p)
{
    return p->out.n >= p->max_rows || p->bytes >= p->max_bytes;
}

static char *copy(struct page *p, const char *text, size_t len)
{
    return replica__arena_copy(p->arena, text, len);
}

static size_t index_of(const struct replica__feed *feed, const replica_collection *coll)
{
    size_t i = 0;

    while (feed->colls[i] != coll)
        i++;
    return i;
}

/* The assumed state of a row, into the arena. */
static int copy_base(struct page *p, const struct replica__state *s, struct replica__push_row *row,
                     replica_error *err)
{
    replica_db *db = p->repl->db;
    REPLICA_STMT stmt = NULL;
    struct replica__kept k;
    const char *incarnation = NULL;
    int r;

    if (s->incarnation && s->server_seq) {
        r = replica__token_text(db, s->incarnation, &incarnation, err);
        if (r < 0)
            return r;
        row->assumed_incarnation = copy(p, incarnation, strlen(incarnation));
        row->assumed_sequence = s->server_seq;
    }
    if (!s->base)
        return 0;
    r = replica__kept_get(db, s->base, &stmt, &k, err);
    if (r < 0)
        return r;
    row->assumed = copy(p, k.body, k.len);
    row->assumed_len = k.len;
    row->assumed_deleted = (k.flags & REPLICA__FLAG_DELETED) != 0;
    p->bytes += k.len;
    return 0;
}

/* What of a stored state a row needs. */
struct state_text {
    int64_t seq, stamp, writer, wseq, flags, version;
    const char *bundle, *body;
    size_t len;
};

/* with: the row's assumed state. */
static int add_row(struct page *p, const struct replica__row *doc,
                   const struct replica__push_row *with, const struct state_text *t, bool again,
                   replica_error *err)
{
    replica_db *db = p->repl->db;
    replica_collection *coll = replica__replication_collection(p->repl, doc->coll);
    char operation[REPLICA__OPERATION_SIZE];
    const char *opening = NULL;
    struct replica__push_row *row;
    int r;

    if (p->out.n == p->room) {
        size_t room = p->room ? p->room * 2 : 64;
        struct replica__push_row *grown = replica__realloc(p->out.rows, room, sizeof *grown);

        if (!grown)
            return replica__enomem(err);
        p->out.rows = grown;
        p->room = room;
    }
    r = replica__token_text(db, t->writer, &opening, err);
    if (r < 0)
        return r;
    row = &p->out.rows[p->out.n];
    *row = *with;
    row->coll = coll;
    row->coll_index = index_of(p->feed, coll);
    row->doc = doc->number;
    row->sequence = t->seq;
    row->deleted = (t->flags & REPLICA__FLAG_DELETED) != 0;
    row->stamp = t->stamp;
    row->again = again;
    row->version = t->version;
    row->endpoint = replica__endpoint_version(p->repl, coll);
    row->len = t->len;
    row->id = copy(p, doc->id, doc->id_len);
    row->operation = copy(p, operation, replica__operation_write(operation, opening, t->wseq));
    row->bundle = t->bundle ? copy(p, t->bundle, strlen(t->bundle)) : NULL;
    row->json = copy(p, t->body, t->len);
    if (p->arena->failed)
        return replica__enomem(err);
    p->bytes += t->len + doc->id_len;
    p->out.n++;
    return 0;
}

/* The operation is the token of the local revision: a pulled document that another replication
 * sends on has a local revision too. */
static struct state_text text_of_row(const struct replica__row *row)
{
    return (struct state_text){ .seq = row->seq, .stamp = row->stamp, .writer = row->opening,
                                .wseq = row->seq, .flags = row->flags, .bundle = row->bundle,
                                .body = row->body, .len = row->len,
                                .version = row->version };
}

/* A state that left before the document moved on. */
static int add_sent(struct page *p, const struct replica__row *doc, const struct replica__state *s,
                    const struct replica__push_row *with, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    struct replica__kept k;
    int r = replica__kept_get(p->repl->db, s->sent, &stmt, &k, err);

    if (r < 0)
        return r;
    return add_row(p, doc, with,
                   &(struct state_text){ .seq = s->sent_seq, .stamp = k.stamp, .writer = k.opening,
                                         .wseq = s->sent_seq, .flags = k.flags, .bundle = k.bundle,
                                         .body = k.body, .len = k.len,
                                         .version = k.version },
                   true, err);
}

static int add_document(struct page *p, int64_t number, bool again, replica_error *err)
{
    replica_db *db = p->repl->db;
    REPLICA_STMT stmt = NULL;
    struct replica__state s;
    struct replica__row row;
    struct replica__push_row with = { 0 };
    struct state_text t;
    int r = replica__row_by_number(db, number, &stmt, &row, err);

    if (r <= 0)
        return r;
    r = replica__state_get(db, number, p->repl->number, &s, err);
    if (r >= 0)
        r = copy_base(p, &s, &with, err);
    if (r < 0)
        return r;
    if (s.sent)
        return add_sent(p, &row, &s, &with, err);
    t = text_of_row(&row);
    r = add_row(p, &row, &with, &t, again || s.sent_seq, err);
    if (r < 0 || !s.todo || s.sent_seq)
        return r;
    s.sent_seq = row.seq; /* no range covers it */
    return replica__state_put(db, &s, err);
}

/* Numbers of documents that a statement finds, read before any of them is looked at. */
#define BATCH 256
struct found {
    int64_t seq[BATCH], number[BATCH];
    size_t n;
};

static bool is_of_feed(const struct page *p, int64_t coll)
{
    for (size_t i = 0; i < p->feed->n; i++) {
        if (p->feed->colls[i]->number == coll)
            return true;
    }
    return false;
}

static int find_todo(struct page *p, int64_t after, struct found *f, replica_error *err)
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

/* Is the document in a page that waits for its verdicts? */
static bool is_out(const struct replica__feed *feed, int64_t number)
{
    for (const struct replica__out *out = feed->out; out; out = out->next) {
        if (bsearch(&number, out->docs, out->n, sizeof number, compare_numbers))
            return true;
    }
    return false;
}

/* What has not risen yet waits for that; a deletion has no need to. */
static bool has_risen(const struct page *p, int64_t coll, sqlite3_stmt *doc)
{
    return sqlite3_column_int(doc, 3) & REPLICA__FLAG_DELETED ||
           sqlite3_column_int(doc, 2) >= replica__replication_collection(p->repl, coll)->version;
}

/* May this document go out now?  Its unsettled state comes first. */
static int is_due(struct page *p, int64_t number, replica_error *err)
{
    replica_db *db = p->repl->db;
    REPLICA_STMT stmt = NULL;
    struct replica__state s;
    int64_t seq, coll;
    int rc = SQLITE_OK;
    int r = replica__sql_get(db, REPLICA__SQL_DOC_SEQ, &stmt, err);

    if (r < 0)
        return r;
    replica__bind_int(stmt, 1, number, &rc);
    r = replica__sql_step(db, stmt, rc, err);
    if (r <= 0)
        return r;
    seq = sqlite3_column_int64(stmt, 0);
    coll = sqlite3_column_int64(stmt, 1);
    if (!is_of_feed(p, coll) || !has_risen(p, coll, stmt))
        return 0;
    r = replica__state_get(db, number, p->repl->number, &s, err);
    if (r < 0)
        return r;
    if (s.todo == REPLICA__TODO_LATER && !p->feed->with_later)
        return 0;
    if (s.sent_seq)
        return !is_out(p->feed, number);
    return s.clean_seq != seq && !s.unsettled && s.aside_seq != seq;
}

static int add_todo(struct page *p, int64_t *after, replica_error *err)
{
    struct found f;
    int r;

    do {
        r = find_todo(p, *after, &f, err);
        for (size_t i = 0; r >= 0 && i < f.n; i++) {
            if (is_full(p)) {
                p->out.more = true;
                return 0;
            }
            *after = f.number[i];
            r = is_due(p, *after, err);
            if (r > 0)
                r = add_document(p, *after, false, err);
        }
    } while (r >= 0 && f.n == BATCH);
    return r < 0 ? r : 0;
}

/* The next dirty documents of the feed's collections, in order.  *ret_end: the number up to which
 * all were found. */
static int find_dirty(struct page *p, int64_t after, size_t want, int64_t (**ret)[2],
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
static int add_feed(struct page *p, bool again, int64_t *mark, replica_error *err)
{
    REPLICA_FREE int64_t(*found)[2] = NULL;
    int64_t limit = again ? p->feed->again_to : INT64_MAX;
    int64_t end = 0;
    size_t n = 0;
    int r = find_dirty(p, *mark, p->max_rows - p->out.n, &found, &n, &end, err);

    if (r < 0)
        return r;
    for (size_t i = 0; i < n && found[i][0] <= end && found[i][0] <= limit; i++) {
        if (is_full(p)) {
            p->out.more = true;
            return 0;
        }
        r = add_document(p, found[i][1], again && found[i][0] > p->feed->sent_from, err);
        if (r < 0)
            return r;
        *mark = found[i][0];
    }
    if (end < p->repl->db->head)
        p->out.more = true;
    *mark = again && limit < end ? limit : end;
    return 0;
}

static int fill(struct page *p, struct replica__feed *feed, replica_error *err)
{
    int r = 0;

    if (feed->mark < feed->again_to)
        r = add_feed(p, true, &feed->mark, err);
    if (r >= 0 && !is_full(p))
        r = add_todo(p, &feed->todo_after, err);
    if (r >= 0 && !is_full(p))
        r = add_feed(p, false, &feed->mark, err);
    else
        p->out.more = true;
    return r;
}

static struct replica__out *out_of(const struct page *p)
{
    struct replica__out *out = replica__alloc(sizeof *out + p->out.n * sizeof out->docs[0]);

    if (!out)
        return NULL;
    out->page = p->arena;
    out->n = p->out.n;
    for (size_t i = 0; i < out->n; i++)
        out->docs[i] = p->out.rows[i].doc;
    qsort(out->docs, out->n, sizeof out->docs[0], compare_numbers);
    return out;
}

/* What the page covers is under way; where nothing is, there is no range. */
static void move_range(struct replica__feed *feed, int64_t from, size_t rows)
{
    if (rows > 0 && feed->mark > from) {
        if (feed->sent_from >= feed->sent_to)
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
    struct page p = { .repl = repl, .feed = feed };
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
    struct page p = { .repl = repl, .feed = &moved, .max_rows = rows, .max_bytes = bytes };
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
    if (r >= 0 && p.out.n > 0 && !(out = out_of(&p)))
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
    f->todo_after = -1;
    f->with_later = with_later;
    if (f->sent_from < f->sent_to) {
        f->mark = f->sent_from; /* the file has it, too: opening it does the same */
        f->again_to = f->sent_to;
    }
}

void replica__push_page_free(struct replica__push_page *page)
{
    replica__arena_free(page->arena);
    replica__free(page->rows);
    *page = (struct replica__push_page){ 0 };
}
