/* What a replication says of itself and of its documents, with both runners. */
#include "tests/replicator/desk_support.h"

#include <stdio.h>

static int wait_pushed(struct desk *d, const char *id, int ms)
{
    int r;

    d->inside++;
    r = replica_sync_wait_pushed(d->sync, d->coll, id, ms, &test_err);
    d->inside--;
    return r;
}

static int wait_in_sync(struct desk *d, int ms)
{
    int r;

    d->inside++;
    r = replica_sync_wait_in_sync(d->sync, ms, &test_err);
    d->inside--;
    return r;
}

/* ---- in sync --------------------------------------------------------------------- */

BOTH(in_sync_is_never_said_right_after_a_put_that_is_not_pushed)
{
    DESK d = desk_begin(runner, NULL);
    char json[60];

    desk_start(d);
    CHECK_RC(desk_in_sync(d), 1);
    for (int i = 0; i < 100; i++) {
        snprintf(json, sizeof json, "{\"id\":\"a\",\"v\":%d}", i);
        desk_put(d, json);
        CHECK(!desk_status(d).in_sync || strcmp(server_get(d->server, "a"), json) == 0);
        CHECK_RC(desk_in_sync(d), 1);
        CHECK_STR(server_get(d->server, "a"), json);
    }
}

BOTH(in_sync_is_not_said_while_a_push_is_out)
{
    DESK d = desk_begin(runner, NULL);

    desk_start(d);
    CHECK_RC(desk_in_sync(d), 1);
    server_hold(d->server, HOLD_PUSH);
    desk_put(d, "{\"id\":\"a\"}");
    DESK_UNTIL(d, server_waiting(d->server) == 1);
    CHECK_RC(wait_in_sync(d, 30), 0);
    CHECK(!desk_status(d).in_sync);
    CHECK_INT(desk_status(d).state, REPLICA_SYNC_PUSHING);
    server_hold(d->server, 0);
    CHECK_RC(desk_in_sync(d), 1);
}

static void check_halts(unsigned runner, int code, int detail, int want)
{
    DESK d = desk_begin(runner, NULL);

    desk_put(d, "{\"id\":\"a\"}");
    desk_start(d);
    CHECK_RC(desk_in_sync(d), 1);
    server_fail(d->server, code, detail);
    desk_put(d, "{\"id\":\"a\",\"v\":1}");
    desk_put(d, "{\"id\":\"d\",\"v\":1}");
    CHECK_RC(replica_sync_resync(d->sync, &test_err), 0);
    CHECK_RC(desk_in_sync(d), want);
    CHECK_INT(test_err.detail, detail);
    CHECK_RC(wait_pushed(d, "a", 10000), want);
    CHECK_INT(desk_status(d).state, REPLICA_SYNC_PAUSED);
    CHECK_INT(desk_status(d).error.code, want);
    CHECK_INT(desk_status(d).rejected, 0);
    server_fail(d->server, 0, 0);
    CHECK_RC(replica_sync_resume(d->sync, &test_err), 0);
    CHECK_RC(wait_pushed(d, "d", 10000), 1);
    CHECK_STR(server_get(d->server, "d"), "{\"id\":\"d\",\"v\":1}");
}

BOTH(refused_credentials_end_a_wait)
{
    check_halts(runner, REPLICA_EAUTH, 401, REPLICA_EAUTH);
}

BOTH(an_outdated_version_ends_a_wait)
{
    check_halts(runner, REPLICA_EVERSION, 426, REPLICA_EVERSION);
}

BOTH(a_refusing_endpoint_ends_a_wait)
{
    DESK d = desk_begin(runner | REPLICA_SYNC_PUSH_ONLY, NULL);

    desk_start(d);
    CHECK_RC(desk_in_sync(d), 1);
    CHECK_RC(replica_sync_pause(d->sync, &test_err), 0);
    DESK_UNTIL(d, desk_status(d).state == REPLICA_SYNC_PAUSED);
    server_fail(d->server, REPLICA_EHTTP, 403);
    for (int i = 0; i < 4; i++) {
        char json[40];

        snprintf(json, sizeof json, "{\"id\":\"a%d\"}", i);
        desk_put(d, json);
    }
    CHECK_RC(replica_sync_resume(d->sync, &test_err), 0);
    CHECK_RC(desk_in_sync(d), REPLICA_EHTTP);
    CHECK_INT(test_err.detail, 403);
    CHECK_INT(desk_status(d).rejected, 0);
    CHECK_INT(desk_status(d).push_remaining, 4);
}

BOTH(a_wait_of_no_time_looks_once)
{
    DESK d = desk_begin(runner | REPLICA_SYNC_PAUSED_AT_START, NULL);

    desk_start(d);
    CHECK_RC(wait_in_sync(d, 0), 0);
    CHECK_RC(wait_pushed(d, "a", 0), 0);
}

/* ---- documents ------------------------------------------------------------------- */

BOTH(a_document_answers_whether_it_is_on_the_server_and_why_not)
{
    DESK d = desk_begin(runner, NULL);

    desk_start(d);
    CHECK_RC(desk_in_sync(d), 1);
    CHECK_INT(desk_state(d, "a"), REPLICA_DOC_ABSENT);
    server_hold(d->server, HOLD_PUSH);
    desk_put(d, "{\"id\":\"a\",\"v\":1}");
    CHECK(desk_state(d, "a") == REPLICA_DOC_DIRTY || desk_state(d, "a") == REPLICA_DOC_SENT);
    DESK_UNTIL(d, desk_state(d, "a") == REPLICA_DOC_SENT);
    desk_put(d, "{\"id\":\"a\",\"v\":2}");
    CHECK_INT(desk_state(d, "a"), REPLICA_DOC_DIRTY);
    server_hold(d->server, 0);
    DESK_UNTIL(d, desk_state(d, "a") == REPLICA_DOC_IN_SYNC);
    CHECK_STR(server_get(d->server, "a"), "{\"id\":\"a\",\"v\":2}");
    server_judge(d->server, "b", REPLICA_VERDICT_REFUSED);
    desk_put(d, "{\"id\":\"b\",\"v\":1}");
    DESK_UNTIL(d, desk_state(d, "b") == REPLICA_DOC_REJECTED);
    server_judge(d->server, NULL, 0);
    CHECK_RC(replica_sync_pause(d->sync, &test_err), 0);
    DESK_UNTIL(d, desk_status(d).state == REPLICA_SYNC_PAUSED);
    server_set(d->server, "a", "{\"id\":\"a\",\"v\":7}");
    desk_put(d, "{\"id\":\"a\",\"v\":8}");
    CHECK_INT(desk_state(d, "a"), REPLICA_DOC_DIRTY);
    CHECK_RC(replica_sync_resume(d->sync, &test_err), 0);
    DESK_UNTIL(d, d->conflict);
    CHECK_INT(desk_state(d, "a"), REPLICA_DOC_UNSETTLED);
}

BOTH(wait_pushed_is_over_when_the_server_has_it)
{
    DESK d = desk_begin(runner, NULL);

    desk_start(d);
    desk_put(d, "{\"id\":\"a\",\"v\":1}");
    CHECK_RC(wait_pushed(d, "a", 10000), 1);
    CHECK_STR(server_get(d->server, "a"), "{\"id\":\"a\",\"v\":1}");
    CHECK_RC(wait_pushed(d, "a", 10000), 1);
}

BOTH(wait_pushed_ends_with_its_time)
{
    DESK d = desk_begin(runner, NULL);

    server_hold(d->server, HOLD_PUSH);
    desk_start(d);
    desk_put(d, "{\"id\":\"a\",\"v\":1}");
    CHECK_RC(wait_pushed(d, "a", 60), 0);
    server_hold(d->server, 0);
    CHECK_RC(wait_pushed(d, "a", 10000), 1);
}

BOTH(wait_pushed_fails_when_the_document_is_set_aside)
{
    DESK d = desk_begin(runner, NULL);

    server_judge(d->server, "a", REPLICA_VERDICT_REFUSED);
    desk_start(d);
    desk_put(d, "{\"id\":\"a\",\"v\":1}");
    CHECK_RC(wait_pushed(d, "a", 10000), REPLICA_EHTTP);
    CHECK(strstr(test_err.message, "a"));
    CHECK_INT(desk_status(d).rejected, 1);
    DESK_UNTIL(d, strstr(d->events, "rejected a"));
}

static void use_real(struct desk *d, replica_conflict *c)
{
    CHECK_RC(replica_conflict_use(c, replica_conflict_real(c), &test_err), 0);
}

BOTH(wait_pushed_is_over_when_the_state_was_superseded)
{
    DESK d = desk_begin(runner, NULL);

    d->on_conflict = use_real;
    server_set(d->server, "a", "{\"id\":\"a\",\"v\":9}");
    desk_put(d, "{\"id\":\"a\",\"v\":1}");
    desk_start(d);
    CHECK_RC(wait_pushed(d, "a", 10000), 1);
    CHECK_STR(desk_get(d, "a"), "{\"id\":\"a\",\"v\":9}");
}

static void write_once_more(struct desk *d, const replica_sync_event *event)
{
    if (strcmp(event->id, "b") == 0)
        desk_put(d, "{\"id\":\"a\",\"v\":2}");
}

BOTH(wait_pushed_is_about_the_state_that_was_stored_when_it_was_called)
{
    DESK d = desk_begin(runner, NULL);

    d->on_event = write_once_more;
    server_judge(d->server, "a", REPLICA_VERDICT_LATER);
    desk_start(d);
    desk_put(d, "{\"id\":\"a\",\"v\":1}");
    desk_put(d, "{\"id\":\"b\",\"v\":1}");
    CHECK_RC(wait_pushed(d, "a", 10000), 1);
    CHECK_STR(desk_get(d, "a"), "{\"id\":\"a\",\"v\":2}");
}

/* ---- progress -------------------------------------------------------------------- */

BOTH(the_status_counts_what_waits)
{
    DESK d = desk_begin(runner | REPLICA_SYNC_PAUSED_AT_START, NULL);

    for (int i = 0; i < 12; i++) {
        char json[40];

        snprintf(json, sizeof json, "{\"id\":\"a%d\"}", i);
        desk_put(d, json);
    }
    desk_start(d);
    CHECK_INT(desk_status(d).push_remaining, 12);
    CHECK_INT(desk_status(d).pull_remaining, -1);
    CHECK(!desk_status(d).in_sync);
    CHECK_RC(replica_sync_resume(d->sync, &test_err), 0);
    CHECK_RC(desk_in_sync(d), 1);
    CHECK_INT(desk_status(d).push_remaining, 0);
    CHECK_INT(desk_status(d).pull_remaining, 0);
    CHECK_INT(desk_status(d).pushed, 12);
    CHECK_INT(desk_status(d).conflicts, 0);
}

BOTH(the_status_names_the_head_that_in_sync_is_about)
{
    DESK d = desk_begin(runner, NULL);

    server_set(d->server, "a", "{\"id\":\"a\"}");
    server_set(d->server, "b", "{\"id\":\"b\"}");
    desk_start(d);
    CHECK_RC(desk_in_sync(d), 1);
    CHECK(desk_status(d).head >= 2);
    DESK_UNTIL(d, desk_status(d).streaming);
}

BOTH(changes_of_the_status_are_told)
{
    DESK d = desk_begin(runner, NULL);

    desk_start(d);
    DESK_UNTIL(d, d->status.in_sync);
    CHECK(d->statuses > 0);
    CHECK_INT(d->status.state, REPLICA_SYNC_IDLE);
    desk_put(d, "{\"id\":\"a\"}");
    DESK_UNTIL(d, d->status.pushed == 1 && d->status.in_sync);
    server_fail(d->server, REPLICA_EHTTP, 503);
    CHECK_RC(replica_sync_now(d->sync, &test_err), 0);
    DESK_UNTIL(d, d->status.state == REPLICA_SYNC_WAITING);
    CHECK_INT(d->status.error.detail, 503);
    CHECK(d->status.retry_ms > 0);
    CHECK(d->errors > 0);
}

/* ---- events ---------------------------------------------------------------------- */

static void check_order(struct desk *d, const replica_sync_event *event)
{
    char want[20];

    CHECK_INT(event->kind, REPLICA_EVENT_RECEIVED);
    snprintf(want, sizeof want, "d%04d", d->conflicts++); /* nothing else counts here */
    CHECK_STR(event->id, want);
    d->events[0] = '\0';
}

BOTH(each_document_is_told_once_and_in_order_however_late_the_program_looks)
{
    DESK d = desk_begin(runner, NULL);
    int64_t count = 0, until = desk_now() + 10000;

    for (int i = 0; i < 5900; i++) {
        char id[12], json[40];

        snprintf(id, sizeof id, "d%04d", i);
        snprintf(json, sizeof json, "{\"id\":\"%s\"}", id);
        server_set(d->server, id, json);
    }
    d->on_event = check_order;
    desk_start(d);
    while (!runner && count < 5000 && desk_now() < until) /* the program is busy elsewhere */
        CHECK_RC(replica_collection_count(d->coll, &count, &test_err), 0);
    CHECK(runner || count == 5000); /* and the session waits for it */
    DESK_UNTIL(d, d->conflicts == 5900);
    CHECK_RC(desk_in_sync(d), 1);
    CHECK_INT(desk_status(d).pulled, 5900);
}

BOTH(without_callbacks_it_works_as_well)
{
    DESK d = desk_begin(runner, NULL);

    d->o.on_status = NULL;
    d->o.on_event = NULL;
    d->o.on_error = NULL;
    server_set(d->server, "a", "{\"id\":\"a\"}");
    desk_put(d, "{\"id\":\"b\"}");
    desk_start(d);
    CHECK_RC(desk_in_sync(d), 1);
    CHECK_STR(server_get(d->server, "b"), "{\"id\":\"b\"}");
    CHECK_INT(d->statuses, 0);
}
