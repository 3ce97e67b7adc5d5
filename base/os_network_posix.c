/* Any POSIX system: nothing tells of the network.  Waits end by themselves, or when the program
 * asks (replica_sync_now). */
#include "base/os.h"

int replica__os_network_open(void)
{
    return -1;
}

bool replica__os_network_is_back(int network)
{
    (void)network;
    return false;
}

void replica__os_network_close(int network)
{
    (void)network;
}
