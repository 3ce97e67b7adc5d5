/* What no message may show of a request. */
#include "replicator/http_secret.h"
#include "tests/support/fault.h"
#include "tests/support/test.h"

/* The text with what is secret in it as stars; one of the last four. */
static const char *shown(char *const *lines, const char *url, const char *text)
{
    static char rooms[4][300];
    static int next;
    char *out = rooms[next++ % 4];
    struct replica__http_secrets secrets;
    size_t n = 0;

    replica__http_secrets_find(lines, url, &secrets);
    for (size_t len; *text; text += len) {
        len = replica__http_secret_at(&secrets, text, strlen(text));
        out[n++] = len ? '*' : *text;
        len = len ? len : 1;
    }
    out[n] = '\0';
    replica__http_secrets_free(&secrets);
    return out;
}

static char accept[] = "Accept: application/json";
static char token[] = "Authorization: Bearer t0k3n";
static char key[] = "X-Api-Key:\t k3y!";
static char tiny[] = "X-Level: 12";
static char *const lines[] = { accept, token, key, tiny, NULL };

TEST(values_of_the_head_are_hidden_but_for_harmless_ones)
{
    CHECK_STR(shown(lines, NULL, "Bearer t0k3n, t0k3nt0k3n, t0k3"), "*, **, t0k3");
    CHECK_STR(shown(lines, NULL, "{\"X-Api-Key\":\"k3y!\"}"), "{\"X-Api-Key\":\"*\"}");
    CHECK_STR(shown(lines, NULL, "12 application/json"), "12 application/json");
    CHECK_STR(shown(NULL, NULL, "t0k3n"), "t0k3n");
}

TEST(the_password_of_a_url_is_hidden_however_it_is_written)
{
    const char *url = "https://anna:p%40ss%2@example.org:8443/notes/0?x=a@b";

    CHECK_STR(shown(NULL, url, "anna p%40ss%2 p@ss%2 example.org"), "anna * * example.org");
    CHECK_STR(shown(NULL, url, "Basic YW5uYTpwQHNzJTI="), "Basic *=");
    CHECK_STR(shown(NULL, "http://t0k3n@h/", "t0k3n dDBrM246"), "* *");
    CHECK_STR(shown(NULL, "http://h/a@b", "h a b"), "h a b");
    CHECK_STR(shown(NULL, "http://@h/", "@h"), "@h");
    CHECK_STR(shown(NULL, "http://a:@h/", "a: h"), "a: h");
    CHECK_STR(shown(NULL, "http://a:b@c@h/", "b@c b"), "* b");
}

TEST(out_of_memory_nothing_is_shown)
{
    for (int nth = 0, failed = 1; failed; nth++) {
        const char *text;

        fault_alloc(nth);
        text = shown(lines, "http://a:secret@h/", "say secret");
        failed = fault_stop();
        CHECK_STR(text, failed ? "*" : "say *");
    }
}
