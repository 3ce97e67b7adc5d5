/* The keys that signed tokens are checked with, and the check of a signature.
 *
 * A key is for one algorithm, which its own kind says and never the token: RSA is for RS256, P-256
 * for ES256, Ed25519 for EdDSA, a secret for HS256.  All else is no key here. */
#ifndef SERVER_JWT_KEYS_H
#define SERVER_JWT_KEYS_H

#include "base/buf.h"

#include <stdbool.h>

enum replica__jwt_alg {
    REPLICA__JWT_NONE,
    REPLICA__JWT_HS256,
    REPLICA__JWT_RS256,
    REPLICA__JWT_ES256,
    REPLICA__JWT_EDDSA
};

struct replica__jwt_key;

struct replica__jwt_keys {
    struct replica__jwt_key *first;
    size_t count;
};

/* What a file was found to be, for those who warn. */
struct replica__jwt_file {
    bool secret; /* there is a secret in it, which others must not read */
    bool weak;   /* ... that is shorter than HS256 wants it */
};

/* The text of a file with a public key (PEM), or a secret: then all of it, without the white space
 * around it.  Nothing that could be somebody's public key is taken for a secret.  path is for
 * messages, which show nothing of the text. */
int replica__jwt_keys_add(struct replica__jwt_keys *keys, const char *path,
                          const struct replica__buf *text, struct replica__jwt_file *ret_file,
                          replica_error *err);
/* ... with a set of keys (RFC 7517); those for other purposes are left out. */
int replica__jwt_keys_add_set(struct replica__jwt_keys *keys, const char *path,
                              const struct replica__buf *text, struct replica__jwt_file *ret_file,
                              replica_error *err);
void replica__jwt_keys_free(struct replica__jwt_keys *keys);

/* A token, cut at its dots. */
struct replica__jwt_parts {
    const char *token;        /* three parts, each canonical base64url */
    size_t len;
    size_t signed_len;        /* of the first two with their dot */
    const void *signature;    /* decoded */
    size_t signature_len;
    enum replica__jwt_alg alg;
    const char *kid;          /* NULL: not told */
};

/* 1: one of the keys signed it.  0, and why none did, in words that can be shown.
 * REPLICA_ENOMEM. */
int replica__jwt_keys_check(const struct replica__jwt_keys *keys,
                            const struct replica__jwt_parts *parts, const char **ret_why);

#endif
