#include "tools/cli/filter.h"

#include <string.h>

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
    *ret_json = json;
    return 0;
}
