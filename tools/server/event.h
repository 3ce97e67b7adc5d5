/* Events that pass through the server: what a client emits is kept for a minute in the file, and
 * told on the streams of the others that listen. */
#ifndef SERVER_EVENT_H
#define SERVER_EVENT_H

#include "tools/server/access.h"
#include "tools/server/state.h"

/* POST emit. */
void replica__emit_answer(struct replica__service *service, const struct replica__request *request,
                          struct replica__reply *reply);

/* What a stream listens to, and how far it was told. */
struct replica__ears;
/* Are the request's patterns some?  false: answered. */
bool replica__ears_asked(const struct replica__request *request, struct replica__reply *reply);
/* As its request says; NULL: it does not listen. */
int replica__ears_open(struct replica__service *service, const struct replica__request *request,
                       struct replica__ears **ret_ears, replica_error *err);
void replica__ears_close(struct replica__ears *ears); /* NULL is fine */
/* Append what is new for it, and allowed, as a stream's event.  1; 0: there is nothing. */
int replica__ears_hear(struct replica__service *service, struct replica__ears *ears,
                       const struct replica__rights *rights, struct replica__buf *out,
                       replica_error *err);

#endif
