/* Tokens: only what the key signed is let in, and a token is written in one way only. */
#include "tools/server/jwt.h"

#include <stdlib.h>
#include <string.h>

/* {"sub":"anna"}, signed with HS256 and the key below. */
static const char good[] = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbm5hIn0."
                           "JseYZms-iR6VRQZm2UYbDyz5d3IClow6IhRr5SW_Y4k";
static const char key[] = "a key of the fuzzer, which is 32 bytes long or more";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static struct replica__jwt *open_jwt(void)
{
    struct replica__jwt *jwt = NULL;
    struct replica__jwt_file file;
    struct replica__buf text = REPLICA_BUF_INIT;
    struct replica__pass *pass;
    const char *why;

    replica__buf_str(&text, key);
    if (replica__jwt_open(&jwt, NULL) < 0 ||
        replica__jwt_keys_add(replica__jwt_keys(jwt), "key", &text, &file, NULL) < 0 ||
        replica__jwt_find(jwt, good, strlen(good), &pass, &why) != 1)
        abort();
    replica__buf_free(&text);
    return jwt;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static struct replica__jwt *jwt;
    const char *token = len ? (const char *)data : "";
    struct replica__pass *pass = NULL;
    const char *why = NULL;
    int r;

    if (!jwt)
        jwt = open_jwt();
    r = replica__jwt_find(jwt, token, len, &pass, &why);
    if (r < 0 || (r == 0 && pass) || (r == 1 && !pass))
        abort();
    if (r == 1 && (len != strlen(good) || memcmp(token, good, len) != 0))
        abort();
    return 0;
}
