/* Bundles: all of it or nothing. */
#include "tests/support/store.h"
#include "tests/support/test.h"

static replica_bundle *begin(struct store *s)
{
    replica_bundle *bundle = NULL;

    CHECK_RC(replica_bundle_begin(s->db, &bundle, &test_err), 0);
    return bundle;
}

static void put(struct store *s, replica_bundle *bundle, const char *json, const char *base)
{
    CHECK_RC(replica_bundle_put(bundle, s->coll, json, REPLICA_NUL, base, &test_err), 0);
}

TEST(a_bundle_commits_all_its_writes_in_any_collections)
{
    STORE s = store_with("{\"id\":\"old\"}");
    replica_collection *tasks = NULL;
    replica_bundle *bundle = begin(&s);
    replica_doc *doc = NULL;

    CHECK_RC(replica_db_collection(s.db, "tasks", NULL, &tasks, &test_err), 0);
    put(&s, bundle, "{\"id\":\"a\"}", NULL);
    CHECK_RC(replica_bundle_put(bundle, tasks, "{\"id\":\"t\"}", REPLICA_NUL, NULL, &test_err), 0);
    CHECK_RC(replica_bundle_delete(bundle, s.coll, "old", "*", &test_err), 0);
    CHECK_RC(replica_bundle_delete(bundle, s.coll, "nobody", "*", &test_err), 0);
    CHECK(!store_json(&s, "a")); /* not before the commit */
    CHECK_RC(replica_bundle_commit(bundle, NULL, &test_err), 0);
    CHECK(store_json(&s, "a"));
    CHECK(!store_json(&s, "old"));
    CHECK_RC(replica_get(tasks, "t", &doc, &test_err), 1);
    replica_doc_unref(doc);
    CHECK_INT(store_sql_int(&s, "SELECT count(DISTINCT bundle) FROM doc WHERE bundle IS NOT NULL"),
              1);
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM doc WHERE bundle IS NOT NULL"), 3);
}

TEST(one_conflict_in_a_bundle_fails_it_whole_and_is_named)
{
    STORE s = store_with("{\"id\":\"b\",\"n\":1}");
    replica_bundle *bundle = begin(&s);
    replica_doc *stored = NULL;
    int64_t head = 0;

    put(&s, bundle, "{\"id\":\"a\"}", NULL);
    put(&s, bundle, "{\"id\":\"b\",\"n\":2}", NULL);
    put(&s, bundle, "{\"id\":\"c\"}", NULL);
    CHECK_RC(replica_bundle_commit(bundle, &stored, &test_err), REPLICA_ECONFLICT);
    CHECK_STR(test_err.where, "notes/b");
    CHECK_STR(replica_doc_json(stored, NULL), "{\"id\":\"b\",\"n\":1}");
    CHECK(!store_json(&s, "a"));
    CHECK(!store_json(&s, "c"));
    CHECK_RC(replica_db_sequence(s.db, &head, &test_err), 0);
    CHECK_INT(head, 1);
    replica_doc_unref(stored);
    store_sound(&s);
}

TEST(a_member_that_is_refused_does_not_end_the_bundle)
{
    STORE s = store_empty();
    replica_bundle *bundle = begin(&s);

    put(&s, bundle, "{\"id\":\"a\"}", NULL);
    CHECK_RC(replica_bundle_put(bundle, s.coll, "{\"id\":\"b\",}", REPLICA_NUL, NULL, &test_err),
             REPLICA_EJSON);
    CHECK_INT(test_err.offset, 10);
    CHECK_RC(replica_bundle_put(bundle, s.coll, NULL, 0, NULL, &test_err), REPLICA_EINVAL);
    CHECK_RC(replica_bundle_delete(bundle, s.coll, "a", NULL, &test_err), REPLICA_EINVAL);
    CHECK_RC(replica_bundle_commit(bundle, NULL, &test_err), 0);
    CHECK(store_json(&s, "a"));
}

TEST(a_bundle_has_at_most_as_many_members_as_the_options_say)
{
    replica_db_options opts = REPLICA_DB_OPTIONS_INIT;

    opts.max_bundle = 2;
    STORE s = store_open(":memory:", &opts);
    replica_bundle *bundle = begin(&s);
    put(&s, bundle, "{\"id\":\"a\"}", NULL);
    put(&s, bundle, "{\"id\":\"b\"}", NULL);
    CHECK_RC(replica_bundle_put(bundle, s.coll, "{\"id\":\"c\"}", REPLICA_NUL, NULL, &test_err),
             REPLICA_ELIMIT);
    CHECK_RC(replica_bundle_delete(bundle, s.coll, "c", "*", &test_err), REPLICA_ELIMIT);
    CHECK_RC(replica_bundle_commit(bundle, NULL, &test_err), 0);
}

TEST(a_bundle_keeps_copies_of_what_it_was_given)
{
    STORE s = store_empty();
    replica_bundle *bundle = begin(&s);
    char text[] = "{\"id\":\"a\"}";

    put(&s, bundle, text, NULL);
    memset(text, 'x', sizeof text - 1);
    CHECK_RC(replica_bundle_commit(bundle, NULL, &test_err), 0);
    CHECK_STR(store_json(&s, "a"), "{\"id\":\"a\"}");
}

TEST(a_cancelled_bundle_writes_nothing)
{
    STORE s = store_empty();
    replica_bundle *bundle = begin(&s);

    put(&s, bundle, "{\"id\":\"a\"}", NULL);
    replica_bundle_cancel(bundle);
    replica_bundle_cancel(NULL);
    CHECK(!store_json(&s, "a"));
}

TEST(an_empty_bundle_commits)
{
    STORE s = store_empty();

    CHECK_RC(replica_bundle_commit(begin(&s), NULL, &test_err), 0);
}

TEST(a_bundle_can_write_one_document_twice)
{
    STORE s = store_empty();
    replica_bundle *bundle = begin(&s);

    put(&s, bundle, "{\"id\":\"a\"}", NULL);
    put(&s, bundle, "{\"id\":\"a\",\"n\":2}", "*");
    CHECK_RC(replica_bundle_commit(bundle, NULL, &test_err), 0);
    CHECK(strncmp(store_rev(&s, "a"), "2-", 2) == 0);
}

TEST(a_bundle_whose_database_closed_says_so)
{
    STORE s = store_empty();
    replica_bundle *bundle = begin(&s), *other = begin(&s), *third = begin(&s);
    replica_collection *coll = s.coll;

    put(&s, bundle, "{\"id\":\"a\"}", NULL);
    store_close(&s);
    CHECK_RC(replica_bundle_delete(bundle, coll, "a", "*", &test_err), REPLICA_ECLOSED);
    CHECK_RC(replica_bundle_commit(bundle, NULL, &test_err), REPLICA_ECLOSED);
    CHECK_RC(replica_bundle_commit(other, NULL, &test_err), REPLICA_ECLOSED);
    replica_bundle_cancel(third);
}

TEST(a_collection_of_another_database_is_invalid_in_a_bundle)
{
    STORE s = store_empty();
    STORE other = store_memory();
    replica_bundle *bundle = begin(&s);

    CHECK_RC(replica_bundle_put(bundle, other.coll, "{\"id\":\"a\"}", REPLICA_NUL, NULL, &test_err),
             REPLICA_EINVAL);
    replica_bundle_cancel(bundle);
    CHECK_RC(replica_bundle_commit(NULL, NULL, &test_err), REPLICA_EINVAL);
    CHECK_RC(replica_bundle_begin(NULL, &bundle, &test_err), REPLICA_EINVAL);
}

static void replicate(struct store *s, const char *name, replica_collection **colls, size_t n)
{
    struct replica__replication *repl = NULL;

    CHECK_RC(replica__replication_open(s->db, name, colls, n, &repl, &test_err), 0);
    replica__replication_close(repl);
}

/* Of a document in each of the two. */
static int commit_both(struct store *s, replica_collection *a, replica_collection *b)
{
    replica_bundle *bundle = begin(s);

    CHECK_RC(replica_bundle_put(bundle, a, "{\"id\":\"x\"}", REPLICA_NUL, "*", &test_err), 0);
    CHECK_RC(replica_bundle_put(bundle, b, "{\"id\":\"y\"}", REPLICA_NUL, "*", &test_err), 0);
    return replica_bundle_commit(bundle, NULL, &test_err);
}

TEST(a_bundle_whose_collections_replicate_to_different_servers_is_refused_when_it_is_written)
{
    STORE s = store_empty();
    replica_collection *tasks = NULL, *lists = NULL;

    CHECK_RC(replica_db_collection(s.db, "tasks", NULL, &tasks, &test_err), 0);
    CHECK_RC(replica_db_collection(s.db, "lists", NULL, &lists, &test_err), 0);
    replicate(&s, "here", &s.coll, 1);
    CHECK_RC(commit_both(&s, s.coll, tasks), 0); /* one that replicates nowhere parts nothing */
    replicate(&s, "there", &tasks, 1);
    CHECK_RC(commit_both(&s, s.coll, tasks), REPLICA_ENOTSUP);
    CHECK_STR(test_err.message, "'notes' and 'tasks' replicate to different servers, and a bundle"
                                " of both could not be kept together");
    CHECK_RC(commit_both(&s, tasks, lists), 0);
    replicate(&s, "both", (replica_collection *[]){ s.coll, lists }, 2);
    CHECK_RC(commit_both(&s, s.coll, lists), 0); /* "here" has not the one, but none has only it */
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM doc WHERE coll = 1"), 1);
}
