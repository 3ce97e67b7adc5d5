/* How far a comparison with a server is, as the file has it. */
#include "libreplica/replication/replication.h"
#include "tests/support/store.h"
#include "tests/support/test.h"

#include <stdio.h>

#define HEAD "{\"id\":\"inc\",\"lwt\":7}"

/* As a program that starts again, with these collections in one feed. */
static void replicate(struct store *s, replica_collection *const *colls, size_t n)
{
    bool same;

    replica__replication_close(s->repl);
    s->repl = NULL;
    CHECK_RC(replica__replication_open(s->db, "r1", colls, n, &s->repl, &test_err), 0);
    CHECK_RC(replica__lease_take(s->repl, &same, &test_err), 1);
    CHECK_RC(replica__replication_feeds(s->repl, true, &test_err), 1);
}

static void note(struct store *s, const char *why)
{
    char head[] = HEAD, after[] = "k";
    struct replica__reconcile p = { .head = head, .collection = 1, .after = after };

    snprintf(p.why, sizeof p.why, "%s", why);
    CHECK_RC(replica__reconcile_put(s->repl, 0, &p, &test_err), 0);
}

TEST(a_comparison_goes_on_after_a_start_with_the_same_collections)
{
    struct replica__reconcile p = { .why = "" };
    STORE s = store_empty();
    replica_collection *both[2] = { s.coll, NULL };

    CHECK_RC(replica_db_collection(s.db, "more", NULL, &both[1], &test_err), 0);
    replicate(&s, both, 2);
    note(&s, "texts");
    replicate(&s, both, 2);
    CHECK_RC(replica__reconcile_get(s.repl, 0, &p, &test_err), 1);
    CHECK_STR(p.why, "texts");
    CHECK_STR(p.head, HEAD);
    CHECK_STR(p.after, "k");
    CHECK_INT(p.collection, 1);
    replica__reconcile_free(&p);
}

TEST(a_comparison_begins_again_when_its_collections_are_others)
{
    struct replica__reconcile p = { .why = "" };
    STORE s = store_empty();
    replica_collection *before[2] = { s.coll, NULL }, *now[3] = { NULL, s.coll, NULL };

    CHECK_RC(replica_db_collection(s.db, "more", NULL, &before[1], &test_err), 0);
    CHECK_RC(replica_db_collection(s.db, "first", NULL, &now[0], &test_err), 0);
    now[2] = before[1];
    replicate(&s, before, 2);
    note(&s, "texts");
    replicate(&s, now, 3);
    CHECK_RC(replica__reconcile_get(s.repl, 0, &p, &test_err), 1);
    CHECK_STR(p.why, "view"); /* its first pass, too */
    CHECK(!p.head && !p.after);
    CHECK_INT(p.collection, 0);
    replica__reconcile_free(&p);
}
