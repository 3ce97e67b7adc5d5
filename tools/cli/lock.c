/* replica lock, unlock: a lock of a server's, or of a file's. */
#include "tools/cli/ask.h"
#include "tools/cli/hold.h"

#include "base/json.h"
#include "base/os.h"
#include "libreplica/lock.h"

#include <stdlib.h>
#include <string.h>

enum { TTL_MS = 30000, ASK_AGAIN_MS = 500, TOKEN = 16 };

struct locking {
    const char *db, *url, *collection, *client, *name, *token_file, *key;
    int64_t ttl, wait, fence;
    bool own, json;
    char **argv;              /* what to run */
    char drawn[TOKEN + 1];
    struct cli_server server;
    int64_t renew_at;         /* monotonic ms */
    bool lost;
    replica_db *file;
    replica_lock *lock;
};

static int64_t now_ms(void)
{
    return replica__os_monotonic_us() / 1000;
}

static void say_lost(struct locking *l)
{
    if (!l->lost)
        cli_complain("the lock on '%s' was lost", l->key);
    l->lost = true;
}

/* ---- a server's ------------------------------------------------------------------ */

static void add_text(struct replica__buf *out, const char *name, const char *value)
{
    replica__buf_printf(out, "%c\"%s\":", out->len ? ',' : '{', name);
    replica__buf_json_string(out, value, strlen(value));
}

static void make_question(const struct locking *l, bool take, struct replica__buf *out)
{
    add_text(out, "client", l->client);
    add_text(out, "key", l->key);
    if (!l->own)
        replica__buf_printf(out, ",\"collection\":\"%s/%d\"", l->server.endpoint.collection,
                            l->server.endpoint.version);
    if (take) {
        if (l->name)
            add_text(out, "name", l->name);
        replica__buf_printf(out, ",\"ttl\":%lld", (long long)l->ttl);
    }
    if (l->fence > 0)
        replica__buf_printf(out, ",\"fence\":%lld", (long long)l->fence);
    replica__buf_char(out, '}');
}

/* 1 and the number; 0: another one has it; < 0: *ret_exit. */
static int ask_for_it(struct locking *l, struct replica__buf *answer, int *ret_exit)
{
    REPLICA_BUF question = REPLICA_BUF_INIT;

    make_question(l, true, &question);
    *ret_exit = cli_ask(&l->server, "lock", &question, answer);
    if (*ret_exit)
        return -1;
    return replica__json_int(replica__json_member(replica__json_value(answer->data, answer->len),
                                                  "fence", 5), &l->fence);
}

static int say_who(const struct locking *l, const struct replica__buf *answer)
{
    struct replica__json_value v = replica__json_member(
        replica__json_value(answer->data, answer->len), "locked", 6);

    if (v.type == REPLICA_JSON_STRING)
        cli_complain("'%s' is locked by %.*s", l->key, (int)v.text.len, v.text.data);
    else
        cli_complain("the lock on '%s' was lost", l->key);
    return CLI_CONFLICT;
}

/* Until it is ours, or the time is over.  0, or an exit code. */
static int take_remote(struct locking *l, struct replica__buf *answer)
{
    int64_t until = now_ms() + l->wait;
    int r, exit_code;

    cli_catch_signals();
    while ((r = ask_for_it(l, answer, &exit_code)) == 0) {
        int64_t left = until - now_ms();

        if (left <= 0 || cli_interrupted() || l->fence > 0)
            return say_who(l, answer);
        replica__os_sleep_us((left < ASK_AGAIN_MS ? left : ASK_AGAIN_MS) * 1000);
    }
    return r < 0 ? exit_code : 0;
}

static void give_back_remote(struct locking *l)
{
    REPLICA_BUF question = REPLICA_BUF_INIT, answer = REPLICA_BUF_INIT;

    make_question(l, false, &question);
    cli_ask(&l->server, "unlock", &question, &answer);
}

static void keep_remote(void *ctx, int ms)
{
    struct locking *l = ctx;
    REPLICA_BUF answer = REPLICA_BUF_INIT;
    int exit_code;

    replica__os_sleep_us((int64_t)ms * 1000);
    if (l->lost || now_ms() < l->renew_at)
        return;
    l->renew_at = now_ms() + l->ttl / 3;
    if (ask_for_it(l, &answer, &exit_code) == 0)
        say_lost(l);
}

static int lock_remote(struct locking *l)
{
    REPLICA_BUF answer = REPLICA_BUF_INIT;
    int r = take_remote(l, &answer);

    if (r)
        return r;
    if (!l->argv[0]) {
        printf("{\"client\":");
        cli_print_string(l->client);
        printf(",%.*s\n", (int)answer.len - 1, answer.data + 1);
        return CLI_OK;
    }
    l->renew_at = now_ms() + l->ttl / 3;
    r = cli_hold(l->argv, keep_remote, l);
    give_back_remote(l);
    return l->lost && r == 0 ? CLI_CONFLICT : r;
}

/* ---- a file's -------------------------------------------------------------------- */

static void keep_local(void *ctx, int ms)
{
    struct locking *l = ctx;

    cli_wait(l->file, ms, NULL);
    if (replica_lock_state(l->lock) == REPLICA_LOCK_LOST)
        say_lost(l);
}

static int lock_local(struct locking *l)
{
    replica_lock_options o = REPLICA_LOCK_OPTIONS_INIT;
    CLI_STORE store = CLI_STORE_INIT;
    replica_error err = { 0 };
    int r = l->own ? cli_open(&store, l->db, 0)
                   : cli_create_collection(&store, l->db, l->collection, NULL, NULL);

    if (r)
        return r;
    o.ttl_ms = l->ttl;
    o.wait_ms = (int)l->wait;
    o.name = l->name;
    if (replica_lock_acquire(store.db, l->own ? NULL : store.coll, l->key, &o, &l->lock, &err) < 0)
        return cli_failed(&err);
    if (!l->argv[0]) {
        printf("{\"fence\":%lld}\n", (long long)replica_lock_fence(l->lock));
        fflush(stdout);
    }
    l->file = store.db;
    r = cli_hold(l->argv, keep_local, l);
    replica_lock_release(l->lock);
    return l->lost && r == 0 ? CLI_CONFLICT : r;
}

/* ---- the commands ---------------------------------------------------------------- */

static int draw(struct locking *l)
{
    static const char letters[] = "0123456789abcdefghjkmnpqrstvwxyz";
    unsigned char bytes[TOKEN];

    if (replica__os_random(bytes, sizeof(bytes)) < 0)
        return cli_failed(&(replica_error){ .code = REPLICA_EIO, .message = "no random numbers" });
    for (int i = 0; i < TOKEN; i++)
        l->drawn[i] = letters[bytes[i] % 32];
    l->client = l->drawn;
    return 0;
}

/* Who that is, for people. */
static const char *my_name(void)
{
    const char *user = getenv("USER");

    return user && *user ? user : "replica lock";
}

int cmd_lock(int argc, char **argv)
{
    struct locking l = { .ttl = TTL_MS };
    const struct cli_option options[] = {
        { "url", CLI_TEXT, false, &l.url, "URL", "a server: http://host:port/{collection}/0" },
        { "db", CLI_TEXT, false, &l.db, "FILE", "or a database" },
        { "collection", CLI_TEXT, false, &l.collection, "NAME", "of the database: KEY is an id" },
        { "own", CLI_FLAG, false, &l.own, NULL, "KEY is a name of your own, not a document's id" },
        { "name", CLI_TEXT, false, &l.name, "NAME", "who holds it, for people; $USER" },
        { "client", CLI_TEXT, false, &l.client, "TOKEN", "who holds it, at the server; drawn" },
        { "fence", CLI_NUMBER, false, &l.fence, "N", "only renew the lock with this number" },
        { "ttl", CLI_NUMBER, false, &l.ttl, "MS", "it ends so long after its last renewal; 30000" },
        { "wait", CLI_NUMBER, false, &l.wait, "MS", "for who has it; 0" },
        { "token-file", CLI_TEXT, false, &l.token_file, "FILE", "holds the bearer token" },
        { 0 },
    };
    const struct cli_command command = {
        "KEY [-- COMMAND ARG...]",
        "Lock a document, or a key of your own, and run COMMAND meanwhile: then the exit code\n"
        "is the command's.  Without COMMAND, a lock at a server is printed, with the token that\n"
        "renews and unlocks it, and lasts until its time is over; one in a database is held\n"
        "until SIGINT or SIGTERM.",
        1, 1000, options,
    };
    int r, n = cli_parse(&command, argc, argv, &r);

    if (n < 0)
        return r;
    if (!l.url == !l.db || (l.db && !l.collection == !l.own) || (l.db && (l.client || l.fence)) ||
        (l.url && l.collection) || l.wait > INT32_MAX)
        return cli_usage("either --url, or --db with --collection or --own");
    l.key = argv[1];
    l.argv = argv + 2;
    argv[n + 1] = NULL;
    if (!l.name && !l.client) /* who renews a lock keeps its name */
        l.name = my_name();
    if (l.db)
        return cli_finish(lock_local(&l));
    r = cli_server_open(&l.server, l.url, l.token_file);
    if (r == 0 && !l.client)
        r = draw(&l);
    if (r == 0)
        r = lock_remote(&l);
    cli_server_close(&l.server);
    return cli_finish(r);
}

int cmd_unlock(int argc, char **argv)
{
    struct locking l = { .ttl = TTL_MS };
    const struct cli_option options[] = {
        { "url", CLI_TEXT, true, &l.url, "URL", "a server: http://host:port/{collection}/0" },
        { "client", CLI_TEXT, true, &l.client, "TOKEN", "who holds it: as replica lock printed" },
        { "own", CLI_FLAG, false, &l.own, NULL, "KEY is a name of your own, not a document's id" },
        { "fence", CLI_NUMBER, false, &l.fence, "N", "only the lock with this number" },
        { "token-file", CLI_TEXT, false, &l.token_file, "FILE", "holds the bearer token" },
        { 0 },
    };
    const struct cli_command command = {
        "KEY",
        "Give back a lock of a server.  Only its holder can: 1 if the client does not hold it.",
        1, 1, options,
    };
    REPLICA_BUF question = REPLICA_BUF_INIT, answer = REPLICA_BUF_INIT;
    int r;

    if (cli_parse(&command, argc, argv, &r) < 0)
        return r;
    l.key = argv[1];
    r = cli_server_open(&l.server, l.url, l.token_file);
    if (r == 0) {
        make_question(&l, false, &question);
        r = cli_ask(&l.server, "unlock", &question, &answer);
    }
    cli_server_close(&l.server);
    if (r == 0 && replica__json_member(replica__json_value(answer.data, answer.len), "unlocked",
                                       8).type != REPLICA_JSON_TRUE) {
        cli_complain("'%s' is not locked by this client", l.key);
        r = CLI_NO;
    }
    return cli_finish(r);
}
