/* Every answer to a conflict, and answers that come too late. */
#include "tests/support/store.h"
#include "tests/support/test.h"

#include <stdio.h>

#define A1 "{\"id\":\"a\",\"n\":1}"
#define A2 "{\"id\":\"a\",\"n\":2}"
#define A3 "{\"id\":\"a\",\"n\":3}"
#define A5 "{\"id\":\"a\",\"n\":5}"

/* A1 is the base, A2 is local, A3 is real, with the server's number 9. */
static struct store in_conflict(void)
{
    struct store s = store_empty();
    struct come real = { .json = A3, .sequence = 9, .writer = "fedcba9876543210.3" };

    store_replicate(&s, "r1");
    store_clean(&s, A1, 5);
    store_put(&s, A2);
    CHECK_RC(store_pull(&s, NULL, &real, 1), 0);
    CHECK_INT(real.outcome, REPLICA__PULLED_UNSETTLED);
    return s;
}

struct logged {
    int n;
    char rule[40];
    char assumed[60], real[60], local[60], result[60];
};

static void copy_json(char *to, replica_doc *doc)
{
    strcpy(to, !doc ? "" : replica_doc_deleted(doc) ? "deleted" : replica_doc_json(doc, NULL));
}

static int keep_last(void *ctx, const replica_conflict_entry *e)
{
    struct logged *l = ctx;

    l->n++;
    strcpy(l->rule, e->rule);
    copy_json(l->assumed, e->assumed);
    copy_json(l->real, e->real);
    copy_json(l->local, e->local);
    copy_json(l->result, e->result);
    return 0;
}

static struct logged last_logged(struct store *s)
{
    struct logged l = { 0 };

    CHECK_RC(replica_conflict_log(s->db, s->coll, 0, keep_last, &l, &test_err), 0);
    return l;
}

TEST(the_real_state_is_written_and_the_local_one_logged)
{
    STORE s = in_conflict();
    QUESTION u = store_question(&s);

    CHECK(store_settle(&s, &u, REPLICA__SETTLE_REAL, NULL, "server-wins"));
    CHECK_STR(store_json(&s, "a"), A3);
    CHECK_STR(replica_doc_writer(s.shown), "fedcba9876543210.3");
    CHECK_INT(store_state(&s, "a"), REPLICA_DOC_IN_SYNC);
    struct logged l = last_logged(&s);
    CHECK_STR(l.rule, "server-wins");
    CHECK_STR(l.assumed, A1);
    CHECK_STR(l.real, A3);
    CHECK_STR(l.local, A2);
    CHECK_STR(l.result, "");
    CHECK_INT(store_pull_one(&s, A3, 9), REPLICA__PULLED_SAME);
    CHECK_RC(replica__replication_pending(s.repl, &test_err), 0);
    store_sound(&s);
}

TEST(the_local_state_stays_with_the_real_one_as_its_base)
{
    STORE s = in_conflict();
    QUESTION u = store_question(&s);
    PAGE page = { 0 };
    char rev[REPLICA_REV_SIZE];

    strcpy(rev, store_rev(&s, "a"));
    CHECK(store_settle(&s, &u, REPLICA__SETTLE_LOCAL, NULL, "client-wins"));
    CHECK_STR(store_rev(&s, "a"), rev);
    CHECK_INT(store_push_again(&s, &page), 1);
    CHECK_STR(page.rows[0].json, A2);
    CHECK_STR(page.rows[0].assumed, A3);
    CHECK_INT(page.rows[0].assumed_sequence, 9);
    CHECK_RC(store_judge(&s, &page, REPLICA_VERDICT_TAKEN, 10, NULL), 0);
    CHECK_INT(store_state(&s, "a"), REPLICA_DOC_IN_SYNC);
    CHECK_STR(last_logged(&s).result, A2);
    store_sound(&s);
}

TEST(a_text_is_written_over_both_and_pushed_on_the_real_state)
{
    STORE s = in_conflict();
    QUESTION u = store_question(&s);
    PAGE page = { 0 };

    CHECK(store_settle(&s, &u, REPLICA__SETTLE_JSON, A5, "sum"));
    CHECK_STR(store_json(&s, "a"), A5);
    CHECK_INT(store_push_again(&s, &page), 1);
    CHECK_STR(page.rows[0].json, A5);
    CHECK_STR(page.rows[0].assumed, A3);
    struct logged l = last_logged(&s);
    CHECK_STR(l.result, A5);
    CHECK_STR(l.local, A2);
    store_sound(&s);
}

TEST(a_text_equal_to_the_real_state_is_the_real_state)
{
    STORE s = in_conflict();
    QUESTION u = store_question(&s);

    CHECK(store_settle(&s, &u, REPLICA__SETTLE_JSON, "{\"n\":3,\"id\":\"a\"}", "merge"));
    CHECK_STR(store_json(&s, "a"), A3);
    CHECK_INT(store_state(&s, "a"), REPLICA_DOC_IN_SYNC);
    store_sound(&s);
}

TEST(a_deletion_is_written_and_pushed)
{
    STORE s = in_conflict();
    QUESTION u = store_question(&s);
    PAGE page = { 0 };

    CHECK(store_settle(&s, &u, REPLICA__SETTLE_DELETE, NULL, "delete-wins"));
    CHECK(!store_json(&s, "a"));
    CHECK_INT(store_push_again(&s, &page), 1);
    CHECK(page.rows[0].deleted);
    CHECK_STR(page.rows[0].assumed, A3);
    CHECK_STR(last_logged(&s).result, "deleted");
    store_sound(&s);
}

TEST(deleting_what_the_server_deleted_is_in_step)
{
    STORE s = store_empty();
    struct come gone = { .json = A1, .sequence = 9, .deleted = true };

    store_replicate(&s, "r1");
    store_clean(&s, A1, 5);
    store_put(&s, A2);
    CHECK_RC(store_pull(&s, NULL, &gone, 1), 0);
    QUESTION u = store_question(&s);
    CHECK_INT(replica_doc_deleted(u.real), 1);
    CHECK(store_settle(&s, &u, REPLICA__SETTLE_DELETE, NULL, "delete-wins"));
    CHECK(!store_json(&s, "a"));
    CHECK_INT(store_state(&s, "a"), REPLICA_DOC_IN_SYNC);
    CHECK_STR(last_logged(&s).local, A2);
}

TEST(states_that_are_equal_are_in_step_and_our_spelling_stays)
{
    STORE s = store_with("{\"id\":\"a\", \"n\":3}");

    store_replicate(&s, "r1");
    CHECK_INT(store_pull_one(&s, A3, 9), REPLICA__PULLED_UNSETTLED);
    QUESTION u = store_question(&s);
    CHECK(store_settle(&s, &u, REPLICA__SETTLE_CLEAN, NULL, NULL));
    CHECK_STR(store_json(&s, "a"), "{\"id\":\"a\", \"n\":3}");
    CHECK_INT(store_state(&s, "a"), REPLICA_DOC_IN_SYNC);
    CHECK_INT(last_logged(&s).n, 0);
    store_sound(&s);
}

TEST(states_that_only_the_handler_finds_equal_give_the_servers_text_and_a_log_entry)
{
    STORE s = in_conflict();
    QUESTION u = store_question(&s);

    CHECK(store_settle(&s, &u, REPLICA__SETTLE_CLEAN, NULL, NULL));
    CHECK_STR(store_json(&s, "a"), A3);
    CHECK_STR(last_logged(&s).rule, "equal");
    CHECK_STR(last_logged(&s).local, A2);
    CHECK_INT(store_state(&s, "a"), REPLICA_DOC_IN_SYNC);
}

static int count_handler(void *ctx, const replica_rejected_entry *e)
{
    *(int *)ctx += e->kind == REPLICA_ASIDE_HANDLER && e->code == REPLICA_EUSER &&
                   strcmp(e->reason, "gave up") == 0 && e->local;
    return 0;
}

TEST(a_document_whose_handler_failed_is_set_aside)
{
    STORE s = in_conflict();
    QUESTION u = store_question(&s);
    struct replica__unsettled again;
    PAGE page = { 0 };
    int n = 0;

    CHECK(store_settle(&s, &u, REPLICA__SETTLE_ASIDE, NULL, NULL));
    CHECK_INT(store_state(&s, "a"), REPLICA_DOC_REJECTED);
    CHECK_STR(store_json(&s, "a"), A2);
    CHECK_RC(replica__unsettled_next(s.repl, -1, &again, 1, &test_err), 0);
    CHECK_INT(store_push_again(&s, &page), 0);
    CHECK_RC(replica_rejected(s.db, s.coll, count_handler, &n, &test_err), 0);
    CHECK_INT(n, 1);
    store_put(&s, A5); /* a new state is met again */
    CHECK_RC(replica__unsettled_next(s.repl, -1, &again, 1, &test_err), 1);
    replica__unsettled_free(&again, 1);
    store_sound(&s);
}

TEST(an_answer_is_not_written_over_a_newer_local_state)
{
    STORE s = in_conflict();
    QUESTION u = store_question(&s);

    store_put(&s, A5);
    CHECK(!store_settle(&s, &u, REPLICA__SETTLE_REAL, NULL, "server-wins"));
    CHECK_STR(store_json(&s, "a"), A5);
    CHECK_INT(last_logged(&s).n, 0);
    QUESTION again = store_question(&s);
    CHECK_STR(replica_doc_json(again.local, NULL), A5);
    CHECK_STR(replica_doc_json(again.real, NULL), A3);
    CHECK_STR(replica_doc_json(again.assumed, NULL), A1);
    store_sound(&s);
}

TEST(an_answer_to_an_older_real_state_is_not_written)
{
    STORE s = in_conflict();
    QUESTION u = store_question(&s);

    CHECK_INT(store_pull_one(&s, A5, 10), REPLICA__PULLED_UNSETTLED);
    CHECK(!store_settle(&s, &u, REPLICA__SETTLE_LOCAL, NULL, "client-wins"));
    QUESTION again = store_question(&s);
    CHECK_STR(replica_doc_json(again.real, NULL), A5);
}

TEST(an_answer_that_comes_twice_is_written_once)
{
    STORE s = in_conflict();
    QUESTION u = store_question(&s);

    CHECK(store_settle(&s, &u, REPLICA__SETTLE_JSON, A5, "sum"));
    CHECK(!store_settle(&s, &u, REPLICA__SETTLE_JSON, A5, "sum"));
    CHECK_INT(last_logged(&s).n, 1);
}

TEST(rounds_are_counted_until_the_document_is_clean)
{
    STORE s = in_conflict();
    PAGE page = { 0 };

    for (int i = 1; i < 4; i++) {
        QUESTION u = store_question(&s);

        CHECK_INT(u.rounds, i - 1);
        CHECK(store_settle(&s, &u, REPLICA__SETTLE_LOCAL, NULL, NULL));
        CHECK_INT(store_push_again(&s, &page), 1);
        CHECK_RC(store_judge(&s, &page, REPLICA_VERDICT_CONFLICT, 10 + i, A3), 0);
    }
    QUESTION u = store_question(&s);
    CHECK(store_settle(&s, &u, REPLICA__SETTLE_LOCAL, NULL, NULL));
    CHECK_INT(store_push_again(&s, &page), 1);
    CHECK_RC(store_judge(&s, &page, REPLICA_VERDICT_TAKEN, 20, NULL), 0);
    CHECK_INT(store_sql_int(&s, "SELECT ifnull(rounds, 0) FROM state"), 0);
}

TEST(many_questions_come_in_batches)
{
    STORE s = store_empty();
    struct replica__unsettled u[30];
    int64_t after = -1;
    int seen = 0, n;

    for (int i = 0; i < 100; i++) {
        char text[40];

        snprintf(text, sizeof text, "{\"id\":\"k%d\"}", i);
        store_put(&s, text);
    }
    store_replicate(&s, "r1");
    for (int i = 0; i < 100; i++) {
        char text[40];

        snprintf(text, sizeof text, "{\"id\":\"k%d\",\"n\":1}", i);
        CHECK_INT(store_pull_one(&s, text, i + 1), REPLICA__PULLED_UNSETTLED);
    }
    while ((n = replica__unsettled_next(s.repl, after, u, 30, &test_err)) > 0) {
        struct replica__settled answers[30] = { { 0 } };

        after = u[n - 1].doc;
        for (int i = 0; i < n; i++)
            answers[i] = (struct replica__settled){ .of = &u[i], .how = REPLICA__SETTLE_REAL,
                                                    .rule = "server-wins" };
        CHECK_RC(replica__settle(s.repl, answers, (size_t)n, &test_err), 0);
        for (int i = 0; i < n; i++)
            CHECK(answers[i].done);
        replica__unsettled_free(u, (size_t)n);
        seen += n;
    }
    CHECK_INT(n, 0);
    CHECK_INT(seen, 100);
    CHECK_INT(last_logged(&s).n, 100);
    store_sound(&s);
}

TEST(settling_is_a_local_write_to_other_replications)
{
    STORE s = in_conflict();
    PAGE page = { 0 };

    store_replicate(&s, "r2");
    store_push_all(&s, 70); /* A2 is clean there */
    store_replicate(&s, "r1");
    QUESTION u = store_question(&s);
    CHECK(store_settle(&s, &u, REPLICA__SETTLE_JSON, A5, "sum"));
    store_replicate(&s, "r2");
    CHECK_INT(store_push_again(&s, &page), 1);
    CHECK_STR(page.rows[0].json, A5);
    CHECK_STR(page.rows[0].assumed, A2);
    store_sound(&s);
}
