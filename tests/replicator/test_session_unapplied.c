/* What a page brought and could not be applied is fetched again when the program wants it, also by
 * a session that runs: the feed begins anew. */
#include "tests/replicator/talk_support.h"

#include "libreplica/query.h"

static int first_number(void *ctx, const replica_rejected_entry *entry)
{
    *(int64_t *)ctx = entry->number;
    return 1;
}

static void make_unique(struct talk *t)
{
    const char *fields[] = { "v" };

    CHECK_RC(replica_index_create(t->colls[0],
                                  &(replica_index_options){ .size = sizeof(replica_index_options),
                                                            .fields = fields,
                                                            .n = 1,
                                                            .flags = REPLICA_INDEX_UNIQUE },
                                  &test_err), 1);
    CHECK_RC(replica_index_wait(t->colls[0], &test_err), 0);
}

/* "b" is not applied while "a" has its place in a unique index. */
static int64_t in_the_way(struct talk *t)
{
    int64_t number = 0;

    make_unique(t);
    talk_settle_down(t, "a=1@1 b=1@2 c=3@3", CP("3"));
    CHECK_RC(replica_rejected(t->db, NULL, first_number, &number, &test_err), 1);
    CHECK_STR(talk_have(t, "b"), "-");
    talk_put(t, "a=2");
    talk_run(t);
    talk_taken(t);
    return number;
}

TEST(what_could_not_be_applied_is_fetched_again_by_itself_when_there_is_room)
{
    TALK t = talk_begin(&(struct talk_options){ .features = OURS });

    make_unique(t);
    talk_settle_down(t, "a=1@1 b=1@2 c=3@3", CP("3"));
    CHECK_STR(talk_have(t, "b"), "-");
    talk_put(t, "d=4");
    talk_run(t);
    talk_taken(t);
    talk_pass(t, 20000);
    CHECK_INT(t->pulls, 1); /* "a" is still there */
    talk_put(t, "a=2");
    talk_run(t);
    talk_taken(t);
    talk_pass(t, 10000);
    CHECK(t->pull);
    CHECK_STR(t->from, "");
    talk_page(t, &(struct said){ "b=1@2 c=3@3 d=4@4 a=2@5", CP("5"), .at_head = 1 });
    CHECK_STR(talk_have(t, "b"), "b=1");
    CHECK_STR(talk_rejected(t), "");
    CHECK(t->status.in_sync);
    talk_pass(t, 20000);
    CHECK_INT(t->pulls, 2);
}

TEST(what_could_not_be_applied_is_fetched_again_by_a_session_that_runs)
{
    TALK t = talk_begin(&(struct talk_options){ .features = OURS });
    int64_t number = in_the_way(t);

    CHECK_RC(replica_rejected_retry(t->db, number, &test_err), 1);
    replica__session_changed(t->session);
    talk_run(t);
    CHECK(t->pull);
    CHECK_STR(t->from, "");
    talk_page(t, &(struct said){ "b=1@2 c=3@3 a=2@4", CP("4"), .at_head = 1 });
    CHECK_STR(talk_have(t, "b"), "b=1");
    CHECK(t->status.in_sync);
}

TEST(what_could_not_be_applied_is_fetched_again_also_if_a_page_is_on_its_way)
{
    TALK t = talk_begin(&(struct talk_options){ .features = OURS });
    int64_t number = in_the_way(t);

    replica__session_now(t->session);
    talk_run(t);
    CHECK_STR(t->from, CP("3"));
    CHECK_RC(replica_rejected_retry(t->db, number, &test_err), 1);
    replica__session_changed(t->session);
    talk_page(t, &(struct said){ "a=2@4", CP("4"), .at_head = 1 });
    CHECK(t->pull);
    CHECK_STR(t->from, "");
}

TEST(what_could_not_be_applied_is_fetched_again_also_if_the_program_ends)
{
    TALK t = talk_begin(&(struct talk_options){ .features = OURS });
    int64_t number = in_the_way(t);

    replica__session_now(t->session);
    talk_run(t);
    CHECK_RC(replica_rejected_retry(t->db, number, &test_err), 1);
    talk_page(t, &(struct said){ "a=2@4", CP("4") }); /* and more to come */
    talk_restart(t);
    talk_run(t);
    CHECK_STR(t->from, "");
}

TEST(an_answer_that_a_unique_index_has_no_place_for_is_told_as_rejected)
{
    TALK t = talk_begin(&(struct talk_options){ .features = OURS });

    make_unique(t);
    talk_settle_down(t, "a=1@1 b=3@2", CP("2"));
    talk_put(t, "b=2");
    talk_run(t);
    CHECK_STR(t->pushed, "b=2<3");
    talk_forget_events(t);
    talk_verdicts(t, "b=1@5"); /* what "a" has here */
    CHECK_STR(talk_have(t, "b"), "b=2");
    CHECK(strstr(t->events, "rejected b"));
    CHECK(!strstr(t->events, "conflict"));
    CHECK_INT(t->status.conflicts, 0);
    CHECK_INT(talk_logged(t), 0);
}
