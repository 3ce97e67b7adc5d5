/* Linux: a poller is an epoll set that holds an eventfd (wake), an inotify descriptor once a file
 * is watched, and whatever descriptors were given to it, so that its own descriptor shows all of
 * them. */
#include "base/alloc.h"
#include "base/error.h"
#include "base/os.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/random.h>
#include <unistd.h>

enum { EVENTS_AT_ONCE = 16 };

struct replica__poller {
    int epoll;
    int wake;    /* eventfd */
    int inotify; /* -1 until a file is watched: there are few of them for each user */
};

int replica__os_random(void *to, size_t len)
{
    unsigned char *at = to;

    while (len > 0) {
        ssize_t n = getrandom(at, len, 0);

        if (n < 0 && errno != EINTR)
            return REPLICA_EIO;
        if (n > 0) {
            at += n;
            len -= (size_t)n;
        }
    }
    return 0;
}

static int watch(struct replica__poller *p, int op, int fd, uint32_t events)
{
    struct epoll_event event;

    memset(&event, 0, sizeof(event));
    event.events = events;
    event.data.fd = fd;
    return epoll_ctl(p->epoll, op, fd, &event);
}

int replica__poller_open(struct replica__poller **ret_poller, replica_error *err)
{
    struct replica__poller *p = replica__alloc(sizeof(*p));

    if (!p)
        return replica__enomem(err);
    p->inotify = -1;
    p->epoll = epoll_create1(EPOLL_CLOEXEC);
    p->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (p->epoll < 0 || p->wake < 0 || watch(p, EPOLL_CTL_ADD, p->wake, EPOLLIN) < 0) {
        int why = errno;

        replica__poller_close(p);
        return replica__error_set(err, REPLICA_EIO, why, "cannot wait for events: error %d",
                                  why);
    }
    *ret_poller = p;
    return 0;
}

void replica__poller_close(struct replica__poller *p)
{
    if (!p)
        return;
    if (p->inotify >= 0)
        close(p->inotify);
    if (p->wake >= 0)
        close(p->wake);
    if (p->epoll >= 0)
        close(p->epoll);
    replica__free(p);
}

int replica__poller_fd(struct replica__poller *p)
{
    return p->epoll;
}

bool replica__poller_shows_all(void)
{
    return true;
}

void replica__poller_wake(struct replica__poller *p)
{
    int saved = errno; /* a signal handler may be calling */
    uint64_t one = 1;
    ssize_t n = write(p->wake, &one, sizeof(one));

    (void)n; /* the counter is full only when it is readable already */
    errno = saved;
}

int replica__poller_watch_file(struct replica__poller *p, const char *path)
{
    const uint32_t mask = IN_MODIFY | IN_DELETE_SELF | IN_MOVE_SELF;

    if (p->inotify < 0) {
        int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);

        if (fd < 0)
            return REPLICA_ENOTSUP; /* this user has too many */
        if (watch(p, EPOLL_CTL_ADD, fd, EPOLLIN) < 0) {
            close(fd);
            return REPLICA_ENOTSUP;
        }
        p->inotify = fd;
    }
    if (inotify_add_watch(p->inotify, path, mask) >= 0)
        return 0;
    return errno == ENOENT ? REPLICA_EIO : REPLICA_ENOTSUP;
}

int replica__poller_watch_fd(struct replica__poller *p, int fd, unsigned events)
{
    uint32_t wanted = 0;

    if (events & REPLICA_POLL_IN)
        wanted |= EPOLLIN;
    if (events & REPLICA_POLL_OUT)
        wanted |= EPOLLOUT;
    if (wanted == 0) {
        watch(p, EPOLL_CTL_DEL, fd, 0); /* a descriptor that was closed has left by itself */
        return 0;
    }
    if (watch(p, EPOLL_CTL_ADD, fd, wanted) == 0)
        return 0;
    if (errno == EEXIST && watch(p, EPOLL_CTL_MOD, fd, wanted) == 0)
        return 0;
    return errno == ENOMEM ? REPLICA_ENOMEM : REPLICA_EIO;
}

/* What cannot be read in one go stays readable, and is met by the next wait. */
static void drain(int fd)
{
    char room[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
    ssize_t n = read(fd, room, sizeof(room));

    (void)n;
}

unsigned replica__poller_wait(struct replica__poller *p, int timeout_ms)
{
    struct epoll_event events[EVENTS_AT_ONCE];
    int n = epoll_wait(p->epoll, events, EVENTS_AT_ONCE, timeout_ms);
    unsigned happened = 0;

    for (int i = 0; i < n; i++) {
        int fd = events[i].data.fd;

        if (fd == p->wake) {
            drain(fd);
            happened |= REPLICA_WOKEN;
        } else if (fd == p->inotify) {
            drain(fd);
            happened |= REPLICA_FILE_CHANGED;
        } else {
            happened |= REPLICA_FD_READY;
        }
    }
    return happened;
}
