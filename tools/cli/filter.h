/* Selectors as arguments. */
#ifndef CLI_FILTER_H
#define CLI_FILTER_H

#include "tools/cli/cli.h"

#define CLI_OPTION_FILTER(to) \
    { "filter", CLI_TEXT, false, to, "JSON|@FILE", "only documents that this selector matches" }

/* JSON, or @FILE with it.  NULL: none, and *ret_json is NULL.  It lives as long as buf.  0, or an
 * exit code: what is no selector is a mistake of the caller's. */
int cli_filter(const char *arg, struct replica__buf *buf, const char **ret_json);

#endif
