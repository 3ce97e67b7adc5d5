/* The conflict log: what was superseded, and bringing it back. */
#include "tests/support/store.h"
#include "tests/support/test.h"

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
