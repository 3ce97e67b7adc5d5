#include "tools/server/deadline.h"

#include "base/alloc.h"
#include "base/os.h"

#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

enum {
    SLOWEST = 1,        /* a body, or an answer, has more time: its bytes at so many per ms */
    LOOK_MS = 250,
    TELL_MS = 60000
};

struct replica__deadline {
    struct replica__deadline *prev, *next;
    struct replica__deadlines *of;
    int fd;
    bool moving;        /* a body, or an answer, is under way */
    bool sends;         /* it is a body */
    bool stuck;         /* at the last look: nothing was read of it, and there was more */
    int64_t from_ms;    /* since when */
    int64_t at_ms;      /* -1: none */
};

static int64_t now_ms(void)
{
    return replica__os_monotonic_us() / 1000;
}

static void tell_full(struct replica__deadlines *d)
{
    int64_t now = now_ms();

    if (d->count < d->limit || (d->told_ms && now - d->told_ms < TELL_MS))
        return;
    d->told_ms = now;
    fprintf(stderr, "replica serve: all %zu connections are taken: others must wait\n", d->limit);
}

static void begin(struct replica__deadlines *d, struct MHD_Connection *conn, void **socket_context)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(conn, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct replica__deadline *one = replica__alloc_zero(1, sizeof(*one));

    d->count++;
    tell_full(d);
    *socket_context = one;
    if (!one || !info) /* without memory it is left to libmicrohttpd */
        return;
    one->of = d;
    one->fd = info->connect_fd;
    one->at_ms = now_ms() + d->patience_ms;
    one->next = d->first;
    if (d->first)
        d->first->prev = one;
    d->first = one;
}

static void end(struct replica__deadlines *d, struct replica__deadline *one)
{
    d->count--;
    d->ended = true;
    if (!one)
        return;
    if (one->prev || d->first == one)
        *(one->prev ? &one->prev->next : &d->first) = one->next;
    if (one->next)
        one->next->prev = one->prev;
    replica__free(one);
}

void replica__deadline_connection(void *cls, struct MHD_Connection *conn, void **socket_context,
                                  enum MHD_ConnectionNotificationCode code)
{
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        begin(cls, conn, socket_context);
    } else {
        end(cls, *socket_context);
        *socket_context = NULL;
    }
}

static struct replica__deadline *of(struct MHD_Connection *conn)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(conn, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    struct replica__deadline *one;

    one = info ? info->socket_context : NULL;
    return one && one->of ? one : NULL;
}

void replica__deadline_head(struct MHD_Connection *conn)
{
    struct replica__deadline *one = of(conn);

    if (!one)
        return;
    one->moving = one->sends = false;
    one->at_ms = now_ms() + one->of->patience_ms;
}

void replica__deadline_sends(struct MHD_Connection *conn, size_t moved)
{
    struct replica__deadline *one = of(conn);

    replica__deadline_moved(conn, moved);
    if (one) {
        one->sends = true;
        one->stuck = false;
    }
}

void replica__deadline_moved(struct MHD_Connection *conn, size_t moved)
{
    struct replica__deadline *one = of(conn);

    if (!one)
        return;
    if (!one->moving)
        one->from_ms = now_ms();
    one->moving = true;
    one->at_ms = one->from_ms + one->of->patience_ms + (int64_t)(moved / SLOWEST);
}

void replica__deadline_none(struct MHD_Connection *conn)
{
    struct replica__deadline *one = of(conn);

    if (!one)
        return;
    one->moving = one->sends = false;
    one->at_ms = -1;
}

/* Between two looks libmicrohttpd has been run: what it reads at all, it has read. */
static bool is_stuck(struct replica__deadline *one)
{
    int unread = 0;
    bool before = one->stuck;

    one->stuck = one->sends && ioctl(one->fd, FIONREAD, &unread) == 0 && unread > 0;
    return before && one->stuck;
}

/* libmicrohttpd meets the end of what was shut down, and closes it. */
int64_t replica__deadlines_tick(struct replica__deadlines *d)
{
    int64_t now = now_ms();

    if (!d->first)
        return -1;
    if (now < d->look_at_ms)
        return d->look_at_ms - now;
    for (struct replica__deadline *one = d->first; one; one = one->next) {
        if (one->at_ms < 0 || (one->at_ms > now && !is_stuck(one)))
            continue;
        one->at_ms = -1;
        shutdown(one->fd, SHUT_RDWR);
    }
    d->look_at_ms = now + LOOK_MS;
    return LOOK_MS;
}
