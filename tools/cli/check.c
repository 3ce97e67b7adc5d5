/* replica check: what the store finds wrong with itself. */
#include "tools/cli/cli.h"

struct findings {
    bool json;
};

static void on_finding(void *ctx, const char *where, const char *what)
{
    struct findings *f = ctx;

    if (!f->json) {
        printf("%s: %s\n", where, what);
        return;
    }
    printf("{\"where\":");
    cli_print_string(where);
    cli_print_member("what", what);
    printf("}\n");
}

int cmd_check(int argc, char **argv)
{
    const char *db = NULL;
    struct findings findings = { false };
    const struct cli_option options[] = {
        CLI_OPTION_DB(&db),
        CLI_OPTION_JSON(&findings.json),
        { 0 },
    };
    const struct cli_command command = {
        NULL,
        "Look for inconsistencies: in the file, in each document's text, in revisions, sequence\n"
        "numbers and what replication keeps.  Prints a line for each; exit 1 if there are some.",
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
    r = replica_check(store.db, on_finding, &findings, &err);
    if (r < 0)
        return cli_finish(cli_failed(&err));
    return cli_finish(r ? CLI_NO : CLI_OK);
}
