/* Questions on their way to the program, and its answers. */
#include "replicator/asking.h"

#include "base/alloc.h"
#include "replicator/session.h"
#include "tests/support/fault.h"
#include "tests/support/store.h"
#include "tests/support/test.h"

#include <pthread.h>
#include <stdio.h>

/* The program: posts wait until they are run. */
struct program {
    struct store store;
    struct replica__asking *asking;
    struct replica__session_hooks hooks;
    struct {
        replica__post_fn fn;
        void *arg;
    } posts[600];
    size_t n;
    bool full; /* no post is taken */
    int wakes;
    pthread_mutex_t mutex; /* of wakes */
    replica_conflict *conflict;
    int resolved;
};

static int post(void *ctx, replica__post_fn fn, void *arg)
{
    struct program *p = ctx;

    if (p->full)
        return REPLICA_ENOMEM;
    CHECK(p->n < 600);
    p->posts[p->n].fn = fn;
    p->posts[p->n++].arg = arg;
    return 0;
}

static void wake(void *ctx)
{
    struct program *p = ctx;

    pthread_mutex_lock(&p->mutex);
    p->wakes++;
    pthread_mutex_unlock(&p->mutex);
}

static void resolve(void *ctx, replica_conflict *c)
{
    struct program *p = ctx;

    p->resolved++;
    p->conflict = c;
}

static void run_posts(struct program *p, bool closing)
{
    for (size_t i = 0; i < p->n; i++)
        p->posts[i].fn(p->posts[i].arg, closing);
    p->n = 0;
}

static void begin(struct program *p)
{
    replica_conflict_handler handler = REPLICA_CONFLICT_HANDLER_INIT;
    replica_collection_options o = REPLICA_COLLECTION_OPTIONS_INIT;

    *p = (struct program){ .hooks = { .post = post, .wake = wake, .ctx = p } };
    pthread_mutex_init(&p->mutex, NULL);
    handler.resolve = resolve;
    handler.ctx = p;
    o.handler = &handler;
    CHECK_RC(replica_db_open(":memory:", NULL, &p->store.db, &test_err), 0);
    CHECK_RC(replica_db_collection(p->store.db, "notes", &o, &p->store.coll, &test_err), 0);
    p->asking = replica__asking_new(&p->hooks);
    CHECK(p->asking);
}

static void end(struct program *p)
{
    replica__asking_close(p->asking);
    run_posts(p, true);
    store_close(&p->store);
    pthread_mutex_destroy(&p->mutex);
}

static replica_doc *state(struct program *p, const char *json)
{
    replica_doc *doc = NULL;

    CHECK_RC(replica__doc_new(p->store.coll, "a", json, strlen(json), false, &doc, &test_err), 0);
    return doc;
}

static struct replica__unsettled question(struct program *p, int64_t doc)
{
    return (struct replica__unsettled){ .coll = p->store.coll,
                                        .doc = doc,
                                        .local_sequence = 7,
                                        .unsettled = 9,
                                        .real = state(p, "{\"id\":\"a\",\"v\":2}"),
                                        .local = state(p, "{\"id\":\"a\",\"v\":1}") };
}

static void ask(struct program *p, int64_t doc)
{
    struct replica__unsettled u = question(p, doc);

    CHECK_RC(replica__asking_ask(p->asking, p->store.db, &u), 0);
    CHECK(!u.real && !u.local);
}

TEST(an_answer_comes_back_with_its_question)
{
    struct program p;
    struct replica__asked asked;

    begin(&p);
    ask(&p, 5);
    CHECK_INT(replica__asking_count(p.asking), 1);
    CHECK_INT(replica__asking_take(p.asking, &asked), 0);
    run_posts(&p, false);
    CHECK_INT(p.resolved, 1);
    CHECK_RC(replica_conflict_use_json(p.conflict, " {\"id\":\"a\",\"v\":3} ", REPLICA_NUL,
                                       &test_err), 0);
    CHECK_INT(p.wakes, 1);
    CHECK_INT(replica__asking_take(p.asking, &asked), 1);
    CHECK_INT(asked.of.doc, 5);
    CHECK_INT(asked.of.local_sequence, 7);
    CHECK_INT(asked.answer.how, REPLICA__SETTLE_JSON);
    CHECK_MEM(asked.answer.json, asked.answer.len, "{\"id\":\"a\",\"v\":3}", 16);
    replica__asking_free(&asked);
    CHECK_INT(replica__asking_count(p.asking), 0);
    CHECK_INT(replica__asking_take(p.asking, &asked), 0);
    end(&p);
}

TEST(a_question_that_is_open_is_known_by_its_two_states)
{
    struct program p;
    struct replica__unsettled u;

    begin(&p);
    ask(&p, 5);
    u = question(&p, 5);
    CHECK(replica__asking_has(p.asking, &u));
    u.local_sequence++;
    CHECK(!replica__asking_has(p.asking, &u));
    u.local_sequence--;
    u.unsettled++;
    CHECK(!replica__asking_has(p.asking, &u));
    u.unsettled--;
    u.doc = 5 + 256; /* the same bucket */
    CHECK(!replica__asking_has(p.asking, &u));
    replica__unsettled_free(&u, 1);
    end(&p);
}

TEST(the_answer_to_a_question_that_was_asked_anew_finds_nothing)
{
    struct program p;
    struct replica__asked asked;
    replica_conflict *first;

    begin(&p);
    ask(&p, 5);
    run_posts(&p, false);
    first = p.conflict;
    ask(&p, 5);
    CHECK_INT(replica__asking_count(p.asking), 1);
    run_posts(&p, false);
    CHECK_RC(replica_conflict_use_delete(first, &test_err), 0);
    CHECK_INT(replica__asking_take(p.asking, &asked), 0);
    CHECK_INT(replica__asking_count(p.asking), 1);
    CHECK_RC(replica_conflict_use_delete(p.conflict, &test_err), 0);
    CHECK_INT(replica__asking_take(p.asking, &asked), 1);
    CHECK_INT(asked.answer.how, REPLICA__SETTLE_DELETE);
    replica__asking_free(&asked);
    end(&p);
}

TEST(answers_come_in_the_order_in_which_they_were_given)
{
    struct program p;
    struct replica__asked asked;
    replica_conflict *conflicts[3];

    begin(&p);
    for (int i = 0; i < 3; i++) {
        ask(&p, i);
        run_posts(&p, false);
        conflicts[i] = p.conflict;
    }
    CHECK_RC(replica_conflict_fail(conflicts[2], "no", &test_err), 0);
    CHECK_RC(replica_conflict_fail(conflicts[0], NULL, &test_err), 0);
    CHECK_RC(replica_conflict_use(conflicts[1], replica_conflict_local(conflicts[1]), &test_err),
             0);
    CHECK_INT(replica__asking_take(p.asking, &asked), 1);
    CHECK_INT(asked.of.doc, 2);
    CHECK_INT(asked.answer.code, REPLICA_EUSER);
    CHECK_STR(asked.answer.reason, "no");
    replica__asking_free(&asked);
    CHECK_INT(replica__asking_take(p.asking, &asked), 1);
    CHECK_INT(asked.of.doc, 0);
    replica__asking_free(&asked);
    CHECK_INT(replica__asking_take(p.asking, &asked), 1);
    CHECK_INT(asked.answer.how, REPLICA__SETTLE_LOCAL);
    replica__asking_free(&asked);
    end(&p);
}

static void *answer_elsewhere(void *arg)
{
    struct program *p = arg;

    CHECK_RC(replica_conflict_use(p->conflict, replica_conflict_real(p->conflict), NULL), 0);
    return NULL;
}

TEST(any_thread_may_answer)
{
    struct program p;
    struct replica__asked asked;
    pthread_t thread;

    begin(&p);
    ask(&p, 1);
    run_posts(&p, false);
    CHECK_INT(pthread_create(&thread, NULL, answer_elsewhere, &p), 0);
    while (replica__asking_take(p.asking, &asked) == 0)
        sched_yield();
    pthread_join(thread, NULL);
    CHECK_INT(asked.answer.how, REPLICA__SETTLE_REAL);
    replica__asking_free(&asked);
    end(&p);
}

TEST(after_the_end_an_answer_is_closed_and_the_conflict_is_gone)
{
    struct program p;

    begin(&p);
    ask(&p, 1);
    run_posts(&p, false);
    end(&p);
    CHECK_RC(replica_conflict_use_delete(p.conflict, &test_err), REPLICA_ECLOSED);
}

TEST(an_answer_that_was_not_taken_before_the_end_is_let_go)
{
    struct program p;

    begin(&p);
    ask(&p, 1);
    run_posts(&p, false);
    CHECK_RC(replica_conflict_use_json(p.conflict, "{\"id\":\"a\"}", REPLICA_NUL, &test_err), 0);
    end(&p);
}

TEST(a_question_that_was_still_on_its_way_at_the_end_is_not_asked)
{
    struct program p;

    begin(&p);
    ask(&p, 1);
    replica__asking_close(p.asking);
    run_posts(&p, false);
    CHECK_INT(p.resolved, 0);
    store_close(&p.store);
    pthread_mutex_destroy(&p.mutex);
}

TEST(there_is_room_for_256_questions_on_their_way_and_the_session_is_woken_when_half_have_arrived)
{
    struct program p;

    begin(&p);
    for (int i = 0; i < 256; i++) {
        CHECK(replica__asking_ready(p.asking));
        ask(&p, i);
    }
    CHECK(!replica__asking_ready(p.asking));
    CHECK_INT(p.wakes, 0);
    for (size_t i = 0; i < 256; i++) {
        p.posts[i].fn(p.posts[i].arg, false);
        CHECK_RC(replica_conflict_use_delete(p.conflict, &test_err), 0);
        p.wakes--; /* the answer's own */
    }
    CHECK_INT(p.wakes, 1);
    CHECK(replica__asking_ready(p.asking));
    p.n = 0;
    end(&p);
}

/* ---- answers that fail ------------------------------------------------------------- */

static void check_refused(struct program *p, const char *json, int code)
{
    replica_error err = { .offset = -1 };

    CHECK_RC(replica_conflict_use_json(p->conflict, json, REPLICA_NUL, &err), code);
    CHECK_INT(err.code, code);
    CHECK_STR(err.where, "notes/a");
}

TEST(after_an_answer_that_fails_the_conflict_is_still_the_programs)
{
    struct program p;
    struct replica__asked asked;
    replica_doc *other;
    char deep[400] = "{\"id\":\"a\",\"v\":";

    begin(&p);
    ask(&p, 1);
    run_posts(&p, false);
    other = state(&p, "{\"id\":\"a\",\"v\":1}");
    CHECK_RC(replica_conflict_use(p.conflict, other, &test_err), REPLICA_EINVAL);
    replica_doc_unref(other);
    CHECK_RC(replica_conflict_use(p.conflict, NULL, &test_err), REPLICA_EINVAL);
    CHECK_RC(replica_conflict_use_json(p.conflict, NULL, 0, &test_err), REPLICA_EINVAL);
    check_refused(&p, "", REPLICA_EJSON);
    check_refused(&p, "{\"id\":\"a\"", REPLICA_EJSON);
    check_refused(&p, "[]", REPLICA_EJSON);
    check_refused(&p, "{\"id\":\"b\"}", REPLICA_EJSON);
    check_refused(&p, "{\"v\":1}", REPLICA_EJSON);
    check_refused(&p, "{\"id\":\"a\",\"_x\":1}", REPLICA_EJSON);
    check_refused(&p, "{\"id\":\"a\"} x", REPLICA_EJSON);
    check_refused(&p, "{\"id\":\"a\",\"v\":1,\"v\":2}", REPLICA_EJSON);
    check_refused(&p, "{\"id\":\"a\",\"v\":\"\xff\"}", REPLICA_EJSON);
    memset(deep + strlen(deep), '[', 150);
    check_refused(&p, deep, REPLICA_ELIMIT);
    CHECK_INT(replica__asking_take(p.asking, &asked), 0);
    CHECK_RC(replica_conflict_use_json(p.conflict, "{\"id\":\"\\u0061\"}", REPLICA_NUL, &test_err),
             0);
    CHECK_INT(replica__asking_take(p.asking, &asked), 1);
    CHECK_MEM(asked.answer.json, asked.answer.len, "{\"id\":\"\\u0061\"}", 15);
    replica__asking_free(&asked);
    end(&p);
}

TEST(a_question_that_cannot_be_posted_is_not_asked_and_nothing_is_lost)
{
    struct program p;
    struct replica__unsettled u;

    begin(&p);
    p.full = true;
    u = question(&p, 1);
    CHECK_RC(replica__asking_ask(p.asking, p.store.db, &u), REPLICA_ENOMEM);
    CHECK(u.real && u.local);
    CHECK_INT(replica__asking_count(p.asking), 0);
    CHECK(replica__asking_ready(p.asking));
    replica__unsettled_free(&u, 1);
    end(&p);
}

TEST(each_failing_allocation_of_a_question_or_answer_leaves_nothing_behind)
{
    struct program p;
    struct replica__asked asked;

    begin(&p);
    for (int nth = 0, failed = 1; failed; nth++) {
        struct replica__unsettled u = question(&p, 1);
        int r;

        fault_alloc(nth);
        r = replica__asking_ask(p.asking, p.store.db, &u);
        failed = fault_stop();
        CHECK_RC(r, failed ? REPLICA_ENOMEM : 0);
        CHECK_INT(replica__asking_count(p.asking), !failed);
        replica__unsettled_free(&u, 1);
    }
    run_posts(&p, false);
    for (int nth = 0, failed = 1; failed; nth++) {
        int r;

        fault_alloc(nth);
        r = replica_conflict_use_json(p.conflict, "{\"id\":\"a\"}", REPLICA_NUL, &test_err);
        failed = fault_stop();
        CHECK_RC(r, failed ? REPLICA_ENOMEM : 0);
    }
    CHECK_INT(replica__asking_take(p.asking, &asked), 1);
    replica__asking_free(&asked);
    end(&p);
}
