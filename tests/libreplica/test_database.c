/* Opening and closing: options, modes, siblings. */
#include "base/alloc.h"
#include "tests/support/store.h"
#include "tests/support/test.h"
#include "tests/support/tmp.h"

#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

static int open_as(const char *path, const replica_db_options *opts)
{
    replica_db *db = NULL;
    int r = replica_db_open(path, opts, &db, &test_err);

    CHECK((r == 0) == (db != NULL));
    replica_db_close(db);
    return r;
}

TEST(the_version_is_the_projects)
{
    CHECK_STR(replica_version(), REPLICA_PROJECT_VERSION);
}

TEST(opening_creates_the_file)
{
    const char *path = tmp_path("new.db");

    CHECK_RC(open_as(path, NULL), 0);
    CHECK(access(path, F_OK) == 0);
}

TEST(opening_with_must_exist_creates_nothing)
{
    replica_db_options opts = REPLICA_DB_OPTIONS_INIT;
    const char *path = tmp_path("new.db");

    opts.flags = REPLICA_DB_MUST_EXIST;
    CHECK_RC(open_as(path, &opts), REPLICA_EIO);
    CHECK_STR(test_err.where, path);
    CHECK(access(path, F_OK) != 0);
    CHECK_RC(open_as(path, NULL), 0);
    CHECK_RC(open_as(path, &opts), 0);
}

TEST(opening_in_a_folder_that_is_missing_is_an_io_error)
{
    CHECK_RC(open_as(tmp_path("no/new.db"), NULL), REPLICA_EIO);
}

TEST(opening_without_a_path_or_place_is_invalid)
{
    replica_db *db = NULL;

    CHECK_RC(replica_db_open(NULL, NULL, &db, &test_err), REPLICA_EINVAL);
    CHECK_RC(replica_db_open("", NULL, &db, &test_err), REPLICA_EINVAL);
    CHECK_RC(replica_db_open("x", NULL, NULL, &test_err), REPLICA_EINVAL);
    CHECK(!db);
}

TEST(a_read_only_database_reads_and_refuses_every_write)
{
    replica_db_options opts = REPLICA_DB_OPTIONS_INIT;
    replica_bundle *bundle = NULL;
    replica_collection *coll = NULL;

    STORE s = store_with("{\"id\":\"a\"}");
    opts.flags = REPLICA_DB_READ_ONLY;
    STORE r = store_open(s.path, &opts);
    CHECK_STR(store_json(&r, "a"), "{\"id\":\"a\"}");
    CHECK_RC(replica_put(r.coll, "{\"id\":\"b\"}", REPLICA_NUL, NULL, NULL, NULL, &test_err),
             REPLICA_EREADONLY);
    CHECK_RC(replica_delete(r.coll, "a", "*", NULL, &test_err), REPLICA_EREADONLY);
    CHECK_RC(replica_patch(r.coll, "a", "{\"n\":1}", REPLICA_NUL, "*", NULL, NULL, &test_err),
             REPLICA_EREADONLY);
    CHECK_RC(replica_db_collection(r.db, "other", NULL, &coll, &test_err), REPLICA_EREADONLY);
    CHECK_RC(replica_bundle_begin(r.db, &bundle, &test_err), 0);
    CHECK_RC(replica_bundle_put(bundle, r.coll, "{\"id\":\"b\"}", REPLICA_NUL, NULL, &test_err), 0);
    CHECK_RC(replica_bundle_commit(bundle, NULL, &test_err), REPLICA_EREADONLY);
    store_put(&s, "{\"id\":\"c\"}");
    CHECK(store_json(&r, "c"));
    store_sound(&r);
}

TEST(a_read_only_database_must_exist)
{
    replica_db_options opts = REPLICA_DB_OPTIONS_INIT;
    const char *path = tmp_path("new.db");

    opts.flags = REPLICA_DB_READ_ONLY;
    CHECK_RC(open_as(path, &opts), REPLICA_EIO);
    CHECK(access(path, F_OK) != 0);
    CHECK_RC(open_as(tmp_write("empty.db", "", 0), &opts), REPLICA_ECORRUPT);
}

TEST(options_of_an_older_header_are_taken)
{
    replica_db_options opts = REPLICA_DB_OPTIONS_INIT;

    opts.size = offsetof(replica_db_options, busy_ms);
    opts.max_document = 1; /* beyond its size: not looked at */
    STORE s = store_open(":memory:", &opts);
    store_put(&s, "{\"id\":\"a\"}");
}

TEST(options_of_a_newer_header_are_taken_while_their_tail_is_zero)
{
    struct {
        replica_db_options known;
        int64_t unknown;
    } opts = { REPLICA_DB_OPTIONS_INIT, 0 };

    opts.known.size = sizeof opts;
    CHECK_RC(open_as(":memory:", &opts.known), 0);
    opts.unknown = 1;
    CHECK_RC(open_as(":memory:", &opts.known), REPLICA_EINVAL);
}

TEST(options_that_mean_nothing_are_invalid)
{
    replica_db_options opts = { 0 };

    CHECK_RC(open_as(":memory:", &opts), REPLICA_EINVAL); /* no size */
    opts.size = sizeof opts;
    opts.flags = 1u << 30;
    CHECK_RC(open_as(":memory:", &opts), REPLICA_EINVAL);
    opts.flags = 0;
    opts.max_depth = -1;
    CHECK_RC(open_as(":memory:", &opts), REPLICA_EINVAL);
}

TEST(databases_in_memory_know_nothing_of_each_other)
{
    STORE a = store_memory();
    STORE b = store_memory();
    replica_db *sibling = NULL;

    store_put(&a, "{\"id\":\"a\"}");
    CHECK(!store_json(&b, "a"));
    CHECK(replica__db_in_memory(a.db));
    CHECK_RC(replica__db_open_sibling(a.db, &sibling, &test_err), REPLICA_ENOTSUP);
    store_sound(&a);
}

TEST(closing_nothing_is_fine)
{
    replica_db_close(NULL);
}

TEST(a_sibling_shares_token_collections_and_limits)
{
    replica_db_options opts = REPLICA_DB_OPTIONS_INIT;
    replica_db *sibling = NULL;
    replica_collection *coll = NULL;
    replica_doc *doc = NULL;

    opts.max_key = 5;
    STORE s = store_open(tmp_path("test.db"), &opts);
    store_put(&s, "{\"id\":\"a\"}");
    CHECK_RC(replica__db_open_sibling(s.db, &sibling, &test_err), 0);
    CHECK_RC(replica_db_collection(sibling, "notes", NULL, &coll, &test_err), 0);
    CHECK_RC(replica_put(coll, "{\"id\":\"b\"}", REPLICA_NUL, NULL, &doc, NULL, &test_err), 0);
    CHECK_RC(replica_put(coll, "{\"id\":\"123456\"}", REPLICA_NUL, NULL, NULL, NULL, &test_err),
             REPLICA_ELIMIT);
    CHECK(strncmp(replica_doc_rev(doc), store_rev(&s, "a"), 18) == 0);
    CHECK_STR(strchr(replica_doc_rev(doc), '.'), ".2");
    replica_doc_unref(doc);
    replica_db_close(sibling);
    store_sound(&s);
}

static void write_log(void *ctx, int level, const char *topic, const char *line)
{
    struct replica__buf *text = ctx;

    replica__buf_printf(text, "%d %s %s", level, topic, line);
}

TEST(the_log_goes_to_the_programs_function)
{
    replica_db_options opts = REPLICA_DB_OPTIONS_INIT;
    REPLICA_BUF text = REPLICA_BUF_INIT;

    opts.log = write_log;
    opts.log_ctx = &text;
    STORE s = store_open(":memory:", &opts);
    replica__db_log(s.db, REPLICA_LOG_INFO, "topic", "n is %d", 3);
    CHECK_STR(text.data, "3 topic n is 3");
}

TEST(a_file_that_cannot_be_written_is_read_only)
{
    struct store s;

    if (geteuid() == 0)
        test_skip("root may write everything");
    s = store_with("{\"id\":\"a\"}");
    store_close(&s);
    CHECK(chmod(s.path, 0400) == 0);
    s = store_open(s.path, NULL);
    CHECK_RC(replica_put(s.coll, "{\"id\":\"b\"}", REPLICA_NUL, NULL, NULL, NULL, &test_err),
             REPLICA_EREADONLY);
    store_close(&s);
}

/* ---- opening at the same time ---------------------------------------------------- */

static void *open_and_write(void *path)
{
    STORE s = store_open(path, NULL);
    char text[] = "{\"id\":\"x\",\"n\":1}";

    store_put(&s, text);
    return NULL;
}

TEST(many_may_be_the_first_to_open_a_file)
{
    for (int round = 0; round < 20; round++) {
        char name[20] = "first-a.db";
        pthread_t threads[6];
        const char *path;

        name[6] = (char)('a' + round);
        path = tmp_path(name);
        for (int i = 0; i < 6; i++)
            CHECK(pthread_create(&threads[i], NULL, open_and_write, (void *)(uintptr_t)path) == 0);
        for (int i = 0; i < 6; i++)
            pthread_join(threads[i], NULL);
        STORE s = store_open(path, NULL);
        CHECK(strncmp(store_rev(&s, "x"), "6-", 2) == 0);
        store_sound(&s);
    }
}

TEST(busy_ms_bounds_the_wait_for_a_lock)
{
    replica_db_options opts = REPLICA_DB_OPTIONS_INIT;
    STORE s = store_with("{\"id\":\"a\"}");

    opts.busy_ms = REPLICA_NO_WAIT;
    STORE other = store_open(s.path, &opts);
    store_sql(&s, "PRAGMA user_version"); /* the file is fine */
    CHECK_RC(replica_put(other.coll, "{\"id\":\"b\"}", REPLICA_NUL, NULL, NULL, NULL, &test_err),
             0);
}
