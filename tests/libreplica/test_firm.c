/* Firm bundles: a conflict of one member is not settled, but refuses them all. */
#include "base/alloc.h"
#include "tests/support/store.h"
#include "tests/support/test.h"

static void bundle_of(struct store *s, const char *first, const char *second)
{
    replica_bundle *bundle = NULL;

    CHECK_RC(replica_bundle_begin(s->db, &bundle, &test_err), 0);
    CHECK_RC(replica_bundle_put(bundle, s->coll, first, REPLICA_NUL, "*", &test_err), 0);
    CHECK_RC(replica_bundle_put(bundle, s->coll, second, REPLICA_NUL, "*", &test_err), 0);
    CHECK_RC(replica_bundle_set_firm(bundle, &test_err), 0);
    CHECK_RC(replica_bundle_commit(bundle, NULL, &test_err), 0);
}

/* Two documents in step, and a firm bundle over both. */
static struct store firm(void)
{
    struct store s = store_with("{\"id\":\"a\",\"n\":1}");

    store_put(&s, "{\"id\":\"b\",\"n\":1}");
    store_replicate(&s, "r1");
    store_push_all(&s, 10);
    bundle_of(&s, "{\"id\":\"a\",\"n\":2}", "{\"id\":\"b\",\"n\":2}");
    return s;
}

static int number_of(void *ctx, const replica_rejected_entry *entry)
{
    CHECK_INT(entry->kind, REPLICA_ASIDE_REFUSED);
    CHECK_INT(entry->code, 409);
    *(int64_t *)ctx = entry->number;
    return 0;
}

static void refuse(struct store *s)
{
    QUESTION q = store_question(s);
    struct replica__settled answer = { .of = &q, .how = REPLICA__SETTLE_REFUSED, .code = 409,
                                       .reason = "a conflict" };

    CHECK(q.firm);
    CHECK_RC(replica__settle(s->repl, &answer, 1, &test_err), 0);
    CHECK(answer.done);
}

TEST(a_conflict_that_is_pulled_is_known_to_refuse_its_bundle)
{
    STORE s = firm();

    CHECK_INT(store_pull_one(&s, "{\"id\":\"a\",\"n\":7}", 20), REPLICA__PULLED_UNSETTLED);
    refuse(&s);
    CHECK_INT(store_state(&s, "a"), REPLICA_DOC_REJECTED);
    CHECK_INT(store_state(&s, "b"), REPLICA_DOC_REJECTED);
    {
        PAGE page = { 0 };

        CHECK_INT(store_push(&s, &page), 0);
        CHECK_INT(store_push_again(&s, &page), 0);
    }
    store_sound(&s);
}

TEST(what_was_refused_so_goes_back_as_one)
{
    STORE s = firm();
    int64_t number = 0;

    CHECK_INT(store_pull_one(&s, "{\"id\":\"a\",\"n\":7}", 20), REPLICA__PULLED_UNSETTLED);
    refuse(&s);
    CHECK_RC(replica_rejected(s.db, NULL, number_of, &number, &test_err), 0);
    CHECK_RC(replica_rejected_discard(s.db, number, &test_err), 1);
    CHECK_STR(store_json(&s, "a"), "{\"id\":\"a\",\"n\":7}");
    CHECK_STR(store_json(&s, "b"), "{\"id\":\"b\",\"n\":1}");
    CHECK_INT(store_state(&s, "a"), REPLICA_DOC_IN_SYNC);
    CHECK_INT(store_state(&s, "b"), REPLICA_DOC_IN_SYNC);
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM aside"), 0);
    store_sound(&s);
}

TEST(a_bundle_that_is_not_firm_is_no_such_question)
{
    STORE s = store_with("{\"id\":\"a\",\"n\":1}");
    replica_bundle *bundle = NULL;

    store_replicate(&s, "r1");
    store_push_all(&s, 10);
    CHECK_RC(replica_bundle_begin(s.db, &bundle, &test_err), 0);
    CHECK_RC(replica_bundle_put(bundle, s.coll, "{\"id\":\"a\",\"n\":2}", REPLICA_NUL, "*",
                                &test_err), 0);
    CHECK_RC(replica_bundle_put(bundle, s.coll, "{\"id\":\"b\"}", REPLICA_NUL, "*", &test_err), 0);
    CHECK_RC(replica_bundle_commit(bundle, NULL, &test_err), 0);
    CHECK_INT(store_pull_one(&s, "{\"id\":\"a\",\"n\":7}", 20), REPLICA__PULLED_UNSETTLED);
    {
        QUESTION q = store_question(&s);

        CHECK(!q.firm);
    }
}

TEST(a_member_that_is_under_way_is_waited_for)
{
    STORE s = store_with("{\"id\":\"a\",\"n\":1}");
    struct replica__unsettled u;
    PAGE page = { 0 };

    store_put(&s, "{\"id\":\"b\",\"n\":1}");
    store_replicate(&s, "r1");
    store_push_all(&s, 10);
    store_put(&s, "{\"id\":\"b\",\"n\":5}");
    CHECK_INT(store_push(&s, &page), 1);
    bundle_of(&s, "{\"id\":\"a\",\"n\":2}", "{\"id\":\"b\",\"n\":6}");
    CHECK_INT(store_pull_one(&s, "{\"id\":\"a\",\"n\":7}", 20), REPLICA__PULLED_UNSETTLED);
    CHECK_INT(replica__unsettled_next(s.repl, -1, &u, 1, &test_err), 0);
    CHECK_INT(store_judge(&s, &page, REPLICA_VERDICT_TAKEN, 21, NULL), 0);
    refuse(&s);
    CHECK_INT(store_state(&s, "b"), REPLICA_DOC_REJECTED);
}
