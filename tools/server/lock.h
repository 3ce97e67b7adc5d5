/* Locks, of our dialect: /_replica/1/lock, unlock and locks. */
#ifndef SERVER_LOCK_H
#define SERVER_LOCK_H

#include "tools/server/state.h"

void replica__lock_answer(struct replica__service *service, const struct replica__request *request,
                          struct replica__reply *reply);
void replica__unlock_answer(struct replica__service *service,
                            const struct replica__request *request, struct replica__reply *reply);
void replica__locks_answer(struct replica__service *service, const struct replica__request *request,
                           struct replica__reply *reply);
/* The last stream of this client has ended: what it holds ends too, unless it comes back soon. */
void replica__lock_leave(struct replica__service *service, const char *client);
/* A stream of this client has begun. */
void replica__lock_back(struct replica__service *service, const char *client);

#endif
