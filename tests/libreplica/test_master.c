/* The master's side: incarnations, checkpoints over restarts and restores, reading the feed. */
#include "base/buf.h"
#include "libreplica/master.h"
#include "tests/support/store.h"
#include "tests/support/test.h"
#include "tests/support/tmp.h"

#include <stdio.h>

static void incarnation(struct store *s, char *ret)
{
    const char *text = NULL;

    CHECK_RC(replica__master_incarnation(s->db, &text, &test_err), 0);
    strcpy(ret, text);
}

static void check_point(struct store *s, const char *inc, int64_t sequence, int64_t common)
{
    int64_t is = -1;

    CHECK_RC(replica__master_checkpoint(s->db, inc, sequence, &is, &test_err), common < 0);
    CHECK_INT(is, common);
}

static void copy_file(const char *from, const char *to)
{
    size_t len;
    char *text = tmp_read(from, &len);

    tmp_write(to, text, len);
}

TEST(an_opening_has_one_incarnation_and_the_next_one_another)
{
    STORE s = store_empty();
    char first[65], again[65], second[65];

    incarnation(&s, first);
    incarnation(&s, again);
    CHECK_STR(again, first);
    store_reopen(&s);
    incarnation(&s, second);
    CHECK(strcmp(first, second) != 0);
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM token WHERE begin IS NOT NULL"), 2);
}

TEST(checkpoints_stay_valid_over_restarts)
{
    STORE s = store_empty();
    char first[65], second[65];

    check_point(&s, "", 0, -1); /* the beginning */
    incarnation(&s, first);
    store_put(&s, "{\"id\":\"a\"}");
    store_put(&s, "{\"id\":\"b\"}");
    check_point(&s, first, 0, -1);
    check_point(&s, first, 2, -1);
    check_point(&s, first, 3, 2); /* beyond the head */
    store_reopen(&s);
    check_point(&s, first, 2, -1);
    incarnation(&s, second);
    store_put(&s, "{\"id\":\"c\"}");
    check_point(&s, first, 2, -1);
    check_point(&s, first, 3, 2); /* beyond the end of the first */
    check_point(&s, second, 3, -1);
    check_point(&s, second, 1, -1); /* before its beginning it is the same timeline */
    check_point(&s, "nobody", 1, 0);
    check_point(&s, "", 1, 0);
}

TEST(a_restored_file_knows_what_is_common)
{
    STORE s = store_empty();
    char first[65], lost[65], restored[65];

    incarnation(&s, first);
    store_put(&s, "{\"id\":\"a\"}");
    store_put(&s, "{\"id\":\"b\"}");
    store_close(&s);
    copy_file("test.db", "backup.db");
    s = store_open(tmp_path("test.db"), NULL);
    incarnation(&s, lost);
    store_put(&s, "{\"id\":\"c\"}");
    check_point(&s, lost, 3, -1);
    store_close(&s);
    copy_file("backup.db", "test.db");
    s = store_open(tmp_path("test.db"), NULL);
    incarnation(&s, restored);
    store_put(&s, "{\"id\":\"d\"}");
    check_point(&s, first, 2, -1);
    check_point(&s, first, 3, 2);
    check_point(&s, lost, 3, 0); /* it never heard of that opening */
    check_point(&s, restored, 3, -1);
}

TEST(a_file_copied_while_it_served_and_restored_knows_what_is_common)
{
    STORE s = store_empty();
    char first[65];
    char sql[600];

    incarnation(&s, first);
    store_put(&s, "{\"id\":\"a\"}");
    snprintf(sql, sizeof sql, "VACUUM INTO '%s'", tmp_path("backup.db"));
    store_sql(&s, sql);
    store_put(&s, "{\"id\":\"b\"}");
    store_put(&s, "{\"id\":\"c\"}");
    check_point(&s, first, 3, -1);
    STORE restored = store_open(tmp_path("backup.db"), NULL);
    char second[65];
    incarnation(&restored, second);
    store_put(&restored, "{\"id\":\"x\"}");
    store_put(&restored, "{\"id\":\"y\"}");
    check_point(&restored, first, 3, 1);
    check_point(&restored, first, 1, -1);
}

TEST(the_beginning_is_recorded_once_though_a_sibling_asks_too)
{
    STORE s = store_empty();
    replica_db *sibling = NULL;
    const char *theirs = NULL;
    char ours[65];

    incarnation(&s, ours);
    store_put(&s, "{\"id\":\"a\"}");
    CHECK_RC(replica__db_open_sibling(s.db, &sibling, &test_err), 0);
    CHECK_RC(replica__master_incarnation(sibling, &theirs, &test_err), 0);
    CHECK_STR(theirs, ours);
    CHECK_INT(store_sql_int(&s, "SELECT max(begin) FROM token"), 0);
    replica_db_close(sibling);
}

TEST(who_serves_beside_others_is_of_their_incarnation_until_all_have_ended)
{
    STORE s = store_empty();
    char first[65], text[65];

    incarnation(&s, first);
    store_put(&s, "{\"id\":\"a\"}");
    {
        STORE beside = store_open(s.path, NULL);

        incarnation(&beside, text);
        CHECK_STR(text, first);
        store_put(&beside, "{\"id\":\"b\"}");
        check_point(&s, first, 2, -1);
        store_close(&s);
        s = store_open(beside.path, NULL);
        incarnation(&s, text); /* the first one came back while another one served */
        CHECK_STR(text, first);
    }
    check_point(&s, first, 2, -1);
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM token WHERE begin IS NOT NULL"), 1);
    store_reopen(&s);
    incarnation(&s, text);
    CHECK(strcmp(text, first) != 0);
}

TEST(sequence_numbers_grow_over_restarts_though_nothing_is_stored)
{
    STORE s = store_empty();
    char text[65];
    int64_t head = -1;

    incarnation(&s, text);
    store_put(&s, "{\"id\":\"a\"}");
    store_put(&s, "{\"id\":\"b\"}");
    store_reopen(&s);
    incarnation(&s, text); /* begins at 2 */
    store_close(&s);
    store_sql(&s, "DELETE FROM doc"); /* as a purge would */
    s = store_open(s.path, NULL);
    CHECK_RC(replica__master_head(s.db, &head, &test_err), 0);
    CHECK_INT(head, 2);
}

/* ---- reading --------------------------------------------------------------------- */

static int show(void *ctx, const struct replica__feed_doc *doc)
{
    struct replica__buf *text = ctx;

    replica__buf_printf(text, "%zu/%s%s%lld ", doc->collection, doc->id, doc->deleted ? "-" : "@",
                        (long long)doc->sequence);
    return text->max ? text->len >= text->max : 0;
}

static const char *read_feed(struct store *s, replica_collection *const *colls, size_t n,
                             int64_t since, size_t rows, int end, int64_t last,
                             struct replica__buf *text)
{
    const struct replica__feed_options options = { .since = since, .rows = rows };
    int64_t is = -1;

    replica__buf_clear(text);
    replica__buf_str(text, "");
    CHECK_RC(replica__master_read(s->db, colls, n, &options, show, text, &is, &test_err), end);
    CHECK_INT(is, last);
    return text->data ? text->data : "";
}

TEST(the_feed_of_one_collection_comes_in_pages)
{
    STORE s = store_with("{\"id\":\"a\"}");
    REPLICA_BUF text = REPLICA_BUF_INIT;

    store_put(&s, "{\"id\":\"b\"}");
    store_put(&s, "{\"id\":\"c\"}");
    store_delete(&s, "a");
    CHECK_STR(read_feed(&s, &s.coll, 1, 0, 2, 0, 3, &text), "0/b@2 0/c@3 ");
    CHECK_STR(read_feed(&s, &s.coll, 1, 3, 2, 1, 4, &text), "0/a-4 ");
    CHECK_STR(read_feed(&s, &s.coll, 1, 4, 2, 1, 4, &text), "");
    CHECK_STR(read_feed(&s, &s.coll, 1, 0, 0, 0, 0, &text), "");
    CHECK_STR(read_feed(&s, &s.coll, 1, 0, 3, 1, 4, &text), "0/b@2 0/c@3 0/a-4 ");
}

TEST(several_collections_come_in_the_order_of_their_numbers)
{
    STORE s = store_with("{\"id\":\"a\"}");
    REPLICA_BUF text = REPLICA_BUF_INIT;
    replica_collection *colls[3] = { s.coll };

    CHECK_RC(replica_db_collection(s.db, "tasks", NULL, &colls[1], &test_err), 0);
    CHECK_RC(replica_db_collection(s.db, "empty", NULL, &colls[2], &test_err), 0);
    CHECK_RC(replica_upsert(colls[1], "{\"id\":\"t\"}", REPLICA_NUL, NULL, &test_err), 0);
    store_put(&s, "{\"id\":\"b\"}");
    CHECK_RC(replica_upsert(colls[1], "{\"id\":\"u\"}", REPLICA_NUL, NULL, &test_err), 0);
    CHECK_STR(read_feed(&s, colls, 3, 0, 10, 1, 4, &text), "0/a@1 1/t@2 0/b@3 1/u@4 ");
    CHECK_STR(read_feed(&s, colls, 3, 0, 3, 0, 3, &text), "0/a@1 1/t@2 0/b@3 ");
    CHECK_STR(read_feed(&s, colls, 3, 3, 3, 1, 4, &text), "1/u@4 ");
}

TEST(at_the_end_the_number_is_the_head_of_all_collections)
{
    STORE s = store_with("{\"id\":\"a\"}");
    REPLICA_BUF text = REPLICA_BUF_INIT;
    replica_collection *other = NULL;
    int64_t n = -1;

    CHECK_RC(replica_db_collection(s.db, "other", NULL, &other, &test_err), 0);
    CHECK_RC(replica_upsert(other, "{\"id\":\"t\"}", REPLICA_NUL, NULL, &test_err), 0);
    CHECK_STR(read_feed(&s, &s.coll, 1, 0, 10, 1, 2, &text), "0/a@1 ");
    CHECK_RC(replica__master_remaining(s.db, &s.coll, 1, &(struct replica__feed_options){ 0 },
                                       &n, &test_err), 0);
    CHECK_INT(n, 1);
    CHECK_RC(replica__master_remaining(s.db, &s.coll, 1,
                                       &(struct replica__feed_options){ .since = 1 }, &n,
                                       &test_err), 0);
    CHECK_INT(n, 0);
}

TEST(the_reader_may_stop_behind_a_document)
{
    STORE s = store_with("{\"id\":\"a\"}");
    REPLICA_BUF text = { .max = 6 };

    store_put(&s, "{\"id\":\"b\"}");
    CHECK_STR(read_feed(&s, &s.coll, 1, 0, 10, 0, 1, &text), "0/a@1 ");
}

static int fail_at_once(void *ctx, const struct replica__feed_doc *doc)
{
    return -77;
}

TEST(a_reader_that_fails_is_heard)
{
    STORE s = store_with("{\"id\":\"a\"}");
    int64_t last = 77;

    CHECK_RC(replica__master_read(s.db, &s.coll, 1, &(struct replica__feed_options){ .rows = 10 },
                                  fail_at_once, NULL, &last, &test_err), -77);
    CHECK_INT(last, 77);
    store_put(&s, "{\"id\":\"b\"}"); /* and the read has ended */
}
