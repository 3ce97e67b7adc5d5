/* Time to live: documents that delete themselves when their time is over. */
#ifndef LIBREPLICA_TTL_H
#define LIBREPLICA_TTL_H

#include "libreplica/db.h"

/* From now on documents of coll expire ttl_ms after the time in `field` (NULL: after their last
 * write), in the dispatches of its handle. */
int replica__ttl_start(replica_collection *coll, const char *field, int64_t ttl_ms,
                       replica_error *err);
/* Is that how they expire now? */
bool replica__ttl_is(const replica_collection *coll, const char *field, int64_t ttl_ms);

/* The time that a value names, in ms since 1970: a number, or RFC 3339 text.  false: none. */
bool replica__ttl_time(struct replica__json_value v, int64_t *ret_ms);

#endif
