/* replica put: one document. */
#include "tools/cli/cli.h"

#include <string.h>

/* Another revision is stored: the one thing that a script has to know of it is which. */
static int lost_race(const replica_error *err, replica_doc *stored)
{
    int r = cli_failed(err);

    if (stored && r == CLI_CONFLICT)
        cli_complain("stored is %s; to replace it, pass --rev %s", replica_doc_rev(stored),
                     replica_doc_rev(stored));
    return r;
}

int cmd_put(int argc, char **argv)
{
    const char *db = NULL, *collection = NULL, *key = NULL, *rev = REPLICA_ANY_REV;
    const char *schema_file = NULL, *schema = NULL;
    bool is_new = false;
    const struct cli_option options[] = {
        CLI_OPTION_DB(&db),
        CLI_OPTION_COLLECTION(&collection),
        { "key", CLI_TEXT, false, &key, "FIELD", "the primary key of a new collection (id)" },
        CLI_OPTION_SCHEMA(&schema_file),
        { "rev", CLI_TEXT, false, &rev, "REV", "only if this revision is stored" },
        { "new", CLI_FLAG, false, &is_new, NULL, "only if the document is new" },
        { 0 },
    };
    const struct cli_command command = {
        "[JSON|-]",
        "Store a document under the key that it contains, and print its new revision.  Without\n"
        "--rev or --new it replaces what is stored.  The file and the collection are created.",
        0, 1, options,
    };
    REPLICA_BUF text = REPLICA_BUF_INIT;
    REPLICA_BUF schema_text = REPLICA_BUF_INIT;
    CLI_STORE store = CLI_STORE_INIT;
    CLI_DOC doc = NULL;
    CLI_DOC stored = NULL;
    replica_error err = { 0 };
    const char *source;
    int r, n;

    n = cli_parse(&command, argc, argv, &r);
    if (n < 0)
        return r;
    if (is_new && strcmp(rev, REPLICA_ANY_REV) != 0)
        return cli_usage("--new and --rev exclude each other");
    r = cli_text(n ? argv[1] : NULL, &text, &source);
    if (r == 0)
        r = cli_file(schema_file, &schema_text, &schema);
    if (r == 0)
        r = cli_create_collection(&store, db, collection, key, schema);
    if (r)
        return r;
    r = replica_put(store.coll, text.data ? text.data : "", text.len, is_new ? NULL : rev, &doc,
                    &stored, &err);
    if (r < 0 && cli_exit_code(r) == CLI_INPUT)
        return cli_bad_text(source, 0, &err);
    if (r < 0)
        return lost_race(&err, stored);
    puts(replica_doc_rev(doc));
    return cli_finish(CLI_OK);
}
