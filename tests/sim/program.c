/* What the programs do, at random: write in all the ways there are, pause, crash, set clocks. */
#include "base/buf.h"
#include "tests/sim/sim.h"
#include "tests/support/fault.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MANY 6

/* A write that is tried: what it replaces, and how it will be known again. */
struct attempt {
    int coll, key;
    char id[8];
    replica_doc *before;
    int token;      /* 0: a deletion, or */
    int amount;     /* this much was counted */
    char json[300];
};

static const char *text_of(replica_doc *doc, size_t *len)
{
    return doc ? replica_doc_json(doc, len) : NULL;
}

static replica_doc *read_doc(struct client *c, int coll, const char *id)
{
    replica_error err = { .offset = -1 };
    replica_doc *doc = NULL;

    if (replica_get(c->colls[coll], id, &doc, &err) < 0)
        sim_fail(c->sim, "client %d: get: %s", c->number, err.message);
    return doc;
}

static bool is_counted(const struct client *c, int coll)
{
    return c->sim->plan.handlers[coll] == COUNTERS;
}

static void count(struct client *c, struct attempt *a)
{
    int n = 0;
    size_t len = 0;
    const char *json = text_of(a->before, &len);

    a->amount = 1 + (int)sim_roll(c->sim, 9);
    n += snprintf(a->json, sizeof a->json, "{\"id\":\"%s\"", a->id);
    for (int i = 0; i < MAX_CLIENTS; i++) {
        int64_t value = json ? counter_of(json, len, i) : 0;

        if (i == c->number)
            value += a->amount;
        n +=
            snprintf(a->json + n, sizeof a->json - (size_t)n, ",\"a%d\":%lld", i, (long long)value);
    }
    snprintf(a->json + n, sizeof a->json - (size_t)n, "}");
}

/* Documents that some do not want, or do not see. */
static bool may_hide(const struct client *c)
{
    return c->sim->plan.filter || (c->sim->plan.access && !c->filtered);
}

static void attempt_new(struct client *c, struct attempt *a, int key)
{
    *a =
        (struct attempt){ .coll = (int)sim_roll(c->sim, (uint64_t)c->sim->plan.colls), .key = key };
    snprintf(a->id, sizeof a->id, "k%d", a->key);
    a->before = read_doc(c, a->coll, a->id);
    if (is_counted(c, a->coll)) {
        count(c, a);
        return;
    }
    a->token = oracle_token(c->sim, c->number, a->coll, a->key);
    snprintf(a->json, sizeof a->json, "{\"id\":\"%s\",\"w\":[%d]%s%s}", a->id, a->token,
             may_hide(c) && sim_roll(c->sim, 3) == 0 ? ",\"f\":1" : "",
             sim_chance(c->sim, c->sim->plan.poison) ? ",\"poison\":true" : "");
}

static void attempt_done(struct client *c, struct attempt *a, bool done)
{
    size_t len = 0;
    const char *before = text_of(a->before, &len);

    if (done) {
        if (a->amount)
            oracle_counted(c->sim, c->number, a->coll, a->key, a->amount);
        else if (before)
            oracle_superseded(c, before, len);
        if (a->token)
            oracle_acknowledged(c->sim, a->token);
        sim_trace(c->sim, "client %d: wrote %s/%s %s", c->number, coll_names[a->coll], a->id,
                  a->token || a->amount ? a->json : "deleted");
    }
    replica_doc_unref(a->before);
}

/* Is it in the file? */
static bool is_there(struct client *c, const struct attempt *a)
{
    replica_doc *doc = read_doc(c, a->coll, a->id);
    size_t len = 0;
    const char *json = text_of(doc, &len);
    bool there = a->token || a->amount ? json && strcmp(json, a->json) == 0 : !json;

    replica_doc_unref(doc);
    return there;
}

/* ---- writes ---------------------------------------------------------------------- */

static int put(struct client *c, struct attempt *a, replica_error *err)
{
    replica_collection *coll = c->colls[a->coll];
    const char *rev = a->before ? replica_doc_rev(a->before) : NULL;
    char patch[40];

    switch (sim_roll(c->sim, 3)) {
    case 0: return replica_put(coll, a->json, REPLICA_NUL, rev, NULL, NULL, err);
    case 1: return replica_upsert(coll, a->json, REPLICA_NUL, NULL, err);
    default:
        if (a->amount || !a->before || strstr(a->json, "poison"))
            return replica_put(coll, a->json, REPLICA_NUL, rev, NULL, NULL, err);
        snprintf(patch, sizeof patch, "{\"w\":[%d],\"poison\":null}", a->token);
        return replica_patch(coll, a->id, patch, REPLICA_NUL, rev, NULL, NULL, err);
    }
}

static int put_bulk(struct client *c, struct attempt *attempts, int n, replica_error *err)
{
    replica_bulk_row rows[MANY] = { { 0 } };

    for (int i = 0; i < n; i++) {
        rows[i].json = attempts[i].json;
        rows[i].len = REPLICA_NUL;
        rows[i].base_rev = REPLICA_ANY_REV;
    }
    return replica_bulk(c->colls[attempts[0].coll], rows, (size_t)n, err) ? REPLICA_EIO : 0;
}

static int put_bundle(struct client *c, struct attempt *attempts, int n, replica_error *err)
{
    replica_bundle *bundle = NULL;
    int r = replica_bundle_begin(c->db, &bundle, err);

    for (int i = 0; r >= 0 && i < n; i++)
        r = replica_bundle_put(bundle, c->colls[attempts[i].coll], attempts[i].json, REPLICA_NUL,
                               REPLICA_ANY_REV, err);
    if (r >= 0)
        return replica_bundle_commit(bundle, NULL, err);
    replica_bundle_cancel(bundle);
    return r;
}

static int remove_doc(struct client *c, struct attempt *a, replica_error *err)
{
    a->token = 0;
    return replica_delete(c->colls[a->coll], a->id, REPLICA_ANY_REV, NULL, err);
}

/* Do it; when the machine dies on the way, what of it is there is looked up afterwards. */
static void try_writes(struct client *c, struct attempt *attempts, int n,
                       int (*write)(struct client *c, struct attempt *attempts, int n,
                                    replica_error *err))
{
    struct sim *sim = c->sim;
    replica_error err = { .offset = -1 };
    int restored = c->restored;
    bool failed;
    int r;

    if (sim_chance(sim, sim->plan.crash))
        fault_io_from(FAULT_WRITE | FAULT_SYNC, (int)sim_roll(sim, 12), SQLITE_IOERR);
    r = write(c, attempts, n, &err);
    failed = fault_io_stop();
    if (r < 0 && !failed)
        sim_fail(sim, "client %d: a write failed: %s", c->number, err.message);
    if (failed) {
        client_crash(c);
        client_open(c);
    }
    for (int i = 0; i < n; i++)
        attempt_done(c, &attempts[i],
                     failed ? c->restored == restored && is_there(c, &attempts[i]) : true);
    client_told_changed(c);
}

static int write_one(struct client *c, struct attempt *attempts, int n, replica_error *err)
{
    (void)n;
    return put(c, attempts, err);
}

static int write_deletion(struct client *c, struct attempt *attempts, int n, replica_error *err)
{
    (void)n;
    return remove_doc(c, attempts, err);
}

static void write_many(struct client *c)
{
    struct attempt attempts[MANY];
    int n = 1 + (int)sim_roll(c->sim, MANY);
    bool bundle = sim_roll(c->sim, 2);

    if (n > c->sim->plan.keys)
        n = c->sim->plan.keys;
    for (int i = 0; i < n; i++)
        attempt_new(c, &attempts[i], i);
    if (bundle) {
        try_writes(c, attempts, n, put_bundle);
        return;
    }
    for (int i = 1; i < n; i++) { /* a bulk is for one collection */
        if (attempts[i].coll != attempts[0].coll) {
            attempt_done(c, &attempts[i], false);
            attempts[i--] = attempts[--n];
        }
    }
    try_writes(c, attempts, n, put_bulk);
}

static void write_something(struct client *c)
{
    struct attempt a;

    if (sim_roll(c->sim, 6) == 0) {
        write_many(c);
        return;
    }
    attempt_new(c, &a, (int)sim_roll(c->sim, (uint64_t)c->sim->plan.keys));
    if (a.before && !a.amount && sim_roll(c->sim, 4) == 0)
        try_writes(c, &a, 1, write_deletion);
    else
        try_writes(c, &a, 1, write_one);
}

/* ---- the rest -------------------------------------------------------------------- */

struct found {
    int64_t number;
    char collection[16], id[16];
    int kind;
    struct sim *sim; /* any will do */
    uint64_t seen;
    char text[1000]; /* REVOKED: the edit */
};

/* The first; or any, where there are rules: one may be in the way of another. */
static int note_rejected(void *ctx, const replica_rejected_entry *entry)
{
    struct found *found = ctx;

    if (found->sim && sim_roll(found->sim, ++found->seen) > 0)
        return 0;
    found->number = entry->number;
    found->kind = entry->kind;
    snprintf(found->collection, sizeof found->collection, "%s", entry->collection);
    snprintf(found->id, sizeof found->id, "%s", entry->id);
    found->text[0] = '\0';
    if (entry->kind == REPLICA_ASIDE_REVOKED && entry->text)
        snprintf(found->text, sizeof found->text, "%.*s", (int)entry->text_len, entry->text);
    return !found->sim;
}

/* Could a discard take back what was counted?  With a document go those that bundles join it to. */
static bool may_uncount(const struct client *c)
{
    for (int i = 0; i < c->sim->plan.colls; i++) {
        if (is_counted(c, i))
            return true;
    }
    return false;
}

static void remember(struct client *c, replica_doc *before[MAX_COLLS][MAX_KEYS])
{
    char id[16];

    for (int i = 0; i < c->sim->plan.colls; i++) {
        for (int k = 0; k < c->sim->plan.keys; k++) {
            snprintf(id, sizeof id, "k%d", k);
            before[i][k] = read_doc(c, i, id);
        }
    }
}

static bool is_same_doc(replica_doc *a, replica_doc *b)
{
    return a && b ? strcmp(replica_doc_rev(a), replica_doc_rev(b)) == 0 : a == b;
}

/* What is another one now went back to what the server had. */
static void note_discarded(struct client *c, replica_doc *before[MAX_COLLS][MAX_KEYS], bool done)
{
    char id[16];

    for (int i = 0; i < c->sim->plan.colls; i++) {
        for (int k = 0; k < c->sim->plan.keys; k++) {
            replica_doc *doc;
            const char *json;
            size_t len = 0;

            snprintf(id, sizeof id, "k%d", k);
            doc = read_doc(c, i, id);
            json = text_of(doc, &len);
            if (done && !is_same_doc(before[i][k], doc)) {
                if (json)
                    oracle_wanted(c->sim, json, len);
                for (int n = 0; n < c->sim->plan.clients; n++) {
                    if (client_same_file(c, n))
                        c->sim->clients[n].discarded[i][k] = true;
                }
            }
            replica_doc_unref(doc);
            replica_doc_unref(before[i][k]);
        }
    }
}

/* An edit that could not be sent any more is forgotten, or put in conflict with what is there; a
 * deletion is done again. */
static void note_revoked(struct client *c, const struct found *found, replica_doc *there,
                         bool discarded)
{
    size_t len = strlen(found->text);
    const char *text = found->text;

    if (!discarded) {
        oracle_wanted(c->sim, text, len); /* it may have been sent, and replaced since */
        text = found->text[0] ? NULL : text_of(there, &len);
    }
    if (text)
        oracle_superseded(c, text, len);
    oracle_unsent(c, coll_named(found->collection), atoi(found->id + 1));
}

bool program_takes_up_rejected(struct client *c, bool discard)
{
    struct found found = { .sim = c->sim->plan.access ? c->sim : NULL };
    replica_doc *before[MAX_COLLS][MAX_KEYS] = { { NULL } };
    replica_error err = { .offset = -1 };
    int coll;
    int r = replica_rejected(c->db, NULL, note_rejected, &found, &err);

    if (r < 0 || !found.number)
        return false;
    coll = coll_named(found.collection);
    discard = discard && !may_uncount(c);
    remember(c, before);
    sim_trace(c->sim, "client %d: %s %s/%s", c->number, discard ? "discards" : "tries again",
              found.collection, found.id);
    r = discard ? replica_rejected_discard(c->db, found.number, &err)
                : replica_rejected_retry(c->db, found.number, &err);
    if (r == REPLICA_ENOTSUP && found.kind == REPLICA_ASIDE_REVOKED) /* it is deleted anyway */
        r = replica_rejected_discard(c->db, found.number, &err);
    /* It moved on, or what is to be deleted may not be seen; or a fellow is out. */
    if (r < 0 && r != REPLICA_ENOTSUP && r != REPLICA_EBUSY)
        sim_fail(c->sim, "client %d: a rejected document: %s", c->number, err.message);
    if (r > 0 && found.kind == REPLICA_ASIDE_REVOKED)
        note_revoked(c, &found, before[coll][atoi(found.id + 1)], discard);
    note_discarded(c, before, discard && r > 0);
    if (c->sim->plan.access)
        oracle_read_log(c); /* it goes from there with the access to the document */
    for (int i = 0; i < c->sim->plan.clients; i++) { /* what is tried again is asked about again */
        if (client_same_file(c, i))
            handlers_forget_asked(&c->sim->clients[i]);
    }
    client_told_changed(c);
    client_migrates_soon(c); /* what was gone back to may be of the version before */
    return true;
}

static void steer(struct client *c)
{
    switch (sim_roll(c->sim, 4)) {
    case 0:
        c->paused = true;
        replica__session_pause(c->session, true);
        break;
    case 1: replica__session_now(c->session); break;
    case 2: replica__session_resync(c->session); break;
    default:
        c->paused = false;
        replica__session_pause(c->session, false);
    }
    client_turn_soon(c, 0);
}

/* Whatever their age: clocks may lie. */
static void purge(struct client *c)
{
    replica_error err = { .offset = -1 };
    int64_t count = 0;

    if (replica_purge(c->db, NULL, 0, 0, &count, &err) < 0)
        sim_fail(c->sim, "client %d: purge: %s", c->number, err.message);
    sim_trace(c->sim, "client %d: purges %lld", c->number, (long long)count);
}

void program_act(struct client *c)
{
    struct sim *sim = c->sim;

    if (sim_chance(sim, sim->plan.server_crash) && sim->server.db)
        server_close(sim, true);
    if (sim->plan.server_purge && sim_chance(sim, sim->plan.server_purge) && sim->server.db)
        server_purge(sim);
    if (!c->session || client_frozen(c))
        return;
    if (sim->rising && !c->version && sim_roll(sim, 4) == 0) {
        client_rise(c);
        return;
    }
    if ((sim->plan.filter && sim_chance(sim, sim->plan.filter)) ||
        (sim->plan.access && sim_chance(sim, sim->plan.access))) {
        client_filter(c, !c->filtered);
        return;
    }
    if (c->number < sim->plan.shared && sim_chance(sim, sim->plan.freeze)) {
        c->frozen_until = sim->now + (int64_t)sim_roll(sim, MINUTE);
        sim_trace(sim, "client %d: stops until %.3f", c->number, (double)c->frozen_until / SECOND);
        return;
    }
    if (sim_chance(sim, sim->plan.jump))
        c->machine.skew_ms += ((int64_t)sim_roll(sim, 2 * 24 * 60) - 24 * 60) * MINUTE;
    if (sim->plan.purge && sim_chance(sim, sim->plan.purge))
        purge(c);
    if (sim_chance(sim, sim->plan.crash))
        client_crash(c);
    else if (sim_roll(sim, 12) == 0)
        steer(c);
    else if (sim_roll(sim, 8) == 0)
        handlers_answer_held(c);
    else if (sim_roll(sim, 10) == 0)
        program_takes_up_rejected(c, sim_roll(sim, 2));
    else
        write_something(c);
}
