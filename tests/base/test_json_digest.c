#include "base/json_internal.h"
#include "tests/base/json_help.h"
#include "tests/support/clock.h"


static uint64_t digest(const char *text)
{
    return replica__json_digest(text, strlen(text));
}

/* Digests go over the wire: whoever changes one has made a new protocol. */
TEST(a_digest_is_the_same_for_ever)
{
    CHECK(digest("{}") == UINT64_C(0x6B9A673C7F072DCE));
    CHECK(digest("{\"id\":\"a\",\"n\":[1,-2.5e3,true,null,\"0123456789\"]}") ==
          UINT64_C(0xA8A03F4FF7794025));
}

TEST(spelling_order_and_reserved_names_do_not_count)
{
    CHECK(digest("{\"a\":1,\"b\":\"x\\n\"}") == digest("{ \"b\":\"x\\u000a\", \"\\u0061\":1.0 }"));
    CHECK(digest("{\"a\":1,\"_deleted\":false}") == digest("{\"a\":1}"));
    CHECK(digest("{\"a\":{\"x\":1,\"y\":2}}") == digest("{\"a\":{\"y\":2,\"x\":1}}"));
    CHECK(digest("{\"s\":\"01234567\\u003889abcdef\"}") == digest("{\"s\":\"01234567889abcdef\"}"));
}

TEST(the_digest_of_the_whole_counts_reserved_names_too)
{
    CHECK(replica__json_digest_whole(value_of("{\"_a\":1}")) !=
          replica__json_digest_whole(value_of("{\"_a\":2}")));
    CHECK(replica__json_digest_whole(value_of("{\"_a\":1,\"b\":2}")) ==
          replica__json_digest_whole(value_of("{\"b\":2.0,\"\\u005fa\":1}")));
}

TEST(contents_that_differ_have_digests_that_differ)
{
    static const char *const texts[] = {
        "{}", "{\"a\":1}", "{\"a\":2}", "{\"b\":1}", "{\"a\":\"1\"}", "{\"a\":-1}", "{\"a\":10}",
        "{\"a\":0.1}", "{\"a\":true}", "{\"a\":false}", "{\"a\":null}", "{\"a\":[]}", "{\"a\":{}}",
        "{\"a\":[1]}", "{\"a\":[[1]]}", "{\"a\":[1,2]}", "{\"a\":[2,1]}", "{\"a\":\"\"}",
        "{\"\":\"a\"}", "{\"a\":\"\\u0000\"}", "{\"a\":\"\\u0000\\u0000\"}", "{\"a\":0}",
        "{\"a\":{\"b\":1},\"c\":2}", "{\"a\":{\"b\":2},\"c\":1}", "{\"a\":{\"b\":1,\"c\":2}}",
        "{\"a\":1,\"b\":2}", "{\"a\":2,\"b\":1}", "{\"a\":{\"_x\":1}}", "{\"a\":\"\\ud800\"}",
        "{\"a\":\"\\ud801\"}", "{\"a\":12}", "{\"a\":1.2}", "{\"a\":9007199254740993}",
        "{\"a\":9007199254740992}", "{\"a\":1e400}", "{\"a\":1e401}",
    };
    const size_t n = sizeof(texts) / sizeof(texts[0]);

    for (size_t i = 0; i < n; i++) {
        for (size_t k = i + 1; k < n; k++)
            CHECK(digest(texts[i]) != digest(texts[k]));
    }
}

/* ---- a random document, spelled in two random ways -------------------------------- */

struct speller {
    struct replica__buf *out;
    uint64_t dice; /* of the spelling */
};

static void blank(struct speller *s)
{
    static const char *const blanks[] = { "", "", "", " ", "\n", "\t \r" };

    replica__buf_str(s->out, blanks[dice_roll(&s->dice) % 6]);
}

static void spell_string(struct speller *s, uint64_t content)
{
    unsigned n = content % 20;

    replica__buf_char(s->out, '"');
    for (unsigned i = 0; i < n; i++) {
        unsigned c = 'a' + (unsigned)((content >> i) % 26);

        if (dice_roll(&s->dice) % 4 == 0)
            replica__buf_printf(s->out, dice_roll(&s->dice) % 2 ? "\\u%04x" : "\\u%04X", c);
        else
            replica__buf_char(s->out, (char)c);
    }
    replica__buf_char(s->out, '"');
}

/* n * 10^shift with the point and the exponent anywhere. */
static void spell_number(struct speller *s, uint64_t content)
{
    int n = (int)(content % 2001) - 1000;
    int shift = (int)(content >> 20) % 700 - 350;
    int zeros = (int)(dice_roll(&s->dice) % 4);

    replica__buf_printf(s->out, "%d%.*s", n, n ? zeros : 0, "0000");
    if (dice_roll(&s->dice) % 2)
        replica__buf_str(s->out, ".00");
    replica__buf_printf(s->out, "%c%s%d", dice_roll(&s->dice) % 2 ? 'e' : 'E',
                        shift - zeros >= 0 && dice_roll(&s->dice) % 2 ? "+" : "", shift - zeros);
}

static void spell_value(struct speller *s, uint64_t *content, int depth);

static void spell_object(struct speller *s, uint64_t *content, int depth)
{
    unsigned n = (unsigned)(dice_roll(content) % 6);
    unsigned turn = (unsigned)(dice_roll(&s->dice) % (n + 1));
    uint64_t seeds[6];

    for (unsigned i = 0; i < n; i++)
        seeds[i] = dice_roll(content);
    replica__buf_char(s->out, '{');
    for (unsigned i = 0; i < n; i++) {
        unsigned which = (i + turn) % n;
        uint64_t member = seeds[which];

        if (i)
            replica__buf_char(s->out, ',');
        blank(s);
        replica__buf_printf(s->out, dice_roll(&s->dice) % 2 ? "\"n%u\"" : "\"\\u006e%u\"", which);
        blank(s);
        replica__buf_char(s->out, ':');
        spell_value(s, &member, depth + 1);
    }
    blank(s);
    replica__buf_char(s->out, '}');
}

static void spell_value(struct speller *s, uint64_t *content, int depth)
{
    static const char *const words[] = { "true", "false", "null" };
    uint64_t kind = dice_roll(content) % (depth < 4 ? 6 : 3);

    blank(s);
    if (kind == 0) {
        spell_string(s, dice_roll(content));
    } else if (kind == 1) {
        spell_number(s, dice_roll(content));
    } else if (kind == 2) {
        replica__buf_str(s->out, words[dice_roll(content) % 3]);
    } else if (kind == 3) {
        replica__buf_char(s->out, '[');
        for (uint64_t i = 0, n = dice_roll(content) % 4; i < n; i++) {
            if (i)
                replica__buf_char(s->out, ',');
            spell_value(s, content, depth + 1);
        }
        replica__buf_char(s->out, ']');
    } else {
        spell_object(s, content, depth);
    }
    blank(s);
}

static void spell(uint64_t content, uint64_t dice, struct replica__buf *out)
{
    struct speller s = { out, dice };

    replica__buf_clear(out);
    spell_object(&s, &content, 0);
}

TEST(equal_contents_have_equal_digests)
{
    REPLICA_BUF a = REPLICA_BUF_INIT;
    REPLICA_BUF b = REPLICA_BUF_INIT;

    for (uint64_t seed = 0; seed < 5000; seed++) {
        spell(seed, 2 * seed, &a);
        spell(seed, 2 * seed + 1, &b);
        CHECK_RC(replica__json_check(a.data, a.len, NULL, &test_err), 0);
        CHECK_RC(replica__json_check(b.data, b.len, NULL, &test_err), 0);
        CHECK_INT(replica__json_equal(a.data, a.len, b.data, b.len, 0), 1);
        CHECK(replica__json_digest(a.data, a.len) == replica__json_digest(b.data, b.len));
    }
}

TEST(contents_are_equal_only_if_their_digests_are)
{
    REPLICA_BUF a = REPLICA_BUF_INIT;
    REPLICA_BUF b = REPLICA_BUF_INIT;

    for (uint64_t seed = 0; seed < 5000; seed++) {
        int same;

        spell(seed, 1, &a);
        spell(seed + 1, 2, &b);
        same = replica__json_equal(a.data, a.len, b.data, b.len, REPLICA_JSON_SKIP_RESERVED);
        CHECK_INT(replica__json_digest(a.data, a.len) == replica__json_digest(b.data, b.len), same);
    }
}
