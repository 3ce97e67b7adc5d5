/* Signed tokens: who is let in, and above all who is not. */
#include "tests/support/clock.h"
#include "tests/support/fault.h"
#include "tests/support/signer.h"
#include "tests/support/test.h"
#include "tests/support/tmp.h"
#include "tools/server/auth.h"
#include "tools/server/jwt.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

static char warnings[1000];

static void on_warning(void *ctx, const char *message)
{
    (void)ctx;
    snprintf(warnings + strlen(warnings), sizeof(warnings) - strlen(warnings), "%s\n", message);
}

static struct clock clock_;
static const char *issuer, *audience; /* of the next one that is opened */

static int open_auth(const char *key, const char *set, const char *tokens,
                     struct replica__auth **ret_auth)
{
    const struct replica__auth_options options = {
        .token_file = tokens ? tmp_write("tokens", tokens, REPLICA_NUL) : NULL,
        .jwt_key = key ? tmp_write("key", key, REPLICA_NUL) : NULL,
        .jwks = set ? tmp_write("set", set, REPLICA_NUL) : NULL,
        .jwt_issuer = issuer,
        .jwt_audience = audience,
        .world = &clock_.world,
        .warn = on_warning
    };

    clock_start(&clock_, 1700000000000, 7);
    warnings[0] = '\0';
    return replica__auth_open(&options, ret_auth, &test_err);
}

static struct replica__auth *with_key(const char *key)
{
    struct replica__auth *auth = NULL;

    CHECK_RC(open_auth(key, NULL, NULL, &auth), 0);
    return auth;
}

static struct replica__auth *with_set(const char *const *items, size_t n)
{
    struct replica__auth *auth = NULL;

    CHECK_RC(open_auth(NULL, signer_set(items, n), NULL, &auth), 0);
    return auth;
}

static void auth_close(struct replica__auth **auth)
{
    replica__auth_close(*auth);
}
#define AUTH __attribute__((cleanup(auth_close))) struct replica__auth *

/* The claims of who has the token; or why it is not let in. */
static const char *ask(struct replica__auth *auth, const char *token)
{
    static char text[300], header[20000];
    const struct replica__who *who = NULL;
    const char *why = NULL;
    int r;

    snprintf(header, sizeof(header), "Bearer %s", token);
    r = replica__auth_ask(auth, header, &who, &why);
    CHECK(r == 0 || r == 1);
    snprintf(text, sizeof(text), "%s", r ? who->claims : why);
    replica__auth_leave(who);
    return text;
}

#define UNKNOWN "there is no token that is known here"
#define SIGNATURE "the signature of the token is wrong"
#define ALGORITHM "the algorithm of the token is none of HS256, RS256, ES256 and EdDSA"
#define NO_KEY "no key here is for the algorithm of the token"
#define KID "the key of the token (kid) is not known here"
#define HEADER "the header of the token asks for what is not supported here"

static const char *const algs[] = { "HS256", "RS256", "ES256", "EdDSA" };
enum { ALGS = 4 };

/* What is given to the server: the public key; of HS256 the secret. */
static const char *key_text(const struct signer *s, const char *alg)
{
    return strcmp(alg, "HS256") == 0 ? SIGNER_SECRET "\n" : signer_pem(s);
}

TEST(a_token_is_let_in_by_the_key_in_a_file)
{
    for (int i = 0; i < ALGS; i++) {
        SIGNER s = signer_open(algs[i], NULL);
        AUTH auth = with_key(key_text(s, algs[i]));

        CHECK_STR(ask(auth, signer_token(s, "{\"sub\":\"anna\"}")), "{\"sub\":\"anna\"}");
        CHECK_STR(ask(auth, signer_token(s, "{\"sub\": \"otto\"}")), "{\"sub\": \"otto\"}");

    }
}

TEST(a_key_of_a_set_is_chosen_by_its_name)
{
    static const char *const kids[] = { "key-0", "key-1", "key-2", "key-3" };
    struct signer *s[ALGS], *rotated;
    const char *items[ALGS + 1];

    for (int i = 0; i < ALGS; i++) {
        s[i] = signer_open(algs[i], kids[i]);
        items[i] = signer_public(s[i]);
    }
    rotated = signer_open("ES256", "key-9");
    items[ALGS] = signer_public(rotated);
    AUTH auth = with_set(items, ALGS + 1);

    for (int i = 0; i < ALGS; i++)
        CHECK_STR(ask(auth, signer_token(s[i], "{\"a\":1}")), "{\"a\":1}");
    CHECK_STR(ask(auth, signer_token(rotated, "{\"a\":2}")), "{\"a\":2}");
    CHECK_STR(ask(auth, signer_token_with(rotated, "kid", "key-8", "{}")), KID);
    CHECK_STR(ask(auth, signer_token_with(rotated, "kid", "key-2", "{}")), SIGNATURE);
    CHECK_STR(ask(auth, signer_token_with(rotated, "kid", "key-1", "{}")), KID); /* is RSA */
    for (int i = 0; i < ALGS; i++)
        signer_close(&s[i]);
    signer_close(&rotated);
}

TEST(a_token_that_names_no_key_is_tried_with_those_that_fit)
{
    SIGNER one = signer_open("EdDSA", NULL);
    SIGNER two = signer_open("EdDSA", NULL);
    SIGNER rsa = signer_open("RS256", "rsa");
    SIGNER stranger = signer_open("EdDSA", NULL);
    const char *const items[] = { signer_public(rsa), signer_public(one), signer_public(two) };
    AUTH auth = with_set(items, 3);

    CHECK_STR(ask(auth, signer_token(two, "{\"a\":1}")), "{\"a\":1}");
    CHECK_STR(ask(auth, signer_token(one, "{\"a\":2}")), "{\"a\":2}");
    CHECK_STR(ask(auth, signer_token(stranger, "{}")), SIGNATURE);
    /* Keys without a name fit any. */
    CHECK_STR(ask(auth, signer_token_with(one, "kid", "x", "{\"a\":3}")), "{\"a\":3}");
}

TEST(another_key_of_the_same_kind_lets_nobody_in)
{
    for (int i = 0; i < ALGS; i++) {
        SIGNER s = signer_open(algs[i], "k");
        SIGNER stranger = strcmp(algs[i], "HS256") == 0
                              ? signer_of_secret("another secret of at least 32 bytes", "k")
                              : signer_open(algs[i], "k");
        const char *const items[] = { signer_public(s) };
        AUTH auth = with_set(items, 1);

        CHECK_STR(ask(auth, signer_token(stranger, "{}")), SIGNATURE);
        CHECK_STR(ask(auth, signer_token(s, "{}")), "{}");
    }
}

/* The public key is known to all: as a secret it would let everybody sign. */
TEST(a_token_signed_with_a_public_key_as_secret_is_refused)
{
    for (int i = 1; i < ALGS; i++) {
        SIGNER s = signer_open(algs[i], NULL);
        const char *pem = signer_pem(s);
        SIGNER forger = signer_of_secret(pem, NULL);
        SIGNER jwk_forger = signer_of_secret(signer_public(s), NULL);
        const char *const items[] = { signer_public(s) };
        AUTH auth = with_key(pem);
        AUTH set = with_set(items, 1);

        CHECK_STR(ask(auth, signer_token(forger, "{\"sub\":\"root\"}")), NO_KEY);
        CHECK_STR(ask(set, signer_token(forger, "{\"sub\":\"root\"}")), NO_KEY);
        CHECK_STR(ask(set, signer_token(jwk_forger, "{\"sub\":\"root\"}")), NO_KEY);
    }
}

TEST(unsigned_tokens_and_other_algorithms_are_refused)
{
    SIGNER s = signer_open("HS256", NULL);
    AUTH auth = with_key(key_text(s, "HS256"));
    static const char *const headers[] = {
        "{\"alg\":\"none\"}", "{\"alg\":\"None\"}", "{\"alg\":\"NONE\"}", "{\"alg\":\"hs256\"}",
        "{\"alg\":\"HS512\"}", "{\"alg\":\"PS256\"}", "{\"alg\":\"\"}", "{\"alg\":null}",
        "{\"alg\":[\"HS256\"]}", "{\"alg\":\"HS256\\u0000\"}", "{}"
    };

    for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
        CHECK_STR(ask(auth, signer_join(headers[i], "{\"sub\":\"root\"}", "")), ALGORITHM);
        CHECK_STR(ask(auth, signer_join(headers[i], "{\"sub\":\"root\"}", "AAAA")), ALGORITHM);
    }
    CHECK_STR(ask(auth, signer_join("{\"alg\":\"HS256\"}", "{\"sub\":\"root\"}", "")), SIGNATURE);
    CHECK_STR(ask(auth, signer_join("{\"alg\":\"ES256\"}", "{\"sub\":\"root\"}", "")), NO_KEY);
}

/* A key that a token brings along is no key. */
TEST(what_the_header_says_beside_algorithm_and_key_is_not_heard)
{
    SIGNER s = signer_open("HS256", NULL);
    AUTH auth = with_key(key_text(s, "HS256"));

    CHECK_STR(ask(auth, signer_token_with(s, "typ", "JWT", "{\"a\":1}")), "{\"a\":1}");
    CHECK_STR(ask(auth, signer_token_with(s, "x5u", "http://127.0.0.1:1/", "{}")), "{}");
    CHECK_STR(ask(auth, signer_token_with(s, "jku", "http://127.0.0.1:1/", "{}")), "{}");
    CHECK_STR(ask(auth, signer_token_with(s, "crit", "x", "{}")), HEADER);
    CHECK_STR(ask(auth, signer_token_with(s, "zip", "DEF", "{}")), HEADER);
    CHECK_STR(ask(auth, signer_token_with(s, "b64", "x", "{}")), HEADER);
    CHECK_STR(ask(auth, signer_join("{\"alg\":\"HS256\",\"kid\":7}", "{}", "")),
              "the key of the token (kid) is no string");
}

TEST(a_token_holds_from_nbf_to_exp_give_or_take_a_minute)
{
    SIGNER s = signer_open("EdDSA", NULL);
    AUTH auth = with_key(signer_pem(s));
    const char *token = signer_token(s, "{\"nbf\":1700000000,\"exp\":1700000100.5}");
    const struct replica__who *who = NULL;
    const char *why = NULL;
    char header[1000];

    for (int again = 0; again < 2; again++) { /* also from the memory of the server */
        clock_.now_ms = 1700000000000 - 60001;
        CHECK_STR(ask(auth, token), "the token is not yet valid");
        clock_.now_ms++;
        CHECK_STR(ask(auth, token), "{\"nbf\":1700000000,\"exp\":1700000100.5}");
        clock_.now_ms = 1700000100500 + 59999;
        CHECK_STR(ask(auth, token), "{\"nbf\":1700000000,\"exp\":1700000100.5}");
        clock_.now_ms++;
        CHECK_STR(ask(auth, token), "the token has expired");
    }
    clock_.now_ms = 1700000000000;
    snprintf(header, sizeof(header), "Bearer %s", token);
    CHECK_INT(replica__auth_ask(auth, header, &who, &why), 1);
    CHECK_INT(who->expires_ms, 1700000160500);
    replica__auth_leave(who);
}

TEST(times_may_be_missing_or_far_away_but_are_numbers)
{
    SIGNER s = signer_open("HS256", NULL);
    AUTH auth = with_key(key_text(s, "HS256"));
    static const char *const fine[] = { "{}", "{\"exp\":1e300}", "{\"exp\":99999999999999999999}",
                                        "{\"nbf\":-1e300}", "{\"nbf\":0.1,\"iat\":\"x\"}" };
    static const char *const bad[] = { "{\"exp\":\"1900000000\"}", "{\"exp\":null}",
                                       "{\"nbf\":true}", "[]", "1", "\"x\"", "{", "{}x",
                                       "{\"a\":1,\"a\":2}" };

    for (size_t i = 0; i < sizeof(fine) / sizeof(fine[0]); i++)
        CHECK_STR(ask(auth, signer_token(s, fine[i])), fine[i]);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CHECK_STR(ask(auth, signer_token(s, bad[i])),
                  "the claims of the token are no JSON object, or its times no numbers");
    CHECK_STR(ask(auth, signer_token(s, "{\"exp\":0}")), "the token has expired");
    CHECK_STR(ask(auth, signer_token(s, "{\"exp\":-1e300}")), "the token has expired");
    CHECK_STR(ask(auth, signer_token(s, "{\"nbf\":1e300}")), "the token is not yet valid");
}

/* A hundred times each: one byte is another one, is missing, or is too much. */
#define NO_ISSUER "the token does not say who issued it (iss)"
#define OTHER_ISSUER "the token is of another issuer (iss)"
#define NO_AUDIENCE "the token does not say whom it is for (aud)"
#define OTHER_AUDIENCE "the token is for another audience (aud)"

static struct replica__auth *expecting(const char *iss, const char *aud)
{
    struct replica__auth *auth;

    issuer = iss;
    audience = aud;
    auth = with_key(SIGNER_SECRET);
    issuer = audience = NULL;
    return auth;
}

TEST(a_token_of_another_issuer_is_refused)
{
    SIGNER s = signer_open("HS256", NULL);
    AUTH auth = expecting("https://a.example/", NULL);
    static const char *const let_in[] = {
        "{\"iss\":\"https://a.example/\"}",
        "{\"iss\":\"https:\\/\\/a\\u002eexample/\",\"aud\":7}", /* the same text */
    };
    static const char *const others[] = {
        "{\"iss\":\"https://a.example\"}",    "{\"iss\":\"https://a.example//\"}",
        "{\"iss\":\"HTTPS://a.example/\"}",   "{\"iss\":\"\"}",
        "{\"iss\":\"https://a.example/\\u0000\"}",
        "{\"iss\":[\"https://a.example/\"]}", "{\"iss\":null}",
        "{\"iss\":{\"iss\":\"https://a.example/\"}}",
    };

    for (size_t i = 0; i < sizeof(let_in) / sizeof(let_in[0]); i++)
        CHECK_STR(ask(auth, signer_token(s, let_in[i])), let_in[i]);
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        CHECK_STR(ask(auth, signer_token(s, others[i])), OTHER_ISSUER);
    CHECK_STR(ask(auth, signer_token(s, "{\"sub\":\"a\"}")), NO_ISSUER);
    CHECK_STR(ask(auth, signer_token(s, "{\"ISS\":\"https://a.example/\"}")), NO_ISSUER);
}

TEST(a_token_for_another_audience_is_refused)
{
    SIGNER s = signer_open("HS256", NULL);
    AUTH auth = expecting(NULL, "notes");
    static const char *const let_in[] = {
        "{\"aud\":\"notes\"}", "{\"aud\":[\"mail\",\"n\\u006ftes\"],\"iss\":1}",
        "{\"aud\":[1,null,[],\"notes\"]}",
    };
    static const char *const others[] = {
        "{\"aud\":\"note\"}",       "{\"aud\":\"notes2\"}", "{\"aud\":[\"mail\",\"Notes\"]}",
        "{\"aud\":[]}",             "{\"aud\":[[\"notes\"]]}", "{\"aud\":{\"a\":\"notes\"}}",
        "{\"aud\":\"mail notes\"}", "{\"aud\":true}",
    };

    for (size_t i = 0; i < sizeof(let_in) / sizeof(let_in[0]); i++)
        CHECK_STR(ask(auth, signer_token(s, let_in[i])), let_in[i]);
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        CHECK_STR(ask(auth, signer_token(s, others[i])), OTHER_AUDIENCE);
    CHECK_STR(ask(auth, signer_token(s, "{\"sub\":\"notes\"}")), NO_AUDIENCE);
}

/* Whoever cannot sign must not find out what is expected. */
TEST(whom_a_token_is_for_is_looked_at_behind_its_signature_and_each_time)
{
    SIGNER s = signer_open("HS256", NULL);
    SIGNER other = signer_of_secret("another secret of at least 32 bytes", NULL);
    AUTH auth = expecting("a", "b");
    const char *good = signer_token(s, "{\"iss\":\"a\",\"aud\":\"b\"}");
    const char *bad = signer_token(s, "{\"iss\":\"a\",\"aud\":\"c\"}");

    CHECK_STR(ask(auth, signer_token(other, "{\"iss\":\"x\"}")), SIGNATURE);
    for (int i = 0; i < 3; i++) {
        CHECK_STR(ask(auth, good), "{\"iss\":\"a\",\"aud\":\"b\"}");
        CHECK_STR(ask(auth, bad), OTHER_AUDIENCE);
        CHECK_STR(ask(auth, signer_token(s, "{\"aud\":\"b\",\"iss\":\"c\"}")), OTHER_ISSUER);
    }
}

TEST(a_listed_token_is_not_asked_for_whom_it_is)
{
    struct replica__auth *opened = NULL;

    issuer = audience = "a";
    CHECK_RC(open_auth(SIGNER_SECRET, NULL, "listed {\"aud\":\"x\"}\n", &opened), 0);
    issuer = audience = NULL;
    AUTH auth = opened;
    CHECK_STR(ask(auth, "listed"), "{\"aud\":\"x\"}");
}

TEST(no_damaged_token_is_let_in)
{
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.= \n~\377";
    uint64_t dice = 20260805;

    for (int i = 0; i < ALGS; i++) {
        SIGNER s = signer_open(algs[i], NULL);
        AUTH auth = with_key(key_text(s, algs[i]));
        const char *token = signer_token(s, "{\"sub\":\"anna\",\"exp\":1700009999}");
        size_t len = strlen(token);

        for (int n = 0; n < 100; n++) {
            char damaged[2000];
            size_t at = dice_roll(&dice) % len;
            char c = digits[dice_roll(&dice) % (sizeof(digits) - 1)];
            int kind = (int)(dice_roll(&dice) % 4);

            CHECK(len < sizeof(damaged) - 2);
            strcpy(damaged, token);
            if (kind == 0)
                memmove(damaged + at, damaged + at + 1, len - at);
            else if (kind == 1)
                memmove(damaged + at + 1, damaged + at, len - at + 1);
            if (kind > 0)
                damaged[at] = c;
            if (strcmp(damaged, token) == 0)
                continue;
            CHECK(strchr(ask(auth, damaged), '{') == NULL);
        }
        CHECK(strchr(ask(auth, token), '{') != NULL);
    }
}

/* The last digit of each part has bits that mean nothing: with others it is no token. */
TEST(a_token_is_written_in_one_way_only)
{
    SIGNER s = signer_open("ES256", NULL); /* 64 bytes: 4 bits too many */
    AUTH auth = with_key(signer_pem(s));
    const char *token = signer_token(s, "{\"a\":1}");
    char other[1000];

    CHECK_STR(ask(auth, token), "{\"a\":1}");
    snprintf(other, sizeof(other), "%s", token);
    other[strlen(other) - 1]++; /* one of A, Q, g and w */
    CHECK_STR(ask(auth, other), UNKNOWN);
    snprintf(other, sizeof(other), "%s==", token);
    CHECK_STR(ask(auth, other), UNKNOWN);
    snprintf(other, sizeof(other), "%s.", token);
    CHECK_STR(ask(auth, other), UNKNOWN);
}

TEST(what_is_no_token_at_all_is_unknown)
{
    SIGNER s = signer_open("HS256", NULL);
    AUTH auth = with_key(key_text(s, "HS256"));
    static const char *const texts[] = { "", ".", "..", "a.b.c", "e30", "e30.e30", "e30..e30",
                                         "W10.e30.e30", "e30.e30.e30.e30", "ey.ey.ey" };
    static char huge[9000];

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        const char *why = ask(auth, texts[i]);

        CHECK(strcmp(why, UNKNOWN) == 0 || strcmp(why, ALGORITHM) == 0);
    }
    memset(huge, 'e', sizeof(huge) - 1);
    CHECK_STR(ask(auth, huge), "the token is too long");
}

/* Else each request would cost a signature. */
TEST(a_signature_is_checked_once)
{
    SIGNER s = signer_open("ES256", NULL);
    const char *pem = signer_pem(s);
    const char *token = signer_token(s, "{\"a\":1}"), *other = signer_token(s, "{\"a\":2}");
    struct replica__buf text = REPLICA_BUF_INIT;
    struct replica__jwt_file file;
    struct replica__jwt *jwt = NULL;
    struct replica__pass *pass = NULL, *again = NULL;
    const char *why = NULL;

    replica__buf_str(&text, pem);
    CHECK_RC(replica__jwt_open(&jwt, &test_err), 0);
    CHECK_RC(replica__jwt_keys_add(replica__jwt_keys(jwt), "key", &text, &file, &test_err), 0);
    CHECK_RC(replica__jwt_find(jwt, token, strlen(token), &pass, &why), 1);
    replica__jwt_keys_free(replica__jwt_keys(jwt)); /* nobody could check it any more */
    CHECK_RC(replica__jwt_find(jwt, token, strlen(token), &again, &why), 1);
    CHECK(again == pass);
    CHECK_RC(replica__jwt_find(jwt, other, strlen(other), &again, &why), 0);
    replica__jwt_close(jwt);
    replica__buf_free(&text);
}

/* More tokens than are remembered, each one let in again and again. */
TEST(tokens_beyond_those_remembered_are_checked_anew)
{
    enum { TOKENS = 3000 };
    SIGNER s = signer_open("HS256", NULL);
    AUTH auth = with_key(key_text(s, "HS256"));
    static const char *tokens[TOKENS];
    const struct replica__who *held = NULL;
    const char *why = NULL;
    char header[1000], claims[100];

    for (int i = 0; i < TOKENS; i++) {
        snprintf(claims, sizeof(claims), "{\"n\":%d}", i);
        tokens[i] = signer_token(s, claims);
        if (i == 0) {
            snprintf(header, sizeof(header), "Bearer %s", tokens[0]);
            CHECK_INT(replica__auth_ask(auth, header, &held, &why), 1);
        }
        CHECK_STR(ask(auth, tokens[i]), claims);
        CHECK_STR(ask(auth, tokens[i]), claims);
    }
    for (int i = 0; i < TOKENS; i += 7) {
        snprintf(claims, sizeof(claims), "{\"n\":%d}", i);
        CHECK_STR(ask(auth, tokens[i]), claims);
    }
    CHECK_STR(held->claims, "{\"n\":0}"); /* who is held lives, remembered or not */
    replica__auth_leave(held);
}

TEST(listed_and_signed_tokens_go_together)
{
    SIGNER s = signer_open("ES256", "k");
    SIGNER rsa = signer_open("RS256", NULL);
    const char *const items[] = { signer_public(s) };
    struct replica__auth *opened = NULL;

    CHECK_RC(open_auth(signer_pem(rsa), signer_set(items, 1), "listed {\"sub\":\"l\"}\n", &opened),
             0);
    AUTH auth = opened;
    CHECK_STR(ask(auth, "listed"), "{\"sub\":\"l\"}");
    CHECK_STR(ask(auth, signer_token(s, "{\"sub\":\"s\"}")), "{\"sub\":\"s\"}");
    CHECK_STR(ask(auth, signer_token_with(rsa, "kid", "any", "{\"sub\":\"r\"}")),
              "{\"sub\":\"r\"}");
    CHECK_STR(ask(auth, "other"), UNKNOWN);
}

/* ---- files ----------------------------------------------------------------------- */

static void refuse(const char *key, const char *set, const char *message)
{
    struct replica__auth *auth = NULL;

    CHECK_RC(open_auth(key, set, NULL, &auth), REPLICA_EINVAL);
    CHECK(auth == NULL);
    if (!strstr(test_err.message, message))
        test_fail(__FILE__, __LINE__, "%s", test_err.message);
    CHECK(!strstr(test_err.message, "hidden") && !strstr(test_err.message, "BEGIN"));
}

#define P256 "\"kty\":\"EC\",\"crv\":\"P-256\""

TEST(a_key_file_that_is_none_is_refused)
{
    SIGNER rsa = signer_open("RS256", NULL);
    struct replica__auth *auth = NULL;

    refuse("", NULL, "has no key");
    refuse(" \n\t", NULL, "has no key");
    refuse("{\"kty\":\"hidden\"}", NULL, "looks like JSON");
    refuse("ssh-ed25519 hidden", NULL, "looks like a public key");
    refuse("\001\002hidden", NULL, "is neither");
    refuse("two lines\nof hidden", NULL, "is neither");
    refuse("-----BEGIN PUBLIC KEY-----\nhidden\n-----END PUBLIC KEY-----\n", NULL,
           "is no public key");
    refuse("-----BEGIN PRIVATE KEY-----\nhidden\n-----END PRIVATE KEY-----\n", NULL,
           "is a private key");
    refuse("-----BEGIN RSA PRIVATE KEY-----\nhidden\n-----END RSA PRIVATE KEY-----\n", NULL,
           "is a private key");
    refuse(NULL, "", "is no set of keys");
    refuse(NULL, "hidden", "is no set of keys");
    refuse(NULL, "{\"keys\":{}}", "is no set of keys");
    refuse(NULL, "{\"keys\":[]}", "has no key for");
    refuse(NULL, "{\"keys\":[\"hidden\"]}", "key 1: no object");
    refuse(NULL, "{\"keys\":[{\"kty\":\"hidden\"}]}", "has no key for");
    refuse(NULL, "{\"keys\":[{" P256 "}]}", "key 1: no public key");
    refuse(NULL, "{\"keys\":[{\"kty\":\"oct\",\"k\":\"\"}]}", "key 1: no secret");
    refuse(NULL, "{\"keys\":[{\"kty\":\"oct\",\"k\":\"hidden!\"}]}", "key 1: no secret");
    const char *const items[] = { signer_private(rsa) };
    refuse(NULL, signer_set(items, 1), "key 1: a private key");
    CHECK_RC(replica__auth_open(&(struct replica__auth_options){ .jwt_key = tmp_path("absent") },
                                &auth, &test_err), REPLICA_EIO);
}

TEST(keys_of_a_set_for_other_purposes_are_left_out)
{
    SIGNER s = signer_open("ES256", NULL);
    const char *key = signer_public(s);
    char item[4][2000];
    const char *items[4];

    snprintf(item[0], sizeof(item[0]), "{\"use\":\"enc\",%s", key + 1);
    snprintf(item[1], sizeof(item[1]), "{\"alg\":\"ECDH-ES\",%s", key + 1);
    snprintf(item[2], sizeof(item[2]), "{\"key_ops\":[\"encrypt\"],%s", key + 1);
    snprintf(item[3], sizeof(item[3]), "{\"kty\":\"EC\",\"crv\":\"P-384\",\"x\":1}");
    for (int i = 0; i < 4; i++)
        items[i] = item[i];
    refuse(NULL, signer_set(items, 4), "has no key for");
    snprintf(item[1], sizeof(item[1]),
             "{\"use\":\"sig\",\"alg\":\"ES256\",\"key_ops\":[\"sign\",\"verify\"],%s", key + 1);
    AUTH auth = with_set(items, 4);
    CHECK_STR(ask(auth, signer_token(s, "{}")), "{}");
}

TEST(a_secret_that_is_short_or_shown_is_warned_about)
{
    SIGNER s = signer_of_secret("hidden", NULL);
    const char *path = tmp_write("short", "hidden\n", REPLICA_NUL);
    const struct replica__auth_options options = { .jwt_key = path, .warn = on_warning };
    struct replica__auth *opened = NULL;

    warnings[0] = '\0';
    chmod(path, 0644);
    CHECK_RC(replica__auth_open(&options, &opened, &test_err), 0);
    AUTH auth = opened;
    CHECK(strstr(warnings, "can be read by others") && strstr(warnings, "less than 32 bytes"));
    CHECK(!strstr(warnings, "hidden"));
    CHECK_STR(ask(auth, signer_token(s, "{}")), "{}");
}

TEST(a_public_key_may_be_read_by_all)
{
    SIGNER s = signer_open("EdDSA", NULL);
    const char *path = tmp_write("pem", signer_pem(s), REPLICA_NUL);
    const struct replica__auth_options options = { .jwt_key = path, .warn = on_warning };
    struct replica__auth *auth = NULL;

    warnings[0] = '\0';
    chmod(path, 0644);
    CHECK_RC(replica__auth_open(&options, &auth, &test_err), 0);
    CHECK_STR(warnings, "");
    replica__auth_close(auth);
}

TEST(a_failed_allocation_fails_the_opening_and_nothing_else)
{
    SIGNER s = signer_open("ES256", "k");
    SIGNER hs = signer_open("HS256", "h");
    const char *const items[] = { signer_public(s), signer_public(hs) };
    const char *set = tmp_write("set", signer_set(items, 2), REPLICA_NUL);
    const char *keys[] = { tmp_write("pem", signer_pem(s), REPLICA_NUL),
                           tmp_write("text", SIGNER_SECRET, REPLICA_NUL) };

    for (int k = 0; k < 2; k++) {
        for (int nth = 0, failed = 1; failed; nth++) {
            const struct replica__auth_options options = { .jwt_key = keys[k], .jwks = set };
            struct replica__auth *auth = NULL;
            int r;

            fault_alloc(nth);
            r = replica__auth_open(&options, &auth, &test_err);
            failed = fault_stop();
            CHECK(failed ? r == REPLICA_ENOMEM && !auth : r == 0);
            replica__auth_close(auth);
        }
    }
}

/* Neither let in nor refused: the client comes again. */
TEST(a_failed_allocation_says_nothing_of_a_token)
{
    SIGNER s = signer_open("ES256", "k");
    const char *const items[] = { signer_public(s) };
    const char *token = signer_token(s, "{\"sub\":\"anna\"}");
    char header[1000];

    snprintf(header, sizeof(header), "Bearer %s", token);
    for (int nth = 0, failed = 1; failed; nth++) {
        AUTH auth = with_set(items, 1);
        const struct replica__who *who = NULL;
        const char *why = NULL;
        int r;

        fault_alloc(nth);
        r = replica__auth_ask(auth, header, &who, &why);
        failed = fault_stop();
        CHECK(failed ? r == REPLICA_ENOMEM && !who : r == 1);
        replica__auth_leave(who);
        CHECK_STR(ask(auth, token), "{\"sub\":\"anna\"}");
    }
}
