/* Earlier states of documents. */
#include "tests/support/clock.h"
#include "tests/support/store.h"
#include "tests/support/test.h"
#include "tests/support/tmp.h"

#include <stdio.h>

static struct store keeping(const char *path, int n)
{
    replica_collection_options o = REPLICA_COLLECTION_OPTIONS_INIT;
    struct store s = { .path = path };

    o.history = n;
    CHECK_RC(replica_db_open(path, NULL, &s.db, &test_err), 0);
    CHECK_RC(replica_db_collection(s.db, "notes", &o, &s.coll, &test_err), 0);
    return s;
}

static void put_n(struct store *s, int n)
{
    char json[40];

    snprintf(json, sizeof json, "{\"id\":\"a\",\"n\":%d}", n);
    store_put(s, json);
}

struct shown {
    char text[200];
    char revs[5][REPLICA_REV_SIZE];
    char writers[5][REPLICA_REV_SIZE];
    int n, stop_at;
};

static int show(void *ctx, replica_doc *doc)
{
    struct shown *shown = ctx;
    const char *n = strstr(replica_doc_json(doc, NULL), "\"n\":");
    size_t len = strlen(shown->text);

    snprintf(shown->text + len, sizeof shown->text - len, "%s%s%s", len ? " " : "",
             replica_doc_deleted(doc) ? "-" : "", n + 4);
    CHECK_STR(replica_doc_id(doc), "a");
    CHECK_STR(replica_doc_collection(doc), "notes");
    CHECK(replica_doc_time(doc) > 1600000000000);
    if (shown->n < 5) {
        snprintf(shown->revs[shown->n], REPLICA_REV_SIZE, "%s", replica_doc_rev(doc));
        snprintf(shown->writers[shown->n], REPLICA_REV_SIZE, "%s", replica_doc_writer(doc));
    }
    shown->n++;
    return shown->n == shown->stop_at ? 9 : 0;
}

static struct shown history(struct store *s)
{
    struct shown shown = { .n = 0 };

    CHECK_RC(replica_history(s->coll, "a", show, &shown, &test_err), 0);
    return shown;
}

TEST(the_last_states_are_told_newest_first_with_their_revisions)
{
    STORE s = keeping(tmp_path("test.db"), 3);
    char revs[5][REPLICA_REV_SIZE];
    struct shown shown;

    CHECK_INT(history(&s).n, 0);
    for (int i = 0; i < 5; i++) {
        put_n(&s, i);
        snprintf(revs[i], REPLICA_REV_SIZE, "%s", store_rev(&s, "a"));
    }
    shown = history(&s);
    CHECK_STR(shown.text, "3} 2} 1}");
    for (int i = 0; i < 3; i++) {
        CHECK_STR(shown.revs[i], revs[3 - i]);
        CHECK_STR(shown.writers[i], strchr(revs[3 - i], '-') + 1);
    }
    store_sound(&s);
}

TEST(a_deletion_and_what_came_after_it_are_part_of_the_history)
{
    STORE s = keeping(tmp_path("test.db"), 5);

    put_n(&s, 1);
    store_delete(&s, "a");
    put_n(&s, 2);
    CHECK_STR(history(&s).text, "-1} 1}");
    store_sound(&s);
}

TEST(a_state_that_was_pulled_is_told_with_its_own_writer)
{
    STORE s = keeping(tmp_path("test.db"), 5);
    struct come come = { .json = "{\"id\":\"a\",\"n\":1}", .sequence = 9,
                         .writer = "bbbbbbbbbbbbbbbb.17" };

    store_replicate(&s, "r1");
    CHECK_RC(store_pull(&s, "{\"id\":\"inc\",\"lwt\":9}", &come, 1), 0);
    put_n(&s, 2);
    CHECK_STR(history(&s).text, "1}");
    CHECK_STR(history(&s).writers[0], "bbbbbbbbbbbbbbbb.17");
    /* The replication needs that state too, as its base: it is kept once. */
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM kept"), 1);
    CHECK_INT(store_sql_int(&s, "SELECT refs FROM kept"), 2);
    CHECK_INT(store_pull_one(&s, "{\"id\":\"a\",\"n\":3}", 12), REPLICA__PULLED_UNSETTLED);
    QUESTION u = store_question(&s);
    CHECK(store_settle(&s, &u, REPLICA__SETTLE_REAL, NULL, NULL));
    CHECK_STR(history(&s).text, "2} 1}");
    store_sound(&s);
}

TEST(how_many_are_kept_is_stored_with_the_collection)
{
    STORE s = keeping(tmp_path("test.db"), 2);

    store_close(&s);
    s = store_open(tmp_path("test.db"), NULL);
    for (int i = 0; i < 5; i++)
        put_n(&s, i);
    CHECK_STR(history(&s).text, "3} 2}");
    store_close(&s);
    s = keeping(tmp_path("test.db"), 3);
    put_n(&s, 5);
    CHECK_STR(history(&s).text, "4} 3} 2}");
    store_close(&s);
    s = keeping(tmp_path("test.db"), REPLICA_HISTORY_NONE);
    put_n(&s, 6);
    put_n(&s, 7);
    CHECK_STR(history(&s).text, "4} 3} 2}");
    store_close(&s);
    s = keeping(tmp_path("test.db"), 1);
    put_n(&s, 8);
    CHECK_STR(history(&s).text, "7}");
    store_sound(&s);
}

TEST(without_the_option_nothing_is_kept)
{
    STORE s = store_empty();

    put_n(&s, 1);
    put_n(&s, 2);
    CHECK_STR(history(&s).text, "");
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM kept"), 0);
}

TEST(a_reader_may_ask_for_a_history_and_changes_nothing)
{
    replica_db_options r = REPLICA_DB_OPTIONS_INIT;
    replica_collection_options o = REPLICA_COLLECTION_OPTIONS_INIT;
    STORE s = keeping(tmp_path("test.db"), 3);
    STORE reader = { 0 };

    put_n(&s, 1);
    put_n(&s, 2);
    r.flags = REPLICA_DB_READ_ONLY;
    o.history = 7;
    CHECK_RC(replica_db_open(s.path, &r, &reader.db, &test_err), 0);
    CHECK_RC(replica_db_collection(reader.db, "notes", &o, &reader.coll, &test_err), 0);
    CHECK_STR(history(&reader).text, "1}");
    CHECK_INT(store_sql_int(&s, "SELECT value FROM number WHERE name LIKE 'history %'"), 3);
}

TEST(the_history_of_an_unknown_document_is_empty)
{
    STORE s = keeping(tmp_path("test.db"), 2);
    struct shown shown = { .n = 0 };

    CHECK_RC(replica_history(s.coll, "b", show, &shown, &test_err), 0);
    CHECK_RC(replica_history(NULL, "b", show, &shown, &test_err), REPLICA_EINVAL);
    CHECK_RC(replica_history(s.coll, NULL, show, &shown, &test_err), REPLICA_EINVAL);
    CHECK_RC(replica_history(s.coll, "b", NULL, &shown, &test_err), REPLICA_EINVAL);
    CHECK_INT(shown.n, 0);
}

TEST(a_function_that_has_enough_ends_the_history_with_its_result)
{
    STORE s = keeping(tmp_path("test.db"), 5);
    struct shown shown = { .stop_at = 2 };

    for (int i = 0; i < 4; i++)
        put_n(&s, i);
    CHECK_RC(replica_history(s.coll, "a", show, &shown, &test_err), 9);
    CHECK_STR(shown.text, "2} 1}");
}

TEST(a_history_of_less_than_nothing_or_another_one_is_refused)
{
    STORE s = keeping(tmp_path("test.db"), 5);
    replica_collection_options o = REPLICA_COLLECTION_OPTIONS_INIT;
    replica_collection *coll = NULL;

    o.history = -2;
    CHECK_RC(replica_db_collection(s.db, "other", &o, &coll, &test_err), REPLICA_EINVAL);
    o.history = 6;
    CHECK_RC(replica_db_collection(s.db, "notes", &o, &coll, &test_err), REPLICA_EINVAL);
    o.history = 5;
    CHECK_RC(replica_db_collection(s.db, "notes", &o, &coll, &test_err), 0);
}

TEST(a_purge_takes_the_history_along)
{
    STORE s = keeping(tmp_path("test.db"), 5);
    struct clock clock;
    int64_t count = 0;

    clock_start(&clock, 1700000000000, 1);
    replica__db_set_world(s.db, &clock.world);
    put_n(&s, 1);
    put_n(&s, 2);
    store_delete(&s, "a");
    store_put(&s, "{\"id\":\"z\"}"); /* neither newest nor highest is purged */
    clock_pass(&clock, 1000);
    CHECK_RC(replica_purge(s.db, NULL, 0, 0, &count, &test_err), 0);
    CHECK_INT(count, 1);
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM history"), 0);
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM kept"), 0);
    CHECK_INT(history(&s).n, 0);
    put_n(&s, 3);
    put_n(&s, 4);
    CHECK_STR(history(&s).text, "3}");
    store_sound(&s);
}

static int put_again(void *ctx, replica_doc *doc)
{
    struct store *s = ctx;

    CHECK_RC(replica_put(s->coll, replica_doc_json(doc, NULL), REPLICA_NUL, REPLICA_ANY_REV, NULL,
                         NULL, &test_err), 0);
    return 1;
}

TEST(an_earlier_state_can_be_put_again_in_the_call)
{
    STORE s = keeping(tmp_path("test.db"), 5);

    put_n(&s, 1);
    put_n(&s, 2);
    CHECK_RC(replica_history(s.coll, "a", put_again, &s, &test_err), 1);
    CHECK_STR(store_json(&s, "a"), "{\"id\":\"a\",\"n\":1}");
    CHECK_STR(history(&s).text, "2} 1}");
}
