/* The collections of a store: found, created and prepared, with their keys and rules. */
#include "tools/server/storage_store.h"

#include "base/alloc.h"
#include "base/error.h"
#include "libreplica/merge.h"

#include <string.h>

enum { COLLECTIONS_MAX = 1000 };

static struct replica__storage_coll *known(const struct store *store, const char *name)
{
    for (struct replica__storage_coll *c = store->first; c; c = c->next)
        if (strcmp(replica_collection_name(c->coll), name) == 0)
            return c;
    return NULL;
}

/* Open it, or create it with opts. */
static int open_coll(struct store *store, const char *name,
                     const replica_collection_options *opts, struct replica__storage_coll **ret,
                     replica_error *err)
{
    struct replica__storage_coll *coll = replica__alloc_zero(1, sizeof(*coll));
    int r;

    if (!coll)
        return replica__enomem(err);
    r = replica_db_collection(store->db, name, opts, &coll->coll, err);
    if (r < 0) {
        replica__free(coll);
        return r;
    }
    coll->next = store->first;
    store->first = coll;
    *ret = coll;
    return 0;
}

struct search {
    const char *name;
    size_t seen;
};

static int is_name(void *ctx, const char *name)
{
    struct search *search = ctx;

    search->seen++;
    return strcmp(name, search->name) == 0;
}

int replica__storage_find(struct replica__storage *s, const char *name,
                          struct replica__storage_coll **ret_coll, replica_error *err)
{
    struct store *store = store_of(s);
    struct replica__storage_coll *coll = known(store, name);
    struct search search = { name, 0 };
    int r = coll != NULL;

    if (!coll)
        r = replica_db_collections(store->db, is_name, &search, err);
    if (r > 0 && !coll)
        r = open_coll(store, name, NULL, &coll, err);
    if (r < 0)
        return r;
    if (coll)
        *ret_coll = coll;
    return coll != NULL;
}

static const char *configured_key(const struct store *store, const char *name)
{
    const char *at = store->keys;

    while (at < store->keys + store->keys_len) {
        const char *field = at + strlen(at) + 1;

        if (strcmp(at, name) == 0)
            return field;
        at = field + strlen(field) + 1;
    }
    return NULL;
}

int replica__storage_create(struct replica__storage *s, const char *name, int version,
                            struct replica__storage_coll **ret_coll, replica_error *err)
{
    struct store *store = store_of(s);
    replica_collection_options opts = REPLICA_COLLECTION_OPTIONS_INIT;
    struct search search = { "", 0 };
    int r;

    r = replica_db_collections(store->db, is_name, &search, err);
    if (r < 0)
        return r;
    if (search.seen >= COLLECTIONS_MAX)
        return replica__error_set(err, REPLICA_ELIMIT, 0, "there are %d collections already",
                                  COLLECTIONS_MAX);
    opts.key = configured_key(store, name);
    opts.version = version;
    return open_coll(store, name, &opts, ret_coll, err);
}

static int add_name(void *ctx, const char *name)
{
    struct replica__buf *names = ctx;

    replica__buf_add(names, name, strlen(name) + 1);
    return names->r;
}

int replica__storage_rules(struct replica__storage *s, struct replica__buf *out, replica_error *err)
{
    REPLICA_BUF names = REPLICA_BUF_INIT;
    const char *between = "";
    int r = replica_db_collections(store_of(s)->db, add_name, &names, err);

    if (store_of(s)->rules) {
        replica__buf_str(out, "\"*\":");
        replica__buf_str(out, store_of(s)->rules);
        between = ",";
    }
    for (size_t at = 0; r >= 0 && at < names.len; at += strlen(names.data + at) + 1) {
        struct replica__storage_coll *coll = NULL;
        const char *rules;

        r = replica__storage_find(s, names.data + at, &coll, err);
        rules = r > 0 ? replica_collection_rules(coll->coll) : NULL;
        if (!rules)
            continue;
        replica__buf_printf(out, "%s\"%s\":", between, names.data + at);
        replica__buf_str(out, rules);
        between = ",";
    }
    return r < 0 ? r : 0;
}

int replica__storage_names(struct replica__storage *s, int (*fn)(void *ctx, const char *name),
                           void *ctx, replica_error *err)
{
    return replica_db_collections(store_of(s)->db, fn, ctx, err);
}

int replica__storage_reads(struct replica__storage *s, struct replica__storage_coll *coll,
                           const char *fields, replica_error *err)
{
    int r = coll->reads ? 0 : replica__master_reads(coll->coll, fields, err);

    (void)s;
    coll->reads = r >= 0;
    return r;
}

const char *replica__storage_key_field(const struct replica__storage_coll *coll)
{
    return replica_collection_key(coll->coll);
}

int replica__storage_version(const struct replica__storage_coll *coll)
{
    return replica_collection_version(coll->coll);
}

/* ---- what is configured ---------------------------------------------------------- */

int replica__storage_take_keys(struct store *store, const struct replica__storage_key *keys,
                               size_t n, replica_error *err)
{
    REPLICA_BUF texts = REPLICA_BUF_INIT;

    for (size_t i = 0; i < n; i++) {
        replica__buf_add(&texts, keys[i].name, strlen(keys[i].name) + 1);
        replica__buf_add(&texts, keys[i].field, strlen(keys[i].field) + 1);
    }
    store->keys = replica__buf_take(&texts, &store->keys_len);
    return store->keys ? 0 : replica__enomem(err);
}

/* What is configured must be what is stored. */
int replica__storage_check_keys(struct store *store, const struct replica__storage_key *keys,
                                size_t n, replica_error *err)
{
    for (size_t i = 0; i < n; i++) {
        struct replica__storage_coll *coll = NULL;
        int r = replica__storage_find(&store->storage, keys[i].name, &coll, err);

        if (r < 0)
            return r;
        if (r > 0 && strcmp(replica__storage_key_field(coll), keys[i].field) != 0)
            return replica__error_set(err, REPLICA_EINVAL, 0,
                                      "the primary key of '%s' is '%s', not '%s'", keys[i].name,
                                      replica__storage_key_field(coll), keys[i].field);
    }
    return 0;
}

int replica__storage_store_prepare(struct replica__storage *storage, const char *name,
                                   const char *schema_json, const char *rules,
                                   replica_error *err)
{
    replica_collection_options opts = REPLICA_COLLECTION_OPTIONS_INIT;
    struct replica__storage_coll *coll = NULL;

    opts.schema_json = schema_json;
    opts.rules = rules;
    opts.key = schema_json ? NULL : configured_key(store_of(storage), name);
    return open_coll(store_of(storage), name, &opts, &coll, err);
}

int replica__storage_store_rules(struct replica__storage *storage, const char *rules,
                                 replica_error *err)
{
    struct store *store = store_of(storage);
    replica_rules *compiled = NULL;
    int r = replica_rules_compile(rules, REPLICA_NUL, &compiled, err);
    char *copy;

    if (r >= 0)
        r = replica_rules_check(compiled, NULL, err);
    replica_rules_unref(compiled);
    copy = r < 0 ? NULL : replica__strdup(rules);
    if (r < 0 || !copy)
        return r < 0 ? r : replica__enomem(err);
    replica__free(store->rules);
    store->rules = copy;
    return 0;
}
