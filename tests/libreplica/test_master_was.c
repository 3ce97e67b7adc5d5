/* What access rules read of documents is kept as it was. */
#include "libreplica/replication/master_was.h"

#include "libreplica/master.h"
#include "libreplica/txn.h"
#include "tests/support/fault.h"
#include "tests/support/store.h"
#include "tests/support/test.h"

#include <stdio.h>

static void read_fields(struct store *s, const char *fields)
{
    CHECK_RC(replica__master_reads(s->coll, fields, &test_err), 0);
}

static int add(void *ctx, const char *fields, size_t len)
{
    char *text = ctx;
    size_t at = strlen(text);

    snprintf(text + at, 400 - at, "%s%.*s", at ? " " : "", (int)len, fields);
    return 0;
}

static int64_t number_of(struct store *s, const char *id)
{
    char sql[100];

    snprintf(sql, sizeof sql, "SELECT number FROM doc WHERE id = '%s'", id);
    return store_sql_int(s, sql);
}

/* What the fields of "a" were, newest first. */
static const char *was(struct store *s, int64_t since)
{
    static char text[400];

    text[0] = '\0';
    CHECK_RC(replica__was_each(s->db, number_of(s, "a"), since, add, text, &test_err), 0);
    return text;
}

TEST(a_write_that_changes_what_rules_read_keeps_what_it_was)
{
    STORE s = store_empty();

    read_fields(&s, "[\"owner\",\"team\"]");
    store_put(&s, "{\"id\":\"a\",\"n\":1,\"owner\": \"x\"}");             /* 1 */
    store_put(&s, "{\"id\":\"a\",\"n\":2,\"owner\": \"x\"}");             /* 2: the same */
    store_put(&s, "{\"id\":\"a\",\"owner\":\"\\u0078\"}");                /* 3: so is this */
    store_put(&s, "{\"id\":\"a\",\"owner\":[1.0],\"team\":{\"b\" : 1}}"); /* 4 */
    store_put(&s, "{\"id\":\"a\",\"team\":{\"b\":1}}");                   /* 5 */
    CHECK_STR(was(&s, 0), "{\"owner\":[1.0],\"team\":{\"b\" : 1}} {\"owner\":\"\\u0078\"}");
    CHECK_STR(was(&s, 3), "{\"owner\":[1.0],\"team\":{\"b\" : 1}} {\"owner\":\"\\u0078\"}");
    CHECK_STR(was(&s, 4), "{\"owner\":[1.0],\"team\":{\"b\" : 1}}");
    CHECK_STR(was(&s, 5), "");
}

TEST(a_deletion_keeps_nothing_and_what_comes_behind_it_does)
{
    STORE s = store_empty();

    read_fields(&s, "[\"owner\"]");
    store_put(&s, "{\"id\":\"a\",\"owner\":1}");
    store_delete(&s, "a");
    CHECK_STR(was(&s, 0), ""); /* its tombstone has the same text */
    store_put(&s, "{\"id\":\"a\",\"owner\":2}");
    CHECK_STR(was(&s, 2), "{\"owner\":1}");
}

TEST(without_rules_nothing_is_kept)
{
    STORE s = store_empty();

    store_put(&s, "{\"id\":\"a\",\"owner\":1}");
    store_put(&s, "{\"id\":\"a\",\"owner\":2}");
    read_fields(&s, "[]");
    store_put(&s, "{\"id\":\"a\",\"owner\":3}");
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM was"), 0);
    CHECK_INT(store_sql_int(&s, "SELECT count(reads) FROM collection"), 0);
}

TEST(fields_that_were_read_once_are_kept_for_rules_that_come_back)
{
    STORE s = store_empty();

    read_fields(&s, "[\"owner\"]");
    read_fields(&s, "[\"team\",\"owner\"]");
    read_fields(&s, "[\"team\"]");
    CHECK_STR(s.coll->reads, "[\"owner\",\"team\"]");
    store_reopen(&s);
    CHECK_STR(s.coll->reads, "[\"owner\",\"team\"]");
}

TEST(another_connection_hears_of_them_with_its_next_write)
{
    STORE s = store_empty();
    STORE other = store_open(s.path, NULL);

    store_put(&other, "{\"id\":\"a\",\"owner\":1}");
    read_fields(&s, "[\"owner\"]");
    store_put(&other, "{\"id\":\"a\",\"owner\":2}");
    CHECK_STR(was(&s, 0), "{\"owner\":1}");
}

TEST(a_document_that_goes_to_and_fro_keeps_one_row_for_each_side)
{
    STORE s = store_empty();

    read_fields(&s, "[\"owner\"]");
    for (int i = 0; i < 20; i++)
        store_put(&s, i % 2 ? "{\"id\":\"a\",\"owner\":1}" : "{\"id\":\"a\",\"owner\":2}");
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM was"), 2);
    CHECK_INT(store_sql_int(&s, "SELECT max(until) - min(until) FROM was"), 1);
    CHECK_STR(was(&s, 19), "{\"owner\":2}");
}

TEST(what_lies_before_the_horizon_is_forgotten)
{
    STORE s = store_empty();
    REPLICA_TXN txn = NULL;
    int64_t after = 0;

    read_fields(&s, "[\"owner\"]");
    store_put(&s, "{\"id\":\"b\",\"owner\":1}"); /* 1 */
    store_put(&s, "{\"id\":\"a\",\"owner\":1}"); /* 2 */
    store_put(&s, "{\"id\":\"a\",\"owner\":2}"); /* 3 */
    store_put(&s, "{\"id\":\"a\",\"owner\":3}"); /* 4 */
    store_put(&s, "{\"id\":\"b\",\"owner\":2}"); /* 5 */
    CHECK_RC(replica__txn_begin(s.db, &txn, &test_err), 0);
    CHECK_RC(replica__was_trim(s.db, s.coll->number + 1, 9, &after, &test_err), 1);
    CHECK_RC(replica__was_trim(s.db, s.coll->number + 1, 9, &after, &test_err), 0);
    after = 0;
    CHECK_RC(replica__was_trim(s.db, s.coll->number, 3, &after, &test_err), 1);
    CHECK_RC(replica__was_trim(s.db, s.coll->number, 3, &after, &test_err), 0);
    CHECK_RC(replica__txn_commit(&txn, &test_err), 0);
    CHECK_STR(was(&s, 0), "{\"owner\":2}");
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM was"), 2);
    CHECK_RC(replica__txn_begin(s.db, &txn, &test_err), 0);
    CHECK_RC(replica__was_drop(s.db, number_of(&s, "a"), &test_err), 0);
    CHECK_RC(replica__txn_commit(&txn, &test_err), 0);
    CHECK_STR(was(&s, 0), "");
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM was"), 1);
}

LONG_TEST(a_failed_allocation_fails_the_write_and_forgets_nothing)
{
    for (int nth = 0, failed = 1; failed; nth++) {
        STORE s = store_memory();
        char text[400] = "";
        int r;

        read_fields(&s, "[\"owner\"]");
        store_put(&s, "{\"id\":\"a\",\"owner\":1}");
        fault_alloc(nth);
        r = replica_upsert(s.coll, "{\"id\":\"a\",\"owner\":2}", REPLICA_NUL, NULL, &test_err);
        failed = fault_stop();
        CHECK(r == 0 || (failed && r == REPLICA_ENOMEM));
        CHECK_RC(replica__was_each(s.db, 1, 0, add, text, &test_err), 0);
        CHECK_STR(text, r == 0 ? "{\"owner\":1}" : "");
        CHECK_STR(store_json(&s, "a"),
                  r == 0 ? "{\"id\":\"a\",\"owner\":2}" : "{\"id\":\"a\",\"owner\":1}");
    }
}

LONG_TEST(a_failed_allocation_fails_the_naming_of_fields_and_nothing_else)
{
    for (int nth = 0, failed = 1; failed; nth++) {
        STORE s = store_memory();
        int r;

        read_fields(&s, "[\"owner\"]");
        fault_alloc(nth);
        r = replica__master_reads(s.coll, "[\"team\",\"owner\"]", &test_err);
        failed = fault_stop();
        CHECK(r == 0 || (failed && r == REPLICA_ENOMEM));
        store_put(&s, "{\"id\":\"a\"}");
        CHECK_STR(s.coll->reads, r == 0 ? "[\"owner\",\"team\"]" : "[\"owner\"]");
    }
}
