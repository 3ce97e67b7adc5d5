/* The last requests and decisions of a replication, as the program reads them. */
#include "replicator/sync_state.h"
#include "tests/replicator/desk_support.h"
#include "tests/support/fault.h"

#include <stdio.h>

struct seen {
    char text[20000]; /* "decision; GET url 200; " */
    int64_t first, last, time_ms;
    int n, stop_at;
};

static int see(void *ctx, const replica_sync_trace_entry *e)
{
    struct seen *s = ctx;
    size_t len = strlen(s->text);

    if (s->n++ == 0)
        s->first = e->number;
    CHECK(s->last == 0 || e->number == s->last + 1);
    CHECK(e->time_ms >= s->time_ms);
    s->last = e->number;
    s->time_ms = e->time_ms;
    snprintf(s->text + len, sizeof s->text - len, "%s; ", e->text);
    return s->n == s->stop_at ? 5 : 0;
}

BOTH(decisions_are_told_with_their_time_and_in_order)
{
    DESK d = desk_begin(runner, NULL);
    struct seen s = { .n = 0 };

    desk_start(d);
    CHECK_RC(desk_in_sync(d), 1);
    server_fail(d->server, REPLICA_ENET, 7);
    desk_put(d, "{\"id\":\"a\",\"v\":1}");
    DESK_UNTIL(d, d->errors > 0);
    DESK_UNTIL(d, d->status.state == REPLICA_SYNC_WAITING);
    CHECK_RC(replica_sync_trace(d->sync, see, &s, &test_err), 0);
    CHECK(strstr(s.text, "REPLICA_ENET: ") != NULL);
    CHECK(strstr(s.text, "attempt 1 failed, the next one in ") > strstr(s.text, "REPLICA_ENET: "));
    CHECK_INT(s.first, 1);
    CHECK(s.time_ms > 1600000000000);
    s = (struct seen){ .stop_at = 1 };
    CHECK_RC(replica_sync_trace(d->sync, see, &s, &test_err), 5);
    CHECK_INT(s.n, 1);
    CHECK_RC(replica_sync_trace(NULL, see, &s, &test_err), REPLICA_EINVAL);
    CHECK_RC(replica_sync_trace(d->sync, NULL, &s, &test_err), REPLICA_EINVAL);
}

TEST(the_last_256_are_kept_and_numbers_tell_what_is_gone)
{
    struct replica_sync sync = { .trace = replica__trace_new() };
    struct seen s = { .n = 0 };
    char text[20];

    atomic_init(&sync.refs, 1);
    for (int i = 1; i <= 300; i++) {
        snprintf(text, sizeof text, "%d", i);
        replica__trace_add(sync.trace, &(replica_sync_trace_entry){ .text = text });
    }
    CHECK_RC(replica_sync_trace(&sync, see, &s, &test_err), 0);
    CHECK_INT(s.n, 256);
    CHECK_INT(s.first, 45);
    CHECK_INT(s.last, 300);
    CHECK(strncmp(s.text, "45; 46; ", 8) == 0);
    replica__trace_free(sync.trace);
}

static int count(void *ctx, const replica_sync_trace_entry *e)
{
    ++*(int *)ctx;
    return 0;
}

TEST(an_entry_without_memory_is_left_out_of_nothing_but_itself)
{
    struct replica_sync sync = { .trace = replica__trace_new() };
    int n = 0;

    atomic_init(&sync.refs, 1);
    for (int nth = 0, failed = 1; failed; nth++) {
        fault_alloc(nth);
        replica__trace_add(sync.trace,
                           &(replica_sync_trace_entry){ .text = "x", .error = "y" });
        failed = fault_stop();
    }
    CHECK_RC(replica_sync_trace(&sync, count, &n, &test_err), 0);
    CHECK(n >= 2);
    for (int nth = 0, failed = 1; failed; nth++) {
        int r;

        fault_alloc(nth);
        r = replica_sync_trace(&sync, count, &n, &test_err);
        failed = fault_stop();
        CHECK(r == 0 || r == REPLICA_ENOMEM);
    }
    replica__trace_free(sync.trace);
}
