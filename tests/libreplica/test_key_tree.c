#include "libreplica/keys/tree.h"
#include "base/clock.h"
#include "tests/support/fault.h"
#include "tests/support/test.h"

#include <stdio.h>
#include <string.h>

#define MOST 200

struct one {
    struct replica__tree_leaf leaf; /* first */
    char text[64];
    struct replica__pattern p;
    bool in;
    int hits;
};

static void hit(void *ctx, struct replica__tree_leaf *leaf)
{
    (void)ctx;
    ((struct one *)leaf)->hits++;
}

static void set(struct one *one, const char *text)
{
    snprintf(one->text, sizeof one->text, "%s", text);
    CHECK_RC(replica__pattern_parse(&one->p, one->text, &test_err), 0);
}

static void random_path(char *room, size_t size, const char *const *words, size_t n)
{
    const struct replica__world *world = &replica__real_world;
    uint64_t dice = world->random(world->ctx);
    size_t segments = 1 + dice % 4, len = 0;

    for (size_t i = 0; i < segments; i++) {
        dice = world->random(world->ctx);
        len += (size_t)snprintf(room + len, size - len, "%s%s", i ? "/" : "", words[dice % n]);
    }
}

/* Each of those in the tree is hit once by what it matches, the others never. */
static int check_key(struct replica__tree *tree, struct one *all, const char *key)
{
    int hits = 0;

    for (int i = 0; i < MOST; i++)
        all[i].hits = 0;
    replica__tree_match(tree, key, strlen(key), hit, NULL);
    for (int i = 0; i < MOST; i++) {
        int want = all[i].in && replica__pattern_matches(&all[i].p, key, strlen(key));

        if (all[i].hits != want)
            test_fail(__FILE__, __LINE__, "%s: %s was told %d times", key, all[i].text,
                      all[i].hits);
        hits += want;
    }
    return hits;
}

TEST(each_pattern_that_matches_is_told_once_while_they_come_and_go)
{
    static const char *const names[] = { "a", "b", "", "ab", "c" };
    static const char *const parts[] = { "a", "b", "", "ab", "*", "*", "**" };
    static struct one all[MOST];
    const struct replica__world *world = &replica__real_world;
    struct replica__tree tree = REPLICA_TREE_INIT;
    char text[64];
    int hits = 0;

    for (int i = 0; i < MOST; i++) {
        random_path(text, sizeof text, parts, 7);
        set(&all[i], text);
    }
    for (int round = 0; round < 5000; round++) {
        struct one *one = &all[world->random(world->ctx) % MOST];

        if (one->in)
            replica__tree_remove(&tree, &one->p, &one->leaf);
        else
            CHECK_RC(replica__tree_add(&tree, &one->p, &one->leaf), 0);
        one->in = !one->in;
        random_path(text, sizeof text, names, 5);
        hits += check_key(&tree, all, text);
    }
    CHECK(hits > 5000);
    for (int i = 0; i < MOST; i++) {
        if (all[i].in)
            replica__tree_remove(&tree, &all[i].p, &all[i].leaf);
    }
    CHECK_INT(tree.nodes, 1); /* the root */
    replica__tree_free(&tree);
}

TEST(many_stars_take_no_longer_than_there_are_nodes)
{
    struct replica__tree tree = REPLICA_TREE_INIT;
    struct one one = { .hits = 0 };
    char key[2001];

    set(&one, "**/a/**/a/**/a/**/a/**/a/**/a/**/a/**/a/**/a/**/b");
    CHECK_RC(replica__tree_add(&tree, &one.p, &one.leaf), 0);
    for (int i = 0; i < 2000; i += 2)
        memcpy(key + i, "a/", 2);
    key[2000] = '\0';
    replica__tree_match(&tree, key, 2000, hit, NULL);
    CHECK_INT(one.hits, 0);
    key[1999] = '\0';
    key[1998] = 'b';
    replica__tree_match(&tree, key, 1999, hit, NULL);
    CHECK_INT(one.hits, 1);
    replica__tree_free(&tree);
}

TEST(a_failed_allocation_leaves_the_tree_as_it_was)
{
    for (int nth = 0, failed = 1; failed; nth++) {
        static struct one all[MOST];
        struct replica__tree tree = REPLICA_TREE_INIT;
        int r = 0;

        memset(all, 0, sizeof all);
        for (int i = 0; i < MOST; i++)
            set(&all[i], "x");
        set(&all[0], "a/*");
        set(&all[1], "a/b/**/c/d/e/f/g/h/i/j/k/l/m/n/o/p");
        CHECK_RC(replica__tree_add(&tree, &all[0].p, &all[0].leaf), 0);
        all[0].in = true;
        fault_alloc(nth);
        r = replica__tree_add(&tree, &all[1].p, &all[1].leaf);
        failed = fault_stop();
        CHECK_INT(r, failed ? REPLICA_ENOMEM : 0);
        if (failed)
            CHECK_INT(tree.nodes, 3);
        all[1].in = r == 0;
        CHECK_INT(check_key(&tree, all, "a/x"), 1);
        check_key(&tree, all, all[1].text);
        replica__tree_free(&tree);
    }
}
