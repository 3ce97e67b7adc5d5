/* What a request had in it that no message may show: a server may send it back. */
#ifndef REPLICATOR_HTTP_SECRET_H
#define REPLICATOR_HTTP_SECRET_H

#include "base/buf.h"

struct replica__http_secrets {
    struct replica__buf texts; /* each with a NUL */
};

/* From the lines of a request's head (NULL at the end; or NULL) and its URL: tokens, values of the
 * program's own headers, and the URL's password, also as it was sent. */
void replica__http_secrets_find(char *const *lines, const char *url,
                                struct replica__http_secrets *ret);
void replica__http_secrets_free(struct replica__http_secrets *secrets);

/* The length of the longest one that text begins with; 0: none. */
size_t replica__http_secret_at(const struct replica__http_secrets *secrets, const char *text,
                               size_t len);

#endif
