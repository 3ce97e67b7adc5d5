/* Live queries: what they are told, in which order, and when they end. */
#include "base/buf.h"
#include "libreplica/query.h"
#include "tests/support/fault.h"
#include "tests/support/store.h"
#include "tests/support/test.h"

#include <stdio.h>

struct seen {
    struct replica__buf text;
    int calls, errors, destroyed;
    replica_live *live;  /* its own */
    replica_live *other;
    struct store *s;
    int writes; /* to do, inside the callback */
};

static void write_change(struct replica__buf *out, const replica_live_change *c)
{
    const char *id = replica_doc_id(c->doc);

    switch (c->what) {
    case REPLICA_LIVE_ADDED: replica__buf_printf(out, "+%s@%zu ", id, c->to); break;
    case REPLICA_LIVE_REMOVED: replica__buf_printf(out, "-%s@%zu ", id, c->from); break;
    case REPLICA_LIVE_CHANGED: replica__buf_printf(out, "=%s@%zu ", id, c->to); break;
    default: replica__buf_printf(out, "%s@%zu>%zu ", id, c->from, c->to);
    }
}

static void tell(void *ctx, replica_live *live, const replica_live_change *changes, size_t n,
                 const replica_error *err)
{
    struct seen *seen = ctx;

    seen->calls++;
    if (err) {
        CHECK_INT(n, 0);
        CHECK(err->code < 0 && err->message[0]);
        seen->errors++;
        replica__buf_printf(&seen->text, "!%s ", replica_error_name(err->code));
    }
    for (size_t i = 0; i < n; i++)
        write_change(&seen->text, &changes[i]);
    replica__buf_printf(&seen->text, "(%zu) ", replica_live_count(live));
}

static void destroy(void *ctx)
{
    ((struct seen *)ctx)->destroyed++;
}

static void start_as(struct store *s, const char *query, replica_live_fn fn, struct seen *seen)
{
    CHECK_RC(replica_live_start(s->coll, query, REPLICA_NUL, fn, seen, destroy, &seen->live,
                                &test_err), 0);
}

static const char *run(struct store *s, struct seen *seen)
{
    replica__buf_clear(&seen->text);
    replica__buf_str(&seen->text, "");
    for (int i = 0; i < 50; i++) {
        int r = replica_db_dispatch(s->db, 1000, &test_err);

        CHECK(r >= 0);
        if (r == 0 && (!s->db || replica_db_timeout(s->db) != 0))
            break;
    }
    return seen->text.data;
}

static void end(struct seen *seen)
{
    replica_live_cancel(seen->live);
    replica__buf_free(&seen->text);
}

/* Each of "a1 b3 c2" becomes a document with that id and that number n. */
static void put_all(struct store *s, const char *docs)
{
    char id[20], json[80];
    int n = 0;

    for (int used = 0; sscanf(docs, "%19[a-z]%d%n", id, &n, &used) == 2;
         docs += used + (docs[used] == ' ')) {
        snprintf(json, sizeof json, "{\"id\":\"%s\",\"n\":%d}", id, n);
        store_put(s, json);
    }
}

#define BY_N "{\"sort\":[{\"n\":\"asc\"}]}"
#define POSITIVE "{\"selector\":{\"n\":{\"$gt\":0}},\"sort\":[{\"n\":\"asc\"}]}"

TEST(the_first_result_comes_in_the_next_dispatch_even_if_it_is_empty)
{
    STORE s = store_empty();
    struct seen none = { 0 }, two = { 0 };

    start_as(&s, "{}", tell, &none);
    CHECK_INT(none.calls, 0);
    CHECK_INT(replica_db_timeout(s.db), 0);
    CHECK_STR(run(&s, &none), "(0) ");
    put_all(&s, "a2 b1");
    start_as(&s, BY_N, tell, &two);
    CHECK_STR(run(&s, &two), "+b@0 +a@1 (2) ");
    CHECK_STR(none.text.data, "(0) +a@0 +b@1 (2) ");
    CHECK_STR(replica_doc_id(replica_live_at(two.live, 1)), "a");
    CHECK(!replica_live_at(two.live, 2));
    end(&none);
    end(&two);
    CHECK_INT(two.destroyed, 1);
}

TEST(each_commit_is_told_as_what_it_did_to_the_result)
{
    STORE s = store_empty();
    struct seen seen = { 0 };

    put_all(&s, "a1 b2 c3 x0");
    start_as(&s, POSITIVE, tell, &seen);
    CHECK_STR(run(&s, &seen), "+a@0 +b@1 +c@2 (3) ");
    put_all(&s, "d4");
    CHECK_STR(run(&s, &seen), "+d@3 (4) ");
    put_all(&s, "a5");
    CHECK_STR(run(&s, &seen), "a@0>3 (4) ");
    put_all(&s, "c3");
    CHECK_STR(run(&s, &seen), "=c@1 (4) ");
    put_all(&s, "c0");
    CHECK_STR(run(&s, &seen), "-c@1 (3) ");
    store_delete(&s, "b");
    CHECK_STR(run(&s, &seen), "-b@0 (2) ");
    put_all(&s, "x0 y0");
    store_delete(&s, "x");
    CHECK_STR(run(&s, &seen), "");
    put_all(&s, "x1 a1");
    CHECK_STR(run(&s, &seen), "+x@0 a@2>0 (3) ");
    CHECK_INT(seen.calls, 7);
    end(&seen);
}

TEST(a_removed_document_is_told_as_it_was_in_the_result)
{
    STORE s = store_empty();
    struct seen seen = { 0 };
    replica_doc *was;

    put_all(&s, "a1");
    start_as(&s, POSITIVE, tell, &seen);
    run(&s, &seen);
    was = replica_doc_ref(replica_live_at(seen.live, 0));
    CHECK_STR(replica_doc_json(was, NULL), "{\"id\":\"a\",\"n\":1}");
    store_delete(&s, "a");
    CHECK_STR(run(&s, &seen), "-a@0 (0) ");
    CHECK(!replica_doc_deleted(was));
    replica_doc_unref(was);
    end(&seen);
}

TEST(a_window_is_filled_from_behind_and_cut_at_its_end)
{
    STORE s = store_empty();
    struct seen seen = { 0 };

    put_all(&s, "a1 b2 c3 d4 e5");
    start_as(&s, "{\"sort\":[{\"n\":\"asc\"}],\"skip\":1,\"limit\":2}", tell, &seen);
    CHECK_STR(run(&s, &seen), "+b@0 +c@1 (2) ");
    put_all(&s, "x0"); /* before the window */
    CHECK_STR(run(&s, &seen), "-c@1 +a@0 (2) ");
    store_delete(&s, "x");
    CHECK_STR(run(&s, &seen), "-a@0 +c@1 (2) ");
    store_delete(&s, "b");
    CHECK_STR(run(&s, &seen), "-b@0 +d@1 (2) ");
    put_all(&s, "z9"); /* behind it */
    CHECK_STR(run(&s, &seen), "");
    put_all(&s, "c4"); /* in its place: the key decides the tie */
    CHECK_STR(run(&s, &seen), "=c@0 (2) ");
    put_all(&s, "d3");
    CHECK_STR(run(&s, &seen), "d@1>0 (2) ");
    end(&seen);
}

TEST(a_window_whose_documents_run_out_is_filled_again)
{
    STORE s = store_empty();
    struct seen seen = { 0 };

    for (int i = 0; i < 400; i++) {
        char text[60];

        snprintf(text, sizeof text, "{\"id\":\"k%03d\",\"n\":%d}", i, i);
        store_put(&s, text);
    }
    start_as(&s, "{\"sort\":[{\"n\":\"asc\"}],\"limit\":3}", tell, &seen);
    CHECK_STR(run(&s, &seen), "+k000@0 +k001@1 +k002@2 (3) ");
    for (int i = 0; i < 397; i++) {
        char id[8], want[60];

        snprintf(id, sizeof id, "k%03d", i);
        store_delete(&s, id);
        snprintf(want, sizeof want, "-k%03d@0 +k%03d@2 (3) ", i, i + 3);
        CHECK_STR(run(&s, &seen), want);
    }
    store_delete(&s, "k398");
    CHECK_STR(run(&s, &seen), "-k398@1 (2) ");
    end(&seen);
}

TEST(a_window_of_nothing_is_told_once)
{
    STORE s = store_empty();
    struct seen seen = { 0 };

    put_all(&s, "a1");
    start_as(&s, "{\"skip\":5}", tell, &seen);
    CHECK_STR(run(&s, &seen), "(0) ");
    put_all(&s, "b1 c1 d1 e1");
    CHECK_STR(run(&s, &seen), "");
    put_all(&s, "f1");
    CHECK_STR(run(&s, &seen), "+f@0 (1) ");
    end(&seen);
}

TEST(documents_have_the_fields_that_were_asked_for)
{
    STORE s = store_empty();
    struct seen seen = { 0 };

    store_put(&s, "{\"id\":\"a\",\"n\":1,\"t\":\"x\"}");
    start_as(&s, "{\"sort\":[{\"n\":\"desc\"}],\"fields\":[\"t\"]}", tell, &seen);
    run(&s, &seen);
    CHECK_STR(replica_doc_json(replica_live_at(seen.live, 0), NULL), "{\"id\":\"a\",\"t\":\"x\"}");
    store_put(&s, "{\"id\":\"b\",\"n\":2,\"t\":\"y\"}");
    CHECK_STR(run(&s, &seen), "+b@0 (2) ");
    CHECK_STR(replica_doc_json(replica_live_at(seen.live, 0), NULL), "{\"id\":\"b\",\"t\":\"y\"}");
    CHECK_STR(replica_doc_rev(replica_live_at(seen.live, 0)), store_rev(&s, "b"));
    store_put(&s, "{\"id\":\"b\",\"n\":0,\"t\":\"z\"}");
    CHECK_STR(run(&s, &seen), "b@0>1 (2) ");
    CHECK_STR(replica_doc_json(replica_live_at(seen.live, 1), NULL), "{\"id\":\"b\",\"t\":\"z\"}");
    end(&seen);
}

TEST(commits_of_another_handle_and_of_a_replication_are_told)
{
    STORE s = store_empty();
    STORE other = store_open(s.path, NULL);
    replica_db *sibling = NULL;
    replica_collection *coll = NULL;
    struct seen seen = { 0 };

    start_as(&s, "{}", tell, &seen);
    CHECK_STR(run(&s, &seen), "(0) ");
    replica__buf_clear(&seen.text);
    store_put(&other, "{\"id\":\"a\"}");
    for (int i = 0; i < 20 && seen.text.len == 0; i++)
        CHECK(replica_db_wait(s.db, 500, &test_err) >= 0);
    CHECK_STR(seen.text.data, "+a@0 (1) ");
    store_replicate(&s, "r1");
    store_clean(&s, "{\"id\":\"b\"}", 5);
    CHECK_STR(run(&s, &seen), "+b@1 (2) ");
    CHECK_RC(replica__db_open_sibling(s.db, &sibling, &test_err), 0); /* a runner's */
    CHECK_RC(replica_db_collection(sibling, "notes", NULL, &coll, &test_err), 0);
    CHECK_RC(replica_put(coll, "{\"id\":\"c\"}", REPLICA_NUL, NULL, NULL, NULL, &test_err), 0);
    CHECK_INT(replica_db_timeout(s.db), 0);
    CHECK_STR(run(&s, &seen), "+c@2 (3) ");
    replica_db_close(sibling);
    end(&seen);
}

TEST(what_was_deleted_and_purged_before_a_dispatch_is_told)
{
    STORE s = store_with("{\"id\":\"a\"}");
    struct seen seen = { 0 };
    int64_t n = 0;

    store_put(&s, "{\"id\":\"b\"}");
    start_as(&s, "{}", tell, &seen);
    CHECK_STR(run(&s, &seen), "+a@0 +b@1 (2) ");
    store_delete(&s, "a");
    store_put(&s, "{\"id\":\"b\",\"n\":1}");
    while (n == 0) /* it must be older than now */
        CHECK_RC(replica_purge(s.db, s.coll, 0, 0, &n, &test_err), 0);
    CHECK_INT(n, 1);
    CHECK_STR(run(&s, &seen), "=b@1 -a@0 (1) ");
    end(&seen);
}

TEST(other_collections_are_not_told)
{
    STORE s = store_memory();
    replica_collection *other = NULL;
    struct seen seen = { 0 };

    CHECK_RC(replica_db_collection(s.db, "other", NULL, &other, &test_err), 0);
    start_as(&s, "{}", tell, &seen);
    run(&s, &seen);
    CHECK_RC(replica_put(other, "{\"id\":\"a\"}", REPLICA_NUL, NULL, NULL, NULL, &test_err), 0);
    CHECK_STR(run(&s, &seen), "");
    store_put(&s, "{\"id\":\"b\"}");
    CHECK_STR(run(&s, &seen), "+b@0 (1) ");
    end(&seen);
}

TEST(many_commits_before_a_dispatch_are_told_at_once)
{
    STORE s = store_empty();
    struct seen seen = { 0 };

    start_as(&s, BY_N, tell, &seen);
    run(&s, &seen);
    put_all(&s, "a1 b2 a3 b1");
    store_delete(&s, "b");
    put_all(&s, "c1");
    CHECK_STR(run(&s, &seen), "+a@0 +c@0 (2) ");
    CHECK_INT(seen.calls, 2);
    end(&seen);
}

/* Each look at this clock finds that time is up. */
static int64_t late(void *ctx)
{
    static int64_t now;

    return now += 1000000;
}

struct parts {
    int calls, bundled; /* members of the bundle that are in the result */
    size_t n;
};

static void count_parts(void *ctx, replica_live *live, const replica_live_change *changes, size_t n,
                        const replica_error *err)
{
    struct parts *parts = ctx;

    parts->calls++;
    parts->n = replica_live_count(live);
    for (size_t i = 0; i < n; i++)
        parts->bundled += replica_doc_id(changes[i].doc)[0] == 'b';
    CHECK(parts->bundled == 0 || parts->bundled == 200);
}

TEST(many_changes_take_several_dispatches_and_a_bundle_only_one)
{
    STORE s = store_empty();
    struct replica__world world = replica__real_world;
    replica_bundle *bundle = NULL;
    replica_live *live = NULL;
    struct parts parts = { 0 };
    char text[40];

    CHECK_RC(replica_live_start(s.coll, "{}", REPLICA_NUL, count_parts, &parts, NULL, &live,
                                &test_err), 0);
    replica_db_dispatch(s.db, 1000, &test_err);
    for (int i = 0; i < 300; i++) {
        snprintf(text, sizeof text, "{\"id\":\"a%03d\"}", i);
        store_put(&s, text);
        if (i != 30)
            continue;
        CHECK_RC(replica_bundle_begin(s.db, &bundle, &test_err), 0);
        for (int k = 0; k < 200; k++) {
            snprintf(text, sizeof text, "{\"id\":\"b%03d\"}", k);
            CHECK_RC(replica_bundle_put(bundle, s.coll, text, REPLICA_NUL, NULL, &test_err), 0);
        }
        CHECK_RC(replica_bundle_commit(bundle, NULL, &test_err), 0);
    }
    world.monotonic_ms = late;
    replica__db_set_world(s.db, &world);
    for (int i = 0; i < 50 && parts.n < 500; i++)
        CHECK(replica_db_dispatch(s.db, 1, &test_err) >= 0);
    CHECK_INT(parts.n, 500);
    CHECK(parts.calls > 4);
    CHECK_INT(parts.bundled, 200);
    replica__db_set_world(s.db, &replica__real_world);
    replica_live_cancel(live);
}

/* ---- failures -------------------------------------------------------------------- */

TEST(a_query_that_is_none_is_refused_and_destroy_is_called)
{
    STORE s = store_empty();
    struct seen seen = { 0 };
    replica_live *live = (replica_live *)(uintptr_t)16;

    CHECK_RC(replica_live_start(s.coll, "{\"selector\":{\"$what\":1}}", REPLICA_NUL, tell, &seen,
                                destroy, &live, &test_err), REPLICA_EINVAL);
    CHECK_RC(replica_live_start(s.coll, "{}", REPLICA_NUL, NULL, &seen, destroy, &live, &test_err),
             REPLICA_EINVAL);
    CHECK_RC(replica_live_start(NULL, "{}", REPLICA_NUL, tell, &seen, destroy, &live, &test_err),
             REPLICA_EINVAL);
    CHECK_INT(seen.destroyed, 3);
    for (int nth = 0, failed = 1; failed; nth++) {
        int before = seen.destroyed, r;

        fault_alloc(nth);
        r = replica_live_start(s.coll, BY_N, REPLICA_NUL, tell, &seen, destroy, &live, &test_err);
        failed = fault_stop();
        CHECK(r == 0 || (failed && r == REPLICA_ENOMEM));
        CHECK_INT(seen.destroyed, before + (r < 0));
        if (r == 0)
            replica_live_cancel(live);
    }
    CHECK_INT(seen.calls, 0);
    CHECK_INT(replica_live_count(NULL), 0);
    replica_live_cancel(NULL);
}

TEST(a_query_that_cannot_be_answered_is_told_and_tried_again_with_the_next_commit)
{
    STORE s = store_empty();
    struct seen seen = { 0 };
    char text[60];

    put_all(&s, "a1");
    start_as(&s, "{\"index\":[\"n\"],\"sort\":[{\"n\":\"asc\"}]}", tell, &seen);
    run(&s, &seen);
    CHECK_STR(seen.text.data, "!REPLICA_EINVAL (0) "); /* there is no such index */
    CHECK_STR(run(&s, &seen), "");
    CHECK_INT(seen.calls, 1);
    put_all(&s, "b2");
    CHECK_STR(run(&s, &seen), "!REPLICA_EINVAL (0) ");
    const char *const fields[] = { "n" };
    const replica_index_options index = { .size = sizeof index, .fields = fields, .n = 1 };

    CHECK_RC(replica_index_create(s.coll, &index, &test_err), 1);
    CHECK_RC(replica_index_wait(s.coll, &test_err), 0);
    snprintf(text, sizeof text, "%s", run(&s, &seen));
    if (text[0] == '\0') { /* the index was no change of a document */
        put_all(&s, "c3");
        CHECK_STR(run(&s, &seen), "+a@0 +b@1 +c@2 (3) ");
    } else {
        CHECK_STR(text, "+a@0 +b@1 (2) ");
    }
    end(&seen);
}

struct copy {
    char ids[20][8];
    size_t n;
    int calls;
};

static void follow(void *ctx, replica_live *live, const replica_live_change *changes, size_t n,
                   const replica_error *err)
{
    struct copy *copy = ctx;

    copy->calls++;
    for (size_t i = 0; i < n; i++) {
        const replica_live_change *c = &changes[i];

        if (c->what != REPLICA_LIVE_ADDED) {
            CHECK_STR(copy->ids[c->from], replica_doc_id(c->doc));
            copy->n--;
            memmove(copy->ids[c->from], copy->ids[c->from + 1], (copy->n - c->from) * 8);
        }
        if (c->what != REPLICA_LIVE_REMOVED) {
            CHECK(c->to <= copy->n);
            memmove(copy->ids[c->to + 1], copy->ids[c->to], (copy->n - c->to) * 8);
            snprintf(copy->ids[c->to], 8, "%s", replica_doc_id(c->doc));
            copy->n++;
        }
    }
    if (!err)
        CHECK_INT(copy->n, replica_live_count(live));
}

LONG_TEST(a_failed_allocation_delays_differences_and_loses_none)
{
    static const char *const queries[] = {
        POSITIVE,
        "{\"sort\":[{\"n\":\"desc\"}],\"limit\":2}",
        "{\"sort\":[{\"n\":\"asc\"}],\"skip\":1,\"fields\":[\"n\"]}",
    };

    for (int q = 0; q < 3; q++) {
        for (int nth = 0, failed = 1; failed; nth++) {
            STORE s = store_memory();
            struct copy copy = { .n = 0 };
            replica_live *live = NULL;
            int64_t count = 0;

            put_all(&s, "a1 b2 c3 d4");
            CHECK_RC(replica_live_start(s.coll, queries[q], REPLICA_NUL, follow, &copy, NULL,
                                        &live, &test_err), 0);
            CHECK(replica_db_dispatch(s.db, 1000, &test_err) >= 0);
            put_all(&s, "a9 e5 c0");
            store_delete(&s, "b");
            fault_alloc(nth);
            replica_db_dispatch(s.db, 1000, &test_err);
            failed = fault_stop();
            put_all(&s, "z7");
            for (int i = 0; i < 5; i++)
                CHECK(replica_db_dispatch(s.db, 1000, &test_err) >= 0);
            CHECK_RC(replica_count(s.coll, queries[q], REPLICA_NUL, &count, &test_err), 0);
            CHECK_INT(copy.n, count);
            for (size_t i = 0; i < copy.n; i++)
                CHECK_STR(copy.ids[i], replica_doc_id(replica_live_at(live, i)));
            replica_live_cancel(live);
        }
    }
}

/* ---- in the callback ------------------------------------------------------------- */

static void cancel_self(void *ctx, replica_live *live, const replica_live_change *changes, size_t n,
                        const replica_error *err)
{
    struct seen *seen = ctx;

    tell(ctx, live, changes, n, err);
    replica_live_cancel(live);
    CHECK_INT(seen->destroyed, 0); /* not while it runs */
}

TEST(a_live_query_may_cancel_itself_in_its_callback)
{
    STORE s = store_empty();
    struct seen seen = { 0 };

    put_all(&s, "a1");
    start_as(&s, "{}", cancel_self, &seen);
    CHECK_STR(run(&s, &seen), "+a@0 (1) ");
    CHECK_INT(seen.destroyed, 1);
    put_all(&s, "b1");
    CHECK_STR(run(&s, &seen), "");
    replica__buf_free(&seen.text);
}

static void cancel_the_other(void *ctx, replica_live *live, const replica_live_change *changes,
                             size_t n, const replica_error *err)
{
    struct seen *seen = ctx;

    tell(ctx, live, changes, n, err);
    replica_live_cancel(seen->other);
    seen->other = NULL;
}

TEST(a_live_query_may_cancel_another_in_its_callback)
{
    for (int first = 0; first < 2; first++) {
        STORE s = store_empty();
        struct seen a = { 0 }, b = { 0 };

        start_as(&s, "{}", first ? cancel_the_other : tell, &a);
        start_as(&s, "{}", first ? tell : cancel_the_other, &b);
        *(first ? &a.other : &b.other) = first ? b.live : a.live;
        run(&s, &a);
        CHECK_INT(a.destroyed + b.destroyed, 1);
        put_all(&s, "a1");
        run(&s, &a);
        replica_live_cancel(first ? a.live : b.live);
        CHECK_INT(a.destroyed + b.destroyed, 2);
        replica__buf_free(&a.text);
        replica__buf_free(&b.text);
        store_close(&s);
        remove(s.path);
    }
}

static void write_more(void *ctx, replica_live *live, const replica_live_change *changes, size_t n,
                       const replica_error *err)
{
    struct seen *seen = ctx;
    char text[40];

    tell(ctx, live, changes, n, err);
    if (seen->writes-- <= 0)
        return;
    snprintf(text, sizeof text, "{\"id\":\"m%d\"}", seen->writes);
    store_put(seen->s, text);
}

TEST(a_live_query_may_write_in_its_callback_and_is_told_of_it)
{
    STORE s = store_empty();
    struct seen seen = { .s = &s, .writes = 2 };

    start_as(&s, "{}", write_more, &seen);
    CHECK_STR(run(&s, &seen), "(0) +m1@0 (1) +m0@0 (2) ");
    end(&seen);
}

static void start_another(void *ctx, replica_live *live, const replica_live_change *changes,
                          size_t n, const replica_error *err)
{
    struct seen *seen = ctx;

    tell(ctx, live, changes, n, err);
    if (seen->writes-- > 0)
        CHECK_RC(replica_live_start(seen->s->coll, "{}", REPLICA_NUL, tell, seen, destroy,
                                    &seen->other, &test_err), 0);
}

TEST(a_live_query_may_start_another_in_its_callback)
{
    STORE s = store_with("{\"id\":\"a\"}");
    struct seen seen = { .s = &s, .writes = 1 };

    start_as(&s, "{}", start_another, &seen);
    CHECK_STR(run(&s, &seen), "+a@0 (1) +a@0 (1) ");
    replica_live_cancel(seen.other);
    end(&seen);
    CHECK_INT(seen.destroyed, 2);
}

static void dispatch_inside(void *ctx, replica_live *live, const replica_live_change *changes,
                            size_t n, const replica_error *err)
{
    struct seen *seen = ctx;

    tell(ctx, live, changes, n, err);
    CHECK(replica_db_dispatch(seen->s->db, 1000, &test_err) >= 0);
    if (seen->writes-- > 0) {
        store_put(seen->s, "{\"id\":\"z\"}");
        CHECK(replica_db_dispatch(seen->s->db, 1000, &test_err) >= 0);
    }
}

TEST(a_dispatch_inside_a_callback_tells_nothing_twice)
{
    STORE s = store_empty();
    struct seen seen = { .s = &s, .writes = 1 };

    put_all(&s, "a1");
    start_as(&s, "{}", dispatch_inside, &seen);
    CHECK_STR(run(&s, &seen), "+a@0 (1) +z@1 (2) ");
    CHECK_STR(run(&s, &seen), "");
    end(&seen);
}

static void close_database(void *ctx, replica_live *live, const replica_live_change *changes,
                           size_t n, const replica_error *err)
{
    struct seen *seen = ctx;

    tell(ctx, live, changes, n, err);
    replica_db_close(seen->s->db);
    CHECK_INT(seen->destroyed, 0);
}

TEST(a_live_query_may_close_the_database_in_its_callback)
{
    STORE s = store_empty();
    struct seen seen = { .s = &s };

    put_all(&s, "a1");
    start_as(&s, "{}", close_database, &seen);
    CHECK_RC(replica_db_dispatch(s.db, 1000, &test_err), 0);
    s.db = NULL;
    CHECK_STR(seen.text.data, "+a@0 (1) ");
    CHECK_INT(seen.destroyed, 1);
    CHECK_INT(replica_live_count(seen.live), 0); /* the handle outlives the database */
    CHECK(!replica_live_at(seen.live, 0));
    end(&seen);
    CHECK_INT(seen.destroyed, 1);
}

TEST(destroy_is_called_once_when_the_database_closes)
{
    STORE s = store_empty();
    struct seen owned = { 0 }, anonymous = { 0 };

    start_as(&s, "{}", tell, &owned);
    CHECK_RC(replica_live_start(s.coll, "{}", REPLICA_NUL, tell, &anonymous, destroy, NULL,
                                &test_err), 0);
    store_close(&s);
    CHECK_INT(owned.destroyed, 1);
    CHECK_INT(anonymous.destroyed, 1);
    end(&owned);
    CHECK_INT(owned.destroyed, 1);
}

static void cancel_other(void *ctx)
{
    struct seen *seen = ctx;

    seen->destroyed++;
    replica_live_cancel(seen->other);
    seen->other = NULL;
}

TEST(a_destroy_may_cancel_another_live_query)
{
    for (int how = 0; how < 4; how++) {
        STORE s = store_empty();
        struct seen a = { 0 }, b = { 0 };
        struct seen *first = how & 1 ? &b : &a;

        CHECK_RC(replica_live_start(s.coll, "{}", REPLICA_NUL, tell, &a, cancel_other, &a.live,
                                    &test_err), 0);
        CHECK_RC(replica_live_start(s.coll, "{}", REPLICA_NUL, tell, &b, cancel_other, &b.live,
                                    &test_err), 0);
        first->other = first == &a ? b.live : a.live;
        if (!(how & 2))
            store_close(&s);
        replica_live_cancel(first->live);
        CHECK_INT(a.destroyed, 1);
        CHECK_INT(b.destroyed, 1);
        if (s.db)
            store_close(&s);
        remove(s.path);
    }
}

TEST(a_document_is_shared_and_outlives_the_live_query)
{
    STORE s = store_with("{\"id\":\"a\"}");
    struct seen seen = { 0 };
    replica_doc *doc;

    start_as(&s, "{}", tell, &seen);
    run(&s, &seen);
    CHECK(replica_live_at(seen.live, 0) == replica_live_at(seen.live, 0));
    doc = replica_doc_ref(replica_live_at(seen.live, 0));
    end(&seen);
    CHECK_STR(replica_doc_json(doc, NULL), "{\"id\":\"a\"}");
    replica_doc_unref(doc);
}
