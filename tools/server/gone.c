/* libmicrohttpd does not look at a connection that is suspended, as that of a silent stream is.
 * Without these watches the end of its peer would show at the second heartbeat that nobody takes,
 * and till then the locks of a client that has died would not even begin to end. */
#include "tools/server/gone.h"

#include "base/error.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { BATCH = 64 };

int replica__gone_open(struct replica__http *http, replica_error *err)
{
    http->gone_fd = epoll_create1(EPOLL_CLOEXEC);
    if (http->gone_fd < 0)
        return replica__error_set(err, REPLICA_EIO, errno, "epoll: %s", strerror(errno));
    return 0;
}

void replica__gone_close(struct replica__http *http)
{
    if (http->gone_fd >= 0)
        close(http->gone_fd);
    http->gone_fd = -1;
}

void replica__gone_watch(struct replica__exchange *ex)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(ex->conn, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct epoll_event event = { .events = EPOLLRDHUP | EPOLLET, .data.ptr = ex };

    /* Where it cannot be watched, the heartbeat finds out. */
    ex->watched =
        info && epoll_ctl(ex->http->gone_fd, EPOLL_CTL_ADD, info->connect_fd, &event) == 0;
}

void replica__gone_forget(struct replica__exchange *ex)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(ex->conn, MHD_CONNECTION_INFO_CONNECTION_FD);

    if (ex->watched && info)
        epoll_ctl(ex->http->gone_fd, EPOLL_CTL_DEL, info->connect_fd, NULL);
    ex->watched = false;
}

/* Exchanges end in libmicrohttpd's turn only, so that all of a batch are there. */
void replica__gone_look(struct replica__http *http)
{
    struct epoll_event events[BATCH];
    int n = epoll_wait(http->gone_fd, events, BATCH, 0);

    for (int i = 0; i < n; i++) {
        struct replica__exchange *ex = events[i].data.ptr;

        ex->gone = true;
        replica__exchange_wake(ex);
    }
}
