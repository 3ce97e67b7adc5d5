/* replica rejected: documents that do not take part in replication for now, and the ways on. */
#include "tools/cli/cli.h"

#include <string.h>

struct rejected_list {
    bool json;
};

static const char *kind_name(int kind)
{
    switch (kind) {
    case REPLICA_ASIDE_REFUSED:
        return "refused";
    case REPLICA_ASIDE_UNAPPLIED:
        return "unapplied";
    case REPLICA_ASIDE_HANDLER:
        return "handler";
    case REPLICA_ASIDE_MIGRATION:
        return "migration";
    default:
        return "?";
    }
}

/* What the server sent may be anything: it is printed as text. */
static void print_sent(const replica_rejected_entry *e)
{
    REPLICA_BUF out = REPLICA_BUF_INIT;

    if (!e->text)
        return;
    replica__buf_json_string(&out, e->text, e->text_len);
    printf(",\"text\":%s", out.data && !out.r ? out.data : "null");
}

static int print_entry(void *ctx, const replica_rejected_entry *e)
{
    struct rejected_list *list = ctx;
    char time[CLI_TIME];

    if (!list->json) {
        printf("%lld %s %s/", (long long)e->number, cli_time(e->time_ms, time), e->collection);
        cli_print_plain(e->id, strlen(e->id));
        printf(" %s %d ", kind_name(e->kind), e->code);
        cli_print_plain(e->reason, strlen(e->reason));
        putchar('\n');
        return 0;
    }
    printf("{\"number\":%lld", (long long)e->number);
    cli_print_member("time", cli_time(e->time_ms, time));
    cli_print_member("collection", e->collection);
    cli_print_member("id", e->id);
    cli_print_member("replication", e->replication);
    cli_print_member("kind", kind_name(e->kind));
    cli_print_number("code", e->code);
    cli_print_member("reason", e->reason);
    printf(",\"deleted\":%s", e->local && replica_doc_deleted(e->local) ? "true" : "false");
    cli_print_doc("local", e->local);
    print_sent(e);
    printf("}\n");
    return 0;
}

static int run(replica_db *db, const char *action, int64_t number, struct rejected_list *list)
{
    replica_error err = { 0 };
    int r;

    if (strcmp(action, "list") == 0) {
        r = replica_rejected(db, NULL, print_entry, list, &err);
        return r < 0 ? cli_failed(&err) : CLI_OK;
    }
    r = strcmp(action, "retry") == 0 ? replica_rejected_retry(db, number, &err)
                                     : replica_rejected_discard(db, number, &err);
    if (r < 0)
        return cli_failed(&err);
    if (r == 0) {
        cli_complain("there is no entry %lld", (long long)number);
        return CLI_NO;
    }
    return CLI_OK;
}

int cmd_rejected(int argc, char **argv)
{
    const char *db = NULL;
    struct rejected_list list = { 0 };
    const struct cli_option options[] = {
        CLI_OPTION_DB(&db),
        CLI_OPTION_JSON(&list.json),
        { 0 },
    };
    const struct cli_command command = {
        "[list | retry N | discard N]",
        "The documents that replication set aside: number, time, document, kind (refused by\n"
        "the server, unapplied here, or left by the conflict handler), code and reason.\n"
        "retry lets one go out again as it is, discard goes back to the server's state and\n"
        "leaves the local one in the conflict log.  To edit one, put a new state: that goes\n"
        "out by itself.",
        0, 2, options,
    };
    CLI_STORE store = CLI_STORE_INIT;
    const char *action = "list";
    int64_t number = 0;
    int r, n;

    n = cli_parse(&command, argc, argv, &r);
    if (n < 0)
        return r;
    r = cli_entry(n, argv, "list", &action, &number);
    if (r)
        return r;
    if (strcmp(action, "list") != 0 && strcmp(action, "retry") != 0 &&
        strcmp(action, "discard") != 0)
        return cli_usage("list, retry or discard, not '%s'", action);
    r = cli_open(&store, db,
                 strcmp(action, "list") ? REPLICA_DB_MUST_EXIST : REPLICA_DB_READ_ONLY);
    return r ? r : cli_finish(run(store.db, action, number, &list));
}
