/* The harness of the benchmarks: documents, order, rounds, the table.  Processes are in child.c. */
#define _GNU_SOURCE /* memmem */

#include "tests/bench/bench.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define CITIES_MAX 171075

void bench_fail(const char *format, ...)
{
    va_list args;

    fflush(stdout);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    exit(1);
}

int bench_ok(int r, const replica_error *err, const char *what)
{
    if (r < 0)
        bench_fail("%s: %s: %s (%s)", what, replica_error_name(r), err->message, err->where);
    return r;
}

int64_t bench_now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* ---- the table ------------------------------------------------------------------- */

void bench_start(const char *title)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("%-42s %12s %12s %8s  %s\n", title, "ours", "bare", "ratio", "(range)  unit");
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

double bench_percentile(double *values, size_t n, double p)
{
    size_t at = (size_t)(p * (double)(n - 1) + 0.5);

    qsort(values, n, sizeof *values, compare);
    return values[at];
}

static int digits(double value)
{
    return value < 100 ? 2 : 0;
}

void bench_row(const char *name, const char *unit, double *ours, double *bare, int rounds)
{
    double ratios[BENCH_ROUNDS];
    double low, high, ratio, a, b;

    if (rounds > BENCH_ROUNDS)
        bench_fail("%d rounds are too many", rounds);
    if (!bare) {
        a = bench_percentile(ours, (size_t)rounds, 0.5);
        printf("%-42s %12.*f %12s %8s  %s\n", name, digits(a), a, "-", "-", unit);
        return;
    }
    for (int i = 0; i < rounds; i++)
        ratios[i] = ours[i] / bare[i];
    ratio = bench_percentile(ratios, (size_t)rounds, 0.5);
    low = ratios[0];
    high = ratios[rounds - 1];
    a = bench_percentile(ours, (size_t)rounds, 0.5);
    b = bench_percentile(bare, (size_t)rounds, 0.5);
    printf("%-42s %12.*f %12.*f %8.2f  (%.2f-%.2f)  %s\n", name, digits(a), a, digits(b), b, ratio,
           low, high, unit);
}

void bench_compare(const char *name, const char *unit, bench_fn ours, bench_fn bare, void *ctx)
{
    double a[BENCH_ROUNDS], b[BENCH_ROUNDS];

    for (int round = 0; round < BENCH_ROUNDS; round++) {
        bool bare_first = round & 1;

        if (bare && bare_first)
            b[round] = bare(ctx, round);
        a[round] = ours(ctx, round);
        if (bare && !bare_first)
            b[round] = bare(ctx, round);
    }
    bench_row(name, unit, a, bare ? b : NULL, BENCH_ROUNDS);
}

/* ---- documents ------------------------------------------------------------------- */

static void map_cities(const char **ret_text, size_t *ret_len)
{
    const char *path = getenv("BENCH_CITIES");
    struct stat st;
    void *text;
    int fd;

    fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0 || fstat(fd, &st) < 0)
        bench_fail("BENCH_CITIES does not name the file that tests/tools/make_cities.py makes");
    text = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (text == MAP_FAILED)
        bench_fail("%s: %s", path, strerror(errno));
    close(fd);
    *ret_text = text;
    *ret_len = (size_t)st.st_size;
}

const struct bench_doc *bench_cities(size_t n)
{
    static struct bench_doc docs[CITIES_MAX];
    static size_t known;
    const char *at, *end;
    size_t len;

    if (n > CITIES_MAX)
        bench_fail("there are %d cities", CITIES_MAX);
    if (known)
        return docs;
    map_cities(&at, &len);
    for (end = at + len; known < CITIES_MAX && at < end; known++) {
        const char *line_end = memchr(at, '\n', (size_t)(end - at));

        if (!line_end || memcmp(at, "{\"id\":\"", 7) != 0)
            bench_fail("line %zu of the city documents is none", known + 1);
        docs[known].text = at;
        docs[known].len = (size_t)(line_end - at);
        memcpy(docs[known].id, at + 7, 7);
        at = line_end + 1;
    }
    if (known < CITIES_MAX)
        bench_fail("only %zu city documents", known);
    return docs;
}

const uint32_t *bench_shuffled(size_t n)
{
    static uint32_t order[CITIES_MAX];
    uint64_t state = 88172645463325252u; /* xorshift64 */

    for (size_t i = 0; i < n; i++)
        order[i] = (uint32_t)i;
    for (size_t i = n; i > 1; i--) {
        size_t other;
        uint32_t held = order[i - 1];

        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        other = (size_t)(state % i);
        order[i - 1] = order[other];
        order[other] = held;
    }
    return order;
}

/* Where the number of visits stands in the text. */
static size_t find_visits(const char *text, size_t len, long long *ret_visits, size_t *ret_len)
{
    static const char name[] = "\"visits\":";
    const char *at = memmem(text, len, name, sizeof name - 1);
    size_t before, digits = 0;
    long long visits = 0;

    if (!at)
        bench_fail("a city without visits: %.*s", (int)len, text);
    before = (size_t)(at - text) + sizeof name - 1;
    for (; text[before + digits] >= '0' && text[before + digits] <= '9'; digits++)
        visits = visits * 10 + (text[before + digits] - '0');
    *ret_visits = visits;
    *ret_len = digits;
    return before;
}

long long bench_visits(const char *text, size_t len)
{
    long long visits;
    size_t digits;

    find_visits(text, len, &visits, &digits);
    return visits;
}

size_t bench_add_visits(const char *text, size_t len, long long more, char *out)
{
    long long visits;
    size_t digits;
    size_t before = find_visits(text, len, &visits, &digits);
    int printed;

    memcpy(out, text, before);
    printed = snprintf(out + before, BENCH_MORE, "%lld", visits + more);
    memcpy(out + before + printed, text + before + digits, len - before - digits);
    return len - digits + (size_t)printed;
}
