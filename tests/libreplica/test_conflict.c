/* A question put to the program: what it shows, and every answer. */
#include "libreplica/conflict.h"
#include "tests/support/fault.h"
#include "tests/support/store.h"
#include "tests/support/test.h"

#define A1 "{\"id\":\"a\",\"n\":1}"
#define A2 "{\"id\":\"a\",\"n\":2}"
#define A3 "{\"id\":\"a\",\"n\":3}"

struct asked {
    replica_doc *assumed, *real, *local;
    struct replica__answer got;
    char json[60];
    int64_t ticket;
    int answers, ended, code; /* code: what answer gives */
};

static int take(void *ctx, int64_t ticket, const struct replica__answer *a)
{
    struct asked *asked = ctx;

    asked->got = *a;
    asked->ticket = ticket;
    asked->answers++;
    if (a->json)
        memcpy(asked->json, a->json, a->len < 59 ? a->len : 59);
    return asked->code;
}

static void end(void *ctx)
{
    ((struct asked *)ctx)->ended++;
}

static replica_conflict *ask(struct store *s, struct asked *asked)
{
    struct replica__unsettled u = { .coll = s->coll };
    struct replica__conflict_parts parts = { .of = &u, .key = "id", .limits = { 1000, 10 },
                                             .answer = take, .unref = end, .ctx = asked,
                                             .ticket = 7 };
    replica_conflict *c;

    CHECK_RC(replica__doc_new(s->coll, "a", A1, strlen(A1), false, &u.assumed, &test_err), 0);
    CHECK_RC(replica__doc_new(s->coll, "a", A3, strlen(A3), false, &u.real, &test_err), 0);
    CHECK_RC(replica__doc_new(s->coll, "a", A2, strlen(A2), false, &u.local, &test_err), 0);
    *asked = (struct asked){ .assumed = u.assumed, .real = u.real, .local = u.local };
    c = replica__conflict_new(&parts);
    CHECK(c);
    replica__unsettled_free(&u, 1); /* it has references of its own */
    return c;
}

TEST(a_conflict_shows_its_document_and_three_states)
{
    STORE s = store_memory();
    struct asked asked;
    replica_conflict *c = ask(&s, &asked);

    CHECK_STR(replica_conflict_id(c), "a");
    CHECK_STR(replica_conflict_collection(c), "notes");
    CHECK_STR(replica_doc_json(replica_conflict_assumed(c), NULL), A1);
    CHECK_STR(replica_doc_json(replica_conflict_real(c), NULL), A3);
    CHECK_STR(replica_doc_json(replica_conflict_local(c), NULL), A2);
    replica__conflict_free(c);
    CHECK_INT(asked.ended, 1);
    CHECK_INT(asked.answers, 0);
}

TEST(each_of_the_three_states_is_an_answer)
{
    STORE s = store_memory();
    struct asked asked;
    replica_conflict *c = ask(&s, &asked);

    CHECK_RC(replica_conflict_use(c, replica_conflict_real(c), &test_err), 0);
    CHECK_INT(asked.got.how, REPLICA__SETTLE_REAL);
    CHECK_INT(asked.ticket, 7);
    CHECK_INT(asked.ended, 1);
    c = ask(&s, &asked);
    CHECK_RC(replica_conflict_use(c, replica_conflict_local(c), &test_err), 0);
    CHECK_INT(asked.got.how, REPLICA__SETTLE_LOCAL);
    c = ask(&s, &asked);
    CHECK_RC(replica_conflict_use(c, replica_conflict_assumed(c), &test_err), 0);
    CHECK_INT(asked.got.how, REPLICA__SETTLE_JSON);
    CHECK_STR(asked.json, A1);
}

TEST(another_state_is_no_answer_and_the_conflict_stays)
{
    STORE s = store_with(A1);
    struct asked asked;
    replica_conflict *c = ask(&s, &asked);

    store_json(&s, "a");
    CHECK_RC(replica_conflict_use(c, s.shown, &test_err), REPLICA_EINVAL);
    CHECK_RC(replica_conflict_use(c, NULL, &test_err), REPLICA_EINVAL);
    CHECK_RC(replica_conflict_use(NULL, s.shown, &test_err), REPLICA_EINVAL);
    CHECK_INT(asked.answers, 0);
    CHECK_RC(replica_conflict_use_delete(c, &test_err), 0);
    CHECK_INT(asked.got.how, REPLICA__SETTLE_DELETE);
}

TEST(a_text_passes_the_gate_before_it_is_an_answer)
{
    static const struct { const char *json; int code; } texts[] = {
        { "{", REPLICA_EJSON },
        { "{\"id\":\"b\"}", REPLICA_EJSON },
        { "{\"n\":1}", REPLICA_EJSON },
        { "{\"id\":\"a\",\"_x\":1}", REPLICA_EJSON },
        { "{\"id\":\"a\"} x", REPLICA_EJSON },
        { "{\"id\":\"a\",\"x\":[[[[[[[[[[[]]]]]]]]]]]}", REPLICA_ELIMIT },
    };
    STORE s = store_memory();
    struct asked asked;
    replica_conflict *c = ask(&s, &asked);

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        CHECK_RC(replica_conflict_use_json(c, texts[i].json, REPLICA_NUL, &test_err),
                 texts[i].code);
        CHECK_STR(test_err.where, "notes/a");
    }
    CHECK_RC(replica_conflict_use_json(c, NULL, 0, &test_err), REPLICA_EINVAL);
    CHECK_INT(asked.answers, 0);
    CHECK_RC(replica_conflict_use_json(c, " {\"id\":\"\\u0061\",\"n\":5} ", REPLICA_NUL, &test_err),
             0);
    CHECK_STR(asked.json, "{\"id\":\"\\u0061\",\"n\":5}");
    CHECK_INT(asked.ended, 1);
}

TEST(a_failure_is_an_answer_with_its_reason)
{
    STORE s = store_memory();
    struct asked asked;

    CHECK_RC(replica_conflict_fail(ask(&s, &asked), "cannot", &test_err), 0);
    CHECK_INT(asked.got.how, REPLICA__SETTLE_ASIDE);
    CHECK_INT(asked.got.code, REPLICA_EUSER);
    CHECK_STR(asked.got.reason, "cannot");
    CHECK_RC(replica_conflict_fail(NULL, "", &test_err), REPLICA_EINVAL);
    CHECK_RC(replica_conflict_use_delete(NULL, &test_err), REPLICA_EINVAL);
}

TEST(an_answer_that_could_not_be_taken_leaves_the_conflict_to_the_program)
{
    STORE s = store_memory();
    struct asked asked;
    replica_conflict *c = ask(&s, &asked);

    asked.code = REPLICA_ENOMEM;
    CHECK_RC(replica_conflict_use_delete(c, &test_err), REPLICA_ENOMEM);
    CHECK_INT(asked.ended, 0);
    asked.code = 0;
    CHECK_RC(replica_conflict_use_delete(c, &test_err), 0);
    CHECK_INT(asked.ended, 1);
}

TEST(an_answer_after_the_end_of_the_replication_ends_the_conflict)
{
    STORE s = store_memory();
    struct asked asked;
    replica_conflict *c = ask(&s, &asked);

    asked.code = REPLICA_ECLOSED;
    CHECK_RC(replica_conflict_use(c, replica_conflict_real(c), &test_err), REPLICA_ECLOSED);
    CHECK_INT(asked.ended, 1);
}

TEST(a_conflict_that_cannot_be_made_is_not_ended)
{
    STORE s = store_memory();
    struct asked asked = { 0 };
    struct replica__unsettled u = { .coll = s.coll };
    struct replica__conflict_parts parts = { .of = &u, .key = "id", .unref = end, .ctx = &asked };
    replica_conflict *c;

    fault_alloc(0);
    c = replica__conflict_new(&parts);
    fault_stop();
    CHECK(!c);
    CHECK_INT(asked.ended, 0);
    replica__conflict_free(NULL);
}
