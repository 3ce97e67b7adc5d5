#include "libreplica/query/scan.h"

#include <stdlib.h>
#include <string.h>

void replica__scan_begin(struct replica__scan *scan, struct replica__reader *reader,
                         replica_collection *coll, const struct replica__plan *plan)
{
    *scan = (struct replica__scan){ .reader = reader, .coll = coll, .plan = plan };
    reader->version = coll->version;
}

void replica__scan_end(struct replica__scan *scan)
{
    replica__sql_reset(&scan->stmt);
    replica__buf_free(&scan->from);
    replica__buf_free(&scan->to);
    replica__held_free(&scan->group);
    replica__held_free(&scan->ready);
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

/* ---- statements ------------------------------------------------------------------ */

static void bind_key(sqlite3_stmt *stmt, int at, const char *key, size_t len, int *rc)
{
    if (*rc == SQLITE_OK) /* a blob of no bytes must not be NULL */
        *rc = sqlite3_bind_blob64(stmt, at, key, len, SQLITE_STATIC);
}

void replica__scan_bind(sqlite3_stmt *stmt, const struct replica__plan *plan, const char *low,
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
    case REPLICA__SCAN_ALL:
        return REPLICA__FIND_ALL;
    case REPLICA__SCAN_ID:
        return REPLICA__FIND_ID;
    case REPLICA__SCAN_IDS:
        return plan->order == REPLICA__ORDER_DOWN ? REPLICA__FIND_IDS_DOWN : REPLICA__FIND_IDS;
    default:
        return REPLICA__FIND_ENTRIES;
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
        replica__scan_bind(scan->stmt, plan, replica__plan_low(plan, range), range->low_len,
                           replica__plan_high(plan, range), range->high_len, rc);
        return 1;
    }
    replica__bind_int(scan->stmt, 1, scan->coll->number, rc);
    if (plan->kind != REPLICA__SCAN_ALL)
        replica__bind_text(scan->stmt, 2, replica__plan_low(plan, range), range->low_len, rc);
    if (plan->kind == REPLICA__SCAN_IDS)
        replica__bind_text(scan->stmt, 3, replica__plan_high(plan, range), range->high_len, rc);
    return 1;
}

static int give(void *ctx, const struct replica__row *row, const struct replica__slice *key,
                replica_error *err)
{
    struct replica__scan *scan = ctx;

    (void)key;
    return scan->take(scan->ctx, row, err);
}

static int run_upwards(struct replica__scan *scan, replica_error *err)
{
    int rc = SQLITE_OK;
    int r;

    for (;;) {
        if (!scan->stmt) {
            r = begin_range(scan, &rc, err);
            if (r <= 0)
                return r;
        }
        r = replica__reader_run(scan->reader, scan->stmt, rc, give, scan, err);
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
    replica__scan_bind(stmt, plan, replica__plan_low(plan, range), range->low_len,
                       replica__plan_high(plan, range), range->high_len, &rc);
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

static int run_once(struct replica__scan *scan, replica_error *err)
{
    int r = scan->collected ? 0 : collect(scan, err);

    while (r == 0 && scan->at < scan->count) {
        REPLICA_STMT stmt = NULL;
        int rc = SQLITE_OK;

        r = replica__reader_get(scan->reader, REPLICA__FIND_NUMBER, &stmt, err);
        if (r < 0)
            return r;
        replica__bind_int(stmt, 1, scan->numbers[scan->at++], &rc);
        r = replica__reader_run(scan->reader, stmt, rc, give, scan, err);
    }
    return r;
}

int replica__scan_run(struct replica__scan *scan, replica__take_fn take, void *ctx,
                      replica_error *err)
{
    const struct replica__plan *plan = scan->plan;

    scan->take = take;
    scan->ctx = ctx;
    if (plan->dedupes)
        return run_once(scan, err);
    if (plan->kind == REPLICA__SCAN_ENTRIES && plan->order == REPLICA__ORDER_DOWN)
        return replica__scan_run_down(scan, err);
    return run_upwards(scan, err);
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
        replica__scan_bind(stmt, plan, replica__plan_low(plan, range), range->low_len,
                           replica__plan_high(plan, range), range->high_len, &rc);
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
