/* Documents that rise to their collection's version: when they are read, when they are written, in
 * dispatch, and what becomes of those that cannot. */
#include "libreplica/db.h"
#include "tests/support/rise.h"
#include "tests/support/test.h"
#include "tests/support/tmp.h"

#include <stdio.h>

static struct store at_0(const char *json)
{
    struct store s = rise_open(tmp_path("test.db"), 0, 0);

    if (json)
        store_put(&s, json);
    return s;
}

static void put_many(struct store *s, int n)
{
    char text[60];

    for (int i = 0; i < n; i++) {
        snprintf(text, sizeof text, "{\"id\":\"k%03d\"}", i);
        store_put(s, text);
    }
}

static replica_migration_progress progress(struct store *s)
{
    replica_migration_progress p = { 0 };

    CHECK_RC(replica_migration_state(s->coll, &p, &test_err), 0);
    return p;
}

/* ---- opening --------------------------------------------------------------------- */

TEST(a_collection_is_raised_at_once_and_its_documents_when_they_are_read)
{
    STORE s = at_0("{\"id\":\"a\"}");

    rise_steps = 0;
    store_put(&s, "{\"id\":\"b\"}");
    rise_to(&s, 1);
    CHECK_INT(replica_collection_version(s.coll), 1);
    CHECK_INT(rise_count(&s, 0), 2);
    CHECK_INT(progress(&s).left, 2);
    CHECK_STR(store_json(&s, "a"), "{\"id\":\"a\",\"v1\":0}");
    CHECK_INT(rise_count(&s, 1), 1);
    CHECK_INT(rise_steps, 1);
    CHECK_STR(store_json(&s, "a"), "{\"id\":\"a\",\"v1\":0}");
    CHECK_INT(rise_steps, 1); /* it is written */
    store_sound(&s);
}

TEST(documents_rise_by_all_the_steps_in_between)
{
    STORE s = at_0("{\"id\":\"a\"}");

    rise_to(&s, 3);
    CHECK_STR(store_json(&s, "a"), "{\"id\":\"a\",\"v1\":0,\"v2\":0,\"v3\":0}");
}

TEST(a_missing_step_is_named)
{
    STORE s = at_0("{\"id\":\"a\"}");
    const replica_collection_options opts = { .size = sizeof opts,
                                              .version = 2,
                                              .migrations = &rise_migrations[1],
                                              .migration_count = 1 };
    replica_db *db = NULL;
    replica_collection *coll = NULL;

    CHECK_RC(replica_db_open(s.path, NULL, &db, &test_err), 0);
    CHECK_RC(replica_db_collection(db, "notes", &opts, &coll, &test_err), REPLICA_EINVAL);
    CHECK_STR(test_err.message,
              "'notes' has documents of version 0, and there is no migration to version 1");
    CHECK_INT(store_sql_int(&s, "SELECT version FROM collection"), 0);
    replica_db_close(db);
}

TEST(a_collection_without_documents_needs_no_steps)
{
    STORE s = at_0(NULL);
    const replica_collection_options opts = { .size = sizeof opts, .version = 7 };
    replica_db *db = NULL;
    replica_collection *coll = NULL;

    CHECK_RC(replica_db_open(s.path, NULL, &db, &test_err), 0);
    CHECK_RC(replica_db_collection(db, "notes", &opts, &coll, &test_err), 0);
    CHECK_INT(replica_collection_version(coll), 7);
    replica_db_close(db);
}

TEST(an_interrupted_migration_needs_its_steps_again)
{
    STORE s = at_0("{\"id\":\"a\"}");
    const replica_collection_options opts = { .size = sizeof opts, .version = 1 };
    replica_db *db = NULL;
    replica_collection *coll = NULL;

    rise_to(&s, 1); /* and nothing has risen yet */
    CHECK_RC(replica_db_open(s.path, NULL, &db, &test_err), 0);
    CHECK_RC(replica_db_collection(db, "notes", &opts, &coll, &test_err), REPLICA_EINVAL);
    rise_finish(&s);
    CHECK_RC(replica_db_collection(db, "notes", &opts, &coll, &test_err), 0);
    replica_db_close(db);
}

TEST(steps_that_lead_nowhere_are_refused)
{
    const replica_migration twice[] = { rise_migrations[0], rise_migrations[0] };
    const replica_migration none[] = { { .to = 1 } };
    replica_collection_options opts = { .size = sizeof opts, .version = 1, .migration_count = 2,
                                        .migrations = twice };
    STORE s = at_0(NULL);
    replica_collection *coll = NULL;

    CHECK_RC(replica_db_collection(s.db, "others", &opts, &coll, &test_err), REPLICA_EINVAL);
    opts.migrations = none;
    opts.migration_count = 1;
    CHECK_RC(replica_db_collection(s.db, "others", &opts, &coll, &test_err), REPLICA_EINVAL);
}

TEST(an_older_program_neither_writes_nor_reads_what_has_risen)
{
    STORE s = at_0("{\"id\":\"a\"}");
    struct store newer = rise_open(s.path, 0, 1);
    replica_doc *doc = NULL;

    rise_finish(&newer);
    CHECK_RC(replica_upsert(s.coll, "{\"id\":\"a\",\"n\":2}", REPLICA_NUL, NULL, &test_err),
             REPLICA_EVERSION);
    CHECK_RC(replica_upsert(s.coll, "{\"id\":\"new\"}", REPLICA_NUL, NULL, &test_err),
             REPLICA_EVERSION);
    CHECK_RC(replica_get(s.coll, "a", &doc, &test_err), REPLICA_EVERSION);
    CHECK_STR(store_json(&newer, "a"), "{\"id\":\"a\",\"v1\":0}");
    store_close(&newer);
}

/* ---- in the background ------------------------------------------------------------ */

TEST(all_documents_rise_in_dispatch)
{
    STORE s = at_0(NULL);

    rise_steps = 0;
    put_many(&s, 300);
    store_delete(&s, "k007");
    rise_to(&s, 1);
    CHECK_INT(replica_db_timeout(s.db), 0);
    rise_finish(&s);
    CHECK_INT(rise_count(&s, 1), 299);
    CHECK_INT(store_sql_int(&s, "SELECT unmigrated IS NULL FROM collection"), 1);
    CHECK_INT(store_sql_int(&s, "SELECT version FROM doc WHERE id = 'k007'"), 0);
    CHECK_INT(rise_steps, 299);
    store_sound(&s);
}

TEST(a_migration_goes_on_where_it_was_interrupted)
{
    STORE s = at_0(NULL);

    rise_steps = 0;
    put_many(&s, 300);
    rise_to(&s, 1);
    store_sql(&s, "UPDATE collection SET unmigrated = 200"); /* as if it had been killed there */
    rise_to(&s, 1);
    rise_finish(&s);
    CHECK_INT(rise_steps, 100);
}

TEST(finish_migrates_all_in_the_call)
{
    STORE s = at_0(NULL);

    put_many(&s, 200);
    rise_to(&s, 2);
    CHECK_RC(replica_migration_finish(s.coll, &test_err), 0);
    CHECK_INT(rise_count(&s, 2), 200);
    CHECK_INT(progress(&s).left, 0);
    CHECK_INT(progress(&s).version, 2);
    CHECK_RC(replica_migration_finish(s.coll, &test_err), 0);
}

TEST(two_handles_migrate_at_once)
{
    STORE s = at_0(NULL);
    struct store other;

    put_many(&s, 500);
    rise_to(&s, 1);
    other = rise_open(s.path, 0, 1);
    for (int i = 0; i < 500; i += 2) {
        char id[20];

        snprintf(id, sizeof id, "k%03d", i);
        CHECK(store_json(i % 4 ? &s : &other, id) != NULL);
        CHECK(replica_db_dispatch(i % 3 ? &s.db[0] : other.db, 0, &test_err) >= 0);
    }
    rise_finish(&s);
    rise_finish(&other);
    CHECK_INT(rise_count(&s, 1), 500);
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM doc WHERE body LIKE '%\"v1\":0,%'"), 0);
    CHECK_INT(store_sql_int(&s, "SELECT max(height) FROM doc"), 2); /* each rose once */
    store_sound(&s);
    store_close(&other);
}

/* ---- what a step may say ----------------------------------------------------------- */

TEST(a_text_that_is_good_as_it_is_keeps_its_revision)
{
    STORE s = at_0("{\"id\":\"a\",\"keep\":1}");
    char rev[REPLICA_REV_SIZE];

    strcpy(rev, store_rev(&s, "a"));
    rise_to(&s, 1);
    CHECK_STR(store_rev(&s, "a"), rev);
    CHECK_INT(rise_count(&s, 1), 1);
}

TEST(a_document_that_rises_keeps_its_time_and_its_writer)
{
    STORE s = at_0(NULL);
    int64_t stamp;

    store_replicate(&s, "r1");
    CHECK_RC(store_pull(&s, NULL, &(struct come){ .json = "{\"id\":\"a\"}", .sequence = 1,
                                                  .writer = "far.3", .stamp = 77 << 16 }, 1), 0);
    stamp = store_sql_int(&s, "SELECT stamp FROM doc");
    rise_to(&s, 1);
    store_json(&s, "a");
    CHECK_INT(store_sql_int(&s, "SELECT stamp FROM doc"), stamp);
    CHECK_STR(replica_doc_writer(s.shown), "far.3");
    CHECK_INT(store_sql_int(&s, "SELECT height FROM doc"), 2);
}

TEST(what_a_step_drops_is_gone)
{
    STORE s = at_0("{\"id\":\"a\",\"drop\":1}");

    rise_to(&s, 1);
    CHECK_STR(store_json(&s, "a"), NULL);
    CHECK_INT(store_sql_int(&s, "SELECT flags & 1 FROM doc"), 1);
    store_sound(&s);
}

static int count_entry(void *ctx, const replica_rejected_entry *e)
{
    CHECK_INT(e->kind, REPLICA_ASIDE_MIGRATION);
    CHECK_STR(e->replication, "");
    *(int64_t *)ctx = e->number;
    return 0;
}

static int64_t rejected(struct store *s)
{
    int64_t number = 0;

    CHECK_RC(replica_rejected(s->db, s->coll, count_entry, &number, &test_err), 0);
    return number;
}

TEST(a_document_whose_step_fails_is_set_aside_and_the_others_go_on)
{
    STORE s = at_0("{\"id\":\"a\",\"fail\":1}");
    replica_doc *doc = NULL;

    store_put(&s, "{\"id\":\"b\"}");
    rise_to(&s, 1);
    rise_finish(&s);
    CHECK_INT(progress(&s).failed, 1);
    CHECK(rejected(&s) > 0);
    CHECK_STR(store_json(&s, "b"), "{\"id\":\"b\",\"v1\":0}");
    rise_steps = 0;
    CHECK_RC(replica_get(s.coll, "a", &doc, &test_err), REPLICA_EUSER);
    CHECK_STR(test_err.message, "'a' cannot be migrated to version 1: no way up");
    CHECK_STR(test_err.where, "notes/a");
    CHECK_INT(rise_steps, 0); /* it is known */
    CHECK_INT(store_sql_int(&s, "SELECT body = '{\"id\":\"a\",\"fail\":1}' FROM doc"
                                " WHERE id = 'a'"), 1);
}

TEST(texts_that_are_no_documents_of_that_key_set_it_aside)
{
    STORE s = at_0("{\"id\":\"a\",\"bad\":1}");
    replica_doc *doc = NULL;

    store_put(&s, "{\"id\":\"b\",\"key\":1}");
    rise_to(&s, 1);
    CHECK_RC(replica_get(s.coll, "a", &doc, &test_err), REPLICA_EUSER);
    CHECK_RC(replica_get(s.coll, "b", &doc, &test_err), REPLICA_EUSER);
    CHECK_STR(test_err.message,
              "'b' cannot be migrated to version 1: the primary key 'id' is not 'b'");
    CHECK_INT(progress(&s).failed, 2);
}

TEST(a_new_state_ends_a_migration_that_failed)
{
    STORE s = at_0("{\"id\":\"a\",\"fail\":1}");

    rise_to(&s, 1);
    rise_finish(&s);
    store_put(&s, "{\"id\":\"a\",\"n\":2}");
    CHECK_STR(store_json(&s, "a"), "{\"id\":\"a\",\"n\":2}");
    CHECK_INT(rejected(&s), 0);
    CHECK_INT(progress(&s).failed, 0);
}

TEST(a_migration_that_failed_is_tried_again)
{
    STORE s = at_0("{\"id\":\"a\",\"fail\":1}");
    int64_t number;

    rise_to(&s, 1);
    rise_finish(&s);
    number = rejected(&s);
    CHECK_RC(replica_rejected_discard(s.db, number, &test_err), REPLICA_ENOTSUP);
    CHECK_RC(replica_rejected_retry(s.db, number, &test_err), 1);
    CHECK_INT(rejected(&s), 0);
    CHECK_INT(progress(&s).left, 1);
    rise_steps = 0;
    rise_finish(&s);
    CHECK_INT(rise_steps, 1);
    CHECK_INT(progress(&s).failed, 1);
}

static int better_step(void *ctx, replica_doc *doc, replica_text *out)
{
    replica_text_add(out, "{\"id\":\"a\",\"mended\":1}", REPLICA_NUL);
    return REPLICA_MIGRATE_PUT;
}

TEST(a_program_with_a_better_step_mends_what_failed)
{
    STORE s = at_0("{\"id\":\"a\",\"fail\":1}");
    const replica_migration better = { .to = 1, .up = better_step };
    const replica_collection_options opts = { .size = sizeof opts,
                                              .version = 1,
                                              .migrations = &better,
                                              .migration_count = 1 };

    rise_to(&s, 1);
    rise_finish(&s);
    CHECK_INT(progress(&s).failed, 1);
    store_close(&s);
    CHECK_RC(replica_db_open(s.path, NULL, &s.db, &test_err), 0);
    CHECK_RC(replica_db_collection(s.db, "notes", &opts, &s.coll, &test_err), 0);
    rise_finish(&s);
    CHECK_STR(store_json(&s, "a"), "{\"id\":\"a\",\"mended\":1}");
    CHECK_INT(progress(&s).failed, 0);
    CHECK_INT(rejected(&s), 0);
}

/* ---- reading and writing ----------------------------------------------------------- */

static int list(struct store *s, bool feed, char *ret, size_t room)
{
    replica_cursor *cursor = NULL;
    replica_doc *doc;
    int n = 0, r;

    ret[0] = '\0';
    r = feed ? replica_changes(s->coll, 0, &cursor, &test_err)
             : replica_all(s->coll, NULL, &cursor, &test_err);
    while (r >= 0 && (r = replica_cursor_next(cursor, &doc, &test_err)) > 0) {
        CHECK(strstr(replica_doc_json(doc, NULL), "\"v1\":0"));
        snprintf(ret + strlen(ret), room - strlen(ret), "%s ", replica_doc_id(doc));
        n++;
    }
    CHECK_RC(r, 0);
    replica_cursor_close(cursor);
    return n;
}

TEST(cursors_give_documents_that_have_risen)
{
    STORE s = at_0("{\"id\":\"a\"}");
    char ids[100];

    store_put(&s, "{\"id\":\"b\",\"fail\":1}");
    store_put(&s, "{\"id\":\"c\",\"drop\":1}");
    store_put(&s, "{\"id\":\"d\"}");
    rise_to(&s, 1);
    CHECK_INT(list(&s, false, ids, sizeof ids), 2);
    CHECK_STR(ids, "a d ");
}

TEST(the_feed_tells_a_document_that_rises_once_and_later)
{
    STORE s = at_0(NULL);
    char ids[4000];

    put_many(&s, 300);
    rise_to(&s, 1);
    CHECK_INT(list(&s, true, ids, sizeof ids), 300);
}

TEST(the_feed_tells_also_the_last_ones_that_rise)
{
    STORE s = at_0("{\"id\":\"a\"}");
    char ids[40];

    store_put(&s, "{\"id\":\"b\"}");
    rise_to(&s, 1);
    CHECK_INT(list(&s, true, ids, sizeof ids), 2);
    CHECK_STR(ids, "a b ");
}

TEST(many_are_read_as_of_one_version)
{
    STORE s = at_0("{\"id\":\"a\"}");
    const char *ids[] = { "a", "x", "b" };
    replica_doc *docs[3] = { NULL };

    store_put(&s, "{\"id\":\"b\"}");
    rise_to(&s, 1);
    CHECK_RC(replica_get_many(s.coll, ids, 3, docs, &test_err), 2);
    CHECK_STR(replica_doc_json(docs[0], NULL), "{\"id\":\"a\",\"v1\":0}");
    CHECK_STR(replica_doc_json(docs[2], NULL), "{\"id\":\"b\",\"v1\":0}");
    for (int i = 0; i < 3; i++)
        replica_doc_unref(docs[i]);
}

TEST(a_patch_is_made_on_what_has_risen)
{
    STORE s = at_0("{\"id\":\"a\"}");

    rise_to(&s, 1);
    CHECK_RC(replica_patch(s.coll, "a", "{\"n\":1}", REPLICA_NUL, REPLICA_ANY_REV, NULL, NULL,
                           &test_err), 1);
    CHECK_STR(store_json(&s, "a"), "{\"id\":\"a\",\"v1\":0,\"n\":1}");
}

TEST(a_put_that_conflicts_shows_what_has_risen)
{
    STORE s = at_0("{\"id\":\"a\"}");
    replica_doc *stored = NULL;

    rise_to(&s, 1);
    CHECK_RC(replica_put(s.coll, "{\"id\":\"a\",\"n\":2}", REPLICA_NUL, NULL, NULL, &stored,
                         &test_err), REPLICA_ECONFLICT);
    CHECK_STR(replica_doc_json(stored, NULL), "{\"id\":\"a\",\"v1\":0}");
    CHECK_RC(replica_put(s.coll, "{\"id\":\"a\",\"n\":2}", REPLICA_NUL, replica_doc_rev(stored),
                         NULL, NULL, &test_err), 0);
    replica_doc_unref(stored);
}

TEST(a_bundle_that_conflicts_shows_what_has_risen)
{
    STORE s = at_0("{\"id\":\"a\"}");
    replica_bundle *bundle = NULL;
    replica_doc *stored = NULL;

    rise_to(&s, 1);
    CHECK_RC(replica_bundle_begin(s.db, &bundle, &test_err), 0);
    CHECK_RC(replica_bundle_put(bundle, s.coll, "{\"id\":\"a\"}", REPLICA_NUL, NULL, &test_err), 0);
    CHECK_RC(replica_bundle_commit(bundle, &stored, &test_err), REPLICA_ECONFLICT);
    CHECK_STR(replica_doc_json(stored, NULL), "{\"id\":\"a\",\"v1\":0}");
    replica_doc_unref(stored);
}

TEST(a_put_over_a_revision_that_has_not_risen_takes_its_place)
{
    STORE s = at_0("{\"id\":\"a\"}");
    char rev[REPLICA_REV_SIZE];

    rise_steps = 0;
    strcpy(rev, store_rev(&s, "a"));
    rise_to(&s, 1);
    CHECK_RC(replica_put(s.coll, "{\"id\":\"a\",\"n\":2}", REPLICA_NUL, rev, NULL, NULL,
                         &test_err), 0);
    CHECK_STR(store_json(&s, "a"), "{\"id\":\"a\",\"n\":2}");
    CHECK_INT(rise_steps, 0);
}

TEST(a_deletion_of_what_has_not_risen_keeps_its_text_and_its_version)
{
    STORE s = at_0("{\"id\":\"a\"}");

    rise_steps = 0;
    rise_to(&s, 1);
    store_delete(&s, "a");
    CHECK_INT(store_sql_int(&s, "SELECT version FROM doc"), 0);
    rise_finish(&s);
    CHECK_INT(rise_steps, 0);
    store_put(&s, "{\"id\":\"a\",\"n\":2}");
    CHECK_STR(store_json(&s, "a"), "{\"id\":\"a\",\"n\":2}");
}

TEST(a_reader_sees_documents_risen_and_writes_nothing)
{
    STORE s = at_0("{\"id\":\"a\"}");
    char rev[REPLICA_REV_SIZE], ids[40];
    struct store reader;

    strcpy(rev, store_rev(&s, "a"));
    reader = rise_open(s.path, REPLICA_DB_READ_ONLY, 1);
    CHECK_STR(store_json(&reader, "a"), "{\"id\":\"a\",\"v1\":0}");
    CHECK_STR(store_rev(&reader, "a"), rev);
    CHECK_INT(list(&reader, true, ids, sizeof ids), 1);
    CHECK_RC(replica_migration_finish(reader.coll, &test_err), REPLICA_EREADONLY);
    CHECK_INT(store_sql_int(&s, "SELECT version FROM collection"), 0);
    CHECK_INT(rise_count(&s, 0), 1);
    store_close(&reader);
}

TEST(a_handle_without_steps_sees_what_is_stored)
{
    STORE s = at_0("{\"id\":\"a\"}");
    struct store tool;

    rise_to(&s, 1);
    tool = store_open(s.path, NULL);
    CHECK_STR(store_json(&tool, "a"), "{\"id\":\"a\"}");
    CHECK_RC(replica_migration_finish(tool.coll, &test_err), REPLICA_EINVAL);
    store_close(&tool);
}
