/* One thread that accepts, and one for each connection; all share the script under one lock. */
#define _GNU_SOURCE /* strcasestr, asprintf */

#include "tests/http/scripted_server.h"

#include "tests/support/test.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MAX_ANSWERS = 256, MAX_CONNECTIONS = 64, MAX_REQUEST = 16 * 1024 * 1024, PATIENCE_S = 10 };

struct answer {
    char *match;
    char *bytes;
    size_t len;
    unsigned flags;
    bool used;
};

struct request {
    char *text;
    size_t len, head;
};

struct scripted {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int listener;
    unsigned port;
    char url[512];
    bool stopping;
    pthread_t acceptor;
    pthread_t threads[MAX_CONNECTIONS];
    int fds[MAX_CONNECTIONS]; /* -1: closed */
    int connections;
    int held;                 /* the connection that was held last; -1: none */
    bool cut[MAX_CONNECTIONS];
    struct answer answers[MAX_ANSWERS];
    int answer_count;
    struct request requests[MAX_ANSWERS];
    int request_count;
};

struct connection {
    struct scripted *s;
    int index;
};

static void *must(void *p)
{
    CHECK(p != NULL);
    return p;
}

/* ---- the server's threads ---------------------------------------------------------- */

static bool send_all(int fd, const char *bytes, size_t len, size_t piece)
{
    while (len > 0) {
        ssize_t n = send(fd, bytes, len < piece ? len : piece, MSG_NOSIGNAL);

        if (n <= 0)
            return false;
        bytes += n;
        len -= (size_t)n;
    }
    return true;
}

/* The length of the head with its empty line, or 0 if that is not there yet. */
static size_t head_len(const char *text)
{
    const char *end = strstr(text, "\r\n\r\n");

    return end ? (size_t)(end + 4 - text) : 0;
}

static size_t body_len(const char *text)
{
    const char *line = strcasestr(text, "\r\nContent-Length:");

    return line ? strtoul(line + 17, NULL, 10) : 0;
}

/* The head of a request into text, which has room for MAX_REQUEST; false: the client has gone. */
static bool read_head(int fd, char *text, size_t *ret_head, size_t *ret_len)
{
    size_t len = 0, head = 0;

    text[0] = '\0';
    while (head == 0) {
        ssize_t n = len < MAX_REQUEST ? recv(fd, text + len, MAX_REQUEST - len, 0) : 0;

        if (n <= 0)
            return false;
        len += (size_t)n;
        text[len] = '\0';
        head = head_len(text);
    }
    *ret_head = head;
    *ret_len = len;
    return true;
}

/* Find the answer, and keep the request.  Called with the lock held. */
static struct answer *take_answer(struct scripted *s, const char *text)
{
    for (int i = 0; i < s->answer_count; i++) {
        struct answer *a = &s->answers[i];

        if (!a->used && strncmp(text, a->match, strlen(a->match)) == 0) {
            a->used = true;
            return a;
        }
    }
    return NULL;
}

static void keep_request(struct scripted *s, const char *text, size_t head, size_t len)
{
    struct request *rq = &s->requests[s->request_count];

    if (s->request_count == MAX_ANSWERS)
        return;
    rq->text = must(malloc(len + 1));
    memcpy(rq->text, text, len + 1);
    rq->len = len;
    rq->head = head;
    s->request_count++;
    pthread_cond_broadcast(&s->changed);
}

static bool is_early(struct scripted *s, const char *text)
{
    for (int i = 0; i < s->answer_count; i++) {
        if (!s->answers[i].used
            && strncmp(text, s->answers[i].match, strlen(s->answers[i].match)) == 0)
            return (s->answers[i].flags & SCRIPTED_EARLY) != 0;
    }
    return false;
}

/* Answer one request; false: this connection takes no more. */
static bool serve(struct scripted *s, int index, char *text)
{
    static const char none[] = "HTTP/1.1 599 Not Scripted\r\nContent-Length: 0\r\n\r\n";
    struct answer *a;
    size_t head = 0, len = 0;
    int fd = s->fds[index];
    bool early;

    if (!read_head(fd, text, &head, &len))
        return false;
    pthread_mutex_lock(&s->lock);
    early = is_early(s, text);
    pthread_mutex_unlock(&s->lock);
    while (!early && len < head + body_len(text)) {
        ssize_t n = recv(fd, text + len, MAX_REQUEST - len, 0);

        if (n <= 0)
            return false;
        len += (size_t)n;
        text[len] = '\0';
    }
    pthread_mutex_lock(&s->lock);
    keep_request(s, text, head, len);
    a = take_answer(s, text);
    pthread_mutex_unlock(&s->lock);
    if (!a)
        return send_all(fd, none, sizeof(none) - 1, sizeof(none));
    if (!(a->flags & SCRIPTED_SILENT)
        && !send_all(fd, a->bytes, a->len, a->flags & SCRIPTED_SLOW ? 1 : a->len))
        return false;
    if (a->flags & (SCRIPTED_HOLD | SCRIPTED_SILENT)) {
        pthread_mutex_lock(&s->lock);
        if (a->flags & SCRIPTED_HOLD)
            s->held = index;
        pthread_cond_broadcast(&s->changed);
        while (!s->cut[index] && !s->stopping)
            pthread_cond_wait(&s->changed, &s->lock);
        pthread_mutex_unlock(&s->lock);
        return false;
    }
    return !(a->flags & (SCRIPTED_CLOSE | SCRIPTED_EARLY));
}

static void *run_connection(void *arg)
{
    struct connection *c = arg;
    struct scripted *s = c->s;
    int fd;
    char *text = must(malloc(MAX_REQUEST + 1));

    while (serve(s, c->index, text))
        ;
    pthread_mutex_lock(&s->lock);
    fd = s->fds[c->index];
    s->fds[c->index] = -1;
    pthread_mutex_unlock(&s->lock);
    close(fd);
    free(text);
    free(c);
    return NULL;
}

static void *run_acceptor(void *arg)
{
    struct scripted *s = arg;

    for (;;) {
        int fd = accept(s->listener, NULL, NULL);
        int on = 1;
        struct connection *c;

        pthread_mutex_lock(&s->lock);
        if (s->stopping || fd < 0 || s->connections == MAX_CONNECTIONS) {
            pthread_mutex_unlock(&s->lock);
            if (fd >= 0)
                close(fd);
            return NULL;
        }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        c = must(malloc(sizeof(*c)));
        *c = (struct connection){ s, s->connections };
        s->fds[s->connections] = fd;
        CHECK(pthread_create(&s->threads[s->connections++], NULL, run_connection, c) == 0);
        pthread_mutex_unlock(&s->lock);
    }
}

/* ---- the test's side ---------------------------------------------------------------- */

struct scripted *scripted_start(void)
{
    struct scripted *s = must(calloc(1, sizeof(*s)));
    struct sockaddr_in at = { .sin_family = AF_INET };
    socklen_t len = sizeof(at);

    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    s->held = -1;
    s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(s->listener >= 0);
    CHECK(bind(s->listener, (struct sockaddr *)&at, sizeof(at)) == 0);
    CHECK(listen(s->listener, 16) == 0);
    CHECK(getsockname(s->listener, (struct sockaddr *)&at, &len) == 0);
    s->port = ntohs(at.sin_port);
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->changed, NULL);
    CHECK(pthread_create(&s->acceptor, NULL, run_acceptor, s) == 0);
    return s;
}

void scripted_stop(struct scripted *s)
{
    if (!s)
        return;
    pthread_mutex_lock(&s->lock);
    s->stopping = true;
    shutdown(s->listener, SHUT_RDWR); /* wakes the accept */
    for (int i = 0; i < s->connections; i++) {
        if (s->fds[i] >= 0)
            shutdown(s->fds[i], SHUT_RDWR);
    }
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
    pthread_join(s->acceptor, NULL);
    for (int i = 0; i < s->connections; i++)
        pthread_join(s->threads[i], NULL);
    close(s->listener);
    for (int i = 0; i < s->answer_count; i++) {
        free(s->answers[i].match);
        free(s->answers[i].bytes);
    }
    for (int i = 0; i < s->request_count; i++)
        free(s->requests[i].text);
    pthread_mutex_destroy(&s->lock);
    pthread_cond_destroy(&s->changed);
    free(s);
}

void scripted_stop_ptr(struct scripted **s)
{
    scripted_stop(*s);
    *s = NULL;
}

const char *scripted_url(struct scripted *s, const char *path)
{
    snprintf(s->url, sizeof(s->url), "http://127.0.0.1:%u%s", s->port, path);
    return s->url;
}

void scripted_raw(struct scripted *s, const char *match, const char *bytes, size_t len,
                  unsigned flags)
{
    struct answer a = { .flags = flags };

    a.len = len == REPLICA_NUL ? strlen(bytes) : len;
    a.match = must(strdup(match));
    a.bytes = must(malloc(a.len + 1));
    memcpy(a.bytes, bytes, a.len);
    pthread_mutex_lock(&s->lock);
    CHECK(s->answer_count < MAX_ANSWERS);
    s->answers[s->answer_count++] = a;
    pthread_mutex_unlock(&s->lock);
}

void scripted_answer(struct scripted *s, const char *match, int status, const char *type,
                     const char *body)
{
    char *text = NULL;
    int len = asprintf(&text, "HTTP/1.1 %d Scripted\r\nContent-Type: %s\r\n"
                       "Content-Length: %zu\r\n\r\n%s", status, type, strlen(body), body);

    CHECK(len > 0);
    scripted_raw(s, match, text, (size_t)len, 0);
    free(text);
}

/* Wait for the lock's owner to change something; fails the test when patience ends. */
static void wait_changed(struct scripted *s, const char *for_what)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE_S;
    if (pthread_cond_timedwait(&s->changed, &s->lock, &until) != 0) {
        pthread_mutex_unlock(&s->lock);
        test_fail(__FILE__, __LINE__, "waited in vain for %s", for_what);
    }
}

void scripted_push(struct scripted *s, const char *bytes)
{
    pthread_mutex_lock(&s->lock);
    while (s->held < 0)
        wait_changed(s, "a connection to hold");
    send_all(s->fds[s->held], bytes, strlen(bytes), strlen(bytes));
    pthread_mutex_unlock(&s->lock);
}

void scripted_cut(struct scripted *s)
{
    pthread_mutex_lock(&s->lock);
    while (s->held < 0)
        wait_changed(s, "a connection to hold");
    s->cut[s->held] = true;
    s->held = -1;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

static struct request *wait_request(struct scripted *s, int n)
{
    struct request *rq;

    pthread_mutex_lock(&s->lock);
    while (s->request_count <= n)
        wait_changed(s, "a request");
    rq = &s->requests[n];
    pthread_mutex_unlock(&s->lock);
    return rq;
}

const char *scripted_request(struct scripted *s, int n)
{
    return wait_request(s, n)->text;
}

size_t scripted_body(struct scripted *s, int n, const char **ret_body)
{
    struct request *rq = wait_request(s, n);

    *ret_body = rq->text + rq->head;
    return rq->len - rq->head;
}

int scripted_requests(struct scripted *s)
{
    int n;

    pthread_mutex_lock(&s->lock);
    n = s->request_count;
    pthread_mutex_unlock(&s->lock);
    return n;
}

int scripted_connections(struct scripted *s)
{
    int n;

    pthread_mutex_lock(&s->lock);
    n = s->connections;
    pthread_mutex_unlock(&s->lock);
    return n;
}
