/* Documents: immutable, counted, and compared. */
#include "tests/support/store.h"
#include "tests/support/test.h"

#include <pthread.h>

static replica_doc *make(struct store *s, const char *json, bool deleted)
{
    replica_doc *doc = NULL;

    CHECK_RC(replica__doc_new(s->coll, "a", json, strlen(json), deleted, &doc, &test_err), 0);
    return doc;
}

TEST(a_state_that_is_not_stored_has_no_revision)
{
    STORE s = store_memory();
    replica_doc *doc = make(&s, "{\"id\":\"a\"}", true);
    size_t len = 0;

    CHECK_STR(replica_doc_rev(doc), "");
    CHECK_STR(replica_doc_writer(doc), "");
    CHECK_INT(replica_doc_sequence(doc), 0);
    CHECK_INT(replica_doc_deleted(doc), 1);
    CHECK_STR(replica_doc_json(doc, &len), "{\"id\":\"a\"}");
    CHECK_INT(len, 10);
    replica_doc_unref(doc);
}

TEST(no_document_has_empty_parts)
{
    size_t len = 7;

    CHECK(replica_doc_ref(NULL) == NULL);
    CHECK(replica_doc_unref(NULL) == NULL);
    CHECK_STR(replica_doc_id(NULL), "");
    CHECK_STR(replica_doc_rev(NULL), "");
    CHECK_STR(replica_doc_writer(NULL), "");
    CHECK_STR(replica_doc_collection(NULL), "");
    CHECK_STR(replica_doc_json(NULL, &len), "");
    CHECK_INT(len, 0);
    CHECK_INT(replica_doc_deleted(NULL), 0);
    CHECK_INT(replica_doc_time(NULL), 0);
}

static bool equal(struct store *s, const char *a, const char *b, bool a_deleted, bool b_deleted)
{
    replica_doc *x = make(s, a, a_deleted), *y = make(s, b, b_deleted);
    bool is = replica__states_equal(s->coll, x, y);

    replica_doc_unref(x);
    replica_doc_unref(y);
    return is;
}

TEST(states_are_compared_by_content_and_exactly)
{
    STORE s = store_memory();

    CHECK(equal(&s, "{\"id\":\"a\"}", "{\"id\":\"a\"}", false, false));
    CHECK(equal(&s, "{\"id\":\"a\",\"n\":1}", "{\"n\":1.0, \"id\":\"\\u0061\"}", false, false));
    CHECK(!equal(&s, "{\"n\":9007199254740992}", "{\"n\":9007199254740993}", false, false));
    CHECK(!equal(&s, "{\"id\":\"a\"}", "{\"id\":\"a\"}", true, false));
    CHECK(equal(&s, "{\"id\":\"a\"}", "{\"id\":\"a\"}", true, true));
}

static int always(void *ctx, replica_doc *a, replica_doc *b)
{
    ++*(int *)ctx;
    return 1;
}

TEST(the_programs_is_equal_is_asked_but_never_about_a_deletion)
{
    replica_conflict_handler handler = REPLICA_CONFLICT_HANDLER_INIT;
    replica_collection_options opts = REPLICA_COLLECTION_OPTIONS_INIT;
    STORE s = store_memory();
    int asked = 0;

    handler.is_equal = always;
    handler.ctx = &asked;
    opts.handler = &handler;
    CHECK_RC(replica_db_collection(s.db, "other", &opts, &s.coll, &test_err), 0);
    CHECK(equal(&s, "{\"n\":1}", "{\"n\":2}", false, false));
    CHECK_INT(asked, 1);
    CHECK(!equal(&s, "{\"n\":1}", "{\"n\":1}", true, false));
    CHECK_INT(asked, 1);
}

static void *count_references(void *doc)
{
    for (int i = 0; i < 20000; i++) {
        replica_doc_ref(doc);
        CHECK_STR(replica_doc_id(doc), "a");
        replica_doc_unref(doc);
    }
    replica_doc_unref(doc);
    return NULL;
}

TEST(a_document_may_cross_threads)
{
    STORE s = store_memory();
    replica_doc *doc = make(&s, "{\"id\":\"a\"}", false);
    pthread_t threads[4];

    for (int i = 0; i < 4; i++) {
        CHECK(replica_doc_ref(doc) == doc);
        CHECK(pthread_create(&threads[i], NULL, count_references, doc) == 0);
    }
    replica_doc_unref(doc);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
}
