/* Conflicts that wait, shown to a person and answered by one. */
#include "tests/support/fault.h"
#include "tests/support/store.h"
#include "tests/support/test.h"

#include <stdio.h>

#define A1 "{\"id\":\"a\",\"n\":1}"
#define A2 "{\"id\":\"a\",\"n\":2}"
#define A3 "{\"id\":\"a\",\"n\":3}"

/* The server had A1; here it is A2, and there A3. */
static struct store in_conflict(void)
{
    struct store s = store_empty();

    store_replicate(&s, "r1");
    store_clean(&s, A1, 5);
    store_put(&s, A2);
    CHECK_INT(store_pull_one(&s, A3, 6), REPLICA__PULLED_UNSETTLED);
    return s;
}

struct told {
    char text[400]; /* "notes/a r1 ask 1|3|2; " */
    int n;
};

static const char *n_of(replica_doc *doc)
{
    return doc ? strstr(replica_doc_json(doc, NULL), "\"n\":") + 4 : "-";
}

static int tell(void *ctx, const replica_conflict_entry *e)
{
    struct told *t = ctx;
    size_t len = strlen(t->text);

    snprintf(t->text + len, sizeof t->text - len, "%s/%s %s %s %.1s|%.1s|%.1s; ", e->collection,
             e->id, e->replication, e->rule[0] ? e->rule : "-", n_of(e->assumed), n_of(e->real),
             n_of(e->local));
    CHECK_INT(e->number, 0);
    CHECK(!e->result);
    t->n++;
    return 0;
}

static const char *waiting(struct store *s)
{
    static struct told t;

    t = (struct told){ .n = 0 };
    CHECK_RC(replica_conflict_waiting(s->db, NULL, tell, &t, &test_err), 0);
    return t.text;
}

static int rule_of(void *ctx, const replica_conflict_entry *e)
{
    snprintf(ctx, 60, "%s %.1s over %.1s", e->rule, n_of(e->result ? e->result : e->real),
             n_of(e->result ? e->real : e->local));
    return 0;
}

static const char *logged(struct store *s)
{
    static char rule[60];

    rule[0] = '\0';
    CHECK_RC(replica_conflict_log(s->db, NULL, 0, rule_of, rule, &test_err), 0);
    return rule;
}

static int why(void *ctx, const replica_pending_entry *e)
{
    return e->why;
}

TEST(a_conflict_waits_with_its_three_states)
{
    STORE s = in_conflict();
    QUESTION u = store_question(&s);
    const int64_t left[1][2] = { { u.doc, u.unsettled } };

    CHECK_STR(waiting(&s), "notes/a r1 - 1|3|2; ");
    CHECK_INT(replica_pending(s.db, NULL, why, NULL, &test_err), REPLICA_PENDING_CONFLICT);
    CHECK_RC(replica__unsettled_leave(s.repl, left, 1, &test_err), 0);
    CHECK_STR(waiting(&s), "notes/a r1 ask 1|3|2; ");
    CHECK_INT(replica_pending(s.db, NULL, why, NULL, &test_err), REPLICA_PENDING_PERSON);
    CHECK_RC(replica__unsettled_leave(s.repl, left, 1, &test_err), 0);
    CHECK_INT(store_pull_one(&s, "{\"id\":\"a\",\"n\":4}", 7), REPLICA__PULLED_UNSETTLED);
    CHECK_STR(waiting(&s), "notes/a r1 - 1|4|2; "); /* it is another question */
    store_sound(&s);
}

TEST(the_local_state_stays_and_goes_out_over_the_real_one)
{
    STORE s = in_conflict();
    PAGE page = { 0 };

    CHECK_RC(replica_conflict_answer(s.coll, "a", NULL, REPLICA_ANSWER_LOCAL, &test_err), 1);
    CHECK_STR(waiting(&s), "");
    CHECK_STR(store_json(&s, "a"), A2);
    CHECK_STR(logged(&s), "person 2 over 3");
    CHECK_INT(store_push_again(&s, &page), 1);
    CHECK_STR(page.rows[0].json, A2);
    CHECK_STR(page.rows[0].assumed, A3);
    CHECK_INT(page.rows[0].assumed_sequence, 6);
    CHECK_RC(store_judge(&s, &page, REPLICA_VERDICT_TAKEN, 7, NULL), 0);
    CHECK_INT(store_state(&s, "a"), REPLICA_DOC_IN_SYNC);
    store_sound(&s);
}

TEST(the_real_state_is_written_and_the_local_one_is_in_the_log)
{
    STORE s = in_conflict();
    PAGE page = { 0 };

    CHECK_RC(replica_conflict_answer(s.coll, "a", "r1", REPLICA_ANSWER_REAL, &test_err), 1);
    CHECK_STR(store_json(&s, "a"), A3);
    CHECK_STR(logged(&s), "person 3 over 2");
    CHECK_INT(store_state(&s, "a"), REPLICA_DOC_IN_SYNC);
    CHECK_INT(store_push_again(&s, &page), 0);
    CHECK_INT(store_pull_one(&s, A1, 8), REPLICA__PULLED_WRITTEN);
    store_sound(&s);
}

TEST(what_is_in_no_conflict_has_no_answer)
{
    STORE s = in_conflict();

    CHECK_RC(replica_conflict_answer(s.coll, "b", NULL, REPLICA_ANSWER_LOCAL, &test_err), 0);
    CHECK_RC(replica_conflict_answer(s.coll, "a", "r2", REPLICA_ANSWER_LOCAL, &test_err), 0);
    CHECK_RC(replica_conflict_answer(s.coll, "a", NULL, 3, &test_err), REPLICA_EINVAL);
    CHECK_RC(replica_conflict_answer(NULL, "a", NULL, 1, &test_err), REPLICA_EINVAL);
    CHECK_RC(replica_conflict_waiting(s.db, NULL, NULL, NULL, &test_err), REPLICA_EINVAL);
    CHECK_STR(waiting(&s), "notes/a r1 - 1|3|2; ");
    store_put(&s, A1);
}

TEST(an_answer_of_a_handler_that_comes_too_late_finds_nothing)
{
    STORE s = in_conflict();
    QUESTION u = store_question(&s);

    CHECK_RC(replica_conflict_answer(s.coll, "a", NULL, REPLICA_ANSWER_LOCAL, &test_err), 1);
    CHECK(!store_settle(&s, &u, REPLICA__SETTLE_REAL, NULL, "handler"));
    CHECK_STR(store_json(&s, "a"), A2);
    store_sound(&s);
}

static void answer_with_faults(int answer)
{
    STORE s = in_conflict();

    for (int nth = 0, r = 0; r != 1; nth++) {
        bool failed;

        fault_alloc(nth);
        r = replica_conflict_answer(s.coll, "a", NULL, answer, &test_err);
        failed = fault_stop();
        CHECK(r == 1 || (r == REPLICA_ENOMEM && failed));
        CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM conflict_log"), r == 1);
    }
    CHECK_STR(waiting(&s), "");
    store_sound(&s);
}

LONG_TEST(to_keep_the_local_state_is_done_whole_or_not_at_all_whatever_allocation_fails)
{
    answer_with_faults(REPLICA_ANSWER_LOCAL);
}

LONG_TEST(to_write_the_real_state_is_done_whole_or_not_at_all_whatever_allocation_fails)
{
    answer_with_faults(REPLICA_ANSWER_REAL);
}
