/* What a query sees at a path, for the matcher: see path.c. */
#ifndef LIBREPLICA_PATH_H
#define LIBREPLICA_PATH_H

#include "libreplica/query/key.h"

/* What operators compare, from v on, of which the parts before `from` have been gone already.
 * Type NONE: missing.  The value is part of v's text, or of room's; room->r tells of a failure. */
struct replica__json_value replica__path_resolve(const struct replica__path *path, size_t from,
                                                 struct replica__json_value v,
                                                 struct replica__buf *room);
/* Of the parts of a path: digits only, which is an element of an array. */
bool replica__path_is_number(struct replica__slice part);
/* What $exists asks of a path with more than one part that ends with a name. */
bool replica__path_exists(const struct replica__path *path, size_t from,
                          struct replica__json_value v);

#endif
