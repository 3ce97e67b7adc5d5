/* Texts from arguments and standard input, within a ceiling. */
#include "tools/cli/cli.h"

#include <string.h>

#define TEXT_MAX ((size_t)17 << 20) /* more than any document may have */

int cli_text(const char *arg, struct replica__buf *ret_text, const char **ret_source)
{
    size_t n;

    if (arg && strcmp(arg, "-") != 0) {
        replica__buf_str(ret_text, arg);
        *ret_source = "argument";
        return 0;
    }
    *ret_source = "standard input";
    do {
        char *room = replica__buf_reserve(ret_text, 65536);

        n = room ? fread(room, 1, 65536, stdin) : 0;
        ret_text->len += n;
    } while (n > 0 && ret_text->len <= TEXT_MAX);
    if (ferror(stdin) || ret_text->r == REPLICA_ENOMEM) {
        cli_complain("standard input cannot be read");
        return CLI_STORAGE;
    }
    return 0; /* what is longer is refused by the store, which knows its limit */
}
