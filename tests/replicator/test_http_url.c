/* URLs of endpoints: taken apart, compared, and shown without secrets. */
#include "replicator/http_url.h"
#include "tests/support/fault.h"
#include "tests/support/test.h"

#define URL __attribute__((cleanup(replica__http_url_free))) struct replica__http_url

static void check_url(const char *text, const char *base, const char *name, int version,
                      bool loopback)
{
    URL url = { NULL, NULL, 0, false };

    CHECK_RC(replica__http_url_parse(text, &url, &test_err), 0);
    CHECK_STR(url.base, base);
    CHECK_STR(url.name, name);
    CHECK_INT(url.version, version);
    CHECK_INT(url.loopback, loopback);
}

TEST(an_endpoint_is_a_base_a_collection_and_a_version)
{
    check_url("http://db.example/cities/0", "http://db.example", "cities", 0, false);
    check_url("https://db.example:8443/api/v2/my-cities/12/", "https://db.example:8443/api/v2",
              "my-cities", 12, false);
    check_url("HTTPS://ann:pw@db.example/cities/0", "HTTPS://ann:pw@db.example", "cities", 0,
              false);
}

TEST(what_stays_on_this_machine_is_known)
{
    check_url("http://localhost:80/c/0", "http://localhost:80", "c", 0, true);
    check_url("http://127.0.0.1/c/0", "http://127.0.0.1", "c", 0, true);
    check_url("http://127.1.2.3:9/c/0", "http://127.1.2.3:9", "c", 0, true);
    check_url("http://[::1]:9/c/0", "http://[::1]:9", "c", 0, true);
    check_url("http://[fe80::1]:9/c/0", "http://[fe80::1]:9", "c", 0, false);
    check_url("http://127.example/c/0", "http://127.example", "c", 0, false);
    check_url("http://localhost.example/c/0", "http://localhost.example", "c", 0, false);
}

TEST(what_is_no_endpoint_is_refused_and_changes_nothing)
{
    static const char *const urls[] = {
        "", "x", "http:", "http://", "http:///c/0", "http://h", "http://h/", "http://h/c",
        "http://h/c/", "http://h/c/x", "http://h/c/1x", "http://h//0", "http://h/c/1234567890",
        "http://h/c%20d/0", "http://h/c/0?x=1", "http://h/c/0#x", "http://h?c/0", "http://h\\c/0",
        "http://h:x/c/0", "http://h:123456/c/0", "http://[::1/c/0", "http://[::1]x/c/0",
        "http://u@/c/0", "file:///c/0", "ws://h/c/0", "http://h/c/0\n", "http://h /c/0",
    };

    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        struct replica__http_url url = { NULL, NULL, 77, false };

        CHECK_RC(replica__http_url_parse(urls[i], &url, &test_err), REPLICA_EINVAL);
        CHECK(url.base == NULL && url.name == NULL && url.version == 77);
    }
}

TEST(an_origin_is_scheme_host_and_port)
{
    static const char from[] = "https://u:p@Db.example/cities/0/pull";

    CHECK(replica__http_url_same_origin(from, "https://db.example:443/other?x"));
    CHECK(replica__http_url_same_origin("http://h:80", "http://h/"));
    CHECK(!replica__http_url_same_origin(from, "http://db.example/cities/0/pull"));
    CHECK(!replica__http_url_same_origin(from, "https://db.example:8443/cities/0/pull"));
    CHECK(!replica__http_url_same_origin(from, "https://db.example.evil/"));
    CHECK(!replica__http_url_same_origin(from, "https://db.example@evil/"));
    CHECK(!replica__http_url_same_origin(from, "https://x:y@db.example/"));
    CHECK(!replica__http_url_same_origin(from, "https://evil\\@db.example/"));
    CHECK(!replica__http_url_same_origin(from, ""));
    CHECK(!replica__http_url_same_origin(from, "/relative"));
}

static void check_shown(const char *url, const char *want)
{
    REPLICA_BUF out = REPLICA_BUF_INIT;

    replica__http_url_show(url, &out);
    CHECK_STR(out.data ? out.data : "", want);
}

TEST(a_url_is_shown_without_its_secrets)
{
    check_shown("https://ann:pw@h:8443/cities/0/pull?id=x&lwt=1#y", "https://h:8443/cities/0/pull");
    check_shown("http://h", "http://h");
    check_shown("http://a@b@h/c", "http://h/c");
    check_shown("no url with a secret", "");
}

TEST(a_failed_allocation_fails_the_url_and_nothing_else)
{
    for (int nth = 0, failed = 1; failed; nth++) {
        URL url = { NULL, NULL, 0, false };
        int r;

        fault_alloc(nth);
        r = replica__http_url_parse("http://h/c/3", &url, &test_err);
        failed = fault_stop();
        CHECK(r == 0 || (failed && r == REPLICA_ENOMEM));
        CHECK_STR(url.name, r == 0 ? "c" : NULL);
    }
}
