/* replica patch: a JSON merge patch (RFC 7396) over one document. */
#include "tools/cli/cli.h"

int cmd_patch(int argc, char **argv)
{
    const char *db = NULL, *collection = NULL, *rev = REPLICA_ANY_REV;
    const struct cli_option options[] = {
        CLI_OPTION_DB(&db),
        CLI_OPTION_COLLECTION(&collection),
        { "rev", CLI_TEXT, false, &rev, "REV", "only if this revision is stored" },
        { 0 },
    };
    const struct cli_command command = {
        "ID [JSON|-]",
        "Change the members that a JSON merge patch (RFC 7396) names, null removes one; the\n"
        "others keep their bytes.  Prints the new revision.  Exit 1 if there is no such document.",
        1, 2, options,
    };
    REPLICA_BUF text = REPLICA_BUF_INIT;
    CLI_STORE store = CLI_STORE_INIT;
    CLI_DOC doc = NULL;
    CLI_DOC stored = NULL;
    replica_error err = { 0 };
    const char *source;
    int r, n;

    n = cli_parse(&command, argc, argv, &r);
    if (n < 0)
        return r;
    r = cli_text(n > 1 ? argv[2] : NULL, &text, &source);
    if (r == 0)
        r = cli_open_collection(&store, db, REPLICA_DB_MUST_EXIST, collection);
    if (r)
        return r;
    r = replica_patch(store.coll, argv[1], text.data ? text.data : "", text.len, rev, &doc, &stored,
                      &err);
    if (r < 0 && cli_exit_code(r) == CLI_INPUT)
        return cli_bad_text(source, 0, &err);
    if (r < 0)
        return cli_failed(&err);
    if (r == 0) {
        cli_complain("there is no '%s' in '%s'", argv[1], collection);
        return CLI_NO;
    }
    puts(replica_doc_rev(doc));
    return cli_finish(CLI_OK);
}
