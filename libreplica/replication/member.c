#include "libreplica/replication/member.h"

#include <string.h>

/* Bundles that are looked at for each new one: more than one, so that what is of no use goes faster
 * than it comes. */
#define SWEPT 2

/* A server keeps those of its last writes, for readers who have some of them and not the others:
 * see master_whole.h. */
#define SERVED 100000

/* The name of the next bundle, into the cursor; "": the end, and it begins anew. */
static int next_bundle(replica_db *db, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    const char *name = "";
    int r = replica__sql_row_text(db, REPLICA__SQL_MEMBER_NEXT, &stmt, err,
                                  db->swept ? db->swept : "", REPLICA_NUL);

    if (r < 0)
        return r;
    if (r > 0)
        name = (const char *)sqlite3_column_text(stmt, 0);
    replica__free(db->swept);
    db->swept = replica__strdup(name);
    return db->swept ? r : replica__enomem(err);
}

static int run_on(replica_db *db, enum replica__sql which, const char *bundle, replica_error *err)
{
    REPLICA_STMT stmt = NULL;

    return replica__sql_row_text(db, which, &stmt, err, bundle, REPLICA_NUL);
}

/* 1, 0. */
static int is_of_use(replica_db *db, const char *bundle, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    int rc = SQLITE_OK;
    int r = replica__sql_get(db, REPLICA__SQL_MEMBER_OF_USE, &stmt, err);

    if (r < 0)
        return r;
    replica__bind_text(stmt, 1, bundle, REPLICA_NUL, &rc);
    replica__bind_int(stmt, 2, db->serving ? db->head - SERVED : INT64_MAX, &rc);
    return replica__sql_step(db, stmt, rc, err);
}

static int sweep(replica_db *db, const char *but, replica_error *err)
{
    int r = 1;

    for (int i = 0; i < SWEPT && r > 0; i++) {
        r = next_bundle(db, err);
        if (r <= 0 || strcmp(db->swept, but) == 0)
            continue;
        r = is_of_use(db, db->swept, err);
        if (r == 0)
            r = run_on(db, REPLICA__SQL_MEMBER_DROP, db->swept, err);
        r = r < 0 ? r : 1;
    }
    return r < 0 ? r : 0;
}

/* Is it the first write of its bundle?  1, 0. */
static int is_first(replica_db *db, const char *bundle, replica_error *err)
{
    int r = run_on(db, REPLICA__SQL_MEMBER_ANY, bundle, err);

    return r < 0 ? r : r == 0;
}

int replica__member_add(replica_db *db, const struct replica__write *w,
                        const struct replica__written *written, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    int rc = SQLITE_OK;
    int r = is_first(db, w->bundle, err);

    if (r > 0)
        r = sweep(db, w->bundle, err);
    if (r >= 0)
        r = replica__sql_get(db, REPLICA__SQL_MEMBER_PUT, &stmt, err);
    if (r < 0)
        return r;
    replica__bind_text(stmt, 1, w->bundle, REPLICA_NUL, &rc);
    replica__bind_int(stmt, 2, written->number, &rc);
    replica__bind_int(stmt, 3, written->seq, &rc);
    replica__bind_int(stmt, 4, w->firm, &rc);
    db->bundled = true;
    return replica__sql_step(db, stmt, rc, err);
}
