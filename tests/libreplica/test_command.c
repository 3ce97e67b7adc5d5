/* Commands in one file: who gets them, how often, and what their answers do. */
#include "base/alloc.h"
#include "base/buf.h"
#include "tests/support/clock.h"
#include "tests/support/fault.h"
#include "tests/support/store.h"
#include "tests/support/test.h"

#include <stdio.h>

static replica_collection *commands_of(struct store *s)
{
    replica_collection *coll = NULL;

    CHECK_RC(replica_db_collection(s->db, "commands", NULL, &coll, &test_err), 0);
    return coll;
}

/* What a handler is to do with the commands that it gets. */
enum deed { KEEP, DONE, COUNT, FAIL, FAIL_AGAIN };
struct hand {
    struct replica__buf text; /* id-less: "address#attempt=payload " */
    enum deed deed;
    struct store *s;
    replica_command *kept;
    replica_handler *handler;
    int destroyed;
};

/* {"id":"count","n":N} in "notes", one higher, in the command's bundle. */
static void count_up(struct store *s, replica_command *c)
{
    replica_doc *doc = NULL;
    char json[80];
    long n = 0;

    if (replica_get(s->coll, "count", &doc, &test_err) > 0)
        sscanf(replica_doc_json(doc, NULL), "{\"id\":\"count\",\"n\":%ld}", &n);
    snprintf(json, sizeof(json), "{\"id\":\"count\",\"n\":%ld}", n + 1);
    CHECK_RC(replica_bundle_put(replica_command_bundle(c), s->coll, json, REPLICA_NUL,
                                doc ? replica_doc_rev(doc) : NULL, &test_err), 0);
    replica_doc_unref(doc);
}

static void handle(void *ctx, replica_command *c)
{
    struct hand *h = ctx;
    size_t len;
    const char *payload = replica_command_payload(c, &len);

    CHECK_INT(strlen(payload), len);
    CHECK_INT(replica_command_fence(c), replica_command_attempt(c));
    CHECK_MEM(replica_command_id(c), strlen(replica_command_address(c)),
              replica_command_address(c), strlen(replica_command_address(c)));
    replica__buf_printf(&h->text, "%s#%d=%s ", replica_command_address(c),
                        replica_command_attempt(c), payload);
    if (h->deed == COUNT)
        count_up(h->s, c);
    if (h->deed == DONE || h->deed == COUNT)
        CHECK_RC(replica_command_done(c, "{\"ok\": 1}", REPLICA_NUL, &test_err), 0);
    else if (h->deed == KEEP)
        h->kept = c;
    else
        CHECK_RC(replica_command_fail(c, "no \"luck\"", h->deed == FAIL_AGAIN, &test_err), 0);
}

static void destroy(void *ctx)
{
    ((struct hand *)ctx)->destroyed++;
}

static void handle_in(struct store *s, const char *pattern, unsigned flags, struct hand *h)
{
    replica_handler_options o = REPLICA_HANDLER_OPTIONS_INIT;

    h->s = s;
    o.flags = flags;
    o.max_attempts = 3;
    CHECK_RC(replica_command_handle(commands_of(s), pattern, &o, handle, h, destroy, &h->handler,
                                    &test_err), 0);
}

static void hand_end(struct hand *h)
{
    replica_handler_cancel(h->handler);
    CHECK_INT(h->destroyed, 1);
    if (h->kept)
        replica_command_fail(h->kept, "the test ends", 0, NULL);
    replica__buf_free(&h->text);
}
#define HAND __attribute__((cleanup(hand_end))) struct hand

static const char *run(struct store *s, struct hand *h)
{
    replica__buf_clear(&h->text);
    replica__buf_str(&h->text, "");
    for (int i = 0; i < 50; i++) {
        int r = replica_db_dispatch(s->db, 1000, &test_err);

        CHECK(r >= 0);
        if (r == 0 && replica_db_timeout(s->db) != 0)
            break;
    }
    return h->text.data;
}

struct sent {
    char id[REPLICA_COMMAND_ID_SIZE];
};

static struct sent send_to(struct store *s, const char *address, const char *payload)
{
    struct sent sent;

    CHECK_RC(replica_command_send(commands_of(s), address, payload, REPLICA_NUL, NULL, sent.id,
                                  &test_err), 0);
    return sent;
}

static int wait_for(struct store *s, const char *id, const char **ret_json)
{
    static char json[2000];
    replica_doc *doc = NULL;
    int r = replica_command_wait(commands_of(s), id, 0, &doc, &test_err);

    if (r > 0) {
        snprintf(json, sizeof(json), "%s", replica_doc_json(doc, NULL));
        if (ret_json)
            *ret_json = json;
    }
    replica_doc_unref(doc);
    return r;
}

static struct clock *stop_clock(struct store *s)
{
    static struct clock clock;

    clock_start(&clock, 1700000000000, 1);
    replica__db_set_world(s->db, &clock.world);
    return &clock;
}

TEST(a_command_is_delivered_and_its_result_comes_back)
{
    STORE s = store_empty();
    HAND h = { .deed = DONE };
    struct sent sent = send_to(&s, "/lamp/kitchen", "{\"level\": 3.10}");
    const char *json = NULL;

    CHECK_RC(wait_for(&s, sent.id, NULL), 0); /* nobody handles it yet */
    handle_in(&s, "/lamp/*", 0, &h);
    CHECK_STR(run(&s, &h), "/lamp/kitchen#1={\"level\": 3.10} ");
    CHECK_RC(wait_for(&s, sent.id, &json), 1);
    CHECK(strstr(json, "\"payload\":{\"level\": 3.10}") && strstr(json, "\"result\":{\"ok\": 1}"));
    CHECK_STR(run(&s, &h), "");
    CHECK_RC(wait_for(&s, sent.id, NULL), REPLICA_ECANCELLED); /* its result was taken */
    CHECK_STR(test_err.where, sent.id);
}

TEST(a_command_that_was_sent_before_and_one_behind_it_are_delivered_in_their_order)
{
    STORE s = store_empty();
    HAND h = { .deed = DONE };

    for (int i = 0; i < 3; i++)
        send_to(&s, "a", "1");
    send_to(&s, "b", "2");
    handle_in(&s, "**", 0, &h);
    send_to(&s, "c", "3");
    CHECK_STR(run(&s, &h), "a#1=1 a#1=1 a#1=1 b#1=2 c#1=3 ");
}

TEST(what_does_not_match_waits_for_who_does)
{
    STORE s = store_empty();
    HAND a = { .deed = DONE };
    HAND b = { .deed = DONE };

    handle_in(&s, "a/*", 0, &a);
    send_to(&s, "b/1", "1");
    send_to(&s, "a/1", "2");
    CHECK_STR(run(&s, &a), "a/1#1=2 ");
    handle_in(&s, "b/**", 0, &b);
    CHECK_STR(run(&s, &b), "b/1#1=1 ");
}

TEST(of_two_handlers_each_command_goes_to_one)
{
    STORE s = store_empty();
    STORE other = store_open(s.path, NULL);
    HAND a = { .deed = COUNT };
    HAND b = { .deed = COUNT };
    HAND c = { .deed = COUNT };

    handle_in(&s, "**", 0, &a);
    handle_in(&s, "**", 0, &b);
    handle_in(&other, "**", 0, &c);
    for (int i = 0; i < 30; i++)
        send_to(&s, "a", "1");
    for (int i = 0; i < 30; i++) {
        CHECK(replica_db_dispatch(s.db, 1, &test_err) >= 0);
        CHECK(replica_db_wait(other.db, 1, &test_err) >= 0);
    }
    run(&s, &a);
    CHECK_STR(store_json(&s, "count"), "{\"id\":\"count\",\"n\":30}");
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM doc WHERE body LIKE '%\"state\":\"done\"%'"),
              30);
}

TEST(a_handler_has_one_command_at_a_time)
{
    STORE s = store_empty();
    HAND h = { .deed = KEEP };

    handle_in(&s, "**", 0, &h);
    send_to(&s, "a", "1");
    send_to(&s, "b", "2");
    CHECK_STR(run(&s, &h), "a#1=1 ");
    CHECK_STR(run(&s, &h), "");
    CHECK_RC(replica_command_done(h.kept, NULL, 0, &test_err), 0);
    h.kept = NULL;
    CHECK_STR(run(&s, &h), "b#1=2 ");
}

TEST(effect_and_acknowledgement_are_written_together_or_not_at_all)
{
    STORE s = store_with("{\"id\":\"count\",\"n\":7}");
    HAND h = { .deed = KEEP };

    handle_in(&s, "**", 0, &h);
    send_to(&s, "a", "1");
    run(&s, &h);
    count_up(&s, h.kept);
    store_put(&s, "{\"id\":\"count\",\"n\":20}"); /* somebody was faster */
    CHECK_RC(replica_command_done(h.kept, NULL, 0, &test_err), REPLICA_ECONFLICT);
    CHECK_STR(test_err.where, "notes/count");
    CHECK_STR(store_json(&s, "count"), "{\"id\":\"count\",\"n\":20}");
    count_up(&s, h.kept); /* once more, in an empty bundle */
    CHECK_RC(replica_command_done(h.kept, "]", 1, &test_err), REPLICA_EJSON);
    CHECK_RC(replica_command_done(h.kept, NULL, 0, &test_err), 0);
    h.kept = NULL;
    CHECK_STR(store_json(&s, "count"), "{\"id\":\"count\",\"n\":21}");
    CHECK_INT(store_sql_int(&s, "SELECT count(DISTINCT bundle) FROM doc WHERE bundle IS NOT NULL"),
              1);
    store_sound(&s);
}

TEST(a_command_that_failed_tells_why)
{
    STORE s = store_empty();
    HAND h = { .deed = FAIL };
    struct sent sent = send_to(&s, "a", "1");

    handle_in(&s, "**", 0, &h);
    CHECK_STR(run(&s, &h), "a#1=1 ");
    CHECK_RC(wait_for(&s, sent.id, NULL), REPLICA_EUSER);
    CHECK_STR(test_err.message, "no \"luck\"");
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM doc WHERE flags & 1"), 1);
}

TEST(one_that_may_be_tried_again_is_after_a_while_and_not_for_ever)
{
    STORE s = store_empty();
    struct clock *clock = stop_clock(&s);
    HAND h = { .deed = FAIL_AGAIN };
    struct sent sent = send_to(&s, "a", "1");

    handle_in(&s, "**", 0, &h);
    CHECK_STR(run(&s, &h), "a#1=1 ");
    clock_pass(clock, 99);
    CHECK_STR(run(&s, &h), "");
    clock_pass(clock, 1);
    CHECK_STR(run(&s, &h), "a#2=1 ");
    clock_pass(clock, 200);
    CHECK_STR(run(&s, &h), "a#3=1 ");
    clock_pass(clock, 400);
    CHECK_STR(run(&s, &h), ""); /* the third was the last */
    CHECK_RC(wait_for(&s, sent.id, NULL), REPLICA_EUSER);
    CHECK_STR(test_err.message, "tried too often");
    replica__db_set_world(s.db, &replica__real_world);
}

TEST(a_handler_that_shows_no_life_loses_its_command_to_another)
{
    STORE s = store_empty();
    struct clock *clock = stop_clock(&s);
    STORE dead = store_open(s.path, NULL);
    struct hand first = { .deed = KEEP };
    HAND second = { .deed = COUNT };

    replica__db_set_world(dead.db, &clock->world);
    send_to(&s, "a", "1");
    handle_in(&dead, "**", 0, &first);
    run(&dead, &first);
    CHECK(first.kept);
    handle_in(&s, "**", 0, &second);
    CHECK_STR(run(&s, &second), "");
    clock_pass(clock, 29999);
    CHECK_STR(run(&s, &second), "");
    clock_pass(clock, 1);
    CHECK_STR(run(&s, &second), "a#2=1 ");
    /* The one that was away comes back. */
    count_up(&dead, first.kept);
    CHECK_RC(replica_command_done(first.kept, NULL, 0, &test_err), REPLICA_ECANCELLED);
    CHECK_STR(store_json(&s, "count"), "{\"id\":\"count\",\"n\":1}");
    replica_handler_cancel(first.handler);
    replica__buf_free(&first.text);
    replica__db_set_world(s.db, &replica__real_world);
    replica__db_set_world(dead.db, &replica__real_world);
}

TEST(a_handler_that_dispatches_keeps_its_command)
{
    STORE s = store_empty();
    struct clock *clock = stop_clock(&s);
    STORE other = store_open(s.path, NULL);
    HAND first = { .deed = KEEP };
    HAND second = { .deed = DONE };

    replica__db_set_world(other.db, &clock->world);
    send_to(&s, "a", "1");
    handle_in(&s, "**", 0, &first);
    run(&s, &first);
    handle_in(&other, "**", 0, &second);
    run(&other, &second);
    for (int i = 0; i < 10; i++) {
        clock_pass(clock, 10000);
        run(&s, &first);
        CHECK_STR(run(&other, &second), "");
    }
    CHECK(store_sql_int(&s, "SELECT count(*) FROM doc WHERE body LIKE '%\"beat\":10%'") == 1);
    CHECK_RC(replica_command_done(first.kept, NULL, 0, &test_err), 0);
    first.kept = NULL;
    replica__db_set_world(other.db, &replica__real_world);
    replica__db_set_world(s.db, &replica__real_world);
}

TEST(at_most_once_is_never_tried_a_second_time)
{
    STORE s = store_empty();
    struct clock *clock = stop_clock(&s);
    STORE dead = store_open(s.path, NULL);
    struct hand first = { .deed = KEEP };
    HAND second = { .deed = FAIL_AGAIN };
    struct sent died, failed;

    replica__db_set_world(dead.db, &clock->world);
    died = send_to(&s, "a", "1");
    handle_in(&dead, "**", REPLICA_HANDLE_AT_MOST_ONCE, &first);
    run(&dead, &first);
    CHECK(first.kept);
    handle_in(&s, "**", REPLICA_HANDLE_AT_MOST_ONCE, &second);
    failed = send_to(&s, "b", "2");
    CHECK_STR(run(&s, &second), "b#1=2 ");
    clock_pass(clock, 30000);
    CHECK_STR(run(&s, &second), "");
    CHECK_RC(wait_for(&s, died.id, NULL), REPLICA_EUSER);
    CHECK_RC(wait_for(&s, failed.id, NULL), REPLICA_EUSER);
    CHECK_STR(test_err.message, "no \"luck\"");
    CHECK_RC(replica_command_done(first.kept, NULL, 0, &test_err), REPLICA_ECANCELLED);
    replica_handler_cancel(first.handler);
    replica__buf_free(&first.text);
    replica__db_set_world(s.db, &replica__real_world);
    replica__db_set_world(dead.db, &replica__real_world);
}

TEST(a_command_that_expired_is_not_delivered)
{
    STORE s = store_empty();
    struct clock *clock = stop_clock(&s);
    HAND h = { .deed = DONE };
    replica_command_options o = REPLICA_COMMAND_OPTIONS_INIT;
    struct sent seen, unseen, in_time;

    o.expires_ms = 1000;
    CHECK_RC(replica_command_send(commands_of(&s), "a", NULL, 0, &o, seen.id, &test_err), 0);
    CHECK_RC(replica_command_send(commands_of(&s), "a", NULL, 0, &o, unseen.id, &test_err), 0);
    clock_pass(clock, 999);
    CHECK_RC(wait_for(&s, seen.id, NULL), 0);
    clock_pass(clock, 1);
    CHECK_RC(wait_for(&s, seen.id, NULL), REPLICA_ETIMEOUT);
    CHECK_RC(replica_command_send(commands_of(&s), "b", "1", 1, &o, in_time.id, &test_err), 0);
    handle_in(&s, "**", 0, &h);
    CHECK_STR(run(&s, &h), "b#1=1 ");
    CHECK_RC(wait_for(&s, unseen.id, NULL), REPLICA_ETIMEOUT);
    CHECK_RC(wait_for(&s, in_time.id, NULL), 1);
    replica__db_set_world(s.db, &replica__real_world);
}

TEST(a_command_that_was_deleted_is_not_delivered)
{
    STORE s = store_empty();
    HAND h = { .deed = DONE };
    struct sent sent = send_to(&s, "a", "1");

    CHECK_RC(replica_delete(commands_of(&s), sent.id, REPLICA_ANY_REV, NULL, &test_err), 1);
    handle_in(&s, "**", 0, &h);
    CHECK_STR(run(&s, &h), "");
    CHECK_RC(wait_for(&s, sent.id, NULL), REPLICA_ECANCELLED);
}

TEST(where_the_collection_replicates_a_claim_counts_when_it_is_in_step)
{
    STORE s = store_empty();
    HAND h = { .deed = DONE };
    STORE r = store_open(s.path, NULL);

    r.coll = commands_of(&r);
    store_replicate(&r, "r1"); /* of the commands */
    send_to(&s, "a", "1");
    handle_in(&s, "**", 0, &h);
    CHECK_STR(run(&s, &h), "");
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM doc WHERE body LIKE '%claimed%'"), 1);
    store_push_all(&r, 5);
    for (int i = 0; i < 20 && h.text.len == 0; i++)
        CHECK(replica_db_wait(s.db, 500, &test_err) >= 0);
    CHECK_STR(h.text.data, "a#1=1 ");
    h.deed = KEEP;
}

TEST(a_claim_that_never_was_in_step_is_no_attempt)
{
    STORE s = store_empty();
    struct clock *clock = stop_clock(&s);
    HAND h = { .deed = DONE };
    STORE r = store_open(s.path, NULL);

    r.coll = commands_of(&r);
    store_replicate(&r, "r1");
    send_to(&s, "a", "1");
    for (int i = 0; i < 5; i++) { /* a program that is started again and again, offline */
        STORE dead = store_open(s.path, NULL);
        struct hand first = { .deed = KEEP };

        replica__db_set_world(dead.db, &clock->world);
        handle_in(&dead, "**", REPLICA_HANDLE_AT_MOST_ONCE, &first);
        run(&dead, &first);
        clock_pass(clock, 30000);
        run(&dead, &first);
        CHECK(!first.kept);
        replica_db_close(dead.db);
        dead.db = NULL;
        replica_handler_cancel(first.handler);
        replica__buf_free(&first.text);
    }
    handle_in(&s, "**", 0, &h);
    run(&s, &h);
    clock_pass(clock, 30000);
    CHECK_STR(run(&s, &h), "");
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM doc WHERE body LIKE '%\"attempt\":1,%'"), 1);
    store_push_all(&r, 5);
    clock_pass(clock, 250);
    CHECK_STR(run(&s, &h), "a#1=1 ");
    replica__db_set_world(s.db, &replica__real_world);
}

TEST(the_claim_of_another_client_undoes_ours)
{
    STORE s = store_empty();
    STORE r = store_open(s.path, NULL);
    HAND h = { .deed = DONE };
    char claim[2000];
    const char *json;
    struct sent sent;

    r.coll = commands_of(&r);
    store_replicate(&r, "r1");
    sent = send_to(&s, "a", "1");
    store_push_all(&r, 5);
    handle_in(&s, "**", 0, &h);
    run(&s, &h);
    json = store_json(&r, sent.id);
    snprintf(claim, sizeof(claim), "%.*sother.1\",\"lease\":30000,\"beat\":0}",
             (int)(strstr(json, "\"by\":\"") + 6 - json), json);
    CHECK_INT(store_pull_one(&r, claim, 9), REPLICA__PULLED_UNSETTLED);
    {
        QUESTION q = store_question(&r);

        CHECK(store_settle(&r, &q, REPLICA__SETTLE_REAL, NULL, "server-wins"));
    }
    CHECK_STR(run(&s, &h), "");
    store_push_all(&r, 10);
    CHECK_STR(run(&s, &h), "");
    CHECK(strstr(store_json(&r, sent.id), "other.1"));
}

/* A command that was handled, and whose acknowledgement the server refuses. */
static void handle_and_refuse(struct store *s, struct store *r, struct clock *clock, unsigned flags,
                              struct hand *h)
{
    PAGE page = { 0 };

    r->coll = commands_of(r);
    store_replicate(r, "r1");
    send_to(s, "a", "1");
    store_push_all(r, 5);
    handle_in(s, "**", flags, h);
    run(s, h);
    store_push_all(r, 10);
    clock_pass(clock, 300); /* a system that tells nothing of commits looks every 250 ms */
    CHECK_STR(run(s, h), "a#1=1 ");
    CHECK_INT(store_push_again(r, &page), 1);
    CHECK_INT(store_judge(r, &page, REPLICA_VERDICT_REFUSED, 0, NULL), 0);
}

TEST(what_was_done_and_refused_is_undone_and_tried_again)
{
    STORE s = store_empty();
    struct clock *clock = stop_clock(&s);
    STORE r = store_open(s.path, NULL);
    HAND h = { .deed = DONE };

    handle_and_refuse(&s, &r, clock, 0, &h);
    clock_pass(clock, 300);
    CHECK_STR(run(&s, &h), "");
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM doc WHERE body LIKE '%claimed%'"), 1);
    clock_pass(clock, 100);
    run(&s, &h);
    store_push_all(&r, 20);
    clock_pass(clock, 300);
    CHECK_STR(run(&s, &h), "a#2=1 ");
    replica__db_set_world(s.db, &replica__real_world);
}

TEST(what_was_done_and_refused_is_not_tried_again_at_most_once)
{
    STORE s = store_empty();
    struct clock *clock = stop_clock(&s);
    STORE r = store_open(s.path, NULL);
    HAND h = { .deed = DONE };

    handle_and_refuse(&s, &r, clock, REPLICA_HANDLE_AT_MOST_ONCE, &h);
    clock_pass(clock, 300);
    run(&s, &h);
    clock_pass(clock, 100);
    CHECK_STR(run(&s, &h), "");
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM doc WHERE body LIKE '%\"failed\"%'"), 1);
    replica__db_set_world(s.db, &replica__real_world);
}

TEST(a_server_that_refuses_claims_is_left_alone_for_a_while)
{
    STORE s = store_empty();
    struct clock *clock = stop_clock(&s);
    STORE r = store_open(s.path, NULL);
    HAND h = { .deed = DONE };
    struct sent sent;

    r.coll = commands_of(&r);
    store_replicate(&r, "r1");
    sent = send_to(&s, "a", "1");
    store_push_all(&r, 5);
    handle_in(&s, "**", 0, &h);
    run(&s, &h);
    CHECK(strstr(store_json(&r, sent.id), "claimed"));
    {
        PAGE page = { 0 };

        CHECK_INT(store_push_again(&r, &page), 1);
        CHECK_INT(store_judge(&r, &page, REPLICA_VERDICT_REFUSED, 0, NULL), 0);
    }
    clock_pass(clock, 300);
    run(&s, &h);
    CHECK(strstr(store_json(&r, sent.id), "waiting")); /* it is the server's again */
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM aside"), 0);
    clock_pass(clock, 29999);
    run(&s, &h);
    CHECK(strstr(store_json(&r, sent.id), "waiting"));
    clock_pass(clock, 1);
    run(&s, &h);
    CHECK(strstr(store_json(&r, sent.id), "claimed"));
    replica__db_set_world(s.db, &replica__real_world);
}

TEST(a_close_ends_handlers_and_the_command_answers_closed)
{
    STORE s = store_empty();
    struct hand h = { .deed = KEEP };

    handle_in(&s, "**", 0, &h);
    send_to(&s, "a", "1");
    run(&s, &h);
    count_up(&s, h.kept);
    replica_db_close(s.db);
    s.db = NULL;
    CHECK_INT(h.destroyed, 1);
    CHECK_STR(replica_command_address(h.kept), "a");
    CHECK_RC(replica_command_done(h.kept, NULL, 0, &test_err), REPLICA_ECLOSED);
    replica_handler_cancel(h.handler);
    replica__buf_free(&h.text);
}

static void cancel_and_close(void *ctx, replica_command *c)
{
    struct hand *h = ctx;

    replica_handler_cancel(h->handler);
    h->handler = NULL;
    CHECK_RC(replica_command_done(c, NULL, 0, &test_err), 0);
    replica_db_close(h->s->db);
}

TEST(a_handler_may_cancel_itself_and_close_the_database)
{
    STORE s = store_empty();
    struct hand h = { .s = &s };

    send_to(&s, "a", "1");
    send_to(&s, "b", "1");
    CHECK_RC(replica_command_handle(commands_of(&s), "**", NULL, cancel_and_close, &h, destroy,
                                    &h.handler, &test_err), 0);
    while (!h.destroyed) /* behind which there is no database */
        CHECK(replica_db_wait(s.db, 1000, &test_err) >= 0);
    s.db = NULL;
    {
        STORE again = store_empty();

        CHECK_INT(store_sql_int(&again, "SELECT count(*) FROM doc WHERE body LIKE '%waiting%'"), 1);
    }
}

static void close_on_event(void *ctx, const replica_event_entry *event)
{
    (void)event;
    replica_db_close(((struct store *)ctx)->db);
}

TEST(who_waits_for_a_command_is_told_that_a_callback_has_closed_the_database)
{
    STORE s = store_empty();
    replica_doc *doc = NULL;
    struct sent sent = send_to(&s, "a", "1");

    CHECK_RC(replica_listen(s.db, "close", close_on_event, &s, NULL, NULL, &test_err), 0);
    CHECK_RC(replica_emit(s.db, "close", NULL, 0, &test_err), 0);
    CHECK_RC(replica_command_wait(commands_of(&s), sent.id, 20000, &doc, &test_err),
             REPLICA_ECLOSED);
    s.db = NULL;
}

static void ask_another(void *ctx, replica_command *c)
{
    struct hand *h = ctx;
    struct sent sent = send_to(h->s, "inner", "1");

    replica__buf_printf(&h->text, "%s ", replica_command_address(c));
    CHECK_RC(replica_command_wait(commands_of(h->s), sent.id, 10000, NULL, &test_err), 1);
    CHECK_RC(replica_command_done(c, NULL, 0, &test_err), 0);
}

TEST(a_handler_may_wait_for_another_command)
{
    STORE s = store_empty();
    struct hand outer = { .s = &s };
    HAND inner = { .deed = DONE };
    struct sent sent = send_to(&s, "outer", "1");

    CHECK_RC(replica_command_handle(commands_of(&s), "outer", NULL, ask_another, &outer, NULL,
                                    NULL, &test_err), 0);
    handle_in(&s, "inner", 0, &inner);
    CHECK_RC(replica_command_wait(commands_of(&s), sent.id, 10000, NULL, &test_err), 1);
    CHECK_STR(outer.text.data, "outer ");
    replica__buf_free(&outer.text);
}

TEST(a_handler_that_is_cancelled_lets_go_of_what_it_has_not_begun)
{
    STORE s = store_empty();
    struct clock *clock = stop_clock(&s);
    STORE r = store_open(s.path, NULL);
    struct hand first = { .deed = KEEP };
    HAND second = { .deed = DONE };

    r.coll = commands_of(&r);
    store_replicate(&r, "r1");
    send_to(&s, "a", "1");
    handle_in(&s, "**", 0, &first);
    run(&s, &first);
    replica_handler_cancel(first.handler);
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM doc WHERE body LIKE '%waiting%'"), 1);
    handle_in(&s, "**", 0, &second);
    run(&s, &second);
    store_push_all(&r, 5);
    clock_pass(clock, 300);
    CHECK_STR(run(&s, &second), "a#1=1 ");
    replica__buf_free(&first.text);
    replica__db_set_world(s.db, &replica__real_world);
}

TEST(a_close_lets_go_of_what_its_handlers_have_not_begun)
{
    STORE s = store_empty();
    struct clock *clock = stop_clock(&s);
    STORE r = store_open(s.path, NULL);
    STORE first = store_open(s.path, NULL);
    struct hand gone = { .deed = KEEP };
    HAND h = { .deed = DONE };

    r.coll = commands_of(&r);
    store_replicate(&r, "r1");
    send_to(&s, "a", "1");
    handle_in(&first, "**", 0, &gone);
    run(&first, &gone);
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM doc WHERE body LIKE '%claimed%'"), 1);
    replica_db_close(first.db);
    first.db = NULL;
    CHECK_INT(gone.destroyed, 1);
    handle_in(&s, "**", 0, &h);
    run(&s, &h);
    store_push_all(&r, 5);
    clock_pass(clock, 300);
    CHECK_STR(run(&s, &h), "a#1=1 ");
    replica_handler_cancel(gone.handler);
    replica__buf_free(&gone.text);
    replica__db_set_world(s.db, &replica__real_world);
}

/* Each sign of life is a write that has to arrive: a claim that goes on showing it would never be
 * in step where the way to the server is longer than a third of the lease. */
TEST(a_claim_that_is_under_way_is_not_written_again)
{
    STORE s = store_empty();
    struct clock *clock = stop_clock(&s);
    STORE r = store_open(s.path, NULL);
    HAND h = { .deed = KEEP };

    r.coll = commands_of(&r);
    store_replicate(&r, "r1");
    send_to(&s, "a", "1");
    handle_in(&s, "**", 0, &h);
    run(&s, &h);
    for (int i = 0; i < 5; i++) {
        clock_pass(clock, 10000);
        CHECK_STR(run(&s, &h), "");
    }
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM doc WHERE body LIKE '%\"beat\":0}%'"), 1);
    store_push_all(&r, 5);
    clock_pass(clock, 300);
    CHECK_STR(run(&s, &h), "a#1=1 ");
    run(&s, &h); /* now it has to */
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM doc WHERE body LIKE '%\"beat\":1}%'"), 1);
    replica__db_set_world(s.db, &replica__real_world);
}

TEST(more_commands_than_a_handler_keeps_in_mind_are_all_delivered)
{
    STORE s = store_memory();
    HAND h = { .deed = DONE };
    replica_bundle *bundle = NULL;
    char json[200];

    for (int i = 0; i < 3000; i++) {
        if (i % 1000 == 0)
            CHECK_RC(replica_bundle_begin(s.db, &bundle, &test_err), 0);
        snprintf(json, sizeof(json), "{\"id\":\"a/%d\",\"address\":\"a\",\"payload\":1,"
                 "\"state\":\"waiting\"}", i);
        CHECK_RC(replica_bundle_put(bundle, commands_of(&s), json, REPLICA_NUL, NULL, &test_err),
                 0);
        if (i % 1000 == 999)
            CHECK_RC(replica_bundle_commit(bundle, NULL, &test_err), 0);
    }
    handle_in(&s, "**", 0, &h);
    for (int i = 0; i < 3000 && h.text.len < 3000 * 6; i++)
        CHECK(replica_db_dispatch(s.db, 100, &test_err) >= 0);
    CHECK_INT(h.text.len, 3000 * 6);
}

TEST(documents_that_are_no_commands_are_left_alone)
{
    STORE s = store_empty();
    HAND h = { .deed = DONE };
    static const char *const others[] = {
        "{\"id\":\"a\"}", "{\"id\":\"b\",\"address\":\"b\",\"state\":\"odd\"}",
        "{\"id\":\"c\",\"address\":3,\"state\":\"waiting\"}",
        "{\"id\":\"d\",\"address\":\"d\",\"state\":7}"
    };

    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        CHECK_RC(replica_upsert(commands_of(&s), others[i], REPLICA_NUL, NULL, &test_err), 0);
    handle_in(&s, "**", 0, &h);
    CHECK_STR(run(&s, &h), "");
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM doc WHERE height = 1"), 4);
}

TEST(what_cannot_be_sent_or_handled_is_refused)
{
    STORE s = store_empty();
    struct hand h = { .deed = DONE };
    replica_collection_options keyed = REPLICA_COLLECTION_OPTIONS_INIT;
    replica_command_options o = REPLICA_COMMAND_OPTIONS_INIT;
    replica_handler_options ho = REPLICA_HANDLER_OPTIONS_INIT;
    replica_collection *other = NULL;
    replica_collection *coll = commands_of(&s);
    char id[REPLICA_COMMAND_ID_SIZE] = "untouched";

    keyed.rules = "\"merge\"";
    CHECK_RC(replica_db_collection(s.db, "merged", &keyed, &other, &test_err), 0);
    CHECK_RC(replica_command_send(other, "a", "1", 1, NULL, id, &test_err), REPLICA_EINVAL);
    keyed.rules = NULL;
    keyed.key = "name";
    CHECK_RC(replica_db_collection(s.db, "keyed", &keyed, &other, &test_err), 0);
    CHECK_RC(replica_command_send(other, "a", "1", 1, NULL, id, &test_err), REPLICA_EINVAL);
    CHECK_RC(replica_command_send(coll, "a/*", "1", 1, NULL, id, &test_err), REPLICA_EINVAL);
    CHECK_RC(replica_command_send(coll, "a", "{", 1, NULL, id, &test_err), REPLICA_EJSON);
    o.expires_ms = -1;
    CHECK_RC(replica_command_send(coll, "a", "1", 1, &o, id, &test_err), REPLICA_EINVAL);
    CHECK_STR(id, "untouched");
    CHECK_RC(replica_command_handle(other, "a", NULL, handle, &h, destroy, &h.handler, &test_err),
             REPLICA_EINVAL);
    CHECK_RC(replica_command_handle(coll, "a*", NULL, handle, &h, destroy, &h.handler, &test_err),
             REPLICA_EINVAL);
    ho.lease_ms = 99;
    CHECK_RC(replica_command_handle(coll, "a", &ho, handle, &h, destroy, &h.handler, &test_err),
             REPLICA_EINVAL);
    ho.lease_ms = 0;
    ho.flags = 2;
    CHECK_RC(replica_command_handle(coll, "a", &ho, handle, &h, destroy, &h.handler, &test_err),
             REPLICA_EINVAL);
    CHECK_INT(h.destroyed, 4);
    CHECK(!h.handler);
    CHECK_RC(replica_command_wait(coll, "nobody", 0, NULL, &test_err), REPLICA_ECANCELLED);
}

LONG_TEST(without_memory_a_command_is_handled_once_or_not_at_all)
{
    for (int nth = 0, failed = 1; failed; nth++) {
        STORE s = store_empty();
        HAND h = { .deed = KEEP };
        struct clock *clock = stop_clock(&s);
        replica_command *c;
        int r;

        store_sql(&s, "DELETE FROM doc WHERE coll = (SELECT id FROM collection"
                      " WHERE name = 'commands')");
        handle_in(&s, "**", 0, &h);
        replica__buf_reserve(&h.text, 1000);
        fault_alloc(nth);
        r = replica_command_send(commands_of(&s), "a", "{\"n\":1}", REPLICA_NUL, NULL, NULL,
                                 &test_err);
        for (int i = 0; r == 0 && i < 3 && !h.kept; i++)
            replica_db_dispatch(s.db, 1000, NULL);
        failed = fault_stop();
        if (r < 0) {
            CHECK(failed && r == REPLICA_ENOMEM);
            continue;
        }
        for (int i = 0; i < 100 && !h.kept; i++) { /* it is tried again after a while */
            clock_pass(clock, 250);
            CHECK(replica_db_dispatch(s.db, 100, &test_err) >= 0);
        }
        CHECK(h.kept);
        c = h.kept;
        fault_alloc(nth);
        if (replica_command_bundle(c))
            r = replica_bundle_put(replica_command_bundle(c), s.coll, "{\"id\":\"x\"}",
                                   REPLICA_NUL, REPLICA_ANY_REV, &test_err);
        else
            r = REPLICA_ENOMEM;
        if (r == 0)
            r = replica_command_done(c, "1", 1, &test_err);
        failed |= fault_stop();
        CHECK(r == 0 || r == REPLICA_ENOMEM);
        if (r == 0)
            h.kept = NULL;
    }
}
