/* Reads by key, counts, and the head. */
#include "tests/support/store.h"
#include "tests/support/test.h"

TEST(what_is_absent_or_deleted_is_0_and_NULL)
{
    STORE s = store_with("{\"id\":\"a\"}");
    replica_doc *doc = (replica_doc *)(void *)&s;

    CHECK_RC(replica_get(s.coll, "b", &doc, &test_err), 0);
    CHECK(!doc);
    store_delete(&s, "a");
    doc = (replica_doc *)(void *)&s;
    CHECK_RC(replica_get(s.coll, "a", &doc, &test_err), 0);
    CHECK(!doc);
}

TEST(a_read_without_a_place_is_invalid)
{
    STORE s = store_empty();

    CHECK_RC(replica_get(s.coll, "a", NULL, &test_err), REPLICA_EINVAL);
    CHECK_RC(replica_get(NULL, "a", &s.shown, &test_err), REPLICA_EINVAL);
    CHECK_RC(replica_collection_count(s.coll, NULL, &test_err), REPLICA_EINVAL);
    CHECK_RC(replica_db_sequence(s.db, NULL, &test_err), REPLICA_EINVAL);
    CHECK_RC(replica_get_many(s.coll, NULL, 1, &s.shown, &test_err), REPLICA_EINVAL);
}

TEST(many_come_in_the_order_in_which_they_were_asked)
{
    STORE s = store_with("{\"id\":\"a\"}");
    static const char *const ids[] = { "c", "x", "a", "gone", "a" };
    replica_doc *docs[5];

    store_put(&s, "{\"id\":\"c\"}");
    store_put(&s, "{\"id\":\"gone\"}");
    store_delete(&s, "gone");
    CHECK_RC(replica_get_many(s.coll, ids, 5, docs, &test_err), 3);
    CHECK_STR(replica_doc_id(docs[0]), "c");
    CHECK(!docs[1]);
    CHECK_STR(replica_doc_id(docs[2]), "a");
    CHECK(!docs[3]);
    CHECK_STR(replica_doc_id(docs[4]), "a");
    for (int i = 0; i < 5; i++)
        replica_doc_unref(docs[i]);
    CHECK_RC(replica_get_many(s.coll, NULL, 0, NULL, &test_err), 0);
}

TEST(keys_are_told_apart_by_their_bytes)
{
    STORE s = store_with("{\"id\":\"a\",\"n\":1}");

    store_put(&s, "{\"id\":\"A\",\"n\":2}");
    store_put(&s, "{\"id\":\"a \",\"n\":3}");
    store_put(&s, "{\"id\":\"\xC3\xA4\",\"n\":4}");
    store_put(&s, "{\"id\":\"a\xCC\x88\",\"n\":5}");
    CHECK_STR(store_json(&s, "a"), "{\"id\":\"a\",\"n\":1}");
    CHECK_STR(store_json(&s, "A"), "{\"id\":\"A\",\"n\":2}");
    CHECK_STR(store_json(&s, "\xC3\xA4"), "{\"id\":\"\xC3\xA4\",\"n\":4}");
}

TEST(only_live_documents_are_counted)
{
    STORE s = store_with("{\"id\":\"a\"}");
    int64_t n = -1;

    store_put(&s, "{\"id\":\"b\"}");
    store_delete(&s, "a");
    CHECK_RC(replica_collection_count(s.coll, &n, &test_err), 0);
    CHECK_INT(n, 1);
}

TEST(the_head_is_the_highest_number_used_by_anybody)
{
    STORE s = store_empty();
    STORE other = store_open(s.path, NULL);
    int64_t head = -1;

    CHECK_RC(replica_db_sequence(s.db, &head, &test_err), 0);
    CHECK_INT(head, 0);
    store_put(&s, "{\"id\":\"a\"}");
    store_put(&other, "{\"id\":\"b\"}");
    CHECK_RC(replica_db_sequence(s.db, &head, &test_err), 0);
    CHECK_INT(head, 2);
    CHECK_RC(replica_db_sequence(other.db, &head, &test_err), 0);
    CHECK_INT(head, 2);
}

TEST(a_commit_of_another_handle_is_read_at_once)
{
    STORE s = store_empty();
    STORE other = store_open(s.path, NULL);

    store_put(&other, "{\"id\":\"a\"}");
    CHECK_STR(store_json(&s, "a"), "{\"id\":\"a\"}");
    store_delete(&s, "a");
    CHECK(!store_json(&other, "a"));
}
