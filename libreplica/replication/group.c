#include "libreplica/replication/group.h"

#include "libreplica/db.h"

#include <stdlib.h>
#include <string.h>

/* ---- numbers that were met --------------------------------------------------------- */

static size_t slot_of(const struct replica__met *met, int64_t number)
{
    size_t at = (size_t)((uint64_t)number * UINT64_C(0x9e3779b97f4a7c15) >> 32) % met->room;

    while (met->slots[at] && met->slots[at] != number)
        at = (at + 1) % met->room;
    return at;
}

bool replica__met_has(const struct replica__met *met, int64_t number)
{
    return met->room && met->slots[slot_of(met, number)];
}

static int grow(struct replica__met *met, replica_error *err)
{
    struct replica__met grown = { .room = met->room ? met->room * 2 : 64 };

    grown.slots = replica__alloc_zero(grown.room, sizeof *grown.slots);
    if (!grown.slots)
        return replica__enomem(err);
    for (size_t i = 0; i < met->room; i++) {
        if (met->slots[i])
            grown.slots[slot_of(&grown, met->slots[i])] = met->slots[i];
    }
    grown.n = met->n;
    replica__free(met->slots);
    *met = grown;
    return 0;
}

int replica__met_add(struct replica__met *met, int64_t number, replica_error *err)
{
    size_t at;
    int r = met->n * 2 >= met->room ? grow(met, err) : 0;

    if (r < 0)
        return r;
    at = slot_of(met, number);
    met->n += met->slots[at] == 0;
    met->slots[at] = number;
    return 0;
}

void replica__met_clear(struct replica__met *met)
{
    replica__free(met->slots);
    *met = (struct replica__met){ 0 };
}

/* ---- the group of a document ------------------------------------------------------- */

struct found {
    int64_t (*docs)[2]; /* sequence number, number */
    size_t n, room;
};

static int add_doc(struct found *f, int64_t seq, int64_t number, replica_error *err)
{
    if (f->n == f->room) {
        size_t room = f->room ? f->room * 2 : 16;
        int64_t(*grown)[2] = replica__realloc(f->docs, room, sizeof *grown);

        if (!grown)
            return replica__enomem(err);
        f->docs = grown;
        f->room = room;
    }
    f->docs[f->n][0] = seq;
    f->docs[f->n++][1] = number;
    return 0;
}

/* The smallest name: the same one, whichever member is asked. */
static int take_name(struct replica__group *g, const char *name, replica_error *err)
{
    if (!name || (g->bundle && strcmp(g->bundle, name) <= 0))
        return name ? 0 : replica__enomem(err);
    replica__free(g->bundle);
    g->bundle = replica__strdup(name);
    return g->bundle ? 0 : replica__enomem(err);
}

/* Rows are documents, and the bundles that join them. */
static int read_rows(replica_db *db, sqlite3_stmt *stmt, int rc, struct found *f,
                     struct replica__group *g, replica_error *err)
{
    int r;

    while ((r = replica__sql_step(db, stmt, rc, err)) > 0) {
        if (sqlite3_column_type(stmt, 0) != SQLITE_NULL) {
            r = add_doc(f, sqlite3_column_int64(stmt, 1), sqlite3_column_int64(stmt, 0), err);
        } else {
            r = take_name(g, (const char *)sqlite3_column_text(stmt, 2), err);
            g->firm |= sqlite3_column_int(stmt, 3) != 0;
        }
        if (r < 0)
            return r;
    }
    return r;
}

static int compare(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

static int sort(struct found *f, struct replica__group *g, replica_error *err)
{
    g->docs = replica__alloc(f->n * sizeof *g->docs);
    if (!g->docs)
        return replica__enomem(err);
    qsort(f->docs, f->n, sizeof *f->docs, compare);
    for (size_t i = 0; i < f->n; i++)
        g->docs[i] = f->docs[i][1];
    g->n = f->n;
    return 0;
}

int replica__group_find(replica_db *db, int64_t replication, int64_t coll, int64_t doc, bool sent,
                        struct replica__group *ret, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    REPLICA_GROUP g = { 0 };
    struct found f = { 0 };
    int rc = SQLITE_OK;
    int r = replica__sql_get(db, REPLICA__SQL_MEMBER_GROUP, &stmt, err);

    if (r < 0)
        return r;
    replica__bind_int(stmt, 1, doc, &rc);
    replica__bind_int(stmt, 2, replication, &rc);
    replica__bind_int(stmt, 3, coll, &rc);
    replica__bind_int(stmt, 4, sent, &rc);
    r = read_rows(db, stmt, rc, &f, &g, err);
    if (r >= 0)
        r = sort(&f, &g, err);
    replica__free(f.docs);
    if (r < 0)
        return r;
    *ret = g;
    g = (struct replica__group){ 0 };
    return 0;
}

void replica__group_free(struct replica__group *group)
{
    replica__free(group->docs);
    replica__free(group->bundle);
    *group = (struct replica__group){ 0 };
}
