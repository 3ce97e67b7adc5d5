/* What came and could not be applied is wanted again when it could be. */
#include "tests/support/fault.h"
#include "tests/support/store.h"
#include "tests/support/test.h"

#define CP "{\"id\":\"inc\",\"lwt\":9}"

static int count(void *ctx, const replica_rejected_entry *e)
{
    ++*(int *)ctx;
    return 0;
}

static int entries(struct store *s)
{
    int n = 0;

    CHECK_RC(replica_rejected(s->db, NULL, count, &n, &test_err), 0);
    return n;
}

/* Each of these could not be applied when it came. */
static void come(struct store *s, const char *const *texts, size_t n)
{
    struct come docs[4] = { { 0 } };

    for (size_t i = 0; i < n; i++)
        docs[i] = (struct come){ texts[i], (int64_t)i + 1, .problem = REPLICA_ELIMIT };
    CHECK_RC(store_pull(s, CP, docs, n), 0);
    CHECK_INT(entries(s), (int)n);
    CHECK_STR(replica__feed_checkpoint(s->repl, 0), CP);
}

TEST(what_would_fit_now_is_wanted_again_and_the_rest_stays)
{
    static const char *const texts[] = { "{\"id\":\"a\"}", "{\"id\":\"b\",", "{\"n\":1}" };
    STORE s = store_empty();

    store_replicate(&s, "r1");
    CHECK_RC(replica__replication_mend(s.repl, &test_err), 0);
    come(&s, texts, 3);
    CHECK_RC(replica__replication_mend(s.repl, &test_err), 1);
    CHECK_INT(entries(&s), 2);
    CHECK_RC(replica__feed_is_reset(s.repl, 0, &test_err), 1);
    CHECK_RC(replica__replication_mend(s.repl, &test_err), 0);
    CHECK_INT(entries(&s), 2);
}

TEST(what_nothing_mends_leaves_the_checkpoint_where_it_is)
{
    static const char *const texts[] = { "{\"id\":\"b\",", "[1]", "{\"id\":7}" };
    STORE s = store_empty();

    store_replicate(&s, "r1");
    come(&s, texts, 3);
    CHECK_RC(replica__replication_mend(s.repl, &test_err), 0);
    CHECK_INT(entries(&s), 3);
    CHECK_RC(replica__feed_is_reset(s.repl, 0, &test_err), 0);
}

TEST(entries_of_another_replication_are_its_own)
{
    static const char *const texts[] = { "{\"id\":\"a\"}" };
    STORE s = store_empty();
    struct replica__replication *other = NULL;

    store_replicate(&s, "r1");
    come(&s, texts, 1);
    CHECK_RC(replica__replication_open(s.db, "r2", &s.coll, 1, &other, &test_err), 0);
    CHECK_RC(replica__replication_mend(other, &test_err), 0);
    replica__replication_close(other);
    CHECK_INT(entries(&s), 1);
}

LONG_TEST(a_failed_allocation_leaves_the_entry_or_mends_it)
{
    static const char *const texts[] = { "{\"id\":\"a\"}" };

    for (int nth = 0, failed = 1; failed; nth++) {
        STORE s = store_memory();
        int r;

        store_replicate(&s, "r1");
        come(&s, texts, 1);
        fault_alloc(nth);
        r = replica__replication_mend(s.repl, &test_err);
        failed = fault_stop();
        CHECK(r == 1 || (failed && r == REPLICA_ENOMEM));
        if (r < 0) {
            CHECK_INT(entries(&s), 1);
            CHECK_RC(replica__replication_mend(s.repl, &test_err), 1);
        }
        CHECK_INT(entries(&s), 0);
    }
}
