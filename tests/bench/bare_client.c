/* The bare client: libcurl and one table.  The next request is on its way while a page is written,
 * or read.
 *
 *     bare pull URL FILE        everything from the server
 *     bare push URL FILE        everything to the server
 *     bare live URL FILE OTHER N  one by one: write, push, pull, write to the other; N times
 *
 * pull and push print "<microseconds> <documents> <peak memory, MB>", live a line of microseconds
 * for each. */
#include "tests/bench/bare.h"

#include "tests/bench/bench.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct link {
    CURLM *multi;
    CURL *easy;
    const char *url;
    struct replica__buf body;
    int64_t last;
};

static size_t on_body(char *data, size_t size, size_t n, void *ctx)
{
    struct link *l = ctx;

    replica__buf_add(&l->body, data, size * n);
    return l->body.r < 0 ? 0 : size * n;
}

static size_t on_header(char *data, size_t size, size_t n, void *ctx)
{
    struct link *l = ctx;

    if (n > 6 && strncmp(data, "Last: ", 6) == 0)
        l->last = strtoll(data + 6, NULL, 10);
    return size * n;
}

static void link_open(struct link *l, const char *url)
{
    memset(l, 0, sizeof *l);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    l->url = url;
    l->multi = curl_multi_init();
    l->easy = curl_easy_init();
    curl_easy_setopt(l->easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(l->easy, CURLOPT_WRITEDATA, l);
    curl_easy_setopt(l->easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(l->easy, CURLOPT_HEADERDATA, l);
    curl_easy_setopt(l->easy, CURLOPT_BUFFERSIZE, 256L * 1024);
    curl_easy_setopt(l->easy, CURLOPT_UPLOAD_BUFFERSIZE, 256L * 1024);
    curl_easy_setopt(l->easy, CURLOPT_FAILONERROR, 1L);
}

static void link_close(struct link *l)
{
    curl_easy_cleanup(l->easy);
    curl_multi_cleanup(l->multi);
    replica__buf_free(&l->body);
}

/* Send it, as far as the socket takes it; the rest goes in link_wait. */
static void link_start(struct link *l)
{
    int running;

    replica__buf_clear(&l->body);
    curl_multi_add_handle(l->multi, l->easy);
    curl_multi_perform(l->multi, &running);
}

static void link_pull(struct link *l, int64_t after)
{
    char url[512];

    snprintf(url, sizeof url, "%s/pull?after=%lld&limit=%d", l->url, (long long)after, BENCH_PAGE);
    curl_easy_setopt(l->easy, CURLOPT_HTTPGET, 1L);
    curl_easy_setopt(l->easy, CURLOPT_URL, url);
    link_start(l);
}

static void link_push(struct link *l, const struct replica__buf *page)
{
    char url[512];

    snprintf(url, sizeof url, "%s/push", l->url);
    curl_easy_setopt(l->easy, CURLOPT_URL, url);
    curl_easy_setopt(l->easy, CURLOPT_POSTFIELDS, page->data);
    curl_easy_setopt(l->easy, CURLOPT_POSTFIELDSIZE, (long)page->len);
    link_start(l);
}

static void link_wait(struct link *l)
{
    int running = 1;
    int left;
    CURLMsg *message;

    while (curl_multi_perform(l->multi, &running) == CURLM_OK && running)
        curl_multi_poll(l->multi, NULL, 0, 1000, NULL);
    message = curl_multi_info_read(l->multi, &left);
    if (!message || message->data.result != CURLE_OK)
        bench_fail("bare: %s", message ? curl_easy_strerror(message->data.result) : "no answer");
    curl_multi_remove_handle(l->multi, l->easy);
}

static void report(int64_t started, int count)
{
    printf("%lld %d %.1f\n", (long long)(bench_now_us() - started), count, bench_peak_mb(0));
}

static void pull(struct link *l, struct bare_table *table)
{
    struct replica__buf page = REPLICA_BUF_INIT;
    int64_t started = bench_now_us();
    int count = 0;

    link_pull(l, 0);
    for (;;) {
        struct replica__buf other = page;

        link_wait(l);
        if (l->body.len <= 2)
            break;
        page = l->body;
        l->body = other;
        link_pull(l, l->last);
        count += bare_take_page(table, page.data, page.len);
    }
    report(started, count);
    replica__buf_free(&page);
}

static void push(struct link *l, struct bare_table *table)
{
    struct replica__buf pages[2] = { REPLICA_BUF_INIT, REPLICA_BUF_INIT };
    int64_t started = bench_now_us();
    int64_t after = 0;
    int total = 0, count;

    after = bare_page(table, after, BENCH_PAGE, &pages[0], &count);
    for (int now = 0; count; now = !now) {
        total += count;
        link_push(l, &pages[now]);
        replica__buf_clear(&pages[!now]);
        after = bare_page(table, after, BENCH_PAGE, &pages[!now], &count);
        link_wait(l);
    }
    report(started, total);
    replica__buf_free(&pages[0]);
    replica__buf_free(&pages[1]);
}

/* Two clients in one: what a change costs when nothing has to notice it. */
static void live(struct link *l, struct bare_table *table, const char *other_path, int n)
{
    const struct bench_doc *docs = bench_cities((size_t)n);
    struct bare_table other;
    int64_t seen = 0;

    bare_open(&other, other_path, false);
    for (int i = 0; i < n; i++) {
        REPLICA_BUF page = REPLICA_BUF_INIT;
        int64_t started = bench_now_us();

        replica__buf_char(&page, '[');
        replica__buf_add(&page, docs[i].text, docs[i].len);
        replica__buf_char(&page, ']');
        bare_take_page(table, page.data, page.len);
        link_push(l, &page);
        link_wait(l);
        link_pull(l, seen);
        link_wait(l);
        seen = l->last;
        if (bare_take_page(&other, l->body.data, l->body.len) != 1)
            bench_fail("bare: a change did not come alone");
        printf("%lld\n", (long long)(bench_now_us() - started));
    }
    bare_close(&other);
}

int bare_client(int argc, char **argv)
{
    struct bare_table table;
    struct link l;

    link_open(&l, argv[2]);
    bare_open(&table, argv[3], false);
    if (strcmp(argv[1], "pull") == 0)
        pull(&l, &table);
    else if (strcmp(argv[1], "push") == 0)
        push(&l, &table);
    else if (strcmp(argv[1], "live") == 0 && argc == 6)
        live(&l, &table, argv[4], atoi(argv[5]));
    else
        bench_fail("bare: no such command");
    bare_close(&table);
    link_close(&l);
    return 0;
}
