/* What a benchmark needs: the city documents, a clock, ours against bare in turn, and a table.
 *
 *     bench_start("the store");
 *     bench_compare("bulk insert", "documents/s", insert_ours, insert_bare, &ctx);
 *
 * A measurement returns work per second.  Ours and the bare one run in turn, and each round gives
 * one ratio, so that a machine that is slow for a while is slow for both.  A failure ends the
 * program. */
#ifndef TESTS_BENCH_BENCH_H
#define TESTS_BENCH_BENCH_H

#include "libreplica/libreplica.h"
#include "replicator/replicator.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define BENCH_ROUNDS 5
#define BENCH_PAGE 1000 /* rows of a transaction, and of a page on the wire */
#define BENCH_COLLECTION "cities"

void bench_start(const char *title); /* prints the table's head */
void bench_fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
/* r < 0 ends the program with err. */
int bench_ok(int r, const replica_error *err, const char *what);

typedef double (*bench_fn)(void *ctx, int round);
/* One line of the table: medians of both, and the median of the rounds' ratios.  bare may be
 * NULL. */
void bench_compare(const char *name, const char *unit, bench_fn ours, bench_fn bare, void *ctx);
/* One line for figures that were measured already; bare[] may be NULL. */
void bench_row(const char *name, const char *unit, double *ours, double *bare, int rounds);
/* The p-th part (0.5, 0.99) of n values, which it sorts. */
double bench_percentile(double *values, size_t n, double p);

int64_t bench_now_us(void); /* the same clock in all processes */

/* ---- documents ------------------------------------------------------------------- */

struct bench_doc {
    const char *text; /* no NUL */
    size_t len;
    char id[8];
};
/* The first n of the file that the environment variable BENCH_CITIES names. */
const struct bench_doc *bench_cities(size_t n);
/* The numbers 0 ... n - 1 in an order that is always the same. */
const uint32_t *bench_shuffled(size_t n);
/* The number of visits in a document's text; the text with so many more, into out (at least
 * len + BENCH_MORE bytes), which gives its length. */
#define BENCH_MORE 24
long long bench_visits(const char *text, size_t len);
size_t bench_add_visits(const char *text, size_t len, long long more, char *out);

/* ---- files and processes --------------------------------------------------------- */

/* The path of name in this program's folder, without a file there; valid until the program ends. */
const char *bench_new_file(const char *name);
/* A child whose standard output is read line by line. */
struct bench_child {
    pid_t pid;
    int out;
};
struct bench_child bench_spawn(const char *const *argv);
/* The next line without its end, in room; the program ends where there is none. */
void bench_line(struct bench_child *child, char *line, size_t room);
/* Both wait for its end and give the processor time that it took, in microseconds. */
double bench_end(struct bench_child *child);      /* by SIGTERM */
double bench_wait_end(struct bench_child *child); /* by itself; the program ends if it failed */
double bench_peak_mb(pid_t pid);                  /* peak resident memory so far; 0: self */
/* A server of ours (bare: the bare one) on this file; its base URL in url. */
struct bench_child bench_serve(bool bare, const char *path, char *url, size_t room);

/* ---- ours, in ours.c and ours_sync.c --------------------------------------------- */

replica_collection *bench_open(const char *path, const replica_db_options *opts,
                               const replica_conflict_handler *handler);
void bench_close(replica_collection *coll); /* with its database */
/* Insert n documents, 1000 to a call; order NULL: as they come. */
void bench_fill(replica_collection *coll, const struct bench_doc *docs, const uint32_t *order,
                int n);
/* Add so many visits to each of the first n documents. */
void bench_visit_all(replica_collection *coll, const struct bench_doc *docs, int n, int more);
/* Start with the server whose base URL this is; flags: REPLICA_SYNC_... */
replica_sync *bench_sync(replica_collection *coll, const char *base, unsigned flags);
/* Once, until in sync. */
void bench_sync_once(replica_collection *coll, const char *base, unsigned flags);

#endif
