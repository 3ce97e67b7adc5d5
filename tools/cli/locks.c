/* replica locks: those that are held, and how that changes. */
#include "tools/cli/ask.h"

#include "base/json.h"
#include "base/os.h"
#include "libreplica/lock.h"

#include <stdlib.h>
#include <string.h>

enum { LOOK_MS = 500 };

/* A lock, as both kinds of lists have it; the texts are JSON strings. */
struct held {
    char *what; /* "collection":...,"key":...,"name":...,"fence":n */
    bool seen;  /* in this look */
    struct held *next;
};

struct listing {
    const char *db, *url, *token_file;
    bool json, watch;
    int64_t count; /* of changes to print before the end */
    struct held *known;
    size_t n;
};

static void free_held(struct held *h)
{
    free(h->what);
    free(h);
}

/* ---- one lock -------------------------------------------------------------------- */

static void print_change(struct listing *l, const char *change, const char *what)
{
    if (l->count <= 0)
        return;
    l->count--;
    printf("{\"change\":\"%s\",%s}\n", change, what);
}

/* Is it new? */
static void look_at(struct listing *l, const char *what)
{
    struct held *h = l->known;

    while (h && strcmp(h->what, what) != 0)
        h = h->next;
    if (!h) {
        h = calloc(1, sizeof(*h));
        if (!h || !(h->what = strdup(what)))
            abort();
        h->next = l->known;
        l->known = h;
        print_change(l, "locked", what);
    }
    h->seen = true;
}

static void add(struct listing *l, const char *collection, const char *key, const char *name,
                int64_t fence, int64_t left_ms)
{
    REPLICA_BUF what = REPLICA_BUF_INIT;

    l->n++;
    if (!l->json && !l->watch) {
        printf("%s%s", collection ? collection : "", collection ? "/" : "");
        cli_print_plain(key, strlen(key));
        putchar('\t');
        cli_print_plain(name, strlen(name));
        printf("\t%lld\t%lld ms\n", (long long)fence, (long long)left_ms);
        return;
    }
    replica__buf_str(&what, "\"collection\":");
    if (collection)
        replica__buf_json_string(&what, collection, strlen(collection));
    else
        replica__buf_str(&what, "null");
    replica__buf_str(&what, ",\"key\":");
    replica__buf_json_string(&what, key, strlen(key));
    replica__buf_str(&what, ",\"name\":");
    replica__buf_json_string(&what, name, strlen(name));
    replica__buf_printf(&what, ",\"fence\":%lld", (long long)fence);
    if (what.r < 0)
        abort();
    if (l->watch)
        look_at(l, what.data);
    else
        printf("{%s,\"left\":%lld}\n", what.data, (long long)left_ms);
}

/* ---- a file's, and a server's ------------------------------------------------------ */

static int on_entry(void *ctx, const replica_lock_entry *e)
{
    add(ctx, e->collection[0] ? e->collection : NULL, e->key, e->name, e->fence, e->left_ms);
    return 0;
}

/* NULL: it is no text. */
static char *text_of(struct replica__json_value v)
{
    REPLICA_BUF text = REPLICA_BUF_INIT;

    if (v.type != REPLICA_JSON_STRING)
        return NULL;
    replica__json_unescape((struct replica__slice){ v.text.data + 1, v.text.len - 2 }, &text);
    return strdup(text.data ? text.data : "");
}

static void add_answered(struct listing *l, struct replica__json_value v)
{
    char *collection = text_of(replica__json_member(v, "collection", 10));
    char *key = text_of(replica__json_member(v, "key", 3));
    char *name = text_of(replica__json_member(v, "name", 4));
    int64_t fence = 0, left = 0;

    replica__json_int(replica__json_member(v, "fence", 5), &fence);
    replica__json_int(replica__json_member(v, "left", 4), &left);
    if (key && name)
        add(l, collection, key, name, fence, left);
    free(collection);
    free(key);
    free(name);
}

static int list_remote(struct listing *l, const struct cli_server *server)
{
    REPLICA_BUF question = REPLICA_BUF_INIT, answer = REPLICA_BUF_INIT;
    struct replica__json_value list;
    struct replica__json_iter it;
    int r;

    replica__buf_str(&question, "{}");
    r = cli_ask(server, "locks", &question, &answer);
    if (r)
        return r;
    list = replica__json_member(replica__json_value(answer.data, answer.len), "locks", 5);
    if (list.type != REPLICA_JSON_ARRAY)
        return 0;
    it = replica__json_iter(list);
    while (replica__json_next(&it))
        if (it.value.type == REPLICA_JSON_OBJECT)
            add_answered(l, it.value);
    return 0;
}

/* ---- watching -------------------------------------------------------------------- */

/* What was not seen this time has gone. */
static void sweep(struct listing *l)
{
    struct held **at = &l->known;

    while (*at) {
        struct held *h = *at;

        if (h->seen) {
            h->seen = false;
            at = &h->next;
            continue;
        }
        *at = h->next;
        print_change(l, "unlocked", h->what);
        free_held(h);
    }
}

static int look(struct listing *l, const struct cli_server *server, replica_db *db)
{
    replica_error err = { 0 };

    if (server)
        return list_remote(l, server);
    return replica_locks(db, on_entry, l, &err) < 0 ? cli_failed(&err) : 0;
}

/* Nobody tells when a lock runs out, so we look now and then. */
static int run(struct listing *l, const struct cli_server *server, replica_db *db)
{
    int r = look(l, server, db);

    if (!l->watch)
        return r ? r : l->n ? CLI_OK : CLI_NO;
    cli_catch_signals();
    while (r == 0 && l->count > 0 && !cli_interrupted()) {
        sweep(l);
        if (l->count <= 0 || fflush(stdout) != 0)
            break;
        if (db)
            cli_wait(db, LOOK_MS, NULL);
        else
            replica__os_sleep_us(LOOK_MS * 1000);
        r = look(l, server, db);
    }
    return r;
}

int cmd_locks(int argc, char **argv)
{
    struct listing l = { .count = INT64_MAX };
    const struct cli_option options[] = {
        { "url", CLI_TEXT, false, &l.url, "URL", "of a server: http://host:port/{collection}/0" },
        { "db", CLI_TEXT, false, &l.db, "FILE", "or of a database" },
        { "watch", CLI_FLAG, false, &l.watch, NULL, "print what is locked and unlocked, too" },
        { "count", CLI_NUMBER, false, &l.count, "N", "of --watch: end after so many" },
        { "token-file", CLI_TEXT, false, &l.token_file, "FILE", "holds the bearer token" },
        CLI_OPTION_JSON(&l.json),
        { 0 },
    };
    const struct cli_command command = {
        NULL,
        "List the locks that are held: what, by whom, its fencing number, and how long it lasts\n"
        "unless it is renewed; 1 if there are none.  --watch prints JSON Lines as they come and\n"
        "go, until SIGINT or SIGTERM.",
        0, 0, options,
    };
    CLI_STORE store = CLI_STORE_INIT;
    struct cli_server server = { .token_file = NULL };
    int r;

    if (cli_parse(&command, argc, argv, &r) < 0)
        return r;
    if (!l.url == !l.db)
        return cli_usage("either --url or --db");
    r = l.db ? cli_open(&store, l.db, REPLICA_DB_READ_ONLY)
             : cli_server_open(&server, l.url, l.token_file);
    if (r == 0)
        r = run(&l, l.url ? &server : NULL, store.db);
    cli_server_close(&server);
    while (l.known) {
        struct held *next = l.known->next;

        free_held(l.known);
        l.known = next;
    }
    return cli_finish(r);
}
