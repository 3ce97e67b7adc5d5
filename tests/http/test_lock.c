/* Locks of a server, between two programs with files of their own, over real connections. */
#include "libreplica/lock.h"
#include "replicator/replicator.h"
#include "tests/http/served.h"
#include "tests/support/store.h"
#include "tests/support/test.h"
#include "tests/support/tmp.h"

#include <stdio.h>

struct client {
    struct store s;
    replica_sync *sync;
    char locked_by[64];   /* as the last event said */
    int locked, rejected; /* events */
    int state;            /* of its lock, as it was told */
};

static void client_end(struct client *c)
{
    replica_sync_cancel(c->sync);
    c->sync = NULL;
    store_close(&c->s);
    c->s.db = NULL;
}
#define CLIENT __attribute__((cleanup(client_end))) struct client

static void on_event(void *ctx, const replica_sync_event *event)
{
    struct client *c = ctx;

    if (event->kind == REPLICA_EVENT_LOCKED) {
        c->locked++;
        snprintf(c->locked_by, sizeof c->locked_by, "%s", event->reason);
    }
    c->rejected += event->kind == REPLICA_EVENT_REJECTED;
}

static void use_local(void *ctx, replica_conflict *c)
{
    CHECK_RC(replica_conflict_use(c, replica_conflict_local(c), &test_err), 0);
}

/* A file whose handler would have its own state win. */
static struct store stubborn(const char *name)
{
    const replica_conflict_handler handler = { .size = sizeof handler, .resolve = use_local };
    const replica_collection_options o = { .size = sizeof o, .handler = &handler };
    struct store s = { .path = tmp_path(name) };

    CHECK_RC(replica_db_open(s.path, NULL, &s.db, &test_err), 0);
    CHECK_RC(replica_db_collection(s.db, "notes", &o, &s.coll, &test_err), 0);
    return s;
}

static void start(struct client *c, struct served *s, const char *name)
{
    replica_sync_options o = REPLICA_SYNC_OPTIONS_INIT;

    if (!c->s.db)
        c->s = store_open(tmp_path(name), NULL);
    o.collections = &c->s.coll;
    o.collection_count = 1;
    o.url = served_url(s, "/notes/0");
    o.on_event = on_event;
    o.ctx = c;
    CHECK_RC(replica_sync_start(c->s.db, &o, &c->sync, &test_err), 0);
}

static void in_sync(struct client *c)
{
    CHECK_RC(replica_sync_wait_in_sync(c->sync, 10000, &test_err), 1);
}

/* Until it is so, for ten seconds at most. */
#define WAIT_UNTIL(c, condition)                                   \
    do {                                                           \
        for (int i_ = 0; i_ < 1000 && !(condition); i_++)          \
            CHECK(replica_db_wait((c)->s.db, 10, &test_err) >= 0); \
        CHECK(condition);                                          \
    } while (0)

static void on_state(void *ctx, replica_lock *lock, int state)
{
    ((struct client *)ctx)->state = state;
}

static int take(struct client *c, const char *name, unsigned flags, int64_t ttl, int wait_ms,
                replica_lock **ret)
{
    replica_lock_options o = REPLICA_LOCK_OPTIONS_INIT;

    o.flags = REPLICA_LOCK_SERVER | flags;
    o.name = name;
    o.ttl_ms = ttl;
    o.wait_ms = wait_ms;
    o.on_state = on_state;
    o.ctx = c;
    return replica_lock_acquire(c->s.db, c->s.coll, "n1", &o, ret, &test_err);
}

static void release_ptr(replica_lock **lock)
{
    replica_lock_release(*lock);
}
#define LOCK __attribute__((cleanup(release_ptr))) replica_lock *

TEST(what_others_write_waits_until_the_holder_has_given_it_back)
{
    SERVED s = served_start();
    CLIENT a = { .state = 0 }, b = { .state = 0 };
    replica_lock *lock = NULL, *next = NULL;
    int64_t fence;

    start(&a, s, "a.db");
    start(&b, s, "b.db");
    store_put(&a.s, "{\"id\":\"n1\",\"by\":\"nobody\"}");
    in_sync(&a);
    WAIT_UNTIL(&b, store_json(&b.s, "n1"));
    CHECK_RC(take(&a, "alice", 0, 0, 0, &lock), 1);
    CHECK_INT(replica_lock_state(lock), REPLICA_LOCK_HELD);
    fence = replica_lock_fence(lock);
    CHECK_RC(take(&b, "bob", 0, 0, 0, &next), REPLICA_ELOCKED);
    CHECK_STR(test_err.where, "alice");
    store_put(&b.s, "{\"id\":\"n1\",\"by\":\"bob\"}");
    WAIT_UNTIL(&b, b.locked > 0);
    CHECK_STR(b.locked_by, "alice");
    store_put(&a.s, "{\"id\":\"n1\",\"by\":\"alice\"}");
    in_sync(&a);
    replica_lock_release(lock);
    CHECK_RC(take(&b, "bob", 0, 0, 10000, &next), 1);
    CHECK(replica_lock_fence(next) > fence);
    replica_sync_now(b.sync, NULL);
    in_sync(&b); /* its own was made without alice's, and the server's wins */
    CHECK_STR(store_json(&b.s, "n1"), "{\"id\":\"n1\",\"by\":\"alice\"}");
    replica_lock_release(next);
}

TEST(a_lock_goes_back_when_what_was_written_under_it_has_arrived)
{
    SERVED s = served_start();
    CLIENT a = { .state = 0 }, b = { .state = 0 };
    replica_lock *lock = NULL, *next = NULL;

    start(&a, s, "a.db");
    start(&b, s, "b.db");
    in_sync(&a);
    in_sync(&b);
    CHECK_RC(take(&a, "alice", 0, 0, 0, &lock), 1);
    for (int i = 0; i < 200; i++)
        store_put(&a.s, "{\"id\":\"n1\",\"n\":200}");
    replica_lock_release(lock);
    CHECK_RC(take(&b, "bob", 0, 0, 10000, &next), 1);
    replica_sync_now(b.sync, NULL);
    WAIT_UNTIL(&b, store_json(&b.s, "n1"));
    CHECK_STR(store_json(&b.s, "n1"), "{\"id\":\"n1\",\"n\":200}");
    replica_lock_release(next);
}

TEST(a_key_of_ones_own_is_locked_at_the_server_too)
{
    SERVED s = served_start();
    CLIENT a = { .state = 0 }, b = { .state = 0 };
    replica_lock_options o = REPLICA_LOCK_OPTIONS_INIT;
    LOCK lock = NULL, *next = NULL;

    start(&a, s, "a.db");
    start(&b, s, "b.db");
    o.flags = REPLICA_LOCK_SERVER;
    o.name = "alice";
    CHECK_RC(replica_lock_acquire(a.s.db, NULL, "printer", &o, &lock, &test_err), 1);
    CHECK_RC(replica_lock_acquire(b.s.db, NULL, "printer", &o, &next, &test_err),
             REPLICA_ELOCKED);
}

TEST(a_lock_is_renewed_while_its_holder_lives)
{
    SERVED s = served_start();
    CLIENT a = { .state = 0 }, b = { .state = 0 };
    LOCK lock = NULL, *next = NULL;

    start(&a, s, "a.db");
    start(&b, s, "b.db");
    CHECK_RC(take(&a, "alice", 0, 300, 0, &lock), 1);
    for (int i = 0; i < 100; i++) {
        replica_db_wait(a.s.db, 10, NULL);
        CHECK_INT(replica_lock_state(lock), REPLICA_LOCK_HELD);
    }
    CHECK_RC(take(&b, "bob", 0, 0, 0, &next), REPLICA_ELOCKED);
    CHECK_INT(a.state, 0);
}

TEST(what_was_written_under_a_lock_that_ran_out_overwrites_nothing)
{
    SERVED s = served_start();
    CLIENT a = { .s = stubborn("a.db") }, b = { .state = 0 };
    LOCK lock = NULL;
    replica_lock *next = NULL;

    start(&a, s, "a.db");
    start(&b, s, "b.db");
    store_put(&a.s, "{\"id\":\"n1\",\"by\":\"nobody\"}");
    in_sync(&a);
    WAIT_UNTIL(&b, store_json(&b.s, "n1"));
    CHECK_RC(take(&a, "alice", 0, 400, 0, &lock), 1);
    CHECK_RC(replica_sync_pause(a.sync, &test_err), 0); /* the cable is cut */
    store_put(&a.s, "{\"id\":\"n1\",\"by\":\"alice\"}");
    CHECK_RC(take(&b, "bob", 0, 0, 10000, &next), 1);
    store_put(&b.s, "{\"id\":\"n1\",\"by\":\"bob\"}");
    replica_lock_release(next);
    in_sync(&b);
    WAIT_UNTIL(&a, a.state == REPLICA_LOCK_LOST);
    CHECK_RC(replica_put(a.s.coll, "{\"id\":\"n1\",\"by\":\"alice again\"}", REPLICA_NUL,
                         REPLICA_ANY_REV, NULL, NULL, &test_err), REPLICA_ELOCKED);
    CHECK_RC(replica_sync_resume(a.sync, &test_err), 0);
    WAIT_UNTIL(&a, a.rejected == 1);
    replica_sync_now(b.sync, NULL);
    in_sync(&b);
    CHECK_STR(store_json(&b.s, "n1"), "{\"id\":\"n1\",\"by\":\"bob\"}");
    CHECK_STR(store_json(&a.s, "n1"), "{\"id\":\"n1\",\"by\":\"alice\"}"); /* it is not lost */
}

TEST(offline_acquiring_fails_with_a_code_of_its_own)
{
    SERVED s = served_start();
    CLIENT a = { .state = 0 };
    replica_lock *lock = NULL;

    start(&a, s, "a.db");
    in_sync(&a);
    served_stop(s);
    s = NULL;
    CHECK_RC(take(&a, "alice", 0, 0, 0, &lock), REPLICA_ENET);
    CHECK(!lock);
    store_put(&a.s, "{\"id\":\"n1\"}"); /* nothing is left of it */
}

TEST(a_provisional_lock_is_confirmed_when_the_server_is_back)
{
    SERVED s = served_start();
    CLIENT a = { .state = 0 }, b = { .state = 0 };
    LOCK lock = NULL, *next = NULL;

    start(&a, s, "a.db");
    in_sync(&a);
    served_halt(s);
    CHECK_RC(take(&a, "alice", REPLICA_LOCK_OFFLINE, 0, 0, &lock), 1);
    CHECK_INT(replica_lock_state(lock), REPLICA_LOCK_PROVISIONAL);
    store_put(&a.s, "{\"id\":\"n1\",\"by\":\"alice\"}");
    served_go_on(s);
    CHECK_RC(replica_sync_now(a.sync, &test_err), 0);
    WAIT_UNTIL(&a, a.state == REPLICA_LOCK_HELD);
    in_sync(&a);
    start(&b, s, "b.db");
    in_sync(&b);
    CHECK_STR(store_json(&b.s, "n1"), "{\"id\":\"n1\",\"by\":\"alice\"}");
    CHECK_RC(take(&b, "bob", 0, 0, 0, &next), REPLICA_ELOCKED);
}

TEST(a_provisional_lock_that_another_one_has_is_lost_before_anything_is_pushed)
{
    SERVED s = served_start();
    CLIENT a = { .state = 0 }, b = { .state = 0 };
    LOCK lock = NULL, *next = NULL;

    start(&a, s, "a.db");
    in_sync(&a);
    CHECK_RC(replica_sync_pause(a.sync, &test_err), 0);
    CHECK_RC(take(&a, "alice", REPLICA_LOCK_OFFLINE, 0, 0, &lock), 1);
    CHECK_INT(replica_lock_state(lock), REPLICA_LOCK_PROVISIONAL);
    store_put(&a.s, "{\"id\":\"n1\",\"by\":\"alice\"}");
    start(&b, s, "b.db");
    CHECK_RC(take(&b, "bob", 0, 0, 0, &next), 1);
    CHECK_RC(replica_sync_resume(a.sync, &test_err), 0);
    WAIT_UNTIL(&a, a.state == REPLICA_LOCK_LOST);
    WAIT_UNTIL(&a, a.locked > 0);
    CHECK_STR(a.locked_by, "bob");
    store_put(&b.s, "{\"id\":\"n1\",\"by\":\"bob\"}");
    in_sync(&b);
    CHECK_STR(store_json(&b.s, "n1"), "{\"id\":\"n1\",\"by\":\"bob\"}");
}

TEST(a_lock_survives_a_restart_of_the_server)
{
    SERVED s = served_start();
    CLIENT a = { .state = 0 }, b = { .state = 0 };
    LOCK lock = NULL, *next = NULL;

    start(&a, s, "a.db");
    start(&b, s, "b.db");
    CHECK_RC(take(&a, "alice", 0, 0, 0, &lock), 1);
    in_sync(&b);
    served_restart(s);
    replica_sync_now(b.sync, NULL);
    in_sync(&b);
    WAIT_UNTIL(&b, take(&b, "bob", 0, 0, 0, &next) == REPLICA_ELOCKED);
    CHECK_STR(test_err.where, "alice");
}

TEST(a_program_that_starts_again_is_the_same_client)
{
    SERVED s = served_start();
    CLIENT a = { .state = 0 }, b = { .state = 0 };
    LOCK next = NULL;
    replica_lock *lock = NULL;

    start(&a, s, "a.db");
    start(&b, s, "b.db");
    CHECK_RC(take(&a, "alice", 0, 0, 0, &lock), 1);
    store_put(&a.s, "{\"id\":\"n1\",\"by\":\"alice\"}");
    client_end(&a); /* gives back what it holds, but the server does not know */
    replica_lock_release(lock);
    CHECK_RC(take(&b, "bob", 0, 0, 0, &next), REPLICA_ELOCKED);
    start(&a, s, "a.db");
    in_sync(&a);
    CHECK_RC(take(&b, "bob", 0, 0, 10000, &next), 1);
    WAIT_UNTIL(&b, store_json(&b.s, "n1"));
    CHECK_STR(store_json(&b.s, "n1"), "{\"id\":\"n1\",\"by\":\"alice\"}");
}
