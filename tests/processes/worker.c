/* A program on a file that others replicate, for test_processes.py.
 *
 *     worker write DB      a bundle of three documents after the other, until its input ends; then
 *                          says how many
 *     worker read DB       looks again and again, until its input ends; then says how often
 *     worker check DB N    every document of N bundles is there, and was written once
 *     worker count DB T N  T threads, each with a handle of its own, add 1 to one document N times;
 *                          waits for a line first, so that several processes begin together */
#include "libreplica/libreplica.h"

#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static replica_db *db;
static replica_collection *coll;

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
        fail("%s: %s", replica_error_name(r), err->message);
}

static void open_file(const char *path, unsigned flags)
{
    replica_db_options o = REPLICA_DB_OPTIONS_INIT;
    replica_error err = { 0 };

    o.flags = flags;
    o.busy_ms = 20000;
    must(replica_db_open(path, &o, &db, &err), &err);
    must(replica_db_collection(db, "notes", NULL, &coll, &err), &err);
}

/* Until the input ends; others have their turn for so long. */
static bool goes_on(int ms)
{
    struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };
    replica_error err = { 0 };

    must(replica_db_dispatch(db, 0, &err), &err);
    return poll(&in, 1, ms) == 0;
}

/* "a7", with its n: 1; 0: it is not there. */
static int read_one(char letter, long i, long *ret_n, char *rev)
{
    replica_error err = { 0 };
    replica_doc *doc = NULL;
    const char *n;
    char id[40];
    int r;

    snprintf(id, sizeof id, i < 0 ? "count" : "%c%ld", letter, i);
    r = replica_get(coll, id, &doc, &err);
    must(r, &err);
    if (r == 0)
        return 0;
    n = strstr(replica_doc_json(doc, NULL), "\"n\":");
    if (!n)
        fail("%s is %s", id, replica_doc_json(doc, NULL));
    *ret_n = strtol(n + 4, NULL, 10);
    if (rev)
        snprintf(rev, REPLICA_REV_SIZE, "%s", replica_doc_rev(doc));
    replica_doc_unref(doc);
    return 1;
}

static void put(replica_bundle *bundle, const char *id, long n, const char *base_rev)
{
    replica_error err = { 0 };
    char json[100];

    snprintf(json, sizeof json, "{\"id\":\"%s\",\"n\":%ld}", id, n);
    must(replica_bundle_put(bundle, coll, json, REPLICA_NUL, base_rev, &err), &err);
}

static void write_one(long i)
{
    replica_bundle *bundle = NULL;
    replica_error err = { 0 };
    char id[40];

    must(replica_bundle_begin(db, &bundle, &err), &err);
    snprintf(id, sizeof id, "a%ld", i);
    put(bundle, id, i, NULL);
    snprintf(id, sizeof id, "b%ld", i);
    put(bundle, id, i, NULL);
    put(bundle, "count", i, REPLICA_ANY_REV);
    must(replica_bundle_commit(bundle, NULL, &err), &err);
}

static void write_until_told(void)
{
    long i = 0;

    do
        write_one(++i);
    while (goes_on(20));
    printf("%ld\n", i);
}

/* What one transaction wrote is never seen in part, and never goes back. */
static void look(long *last)
{
    long n = 0, a = 0, b = 0;

    if (read_one(0, -1, &n, NULL)) {
        if (n < *last)
            fail("the count went back from %ld to %ld", *last, n);
        *last = n;
        if (!read_one('a', n, &a, NULL) || !read_one('b', n, &b, NULL) || a != n || b != n)
            fail("of bundle %ld there is not all", n);
    }
    if (read_one('b', n + 1, &b, NULL) && !read_one('a', n + 1, &a, NULL))
        fail("of bundle %ld there is the second document only", n + 1);
}

static void read_until_told(void)
{
    long last = 0, looks = 0;

    do {
        look(&last);
        looks++;
    } while (goes_on(5));
    printf("%ld\n", looks);
}

static void check(long count)
{
    char rev[REPLICA_REV_SIZE];
    replica_error err = { 0 };
    int64_t documents = 0;
    long n = 0;

    if (!read_one(0, -1, &n, NULL) || n != count)
        fail("the count is %ld, not %ld", n, count);
    for (long i = 1; i <= count; i++) {
        for (char letter = 'a'; letter <= 'b'; letter++) {
            if (!read_one(letter, i, &n, rev) || n != i)
                fail("%c%ld is not there", letter, i);
            if (strncmp(rev, "1-", 2) != 0)
                fail("%c%ld was written more than once: %s", letter, i, rev);
        }
    }
    must(replica_collection_count(coll, &documents, &err), &err);
    if (documents != 2 * (int64_t)count + 1)
        fail("%lld documents", (long long)documents);
}

/* ---- counting ------------------------------------------------------------------- */

struct counter {
    pthread_t thread;
    const char *path;
    long times;
};

static int add_one(void *ctx, replica_doc *current, replica_text *out)
{
    const char *n = current ? strstr(replica_doc_json(current, NULL), "\"n\":") : NULL;
    char json[60];

    snprintf(json, sizeof json, "{\"id\":\"count\",\"n\":%ld}",
             (n ? strtol(n + 4, NULL, 10) : 0) + 1);
    replica_text_add(out, json, REPLICA_NUL);
    return REPLICA_MODIFY_PUT;
}

static void *count_up(void *arg)
{
    const struct counter *counter = arg;
    replica_db_options o = REPLICA_DB_OPTIONS_INIT;
    replica_collection *notes = NULL;
    replica_db *own = NULL;
    replica_error err = { 0 };

    o.busy_ms = 20000;
    must(replica_db_open(counter->path, &o, &own, &err), &err);
    must(replica_db_collection(own, "notes", NULL, &notes, &err), &err);
    for (long i = 0; i < counter->times; i++)
        must(replica_modify(notes, "count", add_one, NULL, NULL, &err), &err);
    replica_db_close(own);
    return NULL;
}

static void count(const char *path, int threads, long times)
{
    struct counter counters[16];

    if (threads < 1 || threads > 16)
        fail("1 to 16 threads");
    if (getchar() == EOF)
        fail("nobody told it to begin");
    for (int i = 0; i < threads; i++) {
        counters[i] = (struct counter){ .path = path, .times = times };
        if (pthread_create(&counters[i].thread, NULL, count_up, &counters[i]))
            fail("no thread");
    }
    for (int i = 0; i < threads; i++)
        pthread_join(counters[i].thread, NULL);
    printf("%ld\n", threads * times);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "write") == 0) {
        open_file(argv[2], 0);
        write_until_told();
    } else if (argc == 3 && strcmp(argv[1], "read") == 0) {
        open_file(argv[2], 0);
        read_until_told();
    } else if (argc == 4 && strcmp(argv[1], "check") == 0) {
        open_file(argv[2], REPLICA_DB_READ_ONLY);
        check(strtol(argv[3], NULL, 10));
    } else if (argc == 5 && strcmp(argv[1], "count") == 0) {
        count(argv[2], atoi(argv[3]), strtol(argv[4], NULL, 10));
    } else {
        fail("worker write|read DB, worker check DB N, or worker count DB THREADS N");
    }
    replica_db_close(db);
    return 0;
}
