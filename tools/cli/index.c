/* replica index: create, drop and list indexes. */
#include "base/error.h"
#include "libreplica/query.h"
#include "tools/cli/cli.h"

#include <string.h>

#define MAX_FIELDS 16

struct settings {
    const char *name, *where;
    bool unique, text, json;
};

/* ---- ls -------------------------------------------------------------------------- */

static void print_json(const replica_index_entry *e)
{
    printf("{\"name\":");
    cli_print_string(e->name);
    printf(",\"fields\":[");
    for (size_t i = 0; i < e->n; i++) {
        if (i > 0)
            putchar(',');
        cli_print_string(e->fields[i]);
    }
    printf("]");
    if (e->where) {
        printf(",\"where\":");
        cli_print_json(e->where);
    }
    printf(",\"unique\":%s,\"text\":%s,\"schema\":%s,\"ready\":%s}\n",
           e->flags & REPLICA_INDEX_UNIQUE ? "true" : "false",
           e->flags & REPLICA_INDEX_TEXT ? "true" : "false", e->from_schema ? "true" : "false",
           e->ready ? "true" : "false");
}

static int print_entry(void *ctx, const replica_index_entry *e)
{
    const bool *json = ctx;

    if (*json) {
        print_json(e);
        return 0;
    }
    printf("%s\t", e->name);
    for (size_t i = 0; i < e->n; i++)
        printf("%s%s", i ? "," : "", e->fields[i]);
    printf("\t%s%s%s%s", e->flags & REPLICA_INDEX_UNIQUE ? "unique " : "",
           e->flags & REPLICA_INDEX_TEXT ? "text " : "", e->from_schema ? "schema " : "",
           e->ready ? "ready" : "unbuilt");
    if (e->where) {
        printf("\twhere ");
        cli_print_json(e->where);
    }
    putchar('\n');
    return 0;
}

static int list(const char *db, const char *collection, bool json)
{
    CLI_STORE store = CLI_STORE_INIT;
    replica_error err = { 0 };
    int r = cli_open_collection(&store, db, REPLICA_DB_READ_ONLY, collection);

    if (r)
        return r;
    r = replica_indexes(store.coll, print_entry, &json, &err);
    return cli_finish(r < 0 ? cli_failed(&err) : CLI_OK);
}

/* ---- create, drop ---------------------------------------------------------------- */

static int create(struct cli_store *store, const struct settings *s, int n, char **fields,
                  replica_error *err)
{
    replica_index_options o = REPLICA_INDEX_OPTIONS_INIT;
    const char *paths[MAX_FIELDS];
    int r;

    for (int i = 0; i < n; i++)
        paths[i] = fields[i];
    o.name = s->name;
    o.fields = paths;
    o.n = (size_t)n;
    o.where = s->where;
    o.flags = (s->unique ? REPLICA_INDEX_UNIQUE : 0) | (s->text ? REPLICA_INDEX_TEXT : 0);
    r = replica_index_create(store->coll, &o, err);
    return r < 0 ? r : replica_index_wait(store->coll, err);
}

struct meant {
    const char *name; /* NULL: the one on these fields */
    int n;
    char **fields;
    int found;
    struct replica__buf text; /* the name of the first that was found */
};

static int is_meant(void *ctx, const replica_index_entry *e)
{
    struct meant *m = ctx;
    bool same = m->name ? strcmp(m->name, e->name) == 0 : e->n == (size_t)m->n;

    for (int i = 0; same && !m->name && i < m->n; i++)
        same = strcmp(m->fields[i], e->fields[i]) == 0;
    if (!same)
        return 0;
    m->found++;
    if (m->found == 1)
        replica__buf_str(&m->text, e->name);
    return 0;
}

static int drop(struct cli_store *store, const struct settings *s, int n, char **fields,
                replica_error *err)
{
    struct meant m = { .name = s->name, .n = n, .fields = fields, .text = REPLICA_BUF_INIT };
    int r = replica_indexes(store->coll, is_meant, &m, err);

    if (r >= 0 && m.found == 1)
        r = m.text.r ? replica__enomem(err) : replica_index_drop(store->coll, m.text.data, err);
    replica__buf_free(&m.text);
    if (r >= 0 && m.found != 1) {
        cli_complain(m.found ? "there are several indexes on these fields: --name says which"
                             : "there is no such index");
        return m.found ? CLI_USAGE : CLI_NO;
    }
    /* Its entries go in slices, which a program's dispatch would do: here is the time for it. */
    while (r >= 0 && replica_db_timeout(store->db) == 0)
        r = replica_db_dispatch(store->db, 100, err);
    return r < 0 ? r : 0;
}

static int change(const char *db, const char *collection, const struct settings *s, bool add, int n,
                  char **fields)
{
    CLI_STORE store = CLI_STORE_INIT;
    replica_error err = { 0 };
    int r = cli_open_collection(&store, db, REPLICA_DB_MUST_EXIST, collection);

    if (r)
        return r;
    r = add ? create(&store, s, n, fields, &err) : drop(&store, s, n, fields, &err);
    return cli_finish(r < 0 ? cli_failed(&err) : r);
}

int cmd_index(int argc, char **argv)
{
    const char *db = NULL, *collection = NULL;
    struct settings s = { 0 };
    const struct cli_option options[] = {
        CLI_OPTION_DB(&db),
        CLI_OPTION_COLLECTION(&collection),
        { "name", CLI_TEXT, false, &s.name, "NAME", "its name; its fields with commas without it" },
        { "where", CLI_TEXT, false, &s.where, "SELECTOR", "only documents that match" },
        { "unique", CLI_FLAG, false, &s.unique, NULL, "no two documents with the same fields" },
        { "text", CLI_FLAG, false, &s.text, NULL, "full text, for replica search" },
        CLI_OPTION_JSON(&s.json),
        { 0 },
    };
    const struct cli_command command = {
        "create|drop|ls [FIELD...]",
        "Create an index on these fields (paths: name, address.city) and build it, drop it, or\n"
        "list the collection's indexes: name, fields, and what it is, with tabs between.",
        1,
        MAX_FIELDS + 1,
        options,
    };
    int r, n = cli_parse(&command, argc, argv, &r);

    if (n < 0)
        return r;
    if (strcmp(argv[1], "ls") == 0)
        return n > 1 ? cli_usage("ls takes no field") : list(db, collection, s.json);
    if (strcmp(argv[1], "create") == 0)
        return n > 1 ? change(db, collection, &s, true, n - 1, argv + 2)
                     : cli_usage("create takes the index's fields");
    if (strcmp(argv[1], "drop") == 0)
        return (n > 1) != (s.name != NULL)
                   ? change(db, collection, &s, false, n - 1, argv + 2)
                   : cli_usage("drop takes the index's fields, or --name");
    return cli_usage("there is no action '%s'", argv[1]);
}
