/* Writes of one document: what each answers, and that nothing else happens. */
#include "tests/support/store.h"
#include "tests/support/test.h"

#include <stdlib.h>

static int put(struct store *s, const char *json, const char *base, replica_doc **ret_stored)
{
    return replica_put(s->coll, json, REPLICA_NUL, base, NULL, ret_stored, &test_err);
}

TEST(a_document_comes_back_byte_by_byte)
{
    static const char *const texts[] = {
        "{\"id\":\"a\",\"n\":9007199254740993}",
        "{ \"z\" : 1,\n\t\"id\" : \"a\" , \"a\":[ ] }",
        "{\"id\":\"a\",\"n\":12345678901234567890.12345678901234567890}",
        "{\"id\":\"a\",\"n\":1e400,\"m\":-0,\"o\":1E-400}",
        "{\"id\":\"a\",\"t\":\"x\\u0000y\"}",
        "{\"id\":\"a\",\"t\":\"\\ud800\",\"u\":\"\\ud83d\\ude00\"}",
        "{\"\\u0069d\":\"\\u0061\",\"t\":\"\\/\\u002f\"}",
        "{\"id\":\"a\",\"t\":\"\xF0\x9F\x98\x80\"}",
    };
    STORE s = store_empty();

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        store_put(&s, texts[i]);
        CHECK_STR(store_json(&s, "a"), texts[i]);
    }
    store_reopen(&s);
    CHECK_STR(store_json(&s, "a"), texts[sizeof texts / sizeof texts[0] - 1]);
}

TEST(white_space_around_the_object_is_not_stored)
{
    STORE s = store_empty();

    store_put(&s, " \n{\"id\":\"a\"}\t ");
    CHECK_STR(store_json(&s, "a"), "{\"id\":\"a\"}");
}

TEST(an_insert_of_what_is_there_is_a_conflict_with_the_stored_document)
{
    STORE s = store_with("{\"id\":\"a\",\"n\":1}");
    replica_doc *stored = NULL;

    CHECK_RC(put(&s, "{\"id\":\"a\",\"n\":2}", NULL, &stored), REPLICA_ECONFLICT);
    CHECK_STR(replica_doc_json(stored, NULL), "{\"id\":\"a\",\"n\":1}");
    CHECK_STR(replica_doc_rev(stored), store_rev(&s, "a"));
    CHECK_STR(test_err.where, "notes/a");
    CHECK_INT(test_err.detail, 409);
    CHECK_STR(store_json(&s, "a"), "{\"id\":\"a\",\"n\":1}");
    replica_doc_unref(stored);
}

TEST(a_put_on_an_old_revision_changes_nothing)
{
    STORE s = store_with("{\"id\":\"a\",\"n\":1}");
    char old[REPLICA_REV_SIZE];
    replica_doc *stored = NULL;

    strcpy(old, store_rev(&s, "a"));
    CHECK_RC(put(&s, "{\"id\":\"a\",\"n\":2}", old, NULL), 0);
    CHECK_RC(put(&s, "{\"id\":\"a\",\"n\":3}", old, &stored), REPLICA_ECONFLICT);
    CHECK_STR(replica_doc_json(stored, NULL), "{\"id\":\"a\",\"n\":2}");
    CHECK_STR(store_json(&s, "a"), "{\"id\":\"a\",\"n\":2}");
    replica_doc_unref(stored);
}

TEST(a_put_on_a_revision_of_what_is_absent_is_a_conflict_with_nothing)
{
    STORE s = store_with("{\"id\":\"b\"}");
    replica_doc *stored = s.shown = NULL;
    replica_doc *was = replica_doc_ref(stored);

    stored = (replica_doc *)(void *)&s; /* must be overwritten */
    CHECK_RC(put(&s, "{\"id\":\"a\"}", "1-x.1", &stored), REPLICA_ECONFLICT);
    CHECK(stored == was);
}

TEST(a_put_on_what_is_no_revision_is_a_conflict)
{
    STORE s = store_with("{\"id\":\"a\",\"n\":1}");

    CHECK_RC(put(&s, "{\"id\":\"a\",\"n\":2}", "", NULL), REPLICA_ECONFLICT);
    CHECK_RC(put(&s, "{\"id\":\"a\",\"n\":2}", "1-", NULL), REPLICA_ECONFLICT);
    CHECK_STR(store_json(&s, "a"), "{\"id\":\"a\",\"n\":1}");
}

TEST(must_be_new_succeeds_over_a_tombstone)
{
    STORE s = store_with("{\"id\":\"a\",\"n\":1}");
    replica_doc *doc = NULL;

    store_delete(&s, "a");
    CHECK_RC(replica_put(s.coll, "{\"id\":\"a\",\"n\":2}", REPLICA_NUL, NULL, &doc, NULL,
                         &test_err),
             0);
    CHECK(strncmp(replica_doc_rev(doc), "3-", 2) == 0);
    CHECK_STR(store_json(&s, "a"), "{\"id\":\"a\",\"n\":2}");
    replica_doc_unref(doc);
}

TEST(a_put_gives_the_document_as_it_is_stored)
{
    STORE s = store_empty();
    replica_doc *doc = NULL;

    CHECK_RC(replica_put(s.coll, "{\"id\":\"a\"}", REPLICA_NUL, NULL, &doc, NULL, &test_err), 0);
    CHECK_STR(replica_doc_id(doc), "a");
    CHECK_STR(replica_doc_rev(doc), store_rev(&s, "a"));
    CHECK_STR(replica_doc_collection(doc), "notes");
    CHECK_INT(replica_doc_sequence(doc), replica_doc_sequence(s.shown));
    CHECK_INT(replica_doc_time(doc), replica_doc_time(s.shown));
    CHECK_STR(replica_doc_writer(doc), replica_doc_writer(s.shown));
    CHECK_STR(replica_doc_writer(doc), replica_doc_rev(doc) + 2);
    CHECK_INT(replica_doc_deleted(doc), 0);
    replica_doc_unref(doc);
}

TEST(a_document_outlives_its_database)
{
    replica_doc *doc = NULL;

    {
        STORE s = store_with("{\"id\":\"a\"}");

        CHECK_RC(replica_get(s.coll, "a", &doc, &test_err), 1);
    }
    CHECK_STR(replica_doc_json(doc, NULL), "{\"id\":\"a\"}");
    CHECK(replica_doc_unref(doc) == NULL);
}

TEST(a_text_may_come_with_a_length_and_no_nul)
{
    STORE s = store_empty();

    CHECK_RC(replica_put(s.coll, "{\"id\":\"a\"}garbage", 10, NULL, NULL, NULL, &test_err), 0);
    CHECK_STR(store_json(&s, "a"), "{\"id\":\"a\"}");
}

TEST(calls_without_their_arguments_are_invalid)
{
    STORE s = store_empty();

    CHECK_RC(replica_put(NULL, "{}", 2, NULL, NULL, NULL, &test_err), REPLICA_EINVAL);
    CHECK_RC(replica_put(s.coll, NULL, 0, NULL, NULL, NULL, &test_err), REPLICA_EINVAL);
    CHECK_RC(replica_delete(s.coll, "a", NULL, NULL, &test_err), REPLICA_EINVAL);
    CHECK_RC(replica_delete(s.coll, NULL, "*", NULL, &test_err), REPLICA_EINVAL);
    CHECK_RC(replica_patch(s.coll, "a", NULL, 0, "*", NULL, NULL, &test_err), REPLICA_EINVAL);
    CHECK_RC(replica_patch(s.coll, "a", "{}", 2, NULL, NULL, NULL, &test_err), REPLICA_EINVAL);
    CHECK_RC(replica_put(s.coll, "{", 1, NULL, NULL, NULL, NULL), REPLICA_EJSON);
}

/* ---- deleting -------------------------------------------------------------------- */

TEST(deleting_says_whether_it_was_there)
{
    STORE s = store_with("{\"id\":\"a\"}");

    CHECK_RC(replica_delete(s.coll, "a", "*", NULL, &test_err), 1);
    CHECK_RC(replica_delete(s.coll, "a", "*", NULL, &test_err), 0);
    CHECK_RC(replica_delete(s.coll, "b", "*", NULL, &test_err), 0);
    CHECK_RC(replica_delete(s.coll, "b", "1-x.1", NULL, &test_err), 0);
    CHECK(!store_json(&s, "a"));
}

TEST(deleting_another_revision_is_a_conflict)
{
    STORE s = store_with("{\"id\":\"a\"}");
    replica_doc *stored = NULL;

    CHECK_RC(replica_delete(s.coll, "a", "1-x.1", &stored, &test_err), REPLICA_ECONFLICT);
    CHECK_STR(replica_doc_rev(stored), store_rev(&s, "a"));
    CHECK_RC(replica_delete(s.coll, "a", replica_doc_rev(stored), NULL, &test_err), 1);
    replica_doc_unref(stored);
}

TEST(deleting_what_is_not_there_takes_no_sequence_number)
{
    STORE s = store_with("{\"id\":\"a\"}");
    int64_t before = 0, after = 0;

    CHECK_RC(replica_db_sequence(s.db, &before, &test_err), 0);
    CHECK_RC(replica_delete(s.coll, "b", "*", NULL, &test_err), 0);
    CHECK_RC(replica_db_sequence(s.db, &after, &test_err), 0);
    CHECK_INT(after, before);
}

/* ---- patching -------------------------------------------------------------------- */

static int patch(struct store *s, const char *text, const char *base)
{
    return replica_patch(s->coll, "a", text, REPLICA_NUL, base, NULL, NULL, &test_err);
}

TEST(a_patch_leaves_the_bytes_of_what_it_does_not_name)
{
    STORE s = store_with("{\"id\":\"a\", \"n\" : 9007199254740993, \"t\":\"\\u0041\", \"x\":1}");

    CHECK_RC(patch(&s, "{\"x\":{\"y\":2},\"new\":3}", "*"), 1);
    CHECK_STR(
        store_json(&s, "a"),
        "{\"id\":\"a\", \"n\" : 9007199254740993, \"t\":\"\\u0041\", \"x\":{\"y\":2},\"new\":3}");
}

TEST(a_patch_of_what_is_not_there_is_0)
{
    STORE s = store_with("{\"id\":\"a\"}");
    replica_doc *doc = (replica_doc *)(void *)&s;

    CHECK_RC(replica_patch(s.coll, "b", "{}", REPLICA_NUL, "*", &doc, NULL, &test_err), 0);
    CHECK(doc == (replica_doc *)(void *)&s);
    store_delete(&s, "a");
    CHECK_RC(patch(&s, "{\"n\":1}", "*"), 0);
}

TEST(a_patch_of_another_revision_is_a_conflict)
{
    STORE s = store_with("{\"id\":\"a\"}");
    replica_doc *stored = NULL;

    CHECK_RC(replica_patch(s.coll, "a", "{\"n\":1}", REPLICA_NUL, "7-x.1", NULL, &stored,
                           &test_err),
             REPLICA_ECONFLICT);
    CHECK_STR(replica_doc_rev(stored), store_rev(&s, "a"));
    CHECK_RC(patch(&s, "{\"n\":1}", replica_doc_rev(stored)), 1);
    CHECK_STR(store_json(&s, "a"), "{\"id\":\"a\",\"n\":1}");
    replica_doc_unref(stored);
}

TEST(a_patch_must_be_an_object_and_json)
{
    STORE s = store_with("{\"id\":\"a\"}");

    CHECK_RC(patch(&s, "[1]", "*"), REPLICA_EJSON);
    CHECK_RC(patch(&s, "{\"n\":01}", "*"), REPLICA_EJSON);
    CHECK_INT(test_err.offset, 6);
    CHECK_STR(test_err.where, "notes/a");
    CHECK_STR(store_json(&s, "a"), "{\"id\":\"a\"}");
}

TEST(a_patch_cannot_change_the_primary_key)
{
    STORE s = store_with("{\"id\":\"a\"}");

    CHECK_RC(patch(&s, "{\"id\":\"b\"}", "*"), REPLICA_EJSON);
    CHECK_RC(patch(&s, "{\"id\":null}", "*"), REPLICA_EJSON);
    CHECK_RC(patch(&s, "{\"id\":\"a\",\"n\":1}", "*"), 1);
}

TEST(a_patch_with_a_reserved_name_is_refused_where_it_stands_in_the_patch)
{
    STORE s = store_with("{\"id\":\"a\",\"long\":\"xxxxxxxxxxxxxxxxxxxxxxx\"}");

    CHECK_RC(patch(&s, "{\"n\":1,\"_x\":2}", "*"), REPLICA_EJSON);
    CHECK_INT(test_err.offset, 8);
    CHECK_RC(patch(&s, "{\"_deleted\":true}", "*"), REPLICA_EJSON);
    CHECK_RC(patch(&s, "{\"_x\":null}", "*"), REPLICA_EJSON);
    CHECK(!strstr(store_json(&s, "a"), "_x"));
}

TEST(an_upsert_writes_whether_or_not_it_is_there)
{
    STORE s = store_empty();
    replica_doc *doc = NULL;

    CHECK_RC(replica_upsert(s.coll, "{\"id\":\"a\"}", REPLICA_NUL, NULL, &test_err), 0);
    CHECK_RC(replica_upsert(s.coll, "{\"id\":\"a\",\"n\":1}", REPLICA_NUL, &doc, &test_err), 0);
    CHECK(strncmp(replica_doc_rev(doc), "2-", 2) == 0);
    replica_doc_unref(doc);
}
