/* The program's own SQL: one statement that reads, over one view for each collection.
 *
 * It runs on a connection of its own, opened for reading, so that fn may use the database, and no
 * name of the program's can come between the store and its tables.  A database in memory cannot be
 * opened twice: it is copied.
 *
 * Each view stands on a hidden one, whose name is drawn at random.  SQLite tells the authorizer in
 * whose name a column is read, and whoever reads the tables in any other name is refused: a
 * statement can call what it defines as it likes, but not that. */
#include "libreplica/query.h"

#include "libreplica/collection.h"
#include "libreplica/db.h"
#include "libreplica/query/functions.h"
#include "libreplica/migrate/migrate.h"

#include <string.h>

#define HIDDEN 32

struct views {
    replica_db *db;
    sqlite3 *sqlite;
    sqlite3_stmt *stmt;
    char hidden[HIDDEN]; /* how the hidden views' names begin */
};

static void views_close(struct views *v)
{
    sqlite3_finalize(v->stmt);
    sqlite3_close(v->sqlite);
}
#define VIEWS __attribute__((cleanup(views_close))) struct views

/* What is wrong with the statement is the caller's; all else SQLite's. */
static int failed(struct views *v, int rc, replica_error *err)
{
    switch (rc & 0xff) {
    case SQLITE_ERROR:
    case SQLITE_AUTH:
    case SQLITE_MISMATCH:
    case SQLITE_RANGE:
    case SQLITE_CONSTRAINT:
        return replica__error_set(err, REPLICA_EINVAL, rc, "%s", sqlite3_errmsg(v->sqlite));
    default:
        return replica__sql_error_of(v->sqlite, rc, err);
    }
}

/* ---- the connection -------------------------------------------------------------- */

static int copy_memory(struct views *v, replica_db *db, replica_error *err)
{
    sqlite3_backup *copy = sqlite3_backup_init(v->sqlite, "main", db->sqlite, "main");

    if (copy) {
        sqlite3_backup_step(copy, -1);
        sqlite3_backup_finish(copy);
    }
    return sqlite3_errcode(v->sqlite) == SQLITE_OK
               ? 0
               : replica__sql_error_of(v->sqlite, sqlite3_errcode(v->sqlite), err);
}

static int connect(struct views *v, replica_db *db, replica_error *err)
{
    int flags = SQLITE_OPEN_NOMUTEX;
    uint64_t random = 0;
    int rc;

    flags |= db->memory ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY;
    rc = sqlite3_open_v2(db->path, &v->sqlite, flags, NULL);
    if (rc == SQLITE_OK)
        rc = replica__functions_add(v->sqlite);
    if (rc != SQLITE_OK)
        return replica__sql_error_of(v->sqlite, rc, err);
    sqlite3_extended_result_codes(v->sqlite, 1);
    sqlite3_busy_timeout(v->sqlite, db->busy_ms);
    sqlite3_randomness(sizeof random, &random);
    sqlite3_snprintf(sizeof v->hidden, v->hidden, "hidden_%016llx_", random);
    return db->memory ? copy_memory(v, db, err) : 0;
}

/* A view can have neither a name of SQLite's own nor two of them names that differ in case only. */
static const char collections[] =
    "SELECT id, name FROM main.collection c WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
    " AND NOT EXISTS(SELECT 1 FROM main.collection o WHERE o.id <> c.id"
    " AND lower(o.name) = lower(c.name))";

static void add_view(struct views *v, int64_t number, const char *name, sqlite3_str *script)
{
    const replica_collection *coll = replica__collection_by_number(v->db, number);

    sqlite3_str_appendf(
        script,
        "CREATE TEMP VIEW \"%w%lld\" AS SELECT id, height || '-'"
        " || (SELECT text FROM main.token WHERE token.id = doc.opening) || '.' || seq AS rev,"
        " body AS doc, seq FROM main.doc WHERE coll = %lld AND flags & %d = 0"
        " AND version >= %d;"
        "CREATE TEMP VIEW \"%w\" AS SELECT id, rev, doc, seq FROM temp.\"%w%lld\";",
        v->hidden, (long long)number, (long long)number, REPLICA__FLAG_DELETED,
        coll ? replica__migrate_lowest(coll) : 0, name, v->hidden, (long long)number);
}

static int add_views(struct views *v, replica_error *err)
{
    sqlite3_str *out = sqlite3_str_new(v->sqlite);
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(v->sqlite, collections, -1, &stmt, NULL);
    char *script;

    while (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        const char *name = (const char *)sqlite3_column_text(stmt, 1);

        if (name)
            add_view(v, sqlite3_column_int64(stmt, 0), name, out);
        rc = name ? SQLITE_OK : SQLITE_NOMEM;
    }
    sqlite3_finalize(stmt);
    if (rc == SQLITE_DONE)
        rc = sqlite3_str_errcode(out);
    script = sqlite3_str_finish(out);
    if (rc == SQLITE_OK && script)
        rc = sqlite3_exec(v->sqlite, script, NULL, NULL, NULL);
    sqlite3_free(script);
    return rc == SQLITE_OK ? 0 : replica__sql_error_of(v->sqlite, rc, err);
}

/* ---- what a statement may do ----------------------------------------------------- */

static int may_read(const struct views *v, const char *table, const char *schema,
                    const char *reader)
{
    if (!table || !schema)
        return SQLITE_DENY;
    if (strcmp(table, "json_each") == 0 || strcmp(table, "json_tree") == 0)
        return SQLITE_OK;
    if (strcmp(schema, "temp") == 0)
        return strncmp(table, "sqlite_", 7) == 0 ? SQLITE_DENY : SQLITE_OK;
    if (reader && strncmp(reader, v->hidden, strlen(v->hidden)) == 0)
        return SQLITE_OK;
    return SQLITE_DENY;
}

static int authorize(void *ctx, int action, const char *what, const char *name, const char *schema,
                     const char *reader)
{
    switch (action) {
    case SQLITE_SELECT:
    case SQLITE_RECURSIVE:
        return SQLITE_OK;
    case SQLITE_READ:
        return may_read(ctx, what, schema, reader);
    case SQLITE_FUNCTION:
        return sqlite3_stricmp(name, "load_extension") == 0 ? SQLITE_DENY : SQLITE_OK;
    default:
        return SQLITE_DENY;
    }
}

/* Is there nothing but blanks, comments and semicolons? */
static bool is_empty(struct views *v, const char *rest)
{
    bool empty = true;

    while (empty && *rest) {
        sqlite3_stmt *more = NULL;
        const char *tail = rest;
        int rc = sqlite3_prepare_v2(v->sqlite, rest, -1, &more, &tail);

        empty = rc == SQLITE_OK && !more && tail > rest;
        sqlite3_finalize(more);
        rest = tail;
    }
    return empty;
}

static int prepare(struct views *v, const char *statement, replica_error *err)
{
    const char *rest = "";
    int rc;

    /* A table that is a function is made at its first use, with more rights than we give. */
    sqlite3_exec(v->sqlite, "SELECT 1 FROM json_each('[]'), json_tree('[]')", NULL, NULL, NULL);
    sqlite3_set_authorizer(v->sqlite, authorize, v);
    rc = sqlite3_prepare_v2(v->sqlite, statement, -1, &v->stmt, &rest);
    if (rc == SQLITE_AUTH)
        return replica__error_set(err, REPLICA_EINVAL, rc,
                                  "only what reads the collections' views is allowed (%s)",
                                  sqlite3_errmsg(v->sqlite));
    if (rc != SQLITE_OK)
        return failed(v, rc, err);
    if (!v->stmt)
        return replica__error_set(err, REPLICA_EINVAL, 0, "there is no statement");
    if (!is_empty(v, rest))
        return replica__error_at(err, REPLICA_EINVAL, rest - statement,
                                 "there is more than one statement");
    if (!sqlite3_stmt_readonly(v->stmt))
        return replica__error_set(err, REPLICA_EINVAL, 0, "the statement would write");
    return 0;
}

/* ---- asking ---------------------------------------------------------------------- */

static int bind(struct views *v, int at, const char *param, replica_error *err)
{
    static const struct replica__json_limits limits = { .max_bytes = 0, .max_depth = 1000 };
    REPLICA_BUF room = REPLICA_BUF_INIT;
    struct replica__sql_of_json sql;
    int r = param ? replica__json_check(param, strlen(param), &limits, err)
                  : replica__error_set(err, REPLICA_EINVAL, 0, "it is missing");
    int rc = SQLITE_OK;

    if (r < 0) {
        replica__error_where(err, "parameter %d", at);
        return r;
    }
    sql = replica__json_to_sql(replica__json_value(param, strlen(param)), &room);
    if (room.r < 0)
        return replica__enomem(err);
    switch (sql.kind) {
    case REPLICA__AS_NULL: rc = sqlite3_bind_null(v->stmt, at); break;
    case REPLICA__AS_INTEGER: rc = sqlite3_bind_int64(v->stmt, at, sql.integer); break;
    case REPLICA__AS_REAL: rc = sqlite3_bind_double(v->stmt, at, sql.real); break;
    case REPLICA__AS_TEXT:
        rc = sqlite3_bind_text64(v->stmt, at, sql.text.data, sql.text.len, SQLITE_TRANSIENT,
                                 SQLITE_UTF8);
        break;
    }
    return rc == SQLITE_OK ? 0 : failed(v, rc, err);
}

static int bind_all(struct views *v, const char *const *params, size_t n, replica_error *err)
{
    size_t wanted = (size_t)sqlite3_bind_parameter_count(v->stmt);
    int r = 0;

    if (n != wanted)
        return replica__error_set(err, REPLICA_EINVAL, 0,
                                  "the statement has %zu parameters, and %zu are given", wanted, n);
    for (size_t i = 0; r >= 0 && i < n; i++)
        r = bind(v, (int)i + 1, params[i], err);
    return r;
}

/* A row: the values, and room for the decimals of reals. */
struct row {
    size_t n;
    const char **names;
    replica_sql_value *values;
    char (*reals)[REPLICA__REAL_SIZE];
};

static void row_free(struct row *row)
{
    replica__free(row->names);
    replica__free(row->values);
    replica__free(row->reals);
}
#define ROW __attribute__((cleanup(row_free))) struct row

static int row_new(struct views *v, struct row *row, replica_error *err)
{
    row->n = (size_t)sqlite3_column_count(v->stmt);
    row->names = replica__alloc_zero(row->n, sizeof *row->names);
    row->values = replica__alloc_zero(row->n, sizeof *row->values);
    row->reals = replica__alloc_zero(row->n, sizeof *row->reals);
    if (!row->names || !row->values || !row->reals)
        return replica__enomem(err);
    for (size_t i = 0; i < row->n; i++) {
        row->names[i] = sqlite3_column_name(v->stmt, (int)i);
        if (!row->names[i])
            return replica__enomem(err);
    }
    return 0;
}

static int read_value(struct views *v, struct row *row, size_t i, replica_error *err)
{
    replica_sql_value *value = &row->values[i];
    int at = (int)i;

    *value = (replica_sql_value){ .type = REPLICA_SQL_NULL };
    switch (sqlite3_column_type(v->stmt, at)) {
    case SQLITE_NULL:
        return 0;
    case SQLITE_FLOAT:
        value->type = REPLICA_SQL_REAL;
        value->text = row->reals[i];
        value->len = replica__real_write(sqlite3_column_double(v->stmt, at), row->reals[i]);
        return 0;
    case SQLITE_BLOB:
        value->type = REPLICA_SQL_BLOB;
        value->text = sqlite3_column_blob(v->stmt, at);
        value->len = (size_t)sqlite3_column_bytes(v->stmt, at);
        if (!value->text && value->len == 0)
            value->text = "";
        break;
    case SQLITE_INTEGER:
        value->type = REPLICA_SQL_INTEGER;
        break;
    default:
        value->type = REPLICA_SQL_TEXT;
    }
    if (value->type != REPLICA_SQL_BLOB) {
        value->text = (const char *)sqlite3_column_text(v->stmt, at);
        value->len = (size_t)sqlite3_column_bytes(v->stmt, at);
    }
    return value->text ? 0 : replica__enomem(err);
}

static int ask(struct views *v,
               int (*fn)(void *ctx, size_t n, const char *const *names,
                         const replica_sql_value *values),
               void *ctx, replica_error *err)
{
    ROW row = { 0 };
    int r = row_new(v, &row, err);

    while (r == 0) {
        int rc = sqlite3_step(v->stmt);

        if (rc == SQLITE_DONE)
            break;
        if (rc != SQLITE_ROW)
            return failed(v, rc, err);
        for (size_t i = 0; r == 0 && i < row.n; i++)
            r = read_value(v, &row, i, err);
        if (r == 0)
            r = fn(ctx, row.n, row.names, row.values);
    }
    return r;
}

/* Of the collections that are open: their texts are of one version then. */
static int migrate_all(replica_db *db, replica_error *err)
{
    int r = 0;

    for (replica_collection *coll = db->collections; r >= 0 && coll; coll = coll->next)
        r = replica__migrate_before_query(coll, err);
    return r;
}

int replica_sql(replica_db *db, const char *statement, const char *const *params,
                size_t param_count,
                int (*fn)(void *ctx, size_t n, const char *const *names,
                          const replica_sql_value *values),
                void *ctx, replica_error *err)
{
    VIEWS v = { .db = db };
    int r;

    if (!db || !statement || !fn || (param_count > 0 && !params))
        return replica__error_set(err, REPLICA_EINVAL, 0,
                                  "no database, statement, function or parameters");
    r = migrate_all(db, err);
    if (r >= 0)
        r = connect(&v, db, err);
    if (r >= 0)
        r = add_views(&v, err);
    if (r >= 0)
        r = prepare(&v, statement, err);
    if (r >= 0)
        r = bind_all(&v, params, param_count, err);
    return r < 0 ? r : ask(&v, fn, ctx, err);
}
