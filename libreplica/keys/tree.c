/* A node for each segment that patterns begin with.  A key is matched by the set of nodes that its
 * segments so far lead to, each node once, so that no pattern makes it take longer than the number
 * of nodes for each segment. */
#include "libreplica/keys/tree.h"

#include "base/alloc.h"

#include <assert.h>
#include <string.h>

struct replica__tree_node {
    struct replica__tree_node **names; /* what may follow, by name, in order */
    size_t n, room;
    struct replica__tree_node *any, *many; /* "*" and "**" */
    struct replica__tree_leaf *leaves;     /* of patterns that end here */
    uint64_t seen;                         /* the last step at which it was reached */
    bool stays;                            /* it is a "**" */
    size_t len;
    char name[];
};

static struct replica__tree_node *node_new(struct replica__tree *tree, const char *name, size_t len,
                                           bool stays)
{
    struct replica__tree_node *node = replica__alloc_zero(1, sizeof *node + len + 1);

    if (!node)
        return NULL;
    memcpy(node->name, name, len);
    node->len = len;
    node->stays = stays;
    tree->nodes++;
    return node;
}

/* Where the name is, or belongs. */
static size_t place_of(const struct replica__tree_node *node, const char *name, size_t len)
{
    size_t low = 0, high = node->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct replica__tree_node *at = node->names[middle];
        int c = at->len != len ? (at->len > len) - (at->len < len) : memcmp(at->name, name, len);

        if (c < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct replica__tree_node *find_name(const struct replica__tree_node *node,
                                            const char *name, size_t len)
{
    size_t at = place_of(node, name, len);

    return at < node->n && node->names[at]->len == len &&
                   memcmp(node->names[at]->name, name, len) == 0
               ? node->names[at]
               : NULL;
}

static struct replica__tree_node *add_name(struct replica__tree *tree,
                                           struct replica__tree_node *node, const char *name,
                                           size_t len)
{
    struct replica__tree_node *added;
    size_t at;

    if (node->n == node->room) {
        size_t room = node->room ? node->room * 2 : 2;
        struct replica__tree_node **grown = replica__realloc(node->names, room, sizeof *grown);

        if (!grown)
            return NULL;
        node->names = grown;
        node->room = room;
    }
    added = node_new(tree, name, len, false);
    if (!added)
        return NULL;
    at = place_of(node, name, len);
    memmove(&node->names[at + 1], &node->names[at], (node->n - at) * sizeof(node->names[0]));
    node->names[at] = added;
    node->n++;
    return added;
}

/* What follows for the pattern's segment i; NULL: nothing does. */
static struct replica__tree_node *child_of(const struct replica__tree_node *node,
                                           const struct replica__pattern *p, unsigned i)
{
    switch (replica__pattern_kind(p, i)) {
    case REPLICA__SEGMENT_ANY:
        return node->any;
    case REPLICA__SEGMENT_MANY:
        return node->many;
    case REPLICA__SEGMENT_NAME:
        break;
    }
    return find_name(node, p->text + p->segments[i].at, p->segments[i].len);
}

static struct replica__tree_node *add_child(struct replica__tree *tree,
                                            struct replica__tree_node *node,
                                            const struct replica__pattern *p, unsigned i)
{
    switch (replica__pattern_kind(p, i)) {
    case REPLICA__SEGMENT_ANY:
        return node->any = node_new(tree, "*", 1, false);
    case REPLICA__SEGMENT_MANY:
        return node->many = node_new(tree, "**", 2, true);
    case REPLICA__SEGMENT_NAME:
        break;
    }
    return add_name(tree, node, p->text + p->segments[i].at, p->segments[i].len);
}

static void drop_child(struct replica__tree *tree, struct replica__tree_node *node,
                       struct replica__tree_node *child)
{
    if (child == node->any) {
        node->any = NULL;
    } else if (child == node->many) {
        node->many = NULL;
    } else {
        size_t at = place_of(node, child->name, child->len);

        node->n--;
        memmove(&node->names[at], &node->names[at + 1], (node->n - at) * sizeof(node->names[0]));
    }
    replica__free(child->names);
    replica__free(child);
    tree->nodes--;
}

/* Let go of nodes along the pattern that lead nowhere. */
static void prune(struct replica__tree *tree, struct replica__tree_node *node,
                  const struct replica__pattern *p, unsigned i)
{
    struct replica__tree_node *child = i < p->n ? child_of(node, p, i) : NULL;

    if (!child)
        return;
    prune(tree, child, p, i + 1);
    if (!child->leaves && child->n == 0 && !child->any && !child->many)
        drop_child(tree, node, child);
}

static bool reserve(struct replica__tree *tree)
{
    size_t room = tree->room ? tree->room : 16;
    struct replica__tree_node **now, **then;

    while (room < tree->nodes)
        room *= 2;
    if (room == tree->room)
        return true;
    now = replica__realloc(tree->now, room, sizeof(*now));
    if (now)
        tree->now = now;
    then = now ? replica__realloc(tree->then, room, sizeof(*then)) : NULL;
    if (!then)
        return false;
    tree->then = then;
    tree->room = room;
    return true;
}

int replica__tree_add(struct replica__tree *tree, const struct replica__pattern *p,
                      struct replica__tree_leaf *leaf)
{
    struct replica__tree_node *node = tree->root;

    if (!node)
        node = tree->root = node_new(tree, "", 0, false);
    for (unsigned i = 0; node && i < p->n; i++) {
        struct replica__tree_node *child = child_of(node, p, i);

        node = child ? child : add_child(tree, node, p, i);
    }
    if (!node || !reserve(tree)) {
        if (tree->root)
            prune(tree, tree->root, p, 0);
        return REPLICA_ENOMEM;
    }
    leaf->next = node->leaves;
    node->leaves = leaf;
    return 0;
}

void replica__tree_remove(struct replica__tree *tree, const struct replica__pattern *p,
                          struct replica__tree_leaf *leaf)
{
    struct replica__tree_node *node = tree->root;
    struct replica__tree_leaf **at;

    for (unsigned i = 0; i < p->n; i++) {
        assert(node);
        node = child_of(node, p, i);
    }
    assert(node);
    at = &node->leaves;
    while (*at != leaf)
        at = &(*at)->next;
    *at = leaf->next;
    prune(tree, tree->root, p, 0);
}

static void reach(struct replica__tree *tree, struct replica__tree_node *node, size_t *n)
{
    /* "**" may stand for nothing, so what follows it is reached, too. */
    for (; node && node->seen != tree->step; node = node->many) {
        node->seen = tree->step;
        tree->then[(*n)++] = node;
    }
}

static size_t next_step(struct replica__tree *tree)
{
    struct replica__tree_node **now = tree->then;

    tree->then = tree->now;
    tree->now = now;
    tree->step++;
    return 0;
}

void replica__tree_match(struct replica__tree *tree, const char *key, size_t len,
                         void (*fn)(void *ctx, struct replica__tree_leaf *leaf), void *ctx)
{
    size_t n = 0, reached = 0;

    if (!tree->root)
        return;
    tree->step++;
    reach(tree, tree->root, &reached);
    for (size_t at = 0; at <= len && reached > 0;) {
        const char *slash = at < len ? memchr(key + at, '/', len - at) : NULL;
        size_t here = (slash ? (size_t)(slash - key) : len) - at;

        n = reached;
        reached = next_step(tree);
        for (size_t i = 0; i < n; i++) {
            struct replica__tree_node *node = tree->now[i];

            reach(tree, find_name(node, key + at, here), &reached);
            reach(tree, node->any, &reached);
            if (node->stays)
                reach(tree, node, &reached);
        }
        at += here + 1;
    }
    for (size_t i = 0; i < reached; i++) {
        for (struct replica__tree_leaf *leaf = tree->then[i]->leaves; leaf; leaf = leaf->next)
            fn(ctx, leaf);
    }
}

static void free_node(struct replica__tree_node *node)
{
    if (!node)
        return;
    for (size_t i = 0; i < node->n; i++)
        free_node(node->names[i]);
    free_node(node->any);
    free_node(node->many);
    replica__free(node->names);
    replica__free(node);
}

void replica__tree_free(struct replica__tree *tree)
{
    free_node(tree->root);
    replica__free(tree->now);
    replica__free(tree->then);
    *tree = (struct replica__tree)REPLICA_TREE_INIT;
}
