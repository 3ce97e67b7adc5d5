/* The socket that a server listens on. */
#ifndef SERVER_LISTENER_H
#define SERVER_LISTENER_H

#include "libreplica/libreplica.h"

#include <stdbool.h>

struct replica__listener {
    int fd;
    int port;
    char host[128]; /* as it was given, for the URL: in brackets if it has colons */
};

/* address: "HOST:PORT", or "[::1]:PORT"; port 0 picks one.  loopback_only: REPLICA_EAUTH for any
 * other address.  REPLICA_EINVAL: that is no address; REPLICA_ENET: it is taken, or not ours. */
int replica__listener_open(const char *address, bool loopback_only,
                           struct replica__listener *ret_listener, replica_error *err);

struct sockaddr;
bool replica__is_loopback(const struct sockaddr *address);

#endif
