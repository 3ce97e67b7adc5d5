/* The file's own version, and files that are not ours. */
#include "libreplica/format.h"
#include "tests/support/store.h"
#include "tests/support/test.h"
#include "tests/support/tmp.h"

#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

static int open_file(const char *path)
{
    replica_db *db = NULL;
    int r = replica_db_open(path, NULL, &db, &test_err);

    replica_db_close(db);
    return r;
}

TEST(a_file_says_whose_it_is_and_of_which_version)
{
    STORE s = store_empty();

    CHECK_INT(store_sql_int(&s, "PRAGMA application_id"), REPLICA__APPLICATION_ID);
    CHECK_INT(store_sql_int(&s, "PRAGMA user_version"), REPLICA__FORMAT_VERSION);
}

TEST(a_newer_format_is_refused_and_not_touched)
{
    STORE s = store_with("{\"id\":\"a\"}");
    size_t len, after_len;
    char *before, *after;

    store_close(&s);
    store_sql(&s, "PRAGMA user_version = 5"); /* REPLICA__FORMAT_VERSION + 1 */
    before = tmp_read("test.db", &len);
    CHECK_RC(open_file(s.path), REPLICA_EVERSION);
    CHECK_INT(test_err.detail, REPLICA__FORMAT_VERSION + 1);
    CHECK_STR(test_err.where, s.path);
    after = tmp_read("test.db", &after_len);
    CHECK_MEM(after, after_len, before, len);
}

/* What libraries of earlier versions would have written. */
static void make_version_3(struct store *s)
{
    store_sql(s, "DROP TABLE was;"
                 "ALTER TABLE collection DROP COLUMN reads;"
                 "ALTER TABLE feed DROP COLUMN reconcile;"
                 "ALTER TABLE feed DROP COLUMN fresh;"
                 "ALTER TABLE replication DROP COLUMN filter;"
                 "ALTER TABLE replication DROP COLUMN error;"
                 "ALTER TABLE replication DROP COLUMN synced;"
                 "ALTER TABLE replication DROP COLUMN synced_head;"
                 "ALTER TABLE state DROP COLUMN waits;"
                 "ALTER TABLE state DROP COLUMN left_seq;"
                 "ALTER TABLE token DROP COLUMN purged;"
                 "DROP INDEX doc_feed; CREATE UNIQUE INDEX doc_feed ON doc(coll, seq);"
                 "DROP INDEX aside_doc; DROP INDEX aside_of;"
                 "CREATE UNIQUE INDEX aside_doc ON aside(coll, doc, replication);"
                 "PRAGMA user_version = 3");
}

static void make_version_2(struct store *s)
{
    make_version_3(s);
    store_sql(s, "DROP TABLE member; DROP TABLE lock; DROP TABLE event; DROP TABLE history;"
                 "DROP TABLE number; DROP INDEX conflict_log_doc;"
                 "ALTER TABLE replication DROP COLUMN client;"
                 "ALTER TABLE replication DROP COLUMN keys;"
                 "PRAGMA user_version = 2");
}

static void make_version_1(struct store *s)
{
    make_version_2(s);
    store_sql(s, "DROP TABLE lease; DROP TABLE entry; DROP TABLE idx;"
                 "ALTER TABLE replication_collection DROP COLUMN version;"
                 "ALTER TABLE replication_collection DROP COLUMN confirmed;"
                 "ALTER TABLE state DROP COLUMN version;"
                 "ALTER TABLE collection DROP COLUMN unmigrated;"
                 "ALTER TABLE collection DROP COLUMN oldest;"
                 "ALTER TABLE collection DROP COLUMN purged;"
                 "ALTER TABLE feed DROP COLUMN purged;"
                 "ALTER TABLE collection DROP COLUMN schema;"
                 "PRAGMA user_version = 1");
}

static void upgraded_with_all_that_is_in_it(void (*make)(struct store *s))
{
    STORE s = store_with("{\"id\":\"a\",\"n\":1}");
    char rev[REPLICA_REV_SIZE];

    strcpy(rev, store_rev(&s, "a"));
    store_replicate(&s, "r1");
    store_put(&s, "{\"id\":\"c\",\"n\":1}");
    CHECK_INT(store_pull_one(&s, "{\"id\":\"c\",\"n\":2}", 9), REPLICA__PULLED_UNSETTLED);
    {
        QUESTION u = store_question(&s);

        CHECK(store_settle(&s, &u, REPLICA__SETTLE_REAL, NULL, "server-wins"));
    }
    store_close(&s);
    make(&s);
    s = store_open(s.path, NULL);
    CHECK_INT(store_sql_int(&s, "PRAGMA user_version"), REPLICA__FORMAT_VERSION);
    CHECK_STR(store_json(&s, "a"), "{\"id\":\"a\",\"n\":1}");
    CHECK_STR(store_rev(&s, "a"), rev);
    store_put(&s, "{\"id\":\"b\"}");
    CHECK_INT(store_sql_int(&s, "SELECT value FROM number WHERE name = 'log_bytes'"), 200 + 2 * 16);
    CHECK_RC(replica_conflict_restore(s.db, 1, NULL, &test_err), 1);
    store_sound(&s);
}

TEST(a_file_of_version_1_is_upgraded_with_all_that_is_in_it)
{
    upgraded_with_all_that_is_in_it(make_version_1);
}

TEST(a_file_of_version_2_is_upgraded_with_all_that_is_in_it)
{
    upgraded_with_all_that_is_in_it(make_version_2);
}

TEST(a_file_of_version_3_is_upgraded_with_all_that_is_in_it)
{
    upgraded_with_all_that_is_in_it(make_version_3);
}

TEST(an_upgrade_knows_what_bundles_have_written)
{
    STORE s = store_with("{\"id\":\"a\"}");
    replica_bundle *bundle = NULL;

    CHECK_RC(replica_bundle_begin(s.db, &bundle, &test_err), 0);
    for (const char *id = "bc"; *id; id++) {
        char json[20];

        snprintf(json, sizeof json, "{\"id\":\"%c\"}", *id);
        CHECK_RC(replica_bundle_put(bundle, s.coll, json, REPLICA_NUL, NULL, &test_err), 0);
    }
    CHECK_RC(replica_bundle_commit(bundle, NULL, &test_err), 0);
    store_close(&s);
    make_version_2(&s);
    s = store_open(s.path, NULL);
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM member m JOIN doc d ON d.number = m.doc"
                                " WHERE d.bundle = m.bundle AND d.seq = m.seq"), 2);
    store_sound(&s);
}

TEST(a_reader_does_not_upgrade)
{
    const replica_db_options opts = { sizeof opts, REPLICA_DB_READ_ONLY };
    STORE s = store_with("{\"id\":\"a\"}");
    replica_db *db = NULL;

    store_close(&s);
    make_version_1(&s);
    CHECK_RC(replica_db_open(s.path, &opts, &db, &test_err), REPLICA_EVERSION);
    CHECK_INT(store_sql_int(&s, "PRAGMA user_version"), 1);
}

TEST(a_database_of_somebody_else_is_refused_and_not_touched)
{
    struct store s = { .path = tmp_path("theirs.db") };
    size_t len, after_len;
    char *before, *after;

    store_sql(&s, "CREATE TABLE t(x); INSERT INTO t VALUES(1)");
    before = tmp_read("theirs.db", &len);
    CHECK_RC(open_file(s.path), REPLICA_ECORRUPT);
    after = tmp_read("theirs.db", &after_len);
    CHECK_MEM(after, after_len, before, len);
}

static int versions_said;

static int count_versions(unsigned what, void *ctx, void *stmt, void *text)
{
    versions_said += strncmp(text, "PRAGMA user_version =", 21) == 0;
    return 0;
}

static int follow(sqlite3 *db, const char **message, const void *api)
{
    return sqlite3_trace_v2(db, SQLITE_TRACE_STMT, count_versions, NULL);
}

TEST(nobody_finds_a_new_file_half_made)
{
    int r;

    CHECK_INT(sqlite3_auto_extension((void (*)(void))follow), SQLITE_OK);
    r = open_file(tmp_path("half.db"));
    sqlite3_reset_auto_extension();
    CHECK_RC(r, 0);
    CHECK_INT(versions_said, 1); /* the newest, and none on the way there */
}

TEST(a_file_that_is_no_database_is_refused_and_not_touched)
{
    const char *text = "this is a letter to my aunt, and she keeps her letters for many years; "
                       "it is longer than the header of a database";
    const char *path = tmp_write("letter.txt", text, REPLICA_NUL);

    CHECK_RC(open_file(path), REPLICA_ECORRUPT);
    CHECK_STR(tmp_read("letter.txt", NULL), text);
}

TEST(an_empty_file_becomes_a_database)
{
    STORE s = store_open(tmp_write("empty.db", "", 0), NULL);

    store_put(&s, "{\"id\":\"a\"}");
    store_sound(&s);
}

TEST(a_damaged_file_is_corrupt)
{
    STORE s = store_empty();
    FILE *f;

    for (int i = 0; i < 200; i++) {
        char text[400];

        snprintf(text, sizeof text, "{\"id\":\"k%d\",\"t\":\"%0300d\"}", i, i);
        store_put(&s, text);
    }
    store_close(&s);
    f = fopen(s.path, "r+b");
    for (long at = 8192; at < 40000; at++) {
        fseek(f, at, SEEK_SET);
        fputc('x', f);
    }
    fclose(f);
    replica_db *db = NULL;
    int r = replica_db_open(s.path, NULL, &db, &test_err);

    if (r == 0) {
        r = replica_check(db, NULL, NULL, &test_err);
        CHECK(r > 0 || r == REPLICA_ECORRUPT);
    } else {
        CHECK_RC(r, REPLICA_ECORRUPT);
    }
    replica_db_close(db);
}

TEST(a_copy_made_by_sqlite_goes_back_to_a_write_ahead_log)
{
    STORE s = store_with("{\"id\":\"a\"}");
    char sql[600];

    snprintf(sql, sizeof sql, "VACUUM INTO '%s'", tmp_path("copy.db"));
    store_sql(&s, sql);
    STORE copy = store_open(tmp_path("copy.db"), NULL);
    CHECK_STR(store_json(&copy, "a"), "{\"id\":\"a\"}");
    store_put(&copy, "{\"id\":\"b\"}");
    CHECK_INT(store_sql_int(&copy, "SELECT journal_mode = 'wal' FROM pragma_journal_mode"), 1);
    store_sound(&copy);
}
