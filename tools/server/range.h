/* Reconciliation, on the server's side: digests of ranges of keys, the keys in one, and documents
 * by their keys; and the horizon up to which deletions were purged. */
#ifndef SERVER_RANGE_H
#define SERVER_RANGE_H

#include "tools/server/state.h"

void replica__digests_answer(struct replica__service *service,
                             const struct replica__request *request, struct replica__reply *reply);
void replica__ids_answer(struct replica__service *service, const struct replica__request *request,
                         struct replica__reply *reply);
void replica__documents_answer(struct replica__service *service,
                               const struct replica__request *request,
                               struct replica__reply *reply);

/* Who has read these collections up to `since`, did it miss deletions that are purged by now?  1,
 * 0, < 0.  The beginning misses none. */
int replica__range_missed(const struct replica__service *service,
                          const struct replica__target *targets, size_t n, int64_t since,
                          replica_error *err);

#endif
