/* URLs of endpoints, as far as the HTTP remote must understand them itself; curl does the rest. */
#ifndef REPLICATOR_HTTP_URL_H
#define REPLICATOR_HTTP_URL_H

#include "base/buf.h"

#include <stdbool.h>

/* An endpoint as RxDB has it: {base}/{collection}/{version}. */
struct replica__http_url {
    char *base;    /* "https://user:secret@host:8443/prefix" */
    char *name;    /* of the collection, as the server calls it */
    int version;
    bool loopback; /* what is sent does not leave this machine */
};

/* REPLICA_EINVAL, worded without secrets: not http or https, no host, a query or fragment, or not
 * two segments of which the last is a number. */
int replica__http_url_parse(const char *text, struct replica__http_url *ret, replica_error *err);
void replica__http_url_free(struct replica__http_url *url);

/* The same scheme, host and port, and no credentials in `to`: what was meant for one may be sent to
 * the other. */
bool replica__http_url_same_origin(const char *from, const char *to);

/* Append the URL as errors show it: without user, password and query. */
void replica__http_url_show(const char *url, struct replica__buf *out);

#endif
