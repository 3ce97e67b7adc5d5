#include "libreplica/replication/range.h"
#include "tests/support/test.h"

static const char *hex(struct replica__digest digest)
{
    static char text[REPLICA__DIGEST_HEX + 1];

    replica__digest_hex(digest, text);
    return text;
}

/* Of XXH128 over the bytes that docs/protocol.md names; as xxh128sum prints them. */
TEST(digests_are_those_of_the_protocol)
{
    CHECK_STR(hex(replica__digest_number("a", 1, 1)),
              "01bc3b6e3327822dd36392f0cfadb142");
    CHECK_STR(hex(replica__digest_number("caf\xc3\xa9", 5, INT64_C(0x0102030405060708))),
              "92a6f04980c9dc9f8d7608c771598e51");
    CHECK_STR(hex(replica__digest_text("a", 1, "{\"id\":\"a\"}", 10)),
              "c30ed3125a4b8e88009b24067111d412");
}

TEST(a_range_does_not_mind_the_order_and_loses_what_is_added_twice)
{
    struct replica__digest a = replica__digest_number("a", 1, 1);
    struct replica__digest b = replica__digest_number("b", 1, 2);
    struct replica__digest ab = { 0, 0 }, ba = { 0, 0 };

    CHECK_STR(hex(ab), "00000000000000000000000000000000");
    replica__digest_add(&ab, a);
    replica__digest_add(&ab, b);
    replica__digest_add(&ba, b);
    replica__digest_add(&ba, a);
    CHECK(replica__digest_equal(ab, ba));
    CHECK(!replica__digest_equal(ab, a));
    replica__digest_add(&ab, b);
    CHECK(replica__digest_equal(ab, a));
}

TEST(a_key_and_what_follows_it_are_told_apart)
{
    CHECK(!replica__digest_equal(replica__digest_text("a", 1, "b", 1),
                                 replica__digest_text("ab", 2, "", 0)));
    CHECK(!replica__digest_equal(replica__digest_number("a", 1, 1),
                                 replica__digest_number("a", 1, 256)));
}

TEST(a_digest_is_read_as_it_was_written)
{
    struct replica__digest digest = replica__digest_text("k", 1, "{}", 2), read = { 7, 7 };
    char text[REPLICA__DIGEST_HEX + 1];

    replica__digest_hex(digest, text);
    CHECK(replica__digest_parse(text, REPLICA__DIGEST_HEX, &read));
    CHECK(replica__digest_equal(read, digest));
    CHECK(!replica__digest_parse(text, REPLICA__DIGEST_HEX - 1, &read));
    text[31] = 'G';
    CHECK(!replica__digest_parse(text, REPLICA__DIGEST_HEX, &read));
    CHECK(!replica__digest_parse("0123456789ABCDEF0123456789abcdef", REPLICA__DIGEST_HEX, &read));
    CHECK(replica__digest_equal(read, digest));
}
