/* Finding entries of the conflict log by what they are about. */
#include "libreplica/token.h"
#include "tests/support/clock.h"
#include "tests/support/store.h"
#include "tests/support/test.h"

#include <stdio.h>

#define START 1700000000000

/* Entries 1 to 6: of a, b/1, b/2, a, b/1, b/2; each 1000 ms after the one before; by the rule
 * "merge" where the number is even. */
static struct store logged(struct clock *clock)
{
    static const char *const ids[] = { "a", "b/1", "b/2" };
    struct store s = store_empty();
    char json[60];

    clock_start(clock, START, 1);
    replica__db_set_world(s.db, &clock->world);
    store_replicate(&s, "r1");
    for (int i = 0; i < 6; i++) {
        snprintf(json, sizeof json, "{\"id\":\"%s\",\"n\":%d}", ids[i % 3], i);
        store_put(&s, json);
        snprintf(json, sizeof json, "{\"id\":\"%s\",\"real\":%d}", ids[i % 3], i);
        CHECK_INT(store_pull_one(&s, json, 10 + i), REPLICA__PULLED_UNSETTLED);
        QUESTION u = store_question(&s);
        CHECK(store_settle(&s, &u, REPLICA__SETTLE_REAL, NULL, i % 2 ? "merge" : "server-wins"));
        clock_pass(clock, 1000);
    }
    return s;
}

/* The numbers that were told, as digits. */
struct told {
    char numbers[40];
    int stop_at;
};

static int tell(void *ctx, const replica_conflict_entry *e)
{
    struct told *told = ctx;
    size_t len = strlen(told->numbers);

    snprintf(told->numbers + len, sizeof told->numbers - len, "%lld", (long long)e->number);
    CHECK(e->local && e->real && !e->result);
    return e->number == told->stop_at ? 5 : 0;
}

static const char *find(struct store *s, const replica_conflict_filter *f)
{
    static struct told told;

    told = (struct told){ .stop_at = -1 };
    CHECK_RC(replica_conflict_find(s->db, f, tell, &told, &test_err), 0);
    return told.numbers;
}

#define FILTER(...) \
    (&(replica_conflict_filter){ .size = sizeof(replica_conflict_filter), __VA_ARGS__ })

TEST(without_a_filter_all_entries_are_told_oldest_first)
{
    struct clock clock;
    STORE s = logged(&clock);

    CHECK_STR(find(&s, NULL), "123456");
    CHECK_STR(find(&s, FILTER(.after = 0)), "123456");
}

TEST(each_member_of_a_filter_leaves_out_what_differs)
{
    struct clock clock;
    STORE s = logged(&clock);
    replica_collection *other = NULL;

    CHECK_RC(replica_db_collection(s.db, "other", NULL, &other, &test_err), 0);
    CHECK_STR(find(&s, FILTER(.coll = s.coll)), "123456");
    CHECK_STR(find(&s, FILTER(.coll = other)), "");
    CHECK_STR(find(&s, FILTER(.id = "a")), "14");
    CHECK_STR(find(&s, FILTER(.coll = s.coll, .id = "b/1")), "25");
    CHECK_STR(find(&s, FILTER(.coll = other, .id = "b/1")), "");
    CHECK_STR(find(&s, FILTER(.keys = "b/*")), "2356");
    CHECK_STR(find(&s, FILTER(.keys = "**")), "123456");
    CHECK_STR(find(&s, FILTER(.rule = "merge")), "246");
    CHECK_STR(find(&s, FILTER(.replication = "r1")), "123456");
    CHECK_STR(find(&s, FILTER(.replication = "r2")), "");
    CHECK_STR(find(&s, FILTER(.after = 4)), "56");
    CHECK_STR(find(&s, FILTER(.coll = s.coll, .id = "a", .after = 1)), "4");
    CHECK_STR(find(&s, FILTER(.from_ms = START + 2000)), "3456");
    CHECK_STR(find(&s, FILTER(.to_ms = START + 2000)), "12"); /* before, not at */
    CHECK_STR(find(&s, FILTER(.keys = "b/*", .rule = "merge", .from_ms = START + 2000)), "6");
}

TEST(a_function_that_has_enough_ends_the_search_with_its_result)
{
    struct clock clock;
    STORE s = logged(&clock);
    struct told told = { .stop_at = 3 };

    CHECK_RC(replica_conflict_find(s.db, NULL, tell, &told, &test_err), 5);
    CHECK_STR(told.numbers, "123");
}

TEST(a_filter_that_cannot_be_one_is_invalid)
{
    STORE s = store_empty();
    STORE other = store_memory();
    struct told told = { .stop_at = -1 };

    CHECK_RC(replica_conflict_find(NULL, NULL, tell, &told, &test_err), REPLICA_EINVAL);
    CHECK_RC(replica_conflict_find(s.db, NULL, NULL, &told, &test_err), REPLICA_EINVAL);
    CHECK_RC(replica_conflict_find(s.db, FILTER(.coll = other.coll), tell, &told, &test_err),
             REPLICA_EINVAL);
    CHECK_RC(replica_conflict_find(s.db, FILTER(.keys = "a*"), tell, &told, &test_err),
             REPLICA_EINVAL);
    CHECK_RC(replica_conflict_find(s.db, FILTER(.from_ms = -1), tell, &told, &test_err),
             REPLICA_EINVAL);
}

static int restore_once(void *ctx, const replica_conflict_entry *e)
{
    struct store *s = ctx;

    CHECK_RC(replica_conflict_restore(s->db, e->number, NULL, &test_err), 1);
    return 0;
}

TEST(what_is_told_can_be_restored_in_the_call)
{
    struct clock clock;
    STORE s = logged(&clock);

    CHECK_RC(replica_conflict_find(s.db, FILTER(.id = "a"), restore_once, &s, &test_err), 0);
    CHECK_STR(store_json(&s, "a"), "{\"id\":\"a\",\"n\":3}");
}

static int check_writer(void *ctx, const replica_conflict_entry *e)
{
    char own[REPLICA__OPERATION_SIZE + 2] = "";
    size_t len = strlen(replica_doc_writer(e->local));

    CHECK_STR(replica_doc_writer(e->real), "bbbbbbbbbbbbbbbb.17");
    CHECK_INT(replica_doc_time(e->real), START);
    /* The local state was this file's own: the end of its revision. */
    snprintf(own, sizeof own, "-%s", replica_doc_writer(e->local));
    CHECK(len > 0 && strlen(ctx) > len && strcmp((char *)ctx + strlen(ctx) - len - 1, own) == 0);
    return 1;
}

TEST(the_writers_of_both_sides_are_told)
{
    STORE s = store_empty();
    struct come other = { .json = "{\"id\":\"a\",\"n\":2}", .sequence = 9,
                          .writer = "bbbbbbbbbbbbbbbb.17", .stamp = START << 16 };
    char rev[REPLICA_REV_SIZE];

    store_replicate(&s, "r1");
    store_put(&s, "{\"id\":\"a\"}");
    snprintf(rev, sizeof rev, "%s", store_rev(&s, "a"));
    CHECK_RC(store_pull(&s, "{\"id\":\"inc\",\"lwt\":9}", &other, 1), 0);
    QUESTION u = store_question(&s);
    CHECK(store_settle(&s, &u, REPLICA__SETTLE_REAL, NULL, "server-wins"));
    CHECK_RC(replica_conflict_find(s.db, NULL, check_writer, rev, &test_err), 1);
}
