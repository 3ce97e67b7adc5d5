/* Replications: their rows, feeds, collections, and removing them. */
#include "base/buf.h"
#include "libreplica/replication/replication.h"
#include "tests/support/store.h"
#include "tests/support/test.h"

#define A1 "{\"id\":\"a\",\"n\":1}"
#define A2 "{\"id\":\"a\",\"n\":2}"

static void open_over(struct store *s, replica_collection *const *colls, size_t n, bool one_feed)
{
    bool same;

    replica__replication_close(s->repl);
    s->repl = NULL;
    CHECK_RC(replica__replication_open(s->db, "r1", colls, n, &s->repl, &test_err), 0);
    CHECK_RC(replica__lease_take(s->repl, &same, &test_err), 1);
    CHECK_RC(replica__replication_feeds(s->repl, one_feed, &test_err), one_feed ? 1 : (int)n);
}

TEST(a_replication_is_known_by_its_name_over_restarts)
{
    STORE s = store_with(A1);
    bool one_feed = false;

    store_replicate(&s, "r1");
    store_push_all(&s, 5);
    store_reopen(&s);
    CHECK_INT(store_state(&s, "a"), REPLICA_DOC_IN_SYNC);
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM replication"), 1);
    CHECK_RC(replica__replication_mode(s.repl, &one_feed), 1);
    CHECK(one_feed);
}

TEST(a_replication_that_was_never_told_has_no_mode)
{
    STORE s = store_empty();
    bool one_feed = false;

    CHECK_RC(replica__replication_open(s.db, "r1", &s.coll, 1, &s.repl, &test_err), 0);
    CHECK_RC(replica__replication_mode(s.repl, &one_feed), 0);
}

TEST(each_feed_has_its_collections_and_checkpoint)
{
    STORE s = store_empty();
    replica_collection *colls[2] = { s.coll, NULL };
    replica_collection *const *of_feed = NULL;

    CHECK_RC(replica_db_collection(s.db, "tasks", NULL, &colls[1], &test_err), 0);
    open_over(&s, colls, 2, false);
    CHECK_INT(replica__feed_collections(s.repl, 1, &of_feed), 1);
    CHECK(of_feed[0] == colls[1]);
    CHECK_RC(replica__pull_apply(s.repl, 1, NULL, 0, NULL, "second", &test_err), 0);
    CHECK_STR(replica__feed_checkpoint(s.repl, 0), NULL);
    open_over(&s, colls, 2, false);
    CHECK_STR(replica__feed_checkpoint(s.repl, 1), "second");
    open_over(&s, colls, 2, true); /* a change of mode forgets them */
    CHECK_INT(replica__feed_collections(s.repl, 0, &of_feed), 2);
    CHECK_STR(replica__feed_checkpoint(s.repl, 0), NULL);
}

TEST(a_change_of_mode_does_not_forget_what_is_under_way)
{
    STORE s = store_with(A1);
    PAGE page = { 0 };

    open_over(&s, &s.coll, 1, false);
    CHECK_INT(store_push(&s, &page), 1);
    open_over(&s, &s.coll, 1, true);
    store_put(&s, A2);
    CHECK_INT(store_push_again(&s, &page), 1);
    CHECK(page.rows[0].again);
    CHECK_STR(page.rows[0].json, A1);
    store_sound(&s);
}

TEST(a_collection_that_joins_later_is_pushed_and_pulled_from_the_beginning)
{
    STORE s = store_with(A1);
    replica_collection *colls[2] = { s.coll, NULL };
    PAGE page = { 0 };

    CHECK_RC(replica_db_collection(s.db, "tasks", NULL, &colls[1], &test_err), 0);
    CHECK_RC(replica_put(colls[1], "{\"id\":\"t\"}", REPLICA_NUL, NULL, NULL, NULL, &test_err), 0);
    store_put(&s, A2);
    open_over(&s, colls, 1, true);
    store_push_all(&s, 5);
    CHECK_RC(store_pull(&s, "5.inc", NULL, 0), 0);
    open_over(&s, colls, 2, true);
    CHECK_STR(replica__feed_checkpoint(s.repl, 0), NULL);
    CHECK_INT(store_push_again(&s, &page), 1);
    CHECK_STR(page.rows[0].id, "t");
}

TEST(a_collection_that_left_and_joins_again_is_pushed_too)
{
    STORE s = store_with(A1);
    replica_collection *colls[2] = { s.coll, NULL };
    PAGE page = { 0 };

    CHECK_RC(replica_db_collection(s.db, "tasks", NULL, &colls[1], &test_err), 0);
    open_over(&s, colls, 2, true);
    store_push_all(&s, 5);
    open_over(&s, colls, 1, true);
    CHECK_RC(replica_put(colls[1], "{\"id\":\"t\"}", REPLICA_NUL, NULL, NULL, NULL, &test_err), 0);
    store_put(&s, A2);
    store_push_all(&s, 6);
    open_over(&s, colls, 2, true);
    CHECK_INT(store_push_again(&s, &page), 1);
    CHECK_STR(page.rows[0].id, "t");
}

TEST(a_removed_replication_leaves_nothing_behind)
{
    STORE s = store_empty();
    PAGE page = { 0 };

    store_replicate(&s, "r1");
    store_clean(&s, A1, 5);
    store_put(&s, A2);
    CHECK_INT(store_push(&s, &page), 1);
    store_put(&s, A1);
    CHECK_INT(store_pull_one(&s, A2, 9), REPLICA__PULLED_UNSETTLED);
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM kept"), 3);
    replica__replication_close(s.repl);
    s.repl = NULL;
    CHECK_RC(replica__replication_remove(s.db, "r1", &test_err), 1);
    CHECK_RC(replica__replication_remove(s.db, "r1", &test_err), 0);
    CHECK_INT(store_sql_int(&s, "SELECT (SELECT count(*) FROM kept) + (SELECT count(*) FROM state)"
                                " + (SELECT count(*) FROM feed) + (SELECT count(*) FROM aside)"
                                " + (SELECT count(*) FROM replication_collection)"), 0);
    CHECK_STR(store_json(&s, "a"), A1);
    store_sound(&s);
}
