/* Cancelling and closing: within a second in every state, also from callbacks, and no callback
 * after that.  The bounds on time are the promise, and generous. */
#include "tests/replicator/desk_support.h"

#include "tests/support/store.h"
#include "tests/support/tmp.h"

#include <sqlite3.h>
#include <stdio.h>

static void many(struct desk *d, int n)
{
    for (int i = 0; i < n; i++) {
        char json[40];

        snprintf(json, sizeof json, "{\"id\":\"m%d\"}", i);
        desk_put(d, json);
    }
}

/* After the end no callback comes, whatever is dispatched. */
static void check_silence(struct desk *d)
{
    int statuses = d->statuses, errors = d->errors;
    size_t events = strlen(d->events);

    for (int i = 0; d->db && i < 5; i++)
        desk_wait(d, 1);
    CHECK_INT(d->statuses, statuses);
    CHECK_INT(d->errors, errors);
    CHECK_INT(strlen(d->events), events);
}

static void begin_held(struct desk *d, int held)
{
    server_hold(d->server, held);
    desk_put(d, "{\"id\":\"a\"}");
    desk_start(d);
    DESK_UNTIL(d, server_waiting(d->server) > 0);
}

static void check_held(unsigned runner, int held)
{
    DESK d = desk_begin(runner, NULL);

    begin_held(d, held);
    desk_cancel(d);
    check_silence(d);
    CHECK_INT(server_destroyed(d->server), 1);
    begin_held(d, held);
    desk_close(d);
    CHECK_INT(d->destroyed, 1);
    CHECK_INT(server_destroyed(d->server), 2);
}

BOTH(it_ends_while_hello_is_out)
{
    check_held(runner, HOLD_HELLO);
}

BOTH(it_ends_while_a_pull_is_out)
{
    check_held(runner, HOLD_PULL);
}

BOTH(it_ends_while_a_push_is_out_and_the_row_is_asked_about_at_the_next_start)
{
    DESK d = desk_begin(runner, NULL);

    begin_held(d, HOLD_PUSH);
    desk_cancel(d);
    check_silence(d);
    server_hold(d->server, 0);
    desk_start(d);
    CHECK_RC(desk_in_sync(d), 1);
    CHECK_INT(d->conflicts, 0);
    CHECK_STR(server_get(d->server, "a"), "{\"id\":\"a\"}");
}

BOTH(it_ends_right_after_its_start)
{
    DESK d = desk_begin(runner, NULL);

    for (int i = 0; i < 10; i++) {
        desk_start(d);
        desk_cancel(d);
    }
    CHECK_INT(server_destroyed(d->server), 10);
    desk_start(d);
    desk_close(d);
    CHECK_INT(d->destroyed, 1);
}

BOTH(it_ends_while_it_waits_after_an_error)
{
    DESK d = desk_begin(runner, NULL);

    server_fail(d->server, REPLICA_EHTTP, 503);
    desk_start(d);
    DESK_UNTIL(d, desk_status(d).state == REPLICA_SYNC_WAITING);
    desk_cancel(d);
    check_silence(d);
}

BOTH(it_ends_while_it_is_paused)
{
    DESK d = desk_begin(runner | REPLICA_SYNC_PAUSED_AT_START, NULL);

    desk_start(d);
    desk_cancel(d);
    desk_start(d);
    desk_close(d);
}

BOTH(it_ends_after_it_was_done)
{
    DESK d = desk_begin(runner | REPLICA_SYNC_ONCE, NULL);

    desk_start(d);
    DESK_UNTIL(d, d->status.state == REPLICA_SYNC_STOPPED);
    desk_cancel(d);
    check_silence(d);
}

BOTH(it_ends_in_the_middle_of_much_work)
{
    DESK d = desk_begin(runner, NULL);

    many(d, 400);
    for (int i = 0; i < 5000; i++) {
        char id[12], json[40];

        snprintf(id, sizeof id, "d%d", i);
        snprintf(json, sizeof json, "{\"id\":\"d%d\"}", i);
        server_set(d->server, id, json);
    }
    desk_start(d);
    DESK_UNTIL(d, desk_status(d).pulled > 0);
    desk_cancel(d);
    check_silence(d);
    desk_start(d);
    CHECK_RC(desk_in_sync(d), 1);
    CHECK_STR(server_get(d->server, "m399"), "{\"id\":\"m399\"}");
    CHECK_STR(desk_get(d, "d4999"), "{\"id\":\"d4999\"}");
}

BOTH(it_ends_while_somebody_else_holds_the_lock)
{
    DESK d = desk_begin(runner, NULL);
    sqlite3 *other = NULL;

    server_hold(d->server, HOLD_PULL);
    server_set(d->server, "a", "{\"id\":\"a\"}");
    desk_start(d);
    DESK_UNTIL(d, server_waiting(d->server) > 0);
    CHECK_INT(sqlite3_open(tmp_path("test.db"), &other), SQLITE_OK);
    sqlite3_busy_timeout(other, 10000); /* the session may be writing just now */
    CHECK_INT(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    server_hold(d->server, 0);
    if (!runner)
        DESK_UNTIL(d, d->errors > 0);
    desk_cancel(d);
    sqlite3_close(other);
    CHECK_STR(desk_get(d, "a"), "-");
}

/* ---- from callbacks ---------------------------------------------------------------- */

static void cancel_status(struct desk *d)
{
    if (d->sync)
        desk_cancel(d);
}

static void cancel_event(struct desk *d, const replica_sync_event *event)
{
    if (d->sync)
        desk_cancel(d);
    CHECK(event->id[0]); /* it lives for the call */
}

BOTH(a_status_callback_may_cancel)
{
    DESK d = desk_begin(runner, NULL);

    d->on_status = cancel_status;
    desk_start(d);
    DESK_UNTIL(d, !d->sync);
    CHECK_INT(d->statuses, 1);
    check_silence(d);
}

BOTH(an_event_callback_may_cancel)
{
    DESK d = desk_begin(runner, NULL);

    d->on_event = cancel_event;
    many(d, 20);
    desk_start(d);
    DESK_UNTIL(d, !d->sync);
    check_silence(d);
    CHECK_STR(d->events, "sent m0; ");
}

BOTH(an_error_callback_may_cancel)
{
    DESK d = desk_begin(runner, NULL);

    d->on_error = cancel_status;
    server_fail(d->server, REPLICA_ENET, 7);
    desk_start(d);
    DESK_UNTIL(d, !d->sync);
    CHECK_INT(d->errors, 1);
    check_silence(d);
}

BOTH(a_wait_during_which_it_is_cancelled_says_so)
{
    DESK d = desk_begin(runner, NULL);
    replica_sync *sync;

    d->on_status = cancel_status;
    server_hold(d->server, HOLD_PUSH);
    desk_put(d, "{\"id\":\"a\"}");
    desk_start(d);
    sync = d->sync;
    d->inside++;
    CHECK_RC(replica_sync_wait_pushed(sync, d->coll, "a", 10000, &test_err), REPLICA_ECLOSED);
    d->inside--;
    CHECK(!d->sync);
}

static void close_status(struct desk *d)
{
    replica_db_close(d->db);
}

static void close_event(struct desk *d, const replica_sync_event *event)
{
    replica_db_close(d->db);
}

static void check_closed(struct desk *d)
{
    d->db = NULL;
    CHECK_INT(d->destroyed, 1);
    CHECK_INT(d->handler_destroyed, 1);
    CHECK_RC(replica_sync_now(d->sync, &test_err), REPLICA_ECLOSED);
}

BOTH(a_status_callback_may_close_the_database)
{
    DESK d = desk_begin(runner, NULL);

    d->on_status = close_status;
    desk_start(d);
    DESK_UNTIL(d, d->destroyed);
    check_closed(d);
    CHECK_INT(d->statuses, 1);
}

BOTH(an_event_callback_may_close_the_database)
{
    DESK d = desk_begin(runner, NULL);

    d->on_event = close_event;
    desk_put(d, "{\"id\":\"a\"}");
    desk_start(d);
    DESK_UNTIL(d, d->destroyed);
    check_closed(d);
}

BOTH(an_error_callback_may_close_the_database)
{
    DESK d = desk_begin(runner, NULL);

    d->on_error = close_status;
    server_fail(d->server, REPLICA_ENET, 7);
    desk_start(d);
    DESK_UNTIL(d, d->destroyed);
    check_closed(d);
    CHECK_INT(d->errors, 1);
}

/* What it waits for cannot come: the server answers no push. */
static void close_and_wait(struct desk *d)
{
    replica_db_close(d->db);
    CHECK_RC(replica_sync_wait_in_sync(d->sync, 10000, &test_err), REPLICA_ECLOSED);
    CHECK_RC(replica_sync_wait_pushed(d->sync, d->coll, "a", 10000, &test_err), REPLICA_ECLOSED);
}

BOTH(a_wait_in_a_callback_ends_when_the_database_is_to_close)
{
    DESK d = desk_begin(runner, NULL);

    d->on_status = close_and_wait;
    server_hold(d->server, HOLD_PUSH);
    desk_put(d, "{\"id\":\"a\"}");
    desk_start(d);
    DESK_UNTIL(d, d->destroyed);
    check_closed(d);
}

static void observe(void *ctx, const replica_change *change)
{
    struct desk *d = ctx;

    CHECK(d->inside > 0);
    if (change->origin == REPLICA_REPLICATION && d->sync)
        desk_cancel(d);
}

BOTH(an_observer_may_cancel)
{
    DESK d = desk_begin(runner, NULL);

    CHECK_RC(replica_observe(d->coll, observe, d, NULL, NULL, &test_err), 0);
    server_set(d->server, "a", "{\"id\":\"a\"}");
    desk_start(d);
    DESK_UNTIL(d, !d->sync);
    CHECK_STR(desk_get(d, "a"), "{\"id\":\"a\"}");
    check_silence(d);
}

static void restart_status(struct desk *d)
{
    if (d->statuses == 1) {
        desk_cancel(d);
        desk_start(d);
    }
}

BOTH(a_callback_may_cancel_and_start_anew)
{
    DESK d = desk_begin(runner, NULL);

    d->on_status = restart_status;
    desk_put(d, "{\"id\":\"a\"}");
    desk_start(d);
    DESK_UNTIL(d, server_destroyed(d->server) == 1);
    CHECK_RC(desk_in_sync(d), 1);
    CHECK_STR(server_get(d->server, "a"), "{\"id\":\"a\"}");
    CHECK_INT(server_destroyed(d->server), 1);
}
