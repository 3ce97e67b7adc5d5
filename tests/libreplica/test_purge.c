/* Purging: which tombstones go, which stay, and that nothing comes back from before. */
#include "base/alloc.h"
#include "libreplica/master.h"
#include "tests/support/clock.h"
#include "tests/support/fault.h"
#include "tests/support/store.h"
#include "tests/support/test.h"

#include <stdlib.h>

#define A1 "{\"id\":\"a\",\"n\":1}"
#define A2 "{\"id\":\"a\",\"n\":2}"
#define DAY (INT64_C(24) * 3600 * 1000)
#define AT "{\"id\":\"inc\",\"lwt\":7}"

static struct clock clock;

/* "a" was deleted at the beginning of time, and a day has passed since; "z" is the newest write. */
static struct store deleted(void)
{
    struct store s = store_empty();

    clock_start(&clock, 1700000000000, 1);
    replica__db_set_world(s.db, &clock.world);
    store_put(&s, A1);
    store_delete(&s, "a");
    store_put(&s, "{\"id\":\"z\"}");
    clock_pass(&clock, DAY);
    return s;
}

/* The same, where the server has deleted it, as its number 7. */
static struct store deleted_there(const char *checkpoint)
{
    struct store s = store_empty();
    struct come gone = { .json = A1, .sequence = 7, .deleted = true, .stamp = 1 };

    clock_start(&clock, 1700000000000, 1);
    replica__db_set_world(s.db, &clock.world);
    store_replicate(&s, "r1");
    CHECK_RC(store_pull(&s, checkpoint, &gone, 1), 0);
    store_put(&s, "{\"id\":\"z\"}");
    clock_pass(&clock, DAY);
    return s;
}

static int64_t purge(struct store *s, int64_t older_ms)
{
    int64_t count = -1;

    CHECK_RC(replica_purge(s->db, s->coll, older_ms, 0, &count, &test_err), 0);
    store_sound(s);
    return count;
}

static int64_t rows(struct store *s)
{
    return store_sql_int(s, "SELECT count(*) FROM doc WHERE id = 'a'");
}

TEST(an_old_tombstone_goes_altogether)
{
    STORE s = deleted();

    CHECK_INT(purge(&s, DAY - 1), 1);
    CHECK_INT(rows(&s), 0);
    CHECK_INT(purge(&s, DAY - 1), 0);
    CHECK(store_json(&s, "z"));
}

TEST(a_younger_tombstone_stays)
{
    STORE s = deleted();

    CHECK_INT(purge(&s, DAY + 1000), 0);
    CHECK_INT(rows(&s), 1);
}

TEST(a_live_document_is_never_purged)
{
    STORE s = store_with(A1);

    store_sql(&s, "UPDATE doc SET stamp = 1");
    store_put(&s, "{\"id\":\"z\"}");
    CHECK_INT(purge(&s, 0), 0);
    CHECK_STR(store_json(&s, "a"), A1);
}

TEST(no_collection_means_all_of_them)
{
    STORE s = deleted();
    int64_t count = 0;

    CHECK_RC(replica_purge(s.db, NULL, 0, 0, &count, &test_err), 0);
    CHECK_INT(count, 1);
}

TEST(the_head_does_not_fall_by_a_purge)
{
    STORE s = store_with(A1);
    int64_t before, after;

    store_delete(&s, "a");
    store_sql(&s, "UPDATE doc SET stamp = 1");
    CHECK_RC(replica_db_sequence(s.db, &before, &test_err), 0);
    CHECK_INT(purge(&s, 0), 0); /* the newest write stays */
    store_reopen(&s);
    CHECK_RC(replica_db_sequence(s.db, &after, &test_err), 0);
    CHECK_INT(after, before);
}

TEST(the_number_of_a_document_is_not_given_to_another_one)
{
    STORE s = store_with("{\"id\":\"z\"}");
    int64_t number;

    store_put(&s, A1);
    store_delete(&s, "a");
    store_put(&s, "{\"id\":\"z\",\"n\":2}");
    store_sql(&s, "UPDATE doc SET stamp = 1 WHERE id = 'a'");
    number = store_sql_int(&s, "SELECT number FROM doc WHERE id = 'a'");
    purge(&s, 0);
    store_put(&s, "{\"id\":\"b\"}");
    CHECK(store_sql_int(&s, "SELECT number FROM doc WHERE id = 'b'") > number);
}

TEST(a_document_that_is_created_again_gets_another_revision)
{
    STORE s = store_with(A1);
    char *old = strdup(store_rev(&s, "a"));

    store_delete(&s, "a");
    store_put(&s, "{\"id\":\"z\"}");
    store_sql(&s, "UPDATE doc SET stamp = 1 WHERE id = 'a'");
    CHECK_INT(purge(&s, 0), 1);
    store_put(&s, A1);
    CHECK(strcmp(store_rev(&s, "a"), old) != 0);
    free(old);
}

TEST(a_deletion_that_the_server_does_not_know_yet_stays)
{
    STORE s = store_empty();

    clock_start(&clock, 1700000000000, 1);
    replica__db_set_world(s.db, &clock.world);
    store_replicate(&s, "r1");
    store_clean(&s, A1, 5);
    store_delete(&s, "a");
    store_put(&s, "{\"id\":\"z\"}");
    clock_pass(&clock, DAY);
    CHECK_INT(purge(&s, 0), 0);
    store_push_all(&s, 6);
    CHECK_INT(store_state(&s, "a"), REPLICA_DOC_IN_SYNC);
    CHECK_RC(store_pull(&s, AT, NULL, 0), 0);
    CHECK_INT(purge(&s, 0), 1);
}

TEST(a_tombstone_that_the_feed_has_not_passed_yet_stays)
{
    STORE s = deleted_there("{\"id\":\"inc\",\"lwt\":6}");

    CHECK_INT(purge(&s, 0), 0);
    CHECK_RC(store_pull(&s, AT, NULL, 0), 0);
    CHECK_INT(purge(&s, 0), 1);
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM state WHERE server_seq = 7"), 0);
}

TEST(a_replication_that_was_not_seen_for_long_does_not_hold_back)
{
    STORE s = deleted_there("{\"id\":\"inc\",\"lwt\":6}");
    int64_t count = -1;

    CHECK_INT(purge(&s, 0), 0);
    CHECK_RC(replica_purge(s.db, s.coll, 0, DAY / 2, &count, &test_err), 0);
    CHECK_INT(count, 1);
    store_sound(&s);
}

TEST(a_replication_at_work_is_seen)
{
    STORE s = deleted_there("{\"id\":\"inc\",\"lwt\":6}");
    int64_t count = -1;

    CHECK_RC(store_pull(&s, "{\"id\":\"inc\",\"lwt\":6}", NULL, 0), 0);
    CHECK_RC(replica_purge(s.db, s.coll, 0, DAY / 2, &count, &test_err), 0);
    CHECK_INT(count, 0);
}

TEST(a_tombstone_that_is_set_aside_stays)
{
    STORE s = deleted_there(AT);

    store_sql(&s, "INSERT INTO aside(replication, coll, doc, kind, code, reason, time)"
                  " SELECT 1, coll, id, 2, -12, 'too long', 1 FROM doc WHERE id = 'a'");
    CHECK_INT(purge(&s, 0), 0);
    store_sql(&s, "DELETE FROM aside");
    CHECK_INT(purge(&s, 0), 1);
}

TEST(an_older_state_does_not_bring_a_purged_document_back)
{
    STORE s = deleted_there(AT);

    CHECK_INT(purge(&s, 0), 1);
    CHECK_INT(store_pull_one(&s, A2, 6), REPLICA__PULLED_SAME);
    CHECK_INT(rows(&s), 0);
    store_reopen(&s);
    replica__db_set_world(s.db, &clock.world);
    CHECK_INT(store_pull_one(&s, A2, 6), REPLICA__PULLED_SAME);
    CHECK_INT(store_pull_one(&s, "{\"id\":\"b\"}", 8), REPLICA__PULLED_WRITTEN);
    CHECK_INT(store_pull_one(&s, A2, 9), REPLICA__PULLED_WRITTEN); /* created again, there */
}

TEST(an_iteration_from_the_beginning_meets_everything_again)
{
    STORE s = deleted_there(AT);

    CHECK_INT(purge(&s, 0), 1);
    CHECK_RC(replica__feed_reset(s.repl, 0, &test_err), 0);
    CHECK_INT(store_pull_one(&s, A2, 6), REPLICA__PULLED_WRITTEN);
}

TEST(an_event_without_an_order_does_not_bring_a_purged_document_back)
{
    STORE s = deleted_there(AT);
    struct replica__pulled event = { 0 };
    const struct come late = { .json = A2 };

    store_scan(&s, &late, &event);
    event.hint = true;
    CHECK_INT(purge(&s, 0), 1);
    CHECK_RC(replica__pull_apply(s.repl, 0, &event, 1, NULL, NULL, &test_err), 0);
    CHECK_INT(event.outcome, REPLICA__PULLED_PASSED);
    CHECK_INT(rows(&s), 0);
    replica__free(event.id);
}

TEST(a_purge_leaves_its_horizon)
{
    STORE s = deleted();
    const char *incarnation;
    int64_t horizon = -1;

    CHECK_RC(replica__master_incarnation(s.db, &incarnation, &test_err), 0);
    CHECK_RC(replica__master_horizon(s.db, s.coll, &horizon, &test_err), 0);
    CHECK_INT(horizon, 0);
    CHECK_INT(purge(&s, 0), 1);
    CHECK_RC(replica__master_horizon(s.db, s.coll, &horizon, &test_err), 0);
    CHECK_INT(horizon, 2); /* its deletion was the second write */
    CHECK_RC(replica__master_horizon(s.db, NULL, &horizon, &test_err), 0);
    CHECK_INT(horizon, 2);
    CHECK_INT(purge(&s, 0), 0);
    CHECK_RC(replica__master_horizon(s.db, s.coll, &horizon, &test_err), 0);
    CHECK_INT(horizon, 2);
}

TEST(a_purge_in_slices_does_the_same)
{
    STORE s = deleted();
    struct replica__purge at = { 0 };
    int slices = 0, r;

    replica_collection *other = NULL;

    CHECK_RC(replica_db_collection(s.db, "other", NULL, &other, &test_err), 0);
    while ((r = replica__master_purge(s.db, 0, &at, &test_err)) > 0)
        CHECK(slices++ < 20);
    CHECK_RC(r, 0);
    CHECK(slices >= 2);
    CHECK_INT(at.count, 1);
    CHECK_INT(rows(&s), 0);
    store_sound(&s);
}

LONG_TEST(a_slice_looks_at_a_part_of_many_documents)
{
    STORE s = deleted();
    struct replica__purge at = { 0 };
    int slices = 0;

    store_sql(&s, "WITH RECURSIVE n(i) AS (SELECT 100 UNION ALL SELECT i + 1 FROM n"
                  " WHERE i < 60100) INSERT INTO doc(coll, id, seq, height, opening, flags, stamp,"
                  " version, body)"
                  " SELECT 1, 'd' || i, i, 1, 1, 1, 1, 0, '{\"id\":\"d' || i || '\"}' FROM n");
    store_reopen(&s);
    replica__db_set_world(s.db, &clock.world);
    store_put(&s, "{\"id\":\"z\"}");
    while (replica__master_purge(s.db, 0, &at, &test_err) > 0)
        slices++;
    CHECK_INT(at.count, 60001); /* with a, and without the highest number of all */
    CHECK(slices > 60000 / 200);
}

TEST(what_came_lately_stays_however_long_ago_it_was_written)
{
    STORE s = deleted();
    struct replica__purge at = { 0 };
    int64_t horizon = 0;

    store_put(&s, "{\"id\":\"y\"}"); /* 4, a day after the deletion of "a" */
    store_put(&s, "{\"id\":\"b\"}");
    store_delete(&s, "b"); /* 6 */
    store_put(&s, "{\"id\":\"w\"}");
    store_sql(&s, "UPDATE doc SET stamp = 1 WHERE id = 'b'"); /* as by who was offline for long */
    while (replica__master_purge(s.db, DAY / 2, &at, &test_err) > 0)
        ;
    CHECK_INT(at.count, 1);
    CHECK_INT(rows(&s), 0);
    CHECK_RC(replica__master_horizon(s.db, s.coll, &horizon, &test_err), 0);
    CHECK_INT(horizon, 2); /* the others go on */
    clock_pass(&clock, DAY);
    at = (struct replica__purge){ 0 };
    while (replica__master_purge(s.db, DAY / 2, &at, &test_err) > 0)
        ;
    CHECK_INT(at.count, 1);
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM doc WHERE id = 'b'"), 0);
}

TEST(what_access_rules_read_goes_with_its_age)
{
    STORE s = deleted();
    struct replica__purge at = { 0 };
    int64_t horizon = 0;

    CHECK_RC(replica__master_reads(s.coll, "[\"owner\"]", &test_err), 0);
    store_put(&s, "{\"id\":\"b\",\"owner\":\"x\"}");
    store_put(&s, "{\"id\":\"b\",\"owner\":\"y\"}"); /* number 5 */
    CHECK_INT(store_sql_int(&s, "SELECT until FROM was"), 5);
    while (replica__master_purge(s.db, DAY, &at, &test_err) > 0)
        ;
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM was"), 1);
    clock_pass(&clock, 2 * DAY);
    at = (struct replica__purge){ 0 };
    while (replica__master_purge(s.db, DAY, &at, &test_err) > 0)
        ;
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM was"), 0);
    CHECK_RC(replica__master_horizon(s.db, s.coll, &horizon, &test_err), 0);
    CHECK_INT(horizon, 5); /* who has not read so far is not told what was taken away */
}

TEST(a_wrong_call_purges_nothing)
{
    STORE s = deleted();

    CHECK_RC(replica_purge(NULL, NULL, 0, 0, NULL, &test_err), REPLICA_EINVAL);
    CHECK_RC(replica_purge(s.db, NULL, -1, 0, NULL, &test_err), REPLICA_EINVAL);
    CHECK_RC(replica_purge(s.db, NULL, 0, -1, NULL, &test_err), REPLICA_EINVAL);
    CHECK_INT(rows(&s), 1);
}

LONG_TEST(a_purge_survives_every_failure)
{
    STORE s = deleted_there(AT);

    for (int nth = 0, failed = 1; failed; nth++) {
        int64_t count = -1;

        fault_alloc(nth);
        int r = replica_purge(s.db, s.coll, 0, 0, &count, &test_err);
        failed = fault_stop();
        CHECK(r == 0 || (failed && r == REPLICA_ENOMEM));
        CHECK_INT(count, r == 0 ? 1 : -1);
        CHECK_INT(rows(&s), r == 0 ? 0 : 1);
        if (r == 0)
            break;
    }
    store_sound(&s);
}

/* What a client pushed and another one wrote over, with what access rules read. */
LONG_TEST(a_purge_of_a_file_that_serves_survives_every_failure)
{
    STORE s = deleted();
    struct replica__purge at = { 0 };

    CHECK_RC(replica__master_reads(s.coll, "[\"owner\"]", &test_err), 0);
    store_put(&s, "{\"id\":\"b\",\"owner\":\"x\"}");
    store_put(&s, "{\"id\":\"b\",\"owner\":\"y\"}");
    store_put(&s, "{\"id\":\"z\",\"n\":2}");
    store_sql(&s, "INSERT INTO token(text) VALUES('client');"
                  "INSERT INTO taken(doc, token, wseq)"
                  " SELECT d.number, t.id, 7 FROM doc d, token t"
                  " WHERE d.id = 'a' AND t.text = 'client'");
    clock_pass(&clock, DAY);
    for (int nth = 0, failed = 1, r = 1; failed || r > 0; nth++) {
        fault_alloc(nth);
        r = replica__master_purge(s.db, 0, &at, &test_err);
        failed = fault_stop();
        CHECK(r >= 0 || (failed && r == REPLICA_ENOMEM));
    }
    CHECK_INT(rows(&s), 0);
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM was"), 0);
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM taken"), 0);
    CHECK_INT(store_sql_int(&s, "SELECT purged FROM token WHERE text = 'client'"), 7);
    store_sound(&s);
}
