/* What queries see of documents that could not rise, and of a file that is further than the
 * program. */
#include "tests/support/rise.h"
#include "tests/support/test.h"
#include "tests/support/tmp.h"

#include <stdlib.h>

static int64_t found(struct store *s, const char *query)
{
    replica_cursor *cursor = NULL;
    replica_doc *doc;
    int64_t n = 0, count = -1;
    int r = replica_find(s->coll, query, REPLICA_NUL, &cursor, &test_err);

    while (r >= 0 && (r = replica_cursor_next(cursor, &doc, &test_err)) > 0)
        n++;
    replica_cursor_close(cursor);
    CHECK_RC(r, 0);
    CHECK_RC(replica_count(s->coll, query, REPLICA_NUL, &count, &test_err), 0);
    CHECK_INT(count, n);
    return n;
}

static int count_row(void *ctx, size_t n, const char *const *names, const replica_sql_value *values)
{
    (void)names;
    CHECK_INT(n, 1);
    *(int64_t *)ctx = atoi(values[0].text);
    return 0;
}

static void index_by_fail(struct store *s)
{
    static const char *const fields[] = { "fail" };
    replica_index_options o = REPLICA_INDEX_OPTIONS_INIT;

    o.fields = fields;
    o.n = 1;
    CHECK_RC(replica_index_create(s->coll, &o, &test_err), 1);
    o.name = "words";
    o.flags = REPLICA_INDEX_TEXT;
    CHECK_RC(replica_index_create(s->coll, &o, &test_err), 1);
    CHECK_RC(replica_index_wait(s->coll, &test_err), 0);
}

TEST(queries_leave_out_what_could_not_rise)
{
    STORE s = rise_open(tmp_path("test.db"), 0, 0);
    replica_cursor *cursor = NULL;
    replica_migration_progress p = { 0 };
    replica_doc *doc;
    int64_t n = -1;

    store_put(&s, "{\"id\":\"a\",\"fail\":1}");
    store_put(&s, "{\"id\":\"b\"}");
    rise_to(&s, 1);
    for (int indexed = 0; indexed < 2; indexed++) {
        if (indexed)
            index_by_fail(&s);
        CHECK_INT(found(&s, "{}"), 1);
        CHECK_INT(found(&s, "{\"selector\":{\"fail\":1}}"), 0);
        CHECK_INT(found(&s, "{\"sort\":[{\"v1\":\"asc\"}]}"), 1);
    }
    CHECK_RC(replica_search(s.coll, NULL, "1", 10, &cursor, &test_err), 0);
    CHECK_RC(replica_cursor_next(cursor, &doc, &test_err), 0);
    replica_cursor_close(cursor);
    CHECK_RC(replica_sql(s.db, "SELECT count(*) FROM notes", NULL, 0, count_row, &n, &test_err), 0);
    CHECK_INT(n, 1);
    CHECK_RC(replica_update_many(s.coll, "{}", 2, "{\"x\":1}", REPLICA_NUL, &n, &test_err), 0);
    CHECK_INT(n, 1);
    CHECK_RC(replica_migration_state(s.coll, &p, &test_err), 0);
    CHECK_INT(p.failed, 1);
}

TEST(queries_of_a_program_that_was_overtaken_are_refused)
{
    STORE s = rise_open(tmp_path("test.db"), 0, 0);
    replica_cursor *cursor = NULL;
    replica_doc *doc;
    struct store newer;
    int64_t n;

    store_put(&s, "{\"id\":\"a\"}");
    newer = rise_open(s.path, 0, 1);
    rise_finish(&newer);
    CHECK_RC(replica_find(s.coll, "{}", 2, &cursor, &test_err), REPLICA_EVERSION);
    CHECK_RC(replica_count(s.coll, "{}", 2, &n, &test_err), REPLICA_EVERSION);
    CHECK_RC(replica_delete_many(s.coll, "{}", 2, &n, &test_err), REPLICA_EVERSION);
    CHECK_STR(test_err.where, "notes");
    CHECK_RC(replica_find(s.coll, "{}", 2, &cursor, NULL), REPLICA_EVERSION);
    CHECK_RC(replica_all(s.coll, NULL, &cursor, &test_err), 0);
    CHECK_RC(replica_cursor_next(cursor, &doc, &test_err), REPLICA_EVERSION);
    replica_cursor_close(cursor);
    CHECK_RC(replica_put(s.coll, "{\"id\":\"b\"}", REPLICA_NUL, NULL, NULL, NULL, NULL),
             REPLICA_EVERSION);
    CHECK_INT(found(&newer, "{}"), 1);
    store_close(&newer);
}
