/* A conflict handler that merges, to be copied; see merge.c. */
#ifndef EXAMPLES_MERGE_H
#define EXAMPLES_MERGE_H

#include <libreplica/libreplica.h>

/* Make ret_handler one that merges.  counters: names of top-level members that hold whole numbers,
 * to which both sides may add; NULL at the end.  They must stay until the database is closed.
 * NULL: there are none. */
void merge_handler(const char *const *counters, replica_conflict_handler *ret_handler);

#endif
