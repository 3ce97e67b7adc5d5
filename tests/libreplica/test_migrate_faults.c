/* Migrations with the n-th allocation failing, and with the n-th file operation failing: nothing is
 * lost, nothing is half done, and the next attempt goes through. */
#include "libreplica/db.h"
#include "tests/support/fault.h"
#include "tests/support/rise.h"
#include "tests/support/test.h"
#include "tests/support/tmp.h"

#include <sqlite3.h>
#include <stdio.h>
#include <unistd.h>

/* One of each kind: clean, edited, under way and written over, deleted, dropped, failing, good as
 * it is. */
static struct store prepared(void)
{
    struct store s = rise_open(tmp_path("test.db"), 0, 0);
    PAGE page = { 0 };

    store_replicate(&s, "r1");
    store_clean(&s, "{\"id\":\"clean\"}", 1);
    store_clean(&s, "{\"id\":\"edited\"}", 2);
    store_clean(&s, "{\"id\":\"deleted\"}", 3);
    store_put(&s, "{\"id\":\"sent\",\"n\":1}");
    CHECK_INT(store_push(&s, &page), 1);
    store_put(&s, "{\"id\":\"sent\",\"n\":2}");
    store_put(&s, "{\"id\":\"edited\",\"n\":1}");
    store_delete(&s, "deleted");
    store_put(&s, "{\"id\":\"dropped\",\"drop\":1}");
    store_put(&s, "{\"id\":\"failing\",\"fail\":1}");
    store_put(&s, "{\"id\":\"good\",\"keep\":1}");
    rise_to(&s, 1);
    return s;
}

static void check_risen(struct store *s)
{
    PAGE page = { 0 };
    replica_doc *doc = NULL;

    CHECK_STR(store_json(s, "clean"), "{\"id\":\"clean\",\"v1\":0}");
    CHECK_STR(store_json(s, "edited"), "{\"id\":\"edited\",\"n\":1,\"v1\":0}");
    CHECK_STR(store_json(s, "sent"), "{\"id\":\"sent\",\"n\":2,\"v1\":0}");
    CHECK_STR(store_json(s, "good"), "{\"id\":\"good\",\"keep\":1}");
    CHECK_STR(store_json(s, "dropped"), NULL);
    CHECK_RC(replica_get(s->coll, "failing", &doc, &test_err), REPLICA_EUSER);
    CHECK_INT(store_sql_int(s, "SELECT count(*) FROM conflict_log"), 1);
    CHECK_INT(store_sql_int(s, "SELECT count(*) FROM aside"), 1);
    store_sound(s);
    store_replicate(s, "r1");
    CHECK_INT(store_push_again(s, &page), 4); /* edited, deleted, good, and what was sent */
    CHECK_STR(page.rows[0].json, "{\"id\":\"sent\",\"n\":1,\"v1\":0}");
}

static bool is_memory(int r)
{
    return r == REPLICA_ENOMEM;
}

static bool is_io(int r)
{
    return r == REPLICA_EIO || r == REPLICA_EFULL;
}

static void arm_write(int nth)
{
    fault_io(FAULT_WRITE, nth, SQLITE_IOERR_WRITE);
}

static void arm_full(int nth)
{
    fault_io_from(FAULT_WRITE, nth, SQLITE_FULL);
}

static void run(int (*act)(struct store *s), bool (*expected)(int r), void (*arm)(int nth))
{
    for (int nth = 0, failed = 1; failed; nth++) {
        STORE s = prepared();
        int r;

        store_prepare(s.db);
        arm(nth);
        r = act(&s);
        failed = fault_stop();
        CHECK(r >= 0 || (failed && expected(r)));
        store_sound(&s);
        CHECK_RC(replica_migration_finish(s.coll, &test_err), 0);
        check_risen(&s);
        store_close(&s);
        unlink(s.path);
    }
}

static int finish(struct store *s)
{
    return replica_migration_finish(s->coll, &test_err);
}

LONG_TEST(a_migration_survives_every_failed_allocation)
{
    run(finish, is_memory, fault_alloc);
}

LONG_TEST(a_migration_survives_every_failed_write)
{
    run(finish, is_io, arm_write);
    run(finish, is_io, arm_full);
}

static int read_all(struct store *s)
{
    replica_cursor *cursor = NULL;
    replica_doc *doc;
    int r = replica_all(s->coll, NULL, &cursor, &test_err);

    while (r >= 0 && (r = replica_cursor_next(cursor, &doc, &test_err)) > 0)
        ;
    replica_cursor_close(cursor);
    return r;
}

LONG_TEST(a_cursor_that_migrates_survives_every_failed_allocation)
{
    run(read_all, is_memory, fault_alloc);
}

static int get_one(struct store *s)
{
    replica_doc *doc = NULL;
    int r = replica_get(s->coll, "sent", &doc, &test_err);

    CHECK((r > 0) == (doc != NULL));
    replica_doc_unref(doc);
    return r;
}

LONG_TEST(a_read_that_migrates_survives_every_failure)
{
    run(get_one, is_memory, fault_alloc);
    run(get_one, is_io, arm_write);
}

static int open_again(struct store *s)
{
    const replica_collection_options o = { .size = sizeof o,
                                           .version = 1,
                                           .migrations = rise_migrations,
                                           .migration_count = 1 };
    replica_db *db = NULL;
    replica_collection *coll = NULL;
    int r = replica_db_open(s->path, NULL, &db, &test_err);

    if (r >= 0)
        r = replica_db_collection(db, "notes", &o, &coll, &test_err);
    replica_db_close(db);
    return r;
}

LONG_TEST(a_collection_is_raised_or_not_when_an_allocation_fails)
{
    for (int nth = 0, failed = 1; failed; nth++) {
        STORE s = rise_open(tmp_path("test.db"), 0, 0);
        int r;

        store_put(&s, "{\"id\":\"a\"}");
        store_close(&s);
        fault_alloc(nth);
        r = open_again(&s);
        failed = fault_stop();
        CHECK(r >= 0 || (failed && (r == REPLICA_ENOMEM || r == REPLICA_EIO)));
        s = rise_open(s.path, 0, 1);
        CHECK_STR(store_json(&s, "a"), "{\"id\":\"a\",\"v1\":0}");
        store_sound(&s);
        store_close(&s);
        unlink(s.path);
    }
}

static int confirm(struct store *s)
{
    return replica__feed_confirm(s->repl, 0, &test_err);
}

LONG_TEST(a_confirmation_survives_every_failed_allocation)
{
    for (int nth = 0, failed = 1; failed; nth++) {
        STORE s = prepared();
        int r;

        CHECK_RC(replica_migration_finish(s.coll, &test_err), 0);
        store_prepare(s.db);
        fault_alloc(nth);
        r = confirm(&s);
        failed = fault_stop();
        CHECK(r >= 0 || (failed && r == REPLICA_ENOMEM));
        CHECK(confirm(&s) >= 0);
        CHECK_INT(store_state(&s, "clean"), REPLICA_DOC_DIRTY);
        CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM state WHERE lost_seq IS NOT NULL"), 1);
        store_sound(&s);
        store_close(&s);
        unlink(s.path);
    }
}

/* Each batch's first call fails in all its allocations, one after the other. */
LONG_TEST(a_listing_that_fails_while_it_migrates_goes_on_and_misses_none)
{
    struct store s = rise_open(tmp_path("test.db"), 0, 0);
    replica_cursor *cursor = NULL;
    replica_doc *doc;
    int n = 0, failures = 0, r;

    for (int i = 0; i < 150; i++) {
        char text[40];

        snprintf(text, sizeof text, "{\"id\":\"k%04d\"}", i);
        store_put(&s, text);
    }
    rise_to(&s, 1);
    store_prepare(s.db);
    CHECK_RC(replica_all(s.coll, NULL, &cursor, &test_err), 0);
    do {
        fault_alloc(n % 64 == 0 && failures < 1500 ? failures : 1000000);
        r = replica_cursor_next(cursor, &doc, &test_err);
        fault_stop();
        CHECK(r >= 0 || is_memory(r));
        failures = r < 0 ? failures + 23 : 0;
        n += r > 0;
    } while (r != 0);
    CHECK_INT(n, 150);
    replica_cursor_close(cursor);
    store_close(&s);
}
