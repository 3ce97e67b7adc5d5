#include "libreplica/scan.h"

#include <stdlib.h>
#include <string.h>

void replica__scan_begin(struct replica__scan *scan, struct replica__reader *reader,
                         replica_collection *coll, const struct replica__plan *plan)
{
    *scan = (struct replica__scan){ .reader = reader, .coll = coll, .plan = plan };
}

void replica__scan_end(struct replica__scan *scan)
{
    replica__sql_reset(&scan->stmt);
    replica__buf_free(&scan->from);
    replica__buf_free(&scan->to);
    replica__free(scan->numbers);
    memset(scan, 0, sizeof *scan);
}

bool replica__scan_id_is_plain(const char *id, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)id[i];

        if (c > 0xED || (c == 0xED && i + 1 < len && (unsigned char)id[i + 1] >= 0xA0))
            return false;
    }
    return true;
}

static const char *low_of(const struct replica__plan *plan, const struct replica__plan_range *r)
{
    return plan->bytes.data ? plan->bytes.data + r->low : "";
}

static const char *high_of(const struct replica__plan *plan, const struct replica__plan_range *r)
{
    return plan->bytes.data ? plan->bytes.data + r->high : "";
}

/* ---- statements ------------------------------------------------------------------ */

static void bind_key(sqlite3_stmt *stmt, int at, const char *key, size_t len, int *rc)
{
    if (*rc == SQLITE_OK) /* a blob of no bytes must not be NULL */
        *rc = sqlite3_bind_blob64(stmt, at, key, len, SQLITE_STATIC);
}

static void bind_entries(sqlite3_stmt *stmt, const struct replica__plan *plan, const char *low,
                         size_t low_len, const char *high, size_t high_len, int *rc)
{
    replica__bind_int(stmt, 1, plan->index, rc);
    bind_key(stmt, 2, low, low_len, rc);
    bind_key(stmt, 3, high, high_len, rc);
}

static const struct replica__plan_range *next_range(struct replica__scan *scan)
{
    const struct replica__plan *plan = scan->plan;
    size_t i = scan->next++;

    return &plan->ranges[plan->order == REPLICA__ORDER_DOWN ? plan->n - 1 - i : i];
}

static enum replica__find statement_of(const struct replica__plan *plan)
{
    switch (plan->kind) {
    case REPLICA__SCAN_ALL: return REPLICA__FIND_ALL;
    case REPLICA__SCAN_ID: return REPLICA__FIND_ID;
    case REPLICA__SCAN_IDS:
        return plan->order == REPLICA__ORDER_DOWN ? REPLICA__FIND_IDS_DOWN : REPLICA__FIND_IDS;
    default: return REPLICA__FIND_ENTRIES;
    }
}

/* 1: a range is begun; 0: there are no more. */
static int begin_range(struct replica__scan *scan, int *rc, replica_error *err)
{
    const struct replica__plan *plan = scan->plan;
    const struct replica__plan_range *range;
    int r;

    if (scan->next == plan->n)
        return 0;
    range = next_range(scan);
    r = replica__reader_get(scan->reader, statement_of(plan), &scan->stmt, err);
    if (r < 0)
        return r;
    if (plan->kind == REPLICA__SCAN_ENTRIES) {
        bind_entries(scan->stmt, plan, low_of(plan, range), range->low_len, high_of(plan, range),
                     range->high_len, rc);
        return 1;
    }
    replica__bind_int(scan->stmt, 1, scan->coll->number, rc);
    if (plan->kind != REPLICA__SCAN_ALL)
        replica__bind_text(scan->stmt, 2, low_of(plan, range), range->low_len, rc);
    if (plan->kind == REPLICA__SCAN_IDS)
        replica__bind_text(scan->stmt, 3, high_of(plan, range), range->high_len, rc);
    return 1;
}

static int next_upwards(struct replica__scan *scan, replica_error *err)
{
    int rc = SQLITE_OK;
    int r;

    for (;;) {
        if (!scan->stmt) {
            r = begin_range(scan, &rc, err);
            if (r <= 0)
                return r;
        }
        r = replica__reader_step(scan->reader, scan->stmt, rc, err);
        if (r != 0)
            return r;
        replica__sql_reset(&scan->stmt);
    }
}

/* ---- downwards ------------------------------------------------------------------- */

/* The last documents with the same fields, below `to`: their keys are from `from` up to `to`. */
static int find_group(struct replica__scan *scan, const struct replica__plan_range *range,
                      replica_error *err)
{
    REPLICA_BUF id = REPLICA_BUF_INIT;
    REPLICA_STMT stmt = NULL;
    size_t len;
    int rc = SQLITE_OK;
    int r = replica__reader_get(scan->reader, REPLICA__FIND_LAST_ENTRY, &stmt, err);

    if (r < 0)
        return r;
    bind_entries(stmt, scan->plan, low_of(scan->plan, range), range->low_len, scan->to.data,
                 scan->to.len, &rc);
    r = replica__reader_step(scan->reader, stmt, rc, err);
    if (r <= 0)
        return r;
    replica__key_add_text(&id, (const char *)sqlite3_column_text(stmt, 1),
                          (size_t)sqlite3_column_bytes(stmt, 1));
    len = (size_t)sqlite3_column_bytes(stmt, 0);
    if (id.r < 0)
        return replica__enomem(err);
    if (len < id.len)
        return replica__error_set(err, REPLICA_ECORRUPT, 0, "index '%s' has a key without an id",
                                  scan->plan->name);
    replica__buf_clear(&scan->from);
    replica__buf_add(&scan->from, sqlite3_column_blob(stmt, 0), len - id.len);
    replica__key_behind(scan->from.data, scan->from.len, &scan->to);
    return scan->from.r < 0 || scan->to.r < 0 ? replica__enomem(err) : 1;
}

static int begin_group(struct replica__scan *scan, int *rc, replica_error *err)
{
    const struct replica__plan *plan = scan->plan;
    int r = 0;

    while (r == 0) {
        const struct replica__plan_range *range;

        if (!scan->in_groups) {
            if (scan->next == plan->n)
                return 0;
            range = next_range(scan);
            replica__buf_clear(&scan->to);
            replica__buf_add(&scan->to, high_of(plan, range), range->high_len);
        } else { /* below the group that was read */
            range = &plan->ranges[plan->n - scan->next];
            replica__buf_clear(&scan->to);
            replica__buf_add(&scan->to, scan->from.data, scan->from.len);
        }
        if (scan->to.r < 0)
            return replica__enomem(err);
        r = find_group(scan, range, err);
        scan->in_groups = r > 0;
    }
    if (r > 0)
        r = replica__reader_get(scan->reader, REPLICA__FIND_ENTRIES, &scan->stmt, err);
    if (r < 0)
        return r;
    bind_entries(scan->stmt, plan, scan->from.data, scan->from.len, scan->to.data, scan->to.len,
                 rc);
    return 1;
}

static int next_downwards(struct replica__scan *scan, replica_error *err)
{
    int rc = SQLITE_OK;
    int r;

    for (;;) {
        if (!scan->stmt) {
            r = begin_group(scan, &rc, err);
            if (r <= 0)
                return r;
        }
        r = replica__reader_step(scan->reader, scan->stmt, rc, err);
        if (r != 0)
            return r;
        replica__sql_reset(&scan->stmt);
    }
}

/* ---- each document once ---------------------------------------------------------- */

static int by_number(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static int collect_range(struct replica__scan *scan, const struct replica__plan_range *range,
                         size_t *room, replica_error *err)
{
    const struct replica__plan *plan = scan->plan;
    REPLICA_STMT stmt = NULL;
    int rc = SQLITE_OK;
    int r = replica__reader_get(scan->reader, REPLICA__FIND_ENTRY_DOCS, &stmt, err);

    if (r < 0)
        return r;
    bind_entries(stmt, plan, low_of(plan, range), range->low_len, high_of(plan, range),
                 range->high_len, &rc);
    while ((r = replica__reader_step(scan->reader, stmt, rc, err)) > 0) {
        if (scan->count == *room) {
            size_t wanted = *room ? *room * 2 : 256;
            int64_t *grown = replica__realloc(scan->numbers, wanted, sizeof *grown);

            if (!grown)
                return replica__enomem(err);
            scan->numbers = grown;
            *room = wanted;
        }
        scan->numbers[scan->count++] = sqlite3_column_int64(stmt, 0);
    }
    return r;
}

static int collect(struct replica__scan *scan, replica_error *err)
{
    size_t room = 0, kept = 0;
    int r = 0;

    for (size_t i = 0; r >= 0 && i < scan->plan->n; i++)
        r = collect_range(scan, &scan->plan->ranges[i], &room, err);
    if (r < 0)
        return r;
    if (scan->count > 1)
        qsort(scan->numbers, scan->count, sizeof *scan->numbers, by_number);
    for (size_t i = 0; i < scan->count; i++) {
        if (i == 0 || scan->numbers[i] != scan->numbers[kept - 1])
            scan->numbers[kept++] = scan->numbers[i];
    }
    scan->count = kept;
    scan->collected = true;
    return 0;
}

static int next_once(struct replica__scan *scan, replica_error *err)
{
    int r = scan->collected ? 0 : collect(scan, err);

    while (r >= 0 && scan->at < scan->count) {
        int rc = SQLITE_OK;

        replica__sql_reset(&scan->stmt);
        r = replica__reader_get(scan->reader, REPLICA__FIND_NUMBER, &scan->stmt, err);
        if (r < 0)
            return r;
        replica__bind_int(scan->stmt, 1, scan->numbers[scan->at++], &rc);
        r = replica__reader_step(scan->reader, scan->stmt, rc, err);
        if (r != 0)
            return r;
    }
    return r;
}

int replica__scan_next(struct replica__scan *scan, struct replica__row *ret, replica_error *err)
{
    const struct replica__plan *plan = scan->plan;
    int r;

    if (plan->dedupes)
        r = next_once(scan, err);
    else if (plan->kind == REPLICA__SCAN_ENTRIES && plan->order == REPLICA__ORDER_DOWN)
        r = next_downwards(scan, err);
    else
        r = next_upwards(scan, err);
    if (r > 0) {
        r = replica__row_read(scan->coll->db, scan->stmt, ret, err);
        r = r < 0 ? r : 1;
    }
    return r;
}

/* ---- without documents ----------------------------------------------------------- */

int replica__scan_count(struct replica__reader *reader, const struct replica__plan *plan,
                        int64_t *ret_count, replica_error *err)
{
    int64_t count = 0;

    for (size_t i = 0; i < plan->n; i++) {
        const struct replica__plan_range *range = &plan->ranges[i];
        REPLICA_STMT stmt = NULL;
        int rc = SQLITE_OK;
        int r = replica__reader_get(reader, REPLICA__FIND_ENTRY_COUNT, &stmt, err);

        if (r < 0)
            return r;
        bind_entries(stmt, plan, low_of(plan, range), range->low_len, high_of(plan, range),
                     range->high_len, &rc);
        r = replica__reader_step(reader, stmt, rc, err);
        if (r < 0)
            return r;
        count += sqlite3_column_int64(stmt, 0);
    }
    *ret_count = count;
    return 0;
}

int replica__scan_holds(struct replica__reader *reader, const replica_collection *coll,
                        const struct replica__plan *plan, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    int rc = SQLITE_OK;
    int r;

    if (plan->kind != REPLICA__SCAN_ENTRIES)
        return 1;
    r = replica__reader_get(reader, REPLICA__FIND_INDEX, &stmt, err);
    if (r < 0)
        return r;
    replica__bind_int(stmt, 1, plan->index, &rc);
    replica__bind_int(stmt, 2, coll->number, &rc);
    r = replica__reader_step(reader, stmt, rc, err);
    if (r <= 0)
        return r;
    return sqlite3_column_int64(stmt, 0) == (int64_t)plan->flags &&
           sqlite3_column_type(stmt, 1) == SQLITE_NULL;
}
