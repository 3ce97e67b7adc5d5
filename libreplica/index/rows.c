/* A chunk's keys as a table that SQLite reads (an eponymous virtual table): one statement puts all
 * of a slice in, at half of what a statement for each key costs. */
#include "libreplica/index/chunk.h"

#include <string.h>

#define LOOK 128 /* at the clock, once in so many keys */

struct cursor {
    sqlite3_vtab_cursor base;
    struct replica__chunk *chunk;
};

struct table {
    sqlite3_vtab base;
    struct replica__chunk *chunk;
};

static int connect(sqlite3 *sqlite, void *aux, int argc, const char *const *argv,
                   sqlite3_vtab **ret, char **message)
{
    int rc = sqlite3_declare_vtab(sqlite, "CREATE TABLE x(key BLOB, doc INTEGER)");
    struct table *table = rc == SQLITE_OK ? sqlite3_malloc64(sizeof *table) : NULL;

    if (!table)
        return rc == SQLITE_OK ? SQLITE_NOMEM : rc;
    memset(table, 0, sizeof *table);
    table->chunk = aux;
    *ret = &table->base;
    return SQLITE_OK;
}

static int disconnect(sqlite3_vtab *table)
{
    sqlite3_free(table);
    return SQLITE_OK;
}

static int best_index(sqlite3_vtab *table, sqlite3_index_info *info)
{
    info->estimatedCost = 100000;
    return SQLITE_OK;
}

static int open_cursor(sqlite3_vtab *base, sqlite3_vtab_cursor **ret)
{
    struct cursor *cursor = sqlite3_malloc64(sizeof *cursor);

    if (!cursor)
        return SQLITE_NOMEM;
    memset(cursor, 0, sizeof *cursor);
    cursor->chunk = ((struct table *)base)->chunk;
    *ret = &cursor->base;
    return SQLITE_OK;
}

static int close_cursor(sqlite3_vtab_cursor *cursor)
{
    sqlite3_free(cursor);
    return SQLITE_OK;
}

static void pass_changed(struct replica__chunk *c)
{
    while (c->next < c->n && replica__chunk_is_changed(c, c->keys[c->next].doc))
        c->next++;
}

static int filter(sqlite3_vtab_cursor *base, int number, const char *text, int argc,
                  sqlite3_value **argv)
{
    struct replica__chunk *c = ((struct cursor *)base)->chunk;

    c->late = false;
    pass_changed(c);
    return SQLITE_OK;
}

static int next(sqlite3_vtab_cursor *base)
{
    struct replica__chunk *c = ((struct cursor *)base)->chunk;

    c->next++;
    pass_changed(c);
    if (c->next % LOOK == 0 && c->db->world->monotonic_ms(c->db->world->ctx) >= c->until_ms)
        c->late = true;
    return SQLITE_OK;
}

static int is_end(sqlite3_vtab_cursor *base)
{
    const struct replica__chunk *c = ((struct cursor *)base)->chunk;

    return c->late || c->next >= c->n;
}

static int column(sqlite3_vtab_cursor *base, sqlite3_context *sql, int at)
{
    const struct replica__chunk *c = ((struct cursor *)base)->chunk;
    const struct replica__chunk_key *key = &c->keys[c->next];

    if (at == 0)
        sqlite3_result_blob64(sql, key->bytes, key->len, SQLITE_STATIC);
    else
        sqlite3_result_int64(sql, key->doc);
    return SQLITE_OK;
}

static int rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *ret)
{
    *ret = (sqlite3_int64)((struct cursor *)base)->chunk->next;
    return SQLITE_OK;
}

static const sqlite3_module module = {
    .xConnect = connect,
    .xBestIndex = best_index,
    .xDisconnect = disconnect,
    .xOpen = open_cursor,
    .xClose = close_cursor,
    .xFilter = filter,
    .xNext = next,
    .xEof = is_end,
    .xColumn = column,
    .xRowid = rowid,
};

int replica__chunk_put_all(struct replica__chunk *c, replica_error *err)
{
    static const char sql[] = "INSERT OR IGNORE INTO entry(idx, key, doc)"
                              " SELECT ?1, key, doc FROM replica_chunk";
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_create_module(c->db->sqlite, "replica_chunk", &module, c);
    int r;

    if (rc == SQLITE_OK)
        rc = sqlite3_prepare_v2(c->db->sqlite, sql, -1, &stmt, NULL);
    replica__bind_int(stmt, 1, c->index->number, &rc);
    r = replica__sql_step(c->db, stmt, rc, err);
    sqlite3_finalize(stmt);
    return r;
}
