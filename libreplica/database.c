/* Opening and closing. */
#include "base/options.h"
#include "libreplica/bundle.h"
#include "libreplica/collection.h"
#include "libreplica/command/event.h"
#include "libreplica/command/handle.h"
#include "libreplica/cursor.h"
#include "libreplica/db.h"
#include "libreplica/format.h"
#include "libreplica/query/functions.h"
#include "libreplica/index/index.h"
#include "libreplica/migrate/migrate.h"
#include "libreplica/query/reader.h"
#include "libreplica/query/shelf.h"
#include "libreplica/replication/conflict_log.h"
#include "libreplica/txn.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define BUSY_MS 5000
#define MAX_DOCUMENT (16 * 1024 * 1024)
#define MAX_KEY 1024
#define MAX_DEPTH 100
#define MAX_BUNDLE 1000
#define LOG_MS (INT64_C(90) * 24 * 3600 * 1000)
#define LOG_BYTES (INT64_C(64) * 1024 * 1024)
#define KNOWN_FLAGS (REPLICA_DB_MUST_EXIST | REPLICA_DB_FULL_SYNC | REPLICA_DB_READ_ONLY)

const char *replica_version(void)
{
    return REPLICA_PROJECT_VERSION;
}

static int wal_written(void *ctx, sqlite3 *sqlite, const char *schema, int pages)
{
    replica_db *db = ctx;

    db->wal_pages = pages; /* txn.c checkpoints; SQLite must not do it beside other commits */
    return SQLITE_OK;
}

static int busy(void *ctx, int count)
{
    replica_db *db = ctx;
    static const int delays_us[] = { 100, 200, 500, 1000, 1000, 2000, 2000, 5000 };
    int last = (int)(sizeof delays_us / sizeof delays_us[0]) - 1;
    int64_t waited_us = 0;

    for (int i = 0; i < count && i <= last; i++)
        waited_us += delays_us[i];
    if (count > last)
        waited_us += (int64_t)(count - last) * delays_us[last];
    if (waited_us >= (int64_t)db->busy_ms * 1000)
        return 0;
    replica__os_sleep_us(delays_us[count < last ? count : last]);
    return 1;
}

static int open_sqlite(replica_db *db, replica_error *err)
{
    int flags = SQLITE_OPEN_NOMUTEX;
    int r, rc;

    if (db->flags & REPLICA_DB_READ_ONLY)
        flags |= SQLITE_OPEN_READONLY;
    else
        flags |= SQLITE_OPEN_READWRITE;
    if (!(db->flags & (REPLICA_DB_READ_ONLY | REPLICA_DB_MUST_EXIST)))
        flags |= SQLITE_OPEN_CREATE;
    rc = sqlite3_open_v2(db->path, &db->sqlite, flags, NULL);
    if (rc != SQLITE_OK)
        return replica__sql_error(db, rc, err);
    sqlite3_extended_result_codes(db->sqlite, 1);
    sqlite3_busy_handler(db->sqlite, busy, db);
    sqlite3_wal_hook(db->sqlite, wal_written, db);
    rc = replica__functions_add(db->sqlite);
    if (rc != SQLITE_OK)
        return replica__sql_error(db, rc, err);
    /* SQLite opens it all the same, and fails later, by words of its own. */
    if (!(db->flags & REPLICA_DB_READ_ONLY) && sqlite3_db_readonly(db->sqlite, "main") == 1)
        return replica__error_set(err, REPLICA_EREADONLY, 0,
                                  "the file, or the disk that it is on, is read-only");
    r = replica__format_open(db, err);
    if (r < 0)
        return r;
    /* Cache: reads of a large file were 1.9 times as fast with 64 MB as with 2.  16 MB for the
     * program, and 6 for a runner, which reads in order, keep a replication within 32 MB. */
    r = replica__sql_script(db, db->flags & REPLICA_DB_FULL_SYNC ? "PRAGMA synchronous = FULL"
                                                                 : "PRAGMA synchronous = NORMAL",
                            err);
    if (r < 0)
        return r;
    return replica__sql_script(db, db->sibling ? "PRAGMA cache_size = -6000"
                                               : "PRAGMA cache_size = -16000",
                               err);
}

static void take_options(replica_db *db, const replica_db_options *o)
{
    db->flags = o->flags;
    db->busy_ms = o->busy_ms == 0 ? BUSY_MS : o->busy_ms < 0 ? 0 : o->busy_ms;
    db->log = o->log;
    db->log_ctx = o->log_ctx;
    db->limits.max_bytes = o->max_document ? o->max_document : MAX_DOCUMENT;
    db->limits.max_depth = o->max_depth ? o->max_depth : MAX_DEPTH;
    db->max_key = o->max_key ? o->max_key : MAX_KEY;
    db->max_bundle = o->max_bundle ? o->max_bundle : MAX_BUNDLE;
    db->log_ms = o->log_ms ? o->log_ms : LOG_MS;
    db->log_bytes = o->log_bytes ? o->log_bytes : LOG_BYTES;
}

static void db_free(replica_db *db)
{
    if (!db)
        return;
    replica__index_build_end(db);
    replica__readers_end(db);
    replica__shelf_free(db);
    replica__commands_end(db);
    replica__events_end(db);
    replica__collections_free(db);
    replica__migrate_end(db);
    replica__sql_finish(db);
    sqlite3_close(db->sqlite);
    replica__os_locks_close(db->serving_locks);
    replica__pump_free(db);
    replica__gate_unref(db->gate);
    for (int i = 0; i < 2; i++)
        replica__index_keys_free(&db->keys[i]);
    replica__free(db->ranges);
    replica__free(db->swept);
    replica__free(db->path);
    replica__free(db);
}

static void db_free_ptr(replica_db **db)
{
    db_free(*db);
}

static int db_new(const char *path, const replica_db_options *o, replica_db **ret_db,
                  replica_error *err)
{
    replica_db *db = replica__alloc_zero(1, sizeof *db);

    if (!db)
        return replica__enomem(err);
    db->world = &replica__real_world;
    db->serving_locks = -1;
    db->path = replica__strdup(path);
    db->memory = strcmp(path, ":memory:") == 0;
    take_options(db, o);
    if (!db->path) {
        db_free(db);
        return replica__enomem(err);
    }
    *ret_db = db;
    return 0;
}

int replica_db_open(const char *path, const replica_db_options *opts, replica_db **ret_db,
                    replica_error *err)
{
    __attribute__((cleanup(db_free_ptr))) replica_db *db = NULL;
    replica_db_options o;
    int r;

    if (!path || !*path || !ret_db)
        return replica__error_set(err, REPLICA_EINVAL, 0, "no path, or no place for the database");
    r = replica__options(opts, opts ? opts->size : 0, &o, sizeof o, err);
    if (r >= 0 && (o.max_depth < 0 || o.max_bundle < 0 || o.log_ms < 0 || o.log_bytes < 0 ||
                   o.flags & ~KNOWN_FLAGS))
        r = replica__error_set(err, REPLICA_EINVAL, 0, "a limit below zero, or an unknown flag");
    if (r >= 0)
        r = db_new(path, &o, &db, err);
    if (r < 0)
        return r;
    db->gate = replica__gate_new();
    r = db->gate ? replica__token_draw(db->token) : replica__enomem(err);
    if (r == REPLICA_EIO)
        replica__error_set(err, r, 0, "the system has no random numbers");
    if (r >= 0)
        r = replica__pump_open(db, err);
    if (r >= 0)
        r = open_sqlite(db, err);
    if (r >= 0)
        r = replica__txn_know(db, err);
    if (r < 0) {
        replica__error_where(err, "%s", path);
        return r;
    }
    replica__conflict_log_open(db);
    *ret_db = db;
    db = NULL;
    return 0;
}

int replica__db_open_sibling(replica_db *of, replica_db **ret_sibling, replica_error *err)
{
    __attribute__((cleanup(db_free_ptr))) replica_db *db = NULL;
    const replica_db_options o = {
        .flags = of->flags | REPLICA_DB_MUST_EXIST,
        .busy_ms = of->busy_ms ? of->busy_ms : REPLICA_NO_WAIT,
        .log = of->log,
        .log_ctx = of->log_ctx,
        .max_document = of->limits.max_bytes,
        .max_key = of->max_key,
        .max_depth = of->limits.max_depth,
        .max_bundle = of->max_bundle,
        .log_ms = of->log_ms,
        .log_bytes = of->log_bytes,
    };
    int r;

    if (of->memory)
        return replica__error_set(err, REPLICA_ENOTSUP, 0, "a database in memory has one handle");
    r = db_new(of->path, &o, &db, err);
    if (r < 0)
        return r;
    db->sibling = true;
    db->world = of->world;
    db->gate = replica__gate_ref(of->gate);
    memcpy(db->token, of->token, sizeof db->token); /* one opening, two connections */
    r = replica__pump_open(db, err);
    if (r >= 0)
        r = open_sqlite(db, err);
    if (r >= 0)
        r = replica__txn_know(db, err);
    if (r >= 0)
        r = replica__collections_copy(of, db, err);
    if (r < 0) {
        replica__error_where(err, "%s", of->path);
        return r;
    }
    db->pump.program = &of->pump;
    *ret_sibling = db;
    db = NULL;
    return 0;
}

void replica_db_close(replica_db *db)
{
    if (!db)
        return;
    if (db->pump.dispatching) {
        db->pump.close_wanted = true;
        return;
    }
    replica__pump_close(db);
    replica__cursors_orphan(db);
    replica__bundles_orphan(db);
    db_free(db);
}

bool replica__db_in_memory(const replica_db *db)
{
    return db->memory;
}

void replica__db_set_world(replica_db *db, const struct replica__world *world)
{
    db->world = world;
    db->last_stamp = 0;
    db->known = false;
}

const struct replica__world *replica__db_world(const replica_db *db)
{
    return db->world;
}

void replica__db_limits(const replica_db *db, struct replica__json_limits *ret,
                        size_t *ret_max_key)
{
    *ret = db->limits;
    *ret_max_key = db->max_key;
}

void replica__db_log(const replica_db *db, int level, const char *topic, const char *format, ...)
{
    char line[512];
    va_list args;

    if (!db->log)
        return;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    db->log(db->log_ctx, level, topic, line);
}
