/* What a replication keeps of documents for a server of an older version. */
#include "libreplica/db.h"
#include "tests/support/fault.h"
#include "tests/support/rise.h"
#include "tests/support/test.h"
#include "tests/support/tmp.h"

#include <unistd.h>

static int step_down(void *ctx, replica_doc *doc, replica_text *out)
{
    const char *json = replica_doc_json(doc, NULL);
    const char *member = strstr(json, ",\"v1\"");

    (void)ctx;
    if (strstr(json, "\"hidden\""))
        return REPLICA_MIGRATE_DROP;
    if (!member)
        return REPLICA_MIGRATE_KEEP;
    replica_text_add(out, json, (size_t)(member - json));
    replica_text_add(out, "}", 1);
    return REPLICA_MIGRATE_PUT;
}

static struct store opened(const char *path)
{
    const replica_migration step = {
        .to = 1, .up = rise_step, .down = step_down, .ctx = (void *)(intptr_t)1
    };
    const replica_collection_options o = { .size = sizeof o,
                                           .version = 1,
                                           .migrations = &step,
                                           .migration_count = 1 };
    struct store s = { .path = path };

    CHECK_RC(replica_db_open(path, NULL, &s.db, &test_err), 0);
    CHECK_RC(replica_db_collection(s.db, "notes", &o, &s.coll, &test_err), 0);
    store_replicate(&s, "r1");
    return s;
}

/* "a" and "b" in step with a server of version 0, spelled as it likes; the program is at 1. */
static struct store upgraded(void)
{
    STORE before = rise_open(tmp_path("test.db"), 0, 0);
    struct store s;

    store_replicate(&before, "r1");
    store_clean(&before, "{\"id\": \"a\"}", 1);
    store_clean(&before, "{\"id\": \"b\"}", 2);
    store_close(&before);
    s = opened(before.path);
    before = (struct store){ 0 };
    rise_finish(&s);
    return s;
}

static int lower(struct store *s, struct replica__push_page *page)
{
    CHECK(store_push_again(s, page) >= 0);
    return replica__push_page_lower(page, &test_err);
}

static int pull_old(struct store *s, const char *json, int64_t sequence)
{
    struct replica__pulled p = { 0 };
    int r;

    store_scan(s, &(struct come){ .json = json, .sequence = sequence }, &p);
    p.older = 1;
    r = replica__pull_apply(s->repl, 0, &p, 1, "inc", NULL, &test_err);
    replica__free(p.id);
    return r < 0 ? r : p.outcome;
}

TEST(a_document_that_rose_is_in_step_and_an_edit_is_based_on_what_the_server_has)
{
    STORE s = upgraded();
    PAGE page = { 0 };

    CHECK_INT(replica__endpoint_at(s.repl, s.coll), 0);
    CHECK_INT(store_state(&s, "a"), REPLICA_DOC_IN_SYNC);
    CHECK_INT(replica__replication_pending(s.repl, &test_err), 0);
    store_put(&s, "{\"id\":\"a\",\"n\":1,\"v1\":3}");
    CHECK_RC(lower(&s, &page), 0);
    CHECK_INT(page.n, 1);
    CHECK_STR(page.rows[0].json, "{\"id\":\"a\",\"n\":1}");
    CHECK_STR(page.rows[0].assumed, "{\"id\": \"a\"}");
    store_judge(&s, &page, REPLICA_VERDICT_TAKEN, 3, NULL);
    CHECK_INT(store_state(&s, "a"), REPLICA_DOC_IN_SYNC);
    CHECK_INT(store_push_again(&s, &page), 0);
    store_put(&s, "{\"id\":\"a\",\"n\":2,\"v1\":3}");
    CHECK_RC(lower(&s, &page), 0);
    CHECK_STR(page.rows[0].json, "{\"id\":\"a\",\"n\":2}");
    CHECK_STR(page.rows[0].assumed, "{\"id\":\"a\",\"n\":1}");
    store_sound(&s);
}

TEST(an_edit_while_the_push_is_out_is_based_on_what_was_sent)
{
    STORE s = upgraded();
    PAGE page = { 0 };

    store_put(&s, "{\"id\":\"a\",\"n\":1,\"v1\":3}");
    CHECK_RC(lower(&s, &page), 0);
    store_put(&s, "{\"id\":\"a\",\"n\":2,\"v1\":3}");
    store_judge(&s, &page, REPLICA_VERDICT_TAKEN, 3, NULL);
    CHECK_INT(store_state(&s, "a"), REPLICA_DOC_DIRTY);
    CHECK_RC(lower(&s, &page), 0);
    CHECK_STR(page.rows[0].json, "{\"id\":\"a\",\"n\":2}");
    CHECK_STR(page.rows[0].assumed, "{\"id\":\"a\",\"n\":1}");
    store_sound(&s);
}

TEST(what_the_server_shows_again_changes_nothing_and_what_is_new_rises)
{
    STORE s = upgraded();

    CHECK_INT(pull_old(&s, "{\"id\": \"a\"}", 0), REPLICA__PULLED_SAME);
    CHECK_STR(store_json(&s, "a"), "{\"id\": \"a\",\"v1\":0}");
    CHECK_INT(pull_old(&s, "{\"id\":\"a\",\"n\":5}", 7), REPLICA__PULLED_WRITTEN);
    CHECK_INT(pull_old(&s, "{\"id\":\"c\"}", 8), REPLICA__PULLED_WRITTEN);
    CHECK_INT(rise_count(&s, 0), 2);
    CHECK_INT(replica__replication_pending(s.repl, &test_err), 1);
    rise_finish(&s);
    CHECK_INT(rise_count(&s, 0), 0);
    CHECK_STR(store_json(&s, "a"), "{\"id\":\"a\",\"n\":5,\"v1\":0}");
    CHECK_STR(store_json(&s, "c"), "{\"id\":\"c\",\"v1\":0}");
    CHECK_INT(store_state(&s, "a"), REPLICA_DOC_IN_SYNC);
    CHECK_INT(store_state(&s, "c"), REPLICA_DOC_IN_SYNC);
    store_sound(&s);
}

TEST(what_has_no_place_below_is_held_and_says_why)
{
    STORE s = upgraded();
    PAGE page = { 0 };

    store_put(&s, "{\"id\":\"z\",\"hidden\":1,\"v1\":0}");
    CHECK_RC(lower(&s, &page), 0);
    CHECK_INT(page.rows[0].held, REPLICA_EVERSION);
    CHECK(strstr(page.rows[0].why, "no place in the server's version 0"));
}

/* ---- the search ------------------------------------------------------------------- */

TEST(versions_are_tried_from_the_highest_down_and_the_checkpoint_is_that_of_its_own)
{
    STORE s = upgraded();

    CHECK_INT(store_pull(&s, "{\"lwt\":2}", NULL, 0), 0);
    CHECK(replica__endpoint_next(s.repl, 0, REPLICA_EVERSION, 426));
    CHECK_INT(replica__endpoint_at(s.repl, s.coll), 1);
    CHECK_STR(replica__feed_checkpoint(s.repl, 0), NULL);
    CHECK(replica__endpoint_next(s.repl, 0, REPLICA_EVERSION, 404));
    CHECK_INT(replica__endpoint_at(s.repl, s.coll), 0);
    CHECK_STR(replica__feed_checkpoint(s.repl, 0), "{\"lwt\":2}");
    CHECK(!replica__endpoint_next(s.repl, 0, REPLICA_EHTTP, 404));
    CHECK_INT(replica__endpoint_at(s.repl, s.coll), 1);
    CHECK(!replica__endpoint_next(s.repl, 0, REPLICA_EVERSION, 426));
    CHECK_RC(replica__endpoint_adopt(s.repl, 0, &test_err), 1);
    CHECK_RC(replica__endpoint_adopt(s.repl, 0, &test_err), 0);
    CHECK_STR(replica__feed_checkpoint(s.repl, 0), NULL);
    CHECK_INT(store_state(&s, "a"), REPLICA_DOC_DIRTY); /* not confirmed there */
    CHECK(replica__feed_confirm(s.repl, 0, &test_err) > 0);
    store_sound(&s);
}

/* ---- failures --------------------------------------------------------------------- */

static void survives(int (*act)(struct store *s, struct replica__push_page *page), bool with_page)
{
    for (int nth = 0, failed = 1; failed; nth++) {
        STORE s = upgraded();
        PAGE page = { 0 };
        int r;

        store_put(&s, "{\"id\":\"a\",\"n\":1,\"v1\":3}");
        CHECK_INT(store_push_again(&s, &page), 1);
        if (with_page)
            CHECK_RC(replica__push_page_lower(&page, &test_err), 0);
        fault_alloc(nth);
        r = act(&s, &page);
        failed = fault_stop();
        CHECK(r >= 0 || (failed && r == REPLICA_ENOMEM));
        store_sound(&s);
        CHECK_RC(lower(&s, &page) < 0, 0);
        store_close(&s);
        unlink(s.path);
    }
}

static int go_down(struct store *s, struct replica__push_page *page)
{
    (void)s;
    return replica__push_page_lower(page, &test_err);
}

static int take(struct store *s, struct replica__push_page *page)
{
    const struct replica__verdict v = { .verdict = REPLICA_VERDICT_TAKEN, .sequence = 9 };

    return replica__push_apply(s->repl, 0, page, &v, "inc", NULL, &test_err);
}

static int set_aside(struct store *s, struct replica__push_page *page)
{
    const struct replica__verdict v = { .verdict = REPLICA_VERDICT_REFUSED,
                                        .aside = REPLICA_ASIDE_MIGRATION,
                                        .reason = "no" };

    return replica__push_apply(s->repl, 0, page, &v, "inc", NULL, &test_err);
}

static int go_up(struct store *s, struct replica__push_page *page)
{
    (void)page;
    replica__endpoint_next(s->repl, 0, REPLICA_EVERSION, 426);
    return replica__endpoint_adopt(s->repl, 0, &test_err);
}

static int pull_b(struct store *s, struct replica__push_page *page)
{
    struct replica__pulled p = { 0 };
    int r;

    (void)page;
    store_scan(s, &(struct come){ .json = "{\"id\":\"b\",\"n\":1}", .sequence = 5 }, &p);
    p.older = 1;
    r = replica__pull_apply(s->repl, 0, &p, 1, "inc", NULL, &test_err);
    replica__free(p.id);
    return r;
}

LONG_TEST(serving_an_older_server_survives_every_failed_allocation)
{
    survives(go_down, false);
    survives(take, true);
    survives(set_aside, true);
    survives(go_up, true);
    survives(pull_b, true);
}
