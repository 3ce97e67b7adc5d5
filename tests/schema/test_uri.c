#include "schema/uri.h"
#include "tests/support/test.h"

static struct replica__slice slice(const char *text)
{
    return (struct replica__slice){ text, strlen(text) };
}

static void check_resolved(const char *base, const char *ref, const char *want)
{
    REPLICA_BUF out = REPLICA_BUF_INIT;

    replica__uri_resolve(slice(base), slice(ref), &out);
    CHECK_RC(out.r, 0);
    CHECK_STR(out.len ? out.data : "", want);
}

/* RFC 3986, 5.4.1 and 5.4.2. */
TEST(references_resolve_as_in_the_examples_of_the_rfc)
{
    static const char *const rows[][2] = {
        { "g:h", "g:h" },
        { "g", "http://a/b/c/g" },
        { "./g", "http://a/b/c/g" },
        { "g/", "http://a/b/c/g/" },
        { "/g", "http://a/g" },
        { "//g", "http://g" },
        { "?y", "http://a/b/c/d;p?y" },
        { "g?y", "http://a/b/c/g?y" },
        { ";x", "http://a/b/c/;x" },
        { "g;x?y", "http://a/b/c/g;x?y" },
        { "", "http://a/b/c/d;p?q" },
        { ".", "http://a/b/c/" },
        { "./", "http://a/b/c/" },
        { "..", "http://a/b/" },
        { "../", "http://a/b/" },
        { "../g", "http://a/b/g" },
        { "../..", "http://a/" },
        { "../../", "http://a/" },
        { "../../g", "http://a/g" },
        { "../../../g", "http://a/g" },
        { "../../../../g", "http://a/g" },
        { "/./g", "http://a/g" },
        { "/../g", "http://a/g" },
        { "g.", "http://a/b/c/g." },
        { ".g", "http://a/b/c/.g" },
        { "g..", "http://a/b/c/g.." },
        { "..g", "http://a/b/c/..g" },
        { "./../g", "http://a/b/g" },
        { "./g/.", "http://a/b/c/g/" },
        { "g/./h", "http://a/b/c/g/h" },
        { "g/../h", "http://a/b/c/h" },
        { "g;x=1/./y", "http://a/b/c/g;x=1/y" },
        { "g;x=1/../y", "http://a/b/c/y" },
        { "g?y/./x", "http://a/b/c/g?y/./x" },
        { "http:g", "http:g" },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        check_resolved("http://a/b/c/d;p?q", rows[i][0], rows[i][1]);
}

TEST(a_base_may_have_no_path_no_slash_or_nothing_at_all)
{
    check_resolved("http://a", "b", "http://a/b");
    check_resolved("urn:uuid:1234", "", "urn:uuid:1234");
    check_resolved("", "folder/file.json", "folder/file.json");
    check_resolved("folder/file.json", "other.json", "folder/other.json");
    check_resolved("", "../x/./y", "x/y");
    check_resolved("file:///c:/folder/file.json", "x.json", "file:///c:/folder/x.json");
}

TEST(a_fragment_begins_at_the_first_hash)
{
    struct replica__slice base;
    struct replica__slice fragment;

    replica__uri_split(slice("a#b#c"), &base, &fragment);
    CHECK_MEM(base.data, base.len, "a", 1);
    CHECK_MEM(fragment.data, fragment.len, "b#c", 3);
    replica__uri_split(slice("a"), &base, &fragment);
    CHECK_MEM(base.data, base.len, "a", 1);
    CHECK(fragment.data == NULL);
}

TEST(percent_escapes_are_decoded_and_what_is_none_stays)
{
    REPLICA_BUF out = REPLICA_BUF_INIT;

    replica__uri_decode(slice("a%22%c3%A4%2%zz%"), &out);
    CHECK_STR(out.data, "a\"\xc3\xa4%2%zz%");
}
