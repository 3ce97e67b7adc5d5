#include "tools/cli/filter.h"

#include <ctype.h>
#include <string.h>

#define MOST 4096

/* As replica_sync_start() counts. */
static size_t escaped(const char *text)
{
    size_t n = 0;

    for (; *text; text++)
        n += isalnum((unsigned char)*text) || strchr("-._~", *text) ? 1 : 3;
    return n;
}

int cli_filter(const char *arg, struct replica__buf *buf, const char **ret_json)
{
    replica_error err = { 0 };
    const char *json = arg;
    int r = arg && arg[0] == '@' ? cli_file(arg + 1, buf, &json) : 0;

    *ret_json = NULL;
    if (r || !json)
        return r;
    r = replica_selector_check(json, REPLICA_NUL, &err);
    if (r == REPLICA_ENOMEM)
        return cli_failed(&err);
    if (r < 0)
        return err.where[0] ? cli_usage("--filter: '%s': %s", err.where, err.message)
                            : cli_usage("--filter: byte %lld: %s", (long long)err.offset + 1,
                                        err.message);
    if (escaped(json) > MOST)
        return cli_usage("--filter takes %zu bytes of a URL, more than %d", escaped(json), MOST);
    *ret_json = json;
    return 0;
}
