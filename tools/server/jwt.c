/* A token is taken apart here, strictly: what is given to librhonabwy has passed our gate, and a
 * text that could be written another way is refused.
 *
 * Signatures cost, and a client sends the same token again and again: who passed is remembered, in
 * a table of fixed size, under the SHA-256 of the token.  Only what was signed gets there, so that
 * nobody without a token can crowd it. */
#include "tools/server/jwt.h"

#include "base/alloc.h"
#include "base/error.h"
#include "base/json.h"
#include "tools/server/base64url.h"

#include <gnutls/crypto.h>
#include <rhonabwy.h>
#include <string.h>

enum {
    TOKEN_MAX = 6144, /* a head is 8 KB at most, and other lines want room */
    DIGEST_BYTES = 32,
    SETS = 256, /* of the table, a power of two; with */
    WAYS = 4    /* places each */
};

struct place {
    unsigned char digest[DIGEST_BYTES];
    struct replica__pass *pass; /* NULL: free */
    uint64_t used;
};

struct replica__jwt {
    struct replica__jwt_keys keys;
    const char *issuer, *audience; /* NULL: any */
    uint64_t asked;
    struct place places[SETS][WAYS];
};

int replica__jwt_open(struct replica__jwt **ret_jwt, replica_error *err)
{
    struct replica__jwt *jwt = replica__alloc_zero(1, sizeof(*jwt));

    if (!jwt || r_global_init() != RHN_OK) {
        replica__free(jwt);
        return replica__enomem(err);
    }
    *ret_jwt = jwt;
    return 0;
}

void replica__jwt_close(struct replica__jwt *jwt)
{
    if (!jwt)
        return;
    for (size_t i = 0; i < SETS * WAYS; i++)
        replica__pass_unref(jwt->places[i / WAYS][i % WAYS].pass);
    replica__jwt_keys_free(&jwt->keys);
    r_global_close();
    replica__free(jwt);
}

struct replica__jwt_keys *replica__jwt_keys(struct replica__jwt *jwt)
{
    return &jwt->keys;
}

void replica__jwt_expect(struct replica__jwt *jwt, const char *issuer, const char *audience)
{
    jwt->issuer = issuer;
    jwt->audience = audience;
}

/* ---- the table ------------------------------------------------------------------- */

/* The place of this token, or the one of its set that was not used for longest. */
static struct place *find_place(struct replica__jwt *jwt, const unsigned char *digest)
{
    struct place *set = jwt->places[digest[0] % SETS];
    struct place *oldest = set;

    for (size_t i = 0; i < WAYS; i++) {
        if (set[i].pass && memcmp(set[i].digest, digest, DIGEST_BYTES) == 0)
            return &set[i];
        if (!set[i].pass || (oldest->pass && set[i].used < oldest->used))
            oldest = &set[i];
    }
    return oldest;
}

static bool holds(const struct place *place, const unsigned char *digest)
{
    return place->pass && memcmp(place->digest, digest, DIGEST_BYTES) == 0;
}

/* ---- the parts of a token -------------------------------------------------------- */

/* Header, claims and signature, decoded. */
struct decoded {
    struct replica__buf header, claims, signature;
};

static void free_decoded(struct decoded *d)
{
    replica__buf_free(&d->header);
    replica__buf_free(&d->claims);
    replica__buf_free(&d->signature);
}

/* 1; 0: that is no signed token; REPLICA_ENOMEM. */
static int cut(struct replica__jwt_parts *parts, struct decoded *d)
{
    const char *end = parts->token + parts->len;
    const char *one = memchr(parts->token, '.', parts->len);
    const char *two = one ? memchr(one + 1, '.', (size_t)(end - one - 1)) : NULL;
    bool fine;
    int r;

    if (!two)
        return 0;
    fine = replica__base64url_decode(parts->token, (size_t)(one - parts->token), &d->header) &&
           replica__base64url_decode(one + 1, (size_t)(two - one - 1), &d->claims) &&
           replica__base64url_decode(two + 1, (size_t)(end - two - 1), &d->signature);
    if (d->header.r < 0 || d->claims.r < 0 || d->signature.r < 0)
        return REPLICA_ENOMEM;
    if (!fine || d->header.len == 0)
        return 0;
    r = replica__json_check(d->header.data, d->header.len, NULL, NULL);
    if (r < 0 || replica__json_value(d->header.data, d->header.len).type != REPLICA_JSON_OBJECT)
        return r == REPLICA_ENOMEM ? r : 0;
    parts->signed_len = (size_t)(two - parts->token);
    parts->signature = d->signature.data;
    parts->signature_len = d->signature.len;
    return 1;
}

static struct replica__slice inside(struct replica__json_value string)
{
    return (struct replica__slice){ string.text.data + 1, string.text.len - 2 };
}

static enum replica__jwt_alg read_alg(struct replica__json_value header)
{
    static const char *const names[] = { [REPLICA__JWT_HS256] = "HS256",
                                         [REPLICA__JWT_RS256] = "RS256",
                                         [REPLICA__JWT_ES256] = "ES256",
                                         [REPLICA__JWT_EDDSA] = "EdDSA" };
    struct replica__json_value v = replica__json_member(header, "alg", REPLICA_NUL);

    for (int i = REPLICA__JWT_HS256; v.type == REPLICA_JSON_STRING && i <= REPLICA__JWT_EDDSA; i++)
        if (replica__json_string_is(inside(v), names[i], REPLICA_NUL))
            return (enum replica__jwt_alg)i;
    return REPLICA__JWT_NONE;
}

/* NULL: parts has algorithm and key; kid owns its text.  Else why not. */
static const char *read_header(const struct decoded *d, struct replica__jwt_parts *parts,
                               struct replica__buf *kid)
{
    static const char *const asks[] = { "crit", "zip", "b64" };
    struct replica__json_value header = replica__json_value(d->header.data, d->header.len);
    struct replica__json_value v = replica__json_member(header, "kid", REPLICA_NUL);

    for (size_t i = 0; i < sizeof(asks) / sizeof(asks[0]); i++)
        if (replica__json_member(header, asks[i], REPLICA_NUL).type != REPLICA_JSON_NONE)
            return "the header of the token asks for what is not supported here";
    parts->alg = read_alg(header);
    if (parts->alg == REPLICA__JWT_NONE)
        return "the algorithm of the token is none of HS256, RS256, ES256 and EdDSA";
    if (v.type == REPLICA_JSON_NONE)
        return NULL;
    if (v.type != REPLICA_JSON_STRING)
        return "the key of the token (kid) is no string";
    replica__json_unescape(inside(v), kid);
    replica__buf_char(kid, '\0');
    parts->kid = kid->data;
    return NULL;
}

/* ---- for whom a token is ----------------------------------------------------------- */

static bool is_text(struct replica__json_value v, const char *text)
{
    return v.type == REPLICA_JSON_STRING && replica__json_string_is(inside(v), text, REPLICA_NUL);
}

/* One audience, or a list of them. */
static bool names(struct replica__json_value aud, const char *audience)
{
    struct replica__json_iter it = replica__json_iter(aud);
    bool found = is_text(aud, audience);

    while (!found && aud.type == REPLICA_JSON_ARRAY && replica__json_next(&it))
        found = is_text(it.value, audience);
    return found;
}

/* NULL: it is for us; else why not. */
static const char *not_for_us(const struct replica__jwt *jwt, const struct replica__pass *pass)
{
    struct replica__json_value claims =
        replica__json_value(pass->who.claims, pass->who.claims_len);
    struct replica__json_value iss = replica__json_member(claims, "iss", REPLICA_NUL);
    struct replica__json_value aud = replica__json_member(claims, "aud", REPLICA_NUL);

    if (jwt->issuer && iss.type == REPLICA_JSON_NONE)
        return "the token does not say who issued it (iss)";
    if (jwt->issuer && !is_text(iss, jwt->issuer))
        return "the token is of another issuer (iss)";
    if (jwt->audience && aud.type == REPLICA_JSON_NONE)
        return "the token does not say whom it is for (aud)";
    if (jwt->audience && !names(aud, jwt->audience))
        return "the token is for another audience (aud)";
    return NULL;
}

/* ---- asking ---------------------------------------------------------------------- */

static int check(struct replica__jwt *jwt, const char *token, size_t len,
                 struct replica__pass **ret_pass, const char **ret_why)
{
    __attribute__((cleanup(free_decoded))) struct decoded d = { 0 };
    struct replica__jwt_parts parts = { .token = token, .len = len };
    REPLICA_BUF kid = REPLICA_BUF_INIT;
    struct replica__pass *pass = NULL;
    const char *why;
    int r = cut(&parts, &d);

    if (r <= 0)
        return r;
    why = read_header(&d, &parts, &kid);
    if (why) {
        *ret_why = why;
        return 0;
    }
    if (kid.r < 0)
        return kid.r;
    r = replica__jwt_keys_check(&jwt->keys, &parts, ret_why);
    if (r <= 0)
        return r;
    r = replica__pass_new(d.claims.data ? d.claims.data : "", d.claims.len, &pass, NULL);
    if (r == REPLICA_EJSON) {
        *ret_why = "the claims of the token are no JSON object, or its times no numbers";
        return 0;
    }
    if (r < 0)
        return r;
    why = not_for_us(jwt, pass);
    if (why) {
        replica__pass_unref(pass);
        *ret_why = why;
        return 0;
    }
    *ret_pass = pass;
    return 1;
}

int replica__jwt_find(struct replica__jwt *jwt, const char *token, size_t len,
                      struct replica__pass **ret_pass, const char **ret_why)
{
    unsigned char digest[DIGEST_BYTES];
    struct replica__pass *pass = NULL;
    struct place *place;
    int r;

    if (len > TOKEN_MAX) {
        *ret_why = "the token is too long";
        return 0;
    }
    if (gnutls_hash_fast(GNUTLS_DIG_SHA256, token, len, digest) != 0)
        return REPLICA_ENOMEM;
    place = find_place(jwt, digest);
    if (!holds(place, digest)) {
        r = check(jwt, token, len, &pass, ret_why);
        if (r <= 0)
            return r;
        replica__pass_unref(place->pass);
        place->pass = pass;
        memcpy(place->digest, digest, DIGEST_BYTES);
    }
    place->used = ++jwt->asked;
    *ret_pass = place->pass;
    return 1;
}
