/* Conflicts that rules settle, ones that they leave to the program, and where rules come from. */
#include "tests/replicator/talk_support.h"

#include <stdio.h>
#include <string.h>

#define COUNT "{\"\":\"merge\",\"/v\":\"sum\"}"
#define ASK "{\"\":\"merge\",\"delete\":\"ask\"}"

/* "a=2<1" is out, over a clean a=1. */
static struct talk *out(const struct talk_options *o)
{
    struct talk *t = talk_begin(o);

    talk_run(t);
    talk_page(t, &(struct said){ "a=1@1", CP("1"), .at_head = 1 });
    talk_put(t, "a=2");
    talk_run(t);
    CHECK_STR(t->pushed, "a=2<1");
    talk_forget_events(t);
    return t;
}

TEST(rules_decide_before_the_handler_and_in_the_same_breath)
{
    TALK t = out(&(struct talk_options){ .features = OURS, .rules = COUNT,
                                         .resolve = talk_keep });

    talk_verdicts(t, "a=9@2");
    CHECK_INT(t->conflicts, 0);
    CHECK_STR(t->pushed, "a=10<9");
    talk_verdicts(t, "taken@3");
    CHECK_STR(t->events, "conflict a merge; sent a; ");
    CHECK_STR(talk_have(t, "a"), "a=10");
    CHECK(t->status.in_sync);
    CHECK_INT(talk_logged(t), 1);
}

TEST(rules_that_count_find_no_two_states_equal)
{
    TALK t = out(&(struct talk_options){ .features = OURS, .rules = COUNT });

    talk_verdicts(t, "a=2@2"); /* somebody else added one, too */
    CHECK_STR(t->pushed, "a=3<2");
    talk_verdicts(t, "taken@3");
    CHECK(t->status.in_sync);
}

TEST(a_counter_is_pushed_until_it_is_taken_however_often_others_are_faster)
{
    TALK t = out(&(struct talk_options){ .features = OURS, .rules = COUNT });
    char verdict[40];

    for (int i = 0; i < 50; i++) {
        snprintf(verdict, sizeof verdict, "a=%d@%d", 101 + i, 2 + i);
        talk_verdicts(t, verdict);
        CHECK(t->push);
    }
    CHECK_STR(t->pushed, "a=151<150");
    talk_verdicts(t, "taken@99");
    CHECK(t->status.in_sync);
}

TEST(the_merged_text_is_told_with_the_conflict)
{
    TALK t = out(&(struct talk_options){ .features = OURS, .rules = "\"server-wins\"" });

    talk_verdicts(t, "a=9@2");
    CHECK_STR(talk_have(t, "a"), "a=9");
    CHECK_STR(t->events, "conflict a server-wins; ");
    CHECK(t->status.in_sync);
}

/* ---- what is left to the program ----------------------------------------------------- */

TEST(what_rules_leave_to_the_program_is_asked)
{
    TALK t = out(&(struct talk_options){ .features = OURS, .rules = ASK,
                                         .resolve = talk_use_local });

    talk_verdicts(t, "-a@2");
    CHECK_INT(t->conflicts, 1);
    CHECK_STR(t->pushed, "a=2<-");
    talk_verdicts(t, "taken@3");
    CHECK(t->status.in_sync);
    CHECK_STR(t->events, "conflict a handler; sent a; ");
}

TEST(without_a_handler_it_waits_and_only_its_document_does)
{
    TALK t = out(&(struct talk_options){ .features = OURS, .rules = ASK });

    talk_verdicts(t, "-a@2");
    CHECK_INT(talk_state(t, "a"), REPLICA_DOC_UNSETTLED);
    CHECK_STR(talk_have(t, "a"), "a=2");
    CHECK_INT(t->status.unsettled, 1);
    CHECK(!t->status.in_sync);
    CHECK_INT(t->status.state, REPLICA_SYNC_IDLE);
    talk_put(t, "b=1");
    talk_run(t);
    CHECK_STR(t->pushed, "b=1");
    talk_taken(t);
    CHECK_INT(t->status.unsettled, 1);
    CHECK_INT(t->pushes, 2);
    CHECK_INT(talk_logged(t), 0);
}

TEST(it_waits_through_restarts_until_a_program_comes_with_a_handler)
{
    TALK t = out(&(struct talk_options){ .features = OURS, .rules = ASK });

    talk_verdicts(t, "-a@2");
    talk_restart(t);
    talk_settle_down(t, "", CP("2"));
    CHECK_INT(t->status.unsettled, 1);
    CHECK_INT(talk_state(t, "a"), REPLICA_DOC_UNSETTLED);
    t->o.resolve = talk_use_real;
    talk_restart(t);
    talk_settle_down(t, "", CP("2"));
    CHECK_INT(t->conflicts, 1);
    CHECK_STR(talk_have(t, "a"), "-");
    CHECK_INT(t->status.unsettled, 0);
    CHECK(t->status.in_sync);
}

TEST(one_that_waits_is_met_anew_when_a_side_moves)
{
    TALK t = out(&(struct talk_options){ .features = OURS, .rules = ASK });

    talk_verdicts(t, "-a@2");
    CHECK_INT(t->status.unsettled, 1);
    talk_put(t, "-a");
    talk_run(t);
    CHECK_INT(t->status.unsettled, 0);
    CHECK_INT(talk_state(t, "a"), REPLICA_DOC_IN_SYNC);
    CHECK(t->status.in_sync);
}

TEST(what_nobody_can_answer_does_not_hold_a_run_that_ends_by_itself)
{
    TALK t = talk_begin(&(struct talk_options){ .features = OURS, .rules = ASK, .once = true });

    talk_run(t);
    talk_page(t, &(struct said){ "a=1@1", CP("1"), .at_head = 1 });
    CHECK_INT(t->status.state, REPLICA_SYNC_STOPPED);
    talk_put(t, "a=2 b=1");
    talk_restart(t);
    talk_run(t);
    talk_page(t, &(struct said){ "-a@2", CP("2"), .at_head = 1 });
    CHECK_STR(t->pushed, "b=1");
    CHECK_INT(t->status.state, REPLICA_SYNC_PUSHING);
    talk_taken(t);
    CHECK_INT(t->status.state, REPLICA_SYNC_STOPPED);
    CHECK(!t->status.in_sync);
    CHECK_INT(t->status.unsettled, 1);
}

/* ---- rules that come to nothing ------------------------------------------------------ */

TEST(a_merged_text_that_breaks_the_schema_sets_aside_and_others_go_on)
{
    TALK t = out(&(struct talk_options){
        .features = OURS, .rules = COUNT,
        .schema = "{\"version\":0,\"primaryKey\":\"id\",\"type\":\"object\",\"properties\":{"
                  "\"id\":{\"type\":\"string\",\"maxLength\":9},"
                  "\"v\":{\"type\":\"integer\",\"maximum\":9}}}" });

    talk_put(t, "b=2");
    talk_verdicts(t, "a=9@2");
    CHECK_INT(talk_state(t, "a"), REPLICA_DOC_REJECTED);
    CHECK_STR(talk_have(t, "a"), "a=2");
    CHECK_STR(t->pushed, "b=2");
    talk_verdicts(t, "b=1@3");
    CHECK_STR(t->pushed, "b=3<1");
    talk_taken(t);
    CHECK_STR(talk_rejected(t), "a -4; ");
    CHECK(strstr(t->events, "rejected a -4"));
    CHECK(t->status.in_sync);
}

/* ---- a server's rules ---------------------------------------------------------------- */

TEST(a_collection_without_any_takes_the_servers_rules)
{
    TALK t = out(&(struct talk_options){ .features = OURS, .told = COUNT });

    talk_verdicts(t, "a=9@2");
    CHECK_STR(t->pushed, "a=10<9");
    talk_verdicts(t, "taken@3");
    CHECK_STR(t->events, "conflict a merge; sent a; ");
}

TEST(a_collections_own_rules_stand_against_the_servers)
{
    TALK t = out(&(struct talk_options){ .features = OURS, .told = COUNT,
                                         .rules = "\"client-wins\"" });

    talk_verdicts(t, "a=9@2");
    CHECK_STR(t->pushed, "a=2<9");
    CHECK_STR(t->events, "conflict a client-wins; ");
}

TEST(a_handler_stands_against_the_servers_rules)
{
    TALK t = out(&(struct talk_options){ .features = OURS, .told = COUNT,
                                         .resolve = talk_use_local });

    talk_verdicts(t, "a=9@2");
    CHECK_INT(t->conflicts, 1);
    CHECK_STR(t->pushed, "a=2<9");
}

TEST(rules_of_the_server_that_mean_nothing_here_leave_it_to_the_server)
{
    TALK t = out(&(struct talk_options){ .features = OURS, .told = "\"magic\"" });

    talk_verdicts(t, "a=9@2");
    CHECK_STR(talk_have(t, "a"), "a=9");
    CHECK_STR(t->events, "conflict a server-wins; ");
}

TEST(a_servers_time_bounds_what_later_means)
{
    TALK t = talk_begin(&(struct talk_options){ .features = OURS,
                                                .rules = "\"last-write-wins\"" });

    t->clock.now_ms += INT64_C(24) * 3600 * 1000; /* ours is a day ahead */
    talk_put(t, "b=2");
    talk_run(t);
    talk_page(t, &(struct said){ "a=1@1 b=1@2^1700000061000", CP("2"), .at_head = 1,
                                 .now_ms = INT64_C(1700000000000) });
    CHECK_STR(t->pushed, "b=2<1"); /* both lie a minute ahead; nobody knows who wrote the other */
    talk_taken(t);
    talk_put(t, "a=2"); /* from now on it is stamped by the server's clock */
    talk_run(t);
    talk_verdicts(t, "a=9@4^1700000000001");
    CHECK_STR(talk_have(t, "a"), "a=9");
}
