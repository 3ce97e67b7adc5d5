/* The server of the fleet: the service on a store of its own, with rules that refuse what is
 * poisoned, and now and then do not judge a row. */
#define _GNU_SOURCE /* memmem */

#include "base/alloc.h"
#include "replicator/remote.h"
#include "tests/sim/sim.h"
#include "tests/support/fault.h"
#include "tools/server/access.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- rules, between the service and the storage ----------------------------------- */

struct ruled {
    struct replica__storage_row *rows; /* those that the storage judges */
    size_t *place;                     /* where they stand in the push */
    size_t n;
};

static struct sim *ruled_sim; /* the operations have no context of their own */
static const struct replica__storage_ops *store_ops;

static bool is_poisoned(const struct replica__storage_row *row)
{
    return memmem(row->doc.text.data, row->doc.text.len, "\"poison\"", 8) != NULL;
}

/* Rows from here on that are judged as one. */
static size_t as_one(const struct replica__storage_row *rows, size_t n)
{
    size_t count = 1;

    while (count < n && rows[0].bundle && rows[count].bundle &&
           strcmp(rows[0].bundle, rows[count].bundle) == 0)
        count++;
    return count;
}

static void judge_by_rules(struct replica__storage_row *rows, size_t n, struct ruled *ruled)
{
    for (size_t i = 0, count; i < n; i += count) {
        bool poisoned = false;

        count = as_one(&rows[i], n - i);
        for (size_t k = i; k < i + count; k++) {
            rows[k].verdict = REPLICA_VERDICT_NONE;
            poisoned |= is_poisoned(&rows[k]) && !ruled_sim->healed;
        }
        if (!poisoned && sim_chance(ruled_sim, ruled_sim->plan.slow / 4))
            continue;
        for (size_t k = i; k < i + count; k++) {
            if (poisoned) {
                rows[k].verdict = REPLICA_VERDICT_REFUSED;
                rows[k].code = 403;
                strcpy(rows[k].reason, "poison");
            } else {
                ruled->rows[ruled->n] = rows[k];
                ruled->place[ruled->n++] = k;
            }
        }
    }
}

/* All of a bundle is taken, or nothing; what was taken before may be part of it. */
static void check_halves(const struct replica__storage_row *rows, size_t n)
{
    for (size_t i = 0, count; i < n; i += count) {
        bool taken = false, left = false;

        count = as_one(&rows[i], n - i);
        for (size_t k = i; k < i + count; k++) {
            taken |= rows[k].verdict == REPLICA_VERDICT_TAKEN;
            left |= rows[k].verdict != REPLICA_VERDICT_TAKEN &&
                    rows[k].verdict != REPLICA_VERDICT_ALREADY;
        }
        if (taken && left)
            sim_fail(ruled_sim, "the server took a part of bundle %s", rows[i].bundle);
    }
}

static int push(struct replica__storage *s, struct replica__storage_row *rows, size_t n,
                const struct replica__pusher *by, int64_t *ret_before, int64_t *ret_after,
                replica_error *err)
{
    struct ruled ruled = { NULL, NULL, 0 };
    int r;

    if (by->stock)
        return store_ops->push(s, rows, n, by, ret_before, ret_after, err);
    ruled.rows = calloc(n, sizeof *ruled.rows);
    ruled.place = calloc(n, sizeof *ruled.place);
    judge_by_rules(rows, n, &ruled);
    r = store_ops->push(s, ruled.rows, ruled.n, by, ret_before, ret_after, err);
    for (size_t i = 0; i < ruled.n; i++)
        rows[ruled.place[i]] = ruled.rows[i];
    if (r >= 0)
        check_halves(rows, n);
    free(ruled.rows);
    free(ruled.place);
    return r;
}

static void add_rules(struct sim *sim)
{
    static struct replica__storage_ops ops;

    store_ops = sim->server.storage->ops;
    ops = *store_ops;
    ops.push = push;
    ruled_sim = sim;
    sim->server.storage->ops = &ops;
}

/* ---- opening and closing ----------------------------------------------------------- */

static void log_line(void *ctx, int level, const char *topic, const char *line)
{
    (void)level;
    sim_trace(ctx, "server: %s: %s", topic, line);
}

/* Where there are rules, who has no claim sees no document with a member "f", and writes none. */
static const char rules[] =
    "{\"collections\":{\"*\":{\"read\":{\"$or\":[{\"f\":{\"$exists\":false}},{\"f\":\"$auth.f\"}]},"
    "\"write\":{\"$or\":[{\"f\":{\"$exists\":false}},{\"f\":\"$auth.f\"}]}}}}";
static const struct replica__who sees_all = { .claims = "{\"f\":1}", .claims_len = 7 };
static const struct replica__who sees_less = { .claims = "{}", .claims_len = 2 };

void server_open(struct sim *sim)
{
    struct server *s = &sim->server;
    struct replica__service_options options = { .rows = sim->plan.server_rows };
    replica_db_options o = REPLICA_DB_OPTIONS_INIT;
    replica_error err = { .offset = -1 };
    int r;

    if (!s->machine.sim)
        sim_machine(sim, &s->machine);
    if (sim->plan.access &&
        replica__access_parse("rules", rules, strlen(rules), &s->access, &err) < 0)
        sim_fail(sim, "the server's rules: %s", err.message);
    options.access = s->access;
    options.world = &s->machine.world;
    o.log = log_line;
    o.log_ctx = sim;
    snprintf(s->path, sizeof s->path, "%s/server.db", sim->folder);
    r = replica_db_open(s->path, &o, &s->db, &err);
    if (r >= 0) {
        replica__db_set_world(s->db, &s->machine.world);
        r = replica__storage_store_open(s->db, NULL, NULL, 0, &s->storage, &err);
    }
    for (int i = 0; r >= 0 && s->version && i < sim->plan.colls; i++) {
        const replica_collection_options co = { .size = sizeof co, .version = s->version };
        replica_collection *coll;

        r = replica_db_collection(s->db, coll_names[i], &co, &coll, &err);
    }
    if (r >= 0) {
        add_rules(sim);
        r = replica__service_open(s->storage, &options, &s->service, &err);
    }
    if (r < 0)
        sim_fail(sim, "the server did not open: %s", err.message);
    s->life++;
    sim_trace(sim, "server: open");
    oracle_look_at_server(sim);
    server_tick_soon(sim);
}

static void open_again(struct sim *sim, void *arg)
{
    (void)arg;
    if (!sim->server.db)
        server_open(sim);
}

/* The file is closed: copy it, or put an older copy, or nothing at all, in its place. */
static void back_up(struct sim *sim)
{
    struct server *s = &sim->server;

    if (!sim->plan.server_restore || !sim_chance(sim, sim->plan.server_restore))
        return;
    if (!s->copied) {
        bool empty = sim_roll(sim, 4) == 0;

        files_copy(sim, s->path, empty ? ".none" : "", ".copy");
        s->copied_head = empty ? 0 : oracle_server_head(sim);
        s->copied = true;
        return;
    }
    sim_trace(sim, "server: is put back to %lld", (long long)s->copied_head);
    files_copy(sim, s->path, ".copy", "");
    oracle_server_restored(sim, s->copied_head);
    s->restored = true;
}

void server_close(struct sim *sim, bool crash)
{
    struct server *s = &sim->server;

    if (!s->db)
        return;
    sim_trace(sim, "server: %s", crash ? "crashes" : "closes");
    network_server_died(sim);
    if (crash)
        fault_io_from(FAULT_WRITE | FAULT_SYNC, 0, SQLITE_IOERR);
    replica__service_close(s->service);
    s->storage->ops->close(s->storage);
    replica_db_close(s->db);
    fault_io_stop();
    replica__access_close(s->access);
    s->service = NULL;
    s->access = NULL;
    s->db = NULL;
    if (crash) {
        sim->crashes++;
        back_up(sim);
        sim_after(sim, (int64_t)sim_roll(sim, 30 * SECOND), open_again, NULL);
    }
}

/* Whatever their age: clocks may lie. */
void server_purge(struct sim *sim)
{
    replica_error err = { .offset = -1 };
    int64_t count = 0;

    if (replica_purge(sim->server.db, NULL, 0, 0, &count, &err) < 0)
        sim_fail(sim, "server: purge: %s", err.message);
    sim_trace(sim, "server: purges %lld", (long long)count);
}

void server_rise(struct sim *sim)
{
    sim_trace(sim, "server: its next version comes");
    server_close(sim, false);
    sim->server.version = 1;
    server_open(sim);
}

/* ---- answering --------------------------------------------------------------------- */

static int hex(char c)
{
    return c <= '9' ? c - '0' : (c | 32) - 'a' + 10;
}

static void unescape(char *s)
{
    char *to = s;

    for (; *s; s++) {
        if (*s == '%' && s[1] && s[2]) {
            *to++ = (char)(hex(s[1]) * 16 + hex(s[2]));
            s += 2;
        } else {
            *to++ = *s;
        }
    }
    *to = '\0';
}

/* Take "/a?b=c&d" apart; what is found points into text. */
static void split(char *text, struct replica__param *params, size_t room,
                  struct replica__request *request)
{
    char *rest = NULL;

    request->path = strtok_r(text, "?", &rest);
    request->params = params;
    for (char *p = strtok_r(NULL, "&", &rest); p && request->param_count < room;
         p = strtok_r(NULL, "&", &rest)) {
        char *equals = strchr(p, '=');

        if (equals) {
            *equals = '\0';
            unescape(equals + 1);
        }
        params[request->param_count++] = (struct replica__param){ p, equals ? equals + 1 : NULL };
    }
    unescape(text);
}

/* Who has nothing yet asks for no tombstones up to the head. */
static void note_fresh(struct sim *sim, const struct replica__request *request)
{
    for (size_t i = 0; i < request->param_count; i++) {
        const struct client *asks = &sim->clients[atoi(request->peer + strlen("client "))];

        if (strcmp(request->params[i].name, "fresh") != 0)
            continue;
        for (int n = 0; n < sim->plan.clients; n++)
            if (client_same_file(asks, n))
                sim->clients[n].fresh = oracle_server_head(sim);
    }
}

void server_answer(struct sim *sim, const char *method, const char *url, const char *body,
                   size_t len, const char *peer, bool less, struct replica__reply *reply)
{
    struct server *s = &sim->server;
    struct replica__param params[20];
    struct replica__request request = { .method = method, .peer = peer, .body = body,
                                        .body_len = len,
                                        .who = less ? &sees_less : &sees_all };
    REPLICA_FREE char *text = replica__strdup(url);
    bool dies = sim_chance(sim, sim->plan.server_crash);
    replica_error err = { .offset = -1 };
    bool faulty = dies || sim_chance(sim, sim->plan.fault);

    if (strncmp(url, "/_replica/", 10) == 0)
        request.uses = "operations, numbers, bundles";
    split(text, params, 20, &request);
    note_fresh(sim, &request);
    if (dies)
        fault_io_from(FAULT_WRITE | FAULT_SYNC, (int)sim_roll(sim, 20), SQLITE_IOERR);
    else if (faulty)
        fault_io(FAULT_WRITE | FAULT_SYNC, (int)sim_roll(sim, 10), SQLITE_FULL);
    replica__service_answer(s->service, &request, reply);
    if (replica__reply_whole(reply, &err) < 0)
        sim_fail(sim, "an answer broke off: %s", err.message);
    fault_io_stop();
    oracle_look_at_server(sim);
    if (!dies) {
        server_tick_soon(sim);
        return;
    }
    replica__reply_free(reply);
    memset(reply, 0, sizeof *reply);
    server_close(sim, true);
}

static void tick(struct sim *sim, void *arg)
{
    struct server *s = &sim->server;
    int64_t next;

    (void)arg;
    if (!s->service || !s->tick_at || sim->now < s->tick_at)
        return;
    s->tick_at = 0;
    next = replica__service_tick(s->service);
    if (next >= 0) {
        s->tick_at = sim->now + (next > 0 ? next : 1);
        sim_after(sim, s->tick_at - sim->now, tick, NULL);
    }
}

void server_tick_soon(struct sim *sim)
{
    sim->server.tick_at = sim->now;
    sim_after(sim, 0, tick, NULL);
}
