/* Events: who is told, what is kept, and what is refused. */
#include "base/alloc.h"
#include "base/buf.h"
#include "tests/support/clock.h"
#include "tests/support/fault.h"
#include "tests/support/store.h"
#include "tests/support/test.h"

#include <stdio.h>

struct heard {
    struct replica__buf text;
    int destroyed;
    replica_listener *listener;
    replica_listener *other; /* to be cancelled in the callback */
    replica_db *db;
    int emits;               /* to do in the callback */
    bool dispatches, closes;
};

static void hear(void *ctx, const replica_event_entry *event)
{
    struct heard *h = ctx;

    CHECK_INT(strlen(event->payload), event->len);
    replica__buf_printf(&h->text, "%s=%s/%d ", event->address, event->payload, event->origin);
}

static void destroy(void *ctx)
{
    ((struct heard *)ctx)->destroyed++;
}

static void listen_to(struct store *s, const char *pattern, struct heard *h)
{
    CHECK_RC(replica_listen(s->db, pattern, hear, h, destroy, &h->listener, &test_err), 0);
}

static void emit(struct store *s, const char *address, const char *payload)
{
    CHECK_RC(replica_emit(s->db, address, payload, REPLICA_NUL, &test_err), 0);
}

static const char *run(struct store *s, struct heard *h)
{
    replica__buf_clear(&h->text);
    replica__buf_str(&h->text, "");
    for (int i = 0; i < 20; i++) {
        int r = replica_db_dispatch(s->db, 1000, &test_err);

        CHECK(r >= 0);
        if (r == 0 && replica_db_timeout(s->db) != 0)
            break;
    }
    return h->text.data ? h->text.data : "";
}

static void heard_end(struct heard *h)
{
    replica_listener_cancel(h->listener);
    replica__buf_free(&h->text);
    CHECK_INT(h->destroyed, 1);
}
#define HEARD __attribute__((cleanup(heard_end))) struct heard

TEST(an_event_goes_to_the_listeners_whose_pattern_matches)
{
    STORE s = store_empty();
    HEARD all = { .destroyed = 0 };
    HEARD one = { .destroyed = 0 };

    listen_to(&s, "**", &all);
    listen_to(&s, "/lamp/*/on", &one);
    emit(&s, "/lamp/kitchen/on", "{\"level\": 3}");
    emit(&s, "/lamp/kitchen", "[1]");
    CHECK_STR(run(&s, &all), "/lamp/kitchen/on={\"level\": 3}/1 /lamp/kitchen=[1]/1 ");
    CHECK_STR(one.text.data, "/lamp/kitchen/on={\"level\": 3}/1 ");
    CHECK_STR(run(&s, &all), "");
}

TEST(a_payload_is_any_json_value_and_null_where_there_is_none)
{
    STORE s = store_memory();
    HEARD h = { .destroyed = 0 };

    listen_to(&s, "*", &h);
    CHECK_RC(replica_emit(s.db, "a", NULL, 0, &test_err), 0);
    emit(&s, "b", "12345678901234567890.10");
    emit(&s, "c", "\"x\\u0000y\"");
    CHECK_STR(run(&s, &h), "a=null/1 b=12345678901234567890.10/1 c=\"x\\u0000y\"/1 ");
}

TEST(who_comes_late_hears_nothing_of_before)
{
    STORE s = store_empty();
    HEARD first = { .destroyed = 0 };
    HEARD late = { .destroyed = 0 };

    listen_to(&s, "**", &first);
    emit(&s, "a", "1");
    listen_to(&s, "**", &late);
    emit(&s, "b", "2");
    CHECK_STR(run(&s, &first), "a=1/1 b=2/1 ");
    CHECK_STR(late.text.data, "b=2/1 ");
}

TEST(another_handle_on_the_file_hears_it_as_of_another_process)
{
    STORE s = store_empty();
    STORE other = store_open(s.path, NULL);
    HEARD h = { .destroyed = 0 };

    listen_to(&s, "**", &h);
    run(&s, &h);
    emit(&other, "a", "1");
    for (int i = 0; i < 20 && h.text.len == 0; i++)
        CHECK(replica_db_wait(s.db, 500, &test_err) >= 0);
    CHECK_STR(h.text.data, "a=1/3 ");
}

static void hear_and_do(void *ctx, const replica_event_entry *event)
{
    struct heard *h = ctx;

    hear(ctx, event);
    if (h->emits > 0) {
        h->emits--;
        CHECK_RC(replica_emit(h->db, "again", "0", REPLICA_NUL, &test_err), 0);
    }
    if (h->dispatches)
        CHECK(replica_db_dispatch(h->db, 100, &test_err) >= 0);
    replica_listener_cancel(h->other);
    h->other = NULL;
    if (h->closes)
        replica_db_close(h->db);
}

TEST(a_listener_may_emit_dispatch_and_cancel_others)
{
    STORE s = store_empty();
    HEARD victim = { .destroyed = 0 };
    HEARD h = { .db = s.db, .emits = 2, .dispatches = true };

    listen_to(&s, "**", &victim); /* told last */
    CHECK_RC(replica_listen(s.db, "**", hear_and_do, &h, destroy, &h.listener, &test_err), 0);
    h.other = victim.listener;
    victim.listener = NULL;
    emit(&s, "a", "1");
    CHECK_STR(run(&s, &h), "a=1/1 again=0/1 again=0/1 ");
    CHECK_INT(victim.text.len, 0);
    CHECK_INT(victim.destroyed, 1);
}

TEST(a_close_ends_listeners_and_a_handle_may_be_cancelled_behind_it)
{
    STORE s = store_empty();
    struct heard h = { .destroyed = 0 };

    listen_to(&s, "**", &h);
    emit(&s, "a", "1");
    replica_db_close(s.db);
    s.db = NULL;
    CHECK_INT(h.destroyed, 1);
    CHECK_INT(h.text.len, 0);
    replica_listener_cancel(h.listener);
}

TEST(a_listener_may_close_the_database)
{
    STORE s = store_empty();
    struct heard h = { .db = s.db, .closes = true };

    CHECK_RC(replica_listen(s.db, "**", hear_and_do, &h, destroy, &h.listener, &test_err), 0);
    emit(&s, "a", "1");
    emit(&s, "b", "2");
    while (!h.destroyed) /* behind which there is no database */
        CHECK(replica_db_wait(s.db, 1000, &test_err) >= 0);
    s.db = NULL;
    CHECK_STR(h.text.data, "a=1/1 ");
    replica_listener_cancel(h.listener);
    replica__buf_free(&h.text);
}

TEST(what_is_no_address_pattern_or_payload_is_refused)
{
    STORE s = store_empty();
    struct heard h = { .destroyed = 0 };
    char *big = replica__alloc(70000);
    static const char *const bad[] = { "", "*", "/a/*/b", "/a/**", "a*", "\xff\xfe" };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CHECK_RC(replica_emit(s.db, bad[i], "1", REPLICA_NUL, &test_err), REPLICA_EINVAL);
    CHECK_RC(replica_emit(s.db, NULL, "1", REPLICA_NUL, &test_err), REPLICA_EINVAL);
    memset(big, 'a', 70000);
    big[1025] = '\0';
    CHECK_RC(replica_emit(s.db, big, "1", REPLICA_NUL, &test_err), REPLICA_EINVAL);
    CHECK_RC(replica_emit(s.db, "a", "{\"n\":", REPLICA_NUL, &test_err), REPLICA_EJSON);
    CHECK_STR(test_err.where, "a");
    big[1025] = 'a';
    big[0] = big[65537] = '"';
    CHECK_RC(replica_emit(s.db, "a", big, 65538, &test_err), REPLICA_ELIMIT);
    big[65535] = '"';
    CHECK_RC(replica_emit(s.db, "a", big, 65536, &test_err), 0);
    CHECK_RC(replica_listen(s.db, "a*", hear, &h, destroy, &h.listener, &test_err),
             REPLICA_EINVAL);
    CHECK_RC(replica_listen(NULL, "a", hear, &h, destroy, &h.listener, &test_err), REPLICA_EINVAL);
    CHECK_INT(h.destroyed, 2);
    CHECK(!h.listener);
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM event"), 1);
    replica__free(big);
}

TEST(no_more_events_leave_than_the_rate_that_was_set)
{
    STORE s = store_empty();
    struct clock clock;

    clock_start(&clock, 1700000000000, 1);
    replica__db_set_world(s.db, &clock.world);
    CHECK_RC(replica_emit_rate(s.db, -1, &test_err), REPLICA_EINVAL);
    CHECK_RC(replica_emit_rate(s.db, 2, &test_err), 0);
    emit(&s, "a", "1");
    emit(&s, "a", "2");
    CHECK_RC(replica_emit(s.db, "a", "3", 1, &test_err), REPLICA_ELIMIT);
    clock_pass(&clock, 499);
    CHECK_RC(replica_emit(s.db, "a", "3", 1, &test_err), REPLICA_ELIMIT);
    clock_pass(&clock, 1);
    emit(&s, "a", "3");
    clock_pass(&clock, 3600 * 1000); /* no more than a second's worth is saved up */
    emit(&s, "a", "4");
    emit(&s, "a", "5");
    CHECK_RC(replica_emit(s.db, "a", "6", 1, &test_err), REPLICA_ELIMIT);
    CHECK_RC(replica_emit_rate(s.db, 0, &test_err), 0);
    for (int i = 0; i < 10; i++)
        emit(&s, "a", "7");
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM event"), 12);
    replica__db_set_world(s.db, &replica__real_world);
}

TEST(events_go_by_themselves_when_they_are_old_or_too_many)
{
    STORE s = store_empty();
    struct clock clock;

    clock_start(&clock, 1700000000000, 1);
    replica__db_set_world(s.db, &clock.world);
    for (int i = 0; i < 100; i++)
        emit(&s, "old", "1");
    clock_pass(&clock, 60001);
    emit(&s, "new", "1");
    emit(&s, "new", "1");
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM event"), 2);
    clock.now_ms -= 3600 * 1000; /* a clock that was put back does not keep them */
    emit(&s, "new", "1");
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM event"), 1);
    store_sql(&s, "WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10050)"
                  " INSERT INTO event(address, payload, time, origin, total)"
                  " SELECT 'a', '1', 1699996460001, 'o', i * 2 FROM n");
    emit(&s, "new", "1");
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM event"), 10000);
    replica__db_set_world(s.db, &replica__real_world);
}

TEST(large_events_do_not_pile_up)
{
    STORE s = store_empty();
    char *big = replica__alloc(65536);

    memset(big, 'a', 65536);
    big[0] = big[65535] = '"';
    for (int i = 0; i < 300; i++)
        CHECK_RC(replica_emit(s.db, "a", big, 65536, &test_err), 0);
    CHECK(store_sql_int(&s, "SELECT sum(length(payload)) FROM event") <= 16 * 1024 * 1024);
    CHECK(store_sql_int(&s, "SELECT count(*) FROM event") >= 250);
    replica__free(big);
}

TEST(what_is_listened_to_is_noted_where_somebody_replicates)
{
    STORE s = store_empty();
    HEARD h = { .destroyed = 0 };
    char *wanted = NULL;

    listen_to(&s, "/a/*", &h);
    run(&s, &h);
    CHECK_RC(replica__events_wanted(s.db, &wanted, &test_err), 0);
    CHECK(!wanted);
    store_replicate(&s, "r1");
    run(&s, &h);
    CHECK_RC(replica__events_wanted(s.db, &wanted, &test_err), 0);
    CHECK_MEM(wanted, 6, "/a/*\0\0", 6);
    replica__free(wanted);
}

TEST(a_read_only_handle_listens_and_does_not_emit)
{
    STORE s = store_with("{\"id\":\"a\"}");
    replica_db_options o = REPLICA_DB_OPTIONS_INIT;
    HEARD h = { .destroyed = 0 };

    o.flags = REPLICA_DB_READ_ONLY;
    STORE reader = store_open(s.path, &o);
    listen_to(&reader, "**", &h);
    CHECK_RC(replica_emit(reader.db, "a", "1", 1, &test_err), REPLICA_EREADONLY);
    run(&reader, &h);
    emit(&s, "a", "1");
    for (int i = 0; i < 20 && h.text.len == 0; i++)
        CHECK(replica_db_wait(reader.db, 500, &test_err) >= 0);
    CHECK_STR(h.text.data, "a=1/3 ");
}

LONG_TEST(without_memory_an_event_is_not_emitted_and_a_listener_hears_it_later)
{
    for (int nth = 0, failed = 1; failed; nth++) {
        STORE s = store_empty();
        HEARD h = { .destroyed = 0 };
        int r;

        store_sql(&s, "DELETE FROM event");
        fault_alloc(nth);
        r = replica_listen(s.db, "**", hear, &h, destroy, &h.listener, &test_err);
        if (r == 0)
            r = replica_emit(s.db, "a", "{\"n\":1}", REPLICA_NUL, &test_err);
        failed = fault_stop();
        CHECK(r == 0 || (failed && r == REPLICA_ENOMEM));
        CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM event"), r == 0);
        if (!h.listener)
            continue;
        h.emits = r == 0;
        CHECK_STR(run(&s, &h), r == 0 ? "a={\"n\":1}/1 " : "");
    }
    for (int nth = 0, failed = 1; failed; nth++) {
        STORE s = store_empty();
        HEARD h = { .destroyed = 0 };

        listen_to(&s, "**", &h);
        emit(&s, "a", "1");
        replica__buf_reserve(&h.text, 100);
        fault_alloc(nth);
        replica_db_dispatch(s.db, 1000, NULL);
        failed = fault_stop();
        emit(&s, "b", "2");
        for (int i = 0; i < 3; i++)
            CHECK(replica_db_dispatch(s.db, 1000, &test_err) >= 0);
        CHECK_STR(h.text.data, "a=1/1 b=2/1 ");
    }
}
