/* Pushes in both dialects: rows in, verdicts out. */
#ifndef SERVER_PUSH_H
#define SERVER_PUSH_H

#include "tools/server/state.h"

/* Answer POST /{collection}/{version}/push. */
void replica__push_rxdb(struct replica__service *service, const struct replica__request *request,
                        struct replica__target *target, struct replica__reply *reply);
/* Answer POST /_replica/1/push. */
void replica__push_replica(struct replica__service *service,
                           const struct replica__request *request, struct replica__reply *reply);

#endif
