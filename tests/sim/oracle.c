/* What must be true, looked at from outside: the oracle sees every acknowledged write, every state
 * that the server ever had, and into every file.
 *
 * A write is known by its token, a number in the document's member "w"; a merged document has the
 * tokens of both.  Who overwrites a document that he has read supersedes its tokens.  Every other
 * token must in the end be on the server, in a conflict log, or set aside.  Counters have a member
 * for each client, and must be exact. */
#include "base/json.h"
#include "libreplica/db.h"
#include "libreplica/master.h"
#include "tests/sim/oracle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct oracle *oracle_new(void)
{
    struct oracle *o = calloc(1, sizeof *o);

    if (!o)
        abort();
    o->room = 256;
    o->tokens = calloc(o->room, sizeof *o->tokens);
    if (!o->tokens)
        abort();
    o->n = 1; /* 0 is none */
    return o;
}

void oracle_free(struct oracle *o)
{
    for (int i = 0; i < MAX_COLLS; i++) {
        for (int k = 0; k < MAX_KEYS; k++) {
            for (size_t n = 0; n < o->histories[i][k].n; n++)
                free(o->histories[i][k].states[n].json);
            free(o->histories[i][k].states);
        }
    }
    free(o->tokens);
    free(o->written);
    free(o);
}

/* ---- documents ------------------------------------------------------------------- */

size_t tokens_of(const char *json, size_t len, int *ret, size_t room)
{
    struct replica__json_value list =
        replica__json_member(replica__json_value(json, len), "w", REPLICA_NUL);
    struct replica__json_iter it;
    size_t n = 0;

    if (list.type != REPLICA_JSON_ARRAY)
        return 0;
    it = replica__json_iter(list);
    while (n < room && replica__json_next(&it)) {
        int64_t token;

        if (replica__json_int(it.value, &token))
            ret[n++] = (int)token;
    }
    return n;
}

int64_t counter_of(const char *json, size_t len, int client)
{
    int64_t value = 0;
    char name[8];

    snprintf(name, sizeof name, "a%d", client);
    replica__json_int(replica__json_member(replica__json_value(json, len), name, REPLICA_NUL),
                      &value);
    return value;
}

bool oracle_same(const char *json, bool deleted, const struct state *s)
{
    if (deleted || s->deleted)
        return deleted == s->deleted;
    return replica__json_equal(json, strlen(json), s->json, strlen(s->json), 0) > 0;
}

/* ---- writes ---------------------------------------------------------------------- */

int oracle_token(struct sim *sim, int client, int coll, int key)
{
    struct oracle *o = sim->oracle;

    if (o->n >= o->room) {
        o->room *= 2;
        o->tokens = realloc(o->tokens, o->room * sizeof *o->tokens);
        if (!o->tokens)
            abort();
    }
    o->tokens[o->n] = (struct token){ .client = client, .coll = coll, .key = key };
    return (int)o->n++;
}

void oracle_acknowledged(struct sim *sim, int token)
{
    sim->oracle->tokens[token].acknowledged = true;
}

int oracle_next_token(const struct sim *sim)
{
    return (int)sim->oracle->n;
}

/* What it replaced since then may be there again, too. */
void oracle_restored(struct client *c, int token)
{
    struct oracle *o = c->sim->oracle;

    for (size_t i = (size_t)token; i < o->n; i++)
        o->tokens[i].acknowledged &= o->tokens[i].client != c->number;
    for (size_t i = 0; i < o->n; i++) {
        const struct token *t = &o->tokens[i];

        o->tokens[i].wanted |= c->sim->plan.rxdb || t->client == c->number ||
                               (t->by == c->number && t->at >= token);
    }
}

void oracle_superseded(struct client *c, const char *json, size_t len)
{
    struct oracle *o = c->sim->oracle;
    int tokens[400];
    size_t n = tokens_of(json, len, tokens, 400);

    for (size_t i = 0; i < n; i++) {
        o->tokens[tokens[i]].superseded = true;
        o->tokens[tokens[i]].by = c->number;
        o->tokens[tokens[i]].at = (int)o->n;
    }
}

void oracle_wanted(struct sim *sim, const char *json, size_t len)
{
    int tokens[400];
    size_t n = tokens_of(json, len, tokens, 400);

    for (size_t i = 0; i < n; i++)
        sim->oracle->tokens[tokens[i]].wanted = true;
}

void oracle_unsent(struct client *c, int coll, int key)
{
    struct oracle *o = c->sim->oracle;

    for (size_t i = 1; i < o->n; i++) {
        struct token *t = &o->tokens[i];

        t->wanted |= t->coll == coll && t->key == key && t->by == c->number;
    }
}

void oracle_counted(struct sim *sim, int client, int coll, int key, int amount)
{
    sim->oracle->counted[coll][key][client] += amount;
}

static void log_tokens(struct sim *sim, replica_doc *doc)
{
    int tokens[400];
    size_t len, n;
    const char *json = doc ? replica_doc_json(doc, &len) : NULL;

    if (!json)
        return;
    n = tokens_of(json, len, tokens, 400);
    for (size_t i = 0; i < n; i++)
        sim->oracle->tokens[tokens[i]].logged = true;
}

static int see_logged(void *ctx, const replica_conflict_entry *e)
{
    log_tokens(ctx, e->real);
    log_tokens(ctx, e->local);
    return 0;
}

void oracle_read_log(struct client *c)
{
    replica_error err = { .offset = -1 };

    if (replica_conflict_log(c->db, NULL, 0, see_logged, c->sim, &err) < 0)
        sim_fail(c->sim, "client %d: %s", c->number, err.message);
}

/* ---- the server's history -------------------------------------------------------- */

static struct history *history_of(struct oracle *o, int coll, const char *id)
{
    return &o->histories[coll][atoi(id + 1)];
}

static int add_state(void *ctx, const struct replica__feed_doc *doc)
{
    struct sim *sim = ctx;
    int coll = coll_named(replica_collection_name(sim->server_colls[doc->collection]));
    struct history *h;

    h = history_of(sim->oracle, coll, doc->id);
    if (h->n == h->room) {
        h->room = h->room ? h->room * 2 : 8;
        h->states = realloc(h->states, h->room * sizeof *h->states);
        if (!h->states)
            abort();
    }
    h->states[h->n++] = (struct state){ doc->sequence, doc->deleted, strndup(doc->json, doc->len),
                                        sim->server.version, 0 };
    if (doc->bundle)
        h->states[h->n - 1].written =
            oracle_written(sim->oracle, coll, atoi(doc->id + 1), doc->sequence, doc->bundle);
    sim_trace(sim, "server: %lld is %s/%s %s%s", (long long)doc->sequence, coll_names[coll],
              doc->id, doc->deleted ? "deleted " : "", h->states[h->n - 1].json);
    return 0;
}

struct opening {
    struct sim *sim;
    size_t n;
};

static int open_coll(void *ctx, const char *name)
{
    struct opening *opening = ctx;

    return replica_db_collection(opening->sim->server.db, name, NULL,
                                 &opening->sim->server_colls[opening->n++], NULL);
}

void oracle_look_at_server(struct sim *sim)
{
    struct opening opening = { sim, 0 };
    replica_error err = { .offset = -1 };
    int r = replica_db_collections(sim->server.db, open_coll, &opening, &err);

    sim->oracle->look++;
    if (r >= 0 && opening.n > 0)
        r = replica__master_read(sim->server.db, sim->server_colls, opening.n,
                                 &(struct replica__feed_options){ .since = sim->oracle->seen,
                                                                  .rows = 100000 },
                                 add_state, sim, &sim->oracle->seen, &err);
    if (r < 0)
        sim_fail(sim, "the server cannot be read: %s", err.message);
}

int64_t oracle_server_head(const struct sim *sim)
{
    return sim->oracle->seen;
}

void oracle_server_restored(struct sim *sim, int64_t head)
{
    for (int i = 0; i < MAX_COLLS; i++) {
        for (int k = 0; k < MAX_KEYS; k++) {
            struct history *h = &sim->oracle->histories[i][k];

            while (h->n > 0 && h->states[h->n - 1].sequence > head)
                free(h->states[--h->n].json);
        }
    }
    sim->oracle->seen = head;
}

const struct state *oracle_newest(const struct history *h)
{
    return h->n > 0 ? &h->states[h->n - 1] : NULL;
}

/* ---- checkpoints ----------------------------------------------------------------- */

/* The server's number of the newest state of each document that is known in the file. */
static void read_known(struct client *c, int64_t known[MAX_COLLS][MAX_KEYS])
{
    static const char sql[] =
        "SELECT c.name, d.id, max(ifnull(s.server_seq, 0), ifnull(k.server_seq, 0))"
        " FROM state s JOIN doc d ON d.number = s.doc JOIN collection c ON c.id = d.coll"
        " LEFT JOIN kept k ON k.id = s.unsettled";
    sqlite3_stmt *stmt = NULL;

    if (sqlite3_prepare_v2(c->run_db->sqlite, sql, -1, &stmt, NULL) != SQLITE_OK)
        sim_fail(c->sim, "client %d: %s", c->number, sqlite3_errmsg(c->run_db->sqlite));
    while (sqlite3_step(stmt) == SQLITE_ROW) {
        int coll = coll_named((const char *)sqlite3_column_text(stmt, 0));

        known[coll][atoi((const char *)sqlite3_column_text(stmt, 1) + 1)] =
            sqlite3_column_int64(stmt, 2);
    }
    sqlite3_finalize(stmt);
}

static int64_t checkpoint_of(struct client *c)
{
    static const char sql[] = "SELECT checkpoint FROM feed WHERE coll = 0 AND checkpoint NOT NULL";
    sqlite3_stmt *stmt = NULL;
    int64_t number = 0;

    if (sqlite3_prepare_v2(c->run_db->sqlite, sql, -1, &stmt, NULL) != SQLITE_OK)
        sim_fail(c->sim, "client %d: %s", c->number, sqlite3_errmsg(c->run_db->sqlite));
    if (sqlite3_step(stmt) == SQLITE_ROW) {
        const char *text = (const char *)sqlite3_column_text(stmt, 0);

        replica__json_int(
            replica__json_member(replica__json_value(text, strlen(text)), "lwt", REPLICA_NUL),
            &number);
    }
    sqlite3_finalize(stmt);
    return number;
}

bool oracle_must_know_deletion(const struct client *c, int64_t sequence)
{
    const struct plan *p = &c->sim->plan;

    return !p->purge && !p->server_purge && !p->access && sequence > c->fresh;
}

/* A client whose checkpoint is n knows every state that the server has up to n, or purged it. */
void oracle_check_checkpoint(struct client *c)
{
    int64_t known[MAX_COLLS][MAX_KEYS] = { { 0 } };
    int64_t checkpoint;

    if (c->sim->plan.rxdb || c->sim->server.restored) /* its numbers mean something else now */
        return;
    if (c->version) /* what is of the version before is not shown */
        return;
    checkpoint = checkpoint_of(c);
    read_known(c, known);
    for (int i = 0; i < c->sim->plan.colls; i++) {
        for (int k = 0; k < MAX_KEYS; k++) {
            const struct state *s = oracle_newest(&c->sim->oracle->histories[i][k]);

            if (s && s->deleted && !oracle_must_know_deletion(c, s->sequence) &&
                (known[i][k] == 0 || c->sim->plan.server_purge || c->sim->plan.access))
                continue;
            if (s && c->was_filtered &&
                (known[i][k] == 0 || s->deleted || strstr(s->json, "\"f\"")))
                continue;
            if (s && s->sequence <= checkpoint && known[i][k] < s->sequence)
                sim_fail(c->sim,
                         "client %d: its checkpoint is %lld, but of %s/k%d it knows %lld, not"
                         " %lld",
                         c->number, (long long)checkpoint, coll_names[i], k, (long long)known[i][k],
                         (long long)s->sequence);
        }
    }
}

/* ---- in sync --------------------------------------------------------------------- */

static int see_rejected(void *ctx, const replica_rejected_entry *entry)
{
    struct view *view = ctx;

    view->rejected[coll_named(entry->collection)][atoi(entry->id + 1)] = true;
    return 0;
}

/* Members of a bundle one of which is set aside. */
static void see_held(struct client *c, struct view *view)
{
    static const char sql[] =
        "SELECT c.name, d.id FROM state s JOIN doc d ON d.number = s.doc"
        " JOIN collection c ON c.id = d.coll WHERE s.todo = 3";
    sqlite3_stmt *stmt = NULL;

    if (sqlite3_prepare_v2(c->db->sqlite, sql, -1, &stmt, NULL) != SQLITE_OK)
        sim_fail(c->sim, "client %d: %s", c->number, sqlite3_errmsg(c->db->sqlite));
    while (sqlite3_step(stmt) == SQLITE_ROW) {
        int coll = coll_named((const char *)sqlite3_column_text(stmt, 0));

        view->rejected[coll][atoi((const char *)sqlite3_column_text(stmt, 1) + 1)] = true;
    }
    sqlite3_finalize(stmt);
}

void oracle_see(struct client *c, struct view *view)
{
    replica_error err = { .offset = -1 };
    int r = 0;

    for (int i = 0; r >= 0 && i < c->sim->plan.colls; i++) {
        replica_cursor *cursor = NULL;
        replica_doc *doc;

        r = replica_changes(c->colls[i], 0, &cursor, &err);
        while (r >= 0 && (r = replica_cursor_next(cursor, &doc, &err)) > 0)
            view->docs[i][atoi(replica_doc_id(doc) + 1)] = replica_doc_ref(doc);
        replica_cursor_close(cursor);
    }
    if (r >= 0)
        r = replica_rejected(c->db, NULL, see_rejected, view, &err);
    see_held(c, view);
    if (r < 0)
        sim_fail(c->sim, "client %d: %s", c->number, err.message);
}

void oracle_unsee(struct view *view)
{
    for (int i = 0; i < MAX_COLLS; i++) {
        for (int k = 0; k < MAX_KEYS; k++)
            replica_doc_unref(view->docs[i][k]);
    }
}

/* Is one of its states from there on outside the filter? */
static bool is_outside(const struct history *h, size_t from)
{
    for (size_t i = from; i < h->n; i++)
        if (strstr(h->states[i].json, "\"f\""))
            return true;
    return false;
}

/* The document is a state that the server has, or had later than the one that was newest at
 * head. */
static void check_document(struct client *c, int coll, int key, replica_doc *doc, int64_t head)
{
    const struct history *h = &c->sim->oracle->histories[coll][key];
    const char *json = doc ? replica_doc_json(doc, NULL) : "{}";
    bool deleted = !doc || replica_doc_deleted(doc);
    size_t least = 0;

    for (size_t i = 0; i < h->n && h->states[i].sequence <= head; i++)
        least = i;
    for (size_t i = least; i < h->n; i++) {
        if (oracle_same(json, deleted, &h->states[i]))
            return;
    }
    if (c->discarded[coll][key] && deleted)
        return;
    if (c->filtered && (deleted ? is_outside(h, least) : strstr(json, "\"f\"") != NULL))
        return;
    if (deleted && h->n > 0 && h->states[least].version < c->version)
        return; /* it waited for one who could bring it up */
    if (c->filtered && deleted && h->n > 0 && h->states[0].sequence > head)
        return; /* of its own, and never sent */
    if (h->n == 0 ? deleted : !doc && (h->states[0].sequence > head || c->sim->plan.rxdb))
        return;
    sim_fail(c->sim, "client %d says it is in sync at %lld, but has %s%s of %s/k%d", c->number,
             (long long)head, deleted ? "deleted " : "", json, coll_names[coll], key);
}

void oracle_check_in_sync(struct client *c)
{
    struct view view = { 0 };
    replica_sync_status status;

    if (c->sim->server.restored) /* of which a client learns when it asks */
        return;
    replica__session_status(c->session, &status);
    oracle_see(c, &view);
    for (int i = 0; i < c->sim->plan.colls; i++) {
        for (int k = 0; k < MAX_KEYS; k++) {
            if (!view.rejected[i][k])
                check_document(c, i, k, view.docs[i][k], status.head);
        }
    }
    oracle_unsee(&view);
}
