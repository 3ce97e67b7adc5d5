/* A plan at work: the documents that may match, one after the other. */
#ifndef LIBREPLICA_SCAN_H
#define LIBREPLICA_SCAN_H

#include "libreplica/query/plan.h"
#include "libreplica/query/reader.h"

/* A live document, borrowed for the call.  0: go on; else the scan stops behind it. */
typedef int (*replica__take_fn)(void *ctx, const struct replica__row *row, replica_error *err);

/* Rows that wait: documents with the same fields, which an index gives by id downwards. */
struct replica__held {
    struct replica__held_row {
        struct replica__row row;
        size_t id, body; /* in bytes */
    } * rows;
    size_t n, room;
    struct replica__buf bytes;
};

struct replica__scan {
    struct replica__reader *reader;
    replica_collection *coll;
    const struct replica__plan *plan;
    replica__take_fn take;
    void *ctx;
    sqlite3_stmt *stmt; /* of the range that is being read */
    size_t next;        /* range */

    int64_t *numbers; /* where documents may come more than once */
    size_t count, at;
    bool collected;

    struct replica__held group, ready; /* downwards: being read; given from its end on */
    struct replica__buf from, to;      /* the group's keys; below that it goes on */
    bool large;                        /* the group is read upwards instead */
    bool below;                        /* there is a range that goes on below `to` */
};

/* Everything it points to must outlive it, and the reader must stand still. */
void replica__scan_begin(struct replica__scan *scan, struct replica__reader *reader,
                         replica_collection *coll, const struct replica__plan *plan);
/* Give documents to take until it stops: what it said; 0: the end.  Called again, it goes on. */
int replica__scan_run(struct replica__scan *scan, replica__take_fn take, void *ctx,
                      replica_error *err);
void replica__scan_end(struct replica__scan *scan); /* of zeros is fine */
/* How many entries are in the plan's ranges: where they decide alone. */
int replica__scan_count(struct replica__reader *reader, const struct replica__plan *plan,
                        int64_t *ret_count, replica_error *err);
/* Is the plan's index still as it was when it was chosen, as the reader sees it?  1, 0. */
int replica__scan_holds(struct replica__reader *reader, const replica_collection *coll,
                        const struct replica__plan *plan, replica_error *err);

/* Do ids with this one among them come in the order of keys when the file gives them?  Not behind
 * characters that UTF-16 orders otherwise. */
bool replica__scan_id_is_plain(const char *id, size_t len);

/* ---- for scan_down.c ------------------------------------------------------------- */

void replica__scan_bind(sqlite3_stmt *stmt, const struct replica__plan *plan, const char *low,
                        size_t low_len, const char *high, size_t high_len, int *rc);
int replica__scan_run_down(struct replica__scan *scan, replica_error *err);
void replica__held_free(struct replica__held *held);
static inline const char *replica__plan_low(const struct replica__plan *plan,
                                            const struct replica__plan_range *range)
{
    return plan->bytes.data ? plan->bytes.data + range->low : "";
}
static inline const char *replica__plan_high(const struct replica__plan *plan,
                                             const struct replica__plan_range *range)
{
    return plan->bytes.data ? plan->bytes.data + range->high : "";
}

#endif
