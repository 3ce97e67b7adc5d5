/* A program that replicates, and does what the lines of its input say, for the scripts of this
 * folder: they start it, kill it, and read what it answers, a line for each.
 *
 *     client DB URL OPTIONS COLLECTION[=RULES]...
 *
 * OPTIONS: letters, or "-": r RxDB's dialect only, p paused at the start, f requests are given up
 * after 500 ms, s small pages, l documents of at most 1000 bytes.  RULES: JSON, or "add", a handler
 * of the program that adds up "n", or "fail", one that fails.
 *
 * An answer begins with "ok ", and JSON if there is something to tell; or with "err ", and the name
 * of the code. */
#include "replicator/replicator.h"

#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MOST 16

static replica_db *db;
static replica_sync *sync_;
static replica_collection *colls[MOST];
static size_t coll_count;
static const char *url, *options;
static replica_error last; /* that the replication told */
static bool close_in_callback;

__attribute__((format(printf, 1, 2), noreturn)) static void fail(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    exit(1);
}

static void must(int r, const replica_error *err)
{
    if (r < 0)
        fail("%s: %s (%s)", replica_error_name(r), err->message, err->where);
}

static int64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* ---- answers --------------------------------------------------------------------- */

static void print_text(const char *text)
{
    putchar('"');
    for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
        if (*c == '"' || *c == '\\')
            printf("\\%c", *c);
        else if (*c < ' ')
            printf("\\u%04x", *c);
        else
            putchar(*c);
    }
    putchar('"');
}

static void print_doc(replica_doc *doc)
{
    if (!doc)
        printf("null");
    else
        printf("{\"deleted\":%s,\"doc\":%s}", replica_doc_deleted(doc) ? "true" : "false",
               replica_doc_json(doc, NULL));
}

static void answer_error(int r, const replica_error *err)
{
    printf("err %s: %s\n", replica_error_name(r), err->message);
}

/* ---- a handler that adds ---------------------------------------------------------- */

static long number_of(replica_doc *doc)
{
    const char *n = doc && !replica_doc_deleted(doc) ? strstr(replica_doc_json(doc, NULL), "\"n\":")
                                                     : NULL;

    return n ? strtol(n + 4, NULL, 10) : 0;
}

static void add_up(void *ctx, replica_conflict *c)
{
    long n = number_of(replica_conflict_real(c)) + number_of(replica_conflict_local(c)) -
             number_of(replica_conflict_assumed(c));
    replica_error err = { 0 };
    char json[200];
    int r;

    (void)ctx;
    snprintf(json, sizeof json, "{\"id\":\"%.100s\",\"n\":%ld}", replica_conflict_id(c), n);
    r = replica_conflict_use_json(c, json, REPLICA_NUL, &err);
    if (r < 0)
        replica_conflict_fail(c, err.message, NULL);
}

static void refuse(void *ctx, replica_conflict *c)
{
    (void)ctx;
    replica_conflict_fail(c, "the handler fails", NULL);
}

/* ---- the replication -------------------------------------------------------------- */

static void on_error(void *ctx, const replica_error *error)
{
    (void)ctx;
    last = *error;
}

static void on_status(void *ctx, const replica_sync_status *status)
{
    (void)ctx;
    if (!close_in_callback)
        return;
    close_in_callback = false;
    replica_sync_cancel(sync_);
    sync_ = NULL;
    (void)status;
}

static void start(void)
{
    replica_sync_options o = REPLICA_SYNC_OPTIONS_INIT;
    replica_error err = { 0 };

    o.url = url;
    o.identifier = "life";
    o.collections = colls;
    o.collection_count = coll_count;
    o.flags = (strchr(options, 'r') ? REPLICA_SYNC_RXDB : 0) |
              (strchr(options, 'p') ? REPLICA_SYNC_PAUSED_AT_START : 0);
    o.request_timeout_ms = strchr(options, 'f') ? 500 : 0;
    o.page_rows = strchr(options, 's') ? 7 : 0;
    o.on_error = on_error;
    o.on_status = on_status;
    must(replica_sync_start(db, &o, &sync_, &err), &err);
}

static void open_collection(char *spec)
{
    replica_collection_options o = REPLICA_COLLECTION_OPTIONS_INIT;
    replica_conflict_handler handler = REPLICA_CONFLICT_HANDLER_INIT;
    char *rules = strchr(spec, '=');
    replica_error err = { 0 };

    if (rules)
        *rules++ = '\0';
    handler.resolve = rules && strcmp(rules, "fail") == 0 ? refuse : add_up;
    if (rules && strcmp(rules, "add") == 0)
        handler.flags = REPLICA_HANDLER_ADDITIVE;
    if (rules && (strcmp(rules, "add") == 0 || strcmp(rules, "fail") == 0))
        o.handler = &handler;
    else if (rules && rules[0])
        o.rules = rules;
    if (coll_count == MOST)
        fail("too many collections");
    must(replica_db_collection(db, spec, &o, &colls[coll_count++], &err), &err);
}

static void open_all(const char *path, char **specs)
{
    replica_db_options o = REPLICA_DB_OPTIONS_INIT;
    replica_error err = { 0 };

    o.busy_ms = 20000;
    o.max_document = strchr(options, 'l') ? 1000 : 0;
    must(replica_db_open(path, &o, &db, &err), &err);
    for (; *specs; specs++)
        open_collection(*specs);
}

/* ---- commands --------------------------------------------------------------------- */

static replica_collection *collection(const char *name)
{
    for (size_t i = 0; i < coll_count; i++) {
        if (strcmp(replica_collection_name(colls[i]), name) == 0)
            return colls[i];
    }
    fail("no collection '%s'", name);
}

/* The next word of the line; what follows the last one asked for is the rest. */
static char *word(char **line)
{
    char *at = *line;
    char *end = at + strcspn(at, " ");

    *line = *end ? end + 1 : end;
    *end = '\0';
    return at;
}

/* put COLLECTION REV|*|new JSON */
static void put(char *line)
{
    replica_collection *coll = collection(word(&line));
    const char *rev = word(&line);
    replica_error err = { 0 };
    int r = replica_put(coll, line, REPLICA_NUL, strcmp(rev, "new") == 0 ? NULL : rev, NULL, NULL,
                        &err);

    if (r < 0)
        answer_error(r, &err);
    else
        puts("ok ");
}

/* fill COLLECTION FROM TO BYTES: as many documents, in bulk */
static void fill(char *line)
{
    replica_collection *coll = collection(word(&line));
    long from = strtol(word(&line), NULL, 10), to = strtol(word(&line), NULL, 10);
    long bytes = strtol(line, NULL, 10);
    size_t n = (size_t)(to - from);
    replica_bulk_row *rows = calloc(n, sizeof *rows);
    char *texts = calloc(n, (size_t)bytes + 60), *at = texts;
    replica_error err = { 0 };
    int r;

    if (!rows || !texts)
        fail("out of memory");
    for (size_t i = 0; i < n; i++, at += bytes + 60) {
        sprintf(at, "{\"id\":\"f%07ld\",\"t\":\"%0*d\"}", from + (long)i, (int)bytes, 0);
        rows[i] = (replica_bulk_row){ .json = at, .len = REPLICA_NUL };
    }
    r = replica_bulk(coll, rows, n, &err);
    free(rows);
    free(texts);
    r != 0 ? answer_error(r, &err) : (void)puts("ok ");
}

/* del COLLECTION REV|* ID */
static void del(char *line)
{
    replica_collection *coll = collection(word(&line));
    const char *rev = word(&line);
    replica_error err = { 0 };
    int r = replica_delete(coll, line, rev, NULL, &err);

    if (r < 0)
        answer_error(r, &err);
    else
        printf("ok %d\n", r);
}

/* get COLLECTION ID: [rev, document], or null */
static void get(char *line)
{
    replica_collection *coll = collection(word(&line));
    replica_doc *doc = NULL;
    replica_error err = { 0 };
    int r = replica_get(coll, line, &doc, &err);

    if (r < 0)
        answer_error(r, &err);
    else if (r == 0)
        puts("ok null");
    else
        printf("ok [\"%s\",%s]\n", replica_doc_rev(doc), replica_doc_json(doc, NULL));
    replica_doc_unref(doc);
}

struct listing {
    bool any;
};

static void separate(struct listing *l)
{
    if (l->any)
        putchar(',');
    l->any = true;
}

static void print_all(replica_collection *coll)
{
    replica_cursor *cursor = NULL;
    replica_doc *doc = NULL;
    replica_error err = { 0 };
    struct listing l = { 0 };
    int r;

    must(replica_all(coll, NULL, &cursor, &err), &err);
    putchar('[');
    while ((r = replica_cursor_next(cursor, &doc, &err)) > 0) {
        separate(&l);
        printf("%s", replica_doc_json(doc, NULL));
    }
    must(r, &err);
    replica_cursor_close(cursor);
    putchar(']');
}

static void print_status(void)
{
    replica_sync_status s = REPLICA_SYNC_STATUS_INIT;
    replica_error err = { 0 };

    must(replica_sync_get_status(sync_, &s, &err), &err);
    printf("{\"in_sync\":%s,\"state\":%d,\"head\":%lld,\"streaming\":%d,\"dirty\":%lld,"
           "\"unsettled\":%lld,\"rejected\":%lld,\"retry\":%lld,\"pushed\":%lld,\"pulled\":%lld,"
           "\"code\":\"%s\",\"detail\":%d,\"message\":",
           s.in_sync ? "true" : "false", s.state, (long long)s.head, s.streaming,
           (long long)s.push_remaining, (long long)s.unsettled, (long long)s.rejected,
           (long long)s.retry_ms, (long long)s.pushed, (long long)s.pulled,
           replica_error_name(s.error.code), s.error.detail);
    print_text(s.error.message);
    printf(",\"where\":");
    print_text(s.error.where);
    printf("}");
}

/* What failed since "forget"; waits for it up to so many ms. */
static void print_last(const char *ms)
{
    int64_t until = now_ms() + atoi(ms);
    replica_error err = { 0 };

    while (last.code == 0 && now_ms() < until)
        must(replica_db_wait(db, 20, &err), &err);
    printf("ok {\"code\":\"%s\",\"detail\":%d,\"message\":", replica_error_name(last.code),
           last.detail);
    print_text(last.message);
    printf(",\"where\":");
    print_text(last.where);
    puts("}");
}

/* What the replication says, and all documents, with nothing written between. */
static void snapshot(void)
{
    printf("ok {\"status\":");
    print_status();
    printf(",\"collections\":{");
    for (size_t i = 0; i < coll_count; i++) {
        printf("%s\"%s\":", i > 0 ? "," : "", replica_collection_name(colls[i]));
        print_all(colls[i]);
    }
    puts("}}");
}

static int print_conflict(void *ctx, const replica_conflict_entry *e)
{
    separate(ctx);
    printf("{\"collection\":\"%s\",\"id\":", e->collection);
    print_text(e->id);
    printf(",\"rule\":\"%s\",\"local\":", e->rule);
    print_doc(e->local);
    printf(",\"real\":");
    print_doc(e->real);
    printf(",\"result\":");
    print_doc(e->result);
    putchar('}');
    return 0;
}

static void print_log(void)
{
    struct listing l = { 0 };
    replica_error err = { 0 };

    printf("ok [");
    must(replica_conflict_log(db, NULL, 0, print_conflict, &l, &err), &err);
    puts("]");
}

static int print_entry(void *ctx, const replica_rejected_entry *e)
{
    separate(ctx);
    printf("{\"number\":%lld,\"collection\":\"%s\",\"id\":", (long long)e->number, e->collection);
    print_text(e->id);
    printf(",\"kind\":%d,\"code\":%d,\"reason\":", e->kind, e->code);
    print_text(e->reason);
    printf(",\"local\":");
    print_doc(e->local);
    putchar('}');
    return 0;
}

static void print_rejected(void)
{
    struct listing l = { 0 };
    replica_error err = { 0 };

    printf("ok [");
    must(replica_rejected(db, NULL, print_entry, &l, &err), &err);
    puts("]");
}

/* wait MS */
static void wait_in_sync(const char *ms)
{
    replica_error err = { 0 };
    int r = replica_sync_wait_in_sync(sync_, atoi(ms), &err);

    if (r < 0)
        answer_error(r, &err);
    else
        printf("ok %d\n", r);
}

static void answer(int r, const replica_error *err)
{
    if (r < 0)
        answer_error(r, err);
    else
        printf("ok %d\n", r);
}

/* How long it took, in ms: where is "close", "cancel" or "callback". */
static void end(const char *where)
{
    int64_t from = now_ms();
    replica_error err = { 0 };

    if (strcmp(where, "callback") == 0) {
        close_in_callback = true;
        must(replica_sync_now(sync_, &err), &err);
        while (sync_ && now_ms() - from < 5000)
            must(replica_db_wait(db, 50, &err), &err);
    } else if (strcmp(where, "cancel") == 0) {
        replica_sync_cancel(sync_);
        sync_ = NULL;
    } else {
        replica_db_close(db);
        replica_sync_cancel(sync_);
        db = NULL;
    }
    printf("ok %lld\n", (long long)(now_ms() - from));
}

static bool obey_sync(const char *what, char *rest)
{
    replica_error err = { 0 };

    if (strcmp(what, "wait") == 0)
        wait_in_sync(rest);
    else if (strcmp(what, "now") == 0)
        answer(replica_sync_now(sync_, &err), &err);
    else if (strcmp(what, "pause") == 0)
        answer(replica_sync_pause(sync_, &err), &err);
    else if (strcmp(what, "resume") == 0)
        answer(replica_sync_resume(sync_, &err), &err);
    else if (strcmp(what, "resync") == 0)
        answer(replica_sync_resync(sync_, &err), &err);
    else
        return false;
    return true;
}

static bool obey_store(const char *what, char *rest)
{
    replica_error err = { 0 };

    if (strcmp(what, "put") == 0)
        put(rest);
    else if (strcmp(what, "get") == 0)
        get(rest);
    else if (strcmp(what, "del") == 0)
        del(rest);
    else if (strcmp(what, "fill") == 0)
        fill(rest);
    else if (strcmp(what, "log") == 0)
        print_log();
    else if (strcmp(what, "rejected") == 0)
        print_rejected();
    else if (strcmp(what, "retry") == 0)
        answer(replica_rejected_retry(db, atoll(rest), &err), &err);
    else if (strcmp(what, "discard") == 0)
        answer(replica_rejected_discard(db, atoll(rest), &err), &err);
    else
        return false;
    return true;
}

/* false: it is to end. */
static bool obey(char *line)
{
    const char *what;

    line[strcspn(line, "\n")] = '\0';
    what = word(&line);
    if (strcmp(what, "quit") == 0)
        return false;
    if (strcmp(what, "snapshot") == 0) {
        snapshot();
    } else if (strcmp(what, "status") == 0) {
        printf("ok ");
        print_status();
        puts("");
    } else if (strcmp(what, "error") == 0) {
        print_last(line);
    } else if (strcmp(what, "forget") == 0) {
        last = (replica_error){ 0 };
        puts("ok ");
    } else if (strcmp(what, "start") == 0) {
        start();
        puts("ok ");
    } else if (strcmp(what, "end") == 0) {
        end(line);
    } else if (!obey_store(what, line) && !obey_sync(what, line)) {
        fail("what is '%s'?", what);
    }
    fflush(stdout);
    return db != NULL;
}

/* Lines come whole: whoever writes them waits for the answer. */
static void live(void)
{
    static char line[4 * 1024 * 1024];
    replica_error err = { 0 };

    for (bool goes_on = true; goes_on;) {
        struct pollfd ready[] = { { .fd = STDIN_FILENO, .events = POLLIN },
                                  { .fd = replica_db_fd(db), .events = POLLIN } };

        must(replica_db_dispatch(db, 20, &err), &err);
        if (poll(ready, 2, replica_db_timeout(db)) > 0 && ready[0].revents)
            goes_on = fgets(line, sizeof line, stdin) && obey(line);
    }
}

int main(int argc, char **argv)
{
    if (argc < 5)
        fail("client DB URL OPTIONS COLLECTION[=RULES]...");
    setvbuf(stdin, NULL, _IONBF, 0); /* what is read ahead would not be polled for */
    url = argv[2];
    options = argv[3];
    open_all(argv[1], argv + 4);
    start();
    puts("ok ");
    fflush(stdout);
    live();
    if (db) {
        replica_db_close(db);
        replica_sync_cancel(sync_);
    }
    return 0;
}
