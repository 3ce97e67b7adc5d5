/* A program that comes back as its next version, with edits that no server has seen. */
#include "tests/replicator/desk_support.h"

#include "tests/support/rise.h"
#include "tests/support/tmp.h"

static void keep_conflict(void *ctx, replica_conflict *c)
{
    struct desk *d = ctx;

    CHECK(pthread_equal(pthread_self(), d->thread));
    d->conflicts++;
    d->conflict = c;
}

/* The program ends, and begins as version 1. */
static void upgrade(struct desk *d)
{
    const replica_conflict_handler handler = { .size = sizeof handler,
                                               .resolve = keep_conflict,
                                               .ctx = d };
    const replica_collection_options o = { .size = sizeof o,
                                           .version = 1,
                                           .handler = &handler,
                                           .migrations = rise_migrations,
                                           .migration_count = 1 };

    desk_close(d);
    if (d->sync)
        replica_sync_cancel(d->sync);
    d->sync = NULL;
    CHECK_RC(replica_db_open(tmp_path("test.db"), NULL, &d->db, &test_err), 0);
    CHECK_RC(replica_db_collection(d->db, "notes", &o, &d->coll, &test_err), 0);
}

/* "a" in sync at version 0. */
static struct desk *with_a(unsigned runner)
{
    struct desk *d = desk_begin(runner, NULL);

    server_set(d->server, "a", "{\"id\":\"a\",\"n\":0}");
    desk_start(d);
    CHECK_RC(desk_in_sync(d), 1);
    return d;
}

BOTH(an_edit_from_before_the_upgrade_reaches_the_server_in_the_new_version)
{
    DESK d = with_a(runner);

    desk_cancel(d);
    desk_put(d, "{\"id\":\"a\",\"n\":1}");
    desk_put(d, "{\"id\":\"b\"}");
    upgrade(d);
    desk_start(d);
    CHECK_RC(desk_in_sync(d), 1);
    CHECK_STR(server_get(d->server, "a"), "{\"id\":\"a\",\"n\":1,\"v1\":0}");
    CHECK_STR(server_get(d->server, "b"), "{\"id\":\"b\",\"v1\":0}");
    CHECK_INT(d->conflicts, 0);
    CHECK_INT(desk_state(d, "a"), REPLICA_DOC_IN_SYNC);
}

BOTH(what_is_in_step_is_confirmed_or_replaced_by_the_upgraded_server)
{
    DESK d = with_a(runner);

    server_set(d->server, "b", "{\"id\":\"b\",\"n\":0}");
    CHECK_RC(desk_in_sync(d), 1);
    DESK_UNTIL(d, strcmp(desk_get(d, "b"), "-") != 0);
    upgrade(d);
    server_set(d->server, "a", "{\"id\":\"a\",\"n\":0,\"v1\":0}");
    server_set(d->server, "b", "{\"id\":\"b\",\"n\":0,\"v1\":7}");
    desk_start(d);
    CHECK_RC(desk_in_sync(d), 1);
    CHECK_STR(desk_get(d, "a"), "{\"id\":\"a\",\"n\":0,\"v1\":0}");
    CHECK_STR(desk_get(d, "b"), "{\"id\":\"b\",\"n\":0,\"v1\":7}");
    CHECK_INT(server_pushes(d->server), 0);
}

BOTH(the_handler_sees_all_three_states_in_the_new_version)
{
    DESK d = with_a(runner);

    desk_cancel(d);
    desk_put(d, "{\"id\":\"a\",\"n\":1}");
    upgrade(d);
    server_set(d->server, "a", "{\"id\":\"a\",\"n\":2,\"v1\":0}");
    desk_start(d);
    DESK_UNTIL(d, d->conflict);
    CHECK_STR(replica_doc_json(replica_conflict_assumed(d->conflict), NULL),
              "{\"id\":\"a\",\"n\":0,\"v1\":0}");
    CHECK_STR(replica_doc_json(replica_conflict_real(d->conflict), NULL),
              "{\"id\":\"a\",\"n\":2,\"v1\":0}");
    CHECK_STR(replica_doc_json(replica_conflict_local(d->conflict), NULL),
              "{\"id\":\"a\",\"n\":1,\"v1\":0}");
    CHECK_RC(replica_conflict_use_json(d->conflict, "{\"id\":\"a\",\"n\":3,\"v1\":0}", REPLICA_NUL,
                                       &test_err), 0);
    d->conflict = NULL;
    CHECK_RC(desk_in_sync(d), 1);
    CHECK_STR(server_get(d->server, "a"), "{\"id\":\"a\",\"n\":3,\"v1\":0}");
    CHECK_STR(desk_get(d, "a"), "{\"id\":\"a\",\"n\":3,\"v1\":0}");
    CHECK_INT(d->conflicts, 1);
}

BOTH(a_server_that_only_rose_changed_nothing_and_asks_no_handler)
{
    DESK d = with_a(runner);

    desk_cancel(d);
    desk_put(d, "{\"id\":\"a\",\"n\":1}");
    upgrade(d);
    server_set(d->server, "a", "{\"id\":\"a\",\"n\":0,\"v1\":0}");
    desk_start(d);
    CHECK_RC(desk_in_sync(d), 1);
    CHECK_INT(d->conflicts, 0);
    CHECK_STR(server_get(d->server, "a"), "{\"id\":\"a\",\"n\":1,\"v1\":0}");
}

BOTH(a_conflict_from_before_the_upgrade_is_asked_about_in_the_new_version)
{
    DESK d = with_a(runner);

    desk_cancel(d);
    desk_put(d, "{\"id\":\"a\",\"n\":1}");
    server_set(d->server, "a", "{\"id\":\"a\",\"n\":2}");
    desk_start(d);
    DESK_UNTIL(d, d->conflict);
    upgrade(d);
    CHECK_RC(replica_conflict_use_delete(d->conflict, &test_err), REPLICA_ECLOSED);
    d->conflict = NULL;
    desk_start(d);
    DESK_UNTIL(d, d->conflict);
    CHECK_STR(replica_doc_json(replica_conflict_assumed(d->conflict), NULL),
              "{\"id\":\"a\",\"n\":0,\"v1\":0}");
    CHECK_STR(replica_doc_json(replica_conflict_real(d->conflict), NULL),
              "{\"id\":\"a\",\"n\":2,\"v1\":0}");
    CHECK_RC(replica_conflict_use(d->conflict, replica_conflict_local(d->conflict), &test_err), 0);
    d->conflict = NULL;
    CHECK_RC(desk_in_sync(d), 1);
    CHECK_STR(server_get(d->server, "a"), "{\"id\":\"a\",\"n\":1,\"v1\":0}");
}

BOTH(a_document_whose_step_fails_holds_nothing_up)
{
    DESK d = with_a(runner);

    desk_cancel(d);
    desk_put(d, "{\"id\":\"a\",\"fail\":1}");
    desk_put(d, "{\"id\":\"b\"}");
    upgrade(d);
    desk_start(d);
    CHECK_RC(desk_in_sync(d), 1);
    CHECK_STR(server_get(d->server, "a"), "{\"id\":\"a\",\"n\":0}");
    CHECK_STR(server_get(d->server, "b"), "{\"id\":\"b\",\"v1\":0}");
    CHECK_INT(desk_state(d, "a"), REPLICA_DOC_REJECTED);
}

BOTH(a_server_that_has_not_the_version_yet_is_asked_again)
{
    DESK d = with_a(runner);

    desk_cancel(d);
    desk_put(d, "{\"id\":\"a\",\"n\":1}");
    upgrade(d);
    server_fail(d->server, REPLICA_EVERSION, 404);
    desk_start(d);
    DESK_UNTIL(d, d->errors > 0);
    CHECK_INT(d->error.code, REPLICA_EVERSION);
    CHECK(desk_status(d).state != REPLICA_SYNC_PAUSED);
    CHECK_INT(desk_state(d, "a"), REPLICA_DOC_DIRTY);
    server_fail(d->server, 0, 0);
    CHECK_RC(replica_sync_now(d->sync, &test_err), 0);
    CHECK_RC(desk_in_sync(d), 1);
    CHECK_STR(server_get(d->server, "a"), "{\"id\":\"a\",\"n\":1,\"v1\":0}");
}

TEST(the_identifier_outlives_the_version)
{
    STORE s = rise_open(tmp_path("test.db"), 0, 2);
    replica_sync_options o = REPLICA_SYNC_OPTIONS_INIT;
    replica_sync *sync = NULL;

    o.flags = REPLICA_SYNC_IN_LOOP | REPLICA_SYNC_PAUSED_AT_START;
    o.collections = &s.coll;
    o.collection_count = 1;
    o.url = "http://example.org:8080/notes/2";
    CHECK_RC(replica_sync_start(s.db, &o, &sync, &test_err), 0);
    CHECK_STR(replica_sync_identifier(sync), "http://example.org:8080/notes/0 notes");
    replica_sync_cancel(sync);
}
