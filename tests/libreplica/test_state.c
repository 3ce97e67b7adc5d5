/* Rows of state: when a base is kept, and for whom. */
#include "libreplica/replication/state.h"
#include "tests/support/store.h"
#include "tests/support/test.h"

#define A1 "{\"id\":\"a\",\"n\":1}"
#define A2 "{\"id\":\"a\",\"n\":2}"
#define A3 "{\"id\":\"a\",\"n\":3}"

TEST(the_first_write_over_a_clean_document_keeps_its_base_and_later_ones_do_not)
{
    STORE s = store_empty();
    PAGE page = { 0 };

    store_replicate(&s, "r1");
    store_clean(&s, A1, 5);
    store_put(&s, A2);
    store_put(&s, A3);
    store_delete(&s, "a");
    store_put(&s, A3);
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM kept"), 1);
    CHECK_INT(store_push(&s, &page), 1);
    CHECK_STR(page.rows[0].assumed, A1);
    CHECK_INT(page.rows[0].assumed_sequence, 5);
    CHECK_STR(page.rows[0].assumed_incarnation, "inc");
    CHECK_STR(page.rows[0].json, A3);
    store_sound(&s);
}

TEST(a_failed_write_keeps_no_base)
{
    STORE s = store_empty();

    store_replicate(&s, "r1");
    store_clean(&s, A1, 5);
    CHECK_RC(replica_put(s.coll, A2, REPLICA_NUL, NULL, NULL, NULL, &test_err), REPLICA_ECONFLICT);
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM kept"), 0);
    CHECK_INT(store_state(&s, "a"), REPLICA_DOC_IN_SYNC);
}

TEST(a_base_that_is_a_tombstone_is_kept_as_one)
{
    STORE s = store_empty();
    struct come doc = { .json = A1, .sequence = 5, .deleted = true };
    PAGE page = { 0 };

    store_replicate(&s, "r1");
    CHECK_RC(store_pull(&s, NULL, &doc, 1), 0);
    store_put(&s, A2);
    CHECK_INT(store_push(&s, &page), 1);
    CHECK(page.rows[0].assumed_deleted);
    CHECK(!page.rows[0].deleted);
}

TEST(a_deletion_is_pushed_with_its_text_and_its_base)
{
    STORE s = store_empty();
    PAGE page = { 0 };

    store_replicate(&s, "r1");
    store_clean(&s, A1, 5);
    store_delete(&s, "a");
    CHECK_INT(store_push(&s, &page), 1);
    CHECK(page.rows[0].deleted);
    CHECK_STR(page.rows[0].json, A1);
    CHECK_STR(page.rows[0].assumed, A1);
    CHECK(!page.rows[0].assumed_deleted);
}

TEST(equal_bases_of_two_replications_are_stored_once)
{
    STORE s = store_empty();

    store_replicate(&s, "r1");
    store_clean(&s, A1, 5);
    store_replicate(&s, "r2");
    store_push_all(&s, 70);
    store_put(&s, A2);
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM kept"), 1);
    CHECK_INT(store_sql_int(&s, "SELECT refs FROM kept"), 2);
    store_sound(&s);
}

TEST(what_one_replication_pulled_is_a_local_write_to_another)
{
    STORE s = store_empty();
    PAGE page = { 0 };

    store_replicate(&s, "r2");
    store_clean(&s, A1, 50);
    store_replicate(&s, "r1");
    CHECK_INT(store_push(&s, &page), 1);
    CHECK_STR(page.rows[0].json, A1);
    CHECK_RC(store_judge(&s, &page, REPLICA_VERDICT_TAKEN, 5, NULL), 0);
    store_clean(&s, A2, 6); /* r1 is clean; for r2 this is a write over a clean document */
    store_replicate(&s, "r2");
    CHECK_INT(store_push(&s, &page), 1);
    CHECK_STR(page.rows[0].json, A2);
    CHECK_STR(page.rows[0].assumed, A1);
    CHECK_INT(page.rows[0].assumed_sequence, 50);
    store_sound(&s);
}

TEST(without_replications_nothing_is_kept)
{
    STORE s = store_with(A1);

    store_put(&s, A2);
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM kept"), 0);
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM state"), 0);
}

TEST(another_handle_keeps_the_base_too)
{
    STORE s = store_empty();
    STORE other = store_open(s.path, NULL);

    store_put(&other, "{\"id\":\"x\"}"); /* it has looked before there was a replication */
    store_replicate(&s, "r1");
    store_clean(&s, A1, 5);
    store_put(&other, A2);
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM kept"), 1);
    CHECK_INT(store_state(&s, "a"), REPLICA_DOC_DIRTY);
}

TEST(twenty_replications_each_keep_what_they_need)
{
    STORE s = store_with(A1);
    char name[8] = "r?";

    for (int i = 0; i < 20; i++) {
        name[1] = (char)('a' + i);
        store_replicate(&s, name);
        store_push_all(&s, 5);
    }
    store_put(&s, A2);
    CHECK_INT(store_sql_int(&s, "SELECT refs FROM kept"), 20);
    store_sound(&s);
}

TEST(kept_states_go_with_their_last_reference)
{
    STORE s = store_empty();

    store_replicate(&s, "r1");
    store_clean(&s, A1, 5);
    store_put(&s, A2);
    store_push_all(&s, 6);
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM kept"), 0);
    CHECK_INT(store_state(&s, "a"), REPLICA_DOC_IN_SYNC);
}
