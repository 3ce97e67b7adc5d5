/* The end of a story: everybody has the same, nothing is lost, nothing came back, counters are
 * exact. */
#include "tests/sim/oracle.h"

#include <string.h>

static void check_equal(struct client *c)
{
    struct view view = { 0 };

    oracle_see(c, &view);
    for (int i = 0; i < c->sim->plan.colls; i++) {
        for (int k = 0; k < MAX_KEYS; k++) {
            const struct state *s = oracle_newest(&c->sim->oracle->histories[i][k]);
            replica_doc *doc = view.docs[i][k];
            bool deleted = !doc || replica_doc_deleted(doc);

            if (view.rejected[i][k])
                sim_fail(c->sim, "client %d: %s/k%d is set aside, although all could be accepted",
                         c->number, coll_names[i], k);
            if (s ? !oracle_same(doc ? replica_doc_json(doc, NULL) : "{}", deleted, s) : !deleted)
                sim_fail(c->sim, "client %d has %s%s, and the server %s%s", c->number,
                         deleted ? "deleted " : "", doc ? replica_doc_json(doc, NULL) : "nothing",
                         s && s->deleted ? "deleted " : "", s ? s->json : "nothing");
        }
    }
    oracle_unsee(&view);
}

static void check_filter(struct client *c)
{
    struct view view = { 0 };

    oracle_see(c, &view);
    for (int i = 0; i < c->sim->plan.colls; i++) {
        for (int k = 0; k < MAX_KEYS; k++) {
            const struct state *s = oracle_newest(&c->sim->oracle->histories[i][k]);
            const char *json = view.docs[i][k] ? replica_doc_json(view.docs[i][k], NULL) : "{}";
            bool deleted = !view.docs[i][k] || replica_doc_deleted(view.docs[i][k]);
            bool outside = s && strstr(s->json, "\"f\"");

            if (!s || view.rejected[i][k])
                continue;
            if (!deleted && strstr(json, "\"f\"") && (!outside || s->deleted))
                continue; /* its own, which is not sent */
            if (outside && !s->deleted ? !deleted && oracle_same(json, deleted, s)
                                       : !oracle_same(json, deleted, s))
                sim_fail(c->sim, "client %d filters and has %s%s, and the server %s%s", c->number,
                         deleted ? "deleted " : "", json, s->deleted ? "deleted " : "", s->json);
        }
    }
    oracle_unsee(&view);
}

void oracle_check_filters(struct sim *sim)
{
    for (int i = 0; i < sim->plan.clients; i++)
        if (sim->clients[i].filtered)
            check_filter(&sim->clients[i]);
}

static void finding(void *ctx, const char *where, const char *what)
{
    struct client *c = ctx;

    sim_fail(c->sim, "client %d: check: %s: %s", c->number, where, what);
}

static void server_finding(void *ctx, const char *where, const char *what)
{
    sim_fail(ctx, "server: check: %s: %s", where, what);
}

static void check_tokens(struct sim *sim)
{
    struct oracle *o = sim->oracle;

    for (int i = 0; i < MAX_COLLS; i++) {
        for (int k = 0; k < MAX_KEYS; k++) {
            const struct state *s = oracle_newest(&o->histories[i][k]);
            int tokens[400];
            size_t n = s ? tokens_of(s->json, strlen(s->json), tokens, 400) : 0;
            /* What a server lost is judged by its stamp, whatever a handler chose since. */
            bool fresh = n == 0 || s->deleted || sim->server.restored;

            for (size_t t = 0; t < n; t++) {
                o->tokens[tokens[t]].logged = true;
                fresh |= !o->tokens[tokens[t]].superseded || o->tokens[tokens[t]].wanted;
            }
            if (!fresh)
                sim_fail(sim, "%s/k%d is %s, which was replaced or deleted", coll_names[i], k,
                         s->json);
        }
    }
    for (size_t i = 1; i < o->n; i++) {
        const struct token *t = &o->tokens[i];

        if (t->acknowledged && !t->superseded && !t->logged)
            sim_fail(sim, "write %zu of client %d to %s/k%d is lost", i, t->client,
                     coll_names[t->coll], t->key);
    }
}

static void check_counters(struct sim *sim)
{
    for (int i = 0; i < sim->plan.colls; i++) {
        for (int k = 0; k < MAX_KEYS; k++) {
            const struct state *s = oracle_newest(&sim->oracle->histories[i][k]);

            for (int n = 0; n < MAX_CLIENTS; n++) {
                int64_t want = sim->oracle->counted[i][k][n];
                int64_t is = s ? counter_of(s->json, strlen(s->json), n) : 0;

                if (sim->clients[n].restored || sim->server.restored)
                    continue;
                if (is < want || (is != want && !sim->plan.rxdb))
                    sim_fail(sim, "%s/k%d: client %d counted %lld, and the server has %lld",
                             coll_names[i], k, n, (long long)want, (long long)is);
            }
        }
    }
}

void oracle_check_end(struct sim *sim)
{
    replica_error err = { .offset = -1 };

    for (int i = 0; i < sim->plan.clients; i++) {
        struct client *c = &sim->clients[i];

        check_equal(c);
        oracle_read_log(c);
        if (replica_check(c->db, finding, c, &err) < 0)
            sim_fail(sim, "client %d: %s", i, err.message);
    }
    if (replica_check(sim->server.db, server_finding, sim, &err) < 0)
        sim_fail(sim, "server: %s", err.message);
    check_tokens(sim);
    check_counters(sim);
}
