/* Collections: names, keys, versions, handlers. */
#include "tests/support/store.h"
#include "tests/support/test.h"

static int open_as(struct store *s, const char *name, const char *key, int version)
{
    replica_collection_options opts = REPLICA_COLLECTION_OPTIONS_INIT;
    replica_collection *coll = NULL;

    opts.key = key;
    opts.version = version;
    return replica_db_collection(s->db, name, &opts, &coll, &test_err);
}

TEST(a_name_is_a_letter_and_up_to_63_more)
{
    static const char *const bad[] = { "", "1a", "_a", "-a", "a b", "a/b", "\xC3\xA4", "a.b" };
    STORE s = store_empty();
    char name[66];

    memset(name, 'n', 65);
    name[65] = '\0';
    CHECK_RC(open_as(&s, name, NULL, 0), REPLICA_EINVAL);
    name[64] = '\0';
    CHECK_RC(open_as(&s, name, NULL, 0), 0);
    CHECK_RC(open_as(&s, "A-b_9", NULL, 0), 0);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        CHECK_RC(open_as(&s, bad[i], NULL, 0), REPLICA_EINVAL);
}

TEST(opened_again_it_is_the_same_handle)
{
    STORE s = store_empty();
    replica_collection *again = NULL;

    CHECK_RC(replica_db_collection(s.db, "notes", NULL, &again, &test_err), 0);
    CHECK(again == s.coll);
    CHECK_STR(replica_collection_name(again), "notes");
    CHECK_STR(replica_collection_key(again), "id");
    CHECK_INT(replica_collection_version(again), 0);
    CHECK(replica_collection_db(again) == s.db);
}

TEST(the_key_is_chosen_at_creation_and_stays)
{
    STORE s = store_empty();
    replica_collection *coll = NULL;

    CHECK_RC(open_as(&s, "people", "name", 0), 0);
    CHECK_RC(replica_db_collection(s.db, "people", NULL, &coll, &test_err), 0);
    CHECK_RC(replica_put(coll, "{\"name\":\"Ann\"}", REPLICA_NUL, NULL, NULL, NULL, &test_err), 0);
    CHECK_RC(replica_put(coll, "{\"id\":\"Ann\"}", REPLICA_NUL, NULL, NULL, NULL, &test_err),
             REPLICA_EJSON);
    CHECK_RC(open_as(&s, "people", "id", 0), REPLICA_EINVAL);
    store_reopen(&s);
    CHECK_RC(open_as(&s, "people", "id", 0), REPLICA_EINVAL);
    CHECK_STR(test_err.where, "people");
    CHECK_RC(replica_db_collection(s.db, "people", NULL, &coll, &test_err), 0);
    CHECK_STR(replica_collection_key(coll), "name");
}

TEST(a_key_cannot_be_empty_or_reserved)
{
    STORE s = store_empty();

    CHECK_RC(open_as(&s, "people", "", 0), REPLICA_EINVAL);
    CHECK_RC(open_as(&s, "people", "_id", 0), REPLICA_EINVAL);
    CHECK_RC(open_as(&s, "people", NULL, -1), REPLICA_EINVAL);
}

TEST(a_version_grows_and_an_older_one_is_refused)
{
    STORE s = store_empty();

    CHECK_RC(open_as(&s, "people", NULL, 2), 0);
    CHECK_RC(open_as(&s, "people", NULL, 3), REPLICA_EINVAL); /* open with another */
    store_reopen(&s);
    CHECK_RC(open_as(&s, "people", NULL, 1), REPLICA_EVERSION);
    CHECK_INT(test_err.detail, 2);
    CHECK_RC(open_as(&s, "people", NULL, 3), 0);
    store_reopen(&s);
    CHECK_RC(open_as(&s, "people", NULL, 2), REPLICA_EVERSION);
}

static void count(void *ctx)
{
    ++*(int *)ctx;
}

static int open_with_handler(struct store *s, const char *name, int *destroyed, size_t size)
{
    replica_conflict_handler handler = REPLICA_CONFLICT_HANDLER_INIT;
    replica_collection_options opts = REPLICA_COLLECTION_OPTIONS_INIT;
    replica_collection *coll = NULL;

    handler.ctx = destroyed;
    handler.destroy = count;
    if (size)
        handler.size = size;
    opts.handler = &handler;
    return replica_db_collection(s->db, name, &opts, &coll, &test_err);
}

TEST(a_handler_is_destroyed_once_when_the_database_closes)
{
    STORE s = store_empty();
    int destroyed = 0;

    CHECK_RC(open_with_handler(&s, "people", &destroyed, 0), 0);
    CHECK_RC(open_with_handler(&s, "people", &destroyed, 0), 0); /* it agrees */
    CHECK_INT(destroyed, 0);
    store_close(&s);
    CHECK_INT(destroyed, 1);
}

TEST(a_handler_is_destroyed_when_the_call_fails)
{
    STORE s = store_empty();
    int destroyed = 0, other = 0;

    CHECK_RC(open_with_handler(&s, "no name", &destroyed, 0), REPLICA_EINVAL);
    CHECK_INT(destroyed, 1);
    CHECK_RC(open_with_handler(&s, "notes", &other, 0), REPLICA_EINVAL); /* open without one */
    CHECK_INT(other, 1);
    store_close(&s);
    CHECK_INT(other, 1);
}

static int list(void *ctx, const char *name)
{
    strcat(ctx, name);
    strcat(ctx, " ");
    return strcmp(name, "stop") == 0 ? 7 : 0;
}

TEST(stored_collections_are_listed_by_name_opened_or_not)
{
    STORE s = store_empty();
    char names[100] = "";

    CHECK_RC(open_as(&s, "Zoo", NULL, 0), 0);
    CHECK_RC(open_as(&s, "apes", NULL, 0), 0);
    store_reopen(&s);
    CHECK_RC(replica_db_collections(s.db, list, names, &test_err), 0);
    CHECK_STR(names, "Zoo apes notes ");
    CHECK_RC(open_as(&s, "stop", NULL, 0), 0);
    CHECK_RC(open_as(&s, "then", NULL, 0), 0);
    names[0] = '\0';
    CHECK_RC(replica_db_collections(s.db, list, names, &test_err), 7);
    CHECK_STR(names, "Zoo apes notes stop ");
    CHECK_RC(replica_db_collections(s.db, NULL, NULL, &test_err), REPLICA_EINVAL);
}

TEST(the_same_key_in_two_collections_is_two_documents)
{
    STORE s = store_with("{\"id\":\"a\",\"n\":1}");
    replica_collection *other = NULL;
    int64_t n = 0;

    CHECK_RC(replica_db_collection(s.db, "other", NULL, &other, &test_err), 0);
    CHECK_RC(replica_put(other, "{\"id\":\"a\",\"n\":2}", REPLICA_NUL, NULL, NULL, NULL, &test_err),
             0);
    CHECK_STR(store_json(&s, "a"), "{\"id\":\"a\",\"n\":1}");
    CHECK_RC(replica_collection_count(other, &n, &test_err), 0);
    CHECK_INT(n, 1);
}

/* A check and a purge look into all collections, also into those that the program opens later. */
TEST(what_a_call_of_ours_opened_is_still_the_programs_to_open_with_its_options)
{
    const replica_conflict_handler handler = { .size = sizeof handler, .flags = 1 };
    replica_collection_options opts = REPLICA_COLLECTION_OPTIONS_INIT;
    STORE s = store_with("{\"id\":\"a\"}");
    const char *path = s.path;
    replica_collection *coll = NULL;
    int64_t count;

    opts.handler = &handler;
    store_close(&s);
    s = (struct store){ .path = path };
    CHECK_RC(replica_db_open(path, NULL, &s.db, &test_err), 0);
    CHECK_RC(replica_check(s.db, NULL, NULL, &test_err), 0);
    CHECK_RC(replica_purge(s.db, NULL, 0, 0, &count, &test_err), 0);
    CHECK_RC(replica_db_collection(s.db, "notes", &opts, &coll, &test_err), 0);
    CHECK_INT(replica__collection_handler(coll)->flags, 1);
    CHECK_RC(replica_check(s.db, NULL, NULL, &test_err), 0);
    CHECK_RC(replica_db_collection(s.db, "notes", NULL, &s.coll, &test_err), 0);
    CHECK(s.coll == coll);
    opts.handler = NULL;
    opts.version = 7;
    CHECK_RC(replica_db_collection(s.db, "notes", &opts, &coll, &test_err), REPLICA_EINVAL);
}
