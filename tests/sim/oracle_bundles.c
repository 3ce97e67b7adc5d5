/* Bundles: a reader never sees a member beside another one that is older than the bundle, and the
 * server never has a half of one. */
#include "libreplica/db.h"
#include "tests/sim/oracle.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int oracle_written(struct oracle *o, int coll, int key, int64_t sequence, const char *bundle)
{
    struct written *w = NULL;

    for (int i = o->written_count; !w && i > 0 && o->written[i - 1].look == o->look; i--) {
        if (strcmp(o->written[i - 1].bundle, bundle) == 0)
            w = &o->written[i - 1];
    }
    if (!w) {
        o->written = realloc(o->written, (size_t)(o->written_count + 1) * sizeof *o->written);
        if (!o->written)
            abort();
        w = &o->written[o->written_count++];
        *w = (struct written){ .look = o->look };
        snprintf(w->bundle, sizeof w->bundle, "%s", bundle);
    }
    w->states[w->n].coll = coll;
    w->states[w->n].key = key;
    w->states[w->n++].sequence = sequence;
    return (int)(w - o->written) + 1;
}

struct shown {
    int64_t sequence; /* the server's, of what is shown; 0: something of its own */
    bool there, own;  /* own: it is newer here, or waits */
};

static void read_shown(struct client *c, struct shown shown[MAX_COLLS][MAX_KEYS])
{
    static const char sql[] =
        "SELECT c.name, d.id, ifnull(s.server_seq, 0), ifnull(s.clean_seq, 0) <> d.seq"
        " OR s.unsettled IS NOT NULL OR EXISTS(SELECT 1 FROM aside a WHERE a.coll = d.coll"
        "  AND a.doc = d.id)"
        " FROM doc d JOIN collection c ON c.id = d.coll LEFT JOIN state s ON s.doc = d.number";
    sqlite3_stmt *stmt = NULL;

    if (sqlite3_prepare_v2(c->db->sqlite, sql, -1, &stmt, NULL) != SQLITE_OK)
        sim_fail(c->sim, "client %d: %s", c->number, sqlite3_errmsg(c->db->sqlite));
    while (sqlite3_step(stmt) == SQLITE_ROW) {
        int coll = coll_named((const char *)sqlite3_column_text(stmt, 0));

        shown[coll][atoi((const char *)sqlite3_column_text(stmt, 1) + 1)] =
            (struct shown){ .sequence = sqlite3_column_int64(stmt, 2),
                            .there = true,
                            .own = sqlite3_column_int(stmt, 3) };
    }
    sqlite3_finalize(stmt);
}

/* It is not there: deleted since, and the tombstone was purged. */
static bool may_be_purged(const struct client *c, int coll, int key, int64_t sequence)
{
    const struct history *h = &c->sim->oracle->histories[coll][key];

    for (size_t i = h->n; i > 0 && h->states[i - 1].sequence >= sequence; i--) {
        if (h->states[i - 1].deleted)
            return !oracle_must_know_deletion(c, h->states[i - 1].sequence);
    }
    return false;
}

static void check_others(struct client *c, struct shown shown[MAX_COLLS][MAX_KEYS],
                         const struct written *w, int coll, int key)
{
    for (int i = 0; i < w->n; i++) {
        int other = w->states[i].coll, k = w->states[i].key;
        const struct shown *o = &shown[other][k];

        if (o->own || (o->there && (o->sequence >= w->states[i].sequence || !o->sequence)) ||
            (!o->there && may_be_purged(c, other, k, w->states[i].sequence)))
            continue;
        sim_fail(c->sim,
                 "client %d shows %s/k%d of bundle %s, but of its %s/k%d %lld, which is before"
                 " %lld", c->number, coll_names[coll], key, w->bundle, coll_names[other], k,
                 (long long)o->sequence, (long long)w->states[i].sequence);
    }
}

/* Who compares goes by keys, and has whole bundles again when it has read the feed behind that; and
 * who came back with nothing is shown the newest states only. */
static bool is_comparing(struct client *c)
{
    static const char sql[] =
        "SELECT 1 FROM feed WHERE reconcile IS NOT NULL OR (checkpoint IS NULL AND ?1)";
    sqlite3_stmt *stmt = NULL;

    if (sqlite3_prepare_v2(c->db->sqlite, sql, -1, &stmt, NULL) != SQLITE_OK)
        sim_fail(c->sim, "client %d: %s", c->number, sqlite3_errmsg(c->db->sqlite));
    sqlite3_bind_int(stmt, 1, c->restored > 0);
    if (sqlite3_step(stmt) == SQLITE_ROW)
        c->compares = true;
    else if (c->session && client_in_sync(c))
        c->compares = false;
    sqlite3_finalize(stmt);
    return c->compares;
}

void oracle_check_bundles(struct client *c)
{
    struct shown shown[MAX_COLLS][MAX_KEYS] = { { { 0 } } };
    const struct oracle *o = c->sim->oracle;

    if (c->sim->plan.rxdb || c->sim->server.restored || c->sim->rising || is_comparing(c) ||
        c->was_filtered)
        return;
    read_shown(c, shown);
    for (int i = 0; i < c->sim->plan.colls; i++) {
        for (int k = 0; k < MAX_KEYS; k++) {
            const struct history *h = &o->histories[i][k];

            if (!shown[i][k].there || shown[i][k].own)
                continue;
            for (size_t n = 0; n < h->n && h->states[n].sequence <= shown[i][k].sequence; n++) {
                if (h->states[n].written) /* by this one, and those written over it */
                    check_others(c, shown, &o->written[h->states[n].written - 1], i, k);
            }
        }
    }
}
