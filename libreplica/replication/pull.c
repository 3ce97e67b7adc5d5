/* Applying what was pulled: documents and checkpoint in one transaction.
 *
 * A document that is absent or clean here is written, and is clean.  One that is dirty or under way
 * is left alone, and the server's state is kept as unsettled: handlers are asked later, outside.
 * What cannot be a document here is set aside with its reason.  So the checkpoint never passes a
 * document about which nothing was done. */
#include "libreplica/accept.h"
#include "libreplica/replication/aside.h"
#include "libreplica/migrate/migrate.h"
#include "libreplica/replication/pull.h"
#include "libreplica/replication/replication.h"
#include "libreplica/shape.h"
#include "libreplica/txn.h"
#include "libreplica/write.h"

#include <string.h>

static int64_t version_of(const struct replica__pulled *doc)
{
    return doc->coll->version - doc->older;
}

static int origin_of(struct replica__pulling *p, const struct replica__pulled *doc,
                     struct replica__origin *ret, replica_error *err)
{
    size_t len;
    int r = 0;

    *ret = (struct replica__origin){ 0 };
    if (doc->writer && replica__operation_read(doc->writer, strlen(doc->writer), &len, &ret->wseq))
        r = replica__token_number(p->repl->db, doc->writer, len, true, &ret->writer, err);
    else
        ret->wseq = 0;
    return r < 0 ? r : 0;
}

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

int replica__keep_pulled(struct replica__pulling *p, const struct replica__pulled *doc,
                         const struct replica__accepted *a, int64_t *ret_kept, replica_error *err)
{
    struct replica__origin o;
    int r = origin_of(p, doc, &o, err);

    if (r < 0)
        return r;
    return replica__kept_add(p->repl->db,
                             &(struct replica__kept){
                                 .flags = (doc->deleted || a->deleted ? REPLICA__FLAG_DELETED : 0) |
                                          (p->half ? REPLICA__FLAG_HALF : 0),
                                 .version = version_of(doc),
                                 .incarnation = p->incarnation,
                                 .server_seq = doc->sequence,
                                 .stamp = doc->stamp,
                                 .writer = o.writer,
                                 .wseq = o.wseq,
                                 .bundle = doc->bundle,
                                 .body = a->json,
                                 .len = a->len,
                             },
                             1, ret_kept, err);
}

static int write_pulled(struct replica__pulling *p, const struct replica__pulled *doc,
                        const struct replica__accepted *a, const struct replica__row *old,
                        struct replica__written *ret, replica_error *err)
{
    struct replica__origin o;
    int risen, r = origin_of(p, doc, &o, err);
    const struct replica__write w = {
        .coll = doc->coll,
        .id = a->id,
        .id_len = a->id_len,
        .json = a->json,
        .len = a->len,
        .deleted = doc->deleted || a->deleted,
        .bundle = doc->bundle,
        .pulled = true,
        .versioned = true,
        .version = version_of(doc),
        .replication = p->repl->number,
        .stamp = doc->stamp,
        .writer = o.writer,
        .wseq = o.wseq,
    };

    if (r < 0)
        return r;
    r = old ? replica__write(p->repl->db, &w, old, ret, err)
            : replica__write_new(p->repl->db, &w, ret, err);
    if (r < 0 || !doc->older || w.deleted || (!old && r == 0))
        return r;
    risen = replica__migrate_again(p->repl->db, doc->coll->number, ret->number, err);
    return risen < 0 ? risen : r;
}

static int read_floor(struct replica__pulling *p, int64_t feed, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    int rc = SQLITE_OK;
    int r = replica__sql_get(p->repl->db, REPLICA__SQL_FEED_FLOOR, &stmt, err);

    if (r < 0)
        return r;
    replica__bind_int(stmt, 1, p->repl->number, &rc);
    replica__bind_int(stmt, 2, feed, &rc);
    r = replica__sql_step(p->repl->db, stmt, rc, err);
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

/* The document is in step: as it is stored under seq. */
int replica__state_clean(struct replica__pulling *p, struct replica__state *s,
                         const replica_collection *coll, int64_t seq, int64_t server_seq,
                         replica_error *err)
{
    replica_db *db = p->repl->db;
    int r = replica__state_drop_base(db, s, err);

    if (r >= 0)
        r = replica__state_drop_sent(db, s, err);
    if (r < 0)
        return r;
    s->clean_seq = seq;
    s->incarnation = server_seq ? p->incarnation : 0;
    s->server_seq = server_seq;
    s->version = replica__endpoint_version(p->repl, coll);
    s->rounds = s->todo = s->aside_seq = s->lost_seq = 0;
    return replica__state_put(db, s, err);
}

/* Same content for a clean document?  One that has yet to rise has another, for it would change.  A
 * server without sequence numbers sends our own writes back, as JavaScript printed them; then our
 * spelling stays. */
static bool is_same(const struct replica__pulling *p, const struct replica__pulled *doc,
                    const struct replica__accepted *a, const struct replica__row *row)
{
    if ((doc->deleted || a->deleted) != ((row->flags & REPLICA__FLAG_DELETED) != 0))
        return false;
    if (row->version != version_of(doc) && !(row->flags & REPLICA__FLAG_DELETED))
        return false;
    if (a->len == row->len && memcmp(a->json, row->body, a->len) == 0)
        return true;
    return !doc->sequence && replica__json_equal(a->json, a->len, row->body, row->len,
                                                 REPLICA_JSON_AS_JAVASCRIPT) > 0;
}

/* The same for one that is clean with a base: that is what the server had.  1, 0. */
static int is_base(const struct replica__pulling *p, const struct replica__pulled *doc,
                   const struct replica__accepted *a, const struct replica__state *s,
                   replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    struct replica__kept k;
    int r = s->base ? replica__kept_get(p->repl->db, s->base, &stmt, &k, err) : 0;

    if (r < 0 || !s->base)
        return r;
    return is_same(p, doc, a,
                   &(struct replica__row){ .flags = k.flags, .version = k.version,
                                           .body = k.body, .len = k.len });
}

/* In step as before, with what it has for a base. */
static int stays_clean(struct replica__pulling *p, struct replica__state *s,
                       const struct replica__pulled *doc, int64_t seq, replica_error *err)
{
    int64_t base = s->base;
    int r;

    s->base = 0;
    r = replica__state_clean(p, s, doc->coll, seq, doc->sequence, err);
    s->base = base;
    return r < 0 ? r : replica__state_put(p->repl->db, s, err);
}

static int apply_clean(struct replica__pulling *p, struct replica__pulled *doc,
                       const struct replica__accepted *a, const struct replica__row *row,
                       struct replica__state *s, replica_error *err)
{
    struct replica__written written = { .seq = row->seq };
    int r = is_base(p, doc, a, s, err);
    bool base = r > 0;

    if (r < 0)
        return r;
    if (base || is_same(p, doc, a, row)) {
        doc->outcome = REPLICA__PULLED_SAME;
    } else {
        doc->outcome = REPLICA__PULLED_WRITTEN;
        r = write_pulled(p, doc, a, row, &written, err);
    }
    if (r >= 0) /* this one is newer */
        r = replica__state_drop_unsettled(p->repl->db, s, err);
    if (r >= 0 && base && row->version > version_of(doc))
        return stays_clean(p, s, doc, row->seq, err);
    return r < 0 ? r : replica__state_clean(p, s, doc->coll, written.seq, doc->sequence, err);
}

/* Does the unsettled state say the same?  A server without sequence numbers tells it more than
 * once, in the stream and in a page; it is one question all the same. */
static int is_unsettled_already(struct replica__pulling *p, const struct replica__pulled *doc,
                                const struct replica__accepted *a, const struct replica__state *s,
                                replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    struct replica__kept k;
    int r;

    if (!s->unsettled || doc->sequence)
        return 0;
    r = replica__kept_get(p->repl->db, s->unsettled, &stmt, &k, err);
    if (r < 0)
        return r;
    return (doc->deleted || a->deleted) == ((k.flags & REPLICA__FLAG_DELETED) != 0) &&
           replica__json_equal(a->json, a->len, k.body, k.len, REPLICA_JSON_AS_JAVASCRIPT) > 0;
}

static int apply_dirty(struct replica__pulling *p, struct replica__pulled *doc,
                       const struct replica__accepted *a, const struct replica__row *row,
                       struct replica__state *s, replica_error *err)
{
    bool under_way = replica__state_under_way(p->repl->db, s, row);
    int64_t kept;
    int r = is_unsettled_already(p, doc, a, s, err);

    if (p->came_right && s->aside_seq == row->seq) /* a conflict that can be met now */
        s->aside_seq = s->rounds = 0;
    if (r > 0) {
        doc->outcome = REPLICA__PULLED_SAME;
        r = replica__state_put(p->repl->db, s, err);
        return r < 0 ? r : 0;
    }
    if (r < 0)
        return r;
    r = replica__keep_pulled(p, doc, a, &kept, err);
    if (r >= 0)
        r = replica__state_drop_unsettled(p->repl->db, s, err);
    if (r < 0)
        return r;
    s->unsettled = kept;
    /* From now on by itself: a range says nothing of unsettled ones. */
    if (under_way && !s->sent_seq) {
        s->sent_seq = row->seq;
        s->todo = REPLICA__TODO_NOW;
    }
    doc->outcome = REPLICA__PULLED_UNSETTLED;
    return replica__state_put(p->repl->db, s, err);
}

/* The server's number of the newest state of it that is known here. */
static int known_sequence(replica_db *db, const struct replica__state *s, int64_t *ret,
                          replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    struct replica__kept k;
    int r;

    *ret = s->server_seq;
    if (!s->unsettled)
        return 0;
    r = replica__kept_get(db, s->unsettled, &stmt, &k, err);
    if (r >= 0 && k.server_seq > *ret)
        *ret = k.server_seq;
    return r;
}

/* It can be applied: what was set aside of it is of the past. */
static int come_right(struct replica__pulling *p, const struct replica__pulled *doc,
                      const struct replica__accepted *a, replica_error *err)
{
    replica_db *db = p->repl->db;
    bool any = db->set_aside;
    int r = replica__aside_drop(db, p->repl->number, doc->coll->number, a->id,
                                REPLICA_ASIDE_UNAPPLIED, err);

    p->came_right = r >= 0 && any && sqlite3_changes(db->sqlite) > 0;
    return r;
}

/* Is it a state that is known, or one before it?  1, 0.  The known one is news where it confirms
 * what was in step with an older version's endpoint. */
static int is_old(struct replica__pulling *p, struct replica__pulled *doc,
                  const struct replica__row *row, const struct replica__state *s,
                  replica_error *err)
{
    int64_t known;
    int r = known_sequence(p->repl->db, s, &known, err);

    if (r < 0 || !doc->sequence || !known || doc->sequence > known)
        return r < 0 ? r : 0;
    if (doc->sequence == known && s->clean_seq == row->seq &&
        !replica__endpoint_has(p->repl, doc->coll, s))
        return 0;
    doc->outcome = REPLICA__PULLED_SAME;
    return 1;
}

static int apply_known(struct replica__pulling *p, struct replica__pulled *doc,
                       const struct replica__accepted *a, const struct replica__row *row,
                       replica_error *err)
{
    struct replica__state s;
    bool is_clean;
    int r = replica__state_get(p->repl->db, row->number, p->repl->number, &s, err);

    if (r >= 0)
        r = is_old(p, doc, row, &s, err);
    if (r != 0)
        return r < 0 ? r : 0;
    is_clean = s.clean_seq == row->seq && !s.sent_seq;
    if (doc->hint && !is_clean) { /* a handler must not take an old state for the newest one */
        doc->outcome = REPLICA__PULLED_PASSED;
        return 0;
    }
    r = come_right(p, doc, a, err);
    if (r < 0)
        return r;
    return is_clean ? apply_clean(p, doc, a, row, &s, err) : apply_dirty(p, doc, a, row, &s, err);
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
    int r;

    if (doc->doc.key.data)
        replica__json_unescape(doc->doc.key, &id);
    if (id.r == 0 && (id.len == 0 || strlen(id.data) < id.len))
        name_without_key(doc, &id);
    doc->outcome = REPLICA__PULLED_ASIDE;
    replica__free(doc->id);
    doc->id = id.r < 0 ? NULL : replica__strdup(id.data);
    if (!doc->id)
        return replica__enomem(err);
    r = replica__aside_put(p->repl->db,
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
    return r;
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

    if (r == 0 && is_purged(p, doc))
        return 0;
    if (r > 0) {
        r = replica__state_get(p->repl->db, row.number, p->repl->number, &s, err);
        if (r >= 0)
            r = is_old(p, doc, &row, &s, err);
    }
    if (r != 0)
        return r < 0 ? r : 0;
    if (doc->hint) {
        doc->outcome = REPLICA__PULLED_PASSED;
        return 0;
    }
    return set_aside(p, doc, why->code, why->message, err);
}

static int apply(struct replica__pulling *p, struct replica__pulled *doc, replica_error *err)
{
    REPLICA_ACCEPTED a = { 0 };
    REPLICA_STMT stmt = NULL;
    struct replica__written written;
    struct replica__row row;
    replica_error why = { .offset = -1 };
    bool look = !p->new_ones || p->purged;
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
    if (!replica__replication_has_key(p->repl, a.id, a.id_len)) {
        doc->outcome = REPLICA__PULLED_SAME;
        return 0;
    }
    if (!doc->deleted && !a.deleted && !doc->older)
        r = replica__shape_check(doc->coll, a.id, a.json, a.len, &why);
    if (r == REPLICA_ESCHEMA || r == REPLICA_ELIMIT)
        return misshapen(p, doc, &a, &why, err);
    if (r < 0)
        return replica__enomem(err);
    if (!look) { /* the last one was new: this one mostly is */
        r = write_pulled(p, doc, &a, NULL, &written, err);
        if (r < 0)
            return r;
        p->new_ones = r > 0;
        look = r == 0;
    }
    if (look) {
        r = replica__row_find(doc->coll, a.id, a.id_len, &stmt, &row, err);
        if (r > 0)
            return apply_known(p, doc, &a, &row, err);
        replica__sql_reset(&stmt);
        if (r == 0 && is_purged(p, doc))
            return 0;
        if (r == 0)
            r = write_pulled(p, doc, &a, NULL, &written, err);
        if (r < 0)
            return r;
        p->new_ones = true;
    }
    r = come_right(p, doc, &a, err);
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

int replica__pull_apply(struct replica__replication *repl, size_t feed,
                        struct replica__pulled *docs, size_t n, const char *incarnation,
                        const char *checkpoint, replica_error *err)
{
    struct replica__feed moved = repl->feeds[feed];
    REPLICA_FREE char *copy = NULL;
    REPLICA_TXN txn = NULL;
    struct replica__pulling p;
    int64_t before;
    int r;

    if (checkpoint && !(copy = replica__strdup(checkpoint)))
        return replica__enomem(err);
    r = replica__lease_begin(repl, &txn, err);
    if (r >= 0)
        r = replica__pulling_begin(&p, repl, incarnation, err);
    if (r < 0)
        return r;
    r = read_floor(&p, moved.coll, err);
    if (r >= 0)
        r = replica__replication_seen(repl, err);
    before = repl->db->head;
    if (r >= 0)
        r = apply_all(&p, docs, n, err);
    /* What was written here just now is clean; a mark at the head stays at the head. */
    if (moved.mark >= before)
        moved.mark = repl->db->head;
    if (copy)
        moved.checkpoint = copy;
    if (r >= 0)
        r = replica__feed_put(repl, &moved, err);
    if (r >= 0)
        r = replica__txn_commit(&txn, err);
    if (r < 0) {
        replica__txn_forget(repl->db); /* how far a migration is, too */
        for (size_t i = 0; i < n; i++)
            forget_id(&docs[i]);
        return r;
    }
    if (copy)
        copy = repl->feeds[feed].checkpoint; /* freed by the scope */
    repl->feeds[feed] = moved;
    return 0;
}
