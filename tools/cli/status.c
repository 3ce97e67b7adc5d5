/* replica status: what a database contains, and what of it is not on a server yet.
 *
 * It reads the file and nothing else, so it can be asked beside a replication that runs, or after
 * one that was killed.  What is pending is counted in one pass over one moment, and at most a
 * hundred of it is shown unless all is asked for. */
#include "tools/cli/cli.h"

#include "replicator/replicator.h"

#include <stdlib.h>
#include <string.h>

enum { SHOWN = 100, SHOWN_PLAIN = 10 };

/* What is pending of one replication. */
struct backlog {
    char *replication;
    int64_t count;
};

struct summary {
    replica_db *db;
    bool json, all;
    bool first;
    int64_t documents, conflicts, rejected, pending;
    struct backlog *backlogs; /* in the order of their names */
    size_t backlog_count;
    size_t replications, in_sync;
    int64_t synced_ms;        /* of the replication whose last moment in sync is the oldest */
    replica_error last;       /* the newest error of all, */
    int64_t last_ms;          /* and when it was */
    bool no_memory;
    replica_error *err;
};

/* ---- collections ------------------------------------------------------------------- */

static int add_collection(void *ctx, const char *name)
{
    struct summary *s = ctx;
    replica_migration_progress progress;
    replica_collection *coll = NULL;
    int64_t count = 0;
    int r;

    r = replica_db_collection(s->db, name, NULL, &coll, s->err);
    if (r >= 0)
        r = replica_collection_count(coll, &count, s->err);
    if (r >= 0)
        r = replica_migration_state(coll, &progress, s->err);
    if (r < 0)
        return r;
    s->documents += count;
    if (!s->json) {
        printf("  %-24s %10lld documents, key '%s', version %d\n", name, (long long)count,
               replica_collection_key(coll), replica_collection_version(coll));
        if (progress.left > 0 || progress.failed > 0)
            printf("  %-24s %10lld of them to migrate, %lld that could not\n", "",
                   (long long)progress.left, (long long)progress.failed);
        return 0;
    }
    printf("%s{\"collection\":\"%s\"", s->first ? "" : ",", name);
    cli_print_member("key", replica_collection_key(coll));
    cli_print_number("version", replica_collection_version(coll));
    cli_print_number("documents", count);
    if (progress.left > 0 || progress.failed > 0) {
        cli_print_number("unmigrated", progress.left);
        cli_print_number("failed", progress.failed);
    }
    putchar('}');
    s->first = false;
    return 0;
}

static int count_conflict(void *ctx, const replica_conflict_entry *entry)
{
    struct summary *s = ctx;

    s->conflicts++;
    return 0;
}

static int count_rejected(void *ctx, const replica_rejected_entry *entry)
{
    struct summary *s = ctx;

    s->rejected++;
    return 0;
}

/* ---- what is pending ---------------------------------------------------------------- */

/* Entries come replication by replication. */
static struct backlog *backlog_of(struct summary *s, const char *replication)
{
    struct backlog *last = s->backlog_count ? &s->backlogs[s->backlog_count - 1] : NULL;
    struct backlog *grown;

    if (last && strcmp(last->replication, replication) == 0)
        return last;
    grown = realloc(s->backlogs, (s->backlog_count + 1) * sizeof(*grown));
    if (!grown)
        return NULL;
    s->backlogs = grown;
    grown[s->backlog_count] = (struct backlog){ .replication = strdup(replication) };
    return grown[s->backlog_count].replication ? &grown[s->backlog_count++] : NULL;
}

static int64_t pending_of(const struct summary *s, const char *replication)
{
    for (size_t i = 0; i < s->backlog_count; i++) {
        if (strcmp(s->backlogs[i].replication, replication) == 0)
            return s->backlogs[i].count;
    }
    return 0;
}

static void print_pending(struct summary *s, const replica_pending_entry *e)
{
    char time[CLI_TIME];

    if (s->json) {
        printf("%s{\"collection\":", s->pending > 1 ? "," : "");
        cli_print_string(e->collection);
        cli_print_member("id", e->id);
        cli_print_member("reason", e->reason);
        cli_print_member("replication", e->replication);
        cli_print_member("time", cli_time(e->time_ms, time));
        putchar('}');
        return;
    }
    printf("%s  %s/", s->pending > 1 ? "" : "pending\n", e->collection);
    cli_print_plain(e->id, strlen(e->id));
    fputs(": ", stdout);
    cli_print_plain(e->reason, strlen(e->reason));
    putchar('\n');
}

/* What is set aside has a list of its own, and holds nothing up. */
static int add_pending(void *ctx, const replica_pending_entry *e)
{
    struct summary *s = ctx;
    struct backlog *backlog;

    if (e->why == REPLICA_PENDING_REJECTED)
        return 0;
    backlog = backlog_of(s, e->replication);
    if (!backlog) {
        s->no_memory = true;
        return 1;
    }
    backlog->count++;
    s->pending++;
    if (s->all || s->pending <= (s->json ? SHOWN : SHOWN_PLAIN))
        print_pending(s, e);
    return 0;
}

/* ---- replications ------------------------------------------------------------------- */

static void print_error(const char *name, const replica_error *error, int64_t ms)
{
    char time[CLI_TIME];

    printf(",\"%s\":", name);
    if (!error || !error->code) {
        fputs("null", stdout);
        return;
    }
    fputs("{\"code\":", stdout);
    cli_print_string(replica_error_name(error->code));
    cli_print_number("detail", error->detail);
    cli_print_member("message", error->message);
    cli_print_member("where", error->where);
    cli_print_member("time", cli_time(ms, time));
    putchar('}');
}

static void print_text_or_null(const char *name, const char *text)
{
    if (text)
        cli_print_member(name, text);
    else
        printf(",\"%s\":null", name);
}

static const char *state_of(const replica_replication_entry *e)
{
    static const char *const names[] = {
        [REPLICA_SYNC_STARTING] = "starting", [REPLICA_SYNC_PULLING] = "pulling",
        [REPLICA_SYNC_PUSHING] = "pushing",   [REPLICA_SYNC_IDLE] = "idle",
        [REPLICA_SYNC_WAITING] = "waiting",   [REPLICA_SYNC_PAUSED] = "paused",
    };
    int state = e->running ? e->running->state : 0;

    if (!e->runs)
        return "stopped";
    return state > 0 && state < (int)(sizeof(names) / sizeof(names[0])) && names[state]
               ? names[state]
               : "running";
}

static void print_number_or_null(const char *name, bool known, int64_t number)
{
    if (known)
        cli_print_number(name, number);
    else
        printf(",\"%s\":null", name);
}

/* What only the process that replicates knows; null where none does. */
static void print_progress(const replica_replication_entry *e)
{
    static const replica_running none;
    const replica_running *r = e->running ? e->running : &none;
    bool known = e->running != NULL;
    char time[CLI_TIME];

    printf(",\"streaming\":%s", !known ? "null" : r->streaming ? "true" : "false");
    print_number_or_null("pull_done", known, r->pull_done);
    print_number_or_null("pull_remaining", known && r->pull_remaining >= 0, r->pull_remaining);
    print_number_or_null("push_done", known, r->push_done);
    cli_print_number("push_remaining", e->dirty);
    print_number_or_null("bytes_down", known, r->bytes_down);
    print_number_or_null("bytes_up", known, r->bytes_up);
    print_text_or_null("next_retry", r->retry_ms ? cli_time(r->retry_ms, time) : NULL);
}

static void print_json(struct summary *s, const replica_replication_entry *e, bool in_sync,
                       int64_t pending)
{
    char time[CLI_TIME];

    printf("%s{\"identifier\":", s->first ? "" : ",");
    cli_print_string(e->identifier);
    cli_print_member("collections", e->collections);
    cli_print_member("state", state_of(e));
    printf(",\"in_sync\":%s", in_sync ? "true" : "false");
    print_text_or_null("as_of", e->synced_ms ? cli_time(e->synced_ms, time) : NULL);
    cli_print_number("head", e->synced_head);
    print_text_or_null("checkpoint", e->checkpoint);
    print_text_or_null("keys", e->keys);
    print_text_or_null("filter", e->filter);
    cli_print_member("started", cli_time(e->started_ms, time));
    cli_print_number("pending", pending);
    cli_print_number("dirty", e->dirty);
    cli_print_number("unsettled", e->unsettled);
    cli_print_number("rejected", e->rejected);
    print_progress(e);
    print_error("last_error", e->error, e->error_ms);
    putchar('}');
}

static void print_progress_plain(const replica_running *r)
{
    char time[CLI_TIME];

    printf("    pulled %lld", (long long)r->pull_done);
    if (r->pull_remaining > 0)
        printf(" of %lld", (long long)(r->pull_done + r->pull_remaining));
    printf(", pushed %lld since it was in sync; %lld bytes down, %lld up%s",
           (long long)r->push_done, (long long)r->bytes_down, (long long)r->bytes_up,
           r->streaming ? "; streaming" : "");
    if (r->retry_ms)
        printf("; tries again at %s", cli_time(r->retry_ms, time));
    putchar('\n');
}

static void print_plain(struct summary *s, const replica_replication_entry *e, bool in_sync)
{
    char time[CLI_TIME];

    printf("%s  %s\n    %s; last started %s; %s\n"
           "    %lld to be sent, %lld in conflict, %lld set aside\n",
           s->first ? "replications\n" : "", e->identifier, e->collections,
           cli_time(e->started_ms, time), state_of(e), (long long)e->dirty,
           (long long)e->unsettled, (long long)e->rejected);
    if (e->running)
        print_progress_plain(e->running);
    if (e->synced_ms)
        printf("    %s %s\n", in_sync ? "in sync as of" : "not in sync; it was, last, at",
               cli_time(e->synced_ms, time));
    else
        printf("    never in sync yet\n");
    if (e->error) {
        printf("    since %s: ", cli_time(e->error_ms, time));
        cli_print_plain(e->error->message, strlen(e->error->message));
        putchar('\n');
    }
}

static int print_replication(void *ctx, const replica_replication_entry *e)
{
    struct summary *s = ctx;
    int64_t pending = pending_of(s, e->identifier);
    bool in_sync = e->in_sync && pending == 0;

    if (s->json)
        print_json(s, e, in_sync, pending);
    else
        print_plain(s, e, in_sync);
    s->first = false;
    s->replications++;
    s->in_sync += in_sync;
    if (s->replications == 1 || e->synced_ms < s->synced_ms)
        s->synced_ms = e->synced_ms;
    if (e->error && e->error_ms >= s->last_ms) {
        s->last = *e->error;
        s->last_ms = e->error_ms;
    }
    return 0;
}

/* ---- all of it ------------------------------------------------------------------------ */

static int count_all(struct summary *s, int64_t *sequence)
{
    int r = replica_db_sequence(s->db, sequence, s->err);

    if (r >= 0)
        r = replica_conflict_log(s->db, NULL, 0, count_conflict, s, s->err);
    if (r >= 0)
        r = replica_rejected(s->db, NULL, count_rejected, s, s->err);
    return r;
}

static void print_end(struct summary *s, int64_t sequence)
{
    bool in_sync = s->replications > 0 && s->in_sync == s->replications;
    char time[CLI_TIME];

    if (!s->json) {
        printf("documents       %lld\nsequence number %lld\nconflict log    %lld entries\n"
               "set aside       %lld documents\n", (long long)s->documents, (long long)sequence,
               (long long)s->conflicts, (long long)s->rejected);
        return;
    }
    putchar(']');
    printf(",\"in_sync\":%s", in_sync ? "true" : "false");
    print_text_or_null("as_of", s->synced_ms ? cli_time(s->synced_ms, time) : NULL);
    cli_print_number("pending_count", s->pending);
    print_error("last_error", &s->last, s->last_ms);
    cli_print_number("documents", s->documents);
    cli_print_number("conflicts", s->conflicts);
    cli_print_number("rejected", s->rejected);
    printf("}\n");
}

static int list_pending(struct summary *s)
{
    int r = replica_pending(s->db, NULL, add_pending, s, s->err);

    if (r > 0) {
        cli_complain("out of memory");
        return -1;
    }
    if (r >= 0 && !s->json && !s->all && s->pending > SHOWN_PLAIN)
        printf("  and %lld more; --all shows them\n", (long long)(s->pending - SHOWN_PLAIN));
    return r;
}

static int print_status(struct summary *s)
{
    int64_t sequence = 0;
    int r = count_all(s, &sequence);

    if (r < 0)
        return r;
    if (s->json)
        printf("{\"sequence\":%lld,\"pending\":[", (long long)sequence);
    r = list_pending(s);
    if (r < 0)
        return r;
    printf("%s", s->json ? "],\"collections\":[" : "collections\n");
    s->first = true;
    r = replica_db_collections(s->db, add_collection, s, s->err);
    if (r < 0)
        return r;
    if (s->json)
        printf("],\"replications\":[");
    s->first = true;
    r = replica_replications(s->db, print_replication, s, s->err);
    if (r >= 0)
        print_end(s, sequence);
    return r;
}

int cmd_status(int argc, char **argv)
{
    const char *db = NULL;
    struct summary s = { 0 };
    const struct cli_option options[] = {
        CLI_OPTION_DB(&db),
        { "all", CLI_FLAG, false, &s.all, NULL, "show all that is pending, not the first 100" },
        CLI_OPTION_JSON(&s.json),
        { 0 },
    };
    const struct cli_command command = {
        NULL,
        "Say what a database contains, and what of it is not on a server yet: collections,\n"
        "replications and whether they are in sync, each document that is pending and why, the\n"
        "last error, what conflicts superseded (replica conflicts) and what replication set aside\n"
        "(replica rejected).  It reads the file only: a replication may run beside it.",
        0, 0, options,
    };
    CLI_STORE store = CLI_STORE_INIT;
    replica_error err = { 0 };
    int r;

    if (cli_parse(&command, argc, argv, &r) < 0)
        return r;
    r = cli_open(&store, db, REPLICA_DB_READ_ONLY);
    if (r)
        return r;
    s.db = store.db;
    s.err = &err;
    r = print_status(&s);
    for (size_t i = 0; i < s.backlog_count; i++)
        free(s.backlogs[i].replication);
    free(s.backlogs);
    return cli_finish(r == 0 ? CLI_OK : s.no_memory ? CLI_STORAGE : cli_failed(&err));
}
