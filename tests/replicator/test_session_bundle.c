/* Bundles in a session: they go as one, are judged as one, and come as one. */
#include "tests/replicator/talk_support.h"

#include <stdio.h>

#define BUNDLING (OURS | REPLICA_REMOTE_BUNDLES)

static struct talk *begin(unsigned features)
{
    return talk_begin(&(struct talk_options){ .features = features, .collections = 2 });
}

TEST(a_bundle_goes_out_as_one_over_all_collections)
{
    TALK t = begin(BUNDLING);

    talk_put(t, "x=1");
    talk_bundle(t, "a=1 tasks/b=1", false);
    talk_settle_down(t, "", NULL);
    CHECK_STR(t->units, "x a+b");
    talk_verdicts(t, "taken@1 taken@2 taken@3");
    CHECK(t->status.in_sync);
    CHECK_INT(t->status.unbundled, 0);
}

TEST(a_firm_bundle_that_is_refused_is_set_aside_as_one)
{
    TALK t = begin(BUNDLING);

    talk_bundle(t, "a=1 tasks/b=1", true);
    talk_settle_down(t, "", NULL);
    CHECK_STR(t->units, "a!+b!");
    talk_verdicts(t, "refused:409 none");
    CHECK_STR(talk_rejected(t), "a 409; b 409; ");
    CHECK(t->status.in_sync);
    CHECK_STR(t->events, "rejected a 409; rejected b 409; ");
}

TEST(a_conflict_of_a_firm_bundle_that_is_met_here_is_told_of_all_its_members)
{
    TALK t = begin(BUNDLING);

    talk_bundle(t, "a=1 tasks/b=1", true);
    talk_settle_down(t, "", NULL);
    talk_verdicts(t, "a=5@4 none");
    CHECK_STR(talk_rejected(t), "a 409; b 409; ");
    CHECK_STR(t->events, "rejected a 409; rejected b 409; ");
}

TEST(a_server_that_knows_no_bundles_gets_rows_and_the_status_says_so)
{
    TALK t = begin(OURS);

    talk_bundle(t, "a=1 tasks/b=1 c=1", false);
    talk_bundle(t, "d=1", false);
    talk_bundle(t, "e=1 f=1", false);
    talk_settle_down(t, "", NULL);
    CHECK_STR(t->units, "a b c d e f");
    talk_taken(t);
    CHECK_INT(t->status.unbundled, 2); /* one document alone is not parted */
}

TEST(a_conflict_in_one_member_is_resolved_and_the_whole_is_sent_again)
{
    TALK t = talk_begin(&(struct talk_options){ .features = BUNDLING, .resolve = talk_add });

    talk_run(t);
    talk_page(t, &(struct said){ "a=1@1", CP("1"), .at_head = 1 });
    talk_bundle(t, "a=2 b=1", false);
    talk_run(t);
    CHECK_STR(t->units, "a+b");
    talk_verdicts(t, "a=5@4 none");
    CHECK_STR(t->units, "b+a");
    CHECK_STR(t->pushed, "b=1 a=6<5");
    CHECK_INT(t->pushes, 2);
    talk_taken(t);
    CHECK(t->status.in_sync);
}

static void give_up(void *ctx, replica_conflict *c)
{
    (void)ctx;
    CHECK_RC(replica_conflict_fail(c, "too hard", &test_err), 0);
}

TEST(members_held_for_one_that_is_set_aside_are_not_in_sync)
{
    TALK t = talk_begin(&(struct talk_options){ .features = BUNDLING, .resolve = give_up });

    talk_run(t);
    talk_page(t, &(struct said){ "a=1@1", CP("1"), .at_head = 1 });
    talk_bundle(t, "a=2 b=1", false);
    talk_run(t);
    talk_verdicts(t, "a=5@4 none");
    CHECK_STR(talk_rejected(t), "a -20; ");
    CHECK_INT(talk_state(t, "b"), REPLICA_DOC_DIRTY);
    CHECK_INT(t->status.state, REPLICA_SYNC_IDLE);
    CHECK(!t->status.in_sync);
    t->o.once = true;
    talk_restart(t);
    talk_settle_down(t, "", NULL);
    CHECK_INT(t->status.state, REPLICA_SYNC_STOPPED);
    CHECK(!t->status.in_sync);
}

TEST(a_refusal_of_the_whole_page_never_parts_a_bundle)
{
    TALK t = begin(BUNDLING);

    talk_put(t, "x=1");
    talk_bundle(t, "a=1 b=1 c=1", false);
    talk_settle_down(t, "", NULL);
    CHECK_STR(t->units, "x a+b+c");
    talk_fail(t, &t->push, REPLICA_ELIMIT, 413, 0);
    CHECK_STR(t->units, "x");
    talk_verdicts(t, "taken@1");
    CHECK_STR(t->units, "a+b+c");
    talk_fail(t, &t->push, REPLICA_ELIMIT, 413, 0);
    CHECK_STR(talk_rejected(t), "a 413; b 413; c 413; ");
}

TEST(what_was_lost_on_its_way_is_asked_about_as_one)
{
    TALK t = begin(BUNDLING);
    char operations[2000];

    talk_bundle(t, "a=1 b=1", false);
    talk_settle_down(t, "", NULL);
    snprintf(operations, sizeof operations, "%s", t->operations);
    talk_put(t, "a=2");
    talk_restart(t);
    talk_settle_down(t, "", NULL);
    CHECK_STR(t->units, "a+b");
    CHECK_STR(t->operations, operations);
    talk_verdicts(t, "already@1 already@2");
    CHECK_STR(t->pushed, "a=2<1");
    talk_taken(t);
    CHECK(t->status.in_sync);
}

TEST(a_conflict_with_a_bundle_is_settled_when_its_other_members_are_here)
{
    TALK t = begin(BUNDLING);

    talk_run(t);
    talk_page(t, &(struct said){ "notes/a=1@1 notes/b=1@2", CP("2"), .at_head = 1 });
    talk_put(t, "a=2");
    talk_run(t);
    talk_verdicts(t, "a=5@4~xyz.3");
    CHECK_STR(talk_have(t, "a"), "a=2"); /* its bundle has another member, perhaps */
    CHECK(t->pull);
    talk_page(t, &(struct said){ "notes/b=5@3~xyz.3 notes/a=5@4~xyz.3", CP("4"), .at_head = 1 });
    CHECK_STR(talk_have(t, "a"), "a=5");
    CHECK_STR(talk_have(t, "b"), "b=5");
    CHECK(t->status.in_sync);
}

TEST(who_only_pushes_settles_a_conflict_with_a_bundle_at_once)
{
    TALK t = talk_begin(&(struct talk_options){ .features = BUNDLING, .push_only = true });

    talk_put(t, "a=2");
    talk_run(t);
    talk_verdicts(t, "a=5@4~xyz.3");
    CHECK_STR(talk_have(t, "a"), "a=5");
    CHECK(t->status.in_sync);
}

TEST(who_only_pushes_from_now_on_settles_what_waited_for_a_pull)
{
    TALK t = begin(BUNDLING);

    talk_run(t);
    talk_page(t, &(struct said){ "notes/a=1@1 notes/b=1@2", CP("2"), .at_head = 1 });
    talk_put(t, "a=2");
    talk_run(t);
    talk_verdicts(t, "a=5@4~xyz.3");
    CHECK_STR(talk_have(t, "a"), "a=2");
    t->o.push_only = true;
    talk_restart(t);
    talk_run(t);
    CHECK_STR(talk_have(t, "a"), "a=5");
    CHECK(t->status.in_sync);
}

TEST(a_write_to_a_member_on_its_way_waits_and_then_goes_in_the_same_breath)
{
    TALK t = begin(BUNDLING);

    talk_bundle(t, "a=1 b=1", false);
    talk_settle_down(t, "", NULL);
    talk_bundle(t, "b=2 c=2", false);
    talk_run(t);
    CHECK_STR(t->units, "a+b");
    talk_verdicts(t, "taken@1 taken@2");
    CHECK_STR(t->units, "b+c");
    talk_taken(t);
    CHECK(t->status.in_sync);
}

TEST(an_event_after_a_gap_is_not_shown_before_what_it_follows)
{
    TALK t = begin(BUNDLING);

    talk_run(t);
    talk_page(t, &(struct said){ "notes/a=1@1 notes/b=1@2", CP("2"), .at_head = 1 });
    talk_open_stream(t);
    talk_event(t, &(struct said){ "notes/a=3@5", CP("5"), CP("4"), .head = 5 });
    CHECK_STR(talk_have(t, "a"), "a=1"); /* what it follows may be of a bundle with b */
    CHECK(!t->status.in_sync);
    CHECK(t->pull);
    talk_page(t, &(struct said){ "notes/b=2@4~xyz.3 notes/a=3@5", CP("5"), .at_head = 1 });
    CHECK_STR(talk_have(t, "a"), "a=3");
    CHECK_STR(talk_have(t, "b"), "b=2");
    CHECK(t->status.in_sync);
}
