/* replica search: documents by their words, the best match first. */
#include "tools/cli/cli.h"

#include "libreplica/query.h"

#include <string.h>

/* The words that were found, in brackets. */
static void print_snippet(const char *snippet)
{
    REPLICA_BUF text = REPLICA_BUF_INIT;

    for (; *snippet; snippet++)
        replica__buf_char(&text, *snippet == 2 ? '[' : *snippet == 3 ? ']' : *snippet);
    cli_print_member("snippet", text.data ? text.data : "");
}

static int search(replica_collection *coll, const char *index, const char *words, int64_t limit,
                  replica_error *err)
{
    CLI_CURSOR cursor = NULL;
    replica_doc *doc = NULL;
    int r = replica_search(coll, index, words, limit, &cursor, err);

    while (r >= 0 && (r = replica_cursor_next(cursor, &doc, err)) > 0) {
        printf("{\"rank\":%.6g", replica_cursor_rank(cursor));
        print_snippet(replica_cursor_snippet(cursor));
        cli_print_member("id", replica_doc_id(doc));
        cli_print_doc("doc", doc);
        printf("}\n");
    }
    return r;
}

int cmd_search(int argc, char **argv)
{
    const char *db = NULL, *collection = NULL, *index = NULL;
    int64_t limit = 10;
    const struct cli_option options[] = {
        CLI_OPTION_DB(&db),
        CLI_OPTION_COLLECTION(&collection),
        { "index", CLI_TEXT, false, &index, "NAME", "which text index, if there are several" },
        { "limit", CLI_NUMBER, false, &limit, "N", "at most so many; 10 without it" },
        { 0 },
    };
    const struct cli_command command = {
        "WORDS",
        "Print the documents in which a full-text index has these words, as JSON Lines with\n"
        "their rank and a snippet, the best match first.  WORDS is FTS5's query language: word,\n"
        "\"a phrase\", pre*, AND, OR, NOT, field:word.",
        1, 1, options,
    };
    CLI_STORE store = CLI_STORE_INIT;
    replica_error err = { 0 };
    int r;

    if (cli_parse(&command, argc, argv, &r) < 0)
        return r;
    r = cli_open_collection(&store, db, REPLICA_DB_READ_ONLY, collection);
    if (r)
        return r;
    r = search(store.coll, index, argv[1], limit, &err);
    if (r == REPLICA_EINVAL) {
        cli_complain("%s", err.message);
        return cli_finish(CLI_USAGE);
    }
    return cli_finish(r < 0 ? cli_failed(&err) : CLI_OK);
}
