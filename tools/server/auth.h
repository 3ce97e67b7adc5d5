/* Who may ask: bearer tokens from a file, one per line. */
#ifndef SERVER_AUTH_H
#define SERVER_AUTH_H

#include "libreplica/libreplica.h"

#include <stdbool.h>

struct replica__auth;

/* White space around a token is dropped; '#' starts a comment line.  *ret_exposed: others may read
 * the file.  REPLICA_EINVAL: there is no token in it, or a line is none. */
int replica__auth_open(const char *path, struct replica__auth **ret_auth, bool *ret_exposed,
                       replica_error *err);
void replica__auth_close(struct replica__auth *auth); /* NULL is fine */

/* Is this the value of an Authorization header that we let in?  The time does not depend on how
 * much of a token was right. */
bool replica__auth_allows(const struct replica__auth *auth, const char *header);

#endif
