/* Who may ask, and who it is: bearer tokens that a file lists, and signed ones (JWT). */
#ifndef SERVER_AUTH_H
#define SERVER_AUTH_H

#include "tools/server/service.h"

struct replica__auth;

struct replica__auth_options {
    const char *token_file; /* tokens.h says what it has; NULL: none */
    const char *jwt_key;    /* one key for signed tokens, and a set of them: jwt_keys.h says what */
    const char *jwks;       /* they have; NULL: none */
    const char *jwt_issuer; /* signed tokens are of this issuer, and for this audience; NULL: of */
    const char *jwt_audience; /* any.  Both are borrowed, and outlive the answer */
    const struct replica__world *world; /* whose time it is; NULL: the real one */
    /* A file is not as it should be: that others may read it, say.  NULL: nobody listens. */
    void (*warn)(void *ctx, const char *message);
    void *ctx;
};

/* Messages and warnings show nothing of what is in the files. */
int replica__auth_open(const struct replica__auth_options *options,
                       struct replica__auth **ret_auth, replica_error *err);
/* All who asked have been left. */
void replica__auth_close(struct replica__auth *auth); /* NULL is fine */

/* Who has the token of this Authorization header (NULL: there is none)?  1 and who, to be left when
 * the request and what came of it has ended; 0 and why we let it not in, in words that can be
 * shown; REPLICA_ENOMEM. */
int replica__auth_ask(struct replica__auth *auth, const char *header,
                      const struct replica__who **ret_who, const char **ret_why);
void replica__auth_leave(const struct replica__who *who); /* NULL is fine */

#endif
