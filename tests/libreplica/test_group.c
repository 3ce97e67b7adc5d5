/* What bundles have written goes out as one, and is judged as one. */
#include "libreplica/db.h"
#include "tests/support/fault.h"
#include "tests/support/store.h"
#include "tests/support/test.h"

#include <stdio.h>
#include <stdlib.h>

static void put_all(struct store *s, bool firm, const char *const *texts)
{
    replica_bundle *bundle = NULL;

    CHECK_RC(replica_bundle_begin(s->db, &bundle, &test_err), 0);
    if (firm)
        CHECK_RC(replica_bundle_set_firm(bundle, &test_err), 0);
    for (; *texts; texts++)
        CHECK_RC(replica_bundle_put(bundle, s->coll, *texts, REPLICA_NUL, "*", &test_err), 0);
    CHECK_RC(replica_bundle_commit(bundle, NULL, &test_err), 0);
}
#define BUNDLE(s, ...) put_all((s), false, (const char *const[]){ __VA_ARGS__, NULL })

#define A(n) "{\"id\":\"a\",\"n\":" #n "}"
#define B(n) "{\"id\":\"b\",\"n\":" #n "}"
#define C(n) "{\"id\":\"c\",\"n\":" #n "}"

static struct store replicating_in(struct store s)
{
    store_replicate(&s, "r1");
    replica__replication_bundles(s.repl, true);
    return s;
}

static struct store replicating(void)
{
    return replicating_in(store_empty());
}

static void reopen(struct store *s)
{
    store_reopen(s);
    replica__replication_bundles(s->repl, true);
}

/* "a+b c": the rows' keys in their order, those that go as one joined. */
static const char *shape(const struct replica__push_page *page)
{
    static char text[200];
    size_t n = 0;

    text[0] = '\0';
    for (size_t i = 0; i < page->n; i++) {
        const char *join = i == 0 ? "" : page->rows[i].unit == page->rows[i - 1].unit ? "+" : " ";

        n += (size_t)snprintf(text + n, sizeof text - n, "%s%s", join, page->rows[i].id);
    }
    return text;
}

/* One verdict for each row: t(aken), a(lready), c(onflict), r(efused), l(ater), - (none). */
static void judge(struct store *s, const struct replica__push_page *page, const char *verdicts,
                  const char *real)
{
    static const char letters[] = "-tacrl";
    static const int kinds[] = { REPLICA_VERDICT_NONE, REPLICA_VERDICT_TAKEN,
                                 REPLICA_VERDICT_ALREADY, REPLICA_VERDICT_CONFLICT,
                                 REPLICA_VERDICT_REFUSED, REPLICA_VERDICT_LATER };
    static int64_t sequence = 100;
    struct replica__verdict v[8] = { 0 };

    CHECK_INT(page->n, strlen(verdicts));
    for (size_t i = 0; i < page->n; i++) {
        v[i].verdict = kinds[strchr(letters, verdicts[i]) - letters];
        v[i].sequence = ++sequence;
        v[i].code = 422;
        v[i].reason = "no";
        if (verdicts[i] == 'c')
            store_scan(s, &(struct come){ .json = real, .sequence = sequence }, &v[i].real);
    }
    replica__verdicts_as_one(page, v);
    CHECK_RC(replica__push_apply(s->repl, 0, page, v, "inc", NULL, &test_err), 0);
}

static int count_of_code(void *ctx, const replica_rejected_entry *entry)
{
    int *n = ctx;

    n[1] += entry->code == n[0];
    return 0;
}

static int rejected(struct store *s, int code)
{
    int n[2] = { code, 0 };

    CHECK_RC(replica_rejected(s->db, NULL, count_of_code, n, &test_err), 0);
    return n[1];
}

/* ---- what goes together ------------------------------------------------------------ */

TEST(the_members_of_a_bundle_go_out_as_one_under_its_name)
{
    STORE s = replicating();
    PAGE page = { 0 };

    store_put(&s, "{\"id\":\"x\"}");
    BUNDLE(&s, A(1), B(1));
    store_put(&s, "{\"id\":\"y\"}");
    CHECK_INT(store_push(&s, &page), 4);
    CHECK_STR(shape(&page), "x a+b y");
    CHECK_INT(page.units, 3);
    CHECK_STR(page.rows[1].bundle, page.rows[1].operation);
    CHECK_STR(page.rows[2].bundle, page.rows[1].operation);
    CHECK_STR(page.rows[0].bundle, NULL);
    CHECK_STR(page.rows[3].bundle, NULL);
    CHECK(!page.rows[1].firm);
}

TEST(a_firm_bundle_says_so)
{
    STORE s = replicating();
    PAGE page = { 0 };

    put_all(&s, true, (const char *const[]){ A(1), B(1), NULL });
    store_put(&s, A(2));
    CHECK_INT(store_push(&s, &page), 2);
    CHECK(page.rows[0].firm);
    CHECK(page.rows[1].firm);
}

TEST(a_later_write_to_a_member_joins_a_bundle_that_was_not_sent)
{
    STORE s = replicating();
    PAGE page = { 0 };

    BUNDLE(&s, A(1), B(1));
    store_put(&s, "{\"id\":\"x\"}");
    store_put(&s, A(2));
    CHECK_INT(store_push(&s, &page), 3);
    CHECK_STR(shape(&page), "b+a x");
    CHECK_STR(page.rows[1].json, A(2));
    CHECK_STR(page.rows[1].bundle, page.rows[0].bundle);
}

TEST(bundles_that_share_a_document_are_one)
{
    STORE s = replicating();
    PAGE page = { 0 };

    BUNDLE(&s, A(1), B(1));
    BUNDLE(&s, C(1), "{\"id\":\"d\"}");
    BUNDLE(&s, B(2), C(2));
    CHECK_INT(store_push(&s, &page), 4);
    CHECK_STR(shape(&page), "a+d+b+c");
    for (int i = 1; i < 4; i++)
        CHECK_STR(page.rows[i].bundle, page.rows[0].operation); /* the first one's name */
}

TEST(a_server_that_knows_no_bundles_gets_rows)
{
    STORE s = replicating();
    PAGE page = { 0 };

    replica__replication_bundles(s.repl, false);
    BUNDLE(&s, A(1), B(1));
    CHECK_INT(store_push(&s, &page), 2);
    CHECK_STR(shape(&page), "a b");
}

TEST(what_was_taken_joins_nothing_any_more)
{
    STORE s = replicating();
    PAGE page = { 0 };

    BUNDLE(&s, A(1), B(1));
    store_push_all(&s, 1);
    store_put(&s, A(2));
    store_put(&s, B(2));
    CHECK_INT(store_push(&s, &page), 2);
    CHECK_STR(shape(&page), "a b");
}

TEST(what_was_written_while_a_bundle_was_taken_joins_it_no_more)
{
    STORE s = replicating();
    PAGE page = { 0 };

    BUNDLE(&s, A(1), B(1));
    CHECK_INT(store_push(&s, &page), 2);
    store_put(&s, A(2));
    store_put(&s, B(2));
    judge(&s, &page, "tt", NULL);
    CHECK_INT(store_push_again(&s, &page), 2);
    CHECK_STR(shape(&page), "a b");
}

TEST(a_bundle_is_never_parted_by_the_end_of_a_page)
{
    STORE s = replicating();
    PAGE first = { 0 };
    PAGE second = { 0 };

    store_put(&s, "{\"id\":\"x\"}");
    BUNDLE(&s, A(1), B(1), C(1));
    CHECK_RC(replica__push_next(s.repl, 0, 3, 1 << 20, &first, &test_err), 1);
    CHECK_STR(shape(&first), "x");
    CHECK(first.more);
    CHECK_RC(replica__push_next(s.repl, 0, 2, 1, &second, &test_err), 1);
    CHECK_STR(shape(&second), "a+b+c"); /* larger than the page: alone, and whole */
}

TEST(a_bundle_too_large_for_the_rest_of_a_page_begins_the_next_one)
{
    STORE s = replicating();
    PAGE page = { 0 };

    store_put(&s, "{\"id\":\"x\"}");
    BUNDLE(&s, A(1), B(1));
    CHECK_RC(replica__push_next(s.repl, 0, 100, 40, &page, &test_err), 1);
    CHECK_STR(shape(&page), "x");
    CHECK_INT(store_state(&s, "a"), REPLICA_DOC_DIRTY);
    replica__push_page_free(&page);
    CHECK_RC(replica__push_next(s.repl, 0, 100, 40, &page, &test_err), 1);
    CHECK_STR(shape(&page), "a+b");
}

/* ---- asked about again ------------------------------------------------------------- */

TEST(what_is_too_large_for_one_request_is_set_aside_and_never_held_whole)
{
    STORE s = replicating_in(store_memory());
    PAGE page = { 0 };
    size_t len = (size_t)15 << 20;
    char *text = malloc(len + 1);

    CHECK(text);
    memset(text, 'x', len);
    text[len] = '\0';
    memcpy(text + len - 2, "\"}", 2);
    for (int i = 0; i < 5; i++) {
        char head[40];
        int n = snprintf(head, sizeof head, "{\"id\":\"%d\",\"t\":\"", i);

        memcpy(text, head, (size_t)n);
        BUNDLE(&s, text, A(1));
    }
    free(text);
    CHECK_INT(store_push(&s, &page), 0);
    CHECK_INT(rejected(&s, 413), 6);
    store_put(&s, B(1));
    CHECK_INT(store_push_again(&s, &page), 1);
    CHECK_STR(shape(&page), "b");
}

TEST(what_went_out_together_is_asked_about_together_whatever_was_written_since)
{
    STORE s = replicating();
    PAGE page = { 0 };
    char name[96];

    BUNDLE(&s, A(1), B(1));
    CHECK_INT(store_push(&s, &page), 2);
    snprintf(name, sizeof name, "%s", page.rows[0].bundle);
    BUNDLE(&s, A(2), C(2));
    reopen(&s);
    CHECK_INT(store_push(&s, &page), 2); /* c waits for the verdict on a */
    CHECK_STR(shape(&page), "a+b");
    CHECK_STR(page.rows[0].json, A(1));
    CHECK_STR(page.rows[0].bundle, name);
    CHECK_STR(page.rows[1].bundle, name);
    CHECK(page.rows[0].again);
    CHECK(page.rows[1].again);
    CHECK(replica__push_waited(s.repl));
    judge(&s, &page, "aa", NULL);
    CHECK_INT(store_push_again(&s, &page), 2);
    CHECK_STR(shape(&page), "a+c");
    judge(&s, &page, "tt", NULL);
    CHECK_RC(replica__replication_pending(s.repl, &test_err), 0);
}

TEST(members_without_a_verdict_are_asked_about_as_one)
{
    STORE s = replicating();
    PAGE page = { 0 };

    BUNDLE(&s, A(1), B(1));
    CHECK_INT(store_push(&s, &page), 2);
    judge(&s, &page, "--", NULL);
    CHECK_INT(store_push_again(&s, &page), 2);
    CHECK_STR(shape(&page), "a+b");
    CHECK(page.rows[0].again);
}

/* ---- conflicts --------------------------------------------------------------------- */

TEST(what_went_out_together_is_asked_about_when_all_of_it_has_risen)
{
    STORE s = replicating();
    PAGE page = { 0 };

    BUNDLE(&s, A(1), B(1), C(1));
    CHECK_INT(store_push(&s, &page), 3);
    reopen(&s);
    store_sql(&s, "UPDATE doc SET version = -1 WHERE id = 'b'");
    CHECK_INT(store_push_again(&s, &page), 0);
    store_sql(&s, "UPDATE doc SET version = 0");
    CHECK_INT(store_push_again(&s, &page), 3);
    CHECK_STR(shape(&page), "a+b+c");
}

TEST(a_conflict_of_one_member_sends_all_back)
{
    STORE s = replicating();
    PAGE page = { 0 };

    BUNDLE(&s, A(1), B(1));
    CHECK_INT(store_push(&s, &page), 2);
    judge(&s, &page, "c-", A(9));
    CHECK_INT(store_state(&s, "a"), REPLICA_DOC_UNSETTLED);
    CHECK_INT(store_state(&s, "b"), REPLICA_DOC_DIRTY);
    CHECK_INT(store_push_again(&s, &page), 0); /* b waits */
    CHECK_RC(replica__replication_pending(s.repl, &test_err), 1);
    {
        QUESTION q = store_question(&s);

        CHECK(store_settle(&s, &q, REPLICA__SETTLE_JSON, A(10), "handler"));
    }
    CHECK_INT(store_push_again(&s, &page), 2);
    CHECK_STR(shape(&page), "b+a");
    CHECK_STR(page.rows[1].json, A(10));
    CHECK_STR(page.rows[1].assumed, A(9));
    CHECK(!page.rows[0].again);
    judge(&s, &page, "tt", NULL);
    CHECK_RC(replica__replication_pending(s.repl, &test_err), 0);
}

TEST(a_member_that_takes_the_servers_state_leaves_the_bundle)
{
    STORE s = replicating();
    PAGE page = { 0 };

    BUNDLE(&s, A(1), B(1), C(1));
    CHECK_INT(store_push(&s, &page), 3);
    judge(&s, &page, "c--", A(9));
    {
        QUESTION q = store_question(&s);

        CHECK(store_settle(&s, &q, REPLICA__SETTLE_REAL, NULL, "server-wins"));
    }
    CHECK_INT(store_push_again(&s, &page), 2);
    CHECK_STR(shape(&page), "b+c");
}

TEST(what_comes_later_as_one_hinders_no_other_that_has_its_turn)
{
    STORE s = replicating();
    PAGE page = { 0 };

    store_put(&s, A(1));
    store_put(&s, B(1));
    BUNDLE(&s, A(2), C(2));
    CHECK_INT(store_push(&s, &page), 3);
    store_put(&s, B(2));
    judge(&s, &page, "t--", NULL);
    replica__push_page_free(&page);
    replica__push_again(s.repl, 0, true);
    CHECK_RC(replica__push_next(s.repl, 0, 2, 1 << 20, &page, &test_err), 1);
    CHECK_STR(shape(&page), "a+c");
    judge(&s, &page, "ll", NULL);
    CHECK_INT(store_push(&s, &page), 1);
    CHECK_STR(shape(&page), "b");
    judge(&s, &page, "t", NULL);
    CHECK_INT(store_push(&s, &page), 0); /* a and c: in another pass */
}

TEST(rows_that_come_later_come_together)
{
    STORE s = replicating();
    PAGE page = { 0 };

    BUNDLE(&s, A(1), B(1));
    CHECK_INT(store_push(&s, &page), 2);
    judge(&s, &page, "-l", NULL);
    replica__push_again(s.repl, 0, false);
    CHECK_INT(store_push(&s, &page), 0);
    CHECK_INT(store_push_again(&s, &page), 2);
    CHECK_STR(shape(&page), "a+b");
}

TEST(a_conflict_with_a_bundle_waits_until_its_others_are_pulled)
{
    STORE s = replicating();
    PAGE page = { 0 };
    struct replica__unsettled u;
    struct replica__verdict v = { .verdict = REPLICA_VERDICT_CONFLICT, .half = true };

    store_put(&s, A(1));
    CHECK_INT(store_push(&s, &page), 1);
    store_scan(&s, &(struct come){ .json = A(9), .sequence = 9 }, &v.real);
    CHECK_RC(replica__push_apply(s.repl, 0, &page, &v, "inc", NULL, &test_err), 0);
    CHECK_INT(store_state(&s, "a"), REPLICA_DOC_UNSETTLED);
    CHECK_RC(replica__unsettled_next(s.repl, -1, &u, 1, &test_err), 0);
    CHECK_RC(replica__replication_pending(s.repl, &test_err), 1);
    reopen(&s);
    CHECK_RC(replica__unsettled_next(s.repl, -1, &u, 1, &test_err), 0);
    CHECK_RC(replica__feed_whole(s.repl, 0, &test_err), 0);
    CHECK_RC(replica__unsettled_next(s.repl, -1, &u, 1, &test_err), 1);
    replica__unsettled_free(&u, 1);
}

/* ---- refused, retried, discarded --------------------------------------------------- */

static struct store refused_in(struct store s)
{
    PAGE page = { 0 };

    store_clean(&s, A(0), 5);
    BUNDLE(&s, A(1), B(1), C(1));
    CHECK_INT(store_push(&s, &page), 3);
    judge(&s, &page, "-r-", NULL);
    return s;
}

static struct store refused(void)
{
    return refused_in(replicating());
}

static int note(void *ctx, const replica_rejected_entry *e)
{
    *(int64_t *)ctx = e->number;
    CHECK_STR(e->reason, "no");
    CHECK_INT(e->code, 422);
    return 0;
}

/* The newest entry. */
static int64_t entry(struct store *s)
{
    int64_t number = 0;

    CHECK_RC(replica_rejected(s->db, NULL, note, &number, &test_err), 0);
    return number;
}

TEST(what_is_refused_is_refused_as_one)
{
    STORE s = refused();
    PAGE page = { 0 };

    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM aside WHERE kind = 1"), 3);
    CHECK_INT(store_state(&s, "a"), REPLICA_DOC_REJECTED);
    CHECK_INT(store_state(&s, "c"), REPLICA_DOC_REJECTED);
    CHECK_INT(store_push_again(&s, &page), 0);
    CHECK_RC(replica__replication_pending(s.repl, &test_err), 0);
}

TEST(a_retry_of_one_member_tries_all)
{
    STORE s = refused();
    PAGE page = { 0 };

    CHECK_RC(replica_rejected_retry(s.db, entry(&s), &test_err), 1);
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM aside"), 0);
    CHECK_INT(store_push_again(&s, &page), 3);
    CHECK_STR(shape(&page), "a+b+c");
    judge(&s, &page, "ttt", NULL);
    store_sound(&s);
}

TEST(a_discard_of_one_member_takes_all_back)
{
    STORE s = refused();
    PAGE page = { 0 };

    CHECK_RC(replica_rejected_discard(s.db, entry(&s), &test_err), 1);
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM aside"), 0);
    CHECK_STR(store_json(&s, "a"), A(0));
    CHECK_STR(store_json(&s, "b"), NULL);
    CHECK_STR(store_json(&s, "c"), NULL);
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM conflict_log WHERE rule = 'discarded'"), 3);
    CHECK_INT(store_push_again(&s, &page), 0);
    CHECK_RC(replica__replication_pending(s.repl, &test_err), 0);
    store_sound(&s);
}

TEST(a_discard_deletes_nothing_that_the_server_has)
{
    STORE s = replicating();
    PAGE page = { 0 };

    CHECK_INT(store_pull_one(&s, A(1), 9), REPLICA__PULLED_WRITTEN);
    store_sql(&s, "UPDATE state SET clean_seq = 0, todo = 1"); /* as what rises is brought there */
    CHECK_INT(store_push_again(&s, &page), 1);
    judge(&s, &page, "r", NULL);
    CHECK_RC(replica_rejected_discard(s.db, entry(&s), &test_err), 1);
    CHECK_STR(store_json(&s, "a"), A(1));
    CHECK_INT(store_push_again(&s, &page), 1);
}

TEST(a_discard_is_refused_while_a_member_is_on_its_way)
{
    STORE s = refused();
    PAGE page = { 0 };
    int64_t number = entry(&s);

    store_put(&s, A(2));
    CHECK_INT(store_push_again(&s, &page), 3);
    CHECK_RC(replica_rejected_discard(s.db, number, &test_err), 0); /* it is set aside no more */
    CHECK_STR(store_json(&s, "b"), B(1));
}

TEST(a_write_to_a_refused_member_takes_the_others_along)
{
    STORE s = refused();
    PAGE page = { 0 };

    store_put(&s, B(2));
    CHECK_INT(store_push_again(&s, &page), 3);
    CHECK_STR(shape(&page), "a+c+b");
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM aside"), 1); /* b's, until it is taken */
    judge(&s, &page, "ttt", NULL);
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM aside"), 0);
    CHECK_INT(store_state(&s, "a"), REPLICA_DOC_IN_SYNC);
}

TEST(others_are_held_by_a_member_whose_conflict_nobody_can_resolve)
{
    STORE s = replicating();
    PAGE page = { 0 };
    int64_t number = 0;

    BUNDLE(&s, A(1), B(1));
    CHECK_INT(store_push(&s, &page), 2);
    judge(&s, &page, "c-", A(9));
    {
        QUESTION q = store_question(&s);

        CHECK(store_settle(&s, &q, REPLICA__SETTLE_ASIDE, NULL, NULL));
    }
    CHECK_INT(store_push_again(&s, &page), 0);
    CHECK_INT(store_state(&s, "b"), REPLICA_DOC_DIRTY);
    CHECK_RC(replica__replication_pending(s.repl, &test_err), 0);
    CHECK_RC(replica__replication_held(s.repl, &test_err), 1);
    number = store_sql_int(&s, "SELECT id FROM aside");
    CHECK_RC(replica_rejected_retry(s.db, number, &test_err), 1);
    {
        QUESTION q = store_question(&s);

        CHECK(store_settle(&s, &q, REPLICA__SETTLE_LOCAL, NULL, "client-wins"));
    }
    CHECK_INT(store_push_again(&s, &page), 2);
    CHECK_STR(shape(&page), "a+b");
    CHECK_RC(replica__replication_held(s.repl, &test_err), 0);
}

/* ---- the rows of members ----------------------------------------------------------- */

TEST(members_that_nobody_needs_are_swept)
{
    STORE s = replicating();

    for (int i = 0; i < 50; i++) {
        BUNDLE(&s, A(1), B(1));
        store_push_all(&s, 10 * i + 1);
    }
    CHECK(store_sql_int(&s, "SELECT count(*) FROM member") <= 8);
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM member m JOIN doc d ON d.number = m.doc"
                                " WHERE m.bundle = d.bundle"), 2);
}

TEST(members_of_bundles_that_were_not_sent_stay)
{
    STORE s = replicating();
    PAGE page = { 0 };

    BUNDLE(&s, A(1), B(1));
    store_put(&s, A(2));
    store_put(&s, B(2));
    for (int i = 0; i < 20; i++)
        BUNDLE(&s, C(1), "{\"id\":\"d\"}");
    CHECK_INT(store_push(&s, &page), 4);
    CHECK_STR(shape(&page), "a+b c+d");
}

TEST(members_whose_keys_no_replication_is_about_are_swept)
{
    STORE s = replicating();

    store_sql(&s, "UPDATE replication SET keys = 'in/*'");
    for (int i = 0; i < 50; i++)
        BUNDLE(&s, A(1), B(1));
    CHECK(store_sql_int(&s, "SELECT count(*) FROM member") <= 8);
}

TEST(a_purged_document_is_no_member_any_more)
{
    STORE s = store_empty();

    BUNDLE(&s, A(1), B(1));
    store_delete(&s, "a");
    store_put(&s, C(1));
    store_sql(&s, "UPDATE doc SET stamp = 1 WHERE id = 'a'");
    CHECK_RC(replica_purge(s.db, NULL, 0, 0, NULL, &test_err), 0);
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM member"), 1);
}

LONG_TEST(a_push_of_bundles_survives_every_failed_allocation)
{
    for (int nth = 0, failed = 1; failed; nth++) {
        STORE s = replicating_in(store_memory());
        PAGE page = { 0 };
        int r;

        BUNDLE(&s, A(1), B(1));
        BUNDLE(&s, B(2), C(1));
        store_prepare(s.db);
        fault_alloc(nth);
        r = replica__push_next(s.repl, 0, 100, 1 << 20, &page, &test_err);
        failed = fault_stop();
        CHECK(r == 1 || (failed && r == REPLICA_ENOMEM));
        if (r == 1) {
            CHECK_STR(shape(&page), "a+b+c");
            continue;
        }
        CHECK_INT(store_push_again(&s, &page), 3);
        CHECK_STR(shape(&page), "a+b+c");
        CHECK(!page.rows[0].again);
    }
}

LONG_TEST(a_discard_of_a_bundle_survives_every_failed_allocation)
{
    for (int nth = 0, failed = 1; failed; nth++) {
        STORE s = refused_in(replicating_in(store_memory()));
        int64_t number = entry(&s);
        int r;

        store_prepare(s.db);
        fault_alloc(nth);
        r = replica_rejected_discard(s.db, number, &test_err);
        failed = fault_stop();
        CHECK(r == 1 || (failed && r == REPLICA_ENOMEM));
        CHECK_STR(store_json(&s, "a"), r == 1 ? A(0) : A(1));
        CHECK_STR(store_json(&s, "c"), r == 1 ? NULL : C(1));
        store_sound(&s);
    }
}
