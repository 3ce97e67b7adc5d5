/* The list of replications, for those who want to know what is not on a server yet. */
#include "libreplica/replication/replication.h"

#include <string.h>

struct entry {
    replica_replication_entry shown;
    char *identifier, *collections;
};

static void entry_free(struct entry *e)
{
    replica__free(e->identifier);
    replica__free(e->collections);
}

/* The entry behind the one called `after`: 1; 0: there is none.  The statement is closed with this
 * function, for fn may use the database. */
static int next(replica_db *db, const char *after, struct entry *e, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    const char *collections;
    int rc = SQLITE_OK;
    int r = replica__sql_get(db, REPLICA__SQL_REPL_NEXT, &stmt, err);

    if (r < 0)
        return r;
    replica__bind_text(stmt, 1, after, REPLICA_NUL, &rc);
    r = replica__sql_step(db, stmt, rc, err);
    if (r <= 0)
        return r;
    collections = (const char *)sqlite3_column_text(stmt, 1);
    e->identifier = replica__strdup((const char *)sqlite3_column_text(stmt, 0));
    e->collections = replica__strdup(collections ? collections : "");
    if (!e->identifier || !e->collections)
        return replica__enomem(err);
    e->shown.identifier = e->identifier;
    e->shown.collections = e->collections;
    e->shown.started_ms = sqlite3_column_int64(stmt, 2);
    e->shown.dirty = sqlite3_column_int64(stmt, 3);
    e->shown.unsettled = sqlite3_column_int64(stmt, 4);
    e->shown.rejected = sqlite3_column_int64(stmt, 5);
    return 1;
}

int replica_replications(replica_db *db,
                         int (*fn)(void *ctx, const replica_replication_entry *entry), void *ctx,
                         replica_error *err)
{
    struct entry last = { .identifier = NULL };
    bool more;
    int r;

    if (!db || !fn)
        return replica__error_set(err, REPLICA_EINVAL, 0, "no database, or no function");
    do {
        struct entry e = { .identifier = NULL };

        r = next(db, last.identifier ? last.identifier : "", &e, err);
        entry_free(&last);
        last = e;
        more = r > 0;
        if (more)
            r = fn(ctx, &last.shown);
    } while (more && r == 0);
    entry_free(&last);
    return r;
}
