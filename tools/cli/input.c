/* Texts from arguments, files and standard input, within a ceiling. */
#include "tools/cli/cli.h"

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

int cli_rules(const char *arg, struct replica__buf *buf, const char **ret_json)
{
    if (arg && arg[0] == '@')
        return cli_file(arg + 1, buf, ret_json);
    *ret_json = arg;
    if (!arg || !((arg[0] >= 'a' && arg[0] <= 'z') || (arg[0] >= 'A' && arg[0] <= 'Z')))
        return 0;
    replica__buf_json_string(buf, arg, strlen(arg));
    *ret_json = buf->r < 0 ? NULL : buf->data;
    return buf->r < 0 ? CLI_STORAGE : 0;
}
