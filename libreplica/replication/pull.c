/* Applying what was pulled: documents and checkpoint in one transaction.
 *
 * A document that is absent is written, and is clean; pulled.c has one that is here, erase.c one
 * that is not ours any more.  What cannot be a document here is set aside with its reason.  So the
 * checkpoint never passes a document about which nothing was done. */
#include "libreplica/accept.h"
#include "libreplica/index/index.h"
#include "libreplica/migrate/migrate.h"
#include "libreplica/replication/aside.h"
#include "libreplica/replication/erase.h"
#include "libreplica/replication/outside.h"
#include "libreplica/replication/pull.h"
#include "libreplica/replication/replication.h"
#include "libreplica/shape.h"
#include "libreplica/txn.h"
#include "libreplica/write.h"

#include <string.h>

int replica__pulling_begin(struct replica__pulling *p, struct replica__replication *repl,
                           const char *incarnation, replica_error *err)
{
    int r;

    *p = (struct replica__pulling){ .repl = repl };
    if (!incarnation || !*incarnation)
        return 0;
    r = replica__token_number(repl->db, incarnation, strlen(incarnation), true, &p->incarnation,
                              err);
    return r < 0 ? r : 0;
}

static int read_floor(struct replica__pulling *p, int64_t feed, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    int r = replica__sql_row(p->repl->db, REPLICA__SQL_FEED_FLOOR, &stmt, err, p->repl->number,
                             feed);

    if (r < 0)
        return r;
    p->floor = sqlite3_column_int64(stmt, 0);
    p->purged = sqlite3_column_int(stmt, 1);
    return 0;
}

/* A document that is absent here: may it be a state from before its deletion, which was purged? */
static bool is_purged(const struct replica__pulling *p, struct replica__pulled *doc)
{
    if (doc->sequence ? doc->sequence > p->floor : !doc->hint || !p->purged)
        return false;
    doc->outcome = doc->sequence ? REPLICA__PULLED_SAME : REPLICA__PULLED_PASSED;
    return true;
}

/* Each text without a usable key has an entry of its own, and the same one has the same. */
static void name_without_key(const struct replica__pulled *doc, struct replica__buf *id)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325); /* FNV-1a; the text may be no JSON */

    for (size_t i = 0; i < doc->doc.text.len; i++)
        hash = (hash ^ (unsigned char)doc->doc.text.data[i]) * UINT64_C(0x100000001b3);
    replica__buf_clear(id);
    replica__buf_printf(id, "?%016llx", (unsigned long long)hash);
}

static int set_aside(struct replica__pulling *p, struct replica__pulled *doc, int code,
                     const char *reason, replica_error *err)
{
    REPLICA_BUF id = REPLICA_BUF_INIT;

    if (doc->doc.key.data)
        replica__json_unescape(doc->doc.key, &id);
    if (id.r == 0 && (id.len == 0 || strlen(id.data) < id.len))
        name_without_key(doc, &id);
    doc->outcome = REPLICA__PULLED_ASIDE;
    replica__free(doc->id);
    doc->id = id.r < 0 ? NULL : replica__strdup(id.data);
    if (!doc->id)
        return replica__enomem(err);
    return replica__aside_came(p->repl->db,
                               &(struct replica__aside){
                                   .replication = p->repl->number,
                                   .coll = doc->coll->number,
                                   .id = doc->id,
                                   .kind = REPLICA_ASIDE_UNAPPLIED,
                                   .code = code,
                                   .reason = reason,
                                   .text = doc->doc.text.data,
                                   .text_len = doc->doc.text.len,
                               },
                               err);
}

/* It breaks the schema.  A state that is old anyway is passed over; an event may be one. */
static int misshapen(struct replica__pulling *p, struct replica__pulled *doc,
                     const struct replica__accepted *a, const replica_error *why,
                     replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    struct replica__state s;
    struct replica__row row;
    int r = replica__row_find(doc->coll, a->id, a->id_len, &stmt, &row, err);

    if (r == 0 && (p->outside || is_purged(p, doc)))
        return 0;
    if (r > 0) {
        r = replica__state_get(p->repl->db, row.number, p->repl->number, &s, err);
        if (r >= 0)
            r = replica__pulled_is_old(p, doc, &row, &s, err);
    }
    if (r != 0)
        return r < 0 ? r : 0;
    if (doc->hint) {
        doc->outcome = REPLICA__PULLED_PASSED;
        return 0;
    }
    return set_aside(p, doc, why->code, why->message, err);
}

/* One that is not ours any more; what was never here is not ours to miss. */
static int apply_gone(struct replica__pulling *p, struct replica__pulled *doc,
                      const struct replica__accepted *a, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    struct replica__row row;
    bool here;
    int r = replica__row_find(doc->coll, a->id, a->id_len, &stmt, &row, err);

    doc->outcome = REPLICA__PULLED_SAME;
    here = r > 0;
    if (r >= 0) /* its text goes in any case */
        r = replica__pulled_come_right(p, doc, a, err);
    if (r >= 0 && here && p->came_right) /* what waited for it is judged by the server again */
        r = replica__aside_let_in(p->repl->db, p->repl->number, &row, err);
    return r < 0 || !here ? r : replica__erase(p, doc, &row, err);
}

static int apply(struct replica__pulling *p, struct replica__pulled *doc, replica_error *err)
{
    REPLICA_ACCEPTED a = { 0 };
    REPLICA_STMT stmt = NULL;
    struct replica__written written;
    struct replica__row row;
    replica_error why = { .offset = -1 };
    bool look = !p->new_ones || p->purged || p->reconciles;
    int r;

    if (doc->problem)
        return set_aside(p, doc, doc->problem, doc->reason, err);
    r = replica__accept_scanned(doc->coll, &doc->doc, &a, &why);
    if (r == REPLICA_EJSON || r == REPLICA_ELIMIT)
        return set_aside(p, doc, r, why.message, err);
    if (r >= 0) {
        doc->id = replica__strndup(a.id, a.id_len);
        r = doc->id ? 0 : REPLICA_ENOMEM;
    }
    if (r < 0)
        return replica__enomem(err);
    if (doc->gone)
        return apply_gone(p, doc, &a, err);
    if (!replica__replication_has_key(p->repl, a.id, a.id_len)) {
        doc->outcome = REPLICA__PULLED_SAME;
        return 0;
    }
    r = replica__outside_came(p, doc, &a, err);
    if (r < 0)
        return r;
    p->outside = r > 0;
    look |= p->outside;
    if (!doc->deleted && !a.deleted && !doc->older)
        r = replica__shape_check(doc->coll, a.id, a.json, a.len, &why);
    if (r == REPLICA_ESCHEMA || r == REPLICA_ELIMIT)
        return misshapen(p, doc, &a, &why, err);
    if (r < 0)
        return replica__enomem(err);
    if (!look) { /* the last one was new: this one mostly is */
        r = replica__pulled_write(p, doc, &a, NULL, &written, err);
        if (r < 0)
            return r;
        p->new_ones = r > 0;
        look = r == 0;
    }
    if (look) {
        r = replica__row_find(doc->coll, a.id, a.id_len, &stmt, &row, err);
        if (r > 0)
            return replica__pulled_known(p, doc, &a, &row, err);
        replica__sql_reset(&stmt);
        if (r == 0 && is_purged(p, doc))
            return 0;
        if (r == 0 && (p->outside || (p->reconciles && (doc->deleted || a.deleted)))) {
            doc->outcome = REPLICA__PULLED_SAME; /* gone here, too, or never wanted */
            return 0;
        }
        if (r == 0)
            r = replica__pulled_write(p, doc, &a, NULL, &written, err);
        if (r < 0)
            return r;
        p->new_ones = true;
    }
    r = replica__pulled_come_right(p, doc, &a, err);
    if (r < 0)
        return r;
    doc->outcome = REPLICA__PULLED_WRITTEN;
    return replica__state_put(p->repl->db,
                              &(struct replica__state){
                                  .doc = written.number,
                                  .replication = p->repl->number,
                                  .clean_seq = written.seq,
                                  .incarnation = doc->sequence ? p->incarnation : 0,
                                  .server_seq = doc->sequence,
                                  .version = replica__endpoint_version(p->repl, doc->coll),
                              },
                              err);
}

int replica__doc_of_pulled(const struct replica__pulled *pulled, const char *id,
                           replica_doc **ret_doc, replica_error *err)
{
    REPLICA_ACCEPTED a = { 0 };
    int r = replica__accept_scanned(pulled->coll, &pulled->doc, &a, err);

    if (r < 0)
        return r;
    return replica__doc_new(pulled->coll, id, a.json, a.len, pulled->deleted || a.deleted, ret_doc,
                            err);
}

static void forget_id(struct replica__pulled *doc)
{
    replica__free(doc->id);
    doc->id = NULL;
}

/* What a unique index has no place for waits, and does not stop the rest. */
static int apply_or_set_aside(struct replica__pulling *p, struct replica__pulled *doc,
                              bool *ret_taken, replica_error *err)
{
    replica_error why = { .offset = -1 };
    int r = apply(p, doc, &why);

    if (r == REPLICA_ECONFLICT && p->repl->db->taken) {
        *ret_taken = true;
        return set_aside(p, doc, r, why.message, err);
    }
    if (r < 0 && err)
        *err = why;
    return r;
}

static int apply_all(struct replica__pulling *p, struct replica__pulled *docs, size_t n,
                     replica_error *err)
{
    bool taken = false, again = false;
    int r = 0;

    for (size_t i = 0; r >= 0 && i < n; i++)
        r = apply_or_set_aside(p, &docs[i], &taken, err);
    /* A later document of the page may have made room. */
    for (size_t i = 0; taken && r >= 0 && i < n; i++) {
        if (docs[i].outcome != REPLICA__PULLED_ASIDE || docs[i].problem)
            continue;
        forget_id(&docs[i]);
        r = apply_or_set_aside(p, &docs[i], &again, err);
    }
    return r;
}

/* Of what was erased, with all of the page at once; in large indexes behind it. */
static int forget_words(const struct replica__pulling *p, const struct replica__feed *feed,
                        replica_error *err)
{
    int left = 0, r = 0;

    if (!p->erased || !p->repl->db->indexed)
        return 0;
    for (size_t i = 0; r >= 0 && i < feed->n; i++) {
        r = replica__index_forget_words(feed->colls[i], err);
        left |= r > 0;
    }
    return r >= 0 && left ? replica__sql_run(p->repl->db, REPLICA__SQL_WORDS_LEFT, err) : r;
}

/* The feed as it is behind the page: its texts are copies, for the file and for us. */
static int move(struct replica__feed *moved, const struct replica__pull_page *page,
                replica_error *err)
{
    if (page->checkpoint && !(moved->checkpoint = replica__strdup(page->checkpoint)))
        return replica__enomem(err);
    if (!page->reconciles)
        return 0;
    moved->reconcile = replica__strdup(page->reconcile);
    return page->reconcile && !moved->reconcile ? replica__enomem(err) : 0;
}

static int put_reconcile(struct replica__replication *repl, const struct replica__feed *feed,
                         replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    int rc = SQLITE_OK;
    int r = replica__sql_get(repl->db, REPLICA__SQL_FEED_SET_RECONCILE, &stmt, err);

    if (r < 0)
        return r;
    replica__bind_int(stmt, 1, repl->number, &rc);
    replica__bind_int(stmt, 2, feed->coll, &rc);
    replica__bind_text(stmt, 3, feed->reconcile, REPLICA_NUL, &rc);
    return replica__sql_step(repl->db, stmt, rc, err);
}

/* What could not be applied comes again if it is still there, and still to be seen. */
static int forget_unapplied(struct replica__replication *repl, const struct replica__feed *feed,
                            replica_error *err)
{
    int r = repl->db->set_aside ? replica__txn_secure(repl->db, err) : 0;

    for (size_t i = 0; r >= 0 && i < feed->n && repl->db->set_aside; i++) {
        r = replica__sql_run(repl->db, REPLICA__SQL_ASIDE_UNKNOW, err, repl->number,
                             feed->colls[i]->number, REPLICA_ASIDE_UNAPPLIED);
        if (r >= 0)
            r = replica__sql_run(repl->db, REPLICA__SQL_ASIDE_UNKNOW_BESIDE, err, repl->number,
                                 feed->colls[i]->number);
    }
    return r;
}

static int apply_page(struct replica__replication *repl, struct replica__feed *moved,
                      const struct replica__pull_page *page, replica_error *err)
{
    REPLICA_TXN txn = NULL;
    struct replica__pulling p;
    int64_t before;
    int r = replica__lease_begin(repl, &txn, err);

    if (r >= 0)
        r = replica__pulling_begin(&p, repl, page->incarnation, err);
    if (r < 0)
        return r;
    p.reconciles = page->reconciles;
    if (!p.reconciles) /* else it is asked what is there now, and nothing is late */
        r = read_floor(&p, moved->coll, err);
    if (r >= 0)
        r = replica__replication_seen(repl, err);
    before = repl->db->head;
    if (r >= 0 && page->begins)
        r = forget_unapplied(repl, moved, err);
    if (r >= 0)
        r = apply_all(&p, page->docs, page->n, err);
    if (r >= 0)
        r = forget_words(&p, moved, err);
    /* What was written here just now is clean; a mark at the head stays at the head. */
    if (moved->mark >= before)
        moved->mark = repl->db->head;
    if (r >= 0)
        r = replica__feed_put(repl, moved, err);
    if (r >= 0 && page->reconciles)
        r = put_reconcile(repl, moved, err);
    return r < 0 ? r : replica__txn_commit(&txn, err);
}

int replica__pull_page(struct replica__replication *repl, size_t feed,
                       const struct replica__pull_page *page, replica_error *err)
{
    struct replica__feed *f = &repl->feeds[feed];
    struct replica__feed moved = *f;
    char *old_checkpoint = f->checkpoint, *old_reconcile = f->reconcile;
    int r = move(&moved, page, err);

    if (r >= 0)
        r = apply_page(repl, &moved, page, err);
    if (r >= 0) {
        *f = moved;
    } else {
        replica__txn_forget(repl->db); /* how far a migration is, too */
        for (size_t i = 0; i < page->n; i++)
            forget_id(&page->docs[i]);
    }
    if (moved.checkpoint != old_checkpoint)
        replica__free(r < 0 ? moved.checkpoint : old_checkpoint);
    if (moved.reconcile != old_reconcile)
        replica__free(r < 0 ? moved.reconcile : old_reconcile);
    return r < 0 ? r : 0;
}

int replica__pull_apply(struct replica__replication *repl, size_t feed,
                        struct replica__pulled *docs, size_t n, const char *incarnation,
                        const char *checkpoint, replica_error *err)
{
    return replica__pull_page(repl, feed,
                              &(struct replica__pull_page){ .docs = docs,
                                                            .n = n,
                                                            .incarnation = incarnation,
                                                            .checkpoint = checkpoint },
                              err);
}
