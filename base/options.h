/* Options structs: they start with their own size, and mean "default" where they are zero. */
#ifndef BASE_OPTIONS_H
#define BASE_OPTIONS_H

#include "libreplica/libreplica.h"

/* Take an options struct of any size into the one that this library knows (given NULL: all
 * defaults). REPLICA_EINVAL: a field that it does not know is not zero, for the program means
 * something by it. */
REPLICA_INTERNAL int replica__options(const void *given, size_t given_size, void *known,
                                      size_t known_size, replica_error *err);

#endif
