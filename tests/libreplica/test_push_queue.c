/* What goes out: which rows, in which order, again after a restart, and with which operation. */
#include "base/buf.h"
#include "tests/support/store.h"
#include "tests/support/test.h"

#include <sqlite3.h>
#include <stdio.h>

#define A1 "{\"id\":\"a\",\"n\":1}"
#define A2 "{\"id\":\"a\",\"n\":2}"
#define A3 "{\"id\":\"a\",\"n\":3}"

static struct store with_dirty(int n)
{
    struct store s = store_empty();

    for (int i = 0; i < n; i++) {
        char text[40];

        snprintf(text, sizeof text, "{\"id\":\"k%03d\"}", i);
        store_put(&s, text);
    }
    store_replicate(&s, "r1");
    return s;
}

TEST(dirty_documents_go_out_in_the_order_of_their_writes)
{
    STORE s = with_dirty(3);
    PAGE page = { 0 };

    store_put(&s, "{\"id\":\"k000\",\"n\":2}");
    CHECK_INT(store_push(&s, &page), 3);
    CHECK_STR(page.rows[0].id, "k001");
    CHECK_STR(page.rows[1].id, "k002");
    CHECK_STR(page.rows[2].id, "k000");
    CHECK(page.rows[0].coll == s.coll);
    CHECK_INT(page.rows[0].coll_index, 0);
    CHECK(!page.rows[0].again);
    CHECK(!page.rows[0].assumed);
    CHECK_STR(page.rows[0].assumed_incarnation, NULL);
    CHECK_STR(page.rows[2].operation, strchr(store_rev(&s, "k000"), '-') + 1);
}

TEST(nothing_dirty_is_0)
{
    STORE s = with_dirty(0);
    PAGE page = { 0 };

    CHECK_INT(store_push(&s, &page), 0);
    CHECK(!page.rows);
}

TEST(what_is_in_a_page_is_not_in_the_next_one)
{
    STORE s = with_dirty(5);
    PAGE first = { 0 };
    PAGE second = { 0 };
    PAGE third = { 0 };

    CHECK_RC(replica__push_next(s.repl, 0, 3, 1 << 20, &first, &test_err), 1);
    CHECK_RC(replica__push_next(s.repl, 0, 3, 1 << 20, &second, &test_err), 1);
    CHECK_RC(replica__push_next(s.repl, 0, 3, 1 << 20, &third, &test_err), 0);
    CHECK_INT(first.n, 3);
    CHECK(first.more);
    CHECK_INT(second.n, 2);
    CHECK_STR(second.rows[0].id, "k003");
    CHECK_RC(store_judge(&s, &first, REPLICA_VERDICT_TAKEN, 1, NULL), 0);
    CHECK_INT(store_state(&s, "k000"), REPLICA_DOC_IN_SYNC);
    CHECK_INT(store_state(&s, "k004"), REPLICA_DOC_SENT);
    CHECK_RC(store_judge(&s, &second, REPLICA_VERDICT_TAKEN, 4, NULL), 0);
    CHECK_RC(replica__replication_pending(s.repl, &test_err), 0);
    CHECK_INT(store_sql_int(&s, "SELECT sent_to FROM feed"), 0);
}

TEST(a_page_ends_at_about_so_many_bytes_and_has_at_least_one_row)
{
    STORE s = with_dirty(50);
    PAGE page = { 0 };

    CHECK_RC(replica__push_next(s.repl, 0, 100, 60, &page, &test_err), 1);
    CHECK_INT(page.n, 4); /* 13 bytes of text and 4 of key each */
    CHECK(page.more);
    replica__push_page_free(&page);
    CHECK_RC(replica__push_next(s.repl, 0, 100, 1, &page, &test_err), 1);
    CHECK_INT(page.n, 1);
}

TEST(before_a_page_leaves_it_is_durable_that_it_is_under_way)
{
    STORE s = with_dirty(2);
    PAGE page = { 0 };

    CHECK_INT(store_push(&s, &page), 2);
    CHECK_INT(store_sql_int(&s, "SELECT sent_to FROM feed"), 2);
    CHECK_INT(store_state(&s, "k001"), REPLICA_DOC_SENT);
}

TEST(after_a_restart_in_the_middle_the_rows_come_again_with_the_same_operations)
{
    STORE s = with_dirty(3);
    PAGE page = { 0 };
    char operations[3][96];

    CHECK_INT(store_push(&s, &page), 3);
    for (int i = 0; i < 3; i++)
        strcpy(operations[i], page.rows[i].operation);
    store_reopen(&s);
    store_put(&s, "{\"id\":\"new\"}");
    CHECK_INT(store_push(&s, &page), 4);
    for (int i = 0; i < 3; i++) {
        CHECK(page.rows[i].again);
        CHECK_STR(page.rows[i].operation, operations[i]);
    }
    CHECK(!page.rows[3].again);
    CHECK_STR(page.rows[3].id, "new");
}

TEST(a_pass_begins_with_what_has_no_verdict_yet)
{
    STORE s = with_dirty(2);
    PAGE page = { 0 };

    CHECK_INT(store_push(&s, &page), 2);
    store_put(&s, "{\"id\":\"new\"}");
    CHECK_INT(store_push_again(&s, &page), 3);
    CHECK(page.rows[0].again);
    CHECK(page.rows[1].again);
    CHECK(!page.rows[2].again);
}

TEST(a_write_over_a_document_under_way_keeps_the_state_that_was_sent)
{
    STORE s = store_with(A1);
    PAGE page = { 0 };
    char operation[96];

    store_replicate(&s, "r1");
    CHECK_INT(store_push(&s, &page), 1);
    strcpy(operation, page.rows[0].operation);
    store_put(&s, A2);
    store_put(&s, A3);
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM kept"), 1);
    CHECK_INT(store_state(&s, "a"), REPLICA_DOC_DIRTY);
    store_reopen(&s);
    CHECK_INT(store_push(&s, &page), 1); /* what was sent is asked about first */
    CHECK(page.rows[0].again);
    CHECK_STR(page.rows[0].json, A1);
    CHECK_STR(page.rows[0].operation, operation);
    CHECK_RC(store_judge(&s, &page, REPLICA_VERDICT_ALREADY, 5, NULL), 0);
    CHECK_INT(store_push_again(&s, &page), 1);
    CHECK(!page.rows[0].again);
    CHECK_STR(page.rows[0].json, A3);
    CHECK_STR(page.rows[0].assumed, A1);
    CHECK_INT(page.rows[0].assumed_sequence, 5);
    CHECK(strcmp(page.rows[0].operation, operation) != 0);
    store_sound(&s);
}

TEST(what_was_sent_goes_again_with_the_base_that_it_had)
{
    STORE s = store_empty();
    PAGE page = { 0 };

    store_replicate(&s, "r1");
    store_clean(&s, A1, 5);
    store_put(&s, A2);
    CHECK_INT(store_push(&s, &page), 1);
    store_put(&s, A3);
    store_reopen(&s);
    CHECK_INT(store_push(&s, &page), 1);
    CHECK_STR(page.rows[0].json, A2);
    CHECK_STR(page.rows[0].assumed, A1);
    CHECK_INT(page.rows[0].assumed_sequence, 5);
    CHECK(page.rows[0].again);
    store_sound(&s);
}

TEST(a_row_that_is_out_does_not_go_out_twice_in_one_pass)
{
    STORE s = store_with(A1);
    PAGE first = { 0 };
    PAGE second = { 0 };

    store_replicate(&s, "r1");
    CHECK_INT(store_push(&s, &first), 1);
    store_put(&s, A2); /* while the page is out */
    CHECK_INT(store_push(&s, &second), 0);
    CHECK_RC(store_judge(&s, &first, REPLICA_VERDICT_TAKEN, 5, NULL), 0);
    CHECK_INT(store_push_again(&s, &second), 1);
    CHECK_STR(second.rows[0].json, A2);
    CHECK_STR(second.rows[0].assumed, A1);
}

TEST(a_bundle_is_named_in_its_rows)
{
    STORE s = store_empty();
    replica_bundle *bundle = NULL;
    PAGE page = { 0 };

    store_replicate(&s, "r1");
    CHECK_RC(replica_bundle_begin(s.db, &bundle, &test_err), 0);
    CHECK_RC(replica_bundle_put(bundle, s.coll, A1, REPLICA_NUL, NULL, &test_err), 0);
    CHECK_RC(replica_bundle_put(bundle, s.coll, "{\"id\":\"b\"}", REPLICA_NUL, NULL, &test_err), 0);
    CHECK_RC(replica_bundle_commit(bundle, NULL, &test_err), 0);
    CHECK_INT(store_push(&s, &page), 2);
    CHECK_STR(page.rows[0].bundle, page.rows[0].operation); /* the name of its first write */
    CHECK_STR(page.rows[1].bundle, page.rows[0].bundle);
}

TEST(rows_of_several_collections_share_one_feed_in_order)
{
    STORE s = store_with(A1);
    replica_collection *tasks = NULL, *colls[2];
    PAGE page = { 0 };
    bool same;

    CHECK_RC(replica_db_collection(s.db, "tasks", NULL, &tasks, &test_err), 0);
    CHECK_RC(replica_put(tasks, "{\"id\":\"t\"}", REPLICA_NUL, NULL, NULL, NULL, &test_err), 0);
    store_put(&s, "{\"id\":\"b\"}");
    colls[0] = s.coll;
    colls[1] = tasks;
    CHECK_RC(replica__replication_open(s.db, "r1", colls, 2, &s.repl, &test_err), 0);
    CHECK_RC(replica__lease_take(s.repl, &same, &test_err), 1);
    CHECK_RC(replica__replication_feeds(s.repl, true, &test_err), 1);
    CHECK_INT(store_push(&s, &page), 3);
    CHECK_STR(page.rows[0].id, "a");
    CHECK_STR(page.rows[1].id, "t");
    CHECK_INT(page.rows[1].coll_index, 1);
    CHECK_STR(page.rows[2].id, "b");
    replica__push_page_free(&page);
    CHECK_RC(replica__replication_feeds(s.repl, false, &test_err), 2);
    CHECK_RC(replica__push_next(s.repl, 1, 10, 1000, &page, &test_err), 1);
    CHECK_INT(page.n, 1);
    CHECK_STR(page.rows[0].id, "t");
    CHECK_INT(page.rows[0].coll_index, 0);
}

TEST(small_pages_pass_everything_once)
{
    STORE s = with_dirty(100);
    int seen = 0;

    for (;;) {
        PAGE page = { 0 };

        if (replica__push_next(s.repl, 0, 7, 1 << 20, &page, &test_err) <= 0)
            break;
        for (size_t i = 0; i < page.n; i++, seen++) {
            char id[16];

            snprintf(id, sizeof id, "k%03d", seen);
            CHECK_STR(page.rows[i].id, id);
        }
        CHECK_RC(store_judge(&s, &page, REPLICA_VERDICT_TAKEN, seen + 1, NULL), 0);
    }
    CHECK_INT(seen, 100);
    CHECK_RC(replica__replication_pending(s.repl, &test_err), 0);
}

TEST(a_pass_that_finds_nothing_under_way_any_more_forgets_the_range)
{
    STORE s = store_empty();
    PAGE page = { 0 };

    store_replicate(&s, "r1");
    store_clean(&s, A1, 5);
    store_put(&s, A2);
    CHECK_INT(store_push(&s, &page), 1);
    CHECK_RC(store_judge(&s, &page, REPLICA_VERDICT_REFUSED, 0, NULL), 0);
    store_reopen(&s);
    CHECK_INT(store_push(&s, &page), 0);
    CHECK_INT(store_sql_int(&s, "SELECT sent_to > sent_from FROM feed"), 0);
}

TEST(a_row_under_way_whose_server_state_came_first_is_asked_about_after_a_restart)
{
    STORE s = store_with(A1);
    PAGE page = { 0 };

    store_replicate(&s, "r1");
    CHECK_INT(store_push(&s, &page), 1);
    CHECK_INT(store_pull_one(&s, A2, 9), REPLICA__PULLED_UNSETTLED);
    store_reopen(&s);
    CHECK_INT(store_push_again(&s, &page), 1);
    CHECK(page.rows[0].again);
    CHECK_STR(page.rows[0].json, A1);
    CHECK_RC(store_judge(&s, &page, REPLICA_VERDICT_ALREADY, 0, NULL), 0);
    QUESTION u = store_question(&s);
    CHECK(u.clean);
    CHECK_STR(replica_doc_json(u.real, NULL), A2);
}

TEST(where_nothing_is_to_be_pushed_no_lock_is_needed)
{
    STORE s = with_dirty(1);
    PAGE page = { 0 };
    sqlite3 *other = NULL;

    store_push_all(&s, 1);
    CHECK_INT(store_push_again(&s, &page), 0);
    replica__db_set_busy(s.db, 0);
    CHECK(sqlite3_open(s.path, &other) == SQLITE_OK);
    CHECK(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL) == SQLITE_OK);
    CHECK_INT(store_push_again(&s, &page), 0);
    CHECK(sqlite3_exec(other, "ROLLBACK", NULL, NULL, NULL) == SQLITE_OK);
    store_put(&s, "{\"id\":\"new\"}");
    CHECK(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL) == SQLITE_OK);
    CHECK_RC(store_push_again(&s, &page), REPLICA_EBUSY);
    sqlite3_close(other);
    CHECK_INT(store_push_again(&s, &page), 1);
}
