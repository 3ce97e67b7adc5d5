/* Who signs tokens (JWT), for tests: a key of librhonabwy's, its public half as files have it, and
 * what it signs.
 *
 *     SIGNER s = signer_open("RS256", "key-1");
 *     signer_token(s, "{\"sub\":\"anna\"}")
 *
 * Texts that are returned live until the end of the process. */
#ifndef TESTS_SUPPORT_SIGNER_H
#define TESTS_SUPPORT_SIGNER_H

#include <stddef.h>

struct signer;

/* A new key for RS256, ES256 or EdDSA, or this secret for HS256; kid: its name in sets and tokens,
 * or NULL. */
#define SIGNER_SECRET "a secret that is long enough for HS256"
struct signer *signer_open(const char *alg, const char *kid);
/* HS256 with this secret. */
struct signer *signer_of_secret(const char *secret, const char *kid);
/* As signer_private() has it. */
struct signer *signer_of_private(const char *jwk, const char *alg);
void signer_close(struct signer **s);
#define SIGNER __attribute__((cleanup(signer_close))) struct signer *

const char *signer_pem(const struct signer *s);     /* the public key; not of HS256 */
const char *signer_public(const struct signer *s);  /* as a JWK; of HS256 with the secret */
const char *signer_private(const struct signer *s); /* all of it, as a JWK */
/* A set (JWKS) of these items, which are JSON. */
const char *signer_set(const char *const *items, size_t n);

/* A token with these claims. */
const char *signer_token(const struct signer *s, const char *claims);
/* ... whose header has one member more, or another one: a string. */
const char *signer_token_with(const struct signer *s, const char *name, const char *value,
                              const char *claims);
/* Three texts as a token's parts; the third as it is. */
const char *signer_join(const char *header, const char *claims, const char *signature);

#endif
