/* replica status: what a database contains. */
#include "tools/cli/cli.h"

struct summary {
    replica_db *db;
    bool json;
    bool first;
    int64_t documents, conflicts, rejected;
    replica_error *err;
};

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

static int print_replication(void *ctx, const replica_replication_entry *e)
{
    struct summary *s = ctx;
    char time[CLI_TIME];

    if (!s->json) {
        printf("%s  %s\n    %s; last started %s\n"
               "    %lld to be sent, %lld in conflict, %lld set aside\n",
               s->first ? "replications\n" : "", e->identifier, e->collections,
               cli_time(e->started_ms, time), (long long)e->dirty, (long long)e->unsettled,
               (long long)e->rejected);
        s->first = false;
        return 0;
    }
    printf("%s{\"identifier\":", s->first ? "" : ",");
    cli_print_string(e->identifier);
    cli_print_member("collections", e->collections);
    cli_print_member("started", cli_time(e->started_ms, time));
    cli_print_number("dirty", e->dirty);
    cli_print_number("unsettled", e->unsettled);
    cli_print_number("rejected", e->rejected);
    putchar('}');
    s->first = false;
    return 0;
}

static int print_status(struct summary *s)
{
    int64_t sequence = 0;
    int r;

    r = replica_db_sequence(s->db, &sequence, s->err);
    if (r >= 0)
        r = replica_conflict_log(s->db, NULL, 0, count_conflict, s, s->err);
    if (r >= 0)
        r = replica_rejected(s->db, NULL, count_rejected, s, s->err);
    if (r < 0)
        return r;
    if (s->json)
        printf("{\"sequence\":%lld,\"collections\":[", (long long)sequence);
    else
        printf("collections\n");
    s->first = true;
    r = replica_db_collections(s->db, add_collection, s, s->err);
    if (r < 0)
        return r;
    if (s->json)
        printf("],\"replications\":[");
    s->first = true;
    r = replica_replications(s->db, print_replication, s, s->err);
    if (r < 0)
        return r;
    if (s->json) {
        putchar(']');
        cli_print_number("documents", s->documents);
        cli_print_number("conflicts", s->conflicts);
        cli_print_number("rejected", s->rejected);
        printf("}\n");
        return 0;
    }
    printf("documents       %lld\nsequence number %lld\nconflict log    %lld entries\n"
           "set aside       %lld documents\n", (long long)s->documents, (long long)sequence,
           (long long)s->conflicts, (long long)s->rejected);
    return 0;
}

int cmd_status(int argc, char **argv)
{
    const char *db = NULL;
    struct summary s = { 0 };
    const struct cli_option options[] = {
        CLI_OPTION_DB(&db),
        CLI_OPTION_JSON(&s.json),
        { 0 },
    };
    const struct cli_command command = {
        NULL,
        "Say what a database contains: collections, replications with what they still have to\n"
        "send, the last sequence number, what conflicts superseded (replica conflicts) and what\n"
        "replication set aside (replica rejected).",
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
    return cli_finish(r < 0 ? cli_failed(&err) : CLI_OK);
}
