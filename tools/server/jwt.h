/* Signed tokens (JWT): JWS in compact form, with keys that the server was given. */
#ifndef SERVER_JWT_H
#define SERVER_JWT_H

#include "tools/server/jwt_keys.h"
#include "tools/server/pass.h"

struct replica__jwt;

/* Without keys, which are added to *replica__jwt_keys() before anybody asks. */
int replica__jwt_open(struct replica__jwt **ret_jwt, replica_error *err);
void replica__jwt_close(struct replica__jwt *jwt); /* NULL is fine */
struct replica__jwt_keys *replica__jwt_keys(struct replica__jwt *jwt);
/* Tokens must be of this issuer, and for this audience: byte for byte.  Each may be NULL: it is not
 * looked at.  Borrowed, and said before anybody asks. */
void replica__jwt_expect(struct replica__jwt *jwt, const char *issuer, const char *audience);

/* 1 and the pass of this token (borrowed, until the next question), whose times have not been
 * looked at.  0 and why there is none, in words that can be shown; left alone: it is no signed
 * token at all.  REPLICA_ENOMEM. */
int replica__jwt_find(struct replica__jwt *jwt, const char *token, size_t len,
                      struct replica__pass **ret_pass, const char **ret_why);

#endif
