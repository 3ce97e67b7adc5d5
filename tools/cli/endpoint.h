/* An endpoint's URL as RxDB has it: http://host:port/{collection}/{schema version}. */
#ifndef TOOLS_CLI_ENDPOINT_H
#define TOOLS_CLI_ENDPOINT_H

#include "base/buf.h"
#include "replicator/replicator.h"

#include <stdbool.h>

struct endpoint {
    char *url;        /* without a slash at the end */
    char *collection;
    int version;
};

/* 0, or an exit code; the complaint is made.  Stars are written over a password in url itself,
 * which may be an argument: the list of processes shows those. */
int endpoint_parse(const char *url, struct endpoint *ret_endpoint);
void endpoint_free(struct endpoint *endpoint);

/* Was nothing at all heard of it, and the attempt to has failed? */
bool endpoint_is_unreached(const replica_sync_status *status);

/* Append a URL as messages show it: without a user and a password. */
void endpoint_show(const char *url, struct replica__buf *out);

#endif
