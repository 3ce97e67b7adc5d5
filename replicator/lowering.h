/* A page for a server of an older version: its texts are taken down, by steps of the program, on
 * the program's thread.  The session waits with that push alone. */
#ifndef REPLICATOR_LOWERING_H
#define REPLICATOR_LOWERING_H

#include "libreplica/store.h"

struct replica__lowering;
struct replica__session_hooks;

/* Takes over the page, but not on failure.  NULL: no memory. */
struct replica__lowering *replica__lowering_begin(const struct replica__session_hooks *hooks,
                                                  struct replica__push_page *page);
bool replica__lowering_is_done(struct replica__lowering *l);
/* 1: done, the page is yours, and *l is NULL; 0: not yet; < 0: it could not be done; both are
 * gone. */
int replica__lowering_take(struct replica__lowering **l, struct replica__push_page *ret_page,
                           replica_error *err);
void replica__lowering_cancel(struct replica__lowering *l); /* NULL is fine */

#endif
