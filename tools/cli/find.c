/* replica find, replica explain: the documents that match a query, how many, or how they would be
 * found. */
#include "base/error.h"
#include "libreplica/query.h"
#include "tools/cli/cli.h"
#include "tools/cli/keys.h"

#include <unistd.h>

static int print_documents(replica_collection *coll, const struct replica__buf *query,
                           const char *keys, replica_error *err)
{
    CLI_CURSOR cursor = NULL;
    replica_doc *doc = NULL;
    int64_t count = 0;
    int r = keys ? replica_keys_find(coll, keys, &cursor, err)
                 : replica_find(coll, query->data, query->len, &cursor, err);

    while (r >= 0 && !ferror(stdout) && (r = replica_cursor_next(cursor, &doc, err)) > 0) {
        size_t len = 0;
        const char *json = replica_doc_json(doc, &len);

        cli_print_line(json, len);
        if (++count % 1000 == 0 && !isatty(STDOUT_FILENO))
            cli_progress("found %lld", (long long)count);
    }
    return r;
}

static int print_count(replica_collection *coll, const struct replica__buf *query, const char *keys,
                       replica_error *err)
{
    int64_t count = 0;
    int r = keys ? replica_keys_count(coll, keys, &count, err)
                 : replica_count(coll, query->data, query->len, &count, err);

    if (r >= 0)
        printf("%lld\n", (long long)count);
    return r;
}

static int print_plan(replica_collection *coll, const struct replica__buf *query,
                      replica_error *err)
{
    replica_plan plan;
    int r = replica_explain(coll, query->data, query->len, &plan, err);

    if (r >= 0)
        puts(plan.text);
    return r;
}

enum { DOCUMENTS, COUNT, PLAN };

/* The query with the pattern in it.  What is wrong with the query is found first, in its own
 * text. */
static int narrow(replica_collection *coll, struct replica__buf *query, const char *keys,
                  replica_error *err)
{
    struct replica__buf narrowed = REPLICA_BUF_INIT;
    replica_plan plan;
    int r = replica_explain(coll, query->data, query->len, &plan, err);

    if (r < 0)
        return r;
    cli_query_of_keys(query->data, query->len, replica_collection_key(coll), keys, &narrowed);
    replica__buf_free(query);
    *query = narrowed;
    return narrowed.r < 0 ? replica__enomem(err) : 0;
}

/* arg NULL: no query, but a pattern. */
static int answer(const char *db, const char *collection, const char *arg, const char *keys,
                  int what)
{
    REPLICA_BUF query = REPLICA_BUF_INIT;
    CLI_STORE store = CLI_STORE_INIT;
    replica_error err = { .offset = -1 };
    const char *source = "";
    int r = arg ? cli_text(arg, &query, &source) : 0;

    if (r == 0)
        r = cli_open_collection(&store, db, REPLICA_DB_READ_ONLY, collection);
    if (r)
        return r;
    if (arg && keys)
        r = narrow(store.coll, &query, keys, &err);
    if (arg)
        keys = NULL;
    if (r < 0)
        ;
    else if (what == COUNT)
        r = print_count(store.coll, &query, keys, &err);
    else if (what == PLAN)
        r = print_plan(store.coll, &query, &err);
    else
        r = print_documents(store.coll, &query, keys, &err);
    if (r == REPLICA_EINVAL || r == REPLICA_EJSON) {
        cli_bad_text(source, 0, &err);
        return cli_finish(CLI_USAGE);
    }
    return cli_finish(r < 0 ? cli_failed(&err) : CLI_OK);
}

int cmd_find(int argc, char **argv)
{
    const char *db = NULL, *collection = NULL, *keys = NULL;
    bool count = false, explain = false;
    const struct cli_option options[] = {
        CLI_OPTION_DB(&db),
        CLI_OPTION_COLLECTION(&collection),
        CLI_OPTION_KEYS(&keys),
        { "count", CLI_FLAG, false, &count, NULL, "print how many match instead" },
        { "explain", CLI_FLAG, false, &explain, NULL, "print how they would be found instead" },
        { 0 },
    };
    const struct cli_command command = {
        "[QUERY|-]",
        "Print the documents that match, one per line, in the order of the query:\n"
        "{\"selector\":{\"country\":\"DE\"},\"sort\":[{\"name\":\"asc\"}],\"skip\":0,\"limit\":10,"
        "\n"
        "\"fields\":[\"name\"],\"index\":[\"country\"]}.  Every part may be left out.\n"
        "With --keys, of those whose keys match the pattern; then the query may be left out, too.",
        0,
        1,
        options,
    };
    const char *query;
    int n, r;

    n = cli_parse(&command, argc, argv, &r);
    if (n < 0)
        return r;
    query = n > 0 ? argv[1] : NULL;
    if (count && explain)
        return cli_usage("--count and --explain are two things");
    if (!query && (!keys || explain))
        return cli_usage("there is no query");
    r = keys ? cli_check_keys(keys) : 0;
    if (r)
        return r;
    return answer(db, collection, query, keys, count ? COUNT : explain ? PLAN : DOCUMENTS);
}

int cmd_explain(int argc, char **argv)
{
    const char *db = NULL, *collection = NULL;
    const struct cli_option options[] = {
        CLI_OPTION_DB(&db),
        CLI_OPTION_COLLECTION(&collection),
        { 0 },
    };
    const struct cli_command command = {
        "QUERY|-",
        "Print how the documents that match would be found, with a warning where every document\n"
        "must be looked at: the same as find --explain.",
        1,
        1,
        options,
    };
    int r;

    if (cli_parse(&command, argc, argv, &r) < 0)
        return r;
    return answer(db, collection, argv[1], NULL, PLAN);
}
