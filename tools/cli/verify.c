/* replica verify: a replica compared with its server, as far as both say that they are in step.
 *
 * It runs the replication that is there, as it is there (its collections, pattern and filter), and
 * sends nothing unless it repairs. */
#include "tools/cli/cli.h"
#include "tools/cli/endpoint.h"
#include "tools/cli/token.h"

#include "base/alloc.h"
#include "base/os.h"
#include "replicator/replicator.h"

#include <stdlib.h>
#include <string.h>

#define DEFAULT_TIMEOUT_S 60
#define SLICE_MS 100 /* of waiting for the first answer, between two looks */

struct verifying {
    const char *db, *collection, *url, *token_file, *policy;
    bool repair, json;
    int64_t timeout_s; /* -1: not given */
    struct cli_store store;
    replica_collection *colls[CLI_LIST_MAX];
    size_t n;
    char *identifier, *names, *keys, *filter; /* of the replication that is there */
    struct cli_token token;
    replica_sync *sync;
};

/* ---- which replication -------------------------------------------------------------- */

static bool has_name(const char *names, const char *name)
{
    size_t len = strlen(name);

    for (const char *at = names; *at; at += strcspn(at, " "), at += *at == ' ') {
        if (strcspn(at, " ") == len && strncmp(at, name, len) == 0)
            return true;
    }
    return false;
}

/* What of the URL is the server: scheme, host and what comes before the last two segments. */
static bool is_of_server(const char *identifier, const char *url)
{
    size_t len = strlen(url);

    for (int slashes = 0; len > 0 && slashes < 2; len--)
        slashes += url[len - 1] == '/';
    return strncmp(identifier, url, len) == 0 && identifier[len] == '/';
}

static int look(void *ctx, const replica_replication_entry *e)
{
    struct verifying *v = ctx;

    if (!has_name(e->collections, v->collection) || !is_of_server(e->identifier, v->url))
        return 0;
    v->identifier = replica__strdup(e->identifier);
    v->names = replica__strdup(e->collections);
    v->keys = replica__strdup(e->keys);
    v->filter = replica__strdup(e->filter);
    return v->identifier && v->names && (v->keys || !e->keys) && (v->filter || !e->filter)
               ? 1
               : REPLICA_ENOMEM;
}

static int open_coll(struct verifying *v, const char *name)
{
    replica_error err = { 0 };

    if (v->n == CLI_LIST_MAX)
        return cli_usage("a replication of more than %d collections", CLI_LIST_MAX);
    if (replica_db_collection(v->store.db, name, NULL, &v->colls[v->n], &err) < 0)
        return cli_failed(&err);
    v->n++;
    return 0;
}

/* The URL is that of the one to be verified, which therefore comes first. */
static int open_collections(struct verifying *v)
{
    replica_error err = { 0 };
    char *rest = NULL;
    int r = replica_replications(v->store.db, look, v, &err);

    if (r < 0)
        return cli_failed(&err);
    if (r == 0) {
        cli_complain("'%s' was never replicated with this server", v->collection);
        return CLI_USAGE;
    }
    r = open_coll(v, v->collection);
    for (char *name = strtok_r(v->names, " ", &rest); r == 0 && name;
         name = strtok_r(NULL, " ", &rest)) {
        if (strcmp(name, v->collection) != 0)
            r = open_coll(v, name);
    }
    return r;
}

/* ---- what differs ------------------------------------------------------------------- */

static const char *kind_name(int kind)
{
    switch (kind) {
    case REPLICA_VERIFY_DIFFERENT: return "different";
    case REPLICA_VERIFY_MISSING_HERE: return "missing here";
    case REPLICA_VERIFY_MISSING_THERE: return "missing there";
    default: return "state";
    }
}

static void tell(void *ctx, const replica_verify_difference *d)
{
    const struct verifying *v = ctx;

    if (v->json) {
        printf("{\"collection\":");
        cli_print_string(d->collection);
        cli_print_member("id", d->id);
        cli_print_member("difference", kind_name(d->kind));
        printf(",\"repaired\":%s}\n", v->repair ? "true" : "false");
        return;
    }
    printf("%s: %s/", kind_name(d->kind), d->collection);
    cli_print_plain(d->id, strlen(d->id));
    printf("\n");
}

static void summarise(const struct verifying *v, const replica_verify_result *result)
{
    if (!v->json)
        return;
    printf("{\"compared\":%lld", (long long)result->compared);
    cli_print_number("different", result->different);
    cli_print_number("missing_here", result->missing_here);
    cli_print_number("missing_there", result->missing_there);
    cli_print_number("state", result->state);
    cli_print_number("pending", result->pending);
    cli_print_number("repaired", result->repaired);
    printf("}\n");
}

/* ---- the run ------------------------------------------------------------------------ */

static int give_token(void *ctx, char *out, size_t room)
{
    struct verifying *v = ctx;

    return cli_token_take(&v->token, out, room);
}

static int start(struct verifying *v, const char *url)
{
    replica_sync_options opts = REPLICA_SYNC_OPTIONS_INIT;
    replica_error err = { 0 };

    opts.url = url;
    opts.identifier = v->identifier;
    opts.collections = v->colls;
    opts.collection_count = v->n;
    opts.flags = v->repair ? 0 : REPLICA_SYNC_PULL_ONLY;
    opts.token = v->token_file ? give_token : NULL;
    opts.keys = v->keys;
    opts.filter = v->filter;
    opts.ctx = v;
    return replica_sync_start(v->store.db, &opts, &v->sync, &err) < 0 ? cli_failed(&err) : 0;
}

static int failed(const replica_error *e)
{
    int code = cli_failed(e);

    return e->code == REPLICA_ENOTSUP ? CLI_REFUSED : code;
}

static int not_done(struct verifying *v, const char *why)
{
    replica_sync_status status = REPLICA_SYNC_STATUS_INIT;

    cli_complain("not verified: %s", why);
    if (replica_sync_get_status(v->sync, &status, NULL) >= 0 && status.error.code)
        return failed(&status.error);
    return CLI_UNREACHED;
}

/* Without --timeout, a server that cannot be reached at all ends the command at once.  1: it has
 * answered, or its answer is not what is waited for. */
static int reach(struct verifying *v, replica_error *err)
{
    replica_sync_status status = REPLICA_SYNC_STATUS_INIT;
    int r = 0;

    while (r >= 0 && v->timeout_s < 0 && !cli_interrupted()) {
        r = replica_sync_get_status(v->sync, &status, err);
        if (r < 0 || status.state != REPLICA_SYNC_STARTING)
            break;
        r = cli_wait(v->store.db, SLICE_MS, err);
    }
    return r < 0 ? r : !endpoint_is_unreached(&status);
}

static int run(struct verifying *v)
{
    int64_t seconds = v->timeout_s >= 0 ? v->timeout_s : DEFAULT_TIMEOUT_S;
    replica_verify_options opts = REPLICA_VERIFY_OPTIONS_INIT;
    replica_verify_result result = REPLICA_VERIFY_RESULT_INIT;
    replica_error err = { 0 };
    int r;

    opts.collection = v->colls[0];
    opts.repair = !v->repair                            ? REPLICA_REPAIR_NONE
                  : strcmp(v->policy, "server-wins") == 0 ? REPLICA_REPAIR_HERE
                                                        : REPLICA_REPAIR_SERVER;
    opts.on_difference = tell;
    opts.ctx = v;
    opts.timeout_ms = seconds < INT32_MAX / 1000 ? (int)seconds * 1000 : INT32_MAX;
    r = reach(v, &err);
    if (r == 0)
        return not_done(v, "the server is not reached");
    if (r > 0)
        r = replica_sync_verify(v->sync, &opts, &result, &err);
    if (r > 0 && opts.repair == REPLICA_REPAIR_SERVER) /* what was found is sent, too */
        r = replica_sync_wait_in_sync(v->sync, opts.timeout_ms, &err);
    if (r <= 0)
        return r < 0 ? failed(&err) : not_done(v, "the time is over");
    summarise(v, &result);
    return result.different + result.missing_here + result.missing_there + result.state > 0
               ? CLI_NO
               : CLI_OK;
}

static int verify_run(struct verifying *v)
{
    struct endpoint endpoint = { 0 };
    int r = endpoint_parse(v->url, &endpoint);

    if (r == 0 && strcmp(endpoint.collection, v->collection) != 0)
        r = cli_usage("the URL is that of '%s', not of '%s'", endpoint.collection, v->collection);
    v->url = endpoint.url;
    if (r == 0 && v->token_file)
        r = cli_token_open(&v->token, v->token_file);
    if (r == 0)
        r = cli_open(&v->store, v->db, REPLICA_DB_MUST_EXIST);
    if (r == 0)
        r = open_collections(v);
    cli_catch_signals();
    if (r == 0)
        r = start(v, endpoint.url);
    if (r == 0)
        r = run(v);
    replica_sync_cancel(v->sync);
    cli_close(&v->store);
    endpoint_free(&endpoint);
    replica__free(v->identifier);
    replica__free(v->names);
    replica__free(v->keys);
    replica__free(v->filter);
    return r;
}

int cmd_verify(int argc, char **argv)
{
    struct verifying v = { .timeout_s = -1 };
    const struct cli_option options[] = {
        CLI_OPTION_DB(&v.db),
        CLI_OPTION_COLLECTION(&v.collection),
        { "url", CLI_TEXT, true, &v.url, "URL", "http://host:port/{collection}/{schema version}" },
        { "repair", CLI_FLAG, false, &v.repair, NULL, "mend what differs" },
        { "policy", CLI_TEXT, false, &v.policy, "RULE", "server-wins (default), or client-wins" },
        { "token-file", CLI_TEXT, false, &v.token_file, "FILE", "holds the bearer token" },
        { "timeout", CLI_NUMBER, false, &v.timeout_s, "SECONDS", "keep trying for so long (60)" },
        CLI_OPTION_JSON(&v.json),
        { 0 },
    };
    const struct cli_command command = {
        NULL,
        "Compare what is here and in step with the server's documents, and print each that\n"
        "differs.\n"
        "Exit 0 if none does, 1 if some do.",
        0, 0, options,
    };
    int r;

    if (cli_parse(&command, argc, argv, &r) < 0)
        return r;
    if (v.policy && !v.repair)
        return cli_usage("--policy says how to repair: with --repair only");
    if (!v.policy)
        v.policy = "server-wins";
    if (strcmp(v.policy, "server-wins") != 0 && strcmp(v.policy, "client-wins") != 0)
        return cli_usage("--policy is server-wins or client-wins, not '%s'", v.policy);
    return cli_finish(verify_run(&v));
}
