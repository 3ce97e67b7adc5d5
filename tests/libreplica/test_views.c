/* SQL over the collections' views: what it gives, and what it refuses. */
#include "base/buf.h"
#include "libreplica/query.h"
#include "tests/support/fault.h"
#include "tests/support/store.h"
#include "tests/support/test.h"

#include <stdio.h>

struct told {
    struct replica__buf text;
    int stop_after; /* rows; 0: never */
    int rows;
    struct store *writes; /* puts a document in each row */
};

static int tell(void *ctx, size_t n, const char *const *names, const replica_sql_value *values)
{
    static const char kinds[] = "nirtb";
    struct told *t = ctx;

    for (size_t i = 0; i < n; i++) {
        replica__buf_printf(&t->text, "%s=%c:", names[i], kinds[values[i].type]);
        if (values[i].text)
            replica__buf_add(&t->text, values[i].text, values[i].len);
        replica__buf_char(&t->text, i + 1 < n ? ' ' : '\n');
    }
    if (t->writes)
        store_put(t->writes, "{\"id\":\"written\"}");
    return ++t->rows == t->stop_after ? 7 : 0;
}

static int ask(struct store *s, struct told *t, const char *sql)
{
    t->rows = 0;
    replica__buf_clear(&t->text);
    replica__buf_str(&t->text, "");
    return replica_sql(s->db, sql, NULL, 0, tell, t, &test_err);
}

static void gives(struct store *s, const char *sql, const char *want)
{
    struct told t = { 0 };

    CHECK_RC(ask(s, &t, sql), 0);
    CHECK_STR(t.text.data, want);
    replica__buf_free(&t.text);
}

static void refuses(struct store *s, const char *sql)
{
    struct told t = { 0 };

    test_err.message[0] = '\0';
    if (ask(s, &t, sql) != REPLICA_EINVAL)
        test_fail(__FILE__, __LINE__, "%s was not refused", sql);
    CHECK_INT(t.rows, 0);
    CHECK(test_err.message[0] != '\0');
    replica__buf_free(&t.text);
}

#define A "{\"id\":\"a\",\"n\":9007199254740993,\"t\":\"x\\u0041\",\"at\":{\"b\":[1,2]},\"y\":true}"

TEST(each_live_document_is_a_row_of_its_collections_view)
{
    STORE s = store_with(A);
    struct told t = { 0 };

    store_put(&s, "{\"id\":\"b\"}");
    store_put(&s, "{\"id\":\"gone\"}");
    store_delete(&s, "gone");
    gives(&s, "SELECT id, seq FROM notes ORDER BY id", "id=t:a seq=i:1\nid=t:b seq=i:2\n");
    gives(&s, "SELECT doc FROM notes WHERE id = 'a'", "doc=t:" A "\n");
    gives(&s, "SELECT count(*) AS n FROM notes", "n=i:2\n");
    CHECK_RC(ask(&s, &t, "SELECT rev FROM notes WHERE id = 'b'"), 0);
    CHECK_STR(strtok(t.text.data + strlen("rev=t:"), "\n"), store_rev(&s, "b"));
    replica__buf_free(&t.text);
}

TEST(a_database_in_memory_can_be_asked_too)
{
    STORE s = store_memory();

    store_put(&s, A);
    gives(&s, "SELECT id, field(doc, 'at.b.1') AS b FROM notes", "id=t:a b=i:2\n");
    store_put(&s, "{\"id\":\"b\"}");
    gives(&s, "SELECT count(*) AS n FROM notes", "n=i:2\n");
}

TEST(fields_are_exact)
{
    STORE s = store_empty();
    static const struct { const char *json, *want; } values[] = {
        { "9007199254740993", "i:9007199254740993" },
        { "-9223372036854775808", "i:-9223372036854775808" },
        { "1e3", "i:1000" },
        { "9223372036854775808", "t:9223372036854775808" },
        { "0.1", "r:0.1" },
        { "1.50", "r:1.5" },
        { "1e300", "r:1e+300" },
        { "2e20", "r:2e+20" },
        { "1e999", "t:1e999" },
        { "0.12345678901234567890123", "t:0.12345678901234567890123" },
        { "true", "i:1" },
        { "false", "i:0" },
        { "null", "n:" },
        { "\"\\u00e4 \\\"\"", "t:\xC3\xA4 \"" },
        { "[1, 2]", "t:[1, 2]" },
        { "{\"x\": 1}", "t:{\"x\": 1}" },
    };

    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        REPLICA_BUF text = REPLICA_BUF_INIT;

        replica__buf_printf(&text, "{\"id\":\"a\",\"v\":%s}", values[i].json);
        store_put(&s, text.data);
        replica__buf_clear(&text);
        replica__buf_printf(&text, "v=%s\n", values[i].want);
        gives(&s, "SELECT field(doc, 'v') AS v FROM notes", text.data);
    }
    gives(&s, "SELECT field(doc, 'none.at.all') AS v FROM notes", "v=n:\n");
    store_put(&s, "{\"id\":\"a\",\"v\":\"x\\u0000y\"}");
    gives(&s, "SELECT hex(field(doc, 'v')) AS v FROM notes", "v=t:780079\n");
}

TEST(parameters_are_values)
{
    STORE s = store_with(A);
    static const char *const params[] = { "9007199254740993", "\"x\\u0041\"", "true" };
    static const char *const broken[] = { "{", "1", "1" };
    struct told t = { 0 };
    const char *sql = "SELECT id FROM notes WHERE field(doc, 'n') = ?1 AND field(doc, 't') = ?2"
                      " AND field(doc, 'y') = ?3";

    CHECK_RC(replica_sql(s.db, sql, params, 3, tell, &t, &test_err), 0);
    CHECK_STR(t.text.data, "id=t:a\n");
    CHECK_RC(replica_sql(s.db, sql, params, 2, tell, &t, &test_err), REPLICA_EINVAL);
    CHECK_RC(replica_sql(s.db, sql, broken, 3, tell, &t, &test_err), REPLICA_EJSON);
    CHECK_STR(test_err.where, "parameter 1");
    replica__buf_free(&t.text);
}

TEST(reals_are_told_so_that_they_come_back)
{
    STORE s = store_empty();

    gives(&s, "SELECT 0.1 + 0.2 AS a, 1.0 AS b, 1e999 AS c, x'00ff' IS NULL AS d, NULL AS e",
          "a=r:0.30000000000000004 b=r:1.0 c=r:inf d=i:0 e=n:\n");
}

TEST(names_with_a_dash_are_quoted_and_those_of_tables_are_no_trap)
{
    STORE s = store_empty();
    static const char *const names[] = { "my-notes", "doc", "token", "collection", "sqlite_x" };
    replica_collection *coll = NULL;

    for (int i = 0; i < 5; i++) {
        CHECK_RC(replica_db_collection(s.db, names[i], NULL, &coll, &test_err), 0);
        CHECK_RC(replica_upsert(coll, "{\"id\":\"a\"}", REPLICA_NUL, NULL, &test_err), 0);
    }
    gives(&s, "SELECT id FROM \"my-notes\"", "id=t:a\n");
    gives(&s, "SELECT count(*) AS n FROM doc", "n=i:1\n");
    gives(&s, "SELECT n.id FROM token n JOIN collection USING (id)", "id=t:a\n");
    refuses(&s, "SELECT * FROM sqlite_x");
    refuses(&s, "SELECT * FROM main.doc");
    store_put(&s, "{\"id\":\"still\"}"); /* nothing was left behind on the handle */
    CHECK_STR(store_json(&s, "still"), "{\"id\":\"still\"}");
}

TEST(collections_that_differ_in_case_only_have_no_view)
{
    STORE s = store_with(A);
    replica_collection *coll = NULL;

    gives(&s, "SELECT id FROM NOTES", "id=t:a\n");
    CHECK_RC(replica_db_collection(s.db, "Notes", NULL, &coll, &test_err), 0);
    refuses(&s, "SELECT id FROM notes");
    refuses(&s, "SELECT id FROM Notes");
}

TEST(what_would_write_or_look_elsewhere_is_refused_and_changes_nothing)
{
    static const char *const statements[] = {
        "INSERT INTO notes VALUES(1, 2, 3, 4)",
        "DELETE FROM notes",
        "UPDATE main.doc SET body = '{}'",
        "DELETE FROM main.doc",
        "CREATE TABLE x(y)",
        "CREATE TEMP TABLE x(y)",
        "CREATE TEMP VIEW x AS SELECT 1",
        "DROP VIEW notes",
        "ATTACH ':memory:' AS x",
        "DETACH main",
        "PRAGMA user_version",
        "PRAGMA user_version = 5",
        "PRAGMA journal_mode = DELETE",
        "SELECT * FROM pragma_database_list",
        "BEGIN",
        "BEGIN IMMEDIATE",
        "SAVEPOINT x",
        "VACUUM",
        "VACUUM INTO 'x.db'",
        "REINDEX",
        "ANALYZE",
        "SELECT * FROM doc",
        "SELECT * FROM main.doc",
        "SELECT count(*) FROM main.doc",
        "SELECT * FROM token",
        "SELECT * FROM sqlite_schema",
        "SELECT * FROM sqlite_temp_schema",
        "SELECT name FROM temp.sqlite_master",
        "WITH notes AS (SELECT * FROM main.doc) SELECT * FROM notes",
        "WITH hidden_ AS (SELECT * FROM main.doc) SELECT * FROM hidden_",
        "SELECT (SELECT body FROM main.doc) FROM notes",
        "SELECT load_extension('x')",
        "SELECT 1; SELECT 2",
        "SELECT 1; DELETE FROM notes",
        "SELECT 1; nonsense",
        "SELECT nonsense",
        "nonsense",
        "",
        "  -- nothing",
        "SELECT field('no json', 'a')",
        "SELECT field(doc, '') FROM notes",
        "EXPLAIN DELETE FROM notes",
    };

    for (int memory = 0; memory < 2; memory++) {
        STORE s = memory ? store_memory() : store_empty();

        store_put(&s, A);
        for (size_t i = 0; i < sizeof statements / sizeof statements[0]; i++)
            refuses(&s, statements[i]);
        CHECK_STR(store_json(&s, "a"), A);
        store_sound(&s);
    }
}

TEST(one_statement_may_be_followed_by_nothing)
{
    STORE s = store_with(A);

    gives(&s, "SELECT 1 AS x ; ; -- one\n /* and no more */ ", "x=i:1\n");
    gives(&s, "VALUES(1)", "column1=i:1\n");
    gives(&s,
          "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3)"
          " SELECT sum(i) AS s FROM n", "s=i:6\n");
    gives(&s,
          "SELECT e.value AS v FROM notes, json_each(field(doc, 'at.b')) e ORDER BY v DESC",
          "v=i:2\nv=i:1\n");
}

TEST(asking_stops_when_the_function_says_so)
{
    STORE s = store_with(A);
    struct told t = { .stop_after = 1 };

    store_put(&s, "{\"id\":\"b\"}");
    CHECK_RC(ask(&s, &t, "SELECT id FROM notes ORDER BY id"), 7);
    CHECK_STR(t.text.data, "id=t:a\n");
    replica__buf_free(&t.text);
}

TEST(the_function_may_write_and_the_statement_does_not_see_it)
{
    for (int memory = 0; memory < 2; memory++) {
        STORE s = memory ? store_memory() : store_empty();
        struct told t = { .writes = &s };

        store_put(&s, A);
        CHECK_RC(ask(&s, &t, "SELECT id FROM notes"), 0);
        CHECK_STR(t.text.data, "id=t:a\n");
        CHECK_STR(store_json(&s, "written"), "{\"id\":\"written\"}");
        replica__buf_free(&t.text);
    }
}

TEST(another_handle_and_a_read_only_one_ask_the_same)
{
    STORE s = store_with(A);
    const replica_db_options opts = { .size = sizeof opts, .flags = REPLICA_DB_READ_ONLY };
    STORE other = store_open(s.path, &opts);

    gives(&other, "SELECT id FROM notes", "id=t:a\n");
}

LONG_TEST(sql_survives_every_failed_allocation)
{
    for (int nth = 0, failed = 1; failed; nth++) {
        STORE s = store_with(A);
        struct told t = { 0 };
        int r;

        replica__buf_str(&t.text, "                                  ");
        fault_alloc(nth);
        r = ask(&s, &t, "SELECT id, field(doc, 't') AS t, 1.5 AS r FROM notes");
        failed = fault_stop();
        CHECK(r == 0 || (failed && r == REPLICA_ENOMEM));
        if (r == 0 && t.text.r == 0)
            CHECK_STR(t.text.data, "id=t:a t=t:xA r=r:1.5\n");
        replica__buf_free(&t.text);
        store_sound(&s);
    }
}
