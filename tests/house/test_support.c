/* The harness, tested by itself: faults come when they were ordered, clocks stand still. */
#include "tests/support/clock.h"
#include "tests/support/fault.h"
#include "tests/support/test.h"
#include "tests/support/tmp.h"

#include "base/alloc.h"

#include <cjson/cJSON.h>
#include <sqlite3.h>

static sqlite3 *open_db(const char *path)
{
    sqlite3 *db = NULL;

    CHECK_INT(sqlite3_open(path, &db), SQLITE_OK);
    CHECK_INT(sqlite3_exec(db, "PRAGMA journal_mode=WAL; CREATE TABLE t (n)", 0, 0, 0), SQLITE_OK);
    return db;
}

TEST(only_the_ordered_allocation_fails)
{
    void *p;

    fault_alloc(1);
    p = replica__alloc(8);
    CHECK(p != NULL);
    CHECK(replica__alloc(8) == NULL);
    replica__free(p);
    p = replica__alloc(8);
    CHECK(p != NULL);
    replica__free(p);
    CHECK(fault_stop());
}

TEST(an_order_that_was_not_met_is_no_failure)
{
    fault_alloc(1000000);
    replica__free(replica__alloc(8));
    CHECK(!fault_stop());
}

TEST(one_counter_serves_all_three_allocators)
{
    void *p;
    cJSON *item;

    fault_alloc(2);
    p = sqlite3_malloc(8);
    item = cJSON_CreateNull();
    CHECK(p != NULL && item != NULL);
    CHECK(replica__alloc(8) == NULL);
    CHECK(fault_stop());
    sqlite3_free(p);
    cJSON_Delete(item);

    fault_alloc(0);
    CHECK(sqlite3_malloc(8) == NULL);
    CHECK(fault_stop());
    fault_alloc(0);
    CHECK(cJSON_CreateNull() == NULL);
    CHECK(fault_stop());
}

TEST(a_failed_write_or_sync_or_read_reaches_the_program)
{
    sqlite3 *db = open_db(tmp_path("a.db"));

    fault_io(FAULT_WRITE, 0, SQLITE_FULL);
    CHECK_INT(sqlite3_exec(db, "INSERT INTO t VALUES (1)", 0, 0, 0), SQLITE_FULL);
    CHECK(fault_stop());

    CHECK_INT(sqlite3_exec(db, "PRAGMA synchronous=FULL", 0, 0, 0), SQLITE_OK);
    fault_io(FAULT_SYNC, 0, SQLITE_IOERR_FSYNC);
    CHECK_INT(sqlite3_exec(db, "INSERT INTO t VALUES (2)", 0, 0, 0), SQLITE_IOERR);
    CHECK(fault_stop());

    CHECK_INT(sqlite3_exec(db, "INSERT INTO t VALUES (3)", 0, 0, 0), SQLITE_OK);
    sqlite3_close(db);

    fault_io(FAULT_OPEN, 0, SQLITE_CANTOPEN);
    CHECK_INT(sqlite3_open(tmp_path("a.db"), &db), SQLITE_CANTOPEN);
    CHECK(fault_stop());
    sqlite3_close(db);
    CHECK_INT(sqlite3_open(tmp_path("a.db"), &db), SQLITE_OK);
    fault_io_from(FAULT_READ, 0, SQLITE_IOERR_READ);
    CHECK_INT(sqlite3_exec(db, "SELECT * FROM t", 0, 0, 0), SQLITE_IOERR);
    CHECK(fault_stop());
    CHECK_INT(sqlite3_exec(db, "SELECT * FROM t", 0, 0, 0), SQLITE_OK);
    sqlite3_close(db);
}

TEST(a_full_disk_stays_full_until_the_order_ends)
{
    sqlite3 *db = open_db(tmp_path("a.db"));

    fault_io_from(FAULT_WRITE, 1, SQLITE_FULL);
    for (int i = 0; i < 3; i++)
        CHECK_INT(sqlite3_exec(db, "INSERT INTO t VALUES (1)", 0, 0, 0), SQLITE_FULL);
    CHECK(fault_stop());
    CHECK_INT(sqlite3_exec(db, "INSERT INTO t VALUES (1)", 0, 0, 0), SQLITE_OK);
    sqlite3_close(db);
}

TEST(files_of_a_test_come_back_as_written)
{
    size_t len = 0;

    tmp_write("a.txt", "one\0two", 7);
    CHECK_MEM(tmp_read("a.txt", &len), 7, "one\0two", 7);
    CHECK_INT(len, 7);
    CHECK(tmp_read("b.txt", NULL) == NULL);
}

TEST(each_test_starts_in_an_empty_folder)
{
    CHECK(tmp_read("a.txt", NULL) == NULL);
    CHECK_INT(test_err.code, 0);
}

TEST(time_passes_only_when_told_and_the_dice_follow_the_seed)
{
    struct clock a, b;

    clock_start(&a, 5000, 7);
    clock_start(&b, 5000, 7);
    CHECK_INT(a.world.now_ms(a.world.ctx), 5000);
    clock_pass(&a, 20);
    CHECK_INT(a.world.now_ms(a.world.ctx), 5020);
    a.now_ms = 100; /* somebody sets the wall clock back */
    CHECK_INT(a.world.now_ms(a.world.ctx), 100);
    CHECK_INT(a.world.monotonic_ms(a.world.ctx), b.world.monotonic_ms(b.world.ctx) + 20);
    for (int i = 0; i < 10; i++)
        CHECK(a.world.random(a.world.ctx) == b.world.random(b.world.ctx));
}
