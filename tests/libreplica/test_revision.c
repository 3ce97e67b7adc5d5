/* Revisions: what they look like, and that none ever names two states. */
#include "libreplica/revision.h"
#include "tests/support/clock.h"
#include "tests/support/store.h"
#include "tests/support/test.h"
#include "tests/support/tmp.h"

#include <stdlib.h>

TEST(a_revision_is_height_token_and_number)
{
    char rev[REPLICA_REV_SIZE];

    CHECK_INT(replica__revision_write(rev, 12, "k3v9x0q8m2t5w7ya", 118), 23);
    CHECK_STR(rev, "12-k3v9x0q8m2t5w7ya.118");
    replica__revision_write(rev, INT64_MAX, "k3v9x0q8m2t5w7ya", INT64_MAX);
    CHECK_STR(rev, "9223372036854775807-k3v9x0q8m2t5w7ya.9223372036854775807");
}

TEST(each_write_adds_one_to_the_height_and_takes_the_next_number)
{
    STORE s = store_with("{\"id\":\"a\"}");
    const char *rev;

    store_put(&s, "{\"id\":\"b\"}");
    store_put(&s, "{\"id\":\"a\",\"n\":1}");
    store_delete(&s, "a");
    store_put(&s, "{\"id\":\"a\",\"n\":2}");
    rev = store_rev(&s, "a");
    CHECK(strncmp(rev, "4-", 2) == 0);
    CHECK_STR(strchr(rev, '.'), ".5");
    CHECK_INT(replica_doc_sequence(s.shown), 5);
}

TEST(each_opening_has_a_token_of_its_own)
{
    STORE s = store_with("{\"id\":\"a\"}");
    char first[REPLICA_REV_SIZE], second[REPLICA_REV_SIZE];

    strcpy(first, store_rev(&s, "a") + 2);
    store_reopen(&s);
    store_put(&s, "{\"id\":\"a\"}");
    strcpy(second, store_rev(&s, "a") + 2);
    CHECK_INT(strchr(first, '.') - first, 16);
    CHECK_INT(strchr(second, '.') - second, 16);
    CHECK(strncmp(first, second, 16) != 0);
}

static void copy_file(const char *from, const char *to)
{
    size_t len;
    char *text = tmp_read(from, &len);

    tmp_write(to, text, len);
}

TEST(two_copies_of_a_file_give_different_revisions_to_the_same_write)
{
    STORE s = store_with("{\"id\":\"a\"}");
    char rev[REPLICA_REV_SIZE];

    store_close(&s);
    copy_file("test.db", "copy.db");
    s = store_open(tmp_path("test.db"), NULL);
    STORE copy = store_open(tmp_path("copy.db"), NULL);
    CHECK_STR(store_rev(&copy, "a"), store_rev(&s, "a"));
    store_put(&s, "{\"id\":\"a\",\"n\":1}");
    store_put(&copy, "{\"id\":\"a\",\"n\":2}");
    strcpy(rev, store_rev(&s, "a"));
    CHECK(strcmp(store_rev(&copy, "a"), rev) != 0);
    CHECK(strncmp(store_rev(&copy, "a"), rev, 2) == 0);
}

TEST(a_restored_file_gives_other_revisions_than_the_lost_one)
{
    STORE s = store_with("{\"id\":\"a\"}");
    char lost[REPLICA_REV_SIZE];

    store_close(&s);
    copy_file("test.db", "backup.db");
    s = store_open(tmp_path("test.db"), NULL);
    store_put(&s, "{\"id\":\"a\",\"n\":1}");
    strcpy(lost, store_rev(&s, "a"));
    store_close(&s);
    copy_file("backup.db", "test.db");
    s = store_open(tmp_path("test.db"), NULL);
    store_put(&s, "{\"id\":\"a\",\"n\":2}");
    CHECK(strcmp(store_rev(&s, "a"), lost) != 0);
    CHECK_RC(replica_put(s.coll, "{\"id\":\"a\"}", REPLICA_NUL, lost, NULL, NULL, &test_err),
             REPLICA_ECONFLICT);
}

TEST(a_write_that_failed_takes_no_number)
{
    STORE s = store_with("{\"id\":\"a\"}");
    int64_t head = 0;

    CHECK_RC(replica_put(s.coll, "{\"id\":\"a\"}", REPLICA_NUL, NULL, NULL, NULL, &test_err),
             REPLICA_ECONFLICT);
    CHECK_RC(replica_db_sequence(s.db, &head, &test_err), 0);
    CHECK_INT(head, 1);
}

TEST(sequence_numbers_do_not_care_for_clocks)
{
    struct clock clock;

    clock_start(&clock, 1700000000000, 1);
    STORE s = store_empty();
    replica__db_set_world(s.db, &clock.world);
    store_put(&s, "{\"id\":\"a\"}");
    clock.now_ms = 1000; /* back to 1970 */
    store_put(&s, "{\"id\":\"b\"}");
    CHECK(store_rev(&s, "b") && replica_doc_sequence(s.shown) == 2);
}

TEST(stamps_grow_though_the_clock_goes_back)
{
    struct clock clock;
    int64_t before, after;

    clock_start(&clock, 1700000000000, 1);
    STORE s = store_empty();
    replica__db_set_world(s.db, &clock.world);
    store_put(&s, "{\"id\":\"a\"}");
    before = store_sql_int(&s, "SELECT stamp FROM doc WHERE id = 'a'");
    clock.now_ms = 1000;
    store_put(&s, "{\"id\":\"b\"}");
    after = store_sql_int(&s, "SELECT stamp FROM doc WHERE id = 'b'");
    CHECK(after > before);
    replica__db_set_world(s.db, &clock.world); /* as after a restart */
    store_put(&s, "{\"id\":\"a\",\"n\":1}");
    CHECK(store_sql_int(&s, "SELECT stamp FROM doc WHERE id = 'a'") > before);
}

TEST(a_stamp_from_the_far_future_does_not_spread)
{
    struct clock clock;
    struct come doc = { .json = "{\"id\":\"a\"}", .sequence = 5,
                        .stamp = INT64_C(32503680000000) << 16 }; /* the year 3000 */

    clock_start(&clock, 1700000000000, 1);
    STORE s = store_empty();
    replica__db_set_world(s.db, &clock.world);
    store_replicate(&s, "r1");
    CHECK_RC(store_pull(&s, "c", &doc, 1), 0);
    store_put(&s, "{\"id\":\"a\",\"n\":1}");
    CHECK(store_sql_int(&s, "SELECT stamp FROM doc WHERE id = 'a'") > doc.stamp);
    store_put(&s, "{\"id\":\"b\"}");
    CHECK(store_json(&s, "b") && replica_doc_time(s.shown) < 1700000001000);
}

/* ---- revisions of what was deleted, purged and created again ----------------------- */

/* Every write that names this revision is refused, and `now` stays (NULL: nothing is stored). */
static void refused(struct store *s, const char *rev, const char *now)
{
    replica_doc *stored = NULL;
    replica_bulk_row rows[] = { { .json = "{\"id\":\"a\",\"w\":1}", .len = REPLICA_NUL,
                                  .base_rev = rev } };

    CHECK_RC(replica_put(s->coll, "{\"id\":\"a\",\"w\":1}", REPLICA_NUL, rev, NULL, &stored,
                         &test_err),
             REPLICA_ECONFLICT);
    CHECK_STR(stored && !replica_doc_deleted(stored) ? replica_doc_json(stored, NULL) : NULL, now);
    replica_doc_unref(stored);
    CHECK_INT(replica_bulk(s->coll, rows, 1, &test_err), 1);
    CHECK_RC(rows[0].code, REPLICA_ECONFLICT);
    CHECK_RC(replica_delete(s->coll, "a", rev, NULL, &test_err), now ? REPLICA_ECONFLICT : 0);
    CHECK_RC(replica_patch(s->coll, "a", "{\"w\":1}", REPLICA_NUL, rev, NULL, NULL, &test_err),
             now ? REPLICA_ECONFLICT : 0);
    CHECK_STR(store_json(s, "a"), now);
}

TEST(revisions_from_before_a_purge_are_refused_before_and_after_the_new_creation)
{
    static const char first[] = "{\"id\":\"a\",\"n\":1}";
    STORE s = store_with(first);
    char live[REPLICA_REV_SIZE], tombstone[REPLICA_REV_SIZE];
    replica_doc *deleted = NULL;
    replica_cursor *cursor = NULL;
    int64_t count = 0;

    strcpy(live, store_rev(&s, "a"));
    store_delete(&s, "a");
    CHECK_RC(replica_changes(s.coll, 0, &cursor, &test_err), 0);
    CHECK_RC(replica_cursor_next(cursor, &deleted, &test_err), 1);
    strcpy(tombstone, replica_doc_rev(deleted));
    replica_cursor_close(cursor);
    refused(&s, live, NULL);

    store_put(&s, "{\"id\":\"z\"}"); /* the newest write of a file is not purged */
    store_sql(&s, "UPDATE doc SET stamp = 1 WHERE id = 'a'");
    CHECK_RC(replica_purge(s.db, s.coll, 0, 0, &count, &test_err), 0);
    CHECK_INT(count, 1);
    refused(&s, live, NULL);
    refused(&s, tombstone, NULL);

    CHECK_RC(replica_put(s.coll, first, REPLICA_NUL, NULL, NULL, NULL, &test_err), 0);
    CHECK(strcmp(store_rev(&s, "a"), live) != 0);
    refused(&s, live, first);
    refused(&s, tombstone, first);
    CHECK_RC(replica_put(s.coll, first, REPLICA_NUL, NULL, NULL, NULL, &test_err),
             REPLICA_ECONFLICT);
    store_reopen(&s);
    refused(&s, live, first);
    refused(&s, tombstone, first);
}

TEST(the_revision_of_a_deleted_document_is_refused_when_it_was_created_again)
{
    static const char text[] = "{\"id\":\"a\"}";
    STORE s = store_with(text);
    char old[REPLICA_REV_SIZE];

    strcpy(old, store_rev(&s, "a"));
    for (int i = 0; i < 3; i++) { /* the same text each time */
        store_delete(&s, "a");
        refused(&s, old, NULL);
        CHECK_RC(replica_put(s.coll, text, REPLICA_NUL, NULL, NULL, NULL, &test_err), 0);
        refused(&s, old, text);
        strcpy(old, store_rev(&s, "a"));
        store_put(&s, text);
        refused(&s, old, text);
        strcpy(old, store_rev(&s, "a"));
        store_put(&s, text);
    }
}
