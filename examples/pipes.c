/* A transport of the program's own: the remote is a struct of callbacks, and here it speaks over
 * two pipes to a child process, which plays the server.
 *
 * The words on the pipes are made up for this program; a line is a row, and documents have no line
 * breaks in them.
 *
 *     pull AFTER ROWS                ->  page N CHECKPOINT HEAD, then N times: SEQ DELETED JSON
 *     push N, then N times:          ->  verdicts N, then N times: SEQ DELETED JSON of a conflict,
 *     ID SEQ-OF-ASSUMED DELETED JSON     or only the SEQ of a row that was taken */
#include <replicator/replicator.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROWS_MAX 100
#define CALLS_MAX 8

/* ---- the child: a server with room for a few notes ------------------------------- */

struct note {
    char id[32];
    long sequence;
    int deleted;
    char *json;
};

struct server {
    struct note notes[ROWS_MAX];
    int count;
    long head;
    FILE *in, *out;
};

static struct note *find(struct server *s, const char *id)
{
    for (int i = 0; i < s->count; i++)
        if (strcmp(s->notes[i].id, id) == 0)
            return &s->notes[i];
    return NULL;
}

static void store(struct server *s, const char *id, int deleted, const char *json)
{
    struct note *n = find(s, id);

    if (!n && s->count == ROWS_MAX)
        exit(1);
    if (!n)
        n = &s->notes[s->count++];
    snprintf(n->id, sizeof(n->id), "%s", id);
    n->sequence = ++s->head;
    n->deleted = deleted;
    free(n->json);
    n->json = strdup(json);
}

/* Answer one row: taken, if the note is still the one that the client started from. */
static void judge(struct server *s, char *row)
{
    char id[32];
    long assumed;
    int deleted, json = 0;
    struct note *n;

    if (sscanf(row, "%31s %ld %d %n", id, &assumed, &deleted, &json) != 3 || !json)
        exit(1);
    n = find(s, id);
    if ((n ? n->sequence : 0) != assumed) {
        fprintf(s->out, "%ld %d %s\n", n ? n->sequence : 0, n ? n->deleted : 1, n ? n->json : "{}");
        return;
    }
    store(s, id, deleted, row + json);
    fprintf(s->out, "%ld\n", s->head);
}

/* Notes change places when they are written: always the next higher sequence number. */
static void send_page(struct server *s, long after, int rows)
{
    const struct note *page[ROWS_MAX];
    int n = 0;

    while (n < rows && n < ROWS_MAX) {
        const struct note *next = NULL;

        for (int i = 0; i < s->count; i++)
            if (s->notes[i].sequence > after &&
                (!next || s->notes[i].sequence < next->sequence))
                next = &s->notes[i];
        if (!next)
            break;
        page[n++] = next;
        after = next->sequence;
    }
    fprintf(s->out, "page %d %ld %ld\n", n, after, s->head);
    for (int i = 0; i < n; i++)
        fprintf(s->out, "%ld %d %s\n", page[i]->sequence, page[i]->deleted, page[i]->json);
}

static void serve(struct server *s)
{
    char *line = NULL;
    size_t room = 0;
    long after;
    int rows;

    store(s, "theirs", 0, "{\"id\":\"theirs\",\"text\":\"written by the child\"}");
    while (getline(&line, &room, s->in) > 0) {
        line[strcspn(line, "\n")] = '\0';
        if (sscanf(line, "pull %ld %d", &after, &rows) == 2) {
            send_page(s, after, rows);
        } else if (sscanf(line, "push %d", &rows) == 1) {
            fprintf(s->out, "verdicts %d\n", rows);
            while (rows-- > 0 && getline(&line, &room, s->in) > 0) {
                line[strcspn(line, "\n")] = '\0';
                judge(s, line);
            }
        }
        fflush(s->out);
    }
    for (int i = 0; i < s->count; i++)
        printf("child has %s\n", s->notes[i].json);
    free(line);
}

/* ---- the parent's remote --------------------------------------------------------- */

/* A question on its way.  One is asked at a time: two ends that both write wait for each other. */
struct question {
    replica_call *call; /* NULL: cancelled, its answer is passed over */
    char *text;
    char checkpoint[32]; /* that a pull began with */
};

struct pipes {
    int in, out;
    struct question queue[CALLS_MAX];
    int count;
    int asked; /* the first of the queue */
    char *answer;
    size_t len, room;
};

static void ask_next(struct pipes *p)
{
    const char *text = p->count && !p->asked ? p->queue[0].text : NULL;
    size_t len = text ? strlen(text) : 0;

    while (len > 0) {
        ssize_t n = write(p->out, text, len);

        if (n < 0)
            return; /* the child is gone; reading finds out */
        text += n;
        len -= (size_t)n;
        p->asked = 1;
    }
}

static int ask(struct pipes *p, replica_call *call, char *text, const char *checkpoint)
{
    struct question *q = &p->queue[p->count];

    if (!text || p->count == CALLS_MAX) {
        free(text);
        return -1;
    }
    p->count++;
    q->call = call;
    q->text = text;
    snprintf(q->checkpoint, sizeof(q->checkpoint), "%s", checkpoint ? checkpoint : "");
    ask_next(p);
    return 0;
}

static int hello(void *ctx, replica_call *call)
{
    (void)ctx;
    replica_call_hello(call, REPLICA_REMOTE_ROWS | REPLICA_REMOTE_ORDER);
    return 0;
}

static int pull(void *ctx, replica_call *call, const replica_pull_request *request)
{
    char text[96];

    snprintf(text, sizeof(text), "pull %s %d\n", request->checkpoint ? request->checkpoint : "0",
             request->rows < ROWS_MAX ? request->rows : ROWS_MAX);
    return ask(ctx, call, strdup(text), request->checkpoint);
}

static int push(void *ctx, replica_call *call, const replica_push_request *request)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);

    if (!out)
        return -1;
    fprintf(out, "push %zu\n", request->row_count);
    for (size_t i = 0; i < request->row_count; i++) {
        const replica_remote_row *row = &request->rows[i];

        fprintf(out, "%s %lld %d %.*s\n", row->id, (long long)row->assumed_sequence, row->deleted,
                (int)row->len, row->json);
    }
    fclose(out);
    return ask(ctx, call, text, NULL);
}

static void cancel(void *ctx, replica_call *call)
{
    struct pipes *p = ctx;

    for (int i = 0; i < p->count; i++)
        if (p->queue[i].call == call)
            p->queue[i].call = NULL;
}

/* ---- answers --------------------------------------------------------------------- */

static void answer_page(struct question *q, int n, char **rows, const char *head_line)
{
    replica_remote_page page = REPLICA_REMOTE_PAGE_INIT;
    replica_remote_doc docs[ROWS_MAX] = { { 0 } };
    char checkpoint[32];
    long long head = 0, sequence;

    sscanf(head_line, "page %*d %31s %lld", checkpoint, &head);
    for (int i = 0; i < n; i++) {
        int json = 0;

        sscanf(rows[i], "%lld %d %n", &sequence, &docs[i].deleted, &json);
        docs[i].sequence = sequence;
        docs[i].json = rows[i] + json;
        docs[i].len = strlen(docs[i].json);
    }
    page.docs = docs;
    page.count = (size_t)n;
    page.checkpoint = checkpoint;
    page.follows = q->checkpoint[0] ? q->checkpoint : NULL;
    page.incarnation = "child";
    page.head = head;
    page.at_head = atoll(checkpoint) == head;
    replica_call_page(q->call, &page);
}

static void answer_verdicts(struct question *q, int n, char **rows)
{
    replica_remote_verdicts answer = REPLICA_REMOTE_VERDICTS_INIT;
    replica_remote_verdict verdicts[ROWS_MAX] = { { 0 } };

    for (int i = 0; i < n; i++) {
        replica_remote_verdict *v = &verdicts[i];
        long long sequence = 0;
        int json = 0;

        sscanf(rows[i], "%lld %d %n", &sequence, &v->real.deleted, &json);
        v->verdict = json ? REPLICA_VERDICT_CONFLICT : REPLICA_VERDICT_TAKEN;
        v->sequence = v->real.sequence = sequence;
        v->real.json = rows[i] + json;
        v->real.len = strlen(v->real.json);
    }
    answer.verdicts = verdicts;
    answer.count = (size_t)n;
    answer.incarnation = "child";
    replica_call_verdicts(q->call, &answer);
}

/* Is the answer whole?  Then give it, and ask what comes next. */
static int take_answer(struct pipes *p)
{
    char *rows[ROWS_MAX];
    char *line = p->answer, *end = NULL;
    struct question q = p->queue[0];
    int n = 0, is_page;

    if (p->len == 0 || !p->asked || !strchr(line, '\n'))
        return 0;
    is_page = sscanf(line, "page %d", &n) == 1;
    if (!is_page)
        sscanf(line, "verdicts %d", &n);
    end = strchr(line, '\n');
    for (int i = 0; i < n && i < ROWS_MAX; i++) {
        rows[i] = end + 1;
        end = strchr(rows[i], '\n');
        if (!end)
            return 0;
    }
    for (char *c = line; c <= end; c++)
        if (*c == '\n')
            *c = '\0';
    memmove(p->queue, p->queue + 1, (size_t)--p->count * sizeof(q));
    p->asked = 0;
    if (q.call && is_page)
        answer_page(&q, n, rows, line);
    else if (q.call)
        answer_verdicts(&q, n, rows);
    free(q.text);
    p->len -= (size_t)(end + 1 - p->answer);
    memmove(p->answer, end + 1, p->len + 1);
    ask_next(p);
    return 1;
}

static void fail_all(struct pipes *p)
{
    replica_error err = { .code = REPLICA_ENET, .message = "the child is gone" };

    for (int n = p->count; n > 0; n--) {
        struct question q = p->queue[0];

        memmove(p->queue, p->queue + 1, (size_t)--p->count * sizeof(q));
        if (q.call)
            replica_call_fail(q.call, &err, 0);
        free(q.text);
    }
    p->asked = 0;
}

static void work(void *ctx)
{
    struct pipes *p = ctx;
    ssize_t n = 1;

    while (n > 0) {
        if (p->room - p->len < 4096) {
            char *more = realloc(p->answer, p->room + 8192);

            if (!more)
                break;
            p->answer = more;
            p->room += 8192;
        }
        n = read(p->in, p->answer + p->len, p->room - p->len - 1);
        p->len += n > 0 ? (size_t)n : 0;
        p->answer[p->len] = '\0';
    }
    while (take_answer(p))
        continue;
    if (n == 0)
        fail_all(p);
}

static int answer_fd(void *ctx)
{
    return ((struct pipes *)ctx)->in;
}

static int no_timeout(void *ctx)
{
    (void)ctx;
    return -1;
}

static void destroy(void *ctx)
{
    struct pipes *p = ctx;

    for (int i = 0; i < p->count; i++)
        free(p->queue[i].text);
    close(p->in);
    close(p->out); /* the child's input ends, and so does the child */
    free(p->answer);
}

/* ---- the program ----------------------------------------------------------------- */

static int start_child(struct pipes *p)
{
    int there[2], back[2];
    pid_t child;

    if (pipe(there) != 0 || pipe(back) != 0)
        return -1;
    child = fork(); /* before a database is open: handles do not survive a fork */
    if (child == 0) {
        struct server s = { .in = fdopen(there[0], "r"), .out = fdopen(back[1], "w") };

        close(there[1]);
        close(back[0]);
        serve(&s);
        exit(0);
    }
    close(there[0]);
    close(back[1]);
    p->out = there[1];
    p->in = back[0];
    fcntl(p->in, F_SETFL, O_NONBLOCK);
    return child < 0 ? -1 : 0;
}

static int run(struct pipes *p, replica_error *err)
{
    replica_remote remote = REPLICA_REMOTE_INIT;
    replica_sync_options opts = REPLICA_SYNC_OPTIONS_INIT;
    replica_db *db = NULL;
    replica_collection *notes = NULL;
    replica_sync *sync = NULL;
    replica_doc *doc = NULL;
    int r;

    remote.ctx = p;
    remote.hello = hello;
    remote.pull = pull;
    remote.push = push;
    remote.cancel = cancel;
    remote.fd = answer_fd;
    remote.timeout = no_timeout;
    remote.work = work;
    remote.destroy = destroy;
    opts.remote = &remote;
    opts.identifier = "pipes";
    opts.collections = &notes;
    opts.collection_count = 1;
    opts.flags = REPLICA_SYNC_IN_LOOP | REPLICA_SYNC_ONCE;
    r = replica_db_open(":memory:", NULL, &db, err);
    if (r >= 0)
        r = replica_db_collection(db, "notes", NULL, &notes, err);
    if (r >= 0)
        r = replica_upsert(notes, "{\"id\":\"ours\",\"text\":\"written by the parent\"}",
                           REPLICA_NUL, NULL, err);
    if (r >= 0)
        r = replica_sync_start(db, &opts, &sync, err);
    if (r >= 0)
        r = replica_sync_wait_in_sync(sync, 10000, err);
    if (r > 0 && replica_get(notes, "theirs", &doc, err) > 0)
        printf("parent has %s\n", replica_doc_json(doc, NULL));
    fflush(stdout);
    replica_doc_unref(doc);
    replica_sync_cancel(sync);
    replica_db_close(db);
    return r;
}

int main(void)
{
    struct pipes p = { 0 };
    replica_error err = { 0 };
    int r;

    signal(SIGPIPE, SIG_IGN); /* a child that is gone is an error like any other */
    if (start_child(&p) < 0)
        return 1;
    r = run(&p, &err);
    wait(NULL);
    if (r <= 0)
        fprintf(stderr, "pipes: %s\n", r < 0 ? err.message : "not in sync in time");
    return r <= 0;
}
