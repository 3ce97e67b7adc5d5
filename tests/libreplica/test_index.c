/* Indexes: what a write does to them, what they refuse, and which ones there are. */
#include "base/buf.h"
#include "libreplica/db.h"
#include "libreplica/index/index.h"
#include "libreplica/master.h"
#include "libreplica/txn.h"
#include "schema/collection.h"
#include "tests/support/fault.h"
#include "tests/support/store.h"
#include "tests/support/test.h"

#include <sqlite3.h>
#include <stdio.h>

#define ENTRIES "SELECT count(*) FROM entry"
#define LEFT_OVER "SELECT (SELECT count(*) FROM entry) + (SELECT count(*) FROM idx)"

static int create(struct store *s, const char *name, const char *field, const char *where,
                  unsigned flags)
{
    replica_index_options o = REPLICA_INDEX_OPTIONS_INIT;

    o.name = name;
    o.fields = &field;
    o.n = 1;
    o.where = where;
    o.flags = flags;
    return replica_index_create(s->coll, &o, &test_err);
}

static void index_on(struct store *s, const char *field, const char *where, unsigned flags)
{
    CHECK_RC(create(s, NULL, field, where, flags), 1);
    CHECK_RC(replica_index_wait(s->coll, &test_err), 0);
}

static int64_t count(struct store *s, const char *query)
{
    int64_t n = -1;

    CHECK_RC(replica_count(s->coll, query, REPLICA_NUL, &n, &test_err), 0);
    return n;
}

/* ---- the write path -------------------------------------------------------------- */

TEST(each_way_of_writing_keeps_the_entries)
{
    STORE s = store_empty();
    replica_bulk_row rows[2] = { { .json = "{\"id\":\"c\",\"n\":3}", .len = REPLICA_NUL },
                                 { .json = "{\"id\":\"d\",\"n\":[4,5]}", .len = REPLICA_NUL } };

    store_put(&s, "{\"id\":\"a\",\"n\":1}");
    index_on(&s, "n", NULL, 0);
    store_put(&s, "{\"id\":\"b\",\"n\":2}");
    CHECK_RC(replica_bulk(s.coll, rows, 2, &test_err), 0);
    CHECK_INT(store_sql_int(&s, ENTRIES), 6);
    CHECK_RC(replica_patch(s.coll, "a", "{\"n\":7}", REPLICA_NUL, REPLICA_ANY_REV, NULL, NULL,
                           &test_err),
             1);
    CHECK_INT(count(&s, "{\"selector\":{\"n\":7}}"), 1);
    CHECK_INT(count(&s, "{\"selector\":{\"n\":1}}"), 0);
    store_delete(&s, "d");
    CHECK_INT(store_sql_int(&s, ENTRIES), 3);
    store_put(&s, "{\"id\":\"d\",\"n\":8}");
    CHECK_INT(count(&s, "{\"selector\":{\"n\":{\"$gte\":3}}}"), 3);
    store_sound(&s);
    store_reopen(&s);
    CHECK_INT(count(&s, "{\"selector\":{\"n\":{\"$gte\":3}}}"), 3);
}

TEST(pulled_documents_have_entries)
{
    STORE s = store_empty();
    struct come docs[] = { { .json = "{\"id\":\"a\",\"n\":1}", .sequence = 1 },
                           { .json = "{\"id\":\"b\",\"n\":1}", .sequence = 2 },
                           { .json = "{\"id\":\"b\",\"n\":1}", .sequence = 3, .deleted = true } };

    index_on(&s, "n", NULL, 0);
    store_replicate(&s, "r1");
    CHECK_RC(store_pull(&s, "1", docs, 3), 0);
    CHECK_INT(store_sql_int(&s, ENTRIES), 1);
    store_sound(&s);
}

TEST(what_is_not_indexed_by_a_write_is_found_by_the_check)
{
    STORE s = store_empty();
    int found = 0;

    store_put(&s, "{\"id\":\"a\",\"n\":1}");
    index_on(&s, "n", NULL, 0);
    store_sound(&s);
    store_sql(&s, "UPDATE entry SET key = x'20'");
    found = replica_check(s.db, NULL, NULL, &test_err);
    CHECK_INT(found, 2);
    store_sql(&s, "DELETE FROM entry");
    CHECK_INT(replica_check(s.db, NULL, NULL, &test_err), 1);
    store_sql(&s, "INSERT INTO entry VALUES(99, x'20', 1)");
    CHECK_INT(replica_check(s.db, NULL, NULL, &test_err), 2);
}

/* Another handle's writes follow an index that this one made meanwhile. */
TEST(handles_learn_of_each_others_indexes)
{
    STORE s = store_empty();
    STORE other = store_open(s.path, NULL);

    store_put(&other, "{\"id\":\"a\",\"n\":1}");
    index_on(&s, "n", NULL, 0);
    store_put(&other, "{\"id\":\"b\",\"n\":2}");
    CHECK_INT(store_sql_int(&s, ENTRIES), 2);
    CHECK_INT(count(&other, "{\"selector\":{\"n\":2}}"), 1);
    CHECK_RC(replica_index_drop(other.coll, "n", &test_err), 1);
    store_put(&s, "{\"id\":\"c\",\"n\":3}");
    CHECK_INT(count(&s, "{\"selector\":{\"n\":3}}"), 1);
    store_sound(&s);
}

TEST(a_partial_index_has_the_documents_that_match)
{
    STORE s = store_empty();

    index_on(&s, "n", "{\"k\":\"x\"}", 0);
    store_put(&s, "{\"id\":\"a\",\"n\":1,\"k\":\"x\"}");
    store_put(&s, "{\"id\":\"b\",\"n\":1,\"k\":\"y\"}");
    CHECK_INT(store_sql_int(&s, ENTRIES), 1);
    store_put(&s, "{\"id\":\"b\",\"n\":1,\"k\":\"x\"}");
    CHECK_INT(store_sql_int(&s, ENTRIES), 2);
    store_put(&s, "{\"id\":\"a\",\"n\":1}");
    CHECK_INT(store_sql_int(&s, ENTRIES), 1);
    CHECK_INT(count(&s, "{\"selector\":{\"n\":1,\"k\":\"x\"}}"), 1);
    CHECK_INT(count(&s, "{\"selector\":{\"n\":1}}"), 2);
    store_sound(&s);
}

/* Three arrays of 20 would be 9261 entries. */
TEST(many_arrays_in_one_document_do_not_multiply_without_bound)
{
    STORE s = store_empty();
    const char *fields[] = { "a", "b", "c" };
    replica_index_options o = REPLICA_INDEX_OPTIONS_INIT;
    REPLICA_BUF text = REPLICA_BUF_INIT;
    REPLICA_BUF list = REPLICA_BUF_INIT;

    o.fields = fields;
    o.n = 3;
    CHECK_RC(replica_index_create(s.coll, &o, &test_err), 1);
    for (int i = 0; i < 20; i++)
        replica__buf_printf(&list, "%s%d", i ? "," : "", i);
    replica__buf_printf(&text, "{\"id\":\"m\",\"a\":[%s],\"b\":[%s],\"c\":[%s]}", list.data,
                        list.data, list.data);
    store_put(&s, text.data);
    store_put(&s, "{\"id\":\"n\",\"a\":3,\"b\":5,\"c\":7}");
    CHECK_INT(store_sql_int(&s, ENTRIES), 22);
    CHECK_INT(count(&s, "{\"selector\":{\"a\":3,\"b\":5,\"c\":7}}"), 2);
    CHECK_INT(count(&s, "{\"selector\":{\"a\":3,\"b\":5,\"c\":99}}"), 0);
    store_sound(&s);
}

/* ---- unique ---------------------------------------------------------------------- */

TEST(a_unique_index_refuses_a_second_document_with_its_values)
{
    STORE s = store_empty();

    index_on(&s, "mail", NULL, REPLICA_INDEX_UNIQUE);
    store_put(&s, "{\"id\":\"a\",\"mail\":\"x\"}");
    CHECK_RC(replica_put(s.coll, "{\"id\":\"b\",\"mail\":\"x\"}", REPLICA_NUL, NULL, NULL, NULL,
                         &test_err),
             REPLICA_ECONFLICT);
    CHECK_STR(test_err.message, "unique index 'mail': document 'a' has these values");
    CHECK_STR(test_err.where, "notes/b");
    CHECK_RC(replica_put(s.coll, "{\"id\":\"b\",\"mail\":\"x\"}", REPLICA_NUL, NULL, NULL, NULL,
                         NULL),
             REPLICA_ECONFLICT);
    CHECK_STR(store_json(&s, "b"), NULL);
    store_put(&s, "{\"id\":\"a\",\"mail\":\"x\",\"more\":1}");
    store_put(&s, "{\"id\":\"b\"}"); /* without the field it does not count */
    store_put(&s, "{\"id\":\"c\"}");
    CHECK_RC(replica_patch(s.coll, "c", "{\"mail\":\"x\"}", REPLICA_NUL, REPLICA_ANY_REV, NULL,
                           NULL, &test_err),
             REPLICA_ECONFLICT);
    store_delete(&s, "a");
    store_put(&s, "{\"id\":\"c\",\"mail\":\"x\"}");
    store_sound(&s);
}

TEST(arrays_that_have_nothing_at_the_path_do_not_count_for_a_unique_index)
{
    STORE s = store_with("{\"id\":\"a\",\"tags\":[{}]}");

    index_on(&s, "tags.name", NULL, REPLICA_INDEX_UNIQUE);
    store_put(&s, "{\"id\":\"b\",\"tags\":[{}]}");
    store_put(&s, "{\"id\":\"c\",\"tags\":[]}");
    store_put(&s, "{\"id\":\"d\",\"tags\":[]}");
    store_put(&s, "{\"id\":\"e\",\"tags\":[1,{\"name\":\"x\"}]}");
    store_put(&s, "{\"id\":\"f\",\"tags\":[2,{\"name\":\"y\"}]}");
    store_sound(&s);
}

TEST(a_new_document_that_is_not_unique_gets_the_stored_one_of_its_key)
{
    STORE s = store_with("{\"id\":\"a\",\"n\":1}");
    replica_doc *stored = s.shown;

    store_put(&s, "{\"id\":\"b\",\"n\":2}");
    index_on(&s, "n", NULL, REPLICA_INDEX_UNIQUE);
    CHECK_RC(replica_put(s.coll, "{\"id\":\"a\",\"n\":2}", REPLICA_NUL, NULL, NULL, &stored,
                         &test_err),
             REPLICA_ECONFLICT);
    CHECK(stored);
    CHECK_STR(replica_doc_json(stored, NULL), "{\"id\":\"a\",\"n\":1}");
    CHECK(!s.db->taken);
    replica_doc_unref(stored);
}

TEST(where_a_unique_index_stands_in_the_way_there_is_no_stored_document)
{
    STORE s = store_with("{\"id\":\"a\",\"n\":1}");
    replica_doc *stored = (replica_doc *)&s; /* nothing that may be looked at */

    index_on(&s, "n", NULL, REPLICA_INDEX_UNIQUE);
    CHECK_RC(replica_put(s.coll, "{\"id\":\"b\",\"n\":1}", REPLICA_NUL, NULL, NULL, &stored,
                         &test_err),
             REPLICA_ECONFLICT);
    CHECK(!stored);
}

TEST(a_row_of_many_that_is_not_unique_is_refused_alone)
{
    STORE s = store_empty();
    replica_bulk_row rows[3] = { { .json = "{\"id\":\"a\",\"m\":1}", .len = REPLICA_NUL },
                                 { .json = "{\"id\":\"b\",\"m\":1.0}", .len = REPLICA_NUL },
                                 { .json = "{\"id\":\"c\",\"m\":2}", .len = REPLICA_NUL } };

    index_on(&s, "m", NULL, REPLICA_INDEX_UNIQUE);
    CHECK_RC(replica_bulk(s.coll, rows, 3, &test_err), 1);
    CHECK_INT(rows[0].code, 0);
    CHECK_INT(rows[1].code, REPLICA_ECONFLICT);
    CHECK_INT(rows[2].code, 0);
    CHECK_STR(store_json(&s, "b"), NULL);
    store_sound(&s);
}

TEST(a_pulled_document_that_is_not_unique_waits_and_stops_nothing)
{
    STORE s = store_empty();
    struct come docs[] = { { .json = "{\"id\":\"b\",\"m\":1}", .sequence = 1 },
                           { .json = "{\"id\":\"c\",\"m\":2}", .sequence = 2 } };

    index_on(&s, "m", NULL, REPLICA_INDEX_UNIQUE);
    store_put(&s, "{\"id\":\"a\",\"m\":1}");
    store_replicate(&s, "r1");
    CHECK_RC(store_pull(&s, "2", docs, 2), 0);
    CHECK_INT(docs[0].outcome, REPLICA__PULLED_ASIDE);
    CHECK_INT(docs[1].outcome, REPLICA__PULLED_WRITTEN);
    CHECK_STR(store_json(&s, "b"), NULL);
    CHECK_STR(replica__feed_checkpoint(s.repl, 0), "2");
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM aside WHERE doc = 'b'"), 1);
    store_sound(&s);
}

/* In the order of the page b comes before a has made room for it. */
TEST(a_page_may_move_a_unique_value_from_one_document_to_another)
{
    STORE s = store_empty();
    struct come first[] = { { .json = "{\"id\":\"a\",\"m\":1}", .sequence = 1 } };
    struct come second[] = { { .json = "{\"id\":\"b\",\"m\":1}", .sequence = 2 },
                             { .json = "{\"id\":\"a\",\"m\":2}", .sequence = 3 } };

    index_on(&s, "m", NULL, REPLICA_INDEX_UNIQUE);
    store_replicate(&s, "r1");
    CHECK_RC(store_pull(&s, "1", first, 1), 0);
    CHECK_RC(store_pull(&s, "3", second, 2), 0);
    CHECK_STR(store_json(&s, "b"), "{\"id\":\"b\",\"m\":1}");
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM aside"), 0);
    store_sound(&s);
}

TEST(an_old_state_that_is_not_unique_is_only_old)
{
    STORE s = store_empty();
    struct come docs[] = { { .json = "{\"id\":\"c\",\"n\":9}", .sequence = 10 },
                           { .json = "{\"id\":\"a\",\"n\":1}", .sequence = 5 } };

    index_on(&s, "n", NULL, REPLICA_INDEX_UNIQUE);
    store_replicate(&s, "r1");
    store_clean(&s, "{\"id\":\"a\",\"n\":1}", 5);
    store_clean(&s, "{\"id\":\"a\",\"n\":2}", 7);
    store_clean(&s, "{\"id\":\"b\",\"n\":1}", 8);
    CHECK_RC(store_pull(&s, "{}", docs, 2), 0);
    CHECK_INT(docs[0].outcome, REPLICA__PULLED_WRITTEN);
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM aside"), 0);
    CHECK_STR(store_json(&s, "a"), "{\"id\":\"a\",\"n\":2}");
}

TEST(an_answer_to_a_conflict_that_is_not_unique_sets_the_document_aside)
{
    STORE s = store_empty();

    index_on(&s, "m", NULL, REPLICA_INDEX_UNIQUE);
    store_replicate(&s, "r1");
    store_clean(&s, "{\"id\":\"b\",\"m\":2}", 1);
    store_put(&s, "{\"id\":\"a\",\"m\":1}");
    store_put(&s, "{\"id\":\"b\",\"m\":3}");
    CHECK_INT(store_pull_one(&s, "{\"id\":\"b\",\"m\":1}", 2), REPLICA__PULLED_UNSETTLED);
    {
        QUESTION q = store_question(&s);

        CHECK(store_settle(&s, &q, REPLICA__SETTLE_REAL, NULL, "remote"));
    }
    CHECK_STR(store_json(&s, "b"), "{\"id\":\"b\",\"m\":3}");
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM aside WHERE doc = 'b'"), 1);
    store_sound(&s);
}

TEST(a_conflict_that_was_not_unique_is_met_when_the_server_has_made_room)
{
    STORE s = store_empty();

    index_on(&s, "m", NULL, REPLICA_INDEX_UNIQUE);
    store_replicate(&s, "r1");
    store_clean(&s, "{\"id\":\"b\",\"m\":2}", 1);
    store_put(&s, "{\"id\":\"a\",\"m\":1}");
    store_put(&s, "{\"id\":\"b\",\"m\":3}");
    for (int m = 1; m <= 4; m += 3) { /* the first one is a's */
        char json[40];

        snprintf(json, sizeof json, "{\"id\":\"b\",\"m\":%d}", m);
        CHECK_INT(store_pull_one(&s, json, m + 1), REPLICA__PULLED_UNSETTLED);
        QUESTION q = store_question(&s);

        CHECK(store_settle(&s, &q, REPLICA__SETTLE_REAL, NULL, "remote"));
    }
    CHECK_STR(store_json(&s, "b"), "{\"id\":\"b\",\"m\":4}");
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM aside"), 0);
    CHECK_INT(store_state(&s, "b"), REPLICA_DOC_IN_SYNC);
    store_sound(&s);
}

TEST(a_push_of_what_is_not_unique_is_refused_row_by_row)
{
    STORE s = store_empty();
    static const char *const texts[] = { "{\"id\":\"b\",\"m\":1}", "{\"id\":\"c\",\"m\":2}" };
    struct replica__master_row rows[2] = { { .coll = s.coll }, { .coll = s.coll } };
    int64_t before, after;

    index_on(&s, "m", NULL, REPLICA_INDEX_UNIQUE);
    store_put(&s, "{\"id\":\"a\",\"m\":1}");
    for (int i = 0; i < 2; i++) {
        size_t pos = 0;

        CHECK_RC(replica__json_scan(texts[i], strlen(texts[i]), &pos, "id",
                                    &(struct replica__json_limits){ 0, 0 }, &rows[i].doc,
                                    &test_err),
                 0);
    }
    CHECK_RC(replica__master_push(s.db, rows, 2, &(struct replica__pusher){ 0 }, &before, &after,
                                  &test_err), 0);
    CHECK_INT(rows[0].verdict, REPLICA_VERDICT_REFUSED);
    CHECK_INT(rows[0].code, 422);
    CHECK(strstr(rows[0].reason, "'a'"));
    CHECK_INT(rows[1].verdict, REPLICA_VERDICT_TAKEN);
    store_sound(&s);
}

/* ---- which ones there are -------------------------------------------------------- */

static int join(void *ctx, const replica_index_entry *e)
{
    replica__buf_printf(ctx, "%s(%zu)%s%s%s ", e->name, e->n, e->ready ? "" : " unbuilt",
                        e->from_schema ? " schema" : "", e->where ? " partial" : "");
    return 0;
}

static const char *list(struct store *s)
{
    static struct replica__buf names;

    replica__buf_clear(&names);
    replica__buf_str(&names, " ");
    CHECK_RC(replica_indexes(s->coll, join, &names, &test_err), 0);
    return names.data;
}

TEST(indexes_are_listed_by_name_and_created_once)
{
    STORE s = store_empty();

    CHECK_RC(create(&s, "z", "n", NULL, 0), 1);
    CHECK_RC(create(&s, NULL, "n", "{\"n\":{\"$gt\":1}}", 0), 1);
    CHECK_RC(create(&s, NULL, "n", "{ \"n\": {\"$gt\":1} }", 0), 0);
    CHECK_RC(create(&s, NULL, "n", NULL, 0), REPLICA_EINVAL);
    CHECK_RC(create(&s, "z", "m", NULL, 0), REPLICA_EINVAL);
    CHECK_STR(list(&s), " n(1) partial z(1) ");
    CHECK_RC(replica_index_drop(s.coll, "z", &test_err), 1);
    CHECK_RC(replica_index_drop(s.coll, "z", &test_err), 0);
    CHECK_STR(list(&s), " n(1) partial ");
}

TEST(what_is_no_index_is_refused)
{
    STORE s = store_empty();
    const char *twice[] = { "a", "a" };
    replica_index_options o = REPLICA_INDEX_OPTIONS_INIT;

    CHECK_RC(create(&s, NULL, "", NULL, 0), REPLICA_EINVAL);
    CHECK_RC(create(&s, NULL, "a..b", NULL, 0), REPLICA_EINVAL);
    CHECK_RC(create(&s, NULL, "a", "{\"a\":{\"$foo\":1}}", 0), REPLICA_EINVAL);
    CHECK_RC(create(&s, NULL, "a", NULL, 1u << 7), REPLICA_EINVAL);
    CHECK_RC(create(&s, NULL, "a", NULL, REPLICA_INDEX_UNIQUE | REPLICA_INDEX_TEXT),
             REPLICA_EINVAL);
    CHECK_RC(replica_index_create(s.coll, &o, &test_err), REPLICA_EINVAL);
    o.fields = twice;
    o.n = 2;
    CHECK_RC(replica_index_create(s.coll, &o, &test_err), REPLICA_EINVAL);
    CHECK_INT(store_sql_int(&s, LEFT_OVER), 0);
}

TEST(the_indexes_of_a_schema_come_and_go_with_it)
{
    STORE s = store_empty();
    char a_text[] = "a", b_text[] = "b", c_text[] = "c", id_text[] = "id";
    char *a[] = { a_text }, *bc[] = { b_text, c_text, id_text };
    struct replica__index_spec both[] = { { a, 1 }, { bc, 3 } };
    struct replica__collection_schema one = { .indexes = both, .index_count = 1 };
    struct replica__collection_schema two = { .indexes = both, .index_count = 2 };

    CHECK_RC(create(&s, "mine", "a", NULL, 0), 1);
    CHECK_RC(replica__indexes_follow_schema(s.coll, &two, &test_err), 0);
    CHECK_STR(list(&s), " a(1) schema b,c(2) schema mine(1) ");
    CHECK_RC(replica__indexes_follow_schema(s.coll, &one, &test_err), 0);
    CHECK_STR(list(&s), " a(1) schema mine(1) ");
    CHECK_RC(replica__indexes_follow_schema(s.coll, NULL, &test_err), 0);
    CHECK_STR(list(&s), " mine(1) ");
}

/* ---- P1 -------------------------------------------------------------------------- */

static int put_b(struct store *s)
{
    return replica_upsert(s->coll, "{\"id\":\"b\",\"n\":[7,8],\"m\":1}", REPLICA_NUL, NULL,
                          &test_err);
}

/* Whatever fails, document and entries are those of before, or those of after. */
static void judge(struct store *s, int r)
{
    CHECK_INT(count(s, "{\"selector\":{\"n\":7}}"), r == 0);
    store_sound(s);
    CHECK_RC(put_b(s), 0);
    CHECK_INT(count(s, "{\"selector\":{\"n\":8}}"), 1);
    store_sound(s);
}

static void with_indexes(struct store *s)
{
    index_on(s, "n", NULL, 0);
    index_on(s, "m", NULL, REPLICA_INDEX_UNIQUE);
    store_put(s, "{\"id\":\"b\",\"n\":1,\"m\":2}");
}

LONG_TEST(a_failed_allocation_leaves_documents_and_entries_in_step)
{
    for (int nth = 0, failed = 1; failed; nth++) {
        STORE s = store_memory();
        int r;

        with_indexes(&s);
        fault_alloc(nth);
        r = put_b(&s);
        failed = fault_stop();
        CHECK(r == 0 || (failed && r == REPLICA_ENOMEM));
        judge(&s, r);
    }
}

LONG_TEST(a_failed_write_to_the_disk_leaves_documents_and_entries_in_step)
{
    for (int nth = 0, failed = 1; failed; nth++) {
        STORE s = store_empty();
        int r;

        CHECK(replica_index_drop(s.coll, "n", &test_err) >= 0);
        CHECK(replica_index_drop(s.coll, "m", &test_err) >= 0);
        with_indexes(&s);
        fault_io(FAULT_WRITE, nth, SQLITE_IOERR);
        r = put_b(&s);
        failed = fault_stop();
        CHECK(r == 0 || (failed && (r == REPLICA_EIO || r == REPLICA_EFULL)));
        judge(&s, r);
    }
}

static bool has_index(struct store *s)
{
    return strstr(list(s), " n(1) ") != NULL;
}

LONG_TEST(a_failed_allocation_creates_or_drops_an_index_as_a_whole)
{
    for (int nth = 0, failed = 1; failed; nth++) {
        STORE s = store_memory();
        int r;

        fault_alloc(nth);
        r = create(&s, NULL, "n", NULL, 0);
        failed = fault_stop();
        CHECK(r == 1 || (failed && r == REPLICA_ENOMEM));
        CHECK(has_index(&s) == (r == 1));
        CHECK_RC(create(&s, NULL, "n", NULL, 0), r < 0);
        fault_alloc(nth);
        r = replica_index_drop(s.coll, "n", &test_err);
        failed |= fault_stop();
        CHECK(r == 1 || r == REPLICA_ENOMEM);
        CHECK(has_index(&s) == (r < 0));
        store_sound(&s);
    }
}
