/* Opening databases and collections, and what a failure means for the exit code. */
#include "tools/cli/cli.h"

#include <string.h>

int cli_exit_code(int code)
{
    switch (code) {
    case REPLICA_EJSON:
    case REPLICA_ESCHEMA:
    case REPLICA_ELIMIT:
        return CLI_INPUT;
    case REPLICA_ECONFLICT:
    case REPLICA_ELOCKED:
        return CLI_CONFLICT;
    case REPLICA_EVERSION:
        return CLI_VERSION;
    case REPLICA_ENET:
    case REPLICA_ETIMEOUT:
        return CLI_UNREACHED;
    case REPLICA_EAUTH:
        return CLI_CREDENTIALS;
    case REPLICA_EHTTP:
    case REPLICA_ENOTSUP:
        return CLI_REFUSED;
    case REPLICA_EINVAL:
        return CLI_USAGE;
    case REPLICA_ECANCELLED:
    case REPLICA_ECLOSED:
    case REPLICA_EUSER:
        return CLI_NO;
    default:
        return CLI_STORAGE;
    }
}

int cli_failed(const replica_error *err)
{
    const char *message = err->message[0] ? err->message : replica_error_name(err->code);
    bool refused = err->code == REPLICA_EHTTP && (err->detail == 401 || err->detail == 403);

    if (err->where[0] && !strstr(message, err->where))
        cli_complain("%s: %s", err->where, message);
    else
        cli_complain("%s", message);
    return refused ? CLI_CREDENTIALS : cli_exit_code(err->code);
}

int cli_bad_text(const char *source, int64_t line, const replica_error *err)
{
    const char *message = err->message[0] ? err->message : replica_error_name(err->code);

    if (err->offset >= 0) /* bytes are counted from 1 for people */
        cli_complain_at(source, line, "byte %lld: %s", (long long)err->offset + 1, message);
    else
        cli_complain_at(source, line, "%s", message);
    return cli_exit_code(err->code);
}

void cli_close(struct cli_store *store)
{
    replica_db_close(store->db);
    store->db = NULL;
    store->coll = NULL;
}

int cli_open(struct cli_store *store, const char *path, unsigned flags)
{
    replica_db_options opts = REPLICA_DB_OPTIONS_INIT;
    replica_error err = { 0 };

    opts.flags = flags;
    if (replica_db_open(path, &opts, &store->db, &err) < 0) {
        if (!strstr(err.message, path) && !err.where[0])
            snprintf(err.where, sizeof(err.where), "%s", path);
        return cli_failed(&err);
    }
    return 0;
}

struct wanted {
    const char *name;
};

static int is_wanted(void *ctx, const char *name)
{
    const struct wanted *wanted = ctx;

    return strcmp(name, wanted->name) == 0;
}

int cli_has_collection(replica_db *db, const char *collection, replica_error *err)
{
    struct wanted wanted = { collection };

    return replica_db_collections(db, is_wanted, &wanted, err);
}

int cli_open_collection(struct cli_store *store, const char *path, unsigned flags,
                        const char *collection)
{
    replica_error err = { 0 };
    int r;

    r = cli_open(store, path, flags);
    if (r)
        return r;
    r = cli_has_collection(store->db, collection, &err);
    if (r == 0) {
        cli_complain("%s: there is no collection '%s'", path, collection);
        return CLI_NO;
    }
    if (r > 0)
        r = replica_db_collection(store->db, collection, NULL, &store->coll, &err);
    return r < 0 ? cli_failed(&err) : 0;
}

int cli_wrong_key(const char *path, replica_collection *coll, const char *key)
{
    cli_complain("%s: the key of '%s' is '%s', not '%s'", path, replica_collection_name(coll),
                 replica_collection_key(coll), key);
    return CLI_USAGE;
}

/* Stored ones keep their version, whatever a later program's schema is. */
static int open_stored(struct cli_store *store, const char *path, const char *collection,
                       const char *key, replica_error *err)
{
    int r;

    r = replica_db_collection(store->db, collection, NULL, &store->coll, err);
    if (r < 0)
        return cli_failed(err);
    if (key && strcmp(key, replica_collection_key(store->coll)) != 0)
        return cli_wrong_key(path, store->coll, key);
    return 0;
}

int cli_create_collection(struct cli_store *store, const char *path, const char *collection,
                          const char *key, const char *schema)
{
    replica_collection_options opts = REPLICA_COLLECTION_OPTIONS_INIT;
    replica_error err = { 0 };
    int r;

    r = cli_open(store, path, 0);
    if (r)
        return r;
    r = cli_has_collection(store->db, collection, &err);
    if (r > 0 && !schema)
        return open_stored(store, path, collection, key, &err);
    opts.key = key;
    opts.schema_json = schema;
    if (r >= 0)
        r = replica_db_collection(store->db, collection, &opts, &store->coll, &err);
    return r < 0 ? cli_failed(&err) : 0;
}
