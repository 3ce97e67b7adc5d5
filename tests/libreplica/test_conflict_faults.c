/* The conflict log and histories with the n-th allocation failing, and with the n-th write to the
 * disk failing: the code is right, the database is as it was or as it should be, and everything
 * works afterwards. */
#include "libreplica/db.h"
#include "tests/support/fault.h"
#include "tests/support/store.h"
#include "tests/support/test.h"
#include "tests/support/tmp.h"

#include <sqlite3.h>
#include <stdio.h>
#include <unistd.h>

#define A1 "{\"id\":\"a\",\"n\":1}"
#define A2 "{\"id\":\"a\",\"n\":2}"
#define A3 "{\"id\":\"a\",\"n\":3}"

struct path {
    void (*prepare)(struct store *s);
    int (*act)(struct store *s);
    void (*check)(struct store *s, int r);
};

static struct store open_bounded(bool memory)
{
    replica_db_options o = REPLICA_DB_OPTIONS_INIT;
    replica_collection_options c = REPLICA_COLLECTION_OPTIONS_INIT;
    struct store s = { .path = memory ? ":memory:" : tmp_path("test.db") };

    o.log_bytes = 700;
    c.history = 2;
    CHECK_RC(replica_db_open(s.path, &o, &s.db, &test_err), 0);
    CHECK_RC(replica_db_collection(s.db, "notes", &c, &s.coll, &test_err), 0);
    return s;
}

static bool is_expected(int r, bool memory)
{
    return memory ? r == REPLICA_ENOMEM : r == REPLICA_EIO || r == REPLICA_EFULL;
}

static bool run_once(const struct path *p, bool memory, int nth)
{
    STORE s = open_bounded(memory);
    bool failed;
    int r;

    p->prepare(&s);
    if (memory)
        fault_alloc(nth);
    else
        fault_io(FAULT_WRITE, nth, SQLITE_IOERR_WRITE);
    r = p->act(&s);
    failed = fault_stop();
    CHECK(r >= 0 || (failed && is_expected(r, memory)));
    p->check(&s, r);
    store_sound(&s);
    if (r < 0) {
        CHECK(p->act(&s) >= 0);
        p->check(&s, 0);
        store_sound(&s);
    }
    if (!memory) {
        const char *path = s.path;

        store_close(&s);
        unlink(path);
    }
    return failed;
}

static void run(const struct path *p)
{
    for (int memory = 0; memory < 2; memory++) {
        bool failed = true;

        for (int nth = 0; failed; nth++)
            failed = run_once(p, memory, nth);
    }
}

/* ---- an entry, and the oldest one goes --------------------------------------------- */

static void lose(struct store *s, int64_t sequence)
{
    char real[60];

    store_put(s, A2);
    snprintf(real, sizeof real, "{\"id\":\"a\",\"at\":%lld}", (long long)sequence);
    CHECK_INT(store_pull_one(s, real, sequence), REPLICA__PULLED_UNSETTLED);
}

static void settle_all(struct store *s)
{
    QUESTION u = store_question(s);

    CHECK(store_settle(s, &u, REPLICA__SETTLE_REAL, NULL, "server-wins"));
}

static void have_a_full_log(struct store *s)
{
    store_replicate(s, "r1");
    for (int i = 1; i <= 2; i++) {
        lose(s, i);
        settle_all(s);
    }
    lose(s, 3);
}

static int act_settle(struct store *s)
{
    struct replica__unsettled u;
    struct replica__settled answer = { .of = &u,
                                       .how = REPLICA__SETTLE_REAL,
                                       .rule = "server-wins" };
    int n = replica__unsettled_next(s->repl, -1, &u, 1, &test_err);
    int r = n;

    if (n > 0)
        r = replica__settle(s->repl, &answer, 1, &test_err);
    if (n > 0)
        replica__unsettled_free(&u, 1);
    return r;
}

/* The numbers of all entries, as one number. */
static int add_digit(void *ctx, const replica_conflict_entry *e)
{
    *(int64_t *)ctx = *(int64_t *)ctx * 10 + e->number;
    return 0;
}

static int64_t entries(struct store *s)
{
    int64_t digits = 0;

    CHECK_RC(replica_conflict_log(s->db, NULL, 0, add_digit, &digits, &test_err), 0);
    return digits;
}

static void check_entries(struct store *s, int r)
{
    CHECK_INT(entries(s), r < 0 ? 12 : 23);
    CHECK_STR(store_json(s, "a"), r < 0 ? A2 : "{\"id\":\"a\",\"at\":3}");
}

LONG_TEST(an_entry_that_takes_the_place_of_another_survives_every_failure)
{
    run(&(struct path){ have_a_full_log, act_settle, check_entries });
}

/* ---- histories --------------------------------------------------------------------- */

static void have_a_full_history(struct store *s)
{
    for (int i = 0; i < 3; i++)
        store_put(s, A1);
}

static int act_put(struct store *s)
{
    return replica_put(s->coll, A3, REPLICA_NUL, REPLICA_ANY_REV, NULL, NULL, &test_err);
}

static int count(void *ctx, replica_doc *doc)
{
    ++*(int *)ctx;
    CHECK_STR(replica_doc_json(doc, NULL), A1);
    return 0;
}

static void check_history(struct store *s, int r)
{
    int n = 0;

    CHECK_STR(store_json(s, "a"), r < 0 ? A1 : A3);
    CHECK_RC(replica_history(s->coll, "a", count, &n, &test_err), 0);
    CHECK_INT(n, 2);
}

LONG_TEST(a_write_that_keeps_a_history_survives_every_failure)
{
    run(&(struct path){ have_a_full_history, act_put, check_history });
}

static int ignore(void *ctx, replica_doc *doc)
{
    return 0;
}

static int act_history(struct store *s)
{
    return replica_history(s->coll, "a", ignore, NULL, &test_err);
}

static void check_nothing(struct store *s, int r)
{
    CHECK_STR(store_json(s, "a"), A1);
}

LONG_TEST(reading_a_history_survives_every_failure)
{
    run(&(struct path){ have_a_full_history, act_history, check_nothing });
}

/* ---- reading and observing --------------------------------------------------------- */

static int told, destroyed;

static void tell(void *ctx, const replica_conflict_entry *e)
{
    CHECK(e->real && e->local);
    told++;
}

static void destroy(void *ctx)
{
    destroyed++;
}

static void have_entries(struct store *s)
{
    have_a_full_log(s);
    told = destroyed = 0;
}

static int act_observe(struct store *s)
{
    replica_conflict_filter f = REPLICA_CONFLICT_FILTER_INIT;
    replica_observer *o = NULL;
    int before = destroyed, r;

    f.id = "a";
    f.keys = "**";
    f.rule = "server-wins";
    r = replica_conflict_observe(s->db, &f, tell, NULL, destroy, &o, &test_err);
    CHECK_INT(destroyed, before + (r < 0));
    CHECK((o != NULL) == (r >= 0));
    replica_observer_cancel(o);
    CHECK_INT(destroyed, before + 1);
    return r;
}

static void check_left(struct store *s, int r)
{
    CHECK_INT(entries(s), 12);
}

LONG_TEST(observing_survives_every_failure)
{
    run(&(struct path){ have_entries, act_observe, check_left });
}

static void have_news(struct store *s)
{
    store_replicate(s, "r1");
    told = 0;
    CHECK_RC(replica_conflict_observe(s->db, NULL, tell, NULL, NULL, NULL, &test_err), 0);
    lose(s, 1);
    settle_all(s);
}

static int act_dispatch(struct store *s)
{
    return replica_db_dispatch(s->db, 1000, &test_err);
}

static void check_told(struct store *s, int r)
{
    CHECK(told == 1 || (r < 0 && told == 0));
}

LONG_TEST(an_entry_is_told_once_whatever_failed)
{
    run(&(struct path){ have_news, act_dispatch, check_told });
}
