/* Server-sent events: by the book, in pieces of any size, and with a ceiling. */
#include "replicator/sse.h"
#include "tests/support/fault.h"
#include "tests/support/test.h"

#define SSE __attribute__((cleanup(replica__sse_free))) struct replica__sse

/* Everything that is called back, as one text. */
struct record {
    struct replica__buf text;
    struct replica__sse *stop_at_event;
};

static void on_event(void *ctx, const struct replica__sse_event *e)
{
    struct record *record = ctx;

    replica__buf_printf(&record->text, "[%s|%s|", e->type, e->last_id);
    replica__buf_add(&record->text, e->data, e->len);
    replica__buf_str(&record->text, "]");
    if (record->stop_at_event)
        replica__sse_stop(record->stop_at_event);
}

static void on_comment(void *ctx)
{
    struct record *record = ctx;

    replica__buf_str(&record->text, "#");
}

/* The stream, cut into pieces of `piece` bytes. */
static int feed(struct replica__sse *s, struct record *record, const char *stream, size_t len,
                size_t piece)
{
    const struct replica__sse_handlers handlers = { on_event, on_comment, record };
    int r = 0;

    for (size_t at = 0; at < len && r == 0; at += piece)
        r = replica__sse_feed(s, stream + at, len - at < piece ? len - at : piece, &handlers);
    return r;
}

static void check_stream_of(const char *stream, size_t len, const char *want)
{
    for (size_t piece = 1; piece <= len + 1; piece++) {
        struct record record = { REPLICA_BUF_INIT, NULL };
        SSE s;

        replica__sse_init(&s, 1000);
        CHECK_RC(feed(&s, &record, stream, len, piece), 0);
        CHECK_STR(record.text.data ? record.text.data : "", want);
        replica__buf_free(&record.text);
    }
}

static void check_stream(const char *stream, const char *want)
{
    check_stream_of(stream, strlen(stream), want);
}

TEST(an_event_ends_with_an_empty_line)
{
    check_stream("data: one\n\n", "[message||one]");
    check_stream("data: one\r\n\r\n", "[message||one]");
    check_stream("data: one\r\r", "[message||one]");
    check_stream("data: one\n\r\ndata: two\r\n\n", "[message||one][message||two]");
}

TEST(what_the_end_cuts_off_is_not_given_out)
{
    check_stream("data: one\n\ndata: two\n", "[message||one]");
    check_stream("data: one", "");
}

TEST(lines_of_data_are_joined)
{
    check_stream("data: a\ndata\ndata:b\ndata:  c\n\n", "[message||a\n\nb\n c]");
    check_stream("data\n\n", "[message||]");
    check_stream("data\ndata\n\n", "[message||\n]");
}

TEST(an_event_without_data_is_none)
{
    check_stream("event: x\n\ndata: a\n\n", "[message||a]");
    check_stream("\n\n\n", "");
}

TEST(events_have_names)
{
    check_stream("event: resync\ndata:\n\ndata: x\n\n", "[resync||][message||x]");
    check_stream("event: a\nevent: b\ndata: x\n\n", "[b||x]");
    check_stream("event: a\nevent\ndata: x\n\n", "[message||x]");
}

TEST(the_last_id_stays_until_another_comes)
{
    check_stream("id: ab.1\ndata: a\n\ndata: b\n\nid\ndata: c\n\n",
                 "[message|ab.1|a][message|ab.1|b][message||c]");
    check_stream("id: 5\n\ndata: a\n\n", "[message|5|a]");
    check_stream_of("id: 1\nid: 2\0\ndata: a\n\n", 22, "[message|1|a]");
}

TEST(comments_are_seen_and_unknown_fields_are_not)
{
    check_stream(":\n\n: hello\n\n", "##");
    check_stream("datum: x\nDATA: x\n data: x\nretry: x\n\n", "");
}

TEST(a_byte_order_mark_at_the_start_is_skipped)
{
    check_stream("\xef\xbb\xbf" "data: a\n\n", "[message||a]");
    check_stream("\xef\xbb\xbf\xef\xbb\xbf" "data: a\n\n", "");
    check_stream("\xef\xbb" "data: a\n\n", "");
    check_stream("data: a\n\xef\xbb\xbf" "data: b\n\n", "[message||a]");
}

TEST(a_value_loses_one_space_and_no_more)
{
    check_stream("data:  x: y \n\n", "[message|| x: y ]");
    check_stream("data:\tx\n\n", "[message||\tx]");
}

TEST(retry_takes_digits_only)
{
    struct record record = { REPLICA_BUF_INIT, NULL };
    SSE s;

    replica__sse_init(&s, 100);
    CHECK_INT(s.retry_ms, -1);
    CHECK_RC(feed(&s, &record, "retry: 5x\nretry\nretry: -1\n", 26, 100), 0);
    CHECK_INT(s.retry_ms, -1);
    CHECK_RC(feed(&s, &record, "retry: 2500\nretry: 99999999999999999999\n", 40, 3), 0);
    CHECK_INT(s.retry_ms, 2500);
}

TEST(a_line_or_an_event_over_the_ceiling_is_refused)
{
    static const char line[] = "data: 0123456789\n\n";
    static const char event[] = "data: 012345\ndata: 012345\ndata: 012345\n\n";

    for (size_t piece = 1; piece < 60; piece++) {
        struct record record = { REPLICA_BUF_INIT, NULL };
        SSE a, b, c;

        replica__sse_init(&a, 15);
        CHECK_RC(feed(&a, &record, line, sizeof(line) - 1, piece), REPLICA_ELIMIT);
        CHECK(record.text.data == NULL);
        replica__sse_init(&b, 16);
        CHECK_RC(feed(&b, &record, line, sizeof(line) - 1, piece), 0);
        replica__sse_init(&c, 16);
        CHECK_RC(feed(&c, &record, event, sizeof(event) - 1, piece), REPLICA_ELIMIT);
        CHECK_STR(record.text.data, "[message||0123456789]");
        replica__buf_free(&record.text);
    }
}

TEST(after_a_stop_nothing_is_called_back)
{
    struct record record = { REPLICA_BUF_INIT, NULL };
    SSE s;

    replica__sse_init(&s, 100);
    record.stop_at_event = &s;
    CHECK_RC(feed(&s, &record, "data: a\n\ndata: b\n\n:\n", 20, 100), 0);
    CHECK_RC(feed(&s, &record, "data: c\n\n", 9, 1), 0);
    CHECK_STR(record.text.data, "[message||a]");
    replica__buf_free(&record.text);
}

TEST(a_failed_allocation_is_told)
{
    for (int nth = 0, failed = 1; failed; nth++) {
        struct record record = { REPLICA_BUF_INIT, NULL };
        SSE s;
        int r;

        replica__buf_reserve(&record.text, 1000);
        replica__sse_init(&s, 100);
        fault_alloc(nth);
        r = feed(&s, &record, "id: 7\nevent: e\ndata: a\n\n", 24, 4);
        failed = fault_stop();
        CHECK(r == 0 || (failed && r == REPLICA_ENOMEM));
        CHECK_STR(record.text.data, r == 0 ? "[e|7|a]" : "");
        replica__buf_free(&record.text);
    }
}

TEST(a_type_or_an_id_is_no_place_for_data)
{
    for (int i = 0; i < 2; i++) {
        struct record record = { REPLICA_BUF_INIT, NULL };
        REPLICA_BUF line = REPLICA_BUF_INIT;
        SSE s;

        replica__sse_init(&s, 1 << 20);
        replica__buf_str(&line, i ? "id: " : "event: ");
        for (int n = 0; n < 70 * 1024; n++)
            replica__buf_char(&line, 'x');
        replica__buf_str(&line, "\ndata: a\n\n");
        CHECK_RC(feed(&s, &record, line.data, line.len, 4096), REPLICA_ELIMIT);
        CHECK_STR(record.text.data ? record.text.data : "", "");
        replica__buf_free(&record.text);
    }
}
