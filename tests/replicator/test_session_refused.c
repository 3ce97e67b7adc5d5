/* A server that refuses everything is told from one that refuses some rows: nothing is rejected for
 * it, little is asked, and when it takes documents again all of them arrive. */
#include "tests/replicator/talk_support.h"

#include <stdio.h>

#define MINUTE 60000

/* Documents d000, d001, ...; those at a number in bad (" 3 17 ") are x003, x017. */
static void fill(struct talk *t, int n, const char *bad)
{
    static char docs[20000];
    size_t len = 0;

    for (int i = 0; i < n; i++) {
        char word[20];

        snprintf(word, sizeof word, " %d ", i);
        len += (size_t)snprintf(docs + len, sizeof docs - len, "%c%03d=1 ",
                                strstr(bad, word) ? 'x' : 'd', i);
    }
    talk_put(t, docs);
}

/* Refuse each page with one of them; by how many pushes all was judged. */
static int serve(struct talk *t, int status)
{
    int requests = 0;

    while (t->push && requests < 500) {
        requests++;
        if (t->pushed[0] == 'x' || strstr(t->pushed, " x"))
            talk_fail(t, &t->push, REPLICA_EHTTP, status, 0);
        else
            talk_taken(t);
        if (t->pull)
            talk_page(t, &(struct said){ "", CP("1") });
    }
    return requests;
}

/* A verdict for each of n rows, the last of them its own. */
static void say(struct talk *t, int n, const char *each, const char *last)
{
    static char verdicts[4000];
    size_t len = 0;

    for (int i = 0; i < n; i++)
        len += (size_t)snprintf(verdicts + len, sizeof verdicts - len, "%s ",
                                i + 1 < n ? each : last);
    talk_verdicts(t, verdicts);
}

static struct talk *with_dirty(int n, unsigned features)
{
    struct talk *t = talk_begin(&(struct talk_options){ .features = features,
                                                        .path = ":memory:" });

    fill(t, n, "");
    talk_settle_down(t, "", CP("1"));
    CHECK(t->push);
    return t;
}

/* Access is back: what waits arrives. */
static void check_arrives(struct talk *t, int n)
{
    for (int i = 0; i < 50 && !t->status.in_sync; i++) {
        if (t->pull)
            talk_page(t, &(struct said){ "", CP("1"), .at_head = 1 });
        else if (t->push)
            talk_taken(t);
        else
            talk_next(t);
    }
    CHECK(t->status.in_sync);
    CHECK_INT(t->status.pushed, n);
    CHECK_STR(talk_rejected(t), "");
}

TEST(a_refusal_of_everything_costs_four_requests_and_rejects_nothing)
{
    TALK t = with_dirty(1000, RXDB);
    int requests = 0;

    for (; t->push && requests < 100; requests++)
        talk_fail(t, &t->push, REPLICA_EHTTP, 403, 0);
    CHECK_INT(requests, 4);
    CHECK_INT(t->status.state, REPLICA_SYNC_PAUSED);
    CHECK_INT(t->status.error.detail, 403);
    CHECK_STR(talk_rejected(t), "");
    replica__session_pause(t->session, false);
    talk_run(t);
    check_arrives(t, 1000);
}

TEST(verdicts_that_refuse_everything_are_meant_for_the_client)
{
    TALK t = with_dirty(150, OURS);

    say(t, 100, "refused:403", "refused:403");
    CHECK_INT(t->pushes, 2); /* the next page was on its way */
    CHECK_INT(t->status.state, REPLICA_SYNC_PAUSED);
    CHECK_INT(t->status.error.code, REPLICA_EHTTP);
    CHECK_INT(t->status.error.detail, 403);
    CHECK_STR(talk_rejected(t), "");
    replica__session_pause(t->session, false);
    talk_run(t);
    check_arrives(t, 150);
}

TEST(a_large_bundle_that_is_refused_is_one_refusal)
{
    TALK t = talk_begin(&(struct talk_options){ .features = OURS | REPLICA_REMOTE_BUNDLES });

    talk_bundle(t, "a=1 b=1 c=1 d=1 e=1 f=1 g=1 h=1 i=1 j=1 k=1 l=1", false);
    talk_settle_down(t, "", CP("1"));
    say(t, 12, "refused:403", "refused:403");
    CHECK_INT(t->status.state, REPLICA_SYNC_IDLE);
    CHECK_INT(talk_state(t, "a"), REPLICA_DOC_REJECTED);
    CHECK_INT(talk_state(t, "l"), REPLICA_DOC_REJECTED);
}

TEST(where_one_row_is_taken_the_others_are_refused_for_what_they_are)
{
    TALK t = with_dirty(12, OURS);

    say(t, 12, "refused:403", "taken");
    CHECK_INT(t->status.state, REPLICA_SYNC_IDLE);
    CHECK_INT(talk_state(t, "d000"), REPLICA_DOC_REJECTED);
    CHECK_INT(talk_state(t, "d010"), REPLICA_DOC_REJECTED);
    CHECK_INT(talk_state(t, "d011"), REPLICA_DOC_IN_SYNC);
}

TEST(a_few_rows_that_are_refused_are_rejected_and_so_are_many_that_are_no_good)
{
    TALK few = with_dirty(9, OURS);
    TALK bad = with_dirty(12, OURS);

    say(few, 9, "refused:403", "refused:403");
    CHECK_INT(talk_state(few, "d000"), REPLICA_DOC_REJECTED);
    CHECK(few->status.in_sync);
    say(bad, 12, "refused:422", "refused:422");
    CHECK_INT(talk_state(bad, "d000"), REPLICA_DOC_REJECTED);
    CHECK(bad->status.in_sync);
}

TEST(who_was_refused_everything_tries_again_by_itself_after_five_minutes)
{
    TALK t = with_dirty(20, OURS);
    int pushes = t->pushes;

    say(t, 20, "refused:403", "refused:403");
    talk_pass(t, 5 * MINUTE - 1);
    CHECK_INT(t->status.state, REPLICA_SYNC_PAUSED);
    CHECK_INT(t->pushes, pushes);
    talk_pass(t, 1);
    CHECK(t->pull);
    check_arrives(t, 20);
}

TEST(a_pause_by_the_program_is_not_ended_by_that)
{
    TALK t = with_dirty(20, OURS);

    say(t, 20, "refused:403", "refused:403");
    replica__session_pause(t->session, true);
    talk_pass(t, 60 * MINUTE);
    CHECK_INT(t->status.state, REPLICA_SYNC_PAUSED);
    CHECK_INT(t->pushes, 1);
}

/* At most twice log2(n) and two more for each that is refused. */
static void check_count(int n, const char *bad, int refused, int status)
{
    TALK t = talk_begin(&(struct talk_options){ .features = RXDB, .path = ":memory:",
                                                .rows = 256 });
    int bits = 0, requests;

    while (1 << bits < n)
        bits++;
    fill(t, n, bad);
    talk_run(t);
    talk_page(t, &(struct said){ "", CP("1") });
    talk_page(t, &(struct said){ "", CP("1") });
    requests = serve(t, status);
    if (requests - 1 > refused * (2 * bits + 2))
        test_fail(__FILE__, __LINE__, "%d requests for %d of %d", requests, refused, n);
    CHECK_INT(t->status.pushed, n - refused);
    CHECK(t->status.in_sync);
}

TEST(each_refused_row_costs_no_more_requests_than_halving_needs)
{
    check_count(256, " 0 ", 1, 403);
    check_count(256, " 1 ", 1, 403);
    check_count(256, " 127 ", 1, 422);
    check_count(256, " 254 ", 1, 403);
    check_count(256, " 255 ", 1, 422);
    check_count(256, " 0 255 ", 2, 422);
    check_count(256, " 3 100 101 102 200 255 ", 6, 403);
    check_count(200, " 0 1 150 ", 3, 403);
    check_count(7, " 6 ", 1, 422);
}
