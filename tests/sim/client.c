/* A client: a program with a database file and a session on it, which may die between any two
 * steps, or at any write within one. */
#include "base/json.h"
#include "libreplica/db.h"
#include "replicator/session_state.h"
#include "tests/sim/sim.h"
#include "tests/support/fault.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_STEPS 200000

struct post {
    struct post *next;
    replica__post_fn fn;
    void *arg;
};

/* ---- hooks of the session -------------------------------------------------------- */

static void run_posts(struct client *c, bool closing)
{
    struct post *p;

    while ((p = c->first)) {
        c->first = p->next;
        if (!c->first)
            c->last = &c->first;
        p->fn(p->arg, closing);
        free(p);
    }
}

static void dispatch(struct sim *sim, void *arg)
{
    struct client *c = arg;

    if (client_frozen(c))
        sim_after(sim, c->frozen_until - sim->now, dispatch, c);
    else
        run_posts(c, false);
}

static int post(void *ctx, replica__post_fn fn, void *arg)
{
    struct client *c = ctx;
    struct post *p = malloc(sizeof *p);

    if (!p)
        abort();
    *p = (struct post){ NULL, fn, arg };
    *c->last = p;
    c->last = &p->next;
    sim_after(c->sim, (int64_t)sim_roll(c->sim, 100), dispatch, c);
    return 0;
}

static void wake(void *ctx)
{
    client_turn_soon(ctx, 0);
}

static void on_event(void *ctx, const replica_sync_event *e)
{
    struct client *c = ctx;
    static const char *const names[] = { "",         "received", "sent",
                                         "conflict", "rejected", "locked" };

    c->sim->conflicts += e->kind == REPLICA_EVENT_CONFLICT;
    if (e->kind == REPLICA_EVENT_CONFLICT && c->sim->plan.access) {
        oracle_read_log(c); /* what may not be seen any more goes from there, too */
        oracle_unsent(c, coll_named(e->collection), atoi(e->id + 1));
    }
    sim_trace(c->sim, "client %d: %s %s/%s %s%s", c->number, names[e->kind], e->collection, e->id,
              e->rule ? e->rule : "", e->reason ? e->reason : "");
}

static void log_line(void *ctx, int level, const char *topic, const char *line)
{
    struct client *c = ctx;

    (void)level;
    sim_trace(c->sim, "client %d: %s: %s", c->number, topic, line);
}

/* ---- opening --------------------------------------------------------------------- */

static void must(struct client *c, int r, const replica_error *err, const char *what)
{
    if (r < 0)
        sim_fail(c->sim, "client %d: %s gave %s: %s", c->number, what, replica_error_name(r),
                 err->message);
}

/* What becomes of a document in the next version. */
static int rise(void *ctx, replica_doc *doc, replica_text *out)
{
    size_t len;
    const char *json = replica_doc_json(doc, &len);

    (void)ctx;
    replica_text_add(out, json, len - 1);
    replica_text_add(out, ",\"up\":1}", REPLICA_NUL);
    return REPLICA_MIGRATE_PUT;
}

static const replica_migration to_next = { .to = 1, .up = rise };

/* The fleet's clocks are of another time than the machine's, and the oracle reads the log. */
#define KEEP_MS (INT64_C(100) * 365 * 24 * 3600 * 1000)

static void open_db(struct client *c)
{
    replica_db_options o = REPLICA_DB_OPTIONS_INIT;
    replica_error err = { .offset = -1 };

    o.log = log_line;
    o.log_ctx = c;
    o.log_ms = KEEP_MS;
    must(c, replica_db_open(c->path, &o, &c->db, &err), &err, "open");
    replica__db_set_world(c->db, &c->machine.world);
    for (int i = 0; i < c->sim->plan.colls; i++) {
        replica_collection_options co = REPLICA_COLLECTION_OPTIONS_INIT;
        replica_conflict_handler handler;

        handler_of(c, i, &handler);
        co.handler = &handler;
        co.rules = rules_of(c, i);
        co.version = c->version;
        co.migrations = c->version ? &to_next : NULL;
        co.migration_count = c->version ? 1 : 0;
        must(c, replica_db_collection(c->db, coll_names[i], &co, &c->colls[i], &err), &err,
             "a collection");
    }
    c->run_db = c->db;
    if (c->sim->plan.sibling)
        must(c, replica__db_open_sibling(c->db, &c->run_db, &err), &err, "open_sibling");
}

static void open_session(struct client *c)
{
    replica_collection *colls[MAX_COLLS];
    struct replica__session_options o = { .identifier = "sim",
                                          .collections = colls,
                                          .count = (size_t)c->sim->plan.colls,
                                          .push = true,
                                          .pull = true,
                                          .live = true,
                                          .rows = c->sim->plan.rows,
                                          .bytes = c->sim->plan.bytes,
                                          .paused = c->paused,
                                          .filter = c->filtered && c->sim->plan.filter
                                                        ? "{\"f\":{\"$exists\":false}}"
                                                        : NULL };
    replica_error err = { .offset = -1 };
    replica_remote remote;

    for (int i = 0; i < c->sim->plan.colls; i++)
        must(c, replica_db_collection(c->run_db, coll_names[i], NULL, &colls[i], &err), &err,
             "a collection");
    remote_sim(c, &remote);
    must(c, replica__session_new(c->run_db, &o, &remote, &c->hooks, &c->session, &err), &err,
         "session_new");
}

void client_open(struct client *c)
{
    sim_trace(c->sim, "client %d: opens", c->number);
    open_db(c);
    open_session(c);
    c->changed = false;
    c->turn_at = 0;
    client_turn_soon(c, 0);
    oracle_check_checkpoint(c);
    oracle_check_bundles(c);
}

/* What was not read until now rises in the program's dispatch. */
static void migrate(struct sim *sim, void *arg)
{
    struct client *c = arg;
    replica_error err = { .offset = -1 };

    (void)sim;
    if (!c->session)
        return;
    must(c, replica_db_dispatch(c->db, 0, &err), &err, "dispatch");
    client_told_changed(c);
}

void client_migrates_soon(struct client *c)
{
    if (c->version)
        sim_after(c->sim, (int64_t)sim_roll(c->sim, 40 * SECOND), migrate, c);
}

void client_rise(struct client *c)
{
    sim_trace(c->sim, "client %d: its next version comes", c->number);
    client_close(c);
    c->version = 1;
    client_open(c);
    client_migrates_soon(c);
}

void client_filter(struct client *c, bool filtered)
{
    sim_trace(c->sim, "client %d: %s %s", c->number, c->sim->plan.access ? "sees less" : "filters",
              filtered ? "from now on" : "no more");
    client_close(c);
    c->filtered = filtered;
    c->was_filtered |= filtered;
    client_open(c);
}

void client_start(struct sim *sim, int number)
{
    struct client *c = &sim->clients[number];

    c->sim = sim;
    c->number = number;
    c->last = &c->first;
    sim_machine(sim, &c->machine);
    c->hooks = (struct replica__session_hooks){ .post = post, .wake = wake, .event = on_event,
                                                .ctx = c };
    for (int i = 0; i < MAX_COLLS; i++)
        c->handlers[i] = (struct handler_ctx){ c, i };
    snprintf(c->path, sizeof c->path, "%s/client%d.db", sim->folder,
             number < sim->plan.shared ? 0 : number);
    client_open(c);
}

void client_close(struct client *c)
{
    if (!c->session)
        return;
    replica__session_free(c->session);
    c->session = NULL;
    run_posts(c, true);
    handlers_forget(c);
    if (c->run_db != c->db)
        replica_db_close(c->run_db);
    replica_db_close(c->db);
    c->db = c->run_db = NULL;
}

/* ---- dying ----------------------------------------------------------------------- */

/* Everything that a program can see in the file. */
static uint64_t digest(struct client *c)
{
    uint64_t sum = 0;
    replica_error err = { .offset = -1 };

    for (int i = 0; i < c->sim->plan.colls; i++) {
        replica_cursor *cursor = NULL;
        replica_doc *doc;

        must(c, replica_changes(c->colls[i], 0, &cursor, &err), &err, "changes");
        while (replica_cursor_next(cursor, &doc, &err) > 0) {
            size_t len;
            const char *json = replica_doc_json(doc, &len);

            for (const char *p = replica_doc_rev(doc); *p; p++)
                sum = sum * 31 + (unsigned char)*p;
            for (size_t k = 0; k < len; k++)
                sum = sum * 31 + (unsigned char)json[k];
        }
        replica_cursor_close(cursor);
    }
    return sum;
}

static void open_again(struct sim *sim, void *arg)
{
    struct client *c = arg;

    if (!c->session)
        client_open(c);
    client_migrates_soon(c);
}

/* The file is closed: make a copy of it, or put an older one in its place. */
static void back_up(struct client *c)
{
    struct sim *sim = c->sim;

    if (!sim->plan.restore || !sim_chance(sim, sim->plan.restore))
        return;
    if (!c->copied_at) {
        files_copy(sim, c->path, "", ".copy");
        c->copied_at = oracle_next_token(sim);
        return;
    }
    sim_trace(sim, "client %d: gets an old copy of its file", c->number);
    files_copy(sim, c->path, ".copy", "");
    oracle_restored(c, c->copied_at);
    c->restored++;
}

void client_crash(struct client *c)
{
    uint64_t before;

    if (!c->session)
        return;
    fault_io_stop();
    sim_trace(c->sim, "client %d: crashes", c->number);
    c->sim->crashes++;
    before = digest(c);
    oracle_read_log(c);
    fault_io_from(FAULT_WRITE | FAULT_SYNC, 0, SQLITE_IOERR); /* nothing of its end is written */
    client_close(c);
    fault_io_stop();
    open_db(c);
    if (digest(c) != before)
        sim_fail(c->sim, "client %d: the file is not as the last commit left it", c->number);
    if (c->run_db != c->db)
        replica_db_close(c->run_db);
    replica_db_close(c->db);
    c->db = c->run_db = NULL;
    back_up(c);
    sim_after(c->sim, (int64_t)sim_roll(c->sim, 30 * SECOND), open_again, c);
}

/* ---- turns ----------------------------------------------------------------------- */

bool client_in_sync(const struct client *c)
{
    replica_sync_status status;

    if (!c->session || c->changed)
        return false;
    replica__session_status(c->session, &status);
    return status.in_sync;
}

bool client_is_held(const struct client *c)
{
    return c->session && !c->changed && c->session->state == IDLE && c->session->held;
}

bool client_frozen(const struct client *c)
{
    return c->frozen_until > c->sim->now;
}

void client_may_stop(struct client *c)
{
    struct sim *sim = c->sim;

    if (sim->stopped || sqlite3_txn_state(c->run_db->sqlite, NULL) != SQLITE_TXN_NONE ||
        !sim_chance(sim, sim->plan.freeze / 10))
        return;
    c->frozen_until = sim->now + (int64_t)sim_roll(sim, MINUTE);
    sim_trace(sim, "client %d: stops in a step, until %.3f", c->number,
              (double)c->frozen_until / SECOND);
    sim->stepping = NULL;
    sim->stopped = true;
    while (sim_next(sim, c->frozen_until - 1))
        ;
    sim->stopped = false;
    sim->now = c->frozen_until;
    sim_trace(sim, "client %d: goes on", c->number);
}

bool client_same_file(const struct client *c, int number)
{
    int shared = c->sim->plan.shared;

    return number == c->number || (number < shared && c->number < shared);
}

void client_committed(struct client *c)
{
    for (int i = 0; i < c->sim->plan.shared; i++) {
        struct client *other = &c->sim->clients[i];

        if (other == c || !client_same_file(c, i) || !other->session ||
            replica__db_changed(other->run_db, NULL) <= 0)
            continue;
        other->changed = true;
        client_turn_soon(other, (int64_t)sim_roll(c->sim, 5));
    }
}

/* One that does not replicate now is asked again when it does. */
static bool stands_by(const struct client *c)
{
    replica_sync_status status;

    replica__session_status(c->session, &status);
    return status.state == REPLICA_SYNC_STANDBY;
}

/* One step; true: it wants another one. */
static bool step(struct client *c)
{
    struct sim *sim = c->sim;
    bool dies = sim_chance(sim, sim->plan.crash / 4);
    bool again, failed;

    if (dies)
        fault_io_from(FAULT_WRITE | FAULT_SYNC, (int)sim_roll(sim, 12), SQLITE_IOERR);
    else if (sim_chance(sim, sim->plan.fault / 2))
        fault_io(FAULT_WRITE | FAULT_SYNC | FAULT_READ, (int)sim_roll(sim, 6), SQLITE_FULL);
    else if (c->number < sim->plan.shared)
        sim->stepping = c;
    again = replica__session_step(c->session);
    sim->stepping = NULL;
    failed = fault_io_stop();
    if (failed || stands_by(c))
        handlers_forget_asked(c); /* an answer that could not be written is asked for again */
    if (dies && failed) {
        client_crash(c);
        return false;
    }
    if (++c->steps > MAX_STEPS)
        sim_fail(sim, "client %d: %d steps and no end", c->number, MAX_STEPS);
    client_committed(c);
    oracle_check_checkpoint(c);
    oracle_check_bundles(c);
    if (client_in_sync(c))
        oracle_check_in_sync(c);
    return again;
}

static void turn(struct sim *sim, void *arg)
{
    struct client *c = arg;
    int64_t next;

    if (!c->session || !c->turn_at || sim->now < c->turn_at)
        return;
    c->turn_at = 0;
    if (client_frozen(c)) {
        client_turn_soon(c, c->frozen_until - sim->now);
        return;
    }
    if (c->changed) {
        c->changed = false;
        replica__session_changed(c->session);
    }
    if (step(c)) {
        client_turn_soon(c, (int64_t)sim_roll(sim, 3));
    } else if (c->session) {
        int64_t lease = sim->plan.shared ? replica__session_lease_at(c->session) : -1;

        next = replica__session_next(c->session);
        if (lease >= 0 && (next < 0 || lease < next))
            next = lease;
        if (next >= 0)
            next -= c->machine.world.monotonic_ms(&c->machine);
        if (next >= 0 || next < -1)
            client_turn_soon(c, next > 0 ? next : 1);
    }
}

void client_turn_soon(struct client *c, int64_t ms)
{
    int64_t at = c->sim->now + ms;

    if (!c->session || (c->turn_at && c->turn_at <= at))
        return;
    c->turn_at = at > 0 ? at : 1;
    sim_after(c->sim, c->turn_at - c->sim->now, turn, c);
}

void client_told_changed(struct client *c)
{
    c->changed = true;
    client_turn_soon(c, (int64_t)sim_roll(c->sim, 5));
    client_committed(c);
}
