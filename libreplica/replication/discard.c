/* Documents that are set aside are given up: they go back to the server's state, with all that
 * bundles join them to. */
#include "libreplica/collection.h"
#include "libreplica/document.h"
#include "libreplica/migrate/migrate.h"
#include "libreplica/replication/aside.h"
#include "libreplica/replication/conflict_log.h"
#include "libreplica/replication/discard.h"
#include "libreplica/replication/group.h"
#include "libreplica/txn.h"
#include "libreplica/write.h"

#include <string.h>

int replica__endpoint_of(replica_db *db, int64_t replication, const replica_collection *coll,
                         int64_t *ret, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    int r = replica__sql_row(db, REPLICA__SQL_REPL_COLL_FIND, &stmt, err, replication,
                             coll->number);

    if (r >= 0)
        *ret = r > 0 ? sqlite3_column_int64(stmt, 1) : coll->version;
    return r;
}

/* Is the state to which a document goes back one that the replication has no use for: it is outside
 * the filter, or the server has a newer one that is?  1, 0. */
static int is_left(replica_db *db, const struct replica__state *s, const struct replica__kept *k,
                   bool deleted, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    int rc = SQLITE_OK;
    int r;

    if (deleted)
        return 0;
    if (s->left_seq > (s->unsettled ? k->server_seq : s->server_seq))
        return 1;
    r = replica__sql_get(db, REPLICA__SQL_REPL_WANTS, &stmt, err);
    if (r < 0)
        return r;
    replica__bind_int(stmt, 1, s->replication, &rc);
    replica__bind_text(stmt, 2, k->body, k->len, &rc);
    r = replica__sql_step(db, stmt, rc, err);
    return r > 0 ? !sqlite3_column_int(stmt, 0) : r;
}

int replica__go_back(replica_db *db, const struct replica__row *row, struct replica__state *s,
                     replica_collection *coll, const char *rule, replica_error *err)
{
    int64_t to = s->unsettled ? s->unsettled : s->base;
    REPLICA_STMT stmt = NULL;
    struct replica__kept k = { .flags = REPLICA__FLAG_DELETED,
                               .version = row->version,
                               .body = row->body,
                               .len = row->len };
    struct replica__written written = { 0 };
    REPLICA_BUF key = REPLICA_BUF_INIT;
    int64_t endpoint;
    bool bring, lost;
    int left = 0, r = 0;

    if (!to && s->server_seq) { /* the server's own state, risen here: no edit of it can go back */
        s->rounds = s->aside_seq = 0;
        s->todo = REPLICA__TODO_NOW;
        return replica__state_put(db, s, err);
    }
    if (to)
        r = replica__kept_get(db, to, &stmt, &k, err);
    if (r >= 0)
        r = replica__conflict_log_add(db,
                                      &(struct replica__logged){
                                          .replication = s->replication,
                                          .row = row,
                                          .rule = rule,
                                          .assumed = s->base,
                                          .real = to,
                                          .result = to ? NULL : &k,
                                      },
                                      err);
    if (r >= 0)
        r = left = is_left(db, s, &k, (k.flags & REPLICA__FLAG_DELETED) != 0, err);
    if (left > 0) {
        replica__row_key_text(coll->key, row, &key);
        k = (struct replica__kept){ .flags = REPLICA__FLAG_DELETED, .version = row->version,
                                    .body = key.data, .len = key.len };
    }
    if (r >= 0 && key.r < 0)
        r = replica__enomem(err);
    if (r >= 0)
        r = replica__write(db,
                           &(struct replica__write){
                               .coll = coll,
                               .id = row->id,
                               .id_len = row->id_len,
                               .json = k.body,
                               .len = k.len,
                               .deleted = (k.flags & REPLICA__FLAG_DELETED) != 0,
                               .bundle = k.bundle,
                               .pulled = true,
                               .replication = s->replication,
                               .stamp = k.stamp,
                               .writer = k.writer ? k.writer : k.opening,
                               .wseq = k.wseq,
                               .versioned = true,
                               .version = k.version,
                           },
                           row, &written, err);
    /* A text of an older version rises, and the server is to have it in this one. */
    if (r >= 0 && k.version < coll->version && !(k.flags & REPLICA__FLAG_DELETED))
        r = replica__migrate_again(db, coll->number, row->number, err);
    if (r < 0)
        return r;
    r = replica__endpoint_of(db, s->replication, coll, &endpoint, err);
    if (r < 0)
        return r;
    bring = to && !(k.flags & REPLICA__FLAG_DELETED) &&
            (k.version < endpoint || k.flags & REPLICA__FLAG_OLDER || s->version != endpoint);
    lost = to && !s->unsettled && s->lost_seq && !s->server_seq;
    s->clean_seq = lost ? 0 : written.seq;
    s->lost_seq = lost ? written.seq : 0;
    if (s->unsettled || left) {
        s->incarnation = k.incarnation;
        s->server_seq = k.server_seq;
    }
    s->left_seq = 0;
    s->rounds = s->todo = s->aside_seq = 0;
    if (bring)
        replica__state_bring(s, endpoint, written.seq);
    else if (lost) /* the server's state, which it has lost: it is brought back, see lost.c */
        s->todo = REPLICA__TODO_NOW;
    replica__sql_reset(&stmt);
    r = replica__state_drop_unsettled(db, s, err);
    if (r >= 0)
        r = replica__state_drop_base(db, s, err);
    return r < 0 ? r : replica__state_put(db, s, err);
}

/* The collections of a group, borrowed. */
struct borrowed {
    replica_collection **colls;
    size_t n;
};

static void give_back(struct borrowed *b)
{
    for (size_t i = 0; i < b->n; i++)
        replica__collection_return(&b->colls[i]);
    replica__free(b->colls);
}
#define BORROWED __attribute__((cleanup(give_back))) struct borrowed

static replica_collection *borrowed_of(const struct borrowed *b, int64_t coll)
{
    for (size_t i = 0; i < b->n; i++) {
        if (b->colls[i]->number == coll)
            return b->colls[i];
    }
    return NULL;
}

static int borrow(replica_db *db, int64_t number, struct borrowed *b, replica_error *err)
{
    replica_collection **grown;
    char name[65];
    int r;

    if (borrowed_of(b, number))
        return 0;
    grown = replica__realloc(b->colls, b->n + 1, sizeof(replica_collection *));
    if (!grown)
        return replica__enomem(err);
    b->colls = grown;
    b->colls[b->n] = NULL;
    r = replica__collection_name(db, number, name, err);
    if (r >= 0)
        r = replica__collection_borrow(db, name, &b->colls[b->n], err);
    b->n += r >= 0;
    return r;
}

/* The documents of its group; only it, if it is of none.  1; 0: it is not stored. */
static int group_of(replica_db *db, const struct replica__aside_target *t,
                    struct replica__group *ret, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    struct replica__row row;
    int64_t doc;
    int r = replica__row_find_in(db, t->coll, t->id, REPLICA_NUL, &stmt, &row, err);

    if (r <= 0)
        return r;
    doc = row.number;
    replica__sql_reset(&stmt);
    r = replica__group_find(db, t->replication, 0, doc, false, ret, err);
    return r < 0 ? r : 1;
}

/* Opening a collection may write, which cannot be inside the transaction. */
static int borrow_all(replica_db *db, const struct replica__aside_target *t, struct borrowed *b,
                      replica_error *err)
{
    REPLICA_GROUP g = { 0 };
    int r = borrow(db, t->coll, b, err);

    if (r >= 0)
        r = group_of(db, t, &g, err);
    for (size_t i = 0; r >= 0 && i < g.n; i++) {
        REPLICA_STMT stmt = NULL;
        struct replica__row row;
        int64_t coll;

        r = replica__row_by_number(db, g.docs[i], &stmt, &row, err);
        if (r <= 0)
            continue;
        coll = row.coll;
        replica__sql_reset(&stmt);
        r = borrow(db, coll, b, err);
    }
    return r < 0 ? r : 0;
}

static int discard_one(replica_db *db, const struct replica__aside_target *t, int64_t doc,
                       const struct borrowed *b, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    struct replica__state s = { 0 };
    struct replica__row row;
    replica_collection *coll;
    int r = replica__row_by_number(db, doc, &stmt, &row, err);

    if (r > 0)
        r = replica__state_get(db, row.number, t->replication, &s, err);
    if (r < 0)
        return r;
    coll = borrowed_of(b, row.coll);
    if (!coll)
        return replica__error_set(err, REPLICA_EBUSY, 0, "'%s' joined its bundle just now", row.id);
    if (s.aside_seq != row.seq && replica__state_under_way(db, &s, &row))
        return replica__error_set(err, REPLICA_EBUSY, 0, "'%s' of its bundle is on its way",
                                  row.id);
    r = replica__go_back(db, &row, &s, coll, "discarded", err);
    if (r >= 0)
        r = replica__aside_give_up(db, t->replication, row.coll, row.id, err);
    return r;
}

/* It must be set aside itself; what bundles join it to goes back with it. */
static int discard(replica_db *db, const struct replica__aside_target *t, const struct borrowed *b,
                   replica_error *err)
{
    REPLICA_GROUP g = { 0 };
    REPLICA_STMT stmt = NULL;
    struct replica__state s = { 0 };
    struct replica__row row;
    int r = replica__row_find_in(db, t->coll, t->id, REPLICA_NUL, &stmt, &row, err);

    if (r > 0)
        r = replica__state_get(db, row.number, t->replication, &s, err);
    if (r < 0)
        return r;
    if (s.aside_seq == 0 || s.aside_seq != row.seq)
        return replica__error_set(err, REPLICA_ENOTSUP, 0, "'%s' has no local state to discard",
                                  t->id);
    replica__sql_reset(&stmt);
    r = group_of(db, t, &g, err);
    for (size_t i = 0; r >= 0 && i < g.n; i++)
        r = discard_one(db, t, g.docs[i], b, err);
    return r;
}

int replica_rejected_discard(replica_db *db, int64_t number, replica_error *err)
{
    REPLICA_TXN txn = NULL;
    BORROWED b = { 0 };
    struct replica__aside_target t = { 0 };
    int r;

    if (!db)
        return replica__error_set(err, REPLICA_EINVAL, 0, "no database");
    r = replica__aside_find(db, number, &t, err);
    if (r <= 0)
        return r;
    if (t.kind != REPLICA_ASIDE_REVOKED)
        r = borrow_all(db, &t, &b, err);
    if (r >= 0)
        r = replica__txn_begin(db, &txn, err);
    if (r >= 0 && t.kind != REPLICA_ASIDE_REVOKED)
        r = discard(db, &t, &b, err);
    if (r >= 0)
        r = replica__sql_run(db, REPLICA__SQL_ASIDE_DELETE, err, number);
    replica__free(t.id);
    if (r >= 0)
        r = replica__txn_commit(&txn, err);
    return r < 0 ? r : 1;
}
