/* Errors: waiting and trying again, what only the program can mend, and finding the row that a page
 * was refused for. */
#include "tests/replicator/talk_support.h"

#include "replicator/retry.h"

#include <stdio.h>

#define NO_STREAM (OURS & ~(unsigned)REPLICA_REMOTE_STREAM)

/* ---- waiting --------------------------------------------------------------------- */

TEST(failures_wait_ever_longer_with_jitter_and_never_beyond_the_cap)
{
    TALK t = talk_begin(&(struct talk_options){ .features = NO_STREAM });
    int64_t most = 0, total = 0, first_ten = 0;

    talk_run(t);
    for (int i = 1; i <= 60; i++) {
        int64_t wait;

        CHECK(t->pull);
        talk_fail(t, &t->pull, REPLICA_ENET, 7, 0);
        CHECK_INT(t->errors, i);
        CHECK_INT(t->status.state, REPLICA_SYNC_WAITING);
        wait = t->status.retry_ms - t->clock.monotonic_ms;
        CHECK(wait >= 0);
        CHECK(wait <= REPLICA__RETRY_CAP_MS);
        if (i < 9)
            CHECK(wait <= (int64_t)REPLICA__RETRY_BASE_MS << (i - 1));
        most = wait > most ? wait : most;
        total += wait;
        first_ten += i <= 10 ? wait : 0;
        if (wait > 0) {
            talk_pass(t, wait - 1);
            CHECK(!t->pull);
            talk_pass(t, 1);
        }
    }
    CHECK(most > REPLICA__RETRY_CAP_MS / 2);
    CHECK(total / 60 > first_ten / 10);
    CHECK_INT(t->pulls, 61);
}

TEST(a_success_ends_the_error_and_the_next_failure_waits_shortly_again)
{
    TALK t = talk_begin(&(struct talk_options){ .features = NO_STREAM });

    talk_run(t);
    for (int i = 0; i < 12; i++) {
        talk_fail(t, &t->pull, REPLICA_ENET, 7, 0);
        talk_next(t);
    }
    CHECK_INT(t->status.error.code, REPLICA_ENET);
    talk_page(t, &(struct said){ "", NULL, .at_head = 1 });
    CHECK_INT(t->status.error.code, 0);
    CHECK(t->status.in_sync);
    replica__session_now(t->session);
    talk_run(t);
    talk_fail(t, &t->pull, REPLICA_ENET, 7, 0);
    CHECK(t->status.retry_ms - t->clock.monotonic_ms <= REPLICA__RETRY_BASE_MS);
}

TEST(retry_after_is_obeyed)
{
    TALK t = talk_begin(&(struct talk_options){ .features = NO_STREAM });

    talk_run(t);
    talk_fail(t, &t->pull, REPLICA_EHTTP, 503, 20000);
    CHECK(t->status.retry_ms - t->clock.monotonic_ms >= 20000);
    CHECK(t->status.retry_ms - t->clock.monotonic_ms <= 20000 + 20000 / 4);
    talk_pass(t, 19999);
    CHECK(!t->pull);
    talk_pass(t, 1 + 20000 / 4);
    CHECK(t->pull);
}

TEST(the_program_ends_a_wait_when_it_asks)
{
    TALK t = talk_begin(&(struct talk_options){ .features = NO_STREAM });

    talk_run(t);
    talk_fail(t, &t->pull, REPLICA_EHTTP, 503, 200000);
    CHECK(!t->pull);
    replica__session_now(t->session);
    talk_run(t);
    CHECK(t->pull);
}

/* As long a wait as there is after a failure to reach the server. */
static void wait_long(struct talk *t)
{
    talk_run(t);
    while (t->status.retry_ms - t->clock.monotonic_ms < 60000) {
        if (!t->pull)
            talk_next(t);
        else
            talk_fail(t, &t->pull, REPLICA_ENET, 7, 0);
    }
    CHECK(!t->pull);
}

TEST(the_network_that_is_back_ends_the_wait_after_a_network_error)
{
    TALK t = talk_begin(&(struct talk_options){ .features = NO_STREAM });

    wait_long(t);
    replica__session_network(t->session);
    talk_run(t);
    CHECK(t->pull);
}

TEST(the_network_does_not_end_a_wait_that_the_server_asked_for)
{
    TALK t = talk_begin(&(struct talk_options){ .features = NO_STREAM });

    talk_run(t);
    talk_fail(t, &t->pull, REPLICA_EHTTP, 503, 60000);
    replica__session_network(t->session);
    talk_run(t);
    CHECK(!t->pull);
}

TEST(a_network_that_comes_and_goes_makes_no_storm_and_no_news_is_lost)
{
    TALK t = talk_begin(&(struct talk_options){ .features = NO_STREAM });
    int before, attempts = 0;

    wait_long(t);
    before = t->pulls;
    for (int i = 0; i < 600; i++) { /* a minute */
        replica__session_network(t->session);
        talk_pass(t, 100);
        if (t->pull)
            talk_fail(t, &t->pull, REPLICA_ENET, 7, 0);
    }
    attempts = t->pulls - before;
    CHECK(attempts >= 5);
    CHECK(attempts <= 12);
    replica__session_network(t->session); /* too early: it is remembered */
    talk_pass(t, 10000);
    CHECK(t->pull);
}

TEST(a_write_while_waiting_does_not_end_the_wait)
{
    TALK t = talk_begin(&(struct talk_options){ .features = NO_STREAM });

    talk_run(t);
    talk_fail(t, &t->pull, REPLICA_EHTTP, 503, 20000);
    talk_put(t, "a=1");
    talk_run(t);
    CHECK_INT(t->status.state, REPLICA_SYNC_WAITING);
    CHECK_INT(t->pushes, 0);
    talk_next(t);
    talk_page(t, &(struct said){ "", NULL, .at_head = 1 });
    CHECK_STR(t->pushed, "a=1");
}

TEST(each_failed_attempt_is_told_with_what_it_was)
{
    TALK t = talk_begin(&(struct talk_options){ .features = NO_STREAM });

    talk_run(t);
    talk_fail(t, &t->pull, REPLICA_EHTTP, 500, 0);
    CHECK_INT(t->errors, 1);
    CHECK_INT(t->error.code, REPLICA_EHTTP);
    CHECK_INT(t->error.detail, 500);
    CHECK_STR(t->error.message, "status 500");
    CHECK_INT(t->status.error.detail, 500);
}

TEST(a_hello_that_fails_is_asked_again)
{
    TALK t = talk_begin(&(struct talk_options){ .features = NO_STREAM, .silent = true });

    talk_run(t);
    CHECK_INT(t->hellos, 1);
    talk_fail(t, &t->hello, REPLICA_ENET, 7, 0);
    CHECK_INT(t->status.state, REPLICA_SYNC_WAITING);
    t->o.silent = false;
    talk_next(t);
    CHECK_INT(t->hellos, 2);
    talk_page(t, &(struct said){ "a=1@1", CP("1"), .at_head = 1 });
    CHECK(t->status.in_sync);
}

TEST(a_request_that_cannot_be_started_is_a_failure_with_a_wait)
{
    TALK t = talk_begin(&(struct talk_options){ .features = NO_STREAM });

    talk_put(t, "a=1");
    t->refuse_start = REPLICA_ENOMEM;
    talk_run(t);
    CHECK_INT(t->status.state, REPLICA_SYNC_WAITING);
    CHECK_INT(t->error.code, REPLICA_ENOMEM);
    t->refuse_start = 0;
    talk_next(t);
    CHECK(t->pull);
    t->refuse_start = REPLICA_ENET;
    talk_page(t, &(struct said){ "", NULL, .at_head = 1 });
    CHECK_INT(t->error.code, REPLICA_ENET);
    CHECK_INT(t->status.state, REPLICA_SYNC_WAITING);
    t->refuse_start = 0;
    talk_next(t);
    if (t->pull)
        talk_page(t, &(struct said){ "", NULL, .at_head = 1 });
    CHECK_STR(t->pushed, "a=1");
    talk_taken(t);
    CHECK(t->status.in_sync);
}

/* ---- what only the program can mend ------------------------------------------------ */

static void check_halts(int code, int detail)
{
    TALK t = talk_begin(&(struct talk_options){ .features = NO_STREAM });

    talk_put(t, "a=1");
    talk_run(t);
    talk_fail(t, &t->pull, code, detail, 0);
    CHECK_INT(t->status.state, REPLICA_SYNC_PAUSED);
    CHECK_INT(t->status.error.code, code);
    CHECK_INT(t->errors, 1);
    talk_pass(t, 10 * REPLICA__RETRY_CAP_MS);
    CHECK_INT(t->pulls, 1);
    CHECK_INT(t->pushes, 0);
    replica__session_pause(t->session, false);
    talk_run(t);
    CHECK_INT(t->status.error.code, 0);
    talk_page(t, &(struct said){ "", NULL, .at_head = 1 });
    talk_taken(t);
    CHECK(t->status.in_sync);
}

TEST(refused_credentials_pause_until_the_program_resumes)
{
    check_halts(REPLICA_EAUTH, 401);
}

TEST(an_outdated_schema_pauses_and_its_queue_stays_safe)
{
    check_halts(REPLICA_EVERSION, 426);
}

TEST(refused_credentials_of_a_push_pause_and_its_rows_go_out_after_that)
{
    TALK t = talk_begin(&(struct talk_options){ .features = NO_STREAM });

    talk_put(t, "a=1");
    talk_settle_down(t, "", NULL);
    talk_fail(t, &t->push, REPLICA_EAUTH, 401, 0);
    CHECK_INT(t->status.state, REPLICA_SYNC_PAUSED);
    CHECK_INT(talk_state(t, "a"), REPLICA_DOC_SENT);
    replica__session_pause(t->session, false);
    talk_settle_down(t, "", NULL);
    CHECK_STR(t->pushed, "a=1");
    talk_taken(t);
    CHECK(t->status.in_sync);
}

/* ---- refused pages --------------------------------------------------------------- */

static void fill_docs(struct talk *t, int n, const char *bad)
{
    char docs[8000] = "";

    for (int i = 0; i < n; i++) {
        char word[20];

        snprintf(word, sizeof word, " %d ", i);
        snprintf(docs + strlen(docs), sizeof docs - strlen(docs), "%c%03d=1 ",
                 strstr(bad, word) ? 'x' : 'd', i);
    }
    talk_put(t, docs);
}

/* A server without verdicts by row that refuses a page for each row whose name begins with x. */
static int serve(struct talk *t, int code, int detail)
{
    int requests = 0;

    while (t->push && requests < 500) {
        requests++;
        if (t->pushed[0] == 'x' || strstr(t->pushed, " x"))
            talk_fail(t, &t->push, code, detail, 0);
        else
            talk_taken(t);
        if (t->pull)
            talk_page(t, &(struct said){ "", CP("1") });
    }
    return requests;
}

static int log2_up(int n)
{
    int bits = 0;

    while (1 << bits < n)
        bits++;
    return bits;
}

static void check_finds(int n, int at, int code, int detail)
{
    TALK t = talk_begin(&(struct talk_options){ .features = RXDB, .path = ":memory:" });
    char bad[20], id[20], rejected[40];
    int requests;

    snprintf(bad, sizeof bad, " %d ", at);
    snprintf(id, sizeof id, "x%03d", at);
    snprintf(rejected, sizeof rejected, "%s %d; ", id, detail);
    fill_docs(t, n, bad);
    talk_run(t);
    talk_page(t, &(struct said){ "", CP("1") });
    talk_page(t, &(struct said){ "", CP("1") });
    requests = serve(t, code, detail);
    if (requests - 1 > 2 * log2_up(n) + 2)
        test_fail(__FILE__, __LINE__, "%d requests for row %d of %d", requests, at, n);
    CHECK_STR(talk_rejected(t), rejected);
    CHECK_INT(talk_state(t, id), REPLICA_DOC_REJECTED);
    CHECK_INT(t->status.pushed, n - 1);
    CHECK(t->status.in_sync);
    CHECK_INT(t->errors, 0);
}

TEST(a_refused_page_is_halved_until_the_row_is_found)
{
    for (int at = 0; at < 64; at += 7)
        check_finds(64, at, REPLICA_EHTTP, 422);
    check_finds(64, 63, REPLICA_EHTTP, 403);
    check_finds(100, 99, REPLICA_EHTTP, 403);
    check_finds(100, 0, REPLICA_EHTTP, 403);
    check_finds(3, 1, REPLICA_EHTTP, 422);
    check_finds(2, 0, REPLICA_EHTTP, 422);
    check_finds(2, 1, REPLICA_EHTTP, 422);
}

TEST(a_single_document_that_is_refused_alone_is_rejected)
{
    check_finds(1, 0, REPLICA_EHTTP, 422);
}

TEST(two_documents_that_are_refused_alone_are_rejected)
{
    TALK t = talk_begin(&(struct talk_options){ .features = RXDB });

    talk_put(t, "x1=1 x2=1");
    talk_run(t);
    talk_page(t, &(struct said){ "", NULL });
    serve(t, REPLICA_EHTTP, 422);
    CHECK_STR(talk_rejected(t), "x1 422; x2 422; ");
    CHECK_INT(t->status.state, REPLICA_SYNC_IDLE);
    CHECK(t->status.in_sync);
    talk_put(t, "d=1");
    talk_run(t);
    CHECK_STR(t->pushed, "d=1");
}

TEST(several_bad_rows_among_good_ones_are_each_rejected)
{
    TALK t = talk_begin(&(struct talk_options){ .features = RXDB });

    fill_docs(t, 40, " 0 7 8 30 39 ");
    talk_run(t);
    talk_page(t, &(struct said){ "", NULL });
    serve(t, REPLICA_EHTTP, 422);
    CHECK_STR(talk_rejected(t), "x000 422; x007 422; x008 422; x030 422; x039 422; ");
    CHECK_INT(t->status.pushed, 35);
    CHECK(t->status.in_sync);
}

TEST(three_rows_refused_alone_pause_and_nothing_is_rejected)
{
    TALK t = talk_begin(&(struct talk_options){ .features = RXDB });

    talk_put(t, "x1=1 x2=1 x3=1 x4=1 x5=1");
    talk_run(t);
    talk_page(t, &(struct said){ "", NULL });
    CHECK(serve(t, REPLICA_EHTTP, 403) < 10);
    CHECK_INT(t->status.state, REPLICA_SYNC_PAUSED);
    CHECK_INT(t->status.error.detail, 403);
    CHECK_STR(talk_rejected(t), "");
    for (int i = 1; i <= 5; i++) {
        char id[20];

        snprintf(id, sizeof id, "x%d", i);
        CHECK(talk_state(t, id) == REPLICA_DOC_DIRTY || talk_state(t, id) == REPLICA_DOC_SENT);
    }
    replica__session_pause(t->session, false);
    talk_run(t);
    talk_page(t, &(struct said){ "", NULL });
    for (int i = 0; i < 10 && (t->push || talk_wait_ms(t) < 60000); i++) {
        if (t->push)
            talk_taken(t);
        else
            talk_next(t);
        if (t->pull)
            talk_page(t, &(struct said){ "", NULL });
    }
    CHECK_INT(t->status.pushed, 5);
    CHECK(t->status.in_sync);
}

TEST(three_rows_refused_alone_pause_also_when_they_come_one_by_one)
{
    TALK t = talk_begin(&(struct talk_options){ .features = RXDB });

    talk_run(t);
    talk_page(t, &(struct said){ "", NULL });
    for (int i = 0; i < 3; i++) {
        char doc[20];

        CHECK_INT(t->status.state, REPLICA_SYNC_IDLE);
        snprintf(doc, sizeof doc, "x%d=1", i);
        talk_put(t, doc);
        talk_run(t);
        talk_fail(t, &t->push, REPLICA_EHTTP, 403, 0);
    }
    CHECK_INT(t->status.state, REPLICA_SYNC_PAUSED);
    CHECK(talk_state(t, "x2") != REPLICA_DOC_REJECTED);
}

TEST(many_refusals_after_a_taken_row_are_meant_for_their_rows)
{
    TALK t = talk_begin(&(struct talk_options){ .features = RXDB });

    talk_put(t, "d0=1 x1=1 x2=1 x3=1 x4=1 x5=1");
    talk_run(t);
    talk_page(t, &(struct said){ "", NULL });
    serve(t, REPLICA_EHTTP, 403);
    CHECK_STR(talk_rejected(t), "x1 403; x2 403; x3 403; x4 403; x5 403; ");
    CHECK(t->status.in_sync);
}

TEST(refusals_before_the_first_taken_row_are_rejected_when_it_is_taken)
{
    TALK t = talk_begin(&(struct talk_options){ .features = RXDB });

    talk_put(t, "x1=1 x2=1 d3=1");
    talk_run(t);
    talk_page(t, &(struct said){ "", NULL });
    serve(t, REPLICA_EHTTP, 403);
    CHECK_STR(talk_rejected(t), "x1 403; x2 403; ");
    CHECK_INT(talk_state(t, "d3"), REPLICA_DOC_IN_SYNC);
    CHECK(t->status.in_sync);
}

TEST(a_suspect_that_the_program_writes_anew_goes_out_in_its_new_state)
{
    TALK t = talk_begin(&(struct talk_options){ .features = RXDB });

    talk_put(t, "x1=1 d2=1");
    talk_run(t);
    talk_page(t, &(struct said){ "", NULL });
    talk_fail(t, &t->push, REPLICA_EHTTP, 422, 0);
    CHECK_STR(t->pushed, "x1=1");
    talk_fail(t, &t->push, REPLICA_EHTTP, 422, 0);
    CHECK_STR(t->pushed, "d2=1");
    talk_put(t, "x1=2");
    talk_taken(t);
    for (int i = 0; i < 5 && !strstr(t->pushed, "x1=2"); i++)
        talk_next(t);
    CHECK_STR(t->pushed, "x1=2");
    CHECK_STR(talk_rejected(t), "");
    talk_taken(t);
    CHECK(t->status.in_sync);
}

/* ---- too large ------------------------------------------------------------------- */

TEST(a_page_that_is_too_large_goes_out_in_halves_from_then_on)
{
    TALK t = talk_begin(&(struct talk_options){ .features = RXDB });

    fill_docs(t, 40, "");
    talk_run(t);
    talk_page(t, &(struct said){ "", NULL });
    CHECK_INT(t->pushed_rows, 40);
    talk_fail(t, &t->push, REPLICA_ELIMIT, 413, 0);
    CHECK_INT(t->pushed_rows, 20);
    talk_fail(t, &t->push, REPLICA_ELIMIT, 413, 0);
    CHECK_INT(t->pushed_rows, 10);
    for (int i = 0; i < 4; i++) {
        CHECK_INT(t->pushed_rows, 10);
        talk_taken(t);
    }
    CHECK(t->status.in_sync);
    CHECK_INT(t->errors, 0);
}

TEST(a_single_row_that_is_too_large_is_rejected_and_the_others_are_taken)
{
    check_finds(16, 5, REPLICA_ELIMIT, 413);
    check_finds(1, 0, REPLICA_ELIMIT, 413);
}

TEST(many_rows_that_are_too_large_are_each_rejected)
{
    TALK t = talk_begin(&(struct talk_options){ .features = RXDB });

    talk_put(t, "x1=1 x2=1 x3=1 x4=1 x5=1");
    talk_run(t);
    talk_page(t, &(struct said){ "", NULL });
    serve(t, REPLICA_ELIMIT, 413);
    CHECK_STR(talk_rejected(t), "x1 413; x2 413; x3 413; x4 413; x5 413; ");
    CHECK(t->status.in_sync);
}

TEST(a_network_error_while_the_row_is_searched_starts_the_search_anew_and_loses_nothing)
{
    TALK t = talk_begin(&(struct talk_options){ .features = RXDB });

    fill_docs(t, 8, " 6 ");
    talk_run(t);
    talk_page(t, &(struct said){ "", CP("1") });
    talk_page(t, &(struct said){ "", CP("1") });
    talk_fail(t, &t->push, REPLICA_EHTTP, 422, 0);
    talk_taken(t);
    talk_fail(t, &t->push, REPLICA_ENET, 7, 0);
    talk_next(t);
    if (t->pull)
        talk_page(t, &(struct said){ "", CP("1") });
    serve(t, REPLICA_EHTTP, 422);
    CHECK_STR(talk_rejected(t), "x006 422; ");
    CHECK_INT(t->status.pushed, 7);
    CHECK(t->status.in_sync);
}

TEST(a_bad_row_in_the_second_page_does_not_touch_the_first)
{
    TALK t = talk_begin(&(struct talk_options){ .features = RXDB, .rows = 8 });

    fill_docs(t, 24, " 12 ");
    talk_run(t);
    talk_page(t, &(struct said){ "", CP("1") });
    talk_page(t, &(struct said){ "", CP("1") });
    CHECK(serve(t, REPLICA_EHTTP, 422) < 12);
    CHECK_STR(talk_rejected(t), "x012 422; ");
    CHECK_INT(t->status.pushed, 23);
    CHECK(t->status.in_sync);
}
