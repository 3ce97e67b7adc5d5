/* An index downwards: by its fields from the last one on, but where they are the same by id
 * upwards.
 *
 * Entries come in the very opposite order of the index.  Those with the same fields are held until
 * the first one with others comes, and then given from the last one on.  A group of more than MOST
 * is not held: it is read again, upwards. */
#include "libreplica/query/scan.h"

#include <string.h>

#define MOST 64

enum { LARGE = 0x4c52 }; /* of our own: the statement stops for us */

void replica__held_free(struct replica__held *held)
{
    while (held->n > 0)
        replica_doc_unref(held->rows[--held->n].row.doc);
    replica__buf_free(&held->bytes);
    replica__free(held->rows);
    memset(held, 0, sizeof *held);
}

static void empty(struct replica__held *held)
{
    while (held->n > 0)
        replica_doc_unref(held->rows[--held->n].row.doc);
    replica__buf_clear(&held->bytes);
}

static int hold(struct replica__held *held, const struct replica__row *row, replica_error *err)
{
    struct replica__held_row kept = { .row = *row, .id = held->bytes.len };

    if (held->n == held->room) {
        size_t room = held->room ? held->room * 2 : 4;
        struct replica__held_row *grown = replica__realloc(held->rows, room, sizeof *grown);

        if (!grown)
            return replica__enomem(err);
        held->rows = grown;
        held->room = room;
    }
    if (!row->doc) {
        replica__buf_add(&held->bytes, row->id, row->id_len + 1);
        kept.body = held->bytes.len;
        replica__buf_add(&held->bytes, row->body, row->len);
    }
    replica_doc_ref(row->doc);
    held->rows[held->n++] = kept;
    return held->bytes.r < 0 ? replica__enomem(err) : 0;
}

/* Give what is ready: 0 all of it; else what take said. */
static int give_ready(struct replica__scan *scan, replica_error *err)
{
    struct replica__held *ready = &scan->ready;
    int r = 0;

    while (r == 0 && ready->n > 0) {
        struct replica__held_row *held = &ready->rows[--ready->n];

        if (!held->row.doc) {
            held->row.id = ready->bytes.data + held->id;
            held->row.body = ready->bytes.data + held->body;
        }
        r = scan->take(scan->ctx, &held->row, err);
        replica_doc_unref(held->row.doc);
    }
    return r;
}

/* The group is complete: it becomes what is ready, and the next one is empty. */
static int end_group(struct replica__scan *scan, replica_error *err)
{
    struct replica__held done = scan->group;

    scan->group = scan->ready;
    scan->ready = done;
    empty(&scan->group);
    return give_ready(scan, err);
}

/* Where the primary key begins: behind the end of the fields' last key, a 0.  No id has a 0, and
 * there are no arrays, whose keys end otherwise. */
static size_t fields_len(const struct replica__slice *key)
{
    size_t at = key->len > 2 ? key->len - 2 : 0;

    while (at > 0 && key->data[at - 1])
        at--;
    return at;
}

static int take_entry(void *ctx, const struct replica__row *row, const struct replica__slice *key,
                      replica_error *err)
{
    struct replica__scan *scan = ctx;
    size_t len = fields_len(key);
    int given = 0, r;

    if (scan->group.n > 0 &&
        (len != scan->from.len || memcmp(key->data, scan->from.data, len) != 0))
        given = end_group(scan, err);
    if (given < 0)
        return given;
    if (scan->group.n == MOST)
        return LARGE;
    if (scan->group.n == 0) {
        replica__buf_clear(&scan->from);
        replica__buf_add(&scan->from, key->data, len);
        if (scan->from.r < 0)
            return replica__enomem(err);
    }
    r = hold(&scan->group, row, err);
    return r < 0 ? r : given;
}

static int give_upwards(void *ctx, const struct replica__row *row, const struct replica__slice *key,
                        replica_error *err)
{
    struct replica__scan *scan = ctx;

    (void)key;
    return scan->take(scan->ctx, row, err);
}

/* ---- statements ------------------------------------------------------------------ */

/* 1: a range, or what is left of it below a large group; 0: there are no more. */
static int begin(struct replica__scan *scan, int *rc, replica_error *err)
{
    const struct replica__plan *plan = scan->plan;
    const struct replica__plan_range *range;
    int r;

    if (!scan->below) {
        if (scan->next == plan->n)
            return 0;
        range = &plan->ranges[plan->n - ++scan->next];
        replica__buf_clear(&scan->to);
        replica__buf_add(&scan->to, replica__plan_high(plan, range), range->high_len);
        if (scan->to.r < 0)
            return replica__enomem(err);
    }
    scan->below = false;
    range = &plan->ranges[plan->n - scan->next];
    r = replica__reader_get(scan->reader, REPLICA__FIND_ENTRIES_DOWN, &scan->stmt, err);
    if (r < 0)
        return r;
    replica__scan_bind(scan->stmt, plan, replica__plan_low(plan, range), range->low_len,
                       scan->to.data, scan->to.len, rc);
    return 1;
}

/* Leave the statement, read the group upwards, and go on below it later. */
static int begin_large(struct replica__scan *scan, int *rc, replica_error *err)
{
    int r;

    replica__sql_reset(&scan->stmt);
    empty(&scan->group);
    replica__key_behind(scan->from.data, scan->from.len, &scan->to);
    if (scan->to.r < 0)
        return replica__enomem(err);
    r = replica__reader_get(scan->reader, REPLICA__FIND_ENTRIES, &scan->stmt, err);
    if (r < 0)
        return r;
    replica__scan_bind(scan->stmt, scan->plan, scan->from.data, scan->from.len, scan->to.data,
                       scan->to.len, rc);
    scan->large = true;
    return 0;
}

static int end_large(struct replica__scan *scan, replica_error *err)
{
    scan->large = false;
    scan->below = true;
    replica__buf_clear(&scan->to);
    replica__buf_add(&scan->to, scan->from.data, scan->from.len);
    return scan->to.r < 0 ? replica__enomem(err) : 0;
}

int replica__scan_run_down(struct replica__scan *scan, replica_error *err)
{
    int rc = SQLITE_OK;
    int r = give_ready(scan, err);

    while (r == 0) {
        if (!scan->stmt) {
            r = begin(scan, &rc, err);
            if (r <= 0)
                return r;
        }
        r = replica__reader_run(scan->reader, scan->stmt, rc,
                                scan->large ? give_upwards : take_entry, scan, err);
        if (r == LARGE) {
            r = begin_large(scan, &rc, err);
        } else if (r == 0) {
            replica__sql_reset(&scan->stmt);
            r = scan->large ? end_large(scan, err) : end_group(scan, err);
        }
    }
    return r;
}
