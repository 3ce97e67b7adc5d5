/* The server of a desk: documents in memory, and a remote that reaches them.  Requests are put in
 * line, and answered on the runner's thread. */
#define _GNU_SOURCE /* pipe2, asprintf */
#include "tests/replicator/desk_support.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define MAX_DOCS 6000

/* ---- the server's documents ------------------------------------------------------- */

struct kept {
    char id[40];
    char *json;       /* NULL: a tombstone */
    int64_t sequence;
    char operation[100];
};

struct asked { /* a request that waits for its answer */
    replica_call *call;
    int kind; /* HOLD_ */
    char collection[70];
    int64_t at; /* pull: after this number */
    int rows;
    replica_remote_verdict *verdicts; /* push */
    size_t n;
    int64_t follows, sequence;
    struct asked *next;
};

struct server {
    pthread_mutex_t mutex; /* of all below */
    int wake[2];
    struct kept *docs;
    size_t n;
    int64_t head;
    int held, code, detail;
    char judged[40];
    int verdict;
    struct asked *first, **last;
    replica_call *stream;
    char stream_collection[70];
    int64_t stream_at;
    bool stream_news;
    int pulls, pushes, waiting, destroyed;
};

struct server *server_new(void)
{
    struct server *s = calloc(1, sizeof *s);

    pthread_mutex_init(&s->mutex, NULL);
    CHECK_INT(pipe2(s->wake, O_NONBLOCK | O_CLOEXEC), 0);
    s->docs = calloc(MAX_DOCS, sizeof *s->docs);
    s->last = &s->first;
    return s;
}

static void free_asked(struct asked *a)
{
    for (size_t i = 0; i < a->n; i++)
        free((void *)(uintptr_t)a->verdicts[i].real.json);
    free(a->verdicts);
    free(a);
}

void server_free(struct server *s)
{
    CHECK(!s->first);
    for (size_t i = 0; i < s->n; i++)
        free(s->docs[i].json);
    free(s->docs);
    close(s->wake[0]);
    close(s->wake[1]);
    pthread_mutex_destroy(&s->mutex);
    free(s);
}

static void lock(struct server *s)
{
    pthread_mutex_lock(&s->mutex);
}

static void unlock(struct server *s)
{
    pthread_mutex_unlock(&s->mutex);
}

static void wake(struct server *s)
{
    if (write(s->wake[1], "x", 1) < 0)
        return; /* it is full: whoever reads it wakes */
}

static struct kept *find(struct server *s, const char *id)
{
    for (size_t i = 0; i < s->n; i++) {
        if (strcmp(s->docs[i].id, id) == 0)
            return &s->docs[i];
    }
    return NULL;
}

static struct kept *set(struct server *s, const char *id, const char *json, size_t len)
{
    struct kept *k = find(s, id);

    if (!k) {
        CHECK(s->n < MAX_DOCS);
        k = &s->docs[s->n++];
        snprintf(k->id, sizeof k->id, "%s", id);
    }
    free(k->json);
    k->json = json ? strndup(json, len) : NULL;
    k->sequence = ++s->head;
    k->operation[0] = '\0';
    return k;
}

void server_set(struct server *s, const char *id, const char *json)
{
    lock(s);
    set(s, id, json, json ? strlen(json) : 0);
    s->stream_news = true;
    unlock(s);
    wake(s);
}

const char *server_get(struct server *s, const char *id)
{
    static char shown[4][2000];
    static int turn;
    char *to = shown[turn++ % 4];
    struct kept *k;

    lock(s);
    k = find(s, id);
    snprintf(to, sizeof shown[0], "%s", k && k->json ? k->json : "-");
    unlock(s);
    return k ? to : NULL;
}

void server_hold(struct server *s, int which)
{
    lock(s);
    s->held = which;
    unlock(s);
    wake(s);
}

void server_fail(struct server *s, int code, int detail)
{
    lock(s);
    s->code = code;
    s->detail = detail;
    unlock(s);
    wake(s);
}

void server_judge(struct server *s, const char *id, int verdict)
{
    lock(s);
    snprintf(s->judged, sizeof s->judged, "%s", id ? id : "");
    s->verdict = verdict;
    unlock(s);
}

static int read_int(struct server *s, const int *value)
{
    int read;

    lock(s);
    read = *value;
    unlock(s);
    return read;
}

int server_waiting(struct server *s)
{
    return read_int(s, &s->waiting);
}

int server_pushes(struct server *s)
{
    return read_int(s, &s->pushes);
}

int server_pulls(struct server *s)
{
    return read_int(s, &s->pulls);
}

int server_destroyed(struct server *s)
{
    return read_int(s, &s->destroyed);
}

/* ---- the remote: requests are put in line ------------------------------------------ */

static struct asked *ask(struct server *s, replica_call *call, int kind)
{
    struct asked *a = calloc(1, sizeof *a);

    a->call = call;
    a->kind = kind;
    *s->last = a;
    s->last = &a->next;
    s->waiting++;
    return a;
}

static int64_t number_of(const char *checkpoint)
{
    const char *lwt = checkpoint ? strstr(checkpoint, "\"lwt\":") : NULL;

    return lwt ? atoll(lwt + 6) : 0;
}

static int hello(void *ctx, replica_call *call)
{
    struct server *s = ctx;

    lock(s);
    ask(s, call, HOLD_HELLO);
    unlock(s);
    return 0;
}

static int pull(void *ctx, replica_call *call, const replica_pull_request *request)
{
    struct server *s = ctx;
    struct asked *a;

    lock(s);
    s->pulls++;
    a = ask(s, call, HOLD_PULL);
    a->at = number_of(request->checkpoint);
    a->rows = request->rows;
    unlock(s);
    return 0;
}

static bool is_assumed(const struct kept *k, const replica_remote_row *row)
{
    if (!k)
        return !row->assumed && !row->assumed_sequence;
    if (row->assumed_sequence)
        return row->assumed_sequence == k->sequence;
    if (!row->assumed)
        return false;
    return row->assumed_deleted ? !k->json
                                : k->json && strlen(k->json) == row->assumed_len &&
                                      memcmp(k->json, row->assumed, row->assumed_len) == 0;
}

static void judge(struct server *s, const replica_remote_row *row, replica_remote_verdict *v)
{
    struct kept *k = find(s, row->id);

    if (strcmp(s->judged, row->id) == 0) {
        *v = (replica_remote_verdict){ .verdict = s->verdict, .code = 422, .reason = "judged",
                                       .retry_ms = 50 };
    } else if (k && strcmp(k->operation, row->operation) == 0) {
        *v =
            (replica_remote_verdict){ .verdict = REPLICA_VERDICT_ALREADY, .sequence = k->sequence };
    } else if (!is_assumed(k, row)) {
        char *json = k && k->json ? strdup(k->json) : NULL;

        if (!json)
            CHECK(asprintf(&json, "{\"id\":\"%s\"}", row->id) > 0);
        *v = (replica_remote_verdict){ .verdict = REPLICA_VERDICT_CONFLICT,
                                       .real = { .json = json,
                                                 .len = strlen(json),
                                                 .deleted = !k || !k->json,
                                                 .sequence = k ? k->sequence : 0 } };
    } else {
        k = set(s, row->id, row->deleted ? NULL : row->json, row->len);
        snprintf(k->operation, sizeof k->operation, "%s", row->operation);
        *v = (replica_remote_verdict){ .verdict = REPLICA_VERDICT_TAKEN, .sequence = k->sequence };
    }
}

static int push(void *ctx, replica_call *call, const replica_push_request *request)
{
    struct server *s = ctx;
    struct asked *a;

    lock(s);
    s->pushes++;
    a = ask(s, call, HOLD_PUSH);
    a->follows = s->head;
    a->n = request->row_count;
    a->verdicts = calloc(a->n, sizeof *a->verdicts);
    for (size_t i = 0; i < a->n && !s->code; i++)
        judge(s, &request->rows[i], &a->verdicts[i]);
    a->sequence = s->head;
    unlock(s);
    return 0;
}

static int stream(void *ctx, replica_call *call, const replica_pull_request *request)
{
    struct server *s = ctx;

    lock(s);
    s->stream = call;
    s->stream_at = number_of(request->checkpoint);
    s->stream_news = true;
    unlock(s);
    replica_call_open(call);
    return 0;
}

static void cancel(void *ctx, replica_call *call)
{
    struct server *s = ctx;

    lock(s);
    if (s->stream == call)
        s->stream = NULL;
    for (struct asked **at = &s->first; *at;) {
        struct asked *a = *at;

        if (a->call != call) {
            at = &a->next;
            continue;
        }
        *at = a->next;
        if (s->last == &a->next)
            s->last = at;
        s->waiting--;
        free_asked(a);
    }
    unlock(s);
}

/* ---- the remote: answers ----------------------------------------------------------- */

static struct asked *take(struct server *s)
{
    struct asked **at = &s->first, *a;

    while (*at && ((*at)->kind & s->held))
        at = &(*at)->next;
    a = *at;
    if (a) {
        *at = a->next;
        if (s->last == &a->next)
            s->last = at;
        s->waiting--;
    }
    return a;
}

static const char *write_place(char *to, size_t room, int64_t number)
{
    snprintf(to, room, "{\"id\":\"inc\",\"lwt\":%lld}", (long long)number);
    return to;
}

struct page {
    replica_remote_page page;
    replica_remote_doc *docs;
    char checkpoint[60], follows[60];
};

/* Documents after a number, in order; texts are copied. */
static void make_page(struct server *s, int64_t after, int rows, struct page *p)
{
    int64_t at = after;

    *p = (struct page){ .page = REPLICA_REMOTE_PAGE_INIT };
    p->docs = calloc((size_t)rows, sizeof *p->docs);
    while ((int)p->page.count < rows) {
        const struct kept *next = NULL;
        char *json = NULL;

        for (size_t i = 0; i < s->n; i++) {
            if (s->docs[i].sequence > at && (!next || s->docs[i].sequence < next->sequence))
                next = &s->docs[i];
        }
        if (!next)
            break;
        at = next->sequence;
        json = next->json ? strdup(next->json) : NULL;
        if (!json)
            CHECK(asprintf(&json, "{\"id\":\"%s\"}", next->id) > 0);
        p->docs[p->page.count++] = (replica_remote_doc){ .json = json,
                                                         .len = strlen(json),
                                                         .deleted = !next->json,
                                                         .sequence = next->sequence };
    }
    if ((int)p->page.count < rows)
        at = s->head > at ? s->head : at;
    p->page.docs = p->docs;
    p->page.checkpoint = write_place(p->checkpoint, sizeof p->checkpoint, at);
    p->page.follows = write_place(p->follows, sizeof p->follows, after);
    p->page.incarnation = "inc";
    p->page.head = s->head;
    p->page.at_head = at >= s->head;
    p->page.remaining = 0;
}

static void free_page(struct page *p)
{
    for (size_t i = 0; i < p->page.count; i++)
        free((void *)(uintptr_t)p->docs[i].json);
    free(p->docs);
}

static void answer_pull(struct server *s, struct asked *a)
{
    struct page p;

    lock(s);
    make_page(s, a->at, a->rows, &p);
    unlock(s);
    replica_call_page(a->call, &p.page);
    free_page(&p);
}

static void answer_push(struct asked *a)
{
    replica_remote_verdicts answer = REPLICA_REMOTE_VERDICTS_INIT;

    answer.verdicts = a->verdicts;
    answer.count = a->n;
    answer.incarnation = "inc";
    replica_call_verdicts(a->call, &answer);
}

static void answer_one(struct server *s, struct asked *a, int code, int detail)
{
    replica_error e = { .code = code, .detail = detail, .offset = -1 };

    if (code) {
        snprintf(e.message, sizeof e.message, "the server fails");
        replica_call_fail(a->call, &e, detail == 503 ? 60000 : 0);
    } else if (a->kind == HOLD_HELLO) {
        replica_call_hello(a->call, REPLICA_REMOTE_ONE_FEED | REPLICA_REMOTE_OPERATIONS |
                                        REPLICA_REMOTE_ROWS | REPLICA_REMOTE_ORDER |
                                        REPLICA_REMOTE_STREAM);
    } else if (a->kind == HOLD_PULL) {
        answer_pull(s, a);
    } else {
        answer_push(a);
    }
    free_asked(a);
}

static void tell_stream(struct server *s)
{
    replica_call *call;
    struct page p;

    lock(s);
    call = s->stream && s->stream_news && !(s->held & HOLD_PULL) ? s->stream : NULL;
    if (call) {
        make_page(s, s->stream_at, MAX_DOCS, &p);
        s->stream_at = s->head;
        s->stream_news = false;
    }
    unlock(s);
    if (!call)
        return;
    if (p.page.count > 0)
        replica_call_event(call, &p.page);
    free_page(&p);
}

static int remote_fd(void *ctx)
{
    return ((struct server *)ctx)->wake[0];
}

static int remote_timeout(void *ctx)
{
    struct server *s = ctx;
    bool ready = false;

    lock(s);
    for (struct asked *a = s->first; a; a = a->next)
        ready |= !(a->kind & s->held);
    ready |= s->stream && s->stream_news && !(s->held & HOLD_PULL);
    unlock(s);
    return ready ? 0 : -1;
}

static void work(void *ctx)
{
    struct server *s = ctx;
    char bytes[64];
    struct asked *a;
    int code, detail;

    while (read(s->wake[0], bytes, sizeof bytes) > 0)
        continue;
    for (int i = 0; i < 4; i++) {
        lock(s);
        a = take(s);
        code = s->code;
        detail = s->detail;
        unlock(s);
        if (!a)
            break;
        answer_one(s, a, code, detail);
    }
    tell_stream(s);
}

static void destroy_remote(void *ctx)
{
    struct server *s = ctx;

    lock(s);
    s->destroyed++;
    unlock(s);
}

replica_remote server_remote(struct server *s)
{
    return (replica_remote){ .size = sizeof(replica_remote),
                             .ctx = s,
                             .hello = hello,
                             .pull = pull,
                             .push = push,
                             .stream = stream,
                             .cancel = cancel,
                             .fd = remote_fd,
                             .timeout = remote_timeout,
                             .work = work,
                             .destroy = destroy_remote };
}
