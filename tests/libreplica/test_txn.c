/* Transactions: several processes at once, the WAL's checkpoints, and rollbacks that SQLite does by
 * itself. */
#include "libreplica/db.h"
#include "libreplica/txn.h"
#include "tests/support/fault.h"
#include "tests/support/store.h"
#include "tests/support/test.h"
#include "tests/support/tmp.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

TEST(a_transaction_that_is_not_committed_is_rolled_back)
{
    STORE s = store_with("{\"id\":\"a\"}");
    int64_t head = 0;

    {
        REPLICA_TXN txn = NULL;

        CHECK_RC(replica__txn_begin(s.db, &txn, &test_err), 0);
        CHECK_RC(replica__txn_begin(s.db, &txn, &test_err), REPLICA_EINVAL);
        CHECK_RC(replica__sql_script(s.db, "DELETE FROM doc", &test_err), 0);
        s.db->head = 99;
    }
    CHECK(store_json(&s, "a"));
    CHECK_RC(replica_db_sequence(s.db, &head, &test_err), 0);
    CHECK_INT(head, 1);
}

TEST(a_rollback_by_sqlite_itself_is_survived)
{
    STORE s = store_with("{\"id\":\"a\"}");

    {
        REPLICA_TXN txn = NULL;

        CHECK_RC(replica__txn_begin(s.db, &txn, &test_err), 0);
        CHECK_RC(replica__sql_script(s.db, "DELETE FROM doc; ROLLBACK", &test_err), 0);
        CHECK(sqlite3_get_autocommit(s.db->sqlite));
        CHECK(replica__txn_commit(&txn, &test_err) < 0);
    }
    CHECK(store_json(&s, "a"));
    store_put(&s, "{\"id\":\"b\"}");
    CHECK(strstr(store_rev(&s, "b"), ".2"));
    store_sound(&s);
}

TEST(a_lock_of_another_process_is_busy_after_the_wait)
{
    replica_db_options opts = REPLICA_DB_OPTIONS_INIT;
    sqlite3 *holder = NULL;

    opts.busy_ms = REPLICA_NO_WAIT;
    STORE s = store_open(tmp_path("test.db"), &opts);
    store_put(&s, "{\"id\":\"a\"}");
    CHECK(sqlite3_open(s.path, &holder) == SQLITE_OK);
    CHECK(sqlite3_exec(holder, "BEGIN IMMEDIATE", NULL, NULL, NULL) == SQLITE_OK);
    CHECK_RC(replica_put(s.coll, "{\"id\":\"b\"}", REPLICA_NUL, NULL, NULL, NULL, &test_err),
             REPLICA_EBUSY);
    replica__db_set_busy(s.db, 30);
    CHECK_RC(replica_put(s.coll, "{\"id\":\"b\"}", REPLICA_NUL, NULL, NULL, NULL, &test_err),
             REPLICA_EBUSY);
    CHECK(store_json(&s, "a")); /* reading goes on */
    sqlite3_exec(holder, "ROLLBACK", NULL, NULL, NULL);
    sqlite3_close(holder);
    store_put(&s, "{\"id\":\"b\"}");
}

/* ---- the WAL --------------------------------------------------------------------- */

static long wal_size(struct store *s)
{
    char path[512];
    struct stat about;

    snprintf(path, sizeof path, "%s-wal", s->path);
    return stat(path, &about) == 0 ? (long)about.st_size : 0;
}

static void write_large(struct store *s, int n)
{
    char *text = malloc(200100);

    for (int i = 0; i < n; i++) {
        int len = snprintf(text, 100, "{\"id\":\"k%d\",\"t\":\"", i % 20);

        memset(text + len, 'x', 200000);
        strcpy(text + len + 200000, "\"}");
        store_put(s, text);
    }
    free(text);
}

LONG_TEST(the_wal_does_not_grow_without_bound)
{
    STORE s = store_empty();

    write_large(&s, 600); /* 120 MB of pages */
    CHECK(wal_size(&s) < 40 * 1024 * 1024);
    store_sound(&s);
}

TEST(the_wal_does_not_grow_without_bound_though_another_handle_is_open)
{
    STORE s = store_empty();
    STORE other = store_open(s.path, NULL);

    for (int i = 0; i < 30; i++) {
        write_large(&s, 10);
        write_large(&other, 10);
        CHECK(store_json(&other, "k1"));
    }
    CHECK(wal_size(&s) < 60 * 1024 * 1024);
}

TEST(a_checkpoint_waits_for_no_reader_and_a_later_one_catches_up)
{
    STORE s = store_empty();
    STORE reader = store_open(s.path, NULL);
    REPLICA_READ read = NULL;

    store_put(&s, "{\"id\":\"a\"}");
    CHECK_RC(replica__read_begin(reader.db, &read, &test_err), 0);
    CHECK(store_json(&reader, "a"));
    write_large(&s, 200);
    replica__read_end(&read);
    write_large(&s, 300);
    CHECK(wal_size(&s) < 90 * 1024 * 1024);
}

LONG_TEST(a_checkpoint_that_fails_harms_nobody)
{
    STORE s = store_empty();

    for (int nth = 0; nth < 3; nth++) {
        fault_io(FAULT_OPEN, nth, SQLITE_CANTOPEN); /* the connection that checkpoints */
        write_large(&s, 90);
        fault_stop();
    }
    store_sound(&s);
}

/* ---- several processes ----------------------------------------------------------- */

#define PROCESSES 3
#define ROUNDS 60

static void work_in_process(const char *path, int number)
{
    STORE s = store_open(path, NULL);

    for (int i = 0; i < ROUNDS; i++) {
        char text[80];
        replica_bundle *bundle = NULL;

        snprintf(text, sizeof text, "{\"id\":\"p%d-%d\"}", number, i);
        store_put(&s, text);
        snprintf(text, sizeof text, "{\"n%d\":%d}", number, i);
        CHECK_RC(replica_patch(s.coll, "shared", text, REPLICA_NUL, "*", NULL, NULL, &test_err), 1);
        CHECK_RC(replica_bundle_begin(s.db, &bundle, &test_err), 0);
        for (int j = 0; j < 2; j++) {
            snprintf(text, sizeof text, "{\"id\":\"pair%d\",\"by\":\"%d-%d\"}", j, number, i);
            CHECK_RC(replica_bundle_put(bundle, s.coll, text, REPLICA_NUL, "*", &test_err), 0);
        }
        CHECK_RC(replica_bundle_commit(bundle, NULL, &test_err), 0);
    }
}

TEST(processes_that_write_at_once_lose_nothing)
{
    STORE s = store_with("{\"id\":\"shared\"}");
    pid_t children[PROCESSES];
    char path[512], pair[80];
    int64_t n = 0;

    strcpy(path, s.path);
    store_close(&s);
    for (int i = 0; i < PROCESSES; i++) {
        children[i] = fork();
        if (children[i] == 0) {
            work_in_process(path, i);
            _exit(0);
        }
    }
    for (int i = 0; i < PROCESSES; i++) {
        int status = -1;

        waitpid(children[i], &status, 0);
        CHECK_INT(status, 0);
    }
    s = store_open(tmp_path("test.db"), NULL);
    CHECK_RC(replica_collection_count(s.coll, &n, &test_err), 0);
    CHECK_INT(n, PROCESSES * ROUNDS + 3);
    for (int i = 0; i < PROCESSES; i++) {
        char field[20];

        snprintf(field, sizeof field, "\"n%d\":%d", i, ROUNDS - 1);
        CHECK(strstr(store_json(&s, "shared"), field));
    }
    snprintf(pair, sizeof pair, "%s", strstr(store_json(&s, "pair0"), "by"));
    CHECK_STR(strstr(store_json(&s, "pair1"), "by"), pair);
    CHECK_INT(store_sql_int(&s, "SELECT max(seq) FROM doc"), 1 + PROCESSES * ROUNDS * 4);
    store_sound(&s);
}

/* ---- the program before its replicator -------------------------------------------- */

struct busy_sibling {
    replica_db *db;
    replica_collection *coll;
    bool stop;
    int pages;
};

static void *pull_for_ever(void *ctx)
{
    struct busy_sibling *b = ctx;
    replica_bulk_row rows[50];
    char texts[50][40];

    while (!__atomic_load_n(&b->stop, __ATOMIC_RELAXED)) {
        for (int i = 0; i < 50; i++) {
            snprintf(texts[i], sizeof texts[i], "{\"id\":\"s%d\"}", i);
            rows[i] = (replica_bulk_row){ .json = texts[i], .len = REPLICA_NUL, .base_rev = "*" };
        }
        CHECK_RC(replica_bulk(b->coll, rows, 50, NULL), 0);
        b->pages++;
    }
    return NULL;
}

TEST(a_program_writes_while_its_sibling_writes_all_the_time)
{
    STORE s = store_empty();
    struct busy_sibling b = { 0 };
    pthread_t thread;

    replica__db_set_busy(s.db, 2000);
    CHECK_RC(replica__db_open_sibling(s.db, &b.db, &test_err), 0);
    CHECK_RC(replica_db_collection(b.db, "notes", NULL, &b.coll, &test_err), 0);
    CHECK(pthread_create(&thread, NULL, pull_for_ever, &b) == 0);
    for (int i = 0; i < 300; i++)
        store_put(&s, "{\"id\":\"mine\"}"); /* never busy */
    __atomic_store_n(&b.stop, true, __ATOMIC_RELAXED);
    pthread_join(thread, NULL);
    replica_db_close(b.db);
    CHECK(strncmp(store_rev(&s, "mine"), "300-", 4) == 0);
    store_sound(&s);
}
