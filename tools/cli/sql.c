/* replica sql: what one statement that reads says of the collections. */
#include "tools/cli/cli.h"

#include "base/json.h"
#include "libreplica/query.h"

#include <string.h>

static bool is_number(const replica_sql_value *v)
{
    char last = v->len ? v->text[v->len - 1] : 'x';

    return v->type != REPLICA_SQL_REAL || (last >= '0' && last <= '9'); /* else it is infinite */
}

/* A text that is not UTF-8 can only be made by a statement that puts it together from bytes. */
static bool is_text(const replica_sql_value *v)
{
    static const struct replica__json_limits limits = { .max_bytes = 0 };
    REPLICA_BUF string = REPLICA_BUF_INIT;

    replica__buf_json_string(&string, v->text, v->len);
    return string.r == 0 && replica__json_check(string.data, string.len, &limits, NULL) == 0;
}

static void add_hex(struct replica__buf *out, const replica_sql_value *v)
{
    replica__buf_char(out, '"');
    for (size_t i = 0; i < v->len; i++)
        replica__buf_printf(out, "%02x", (unsigned char)v->text[i]);
    replica__buf_char(out, '"');
}

static void add_value(struct replica__buf *out, const replica_sql_value *v)
{
    switch (v->type) {
    case REPLICA_SQL_INTEGER:
    case REPLICA_SQL_REAL:
        if (is_number(v))
            replica__buf_add(out, v->text, v->len);
        else
            replica__buf_str(out, "null");
        break;
    case REPLICA_SQL_TEXT:
        if (is_text(v))
            replica__buf_json_string(out, v->text, v->len);
        else
            add_hex(out, v);
        break;
    case REPLICA_SQL_BLOB:
        add_hex(out, v);
        break;
    default:
        replica__buf_str(out, "null");
    }
}

/* A name that was there already gets a number behind it: no object has a name twice. */
static void add_name(struct replica__buf *out, const char *const *names, size_t at)
{
    REPLICA_BUF name = REPLICA_BUF_INIT;
    size_t before = 0;

    for (size_t i = 0; i < at; i++)
        before += strcmp(names[i], names[at]) == 0;
    replica__buf_str(&name, names[at]);
    if (before > 0)
        replica__buf_printf(&name, ":%zu", before);
    replica__buf_json_string(out, name.data ? name.data : "", name.len);
}

static int print_row(void *ctx, size_t n, const char *const *names, const replica_sql_value *values)
{
    REPLICA_BUF out = REPLICA_BUF_INIT;

    replica__buf_char(&out, '{');
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            replica__buf_char(&out, ',');
        add_name(&out, names, i);
        replica__buf_char(&out, ':');
        add_value(&out, &values[i]);
    }
    replica__buf_str(&out, "}\n");
    if (out.r < 0)
        return out.r;
    return fwrite(out.data, 1, out.len, stdout) == out.len ? 0 : 1; /* cli_finish() says why */
}

int cmd_sql(int argc, char **argv)
{
    const char *db = NULL;
    struct cli_list params = { .count = 0 };
    const struct cli_option options[] = {
        CLI_OPTION_DB(&db),
        { "param", CLI_LIST, false, &params, "JSON", "a value for ?1, the next one for ?2, ..." },
        { 0 },
    };
    const struct cli_command command = {
        "STATEMENT",
        "Print what an SQL statement that reads gives, a JSON object for each row.  There is\n"
        "a view for each collection with the columns id, rev, doc and seq; field(doc, 'a.b')\n"
        "is the value at a path.  \"-\" reads the statement from standard input.",
        1, 1, options,
    };
    CLI_STORE store = CLI_STORE_INIT;
    REPLICA_BUF text = REPLICA_BUF_INIT;
    const char *source;
    replica_error err = { 0 };
    int r;

    if (cli_parse(&command, argc, argv, &r) < 0)
        return r;
    r = cli_text(argv[1], &text, &source);
    if (r == CLI_OK)
        r = cli_open(&store, db, REPLICA_DB_READ_ONLY);
    if (r)
        return r;
    r = replica_sql(store.db, text.data ? text.data : "", params.items, params.count, print_row,
                    NULL, &err);
    if (r == REPLICA_EINVAL) {
        cli_complain("%s", err.message);
        return cli_finish(CLI_USAGE);
    }
    return cli_finish(r < 0 ? cli_failed(&err) : CLI_OK);
}
