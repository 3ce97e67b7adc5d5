/* News of the network: real ones, of a network of the test's own, where it may have one; and
 * messages as the kernel writes them. */
#define _GNU_SOURCE
#include "base/os.h"
#include "tests/support/test.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* In a network of its own, which has nothing but a loopback that is down.  false: not allowed. */
static bool leave_the_network(void)
{
    return unshare(CLONE_NEWNET) == 0 || unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0;
}

static void set_loopback(bool up)
{
    struct ifreq request;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    CHECK(fd >= 0);
    memset(&request, 0, sizeof(request));
    memcpy(request.ifr_name, "lo", 3);
    CHECK(ioctl(fd, SIOCGIFFLAGS, &request) == 0);
    request.ifr_flags = (short)(up ? request.ifr_flags | IFF_UP : request.ifr_flags & ~IFF_UP);
    CHECK(ioctl(fd, SIOCSIFFLAGS, &request) == 0);
    close(fd);
}

static bool has_news(int network)
{
    struct pollfd fd = { .fd = network, .events = POLLIN };

    return poll(&fd, 1, 0) == 1;
}

TEST(an_interface_that_comes_up_is_news_and_one_that_goes_down_is_no_return)
{
    int network;

    if (!leave_the_network())
        return; /* not allowed here: the messages below stand for it */
    network = replica__os_network_open();
    CHECK(network >= 0);
    CHECK(!has_news(network));
    CHECK(!replica__os_network_is_back(network));
    set_loopback(true);
    CHECK(has_news(network));
    CHECK(replica__os_network_is_back(network));
    CHECK(!has_news(network)); /* consumed */
    set_loopback(false);
    CHECK(has_news(network));
    CHECK(!replica__os_network_is_back(network));
    set_loopback(true);
    CHECK(replica__os_network_is_back(network));
    replica__os_network_close(network);
}

static bool tells(const void *bytes, size_t len)
{
    int ends[2];
    bool back;

    CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends) == 0);
    CHECK(send(ends[1], bytes, len, 0) == (ssize_t)len);
    back = replica__os_network_is_back(ends[0]);
    CHECK(!has_news(ends[0]));
    close(ends[0]);
    close(ends[1]);
    return back;
}

struct link_message {
    struct nlmsghdr head;
    struct ifinfomsg link;
};

struct route_message {
    struct nlmsghdr head;
    struct rtmsg route;
};

TEST(links_that_run_addresses_and_routes_that_lead_somewhere_are_a_return)
{
    struct link_message link = { { sizeof(link), RTM_NEWLINK, 0, 0, 0 }, { .ifi_flags = 0 } };
    struct route_message route = { { sizeof(route), RTM_NEWROUTE, 0, 0, 0 },
                                   { .rtm_type = RTN_UNICAST } };
    struct nlmsghdr address = { sizeof(address), RTM_NEWADDR, 0, 0, 0 };

    CHECK(!tells(&link, sizeof(link)));
    link.link.ifi_flags = IFF_RUNNING;
    CHECK(tells(&link, sizeof(link)));
    link.head.nlmsg_type = RTM_DELLINK;
    CHECK(!tells(&link, sizeof(link)));
    CHECK(tells(&route, sizeof(route)));
    route.route.rtm_type = RTN_MULTICAST;
    CHECK(!tells(&route, sizeof(route)));
    CHECK(tells(&address, sizeof(address)));
}

TEST(a_message_behind_others_counts)
{
    struct {
        struct route_message gone;
        struct nlmsghdr address;
    } both = { { { sizeof(both.gone), RTM_DELROUTE, 0, 0, 0 }, { .rtm_type = RTN_UNICAST } },
               { sizeof(both.address), RTM_NEWADDR, 0, 0, 0 } };

    CHECK(tells(&both, sizeof(both)));
}

TEST(messages_that_are_cut_or_lie_about_their_length_are_nothing)
{
    struct link_message link = { { sizeof(link), RTM_NEWLINK, 0, 0, 0 },
                                 { .ifi_flags = IFF_RUNNING } };

    for (size_t len = 1; len < sizeof(link); len++)
        CHECK(!tells(&link, len));
    for (uint32_t len = 0; len < sizeof(link); len++) {
        link.head.nlmsg_len = len;
        CHECK(!tells(&link, sizeof(link)));
    }
    link.head.nlmsg_len = UINT32_MAX;
    CHECK(!tells(&link, sizeof(link)));
}
