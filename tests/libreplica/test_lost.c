/* A server that lost its newest states: they are brought back, once. */
#include "base/buf.h"
#include "tests/support/store.h"
#include "tests/support/test.h"

#include <stdio.h>

#define A1 "{\"id\":\"a\",\"n\":1}"
#define A2 "{\"id\":\"a\",\"n\":2}"
#define A3 "{\"id\":\"a\",\"n\":3}"
#define B1 "{\"id\":\"b\",\"n\":1}"

/* a at 5, b at 9; the server lost what is above 7. */
static struct store lost(void)
{
    struct store s = store_empty();

    store_replicate(&s, "r1");
    store_clean(&s, A1, 5);
    store_clean(&s, B1, 9);
    CHECK_RC(store_pull(&s, "9.inc", NULL, 0), 0);
    CHECK_RC(replica__feed_lost(s.repl, 0, "inc", 7, "7.new", &test_err), 0);
    return s;
}

TEST(states_above_the_last_common_number_become_dirty_and_no_others)
{
    STORE s = lost();
    PAGE page = { 0 };

    CHECK_INT(store_state(&s, "a"), REPLICA_DOC_IN_SYNC);
    CHECK_INT(store_state(&s, "b"), REPLICA_DOC_DIRTY);
    CHECK_STR(replica__feed_checkpoint(s.repl, 0), "7.new");
    CHECK_INT(store_push_again(&s, &page), 1);
    CHECK_STR(page.rows[0].json, B1);
    store_sound(&s);
}

TEST(what_was_brought_back_is_brought_back_once)
{
    STORE s = lost();
    PAGE page = { 0 };

    store_push_all(&s, 8);
    CHECK_INT(store_state(&s, "b"), REPLICA_DOC_IN_SYNC);
    CHECK_RC(replica__feed_lost(s.repl, 0, "inc", 8, "8.new", &test_err), 0);
    CHECK_INT(store_push_again(&s, &page), 0);
    CHECK_RC(replica__replication_pending(s.repl, &test_err), 0);
    store_sound(&s);
}

TEST(numbers_of_a_lost_timeline_make_no_new_state_old)
{
    STORE s = lost();

    CHECK_INT(store_pull_one(&s, "{\"id\":\"b\",\"n\":4}", 8), REPLICA__PULLED_UNSETTLED);
}

TEST(an_edit_over_a_lost_state_keeps_its_base)
{
    STORE s = store_empty();
    PAGE page = { 0 };

    store_replicate(&s, "r1");
    store_clean(&s, A1, 9);
    store_put(&s, A2);
    CHECK_RC(replica__feed_lost(s.repl, 0, "inc", 7, NULL, &test_err), 0);
    CHECK_INT(store_push_again(&s, &page), 1);
    CHECK_STR(page.rows[0].json, A2);
    CHECK_STR(page.rows[0].assumed, A1);
    CHECK_INT(page.rows[0].assumed_sequence, 0);
    store_sound(&s);
}

TEST(an_unsettled_state_of_a_lost_timeline_makes_no_new_state_old)
{
    STORE s = store_with(A1);

    store_replicate(&s, "r1");
    CHECK_INT(store_pull_one(&s, A2, 9), REPLICA__PULLED_UNSETTLED);
    CHECK_RC(replica__feed_lost(s.repl, 0, "inc", 7, NULL, &test_err), 0);
    CHECK_INT(store_pull_one(&s, A3, 8), REPLICA__PULLED_UNSETTLED);
    QUESTION u = store_question(&s);
    CHECK_STR(replica_doc_json(u.real, NULL), A3);
    store_sound(&s);
}

TEST(after_a_wipe_everything_comes_back_in_many_transactions)
{
    STORE s = store_empty();
    struct replica__backlog b;

    store_replicate(&s, "r1");
    for (int at = 0; at < 1200; at += 100) {
        char texts[100][30];
        struct come docs[100];

        for (int i = 0; i < 100; i++) {
            snprintf(texts[i], sizeof texts[i], "{\"id\":\"k%d\"}", at + i);
            docs[i] = (struct come){ .json = texts[i], .sequence = at + i + 1 };
        }
        CHECK_RC(store_pull(&s, "c", docs, 100), 0);
    }
    CHECK_RC(replica__feed_lost(s.repl, 0, "", 0, NULL, &test_err), 0);
    CHECK_RC(replica__replication_backlog(s.repl, &b, &test_err), 0);
    CHECK_INT(b.dirty, 1200);
    CHECK_STR(replica__feed_checkpoint(s.repl, 0), NULL);
}

TEST(a_lost_state_that_is_on_its_way_again_is_kept_when_it_is_written_over)
{
    STORE s = lost();
    PAGE page = { 0 };

    CHECK_INT(store_push_again(&s, &page), 1);
    CHECK_STR(page.rows[0].json, B1);
    store_put(&s, "{\"id\":\"b\",\"n\":2}");
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM state WHERE base = sent"), 1); /* one text */
    store_sound(&s);
    CHECK_INT(store_push_again(&s, &page), 1); /* it is asked about first, */
    CHECK_STR(page.rows[0].json, B1);
    CHECK(page.rows[0].again);
    CHECK_RC(store_judge(&s, &page, REPLICA_VERDICT_TAKEN, 8, NULL), 0);
    CHECK_INT(store_push_again(&s, &page), 1); /* and the edit goes out over it */
    CHECK_STR(page.rows[0].json, "{\"id\":\"b\",\"n\":2}");
    CHECK_STR(page.rows[0].assumed, B1);
    CHECK_INT(page.rows[0].assumed_sequence, 8);
    store_sound(&s);
}

TEST(a_lost_state_that_is_not_on_its_way_is_only_the_base_of_what_is_written_over_it)
{
    STORE s = lost();
    PAGE page = { 0 };

    store_put(&s, "{\"id\":\"b\",\"n\":2}");
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM state WHERE base NOT NULL AND sent IS NULL"),
              1);
    CHECK_INT(store_push_again(&s, &page), 1);
    CHECK_STR(page.rows[0].json, "{\"id\":\"b\",\"n\":2}");
    CHECK(!page.rows[0].again);
}
