#include "libreplica/keys/pattern.h"
#include "base/clock.h"
#include "libreplica/keys.h"
#include "tests/support/test.h"

#include <stdlib.h>

TEST(a_star_stands_for_one_segment_and_two_for_any_number)
{
    static const struct {
        const char *pattern, *key;
        int matches;
    } cases[] = {
        { "a", "a", 1 },
        { "a", "a/", 0 },
        { "*", "a", 1 },
        { "*", "a/b", 0 },
        { "*", "/a", 0 },
        { "**", "/a/b", 1 },
        { "/client/*/volume", "/client/alice/volume", 1 },
        { "/client/*/volume", "/client//volume", 1 },
        { "/client/*/volume", "/client/a/b/volume", 0 },
        { "/client/*/volume", "/client/alice/volumes", 0 },
        { "/client/*/volume", "client/alice/volume", 0 },
        { "/client/**", "/client", 1 },
        { "/client/**", "/client/", 1 },
        { "/client/**", "/client/a/b", 1 },
        { "/client/**", "/clients", 0 },
        { "/client/**/volume", "/client/volume", 1 },
        { "/client/**/volume", "/client/a/volume/b/volume", 1 },
        { "/client/**/volume", "/client/a/volume/b", 0 },
        { "**/a/*", "x/a/a/b", 1 },
        { "**/a/**/b", "a/c/b", 1 },
        { "**/**", "a", 1 },
        { "*/**", "a", 1 },
        { "**/*", "a", 1 },
        { "*/**/*", "a", 0 },
        { "/", "/", 1 },
        { "/*", "/", 1 },
        { "", "", 1 },
        { "", "a", 0 },
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (replica_key_matches(cases[i].pattern, cases[i].key) != cases[i].matches)
            test_fail(__FILE__, __LINE__, "%s and %s", cases[i].pattern, cases[i].key);
    }
}

TEST(a_star_beside_other_characters_is_refused_with_its_place)
{
    static const char *const wrong[] = { "a*", "*a", "***", "a/b*c/d", "x/**a" };
    struct replica__pattern p = { .n = 7 };

    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        CHECK_RC(replica__pattern_parse(&p, wrong[i], &test_err), REPLICA_EINVAL);
        CHECK_INT(replica_key_matches(wrong[i], wrong[i]), 0);
    }
    CHECK_INT(test_err.offset, 2);
    CHECK_STR(test_err.message,
              "a pattern's segment \"**a\" has a star beside other characters");
    CHECK_INT(p.n, 7);
    CHECK_RC(replica__pattern_parse(&p, NULL, &test_err), REPLICA_EINVAL);
    CHECK_INT(replica_key_matches(NULL, "a"), 0);
    CHECK_INT(replica_key_matches("a", NULL), 0);
}

TEST(a_pattern_has_at_most_64_segments)
{
    char text[200] = "";
    struct replica__pattern p;

    for (int i = 0; i < 63; i++)
        strcat(text, "*/");
    strcat(text, "a");
    CHECK_RC(replica__pattern_parse(&p, text, &test_err), 0);
    CHECK(replica__pattern_matches(&p, text, strlen(text)));
    strcat(text, "/a");
    CHECK_RC(replica__pattern_parse(&p, text, &test_err), REPLICA_EINVAL);
    CHECK_INT(test_err.offset, 128);
}

/* ---- against the plainest way ---------------------------------------------------- */

/* From the segments that begin at these places on; NULL: none is left. */
static bool plainly(const char *pattern, const char *key)
{
    size_t p, k;
    bool many;

    if (!pattern)
        return !key;
    p = strcspn(pattern, "/");
    many = p == 2 && strncmp(pattern, "**", 2) == 0;
    if (many && plainly(pattern[p] ? pattern + p + 1 : NULL, key))
        return true;
    if (!key)
        return false;
    k = strcspn(key, "/");
    if (many)
        return plainly(pattern, key[k] ? key + k + 1 : NULL);
    if (!(p == 1 && *pattern == '*') && (p != k || strncmp(pattern, key, k) != 0))
        return false;
    return plainly(pattern[p] ? pattern + p + 1 : NULL, key[k] ? key + k + 1 : NULL);
}

static const char *path_of(char *room, const char *const *words, size_t n)
{
    const struct replica__world *world = &replica__real_world;
    uint64_t dice = world->random(world->ctx);
    size_t segments = 1 + dice % 5;

    *room = '\0';
    for (size_t i = 0; i < segments; i++) {
        dice = world->random(world->ctx);
        strcat(room, words[dice % n]);
        if (i + 1 < segments)
            strcat(room, "/");
    }
    return room;
}

static const char *const names[] = { "a", "b", "", "a!", "a0", "ab", "\xc3\xa9", "-" };
static const char *const parts[] = { "a", "b", "", "a!", "ab", "*", "*", "**", "**" };

LONG_TEST(any_pattern_matches_what_the_plainest_way_says)
{
    char pattern[64], key[64];
    int yes = 0;

    for (int i = 0; i < 300000; i++) {
        struct replica__pattern p;
        bool is;

        CHECK_RC(replica__pattern_parse(&p, path_of(pattern, parts, 9), &test_err), 0);
        path_of(key, names, 8);
        is = replica__pattern_matches(&p, key, strlen(key));
        if (is != plainly(pattern, key))
            test_fail(__FILE__, __LINE__, "%s and %s: %d", pattern, key, is);
        yes += is;
    }
    CHECK(yes > 10000 && yes < 290000);
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

#define KEYS 600

LONG_TEST(a_jump_leaves_out_no_key_that_matches)
{
    static char room[KEYS][64];
    char *keys[KEYS], pattern[64];
    REPLICA_BUF from = REPLICA_BUF_INIT;
    int jumps = 0, ends = 0;

    for (size_t i = 0; i < KEYS; i++) {
        path_of(room[i], names, 8);
        keys[i] = room[i];
    }
    qsort(keys, KEYS, sizeof keys[0], compare);
    for (int i = 0; i < 300; i++) {
        struct replica__pattern p;

        CHECK_RC(replica__pattern_parse(&p, path_of(pattern, parts, 9), &test_err), 0);
        for (size_t k = 0; k <= KEYS; k++) {
            const char *key = k < KEYS ? keys[k] : "";
            enum replica__seek seek = replica__pattern_seek(&p, key, strlen(key), &from);

            CHECK_INT(from.r, 0);
            jumps += seek == REPLICA__SEEK_TO;
            ends += seek == REPLICA__SEEK_END;
            if (seek == REPLICA__SEEK_NEXT)
                continue;
            if (seek == REPLICA__SEEK_TO && strcmp(from.data, key) <= 0)
                test_fail(__FILE__, __LINE__, "%s: %s leads back to %s", pattern, key, from.data);
            for (size_t other = 0; other < KEYS; other++) {
                if (strcmp(keys[other], key) > 0 &&
                    (seek == REPLICA__SEEK_END || strcmp(keys[other], from.data) < 0) &&
                    plainly(pattern, keys[other]))
                    test_fail(__FILE__, __LINE__, "%s: from %s over %s", pattern, key,
                              keys[other]);
            }
        }
    }
    CHECK(jumps > 10000 && ends > 10000);
}

TEST(jumps_go_where_the_next_one_can_be)
{
    static const struct {
        const char *pattern, *key, *to; /* NULL: the end; "": the next key */
    } cases[] = {
        { "/client/*/volume", "", "/client/" },
        { "/client/*/volume", "/client/", "" },
        { "/client/*/volume", "/client/al/mute", "/client/al/volume" },
        { "/client/*/volume", "/client/al/volume", "/client/al0" },
        { "/client/*/volume", "/client/al", "" }, /* "/client/al!/volume" comes next */
        { "/client/*/volume", "/clients", NULL },
        { "/client/a/**", "/client", "/client/a" },
        { "/client/a/**", "/client/a", "/client/a/" },
        { "/client/a/**", "/client/a!", "/client/a/" },
        { "/client/a/**", "/client/a/x", "" },
        { "/client/a/**", "/client/ab", NULL },
        { "a/*/b/*", "a/x/a/y", "a/x/b/" },
        { "a/*/b/*", "a/x/b/y", "" },
        { "a/*/b/*", "a/x/b/y/z", "a/x/b/y0" },
        { "a/*/b/*", "a/x/c", "a/x0" },
        { "a", "", "a" },
        { "a", "a", NULL },
        { "**", "", "" },
    };
    REPLICA_BUF from = REPLICA_BUF_INIT;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct replica__pattern p;
        enum replica__seek seek;

        CHECK_RC(replica__pattern_parse(&p, cases[i].pattern, &test_err), 0);
        seek = replica__pattern_seek(&p, cases[i].key, strlen(cases[i].key), &from);
        CHECK_STR(seek == REPLICA__SEEK_END ? NULL : seek == REPLICA__SEEK_NEXT ? "" : from.data,
                  cases[i].to);
    }
}
