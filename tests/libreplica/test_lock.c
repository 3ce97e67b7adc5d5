/* Locks of the file: between its handles, and between processes, which are handles to it. */
#include "libreplica/command.h"
#include "libreplica/db.h"
#include "libreplica/lock.h"
#include "tests/support/clock.h"
#include "tests/support/fault.h"
#include "tests/support/store.h"
#include "tests/support/test.h"
#include "tests/support/tmp.h"

#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#define T0 1700000000000

static void release_ptr(replica_lock **lock)
{
    replica_lock_release(*lock);
}
#define LOCK __attribute__((cleanup(release_ptr))) replica_lock *

static int take(struct store *s, const char *key, const char *name, replica_lock **ret)
{
    replica_lock_options o = REPLICA_LOCK_OPTIONS_INIT;

    o.name = name;
    return replica_lock_acquire(s->db, s->coll, key, &o, ret, &test_err);
}

static int put(struct store *s, const char *json)
{
    return replica_put(s->coll, json, REPLICA_NUL, REPLICA_ANY_REV, NULL, NULL, &test_err);
}

/* Both see the same time. */
static void share_clock(struct clock *c, struct store *a, struct store *b)
{
    clock_start(c, T0, 1);
    replica__db_set_world(a->db, &c->world);
    if (b)
        replica__db_set_world(b->db, &c->world);
}

TEST(while_one_holds_a_lock_the_writes_of_others_are_refused_with_its_name)
{
    STORE a = store_with("{\"id\":\"n1\"}");
    STORE b = store_open(a.path, NULL);
    replica_doc *doc = NULL;
    LOCK lock = NULL;

    CHECK_RC(take(&a, "n1", "alice", &lock), 1);
    CHECK_RC(put(&b, "{\"id\":\"n1\",\"n\":2}"), REPLICA_ELOCKED);
    CHECK_STR(test_err.where, "alice");
    CHECK_RC(replica_delete(b.coll, "n1", REPLICA_ANY_REV, NULL, &test_err), REPLICA_ELOCKED);
    CHECK_RC(replica_patch(b.coll, "n1", "{\"n\":3}", REPLICA_NUL, REPLICA_ANY_REV, &doc, NULL,
                           &test_err),
             REPLICA_ELOCKED);
    CHECK_STR(store_json(&b, "n1"), "{\"id\":\"n1\"}");
    CHECK_RC(put(&b, "{\"id\":\"n2\"}"), 0);
    CHECK_RC(put(&a, "{\"id\":\"n1\",\"n\":4}"), 0);
    replica_lock_release(lock);
    lock = NULL;
    CHECK_RC(put(&b, "{\"id\":\"n1\",\"n\":5}"), 0);
}

TEST(a_document_that_is_not_there_yet_can_be_locked)
{
    STORE a = store_empty();
    STORE b = store_open(a.path, NULL);
    LOCK lock = NULL;

    CHECK_RC(take(&a, "new", NULL, &lock), 1);
    CHECK_RC(replica_put(b.coll, "{\"id\":\"new\"}", REPLICA_NUL, NULL, NULL, NULL, &test_err),
             REPLICA_ELOCKED);
    CHECK_STR(test_err.where, a.db->token);
    CHECK_RC(replica_put(a.coll, "{\"id\":\"new\"}", REPLICA_NUL, NULL, NULL, NULL, &test_err),
             0);
}

/* In the system that this one learned from, another client's flag opened a lock. */
TEST(a_lock_is_opened_by_its_holder_only)
{
    STORE a = store_with("{\"id\":\"n1\"}");
    STORE b = store_open(a.path, NULL);
    replica_lock *other = NULL;
    LOCK lock = NULL;

    CHECK_RC(take(&a, "n1", "alice", &lock), 1);
    CHECK_RC(take(&b, "n1", "alice", &other), REPLICA_ELOCKED); /* a name opens nothing */
    CHECK(!other);
    CHECK_STR(test_err.where, "alice");
    CHECK_RC(put(&b, "{\"id\":\"n1\",\"n\":2}"), REPLICA_ELOCKED);
    CHECK_RC(take(&a, "n1", "alice", &other), REPLICA_EINVAL); /* it is no lock for threads */
    CHECK_INT(replica_lock_state(lock), REPLICA_LOCK_HELD);
}

TEST(a_bundle_goes_through_no_lock)
{
    STORE a = store_with("{\"id\":\"n1\"}");
    STORE b = store_open(a.path, NULL);
    replica_bundle *bundle = NULL;
    LOCK lock = NULL;

    CHECK_RC(take(&a, "n1", "alice", &lock), 1);
    CHECK_RC(replica_bundle_begin(b.db, &bundle, &test_err), 0);
    CHECK_RC(replica_bundle_put(bundle, b.coll, "{\"id\":\"free\"}", REPLICA_NUL, REPLICA_ANY_REV,
                                &test_err), 0);
    CHECK_RC(replica_bundle_put(bundle, b.coll, "{\"id\":\"n1\",\"n\":2}", REPLICA_NUL,
                                REPLICA_ANY_REV, &test_err), 0);
    CHECK_RC(replica_bundle_commit(bundle, NULL, &test_err), REPLICA_ELOCKED);
    CHECK(!store_json(&b, "free"));
}

TEST(a_bulk_write_is_refused_row_by_row)
{
    STORE a = store_with("{\"id\":\"n1\"}");
    STORE b = store_open(a.path, NULL);
    replica_bulk_row rows[] = {
        { .json = "{\"id\":\"n1\",\"n\":2}", .len = REPLICA_NUL, .base_rev = REPLICA_ANY_REV },
        { .json = "{\"id\":\"n2\"}", .len = REPLICA_NUL, .base_rev = REPLICA_ANY_REV },
    };
    LOCK lock = NULL;

    CHECK_RC(take(&a, "n1", "alice", &lock), 1);
    CHECK_INT(replica_bulk(b.coll, rows, 2, &test_err), 1);
    CHECK_RC(rows[0].code, REPLICA_ELOCKED);
    CHECK_RC(rows[1].code, 0);
    CHECK(store_json(&b, "n2"));
}

TEST(fencing_numbers_rise_over_all_holders)
{
    STORE a = store_empty();
    STORE b = store_open(a.path, NULL);
    int64_t fence = 0;

    for (int i = 0; i < 4; i++) {
        LOCK lock = NULL;

        CHECK_RC(take(i & 1 ? &a : &b, "n1", NULL, &lock), 1);
        CHECK(replica_lock_fence(lock) > fence);
        fence = replica_lock_fence(lock);
    }
}

TEST(a_number_rises_also_when_the_row_was_forgotten)
{
    STORE a = store_empty();
    struct clock clock;
    int64_t fence;

    share_clock(&clock, &a, NULL);
    for (int i = 0; i < 3; i++) {
        LOCK lock = NULL;

        CHECK_RC(take(&a, "n1", NULL, &lock), 1);
        fence = replica_lock_fence(lock);
    }
    clock_pass(&clock, (int64_t)31 * 24 * 3600 * 1000);
    {
        LOCK lock = NULL;

        CHECK_RC(take(&a, "other", NULL, &lock), 1);
    }
    CHECK_INT(store_sql_int(&a, "SELECT count(*) FROM lock WHERE key = 'n1'"), 0);
    {
        LOCK lock = NULL;

        CHECK_RC(take(&a, "n1", NULL, &lock), 1);
        CHECK(replica_lock_fence(lock) > fence);
    }
}

TEST(a_lock_that_is_not_renewed_runs_out)
{
    STORE a = store_with("{\"id\":\"n1\"}");
    STORE b = store_open(a.path, NULL);
    struct clock clock;
    LOCK lock = NULL;

    share_clock(&clock, &a, &b);
    CHECK_RC(take(&a, "n1", "alice", &lock), 1);
    clock_pass(&clock, 29999);
    CHECK_RC(put(&b, "{\"id\":\"n1\",\"n\":2}"), REPLICA_ELOCKED);
    clock_pass(&clock, 2);
    CHECK_RC(put(&b, "{\"id\":\"n1\",\"n\":3}"), 0);
    CHECK_RC(replica_lock_renew(lock, &test_err), REPLICA_ELOCKED);
    CHECK_INT(replica_lock_state(lock), REPLICA_LOCK_LOST);
}

/* The holder was away, and comes back with what it wanted to write. */
TEST(who_was_away_past_its_time_overwrites_nothing_of_its_successor)
{
    STORE a = store_with("{\"id\":\"n1\"}");
    STORE b = store_open(a.path, NULL);
    struct clock clock;
    LOCK old = NULL;

    share_clock(&clock, &a, &b);
    CHECK_RC(take(&a, "n1", "alice", &old), 1);
    clock_pass(&clock, 30001);
    {
        LOCK next = NULL;

        CHECK_RC(take(&b, "n1", "bob", &next), 1);
        CHECK_RC(put(&b, "{\"id\":\"n1\",\"by\":\"bob\"}"), 0);
        CHECK_RC(put(&a, "{\"id\":\"n1\",\"by\":\"alice\"}"), REPLICA_ELOCKED);
        CHECK_STR(test_err.where, "bob");
    }
    CHECK_RC(put(&a, "{\"id\":\"n1\",\"by\":\"alice\"}"), REPLICA_ELOCKED); /* after it, too */
    CHECK_STR(store_json(&b, "n1"), "{\"id\":\"n1\",\"by\":\"bob\"}");
    replica_lock_release(old); /* from here on it is one of many */
    old = NULL;
    CHECK_RC(put(&a, "{\"id\":\"n1\",\"by\":\"alice\"}"), 0);
}

TEST(a_write_of_the_holder_renews_its_lock)
{
    STORE a = store_with("{\"id\":\"n1\"}");
    STORE b = store_open(a.path, NULL);
    struct clock clock;
    LOCK lock = NULL;

    share_clock(&clock, &a, &b);
    CHECK_RC(take(&a, "n1", "alice", &lock), 1);
    for (int i = 0; i < 4; i++) {
        clock_pass(&clock, 20000);
        CHECK_RC(put(&a, "{\"id\":\"n1\",\"n\":1}"), 0);
    }
    CHECK_RC(put(&b, "{\"id\":\"n1\",\"n\":2}"), REPLICA_ELOCKED);
    CHECK_RC(replica_lock_renew(lock, &test_err), 0);
}

TEST(dispatch_renews_what_is_held)
{
    STORE a = store_with("{\"id\":\"n1\"}");
    STORE b = store_open(a.path, NULL);
    struct clock clock;
    LOCK lock = NULL;

    share_clock(&clock, &a, &b);
    CHECK_RC(take(&a, "n1", "alice", &lock), 1);
    for (int i = 0; i < 20; i++) {
        clock_pass(&clock, 10000);
        CHECK(replica_db_timeout(a.db) == 0);
        CHECK(replica_db_dispatch(a.db, 0, &test_err) >= 0);
    }
    CHECK_INT(replica_lock_state(lock), REPLICA_LOCK_HELD);
    CHECK_RC(put(&b, "{\"id\":\"n1\",\"n\":2}"), REPLICA_ELOCKED);
}

struct told {
    int states[4];
    int n, destroyed;
    replica_lock *lock;
};

static void on_state(void *ctx, replica_lock *lock, int state)
{
    struct told *told = ctx;

    CHECK(lock == told->lock);
    told->states[told->n++] = state;
    replica_lock_release(lock); /* which a callback may */
}

static void on_destroy(void *ctx)
{
    ((struct told *)ctx)->destroyed++;
}

TEST(a_holder_is_told_that_its_lock_is_lost)
{
    STORE a = store_empty();
    STORE b = store_open(a.path, NULL);
    replica_lock_options o = REPLICA_LOCK_OPTIONS_INIT;
    struct told told = { .n = 0 };
    struct clock clock;
    LOCK next = NULL;

    share_clock(&clock, &a, &b);
    o.on_state = on_state;
    o.destroy = on_destroy;
    o.ctx = &told;
    CHECK_RC(replica_lock_acquire(a.db, NULL, "printer", &o, &told.lock, &test_err), 1);
    clock_pass(&clock, 30001);
    CHECK_RC(replica_lock_acquire(b.db, NULL, "printer", NULL, &next, &test_err), 1);
    while (replica_db_dispatch(a.db, 0, &test_err) > 0)
        ;
    CHECK_INT(told.n, 1);
    CHECK_INT(told.states[0], REPLICA_LOCK_LOST);
    CHECK_INT(told.destroyed, 1);
    CHECK_RC(replica_lock_renew(next, &test_err), 0);
}

/* A renewal that found it so was answered; who waits for the callback hears it all the same. */
TEST(a_holder_is_told_once_whoever_found_it_lost)
{
    STORE a = store_empty();
    replica_lock_options o = REPLICA_LOCK_OPTIONS_INIT;
    struct told told = { .n = 0 };
    struct clock clock;

    share_clock(&clock, &a, NULL);
    o.on_state = on_state;
    o.destroy = on_destroy;
    o.ctx = &told;
    CHECK_RC(replica_lock_acquire(a.db, NULL, "printer", &o, &told.lock, &test_err), 1);
    clock_pass(&clock, 30001);
    CHECK_RC(replica_lock_renew(told.lock, &test_err), REPLICA_ELOCKED);
    CHECK_INT(told.n, 0);
    while (replica_db_dispatch(a.db, 0, &test_err) > 0)
        ;
    CHECK_INT(told.n, 1);
    CHECK_INT(told.states[0], REPLICA_LOCK_LOST);
    CHECK_INT(told.destroyed, 1);
}

static void close_on_state(void *ctx, replica_lock *lock, int state)
{
    struct store *s = ctx;

    CHECK_INT(state, REPLICA_LOCK_LOST);
    CHECK_INT(replica_lock_state(lock), REPLICA_LOCK_LOST);
    replica_db_close(s->db);
}

TEST(who_is_told_that_a_lock_is_lost_may_close_the_database)
{
    STORE a = store_empty();
    replica_lock_options o = REPLICA_LOCK_OPTIONS_INIT;
    struct clock clock;
    LOCK lock = NULL;
    LOCK other = NULL;

    share_clock(&clock, &a, NULL);
    CHECK_RC(replica_lock_acquire(a.db, NULL, "other", &o, &other, &test_err), 1);
    o.on_state = close_on_state;
    o.ctx = &a;
    CHECK_RC(replica_lock_acquire(a.db, NULL, "printer", &o, &lock, &test_err), 1);
    clock_pass(&clock, 30001);
    CHECK_RC(replica_db_dispatch(a.db, 0, &test_err), 0);
    a.db = NULL;
    CHECK_RC(replica_lock_renew(lock, &test_err), REPLICA_ECLOSED);
    CHECK_INT(replica_lock_state(other), REPLICA_LOCK_LOST);
}

static void wait_for_printer(void *ctx, const replica_event_entry *event)
{
    struct store *s = ctx;
    replica_lock_options o = REPLICA_LOCK_OPTIONS_INIT;
    replica_lock *lock = NULL;

    (void)event;
    o.wait_ms = 20000;
    CHECK_RC(replica_lock_acquire(s->db, NULL, "printer", &o, &lock, &test_err), REPLICA_ECLOSED);
}

static void close_all(void *ctx, const replica_event_entry *event)
{
    (void)event;
    replica_db_close(((struct store *)ctx)->db);
}

TEST(who_waits_in_a_callback_while_another_one_closes_does_not_wait_on)
{
    STORE a = store_empty();
    STORE b = store_open(a.path, NULL);
    LOCK lock = NULL;

    CHECK_RC(replica_lock_acquire(b.db, NULL, "printer", NULL, &lock, &test_err), 1);
    CHECK_RC(replica_listen(a.db, "wait", wait_for_printer, &a, NULL, NULL, &test_err), 0);
    CHECK_RC(replica_listen(a.db, "close", close_all, &a, NULL, NULL, &test_err), 0);
    CHECK_RC(replica_emit(a.db, "wait", NULL, 0, &test_err), 0);
    CHECK_RC(replica_emit(b.db, "close", NULL, 0, &test_err), 0); /* while the other one waits */
    CHECK_RC(replica_db_dispatch(a.db, 0, &test_err), 0);
    a.db = NULL;
    CHECK_INT(replica_lock_state(lock), REPLICA_LOCK_HELD);
}

TEST(destroy_is_called_also_when_there_is_no_lock)
{
    STORE a = store_empty();
    replica_lock_options o = REPLICA_LOCK_OPTIONS_INIT;
    struct told told = { .n = 0 };
    replica_lock *lock = NULL;

    o.destroy = on_destroy;
    o.ctx = &told;
    CHECK_RC(replica_lock_acquire(a.db, NULL, "", &o, &lock, &test_err), REPLICA_EINVAL);
    CHECK_INT(told.destroyed, 1);
    CHECK(!lock);
}

/* A clock that was wrong when the lock was taken must not keep it for a year. */
TEST(a_clock_that_is_set_back_keeps_no_lock_for_ever)
{
    STORE a = store_empty();
    STORE b = store_open(a.path, NULL);
    struct clock clock;
    LOCK lock = NULL, *next = NULL;

    share_clock(&clock, &a, &b);
    CHECK_RC(take(&a, "n1", "alice", &lock), 1);
    clock.now_ms -= (int64_t)365 * 24 * 3600 * 1000;
    CHECK_RC(take(&b, "n1", "bob", &next), 1);
    CHECK(replica_lock_fence(next) > replica_lock_fence(lock));
    CHECK_RC(put(&a, "{\"id\":\"n1\"}"), REPLICA_ELOCKED);
}

struct waiter {
    struct store s;
    int wait_ms;
    int r;
    char where[64];
    int64_t fence;
};

static void *wait_for_it(void *arg)
{
    struct waiter *w = arg;
    replica_lock_options o = REPLICA_LOCK_OPTIONS_INIT;
    replica_error err = { .offset = -1 };
    replica_lock *lock = NULL;

    o.wait_ms = w->wait_ms;
    o.name = "waiter";
    w->r = replica_lock_acquire(w->s.db, w->s.coll, "n1", &o, &lock, &err);
    snprintf(w->where, sizeof w->where, "%.60s", err.where);
    w->fence = replica_lock_fence(lock);
    replica_lock_release(lock);
    return NULL;
}

TEST(who_waits_gets_it_when_it_is_given_back)
{
    STORE a = store_empty();
    struct waiter w = { .s = store_open(a.path, NULL), .wait_ms = -1 };
    replica_lock *lock = NULL;
    pthread_t thread;
    int64_t fence;

    CHECK_RC(take(&a, "n1", "alice", &lock), 1);
    fence = replica_lock_fence(lock);
    CHECK_INT(pthread_create(&thread, NULL, wait_for_it, &w), 0);
    CHECK_RC(put(&a, "{\"id\":\"n1\"}"), 0);
    replica_lock_release(lock);
    CHECK_INT(pthread_join(thread, NULL), 0);
    CHECK_RC(w.r, 1);
    CHECK(w.fence > fence);
    store_close(&w.s);
}

TEST(who_waits_in_vain_is_told_by_whom)
{
    STORE a = store_empty();
    struct waiter w = { .s = store_open(a.path, NULL), .wait_ms = 20 };
    LOCK lock = NULL;

    CHECK_RC(take(&a, "n1", "alice", &lock), 1);
    wait_for_it(&w);
    CHECK_RC(w.r, REPLICA_ELOCKED);
    CHECK_STR(w.where, "alice");
    store_close(&w.s);
}

struct shown {
    char text[400];
};

static int show(void *ctx, const replica_lock_entry *e)
{
    struct shown *s = ctx;
    size_t len = strlen(s->text);

    snprintf(s->text + len, sizeof s->text - len, "%s/%s by %s%s; ", e->collection, e->key,
             e->name, e->ours ? " (ours)" : "");
    CHECK(e->left_ms > 0 && e->left_ms <= 30000 && e->fence > 0);
    return 0;
}

TEST(those_that_are_held_are_listed_in_order)
{
    STORE a = store_empty();
    STORE b = store_open(a.path, NULL);
    struct shown shown = { "" };
    struct clock clock;
    LOCK n2 = NULL, *n1 = NULL, *key = NULL;

    share_clock(&clock, &a, &b);
    CHECK_RC(take(&b, "gone", "carol", &n1), 1);
    clock_pass(&clock, 30001);
    CHECK_RC(take(&a, "n2", "alice", &n2), 1);
    replica_lock_release(n1);
    CHECK_RC(take(&b, "n1", "bob", &n1), 1);
    CHECK_RC(replica_lock_acquire(b.db, NULL, "z", &(replica_lock_options){
        .size = sizeof(replica_lock_options), .name = "bob" }, &key, &test_err), 1);
    CHECK_RC(replica_locks(a.db, show, &shown, &test_err), 0);
    CHECK_STR(shown.text, "/z by bob; notes/n1 by bob; notes/n2 by alice (ours); ");
}

TEST(many_locks_are_listed_one_by_one)
{
    STORE a = store_empty();
    replica_lock *locks[100];
    struct shown shown = { "" };
    int n = 0;

    for (int i = 0; i < 100; i++) {
        char key[20];

        snprintf(key, sizeof key, "k%03d", i);
        CHECK_RC(take(&a, key, NULL, &locks[i]), 1);
    }
    CHECK_RC(replica_locks(a.db, show, &shown, &test_err), 0);
    for (const char *at = shown.text; (at = strstr(at, "notes/")); at++)
        n++;
    CHECK(n > 5);
    CHECK_INT(store_sql_int(&a, "SELECT count(*) FROM lock WHERE holder IS NOT NULL"), 100);
    for (int i = 0; i < 100; i++)
        replica_lock_release(locks[i]);
    CHECK_INT(store_sql_int(&a, "SELECT count(*) FROM lock WHERE holder IS NOT NULL"), 0);
}

TEST(closing_gives_back_what_is_held)
{
    STORE a = store_empty();
    STORE b = store_open(a.path, NULL);
    LOCK lock = NULL, *next = NULL;

    CHECK_RC(take(&a, "n1", "alice", &lock), 1);
    store_close(&a);
    a.db = NULL;
    CHECK_RC(take(&b, "n1", "bob", &next), 1);
    CHECK_INT(replica_lock_state(lock), REPLICA_LOCK_LOST);
    CHECK_RC(replica_lock_renew(lock, &test_err), REPLICA_ECLOSED);
}

TEST(what_a_replication_brings_asks_no_lock)
{
    STORE a = store_empty();
    STORE b = store_open(a.path, NULL);
    LOCK lock = NULL;

    store_replicate(&a, "r1");
    CHECK_RC(take(&b, "n1", "bob", &lock), 1);
    CHECK_INT(store_pull_one(&a, "{\"id\":\"n1\",\"v\":1}", 5), REPLICA__PULLED_WRITTEN);
    CHECK_STR(store_json(&a, "n1"), "{\"id\":\"n1\",\"v\":1}");
}

TEST(a_key_of_ones_own_is_no_document)
{
    STORE a = store_empty();
    STORE b = store_open(a.path, NULL);
    LOCK lock = NULL, *of_doc = NULL;

    CHECK_RC(replica_lock_acquire(a.db, NULL, "n1", NULL, &lock, &test_err), 1);
    CHECK_RC(put(&b, "{\"id\":\"n1\"}"), 0);
    CHECK_RC(take(&b, "n1", NULL, &of_doc), 1);
}

TEST(what_makes_no_sense_is_refused)
{
    STORE a = store_empty();
    replica_lock *lock = NULL;
    replica_lock_options o = REPLICA_LOCK_OPTIONS_INIT;
    static const int64_t times[] = { 99, -1, 24 * 3600 * 1000 + 1 };

    CHECK_RC(replica_lock_acquire(NULL, NULL, "k", NULL, &lock, &test_err), REPLICA_EINVAL);
    CHECK_RC(replica_lock_acquire(a.db, NULL, NULL, NULL, &lock, &test_err), REPLICA_EINVAL);
    CHECK_RC(replica_lock_acquire(a.db, NULL, "\xff", NULL, &lock, &test_err), REPLICA_EINVAL);
    for (int i = 0; i < 3; i++) {
        o.ttl_ms = times[i];
        CHECK_RC(replica_lock_acquire(a.db, NULL, "k", &o, &lock, &test_err), REPLICA_EINVAL);
    }
    o.ttl_ms = 0;
    o.flags = 1u << 9;
    CHECK_RC(replica_lock_acquire(a.db, NULL, "k", &o, &lock, &test_err), REPLICA_EINVAL);
    o.flags = REPLICA_LOCK_SERVER;
    CHECK_RC(replica_lock_acquire(a.db, a.coll, "k", &o, &lock, &test_err), REPLICA_ENOTSUP);
    CHECK_RC(replica_lock_renew(NULL, &test_err), REPLICA_EINVAL);
    CHECK_INT(replica_lock_state(NULL), REPLICA_LOCK_LOST);
    CHECK_INT(replica_lock_fence(NULL), 0);
    replica_lock_release(NULL);
    CHECK(!lock);
}

/* ---- failures --------------------------------------------------------------------- */

static int all_calls(struct store *s)
{
    replica_lock *lock = NULL;
    struct shown shown = { "" };
    int r = take(s, "n1", "alice", &lock);

    if (r > 0)
        r = put(s, "{\"id\":\"n1\"}");
    if (r >= 0)
        r = replica_lock_renew(lock, &test_err);
    if (r >= 0)
        r = replica_locks(s->db, show, &shown, &test_err);
    CHECK(r < 0 || strcmp(shown.text, "notes/n1 by alice (ours); ") == 0);
    replica_lock_release(lock);
    return r;
}

LONG_TEST(a_failed_allocation_fails_the_call_and_leaves_no_half_lock)
{
    for (int nth = 0, failed = 1; failed; nth++) {
        STORE s = store_memory();
        int r;

        fault_alloc(nth);
        r = all_calls(&s);
        failed = fault_stop();
        CHECK(r >= 0 || (failed && r == REPLICA_ENOMEM));
        if (!failed)
            CHECK_INT(r, 0);
        store_sound(&s);
    }
}

LONG_TEST(a_failed_write_fails_the_call_and_can_be_repeated)
{
    for (int nth = 0, failed = 1; failed; nth++) {
        STORE s = store_empty();
        int r;

        fault_io(FAULT_WRITE, nth, SQLITE_FULL);
        r = all_calls(&s);
        failed = fault_stop();
        CHECK(r >= 0 || (failed && (r == REPLICA_EFULL || r == REPLICA_EIO)));
        store_sound(&s);
        store_close(&s);
        s = store_open(s.path, NULL);
        store_sql(&s, "UPDATE lock SET until = 0"); /* what could not be given back runs out */
        CHECK_RC(all_calls(&s), 0);
        store_close(&s);
        unlink(s.path);
        s.db = NULL;
    }
}
