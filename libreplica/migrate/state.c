/* What replications know of a document, when a migration writes it: see the table in migrate.h. */
#include "libreplica/replication/aside.h"
#include "libreplica/replication/conflict_log.h"
#include "libreplica/document.h"
#include "libreplica/migrate/migrate.h"
#include "libreplica/write.h"

/* The state that was sent, as the new version has it, under the operation that it had. */
static int keep_sent(replica_db *db, const struct replica__row *old,
                     const struct replica__write *w, int64_t *ret_kept, replica_error *err)
{
    return replica__kept_add(db,
                             &(struct replica__kept){
                                 .flags = old->flags & REPLICA__FLAG_DELETED,
                                 .version = w->coll->version,
                                 .stamp = old->stamp,
                                 .opening = old->opening,
                                 .writer = old->writer,
                                 .wseq = old->writer ? old->wseq : old->seq,
                                 .bundle = old->bundle,
                                 .body = w->json,
                                 .len = w->len,
                             },
                             1, ret_kept, err);
}

static int follow(replica_db *db, struct replica__state *s, const struct replica__row *old,
                  const struct replica__write *w, int64_t seq, replica_error *err)
{
    bool sent = s->clean_seq != old->seq && !s->sent && replica__state_under_way(db, s, old) &&
                (!s->sent_seq || s->sent_seq == old->seq);
    int r = 0;

    if (sent) {
        r = keep_sent(db, old, w, &s->sent, err);
        s->sent_seq = old->seq;
        s->todo = REPLICA__TODO_NOW;
    }
    if (r >= 0 && s->clean_seq == old->seq && !s->base &&
        replica__migrate_leads_down(w->coll, old->version))
        r = replica__kept_add_row(db, old, 1, &s->base, err);
    if (s->clean_seq == old->seq)
        s->clean_seq = seq;
    if (s->lost_seq == old->seq)
        s->lost_seq = seq;
    if (s->aside_seq == old->seq)
        s->aside_seq = seq;
    return r < 0 ? r : replica__state_put(db, s, err);
}

/* The replications of the document or its collection, in order: 1 and the next behind *number. */
static int next_replication(replica_db *db, const struct replica__row *row, int64_t *number,
                            replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    int r = replica__sql_row(db, REPLICA__SQL_MIGRATE_REPLS, &stmt, err, row->coll, row->number,
                             *number);

    if (r > 0)
        *number = sqlite3_column_int64(stmt, 0);
    return r;
}

int replica__state_follow(replica_db *db, const struct replica__row *old,
                          const struct replica__write *w, int64_t seq, replica_error *err)
{
    int64_t replication = -1;
    int r = 0;

    while (r >= 0 && (r = next_replication(db, old, &replication, err)) > 0) {
        struct replica__state s;
        int found = replica__state_get(db, old->number, replication, &s, err);

        /* One without a row may be under way for the first time. */
        if (found > 0 || (found == 0 && replica__state_under_way(db, &s, old)))
            found = follow(db, &s, old, w, seq, err);
        if (found < 0)
            return found;
    }
    return r;
}

static int replace_sent(replica_db *db, int64_t doc, int64_t version,
                        const struct replica__sent_text *sent, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    struct replica__kept k;
    struct replica__state s;
    size_t len;
    int64_t kept;
    int r = replica__state_get(db, doc, sent->replication, &s, err);

    if (r <= 0 || s.sent != sent->kept)
        return r < 0 ? r : 0;
    if (!sent->doc) { /* there is nothing that could be asked about */
        r = replica__state_drop_sent(db, &s, err);
        s.todo = REPLICA__TODO_NOW;
        return r < 0 ? r : replica__state_put(db, &s, err);
    }
    r = replica__kept_get(db, s.sent, &stmt, &k, err);
    if (r < 0)
        return r;
    k.version = version;
    k.body = replica_doc_json(sent->doc, &len);
    k.len = len;
    r = replica__kept_add(db, &k, 1, &kept, err);
    replica__sql_reset(&stmt);
    if (r >= 0)
        r = replica__kept_unref(db, s.sent, err);
    s.sent = kept;
    return r < 0 ? r : replica__state_put(db, &s, err);
}

int replica__state_follow_sent(replica_db *db, int64_t doc, int64_t version,
                               const struct replica__sent_text *sent, size_t n,
                               replica_error *err)
{
    int r = 0;

    for (size_t i = 0; r >= 0 && i < n; i++)
        r = replace_sent(db, doc, version, &sent[i], err);
    return r;
}

void replica__state_bring(struct replica__state *s, int64_t endpoint, int64_t seq)
{
    s->lost_seq = seq;
    s->clean_seq = 0;
    s->version = endpoint - 1; /* any other than this one */
    s->todo = REPLICA__TODO_NOW;
}

int replica__state_needed(replica_db *db, const struct replica__row *row, replica_error *err)
{
    return replica__sql_run(db, REPLICA__SQL_MIGRATE_NEEDED, err, row->coll, row->number, row->seq);
}

/* ---- dropping -------------------------------------------------------------------- */

/* In step with a tombstone that nobody is told of: nothing of it goes out, and whatever a server
 * says of the document is written. */
static int drop_for(replica_db *db, struct replica__state *s, const struct replica__row *old,
                    int64_t seq, replica_error *err)
{
    int r = replica__state_drop_texts(db, s, err);

    if (r >= 0)
        r = replica__aside_drop(db, s->replication, old->coll, old->id, 0, err);
    s->clean_seq = seq;
    s->rounds = s->todo = s->aside_seq = s->lost_seq = 0;
    return r < 0 ? r : replica__state_put(db, s, err);
}

static int log_drop(replica_db *db, const struct replica__state *s, const struct replica__row *old,
                    replica_error *err)
{
    const struct replica__kept tombstone = { .flags = REPLICA__FLAG_DELETED,
                                             .version = old->version,
                                             .stamp = old->stamp,
                                             .body = old->body,
                                             .len = old->len };

    return replica__conflict_log_add(db,
                                     &(struct replica__logged){
                                         .replication = s->replication,
                                         .row = old,
                                         .rule = "migration",
                                         .assumed = s->base,
                                         .real = s->unsettled ? s->unsettled : s->base,
                                         .result = &tombstone,
                                     },
                                     err);
}

int replica__state_drop(replica_db *db, const struct replica__row *old, int64_t seq, bool log,
                        replica_error *err)
{
    int64_t replication = -1;
    bool logged = !log;
    int r;

    while ((r = next_replication(db, old, &replication, err)) > 0) {
        struct replica__state s;

        r = replica__state_get(db, old->number, replication, &s, err);
        if (r >= 0 && s.clean_seq != old->seq && s.lost_seq != old->seq && !logged) {
            r = log_drop(db, &s, old, err);
            logged = true;
        }
        if (!log) /* erased: it comes back under whatever number */
            s.server_seq = s.incarnation = 0;
        if (r >= 0)
            r = drop_for(db, &s, old, seq, err);
        if (r < 0)
            return r;
    }
    return r;
}
