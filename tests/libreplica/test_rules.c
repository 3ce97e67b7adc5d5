/* The rules of a collection: given, and at work on a conflict. */
#include "libreplica/query.h"
#include "tests/support/clock.h"
#include "tests/support/fault.h"
#include "tests/support/store.h"
#include "tests/support/test.h"

#include <stdio.h>
#include <string.h>

#define NOW INT64_C(1700000000000)
#define DAY (INT64_C(24) * 3600 * 1000)
#define FAR "fedcba9876543210"

static int open_with(struct store *s, const char *name, const char *rules, const char *schema,
                     replica_collection **ret)
{
    replica_collection_options o = REPLICA_COLLECTION_OPTIONS_INIT;

    o.rules = rules;
    o.schema_json = schema;
    return replica_db_collection(s->db, name, &o, ret, &test_err);
}

/* An empty store whose collection has these rules. */
static struct store ruled(const char *rules, const char *schema)
{
    struct store s = store_empty();

    CHECK_RC(open_with(&s, "ruled", rules, schema, &s.coll), 0);
    store_replicate(&s, "r1");
    return s;
}

/* base is clean, local is written over it, real comes. */
static struct replica__unsettled conflict(struct store *s, const char *base, const char *local,
                                          struct come real)
{
    store_clean(s, base, 5);
    if (local)
        store_put(s, local);
    else
        store_delete(s, "a");
    real.sequence = real.sequence ? real.sequence : 9;
    real.writer = real.writer ? real.writer : FAR ".3";
    CHECK_RC(store_pull(s, NULL, &real, 1), 0);
    CHECK_INT(real.outcome, REPLICA__PULLED_UNSETTLED);
    return store_question(s);
}

static bool settle(struct store *s, const struct replica__unsettled *u)
{
    REPLICA_BUF text = REPLICA_BUF_INIT;
    struct replica__settled a = { .of = u };

    CHECK_RC(replica__unsettled_merge(u, &text, &a.how, &a.rule, &test_err), 0);
    a.json = text.data;
    a.len = text.len;
    CHECK(a.how != 0);
    CHECK_RC(replica__settle(s->repl, &a, 1, &test_err), 0);
    return a.done;
}

/* ---- giving them ------------------------------------------------------------------ */

TEST(rules_are_given_when_a_collection_is_opened_and_hold_as_long_as_it_is_open)
{
    STORE s = store_empty();
    replica_collection *coll = NULL, *again = NULL;

    CHECK_RC(open_with(&s, "x", "{\"\": \"merge\", \"/n\": \"sum\"}", NULL, &coll), 0);
    CHECK_STR(replica_collection_rules(coll), "{\"\": \"merge\", \"/n\": \"sum\"}");
    CHECK_RC(open_with(&s, "x", "{\"/n\":\"sum\",\"\":\"merge\"}", NULL, &again), 0);
    CHECK(again == coll);
    CHECK_RC(open_with(&s, "x", NULL, NULL, &again), 0);
    CHECK_RC(open_with(&s, "x", "\"merge\"", NULL, &again), REPLICA_EINVAL);
    CHECK_RC(open_with(&s, "x", "{", NULL, &again), REPLICA_EINVAL);
    CHECK(replica_collection_rules(s.coll) == NULL);
    CHECK_RC(open_with(&s, "notes", "\"merge\"", NULL, &again), REPLICA_EINVAL);
}

TEST(rules_that_are_none_are_refused_and_nothing_is_opened)
{
    STORE s = store_empty();
    replica_collection *coll = NULL;

    CHECK_RC(open_with(&s, "x", "\"magic\"", NULL, &coll), REPLICA_EINVAL);
    CHECK_RC(open_with(&s, "x", "{", NULL, &coll), REPLICA_EJSON);
    CHECK_RC(open_with(&s, "x", "\"sum\"", NULL, &coll), REPLICA_EINVAL);
    CHECK_STR(test_err.message, "sum can never serve a document, which is an object");
    CHECK_RC(open_with(&s, "x", "{\"/id\":\"sum\"}", NULL, &coll), REPLICA_EINVAL);
    CHECK(!coll);
    CHECK_RC(open_with(&s, "x", "\"merge\"", NULL, &coll), 0);
    CHECK_STR(replica_collection_rules(coll), "\"merge\"");
}

TEST(a_copy_cannot_be_kept_where_the_key_is_composite)
{
    STORE s = store_empty();
    replica_collection *coll = NULL;
    const char *schema =
        "{\"version\":0,\"primaryKey\":{\"key\":\"id\",\"fields\":[\"a\",\"b\"],"
        "\"separator\":\"|\"},\"type\":\"object\",\"properties\":{\"id\":{\"type\":\"string\","
        "\"maxLength\":99},\"a\":{\"type\":\"string\"},\"b\":{\"type\":\"string\"}},"
        "\"required\":[\"a\",\"b\"]}";

    CHECK_RC(open_with(&s, "x", "{\"\":\"merge\",\"delete\":\"keep-copy\"}", schema, &coll),
             REPLICA_EINVAL);
    CHECK(strstr(test_err.message, "composite"));
    CHECK_RC(open_with(&s, "x", "{\"\":\"merge\",\"delete\":\"edit-wins\"}", schema, &coll), 0);
}

TEST(a_schema_with_a_composite_key_keeps_no_copy)
{
    STORE s = store_empty();
    replica_collection *coll = NULL;
    const char *schema =
        "{\"version\":0,\"primaryKey\":{\"key\":\"id\",\"fields\":[\"a\",\"b\"],"
        "\"separator\":\"|\"},\"type\":\"object\",\"properties\":{\"id\":{\"type\":\"string\","
        "\"maxLength\":99},\"a\":{\"type\":\"string\"},\"b\":{\"type\":\"string\"}},"
        "\"required\":[\"a\",\"b\"],\"x-conflict\":{\"delete\":\"keep-copy\"}}";

    CHECK_RC(open_with(&s, "x", NULL, schema, &coll), REPLICA_ESCHEMA);
    CHECK(strstr(test_err.message, "composite"));
}

#define SCHEMA(more)                                                                   \
    "{\"version\":0,\"primaryKey\":\"id\",\"type\":\"object\",\"properties\":{"            \
    "\"id\":{\"type\":\"string\",\"maxLength\":99},\"n\":{\"type\":\"integer\"},"         \
    "\"t\":{\"type\":\"string\"}}" more "}"

TEST(a_rule_that_can_never_serve_what_the_schema_has_is_refused_when_it_is_set)
{
    STORE s = store_empty();
    replica_collection *coll = NULL;

    CHECK_RC(open_with(&s, "x", "{\"\":\"merge\",\"/t\":\"sum\"}", SCHEMA(""), &coll),
             REPLICA_ESCHEMA);
    CHECK(strstr(test_err.message, "/t"));
    CHECK_STR(test_err.where, "x");
    CHECK_RC(open_with(&s, "x", "{\"\":\"merge\",\"/n\":\"sum\"}", SCHEMA(""), &coll), 0);
}

TEST(the_schemas_rules_hold_unless_the_options_say_otherwise)
{
    STORE s = store_empty();
    replica_collection *coll = NULL;

    CHECK_RC(open_with(&s, "x", NULL, SCHEMA(",\"x-conflict\":{\"/n\":\"sum\"}"), &coll), 0);
    CHECK_STR(replica_collection_rules(coll), "{\"/n\":\"sum\"}");
    STORE other = store_open(s.path, NULL);
    CHECK_RC(replica_db_collection(other.db, "x", NULL, &coll, &test_err), 0);
    CHECK_STR(replica_collection_rules(coll), "{\"/n\":\"sum\"}");
    STORE third = store_open(s.path, NULL);
    CHECK_RC(open_with(&third, "x", "\"merge\"", SCHEMA(",\"x-conflict\":{\"/n\":\"sum\"}"),
                       &coll), 0);
    CHECK_STR(replica_collection_rules(coll), "\"merge\"");
}

TEST(the_runners_handle_has_the_same_rules)
{
    STORE s = ruled("{\"\":\"merge\",\"/n\":\"sum\"}", NULL);
    replica_db *sibling = NULL;
    replica_collection *coll = NULL;

    CHECK_RC(replica__db_open_sibling(s.db, &sibling, &test_err), 0);
    CHECK_RC(replica_db_collection(sibling, "ruled", NULL, &coll, &test_err), 0);
    CHECK_STR(replica_collection_rules(coll), "{\"\":\"merge\",\"/n\":\"sum\"}");
    CHECK(replica__collection_has_rules(coll));
    replica_db_close(sibling);
}

/* ---- at work ---------------------------------------------------------------------- */

TEST(what_both_sides_did_is_in_the_merged_text)
{
    STORE s = ruled("{\"\":\"merge\",\"/n\":\"sum\"}", NULL);
    QUESTION u = conflict(&s, "{\"id\":\"a\",\"n\":1,\"x\":0}", "{\"id\":\"a\",\"n\":4,\"x\":0}",
                          (struct come){ .json = "{\"id\":\"a\",\"n\":3,\"x\":1.50}" });
    PAGE page = { 0 };

    CHECK(replica__unsettled_counts(&u));
    CHECK(settle(&s, &u));
    CHECK_STR(store_json(&s, "a"), "{\"id\":\"a\",\"n\":6,\"x\":1.50}");
    CHECK_INT(store_push_again(&s, &page), 1);
    CHECK_INT(page.rows[0].assumed_sequence, 9);
    store_sound(&s);
}

TEST(a_merged_text_that_breaks_the_schema_is_no_answer)
{
    const char *schema = "{\"version\":0,\"primaryKey\":\"id\",\"type\":\"object\",\"properties\":{"
                         "\"id\":{\"type\":\"string\",\"maxLength\":99},"
                         "\"n\":{\"type\":\"integer\",\"maximum\":5}}}";
    STORE s = ruled("{\"\":\"merge\",\"/n\":\"sum\"}", schema);
    QUESTION u = conflict(&s, "{\"id\":\"a\",\"n\":1}", "{\"id\":\"a\",\"n\":4}",
                          (struct come){ .json = "{\"id\":\"a\",\"n\":3}" });
    REPLICA_BUF text = REPLICA_BUF_INIT;
    int how = 77;
    const char *rule = "untouched";

    CHECK_RC(replica__unsettled_merge(&u, &text, &how, &rule, &test_err), REPLICA_ESCHEMA);
    CHECK_INT(how, 77);
    CHECK_STR(rule, "untouched");
    CHECK_STR(test_err.where, "ruled/a/n");
}

TEST(a_merged_text_beyond_the_limit_is_no_answer)
{
    replica_db_options small = REPLICA_DB_OPTIONS_INIT;
    STORE s = store_empty();

    small.max_document = 60;
    STORE tight = store_open(s.path, &small);
    CHECK_RC(open_with(&tight, "ruled", "{\"\":\"merge\",\"/t\":\"set-union\"}", NULL, &tight.coll),
             0);
    store_replicate(&tight, "r1");
    QUESTION u = conflict(&tight, "{\"id\":\"a\",\"t\":[]}",
                          "{\"id\":\"a\",\"t\":[\"1234567890123456789012345\"]}",
                          (struct come){
                              .json = "{\"id\":\"a\",\"t\":[\"abcdefghijklmnopqrstuvwx\"]}" });
    REPLICA_BUF text = REPLICA_BUF_INIT;
    int how;
    const char *rule;

    CHECK_RC(replica__unsettled_merge(&u, &text, &how, &rule, &test_err), REPLICA_ELIMIT);
}

/* ---- deletions -------------------------------------------------------------------- */

TEST(the_policy_for_deletions_is_what_decided)
{
    STORE s = ruled("{\"\":\"merge\",\"delete\":\"edit-wins\"}", NULL);
    QUESTION u = conflict(&s, "{\"id\":\"a\",\"n\":1}", "{\"id\":\"a\",\"n\":2}",
                          (struct come){ .json = "{\"id\":\"a\",\"n\":1}", .deleted = true });
    REPLICA_BUF text = REPLICA_BUF_INIT;
    int how = 0;
    const char *rule = NULL;

    CHECK_RC(replica__unsettled_merge(&u, &text, &how, &rule, &test_err), 0);
    CHECK_INT(how, REPLICA__SETTLE_LOCAL);
    CHECK_STR(rule, "edit-wins");
}

#define KEEP "{\"\":\"merge\",\"/n\":\"sum\",\"delete\":\"keep-copy\"}"

TEST(an_edit_of_what_the_server_deleted_is_kept_under_a_new_key)
{
    STORE s = ruled(KEEP, NULL);
    QUESTION u = conflict(&s, "{\"id\":\"a\",\"n\":1}", "{ \"n\":2.50, \"id\":\"a\" }",
                          (struct come){ .json = "{\"id\":\"a\",\"n\":1}", .deleted = true });
    char id[200], json[300];
    PAGE page = { 0 };

    snprintf(id, sizeof id, "a~%s", replica_doc_writer(u.local));
    snprintf(json, sizeof json, "{ \"n\":2.50, \"id\":\"%s\" }", id);
    CHECK(settle(&s, &u));
    CHECK(!store_json(&s, "a"));
    CHECK_STR(store_json(&s, id), json);
    CHECK_INT(store_state(&s, "a"), REPLICA_DOC_IN_SYNC);
    CHECK_INT(store_push_again(&s, &page), 1);
    CHECK_STR(page.rows[0].id, id);
    CHECK(!page.rows[0].assumed);
    store_sound(&s);
}

TEST(an_edit_of_the_servers_that_is_deleted_here_is_kept_under_the_key_that_its_writer_gives)
{
    STORE s = ruled(KEEP, NULL);
    QUESTION u = conflict(&s, "{\"id\":\"a\",\"n\":1}", NULL,
                          (struct come){ .json = "{\"id\":\"a\",\"n\":3}" });
    PAGE page = { 0 };

    CHECK(settle(&s, &u));
    CHECK(!store_json(&s, "a"));
    CHECK_STR(store_json(&s, "a~" FAR ".3"), "{\"id\":\"a~" FAR ".3\",\"n\":3}");
    CHECK_INT(store_push_again(&s, &page), 2);
    CHECK(page.rows[0].deleted != page.rows[1].deleted);
    store_sound(&s);
}

TEST(a_copy_that_another_replica_has_made_is_left_as_it_is)
{
    STORE s = ruled(KEEP, NULL);
    store_clean(&s, "{\"id\":\"a~" FAR ".3\",\"n\":4}", 4);
    QUESTION u = conflict(&s, "{\"id\":\"a\",\"n\":1}", NULL,
                          (struct come){ .json = "{\"id\":\"a\",\"n\":3}" });

    CHECK(settle(&s, &u));
    CHECK_STR(store_json(&s, "a~" FAR ".3"), "{\"id\":\"a~" FAR ".3\",\"n\":4}");
    CHECK(!store_json(&s, "a"));
}

TEST(a_copy_that_two_replicas_have_made_is_one_though_the_rules_count)
{
    STORE s = ruled(KEEP, NULL);
    struct come real = { .json = "{\"id\":\"a~" FAR ".3\",\"n\":3}", .sequence = 12,
                         .writer = FAR ".8" };
    struct come other = { .json = "{\"id\":\"b~c\",\"n\":3}", .sequence = 13,
                          .writer = FAR ".9" };

    store_put(&s, "{\"id\":\"a~" FAR ".3\",\"n\":3}");
    CHECK_RC(store_pull(&s, NULL, &real, 1), 0);
    QUESTION u = store_question(&s);
    CHECK(!replica__unsettled_counts(&u));
    CHECK(store_settle(&s, &u, REPLICA__SETTLE_CLEAN, NULL, NULL));
    store_put(&s, "{\"id\":\"b~c\",\"n\":3}");
    CHECK_RC(store_pull(&s, NULL, &other, 1), 0);
    QUESTION v = store_question(&s);
    CHECK(replica__unsettled_counts(&v));
}

TEST(a_copy_whose_key_is_too_long_is_no_answer)
{
    replica_db_options small = REPLICA_DB_OPTIONS_INIT;
    STORE s = store_empty();

    small.max_key = 8;
    STORE tight = store_open(s.path, &small);
    CHECK_RC(open_with(&tight, "ruled", KEEP, NULL, &tight.coll), 0);
    store_replicate(&tight, "r1");
    QUESTION u = conflict(&tight, "{\"id\":\"a\",\"n\":1}", NULL,
                          (struct come){ .json = "{\"id\":\"a\",\"n\":3}" });
    REPLICA_BUF text = REPLICA_BUF_INIT;
    int how;
    const char *rule;

    CHECK_RC(replica__unsettled_merge(&u, &text, &how, &rule, &test_err), REPLICA_ELIMIT);
}

TEST(a_copy_for_which_a_unique_index_has_no_place_waits_with_its_document)
{
    replica_index_options unique = REPLICA_INDEX_OPTIONS_INIT;
    STORE s = ruled(KEEP, NULL);
    const char *field = "n";

    unique.flags = REPLICA_INDEX_UNIQUE;
    unique.fields = &field;
    unique.n = 1;
    CHECK_RC(replica_index_create(s.coll, &unique, &test_err), 1);
    CHECK_RC(replica_index_wait(s.coll, &test_err), 0);
    QUESTION u = conflict(&s, "{\"id\":\"a\",\"n\":1}", NULL,
                          (struct come){ .json = "{\"id\":\"a\",\"n\":3}" });
    store_put(&s, "{\"id\":\"b\",\"n\":3}");
    CHECK(settle(&s, &u));
    CHECK_INT(store_state(&s, "a"), REPLICA_DOC_REJECTED);
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM doc"), 2);
    store_sound(&s);
}

TEST(a_deletion_that_somebody_is_to_judge_has_no_answer)
{
    STORE s = ruled("{\"\":\"merge\",\"delete\":\"ask\"}", NULL);
    QUESTION u = conflict(&s, "{\"id\":\"a\",\"n\":1}", NULL,
                          (struct come){ .json = "{\"id\":\"a\",\"n\":3}" });
    REPLICA_BUF text = REPLICA_BUF_INIT;
    int how = 77;
    const char *rule = NULL;

    CHECK_RC(replica__unsettled_merge(&u, &text, &how, &rule, &test_err), 0);
    CHECK_INT(how, 0);
}

LONG_TEST(each_failing_allocation_while_a_copy_is_kept_leaves_the_conflict_as_it_was)
{
    for (int nth = 0, failed = 1; failed; nth++) {
        STORE s = store_memory();
        REPLICA_BUF text = REPLICA_BUF_INIT;
        int r;

        CHECK_RC(open_with(&s, "ruled", KEEP, NULL, &s.coll), 0);
        store_replicate(&s, "r1");
        QUESTION u = conflict(&s, "{\"id\":\"a\",\"n\":1}", NULL,
                              (struct come){ .json = "{\"id\":\"a\",\"n\":3}" });
        struct replica__settled a = { .of = &u };

        fault_alloc(nth);
        r = replica__unsettled_merge(&u, &text, &a.how, &a.rule, &test_err);
        a.json = text.data;
        a.len = text.len;
        if (r >= 0)
            r = replica__settle(s.repl, &a, 1, &test_err);
        failed = fault_stop();
        store_sound(&s);
        CHECK(r >= 0 || (failed && r == REPLICA_ENOMEM));
        CHECK(a.done == (r >= 0));
        CHECK_INT(store_state(&s, "a"), r < 0 ? REPLICA_DOC_UNSETTLED : REPLICA_DOC_DIRTY);
        CHECK((store_json(&s, "a~" FAR ".3") != NULL) == (r >= 0));
    }
}

/* ---- the later write --------------------------------------------------------------- */

struct race {
    int64_t clock;   /* of this side */
    int64_t server;  /* what the server's says; 0: nothing */
    int64_t stamp;   /* of the real state, in ms */
    const char *writer;
};

/* The state that stays: 2 is ours, 3 is the server's. */
static int winner(const struct race *race)
{
    struct clock clock;
    struct come real = { .json = "{\"id\":\"a\",\"n\":3}", .stamp = race->stamp << 16,
                         .writer = race->writer };
    int how = 0;

    clock_start(&clock, race->clock, 1);
    STORE s = store_memory();
    CHECK_RC(open_with(&s, "ruled", "\"last-write-wins\"", NULL, &s.coll), 0);
    store_replicate(&s, "r1");
    replica__db_set_world(s.db, &clock.world);
    QUESTION u = conflict(&s, "{\"id\":\"a\",\"n\":1}", "{\"id\":\"a\",\"n\":2}", real);
    REPLICA_BUF text = REPLICA_BUF_INIT;
    const char *rule = NULL;

    if (race->server)
        replica__db_server_time(s.db, race->server);
    CHECK_RC(replica__unsettled_merge(&u, &text, &how, &rule, &test_err), 0);
    CHECK_STR(rule, "last-write-wins");
    return how == REPLICA__SETTLE_LOCAL ? 2 : how == REPLICA__SETTLE_REAL ? 3 : how;
}

TEST(the_later_write_wins)
{
    CHECK_INT(winner(&(struct race){ NOW, 0, NOW - 1, NULL }), 2);
    CHECK_INT(winner(&(struct race){ NOW, 0, NOW + 1, NULL }), 3);
    CHECK_INT(winner(&(struct race){ NOW, NOW, NOW - 1, NULL }), 2);
}

TEST(of_two_writes_at_the_same_time_the_larger_writer_wins)
{
    /* Both lie beyond what is believed, and so count the same. */
    CHECK_INT(winner(&(struct race){ NOW + 60 * 1000, NOW, NOW + DAY, "zzzzzzzzzzzzzzzz.3" }), 3);
    CHECK_INT(winner(&(struct race){ NOW + 60 * 1000, NOW, NOW + DAY, "0.3" }), 2);
}

TEST(a_clock_a_day_ahead_wins_by_no_day_and_loses_by_none)
{
    CHECK_INT(winner(&(struct race){ NOW + DAY, NOW, NOW - 1, "zzzzzzzzzzzzzzzz.3" }), 2);
    CHECK_INT(winner(&(struct race){ NOW + DAY, NOW, NOW + 1, "0.3" }), 3);
    CHECK_INT(winner(&(struct race){ NOW - DAY, 0, NOW - DAY - 1, NULL }), 2);
}

TEST(a_clock_that_is_less_ahead_than_is_believed_wins_for_that_long)
{
    CHECK_INT(winner(&(struct race){ NOW + 59 * 1000, NOW, NOW + 58 * 1000, NULL }), 2);
    CHECK_INT(winner(&(struct race){ NOW + 59 * 1000, NOW, NOW + 60 * 1000, NULL }), 3);
}

TEST(a_state_of_the_server_from_the_far_future_counts_as_a_minute_from_now)
{
    CHECK_INT(winner(&(struct race){ NOW, 0, NOW + DAY, NULL }), 3);
    CHECK_INT(winner(&(struct race){ NOW + 61 * 1000, 0, NOW + DAY, "0.3" }), 3);
}
