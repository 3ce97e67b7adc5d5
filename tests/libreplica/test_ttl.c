/* Time to live: what expires, when, and what waits. */
#include "libreplica/ttl.h"
#include "libreplica/lock.h"
#include "tests/support/clock.h"
#include "tests/support/fault.h"
#include "tests/support/store.h"
#include "tests/support/test.h"

#include <stdio.h>

#define A1 "{\"id\":\"a\",\"n\":1}"
#define NOON INT64_C(1700000000000)

static struct clock now;

static replica_collection *with_ttl(replica_db *db, const char *name, const char *field,
                                    int64_t ttl_ms)
{
    replica_collection_options o = REPLICA_COLLECTION_OPTIONS_INIT;
    replica_collection *coll = NULL;

    o.ttl_field = field;
    o.ttl_ms = ttl_ms;
    CHECK_RC(replica_db_collection(db, name, &o, &coll, &test_err), 0);
    return coll;
}

/* A store whose "short" expires a second after the last write, or after `at`. */
static struct store living(const char *field)
{
    struct store s = store_empty();

    clock_start(&now, NOON, 1);
    replica__db_set_world(s.db, &now.world);
    s.coll = with_ttl(s.db, "short", field, 1000);
    return s;
}

/* Dispatch until there is nothing to do at this moment. */
static void settle(struct store *s)
{
    for (int i = 0; i < 1000 && replica_db_timeout(s->db) == 0; i++)
        CHECK(replica_db_dispatch(s->db, 0, &test_err) >= 0);
    CHECK(replica_db_timeout(s->db) != 0);
}

TEST(a_document_expires_so_long_after_its_last_write)
{
    STORE s = living(NULL);

    store_put(&s, A1);
    clock_pass(&now, 600);
    store_put(&s, A1);
    settle(&s);
    clock_pass(&now, 999);
    settle(&s);
    CHECK(store_json(&s, "a"));
    CHECK_INT(replica_db_timeout(s.db), 1);
    clock_pass(&now, 1);
    CHECK_INT(replica_db_timeout(s.db), 0);
    settle(&s);
    CHECK(!store_json(&s, "a"));
    store_sound(&s);
}

TEST(nothing_expires_without_a_time_to_live)
{
    STORE s = store_empty();

    clock_start(&now, NOON, 1);
    replica__db_set_world(s.db, &now.world);
    store_put(&s, A1);
    clock_pass(&now, INT64_C(1) << 40);
    settle(&s);
    CHECK(store_json(&s, "a"));
    CHECK_INT(replica_db_timeout(s.db), -1);
}

TEST(what_was_there_before_the_handle_expires_too)
{
    STORE s = living(NULL);

    store_put(&s, A1);
    store_close(&s);
    s = store_open(s.path, NULL);
    replica__db_set_world(s.db, &now.world);
    clock_pass(&now, 5000);
    s.coll = with_ttl(s.db, "short", NULL, 1000);
    settle(&s);
    CHECK(!store_json(&s, "a"));
}

TEST(what_another_one_has_locked_expires_when_it_is_free)
{
    STORE s = living(NULL);
    STORE other = store_open(s.path, NULL);
    replica_lock_options o = REPLICA_LOCK_OPTIONS_INIT;
    replica_collection *coll;
    replica_lock *lock = NULL;

    replica__db_set_world(other.db, &now.world);
    store_put(&s, A1);
    store_put(&s, "{\"id\":\"b\"}");
    o.ttl_ms = 24 * 3600 * 1000;
    CHECK_RC(replica_db_collection(other.db, replica_collection_name(s.coll), NULL, &coll,
                                   &test_err), 0);
    CHECK_RC(replica_lock_acquire(other.db, coll, "a", &o, &lock, &test_err), 1);
    clock_pass(&now, 3600 * 1000);
    settle(&s);
    CHECK(store_json(&s, "a"));
    CHECK(!store_json(&s, "b"));
    replica_lock_release(lock);
    clock_pass(&now, 3600 * 1000);
    settle(&s);
    CHECK(!store_json(&s, "a"));
}

TEST(a_field_says_when_as_a_number_or_as_text)
{
    STORE s = living("at");

    store_put(&s, "{\"id\":\"number\",\"at\":1700000000500}");
    store_put(&s, "{\"id\":\"text\",\"at\":\"2023-11-14T22:13:20.500Z\"}");
    store_put(&s, "{\"id\":\"zone\",\"at\":\"2023-11-15T00:13:20.500+02:00\"}");
    store_put(&s, "{\"id\":\"later\",\"at\":1700000009000}");
    store_put(&s, "{\"id\":\"none\"}");
    store_put(&s, "{\"id\":\"odd\",\"at\":\"yesterday\"}");
    clock_pass(&now, 1499);
    settle(&s);
    CHECK(store_json(&s, "number") && store_json(&s, "text") && store_json(&s, "zone"));
    clock_pass(&now, 1);
    settle(&s);
    CHECK(!store_json(&s, "number"));
    CHECK(!store_json(&s, "text"));
    CHECK(!store_json(&s, "zone"));
    CHECK(store_json(&s, "later") && store_json(&s, "none") && store_json(&s, "odd"));
}

static bool time_of(const char *json, int64_t *ret)
{
    return replica__ttl_time(replica__json_value(json, strlen(json)), ret);
}

TEST(a_time_is_a_number_or_rfc_3339_text)
{
    static const char *const none[] = {
        "null", "\"\"", "\"2023-11-14\"", "\"2023-11-14T22:13:20\"", "\"2023-13-14T22:13:20Z\"",
        "\"2023-11-14T22:13:20Z \"", "\"2023-11-14T22:13:20+2:00\"", "1e30", "true", "{}",
        "\"2023-11-14T24:13:20Z\"",
    };
    int64_t ms = 0;

    CHECK(time_of("1700000000000", &ms));
    CHECK_INT(ms, NOON);
    CHECK(time_of("17e11", &ms));
    CHECK_INT(ms, NOON);
    CHECK(time_of("1700000000000.5", &ms));
    CHECK_INT(ms, NOON);
    CHECK(time_of("\"2023-11-14t22:13:20.25z\"", &ms));
    CHECK_INT(ms, NOON + 250);
    CHECK(time_of("\"1969-12-31T23:59:59Z\"", &ms));
    CHECK_INT(ms, -1000);
    CHECK(time_of("\"2000-02-29T00:00:00-00:30\"", &ms));
    CHECK_INT(ms, INT64_C(951784200000));
    CHECK(time_of("\"\\u0031969-12-31T23:59:59Z\"", &ms));
    CHECK_INT(ms, -1000);
    CHECK(time_of("-1e400", &ms));
    CHECK(ms < 0);
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++)
        CHECK(!time_of(none[i], &ms));
}

TEST(an_expiry_is_a_deletion_that_observers_hear_of_and_servers_get)
{
    STORE s = living(NULL);
    int64_t head;

    store_put(&s, A1);
    clock_pass(&now, 1000);
    settle(&s);
    CHECK_RC(replica_db_sequence(s.db, &head, &test_err), 0);
    CHECK_INT(head, 2);
    CHECK_INT(store_sql_int(&s, "SELECT flags FROM doc"), 1);
}

/* "notes" is replicated by "r1", and expires. */
static struct store replicated(void)
{
    struct store s = store_empty();
    const char *path = s.path;

    store_close(&s);
    s = (struct store){ .path = path };
    clock_start(&now, NOON, 1);
    CHECK_RC(replica_db_open(path, NULL, &s.db, &test_err), 0);
    replica__db_set_world(s.db, &now.world);
    s.coll = with_ttl(s.db, "notes", NULL, 1000);
    store_replicate(&s, "r1");
    return s;
}

TEST(what_is_not_on_the_server_yet_does_not_expire)
{
    STORE s = replicated();

    store_put(&s, A1);
    clock_pass(&now, 5000);
    settle(&s);
    CHECK(store_json(&s, "a"));
    store_push_all(&s, 7);
    clock_pass(&now, 20 * 60 * 1000);
    settle(&s);
    CHECK(!store_json(&s, "a"));
    CHECK_INT(store_state(&s, "a"), REPLICA_DOC_DIRTY); /* its tombstone */
    store_sound(&s);
}

TEST(what_is_under_way_does_not_expire)
{
    STORE s = replicated();
    PAGE page = { 0 };

    store_put(&s, A1);
    CHECK_INT(store_push(&s, &page), 1);
    clock_pass(&now, 5000);
    settle(&s);
    CHECK(store_json(&s, "a"));
    CHECK_RC(store_judge(&s, &page, REPLICA_VERDICT_TAKEN, 6, NULL), 0);
    clock_pass(&now, 20 * 60 * 1000);
    settle(&s);
    CHECK(!store_json(&s, "a"));
}

TEST(what_is_set_aside_does_not_expire)
{
    STORE s = replicated();
    PAGE page = { 0 };

    store_put(&s, A1);
    CHECK_INT(store_push(&s, &page), 1);
    CHECK_RC(store_judge(&s, &page, REPLICA_VERDICT_REFUSED, 0, NULL), 0);
    clock_pass(&now, 20 * 60 * 1000);
    settle(&s);
    CHECK(store_json(&s, "a"));
}

TEST(those_that_wait_are_looked_at_ever_more_seldom)
{
    STORE s = replicated();
    int64_t waited = 0;
    int looks = 0;

    store_put(&s, A1);
    clock_pass(&now, 5000);
    settle(&s);
    while (waited < INT64_C(3600) * 1000) {
        int timeout = replica_db_timeout(s.db);

        CHECK(timeout > 0);
        clock_pass(&now, timeout);
        waited += timeout;
        looks++;
        settle(&s);
    }
    CHECK(looks < 100); /* one a minute, whatever waits */
    CHECK(store_json(&s, "a"));
}

TEST(many_expire_in_slices_and_in_their_order)
{
    STORE s = living("at");

    for (int batch = 0; batch < 10; batch++) {
        replica_bulk_row rows[1000] = { 0 };
        static char texts[1000][60];

        for (int i = 0; i < 1000; i++) { /* the latest first */
            snprintf(texts[i], sizeof texts[i], "{\"id\":\"%d\",\"at\":%lld}", batch * 1000 + i,
                     (long long)NOON + 20000 - (batch * 1000 + i));
            rows[i].json = texts[i];
            rows[i].len = REPLICA_NUL;
        }
        CHECK_RC(replica_bulk(s.coll, rows, 1000, &test_err), 0);
    }
    settle(&s);
    clock_pass(&now, 10000 + 1000 + 5000);
    settle(&s);
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM doc WHERE flags & 1"), 5000);
    CHECK(store_json(&s, "4999"));
    CHECK(!store_json(&s, "5000"));
    clock_pass(&now, 60000);
    settle(&s);
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM doc WHERE flags & 1 = 0"), 0);
    store_sound(&s);
}

TEST(another_handle_s_documents_expire_within_a_minute)
{
    STORE s = living(NULL);
    STORE other = store_open(s.path, NULL);

    settle(&s);
    replica__db_set_world(other.db, &now.world);
    CHECK_RC(replica_db_collection(other.db, "short", NULL, &other.coll, &test_err), 0);
    store_put(&other, A1);
    clock_pass(&now, 60000);
    settle(&s);
    CHECK(!store_json(&s, "a"));
}

TEST(a_collection_that_fails_does_not_hold_up_another)
{
    STORE s = living(NULL);
    replica_collection *raised = s.coll;

    store_put(&s, A1);
    s.coll = with_ttl(s.db, "other", NULL, 1000);
    store_put(&s, A1);
    s.coll = raised;
    store_put(&s, A1);
    store_sql(&s, "UPDATE collection SET version = 9 WHERE name = 'short'"); /* by a newer one */
    clock_pass(&now, 2000);
    settle(&s);
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM doc d JOIN collection c ON c.id = d.coll"
                                " WHERE c.name = 'other' AND d.flags & 1"), 1);
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM doc d JOIN collection c ON c.id = d.coll"
                                " WHERE c.name = 'short' AND d.flags & 1"), 0);
}

TEST(the_options_of_a_second_opening_agree)
{
    STORE s = living(NULL);
    replica_collection_options o = REPLICA_COLLECTION_OPTIONS_INIT;
    replica_collection *coll = NULL;

    CHECK_RC(replica_db_collection(s.db, "short", &o, &coll, &test_err), 0);
    o.ttl_ms = 1000;
    CHECK_RC(replica_db_collection(s.db, "short", &o, &coll, &test_err), 0);
    o.ttl_ms = 999;
    CHECK_RC(replica_db_collection(s.db, "short", &o, &coll, &test_err), REPLICA_EINVAL);
    o.ttl_ms = -1;
    CHECK_RC(replica_db_collection(s.db, "other", &o, &coll, &test_err), REPLICA_EINVAL);
    o.ttl_ms = 5;
    o.ttl_field = "";
    CHECK_RC(replica_db_collection(s.db, "other", &o, &coll, &test_err), REPLICA_EINVAL);
}

LONG_TEST(an_expiry_survives_every_failure)
{
    for (int nth = 0, failed = 1; failed; nth++) {
        STORE s = living("at");

        store_put(&s, "{\"id\":\"a\",\"at\":1700000000000}");
        clock_pass(&now, 1000);
        fault_alloc(nth);
        for (int i = 0; i < 5; i++)
            replica_db_dispatch(s.db, 0, NULL);
        failed = fault_stop();
        clock_pass(&now, 60000);
        settle(&s);
        CHECK(!store_json(&s, "a"));
        store_sound(&s);
    }
}
