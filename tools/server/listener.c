#include "tools/server/listener.h"

#include "base/error.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BACKLOG = 1024 };

bool replica__is_loopback(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET) {
        struct sockaddr_in in;

        memcpy(&in, address, sizeof(in));
        return ntohl(in.sin_addr.s_addr) >> 24 == 127;
    }
    if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 in;

        memcpy(&in, address, sizeof(in));
        return IN6_IS_ADDR_LOOPBACK(&in.sin6_addr) ||
               (IN6_IS_ADDR_V4MAPPED(&in.sin6_addr) && in.sin6_addr.s6_addr[12] == 127);
    }
    return address->sa_family == AF_UNIX;
}

/* "[::1]:80" -> "::1", "80" */
static int split(const char *address, char *host, size_t host_room, const char **ret_port,
                 replica_error *err)
{
    const char *colon = strrchr(address, ':');
    size_t len = colon ? (size_t)(colon - address) : 0;
    bool brackets = len > 2 && address[0] == '[' && address[len - 1] == ']';
    char *end = NULL;

    if (!colon || len == 0 || len >= host_room || !colon[1] ||
        (!brackets && memchr(address, ':', len)))
        return replica__error_set(err, REPLICA_EINVAL, 0, "'%s' is not HOST:PORT", address);
    errno = 0;
    if (strtoul(colon + 1, &end, 10) > 65535 || *end || colon[1] == '-' || errno)
        return replica__error_set(err, REPLICA_EINVAL, 0, "'%s' is no port", colon + 1);
    snprintf(host, host_room, "%.*s", (int)(brackets ? len - 2 : len),
             brackets ? address + 1 : address);
    *ret_port = colon + 1;
    return 0;
}

static int bind_one(const struct addrinfo *info, int *ret_fd)
{
    int on = 1;
    int fd = socket(info->ai_family, info->ai_socktype, info->ai_protocol);

    if (fd < 0)
        return errno;
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, info->ai_addr, info->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0) {
        int saved = errno;

        close(fd);
        return saved;
    }
    *ret_fd = fd;
    return 0;
}

static int port_of(int fd)
{
    struct sockaddr_storage address;
    socklen_t len = sizeof(address);
    char port[16] = "0";

    if (getsockname(fd, (struct sockaddr *)&address, &len) == 0)
        getnameinfo((struct sockaddr *)&address, len, NULL, 0, port, sizeof(port),
                    NI_NUMERICSERV);
    return atoi(port);
}

static int open_first(const struct addrinfo *list, const char *address, bool loopback_only,
                      int *ret_fd, replica_error *err)
{
    int code = 0;

    for (const struct addrinfo *info = list; loopback_only && info; info = info->ai_next)
        if (!replica__is_loopback(info->ai_addr))
            return replica__error_set(err, REPLICA_EAUTH, 0,
                                      "%s is open to others, and there are no tokens", address);
    for (const struct addrinfo *info = list; info; info = info->ai_next) {
        code = bind_one(info, ret_fd);
        if (code == 0)
            return 0;
    }
    return replica__error_set(err, REPLICA_ENET, code, "%s: %s", address, strerror(code));
}

int replica__listener_open(const char *address, bool loopback_only,
                           struct replica__listener *ret_listener, replica_error *err)
{
    const struct addrinfo hints = { .ai_flags = AI_PASSIVE | AI_NUMERICSERV,
                                    .ai_socktype = SOCK_STREAM };
    struct addrinfo *list = NULL;
    const char *port = NULL;
    char host[sizeof(ret_listener->host) - 2];
    int fd = -1;
    int r = split(address, host, sizeof(host), &port, err);

    if (r < 0)
        return r;
    r = getaddrinfo(host, port, &hints, &list);
    if (r != 0)
        return replica__error_set(err, REPLICA_EINVAL, 0, "%s: %s", address, gai_strerror(r));
    r = open_first(list, address, loopback_only, &fd, err);
    freeaddrinfo(list);
    if (r < 0)
        return r;
    ret_listener->fd = fd;
    ret_listener->port = port_of(fd);
    snprintf(ret_listener->host, sizeof(ret_listener->host), strchr(host, ':') ? "[%s]" : "%s",
             host);
    return 0;
}
