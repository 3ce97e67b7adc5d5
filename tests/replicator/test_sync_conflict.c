/* Conflicts as the program meets them, with both runners. */
#include "tests/replicator/desk_support.h"

#include <stdio.h>

#define THEIRS "{\"id\":\"a\",\"v\":1}"
#define OURS "{\"id\":\"a\",\"v\":2}"

/* Both sides have "a", and nobody has seen the other's. */
static struct desk *in_conflict(unsigned runner)
{
    struct desk *d = desk_begin(runner, NULL);

    server_set(d->server, "a", THEIRS);
    desk_put(d, OURS);
    return d;
}

static void use_local(struct desk *d, replica_conflict *c)
{
    CHECK_STR(replica_doc_json(replica_conflict_real(c), NULL), THEIRS);
    CHECK_STR(replica_doc_json(replica_conflict_local(c), NULL), OURS);
    CHECK(!replica_conflict_assumed(c));
    CHECK_RC(replica_conflict_use(c, replica_conflict_local(c), &test_err), 0);
}

BOTH(a_conflict_is_answered_at_once)
{
    DESK d = in_conflict(runner);

    d->on_conflict = use_local;
    desk_start(d);
    CHECK_RC(desk_in_sync(d), 1);
    CHECK_STR(server_get(d->server, "a"), OURS);
    CHECK_INT(d->conflicts, 1);
    DESK_UNTIL(d, strstr(d->events, "sent a"));
    CHECK_STR(d->events, "conflict a; sent a; ");
}

BOTH(a_conflict_is_answered_later_and_only_its_document_waits)
{
    DESK d = in_conflict(runner);

    desk_start(d);
    DESK_UNTIL(d, d->conflict);
    CHECK_INT(desk_state(d, "a"), REPLICA_DOC_UNSETTLED);
    desk_put(d, "{\"id\":\"b\"}");
    DESK_UNTIL(d, server_get(d->server, "b"));
    CHECK(!desk_status(d).in_sync);
    CHECK_INT(desk_status(d).unsettled, 1);
    CHECK_RC(replica_conflict_use_json(d->conflict, "{\"id\":\"a\",\"v\":3}", REPLICA_NUL,
                                       &test_err), 0);
    d->conflict = NULL;
    CHECK_RC(desk_in_sync(d), 1);
    CHECK_STR(server_get(d->server, "a"), "{\"id\":\"a\",\"v\":3}");
    CHECK_STR(desk_get(d, "a"), "{\"id\":\"a\",\"v\":3}");
    CHECK_INT(desk_status(d).unsettled, 0);
    CHECK_INT(desk_status(d).conflicts, 1);
}

static void *answer_elsewhere(void *arg)
{
    struct desk *d = arg;

    CHECK_RC(replica_conflict_use(d->conflict, replica_conflict_real(d->conflict), NULL), 0);
    return NULL;
}

BOTH(a_conflict_is_answered_from_another_thread)
{
    DESK d = in_conflict(runner);
    pthread_t thread;

    desk_start(d);
    DESK_UNTIL(d, d->conflict);
    CHECK_INT(pthread_create(&thread, NULL, answer_elsewhere, d), 0);
    CHECK_RC(desk_in_sync(d), 1);
    pthread_join(thread, NULL);
    d->conflict = NULL;
    CHECK_STR(desk_get(d, "a"), THEIRS);
}

BOTH(a_conflict_that_was_never_answered_is_closed_and_asked_again)
{
    DESK d = in_conflict(runner);
    replica_error err = { .offset = -1 };

    desk_start(d);
    DESK_UNTIL(d, d->conflict);
    desk_cancel(d);
    CHECK_RC(replica_conflict_use_delete(d->conflict, &err), REPLICA_ECLOSED);
    CHECK_INT(err.code, REPLICA_ECLOSED);
    d->conflict = NULL;
    CHECK_STR(desk_get(d, "a"), OURS);
    d->on_conflict = use_local;
    desk_start(d);
    CHECK_RC(desk_in_sync(d), 1);
    CHECK_INT(d->conflicts, 2);
    CHECK_STR(server_get(d->server, "a"), OURS);
}

BOTH(a_conflict_outlives_the_database)
{
    DESK d = in_conflict(runner);

    desk_start(d);
    DESK_UNTIL(d, d->conflict);
    desk_close(d);
    CHECK_STR(replica_conflict_id(d->conflict), "a");
    CHECK_STR(replica_doc_json(replica_conflict_local(d->conflict), NULL), OURS);
    CHECK_RC(replica_conflict_use_json(d->conflict, "{\"id\":\"a\"", REPLICA_NUL, &test_err),
             REPLICA_EJSON);
    CHECK_RC(replica_conflict_use_json(d->conflict, "{\"id\":\"a\"}", REPLICA_NUL, &test_err),
             REPLICA_ECLOSED);
    d->conflict = NULL;
}

BOTH(an_answer_that_fails_can_be_followed_by_one_that_does_not)
{
    DESK d = in_conflict(runner);
    replica_doc *other = NULL;

    desk_put(d, "{\"id\":\"z\"}");
    CHECK_RC(replica_get(d->coll, "z", &other, &test_err), 1);
    desk_start(d);
    DESK_UNTIL(d, d->conflict);
    CHECK_RC(replica_conflict_use(d->conflict, other, &test_err), REPLICA_EINVAL);
    CHECK_RC(replica_conflict_use_json(d->conflict, "{\"id\":\"a\",", REPLICA_NUL, &test_err),
             REPLICA_EJSON);
    CHECK_RC(replica_conflict_use_json(d->conflict, "{\"id\":\"b\"}", REPLICA_NUL, &test_err),
             REPLICA_EJSON);
    CHECK(test_err.message[0]);
    replica_doc_unref(other);
    CHECK_INT(desk_state(d, "a"), REPLICA_DOC_UNSETTLED);
    CHECK_RC(replica_conflict_use_delete(d->conflict, &test_err), 0);
    d->conflict = NULL;
    CHECK_RC(desk_in_sync(d), 1);
    CHECK_STR(server_get(d->server, "a"), "-");
    CHECK_STR(desk_get(d, "a"), "-");
}

static void give_up(struct desk *d, replica_conflict *c)
{
    CHECK_RC(replica_conflict_fail(c, "too hard", &test_err), 0);
}

static int note_reason(void *ctx, const replica_rejected_entry *entry)
{
    struct desk *d = ctx;

    CHECK_STR(entry->id, "a");
    CHECK_STR(entry->reason, "too hard");
    CHECK_INT(entry->kind, REPLICA_ASIDE_HANDLER);
    CHECK_INT(entry->code, REPLICA_EUSER);
    d->on_conflict = use_local;
    CHECK_RC(replica_rejected_retry(d->db, entry->number, &test_err), 1);
    return 1;
}

BOTH(a_handler_that_fails_sets_aside_and_is_asked_again_when_the_program_retries)
{
    DESK d = in_conflict(runner);

    d->on_conflict = give_up;
    desk_start(d);
    CHECK_RC(desk_in_sync(d), 1);
    DESK_UNTIL(d, strstr(d->events, "rejected a"));
    CHECK_INT(desk_state(d, "a"), REPLICA_DOC_REJECTED);
    CHECK_INT(desk_status(d).rejected, 1);
    CHECK_RC(replica_rejected(d->db, NULL, note_reason, d, &test_err), 1);
    DESK_UNTIL(d, strcmp(server_get(d->server, "a"), OURS) == 0);
    CHECK_RC(desk_in_sync(d), 1);
    CHECK_INT(desk_status(d).rejected, 0);
}

/* In the loop nothing else can happen meanwhile. */
static void block(struct desk *d, replica_conflict *c)
{
    int64_t until = desk_now() + 10000;

    desk_put(d, "{\"id\":\"b\"}");
    while (!server_get(d->server, "b"))
        CHECK(desk_now() < until);
    use_local(d, c);
}

TEST(a_handler_that_blocks_holds_up_only_its_document)
{
    DESK d = in_conflict(0);

    d->on_conflict = block;
    desk_start(d);
    CHECK_RC(desk_in_sync(d), 1);
    CHECK_INT(d->conflicts, 1);
    CHECK_STR(server_get(d->server, "a"), OURS);
    CHECK_STR(server_get(d->server, "b"), "{\"id\":\"b\"}");
}

/* ---- handlers that do more ---------------------------------------------------------- */

static void write_others(struct desk *d, replica_conflict *c)
{
    desk_put(d, "{\"id\":\"audit\",\"about\":\"a\"}");
    use_local(d, c);
}

BOTH(a_handler_may_write_to_the_database)
{
    DESK d = in_conflict(runner);

    d->on_conflict = write_others;
    desk_start(d);
    CHECK_RC(desk_in_sync(d), 1);
    CHECK_STR(server_get(d->server, "a"), OURS);
    CHECK_STR(server_get(d->server, "audit"), "{\"id\":\"audit\",\"about\":\"a\"}");
}

static void write_the_same(struct desk *d, replica_conflict *c)
{
    if (d->conflicts == 1)
        desk_put(d, "{\"id\":\"a\",\"v\":5}");
    else
        CHECK_STR(replica_doc_json(replica_conflict_local(c), NULL), "{\"id\":\"a\",\"v\":5}");
    CHECK_RC(replica_conflict_use(c, d->conflicts == 1 ? replica_conflict_real(c)
                                                       : replica_conflict_local(c),
                                  &test_err), 0);
}

BOTH(a_handler_that_writes_its_document_meets_the_conflict_again)
{
    DESK d = in_conflict(runner);

    d->on_conflict = write_the_same;
    desk_start(d);
    CHECK_RC(desk_in_sync(d), 1);
    CHECK_INT(d->conflicts, 2);
    CHECK_STR(server_get(d->server, "a"), "{\"id\":\"a\",\"v\":5}");
}

static void cancel_inside(struct desk *d, replica_conflict *c)
{
    desk_cancel(d);
    CHECK_RC(replica_conflict_use(c, replica_conflict_local(c), &test_err), REPLICA_ECLOSED);
}

BOTH(a_handler_may_cancel_its_replication)
{
    DESK d = in_conflict(runner);

    d->on_conflict = cancel_inside;
    desk_start(d);
    DESK_UNTIL(d, !d->sync);
    CHECK_STR(desk_get(d, "a"), OURS);
    d->on_conflict = use_local;
    desk_start(d);
    CHECK_RC(desk_in_sync(d), 1);
    CHECK_STR(server_get(d->server, "a"), OURS);
}

static void close_inside(struct desk *d, replica_conflict *c)
{
    replica_db_close(d->db);
    d->conflict = c;
}

BOTH(a_handler_may_close_the_database)
{
    DESK d = in_conflict(runner);

    d->on_conflict = close_inside;
    desk_start(d);
    DESK_UNTIL(d, d->conflict);
    d->db = NULL;
    CHECK_INT(d->destroyed, 1);
    CHECK_INT(d->handler_destroyed, 1);
    CHECK_RC(replica_sync_now(d->sync, &test_err), REPLICA_ECLOSED);
}

BOTH(a_wait_during_which_the_database_closes_says_so)
{
    DESK d = in_conflict(runner);

    d->on_conflict = close_inside;
    desk_start(d);
    CHECK_RC(desk_in_sync(d), REPLICA_ECLOSED);
    d->db = NULL;
    CHECK(d->conflict);
}

/* ---- who observes the log -------------------------------------------------------- */

static void use_real(struct desk *d, replica_conflict *c)
{
    CHECK_RC(replica_conflict_use(c, replica_conflict_real(c), &test_err), 0);
}

struct overwritten {
    pthread_t thread;
    int told;
};

static void be_told(void *ctx, const replica_conflict_entry *e)
{
    struct overwritten *o = ctx;

    CHECK(pthread_equal(pthread_self(), o->thread));
    CHECK_STR(e->id, "a");
    CHECK_STR(replica_doc_json(e->real, NULL), THEIRS);
    CHECK_STR(replica_doc_json(e->local, NULL), OURS);
    o->told++;
}

BOTH(who_observes_the_log_is_told_once_on_the_programs_thread)
{
    struct overwritten told = { .thread = pthread_self() };
    replica_conflict_filter filter = REPLICA_CONFLICT_FILTER_INIT;
    DESK d = in_conflict(runner);

    filter.id = "a";
    CHECK_RC(replica_conflict_observe(d->db, &filter, be_told, &told, NULL, NULL, &test_err), 0);
    d->on_conflict = use_real;
    desk_start(d);
    CHECK_RC(desk_in_sync(d), 1);
    DESK_UNTIL(d, told.told);
    desk_put(d, "{\"id\":\"b\"}");
    CHECK_RC(desk_in_sync(d), 1);
    CHECK_INT(told.told, 1);
}
