/* curl's multi interface, driven by a poller of ours: curl says which descriptors to watch and
 * when to call, and one descriptor shows it all to the runner.
 *
 * Invariant: curl is never entered from one of its own callbacks; they only write down what
 * came. */
#include "replicator/http_link.h"

#include "base/alloc.h"
#include "base/error.h"
#include "base/os.h"
#include "replicator/http_sigpipe.h"

#include <assert.h>
#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum {
    BUFFER = 256 * 1024,        /* curl's for reading: a page comes in few pieces */
    MAX_ERROR_BODY = 64 * 1024, /* of an answer that is only shown in an error */
    MAX_HEAD = 128 * 1024,      /* of an answer, with those of 1xx before it */
    BLIND_MS = 20,              /* how often to look where the poller cannot show a descriptor */
    MAX_EXCHANGES = 16,         /* a replication has three */
    MAX_SOCKETS = 64,           /* an exchange has two addresses to try, and a name to ask for */
};
static const int64_t MAX_RETRY_MS = 24 * 3600 * 1000; /* no server makes us wait longer */

struct replica__link {
    CURLM *multi;
    struct replica__poller *poller;
    struct replica__exchange *exchanges; /* started and not stopped */
    size_t exchange_count;
    curl_socket_t sockets[MAX_SOCKETS];
    size_t socket_count;
    bool blind; /* a descriptor could not be watched: look at all of them often */
    int64_t timer_at_ms; /* curl's; -1: none */
    int64_t down, up;
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static CURLcode init_code;

static void init_curl(void)
{
    init_code = curl_global_init(CURL_GLOBAL_DEFAULT);
}

static int64_t now_ms(void)
{
    return replica__os_monotonic_us() / 1000;
}

/* ---- what curl tells -------------------------------------------------------------- */

static void remember_socket(struct replica__link *link, curl_socket_t fd)
{
    for (size_t i = 0; i < link->socket_count; i++) {
        if (link->sockets[i] == fd)
            return;
    }
    assert(link->socket_count < MAX_SOCKETS);
    link->sockets[link->socket_count++] = fd;
}

static void forget_socket(struct replica__link *link, curl_socket_t fd)
{
    for (size_t i = 0; i < link->socket_count; i++) {
        if (link->sockets[i] == fd) {
            link->sockets[i] = link->sockets[--link->socket_count];
            link->blind = link->blind && link->socket_count > 0;
            return;
        }
    }
}

/* Never -1: that would be the end of the whole multi handle. */
static int on_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *socket_ctx)
{
    struct replica__link *link = ctx;
    unsigned events = what == CURL_POLL_IN ? REPLICA_POLL_IN
        : what == CURL_POLL_OUT ? REPLICA_POLL_OUT : REPLICA_POLL_IN | REPLICA_POLL_OUT;

    if (what == CURL_POLL_REMOVE) {
        forget_socket(link, fd);
        replica__poller_watch_fd(link->poller, fd, 0);
        return 0;
    }
    remember_socket(link, fd);
    if (replica__poller_watch_fd(link->poller, fd, events) < 0)
        link->blind = true;
    return 0;
}

static int on_timer(CURLM *multi, long ms, void *ctx)
{
    struct replica__link *link = ctx;

    link->timer_at_ms = ms < 0 ? -1 : now_ms() + ms;
    return 0;
}

static size_t on_body(char *bytes, size_t size, size_t n, void *ctx)
{
    struct replica__exchange *x = ctx;

    if (x->stream)
        x->link->down += (int64_t)(size * n);
    if (x->status != 200 && x->answer.len >= MAX_ERROR_BODY)
        return size * n;
    replica__buf_add(&x->answer, bytes, size * n);
    return x->answer.r < 0 ? 0 : size * n;
}

/* An empty line ends the head; after 1xx another one follows. */
static size_t on_head(char *line, size_t size, size_t n, void *ctx)
{
    struct replica__exchange *x = ctx;
    const char *type = NULL;
    size_t len = size * n;

    x->head_bytes += len;
    if (x->head_bytes > MAX_HEAD)
        return 0;
    if (len > 2)
        return len;
    curl_easy_getinfo(x->easy, CURLINFO_RESPONSE_CODE, &x->status);
    curl_easy_getinfo(x->easy, CURLINFO_CONTENT_TYPE, &type);
    snprintf(x->type, sizeof(x->type), "%s", type ? type : "");
    x->head = x->status >= 200;
    return len;
}

static int on_progress(void *ctx, curl_off_t down_total, curl_off_t down, curl_off_t up_total,
                       curl_off_t up)
{
    struct replica__exchange *x = ctx;

    if (down + up != x->moved) {
        x->moved = down + up;
        x->moved_at_ms = now_ms();
    }
    return 0;
}

/* ---- a link ----------------------------------------------------------------------- */

int replica__link_open(struct replica__link **ret_link, replica_error *err)
{
    struct replica__link *link;
    int r;

    pthread_once(&once, init_curl);
    if (init_code != CURLE_OK)
        return replica__error_set(err, REPLICA_ENET, (int)init_code, "curl cannot be used: %s",
                                  curl_easy_strerror(init_code));
    link = replica__alloc_zero(1, sizeof(*link));
    if (!link)
        return replica__enomem(err);
    link->timer_at_ms = -1;
    r = replica__poller_open(&link->poller, err);
    if (r == 0) {
        link->multi = curl_multi_init();
        if (!link->multi)
            r = replica__enomem(err);
    }
    if (r < 0) {
        replica__link_close(link);
        return r;
    }
    curl_multi_setopt(link->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(link->multi, CURLMOPT_SOCKETDATA, link);
    curl_multi_setopt(link->multi, CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(link->multi, CURLMOPT_TIMERDATA, link);
    *ret_link = link;
    return 0;
}

void replica__link_close(struct replica__link *link)
{
    struct replica__sigpipe guard;

    if (!link)
        return;
    guard = replica__sigpipe_hold();
    curl_multi_cleanup(link->multi); /* says goodbye on TLS connections */
    replica__sigpipe_release(&guard);
    replica__poller_close(link->poller);
    replica__free(link);
}

int replica__link_fd(struct replica__link *link)
{
    return replica__poller_fd(link->poller);
}

void replica__link_bytes(struct replica__link *link, int64_t *ret_down, int64_t *ret_up)
{
    *ret_down = link->down;
    *ret_up = link->up;
}

/* When an exchange without progress is given up; -1: not at all. */
static int64_t give_up_at(const struct replica__exchange *x)
{
    return x->done || (x->stream && x->status == 200) ? -1 : x->moved_at_ms + x->idle_ms;
}

static int64_t sooner(int64_t a, int64_t b)
{
    return a < 0 || (b >= 0 && b < a) ? b : a;
}

int replica__link_timeout(struct replica__link *link)
{
    int64_t at = link->timer_at_ms;
    int64_t left;

    for (const struct replica__exchange *x = link->exchanges; x; x = x->next)
        at = sooner(at, give_up_at(x));
    if (link->socket_count > 0 && (link->blind || !replica__poller_shows_all()))
        at = sooner(at, now_ms() + BLIND_MS);
    if (at < 0)
        return -1;
    left = at - now_ms();
    return left < 0 ? 0 : left > 3600 * 1000 ? 3600 * 1000 : (int)left;
}

/* ---- an exchange ------------------------------------------------------------------ */

/* What an older curl does not know it does without. */
static void set_by_version(CURL *easy)
{
#if LIBCURL_VERSION_NUM >= 0x075700
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L); /* a silent name server holds nobody up */
#endif
#if LIBCURL_VERSION_NUM >= 0x075500
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
#else
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS, CURLPROTO_HTTP | CURLPROTO_HTTPS);
#endif
}

static void set_callbacks(CURL *easy, struct replica__exchange *x)
{
    curl_easy_setopt(easy, CURLOPT_PRIVATE, x);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, x);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_head);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, x);
    curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(easy, CURLOPT_XFERINFODATA, x);
    curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, x->words);
}

/* The texts that curl copies may fail, the others cannot. */
static CURLcode set_question(CURL *easy, struct replica__exchange *x)
{
    CURLcode code = curl_easy_setopt(easy, CURLOPT_URL, x->url);

    set_by_version(easy);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, 30L);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, 15L);
    curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L);
    curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, (long)BUFFER);
    curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, (long)BUFFER);
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L); /* the owner decides */
    curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)x->connect_ms);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)x->total_ms);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, x->lines);
    if (code == CURLE_OK && x->compressed_answer)
        code = curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, ""); /* all that curl unpacks */
    if (x->body) {
        curl_easy_setopt(easy, CURLOPT_POST, 1L);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)x->len);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, x->body); /* not copied */
    }
    return code;
}

static bool add_lines(struct replica__exchange *x)
{
    struct curl_slist *lines = NULL;

    for (size_t i = 0; x->headers[i]; i++) {
        struct curl_slist *longer = curl_slist_append(lines, x->headers[i]);

        if (!longer) {
            curl_slist_free_all(lines);
            return false;
        }
        lines = longer;
    }
    x->lines = lines;
    return true;
}

static void forget_answer(struct replica__exchange *x)
{
    replica__buf_clear(&x->answer);
    x->head_bytes = 0;
    x->head = false;
    x->done = false;
    x->status = 0;
    x->type[0] = '\0';
    x->redirect[0] = '\0';
    x->retry_ms = 0;
    x->code = 0;
    x->detail = 0;
    x->message[0] = '\0';
}

int replica__exchange_start(struct replica__link *link, struct replica__exchange *x)
{
    if (link->exchange_count == MAX_EXCHANGES)
        return REPLICA_ELIMIT;
    forget_answer(x);
    x->words = replica__alloc_zero(1, CURL_ERROR_SIZE);
    x->easy = curl_easy_init();
    if (!x->words || !x->easy || !add_lines(x) || set_question(x->easy, x) != CURLE_OK) {
        replica__exchange_stop(x);
        return REPLICA_ENOMEM;
    }
    set_callbacks(x->easy, x);
    x->moved = 0;
    x->moved_at_ms = now_ms();
    if (curl_multi_add_handle(link->multi, x->easy) != CURLM_OK) {
        replica__exchange_stop(x);
        return REPLICA_ENOMEM;
    }
    x->link = link;
    x->next = link->exchanges;
    link->exchanges = x;
    link->exchange_count++;
    return 0;
}

static void unlink_exchange(struct replica__exchange *x)
{
    for (struct replica__exchange **at = &x->link->exchanges; *at; at = &(*at)->next) {
        if (*at == x) {
            *at = x->next;
            x->link->exchange_count--;
            break;
        }
    }
    x->link = NULL;
}

void replica__exchange_stop(struct replica__exchange *x)
{
    if (x->link) {
        struct replica__sigpipe guard = replica__sigpipe_hold();

        curl_multi_remove_handle(x->link->multi, x->easy);
        replica__sigpipe_release(&guard);
        unlink_exchange(x);
    }
    curl_easy_cleanup(x->easy);
    curl_slist_free_all(x->lines);
    replica__free(x->words);
    replica__buf_free(&x->answer);
    x->answer.r = 0;
    x->easy = NULL;
    x->lines = NULL;
    x->words = NULL;
}

/* ---- moving on -------------------------------------------------------------------- */

static void fail(struct replica__exchange *x, int code, CURLcode result, const char *message)
{
    x->code = code;
    x->detail = (int)result;
    snprintf(x->message, sizeof(x->message), "%s", message);
}

static void word_failure(struct replica__exchange *x, CURLcode result)
{
    const char *words = x->words[0] ? x->words : curl_easy_strerror(result);
    char too_large[80];

    snprintf(too_large, sizeof(too_large), "an answer of more than %zu bytes", x->answer.max);
    if (x->answer.r == REPLICA_ELIMIT)
        fail(x, REPLICA_ELIMIT, result, too_large);
    else if (x->answer.r < 0 || result == CURLE_OUT_OF_MEMORY)
        fail(x, REPLICA_ENOMEM, result, "out of memory");
    else if (x->head_bytes > MAX_HEAD)
        fail(x, REPLICA_ENET, result, "the head of the answer does not end");
    else if (result == CURLE_OPERATION_TIMEDOUT)
        fail(x, REPLICA_ETIMEOUT, result, words);
    else
        fail(x, REPLICA_ENET, result, words);
}

/* Write down what there is to know, while curl's handle still lives. */
static void finish(struct replica__exchange *x, CURLcode result)
{
    const char *redirect = NULL;
    curl_off_t retry = 0, down = 0, up = 0;

    if (x->done) /* given up before curl did */
        return;
    x->done = true;
    if (result != CURLE_OK)
        word_failure(x, result);
    curl_easy_getinfo(x->easy, CURLINFO_RESPONSE_CODE, &x->status);
    curl_easy_getinfo(x->easy, CURLINFO_REDIRECT_URL, &redirect);
    curl_easy_getinfo(x->easy, CURLINFO_RETRY_AFTER, &retry);
    curl_easy_getinfo(x->easy, CURLINFO_SIZE_DOWNLOAD_T, &down);
    curl_easy_getinfo(x->easy, CURLINFO_SIZE_UPLOAD_T, &up);
    if (redirect && strlen(redirect) < sizeof(x->redirect))
        memcpy(x->redirect, redirect, strlen(redirect) + 1);
    x->retry_ms = retry > MAX_RETRY_MS / 1000 ? MAX_RETRY_MS : (int64_t)retry * 1000;
    x->link->up += (int64_t)up;
    if (!x->stream)
        x->link->down += (int64_t)down;
}

static void finish_all(struct replica__link *link)
{
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(link->multi, &left))) {
        char *x = NULL;

        if (message->msg == CURLMSG_DONE
            && curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &x) == CURLE_OK && x)
            finish((struct replica__exchange *)(void *)x, message->data.result);
    }
}

static void give_up_all(struct replica__link *link)
{
    int64_t now = now_ms();

    for (struct replica__exchange *x = link->exchanges; x; x = x->next) {
        int64_t at = give_up_at(x);

        if (at < 0 || at > now)
            continue;
        snprintf(x->words, CURL_ERROR_SIZE, "nothing moved for %d ms", x->idle_ms);
        finish(x, CURLE_OPERATION_TIMEDOUT);
    }
}

void replica__link_work(struct replica__link *link)
{
    struct replica__sigpipe guard = replica__sigpipe_hold();
    int running;

    replica__poller_wait(link->poller, 0);
    /* The poller does not say which descriptor it was; there are two or three.  The list may change
     * on the way: what is passed over stays ready and is met at the next work. */
    for (size_t i = 0; i < link->socket_count; i++)
        curl_multi_socket_action(link->multi, link->sockets[i], 0, &running);
    if (link->timer_at_ms >= 0 && link->timer_at_ms <= now_ms()) {
        link->timer_at_ms = -1;
        curl_multi_socket_action(link->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    }
    finish_all(link);
    give_up_all(link);
    replica__sigpipe_release(&guard);
}
