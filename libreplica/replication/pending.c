/* What is not in step with a server, document by document, and why: for people, and for programs
 * that ask for them.
 *
 * It is one statement, so that all entries are of one moment; SQLite sorts them, in a file of its
 * own when they are many. */
#include "base/buf.h"
#include "libreplica/collection.h"

static const char *word_of(int why)
{
    switch (why) {
    case REPLICA_PENDING_TO_SEND: return "to be sent";
    case REPLICA_PENDING_UNDER_WAY: return "sent, and no verdict has come";
    case REPLICA_PENDING_LATER: return "the server asked for it to be sent later";
    case REPLICA_PENDING_LOCKED: return "locked by ";
    case REPLICA_PENDING_CONFLICT: return "in conflict, to be settled";
    case REPLICA_PENDING_PERSON: return "in conflict, waits for a person";
    case REPLICA_PENDING_BUNDLE: return "in conflict, waits for the rest of its bundle";
    case REPLICA_PENDING_HELD: return "held, for a document of its bundle is set aside";
    case REPLICA_PENDING_MIGRATION: return "to be migrated before it is sent";
    case REPLICA_PENDING_UNCONFIRMED: return "not confirmed yet by the server's new version";
    default: return "set aside: ";
    }
}

/* The reason, in words. */
static void word(const replica_pending_entry *e, const char *words, struct replica__buf *out)
{
    replica__buf_clear(out);
    replica__buf_str(out, word_of(e->why));
    if (e->why == REPLICA_PENDING_LOCKED)
        replica__buf_str(out, words && words[0] ? words : "another one");
    if (e->why == REPLICA_PENDING_REJECTED)
        replica__buf_printf(out, "%s (%d)", words ? words : "", e->code);
}

/* The row that the statement stands on. */
static int read_entry(sqlite3_stmt *stmt, struct replica__buf *reason, replica_pending_entry *ret,
                      replica_error *err)
{
    replica_pending_entry e = {
        .replication = (const char *)sqlite3_column_text(stmt, 0),
        .collection = (const char *)sqlite3_column_text(stmt, 1),
        .id = (const char *)sqlite3_column_text(stmt, 2),
        .why = sqlite3_column_int(stmt, 3),
        .state = sqlite3_column_int(stmt, 4),
        .code = sqlite3_column_int(stmt, 5),
        .time_ms = sqlite3_column_int64(stmt, 6),
    };

    word(&e, (const char *)sqlite3_column_text(stmt, 7), reason);
    e.reason = reason->data;
    if (reason->r < 0 || !e.reason || !e.replication || !e.collection || !e.id)
        return replica__enomem(err);
    *ret = e;
    return 0;
}

static void finalize(sqlite3_stmt **stmt)
{
    sqlite3_finalize(*stmt);
}

int replica_pending(replica_db *db, replica_collection *coll,
                    int (*fn)(void *ctx, const replica_pending_entry *entry), void *ctx,
                    replica_error *err)
{
    __attribute__((cleanup(finalize))) sqlite3_stmt *stmt = NULL;
    REPLICA_BUF reason = REPLICA_BUF_INIT;
    int rc = SQLITE_OK;
    int r;

    if (!db || !fn)
        return replica__error_set(err, REPLICA_EINVAL, 0, "no database, or no function");
    r = replica__sql_own(db, REPLICA__SQL_PENDING, &stmt, err);
    if (r < 0)
        return r;
    replica__bind_int_or_null(stmt, 1, coll ? coll->number : 0, &rc);
    while ((r = replica__sql_step(db, stmt, rc, err)) > 0) {
        replica_pending_entry entry;

        r = read_entry(stmt, &reason, &entry, err);
        if (r >= 0)
            r = fn(ctx, &entry);
        if (r != 0)
            break;
    }
    return r;
}
