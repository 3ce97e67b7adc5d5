/* Many patterns at once: which of them match a key is found by walking the key's segments once,
 * however many patterns there are. */
#ifndef LIBREPLICA_KEYS_TREE_H
#define LIBREPLICA_KEYS_TREE_H

#include "libreplica/keys/pattern.h"

/* One pattern's place, part of what its owner has. */
struct replica__tree_leaf {
    struct replica__tree_leaf *next;
};

struct replica__tree_node;
struct replica__tree {
    struct replica__tree_node *root;
    size_t nodes;
    struct replica__tree_node **now, **then; /* where a match is; room for all nodes */
    size_t room;
    uint64_t step;
};
#define REPLICA_TREE_INIT { NULL, 0, NULL, NULL, 0, 0 }

/* The text is needed for this call only.  REPLICA_ENOMEM: as if it had not been called. */
int replica__tree_add(struct replica__tree *tree, const struct replica__pattern *p,
                      struct replica__tree_leaf *leaf);
/* With the pattern that it was added with. */
void replica__tree_remove(struct replica__tree *tree, const struct replica__pattern *p,
                          struct replica__tree_leaf *leaf);
/* fn for each leaf whose pattern matches, once, in no order that counts.  It leaves the tree as it
 * is. */
void replica__tree_match(struct replica__tree *tree, const char *key, size_t len,
                         void (*fn)(void *ctx, struct replica__tree_leaf *leaf), void *ctx);
void replica__tree_free(struct replica__tree *tree); /* the leaves are their owners' */

#endif
