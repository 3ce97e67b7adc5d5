/* What is left to do, and where one document stands. */
#include "tests/support/store.h"
#include "tests/support/test.h"

#define A1 "{\"id\":\"a\",\"n\":1}"
#define A2 "{\"id\":\"a\",\"n\":2}"

static void check_backlog(struct store *s, int dirty, int sent, int unsettled, int aside)
{
    struct replica__backlog b = { -1, -1, -1, -1 };

    CHECK_RC(replica__replication_backlog(s->repl, &b, &test_err), 0);
    CHECK_INT(b.dirty, dirty);
    CHECK_INT(b.sent, sent);
    CHECK_INT(b.unsettled, unsettled);
    CHECK_INT(b.aside, aside);
    CHECK_RC(replica__replication_pending(s->repl, &test_err), dirty + unsettled > 0);
    CHECK_RC(replica__backlog_of(s->db, "r1", &b, &test_err), 0);
    CHECK_INT(b.dirty, dirty);
}

TEST(the_backlog_follows_a_document_on_its_way)
{
    STORE s = store_with(A1);
    PAGE page = { 0 };

    store_put(&s, "{\"id\":\"b\"}");
    store_replicate(&s, "r1");
    check_backlog(&s, 2, 0, 0, 0);
    CHECK_INT(store_push(&s, &page), 2);
    check_backlog(&s, 2, 2, 0, 0);
    CHECK_RC(store_judge(&s, &page, REPLICA_VERDICT_TAKEN, 5, NULL), 0);
    check_backlog(&s, 0, 0, 0, 0);
    store_put(&s, A2);
    check_backlog(&s, 1, 0, 0, 0);
    CHECK_INT(store_push_again(&s, &page), 1);
    CHECK_RC(store_judge(&s, &page, REPLICA_VERDICT_CONFLICT, 8, A1), 0);
    check_backlog(&s, 0, 0, 1, 0);
    QUESTION u = store_question(&s);
    CHECK(store_settle(&s, &u, REPLICA__SETTLE_LOCAL, NULL, NULL));
    check_backlog(&s, 1, 0, 0, 0);
    CHECK_INT(store_push_again(&s, &page), 1);
    CHECK_RC(store_judge(&s, &page, REPLICA_VERDICT_REFUSED, 0, NULL), 0);
    check_backlog(&s, 0, 0, 0, 1);
}

TEST(what_another_collection_has_to_do_does_not_count)
{
    STORE s = store_empty();
    replica_collection *other = NULL;
    int state = -1;

    store_replicate(&s, "r1");
    CHECK_RC(replica_db_collection(s.db, "other", NULL, &other, &test_err), 0);
    CHECK_RC(replica_put(other, A1, REPLICA_NUL, NULL, NULL, NULL, &test_err), 0);
    check_backlog(&s, 0, 0, 0, 0);
    CHECK_RC(replica__doc_state(other, "a", "r1", &state, &test_err), 0);
    CHECK_INT(state, REPLICA_DOC_ABSENT);
}

TEST(a_document_or_replication_that_is_unknown_is_absent)
{
    STORE s = store_with(A1);
    struct replica__backlog b = { -1, -1, -1, -1 };
    int state = -1;

    CHECK_INT(store_state(&s, "a"), REPLICA_DOC_ABSENT);
    CHECK_RC(replica__backlog_of(s.db, "r1", &b, &test_err), 0);
    CHECK_INT(b.dirty, 0);
    store_replicate(&s, "r1");
    CHECK_INT(store_state(&s, "nobody"), REPLICA_DOC_ABSENT);
    CHECK_RC(replica__doc_state(s.coll, "a", "r2", &state, &test_err), 0);
    CHECK_INT(state, REPLICA_DOC_ABSENT);
}

TEST(after_a_restart_the_backlog_is_the_same)
{
    STORE s = store_with(A1);
    PAGE page = { 0 };

    store_replicate(&s, "r1");
    CHECK_INT(store_push(&s, &page), 1);
    store_reopen(&s);
    check_backlog(&s, 1, 1, 0, 0);
    CHECK_INT(store_state(&s, "a"), REPLICA_DOC_SENT);
}
