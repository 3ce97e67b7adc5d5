/* Pages of the feed, as both dialects ask for them. */
#ifndef SERVER_PULL_H
#define SERVER_PULL_H

#include "tools/server/state.h"

/* GET pull of our dialect. */
void replica__pull_replica(struct replica__service *service,
                           const struct replica__request *request, struct replica__reply *reply);
/* GET .../pull of RxDB's. */
void replica__pull_rxdb(struct replica__service *service, const struct replica__request *request,
                        const struct replica__target *target, struct replica__reply *reply);

#endif
