#include "libreplica/replication/state.h"

void replica__state_read(sqlite3_stmt *stmt, struct replica__state *s)
{
    int64_t *fields[] = { &s->doc,      &s->replication, &s->clean_seq, &s->incarnation,
                          &s->server_seq, &s->base,      &s->sent_seq,  &s->sent,
                          &s->unsettled, &s->rounds,     &s->todo,      &s->aside_seq,
                          &s->lost_seq, &s->version,     &s->left_seq };

    for (int i = 0; i < (int)(sizeof fields / sizeof fields[0]); i++)
        *fields[i] = sqlite3_column_int64(stmt, i);
}

int replica__state_get(replica_db *db, int64_t doc, int64_t replication,
                       struct replica__state *ret, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    int r = replica__sql_row(db, REPLICA__SQL_STATE_GET, &stmt, err, doc, replication);

    if (r < 0)
        return r;
    *ret = (struct replica__state){ .doc = doc, .replication = replication };
    if (r > 0)
        replica__state_read(stmt, ret);
    return r;
}

int replica__state_put(replica_db *db, const struct replica__state *s, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    int rc = SQLITE_OK;
    int r = replica__sql_get(db, REPLICA__SQL_STATE_PUT, &stmt, err);

    if (r < 0)
        return r;
    replica__bind_int(stmt, 1, s->doc, &rc);
    replica__bind_int(stmt, 2, s->replication, &rc);
    replica__bind_int_or_null(stmt, 3, s->clean_seq, &rc);
    replica__bind_int_or_null(stmt, 4, s->incarnation, &rc);
    replica__bind_int_or_null(stmt, 5, s->server_seq, &rc);
    replica__bind_int_or_null(stmt, 6, s->base, &rc);
    replica__bind_int_or_null(stmt, 7, s->sent_seq, &rc);
    replica__bind_int_or_null(stmt, 8, s->sent, &rc);
    replica__bind_int_or_null(stmt, 9, s->unsettled, &rc);
    replica__bind_int_or_null(stmt, 10, s->rounds, &rc);
    replica__bind_int_or_null(stmt, 11, s->todo, &rc);
    replica__bind_int_or_null(stmt, 12, s->aside_seq, &rc);
    replica__bind_int_or_null(stmt, 13, s->lost_seq, &rc);
    replica__bind_int_or_null(stmt, 14, s->version, &rc);
    replica__bind_int_or_null(stmt, 15, s->left_seq, &rc);
    return replica__sql_step(db, stmt, rc, err);
}

int replica__state_waits(replica_db *db, const struct replica__state *s, const char *waits,
                         replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    int rc = SQLITE_OK;
    int r = replica__sql_get(db, REPLICA__SQL_STATE_WAITS, &stmt, err);

    if (r < 0)
        return r;
    replica__bind_int(stmt, 1, s->doc, &rc);
    replica__bind_int(stmt, 2, s->replication, &rc);
    replica__bind_text(stmt, 3, waits, REPLICA_NUL, &rc);
    return replica__sql_step(db, stmt, rc, err);
}

static int drop(replica_db *db, int64_t *kept, replica_error *err)
{
    int64_t id = *kept;

    *kept = 0;
    return replica__kept_unref(db, id, err);
}

int replica__state_drop_base(replica_db *db, struct replica__state *s, replica_error *err)
{
    return drop(db, &s->base, err);
}

int replica__state_drop_sent(replica_db *db, struct replica__state *s, replica_error *err)
{
    s->sent_seq = 0;
    return drop(db, &s->sent, err);
}

int replica__state_drop_unsettled(replica_db *db, struct replica__state *s, replica_error *err)
{
    return drop(db, &s->unsettled, err);
}

int replica__state_drop_texts(replica_db *db, struct replica__state *s, replica_error *err)
{
    int r = replica__state_drop_base(db, s, err);

    if (r >= 0)
        r = replica__state_drop_sent(db, s, err);
    return r < 0 ? r : replica__state_drop_unsettled(db, s, err);
}

static bool in_range(const replica_db *db, int64_t replication, const struct replica__row *row)
{
    for (size_t i = 0; i < db->range_count; i++) {
        const struct replica__range *range = &db->ranges[i];

        if (range->replication == replication && (!range->coll || range->coll == row->coll) &&
            range->from < row->seq && row->seq <= range->to)
            return true;
    }
    return false;
}

bool replica__state_under_way(const replica_db *db, const struct replica__state *s,
                              const struct replica__row *row)
{
    if (s->sent_seq)
        return true;
    if (s->clean_seq == row->seq || s->unsettled || s->aside_seq == row->seq || s->todo)
        return false; /* a verdict on this very state has come */
    return in_range(db, s->replication, row);
}

/* One more use of the state that is replaced. */
static int keep_row(replica_db *db, const struct replica__row *row, int64_t *kept,
                    replica_error *err)
{
    return *kept ? replica__kept_ref(db, *kept, err) : replica__kept_add_row(db, row, 1, kept, err);
}

int replica__state_is_about(replica_db *db, int64_t doc, int64_t replication, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    int r = replica__sql_row(db, REPLICA__SQL_REPL_HAS, &stmt, err, doc, replication);

    return r > 0 ? sqlite3_column_int(stmt, 0) : r;
}

/* What one replication needs of the state that is replaced.  One that the server has lost may be
 * both: the base of what comes now, and on its way there again. */
static int capture_for(replica_db *db, struct replica__state *s, const struct replica__row *row,
                       int64_t *kept, replica_error *err)
{
    bool base = s->clean_seq == row->seq || s->lost_seq == row->seq;
    bool sent = s->clean_seq != row->seq && !s->sent && replica__state_under_way(db, s, row) &&
                (!s->sent_seq || s->sent_seq == row->seq);
    int r = sent;

    if (sent && !s->sent_seq) /* it went along only if the replication is about it */
        r = replica__state_is_about(db, s->doc, s->replication, err);

    if (r < 0)
        return r;
    sent = r > 0;
    if (!base && !sent)
        return 0;
    if (base && !s->base) { /* else that is what the server has: see migrate.h */
        r = keep_row(db, row, kept, err);
        s->base = *kept;
    }
    if (r >= 0 && sent) {
        r = keep_row(db, row, kept, err);
        s->sent_seq = row->seq;
        s->sent = *kept;
        s->todo = REPLICA__TODO_NOW;
    }
    return r < 0 ? r : replica__state_put(db, s, err);
}

/* Replications that have a range over this document and no row for it yet: its first push is
 * under way. */
static int capture_first(replica_db *db, const struct replica__row *row, int64_t replication,
                         int64_t *kept, replica_error *err)
{
    for (size_t i = 0; i < db->range_count; i++) {
        struct replica__state s;
        int r;

        if (db->ranges[i].replication == replication ||
            !in_range(db, db->ranges[i].replication, row))
            continue;
        r = replica__state_get(db, row->number, db->ranges[i].replication, &s, err);
        if (r == 0)
            r = capture_for(db, &s, row, kept, err);
        if (r < 0)
            return r;
    }
    return 0;
}

int replica__state_capture(replica_db *db, const struct replica__row *row, int64_t replication,
                           int64_t *ret_kept, replica_error *err)
{
    struct replica__state states[16];
    int64_t after = -1;
    size_t n;
    int r;

    *ret_kept = 0;
    if (!db->replicated)
        return 0;
    do { /* read some, then write them: a statement that reads a table must not see its changes */
        REPLICA_STMT stmt = NULL;

        n = 0;
        r = replica__sql_with(db, REPLICA__SQL_STATE_OF_DOC, &stmt, err, row->number, after);
        if (r < 0)
            return r;
        while (n < 16 && (r = replica__sql_step(db, stmt, SQLITE_OK, err)) > 0)
            replica__state_read(stmt, &states[n++]);
        if (r < 0)
            return r;
        replica__sql_reset(&stmt);
        for (size_t i = 0; i < n; i++) {
            after = states[i].replication;
            if (after == replication)
                continue;
            r = capture_for(db, &states[i], row, ret_kept, err);
            if (r < 0)
                return r;
        }
    } while (n == 16);
    return capture_first(db, row, replication, ret_kept, err);
}
