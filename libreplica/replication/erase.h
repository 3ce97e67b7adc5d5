/* Documents that their reader is not to have any more. */
#ifndef LIBREPLICA_ERASE_H
#define LIBREPLICA_ERASE_H

#include "libreplica/replication/pull.h"

/* The document at row is gone (doc->gone): take away what is here of it, as far as it was the
 * server's.  An edit that was not sent goes to the rejected list, if access has ended; if it only
 * left the filter, the document stays until that was sent. */
int replica__erase(struct replica__pulling *p, struct replica__pulled *doc,
                   const struct replica__row *row, replica_error *err);

#endif
