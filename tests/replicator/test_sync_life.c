/* Starting, stopping and commanding a replication, with both runners. */
#include "tests/replicator/desk_support.h"

#include "tests/support/tmp.h"

#include <stdio.h>

/* ---- a whole life ---------------------------------------------------------------- */

BOTH(both_sides_get_what_the_other_has)
{
    DESK d = desk_begin(runner, NULL);

    server_set(d->server, "a", "{\"id\":\"a\",\"v\":1}");
    desk_put(d, "{\"id\":\"b\",\"v\":2}");
    desk_start(d);
    CHECK_RC(desk_in_sync(d), 1);
    CHECK_STR(desk_get(d, "a"), "{\"id\":\"a\",\"v\":1}");
    CHECK_STR(server_get(d->server, "b"), "{\"id\":\"b\",\"v\":2}");
    CHECK_INT(desk_status(d).state, REPLICA_SYNC_IDLE);
    CHECK_INT(desk_status(d).pulled, 1);
    CHECK_INT(desk_status(d).pushed, 1);
    CHECK_STR(replica_sync_identifier(d->sync), "r1");
}

BOTH(changes_go_on_in_both_directions)
{
    DESK d = desk_begin(runner, NULL);

    desk_start(d);
    CHECK_RC(desk_in_sync(d), 1);
    DESK_UNTIL(d, desk_status(d).streaming);
    server_set(d->server, "a", "{\"id\":\"a\",\"v\":1}");
    DESK_UNTIL(d, strcmp(desk_get(d, "a"), "-") != 0);
    desk_put(d, "{\"id\":\"a\",\"v\":2}");
    DESK_UNTIL(d, strcmp(server_get(d->server, "a"), "{\"id\":\"a\",\"v\":2}") == 0);
    CHECK_RC(replica_delete(d->coll, "a", REPLICA_ANY_REV, NULL, &test_err), 1);
    DESK_UNTIL(d, strcmp(server_get(d->server, "a"), "-") == 0);
    CHECK_RC(desk_in_sync(d), 1);
    CHECK_INT(d->conflicts, 0);
}

BOTH(once_stops_by_itself_and_tells_so)
{
    DESK d = desk_begin(runner | REPLICA_SYNC_ONCE, NULL);

    desk_put(d, "{\"id\":\"b\"}");
    desk_start(d);
    CHECK_RC(desk_in_sync(d), 1);
    DESK_UNTIL(d, d->status.state == REPLICA_SYNC_STOPPED);
    CHECK(d->status.in_sync);
    CHECK_STR(server_get(d->server, "b"), "{\"id\":\"b\"}");
}

BOTH(it_is_taken_up_where_it_was_left)
{
    DESK d = desk_begin(runner, NULL);

    for (int i = 0; i < 20; i++) {
        char id[8], json[40];

        snprintf(id, sizeof id, "d%d", i);
        snprintf(json, sizeof json, "{\"id\":\"d%d\"}", i);
        server_set(d->server, id, json);
    }
    desk_start(d);
    CHECK_RC(desk_in_sync(d), 1);
    CHECK_INT(desk_status(d).pulled, 20);
    desk_cancel(d);
    desk_put(d, "{\"id\":\"mine\"}");
    server_set(d->server, "theirs", "{\"id\":\"theirs\"}");
    desk_start(d);
    CHECK_RC(desk_in_sync(d), 1);
    CHECK_INT(desk_status(d).pulled, 1);
    CHECK_INT(desk_status(d).pushed, 1);
}

BOTH(two_replications_of_one_database_go_their_own_ways)
{
    DESK d = desk_begin(runner, NULL);
    struct server *other = server_new();
    replica_remote remote = server_remote(other);
    replica_sync_options o = REPLICA_SYNC_OPTIONS_INIT;
    replica_sync *second = NULL;

    server_set(d->server, "a", "{\"id\":\"a\"}");
    server_set(other, "b", "{\"id\":\"b\"}");
    desk_put(d, "{\"id\":\"c\"}");
    desk_start(d);
    o.flags = runner;
    o.identifier = "r2";
    o.collections = &d->coll;
    o.collection_count = 1;
    o.remote = &remote;
    CHECK_RC(replica_sync_start(d->db, &o, &second, &test_err), 0);
    DESK_UNTIL(d, server_get(d->server, "b") && server_get(d->server, "c"));
    DESK_UNTIL(d, server_get(other, "a") && server_get(other, "c"));
    CHECK_RC(desk_in_sync(d), 1);
    d->inside++;
    CHECK_RC(replica_sync_wait_in_sync(second, 10000, &test_err), 1);
    d->inside--;
    CHECK_INT(d->conflicts, 0);
    replica_sync_cancel(second);
    CHECK_INT(server_destroyed(other), 1);
    desk_cancel(d);
    server_free(other);
}

TEST(a_database_in_memory_replicates_in_the_loop)
{
    DESK d = desk_begin(REPLICA_SYNC_IN_LOOP, ":memory:");

    server_set(d->server, "a", "{\"id\":\"a\"}");
    desk_put(d, "{\"id\":\"b\"}");
    desk_start(d);
    CHECK_RC(desk_in_sync(d), 1);
    CHECK_STR(desk_get(d, "a"), "{\"id\":\"a\"}");
    CHECK_STR(server_get(d->server, "b"), "{\"id\":\"b\"}");
}

BOTH(writes_of_another_handle_are_sent_too)
{
    DESK d = desk_begin(runner, NULL);
    replica_db *other;
    replica_collection *coll;

    desk_start(d);
    CHECK_RC(desk_in_sync(d), 1);
    CHECK_RC(replica_db_open(tmp_path("test.db"), NULL, &other, &test_err), 0);
    CHECK_RC(replica_db_collection(other, "notes", NULL, &coll, &test_err), 0);
    CHECK_RC(replica_upsert(coll, "{\"id\":\"x\"}", REPLICA_NUL, NULL, &test_err), 0);
    DESK_UNTIL(d, server_get(d->server, "x"));
    replica_db_close(other);
}

/* ---- failing to start --------------------------------------------------------------- */

static void check_start(struct desk *d, const replica_sync_options *o, int code)
{
    replica_sync *sync = (replica_sync *)d;
    replica_error err = { .offset = -1 };
    int destroyed = d->destroyed, remote_destroyed = server_destroyed(d->server);

    CHECK_RC(replica_sync_start(d->db, o, &sync, &err), code);
    CHECK_INT(err.code, code);
    CHECK(err.message[0]);
    CHECK(sync == (replica_sync *)d);
    CHECK_INT(d->destroyed, destroyed + 1);
    CHECK_INT(server_destroyed(d->server), remote_destroyed + (o->remote != NULL));
}

TEST(a_start_that_makes_no_sense_is_refused_and_destroys_what_it_was_given_once)
{
    DESK d = desk_begin(0, NULL);
    replica_remote remote = server_remote(d->server), lame = server_remote(d->server);
    replica_collection *twice[] = { d->coll, d->coll }, *none = NULL, *foreign;
    replica_sync_options good = d->o, o;
    replica_sync *sync = NULL;
    replica_db *other;

    good.collections = &d->coll;
    good.collection_count = 1;
    good.remote = &remote;
    CHECK_RC(replica_sync_start(NULL, &good, &sync, &test_err), REPLICA_EINVAL);
    CHECK_RC(replica_sync_start(d->db, NULL, &sync, &test_err), REPLICA_EINVAL);
    CHECK_RC(replica_sync_start(d->db, &good, NULL, &test_err), REPLICA_EINVAL);
    d->destroyed = 0;
    o = good, o.collection_count = 0, check_start(d, &o, REPLICA_EINVAL);
    o = good, o.collections = NULL, check_start(d, &o, REPLICA_EINVAL);
    o = good, o.collections = &none, check_start(d, &o, REPLICA_EINVAL);
    o = good, o.collections = twice, o.collection_count = 2, check_start(d, &o, REPLICA_EINVAL);
    o = good, o.url = "http://localhost/notes/0", check_start(d, &o, REPLICA_EINVAL);
    o = good, o.remote = NULL, check_start(d, &o, REPLICA_EINVAL);
    o = good, o.remote = NULL, o.url = "nonsense", check_start(d, &o, REPLICA_EINVAL);
    o = good, o.page_rows = -1, check_start(d, &o, REPLICA_EINVAL);
    o = good, o.page_bytes = -1, check_start(d, &o, REPLICA_EINVAL);
    o = good, o.flags = REPLICA_SYNC_PUSH_ONLY | REPLICA_SYNC_PULL_ONLY;
    check_start(d, &o, REPLICA_EINVAL);
    lame.pull = NULL;
    o = good, o.remote = &lame, check_start(d, &o, REPLICA_EINVAL);
    CHECK_RC(replica_db_open(tmp_path("other.db"), NULL, &other, &test_err), 0);
    CHECK_RC(replica_db_collection(other, "notes", NULL, &foreign, &test_err), 0);
    o = good, o.collections = &foreign, check_start(d, &o, REPLICA_EINVAL);
    replica_db_close(other);
}

TEST(longer_options_of_a_newer_program_are_refused_when_they_ask_for_something)
{
    DESK d = desk_begin(0, NULL);
    replica_remote remote = server_remote(d->server);
    struct {
        replica_sync_options o;
        int64_t newer;
    } longer = { .o = d->o };
    replica_sync *sync = NULL;

    longer.o.size = sizeof longer;
    longer.o.collections = &d->coll;
    longer.o.collection_count = 1;
    longer.o.remote = &remote;
    longer.newer = 1;
    CHECK_RC(replica_sync_start(d->db, &longer.o, &sync, &test_err), REPLICA_EINVAL);
    longer.newer = 0;
    d->destroyed = 0;
    CHECK_RC(replica_sync_start(d->db, &longer.o, &d->sync, &test_err), 0);
    desk_cancel(d);
}

TEST(a_database_in_memory_is_refused_without_the_loop)
{
    DESK d = desk_begin(0, ":memory:");
    replica_remote remote = server_remote(d->server);
    replica_sync_options o = d->o;

    o.collections = &d->coll;
    o.collection_count = 1;
    o.remote = &remote;
    check_start(d, &o, REPLICA_ENOTSUP);
}

BOTH(an_identifier_that_runs_already_is_refused)
{
    DESK d = desk_begin(runner, NULL);
    replica_remote remote = server_remote(d->server);
    replica_sync_options o = d->o;

    desk_start(d);
    o.collections = &d->coll;
    o.collection_count = 1;
    o.remote = &remote;
    check_start(d, &o, REPLICA_EINVAL);
    d->destroyed = 0;
    CHECK_RC(desk_in_sync(d), 1);
    desk_cancel(d);
    desk_start(d);
    CHECK_RC(desk_in_sync(d), 1);
}

/* ---- commands -------------------------------------------------------------------- */

BOTH(pause_stops_and_resume_goes_on)
{
    DESK d = desk_begin(runner | REPLICA_SYNC_PAUSED_AT_START, NULL);

    desk_put(d, "{\"id\":\"a\"}");
    desk_start(d);
    desk_wait(d, 50);
    CHECK(!server_get(d->server, "a"));
    CHECK_INT(server_pulls(d->server), 0);
    CHECK_RC(replica_sync_resume(d->sync, &test_err), 0);
    CHECK_RC(desk_in_sync(d), 1);
    CHECK_RC(replica_sync_pause(d->sync, &test_err), 0);
    DESK_UNTIL(d, desk_status(d).state == REPLICA_SYNC_PAUSED);
    desk_put(d, "{\"id\":\"b\"}");
    desk_wait(d, 50);
    CHECK(!server_get(d->server, "b"));
    d->inside++;
    CHECK_RC(replica_sync_wait_in_sync(d->sync, 50, &test_err), 0);
    d->inside--;
    CHECK_RC(replica_sync_resume(d->sync, &test_err), 0);
    CHECK_RC(desk_in_sync(d), 1);
    CHECK_STR(server_get(d->server, "b"), "{\"id\":\"b\"}");
}

BOTH(now_ends_a_wait_after_an_error)
{
    DESK d = desk_begin(runner, NULL);

    server_fail(d->server, REPLICA_EHTTP, 503);
    desk_start(d);
    DESK_UNTIL(d, d->errors > 0 && desk_status(d).state == REPLICA_SYNC_WAITING);
    CHECK_INT(d->error.code, REPLICA_EHTTP);
    CHECK_INT(desk_status(d).error.detail, 503);
    CHECK(desk_status(d).retry_ms > 50000);
    server_fail(d->server, 0, 0);
    CHECK_RC(replica_sync_now(d->sync, &test_err), 0);
    CHECK_RC(desk_in_sync(d), 1);
    CHECK_INT(desk_status(d).error.code, 0);
    CHECK_INT(desk_status(d).retry_ms, 0);
}

BOTH(resync_pulls_from_the_beginning)
{
    DESK d = desk_begin(runner, NULL);

    server_set(d->server, "a", "{\"id\":\"a\"}");
    desk_start(d);
    CHECK_RC(desk_in_sync(d), 1);
    server_hold(d->server, HOLD_PULL);
    CHECK_RC(replica_sync_resync(d->sync, &test_err), 0);
    CHECK(!desk_status(d).in_sync);
    server_hold(d->server, 0);
    CHECK_RC(desk_in_sync(d), 1);
    CHECK_INT(desk_status(d).pulled, 1);
    CHECK(server_pulls(d->server) >= 2);
}

BOTH(a_replication_that_runs_cannot_be_removed_and_one_that_does_not_can)
{
    DESK d = desk_begin(runner, NULL);

    server_set(d->server, "a", "{\"id\":\"a\"}");
    desk_start(d);
    CHECK_RC(desk_in_sync(d), 1);
    CHECK_RC(replica_sync_remove(d->db, "r1", &test_err), REPLICA_EBUSY);
    desk_cancel(d);
    CHECK_RC(replica_sync_remove(d->db, "r1", &test_err), 1);
    CHECK_RC(replica_sync_remove(d->db, "r1", &test_err), 0);
    CHECK_STR(desk_get(d, "a"), "{\"id\":\"a\"}");
    CHECK_RC(replica_sync_remove(NULL, "r1", &test_err), REPLICA_EINVAL);
    CHECK_RC(replica_sync_remove(d->db, NULL, &test_err), REPLICA_EINVAL);
    desk_start(d);
    CHECK_RC(desk_in_sync(d), 1);
    CHECK_INT(d->conflicts, 0);
}

BOTH(after_the_database_closes_the_handle_answers_closed)
{
    DESK d = desk_begin(runner, NULL);
    replica_sync_status status = REPLICA_SYNC_STATUS_INIT;
    int state = 77;

    desk_start(d);
    CHECK_RC(desk_in_sync(d), 1);
    desk_close(d);
    CHECK_INT(d->destroyed, 1);
    CHECK_INT(server_destroyed(d->server), 1);
    CHECK_RC(replica_sync_pause(d->sync, &test_err), REPLICA_ECLOSED);
    CHECK_RC(replica_sync_resume(d->sync, &test_err), REPLICA_ECLOSED);
    CHECK_RC(replica_sync_now(d->sync, &test_err), REPLICA_ECLOSED);
    CHECK_RC(replica_sync_resync(d->sync, &test_err), REPLICA_ECLOSED);
    CHECK_RC(replica_sync_doc_state(d->sync, d->coll, "a", &state, &test_err), REPLICA_ECLOSED);
    CHECK_INT(state, 77);
    CHECK_RC(replica_sync_wait_pushed(d->sync, d->coll, "a", 10, &test_err), REPLICA_ECLOSED);
    CHECK_RC(replica_sync_wait_in_sync(d->sync, 10, &test_err), REPLICA_ECLOSED);
    CHECK_RC(replica_sync_get_status(d->sync, &status, &test_err), 0);
    CHECK_INT(status.state, REPLICA_SYNC_STOPPED);
    CHECK_STR(replica_sync_identifier(d->sync), "r1");
    replica_sync_cancel(d->sync);
    d->sync = NULL;
    CHECK_INT(d->destroyed, 1);
}

TEST(nothing_is_not_a_replication)
{
    DESK d = desk_begin(0, NULL);
    replica_sync_status status = REPLICA_SYNC_STATUS_INIT;
    int state = 77;

    replica_sync_cancel(NULL);
    CHECK_RC(replica_sync_pause(NULL, &test_err), REPLICA_EINVAL);
    CHECK_RC(replica_sync_resume(NULL, &test_err), REPLICA_EINVAL);
    CHECK_RC(replica_sync_now(NULL, &test_err), REPLICA_EINVAL);
    CHECK_RC(replica_sync_resync(NULL, &test_err), REPLICA_EINVAL);
    CHECK_RC(replica_sync_get_status(NULL, &status, &test_err), REPLICA_EINVAL);
    CHECK_RC(replica_sync_wait_in_sync(NULL, 0, &test_err), REPLICA_EINVAL);
    CHECK_RC(replica_sync_doc_state(NULL, d->coll, "a", &state, &test_err), REPLICA_EINVAL);
    CHECK_RC(replica_sync_wait_pushed(NULL, d->coll, "a", 0, &test_err), REPLICA_EINVAL);
    CHECK_STR(replica_sync_identifier(NULL), "");
    desk_start(d);
    CHECK_RC(replica_sync_get_status(d->sync, NULL, &test_err), REPLICA_EINVAL);
    CHECK_RC(replica_sync_doc_state(d->sync, NULL, "a", &state, &test_err), REPLICA_EINVAL);
    CHECK_RC(replica_sync_doc_state(d->sync, d->coll, NULL, &state, &test_err), REPLICA_EINVAL);
    CHECK_RC(replica_sync_doc_state(d->sync, d->coll, "a", NULL, &test_err), REPLICA_EINVAL);
    CHECK_RC(replica_sync_wait_pushed(d->sync, NULL, "a", 0, &test_err), REPLICA_EINVAL);
    CHECK_RC(replica_sync_wait_pushed(d->sync, d->coll, NULL, 0, &test_err), REPLICA_EINVAL);
}

TEST(a_shorter_status_of_an_older_program_gets_what_it_has_room_for)
{
    DESK d = desk_begin(REPLICA_SYNC_IN_LOOP, NULL);
    replica_sync_status status = REPLICA_SYNC_STATUS_INIT;

    desk_start(d);
    CHECK_RC(desk_in_sync(d), 1);
    memset(&status, 0x55, sizeof status);
    status.size = offsetof(replica_sync_status, head);
    CHECK_RC(replica_sync_get_status(d->sync, &status, &test_err), 0);
    CHECK_INT(status.size, offsetof(replica_sync_status, head));
    CHECK_INT(status.state, REPLICA_SYNC_IDLE);
    CHECK_INT(status.head, 0x5555555555555555);
}

TEST(without_an_identifier_the_collections_and_the_url_make_one_without_secrets)
{
    DESK d = desk_begin(REPLICA_SYNC_IN_LOOP | REPLICA_SYNC_PAUSED_AT_START, NULL);
    replica_sync_options o = d->o;

    o.identifier = NULL;
    o.collections = &d->coll;
    o.collection_count = 1;
    o.url = "http://me:secret@example.org:8080/notes/0";
    CHECK_RC(replica_sync_start(d->db, &o, &d->sync, &test_err), 0);
    CHECK_STR(replica_sync_identifier(d->sync), "http://example.org:8080/notes/0 notes");
    replica_sync_cancel(d->sync);
    d->sync = NULL;
    o.url = "http://example.org";
    CHECK_RC(replica_sync_start(d->db, &o, &d->sync, &test_err), REPLICA_EINVAL);
}
