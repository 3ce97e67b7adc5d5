/* What becomes of a document that is here when a state of the server comes: one that is clean is
 * replaced, one that is not is left alone, with the server's state as unsettled. */
#include "libreplica/replication/outside.h"
#include "libreplica/replication/pull.h"

#include "libreplica/migrate/migrate.h"
#include "libreplica/replication/aside.h"
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

int replica__pulled_write(struct replica__pulling *p, const struct replica__pulled *doc,
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
    if (server_seq >= s->left_seq)
        s->left_seq = 0;
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
        r = replica__pulled_write(p, doc, a, row, &written, err);
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

int replica__known_sequence(replica_db *db, const struct replica__state *s, int64_t *ret,
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

int replica__pulled_come_right(struct replica__pulling *p, const struct replica__pulled *doc,
                      const struct replica__accepted *a, replica_error *err)
{
    return replica__aside_came_right(p->repl->db, p->repl->number, doc->coll->number, a->id,
                                     &p->came_right, err);
}

int replica__pulled_is_old(struct replica__pulling *p, struct replica__pulled *doc,
                  const struct replica__row *row, const struct replica__state *s,
                  replica_error *err)
{
    int64_t known;
    int r = replica__known_sequence(p->repl->db, s, &known, err);

    if (r < 0 || !doc->sequence || !known || doc->sequence > known)
        return r < 0 ? r : 0;
    if (doc->sequence == known && s->clean_seq == row->seq &&
        (p->reconciles || !replica__endpoint_has(p->repl, doc->coll, s)))
        return 0; /* it was asked for: under other rules its text is another one */
    doc->outcome = REPLICA__PULLED_SAME;
    return 1;
}

int replica__pulled_known(struct replica__pulling *p, struct replica__pulled *doc,
                       const struct replica__accepted *a, const struct replica__row *row,
                       replica_error *err)
{
    struct replica__state s;
    bool is_clean;
    int r = replica__state_get(p->repl->db, row->number, p->repl->number, &s, err);

    if (r >= 0)
        r = replica__pulled_is_old(p, doc, row, &s, err);
    if (r != 0)
        return r < 0 ? r : 0;
    is_clean = s.clean_seq == row->seq && !s.sent_seq;
    if (doc->hint && !is_clean) { /* a handler must not take an old state for the newest one */
        doc->outcome = REPLICA__PULLED_PASSED;
        return 0;
    }
    r = replica__pulled_come_right(p, doc, a, err);
    if (r < 0)
        return r;
    if (!is_clean)
        return apply_dirty(p, doc, a, row, &s, err);
    if (p->outside && row->flags & REPLICA__FLAG_DELETED) {
        doc->outcome = REPLICA__PULLED_SAME;
        return 0;
    }
    r = apply_clean(p, doc, a, row, &s, err);
    return r < 0 ? r : replica__outside_leave(p, doc->coll, row->number, err);
}
