/* Conflicts: who is asked, about what, and what becomes of the answer. */
#include "tests/replicator/talk_support.h"

#include <stdio.h>

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

static void check_three(void *ctx, replica_conflict *c)
{
    struct talk *t = ctx;

    CHECK_STR(replica_conflict_id(c), "a");
    CHECK_STR(replica_conflict_collection(c), "notes");
    CHECK_STR(replica_doc_json(replica_conflict_assumed(c), NULL), "{\"id\":\"a\",\"v\":1}");
    CHECK_STR(replica_doc_json(replica_conflict_real(c), NULL), "{\"id\":\"a\",\"v\":9}");
    CHECK_STR(replica_doc_json(replica_conflict_local(c), NULL), "{\"id\":\"a\",\"v\":2}");
    CHECK(!replica__session_busy(t->session));
    talk_use_local(t, c);
}

TEST(the_handler_sees_the_assumed_the_real_and_the_local_state)
{
    TALK t = out(&(struct talk_options){ .features = OURS, .resolve = check_three });

    talk_verdicts(t, "a=9@2");
    CHECK_INT(t->conflicts, 1);
    CHECK_STR(t->pushed, "a=2<9");
    talk_verdicts(t, "taken@3");
    CHECK(t->status.in_sync);
    CHECK_STR(t->events, "conflict a handler; sent a; ");
    CHECK_INT(t->status.conflicts, 1);
    CHECK_INT(talk_logged(t), 1);
}

TEST(without_a_handler_the_servers_state_wins_and_ours_is_in_the_log)
{
    TALK t = out(&(struct talk_options){ .features = OURS });

    talk_verdicts(t, "a=9@2");
    CHECK_STR(talk_have(t, "a"), "a=9");
    CHECK_INT(talk_state(t, "a"), REPLICA_DOC_IN_SYNC);
    CHECK(t->status.in_sync);
    CHECK_INT(talk_logged(t), 1);
    CHECK_STR(t->events, "conflict a server-wins; ");
    CHECK_INT(t->pushes, 1);
}

TEST(an_answer_that_equals_the_real_state_is_clean_at_once)
{
    TALK t = out(&(struct talk_options){ .features = OURS, .resolve = talk_use_real });

    talk_verdicts(t, "a=9@2");
    CHECK_STR(talk_have(t, "a"), "a=9");
    CHECK(t->status.in_sync);
    CHECK_INT(t->pushes, 1);
}

TEST(an_answer_is_written_over_both_and_pushed_with_the_real_state_as_assumed)
{
    TALK t = out(&(struct talk_options){ .features = OURS, .resolve = talk_add });

    talk_verdicts(t, "a=9@2");
    CHECK_STR(talk_have(t, "a"), "a=10");
    CHECK_STR(t->pushed, "a=10<9");
    CHECK_INT(talk_state(t, "a"), REPLICA_DOC_SENT);
    talk_verdicts(t, "taken@3");
    CHECK(t->status.in_sync);
}

TEST(an_answer_that_comes_later_holds_up_only_its_document)
{
    TALK t = out(&(struct talk_options){ .features = OURS, .resolve = talk_keep });

    talk_verdicts(t, "a=9@2");
    CHECK_INT(t->conflicts, 1);
    CHECK(!t->status.in_sync);
    CHECK_INT(t->status.state, REPLICA_SYNC_IDLE);
    talk_put(t, "b=1");
    talk_run(t);
    CHECK_STR(t->pushed, "b=1");
    talk_taken(t);
    CHECK(!t->status.in_sync);
    CHECK_INT(t->pushes, 2);
    CHECK_RC(replica_conflict_use(t->conflict, replica_conflict_local(t->conflict), &test_err), 0);
    t->conflict = NULL;
    talk_run(t);
    CHECK_STR(t->pushed, "a=2<9");
    talk_verdicts(t, "taken@3");
    CHECK(t->status.in_sync);
}

TEST(a_write_while_the_handler_thinks_stays_and_the_conflict_is_met_again)
{
    TALK t = out(&(struct talk_options){ .features = OURS, .resolve = talk_keep });

    talk_verdicts(t, "a=9@2");
    talk_put(t, "a=5");
    CHECK_RC(replica_conflict_use(t->conflict, replica_conflict_real(t->conflict), &test_err), 0);
    t->conflict = NULL;
    talk_run(t);
    CHECK_STR(talk_have(t, "a"), "a=5");
    CHECK_INT(t->conflicts, 2);
    CHECK(t->conflict);
    CHECK_STR(replica_doc_json(replica_conflict_local(t->conflict), NULL),
              "{\"id\":\"a\",\"v\":5}");
    CHECK_STR(replica_doc_json(replica_conflict_assumed(t->conflict), NULL),
              "{\"id\":\"a\",\"v\":1}");
    CHECK_RC(replica_conflict_use(t->conflict, replica_conflict_local(t->conflict), &test_err), 0);
    t->conflict = NULL;
    talk_run(t);
    CHECK_STR(t->pushed, "a=5<9");
    talk_verdicts(t, "taken@3");
    CHECK(t->status.in_sync);
}

TEST(a_write_before_the_verdict_is_what_the_handler_sees)
{
    TALK t = out(&(struct talk_options){ .features = OURS, .resolve = talk_add });

    talk_put(t, "a=5");
    talk_verdicts(t, "a=9@2");
    CHECK_INT(t->conflicts, 1);
    CHECK_STR(talk_have(t, "a"), "a=13"); /* 9 + 5 - 1 */
    CHECK_STR(t->pushed, "a=13<9");
}

TEST(a_newer_real_state_while_the_handler_thinks_is_the_next_conflict)
{
    TALK t = out(&(struct talk_options){ .features = OURS & ~(unsigned)REPLICA_REMOTE_STREAM,
                                         .resolve = talk_keep });

    talk_verdicts(t, "a=9@2");
    talk_pass(t, 30000);
    talk_page(t, &(struct said){ "a=20@5", CP("5"), .at_head = 1 });
    CHECK_INT(t->conflicts, 2);
    CHECK(t->earlier);
    /* The first question is of no use any more; its answer is taken and changes nothing. */
    CHECK_RC(replica_conflict_use(t->earlier, replica_conflict_real(t->earlier), &test_err), 0);
    t->earlier = NULL;
    talk_run(t);
    CHECK_STR(talk_have(t, "a"), "a=2");
    CHECK_STR(replica_doc_json(replica_conflict_real(t->conflict), NULL),
              "{\"id\":\"a\",\"v\":20}");
    CHECK_RC(replica_conflict_use(t->conflict, replica_conflict_real(t->conflict), &test_err), 0);
    t->conflict = NULL;
    talk_run(t);
    CHECK_STR(talk_have(t, "a"), "a=20");
    CHECK(t->status.in_sync);
}

TEST(after_a_small_number_of_rounds_the_document_is_set_aside)
{
    TALK t = out(&(struct talk_options){ .features = OURS, .resolve = talk_add });
    char verdict[40];
    int pushes;

    for (int i = 0; i < 50 && t->push; i++) {
        snprintf(verdict, sizeof verdict, "a=%d@%d", 100 + 10 * i, 2 + i);
        talk_verdicts(t, verdict);
    }
    pushes = t->pushes;
    CHECK(pushes > 3);
    CHECK(pushes < 20);
    CHECK_INT(talk_state(t, "a"), REPLICA_DOC_REJECTED);
    CHECK(strstr(t->events, "rejected a"));
    talk_put(t, "b=1");
    talk_run(t);
    CHECK_STR(t->pushed, "b=1");
}

static void give_up(void *ctx, replica_conflict *c)
{
    CHECK_RC(replica_conflict_fail(c, "too hard", &test_err), 0);
}

TEST(a_handler_that_fails_sets_its_document_aside)
{
    TALK t = out(&(struct talk_options){ .features = OURS, .resolve = give_up });

    talk_verdicts(t, "a=9@2");
    CHECK_INT(talk_state(t, "a"), REPLICA_DOC_REJECTED);
    CHECK_STR(talk_have(t, "a"), "a=2");
    CHECK_INT(t->pushes, 1);
    CHECK(t->status.in_sync);
    CHECK(strstr(t->events, "rejected a -20"));
}

static void delete_it(void *ctx, replica_conflict *c)
{
    CHECK_RC(replica_conflict_use_delete(c, &test_err), 0);
}

TEST(a_conflict_can_be_answered_with_a_deletion)
{
    TALK t = out(&(struct talk_options){ .features = OURS, .resolve = delete_it });

    talk_verdicts(t, "a=9@2");
    CHECK_STR(talk_have(t, "a"), "-");
    CHECK_STR(t->pushed, "-a<9");
    talk_verdicts(t, "taken@3");
    CHECK(t->status.in_sync);
}

static void use_assumed(void *ctx, replica_conflict *c)
{
    CHECK_RC(replica_conflict_use(c, replica_conflict_assumed(c), &test_err), 0);
}

TEST(a_conflict_can_be_answered_with_the_assumed_state)
{
    TALK t = out(&(struct talk_options){ .features = OURS, .resolve = use_assumed });

    talk_verdicts(t, "a=9@2");
    CHECK_STR(talk_have(t, "a"), "a=1");
    CHECK_STR(t->pushed, "a=1<9");
}

/* ---- deletions ------------------------------------------------------------------- */

TEST(a_real_state_that_is_deleted_is_the_handlers_when_there_is_an_ancestor)
{
    TALK t = out(&(struct talk_options){ .features = OURS, .resolve = talk_use_local });

    talk_verdicts(t, "-a@2");
    CHECK_INT(t->conflicts, 1);
    CHECK_STR(t->pushed, "a=2<-");
    talk_verdicts(t, "taken@3");
    CHECK_STR(talk_have(t, "a"), "a=2");
    CHECK(t->status.in_sync);
}

TEST(no_ancestor_and_a_tombstone_is_a_recreation_and_no_handler_is_asked)
{
    TALK t = talk_begin(&(struct talk_options){ .features = OURS, .resolve = talk_use_real });

    talk_put(t, "n=1");
    talk_settle_down(t, "", NULL);
    CHECK_STR(t->pushed, "n=1");
    talk_verdicts(t, "-n@4");
    CHECK_INT(t->conflicts, 0);
    CHECK_STR(talk_have(t, "n"), "n=1");
    CHECK_STR(t->pushed, "n=1<-");
    talk_verdicts(t, "taken@5");
    CHECK(t->status.in_sync);
    CHECK_INT(talk_logged(t), 0);
}

TEST(the_default_handler_also_sends_a_recreation_over_a_tombstone)
{
    TALK t = talk_begin(&(struct talk_options){ .features = RXDB });

    talk_put(t, "n=1");
    talk_run(t);
    talk_page(t, &(struct said){ "-n", CP("1") });
    talk_page(t, &(struct said){ "", CP("1") });
    CHECK_STR(t->pushed, "n=1<-");
    talk_taken(t);
    CHECK_STR(talk_have(t, "n"), "n=1");
    CHECK(t->status.in_sync);
}

TEST(a_conflict_about_a_document_that_is_deleted_on_both_sides_is_settled)
{
    TALK t = talk_begin(&(struct talk_options){ .features = OURS, .resolve = talk_keep });

    talk_settle_down(t, "a=1@1", CP("1"));
    talk_put(t, "-a");
    talk_run(t);
    CHECK_STR(t->pushed, "-a<1");
    talk_verdicts(t, "-a@2");
    CHECK_INT(t->conflicts, 0);
    CHECK(t->status.in_sync);
    CHECK_INT(t->pushes, 1);
}

/* ---- equality and counting -------------------------------------------------------- */

TEST(in_rxdbs_dialect_a_row_sent_again_that_conflicts_with_itself_was_taken)
{
    TALK t = talk_begin(&(struct talk_options){
        .features = RXDB, .resolve = talk_add, .handler_flags = REPLICA_HANDLER_ADDITIVE });

    talk_run(t);
    talk_page(t, &(struct said){ "a=1", CP("1") });
    talk_page(t, &(struct said){ "", CP("1") });
    talk_put(t, "a=2");
    talk_run(t);
    talk_fail(t, &t->push, REPLICA_ENET, 52, 0);
    talk_put(t, "a=4");
    talk_next(t);
    if (t->pull)
        talk_page(t, &(struct said){ "", CP("1") });
    CHECK_STR(t->pushed, "a=2<1");
    talk_verdicts(t, "a=2");
    CHECK_INT(t->conflicts, 0);
    CHECK_STR(t->pushed, "a=4<2");
    talk_taken(t);
    CHECK_STR(talk_have(t, "a"), "a=4");
    CHECK(t->status.in_sync);
}

TEST(a_handler_that_adds_is_asked_about_an_equal_state_that_was_never_sent)
{
    TALK t = talk_begin(&(struct talk_options){
        .features = RXDB, .resolve = talk_add, .handler_flags = REPLICA_HANDLER_ADDITIVE });

    talk_run(t);
    talk_page(t, &(struct said){ "a=1", CP("1") });
    talk_page(t, &(struct said){ "", CP("1") });
    talk_put(t, "a=2");
    talk_run(t);
    CHECK_STR(t->pushed, "a=2<1");
    talk_verdicts(t, "a=2"); /* of another who added one, too */
    CHECK_INT(t->conflicts, 1);
    CHECK_STR(talk_have(t, "a"), "a=3");
    CHECK_STR(t->pushed, "a=3<2");
    talk_taken(t);
    CHECK(t->status.in_sync);
}

TEST(a_handler_that_adds_is_asked_about_an_equal_state_that_was_pulled)
{
    TALK t = talk_begin(&(struct talk_options){
        .features = OURS, .resolve = talk_add, .handler_flags = REPLICA_HANDLER_ADDITIVE });

    talk_settle_down(t, "a=1@1", CP("1"));
    talk_put(t, "a=2");
    replica__session_now(t->session);
    talk_run(t);
    talk_page(t, &(struct said){ "a=2@2", CP("2"), .at_head = 1 });
    CHECK_INT(t->conflicts, 1);
    CHECK_STR(talk_have(t, "a"), "a=3");
    CHECK_STR(t->pushed, "a=3<2");
}

TEST(an_equal_real_state_settles_a_handler_that_does_not_count)
{
    TALK t = out(&(struct talk_options){ .features = OURS, .resolve = talk_add });

    talk_verdicts(t, "a=2@5");
    CHECK_INT(t->conflicts, 0);
    CHECK(t->status.in_sync);
    CHECK_INT(t->pushes, 1);
    CHECK_INT(talk_logged(t), 0);
}

/* ---- many ------------------------------------------------------------------------ */

TEST(hundreds_of_conflicts_are_settled_in_one_sitting)
{
    TALK t =
        talk_begin(&(struct talk_options){ .features = RXDB, .resolve = talk_add, .rows = 250 });
    char docs[4000] = "", mine[4000] = "";

    for (int i = 0; i < 250; i++) {
        snprintf(docs + strlen(docs), sizeof docs - strlen(docs), "d%d=5 ", i);
        snprintf(mine + strlen(mine), sizeof mine - strlen(mine), "d%d=2 ", i);
    }
    talk_put(t, mine);
    talk_run(t);
    talk_page(t, &(struct said){ docs, CP("1") });
    talk_page(t, &(struct said){ "", CP("1") });
    CHECK_INT(t->conflicts, 250);
    CHECK_INT(t->pushed_rows, 250);
    CHECK_STR(talk_have(t, "d0"), "d0=7");
    CHECK_STR(talk_have(t, "d249"), "d249=7");
    talk_taken(t);
    CHECK(t->status.in_sync);
    CHECK_INT(t->status.unsettled, 0);
}

TEST(questions_do_not_pile_up_when_the_program_is_away)
{
    TALK t =
        talk_begin(&(struct talk_options){ .features = OURS, .resolve = talk_add, .rows = 290 });
    char docs[6000], mine[6000];
    int answered = 0;

    for (int batch = 0; batch < 2; batch++) {
        docs[0] = mine[0] = '\0';
        for (int i = 0; i < 290; i++) {
            snprintf(docs + strlen(docs), sizeof docs - strlen(docs), "d%d=5@%d ", batch * 290 + i,
                     batch * 290 + i + 1);
            snprintf(mine + strlen(mine), sizeof mine - strlen(mine), "d%d=2 ", batch * 290 + i);
        }
        talk_put(t, mine);
        t->away = true;
        if (batch == 0)
            talk_run(t);
        else
            replica__session_now(t->session);
        talk_run(t);
        talk_page(t, &(struct said){ docs, batch ? CP("580") : CP("290"), .at_head = 1 });
    }
    CHECK(t->post_count > 0);
    CHECK(t->post_count < 580);
    t->away = false;
    talk_run(t);
    for (int i = 0; i < 10 && t->push; i++) {
        answered += (int)t->pushed_rows;
        talk_taken(t);
    }
    CHECK_INT(t->conflicts, 580);
    CHECK_INT(answered, 580);
    CHECK(t->status.in_sync);
}

TEST(a_conflict_that_was_asked_about_is_asked_again_after_a_restart)
{
    TALK t = out(&(struct talk_options){ .features = OURS, .resolve = talk_keep });

    talk_verdicts(t, "a=9@2");
    CHECK_INT(t->conflicts, 1);
    talk_restart(t);
    CHECK_RC(replica_conflict_use(t->conflict, replica_conflict_local(t->conflict), &test_err),
             REPLICA_ECLOSED);
    t->conflict = NULL;
    talk_settle_down(t, "", CP("1"));
    CHECK_INT(t->conflicts, 2);
    CHECK_INT(talk_state(t, "a"), REPLICA_DOC_UNSETTLED);
    CHECK_RC(replica_conflict_use(t->conflict, replica_conflict_local(t->conflict), &test_err), 0);
    t->conflict = NULL;
    talk_run(t);
    CHECK_STR(t->pushed, "a=2<9");
}

TEST(a_server_that_shows_the_assumed_state_again_is_in_no_conflict)
{
    TALK t = talk_begin(&(struct talk_options){ .features = RXDB, .resolve = talk_keep });

    talk_settle_down(t, "a=1 b=1", CP("1"));
    talk_put(t, "a=2 -b");
    replica__session_resync(t->session);
    talk_run(t);
    talk_page(t, &(struct said){ "a=1 b=1", CP("1") });
    talk_page(t, &(struct said){ "", CP("1") });
    CHECK_INT(t->conflicts, 0);
    CHECK_STR(t->pushed, "a=2<1 -b<1");
    talk_taken(t);
    CHECK(t->status.in_sync);
    CHECK_INT(talk_logged(t), 0);
}
