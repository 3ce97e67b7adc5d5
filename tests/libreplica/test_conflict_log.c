/* The conflict log: what was superseded, and bringing it back. */
#include "libreplica/txn.h"
#include "tests/support/clock.h"
#include "tests/support/store.h"
#include "tests/support/test.h"
#include "tests/support/tmp.h"

#include <stdio.h>

#define A1 "{\"id\":\"a\",\"n\":1}"
#define A2 "{\"id\":\"a\", \"n\":9007199254740993}"
#define A3 "{\"id\":\"a\",\"n\":3}"

static struct store settled(void)
{
    struct store s = store_empty();

    store_replicate(&s, "r1");
    store_clean(&s, A1, 5);
    store_put(&s, A2);
    CHECK_INT(store_pull_one(&s, A3, 9), REPLICA__PULLED_UNSETTLED);
    QUESTION u = store_question(&s);
    CHECK(store_settle(&s, &u, REPLICA__SETTLE_REAL, NULL, "server-wins"));
    return s;
}

static int check_entry(void *ctx, const replica_conflict_entry *e)
{
    CHECK_STR(e->collection, "notes");
    CHECK_STR(e->id, "a");
    CHECK_STR(e->replication, ctx);
    CHECK_STR(e->rule, "server-wins");
    CHECK(e->time_ms > 1600000000000);
    CHECK_STR(replica_doc_json(e->assumed, NULL), A1);
    CHECK_STR(replica_doc_json(e->real, NULL), A3);
    CHECK_STR(replica_doc_json(e->local, NULL), A2);
    CHECK_STR(replica_doc_rev(e->local), "");
    CHECK_INT(replica_doc_sequence(e->local), 0);
    CHECK(!e->result);
    return 7;
}

TEST(an_entry_has_the_three_states_and_the_rule)
{
    STORE s = settled();
    char name[] = "r1", none[] = "";

    CHECK_RC(replica_conflict_log(s.db, NULL, 0, check_entry, name, &test_err), 7);
    CHECK_RC(replica_conflict_log(s.db, s.coll, 0, check_entry, name, &test_err), 7);
    CHECK_RC(replica_conflict_log(s.db, s.coll, 1, check_entry, name, &test_err), 0);
    CHECK_RC(replica_conflict_log(NULL, s.coll, 0, check_entry, name, &test_err), REPLICA_EINVAL);
    CHECK_RC(replica_conflict_log(s.db, s.coll, 0, NULL, name, &test_err), REPLICA_EINVAL);
    replica__lease_release(s.repl);
    CHECK_RC(replica__replication_remove(s.db, "r1", &test_err), 1);
    CHECK_RC(replica_conflict_log(s.db, NULL, 0, check_entry, none, &test_err), 7);
    store_replicate(&s, "another"); /* and does not take the place of the removed one */
    CHECK_RC(replica_conflict_log(s.db, NULL, 0, check_entry, none, &test_err), 7);
    store_sound(&s);
}

TEST(the_local_state_comes_back_byte_by_byte_as_a_new_write)
{
    STORE s = settled();
    replica_doc *doc = NULL;
    PAGE page = { 0 };

    CHECK_RC(replica_conflict_restore(s.db, 1, &doc, &test_err), 1);
    CHECK_STR(replica_doc_json(doc, NULL), A2);
    CHECK_STR(store_json(&s, "a"), A2);
    CHECK_STR(store_rev(&s, "a"), replica_doc_rev(doc));
    CHECK_INT(store_state(&s, "a"), REPLICA_DOC_DIRTY);
    CHECK_INT(store_push_again(&s, &page), 1);
    CHECK_STR(page.rows[0].assumed, A3);
    replica_doc_unref(doc);
    store_sound(&s);
}

TEST(restoring_no_entry_is_0)
{
    STORE s = settled();
    replica_doc *doc = (replica_doc *)(void *)&s;

    CHECK_RC(replica_conflict_restore(s.db, 99, &doc, &test_err), 0);
    CHECK(doc == (replica_doc *)(void *)&s);
    CHECK_RC(replica_conflict_restore(NULL, 1, NULL, &test_err), REPLICA_EINVAL);
}

TEST(a_deletion_that_lost_is_restored_as_a_deletion)
{
    STORE s = store_empty();

    store_replicate(&s, "r1");
    store_clean(&s, A1, 5);
    store_delete(&s, "a");
    CHECK_INT(store_pull_one(&s, A3, 9), REPLICA__PULLED_UNSETTLED);
    QUESTION u = store_question(&s);
    CHECK_INT(replica_doc_deleted(u.local), 1);
    CHECK(store_settle(&s, &u, REPLICA__SETTLE_REAL, NULL, "server-wins"));
    CHECK_STR(store_json(&s, "a"), A3);
    CHECK_RC(replica_conflict_restore(s.db, 1, NULL, &test_err), 1);
    CHECK(!store_json(&s, "a"));
}

TEST(an_entry_can_be_restored_into_a_collection_that_is_not_open)
{
    STORE s = settled();
    replica_db *db = NULL;

    store_close(&s);
    CHECK_RC(replica_db_open(s.path, NULL, &db, &test_err), 0);
    CHECK_RC(replica_conflict_restore(db, 1, NULL, &test_err), 1);
    replica_db_close(db);
    s = store_open(s.path, NULL);
    CHECK_STR(store_json(&s, "a"), A2);
}

/* ---- how large it may become ------------------------------------------------------ */

static struct store bounded(const char *path, int64_t log_ms, int64_t log_bytes)
{
    replica_db_options o = REPLICA_DB_OPTIONS_INIT;
    struct store s;

    o.log_ms = log_ms;
    o.log_bytes = log_bytes;
    s = store_open(path, &o);
    return s;
}

static void lose_one(struct store *s, int64_t sequence)
{
    char real[60];

    store_put(s, A2);
    snprintf(real, sizeof real, "{\"id\":\"a\",\"at\":%lld}", (long long)sequence);
    CHECK_INT(store_pull_one(s, real, sequence), REPLICA__PULLED_UNSETTLED);
    QUESTION u = store_question(s);
    CHECK(store_settle(s, &u, REPLICA__SETTLE_REAL, NULL, "server-wins"));
}

static int64_t entries(struct store *s)
{
    return store_sql_int(s, "SELECT count(*) FROM conflict_log");
}

/* Open the file again and again until so many are left: each time some go, as time allows. */
static void open_until(const char *path, int64_t log_bytes, int64_t most)
{
    struct store s = { .db = NULL };
    int64_t before, left = INT64_MAX;

    do {
        before = left;
        s = bounded(path, INT64_MAX, log_bytes);
        left = entries(&s);
        store_close(&s);
    } while (left > most && left < before);
    CHECK(left <= most);
}

TEST(the_oldest_entries_go_when_the_log_is_too_large)
{
    STORE s = bounded(tmp_path("test.db"), 0, 1000);

    store_replicate(&s, "r1");
    for (int i = 1; i <= 20; i++)
        lose_one(&s, i);
    CHECK(entries(&s) >= 3 && entries(&s) <= 4);
    CHECK_INT(store_sql_int(&s, "SELECT max(id) FROM conflict_log"), 20);
    CHECK(store_sql_int(&s, "SELECT value FROM number WHERE name = 'log_bytes'") <= 1000);
    CHECK(store_sql_int(&s, "SELECT count(*) FROM kept") <= 3 * entries(&s) + 1);
    store_sound(&s);
}

TEST(the_newest_entry_stays_however_large_it_is)
{
    STORE s = bounded(tmp_path("test.db"), 0, 1);

    store_replicate(&s, "r1");
    lose_one(&s, 1);
    lose_one(&s, 2);
    CHECK_INT(entries(&s), 1);
    CHECK_RC(replica_conflict_restore(s.db, 2, NULL, &test_err), 1);
    CHECK_STR(store_json(&s, "a"), A2);
    store_close(&s);
    s = bounded(tmp_path("test.db"), 1, 1);
    CHECK_INT(entries(&s), 1);
    store_sound(&s);
}

TEST(entries_go_when_they_are_too_old)
{
    STORE s = bounded(tmp_path("test.db"), 10000, 0);
    struct clock clock;

    clock_start(&clock, 1700000000000, 1);
    replica__db_set_world(s.db, &clock.world);
    store_replicate(&s, "r1");
    lose_one(&s, 1);
    clock_pass(&clock, 9000);
    lose_one(&s, 2);
    CHECK_INT(entries(&s), 2);
    clock_pass(&clock, 2000);
    lose_one(&s, 3);
    CHECK_INT(entries(&s), 2);
    CHECK_INT(store_sql_int(&s, "SELECT min(id) FROM conflict_log"), 2);
    store_sound(&s);
}

TEST(what_became_too_old_or_too_much_goes_when_the_file_is_opened)
{
    STORE s = store_empty();
    struct clock clock;

    clock_start(&clock, 1000000, 1); /* 1970 */
    replica__db_set_world(s.db, &clock.world);
    store_replicate(&s, "r1");
    for (int i = 1; i <= 30; i++)
        lose_one(&s, i);
    CHECK_INT(entries(&s), 30);
    store_close(&s);
    open_until(s.path, 1000, 4);
    s = store_open(tmp_path("test.db"), NULL);
    store_sound(&s);
    store_close(&s);
    s = store_open(tmp_path("test.db"), NULL); /* 90 days; the newest waits for another one */
    CHECK(entries(&s) <= 2);
    store_sound(&s);
}

TEST(a_reader_and_a_file_that_is_being_written_to_leave_the_log_alone)
{
    replica_db_options o = REPLICA_DB_OPTIONS_INIT;
    STORE s = store_empty();
    replica_db *db = NULL;

    store_replicate(&s, "r1");
    for (int i = 1; i <= 10; i++)
        lose_one(&s, i);
    o.log_bytes = 1;
    o.flags = REPLICA_DB_READ_ONLY;
    CHECK_RC(replica_db_open(s.path, &o, &db, &test_err), 0);
    replica_db_close(db);
    CHECK_INT(entries(&s), 10);
    o.flags = 0;
    {
        REPLICA_TXN txn = NULL;

        CHECK_RC(replica__txn_begin(s.db, &txn, &test_err), 0);
        CHECK_RC(replica_db_open(s.path, &o, &db, &test_err), 0);
        replica_db_close(db);
    }
    CHECK_INT(entries(&s), 10);
    open_until(s.path, 1, 1);
}

TEST(a_limit_below_zero_is_invalid)
{
    replica_db_options o = REPLICA_DB_OPTIONS_INIT;
    replica_db *db = NULL;

    o.log_ms = -1;
    CHECK_RC(replica_db_open("test.db", &o, &db, &test_err), REPLICA_EINVAL);
    o.log_ms = 0;
    o.log_bytes = -1;
    CHECK_RC(replica_db_open("test.db", &o, &db, &test_err), REPLICA_EINVAL);
}
