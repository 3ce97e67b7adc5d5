#include "libreplica/shape.h"

#include "libreplica/txn.h"
#include "schema/collection.h"
#include "schema/validate.h"

#include <string.h>

/* ---- documents ------------------------------------------------------------------- */

/* The schema says where in the document; the store, in which one.  The message has the path, too:
 * it goes where there is room for nothing else. */
static int name_document(replica_error *err, int r, const char *collection, const char *id)
{
    replica_error said;

    if (!err || r != REPLICA_ESCHEMA)
        return r;
    said = *err;
    if (said.where[0])
        replica__error_set(err, r, said.detail, "%s: %s", said.where, said.message);
    err->where[0] = '\0';
    replica__error_where(err, "%s%s%s%s", collection, id ? "/" : "", id ? id : "", said.where);
    return r;
}

int replica__shape_check_with(const replica_schema *schema, const char *collection, const char *id,
                              const char *json, size_t len, replica_error *err)
{
    const struct replica__collection_schema *rules;
    int r;

    if (!schema)
        return 0;
    r = replica__schema_validate_value(schema, replica__json_value(json, len), NULL, NULL, err);
    rules = replica__schema_collection(schema);
    if (r >= 0 && rules && rules->key_field_count > 0)
        r = replica__collection_schema_check_key(rules, json, len, err);
    return r < 0 ? name_document(err, r, collection, id) : 0;
}

int replica__shape_check(const replica_collection *coll, const char *id, const char *json,
                         size_t len, replica_error *err)
{
    return replica__shape_check_with(coll->schema, coll->name, id, json, len, err);
}

int replica__shape_fill(const replica_collection *coll, const char *json, size_t len,
                        struct replica__buf *out, replica_error *err)
{
    const struct replica__collection_schema *rules =
        coll->schema ? replica__schema_collection(coll->schema) : NULL;
    int r;

    if (!rules || (rules->default_count == 0 && rules->key_field_count == 0))
        return 0;
    r = replica__collection_schema_fill(rules, json, len, out, err);
    return r < 0 ? name_document(err, r, coll->name, NULL) : r;
}

int replica__shape_check_final(const replica_collection *coll, const struct replica__row *old,
                               const char *json, size_t len, replica_error *err)
{
    const struct replica__collection_schema *rules =
        coll->schema ? replica__schema_collection(coll->schema) : NULL;
    int r;

    if (!rules || rules->final_count == 0 || old->flags & REPLICA__FLAG_DELETED ||
        old->version != coll->version) /* an older text's fields are others */
        return 0;
    r = replica__collection_schema_check_final(rules, old->body, old->len, json, len, err);
    return r < 0 ? name_document(err, r, coll->name, old->id) : 0;
}

/* ---- opening --------------------------------------------------------------------- */

static int compile(const char *json, replica_schema **ret_schema, replica_error *err)
{
    const replica_schema_options o = { .size = sizeof o, .flags = REPLICA_SCHEMA_COLLECTION };

    return replica_schema_compile(json, REPLICA_NUL, &o, ret_schema, err);
}

int replica__shape_given(replica_collection_options *o, replica_schema **ret_schema,
                         replica_error *err)
{
    replica_schema *schema = NULL;
    int r;

    *ret_schema = NULL;
    if (!o->schema_json)
        return 0;
    r = compile(o->schema_json, &schema, err);
    if (r < 0)
        return r;
    if ((o->key && strcmp(o->key, replica_schema_key(schema)) != 0) ||
        (o->version && o->version != replica_schema_version(schema))) {
        r = replica__error_set(err, REPLICA_EINVAL, 0,
                               "the schema is of version %d with the key '%s', and the options"
                               " say otherwise", replica_schema_version(schema),
                               replica_schema_key(schema));
        replica_schema_unref(schema);
        return r;
    }
    o->key = replica_schema_key(schema); /* lives as long as the schema */
    o->version = replica_schema_version(schema);
    *ret_schema = schema;
    return 0;
}

static int read_stored(replica_collection *coll, char **ret_json, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    int rc = SQLITE_OK;
    int r = replica__sql_get(coll->db, REPLICA__SQL_COLL_SCHEMA, &stmt, err);

    *ret_json = NULL;
    if (r < 0)
        return r;
    replica__bind_int(stmt, 1, coll->number, &rc);
    r = replica__sql_step(coll->db, stmt, rc, err);
    if (r <= 0 || sqlite3_column_type(stmt, 0) == SQLITE_NULL)
        return r < 0 ? r : 0;
    *ret_json = replica__strdup((const char *)sqlite3_column_text(stmt, 0));
    return *ret_json ? 1 : replica__enomem(err);
}

static bool same_schema(const char *a, const char *b)
{
    return replica__json_equal(a, strlen(a), b, strlen(b), 0) > 0;
}

/* What was stored without a schema must keep to it. */
static int check_all(const replica_collection *coll, const replica_schema *schema,
                     replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    struct replica__row row;
    int r = replica__sql_with(coll->db, REPLICA__SQL_DOC_FEED, &stmt, err, coll->number, 0, -1);

    if (r < 0)
        return r;
    while ((r = replica__sql_step(coll->db, stmt, SQLITE_OK, err)) > 0) {
        r = replica__row_read(coll->db, stmt, &row, err);
        if (r >= 0 && row.version == coll->version && !(row.flags & REPLICA__FLAG_DELETED))
            r = replica__shape_check_with(schema, coll->name, row.id, row.body, row.len, err);
        if (r < 0)
            return r;
    }
    return r;
}

int replica__shape_store(replica_db *db, int64_t coll, const char *json, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    int rc = SQLITE_OK;
    int r = replica__sql_get(db, REPLICA__SQL_COLL_SET_SCHEMA, &stmt, err);

    if (r < 0)
        return r;
    replica__bind_int(stmt, 1, coll, &rc);
    replica__bind_text(stmt, 2, json, REPLICA_NUL, &rc);
    return replica__sql_step(db, stmt, rc, err);
}

static int store(replica_collection *coll, const char *json, replica_schema *schema,
                 replica_error *err)
{
    REPLICA_TXN txn = NULL;
    int r = replica__txn_begin(coll->db, &txn, err);

    if (r >= 0)
        r = check_all(coll, schema, err);
    if (r >= 0)
        r = replica__shape_store(coll->db, coll->number, json, err);
    return r < 0 ? r : replica__txn_commit(&txn, err);
}

/* There is none of this version yet: the given one is stored. */
static int take_given(replica_collection *coll, const char *json, replica_schema *given,
                      replica_error *err)
{
    int r = coll->db->flags & REPLICA_DB_READ_ONLY ? 0 : store(coll, json, given, err);

    if (r < 0)
        return r;
    coll->schema_json = replica__strdup(json);
    if (!coll->schema_json)
        return replica__enomem(err);
    coll->schema = replica_schema_ref(given);
    return 0;
}

int replica__shape_open(replica_collection *coll, const char *given_json, replica_schema *given,
                        replica_error *err)
{
    REPLICA_FREE char *json = NULL;
    replica_schema *stored = NULL;
    int r = read_stored(coll, &json, err);

    if (r > 0 && given && same_schema(json, given_json))
        stored = replica_schema_ref(given);
    else if (r > 0)
        r = compile(json, &stored, err);
    /* One of an older version does not count: a rise was interrupted before its own was stored. */
    if (stored && replica_schema_version(stored) != coll->version)
        stored = replica_schema_unref(stored);
    if (r >= 0 && !stored)
        return given ? take_given(coll, given_json, given, err) : 0;
    if (r >= 0 && given && !same_schema(json, given_json))
        r = replica__error_set(err, REPLICA_EINVAL, 0,
                               "'%s' has another schema of version %d: a schema that changes needs"
                               " a higher version", coll->name, coll->version);
    if (r < 0) {
        replica_schema_unref(stored);
        return r;
    }
    coll->schema = stored;
    coll->schema_json = json;
    json = NULL;
    return 0;
}

bool replica__shape_agrees(const replica_collection *coll, const char *given_json)
{
    return !given_json || (coll->schema && same_schema(coll->schema_json, given_json));
}

int replica__shape_copy(replica_collection *coll, const replica_collection *from,
                        replica_error *err)
{
    if (!from->schema)
        return 0;
    coll->schema_json = replica__strdup(from->schema_json);
    if (!coll->schema_json)
        return replica__enomem(err);
    coll->schema = replica_schema_ref(from->schema);
    return 0;
}

void replica__shape_free(replica_collection *coll)
{
    coll->schema = replica_schema_unref(coll->schema);
    replica__free(coll->schema_json);
    coll->schema_json = NULL;
}
