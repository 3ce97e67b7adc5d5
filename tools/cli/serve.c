/* replica serve: the server of tools/server, with its options. */
#include "tools/cli/cli.h"

#include "libreplica/libreplica.h"
#include "tools/server/access.h"
#include "tools/server/auth.h"
#include "tools/server/http.h"
#include "tools/server/listener.h"
#include "tools/server/service.h"
#include "tools/server/storage.h"

#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

struct options {
    const char *db;
    const char *listen;
    const char *token_file;
    const char *jwt_key;
    const char *jwks;
    const char *jwt_issuer;
    const char *jwt_audience;
    const char *rules_file;
    const char *purge_before;
    int64_t purge_ms;
    struct cli_list keys;
    struct cli_list schemas;
    struct cli_list rules;
    int64_t max_body;
    int64_t max_streams;
    int64_t patience;
    bool log;
    bool allow_remote;
    bool full_sync;
};

/* Everything that a server is made of, from the ground up. */
struct server {
    replica_db *db;
    struct replica__auth *auth;
    struct replica__access *access;
    struct replica__storage *storage;
    struct replica__service *service;
    struct replica__http *http;
    struct replica__listener listener;
};

static struct replica__http *running; /* for the signal handler */

static void on_signal(int number)
{
    (void)number;
    replica__http_stop(running);
}

static void catch_signals(struct replica__http *http)
{
    struct sigaction action = { .sa_handler = on_signal };

    running = http;
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
}

/* A stream is a descriptor: take as many as the system lets us. */
static void raise_descriptors(int64_t streams)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    if (limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
            getrlimit(RLIMIT_NOFILE, &limit);
    }
    if (limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur < (rlim_t)streams + 100)
        cli_complain("only %llu descriptors are allowed: fewer than %lld streams fit",
                     (unsigned long long)limit.rlim_cur, (long long)streams);
}

/* "30d", "12h", "90m", "45s", in ms. */
static bool read_age(const char *text, int64_t *ret_ms)
{
    static const struct {
        char unit;
        int64_t ms;
    } units[] = { { 'd', INT64_C(86400000) }, { 'h', 3600000 }, { 'm', 60000 }, { 's', 1000 } };
    size_t digits = strspn(text, "0123456789");
    int64_t n = 0;

    if (digits == 0 || digits > 7 || !text[digits] || text[digits + 1])
        return false;
    for (size_t i = 0; i < digits; i++)
        n = n * 10 + (text[i] - '0');
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (text[digits] == units[i].unit) {
            *ret_ms = n * units[i].ms;
            return true;
        }
    }
    return false;
}

/* NAME=FIELD, cut in place. */
static int read_keys(const struct cli_list *list, struct replica__storage_key *keys, char *texts,
                     size_t room)
{
    for (size_t i = 0; i < list->count; i++) {
        size_t len = strlen(list->items[i]) + 1;
        char *equals;

        if (len > room)
            return cli_usage("--key is given too often");
        memcpy(texts, list->items[i], len);
        equals = strchr(texts, '=');
        if (!equals || equals == texts || !equals[1])
            return cli_usage("--key takes NAME=FIELD, not '%s'", list->items[i]);
        *equals = '\0';
        keys[i] = (struct replica__storage_key){ texts, equals + 1 };
        texts += len;
        room -= len;
    }
    return 0;
}

/* The length of NAME in NAME=VALUE, if that is what it is; else 0. */
static size_t name_length(const char *item, size_t room)
{
    const char *equals = strchr(item, '=');

    return equals && equals[1] && equals - item < (int)room ? (size_t)(equals - item) : 0;
}

/* What was given of the collection called name, behind its '='; NULL: nothing. */
static const char *value_of(const struct cli_list *list, const char *name)
{
    size_t len = strlen(name);

    for (size_t i = 0; i < list->count; i++) {
        if (strncmp(list->items[i], name, len) == 0 && list->items[i][len] == '=')
            return list->items[i] + len + 1;
    }
    return NULL;
}

/* The collection has this schema (a file) and these rules (JSON, or @FILE), from the first request
 * on; either may be NULL.  0, or an exit code. */
static int prepare(struct server *server, const char *name, const char *schema, const char *rules)
{
    REPLICA_BUF schema_text = REPLICA_BUF_INIT;
    REPLICA_BUF rules_text = REPLICA_BUF_INIT;
    replica_error err = { 0 };
    const char *json = NULL;
    int r = cli_file(schema, &schema_text, &json);

    if (r == 0)
        r = cli_rules(rules, &rules_text, &rules);
    if (r)
        return r;
    if (replica__storage_store_prepare(server->storage, name, json, rules, &err) < 0) {
        if (!schema)
            return cli_failed(&err);
        cli_complain("%s: %s: %s", schema, err.where, err.message);
        return cli_exit_code(err.code);
    }
    return 0;
}

/* Rules without a NAME. */
static bool is_for_all(const char *item)
{
    return strchr("{\"@", item[0]) || !strchr(item, '=');
}

/* Are there rules for the same collection, or for all, among the first n? */
static bool is_said(const struct cli_list *rules, size_t n)
{
    const char *item = rules->items[n];
    size_t len = is_for_all(item) ? 0 : strcspn(item, "=") + 1;

    for (size_t i = 0; i < n; i++) {
        const char *other = rules->items[i];

        if (len == 0 ? is_for_all(other) : strncmp(item, other, len) == 0)
            return true;
    }
    return false;
}

/* ... are told of all collections that have none. */
static int prepare_others(struct server *server, const struct options *o)
{
    for (size_t i = 0; i < o->rules.count; i++) {
        REPLICA_BUF text = REPLICA_BUF_INIT;
        replica_error err = { 0 };
        const char *json = NULL;
        int r;

        if (is_said(&o->rules, i))
            return cli_usage("--rules for the same collection, or for all, are given twice");
        r = is_for_all(o->rules.items[i]) ? cli_rules(o->rules.items[i], &text, &json) : 0;
        if (r)
            return r;
        if (json && replica__storage_store_rules(server->storage, json, &err) < 0)
            return cli_bad_rules(&err);
    }
    return 0;
}

static int prepare_all(struct server *server, const struct options *o, const struct cli_list *list,
                       const char *usage)
{
    for (size_t i = 0; i < list->count; i++) {
        char name[65];
        size_t len = name_length(list->items[i], sizeof(name));
        const char *schema;
        int r;

        if (list == &o->rules && is_for_all(list->items[i]))
            continue;
        if (len == 0)
            return cli_usage("%s, not '%s'", usage, list->items[i]);
        snprintf(name, sizeof(name), "%.*s", (int)len, list->items[i]);
        schema = value_of(&o->schemas, name);
        if (schema && value_of(&o->keys, name))
            return cli_usage("'%s' has --schema, which says what its key is: --key is too much",
                             name);
        if (list == &o->rules && schema)
            continue; /* was prepared with it */
        r = prepare(server, name, schema, value_of(&o->rules, name));
        if (r)
            return r;
    }
    return 0;
}

static void warn(void *ctx, const char *message)
{
    (void)ctx;
    cli_complain("warning: %s", message);
}

/* What would be asked of no token, or of none that there is, is a slip: an unset variable, say. */
static int check_tokens(const struct options *o)
{
    if ((o->jwt_issuer && !*o->jwt_issuer) || (o->jwt_audience && !*o->jwt_audience))
        return cli_usage("--jwt-issuer and --jwt-audience take a text that is not empty");
    if ((o->jwt_issuer || o->jwt_audience) && !o->jwt_key && !o->jwks)
        return cli_usage("--jwt-issuer and --jwt-audience are of signed tokens, which need "
                         "--jwt-key or --jwks");
    return 0;
}

/* Is not everybody let in? */
static bool wants_tokens(const struct options *o)
{
    return o->token_file || o->jwt_key || o->jwks;
}

static int open_auth(struct server *server, const struct options *o, replica_error *err)
{
    const struct replica__auth_options options = { .token_file = o->token_file,
                                                   .jwt_key = o->jwt_key,
                                                   .jwks = o->jwks,
                                                   .jwt_issuer = o->jwt_issuer,
                                                   .jwt_audience = o->jwt_audience,
                                                   .warn = warn };

    return wants_tokens(o) ? replica__auth_open(&options, &server->auth, err) : 0;
}

static int open_storage(struct server *server, const struct options *o,
                        const struct replica__storage_key *keys, replica_error *err)
{
    replica_db_options db_options = REPLICA_DB_OPTIONS_INIT;
    int r;

    if (o->full_sync)
        db_options.flags |= REPLICA_DB_FULL_SYNC;
    r = replica_db_open(o->db, &db_options, &server->db, err);
    if (r == 0)
        r = replica__storage_store_open(server->db, o->db, keys, o->keys.count, &server->storage,
                                        err);
    return r;
}

/* Behind the schemas and rules: where there are access rules it opens all collections, as they are
 * then. */
static int open_service(struct server *server, const struct options *o, replica_error *err)
{
    const struct replica__service_options service_options = { .streams = (size_t)o->max_streams,
                                                              .access = server->access,
                                                              .purges = o->purge_before,
                                                              .purge_ms = o->purge_ms };

    return replica__service_open(server->storage, &service_options, &server->service, err);
}

static int open_http(struct server *server, const struct options *o, replica_error *err)
{
    const struct replica__http_options http_options = { .auth = server->auth,
                                                        .max_body = (size_t)o->max_body,
                                                        .max_streams = (size_t)o->max_streams,
                                                        .patience_ms = o->patience * 1000,
                                                        .log = o->log };
    int fd = server->listener.fd;

    server->listener.fd = -1; /* taken over */
    return replica__http_open(server->service, server->storage, fd, &http_options, &server->http,
                              err);
}

static void close_server(struct server *server)
{
    replica__http_close(server->http);
    replica__service_close(server->service);
    if (server->storage)
        server->storage->ops->close(server->storage);
    replica_db_close(server->db);
    replica__auth_close(server->auth);
    replica__access_close(server->access);
    if (server->listener.fd >= 0)
        close(server->listener.fd);
}

/* 0, an exit code behind a complaint, or < 0. */
static int serve(struct server *server, const struct options *o,
                 const struct replica__storage_key *keys, replica_error *err)
{
    int r = open_auth(server, o, err);

    if (r == 0 && o->rules_file)
        r = replica__access_open(o->rules_file, &server->access, err);
    if (r == 0)
        r = replica__listener_open(o->listen, !wants_tokens(o) && !o->allow_remote,
                                   &server->listener, err);
    if (r == 0)
        r = open_storage(server, o, keys, err);
    if (r == 0)
        r = prepare_all(server, o, &o->schemas, "--schema takes NAME=FILE");
    if (r == 0)
        r = prepare_all(server, o, &o->rules, "--rules takes JSON, @FILE or NAME= one of them");
    if (r == 0)
        r = prepare_others(server, o);
    if (r == 0)
        r = open_service(server, o, err);
    if (r == 0)
        r = open_http(server, o, err);
    if (r != 0)
        return r;
    catch_signals(server->http);
    printf("listening http://%s:%d\n", server->listener.host, server->listener.port);
    if (fflush(stdout) != 0)
        cli_complain("nobody reads where we listen");
    return replica__http_run(server->http, err);
}

int cmd_serve(int argc, char **argv)
{
    struct options o = { .max_streams = 10000 };
    const struct cli_option options[] = {
        CLI_OPTION_DB(&o.db),
        { "listen", CLI_TEXT, true, &o.listen, "HOST:PORT", "where; port 0 picks one" },
        { "token-file", CLI_TEXT, false, &o.token_file, "FILE",
          "bearer tokens that are let in, one per line, with claims" },
        { "jwt-key", CLI_TEXT, false, &o.jwt_key, "FILE",
          "the key of signed tokens: a PEM public key, or a secret" },
        { "jwks", CLI_TEXT, false, &o.jwks, "FILE", "a set of keys (JWKS) of signed tokens" },
        { "jwt-issuer", CLI_TEXT, false, &o.jwt_issuer, "TEXT",
          "signed tokens must be of this issuer (iss)" },
        { "jwt-audience", CLI_TEXT, false, &o.jwt_audience, "TEXT",
          "signed tokens must be for this audience (aud)" },
        { "key", CLI_LIST, false, &o.keys, "NAME=FIELD", "primary key of a collection" },
        { "schema", CLI_LIST, false, &o.schemas, "NAME=FILE", "schema of a collection" },
        { "rules", CLI_LIST, false, &o.rules, "[NAME=]JSON|@FILE",
          "how clients settle conflicts if they say nothing" },
        { "rules-file", CLI_TEXT, false, &o.rules_file, "FILE",
          "access rules: who may read and write what" },
        { "purge-before", CLI_TEXT, false, &o.purge_before, "AGE",
          "forget deletions that are older: 30d, 12h, 90m or 45s" },
        { "log", CLI_FLAG, false, &o.log, NULL, "a line per request on standard error" },
        { "max-body", CLI_NUMBER, false, &o.max_body, "BYTES", "of a request; else 64 MiB" },
        { "max-streams", CLI_NUMBER, false, &o.max_streams, "N", "at a time; else 10000" },
        { "patience", CLI_NUMBER, false, &o.patience, "SECONDS",
          "for a request to arrive, or an answer to be taken; else 60" },
        { "allow-remote", CLI_FLAG, false, &o.allow_remote, NULL,
          "listen beyond loopback without tokens" },
        { "full-sync", CLI_FLAG, false, &o.full_sync, NULL, "survive a power cut too" },
        { 0 }
    };
    const struct cli_command command = {
        NULL,
        "Serve the database over HTTP, to replicas and to RxDB clients.  A collection answers at\n"
        "/{collection}/{schema version}/pull|push|pullStream; the first push creates it.",
        0, 0, options
    };
    struct replica__storage_key keys[CLI_LIST_MAX];
    struct server server = { .listener = { .fd = -1 } };
    replica_error err = { 0 };
    char texts[16 * 1024];
    int exit_code = 0;
    int r;

    if (cli_parse(&command, argc, argv, &exit_code) < 0)
        return exit_code;
    if (o.max_streams < 1 || o.max_streams > 1000000 || o.max_body > (int64_t)1 << 31 ||
        o.patience < 0 || o.patience > 86400)
        return cli_usage("--max-streams, --max-body or --patience is out of range");
    if (o.purge_before && !read_age(o.purge_before, &o.purge_ms))
        return cli_usage("--purge-before takes a number with d, h, m or s, not '%s'",
                         o.purge_before);
    exit_code = check_tokens(&o);
    if (exit_code)
        return exit_code;
    exit_code = read_keys(&o.keys, keys, texts, sizeof(texts));
    if (exit_code)
        return exit_code;
    raise_descriptors(o.max_streams);
    r = serve(&server, &o, keys, &err);
    exit_code = r < 0 ? cli_failed(&err) : r;
    close_server(&server);
    return exit_code;
}
