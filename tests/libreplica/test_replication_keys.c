/* Replications that are about the keys of one pattern, and feeds that are read by one. */
#include "base/buf.h"
#include "libreplica/master.h"
#include "tests/support/fault.h"
#include "tests/support/store.h"
#include "tests/support/test.h"

#include <stdio.h>

/* As a program that starts again, with this pattern. */
static void replicate(struct store *s, const char *keys)
{
    bool same;

    replica__replication_close(s->repl);
    s->repl = NULL;
    CHECK_RC(replica__replication_open(s->db, "r1", &s->coll, 1, &s->repl, &test_err), 0);
    CHECK_RC(replica__replication_about(s->repl, keys, NULL, &test_err), 0);
    CHECK_RC(replica__lease_take(s->repl, &same, &test_err), 1);
    CHECK_RC(replica__replication_feeds(s->repl, true, &test_err), 1);
}

static void put(struct store *s, const char *id)
{
    char json[64];

    snprintf(json, sizeof json, "{\"id\":\"%s\"}", id);
    store_put(s, json);
}

static int64_t dirty(struct store *s)
{
    struct replica__backlog backlog;

    CHECK_RC(replica__replication_backlog(s->repl, &backlog, &test_err), 0);
    return backlog.dirty;
}

static int tell_dirty(void *ctx, const replica_replication_entry *entry)
{
    *(int64_t *)ctx = entry->dirty;
    return 0;
}

TEST(only_what_matches_is_pushed_and_counted)
{
    STORE s = store_empty();
    PAGE page = { 0 };
    int64_t listed = -1;

    replicate(&s, "a/*");
    put(&s, "a/1");
    put(&s, "b/1");
    put(&s, "a/1/x");
    CHECK_INT(dirty(&s), 1);
    CHECK_RC(replica_replications(s.db, tell_dirty, &listed, &test_err), 0);
    CHECK_INT(listed, 1);
    CHECK_INT(store_push(&s, &page), 1);
    CHECK_STR(page.rows[0].id, "a/1");
    CHECK(store_judge(&s, &page, REPLICA_VERDICT_TAKEN, 1, NULL) >= 0);
    CHECK_INT(dirty(&s), 0);
    CHECK_RC(replica__replication_pending(s.repl, &test_err), 0);
    CHECK_INT(store_state(&s, "a/1"), REPLICA_DOC_IN_SYNC);
    CHECK_INT(store_state(&s, "b/1"), REPLICA_DOC_ABSENT);
    store_sound(&s);
}

TEST(what_comes_and_does_not_match_is_passed_over)
{
    STORE s = store_empty();
    struct come come[] = { { .json = "{\"id\":\"a/1\"}", .sequence = 1 },
                           { .json = "{\"id\":\"b/1\"}", .sequence = 2 },
                           { .json = "{\"id\":\"a\\/2\"}", .sequence = 3 } };

    replicate(&s, "a/*");
    CHECK_RC(store_pull(&s, "c3", come, 3), 0);
    CHECK_INT(come[0].outcome, REPLICA__PULLED_WRITTEN);
    CHECK_INT(come[1].outcome, REPLICA__PULLED_SAME);
    CHECK_INT(come[2].outcome, REPLICA__PULLED_WRITTEN);
    CHECK_STR(store_json(&s, "b/1"), NULL);
    CHECK_STR(replica__feed_checkpoint(s.repl, 0), "c3");
}

TEST(another_pattern_begins_anew_and_the_same_one_goes_on)
{
    STORE s = store_empty();
    PAGE page = { 0 };

    replicate(&s, "a/*");
    put(&s, "b/1");
    put(&s, "a/1");
    store_push_all(&s, 1);
    CHECK_RC(store_pull(&s, "c1", NULL, 0), 0);
    replicate(&s, "a/*");
    CHECK_STR(replica__feed_checkpoint(s.repl, 0), "c1");
    CHECK_INT(dirty(&s), 0);
    replicate(&s, "**");
    CHECK_STR(replica__feed_checkpoint(s.repl, 0), NULL);
    CHECK_INT(store_push(&s, &page), 1);
    CHECK_STR(page.rows[0].id, "b/1");
    CHECK(store_judge(&s, &page, REPLICA_VERDICT_TAKEN, 2, NULL) >= 0);
    CHECK_RC(store_pull(&s, "c2", NULL, 0), 0);
    replicate(&s, NULL);
    CHECK_STR(replica__feed_checkpoint(s.repl, 0), NULL);
    CHECK_INT(dirty(&s), 0);
}

TEST(no_pattern_is_refused_and_the_old_one_stays)
{
    STORE s = store_empty();

    replicate(&s, "a/*");
    put(&s, "b/1");
    CHECK_RC(replica__replication_about(s.repl, "a*", NULL, &test_err), REPLICA_EINVAL);
    CHECK_INT(dirty(&s), 0);
}

TEST(of_a_bundle_goes_what_matches)
{
    STORE s = store_empty();
    PAGE page = { 0 };
    replica_bundle *bundle = NULL;

    replicate(&s, "a/**");
    CHECK_RC(replica_bundle_begin(s.db, &bundle, &test_err), 0);
    for (int i = 0; i < 4; i++) {
        char json[64];

        snprintf(json, sizeof json, "{\"id\":\"%s/%d\"}", i % 2 ? "b" : "a", i);
        CHECK_RC(replica_bundle_put(bundle, s.coll, json, REPLICA_NUL, NULL, &test_err), 0);
    }
    CHECK_RC(replica_bundle_commit(bundle, NULL, &test_err), 0);
    CHECK_INT(store_push(&s, &page), 2);
    CHECK_STR(page.rows[0].id, "a/0");
    CHECK_STR(page.rows[1].id, "a/2");
    CHECK(store_judge(&s, &page, REPLICA_VERDICT_TAKEN, 1, NULL) >= 0);
    CHECK_INT(dirty(&s), 0);
}

TEST(a_deletion_that_does_not_match_waits_for_no_server)
{
    STORE s = store_empty();
    int64_t count = 0;

    replicate(&s, "a/*");
    put(&s, "a/1");
    put(&s, "b/1");
    store_delete(&s, "a/1");
    store_delete(&s, "b/1");
    put(&s, "b/2"); /* the newest write stays */
    store_sql(&s, "UPDATE doc SET stamp = 1");
    CHECK_RC(replica_purge(s.db, s.coll, 1, 0, &count, &test_err), 0);
    CHECK_INT(count, 1);
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM doc WHERE id = 'a/1'"), 1);
}

LONG_TEST(a_failed_allocation_leaves_the_pattern_or_sets_it)
{
    for (int nth = 0, failed = 1; failed; nth++) {
        STORE s = store_empty();
        int64_t kept;
        int r;

        replicate(&s, "a/*");
        put(&s, "a/1");
        put(&s, "b/1");
        fault_alloc(nth);
        r = replica__replication_about(s.repl, "**", NULL, &test_err);
        failed = fault_stop();
        kept = store_sql_int(&s, "SELECT keys = 'a/*' FROM replication");
        CHECK_INT(kept, r < 0);
        CHECK_INT(r, failed ? REPLICA_ENOMEM : 0);
        replicate(&s, "a/*");
        CHECK_INT(dirty(&s), 1);
    }
}

/* ---- the server's side ----------------------------------------------------------- */

static int emit(void *ctx, const struct replica__feed_doc *doc)
{
    replica__buf_str(ctx, doc->id);
    replica__buf_char(ctx, ' ');
    return 0;
}

/* What a page of the pattern has; *since moves behind it. */
static int read_page(struct store *s, const char *keys, int64_t *since, size_t rows,
                     struct replica__buf *out)
{
    const struct replica__feed_options o = { .since = *since, .rows = rows, .keys = keys };

    replica__buf_clear(out);
    replica__buf_str(out, "");
    return replica__master_read(s->db, &s->coll, 1, &o, emit, out, since, &test_err);
}

TEST(a_feed_may_be_read_by_a_pattern)
{
    STORE s = store_empty();
    REPLICA_BUF out = REPLICA_BUF_INIT;
    int64_t since = 0;

    for (int i = 0; i < 12; i++) {
        char id[16];

        snprintf(id, sizeof id, "%s/%d", i % 3 ? "b" : "a", i);
        put(&s, id);
    }
    store_delete(&s, "a/3");
    CHECK_RC(read_page(&s, "a/*", &since, 2, &out), 0);
    CHECK_STR(out.data, "a/0 a/6 ");
    CHECK_INT(since, 7);
    CHECK_RC(read_page(&s, "a/*", &since, 2, &out), 1);
    CHECK_STR(out.data, "a/9 a/3 ");
    CHECK_INT(since, 13);
    CHECK_RC(read_page(&s, "a*", &since, 2, &out), REPLICA_EINVAL);
    since = 0;
    CHECK_RC(read_page(&s, "c/*", &since, 2, &out), 1);
    CHECK_INT(since, 13);
}

TEST(a_long_way_to_what_matches_is_gone_in_parts)
{
    STORE s = store_empty();
    REPLICA_BUF out = REPLICA_BUF_INIT;
    int64_t since = 0;
    int pages = 0;

    put(&s, "a/1");
    put(&s, "b/1");
    store_sql(&s, "UPDATE doc SET seq = 200000 WHERE id = 'a/1'");
    store_reopen(&s);
    while (read_page(&s, "a/*", &since, 2, &out) == 0 && out.len == 0)
        pages++;
    CHECK_STR(out.data, "a/1 ");
    CHECK_INT(since, 200000);
    CHECK(pages > 0);
}
