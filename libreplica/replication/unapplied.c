/* Texts of the server that could not be applied, and perhaps can be now: the schema was corrected,
 * the limit raised, the place in a unique index given up.  The server's document has not changed
 * since, so nothing would bring it by itself. */
#include "libreplica/accept.h"
#include "libreplica/collection.h"
#include "libreplica/index/index.h"
#include "libreplica/replication/replication.h"
#include "libreplica/shape.h"
#include "libreplica/txn.h"

#include <string.h>

/* So many are looked at each time: there may be any number that nothing will ever mend. */
#define MOST_LOOKED_AT 1000

struct search {
    struct replica__replication *repl;
    size_t seen, n;
    int64_t found[MOST_LOOKED_AT]; /* numbers of entries */
    int r;
};

static replica_collection *collection_of(const struct replica__replication *repl, const char *name)
{
    for (size_t i = 0; i < repl->n; i++) {
        if (strcmp(replica_collection_name(repl->colls[i]), name) == 0)
            return repl->colls[i];
    }
    return NULL;
}

/* The way that a pulled text goes, without writing it. */
static int would_fit(replica_collection *coll, const char *json, size_t len)
{
    REPLICA_ACCEPTED a = { 0 };
    struct replica__json_limits limits;
    struct replica__json_doc doc;
    size_t max_key, pos = 0;
    int r;

    replica__db_limits(coll->db, &limits, &max_key);
    r = replica__json_scan(json, len, &pos, replica_collection_key(coll), &limits, &doc, NULL);
    if (r >= 0)
        r = replica__accept_scanned(coll, &doc, &a, NULL);
    if (r >= 0 && !a.deleted)
        r = replica__shape_check(coll, a.id, a.json, a.len, NULL);
    if (r >= 0 && !a.deleted && coll->db->indexed)
        r = replica__index_fits(coll, a.id, a.id_len, a.json, a.len, NULL);
    return r;
}

static int look_at(void *ctx, const replica_rejected_entry *e)
{
    struct search *s = ctx;
    replica_collection *coll = collection_of(s->repl, e->collection);
    int r;

    if (e->kind == REPLICA_ASIDE_REVOKED || !e->text || !coll ||
        strcmp(e->replication, s->repl->name) != 0)
        return 0;
    r = would_fit(coll, e->text, e->text_len);
    if (r == REPLICA_ENOMEM) {
        s->r = r;
        return 1;
    }
    if (r >= 0)
        s->found[s->n++] = e->number;
    return ++s->seen == MOST_LOOKED_AT;
}

/* At one moment: an index is part of it. */
static int search(struct search *s, replica_error *err)
{
    replica_db *read = NULL;
    int r = replica__read_begin(s->repl->db, &read, err);

    if (r >= 0)
        r = replica_rejected(s->repl->db, NULL, look_at, s, err);
    s->repl->db->taken = false;
    replica__read_end(&read);
    return r;
}

int replica__replication_mend(struct replica__replication *repl, replica_error *err)
{
    replica_db *db = repl->db;
    REPLICA_FREE struct search *s = NULL;
    int r = replica__txn_know(db, err);

    if (r < 0 || !db->set_aside)
        return r < 0 ? r : 0;
    s = replica__alloc_zero(1, sizeof *s);
    if (!s)
        return replica__enomem(err);
    s->repl = repl;
    r = search(s, err);
    if (r >= 0 && s->r < 0)
        r = replica__enomem(err);
    for (size_t i = 0; r >= 0 && i < s->n; i++)
        r = replica_rejected_retry(db, s->found[i], err);
    return r < 0 ? r : s->n > 0;
}
