/* Keys are read by librhonabwy, which also checks the signatures of public ones.  What stands in a
 * token's header beside its algorithm and its key's name is nobody's business here: no key comes
 * from there, and nothing is fetched.
 *
 * Secrets are ours alone, with GnuTLS below: librhonabwy compares with strcmp(), which takes
 * longer the more of a signature is right. */
#include "tools/server/jwt_keys.h"

#include "base/alloc.h"
#include "base/error.h"
#include "base/json.h"
#include "tools/server/base64url.h"

#include <gnutls/crypto.h>
#include <rhonabwy.h>
#include <string.h>

enum {
    KEYS_MAX = 64,
    TRIES_MAX = 4,       /* signatures checked for one token that does not name its key */
    RSA_MIN_BITS = 2048, /* RFC 7518, 3.3 */
    SECRET_BYTES = 32,   /* ... and 3.2 */
    MAC_BYTES = 32
};

struct replica__jwt_key {
    struct replica__jwt_key *next;
    enum replica__jwt_alg alg;
    char *kid;                 /* NULL: fits every token's */
    jwk_t *jwk;                /* of a public key */
    struct replica__buf secret;
};

static void free_key(struct replica__jwt_key *key)
{
    if (!key)
        return;
    if (key->secret.data)
        explicit_bzero(key->secret.data, key->secret.len);
    replica__buf_free(&key->secret);
    r_jwk_free(key->jwk);
    replica__free(key->kid);
    replica__free(key);
}

static void free_key_ptr(struct replica__jwt_key **key)
{
    free_key(*key);
}
#define KEY __attribute__((cleanup(free_key_ptr))) struct replica__jwt_key *

void replica__jwt_keys_free(struct replica__jwt_keys *keys)
{
    while (keys->first) {
        struct replica__jwt_key *key = keys->first;

        keys->first = key->next;
        free_key(key);
    }
    keys->count = 0;
}

/* ---- one key --------------------------------------------------------------------- */

static int add_key(struct replica__jwt_keys *keys, const char *path, struct replica__jwt_key **key,
                   replica_error *err)
{
    struct replica__jwt_key **at = &keys->first;

    if (keys->count == KEYS_MAX)
        return replica__error_set(err, REPLICA_ELIMIT, 0, "%s: more than %d keys", path, KEYS_MAX);
    while (*at)
        at = &(*at)->next;
    *at = *key;
    *key = NULL;
    keys->count++;
    return 0;
}

static bool property_is(jwk_t *jwk, const char *name, const char *value)
{
    const char *is = r_jwk_get_property_str(jwk, name);

    return is && strcmp(is, value) == 0;
}

/* What it is good for; NONE: nothing that we do. */
static enum replica__jwt_alg alg_of(jwk_t *jwk)
{
    if (property_is(jwk, "kty", "RSA"))
        return REPLICA__JWT_RS256;
    if (property_is(jwk, "kty", "EC") && property_is(jwk, "crv", "P-256"))
        return REPLICA__JWT_ES256;
    if (property_is(jwk, "kty", "OKP") && property_is(jwk, "crv", "Ed25519"))
        return REPLICA__JWT_EDDSA;
    return REPLICA__JWT_NONE;
}

/* NULL: it is a public key that can be used; else what is wrong. */
static const char *look_at_key(jwk_t *jwk)
{
    unsigned bits = 0;
    int type = r_jwk_key_type(jwk, &bits, R_FLAG_IGNORE_REMOTE);

    if (type & R_KEY_TYPE_PRIVATE)
        return "a private key: the public one belongs here";
    if (!(type & R_KEY_TYPE_PUBLIC))
        return "no public key";
    if ((type & R_KEY_TYPE_RSA) && bits < RSA_MIN_BITS)
        return "an RSA key of less than 2048 bits";
    return NULL;
}

/* ---- a file with one key --------------------------------------------------------- */

/* What stands behind a byte 0 is not seen: it makes a file that is neither key nor secret. */
static bool has(const struct replica__buf *text, const char *what)
{
    return strstr(text->data, what) != NULL;
}

static int add_pem(struct replica__jwt_keys *keys, const char *path,
                   const struct replica__buf *text, replica_error *err)
{
    int type = has(text, "-----BEGIN CERTIFICATE") ? R_X509_TYPE_CERTIFICATE : R_X509_TYPE_PUBKEY;
    KEY key = replica__alloc_zero(1, sizeof(*key));
    const char *wrong;

    if (!key || r_jwk_init(&key->jwk) != RHN_OK)
        return replica__enomem(err);
    if (has(text, "PRIVATE KEY-----"))
        return replica__error_set(err, REPLICA_EINVAL, 0,
                                  "%s is a private key: the public one belongs here", path);
    if (r_jwk_import_from_pem_der(key->jwk, type, R_FORMAT_PEM, (const unsigned char *)text->data,
                                  text->len) != RHN_OK)
        return replica__error_set(err, REPLICA_EINVAL, 0, "%s is no public key", path);
    wrong = look_at_key(key->jwk);
    if (wrong)
        return replica__error_set(err, REPLICA_EINVAL, 0, "%s is %s", path, wrong);
    key->alg = alg_of(key->jwk);
    if (key->alg == REPLICA__JWT_NONE)
        return replica__error_set(err, REPLICA_EINVAL, 0,
                                  "%s is a key of another kind than RSA, P-256 and Ed25519", path);
    return add_key(keys, path, &key, err);
}

static void trim(const struct replica__buf *text, struct replica__slice *ret)
{
    *ret = (struct replica__slice){ text->data ? text->data : "", text->len };
    while (ret->len > 0 && strchr(" \t\r\n", ret->data[ret->len - 1]))
        ret->len--;
    while (ret->len > 0 && strchr(" \t\r\n", *ret->data)) {
        ret->data++;
        ret->len--;
    }
}

/* A secret that is everybody's would let everybody sign. */
static const char *look_at_secret(struct replica__slice text)
{
    static const char *const public_keys[] = { "ssh-", "ecdsa-", "sk-", "---- BEGIN" };

    if (text.len == 0)
        return "has no key";
    if (*text.data == '{')
        return "looks like JSON: a set of keys (JWKS) is given another way";
    for (size_t i = 0; i < sizeof(public_keys) / sizeof(public_keys[0]); i++) {
        size_t len = strlen(public_keys[i]);

        if (text.len >= len && memcmp(text.data, public_keys[i], len) == 0)
            return "looks like a public key, but not in PEM";
    }
    for (size_t i = 0; i < text.len; i++) {
        if ((unsigned char)text.data[i] < ' ' || text.data[i] == 0x7F)
            return "is neither a PEM public key nor the text of a secret";
    }
    return NULL;
}

static int add_secret(struct replica__jwt_keys *keys, const char *path,
                      struct replica__slice text, struct replica__jwt_file *file,
                      replica_error *err)
{
    KEY key = replica__alloc_zero(1, sizeof(*key));

    if (!key)
        return replica__enomem(err);
    key->alg = REPLICA__JWT_HS256;
    replica__buf_add(&key->secret, text.data, text.len);
    if (key->secret.r < 0)
        return replica__enomem(err);
    file->secret = true;
    file->weak = text.len < SECRET_BYTES;
    return add_key(keys, path, &key, err);
}

int replica__jwt_keys_add(struct replica__jwt_keys *keys, const char *path,
                          const struct replica__buf *text, struct replica__jwt_file *ret_file,
                          replica_error *err)
{
    struct replica__jwt_file file = { 0 };
    struct replica__slice secret;
    const char *wrong;
    int r;

    trim(text, &secret);
    if (secret.len > 0 && has(text, "-----BEGIN ")) {
        r = add_pem(keys, path, text, err);
    } else {
        wrong = look_at_secret(secret);
        if (wrong)
            return replica__error_set(err, REPLICA_EINVAL, 0, "%s %s", path, wrong);
        r = add_secret(keys, path, secret, &file, err);
    }
    if (r == 0)
        *ret_file = file;
    return r;
}

/* ---- a set of keys --------------------------------------------------------------- */

static bool string_is(struct replica__json_value v, const char *text)
{
    return v.type == REPLICA_JSON_STRING &&
           replica__json_string_is((struct replica__slice){ v.text.data + 1, v.text.len - 2 },
                                   text, REPLICA_NUL);
}

static bool is_or_missing(struct replica__json_value item, const char *name, const char *text)
{
    struct replica__json_value v = replica__json_member(item, name, REPLICA_NUL);

    return v.type == REPLICA_JSON_NONE || string_is(v, text);
}

/* Is it said to be for another purpose than this? */
static bool is_for(struct replica__json_value item, const char *alg)
{
    struct replica__json_value ops = replica__json_member(item, "key_ops", REPLICA_NUL);
    struct replica__json_iter it = replica__json_iter(ops);
    bool verifies = ops.type != REPLICA_JSON_ARRAY;

    while (ops.type == REPLICA_JSON_ARRAY && replica__json_next(&it))
        verifies |= string_is(it.value, "verify");
    return verifies && is_or_missing(item, "use", "sig") && is_or_missing(item, "alg", alg);
}

static enum replica__jwt_alg alg_of_item(struct replica__json_value item)
{
    struct replica__json_value kty = replica__json_member(item, "kty", REPLICA_NUL);
    struct replica__json_value crv = replica__json_member(item, "crv", REPLICA_NUL);

    if (string_is(kty, "oct") && is_for(item, "HS256"))
        return REPLICA__JWT_HS256;
    if (string_is(kty, "RSA") && is_for(item, "RS256"))
        return REPLICA__JWT_RS256;
    if (string_is(kty, "EC") && string_is(crv, "P-256") && is_for(item, "ES256"))
        return REPLICA__JWT_ES256;
    if (string_is(kty, "OKP") && string_is(crv, "Ed25519") && is_for(item, "EdDSA"))
        return REPLICA__JWT_EDDSA;
    return REPLICA__JWT_NONE;
}

/* 0: key has what the item says; or *ret_wrong says why it has not.  REPLICA_ENOMEM. */
static int fill_secret(struct replica__jwt_key *key, struct replica__json_value item,
                       struct replica__jwt_file *file, const char **ret_wrong)
{
    struct replica__json_value k = replica__json_member(item, "k", REPLICA_NUL);

    if (k.type != REPLICA_JSON_STRING ||
        !replica__base64url_decode(k.text.data + 1, k.text.len - 2, &key->secret) ||
        key->secret.len == 0)
        *ret_wrong = "no secret";
    file->secret = true;
    file->weak |= key->secret.len < SECRET_BYTES;
    return key->secret.r;
}

static int fill_public(struct replica__jwt_key *key, struct replica__json_value item,
                       const char **ret_wrong)
{
    REPLICA_FREE char *text = replica__strndup(item.text.data, item.text.len);

    if (!text || r_jwk_init(&key->jwk) != RHN_OK)
        return REPLICA_ENOMEM;
    if (r_jwk_import_from_json_str(key->jwk, text) != RHN_OK)
        *ret_wrong = "no public key";
    else
        *ret_wrong = look_at_key(key->jwk);
    explicit_bzero(text, item.text.len);
    return 0;
}

static int add_item(struct replica__jwt_keys *keys, const char *path, size_t number,
                    struct replica__json_value item, struct replica__jwt_file *file,
                    replica_error *err)
{
    struct replica__json_value kid = replica__json_member(item, "kid", REPLICA_NUL);
    REPLICA_BUF name = REPLICA_BUF_INIT;
    KEY key = replica__alloc_zero(1, sizeof(*key));
    const char *wrong = NULL;
    int r;

    if (!key)
        return replica__enomem(err);
    if (item.type != REPLICA_JSON_OBJECT)
        return replica__error_set(err, REPLICA_EINVAL, 0, "%s, key %zu: no object", path, number);
    key->alg = alg_of_item(item);
    if (key->alg == REPLICA__JWT_NONE)
        return 0;
    r = key->alg == REPLICA__JWT_HS256 ? fill_secret(key, item, file, &wrong)
                                       : fill_public(key, item, &wrong);
    if (r < 0)
        return replica__enomem(err);
    if (wrong)
        return replica__error_set(err, REPLICA_EINVAL, 0, "%s, key %zu: %s", path, number, wrong);
    if (kid.type == REPLICA_JSON_STRING) {
        replica__json_unescape((struct replica__slice){ kid.text.data + 1, kid.text.len - 2 },
                               &name);
        replica__buf_char(&name, '\0');
        key->kid = replica__buf_take(&name, NULL);
        if (!key->kid)
            return replica__enomem(err);
    }
    return add_key(keys, path, &key, err);
}

int replica__jwt_keys_add_set(struct replica__jwt_keys *keys, const char *path,
                              const struct replica__buf *text, struct replica__jwt_file *ret_file,
                              replica_error *err)
{
    struct replica__jwt_file file = { 0 };
    struct replica__json_value items = { 0 };
    struct replica__json_iter it;
    size_t before = keys->count;
    int r = text->len > 0 ? replica__json_check(text->data, text->len, NULL, NULL)
                          : REPLICA_EJSON;

    if (r == REPLICA_ENOMEM)
        return replica__enomem(err);
    if (r == 0)
        items = replica__json_member(replica__json_value(text->data, text->len), "keys",
                                     REPLICA_NUL);
    if (items.type != REPLICA_JSON_ARRAY)
        return replica__error_set(err, REPLICA_EINVAL, 0,
                                  "%s is no set of keys: JSON with an array \"keys\"", path);
    it = replica__json_iter(items);
    for (size_t number = 1; r == 0 && replica__json_next(&it); number++)
        r = add_item(keys, path, number, it.value, &file, err);
    if (r == 0 && keys->count == before)
        r = replica__error_set(err, REPLICA_EINVAL, 0,
                               "%s has no key for HS256, RS256, ES256 or EdDSA", path);
    if (r == 0)
        *ret_file = file;
    return r;
}

/* ---- signatures ------------------------------------------------------------------ */

static bool is_size_of(enum replica__jwt_alg alg, size_t len)
{
    switch (alg) {
    case REPLICA__JWT_HS256: return len == MAC_BYTES;
    case REPLICA__JWT_RS256: return len >= RSA_MIN_BITS / 8;
    case REPLICA__JWT_ES256: return len == 64;
    case REPLICA__JWT_EDDSA: return len == 64;
    case REPLICA__JWT_NONE: break;
    }
    return false;
}

static int mac_fits(const struct replica__jwt_key *key, const struct replica__jwt_parts *parts)
{
    unsigned char mac[MAC_BYTES];

    if (gnutls_hmac_fast(GNUTLS_MAC_SHA256, key->secret.data, key->secret.len, parts->token,
                         parts->signed_len, mac) != 0)
        return REPLICA_ENOMEM;
    return gnutls_memcmp(mac, parts->signature, sizeof(mac)) == 0;
}

static void free_jws(jws_t **jws)
{
    r_jws_free(*jws);
}

static int signature_fits(const struct replica__jwt_key *key,
                          const struct replica__jwt_parts *parts)
{
    __attribute__((cleanup(free_jws))) jws_t *jws = NULL;

    if (r_jws_init(&jws) != RHN_OK)
        return REPLICA_ENOMEM;
    return r_jws_advanced_compact_parsen(jws, parts->token, parts->len, R_PARSE_NONE,
                                         R_FLAG_IGNORE_REMOTE) == RHN_OK &&
           r_jws_verify_signature(jws, key->jwk, R_FLAG_IGNORE_REMOTE) == RHN_OK;
}

int replica__jwt_keys_check(const struct replica__jwt_keys *keys,
                            const struct replica__jwt_parts *parts, const char **ret_why)
{
    const char *why = "no key here is for the algorithm of the token";
    int tries = 0;
    int r = 0;

    for (const struct replica__jwt_key *k = keys->first; r == 0 && k && tries < TRIES_MAX;
         k = k->next) {
        if (k->alg != parts->alg)
            continue;
        if (k->kid && parts->kid && strcmp(k->kid, parts->kid) != 0) {
            why = tries ? why : "the key of the token (kid) is not known here";
            continue;
        }
        tries++;
        why = "the signature of the token is wrong";
        if (is_size_of(k->alg, parts->signature_len))
            r = k->alg == REPLICA__JWT_HS256 ? mac_fits(k, parts) : signature_fits(k, parts);
    }
    if (r == 0)
        *ret_why = why;
    return r;
}
