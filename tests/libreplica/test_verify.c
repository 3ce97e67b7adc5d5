/* Single documents, as a server tells them, against what is stored. */
#include "base/alloc.h"
#include "tests/support/fault.h"
#include "tests/support/store.h"
#include "tests/support/test.h"

#include <stdio.h>

/* What the server says of a document: deleted with json NULL. */
static int verify(struct store *s, const char *id, const char *json, int64_t sequence, int repair)
{
    const struct replica__verify_how how = { "inc", 100, repair };
    struct replica__pulled doc;
    char only_key[64];
    int kind = -1, r;

    snprintf(only_key, sizeof only_key, "{\"id\":\"%s\"}", id);
    store_scan(s, &(struct come){ .json = json ? json : only_key, .sequence = sequence,
                                  .deleted = !json }, &doc);
    r = replica__verify(s->repl, 0, &doc, &how, &kind, &test_err);
    replica__free(doc.id);
    return r < 0 ? r : kind;
}
#define A "{\"id\":\"a\",\"v\":1}"

static struct store in_step(void)
{
    struct store s = store_empty();

    store_replicate(&s, "r1");
    if (!store_json(&s, "a")) /* the file is that of the test */
        store_clean(&s, A, 5);
    return s;
}

TEST(what_is_in_step_is_the_same)
{
    STORE s = in_step();

    CHECK_INT(verify(&s, "a", A, 5, 0), REPLICA__VERIFY_SAME);
    CHECK_INT(verify(&s, "a", A, 6, 0), REPLICA_VERIFY_STATE);
    CHECK_INT(verify(&s, "a", A, 4, 0), REPLICA_VERIFY_STATE);
    CHECK_INT(verify(&s, "a", "{\"id\":\"a\",\"v\":1 }", 5, 0), REPLICA_VERIFY_DIFFERENT);
    CHECK_INT(verify(&s, "a", NULL, 7, 0), REPLICA_VERIFY_MISSING_THERE);
    CHECK_INT(verify(&s, "a", NULL, 0, 0), REPLICA_VERIFY_MISSING_THERE);
    CHECK_INT(verify(&s, "b", "{\"id\":\"b\"}", 7, 0), REPLICA_VERIFY_MISSING_HERE);
    CHECK_INT(verify(&s, "b", NULL, 0, 0), REPLICA__VERIFY_SAME);
}

TEST(what_is_behind_the_checkpoint_is_yet_to_come)
{
    STORE s = in_step();

    CHECK_INT(verify(&s, "a", "{\"id\":\"a\",\"v\":2}", 101, 0), REPLICA__VERIFY_LATER);
    CHECK_INT(verify(&s, "b", "{\"id\":\"b\"}", 101, 0), REPLICA__VERIFY_LATER);
    CHECK_INT(verify(&s, "a", NULL, 101, 0), REPLICA__VERIFY_LATER);
}

TEST(what_waits_is_left_alone)
{
    STORE s = in_step();
    PAGE page = { 0 };

    store_put(&s, "{\"id\":\"a\",\"v\":\"mine\"}");
    CHECK_INT(verify(&s, "a", "{\"id\":\"a\",\"v\":2}", 6, REPLICA_REPAIR_HERE),
              REPLICA__VERIFY_PENDING);
    CHECK_INT(store_push(&s, &page), 1);
    CHECK_INT(verify(&s, "a", "{\"id\":\"a\",\"v\":2}", 6, REPLICA_REPAIR_HERE),
              REPLICA__VERIFY_PENDING);
    CHECK_STR(store_json(&s, "a"), "{\"id\":\"a\",\"v\":\"mine\"}");
}

TEST(an_edit_that_left_the_keys_before_it_was_sent_stays)
{
    STORE s = in_step();
    PAGE page = { 0 };

    store_put(&s, "{\"id\":\"a\",\"v\":\"mine\"}");
    CHECK_RC(replica__replication_about(s.repl, "b", NULL, &test_err), 0);
    CHECK_RC(replica__replication_feeds(s.repl, true, &test_err), 1);
    CHECK_INT(store_push(&s, &page), 0);
    CHECK_INT(verify(&s, "a", NULL, 0, REPLICA_REPAIR_HERE), REPLICA__VERIFY_SAME);
    CHECK_STR(store_json(&s, "a"), "{\"id\":\"a\",\"v\":\"mine\"}");
}

TEST(the_servers_state_is_written_and_ours_is_in_the_log)
{
    STORE s = in_step();

    CHECK_INT(verify(&s, "a", "{\"id\":\"a\",\"v\":2}", 6, REPLICA_REPAIR_HERE),
              REPLICA_VERIFY_DIFFERENT);
    CHECK_STR(store_json(&s, "a"), "{\"id\":\"a\",\"v\":2}");
    CHECK_INT(store_state(&s, "a"), REPLICA_DOC_IN_SYNC);
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM conflict_log l JOIN kept k ON k.id = l.local"
                                " WHERE k.body = '" A "' AND rule = 'verify'"), 1);
    CHECK_INT(verify(&s, "a", "{\"id\":\"a\",\"v\":2}", 6, 0), REPLICA__VERIFY_SAME);
    store_sound(&s);
}

TEST(ours_is_sent_over_the_servers_which_is_in_the_log)
{
    STORE s = in_step();
    PAGE page = { 0 };

    CHECK_INT(verify(&s, "a", "{\"id\":\"a\",\"v\":2}", 6, REPLICA_REPAIR_SERVER),
              REPLICA_VERIFY_DIFFERENT);
    CHECK_INT(store_push_again(&s, &page), 1);
    CHECK_STR(page.rows[0].json, A);
    CHECK_INT(page.rows[0].assumed_sequence, 6);
    CHECK(store_judge(&s, &page, REPLICA_VERDICT_TAKEN, 7, NULL) >= 0);
    CHECK_INT(verify(&s, "a", A, 7, 0), REPLICA__VERIFY_SAME);
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM conflict_log l JOIN kept k ON k.id = l.real"
                                " WHERE k.body LIKE '%2}'"), 1);
    store_sound(&s);
}

TEST(what_is_not_there_is_deleted_here_or_sent)
{
    STORE s = in_step();
    PAGE page = { 0 };

    store_clean(&s, "{\"id\":\"b\"}", 6);
    CHECK_INT(verify(&s, "a", NULL, 0, REPLICA_REPAIR_HERE), REPLICA_VERIFY_MISSING_THERE);
    CHECK_STR(store_json(&s, "a"), NULL);
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM conflict_log"), 1);
    CHECK_INT(verify(&s, "b", NULL, 0, REPLICA_REPAIR_SERVER), REPLICA_VERIFY_MISSING_THERE);
    CHECK_INT(store_push_again(&s, &page), 1);
    CHECK_STR(page.rows[0].id, "b");
    CHECK(!page.rows[0].assumed && !page.rows[0].assumed_sequence);
    CHECK(store_judge(&s, &page, REPLICA_VERDICT_TAKEN, 7, NULL) >= 0);
    store_sound(&s);
}

TEST(what_is_not_here_is_fetched_under_either_policy)
{
    STORE s = in_step();

    CHECK_INT(verify(&s, "b", "{\"id\":\"b\"}", 7, REPLICA_REPAIR_HERE),
              REPLICA_VERIFY_MISSING_HERE);
    CHECK_INT(verify(&s, "c", "{\"id\":\"c\"}", 8, REPLICA_REPAIR_SERVER),
              REPLICA_VERIFY_MISSING_HERE);
    CHECK_STR(store_json(&s, "b"), "{\"id\":\"b\"}");
    CHECK_STR(store_json(&s, "c"), "{\"id\":\"c\"}");
    CHECK_INT(store_state(&s, "c"), REPLICA_DOC_IN_SYNC);
}

TEST(a_document_that_no_replicating_leaves_so_is_found_here)
{
    STORE s = in_step();
    char *ids[4];

    CHECK_INT(replica__verify_odd(s.repl, 0, s.coll, NULL, ids, 4, &test_err), 0);
    store_push_all(&s, 10);
    store_sql(&s, "DELETE FROM state; UPDATE feed SET mark = 100");
    store_reopen(&s);
    CHECK_INT(replica__verify_odd(s.repl, 0, s.coll, NULL, ids, 4, &test_err), 1);
    CHECK_STR(ids[0], "a");
    replica__free(ids[0]);
    CHECK_INT(replica__verify_odd(s.repl, 0, s.coll, "a", ids, 4, &test_err), 0);
}

TEST(what_is_noted_of_no_document_goes)
{
    STORE s = in_step();

    store_sql(&s, "DELETE FROM doc");
    CHECK_INT(replica__verify_tidy(s.repl, &test_err), 0);
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM state"), 0);
}

static void fail_each_allocation(int repair)
{
    for (int nth = 0, failed = 1; failed; nth++) {
        STORE s = in_step();
        int r;

        fault_alloc(nth);
        r = verify(&s, "a", "{\"id\":\"a\",\"v\":2}", 6, repair);
        failed = fault_stop();
        CHECK(r == REPLICA_VERIFY_DIFFERENT || (failed && r == REPLICA_ENOMEM));
        CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM conflict_log"), r >= 0);
        store_sound(&s);
        if (r >= 0)
            break;
        CHECK_STR(store_json(&s, "a"), A);
    }
}

LONG_TEST(a_failed_allocation_writes_the_servers_state_or_nothing)
{
    fail_each_allocation(REPLICA_REPAIR_HERE);
}

LONG_TEST(a_failed_allocation_sends_ours_or_nothing)
{
    fail_each_allocation(REPLICA_REPAIR_SERVER);
}
