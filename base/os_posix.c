/* Any POSIX system: a poller is a pipe, and poll() over it and the descriptors that were given.
 *
 * It can less than os_linux.c: its descriptor becomes readable for wakes only, so that a program's
 * own loop sees the others when its timeout is over; and no file can be watched. */
#include "base/alloc.h"
#include "base/error.h"
#include "base/os.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

struct replica__poller {
    int wake[2];         /* reading end, writing end */
    struct pollfd *fds;  /* [0] is the reading end */
    size_t n;
    size_t room;
};

int replica__os_random(void *to, size_t len)
{
    unsigned char *at = to;
    int fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
    int r = 0;

    if (fd < 0)
        return REPLICA_EIO;
    while (len > 0 && r == 0) {
        ssize_t n = read(fd, at, len);

        if (n > 0) {
            at += n;
            len -= (size_t)n;
        } else if (n == 0 || errno != EINTR) {
            r = REPLICA_EIO;
        }
    }
    close(fd);
    return r;
}

static int keep_to_ourselves(int fd)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
        return -1;
    return fcntl(fd, F_SETFD, FD_CLOEXEC);
}

static int add(struct replica__poller *p, int fd, short events)
{
    if (p->n == p->room) {
        size_t room = p->room ? p->room * 2 : 8;
        struct pollfd *fds = replica__realloc(p->fds, room, sizeof(*fds));

        if (!fds)
            return REPLICA_ENOMEM;
        p->fds = fds;
        p->room = room;
    }
    p->fds[p->n] = (struct pollfd){ .fd = fd, .events = events };
    p->n++;
    return 0;
}

int replica__poller_open(struct replica__poller **ret_poller, replica_error *err)
{
    struct replica__poller *p = replica__alloc_zero(1, sizeof(*p));

    if (!p)
        return replica__enomem(err);
    if (pipe(p->wake) < 0) {
        int why = errno;

        replica__free(p);
        return replica__error_set(err, REPLICA_EIO, why, "cannot wait for events: pipe failed");
    }
    if (keep_to_ourselves(p->wake[0]) < 0 || keep_to_ourselves(p->wake[1]) < 0) {
        int why = errno;

        replica__poller_close(p);
        return replica__error_set(err, REPLICA_EIO, why, "cannot wait for events: fcntl failed");
    }
    if (add(p, p->wake[0], POLLIN) < 0) {
        replica__poller_close(p);
        return replica__enomem(err);
    }
    *ret_poller = p;
    return 0;
}

void replica__poller_close(struct replica__poller *p)
{
    if (!p)
        return;
    close(p->wake[0]);
    close(p->wake[1]);
    replica__free(p->fds);
    replica__free(p);
}

int replica__poller_fd(struct replica__poller *p)
{
    return p->wake[0];
}

bool replica__poller_shows_all(void)
{
    return false;
}

void replica__poller_wake(struct replica__poller *p)
{
    int saved = errno; /* a signal handler may be calling */
    ssize_t n = write(p->wake[1], "", 1);

    (void)n; /* the pipe is full only when it is readable already */
    errno = saved;
}

int replica__poller_watch_file(struct replica__poller *p, const char *path)
{
    (void)p;
    (void)path;
    return REPLICA_ENOTSUP;
}

int replica__poller_watch_fd(struct replica__poller *p, int fd, unsigned events)
{
    short wanted = 0;
    size_t i = 1;

    if (events & REPLICA_POLL_IN)
        wanted |= POLLIN;
    if (events & REPLICA_POLL_OUT)
        wanted |= POLLOUT;
    while (i < p->n && p->fds[i].fd != fd)
        i++;
    if (i == p->n)
        return wanted ? add(p, fd, wanted) : 0;
    if (wanted)
        p->fds[i].events = wanted;
    else
        p->fds[i] = p->fds[--p->n];
    return 0;
}

static void drain(int fd)
{
    char room[256];
    ssize_t n = read(fd, room, sizeof(room)); /* what is left stays readable */

    (void)n;
}

unsigned replica__poller_wait(struct replica__poller *p, int timeout_ms)
{
    unsigned happened = 0;

    if (poll(p->fds, (nfds_t)p->n, timeout_ms) <= 0)
        return 0;
    if (p->fds[0].revents) {
        drain(p->wake[0]);
        happened |= REPLICA_WOKEN;
    }
    for (size_t i = 1; i < p->n; i++) {
        if (p->fds[i].revents)
            happened |= REPLICA_FD_READY;
    }
    return happened;
}
