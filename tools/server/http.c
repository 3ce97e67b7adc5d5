/* The loop: sockets, commits of others, heartbeats and delayed answers, one after the other. */
#include "tools/server/http.h"

#include "base/alloc.h"
#include "base/error.h"
#include "tools/server/exchange.h"
#include "tools/server/gone.h"
#include "tools/server/purge.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
    POOL_BYTES = 16 * 1024, /* of memory for each connection: a filter, a token and a path fit */
    PATIENCE_MS = 60000,
    EXTRA_CONNECTIONS = 1000,
    MAX_BODY = 64 << 20,    /* of a bundle; the largest document with its assumed state has room */
    FINISH_MS = 5000,       /* for what is under way when we stop */
    OTHER_FILES = 64,       /* descriptors that are no connections */
    FEWEST = 16
};

static int digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* A text with a byte 0 would end there, and so be the name of something else: it stays escaped, and
 * is the name of nothing. */
static size_t unescape(void *cls, struct MHD_Connection *conn, char *text)
{
    char *to = text;

    (void)cls;
    (void)conn;
    for (const char *from = text; *from;) {
        int high = *from == '%' ? digit(from[1]) : -1;
        int low = high >= 0 ? digit(from[2]) : -1;

        if (low < 0 || high + low == 0) {
            *to++ = *from++;
        } else {
            *to++ = (char)(high * 16 + low);
            from += 3;
        }
    }
    *to = '\0';
    return (size_t)(to - text);
}

/* Where the system gives fewer descriptors, more connections wait to be let in. */
static unsigned connections_most(const struct replica__http *http)
{
    size_t most = http->options.max_streams + EXTRA_CONNECTIONS;
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY &&
        limit.rlim_cur < most + OTHER_FILES)
        most = limit.rlim_cur > OTHER_FILES + FEWEST ? (size_t)limit.rlim_cur - OTHER_FILES
                                                     : FEWEST;
    return (unsigned)most;
}

static int start_daemon(struct replica__http *http, int listen_fd, replica_error *err)
{
    const union MHD_DaemonInfo *info;

    http->deadlines.limit = connections_most(http);
    http->deadlines.patience_ms =
        http->options.patience_ms ? http->options.patience_ms : PATIENCE_MS;
    http->daemon = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, replica__exchange_request, http,
        MHD_OPTION_LISTEN_SOCKET, listen_fd, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)POOL_BYTES, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)http->deadlines.limit, MHD_OPTION_NOTIFY_CONNECTION,
        replica__deadline_connection, &http->deadlines,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)(http->deadlines.patience_ms + 999) / 1000,
        MHD_OPTION_NOTIFY_COMPLETED,
        replica__exchange_completed, http, MHD_OPTION_UNESCAPE_CALLBACK, unescape, NULL,
        MHD_OPTION_END);
    if (!http->daemon) {
        close(listen_fd);
        return replica__error_set(err, REPLICA_ENET, errno, "the HTTP server does not start");
    }
    info = MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    http->epoll_fd = info ? info->epoll_fd : -1;
    if (http->epoll_fd < 0)
        return replica__error_set(err, REPLICA_ENOTSUP, 0, "libmicrohttpd is without epoll");
    return 0;
}

int replica__http_open(struct replica__service *service, struct replica__storage *storage,
                       int listen_fd, const struct replica__http_options *options,
                       struct replica__http **ret_http, replica_error *err)
{
    struct replica__http *http = replica__alloc_zero(1, sizeof(*http));
    int r;

    if (!http) {
        close(listen_fd);
        return replica__enomem(err);
    }
    http->service = service;
    http->storage = storage;
    http->options = *options;
    http->listen_fd = -1;
    http->gone_fd = -1;
    if (!http->options.max_body)
        http->options.max_body = MAX_BODY;
    r = start_daemon(http, listen_fd, err);
    if (r == 0)
        r = replica__gone_open(http, err);
    if (r == 0)
        r = replica__poller_open(&http->poller, err);
    if (r < 0) {
        replica__http_close(http);
        return r;
    }
    *ret_http = http;
    return 0;
}

void replica__http_stop(struct replica__http *http)
{
    __atomic_store_n(&http->stopping, 1, __ATOMIC_SEQ_CST);
    replica__poller_wake(http->poller);
}

static int earlier(int ms, int64_t other)
{
    if (other < 0 || (ms >= 0 && ms <= other))
        return ms;
    return other < 60000 ? (int)other : 60000;
}

/* Wait until there is something to do, and do it. */
static int turn(struct replica__http *http, int timeout, replica_error *err)
{
    struct replica__storage *s = http->storage;
    MHD_UNSIGNED_LONG_LONG mhd_ms = 0;
    struct pollfd fds[4] = { { http->epoll_fd, POLLIN, 0 },
                             { replica__poller_fd(http->poller), POLLIN, 0 },
                             { s->ops->fd(s), POLLIN, 0 },
                             { http->gone_fd, POLLIN, 0 } };
    int storage_ms = s->ops->timeout(s);
    int ms = earlier(timeout, storage_ms);
    int r = 0;

    if (MHD_get_timeout(http->daemon, &mhd_ms) == MHD_YES)
        ms = earlier(ms, (int64_t)mhd_ms);
    if (http->resumed || http->deadlines.ended)
        ms = 0;
    http->resumed = http->deadlines.ended = false;
    if (poll(fds, 4, ms) < 0 && errno != EINTR)
        return replica__error_set(err, REPLICA_EIO, errno, "poll: %s", strerror(errno));
    if (fds[1].revents)
        replica__poller_wait(http->poller, 0);
    if (fds[3].revents)
        replica__gone_look(http);
    if (MHD_run(http->daemon) != MHD_YES)
        return replica__error_set(err, REPLICA_EIO, errno, "the HTTP server failed");
    if (fds[2].revents || storage_ms >= 0)
        r = s->ops->work(s, err);
    return r;
}

static int64_t sooner(int64_t a, int64_t b)
{
    return a < 0 || (b >= 0 && b < a) ? b : a;
}

static int64_t purge(struct replica__http *http)
{
    replica_error err = { 0 };
    int64_t ms = replica__purge_tick(http->service, &err);

    if (err.code < 0)
        fprintf(stderr, "replica serve: purging: %s\n", err.message);
    return ms;
}

static int64_t tick(struct replica__http *http, bool all)
{
    int64_t stream_ms = replica__service_tick(http->service);
    int64_t delay_ms = replica__exchange_tick(http, all);
    int64_t purge_ms = all ? -1 : purge(http);

    return sooner(sooner(sooner(stream_ms, delay_ms), purge_ms),
                  replica__deadlines_tick(&http->deadlines));
}

/* No new connections; streams end; requests under way are answered, if they come to an end. */
static int finish(struct replica__http *http, replica_error *err)
{
    int64_t end = replica__os_monotonic_us() / 1000 + FINISH_MS;
    int64_t now = end - FINISH_MS;
    int r = 0;

    http->listen_fd = MHD_quiesce_daemon(http->daemon);
    if (http->listen_fd >= 0)
        close(http->listen_fd);
    http->listen_fd = -1;
    replica__service_stop(http->service);
    replica__exchange_tick(http, true);
    while (r >= 0 && http->active > 0 && now < end) {
        r = turn(http, earlier((int)(end - now), tick(http, true)), err);
        now = replica__os_monotonic_us() / 1000;
    }
    return r;
}

int replica__http_run(struct replica__http *http, replica_error *err)
{
    int r = 0;

    while (r >= 0 && !__atomic_load_n(&http->stopping, __ATOMIC_SEQ_CST))
        r = turn(http, earlier(-1, tick(http, false)), err);
    return r < 0 ? r : finish(http, err);
}

void replica__http_close(struct replica__http *http)
{
    if (!http)
        return;
    if (http->daemon) {
        replica__service_stop(http->service); /* nothing may be suspended when the daemon stops */
        replica__exchange_tick(http, true);
        MHD_run(http->daemon);
        MHD_stop_daemon(http->daemon);
    }
    replica__gone_close(http);
    replica__poller_close(http->poller);
    replica__free(http);
}
