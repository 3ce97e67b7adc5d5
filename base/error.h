/* How an error gets its words.
 *
 * The lowest place that knows the names (document, table, URL) words the error; everyone above
 * returns the code untouched.  err may be NULL everywhere. */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include "libreplica/libreplica.h"

/* Fill err and return code, so that a failure is one line:
 *     return replica__error_set(err, REPLICA_EINVAL, 0, "no name"); */
REPLICA_INTERNAL int replica__error_set(replica_error *err, int code, int detail,
                                        const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* The same with the byte offset of what is wrong in the text that was given. */
REPLICA_INTERNAL int replica__error_at(replica_error *err, int code, int64_t offset,
                                       const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Name what the error is about, unless a lower floor did so already.  Cut to size on a character's
 * edge, never inside one.  It gives no result: without an err there would be none to give. */
REPLICA_INTERNAL void replica__error_where(replica_error *err, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

REPLICA_INTERNAL int replica__enomem(replica_error *err); /* REPLICA_ENOMEM, worded */

#endif
