/* Observers of the conflict log: told of each entry once, whoever logged it. */
#include "tests/support/store.h"
#include "tests/support/test.h"

#include <stdio.h>

static void conflict_of(struct store *s, const char *id, int64_t sequence)
{
    char json[60];

    snprintf(json, sizeof json, "{\"id\":\"%s\",\"by\":\"me\"}", id);
    store_put(s, json);
    snprintf(json, sizeof json, "{\"id\":\"%s\",\"n\":%lld}", id, (long long)sequence);
    CHECK_INT(store_pull_one(s, json, sequence), REPLICA__PULLED_UNSETTLED);
    QUESTION u = store_question(s);
    CHECK(store_settle(s, &u, REPLICA__SETTLE_REAL, NULL, "server-wins"));
}

struct seen {
    char ids[60];
    int destroyed;
    struct store *s;
    replica_observer *other; /* to be cancelled by the first call */
    replica_observer *self;
    bool dispatch, close;
};

static void see(void *ctx, const replica_conflict_entry *e)
{
    struct seen *seen = ctx;
    size_t len = strlen(seen->ids);

    snprintf(seen->ids + len, sizeof seen->ids - len, "%s%s", len ? " " : "", e->id);
    CHECK(strstr(replica_doc_json(e->local, NULL), "\"by\":\"me\""));
    CHECK(strstr(replica_doc_json(e->real, NULL), "\"n\":"));
    replica_observer_cancel(seen->other);
    replica_observer_cancel(seen->self);
    seen->other = seen->self = NULL;
    if (seen->dispatch)
        CHECK_RC(replica_db_dispatch(seen->s->db, 1000, &test_err), 0);
    if (seen->close)
        replica_db_close(seen->s->db);
}

static void destroy(void *ctx)
{
    ((struct seen *)ctx)->destroyed++;
}

static void observe(struct store *s, const replica_conflict_filter *f, struct seen *seen,
                    replica_observer **ret)
{
    CHECK_RC(replica_conflict_observe(s->db, f, see, seen, destroy, ret, &test_err), 0);
}

static void dispatch(struct store *s)
{
    CHECK_RC(replica_db_dispatch(s->db, 1000, &test_err), 0);
}

#define FILTER(...) \
    (&(replica_conflict_filter){ .size = sizeof(replica_conflict_filter), __VA_ARGS__ })

TEST(an_entry_is_told_once_in_the_dispatch_and_not_before)
{
    struct seen seen = { .s = NULL };
    STORE s = store_empty();

    store_replicate(&s, "r1");
    conflict_of(&s, "old", 1);
    observe(&s, NULL, &seen, NULL);
    conflict_of(&s, "a", 2);
    CHECK_STR(seen.ids, "");
    dispatch(&s);
    dispatch(&s);
    conflict_of(&s, "a", 3);
    conflict_of(&s, "b", 4);
    dispatch(&s);
    CHECK_STR(seen.ids, "a a b");
    CHECK_INT(seen.destroyed, 0);
    store_close(&s);
    CHECK_INT(seen.destroyed, 1);
}

TEST(a_filter_tells_of_a_document_or_of_a_pattern_only)
{
    struct seen one = { .s = NULL }, some = { .s = NULL }, rule = { .s = NULL };
    char id[] = "x/1";
    STORE s = store_empty(); /* closed before they go */

    store_replicate(&s, "r1");
    observe(&s, FILTER(.coll = s.coll, .id = id), &one, NULL);
    observe(&s, FILTER(.keys = "x/*"), &some, NULL);
    observe(&s, FILTER(.rule = "merge"), &rule, NULL);
    id[0] = '?'; /* it was copied */
    conflict_of(&s, "x/1", 1);
    conflict_of(&s, "x/2", 2);
    conflict_of(&s, "y/1", 3);
    dispatch(&s);
    CHECK_STR(one.ids, "x/1");
    CHECK_STR(some.ids, "x/1 x/2");
    CHECK_STR(rule.ids, "");
}

TEST(what_another_handle_logs_is_told)
{
    struct seen seen = { .s = NULL };
    STORE s = store_empty();
    STORE other = store_open(s.path, NULL);

    observe(&other, NULL, &seen, NULL);
    store_replicate(&s, "r1");
    conflict_of(&s, "a", 2);
    while (!*seen.ids)
        CHECK_RC(replica_db_wait(other.db, 5000, &test_err), 1);
    CHECK_STR(seen.ids, "a");
}

TEST(an_observer_may_cancel_itself_and_others)
{
    struct seen first = { .s = NULL }, second = { .s = NULL };
    STORE s = store_empty();

    store_replicate(&s, "r1");
    observe(&s, NULL, &first, &second.other);
    observe(&s, NULL, &second, &second.self); /* the newest is told first */
    conflict_of(&s, "a", 1);
    conflict_of(&s, "b", 2);
    dispatch(&s);
    CHECK_STR(second.ids, "a");
    CHECK_STR(first.ids, "");
    CHECK_INT(first.destroyed, 1);
    CHECK_INT(second.destroyed, 1);
}

TEST(a_dispatch_inside_a_callback_tells_nothing_twice)
{
    struct seen seen = { .dispatch = true };
    STORE s = store_empty();

    seen.s = &s;
    store_replicate(&s, "r1");
    observe(&s, NULL, &seen, NULL);
    conflict_of(&s, "a", 1);
    conflict_of(&s, "b", 2);
    dispatch(&s);
    CHECK_STR(seen.ids, "a b");
}

TEST(an_observer_may_close_the_database_and_is_cancelled_later)
{
    struct seen seen = { .close = true };
    replica_observer *handle = NULL;
    STORE s = store_empty();

    seen.s = &s;
    store_replicate(&s, "r1");
    observe(&s, NULL, &seen, &handle);
    conflict_of(&s, "a", 1);
    conflict_of(&s, "b", 2);
    replica__replication_close(s.repl);
    s.repl = NULL;
    replica_db_dispatch(s.db, 1000, &test_err);
    s.db = NULL;
    CHECK_STR(seen.ids, "a");
    CHECK_INT(seen.destroyed, 1);
    replica_observer_cancel(handle);
}

TEST(destroy_is_called_when_observing_fails)
{
    struct seen seen = { .s = NULL };
    STORE s = store_empty();

    CHECK_RC(replica_conflict_observe(NULL, NULL, see, &seen, destroy, NULL, &test_err),
             REPLICA_EINVAL);
    CHECK_RC(replica_conflict_observe(s.db, NULL, NULL, &seen, destroy, NULL, &test_err),
             REPLICA_EINVAL);
    CHECK_RC(replica_conflict_observe(s.db, FILTER(.keys = "a*"), see, &seen, destroy, NULL,
                                      &test_err),
             REPLICA_EINVAL);
    CHECK_INT(seen.destroyed, 3);
}
