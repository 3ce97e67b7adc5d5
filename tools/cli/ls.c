/* replica ls: collections with their number of documents, or the ids of one. */
#include "tools/cli/cli.h"
#include "tools/cli/keys.h"

struct listing {
    replica_db *db;
    bool json;
    replica_error *err;
};

static int list_collection(void *ctx, const char *name)
{
    struct listing *l = ctx;
    replica_collection *coll = NULL;
    int64_t count = 0;
    int r;

    r = replica_db_collection(l->db, name, NULL, &coll, l->err);
    if (r >= 0)
        r = replica_collection_count(coll, &count, l->err);
    if (r < 0)
        return r;
    if (!l->json) {
        printf("%s\t%lld\n", name, (long long)count);
        return 0;
    }
    printf("{\"collection\":\"%s\"", name);
    cli_print_member("key", replica_collection_key(coll));
    printf(",\"version\":%d%s,\"documents\":%lld}\n", replica_collection_version(coll),
           replica_collection_schema(coll) ? ",\"schema\":true" : "", (long long)count);
    return 0;
}

static int list_ids(struct cli_store *store, const char *keys, bool json, replica_error *err)
{
    CLI_CURSOR cursor = NULL;
    replica_doc *doc = NULL;
    int r;

    r = replica_keys_find(store->coll, keys ? keys : "**", &cursor, err);
    while (r >= 0 && !ferror(stdout) && (r = replica_cursor_next(cursor, &doc, err)) > 0) {
        if (json)
            cli_print_string(replica_doc_id(doc));
        else
            fputs(replica_doc_id(doc), stdout);
        putchar('\n');
    }
    return r;
}

int cmd_ls(int argc, char **argv)
{
    const char *db = NULL, *collection = NULL, *keys = NULL;
    bool json = false;
    const struct cli_option options[] = {
        CLI_OPTION_DB(&db),
        { "collection", CLI_TEXT, false, &collection, "NAME", "list the ids of its documents" },
        CLI_OPTION_KEYS(&keys),
        CLI_OPTION_JSON(&json),
        { 0 },
    };
    const struct cli_command command = {
        NULL,
        "List the collections, each with its number of documents behind a tab; or the ids of a\n"
        "collection's documents, one per line, in key order.",
        0, 0, options,
    };
    CLI_STORE store = CLI_STORE_INIT;
    replica_error err = { 0 };
    int r;

    if (cli_parse(&command, argc, argv, &r) < 0)
        return r;
    if (keys && !collection)
        return cli_usage("--keys comes with --collection");
    r = keys ? cli_check_keys(keys) : 0;
    if (r)
        return r;
    r = collection ? cli_open_collection(&store, db, REPLICA_DB_READ_ONLY, collection)
                   : cli_open(&store, db, REPLICA_DB_READ_ONLY);
    if (r)
        return r;
    if (collection) {
        r = list_ids(&store, keys, json, &err);
    } else {
        struct listing listing = { store.db, json, &err };

        r = replica_db_collections(store.db, list_collection, &listing, &err);
    }
    return cli_finish(r < 0 ? cli_failed(&err) : CLI_OK);
}
