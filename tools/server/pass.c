/* Claims are kept as the text that came in; only the times are read. */
#include "tools/server/pass.h"

#include "base/alloc.h"
#include "base/error.h"
#include "base/json.h"

#include <string.h>

#define YEAR_10000_S 253402300800.0 /* later is never */

/* A time in ms; *ret stays as it is if there is none, or it is never. */
static int read_time(struct replica__json_value claims, const char *name, int64_t *ret,
                     replica_error *err)
{
    struct replica__json_value v = replica__json_member(claims, name, REPLICA_NUL);
    double s;

    if (v.type == REPLICA_JSON_NONE)
        return 0;
    if (v.type != REPLICA_JSON_NUMBER)
        return replica__error_set(err, REPLICA_EJSON, 0, "%s is no number", name);
    s = replica__json_double(v);
    if (!(s < YEAR_10000_S))
        s = YEAR_10000_S;
    if (!(s > 0))
        s = 0;
    *ret = (int64_t)(s * 1000);
    return 1;
}

int replica__pass_new(const char *claims, size_t len, struct replica__pass **ret_pass,
                      replica_error *err)
{
    struct replica__json_value v;
    struct replica__pass *pass;
    int64_t exp = 0, nbf = 0;
    int expires, begins;
    int r = replica__json_check(claims, len, NULL, NULL);

    if (r == REPLICA_ENOMEM)
        return replica__enomem(err);
    if (r < 0 || replica__json_value(claims, len).type != REPLICA_JSON_OBJECT)
        return replica__error_set(err, REPLICA_EJSON, 0, "no JSON object");
    v = replica__json_value(claims, len);
    expires = read_time(v, "exp", &exp, err);
    begins = expires < 0 ? 0 : read_time(v, "nbf", &nbf, err);
    if (expires < 0 || begins < 0)
        return REPLICA_EJSON;
    pass = replica__alloc(sizeof(*pass) + v.text.len + 1);
    if (!pass)
        return replica__enomem(err);
    memset(pass, 0, sizeof(*pass));
    memcpy(pass->claims, v.text.data, v.text.len);
    pass->claims[v.text.len] = '\0';
    pass->refs = 1;
    pass->who.claims = pass->claims;
    pass->who.claims_len = v.text.len;
    if (expires)
        pass->who.expires_ms = exp + REPLICA__LEEWAY_MS;
    if (begins && nbf > REPLICA__LEEWAY_MS)
        pass->begins_ms = nbf - REPLICA__LEEWAY_MS;
    *ret_pass = pass;
    return 0;
}

struct replica__pass *replica__pass_ref(struct replica__pass *pass)
{
    pass->refs++;
    return pass;
}

void replica__pass_unref(struct replica__pass *pass)
{
    if (!pass || --pass->refs > 0)
        return;
    replica__free(pass);
}

const char *replica__pass_why(const struct replica__pass *pass, int64_t now_ms)
{
    if (pass->who.expires_ms && now_ms >= pass->who.expires_ms)
        return "the token has expired";
    if (now_ms < pass->begins_ms)
        return "the token is not yet valid";
    return NULL;
}
