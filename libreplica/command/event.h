/* The table of events: what was emitted of late, by the handles on this file and by other clients
 * of its server, or of the server that it is.
 *
 * It is no queue: rows go after a minute, and when they are too many or too large, whether or not
 * anybody has read them.  Everybody follows it from where it was when he came. */
#ifndef LIBREPLICA_COMMAND_EVENT_H
#define LIBREPLICA_COMMAND_EVENT_H

#include "libreplica/db.h"

/* An address that something can be sent to: a path without stars, of at most so many bytes, so that
 * a command's id has room for it.  REPLICA_EINVAL. */
#define REPLICA__ADDRESS_MOST 1000
int replica__address_check(const char *address, replica_error *err);
/* Any JSON value; NULL: null.  REPLICA_EJSON, REPLICA_ELIMIT.  Ends with what to store. */
int replica__payload_check(const replica_db *db, const char **payload, size_t *len, size_t max,
                           replica_error *err);

/* A batch that was read: texts of its own, so that no statement is open while it is told. */
struct replica__event_batch {
    struct replica__emitted events[32];
    size_t n;
    struct replica__buf text;
};
/* The next ones after a number. */
int replica__event_batch_read(replica_db *db, int64_t after, struct replica__event_batch *ret,
                              replica_error *err);
void replica__event_batch_free(struct replica__event_batch *batch);
/* What a handle that emitted or listened had; the pump has ended its listeners. */
void replica__events_end(replica_db *db);
#define REPLICA_EVENT_BATCH \
    __attribute__((cleanup(replica__event_batch_free))) struct replica__event_batch

#endif
