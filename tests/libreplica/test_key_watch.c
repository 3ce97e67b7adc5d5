#include "base/buf.h"
#include "base/clock.h"
#include "libreplica/keys.h"
#include "tests/support/fault.h"
#include "tests/support/store.h"
#include "tests/support/test.h"

#include <stdio.h>
#include <stdlib.h>

/* What an observer was told, as text: "a/1 a/2 . a/2! -a/1": "." is the end of the snapshot, "-" a
 * deletion, "!" a change. */
struct told {
    struct replica__buf text;
    int64_t last;
    int destroyed;
    bool live;
    struct store *writes_to; /* writes a/new when it is told its first document */
    replica_observer *cancels;
};

static void note(void *ctx, const replica_change *change)
{
    struct told *told = ctx;

    CHECK(!told->destroyed);
    if (!change->doc) {
        CHECK(!told->live);
        told->live = true;
        replica__buf_str(&told->text, ".");
    } else {
        CHECK_INT(change->sequence, replica_doc_sequence(change->doc));
        CHECK_INT(change->origin != 0, told->live);
        if (told->live && change->sequence <= told->last)
            test_fail(__FILE__, __LINE__, "%lld after %lld", (long long)change->sequence,
                      (long long)told->last);
        if (replica_doc_deleted(change->doc))
            replica__buf_str(&told->text, "-");
        replica__buf_str(&told->text, replica_doc_id(change->doc));
        if (told->live)
            replica__buf_str(&told->text, "!");
    }
    if (told->live)
        told->last = change->sequence;
    replica__buf_str(&told->text, " ");
    if (told->writes_to) {
        store_put(told->writes_to, "{\"id\":\"a/0\"}");
        store_put(told->writes_to, "{\"id\":\"a/2\",\"n\":1}");
        store_put(told->writes_to, "{\"id\":\"a/new\"}");
        told->writes_to = NULL;
    }
    if (told->cancels)
        replica_observer_cancel(told->cancels);
    told->cancels = NULL;
}

static void destroy(void *ctx)
{
    struct told *told = ctx;

    told->destroyed++;
}

static void told_free(struct told *told)
{
    replica__buf_free(&told->text);
}
#define TOLD __attribute__((cleanup(told_free))) struct told

static replica_observer *observe(struct store *s, const char *pattern, struct told *told)
{
    replica_observer *o = NULL;

    CHECK_RC(replica_keys_observe(s->coll, pattern, note, told, destroy, &o, &test_err), 0);
    return o;
}

static void follow(struct store *s, const char *pattern, struct told *told)
{
    CHECK_RC(replica_keys_observe(s->coll, pattern, note, told, destroy, NULL, &test_err), 0);
}

static void dispatch(struct store *s)
{
    int r;

    while ((r = replica_db_dispatch(s->db, 0, &test_err)) > 0)
        ;
    CHECK_RC(r, 0);
}

static void check_told(struct store *s, struct told *told, const char *want)
{
    dispatch(s);
    CHECK_STR(told->text.len ? told->text.data : "", want);
    replica__buf_clear(&told->text);
}

TEST(what_is_there_comes_first_and_then_what_changes)
{
    TOLD told = { .last = 0 };
    STORE s = store_empty();

    store_put(&s, "{\"id\":\"a/2\"}");
    store_put(&s, "{\"id\":\"a/1\"}");
    store_put(&s, "{\"id\":\"b/1\"}");
    store_put(&s, "{\"id\":\"a/3\"}");
    store_delete(&s, "a/3");
    follow(&s, "a/*", &told);
    CHECK_INT(told.text.len, 0);
    store_put(&s, "{\"id\":\"a/0\"}"); /* before the dispatch: it is there */
    check_told(&s, &told, "a/0 a/1 a/2 . ");
    store_put(&s, "{\"id\":\"a/4\"}");
    store_put(&s, "{\"id\":\"b/4\"}");
    store_delete(&s, "a/1");
    check_told(&s, &told, "a/4! -a/1! ");
    check_told(&s, &told, "");
}

TEST(nothing_is_there_in_an_empty_collection_and_that_is_told)
{
    TOLD told = { .last = 0 };
    STORE s = store_memory();

    follow(&s, "**", &told);
    check_told(&s, &told, ". ");
    store_put(&s, "{\"id\":\"x\"}");
    check_told(&s, &told, "x! ");
}

TEST(what_an_observer_writes_while_it_is_told_the_snapshot_comes_behind_it)
{
    for (int memory = 0; memory < 2; memory++) {
        TOLD told = { .last = 0 };
        STORE s = memory ? store_memory() : store_empty();

        told.writes_to = &s;
        store_put(&s, "{\"id\":\"a/1\"}");
        store_put(&s, "{\"id\":\"a/2\"}");
        follow(&s, "a/**", &told);
        check_told(&s, &told, "a/1 a/2 . a/0! a/2! a/new! ");
    }
}

TEST(each_observer_has_its_own_beginning)
{
    TOLD first = { .last = 0 };
    TOLD second = { .last = 0 };
    STORE s = store_empty();

    store_put(&s, "{\"id\":\"a/1\"}");
    follow(&s, "a/*", &first);
    check_told(&s, &first, "a/1 . ");
    store_put(&s, "{\"id\":\"a/2\"}");
    follow(&s, "*/2", &second);
    store_put(&s, "{\"id\":\"b/2\"}");
    check_told(&s, &first, "a/2! ");
    check_told(&s, &second, "a/2 b/2 . ");
    store_put(&s, "{\"id\":\"a/2\",\"n\":1}");
    check_told(&s, &first, "a/2! ");
    check_told(&s, &second, "a/2! ");
}

TEST(another_handle_on_the_file_is_told_of_too)
{
    TOLD told = { .last = 0 };
    STORE s = store_empty();
    STORE other = store_open(s.path, NULL);

    follow(&s, "a/*", &told);
    check_told(&s, &told, ". ");
    store_put(&other, "{\"id\":\"a/1\"}");
    while (!told.text.len)
        CHECK(replica_db_wait(s.db, 10000, &test_err) > 0);
    check_told(&s, &told, "a/1! ");
}

TEST(a_cancelled_observer_is_told_nothing_more)
{
    TOLD told = { .last = 0 };
    TOLD other = { .last = 0 };
    TOLD never = { .last = 0 };
    STORE s = store_empty();
    replica_observer *o;

    store_put(&s, "{\"id\":\"a/1\"}");
    store_put(&s, "{\"id\":\"a/2\"}");
    told.cancels = observe(&s, "a/*", &told); /* itself, amid its snapshot */
    check_told(&s, &told, "a/1 ");
    CHECK_INT(told.destroyed, 1);

    follow(&s, "a/*", &other);
    dispatch(&s);
    replica__buf_clear(&other.text);
    o = observe(&s, "a/*", &never);
    replica_observer_cancel(o);
    CHECK_INT(never.destroyed, 1);
    store_put(&s, "{\"id\":\"a/3\"}");
    check_told(&s, &other, "a/3! ");
    CHECK_INT(never.text.len, 0);
}

TEST(an_observer_may_cancel_another_one_that_is_to_be_told_the_same)
{
    TOLD one = { .last = 0 };
    TOLD two = { .last = 0 };
    STORE s = store_empty();
    replica_observer *a = observe(&s, "a/*", &one), *b = observe(&s, "**", &two);
    size_t told;

    dispatch(&s);
    told = one.text.len + two.text.len;
    one.cancels = b;
    two.cancels = a;
    store_put(&s, "{\"id\":\"a/1\"}");
    dispatch(&s);
    CHECK_INT(one.destroyed + two.destroyed, 1);
    CHECK_INT(one.text.len + two.text.len, told + 5); /* "a/1! " once */
    replica_observer_cancel(one.destroyed ? b : a);
}

TEST(observers_end_with_their_database_whatever_they_wait_for)
{
    TOLD told = { .last = 0 };
    TOLD waits = { .last = 0 };
    TOLD owned = { .last = 0 };
    STORE s = store_empty();
    replica_observer *o;

    store_put(&s, "{\"id\":\"a/1\"}");
    CHECK_RC(replica_keys_observe(s.coll, "**", note, &told, destroy, NULL, &test_err), 0);
    dispatch(&s);
    CHECK_RC(replica_keys_observe(s.coll, "**", note, &waits, destroy, NULL, &test_err), 0);
    o = observe(&s, "a/*", &owned);
    replica_db_close(s.db);
    s.db = NULL;
    CHECK_INT(told.destroyed, 1);
    CHECK_INT(waits.destroyed, 1);
    CHECK_INT(owned.destroyed, 1);
    replica_observer_cancel(o);
    CHECK_INT(owned.destroyed, 1);
}

TEST(a_refused_observer_is_destroyed_at_once)
{
    TOLD told = { .last = 0 };
    STORE s = store_empty();
    replica_observer *o = NULL;

    CHECK_RC(replica_keys_observe(s.coll, "a*", note, &told, destroy, &o, &test_err),
             REPLICA_EINVAL);
    CHECK_RC(replica_keys_observe(NULL, "a", note, &told, destroy, &o, &test_err),
             REPLICA_EINVAL);
    CHECK_RC(replica_keys_observe(s.coll, "a", NULL, &told, destroy, &o, &test_err),
             REPLICA_EINVAL);
    CHECK_INT(told.destroyed, 3);
    CHECK(!o);
    dispatch(&s);
    CHECK_INT(told.text.len, 0);
}

/* ---- no gap and no duplicate ----------------------------------------------------- */

#define DOCS 400

struct mirror {
    struct store *writes;
    int64_t seen[DOCS]; /* sequence number of each document; 0: none */
    int64_t last;
    bool live;
    int calls;
};

static int64_t dice(void)
{
    return (int64_t)(replica__real_world.random(replica__real_world.ctx) >> 1);
}

static void write_some(struct store *s)
{
    char json[64];
    int i = (int)(dice() % DOCS);

    snprintf(json, sizeof json, "{\"id\":\"a/%03d/x\",\"n\":%lld}", i, (long long)dice() % 1000);
    if (dice() % 3)
        store_put(s, json);
    snprintf(json, sizeof json, "a/%03d/x", i);
    if (dice() % 4 == 0)
        CHECK(replica_delete(s->coll, json, REPLICA_ANY_REV, NULL, &test_err) >= 0);
}

static void reflect(void *ctx, const replica_change *change)
{
    struct mirror *m = ctx;

    m->calls++;
    if (!change->doc) {
        CHECK(!m->live);
        m->live = true;
        m->last = change->sequence;
    } else {
        int i = atoi(replica_doc_id(change->doc) + 2);

        if (m->live)
            CHECK(change->sequence > m->last);
        else
            CHECK(m->seen[i] == 0);
        if (m->live)
            m->last = change->sequence;
        m->seen[i] = replica_doc_deleted(change->doc) ? 0 : change->sequence;
    }
    if (m->writes && dice() % 4 == 0)
        write_some(m->writes);
}

TEST(with_writers_at_any_point_an_observer_ends_with_what_is_stored)
{
    for (int round = 0; round < 12; round++) {
        STORE s = round % 3 ? store_empty() : store_memory();
        struct mirror mirrors[3] = { { .writes = &s }, { .writes = NULL }, { .writes = NULL } };
        replica_cursor *cursor = NULL;
        replica_doc *doc;
        int64_t want[DOCS] = { 0 };

        for (int i = 0; i < 500; i++)
            write_some(&s);
        for (int i = 0; i < 3; i++) {
            CHECK_RC(replica_keys_observe(s.coll, "a/*/x", reflect, &mirrors[i], NULL, NULL,
                                          &test_err), 0);
            write_some(&s);
            CHECK(replica_db_dispatch(s.db, 1, &test_err) >= 0);
            write_some(&s);
        }
        mirrors[0].writes = NULL;
        dispatch(&s);
        CHECK_RC(replica_all(s.coll, NULL, &cursor, &test_err), 0);
        while (replica_cursor_next(cursor, &doc, &test_err) > 0)
            want[atoi(replica_doc_id(doc) + 2)] = replica_doc_sequence(doc);
        replica_cursor_close(cursor);
        for (int i = 0; i < 3; i++) {
            CHECK(mirrors[i].live);
            CHECK(mirrors[i].calls > 100);
            CHECK_MEM(mirrors[i].seen, sizeof want, want, sizeof want);
        }
    }
}

LONG_TEST(a_failed_allocation_delays_what_is_told_and_loses_nothing)
{
    for (int nth = 0, failed = 1; failed; nth++) {
        TOLD told = { .last = 0 };
        STORE s = store_empty();
        int r;

        store_put(&s, "{\"id\":\"a/1\"}");
        store_put(&s, "{\"id\":\"a/2\"}");
        CHECK(replica_delete(s.coll, "a/3", REPLICA_ANY_REV, NULL, &test_err) >= 0);
        replica__buf_reserve(&told.text, 1000);
        fault_alloc(nth);
        r = replica_keys_observe(s.coll, "a/*", note, &told, destroy, NULL, &test_err);
        if (r >= 0)
            r = replica_db_dispatch(s.db, 0, &test_err);
        failed = fault_stop();
        if (r < 0)
            CHECK_INT(r, REPLICA_ENOMEM);
        if (told.destroyed)
            continue;
        check_told(&s, &told, "a/1 a/2 . ");
        store_put(&s, "{\"id\":\"a/3\"}");
        fault_alloc(nth);
        replica_db_dispatch(s.db, 0, &test_err);
        fault_stop();
        check_told(&s, &told, "a/3! ");
    }
}
