#include "libreplica/collection.h"

#include "base/options.h"
#include "libreplica/history.h"
#include "libreplica/index/index.h"
#include "libreplica/migrate/migrate.h"
#include "libreplica/replication/master_was.h"
#include "libreplica/rules.h"
#include "libreplica/shape.h"
#include "libreplica/ttl.h"
#include "libreplica/txn.h"
#include "schema/collection.h"

#include <string.h>

#define MAX_NAME 64

static bool is_name(const char *name)
{
    size_t len = strlen(name);

    if (len == 0 || len > MAX_NAME)
        return false;
    if (!((name[0] >= 'A' && name[0] <= 'Z') || (name[0] >= 'a' && name[0] <= 'z')))
        return false;
    return strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-") == len;
}

struct stored {
    struct replica__stored_version v;
    bool has_schema;
    char *key;
};

/* 1: it is stored; 0: not yet. */
static int find(replica_db *db, const char *name, struct stored *ret, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    int r = replica__sql_row_text(db, REPLICA__SQL_COLL_FIND, &stmt, err, name, REPLICA_NUL);

    if (r <= 0)
        return r;
    ret->v = (struct replica__stored_version){ .number = sqlite3_column_int64(stmt, 0),
                                               .version = sqlite3_column_int(stmt, 2),
                                               .unmigrated = sqlite3_column_int64(stmt, 3),
                                               .oldest = sqlite3_column_int(stmt, 4) };
    ret->has_schema = sqlite3_column_int(stmt, 5);
    ret->key = replica__strdup((const char *)sqlite3_column_text(stmt, 1));
    return ret->key ? 1 : replica__enomem(err);
}

static int create(replica_db *db, const char *name, const replica_collection_options *o,
                  struct stored *ret, replica_error *err)
{
    REPLICA_TXN txn = NULL;
    const char *key = o->key ? o->key : "id";
    int r = replica__txn_begin(db, &txn, err);

    if (r < 0)
        return r;
    r = find(db, name, ret, err); /* another process may have been faster */
    if (r == 0) {
        REPLICA_STMT stmt = NULL;
        int rc = SQLITE_OK;

        r = replica__sql_get(db, REPLICA__SQL_COLL_ADD, &stmt, err);
        if (r < 0)
            return r;
        replica__bind_text(stmt, 1, name, REPLICA_NUL, &rc);
        replica__bind_text(stmt, 2, key, REPLICA_NUL, &rc);
        replica__bind_int(stmt, 3, o->version, &rc);
        replica__bind_text(stmt, 4, o->schema_json, REPLICA_NUL, &rc);
        r = replica__sql_step(db, stmt, rc, err);
        if (r < 0)
            return r;
        ret->v = (struct replica__stored_version){ .number = sqlite3_last_insert_rowid(db->sqlite),
                                                   .version = o->version,
                                                   .unmigrated = -1,
                                                   .oldest = o->version };
        ret->key = replica__strdup(key);
        if (!ret->key)
            return replica__enomem(err);
    }
    return r < 0 ? r : replica__txn_commit(&txn, err);
}

static int check_stored(replica_db *db, const char *name, const replica_collection_options *o,
                        const struct replica__steps *steps, struct stored *s, int *version,
                        replica_error *err)
{
    int r;

    *version = s->v.version;
    if (o->key && strcmp(o->key, s->key) != 0)
        return replica__error_set(err, REPLICA_EINVAL, 0,
                                  "the primary key of '%s' is '%s', not '%s'",
                                  name, s->key, o->key);
    if (!o->size || (!o->schema_json && s->has_schema && !o->version))
        return 0; /* as it is stored */
    if (!o->schema_json && s->has_schema && o->version > s->v.version)
        return replica__error_set(err, REPLICA_EINVAL, 0,
                                  "'%s' has a schema of version %d: version %d needs one, too",
                                  name, s->v.version, o->version);
    r = replica__migrate_raise(db, name, o->version, o->schema_json, steps, &s->v, err);
    *version = o->version;
    return r;
}

static void coll_free(replica_collection *coll)
{
    if (coll->handler.destroy)
        coll->handler.destroy(coll->handler.ctx);
    if (!coll->steps_borrowed)
        replica__free(coll->steps);
    replica__rules_close(coll);
    replica__shape_free(coll);
    replica__indexes_free(coll->indexes);
    replica__free(coll->reads);
    replica__free(coll->name);
    replica__free(coll->key);
    replica__free(coll);
}

/* What a new handle of it starts with; like: the same on another handle, or NULL. */
static int fill(replica_collection *coll, const char *name, const replica_collection_options *o,
                replica_schema *schema, const replica_collection *like, replica_error *err)
{
    int r;

    coll->name = replica__strdup(name);
    if (!coll->name)
        return replica__enomem(err);
    r = like ? replica__shape_copy(coll, like, err)
             : replica__shape_open(coll, o->schema_json, schema, err);
    if (r >= 0 && like)
        replica__rules_copy(coll, like);
    else if (r >= 0)
        r = replica__rules_open(coll, o->rules, err);
    if (r >= 0 && o->schema_json)
        r = replica__indexes_follow_schema(coll, replica__schema_collection(coll->schema), err);
    if (r >= 0 && o->ttl_ms > 0 && !(coll->db->flags & REPLICA_DB_READ_ONLY))
        r = replica__ttl_start(coll, o->ttl_field, o->ttl_ms, err);
    return r;
}

static int open_new(replica_db *db, const char *name, const replica_collection_options *o,
                    replica_schema *schema, const replica_collection *like,
                    replica_collection **ret, replica_error *err)
{
    struct replica__steps *steps = NULL;
    struct stored s = { 0 };
    replica_collection *coll;
    int version;
    int r = replica__steps_copy(o->migrations, o->migration_count, &steps, err);

    if (r >= 0)
        r = find(db, name, &s, err);
    if (r == 0)
        r = create(db, name, o, &s, err);
    if (r >= 0)
        r = check_stored(db, name, o, steps, &s, &version, err);
    if (r >= 0)
        r = replica__migrate_begin(db, steps, err);
    coll = r < 0 ? NULL : replica__alloc_zero(1, sizeof *coll);
    if (!coll) {
        replica__free(steps);
        replica__free(s.key);
        return r < 0 ? r : replica__enomem(err);
    }
    coll->db = db;
    coll->number = s.v.number;
    coll->key = s.key;
    coll->version = version;
    coll->stored_version = s.v.version;
    coll->unmigrated = s.v.version < version ? 0 : s.v.unmigrated;
    coll->steps = steps;
    coll->history = like ? like->history : 0;
    r = fill(coll, name, o, schema, like, err);
    if (r >= 0 && !like)
        r = replica__history_open(coll, o->history, err);
    if (r >= 0)
        r = replica__was_open(coll, err);
    if (r < 0) {
        coll_free(coll);
        return r;
    }
    coll->next = db->collections;
    db->collections = coll;
    *ret = coll;
    return 0;
}

static int check_options(const char *name, const replica_collection_options *o, replica_error *err)
{
    if (!is_name(name))
        return replica__error_set(
            err, REPLICA_EINVAL, 0,
            "'%.80s' is no collection name: a letter, then up to 63 of letters,"
            " digits, '_' and '-'",
            name);
    if (o->history < REPLICA_HISTORY_NONE)
        return replica__error_set(err, REPLICA_EINVAL, 0, "a history of less than nothing");
    if (o->ttl_ms < 0 || (o->ttl_field && !*o->ttl_field))
        return replica__error_set(err, REPLICA_EINVAL, 0, "a time to live below zero, or no field");
    if (o->version < 0 || (o->key && (!*o->key || *o->key == '_')))
        return replica__error_set(err, REPLICA_EINVAL, 0,
                                  "a version below zero, or no possible primary key");
    return 0;
}

/* The handler of a collection that is opened again must be the one that it has. */
static bool agrees(const replica_collection *coll, const replica_collection_options *o,
                   const replica_conflict_handler *h)
{
    return (!o->key || strcmp(o->key, coll->key) == 0) &&
           (!o->size || o->version == coll->version || (!o->version && coll->schema)) &&
           (!o->migration_count || coll->steps) && replica__shape_agrees(coll, o->schema_json) &&
           (!o->history || (o->history > 0 ? o->history : 0) == coll->history) &&
           (!o->ttl_ms || replica__ttl_is(coll, o->ttl_field, o->ttl_ms)) &&
           replica__rules_agree(coll, o->rules) &&
           (!o->handler || (h->is_equal == coll->handler.is_equal &&
                            h->resolve == coll->handler.resolve && h->ctx == coll->handler.ctx));
}

static replica_collection *find_open(replica_db *db, const char *name)
{
    replica_collection *coll = db->collections;

    while (coll && strcmp(coll->name, name) != 0)
        coll = coll->next;
    return coll;
}

static void close_one(replica_collection *coll)
{
    replica_collection **at = &coll->db->collections;

    while (*at != coll)
        at = &(*at)->next;
    *at = coll->next;
    coll_free(coll);
}

int replica__collection_borrow(replica_db *db, const char *name, replica_collection **ret_coll,
                               replica_error *err)
{
    const replica_collection_options as_stored = { 0 };
    replica_collection *coll = find_open(db, name);
    int r = coll ? 0 : open_new(db, name, &as_stored, NULL, NULL, &coll, err);

    if (r < 0)
        return r;
    coll->borrowed++;
    *ret_coll = coll;
    return 0;
}

void replica__collection_return(replica_collection **coll)
{
    if (*coll)
        (*coll)->borrowed--;
    *coll = NULL;
}

int replica_db_collection(replica_db *db, const char *name, const replica_collection_options *opts,
                          replica_collection **ret_coll, replica_error *err)
{
    replica_conflict_handler handler = { 0 };
    replica_collection_options o = { 0 };
    replica_collection *coll = NULL;
    replica_schema *schema = NULL;
    bool known = false;
    int r = replica__options(opts, opts ? opts->size : 0, &o, sizeof o, err);

    if (o.handler) { /* whatever fails below, its destroy is called */
        int taken = replica__options(o.handler, o.handler->size, &handler, sizeof handler,
                                     r < 0 ? NULL : err);

        r = r < 0 ? r : taken;
    }
    if (r >= 0 && (!db || !name || !ret_coll))
        r = replica__error_set(err, REPLICA_EINVAL, 0, "no database, name or place");
    if (r >= 0)
        r = replica__shape_given(&o, &schema, err);
    if (r >= 0)
        r = check_options(name, &o, err);
    coll = r < 0 ? NULL : find_open(db, name);
    if (coll && !coll->asked && !coll->borrowed && opts) {
        close_one(coll); /* nobody knows of it */
        coll = NULL;
    }
    known = coll != NULL;
    if (r >= 0 && known && opts && !agrees(coll, &o, &handler))
        r = replica__error_set(err, REPLICA_EINVAL, 0, "'%s' is open with other options", name);
    if (r >= 0 && !known)
        r = open_new(db, name, &o, schema, NULL, &coll, err);
    replica_schema_unref(schema);
    if (r < 0) {
        if (handler.destroy)
            handler.destroy(handler.ctx);
        if (name)
            replica__error_where(err, "%s", name);
        return r;
    }
    if (!known)
        coll->handler = handler;
    coll->asked = true;
    *ret_coll = coll;
    return 0;
}

const char *replica_collection_name(replica_collection *coll)
{
    return coll ? coll->name : "";
}

const char *replica_collection_key(replica_collection *coll)
{
    return coll ? coll->key : "";
}

int replica_collection_version(replica_collection *coll)
{
    return coll ? coll->version : 0;
}

replica_db *replica_collection_db(replica_collection *coll)
{
    return coll ? coll->db : NULL;
}

const char *replica_collection_schema(replica_collection *coll)
{
    return coll ? coll->schema_json : NULL;
}

replica_schema *replica__collection_schema(const replica_collection *coll)
{
    return coll->schema;
}

const replica_conflict_handler *replica__collection_handler(const replica_collection *coll)
{
    return &coll->handler;
}

replica_collection *replica__collection_by_number(replica_db *db, int64_t number)
{
    replica_collection *coll = db->collections;

    while (coll && coll->number != number)
        coll = coll->next;
    return coll;
}

int replica__collection_name(replica_db *db, int64_t number, char *ret_name, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    int r = replica__sql_row(db, REPLICA__SQL_COLL_NAME, &stmt, err, number);

    if (r < 0)
        return r;
    if (r == 0)
        return replica__error_set(err, REPLICA_ECORRUPT, 0, "collection %lld is missing",
                                  (long long)number);
    sqlite3_snprintf(MAX_NAME + 1, ret_name, "%s", sqlite3_column_text(stmt, 0));
    return 0;
}

int replica_db_collections(replica_db *db, int (*fn)(void *ctx, const char *name), void *ctx,
                           replica_error *err)
{
    struct replica__buf names = REPLICA_BUF_INIT;
    REPLICA_STMT stmt = NULL;
    int r;

    if (!db || !fn)
        return replica__error_set(err, REPLICA_EINVAL, 0, "no database, or no function");
    r = replica__sql_get(db, REPLICA__SQL_COLL_LIST, &stmt, err);
    while (r >= 0 && (r = replica__sql_step(db, stmt, SQLITE_OK, err)) > 0)
        replica__buf_add(&names, sqlite3_column_text(stmt, 0),
                         (size_t)sqlite3_column_bytes(stmt, 0) + 1);
    replica__sql_reset(&stmt); /* fn may use the database */
    if (r >= 0 && names.r < 0)
        r = replica__enomem(err);
    for (size_t at = 0; r == 0 && at < names.len; at += strlen(names.data + at) + 1)
        r = fn(ctx, names.data + at);
    replica__buf_free(&names);
    return r;
}

int replica__collections_copy(replica_db *from, replica_db *to, replica_error *err)
{
    for (replica_collection *coll = from->collections; coll; coll = coll->next) {
        const replica_collection_options o = { .version = coll->version };
        replica_collection *copy;
        int r = open_new(to, coll->name, &o, NULL, coll, &copy, err);

        if (r < 0)
            return r;
        copy->handler = coll->handler;
        copy->handler.destroy = NULL;
        copy->version = coll->version;
        copy->steps = coll->steps;
        copy->steps_borrowed = true;
        copy->asked = true;
    }
    return 0;
}

void replica__collections_free(replica_db *db)
{
    replica_collection *next;

    for (replica_collection *coll = db->collections; coll; coll = next) {
        next = coll->next;
        coll_free(coll);
    }
    db->collections = NULL;
}
