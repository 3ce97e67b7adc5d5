/* The answer of one query, kept in step with the change feed.
 *
 * Without skip and limit all that match are kept, and each change is one difference.  With them it
 * is the documents up to the window's end and some more: documents that leave are replaced by those
 * behind them, and only when these run out the query is run again.  The differences are then those
 * between the window that was told last and the window now. */
#ifndef LIBREPLICA_LIVE_RESULT_H
#define LIBREPLICA_LIVE_RESULT_H

#include "libreplica/live/diff.h"
#include "libreplica/live/set.h"
#include "libreplica/query/mango.h"
#include "libreplica/row.h"

struct replica__live_result {
    replica_collection *coll;
    struct replica__query *query;
    char *text;               /* the query's selector, sort and index; open at its end */
    struct replica__live_set set;
    bool all;                 /* the set is all that matches, else all up to bound */
    struct replica__buf bound;
    bool windowed;            /* there is a skip, or a limit */
    bool touched;             /* windowed: the set is not as it was when shown was made */
    replica_doc **shown;      /* windowed: what was told last */
    size_t shown_n;
    struct replica__live_diff diff; /* what is not told yet */
    bool stale;               /* the query must be run again */
    struct replica__buf key, body; /* room to work in */
};

/* It is stale then.  REPLICA_EINVAL. */
int replica__live_result_new(replica_collection *coll, const char *query, size_t len,
                             struct replica__live_result **ret, replica_error *err);
void replica__live_result_free(struct replica__live_result *result); /* NULL is fine */

/* A document is in this state now.  It may be told again.  After a failure the result is stale. */
int replica__live_result_follow(struct replica__live_result *result, const struct replica__row *row,
                                replica_error *err);
/* Run the query again if it is stale, or if the window has run out, and have in diff all that has
 * changed since it was taken last.  After a failure diff is as it was. */
int replica__live_result_settle(struct replica__live_result *result, replica_error *err);

size_t replica__live_result_count(const struct replica__live_result *result);
replica_doc *replica__live_result_at(const struct replica__live_result *result, size_t place);

#endif
