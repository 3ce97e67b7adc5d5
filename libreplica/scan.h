/* A plan at work: the documents that may match, one after the other. */
#ifndef LIBREPLICA_SCAN_H
#define LIBREPLICA_SCAN_H

#include "libreplica/plan.h"
#include "libreplica/reader.h"

struct replica__scan {
    struct replica__reader *reader;
    replica_collection *coll;
    const struct replica__plan *plan;
    sqlite3_stmt *stmt;  /* of the range that is being read */
    size_t next;         /* range */
    bool in_groups;      /* downwards: stmt is on documents with the same fields */
    struct replica__buf from, to;
    int64_t *numbers;    /* where documents may come more than once */
    size_t count, at;
    bool collected;
};

/* Everything it points to must outlive it, and the reader must stand still. */
void replica__scan_begin(struct replica__scan *scan, struct replica__reader *reader,
                         replica_collection *coll, const struct replica__plan *plan);
/* 1 and a live document, borrowed until the next call; 0: the end. */
int replica__scan_next(struct replica__scan *scan, struct replica__row *ret, replica_error *err);
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

#endif
