/* The formats of the official suite, all drafts, by the checks themselves; and what it leaves
 * out. */
#include "schema/format.h"

#include "base/json.h"
#include "tests/support/fault.h"
#include "tests/support/test.h"

#include <stdio.h>
#include <stdlib.h>

#define MAX_FILE (1 << 20)

static int is(const char *format, const char *text)
{
    replica__format_fn fn = replica__format_find(format, strlen(format), 2020);

    CHECK(fn != NULL);
    return fn(text, strlen(text));
}

#define YES(format, text) CHECK_INT(is(format, text), 1)
#define NO(format, text) CHECK_INT(is(format, text), 0)

/* ---- the suite ------------------------------------------------------------------- */

/* A file of the suite; NULL: there is none.  Yours to free(). */
static char *read_file(const char *draft, const char *name)
{
    const char *suites = getenv("REPLICA_SUITES");
    char *text = malloc(MAX_FILE);
    char path[4096];
    FILE *f;

    snprintf(path, sizeof(path), "%s/json-schema/tests/%s/optional/format/%s.json",
             suites ? suites : REPLICA_SUITES, draft, name);
    f = fopen(path, "rb");
    CHECK(text != NULL);
    if (!f) {
        free(text);
        return NULL;
    }
    text[fread(text, 1, MAX_FILE - 1, f)] = '\0';
    fclose(f);
    return text;
}

/* One test; returns whether it was about a text. */
static int one_test(const char *draft, replica__format_fn fn, struct replica__json_value test)
{
    struct replica__json_value data = replica__json_member(test, "data", REPLICA_NUL);
    struct replica__json_value valid = replica__json_member(test, "valid", REPLICA_NUL);
    REPLICA_BUF text = REPLICA_BUF_INIT;
    char *exact;
    int r;

    if (data.type != REPLICA_JSON_STRING)
        return 0;
    replica__json_unescape((struct replica__slice){ data.text.data + 1, data.text.len - 2 },
                           &text);
    exact = malloc(text.len + !text.len); /* so that a sanitizer sees a byte too many */
    CHECK(exact != NULL);
    if (text.len)
        memcpy(exact, text.data, text.len);
    r = fn(exact, text.len);
    free(exact);
    if (r != (valid.type == REPLICA_JSON_TRUE))
        test_fail(__FILE__, __LINE__, "%s: %.*s: %d", draft, (int)data.text.len, data.text.data,
                  r);
    return 1;
}

static int one_file(const char *draft, int number, const char *name)
{
    char *text = read_file(draft, name);
    struct replica__json_iter group;
    int n = 0;

    if (!text)
        return 0;
    group = replica__json_iter(replica__json_value(text, strlen(text)));
    while (replica__json_next(&group)) {
        struct replica__json_value schema =
            replica__json_member(group.value, "schema", REPLICA_NUL);
        struct replica__json_value format = replica__json_member(schema, "format", REPLICA_NUL);
        struct replica__json_iter test =
            replica__json_iter(replica__json_member(group.value, "tests", REPLICA_NUL));
        replica__format_fn fn =
            replica__format_find(format.text.data + 1, format.text.len - 2, number);

        CHECK(fn != NULL);
        while (replica__json_next(&test))
            n += one_test(draft, fn, test.value);
    }
    free(text);
    return n;
}

static const char *const files[] = {
    "date", "date-time", "duration", "ecmascript-regex", "email", "hostname", "idn-email",
    "ipv4", "ipv6", "iri", "iri-reference", "json-pointer", "regex", "relative-json-pointer",
    "time", "uri", "uri-reference", "uri-template", "uuid",
#ifdef REPLICA_HAVE_IDN2
    "idn-hostname",
#endif
};

static void whole_draft(const char *draft, int number, int least)
{
    int n = 0;

    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
#ifndef REPLICA_HAVE_IDN2
        if (strcmp(files[i], "hostname") == 0)
            continue; /* half of it is Punycode */
#endif
        n += one_file(draft, number, files[i]);
    }
    if (n == 0)
        test_skip("no JSON-Schema-Test-Suite (REPLICA_SUITES says where)");
    CHECK(n >= least);
}

TEST(draft_4_has_its_formats)
{
    whole_draft("draft4", 4, 100);
}

TEST(draft_7_has_its_formats)
{
    whole_draft("draft7", 7, 300);
}

TEST(draft_2020_12_has_its_formats)
{
    whole_draft("draft2020-12", 2020, 400);
}

/* ---- besides it ------------------------------------------------------------------ */

TEST(a_draft_knows_its_own_names_only)
{
    CHECK(replica__format_find("uuid", 4, 7) == NULL);
    CHECK(replica__format_find("uuid", 4, 2020) != NULL);
    CHECK(replica__format_find("date", 4, 4) == NULL);
    CHECK(replica__format_find("date", 3, 2020) == NULL);
    CHECK(replica__format_find("Date", 4, 2020) == NULL);
    CHECK(replica__format_find("nonsense", 8, 2020) == NULL);
}

TEST(a_leap_second_ends_a_day_in_utc)
{
    YES("time", "23:59:60Z");
    YES("time", "00:59:60+01:00");
    NO("time", "00:59:60-01:00");
    YES("date-time", "2016-12-31T15:59:60-08:00");
    NO("date-time", "2016-12-31 15:59:59Z");
    NO("time", "10:00:00.Z");
}

TEST(durations_leave_out_nothing_in_between)
{
    YES("duration", "P1Y2M3DT4H5M6S");
    NO("duration", "P1YT2H3S");
    NO("duration", "P1Y1Y");
    NO("duration", "P1DT");
    NO("duration", "T1H");
}

TEST(addresses_are_whole)
{
    NO("ipv6", ":");
    NO("ipv6", ":::");
    NO("ipv6", "1::2::3");
    NO("ipv6", "1:2:3:4:5:6:7::8"); /* no room for the gap */
    YES("ipv6", "1:2:3:4:5:6::8");
    YES("ipv6", "1:2:3:4:5:6:7::");
    NO("ipv6", "1:2:3:4:5:6:7:1.2.3.4");
    NO("ipv6", "1:2:3:4:5:6:7:8:");
    NO("ipv6", "::1.2.3.4:5");
    NO("ipv4", "00.0.0.0");
}

TEST(mailboxes_have_two_sides)
{
    YES("email", "\"a\\\"b\"@example.com");
    NO("email", "\"a\"b\"@example.com");
    NO("email", "\"a@example.com");
    NO("email", "a@[IPv6:::1");
    NO("email", "a@b@c");
    NO("email", "\xC3\xA9@example.com");
    YES("idn-email", "\xC3\xA9@\xC3\xA9.com");
    NO("idn-email", "a@b c.com");
    NO("idn-email", "a@b..com");
}

TEST(uris_are_read_by_their_parts)
{
    YES("uri", "http://user:pw@host:80/p;a=1?q=/?#f/?");
    YES("uri", "a:");
    YES("uri", "http://[v1.a:b]/");
    NO("uri", "http://[v1.%41]/");
    NO("uri", "http://[::1]x/");
    NO("uri", "http://[::1");
    NO("uri", "http://a/#b#c");
    NO("uri", "http://\xC3\xA9/");
    YES("iri", "http://\xC3\xA9/");
    NO("iri", "http://a/\xEE\x80\x80"); /* private use is for queries */
    YES("iri", "http://a/?\xEE\x80\x80");
    NO("iri", "http://a/\xED\xA0\x80"); /* a lone surrogate */
    NO("iri", "http://a/\xEF\xBF\xBE");
    NO("iri", "http://a/\xC2\x80");
    YES("uri-reference", "a/b:c");
    NO("uri-reference", "a:b:\"c");
}

TEST(templates_close_what_they_open)
{
    YES("uri-template", "{+a.b:12,c*}{?d}x%20\xC3\xA9");
    NO("uri-template", "{a:12345}");
    NO("uri-template", "{a*:1}");
    NO("uri-template", "{a.}");
    NO("uri-template", "%4");
    NO("uri-template", "{a b}");
}

TEST(a_regular_expression_that_we_cannot_match_is_one)
{
    YES("regex", "(?<=a+)b");
    NO("regex", "(?<=a+b");
}

#ifdef REPLICA_HAVE_IDN2
TEST(names_in_two_directions_obey_both)
{
    YES("idn-hostname", "a.\xD7\x90");
    NO("idn-hostname", "\xD7\x90.0a");
    NO("hostname", "xn--\xC3\xA9");
    NO("idn-hostname", "xn--a.\xD7\x90");
    NO("idn-hostname", "\xED\xA0\x80"); /* a lone surrogate */
    NO("idn-hostname", "\xD7");
}
#else
TEST(without_libidn2_nothing_is_said_of_its_format)
{
    CHECK(replica__format_find("idn-hostname", 12, 2020) == NULL);
    YES("hostname", "xn--X");
}
#endif

TEST(a_failed_allocation_is_no_verdict)
{
    for (int nth = 0, failed = 1; failed; nth++) {
        int r;

        fault_alloc(nth);
        r = is("regex", "^(a|b)*$");
        failed = fault_stop();
        CHECK(r == 1 || (failed && r == REPLICA_ENOMEM));
    }
}
