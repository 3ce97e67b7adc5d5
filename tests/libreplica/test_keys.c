#include "libreplica/keys.h"
#include "base/buf.h"
#include "base/clock.h"
#include "tests/support/fault.h"
#include "tests/support/store.h"
#include "tests/support/test.h"

#include <stdio.h>
#include <stdlib.h>

static void put(struct store *s, const char *id)
{
    char json[256];

    snprintf(json, sizeof json, "{\"id\":\"%s\"}", id);
    store_put(s, json);
}

/* The keys that were found, with a space behind each. */
static const char *found(struct store *s, const char *pattern)
{
    static struct replica__buf out;
    replica_cursor *cursor = NULL;
    replica_doc *doc;
    int r;

    replica__buf_clear(&out);
    replica__buf_str(&out, "");
    CHECK_RC(replica_keys_find(s->coll, pattern, &cursor, &test_err), 0);
    while ((r = replica_cursor_next(cursor, &doc, &test_err)) > 0) {
        replica__buf_str(&out, replica_doc_id(doc));
        replica__buf_char(&out, ' ');
    }
    CHECK_RC(r, 0);
    replica_cursor_close(cursor);
    return out.len ? out.data : "";
}

static int64_t counted(struct store *s, const char *pattern)
{
    int64_t count = -1;

    CHECK_RC(replica_keys_count(s->coll, pattern, &count, &test_err), 0);
    return count;
}

/* ---- finding --------------------------------------------------------------------- */

TEST(what_matches_is_found_in_key_order)
{
    STORE s = store_empty();

    put(&s, "/client/bob/volume");
    put(&s, "/client/alice/volume");
    put(&s, "/client/alice/mute");
    put(&s, "/client/alice");
    put(&s, "/client/al!/volume");
    put(&s, "/clients/x/volume");
    put(&s, "/client/bob/mix/volume");
    CHECK_STR(found(&s, "/client/*/volume"),
              "/client/al!/volume /client/alice/volume /client/bob/volume ");
    CHECK_STR(found(&s, "/client/**/volume"), "/client/al!/volume /client/alice/volume"
                                              " /client/bob/mix/volume /client/bob/volume ");
    CHECK_STR(found(&s, "/client/alice/**"), "/client/alice /client/alice/mute"
                                             " /client/alice/volume ");
    CHECK_STR(found(&s, "/client/alice"), "/client/alice ");
    CHECK_STR(found(&s, "*"), "");
    CHECK_INT(counted(&s, "/client/*/volume"), 3);
    CHECK_INT(counted(&s, "**"), 7);
}

TEST(a_deleted_document_is_neither_found_nor_counted)
{
    STORE s = store_empty();

    put(&s, "a/1");
    put(&s, "a/2");
    store_delete(&s, "a/1");
    CHECK_STR(found(&s, "a/*"), "a/2 ");
    CHECK_INT(counted(&s, "a/*"), 1);
}

TEST(a_text_that_is_no_pattern_finds_nothing_and_says_so)
{
    STORE s = store_empty();
    replica_cursor *cursor = NULL;
    int64_t count = 7;

    CHECK_RC(replica_keys_find(s.coll, "a*", &cursor, &test_err), REPLICA_EINVAL);
    CHECK_RC(replica_keys_find(s.coll, NULL, &cursor, &test_err), REPLICA_EINVAL);
    CHECK_RC(replica_keys_find(NULL, "a", &cursor, &test_err), REPLICA_EINVAL);
    CHECK_RC(replica_keys_find(s.coll, "a", NULL, &test_err), REPLICA_EINVAL);
    CHECK(!cursor);
    CHECK_RC(replica_keys_count(s.coll, "a*", &count, &test_err), REPLICA_EINVAL);
    CHECK_INT(count, 7);
    CHECK_RC(replica_keys_delete(s.coll, "a*", &count, &test_err), REPLICA_EINVAL);
    CHECK_INT(count, 0);
}

TEST(a_cursor_goes_on_behind_its_batch_and_sees_what_was_written_meanwhile)
{
    STORE s = store_empty();
    replica_cursor *cursor = NULL;
    replica_doc *doc;
    char id[32];
    int n = 0, r;

    for (int i = 0; i < 300; i++) {
        snprintf(id, sizeof id, "a/%03d/x", i);
        put(&s, id);
    }
    CHECK_RC(replica_keys_find(s.coll, "a/*/x", &cursor, &test_err), 0);
    while ((r = replica_cursor_next(cursor, &doc, &test_err)) > 0) {
        if (n++ == 10) {
            put(&s, "a/299!/x");
            put(&s, "a/000!/x");
        }
    }
    CHECK_RC(r, 0);
    CHECK_INT(n, 301);
    replica_cursor_close(cursor);
}

LONG_TEST(the_same_is_found_as_by_looking_at_every_key)
{
    static const char *const names[] = { "a", "b", "", "a!", "ab", "c", "\xc3\xa9" };
    static const char *const parts[] = { "a", "b", "", "ab", "*", "*", "**" };
    const struct replica__world *world = &replica__real_world;
    STORE s = store_memory();
    REPLICA_BUF want = REPLICA_BUF_INIT;
    char text[64];
    int64_t all = 0;

    for (int i = 0; i < 2000; i++) {
        uint64_t dice = world->random(world->ctx);

        snprintf(text, sizeof text, "%s/%s/%s/%s", names[dice % 7], names[dice / 7 % 7],
                 names[dice / 49 % 7], names[dice / 343 % 7]);
        put(&s, dice % 3 || !strrchr(text, '/')[1] ? text : strrchr(text, '/') + 1);
        if (dice % 11 == 0)
            CHECK(replica_delete(s.coll, text, REPLICA_ANY_REV, NULL, &test_err) >= 0);
    }
    for (int i = 0; i < 300; i++) {
        uint64_t dice = world->random(world->ctx);
        replica_cursor *cursor = NULL;
        replica_doc *doc;
        int64_t count = 0;

        snprintf(text, sizeof text, "%s/%s/%s/%s", parts[dice % 7], parts[dice / 7 % 7],
                 parts[dice / 49 % 7], parts[dice / 343 % 7]);
        replica__buf_clear(&want);
        replica__buf_str(&want, "");
        CHECK_RC(replica_all(s.coll, NULL, &cursor, &test_err), 0);
        while (replica_cursor_next(cursor, &doc, &test_err) > 0) {
            if (!replica_key_matches(text, replica_doc_id(doc)))
                continue;
            replica__buf_str(&want, replica_doc_id(doc));
            replica__buf_char(&want, ' ');
            count++;
        }
        replica_cursor_close(cursor);
        CHECK_STR(found(&s, text), want.len ? want.data : "");
        CHECK_INT(counted(&s, text), count);
        all += count;
    }
    CHECK(all > 1000);
}

/* ---- deleting -------------------------------------------------------------------- */

TEST(all_that_match_are_deleted_and_nothing_else)
{
    STORE s = store_empty();
    char id[32];
    int64_t count = 0;

    for (int i = 0; i < 1200; i++) {
        snprintf(id, sizeof id, "a/%04d/%s", i, i % 2 ? "x" : "y");
        put(&s, id);
    }
    CHECK_RC(replica_keys_delete(s.coll, "a/*/x", &count, &test_err), 0);
    CHECK_INT(count, 600);
    CHECK_INT(counted(&s, "a/*/x"), 0);
    CHECK_INT(counted(&s, "a/*/y"), 600);
    CHECK_RC(replica_keys_delete(s.coll, "a/*/x", &count, &test_err), 0);
    CHECK_INT(count, 0);
    store_sound(&s);
}

TEST(a_failed_allocation_finds_nothing_half)
{
    STORE s = store_empty();
    int64_t whole = 0;

    for (int i = 0; i < 20; i++) {
        char id[32];

        snprintf(id, sizeof id, "a/%d/x", i);
        put(&s, id);
    }
    for (int nth = 0, failed = 1; failed; nth++) {
        replica_cursor *cursor = NULL;
        replica_doc *doc;
        int64_t n = 0;
        int r;

        fault_alloc(nth);
        r = replica_keys_find(s.coll, "a/*/x", &cursor, &test_err);
        while (r >= 0 && (r = replica_cursor_next(cursor, &doc, &test_err)) > 0)
            n++;
        failed = fault_stop();
        if (cursor && r < 0) { /* it goes on where it was */
            while ((r = replica_cursor_next(cursor, &doc, &test_err)) > 0)
                n++;
            CHECK_RC(r, 0);
            CHECK_INT(n, 20);
        }
        whole += r == 0 && n == 20;
        replica_cursor_close(cursor);
    }
    CHECK(whole > 1);
}

LONG_TEST(a_failed_allocation_deletes_what_it_says)
{
    for (int nth = 0, failed = 1; failed; nth++) {
        STORE s = store_empty();
        int64_t count = -1;
        int r;

        put(&s, "a/1");
        put(&s, "a/2");
        put(&s, "b/1");
        fault_alloc(nth);
        r = replica_keys_delete(s.coll, "a/*", &count, &test_err);
        failed = fault_stop();
        CHECK_INT(r, failed && r < 0 ? REPLICA_ENOMEM : 0);
        if (r == 0)
            CHECK_INT(count, 2);
        CHECK_INT(counted(&s, "a/*"), 2 - count);
        CHECK_INT(counted(&s, "b/*"), 1);
        store_sound(&s);
    }
}
