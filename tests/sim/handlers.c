/* What programs say to conflicts: at once, late, wrongly, or not at all. */
#include "base/buf.h"
#include "tests/sim/sim.h"

#include <stdlib.h>
#include <string.h>

struct held {
    struct held *next;
    replica_conflict *conflict;
};

struct asked { /* one pair of states that was put to the program */
    struct asked *next;
    char *pair;
};

/* Each pair of states is asked about once in a session's life; unless a server was put back, and
 * their numbers mean nothing any more.  Without numbers a state may come again after another. */
static bool was_asked(const struct client *c, replica_conflict *q, const char *pair)
{
    size_t about = strlen(replica_conflict_collection(q)) + strlen(replica_conflict_id(q)) + 2;

    for (const struct asked *a = c->asked; a && !c->sim->server.restored; a = a->next) {
        if (strcmp(a->pair, pair) == 0)
            return true;
        if (c->sim->plan.rxdb && strncmp(a->pair, pair, about) == 0)
            return false;
    }
    return false;
}

static void note_asked(struct client *c, replica_conflict *q)
{
    REPLICA_BUF pair = REPLICA_BUF_INIT;
    replica_doc *real = replica_conflict_real(q);
    struct asked *asked = malloc(sizeof *asked);

    replica__buf_printf(&pair, "%s/%s %s against %s%s of %s", replica_conflict_collection(q),
                        replica_conflict_id(q), replica_doc_rev(replica_conflict_local(q)),
                        replica_doc_deleted(real) ? "deleted " : "", replica_doc_json(real, NULL),
                        replica_doc_writer(real));
    if (!asked || pair.r < 0)
        abort();
    sim_trace(c->sim, "client %d: asked about %s", c->number, pair.data);
    if (was_asked(c, q, pair.data))
        sim_fail(c->sim, "client %d: asked twice about %s", c->number, pair.data);
    asked->pair = strdup(pair.data);
    asked->next = c->asked;
    c->asked = asked;
}

static void check(struct client *c, int r, const replica_error *err)
{
    if (r < 0 && r != REPLICA_ECLOSED)
        sim_fail(c->sim, "client %d: an answer was not taken: %s", c->number, err->message);
}

/* All that happened on both sides, by client. */
static void add_up(struct client *c, replica_conflict *q)
{
    replica_doc *docs[] = { replica_conflict_real(q), replica_conflict_local(q),
                            replica_conflict_assumed(q) };
    REPLICA_BUF out = REPLICA_BUF_INIT;
    replica_error err = { .offset = -1 };
    int64_t sums[MAX_CLIENTS] = { 0 };

    for (int i = 0; i < 3; i++) {
        size_t len;
        const char *json = docs[i] ? replica_doc_json(docs[i], &len) : NULL;

        for (int k = 0; json && k < MAX_CLIENTS; k++)
            sums[k] += (i < 2 ? 1 : -1) * counter_of(json, len, k);
    }
    replica__buf_printf(&out, "{\"id\":\"%s\"", replica_conflict_id(q));
    for (int k = 0; k < MAX_CLIENTS; k++)
        replica__buf_printf(&out, ",\"a%d\":%lld", k, (long long)sums[k]);
    replica__buf_char(&out, '}');
    check(c, replica_conflict_use_json(q, out.data, out.len, &err), &err);
}

/* Without operation ids a state that was taken, and overwritten by a third party before the answer
 * came, is met as a conflict, and so is what stands in an old copy of a file: a choice between the
 * two may bring back what was replaced. */
static void use(struct client *c, replica_conflict *q, replica_doc *state)
{
    replica_error err = { .offset = -1 };
    size_t len;
    const char *json = replica_doc_json(state, &len);

    if (c->sim->plan.rxdb || c->restored)
        oracle_wanted(c->sim, json, len);
    check(c, replica_conflict_use(q, state, &err), &err);
}

/* A live side wins over a deleted one; of two live ones all tokens stay. */
static void merge(struct client *c, replica_conflict *q)
{
    replica_doc *real = replica_conflict_real(q), *local = replica_conflict_local(q);
    REPLICA_BUF out = REPLICA_BUF_INIT;
    replica_error err = { .offset = -1 };
    int tokens[400];
    size_t len, n;
    const char *json = replica_doc_json(real, &len);

    if (replica_doc_deleted(real)) {
        use(c, q, replica_conflict_local(q));
        return;
    }
    if (replica_doc_deleted(local)) {
        use(c, q, replica_conflict_real(q));
        return;
    }
    n = tokens_of(json, len, tokens, 200);
    json = replica_doc_json(local, &len);
    n += tokens_of(json, len, tokens + n, 200);
    replica__buf_printf(&out, "{\"id\":\"%s\",\"w\":[", replica_conflict_id(q));
    for (size_t i = 0; i < n; i++)
        replica__buf_printf(&out, i ? ",%d" : "%d", tokens[i]);
    replica__buf_str(&out, "]}");
    check(c, replica_conflict_use_json(q, out.data, out.len, &err), &err);
}

static void answer_somehow(struct client *c, replica_conflict *q)
{
    replica_error err = { .offset = -1 };

    switch (sim_roll(c->sim, 4)) {
    case 0: use(c, q, replica_conflict_real(q)); break;
    case 1: use(c, q, replica_conflict_local(q)); break;
    case 2: check(c, replica_conflict_use_delete(q, &err), &err); break;
    default: merge(c, q);
    }
}

static void hold(struct client *c, replica_conflict *q)
{
    struct held *held = malloc(sizeof *held);

    if (!held)
        abort();
    *held = (struct held){ c->held, q };
    c->held = held;
}

static void resolve(void *ctx, replica_conflict *q)
{
    const struct handler_ctx *h = ctx;
    struct client *c = h->client;
    replica_error err = { .offset = -1 };

    note_asked(c, q);
    switch (c->sim->plan.handlers[h->coll]) {
    case CLIENT_WINS: use(c, q, replica_conflict_local(q)); break;
    case COUNTERS: add_up(c, q); break;
    case DEFERRED: hold(c, q); break;
    case FAILING:
        if (sim_chance(c->sim, 400))
            check(c, replica_conflict_fail(q, "no idea", &err), &err);
        else
            merge(c, q);
        break;
    default: merge(c, q);
    }
}

/* With rules that choose one side, what was replaced may come back where use() wants it. */
static bool may_choose(const struct sim *sim)
{
    return !sim->plan.rxdb && !sim->plan.restore && !sim->plan.server_restore;
}

const char *rules_of(const struct client *c, int coll)
{
    const struct sim *sim = c->sim;

    if (!sim->plan.ruled[coll])
        return NULL;
    switch (sim->plan.handlers[coll]) {
    case SERVER_WINS: return may_choose(sim) ? "\"last-write-wins\"" : "\"server-wins\"";
    case CLIENT_WINS: return may_choose(sim) ? "\"client-wins\"" : NULL;
    case COUNTERS:
        return "{\"\":\"merge\",\"/a0\":\"sum\",\"/a1\":\"sum\",\"/a2\":\"sum\",\"/a3\":\"sum\","
               "\"/a4\":\"sum\"}";
    case DEFERRED: return "{\"\":\"merge\",\"/w\":\"set-union\",\"delete\":\"ask\"}";
    case MERGING: return "{\"\":\"merge\",\"/w\":\"set-union\",\"delete\":\"edit-wins\"}";
    default: return NULL;
    }
}

void handler_of(struct client *c, int coll, replica_conflict_handler *ret)
{
    enum handler kind = c->sim->plan.handlers[coll];

    *ret = (replica_conflict_handler){ .size = sizeof *ret };
    if (kind == SERVER_WINS || (kind != DEFERRED && rules_of(c, coll)))
        return;
    ret->resolve = resolve;
    ret->ctx = &c->handlers[coll];
    if (kind == COUNTERS)
        ret->flags = REPLICA_HANDLER_ADDITIVE;
}

bool handlers_answer_held(struct client *c)
{
    struct held **at = &c->held;
    struct held *held = c->held;

    if (!held)
        return false;
    while (held->next && sim_roll(c->sim, 2)) {
        at = &held->next;
        held = held->next;
    }
    *at = held->next;
    answer_somehow(c, held->conflict);
    free(held);
    client_turn_soon(c, 0);
    return true;
}

void handlers_forget_asked(struct client *c)
{
    struct asked *a;

    while ((a = c->asked)) {
        c->asked = a->next;
        free(a->pair);
        free(a);
    }
}

void handlers_forget(struct client *c)
{
    while (handlers_answer_held(c)) /* it is told that it came too late, and lets go */
        ;
    handlers_forget_asked(c);
}
