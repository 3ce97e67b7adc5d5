#include "tests/sim/sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *const coll_names[MAX_COLLS] = { "notes", "counts", "tasks" };

int coll_named(const char *name)
{
    int coll = 0;

    while (strcmp(coll_names[coll], name) != 0)
        coll++;
    return coll;
}

/* ---- the queue ------------------------------------------------------------------- */

struct event {
    int64_t at;
    uint64_t order; /* of two at the same time the older one comes first */
    event_fn fn;
    void *arg;
};

struct queue {
    struct event *heap;
    size_t n, room;
    uint64_t orders;
};

static bool before(const struct event *a, const struct event *b)
{
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void swap(struct event *a, struct event *b)
{
    struct event c = *a;

    *a = *b;
    *b = c;
}

void sim_after(struct sim *sim, int64_t ms, event_fn fn, void *arg)
{
    struct queue *q = sim->queue;
    size_t i = q->n++;

    if (q->n > q->room) {
        q->room = q->room ? q->room * 2 : 256;
        q->heap = realloc(q->heap, q->room * sizeof *q->heap);
        if (!q->heap)
            abort();
    }
    q->heap[i] = (struct event){ sim->now + ms, q->orders++, fn, arg };
    for (; i > 0 && before(&q->heap[i], &q->heap[(i - 1) / 2]); i = (i - 1) / 2)
        swap(&q->heap[i], &q->heap[(i - 1) / 2]);
}

static struct event take_first(struct queue *q)
{
    struct event first = q->heap[0];
    size_t i = 0;

    q->heap[0] = q->heap[--q->n];
    for (;;) {
        size_t least = i;

        for (size_t child = 2 * i + 1; child <= 2 * i + 2 && child < q->n; child++) {
            if (before(&q->heap[child], &q->heap[least]))
                least = child;
        }
        if (least == i)
            return first;
        swap(&q->heap[i], &q->heap[least]);
        i = least;
    }
}

bool sim_next(struct sim *sim, int64_t until)
{
    struct event e;

    if (sim->queue->n == 0 || sim->queue->heap[0].at > until)
        return false;
    e = take_first(sim->queue);
    sim->now = e.at;
    e.fn(sim, e.arg);
    return true;
}

/* ---- dice, clocks, words --------------------------------------------------------- */

uint64_t sim_roll(struct sim *sim, uint64_t below)
{
    return dice_roll(&sim->dice) % below;
}

bool sim_chance(struct sim *sim, int per_mille)
{
    return (int)sim_roll(sim, 1000) < per_mille && !sim->healed;
}

static int64_t now_ms(void *ctx)
{
    const struct machine *m = ctx;

    return 1700000000000 + m->sim->now + m->skew_ms;
}

static int64_t monotonic_ms(void *ctx)
{
    struct machine *m = ctx;
    struct sim *sim = m->sim;

    if (sim->stepping && m == &sim->stepping->machine)
        client_may_stop(sim->stepping);
    return 1000 + sim->now;
}

static uint64_t random_bits(void *ctx)
{
    return dice_roll(&((struct machine *)ctx)->sim->dice);
}

void sim_machine(struct sim *sim, struct machine *machine)
{
    *machine = (struct machine){ .sim = sim,
                                 .world = { now_ms, monotonic_ms, random_bits, machine } };
}

void sim_trace(struct sim *sim, const char *format, ...)
{
    va_list args;

    if (!sim->trace)
        return;
    printf("%10.3f ", (double)sim->now / SECOND);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
}

void sim_fail(struct sim *sim, const char *format, ...)
{
    va_list args;

    printf("# seed %llu, at %.3f s: ", (unsigned long long)sim->seed, (double)sim->now / SECOND);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
    fflush(stdout);
    _exit(1);
}

/* ---- the story ------------------------------------------------------------------- */

/* Troubles come in different strengths, and some stories have none of a kind. */
static int some(struct sim *sim, int most)
{
    return sim_roll(sim, 3) == 0 ? 0 : (int)sim_roll(sim, (uint64_t)most + 1);
}

static void make_plan(struct sim *sim)
{
    static const size_t pages[] = { 1, 2, 3, 5, 10, 1000 };
    struct plan *p = &sim->plan;

    p->clients = 2 + (int)sim_roll(sim, 4);
    p->colls = 1 + (int)sim_roll(sim, MAX_COLLS);
    p->keys = 1 + (int)sim_roll(sim, MAX_KEYS);
    p->actions = 10 + (int)sim_roll(sim, 60);
    p->rxdb = sim_roll(sim, 3) == 0;
    p->sibling = sim_roll(sim, 2);
    p->rows = pages[sim_roll(sim, 6)];
    p->bytes = sim_roll(sim, 3) ? 1 << 20 : 20 + (int64_t)sim_roll(sim, 400);
    p->server_rows = sim_roll(sim, 3) ? 1000 : pages[sim_roll(sim, 6)];
    for (int i = 0; i < p->colls; i++)
        p->handlers[i] = (enum handler)sim_roll(sim, HANDLERS);
    for (int i = 0; i < p->colls; i++) /* not of the dice: older stories stay as they were */
        p->ruled[i] = (sim->seed / 2 + (uint64_t)i) % 2;
    p->lose = some(sim, 300);
    p->cut = some(sim, 200);
    p->repeat = some(sim, 300);
    p->fault = some(sim, 60);
    p->crash = some(sim, 80);
    p->server_crash = some(sim, 40);
    p->jump = some(sim, 50);
    p->poison = some(sim, 40);
    p->slow = some(sim, 200);
    if (sim->seed % 5 == 3) { /* these stories have disasters, too */
        p->restore = 200 + (int)sim_roll(sim, 600);
        p->crash += 60;
        p->actions *= 2;
    }
    if (sim->seed % 10 == 6 && !p->rxdb) {
        p->server_restore = 200 + (int)sim_roll(sim, 600);
        p->server_crash += 60;
        p->actions *= 2;
    }
    if (sim->seed % 8 == 5 || sim->seed % 8 == 6) { /* and in these there are two or three programs
                                                      on one file, which are stopped and go on */
        p->restore = 0;
        p->shared = p->clients > 2 ? 2 + (int)sim_roll(sim, 2) : 2;
        p->freeze = (int)sim_roll(sim, 150);
        p->actions *= 2;
    }
    if (sim->seed % 7 == 6 && !p->server_restore) { /* a server that forgets deletions would meet
                                                      * clients that have forgotten them, too */
        p->purge = 50 + (int)sim_roll(sim, 200);
        p->actions *= 2;
    }
    if (sim->seed % 11 == 4 && !p->rxdb) {
        p->server_purge = 20 + (int)sim_roll(sim, 100);
        p->purge = p->server_restore = 0;
        p->actions *= 2;
    }
    if (sim->seed % 13 == 7) { /* of several programs on one file one decides for all */
        p->filter = 20 + (int)sim_roll(sim, 100);
        p->shared = p->restore = p->server_restore = 0;
        p->actions *= 2;
    }
    if (sim->seed % 17 == 10 && !p->filter) {
        p->access = 20 + (int)sim_roll(sim, 100);
        p->rxdb = false; /* its clients are not told what they may not see any more */
        p->shared = p->restore = p->server_restore = 0;
        p->actions *= 2;
    }
    if (sim->seed % 9 == 2 && !p->filter && !p->access) { /* a fleet whose programs and server rise,
                                                           * one by one */
        p->rises = true;
        p->rxdb = false; /* there the server takes what comes over what nobody there can read */
        p->shared = p->restore = p->server_restore = 0;
        p->actions *= 2;
    }
    sim_trace(sim, "%d clients, %d collections, %d keys, %s, pages of %zu rows and %lld bytes",
              p->clients, p->colls, p->keys, p->rxdb ? "RxDB's dialect" : "our dialect", p->rows,
              (long long)p->bytes);
}

static void act(struct sim *sim, void *arg)
{
    int *left = arg;

    if (sim->plan.rises && *left == sim->plan.actions * 2 / 3)
        sim->rising = true;
    if (sim->rising && !sim->server.version && sim_roll(sim, 10) == 0)
        server_rise(sim);
    program_act(&sim->clients[sim_roll(sim, (uint64_t)sim->plan.clients)]);
    if (--*left > 0)
        sim_after(sim, (int64_t)sim_roll(sim, sim_roll(sim, 10) ? 300 : 40 * SECOND), act, left);
}

/* Everything works again: the network, the server, the programs. */
static void heal(struct sim *sim)
{
    sim_trace(sim, "---- healed");
    sim->healed = true;
    if (!sim->server.db)
        server_open(sim);
    if (sim->plan.rises && !sim->server.version)
        server_rise(sim);
    for (int i = 0; i < sim->plan.clients; i++) {
        struct client *c = &sim->clients[i];

        if (sim->plan.rises && !c->version)
            client_rise(c);
        if (!c->session)
            client_open(c);
        c->paused = false;
        c->frozen_until = 0;
        replica__session_pause(c->session, false);
        client_turn_soon(c, 0);
    }
}

static bool quiet(struct sim *sim)
{
    for (int i = 0; i < sim->plan.clients; i++) {
        if (!client_in_sync(&sim->clients[i]) && !client_is_held(&sim->clients[i]))
            return false;
    }
    return true;
}

/* Run until all say that they are in sync and stay so, with a bound on time and on requests. */
static void run_until_quiet(struct sim *sim)
{
    int64_t until = sim->now + 60 * MINUTE;
    int before = sim->requests;
    int seconds = 0;

    while (seconds < 100) {
        int64_t next = sim->now + SECOND;

        while (sim_next(sim, next))
            ;
        sim->now = next;
        for (int i = 0; i < sim->plan.clients; i++) {
            struct client *c = &sim->clients[i];

            while (handlers_answer_held(c))
                ;
            if (!c->filtered || !sim->plan.access) /* what it may not see stays refused */
                program_takes_up_rejected(c, false);
        }
        seconds = quiet(sim) ? seconds + 1 : 0;
        if (sim->now > until)
            sim_fail(sim, "not in sync an hour after everything was healed");
    }
    if (sim->requests - before > 1500 * sim->plan.clients)
        sim_fail(sim, "%d requests after everything was healed", sim->requests - before);
    sim_trace(sim, "quiet after %d requests", sim->requests - before);
}

void sim_play(uint64_t seed, const char *folder, bool trace)
{
    struct queue queue = { 0 };
    struct sim *sim = calloc(1, sizeof *sim);
    int left;

    if (!sim)
        abort();
    sim->seed = seed;
    sim->dice = seed;
    sim->trace = trace;
    sim->queue = &queue;
    snprintf(sim->folder, sizeof sim->folder, "%s", folder);
    sim->oracle = oracle_new();
    make_plan(sim);
    server_open(sim);
    for (int i = 0; i < sim->plan.clients; i++)
        client_start(sim, i);
    left = sim->plan.actions;
    sim_after(sim, 0, act, &left);
    while (left > 0 && sim_next(sim, INT64_MAX))
        ;
    for (int64_t until = sim->now + (int64_t)sim_roll(sim, 20 * SECOND); sim_next(sim, until);)
        ;
    heal(sim);
    run_until_quiet(sim);
    if (sim->plan.filter || sim->plan.access) {
        oracle_check_filters(sim);
        for (int i = 0; i < sim->plan.clients; i++)
            client_filter(&sim->clients[i], false);
        run_until_quiet(sim);
    }
    oracle_check_end(sim);

    for (int i = 0; i < sim->plan.clients; i++)
        client_close(&sim->clients[i]);
    server_close(sim, false);
    network_close(sim);
    sim_trace(sim, "%d requests, %d crashes, %d conflicts", sim->requests, sim->crashes,
              sim->conflicts);
    oracle_free(sim->oracle);
    free(queue.heap);
    free(sim);
}
