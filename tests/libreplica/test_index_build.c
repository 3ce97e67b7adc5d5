/* Building in the background: in slices, beside writers and other builders, resumed after any
 * end. */
#include "base/buf.h"
#include "libreplica/index/index.h"
#include "libreplica/query.h"
#include "libreplica/txn.h"
#include "tests/support/clock.h"
#include "tests/support/fault.h"
#include "tests/support/store.h"
#include "tests/support/test.h"

#include <signal.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

#define DOCS 4000

static void put_range(struct store *s, int from, int to, int n)
{
    static replica_bulk_row rows[DOCS];
    static char texts[DOCS][64];

    for (int i = from; i < to; i++) {
        sqlite3_snprintf(64, texts[i], "{\"id\":\"k%05d\",\"n\":%d}", i, (i * 7919) % 1000 + n);
        rows[i] =
            (replica_bulk_row){ .json = texts[i], .len = REPLICA_NUL, .base_rev = REPLICA_ANY_REV };
    }
    CHECK_RC(replica_bulk(s->coll, rows + from, (size_t)(to - from), &test_err), 0);
}

static void create(struct store *s, const char *field, unsigned flags)
{
    replica_index_options o = REPLICA_INDEX_OPTIONS_INIT;

    o.fields = &field;
    o.n = 1;
    o.flags = flags;
    CHECK_RC(replica_index_create(s->coll, &o, &test_err), 1);
}

static bool is_ready(struct store *s)
{
    return store_sql_int(s, "SELECT count(*) FROM idx WHERE built IS NOT NULL OR coll = 0") == 0;
}

static void check_used(struct store *s)
{
    replica_plan plan;

    CHECK_RC(replica_explain(s->coll, "{\"selector\":{\"n\":3}}", REPLICA_NUL, &plan, &test_err),
             0);
    CHECK_STR(plan.index, "n");
    store_sound(s);
}

static void check_built(struct store *s)
{
    CHECK(is_ready(s));
    CHECK_INT(store_sql_int(s, "SELECT count(*) FROM entry"),
              store_sql_int(s, "SELECT count(*) FROM doc WHERE flags & 1 = 0"));
    check_used(s);
}

/* One slice: 1 more to do. */
static int slice(struct store *s)
{
    int r = replica__index_build(s->db, NULL, false, &test_err);

    CHECK(r >= 0);
    return r;
}

TEST(dispatch_builds_by_itself)
{
    STORE s = store_empty();

    put_range(&s, 0, DOCS, 0);
    create(&s, "n", 0);
    CHECK(!is_ready(&s));
    CHECK_INT(replica_db_timeout(s.db), 0);
    while (replica_db_timeout(s.db) == 0)
        CHECK_RC(replica_db_dispatch(s.db, 5, &test_err), 0);
    check_built(&s);
}

TEST(an_index_of_an_empty_collection_is_ready_at_once)
{
    STORE s = store_empty();

    create(&s, "n", 0);
    CHECK(is_ready(&s));
}

TEST(a_query_does_not_use_what_is_not_built)
{
    STORE s = store_empty();
    replica_plan plan;
    int64_t n;

    put_range(&s, 0, 100, 0);
    create(&s, "n", 0);
    CHECK_RC(replica_explain(s.coll, "{\"selector\":{\"n\":3}}", REPLICA_NUL, &plan, &test_err), 0);
    CHECK_STR(plan.index, "");
    CHECK_RC(
        replica_count(s.coll, "{\"selector\":{\"n\":{\"$gte\":0}}}", REPLICA_NUL, &n, &test_err),
        0);
    CHECK_INT(n, 100);
    CHECK_RC(replica_count(s.coll, "{\"selector\":{\"n\":3},\"index\":\"n\"}", REPLICA_NUL, &n,
                           &test_err),
             REPLICA_EBUSY);
}

/* Between any two slices: a change, a deletion, a new document. */
TEST(writes_between_the_slices_are_the_writers_own)
{
    STORE s = store_empty();
    STORE other = store_open(s.path, NULL);

    put_range(&s, 0, DOCS, 0);
    create(&s, "n", 0);
    for (int i = 0, more = 1; more; i++) {
        more = slice(&s);
        put_range(&other, i * 20 % DOCS, i * 20 % DOCS + 10, 5000 + i);
        if (more)
            store_delete(&other, i % 2 ? "k00003" : "k03900");
        store_put(&other, i % 2 ? "{\"id\":\"k00003\",\"n\":1}" : "{\"id\":\"k03900\",\"n\":[1]}");
        store_put(&s, "{\"id\":\"new\",\"n\":1}");
    }
    CHECK(is_ready(&s));
    store_sound(&s);
}

/* The write path touches what is different: here nothing is, and the entry is not there yet. */
TEST(a_write_between_the_slices_that_changes_no_key_has_its_entry)
{
    STORE s = store_empty();

    put_range(&s, 0, 100, 0);
    create(&s, "n", 0);
    CHECK_INT(slice(&s), 1); /* what is there is read */
    store_put(&s, "{\"id\":\"k00007\",\"n\":433,\"more\":true}");
    store_put(&s, "{\"id\":\"k00008\",\"n\":[1,2]}");
    store_put(&s, "{\"id\":\"k00008\",\"n\":[2,3]}");
    while (slice(&s))
        continue;
    CHECK(is_ready(&s));
    store_sound(&s);
}

TEST(what_is_half_built_is_built_on_after_opening_again)
{
    STORE s = store_empty();

    put_range(&s, 0, DOCS, 0);
    create(&s, "n", 0);
    for (int i = 0; i < 3; i++)
        CHECK_INT(slice(&s), 1);
    store_reopen(&s);
    put_range(&s, 10, 50, 2000);
    store_sound(&s);
    CHECK_INT(replica_db_timeout(s.db), 0);
    while (replica_db_timeout(s.db) == 0)
        CHECK_RC(replica_db_dispatch(s.db, 5, &test_err), 0);
    check_built(&s);
}

TEST(two_handles_build_at_once)
{
    STORE s = store_empty();
    STORE other = store_open(s.path, NULL);
    int more;

    put_range(&s, 0, DOCS, 0);
    create(&s, "n", 0);
    do
        more = slice(&s) | slice(&other);
    while (more);
    check_built(&s);
}

/* A document that goes altogether while its keys wait to be put in. */
TEST(a_purge_makes_the_builder_look_again)
{
    STORE s = store_empty();
    replica_db *txn = NULL;

    put_range(&s, 0, 50, 0);
    create(&s, "n", 0);
    CHECK_INT(slice(&s), 1); /* begins */
    CHECK_INT(slice(&s), 1); /* has read all of it */
    store_delete(&s, "k00007");
    CHECK_RC(replica__txn_begin(s.db, &txn, &test_err), 0);
    {
        REPLICA_STMT stmt = NULL;
        struct replica__row row;

        CHECK_RC(replica__row_find(s.coll, "k00007", 6, &stmt, &row, &test_err), 1);
        CHECK_RC(replica__index_purge(s.db, s.coll, &row, &test_err), 0);
    }
    CHECK_RC(replica__txn_commit(&txn, &test_err), 0);
    store_sql(&s, "DELETE FROM doc WHERE id = 'k00007'");
    CHECK_RC(replica_index_wait(s.coll, &test_err), 0);
    check_built(&s);
}

TEST(a_unique_index_over_duplicates_stays_unbuilt_until_they_are_gone)
{
    STORE s = store_empty();

    store_put(&s, "{\"id\":\"a\",\"n\":1}");
    store_put(&s, "{\"id\":\"b\",\"n\":1}");
    store_put(&s, "{\"id\":\"c\"}");
    store_put(&s, "{\"id\":\"d\"}");
    create(&s, "n", REPLICA_INDEX_UNIQUE);
    CHECK_RC(replica_index_wait(s.coll, &test_err), REPLICA_ECONFLICT);
    CHECK_STR(test_err.where, "notes/b");
    CHECK(strstr(test_err.message, "'a'"));
    CHECK(!is_ready(&s));
    CHECK_RC(replica_index_wait(s.coll, &test_err), REPLICA_ECONFLICT);
    for (int i = 0; i < 5; i++) /* and dispatch does not turn in circles */
        CHECK_RC(replica_db_dispatch(s.db, 5, &test_err), 0);
    CHECK(replica_db_timeout(s.db) != 0);
    store_delete(&s, "b");
    CHECK_RC(replica_index_wait(s.coll, &test_err), 0);
    CHECK(is_ready(&s));
    store_sound(&s);
}

TEST(a_dropped_index_leaves_nothing)
{
    STORE s = store_empty();

    put_range(&s, 0, DOCS, 0);
    create(&s, "n", 0);
    CHECK_RC(replica_index_wait(s.coll, &test_err), 0);
    CHECK_RC(replica_index_drop(s.coll, "n", &test_err), 1);
    create(&s, "n", 0); /* the name is free */
    CHECK_INT(slice(&s), 1);
    store_reopen(&s);
    while (slice(&s))
        store_sound(&s);
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM idx"), 1);
    check_built(&s);
    CHECK_RC(replica_index_drop(s.coll, "n", &test_err), 1);
    while (slice(&s))
        continue;
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM idx"), 0);
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM entry"), 0);
}

/* A large collection beside: its documents are passed. */
TEST(only_documents_of_the_collection_are_indexed)
{
    STORE s = store_empty();
    replica_collection *other = NULL;

    put_range(&s, 0, DOCS, 0);
    CHECK_RC(replica_db_collection(s.db, "other", NULL, &other, &test_err), 0);
    s.coll = other;
    store_put(&s, "{\"id\":\"a\",\"n\":1}");
    create(&s, "n", 0);
    CHECK_RC(replica_index_wait(s.coll, &test_err), 0);
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM entry"), 1);
    store_sound(&s);
}

LONG_TEST(a_failed_allocation_in_the_builder_is_made_good)
{
    for (int nth = 0, failed = 1; failed; nth += 3) {
        STORE s = store_memory();
        int r;

        put_range(&s, 0, 60, 0);
        create(&s, "n", 0);
        fault_alloc(nth);
        r = replica_index_wait(s.coll, &test_err);
        failed = fault_stop();
        CHECK(r == 0 || (failed && r == REPLICA_ENOMEM));
        store_sound(&s);
        CHECK_RC(replica_index_wait(s.coll, &test_err), 0);
        check_used(&s);
    }
}

/* ---- processes ------------------------------------------------------------------- */

static pid_t build_in_child(const char *path)
{
    pid_t pid = fork();

    if (pid == 0) {
        struct store s = store_open(path, NULL);

        while (slice(&s))
            continue;
        _exit(0);
    }
    return pid;
}

LONG_TEST(two_processes_build_at_once)
{
    STORE s = store_empty();
    pid_t pid;
    int status;

    put_range(&s, 0, DOCS, 0);
    create(&s, "n", 0);
    pid = build_in_child(s.path);
    CHECK_RC(replica_index_wait(s.coll, &test_err), 0);
    CHECK(waitpid(pid, &status, 0) == pid);
    CHECK_INT(status, 0);
    check_built(&s);
}

LONG_TEST(a_builder_that_is_killed_is_continued)
{
    uint64_t dice = 5;

    for (int round = 0; round < 12; round++) {
        STORE s = store_empty();
        volatile uint64_t spin;
        pid_t pid;

        put_range(&s, 0, DOCS, round);
        if (store_sql_int(&s, "SELECT count(*) FROM idx WHERE coll <> 0"))
            CHECK_RC(replica_index_drop(s.coll, "n", &test_err), 1);
        create(&s, "n", 0);
        pid = build_in_child(s.path);
        for (spin = dice_roll(&dice) % 20000000; spin > 0; spin--)
            continue;
        kill(pid, SIGKILL);
        CHECK(waitpid(pid, NULL, 0) == pid);
        store_sound(&s);
        while (slice(&s))
            continue;
        check_built(&s);
    }
}
