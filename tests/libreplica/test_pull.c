/* Pulled pages: documents and checkpoint together, and what becomes of each document. */
#include "base/buf.h"
#include "libreplica/replication/replication.h"
#include "tests/support/fault.h"
#include "tests/support/store.h"
#include "tests/support/test.h"

#include <sqlite3.h>
#include <stdio.h>

#define A1 "{\"id\":\"a\",\"n\":1}"
#define A2 "{\"id\":\"a\",\"n\":2}"
#define A3 "{\"id\":\"a\",\"n\":3}"

TEST(a_pulled_document_is_written_and_clean)
{
    STORE s = store_replicated();

    CHECK_INT(store_pull_one(&s, A1, 5), REPLICA__PULLED_WRITTEN);
    CHECK_STR(store_json(&s, "a"), A1);
    CHECK_INT(store_state(&s, "a"), REPLICA_DOC_IN_SYNC);
    CHECK_RC(replica__replication_pending(s.repl, &test_err), 0);
    store_sound(&s);
}

TEST(a_document_in_sync_costs_no_text)
{
    STORE s = store_replicated();

    store_clean(&s, A1, 5);
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM kept"), 0);
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM state"), 1);
}

TEST(a_pulled_state_is_a_write_with_a_local_revision_and_its_own_writer)
{
    STORE s = store_replicated();
    struct come doc = { .json = A1, .sequence = 5, .writer = "0123456789abcdef.77",
        .stamp = 99 << 16 };

    store_put(&s, "{\"id\":\"b\"}");
    CHECK_RC(store_pull(&s, NULL, &doc, 1), 0);
    CHECK(strncmp(store_rev(&s, "a"), "1-", 2) == 0);
    CHECK_STR(strchr(replica_doc_rev(s.shown), '.'), ".2");
    CHECK_STR(replica_doc_writer(s.shown), "0123456789abcdef.77");
    CHECK_INT(replica_doc_time(s.shown), 99);
    CHECK_INT(replica_doc_sequence(s.shown), 2);
}

TEST(the_checkpoint_commits_with_the_documents)
{
    STORE s = store_replicated();
    struct come doc = { .json = A1, .sequence = 5 };

    CHECK_STR(replica__feed_checkpoint(s.repl, 0), NULL);
    CHECK_RC(store_pull(&s, "5.inc", &doc, 1), 0);
    CHECK_STR(replica__feed_checkpoint(s.repl, 0), "5.inc");
    CHECK_RC(store_pull(&s, NULL, NULL, 0), 0); /* NULL leaves it */
    store_reopen(&s);
    CHECK_STR(replica__feed_checkpoint(s.repl, 0), "5.inc");
    CHECK_RC(replica__feed_reset(s.repl, 0, &test_err), 0);
    CHECK_STR(replica__feed_checkpoint(s.repl, 0), NULL);
    store_reopen(&s);
    CHECK_STR(replica__feed_checkpoint(s.repl, 0), NULL);
}

TEST(a_page_that_fails_moves_neither_documents_nor_checkpoint)
{
    STORE s = store_replicated();
    struct come docs[] = { { .json = A1, .sequence = 5 }, { .json = "{\"id\":\"b\"}",
        .sequence = 6 } };

    fault_io_from(FAULT_WRITE, 0, SQLITE_FULL);
    CHECK_RC(store_pull(&s, "6.inc", docs, 2), REPLICA_EFULL);
    fault_stop();
    CHECK(!store_json(&s, "a"));
    CHECK_STR(replica__feed_checkpoint(s.repl, 0), NULL);
    CHECK_RC(store_pull(&s, "6.inc", docs, 2), 0);
    CHECK(store_json(&s, "b"));
}

TEST(a_pulled_state_replaces_a_clean_one)
{
    STORE s = store_replicated();

    store_clean(&s, A1, 5);
    CHECK_INT(store_pull_one(&s, A2, 6), REPLICA__PULLED_WRITTEN);
    CHECK_STR(store_json(&s, "a"), A2);
    CHECK_INT(store_state(&s, "a"), REPLICA_DOC_IN_SYNC);
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM kept"), 0);
}

TEST(a_pulled_tombstone_deletes_a_clean_document)
{
    STORE s = store_replicated();
    struct come doc = { .json = A1, .sequence = 6, .deleted = true };

    store_clean(&s, A1, 5);
    CHECK_RC(store_pull(&s, NULL, &doc, 1), 0);
    CHECK_INT(doc.outcome, REPLICA__PULLED_WRITTEN);
    CHECK(!store_json(&s, "a"));
    CHECK_INT(store_state(&s, "a"), REPLICA_DOC_IN_SYNC);
}

TEST(deleted_in_the_text_counts_and_reserved_names_are_cut_out)
{
    STORE s = store_replicated();

    CHECK_INT(store_pull_one(
                  &s, "{\"id\":\"a\",\"_rev\":\"1\", \"n\":1,\"_deleted\":false,\"_meta\":{}}", 5),
              REPLICA__PULLED_WRITTEN);
    CHECK_STR(store_json(&s, "a"), "{\"id\":\"a\", \"n\":1}");
    CHECK_INT(store_pull_one(&s, "{\"id\":\"a\",\"_deleted\":true}", 6), REPLICA__PULLED_WRITTEN);
    CHECK(!store_json(&s, "a"));
    store_sound(&s);
}

TEST(a_dirty_document_is_never_written_over)
{
    STORE s = store_replicated();

    store_clean(&s, A1, 5);
    store_put(&s, A2);
    CHECK_INT(store_pull_one(&s, A3, 6), REPLICA__PULLED_UNSETTLED);
    CHECK_STR(store_json(&s, "a"), A2);
    CHECK_INT(store_state(&s, "a"), REPLICA_DOC_UNSETTLED);
    QUESTION u = store_question(&s);
    CHECK_STR(replica_doc_json(u.assumed, NULL), A1);
    CHECK_STR(replica_doc_json(u.real, NULL), A3);
    CHECK_STR(replica_doc_json(u.local, NULL), A2);
    store_sound(&s);
}

TEST(a_document_that_was_never_replicated_is_dirty_and_has_no_base)
{
    STORE s = store_with(A2);

    store_replicate(&s, "r1");
    CHECK_INT(store_state(&s, "a"), REPLICA_DOC_DIRTY);
    CHECK_INT(store_pull_one(&s, A3, 6), REPLICA__PULLED_UNSETTLED);
    QUESTION u = store_question(&s);
    CHECK(!u.assumed);
    CHECK(!u.clean);
}

TEST(the_newest_unsettled_state_counts)
{
    STORE s = store_with(A1);

    store_replicate(&s, "r1");
    CHECK_INT(store_pull_one(&s, A2, 6), REPLICA__PULLED_UNSETTLED);
    CHECK_INT(store_pull_one(&s, A3, 7), REPLICA__PULLED_UNSETTLED);
    QUESTION u = store_question(&s);
    CHECK_STR(replica_doc_json(u.real, NULL), A3);
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM kept"), 1);
    store_sound(&s);
}

TEST(an_older_sequence_number_is_ignored)
{
    STORE s = store_replicated();

    store_clean(&s, A2, 6);
    CHECK_INT(store_pull_one(&s, A1, 5), REPLICA__PULLED_SAME);
    CHECK_INT(store_pull_one(&s, A1, 6), REPLICA__PULLED_SAME);
    CHECK_STR(store_json(&s, "a"), A2);
    store_put(&s, A3);
    CHECK_INT(store_pull_one(&s, A1, 5), REPLICA__PULLED_SAME);
    CHECK_INT(store_pull_one(&s, A1, 8), REPLICA__PULLED_UNSETTLED);
    CHECK_INT(store_pull_one(&s, A2, 7), REPLICA__PULLED_SAME); /* older than the unsettled one */
}

TEST(an_older_number_does_not_bring_a_deleted_document_back)
{
    STORE s = store_replicated();
    struct come doc = { .json = A1, .sequence = 9, .deleted = true };

    store_clean(&s, A1, 5);
    CHECK_RC(store_pull(&s, NULL, &doc, 1), 0);
    CHECK_INT(store_pull_one(&s, A2, 7), REPLICA__PULLED_SAME);
    CHECK(!store_json(&s, "a"));
}

TEST(the_echo_of_a_push_changes_nothing)
{
    STORE s = store_with(A1);
    int64_t before = 0, after = 0;

    store_replicate(&s, "r1");
    store_push_all(&s, 5);
    CHECK_INT(store_state(&s, "a"), REPLICA_DOC_IN_SYNC);
    CHECK_RC(replica_db_sequence(s.db, &before, &test_err), 0);
    CHECK_INT(store_pull_one(&s, A1, 5), REPLICA__PULLED_SAME);
    CHECK_RC(replica_db_sequence(s.db, &after, &test_err), 0);
    CHECK_INT(after, before);
}

TEST(the_echo_may_come_before_the_verdict)
{
    STORE s = store_with(A1);
    PAGE page = { 0 };

    store_replicate(&s, "r1");
    CHECK_INT(store_push(&s, &page), 1);
    CHECK_INT(store_pull_one(&s, A1, 5), REPLICA__PULLED_UNSETTLED);
    CHECK_RC(store_judge(&s, &page, REPLICA_VERDICT_TAKEN, 5, NULL), 0);
    CHECK_INT(store_state(&s, "a"), REPLICA_DOC_IN_SYNC);
    CHECK_RC(replica__replication_pending(s.repl, &test_err), 0);
    store_sound(&s);
}

TEST(a_newer_state_that_came_before_the_verdict_replaces_what_was_taken)
{
    STORE s = store_with(A1);
    PAGE page = { 0 };

    store_replicate(&s, "r1");
    CHECK_INT(store_push(&s, &page), 1);
    CHECK_INT(store_pull_one(&s, A2, 6), REPLICA__PULLED_UNSETTLED);
    CHECK_RC(store_judge(&s, &page, REPLICA_VERDICT_TAKEN, 5, NULL), 0);
    QUESTION u = store_question(&s);
    CHECK(u.clean);
    CHECK(store_settle(&s, &u, REPLICA__SETTLE_REAL, NULL, NULL));
    CHECK_STR(store_json(&s, "a"), A2);
    CHECK_INT(store_state(&s, "a"), REPLICA_DOC_IN_SYNC);
    store_sound(&s);
}

TEST(a_pulled_state_over_a_clean_document_ends_an_older_unsettled_one)
{
    STORE s = store_with(A1);
    PAGE page = { 0 };

    store_replicate(&s, "r1");
    CHECK_INT(store_push(&s, &page), 1);
    CHECK_INT(store_pull_one(&s, A2, 6), REPLICA__PULLED_UNSETTLED);
    CHECK_RC(store_judge(&s, &page, REPLICA_VERDICT_TAKEN, 5, NULL), 0);
    CHECK_INT(store_pull_one(&s, A3, 7), REPLICA__PULLED_WRITTEN);
    CHECK_STR(store_json(&s, "a"), A3);
    CHECK_RC(replica__replication_pending(s.repl, &test_err), 0);
    store_sound(&s);
}

TEST(without_numbers_the_same_content_keeps_our_spelling)
{
    STORE s = store_with("{\"id\":\"a\", \"n\":1.0,\"t\":\"\\u0041\"}");

    store_replicate(&s, "r1");
    store_push_all(&s, 0);
    CHECK_INT(store_pull_one(&s, "{\"t\":\"A\",\"id\":\"a\",\"n\":1}", 0), REPLICA__PULLED_SAME);
    CHECK_STR(store_json(&s, "a"), "{\"id\":\"a\", \"n\":1.0,\"t\":\"\\u0041\"}");
    CHECK_INT(store_pull_one(&s, "{\"t\":\"B\",\"id\":\"a\",\"n\":1}", 0), REPLICA__PULLED_WRITTEN);
}

TEST(one_page_may_bring_a_document_twice)
{
    STORE s = store_replicated();
    struct come docs[] = { { .json = A1, .sequence = 5 }, { .json = A2, .sequence = 6 } };

    CHECK_RC(store_pull(&s, "c", docs, 2), 0);
    CHECK_STR(store_json(&s, "a"), A2);
    CHECK_INT(store_state(&s, "a"), REPLICA_DOC_IN_SYNC);
}

/* ---- what cannot be applied ------------------------------------------------------ */

static int show_entry(void *ctx, const replica_rejected_entry *e)
{
    struct replica__buf *text = ctx;

    replica__buf_printf(text, "%s/%s %s %d %d %s|%.*s\n", e->collection, e->id, e->replication,
                        e->kind, e->code, e->reason, (int)e->text_len, e->text ? e->text : "");
    return 0;
}

TEST(what_cannot_be_a_document_here_is_set_aside_and_the_rest_is_applied)
{
    STORE s = store_replicated();
    REPLICA_BUF text = REPLICA_BUF_INIT;
    struct come docs[] = {
        { .json = "{\"id\":\"x\\u0000\",\"n\":1}", .sequence = 5 },
        { .json = "{\"noid\":1}", .sequence = 6 },
        { .json = "{\"broken", .sequence = 7, .problem = REPLICA_EJSON },
        { .json = "{\"nor\":\"I\"}", .sequence = 8 },
        { .json = A1, .sequence = 9 },
    };

    CHECK_RC(store_pull(&s, "9.inc", docs, 5), 0);
    for (int i = 0; i < 4; i++)
        CHECK_INT(docs[i].outcome, REPLICA__PULLED_ASIDE);
    CHECK_INT(docs[4].outcome, REPLICA__PULLED_WRITTEN);
    CHECK_RC(replica_rejected(s.db, s.coll, show_entry, &text, &test_err), 0);
    CHECK(strstr(text.data, "r1 2 -3"));
    CHECK(strstr(text.data, "|{\"noid\":1}"));
    CHECK(strstr(text.data, "a problem|{\"broken"));
    CHECK(strstr(text.data, "|{\"nor\":\"I\"}")); /* each has an entry of its own */
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM aside"), 4);
    store_sound(&s);
}

TEST(a_document_that_comes_right_leaves_the_list)
{
    STORE s = store_replicated();
    struct come bad = { .json = A1, .sequence = 5, .problem = 0 };
    replica_db_options opts = REPLICA_DB_OPTIONS_INIT;

    opts.max_document = 17;
    STORE small = store_open(":memory:", &opts);
    store_replicate(&small, "r1");
    bad.json = "{\"id\":\"a\"}";
    CHECK_RC(store_pull(&small, NULL, &bad, 1), 0);
    CHECK_INT(bad.outcome, REPLICA__PULLED_WRITTEN);
    bad = (struct come){ .json = "{\"id\":\"b\\u0000\"}", .sequence = 5 };
    CHECK_RC(store_pull(&s, NULL, &bad, 1), 0);
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM aside"), 1);
}

/* ---- how much it costs ----------------------------------------------------------- */

static void pull_many(struct store *s, int n)
{
    char texts[100][120];
    struct come docs[100];

    for (int at = 0; at < n; at += 100) {
        for (int i = 0; i < 100; i++) {
            snprintf(texts[i], sizeof texts[i],
                     "{\"id\":\"document-%06d\",\"name\":\"some name of usual length\","
                     "\"lat\":48.13743,\"lng\":11.57549}", at + i);
            docs[i] = (struct come){ .json = texts[i], .sequence = at + i + 1 };
        }
        CHECK_RC(store_pull(s, "c", docs, 100), 0);
    }
}

TEST(the_mark_stays_at_the_head_while_pages_come)
{
    STORE s = store_replicated();

    pull_many(&s, 500);
    CHECK_INT(store_sql_int(&s, "SELECT mark FROM feed"), 500);
}

TEST(the_mark_does_not_pass_what_is_dirty)
{
    STORE s = store_replicated();
    PAGE page = { 0 };

    store_put(&s, "{\"id\":\"mine\"}");
    pull_many(&s, 100);
    CHECK_INT(store_sql_int(&s, "SELECT mark FROM feed"), 0);
    CHECK_INT(store_push(&s, &page), 1);
    CHECK_STR(page.rows[0].id, "mine");
}

TEST(pulled_documents_cost_little_more_than_their_texts)
{
    STORE s = store_replicated();
    int64_t replicated_size, raw;

    pull_many(&s, 5000);
    store_close(&s);
    store_sql(&s, "VACUUM; PRAGMA wal_checkpoint(TRUNCATE)");
    replicated_size = store_size(&s);
    store_sql(&s, "CREATE TABLE raw(id TEXT PRIMARY KEY, body TEXT);"
                  "INSERT INTO raw SELECT id, body FROM doc;"
                  "DELETE FROM state; DELETE FROM doc; VACUUM; PRAGMA wal_checkpoint(TRUNCATE)");
    raw = store_size(&s);
    CHECK(replicated_size < raw * 17 / 10);
}

/* ---- hints ----------------------------------------------------------------------- */

/* An event of a server without an order: it may be old.  Gives the outcome. */
static int hint(struct store *s, const char *json)
{
    struct replica__pulled doc;

    store_scan(s, &(struct come){ .json = json }, &doc);
    doc.hint = true;
    CHECK_RC(replica__pull_apply(s->repl, 0, &doc, 1, NULL, NULL, &test_err), 0);
    replica__free(doc.id);
    return doc.outcome;
}

TEST(a_hint_is_written_over_a_clean_document_and_over_none)
{
    STORE s = store_empty();

    store_replicate(&s, "r1");
    CHECK_INT(hint(&s, A1), REPLICA__PULLED_WRITTEN);
    CHECK_INT(hint(&s, A2), REPLICA__PULLED_WRITTEN);
    CHECK_STR(store_json(&s, "a"), A2);
    CHECK_INT(store_state(&s, "a"), REPLICA_DOC_IN_SYNC);
}

TEST(a_hint_about_a_document_that_is_dirty_or_under_way_is_passed_and_leaves_nothing)
{
    STORE s = store_empty();
    PAGE page = { 0 };
    struct replica__unsettled u = { 0 };

    store_replicate(&s, "r1");
    store_put(&s, A1);
    CHECK_INT(hint(&s, A2), REPLICA__PULLED_PASSED);
    CHECK_INT(store_push(&s, &page), 1);
    CHECK_INT(hint(&s, A2), REPLICA__PULLED_PASSED);
    CHECK_STR(store_json(&s, "a"), A1);
    CHECK_RC(replica__unsettled_next(s.repl, -1, &u, 1, &test_err), 0);
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM kept"), 0);
    CHECK_INT(store_pull_one(&s, A2, 0), REPLICA__PULLED_UNSETTLED); /* a page tells it for sure */
}
