/* The values of "format": is this text a date-time, a hostname, a URI...?  As the drafts define
 * them, by the RFCs that they name. */
#ifndef SCHEMA_FORMAT_H
#define SCHEMA_FORMAT_H

#include "libreplica/libreplica.h"

#include <stdbool.h>

/* text: unescaped; may contain NULs.  1, 0, REPLICA_ENOMEM. */
typedef int (*replica__format_fn)(const char *text, size_t len);
/* The check of that name; NULL: not a name that this draft (4, 7, 2020) knows, which asserts
 * nothing. */
replica__format_fn replica__format_find(const char *name, size_t len, int draft);

#endif
