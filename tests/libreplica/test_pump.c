/* The event loop: descriptor, timeout, posts, guests. */
#include "base/buf.h"
#include "tests/support/clock.h"
#include "tests/support/store.h"
#include "tests/support/test.h"

#include <poll.h>
#include <pthread.h>

static bool readable(struct store *s)
{
    struct pollfd p = { .fd = replica_db_fd(s->db), .events = POLLIN };

    return poll(&p, 1, 0) > 0;
}

static void note(void *ctx, bool closing)
{
    replica__buf_str(ctx, closing ? "closing " : "run ");
}

TEST(an_idle_database_has_nothing_to_do)
{
    STORE s = store_empty();

    while (replica_db_dispatch(s.db, 0, &test_err) > 0 || replica_db_timeout(s.db) == 0)
        ;
    CHECK_INT(replica_db_timeout(s.db), -1);
    CHECK(!readable(&s));
    CHECK_RC(replica_db_dispatch(s.db, 0, &test_err), 0);
    CHECK_RC(replica_db_wait(s.db, 0, &test_err), 0);
    CHECK_RC(replica_db_wait(s.db, 1, &test_err), 0);
}

TEST(posts_run_in_order_in_the_next_dispatch)
{
    STORE s = store_empty();
    REPLICA_BUF text = REPLICA_BUF_INIT;

    CHECK_RC(replica__db_post(s.db, note, &text), 0);
    CHECK_RC(replica__db_post(s.db, note, &text), 0);
    CHECK(readable(&s));
    CHECK_INT(replica_db_timeout(s.db), 0);
    CHECK_INT(text.len, 0);
    CHECK(replica_db_dispatch(s.db, 100, &test_err) >= 0);
    CHECK_STR(text.data, "run run ");
}

TEST(posts_that_never_ran_are_told_of_the_close)
{
    REPLICA_BUF text = REPLICA_BUF_INIT;

    {
        STORE s = store_empty();

        CHECK_RC(replica__db_post(s.db, note, &text), 0);
    }
    CHECK_STR(text.data, "closing ");
}

static void count(void *ctx, bool closing)
{
    ++*(int *)ctx;
}

static int counted;
static void *post_counts(void *ctx)
{
    struct store *s = ctx;

    for (int i = 0; i < 500; i++)
        CHECK_RC(replica__db_post(s->db, count, &counted), 0);
    return NULL;
}

TEST(any_thread_may_post_while_the_program_waits)
{
    STORE s = store_empty();
    pthread_t threads[4];

    for (int i = 0; i < 4; i++)
        CHECK(pthread_create(&threads[i], NULL, post_counts, &s) == 0);
    while (counted < 2000)
        CHECK(replica_db_wait(s.db, 5000, &test_err) > 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
}

struct guest {
    struct replica__guest guest;
    struct store *s;
    int64_t at;
    int worked, ended, commits;
};

static int64_t guest_next(void *ctx)
{
    return ((struct guest *)ctx)->at;
}

static void guest_work(void *ctx)
{
    struct guest *g = ctx;

    g->worked++;
    g->at = -1;
}

static void guest_closing(void *ctx)
{
    ((struct guest *)ctx)->ended++;
}

static void guest_committed(void *ctx)
{
    ((struct guest *)ctx)->commits++;
}

static void enter(struct guest *g, struct store *s)
{
    *g = (struct guest){ .guest = { .name = "guest", .committed = guest_committed,
                                    .next_ms = guest_next, .work = guest_work,
                                    .closing = guest_closing, .ctx = g },
                         .s = s, .at = -1 };
    replica__db_add_guest(s->db, &g->guest);
}

TEST(a_guest_works_when_its_time_has_come)
{
    struct clock clock;
    struct guest g;

    clock_start(&clock, 1700000000000, 1);
    STORE s = store_empty();
    replica__db_set_world(s.db, &clock.world);
    while (replica_db_dispatch(s.db, 0, &test_err) > 0 || replica_db_timeout(s.db) == 0)
        ;
    enter(&g, &s);
    CHECK_INT(replica_db_timeout(s.db), -1);
    g.at = clock.monotonic_ms + 700;
    CHECK_INT(replica_db_timeout(s.db), 700);
    CHECK(replica_db_dispatch(s.db, 0, &test_err) >= 0);
    CHECK_INT(g.worked, 0);
    clock_pass(&clock, 700);
    CHECK_INT(replica_db_timeout(s.db), 0);
    CHECK(replica_db_dispatch(s.db, 0, &test_err) >= 0);
    CHECK_INT(g.worked, 1);
    store_put(&s, "{\"id\":\"a\"}");
    CHECK_INT(g.commits, 1);
    CHECK(replica__db_has_guest(s.db, "guest"));
    CHECK(!replica__db_has_guest(s.db, "nobody"));
    store_close(&s);
    CHECK_INT(g.ended, 1);
}

TEST(a_guest_that_left_is_not_called)
{
    STORE s = store_empty();
    struct guest g;

    enter(&g, &s);
    g.at = 0;
    replica__db_remove_guest(s.db, &g.guest);
    CHECK(replica_db_dispatch(s.db, 0, &test_err) >= 0);
    store_close(&s);
    CHECK_INT(g.worked, 0);
    CHECK_INT(g.ended, 0);
}

static void close_in_post(void *ctx, bool closing)
{
    replica_db *db = ctx;

    CHECK(replica__db_dispatching(db));
    if (!closing)
        replica_db_close(db);
}

TEST(a_close_in_a_post_is_carried_out_when_the_dispatch_returns)
{
    STORE s = store_empty();
    REPLICA_BUF text = REPLICA_BUF_INIT;

    CHECK_RC(replica__db_post(s.db, close_in_post, s.db), 0);
    CHECK_RC(replica__db_post(s.db, note, &text), 0);
    CHECK_RC(replica_db_dispatch(s.db, 0, &test_err), 0);
    s.db = NULL;
    CHECK_STR(text.data, "closing ");
}

TEST(a_loop_without_a_database_is_invalid)
{
    CHECK_RC(replica_db_fd(NULL), REPLICA_EINVAL);
    CHECK_RC(replica_db_timeout(NULL), REPLICA_EINVAL);
    CHECK_RC(replica_db_dispatch(NULL, 0, &test_err), REPLICA_EINVAL);
    CHECK_RC(replica_db_wait(NULL, 0, &test_err), REPLICA_EINVAL);
    STORE s = store_memory();
    CHECK_RC(replica_db_dispatch(s.db, -1, &test_err), REPLICA_EINVAL);
}

TEST(another_connections_commit_is_noticed_once)
{
    STORE s = store_empty();
    STORE other = store_open(s.path, NULL);

    CHECK(replica__db_changed(s.db, &test_err) >= 0);
    CHECK_RC(replica__db_changed(s.db, &test_err), 0);
    store_put(&other, "{\"id\":\"a\"}");
    CHECK_RC(replica__db_changed(s.db, &test_err), 1);
    CHECK_RC(replica__db_changed(s.db, &test_err), 0);
    store_put(&s, "{\"id\":\"b\"}");
    CHECK_RC(replica__db_changed(s.db, &test_err), 0);
}
