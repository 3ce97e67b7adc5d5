/* Observers: what they are told, in which order, and when they end. */
#include "base/buf.h"
#include "tests/support/fault.h"
#include "tests/support/store.h"
#include "tests/support/test.h"

#include <stdio.h>

struct seen {
    struct replica__buf text;
    int destroyed;
    replica_observer *observer; /* its own */
    replica_observer *other;
    struct store *s;
    int writes; /* to do, inside the callback */
};

static void tell(void *ctx, const replica_change *change)
{
    struct seen *seen = ctx;

    replica__buf_printf(&seen->text, "%s%s%lld/%d ", replica_doc_id(change->doc),
                        replica_doc_deleted(change->doc) ? "-" : "@", (long long)change->sequence,
                        change->origin);
}

static void destroy(void *ctx)
{
    ((struct seen *)ctx)->destroyed++;
}

static void observe(struct store *s, replica_change_fn fn, struct seen *seen)
{
    CHECK_RC(replica_observe(s->coll, fn, seen, destroy, &seen->observer, &test_err), 0);
}

static const char *run(struct store *s, struct seen *seen)
{
    replica__buf_clear(&seen->text);
    replica__buf_str(&seen->text, "");
    for (int i = 0; i < 20; i++) {
        int r = replica_db_dispatch(s->db, 1000, &test_err);

        CHECK(r >= 0);
        if (r == 0 && replica_db_timeout(s->db) != 0)
            break;
    }
    return seen->text.data ? seen->text.data : "";
}

TEST(a_commit_is_told_in_the_dispatch_and_not_before)
{
    STORE s = store_with("{\"id\":\"old\"}");
    struct seen seen = { 0 };

    observe(&s, tell, &seen);
    CHECK_STR(run(&s, &seen), ""); /* nothing of before */
    store_put(&s, "{\"id\":\"a\"}");
    CHECK_INT(seen.text.len, 0);
    CHECK_INT(replica_db_timeout(s.db), 0);
    CHECK_STR(run(&s, &seen), "a@2/1 ");
    CHECK_STR(run(&s, &seen), "");
    replica_observer_cancel(seen.observer);
    CHECK_INT(seen.destroyed, 1);
    replica__buf_free(&seen.text);
}

TEST(a_document_written_twice_is_told_once_in_its_last_state)
{
    STORE s = store_empty();
    struct seen seen = { 0 };

    observe(&s, tell, &seen);
    store_put(&s, "{\"id\":\"a\"}");
    store_put(&s, "{\"id\":\"b\"}");
    store_put(&s, "{\"id\":\"a\",\"n\":1}");
    store_delete(&s, "b");
    CHECK_STR(run(&s, &seen), "a@3/1 b-4/1 ");
    replica_observer_cancel(seen.observer);
    replica__buf_free(&seen.text);
}

TEST(other_collections_are_not_told)
{
    STORE s = store_empty();
    replica_collection *other = NULL;
    struct seen seen = { 0 };

    CHECK_RC(replica_db_collection(s.db, "other", NULL, &other, &test_err), 0);
    observe(&s, tell, &seen);
    CHECK_RC(replica_put(other, "{\"id\":\"a\"}", REPLICA_NUL, NULL, NULL, NULL, &test_err), 0);
    CHECK_STR(run(&s, &seen), "");
    replica_observer_cancel(seen.observer);
    replica__buf_free(&seen.text);
}

TEST(writes_of_another_handle_and_of_a_replication_are_told_as_such)
{
    STORE s = store_empty();
    STORE other = store_open(s.path, NULL);
    replica_db *sibling = NULL;
    replica_collection *coll = NULL;
    struct seen seen = { 0 };

    observe(&s, tell, &seen);
    store_put(&other, "{\"id\":\"a\"}");
    CHECK(replica_db_wait(s.db, 2000, &test_err) > 0); /* noticed without a look of ours */
    for (int i = 0; i < 20 && seen.text.len == 0; i++)
        CHECK(replica_db_wait(s.db, 500, &test_err) >= 0);
    CHECK_STR(seen.text.data, "a@1/3 ");
    store_replicate(&s, "r1");
    store_clean(&s, "{\"id\":\"b\"}", 5);
    CHECK_STR(run(&s, &seen), "b@2/2 ");
    CHECK_RC(replica__db_open_sibling(s.db, &sibling, &test_err), 0);
    CHECK_RC(replica_db_collection(sibling, "notes", NULL, &coll, &test_err), 0);
    CHECK_RC(replica_put(coll, "{\"id\":\"c\"}", REPLICA_NUL, NULL, NULL, NULL, &test_err), 0);
    CHECK_INT(replica_db_timeout(s.db), 0);
    CHECK_STR(run(&s, &seen), "c@3/1 ");
    replica_db_close(sibling);
    replica_observer_cancel(seen.observer);
    replica__buf_free(&seen.text);
}

TEST(many_changes_are_told_in_order_over_many_dispatches)
{
    STORE s = store_empty();
    struct seen seen = { 0 };
    long long last = 0, n = 0;

    observe(&s, tell, &seen);
    for (int i = 0; i < 200; i++) {
        char text[40];

        snprintf(text, sizeof text, "{\"id\":\"k%d\"}", i);
        store_put(&s, text);
    }
    run(&s, &seen);
    for (const char *at = strchr(seen.text.data, '@'); at; at = strchr(at + 1, '@'), n++) {
        long long sequence = 0;

        sscanf(at, "@%lld", &sequence);
        CHECK(sequence > last);
        last = sequence;
    }
    CHECK_INT(n, 200);
    replica_observer_cancel(seen.observer);
    replica__buf_free(&seen.text);
}

static void cancel_self(void *ctx, const replica_change *change)
{
    struct seen *seen = ctx;

    tell(ctx, change);
    replica_observer_cancel(seen->observer);
    CHECK_INT(seen->destroyed, 0); /* not while it runs */
}

TEST(an_observer_may_cancel_itself_in_its_callback)
{
    STORE s = store_empty();
    struct seen seen = { 0 };

    observe(&s, cancel_self, &seen);
    store_put(&s, "{\"id\":\"a\"}");
    store_put(&s, "{\"id\":\"b\"}");
    CHECK_STR(run(&s, &seen), "a@1/1 ");
    CHECK_INT(seen.destroyed, 1);
    replica__buf_free(&seen.text);
}

static void write_more(void *ctx, const replica_change *change)
{
    struct seen *seen = ctx;

    tell(ctx, change);
    if (seen->writes-- > 0)
        store_put(seen->s, "{\"id\":\"more\"}");
}

TEST(an_observer_may_write_in_its_callback_and_is_told_of_it)
{
    STORE s = store_empty();
    struct seen seen = { .s = &s, .writes = 2 };

    observe(&s, write_more, &seen);
    store_put(&s, "{\"id\":\"a\"}");
    CHECK_STR(run(&s, &seen), "a@1/1 more@2/1 more@3/1 ");
    replica_observer_cancel(seen.observer);
    replica__buf_free(&seen.text);
}

static void close_database(void *ctx, const replica_change *change)
{
    struct seen *seen = ctx;

    tell(ctx, change);
    replica_db_close(seen->s->db);
    CHECK_INT(seen->destroyed, 0);
}

TEST(an_observer_may_close_the_database_in_its_callback)
{
    STORE s = store_empty();
    struct seen seen = { .s = &s };

    observe(&s, close_database, &seen);
    store_put(&s, "{\"id\":\"a\"}");
    store_put(&s, "{\"id\":\"b\"}");
    CHECK_RC(replica_db_dispatch(s.db, 1000, &test_err), 0);
    s.db = NULL;
    CHECK_STR(seen.text.data, "a@1/1 b@2/1 ");
    CHECK_INT(seen.destroyed, 1);
    replica_observer_cancel(seen.observer); /* the handle outlives the database */
    CHECK_INT(seen.destroyed, 1);
    replica__buf_free(&seen.text);
}

TEST(destroy_is_called_once_when_the_database_closes)
{
    STORE s = store_empty();
    struct seen owned = { 0 }, anonymous = { 0 };

    observe(&s, tell, &owned);
    CHECK_RC(replica_observe(s.coll, tell, &anonymous, destroy, NULL, &test_err), 0);
    store_close(&s);
    CHECK_INT(owned.destroyed, 1);
    CHECK_INT(anonymous.destroyed, 1);
    replica_observer_cancel(owned.observer);
    CHECK_INT(owned.destroyed, 1);
    replica_observer_cancel(NULL);
}

TEST(destroy_is_called_when_observing_fails)
{
    STORE s = store_empty();
    struct seen seen = { 0 };

    CHECK_RC(replica_observe(s.coll, NULL, &seen, destroy, NULL, &test_err), REPLICA_EINVAL);
    CHECK_INT(seen.destroyed, 1);
    CHECK_RC(replica_observe(NULL, tell, &seen, destroy, NULL, &test_err), REPLICA_EINVAL);
    CHECK_INT(seen.destroyed, 2);
    fault_alloc(0);
    CHECK_RC(replica_observe(s.coll, tell, &seen, destroy, NULL, &test_err), REPLICA_ENOMEM);
    fault_stop();
    CHECK_INT(seen.destroyed, 3);
}

static void cancel_other(void *ctx)
{
    struct seen *seen = ctx;

    seen->destroyed++;
    replica_observer_cancel(seen->other);
    seen->other = NULL;
}

TEST(a_destroy_may_cancel_another_observer)
{
    for (int how = 0; how < 4; how++) {
        STORE s = store_empty();
        struct seen a = { 0 }, b = { 0 };
        struct seen *first = how & 1 ? &b : &a;

        CHECK_RC(replica_observe(s.coll, tell, &a, cancel_other, &a.observer, &test_err), 0);
        CHECK_RC(replica_observe(s.coll, tell, &b, cancel_other, &b.observer, &test_err), 0);
        first->other = first == &a ? b.observer : a.observer;
        if (how & 2) {
            replica_observer_cancel(first->observer);
        } else {
            store_close(&s);
            replica_observer_cancel(first->observer);
        }
        CHECK_INT(a.destroyed, 1);
        CHECK_INT(b.destroyed, 1);
        if (s.db)
            store_close(&s);
        remove(s.path);
    }
}

static void dispatch_inside(void *ctx, const replica_change *change)
{
    struct seen *seen = ctx;

    tell(ctx, change);
    CHECK(replica_db_dispatch(seen->s->db, 1000, &test_err) >= 0);
}

TEST(a_dispatch_inside_a_callback_tells_nothing_twice)
{
    STORE s = store_empty();
    struct seen seen = { .s = &s };

    observe(&s, dispatch_inside, &seen);
    store_put(&s, "{\"id\":\"a\"}");
    store_put(&s, "{\"id\":\"b\"}");
    store_put(&s, "{\"id\":\"c\"}");
    CHECK_STR(run(&s, &seen), "a@1/1 b@2/1 c@3/1 ");
    replica_observer_cancel(seen.observer);
    replica__buf_free(&seen.text);
}

static void count(void *ctx, const replica_change *change)
{
    ++*(int *)ctx;
}

TEST(a_dispatch_that_failed_tells_the_changes_the_next_time)
{
    STORE s = store_empty();
    int told = 0, failures = 0, nth = 0;

    CHECK_RC(replica_observe(s.coll, count, &told, NULL, NULL, &test_err), 0);
    store_put(&s, "{\"id\":\"a\"}");
    while (told == 0) {
        int r;

        CHECK(++nth < 2000);
        fault_alloc(nth);
        r = replica_db_dispatch(s.db, 1000, &test_err);
        fault_stop();
        failures += r < 0;
        CHECK(r >= 0 || r == REPLICA_ENOMEM);
    }
    CHECK(failures > 0);
    CHECK_INT(told, 1);
}
