#include "base/buf.h"
#include "base/clock.h"
#include "libreplica/keys.h"
#include "tests/support/fault.h"
#include "tests/support/store.h"
#include "tests/support/test.h"

#include <stdio.h>
#include <stdlib.h>

/* The values that were told, with a space behind each; "none" where there was none. */
struct told {
    struct replica__buf text;
    char last[64];
    int destroyed;
};

static void note(void *ctx, const char *json, size_t len)
{
    struct told *told = ctx;

    CHECK_INT(json ? strlen(json) : 0, len);
    snprintf(told->last, sizeof told->last, "%s", json ? json : "none");
    replica__buf_printf(&told->text, "%s ", told->last);
}

static void destroy(void *ctx)
{
    ((struct told *)ctx)->destroyed++;
}

static void told_free(struct told *told)
{
    replica__buf_free(&told->text);
}
#define TOLD __attribute__((cleanup(told_free))) struct told

static replica_observer *derive(struct store *s, const char *pattern, const char *field, int what,
                                struct told *told)
{
    replica_observer *o = NULL;

    CHECK_RC(replica_keys_derive(s->coll, pattern, field, what, note, told, destroy, &o,
                                 &test_err), 0);
    return o;
}

static void follow(struct store *s, const char *pattern, const char *field, int what,
                   struct told *told)
{
    CHECK_RC(replica_keys_derive(s->coll, pattern, field, what, note, told, destroy, NULL,
                                 &test_err), 0);
}

static void check_dispatched(struct store *s)
{
    int r;

    while ((r = replica_db_dispatch(s->db, 0, &test_err)) > 0)
        ;
    CHECK_RC(r, 0);
}

static void check_told(struct store *s, struct told *told, const char *want)
{
    check_dispatched(s);
    CHECK_STR(told->text.len ? told->text.data : "", want);
    replica__buf_clear(&told->text);
}

TEST(a_count_follows_what_comes_and_goes)
{
    TOLD told = { .destroyed = 0 };
    STORE s = store_empty();

    follow(&s, "a/*", NULL, REPLICA_DERIVE_COUNT, &told);
    check_told(&s, &told, "0 ");
    store_put(&s, "{\"id\":\"a/1\"}");
    store_put(&s, "{\"id\":\"a/2\"}");
    store_put(&s, "{\"id\":\"b/2\"}");
    check_told(&s, &told, "2 ");
    store_put(&s, "{\"id\":\"a/2\",\"n\":1}");
    check_told(&s, &told, "");
    store_delete(&s, "a/1");
    check_told(&s, &told, "1 ");
}

TEST(a_sum_is_exact_however_long_its_numbers_are)
{
    TOLD told = { .destroyed = 0 };
    STORE s = store_empty();

    store_put(&s, "{\"id\":\"a/1\",\"n\":0.1}");
    store_put(&s, "{\"id\":\"a/2\",\"n\":0.2}");
    follow(&s, "a/*", "n", REPLICA_DERIVE_SUM, &told);
    check_told(&s, &told, "0.3 ");
    store_put(&s, "{\"id\":\"a/3\",\"n\":9007199254740993}");
    check_told(&s, &told, "9007199254740993.3 ");
    store_put(&s, "{\"id\":\"a/3\",\"n\":-0.3}");
    check_told(&s, &told, "0 ");
    store_put(&s, "{\"id\":\"a/2\",\"n\":\"two\"}");
    check_told(&s, &told, "-0.2 ");
    store_delete(&s, "a/1");
    store_delete(&s, "a/3");
    check_told(&s, &told, "0 ");
}

TEST(a_number_too_long_to_be_added_is_left_out_of_the_sum)
{
    TOLD told = { .destroyed = 0 };
    STORE s = store_empty();
    char json[1100] = "{\"id\":\"a/3\",\"n\":";

    store_put(&s, "{\"id\":\"a/1\",\"n\":1}");
    follow(&s, "a/*", "n", REPLICA_DERIVE_SUM, &told);
    check_told(&s, &told, "1 ");
    store_put(&s, "{\"id\":\"a/2\",\"n\":1e1001}");
    store_put(&s, "{\"id\":\"a/4\",\"n\":1E-000000000000000000001001}");
    memset(json + strlen(json), '1', 1001);
    strcat(json, "}");
    store_put(&s, json);
    store_put(&s, "{\"id\":\"a/5\",\"n\":1e-1000}");
    store_put(&s, "{\"id\":\"a/6\",\"n\":1e1000}");
    store_put(&s, "{\"id\":\"a/7\",\"n\":-1e1000}");
    store_delete(&s, "a/1");
    check_told(&s, &told, "1e-1000 ");
    store_put(&s, "{\"id\":\"a/2\",\"n\":7}");
    store_delete(&s, "a/5");
    check_told(&s, &told, "7 ");
}

TEST(least_and_greatest_are_found_again_when_their_document_goes)
{
    TOLD least = { .destroyed = 0 };
    TOLD greatest = { .destroyed = 0 };
    STORE s = store_empty();

    follow(&s, "a/**", "mix.volume", REPLICA_DERIVE_MIN, &least);
    follow(&s, "a/**", "mix.volume", REPLICA_DERIVE_MAX, &greatest);
    check_told(&s, &least, "none ");
    store_put(&s, "{\"id\":\"a/1\",\"mix\":{\"volume\":3}}");
    store_put(&s, "{\"id\":\"a/2\",\"mix\":{\"volume\":9007199254740993}}");
    store_put(&s, "{\"id\":\"a/3\",\"mix\":{\"volume\":9007199254740992}}");
    store_put(&s, "{\"id\":\"a/4\",\"mix\":{}}");
    check_told(&s, &least, "3 ");
    check_told(&s, &greatest, "none 9007199254740993 ");
    store_delete(&s, "a/2");
    store_put(&s, "{\"id\":\"a/1\",\"mix\":{\"volume\":1e1}}");
    check_told(&s, &greatest, "9007199254740992 ");
    check_told(&s, &least, "1e1 ");
    store_delete(&s, "a/3");
    store_delete(&s, "a/1");
    check_told(&s, &least, "none ");
}

TEST(the_latest_is_that_of_the_document_written_last)
{
    TOLD told = { .destroyed = 0 };
    STORE s = store_empty();

    store_put(&s, "{\"id\":\"a/1\",\"say\":\"one\"}");
    store_put(&s, "{\"id\":\"a/2\",\"say\":[2]}");
    follow(&s, "*/*", "say", REPLICA_DERIVE_LATEST, &told);
    check_told(&s, &told, "[2] ");
    store_put(&s, "{\"id\":\"a/1\",\"say\":null}");
    check_told(&s, &told, "null ");
    store_put(&s, "{\"id\":\"a/3\",\"silent\":true}");
    check_told(&s, &told, "");
    store_delete(&s, "a/1");
    check_told(&s, &told, "[2] ");
}

TEST(what_was_committed_together_changes_the_value_once)
{
    TOLD told = { .destroyed = 0 };
    STORE s = store_empty();
    char json[64];

    for (int i = 0; i < 100; i++) {
        snprintf(json, sizeof json, "{\"id\":\"a/%d\",\"n\":10}", i);
        store_put(&s, json);
    }
    follow(&s, "a/*", "n", REPLICA_DERIVE_SUM, &told);
    check_told(&s, &told, "1000 ");
    for (int round = 0; round < 3; round++) {
        replica_bundle *bundle = NULL;

        CHECK_RC(replica_bundle_begin(s.db, &bundle, &test_err), 0);
        for (int i = 0; i < 100; i++) {
            snprintf(json, sizeof json, "{\"id\":\"a/%d\",\"n\":%d}", i,
                     i % 2 ? 10 + round : 10 - round);
            CHECK_RC(replica_bundle_put(bundle, s.coll, json, REPLICA_NUL, REPLICA_ANY_REV,
                                        &test_err), 0);
        }
        CHECK_RC(replica_bundle_commit(bundle, NULL, &test_err), 0);
        check_told(&s, &told, "");
    }
}

TEST(a_wrong_question_is_refused_and_its_context_destroyed)
{
    TOLD told = { .destroyed = 0 };
    STORE s = store_empty();
    static const struct {
        const char *pattern, *field;
        int what;
    } wrong[] = {
        { "a*", "n", REPLICA_DERIVE_SUM },
        { "a", NULL, REPLICA_DERIVE_SUM },
        { "a", "n", REPLICA_DERIVE_COUNT },
        { "a", "n..m", REPLICA_DERIVE_SUM },
        { "a", "n", 0 },
        { "a", "n", 6 },
        { NULL, "n", REPLICA_DERIVE_MAX },
    };
    int n = (int)(sizeof wrong / sizeof wrong[0]);

    for (int i = 0; i < n; i++)
        CHECK_RC(replica_keys_derive(s.coll, wrong[i].pattern, wrong[i].field, wrong[i].what, note,
                                     &told, destroy, NULL, &test_err), REPLICA_EINVAL);
    CHECK_INT(told.destroyed, n);
}

TEST(a_cancelled_value_is_told_no_more)
{
    TOLD told = { .destroyed = 0 };
    STORE s = store_empty();
    replica_observer *o = derive(&s, "**", NULL, REPLICA_DERIVE_COUNT, &told);

    check_told(&s, &told, "0 ");
    store_put(&s, "{\"id\":\"a/1\"}");
    replica_observer_cancel(o);
    CHECK_INT(told.destroyed, 1);
    check_told(&s, &told, "");
}

/* ---- against the plainest way ---------------------------------------------------- */

#define DOCS 60

TEST(values_follow_any_changes_as_if_they_were_made_anew)
{
    STORE s = store_memory();
    struct told told[5] = { { .destroyed = 0 } };
    int64_t numbers[DOCS], written[DOCS];
    bool there[DOCS] = { false };

    for (int i = 0; i < 5; i++)
        follow(&s, "a/*", i ? "n" : NULL, REPLICA_DERIVE_COUNT + i, &told[i]);
    for (int64_t round = 1; round < 2000; round++) {
        uint64_t dice = replica__real_world.random(replica__real_world.ctx);
        int i = (int)(dice % DOCS), latest = -1;
        int64_t count = 0, sum = 0, least = INT64_MAX, greatest = INT64_MIN;
        char json[64];

        snprintf(json, sizeof json, "a/%d", i);
        if (dice / DOCS % 3 == 0) {
            CHECK(replica_delete(s.coll, json, REPLICA_ANY_REV, NULL, &test_err) >= 0);
            there[i] = false;
        } else {
            numbers[i] = (int64_t)(dice / 1000 % 2001) - 1000;
            written[i] = round;
            there[i] = true;
            snprintf(json, sizeof json, "{\"id\":\"a/%d\",\"n\":%lld}", i, (long long)numbers[i]);
            store_put(&s, json);
        }
        if (dice / 7 % 4)
            continue;
        check_dispatched(&s);
        for (int k = 0; k < DOCS; k++) {
            if (!there[k])
                continue;
            count++;
            sum += numbers[k];
            least = numbers[k] < least ? numbers[k] : least;
            greatest = numbers[k] > greatest ? numbers[k] : greatest;
            latest = latest < 0 || written[k] > written[latest] ? k : latest;
        }
        CHECK_INT(atoll(told[0].last), count);
        CHECK_INT(atoll(told[1].last), sum);
        if (count == 0)
            continue;
        CHECK_INT(atoll(told[2].last), least);
        CHECK_INT(atoll(told[3].last), greatest);
        CHECK_INT(atoll(told[4].last), numbers[latest]);
    }
    for (int i = 0; i < 5; i++)
        told_free(&told[i]);
    memset(told, 0, sizeof told);
    replica_db_close(s.db);
    s.db = NULL;
}

LONG_TEST(a_failed_allocation_makes_no_value_wrong)
{
    for (int what = REPLICA_DERIVE_COUNT; what <= REPLICA_DERIVE_LATEST; what++) {
        for (int nth = 0, failed = 1; failed; nth++) {
            TOLD told = { .destroyed = 0 };
            STORE s = store_memory();

            store_put(&s, "{\"id\":\"a/1\",\"n\":4}");
            replica__buf_reserve(&told.text, 1000);
            follow(&s, "a/*", what == REPLICA_DERIVE_COUNT ? NULL : "n", what, &told);
            fault_alloc(nth);
            replica_db_dispatch(s.db, 0, &test_err);
            failed = fault_stop();
            check_dispatched(&s);
            CHECK_STR(told.last, what == REPLICA_DERIVE_COUNT ? "1" : "4");
            store_put(&s, "{\"id\":\"a/2\",\"n\":5}");
            store_delete(&s, "a/1");
            fault_alloc(nth);
            replica_db_dispatch(s.db, 0, &test_err);
            failed += fault_stop();
            check_dispatched(&s);
            CHECK_STR(told.last, what == REPLICA_DERIVE_COUNT ? "1" : "5");
        }
    }
}
