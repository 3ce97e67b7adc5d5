/* The program at its desk: its database, and callbacks that check where they run. */
#include "tests/replicator/desk_support.h"

#include "base/clock.h"
#include "tests/support/tmp.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- the program's callbacks ------------------------------------------------------- */

static void check_place(struct desk *d)
{
    CHECK(pthread_equal(pthread_self(), d->thread));
    CHECK(d->inside > 0);
}

static void on_status(void *ctx, const replica_sync_status *status)
{
    struct desk *d = ctx;

    check_place(d);
    CHECK_INT(d->destroyed, 0);
    d->status = *status;
    d->statuses++;
    if (d->on_status)
        d->on_status(d);
}

static void on_event(void *ctx, const replica_sync_event *e)
{
    static const char *const kinds[] = { "?",        "received", "sent",
                                         "conflict", "rejected", "locked" };
    struct desk *d = ctx;
    size_t len = strlen(d->events);

    check_place(d);
    CHECK_INT(d->destroyed, 0);
    CHECK_STR(e->collection, "notes");
    snprintf(d->events + len, sizeof d->events - len, "%s %s; ", kinds[e->kind], e->id);
    if (d->on_event)
        d->on_event(d, e);
}

static void on_error(void *ctx, const replica_error *error)
{
    struct desk *d = ctx;

    check_place(d);
    CHECK_INT(d->destroyed, 0);
    d->error = *error;
    d->errors++;
    if (d->on_error)
        d->on_error(d);
}

static void on_destroy(void *ctx)
{
    struct desk *d = ctx;

    CHECK(pthread_equal(pthread_self(), d->thread));
    d->destroyed++;
}

static void on_handler_destroy(void *ctx)
{
    ((struct desk *)ctx)->handler_destroyed++;
}

static void resolve(void *ctx, replica_conflict *c)
{
    struct desk *d = ctx;

    check_place(d);
    d->conflicts++;
    if (d->on_conflict)
        d->on_conflict(d, c);
    else
        d->conflict = c;
}

/* ---- the program ----------------------------------------------------------------- */

struct desk *desk_begin(unsigned flags, const char *path)
{
    replica_conflict_handler handler = REPLICA_CONFLICT_HANDLER_INIT;
    replica_collection_options o = REPLICA_COLLECTION_OPTIONS_INIT;
    struct desk *d = calloc(1, sizeof *d);

    d->thread = pthread_self();
    d->server = server_new();
    handler.resolve = resolve;
    handler.ctx = d;
    handler.destroy = on_handler_destroy;
    o.handler = &handler;
    CHECK_RC(replica_db_open(path ? path : tmp_path("test.db"), NULL, &d->db, &test_err), 0);
    CHECK_RC(replica_db_collection(d->db, "notes", &o, &d->coll, &test_err), 0);
    d->o = (replica_sync_options)REPLICA_SYNC_OPTIONS_INIT;
    d->o.flags = flags;
    d->o.identifier = "r1";
    d->o.on_status = on_status;
    d->o.on_event = on_event;
    d->o.on_error = on_error;
    d->o.ctx = d;
    d->o.destroy = on_destroy;
    return d;
}

void desk_start(struct desk *d)
{
    replica_remote remote = server_remote(d->server);

    d->o.collections = &d->coll;
    d->o.collection_count = 1;
    d->o.remote = &remote;
    d->destroyed = 0;
    CHECK_RC(replica_sync_start(d->db, &d->o, &d->sync, &test_err), 0);
    d->o.remote = NULL;
}

void desk_cancel(struct desk *d)
{
    int64_t began = desk_now();

    replica_sync_cancel(d->sync);
    d->sync = NULL;
    CHECK(desk_now() - began < 1000);
    CHECK_INT(d->destroyed, 1);
    CHECK_INT(server_waiting(d->server), 0);
}

void desk_close(struct desk *d)
{
    int64_t began = desk_now();

    d->inside++;
    replica_db_close(d->db);
    d->inside--;
    d->db = NULL;
    CHECK(desk_now() - began < 1000);
    CHECK_INT(d->handler_destroyed, 1);
}

void desk_end(struct desk **at)
{
    struct desk *d = *at;

    if (d->db)
        desk_close(d);
    if (d->sync)
        replica_sync_cancel(d->sync);
    if (d->conflict)
        CHECK_RC(replica_conflict_use_delete(d->conflict, NULL), REPLICA_ECLOSED);
    server_free(d->server);
    free(d);
}

void desk_put(struct desk *d, const char *json)
{
    CHECK_RC(replica_upsert(d->coll, json, REPLICA_NUL, NULL, &test_err), 0);
}

const char *desk_get(struct desk *d, const char *id)
{
    static char shown[2000];
    replica_doc *doc = NULL;
    int r = replica_get(d->coll, id, &doc, &test_err);

    CHECK(r >= 0);
    snprintf(shown, sizeof shown, "%s", r ? replica_doc_json(doc, NULL) : "-");
    replica_doc_unref(doc);
    return shown;
}

int desk_in_sync(struct desk *d)
{
    int r;

    d->inside++;
    r = replica_sync_wait_in_sync(d->sync, 10000, &test_err);
    d->inside--;
    return r;
}

int desk_state(struct desk *d, const char *id)
{
    int state = -1;

    CHECK_RC(replica_sync_doc_state(d->sync, d->coll, id, &state, &test_err), 0);
    return state;
}

replica_sync_status desk_status(struct desk *d)
{
    replica_sync_status status = REPLICA_SYNC_STATUS_INIT;

    CHECK_RC(replica_sync_get_status(d->sync, &status, &test_err), 0);
    return status;
}

void desk_wait(struct desk *d, int ms)
{
    d->inside++;
    CHECK(replica_db_wait(d->db, ms, &test_err) >= 0);
    d->inside--;
}

int64_t desk_now(void)
{
    return replica__real_world.monotonic_ms(replica__real_world.ctx);
}
