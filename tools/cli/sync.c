/* replica sync: collections of a database kept in step with a server, once or until stopped.
 *
 * Its promise to scripts: exit 0 means in sync.  What was set aside is listed on standard error. */
#include "tools/cli/cli.h"
#include "tools/cli/endpoint.h"
#include "tools/cli/filter.h"
#include "tools/cli/keys.h"
#include "tools/cli/token.h"
#include "tools/cli/trace.h"

#include "base/os.h"
#include "replicator/replicator.h"

#include <stdlib.h>
#include <string.h>

#define SLICE_MS 100 /* of waiting, between two looks at signals and at the clock */
#define DEFAULT_TIMEOUT_S 60
#define MAX_STEPS 100 /* between two versions of a schema */

struct syncing {
    const char *db, *url, *key, *schema_file, *token_file, *dialect, *on_conflict;
    const char *rules_arg, *rules, *keys, *filter_arg, *filter;
    const char *schema; /* text of that file */
    struct replica__buf schema_text, rules_text, filter_text;
    struct cli_list names;
    bool once, live, push_only, pull_only, json, trace;
    int64_t traced; /* the entry that was shown last */
    int64_t timeout_s; /* -1: not given */
    struct cli_store store;
    replica_collection *colls[CLI_LIST_MAX];
    struct cli_token token;
    replica_sync *sync;
    replica_error failure; /* the last one since something was pulled or pushed */
    int64_t moved;         /* documents pulled and pushed */
    bool standby;          /* another process replicates */
};

/* ---- collections ----------------------------------------------------------------- */

/* The schema version of a collection, which must be known before it is opened with options;
 * *ret_version is left alone where there is no such collection. */
static int find_version(const char *path, const char *name, int *ret_version)
{
    CLI_STORE store = CLI_STORE_INIT;
    replica_error err = { 0 };
    int r;

    r = cli_open(&store, path, REPLICA_DB_READ_ONLY);
    if (r)
        return r;
    r = cli_has_collection(store.db, name, &err);
    if (r > 0)
        r = replica_db_collection(store.db, name, NULL, &store.coll, &err);
    if (r < 0)
        return cli_failed(&err);
    if (store.coll)
        *ret_version = replica_collection_version(store.coll);
    return 0;
}

/* This program has no migrations of its own: documents are taken to be good as they are; a schema
 * looks at them. */
static int keep_text(void *ctx, replica_doc *doc, replica_text *out)
{
    (void)ctx;
    (void)doc;
    (void)out;
    return REPLICA_MIGRATE_KEEP;
}

/* A step for each version from the stored one on; how many. */
static size_t fill_steps(replica_migration *steps, int from, int to)
{
    size_t n = 0;

    while (from < to && n < MAX_STEPS)
        steps[n++] = (replica_migration){ .to = ++from, .up = keep_text };
    return n;
}

static int open_one(struct syncing *s, size_t n, int version)
{
    replica_migration steps[MAX_STEPS];
    int stored = version;
    replica_collection_options opts = REPLICA_COLLECTION_OPTIONS_INIT;
    replica_error err = { 0 };
    int r = 0;

    r = find_version(s->db, s->names.items[n], &stored);
    if (r)
        return r;
    if (n > 0) /* the URL names that of the first */
        version = stored;
    opts.key = s->key;
    opts.version = version;
    opts.schema_json = n == 0 ? s->schema : NULL;
    opts.rules = s->rules;
    opts.migrations = steps;
    opts.migration_count = fill_steps(steps, stored, version);
    r = replica_db_collection(s->store.db, s->names.items[n], &opts, &s->colls[n], &err);
    if (r >= 0 && opts.schema_json && replica_collection_version(s->colls[n]) != version)
        return cli_usage("the schema is of version %d, and the URL of version %d",
                         replica_collection_version(s->colls[n]), version);
    return r < 0 ? cli_failed(&err) : 0;
}

/* The URL is that of the first: whoever names its collection among others means that one. */
static void put_first(struct cli_list *names, const char *name)
{
    for (size_t n = 1; n < names->count; n++) {
        if (strcmp(names->items[n], name) == 0) {
            names->items[n] = names->items[0];
            names->items[0] = name;
        }
    }
}

static int open_collections(struct syncing *s, const struct endpoint *endpoint)
{
    int r;

    if (s->names.count == 0)
        s->names.items[s->names.count++] = endpoint->collection;
    put_first(&s->names, endpoint->collection);
    r = cli_open(&s->store, s->db, 0);
    for (size_t n = 0; r == 0 && n < s->names.count; n++)
        r = open_one(s, n, endpoint->version);
    return r;
}

/* ---- what happens meanwhile ------------------------------------------------------ */

static void tell_standby(struct syncing *s, int state)
{
    bool standby = state == REPLICA_SYNC_STANDBY;

    if (standby == s->standby || state == REPLICA_SYNC_STARTING)
        return;
    s->standby = standby;
    if (!s->live)
        return;
    cli_complain(standby ? "another process replicates; this one takes over when that one ends"
                         : "this process replicates now");
}

static void on_status(void *ctx, const replica_sync_status *status)
{
    struct syncing *s = ctx;
    char left[48] = "";

    tell_standby(s, status->state);

    if (s->moved != status->pulled + status->pushed)
        s->failure.code = 0;
    s->moved = status->pulled + status->pushed;
    if (status->pull_remaining > 0)
        snprintf(left, sizeof(left), ", %lld to come", (long long)status->pull_remaining);
    cli_progress("pulled %lld%s; pushed %lld, %lld to go%s", (long long)status->pulled, left,
                 (long long)status->pushed, (long long)status->push_remaining,
                 status->in_sync ? "; in sync" : "");
}

/* A replication that lives on says what troubles it, each trouble once. */
static void on_error(void *ctx, const replica_error *error)
{
    struct syncing *s = ctx;
    bool again = strcmp(error->message, s->failure.message) == 0;

    s->failure = *error;
    if (s->live && !again)
        cli_failed(error);
}

static int give_token(void *ctx, char *out, size_t room)
{
    struct syncing *s = ctx;

    return cli_token_take(&s->token, out, room);
}

static int start(struct syncing *s, const char *url)
{
    replica_sync_options opts = REPLICA_SYNC_OPTIONS_INIT;
    replica_error err = { 0 };

    opts.url = url;
    opts.collections = s->colls;
    opts.collection_count = s->names.count;
    opts.flags = (s->once ? REPLICA_SYNC_ONCE : 0) | (s->push_only ? REPLICA_SYNC_PUSH_ONLY : 0) |
                 (s->pull_only ? REPLICA_SYNC_PULL_ONLY : 0) |
                 (strcmp(s->dialect, "rxdb") == 0 ? REPLICA_SYNC_RXDB : 0);
    opts.token = s->token_file ? give_token : NULL;
    opts.keys = s->keys;
    opts.filter = s->filter;
    opts.on_status = on_status;
    opts.on_error = on_error;
    opts.ctx = s;
    return replica_sync_start(s->store.db, &opts, &s->sync, &err) < 0 ? cli_failed(&err) : 0;
}

/* ---- the end --------------------------------------------------------------------- */

/* What a server says, and what becomes of the way to it, in the few words that scripts rely on. */
static int failed(const replica_error *e)
{
    int code = cli_failed(e);

    return code == CLI_UNREACHED || code == CLI_CREDENTIALS || code == CLI_VERSION ||
                   code == CLI_STORAGE
               ? code
               : CLI_NO;
}

static int not_in_sync(struct syncing *s, const char *why)
{
    replica_sync_status status = REPLICA_SYNC_STATUS_INIT;

    if (replica_sync_get_status(s->sync, &status, NULL) >= 0 && status.error.code)
        s->failure = status.error;
    if (status.state == REPLICA_SYNC_STANDBY)
        cli_complain("another process replicates, and has not said that it is in sync");
    cli_complain("not in sync: %s; %lld to push, %lld in conflict", why,
                 (long long)status.push_remaining, (long long)status.unsettled);
    if (s->failure.code)
        return failed(&s->failure);
    if (status.state == REPLICA_SYNC_STARTING) { /* and not one word from it */
        cli_complain("the server has not answered");
        return CLI_UNREACHED;
    }
    return CLI_NO;
}

static int interrupted(struct syncing *s)
{
    not_in_sync(s, "interrupted");
    return CLI_NO;
}

static int tell_rejected(void *ctx, const replica_rejected_entry *entry)
{
    struct syncing *s = ctx;

    if (strcmp(entry->replication, replica_sync_identifier(s->sync)) == 0)
        cli_complain("set aside: %s/%s: %s (%d)", entry->collection, entry->id, entry->reason,
                     entry->code);
    return 0;
}

static void print_summary(const replica_sync_status *status)
{
    printf("{\"in_sync\":%s", status->in_sync ? "true" : "false");
    cli_print_number("head", status->head);
    cli_print_number("pulled", status->pulled);
    cli_print_number("pushed", status->pushed);
    cli_print_number("conflicts", status->conflicts);
    cli_print_number("unsettled", status->unsettled);
    cli_print_number("rejected", status->rejected);
    cli_print_number("unbundled", status->unbundled);
    cli_print_number("bytes_down", status->bytes_down);
    cli_print_number("bytes_up", status->bytes_up);
    printf("}\n");
}

/* r: what the run came to. */
static int finish(struct syncing *s, int r)
{
    replica_sync_status status = REPLICA_SYNC_STATUS_INIT;
    replica_error err = { 0 };

    if (replica_sync_get_status(s->sync, &status, &err) < 0)
        return cli_failed(&err);
    if (s->json)
        print_summary(&status);
    if (s->trace)
        cli_trace(s->sync, &s->traced);
    if (status.rejected > 0)
        replica_rejected(s->store.db, NULL, tell_rejected, s, NULL);
    return r;
}

/* ---- the two ways ---------------------------------------------------------------- */

/* Without --timeout, a server that cannot be reached at all ends the command at once. */
static bool is_hopeless(struct syncing *s)
{
    replica_sync_status status = REPLICA_SYNC_STATUS_INIT;

    if (s->timeout_s >= 0 || replica_sync_get_status(s->sync, &status, NULL) < 0)
        return false;
    return endpoint_is_unreached(&status);
}

static int run_once(struct syncing *s)
{
    int64_t seconds = s->timeout_s >= 0 ? s->timeout_s : DEFAULT_TIMEOUT_S;
    int64_t end = replica__os_monotonic_us() / 1000 + seconds * 1000;
    replica_error err = { 0 };
    int r;

    while ((r = replica_sync_wait_in_sync(s->sync, SLICE_MS, &err)) == 0) {
        if (s->trace)
            cli_trace(s->sync, &s->traced);
        if (cli_interrupted())
            return interrupted(s);
        if (is_hopeless(s))
            return not_in_sync(s, "the server is not reached");
        if (replica__os_monotonic_us() / 1000 >= end)
            return not_in_sync(s, "the time is over");
    }
    if (r < 0 && err.code == REPLICA_ECLOSED)
        return not_in_sync(s, "the replication has ended");
    return r < 0 ? failed(&err) : CLI_OK;
}

static int run_live(struct syncing *s)
{
    replica_sync_status status = REPLICA_SYNC_STATUS_INIT;
    replica_error err = { 0 };
    int r = 0;

    while (r >= 0 && !cli_interrupted()) {
        r = cli_wait(s->store.db, s->trace ? SLICE_MS : -1, &err);
        if (s->trace)
            cli_trace(s->sync, &s->traced);
        if (r >= 0)
            r = replica_sync_get_status(s->sync, &status, &err);
        if (r >= 0 && (status.state == REPLICA_SYNC_PAUSED || status.state == REPLICA_SYNC_STOPPED))
            return not_in_sync(s, "the replication has ended");
    }
    if (r < 0)
        return cli_failed(&err);
    return status.in_sync ? CLI_OK : interrupted(s);
}

static int sync_run(struct syncing *s)
{
    struct endpoint endpoint = { 0 };
    int r;

    r = endpoint_parse(s->url, &endpoint);
    if (r == 0 && s->token_file)
        r = cli_token_open(&s->token, s->token_file);
    if (r == 0)
        r = cli_file(s->schema_file, &s->schema_text, &s->schema);
    if (r == 0)
        r = cli_rules(s->on_conflict ? s->on_conflict : s->rules_arg, &s->rules_text, &s->rules);
    if (r == 0)
        r = cli_filter(s->filter_arg, &s->filter_text, &s->filter);
    if (r == 0)
        r = open_collections(s, &endpoint);
    cli_catch_signals();
    if (r == 0)
        r = start(s, endpoint.url);
    if (r == 0)
        r = finish(s, s->once ? run_once(s) : run_live(s));
    replica_sync_cancel(s->sync);
    cli_close(&s->store);
    replica__buf_free(&s->schema_text);
    replica__buf_free(&s->rules_text);
    replica__buf_free(&s->filter_text);
    endpoint_free(&endpoint);
    return r;
}

static int check_choices(struct syncing *s)
{
    if (s->once == s->live)
        return cli_usage("either --once or --live");
    if (s->push_only && s->pull_only)
        return cli_usage("--push-only and --pull-only exclude each other");
    if (s->rules_arg && s->on_conflict)
        return cli_usage("--rules and --on-conflict exclude each other");
    if (s->on_conflict && strcmp(s->on_conflict, "server-wins") != 0 &&
        strcmp(s->on_conflict, "client-wins") != 0)
        return cli_usage("--on-conflict is server-wins or client-wins, not '%s'", s->on_conflict);
    if (strcmp(s->dialect, "auto") != 0 && strcmp(s->dialect, "rxdb") != 0)
        return cli_usage("--dialect is auto or rxdb, not '%s'", s->dialect);
    return s->keys ? cli_check_keys(s->keys) : 0;
}

int cmd_sync(int argc, char **argv)
{
    struct syncing s = { .dialect = "auto", .timeout_s = -1 };
    const struct cli_option options[] = {
        CLI_OPTION_DB(&s.db),
        { "collection", CLI_LIST, false, &s.names, "NAME", "a collection (the URL's)" },
        { "url", CLI_TEXT, true, &s.url, "URL", "http://host:port/{collection}/{schema version}" },
        { "once", CLI_FLAG, false, &s.once, NULL, "end when in sync" },
        { "live", CLI_FLAG, false, &s.live, NULL, "go on until SIGINT or SIGTERM" },
        { "push-only", CLI_FLAG, false, &s.push_only, NULL, "send only" },
        { "pull-only", CLI_FLAG, false, &s.pull_only, NULL, "receive only" },
        { "token-file", CLI_TEXT, false, &s.token_file, "FILE", "holds the bearer token" },
        { "dialect", CLI_TEXT, false, &s.dialect, "NAME", "auto, or rxdb for RxDB's only" },
        { "on-conflict", CLI_TEXT, false, &s.on_conflict, "RULE", "server-wins, or client-wins" },
        { "rules", CLI_TEXT, false, &s.rules_arg, "JSON|@FILE", "how conflicts are settled" },
        CLI_OPTION_KEYS(&s.keys),
        CLI_OPTION_FILTER(&s.filter_arg),
        { "timeout", CLI_NUMBER, false, &s.timeout_s, "SECONDS", "keep trying for so long (60)" },
        { "key", CLI_TEXT, false, &s.key, "FIELD", "the primary key of new collections (id)" },
        { "schema", CLI_TEXT, false, &s.schema_file, "FILE", "the schema of the first collection" },
        { "json", CLI_FLAG, false, &s.json, NULL, "print what was done as a line of JSON" },
        { "trace", CLI_FLAG, false, &s.trace, NULL, "show each request and decision" },
        { 0 },
    };
    const struct cli_command command = {
        NULL,
        "Keep collections in step with a server.  Exit 0 only when in sync, 3 when the server is\n"
        "not reached, 4 for credentials, 5 for an outdated schema.  What is refused is set\n"
        "aside and listed on standard error; see replica rejected.",
        0, 0, options,
    };
    int r;

    if (cli_parse(&command, argc, argv, &r) < 0)
        return r;
    r = check_choices(&s);
    return r ? r : cli_finish(sync_run(&s));
}
