/* Answering queries.
 *
 * A cursor first fills a batch on the handle's own connection: most answers end there.  If there is
 * more, it begins again on a connection of its own, which stays at that moment until the cursor is
 * closed; in a database in memory, which has one connection, everything is read at once. */
#include "libreplica/query/find.h"

#include "libreplica/cursor.h"
#include "libreplica/document.h"
#include "libreplica/migrate/migrate.h"
#include "libreplica/query/shelf.h"
#include "libreplica/txn.h"

#include <string.h>

/* A batch: what one call of the program waits for, at most. */
#define BATCH 128
#define BATCH_BYTES (1024 * 1024)
/* Indexes may change between two looks at them; after so many, none is used. */
#define TRIES 3

/* ---- the way in ------------------------------------------------------------------ */

static int take_text(struct replica__asked *a, const char *query, size_t len, replica_error *err)
{
    struct replica__json_value v =
        replica__json_member(replica__json_value(query, len), "selector", REPLICA_NUL);

    if (v.type == REPLICA_JSON_NONE)
        return 0;
    a->text = replica__strndup(v.text.data, v.text.len);
    a->len = v.text.len;
    return a->text ? 0 : replica__enomem(err);
}

int replica__ask(replica_collection *coll, const char *query, size_t len,
                 struct replica__asked *ret, replica_error *err)
{
    REPLICA_ASKED asked = { .coll = coll };
    int r;

    if (!coll || !query)
        return replica__error_set(err, REPLICA_EINVAL, 0, "no collection, or no query");
    if (len == REPLICA_NUL)
        len = strlen(query);
    r = replica__query_parse(query, len, &asked.query, err);
    if (r >= 0)
        r = replica__migrate_before_query(coll, err);
    if (r >= 0)
        r = take_text(&asked, query, len, err);
    if (r < 0)
        return r;
    *ret = asked;
    memset(&asked, 0, sizeof asked);
    return 0;
}

void replica__asked_free(struct replica__asked *asked)
{
    replica__query_free(asked->query);
    replica__free(asked->text);
    memset(asked, 0, sizeof *asked);
}

int replica__asked_match(const struct replica__asked *asked, bool matches,
                         const struct replica__row *row, replica_error *err)
{
    int r = replica__migrate_shows(asked->coll, row, err);

    if (r <= 0 || !matches)
        return r;
    r = replica__selector_match(asked->query->selector, row->body, row->len);
    if (r == REPLICA_ELIMIT) {
        replica__error_set(err, r, 0, "a regular expression of the query takes too long on '%s'",
                           row->id);
        replica__error_where(err, "%s/%s", asked->coll->name, row->id);
        return r;
    }
    return r < 0 ? replica__enomem(err) : r;
}

int replica__asked_plan(const struct replica__asked *asked, struct replica__reader **ret_reader,
                        replica_db **ret_read, struct replica__plan *ret_plan, replica_error *err)
{
    replica_db *db = asked->coll->db;
    int r = replica__reader_main(db, ret_reader, err);

    if (r >= 0)
        r = replica__read_begin(db, ret_read, err);
    if (r >= 0)
        r = replica__txn_know(db, err);
    if (r >= 0)
        r = replica__plan_make(asked->coll, asked->query, asked->text, asked->len, ret_plan, err);
    return r;
}

/* ---- a cursor's source ----------------------------------------------------------- */

struct finding {
    struct replica__source source;
    struct replica__asked asked;
    struct replica__plan plan;
    struct replica__reader *own; /* NULL: not needed yet */
    struct replica__scan scan;
    bool running;
    bool sorted; /* the finds are there */
    struct replica__finds finds;
    size_t at;      /* in finds */
    int64_t passed; /* matches, of which the first are skipped */
    int64_t given;
    int64_t kept;   /* of what was given: in batches that the cursor has; the rest failed */
    struct replica__buf text; /* of what is cut to its fields */
};

/* To the beginning, behind what the cursor has. */
static void rewind_finding(struct finding *f)
{
    replica__scan_end(&f->scan);
    replica__finds_free(&f->finds);
    f->running = f->sorted = false;
    f->at = 0;
    f->passed = 0;
    f->given = f->kept;
}

static void begin_scan(struct finding *f, struct replica__reader *reader)
{
    replica__scan_begin(&f->scan, reader, f->asked.coll, &f->plan);
    f->running = true;
}

/* A document that is at hand is shared. */
static int give_whole(struct finding *f, replica_cursor *cursor, const struct replica__row *row,
                      replica_error *err)
{
    replica_db *db = f->asked.coll->db;
    replica_doc *doc = replica_doc_ref(row->doc);
    int r;

    if (!doc) {
        r = replica__row_doc(db, f->asked.coll->name, row, &doc, err);
        if (r < 0)
            return r;
        replica__shelf_keep(db, row->number, doc);
    }
    return replica__cursor_add(cursor, doc, err);
}

static int give(struct finding *f, replica_cursor *cursor, const struct replica__row *row,
                replica_error *err)
{
    const struct replica__query *q = f->asked.query;
    struct replica__row shown = *row;
    replica_doc *doc = NULL;
    int r = 0;

    if (!q->field_count)
        return give_whole(f, cursor, row, err);
    replica__buf_clear(&f->text);
    replica__query_project(q, f->asked.coll->key, row->body, row->len, &f->text);
    if (f->text.r < 0)
        return replica__enomem(err);
    shown.body = f->text.data;
    shown.len = f->text.len;
    if (row->doc)
        doc = replica__doc_with_text(row->doc, shown.body, shown.len, row->version);
    else
        r = replica__row_doc(f->asked.coll->db, f->asked.coll->name, &shown, &doc, err);
    if (r < 0 || !doc)
        return r < 0 ? r : replica__enomem(err);
    return replica__cursor_add(cursor, doc, err);
}

static bool is_done(const struct finding *f)
{
    return f->asked.query->limit >= 0 && f->given >= f->asked.query->limit;
}

/* Is there room?  Where there is one connection, there is. */
static bool is_full(const struct finding *f, const replica_cursor *cursor)
{
    return !f->asked.coll->db->memory && replica__cursor_is_full(cursor);
}

/* ---- in order -------------------------------------------------------------------- */

enum {
    FULL = 1,
    AS_SORTED = 2, /* the file's order of ids is no longer the right one */
    DONE = 3
};

struct filling {
    struct finding *f;
    replica_cursor *cursor;
};

static int take_in_order(void *ctx, const struct replica__row *row, replica_error *err)
{
    struct filling *filling = ctx;
    struct finding *f = filling->f;
    int64_t skip = f->asked.query->skip, passed;
    int r;

    if (f->plan.kind == REPLICA__SCAN_IDS && !replica__scan_id_is_plain(row->id, row->id_len))
        return AS_SORTED;
    r = replica__asked_match(&f->asked, f->plan.matches, row, err);
    if (r <= 0)
        return r;
    passed = f->passed++;
    if (passed < skip || passed - skip < f->kept)
        return 0;
    r = give(f, filling->cursor, row, err);
    if (r < 0)
        return r;
    f->given++;
    return is_done(f) ? DONE : is_full(f, filling->cursor) ? FULL : 0;
}

static int give_in_order(struct finding *f, replica_cursor *cursor, replica_error *err)
{
    int r = is_done(f)
                ? 0
                : replica__scan_run(&f->scan, take_in_order, &(struct filling){ f, cursor }, err);

    return r == DONE ? 0 : r;
}

/* ---- sorted ---------------------------------------------------------------------- */

static int take_sorted(void *ctx, const struct replica__row *row, replica_error *err)
{
    struct finding *f = ctx;
    int r = replica__asked_match(&f->asked, f->plan.matches, row, err);

    return r > 0 ? replica__finds_add(&f->finds, f->asked.query, row, err) : r;
}

static int find_all(struct finding *f, replica_error *err)
{
    const struct replica__query *q = f->asked.query;
    int r;

    if (q->limit >= 0 && q->limit <= INT64_MAX / 2 && q->skip <= INT64_MAX / 2)
        f->finds.most = (size_t)(q->limit + q->skip) + (q->limit + q->skip == 0);
    r = replica__scan_run(&f->scan, take_sorted, f, err);
    if (r >= 0)
        r = replica__finds_sort(&f->finds, err);
    f->sorted = r >= 0;
    f->at = q->skip < (int64_t)f->finds.n ? (size_t)q->skip : f->finds.n;
    f->at += (size_t)f->given < f->finds.n - f->at ? (size_t)f->given : f->finds.n - f->at;
    return r;
}

static int take_one(void *ctx, const struct replica__row *row, const struct replica__slice *key,
                    replica_error *err)
{
    struct filling *filling = ctx;

    (void)key;
    return give(filling->f, filling->cursor, row, err);
}

static int give_number(struct finding *f, replica_cursor *cursor, int64_t number,
                       replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    int rc = SQLITE_OK;
    int r = replica__reader_get(f->scan.reader, REPLICA__FIND_NUMBER, &stmt, err);

    if (r < 0)
        return r;
    replica__bind_int(stmt, 1, number, &rc);
    return replica__reader_run(f->scan.reader, stmt, rc, take_one, &(struct filling){ f, cursor },
                               err);
}

static int give_sorted(struct finding *f, replica_cursor *cursor, replica_error *err)
{
    int r = f->sorted ? 0 : find_all(f, err);

    while (r >= 0 && !is_done(f) && f->at < f->finds.n) {
        if (is_full(f, cursor))
            return FULL;
        r = give_number(f, cursor, f->finds.found[f->at].number, err);
        f->at++;
        f->given++;
    }
    return r < 0 ? r : 0;
}

/* ---- on one connection or the other ---------------------------------------------- */

static int plan(struct finding *f, bool sorted, replica_error *err)
{
    const struct replica__asked *a = &f->asked;
    struct replica__plan made = { 0 };
    int r = sorted ? replica__plan_sorted(a->query, &made, err)
                   : replica__plan_make(a->coll, a->query, a->text, a->len, &made, err);

    if (r < 0)
        return r;
    replica__plan_free(&f->plan);
    f->plan = made;
    return 0;
}

static int go_on(struct finding *f, replica_cursor *cursor, replica_error *err)
{
    struct replica__reader *reader = f->scan.reader;
    int64_t given;
    int r = f->plan.order == REPLICA__ORDER_NONE ? give_sorted(f, cursor, err)
                                                 : give_in_order(f, cursor, err);

    if (r != AS_SORTED)
        return r;
    given = f->given; /* they are the first ones in either order */
    rewind_finding(f);
    f->given = given;
    r = plan(f, true, err);
    if (r < 0)
        return r;
    begin_scan(f, reader);
    return give_sorted(f, cursor, err);
}

/* All in one moment of the handle's connection.  1: that was not all, and nothing was given. */
static int fill_here(struct finding *f, replica_cursor *cursor, replica_error *err)
{
    struct replica__reader *reader = NULL;
    struct replica__plan made = { 0 };
    REPLICA_READ read = NULL;
    int r = replica__asked_plan(&f->asked, &reader, &read, &made, err);

    replica__plan_free(&f->plan);
    f->plan = made;
    if (r < 0)
        return r;
    begin_scan(f, reader);
    r = go_on(f, cursor, err);
    rewind_finding(f);
    if (r > 0)
        replica__cursor_take_back(cursor);
    return r;
}

/* The plan was made from what this handle's connection sees.  1: it holds at the other's moment. */
static int begin_there(struct finding *f, bool last_try, replica_error *err)
{
    replica_db *db = f->asked.coll->db;
    int r = replica__txn_know(db, err);

    if (r >= 0)
        r = plan(f, last_try, err);
    if (r >= 0)
        r = replica__reader_open(db, &f->own, err);
    if (r >= 0)
        r = replica__scan_holds(f->own, f->asked.coll, &f->plan, err);
    if (r <= 0) {
        replica__reader_close(f->own);
        f->own = NULL;
        return r;
    }
    return 1;
}

/* After a failure it begins anew at the same moment, behind what was given. */
static int fill(struct replica__source *self, replica_cursor *cursor, replica_error *err)
{
    struct finding *f = (struct finding *)self;
    int r = 0;

    if (!f->own) {
        r = fill_here(f, cursor, err);
        if (r <= 0)
            return r;
        r = 0;
        for (int i = 1; r == 0 && i <= TRIES; i++)
            r = begin_there(f, i == TRIES, err);
        if (r < 0)
            return r;
    }
    if (!f->running)
        begin_scan(f, f->own);
    r = go_on(f, cursor, err);
    if (r > 0)
        f->kept = f->given;
    else
        rewind_finding(f);
    if (r == 0) { /* its moment is no longer needed */
        replica__reader_close(f->own);
        f->own = NULL;
    }
    return r;
}

static void free_finding(struct replica__source *self)
{
    struct finding *f = (struct finding *)self;

    rewind_finding(f);
    replica__reader_close(f->own);
    replica__plan_free(&f->plan);
    replica__asked_free(&f->asked);
    replica__buf_free(&f->text);
    replica__free(f);
}

int replica_find(replica_collection *coll, const char *query, size_t len,
                 replica_cursor **ret_cursor, replica_error *err)
{
    REPLICA_ASKED asked = { 0 };
    struct finding *f;
    int r;

    if (!ret_cursor)
        return replica__error_set(err, REPLICA_EINVAL, 0, "no place for the cursor");
    r = replica__ask(coll, query, len, &asked, err);
    if (r < 0)
        return r;
    f = replica__alloc_zero(1, sizeof *f);
    if (!f)
        return replica__enomem(err);
    f->source = (struct replica__source){ .fill = fill, .free = free_finding };
    f->asked = asked;
    memset(&asked, 0, sizeof asked);
    return replica__cursor_open(coll, &f->source, BATCH, BATCH_BYTES, ret_cursor, err);
}
