/* Documents keep to their collection's schema, whichever way they come in. */
#include "libreplica/shape.h"
#include "libreplica/conflict.h"
#include "libreplica/master.h"
#include "replicator/remote.h"
#include "tests/support/fault.h"
#include "tests/support/store.h"
#include "tests/support/test.h"

#include <stdio.h>

#define HERO                                                                               \
    "{\"version\":0,\"primaryKey\":\"id\",\"type\":\"object\",\"properties\":{"            \
    "\"id\":{\"type\":\"string\",\"maxLength\":20},"                                       \
    "\"name\":{\"type\":\"string\",\"final\":true},"                                       \
    "\"age\":{\"type\":\"integer\",\"minimum\":0,\"maximum\":150},"                        \
    "\"tags\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}},"                       \
    "\"rank\":{\"type\":\"integer\",\"default\":7}},"                                      \
    "\"required\":[\"id\",\"rank\"],\"additionalProperties\":false}"

#define COMPOSITE                                                                          \
    "{\"version\":0,\"primaryKey\":{\"key\":\"id\",\"fields\":[\"a\",\"b\"],"              \
    "\"separator\":\"|\"},\"type\":\"object\",\"properties\":{"                            \
    "\"id\":{\"type\":\"string\",\"maxLength\":50},\"a\":{\"type\":\"string\"},"           \
    "\"b\":{\"type\":\"integer\"},\"n\":{\"type\":\"integer\"}},"                          \
    "\"required\":[\"id\",\"a\",\"b\"]}"

#define GOOD "{\"id\":\"a\",\"age\":5,\"rank\":1}"
#define BAD  "{\"id\":\"a\",\"age\":500,\"rank\":1}"

static int open_as(struct store *s, const char *name, const char *schema)
{
    replica_collection_options o = REPLICA_COLLECTION_OPTIONS_INIT;

    o.schema_json = schema;
    return replica_db_collection(s->db, name, &o, &s->coll, &test_err);
}

static struct store with_schema(const char *schema)
{
    struct store s = store_empty();
    const char *path = s.path;

    store_close(&s);
    s = (struct store){ .path = path };
    CHECK_RC(replica_db_open(path, NULL, &s.db, &test_err), 0);
    store_sql(&s, "DELETE FROM collection");
    CHECK_RC(open_as(&s, "notes", schema), 0);
    return s;
}

static int put(struct store *s, const char *json, const char *base_rev)
{
    return replica_put(s->coll, json, REPLICA_NUL, base_rev, NULL, NULL, &test_err);
}

/* ---- opening --------------------------------------------------------------------- */

TEST(key_and_version_come_from_the_schema)
{
    STORE s = with_schema("{\"version\":3,\"primaryKey\":\"k\",\"type\":\"object\","
                          "\"properties\":{\"k\":{\"type\":\"string\",\"maxLength\":9}}}");

    CHECK_STR(replica_collection_key(s.coll), "k");
    CHECK_INT(replica_collection_version(s.coll), 3);
    CHECK(strstr(replica_collection_schema(s.coll), "maxLength"));
}

TEST(options_that_say_otherwise_than_the_schema_are_refused)
{
    STORE s = store_empty();
    replica_collection_options o = REPLICA_COLLECTION_OPTIONS_INIT;
    replica_collection *coll = NULL;

    o.schema_json = HERO;
    o.key = "name";
    CHECK_RC(replica_db_collection(s.db, "heroes", &o, &coll, &test_err), REPLICA_EINVAL);
    o.key = "id";
    o.version = 2;
    CHECK_RC(replica_db_collection(s.db, "heroes", &o, &coll, &test_err), REPLICA_EINVAL);
    o.version = 0;
    CHECK_RC(replica_db_collection(s.db, "heroes", &o, &coll, &test_err), 0);
}

TEST(a_schema_that_is_none_makes_no_collection)
{
    STORE s = store_empty();

    CHECK_RC(open_as(&s, "heroes", "{\"version\":0"), REPLICA_EJSON);
    CHECK_RC(open_as(&s, "heroes", "{}"), REPLICA_ESCHEMA);
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM collection WHERE name = 'heroes'"), 0);
}

TEST(a_stored_schema_holds_without_being_given_again)
{
    STORE s = with_schema(HERO);
    replica_collection_options o = REPLICA_COLLECTION_OPTIONS_INIT;

    store_reopen(&s);
    CHECK_RC(replica_db_collection(s.db, "notes", NULL, &s.coll, &test_err), 0);
    CHECK_RC(put(&s, BAD, NULL), REPLICA_ESCHEMA);
    store_close(&s);
    s = (struct store){ .path = s.path };
    CHECK_RC(replica_db_open(s.path, NULL, &s.db, &test_err), 0);
    CHECK_RC(replica_db_collection(s.db, "notes", &o, &s.coll, &test_err), 0);
    CHECK_RC(put(&s, BAD, NULL), REPLICA_ESCHEMA);
}

TEST(the_same_schema_in_another_spelling_is_the_same)
{
    STORE s = with_schema("{\"version\":0,\"primaryKey\":\"id\",\"type\":\"object\","
                          "\"properties\":{\"id\":{\"type\":\"string\",\"maxLength\":20}}}");

    store_reopen(&s);
    CHECK_RC(open_as(&s, "notes",
                     " { \"properties\" : {\"id\": {\"maxLength\":2e1, \"type\":\"string\"}},"
                     "\"type\":\"object\",\"primaryKey\":\"id\",\"version\":0 } "), 0);
}

TEST(another_schema_of_the_same_version_is_refused)
{
    STORE s = with_schema(HERO);

    CHECK_RC(open_as(&s, "notes", COMPOSITE), REPLICA_EINVAL); /* it is open with another */
    store_close(&s);
    s = (struct store){ .path = s.path };
    CHECK_RC(replica_db_open(s.path, NULL, &s.db, &test_err), 0);
    CHECK_RC(open_as(&s, "notes",
                     "{\"version\":0,\"primaryKey\":\"id\",\"type\":\"object\",\"properties\":"
                     "{\"id\":{\"type\":\"string\",\"maxLength\":20}}}"),
             REPLICA_EINVAL);
    CHECK(strstr(test_err.message, "another schema of version 0"));
}

TEST(a_collection_without_a_schema_gets_one_that_all_its_documents_keep_to)
{
    STORE s = store_with(BAD);

    store_put(&s, "{\"id\":\"gone\",\"age\":-1}");
    store_delete(&s, "gone");
    store_close(&s);
    s = (struct store){ .path = s.path };
    CHECK_RC(replica_db_open(s.path, NULL, &s.db, &test_err), 0);
    CHECK_RC(open_as(&s, "notes", HERO), REPLICA_ESCHEMA);
    CHECK_STR(test_err.where, "notes/a/age");
    CHECK_INT(store_sql_int(&s, "SELECT schema IS NULL FROM collection"), 1);
    CHECK_RC(open_as(&s, "notes", NULL), 0);
    CHECK_RC(put(&s, GOOD, REPLICA_ANY_REV), 0);
    store_close(&s);
    s = (struct store){ .path = s.path };
    CHECK_RC(replica_db_open(s.path, NULL, &s.db, &test_err), 0);
    CHECK_RC(open_as(&s, "notes", HERO), 0);
    CHECK_RC(put(&s, BAD, REPLICA_ANY_REV), REPLICA_ESCHEMA);
}

TEST(a_version_that_rises_needs_its_own_schema)
{
    STORE s = with_schema(HERO);
    replica_collection_options o = REPLICA_COLLECTION_OPTIONS_INIT;

    store_close(&s);
    s = (struct store){ .path = s.path };
    CHECK_RC(replica_db_open(s.path, NULL, &s.db, &test_err), 0);
    o.version = 1;
    CHECK_RC(replica_db_collection(s.db, "notes", &o, &s.coll, &test_err), REPLICA_EINVAL);
}

static int count_commit(void *ctx)
{
    ++*(int *)ctx;
    return 0;
}

static int keep(void *ctx, replica_doc *doc, replica_text *out)
{
    (void)ctx;
    (void)doc;
    (void)out;
    return REPLICA_MIGRATE_KEEP;
}

TEST(a_version_rises_together_with_its_schema_and_no_document_is_looked_at)
{
    STORE s = with_schema(HERO);
    const replica_migration step = { .to = 1, .up = keep };
    replica_collection_options o = REPLICA_COLLECTION_OPTIONS_INIT;
    char next[] = HERO;
    int commits = 0;

    CHECK_RC(put(&s, GOOD, NULL), 0);
    store_close(&s);
    s = (struct store){ .path = s.path };
    CHECK_RC(replica_db_open(s.path, NULL, &s.db, &test_err), 0);
    strchr(next, '0')[0] = '1'; /* "version" comes first */
    o.schema_json = next;
    o.migrations = &step;
    o.migration_count = 1;
    sqlite3_commit_hook(s.db->sqlite, count_commit, &commits);
    CHECK_RC(replica_db_collection(s.db, "notes", &o, &s.coll, &test_err), 0);
    CHECK_INT(commits, 1);
    CHECK_RC(put(&s, BAD, REPLICA_ANY_REV), REPLICA_ESCHEMA);
    CHECK_INT(store_sql_int(&s, "SELECT version = 1 AND schema LIKE '%\"version\":1%'"
                                " FROM collection"), 1);
}

TEST(a_sibling_handle_shares_the_schema)
{
    STORE s = with_schema(HERO);
    STORE other = { .path = s.path };

    CHECK_RC(replica__db_open_sibling(s.db, &other.db, &test_err), 0);
    CHECK_RC(replica_db_collection(other.db, "notes", NULL, &other.coll, &test_err), 0);
    CHECK(replica__collection_schema(other.coll) == replica__collection_schema(s.coll));
    CHECK_RC(put(&other, BAD, NULL), REPLICA_ESCHEMA);
    store_close(&other);
}

/* ---- the program's writes --------------------------------------------------------- */

TEST(a_document_that_breaks_the_schema_is_refused_and_nothing_is_written)
{
    STORE s = with_schema(HERO);

    CHECK_RC(put(&s, "{\"id\":\"a\",\"tags\":[\"x\",7]}", NULL), REPLICA_ESCHEMA);
    CHECK_STR(test_err.where, "notes/a/tags/1");
    CHECK(strstr(test_err.message, "/tags/1: type:"));
    CHECK(strstr(test_err.message, "/properties/tags/items/type"));
    CHECK(!store_json(&s, "a"));
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM doc"), 0);
    CHECK_RC(put(&s, GOOD, NULL), 0);
    CHECK_STR(store_json(&s, "a"), GOOD);
}

static int make_bad(void *ctx, replica_doc *current, replica_text *out)
{
    replica_text_add(out, BAD, REPLICA_NUL);
    return REPLICA_MODIFY_PUT;
}

TEST(every_write_of_the_program_is_checked)
{
    STORE s = with_schema(HERO);
    replica_bundle *bundle = NULL;
    replica_bulk_row rows[] = {
        { .json = "{\"id\":\"b\"}", .len = REPLICA_NUL },
        { .json = "{\"id\":\"c\",\"age\":\"x\"}", .len = REPLICA_NUL },
        { .json = "{\"id\":\"d\"}", .len = REPLICA_NUL },
    };

    CHECK_RC(put(&s, GOOD, NULL), 0);
    CHECK_RC(put(&s, BAD, REPLICA_ANY_REV), REPLICA_ESCHEMA);
    CHECK_RC(put(&s, BAD, store_rev(&s, "a")), REPLICA_ESCHEMA);
    CHECK_RC(replica_upsert(s.coll, BAD, REPLICA_NUL, NULL, &test_err), REPLICA_ESCHEMA);
    CHECK_RC(replica_patch(s.coll, "a", "{\"age\":-1}", REPLICA_NUL, REPLICA_ANY_REV, NULL, NULL,
                           &test_err), REPLICA_ESCHEMA);
    CHECK_RC(replica_modify(s.coll, "a", make_bad, NULL, NULL, &test_err), REPLICA_ESCHEMA);
    CHECK_RC(replica_bundle_begin(s.db, &bundle, &test_err), 0);
    CHECK_RC(replica_bundle_put(bundle, s.coll, BAD, REPLICA_NUL, REPLICA_ANY_REV, &test_err),
             REPLICA_ESCHEMA);
    replica_bundle_cancel(bundle);
    CHECK_STR(store_json(&s, "a"), GOOD);
    CHECK_INT(replica_bulk(s.coll, rows, 3, &test_err), 1);
    CHECK_INT(rows[1].code, REPLICA_ESCHEMA);
    CHECK_STR(test_err.where, "notes/c/age");
    CHECK(store_json(&s, "b") && !store_json(&s, "c") && store_json(&s, "d"));
    store_sound(&s);
}

TEST(a_deletion_is_not_checked)
{
    STORE s = store_with(BAD);

    store_sql(&s, "UPDATE collection SET schema = '" HERO "'");
    store_close(&s);
    s = store_open(s.path, NULL);
    CHECK_RC(replica_delete(s.coll, "a", REPLICA_ANY_REV, NULL, &test_err), 1);
}

TEST(defaults_are_filled_in_where_a_document_may_be_new_and_every_other_byte_stays)
{
    STORE s = with_schema(HERO);

    CHECK_RC(put(&s, "{ \"id\" : \"a\",\"age\":5.0 }", NULL), 0);
    CHECK(strncmp(store_json(&s, "a"), "{ \"id\" : \"a\",\"age\":5.0", 22) == 0);
    CHECK(strstr(store_json(&s, "a"), "\"rank\":7"));
    CHECK_RC(put(&s, "{\"id\":\"a\"}", store_rev(&s, "a")), REPLICA_ESCHEMA); /* rank is missing */
    CHECK_RC(put(&s, "{\"id\":\"a\",\"rank\":2}", store_rev(&s, "a")), 0);
    CHECK_STR(store_json(&s, "a"), "{\"id\":\"a\",\"rank\":2}");
    CHECK_RC(put(&s, "{\"id\":\"a\"}", REPLICA_ANY_REV), 0);
    CHECK(strstr(store_json(&s, "a"), "\"rank\":7"));
}

TEST(a_composite_key_is_made_where_it_is_missing_and_checked_where_it_is_not)
{
    STORE s = with_schema(COMPOSITE);

    CHECK_RC(put(&s, "{\"a\":\"x\",\"b\":7}", NULL), 0);
    CHECK(strstr(store_json(&s, "x|7"), "\"id\":\"x|7\""));
    CHECK_RC(put(&s, "{\"id\":\"x|8\",\"a\":\"x\",\"b\":9}", NULL), REPLICA_ESCHEMA);
    CHECK_RC(put(&s, "{\"id\":\"x|8\",\"a\":\"x\",\"b\":8}", NULL), 0);
    CHECK_RC(replica_patch(s.coll, "x|8", "{\"b\":9}", REPLICA_NUL, REPLICA_ANY_REV, NULL, NULL,
                           &test_err), REPLICA_ESCHEMA);
    CHECK_RC(replica_patch(s.coll, "x|8", "{\"n\":1}", REPLICA_NUL, REPLICA_ANY_REV, NULL, NULL,
                           &test_err), 1);
    store_sound(&s);
}

TEST(final_fields_keep_the_value_with_which_the_document_was_created)
{
    STORE s = with_schema(HERO);

    CHECK_RC(put(&s, "{\"id\":\"a\",\"name\":\"n\"}", NULL), 0);
    CHECK_RC(put(&s, "{\"id\":\"a\",\"name\":\"m\"}", REPLICA_ANY_REV), REPLICA_ESCHEMA);
    CHECK(strncmp(test_err.where, "notes/a", 7) == 0);
    CHECK_RC(replica_patch(s.coll, "a", "{\"name\":null}", REPLICA_NUL, REPLICA_ANY_REV, NULL, NULL,
                           &test_err), REPLICA_ESCHEMA);
    CHECK_RC(put(&s, "{\"id\":\"a\",\"age\":1,\"name\":\"n\"}", REPLICA_ANY_REV), 0);
    store_delete(&s, "a");
    CHECK_RC(put(&s, "{\"id\":\"a\",\"name\":\"m\"}", NULL), 0);
}

TEST(a_write_that_is_checked_survives_every_failure)
{
    STORE s = with_schema(HERO);

    for (int nth = 0, failed = 1; failed; nth++) {
        fault_alloc(nth);
        int r = put(&s, "{\"id\":\"a\",\"age\":5}", NULL);
        failed = fault_stop();
        CHECK(r == 0 || (failed && r == REPLICA_ENOMEM));
        CHECK(r == 0 || !store_json(&s, "a"));
    }
    CHECK(strstr(store_json(&s, "a"), "\"rank\":7"));
    store_sound(&s);
}

LONG_TEST(an_opening_with_a_schema_survives_every_failure)
{
    STORE s = store_with("{\"id\":\"a\",\"rank\":1}");

    store_close(&s);
    for (int nth = 0, failed = 1; failed; nth++) {
        struct store t = { .path = s.path };

        CHECK_RC(replica_db_open(s.path, NULL, &t.db, &test_err), 0);
        fault_alloc(nth);
        int r = open_as(&t, "notes", HERO);
        failed = fault_stop();
        CHECK(r == 0 || (failed && r == REPLICA_ENOMEM));
        store_close(&t);
    }
    CHECK_INT(store_sql_int(&s, "SELECT schema IS NOT NULL FROM collection"), 1);
}

/* ---- replication ----------------------------------------------------------------- */

static struct store replicated(void)
{
    struct store s = with_schema(HERO);

    store_replicate(&s, "r1");
    return s;
}

static int count_asides(struct store *s, const char *where)
{
    char sql[200];

    snprintf(sql, sizeof sql, "SELECT count(*) FROM aside WHERE %s", where);
    return (int)store_sql_int(s, sql);
}

TEST(a_pulled_document_that_breaks_the_schema_is_set_aside_and_the_rest_goes_on)
{
    STORE s = replicated();
    struct come docs[] = {
        { .json = "{\"id\":\"b\",\"rank\":1}", .sequence = 5 },
        { .json = BAD, .sequence = 6 },
        { .json = "{\"id\":\"c\",\"rank\":1}", .sequence = 7 },
        { .json = "{\"id\":\"d\",\"age\":-5}", .sequence = 8, .deleted = true },
    };

    CHECK_RC(store_pull(&s, "8.inc", docs, 4), 0);
    CHECK_INT(docs[1].outcome, REPLICA__PULLED_ASIDE);
    CHECK_INT(docs[3].outcome, REPLICA__PULLED_WRITTEN);
    CHECK(store_json(&s, "b") && store_json(&s, "c") && !store_json(&s, "a"));
    CHECK_STR(replica__feed_checkpoint(s.repl, 0), "8.inc");
    CHECK_INT(count_asides(&s, "doc = 'a' AND kind = 2 AND code = -4"), 1);
    CHECK_INT(store_pull_one(&s, GOOD, 9), REPLICA__PULLED_WRITTEN);
    CHECK_INT(count_asides(&s, "1"), 0);
    store_sound(&s);
}

TEST(a_document_whose_newer_state_is_set_aside_is_not_said_to_be_in_sync)
{
    STORE s = replicated();
    struct come bad = { .json = BAD, .sequence = 6 };

    store_clean(&s, GOOD, 5);
    CHECK_RC(store_pull(&s, NULL, &bad, 1), 0);
    CHECK_STR(store_json(&s, "a"), GOOD);
    CHECK_INT(store_state(&s, "a"), REPLICA_DOC_REJECTED);
    CHECK_INT(store_pull_one(&s, "{\"id\":\"a\",\"age\":6,\"rank\":1}", 7),
              REPLICA__PULLED_WRITTEN);
    CHECK_INT(store_state(&s, "a"), REPLICA_DOC_IN_SYNC);
}

TEST(a_tombstone_ends_what_was_set_aside)
{
    STORE s = replicated();
    struct come bad = { .json = BAD, .sequence = 6 };
    struct come gone = { .json = BAD, .sequence = 7, .deleted = true };

    CHECK_RC(store_pull(&s, NULL, &bad, 1), 0);
    CHECK_RC(store_pull(&s, NULL, &gone, 1), 0);
    CHECK_INT(count_asides(&s, "1"), 0);
}

TEST(an_old_state_that_breaks_the_schema_is_passed_over)
{
    STORE s = replicated();
    struct come bad = { .json = BAD, .sequence = 4 };

    store_clean(&s, GOOD, 5);
    CHECK_RC(store_pull(&s, NULL, &bad, 1), 0);
    CHECK_INT(bad.outcome, REPLICA__PULLED_SAME);
    CHECK_INT(count_asides(&s, "1"), 0);
}

TEST(an_event_without_an_order_that_breaks_the_schema_is_only_a_sign)
{
    STORE s = replicated();
    struct replica__pulled event = { 0 };
    const struct come bad = { .json = BAD };

    store_scan(&s, &bad, &event);
    event.hint = true;
    CHECK_RC(replica__pull_apply(s.repl, 0, &event, 1, NULL, NULL, &test_err), 0);
    CHECK_INT(event.outcome, REPLICA__PULLED_PASSED);
    CHECK_INT(count_asides(&s, "1"), 0);
    replica__free(event.id);
}

TEST(a_conflict_with_a_state_that_breaks_the_schema_waits_and_is_met_when_it_comes_right)
{
    STORE s = replicated();
    PAGE page = { 0 };
    QUESTION q = { 0 };
    struct come fixed = { .json = "{\"id\":\"a\",\"age\":6,\"rank\":1}", .sequence = 8 };

    store_clean(&s, GOOD, 5);
    CHECK_RC(put(&s, "{\"id\":\"a\",\"age\":7,\"rank\":1}", REPLICA_ANY_REV), 0);
    CHECK_INT(store_push(&s, &page), 1);
    CHECK_RC(store_judge(&s, &page, REPLICA_VERDICT_CONFLICT, 7, BAD), 0);
    CHECK_INT(store_state(&s, "a"), REPLICA_DOC_REJECTED);
    CHECK_INT(count_asides(&s, "kind = 2 AND code = -4"), 1);
    CHECK_RC(store_pull(&s, NULL, &fixed, 1), 0);
    CHECK_INT(count_asides(&s, "1"), 0);
    CHECK_INT(store_state(&s, "a"), REPLICA_DOC_UNSETTLED);
    q = store_question(&s);
    CHECK_STR(replica_doc_json(q.real, NULL), fixed.json);
    store_sound(&s);
}

TEST(a_newer_schema_takes_what_the_older_one_set_aside)
{
    static const char newer[] =
        "{\"version\":1,\"primaryKey\":\"id\",\"type\":\"object\",\"properties\":{"
        "\"id\":{\"type\":\"string\",\"maxLength\":20},\"age\":{\"type\":\"integer\"},"
        "\"rank\":{\"type\":\"integer\"}}}";
    const replica_migration step = { .to = 1, .up = keep };
    replica_collection_options o = REPLICA_COLLECTION_OPTIONS_INIT;
    STORE s = replicated();
    struct come docs[] = { { .json = GOOD, .sequence = 5 }, { .json = BAD, .sequence = 6 } };

    CHECK_RC(store_pull(&s, "6.inc", docs, 2), 0);
    CHECK_INT(count_asides(&s, "1"), 1);
    store_close(&s);
    s = (struct store){ .path = s.path };
    CHECK_RC(replica_db_open(s.path, NULL, &s.db, &test_err), 0);
    o.schema_json = newer;
    o.migrations = &step;
    o.migration_count = 1;
    CHECK_RC(replica_db_collection(s.db, "notes", &o, &s.coll, &test_err), 0);
    store_replicate(&s, "r1");
    CHECK_STR(replica__feed_checkpoint(s.repl, 0), NULL); /* from the beginning, at its endpoint */
    CHECK_RC(store_pull(&s, "6.inc", docs, 2), 0);
    CHECK_INT(count_asides(&s, "1"), 0);
    CHECK_STR(store_json(&s, "a"), BAD);
    store_sound(&s);
}

LONG_TEST(a_page_that_is_checked_survives_every_failure)
{
    STORE s = replicated();

    store_clean(&s, "{\"id\":\"b\",\"rank\":1}", 4);
    for (int nth = 0, failed = 1; failed; nth++) {
        struct come docs[] = {
            { .json = "{\"id\":\"b\",\"rank\":2}", .sequence = 5 },
            { .json = BAD, .sequence = 6 },
        };

        fault_alloc(nth);
        int r = store_pull(&s, "6.inc", docs, 2);
        failed = fault_stop();
        CHECK(r == 0 || (failed && r == REPLICA_ENOMEM));
        CHECK_INT(count_asides(&s, "doc = 'a'"), r == 0);
        CHECK(!store_json(&s, "a"));
        if (r == 0)
            break;
    }
    CHECK_STR(store_json(&s, "b"), "{\"id\":\"b\",\"rank\":2}");
    store_sound(&s);
}

static int take_answer(void *ctx, int64_t ticket, const struct replica__answer *answer)
{
    ++*(int *)ctx;
    return 0;
}

TEST(an_answer_to_a_conflict_keeps_to_the_schema)
{
    STORE s = replicated();
    QUESTION q = { 0 };
    int taken = 0;
    struct replica__conflict_parts parts = { .key = "id", .limits = { 1000, 10 },
                                             .answer = take_answer, .ctx = &taken };
    replica_conflict *c;

    store_clean(&s, GOOD, 5);
    CHECK_RC(put(&s, "{\"id\":\"a\",\"age\":7,\"rank\":1}", REPLICA_ANY_REV), 0);
    CHECK_INT(store_pull_one(&s, "{\"id\":\"a\",\"age\":6,\"rank\":1}", 6),
              REPLICA__PULLED_UNSETTLED);
    q = store_question(&s);
    parts.of = &q;
    parts.schema = replica__collection_schema(s.coll);
    c = replica__conflict_new(&parts);
    CHECK_RC(replica_conflict_use_json(c, BAD, REPLICA_NUL, &test_err), REPLICA_ESCHEMA);
    CHECK_STR(test_err.where, "notes/a/age");
    CHECK_INT(taken, 0);
    CHECK_RC(replica_conflict_use_json(c, GOOD, REPLICA_NUL, &test_err), 0);
    CHECK_INT(taken, 1);
}

TEST(what_is_restored_keeps_to_the_schema)
{
    STORE s = replicated();
    QUESTION q = { 0 };

    store_clean(&s, GOOD, 5);
    CHECK_RC(put(&s, "{\"id\":\"a\",\"age\":7,\"rank\":1}", REPLICA_ANY_REV), 0);
    CHECK_INT(store_pull_one(&s, "{\"id\":\"a\",\"age\":6,\"rank\":1}", 6),
              REPLICA__PULLED_UNSETTLED);
    q = store_question(&s);
    CHECK(store_settle(&s, &q, REPLICA__SETTLE_REAL, NULL, "server-wins"));
    store_sql(&s, "UPDATE kept SET body = '" BAD "'");
    CHECK_RC(replica_conflict_restore(s.db, 1, NULL, &test_err), REPLICA_ESCHEMA);
    store_sql(&s, "UPDATE kept SET body = '" GOOD "'");
    CHECK_RC(replica_conflict_restore(s.db, 1, NULL, &test_err), 1);
    CHECK_STR(store_json(&s, "a"), GOOD);
}

/* ---- a master -------------------------------------------------------------------- */

static struct replica__master_row row_of(struct store *s, const char *json, const char *operation)
{
    struct replica__master_row row = { .coll = s->coll, .operation = operation };
    const struct replica__json_limits limits = { 1000, 10 };
    size_t pos = 0;

    CHECK_RC(replica__json_scan(json, strlen(json), &pos, "id", &limits, &row.doc, &test_err), 0);
    return row;
}

static int push(struct store *s, struct replica__master_row *rows, size_t n)
{
    int64_t before, after;

    return replica__master_push(s->db, rows, n, &(struct replica__pusher){ 0 }, &before, &after,
                                &test_err);
}

TEST(a_master_refuses_the_rows_that_break_the_schema_and_takes_the_others)
{
    STORE s = with_schema(HERO);
    struct replica__master_row rows[] = {
        row_of(&s, "{\"id\":\"b\",\"rank\":1}", NULL),
        row_of(&s, BAD, NULL),
        row_of(&s, "{\"id\":\"c\",\"rank\":1}", NULL),
    };

    CHECK_RC(push(&s, rows, 3), 0);
    CHECK_INT(rows[0].verdict, REPLICA_VERDICT_TAKEN);
    CHECK_INT(rows[1].verdict, REPLICA_VERDICT_REFUSED);
    CHECK_INT(rows[1].code, 422);
    CHECK(strncmp(rows[1].reason, "/age: maximum:", 14) == 0);
    CHECK_INT(rows[2].verdict, REPLICA_VERDICT_TAKEN);
    CHECK(!store_json(&s, "a"));
}

TEST(a_master_does_not_fill_in_what_a_client_left_out)
{
    STORE s = with_schema(HERO);
    struct replica__master_row row = row_of(&s, "{\"id\":\"a\"}", NULL);

    CHECK_RC(push(&s, &row, 1), 0);
    CHECK_INT(row.verdict, REPLICA_VERDICT_REFUSED);
}

TEST(an_operation_that_was_taken_stays_taken_whatever_the_schema_says_today)
{
    STORE s = store_empty();
    struct replica__master_row row = row_of(&s, BAD, "0123456789abcdef.1");

    CHECK_RC(push(&s, &row, 1), 0);
    CHECK_INT(row.verdict, REPLICA_VERDICT_TAKEN);
    store_sql(&s, "UPDATE collection SET schema = '" HERO "'");
    store_close(&s);
    s = store_open(s.path, NULL);
    row = row_of(&s, BAD, "0123456789abcdef.1");
    CHECK_RC(push(&s, &row, 1), 0);
    CHECK_INT(row.verdict, REPLICA_VERDICT_ALREADY);
}

/* ---- looking for inconsistencies -------------------------------------------------- */

static void one_finding(void *ctx, const char *where, const char *what)
{
    CHECK_STR(where, "notes/a/age");
    CHECK(strstr(what, "maximum"));
}

TEST(a_check_finds_documents_that_break_the_schema)
{
    STORE s = with_schema(HERO);

    CHECK_RC(put(&s, GOOD, NULL), 0);
    store_sound(&s);
    store_sql(&s, "UPDATE doc SET body = '" BAD "'");
    CHECK_INT(replica_check(s.db, one_finding, NULL, &test_err), 1);
}
