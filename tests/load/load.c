/* replica serve under load: streams that all read everything, and writers that keep a rate.
 *
 *     load REPLICA [seconds [streams [writes per second]]]
 *
 * Every document carries the moment in which it was sent, so that each stream can tell how far it
 * is behind; the last one carries a mark, which every stream must see.  One more stream in twenty
 * is not read at all: it is cut, or reads on in the end, and nobody else notices.  The server's
 * memory is read from /proc.  Speaks TAP.
 *
 * Where other programs take the processors, neither the rate nor the delay says anything: the
 * kernel tells how long the two of us waited for one. */
#define _GNU_SOURCE
#include "tests/load/server.h"

#include "base/os.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    WRITERS = 8,
    EVENTS = 512,
    CARRY = 64,             /* of the bytes before, where a number may begin */
    ROOM = 256 * 1024,
    MOST_LAG_MS = 1000,
    SETTLE_MS = 15000,      /* for the last document to arrive everywhere */
    SAMPLES = 1200,         /* of the memory, one a second */
    MOST_WAITING = 25       /* percent of the time, for a processor */
};

struct connection {
    int fd;
    bool writer;
    bool slow;              /* a stream that is not read until the end */
    bool busy;              /* a writer that waits for its answer */
    bool ended;             /* a stream that has seen the mark */
    size_t carried;
    char carry[CARRY];
    int64_t worst_us;
};

struct load {
    struct load_server server;
    int epoll;
    struct connection *streams;
    int stream_count;       /* those that are read; the slow ones are behind them */
    int slow_count;
    struct connection writers[WRITERS];
    int rate, seconds;
    int64_t start_us;
    int64_t waited_us;      /* for a processor, the server and we */
    int64_t documents, sent, answered, refused;
    int64_t bytes;
    int ended, lost, cut;   /* of those that are read; and slow ones */
    int64_t worst_us, second_worst_us; /* of all, and of this second */
    long rss[SAMPLES];
    int samples;
    int failed, told;
};

static void die(const char *what)
{
    fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
    exit(99);
}

static int64_t waited_us(const struct load *l)
{
    return load_server_waited_us(l->server.pid) + load_server_waited_us(getpid());
}

static bool was_disturbed(const struct load *l)
{
    return l->waited_us > l->seconds * INT64_C(10000) * MOST_WAITING;
}

/* What depends on the machine being ours. */
static void tell_timed(struct load *l, bool ok, const char *what)
{
    if (ok || !was_disturbed(l))
        printf("%sok %d - %s\n", ok ? "" : "not ", ++l->told, what);
    else
        printf("ok %d # SKIP other programs took the processors: %s\n", ++l->told, what);
    l->failed += !ok && !was_disturbed(l);
}

static void tell(struct load *l, bool ok, const char *what)
{
    printf("%sok %d - %s\n", ok ? "" : "not ", ++l->told, what);
    l->failed += !ok;
}

/* ---- streams --------------------------------------------------------------------- */

static void open_connection(struct load *l, struct connection *c)
{
    struct epoll_event event = { .events = c->slow ? 0 : EPOLLIN, .data.ptr = c };

    c->fd = load_server_connect(&l->server);
    if (c->fd < 0 || epoll_ctl(l->epoll, EPOLL_CTL_ADD, c->fd, &event) < 0)
        die("connect");
}

/* From now on the slow ones read, too. */
static void wake_the_slow(struct load *l)
{
    for (int i = l->stream_count; i < l->stream_count + l->slow_count; i++) {
        struct epoll_event event = { .events = EPOLLIN, .data.ptr = &l->streams[i] };

        if (l->streams[i].fd >= 0)
            epoll_ctl(l->epoll, EPOLL_CTL_MOD, l->streams[i].fd, &event);
    }
}

static void open_stream(struct load *l, struct connection *c)
{
    static const char ask[] = "GET /_replica/1/stream?c=load/0 HTTP/1.1\r\nHost: load\r\n"
                              "Accept: text/event-stream\r\n\r\n";

    open_connection(l, c);
    if (send(c->fd, ask, sizeof(ask) - 1, MSG_NOSIGNAL) != (ssize_t)sizeof(ask) - 1)
        die("send");
}

/* The first document of what came is the oldest. */
static void measure(struct load *l, struct connection *c, const char *text, const char *end,
                    int64_t now_us)
{
    static const char name[] = "\"t\":";
    const char *at = memmem(text, (size_t)(end - text), name, sizeof(name) - 1);
    int64_t us = 0;

    if (!at)
        return;
    at += sizeof(name) - 1;
    while (at < end && *at >= '0' && *at <= '9')
        us = us * 10 + (*at++ - '0');
    if (at == end || *at != ',') /* cut, by what is still to come or by a chunk's end */
        return;
    us = now_us - us;
    if (us > c->worst_us)
        c->worst_us = us;
    if (us > l->second_worst_us)
        l->second_worst_us = us;
}

static void lose(struct load *l, struct connection *c)
{
    epoll_ctl(l->epoll, EPOLL_CTL_DEL, c->fd, NULL);
    close(c->fd);
    c->fd = -1;
    *(c->slow ? &l->cut : &l->lost) += 1;
}

static void read_stream(struct load *l, struct connection *c)
{
    static char room[CARRY + ROOM];
    static const char mark[] = "\"end\":1";
    ssize_t n;
    size_t len;

    memcpy(room, c->carry, c->carried);
    n = recv(c->fd, room + c->carried, ROOM, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        lose(l, c);
        return;
    }
    l->bytes += n;
    len = c->carried + (size_t)n;
    if (!c->slow)
        measure(l, c, room, room + len, replica__os_monotonic_us());
    if (!c->ended && memmem(room, len, mark, sizeof(mark) - 1)) {
        c->ended = true;
        l->ended++;
    }
    c->carried = len < CARRY ? len : CARRY;
    memcpy(c->carry, room + len - c->carried, c->carried);
}

/* ---- writers --------------------------------------------------------------------- */

static void write_document(struct load *l, struct connection *c, const char *more)
{
    char body[300], request[600];
    int len = snprintf(body, sizeof(body),
                       "[{\"newDocumentState\":{\"id\":\"d%09" PRId64 "\",\"t\":%" PRId64
                       "%s,\"text\":\"what a note of one line may say\",\"_deleted\":false}}]",
                       l->documents++, replica__os_monotonic_us(), more);
    int n = snprintf(request, sizeof(request),
                     "POST /load/0/push HTTP/1.1\r\nHost: load\r\n"
                     "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len, body);

    if (send(c->fd, request, (size_t)n, MSG_NOSIGNAL) != n)
        die("send");
    c->busy = true;
    l->sent++;
}

static void read_writer(struct load *l, struct connection *c)
{
    char answer[4096];
    ssize_t n = recv(c->fd, answer, sizeof(answer) - 1, 0);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0)
        die("a writer's connection ended");
    answer[n] = '\0';
    l->answered++;
    l->refused += strncmp(answer, "HTTP/1.1 200", 12) != 0 || !strstr(answer, "\r\n\r\n[]");
    c->busy = false;
}

/* As many as are due; those that the server has no time for are made up for later. */
static void write_due(struct load *l, int64_t now_us)
{
    int64_t due = (now_us - l->start_us) * l->rate / 1000000;

    if (due > (int64_t)l->rate * l->seconds)
        due = (int64_t)l->rate * l->seconds;
    for (int i = 0; i < WRITERS && l->sent < due; i++)
        if (!l->writers[i].busy)
            write_document(l, &l->writers[i], "");
}

/* ---- the loop -------------------------------------------------------------------- */

static void turn(struct load *l, int timeout_ms)
{
    struct epoll_event events[EVENTS];
    int n = epoll_wait(l->epoll, events, EVENTS, timeout_ms);

    if (n < 0 && errno != EINTR)
        die("epoll_wait");
    for (int i = 0; i < n; i++) {
        struct connection *c = events[i].data.ptr;

        if (c->writer)
            read_writer(l, c);
        else
            read_stream(l, c);
    }
}

static void sample(struct load *l, int64_t now_us)
{
    int second = (int)((now_us - l->start_us) / 1000000);

    if (second < l->samples || l->samples >= SAMPLES)
        return;
    l->rss[l->samples++] = load_server_rss_kb(&l->server);
    if (l->samples % 10 == 1 || l->second_worst_us > MOST_LAG_MS * 1000)
        printf("# %4d s: %" PRId64 " written, %" PRId64 " MB read, %ld kB resident, %" PRId64
               " ms behind\n",
               second, l->answered, l->bytes / 1000000, l->rss[l->samples - 1],
               l->second_worst_us / 1000);
    fflush(stdout);
    if (l->second_worst_us > l->worst_us)
        l->worst_us = l->second_worst_us;
    l->second_worst_us = 0;
}

/* The first document, which makes the collection, and the last one. */
static void write_one(struct load *l, const char *more)
{
    while (l->writers[0].busy)
        turn(l, 100);
    write_document(l, &l->writers[0], more);
    while (l->writers[0].busy)
        turn(l, 100);
}

static void open_all(struct load *l)
{
    l->epoll = epoll_create1(EPOLL_CLOEXEC);
    l->slow_count = l->stream_count / 20;
    l->streams = calloc((size_t)(l->stream_count + l->slow_count), sizeof(*l->streams));
    if (l->epoll < 0 || !l->streams)
        die("out of memory");
    for (int i = 0; i < WRITERS; i++) {
        l->writers[i].writer = true;
        open_connection(l, &l->writers[i]);
    }
    write_one(l, "");
    for (int i = 0; i < l->stream_count + l->slow_count; i++) {
        l->streams[i].slow = i >= l->stream_count;
        open_stream(l, &l->streams[i]);
    }
}

static void run(struct load *l)
{
    int64_t end_us, now_us;

    l->sent = l->answered = l->bytes = 0;
    l->second_worst_us = 0;
    l->start_us = replica__os_monotonic_us();
    l->waited_us = -waited_us(l);
    end_us = l->start_us + l->seconds * INT64_C(1000000);
    while ((now_us = replica__os_monotonic_us()) < end_us) {
        write_due(l, now_us);
        turn(l, 1);
        sample(l, now_us);
    }
    l->waited_us += waited_us(l);
    while (l->answered < l->sent)
        turn(l, 100);
    write_one(l, ",\"end\":1");
    wake_the_slow(l);
    end_us = replica__os_monotonic_us() + SETTLE_MS * INT64_C(1000);
    while (l->ended + l->lost + l->cut < l->stream_count + l->slow_count &&
           replica__os_monotonic_us() < end_us)
        turn(l, 100);
    sample(l, replica__os_monotonic_us() + 1000000);
}

/* ---- judging --------------------------------------------------------------------- */

/* The memory grows until all caches are full: a fifth of the time is left for that. */
static bool is_flat(const struct load *l)
{
    long first = l->rss[l->samples / 5], last = l->rss[l->samples - 1];

    printf("# resident: %ld kB at the start, %ld kB after a fifth, %ld kB in the middle, %ld kB at "
           "the end\n", l->rss[0], first, l->rss[l->samples / 2], last);
    return last <= first + first / 5 + 4096;
}

static void judge(struct load *l)
{
    printf("# %" PRId64 " written in %d s, %d streams, %" PRId64 " MB read, at most %" PRId64
           " ms behind\n", l->answered, l->seconds, l->stream_count, l->bytes / 1000000,
           l->worst_us / 1000);
    tell(l, l->refused == 0, "every write was taken");
    tell_timed(l, l->answered >= (int64_t)l->rate * l->seconds * 95 / 100, "the rate was kept");
    printf("# waited %" PRId64 " ms for a processor\n", l->waited_us / 1000);
    printf("# %d of the %d slow streams were cut\n", l->cut, l->slow_count);
    tell(l, l->lost == 0 && l->ended == l->stream_count + l->slow_count - l->cut,
         "every stream that was not cut has seen the end");
    tell_timed(l, l->worst_us <= MOST_LAG_MS * 1000, "no stream was more than a second behind");
    tell(l, is_flat(l), "the memory is flat");
}

static void raise_descriptors(const struct load *l)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        die("getrlimit");
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
        die("setrlimit");
    if (limit.rlim_cur < (rlim_t)l->stream_count * 21 / 20 + 200) {
        printf("1..0 # SKIP only %ld descriptors are allowed here\n", (long)limit.rlim_cur);
        exit(0);
    }
}

static int number(char **argv, int argc, int i, int otherwise)
{
    int n = argc > i ? atoi(argv[i]) : otherwise;

    return n > 0 ? n : otherwise;
}

int main(int argc, char **argv)
{
    static struct load l;

    if (argc < 2) {
        fprintf(stderr, "usage: load REPLICA [seconds [streams [writes per second]]]\n");
        return 2;
    }
    l.seconds = number(argv, argc, 2, 600);
    l.stream_count = number(argv, argc, 3, 1000);
    l.rate = number(argv, argc, 4, 1000);
    raise_descriptors(&l);
    if (!load_server_start(&l.server, argv[1]))
        die(argv[1]);
    open_all(&l);
    run(&l);
    judge(&l);
    tell(&l, load_server_stop(&l.server), "the server ends as it should");
    printf("1..%d\n", l.told);
    return l.failed ? 1 : 0;
}
