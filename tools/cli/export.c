/* replica export: every live document of a collection, in key order. */
#include "tools/cli/cli.h"

#include <unistd.h>

int cmd_export(int argc, char **argv)
{
    const char *db = NULL, *collection = NULL;
    const struct cli_option options[] = {
        CLI_OPTION_DB(&db),
        CLI_OPTION_COLLECTION(&collection),
        { 0 },
    };
    const struct cli_command command = {
        NULL,
        "Print the stored text of each live document byte by byte, one per line, in key order.\n"
        "Only line breaks between tokens become spaces, so that a document stays one line.",
        0, 0, options,
    };
    CLI_STORE store = CLI_STORE_INIT;
    CLI_CURSOR cursor = NULL;
    replica_doc *doc = NULL;
    replica_error err = { 0 };
    int64_t count = 0;
    int r;

    if (cli_parse(&command, argc, argv, &r) < 0)
        return r;
    r = cli_open_collection(&store, db, REPLICA_DB_READ_ONLY, collection);
    if (r)
        return r;
    r = replica_all(store.coll, NULL, &cursor, &err);
    while (r >= 0 && !ferror(stdout) && (r = replica_cursor_next(cursor, &doc, &err)) > 0) {
        size_t len = 0;
        const char *json = replica_doc_json(doc, &len);

        cli_print_line(json, len);
        if (++count % 1000 == 0 && !isatty(STDOUT_FILENO))
            cli_progress("exported %lld", (long long)count);
    }
    return cli_finish(r < 0 ? cli_failed(&err) : CLI_OK);
}
