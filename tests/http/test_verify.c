/* A replica that somebody wrote to behind the library's back, compared with its server. */
#include "replicator/replicator.h"

#include "tests/http/served.h"
#include "tests/support/store.h"
#include "tests/support/test.h"
#include "tests/support/tmp.h"

#include <stdio.h>
#include <string.h>

struct pair {
    struct served *served;
    struct store store;
    replica_sync *sync;
    char found[2000];
    replica_verify_result result;
};

static void pair_end(struct pair *p)
{
    replica_sync_cancel(p->sync);
    store_close(&p->store);
    served_stop(p->served);
}
#define PAIR __attribute__((cleanup(pair_end))) struct pair

static void start(struct pair *p, unsigned flags)
{
    replica_sync_options o = REPLICA_SYNC_OPTIONS_INIT;

    o.url = served_url(p->served, "/notes/0");
    o.collections = &p->store.coll;
    o.collection_count = 1;
    o.flags = flags;
    CHECK_RC(replica_sync_start(p->store.db, &o, &p->sync, &test_err), 0);
}

static void in_sync(struct pair *p)
{
    CHECK_RC(replica_sync_wait_in_sync(p->sync, 10000, &test_err), 1);
}

/* In sync, with so many documents.  It has started again since they were sent: the stream that was
 * open meanwhile may bring them once more at any time, and with that what a test took away. */
static void pair_begin(struct pair *p, int documents, unsigned flags)
{
    char json[64];

    p->served = served_start();
    p->store = store_empty();
    for (int i = 0; i < documents; i++) {
        snprintf(json, sizeof json, "{\"id\":\"n%03d\",\"v\":%d}", i, i);
        store_put(&p->store, json);
    }
    start(p, flags);
    in_sync(p);
    replica_sync_cancel(p->sync);
    start(p, flags);
    in_sync(p);
}

static void note(void *ctx, const replica_verify_difference *d)
{
    struct pair *p = ctx;
    size_t len = strlen(p->found);

    snprintf(p->found + len, sizeof p->found - len, "%s/%s %d\n", d->collection, d->id, d->kind);
}

static int verify(struct pair *p, int repair)
{
    replica_verify_options o = REPLICA_VERIFY_OPTIONS_INIT;

    o.repair = repair;
    o.on_difference = note;
    o.ctx = p;
    o.timeout_ms = 10000;
    p->found[0] = '\0';
    p->result = (replica_verify_result)REPLICA_VERIFY_RESULT_INIT;
    return replica_sync_verify(p->sync, &o, &p->result, &test_err);
}

/* Behind its back: the replication sees nothing of it. */
static void corrupt(struct pair *p, const char *sql)
{
    store_sql(&p->store, sql);
}

TEST(where_nothing_differs_nothing_is_found)
{
    PAIR p = { 0 };

    pair_begin(&p, 700, 0);
    CHECK_RC(verify(&p, REPLICA_REPAIR_NONE), 1);
    CHECK_STR(p.found, "");
    CHECK_INT(p.result.compared, 700);
    CHECK_INT(p.result.repaired, 0);
}

TEST(a_text_that_was_changed_is_found_and_written_again)
{
    PAIR p = { 0 };

    pair_begin(&p, 50, 0);
    corrupt(&p, "UPDATE doc SET body = '{\"id\":\"n007\",\"v\":\"x\"}' WHERE id = 'n007'");
    CHECK_RC(verify(&p, REPLICA_REPAIR_NONE), 1);
    CHECK_STR(p.found, "notes/n007 1\n");
    CHECK_INT(p.result.different, 1);
    CHECK_RC(verify(&p, REPLICA_REPAIR_HERE), 1);
    CHECK_STR(p.found, "notes/n007 1\n");
    CHECK_INT(p.result.repaired, 1);
    CHECK_STR(store_json(&p.store, "n007"), "{\"id\":\"n007\",\"v\":7}");
    CHECK_INT(store_sql_int(&p.store, "SELECT count(*) FROM conflict_log WHERE rule = 'verify'"
                                      " AND doc = 'n007'"), 1);
    CHECK_RC(verify(&p, REPLICA_REPAIR_NONE), 1);
    CHECK_STR(p.found, "");
    in_sync(&p);
}

TEST(a_row_that_was_removed_is_found_and_fetched)
{
    PAIR p = { 0 };

    pair_begin(&p, 50, 0);
    corrupt(&p, "DELETE FROM doc WHERE id IN ('n003', 'n049')");
    CHECK_RC(verify(&p, REPLICA_REPAIR_NONE), 1);
    CHECK_STR(p.found, "notes/n003 2\nnotes/n049 2\n");
    CHECK_INT(p.result.missing_here, 2);
    CHECK_RC(verify(&p, REPLICA_REPAIR_HERE), 1);
    CHECK_STR(store_json(&p.store, "n003"), "{\"id\":\"n003\",\"v\":3}");
    CHECK_STR(store_json(&p.store, "n049"), "{\"id\":\"n049\",\"v\":49}");
    CHECK_RC(verify(&p, REPLICA_REPAIR_NONE), 1);
    CHECK_STR(p.found, "");
    store_sound(&p.store);
}

TEST(a_state_that_was_changed_is_found_and_set_right)
{
    static const char *const changes[] = {
        "UPDATE state SET server_seq = server_seq + 1000000000",
        "UPDATE state SET server_seq = 1",
        "UPDATE state SET clean_seq = clean_seq - 1",
        "UPDATE state SET clean_seq = NULL",
        "UPDATE state SET version = 9",
        "DELETE FROM state",
    };
    PAIR p = { 0 };

    pair_begin(&p, 20, 0);
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        char sql[200];

        snprintf(sql, sizeof sql, "%s WHERE doc = (SELECT number FROM doc WHERE id = 'n011')",
                 changes[i]);
        corrupt(&p, sql);
        CHECK_RC(verify(&p, REPLICA_REPAIR_NONE), 1);
        if (strcmp(p.found, "notes/n011 4\n") != 0)
            test_fail(__FILE__, __LINE__, "%s: found %s", changes[i], p.found);
        CHECK_RC(verify(&p, REPLICA_REPAIR_HERE), 1);
        CHECK_STR(p.found, "notes/n011 4\n");
        CHECK_RC(verify(&p, REPLICA_REPAIR_NONE), 1);
        CHECK_STR(p.found, "");
    }
    CHECK_INT(store_sql_int(&p.store, "SELECT count(*) FROM conflict_log"), 0);
}

/* An edit that would never have been sent. */
TEST(an_edit_that_was_marked_as_in_step_is_found_and_not_lost)
{
    PAIR p = { 0 };

    pair_begin(&p, 20, 0);
    CHECK_RC(replica_sync_pause(p.sync, &test_err), 0);
    store_put(&p.store, "{\"id\":\"n005\",\"v\":\"mine\"}");
    corrupt(&p, "UPDATE state SET clean_seq = (SELECT seq FROM doc WHERE id = 'n005')"
                " WHERE doc = (SELECT number FROM doc WHERE id = 'n005')");
    CHECK_RC(replica_sync_resume(p.sync, &test_err), 0);
    CHECK_RC(verify(&p, REPLICA_REPAIR_SERVER), 1);
    CHECK_STR(p.found, "notes/n005 1\n");
    in_sync(&p);
    CHECK_STR(store_json(&p.store, "n005"), "{\"id\":\"n005\",\"v\":\"mine\"}");
    CHECK_RC(verify(&p, REPLICA_REPAIR_NONE), 1);
    CHECK_STR(p.found, "");
}

static void find_stray(struct pair *p, int repair)
{
    pair_begin(p, 20, 0);
    corrupt(p, "UPDATE doc SET id = 'stray', body = '{\"id\":\"stray\"}' WHERE id = 'n004'");
    CHECK_RC(verify(p, repair), 1);
    CHECK_STR(p->found, "notes/n004 2\nnotes/stray 3\n");
    in_sync(p);
    CHECK_STR(store_json(&p->store, "n004"), "{\"id\":\"n004\",\"v\":4}");
    CHECK_RC(verify(p, REPLICA_REPAIR_NONE), 1);
    CHECK_STR(p->found, "");
    store_sound(&p->store);
}

TEST(what_the_server_never_had_is_found_and_deleted)
{
    PAIR p = { 0 };

    find_stray(&p, REPLICA_REPAIR_HERE);
    CHECK_STR(store_json(&p.store, "stray"), NULL);
    CHECK_INT(p.result.compared, 20);
    CHECK_INT(store_sql_int(&p.store, "SELECT count(*) FROM conflict_log WHERE doc = 'stray'"), 1);
}

TEST(what_the_server_never_had_is_found_and_sent)
{
    PAIR p = { 0 };

    find_stray(&p, REPLICA_REPAIR_SERVER);
    CHECK_STR(store_json(&p.store, "stray"), "{\"id\":\"stray\"}");
    CHECK_INT(p.result.compared, 21);
}

TEST(a_text_that_was_changed_can_be_sent)
{
    PAIR p = { 0 };

    pair_begin(&p, 20, 0);
    corrupt(&p, "UPDATE doc SET body = '{\"id\":\"n007\",\"v\":\"x\"}' WHERE id = 'n007'");
    CHECK_RC(verify(&p, REPLICA_REPAIR_SERVER), 1);
    CHECK_STR(p.found, "notes/n007 1\n");
    in_sync(&p);
    CHECK_STR(store_json(&p.store, "n007"), "{\"id\":\"n007\",\"v\":\"x\"}");
    CHECK_INT(store_sql_int(&p.store, "SELECT count(*) FROM conflict_log WHERE rule = 'verify'"),
              1);
    CHECK_RC(verify(&p, REPLICA_REPAIR_NONE), 1);
    CHECK_STR(p.found, "");
}

TEST(what_waits_to_be_sent_is_no_difference)
{
    PAIR p = { 0 };

    pair_begin(&p, 20, 0);
    replica_sync_cancel(p.sync);
    p.sync = NULL;
    store_put(&p.store, "{\"id\":\"n001\",\"v\":\"mine\"}");
    store_put(&p.store, "{\"id\":\"new\"}");
    start(&p, REPLICA_SYNC_PULL_ONLY);
    CHECK_RC(verify(&p, REPLICA_REPAIR_HERE), 1);
    CHECK_STR(p.found, "");
    CHECK_STR(store_json(&p.store, "n001"), "{\"id\":\"n001\",\"v\":\"mine\"}");
}

static int rename_collection(void *ctx)
{
    struct store server = { .path = tmp_path("server.db") };

    (void)ctx;
    store_sql(&server, "UPDATE collection SET name = 'other'");
    return 0;
}

TEST(of_a_collection_that_the_server_has_not_nothing_is_there)
{
    PAIR p = { 0 };

    pair_begin(&p, 2, 0);
    served_change(p.served, rename_collection, NULL);
    CHECK_RC(verify(&p, REPLICA_REPAIR_NONE), 1);
    CHECK_STR(p.found, "notes/n000 3\nnotes/n001 3\n");
    CHECK_RC(verify(&p, REPLICA_REPAIR_SERVER), 1);
    in_sync(&p);
    CHECK_RC(verify(&p, REPLICA_REPAIR_NONE), 1);
    CHECK_STR(p.found, "");
    CHECK_STR(store_json(&p.store, "n001"), "{\"id\":\"n001\",\"v\":1}");
}

TEST(a_loop_of_the_program_verifies_as_well)
{
    PAIR p = { 0 };

    pair_begin(&p, 20, REPLICA_SYNC_IN_LOOP);
    corrupt(&p, "UPDATE doc SET body = '{\"id\":\"n007\"}' WHERE id = 'n007'");
    CHECK_RC(verify(&p, REPLICA_REPAIR_HERE), 1);
    CHECK_STR(p.found, "notes/n007 1\n");
    CHECK_STR(store_json(&p.store, "n007"), "{\"id\":\"n007\",\"v\":7}");
}

TEST(a_server_that_cannot_compare_says_so)
{
    PAIR p = { 0 };

    pair_begin(&p, 3, REPLICA_SYNC_RXDB);
    CHECK_RC(verify(&p, REPLICA_REPAIR_NONE), REPLICA_ENOTSUP);
}

TEST(what_cannot_be_asked_is_refused)
{
    replica_verify_options o = REPLICA_VERIFY_OPTIONS_INIT;
    replica_verify_result result = REPLICA_VERIFY_RESULT_INIT;
    PAIR p = { 0 };

    pair_begin(&p, 3, 0);
    CHECK_RC(replica_sync_verify(NULL, &o, &result, &test_err), REPLICA_EINVAL);
    CHECK_RC(replica_sync_verify(p.sync, NULL, &result, &test_err), REPLICA_EINVAL);
    CHECK_RC(replica_sync_verify(p.sync, &o, NULL, &test_err), REPLICA_EINVAL);
    o.repair = 3;
    CHECK_RC(replica_sync_verify(p.sync, &o, &result, &test_err), REPLICA_EINVAL);
    o.repair = 0;
    CHECK_RC(replica_sync_pause(p.sync, &test_err), 0);
    o.timeout_ms = 100;
    CHECK_RC(replica_sync_verify(p.sync, &o, &result, &test_err), 0);
    replica_db_close(p.store.db);
    p.store.db = NULL;
    CHECK_RC(replica_sync_verify(p.sync, &o, &result, &test_err), REPLICA_ECLOSED);
}
