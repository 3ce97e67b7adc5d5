/* Linux tells of links, addresses and routes by netlink, to any user.
 *
 * Only what is added counts: that something went away shows by itself, when a request fails.  A
 * kernel that had to drop messages (ENOBUFS) has told that much happened. */
#include "base/os.h"

#include <errno.h>
#include <linux/if.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MESSAGES_AT_ONCE = 32, MESSAGE_BYTES = 8192 };

int replica__os_network_open(void)
{
    struct sockaddr_nl address;
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);

    if (fd < 0)
        return -1;
    memset(&address, 0, sizeof(address));
    address.nl_family = AF_NETLINK;
    address.nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_IFADDR |
                        RTMGRP_IPV6_ROUTE;
    if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
        return fd;
    close(fd);
    return -1;
}

static bool is_addition(const struct nlmsghdr *m)
{
    const char *data = (const char *)m + NLMSG_HDRLEN; /* NLMSG_DATA() drops the const */
    struct ifinfomsg link;
    struct rtmsg route;

    switch (m->nlmsg_type) {
    case RTM_NEWADDR:
        return true;
    case RTM_NEWLINK:
        if (m->nlmsg_len < NLMSG_LENGTH(sizeof(link)))
            return false;
        memcpy(&link, data, sizeof(link));
        return link.ifi_flags & IFF_RUNNING;
    case RTM_NEWROUTE:
        if (m->nlmsg_len < NLMSG_LENGTH(sizeof(route)))
            return false;
        memcpy(&route, data, sizeof(route));
        return route.rtm_type == RTN_UNICAST;
    default:
        return false;
    }
}

static bool has_addition(const char *bytes, size_t len)
{
    struct nlmsghdr head;

    while (len >= sizeof(head)) {
        size_t step;

        memcpy(&head, bytes, sizeof(head));
        if (head.nlmsg_len < sizeof(head) || head.nlmsg_len > len)
            return false;
        if (is_addition((const struct nlmsghdr *)(const void *)bytes))
            return true;
        step = NLMSG_ALIGN(head.nlmsg_len);
        if (step >= len)
            return false;
        bytes += step;
        len -= step;
    }
    return false;
}

bool replica__os_network_is_back(int network)
{
    char bytes[MESSAGE_BYTES] __attribute__((aligned(__alignof__(struct nlmsghdr))));
    bool back = false;

    for (int i = 0; i < MESSAGES_AT_ONCE; i++) {
        ssize_t n = recv(network, bytes, sizeof(bytes), MSG_DONTWAIT);

        if (n < 0 && errno == ENOBUFS)
            back = true;
        else if (n < 0 && errno == EINTR)
            continue;
        else if (n <= 0)
            break;
        else
            back = has_addition(bytes, (size_t)n) || back;
    }
    return back;
}

void replica__os_network_close(int network)
{
    if (network >= 0)
        close(network);
}
