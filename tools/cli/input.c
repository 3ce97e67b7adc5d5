/* Texts from arguments, files and standard input, within a ceiling. */
#include "tools/cli/cli.h"

#include "libreplica/merge.h"

#include <errno.h>
#include <string.h>

#define TEXT_MAX ((size_t)17 << 20) /* more than any document may have */

/* Up to the end, or beyond TEXT_MAX.  0; -1: errno says why. */
static int read_all(FILE *file, struct replica__buf *ret_text)
{
    size_t n;

    errno = 0;
    do {
        char *room = replica__buf_reserve(ret_text, 65536);

        n = room ? fread(room, 1, 65536, file) : 0;
        ret_text->len += n;
    } while (n > 0 && ret_text->len <= TEXT_MAX);
    if (ret_text->data)
        ret_text->data[ret_text->len] = '\0';
    if (ret_text->r == REPLICA_ENOMEM)
        errno = ENOMEM;
    return ferror(file) || ret_text->r == REPLICA_ENOMEM ? -1 : 0;
}

int cli_text(const char *arg, struct replica__buf *ret_text, const char **ret_source)
{
    if (arg && strcmp(arg, "-") != 0) {
        replica__buf_str(ret_text, arg);
        *ret_source = "argument";
        return 0;
    }
    *ret_source = "standard input";
    if (read_all(stdin, ret_text) < 0) {
        cli_complain("standard input cannot be read");
        return CLI_STORAGE;
    }
    return 0; /* what is longer is refused by the store, which knows its limit */
}

int cli_file(const char *path, struct replica__buf *buf, const char **ret_text)
{
    bool is_stdin = path && strcmp(path, "-") == 0;
    FILE *file;
    int r;

    *ret_text = NULL;
    if (!path)
        return 0;
    file = is_stdin ? stdin : fopen(path, "rb");
    r = file ? read_all(file, buf) : -1;
    if (r < 0)
        cli_complain("%s: %s", is_stdin ? "standard input" : path, strerror(errno));
    else
        *ret_text = buf->data ? buf->data : "";
    if (file && !is_stdin)
        fclose(file);
    return r < 0 ? CLI_STORAGE : 0;
}

int cli_bad_rules(const replica_error *err)
{
    if (err->code == REPLICA_ELIMIT)
        cli_complain("--rules: %s", err->message);
    else if (err->code != REPLICA_EINVAL && err->code != REPLICA_EJSON)
        return cli_failed(err);
    else if (err->code == REPLICA_EJSON)
        cli_complain("--rules: byte %lld: %s", (long long)err->offset + 1, err->message);
    else
        cli_complain("--rules: '%s': %s", err->where, err->message);
    return CLI_USAGE;
}

/* A name by itself, which a shell has left without its quotes: put into them. */
static void quote_name(struct replica__buf *buf, const char *arg)
{
    size_t len = strcspn(arg, " \t\r\n");

    replica__buf_json_string(buf, arg, arg[len + strspn(arg + len, " \t\r\n")] ? strlen(arg) : len);
}

static int read_rules(const char *arg, struct replica__buf *buf, const char **ret_json)
{
    REPLICA_BUF file = REPLICA_BUF_INIT;
    int r = arg[0] == '@' ? cli_file(arg + 1, &file, &arg) : 0;

    if (r)
        return r;
    if ((arg[0] >= 'a' && arg[0] <= 'z') || (arg[0] >= 'A' && arg[0] <= 'Z'))
        quote_name(buf, arg);
    else
        replica__buf_str(buf, arg);
    *ret_json = buf->data ? buf->data : "";
    return buf->r < 0 ? CLI_STORAGE : 0;
}

int cli_rules(const char *arg, struct replica__buf *buf, const char **ret_json)
{
    replica_rules *rules = NULL;
    replica_error err = { 0 };
    int r;

    *ret_json = NULL;
    if (!arg)
        return 0;
    r = read_rules(arg, buf, ret_json);
    if (r == 0 && replica_rules_compile(*ret_json, REPLICA_NUL, &rules, &err) < 0)
        r = cli_bad_rules(&err);
    replica_rules_unref(rules);
    return r;
}
