/* Patterns of keys: `--keys`. */
#ifndef CLI_KEYS_H
#define CLI_KEYS_H

#include "tools/cli/cli.h"

#define CLI_OPTION_KEYS(to) \
    { "keys", CLI_TEXT, false, to, "PATTERN", "only keys like this: /client/*/volume, /client/**" }

/* 0; or an exit code, and what is wrong was said. */
int cli_check_keys(const char *pattern);
/* The query, which the library has found good, about the keys of a pattern only. */
void cli_query_of_keys(const char *query, size_t len, const char *key, const char *pattern,
                       struct replica__buf *out);

#endif
