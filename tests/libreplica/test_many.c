/* Deleting and patching all that match. */
#include "base/buf.h"
#include "libreplica/query.h"
#include "tests/support/fault.h"
#include "tests/support/store.h"
#include "tests/support/test.h"

static void fill(struct store *s, int n)
{
    REPLICA_BUF text = REPLICA_BUF_INIT;

    for (int i = 0; i < n; i++) {
        replica__buf_clear(&text);
        replica__buf_printf(&text, "{\"id\":\"k%04d\",\"n\":%d}", i, i % 10);
        store_put(s, text.data);
    }
}

static int64_t count(struct store *s, const char *query)
{
    int64_t n = -1;

    CHECK_RC(replica_count(s->coll, query, REPLICA_NUL, &n, &test_err), 0);
    return n;
}

static int delete_many(struct store *s, const char *query, int64_t *ret_count)
{
    return replica_delete_many(s->coll, query, REPLICA_NUL, ret_count, &test_err);
}

static int update_many(struct store *s, const char *query, const char *patch, int64_t *ret_count)
{
    return replica_update_many(s->coll, query, REPLICA_NUL, patch, REPLICA_NUL, ret_count,
                               &test_err);
}

TEST(delete_many_leaves_a_tombstone_for_each_match)
{
    STORE s = store_empty();
    int64_t n;

    fill(&s, 1500);
    CHECK_RC(delete_many(&s, "{\"selector\":{\"n\":{\"$lt\":9}}}", &n), 0);
    CHECK_INT(n, 1350);
    CHECK_INT(count(&s, "{}"), 150);
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM doc WHERE flags & 1"), 1350);
    CHECK_RC(delete_many(&s, "{\"selector\":{\"n\":1}}", &n), 0);
    CHECK_INT(n, 0);
    store_sound(&s);
}

TEST(the_window_says_which_of_the_matches)
{
    STORE s = store_empty();
    int64_t n;

    fill(&s, 20);
    CHECK_RC(delete_many(&s, "{\"sort\":[{\"id\":\"desc\"}],\"skip\":1,\"limit\":2}", &n), 0);
    CHECK_INT(n, 2);
    CHECK_STR(store_json(&s, "k0018"), NULL);
    CHECK_STR(store_json(&s, "k0017"), NULL);
    CHECK(store_json(&s, "k0019"));
}

TEST(update_many_patches_each_match_once)
{
    STORE s = store_empty();
    int64_t n;

    fill(&s, 1200);
    CHECK_RC(update_many(&s, "{\"selector\":{\"n\":{\"$gte\":5}}}", "{\"n\":7,\"new\":true}", &n),
             0);
    CHECK_INT(n, 600);
    CHECK_INT(count(&s, "{\"selector\":{\"n\":7,\"new\":true}}"), 600);
    CHECK_STR(store_json(&s, "k0005"), "{\"id\":\"k0005\",\"n\":7,\"new\":true}");
    CHECK_INT(store_sql_int(&s, "SELECT max(height) FROM doc"), 2);
    store_sound(&s);
}

TEST(what_is_no_patch_or_query_changes_nothing)
{
    STORE s = store_empty();
    int64_t n = 7;

    fill(&s, 3);
    CHECK_RC(update_many(&s, "{}", "[]", &n), REPLICA_EJSON);
    CHECK_INT(n, 0);
    CHECK_RC(update_many(&s, "{}", "{\"_rev\":1}", &n), REPLICA_EJSON);
    CHECK_RC(update_many(&s, "{}", NULL, &n), REPLICA_EINVAL);
    CHECK_RC(delete_many(&s, "{\"selector\":{\"$foo\":1}}", &n), REPLICA_EINVAL);
    CHECK_INT(count(&s, "{}"), 3);
}

/* The key of no document may change; the error names the first, and those before it are counted. */
TEST(a_document_that_is_refused_ends_the_call)
{
    STORE s = store_empty();
    const char *field = "n";
    replica_index_options o = REPLICA_INDEX_OPTIONS_INIT;
    int64_t n;

    o.fields = &field;
    o.n = 1;
    o.flags = REPLICA_INDEX_UNIQUE;
    fill(&s, 10);
    CHECK_RC(replica_index_create(s.coll, &o, &test_err), 1);
    CHECK_RC(replica_index_wait(s.coll, &test_err), 0);
    CHECK_RC(update_many(&s, "{\"selector\":{\"n\":{\"$gt\":2}}}", "{\"n\":77}", &n),
             REPLICA_ECONFLICT);
    CHECK_INT(n, 1);
    CHECK_INT(count(&s, "{\"selector\":{\"n\":77}}"), 1);
    CHECK_STR(test_err.where, "notes/k0004");
    CHECK_RC(update_many(&s, "{}", "{\"id\":\"other\"}", &n), REPLICA_EJSON);
    CHECK_INT(n, 0);
    store_sound(&s);
}

LONG_TEST(a_failed_allocation_counts_what_was_written)
{
    for (int nth = 0, failed = 1; failed; nth += 5) {
        STORE s = store_memory();
        int64_t n, before;
        int r;

        fill(&s, 40);
        before = count(&s, "{\"selector\":{\"n\":4}}");
        fault_alloc(nth);
        r = replica_delete_many(s.coll, "{\"selector\":{\"n\":4}}", REPLICA_NUL, &n, &test_err);
        failed = fault_stop();
        CHECK(r == 0 || (failed && r == REPLICA_ENOMEM));
        CHECK_INT(count(&s, "{\"selector\":{\"n\":4}}"), before - n);
        store_sound(&s);
    }
}
