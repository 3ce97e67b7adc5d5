#include "tests/support/signer.h"

#include "tests/support/test.h"

#include <rhonabwy.h>
#include <stdio.h>
#include <stdlib.h>

struct signer {
    jwa_alg alg;
    jwk_t *private_key, *public_key;
    const char *kid;
};

/* What the process keeps until it ends, where a leak is looked for. */
static const char *keep(char *text)
{
    static struct kept {
        struct kept *next;
        char *text;
    } *first;
    struct kept *k = calloc(1, sizeof(*k));

    CHECK(k && text);
    k->text = text;
    k->next = first;
    first = k;
    return text;
}

static struct signer *new_signer(jwa_alg alg)
{
    struct signer *s = calloc(1, sizeof(*s));

    CHECK(s != NULL);
    s->alg = alg;
    CHECK_INT(r_jwk_init(&s->private_key), RHN_OK);
    CHECK_INT(r_jwk_init(&s->public_key), RHN_OK);
    return s;
}

/* With this name, and no other that the library may have given it. */
static void name_key(jwk_t *key, const char *kid)
{
    if (kid)
        CHECK_INT(r_jwk_set_property_str(key, "kid", kid), RHN_OK);
    else
        r_jwk_delete_property_str(key, "kid");
}

struct signer *signer_open(const char *alg, const char *kid)
{
    struct signer *s;
    bool is_rsa = strcmp(alg, "RS256") == 0;
    int type = is_rsa                         ? R_KEY_TYPE_RSA
               : strcmp(alg, "ES256") == 0 ? R_KEY_TYPE_EC
                                              : R_KEY_TYPE_EDDSA;

    if (strcmp(alg, "HS256") == 0)
        return signer_of_secret(SIGNER_SECRET, kid);
    s = new_signer(r_str_to_jwa_alg(alg));
    CHECK_INT(r_jwk_generate_key_pair(s->private_key, s->public_key, type, is_rsa ? 2048 : 256,
                                      kid), RHN_OK);
    s->kid = kid;
    name_key(s->private_key, kid);
    name_key(s->public_key, kid);
    return s;
}

struct signer *signer_of_secret(const char *secret, const char *kid)
{
    struct signer *s = new_signer(R_JWA_ALG_HS256);

    CHECK_INT(r_jwk_import_from_symmetric_key(s->private_key, (const unsigned char *)secret,
                                              strlen(secret)), RHN_OK);
    CHECK_INT(r_jwk_import_from_symmetric_key(s->public_key, (const unsigned char *)secret,
                                              strlen(secret)), RHN_OK);
    s->kid = kid;
    name_key(s->private_key, kid);
    name_key(s->public_key, kid);
    return s;
}

struct signer *signer_of_private(const char *jwk, const char *alg)
{
    struct signer *s = new_signer(r_str_to_jwa_alg(alg));

    CHECK_INT(r_jwk_import_from_json_str(s->private_key, jwk), RHN_OK);
    s->kid = r_jwk_get_property_str(s->private_key, "kid");
    return s;
}

void signer_close(struct signer **s)
{
    if (!*s)
        return;
    r_jwk_free((*s)->private_key);
    r_jwk_free((*s)->public_key);
    free(*s);
}

const char *signer_pem(const struct signer *s)
{
    char *text = calloc(1, 8192);
    size_t len = 8191;

    CHECK(text != NULL);
    CHECK_INT(r_jwk_export_to_pem_der(s->public_key, R_FORMAT_PEM, (unsigned char *)text, &len,
                                      R_FLAG_IGNORE_REMOTE), RHN_OK);
    return keep(text);
}

const char *signer_public(const struct signer *s)
{
    return keep(r_jwk_export_to_json_str(s->public_key, 0));
}

const char *signer_private(const struct signer *s)
{
    return keep(r_jwk_export_to_json_str(s->private_key, 0));
}

const char *signer_set(const char *const *items, size_t n)
{
    size_t room = 20;
    char *text;

    for (size_t i = 0; i < n; i++)
        room += strlen(items[i]) + 1;
    text = calloc(1, room);
    CHECK(text != NULL);
    strcpy(text, "{\"keys\":[");
    for (size_t i = 0; i < n; i++) {
        strcat(text, i ? "," : "");
        strcat(text, items[i]);
    }
    strcat(text, "]}");
    return keep(text);
}

const char *signer_token_with(const struct signer *s, const char *name, const char *value,
                              const char *claims)
{
    jws_t *jws = NULL;
    char *token;

    CHECK_INT(r_jws_init(&jws), RHN_OK);
    CHECK_INT(r_jws_set_payload(jws, (const unsigned char *)claims, strlen(claims)), RHN_OK);
    CHECK_INT(r_jws_set_alg(jws, s->alg), RHN_OK);
    if (s->kid)
        CHECK_INT(r_jws_set_header_str_value(jws, "kid", s->kid), RHN_OK);
    if (name)
        CHECK_INT(r_jws_set_header_str_value(jws, name, value), RHN_OK);
    token = r_jws_serialize(jws, s->private_key, R_FLAG_IGNORE_REMOTE);
    r_jws_free(jws);
    return keep(token);
}

const char *signer_token(const struct signer *s, const char *claims)
{
    return signer_token_with(s, NULL, NULL, claims);
}

static void add_base64url(char *to, const char *text)
{
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    unsigned bits = 0;
    int count = 0;

    to += strlen(to);
    for (; *text; text++) {
        bits = bits << 8 | (unsigned char)*text;
        for (count += 8; count >= 6; count -= 6)
            *to++ = digits[bits >> (count - 6) & 63];
    }
    if (count > 0)
        *to++ = digits[bits << (6 - count) & 63];
    *to = '\0';
}

const char *signer_join(const char *header, const char *claims, const char *signature)
{
    char *text = calloc(1, 2 * (strlen(header) + strlen(claims)) + strlen(signature) + 20);

    CHECK(text != NULL);
    add_base64url(text, header);
    strcat(text, ".");
    add_base64url(text, claims);
    strcat(text, ".");
    strcat(text, signature);
    return keep(text);
}
