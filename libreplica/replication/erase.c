/* Taking documents away that are still at the server: access to them has ended, or they have left
 * the filter.
 *
 * What stays is a tombstone that has nothing but the key, in step with every replication, so that
 * nothing is pushed and whatever the server sends of it later is written; a local insert over it is
 * a new document.  Its text goes, the bases, sent and real states of all replications, its history
 * and what was set aside because it could not be applied; and where access has ended, the conflict
 * log's entries.  What SQLite frees in such a transaction is overwritten. */
#include "libreplica/replication/erase.h"

#include "libreplica/collection.h"
#include "libreplica/feed.h"
#include "libreplica/history.h"
#include "libreplica/migrate/migrate.h"
#include "libreplica/purge.h"
#include "libreplica/replication/aside.h"
#include "libreplica/replication/conflict_log.h"
#include "libreplica/replication/elsewhere.h"
#include "libreplica/replication/group.h"
#include "libreplica/txn.h"
#include "libreplica/write.h"

#include <string.h>

#define REVOKED 403

/* ---- the edit ---------------------------------------------------------------------- */

/* What bundles join to an edit that cannot go out any more cannot go without it. */
static int hold_member(struct replica__pulling *p, int64_t number, replica_error *err)
{
    replica_db *db = p->repl->db;
    REPLICA_STMT stmt = NULL;
    struct replica__state s;
    struct replica__row row;
    int r = replica__row_by_number(db, number, &stmt, &row, err);

    if (r > 0)
        r = replica__state_get(db, number, p->repl->number, &s, err);
    if (r < 0 || s.clean_seq == row.seq || replica__state_under_way(db, &s, &row))
        return r;
    return replica__aside_set(db,
                              &(struct replica__aside){
                                  .replication = p->repl->number,
                                  .coll = row.coll,
                                  .id = row.id,
                                  .kind = REPLICA_ASIDE_REFUSED,
                                  .code = REVOKED,
                                  .reason = "access to another document of its bundle ended",
                              },
                              &s, row.seq, err);
}

static int hold_group(struct replica__pulling *p, int64_t number, replica_error *err)
{
    REPLICA_GROUP g = { 0 };
    int r = p->repl->db->bundled ? replica__group_find(p->repl->db, p->repl->number, 0, number,
                                                       false, &g, err)
                                 : 0;

    for (size_t i = 0; r >= 0 && i < g.n; i++) {
        if (g.docs[i] != number)
            r = hold_member(p, g.docs[i], err);
    }
    return r < 0 ? r : 0;
}

/* It is set aside for this replication; or, where this one has sent it, for the others. */
static int reject(struct replica__pulling *p, struct replica__pulled *doc,
                  const struct replica__row *row, bool clean, replica_error *err)
{
    bool deleted = row->flags & REPLICA__FLAG_DELETED;
    const char *reason = deleted ? "access ended before its deletion was sent"
                                 : "access ended before the edit was sent";
    const struct replica__aside entry = {
        .replication = p->repl->number,
        .coll = row->coll,
        .id = row->id,
        .kind = REPLICA_ASIDE_REVOKED,
        .code = REVOKED,
        .reason = reason,
        .text = deleted ? NULL : row->body,
        .text_len = row->len,
    };
    int r;

    if (clean)
        return replica__elsewhere_reject(p->repl->db, row, &entry, err);
    r = replica__aside_put(p->repl->db, &entry, err);
    if (r >= 0)
        r = hold_group(p, row->number, err);
    doc->problem = REVOKED;
    doc->reason = reason;
    doc->outcome = REPLICA__PULLED_ASIDE;
    return r;
}

/* ---- the document ------------------------------------------------------------------ */

/* Nothing of it for any replication; in step here, with no number of the server's. */
static int forget_numbers(struct replica__pulling *p, const replica_collection *coll,
                          int64_t number, replica_error *err)
{
    struct replica__state s;
    int r = replica__state_get(p->repl->db, number, p->repl->number, &s, err);

    if (r < 0)
        return r;
    s.server_seq = s.incarnation = s.left_seq = 0;
    s.version = replica__endpoint_version(p->repl, coll);
    return replica__state_put(p->repl->db, &s, err);
}

static int write_tombstone(struct replica__pulling *p, replica_collection *coll,
                           const struct replica__row *row, replica_error *err)
{
    REPLICA_BUF key = REPLICA_BUF_INIT;
    struct replica__written written;
    int r;

    replica__row_key_text(coll->key, row, &key);
    if (key.r < 0)
        return replica__enomem(err);
    r = replica__write(p->repl->db,
                       &(struct replica__write){
                           .coll = coll,
                           .id = row->id,
                           .id_len = row->id_len,
                           .json = key.data,
                           .len = key.len,
                           .deleted = true,
                           .pulled = true,
                           .replication = p->repl->number,
                           .kind = REPLICA__WRITE_ERASED,
                       },
                       row, &written, err);
    return r < 0 ? r : forget_numbers(p, coll, row->number, err);
}

static int take_away(struct replica__pulling *p, struct replica__pulled *doc,
                     const struct replica__row *row, replica_error *err)
{
    replica_db *db = p->repl->db;
    int r = replica__txn_secure(db, err);

    p->erased = true;
    if (r >= 0)
        r = replica__history_trim(db, row->number, 0, err);
    if (r >= 0 && doc->gone == REPLICA__GONE_VIEW)
        r = replica__conflict_log_forget(db, row->coll, row->id, err);
    if (r >= 0)
        r = replica__aside_drop(db, p->repl->number, row->coll, row->id, 0, err);
    return r < 0 ? r : write_tombstone(p, doc->coll, row, err);
}

/* A tombstone that has its key only. */
static bool is_erased(const replica_collection *coll, const struct replica__row *row)
{
    REPLICA_BUF key = REPLICA_BUF_INIT;

    if (!(row->flags & REPLICA__FLAG_DELETED))
        return false;
    replica__row_key_text(coll->key, row, &key);
    return key.r >= 0 && key.len == row->len && memcmp(key.data, row->body, key.len) == 0;
}

/* What never was at the server, as far as is known here, was not taken away by it. */
static bool was_there(const struct replica__state *s)
{
    return s->server_seq || s->base || s->unsettled || s->clean_seq;
}

/* It left the filter.  What is to be sent first, there or elsewhere, stays; so does what others
 * want and have, though this one has no use for it any more. */
static int leave(struct replica__pulling *p, struct replica__pulled *doc,
                 const struct replica__row *row, struct replica__state *s, bool clean,
                 replica_error *err)
{
    replica_db *db = p->repl->db;
    int r = clean ? replica__doc_passed(db, row, 0, err) : 0;

    if (!clean && doc->sequence) { /* what is known of it here is not the newest */
        s->left_seq = doc->sequence;
        r = replica__state_put(db, s, err);
    }
    if (r > 0) {
        r = replica__elsewhere_wanted(db, row->number, p->repl->number, err);
        if (r == 0)
            return take_away(p, doc, row, err);
        if (r > 0)
            r = forget_numbers(p, doc->coll, row->number, err);
    }
    doc->outcome = REPLICA__PULLED_SAME;
    return r < 0 ? r : 0;
}

int replica__erase(struct replica__pulling *p, struct replica__pulled *doc,
                   const struct replica__row *row, replica_error *err)
{
    struct replica__state s;
    int64_t known = 0;
    bool clean;
    int r = replica__state_get(p->repl->db, row->number, p->repl->number, &s, err);

    if (r > 0)
        r = replica__known_sequence(p->repl->db, &s, &known, err);
    if (r < 0 || !was_there(&s) || (doc->sequence && doc->sequence < known))
        return r < 0 ? r : 0;
    clean = (s.clean_seq == row->seq || s.lost_seq == row->seq) && !s.sent_seq && !s.unsettled;
    if (clean && is_erased(doc->coll, row))
        return 0;
    doc->outcome = REPLICA__PULLED_WRITTEN;
    if (doc->gone == REPLICA__GONE_FILTER)
        return leave(p, doc, row, &s, clean, err);
    r = reject(p, doc, row, clean || s.lost_seq == row->seq, err);
    if (r >= 0)
        r = replica__elsewhere_ask(p->repl->db, row->number, p->repl->number, err);
    return r < 0 ? r : take_away(p, doc, row, err);
}
