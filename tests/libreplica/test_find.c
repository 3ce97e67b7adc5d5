/* Queries: the answers with indexes are those without, in order; cursors see one moment. */
#include "base/buf.h"
#include "libreplica/libreplica.h"
#include "libreplica/query.h"
#include "tests/support/clock.h"
#include "tests/support/fault.h"
#include "tests/support/store.h"
#include "tests/support/test.h"

#include <sqlite3.h>

static void index_on(struct store *s, const char *first, const char *second, const char *where,
                     unsigned flags)
{
    const char *fields[] = { first, second };
    replica_index_options o = REPLICA_INDEX_OPTIONS_INIT;

    o.fields = fields;
    o.n = second ? 2 : 1;
    o.where = where;
    o.flags = flags;
    CHECK_RC(replica_index_create(s->coll, &o, &test_err), 1);
    CHECK_RC(replica_index_wait(s->coll, &test_err), 0);
}

/* The ids of the answer with blanks between. */
static const char *ask(struct store *s, const char *query)
{
    static struct replica__buf ids;
    replica_cursor *cursor = NULL;
    replica_doc *doc;
    int r;

    replica__buf_clear(&ids);
    replica__buf_str(&ids, "");
    CHECK_RC(replica_find(s->coll, query, REPLICA_NUL, &cursor, &test_err), 0);
    while ((r = replica_cursor_next(cursor, &doc, &test_err)) > 0) {
        if (ids.len)
            replica__buf_char(&ids, ' ');
        replica__buf_str(&ids, replica_doc_id(doc));
    }
    CHECK_RC(r, 0);
    replica_cursor_close(cursor);
    return ids.len ? ids.data : "";
}

static void fill(struct store *s)
{
    store_put(s, "{\"id\":\"a\",\"n\":3,\"k\":\"x\"}");
    store_put(s, "{\"id\":\"b\",\"n\":1,\"k\":\"y\"}");
    store_put(s, "{\"id\":\"c\",\"n\":2,\"k\":\"x\"}");
    store_put(s, "{\"id\":\"d\",\"n\":2,\"k\":\"y\"}");
    store_put(s, "{\"id\":\"e\",\"k\":\"x\"}");
}

TEST(without_a_sort_the_primary_key_is_the_order)
{
    STORE s = store_empty();

    fill(&s);
    CHECK_STR(ask(&s, "{}"), "a b c d e");
    CHECK_STR(ask(&s, "{\"selector\":{\"k\":\"x\"}}"), "a c e");
    index_on(&s, "k", "n", NULL, 0);
    CHECK_STR(ask(&s, "{\"selector\":{\"k\":\"x\"}}"), "a c e");
    CHECK_STR(ask(&s, "{\"selector\":{\"k\":\"x\"},\"skip\":1,\"limit\":1}"), "c");
}

TEST(ties_are_by_id_upwards_also_in_a_sort_downwards)
{
    STORE s = store_empty();

    fill(&s);
    for (int indexed = 0; indexed < 2; indexed++) {
        if (indexed)
            index_on(&s, "n", NULL, NULL, 0);
        CHECK_STR(ask(&s, "{\"sort\":[{\"n\":\"asc\"}]}"), "e b c d a");
        CHECK_STR(ask(&s, "{\"sort\":[{\"n\":\"desc\"}]}"), "a c d b e");
        CHECK_STR(ask(&s, "{\"sort\":[{\"n\":\"desc\"}],\"skip\":1,\"limit\":2}"), "c d");
        CHECK_STR(ask(&s, "{\"selector\":{\"n\":{\"$in\":[1,2]}},\"sort\":[{\"n\":\"desc\"}]}"),
                  "c d b");
        CHECK_STR(ask(&s, "{\"selector\":{\"n\":{\"$gt\":1,\"$lt\":3}}}"), "c d");
    }
}

/* By their bytes U+FFFD comes before U+1F600, by UTF-16 behind it. */
TEST(ids_are_ordered_by_their_utf_16_units)
{
    STORE s = store_empty();

    store_put(&s, "{\"id\":\"a\"}");
    store_put(&s, "{\"id\":\"m\xF0\x9F\x98\x80\"}");
    store_put(&s, "{\"id\":\"m\xEF\xBF\xBD\"}");
    store_put(&s, "{\"id\":\"z\"}");
    CHECK_STR(ask(&s, "{}"), "a m\xF0\x9F\x98\x80 m\xEF\xBF\xBD z");
    CHECK_STR(ask(&s, "{\"skip\":1,\"limit\":2}"), "m\xF0\x9F\x98\x80 m\xEF\xBF\xBD");
    CHECK_STR(ask(&s, "{\"sort\":[{\"id\":\"desc\"}]}"), "z m\xEF\xBF\xBD m\xF0\x9F\x98\x80 a");
    CHECK_STR(ask(&s, "{\"selector\":{\"id\":\"m\xF0\x9F\x98\x80\"}}"), "m\xF0\x9F\x98\x80");
    CHECK_STR(ask(&s, "{\"selector\":{\"id\":{\"$gt\":\"m\xF0\x9F\x98\x80\"}}}"),
              "m\xEF\xBF\xBD z");
    CHECK_STR(ask(&s, "{\"selector\":{\"id\":{\"$lte\":\"m\xF0\x9F\x98\x80\"}}}"),
              "a m\xF0\x9F\x98\x80");
}

TEST(ids_can_be_asked_for_by_point_range_and_prefix)
{
    STORE s = store_empty();

    fill(&s);
    CHECK_STR(ask(&s, "{\"selector\":{\"id\":\"c\"}}"), "c");
    CHECK_STR(ask(&s, "{\"selector\":{\"id\":{\"$in\":[\"d\",\"a\",7,\"zz\"]}}}"), "a d");
    CHECK_STR(ask(&s, "{\"selector\":{\"id\":{\"$gte\":\"b\",\"$lt\":\"d\"}}}"), "b c");
    CHECK_STR(ask(&s, "{\"selector\":{\"id\":{\"$gt\":\"b\",\"$lte\":\"d\"}}}"), "c d");
    CHECK_STR(ask(&s, "{\"selector\":{\"id\":{\"$gt\":\"b\"}},\"sort\":[{\"id\":\"desc\"}]}"),
              "e d c");
    CHECK_STR(ask(&s, "{\"selector\":{\"id\":{\"$regex\":\"^c\"}}}"), "c");
    CHECK_STR(ask(&s, "{\"selector\":{\"id\":5}}"), "");
}

TEST(an_array_is_found_by_each_element_once)
{
    STORE s = store_empty();

    store_put(&s, "{\"id\":\"a\",\"t\":[\"x\",\"y\",\"x\"]}");
    store_put(&s, "{\"id\":\"b\",\"t\":\"x\"}");
    store_put(&s, "{\"id\":\"c\",\"t\":[]}");
    store_put(&s, "{\"id\":\"d\",\"t\":[1,9]}");
    for (int indexed = 0; indexed < 2; indexed++) {
        if (indexed)
            index_on(&s, "t", NULL, NULL, 0);
        CHECK_STR(ask(&s, "{\"selector\":{\"t\":\"x\"}}"), "a b");
        CHECK_STR(ask(&s, "{\"selector\":{\"t\":{\"$in\":[\"x\",\"y\"]}}}"), "a b");
        CHECK_STR(ask(&s, "{\"selector\":{\"t\":{\"$gt\":3,\"$lt\":5}}}"), "d");
        CHECK_STR(ask(&s, "{\"selector\":{\"t\":[]}}"), "c");
        CHECK_STR(ask(&s, "{\"selector\":{\"t\":[\"x\",\"y\",\"x\"]}}"), "a");
    }
    store_sound(&s);
}

TEST(fields_gives_these_and_the_key)
{
    STORE s = store_empty();
    replica_cursor *cursor = NULL;
    replica_doc *doc;

    store_put(&s, "{ \"id\": \"a\", \"n\": 9007199254740993, \"k\": \"x\" }");
    CHECK_RC(replica_find(s.coll, "{\"fields\":[\"n\"]}", REPLICA_NUL, &cursor, &test_err), 0);
    CHECK_RC(replica_cursor_next(cursor, &doc, &test_err), 1);
    CHECK(strstr(replica_doc_json(doc, NULL), "9007199254740993"));
    CHECK(strstr(replica_doc_json(doc, NULL), "\"id\""));
    CHECK(!strstr(replica_doc_json(doc, NULL), "\"k\""));
    CHECK_STR(replica_doc_rev(doc), store_rev(&s, "a"));
    replica_cursor_close(cursor);
}

/* ---- one moment ------------------------------------------------------------------ */

static void put_many(struct store *s, int n, int version)
{
    REPLICA_BUF text = REPLICA_BUF_INIT;

    for (int i = 0; i < n; i++) {
        replica__buf_clear(&text);
        replica__buf_printf(&text, "{\"id\":\"k%04d\",\"v\":%d,\"n\":%d}", i, version, i % 7);
        store_put(s, text.data);
    }
}

static void walk_while_written(struct store *s, const char *query, int expected)
{
    replica_cursor *cursor = NULL;
    replica_doc *doc;
    int n = 0, r;

    CHECK_RC(replica_find(s->coll, query, REPLICA_NUL, &cursor, &test_err), 0);
    while ((r = replica_cursor_next(cursor, &doc, &test_err)) > 0) {
        CHECK(strstr(replica_doc_json(doc, NULL), "\"v\":1,"));
        if (n == 0) { /* behind the first batch too */
            put_many(s, 500, 2);
            store_delete(s, "k0499");
            store_put(s, "{\"id\":\"k0499x\",\"v\":2,\"n\":3}");
        }
        n++;
    }
    CHECK_RC(r, 0);
    CHECK_INT(n, expected);
    replica_cursor_close(cursor);
}

TEST(a_cursor_sees_the_moment_of_its_first_document)
{
    static const char *const queries[] = {
        "{}",
        "{\"sort\":[{\"n\":\"asc\"}]}",
        "{\"sort\":[{\"n\":\"desc\"}]}",
        "{\"sort\":[{\"id\":\"desc\"}]}",
        "{\"selector\":{\"n\":{\"$gte\":0}}}",
    };
    STORE s = store_empty();

    for (int indexed = 0; indexed < 2; indexed++) {
        for (size_t i = 0; i < sizeof queries / sizeof queries[0]; i++) {
            put_many(&s, 500, 1);
            walk_while_written(&s, queries[i], 500);
            store_delete(&s, "k0499x");
        }
        if (!indexed)
            index_on(&s, "n", NULL, NULL, 0);
    }
}

TEST(a_cursor_on_a_database_in_memory_sees_one_moment_too)
{
    STORE s = store_memory();

    put_many(&s, 500, 1);
    walk_while_written(&s, "{\"sort\":[{\"n\":\"asc\"}]}", 500);
}

TEST(many_cursors_walk_at_once_and_a_close_ends_them)
{
    STORE s = store_empty();
    replica_cursor *cursors[5];
    replica_doc *doc;

    put_many(&s, 300, 1);
    for (int i = 0; i < 5; i++) {
        CHECK_RC(replica_find(s.coll, "{}", 2, &cursors[i], &test_err), 0);
        CHECK_RC(replica_cursor_next(cursors[i], &doc, &test_err), 1);
        put_many(&s, 1, i + 2);
    }
    for (int i = 0; i < 299; i++) {
        for (int k = 0; k < 5; k++)
            CHECK_RC(replica_cursor_next(cursors[k], &doc, &test_err), 1);
    }
    for (int k = 0; k < 3; k++) {
        CHECK_RC(replica_cursor_next(cursors[k], &doc, &test_err), 0);
        replica_cursor_close(cursors[k]);
    }
    replica_db_close(s.db);
    s.db = NULL;
    CHECK_RC(replica_cursor_next(cursors[3], &doc, &test_err), REPLICA_ECLOSED);
    replica_cursor_close(cursors[3]);
    replica_cursor_close(cursors[4]);
}

TEST(count_counts_within_the_window)
{
    STORE s = store_empty();
    int64_t n;

    fill(&s);
    for (int indexed = 0; indexed < 2; indexed++) {
        if (indexed)
            index_on(&s, "k", NULL, NULL, 0);
        CHECK_RC(replica_count(s.coll, "{}", 2, &n, &test_err), 0);
        CHECK_INT(n, 5);
        CHECK_RC(replica_count(s.coll, "{\"selector\":{\"k\":\"x\"}}", REPLICA_NUL, &n, &test_err),
                 0);
        CHECK_INT(n, 3);
        CHECK_RC(replica_count(s.coll, "{\"selector\":{\"k\":\"x\"},\"skip\":1,\"limit\":5}",
                               REPLICA_NUL, &n, &test_err),
                 0);
        CHECK_INT(n, 2);
        CHECK_RC(replica_count(s.coll, "{\"selector\":{\"k\":\"x\"},\"limit\":1}", REPLICA_NUL, &n,
                               &test_err),
                 0);
        CHECK_INT(n, 1);
    }
}

TEST(what_is_no_query_is_refused)
{
    STORE s = store_empty();
    replica_cursor *cursor = NULL;
    int64_t n = 7;

    CHECK_RC(replica_find(s.coll, "{\"selector\":{\"a\":{\"$foo\":1}}}", REPLICA_NUL, &cursor,
                          &test_err),
             REPLICA_EINVAL);
    CHECK(!cursor);
    CHECK_RC(replica_count(s.coll, "[]", 2, &n, &test_err), REPLICA_EINVAL);
    CHECK_INT(n, 7);
    CHECK_RC(replica_find(s.coll, NULL, 0, &cursor, &test_err), REPLICA_EINVAL);
}

/* ---- failures -------------------------------------------------------------------- */

static int walk_all(struct store *s, const char *query, int *ret_n)
{
    replica_cursor *cursor = NULL;
    replica_doc *doc;
    int r = replica_find(s->coll, query, REPLICA_NUL, &cursor, &test_err);

    for (*ret_n = 0; r >= 0 && (r = replica_cursor_next(cursor, &doc, &test_err)) > 0; ++*ret_n)
        CHECK(replica_doc_id(doc)[0] == 'k');
    replica_cursor_close(cursor);
    return r;
}

static void fail_each(struct store *s, const char *query, int expected, void (*arm)(int nth),
                      int step)
{
    int n;

    CHECK_RC(walk_all(s, query, &n), 0);
    for (int nth = 0, failed = 1; failed; nth += step) {
        int r;

        arm(nth);
        r = walk_all(s, query, &n);
        failed = fault_stop();
        CHECK(r == 0 || (failed && (r == REPLICA_ENOMEM || r == REPLICA_EIO)));
        CHECK(r < 0 || n == expected);
        CHECK_RC(walk_all(s, query, &n), 0);
        CHECK_INT(n, expected);
    }
}

static void fail_read(int nth)
{
    fault_io(FAULT_READ | FAULT_OPEN, nth, SQLITE_IOERR);
}

TEST(a_failure_while_finding_is_said_and_the_next_query_answers)
{
    static const char *const queries[] = {
        "{\"selector\":{\"n\":3},\"fields\":[\"v\"]}",
        "{\"selector\":{\"v\":1},\"sort\":[{\"n\":\"desc\"},{\"v\":\"asc\"}],\"limit\":40}",
        "{\"sort\":[{\"n\":\"desc\"}]}",
    };
    static const int expected[] = { 29, 40, 200 };
    STORE s = store_empty();

    put_many(&s, 200, 1);
    index_on(&s, "n", NULL, NULL, 0);
    for (size_t i = 0; i < sizeof queries / sizeof queries[0]; i++) {
        fail_each(&s, queries[i], expected[i], fault_alloc, 7);
        fail_each(&s, queries[i], expected[i], fail_read, 1);
    }
}

/* The ids of the answer; each call that begins behind a batch fails first, in each of its
 * allocations, as far as fails says. */
static void walk_failing(struct store *s, const char *query, int fails, struct replica__buf *ids)
{
    replica_cursor *cursor = NULL;
    replica_doc *doc;
    int n = 0, failures = 0, r;

    replica__buf_clear(ids);
    CHECK_RC(replica_find(s->coll, query, REPLICA_NUL, &cursor, &test_err), 0);
    do {
        fault_alloc(n % 128 == 0 && failures < fails ? failures : 1000000);
        r = replica_cursor_next(cursor, &doc, &test_err);
        fault_stop();
        if (r < 0)
            CHECK_RC(r, REPLICA_ENOMEM);
        failures = r < 0 ? failures + 1 : 0;
        n += r > 0;
        if (r > 0)
            replica__buf_printf(ids, "%s ", replica_doc_id(doc));
    } while (r != 0);
    replica_cursor_close(cursor);
}

LONG_TEST(a_cursor_goes_on_after_a_failure_and_misses_none)
{
    static const char *const queries[] = {
        "{\"skip\":3}",
        "{\"selector\":{\"n\":{\"$gte\":0}},\"sort\":[{\"n\":\"desc\"}],\"limit\":290}",
        "{\"sort\":[{\"v\":\"asc\"},{\"n\":\"asc\"}],\"skip\":1,\"limit\":270}",
    };
    STORE s = store_empty();
    REPLICA_BUF want = REPLICA_BUF_INIT, is = REPLICA_BUF_INIT;

    put_many(&s, 300, 1);
    /* Behind this one ids are sorted. */
    store_put(&s, "{\"id\":\"k0150\xEE\x80\x80\",\"n\":1,\"v\":1}");
    index_on(&s, "n", NULL, NULL, 0);
    for (size_t i = 0; i < sizeof queries / sizeof queries[0]; i++) {
        walk_failing(&s, queries[i], 0, &want);
        walk_failing(&s, queries[i], 200, &is);
        CHECK_STR(is.data, want.data);
    }
}

/* ---- documents at hand ----------------------------------------------------------- */

static const char *first_of(struct store *s, const char *query)
{
    static char text[200];
    replica_cursor *cursor = NULL;
    replica_doc *doc;

    CHECK_RC(replica_find(s->coll, query, REPLICA_NUL, &cursor, &test_err), 0);
    CHECK_RC(replica_cursor_next(cursor, &doc, &test_err), 1);
    CHECK(strlen(replica_doc_json(doc, NULL)) < 100);
    sqlite3_snprintf(sizeof text, text, "%s %s", replica_doc_rev(doc), replica_doc_json(doc, NULL));
    replica_cursor_close(cursor);
    return text;
}

static const char *as_stored(struct store *s, const char *id)
{
    static char text[200];
    int len;

    sqlite3_snprintf(sizeof text, text, "%s ", store_rev(s, id));
    len = (int)strlen(text);
    sqlite3_snprintf((int)sizeof text - len, text + len, "%s", store_json(s, id));
    return text;
}

/* Written by this handle, by another one, deleted and there again: never an old state. */
TEST(a_document_that_was_given_before_comes_as_it_is_now)
{
    STORE s = store_empty();
    STORE other = store_open(s.path, NULL);
    static const char query[] = "{\"selector\":{\"n\":{\"$gt\":0}},\"sort\":[{\"n\":\"desc\"}]}";

    store_put(&s, "{\"id\":\"a\",\"n\":1}");
    index_on(&s, "n", NULL, NULL, 0);
    for (int i = 0; i < 3; i++)
        CHECK_STR(first_of(&s, query), as_stored(&s, "a"));
    store_put(&s, "{\"id\":\"a\",\"n\":2}");
    CHECK_STR(first_of(&s, query), as_stored(&s, "a"));
    store_put(&other, "{\"id\":\"a\",\"n\":3}");
    CHECK_STR(first_of(&s, query), as_stored(&s, "a"));
    store_delete(&other, "a");
    CHECK_STR(ask(&s, query), "");
    store_put(&s, "{\"id\":\"a\",\"n\":3}");
    CHECK_STR(first_of(&s, query), as_stored(&s, "a"));
    CHECK(
        strstr(first_of(&s, "{\"selector\":{\"n\":3},\"fields\":[\"none\"]}"), store_rev(&s, "a")));
}

TEST(documents_at_hand_belong_to_who_got_them)
{
    STORE s = store_empty();
    replica_cursor *cursor = NULL;
    replica_doc *kept[150], *doc;
    int n = 0;

    put_many(&s, 150, 1);
    index_on(&s, "n", NULL, NULL, 0);
    for (int round = 0; round < 3; round++) {
        CHECK_RC(
            replica_find(s.coll, "{\"sort\":[{\"n\":\"desc\"}]}", REPLICA_NUL, &cursor, &test_err),
            0);
        for (n = 0; replica_cursor_next(cursor, &doc, &test_err) > 0; n++)
            kept[n] = replica_doc_ref(doc);
        replica_cursor_close(cursor);
        CHECK_INT(n, 150);
        for (int i = 0; i < n; i++) {
            CHECK(strstr(replica_doc_json(kept[i], NULL), "\"v\":1"));
            replica_doc_unref(kept[i]);
        }
    }
}
