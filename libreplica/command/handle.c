/* Handlers: their beginning and end, and their turn in dispatch. */
#include "libreplica/command/handle.h"

#include "base/options.h"
#include "libreplica/txn.h"

#include <string.h>

#define TURN_MS 10
#define ATTEMPTS 10
/* After a failure: a lock that others hold, a full disk, no memory. */
#define AGAIN_MS 200
/* A server that refuses claims is not asked all the time. */
#define PAUSE_MS 30000

static void log_failure(const replica_db *db, const replica_error *err)
{
    replica__db_log(db, REPLICA_LOG_WARNING, "commands", "%s: %s (%s)",
                    replica_error_name(err->code), err->message, err->where);
}

/* ---- ending ---------------------------------------------------------------------- */

static void end(replica_handler *h)
{
    if (h->destroy)
        h->destroy(h->ctx);
    h->destroy = NULL;
    replica__handler_drop_all(h);
    replica__free(h->text);
    h->text = NULL;
}

/* A command that it has claimed, and not given to the program, may be taken by others at once. */
static void let_go(replica_handler *h)
{
    replica_command *c = h->command;
    struct replica__command_state next;

    if (!c)
        return;
    if (c->given) {
        c->handler = NULL;
        return;
    }
    if (replica__command_look(c, NULL) > 0) {
        next = c->state;
        next.step = REPLICA__COMMAND_WAITING;
        next.attempt--;
        replica__command_put(c->coll, &c->state, &next, REPLICA__OVER_ANY, NULL);
        /* Else its lease runs out. */
    }
    replica__command_end(c);
}

/* Outside a round: let go of those that were cancelled.  A destroy may cancel others, so each
 * search starts anew. */
static void sweep(struct replica__commands *all)
{
    replica_handler **at = &all->first;

    all->in_round++;
    while (*at) {
        replica_handler *h = *at;

        if (!h->cancelled) {
            at = &h->next;
            continue;
        }
        *at = h->next;
        let_go(h);
        end(h);
        replica__free(h);
        at = &all->first;
    }
    all->in_round--;
}

void replica_handler_cancel(replica_handler *h)
{
    struct replica__commands *all;

    if (!h || h->cancelled)
        return;
    if (!h->coll) { /* its database has closed */
        replica__free(h);
        return;
    }
    h->cancelled = true;
    all = h->coll->db->commands;
    if (!all->in_round)
        sweep(all);
}

static void end_commands(struct replica__commands *all)
{
    replica_command *next;

    for (replica_command *c = all->commands; c; c = next) {
        next = c->next;
        c->db = NULL;
        c->handler = NULL;
        if (!c->given)
            replica__command_end(c);
    }
    all->commands = NULL;
}

static void closing(void *ctx)
{
    struct replica__commands *all = ctx;
    replica_handler *next;

    all->in_round++; /* a destroy that cancels others only marks them */
    for (replica_handler *h = all->first; h; h = h->next)
        let_go(h);
    for (replica_handler *h = all->first; h; h = h->next)
        end(h);
    for (replica_handler *h = all->first; h; h = next) {
        next = h->next;
        if (h->cancelled || !h->owned)
            replica__free(h);
        else
            h->coll = NULL;
    }
    all->first = NULL;
    end_commands(all);
    all->is_guest = false;
}

void replica__commands_end(replica_db *db)
{
    replica__free(db->commands);
    db->commands = NULL;
}

/* ---- their turn ------------------------------------------------------------------ */

static void show_life(struct replica__commands *all)
{
    replica_command *next;

    for (replica_command *c = all->commands; c; c = next) {
        replica_error err = { .offset = -1 };

        next = c->next; /* beats are no callbacks: nothing ends meanwhile */
        if (replica__command_show_life(c, &err) < 0)
            log_failure(all->db, &err);
    }
}

/* Until it has nothing to do, or time is up: then 1. */
static int turn(replica_handler *h, int64_t until_ms)
{
    const replica_db *db = h->coll->db;
    replica_error err = { .offset = -1 };
    int r, more;

    if (replica__commands_clock(db) < h->again_at)
        return 0;
    h->again_at = 0;
    do {
        more = r = replica__handler_read(h, until_ms, &err);
        if (r >= 0)
            r = replica__handler_step(h, &err);
    } while (r > 0 && !h->cancelled && !db->pump.close_wanted &&
             replica__commands_clock(db) < until_ms);
    if (r < 0) {
        log_failure(db, &err);
        h->again_at = replica__commands_clock(db) + AGAIN_MS;
    }
    return r > 0 || more > 0;
}

static void pause_all(struct replica__commands *all, const replica_collection *coll)
{
    for (replica_handler *h = all->first; h; h = h->next) {
        if (!h->cancelled && h->coll == coll)
            h->again_at = replica__commands_clock(all->db) + PAUSE_MS;
    }
}

/* Once for each collection. */
static void undo_refused(struct replica__commands *all)
{
    for (replica_handler *h = all->first; h; h = h->next) {
        const replica_handler *before = all->first;
        replica_error err = { .offset = -1 };
        int r = 0;

        while (before != h && (before->cancelled || before->coll != h->coll))
            before = before->next;
        if (before == h && !h->cancelled)
            r = replica__commands_undo_refused(h->coll, &err);
        if (r < 0)
            log_failure(all->db, &err);
        else if (r > 0)
            pause_all(all, h->coll);
    }
}

static void work(void *ctx)
{
    struct replica__commands *all = ctx;
    replica_db *db = all->db;
    bool more = false;

    if (!all->first && !all->commands)
        return;
    show_life(all);
    undo_refused(all);
    all->in_round++;
    for (replica_handler *h = all->first; h && !db->pump.close_wanted; h = h->next) {
        if (!h->cancelled)
            more |= turn(h, replica__commands_clock(db) + TURN_MS);
    }
    if (--all->in_round == 0)
        sweep(all);
    if (more && !db->pump.close_wanted)
        replica__pump_look(db);
}

static void committed(void *ctx)
{
    (void)ctx; /* the pump looks by itself */
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < 0 ? b : b < 0 || a < b ? a : b;
}

static int64_t next_ms(void *ctx)
{
    const struct replica__commands *all = ctx;
    int64_t next = -1;

    for (const replica_handler *h = all->first; h; h = h->next) {
        if (h->again_at)
            next = earlier(next, h->again_at);
        else if (!h->command)
            next = earlier(next, replica__handler_next(h));
    }
    for (const replica_command *c = all->commands; c; c = c->next) {
        if (c->given && !c->lost)
            next = earlier(next, c->beat_at);
    }
    return next;
}

/* ---- beginning ------------------------------------------------------------------- */

static struct replica__commands *commands_of(replica_db *db)
{
    struct replica__commands *all = db->commands;

    if (!all) {
        all = db->commands = replica__alloc_zero(1, sizeof *all);
        if (!all)
            return NULL;
        all->db = db;
    }
    if (!all->is_guest) {
        all->guest = (struct replica__guest){ .name = "(commands)",
                                              .committed = committed,
                                              .next_ms = next_ms,
                                              .work = work,
                                              .closing = closing,
                                              .ctx = all };
        replica__db_add_guest(db, &all->guest);
        all->is_guest = true;
    }
    return all;
}

static int check(replica_collection *coll, const char *pattern,
                 void (*fn)(void *ctx, replica_command *command),
                 const replica_handler_options *o, replica_error *err)
{
    if (!coll || !pattern || !fn)
        return replica__error_set(err, REPLICA_EINVAL, 0, "no collection, pattern or function");
    if (coll->db->flags & REPLICA_DB_READ_ONLY)
        return replica__error_set(err, REPLICA_EREADONLY, 0, "the database is open read-only");
    if (o->flags & ~REPLICA_HANDLE_AT_MOST_ONCE || o->max_attempts < 0 || o->lease_ms < 0 ||
        (o->lease_ms && o->lease_ms < REPLICA__LEASE_LEAST) || o->lease_ms > REPLICA__LEASE_MOST)
        return replica__error_set(err, REPLICA_EINVAL, 0,
                                  "an unknown flag, a limit below zero, or a lease that is not"
                                  " between 100 ms and a day");
    return replica__command_check(coll, err);
}

static int handler_new(replica_collection *coll, const char *pattern,
                       const replica_handler_options *o, replica_handler **ret, replica_error *err)
{
    replica_handler *h = replica__alloc_zero(1, sizeof *h);
    int r = 0;

    if (h) {
        h->text = replica__strdup(pattern);
        h->list = replica__alloc_zero(REPLICA__CANDIDATES, sizeof *h->list);
    }
    if (!h || !h->text || !h->list)
        r = replica__enomem(err);
    if (r >= 0)
        r = replica__pattern_parse(&h->pattern, h->text, err);
    if (r < 0) {
        if (h) {
            replica__free(h->list);
            replica__free(h->text);
        }
        replica__free(h);
        return r;
    }
    h->coll = coll;
    h->flags = o->flags;
    h->lease_ms = o->lease_ms ? o->lease_ms : REPLICA__LEASE_MS;
    h->max_attempts = o->max_attempts ? o->max_attempts : ATTEMPTS;
    *ret = h;
    return 0;
}

int replica_command_handle(replica_collection *coll, const char *pattern,
                           const replica_handler_options *opts,
                           void (*fn)(void *ctx, replica_command *command), void *ctx,
                           replica_destroy_fn destroy, replica_handler **ret_handler,
                           replica_error *err)
{
    struct replica__commands *all = NULL;
    replica_handler *h = NULL;
    replica_handler_options o;
    int r = replica__options(opts, opts ? opts->size : 0, &o, sizeof o, err);

    if (r >= 0)
        r = check(coll, pattern, fn, &o, err);
    if (r >= 0) {
        all = commands_of(coll->db);
        r = all ? handler_new(coll, pattern, &o, &h, err) : replica__enomem(err);
    }
    if (r < 0) {
        if (destroy)
            destroy(ctx);
        return r;
    }
    h->fn = fn;
    h->ctx = ctx;
    h->destroy = destroy;
    h->owned = ret_handler != NULL;
    replica__operation_write(h->name, coll->db->token, ++all->handlers);
    h->next = all->first;
    all->first = h;
    replica__pump_watch(coll->db);
    replica__pump_look(coll->db);
    if (ret_handler)
        *ret_handler = h;
    return 0;
}
