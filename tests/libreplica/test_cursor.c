/* Cursors: all in key order, and the change feed. */
#include "base/buf.h"
#include "tests/support/fault.h"
#include "tests/support/store.h"
#include "tests/support/test.h"

static void fill(struct store *s, int n)
{
    for (int i = 0; i < n; i++) {
        REPLICA_BUF text = REPLICA_BUF_INIT;

        replica__buf_printf(&text, "{\"id\":\"k%04d\"}", (i * 7) % n);
        store_put(s, text.data);
    }
}

/* The ids that are left, joined, up to room. */
static int walk(replica_cursor *cursor, char *ret_ids, size_t room)
{
    replica_doc *doc;
    int n = 0;
    int r;

    ret_ids[0] = '\0';
    while ((r = replica_cursor_next(cursor, &doc, &test_err)) > 0) {
        n++;
        if (strlen(ret_ids) + strlen(replica_doc_id(doc)) + 2 > room)
            continue;
        strcat(ret_ids, replica_doc_id(doc));
        strcat(ret_ids, replica_doc_deleted(doc) ? "- " : " ");
    }
    CHECK_RC(r, 0);
    return n;
}

TEST(all_live_documents_come_in_bytewise_order)
{
    STORE s = store_empty();
    static const char *const ids[] = { "b", "a", "B", "\xC3\xA4", "aa", "gone", "~" };
    replica_cursor *cursor = NULL;
    char seen[100];

    for (int i = 0; i < 7; i++) {
        REPLICA_BUF text = REPLICA_BUF_INIT;

        replica__buf_printf(&text, "{\"id\":\"%s\"}", ids[i]);
        store_put(&s, text.data);
    }
    store_delete(&s, "gone");
    CHECK_RC(replica_all(s.coll, NULL, &cursor, &test_err), 0);
    CHECK_INT(walk(cursor, seen, sizeof seen), 6);
    CHECK_STR(seen, "B a aa b ~ \xC3\xA4 ");
    replica_cursor_close(cursor);
    CHECK_RC(replica_all(s.coll, "aa", &cursor, &test_err), 0);
    walk(cursor, seen, sizeof seen);
    CHECK_STR(seen, "b ~ \xC3\xA4 ");
    replica_cursor_close(cursor);
}

TEST(a_cursor_goes_through_many_batches_and_misses_none)
{
    STORE s = store_empty();
    replica_cursor *cursor = NULL;
    replica_doc *doc;
    char last[16] = "";
    int n = 0;

    fill(&s, 500);
    CHECK_RC(replica_all(s.coll, NULL, &cursor, &test_err), 0);
    while (replica_cursor_next(cursor, &doc, &test_err) > 0) {
        CHECK(strcmp(replica_doc_id(doc), last) > 0);
        strcpy(last, replica_doc_id(doc));
        n++;
    }
    CHECK_INT(n, 500);
    CHECK_RC(replica_cursor_next(cursor, &doc, &test_err), 0); /* and stays at the end */
    replica_cursor_close(cursor);
}

TEST(batches_of_large_documents_end_early_and_miss_none)
{
    STORE s = store_empty();
    replica_cursor *cursor = NULL;
    char seen[100];

    for (int i = 0; i < 9; i++) {
        REPLICA_BUF text = REPLICA_BUF_INIT;

        replica__buf_printf(&text, "{\"id\":\"k%d\",\"t\":\"", i);
        for (int j = 0; j < 10000; j++)
            replica__buf_str(&text, "0123456789");
        replica__buf_str(&text, "\"}");
        store_put(&s, text.data);
    }
    CHECK_RC(replica_all(s.coll, NULL, &cursor, &test_err), 0);
    CHECK_INT(walk(cursor, seen, sizeof seen), 9);
    CHECK_STR(seen, "k0 k1 k2 k3 k4 k5 k6 k7 k8 ");
    replica_cursor_close(cursor);
}

TEST(the_feed_has_each_document_once_in_the_order_of_its_last_write)
{
    STORE s = store_with("{\"id\":\"a\"}");
    replica_cursor *cursor = NULL;
    char seen[100];

    store_put(&s, "{\"id\":\"b\"}");
    store_put(&s, "{\"id\":\"c\"}");
    store_put(&s, "{\"id\":\"a\",\"n\":1}");
    store_delete(&s, "b");
    CHECK_RC(replica_changes(s.coll, 0, &cursor, &test_err), 0);
    walk(cursor, seen, sizeof seen);
    CHECK_STR(seen, "c a b- ");
    replica_cursor_close(cursor);
    CHECK_RC(replica_changes(s.coll, 3, &cursor, &test_err), 0);
    walk(cursor, seen, sizeof seen);
    CHECK_STR(seen, "a b- ");
    replica_cursor_close(cursor);
}

TEST(the_feed_goes_through_many_batches)
{
    STORE s = store_empty();
    replica_cursor *cursor = NULL;
    replica_doc *doc;
    int64_t last = 0;
    int n = 0;

    fill(&s, 300);
    CHECK_RC(replica_changes(s.coll, 0, &cursor, &test_err), 0);
    while (replica_cursor_next(cursor, &doc, &test_err) > 0) {
        CHECK(replica_doc_sequence(doc) > last);
        last = replica_doc_sequence(doc);
        n++;
    }
    CHECK_INT(n, 300);
    replica_cursor_close(cursor);
}

TEST(a_cursor_holds_no_lock)
{
    STORE s = store_empty();
    STORE other = store_open(s.path, NULL);
    replica_cursor *cursor = NULL;
    replica_doc *doc;

    fill(&s, 200);
    CHECK_RC(replica_all(s.coll, NULL, &cursor, &test_err), 0);
    CHECK_RC(replica_cursor_next(cursor, &doc, &test_err), 1);
    store_put(&other, "{\"id\":\"x\"}");
    store_put(&s, "{\"id\":\"y\"}");
    CHECK_STR(replica_doc_id(doc), "k0000");
    replica_cursor_close(cursor);
}

TEST(a_cursor_whose_database_closed_says_so_and_can_be_closed)
{
    STORE s = store_with("{\"id\":\"a\"}");
    replica_cursor *cursor = NULL;
    replica_doc *doc;

    CHECK_RC(replica_all(s.coll, NULL, &cursor, &test_err), 0);
    store_close(&s);
    CHECK_RC(replica_cursor_next(cursor, &doc, &test_err), REPLICA_ECLOSED);
    replica_cursor_close(cursor);
    replica_cursor_close(NULL);
}

TEST(a_cursor_goes_on_after_a_failed_read)
{
    STORE s = store_empty();
    replica_cursor *cursor = NULL;
    replica_doc *doc;
    int n = 0, failures = 0;

    fill(&s, 200);
    CHECK_RC(replica_all(s.coll, NULL, &cursor, &test_err), 0);
    for (;;) {
        int r;

        fault_alloc(n == 64 && failures < 3 ? failures : 1000000);
        r = replica_cursor_next(cursor, &doc, &test_err);
        fault_stop();
        if (r == 0)
            break;
        if (r < 0) {
            CHECK_RC(r, REPLICA_ENOMEM);
            failures++;
        } else {
            n++;
        }
    }
    CHECK_INT(n, 200);
    CHECK_INT(failures, 3);
    replica_cursor_close(cursor);
}

TEST(a_cursor_without_a_place_to_begin_is_invalid)
{
    STORE s = store_empty();
    replica_cursor *cursor = NULL;

    CHECK_RC(replica_changes(s.coll, -1, &cursor, &test_err), REPLICA_EINVAL);
    CHECK_RC(replica_all(NULL, NULL, &cursor, &test_err), REPLICA_EINVAL);
    CHECK_RC(replica_all(s.coll, NULL, NULL, &test_err), REPLICA_EINVAL);
    CHECK(!cursor);
    CHECK_RC(replica_cursor_next(NULL, &s.shown, &test_err), REPLICA_EINVAL);
}
