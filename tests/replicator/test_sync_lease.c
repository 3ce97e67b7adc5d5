/* One file, two programs that replicate it: the second stands by.  Each has a server of its own in
 * these tests, which shows who of them speaks. */
#include "tests/replicator/desk_support.h"

#include "tests/support/tmp.h"

#include <stdio.h>

#define B "{\"id\":\"b\",\"v\":2}"

struct two {
    struct desk *one, *two;
};

static void end(struct two *t)
{
    desk_end(&t->two);
    desk_end(&t->one);
}
#define TWO(t)                                                            \
    __attribute__((cleanup(end))) struct two t = { .one = NULL };         \
    begin(&t, runner)

/* The first has a thread, and is in sync; the second stands by. */
static void begin(struct two *t, unsigned runner)
{
    const char *path = tmp_path("shared.db");

    t->one = desk_begin(0, path);
    server_set(t->one->server, "a", "{\"id\":\"a\",\"v\":1}");
    desk_start(t->one);
    CHECK_RC(desk_in_sync(t->one), 1);
    t->two = desk_begin(runner, path);
    desk_start(t->two);
    DESK_UNTIL(t->two, desk_status(t->two).state == REPLICA_SYNC_STANDBY);
}

BOTH(the_second_is_brought_in_sync_by_the_first)
{
    TWO(t);

    CHECK_RC(desk_in_sync(t.two), 1);
    CHECK_STR(desk_get(t.two, "a"), "{\"id\":\"a\",\"v\":1}");
    desk_put(t.two, B);
    CHECK_RC(desk_in_sync(t.two), 1);
    CHECK_STR(server_get(t.one->server, "b"), B);
    CHECK_INT(desk_status(t.two).state, REPLICA_SYNC_STANDBY);
    CHECK_INT(server_pulls(t.two->server) + server_pushes(t.two->server), 0);
}

BOTH(the_second_waits_for_a_document_that_the_first_pushes)
{
    TWO(t);

    desk_put(t.two, B);
    t.two->inside++;
    CHECK_RC(replica_sync_wait_pushed(t.two->sync, t.two->coll, "b", 10000, &test_err), 1);
    t.two->inside--;
    CHECK_STR(server_get(t.one->server, "b"), B);
    CHECK_INT(desk_state(t.two, "b"), REPLICA_DOC_IN_SYNC);
}

BOTH(the_second_does_not_say_in_sync_while_the_first_cannot_push)
{
    TWO(t);

    CHECK_RC(desk_in_sync(t.two), 1);
    server_fail(t.one->server, REPLICA_ENET, 7);
    desk_put(t.two, B);
    t.two->inside++;
    CHECK_RC(replica_sync_wait_in_sync(t.two->sync, 300, &test_err), 0);
    t.two->inside--;
    CHECK_INT(desk_status(t.two).push_remaining, 1);
    server_fail(t.one->server, 0, 0);
    CHECK_RC(replica_sync_now(t.one->sync, &test_err), 0);
    CHECK_RC(desk_in_sync(t.two), 1);
}

BOTH(the_second_takes_over_when_the_first_is_cancelled)
{
    TWO(t);

    desk_put(t.two, B);
    CHECK_RC(desk_in_sync(t.two), 1);
    desk_cancel(t.one);
    DESK_UNTIL(t.two, server_pulls(t.two->server) > 0);
    CHECK_RC(desk_in_sync(t.two), 1);
    CHECK(desk_status(t.two).state != REPLICA_SYNC_STANDBY);
}

BOTH(the_second_takes_over_when_the_first_is_paused_and_the_first_then_stands_by)
{
    TWO(t);

    CHECK_RC(replica_sync_pause(t.one->sync, &test_err), 0);
    DESK_UNTIL(t.two, desk_status(t.two).state != REPLICA_SYNC_STANDBY);
    CHECK_RC(desk_in_sync(t.two), 1);
    CHECK_RC(replica_sync_resume(t.one->sync, &test_err), 0);
    DESK_UNTIL(t.one, desk_status(t.one).state == REPLICA_SYNC_STANDBY);
}

BOTH(once_ends_beside_one_that_lives)
{
    TWO(t);

    desk_cancel(t.two);
    t.two->o.flags |= REPLICA_SYNC_ONCE;
    desk_put(t.two, B);
    desk_start(t.two);
    CHECK_RC(desk_in_sync(t.two), 1);
    CHECK_STR(server_get(t.one->server, "b"), B);
    DESK_UNTIL(t.two, desk_status(t.two).state == REPLICA_SYNC_STOPPED);
    CHECK_INT(server_pulls(t.two->server), 0);
}

BOTH(once_has_ended_in_sync_whatever_others_write_then)
{
    TWO(t);

    desk_cancel(t.two);
    t.two->o.flags |= REPLICA_SYNC_ONCE;
    desk_start(t.two);
    DESK_UNTIL(t.two, desk_status(t.two).state == REPLICA_SYNC_STOPPED);
    desk_put(t.one, B);
    DESK_UNTIL(t.one, desk_state(t.one, "b") == REPLICA_DOC_IN_SYNC);
    t.two->inside++;
    for (int i = 0; i < 3; i++) /* it hears of the write, and works on what it heard */
        CHECK(replica_db_wait(t.two->db, 10, &test_err) >= 0);
    t.two->inside--;
    CHECK_RC(desk_in_sync(t.two), 1);
}

BOTH(a_replication_that_another_program_runs_is_not_removed)
{
    TWO(t);

    desk_cancel(t.two);
    CHECK_RC(replica_sync_remove(t.two->db, "r1", &test_err), REPLICA_EBUSY);
    desk_cancel(t.one);
    CHECK_RC(replica_sync_remove(t.two->db, "r1", &test_err), 1);
}
