/* Who sees that a document is taken away, and that nobody keeps its text. */
#include "base/buf.h"
#include "libreplica/feed.h"
#include "libreplica/query.h"
#include "tests/support/clock.h"
#include "tests/support/store.h"
#include "tests/support/test.h"
#include "tests/support/tmp.h"

#include <stdio.h>

#define A1 "{\"id\":\"a\",\"n\":\"aubergine\"}"
#define A2 "{\"id\":\"a\",\"n\":\"bergamot\"}"
#define B1 "{\"id\":\"b\",\"n\":\"clementine\"}"

static struct clock now;

/* A store whose collection keeps earlier states, and (ttl_ms > 0) in which documents expire. */
static struct store keeping(int history, int64_t ttl_ms)
{
    replica_collection_options o = REPLICA_COLLECTION_OPTIONS_INIT;
    struct store s = { .path = tmp_path("test.db") };

    o.history = history;
    o.ttl_ms = ttl_ms;
    CHECK_RC(replica_db_open(s.path, NULL, &s.db, &test_err), 0);
    clock_start(&now, INT64_C(1700000000000), 1);
    replica__db_set_world(s.db, &now.world);
    CHECK_RC(replica_db_collection(s.db, "notes", &o, &s.coll, &test_err), 0);
    store_replicate(&s, "r1");
    return s;
}

static void dispatch(struct store *s)
{
    for (int i = 0; i < 200 && replica_db_timeout(s->db) == 0; i++)
        CHECK(replica_db_dispatch(s->db, 100, &test_err) >= 0);
}

static void note_change(void *ctx, const replica_change *change)
{
    replica__buf_printf(ctx, "%s%s %s; ", replica_doc_deleted(change->doc) ? "-" : "+",
                        replica_doc_id(change->doc), replica_doc_json(change->doc, NULL));
}

TEST(an_observer_sees_a_deletion_that_has_nothing_but_the_key)
{
    STORE s = keeping(0, 0);
    REPLICA_BUF seen = REPLICA_BUF_INIT;

    store_clean(&s, A1, 5);
    CHECK_RC(replica_observe(s.coll, note_change, &seen, NULL, NULL, &test_err), 0);
    CHECK_INT(store_pull_gone(&s, "a", 6, REPLICA__GONE_VIEW), REPLICA__PULLED_WRITTEN);
    dispatch(&s);
    CHECK_STR(seen.data, "-a {\"id\":\"a\"}; ");
    store_close(&s);
    s = (struct store){ 0 };
}

static void note_live(void *ctx, replica_live *live, const replica_live_change *changes, size_t n,
                      const replica_error *err)
{
    (void)live;
    CHECK(!err);
    for (size_t i = 0; i < n; i++)
        replica__buf_printf(ctx, "%s%s ", changes[i].what == REPLICA_LIVE_REMOVED ? "-" : "+",
                            replica_doc_id(changes[i].doc));
}

TEST(a_live_query_sees_a_document_leave)
{
    STORE s = keeping(0, 0);
    REPLICA_BUF seen = REPLICA_BUF_INIT;
    replica_live *live = NULL;

    store_clean(&s, A1, 5);
    store_clean(&s, B1, 6);
    CHECK_RC(replica_live_start(s.coll, "{\"selector\":{}}", REPLICA_NUL, note_live, &seen, NULL,
                                &live, &test_err), 0);
    dispatch(&s);
    CHECK_INT(store_pull_gone(&s, "a", 7, REPLICA__GONE_VIEW), REPLICA__PULLED_WRITTEN);
    dispatch(&s);
    CHECK_STR(seen.data, "+a +b -a ");
    replica_live_cancel(live);
    store_close(&s);
    s = (struct store){ 0 };
}

static int count_states(void *ctx, replica_doc *doc)
{
    (void)doc;
    ++*(int *)ctx;
    return 0;
}

TEST(the_history_of_what_may_not_be_seen_is_gone)
{
    STORE s = keeping(5, 0);
    int n = 0;

    store_clean(&s, A1, 5);
    CHECK_INT(store_pull_one(&s, A2, 6), REPLICA__PULLED_WRITTEN);
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM history"), 1);
    CHECK_INT(store_pull_gone(&s, "a", 7, REPLICA__GONE_VIEW), REPLICA__PULLED_WRITTEN);
    CHECK_RC(replica_history(s.coll, "a", count_states, &n, &test_err), 0);
    CHECK_INT(n, 0);
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM history"), 0);
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM kept"), 0);
    CHECK_INT(store_words("aubergine"), 0);
    CHECK_INT(store_words("bergamot"), 0);
    store_sound(&s);
}

TEST(neither_an_index_nor_its_words_keep_what_may_not_be_seen)
{
    static const char *const fields[] = { "n" };
    const replica_index_options text = { .size = sizeof text, .name = "words", .fields = fields,
                                         .n = 1, .flags = REPLICA_INDEX_TEXT };
    const replica_index_options plain = { .size = sizeof plain, .name = "n", .fields = fields,
                                          .n = 1 };
    STORE s = keeping(0, 0);
    replica_cursor *cursor = NULL;
    replica_doc *doc = NULL;

    CHECK_RC(replica_index_create(s.coll, &text, &test_err), 1);
    CHECK_RC(replica_index_create(s.coll, &plain, &test_err), 1);
    CHECK_RC(replica_index_wait(s.coll, &test_err), 0);
    store_clean(&s, A1, 5);
    store_clean(&s, B1, 6);
    CHECK(store_words("aubergine") > 0);
    CHECK_INT(store_pull_gone(&s, "a", 7, REPLICA__GONE_VIEW), REPLICA__PULLED_WRITTEN);
    CHECK_INT(store_words("aubergine"), 0);
    CHECK_INT(store_words("ubergin"), 0); /* words may stand in parts */
    CHECK_RC(replica_search(s.coll, NULL, "aubergine OR clementine", -1, &cursor, &test_err), 0);
    CHECK_RC(replica_cursor_next(cursor, &doc, &test_err), 1);
    CHECK_STR(replica_doc_id(doc), "b");
    CHECK_RC(replica_cursor_next(cursor, &doc, &test_err), 0);
    replica_cursor_close(cursor);
    store_sound(&s);
}

/* An index of more than one transaction should rewrite. */
static void fill(struct store *s)
{
    REPLICA_BUF text = REPLICA_BUF_INIT;

    for (int i = 0; i < 400; i++) {
        replica__buf_clear(&text);
        replica__buf_printf(&text, "{\"id\":\"x%d\",\"n\":\"", i);
        for (int k = 0; k < 300; k++)
            replica__buf_printf(&text, "w%xq%d ", (i * 300 + k) * 7919, i);
        replica__buf_str(&text, "\"}");
        store_put(s, text.data);
    }
}

static int64_t words_left(struct store *s)
{
    return store_sql_int(s, "SELECT count(*) FROM number WHERE name = 'words'");
}

LONG_TEST(a_large_index_forgets_words_in_slices_behind_the_page_and_after_a_new_start)
{
    static const char *const fields[] = { "n" };
    const replica_index_options text = { .size = sizeof text, .name = "words", .fields = fields,
                                         .n = 1, .flags = REPLICA_INDEX_TEXT };
    STORE s = keeping(0, 0);
    int64_t begun = 0;
    int slices = 0, r;

    CHECK_RC(replica__words_step(s.repl, &begun, &test_err), 0);
    CHECK_RC(replica_index_create(s.coll, &text, &test_err), 1);
    CHECK_RC(replica_index_wait(s.coll, &test_err), 0);
    store_clean(&s, A1, 5);
    fill(&s);
    CHECK_INT(store_pull_gone(&s, "a", 7, REPLICA__GONE_VIEW), REPLICA__PULLED_WRITTEN);
    CHECK_INT(words_left(&s), 1);
    CHECK(store_words("ubergin") > 0);
    CHECK_RC(replica__words_step(s.repl, &begun, &test_err), 1);
    begun = 0; /* as after a kill */
    while ((r = replica__words_step(s.repl, &begun, &test_err)) > 0 && slices < 1000)
        slices++;
    CHECK_RC(r, 0);
    CHECK(slices > 1);
    CHECK_INT(words_left(&s), 0);
    CHECK_INT(store_words("ubergin"), 0);
    store_sound(&s);
}

TEST(what_is_erased_does_not_expire_and_is_not_pushed)
{
    STORE s = keeping(0, 1000);
    PAGE page = { 0 };

    store_clean(&s, A1, 5);
    CHECK_INT(store_pull_gone(&s, "a", 6, REPLICA__GONE_VIEW), REPLICA__PULLED_WRITTEN);
    clock_pass(&now, 10000);
    dispatch(&s);
    CHECK_INT(store_push(&s, &page), 0);
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM doc"), 1);
    CHECK_RC(replica__replication_pending(s.repl, &test_err), 0);
}
