/* Who is let in, by the tokens of a file. */
#include "tests/server/office.h"
#include "tests/support/fault.h"
#include "tests/support/test.h"
#include "tests/support/tmp.h"
#include "tools/server/auth.h"

#include <stdio.h>
#include <sys/stat.h>

static char warning[300];

static void on_warning(void *ctx, const char *message)
{
    (void)ctx;
    snprintf(warning, sizeof(warning), "%s", message);
}

static int open_file(const char *path, const struct replica__world *world,
                     struct replica__auth **ret_auth)
{
    const struct replica__auth_options options = { .token_file = path, .world = world,
                                                   .warn = on_warning };

    return replica__auth_open(&options, ret_auth, &test_err);
}

static struct replica__auth *tokens(const char *text, const struct replica__world *world)
{
    struct replica__auth *auth = NULL;

    CHECK_RC(open_file(tmp_write("tokens", text, REPLICA_NUL), world, &auth), 0);
    return auth;
}

static void auth_close(struct replica__auth **auth)
{
    replica__auth_close(*auth);
}
#define AUTH __attribute__((cleanup(auth_close))) struct replica__auth *

/* The claims of who comes with the header; or why it is not let in. */
static const char *ask(struct replica__auth *auth, const char *header)
{
    static char text[300];
    const struct replica__who *who = NULL;
    const char *why = NULL;
    int r = replica__auth_ask(auth, header, &who, &why);

    CHECK(r == 0 || r == 1);
    CHECK((who != NULL) == (r == 1) && (why != NULL) == (r == 0));
    if (who)
        CHECK_INT(who->claims_len, strlen(who->claims));
    snprintf(text, sizeof(text), "%s", who ? who->claims : why);
    replica__auth_leave(who);
    return text;
}

#define UNKNOWN "there is no token that is known here"

TEST(a_token_of_the_file_is_let_in_and_no_other)
{
    AUTH auth = tokens("# ours\n secret \n\nother\r\nlast", NULL);

    CHECK_STR(ask(auth, "Bearer secret"), "{}");
    CHECK_STR(ask(auth, "bearer  other"), "{}");
    CHECK_STR(ask(auth, "Bearer last"), "{}");
    CHECK_STR(ask(auth, NULL), UNKNOWN);
    CHECK_STR(ask(auth, ""), UNKNOWN);
    CHECK_STR(ask(auth, "Bearer "), UNKNOWN);
    CHECK_STR(ask(auth, "Bearer secre"), UNKNOWN);
    CHECK_STR(ask(auth, "Bearer secrets"), UNKNOWN);
    CHECK_STR(ask(auth, "Bearer # ours"), UNKNOWN);
    CHECK_STR(ask(auth, "Basic secret"), UNKNOWN);
}

TEST(claims_stand_behind_a_token)
{
    AUTH auth = tokens("anna\t {\"sub\":\"anna\", \"roles\":[\"admin\", \"user\"]} \r\nplain\n",
                       NULL);

    CHECK_STR(ask(auth, "Bearer anna"), "{\"sub\":\"anna\", \"roles\":[\"admin\", \"user\"]}");
    CHECK_STR(ask(auth, "Bearer plain"), "{}");
    CHECK_STR(ask(auth, "Bearer anna {"), UNKNOWN);
}

TEST(claims_may_say_from_when_to_when_a_token_holds)
{
    struct clock clock;

    clock_start(&clock, 1000000, 7);
    AUTH auth = tokens("a {\"nbf\":2000,\"exp\":3000}", &clock.world);

    clock.now_ms = (2000 - 61) * 1000;
    CHECK_STR(ask(auth, "Bearer a"), "the token is not yet valid");
    clock.now_ms = (2000 - 60) * 1000;
    CHECK_STR(ask(auth, "Bearer a"), "{\"nbf\":2000,\"exp\":3000}");
    clock.now_ms = (3000 + 60) * 1000 - 1;
    CHECK_STR(ask(auth, "Bearer a"), "{\"nbf\":2000,\"exp\":3000}");
    clock.now_ms = (3000 + 60) * 1000;
    CHECK_STR(ask(auth, "Bearer a"), "the token has expired");
}

TEST(who_asks_lives_until_it_is_left)
{
    AUTH auth = tokens("a {\"sub\":\"x\"}", NULL);
    const struct replica__who *one = NULL, *other = NULL;
    const char *why = NULL;

    CHECK_INT(replica__auth_ask(auth, "Bearer a", &one, &why), 1);
    CHECK_INT(replica__auth_ask(auth, "Bearer a", &other, &why), 1);
    replica__auth_leave(other);
    CHECK_STR(one->claims, "{\"sub\":\"x\"}");
    CHECK_INT(one->expires_ms, 0);
    replica__auth_leave(one);
    replica__auth_leave(NULL);
}

static void refuse(const char *text, const char *message)
{
    struct replica__auth *auth = NULL;

    CHECK_RC(open_file(tmp_write("t", text, REPLICA_NUL), NULL, &auth), REPLICA_EINVAL);
    CHECK(auth == NULL);
    if (!strstr(test_err.message, message))
        test_fail(__FILE__, __LINE__, "%s", test_err.message);
    CHECK(!strstr(test_err.message, "words") && !strstr(test_err.message, "secret"));
}

TEST(a_file_that_is_none_is_refused_without_showing_it)
{
    struct replica__auth *auth = NULL;

    refuse("", "has no token");
    refuse("# none\n", "has no token");
    refuse("two words\n", "line 1: behind the token: no JSON object");
    refuse("secret {\"sub\":1}\nsecret2 [1]\n", "line 2: behind the token: no JSON object");
    refuse("secret {\"sub\":1,\"sub\":2}", "line 1: behind the token");
    refuse("secret {\"sub\":1} words", "line 1: behind the token");
    refuse("secret {\"exp\":\"words\"}", "line 1: behind the token: exp is no number");
    refuse("s\303\244cret", "line 1: not a token");
    refuse("b\nsecret\na\nsecret {}\n", "line 4: the token is that of line 2");
    CHECK_RC(open_file(tmp_path("absent"), NULL, &auth), REPLICA_EIO);
    CHECK(strstr(test_err.message, "absent"));
}

TEST(a_file_that_others_can_read_is_noticed)
{
    const char *path = tmp_write("t", "secret\n", REPLICA_NUL);
    struct replica__auth *auth = NULL;

    chmod(path, 0644);
    CHECK_RC(open_file(path, NULL, &auth), 0);
    CHECK(strstr(warning, "can be read by others") && !strstr(warning, "secret"));
    replica__auth_close(auth);
    warning[0] = '\0';
    chmod(path, 0600);
    CHECK_RC(open_file(path, NULL, &auth), 0);
    CHECK_STR(warning, "");
    replica__auth_close(auth);
}

TEST(a_failed_allocation_fails_the_opening_and_nothing_else)
{
    const char *path = tmp_write("t", "a {\"sub\":1}\nb\nc {}\n", REPLICA_NUL);

    for (int nth = 0, failed = 1; failed; nth++) {
        struct replica__auth *auth = NULL;
        int r;

        fault_alloc(nth);
        r = open_file(path, NULL, &auth);
        failed = fault_stop();
        CHECK(failed ? r == REPLICA_ENOMEM && !auth : r == 0);
        replica__auth_close(auth);
    }
}
