/* Readers of streams that have closed their connection. */
#ifndef SERVER_GONE_H
#define SERVER_GONE_H

#include "tools/server/exchange.h"

int replica__gone_open(struct replica__http *http, replica_error *err);
void replica__gone_close(struct replica__http *http);
/* Mark the exchange as gone, and wake it, when its peer closes; until it is forgotten. */
void replica__gone_watch(struct replica__exchange *ex);
void replica__gone_forget(struct replica__exchange *ex);
/* Wake those whose peers have closed: when http->gone_fd is readable. */
void replica__gone_look(struct replica__http *http);

#endif
