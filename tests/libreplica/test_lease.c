/* The lease: one replicates, and who lost it writes nothing more. */
#include "libreplica/replication/replication.h"
#include "tests/support/clock.h"
#include "tests/support/store.h"
#include "tests/support/test.h"
#include "tests/support/tmp.h"

#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define A1 "{\"id\":\"a\",\"n\":1}"
#define A2 "{\"id\":\"a\",\"n\":2}"
#define A3 "{\"id\":\"a\",\"n\":3}"
#define B1 "{\"id\":\"b\",\"n\":1}"

/* Two handles on one file, with one clock; the first replicates. */
struct pair {
    struct store one, two;
    struct clock clock;
};

static void wait_for_it(struct store *s)
{
    CHECK_RC(replica__replication_open(s->db, "r1", &s->coll, 1, &s->repl, &test_err), 0);
}

static int take(struct store *s, bool *same)
{
    return replica__lease_take(s->repl, same, &test_err);
}

static int look(struct store *s)
{
    return replica__lease_look(s->repl, &test_err);
}

static int keep(struct store *s)
{
    struct replica__lease_asked asked;

    return replica__lease_keep(s->repl, &asked, &test_err);
}

static void begin(struct pair *p)
{
    clock_start(&p->clock, 1700000000000, 7);
    p->one = store_empty();
    replica__db_set_world(p->one.db, &p->clock.world);
    store_replicate(&p->one, "r1");
    p->two = store_open(p->one.path, NULL);
    replica__db_set_world(p->two.db, &p->clock.world);
    wait_for_it(&p->two);
}

static void end(struct pair *p)
{
    store_close(&p->two);
    store_close(&p->one);
}
#define PAIR(p)                                                             \
    __attribute__((cleanup(end))) struct pair p = { .one = { .db = NULL } }; \
    begin(&p)

/* The first does nothing for so long that the second finds that out, and takes over. */
static void take_over(struct pair *p)
{
    bool same;
    int looks = 0;

    while (look(&p->two) == 0 && looks++ < 30)
        clock_pass(&p->clock, 1000);
    CHECK_RC(take(&p->two, &same), 1);
}

/* All rows of all tables. */
static char *dump(struct store *s)
{
    static char texts[2][20000];
    static int turn;
    char *text = texts[turn++ % 2];
    sqlite3 *sqlite = NULL;
    sqlite3_stmt *tables = NULL;
    size_t n = 0;

    text[0] = '\0';
    CHECK(sqlite3_open(s->path, &sqlite) == SQLITE_OK);
    CHECK(sqlite3_prepare_v2(sqlite, "SELECT name FROM sqlite_schema WHERE type = 'table'", -1,
                             &tables, NULL) == SQLITE_OK);
    while (sqlite3_step(tables) == SQLITE_ROW) {
        char *sql = sqlite3_mprintf("SELECT * FROM \"%w\"", sqlite3_column_text(tables, 0));
        sqlite3_stmt *rows = NULL;

        CHECK(sqlite3_prepare_v2(sqlite, sql, -1, &rows, NULL) == SQLITE_OK);
        while (sqlite3_step(rows) == SQLITE_ROW) {
            for (int i = 0; i < sqlite3_column_count(rows) && n < sizeof texts[0] - 100; i++)
                n += (size_t)snprintf(text + n, 100, "%s ", sqlite3_column_text(rows, i));
        }
        sqlite3_finalize(rows);
        sqlite3_free(sql);
    }
    sqlite3_finalize(tables);
    sqlite3_close(sqlite);
    CHECK(n > 0);
    return text;
}

/* ---- who has it ------------------------------------------------------------------ */

TEST(one_of_two_handles_has_the_lease)
{
    bool same;
    PAIR(p);

    CHECK(replica__lease_held(p.one.repl));
    CHECK_RC(look(&p.two), 0);
    CHECK_RC(take(&p.two, &same), 0);
    CHECK(!replica__lease_held(p.two.repl));
    CHECK_RC(keep(&p.one), 1);
}

TEST(a_lease_that_was_given_back_is_free_at_once)
{
    bool same = true;
    PAIR(p);

    replica__lease_release(p.one.repl);
    CHECK_RC(look(&p.two), 1);
    CHECK_RC(take(&p.two, &same), 1);
    CHECK(!same);
    CHECK_RC(take(&p.one, &same), 0);
    CHECK_INT(store_sql_int(&p.one, "SELECT term FROM lease"), 2);
}

TEST(a_lease_that_nobody_else_had_meanwhile_is_the_same)
{
    bool same = false;
    PAIR(p);

    replica__lease_release(p.one.repl);
    CHECK_RC(take(&p.one, &same), 1);
    CHECK(same);
    CHECK_INT(store_sql_int(&p.one, "SELECT term FROM lease"), 1);
    CHECK_RC(look(&p.two), 0);
}

TEST(a_replication_that_closes_gives_it_back)
{
    bool same;
    PAIR(p);

    replica__replication_close(p.one.repl);
    p.one.repl = NULL;
    CHECK_RC(take(&p.two, &same), 1);
}

TEST(another_replication_on_the_file_has_a_lease_of_its_own)
{
    struct replica__replication *other = NULL;
    bool same;
    PAIR(p);

    CHECK_RC(replica__replication_open(p.two.db, "r2", &p.two.coll, 1, &other, &test_err), 0);
    CHECK_RC(replica__lease_take(other, &same, &test_err), 1);
    replica__replication_close(other);
    CHECK_RC(keep(&p.one), 1);
}

TEST(a_process_that_is_killed_loses_it_at_once)
{
    int ready[2];
    char byte;
    pid_t pid;
    bool same;
    struct store s = store_empty();

    store_close(&s);
    CHECK(pipe(ready) == 0);
    pid = fork();
    if (pid == 0) {
        struct store held = store_open(s.path, NULL);

        store_replicate(&held, "r1");
        if (write(ready[1], "", 1) == 1)
            pause();
        _exit(1);
    }
    CHECK(pid > 0 && read(ready[0], &byte, 1) == 1);
    STORE two = store_open(s.path, NULL);
    wait_for_it(&two);
    CHECK_RC(look(&two), 0);
    CHECK_RC(take(&two, &same), 0);
    kill(pid, SIGKILL);
    CHECK(waitpid(pid, NULL, 0) == pid);
    CHECK_RC(look(&two), 1);
    CHECK_RC(take(&two, &same), 1);
}

TEST(a_database_in_memory_has_its_lease)
{
    STORE s = store_memory();

    store_replicate(&s, "r1");
    CHECK_RC(keep(&s), 1);
    store_put(&s, A1);
    store_push_all(&s, 1);
}

/* ---- stopping -------------------------------------------------------------------- */

TEST(a_holder_that_shows_no_life_for_ten_seconds_is_followed)
{
    bool same;
    PAIR(p);

    for (int i = 0; i < 10; i++) {
        CHECK_RC(look(&p.two), 0);
        CHECK_RC(take(&p.two, &same), 0);
        clock_pass(&p.clock, 1000);
    }
    CHECK_RC(look(&p.two), 1);
    CHECK_RC(take(&p.two, &same), 1);
    CHECK_RC(keep(&p.one), 0);
    CHECK(!replica__lease_held(p.one.repl));
    CHECK_RC(keep(&p.two), 1);
    CHECK_RC(look(&p.one), 0); /* waits from now on */
}

TEST(a_holder_that_lives_keeps_it_for_ever)
{
    PAIR(p);

    for (int i = 0; i < 3600; i++) {
        clock_pass(&p.clock, 1000);
        if (p.clock.monotonic_ms >= replica__lease_next(p.one.repl))
            CHECK_RC(keep(&p.one), 1);
        CHECK_RC(look(&p.two), 0);
    }
}

TEST(keeping_it_writes_nothing_to_the_file)
{
    int64_t size;
    PAIR(p);

    size = store_size(&p.one);
    for (int i = 0; i < 100; i++) {
        clock_pass(&p.clock, 2000);
        CHECK_RC(keep(&p.one), 1);
        CHECK_RC(look(&p.two), 0);
    }
    CHECK_INT(store_size(&p.one), size);
}

TEST(who_waits_and_was_stopped_as_well_does_not_take_the_sleep_for_silence)
{
    PAIR(p);

    CHECK_RC(look(&p.two), 0);
    clock_pass(&p.clock, 8 * 3600 * 1000); /* both slept */
    CHECK_RC(look(&p.two), 0);
    CHECK_RC(keep(&p.one), 1);
    CHECK_RC(look(&p.two), 0);
}

TEST(a_wall_clock_that_jumps_changes_nothing)
{
    PAIR(p);

    CHECK_RC(look(&p.two), 0);
    p.clock.now_ms += INT64_C(400) * 24 * 3600 * 1000;
    CHECK_RC(look(&p.two), 0);
    p.clock.now_ms = 0;
    CHECK_RC(look(&p.two), 0);
    CHECK_RC(keep(&p.one), 1);
}

TEST(two_that_wait_for_a_stopped_one_do_not_both_get_it)
{
    bool same;
    PAIR(p);
    STORE three = store_open(p.one.path, NULL);

    replica__db_set_world(three.db, &p.clock.world);
    wait_for_it(&three);
    for (int i = 0; i < 11; i++) {
        look(&p.two);
        look(&three);
        clock_pass(&p.clock, 1000);
    }
    CHECK_RC(take(&three, &same), 1);
    CHECK_RC(take(&p.two, &same), 0);
    CHECK_RC(keep(&three), 1);
}

TEST(without_the_file_beside_it_the_term_still_decides)
{
    char path[600];
    bool same;
    PAIR(p);

    snprintf(path, sizeof path, "%s-lease", p.one.path);
    CHECK(unlink(path) == 0);
    STORE three = store_open(p.one.path, NULL);
    wait_for_it(&three);
    CHECK_RC(take(&three, &same), 1); /* it cannot know better, */
    store_put(&p.one, A1);
    CHECK_RC(keep(&p.one), 0);        /* and no harm is done */
}

/* ---- fencing --------------------------------------------------------------------- */

static void nothing_is_written(struct pair *p, const char *before)
{
    CHECK_STR(dump(&p->one), before);
    CHECK(!replica__lease_held(p->one.repl));
    store_sound(&p->two);
}

TEST(who_lost_it_takes_no_page_to_be_pushed)
{
    PAGE page = { 0 };
    const char *before;
    PAIR(p);

    store_put(&p.one, A1);
    take_over(&p);
    before = dump(&p.one);
    CHECK_RC(store_push(&p.one, &page), REPLICA_ECANCELLED);
    nothing_is_written(&p, before);
}

TEST(who_lost_it_applies_no_verdict)
{
    static const int verdicts[] = { REPLICA_VERDICT_TAKEN, REPLICA_VERDICT_ALREADY,
                                    REPLICA_VERDICT_CONFLICT, REPLICA_VERDICT_REFUSED,
                                    REPLICA_VERDICT_LATER, REPLICA_VERDICT_NONE };

    for (size_t i = 0; i < sizeof verdicts / sizeof verdicts[0]; i++) {
        PAGE page = { 0 };
        const char *before;
        PAIR(p);

        store_put(&p.one, A1);
        CHECK_INT(store_push(&p.one, &page), 1);
        take_over(&p);
        before = dump(&p.one);
        CHECK_RC(store_judge(&p.one, &page, verdicts[i], 6, A2), REPLICA_ECANCELLED);
        nothing_is_written(&p, before);
    }
}

TEST(who_lost_it_moves_no_checkpoint_and_writes_no_document)
{
    struct come docs[] = { { .json = A1, .sequence = 5 } };
    const char *before;
    PAIR(p);

    take_over(&p);
    before = dump(&p.one);
    CHECK_RC(store_pull(&p.one, "cp", docs, 1), REPLICA_ECANCELLED);
    CHECK_STR(replica__feed_checkpoint(p.one.repl, 0), NULL);
    nothing_is_written(&p, before);
}

TEST(who_lost_it_settles_nothing)
{
    struct replica__settled answer = { .how = REPLICA__SETTLE_REAL, .rule = "handler" };
    QUESTION u = { 0 };
    const char *before;
    PAIR(p);

    store_put(&p.one, A1);
    CHECK_INT(store_pull_one(&p.one, A2, 5), REPLICA__PULLED_UNSETTLED);
    u = store_question(&p.one);
    take_over(&p);
    before = dump(&p.one);
    answer.of = &u;
    CHECK_RC(replica__settle(p.one.repl, &answer, 1, &test_err), REPLICA_ECANCELLED);
    CHECK(!answer.done);
    nothing_is_written(&p, before);
}

TEST(who_lost_it_changes_no_feed_and_answers_nobody)
{
    const char *before;
    PAIR(p);

    store_clean(&p.one, A1, 5);
    take_over(&p);
    before = dump(&p.one);
    CHECK_RC(replica__feed_reset(p.one.repl, 0, &test_err), REPLICA_ECANCELLED);
    CHECK_RC(replica__feed_lost(p.one.repl, 0, "inc", 0, NULL, &test_err), REPLICA_ECANCELLED);
    CHECK_RC(replica__lease_answer(p.one.repl, 1, 5, &test_err), REPLICA_ECANCELLED);
    CHECK_RC(replica__replication_feeds(p.one.repl, false, &test_err), REPLICA_ECANCELLED);
    nothing_is_written(&p, before);
}

TEST(who_never_had_it_writes_nothing_either)
{
    const char *before;
    PAIR(p);

    before = dump(&p.one);
    CHECK_RC(replica__replication_feeds(p.two.repl, true, &test_err), REPLICA_ECANCELLED);
    CHECK_STR(dump(&p.one), before);
}

TEST(what_was_under_way_is_asked_about_by_who_takes_over)
{
    PAGE page = { 0 };
    PAGE again = { 0 };
    PAIR(p);

    store_put(&p.one, A1);
    CHECK_INT(store_push(&p.one, &page), 1);
    take_over(&p);
    CHECK_RC(replica__replication_feeds(p.two.repl, true, &test_err), 1);
    CHECK_INT(store_push(&p.two, &again), 1);
    CHECK(again.rows[0].again);
    CHECK_STR(again.rows[0].operation, page.rows[0].operation);
}

/* ---- who waits ------------------------------------------------------------------- */

TEST(who_waits_leaves_the_collections_of_the_holder_alone)
{
    replica_collection *tasks = NULL, *colls[2];
    bool same;
    PAIR(p);

    store_clean(&p.one, A1, 5);
    CHECK_RC(replica_db_collection(p.two.db, "tasks", NULL, &tasks, &test_err), 0);
    colls[0] = p.two.coll;
    colls[1] = tasks;
    replica__replication_close(p.two.repl);
    p.two.repl = NULL;
    CHECK_RC(replica__replication_open(p.two.db, "r1", colls, 2, &p.two.repl, &test_err), 0);
    CHECK_INT(store_sql_int(&p.one, "SELECT count(*) FROM replication_collection"), 1);
    replica__lease_release(p.one.repl);
    CHECK_RC(take(&p.two, &same), 1);
    CHECK_INT(store_sql_int(&p.one, "SELECT count(*) FROM replication_collection"), 2);
}

TEST(who_takes_over_finds_the_feeds_as_they_were_left)
{
    struct come docs[] = { { .json = A1, .sequence = 5 } };
    bool same, one_feed = false;
    PAIR(p);

    CHECK_RC(replica__replication_mode(p.two.repl, &one_feed), 1);
    CHECK_RC(replica__replication_feeds(p.one.repl, false, &test_err), 1);
    CHECK_RC(store_pull(&p.one, "cp", docs, 1), 0);
    replica__lease_release(p.one.repl);
    CHECK_RC(take(&p.two, &same), 1);
    CHECK_RC(replica__replication_mode(p.two.repl, &one_feed), 1);
    CHECK(!one_feed);
    CHECK_RC(replica__replication_feeds(p.two.repl, false, &test_err), 1);
    CHECK_STR(replica__feed_checkpoint(p.two.repl, 0), "cp");
}

TEST(a_question_is_answered_when_the_holder_has_looked_and_nothing_is_left_to_be_sent)
{
    struct replica__lease_asked asked;
    int64_t ticket = 0, head = 0;
    PAIR(p);

    CHECK_RC(replica__lease_answered(p.two.repl, 0, true, &head, &test_err), 0);
    CHECK_RC(replica__lease_ask(p.two.repl, &ticket, &test_err), 0);
    CHECK_RC(replica__lease_answered(p.two.repl, ticket, true, &head, &test_err), 0);
    CHECK_RC(replica__lease_keep(p.one.repl, &asked, &test_err), 1);
    CHECK_INT(asked.asked, ticket);
    CHECK_INT(asked.answered, 0);
    CHECK_RC(replica__lease_answer(p.one.repl, asked.asked, 17, &test_err), 0);
    CHECK_RC(replica__lease_answered(p.two.repl, ticket, true, &head, &test_err), 1);
    CHECK_INT(head, 17);
    store_put(&p.two, B1);
    CHECK_RC(replica__lease_answered(p.two.repl, ticket, true, &head, &test_err), 0);
    CHECK_RC(replica__lease_answered(p.two.repl, ticket, false, &head, &test_err), 1);
    store_push_all(&p.one, 18);
    CHECK_RC(replica__lease_answered(p.two.repl, ticket, true, &head, &test_err), 1);
    CHECK_RC(replica__lease_ask(p.two.repl, &ticket, &test_err), 0);
    CHECK_RC(replica__lease_answered(p.two.repl, ticket, true, &head, &test_err), 0);
}

TEST(what_is_under_way_or_in_conflict_is_not_answered_as_in_sync)
{
    PAGE page = { 0 };
    int64_t ticket = 0, head = 0;
    PAIR(p);

    CHECK_RC(replica__lease_ask(p.two.repl, &ticket, &test_err), 0);
    CHECK_RC(replica__lease_answer(p.one.repl, ticket, 1, &test_err), 0);
    store_put(&p.one, A1);
    CHECK_INT(store_push(&p.one, &page), 1);
    CHECK_RC(replica__lease_answered(p.two.repl, ticket, true, &head, &test_err), 0);
    CHECK_RC(store_judge(&p.one, &page, REPLICA_VERDICT_CONFLICT, 3, A2), 0);
    CHECK_RC(replica__lease_answered(p.two.repl, ticket, true, &head, &test_err), 0);
}

TEST(a_replication_that_another_handle_runs_is_not_removed)
{
    PAIR(p);

    CHECK_RC(replica__replication_remove(p.two.db, "r1", &test_err), REPLICA_EBUSY);
    CHECK_INT(store_sql_int(&p.one, "SELECT count(*) FROM replication"), 1);
    replica__lease_release(p.one.repl);
    CHECK_RC(replica__replication_remove(p.two.db, "r1", &test_err), 1);
    CHECK_INT(store_sql_int(&p.one, "SELECT count(*) FROM lease"), 0);
}

TEST(who_waited_for_a_replication_that_was_removed_does_not_get_it)
{
    bool same;
    PAIR(p);

    replica__lease_release(p.one.repl);
    CHECK_RC(replica__replication_remove(p.one.db, "r1", &test_err), 1);
    CHECK_RC(take(&p.two, &same), REPLICA_ECLOSED);
    CHECK_INT(store_sql_int(&p.one, "SELECT count(*) FROM lease"), 0);
    CHECK_RC(take(&p.one, &same), REPLICA_ECLOSED);
}

TEST(what_was_removed_before_it_was_first_taken_is_not_taken)
{
    bool same;
    STORE s = store_empty();

    wait_for_it(&s);
    CHECK_RC(replica__replication_remove(s.db, "r1", &test_err), 1);
    CHECK_RC(take(&s, &same), REPLICA_ECLOSED);
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM lease"), 0);
}
