/* Full text: what a search finds, and that the index follows every write. */
#include "base/buf.h"
#include "libreplica/query.h"
#include "tests/support/clock.h"
#include "tests/support/fault.h"
#include "tests/support/store.h"
#include "tests/support/test.h"

#include <stdio.h>
#include <unistd.h>

static int create(struct store *s, const char *name, const char *where)
{
    static const char *const fields[] = { "title", "body.text" };
    const replica_index_options o = { .size = sizeof o, .name = name, .fields = fields, .n = 2,
                                      .where = where, .flags = REPLICA_INDEX_TEXT };

    return replica_index_create(s->coll, &o, &test_err);
}

static void with_index(struct store *s)
{
    CHECK_RC(create(s, "words", NULL), 1);
    CHECK_RC(replica_index_wait(s->coll, &test_err), 0);
}

static int search(struct store *s, const char *words, struct replica__buf *ret_ids)
{
    replica_cursor *cursor = NULL;
    replica_doc *doc = NULL;
    double last = 1e9;
    int r;

    replica__buf_clear(ret_ids);
    replica__buf_str(ret_ids, "");
    r = replica_search(s->coll, NULL, words, -1, &cursor, &test_err);
    while (r >= 0 && (r = replica_cursor_next(cursor, &doc, &test_err)) > 0) {
        replica__buf_printf(ret_ids, "%s ", replica_doc_id(doc));
        CHECK(replica_cursor_rank(cursor) <= last);
        CHECK(replica_cursor_rank(cursor) > 0);
        last = replica_cursor_rank(cursor);
    }
    replica_cursor_close(cursor);
    return r;
}

static void finds(struct store *s, const char *words, const char *want)
{
    REPLICA_BUF ids = REPLICA_BUF_INIT;

    CHECK_RC(search(s, words, &ids), 0);
    if (strcmp(ids.data, want) != 0)
        test_fail(__FILE__, __LINE__, "'%s' finds '%s', not '%s'", words, ids.data, want);
}

static void refuses(struct store *s, const char *words)
{
    replica_cursor *cursor = NULL;

    CHECK_RC(replica_search(s->coll, NULL, words, -1, &cursor, &test_err), REPLICA_EINVAL);
    CHECK(!cursor);
}

#define FOX \
    "{\"id\":\"fox\",\"title\":\"The quick fox\",\"body\":{\"text\":\"jumps over the dog\"}}"
#define DOG \
    "{\"id\":\"dog\",\"title\":\"A dog\",\"body\":{\"text\":\"sleeps, and the dog dreams\"}}"

TEST(words_are_found_the_best_match_first)
{
    STORE s = store_with(FOX);

    with_index(&s);
    store_put(&s, DOG);
    finds(&s, "dog", "dog fox ");
    finds(&s, "DOG", "dog fox ");
    finds(&s, "fox", "fox ");
    finds(&s, "dre*", "dog ");
    finds(&s, "\"quick fox\"", "fox ");
    finds(&s, "\"fox quick\"", "");
    finds(&s, "dog NOT fox", "dog ");
    finds(&s, "quick OR sleeps OR dreams", "dog fox ");
    finds(&s, "cat", "");
    store_sound(&s);
}

TEST(fields_are_named_by_their_paths)
{
    STORE s = store_with(FOX);

    with_index(&s);
    store_put(&s, DOG);
    finds(&s, "title:dog", "dog ");
    finds(&s, "body.text : over", "fox ");
    finds(&s, "\"body.text\":over", "fox ");
    finds(&s, "{title body.text}: quick", "fox ");
    finds(&s, "- title : sleeps", "dog ");
    finds(&s, "-title:quick", "");
    finds(&s, "title:fox AND body.text:dog", "fox ");
    refuses(&s, "nosuch:dog");
    refuses(&s, "c0:dog");
    refuses(&s, "{title nosuch}:dog");
}

TEST(what_is_no_query_is_refused)
{
    STORE s = store_with(FOX);
    replica_cursor *cursor = NULL;

    CHECK_RC(replica_search(s.coll, NULL, "dog", -1, &cursor, &test_err), REPLICA_EINVAL);
    with_index(&s);
    refuses(&s, "");
    refuses(&s, "AND");
    refuses(&s, "\"dog");
    refuses(&s, "(dog");
    refuses(&s, "dog)");
    refuses(&s, "'dog'");
    refuses(&s, "{title");
    CHECK_RC(replica_search(s.coll, "other", "dog", -1, &cursor, &test_err), REPLICA_EINVAL);
    CHECK_RC(create(&s, "second", "{\"title\":\"x\"}"), 1);
    CHECK_RC(replica_index_wait(s.coll, &test_err), 0);
    CHECK_RC(replica_search(s.coll, NULL, "dog", -1, &cursor, &test_err), REPLICA_EINVAL);
    CHECK_RC(replica_search(s.coll, "words", "dog", -1, &cursor, &test_err), 0);
    replica_cursor_close(cursor);
    CHECK_RC(replica_search(NULL, NULL, "dog", -1, &cursor, &test_err), REPLICA_EINVAL);
    CHECK_RC(replica_search(s.coll, NULL, NULL, -1, &cursor, &test_err), REPLICA_EINVAL);
}

TEST(snippets_show_the_words_that_were_found)
{
    STORE s = store_with(FOX);
    replica_cursor *cursor = NULL;
    replica_doc *doc = NULL;

    with_index(&s);
    CHECK_RC(replica_search(s.coll, "words", "over", 10, &cursor, &test_err), 0);
    CHECK_STR(replica_cursor_snippet(cursor), "");
    CHECK_RC(replica_cursor_next(cursor, &doc, &test_err), 1);
    CHECK_STR(replica_cursor_snippet(cursor), "jumps \002over\003 the dog");
    CHECK_STR(replica_doc_json(doc, NULL), FOX);
    CHECK_RC(replica_cursor_next(cursor, &doc, &test_err), 0);
    replica_cursor_close(cursor);
    CHECK_RC(replica_all(s.coll, NULL, &cursor, &test_err), 0); /* a cursor of another kind */
    CHECK_RC(replica_cursor_next(cursor, &doc, &test_err), 1);
    CHECK_STR(replica_cursor_snippet(cursor), "");
    CHECK(replica_cursor_rank(cursor) == 0);
    replica_cursor_close(cursor);
}

TEST(the_index_follows_every_write)
{
    STORE s = store_with(FOX);

    with_index(&s);
    store_put(&s, "{\"id\":\"fox\",\"title\":\"The slow fox\",\"body\":{\"text\":\"rests\"}}");
    finds(&s, "quick OR jumps", "");
    finds(&s, "slow", "fox ");
    store_put(&s, "{\"id\":\"fox\",\"title\":\"The slow fox\",\"n\":1,"
                  "\"body\":{\"text\":\"rests\"}}");
    finds(&s, "slow", "fox ");
    store_delete(&s, "fox");
    finds(&s, "slow", "");
    store_put(&s, FOX);
    finds(&s, "quick", "fox ");
    CHECK_RC(replica_put(s.coll, FOX, REPLICA_NUL, NULL, NULL, NULL, &test_err),
             REPLICA_ECONFLICT);
    finds(&s, "quick", "fox ");
    store_sound(&s);
    store_reopen(&s);
    finds(&s, "quick", "fox ");
    store_put(&s, DOG);
    finds(&s, "dog", "dog fox ");
    store_sound(&s);
}

TEST(all_texts_and_numbers_of_a_field_are_words)
{
    STORE s = store_empty();

    with_index(&s);
    store_put(&s, "{\"id\":\"a\",\"title\":[\"one\",\"tw\\u006f\",[\"deep\"],3],"
                  "\"body\":[{\"text\":\"four\"},{\"text\":5}]}");
    store_put(&s, "{\"id\":\"b\",\"title\":{\"x\":\"six\"},\"body\":null}");
    store_put(&s, "{\"id\":\"c\",\"title\":\"\xC3\x84pfel\"}");
    finds(&s, "one two", "a ");
    finds(&s, "three OR six", "");
    finds(&s, "3", "a ");
    finds(&s, "four 5", "a ");
    finds(&s, "apfel", "c ");
    store_sound(&s);
}

TEST(a_partial_index_has_what_its_condition_wants)
{
    STORE s = store_with(FOX);

    CHECK_RC(create(&s, "words", "{\"public\":true}"), 1);
    CHECK_RC(replica_index_wait(s.coll, &test_err), 0);
    finds(&s, "fox", "");
    store_put(&s, "{\"id\":\"fox\",\"title\":\"fox\",\"public\":true}");
    finds(&s, "fox", "fox ");
    store_sound(&s);
    store_put(&s, "{\"id\":\"fox\",\"title\":\"fox\",\"public\":false}");
    finds(&s, "fox", "");
    store_put(&s, "{\"id\":\"fox\",\"title\":\"wolf\",\"public\":true}");
    finds(&s, "wolf", "fox ");
    finds(&s, "fox", "");
    store_sound(&s);
}

static void fill(struct store *s, int n)
{
    for (int i = 0; i < n; i++) {
        char text[120];

        snprintf(text, sizeof text, "{\"id\":\"k%04d\",\"title\":\"word%d common\"}", i, i);
        store_put(s, text);
    }
}

/* Other rows of the transaction stay, so a row that is refused must have written nothing. */
TEST(a_condition_that_takes_too_long_does_not_want_the_document)
{
    STORE s = store_empty();
    replica_bulk_row rows[2] = {
        { .json = "{\"id\":\"x\",\"title\":\"fox\","
                  "\"s\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!\"}",
          .len = REPLICA_NUL },
        { .json = "{\"id\":\"y\",\"title\":\"fox\",\"s\":\"a\"}", .len = REPLICA_NUL }
    };

    CHECK_RC(create(&s, "words", "{\"s\":{\"$regex\":\"^(a+)+$\"}}"), 1);
    CHECK_RC(replica_bulk(s.coll, rows, 2, &test_err), 0);
    finds(&s, "fox", "y ");
    store_delete(&s, "x");
    store_put(&s, rows[0].json);
    finds(&s, "fox", "y ");
    store_sound(&s);
}

TEST(an_index_is_built_in_the_background_while_others_write)
{
    STORE s = store_empty();
    STORE other = store_open(s.path, NULL);
    replica_cursor *cursor = NULL;
    int dispatches = 0;

    fill(&s, 3000);
    CHECK_RC(create(&s, "words", NULL), 1);
    CHECK_RC(replica_search(s.coll, NULL, "common", 1, &cursor, &test_err), REPLICA_EBUSY);
    for (int r = 1; r > 0 || replica_db_timeout(s.db) == 0; dispatches++) {
        char text[80];

        CHECK(dispatches < 10000);
        snprintf(text, sizeof text, "{\"id\":\"k%04d\",\"title\":\"fresh%d\"}",
                 dispatches * 7 % 3000, dispatches);
        store_put(dispatches % 2 ? &s : &other, text);
        if (dispatches % 5 == 0 && store_json(&other, "k2999"))
            store_delete(&other, "k2999");
        r = replica_db_dispatch(s.db, 1, &test_err);
        CHECK(r >= 0);
        if (replica_search(s.coll, NULL, "common", 1, &cursor, &test_err) == 0)
            break;
    }
    replica_cursor_close(cursor);
    finds(&s, "fresh0", "k0000 ");
    finds(&s, "word0", "");
    store_sound(&s);
}

TEST(a_search_sees_one_moment_whatever_is_written_meanwhile)
{
    for (int memory = 0; memory < 2; memory++) {
        STORE s = memory ? store_memory() : store_empty();
        replica_cursor *cursor = NULL;
        replica_doc *doc = NULL;
        int n = 0, r;

        with_index(&s);
        fill(&s, 500);
        CHECK_RC(replica_search(s.coll, NULL, "common", -1, &cursor, &test_err), 0);
        while ((r = replica_cursor_next(cursor, &doc, &test_err)) > 0) {
            char text[80];

            CHECK(strstr(replica_cursor_snippet(cursor), "\002common\003") != NULL);
            snprintf(text, sizeof text, "{\"id\":\"k%04d\",\"title\":\"other\"}", 499 - n++);
            store_put(&s, text);
        }
        CHECK_RC(r, 0);
        CHECK_INT(n, 500);
        replica_cursor_close(cursor);
        finds(&s, "common", "");
    }
}

TEST(a_limit_ends_a_search)
{
    STORE s = store_with(FOX);
    replica_cursor *cursor = NULL;
    replica_doc *doc = NULL;

    with_index(&s);
    store_put(&s, DOG);
    CHECK_RC(replica_search(s.coll, NULL, "dog", 1, &cursor, &test_err), 0);
    CHECK_RC(replica_cursor_next(cursor, &doc, &test_err), 1);
    CHECK_RC(replica_cursor_next(cursor, &doc, &test_err), 0);
    replica_cursor_close(cursor);
}

TEST(a_search_whose_index_is_dropped_before_it_begins_says_so)
{
    STORE s = store_with("{\"id\":\"a\",\"title\":\"one\"}");
    replica_cursor *cursor = NULL;
    replica_doc *doc = NULL;

    with_index(&s);
    CHECK_RC(replica_search(s.coll, NULL, "one", -1, &cursor, &test_err), 0);
    CHECK_RC(replica_index_drop(s.coll, "words", &test_err), 1);
    CHECK_RC(replica_cursor_next(cursor, &doc, &test_err), REPLICA_EINVAL);
    CHECK_STR(test_err.message, "the text index of 'notes' was dropped");
    replica_cursor_close(cursor);
}

TEST(dropping_takes_the_words_away)
{
    STORE s = store_with(FOX);
    replica_cursor *cursor = NULL;

    with_index(&s);
    CHECK_RC(replica_index_drop(s.coll, "words", &test_err), 1);
    CHECK_RC(replica_search(s.coll, NULL, "fox", -1, &cursor, &test_err), REPLICA_EINVAL);
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM sqlite_schema WHERE name LIKE 'text%'"), 0);
    store_put(&s, DOG);
    with_index(&s);
    finds(&s, "dog", "dog fox ");
    store_sound(&s);
}

TEST(a_damaged_text_index_is_found)
{
    STORE s = store_with(FOX);
    int64_t number;
    char sql[100];

    with_index(&s);
    number = store_sql_int(&s, "SELECT id FROM idx WHERE name = 'words'");
    snprintf(sql, sizeof sql, "DELETE FROM text_%lld_data WHERE id > 10", (long long)number);
    store_sql(&s, sql);
    store_reopen(&s);
    CHECK(replica_check(s.db, NULL, NULL, &test_err) > 0);
}

static void write_beside(void *ctx, const char *where, const char *what)
{
    (void)where;
    (void)what;
    store_put(ctx, "{\"id\":\"late\",\"title\":\"late\"}");
}

TEST(a_check_reads_on_while_another_handle_writes)
{
    STORE s = store_with(FOX);
    STORE other = store_open(s.path, NULL);
    const char *field = "n";
    const replica_index_options o = { .size = sizeof o, .name = "a", .fields = &field, .n = 1 };

    with_index(&s);
    CHECK_RC(replica_index_create(s.coll, &o, &test_err), 1);
    CHECK_RC(replica_index_wait(s.coll, &test_err), 0);
    store_sql(&s, "DELETE FROM entry");
    CHECK_INT(replica_check(s.db, write_beside, &other, &test_err), 1);
}

TEST(random_writes_leave_a_sound_index)
{
    static const char *const words[] = { "red", "green", "blue", "gr\xC3\xBCn", "x1", "" };
    STORE s = store_empty();
    uint64_t dice = 5;

    with_index(&s);
    for (int i = 0; i < 600; i++) {
        char id[8], text[160];

        snprintf(id, sizeof id, "d%d", (int)(dice_roll(&dice) % 30));
        snprintf(text, sizeof text,
                 "{\"id\":\"%s\",\"title\":\"%s %s\",\"body\":{\"text\":[\"%s\",%d]}}", id,
                 words[dice_roll(&dice) % 6], words[dice_roll(&dice) % 6],
                 words[dice_roll(&dice) % 6], (int)(dice_roll(&dice) % 5));
        if (dice_roll(&dice) % 4)
            store_put(&s, text);
        else
            replica_delete(s.coll, id, REPLICA_ANY_REV, NULL, &test_err);
        if (i % 100 == 99)
            store_sound(&s);
    }
}

LONG_TEST(any_words_are_answered_or_refused)
{
    static const char *const pieces[] = { "a", "fox", "\"", "\"\"", "(", ")", "{", "}", ":", "-",
                                          "^", "+", "*", ",", " ", "AND", "OR", "NOT", "NEAR(",
                                          "title", "body.text", ".", "\xC3\xA4", "\xFF", "'", "5" };
    STORE s = store_with(FOX);
    uint64_t dice = 21;
    int answered = 0;

    with_index(&s);
    for (int i = 0; i < 20000; i++) {
        char words[100] = "";
        replica_cursor *cursor = NULL;
        int r;

        for (size_t n = dice_roll(&dice) % 8 + 1; n > 0; n--)
            strcat(words, pieces[dice_roll(&dice) % (sizeof pieces / sizeof pieces[0])]);
        r = replica_search(s.coll, NULL, words, 1, &cursor, &test_err);
        CHECK(r == 0 || r == REPLICA_EINVAL);
        if (r == 0) {
            replica_doc *doc = NULL;

            CHECK(replica_cursor_next(cursor, &doc, &test_err) >= 0);
            answered++;
        }
        replica_cursor_close(cursor);
    }
    CHECK(answered > 1000);
}

TEST(a_read_only_handle_searches_and_checks_too)
{
    STORE s = store_with(FOX);
    const replica_db_options opts = { .size = sizeof opts, .flags = REPLICA_DB_READ_ONLY };

    with_index(&s);
    STORE reader = store_open(s.path, &opts);

    finds(&reader, "fox", "fox ");
    store_sound(&reader);
    store_sql(&s, "UPDATE doc SET body = '{\"id\":\"fox\",\"title\":\"cat\"}'");
    CHECK(replica_check(reader.db, NULL, NULL, &test_err) > 0);
    CHECK(replica_check(s.db, NULL, NULL, &test_err) > 0);
}

/* ---- failures -------------------------------------------------------------------- */

LONG_TEST(a_write_with_full_text_survives_every_failed_allocation)
{
    for (int nth = 0, failed = 1; failed; nth++) {
        STORE s = store_empty();
        int r;

        store_put(&s, FOX);
        with_index(&s);
        fault_alloc(nth);
        r = replica_upsert(s.coll, "{\"id\":\"fox\",\"title\":\"wolf\"}", REPLICA_NUL, NULL,
                           &test_err);
        failed = fault_stop();
        CHECK(r == 0 || (failed && r == REPLICA_ENOMEM));
        finds(&s, "fox", r == 0 ? "" : "fox ");
        finds(&s, "wolf", r == 0 ? "fox " : "");
        store_sound(&s);
        store_close(&s);
        unlink(s.path);
    }
}

LONG_TEST(creating_a_text_index_survives_every_failed_allocation)
{
    for (int nth = 0, failed = 1; failed; nth++) {
        STORE s = store_memory();
        int r;

        store_put(&s, FOX);
        fault_alloc(nth);
        r = create(&s, "words", NULL);
        failed = fault_stop();
        CHECK(r == 1 || (failed && r == REPLICA_ENOMEM));
        CHECK(create(&s, "words", NULL) == (r != 1));
        CHECK_RC(replica_index_wait(s.coll, &test_err), 0);
        finds(&s, "fox", "fox ");
        store_sound(&s);
    }
}

LONG_TEST(searching_survives_every_failed_allocation)
{
    for (int nth = 0, failed = 1; failed; nth++) {
        STORE s = store_memory();
        REPLICA_BUF ids = REPLICA_BUF_INIT;
        int r;

        replica__buf_str(&ids, "some room for the answer");
        store_put(&s, FOX);
        with_index(&s);
        finds(&s, "fox", "fox ");
        fault_alloc(nth);
        r = search(&s, "fox", &ids);
        failed = fault_stop();
        CHECK(r == 0 || (failed && r == REPLICA_ENOMEM));
        if (r == 0 && ids.r == 0)
            CHECK_STR(ids.data, "fox ");
        finds(&s, "fox", "fox ");
    }
}
