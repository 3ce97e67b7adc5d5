/* How a query is answered: which index, which ranges of its keys, and what is left to do.
 *
 * The choice follows rules, and is the same for the same query and indexes, whatever the documents
 * are:
 *
 *   the ids themselves                             before everything
 *   each first field of an index that is bound to single values         100  ($in: 90)
 *   behind those, a field that is bound on both sides                    60
 *   ... on one side                                                      30
 *   the index gives the order of the sort                                20, with a limit 40
 *
 * The highest sum wins; then an index that decides alone, then the first name.  The primary key is
 * an index too, before the others. */
#ifndef LIBREPLICA_PLAN_H
#define LIBREPLICA_PLAN_H

#include "libreplica/index/index.h"

/* Combinations of single values ($in) that are looked up one by one. */
#define REPLICA__PLAN_RANGES 256

enum replica__scan_kind {
    REPLICA__SCAN_ALL,    /* the whole collection */
    REPLICA__SCAN_IDS,    /* ranges of ids, in the order of ids */
    REPLICA__SCAN_ID,     /* single ids: each range's low is one */
    REPLICA__SCAN_ENTRIES /* ranges of an index's keys */
};
enum replica__scan_order {
    REPLICA__ORDER_NONE, /* collected, sorted */
    REPLICA__ORDER_UP,
    REPLICA__ORDER_DOWN /* by the fields downwards, where they are the same by id upwards */
};
struct replica__plan_range {
    size_t low, low_len, high, high_len; /* in bytes */
};
struct replica__plan {
    enum replica__scan_kind kind;
    enum replica__scan_order order;
    int64_t index;  /* ENTRIES: its number */
    unsigned flags; /* and flags when it was chosen */
    char name[256]; /* "": the primary key */
    struct replica__buf bytes;
    struct replica__plan_range *ranges; /* ascending, apart from each other */
    size_t n;
    bool matches; /* documents must be asked */
    bool dedupes; /* a document may come more than once */
    bool all;     /* no condition of the query narrows it down */
    int score;
};

/* selector: the query's own text of it, or NULL.  REPLICA_EINVAL: the hint names no index, or one
 * that cannot answer; REPLICA_EBUSY: it is not built. */
int replica__plan_make(replica_collection *coll, const struct replica__query *query,
                       const char *json, size_t len, struct replica__plan *ret, replica_error *err);
void replica__plan_free(struct replica__plan *plan);
/* The plan for when indexes may not be used: it always is right. */
int replica__plan_sorted(const struct replica__query *query, struct replica__plan *ret,
                         replica_error *err);
/* In words. */
void replica__plan_show(const struct replica__plan *plan, const replica_collection *coll,
                        const struct replica__query *query, replica_plan *ret);

/* Does every document that matches the query match `where`, as far as one can tell by looking at
 * both texts: each condition of where stands in the query, too. */
bool replica__selector_implies(const char *query, size_t query_len, const char *where,
                               size_t where_len);

#endif
