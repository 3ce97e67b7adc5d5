/* Documents that one replication takes away, while another one has them too. */
#include "libreplica/feed.h"
#include "libreplica/replication/replication.h"
#include "tests/support/fault.h"
#include "tests/support/store.h"
#include "tests/support/test.h"

#include <stdio.h>
#include <string.h>

#define A1 "{\"id\":\"a\",\"n\":1}"
#define A2 "{\"id\":\"a\",\"n\":2}"
#define MINE "{\"id\":\"a\",\"n\":\"mine\"}"
#define KEY "{\"id\":\"a\"}"

/* "r1" is s->repl, "r2" the other one; each as if it were the only one, for a moment. */
struct two {
    struct store s;
    struct replica__replication *other;
};

static void end(struct two *t)
{
    replica__replication_close(t->other);
    store_close(&t->s);
}
#define TWO __attribute__((cleanup(end))) struct two

static struct two two(struct store s)
{
    struct two t = { .s = s };

    store_replicate(&t.s, "r2");
    t.other = t.s.repl;
    t.s.repl = NULL;
    store_replicate(&t.s, "r1");
    return t;
}

static void turn(struct two *t)
{
    struct replica__replication *r = t->s.repl;

    t->s.repl = t->other;
    t->other = r;
}

static int take_away(struct two *t, int64_t sequence, int why)
{
    return store_pull_gone(&t->s, "a", sequence, why);
}

/* Both have it, and both servers do. */
static void have_both(struct two *t, int64_t first, int64_t second)
{
    store_pull_one(&t->s, A1, first);
    turn(t);
    store_push_all(&t->s, second);
    turn(t);
    CHECK_RC(replica__replication_pending(t->s.repl, &test_err), 0);
    CHECK_RC(replica__replication_pending(t->other, &test_err), 0);
}

static int64_t listed(struct two *t, const char *name, const char *text)
{
    char sql[300];

    snprintf(sql, sizeof sql,
             "SELECT count(*) FROM aside a JOIN replication r ON r.id = a.replication"
             " WHERE a.kind = %d AND r.name = '%s' AND a.text = '%s'",
             REPLICA_ASIDE_REVOKED, name, text);
    return store_sql_int(&t->s, sql);
}

TEST(an_edit_that_another_server_has_not_is_listed_for_it_when_access_ends)
{
    TWO t = two(store_empty());

    have_both(&t, 5, 50);
    store_put(&t.s, MINE);
    store_push_all(&t.s, 6);
    CHECK_INT(take_away(&t, 6, REPLICA__GONE_VIEW), REPLICA__PULLED_WRITTEN);
    CHECK(!store_json(&t.s, "a"));
    CHECK_INT(listed(&t, "r2", MINE), 1);
    CHECK_INT(listed(&t, "r1", MINE), 0);
    store_sound(&t.s);
}

TEST(an_edit_that_no_server_has_is_listed_once)
{
    TWO t = two(store_empty());

    have_both(&t, 5, 50);
    store_put(&t.s, MINE);
    CHECK_INT(take_away(&t, 6, REPLICA__GONE_VIEW), REPLICA__PULLED_ASIDE);
    CHECK_INT(listed(&t, "r1", MINE), 1);
    CHECK_INT(listed(&t, "r2", MINE), 0);
}

TEST(what_came_and_was_not_sent_on_is_no_edit)
{
    TWO t = two(store_empty());

    store_pull_one(&t.s, A1, 5);
    CHECK_INT(take_away(&t, 5, REPLICA__GONE_VIEW), REPLICA__PULLED_WRITTEN);
    CHECK_INT(store_sql_int(&t.s, "SELECT count(*) FROM aside"), 0);
    CHECK_RC(replica__replication_pending(t.other, &test_err), 0);
}

TEST(a_server_that_shows_it_on_is_asked_again_and_its_old_number_is_taken)
{
    TWO t = two(store_empty());

    have_both(&t, 5, 50);
    store_sql(&t.s, "UPDATE feed SET checkpoint = '{}'");
    CHECK_INT(take_away(&t, 6, REPLICA__GONE_VIEW), REPLICA__PULLED_WRITTEN);
    CHECK_INT(store_sql_int(&t.s, "SELECT count(*) FROM feed f JOIN replication r"
                                  " ON r.id = f.replication WHERE r.name = 'r2'"
                                  " AND f.checkpoint IS NOT NULL"), 0);
    turn(&t);
    CHECK_INT(store_pull_one(&t.s, A1, 50), REPLICA__PULLED_WRITTEN);
    CHECK_STR(store_json(&t.s, "a"), A1);
    store_sound(&t.s);
}

TEST(what_left_one_filter_stays_while_another_replication_has_it)
{
    TWO t = two(store_empty());

    have_both(&t, 5, 50);
    CHECK_INT(take_away(&t, 6, REPLICA__GONE_FILTER), REPLICA__PULLED_SAME);
    CHECK_STR(store_json(&t.s, "a"), A1);
    CHECK_RC(replica__replication_pending(t.s.repl, &test_err), 0);
    CHECK_RC(replica__replication_pending(t.other, &test_err), 0);
    CHECK_INT(store_pull_one(&t.s, A2, 4), REPLICA__PULLED_WRITTEN); /* it matches again */
    store_sound(&t.s);
}

TEST(what_stays_for_another_replication_is_no_difference)
{
    const struct replica__verify_how how = { .incarnation = "inc", .position = 100 };
    TWO t = two(store_empty());
    struct replica__pulled doc;
    int kind = -1;

    have_both(&t, 5, 50);
    take_away(&t, 6, REPLICA__GONE_FILTER);
    store_scan(&t.s, &(struct come){ .json = KEY, .sequence = 6 }, &doc);
    doc.gone = REPLICA__GONE_FILTER;
    CHECK_RC(replica__verify(t.s.repl, 0, &doc, &how, &kind, &test_err), 0);
    CHECK_INT(kind, REPLICA__VERIFY_SAME);
    replica__free(doc.id);
}

TEST(what_left_the_filters_of_all_goes_with_the_last_one)
{
    TWO t = two(store_empty());

    have_both(&t, 5, 50);
    CHECK_INT(take_away(&t, 6, REPLICA__GONE_FILTER), REPLICA__PULLED_SAME);
    turn(&t);
    CHECK_INT(take_away(&t, 51, REPLICA__GONE_FILTER), REPLICA__PULLED_WRITTEN);
    CHECK(!store_json(&t.s, "a"));
    store_sound(&t.s);
}

static int count(void *ctx, const replica_rejected_entry *e)
{
    *(int *)ctx += e->kind == REPLICA_ASIDE_REVOKED && strcmp(e->replication, "r2") == 0;
    return 0;
}

LONG_TEST(a_failed_allocation_lists_the_edit_and_erases_or_does_neither)
{
    for (int nth = 0, failed = 1; failed; nth++) {
        TWO t = two(store_memory());
        struct replica__pulled doc;
        int r, n = 0;

        have_both(&t, 5, 50);
        store_put(&t.s, MINE);
        store_push_all(&t.s, 6);
        store_scan(&t.s, &(struct come){ .json = KEY, .sequence = 6 }, &doc);
        doc.gone = REPLICA__GONE_VIEW;
        fault_alloc(nth);
        r = replica__pull_apply(t.s.repl, 0, &doc, 1, "inc", NULL, &test_err);
        failed = fault_stop();
        CHECK(r == 0 || (failed && r == REPLICA_ENOMEM));
        replica__free(doc.id);
        CHECK_RC(replica_rejected(t.s.db, NULL, count, &n, &test_err), 0);
        CHECK_INT(n, r == 0);
        CHECK((store_json(&t.s, "a") == NULL) == (r == 0));
        store_sound(&t.s);
    }
}
