/* Every write path with the n-th allocation failing, and with the n-th file operation failing: the
 * code is right, outputs are untouched, the database is as it was or as it should be, and
 * everything works afterwards. */
#include "libreplica/db.h"
#include "libreplica/master.h"
#include "libreplica/replication/replication.h"
#include "tests/support/fault.h"
#include "tests/support/store.h"
#include "tests/support/test.h"
#include "tests/support/tmp.h"

#include <sqlite3.h>
#include <stdio.h>
#include <unistd.h>

#define A1 "{\"id\":\"a\",\"n\":1}"
#define A2 "{\"id\":\"a\",\"n\":2}"
#define A3 "{\"id\":\"a\",\"n\":3}"
#define UNTOUCHED ((replica_doc *)(uintptr_t)16)

/* One path: prepare makes the state, act does it and gives its code, was and is say what the
 * document a is then (NULL: absent). */
struct path {
    void (*prepare)(struct store *s);
    int (*act)(struct store *s);
    const char *was, *is;
    bool cold; /* also while the statements are prepared, which is most of what allocates */
};

static bool is_memory(int r)
{
    return r == REPLICA_ENOMEM;
}

static bool is_io(int r)
{
    return r == REPLICA_EIO || r == REPLICA_EFULL;
}

static void same(const char *is, const char *want)
{
    CHECK_STR(is, want);
}

/* After the failure, or the success, of one attempt. */
static void judge(struct store *s, const struct path *p, int r)
{
    same(store_json(s, "a"), r < 0 ? p->was : p->is);
    store_sound(s);
    if (r < 0) {
        CHECK(p->act(s) >= 0);
        same(store_json(s, "a"), p->is);
        store_sound(s);
    }
    store_put(s, A3);
    if (!replica__db_in_memory(s->db))
        store_reopen(s);
    same(store_json(s, "a"), A3);
}

static void run(const struct path *p, bool (*expected)(int r), void (*arm)(int nth))
{
    for (int nth = 0, failed = 1; failed; nth++) {
        STORE s = arm == fault_alloc ? store_memory() : store_empty();
        int r;

        p->prepare(&s);
        if (!p->cold)
            store_prepare(s.db);
        arm(nth);
        r = p->act(&s);
        failed = fault_stop();
        CHECK(r >= 0 || (failed && expected(r)));
        judge(&s, p, r);
        store_close(&s);
        unlink(s.path);
    }
}

static void arm_write(int nth)
{
    fault_io(FAULT_WRITE, nth, SQLITE_IOERR_WRITE);
}

static void arm_full(int nth)
{
    fault_io_from(FAULT_WRITE, nth, SQLITE_FULL);
}

static void run_all(const struct path *p)
{
    run(p, is_memory, fault_alloc);
    run(p, is_io, arm_write);
    run(p, is_io, arm_full);
}

/* ---- the program's writes -------------------------------------------------------- */

static void have_a1(struct store *s)
{
    store_put(s, A1);
}

static void have_nothing(struct store *s)
{
}

static int act_put(struct store *s)
{
    replica_doc *doc = UNTOUCHED, *stored = UNTOUCHED;
    int r = replica_put(s->coll, A2, REPLICA_NUL, REPLICA_ANY_REV, &doc, &stored, &test_err);

    CHECK((r < 0) == (doc == UNTOUCHED));
    CHECK(stored == UNTOUCHED);
    if (r >= 0)
        replica_doc_unref(doc);
    return r;
}

LONG_TEST(a_put_survives_every_failure)
{
    run_all(&(struct path){ have_a1, act_put, A1, A2, false });
    run_all(&(struct path){ have_nothing, act_put, NULL, A2, true });
}

static int act_patch(struct store *s)
{
    replica_doc *doc = UNTOUCHED;
    int r = replica_patch(s->coll, "a", "{\"n\":2}", REPLICA_NUL, "*", &doc, NULL, &test_err);

    CHECK((r < 0) == (doc == UNTOUCHED));
    if (r >= 0)
        replica_doc_unref(doc);
    return r;
}

LONG_TEST(a_patch_survives_every_failure)
{
    run_all(&(struct path){ have_a1, act_patch, A1, A2 });
}

static int act_delete(struct store *s)
{
    return replica_delete(s->coll, "a", "*", NULL, &test_err);
}

LONG_TEST(a_deletion_survives_every_failure)
{
    run_all(&(struct path){ have_a1, act_delete, A1, NULL });
}

static int act_conflict(struct store *s)
{
    replica_doc *stored = UNTOUCHED;
    int r = replica_put(s->coll, A2, REPLICA_NUL, NULL, NULL, &stored, &test_err);

    CHECK((r == REPLICA_ECONFLICT) == (stored != UNTOUCHED));
    if (r == REPLICA_ECONFLICT)
        replica_doc_unref(stored);
    return r == REPLICA_ECONFLICT ? 0 : r;
}

TEST(a_conflict_survives_every_failed_allocation)
{
    run(&(struct path){ have_a1, act_conflict, A1, A1 }, is_memory, fault_alloc);
}

static int act_bulk(struct store *s)
{
    char rev[REPLICA_REV_SIZE] = "x";
    replica_bulk_row rows[] = {
        { .json = "{\"id\":\"b\"}", .len = REPLICA_NUL, .base_rev = "*" },
        { .json = A2, .len = REPLICA_NUL, .base_rev = "*", .rev = rev },
        { .json = "{", .len = 1 },
    };
    int r = replica_bulk(s->coll, rows, 3, &test_err);

    if (r < 0) {
        CHECK_STR(rev, "");
        CHECK(rows[0].code < 0 && rows[1].code < 0);
        return r;
    }
    CHECK_INT(r, 1);
    CHECK_RC(rows[2].code, REPLICA_EJSON);
    CHECK(rev[0] && strstr(rev, "-"));
    return 0;
}

LONG_TEST(a_bulk_survives_every_failure)
{
    run_all(&(struct path){ have_a1, act_bulk, A1, A2 });
}

static int act_bundle(struct store *s)
{
    replica_bundle *bundle = NULL;
    int r = replica_bundle_begin(s->db, &bundle, &test_err);

    if (r >= 0)
        r = replica_bundle_put(bundle, s->coll, "{\"id\":\"b\"}", REPLICA_NUL, "*", &test_err);
    if (r >= 0)
        r = replica_bundle_put(bundle, s->coll, A2, REPLICA_NUL, "*", &test_err);
    if (r >= 0)
        r = replica_bundle_delete(bundle, s->coll, "c", "*", &test_err);
    if (r >= 0)
        return replica_bundle_commit(bundle, NULL, &test_err);
    replica_bundle_cancel(bundle);
    return r;
}

LONG_TEST(a_bundle_survives_every_failure)
{
    run_all(&(struct path){ have_a1, act_bundle, A1, A2 });
}

/* ---- replication ----------------------------------------------------------------- */

static void replicate(struct store *s)
{
    store_replicate(s, "r1");
}

static int act_pull(struct store *s)
{
    struct come docs[] = { { .json = "{\"id\":\"b\"}", .sequence = 1, .writer = "w0.5" },
                           { .json = A2, .sequence = 2 },
                           { .json = "{\"nokey\":1}", .sequence = 3 } };
    int r = store_pull(s, "3.inc", docs, 3);

    CHECK_STR(replica__feed_checkpoint(s->repl, 0), r < 0 ? NULL : "3.inc");
    return r;
}

LONG_TEST(a_pulled_page_survives_every_failure)
{
    run_all(&(struct path){ replicate, act_pull, NULL, A2, true });
}

static void dirty_over_clean(struct store *s)
{
    store_replicate(s, "r1");
    store_clean(s, A1, 1);
    store_put(s, A2);
}

static int act_pull_dirty(struct store *s)
{
    struct come doc = { .json = A3, .sequence = 2 };
    int r = store_pull(s, "2.inc", &doc, 1);

    CHECK_STR(replica__feed_checkpoint(s->repl, 0), r < 0 ? NULL : "2.inc");
    return r;
}

LONG_TEST(a_page_for_a_dirty_document_survives_every_failure)
{
    run_all(&(struct path){ dirty_over_clean, act_pull_dirty, A2, A2 });
}

static int act_push(struct store *s)
{
    struct replica__push_page page = { 0 };
    int r;

    replica__push_again(s->repl, 0, true);
    r = replica__push_next(s->repl, 0, 100, 1000, &page, &test_err);
    CHECK((r > 0) == (page.n == 1));
    if (r > 0) {
        CHECK_STR(page.rows[0].json, A2);
        CHECK_STR(page.rows[0].assumed, A1);
    }
    replica__push_page_free(&page);
    return r;
}

LONG_TEST(taking_rows_for_a_push_survives_every_failure)
{
    run_all(&(struct path){ dirty_over_clean, act_push, A2, A2 });
}

static struct replica__push_page out;
static int verdict;

static void under_way(struct store *s)
{
    dirty_over_clean(s);
    replica__push_page_free(&out);
    CHECK_RC(replica__push_next(s->repl, 0, 100, 1000, &out, &test_err), 1);
}

static int act_verdict(struct store *s)
{
    return store_judge(s, &out, verdict, 5, verdict == REPLICA_VERDICT_CONFLICT ? A3 : NULL);
}

LONG_TEST(each_verdict_survives_every_failure)
{
    static const int verdicts[] = { REPLICA_VERDICT_TAKEN, REPLICA_VERDICT_CONFLICT,
                                    REPLICA_VERDICT_REFUSED, REPLICA_VERDICT_LATER,
                                    REPLICA_VERDICT_NONE };

    for (int i = 0; i < 5; i++) {
        verdict = verdicts[i];
        run_all(&(struct path){ under_way, act_verdict, A2, A2 });
    }
    replica__push_page_free(&out);
}

static void moved_on(struct store *s)
{
    under_way(s);
    store_put(s, "{\"id\":\"a\",\"n\":9}");
}

LONG_TEST(a_verdict_on_a_document_that_moved_on_survives_every_failure)
{
    verdict = REPLICA_VERDICT_TAKEN;
    run_all(&(struct path){ moved_on, act_verdict, "{\"id\":\"a\",\"n\":9}",
            "{\"id\":\"a\",\"n\":9}" });
    replica__push_page_free(&out);
}

static int act_capture(struct store *s)
{
    return replica_upsert(s->coll, "{\"id\":\"a\",\"n\":9}", REPLICA_NUL, NULL, &test_err);
}

LONG_TEST(a_write_over_a_document_under_way_survives_every_failure)
{
    run_all(&(struct path){ under_way, act_capture, A2, "{\"id\":\"a\",\"n\":9}" });
    replica__push_page_free(&out);
}

static int how;

static void in_conflict(struct store *s)
{
    dirty_over_clean(s);
    CHECK_INT(store_pull_one(s, A3, 7), REPLICA__PULLED_UNSETTLED);
}

static int act_settle(struct store *s)
{
    struct replica__unsettled u[2];
    struct replica__settled answer = { .of = u, .how = how, .json = "{\"id\":\"a\",\"n\":5}",
                                       .len = 16, .rule = "rule", .reason = "reason" };
    int r = replica__unsettled_next(s->repl, -1, u, 2, &test_err);

    if (r < 0)
        return r;
    CHECK_INT(r, 1);
    r = replica__settle(s->repl, &answer, 1, &test_err);
    CHECK(answer.done == (r >= 0));
    replica__unsettled_free(u, 1);
    return r;
}

LONG_TEST(each_answer_to_a_conflict_survives_every_failure)
{
    static const struct { int how; const char *is; } answers[] = {
        { REPLICA__SETTLE_REAL, A3 },
        { REPLICA__SETTLE_LOCAL, A2 },
        { REPLICA__SETTLE_JSON, "{\"id\":\"a\",\"n\":5}" },
        { REPLICA__SETTLE_DELETE, NULL },
        { REPLICA__SETTLE_ASIDE, A2 },
    };

    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        how = answers[i].how;
        run_all(&(struct path){ in_conflict, act_settle, A2, answers[i].is });
    }
}

/* ---- the master ------------------------------------------------------------------ */

static int act_master(struct store *s)
{
    struct replica__pulled scanned[2];
    struct replica__master_row rows[2];
    int64_t before = 77, after = 77;
    int r;

    store_scan(s, &(struct come){ .json = A2 }, &scanned[0]);
    store_scan(s, &(struct come){ .json = "{\"id\":\"c\",\"n\":2}" }, &scanned[1]);
    for (int i = 0; i < 2; i++)
        rows[i] = (struct replica__master_row){ .coll = s->coll, .doc = scanned[i].doc,
                                                .operation = "w0.5",
                                                .assumed = i ? REPLICA__ASSUMED_NONE
                                                             : REPLICA__ASSUMED_TEXT,
                                                .assumed_json = A1, .assumed_len = strlen(A1) };
    r = replica__master_push(s->db, rows, 2, &(struct replica__pusher){ 0 }, &before, &after,
                             &test_err);
    if (r < 0) {
        CHECK_INT(before, 77);
        CHECK(!rows[0].real && !rows[1].real);
        return r;
    }
    CHECK_INT(rows[0].verdict, REPLICA_VERDICT_TAKEN);
    CHECK_INT(rows[1].verdict, REPLICA_VERDICT_CONFLICT);
    replica_doc_unref(rows[1].real);
    return 0;
}

/* Written, and taken back, for c is in the way; then a reader of one document gets both. */
static int act_master_bundle(struct store *s)
{
    static const char *const texts[] = { A2, "{\"id\":\"d\"}", "{\"id\":\"c\",\"n\":2}" };
    struct replica__pulled scanned[3];
    struct replica__master_row rows[3];
    int64_t before = 77, after = 77;
    int r;

    for (int i = 0; i < 3; i++) {
        store_scan(s, &(struct come){ .json = texts[i] }, &scanned[i]);
        rows[i] = (struct replica__master_row){ .coll = s->coll, .doc = scanned[i].doc,
                                                .operation = "w0.5", .bundle = "w0.5",
                                                .assumed = i ? REPLICA__ASSUMED_NONE
                                                             : REPLICA__ASSUMED_TEXT,
                                                .assumed_json = A1, .assumed_len = strlen(A1) };
    }
    r = replica__master_push(s->db, rows, 3, &(struct replica__pusher){ 0 }, &before, &after,
                             &test_err);
    if (r < 0) {
        CHECK(!rows[0].real && !rows[1].real && !rows[2].real);
        return r;
    }
    CHECK_INT(before, after);
    CHECK_INT(rows[0].verdict, REPLICA_VERDICT_NONE);
    CHECK_INT(rows[1].verdict, REPLICA_VERDICT_NONE);
    CHECK_INT(rows[2].verdict, REPLICA_VERDICT_CONFLICT);
    replica_doc_unref(rows[2].real);
    return 0;
}

static int count_doc(void *ctx, const struct replica__feed_doc *doc)
{
    *(int *)ctx += doc->bundle != NULL;
    return 0;
}

static int act_master_read(struct store *s)
{
    const struct replica__feed_options one = { .rows = 1 };
    int64_t last = 77;
    int n = 0;
    int r = replica__master_read(s->db, &s->coll, 1, &one, count_doc, &n, &last, &test_err);

    CHECK_INT(last, r < 0 ? 77 : 2);
    CHECK(r < 0 || n == 2);
    return r;
}

static void have_a1_and_b_in_a_bundle(struct store *s)
{
    replica_bundle *bundle = NULL;

    CHECK_RC(replica_bundle_begin(s->db, &bundle, &test_err), 0);
    CHECK_RC(replica_bundle_put(bundle, s->coll, A1, REPLICA_NUL, NULL, &test_err), 0);
    CHECK_RC(replica_bundle_put(bundle, s->coll, "{\"id\":\"b\"}", REPLICA_NUL, NULL, &test_err),
             0);
    CHECK_RC(replica_bundle_commit(bundle, NULL, &test_err), 0);
}

static void have_a1_and_c(struct store *s)
{
    store_put(s, A1);
    store_put(s, "{\"id\":\"c\"}");
}

LONG_TEST(a_push_at_the_master_survives_every_failure)
{
    run_all(&(struct path){ have_a1_and_c, act_master, A1, A2 });
}

LONG_TEST(a_bundle_at_the_master_survives_every_failure)
{
    run_all(&(struct path){ have_a1_and_c, act_master_bundle, A1, A1 });
    run_all(&(struct path){ have_a1_and_b_in_a_bundle, act_master_read, A1, A1 });
}

/* ---- the lease ------------------------------------------------------------------- */

static void have_a_free_lease(struct store *s)
{
    store_put(s, A1);
    store_replicate(s, "r1");
    replica__lease_release(s->repl);
}

static int act_take(struct store *s)
{
    bool same;

    return replica__lease_take(s->repl, &same, &test_err);
}

/* As one that had it before somebody else. */
static void have_a_lease_of_others(struct store *s)
{
    bool same;

    have_a_free_lease(s);
    replica__replication_close(s->repl);
    CHECK_RC(replica__replication_open(s->db, "r1", &s->coll, 1, &s->repl, &test_err), 0);
    CHECK_RC(replica__lease_take(s->repl, &same, &test_err), 1);
    CHECK(!same);
    replica__lease_release(s->repl);
    s->repl->lease.last_term = 0;
    s->repl->lease.opened_term = -1;
}

static int act_open(struct store *s)
{
    replica__replication_close(s->repl);
    s->repl = NULL;
    return replica__replication_open(s->db, "r1", &s->coll, 1, &s->repl, &test_err);
}

static void have_a_lease(struct store *s)
{
    store_put(s, A1);
    store_replicate(s, "r1");
}

static int act_ask_and_answer(struct store *s)
{
    struct replica__lease_asked asked;
    int64_t ticket = 0, head;
    int r = replica__lease_ask(s->repl, &ticket, &test_err);

    if (r >= 0)
        r = replica__lease_keep(s->repl, &asked, &test_err);
    if (r >= 0)
        r = replica__lease_answer(s->repl, asked.asked, 5, &test_err);
    if (r >= 0)
        r = replica__lease_answered(s->repl, ticket, false, &head, &test_err);
    CHECK(r < 0 || r == 1);
    return r;
}

LONG_TEST(a_lease_survives_every_failure)
{
    run_all(&(struct path){ have_a_free_lease, act_take, A1, A1 });
    run_all(&(struct path){ have_a_lease_of_others, act_take, A1, A1 });
    run_all(&(struct path){ have_a_lease, act_open, A1, A1 });
    run_all(&(struct path){ have_a_lease, act_ask_and_answer, A1, A1 });
}

/* ---- opening --------------------------------------------------------------------- */

LONG_TEST(opening_survives_every_failed_allocation)
{
    STORE s = store_with(A1);

    store_close(&s);
    for (int nth = 0, failed = 1; failed; nth++) {
        replica_db *db = (replica_db *)(uintptr_t)16;
        int r;

        fault_alloc(nth);
        r = replica_db_open(s.path, NULL, &db, &test_err);
        failed = fault_stop();
        CHECK(r == 0 || (failed && r == REPLICA_ENOMEM && db == (replica_db *)(uintptr_t)16));
        if (r == 0)
            replica_db_close(db);
    }
    s = store_open(s.path, NULL);
    CHECK_STR(store_json(&s, "a"), A1);
    store_sound(&s);
}

LONG_TEST(creating_a_file_survives_every_failed_write)
{
    for (int nth = 0, failed = 1; failed; nth++) {
        const char *path = tmp_path("new.db");
        replica_db *db = NULL;
        int r;

        fault_io(FAULT_WRITE | FAULT_SYNC, nth, SQLITE_IOERR);
        r = replica_db_open(path, NULL, &db, &test_err);
        failed = fault_stop();
        CHECK(r == 0 || (failed && r == REPLICA_EIO && !db));
        replica_db_close(db);
        CHECK_RC(replica_db_open(path, NULL, &db, &test_err), 0); /* what is left is no obstacle */
        replica_db_close(db);
        unlink(path);
    }
}

LONG_TEST(a_collection_survives_every_failed_allocation)
{
    for (int nth = 0, failed = 1; failed; nth++) {
        STORE s = store_memory();
        replica_collection *coll = NULL;
        int r;

        fault_alloc(nth);
        r = replica_db_collection(s.db, "other", NULL, &coll, &test_err);
        failed = fault_stop();
        CHECK(r == 0 || (failed && r == REPLICA_ENOMEM && !coll));
        CHECK_RC(replica_db_collection(s.db, "other", NULL, &coll, &test_err), 0);
    }
}
