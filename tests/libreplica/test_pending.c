/* What is not in step, document by document, and why. */
#include "tests/support/fault.h"
#include "tests/support/store.h"
#include "tests/support/test.h"

#include <stdio.h>

#define A1 "{\"id\":\"a\",\"n\":1}"
#define A2 "{\"id\":\"a\",\"n\":2}"
#define A3 "{\"id\":\"a\",\"n\":3}"

struct told {
    char text[4000]; /* "r1 notes/a 2 to be sent; " */
    int n, stop_at;
};

static int tell(void *ctx, const replica_pending_entry *e)
{
    struct told *t = ctx;
    size_t len = strlen(t->text);

    snprintf(t->text + len, sizeof t->text - len, "%s %s/%s %d %s; ", e->replication,
             e->collection, e->id, e->state, e->reason);
    CHECK(e->time_ms > 1600000000000);
    return ++t->n == t->stop_at ? 7 : 0;
}

static const char *pending(struct store *s)
{
    static struct told t;

    t = (struct told){ .n = 0 };
    CHECK_RC(replica_pending(s->db, NULL, tell, &t, &test_err), 0);
    return t.text;
}

TEST(a_document_is_pending_until_the_server_has_it)
{
    STORE s = store_with(A1);
    PAGE page = { 0 };

    CHECK_STR(pending(&s), "");
    store_replicate(&s, "r1");
    CHECK_STR(pending(&s), "r1 notes/a 2 to be sent; ");
    CHECK_INT(store_push(&s, &page), 1);
    CHECK_STR(pending(&s), "r1 notes/a 3 sent, and no verdict has come; ");
    CHECK_RC(store_judge(&s, &page, REPLICA_VERDICT_TAKEN, 5, NULL), 0);
    CHECK_STR(pending(&s), "");
    store_put(&s, A2);
    CHECK_STR(pending(&s), "r1 notes/a 2 to be sent; ");
    store_delete(&s, "a");
    CHECK_STR(pending(&s), "r1 notes/a 2 to be sent; ");
}

TEST(who_holds_the_lock_that_a_document_waits_for_is_told)
{
    STORE s = store_with(A1);
    PAGE page = { 0 };
    struct replica__verdict v = { .verdict = REPLICA_VERDICT_LOCKED, .reason = "eva" };

    store_replicate(&s, "r1");
    CHECK_INT(store_push(&s, &page), 1);
    CHECK_RC(replica__push_apply(s.repl, 0, &page, &v, NULL, NULL, &test_err), 0);
    CHECK_STR(pending(&s), "r1 notes/a 2 locked by eva; ");
    store_reopen(&s);
    CHECK_STR(pending(&s), "r1 notes/a 2 locked by eva; ");
    replica__push_page_free(&page);
    replica__push_again(s.repl, 0, true);
    CHECK_INT(store_push(&s, &page), 1);
    CHECK_STR(pending(&s), "r1 notes/a 3 sent, and no verdict has come; ");
    v = (struct replica__verdict){ .verdict = REPLICA_VERDICT_LATER };
    CHECK_RC(replica__push_apply(s.repl, 0, &page, &v, NULL, NULL, &test_err), 0);
    CHECK_STR(pending(&s), "r1 notes/a 2 the server asked for it to be sent later; ");
}

TEST(a_conflict_and_a_document_that_is_set_aside_say_so)
{
    STORE s = store_empty();
    PAGE page = { 0 };

    store_replicate(&s, "r1");
    store_clean(&s, A1, 5);
    store_put(&s, A2);
    CHECK_INT(store_pull_one(&s, A3, 6), REPLICA__PULLED_UNSETTLED);
    CHECK_STR(pending(&s), "r1 notes/a 4 in conflict, to be settled; ");
    QUESTION u = store_question(&s);
    CHECK(store_settle(&s, &u, REPLICA__SETTLE_LOCAL, NULL, NULL));
    CHECK_STR(pending(&s), "r1 notes/a 2 to be sent; ");
    CHECK_INT(store_push_again(&s, &page), 1);
    CHECK_RC(store_judge(&s, &page, REPLICA_VERDICT_REFUSED, 0, NULL), 0);
    CHECK_STR(pending(&s), "r1 notes/a 5 set aside: no (422); ");
    store_put(&s, A1); /* an edit lets it in again */
    CHECK_STR(pending(&s), "r1 notes/a 2 to be sent; ");
}

TEST(entries_are_of_each_replication_and_in_the_order_of_collections_and_keys)
{
    STORE s = store_with("{\"id\":\"b\"}");
    replica_collection *early = NULL;
    struct told t = { .stop_at = 2 };

    store_put(&s, A1);
    CHECK_RC(replica_db_collection(s.db, "early", NULL, &early, &test_err), 0);
    CHECK_RC(replica_put(early, "{\"id\":\"z\"}", REPLICA_NUL, NULL, NULL, NULL, &test_err), 0);
    store_replicate(&s, "r2");
    replica__replication_close(s.repl);
    s.repl = NULL;
    store_replicate(&s, "r1");
    CHECK_STR(pending(&s), "r1 notes/a 2 to be sent; r1 notes/b 2 to be sent; "
                           "r2 notes/a 2 to be sent; r2 notes/b 2 to be sent; ");
    CHECK_RC(replica_pending(s.db, s.coll, tell, &t, &test_err), 7);
    CHECK_INT(t.n, 2);
    CHECK_RC(replica_pending(s.db, early, tell, &t, &test_err), 0);
    CHECK_INT(t.n, 2);
}

TEST(keys_that_a_replication_is_not_about_are_not_pending)
{
    STORE s = store_with(A1);

    store_put(&s, "{\"id\":\"b/1\"}");
    store_replicate(&s, "r1");
    CHECK_RC(replica__replication_about(s.repl, "b/**", NULL, &test_err), 0);
    CHECK_STR(pending(&s), "r1 notes/b/1 2 to be sent; ");
}

static int write_and_look_again(void *ctx, const replica_pending_entry *e)
{
    struct store *s = ctx;
    struct told inner = { .n = 0 };
    char json[60];

    snprintf(json, sizeof json, "{\"id\":\"later%s\"}", e->id);
    store_put(s, json);
    CHECK_RC(replica_pending(s->db, NULL, tell, &inner, &test_err), 0);
    CHECK(inner.n > 2);
    CHECK(strcmp(e->id, "a") == 0 || strcmp(e->id, "b") == 0);
    return 0;
}

TEST(all_entries_are_of_one_moment_also_when_the_function_writes_and_asks)
{
    STORE s = store_with(A1);

    store_put(&s, "{\"id\":\"b\"}");
    store_replicate(&s, "r1");
    CHECK_RC(replica_pending(s.db, NULL, write_and_look_again, &s, &test_err), 0);
    store_sound(&s);
}

TEST(a_reader_of_another_opening_is_told_the_same)
{
    STORE s = store_with(A1);
    const replica_db_options reader = { .size = sizeof reader, .flags = REPLICA_DB_READ_ONLY };
    STORE r = { .db = NULL };

    store_replicate(&s, "r1");
    r = store_open(s.path, &reader);
    CHECK_STR(pending(&r), "r1 notes/a 2 to be sent; ");
    CHECK_RC(replica_pending(NULL, NULL, tell, NULL, &test_err), REPLICA_EINVAL);
    CHECK_RC(replica_pending(r.db, NULL, NULL, NULL, &test_err), REPLICA_EINVAL);
}

LONG_TEST(a_failed_allocation_is_an_error_and_not_a_short_list)
{
    STORE s = store_with(A1);

    store_replicate(&s, "r1");
    for (int nth = 0, failed = 1; failed; nth++) {
        struct told t = { .n = 0 };
        int r;

        fault_alloc(nth);
        r = replica_pending(s.db, NULL, tell, &t, &test_err);
        failed = fault_stop();
        CHECK(r == 0 ? t.n == 1 : r == REPLICA_ENOMEM && failed);
    }
}
