#include "libreplica/sql.h"

#include "libreplica/db.h"
#include "libreplica/statements/tables.h"

#include <assert.h>

static const char *const *const tables[] = {
    replica__statements_documents, replica__statements_beside, replica__statements_states,
    replica__statements_replications, replica__statements_upkeep,
};

static const char *text_of(enum replica__sql which)
{
    const char *text = NULL;

    for (size_t i = 0; !text && i < sizeof tables / sizeof tables[0]; i++)
        text = tables[i][which];
    assert(text); /* one of them has it */
    return text;
}

static int code_of(int rc)
{
    switch (rc & 0xff) {
    case SQLITE_NOMEM: return REPLICA_ENOMEM;
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return REPLICA_EBUSY;
    case SQLITE_FULL: return REPLICA_EFULL;
    case SQLITE_READONLY:
    case SQLITE_PERM: return REPLICA_EREADONLY;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: return REPLICA_ECORRUPT;
    case SQLITE_TOOBIG: return REPLICA_ELIMIT;
    default: return REPLICA_EIO;
    }
}

int replica__sql_error_of(sqlite3 *sqlite, int rc, replica_error *err)
{
    int extended = sqlite ? sqlite3_extended_errcode(sqlite) : rc;

    /* The connection's words belong to its last call, which may not be the one that failed. */
    if ((extended & 0xff) == (rc & 0xff))
        return replica__error_set(err, code_of(rc), extended, "SQLite: %s",
                                  sqlite3_errmsg(sqlite));
    return replica__error_set(err, code_of(rc), rc, "SQLite: %s", sqlite3_errstr(rc));
}

int replica__sql_error(replica_db *db, int rc, replica_error *err)
{
    return replica__sql_error_of(db->sqlite, rc, err);
}

int replica__sql_get(replica_db *db, enum replica__sql which, sqlite3_stmt **ret_stmt,
                     replica_error *err)
{
    sqlite3_stmt **slot = &db->statements[which];

    assert(!*ret_stmt);
    if (!*slot) {
        int rc = sqlite3_prepare_v3(db->sqlite, text_of(which), -1, SQLITE_PREPARE_PERSISTENT, slot,
                                    NULL);

        if (rc != SQLITE_OK)
            return replica__sql_error(db, rc, err);
    }
    assert(!sqlite3_stmt_busy(*slot)); /* nobody above us is using it */
    *ret_stmt = *slot;
    return 0;
}

int replica__sql_own(replica_db *db, enum replica__sql which, sqlite3_stmt **ret_stmt,
                     replica_error *err)
{
    int rc = sqlite3_prepare_v2(db->sqlite, text_of(which), -1, ret_stmt, NULL);

    return rc == SQLITE_OK ? 0 : replica__sql_error(db, rc, err);
}

int replica__sql_step_of(sqlite3 *sqlite, sqlite3_stmt *stmt, int rc, replica_error *err)
{
    if (rc == SQLITE_OK)
        rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW)
        return 1;
    if (rc == SQLITE_DONE)
        return 0;
    return replica__sql_error_of(sqlite, rc, err);
}

int replica__sql_step(replica_db *db, sqlite3_stmt *stmt, int rc, replica_error *err)
{
    return replica__sql_step_of(db->sqlite, stmt, rc, err);
}

int replica__sql_with_ints(replica_db *db, enum replica__sql which, sqlite3_stmt **ret_stmt,
                           replica_error *err, const int64_t *values, size_t n)
{
    int rc = SQLITE_OK;
    int r = replica__sql_get(db, which, ret_stmt, err);

    if (r < 0)
        return r;
    for (size_t i = 0; i < n; i++)
        replica__bind_int(*ret_stmt, (int)i + 1, values[i], &rc);
    return rc == SQLITE_OK ? 0 : replica__sql_error(db, rc, err);
}

int replica__sql_row_ints(replica_db *db, enum replica__sql which, sqlite3_stmt **ret_stmt,
                          replica_error *err, const int64_t *values, size_t n)
{
    int r = replica__sql_with_ints(db, which, ret_stmt, err, values, n);

    return r < 0 ? r : replica__sql_step(db, *ret_stmt, SQLITE_OK, err);
}

int replica__sql_run_ints(replica_db *db, enum replica__sql which, replica_error *err,
                          const int64_t *values, size_t n)
{
    REPLICA_STMT stmt = NULL;

    return replica__sql_row_ints(db, which, &stmt, err, values, n);
}

int replica__sql_row_text(replica_db *db, enum replica__sql which, sqlite3_stmt **ret_stmt,
                          replica_error *err, const char *text, size_t len)
{
    int rc = SQLITE_OK;
    int r = replica__sql_get(db, which, ret_stmt, err);

    if (r < 0)
        return r;
    replica__bind_text(*ret_stmt, 1, text, len, &rc);
    return replica__sql_step(db, *ret_stmt, rc, err);
}

int replica__sql_int(replica_db *db, enum replica__sql which, int64_t *ret, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    int r = replica__sql_row(db, which, &stmt, err);

    if (r < 0)
        return r;
    *ret = r > 0 ? sqlite3_column_int64(stmt, 0) : 0;
    return 0;
}

int replica__sql_script(replica_db *db, const char *script, replica_error *err)
{
    int rc = sqlite3_exec(db->sqlite, script, NULL, NULL, NULL);

    return rc == SQLITE_OK ? 0 : replica__sql_error(db, rc, err);
}

void replica__bind_int(sqlite3_stmt *stmt, int at, int64_t value, int *rc)
{
    if (*rc == SQLITE_OK)
        *rc = sqlite3_bind_int64(stmt, at, value);
}

void replica__bind_int_or_null(sqlite3_stmt *stmt, int at, int64_t value, int *rc)
{
    if (*rc == SQLITE_OK)
        *rc = value ? sqlite3_bind_int64(stmt, at, value) : sqlite3_bind_null(stmt, at);
}

void replica__bind_text(sqlite3_stmt *stmt, int at, const char *text, size_t len, int *rc)
{
    if (*rc != SQLITE_OK)
        return;
    if (len == REPLICA_NUL)
        *rc = sqlite3_bind_text(stmt, at, text, -1, SQLITE_STATIC);
    else
        *rc = sqlite3_bind_text64(stmt, at, text, len, SQLITE_STATIC, SQLITE_UTF8);
}

void replica__sql_reset(sqlite3_stmt **stmt)
{
    if (!*stmt)
        return;
    sqlite3_reset(*stmt);
    *stmt = NULL;
}

void replica__sql_finish(replica_db *db)
{
    for (int i = 0; i < REPLICA__SQL_COUNT; i++) {
        sqlite3_finalize(db->statements[i]);
        db->statements[i] = NULL;
    }
}
